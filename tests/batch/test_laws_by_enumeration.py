"""Every law and every maximiser against enumeration for all n <= 6, m <= 4, and the grid of exact ties."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from tests.oracles import batch as oracle
from validstats.batch.laws import compositional_interval, order_statistic_box, rank_envelope
from validstats.batch.laws import ranks as rank_laws
from validstats.batch.laws.envelope import envelope_probability
from validstats.batch.laws.extremal_sums import dual_bound, hull_bound, knapsack_bound, rank_sum_maximum
from validstats.batch.laws.rank_sum import (
    rank_sum_counts,
    rank_sum_law,
    rank_sum_quantile,
    weight_sum_probabilities,
    weight_sum_quantile,
)
from validstats.batch.laws.sampling import sample_ranks
from validstats.kernels.ranks import local_upper_ranks

_PRODUCTS = list(itertools.product(range(1, 7), range(1, 5)))
SIZES = [pytest.param(n, m, marks=pytest.mark.slow) if n * m > 12 else (n, m) for n, m in _PRODUCTS]
LEVELS = [Fraction(1, 10), Fraction(1, 5), Fraction(1, 3)]


@pytest.mark.slow
def test_exact_tie_grid():
    """6,480 cases in which the level is often hit exactly: both searches against integers."""
    cases = wrong = 0
    alphas = [Fraction(a) for a in ("0.01", "0.05", "0.1", "0.2", "0.25", "0.5")]
    for n, m, alpha in itertools.product(range(1, 31), range(1, 9), alphas):
        for zeta in range(1, m + 1):
            cases += 1
            rank, probability = oracle.rank_upper(n, m, zeta, alpha)
            in_numpy = rank_laws._search_numpy(n, m, zeta, alpha)
            compiled = rank_laws._search_compiled(n, m, zeta, alpha)
            wrong += in_numpy[0] != rank or compiled[0] != rank
            wrong += abs(1 - in_numpy[1] - float(probability)) > 1e-12
            wrong += abs(1 - compiled[1] - float(probability)) > 1e-12
            wrong += rank_laws.rank_lower(n, m, zeta, alpha).rank != oracle.rank_lower(n, m, zeta, alpha)[0]
    assert cases == 6480
    assert wrong == 0


def test_naive_quantile_fails_on_exact_ties():
    """The test of the test: a beta-binomial quantile in floating point picks wrong ranks on this grid."""
    wrong = 0
    for n, m, alpha in itertools.product(range(1, 31), range(1, 5), ("0.05", "0.1")):
        for zeta in range(1, m + 1):
            cdf = stats.betabinom.cdf(np.arange(n + 1), n, zeta, m - zeta + 1)
            rank = int(np.argmax(cdf >= 1 - float(alpha))) + 1
            wrong += rank != oracle.rank_upper(n, m, zeta, Fraction(alpha))[0]
    assert wrong > 0


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_rank_laws(n, m):
    for zeta in range(1, m + 1):
        counts = Counter(r[zeta - 1] for r in oracle.rank_vectors(n, m))
        assert rank_laws.order_statistic_counts(n, m, zeta) == [counts[k] for k in range(1, n + 2)]
        for z in range(1, n + 1):
            expected = oracle.probability(n, m, lambda r, z=z, zeta=zeta: r[zeta - 1] <= z)
            assert rank_laws.batch_coverage_probability(n, m, zeta, z) == pytest.approx(
                float(expected), rel=1e-12
            )
            assert 1 - rank_laws._exact_tail(n, m, zeta, z) == expected
        for alpha in LEVELS:
            assert rank_laws.rank_upper(n, m, zeta, alpha).rank == oracle.rank_upper(n, m, zeta, alpha)[0]
            assert rank_laws.rank_lower(n, m, zeta, alpha).rank == oracle.rank_lower(n, m, zeta, alpha)[0]
    for errors in range(n + 1):
        for alpha in LEVELS:
            assert rank_laws.error_count_upper(n, errors, m, alpha) == oracle.error_count_upper(
                n, errors, m, alpha
            )


@pytest.mark.parametrize("m", [1, 2, 5, 20])
@pytest.mark.parametrize("alpha", ["0.05", "0.1", "0.3"])
def test_smallest_informative_n(m, alpha):
    level = Fraction(alpha)
    for zeta in {1, (m + 1) // 2, m}:
        for side, search in (("upper", oracle.rank_upper), ("lower", oracle.rank_lower)):
            n = rank_laws.smallest_informative_n(m, zeta, alpha, side)
            useless = {"upper": lambda n: n + 1, "lower": lambda n: 1}[side]
            assert search(n, m, zeta, level)[0] != useless(n)
            assert n == 1 or search(n - 1, m, zeta, level)[0] == useless(n - 1)


def test_table_of_smallest_n():
    sizes = [5, 10, 20, 50, 100]
    assert [rank_laws.smallest_informative_n(m, m, 0.1) for m in sizes] == [45, 90, 180, 450, 900]
    ninety = [rank_laws.quantile_index(m, 0.9) for m in sizes]
    assert [rank_laws.smallest_informative_n(m, k, 0.1) for m, k in zip(sizes, ninety)] == [
        45,
        21,
        22,
        23,
        23,
    ]
    median = [rank_laws.quantile_index(m, 0.5) for m in sizes]
    assert [rank_laws.smallest_informative_n(m, k, 0.1) for m, k in zip(sizes, median)] == [5, 4, 4, 4, 4]


@pytest.mark.share(3)
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_rank_sum(n, m):
    counts = Counter(sum(r) - m for r in oracle.rank_vectors(n, m))
    expected = [counts[u] for u in range(n * m + 1)]
    assert rank_sum_counts(n, m) == expected
    np.testing.assert_allclose(rank_sum_law(n, m) * math.comb(n + m, m), expected, rtol=1e-12)
    for alpha in LEVELS:
        q, probability = oracle.upper_quantile(n, m, sum, alpha)
        found = rank_sum_quantile(n, m, alpha)
        assert (found.q, found.probability) == (q, pytest.approx(float(probability), rel=1e-12))

        def extreme(r):
            return math.inf if r[-1] == n + 1 else sum(r)

        q, probability = oracle.upper_quantile(n, m, extreme, alpha)
        found = rank_sum_quantile(n, m, alpha, drop_extreme=True)
        assert found.q == q
        assert found.probability == pytest.approx(float(probability), rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(5, 3), (30, 12), (100, 40), (7, 60)])
def test_rank_sum_is_the_mann_whitney_null_law(n, m):
    """Parity with scipy's exact null distribution, in every point of its support."""
    top = n * m
    law = rank_sum_law(n, m)
    assert law.sum() == pytest.approx(1.0, abs=1e-12)
    survival = np.cumsum(law[::-1])[::-1]
    for u in np.unique(np.linspace(0, top, 25).astype(int)):
        ours = float(survival[u])
        assert ours == pytest.approx(_mann_whitney_survival(n, m, int(u)), abs=1e-12)


