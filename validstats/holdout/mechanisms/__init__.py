"""Mechanisms: the ways of answering adaptively chosen questions, one file a family."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from validstats.holdout.mechanisms.base import (
    MECHANISMS,
    SILENT,
    Mechanism,
    Noise,
    Release,
    Source,
    State,
    fields_of,
    mechanism,
)
from validstats.holdout.mechanisms.chunked import FreshChunks, Rounds
from validstats.holdout.mechanisms.counted import DescriptionLength, SparseValidate
from validstats.holdout.mechanisms.declared import Analysis, Candidate, Declaration, ReleaseKind, Use
from validstats.holdout.mechanisms.guesses import DIFFERENCE_CELL, GuessAndCheck, SingleLook
from validstats.holdout.mechanisms.heuristic import EffectiveRounds, Sparse, ThresholdoutScience
from validstats.holdout.mechanisms.ladder import Ladder
from validstats.holdout.mechanisms.noisy import Gaussian, Thresholdout
from validstats.holdout.mechanisms.winner import Argmax

__all__ = [
    "MECHANISMS",
    "SILENT",
    "Analysis",
    "Argmax",
    "Candidate",
    "Declaration",
    "DescriptionLength",
    "EffectiveRounds",
    "FreshChunks",
    "Gaussian",
    "DIFFERENCE_CELL",
    "GuessAndCheck",
    "Ladder",
    "Mechanism",
    "Noise",
    "Release",
    "ReleaseKind",
    "Rounds",
    "ScoreMechanism",
    "Source",
    "SingleLook",
    "Sparse",
    "SparseValidate",
    "State",
    "Thresholdout",
    "ThresholdoutScience",
    "Use",
    "check_score_mechanism",
    "fields_of",
    "mechanism",
]

ScoreMechanism: TypeAlias = Literal[
    "guess_and_check",
    "single_look",
    "description_length",
    "gaussian",
    "thresholdout",
    "rounds",
    "fresh_chunks",
    "thresholdout_science",
    "sparse",
    "effective_rounds",
]
"""Mechanisms of the package that release a number for each question."""


def check_score_mechanism(name: str) -> None:
    """Refuse a mechanism that does not release a number for each question."""
    known = MECHANISMS.get(name)
    if known is not None and known.verb == Mechanism.verb:
        return
    if known is None:
        reason = f"got {name!r}"
    else:
        reason = f"{name!r} releases less than a score: call {known.verb} under any other mechanism"
    options = ", ".join(map(repr, get_args(ScoreMechanism)))
    raise ValueError(f"mechanism must be 'auto' or one of {options}; {reason}.")
