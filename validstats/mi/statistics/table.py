"""Summaries of many data sets as arrays: what the network reads at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from validstats.mi.statistics.summary import ANCHOR_NAMES, STATISTIC_NAMES, DataSummary

__all__ = ["SummaryTable", "pack_summaries"]


@dataclass(frozen=True)
class SummaryTable:
    """Summaries of many sets as arrays; the first axis of each counts the sets.

    Attributes
    ----------
    statistics : ndarray of float32 of shape (m, len(STATISTIC_NAMES))
        Statistics.
    anchors : ndarray of float32 of shape (m, len(ANCHOR_NAMES))
        Candidates, NaN where one does not apply.
    scales : ndarray of float64 of shape (m, len(ANCHOR_NAMES))
        Size of the correction that each candidate leaves room for.
    shape : ndarray of int32 of shape (m, 3)
        n and the two dimensions, the smaller first.
    bound : ndarray of float32 of shape (m,)
        Smaller of the entropies of the discrete sides, or infinity.
    """

    statistics: npt.NDArray[np.float32]
    anchors: npt.NDArray[np.float32]
    scales: npt.NDArray[np.float64]
    shape: npt.NDArray[np.int32]
    bound: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.bound)

    def select(self, chosen: npt.NDArray[np.generic]) -> Self:
        """Return the sets at the given positions, or where a mask holds."""
        return type(self)(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})


def pack_summaries(summaries: list[DataSummary]) -> SummaryTable:
    """Stack the summaries of data sets."""
    m = len(summaries)
    statistics = np.array([s.statistics for s in summaries], dtype=np.float32)
    anchors = np.array([s.anchors for s in summaries], dtype=np.float32)
    return SummaryTable(
        statistics=statistics.reshape(m, len(STATISTIC_NAMES)),
        anchors=anchors.reshape(m, len(ANCHOR_NAMES)),
        scales=np.array([s.scales for s in summaries], dtype=np.float64).reshape(m, len(ANCHOR_NAMES)),
        shape=np.array([(s.n, *sorted((s.dim_x, s.dim_y))) for s in summaries], dtype=np.int32).reshape(m, 3),
        bound=np.array([s.entropy_bound for s in summaries], dtype=np.float32),
    )
