"""Scores by name, and the check that a score fits its learner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

from sklearn.base import clone

from validstats.batch.scores.learned import APSScore, CQRScore, NormalisedScore, ProbabilityScore
from validstats.batch.scores.residual import (
    AbsoluteScore,
    CallableScore,
    ErrorScore,
    LabelScore,
    Score,
    SignedScore,
)

__all__ = ["ScoreName", "resolve_score"]

ScoreName: TypeAlias = Literal[
    "absolute", "signed", "normalised", "cqr", "label", "probability", "aps", "error"
]
"""Names of the built-in scores."""


def resolve_score(score: Any, default: str, classifier: bool) -> Score:
    """Turn a name, a callable or a score into a score object.

    Parameters
    ----------
    score : str, callable, Score or None
        What the user passed; None takes the default.
    default : str
        Name of the target's default.
    classifier : bool
        Whether the learner is a classifier.

    Returns
    -------
    Score
        A fresh copy.

    Raises
    ------
    TypeError, ValueError
        If it is no score, or one that does not fit the learner.

    Examples
    --------
    >>> resolve_score(None, "absolute", classifier=False)
    AbsoluteScore()
    """
    chosen = default if score is None else score
    if isinstance(chosen, str):
        if chosen not in _BY_NAME:
            allowed = ", ".join(repr(name) for name in get_args(ScoreName))
            raise ValueError(f"score must be one of {allowed}, a callable or a Score; got {chosen!r}.")
        found: Score = _BY_NAME[chosen]()
    elif isinstance(chosen, Score):
        found = clone(chosen)
    elif callable(chosen):
        found = CallableScore(chosen)
    else:
        raise TypeError(f"score must be a name, a callable or a Score, got {chosen!r}.")
    if found.kind == ("regressor" if classifier else "classifier"):
        learner = "a classifier" if classifier else "a regressor"
        raise ValueError(f"The score {type(found).__name__} does not work with {learner}.")
    return found


_BY_NAME: dict[str, Callable[[], Score]] = {
    "absolute": AbsoluteScore,
    "signed": SignedScore,
    "normalised": NormalisedScore,
    "cqr": CQRScore,
    "label": LabelScore,
    "probability": ProbabilityScore,
    "aps": APSScore,
    "error": ErrorScore,
}
