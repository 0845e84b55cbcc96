"""The mechanisms of the reusable holdout, one file a family, and their registry."""

from __future__ import annotations

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
    "ShakyLadder",
    "Source",
    "Sparse",
    "SparseValidate",
    "State",
    "Thresholdout",
    "ThresholdoutScience",
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
