"""Means of scores with clusters and weights, and the interval that is never degenerate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from validstats.evals.statistics import (
    cluster_mean,
    effective_score_interval,
    kish_size,
    t_quantile,
    welch_difference,
)

DATA = Path(__file__).parent / "data"
GPQA = np.loadtxt(DATA / "gpqa_counts.csv", delimiter=",", skiprows=1)
KNOWN = json.loads((DATA / "expected.json").read_text())["gpqa_counts.csv"]


def test_gpqa_difference_has_the_published_digits():
    mean = cluster_mean((GPQA[:, 1] - GPQA[:, 2]) / 5, np.arange(198))
    half = t_quantile(0.95, 197) * mean.std_error
    assert mean.estimate == pytest.approx(KNOWN["difference"], abs=1e-14)
    assert mean.std_error == pytest.approx(KNOWN["std_error"], abs=1e-14)
    assert mean.estimate - half == pytest.approx(KNOWN["conf_low"], abs=1e-12)
    assert mean.estimate + half == pytest.approx(KNOWN["conf_high"], abs=1e-12)
    assert 2 * stats.t.sf(mean.estimate / mean.std_error, 197) == pytest.approx(KNOWN["p_value"], abs=1e-12)


def test_five_samples_of_an_item_are_one_cluster():
    rows = np.array([[1.0] * int(a) + [0.0] * (5 - int(a)) for a in GPQA[:, 1]]).ravel()
    items = np.repeat(np.arange(198), 5)
    clustered, naive = cluster_mean(rows, items), cluster_mean(rows, np.arange(990))
    assert clustered.estimate == pytest.approx(KNOWN["pass_rate"][0], abs=1e-14)
    assert clustered.std_error == pytest.approx(KNOWN["clustered_std_error_a"], abs=1e-14)
    assert naive.std_error == pytest.approx(0.0149, abs=5e-5)


def test_ratio_estimate_by_hand():
    values, clusters = np.array([1.0, 0.0, 1.0, 1.0, 0.0]), np.array([0, 0, 1, 1, 2])
    weights = np.array([1.0, 2.0, 1.0, 1.0, 3.0])
    mean = cluster_mean(values, clusters, weights)
    theta = 3 / 8
    contributions = [theta + (n - theta * d) / (8 / 3) for n, d in ((1, 3), (2, 2), (0, 3))]
    assert mean.estimate == pytest.approx(theta)
    np.testing.assert_allclose(mean.contributions, contributions)
    assert mean.variance == pytest.approx(np.var(contributions, ddof=1) / 3)
    assert mean.effective_units == pytest.approx(64 / (9 + 4 + 9))


def test_kish_size_of_equal_weights_is_their_number():
    assert kish_size(np.full(7, 3.0)) == pytest.approx(7.0)


@pytest.mark.parametrize("n", [10, 48, 500])
def test_interval_of_independent_rows_is_close_to_wilson(n):
    for successes in range(n + 1):
        p = successes / n
        se = np.sqrt(p * (1 - p) / (n - 1))
        low, high = effective_score_interval(p, se, n, stats.norm.isf(0.025))
        wilson = stats.binomtest(successes, n).proportion_ci(method="wilson")
        assert low == pytest.approx(wilson.low, abs=0.35 / n)
        assert high == pytest.approx(wilson.high, abs=0.35 / n)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_scores_that_are_all_alike_have_an_interval(value):
    low, high = effective_score_interval(value, 0.0, 48, t_quantile(0.95, 47))
    assert 0.0 <= low <= value <= high <= 1.0
    assert high - low > 0.03
    assert high - low < 0.15


def test_interval_stays_in_the_unit_range_and_holds_the_mean():
    rng = np.random.default_rng(0)
    mean, se = rng.random(500), 0.3 * rng.random(500)
    low, high = effective_score_interval(mean, se, 20, 2.1)
    assert (low >= 0).all()
    assert (high <= 1).all()
    assert ((low <= mean) & (mean <= high)).all()
    assert (high > low).all()


def test_interval_mirrors():
    low, high = effective_score_interval(0.83, 0.07, 31, 2.0)
    mirrored_low, mirrored_high = effective_score_interval(0.17, 0.07, 31, 2.0)
    assert low == pytest.approx(1 - mirrored_high)
    assert high == pytest.approx(1 - mirrored_low)


def test_welch_agrees_with_scipy():
    rng = np.random.default_rng(1)
    x, y = rng.random(12), rng.random(20) ** 2
    d, se, df = welch_difference(cluster_mean(x, np.arange(12)), cluster_mean(y, np.arange(20)))
    known = stats.ttest_ind(x, y, equal_var=False)
    assert d / se == pytest.approx(known.statistic)
    assert df == pytest.approx(known.df)
