"""Rows in parts: one frame as every kind of source that is read in parts, divided at given places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

Make = Callable[[list[pd.DataFrame], Path], Any]


def divided(frame: pd.DataFrame, places: Sequence[int]) -> list[pd.DataFrame]:
    """The frame in pieces that end at these places; their index is that of the whole."""
    return [frame.iloc[a:b] for a, b in pairwise([0, *sorted(places), len(frame)])]


def _written(pieces: list[pd.DataFrame], folder: Path) -> Path:
    for number, piece in enumerate(pieces):
        table = pa.Table.from_pandas(piece, preserve_index=False)
        pq.write_table(table, folder / f"{number:03}.parquet", row_group_size=170)
    return folder


def _dask(pieces: list[pd.DataFrame], folder: Path) -> Any:
    import dask.dataframe as dd

    return dd.from_map(lambda piece: piece.reset_index(drop=True), pieces)


KINDS: dict[str, Make] = {
    "list of pandas": lambda pieces, folder: pieces,
    "tuple of polars": lambda pieces, folder: tuple(pl.from_pandas(piece) for piece in pieces),
    "list of pyarrow": lambda pieces, folder: [pa.Table.from_pandas(p, preserve_index=False) for p in pieces],
    "function": lambda pieces, folder: lambda: iter(pieces),
    "folder": lambda pieces, folder: _written(pieces, folder),
    "path as text": lambda pieces, folder: str(_written(pieces, folder)),
    "data set": lambda pieces, folder: ds.dataset(str(_written(pieces, folder))),
    "dask": _dask,
}
"""Sources by name: made from the pieces, with a folder to write to."""
