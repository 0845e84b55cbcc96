"""Levels that an attainable probability meets exactly, or misses by less than doubles can tell."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from tests.oracles import batch as oracle
from validstats.batch.laws import (
    RankBand,
    conformal_p_values,
    order_statistic_box,
    order_statistic_interval,
    product_share,
    rank_envelope,
    rank_sum,
    score_at_rank,
    scores_at_ranks,
    selection_scores,
)
from validstats.batch.laws import ranks as rank_laws
from validstats.batch.laws.envelope import _largest_level, envelope_probability
from validstats.batch.laws.extremal_sums import hull_bound
from validstats.batch.laws.sampling import monte_carlo_quantile, sample_weight_sums
from validstats.kernels.extremal_sums import hull_value, upper_hull
from validstats.kernels.ranks import upper_rank, urn_statistics

JUST_BELOW = 1 - Fraction(1, 10**13)


def tails_of_rank(n, m, zeta):
    """P(r > rank) for every rank, as fractions, from the negative hypergeometric weights."""
    weights = [
        math.comb(k + zeta - 1, zeta - 1) * math.comb(n - k + m - zeta, m - zeta) for k in range(n + 1)
    ]
    total = math.comb(n + m, m)
    return [Fraction(sum(weights[rank:]), total) for rank in range(n + 2)]


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("n", "m", "zeta"), [(7, 3, 2), (12, 5, 5), (40, 9, 4), (300, 20, 11), (60, 1, 1), (9, 30, 2)]
)
def test_the_rank_at_an_attainable_level_and_just_below_it(n, m, zeta):
    tails = tails_of_rank(n, m, zeta)
    for rank in range(1, n + 1):
        if not 0 < tails[rank] < 1:
            continue
        at = rank_laws.rank_upper(n, m, zeta, tails[rank])
        assert at.rank == rank and at.informative
        assert at.probability == pytest.approx(float(1 - tails[rank]), abs=1e-12)
        below = rank_laws.rank_upper(n, m, zeta, tails[rank] * JUST_BELOW)
        assert below.rank == next(k for k, tail in enumerate(tails) if tail <= tails[rank] * JUST_BELOW)


@pytest.mark.parametrize(("n", "m", "zeta"), [(7, 3, 2), (12, 5, 5), (9, 1, 1), (9, 30, 2)])
def test_the_kernel_gives_the_tails_at_its_rank_and_before_it(n, m, zeta):
    tails = tails_of_rank(n, m, zeta)
    for level in (0.02, 0.11, 0.47, 0.93, 1 - 1e-9):
        rank, at, before = upper_rank(n, m, zeta, level)
        assert tails[rank] <= level < tails[rank - 1]
        assert (at, before) == pytest.approx((float(tails[rank]), float(tails[rank - 1])), rel=1e-12)


@pytest.mark.parametrize(("n", "level", "rank"), [(1, 0.5, 1), (3, 0.25, 3), (3, 0.5, 2), (7, 0.125, 7)])
def test_the_kernel_meets_a_level_that_doubles_hold_exactly(n, level, rank):
    found, at, before = upper_rank(n, 1, 1, level)
    assert (found, at, before) == (rank, level, level + 1 / (n + 1))


@pytest.mark.parametrize(("n", "rank"), [(9, 9), (39, 36)])
def test_a_band_of_one_rank_at_a_level_just_above_an_attainable_one(n, rank):
    level = Fraction(1, 10) * (1 + Fraction(1, 2 * 10**9))
    for band in (rank_envelope(n, 1, level, "upper"), order_statistic_box(n, 1, [1], level, "upper")):
        assert band.upper.tolist() == [rank] and band.lower.tolist() == [1]
        assert band.probability == pytest.approx(0.9, abs=1e-12)
    lower = rank_envelope(n, 1, level, "lower")
    assert (lower.lower.tolist(), lower.upper.tolist()) == ([n + 2 - rank], [n + 1])


def test_limits_that_cross_hold_no_rank_vector():
    """Sorted ranks of which the first is at least 3 cannot have a second one of at most 2."""
    assert envelope_probability(7, [3, 1], [8, 2]) == 0.0
    assert envelope_probability(7, [3, 1, 1], [8, 3, 8]) > 0.0


@pytest.mark.parametrize("side", ["two-sided", "upper"])
def test_a_band_that_cannot_drop_the_last_rank_says_nothing(side):
    """The last rank is reached with probability m / (n + m) = 4/9."""
    band = rank_envelope(5, 4, 0.4, side, drop_extreme=True)
    assert (band.lower.tolist(), band.upper.tolist()) == ([1] * 4, [6] * 4)
    assert (band.probability, band.local_level) == (1.0, 0.0)
    assert rank_envelope(5, 4, 0.5, side, drop_extreme=True).upper.max() == 5


@pytest.mark.parametrize(("top", "error", "most"), [(10**6 + 1, 2e-3, 15), (10**6, 1e-11, 60)])
def test_the_local_level_is_found_to_two_per_mille_in_large_problems_and_exactly_in_others(top, error, most):
    """Ten ranks whose band holds with probability 1 - 2 level: the largest level for 0.9 is 0.05."""
    tried = []

    def band(level):
        tried.append(level)
        upper = np.append(np.zeros(9, dtype=np.int64) + len(tried), top)
        return RankBand(np.ones(10, dtype=np.int64), upper, 1.0 - 2.0 * level, level)

    widest = band(0.0)
    limits = widest.lower, widest.upper
    found = _largest_level(band, 0.9, 0.001, 0.1, widest)
    assert 0.05 * (1 - error) <= found.local_level <= 0.05 + 1e-15
    assert len(tried) <= most
    assert _largest_level(band, 0.9, 0.06, 0.1, widest) is widest
    for target in (0.9, 0.5):
        wide = _largest_level(lambda level: RankBand(*limits, 0.9, level), target, 0.001, 0.04, widest)
        assert wide.local_level == pytest.approx(0.04, rel=1e-8)


@pytest.mark.parametrize(("n", "m"), [(3, 2), (4, 4), (6, 3), (5, 5)])
@pytest.mark.parametrize("drop_extreme", [False, True])
def test_the_rank_sum_at_attainable_levels_and_just_below_them(n, m, drop_extreme):
    sums = Counter(
        sum(np.inf if drop_extreme and rank > n else rank for rank in vector)
        for vector in oracle.rank_vectors(n, m)
    )
    total = sum(sums.values())
    values = sorted(sums)
    for q in values:
        tail = Fraction(sum(count for value, count in sums.items() if value > q), total)
        if not 0 < tail < 1:
            continue
        for level, expected in ((tail, q), (tail * JUST_BELOW, values[values.index(q) + 1])):
            assert rank_sum.rank_sum_quantile(n, m, level, drop_extreme=drop_extreme).q == expected


def test_the_weighted_sum_at_attainable_levels_and_just_below_them():
    weights = np.array([0, 1, 1, 3, 4])
    sums = Counter(sum(weights[r - 1] for r in vector) for vector in oracle.rank_vectors(4, 3))
    total, values = sum(sums.values()), sorted(sums)
    for q in values:
        tail = Fraction(sum(count for value, count in sums.items() if value > q), total)
        if not 0 < tail < 1:
            continue
        for level, expected in ((tail, q), (tail * JUST_BELOW, values[values.index(q) + 1])):
            found = rank_sum.weight_sum_quantile(weights, 3, level)
            assert found.q == expected
        assert rank_sum.weight_sum_quantile(weights, 3, Fraction(1, 10**9)) == rank_sum.SumQuantile(12.0, 1.0)
        assert rank_sum.weight_sum_quantile(weights, 3, tail).probability == pytest.approx(
            float(1 - tail), abs=1e-12
        )


def test_the_last_rank_is_spared_exactly_when_its_probability_allows_it():
    for n, m, zeta in itertools.product((1, 5, 19, 400), (1, 3, 10), (1, 2, 10)):
        if zeta > m:
            continue
        share = Fraction(math.comb(n + zeta - 1, n), math.comb(n + m, n))
        for level, spared in ((share, True), (share * JUST_BELOW, False), (share / JUST_BELOW, True)):
            if level < 1:
                assert rank_laws._last_rank_is_spare(n, m, zeta, level) is spared


@pytest.mark.parametrize(("m", "eta"), [(5, 5), (5, 6), (5, -1), (0, 0)])
def test_selections_of_no_size_are_refused(m, eta):
    with pytest.raises(ValueError, match=r"\beta|\bm must"):
        rank_laws.selection_rank(20, m, eta, 0.1)
    assert rank_laws.selection_rank(20, 5, 4, 0.1).rank >= 1


def test_laws_of_no_batch_are_refused():
    with pytest.raises(ValueError, match="m must"):
        rank_sum.rank_sum_law(3, 0)
    with pytest.raises(ValueError, match="m must"):
        rank_laws.smallest_informative_n(0, 1, 0.1)
    with pytest.raises(ValueError, match="m must"):
        rank_sum.rank_sum_quantile(1, 0, 0.1, drop_extreme=True)
    assert rank_laws.smallest_informative_n(1, 1, Fraction(1, 10)) == 9


def test_every_way_of_summing_the_tail_agrees():
    for n, m, zeta in ((30, 4, 2), (4, 30, 15), (4, 30, 29), (50, 50, 3), (3, 8, 8), (20, 6, 5)):
        tails = tails_of_rank(n, m, zeta)
        for z in range(n + 1):
            assert rank_laws._exact_tail(n, m, zeta, z) == tails[z]


class TestOrderStatistics:
    def test_scores_at_several_ranks_are_those_of_the_sorted_scores(self):
        rng = np.random.default_rng(0)
        for n in (1, 2, 7, 40):
            scores = rng.integers(0, 6, n).astype(np.float64)
            scores[rng.random(n) < 0.2] = -np.inf
            kept, ordered = scores.copy(), np.sort(scores).tolist()
            for _ in range(20):
                ranks = rng.integers(1, n + 3, size=4).tolist()
                assert scores_at_ranks(scores, ranks, 9.0) == [
                    (*ordered, 9.0, 9.0)[rank - 1] for rank in ranks
                ]
            assert np.array_equal(scores, kept)

    def test_the_largest_score_and_the_bound_beyond_it(self):
        scores = np.array([4.0, 1.0, 3.0, 2.0])
        assert scores_at_ranks(scores, (4, 5, 1), high=9.0) == [4.0, 9.0, 1.0]
        upper = order_statistic_interval(scores, 1, 1, 0.01, side="upper", bounds=(0.0, 7.0))
        assert (upper.low, upper.high) == (0.0, 7.0) and not upper.informative
        assert order_statistic_interval(np.arange(50.0), 3, 2, 0.2).informative
        lower = order_statistic_interval(scores, 1, 1, 0.01, side="lower", bounds=(-2.0, 7.0))
        assert (lower.low, lower.high) == (-2.0, 7.0)

    @pytest.mark.parametrize("side", ["two-sided", "upper", "lower"])
    @pytest.mark.parametrize("low", [None, 0.0])
    @pytest.mark.parametrize("high", [None, 7.0])
    def test_each_end_may_be_unknown_on_its_own(self, side, low, high):
        scores = np.array([4.0, 1.0, 3.0, 2.0])
        found = order_statistic_interval(scores, 1, 1, 0.01, side=side, bounds=(low, high))
        assert found.low == (-np.inf if low is None else low)
        assert found.high == (np.inf if high is None else high)

    @pytest.mark.parametrize(("zeta", "low", "high"), [(1, False, True), (5, True, False), (3, True, True)])
    def test_both_ends_of_an_informative_interval_are_scores(self, zeta, low, high):
        found = order_statistic_interval(np.arange(20.0), 5, zeta, 0.2)
        assert (np.isfinite(found.low), np.isfinite(found.high)) == (low, high)
        assert found.informative is (low and high)

    def test_minus_infinity_is_a_score_on_request_only(self):
        scores = np.array([-np.inf, 1.0, 2.0])
        with pytest.raises(ValueError, match="scores"):
            order_statistic_interval(scores, 1, 1, 0.3)
        found = order_statistic_interval(scores, 1, 1, 0.5, side="upper", allow_minus_infinity=True)
        assert found.high == 1.0


class TestUrn:
    """Each of the batch copies a calibration row's rank or one drawn before it."""

    def test_a_batch_of_one_row(self):
        weights = np.arange(1.0, 4.0)
        band = np.array([2]), np.array([2])
        found = urn_statistics(np.array([[0], [1], [2]]), 2, weights, *band)
        assert found.tolist() == [np.inf, 2.0, np.inf]

    def test_copies_and_bands(self):
        weights = np.arange(1.0, 6.0) ** 2
        draws = np.array([[0, 5, 6, 2], [4, 3, 6, 5]])
        none = np.empty(0, dtype=np.int64)
        ranks = np.array([[1, 1, 1, 3], [5, 4, 4, 5]])
        free = urn_statistics(draws, 4, weights, none, none)
        np.testing.assert_array_equal(free, (weights[ranks - 1]).sum(axis=1))
        lower, upper = np.array([1, 1, 1, 3]), np.array([1, 1, 2, 3])
        banded = urn_statistics(draws, 4, weights, lower, upper)
        assert banded[0] == free[0] and banded[1] != free[1]


