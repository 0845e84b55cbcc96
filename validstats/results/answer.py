"""Numbers in sentences: as many digits as the interval justifies, with units."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["NotApplicable", "interval_words", "percent_words", "rounded"]

_SIGNIFICANT = 2
"""Digits of the half-width that a reader can use; the estimate is printed to the same place."""

_MOST_DECIMALS = 6


@dataclass(frozen=True)
class NotApplicable:
    """A value that does not exist for a result, with the reason.

    It converts to NaN, is false, and is written to JSON as its reason.

    Parameters
    ----------
    reason : str
        Why there is no value, as a clause.

    Examples
    --------
    >>> NotApplicable("a plan has no estimate")
    not applicable: a plan has no estimate
    >>> float(NotApplicable("a plan has no estimate"))
    nan
    """

    reason: str

    def __bool__(self) -> bool:
        return False

    def __float__(self) -> float:
        return math.nan

    def __repr__(self) -> str:
        return f"not applicable: {self.reason}"


def rounded(value: float, spread: float | None = None, digits: int = _SIGNIFICANT) -> str:
    """Print a number to the place at which its spread has so many significant digits.

    Parameters
    ----------
    value : float
        The number.
    spread : float or None, default None
        Half-width of its interval; None or 0 prints four significant digits.
    digits : int, default 2
        Significant digits of the spread.

    Returns
    -------
    str
        The number, with thousands separators.

    Examples
    --------
    >>> rounded(129712345.0, 2612345.0), rounded(0.48213, 0.0312), rounded(0.0, 0.0)
    ('129,700,000', '0.482', '0')
    """
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "infinity" if value > 0 else "minus infinity"
    if spread is None or not math.isfinite(spread) or spread <= 0:
        if value == 0:
            return "0"
        place = math.floor(math.log10(abs(value))) - 3
    else:
        place = math.floor(math.log10(spread)) - digits + 1
    decimals = min(max(-place, 0), _MOST_DECIMALS)
    return f"{round(value, -place) if place > 0 else round(value, decimals):z,.{decimals}f}"


def interval_words(estimate: float, low: float, high: float, unit: str = "") -> str:
    """Print an estimate with its interval, as in ``12,940 dollars (12,700 to 13,200)``.

    Parameters
    ----------
    estimate, low, high : float
        Value and ends; an end may be infinite.
    unit : str, default ""
        Unit, printed after the estimate.

    Returns
    -------
    str
        Words.

    Examples
    --------
    >>> interval_words(1.2345, 1.1, 1.4), interval_words(3.0, -math.inf, 4.0)
    ('1.23 (1.10 to 1.40)', '3.0 (at most 4.0)')
    """
    finite = [end for end in (low, high) if math.isfinite(end)]
    spread: float | None
    if len(finite) == 2:
        spread = (high - low) / 2
    else:
        spread = abs(finite[0] - estimate) if finite and math.isfinite(estimate) else None
    value = rounded(estimate, spread) + (f" {unit}" if unit else "")
    if len(finite) == 2:
        return f"{value} ({rounded(low, spread)} to {rounded(high, spread)})"
    if not finite:
        return f"{value} (no finite interval)"
    side = "at most" if math.isfinite(high) else "at least"
    return f"{value} ({side} {rounded(finite[0], spread)})"


def percent_words(estimate: float, low: float, high: float) -> str:
    """Print a share with its interval in per cent, as in ``67.9 % (64.7 to 71.0 %)``.

    Parameters
    ----------
    estimate, low, high : float
        Shares.

    Returns
    -------
    str
        Words.

    Examples
    --------
    >>> percent_words(0.6789, 0.647, 0.7103)
    '67.9 % (64.7 to 71.0 %)'
    """
    spread = 100 * (high - low) / 2
    decimals = 1 if not math.isfinite(spread) or spread >= 0.1 else 2
    value, below, above = (f"{100 * x:z.{decimals}f}" for x in (estimate, low, high))
    return f"{value} % ({below} to {above} %)"
