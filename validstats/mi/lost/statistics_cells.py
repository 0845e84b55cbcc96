"""Which cells (row by coordinate) of the normal scores the cell encoder reads."""

from __future__ import annotations

import numpy as np

from validstats._typing import Float2D, Int1D

__all__ = ["CELL_COORDINATES", "CELL_LIMIT", "CELL_ROWS", "cell_rows", "pick_cells", "strongest_coordinates"]

CELL_ROWS = 128
"""Largest number of rows that are read."""
CELL_COORDINATES = 8
"""Largest number of coordinates of each side that are read."""
CELL_LIMIT = 512
"""Largest number of cells: with more than four coordinates fewer rows are read."""


def cell_rows(n: int, coordinates: int) -> int:
    """Return the number of rows that are read.

    Parameters
    ----------
    n : int
        Rows of the data.
    coordinates : int
        Coordinates that are read, of both sides together.

    Returns
    -------
    int
        At most 128.

    Examples
    --------
    >>> cell_rows(1000, 2), cell_rows(1000, 16), cell_rows(20, 16)
    (128, 32, 20)
    """
    return min(n, CELL_ROWS, CELL_LIMIT // coordinates)


def strongest_coordinates(strength: Float2D) -> tuple[Int1D, Int1D]:
    """Return the positions of the coordinates of each side that are read, strongest first.

    Parameters
    ----------
    strength : ndarray of shape (dim_x, dim_y)
        Sum of squared correlations over the Hermite polynomials.

    Returns
    -------
    tuple of ndarray of int64
        At most eight positions each.
    """
    first, second = (
        np.argsort(-strength.max(axis=1 - axis), kind="stable")[:CELL_COORDINATES] for axis in (0, 1)
    )
    return first, second


def pick_cells(x: Float2D, y: Float2D, strength: Float2D) -> tuple[Float2D, Float2D]:
    """Return the scores of the first rows in the strongest coordinates of each side.

    Parameters
    ----------
    x, y : ndarray of shape (n, dim)
        Scores, rows in canonical order.
    strength : ndarray of shape (dim_x, dim_y)
        Sum of squared correlations over the Hermite polynomials.

    Returns
    -------
    tuple of ndarray of shape (rows, coordinates)
        The cells of each side, with the same rows.
    """
    first, second = strongest_coordinates(strength)
    rows = cell_rows(len(x), len(first) + len(second))
    return x[:rows, first], y[:rows, second]
