"""Targets: the statement about a batch, each with its law, its guarantee and its result."""

from __future__ import annotations

from validstats.batch.targets.base import (
    Calibration,
    Inquiry,
    IntervalTarget,
    Question,
    Target,
    TwoLabels,
)
from validstats.batch.targets.compositional import Compositional
from validstats.batch.targets.envelope import Envelope
from validstats.batch.targets.errors import ErrorCount
from validstats.batch.targets.mean import BatchMean, BatchTotal
from validstats.batch.targets.quantile import BatchQuantile
from validstats.batch.targets.selection import Selection
from validstats.batch.targets.shares import BatchShares
from validstats.batch.targets.simultaneous import Simultaneous

__all__ = [
    "BatchMean",
    "BatchQuantile",
    "BatchShares",
    "BatchTotal",
    "Calibration",
    "Compositional",
    "Envelope",
    "ErrorCount",
    "Inquiry",
    "IntervalTarget",
    "Question",
    "Selection",
    "Simultaneous",
    "Target",
    "TwoLabels",
]
