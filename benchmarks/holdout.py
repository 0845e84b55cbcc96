"""The holdout's mechanisms: Thresholdout over a million queries, plans, single steps; peers' noise beside ours.

The peers (diffprivlib, opendp) run in environments of their own (see ``benchmarks/_peers.py``); without them they are
reported as failed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks import holdout_ledger
from benchmarks._peers import LazyPeer, server
from benchmarks._runner import Implementations, Spec
from validstats.holdout import Ledger, ReusableHoldout
from validstats.holdout.mechanisms import GuessAndCheck, Thresholdout
from validstats.holdout.planner import plan
from validstats.kernels.thresholdout import thresholdout_path
from validstats.validity.science2015 import Experiment, simulate_in_law

PEER_NOISE = {
    "diffprivlib": server("""
from diffprivlib.mechanisms import Laplace
draw = Laplace(epsilon=1, sensitivity=1).randomise
def run():
    for _ in range(int(data["size"])):
        draw(0.5)
tasks = {"run": run}
"""),
    "opendp": server("""
import opendp.prelude as dp
dp.enable_features("contrib")
space = dp.vector_domain(dp.atom_domain(T=float, nan=False)), dp.l1_distance(T=float)
draw = dp.m.make_laplace(*space, scale=1.0)
values = [0.5] * int(data["size"])
def run():
    draw(values)
tasks = {"run": run}
"""),
}
"""Peer -> its program: one Laplace draw a query, without any comparison, budget or threshold: less than Thresholdout does."""

PEER_MEAN = {
    "diffprivlib": server("""
from diffprivlib.tools import mean
def run():
    return {"answer": float(mean(data["y"] == data["predictions"], epsilon=1, bounds=(0, 1)))}
tasks = {"run": run}
"""),
    "opendp": server("""
import opendp.prelude as dp
dp.enable_features("contrib")
n = len(data["y"])
space = dp.vector_domain(dp.atom_domain(bounds=(0.0, 1.0), nan=False), size=n), dp.symmetric_distance()
release = space >> dp.t.then_mean() >> dp.m.then_laplace(scale=1.0 / n)
def run():
    return {"answer": release((data["y"] == data["predictions"]).astype(float))}
tasks = {"run": run}
"""),
}
"""Peer -> its program: one private mean, without a ledger, a fingerprint of the rows or a bound for further questions."""

GROWTH_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


def query_means(queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and holdout means of queries of which one in a thousand overfits."""
    rng = np.random.default_rng(0)
    holdout = rng.normal(0.5, 0.005, queries)
    train = holdout + rng.normal(0, 0.005, queries) + 0.5 * (rng.random(queries) < 1e-3)
    return train, holdout


