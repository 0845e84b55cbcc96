"""Slow, obvious versions of the algorithms of validstats.batch."""