class TestArguments:
    @pytest.mark.parametrize(
        ("call", "name"),
        [
            (lambda: order_statistic_interval(np.arange(5.0), 3, 4, 0.1), "zeta"),
            (lambda: order_statistic_interval(np.arange(5.0), 3, 0, 0.1), "zeta"),
            (lambda: order_statistic_interval(np.arange(5.0), 0, 1, 0.1), "m must"),
            (lambda: order_statistic_interval(np.arange(5.0), 3, 1, 0.1, side="both"), "side"),
            (lambda: rank_envelope(10, 4, 0.2, "both"), "side"),
            (lambda: order_statistic_box(10, 4, [2], 0.2, "both"), "side"),
            (lambda: envelope_probability(0, [1], [1]), "n must"),
            (lambda: envelope_probability(7, [1, 2, 3], [5, 7, 9]), r"1\.\.8"),
            (lambda: envelope_probability(7, [0, 2, 3], [5, 7, 8]), r"1\.\.8"),
            (lambda: rank_laws.simultaneous_rank(20, 5, 1.0, 0.1), "miss"),
            (lambda: rank_laws.simultaneous_rank(20, 5, -0.1, 0.1), "miss"),
            (lambda: rank_laws.batch_coverage_probability(20, 5, 1, 22), "rank"),
            (lambda: rank_laws.batch_coverage_probability(20, 5, 1, 0), "rank"),
            (lambda: rank_laws.batch_coverage_probability(20, 0, 1, 3), "m must"),
            (lambda: rank_laws.batch_coverage_probability(0, 5, 1, 1), "n must"),
            (lambda: rank_laws.batch_coverage_probability(20, 5, 0, 3), "k must"),
            (lambda: rank_laws.batch_coverage_probability(20, 5, 6, 3), "k must"),
            (lambda: rank_laws.selection_rank(20, 0, 0, 0.1), "m must"),
            (lambda: rank_sum.rank_sum_law(0, 3), "n must"),
            (lambda: rank_sum.rank_sum_counts(0, 3), "n must"),
            (lambda: rank_sum.rank_sum_counts(3, 0), "m must"),
            (lambda: rank_sum.rank_sum_quantile(0, 3, 0.1), "n must"),
            (lambda: rank_sum.rank_sum_quantile(3, 0, 0.1), "m must"),
            (lambda: rank_sum.rank_sum_quantile(0, 3, 0.1, drop_extreme=True), "n must"),
            (lambda: rank_envelope(20, 0, 0.1), "m must"),
            (lambda: rank_envelope(0, 20, 0.1), "n must"),
            (lambda: rank_laws.error_count_upper(20, -1, 5, 0.1), "n_errors"),
            (lambda: rank_laws.error_count_upper(20, 21, 5, 0.1), "n_errors"),
            (lambda: rank_sum.weight_sum_probabilities(np.array([3]), 2), "weights"),
            (lambda: rank_sum.weight_sum_probabilities(np.array([0, -1, 2]), 2), "weights"),
        ],
    )
    def test_out_of_range(self, call, name):
        with pytest.raises(ValueError, match=name):
            call()

    @pytest.mark.parametrize("rank", [1, 3, 20, 21])
    def test_coverage_of_a_batch_at_every_rank(self, rank):
        """At least k of m scores lie within the rank-th calibration score if the k-th smallest does."""
        for k in (1, 3, 5):
            expected = 1 if rank == 21 else 1 - tails_of_rank(20, 5, k)[rank]
            assert rank_laws.batch_coverage_probability(20, 5, k, rank) == pytest.approx(
                float(expected), abs=1e-12
            )

    def test_far_tails_hold_no_probability(self):
        assert rank_laws.batch_coverage_probability(10**6, 1000, 1, 10**6) == 1.0
        law = stats.betabinom(20_000, 200, 201)
        for rank in (9_000, 10_000, 12_345):
            assert rank_laws.batch_coverage_probability(20_000, 400, 200, rank) == pytest.approx(
                law.cdf(rank - 1), rel=1e-8
            )
        assert rank_laws.batch_coverage_probability(100_000, 50, 1, 100_000) == 1.0
        assert rank_laws.batch_coverage_probability(100_000, 50, 50, 1) < 1e-100
        assert 0.0 <= rank_laws.batch_coverage_probability(20_000, 400, 200, 1_000) < 1e-30

    def test_no_probability_is_left_beyond_the_ranks_that_are_computed(self):
        first, tails = rank_laws._tail_window(10**6, 1000, 1)
        last = first + tails.size
        assert last < 10**6
        for rank in (last - 1, last, last + 1):
            assert rank_laws.batch_coverage_probability(10**6, 1000, 1, rank) == 1.0