def thresholdout_with_noise(
    train: np.ndarray, holdout: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Thresholdout with budget and persistent threshold noise: draw everything, then one pass."""
    scale, k = 0.005, train.size
    gamma, xi = generator.laplace(scale=2 * scale, size=k), generator.laplace(scale=scale, size=k)
    eta = generator.laplace(scale=4 * scale, size=k)
    released = np.empty(k)
    thresholdout_path(train, holdout, 0.2, k, gamma, eta, xi, released)
    return released


def thresholdout_in_python(
    train: np.ndarray, holdout: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """The same with the kernel's undecorated body."""
    scale, k = 0.005, train.size
    gamma, xi = generator.laplace(scale=2 * scale, size=k), generator.laplace(scale=scale, size=k)
    eta = generator.laplace(scale=4 * scale, size=k)
    released = np.empty(k)
    thresholdout_path.py_func(train, holdout, 0.2, k, gamma, eta, xi, released)
    return released


def fresh_plan() -> Callable[[], Any]:
    """A plan for numbers that were never planned before, in every call."""
    sizes = itertools.count(5_000)

    def call() -> float:
        return plan(next(sizes), 1_000, overfits=10, rounds=3, release="bit").half_width

    return call


def cached_plan() -> float:
    """A plan that was made before."""
    return plan(5_000, 1_000, overfits=10, rounds=3, release="guess").half_width


def steps_of(kind: Any, state: Any, count: int, rows: int | None = None) -> Callable[[], Any]:
    """A run of single steps, from means, or from 0/1 values of so many rows."""
    rng = np.random.default_rng(1)
    means: Any = np.clip(rng.normal(0.5, 0.01, count), 0, 1).tolist()
    if rows is not None:
        means = (rng.random((count, rows)) < 0.5).astype(float)

    def call() -> Any:
        present = state
        for mean in means:
            present, release = kind.step(
                present, mean, guess=0.5, noise=lambda role, law: float(rng.laplace())
            )
        return release

    return call


def draw_implementations(queries: int) -> Implementations:
    """Answer every query by Thresholdout, and draw as many numbers from the peers' mechanisms."""
    means, rng = query_means(queries), np.random.default_rng(2)
    labels, predictions = np.random.default_rng(3).integers(0, 2, (2, 2_000))
    ledger = Ledger.in_memory(secret=b"benchmark")
    holdout = cache(lambda: ReusableHoldout(queries=10**6, ledger=ledger).calibrate(labels[:, None], labels))

    def public() -> Any:
        for _ in range(queries):
            answer = holdout().infer(predictions, guess=0.5)
        return answer

    peers = {
        name: LazyPeer(name, program, {"size": np.array(queries)}).task("run")
        for name, program in PEER_NOISE.items()
    }
    return {
        "validstats, default": public,
        "validstats, Thresholdout on means": lambda: thresholdout_with_noise(*means, rng),
        "validstats, the same in Python": lambda: thresholdout_in_python(*means, rng),
        **peers,
    }


def draw_spec(queries: int) -> Spec:
    """Growth with the number of queries."""
    return Spec(
        "holdout",
        "one noisy answer a query",
        queries,
        partial(draw_implementations, queries),
        repeats=3,
        note="the default reads the predictions of 2,000 rows and records each answer; the others are given means, the peers "
        "draw noise only",
        limit_seconds=60,
    )


def answer_implementations(n: int) -> Implementations:
    """Lock n labels away and answer one question about them."""
    rng = np.random.default_rng(n)
    y, predictions = rng.integers(0, 2, (2, n))
    X = rng.normal(size=(n, 5))

    def calibrated() -> Any:
        # a ledger of a simulation: the same rows are opened again and again
        ledger = Ledger.in_memory(secret=b"benchmark")
        holdout = ReusableHoldout(queries=100, ledger=ledger)
        return holdout.calibrate(X, y)

    locked = cache(calibrated)
    data = {"y": y, "predictions": predictions}
    peers = {name: LazyPeer(name, program, data).task("run") for name, program in PEER_MEAN.items()}
    return {
        "validstats, default": lambda: calibrated().infer(predictions, guess=0.5),
        "validstats, answer": lambda: locked().infer(predictions, guess=0.5),
        **peers,
        "naive mean": lambda: (y == predictions).mean(),
    }


def answer_spec(n: int) -> Spec:
    """Growth with the rows of the holdout."""
    return Spec(
        "holdout",
        "one answered question",
        n,
        partial(answer_implementations, n),
        repeats=3,
        note="the default reads and fingerprints all rows, opens a ledger in memory and answers; the peers release one private "
        "mean and keep no record",
    )


def specs(quick: bool = False) -> list[Spec]:
    """Return what is measured."""
    sizes = GROWTH_SIZES[:2] if quick else GROWTH_SIZES
    rng = np.random.default_rng(2)
    thousand = 1_000
    experiment = Experiment(n=1_000, d=1_000, feature_counts=(0, 50, 100)) if quick else Experiment()
    return [
        *map(draw_spec, sizes[:2]),
        *map(answer_spec, sizes),
        Spec("holdout", "plan, never made before", 5_000, {"validstats": fresh_plan()}, repeats=9),
        Spec("holdout", "plan, cached", 5_000, {"validstats": cached_plan}, repeats=9),
        Spec(
            "holdout",
            "single steps of guess-and-check",
            thousand,
            {
                "validstats": steps_of(
                    GuessAndCheck,
                    GuessAndCheck.initial_state(5_000, queries=thousand),
                    thousand,
                    rows=5_000,
                ),
            },
        ),
        Spec(
            "holdout",
            "single steps of Thresholdout",
            thousand,
            {
                "validstats": steps_of(
                    Thresholdout,
                    Thresholdout.initial_state(5_000, queries=thousand, overfits=10, tolerance=0.2),
                    thousand,
                )
            },
        ),
        Spec(
            "holdout",
            "Science 2015, exactly in law, 20 repetitions",
            experiment.n,
            {"validstats": lambda: [simulate_in_law(experiment, rng) for _ in range(20)]},
            repeats=3,
        ),
        *holdout_ledger.specs(quick=quick),
    ]
