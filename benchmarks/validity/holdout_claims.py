"""Claims that are chosen after looking: the share of false ones among the confirmed, beside naive e-values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.validity.holdout_cases import (
    CoinCase,
    Replicate,
    coins,
    opened,
    repeated,
    vote_of_answers,
    vote_of_exact_scores,
)
from benchmarks.validity.rows import Setting

CLAIMS = "share of false claims among the confirmed, as a chance"
NAIVE_CLAIMS = "e-values that ignore the search"


def claim_settings() -> Iterator[Setting]:
    """Votes built from answers, by mechanism, rows, number of answers, and true claims beside them."""
    for name, (replicate, case) in claim_cases().items():
        run = partial(repeated, CLAIMS, NAIVE_CLAIMS, name, replicate, case)
        yield Setting("holdout", name, run, 24, 1000)


def claim_cases() -> dict[str, tuple[Replicate, CoinCase]]:
    """Return which claims are made, and about which holdout."""
    cases: dict[str, tuple[Replicate, CoinCase]] = {}
    for mechanism in ("description_length", "guess_and_check"):
        told = f"claims after a search, {mechanism}"
        for answers in (5, 15, 25):
            for n_true in (0, 2):
                name = f"{told}, {answers} answers, {n_true} true claims"
                cases[name] = partial(_claims, n_true=n_true), _case(mechanism, 300, answers)
        cases[f"{told}, n = 100"] = partial(_claims, n_true=0), _case(mechanism, 100, 15)
        cases[f"{told}, n = 1,000"] = partial(_claims, n_true=1), _case(mechanism, 1000, 15)
        cases[f"{told}, loss"] = partial(_claims, n_true=0), _case(mechanism, 300, 15, metric="error")
        cases[f"{told}, 5 true claims"] = partial(_claims, n_true=5), _case(mechanism, 300, 15)
    return cases


def _case(mechanism: str, n: int, answers: int, **options: str) -> CoinCase:
    return CoinCase(n, 0.5, answers, {"mechanism": mechanism, **options})


def _claims(case: CoinCase, rng: np.random.Generator, level: float, n_true: int) -> tuple[bool, bool]:
    """Models that know most labels, a vote that overfits, and the vote in another order of the rows."""
    from validstats.holdout import betting_e_value, e_bh

    labels, predictions = coins(rng, case)
    rate = round(1 - level, 10)
    holdout = opened(rng, labels, level, case)
    knowing = np.where(rng.random((n_true, case.n)) < 0.97, labels, 1 - labels)
    chosen = vote_of_answers(holdout, predictions, case)
    found = holdout.discover([*knowing, chosen, chosen[::-1]], at_least=0.5, false_discovery_rate=rate)
    open_vote = vote_of_exact_scores(labels, predictions)
    rows = [(p == labels).astype(float) for p in (*knowing, open_vote, open_vote[::-1])]
    naive = e_bh(np.array([betting_e_value(values, 0.5) for values in rows]), rate)
    coin = rng.random()
    return coin >= _false_share(found.confirmed, n_true), coin >= _false_share(naive.rejected, n_true)


def _false_share(confirmed: np.ndarray, n_true: int) -> float:
    return float(confirmed[n_true:].sum() / max(1, confirmed.sum()))
