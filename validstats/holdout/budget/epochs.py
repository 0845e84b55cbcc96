"""What is declared for an epoch, the share of the failure probability that it gets, and its mechanisms' states."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

from validstats.holdout.mechanisms import mechanism

__all__ = [
    "MIXING",
    "Declaration",
    "changed_fields",
    "declared_alike",
    "closing_nats",
    "confidence_of",
    "epoch_log_share",
    "fresh_state",
    "frozen_fields",
    "joint_level",
    "main_options",
]

MIXING = ("guess_and_check", "description_length")
"""Mechanisms beside which other deterministic releases are accounted for exactly."""

LEAST_LOG_ALPHA = math.log(1e-12)
"""Least level that is handed to a mechanism as a confidence level."""

EPOCH_RESERVE = 0.01
"""Share of the failure probability that is kept for epochs after the first."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What was declared before the first look: another declaration opens another epoch.

    Attributes
    ----------
    n : int
        Independent units of the reusable part of the holdout.
    queries : int
        Answers allowed.
    failures : int
        Failed guesses allowed.
    rounds : int or None
        Batches allowed, for the mechanism of that name.
    mechanism : str
        Name of the mechanism that gives numbers.
    confidence_level : float
        Of all answers together.
    users : dict of str to int
        Answers allowed for each user; empty if they share.
    vault : float
        Share that is sealed; the same for all epochs.
    analysis : str or None
        Whose bound the Gaussian mechanism states; None for other mechanisms.
    tolerance : float or None
        Half-width that Thresholdout works with; None for the one that its theorem proves, and for other mechanisms.
    """

    n: int
    queries: int
    failures: int
    rounds: int | None
    mechanism: str
    confidence_level: float
    users: dict[str, int] = field(default_factory=dict)
    vault: float = 0.0
    analysis: str | None = None
    tolerance: float | None = None


def declared_alike(stored: Mapping[str, Any] | None, declared: Declaration) -> bool:
    """Tell whether a ledger's epoch was declared as given.

    Parameters
    ----------
    stored : mapping or None
        The declaration that the ledger holds; one without an analysis or a tolerance had the default.
    declared : Declaration
        The other.

    Returns
    -------
    bool
        Whether they are the same.

    Examples
    --------
    >>> from dataclasses import asdict
    >>> declared = Declaration(n=100, queries=5, failures=1, rounds=None, mechanism="gaussian",
    ...     confidence_level=0.95, analysis="tight")
    >>> declared_alike(asdict(declared), declared)
    True
    >>> declared_alike({**asdict(declared), "analysis": "jung2020"}, declared)
    False
    """
    if stored is None:
        return False
    defaults = {"analysis": "tight" if stored.get("mechanism") == "gaussian" else None, "tolerance": None}
    return {**defaults, **stored} == asdict(declared)


def epoch_log_share(epoch: int) -> float:
    """Log of the share of the failure probability that an epoch may use; the shares sum to 1.

    Parameters
    ----------
    epoch : int
        Number of the epoch, from 0.

    Returns
    -------
    float
        log(0.99) for the first; the rest share one percent as 6 / (pi^2 e^2).

    Examples
    --------
    >>> import math
    >>> round(math.fsum(math.exp(epoch_log_share(e)) for e in range(10_000)), 4)
    1.0
    """
    if epoch == 0:
        return math.log1p(-EPOCH_RESERVE)
    return math.log(EPOCH_RESERVE * 6 / (math.pi * epoch) ** 2)


def joint_level(state: Mapping[str, Any]) -> float:
    """Return the level at which all answers of a ledger hold together: the least that an epoch has declared.

    Parameters
    ----------
    state : mapping
        State of the ledger; one of an older version tells the level of its present epoch only.

    Returns
    -------
    float
        The level; 1 before the first epoch.

    Examples
    --------
    >>> joint_level({}), joint_level({"declared": {"confidence_level": 0.99}, "joint_level": 0.9})
    (1.0, 0.9)
    """
    declared = state.get("declared", {}).get("confidence_level", 1.0)
    return float(state.get("joint_level", declared))


def main_options(declared: Declaration) -> dict[str, Any]:
    """Return the options with which the declared mechanism is opened.

    Parameters
    ----------
    declared : Declaration
        The budget.

    Returns
    -------
    dict
        Keyword arguments of its ``initial_state``.
    """
    options: dict[str, Any] = {"queries": declared.queries}
    name = declared.mechanism
    if mechanism(name).needs_guess or name == "effective_rounds":
        options["failures"] = declared.failures
    if name in ("rounds", "effective_rounds"):
        options["rounds"] = declared.rounds
    if name in MIXING:
        options["interval"] = "kl"
    if name == "gaussian":
        options["analysis"] = declared.analysis or "tight"
    if name == "thresholdout":
        options["tolerance"] = declared.tolerance
    return options


def closing_nats(records: Mapping[str, Mapping[str, Any]]) -> float:
    """Return what is still to be paid when something follows an epoch: the content of its last answers.

    A tree declared for k questions has weights for the nodes at which intervals are issued. What comes after the
    k-th answer hangs below its leaves, and those are nodes of the tree for k + 1 questions.

    Parameters
    ----------
    records : mapping
        Mechanisms opened in the epoch, as its state keeps them.

    Returns
    -------
    float
        Nats, at least 0; none for mechanisms with an open horizon, whose weights cover what comes next.
    """
    total = 0.0
    for record in records.values():
        state = fresh_state(record["name"], tuple(sorted(record["options"].items())))
        if state.queries is None or not mechanism(record["name"]).mixes:
            continue
        longer = dataclasses.replace(state, queries=state.queries + 1)
        total += state.log_weight - longer.log_weight
        if state.failures == 0:
            total += math.log(2.0)
    return total


@functools.lru_cache(maxsize=256)
def fresh_state(name: str, options: tuple[tuple[str, Any], ...]) -> Any:
    """Return the state of a mechanism that has not been asked anything.

    Below a level that a float near 1 can hold, grids and steps are tuned for that level, and the intervals of
    deterministic mechanisms are computed at the level itself: any grid is valid, only its tuning is not best.

    Parameters
    ----------
    name : str
        Name of the mechanism.
    options : tuple of (str, object)
        Keyword arguments of its ``initial_state``, ``log_alpha`` in place of ``confidence_level``.

    Returns
    -------
    State
        Of the mechanism.

    Raises
    ------
    ValueError
        If a noisy mechanism is to be opened at a hopeless level.
    """
    settings = dict(options)
    log_alpha = float(settings.pop("log_alpha"))
    if log_alpha >= LEAST_LOG_ALPHA:
        return mechanism(name).initial_state(confidence_level=confidence_of(log_alpha), **settings)
    if mechanism(name).noisy:
        raise ValueError(
            f"mechanism={name!r} cannot be opened after {-log_alpha:.0f} nats of earlier answers: its interval would "
            "be everything. Take mechanism='guess_and_check' or 'description_length', or a new holdout."
        )
    state = mechanism(name).initial_state(confidence_level=confidence_of(LEAST_LOG_ALPHA), **settings)
    return dataclasses.replace(state, log_alpha=log_alpha)


def confidence_of(log_alpha: float) -> Fraction:
    """Return ``1 - exp(log_alpha)`` exactly enough for levels far below what a float near 1 can hold.

    Parameters
    ----------
    log_alpha : float
        Logarithm of a failure probability, below 0.

    Returns
    -------
    Fraction
        The confidence level.

    Examples
    --------
    >>> import math
    >>> round(float(1 - confidence_of(math.log(0.05))), 12)
    0.05
    """
    exponent = math.floor(log_alpha / math.log(10)) - 16
    digits = round(math.exp(log_alpha - exponent * math.log(10)))
    return 1 - Fraction(digits) * Fraction(10) ** exponent


def changed_fields(fresh: Any, state: Any) -> dict[str, Any]:
    """Return the fields of a state that differ from the fresh one: what the ledger has to keep."""
    before, after = asdict(fresh), asdict(state)
    return {name: value for name, value in after.items() if value != before[name]}


def frozen_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored fields with lists turned back into tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
