"""Holdouts whose labels depend on nothing, and analysts who search through what is released of them.

Labels are fair coins, and a candidate is right about each row with a chance of its own, so that every score in the
population is known whatever is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.validity.rows import LEVELS, Row
from benchmarks.validity.seeds import seed_of


@dataclass(frozen=True)
class CoinCase:
    """Number of rows, chance to be right, number of candidates, and the options of the holdout."""

    n: int = 300
    accuracy: float = 0.5
    candidates: int = 10
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def guess(self) -> float | None:
        """A guess that fails, for mechanisms that check one."""
        return 0.0 if self.options.get("mechanism") == "guess_and_check" else None


Replicate = Callable[[CoinCase, np.random.Generator, float], tuple[bool, bool]]
"""Whether our statement and the naive one hold, in one draw at a level."""


def coins(rng: np.random.Generator, case: CoinCase) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels, and candidates in rows."""
    labels = rng.integers(0, 2, case.n)
    right = rng.random((case.candidates, case.n)) < case.accuracy
    return labels, np.where(right, labels, 1 - labels)


def opened(rng: np.random.Generator, labels: np.ndarray, level: float, case: CoinCase, **more: Any) -> Any:
    """Open a holdout with a ledger in memory whose noise repeats."""
    from validstats.holdout import Ledger, ReusableHoldout

    options = {"mechanism": "description_length", "queries": case.candidates + 5, **case.options}
    if options["mechanism"] != "guess_and_check":
        options["guess"] = None
    ledger = Ledger.in_memory(secret=rng.bytes(32))
    holdout = ReusableHoldout(ledger=ledger, confidence_level=level, **options)
    X = rng.normal(size=(len(labels), 1))
    return holdout.calibrate(X, labels, check_reuse=False, **more)


def vote(answers: Any, predictions: np.ndarray, middle: float = 0.5) -> np.ndarray:
    """Add each labelling with the sign of its answer, and take the majority."""
    signs = np.where(np.asarray(answers, dtype=float) > middle, 1.0, -1.0)
    chosen: np.ndarray = ((2 * predictions - 1) * signs[:, None]).sum(axis=0) > 0
    return chosen.astype(int)


def vote_of_answers(holdout: Any, predictions: np.ndarray, case: CoinCase) -> np.ndarray:
    """Ask for every score, and vote by what was answered."""
    answers = [float(holdout.infer(p, guess=case.guess)) for p in predictions]
    loss = case.options.get("metric") == "error"
    return vote(1.0 - np.array(answers) if loss else answers, predictions)


def vote_of_exact_scores(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Vote by scores of an open holdout."""
    return vote((predictions == labels).mean(axis=1), predictions)


def ordinary_interval_covers(values: np.ndarray, truth: float, level: float) -> bool:
    """Whether the interval for a question fixed beforehand holds the truth."""
    error = float(np.std(values)) / np.sqrt(len(values))
    return bool(abs(float(np.mean(values)) - truth) <= stats.norm.isf((1 - level) / 2) * error + 1e-12)


def within(answers: Any, truth: float) -> bool:
    """Whether every answer's interval holds the truth."""
    return all(a.bounds is None or a.bounds[0] - 1e-12 <= truth <= a.bounds[1] + 1e-12 for a in answers)


def repeated(
    guarantee: str, naive: str, name: str, replicate: Replicate, case: CoinCase, replicates: int
) -> list[Row]:
    """Return a row a level; everything is drawn afresh at each level."""
    rows = []
    for level in LEVELS:
        rng = np.random.default_rng([seed_of(name), round(1000 * level)])
        held = np.array([replicate(case, rng, level) for _ in range(replicates)])
        ours, wrong = (int(count) for count in held.sum(axis=0))
        rows.append(Row("holdout", guarantee, name, level, ours, replicates, naive, wrong, replicates))
    return rows
