"""The only door for pandas, polars and pyarrow: columns in, the caller's frame type out."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast, get_args

import narwhals as nw
import numpy as np
import numpy.typing as npt

from validstats._typing import AnyArray, Float1D, FrameBackend
from validstats.intake.arguments import check_literal
from validstats.intake.kinds import read_array

__all__ = [
    "backend_of",
    "column",
    "column_names",
    "columns",
    "is_frame",
    "n_rows",
    "plain_frame",
    "row_digests",
    "row_marks",
    "to_frame",
    "to_pandas",
    "unique_names",
]


_BLOCK = 16_384
_CELLS = 1 << 18
_HALF_WORD = np.uint64(32)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_HALF, _FIRST = np.uint64(1 << 28), np.uint64((1 << 64) - (1 << 29))
"""What rounds the 52 bits of a float64's fraction to the 23 of float32, and the mask of those."""
_TEXT_DIGEST = np.dtype([("digest", np.uint64)])
_SPLITMIX = (
    (np.uint64(0xBF58476D1CE4E5B9), np.uint64(31)),
    (np.uint64(0x94D049BB133111EB), np.uint64(29)),
)


def is_frame(data: Any) -> bool:
    """Tell whether an object is a data frame of a supported library.

    Parameters
    ----------
    data : object
        Anything.

    Returns
    -------
    bool
        True for an eager pandas, polars or pyarrow table.

    Examples
    --------
    >>> is_frame([[1, 2]])
    False
    """
    return bool(nw.dependencies.is_into_dataframe(data))


def backend_of(data: Any) -> FrameBackend:
    """Name the library in which results about an object should be returned.

    Parameters
    ----------
    data : object
        A data frame, a series, or anything else.

    Returns
    -------
    {"pandas", "polars", "pyarrow"}
        The library of a frame or series; "pandas" for arrays and lists.

    Examples
    --------
    >>> backend_of([1, 2, 3])
    'pandas'
    """
    wrapped = nw.from_native(data, allow_series=True, pass_through=True)
    if isinstance(wrapped, nw.DataFrame | nw.Series | nw.LazyFrame):
        name = wrapped.implementation.value
        if name in get_args(FrameBackend):
            return cast(FrameBackend, name)
    return "pandas"


def column_names(frame: Any) -> list[str]:
    """List the columns of a data frame.

    Parameters
    ----------
    frame : pandas, polars or pyarrow table
        The frame.

    Returns
    -------
    list of str
        Names in order.

    Examples
    --------
    >>> column_names(to_frame({"a": [1], "b": [2]}))
    ['a', 'b']
    """
    return list(_eager(frame).columns)


def n_rows(frame: Any) -> int:
    """Count the rows of a data frame.

    Parameters
    ----------
    frame : pandas, polars or pyarrow table
        The frame.

    Returns
    -------
    int
        Number of rows.

    Examples
    --------
    >>> n_rows(to_frame({"a": [1, 2]}))
    2
    """
    return len(_eager(frame))


def column(frame: Any, name: str) -> AnyArray:
    """Take one column of a data frame as an array.

    Parameters
    ----------
    frame : pandas, polars or pyarrow table
        The frame.
    name : str
        Column name.

    Returns
    -------
    ndarray of shape (n,)
        The values; missing numbers become NaN.

    Raises
    ------
    KeyError
        If there is no such column; the message lists those there are.

    Examples
    --------
    >>> column(to_frame({"a": [1, 2]}), "a")
    array([1, 2])
    """
    eager = _eager(frame)
    if name not in eager.columns:
        raise KeyError(f"There is no column {name!r}; the columns are {', '.join(map(repr, eager.columns))}.")
    return _series_values(eager[name])


def columns(frame: Any) -> list[AnyArray]:
    """Take all columns of a data frame as arrays, whatever their names.

    Parameters
    ----------
    frame : pandas, polars or pyarrow table
        The frame; names of a pandas frame need be neither text nor unique.

    Returns
    -------
    list of ndarray of shape (n,)
        The values in order; missing numbers become NaN.

    Examples
    --------
    >>> columns(to_frame({"a": [1, 2], "b": [3, 4]}))[1]
    array([3, 4])
    """
    eager = _eager(_with_plain_names(frame))
    return [_series_values(eager[:, j]) for j in range(eager.shape[1])]


def unique_names(frame: Any, name: str) -> list[str]:
    """List the columns of a data frame as text, and refuse names that occur twice."""
    names = [str(column) for column in frame.columns] if hasattr(frame, "set_axis") else column_names(frame)
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ValueError(
            f"{name} has several columns of the name {', '.join(map(repr, twice))}; rename them."
        )
    return names


def _with_plain_names(frame: Any) -> Any:
    """Number the columns of a pandas frame, whose names need be neither text nor unique."""
    return frame.set_axis(range(frame.shape[1]), axis="columns") if hasattr(frame, "set_axis") else frame


