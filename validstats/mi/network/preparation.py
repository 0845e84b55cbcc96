"""From two sides to what the network reads: summaries, answers that are known beforehand, and data longer than any that was trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from validstats._typing import Float2D, FloatND
from validstats.mi.network.forward_pass import NetworkWeights, member_stack, residual_scale, to_log_scale
from validstats.mi.sides import Side, is_functional, network_columns
from validstats.mi.statistics import (
    ANCHOR_NAMES,
    LARGEST_N,
    STATISTIC_NAMES,
    DataSummary,
    SummaryTable,
    keyed_order,
    pack_summaries,
    summarise_data,
)

__all__ = ["PreparedPair", "clip_shape", "member_quantiles_of", "prepare_pair", "read_pairs", "spread_rows"]

MOST_PARTS = 10
"""Disjoint subsamples of long data whose answers are averaged."""


@dataclass(frozen=True)
class PreparedPair:
    """One pair of sides, summarised.

    Attributes
    ----------
    summaries : tuple of DataSummary
        What the network reads: one, of long data one of each subsample; empty where the answer is known.
    known : float or None
        0 for a constant side, infinity for an exact functional relation.
    """

    summaries: tuple[DataSummary, ...]
    known: float | None


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
    """The sets as they are read, with n at most 10,000, and the quantiles of each network: (networks, m, 19).

    For two single columns the correction of the nearest-neighbour estimate goes on shrinking as n^(-1/2) beyond 10,000
    rows; otherwise a bias of the networks would stay however long the data are.
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


def prepare_pair(x: Side, y: Side, structure: bool) -> PreparedPair:
    """Summarise both sides unless the answer is known beforehand."""
    if x.is_constant or y.is_constant:
        return PreparedPair((), 0.0)
    if is_functional(x, y):
        return PreparedPair((), float("inf"))
    rows_x, rows_y = network_columns(x, y)
    # Small matrices: several threads of linear algebra cost more than they save.
    with threadpool_limits(1):
        if x.n_rows <= LARGEST_N or rows_x.shape[1] == 1 == rows_y.shape[1]:
            return PreparedPair((summarise_data(rows_x, rows_y, structure),), None)
        parts = np.split(keyed_order(rows_x, rows_y), np.arange(LARGEST_N, x.n_rows, LARGEST_N))[
            : min(MOST_PARTS, x.n_rows // LARGEST_N)
        ]
        return PreparedPair(
            tuple(summarise_data(rows_x[part], rows_y[part], structure) for part in parts), None
        )


def read_pairs(prepared: list[PreparedPair], weights: NetworkWeights) -> tuple[SummaryTable | None, FloatND]:
    """Summaries and quantiles of the pairs whose answer is not known, one a pair: subsamples are averaged."""
    summaries = [s for p in prepared for s in p.summaries]
    if not summaries:
        return None, np.zeros((len(weights.members), 0, 19))
    with threadpool_limits(1):
        sets, members = member_quantiles_of(pack_summaries(summaries), weights)
    sizes = [len(p.summaries) for p in prepared if p.summaries]
    if max(sizes) == 1:
        return sets, members
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    means = np.add.reduceat(members, starts, axis=1) / np.array(sizes)[None, :, None]
    anchors = np.add.reduceat(sets.anchors.astype(np.float64), starts, axis=0) / np.array(sizes)[:, None]
    return replace(sets.select(starts), anchors=anchors), means


def spread_rows(prepared: list[PreparedPair], values: Float2D) -> Float2D:
    """Send rows of values to the data sets that were estimated; the others get what is known."""
    out = np.empty((len(prepared), values.shape[1]))
    estimated = np.array([bool(p.summaries) for p in prepared])
    out[estimated] = values
    for i, p in enumerate(prepared):
        if p.known is not None:
            out[i] = p.known
    return out
