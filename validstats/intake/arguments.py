"""The checkers that every domain uses, one for each kind of argument.

Each takes the value and the public name of the argument, and returns the value in the form the package
computes with. Each error says what was passed, what is allowed and what to do. Inputs are never modified.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence, Sized
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D, RandomState
from validstats.intake.kinds import LARGEST_EXACT, is_missing, read_array

__all__ = [
    "alpha_fraction",
    "as_decimal",
    "as_floats",
    "check_bounds",
    "check_confidence_level",
    "check_in_range",
    "check_literal",
    "check_matrix",
    "check_positive_int",
    "check_random_state",
    "check_same_length",
    "check_vector",
]


def as_decimal(value: float | int | Fraction) -> Fraction:
    """Read a number as the decimal that was typed.

    Parameters
    ----------
    value : float, int or Fraction
        Finite number; ``0.9`` is read as 9/10, not as the nearest binary fraction.

    Returns
    -------
    Fraction
        The exact decimal.

    Examples
    --------
    >>> as_decimal(0.9)
    Fraction(9, 10)
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, numbers.Integral):
        return Fraction(int(value))
    return _typed_decimal(repr(float(value)))


@lru_cache(maxsize=1024)
def _typed_decimal(text: str) -> Fraction:
    return Fraction(text)


def check_confidence_level(confidence_level: Any, name: str = "confidence_level") -> Fraction:
    """Return a confidence level as the exact decimal that was typed.

    Parameters
    ----------
    confidence_level : float or Fraction
        Number strictly between 0 and 1.
    name : str, default "confidence_level"
        Public name of the argument, for the message.

    Returns
    -------
    Fraction
        The level.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If it is not strictly between 0 and 1 (NaN included).

    Examples
    --------
    >>> check_confidence_level(0.95)
    Fraction(19, 20)
    """
    number = isinstance(confidence_level, float | numbers.Real)
    if not number or isinstance(confidence_level, bool | np.bool_):
        raise TypeError(
            f"{name} must be a number strictly between 0 and 1, for example 0.9; "
            f"got {confidence_level!r} of type {type(confidence_level).__name__}."
        )
    level = float(confidence_level)
    if not 0 < level < 1:
        hint = f" Did you mean {level / 100:g}?" if 1 < level < 100 else ""
        raise ValueError(
            f"{name} must be strictly between 0 and 1, for example 0.9; got {confidence_level!r}.{hint}"
        )
    return confidence_level if isinstance(confidence_level, Fraction) else as_decimal(level)


def alpha_fraction(confidence_level: Any) -> Fraction:
    """Return the error level ``1 - confidence_level`` in exact arithmetic.

    Parameters
    ----------
    confidence_level : float or Fraction
        Number strictly between 0 and 1.

    Returns
    -------
    Fraction
        One minus the decimal that was typed.

    Raises
    ------
    TypeError, ValueError
        As :func:`check_confidence_level`.

    Examples
    --------
    >>> alpha_fraction(0.9)
    Fraction(1, 10)
    """
    return _complement(check_confidence_level(confidence_level))


@lru_cache(maxsize=1024)
def _complement(level: Fraction) -> Fraction:
    return 1 - level


