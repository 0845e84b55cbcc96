"""The kernel of Thresholdout against the slow oracle, the step function, and its own Python body."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.oracles import holdout as oracle
from validstats.holdout.mechanisms import Thresholdout
from validstats.kernels.thresholdout import thresholdout_path

GOLDEN = json.loads((Path(__file__).parents[1] / "holdout" / "golden" / "holdout.json").read_text())


def run(kernel, train, holdout, threshold, budget, gamma, eta, xi):
    released = np.empty(len(train))
    arrays = [np.asarray(a, dtype=np.float64) for a in (train, holdout, gamma, eta, xi)]
    used = kernel(arrays[0], arrays[1], threshold, budget, arrays[2], arrays[3], arrays[4], released)
    return used, released


@pytest.mark.parametrize("kernel", [thresholdout_path, thresholdout_path.py_func], ids=["compiled", "python"])
def test_golden_case(kernel) -> None:
    data = GOLDEN["thresholdout_injected_noise"]
    arguments = [data[name] for name in ("train", "holdout", "T", "B", "gamma", "eta", "xi")]
    used, released = run(kernel, *arguments)
    assert used == data["B"]
    for value, (expected, _, _) in zip(released, data["expected"], strict=True):
        assert math.isnan(value) if expected == "EXHAUSTED" else value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_against_the_oracle_and_the_step(seed) -> None:
    rng = np.random.default_rng(seed)
    k, budget = 120, int(rng.integers(1, 30))
    train, holdout = rng.uniform(0.3, 0.7, (2, k))
    gamma, xi = rng.laplace(scale=0.02, size=k + 1), rng.laplace(scale=0.01, size=k)
    eta = rng.laplace(scale=0.04, size=k)
    used, released = run(thresholdout_path, train, holdout, 0.2, budget, gamma, eta, xi)
    slow = oracle.thresholdout(train, holdout, 0.2, budget, gamma, eta, xi)
    assert used == sum(bool(overfit) for _, overfit, _ in slow)
    np.testing.assert_allclose(released, [math.nan if value is None else value for value, _, _ in slow])

    lists = {"threshold": iter(gamma / 0.02), "comparison": iter(eta / 0.04), "answer": iter(xi / 0.01)}
    state = Thresholdout.initial_state(
        1_000, queries=k, overfits=budget, tolerance=1.0, threshold=0.2, sigma=0.01
    )
    for i in range(k):
        state, release = Thresholdout.step(
            state, train[i] * 0 + holdout[i], guess=train[i], noise=lambda role, law: float(next(lists[role]))
        )
        if release.value is None:
            assert math.isnan(released[i])
        else:
            assert release.value == pytest.approx(min(max(released[i], 0.0), 1.0), abs=1e-12)


def test_one_specialisation() -> None:
    zeros = np.zeros(3)
    run(thresholdout_path, zeros, zeros, 0.1, 1, zeros, zeros, zeros)
    dispatcher = thresholdout_path.dispatcher
    assert len(getattr(dispatcher, "signatures", [None])) == 1
