"""Marks of rows: one keyless number a row and label, by which rows that two data sets share are found quickly.

A mark is the multilinear hash ``sum_j f_j w_j modulo 2^64`` of the words of a row (Carter and Wegman 1979; Thorup 2015), ``f_j``
being fixed odd numbers. The word of a number is float64 rounded to 24 significant bits, those of float32, that of text a
multilinear hash of its letters. The word of zero is zero, so that a sparse row has the mark of the dense one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from validstats._typing import AnyArray, Int1D
from validstats.intake.frames import columns, is_frame

__all__ = ["GOLDEN", "copied_rows", "n_columns", "number_at", "row_marks"]

UInt64 = npt.NDArray[np.uint64]

_CELLS = 1 << 15  # cells of a block: 256 KB, which a cache of the second level holds
_LETTERS = 1 << 22  # letters of a block of text
_KEPT_FACTORS = 1 << 12
_MOST_COPIED = 1 << 17  # cells of rows that are copied: 1 MB
# float64 has 52 bits of fraction and float32 23: half of the last one that stays is added, and 29 are dropped
_HALF, _DROPPED = np.uint64(1 << 28), np.uint64(29)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio
_SPLITMIX = (
    (np.uint64(0xBF58476D1CE4E5B9), np.uint64(31)),
    (np.uint64(0x94D049BB133111EB), np.uint64(29)),
)


def row_marks(rows: Any, labels: AnyArray, at: Int1D | None = None) -> UInt64:
    """Mark rows together with their labels, touching those at some positions only.

    Parameters
    ----------
    rows : array-like of shape (n, p), sparse matrix or data frame
        The rows. Numbers count by their first 24 bits, so that a cast to float32 and rounding at 1e-12 change nothing.
    labels : ndarray of shape (n,)
        One a row.
    at : ndarray of shape (m,) or None, default None
        Positions of the rows that are marked; None for all.

    Returns
    -------
    ndarray of shape (m,), uint64
        Equal rows with equal labels have equal marks, in any container.

    Examples
    --------
    >>> import numpy as np
    >>> a = row_marks(np.array([[0.1, 2.0]]), np.array([1]))
    >>> bool(a == row_marks(np.array([[0.1, 2.0]], dtype=np.float32), np.array([1]))[0])
    True
    """
    y = labels if at is None else labels.take(at)
    if _is_matrix(rows):
        return _mark_matrix(rows, y, at)
    if hasattr(rows, "tocsr"):
        return _mark_sparse(rows.tocsr(), y, at)
    found = _columns_at(rows, at)
    return _mark_matrix(found, y, None) if isinstance(found, np.ndarray) else _mark_columns(found, y)


def copied_rows(rows: Any, at: Int1D | None) -> Any | None:
    """A copy of rows at some positions, where that is quicker than marking them; None elsewhere."""
    p = n_columns(rows)
    if not p or p * (len(rows) if at is None else len(at)) > _MOST_COPIED:
        return None
    if _is_matrix(rows):
        return rows.copy() if at is None else _rows_at(rows, at)
    if nw.dependencies.is_pandas_dataframe(rows):
        values = _numbers_of(rows)
        if values is not None:
            return values.copy() if at is None else _rows_at(values, at)
        return rows.copy() if at is None else rows.iloc[at]
    if nw.dependencies.is_polars_dataframe(rows):  # which nobody can change
        return rows if at is None else rows[at]
    return None


def _is_matrix(rows: Any) -> bool:
    return isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind in "fiub"


def n_columns(rows: Any) -> int:
    """Number of columns of rows whose columns can be read one by one; 0 for a sparse matrix, a list or anything else."""
    shape: Any = (
        () if hasattr(type(rows), "tocsr") else getattr(rows, "shape", ())
    )  # a frame would search its columns
    return int(shape[-1]) if len(shape) == 2 else 0


def number_at(rows: Any, labels: AnyArray, column: int | None, at: Int1D | None) -> AnyArray | None:
    """One number a row at some positions: of a column, or the label for -1; None where it is no number."""
    if column == -1:
        values = labels
    elif column is None or column >= n_columns(rows):
        return None
    elif isinstance(rows, np.ndarray):
        values = rows[:, column]
    elif nw.dependencies.is_polars_dataframe(rows):
        series = rows[:, column]
        if not _is_plain(series):
            return None
        values = series.to_numpy()
    elif nw.dependencies.is_pandas_dataframe(rows):
        values = rows.iloc[:, column]
        if not isinstance(values.dtype, np.dtype):
            return None
        values = values.to_numpy()
    else:
        return None
    if values.dtype.kind not in "fiu":
        return None
    return values if at is None else values.take(at)


def _mark_matrix(X: AnyArray, y: AnyArray, at: Int1D | None) -> UInt64:
    """Marks of the rows of a matrix of numbers, a block at a time."""
    n, block = len(y), max(_CELLS // (X.shape[1] + 1), 1)
    if n <= block:
        return _mark_block(X if at is None else _rows_at(X, at), y)
    marks = np.empty(n, dtype=np.uint64)
    for start in range(0, n, block):
        part = slice(start, start + block)
        marks[part] = _mark_block(X[part] if at is None else _rows_at(X, at[part]), y[part])
    return marks


def _rows_at(X: AnyArray, at: Int1D) -> AnyArray:
    """Rows at some positions: `take` is quicker than an index, and copies what is not contiguous."""
    if X.flags.c_contiguous:
        return X.take(at, 0)
    return X.T.take(at, 1).T if X.flags.f_contiguous else X[at]


def _mark_block(X: AnyArray, y: AnyArray) -> UInt64:
    n, p = X.shape
    words = np.empty((p + 1, n), dtype=np.uint64)
    np.add(X.T, 0.0, out=words[:p].view(np.float64))  # -0 becomes 0
    _write_words(y, words[p])
    return _summed(words)


def _mark_columns(parts: Sequence[AnyArray], y: AnyArray) -> UInt64:
    words = np.empty((len(parts) + 1, len(y)), dtype=np.uint64)
    for j, values in enumerate((*parts, y)):
        _write_words(values, words[j])
    return _summed(words)


def _summed(words: UInt64) -> UInt64:
    """Round one column of words a row, label last, and sum them with their factors; the array is overwritten."""
    words += _HALF
    words >>= _DROPPED
    words *= _factors(len(words))[:, None]
    return np.asarray(np.add.reduce(words, 0))


def _mark_sparse(matrix: Any, y: AnyArray, at: Int1D | None) -> UInt64:
    """Marks of the rows of a compressed matrix, by their stored cells alone."""
    starts = matrix.indptr[:-1] if at is None else matrix.indptr[at]
    lengths = matrix.indptr[1:] - starts if at is None else matrix.indptr[at + 1] - starts
    ends = np.cumsum(lengths)
    cells = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + lengths, lengths)
    words = np.add(matrix.data[cells], 0.0, dtype=np.float64).view(np.uint64)
    words += _HALF
    words >>= _DROPPED
    words *= _factors_of(matrix.indices[cells], matrix.shape[1])
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(words, dtype=np.uint64)])
    label = np.empty((1, len(y)), dtype=np.uint64)
    _write_words(y, label[0])
    label += _HALF
    label >>= _DROPPED
    label *= _factors_of(np.array([matrix.shape[1]]), matrix.shape[1])
    return np.asarray(label[0] + sums[ends] - sums[ends - lengths])


def _write_words(values: AnyArray, words: UInt64) -> None:
    """Write the word of each value: the bits of a number as float64, a hash of the letters of everything else."""
    if values.dtype.kind == "O":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            texts = values.tolist()
            if not all(type(value) is str for value in texts):
                texts = [str(value) for value in texts]
            kinds = list(dict.fromkeys(texts))
            codes = dict(zip(kinds, _hashes(kinds).tolist(), strict=True))
            words[:] = np.fromiter(map(codes.__getitem__, texts), dtype=np.uint64, count=len(texts))
            return
    if values.dtype.kind in "fiub":
        np.add(values, 0.0, out=words.view(np.float64))
    else:
        words[:] = _hashes(values if values.dtype.kind == "U" else values.astype(str))


def _hashes(texts: Any) -> UInt64:
    """Multilinear hash of the letters of each text; what is shorter ends with zeros, which add nothing."""
    longest = max(map(len, texts)) if isinstance(texts, list) else texts.dtype.itemsize // 4
    block = max(_LETTERS // max(longest, 1), 1)
    found = np.empty(len(texts), dtype=np.uint64)
    for start in range(0, len(texts), block):
        part = np.ascontiguousarray(texts[start : start + block], dtype=str)
        letters = part.view(np.uint32).reshape(len(part), -1).astype(np.uint64)
        found[start : start + block] = letters @ _factors_of(np.arange(letters.shape[1]), letters.shape[1])
    return found


def _factors_of(places: AnyArray, n: int) -> UInt64:
    """Factors of some columns; those of more than a few thousand are computed where they are needed."""
    if n < _KEPT_FACTORS:
        return _factors(_KEPT_FACTORS)[places]
    return _mixed(places.astype(np.uint64)) | np.uint64(1)


@lru_cache(maxsize=64)
def _factors(n: int) -> UInt64:
    """Odd numbers of 64 random bits, the same in every process."""
    return _mixed(np.arange(n, dtype=np.uint64)) | np.uint64(1)


def _mixed(numbers: UInt64) -> UInt64:
    """Random bits of consecutive numbers, the same in every process: splitmix64 (Steele, Lea and Flood 2014)."""
    words = (numbers + np.uint64(1)) * GOLDEN
    for factor, shift in _SPLITMIX:
        words *= factor
        words ^= words >> shift
    return words


def _columns_at(rows: Any, at: Int1D | None) -> AnyArray | list[AnyArray]:
    """Rows at some positions: a matrix where all are numbers, else their columns."""
    if nw.dependencies.is_pandas_dataframe(rows):
        values = _numbers_of(rows)
        if values is not None:
            return values if at is None else _rows_at(values, at)
        part = rows if at is None else rows.iloc[at]
        values = part.to_numpy()
        return values if values.dtype.kind in "fiub" else columns(part)
    if not is_frame(rows):
        taken = rows if at is None else [rows[i] for i in at] if isinstance(rows, list) else _taken(rows, at)
        array = np.asarray(taken)
        array = array.reshape(len(array), -1)
        return array if array.dtype.kind in "fiub" else list(array.T)
    if nw.dependencies.is_polars_dataframe(rows):
        return [_polars_values(series, at) for series in rows.get_columns()]
    return columns(rows if at is None else rows.take(at))


def _numbers_of(frame: Any) -> AnyArray | None:
    """A small pandas frame of numbers as a matrix, which is mostly a view and quicker than taking rows of a frame."""
    if frame.size > _MOST_COPIED or frame.iloc[:1].to_numpy().dtype.kind not in "fiub":
        return None
    values = np.asarray(frame.to_numpy())
    return values if values.dtype.kind in "fiub" else None


def _taken(rows: Any, at: Int1D) -> Any:
    return rows.take(at) if hasattr(rows, "iloc") else np.asarray(rows)[at]


def _polars_values(series: Any, at: Int1D | None) -> AnyArray:
    if at is None:
        return np.asarray(series.to_numpy())
    return np.asarray(series.to_numpy()[at] if _is_plain(series) else series[at].to_numpy())


def _is_plain(series: Any) -> bool:
    """Whether the numbers of a polars series can be read where they are."""
    return bool(series.dtype.is_numeric() and not series.null_count() and series.n_chunks() == 1)
