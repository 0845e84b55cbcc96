"""Statistics of evaluations in small cases, beside slow versions of the same in a few obvious lines."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from tests.oracles import evals as oracle
from validstats.evals.statistics import (
    agreement_draws,
    agreement_measures,
    allocation,
    best_of_n_utility,
    cluster_mean,
    column_means,
    corrected_rows,
    davidson_fit,
    detectable_difference,
    direction_code,
    effective_counts,
    effective_score_interval,
    effective_size,
    items_for_difference,
    labels_for_width,
    letter_groups,
    linear_guess,
    mcnemar_items,
    mcnemar_power,
    paired_binary,
    pointwise,
    rank_sets,
    ranks,
    share_std_error,
    sign_flip_p_value,
    simultaneous_band,
    simultaneous_level,
    smoothed_variance,
    t_quantile,
    unseen_errors,
    weighted_kappa,
    welch_difference,
    win_rate,
)
from validstats.evals.statistics.pairs import bonett_price, buehler_p_value, exact_mcnemar
from validstats.evals.statistics.ranks import covariance_factor, studentised_maximum

Z = stats.norm.isf(0.025)
VALUES = [0.0, 0.25, 1.0, 0.5, 0.5, 0.0, 1.0]


def test_effective_units_are_those_of_the_values_with_a_0_and_a_1() -> None:
    n, mean = len(VALUES), float(np.mean(VALUES))
    error = float(np.std(VALUES) / math.sqrt(n))
    units = oracle.effective_units(VALUES)
    assert effective_size(mean, error, n) == pytest.approx(units, rel=1e-12)
    found = effective_score_interval(mean, error, n, 2.1)
    assert found == pytest.approx(oracle.wilson(mean, units, 2.1), rel=1e-9)
    for x in (0, 3, 10):  # independent 0/1 units are as many as they are
        p = x / 10
        assert effective_size(p, math.sqrt(p * (1 - p) / 10), 10) == pytest.approx(10)


def test_intervals_of_means_without_spread_or_bounds() -> None:
    covariance = np.diag([0.04, 0.0])
    low, high = pointwise(np.array([0.5, 0.7]), covariance, 9, 0.95, None)
    half = stats.t.isf(0.025, 9) * 0.2
    np.testing.assert_allclose([low, high], [[0.5 - half, -np.inf], [0.5 + half, np.inf]])
    low, high = pointwise(np.array([0.5, 0.7]), covariance, 9, 0.95, np.array([10.0, 4.0]))
    for k, (mean, error, n) in enumerate([(0.5, 0.2, 10.0), (0.7, 0.0, 4.0)]):
        expected = effective_score_interval(mean, error, n, stats.t.isf(0.025, 9))
        assert (low[k], high[k]) == pytest.approx([float(end) for end in expected])
    tiny = pointwise(np.array([0.5]), np.array([[-1e-20]]), 9, 0.95, np.array([4.0]))
    assert np.isfinite(tiny).all()
    assert t_quantile(0.9, None) == t_quantile(0.9, math.inf) == pytest.approx(stats.norm.isf(0.05))
    assert t_quantile(0.9, 3) == pytest.approx(stats.t.isf(0.05, 3))


def test_means_of_one_cluster_have_no_variance() -> None:
    one = cluster_mean(np.array([1.0, 0.0]), np.array([0, 0]))
    assert (one.estimate, one.effective_units, one.degrees_of_freedom) == (0.5, 1.0, 0.1)
    assert math.isnan(one.variance) and math.isnan(one.std_error)
    two = cluster_mean(np.array([1.0, 0.0]), np.array([0, 1]))
    assert (two.std_error, two.degrees_of_freedom) == (0.5, 1.0)
    flat = cluster_mean(np.ones(3), np.arange(3))
    assert welch_difference(flat, cluster_mean(np.zeros(5), np.arange(5))) == (1.0, 0.0, 2.0)


def test_guesses_are_those_of_least_squares_with_two_pseudo_rows() -> None:
    rng = np.random.default_rng(0)
    base, target, folds = rng.random((9, 2)), rng.random((9, 2)), np.arange(9) % 3
    known, weights = np.arange(9) % 4 > 0, rng.random(9) + 0.5
    for w in (None, weights):
        expected = oracle.ridge_guess(target, base, known, folds, np.ones(9) if w is None else w)
        np.testing.assert_allclose(linear_guess(target, base, known, folds, w), expected, atol=1e-12)
    alone = np.arange(9) % 3 == 0  # the known rows are all of one fold: it has the base itself
    found = linear_guess(target, base, alone, folds)
    np.testing.assert_array_equal(found[folds == 0], base[folds == 0])
    np.testing.assert_allclose(found, oracle.ridge_guess(target, base, alone, folds, np.ones(9)))
    corrected = corrected_rows(base, target, known, np.full(9, 0.25))
    np.testing.assert_allclose(corrected, base + known[:, None] * 4.0 * (target - base))


def test_covariances_of_columns_over_clusters_by_hand() -> None:
    rows = np.array([[0.0, 1.0], [1.0, 1.0], [0.5, 0.0], [0.0, 0.0], [1.0, 0.5]])
    mean, covariance = column_means(rows)
    np.testing.assert_allclose(covariance, np.cov(rows.T) / 5)
    clusters = np.array([0, 0, 1, 2, 2])
    sums = np.array([(rows - mean)[clusters == g].sum(0) for g in range(3)])
    expected = sum(np.outer(s, s) for s in sums) * 3 / 2 / 25
    np.testing.assert_allclose(column_means(rows, clusters)[1], expected)
    np.testing.assert_allclose(column_means(rows, np.zeros(5, dtype=int))[1], 0.0, atol=1e-30)
    np.testing.assert_array_equal(column_means(rows[:1])[1], np.zeros((2, 2)))


def test_utilities_and_their_covariance_by_hand() -> None:
    rng = np.random.default_rng(1)
    right, more, cost = rng.random((3, 12, 2))
    utility = right - 3.0 * more - cost
    unseen = np.array([[0.01, 0.0], [0.0, 0.02]])
    mean, covariance, sets = best_of_n_utility(
        right, right + more, cost, 3.0, 11, 0.95, np.random.default_rng(0), 1.5, unseen
    )
    np.testing.assert_allclose(mean, utility.mean(0))
    np.testing.assert_allclose(covariance, 1.5 * np.cov(utility.T) / 12 + 16.0 * unseen)
    again = rank_sets(mean, covariance, 11, 0.95, generator=np.random.default_rng(0))
    assert sets.critical == again.critical
    _, plain, _ = best_of_n_utility(right, right + more, cost, 3.0, 11, 0.95, np.random.default_rng(0))
    np.testing.assert_allclose(plain, np.cov(utility.T) / 12)


@pytest.mark.parametrize(("fewest", "classes"), [(10, 1), (4, 1), (3, 2), (2, 3), (1, 7)])
def test_unseen_errors_of_classes_of_about_equal_rates(fewest, classes) -> None:
    """Seven audited problems; a class begins at the rate of the first of its audited ones."""
    rng = np.random.default_rng(2)
    rate = np.round(rng.random(15), 3)
    audited = (np.arange(15) % 2 == 1).astype(float)
    right, delivered = np.round(rng.random(15), 1), rng.random((15, 2))
    sorted_rates = sorted(rate[audited > 0])
    starts = [0.0, *(sorted_rates[j * 7 // classes] for j in range(1, classes)), 2.0]
    expected = np.zeros((2, 2))
    for low, high in itertools.pairwise(starts):
        rows = (rate >= low) & (rate < high)
        m, x = audited[rows].sum(), (audited * right)[rows].sum()
        share = delivered[rows].sum(0) / 15
        p, smooth = x / m, (x + 1) / (m + 2)
        expected += np.outer(share, share) * max(smooth * (1 - smooth) - p * (1 - p), 0) / m
    np.testing.assert_allclose(unseen_errors(rate, audited, right, delivered, fewest), expected)


def test_bands_are_score_intervals_at_one_critical_value() -> None:
    covariance = np.array([[0.01, 0.004], [0.004, 0.02]])
    mean = np.array([0.4, 1.02])
    band = simultaneous_band(mean, covariance, 20.0, 19.0, 0.9, np.random.default_rng(3))
    assert band.critical == studentised_maximum(covariance, 19.0, 0.9, np.random.default_rng(3))
    low, high = effective_score_interval(mean, np.sqrt([0.01, 0.02]), 20.0, band.critical)
    np.testing.assert_array_equal([band.low, band.high], [low, high])
    np.testing.assert_array_equal(band.estimate, [0.4, 1.0])
    np.testing.assert_allclose(band.std_error, np.sqrt([0.01, 0.02]))


def test_one_audit_in_two_leaves_what_it_says_beyond_itself_between_its_ends() -> None:
    """2 of 4 passing samples audited, none right: with 3 samples at least one is not audited."""
    from validstats.evals.statistics import audited_pass_at_k

    low, high = audited_pass_at_k([4], [4], [2], [1], np.array([1, 2, 3]))
    # N(2, 1, j) = 1/2, 0 at j = 1, 2; beyond it lies between 0 and N(2, 1, 2) = 0.
    np.testing.assert_allclose([low[0], high[0]], [[0.5, 1.0, 1.0], [0.5, 1.0, 1.0]])
    low, high = audited_pass_at_k([4], [4], [2], [0], np.array([1, 2, 3]))
    np.testing.assert_allclose([low[0], high[0]], [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("df", [4, 12])
def test_the_largest_of_independent_deviations_has_its_law(df) -> None:
    found = studentised_maximum(np.diag([1.0, 4.0, 9.0]), df, 0.9, np.random.default_rng(0), 60_000)
    assert found == pytest.approx(stats.t.isf((1 - 0.9 ** (1 / 3)) / 2, df), rel=0.015)
    dependent = studentised_maximum(np.full((2, 2), 2.0), df, 0.9, np.random.default_rng(0), 60_000)
    assert dependent == pytest.approx(stats.t.isf(0.05, df), rel=0.015)
    with_nothing = studentised_maximum(np.diag([1.0, 0.0]), df, 0.9, np.random.default_rng(0))
    assert with_nothing == pytest.approx(stats.t.isf(0.05, df))


@pytest.mark.parametrize(
    ("level", "n", "place"), [(0.9, 19, 17), (0.95, 19, 18), (0.95, 12, 11), (0.8, 24, 19)]
)
def test_quantiles_of_draws_are_the_next_order_statistic(level, n, place) -> None:
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    factor = covariance_factor(covariance)
    np.testing.assert_allclose(factor @ factor.T, covariance)
    z = np.random.default_rng(7).standard_normal((n, 2)) @ factor.T
    largest = sorted(max(abs(a) / math.sqrt(2.0), abs(b)) for a, b in z)
    expected = max(largest[place], stats.t.isf((1 - level) / 2, 5_000))
    assert studentised_maximum(covariance, 5_000, level, np.random.default_rng(7), n) == pytest.approx(
        expected
    )


def test_covariances_without_full_rank_have_as_many_columns_as_directions() -> None:
    v = np.array([1.0, 2.0, 3.0])
    factor = covariance_factor(np.outer(v, v))
    assert factor.shape == (3, 1)
    np.testing.assert_allclose(factor @ factor.T, np.outer(v, v))
    assert covariance_factor(np.zeros((2, 2))).shape == (2, 0)


@pytest.mark.parametrize(("level", "n"), [(0.8, 29), (0.9, 39), (0.5, 8), (0.95, 9)])
def test_levels_of_several_intervals_are_those_of_a_loop(level, n) -> None:
    covariance, df = np.array([[4.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), np.array([3.0, 8.0, 20.0])
    correlation = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    rng = np.random.default_rng(5)
    z = rng.standard_normal((n, 3)) @ covariance_factor(correlation).T
    chi = rng.chisquare(df, (n, 3))
    least = sorted(
        min(2 * stats.t.sf(abs(z[i, k]) / math.sqrt(chi[i, k] / df[k]), df[k]) for k in range(3))
        for i in range(n)
    )
    alpha = 1 - level
    tail = least[max(math.floor(alpha * (n + 1) + 1e-9) - 1, 0)]
    expected = 1 - min(max(tail, alpha / 3), alpha)
    assert simultaneous_level(covariance, df, level, np.random.default_rng(5), n) == pytest.approx(expected)


def test_prior_units_of_equal_correlation_by_hand() -> None:
    v = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 3.0]])
    found = ranks._towards_equal(v, 4.0, 10.0)
    np.testing.assert_allclose(found, 10 / 12 * v + 2 / 12 * 2.0 * np.eye(3))
    np.testing.assert_array_equal(ranks._towards_equal(v[:2, :2], 4.0, 10.0), v[:2, :2])


@pytest.mark.parametrize("df", [1_000_000.0, 30.0, 2.0])
def test_draws_of_pairs_are_those_of_a_loop(df, monkeypatch) -> None:
    monkeypatch.setattr(ranks, "_CHUNK_FLOATS", 9 * 4)
    covariance = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 3.0]])
    first, second = np.array([0, 0, 1]), np.array([1, 2, 2])
    found = ranks._studentised_draws(covariance, first, second, df, 10, np.random.default_rng(1))
    rng, factor = np.random.default_rng(1), covariance_factor(covariance)
    z = rng.standard_normal((10, 3)) @ factor.T
    for start in range(0, 10, 4):
        size = min(4, 10 - start)
        if df < 1e5:
            roots = ranks._wishart_roots(factor, df, size, rng)
        for i in range(size):
            for k, (s, t) in enumerate(zip(first, second)):
                gap = z[start + i, s] - z[start + i, t]
                if df > 1e5:
                    variance = covariance[s, s] + covariance[t, t] - 2 * covariance[s, t]
                else:
                    variance = np.sum((roots[i, s] - roots[i, t]) ** 2)
                assert found[start + i, k] == pytest.approx(gap / math.sqrt(variance))


def test_what_all_systems_have_in_common_takes_no_digits_of_their_differences() -> None:
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(5, 3, 2))
    shifted = roots + 1e7 * rng.normal(size=(5, 1, 2))
    first, second = np.array([0, 0, 1]), np.array([1, 2, 2])
    expected = np.sum((roots[:, first] - roots[:, second]) ** 2, axis=2)
    np.testing.assert_allclose(ranks._squared_errors_of_pairs(shifted, first, second), expected, rtol=1e-5)


def test_roots_of_wishart_matrices_have_their_rows_and_mean() -> None:
    factor = covariance_factor(np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 3.0]]))
    rng = np.random.default_rng(0)
    for df, rows in [(3.0, 3), (2.4, 2), (0.2, 1), (4.0, 3), (3.5, 3)]:
        roots = ranks._wishart_roots(factor, df, 20_000, rng)
        assert roots.shape == (20_000, 3, rows)
        if df != 3.5:
            np.testing.assert_allclose(
                (roots @ roots.transpose(0, 2, 1)).mean(0), factor @ factor.T, atol=0.15
            )


def test_pairs_that_never_differ_take_no_part() -> None:
    """Two equal systems and a third: the pair without variance is not compared, the other two are."""
    covariance = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]) * 0.01
    sets = rank_sets(np.array([0.9, 0.9, 0.1]), covariance, 200, 0.95, generator=np.random.default_rng(0))
    assert sets.above.tolist() == [[False, False, True], [False, False, True], [False] * 3]
    assert sets.low.tolist() == [1, 1, 3]
    assert sets.high.tolist() == [2, 2, 3]
    assert sets.may_be_best.tolist() == [True, True, False]
    none = rank_sets(np.array([0.9, 0.1]), np.zeros((2, 2)), 9, 0.95, generator=np.random.default_rng(0))
    assert none.critical == np.inf and not none.above.any()


@pytest.mark.parametrize("blocked", [(0, 1), (1, 2), None])
def test_a_veto_holds_for_its_pair_and_direction_alone(blocked) -> None:
    vetoes = np.zeros((3, 3))
    if blocked is not None:
        vetoes[blocked] = 0.5
    theta = np.array([0.9, 0.5, 0.1])
    for order in ([0, 1, 2], [2, 1, 0]):
        sets = rank_sets(
            theta[order], 1e-4 * np.eye(3), 50, 0.95,
            generator=np.random.default_rng(0), vetoes=vetoes[np.ix_(order, order)],
        )  # fmt: skip
        above = {(order[i], order[j]) for i, j in zip(*np.nonzero(sets.above))}
        assert above == {(0, 1), (0, 2), (1, 2)} - {blocked}
    sets = rank_sets(
        theta, 1e-4 * np.eye(3), 50, 0.95, generator=np.random.default_rng(0), vetoes=np.zeros((3, 3))
    )
    tail = float(stats.t.sf(sets.critical, 50))
    at = rank_sets(
        theta[:2], 1e-4 * np.eye(2), 50, 0.95, generator=np.random.default_rng(0), vetoes=np.full((2, 2), 0.6)
    )
    assert 0 < tail < 0.05 and not at.above.any()


def step_down_by_hand(t, draws, level):
    """Rejected directions of pairs: the largest of the alive ones decides, one step after the other."""
    alive = {(k, sign) for k in range(len(t)) for sign in (1, -1)}
    n = len(draws)
    place = min(n, math.ceil(level * (n + 1) - 1e-9)) - 1
    while True:
        critical = sorted(max(sign * row[k] for k, sign in alive) for row in draws)[place]
        new = {(k, sign) for k, sign in alive if sign * t[k] > critical}
        if not new:
            return critical, {(k, sign) for k in range(len(t)) for sign in (1, -1)} - alive
        alive -= new


@pytest.mark.parametrize("seed", range(12))
def test_directions_that_were_rejected_take_no_further_part(seed) -> None:
    """Pairs of unequal spread: after a first rejection in one direction both directions of the others still count."""
    rng = np.random.default_rng(seed)
    draws = rng.normal(size=(39, 3)) * rng.permutation([0.3, 1.0, 2.0]) + rng.normal(size=3)
    t = rng.choice([-1.0, 1.0], 3) * rng.permutation([9.0, 2.5, 1.0])
    first, second, above = np.array([0, 0, 1]), np.array([1, 2, 2]), np.zeros((3, 3), bool)
    critical = ranks._step_down(t, draws, first, second, above, 0.8, 30.0, None)
    expected, gone = step_down_by_hand(t, draws, 0.8)
    assert critical == expected
    found = {(k, 1) for k in range(3) if above[first[k], second[k]]} | {
        (k, -1) for k in range(3) if above[second[k], first[k]]
    }
    assert found == gone


def test_letters_go_on_after_the_alphabet() -> None:
    m = 30
    letters = letter_groups(np.triu(np.ones((m, m), bool), 1), np.arange(m))
    assert letters == [*"abcdefghijklmnopqrstuvwxyz", "a2", "b2", "c2", "d2"]
    above = np.zeros((3, 3), bool)
    above[2, 0] = True
    assert letter_groups(above, np.array([2, 1, 0])) == ["b", "ab", "a"]
    assert letter_groups(np.zeros((2, 2), bool), np.arange(2)) == ["a", "a"]


def test_classes_without_labels_count_a_quarter() -> None:
    share = np.array([0.5, 0.5])
    assert smoothed_variance(share, np.array([0.5, 0.0]), np.array([0.5, 0.0])) == pytest.approx(
        0.25 * (0.6 * 0.4) / 0.5 + 0.25 * 0.25
    )
    # half of one label right: 1/3 (1 - 1/3) - 1/4 < 0 never narrows
    assert smoothed_variance(np.ones(1), np.array([4.0]), np.array([2.0])) == 0.0


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("order", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_strengths_solve_their_moments_with_the_sandwich_over_prompts(ties, order, weighted) -> None:
    rng = np.random.default_rng(11)
    n, m = 60, 3
    first = rng.integers(0, m, n)
    second = (first + rng.integers(1, m, n)) % m
    outcome = rng.choice([0.5, -0.5, 0.0] if ties else [0.5, -0.5], n)
    tie = (outcome == 0).astype(float)
    prompts = np.arange(n) // 4
    weights = rng.random(n) + 0.5 if weighted else np.ones(n)
    fit = davidson_fit(
        first, second, outcome, tie, prompts, m, weights=weights if weighted else None, order_effect=order
    )
    assert (fit.log_tie is None, fit.order_effect is None) == (not ties, not order)
    total, covariance = oracle.davidson_covariance(
        first, second, outcome, tie, prompts, weights, fit.strength, fit.log_tie, fit.order_effect
    )
    np.testing.assert_allclose(total, 0.0, atol=1e-8)
    np.testing.assert_allclose(fit.covariance, covariance[:m, :m], rtol=1e-5, atol=1e-9)
    assert fit.strength.sum() == pytest.approx(0.0, abs=1e-12)
    if order:
        assert fit.order_variance == pytest.approx(covariance[m, m], rel=1e-5)
    law = [
        oracle.davidson(
            fit.strength[a] + (fit.order_effect or 0.0),
            fit.strength[b],
            math.exp(fit.log_tie) if ties else 0.0,
        )
        for a, b in zip(first, second)
    ]
    np.testing.assert_allclose(fit.fitted, law, atol=1e-10)


def test_battles_that_say_too_little_are_refused_by_what_is_wrong() -> None:
    from validstats.evals import BattlesNotIdentifiedError

    first, second, prompts = np.zeros(6, int), np.ones(6, int), np.arange(6)
    won = np.full(6, 0.5)
    with pytest.raises(BattlesNotIdentifiedError, match=r"System number [01] never (loses|wins)"):
        davidson_fit(first, second, won, np.zeros(6), prompts, 2)
    with pytest.raises(BattlesNotIdentifiedError, match="share of ties is 1; a share in"):
        davidson_fit(first, second, np.zeros(6), np.ones(6), prompts, 2)
    with pytest.raises(BattlesNotIdentifiedError, match=r"share of ties is -0\.167"):
        davidson_fit(first, second, won, np.array([-1.0, 0, 0, 0, 0, 0]), prompts, 2)


def test_rates_of_wins_and_their_covariance_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(12)
    first = rng.integers(0, 4, 40)
    second = (first + rng.integers(1, 4, 40)) % 4
    kept = first + second != 3  # some pairs never met
    first, second, outcome = first[kept], second[kept], rng.choice([0.5, 0.0, -0.5], 40)[kept]
    prompts = np.arange(len(first)) // 3
    rate, covariance = win_rate(first, second, outcome, prompts, 4)
    expected = oracle.win_rates(first, second, outcome, prompts, 4)
    np.testing.assert_allclose(rate, expected[0])
    np.testing.assert_allclose(covariance, expected[1], atol=1e-15)


def test_measures_of_agreement_by_hand() -> None:
    found = agreement_measures(np.array([[0.3, 0.2], [0.1, 0.4]]))
    expected = {
        "kappa": (0.7 - 0.5) / 0.5,  # 0.5 x 0.6 + 0.5 x 0.4 by chance
        "sensitivity": 0.4 / 0.6,
        "specificity": 0.3 / 0.4,
        "precision": 0.4 / 0.5,
        "f1": 0.8 / 1.1,
        "accuracy": 0.7,
        "ac1": (0.7 - 2 * 0.55 * 0.45) / (1 - 2 * 0.55 * 0.45),
    }
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected)
    assert math.isnan(float(weighted_kappa(np.array([[1.0, 0.0], [0.0, 0.0]]))))
    draws = agreement_draws(
        np.array([3.0, 7.0]), np.array([[2.0, 1.0], [0.0, 5.0]]), np.random.default_rng(2), 50
    )
    rng = np.random.default_rng(2)
    share = rng.standard_gamma(np.broadcast_to([3.5, 7.5], (50, 1, 2)))[:, 0]
    given = rng.standard_gamma(np.broadcast_to([[2.5, 1.5], [0.5, 5.5]], (50, 2, 2)))
    table = (share / share.sum(1, keepdims=True))[:, :, None] * given / given.sum(2, keepdims=True)
    np.testing.assert_allclose(draws, table)
    assert agreement_draws(np.ones(2), np.ones((2, 2)), rng).shape == (8_000, 2, 2)


def test_labels_that_all_agree_keep_their_number() -> None:
    shares = np.array([[0.0, 1.0], [0.5, 0.5]])
    variances = np.array([[0.0, 0.0], [0.025, 0.025]])
    np.testing.assert_allclose(effective_counts(shares, variances, np.array([7.0, 30.0])), [[0, 7], [5, 5]])
    np.testing.assert_allclose(effective_counts(shares, variances, np.array([7.0, 6.0])), [[0, 7], [3, 3]])


def test_bonett_and_price_by_hand() -> None:
    p1, p2 = 10 / 52, 4 / 52
    error = math.sqrt((p1 + p2 - (p1 - p2) ** 2) / 52)
    assert bonett_price(9, 3, 50, 0.95) == pytest.approx((p1 - p2 - Z * error, p1 - p2 + Z * error))
    assert bonett_price(0, 1, 1, 0.999) == (-1.0, pytest.approx(bonett_price(1, 0, 1, 0.999)[0] * -1))


def test_where_the_interval_does_not_decide_its_own_p_value_is_said() -> None:
    """McNemar's test rejects with p = .0078 at .01 and with p = .00098 at .001; the intervals hold 0."""
    for b, c in ((8, 0), (0, 8)):
        answer = paired_binary(b, c, 200, 0.99, "bonett-price")
        assert answer.conf_low <= 0 <= answer.conf_high
        error = math.sqrt((10 / 202 - (8 / 202) ** 2) / 202)
        assert answer.p_value == pytest.approx(2 * stats.norm.sf(8 / 202 / error))
        assert 0.01 < answer.p_value < 0.011
    for b, c in ((11, 0), (0, 11)):
        answer = paired_binary(b, c, 20, 0.999)
        assert answer.conf_low <= 0 <= answer.conf_high
        assert answer.p_value == buehler_p_value(11, 0, 20) == pytest.approx(0.00124586, abs=1e-8)
    edge = paired_binary(5, 0, 5, 0.9375)  # McNemar's p is 1 - the level to the last digit
    assert exact_mcnemar(5, 0) == 0.0625 and edge.conf_low <= 0 and edge.p_value > 0.0625
    decided = paired_binary(10, 2, 50, 0.95)
    assert decided.p_value == pytest.approx(float(exact_mcnemar(10, 2))) and decided.estimate == 8 / 50


