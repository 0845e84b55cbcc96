"""Warnings of workers in other processes, which would be lost there: collected, and issued again by the caller."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

from validstats.exceptions import warn

__all__ = ["Warned", "collect_warnings", "repeat_warnings"]

Warned: TypeAlias = tuple[str, type[Warning]]
"""Message and category of a warning."""


def collect_warnings(process: int, function: Callable[..., Any], *arguments: Any) -> tuple[Any, list[Warned]]:
    """Call a function and collect its warnings, unless it runs in the caller's own process.

    Parameters
    ----------
    process : int
        Number of the caller's process.
    function : callable
        Function.
    *arguments
        Its arguments.

    Returns
    -------
    result : object
        What the function returned.
    warned : list of tuple
        Its warnings; empty in the caller's process, where they were issued.
    """
    if os.getpid() == process:
        return function(*arguments), []
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        result = function(*arguments)
    return result, [(str(entry.message), entry.category) for entry in record]


def repeat_warnings(warned: list[Warned]) -> None:
    """Issue collected warnings, equal ones once.

    Parameters
    ----------
    warned : list of tuple
        Messages and categories.
    """
    for message, category in dict.fromkeys(warned):
        warn(message, category)
