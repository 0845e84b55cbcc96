"""Shapes of envelopes and sharper curves of false claims."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import batch as oracle
from validstats.batch import weight_test
from validstats.batch.laws import count_is_preferred, false_claim_curve, interpolated_curve, rank_envelope

SHAPES = ("equal", "largest", "simes")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", ["upper", "two-sided"])
@pytest.mark.parametrize(("n", "m"), [(6, 3), (5, 4), (8, 2)])
def test_every_shape_keeps_its_probability_by_enumeration(n, m, side, shape) -> None:
    band = rank_envelope(n, m, 0.3, side, shape=shape)
    exact = oracle.probability(n, m, lambda r: all(a <= k <= b for a, k, b in zip(band.lower, r, band.upper)))
    assert float(exact) == pytest.approx(band.probability, abs=1e-12)
    assert exact >= 0.7


def test_shapes_put_their_sharpness_where_they_say() -> None:
    bands = {shape: rank_envelope(5000, 100, 0.1, "upper", shape=shape) for shape in SHAPES}
    last = {shape: int(band.upper[-1]) for shape, band in bands.items()}
    middle = {shape: int(band.upper[60]) for shape, band in bands.items()}
    assert last["largest"] < last["equal"] and middle["largest"] > middle["equal"]
    assert all((np.diff(band.upper) >= 0).all() for band in bands.values())


def test_the_simes_shape_limits_p_values_by_a_multiple_of_their_order() -> None:
    n, m = 400, 30
    band = rank_envelope(n, m, 0.1, "upper", shape="simes")
    k = np.arange(m, 0, -1)
    smallest_p = (n + 2 - band.upper) / (n + 1)
    assert (smallest_p >= band.local_level * k / m - 1e-9).all() or (band.upper == n + 1).any()
    assert band.probability >= 0.9


def test_interpolated_bounds_hold_whenever_the_plain_ones_do() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        predictions = np.sort(rng.random(12))[::-1]
        false = rng.random(12) < 0.5
        truth = np.cumsum(false)
        most = truth + rng.integers(0, 4, size=12)
        sharper = interpolated_curve(np.arange(1, 13), most)
        assert (truth <= sharper).all() and (sharper <= np.minimum(most, np.arange(1, 13))).all()
        assert predictions.size == sharper.size
    assert false_claim_curve(np.array([0.1, 0.4, np.inf]), np.array([0.0, 0.4])).tolist() == [3, 1]


def test_labels_are_counted_unless_training_says_that_features_inform() -> None:
    assert count_is_preferred(400, 100, 0.1, 0.3, None)
    assert count_is_preferred(400, 100, 0.1, 0.3, 0.458)
    assert not count_is_preferred(400, 100, 0.1, 0.3, 0.1)
    gain = [sd for sd in np.linspace(0.17, 0.01, 50) if not count_is_preferred(400, 100, 0.1, 0.03, sd)]
    assert 0 < gain[0] < 0.13  # rare labels need a larger gain than moderate ones


@pytest.mark.parametrize("power", [0.0, 0.5, 2.0])
def test_wrong_weights_are_noticed_and_right_ones_are_not(power) -> None:
    noticed = {"right": 0, "wrong": 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        past, new = rng.normal(size=(1000, 2)), rng.normal(size=(300, 2)) + [0.5, 0.0]
        ratio = np.exp(0.5 * past[:, 0] - 0.125)
        noticed["right"] += weight_test(past, ratio, new).p_value <= 0.05
        noticed["wrong"] += weight_test(past, ratio**power, new).p_value <= 0.05
    assert noticed["right"] <= 8
    assert noticed["wrong"] >= 48
    scaled = weight_test(past, 3 * ratio, new)
    assert scaled.mean_p_value < 1e-6 and scaled.p_value == pytest.approx(
        weight_test(past, ratio, new).p_value
    )
