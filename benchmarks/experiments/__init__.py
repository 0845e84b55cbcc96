"""Experiments: what was tried and did not win, kept so that it can be tried again."""
