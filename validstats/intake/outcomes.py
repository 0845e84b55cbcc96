"""Outcomes as numbers: numeric classes keep their values, and text needs the word that counts as one."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats._typing import AnyArray, Float1D
from validstats.intake.arguments import check_vector
from validstats.intake.kinds import is_missing, read_array

__all__ = ["outcome_levels", "read_outcome"]

_MOST_SHOWN = 6
"""Levels that a message lists."""


def read_outcome(values: Any, name: str, *, positive: Any = None, allow_nan: bool = False) -> Float1D:
    """Return an outcome as numbers that mean what the caller wrote.

    Numbers keep their values, whatever they are: classes {1, 2} stay 1 and 2. Truth values are 0 and 1. Text becomes
    1 where it equals ``positive`` and 0 elsewhere; without ``positive`` it is refused, for no word is a number.

    Parameters
    ----------
    values : array-like of shape (n,)
        The outcome.
    name : str
        Public name of the argument.
    positive : object or None, default None
        The level that counts as 1, all others being 0. None takes numbers as they are.
    allow_nan : bool, default False
        Whether entries may be missing; they become NaN.

    Returns
    -------
    ndarray of shape (n,), float64
        The numbers.

    Raises
    ------
    TypeError
        If the outcome is text and ``positive`` is None.
    ValueError
        If no entry equals ``positive`` among several levels, or one is missing and may not be. Entries that are all
        of one other level are zeros: nothing of n is an answer.

    Examples
    --------
    >>> read_outcome([1, 2, 2], "y").tolist(), read_outcome(["pass", "fail"], "y", positive="pass").tolist()
    ([1.0, 2.0, 2.0], [1.0, 0.0])
    """
    array = _vector(read_array(values, name, masked_as_missing=allow_nan), name)
    if positive is not None:
        return _indicator(array, name, positive, allow_nan)
    if _is_text(array):
        levels = outcome_levels(array)
        shown = ", ".join(repr(level) for level in levels[:_MOST_SHOWN])
        word = levels[-1] if levels else "yes"
        raise TypeError(
            f"{name} holds text ({shown}{', ...' if len(levels) > _MOST_SHOWN else ''}), and words have no value. Say "
            f"which one counts as 1 with positive={word!r}, or pass numbers."
        )
    return check_vector(array, name, allow_nan=allow_nan)


def outcome_levels(values: AnyArray) -> list[Any]:
    """Return the distinct levels of an outcome in sorted order, without missing entries.

    Parameters
    ----------
    values : ndarray of shape (n,)
        What :func:`~validstats.intake.read_array` returned.

    Returns
    -------
    list
        The levels.

    Examples
    --------
    >>> import numpy as np
    >>> outcome_levels(np.array(["b", "a", None], dtype=object))
    ['a', 'b']
    """
    return sorted({value for value in values.tolist() if not is_missing(value)})


def _vector(array: AnyArray, name: str) -> AnyArray:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}.")
    return array


def _is_text(array: AnyArray) -> bool:
    return array.dtype.kind in "UT" or (
        array.dtype.kind == "O" and any(isinstance(value, str) for value in array.tolist())
    )


def _indicator(array: AnyArray, name: str, positive: Any, allow_nan: bool) -> Float1D:
    """1 where a value equals the positive level, 0 elsewhere, NaN where it is missing."""
    plain = array.tolist()
    missing = np.array([is_missing(value) for value in plain], dtype=bool)
    if missing.any() and not allow_nan:
        raise ValueError(f"{name} has {int(missing.sum())} missing value(s); every row needs one.")
    hit = np.array([not m and bool(v == positive) for v, m in zip(plain, missing, strict=True)], dtype=bool)
    levels = outcome_levels(array)
    if not hit.any() and len(levels) > 1:
        shown = ", ".join(repr(level) for level in levels[:_MOST_SHOWN])
        raise ValueError(f"positive={positive!r} is no level of {name}; the levels are {shown}.")
    return np.where(missing, np.nan, hit.astype(np.float64))
