"""Adaptive analysts who try to overfit a holdout, for tests of what a holdout promises.

Each attack talks to the holdout through one callable, ``answer(predictions)``, which returns a number or None when it
refuses. The labels are fair coins that no prediction can know, so the true accuracy of everything submitted is 1/2, and
whatever the analyst's final model seems to have beyond it is overfitting. :class:`NaiveHoldout` answers with the
empirical accuracy; :class:`GuardedHoldout` answers through a mechanism and remembers every interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from validstats._typing import Float1D, Int1D
from validstats.holdout.mechanisms import Release, mechanism
from validstats.intake import check_positive_int

__all__ = [
    "AttackOutcome",
    "GuardedHoldout",
    "NaiveHoldout",
    "averaging",
    "boosting",
    "hill_climb",
    "restart",
    "seed_replay",
    "sign_aggregation",
    "straddle",
]

AnswerFunction: TypeAlias = Callable[[Int1D], float | None]
"""Accuracy (or loss) that the holdout releases for predictions in {0, 1}; None when it refuses."""


@dataclass(frozen=True)
class AttackOutcome:
    """What an attack achieved."""

    # The analyst's final model.
    predictions: Int1D
    # What the holdout releases about it (for a leaderboard, what the board says at the end).
    released: float | None
    # Queries that were answered and refused.
    answered: int
    refused: int


class NaiveHoldout:
    """A holdout that answers every query with the empirical accuracy."""

    def __init__(self, labels: Int1D, decimals: int | None = None, loss: bool = False) -> None:
        self.labels = labels
        self.decimals = decimals
        self.loss = loss

    def __call__(self, predictions: Int1D) -> float:
        """Return the empirical accuracy (or error rate) of predictions."""
        accuracy = float(np.mean(predictions == self.labels))
        value = 1.0 - accuracy if self.loss else accuracy
        return value if self.decimals is None else round(value, self.decimals)


@dataclass
class GuardedHoldout:
    """A holdout that answers through a mechanism, and knows whether all its intervals hold."""

    labels: Int1D
    name: str
    declarations: dict[str, Any]
    generator: np.random.Generator
    guess: float = 0.5
    loss: bool = False
    # Present state of the mechanism.
    state: Any = None
    # Everything released so far.
    releases: list[Release] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = mechanism(self.name).initial_state(self.labels.size, **self.declarations)

    def __call__(self, predictions: Int1D) -> float | None:
        """Return what the mechanism releases for predictions, None when it refuses."""
        hits = (predictions == self.labels).astype(np.float64)
        values = 1.0 - hits if self.loss else hits
        kind = mechanism(self.name)
        answer = values if kind.needs_rows else float(values.mean())
        self.state, release = kind.step(self.state, answer, guess=self.guess, noise=self._noise)
        self.releases.append(release)
        return release.value

    def _noise(self, role: str, law: str) -> float:
        return float(self.generator.normal() if law == "normal" else self.generator.laplace())

    def all_covered(self, truth: float) -> bool:
        """Whether every interval issued so far contains the truth."""
        slack = 1e-12
        return all(
            release.low - slack <= truth <= release.high + slack
            for release in self.releases
            if release.low is not None and release.high is not None
        )


class _Counter:
    def __init__(self, answer: AnswerFunction) -> None:
        self.answer = answer
        self.answered = 0
        self.refused = 0

    def __call__(self, predictions: Int1D) -> float | None:
        value = self.answer(predictions)
        if value is None:
            self.refused += 1
        else:
            self.answered += 1
        return value

    def outcome(self, predictions: Int1D, released: float | None) -> AttackOutcome:
        return AttackOutcome(predictions, released, self.answered, self.refused)


def sign_aggregation(
    answer: AnswerFunction, n: int, queries: int, generator: np.random.Generator, centre: float = 0.5
) -> AttackOutcome:
    """Submit random labelings, then the majority of those that scored above 1/2 and of the opposites of the others."""
    # Source: Dwork et al. (2014), arXiv 1411.2664, section 1.1; Blum and Hardt (2015), arXiv 1502.04585,
    # section 4.
    counter = _Counter(answer)
    vote = np.zeros(n)
    for _ in range(check_positive_int(queries, "queries")):
        labeling = generator.integers(0, 2, n)
        value = counter(labeling)
        if value is not None and value != centre:
            vote += math.copysign(1.0, value - centre) * (2 * labeling - 1)
    majority = _majority(vote, generator)
    return counter.outcome(majority, counter(majority))


def _majority(vote: Float1D, generator: np.random.Generator) -> Int1D:
    ties = generator.integers(0, 2, vote.size)
    return np.where(vote == 0, ties, vote > 0).astype(np.int64)


def straddle(
    answer: AnswerFunction, n: int, queries: int, generator: np.random.Generator, guess: float
) -> AttackOutcome:
    """Make every training value sit just at the threshold, so that the overfit flag reveals the holdout's sign."""
    # The queries are labelings whose training accuracy is made exactly guess = 1/2 + T by choosing the
    # training rows' predictions, which costs nothing. Thresholdout then answers with the training value
    # where the holdout's is above 1/2, and with something else where it is below.
    counter = _Counter(answer)
    vote = np.zeros(n)
    for _ in range(check_positive_int(queries, "queries")):
        labeling = generator.integers(0, 2, n)
        value = counter(labeling)
        if value is not None:
            vote += (1.0 if value == guess else -1.0) * (2 * labeling - 1)
    return counter.outcome(_majority(vote, generator), None)


