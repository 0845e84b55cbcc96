"""From what the caller passes to what the network reads: pairs, sides, summaries, and answers known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from validstats._typing import Float2D
from validstats.mi.classical_sides import Side, is_functional, prepare_sides
from validstats.mi.shards import Shard
from validstats.mi.statistics import STATISTIC_NAMES, DataSummary, summarise_data

__all__ = ["LARGEST_N", "PreparedPair", "as_pairs", "break_ties", "clip_shape", "prepare_pair", "spread_rows"]

FUNCTIONAL_ROWS = 50
"""Fewest rows at which equal ranks count as an exact functional relation."""
TOLERATED_TIES = 0.02
"""Share of repeated values, on both sides, above which ties are broken."""
LARGEST_N = 10_000
"""Largest sample size of the families; longer data are read as if they had so many rows."""


@dataclass(frozen=True)
class PreparedPair:
    """One pair of sides, read and summarised.

    Attributes
    ----------
    summary : DataSummary or None
        What the network reads; None where the answer is known.
    known : float or None
        0 for a constant side, infinity for an exact functional relation.
    n, dim_x, dim_y : int
        Shape of the data as they were passed.
    ties_broken : bool
        Whether both sides had ties, which were then broken at random.
    """

    summary: DataSummary | None
    known: float | None
    n: int
    dim_x: int
    dim_y: int
    ties_broken: bool = False


def clip_shape(shard: Shard) -> Shard:
    """Return the sets with n above 10,000 read as 10,000, the largest that is trained."""
    if shard.shape[:, 0].max() <= LARGEST_N:
        return shard
    shape = shard.shape.copy()
    statistics = shard.statistics.copy()
    above = shape[:, 0] > LARGEST_N
    shape[above, 0] = LARGEST_N
    ratio = shape[above, 1:].sum(axis=1) / LARGEST_N
    for name, value in (
        ("log_n", np.log(LARGEST_N)),
        ("inverse_root_n", LARGEST_N**-0.5),
        ("dim_per_row", ratio),
        ("log_dim_per_row", np.log(ratio)),
    ):
        statistics[above, STATISTIC_NAMES.index(name)] = value
    return replace(shard, shape=shape, statistics=statistics)


def as_pairs(x: Any, y: Any) -> list[tuple[Any, Any]]:
    """Return the pairs that ``infer(x, y)`` or ``infer([(x, y), ...])`` passes."""
    if y is not None:
        return [(x, y)]
    if (
        not isinstance(x, Sequence)
        or isinstance(x, str)
        or len(x) == 0
        or not all(_is_pair(pair) for pair in x)
    ):
        raise ValueError("Pass two sides, infer(x, y), or a non-empty list of pairs, infer([(x, y), ...]).")
    return [(pair[0], pair[1]) for pair in x]


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, tuple | list) and len(pair) == 2


def prepare_pair(x: Any, y: Any) -> PreparedPair:
    """Read both sides, and summarise them unless the answer is known beforehand."""
    side_x, side_y = prepare_sides(x, y)
    shape = (side_x.n_rows, side_x.n_columns, side_y.n_columns)
    if side_x.is_constant or side_y.is_constant:
        return PreparedPair(None, 0.0, *shape)
    if side_x.n_rows >= FUNCTIONAL_ROWS and is_functional(side_x, side_y):
        return PreparedPair(None, float("inf"), *shape)
    rows_x, rows_y = _numeric(side_x), _numeric(side_y)
    tied = min(_share_of_ties(rows_x), _share_of_ties(rows_y)) > TOLERATED_TIES
    if tied:
        rows_x, rows_y = break_ties(rows_x, rows_y)
    return PreparedPair(summarise_data(rows_x, rows_y), None, *shape, ties_broken=tied)


def break_ties(rows_x: Float2D, rows_y: Float2D) -> tuple[Float2D, Float2D]:
    """Order tied values at random, which changes no mutual information.

    Where ``X' = X + U`` with noise finer than the gaps of X and independent of everything, X is a function of X'
    and U carries nothing about Y; so ``I(X'; Y) = I(X; Y)``, and likewise for Y. Nearest-neighbour statistics read
    a lattice on both sides as dependence otherwise. The draws are tied to the sorted rows, not to their order.

    Parameters
    ----------
    rows_x, rows_y : ndarray of shape (n, p) and (n, q)
        The two sides.

    Returns
    -------
    tuple of ndarray
        Ranks of both sides without ties, float64.
    """
    rng = np.random.default_rng(20_251_118)
    canonical = np.lexsort(np.column_stack([rows_x, rows_y]).T)
    broken = []
    for rows in (rows_x, rows_y):
        noise = np.empty_like(rows)
        noise[canonical] = rng.random(rows.shape)
        ranks = [np.argsort(np.lexsort((noise[:, j], rows[:, j]))) for j in range(rows.shape[1])]
        broken.append(np.column_stack(ranks).astype(np.float64))
    return broken[0], broken[1]


def _share_of_ties(rows: Float2D) -> float:
    """Largest share of a column's values that repeat another one."""
    return max(1 - len(np.unique(column)) / len(column) for column in rows.T)


def _numeric(side: Side) -> Float2D:
    # A single categorical column is one column of level numbers, as in training.
    if side.codes is not None and side.n_columns == 1:
        return side.codes[:, None].astype(np.float64)
    return side.rows


def spread_rows(prepared: list[PreparedPair], values: Float2D, missing: float) -> Float2D:
    """Send rows of values to the data sets that were estimated; the others get what is known."""
    out = np.full((len(prepared), values.shape[1]), missing)
    estimated = np.array([p.summary is not None for p in prepared])
    out[estimated] = values
    for i, p in enumerate(prepared):
        if p.known is not None:
            out[i] = p.known
    return out
