"""Scores by name, and the score that a user asks for."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from validstats.batch.scores.adaptive import APSScore, RandomisedAPSScore, RAPSScore
from validstats.batch.scores.learned import ClassScore, CQRScore, NormalisedScore, ProbabilityScore
from validstats.batch.scores.residual import (
    AbsoluteScore,
    CallableScore,
    ErrorScore,
    LabelScore,
    Score,
    SignedScore,
)

__all__ = ["resolve_score"]

_NAMED: tuple[type[Score], ...] = (
    AbsoluteScore,
    SignedScore,
    NormalisedScore,
    CQRScore,
    LabelScore,
    ProbabilityScore,
    APSScore,
    RandomisedAPSScore,
    RAPSScore,
    ClassScore,
    ErrorScore,
)


def resolve_score(score: Any, default: str, classifier: bool) -> Score:
    """Fresh score object for a name, a callable, a score or None (the default), checked against the learner."""
    chosen = default if score is None else score
    if isinstance(chosen, str):
        by_name = {named.name: named for named in _NAMED}
        if chosen not in by_name:
            allowed = ", ".join(map(repr, by_name))
            raise ValueError(
                f"conformity_score must be one of {allowed}, a callable or a Score; got {chosen!r}."
            )
        found = by_name[chosen]()
    elif isinstance(chosen, Score):
        found = clone(chosen)
    elif callable(chosen):
        found = CallableScore(chosen)
    else:
        raise TypeError(f"conformity_score must be a name, a callable or a Score, got {chosen!r}.")
    found.check(classifier)
    return found
