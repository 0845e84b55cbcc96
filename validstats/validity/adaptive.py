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
    """What an attack achieved.

    Attributes
    ----------
    predictions : array of shape (n,)
        The analyst's final model.
    released : float or None
        What the holdout releases about it (for a leaderboard, what the board says at the end).
    answered, refused : int
        Queries that were answered and refused.
    """

    predictions: Int1D
    released: float | None
    answered: int
    refused: int


class NaiveHoldout:
    """A holdout that answers every query with the empirical accuracy.

    Parameters
    ----------
    labels : array of shape (n,)
        Labels in {0, 1}.
    decimals : int or None, default None
        Decimals that answers are rounded to, as public leaderboards do.
    loss : bool, default False
        Whether to answer with the error rate instead.

    Examples
    --------
    >>> NaiveHoldout(np.array([0, 1]))(np.array([0, 0]))
    0.5
    """

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
    """A holdout that answers through a mechanism, and knows whether all its intervals hold.

    Parameters
    ----------
    labels : array of shape (n,)
        Labels in {0, 1}, fair coins.
    name : str
        Name of the mechanism.
    declarations : dict
        What the mechanism is opened with.
    generator : numpy.random.Generator
        Source of noise.
    guess : float, default 0.5
        The training side's answer, for mechanisms that take one.
    loss : bool, default False
        Whether values are errors instead of successes.

    Attributes
    ----------
    state : State
        Present state of the mechanism.
    releases : list of Release
        Everything released so far.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> guarded = GuardedHoldout(rng.integers(0, 2, 100), "gaussian", {"queries": 5}, rng)
    >>> _ = guarded(rng.integers(0, 2, 100))
    >>> guarded.all_covered(0.5)
    True
    """

    labels: Int1D
    name: str
    declarations: dict[str, Any]
    generator: np.random.Generator
    guess: float = 0.5
    loss: bool = False
    state: Any = None
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
        """Tell whether every interval issued so far contains the truth.

        Parameters
        ----------
        truth : float
            True value of every query.

        Returns
        -------
        bool
            True if no interval misses.
        """
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
    """Submit random labelings, then the majority of those that scored above 1/2 and of the opposites of the others.

    Parameters
    ----------
    answer : callable
        The holdout; the last of ``queries + 1`` calls is for the majority.
    n, queries : int
        Rows, and random labelings.
    generator : numpy.random.Generator
        The analyst's randomness.
    centre : float, default 0.5
        Answers above it count for a labeling, answers below it against.

    Returns
    -------
    AttackOutcome
        The naive holdout releases about ``1/2 + sqrt(queries / (2 pi n))`` for queries well below n, and 0.79 for
        ``queries = n = 1000``.

    References
    ----------
    Dwork et al. (2014), arXiv 1411.2664, section 1.1; Blum and Hardt (2015), arXiv 1502.04585, section 4.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> outcome = sign_aggregation(NaiveHoldout(rng.integers(0, 2, 1000)), 1000, 1000, rng)
    >>> outcome.released > 0.75
    True
    """
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
    """Make every training value sit just at the threshold, so that the overfit flag reveals the holdout's sign.

    The queries are labelings whose training accuracy is made exactly ``guess = 1/2 + T`` by choosing the training rows'
    predictions, which costs nothing. Thresholdout then answers with the training value where the holdout's is above
    1/2, and with something else where it is below.

    Parameters
    ----------
    answer : callable
        Thresholdout, given ``guess`` as the training value of every query.
    n, queries : int
        Rows, and random labelings.
    generator : numpy.random.Generator
        The analyst's randomness.
    guess : float
        The training value, one half plus the threshold.

    Returns
    -------
    AttackOutcome
        ``released`` is None: the majority is not submitted, its accuracy is for the test to look up.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 1000)
    >>> def flags(predictions):  # Thresholdout without noise and budget, T = 0.1
    ...     mean = float(np.mean(predictions == labels))
    ...     return 0.6 if abs(mean - 0.6) <= 0.1 else mean
    >>> outcome = straddle(flags, 1000, 1000, rng, guess=0.6)
    >>> bool(np.mean(outcome.predictions == labels) > 0.75)
    True
    """
    counter = _Counter(answer)
    vote = np.zeros(n)
    for _ in range(check_positive_int(queries, "queries")):
        labeling = generator.integers(0, 2, n)
        value = counter(labeling)
        if value is not None:
            vote += (1.0 if value == guess else -1.0) * (2 * labeling - 1)
    return counter.outcome(_majority(vote, generator), None)


