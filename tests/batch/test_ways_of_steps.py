"""The ways in which a user's step runs: on arrays, compiled, and one number after the other, with the same answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.checks import in_turn
from validstats.batch.laws import compositional_interval
from validstats.exceptions import SpeedWarning

SCORES = np.sort(np.random.default_rng(0).exponential(size=9))


def add(j, accumulated, score):
    return accumulated + score


def largest(j, accumulated, score):
    return max(accumulated, score)


def told(j, accumulated, score):
    return accumulated + float(str(float(score)))


STEPS = {"vectorised": add, "compiled": largest, "plain": told}


def extreme_by_enumeration(step, padded, weights, m, budget, sign):
    """Extreme of the function over all rank vectors whose weights sum to at most a budget."""
    values = []
    for ranks in itertools.combinations_with_replacement(range(weights.size), m):
        if weights[list(ranks)].sum() <= budget:
            accumulated = 0.0
            for j, r in enumerate(ranks, start=1):
                accumulated = step(j, accumulated, float(padded[r]))
            values.append(accumulated)
    return sign * max(sign * np.array(values))


@pytest.mark.parametrize(("way", "m"), in_turn(list(STEPS), [2, 4]))
def test_every_way_gives_the_extreme_over_all_rank_vectors(way, m) -> None:
    weights = np.arange(SCORES.size + 1)
    found = compositional_interval(STEPS[way], SCORES, m, "0.2", weights=weights, bounds=(0.0, 9.0))
    assert found.method.endswith(way)
    upper, lower = np.append(SCORES, 9.0), np.append(0.0, SCORES)
    assert found.high == pytest.approx(
        extreme_by_enumeration(STEPS[way], upper, weights, m, found.q_upper, 1)
    )
    spare = weights.max() - weights
    slack = m * weights.max() - found.q_lower
    assert found.low == pytest.approx(extreme_by_enumeration(STEPS[way], lower, spare, m, slack, -1))


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
    monkeypatch.setattr("validstats.batch.laws.compositional._PATIENCE", 0.0)
    with pytest.warns(SpeedWarning, match="will take about"):
        compositional_interval(told, SCORES, 4, "0.2", bounds=(0, 9), side="upper")