def _mann_whitney_survival(n, m, u):
    """P(U >= u) by scipy, from a sample without ties whose statistic is u."""
    full, rest = divmod(u, n)
    y = np.arange(n) + 0.5
    x = np.full(m, -1.0)
    x[:full] = n + 1.0
    if full < m:
        x[full] = rest - 0.25
    x = x + np.arange(m) * 1e-6
    return stats.mannwhitneyu(x, y, alternative="greater", method="exact").pvalue


@pytest.mark.share(3)
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_weight_sums(n, m):
    rng = np.random.default_rng(n * 10 + m)
    weights = np.sort(rng.integers(0, 6, n + 1))
    values = [sum(weights[k - 1] for k in r) for r in oracle.rank_vectors(n, m)]
    expected = np.bincount(values, minlength=int(weights.max()) * m + 1) / len(values)
    np.testing.assert_allclose(weight_sum_probabilities(weights, m), expected, atol=1e-14)
    for alpha in LEVELS:
        q, _ = oracle.upper_quantile(n, m, lambda r: sum(weights[k - 1] for k in r), alpha)
        assert weight_sum_quantile(weights, m, alpha).q >= q


def score_samples(n, seed):
    rng = np.random.default_rng(seed)
    yield np.sort(rng.random(n + 1))
    yield np.sort(rng.exponential(size=n + 1))
    yield np.sort(rng.integers(0, 3, n + 1).astype(float))
    yield np.sort(rng.beta(0.3, 0.3, n + 1))


