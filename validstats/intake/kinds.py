"""Arrays as the caller passes them: numbers or categories of any kind, read at the door or refused by name."""

from __future__ import annotations

import contextlib
import datetime as dt
import numbers
from typing import Any

import numpy as np
from scipy import sparse

from validstats._typing import AnyArray

__all__ = ["LARGEST_EXACT", "check_groups", "holds_dates", "is_missing", "read_array", "refuse_lazy"]

LARGEST_EXACT = 2**53
"""Largest bound below which float64 holds every whole number (52 bits of mantissa and a hidden one)."""

_LARGEST_FLOAT = int(np.finfo(np.float64).max)


def read_array(values: Any, name: str, *, masked_as_missing: bool = False, dates: bool = False) -> AnyArray:
    """Return numbers or categories as an array of the type they have.

    Numbers in any dress (Decimal, Fraction, numbers as objects) become numbers, truth values and text stay what they
    are, and what is neither a number nor a category is refused with the remedy.

    Parameters
    ----------
    values : array-like
        Numbers, text, booleans; a data frame column serves.
    name : str
        Public name of the argument.
    masked_as_missing : bool, default False
        Whether masked values become NaN (None where they are no numbers) instead of an error.
    dates : bool, default False
        Whether dates are taken as they are: as names of groups they are categories.

    Returns
    -------
    ndarray
        The values; no copy where none is needed.

    Raises
    ------
    TypeError
        If the values are sparse, complex, bytes, records, containers, dates, or of several kinds.
    ValueError
        If they are ragged, masked, or too large for float64.

    Examples
    --------
    >>> read_array(["a", "b"], "strata").tolist()
    ['a', 'b']
    """
    array = values if type(values) is np.ndarray else _as_array(values, name, masked_as_missing)
    kind = array.dtype.kind
    if kind == "c":
        raise TypeError(f"{name} is complex; pass the real and the imaginary part as two columns.")
    if kind == "V":
        raise TypeError(
            f"{name} holds records (dtype {array.dtype}); pass its fields as columns of a data frame."
        )
    if kind == "S":
        raise TypeError(f"{name} holds bytes; decode them first, as in {name}.astype(str).")
    if kind in "mM":
        if dates:
            return array
        raise TypeError(_date_message(name, str(array.dtype)))
    if kind == "O":
        return array if dates and _all_dates(array) else _read_objects(array, name)
    return array


def _as_array(values: Any, name: str, masked_as_missing: bool) -> AnyArray:
    """Return what is no array yet as one."""
    refuse_lazy(values, name)
    if sparse.issparse(values):
        raise TypeError(f"{name} is a sparse matrix; pass {name}.toarray() if it fits in memory.")
    if isinstance(values, np.ma.MaskedArray):
        values = _without_mask(values, name, masked_as_missing)
    elif isinstance(getattr(values, "dtype", None), np.dtype) and hasattr(values, "to_numpy"):
        values = values.to_numpy()  # a third of the time that pandas takes to be asked as an array
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from None


def refuse_lazy(values: Any, name: str) -> None:
    """Refuse frames and arrays that are not computed yet, with the call that computes them.

    Parameters
    ----------
    values : object
        Anything.
    name : str
        Public name of the argument.

    Raises
    ------
    TypeError
        If it is a lazy frame (polars) or a delayed one (dask).

    Examples
    --------
    >>> refuse_lazy([1, 2], "y")
    """
    for verb in ("collect", "compute"):
        # of the type: a frame looks through its columns for what it does not have
        if callable(getattr(type(values), verb, None)) and not hasattr(values, "__array_interface__"):
            kind = f"{type(values).__module__.partition('.')[0]} {type(values).__name__}"
            raise TypeError(
                f"{name} is a {kind}, which is not computed yet; pass {name}.{verb}() if it fits in memory. Dask "
                "data frames are read in parts by DesignSupervised.fit, BatchPredictor.calibrate and infer, "
                "ReusableHoldout.calibrate and mutual_info_matrix."
            )


def check_groups(values: Any, name: str, n_rows: int) -> AnyArray:
    """Return labels of groups (batches, strata, clusters), one a row, none missing.

    Parameters
    ----------
    values : array-like of shape (n_rows,)
        Labels that can be sorted.
    name : str
        Public name of the argument.
    n_rows : int
        Number of rows.

    Returns
    -------
    ndarray of shape (n_rows,)
        The labels.

    Raises
    ------
    TypeError, ValueError
        If they cannot be read or sorted, are of another number, or one is missing.

    Examples
    --------
    >>> check_groups(["a", "b"], "strata", 2).tolist()
    ['a', 'b']
    """
    array = read_array(values, name, dates=True)
    if array.ndim != 1 or len(array) != n_rows:
        raise ValueError(
            f"{name} must have one label for each of the {n_rows} rows, got shape {array.shape}."
        )
    kind = array.dtype.kind
    if kind == "f":
        missing = int(np.isnan(array).sum())
    elif kind in "mM":
        missing = int(np.isnat(array).sum())
    else:
        missing = sum(is_missing(value) for value in array.tolist()) if kind == "O" else 0
    if missing:
        raise ValueError(f"{name} has {missing} missing value(s); every row needs a label.")
    return array


