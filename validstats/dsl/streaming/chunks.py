"""Sources of rows that need not fit in memory: Parquet files, frames in pieces, dask data frames."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeVar

import narwhals as nw
import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D, Int1D
from validstats.dsl.moments import LARGEST_VALUE
from validstats.dsl.streaming.moment_sums import RowChunk
from validstats.intake import backend_of, column, is_frame, is_missing, n_rows, read_array, to_pandas
from validstats.runtime import progress

__all__ = [
    "ChunkColumns",
    "ChunkLevels",
    "chunk_features",
    "chunk_levels",
    "fold_of_rows",
    "is_dask",
    "map_chunks",
    "merge_levels",
    "read_chunk",
]

T = TypeVar("T")

missing_level_message = "The column {name!r} has missing values; every row needs a level."


@dataclass(frozen=True, kw_only=True)
class ChunkColumns:
    """Which columns of a chunk play which part."""

    label: str  # expert label, missing where there is none
    # regressors; text and categorical columns become indicators of all but their first level
    covariates: tuple[str, ...]
    predictions: tuple[str, ...]  # columns with predicted labels
    features: tuple[str, ...]  # numeric columns that a learner predicts from
    probability: str | float  # column with labelling probabilities, or one for all rows
    clusters: str | None  # column with clusters
    # levels of the text and categorical columns, from a first pass over all rows
    levels: dict[str, tuple[str, ...]]

    @property
    def needed(self) -> list[str]:
        """Columns to read, each once."""
        names = [self.label, *self.covariates, *self.predictions, *self.features]
        if isinstance(self.probability, str):
            names.append(self.probability)
        if self.clusters is not None:
            names.append(self.clusters)
        return list(dict.fromkeys(names))

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Names of the coefficients, the intercept first."""
        names = ["Intercept"]
        for name in self.covariates:
            levels = self.levels.get(name)
            names += [name] if levels is None else [f"{name}[T.{level}]" for level in levels[1:]]
        return tuple(names)


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


def read_chunk(frame: Any, columns: ChunkColumns, index: int, extra: Sequence[Float1D] = ()) -> RowChunk:
    """Turn a chunk into arrays and check it."""
    m = n_rows(frame)
    y = _numbers(frame, columns.label, index, missing=True)
    if isinstance(columns.probability, str):
        probability = _numbers(frame, columns.probability, index)
    else:
        probability = np.full(m, float(columns.probability))
    if np.any(probability <= 0.0) or np.any(probability > 1.0):
        raise ValueError(
            f"Labelling probabilities must be in (0, 1]; chunk {index} has values from {probability.min():g} to "
            f"{probability.max():g}."
        )
    certain = int(np.sum((probability == 1.0) & np.isnan(y)))
    if certain:
        raise ValueError(
            f"{certain} row(s) of chunk {index} have labelling probability 1, which makes a label certain, and carry "
            "none. Pass the probabilities that labels were drawn with."
        )
    predictions = tuple(_numbers(frame, name, index) for name in columns.predictions)
    return RowChunk(
        X=_design(frame, columns, index),
        y=y,
        probability=probability,
        predictions=(*extra, *predictions),
        clusters=None if columns.clusters is None else column(frame, columns.clusters),
    )


def chunk_features(frame: Any, columns: ChunkColumns, index: int) -> Float2D:
    """Return the learner's features of a chunk."""
    return np.column_stack([_numbers(frame, name, index) for name in columns.features])


def chunk_levels(frame: Any, covariates: Sequence[str]) -> dict[str, ChunkLevels]:
    """Return the levels of the text and categorical columns of a chunk."""
    found = {}
    for name in covariates:
        categorical = _categorical(frame, name)
        if categorical is not None:
            if np.any(categorical.codes < 0):
                raise ValueError(missing_level_message.format(name=name))
            categories = tuple(categorical.categories.tolist())
            used = frozenset(categories[code] for code in np.unique(categorical.codes))
            found[name] = ChunkLevels(
                present=used, categories=categories, by_appearance=backend_of(frame) != "pandas"
            )
            continue
        values = column(frame, name)
        if values.dtype.kind in "fiub":
            continue
        distinct = set(read_array(values, f"The column {name!r}").tolist())
        present = [v for v in distinct if not is_missing(v)]
        if all(isinstance(v, numbers.Real) for v in present):
            continue
        if len(present) < len(distinct):
            raise ValueError(missing_level_message.format(name=name))
        found[name] = ChunkLevels(present=frozenset(np.unique(values.astype(str)).tolist()))
    return found


