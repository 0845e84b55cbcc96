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
    ClassScore,
    CQRScore,
    ErrorScore,
    LabelScore,
    NormalisedScore,
    ProbabilityScore,
    RandomisedAPSScore,
    RAPSScore,
    Score,
    SignedScore,
)
from validstats.batch.targets import (
    BatchMean,
    BatchQuantile,
    BatchShares,
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
    "BatchShares",
    "BatchTotal",
    "CQRScore",
    "CallableScore",
    "ClassScore",
    "Compositional",
    "DiscoveryCurve",
    "Envelope",
    "ErrorCount",
    "ErrorScore",
    "LabelScore",
    "NormalisedScore",
    "ProbabilityScore",
    "RAPSScore",
    "RandomisedAPSScore",
    "Score",
    "Selection",
    "SignedScore",
    "Simultaneous",
    "Target",
    "plan_batch",
]
