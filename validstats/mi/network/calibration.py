"""What the intervals rest on, stored beside the weights that come with the package."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from validstats.mi.network.conformal import ConformalTable
from validstats.mi.network.forward_pass import NetworkWeights, load_weights
from validstats.mi.network.support import SupportLimits

__all__ = ["MICalibration", "pack_calibration", "read_calibration", "read_model", "shipped_weights_path"]


@dataclass(frozen=True)
class MICalibration:
    """What the intervals rest on.

    Attributes
    ----------
    table : ConformalTable
        Sorted scores, pooled and by cell.
    limits : SupportLimits
        What no calibration set exceeded.
    family : str
        Family of distributions that the calibration sets were drawn from, in words.
    """

    table: ConformalTable
    limits: SupportLimits
    family: str

    @property
    def n_sets(self) -> int:
        """Number of calibration sets."""
        return self.table.n_sets


def shipped_weights_path(name: str = "shipped") -> Path:
    """Return the file of weights that comes with the package.

    Parameters
    ----------
    name : {"shipped", "evaluation"}, default "shipped"
        "shipped" was trained on every family, "evaluation" never saw those in ``HELD_OUT_FAMILIES``.

    Returns
    -------
    Path
        An ``.npz`` file.
    """
    return Path(__file__).parent / "weights" / f"{name}.npz"


def pack_calibration(calibration: MICalibration) -> dict[str, Any]:
    """Return a calibration as arrays, for the file of weights."""
    out: dict[str, Any] = {"support/largest_dim": np.array(calibration.limits.largest_dim)}
    out["calibration/pooled"] = calibration.table.pooled.astype(np.float32)
    if calibration.table.rest is not None:
        out["calibration/rest"] = calibration.table.rest.astype(np.float32)
    for (row, column), scores in calibration.table.cells.items():
        out[f"calibration/{row}/{column}"] = scores.astype(np.float32)
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
    return MICalibration(ConformalTable(pooled, cells, rest), SupportLimits(largest), family)


def read_model(path: Path) -> tuple[NetworkWeights, MICalibration]:
    """Read weights and calibration, once for each state of a file.

    Raises
    ------
    ValueError
        If the file does not hold them.
    """
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
