"""Targets: the statement about a batch, each with its law, its guarantee and its result."""

from __future__ import annotations

from validstats.batch.targets.compositional import Compositional
from validstats.batch.targets.guarantees import batch_guarantee, confidence_of, level_text
from validstats.batch.targets.problem import (
    Calibration,
    EnvelopeAnswer,
    IntervalAnswer,
    Question,
    SelectionAnswer,
    SetAnswer,
)
from validstats.batch.targets.sets import ClaimScore, Envelope, Selection, Simultaneous
from validstats.batch.targets.values import BatchMean, BatchQuantile, BatchTotal, ErrorCount, Target

__all__ = [
    "BatchMean",
    "BatchQuantile",
    "BatchTotal",
    "Calibration",
    "ClaimScore",
    "Compositional",
    "Envelope",
    "EnvelopeAnswer",
    "ErrorCount",
    "IntervalAnswer",
    "Question",
    "Selection",
    "SelectionAnswer",
    "SetAnswer",
    "Simultaneous",
    "Target",
    "batch_guarantee",
    "confidence_of",
    "level_text",
]
