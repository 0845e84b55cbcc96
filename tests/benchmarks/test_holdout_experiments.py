"""The mechanisms of the first papers, which are not part of the package: what they promise, and how they work."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.experiments.holdout_2014 import climb, largest_errors
from benchmarks.experiments.ladders import ParameterFreeLadder, ShakyLadder
from benchmarks.experiments.small_domain import MedianMechanism, PrivateMultiplicativeWeights
from tests.holdout import steps
from tests.holdout.steps import normal_noise, quiet
from tests.oracles import holdout as oracle
from validstats.holdout.mechanisms import mechanism

OPENINGS = {
    "parameter_free_ladder": {"queries": 6, "max_improvements": 2},
    "shaky_ladder": {"queries": 6},
    "private_multiplicative_weights": {"queries": 6, "failures": 2, "histogram": [60, 40]},
    "median_mechanism": {"queries": 6, "failures": 2, "histogram": [60, 40], "size": 5},
}
SIZES = {"parameter_free_ladder": 120, "shaky_ladder": 120}


def opened(name: str):
    return mechanism(name).initial_state(120, **OPENINGS[name])


@pytest.mark.parametrize("name", OPENINGS)
def test_they_step_like_every_mechanism(name) -> None:
    kind, size = mechanism(name), SIZES.get(name, 2)

    def values_of(rng: np.random.Generator) -> np.ndarray:
        return rng.random(size)

    steps.check_steps_are_pure(kind, opened(name), values_of)
    steps.check_bad_values(kind, opened(name), size)
    steps.check_nats_add_up(kind, opened(name), values_of)
    if kind.noisy:
        steps.check_noise_is_asked_for(kind, opened(name), values_of)
    if not kind.mixes:
        steps.check_it_shares_no_epoch(kind, opened(name), values_of)


def test_a_ladder_without_a_step_needs_a_cap_and_all_rows() -> None:
    with pytest.raises(ValueError, match="max_improvements"):
        ParameterFreeLadder.initial_state(100, queries=5)
    with pytest.raises(ValueError, match="120 rows"):
        ParameterFreeLadder.step(opened("parameter_free_ladder"), np.ones(5), noise=quiet)


def test_private_values_are_not_shown() -> None:
    state = ParameterFreeLadder.initial_state(4, queries=9, max_improvements=2)
    state, _ = ParameterFreeLadder.step(state, [0.0, 0.0, 0.0, 0.1875])
    assert "0.1875" not in repr(state)
    assert "histogram=" not in repr(opened("median_mechanism")).replace("private_histogram", "")


def test_ladders_never_go_up_and_a_cap_ends_the_climb() -> None:
    rng = np.random.default_rng(4)
    state = ParameterFreeLadder.initial_state(200, queries=60, max_improvements=3)
    best, boards = 1.0, []
    for i in range(60):
        losses = (rng.random(200) < 0.6 - 0.1 * min(i, 4)).astype(float)
        state, release = ParameterFreeLadder.step(state, losses)
        if release.value is None:
            break
        assert release.value <= best
        best = release.value
        boards.append(best)
    assert len(set(boards)) <= 4
    shaky = ShakyLadder.initial_state(400, queries=30, step=0.05)
    values = []
    for loss in np.linspace(0.9, 0.1, 30):
        shaky, release = ShakyLadder.step(shaky, float(loss), noise=normal_noise(3))
        values.append(release.value)
    assert values == sorted(values, reverse=True)


def test_a_capped_ladder_counts_its_transcripts() -> None:
    state = ParameterFreeLadder.initial_state(2, queries=3, max_improvements=1)
    assert math.exp(-state.log_weight) == pytest.approx(oracle.count_capped_ladder_nodes(3, 3, 1))


def test_multiplicative_weights_learn_the_histogram() -> None:
    histogram = np.array([500, 300, 150, 50])
    state = PrivateMultiplicativeWeights.initial_state(1_000, histogram=histogram, tolerance=0.05)
    rng, errors = np.random.default_rng(8), []
    for _ in range(400):
        query = (rng.random(4) < 0.5).astype(float)
        state, release = PrivateMultiplicativeWeights.step(state, query, noise=quiet)
        errors.append(abs(release.value - query @ histogram / 1_000))
    assert max(errors) <= 0.0375 + 1e-9
    assert np.abs(state.hypothesis - histogram / 1_000).max() < 0.05
    with pytest.raises(ValueError, match="4 cells"):
        PrivateMultiplicativeWeights.step(state, np.ones(3), noise=quiet)
    with pytest.raises(ValueError, match="at most 100,000 cells"):
        PrivateMultiplicativeWeights.initial_state(10, histogram=np.ones(100_001))


def test_the_median_mechanism_drops_what_does_not_agree() -> None:
    histogram = np.array([70, 20, 10])
    state = MedianMechanism.initial_state(100, histogram=histogram, size=20, tolerance=0.1)
    start = len(state.hypothesis)
    for query in np.eye(3):
        state, release = MedianMechanism.step(state, query, noise=quiet)
        assert abs(release.value - query @ histogram / 100) <= 0.075 + 1e-9
    assert 0 < len(state.hypothesis) < start == math.comb(22, 2)
    with pytest.raises(ValueError, match="more than 100,000"):
        MedianMechanism.initial_state(100, histogram=np.ones(20), size=20)


def test_small_domain_mechanisms_stay_within_their_tolerance() -> None:
    worst = largest_errors(rows=500, questions=12, seed=0)
    assert set(worst) == {"naive", "private_multiplicative_weights", "median_mechanism"}
    assert all(0 < error < 0.2 for error in worst.values())


def test_ladders_are_not_climbed_by_coin_flips() -> None:
    boards = climb(rows=300, submissions=60, seed=1)
    assert boards["naive"] < 0.47
    assert boards["parameter_free_ladder"] >= boards["naive"] and boards["ladder"] > boards["naive"] - 0.05
    assert all(board <= 0.5 for board in boards.values())
