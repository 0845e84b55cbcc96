"""Exact bounds of how many rows of a batch have a label, and of the shares of all labels at once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy import stats

from validstats._typing import Float1D, Int1D
from validstats.batch.laws.levels import BoundSide, Level, exact_level
from validstats.batch.laws.ranks import error_count_upper

__all__ = ["class_share_bounds", "count_bounds", "count_is_preferred"]

_BET_RATIO = 1.25
_BET_RATIO_RARE = 1.8
_RARE = 0.1
"""Width of bets over normal theory for moderate and for rare shares, measured; a share below a tenth is rare."""


def count_bounds(n: int, count: int, m: int, alpha: Level, side: BoundSide = "two-sided") -> tuple[int, int]:
    """Bounds of the number of marked rows among m, from the number among n exchangeable ones."""
    level = exact_level(alpha)
    share = level / 2 if side == "two-sided" else level
    low = 0 if side == "upper" else m - error_count_upper(n, n - count, m, share)
    high = m if side == "lower" else error_count_upper(n, count, m, share)
    return low, high


def count_is_preferred(n: int, m: int, alpha: Level, share: float, residual_sd: float | None) -> bool:
    """Whether two-valued labels are better counted than predicted, from training rows alone."""
    # Bets have about 1.25 times the width of normal theory, and up to 1.8 times for shares below a tenth or
    # above nine tenths. The choice must not see the calibration, so it is made here, before.
    if residual_sd is None:
        return True
    low, high = count_bounds(n, round(share * n), m, alpha)
    level = float(exact_level(alpha))
    factor = _BET_RATIO if _RARE <= share <= 1 - _RARE else _BET_RATIO_RARE
    expected = 2 * stats.norm.isf(level / 2) * residual_sd * np.sqrt(1 / n + 1 / m)
    return bool((high - low) / m <= factor * expected)


def class_share_bounds(counts: Int1D, m: int, alpha: Level) -> tuple[Float1D, Float1D]:
    """Bounds of the shares of all classes in a batch of m that hold at once."""
    # Each class has level alpha / K (Bonferroni, whatever the dependence); two classes are one count and
    # its mirror image at alpha. As the shares add up to one, each is at least one minus the upper bounds of
    # the others, which costs nothing.
    level, n, k = exact_level(alpha), int(np.sum(counts)), len(counts)
    each = level if k == 2 else level / Fraction(k)
    ends = np.array([count_bounds(n, int(count), m, each) for count in counts], dtype=np.int64)
    low, high = ends[:, 0], ends[:, 1]
    tight_low = np.maximum(low, m - (high.sum() - high))
    tight_high = np.minimum(high, m - (low.sum() - low))
    return tight_low / m, tight_high / m
