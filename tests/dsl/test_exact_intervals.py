"""Intervals with a guarantee at every number of labels: limits, bets, and the choice made before labels are read."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from validstats.dsl.fit.exact import (
    betting_interval,
    binomial_limits,
    exact_mean,
    exact_share,
    hypergeometric_limits,
    share_error,
)


@pytest.mark.parametrize(("size", "n"), [(12, 4), (30, 10), (40, 39), (25, 25)])
def test_hypergeometric_limits_cover_every_population(size, n):
    x = np.arange(n + 1)
    low, high = hypergeometric_limits(x, np.full(n + 1, n), np.full(n + 1, size), 0.025)
    for events in range(size + 1):
        chance = stats.hypergeom.pmf(x, size, events, n)
        share = events / size
        assert chance[low > share + 1e-12].sum() <= 0.025 + 1e-12
        assert chance[high < share - 1e-12].sum() <= 0.025 + 1e-12


def test_hypergeometric_limits_are_the_smallest_that_are_not_rejected():
    low, _ = hypergeometric_limits(np.array([3]), np.array([10]), np.array([50]), 0.05)
    kept = [d for d in range(51) if stats.hypergeom.sf(2, 50, d, 10) > 0.05]
    assert low[0] == min(kept) / 50


def test_binomial_limits_are_clopper_pearson():
    low, high = binomial_limits(np.array([0, 3, 10]), np.array([10, 10, 10]), 0.025)
    for k, (a, b) in zip((0, 3, 10), zip(low, high)):
        exact = stats.binomtest(k, 10).proportion_ci(method="exact")
        assert (a, b) == pytest.approx((exact.low, exact.high), abs=1e-12)
    assert binomial_limits(np.array([0]), np.array([0]), 0.025) == (0.0, 1.0)


def test_the_share_error_is_a_union_over_sets_of_cells():
    for k in (2, 3, 6):
        expected = np.sqrt(np.log(10 * (2**k - 2) / 0.05) / (2 * 1000))
        assert share_error(k, 1000, 0.05) == pytest.approx(expected)
    assert share_error(1, 1000, 0.05) == 0
    assert share_error(5, np.inf, 0.05) == 0


def shares(seed, n=400, n_labels=60, accuracy=0.97, rate=0.7):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rate).astype(float)
    word = np.where(rng.random(n) < accuracy, y, 1 - y)
    labelled = np.zeros(n, dtype=bool)
    labelled[rng.choice(n, n_labels, replace=False)] = True
    return y, word, labelled


def test_labels_do_not_decide_whether_verdicts_divide_them():
    y, word, labelled = shares(0)
    whole = np.zeros(len(y), dtype=int)
    first = exact_share(y[labelled], word.astype(int), whole, labelled, word, finite=True)
    for seed in range(20):
        other = np.random.default_rng(seed).integers(0, 2, labelled.sum()).astype(float)
        assert (
            exact_share(other, word.astype(int), whole, labelled, word, finite=True).by_verdict
            == first.by_verdict
        )


def test_pooled_labels_of_a_finite_population_are_hypergeometric():
    y, _, labelled = shares(1)
    whole = np.zeros(len(y), dtype=int)
    found = exact_share(y[labelled], whole, whole, labelled, np.full(len(y), 0.5), finite=True)
    limits = hypergeometric_limits(np.array([int(y[labelled].sum())]), np.array([60]), np.array([400]), 0.025)
    assert (found.conf_low, found.conf_high) == pytest.approx((limits[0][0], limits[1][0]))


def test_a_decisive_judge_divides_the_labels_of_a_finite_population():
    y, word, labelled = shares(2, n=9000, n_labels=3000, accuracy=0.99, rate=0.5)
    whole = np.zeros(len(y), dtype=int)
    found = exact_share(y[labelled], word.astype(int), whole, labelled, word, finite=True)
    pooled = exact_share(y[labelled], whole, whole, labelled, word, finite=True)
    assert found.by_verdict
    assert found.conf_low < y.mean() < found.conf_high
    assert found.conf_high - found.conf_low < pooled.conf_high - pooled.conf_low


@pytest.mark.parametrize("size", [np.inf, 80])
def test_bets_hold_what_they_promise_in_either_direction(size):
    z = np.random.default_rng(0).beta(8, 2, 60)
    low, high = betting_interval(z, 0.05, size)
    assert 0 <= low < z.mean() < high <= 1
    mirrored = betting_interval(1 - z, 0.05, size)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_a_population_that_is_all_labelled_is_known():
    z = np.random.default_rng(1).random(30)
    low, high = betting_interval(z, 0.05, 30)
    assert low <= z.mean() <= high
    assert high - low < 0.15


def test_bets_on_equal_labels_give_an_open_or_closed_end():
    low, high = betting_interval(np.ones(100), 0.05)
    assert high == pytest.approx(1)
    assert 0.9 < low < 1
    assert betting_interval(np.empty(0), 0.05) == (0.0, 1.0)


def test_means_of_scores_cell_by_cell_and_with_unequal_probabilities():
    rng = np.random.default_rng(3)
    n = 2000
    y = rng.beta(4, 2, n)
    cell = rng.integers(0, 2, n)
    probability = np.full(n, 0.15)
    labelled = rng.random(n) < probability
    found = exact_mean(y[labelled], cell, labelled, probability, rng)
    assert found.conf_low < 2 / 3 < found.conf_high
    unequal = rng.choice([0.1, 0.2], n)
    drawn = rng.random(n) < unequal
    wide = exact_mean(y[drawn], cell, drawn, unequal, rng)
    assert wide.conf_low < 2 / 3 < wide.conf_high
    with pytest.raises(ValueError, match="one labelling probability within each stratum"):
        exact_mean(y[drawn], cell, drawn, unequal, rng, finite=True)
