"""What the intervals rest on, stored beside the weights that come with the package."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from validstats._typing import Float1D, Float2D, FloatND
from validstats.mi.network.forward_pass import MEDIAN, QUANTILE_LEVELS, NetworkWeights, load_weights
from validstats.mi.network.robust import RobustScores, pack_robust, read_robust

__all__ = [
    "CELL_MINIMUM",
    "ConformalTable",
    "LARGEST_DIM",
    "MICalibration",
    "SupportLimits",
    "calibrate_scores",
    "conformal_rank",
    "interval_at",
    "interval_scores",
    "pack_calibration",
    "read_calibration",
    "read_model",
    "shipped_weights_path",
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
    """Sorted conformity scores, pooled and by cell."""

    pooled: Float1D  # Scores of all calibration sets, sorted
    # Sorted scores by cell of (n, dim X + dim Y), for cells with enough sets
    cells: dict[tuple[int, int], Float1D]
    # Scores of the sets in all other cells, sorted. They serve these cells: the pooled scores would let the
    # sets of the large cells, which have thresholds of their own, vouch for the others. None stands for the
    # pooled scores
    rest: Float1D | None = None

    @property
    def n_sets(self) -> int:
        """Number of calibration sets."""
        return len(self.pooled)

    def scores_of(self, cell: tuple[int, int]) -> Float1D:
        """Return the sorted scores that serve a cell."""
        return self.cells.get(cell, self.pooled if self.rest is None else self.rest)


def cell_numbers(shape: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Return the cell of each set."""
    rows = np.searchsorted(N_CELLS, shape[:, 0], side="right") - 1
    columns = np.searchsorted(DIM_CELLS, shape[:, 1] + shape[:, 2], side="right") - 1
    return np.column_stack([np.maximum(rows, 0), np.maximum(columns, 0)]).astype(np.int64)


def interval_scores(quantiles: Float2D, target: FloatND) -> Float1D:
    """Return the least score at which the nested intervals of :func:`interval_at` contain the target."""
    # Chernozhukov, Wuethrich, Zhu (2021), PNAS 118(48), e2107794118, on distributional conformal prediction.
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
    """Return the interval at a score: both ends move outwards as the score grows."""
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
    """Sort the scores of calibration sets, pooled and by cell."""
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
    """Return the rank of the score that serves as threshold, exactly: ceil((n_sets + 1) (1 - alpha))."""
    return -int(((n_sets + 1) * (alpha - 1)) // 1)


def thresholds(table: ConformalTable, shape: npt.NDArray[np.integer], alpha: Fraction) -> Float1D:
    """Return the score threshold of each set: infinite where too few calibration sets speak for its cell."""
    out = np.empty(len(shape))
    for i, (row, column) in enumerate(cell_numbers(shape)):
        scores = table.scores_of((int(row), int(column)))
        rank = conformal_rank(len(scores), alpha)
        out[i] = scores[rank - 1] if rank <= len(scores) else np.inf
    return out


LARGEST_DIM = 50
"""Largest dimension of a side in the families."""


@dataclass(frozen=True)
class SupportLimits:
    """What no calibration set exceeded."""

    largest_dim: int = LARGEST_DIM  # Largest dimension of a side

    def reason(self, dim_x: int, dim_y: int) -> str:
        """Why a data set is outside; empty where it is not."""
        largest = max(dim_x, dim_y)
        if largest <= self.largest_dim:
            return ""
        return f"a side has {largest} columns, more than the {self.largest_dim} of any data set that the network was calibrated on"


@dataclass(frozen=True)
class MICalibration:
    """What the intervals rest on."""

    table: ConformalTable  # Sorted scores, pooled and by cell
    limits: SupportLimits  # What no calibration set exceeded
    family: str  # Family of distributions that the calibration sets were drawn from, in words
    robust: RobustScores | None = (
        None  # Residuals on kinds that were left out, where such networks were trained
    )

    @property
    def n_sets(self) -> int:
        """Number of calibration sets."""
        return self.table.n_sets


def shipped_weights_path(name: str = "shipped") -> Path:
    """Return the file of weights that comes with the package."""
    return Path(__file__).parent / "weights" / f"{name}.npz"


def pack_calibration(calibration: MICalibration) -> dict[str, Any]:
    """Return a calibration as arrays, for the file of weights."""
    out: dict[str, Any] = {"support/largest_dim": np.array(calibration.limits.largest_dim)}
    out["calibration/pooled"] = calibration.table.pooled.astype(np.float32)
    if calibration.table.rest is not None:
        out["calibration/rest"] = calibration.table.rest.astype(np.float32)
    for (row, column), scores in calibration.table.cells.items():
        out[f"calibration/{row}/{column}"] = scores.astype(np.float32)
    out.update(pack_robust(calibration.robust))
    return out


def read_calibration(path: Path, family: str) -> MICalibration:
    """Read the calibration stored beside the weights."""
    with np.load(path, allow_pickle=False) as file:
        # Files of version 0.1.0 hold it as the last of several limits.
        newer = "support/largest_dim" in file.files
        largest = int(file["support/largest_dim"] if newer else file["support/scalars"][3])
        cells = {}
        for key in (k for k in file.files if k.startswith("calibration/") and k.count("/") == 2):
            _, row, column = key.split("/")
            cells[int(row), int(column)] = file[key].astype(np.float64)
        pooled = file["calibration/pooled"].astype(np.float64)
        rest = file["calibration/rest"].astype(np.float64) if "calibration/rest" in file.files else None
        robust = read_robust(file)
    return MICalibration(ConformalTable(pooled, cells, rest), SupportLimits(largest), family, robust)


def read_model(path: Path) -> tuple[NetworkWeights, MICalibration]:
    """Read weights and calibration, once for each state of a file."""
    status = path.stat()
    return _read_state(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read_state(path: Path, changed: int, size: int) -> tuple[NetworkWeights, MICalibration]:
    try:
        return _read(path)
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"weights = {str(path)!r} does not hold weights and a calibration as python -m validstats.mi.training.recipes writes "
            f"them: {error}."
        ) from error


def _read(path: Path) -> tuple[NetworkWeights, MICalibration]:
    weights = load_weights(path)
    return weights, read_calibration(path, str(weights.card.get("family", "the default meta-distribution")))
