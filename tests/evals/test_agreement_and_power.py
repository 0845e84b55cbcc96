"""Agreement of a judge with humans, and how many items a question needs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.oracles import evals as oracle
from validstats.evals.statistics import (
    agreement_draws,
    agreement_measures,
    allocation,
    detectable_difference,
    effective_counts,
    items_for_difference,
    labels_for_width,
    mcnemar_items,
    mcnemar_power,
    share_std_error,
    weighted_kappa,
)


def test_measures_of_a_table():
    found = agreement_measures(np.array([[47.0, 5.0], [8.0, 40.0]]).T[::1].T / 100)
    for name, value in oracle.cohen_kappa([[40, 8], [5, 47]]).items():
        assert found[name] == pytest.approx(value), name


def test_zero_by_zero_is_not_a_number():
    found = agreement_measures(np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert np.isnan(found["sensitivity"])
    assert np.isnan(found["kappa"])
    assert found["accuracy"] == 1.0


def test_kappa_of_two_classes_is_weighted_kappa_of_two():
    table = np.array([[0.5, 0.1], [0.15, 0.25]])
    assert weighted_kappa(table) == pytest.approx(agreement_measures(table)["kappa"])
    assert weighted_kappa(table, 2) == pytest.approx(agreement_measures(table)["kappa"])


def test_quadratic_kappa_agrees_with_scikit_learn():
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 300), rng.integers(0, 4, 300)
    table = np.zeros((4, 4))
    np.add.at(table, (a, b), 1 / 300)
    for power, name in ((0, None), (1, "linear"), (2, "quadratic")):
        assert weighted_kappa(table, power) == pytest.approx(cohen_kappa_score(a, b, weights=name))


def test_draws_of_precision_have_the_beta_law():
    draws = agreement_draws(
        np.array([300, 700]), np.array([[25, 5], [10, 60]]), np.random.default_rng(1), 20_000
    )
    np.testing.assert_allclose(draws.sum(axis=(1, 2)), 1.0)
    precision = agreement_measures(draws)["precision"]
    assert stats.kstest(precision, stats.beta(60.5, 10.5).cdf).pvalue > 1e-3
    yes = draws[:, 1].sum(axis=1)
    assert stats.kstest(yes, stats.beta(700.5, 300.5).cdf).pvalue > 1e-3


def test_effective_counts_of_independent_labels_are_their_number():
    share = np.array([[0.2, 0.8], [0.0, 1.0]])
    variance = share * (1 - share) / 50
    counts = effective_counts(share, variance, np.array([60.0, 30.0]))
    np.testing.assert_allclose(counts.sum(axis=1), [50, 30])


@pytest.mark.parametrize(("n", "p10", "p01"), [(12, 0.3, 0.05), (30, 0.2, 0.05), (25, 0.1, 0.1)])
def test_power_adds_up_all_tables(n, p10, p01):
    assert mcnemar_power(n, p10, p01, 0.05) == pytest.approx(
        oracle.mcnemar_power(n, p10, p01, 0.05), abs=1e-10
    )


def test_power_stays_above_from_the_planned_number_on():
    n = mcnemar_items(0.1, 0.2, 0.95, 0.8)
    assert mcnemar_power(n - 1, 0.15, 0.05, 0.05) < 0.8
    assert min(mcnemar_power(k, 0.15, 0.05, 0.05) for k in range(n, n + 200)) >= 0.8
    assert mcnemar_items(0.1, 0.3, 0.95) == mcnemar_items(0.1, 0.3, 0.95, 0.8)


def test_a_difference_above_its_discordance_is_refused():
    with pytest.raises(ValueError, match="discordant"):
        mcnemar_items(0.3, 0.2, 0.95)


def test_detectable_difference_and_items_are_inverse():
    sd, n = 0.4, 500
    error = sd / np.sqrt(n)
    d = detectable_difference(stats.norm.isf(0.025) * error, error)
    assert items_for_difference(d * 1.000001, sd, 0.95) == pytest.approx(n, abs=1)


def test_detectable_difference_is_found_four_times_in_five():
    """Intervals wider than normal ones, as few labels have them, find a difference later."""
    rng, error, half = np.random.default_rng(3), 0.05, 0.15
    d = detectable_difference(half, error)
    assert np.mean(rng.normal(d, error, 20_000) - half > 0) == pytest.approx(0.8, abs=0.01)


def test_share_error_of_a_useless_judge_is_that_of_labels_alone():
    w, r = np.array([0.3, 0.7]), np.array([0.6, 0.6])
    error = share_std_error(w, r, 100 * w, 10_000)
    assert error == pytest.approx(np.sqrt(0.24 / 100))


def test_labels_for_width_reach_it():
    w, r = np.array([0.3, 0.7]), np.array([0.2, 0.95])
    given = allocation(w, r)
    n = labels_for_width(0.06, w, r, 5_000, 0.95, given)
    z = stats.norm.isf(0.025)
    assert 2 * z * share_std_error(w, r, n * given, 5_000) <= 0.06
    assert 2 * z * share_std_error(w, r, (n - 1) * given, 5_000) > 0.06
    assert labels_for_width(0.001, w, r, 5_000, 0.95, given) is None


def test_allocation_keeps_a_floor():
    given = allocation(np.array([0.5, 0.5]), np.array([0.5, 1.0]))
    assert given[1] == pytest.approx(0.1 / 1.1)
