"""A process that asks a ledger until it is killed, shared by the fast and the slow lane."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Callable

import numpy as np

from validstats.holdout import Ledger, ReusableHoldout


def ask_until_killed(ask: Callable[[], int], n_answers: int, seconds: float) -> list[int]:
    """Fork, let the child ask, kill it some time after so many answers, and return the indices it got out."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, struct.pack("<q", -1))
            while True:
                os.write(writing, struct.pack("<q", ask()))
        finally:
            os._exit(1)
    os.close(writing)
    os.read(reading, 8)
    raw = b"".join(os.read(reading, 8) for _ in range(n_answers))
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while chunk := os.read(reading, 1 << 16):
        raw += chunk
    os.close(reading)
    return [index for (index,) in struct.iter_unpack("<q", raw[: len(raw) // 8 * 8])]


def charging(ledger: Ledger) -> Callable[[], int]:
    """Ask by charging the ledger, and nothing else."""

    def ask() -> int:
        with ledger.turn() as turn:
            entry = turn.append("answer", nats=0.25, answer=0.5, half_width=0.1)
        return entry.idx

    return ask


def inferring(ledger: Ledger) -> Callable[[], int]:
    """Ask a holdout for the accuracy of predictions that it was not asked about before."""
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(200, 1)), generator.integers(0, 2, 200)
    rh = ReusableHoldout(queries=10_000, mechanism="gaussian", guess=None, ledger=ledger).calibrate(X, y)

    def ask() -> int:
        predictions = np.random.default_rng(len(ledger)).integers(0, 2, 200)
        return rh.infer(predictions).index

    return ask


def crash_repeatedly(
    path, n_kills: int, seed: int, asking: Callable[[Ledger], Callable[[], int]] = charging
) -> tuple[int, int]:
    """Kill a querying process again and again; return the answers given and the charges on record."""
    ledger = Ledger.create(path)
    ask = asking(ledger)
    generator = np.random.default_rng(seed)
    given: list[int] = []
    for _ in range(n_kills):
        given += ask_until_killed(ask, int(generator.integers(0, 4)), float(generator.uniform(0.0, 0.004)))
        check = ledger.verify()
        paid = {e.idx: e.nats + e.mu_squared for e in ledger.entries() if e.release == "answer"}
        assert set(given) <= set(paid) and min(paid.values(), default=1.0) > 0
        assert abs(check.nats + check.mu_squared - sum(paid.values())) < 1e-9
    assert len(given) == len(set(given))
    Ledger.open(path).verify()
    return len(given), len(paid)