@pytest.mark.share(3)
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_maximisers(n, m):
    """Exact maximum = knapsack = enumeration <= hull = dual without a band."""
    ranks = np.arange(1.0, n + 2)
    everywhere = np.ones(m, dtype=np.int64), np.full(m, n + 1, dtype=np.int64)
    for scores in score_samples(n, 100 * n + m):
        for q in range(m, m * (n + 1) + 1):
            expected = oracle.largest_sum(scores, m, q)
            assert rank_sum_maximum(scores, m, q) == pytest.approx(expected, rel=1e-9, abs=1e-12)
            assert knapsack_bound(scores, m, q) == pytest.approx(expected, rel=1e-9, abs=1e-12)
            hull = hull_bound(scores, ranks, m, q)
            assert hull >= expected - 1e-12
            assert dual_bound(scores, ranks, *everywhere, q) == pytest.approx(hull, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_the_dual_of_any_weights_reaches_the_hull(n, m):
    """Without a band the two agree by linear programming duality, also where weights are far below one."""
    rng = np.random.default_rng(n + 50 * m)
    everywhere = np.ones(m, dtype=np.int64), np.full(m, n + 1, dtype=np.int64)
    for scores in score_samples(n, 9 * n + m):
        for scale in (1e-3, 1.0, 1e3):
            weights = scale * np.sort(rng.random(n + 1))
            q = float(rng.uniform(m * weights[0], m * weights[-1]))
            hull = hull_bound(scores, weights, m, q)
            assert dual_bound(scores, weights, *everywhere, q) == pytest.approx(hull, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_the_dual_has_no_origin_and_no_unit(n, m):
    """Shifted and stretched scores and weights give the shifted and stretched bound."""
    rng = np.random.default_rng(n + 30 * m)
    scores, weights = np.sort(rng.random(n + 1)), np.sort(rng.random(n + 1))
    lower, upper = np.ones(m, dtype=np.int64), np.full(m, n + 1, dtype=np.int64)
    q = float(rng.uniform(m * weights[0], m * weights[-1]))
    plain = dual_bound(scores, weights, lower, upper, q)
    for shift in (-1.0, -0.5, 2.0):
        moved = dual_bound(scores, weights + shift, lower, upper, q + m * shift)
        assert moved == pytest.approx(plain, rel=1e-6, abs=1e-9)
        moved = dual_bound(scores + shift, weights, lower, upper, q)
        assert moved == pytest.approx(plain + m * shift, rel=1e-6, abs=1e-9)
    for unit in (1e-12, 1e12):
        stretched = dual_bound(scores, unit * weights, lower, upper, unit * q)
        assert stretched == pytest.approx(plain, rel=1e-6)
        assert dual_bound(unit * scores, weights, lower, upper, q) == pytest.approx(unit * plain, rel=1e-6)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_dual_bound_in_a_band(n, m):
    rng = np.random.default_rng(n + 10 * m)
    for scores in score_samples(n, 7 * n + m):
        lower = np.sort(rng.integers(1, n + 2, m))
        upper = np.maximum(np.sort(rng.integers(1, n + 2, m)), lower)
        weights = np.sort(rng.random(n + 1))
        q = float(rng.uniform(weights[lower - 1].sum(), weights[upper - 1].sum() + 1e-9))
        exact = oracle.largest_sum_in_band(scores, weights, lower, upper, q)
        assert dual_bound(scores, weights, lower, upper, q) >= exact - 1e-9


@pytest.mark.share(3)
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_envelope(n, m):
    rng = np.random.default_rng(n + 100 * m)
    for _ in range(10):
        lower = np.sort(rng.integers(1, n + 2, m))
        upper = np.maximum(np.sort(rng.integers(1, n + 2, m)), lower)
        expected = oracle.probability(
            n, m, lambda r, low=lower, high=upper: all(a <= k <= b for a, k, b in zip(low, r, high))
        )
        assert envelope_probability(n, lower, upper) == pytest.approx(float(expected), rel=1e-12, abs=1e-15)
    for alpha, side in itertools.product(LEVELS, ("two-sided", "upper", "lower")):
        for band in (rank_envelope(n, m, alpha, side), order_statistic_box(n, m, [1, m], alpha, side)):
            exact = oracle.probability(
                n, m, lambda r, b=band: all(a <= k <= c for a, k, c in zip(b.lower, r, b.upper))
            )
            assert exact >= 1 - alpha
            assert band.probability == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_local_ranks(n, m):
    for level in (0.03, 0.17, 0.31):
        expected = [oracle.rank_upper(n, m, j, Fraction(level))[0] for j in range(1, m + 1)]
        assert local_upper_ranks(n, m, level).tolist() == expected


STEPS = {
    "sum": (lambda j, acc, s: acc + s, 0.0, sum),
    "max": (lambda j, acc, s: s, 0.0, max),
    "product": (lambda j, acc, s: acc * s, 1.0, math.prod),
    "square sum": (lambda j, acc, s: acc + s * s, 0.0, lambda v: sum(x * x for x in v)),
    "mean of the top half": (
        lambda j, acc, s: acc + (s if j >= 2 else 0.0),
        0.0,
        lambda v: sum(sorted(v)[1:]),
    ),
}


@pytest.mark.share(5)
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(("n", "m"), [s for s, (_, m) in zip(SIZES, _PRODUCTS, strict=True) if m > 1])
def test_compositional(n, m, name):
    step, start, g = STEPS[name]
    rng = np.random.default_rng(n + m)
    for scores in (np.sort(rng.random(n)), np.sort(rng.integers(0, 3, n) / 2)):
        weights = np.sort(rng.integers(0, 4, n + 1))
        for side in ("upper", "lower"):
            bound = compositional_interval(
                step, scores, m, "0.2", start=start, weights=weights, side=side, bounds=(0.0, 1.0)
            )
            h = lambda r, w=weights: sum(w[k - 1] for k in r)  # noqa: E731
            alpha = Fraction(1, 5)
            if side == "upper":
                assert bound.q_upper == oracle.upper_quantile(n, m, h, alpha)[0]
                expected = oracle.upper_bound(scores, m, g, h, alpha, 1.0)
                assert bound.high == pytest.approx(expected, rel=1e-9)
            else:
                assert bound.q_lower == oracle.lower_quantile(n, m, h, alpha)
                expected = oracle.lower_bound(scores, m, g, h, alpha, 0.0)
                assert bound.low == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_urn_is_uniform_on_multisets():
    """60,000 draws against the uniform law on the 35 multisets of n = 4, m = 3."""
    draws = Counter(map(tuple, sample_ranks(4, 3, 60_000, random_state=0).tolist()))
    vectors = oracle.rank_vectors(4, 3)
    observed = [draws[v] for v in vectors]
    assert sum(observed) == 60_000
    assert stats.chisquare(observed).pvalue > 1e-3
    ordered = {r: oracle.urn_probability(r, 4) for r in itertools.product(range(1, 6), repeat=3)}
    for v in vectors:
        assert sum(p for r, p in ordered.items() if tuple(sorted(r)) == v) == Fraction(1, 35)


def test_ranks_drawn_with_replacement_have_another_law():
    """The test of the test: independent uniform ranks, a known mistake, are told apart by the same statistic."""
    rng = np.random.default_rng(0)
    draws = Counter(map(tuple, np.sort(rng.integers(1, 6, (60_000, 3)), axis=1).tolist()))
    assert stats.chisquare([draws[v] for v in oracle.rank_vectors(4, 3)]).pvalue < 1e-6
