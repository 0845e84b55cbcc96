"""Statements about whole batches of unlabelled rows, valid in finite samples for any model."""

from __future__ import annotations

from validstats.batch.estimators import BatchPredictor
from validstats.batch.planner import BatchPlan, plan_batch
from validstats.batch.results import (
    BatchEnvelopes,
    BatchIntervals,
    BatchResult,
    BatchSelection,
    BatchSets,
    DiscoveryCurve,
)
from validstats.batch.scores import (
    AbsoluteScore,
    APSScore,
    CallableScore,
    CQRScore,
    ErrorScore,
    LabelScore,
    NormalisedScore,
    ProbabilityScore,
    Score,
    SignedScore,
)
from validstats.batch.targets import (
    BatchMean,
    BatchQuantile,
    BatchTotal,
    Compositional,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
    Target,
)

__all__ = [
    "APSScore",
    "AbsoluteScore",
    "BatchEnvelopes",
    "BatchIntervals",
    "BatchMean",
    "BatchPlan",
    "BatchPredictor",
    "BatchQuantile",
    "BatchResult",
    "BatchSelection",
    "BatchSets",
    "BatchTotal",
    "CQRScore",
    "CallableScore",
    "Compositional",
    "DiscoveryCurve",
    "Envelope",
    "ErrorCount",
    "ErrorScore",
    "LabelScore",
    "NormalisedScore",
    "ProbabilityScore",
    "Score",
    "Selection",
    "SignedScore",
    "Simultaneous",
    "Target",
    "plan_batch",
]