class TestHull:
    def test_of_points_that_share_an_abscissa(self):
        x = np.array([1.0, 1.0, 1.0, 2.0, 3.0, 3.0])
        for y in (
            [0.0, 2.0, 1.0, 1.5, 0.5, 1.0],
            [2.0, 1.0, 0.0, 9.0, 1.0, 1.0],
            [1.0, 1.0, 1.0, 0.0, 1.0, 3.0],
        ):
            values = np.array(y)
            hull = upper_hull(x, values)
            top = {v: values[x == v].max() for v in (1.0, 2.0, 3.0)}
            middle = (top[1.0] + top[3.0]) / 2
            expected = [1.0, 2.0, 3.0] if top[2.0] > middle else [1.0, 3.0]
            assert x[hull].tolist() == expected
            assert values[hull].tolist() == [top[v] for v in expected]

    def test_is_level_beyond_its_last_vertex(self):
        x, y = np.array([1.0, 2.0, 5.0]), np.array([0.0, 3.0, 4.5])
        hull = upper_hull(x, y)
        heights = [hull_value(x, y, hull, at) for at in (1.0, 1.5, 2.0, 4.0, 5.0, 9.0)]
        assert heights == [0.0, 1.5, 3.0, 4.0, 4.5, 4.5]

    def test_is_infinite_below_an_infinite_score(self):
        scores, ranks = np.array([0.0, 1.0, np.inf]), np.arange(1.0, 4.0)
        assert [hull_bound(scores, ranks, 2, q) for q in (2.0, 4.0, 6.0)] == [np.inf] * 3


