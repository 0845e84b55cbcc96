"""Every number format of every table, in one file."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

__all__ = ["Format", "FormatName", "format_value", "is_right_aligned"]

FormatName: TypeAlias = Literal["estimate", "p_value", "int", "percent", "text", "prose", "statistic", "auto"]
"""Named ways to print a value; a last column of prose is wrapped where lines have a width."""

Format: TypeAlias = FormatName | Callable[[Any], str]
"""A named format, or a function from value to text."""

MISSING = "--"


def format_value(value: Any, how: Format = "auto") -> str:
    """Print one value of a table."""
    if callable(how):
        return how(value)
    if how not in get_args(FormatName):
        raise ValueError(f"Unknown format {how!r}; use one of {', '.join(get_args(FormatName))}.")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if how in ("text", "prose") or isinstance(value, str) or not isinstance(value, numbers.Real):
        return str(value)
    return _format_number(float(value), _automatic(value) if how == "auto" else how)


def is_right_aligned(values: list[Any]) -> bool:
    """Whether a column holds numbers, which are aligned to the right."""
    present = [value for value in values if value is not None]
    return bool(present) and all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in present)


def _automatic(value: Any) -> str:
    return "int" if isinstance(value, numbers.Integral) else "estimate"


def _format_number(number: float, how: str) -> str:
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    if how == "int":
        return f"{number:z,.0f}"
    if how == "percent":
        return f"{number:z.1%}"
    if how == "p_value":
        return "<1e-04" if number < 1e-4 else f"{number:.4f}"
    if how == "statistic":
        return f"{number:z.2f}"
    return _four_digits(number)


def _four_digits(number: float) -> str:
    size = abs(number)
    if size and (size < 1e-3 or size >= 1e15):
        return f"{number:.3e}"
    if size >= 1e4:
        return f"{number:z,.{1 if size < 1e6 else 0}f}"
    decimals = 4 if size < 10 else 3 if size < 100 else 2
    return f"{number:z.{decimals}f}"