def check_positive_int(value: Any, name: str, minimum: int = 1, maximum: int | None = None) -> int:
    """Return a count as a Python int.

    Parameters
    ----------
    value : int
        The count. Booleans and floats are refused, NumPy integers accepted.
    name : str
        Public name of the argument.
    minimum : int, default 1
        Smallest value allowed.
    maximum : int or None, default None
        Largest value allowed.

    Returns
    -------
    int
        The count.

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> check_positive_int(3, "n_folds", minimum=2)
    3
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}.")
    count = int(value)
    if count < minimum or (maximum is not None and count > maximum):
        allowed = f"at least {minimum}" if maximum is None else f"between {minimum} and {maximum}"
        raise ValueError(f"{name} must be {allowed}, got {count}.")
    return count


def check_in_range(
    value: Any,
    name: str,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return a finite real number within a range.

    Parameters
    ----------
    value : float
        The number.
    name : str
        Public name of the argument.
    low, high : float
        Ends of the allowed range.
    low_open, high_open : bool, default False
        Whether the end itself is excluded.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it is NaN, infinite or out of range.

    Examples
    --------
    >>> check_in_range(0.1, "miss", 0, 1, high_open=True)
    0.1
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}.")
    number = float(value)
    below = number <= low if low_open else number < low
    above = number >= high if high_open else number > high
    if not math.isfinite(number) or below or above:
        left, right = "(" if low_open else "[", ")" if high_open else "]"
        raise ValueError(f"{name} must be finite and in {left}{low:zg}, {high:zg}{right}, got {value!r}.")
    return number + 0.0  # -0.0 is 0.0


def check_literal(value: Any, name: str, options: Sequence[str]) -> str:
    """Return an option after checking that it is one of those allowed.

    Parameters
    ----------
    value : str
        The option.
    name : str
        Public name of the argument.
    options : sequence of str
        Every allowed option, for example ``typing.get_args(SomeLiteral)``.

    Returns
    -------
    str
        The option.

    Raises
    ------
    ValueError
        If it is not among the options.

    Examples
    --------
    >>> check_literal("auto", "method", ("auto", "partition"))
    'auto'
    """
    if not isinstance(value, str) or value not in options:
        allowed = ", ".join(repr(option) for option in options)
        raise ValueError(f"{name} must be one of {allowed}; got {value!r}.")
    return value


def check_vector(
    values: Any,
    name: str,
    *,
    allow_nan: bool = False,
    allow_infinite: bool = False,
    allow_empty: bool = False,
) -> Float1D:
    """Return a C-contiguous float64 vector.

    Parameters
    ----------
    values : array-like of shape (n,)
        Numbers; a data frame column serves.
    name : str
        Public name of the argument.
    allow_nan, allow_infinite, allow_empty : bool, default False
        What is accepted beyond finite values.

    Returns
    -------
    ndarray of shape (n,), float64
        The values; a copy only where conversion needs one.

    Raises
    ------
    TypeError
        If the values are sparse or not numeric.
    ValueError
        If the shape is wrong or a value is not allowed.

    Examples
    --------
    >>> check_vector([1, 2], "scores")
    array([1., 2.])
    """
    array = _to_float(values, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}.")
    _check_values(array, name, allow_nan=allow_nan, allow_infinite=allow_infinite, allow_empty=allow_empty)
    return _one_form(array)


def check_matrix(
    values: Any,
    name: str,
    *,
    allow_nan: bool = False,
    allow_infinite: bool = False,
    allow_empty: bool = False,
) -> Float2D:
    """Return a C-contiguous float64 matrix; a vector becomes one column.

    Parameters
    ----------
    values : array-like of shape (n,) or (n, p)
        Numbers; a data frame serves.
    name : str
        Public name of the argument.
    allow_nan, allow_infinite, allow_empty : bool, default False
        What is accepted beyond finite values.

    Returns
    -------
    ndarray of shape (n, p), float64
        The values.

    Raises
    ------
    TypeError
        If the values are sparse or not numeric.
    ValueError
        If the shape is wrong or a value is not allowed.

    Examples
    --------
    >>> check_matrix([1, 2], "X").shape
    (2, 1)
    """
    array = _to_float(values, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"{name} must be two-dimensional, got shape {array.shape}.")
    _check_values(array, name, allow_nan=allow_nan, allow_infinite=allow_infinite, allow_empty=allow_empty)
    return _one_form(array)


def check_same_length(**arrays: Any) -> int:
    """Check that all arguments have the same number of rows, and return it.

    Parameters
    ----------
    **arrays : sized objects or arrays
        Arguments by public name; those that are None are skipped.

    Returns
    -------
    int
        The common number of rows.

    Raises
    ------
    ValueError
        If two lengths differ.

    Examples
    --------
    >>> check_same_length(X=[[1], [2]], y=[0, 1], weights=None)
    2
    """
    lengths = {name: _n_rows(value, name) for name, value in arrays.items() if value is not None}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise ValueError(f"All of {', '.join(lengths)} must have the same number of rows; {listed}.")
    return next(iter(lengths.values()), 0)


def check_bounds(bounds: Any, name: str = "bounds") -> tuple[float, float]:
    """Return known bounds as two floats, infinite where unknown.

    Parameters
    ----------
    bounds : tuple of (float or None, float or None)
        Lower and upper bound; None stands for unknown.
    name : str, default "bounds"
        Public name of the argument.

    Returns
    -------
    tuple of float
        Lower and upper bound.

    Raises
    ------
    TypeError
        If it is not a pair of numbers or None.
    ValueError
        If a bound is NaN or the lower one is not below the upper one.

    Examples
    --------
    >>> check_bounds((0, None))
    (0.0, inf)
    """
    if isinstance(bounds, str) or not isinstance(bounds, Sequence | np.ndarray) or len(bounds) != 2:
        raise TypeError(f"{name} must be a pair (lower, upper) of numbers or None, got {bounds!r}.")
    ends = []
    for end, unknown in zip(bounds, (-np.inf, np.inf), strict=True):
        if end is not None and (isinstance(end, bool) or not isinstance(end, numbers.Real)):
            raise TypeError(f"{name} must be a pair (lower, upper) of numbers or None, got {bounds!r}.")
        ends.append(unknown if end is None else float(end))
    if not ends[0] < ends[1]:
        raise ValueError(f"{name} must have its lower end below its upper end, got {bounds!r}.")
    return ends[0], ends[1]


def check_random_state(random_state: RandomState) -> np.random.Generator:
    """Return a generator for a seed; the global state of NumPy is never touched.

    Parameters
    ----------
    random_state : int, numpy.random.Generator or None
        A non-negative seed, a generator (used as it is), or None for fresh entropy.

    Returns
    -------
    numpy.random.Generator
        The stream.

    Raises
    ------
    TypeError
        If it is anything else. A legacy ``RandomState`` seeds a new generator.
    ValueError
        If the seed is negative.

    Examples
    --------
    >>> int(check_random_state(0).integers(100))
    85
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(int(random_state.randint(2**31 - 1)))
    if random_state is None:
        return np.random.default_rng()
    if isinstance(random_state, bool) or not isinstance(random_state, numbers.Integral):
        raise TypeError(
            f"random_state must be an int, a numpy.random.Generator or None, got {random_state!r}."
        )
    if random_state < 0:
        raise ValueError(f"random_state must not be negative, got {random_state}.")
    return np.random.default_rng(int(random_state))


