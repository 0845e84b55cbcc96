"""The mechanisms of the reusable holdout, one file a family, and their registry."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from validstats.holdout.mechanisms._base import Mechanism, Noise, Release, Source, State
from validstats.holdout.mechanisms.chunked import FreshChunks, Rounds
from validstats.holdout.mechanisms.counted import DescriptionLength, GuessAndCheck, SparseValidate
from validstats.holdout.mechanisms.heuristic import EffectiveRounds, Sparse, ThresholdoutScience
from validstats.holdout.mechanisms.ladder import Ladder, ParameterFreeLadder, ShakyLadder
from validstats.holdout.mechanisms.noisy import Gaussian, Thresholdout
from validstats.holdout.mechanisms.small_domain import MedianMechanism, PrivateMultiplicativeWeights
from validstats.holdout.mechanisms.winner import Argmax

__all__ = [
    "MECHANISMS",
    "Argmax",
    "DescriptionLength",
    "EffectiveRounds",
    "FreshChunks",
    "Gaussian",
    "GuessAndCheck",
    "Ladder",
    "Mechanism",
    "MedianMechanism",
    "Noise",
    "ParameterFreeLadder",
    "PrivateMultiplicativeWeights",
    "Release",
    "Rounds",
    "ScoreMechanism",
    "ShakyLadder",
    "Source",
    "Sparse",
    "SparseValidate",
    "State",
    "Thresholdout",
    "ThresholdoutScience",
    "check_score_mechanism",
    "mechanism",
]

MECHANISMS: dict[str, type[Mechanism]] = {
    kind.name: kind
    for kind in (
        GuessAndCheck,
        DescriptionLength,
        Gaussian,
        Thresholdout,
        SparseValidate,
        Rounds,
        FreshChunks,
        Ladder,
        Argmax,
        ParameterFreeLadder,
        ThresholdoutScience,
        Sparse,
        EffectiveRounds,
        ShakyLadder,
        PrivateMultiplicativeWeights,
        MedianMechanism,
    )
}
"""Name -> mechanism; the certified ones come first."""


ScoreMechanism: TypeAlias = Literal[
    "guess_and_check",
    "description_length",
    "gaussian",
    "thresholdout",
    "rounds",
    "fresh_chunks",
    "thresholdout_science",
    "sparse",
    "effective_rounds",
]
"""Mechanisms that release a number for each question."""

_VERBS = {"argmax": "best()", "sparse_validate": "validate()", "ladder": "leaderboard()"}


def check_score_mechanism(name: str) -> None:
    """Refuse a mechanism that does not release a number for each question.

    Parameters
    ----------
    name : str
        Name of a mechanism.

    Raises
    ------
    ValueError
        If it is unknown, has a verb of its own, or is offered as a step function only.

    Examples
    --------
    >>> check_score_mechanism("gaussian")
    """
    options = get_args(ScoreMechanism)
    if name in options:
        return
    if name in _VERBS:
        reason = f"{name!r} releases less than a score: call {_VERBS[name]} under any other mechanism"
    elif name in MECHANISMS:
        reason = f"{name!r} is offered as a step function only: validstats.holdout.mechanisms.{MECHANISMS[name].__name__}"
    else:
        reason = f"got {name!r}"
    raise ValueError(f"mechanism must be 'auto' or one of {', '.join(map(repr, options))}; {reason}.")


def mechanism(name: str) -> type[Mechanism]:
    """Return a mechanism by its name.

    Parameters
    ----------
    name : str
        A key of :data:`MECHANISMS`.

    Returns
    -------
    type of Mechanism
        The mechanism.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> mechanism("ladder").certified
    True
    """
    if name not in MECHANISMS:
        raise ValueError(f"mechanism must be one of {sorted(MECHANISMS)}, got {name!r}.")
    return MECHANISMS[name]
