"""Bounds for a whole batch from whole past batches: each of them is one exchangeable unit."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np
from scipy import stats

from validstats._typing import AnyArray, Float1D
from validstats.batch.laws.levels import BoundSide, Level, ceil_fraction, exact_level
from validstats.batch.laws.order_statistics import order_statistic_interval

__all__ = [
    "UnitBound",
    "UnitScale",
    "smallest_unit_number",
    "unit_asymptotic_interval",
    "unit_interval",
    "unit_scale",
    "unit_totals",
    "unit_variances",
]

UnitScale: TypeAlias = Literal["size", "sqrt", "one", "fitted"]
"""What a unit's total is divided by, so that units of different sizes have comparable scores."""


@dataclass(frozen=True)
class UnitBound:
    """Interval of the score of one new unit."""

    # Bounds; infinite where the past units are too few.
    low: float
    high: float
    # Exact probability without ties.
    probability: float
    # Smallest number of past units at which every wanted bound is finite.
    smallest_n: int


def unit_totals(values: Float1D, units: AnyArray) -> tuple[AnyArray, Float1D, Float1D]:
    """Add up values within units."""
    names, codes = np.unique(units, return_inverse=True)
    totals: Float1D = np.bincount(codes, values).astype(np.float64)
    return names, totals, np.bincount(codes).astype(np.float64)


def unit_scale(sizes: Float1D, scale: UnitScale, variances: tuple[float, float] | None = None) -> Float1D:
    """Scale of the totals of units, a function of their sizes that is fixed before the calibration."""
    if scale == "fitted":
        if variances is None:
            raise ValueError(
                'scale="fitted" needs training rows with their units: pass batches to fit(X, y), or take "size".'
            )
        shock, row = variances
        # Var(total) = tau^2 size^2 + sigma^2 size
        return np.asarray(np.sqrt(shock * sizes**2 + row * sizes), dtype=np.float64)
    return np.asarray({"size": sizes, "sqrt": np.sqrt(sizes), "one": np.ones_like(sizes)}[scale])


def unit_variances(residuals: Float1D, units: AnyArray) -> tuple[float, float]:
    """Variances of the shock that rows of a unit share and of a row, by analysis of variance."""
    _, totals, sizes = unit_totals(residuals, units)
    rows, b = float(sizes.sum()), sizes.size
    mean = totals.sum() / rows
    between = float((sizes * (totals / sizes - mean) ** 2).sum())
    within = float(((residuals - mean) ** 2).sum()) - between
    row = within / (rows - b) if rows > b else float(np.var(residuals))
    row = max(row, np.finfo(np.float64).tiny)
    if b < 2:
        return 0.0, row
    # E[between / (b - 1)] = row + shock (R - sum size^2 / R) / (b - 1)
    mean_size = (rows - float((sizes**2).sum()) / rows) / (b - 1)
    return max((between / (b - 1) - row) / mean_size, 0.0), row


def smallest_unit_number(alpha_side: Level) -> int:
    """Smallest number of past units at which a bound of one new unit is finite."""
    return ceil_fraction(1 / exact_level(alpha_side)) - 1


def unit_interval(
    unit_scores: Float1D,
    alpha: Level,
    *,
    side: BoundSide = "two-sided",
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> UnitBound:
    """Bound the score of one new unit by order statistics of the scores of past units."""
    found = order_statistic_interval(unit_scores, 1, 1, alpha, side=side, bounds=bounds)
    assert found.probability is not None
    return UnitBound(found.low, found.high, round(found.probability, 15), found.smallest_n)


def unit_asymptotic_interval(
    unit_scores: Float1D, alpha: Level, *, side: BoundSide = "two-sided"
) -> tuple[float, float]:
    """Textbook prediction interval of one new unit: mean plus and minus t quantiles on b - 1 degrees of freedom."""
    level: Fraction = exact_level(alpha)
    share = float(level / 2 if side == "two-sided" else level)
    b = unit_scores.size
    half = float(stats.t.isf(share, b - 1) * unit_scores.std(ddof=1) * np.sqrt(1 + 1 / b))
    centre = float(unit_scores.mean())
    return -np.inf if side == "upper" else centre - half, np.inf if side == "lower" else centre + half