def _series_values(series: nw.Series[Any]) -> AnyArray:
    if series.dtype.is_numeric() and series.is_null().any():
        return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    return np.asarray(series.to_numpy())


def to_frame(columns: Mapping[str, Any], backend: FrameBackend = "pandas") -> Any:
    """Build a data frame of the library asked for.

    Parameters
    ----------
    columns : mapping of str to sequence
        Values by column name, all of one length.
    backend : {"pandas", "polars", "pyarrow"}, default "pandas"
        The library; it must be installed.

    Returns
    -------
    DataFrame or Table
        The frame, in the library's own type.

    Raises
    ------
    ValueError
        If the library is not supported.
    ModuleNotFoundError
        If it is not installed.

    Examples
    --------
    >>> to_frame({"term": ["x"], "estimate": [0.5]})
      term  estimate
    0    x       0.5
    """
    check_literal(backend, "backend", get_args(FrameBackend))
    plain = {name: _plain(values) for name, values in columns.items()}
    return nw.from_dict(plain, backend=backend).to_native()


def to_pandas(frame: Any) -> Any:
    """Convert a data frame to pandas; a pandas frame is returned as it is.

    Parameters
    ----------
    frame : pandas, polars or pyarrow table
        The frame.

    Returns
    -------
    pandas.DataFrame
        The same columns.

    Examples
    --------
    >>> to_pandas(to_frame({"a": [1]})).shape
    (1, 1)
    """
    return _eager(frame).to_pandas()


def plain_frame(frame: Any) -> Any:
    """Give the columns of a pandas frame the kinds that they mean.

    Numbers as objects (Decimal, Fraction, ...) become float64, text of any type objects, and levels of categories that
    no row has are dropped, as in R. Columns that hold several kinds are left as they are, and refused by name where they are used.

    Parameters
    ----------
    frame : pandas.DataFrame
        The frame; it is not modified.

    Returns
    -------
    pandas.DataFrame
        The same columns; the frame itself where nothing had to change.

    Examples
    --------
    >>> import pandas as pd
    >>> from decimal import Decimal
    >>> plain_frame(pd.DataFrame({"price": [Decimal("1.5"), Decimal(2)]}))["price"].dtype
    dtype('float64')
    """
    changed = {}
    for j, dtype in enumerate(frame.dtypes):
        values = frame.iloc[:, j]
        if str(dtype) == "category":
            if len(values.cat.categories) > values.nunique():
                changed[j] = values.cat.remove_unused_categories()
        elif getattr(dtype, "byteorder", "=") not in "=|" and dtype.kind in "fiu":
            changed[j] = np.asarray(values).astype(dtype.newbyteorder("="))
        elif _is_text(dtype):
            changed[j] = values.astype(object).where(values.notna(), None)
        elif str(dtype) == "object" or "decimal" in str(dtype):
            with contextlib.suppress(TypeError, ValueError):
                array = read_array(values, str(frame.columns[j]), dates=True)
                if array.dtype.kind in "fiu":
                    changed[j] = array
    if not changed:
        return frame
    plain = frame.copy(deep=False)
    for j, values in changed.items():
        plain.isetitem(j, values)
    return plain


def _is_text(dtype: Any) -> bool:
    """Whether a column is text of pandas' own or of Arrow, which formulas do not know."""
    import pandas as pd
    from pandas.api.types import is_string_dtype

    return getattr(dtype, "na_value", None) is pd.NA and is_string_dtype(dtype)


def row_digests(rows: Any, *, tolerant: bool = False) -> npt.NDArray[np.uint64]:
    """Digest each row to 64 bits, to find rows that two data sets share.

    Parameters
    ----------
    rows : array-like of shape (n, p) or data frame
        The rows; numbers are compared as float64, everything else as text.
    tolerant : bool, default False
        Whether numbers with fractions are compared by their first 24 bits, those of float32: a row is then the same
        after a cast to float32 and after rounding at 1e-12.

    Returns
    -------
    ndarray of shape (n,), uint64
        One digest a row. Equal rows have equal digests.

    Examples
    --------
    >>> d = row_digests([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]])
    >>> bool(d[0] == d[1]), bool(d[0] == d[2])
    (True, False)
    """
    n, arrays = _row_arrays(rows)
    return _mix_columns([_digest_column(array) for array in arrays], n, tolerant)


