"""Sets with their cells: packed for the network, and as resumable shards of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from validstats._typing import Float2D, Int1D
from validstats.mi.families import Family
from validstats.mi.lost.statistics_cells import CELL_LIMIT
from validstats.mi.statistics import DataSummary, summarise_smooth
from validstats.mi.training.shards import (
    SHARD_SIZE,
    Shard,
    pack_summaries,
    read_shards,
    usable_sample,
    write_shards,
)

__all__ = [
    "CellGroup",
    "CellShard",
    "cell_groups",
    "load_cell_shards",
    "make_cell_shard",
    "pack_cells",
    "write_cell_shards",
]

FEW_ROWS = 48
"""Sets with so many rows or fewer are grouped apart, so that little is padded."""


@dataclass(frozen=True)
class CellShard(Shard):
    """Summaries of many sets, and their cells.

    Attributes
    ----------
    cells : ndarray of float of shape (m, 512)
        Normal scores row by row, the coordinates of the first side before those of the second, then zeros.
    cell_counts : ndarray of int16 of shape (m, 3)
        Rows that are read, and coordinates of the two sides.
    """

    cells: npt.NDArray[np.floating]
    cell_counts: npt.NDArray[np.int16]


@dataclass(frozen=True)
class CellGroup:
    """Cells of sets with the same coordinates, padded along the rows.

    Attributes
    ----------
    positions : ndarray of int64 of shape (k,)
        Positions of the sets.
    cells : ndarray of shape (k, rows, coordinates)
        Normal scores.
    mask : ndarray of bool of shape (k, rows)
        Which rows exist.
    split : int
        Coordinates of the first side.
    """

    positions: Int1D
    cells: npt.NDArray[np.floating]
    mask: npt.NDArray[np.bool_]
    split: int


def cell_groups(cells: npt.NDArray[np.floating], counts: npt.NDArray[np.int16]) -> list[CellGroup]:
    """Group sets by their coordinates, those with few rows apart.

    Parameters
    ----------
    cells : ndarray of shape (m, 512)
        Cells as in :class:`CellShard`.
    counts : ndarray of int16 of shape (m, 3)
        Rows and coordinates.

    Returns
    -------
    list of CellGroup
        Every set is in one group.
    """
    rows, first, second = counts.T.astype(np.int64)
    keys = (first * 64 + second) * 2 + (rows > FEW_ROWS)
    groups = []
    for key in np.unique(keys):
        chosen = np.flatnonzero(keys == key)
        longest, columns = int(rows[chosen].max()), int(first[chosen[0]] + second[chosen[0]])
        block = cells[chosen, : longest * columns].reshape(len(chosen), longest, columns)
        mask = np.arange(longest)[None, :] < rows[chosen, None]
        groups.append(CellGroup(chosen, block, mask, int(first[chosen[0]])))
    return groups


def pack_cells(
    summaries: list[DataSummary], truths: list[float] | None = None, families: list[str] | None = None
) -> CellShard:
    """Stack the summaries of data sets with their cells; parameters as in :func:`pack_summaries`.

    Parameters
    ----------
    summaries : list of DataSummary
        At least one.
    truths : list of float or None, default None
        True mutual informations, NaN where None.
    families : list of str or None, default None
        Family names.

    Returns
    -------
    CellShard
        Arrays, one entry for each summary.
    """
    cells = np.zeros((len(summaries), CELL_LIMIT), dtype=np.float32)
    for i, summary in enumerate(summaries):
        block: Float2D = np.hstack(summary.cells)
        cells[i, : block.size] = block.ravel()
    counts = [(len(s.cells[0]), s.cells[0].shape[1], s.cells[1].shape[1]) for s in summaries]
    return CellShard(
        **vars(pack_summaries(summaries, truths, families)),
        cells=cells,
        cell_counts=np.array(counts, dtype=np.int16).reshape(-1, 3),
    )


def make_cell_shard(family: Family, seed: int, start: int, size: int) -> CellShard:
    """Draw the sets ``start`` to ``start + size - 1``, with cells in half precision, smooth statistics and no tokens.

    Parameters
    ----------
    family : Family
        Distribution over joint distributions.
    seed : int
        Seed of the whole pool.
    start : int
        First index.
    size : int
        Number of sets. Sets with a constant side are left out, which is rare.

    Returns
    -------
    CellShard
        The same at every call.
    """
    drawn = [usable_sample(family, seed, index, summarise_smooth) for index in range(start, start + size)]
    kept = [pair for pair in drawn if pair is not None]
    shard = pack_cells(
        [summary for _, summary in kept],
        [sample.mutual_information for sample, _ in kept],
        [sample.family for sample, _ in kept],
    )
    none = np.zeros((len(shard), 0, 0), dtype=np.float16)
    return replace(
        shard, cells=shard.cells.astype(np.float16), sample_tokens=none, coordinate_tokens=none.copy()
    )


def write_cell_shards(
    family: Family,
    seed: int,
    numbers: range,
    directory: Path,
    resume: bool = True,
    size: int = SHARD_SIZE,
) -> Iterator[Path]:
    """Write shards with cells; see :func:`write_shards`."""
    return write_shards(family, seed, numbers, directory, resume, size, make_cell_shard)


def load_cell_shards(paths: list[Path]) -> CellShard:
    """Read shards with cells and join them."""
    return read_shards(CellShard, paths)


def plain_shard(shard: CellShard) -> Shard:
    """Return the sets without their cells."""
    return Shard(**{f.name: getattr(shard, f.name) for f in fields(Shard)})
