"""Benchmarks: validstats beside the named peers, in the same run, as ratios."""