@pytest.mark.parametrize("n_parts", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("alpha", ["0.001", "0.05", "0.1", "0.16", "0.271", "0.372", "0.455", "0.95"])
def test_independent_parts_share_a_level_without_a_remainder(alpha, n_parts):
    """The share of each part is the largest multiple of 1e-15 that keeps the level of all together."""
    level = Fraction(alpha)
    share = product_share(level, n_parts)
    assert (1 - share) ** n_parts >= 1 - level
    assert (1 - share - Fraction(1, 10**15)) ** n_parts < 1 - level


@pytest.mark.parametrize(("n", "m", "level"), [(9, 1, "0.1"), (7, 1, "0.25"), (19, 1, "0.05")])
def test_a_band_keeps_clear_of_rounding(n, m, level):
    """A probability in doubles that equals the level is not trusted: the band is the next wider one."""
    band = rank_envelope(n, m, level, "upper")
    assert band.upper[0] == math.ceil((1 - Fraction(level)) * (n + 1)) + 1
    assert band.probability > float(1 - Fraction(level)) + 1e-6


@pytest.mark.parametrize("level", [Fraction(1, 10**301), Fraction(1, 10**400), 5e-324])
def test_levels_that_doubles_cannot_hold_are_refused_by_name(level):
    with pytest.raises(ValueError, match="alpha must be at least 1e-300"):
        rank_laws.smallest_informative_n(5, 5, level)


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (rank_laws.quantile_index, (0, 0.5), "m"),
        (rank_laws.quantile_index, (10, 0.0), "q"),
        (rank_laws.quantile_index, (10, 1.5), "q"),
        (rank_sum.weight_sum_probabilities, (np.array([0, 1]), 0), "m"),
        (order_statistic_box, (0, 5, [1], 0.1), "n"),
        (order_statistic_box, (20, 0, [1], 0.1), "m"),
    ],
)
def test_sizes_and_shares_out_of_range_are_refused_by_name(function, arguments, name):
    with pytest.raises(ValueError, match=rf"^{name} must"):
        function(*arguments)


