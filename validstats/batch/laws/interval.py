"""Intervals for numbers about a batch: the record that travels, and guards against the rounding of its ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D

__all__ = ["Interval", "reach_out", "rounding_of_means"]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Bounds of one or several numbers about a batch.

    A law computes it, a target adds what it means (terms, estimate, naive value, smallest size) by ``replace``, and
    the result prints it.

    Attributes
    ----------
    low, high : float or ndarray of shape (k,)
        Bounds; infinite, or known bounds, on a side about which nothing can be said.
    method : str
        How the bounds were computed.
    probability : float or None
        Exact joint probability where it is known, without ties.
    informative : bool
        Whether every requested side excludes something.
    ranks : tuple of (int or None, int or None)
        Ranks of the lower and the upper bound, one pair a term; empty where no single ranks are used.
    smallest_n : int
        Smallest calibration size that would be informative.
    terms : tuple of str
        What each number is.
    estimate, naive : float or ndarray of shape (k,)
        Point value, and what the model alone would say; NaN where it says nothing.
    textbook_low, textbook_high : float or ndarray of shape (k,)
        Normal theory's interval for the same number, without a guarantee for small samples; NaN where there is none.
    bounds_apart : float
        Distance of the stated bounds in standard deviations, where they cost much of the width; NaN elsewhere.
    notes : tuple of str
        What a reader should know about these bounds, sentences.
    """

    low: Any
    high: Any
    method: str
    probability: float | None = None
    informative: bool = True
    ranks: tuple[tuple[int | None, int | None], ...] = ()
    smallest_n: int = 1
    terms: tuple[str, ...] = ("value",)
    estimate: Any = np.nan
    naive: Any = np.nan
    textbook_low: Any = np.nan
    textbook_high: Any = np.nan
    bounds_apart: float = np.nan
    notes: tuple[str, ...] = ()

    def placed(
        self, estimate: Any, low: Any, high: Any, naive: Any, textbook_low: Any, textbook_high: Any
    ) -> Self:
        """The same with other numbers; quicker than ``replace``, since thousands of one-row batches are answered so."""
        return type(self)(
            **{
                **vars(self),
                "estimate": estimate,
                "low": low,
                "high": high,
                "naive": naive,
                "textbook_low": textbook_low,
                "textbook_high": textbook_high,
            }
        )


def reach_out(ends: AnyArray, centre: AnyArray, outward: float, fits: Callable[[Float1D], Bool1D]) -> Float1D:
    """Move interval ends outward until the next number beyond them does not fit."""
    # In floating point prediction + threshold can lie below a label whose score equals the threshold,
    # because both are rounded. With few distinct labels that loses all rows that are tied with the
    # threshold.
    moved, away = np.asarray(ends, dtype=np.float64), outward * np.inf
    with np.errstate(invalid="ignore", over="ignore"):
        beyond = np.nextafter(moved, away)
        short = np.flatnonzero(fits(beyond) & np.isfinite(moved))
        if not short.size:
            return moved
        moved = moved.copy()
        step = outward * np.spacing(np.maximum(np.abs(moved[short]), np.abs(centre[short])))
        while short.size:
            moved[short] += step
            beyond[short] = np.nextafter(moved[short], away)
            still = (fits(beyond) & np.isfinite(moved))[short]
            short, step = short[still], 2 * step[still]
        return moved


def rounding_of_means(m: int, *sizes: float) -> float:
    """Largest difference of two means of the same m numbers added up in other orders; ``sizes`` sum to theirs at least."""
    return float((m + 4) * np.finfo(np.float64).eps * sum(sizes))