def boosting(answer: AnswerFunction, n: int, queries: int, generator: np.random.Generator) -> AttackOutcome:
    """Submit random labelings to a leaderboard, then the majority of those whose loss on the board is below 1/2."""
    # Source: Blum and Hardt (2015), arXiv 1502.04585, section 4.
    counter = _Counter(answer)
    vote = np.zeros(n)
    board = math.nan
    for _ in range(check_positive_int(queries, "queries")):
        labeling = generator.integers(0, 2, n)
        value = counter(labeling)
        if value is None:
            continue
        if value <= 0.5 and value != board:
            vote += 2 * labeling - 1
        board = value
    majority = _majority(vote, generator)
    return counter.outcome(majority, counter(majority))


def hill_climb(
    answer: AnswerFunction, n: int, queries: int, generator: np.random.Generator, block: int = 1
) -> AttackOutcome:
    """Flip a block of labels and keep the flip where the board moves down."""
    counter = _Counter(answer)
    current = generator.integers(0, 2, n)
    board = counter(current)
    for _ in range(check_positive_int(queries, "queries")):
        rows = generator.choice(n, size=block, replace=False) if block > 1 else generator.integers(0, n, 1)
        trial = current.copy()
        trial[rows] = 1 - trial[rows]
        value = counter(trial)
        if value is not None and (board is None or value < board):
            current, board = trial, value
    return counter.outcome(current, board)


def averaging(answer: AnswerFunction, predictions: Int1D, repeats: int) -> AttackOutcome:
    """Ask the same question again and again and average the noise away."""
    counter = _Counter(answer)
    values = [value for _ in range(repeats) if (value := counter(predictions)) is not None]
    return counter.outcome(predictions, float(np.mean(values)) if values else None)


def seed_replay(open_holdout: Callable[[], AnswerFunction], first: Int1D, second: Int1D) -> float | None:
    """Ask two questions of a holdout that is opened afresh for each, and subtract: replayed noise cancels."""
    a, b = open_holdout()(first), open_holdout()(second)
    return None if a is None or b is None else a - b


def restart(open_holdout: Callable[[], AnswerFunction], n: int, sessions: int, queries: int) -> int:
    """Open the holdout again and again and ask as much as it allows."""
    answered = 0
    for _ in range(sessions):
        answer = open_holdout()
        answered += sum(answer(np.zeros(n, dtype=np.int64)) is not None for _ in range(queries))
    return answered
