"""Levels and scores as every law reads them: exact fractions of the decimals that were typed, scores in order."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import numpy as np

from validstats._typing import Float1D
from validstats.intake import check_bounds, check_vector

__all__ = ["Level", "BoundSide", "ceil_fraction", "check_scores", "exact_level", "product_share"]

Level: TypeAlias = Fraction | float | str
"""A miscoverage level: an exact fraction, or a decimal to be read as it was typed."""
BoundSide: TypeAlias = Literal["two-sided", "upper", "lower"]
"""Which bounds are wanted."""

_ROOT_DIGITS = 10**15
"""Denominator of shares of a level, so that they stay short fractions."""
_LARGEST = 10**300
"""One over the smallest level; doubles end near 1e-308."""


def exact_level(alpha: Level, name: str = "alpha") -> Fraction:
    """Read a level in (0, 1) as the decimal that was typed."""
    try:
        value = alpha if isinstance(alpha, Fraction) else Fraction(repr(float(alpha)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a number in (0, 1), got {alpha!r}.") from error
    # of whole numbers, since comparing fractions takes as long as the rest of an answer
    if not 0 < value.numerator < value.denominator:
        raise ValueError(f"{name} must be in (0, 1), got {alpha!r}.")
    if value.numerator * _LARGEST < value.denominator:
        raise ValueError(f"{name} must be at least 1e-300, got {float(value):.3g}.")
    return value


def ceil_fraction(value: Fraction) -> int:
    """The smallest integer that is not below ``value``."""
    return -((-value.numerator) // value.denominator)


def product_share(alpha: Fraction, n_parts: int) -> Fraction:
    """The level of each of several independent parts that together keep ``alpha``."""
    # The exact share is 1 - (1 - alpha)^{1/G}; the result is rounded down until (1 - {share})^G >= 1 -
    # alpha holds in exact arithmetic.
    if n_parts == 1:
        return alpha
    root = -math.expm1(math.log1p(-float(alpha)) / n_parts)
    units = math.floor(root * _ROOT_DIGITS) + 2
    while (1 - Fraction(units, _ROOT_DIGITS)) ** n_parts < 1 - alpha:
        units -= 1
    return Fraction(units, _ROOT_DIGITS)


def in_increasing_order(values: Float1D) -> Float1D:
    """The values sorted; those that are sorted already are not sorted again."""
    return values if bool((values[1:] >= values[:-1]).all()) else np.sort(values)


def check_scores(
    scores: Any,
    bounds: tuple[float | None, float | None] = (None, None),
    *,
    name: str = "scores",
    allow_minus_infinity: bool = False,
) -> Float1D:
    """Return scores in increasing order after checking them."""
    low, high = check_bounds(bounds)
    array = np.asarray(scores)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}.")
    values = in_increasing_order(check_vector(array, name, allow_infinite=allow_minus_infinity))
    if allow_minus_infinity and values[-1] == np.inf:
        raise ValueError(f"{name} has infinite values; only minus infinity is allowed here.")
    if values[0] < low or values[-1] > high:
        raise ValueError(
            f"{name} range from {values[0]:zg} to {values[-1]:zg}, outside the stated bounds [{low:zg}, {high:zg}]. "
            "State bounds that hold for every row, or None where there is none."
        )
    return values
