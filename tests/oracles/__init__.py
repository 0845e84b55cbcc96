"""Slow, obvious versions of every algorithm: what the package is tested against."""
