"""Bounds for a whole batch from whole past batches: each of them is one exchangeable unit."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np
from scipy import stats

from validstats._typing import AnyArray, Float1D
from validstats.batch.laws.levels import Level, Side, ceil_fraction, exact_level
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
    """Interval of the score of one new unit.

    Attributes
    ----------
    low, high : float
        Bounds; infinite where the past units are too few.
    probability : float
        Exact probability without ties.
    smallest_n : int
        Smallest number of past units at which every wanted bound is finite.
    """

    low: float
    high: float
    probability: float
    smallest_n: int


def unit_totals(values: Float1D, units: AnyArray) -> tuple[AnyArray, Float1D, Float1D]:
    """Add up values within units.

    Parameters
    ----------
    values : ndarray of shape (R,)
        One value a row.
    units : ndarray of shape (R,)
        Unit of each row.

    Returns
    -------
    names : ndarray of shape (b,)
        Units in sorted order.
    totals, sizes : ndarray of shape (b,)
        Sum of the values, and number of rows.

    Examples
    --------
    >>> unit_totals(np.array([1.0, 2.0, 4.0]), np.array([7, 7, 9]))
    (array([7, 9]), array([3., 4.]), array([2., 1.]))
    """
    names, codes = np.unique(units, return_inverse=True)
    totals: Float1D = np.bincount(codes, values).astype(np.float64)
    return names, totals, np.bincount(codes).astype(np.float64)


def unit_scale(sizes: Float1D, scale: UnitScale, variances: tuple[float, float] | None = None) -> Float1D:
    """Scale of the totals of units, a function of their sizes that is fixed before the calibration.

    Parameters
    ----------
    sizes : ndarray of shape (b,)
        Rows of each unit, at least 1.
    scale : {"size", "sqrt", "one", "fitted"}
        "size" compares means, "one" totals; "fitted" is the standard deviation under a shared shock.
    variances : tuple of float or None, default None
        Variances of the shock and of a row for "fitted", from :func:`unit_variances` on training units.

    Returns
    -------
    ndarray of shape (b,)
        Positive scales.

    Raises
    ------
    ValueError
        If "fitted" has no variances.

    Examples
    --------
    >>> unit_scale(np.array([4.0, 9.0]), "sqrt")
    array([2., 3.])
    """
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
    """Variances of the shock that rows of a unit share and of a row, by analysis of variance.

    Parameters
    ----------
    residuals : ndarray of shape (R,)
        Out-of-fold residuals of training rows.
    units : ndarray of shape (R,)
        Their units.

    Returns
    -------
    tuple of float
        Variance of the shock, at least 0, and of a row, above 0.

    Examples
    --------
    >>> unit_variances(np.array([1.0, 3.0, -1.0, -3.0]), np.array([0, 0, 1, 1]))
    (7.0, 2.0)
    """
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
    """Smallest number of past units at which a bound of one new unit is finite.

    Parameters
    ----------
    alpha_side : Fraction, float or str
        Level of the side.

    Returns
    -------
    int
        ``ceil(1 / alpha_side) - 1``.

    Examples
    --------
    >>> smallest_unit_number(0.05)
    19
    """
    return ceil_fraction(1 / exact_level(alpha_side)) - 1


def unit_interval(
    unit_scores: Float1D,
    alpha: Level,
    *,
    side: Side = "two-sided",
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> UnitBound:
    """Bound the score of one new unit by order statistics of the scores of past units.

    Parameters
    ----------
    unit_scores : ndarray of shape (b,)
        One score for each past unit; nothing is assumed about the rows inside.
    alpha : Fraction, float or str
        Miscoverage level; each bound of a two-sided interval has half.
    side : {"two-sided", "upper", "lower"}, default "two-sided"
        Which bounds are wanted.
    bounds : tuple of float, default (-inf, inf)
        Known bounds of the score.

    Returns
    -------
    UnitBound
        The interval.

    Examples
    --------
    >>> bound = unit_interval(np.arange(1.0, 40.0), 0.1)
    >>> bound.low, bound.high, bound.probability
    (2.0, 38.0, 0.9)
    """
    found = order_statistic_interval(unit_scores, 1, 1, alpha, side=side, bounds=bounds)
    assert found.probability is not None
    return UnitBound(found.low, found.high, round(found.probability, 15), found.smallest_n)


def unit_asymptotic_interval(
    unit_scores: Float1D, alpha: Level, *, side: Side = "two-sided"
) -> tuple[float, float]:
    """Textbook prediction interval of one new unit: mean plus and minus t quantiles on b - 1 degrees of freedom.

    Parameters
    ----------
    unit_scores : ndarray of shape (b,)
        Scores of past units, b >= 2.
    alpha : Fraction, float or str
        Miscoverage level.
    side : {"two-sided", "upper", "lower"}, default "two-sided"
        Which bounds are wanted.

    Returns
    -------
    tuple of float
        The interval; it holds for normal scores, or about so.

    Examples
    --------
    >>> [round(end, 3) for end in unit_asymptotic_interval(np.array([1.0, 2.0, 3.0]), 0.1)]
    [-1.372, 5.372]
    """
    level: Fraction = exact_level(alpha)
    share = float(level / 2 if side == "two-sided" else level)
    b = unit_scores.size
    half = float(stats.t.isf(share, b - 1) * unit_scores.std(ddof=1) * np.sqrt(1 + 1 / b))
    centre = float(unit_scores.mean())
    return -np.inf if side == "upper" else centre - half, np.inf if side == "lower" else centre + half