def test_random_flips_count_the_data_among_them() -> None:
    sums = np.linspace(1.0, 2.0, 20)
    assert sign_flip_p_value(sums, np.random.default_rng(0)) == 1 / 10_000
    assert sign_flip_p_value(sums, np.random.default_rng(0), 99) == 1 / 100
    assert sign_flip_p_value(np.zeros(5), np.random.default_rng(0)) == 1.0
    many = np.concatenate([np.arange(1.0, 701.0), -np.arange(1.0, 681.0) - 0.5])  # more than two blocks
    z = many.sum() / math.sqrt(np.sum(many**2))
    found = sign_flip_p_value(many, np.random.default_rng(1), 2_000)
    assert found == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.035)


@pytest.mark.parametrize(
    ("low", "high", "margin", "code"),
    [
        (-0.3, -0.02, 0.02, "undecided"),
        (-0.3, 0.0, 0.0, "undecided"),
        (0.0, 0.3, 0.0, "undecided"),
        (0.02, 0.3, 0.02, "not_worse"),
        (-0.02, 0.01, 0.02, "undecided"),
        (-0.01, 0.02, 0.02, "not_worse"),
        (-0.02, 0.3, 0.02, "undecided"),
        (0.1, 0.3, 0.0, "better"),
        (-0.5, 0.5, 0.02, "undecided"),
    ],
)
def test_ends_that_touch_a_margin_do_not_exceed_it(low, high, margin, code) -> None:
    assert direction_code(low, high, margin) == code


