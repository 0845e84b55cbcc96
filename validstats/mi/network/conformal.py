"""Conformal calibration of predicted quantiles, separately for each cell of sample size and dimension."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from validstats._typing import Float1D, Float2D, FloatND
from validstats.mi.network.forward_pass import MEDIAN, QUANTILE_LEVELS

__all__ = [
    "CELL_MINIMUM",
    "ConformalTable",
    "calibrate_scores",
    "conformal_rank",
    "interval_at",
    "interval_scores",
    "sort_scores",
    "thresholds",
]

CELL_MINIMUM = 1000
"""Calibration sets that a cell needs to stand alone; smaller cells share the scores of their sets."""
N_CELLS = (10, 40, 150, 500)
"""Lower ends of the cells of n."""
DIM_CELLS = (2, 3, 7, 17)
"""Lower ends of the cells of dim X + dim Y."""
LEVEL_SCORES = np.abs(ndtri(np.array(QUANTILE_LEVELS)))


@dataclass(frozen=True)
class ConformalTable:
    """Sorted conformity scores, pooled and by cell.

    Attributes
    ----------
    pooled : ndarray of shape (m,)
        Scores of all calibration sets, sorted.
    cells : dict of (int, int) to ndarray
        Sorted scores by cell of (n, dim X + dim Y), for cells with enough sets.
    rest : ndarray or None, default None
        Scores of the sets in all other cells, sorted. They serve these cells: the pooled scores would let the sets of the
        large cells, which have thresholds of their own, vouch for the others. None stands for the pooled scores.
    """

    pooled: Float1D
    cells: dict[tuple[int, int], Float1D]
    rest: Float1D | None = None

    @property
    def n_sets(self) -> int:
        """Number of calibration sets."""
        return len(self.pooled)

    def scores_of(self, cell: tuple[int, int]) -> Float1D:
        """Return the sorted scores that serve a cell."""
        return self.cells.get(cell, self.pooled if self.rest is None else self.rest)


def cell_numbers(shape: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Return the cell of each set.

    Parameters
    ----------
    shape : ndarray of shape (m, 3)
        n, and the dimensions of the sides.

    Returns
    -------
    ndarray of int64 of shape (m, 2)
        Position in ``N_CELLS`` and in ``DIM_CELLS``.

    Examples
    --------
    >>> import numpy as np
    >>> cell_numbers(np.array([[100, 1, 1], [5000, 10, 20]])).tolist()
    [[1, 0], [3, 3]]
    """
    rows = np.searchsorted(N_CELLS, shape[:, 0], side="right") - 1
    columns = np.searchsorted(DIM_CELLS, shape[:, 1] + shape[:, 2], side="right") - 1
    return np.column_stack([np.maximum(rows, 0), np.maximum(columns, 0)]).astype(np.int64)


def interval_scores(quantiles: Float2D, target: FloatND) -> Float1D:
    """Return the least score at which the nested intervals of :func:`interval_at` contain the target.

    Parameters
    ----------
    quantiles : ndarray of shape (m, 19)
        Predicted quantiles on the logarithmic scale, strictly increasing.
    target : ndarray of shape (m,)
        True values on the logarithmic scale.

    Returns
    -------
    ndarray of shape (m,)
        Non-negative scores; 0 at the median, 1.645 at the predicted 5 % and 95 % quantiles.

    References
    ----------
    Chernozhukov, Wuethrich, Zhu (2021), PNAS 118(48), e2107794118, on distributional conformal prediction.
    """
    target = np.asarray(target, dtype=np.float64)
    upper = _side_scores(quantiles[:, MEDIAN:], target, LEVEL_SCORES[MEDIAN:])
    lower = _side_scores(-quantiles[:, MEDIAN::-1], -target, LEVEL_SCORES[MEDIAN::-1])
    return np.maximum(upper, lower)


def _side_scores(knots: Float2D, target: Float1D, levels: Float1D) -> Float1D:
    # Piecewise linear from the knots to their levels, extended beyond the last knot along the last segment.
    position = np.clip((knots <= target[:, None]).sum(axis=1) - 1, 0, knots.shape[1] - 2)
    rows = np.arange(len(target))
    left, right = knots[rows, position], knots[rows, position + 1]
    share = (target - left) / (right - left)
    return np.maximum(levels[position] + share * (levels[position + 1] - levels[position]), 0.0)


