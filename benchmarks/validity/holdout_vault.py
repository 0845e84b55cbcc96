"""The sealed vault after a search through the reusable part, beside the winner's score on an open holdout."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.validity.holdout_cases import (
    CoinCase,
    Replicate,
    coins,
    opened,
    ordinary_interval_covers,
    repeated,
    vote_of_answers,
    vote_of_exact_scores,
    within,
)
from benchmarks.validity.rows import Setting

VAULT = "the vault's interval after a search"
OPEN_SCORE = "ordinary interval of the winner on an open holdout"
N_CLUSTERED = 5


def vault_settings() -> Iterator[Setting]:
    """Votes built from answers, and winners of many candidates, by size of the vault."""
    for name, (replicate, case) in vault_cases().items():
        setting = f"vault, {name}"
        run = partial(repeated, VAULT, OPEN_SCORE, setting, replicate, case)
        yield Setting("holdout", setting, run, 24, 1000)


def vault_cases() -> dict[str, tuple[Replicate, CoinCase]]:
    """Return what is searched for, and in which holdout."""
    from validstats.holdout import squared_error

    cases: dict[str, tuple[Replicate, CoinCase]] = {}
    for n in (200, 400, 1000):
        for share in (0.2, 0.4, 0.6):
            cases[f"vote of 10, n = {n:,}, vault {share:.0%}"] = _vote, CoinCase(n, options={"vault": share})
    for accuracy in (0.5, 0.7, 0.9):
        for share in (0.3, 0.5):
            name = f"best of 30 with accuracy {accuracy}, vault {share:.0%}"
            cases[name] = _winner, CoinCase(300, accuracy, 30, {"vault": share})
    for mechanism in ("guess_and_check", "gaussian"):
        options = {"vault": 0.4, "mechanism": mechanism}
        cases[f"vote of 10, {mechanism}"] = _vote, CoinCase(options=options)
    cases["vote of 10, loss"] = _vote, CoinCase(options={"vault": 0.4, "metric": "error"})
    squares = {"vault": 0.4, "metric": squared_error(bound=1.0)}
    cases["best of 30 by squared error"] = _least_squares, CoinCase(300, candidates=30, options=squares)
    cases["best of 30, clusters of 5"] = _clusters, CoinCase(800, candidates=30, options={"vault": 0.4})
    return cases


def _vote(case: CoinCase, rng: np.random.Generator, level: float) -> tuple[bool, bool]:
    labels, predictions = coins(rng, case)
    holdout = opened(rng, labels, level, case)
    chosen = holdout.final(vote_of_answers(holdout, predictions, case))
    open_vote = vote_of_exact_scores(labels, predictions) == labels
    return within([chosen], 0.5), ordinary_interval_covers(open_vote, 0.5, level)


def _winner(case: CoinCase, rng: np.random.Generator, level: float) -> tuple[bool, bool]:
    labels, predictions = coins(rng, case)
    chosen = _final_of_best(opened(rng, labels, level, case), predictions)
    right = predictions == labels
    naive = ordinary_interval_covers(right[right.mean(axis=1).argmax()], case.accuracy, level)
    return within([chosen], case.accuracy), naive


def _least_squares(case: CoinCase, rng: np.random.Generator, level: float) -> tuple[bool, bool]:
    """Guesses of a uniform label that know nothing: the expected squared error is 1/6."""
    labels, predictions = rng.random(case.n), rng.random((case.candidates, case.n))
    chosen = _final_of_best(opened(rng, labels, level, case), predictions)
    errors = (predictions - labels) ** 2
    naive = ordinary_interval_covers(errors[errors.mean(axis=1).argmin()], 1 / 6, level)
    return within([chosen], 1 / 6), naive


def _clusters(case: CoinCase, rng: np.random.Generator, level: float) -> tuple[bool, bool]:
    """Rows of a cluster share their label and their predictions."""
    few = CoinCase(case.n // N_CLUSTERED, case.accuracy, case.candidates)
    labels, predictions = (np.repeat(part, N_CLUSTERED, axis=-1) for part in coins(rng, few))
    codes = np.repeat(np.arange(few.n), N_CLUSTERED)
    chosen = _final_of_best(opened(rng, labels, level, case, clusters=codes), predictions)
    right = predictions == labels
    naive = ordinary_interval_covers(right[right.mean(axis=1).argmax()], case.accuracy, level)
    return within([chosen], case.accuracy), naive


def _final_of_best(holdout: Any, predictions: np.ndarray) -> Any:
    return holdout.final(predictions[holdout.best(list(predictions)).winner])
