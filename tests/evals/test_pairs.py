"""Paired 0/1 scores and sign flips, and the rule that p-value and interval agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.oracles import evals as oracle
from validstats.evals.statistics import direction_code, paired_binary, sign_flip_p_value
from validstats.evals.statistics.pairs import bonett_price, buehler_interval, buehler_p_value, exact_mcnemar


@pytest.mark.parametrize(("b", "c", "p"), [(10, 2, 0.03857421875), (5, 0, 0.0625), (0, 0, 1.0)])
def test_mcnemar_known_numbers(b, c, p):
    assert exact_mcnemar(b, c) == pytest.approx(p, abs=1e-14)


def test_mcnemar_agrees_with_the_binomial_test():
    for b in range(12):
        for c in range(12 - b):
            if b + c:
                assert exact_mcnemar(b, c) == pytest.approx(stats.binomtest(b, b + c).pvalue)


@pytest.mark.slow
@pytest.mark.parametrize(("b", "c", "n"), [(5, 1, 12), (0, 0, 8), (8, 0, 8), (0, 3, 9), (4, 4, 8)])
def test_buehler_bound_is_that_of_all_tables(b, c, n):
    low, high = buehler_interval(b, c, n, 0.95)
    # The bound of cells is conservative by at most the width of a cell; the grid of the oracle has steps of .002.
    lower = oracle.buehler_lower(b, c, n, 0.025, n_psi=150)
    assert lower == pytest.approx(low, abs=0.006)
    assert low <= lower
    if b != c:
        assert -oracle.buehler_lower(c, b, n, 0.025, n_psi=150) == pytest.approx(high, abs=0.006)


def side_errors(n, p10, p01, interval):
    """How often each side of an interval of level .95 misses, by adding up all tables."""
    below = above = 0.0
    delta = p10 - p01
    for (b, c), probability in oracle.table_probabilities(n, p10, p01).items():
        if probability > 1e-9:
            low, high = interval(b, c)
            below += probability * (high < delta)
            above += probability * (low > delta)
    return below, above


@pytest.fixture(scope="module")
def buehler_20():
    return {(b, c): buehler_interval(b, c, 20, 0.95) for b in range(21) for c in range(21 - b)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p10", "p01"), [(0.2, 0.0), (0.05, 0.0), (0.5, 0.0), (0.1, 0.1), (0.3, 0.1), (0.02, 0.02), (0.5, 0.45)]
)
def test_buehler_errs_at_most_by_half_on_each_side(buehler_20, p10, p01):
    below, above = side_errors(20, p10, p01, lambda b, c: buehler_20[b, c])
    assert below <= 0.025
    assert above <= 0.025


def test_bonett_price_errs_too_often_where_only_one_system_fails():
    below, above = side_errors(20, 0.2, 0.0, lambda b, c: bonett_price(b, c, 20, 0.95))
    assert 1 - below - above == pytest.approx(0.928, abs=1e-3)
    assert max(below, above) > 0.06


@pytest.mark.slow
@pytest.mark.parametrize("n", [7, 13])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("interval", ["buehler", "bonett-price"])
def test_interval_and_p_value_never_contradict(n, level, interval):
    for b in range(n + 1):
        for c in range(n + 1 - b):
            answer = paired_binary(b, c, n, level, interval)
            decided = answer.conf_low > 0 or answer.conf_high < 0
            assert decided == (answer.p_value <= 1 - level), (b, c)
            assert answer.conf_low <= answer.estimate <= answer.conf_high


@pytest.mark.slow
@pytest.mark.parametrize(("n", "level"), [(25, 0.95), (60, 0.95), (60, 0.99)])
@pytest.mark.parametrize("interval", ["buehler", "bonett-price"])
def test_interval_and_p_value_agree_at_the_edge_of_rejection(n, level, interval):
    """For every number of discordant pairs the last table that McNemar's test rejects, and the first that it does not."""
    for m in range(1, n + 1):
        rejected = int(np.sum(exact_mcnemar(m - np.arange(m // 2 + 1), np.arange(m // 2 + 1)) <= 1 - level))
        for c in {max(rejected - 1, 0), min(rejected, m // 2)}:
            answer = paired_binary(m - c, c, n, level, interval)
            assert (answer.conf_low > 0) == (answer.p_value <= 1 - level), (m - c, c)


def test_no_discordant_pair_is_no_certainty():
    answer = paired_binary(0, 0, 40, 0.95)
    assert answer.p_value == 1.0
    assert answer.conf_low < -0.05
    assert answer.conf_high > 0.05


def test_buehler_mirrors():
    low, high = buehler_interval(9, 3, 50, 0.95)
    assert buehler_interval(3, 9, 50, 0.95) == (-high, -low)
    assert buehler_p_value(9, 3, 50) == buehler_p_value(3, 9, 50)


def test_sign_flips_up_to_sixteen_clusters_are_all_of_them():
    sums = np.array([0.4, -0.1, 0.3, 0.0, 0.2, 0.2, -0.3, 0.7])
    assert sign_flip_p_value(sums, np.random.default_rng(0)) == pytest.approx(
        oracle.sign_flips(sums[sums != 0])
    )


def test_sign_flips_of_pairs_are_mcnemar():
    sums = np.array([1.0] * 10 + [-1.0] * 2 + [0.0] * 40)
    assert sign_flip_p_value(sums, np.random.default_rng(0)) == pytest.approx(0.03857421875, abs=1e-12)


@pytest.mark.share(3)
@pytest.mark.parametrize("values", ["discrete", "continuous", "mixed"])
def test_random_sign_flips_have_the_law_of_all(values):
    rng = np.random.default_rng(2)
    sums = {"discrete": rng.choice([-1.0, 1.0, 2.0], 15), "continuous": rng.normal(0.4, 1.0, 15)}
    sums["mixed"] = np.concatenate([sums["discrete"][:8], sums["continuous"][:7]])
    chosen = sums[values]
    exact = oracle.sign_flips(chosen)
    # Two pairs that cancel each other bring the number above sixteen.
    drawn = sign_flip_p_value(np.append(chosen, [1e-9, -1e-9]), np.random.default_rng(0), 200_000)
    assert drawn == pytest.approx(exact, abs=0.006)


def test_gpqa_sign_flips():
    from tests.evals.test_scores import GPQA

    p = sign_flip_p_value((GPQA[:, 1] - GPQA[:, 2]) / 5, np.random.default_rng(0), 100_000)
    assert p == pytest.approx(0.0396, abs=0.002)


@pytest.mark.parametrize(
    ("low", "high", "margin", "code"),
    [
        (-0.2, -0.01, 0.0, "worse"),
        (0.01, 0.2, 0.0, "better"),
        (-0.01, 0.2, 0.0, "undecided"),
        (-0.01, 0.01, 0.02, "same"),
        (-0.01, 0.3, 0.02, "not_worse"),
        (0.005, 0.3, 0.02, "not_worse"),
        (0.03, 0.3, 0.02, "better"),
        (-0.3, -0.01, 0.02, "undecided"),
        (-0.3, -0.03, 0.02, "worse"),
    ],
)
def test_codes_in_their_order(low, high, margin, code):
    assert direction_code(low, high, margin) == code
