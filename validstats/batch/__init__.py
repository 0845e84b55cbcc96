"""Statements about whole batches of unlabelled rows, valid in finite samples for any model."""

from __future__ import annotations

from validstats.batch.compositional_target import Compositional
from validstats.batch.estimators import BatchPredictor
from validstats.batch.learned_scores import APSScore, CQRScore, NormalisedScore, ProbabilityScore
from validstats.batch.planner import plan_batch
from validstats.batch.scores import AbsoluteScore, CallableScore, ErrorScore, LabelScore, Score, SignedScore
from validstats.batch.set_targets import Envelope, Selection, Simultaneous
from validstats.batch.targets import BatchMean, BatchQuantile, BatchTotal, ErrorCount, Target

__all__ = [
    "APSScore",
    "AbsoluteScore",
    "BatchMean",
    "BatchPredictor",
    "BatchQuantile",
    "BatchTotal",
    "CQRScore",
    "CallableScore",
    "Compositional",
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
