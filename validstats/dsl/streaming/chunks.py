"""Sources of rows that need not fit in memory: Parquet files, frames in pieces, dask data frames."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import Any, TypeVar

import narwhals as nw
import numpy as np

from validstats._typing import FrameBackend
from validstats.intake import backend_of, column_names, is_frame, n_rows, plain_frame, to_pandas
from validstats.runtime import progress

__all__ = [
    "ChunkLevels",
    "category_levels",
    "is_dask",
    "is_source",
    "map_chunks",
    "merge_levels",
    "read_part",
    "sliced",
    "source_columns",
]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ChunkLevels:
    """Levels of one column in one chunk."""

    present: frozenset[Any]  # values that occur
    categories: tuple[Any, ...] | None = None  # all categories in their order; None for text
    # whether categories stand in the order in which they were met, as in polars and pyarrow
    by_appearance: bool = False


def is_dask(source: Any) -> bool:
    """Tell whether a source is a dask data frame."""
    return type(source).__module__.split(".")[0].startswith("dask") and hasattr(source, "to_delayed")


def is_source(data: Any) -> bool:
    """Tell whether data are a source of rows that arrive in parts rather than a frame."""
    if is_frame(data):
        return False
    return isinstance(data, str | PathLike | list | tuple | Iterator) or callable(data) or is_dask(data)


def sliced(frame: Any, chunk_size: int) -> Callable[[], Iterator[Any]]:
    """Return a source that gives the rows of a frame in parts."""
    return partial(_slices, frame, chunk_size)


def map_chunks(
    source: Any,
    function: Callable[[Any, int], T],
    columns: Sequence[str],
    chunk_size: int,
    *,
    verbose: bool = False,
    description: str = "",
) -> Iterator[T]:
    """Apply a function to every chunk of a source, in order."""
    if is_dask(source):
        import dask

        missing = [name for name in columns if name not in source.columns]
        if missing:
            raise KeyError(
                f"There is no column {missing[0]!r}; the columns are {', '.join(map(repr, source.columns))}."
            )
        parts = source[list(columns)].to_delayed()
        tasks = [dask.delayed(function, pure=False)(part, index) for index, part in enumerate(parts)]
        return iter(dask.compute(*tasks))
    frames = progress(_frames(source, columns, chunk_size), description=description, verbose=verbose)
    return (function(frame, index) for index, frame in enumerate(frames))


def _frames(source: Any, columns: Sequence[str], chunk_size: int) -> Iterable[Any]:
    if isinstance(source, str | PathLike):
        import pyarrow as pa
        import pyarrow.dataset as ds

        data = ds.dataset(str(source))
        missing = [name for name in columns if name not in data.schema.names]
        if missing:
            raise KeyError(
                f"There is no column {missing[0]!r}; the columns are {', '.join(data.schema.names)}."
            )
        batches = data.to_batches(
            columns=list(columns),
            batch_size=chunk_size,
            batch_readahead=0,
            fragment_readahead=0,
            use_threads=False,
            fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False),
        )
        return (pa.Table.from_batches([batch]) for batch in batches if batch.num_rows)
    if is_frame(source):
        return _slices(source, chunk_size)
    if isinstance(source, list | tuple):
        return _pieces(source)
    if callable(source):
        return _pieces(source())
    raise TypeError(
        "source must be the path of a Parquet data set, a data frame, a list of data frames, a function that "
        f"returns an iterator of data frames, or a dask data frame; got {type(source).__name__}. Rows are passed "
        "over several times, so an iterator that can be used once is not enough."
    )


def _pieces(frames: Any) -> Iterator[Any]:
    """Give the frames that have rows, and refuse what is no frame."""
    if not isinstance(frames, Iterable):
        raise TypeError(
            f"A function that is passed as source returns an iterator of data frames; this one returned "
            f"{type(frames).__name__}."
        )
    for number, frame in enumerate(frames):
        if not is_frame(frame):
            raise TypeError(f"Piece {number} of source is {type(frame).__name__}, not a data frame.")
        if n_rows(frame):
            yield frame


def _slices(frame: Any, chunk_size: int) -> Iterator[Any]:
    eager = nw.from_native(frame, eager_only=True)
    for begin in range(0, len(eager), chunk_size):
        yield eager[begin : begin + chunk_size].to_native()


def source_columns(source: Any, chunk_size: int) -> tuple[list[str], FrameBackend]:
    """Return the names of the columns of a source, and the library of its frames."""
    if is_dask(source):
        return [str(name) for name in source.columns], "pandas"
    if isinstance(source, str | PathLike):
        import pyarrow.dataset as ds

        return list(ds.dataset(str(source)).schema.names), "pandas"
    first = next(iter(_frames(source, (), chunk_size)), None)
    if first is None:
        raise ValueError("The source has no rows.")
    return column_names(first), backend_of(first)


def category_levels(frame: Any, names: Sequence[str]) -> dict[str, ChunkLevels]:
    """Return the levels of the categorical columns of a part."""
    found = {}
    for name in names:
        categorical = _categorical(frame, name)
        if categorical is not None:
            categories = tuple(categorical.categories.tolist())
            used = frozenset(categories[code] for code in np.unique(categorical.codes) if code >= 0)
            found[name] = ChunkLevels(
                present=used, categories=categories, by_appearance=backend_of(frame) != "pandas"
            )
    return found


def merge_levels(found: Sequence[ChunkLevels]) -> tuple[Any, ...]:
    """Return the levels of a categorical column of all parts, the reference first."""
    present = frozenset[Any]().union(*(part.present for part in found))
    shared = len({part.categories for part in found}) == 1
    if shared or all(part.by_appearance for part in found):
        met = dict.fromkeys(level for part in found for level in part.categories or ())
        return tuple(level for level in met if level in present)
    if all(isinstance(level, numbers.Real) for level in present):
        return tuple(sorted(present))
    return tuple(sorted(present, key=str))


def _categorical(frame: Any, name: str) -> Any:
    """Return a column as pandas categories with their codes, or None where it is not categorical."""
    eager = nw.from_native(frame, eager_only=True)
    if name not in eager.columns or eager[name].dtype not in (nw.Categorical, nw.Enum):
        return None
    return to_pandas(eager.select(name).to_native())[name].astype("category").array


def read_part(frame: Any, names: Sequence[str], categories: Mapping[str, tuple[Any, ...]]) -> Any:
    """Return some columns of a part as a pandas frame, categories with the levels of all parts."""
    eager = nw.from_native(frame, eager_only=True)
    missing = [name for name in names if name not in eager.columns]
    if missing:
        raise KeyError(
            f"There is no column {missing[0]!r}; the columns are {', '.join(map(repr, eager.columns))}."
        )
    found = plain_frame(to_pandas(eager.select(list(names)).to_native()).reset_index(drop=True))
    if not categories:
        return found
    import pandas as pd

    changed = {
        name: pd.Categorical(found[name].astype(object), categories=list(levels))
        for name, levels in categories.items()
        if name in found
    }
    return found.assign(**changed)
