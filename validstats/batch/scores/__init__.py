"""Scores: how far a row is from what the model says of it."""

from __future__ import annotations

from validstats.batch.scores.adaptive import APSScore, RandomisedAPSScore, RAPSScore
from validstats.batch.scores.claim import ClaimScore, Limit
from validstats.batch.scores.learned import ClassScore, CQRScore, NormalisedScore, ProbabilityScore
from validstats.batch.scores.registry import resolve_score
from validstats.batch.scores.residual import (
    AbsoluteScore,
    CallableScore,
    ErrorScore,
    LabelScore,
    Score,
    SignedScore,
    checked_outputs,
    class_values,
    unwritable,
)

__all__ = [
    "APSScore",
    "AbsoluteScore",
    "CQRScore",
    "CallableScore",
    "ClaimScore",
    "ClassScore",
    "ErrorScore",
    "LabelScore",
    "Limit",
    "NormalisedScore",
    "ProbabilityScore",
    "RAPSScore",
    "RandomisedAPSScore",
    "Score",
    "SignedScore",
    "checked_outputs",
    "class_values",
    "resolve_score",
    "unwritable",
]
