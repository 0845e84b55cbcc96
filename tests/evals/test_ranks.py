"""Sets of ranks from all pairs, and the strengths of battles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.oracles import evals as oracle
from validstats import evals
from validstats.evals import BattlesNotIdentifiedError
from validstats.evals.statistics import (
    connected_components,
    davidson_fit,
    letter_groups,
    rank_sets,
    ranks,
    sign_test_vetoes,
    simultaneous_level,
    smoothed_variance,
    win_rate,
)
from validstats.evals.statistics.ranks import studentised_maximum


def test_step_down_is_that_of_the_loop():
    theta = np.array([1.0, 0.72, 0.4, 0.0])
    covariance = 0.01 * (np.eye(4) + 0.3)
    found = rank_sets(theta, covariance, 30, 0.95, generator=np.random.default_rng(5), n_draws=499)
    first, second = np.nonzero(np.triu(np.ones((4, 4), bool), 1))
    draws = ranks._studentised_draws(covariance, first, second, 30, 499, np.random.default_rng(5))
    sd = np.sqrt(0.02)
    t = (theta[first] - theta[second]) / sd
    rejected = oracle.step_down(np.concatenate([t, -t]), np.hstack([draws, -draws]), 0.95)
    expected = np.zeros((4, 4), bool)
    for pair in rejected:
        a, b = (first, second) if pair < len(t) else (second, first)
        expected[a[pair % len(t)], b[pair % len(t)]] = True
    np.testing.assert_array_equal(found.above, expected)
    assert expected.any()
    assert not expected.all()
    np.testing.assert_array_equal(found.low, 1 + expected.sum(axis=0))
    np.testing.assert_array_equal(found.high, 4 - expected.sum(axis=1))


@pytest.mark.share(3)
@pytest.mark.parametrize("df", [3, 12, 40])
def test_squared_errors_are_those_of_a_wishart_matrix(df):
    rng = np.random.default_rng(1)
    root = rng.normal(size=(6, 6))
    covariance = root @ root.T
    first, second = np.array([0, 2, 1]), np.array([1, 5, 4])
    roots = ranks._wishart_roots(ranks.covariance_factor(covariance), df, 40_000, rng)
    drawn = ranks._squared_errors_of_pairs(roots, first, second)
    plain = np.square(roots[:, first] - roots[:, second]).sum(axis=2)
    np.testing.assert_allclose(drawn, plain, rtol=1e-9)
    for k in range(3):
        contrast = np.zeros(6)
        contrast[first[k]], contrast[second[k]] = 1, -1
        scaled = drawn[:, k] * df / (contrast @ covariance @ contrast)
        assert stats.kstest(scaled, stats.chi2(df).cdf).pvalue > 1e-3
    if df > 6:
        wishart = stats.wishart(df, covariance / df).rvs(20_000, random_state=2)
        a = wishart[:, 0, 0] + wishart[:, 1, 1] - 2 * wishart[:, 0, 1]
        b = wishart[:, 2, 2] + wishart[:, 5, 5] - 2 * wishart[:, 2, 5]
        assert np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] == pytest.approx(np.corrcoef(a, b)[0, 1], abs=0.03)


def test_two_systems_are_compared_by_the_t_law():
    covariance = np.array([[0.02, 0.005], [0.005, 0.03]])
    found = rank_sets(
        np.array([0.1, 0.0]), covariance, 9, 0.95, generator=np.random.default_rng(0), n_draws=40_000
    )
    assert not found.above.any()
    assert found.critical == pytest.approx(stats.t.isf(0.025, 9), abs=0.05)


def test_equal_columns_are_never_decided():
    covariance = np.full((3, 3), 0.01)
    found = rank_sets(np.array([0.6, 0.5, 0.4]), covariance, 50, 0.95, generator=np.random.default_rng(0))
    assert not found.above.any()
    assert found.low.tolist() == [1, 1, 1]
    assert found.high.tolist() == [3, 3, 3]


def test_vetoes_only_remove_rejections():
    rng = np.random.default_rng(3)
    scores = (rng.random((60, 5)) < np.linspace(0.55, 0.95, 5)).astype(float)
    covariance = np.cov(scores.T) / 60
    free = rank_sets(scores.mean(0), covariance, 59, 0.95, generator=np.random.default_rng(0))
    vetoed = rank_sets(
        scores.mean(0),
        covariance,
        59,
        0.95,
        generator=np.random.default_rng(0),
        vetoes=sign_test_vetoes(scores),
    )
    assert not (vetoed.above & ~free.above).any()
    blocked = rank_sets(
        scores.mean(0), covariance, 59, 0.95, generator=np.random.default_rng(0), vetoes=np.ones((5, 5))
    )
    assert not blocked.above.any()


def test_sign_test_of_all_pairs_of_columns():
    scores = np.array([[1, 0], [1, 0], [1, 1], [0, 1], [0, 0], [1, 0]], float)
    p = sign_test_vetoes(scores)
    assert p[0, 1] == pytest.approx(stats.binomtest(3, 4, alternative="greater").pvalue)
    assert p[1, 0] == pytest.approx(stats.binomtest(1, 4, alternative="greater").pvalue)
    assert p[0, 0] == 1.0


def test_smoothed_variance_by_hand():
    # 3 of 3 right: p = 1, p~ = 4/5, extra .16/3; no label: W^2/4; 2 of 4 right: no extra.
    value = smoothed_variance(np.array([0.5, 0.3, 0.2]), np.array([3.0, 0.0, 4.0]), np.array([3.0, 0.0, 2.0]))
    assert value == pytest.approx(0.25 * 0.16 / 3 + 0.09 * 0.25)


def test_critical_value_of_one_column_is_the_t_quantile():
    value = studentised_maximum(np.array([[0.3]]), 11, 0.95, np.random.default_rng(0))
    assert value == pytest.approx(stats.t.isf(0.025, 11))


def test_critical_value_of_independent_columns():
    value = studentised_maximum(np.eye(4), 5_000, 0.95, np.random.default_rng(0), 200_000)
    assert value == pytest.approx(stats.norm.isf((1 - 0.95**0.25) / 2), abs=0.01)


def test_letters_say_exactly_what_is_undecided():
    rng = np.random.default_rng(4)
    for _ in range(40):
        m = int(rng.integers(2, 8))
        theta = np.sort(rng.normal(size=m))[::-1]
        above = (theta[:, None] - theta[None, :]) > rng.uniform(0.2, 1.5)
        letters = letter_groups(above, np.arange(m))
        for i in range(m):
            for j in range(m):
                if i != j:
                    shared = bool(set(_split(letters[i])) & set(_split(letters[j])))
                    assert shared == (not above[i, j] and not above[j, i])


def _split(letters):
    import re

    return re.findall(r"[a-z]\d*", letters)


def drawn_battles(seed, n=800, strength=(0.8, 0.3, 0.0, -0.3, -0.8), nu=0.7):
    rng = np.random.default_rng(seed)
    theta = np.array(strength)
    first = rng.integers(0, len(theta), n)
    second = (first + rng.integers(1, len(theta), n)) % len(theta)
    law = np.array([oracle.davidson(theta[i], theta[j], nu) for i, j in zip(first, second)])
    u = rng.random(n)
    outcome = np.where(u < law[:, 0], 1, np.where(u < law[:, 0] + law[:, 1], -1, 0))
    return first, second, outcome


@pytest.mark.parametrize("nu", [0.7, 0.0])
def test_strengths_maximise_the_likelihood(nu):
    first, second, y = drawn_battles(6, n=400, nu=nu)
    fit = davidson_fit(first, second, y / 2, (y == 0).astype(float), np.arange(400), 5)
    if nu:
        theta, log_nu = oracle.davidson_by_likelihood(list(zip(first, second)), y, 5)
        assert fit.log_tie == pytest.approx(log_nu, abs=1e-4)
        np.testing.assert_allclose(fit.strength, theta, atol=1e-4)
    else:
        assert fit.log_tie is None
        wins = np.bincount(np.where(y > 0, first, second), minlength=5)
        p = 1 / (1 + np.exp(-(fit.strength[first] - fit.strength[second])))
        expected = np.bincount(first, p, 5) + np.bincount(second, 1 - p, 5)
        np.testing.assert_allclose(wins, expected, atol=1e-8)
    assert fit.strength.sum() == pytest.approx(0, abs=1e-10)


def test_strengths_do_not_depend_on_who_is_named_first():
    first, second, y = drawn_battles(7)
    tie = (y == 0).astype(float)
    one = davidson_fit(first, second, y / 2, tie, np.arange(800), 5)
    other = davidson_fit(second, first, -y / 2, tie, np.arange(800), 5)
    np.testing.assert_allclose(one.strength, other.strength, atol=1e-9)
    np.testing.assert_allclose(one.covariance, other.covariance, atol=1e-12)


def test_standard_errors_are_the_spread_of_strengths():
    fits = []
    for seed in range(150):
        first, second, y = drawn_battles(seed, n=300)
        fits.append(davidson_fit(first, second, y / 2, (y == 0).astype(float), np.arange(300), 5))
    spread = np.std([f.strength for f in fits], axis=0)
    stated = np.mean([np.sqrt(np.diag(f.covariance)) for f in fits], axis=0)
    np.testing.assert_allclose(stated / spread, 1.0, atol=0.2)


def test_order_effect_is_found():
    rng = np.random.default_rng(8)
    theta = np.array([0.5, 0.0, -0.5])
    first = rng.integers(0, 3, 6_000)
    second = (first + rng.integers(1, 3, 6_000)) % 3
    p = 1 / (1 + np.exp(-(theta[first] - theta[second] + 0.6)))
    y = np.where(rng.random(6_000) < p, 0.5, -0.5)
    fit = davidson_fit(first, second, y, np.zeros(6_000), np.arange(6_000), 3, order_effect=True)
    assert fit.order_effect == pytest.approx(0.6, abs=4 * np.sqrt(fit.order_variance))
    np.testing.assert_allclose(fit.strength, theta, atol=0.15)


def test_a_system_that_never_loses_is_refused():
    first, second, y = drawn_battles(9)
    y = np.where(first == 0, 1, np.where(second == 0, -1, y))
    with pytest.raises(BattlesNotIdentifiedError, match="never loses"):
        davidson_fit(first, second, y / 2, (y == 0).astype(float), np.arange(800), 5)


def test_components_of_who_met_whom():
    parts = connected_components(np.array([0, 1, 3]), np.array([1, 2, 4]), 5)
    assert parts[0] == parts[1] == parts[2]
    assert parts[3] == parts[4] != parts[0]


def test_win_rate_is_the_mean_over_opponents():
    first, second = np.array([0, 0, 0, 1, 2]), np.array([1, 1, 2, 2, 0])
    y = np.array([1, -1, 1, 0, -1])
    rate, covariance = win_rate(first, second, y / 2, np.arange(5), 3)
    # System 0: against 1 half, against 2 always; 1: half and half; 2: never against 0, half against 1.
    np.testing.assert_allclose(rate, [0.75, 0.5, 0.25])
    assert covariance.shape == (3, 3)


def test_the_level_of_several_intervals_lies_between_one_and_bonferroni():
    rng = np.random.default_rng(0)
    alone = simultaneous_level(np.eye(1), np.array([9.0]), 0.95, rng)
    assert alone == pytest.approx(0.95)
    apart = simultaneous_level(np.eye(6), np.full(6, 30.0), 0.95, rng)
    assert apart == pytest.approx(0.95 ** (1 / 6), abs=2e-3)
    together = simultaneous_level(np.full((6, 6), 0.99) + 0.01 * np.eye(6), np.full(6, 1e6), 0.95, rng)
    assert 0.95 <= together < 0.97
    unequal = simultaneous_level(np.eye(3), np.array([2.0, 9.0, 200.0]), 0.9, rng)
    assert unequal == pytest.approx(0.9 ** (1 / 3), abs=4e-3)
    assert 0.95 <= simultaneous_level(np.zeros((2, 2)), np.array([3.0, 3.0]), 0.95, rng) <= 0.975


@pytest.mark.parametrize("judged", [False, True])
def test_a_system_without_a_fault_has_an_interval(judged):
    """Never 0 +- 0: neither where all scores agree, nor where all labels agree with the judge."""
    score = np.ones((40, 2))
    data = {"item": np.repeat(np.arange(40), 2), "system": ["a", "b"] * 40, "score": score.ravel()}
    if judged:
        human = np.full((40, 2), np.nan)
        human[:15] = 1.0
        score[39] = 0.0
        data = {**data, "judge": score.ravel(), "human": human.ravel()}
        del data["score"]
    result = evals.rank(data)
    assert np.all(result.estimate == 1.0)
    assert np.all((result.conf_low > 0.5) & (result.conf_low < 0.95))
    assert np.all(result.conf_high == 1.0)
    if judged:
        assert np.all(result.std_error > 0.0)


def test_one_system_has_the_interval_that_an_evaluation_gives():
    rng = np.random.default_rng(3)
    score = (rng.random((60, 2)) < [0.9, 0.6]).astype(float)
    result = evals.rank(
        {"item": np.repeat(np.arange(60), 2), "system": ["a", "b"] * 60, "score": score.ravel()}
    )
    alone = evals.evaluate({"score": score[:, 0]})
    place = result.systems.index("a")
    assert (result.conf_low[place], result.conf_high[place]) == pytest.approx(
        (alone.conf_low, alone.conf_high)
    )


def test_scores_with_a_continuous_judge_have_the_interval_that_an_evaluation_gives():
    """Which interval bounded scores have is one rule: what no label has shown counts with any judge."""
    rng = np.random.default_rng(0)
    judge, human = rng.uniform(0.9, 1.0, (600, 2)), np.full((600, 2), np.nan)
    labelled = rng.permutation(600)[:150]
    human[labelled] = 0.99 + 0.005 * rng.random((150, 2))
    columns = {"judge": judge.ravel(), "human": human.ravel()}
    result = evals.rank({"item": np.repeat(np.arange(600), 2), "system": ["a", "b"] * 600, **columns})
    alone = evals.evaluate({"judge": judge[:, 0], "human": human[:, 0]})
    place = result.systems.index("a")
    assert result.conf_low[place] == pytest.approx(alone.conf_low, abs=1e-3)
    assert result.conf_high[place] == pytest.approx(alone.conf_high, abs=1e-3)
    assert result.conf_low[place] < 0.97  # one gross error among 150 would move the mean below


@pytest.mark.slow
def test_twelve_units_lend_no_correlations_that_shrink_the_critical_value() -> None:
    """Equal independent systems: the critical value is that of the true covariance; with the one seen it is .13 too small."""
    rng = np.random.default_rng(0)
    nothing = np.zeros(10)

    def critical(covariance: np.ndarray) -> float:
        return rank_sets(nothing, covariance, 11.0, 0.95, generator=rng, n_draws=4_000).critical

    true = np.mean([critical(np.eye(10)) for _ in range(10)])
    seen = np.mean([critical(np.cov(rng.normal(size=(12, 10)).T)) for _ in range(60)])
    assert abs(seen - true) < 0.07


def test_standard_errors_with_ties_and_an_order_effect_are_those_of_leaving_prompts_out():
    rng = np.random.default_rng(4)
    prompts = np.repeat(np.arange(50), 6)
    first = rng.integers(0, 3, 300)
    second = (first + rng.integers(1, 3, 300)) % 3
    gap = np.array([0.4, 0.0, -0.4])[first] - np.array([0.4, 0.0, -0.4])[second] + 0.5
    u = rng.random(300) * (np.exp(gap / 2) + np.exp(-gap / 2) + 0.8)
    y = np.where(u < np.exp(gap / 2), 0.5, np.where(u < np.exp(gap / 2) + np.exp(-gap / 2), -0.5, 0.0))

    def fit(kept):
        return davidson_fit(
            first[kept],
            second[kept],
            y[kept],
            (y[kept] == 0).astype(float),
            prompts[kept],
            3,
            order_effect=True,
        )

    whole = fit(np.ones(300, dtype=bool))
    parts = [fit(prompts != k) for k in range(50)]
    for found, values in (
        (np.diag(whole.covariance), np.array([part.strength for part in parts])),
        (whole.order_variance, np.array([part.order_effect for part in parts])),
    ):
        np.testing.assert_allclose(found, 49 * values.var(axis=0), rtol=0.1)  # 49/50 sum of squares


def test_warnings_about_battles_reach_the_ranking() -> None:
    """Twelve human labels are few, which is a warning; what is only a note stays with the doctor."""
    rng = np.random.default_rng(1)
    data = {
        "model_a": ["a", "b", "c"] * 40,
        "model_b": ["b", "c", "a"] * 40,
        "winner": rng.choice(["model_a", "model_b"], 120).tolist(),
        "human": [*rng.choice(["model_a", "model_b"], 12), *[None] * 108],
    }
    found = evals.doctor(data, judge="winner", human="human").checks
    assert {c.severity for c in found} >= {"warning"}
    ranked = evals.rank(data, judge="winner", human="human").checks
    assert {c.code for c in ranked} == {
        c.code for c in found if c.severity == "warning" or c.code == "class-without-labels"
    }
