"""The check that every function on calibration scores starts with."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats._typing import Float1D
from validstats.intake import check_bounds, check_vector

__all__ = ["check_scores"]


def check_scores(
    scores: Any,
    bounds: tuple[float | None, float | None] = (None, None),
    *,
    name: str = "scores",
    allow_minus_infinity: bool = False,
) -> Float1D:
    """Return scores in increasing order after checking them.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Calibration scores.
    bounds : tuple of (float or None, float or None), default (None, None)
        Known bounds of the scores.
    name : str, default "scores"
        Public name for the message.
    allow_minus_infinity : bool, default False
        Whether minus infinity is a legal score (it is in selection).

    Returns
    -------
    ndarray of shape (n,)
        A sorted copy.

    Raises
    ------
    TypeError
        If the scores are not numeric.
    ValueError
        If they are empty, not one-dimensional, NaN, infinite, or outside the bounds.

    Examples
    --------
    >>> check_scores([3, 1, 2], (0, None))
    array([1., 2., 3.])
    """
    low, high = check_bounds(bounds)
    array = np.asarray(scores)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}.")
    values = np.sort(check_vector(array, name, allow_infinite=allow_minus_infinity))
    if allow_minus_infinity and values[-1] == np.inf:
        raise ValueError(f"{name} has infinite values; only minus infinity is allowed here.")
    if values[0] < low or values[-1] > high:
        raise ValueError(
            f"{name} range from {values[0]:g} to {values[-1]:g}, outside the stated bounds [{low:g}, {high:g}]. "
            "State bounds that hold for every row, or None where there is none."
        )
    return values
