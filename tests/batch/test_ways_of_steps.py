"""The ways in which a user's step runs: on arrays, compiled, and one number after the other, with the same answers."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.batch.laws import compositional
from validstats.batch.laws.compositional import compositional_interval
from validstats.exceptions import SpeedWarning
from validstats.kernels.compositional import compositional_extreme

SCORES = np.sort(np.random.default_rng(0).exponential(size=25))


def add(j, accumulated, score):
    return accumulated + score


def largest(j, accumulated, score):
    return max(accumulated, score)


def told(j, accumulated, score):
    return accumulated + float(str(float(score)))


STEPS = {"vectorised": add, "compiled": largest, "plain": told}


@pytest.mark.parametrize("way", STEPS)
@pytest.mark.parametrize("bounds", [(0.0, 9.0), (-np.inf, np.inf)])
def test_every_way_gives_what_the_kernel_gives_in_plain_python(way, bounds, monkeypatch) -> None:
    found = compositional_interval(STEPS[way], SCORES, 4, "0.2", bounds=bounds)
    assert found.method.endswith(way)

    def kernel(step, start, scores, weights, m, budget, sign):
        value = float(compositional_extreme.py_func(step, start, scores, weights, m, budget, sign))
        return sign * np.inf if np.isnan(value) else value

    monkeypatch.setattr(compositional, "_extreme", kernel)
    expected = compositional_interval(STEPS[way], SCORES, 4, "0.2", bounds=bounds)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_step_that_treats_arrays_otherwise_is_not_run_on_arrays() -> None:
    def total_of_all(j, accumulated, score):
        return (
            accumulated + np.sum(score) * np.ones(np.shape(accumulated))
            if np.ndim(score)
            else accumulated + score
        )

    assert not compositional_interval(total_of_all, SCORES, 4, "0.2", bounds=(0, 9)).method.endswith(
        "vectorised"
    )


def test_a_slow_step_says_how_long_it_takes(monkeypatch) -> None:
    monkeypatch.setattr(compositional, "_PATIENCE", 0.0)
    with pytest.warns(SpeedWarning, match="will take about"):
        compositional_interval(told, SCORES, 4, "0.2", bounds=(0, 9), side="upper")
