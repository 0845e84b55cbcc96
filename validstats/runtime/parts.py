"""Rows that arrive in parts: Parquet, data sets of pyarrow, dask data frames, and frames in a list or from a function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeVar

import narwhals as nw
import numpy as np

from validstats._typing import AnyArray, FrameBackend, Int1D
from validstats.exceptions import StreamingError, dead_worker_message
from validstats.intake import (
    RowLabels,
    backend_of,
    check_positive_int,
    column,
    column_names,
    is_frame,
    n_rows,
    to_pandas,
)
from validstats.runtime.replicates import progress

__all__ = ["CHUNK_SIZE", "RowParts", "filled", "is_parts", "sliced", "stacked", "within"]

CHUNK_SIZE = 200_000
"""Rows of a part of what is not divided into parts already."""

T = TypeVar("T")


def is_parts(data: Any) -> bool:
    """Tell whether data are rows in parts: a path, a data set, a dask frame, a function, an iterator or a list of frames."""
    if is_frame(data):
        return False
    if isinstance(data, list | tuple):
        return len(data) > 0 and all(is_frame(piece) for piece in data)
    return (
        isinstance(data, str | PathLike | Iterator) or _is_dask(data) or _is_dataset(data) or callable(data)
    )


def sliced(frame: Any, chunk_size: int = CHUNK_SIZE) -> Callable[[], Iterator[Any]]:
    """Return a function that gives the rows of a frame in parts."""
    return partial(_slices, frame, chunk_size)


@dataclass(frozen=True, eq=False)
class RowParts:
    """Rows in parts, which can be passed over as often as is needed.

    Parameters
    ----------
    source : object
        Where the rows come from.
    chunk_size : int
        Most rows of a part of a Parquet data set.
    names : tuple of str
        Columns.
    backend : {"pandas", "polars", "pyarrow"}
        Library of the frames.
    """

    source: Any
    chunk_size: int
    names: tuple[str, ...]
    backend: FrameBackend

    @classmethod
    def of(cls, source: Any, chunk_size: int = CHUNK_SIZE, name: str = "source") -> Self:
        """Read the names of the columns of a source.

        Parameters
        ----------
        source : path, data set of pyarrow, dask data frame, list of frames, or function that returns an iterator of frames
            The rows.
        chunk_size : int, default 200,000
            Most rows of a part of a Parquet data set.
        name : str, default "source"
            Public name of the argument, for messages.

        Returns
        -------
        RowParts
            The parts.

        Raises
        ------
        TypeError, ValueError
            If it is none of these, there is nothing at a path, or there are no rows.
        """
        check_positive_int(chunk_size, "chunk_size")
        if isinstance(source, str | PathLike):
            source = _dataset_at(source, name)
        if _is_dask(source):
            return cls(source, chunk_size, tuple(str(column) for column in source.columns), "pandas")
        if _is_dataset(source):
            return cls(source, chunk_size, tuple(source.schema.names), "pandas")
        first = next(iter(_frames(source, (), chunk_size, name)), None)
        if first is None:
            raise ValueError(f"The {name} has no rows." if name == "source" else f"{name} has no rows.")
        return cls(source, chunk_size, tuple(column_names(first)), backend_of(first))

    @cached_property
    def lengths(self) -> Int1D:
        """Rows of every part, counted in a pass over one column."""
        counted = np.array(list(self.map(_length, self.names[:1])), dtype=np.int64)
        if not counted.sum():
            raise ValueError("The source has no rows.")
        return counted

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.lengths.sum())

    @cached_property
    def starts(self) -> Int1D:
        """Number of rows before every part, and of all rows."""
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.lengths)])

    @property
    def rows(self) -> RowLabels:
        """Who the rows are: they are known by their position."""
        return RowLabels(self.n, None, "the position")

    def check_column(self, name: Any, argument: str) -> str:
        """Return the name of a column, which is all that can stand for values of rows in parts."""
        if not isinstance(name, str):
            raise TypeError(
                f"{argument} must name a column where rows arrive in parts, got {type(name).__name__}: values beside "
                "the rows cannot be matched to parts."
            )
        if name not in self.names:
            raise KeyError(_no_column(name, self.names))
        return name

    def map(
        self,
        function: Callable[..., T],
        columns: Sequence[str],
        *,
        beside: Sequence[AnyArray] = (),
        verbose: bool = False,
        description: str = "",
    ) -> Iterator[T]:
        """Apply a function to every part, in order; dask schedules the partitions of its frames.

        Parameters
        ----------
        function : callable
            ``function(frame, index, *beside)`` of one part; for a dask frame it is sent to where the part is.
        columns : sequence of str
            Columns that it reads.
        beside : sequence of ndarray, default ()
            Arrays with one entry for each of all rows; the function gets those of the rows of the part.
        verbose : bool, default False
            Whether to show a progress bar.
        description : str, default ""
            Text of the bar.

        Returns
        -------
        iterator
            Results in the order of the parts.

        Raises
        ------
        StreamingError
            If workers of a cluster died whenever they worked on one part.
        """
        starts = self.starts if beside else None

        def slices(index: int) -> list[AnyArray]:
            if starts is None:
                return []
            return [values[starts[index] : starts[index + 1]] for values in beside]

        if _is_dask(self.source):
            return _on_dask(self.source, function, columns, slices)
        frames = _frames(self.source, columns, self.chunk_size)
        shown = progress(frames, description=description, verbose=verbose)
        return (function(frame, index, *slices(index)) for index, frame in enumerate(shown))

    def numbers(
        self,
        function: Callable[..., AnyArray],
        columns: Sequence[str],
        *,
        beside: Sequence[AnyArray] = (),
        n: int | None = None,
    ) -> AnyArray:
        """Put what a function returns for the rows of each part, one entry a row (or for n of them), into one array."""
        return filled(self.map(function, columns, beside=beside), self.n if n is None else n)

    def column(self, name: str) -> AnyArray:
        """Read one column of all rows."""
        return self.numbers(partial(_column, name=name), [name])

    def take(self, positions: Int1D) -> Any:
        """Rows at increasing positions, as a pandas frame."""
        chosen = np.zeros(self.n, dtype=np.bool_)
        chosen[positions] = True
        pieces = self.map(_chosen, self.names, beside=(chosen,))
        return stacked([piece for piece in pieces if len(piece)])


def stacked(pieces: list[Any]) -> Any:
    """Rows of several parts below each other: arrays as an array, frames as one of pandas."""
    kept = [piece for piece in pieces if len(piece)] or pieces[:1]
    if not is_frame(kept[0]):
        return np.concatenate(kept)
    import pandas as pd

    return pd.concat([to_pandas(piece) for piece in kept], ignore_index=True)


def within(positions: Int1D, begin: int, n: int) -> Int1D:
    """Increasing positions among all rows that fall into a part of n rows, as positions in the part."""
    first, last = np.searchsorted(positions, [begin, begin + n])
    return np.asarray(positions[first:last] - begin)


def filled(pieces: Iterable[AnyArray], n: int) -> AnyArray:
    """One array of pieces along the first axis, which are let go one by one; what is no number is joined at the end."""
    whole: AnyArray | None = None
    others: list[AnyArray] = []
    begin = 0
    for piece in pieces:
        if not len(piece):
            continue
        if whole is None and not others and piece.dtype.kind == "f":
            whole = np.empty((n, *piece.shape[1:]), dtype=piece.dtype)
        if whole is not None and piece.dtype == whole.dtype and piece.shape[1:] == whole.shape[1:]:
            whole[begin : begin + len(piece)] = piece
        else:
            if whole is not None:
                others, whole = [whole[:begin].copy()], None
            others.append(piece)
        begin += len(piece)
    if whole is None:
        return _joined(others) if others else np.empty(0)
    return whole


def _joined(pieces: list[AnyArray]) -> AnyArray:
    kinds = {piece.dtype.kind for piece in pieces}
    if len(kinds) > 1 and not kinds <= set("fiub"):
        pieces = [piece.astype(object) for piece in pieces]
    return np.concatenate(pieces)


def _is_dask(source: Any) -> bool:
    """Tell whether a source is a dask data frame."""
    return type(source).__module__.split(".")[0].startswith("dask") and hasattr(source, "to_delayed")


def _is_dataset(source: Any) -> bool:
    """Tell whether a source is a data set of pyarrow."""
    module = sys.modules.get("pyarrow.dataset")
    return module is not None and isinstance(source, module.Dataset)


def _dataset_at(path: Any, name: str) -> Any:
    import pyarrow.dataset as ds

    if not Path(path).exists():
        raise ValueError(f"{name} is a path, and there is no file and no folder at {str(path)!r}.")
    return ds.dataset(str(path))


def _on_dask(
    source: Any,
    function: Callable[..., T],
    columns: Sequence[str],
    slices: Callable[[int], list[AnyArray]],
) -> Iterator[T]:
    """Apply a function to the partitions of a dask frame, which dask schedules."""
    import dask

    missing = [name for name in columns if name not in source.columns]
    if missing:
        raise KeyError(_no_column(missing[0], source.columns))
    parts = source[list(columns)].to_delayed()
    # one node of the graph, so that what the function carries (a fitted learner) travels once
    shared = dask.delayed(function, pure=False, traverse=False)
    apply = dask.delayed(_applied, pure=False)
    tasks = [apply(shared, part, index, *slices(index)) for index, part in enumerate(parts)]
    return _computed(tasks)


def _computed(tasks: list[Any]) -> Iterator[Any]:
    """Results in order; those of a cluster come one by one, so that they do not gather where they are made or here."""
    import dask

    client = _client()
    waiting: list[Any] = []
    try:
        waiting = list(dask.compute(*tasks)) if client is None else client.compute(tasks)
        waiting.reverse()
        while waiting:
            found = waiting.pop()
            yield found if client is None else found.result()
    except _deaths() as error:
        raise StreamingError(dead_worker_message.format(error=error)) from error


def _client() -> Any:
    """The client of the cluster that dask computes on; None where it computes in this process."""
    import dask

    module = sys.modules.get("distributed")
    if module is None or dask.config.get("scheduler", "distributed") not in (
        "distributed",
        "dask.distributed",
    ):
        return None
    try:
        return module.default_client()
    except ValueError:
        return None


def _applied(function: Callable[..., T], part: Any, index: int, *beside: AnyArray) -> T:
    return function(part, index, *beside)


def _deaths() -> tuple[type[BaseException], ...]:
    """What dask raises where workers die again and again, or the cluster is gone; nothing where there is no cluster."""
    scheduler, client = (sys.modules.get(f"distributed.{name}") for name in ("scheduler", "client"))
    if scheduler is None or client is None:
        return ()
    return scheduler.KilledWorker, client.FutureCancelledError


def _no_column(name: str, names: Iterable[Any]) -> str:
    return f"There is no column {name!r}; the columns are {', '.join(map(repr, names))}."


def _frames(source: Any, columns: Sequence[str], chunk_size: int, name: str = "source") -> Iterable[Any]:
    if _is_dataset(source):
        return _tables(source, columns, chunk_size)
    if is_frame(source):
        return _slices(source, chunk_size)
    if isinstance(source, list | tuple):
        return _pieces(source)
    if callable(source):
        return _pieces(source())
    raise TypeError(
        f"{name} must be the path of a Parquet data set, a data set of pyarrow, a data frame, a list of data frames, a function "
        f"that returns an iterator of data frames, or a dask data frame; got {type(source).__name__}. Rows are passed "
        "over several times, so an iterator that can be used once is not enough: pass a function that makes it, as in "
        "lambda: pd.read_csv(path, chunksize=100_000)."
    )


def _tables(data: Any, columns: Sequence[str], chunk_size: int) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.dataset as ds

    missing = [name for name in columns if name not in data.schema.names]
    if missing:
        raise KeyError(_no_column(missing[0], data.schema.names))
    batches = data.to_batches(
        columns=list(columns),
        batch_size=chunk_size,
        batch_readahead=0,
        fragment_readahead=0,
        use_threads=False,
        fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False),
    )
    return (pa.Table.from_batches([batch]) for batch in batches if batch.num_rows)


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


def _length(frame: Any, index: int) -> int:
    return n_rows(frame)


def _chosen(frame: Any, index: int, chosen: AnyArray) -> Any:
    return to_pandas(nw.from_native(frame, eager_only=True)[np.flatnonzero(chosen)].to_native())


def _column(frame: Any, index: int, name: str) -> AnyArray:
    return column(frame, name)
