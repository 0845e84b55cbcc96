"""Bisection over whole numbers."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["last_where"]


def last_where(holds: Callable[[int], bool], first: int, last: int) -> int:
    """Return the last whole number at which a statement holds that stops holding from some number on.

    Parameters
    ----------
    holds : callable
        The statement; it is taken to hold at ``first``, where it is not asked.
    first, last : int
        Range, ends included.

    Returns
    -------
    int
        The number.

    Examples
    --------
    >>> last_where(lambda number: number**2 <= 50, 0, 100)
    7
    """
    low, high = first, last + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
