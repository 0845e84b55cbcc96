"""Benchmarks of the holdout's ledger: one charge on disk, one question through the estimator, verification."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._runner import Spec
from validstats.holdout import Ledger, ReusableHoldout

N_CHARGES = 100


def specs(quick: bool = False) -> list[Spec]:
    """Return what is measured; ``quick`` keeps the sizes small."""
    folder = _own_folder()
    n_entries = 1_000 if quick else 10_000
    return [
        Spec(
            "holdout",
            f"{N_CHARGES} charges",
            N_CHARGES,
            {
                "validstats, ledger file, full sync": _charges(Ledger.create(folder / "charges.ledger")),
                "validstats, ledger in memory": _charges(Ledger.in_memory()),
                "append and fsync, no ledger": _plain_appends(folder / "plain.log"),
            },
            note="one transaction a charge",
        ),
        Spec(
            "holdout",
            f"{N_CHARGES} questions",
            N_CHARGES,
            {
                "validstats, ledger file, full sync": _questions(Ledger.create(folder / "questions.ledger")),
                "validstats, ledger in memory": _questions(Ledger.in_memory()),
                "naive mean": _naive_means(),
            },
            note="predictions of 2,000 rows, guess-and-check",
        ),
        Spec(
            "holdout",
            "verify the chain",
            n_entries,
            {"validstats, ledger file": _long_ledger(folder / "long.ledger", n_entries).verify},
        ),
    ]


def _own_folder() -> Path:
    """Make a folder on the local disk, with a state directory of its own, removed at exit."""
    folder = Path(tempfile.mkdtemp(prefix="validstats-benchmark-"))
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _charges(ledger: Ledger) -> Callable[[], int]:
    def run() -> int:
        for _ in range(N_CHARGES):
            with ledger.turn() as turn:
                turn.append("answer", nats=0.5, answer=0.75, half_width=0.05)
        return N_CHARGES

    return run


def _plain_appends(path: Path) -> Callable[[], int]:
    def run() -> int:
        with path.open("ab") as stream:
            for _ in range(N_CHARGES):
                stream.write(b"x" * 300)
                stream.flush()
                os.fsync(stream.fileno())
        return N_CHARGES

    return run


def _labels() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng()  # other rows each time: rows that have a ledger have no second one
    return generator.normal(size=(2_000, 5)), generator.integers(0, 2, 2_000)


def _questions(ledger: Ledger) -> Callable[[], int]:
    X, y = _labels()
    rh = ReusableHoldout(queries=10**6, mechanism="guess_and_check", ledger=ledger).calibrate(X, y)
    generator = np.random.default_rng(1)

    def run() -> int:
        for _ in range(N_CHARGES):
            rh.infer(generator.integers(0, 2, 2_000), guess=0.5)
        return N_CHARGES

    return run


def _naive_means() -> Callable[[], list[Any]]:
    _, y = _labels()
    generator = np.random.default_rng(1)
    return lambda: [(generator.integers(0, 2, 2_000) == y).mean() for _ in range(N_CHARGES)]


def _long_ledger(path: Path, n_entries: int) -> Ledger:
    ledger = Ledger.create(path)
    with ledger.turn() as turn:
        for _ in range(n_entries):
            turn.append("answer", nats=0.5, answer=0.75)
    return ledger
