"""The holdout's mechanisms: Thresholdout over a million queries, plans, single steps; peers' noise beside ours.

The peers (diffprivlib, opendp) run in environments of their own (see ``benchmarks/_peers.py``); without them they are
reported as failed. They draw fewer numbers than ours, since they are slower.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import holdout_ledger
from benchmarks._peers import LazyPeer, server
from benchmarks._runner import Spec
from validstats.holdout.mechanisms import GuessAndCheck, Thresholdout
from validstats.holdout.planning import plan
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
        return plan(next(sizes), 1_000, failures=10, rounds=3, release="bit").half_width

    return call


def cached_plan() -> float:
    """A plan that was made before."""
    return plan(5_000, 1_000, failures=10, rounds=3, release="guess").half_width


def steps_of(kind: Any, state: Any, count: int) -> Callable[[], Any]:
    """A run of single steps."""
    rng = np.random.default_rng(1)
    means = np.clip(rng.normal(0.5, 0.01, count), 0, 1).tolist()

    def call() -> Any:
        present = state
        for mean in means:
            present, release = kind.step(
                present, mean, guess=0.5, noise=lambda role, law: float(rng.laplace())
            )
        return release

    return call


def specs(quick: bool = False) -> list[Spec]:
    """Return what is measured."""
    queries = 20_000 if quick else 1_000_000
    train, holdout = query_means(queries)
    rng = np.random.default_rng(2)
    thousand, peer_draws = 1_000, min(queries, 20_000)
    few = query_means(peer_draws)
    experiment = Experiment(n=1_000, d=1_000, feature_counts=(0, 50, 100)) if quick else Experiment()
    return [
        Spec(
            "holdout",
            "Thresholdout on given means",
            queries,
            {
                "validstats": lambda: thresholdout_with_noise(train, holdout, rng),
                "validstats, Python": lambda: thresholdout_in_python(train, holdout, rng),
            },
            repeats=3,
            note="noise drawing included",
        ),
        Spec(
            "holdout",
            "one Laplace draw a query",
            peer_draws,
            {
                "validstats, Thresholdout": lambda: thresholdout_with_noise(*few, rng),
                **{
                    name: LazyPeer(name, program, {"size": np.array(peer_draws)}).task("run")
                    for name, program in PEER_NOISE.items()
                },
            },
            repeats=3,
            note="the peers draw noise only",
        ),
        Spec("holdout", "plan, never made before", 5_000, {"validstats": fresh_plan()}, repeats=9),
        Spec("holdout", "plan, cached", 5_000, {"validstats": cached_plan}, repeats=9),
        Spec(
            "holdout",
            "single steps of guess-and-check",
            thousand,
            {
                "validstats": steps_of(
                    GuessAndCheck, GuessAndCheck.initial_state(5_000, queries=thousand, failures=10), thousand
                ),
                "validstats, Hoeffding intervals": steps_of(
                    GuessAndCheck,
                    GuessAndCheck.initial_state(5_000, queries=thousand, failures=10, interval="hoeffding"),
                    thousand,
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
                    Thresholdout.initial_state(5_000, queries=thousand, failures=10, tolerance=0.2),
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
