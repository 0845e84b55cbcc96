"""Evaluations of models: pass rates, comparisons, ranks, pass@k and releases, each with error bars."""

from validstats.evals.readers import read

__all__ = ["read"]
