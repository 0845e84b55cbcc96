"""Winners, differences, boards and bits after a search, beside ordinary statements about an open holdout."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy import stats

from benchmarks.validity.holdout_cases import (
    CoinCase,
    Replicate,
    coins,
    opened,
    ordinary_interval_covers,
    repeated,
    vote,
    vote_of_answers,
    vote_of_exact_scores,
    within,
)
from benchmarks.validity.rows import Setting

RELEASES = "winners, differences, boards and bits are true"
OPEN_STATEMENT = "ordinary interval or test on an open holdout"
EXACT = "description_length"
CHECKED = "guess_and_check"
NOISY = "gaussian"


def release_settings() -> Iterator[Setting]:
    """Each release after a search that only it, or plain answers, could steer."""
    for name, (replicate, case) in release_cases().items():
        run = partial(repeated, RELEASES, OPEN_STATEMENT, name, replicate, case)
        yield Setting("holdout", name, run, 24, 1000)


def release_cases() -> dict[str, tuple[Replicate, CoinCase]]:
    """Return what is released, and of which holdout."""
    cases: dict[str, tuple[Replicate, CoinCase]] = {}
    for accuracy, candidates in ((0.5, 5), (0.5, 30), (0.8, 30)):
        case = CoinCase(300, accuracy, candidates)
        cases[f"best of {candidates} with accuracy {accuracy}"] = _best, case
    noisy = {"mechanism": NOISY, "queries": 10}
    cases["best of 10, gaussian"] = _best, CoinCase(300, 0.5, 10, noisy)
    for mechanism in (EXACT, CHECKED, NOISY):
        cases[f"differences to a vote, {mechanism}"] = _compare, _case(mechanism, queries=20)
        cases[f"bits about votes, {mechanism}"] = _bits, _case(mechanism, queries=20)
        cases[f"bits about gains of a vote, {mechanism}"] = _gains, _case(mechanism, queries=20)
    for mechanism in (EXACT, CHECKED):
        cases[f"board of votes, {mechanism}"] = _board, _case(mechanism)
        cases[f"board of 40 guesses, {mechanism}"] = _board, CoinCase(300, 0.5, 40, {"mechanism": mechanism})
    cases["board with accuracy 0.7"] = _plain_board, CoinCase(300, 0.7, 30)
    cases["bits about votes, n = 1,000"] = _bits, CoinCase(1000, options={"queries": 20})
    cases["differences to a vote, n = 1,000"] = _compare, CoinCase(1000, options={"queries": 20})
    return cases


def _case(mechanism: str, **options: int) -> CoinCase:
    return CoinCase(options={"mechanism": mechanism, **options})


def _best(case: CoinCase, rng: np.random.Generator, level: float) -> tuple[bool, bool]:
    labels, predictions = coins(rng, case)
    answer = opened(rng, labels, level, case).best(list(predictions))
    right = predictions == labels
    naive = ordinary_interval_covers(right[right.mean(axis=1).argmax()], case.accuracy, level)
    return within([answer], case.accuracy), naive


def _compare(case: CoinCase, rng: np.random.Generator, level: float) -> tuple[bool, bool]:
    """A vote built from answers against two of its voters turned over."""
    labels, predictions = coins(rng, case)
    holdout = opened(rng, labels, level, case)
    ours, others = vote_of_answers(holdout, predictions, case), 1 - predictions[:2]
    answers = [holdout.compare(ours, other) for other in others]
    naive = vote_of_exact_scores(labels, predictions) == labels
    gains = [naive.astype(float) - (other == labels) for other in others]
    return within(answers, 0.0), all(ordinary_interval_covers(gain, 0.0, level) for gain in gains)


def _bits(case: CoinCase, rng: np.random.Generator, level: float) -> tuple[bool, bool]:
    """A yes to "more than one half" about votes is wrong; the claim is a little above it."""
    labels, predictions = coins(rng, case)
    holdout = opened(rng, labels, level, case)
    chosen = vote_of_answers(holdout, predictions, case)
    passed = [holdout.validate(p, at_least=0.501).passed for p in (chosen, 1 - chosen, predictions[0])]
    naive = vote_of_exact_scores(labels, predictions) == labels
    return not any(passed), not _claimed(naive - 0.5, level)


def _gains(case: CoinCase, rng: np.random.Generator, level: float) -> tuple[bool, bool]:
    """A yes to "the vote is better" is wrong."""
    labels, predictions = coins(rng, case)
    holdout = opened(rng, labels, level, case)
    chosen, other = vote_of_answers(holdout, predictions, case), 1 - predictions[0]
    passed = holdout.validate_gain(chosen, other, at_least=0.001).passed
    naive = (vote_of_exact_scores(labels, predictions) == labels).astype(float) - (other == labels)
    return not passed, not _claimed(naive, level)


def _board(case: CoinCase, rng: np.random.Generator, level: float) -> tuple[bool, bool]:
    """Guesses that improve the board are voted for, the others against."""
    labels, predictions = coins(rng, case)
    board = opened(rng, labels, level, case).leaderboard(baseline=0.5)
    answers = [board.submit(p) for p in predictions]
    improved = [float(bool(answer.passed)) for answer in answers]
    answers.append(board.submit(vote(improved, predictions)))
    naive = vote_of_exact_scores(labels, predictions) == labels
    return within(answers, 0.5), ordinary_interval_covers(naive, 0.5, level)


def _plain_board(case: CoinCase, rng: np.random.Generator, level: float) -> tuple[bool, bool]:
    labels, predictions = coins(rng, case)
    board = opened(rng, labels, level, case).leaderboard()
    answers = [board.submit(p) for p in predictions]
    right = predictions == labels
    naive = ordinary_interval_covers(right[right.mean(axis=1).argmax()], case.accuracy, level)
    return within(answers, case.accuracy), naive


def _claimed(values: np.ndarray, level: float) -> bool:
    """Whether a one-sided test of a mean of zero rejects."""
    error = float(np.std(values)) / np.sqrt(len(values))
    return bool(float(np.mean(values)) > stats.norm.isf(1 - level) * error)
