"""Miscoverage levels as the exact fractions that were typed, and splits of them that never round in favour."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal, TypeAlias

__all__ = ["Level", "Side", "ceil_fraction", "exact_level", "product_share"]

Level: TypeAlias = Fraction | float | str
"""A miscoverage level: an exact fraction, or a decimal to be read as it was typed."""
Side: TypeAlias = Literal["two-sided", "upper", "lower"]
"""Which bounds are wanted."""

_ROOT_DIGITS = 10**15
_SMALLEST = Fraction(1, 10**300)


def exact_level(alpha: Level, name: str = "alpha") -> Fraction:
    """Read a level in (0, 1) as the decimal that was typed.

    Parameters
    ----------
    alpha : Fraction, float or str
        Level in the open interval (0, 1). A float stands for its shortest decimal, so 0.1 is one tenth.
    name : str, default "alpha"
        Name of the argument for the error message.

    Returns
    -------
    Fraction
        The exact level.

    Raises
    ------
    ValueError
        If the value is no number, outside (0, 1), or below 1e-300, where doubles end.

    Examples
    --------
    >>> exact_level(0.1)
    Fraction(1, 10)
    """
    try:
        value = alpha if isinstance(alpha, Fraction) else Fraction(repr(float(alpha)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a number in (0, 1), got {alpha!r}.") from error
    if not 0 < value < 1:
        raise ValueError(f"{name} must be in (0, 1), got {alpha!r}.")
    if value < _SMALLEST:
        raise ValueError(f"{name} must be at least 1e-300, got {float(value):.3g}.")
    return value


def ceil_fraction(value: Fraction) -> int:
    """Return the smallest integer that is not below ``value``.

    Parameters
    ----------
    value : Fraction
        Any rational number.

    Returns
    -------
    int
        The ceiling, computed in integers.

    Examples
    --------
    >>> ceil_fraction(Fraction(9, 10) * 100)
    90
    """
    return -((-value.numerator) // value.denominator)


def product_share(alpha: Fraction, n_parts: int) -> Fraction:
    r"""Return the level of each of several independent parts that together keep ``alpha``.

    The exact share is :math:`1 - (1 - \alpha)^{1/G}`; the result is rounded down until
    :math:`(1 - \text{share})^G \ge 1 - \alpha` holds in exact arithmetic.

    Parameters
    ----------
    alpha : Fraction
        Level of all parts together, in (0, 1).
    n_parts : int
        Number of independent parts, at least 1.

    Returns
    -------
    Fraction
        Level of one part.

    Examples
    --------
    >>> product_share(Fraction(1, 10), 1)
    Fraction(1, 10)
    >>> float(product_share(Fraction(19, 100), 2))
    0.1
    """
    if n_parts == 1:
        return alpha
    root = -math.expm1(math.log1p(-float(alpha)) / n_parts)
    units = math.floor(root * _ROOT_DIGITS) + 2
    while (1 - Fraction(units, _ROOT_DIGITS)) ** n_parts < 1 - alpha:
        units -= 1
    return Fraction(units, _ROOT_DIGITS)
