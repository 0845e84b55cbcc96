"""The textbook prediction interval of a batch's mean: normal theory, without a finite-sample guarantee."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import Float1D
from validstats.batch.laws.levels import BoundSide, Level, exact_level

__all__ = ["skewness_of", "textbook_interval", "textbook_is_doubtful"]

_BLOCK = 2**20
"""Scores that are worked on at a time."""
_LARGEST_SKEW = 0.2
"""Skewness of a difference of means beyond which one tail of normal theory is far off (judgement, from simulations)."""


def textbook_interval(
    scores: Float1D,
    m: int,
    alpha: Level,
    *,
    side: BoundSide = "two-sided",
    memo: Callable[[Any, Callable[[], Any]], Any] = lambda key, compute: compute(),
) -> tuple[float, float]:
    """Prediction interval of the mean of m further scores: mean plus and minus t sd sqrt(1/n + 1/m)."""
    level, n = exact_level(alpha), scores.size
    if n < 2:
        return -np.inf, np.inf
    share = float(level / 2 if side == "two-sided" else level)

    def of_every_size() -> tuple[float, float]:
        return float(scores.mean()), float(stats.t.isf(share, n - 1) * scores.std(ddof=1))

    centre, spread = memo(("textbook", share), of_every_size)
    half = float(spread * np.sqrt(1 / n + 1 / m))
    return -np.inf if side == "upper" else centre - half, np.inf if side == "lower" else centre + half


def skewness_of(scores: Float1D) -> float:
    """Third standardised moment, 0 for constant scores."""
    mean, second, third = scores.mean(), 0.0, 0.0
    for begin in range(0, scores.size, _BLOCK):
        deviations = scores[begin : begin + _BLOCK] - mean
        squares = deviations * deviations
        second += float(squares.sum())
        third += float((squares * deviations).sum())
    spread = float(np.sqrt(second / scores.size))
    return 0.0 if spread == 0 else third / scores.size / spread**3


def textbook_is_doubtful(skewness: float, n: int, m: int) -> bool:
    """Whether the skewness of n scores makes one tail of the textbook interval unreliable."""
    return bool(abs(skewness) * np.sqrt(1 / n + 1 / m) > _LARGEST_SKEW)
