"""What rounding may take from a bound: ends of intervals, and means that were added up in another order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D

__all__ = ["reach_out", "rounding_of_means"]


def reach_out(ends: AnyArray, centre: AnyArray, outward: float, fits: Callable[[Float1D], Bool1D]) -> Float1D:
    """Move interval ends outward until the next number beyond them does not fit.

    In floating point ``prediction + threshold`` can lie below a label whose score equals the threshold, because both
    are rounded. With few distinct labels that loses all rows that are tied with the threshold.

    Parameters
    ----------
    ends : ndarray of shape (n,)
        Ends as computed; only moved where they must be.
    centre : ndarray of shape (n,)
        What the ends were computed from, whose size tells how coarse they are.
    outward : {1.0, -1.0}
        Direction: 1.0 for upper ends.
    fits : callable
        Tells which of n labels have a score of at most the threshold; once it says no, it says no further out.

    Returns
    -------
    ndarray of shape (n,)
        Ends beyond which no label fits.

    Examples
    --------
    >>> mean, label = np.array([2.06]), 0.1
    >>> distance = np.abs(label - mean)
    >>> bool((mean - distance)[0] <= label)
    False
    >>> bool(reach_out(mean - distance, mean, -1.0, lambda y: mean - y <= distance)[0] <= label)
    True
    """
    moved = np.asarray(ends, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        step = outward * np.spacing(np.maximum(np.abs(moved), np.abs(centre)))
        while True:
            short = fits(np.nextafter(moved, outward * np.inf)) & np.isfinite(moved)
            if not short.any():
                return moved
            moved = np.where(short, moved + step, moved)
            step = 2 * step


def rounding_of_means(m: int, *terms: AnyArray) -> float:
    """Bound by how much two means of the same m numbers can differ that were added up in different orders.

    Parameters
    ----------
    m : int
        Number of terms of a mean.
    *terms : ndarray
        Arrays whose largest finite sizes add up to at least the size of every term.

    Returns
    -------
    float
        The difference; it also covers the rounding of sums and differences of the terms.

    Examples
    --------
    >>> values = np.array([0.1, 0.2, 0.3])
    >>> bool(abs(values.mean() - values[::-1].mean()) <= rounding_of_means(3, values))
    True
    """
    sizes = [np.abs(t[np.isfinite(t)]).max(initial=0.0) for t in terms]
    return float((m + 4) * np.finfo(np.float64).eps * sum(sizes))
