"""The only door for pandas, polars and pyarrow: columns in, the caller's frame type out."""

from __future__ import annotations

import contextlib
import hashlib
import math
import sys
from collections.abc import Mapping, Sequence
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
    "holds_numbers",
    "is_frame",
    "n_rows",
    "plain_frame",
    "row_digests",
    "to_frame",
    "to_pandas",
    "unique_names",
]


_BLOCK = 16_384
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
    if _is_pandas_frame(data):
        return True
    if isinstance(data, np.ndarray) or _is_pandas_series(data):
        return False
    return bool(nw.dependencies.is_into_dataframe(data))


def _is_pandas_frame(data: Any) -> bool:
    pandas = sys.modules.get("pandas")  # what is of pandas has imported it
    return pandas is not None and isinstance(data, pandas.DataFrame)


def _is_pandas_series(data: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.Series)


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
    if _is_pandas_frame(data) or _is_pandas_series(data):
        return "pandas"
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
    return len(frame if _is_pandas_frame(frame) else _eager(frame))


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
    if _is_pandas_frame(frame) and name in frame:
        found = frame[name]
        if found.ndim == 1:
            return _pandas_values(found)
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
    if _is_pandas_frame(frame):
        return [_pandas_values(series) for _, series in frame.items()]
    eager = _eager(frame)
    return [_series_values(eager[:, j]) for j in range(eager.shape[1])]


def _pandas_values(series: Any) -> AnyArray:
    """Values of a pandas column: straight where they are numpy's or text, which hold no missing value of pandas' own."""
    if isinstance(series.dtype, np.dtype) or series.dtype == "str":
        return np.asarray(series.to_numpy())
    return _series_values(nw.from_native(series, series_only=True))


def unique_names(frame: Any, name: str) -> list[str]:
    """List the columns of a data frame as text, and refuse names that occur twice."""
    names = [str(column) for column in frame.columns] if hasattr(frame, "set_axis") else column_names(frame)
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ValueError(
            f"{name} has several columns of the name {', '.join(map(repr, twice))}; rename them."
        )
    return names


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
    return frame if _is_pandas_frame(frame) else _eager(frame).to_pandas()


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
        if holds_numbers(dtype):
            continue
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


def holds_numbers(dtype: Any) -> bool:
    """Tell whether a column of a pandas frame is of NumPy's numbers or truth values, in the order of the machine's bytes.

    Parameters
    ----------
    dtype : object
        Its type.

    Returns
    -------
    bool
        True where :func:`plain_frame` leaves the column as it is and its values are an array.

    Examples
    --------
    >>> holds_numbers(np.dtype("float64")), holds_numbers(np.dtype("O"))
    (True, False)
    """
    return isinstance(dtype, np.dtype) and dtype.kind in "fiub" and dtype.byteorder in "=|"


def _is_text(dtype: Any) -> bool:
    """Whether a column is text of pandas' own or of Arrow, which formulas do not know."""
    import pandas as pd
    from pandas.api.types import is_string_dtype

    return getattr(dtype, "na_value", None) is pd.NA and is_string_dtype(dtype)


def row_digests(rows: Any) -> npt.NDArray[np.uint64]:
    """Digest each row to 64 bits, to find rows that two data sets share.

    Parameters
    ----------
    rows : array-like of shape (n, p) or data frame
        The rows; numbers are compared as float64, everything else as text.

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
    return _mix_columns([_digest_column(array) for array in arrays], n)


def _row_arrays(rows: Any) -> tuple[int, list[AnyArray]]:
    """Number of rows, and their columns."""
    if is_frame(rows):
        return len(rows), columns(rows)
    matrix = rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)
    matrix = matrix.reshape(matrix.shape[0], math.prod(matrix.shape[1:]))
    return len(matrix), list(matrix.T)


def _eager(frame: Any) -> nw.DataFrame[Any]:
    if _is_pandas_frame(frame) and not frame.columns.is_unique:
        unique_names(frame, "The frame")
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


def _mix_columns(columns: Sequence[AnyArray], n: int) -> npt.NDArray[np.uint64]:
    """Chain the columns of each row through the finaliser of splitmix64, a block of rows at a time."""
    digests = np.full(n, 0x9E3779B97F4A7C15, dtype=np.uint64)
    numbers, shifted = np.empty(_BLOCK), np.empty(_BLOCK, dtype=np.uint64)
    for start in range(0, n, _BLOCK):
        state = digests[start : start + _BLOCK]
        for values in columns:
            words = _words(values[start : start + _BLOCK], numbers)
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
