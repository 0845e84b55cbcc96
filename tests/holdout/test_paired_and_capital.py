"""Bounds for differences on the same rows, means by bets, cells that publish them, and what a gate certifies."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.oracles.holdout_mass import capital, paired_miss
from validstats.holdout.widths import (
    CodedGuess,
    capital_interval,
    capital_lower,
    certify_gain,
    clopper_pearson,
    coded_cell,
    coded_mean,
    coded_pairs,
    contrast_lower,
    keeps_proposal,
    outwards,
    pair_sign,
    paired_difference_interval,
    paired_lower,
    paired_tail_at_most,
    planned_radius,
    ratio_interval,
    start_upper,
    tied_models,
)

RNG = np.random.default_rng


# ------------------------------------------------------------------------------------------ pairs


@functools.cache
def bounds_of_all_tables(level: float) -> dict[tuple[int, int], float]:
    """Lower bounds of every table of 12 pairs."""
    return {(a, b): paired_lower(a, b, 12, math.log(level)) for a in range(13) for b in range(13 - a)}


@pytest.mark.share(5)
@pytest.mark.parametrize("p10", [0.02, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("p01", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("level", [0.05, 0.005])
def test_the_exact_miss_of_the_paired_bound_is_at_most_its_level(
    p10: float, p01: float, level: float
) -> None:
    bounds = bounds_of_all_tables(level)
    assert paired_miss(12, p10, p01, lambda a, b: bounds[a, b]) <= level


def test_a_normal_bound_would_miss_more_than_its_level() -> None:
    def wald(a: int, b: int) -> float:
        d = (a - b) / 12
        return d - stats.norm.isf(0.05) * math.sqrt(max((a + b) / 12 - d * d, 0.0) / 12)

    assert max(paired_miss(12, p, q, wald) for p in (0.02, 0.1, 0.3) for q in (0.01, 0.1, 0.3)) > 0.1


def test_wins_alone_are_bounded_by_their_binomial() -> None:
    # 20 of 20 at .05 / 40: (.98 a)^(1/20) = (1 + delta) / 2
    expected = 2.0 * (0.98 * 0.05 / 40) ** (1 / 20) - 1.0
    assert paired_lower(20, 0, 20, math.log(0.05 / 40)) == pytest.approx(expected, abs=2e-3)
    assert expected == pytest.approx(0.430, abs=5e-4)


def test_the_paired_bound_moves_with_its_counts() -> None:
    base = paired_lower(30, 10, 200, -4.0)
    assert paired_lower(31, 10, 200, -4.0) >= base >= paired_lower(30, 11, 200, -4.0)
    assert paired_lower(30, 10, 200, -8.0) < base < (30 - 10) / 200
    assert paired_lower(0, 0, 50, -3.0) < 0.0
    low, high = paired_difference_interval(30, 10, 200, -4.0)
    other = paired_difference_interval(10, 30, 200, -4.0)
    assert (low, high) == pytest.approx((-other[1], -other[0]))


@pytest.mark.parametrize("pair", [(0, 0), (3, 3), (1, 5), (12, 7)])
def test_models_that_hardly_differ_have_a_narrow_bound(pair: tuple[int, int]) -> None:
    low, high = paired_difference_interval(*pair, 1200, -6.0)
    assert -0.04 < low <= (pair[0] - pair[1]) / 1200 <= high < 0.04


def test_a_tested_difference_agrees_with_the_bound() -> None:
    bound = paired_lower(60, 20, 500, -6.0)
    assert paired_tail_at_most(60, 20, 500, bound - 1e-4, -6.0)
    assert not paired_tail_at_most(60, 20, 500, bound + 1e-3, -6.0)


def test_levels_beyond_floating_point_fall_back_to_hoeffding() -> None:
    assert paired_lower(900, 0, 1000, -2000.0) == -1.0
    assert paired_lower(90_000, 0, 100_000, -2000.0) == pytest.approx(0.9 - math.sqrt(0.04))


def test_impossible_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="n01"):
        paired_lower(8, 5, 10, -3.0)


# ---------------------------------------------------------------------------------------- capital


def test_the_capital_interval_ends_where_the_product_over_rows_does() -> None:
    x = RNG(0).beta(2, 5, 60)
    variance, level = 0.03, math.log(0.1)
    target = math.log(2) - level
    stakes = [r * math.sqrt(2 * target / (60 * variance)) for r in (0.5, 0.71, 1.0, 1.41, 2.0)]
    low, high = capital_interval(x, variance, level)
    assert math.log(capital(x.tolist(), low, stakes)) == pytest.approx(target, abs=1e-6)
    assert math.log(capital((1 - x).tolist(), 1 - high, stakes)) == pytest.approx(target, abs=1e-6)


def test_the_order_of_rows_does_not_matter() -> None:
    x = RNG(1).random(200)
    assert capital_interval(x, 0.08, -4.0) == capital_interval(np.sort(x), 0.08, -4.0)


def test_values_outside_the_unit_interval_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        capital_interval(np.array([0.2, 1.2]), 0.1, -3.0)


def test_the_capital_interval_follows_the_variance() -> None:
    x = RNG(2).beta(1.2, 8, 2000)
    low, high = capital_interval(x, float(x.var()), math.log(0.05 * 0.99 / 20))
    plain = 1.96 * x.std() / math.sqrt(2000)
    assert low < x.mean() < high and (high - low) / 2 < 2.2 * plain


@pytest.mark.parametrize("x", [np.zeros(30), np.ones(30), np.full(30, 0.5)], ids=["zeros", "ones", "halves"])
def test_constant_values_have_an_interval(x: np.ndarray) -> None:
    low, high = capital_interval(x, 0.0, -4.0)
    assert 0.0 <= low <= x[0] <= high <= 1.0


def test_ratios_are_covered_and_follow_swapping() -> None:
    a, b = np.tile([1.0, 0, 0, 1], 300), np.tile([1.0, 1, 0, 1], 300)
    low, high = ratio_interval(a, b, math.log(0.05), variance=0.1)
    assert low < 2 / 3 < high < 0.75 and low > 0.58
    assert ratio_interval(a, np.zeros(1200), math.log(0.05))[1] == math.inf
    with pytest.raises(ValueError, match="numerator"):
        ratio_interval(2 * a, b, -3.0)


# ------------------------------------------------------------------------------------------ cells


@pytest.mark.parametrize("seed", range(20))
def test_a_cell_contains_its_interval_with_the_least_enlargement(seed: int) -> None:
    rng = RNG(seed)
    guess = CodedGuess(rng.random(), rng.uniform(0.01, 0.1), rng.uniform(0.001, 0.1), 1.3, (-9.0, 9.0))
    low = rng.uniform(-1, 1)
    high = low + rng.uniform(0, 0.3)
    cell = coded_cell(guess, low, high)
    assert cell.low <= low and high <= cell.high

    def contains(d: int, e: int) -> bool:
        radius = guess.radius * 1.3**e
        return (
            guess.centre + (d - 0.5) * guess.width - radius <= low
            and high <= guess.centre + (d + 0.5) * guess.width + radius
        )

    far = abs(cell.distance) + 3
    assert not any(contains(d, e) for e in range(cell.enlarged) for d in range(-far - 50, far + 51))
    assert not any(contains(d, cell.enlarged) for d in range(-abs(cell.distance) + 1, abs(cell.distance)))


@pytest.mark.slow
def test_rows_with_the_same_cell_give_the_same_answer() -> None:
    training = RNG(0).beta(2, 8, 400)
    found = {}
    for seed in range(60):
        cell, _ = coded_mean(RNG(seed).beta(2, 8, 400), training, t=1.0, log_alpha=-6.0)
        found.setdefault((cell.distance, cell.enlarged), set()).add((cell.low, cell.high))
    assert all(len(ends) == 1 for ends in found.values())
    assert len(found) >= 2


def test_published_pairs_have_the_width_of_the_method() -> None:
    level = math.log(0.05) + math.log(0.99 / 20)
    cell, guess = coded_pairs(66, 66, 1319, (66, 66, 1319), t=0.35, log_alpha=level)
    assert (cell.distance, cell.enlarged) == (0, 0)
    assert (cell.high - cell.low) / 2 <= 0.035
    far, _ = coded_pairs(120, 20, 1319, (66, 66, 1319), t=0.35, log_alpha=level)
    assert far.distance > 3 and far.low < 100 / 1319 < far.high
    with pytest.raises(ValueError, match="width"):
        replace(guess, width=0.0)


def test_signs_are_decided_by_the_unpublished_interval() -> None:
    assert pair_sign(90, 40, 1319, -5.0) == "first"
    assert pair_sign(40, 90, 1319, -5.0) == "second"
    assert pair_sign(66, 66, 1319, -5.0) == "undecided"


def test_a_planned_radius_is_repeatable() -> None:
    training = RNG(3).random(300)
    assert planned_radius(training, 500, -5.0) == planned_radius(training, 500, -5.0)


# ------------------------------------------------------------------------------------------- gate


def test_proposals_are_kept_beyond_their_noise() -> None:
    present, proposal = np.zeros(100), np.zeros(100)
    for won in range(8):
        proposal[:won] = 1.0
        assert keeps_proposal(present, proposal, 1.0) == (won > math.sqrt(won))
        assert keeps_proposal(present, proposal, 0.0) == (won > 0)
    assert not keeps_proposal(proposal, proposal)


def test_bounds_of_the_start_and_of_a_gain_hold_their_sides() -> None:
    start = (RNG(0).random(4000) < 0.7).astype(float)
    high = start_upper(start, math.log(0.005))
    assert high == pytest.approx(clopper_pearson(int(start.sum()), 4000, math.log(0.01))[1])
    kept = np.where(RNG(1).random(4000) < 0.3, 1.0, start)
    bound = contrast_lower(kept, start, high, math.log(0.01))
    assert 0.0 < bound.gain < kept.mean() - start.mean()
    assert contrast_lower(start, start, high, math.log(0.01)).gain <= 0.0


def test_partial_contrasts_help_after_a_long_search() -> None:
    start = (RNG(0).random(10_000) < 0.7).astype(float)
    kept = np.where(RNG(1).random(10_000) < 0.6, 1.0, start)
    high = start_upper(start, math.log(0.005))
    level = math.log(0.05) - 200.0
    alone = 2.0 * capital_lower(0.5 * (kept - start) + 0.5, level) - 1.0
    assert contrast_lower(kept, start, high, level).gain > alone


def test_a_shown_certificate_is_rounded_outwards() -> None:
    start = (RNG(0).random(2000) < 0.7).astype(float)
    kept = np.where(RNG(1).random(2000) < 0.5, 1.0, start)
    inside = certify_gain(kept, start, start_upper(start, -6.0), -10.0)
    shown = outwards(inside)
    assert shown.accuracy_low <= inside.accuracy_low and shown.accuracy_high >= inside.accuracy_high
    assert 0.0 <= inside.gain - shown.gain < 0.001
    assert all(
        round(x * 1000, 9) == round(x * 1000) for x in (shown.accuracy_low, shown.accuracy_high, shown.gain)
    )


def test_clusters_are_certified_by_their_means() -> None:
    start, kept = RNG(0).random(300), RNG(1).random(300) * 0.5 + 0.5
    found = certify_gain(kept, start, start_upper(start, -6.0), -6.0, independent_rows=False)
    assert found.accuracy_low < kept.mean() < found.accuracy_high
    assert 0.0 < found.gain < kept.mean() - start.mean()


# ------------------------------------------------------------------------------------------- ties


def test_clearly_worse_models_are_left_out_of_the_ties() -> None:
    right = RNG(0).random((5, 3000)) < np.array([0.9, 0.9, 0.895, 0.7, 0.6])[:, None]
    assert set(tied_models(right, math.log(0.05), binary=True)) == {0, 1, 2}
    assert tied_models(right[:1], -3.0, binary=True) == (0,)
    assert tied_models(0.5 * right + 0.25, math.log(0.05), binary=False) == tied_models(
        right, math.log(0.05), binary=True
    )


def test_equal_models_are_all_tied() -> None:
    row = RNG(0).random(100) < 0.5
    assert tied_models(np.tile(row, (4, 1)), -3.0, binary=True) == (0, 1, 2, 3)
