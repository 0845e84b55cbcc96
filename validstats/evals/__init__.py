"""Evaluations of models: pass rates, comparisons, ranks, pass@k and releases, each with error bars."""
