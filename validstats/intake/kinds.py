"""Arrays as the caller passes them: numbers or categories of any kind, read at the door or refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from validstats._typing import AnyArray

__all__ = ["check_groups", "is_missing", "read_array"]

_LARGEST_FLOAT = int(np.finfo(np.float64).max)


def read_array(values: Any, name: str, *, masked_as_missing: bool = False) -> AnyArray:
    """Return numbers or categories as an array of the type they have.

    Parameters
    ----------
    values : array-like
        Numbers, text, dates, booleans; a data frame column serves.
    name : str
        Public name of the argument.
    masked_as_missing : bool, default False
        Whether masked values become NaN (None where they are no numbers) instead of an error.

    Returns
    -------
    ndarray
        The values; no copy where none is needed.

    Raises
    ------
    TypeError
        If the values are sparse, complex, records, or containers.
    ValueError
        If they are ragged, masked, or too large for float64.

    Examples
    --------
    >>> read_array(["a", "b"], "strata").tolist()
    ['a', 'b']
    """
    if sparse.issparse(values):
        raise TypeError(f"{name} is a sparse matrix; pass {name}.toarray() if it fits in memory.")
    if isinstance(values, np.ma.MaskedArray):
        values = _without_mask(values, name, masked_as_missing)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from None
    if array.dtype.kind in "cV":
        raise TypeError(f"{name} must hold numbers or categories, got dtype {array.dtype}; convert it first.")
    if array.dtype.kind == "O":
        _check_objects(array, name)
    return array


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
    array = read_array(values, name)
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
    if kind == "O" and len({isinstance(value, str) for value in array.tolist()}) > 1:
        raise TypeError(f"{name} mixes text with other types; convert the labels to one type.")
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


def _without_mask(values: np.ma.MaskedArray, name: str, masked_as_missing: bool) -> AnyArray:
    if not np.ma.is_masked(values):
        return np.asarray(values.data)
    if not masked_as_missing:
        n_masked = int(np.ma.getmaskarray(values).sum())
        raise ValueError(f"{name} has {n_masked} masked value(s); remove or impute them first.")
    if values.dtype.kind in "fiub":
        return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
    return np.asarray(np.ma.filled(values.astype(object), None))


def _check_objects(array: AnyArray, name: str) -> None:
    for value in array.ravel().tolist():
        if isinstance(value, dict | list | set | tuple | np.ndarray):
            raise TypeError(
                f"{name} holds an object of type {type(value).__name__}; the argument must be a string, a category or a number."
            )
        if isinstance(value, int) and abs(value) > _LARGEST_FLOAT:
            raise ValueError(f"{name} has a number too large for float64.")
