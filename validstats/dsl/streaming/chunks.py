"""Sources of rows that need not fit in memory: Parquet files, frames in pieces, dask data frames."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeVar

import narwhals as nw
import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D
from validstats.dsl.moments import LARGEST_VALUE
from validstats.intake import (
    backend_of,
    check_groups,
    check_vector,
    column,
    is_frame,
    is_missing,
    n_rows,
    read_array,
    to_pandas,
)
from validstats.runtime import progress

__all__ = [
    "ChunkColumns",
    "ChunkLevels",
    "RowChunk",
    "chunk_levels",
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
    features: tuple[str, ...]  # columns that a learner predicts from
    # column with labelling probabilities, one for all rows, or None where the number of labels was fixed
    probability: str | float | None
    clusters: str | None  # column with clusters
    strata: str | None  # column with strata within which a fixed number of labels was drawn
    weights: str | None  # column with analysis weights
    offset: str | None  # column with the known part of the linear predictor
    # levels of the text and categorical columns, from a first pass over all rows
    levels: dict[str, tuple[str, ...]]

    @property
    def needed(self) -> list[str]:
        """Columns to read, each once."""
        names = [self.label, *self.covariates, *self.predictions, *self.features]
        others = (self.probability, self.clusters, self.strata, self.weights, self.offset)
        names += [name for name in others if isinstance(name, str)]
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


@dataclass(frozen=True, kw_only=True)
class RowChunk:
    """Some rows of a data set, as arrays."""

    X: Float2D  # design matrix, shape ``(m, p)``
    y: Float1D  # expert labels, NaN where there is none
    probability: Float1D | None  # labelling probabilities, where they are known
    predictions: tuple[Float1D, ...]  # columns with predicted labels
    features: Float2D | None = None  # what a learner predicts from
    clusters: AnyArray | None = None  # text of the cluster
    strata: AnyArray | None = None  # text of the stratum
    weights: Float1D | None = None
    offset: Float1D | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    def part(self, rows: slice | AnyArray) -> RowChunk:
        """Return some of the rows."""
        return RowChunk(
            X=self.X[rows],
            y=self.y[rows],
            predictions=tuple(p[rows] for p in self.predictions),
            **{name: _taken(getattr(self, name), rows) for name in _OPTIONAL},
        )

    @staticmethod
    def joined(chunks: Sequence[RowChunk]) -> RowChunk:
        """Return the rows of several chunks in order."""
        first = chunks[0]
        return RowChunk(
            X=np.concatenate([c.X for c in chunks]),
            y=np.concatenate([c.y for c in chunks]),
            predictions=tuple(
                np.concatenate([c.predictions[j] for c in chunks]) for j in range(len(first.predictions))
            ),
            **{
                name: None
                if getattr(first, name) is None
                else np.concatenate([getattr(c, name) for c in chunks])
                for name in _OPTIONAL
            },
        )


_OPTIONAL = ("probability", "features", "clusters", "strata", "weights", "offset")


def _taken(values: AnyArray | None, rows: slice | AnyArray) -> Any:
    return None if values is None else values[rows]


def read_chunk(frame: Any, columns: ChunkColumns, index: int) -> RowChunk:
    """Turn a chunk into arrays and check it; messages name column and chunk."""
    y = _numbers(frame, columns.label, index, missing=True)
    return RowChunk(
        X=_design(frame, columns, index),
        y=y,
        probability=_probability(frame, columns, index, y),
        predictions=tuple(_numbers(frame, name, index) for name in columns.predictions),
        features=_features(frame, columns, index) if columns.features else None,
        clusters=None if columns.clusters is None else _groups(frame, columns.clusters),
        strata=None if columns.strata is None else _groups(frame, columns.strata),
        weights=None if columns.weights is None else _weights(frame, columns.weights, index),
        offset=None if columns.offset is None else _numbers(frame, columns.offset, index),
    )


def _probability(frame: Any, columns: ChunkColumns, index: int, y: Float1D) -> Float1D | None:
    if columns.probability is None:
        return None
    if not isinstance(columns.probability, str):
        probability = np.full(len(y), float(columns.probability))
    else:
        probability = _numbers(frame, columns.probability, index)
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
    return probability


def _groups(frame: Any, name: str) -> AnyArray:
    return check_groups(column(frame, name), f"The column {name!r}", n_rows(frame)).astype(str)


def _weights(frame: Any, name: str, index: int) -> Float1D:
    weights = _numbers(frame, name, index)
    if np.any(weights < 0.0):
        raise ValueError(f"Analysis weights must not be negative; the column {name!r} is in chunk {index}.")
    return weights


def _features(frame: Any, columns: ChunkColumns, index: int) -> Float2D:
    """Return the learner's features: numbers as they are, one indicator a level of text in sorted order."""
    blocks = []
    for name in columns.features:
        levels = columns.levels.get(name)
        if levels is None:
            blocks.append(_numbers(frame, name, index)[:, None])
        else:
            text = _level_text(frame, name)
            blocks.append((text[:, None] == np.array(sorted(levels))[None, :]).astype(np.float64))
    return np.hstack(blocks)


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
    try:
        read = check_vector(column(frame, name), f"The column {name!r}", allow_nan=True, allow_infinite=True)
    except (TypeError, ValueError) as error:
        raise type(error)(f"Chunk {index}: {error}") from None
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
