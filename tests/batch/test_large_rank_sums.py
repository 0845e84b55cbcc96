"""The law of the rank sum where both sizes are large: a recursion that cancels there gave bounds that cover nothing."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from validstats.batch.laws import mean_interval, rank_sum
from validstats.batch.laws.rank_sum import (
    has_exact_law,
    rank_sum_counts,
    rank_sum_law,
    rank_sum_quantile,
    rank_sum_spectrum,
    share_up_to,
    weight_sum_quantile,
)
from validstats.kernels.rank_sum import gaussian_binomial
from validstats.validity import binomial_acceptance


@pytest.mark.share(3)
@pytest.mark.parametrize(("n", "m"), [(65, 65), (70, 66), (66, 131), (100, 80), (200, 150)])
def test_the_law_equals_that_in_integers(n, m):
    counts = rank_sum_counts(n, m)
    total = sum(counts)
    exact = np.array([count / total for count in counts])
    law = rank_sum_law(n, m)
    assert law.size == n * m + 1 and law.min() >= 0.0
    np.testing.assert_allclose(np.cumsum(law), np.cumsum(exact), atol=1e-14)
    spectrum = rank_sum_spectrum(n, m)
    sums = np.cumsum(exact)
    for t in {0, n, n * m // 3, n * m // 2, n * m - 1, n * m}:
        assert share_up_to(t, n, m, spectrum) == pytest.approx(sums[t], abs=1e-13)
    assert share_up_to(-1, n, m, spectrum) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(("n", "m"), [(66, 65), (130, 65), (81, 80)])
def test_frequencies_that_are_left_out_count_for_nothing(n, m):
    """At every frequency the product is evaluated with its angles reduced in integers."""
    period = n * m + 1
    kept = rank_sum_spectrum(n, m).size
    j = np.arange(1, m + 1)
    for k in range(kept + 1, period // 2 + 1):
        over, under = (n + j) * k, j * k
        if np.any(under % period == 0):
            continue
        sines = [np.sin(np.pi / period * (a % period)) for a in (over, under)]
        assert abs(np.prod(sines[0] / sines[1] * j / (n + j))) < 1e-19


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("n", "m"), [(1000, 600), (150, 500), (200, 500), (3000, 1000), (300, 4000), (10**6, 10**4)]
)
@pytest.mark.parametrize("alpha", [0.3, 0.05, 0.001])
def test_quantiles_are_near_those_of_the_normal_law(n, m, alpha):
    found = rank_sum_quantile(n, m, alpha)
    mean, spread = n * m / 2 + m, math.sqrt(n * m * (n + m + 1) / 12)
    assert (found.q - mean) / spread == pytest.approx(stats.norm.ppf(1 - alpha), abs=0.02)
    assert 1 - alpha <= found.probability <= 1 - alpha + 2 / spread
    assert rank_sum_quantile(m, n, alpha).q - n == found.q - m


@pytest.mark.share(3)
@pytest.mark.parametrize("n", [200, 2000, 30_000])
def test_recursion_and_characteristic_function_agree_where_both_are_accurate(monkeypatch, n):
    quantiles = {}
    for limit in (64, 40):
        monkeypatch.setattr(rank_sum, "_RECURSION_UP_TO", limit)
        rank_sum._rank_sum_quantile.cache_clear()
        quantiles[limit] = [
            rank_sum_quantile(n, 64, alpha, drop_extreme=alpha > 0.26) for alpha in (0.3, 0.1, 1e-4)
        ]
    rank_sum._rank_sum_quantile.cache_clear()
    for one, other in zip(quantiles[64], quantiles[40], strict=True):
        assert one.q == other.q and one.probability == pytest.approx(other.probability, abs=1e-11)


@pytest.mark.parametrize(("n", "m"), [(80, 70), (70, 80)])
def test_levels_that_are_attained_exactly_or_missed_by_little(monkeypatch, n, m):
    """Where ties are decided in integers the quantile is exact; where they are not it is at most one unit larger."""
    counts = rank_sum_counts(n, m)
    total, t = sum(counts), n * m // 3
    tail = Fraction(sum(counts[: t + 1]), total)
    exact = n * m - t - 1 + m
    for work, at in ((10**9, exact), (0, exact + 1)):
        monkeypatch.setattr(rank_sum, "_EXACT_WORK", work)
        rank_sum._rank_sum_quantile.cache_clear()
        assert rank_sum_quantile(n, m, tail).q == at
        assert rank_sum_quantile(n, m, tail * (1 - Fraction(1, 10**13))).q == exact + 1
    rank_sum._rank_sum_quantile.cache_clear()


def test_levels_below_the_precision_give_the_largest_sum():
    assert rank_sum_quantile(300, 200, Fraction(1, 10**12)) == rank_sum.SumQuantile(200.0 * 301, 1.0)
    in_integers = rank_sum_quantile(80, 70, Fraction(1, 10**12))
    assert in_integers.q < 70 * 81 and in_integers.probability == pytest.approx(1.0, abs=1e-11)


def test_ranks_as_weights_have_the_law_of_the_rank_sum():
    """The law of integer weights is computed by convex combinations, another algorithm."""
    for alpha in (0.3, 0.05):
        assert weight_sum_quantile(np.arange(1, 72), 66, alpha).q == rank_sum_quantile(70, 66, alpha).q


def test_the_recursion_alone_would_fail():
    """The test of the test: with both sizes large its probabilities do not even sum to one."""
    law = gaussian_binomial(1000, 600, 1000 * 600 // 2 + 1)
    assert abs(2 * law.sum() - 1) > 0.1 and law.min() < 0


def test_the_law_is_computed_wherever_it_can_be():
    assert has_exact_law(10**7, 10**5) and has_exact_law(1000, 64) and not has_exact_law(10**8, 20)


@pytest.mark.parametrize(
    ("n", "m", "bounds"), [(1000, 600, (0.0, 1.0)), (600, 900, (0.0, 1.0)), (900, 70, (-9, 9))]
)
def test_means_of_large_batches_are_covered(n, m, bounds):
    hits, n_replicates = 0, 200
    for seed in range(n_replicates):
        draws = np.random.default_rng([seed, n]).random(n + m)
        found = mean_interval(draws[:n], m, 0.2, bounds=bounds, method="rank-sum")
        assert found.low < found.high and found.informative
        hits += found.low <= draws[n:].mean() <= found.high
    assert binomial_acceptance(hits, n_replicates, 0.8).accepted
