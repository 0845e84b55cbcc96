"""From what the caller passes to what the network reads: pairs, sides, summaries, and answers known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from validstats._typing import Float2D, FloatND
from validstats.mi.network.forward_pass import NetworkWeights, member_stack, residual_scale, to_log_scale
from validstats.mi.sides import Side, is_functional, prepare_sides
from validstats.mi.statistics import (
    ANCHOR_NAMES,
    LARGEST_N,
    STATISTIC_NAMES,
    DataSummary,
    SummaryTable,
    summarise_data,
)

__all__ = [
    "LARGEST_N",
    "PreparedPair",
    "as_pairs",
    "clip_shape",
    "member_quantiles_of",
    "prepare_pair",
    "spread_rows",
]


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
    """

    summary: DataSummary | None
    known: float | None
    n: int
    dim_x: int
    dim_y: int


def clip_shape(sets: SummaryTable) -> SummaryTable:
    """Return the sets with n above 10,000 read as 10,000, the largest that is trained."""
    if sets.shape[:, 0].max() <= LARGEST_N:
        return sets
    shape = sets.shape.copy()
    statistics = sets.statistics.copy()
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
    return replace(sets, shape=shape, statistics=statistics)


def member_quantiles_of(sets: SummaryTable, weights: NetworkWeights) -> tuple[SummaryTable, FloatND]:
    """Let each network read the sets, those with n above 10,000 as if they had 10,000 rows.

    For two single columns the correction of the nearest-neighbour estimate goes on shrinking as n^(-1/2) beyond 10,000
    rows; otherwise a bias of the networks would stay however long the data are.

    Parameters
    ----------
    sets : SummaryTable
        Summaries with their own n.
    weights : NetworkWeights
        Ensemble.

    Returns
    -------
    clipped : Shard
        The sets as they were read.
    members : ndarray of shape (networks, m, 19)
        Quantiles of log(1 + 2 I).
    """
    clipped = clip_shape(sets)
    members = member_stack(clipped, weights)
    long = (sets.shape[:, 0] > LARGEST_N) & (sets.shape[:, 1] == 1) & (sets.shape[:, 2] == 1)
    if long.any():
        ksg = sets.anchors[long, ANCHOR_NAMES.index("ksg")].astype(np.float64)
        anchor = to_log_scale(ksg)[None, :, None]
        ratio = (residual_scale(sets.shape) / residual_scale(clipped.shape))[long][None, :, None]
        members[:, long] = anchor + ratio * (members[:, long] - anchor)
    return clipped, members


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


def prepare_pair(x: Any, y: Any, structure: bool) -> PreparedPair:
    """Read both sides, and summarise them unless the answer is known beforehand."""
    side_x, side_y = prepare_sides(x, y)
    shape = (side_x.n_rows, side_x.n_columns, side_y.n_columns)
    if side_x.is_constant or side_y.is_constant:
        return PreparedPair(None, 0.0, *shape)
    if is_functional(side_x, side_y):
        return PreparedPair(None, float("inf"), *shape)
    rows_x, rows_y = _numeric(side_x), _numeric(side_y)
    return PreparedPair(summarise_data(rows_x, rows_y, structure), None, *shape)


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
