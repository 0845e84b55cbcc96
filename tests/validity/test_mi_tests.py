"""Validity by simulation: permutation p-values, error rates of the selector, intervals, and power."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from validstats.mi import MISelector, independence_test, mutual_info
from validstats.mi.permutation import Permuter, bind_statistic, permutation_p_value
from validstats.mi.sides import prepare_sides
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity

N, B = 60, 19


def rejections(law, statistic, n_replicates, seed, n=N, n_permutations=B, **options):
    """How often the permutation test rejects at level 1/20."""
    count = 0
    for replicate in range(n_replicates):
        generator = np.random.default_rng([seed, replicate])
        x, y = law(generator, n)
        result = independence_test(
            x, y, statistic=statistic, n_permutations=n_permutations, random_state=generator, **options
        )
        count += result.p_value <= 0.05
    return count


def independent(generator, n):
    return generator.standard_t(2, size=(n, 2)), generator.exponential(size=n)


def independent_with_ties(generator, n):
    return generator.integers(0, 3, size=n), np.maximum(generator.standard_normal(n), 0)


@pytest.mark.parametrize("statistic", ["ksg", "gaussian", "histogram", "distance_correlation"])
@pytest.mark.parametrize("law", [independent, independent_with_ties])
def test_the_level_is_kept_by_every_statistic(law, statistic) -> None:
    if statistic == "gaussian" and law is independent_with_ties:
        law = independent
    n_replicates = 250
    kept = n_replicates - rejections(law, statistic, n_replicates, seed=1)
    check = binomial_acceptance(kept, n_replicates, 0.95)
    assert check.accepted, str(check)


def test_the_learned_statistic_keeps_the_level() -> None:
    n_replicates = 70
    kept = n_replicates - rejections(independent, "learned", n_replicates, seed=11, n=40)
    check = binomial_acceptance(kept, n_replicates, 0.95)
    assert check.accepted, str(check)


def test_the_p_value_is_exact_without_ties() -> None:
    n_replicates = 1000
    rejected = rejections(independent, "gaussian", n_replicates, seed=2)
    check = binomial_acceptance(rejected, n_replicates, 0.05, alternative="two-sided")
    assert check.accepted, str(check)


def test_sequential_p_values_keep_every_level() -> None:
    n_replicates, values = 600, []
    for replicate in range(n_replicates):
        generator = np.random.default_rng([3, replicate])
        sides = prepare_sides(*independent(generator, 40))
        bound = bind_statistic("gaussian", *sides)
        permuter = Permuter.from_random_state(40, generator)
        outcome = permutation_p_value(bound, bound(np.arange(40)), permuter, 99, stop_after=5)
        values.append(outcome.p_value)
    for level in (0.05, 0.1, 0.25, 0.5):
        kept = int((np.array(values) > level).sum())
        check = binomial_acceptance(kept, n_replicates, 1 - level)
        assert check.accepted, f"{level}: {check}"


def test_strata_keep_the_level_where_a_plain_permutation_does_not() -> None:
    def confounded(generator, n):
        group = generator.integers(0, 3, size=n)
        x, y = group + generator.standard_normal((2, n))
        return x, y, group

    n_replicates, with_strata, without = 300, 0, 0
    for replicate in range(n_replicates):
        generator = np.random.default_rng([4, replicate])
        x, y, group = confounded(generator, N)
        test = partial(independence_test, x, y, statistic="cca", n_permutations=B)
        with_strata += test(strata=group, random_state=generator).p_value <= 0.05
        without += test(random_state=generator).p_value <= 0.05
    check = binomial_acceptance(n_replicates - with_strata, n_replicates, 0.95)
    assert check.accepted, str(check)
    assert not binomial_acceptance(n_replicates - without, n_replicates, 0.95).accepted


def test_a_p_value_without_the_observed_row_is_caught() -> None:
    """Test of the test: exceedances / B rejects at level 1/4 with probability 2/5 where B = 4."""
    n_replicates, count = 300, 0
    for replicate in range(n_replicates):
        generator = np.random.default_rng([5, replicate])
        sides = prepare_sides(*independent(generator, 40))
        bound = bind_statistic("gaussian", *sides)
        permuter = Permuter.from_random_state(40, generator)
        outcome = permutation_p_value(bound, bound(np.arange(40)), permuter, 4)
        count += outcome.n_exceeding / 4 <= 0.25
    assert not binomial_acceptance(n_replicates - count, n_replicates, 0.75).accepted


# --- selection --------------------------------------------------------------------------------------------


def selection_draw(generator, n_null):
    X = generator.standard_normal((80, 2 + n_null))
    X[:, 2:] += 0.5 * generator.standard_normal((80, 1))
    return X, X[:, 0] + X[:, 1] + generator.standard_normal(80)


@pytest.mark.parametrize("control", ["fdr_bh", "fwer"])
def test_error_rates_stay_at_their_level(control) -> None:
    """Family-wise error exactly by the binomial law; false discovery rate by a bound on its mean."""
    n_replicates, alpha, false_shares = 60, 0.2, []
    for replicate in range(n_replicates):
        generator = np.random.default_rng([6, replicate])
        X, y = selection_draw(generator, 8)
        selector = MISelector(
            "gaussian", control=control, alpha=alpha, n_permutations=99, random_state=generator
        )
        chosen = selector.fit(X, y).get_support()
        false_shares.append(chosen[2:].sum() / max(1, chosen.sum()))
    false = np.array(false_shares)
    if control == "fwer":
        check = binomial_acceptance(int((false == 0).sum()), n_replicates, 1 - alpha)
        assert check.accepted, str(check)
    else:
        # Hoeffding's bound at significance 1e-3 for a mean of values in [0, 1].
        assert false.mean() <= alpha * 0.8 + np.sqrt(np.log(1e3) / (2 * n_replicates))
    assert np.mean([share < 1 for share in false_shares]) > 0.9


def test_keeping_every_feature_with_a_small_raw_p_value_breaks_the_family_wise_rate() -> None:
    """Test of the test: no adjustment for multiplicity."""
    n_replicates, alpha, clean = 60, 0.2, 0
    for replicate in range(n_replicates):
        generator = np.random.default_rng([7, replicate])
        X, y = selection_draw(generator, 8)
        selector = MISelector(
            "gaussian", control="fwer", alpha=alpha, n_permutations=49, random_state=generator
        )
        clean += not (selector.fit(X, y).pvalues_[2:] <= alpha).any()
    assert not binomial_acceptance(clean, n_replicates, 1 - alpha).accepted


# --- intervals --------------------------------------------------------------------------------------------


def gaussian_pairs(generator, n, dim, rho):
    x = generator.standard_normal((n, dim))
    return x, rho * x + np.sqrt(1 - rho**2) * generator.standard_normal((n, dim))


@pytest.mark.parametrize(("method", "dim"), [("gaussian", 1), ("cca", 1), ("gaussian", 3)])
def test_gaussian_intervals_cover_at_their_asymptotic_level(method, dim) -> None:
    """Asymptotic intervals at n = 400: accepted with a slack of two points for the remainder."""
    n_replicates, rho = 500, 0.5
    truth = -0.5 * dim * np.log(1 - rho**2)
    covered = 0
    for replicate in range(n_replicates):
        x, y = gaussian_pairs(np.random.default_rng([8, dim, replicate]), 400, dim, rho)
        result = mutual_info(x, y, method=method, certify=False)
        covered += result.conf_low <= truth <= result.conf_high
    check = binomial_acceptance(covered, n_replicates, 0.88)
    assert check.accepted, str(check)


def test_plug_in_intervals_cover_the_mutual_information_of_the_cells() -> None:
    joint = np.array([[0.2, 0.05, 0.05], [0.05, 0.25, 0.05], [0.05, 0.1, 0.2]])
    truth = (joint * np.log(joint / np.outer(joint.sum(axis=1), joint.sum(axis=0)))).sum()
    n_replicates, covered = 500, 0
    for replicate in range(n_replicates):
        cells = np.random.default_rng([9, replicate]).choice(9, size=500, p=joint.ravel())
        result = mutual_info(cells // 3, cells % 3, method="plug-in", certify=False)
        covered += result.conf_low <= truth <= result.conf_high
    check = binomial_acceptance(covered, n_replicates, 0.88)
    assert check.accepted, str(check)


# --- power ------------------------------------------------------------------------------------------------


def linear(generator, n):
    x = generator.standard_normal(n)
    return x, 0.5 * x + generator.standard_normal(n)


def parabola(generator, n):
    x = generator.uniform(-1, 1, size=n)
    return x, x**2 + 0.25 * generator.standard_normal(n)


def sine(generator, n):
    x = generator.uniform(-1, 1, size=n)
    return x, np.sin(2 * np.pi * x) + 0.5 * generator.standard_normal(n)


def shared_scale(generator, n):
    rows = generator.standard_normal((n, 6)) / np.sqrt(generator.chisquare(2, size=(n, 1)) / 2)
    return rows[:, :3], rows[:, 3:]


def noisy_sine(generator, n):
    x = generator.uniform(-1, 1, size=n)
    return x, np.sin(2 * np.pi * x) + 0.8 * generator.standard_normal(n)


def one_pair_in_five(generator, n):
    x, y = generator.standard_normal((2, n, 5))
    y[:, 0] = 0.8 * x[:, 0] + 0.6 * y[:, 0]
    return x, y


def one_weak_pair_in_ten(generator, n):
    x, y = generator.standard_normal((2, n, 10))
    y[:, 0] = 0.6 * x[:, 0] + 0.8 * y[:, 0]
    return x, y


@pytest.mark.parametrize(
    ("law", "better", "worse"),
    [
        (one_weak_pair_in_ten, "learned", "distance_correlation"),
        (one_pair_in_five, "learned", "ksg"),
        (linear, "distance_correlation", "ksg"),
        (shared_scale, "ksg", "gaussian"),
        (parabola, "ksg", "cca"),
        (sine, "ksg", "gaussian"),
    ],
)
def test_statistics_differ_in_power_as_their_theory_says(law, better, worse) -> None:
    n_replicates = 30
    power = {name: rejections(law, name, n_replicates, seed=10) / n_replicates for name in (better, worse)}
    assert power[better] > power[worse] + 0.1, power


def test_the_learned_evidence_is_not_below_distance_correlation_on_a_noisy_sine() -> None:
    power = {
        name: rejections(noisy_sine, name, 30, seed=10) / 30 for name in ("learned", "distance_correlation")
    }
    assert power["learned"] >= power["distance_correlation"], power
