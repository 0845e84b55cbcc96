"""Achieved coverage of every kind of guarantee, with exact binomial bounds: ``python -m benchmarks.validity``."""