def is_missing(value: Any) -> bool:
    """Tell whether a value stands for a missing one.

    Parameters
    ----------
    value : object
        A number, a text, a date or a marker of any library.

    Returns
    -------
    bool
        True for None, NaN, NaT and NA.

    Examples
    --------
    >>> is_missing(None), is_missing(float("nan")), is_missing("a")
    (True, True, False)
    """
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def holds_dates(values: Any) -> bool:
    """Tell whether a column holds dates alone, whatever its type.

    Parameters
    ----------
    values : array-like of shape (n,)
        A column.

    Returns
    -------
    bool
        True for dates, times and durations with nothing but missing values beside them.

    Examples
    --------
    >>> import datetime
    >>> holds_dates([datetime.date(2024, 1, 1), None]), holds_dates(["2024-01-01"])
    (True, False)
    """
    array = np.asarray(values)
    return array.dtype.kind in "mM" or (array.dtype.kind == "O" and _all_dates(array))


def _all_dates(array: AnyArray) -> bool:
    present = [value for value in array.ravel().tolist() if not is_missing(value)]
    return bool(present) and all(isinstance(value, dt.date | dt.timedelta) for value in present)


def _without_mask(values: np.ma.MaskedArray, name: str, masked_as_missing: bool) -> AnyArray:
    if not np.ma.is_masked(values):
        return np.asarray(values.data)
    if not masked_as_missing:
        n_masked = int(np.ma.getmaskarray(values).sum())
        raise ValueError(f"{name} has {n_masked} masked value(s); remove or impute them first.")
    if values.dtype.kind in "fiub":
        return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
    return np.asarray(np.ma.filled(values.astype(object), None))


def _read_objects(array: AnyArray, name: str) -> AnyArray:
    """Decide what an array of Python objects holds: numbers become float64, text and truth values stay what they are."""
    kinds: dict[str, tuple[int, Any]] = {}
    flat = array.ravel().tolist()
    for i, value in enumerate(flat):
        if isinstance(value, dict | list | set | tuple | np.ndarray):
            raise TypeError(
                f"{name} holds an object of type {type(value).__name__}; the argument must be a string, a category or a number."
            )
        if is_missing(value):
            continue
        kinds.setdefault(_kind_of_object(value, name), (i, value))
    if len(kinds) > 1 and set(kinds) != {"number", "flag"}:
        found = " and ".join(f"{kind} ({value!r} in row {i})" for kind, (i, value) in kinds.items())
        raise TypeError(f"{name} mixes {found}; convert it to one type.")
    if "date" in kinds:
        raise TypeError(_date_message(name, type(kinds["date"][1]).__name__))
    if "number" not in kinds:
        return array
    values = [np.nan if is_missing(value) else _as_number(value, name) for value in flat]
    if all(isinstance(v, int) and not isinstance(v, bool) for v in values) and values:
        with contextlib.suppress(OverflowError):
            return np.array(values, dtype=np.int64).reshape(array.shape)
    for value in values:
        if isinstance(value, int) and abs(value) > LARGEST_EXACT and int(float(value)) != value:
            raise ValueError(
                f"{name} has {value:,} beside other numbers, which float64 does not hold exactly; subtract a constant "
                "first, or pass it as text if it is an identifier."
            )
    return np.array([float(v) for v in values], dtype=np.float64).reshape(array.shape)


def _kind_of_object(value: Any, name: str) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "flag"
    if isinstance(value, bytes | bytearray):
        raise TypeError(f"{name} holds bytes; decode them first, as in {name}.str.decode('utf-8').")
    if isinstance(value, complex | np.complexfloating):
        raise TypeError(f"{name} is complex; pass the real and the imaginary part as two columns.")
    if isinstance(value, numbers.Number) or hasattr(value, "__float__"):
        return "number"
    if isinstance(value, dt.date | dt.timedelta | dt.time | np.datetime64 | np.timedelta64):
        return "date"
    if type(value).__name__ in ("Period", "Interval"):
        raise TypeError(f"{name} holds a {type(value).__name__}; pass it as text with {name}.astype(str).")
    raise TypeError(
        f"{name} holds an object of type {type(value).__name__}; the argument must be a string, a category or a number."
    )


def _as_number(value: Any, name: str) -> int | float:
    """Return a whole number exactly, anything else as float64."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        if abs(int(value)) > _LARGEST_FLOAT:
            raise ValueError(f"{name} has a number too large for float64.")
        return int(value)
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} has a number that float64 does not hold: {error}.") from None


def _date_message(name: str, kind: str) -> str:
    return (
        f"{name} holds dates or durations ({kind}), which are neither numbers nor categories until you say how. For a "
        f"number pass ({name} - {name}.min()).dt.days (a duration: {name}.dt.total_seconds()); for a category "
        f"{name}.dt.strftime('%Y-%m-%d')."
    )
