"""Whole batches as units, tests of exchangeability, and checks of weights, on arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest

from validstats.batch import conformal_martingale, covariate_test, unit_order_test, within_batch_test
from validstats.batch.laws import (
    smallest_unit_number,
    unit_asymptotic_interval,
    unit_interval,
    unit_scale,
    unit_variances,
)
from validstats.batch.laws.units import unit_totals


@pytest.mark.parametrize(("b", "alpha"), [(19, 0.1), (39, 0.1), (60, 0.1), (30, 0.2), (99, 0.02)])
def test_unit_bounds_are_the_split_conformal_order_statistics(b, alpha) -> None:
    scores = np.random.default_rng(b).normal(size=b)
    found = unit_interval(scores, alpha)
    k = math.floor(round(alpha / 2 * (b + 1), 9))
    ordered = np.sort(scores)
    assert (found.low, found.high) == (ordered[k - 1], ordered[b - k])
    assert found.probability == pytest.approx(1 - 2 * k / (b + 1))
    assert found.smallest_n == smallest_unit_number(alpha / 2)


def test_too_few_units_are_infinite_and_say_how_many_are_needed() -> None:
    found = unit_interval(np.arange(18.0), 0.1)
    assert (found.low, found.high, found.smallest_n) == (-np.inf, np.inf, 19)
    assert np.isfinite(unit_asymptotic_interval(np.arange(18.0), 0.1)).all()


def test_variances_of_shock_and_row_are_recovered() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(20, 400, size=400)
    units = np.repeat(np.arange(400), sizes)
    values = 0.3 * rng.normal(size=400)[units] + rng.normal(size=units.size)
    shock, row = unit_variances(values, units)
    assert shock == pytest.approx(0.09, rel=0.15) and row == pytest.approx(1.0, rel=0.02)
    assert unit_variances(rng.normal(size=units.size), units)[0] < 0.002
    names, totals, counted = unit_totals(values, units)
    assert np.array_equal(names, np.arange(400)) and np.array_equal(counted, sizes)
    scales = unit_scale(counted, "fitted", (shock, row))
    assert np.std(totals / scales) == pytest.approx(1.0, abs=0.1)
    assert np.array_equal(unit_scale(counted, "size"), sizes)
    with pytest.raises(ValueError, match=r'scale="fitted" needs training rows'):
        unit_scale(counted, "fitted")


def test_the_within_batch_ratio_is_that_of_the_analysis_of_variance() -> None:
    from scipy import stats

    rng = np.random.default_rng(1)
    groups = [rng.normal(size=k) + rng.normal() for k in (5, 9, 14)]
    batches = np.repeat([0, 1, 2], [5, 9, 14])
    test = within_batch_test(np.concatenate(groups), batches)
    assert test.variance_ratio == pytest.approx(stats.f_oneway(*groups).statistic)
    assert test.p_value == pytest.approx(stats.f_oneway(*groups).pvalue, abs=0.05)


@pytest.mark.parametrize("batches", [np.arange(6), np.zeros(6)])
def test_batches_of_one_row_and_a_single_batch_tell_nothing(batches) -> None:
    assert within_batch_test(np.arange(6.0), batches).p_value == 1.0


def test_the_energy_distance_is_its_definition() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(25, 3)), rng.normal(size=(30, 3)) + 0.3
    pooled = np.vstack([first, second])
    z = (pooled - pooled.mean(axis=0)) / pooled.std(axis=0)

    def distance(a, b):
        return np.mean([[np.linalg.norm(u - v) for v in b] for u in a])

    expected = 2 * distance(z[:25], z[25:]) - distance(z[:25], z[:25]) - distance(z[25:], z[25:])
    assert covariate_test(first, second).statistic == pytest.approx(expected)
    assert covariate_test(first, second[:19]).p_value == 1.0
    assert covariate_test(np.ones((30, 2)), np.ones((30, 2))).p_value == 1.0


def test_constant_scores_in_order_tell_nothing() -> None:
    assert unit_order_test(np.ones(20)).p_value == 1.0
    false = sum(
        conformal_martingale(np.ones(500), random_state=seed).alarm is not None for seed in range(100)
    )
    assert false <= 4  # at level .01; more than four of 100 has probability .004


def test_the_martingale_is_the_product_of_its_mixed_bets() -> None:
    scores = np.random.default_rng(3).normal(size=12)
    found = conformal_martingale(scores, random_state=5).values
    shares = np.random.default_rng(5).random(12)
    capital = np.full(3, 1 / 3)
    for i in range(12):
        p = (np.sum(scores[: i + 1] > scores[i]) + shares[i] * np.sum(scores[: i + 1] == scores[i])) / (i + 1)
        capital = 0.99 * capital + 0.01 * capital.sum() / 3
        capital = capital * (1 + np.array([-1.0, 0.0, 1.0]) * (p - 0.5))
        assert found[i] == pytest.approx(math.log(capital.sum()))
