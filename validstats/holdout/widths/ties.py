"""Ties on a leaderboard: the models that may be the best, for the price of m - 1 comparisons."""

from __future__ import annotations

import math

import numpy as np

from validstats._typing import AnyArray
from validstats.holdout.widths.capital import capital_lower
from validstats.holdout.widths.paired import paired_tail_at_most

__all__ = ["tied_models"]


def tied_models(results: AnyArray, log_alpha: float, *, binary: bool) -> tuple[int, ...]:
    """Return the models that are not shown to be worse than another one on the same rows."""
    # Model i is left out if some other model has a paired lower bound above 0 over it, at ``alpha / (m -
    # 1)``. If the truly best model were left out, one of the ``m - 1`` bounds against it alone would be
    # wrong, so that the best is among the tied ones with probability at least ``1 - alpha``. Nothing else
    # follows: that a model left out is worse than a given other one is not covered.
    rows = np.asarray(results, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"results must have shape (models, units), got {rows.shape}.")
    if rows.min() < 0.0 or rows.max() > 1.0:
        raise ValueError(f"results must lie in [0, 1], got values from {rows.min()} to {rows.max()}.")
    m = len(rows)
    if m == 1:
        return (0,)
    level = log_alpha - math.log(m - 1.0)
    order = np.argsort(-rows.mean(axis=1), kind="stable")
    return tuple(
        i for i in range(m) if not any(_beats(rows[j], rows[i], level, binary) for j in order if j != i)
    )


def _beats(better: AnyArray, worse: AnyArray, log_alpha: float, binary: bool) -> bool:
    """Whether the lower bound of the mean difference lies above 0."""
    if better.mean() <= worse.mean():
        return False
    if binary:
        n10, n01 = int((better > worse).sum()), int((better < worse).sum())
        return paired_tail_at_most(n10, n01, len(better), 0.0, log_alpha)
    return capital_lower(0.5 * (better - worse) + 0.5, log_alpha) > 0.5
