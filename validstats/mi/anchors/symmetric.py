"""Symmetric functions of the columns of a side: norms, sums of sizes and extremes, which no single column shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from validstats._typing import Float2D
from validstats.mi.anchors.neighbours import rank_scores, standardise

__all__ = ["strongest_pairs", "symmetric_columns"]


def symmetric_columns(rows: Float2D) -> Float2D:
    """Normal scores of six symmetric functions of columns of scores; of a single column the column itself."""
    if rows.shape[1] == 1:
        return rows
    p = ndtr(rows)
    # The same ranks as values of three laws: uniform on (-1, 1), normal, and Student with two degrees of freedom, whose quantile
    # function is u / sqrt(2 p (1 - p)). Each has another idea of a norm, and the law of the columns is not known.
    uniform = 2.0 * p - 1.0
    heavy = uniform / np.sqrt(2.0 * p * (1.0 - p))
    norms = [np.sum(values**2, axis=1) for values in (uniform, rows, heavy)]
    others = [np.sum(np.abs(rows), axis=1), rows.max(axis=1), -rows.min(axis=1)]
    return rank_scores(np.column_stack([*norms, *others]))


def strongest_pairs(first: Float2D, second: Float2D, most: int) -> npt.NDArray[np.intp]:
    """Pairs of a column of each side, the strongest first by squared correlations of Hermite polynomials up to degree four."""
    polynomials = [_hermite(rows) for rows in (first, second)]
    squares = (polynomials[0].T @ polynomials[1] / len(first)) ** 2
    energy = squares.reshape(4, first.shape[1], 4, second.shape[1]).sum(axis=(0, 2))
    order = np.argsort(-energy, axis=None, kind="stable")[:most]
    return np.column_stack(np.unravel_index(order, energy.shape))


def _hermite(rows: Float2D) -> Float2D:
    squares = rows**2
    return standardise(
        np.hstack([rows, squares - 1.0, rows * (squares - 3.0), squares * (squares - 6.0) + 3.0])
    )