def test_numbers_of_items_by_hand() -> None:
    z, z_power = stats.norm.isf(0.05), stats.norm.ppf(0.9)
    assert items_for_difference(0.1, 0.5, 0.9, 0.9) == math.ceil(((z + z_power) * 5) ** 2)
    assert items_for_difference(-0.1, 0.5, 0.95) == math.ceil(((Z + stats.norm.ppf(0.8)) * 5) ** 2)
    assert detectable_difference(0.1, 0.05, 0.9) == pytest.approx(0.1 + 0.05 * z_power)
    with pytest.raises(ValueError, match="difference of 0 is never found"):
        items_for_difference(0.0, 0.5, 0.95)
    assert mcnemar_power(10, 0.0, 0.0, 0.05) == 0.0
    for n, p10, p01, alpha in [
        (6, 0.7, 0.3, 0.05),
        (9, 0.5, 0.0, 0.01),
        (40, 0.02, 0.01, 0.2),
        (3, 0.3, 0.2, 0.6),
    ]:
        assert mcnemar_power(n, p10, p01, alpha) == pytest.approx(
            oracle.mcnemar_power(n, p10, p01, alpha), abs=1e-10
        )


@pytest.mark.parametrize(
    ("difference", "discordance", "level", "power"),
    [(0.5, 0.6, 0.95, 0.8), (-0.6, 0.6, 0.9, 0.7), (0.9, 1.0, 0.95, 0.9)],
)
def test_pairs_of_mcnemar_are_one_more_than_the_last_that_fail(difference, discordance, level, power) -> None:
    p10, p01 = (discordance + difference) / 2, (discordance - difference) / 2
    expected = oracle.mcnemar_items(p10, p01, 1 - level, power, 45)
    assert mcnemar_items(difference, discordance, level, power) == expected


