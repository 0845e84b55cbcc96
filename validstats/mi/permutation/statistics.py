"""Statistics of dependence bound to two sides, with the work that permutations share done once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np

from validstats._typing import Float2D, Int1D
from validstats.intake import check_literal
from validstats.mi.anchors import (
    cosines,
    gaussian_from_correlations,
    normal_scores,
    orthonormal_basis,
    plug_in,
)
from validstats.mi.learned import learned_statistic
from validstats.mi.methods import Options, binned_codes, neighbour_estimator
from validstats.mi.permutation.permuter import BoundStatistic
from validstats.mi.sides import Side, prepare_sides

__all__ = [
    "Statistic",
    "StatisticName",
    "bind_statistic",
    "distance_correlation",
    "reads_cells",
]

StatisticName: TypeAlias = Literal[
    "combined", "learned", "ksg", "gaussian", "cca", "histogram", "distance_correlation"
]
"""Statistics by name."""

Statistic: TypeAlias = StatisticName | Callable[[Float2D, Float2D], float]
"""A statistic by name, or a function of the rows of both sides; large values speak for dependence."""

MAX_PAIRWISE_ROWS = 20_000
"""Beyond so many rows the matrices of all pairwise distances are refused."""


# --- statistics -------------------------------------------------------------------------------------------


def reads_cells(statistic: Statistic, x: Side, y: Side) -> bool:
    """Tell whether a statistic of two sides is the plug-in of their cells, because both are discrete."""
    varying = not (x.is_constant or y.is_constant)
    return varying and statistic in ("learned", "ksg", "histogram") and x.kind == y.kind == "discrete"


def bind_statistic(statistic: Statistic, x: Side, y: Side, n_neighbors: int = 3) -> BoundStatistic:
    """Bind a statistic to two sides, with the work that permutations share done once."""
    if callable(statistic):
        return lambda order: _called(statistic, x.rows.copy(), y.rows[order])
    name = cast(StatisticName, check_literal(statistic, "statistic", get_args(StatisticName)))
    if x.is_constant or y.is_constant:
        return lambda order: 0.0
    if name == "combined":
        raise ValueError("'combined' ranks its parts over all permutations; independence_test does that.")
    if name == "learned" and not reads_cells(name, x, y):
        return learned_statistic(x, y)
    if name == "distance_correlation":
        return _bind_distance_correlation(x.rows, y.rows)
    if name in ("gaussian", "cca"):
        bases = [orthonormal_basis(normal_scores(s.rows) if name == "gaussian" else s.rows) for s in (x, y)]
        return lambda order: gaussian_from_correlations(cosines(bases[0], bases[1][order]))
    if name == "histogram" or reads_cells(name, x, y):
        codes_x, codes_y, _ = binned_codes(x, y, None)
        return lambda order: plug_in(codes_x, codes_y[order], miller_madow=False).value
    estimator = neighbour_estimator(x, y, Options("ksg", n_neighbors, interval=False))
    everything = np.arange(x.n_rows)
    return lambda order: estimator.evaluate(everything, order)


def _called(statistic: Callable[[Float2D, Float2D], float], x: Float2D, y: Float2D) -> float:
    """Value of a caller's statistic, which gets arrays of its own."""
    value = statistic(x, y)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"statistic must return a number, got {value!r} of type {type(value).__name__}."
        ) from None
    if np.isnan(number):
        raise ValueError(
            "statistic returned NaN, which cannot be compared with its values under permutations."
        )
    return number


def _centred_distances(rows: Float2D) -> Float2D:
    squares = (rows**2).sum(axis=1)
    products = squares[:, None] + squares[None, :] - 2.0 * rows @ rows.T
    # what rounding leaves of the distance of equal rows is no distance: its root is 1e-8
    products[products < 8.0 * np.finfo(np.float64).eps * (squares[:, None] + squares[None, :])] = 0.0
    distances = np.sqrt(products)
    np.fill_diagonal(distances, 0.0)
    means = distances.mean(axis=0)
    return np.asarray(distances - means[None, :] - means[:, None] + means.mean())


def _centred(rows: Float2D) -> Float2D:
    """Rows around their mean, in units of the largest value, so that no square over- or underflows."""
    centred = rows - rows.mean(axis=0)
    return np.asarray(centred / np.abs(centred).max())


def _bind_distance_correlation(x: Float2D, y: Float2D) -> BoundStatistic:
    if len(x) > MAX_PAIRWISE_ROWS:
        raise ValueError(
            f"Distance correlation holds all {len(x):,} x {len(x):,} distances in memory; at most "
            f"{MAX_PAIRWISE_ROWS:,} rows are allowed. Use statistic='ksg', or a sample of the rows."
        )
    a, b = _centred_distances(_centred(x)), _centred_distances(_centred(y))
    scale = np.sqrt((a**2).mean() * (b**2).mean())

    def evaluate(order: Int1D) -> float:
        covariance = float((a * b[np.ix_(order, order)]).mean())
        return float(np.sqrt(max(0.0, covariance) / scale))

    return evaluate


def distance_correlation(x: Any, y: Any) -> float:
    """Distance correlation of two vectors.

    Parameters
    ----------
    x, y : array-like of shape (n,) or (n, p)
        The sides, row by row; at most 20,000 rows.

    Returns
    -------
    float
        In [0, 1]; in the population it is 0 only under independence.

    References
    ----------
    Székely, Rizzo and Bakirov (2007), Annals of Statistics 35, 2769-2794, definition 3.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 50)
    >>> round(distance_correlation(x, x), 3), round(distance_correlation(x, x**2), 3)
    (1.0, 0.492)
    """
    side_x, side_y = prepare_sides(x, y)
    return bind_statistic("distance_correlation", side_x, side_y)(np.arange(side_x.n_rows))