def interval_at(quantiles: Float2D, score: FloatND) -> tuple[Float1D, Float1D]:
    """Return the interval at a score: both ends move outwards as the score grows.

    Parameters
    ----------
    quantiles : ndarray of shape (m, 19)
        Predicted quantiles on the logarithmic scale.
    score : ndarray of shape (m,)
        Scores, perhaps infinite.

    Returns
    -------
    low, high : ndarray of shape (m,)
        Ends on the logarithmic scale; at score 0 both are the median.
    """
    score = np.asarray(score, dtype=np.float64)
    high = _side_ends(quantiles[:, MEDIAN:], score, LEVEL_SCORES[MEDIAN:])
    low = -_side_ends(-quantiles[:, MEDIAN::-1], score, LEVEL_SCORES[MEDIAN::-1])
    return low, high


def _side_ends(knots: Float2D, score: Float1D, levels: Float1D) -> Float1D:
    finite = np.where(np.isfinite(score), score, 0.0)
    position = np.clip(np.searchsorted(levels, finite, side="right") - 1, 0, len(levels) - 2)
    rows = np.arange(len(score))
    left, right = knots[rows, position], knots[rows, position + 1]
    share = (finite - levels[position]) / (levels[position + 1] - levels[position])
    return np.where(np.isfinite(score), left + share * (right - left), np.inf)


def calibrate_scores(
    quantiles: Float2D, target: FloatND, shape: npt.NDArray[np.integer], minimum: int = CELL_MINIMUM
) -> ConformalTable:
    """Sort the scores of calibration sets, pooled and by cell.

    Parameters
    ----------
    quantiles : ndarray of shape (m, 19)
        Predicted quantiles of the calibration sets.
    target : ndarray of shape (m,)
        Their true values on the logarithmic scale.
    shape : ndarray of shape (m, 3)
        Their n and dimensions.
    minimum : int, default 1000
        Sets that a cell needs to stand alone.

    Returns
    -------
    ConformalTable
        Sorted scores.
    """
    return sort_scores(interval_scores(quantiles, target), shape, minimum)


def sort_scores(
    scores: Float1D, shape: npt.NDArray[np.integer], minimum: int = CELL_MINIMUM
) -> ConformalTable:
    """Sort scores, pooled and by cell of n and of the dimensions."""
    numbers = cell_numbers(shape)
    cells, rest = {}, np.ones(len(scores), dtype=bool)
    for cell in {(int(a), int(b)) for a, b in numbers}:
        chosen = (numbers == cell).all(axis=1)
        if chosen.sum() >= minimum:
            cells[cell] = np.sort(scores[chosen])
            rest &= ~chosen
    return ConformalTable(np.sort(scores), dict(sorted(cells.items())), np.sort(scores[rest]))


def conformal_rank(n_sets: int, alpha: Fraction) -> int:
    """Return the rank of the score that serves as threshold, exactly: ceil((n_sets + 1) (1 - alpha)).

    Examples
    --------
    >>> from fractions import Fraction
    >>> conformal_rank(19, Fraction(1, 10))
    18
    """
    return -int(((n_sets + 1) * (alpha - 1)) // 1)


def thresholds(table: ConformalTable, shape: npt.NDArray[np.integer], alpha: Fraction) -> Float1D:
    """Return the score threshold of each set: infinite where too few calibration sets speak for its cell.

    Parameters
    ----------
    table : ConformalTable
        Calibration.
    shape : ndarray of shape (m, 3)
        n and dimensions of the new sets.
    alpha : Fraction
        Error level.

    Returns
    -------
    ndarray of shape (m,)
        Thresholds.
    """
    out = np.empty(len(shape))
    for i, (row, column) in enumerate(cell_numbers(shape)):
        scores = table.scores_of((int(row), int(column)))
        rank = conformal_rank(len(scores), alpha)
        out[i] = scores[rank - 1] if rank <= len(scores) else np.inf
    return out