def test_many_pairs_are_those_of_the_normal_law_with_its_continuity() -> None:
    normal = items_for_difference(0.005, math.sqrt(0.1 - 0.005**2), 0.95, 0.8)
    assert normal > 20_000
    assert mcnemar_items(0.005, 0.1, 0.95) == math.ceil(normal + 200)
    for difference, discordance in [(0.0, 0.5), (0.3, 0.2), (0.5, 1.01)]:
        with pytest.raises(ValueError, match=f"got {difference} with discordance {discordance}"):
            mcnemar_items(difference, discordance, 0.95)
    assert mcnemar_items(1.0, 1.0, 0.95) == 6


def test_errors_and_labels_of_judged_shares_by_hand() -> None:
    w, r, m = np.array([0.25, 0.75, 0.0]), np.array([0.2, 0.9, 0.5]), np.array([10.0, 20.0, 0.0])
    within = 0.25**2 * 0.16 / 10 + 0.75**2 * 0.09 / 20
    mean = 0.25 * 0.2 + 0.75 * 0.9
    between = 0.25 * (0.2 - mean) ** 2 + 0.75 * (0.9 - mean) ** 2
    assert share_std_error(w, r, m, 50) == pytest.approx(math.sqrt(within + between / 50))
    ideal = np.array([0.25 * 0.4, 0.75 * 0.3, 0.0]) / (0.25 * 0.4 + 0.75 * 0.3)
    np.testing.assert_allclose(allocation(w, r), ideal)
    mixed = np.array([0.5, 0.5]) / 1.0
    np.testing.assert_allclose(allocation(np.array([0.5, 0.5]), np.array([0.0, 1.0])), mixed)
    floored = np.array([0.2 * 0.9, 1.0])
    np.testing.assert_allclose(
        allocation(np.array([0.9, 0.1]), np.array([1.0, 0.5])), floored / floored.sum()
    )
    np.testing.assert_allclose(allocation(np.array([0.9, 0.1]), np.array([1.0, 0.5]), 0.0), [0.0, 1.0])
    given = np.array([0.4, 0.6, 0.0])
    spread = 0.25**2 * 0.16 / 0.4 + 0.75**2 * 0.09 / 0.6
    target = (0.5 * 0.2 / Z) ** 2
    assert labels_for_width(0.2, w, r, 500, 0.95, given) == math.ceil(spread / (target - between / 500))
    assert labels_for_width(0.999, w, r, 1e9, 0.5, given) == 1
    edge = 2 * Z * math.sqrt(between / 500)
    assert labels_for_width(edge * (1 - 1e-9), w, r, 500, 0.95, given) is None
    assert labels_for_width(edge * 1.1, w, r, 500, 0.95, given) is not None