def boosting(answer: AnswerFunction, n: int, queries: int, generator: np.random.Generator) -> AttackOutcome:
    """Submit random labelings to a leaderboard, then the majority of those whose loss on the board is below 1/2.

    Parameters
    ----------
    answer : callable
        The board: released loss of a submission. A board that shows the best so far counts where it moves.
    n, queries : int
        Rows, and submissions.
    generator : numpy.random.Generator
        The analyst's randomness.

    Returns
    -------
    AttackOutcome
        ``released`` is the board after the majority was submitted.

    References
    ----------
    Blum and Hardt (2015), arXiv 1502.04585, section 4.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> board = NaiveHoldout(rng.integers(0, 2, 4000), decimals=5, loss=True)
    >>> boosting(board, 4000, 400, rng).released < 0.45
    True
    """
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
    """Flip a block of labels and keep the flip where the board moves down.

    Parameters
    ----------
    answer : callable
        The board: released loss of a submission.
    n, queries : int
        Rows, and submissions.
    generator : numpy.random.Generator
        The analyst's randomness.
    block : int, default 1
        Labels flipped at a time; about ``2 sqrt(n)`` climbs the parameter-free ladder.

    Returns
    -------
    AttackOutcome
        ``released`` is the last value on the board.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> board = NaiveHoldout(rng.integers(0, 2, 1000), loss=True)
    >>> hill_climb(board, 1000, 1000, rng).released < 0.25
    True
    """
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
    """Ask the same question again and again and average the noise away.

    Parameters
    ----------
    answer : callable
        The holdout.
    predictions : array of shape (n,)
        The question.
    repeats : int
        Number of asks.

    Returns
    -------
    AttackOutcome
        ``released`` is the mean of what was answered.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.tile([0, 1], 50)
    >>> noisy = lambda predictions: 0.5 + rng.normal() * 0.1  # fresh noise for free
    >>> abs(averaging(noisy, labels, 1000).released - 0.5) < 0.02
    True
    """
    counter = _Counter(answer)
    values = [value for _ in range(repeats) if (value := counter(predictions)) is not None]
    return counter.outcome(predictions, float(np.mean(values)) if values else None)


def seed_replay(open_holdout: Callable[[], AnswerFunction], first: Int1D, second: Int1D) -> float | None:
    """Ask two questions of a holdout that is opened afresh for each, and subtract: replayed noise cancels.

    Parameters
    ----------
    open_holdout : callable
        Opens the holdout, as a restarted program would.
    first, second : array of shape (n,)
        The two questions.

    Returns
    -------
    float or None
        Difference of the two answers; None if one was refused.

    Examples
    --------
    >>> labels = np.array([0, 1, 0, 1])
    >>> def opened():
    ...     rng = np.random.default_rng(7)  # a fixed seed: the same noise after every restart
    ...     return lambda predictions: float(np.mean(predictions == labels)) + rng.normal()
    >>> round(seed_replay(opened, labels, 1 - labels), 12)
    1.0
    """
    a, b = open_holdout()(first), open_holdout()(second)
    return None if a is None or b is None else a - b


def restart(open_holdout: Callable[[], AnswerFunction], n: int, sessions: int, queries: int) -> int:
    """Open the holdout again and again and ask as much as it allows.

    Parameters
    ----------
    open_holdout : callable
        Opens the holdout, as a restarted program, a clone or a worker process would.
    n : int
        Rows.
    sessions, queries : int
        Number of openings, and of questions in each.

    Returns
    -------
    int
        Number of answers received in all sessions together.

    Examples
    --------
    >>> def opened():  # a budget of 3 that lives in the object
    ...     left = [3]
    ...     def answer(predictions):
    ...         left[0] -= 1
    ...         return 0.5 if left[0] >= 0 else None
    ...     return answer
    >>> restart(opened, 10, sessions=4, queries=5)
    12
    """
    answered = 0
    for _ in range(sessions):
        answer = open_holdout()
        answered += sum(answer(np.zeros(n, dtype=np.int64)) is not None for _ in range(queries))
    return answered