def _to_float(values: Any, name: str) -> AnyArray:
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    array = read_array(values, name)
    if array.dtype.kind == "O" and not any(isinstance(v, str) for v in array.ravel().tolist()):
        # truth values with missing ones among them
        plain = [math.nan if is_missing(v) else float(v) for v in array.ravel().tolist()]
        return np.array(plain, dtype=np.float64).reshape(array.shape)
    if array.dtype.kind in "OUT":
        raise TypeError(f"{name} must be numeric, got text; encode it first.")
    return as_floats(array, name)


def as_floats(array: AnyArray, name: str) -> AnyArray:
    """Convert numbers to float64, refusing whole numbers that would merge: beyond 2^53 neighbours become equal."""
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and array.size:
        largest = max(abs(int(array.min())), abs(int(array.max())))
        if largest > LARGEST_EXACT and not np.array_equal(
            array.astype(np.float64).astype(array.dtype), array
        ):
            raise ValueError(
                f"{name} has whole numbers beyond 2^53 (up to {largest:,}), which float64 cannot tell apart. Subtract a "
                "constant first, or pass them as text if they are identifiers."
            )
    return array.astype(np.float64, copy=False)


def _one_form(array: AnyArray) -> AnyArray:
    """Copy an array that is strided, unaligned or read-only: each of these forms would compile every kernel anew."""
    return np.require(array, requirements=("C", "A", "W"))


def _check_values(
    array: AnyArray, name: str, *, allow_nan: bool, allow_infinite: bool, allow_empty: bool
) -> None:
    if array.size == 0 and not allow_empty:
        raise ValueError(f"{name} is empty (shape {array.shape}); it needs at least one value.")
    if (allow_nan and allow_infinite) or np.isfinite(array).all():
        return
    if not allow_nan and (n_nan := int(np.isnan(array).sum())):
        raise ValueError(f"{name} has {n_nan} missing value(s) (NaN); remove or impute them first.")
    if not allow_infinite and (n_infinite := int(np.isinf(array).sum())):
        raise ValueError(f"{name} has {n_infinite} infinite value(s); it must be finite.")


def _n_rows(value: Any, name: str) -> int:
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape) > 0:
        return int(shape[0])
    if isinstance(value, Sized):
        return len(value)
    raise TypeError(f"{name} must have rows, got {value!r} of type {type(value).__name__}.")