def row_marks(rows: Any, labels: AnyArray) -> npt.NDArray[np.uint64]:
    """Digest rows together with their labels, a block of rows at a time: quicker than :func:`row_digests` for few rows.

    Parameters
    ----------
    rows : array-like of shape (n, p) or data frame
        The rows. Numbers with fractions count by their first 24 bits, so that a cast to float32 changes nothing.
    labels : ndarray of shape (n,)
        One a row.

    Returns
    -------
    ndarray of shape (n,), uint64
        Equal rows with equal labels have equal marks, in any container.

    Examples
    --------
    >>> import numpy as np
    >>> a = row_marks(np.array([[0.1, 2.0]]), np.array([1]))
    >>> bool(a == row_marks(np.array([[0.1, 2.0]], dtype=np.float32), np.array([1]))[0])
    True
    """
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind == "f":
        n, p, parts = len(rows), rows.shape[1], None
    else:
        n, arrays = _row_arrays(rows)
        p, parts = len(arrays), [_digest_column(array) for array in arrays]
    label = _digest_column(labels)
    factors = _factors(p + 1)
    marks = np.empty(n, dtype=np.uint64)
    block = max(1, _CELLS // (p + 1))
    for start in range(0, n, block):
        stop = min(start + block, n)
        words = np.empty((p + 1, stop - start), dtype=np.uint64)
        if parts is None:
            np.add(rows[start:stop].T, 0.0, out=words[:p].view(np.float64))
            _round_words(words[:p])
        else:
            for j, values in enumerate(parts):
                words[j] = _words_of(values[start:stop])
        words[p] = _words_of(label[start:stop])
        # multilinear in the words, whose upper halves are folded into their lower ones: the last bits of most are zero
        words ^= words >> _HALF_WORD
        words *= factors
        marks[start:stop] = _finalised(words.sum(axis=0))
    return marks


@lru_cache(maxsize=16)
def _factors(n: int) -> npt.NDArray[np.uint64]:
    """Odd numbers of 64 random bits, the same in every process."""
    return _finalised(np.arange(1, n + 1, dtype=np.uint64) * _GOLDEN)[:, None] | np.uint64(1)


def _row_arrays(rows: Any) -> tuple[int, list[AnyArray]]:
    """Number of rows, and their columns."""
    if is_frame(rows):
        eager = _eager(_with_plain_names(rows))
        return len(eager), [_series_values(eager[:, j]) for j in range(eager.shape[1])]
    matrix = rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)
    matrix = matrix.reshape(matrix.shape[0], math.prod(matrix.shape[1:]))
    return len(matrix), list(matrix.T)


def _words_of(values: AnyArray) -> npt.NDArray[np.uint64]:
    """Bits of numbers as float64, rounded where they may have fractions, or digests of text."""
    if values.dtype == _TEXT_DIGEST:
        return values.view(np.uint64)
    words = np.add(values, 0.0, dtype=np.float64).view(np.uint64)
    if values.dtype.kind == "f":
        _round_words(words)
    return words


def _round_words(words: npt.NDArray[np.uint64]) -> None:
    np.add(words, _HALF, out=words)
    np.bitwise_and(words, _FIRST, out=words)


def _finalised(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Finaliser of splitmix64 (Steele, Lea and Flood 2014), in place."""
    for factor, shift in _SPLITMIX:
        np.multiply(words, factor, out=words)
        np.bitwise_xor(words, words >> shift, out=words)
    return words


def _eager(frame: Any) -> nw.DataFrame[Any]:
    return nw.from_native(frame, eager_only=True)


def _plain(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _digest_column(array: AnyArray) -> AnyArray:
    """Return numbers as they are, and one digest a value of everything else."""
    if array.dtype.kind in "fiub":
        return array
    values, inverse = np.unique(array.astype(str), return_inverse=True)
    digests = [int.from_bytes(hashlib.blake2b(v.encode(), digest_size=8).digest(), "little") for v in values]
    return np.array(digests, dtype=np.uint64)[inverse.reshape(-1)].view(_TEXT_DIGEST)


def _mix_columns(columns: Sequence[AnyArray], n: int, tolerant: bool) -> npt.NDArray[np.uint64]:
    """Chain the columns of each row through the finaliser of splitmix64, a block of rows at a time."""
    digests = np.full(n, 0x9E3779B97F4A7C15, dtype=np.uint64)
    numbers, shifted = np.empty(_BLOCK), np.empty(_BLOCK, dtype=np.uint64)
    for start in range(0, n, _BLOCK):
        state = digests[start : start + _BLOCK]
        for values in columns:
            words = _words(values[start : start + _BLOCK], numbers)
            if tolerant and values.dtype.kind == "f":
                np.add(words, _HALF, out=words)
                np.bitwise_and(words, _FIRST, out=words)
            _mix_words(state, words, shifted[: len(state)])
    return digests


def _words(values: AnyArray, buffer: Float1D) -> npt.NDArray[np.uint64]:
    """Return numbers as the bits of float64, with zeros of one sign, or digests of text as they are."""
    if values.dtype == _TEXT_DIGEST:
        return values.view(np.uint64)
    return np.add(values, 0.0, out=buffer[: len(values)]).view(np.uint64)


def _mix_words(
    state: npt.NDArray[np.uint64], words: npt.NDArray[np.uint64], shifted: npt.NDArray[np.uint64]
) -> None:
    """Mix one word into the state of each row, in place; multiplication of arrays wraps around silently."""
    np.bitwise_xor(state, words, out=state)
    for factor, shift in _SPLITMIX:
        np.multiply(state, factor, out=state)
        np.right_shift(state, shift, out=shifted)
        np.bitwise_xor(state, shifted, out=state)