def merge_levels(found: Sequence[ChunkLevels]) -> tuple[str, ...]:
    """Return the levels of a column of all chunks, the reference first."""
    present = frozenset[Any]().union(*(chunk.present for chunk in found))
    shared = len({chunk.categories for chunk in found}) == 1
    if found[0].categories is not None and (shared or all(chunk.by_appearance for chunk in found)):
        met = dict.fromkeys(level for chunk in found for level in chunk.categories or ())
        return tuple(str(level) for level in met if level in present)
    if all(isinstance(level, numbers.Real) for level in present):
        return tuple(str(level) for level in sorted(present))
    return tuple(sorted({str(level) for level in present}))


def fold_of_rows(rows: Int1D, n_folds: int, seed: int) -> Int1D:
    """Assign rows to folds by their position, the same in every pass and on every machine."""
    # Folds ``0..n_folds-1``, as if drawn independently: the finaliser of splitmix64.
    with np.errstate(over="ignore"):
        state = rows.astype(np.uint64) + np.uint64(seed % 2**63) * np.uint64(0xD1342543DE82EF95)
        state += np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state % np.uint64(n_folds)).astype(np.int64)


def _categorical(frame: Any, name: str) -> Any:
    """Return a column as pandas categories with their codes, or None where it is not categorical."""
    eager = nw.from_native(frame, eager_only=True)
    if name not in eager.columns or eager[name].dtype not in (nw.Categorical, nw.Enum):
        return None
    return to_pandas(eager.select(name).to_native())[name].astype("category").array


def _level_text(frame: Any, name: str) -> AnyArray:
    categorical = _categorical(frame, name)
    if categorical is None:
        return column(frame, name).astype(str)
    return np.array([str(level) for level in categorical.categories.tolist()])[categorical.codes]


def _numbers(frame: Any, name: str, index: int, *, missing: bool = False) -> Float1D:
    values: AnyArray = column(frame, name)
    if values.dtype.kind not in "fiub":
        if values.dtype.kind in "UMm" or any(isinstance(v, str) for v in values.tolist()):
            raise TypeError(f"The column {name!r} must be numeric; chunk {index} has text or dates.")
        try:
            values = np.array([np.nan if v is None else v for v in values.tolist()], dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise TypeError(f"The column {name!r} must be numeric; chunk {index} has other values.") from None
    read = np.ascontiguousarray(values, dtype=np.float64)
    bad = np.isinf(read) if missing else ~np.isfinite(read)
    if bad.any():
        kind = "infinite" if missing else "missing or infinite"
        raise ValueError(f"The column {name!r} has {int(bad.sum())} {kind} value(s) in chunk {index}.")
    if np.any(np.abs(read) > LARGEST_VALUE):
        raise ValueError(
            f"The column {name!r} has values beyond {LARGEST_VALUE:g} in size in chunk {index}, whose squares "
            "overflow; rescale it."
        )
    return read


def _design(frame: Any, columns: ChunkColumns, index: int) -> Float2D:
    blocks = [np.ones(n_rows(frame))]
    for name in columns.covariates:
        levels = columns.levels.get(name)
        if levels is None:
            blocks.append(_numbers(frame, name, index))
            continue
        text = _level_text(frame, name)
        unseen = set(np.unique(text)) - set(levels)
        if unseen:
            raise ValueError(
                f"The column {name!r} has the level {sorted(unseen)[0]!r} in chunk {index}, which the first pass "
                "did not see; the source must give the same rows in every pass."
            )
        blocks += [(text == level).astype(np.float64) for level in levels[1:]]
    return np.column_stack(blocks)