def test_limits_of_a_band_are_two_vectors_of_one_length():
    for lower, upper in (([1, 1], [5]), ([[1, 1]], [[5, 5]]), ([], [])):
        with pytest.raises(ValueError, match="vectors of one length"):
            envelope_probability(7, lower, upper)


def test_a_label_at_the_limit_makes_the_claim_false():
    assert selection_scores([0.2, 0.9, 0.4], [0.5, 0.5, 0.6], 0.5).tolist() == [0.2, 0.9, -np.inf]


def test_a_band_has_both_limits():
    weights, limits = np.arange(1.0, 6.0), np.array([1, 1, 1])
    for given in ({"lower": limits}, {"upper": limits + 4}):
        with pytest.raises(ValueError, match="lower and upper belong together"):
            sample_weight_sums(weights, 3, 4, 0, **given)


def test_ties_of_a_row_with_itself_and_with_others_count_by_a_uniform_share():
    """Of five scores two are larger and two equal: p is uniform between 2/6 and 5/6; without a draw it is 5/6."""
    scores, rows = np.array([0.1, 0.5, 0.5, 0.7, 0.9]), np.full(20_000, 0.5)
    assert np.unique(conformal_p_values(scores, rows)).tolist() == [5 / 6]
    drawn = conformal_p_values(scores, rows, 0, randomised=True)
    assert stats.kstest(drawn, stats.uniform(2 / 6, 3 / 6).cdf).pvalue > 1e-3
    above = conformal_p_values(scores, np.full(20_000, 1.0), 0, randomised=True)
    assert stats.kstest(above, stats.uniform(0, 1 / 6).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("n_draws", "n_seeds"),
    [(9, 20), (99, 20), (1000, 20), pytest.param(9999, 600, marks=pytest.mark.slow)],
)
def test_the_monte_carlo_quantile_is_a_draw_by_its_rank(n_draws, n_seeds):
    """Many seeds: a partial sort around another rank leaves this one in its place nearly always."""
    for seed in range(n_seeds):
        draws = np.random.default_rng(seed).normal(size=n_draws)
        for alpha in (Fraction(1, 10), Fraction(1, 4), Fraction(1, 2)):
            k = math.ceil((1 - alpha) * (n_draws + 1))
            assert monte_carlo_quantile(draws, alpha) == np.sort(draws)[k - 1]
            assert score_at_rank(draws, k) == np.sort(draws)[k - 1]
