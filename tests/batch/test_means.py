"""Bounds of a batch's mean: which method, what each one says at the limits of what it can, and wrong arguments."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from tests.oracles import batch as oracle
from validstats.batch.laws import mean_interval, means, rank_sum, smallest_partition_n
from validstats.batch.laws.envelope import envelope_probability
from validstats.batch.laws.extremal_sums import dual_bound, hull_bound
from validstats.batch.laws.means import learned_weights, partition_available
from validstats.batch.laws.rank_sum import rank_sum_quantile
from validstats.batch.laws.sampling import monte_carlo_quantile, sample_weight_sums

SCORES = np.sort(np.random.default_rng(3).random(60))
FEW = SCORES[::5]


def test_one_block_is_enough_at_a_level_of_one_half():
    assert partition_available(5, 5, Fraction(1, 2))
    assert partition_available(9, 5, Fraction(1, 2))
    assert not partition_available(9, 5, Fraction(1, 2) - Fraction(1, 10**12))
    assert not partition_available(4, 5, Fraction(9, 10))


@pytest.mark.parametrize("m", [0, -3])
def test_batches_of_no_rows_are_refused(m):
    with pytest.raises(ValueError, match="m must"):
        smallest_partition_n(m, 0.1)
    with pytest.raises(ValueError, match="m must"):
        mean_interval(SCORES, m, 0.1, bounds=(0, 1))


@pytest.mark.parametrize("method", ["auto", "rank-sum", "phi-sum", "phi-band", "partition"])
def test_wrong_literals_are_refused_by_name(method):
    with pytest.raises(ValueError, match=r"side must be one of .*'both'"):
        mean_interval(SCORES, 5, 0.1, side="both", bounds=(0, 1), method=method)
    with pytest.raises(ValueError, match=rf"method must be one of .*'{method}s'"):
        mean_interval(SCORES, 5, 0.1, bounds=(0, 1), method=f"{method}s")


@pytest.mark.parametrize("side", ["two-sided", "upper", "lower"])
def test_too_few_blocks_leave_the_known_bounds(side):
    found = mean_interval(np.arange(10.0), 5, 0.1, side=side, bounds=(-1.0, 12.0), method="partition")
    assert (found.low, found.high, found.method) == (-1.0, 12.0, "partition")
    assert found.probability == 1.0 and not found.informative


def test_learned_weights_never_fall():
    reference = np.array([0.0, 1.0])
    assert learned_weights(reference, 2, 0.5).tolist() == [0.25, 0.75, 0.75]
    assert learned_weights(reference, 2, 0.8).tolist() == [0.25, 0.75, 0.8]
    assert learned_weights(reference, 2, np.inf).tolist() == [0.25, 0.75, 1.0]
    assert learned_weights(reference, 4, 0.5).tolist() == [0.125, 0.375, 0.625, 0.875, 0.875]
    assert learned_weights(reference, 1, 0.0).tolist() == [0.5, 0.5]


def test_unbounded_scores_have_finite_bounds_unless_the_last_rank_is_kept():
    """At n / (n + m) >= 1 - alpha the vectors with rank n + 1 are left out, and the largest sum is enumerated."""
    scores, m, alpha = np.array([0.5, 1.0, 4.0, 4.5, 6.0, 9.0]), 2, Fraction(1, 3)
    q, _ = oracle.upper_quantile(6, m, lambda r: math.inf if r[-1] == 7 else sum(r), alpha)
    expected = oracle.largest_sum(scores, m, q) / m
    for options in ({}, {"drop_extreme": True}):
        found = mean_interval(scores, m, alpha, side="upper", method="rank-sum", **options)
        assert found.high == pytest.approx(expected, rel=1e-12) and found.informative
        mirrored = mean_interval(-scores, m, alpha, side="lower", method="rank-sum", **options)
        assert mirrored.low == pytest.approx(-expected, rel=1e-12)
    kept = mean_interval(scores, m, alpha, side="upper", method="rank-sum", drop_extreme=False)
    assert kept.high == np.inf and not kept.informative
    bounded = mean_interval(scores, m, alpha, side="upper", method="rank-sum", bounds=(0, 20))
    free = mean_interval(
        scores, m, alpha, side="upper", method="rank-sum", bounds=(0, 20), drop_extreme=False
    )
    assert vars(bounded) == vars(free)  # values that do not exist are the same NaN


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-np.inf, np.inf)])
def test_the_drawn_rank_sum_bounds_the_mean_as_the_exact_law_does(bounds):
    """The Monte Carlo quantile of 9,999 draws lies between the exact ones of levels a fifth apart."""
    m, drop = 4, np.isinf(bounds[1])
    padded = SCORES if drop else np.append(SCORES, bounds[1])
    ranks = np.arange(1.0, padded.size + 1)
    low, high = (
        hull_bound(padded, ranks, m, rank_sum_quantile(60, m, level, drop_extreme=drop).q) / m
        for level in ("0.11", "0.09")
    )
    found = mean_interval(SCORES, m, 0.1, side="upper", bounds=bounds, method="phi-sum")
    assert low <= found.high <= high < 1.0
    mirrored = mean_interval(-SCORES, m, 0.1, side="lower", bounds=(-bounds[1], -bounds[0]), method="phi-sum")
    assert -high <= mirrored.low <= -low


def test_the_rank_sum_is_drawn_where_its_exact_law_costs_too_much(monkeypatch):
    n, m = FEW.size, 3
    options = {"side": "upper", "bounds": (0.0, 1.0), "n_resamples": 199}
    q = rank_sum_quantile(n, m, 0.1).q
    exact = oracle.largest_sum(np.append(FEW, 1.0), m, int(q)) / m
    monkeypatch.setattr(rank_sum, "_EXACT_LAW_WORK", 32 * n * m)
    assert mean_interval(FEW, m, 0.1, method="rank-sum", **options).high == pytest.approx(exact, rel=1e-12)
    monkeypatch.setattr(rank_sum, "_EXACT_LAW_WORK", 32 * n * m - 1)
    drawn = mean_interval(FEW, m, 0.1, method="rank-sum", reference_scores=SCORES**4, **options)
    assert drawn.high == mean_interval(FEW, m, 0.1, method="phi-sum", **options).high
    assert drawn.high != pytest.approx(exact, rel=1e-6)


def test_the_exact_maximum_gives_way_to_the_envelope_beyond_its_size(monkeypatch):
    n, m = FEW.size, 3
    padded, q = np.append(FEW, 1.0), rank_sum_quantile(FEW.size, 3, 0.1).q
    exact = oracle.largest_sum(padded, m, int(q)) / m
    hull = hull_bound(padded, np.arange(1.0, n + 2), m, q) / m
    assert hull > exact + 1e-6
    for limit, expected in ((n + 1, exact), (n, hull)):
        monkeypatch.setattr(means, "_EXACT_N", limit)
        found = mean_interval(FEW, m, 0.1, side="upper", bounds=(0.0, 1.0), method="rank-sum", exact=True)
        assert found.high == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("m", "exact"), [(19, True), (20, True), (21, False), (22, False)])
def test_batches_of_up_to_twenty_rows_get_the_exact_maximum(m, exact):
    options = {"side": "upper", "bounds": (0.0, 1.0), "method": "rank-sum"}
    by_default = mean_interval(FEW, m, 0.1, **options).high
    asked = [mean_interval(FEW, m, 0.1, exact=answer, **options).high for answer in (True, False)]
    assert asked[0] < asked[1] - 1e-9
    assert by_default == asked[0 if exact else 1]


@pytest.mark.parametrize("method", ["phi-sum", "phi-band"])
def test_lower_bounds_are_those_of_the_reflected_scores(method):
    """The known bound of a side is the weight of its last rank; the draws of the two sides differ."""
    scores, reference = FEW, SCORES
    options = {"method": method, "n_resamples": 1999}
    upper = mean_interval(
        -scores, 2, 0.3, side="upper", bounds=(-1.0, 9.0), reference_scores=-reference, **options
    )
    lower = mean_interval(
        scores, 2, 0.3, side="lower", bounds=(-9.0, 1.0), reference_scores=reference, **options
    )
    assert lower.informative and lower.high == 1.0
    assert lower.low == pytest.approx(-upper.high, abs=0.03)


def test_an_unbounded_score_is_bounded_where_the_level_is_just_what_the_last_rank_costs():
    """One of ten equally likely ranks is left out at the level of one tenth."""
    scores = np.arange(9.0)
    assert mean_interval(scores, 1, 0.1, side="upper", method="rank-sum").high == 8.0
    below = Fraction(1, 10) * (1 - Fraction(1, 10**13))
    assert mean_interval(scores, 1, below, side="upper", method="rank-sum").high == np.inf


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_method_is_its_own_bound_of_the_drawn_weights(seed):
    """The band counts in the bound only where it counted in the draws."""
    n, m, alpha = SCORES.size, 12, Fraction(1, 5)
    weights = learned_weights(SCORES**2, n, 1.0)
    padded = np.append(SCORES, 1.0)
    draw_seed = np.random.default_rng(seed).integers(2**63, size=2).tolist()[0]
    options = {"side": "upper", "bounds": (0.0, 1.0), "reference_scores": SCORES**2, "random_state": seed}
    band = means._weight_band(n, m, alpha, False)
    in_band = monte_carlo_quantile(
        sample_weight_sums(weights, m, 9999, draw_seed, lower=band[0], upper=band[1]), alpha
    )
    free = monte_carlo_quantile(sample_weight_sums(weights, m, 9999, draw_seed), alpha)
    assert free < in_band < np.inf
    found = {
        name: mean_interval(SCORES, m, alpha, method=name, **options).high for name in ("phi-band", "phi-sum")
    }
    assert found["phi-band"] == dual_bound(padded, weights, *band, in_band) / m
    assert found["phi-sum"] == hull_bound(padded, weights, m, free) / m


@pytest.mark.parametrize(
    ("value", "two_sided", "upper", "lower"),
    [(0.0, False, True, False), (1.0, False, False, True), (0.5, True, True, True)],
)
def test_a_bound_is_informative_if_every_side_that_was_asked_for_excludes_something(
    value, two_sided, upper, lower
):
    scores = np.full(60, value)
    for side, expected in (("two-sided", two_sided), ("upper", upper), ("lower", lower)):
        found = mean_interval(scores, 5, 0.2, side=side, bounds=(0.0, 1.0), method="rank-sum")
        assert found.informative is expected, side


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("work", [0, 10**6], ids=["local levels", "joint level"])
@pytest.mark.parametrize(("n", "m"), [(60, 1), (60, 3), (300, 16), (40, 90)])
def test_a_band_of_ranks_costs_at_most_a_quarter_of_the_level_that_is_left(monkeypatch, n, m, drop, work):
    monkeypatch.setattr(means, "_ENVELOPE_WORK", work)
    spent = Fraction(m, n + m) if drop else Fraction(0)
    alpha = spent + (1 - spent) / 5
    lower, upper = means._weight_band(n, m, alpha, drop)
    assert lower.min() >= 1 and upper.max() <= (n if drop else n + 1) and np.all(lower <= upper)
    cost = 1.0 - envelope_probability(n, lower, upper)
    assert float(spent) - 1e-12 <= cost <= float(spent + (alpha - spent) / 4)
    if not drop:
        np.testing.assert_array_equal(lower, n + 2 - upper[::-1])
    if (n, m) == (300, 16):
        assert cost >= float(spent + (alpha - spent) / (8 if work else 50))


@pytest.mark.parametrize(
    ("n", "m", "alpha", "drop"),
    [
        (20_100, 2500, "1/8", False),
        (20_100, 2500, "1/8", True),
        (200_000, 100, "1/20", False),
        pytest.param(500, 90_000, "1/20", False, marks=pytest.mark.slow),
    ],
)
def test_bands_of_large_problems_cost_about_what_others_cost(n, m, alpha, drop):
    """They get local levels by a rule, and cost at most a third more than a quarter of the level that is left."""
    assert n * math.isqrt(m) > means._ENVELOPE_WORK or m > n
    spent = Fraction(m, n + m) if drop else Fraction(0)
    left = Fraction(alpha) - spent
    cost = 1.0 - envelope_probability(n, *means._weight_band(n, m, Fraction(alpha), drop))
    assert float(spent) + float(left) / 8 <= cost <= float(spent) + float(left) / 3


@pytest.mark.slow
def test_the_bound_of_a_large_problem_is_as_narrow_as_that_of_a_slightly_smaller_one():
    rng = np.random.default_rng(0)
    scores, reference = rng.normal(size=20_100), rng.normal(size=3000)
    options = {"side": "upper", "method": "phi-band", "reference_scores": reference}
    large = mean_interval(scores, 2500, Fraction(1, 8), **options).high - scores.mean()
    small = mean_interval(scores[:19_900], 2500, Fraction(1, 8), **options).high - scores[:19_900].mean()
    assert 0.0 < large < 1.2 * small


def test_a_large_band_without_the_last_rank_leaves_the_mean_a_finite_bound(monkeypatch):
    monkeypatch.setattr(means, "_ENVELOPE_WORK", 0)
    scores = np.sort(np.random.default_rng(0).normal(size=900))
    options = {"side": "upper", "method": "phi-band", "n_resamples": 1999}
    assert mean_interval(scores, 90, 0.09, **options).high == np.inf
    for alpha in (0.1, 0.12):
        assert 0.0 < mean_interval(scores, 90, alpha, **options).high < 0.5


def test_a_band_takes_local_levels_from_a_size_on_and_where_nothing_is_left(monkeypatch):
    n, m, alpha = 60, 9, Fraction(1, 5)
    bands = {}
    for work in (n * 3 - 1, n * 3, 10**6):
        monkeypatch.setattr(means, "_ENVELOPE_WORK", work)
        bands[work] = [limits.tolist() for limits in means._weight_band(n, m, alpha, False)]
    assert bands[n * 3] == bands[10**6] != bands[n * 3 - 1]
    lower, upper = means._weight_band(9, 1, Fraction(1, 10), True)
    assert (lower.tolist(), upper.tolist()) == ([1], [9])
