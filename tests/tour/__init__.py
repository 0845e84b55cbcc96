"""Tests of the tour."""

LINES = {"batch": 10, "holdout": 11, "dsl": 10, "mi": 11, "evals": 10}
"""Lines of the story of each section on 80 columns, its title included; with a blank line each and two at the end, 60."""
