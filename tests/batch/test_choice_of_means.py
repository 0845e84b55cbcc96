"""The choice of the method of a mean, and what each choice does with sides and bounds."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.batch.laws import class_share_bounds, count_bounds, error_count_upper, mean_interval
from validstats.batch.laws.means import choose_mean_method

SCORES = np.random.default_rng(0).beta(2, 3, size=300)
INF = np.inf


@pytest.mark.parametrize(
    ("n", "m", "bounds", "side", "expected"),
    [
        (1000, 1, (0, 1), "two-sided", "rank"),
        (1000, 20, (0, 1), "two-sided", "swap"),
        (800, 100, (0, 1), "two-sided", "swap"),
        (799, 100, (0, 1), "two-sided", "bet"),
        (100_000, 10_000, (0, 1), "two-sided", "bet"),
        (1608, 201, (0, 1), "upper", "bet"),
        (100, 20, (-INF, 1), "upper", "bet"),
        (100, 20, (-INF, 1), "lower", "partition"),
        (100, 20, (0, INF), "lower", "bet"),
        (100, 20, (0, INF), "two-sided", "partition"),
        (1000, 20, (-INF, INF), "two-sided", "partition"),
    ],
)
def test_the_choice_looks_at_sizes_bounds_and_side_only(n, m, bounds, side, expected) -> None:
    assert choose_mean_method(n, m, 0.05, bounds, side=side) == expected


def test_declared_lattices_are_bet_against() -> None:
    assert choose_mean_method(1000, 20, 0.05, (1, 5), lattice=True) == "bet"


@pytest.mark.parametrize("side", ["two-sided", "upper", "lower"])
def test_two_declared_values_are_a_count(side) -> None:
    scores = np.repeat([-1.0, 2.0], [60, 40])
    found = mean_interval(scores, 50, 0.1, side=side, bounds=(-1.0, 2.0), values=(-1.0, 2.0))
    share = 0.05 if side == "two-sided" else 0.1
    high = 50 if side == "lower" else error_count_upper(100, 40, 50, share)
    low = 0 if side == "upper" else 50 - error_count_upper(100, 60, 50, share)
    assert found.method == "count"
    assert (found.low, found.high) == pytest.approx((-1 + 3 * low / 50, -1 + 3 * high / 50), abs=1e-12)


def test_a_count_refuses_a_third_value() -> None:
    with pytest.raises(ValueError, match=r"two declared values, got values=\(0.0, 1.0\)"):
        mean_interval(np.array([0.0, 1.0, 0.5]), 5, 0.1, values=(0.0, 1.0))


def test_one_row_is_bounded_by_the_conformal_rank() -> None:
    found = mean_interval(SCORES, 1, 0.1, bounds=(0, 1))
    ordered = np.sort(SCORES)
    assert (found.low, found.high) == (ordered[14], ordered[285])


@pytest.mark.parametrize("m", [10, 100])
def test_a_one_sided_bound_spends_the_whole_level(m) -> None:
    both = mean_interval(SCORES, m, 0.2, bounds=(0, 1))
    upper = mean_interval(SCORES, m, 0.1, side="upper", bounds=(0, 1))
    lower = mean_interval(SCORES, m, 0.1, side="lower", bounds=(0, 1))
    assert upper.low == 0 and lower.high == 1
    assert upper.high == pytest.approx(both.high, abs=0.01)
    assert lower.low == pytest.approx(both.low, abs=0.01)


def test_the_textbook_interval_is_cut_at_known_bounds_only() -> None:
    found = mean_interval(SCORES, 20, 0.1, method="asymptotic")
    assert found.method == "asymptotic" and found.informative
    assert found.low + found.high == pytest.approx(2 * SCORES.mean())
    skewed = mean_interval(np.repeat([0.0, 1.0], [98, 2]), 10, 0.1, bounds=(0, 1), method="asymptotic")
    assert skewed.low == 0.0


def test_one_known_bound_is_used_on_its_side() -> None:
    scores = np.random.default_rng(1).exponential(size=400)
    free = mean_interval(scores, 10, 0.1, bounds=(0.0, INF))
    assert free.method == "partition" and np.isfinite(free.high)
    mixed = mean_interval(scores, 10, 0.1, bounds=(0.0, INF), width=6.0)
    assert mixed.method == "bet, partition" and mixed.high == free.high and 0 < mixed.low < 1
    few = mean_interval(scores, 40, 0.1, bounds=(0.0, INF))
    assert few.method == "swap" and few.informative and few.high < scores.max()
    none = mean_interval(scores, 100, 0.1, bounds=(0.0, INF), width=6.0)
    assert none.method == "bet" and none.high == INF and none.low > 0
    assert not none.informative


def test_row_order_does_not_matter_to_any_method() -> None:
    other = np.random.default_rng(2).permutation(SCORES)
    for method in ("swap", "bet", "asymptotic", "partition"):
        options = {"bounds": (0, 1), "method": method, "random_state": 3}
        one, two = (mean_interval(scores, 30, 0.1, **options) for scores in (SCORES, other))
        assert vars(one) == vars(two)  # values that do not exist are the same NaN


@pytest.mark.parametrize("method", ["swap", "rank"])
def test_methods_that_do_not_fit_the_sizes_say_so(method) -> None:
    m = 1 if method == "swap" else 2
    with pytest.raises(ValueError, match=f'method="{method}".*take "auto"'):
        mean_interval(SCORES, m, 0.1, bounds=(0, 1), method=method)


def test_two_classes_have_mirrored_shares() -> None:
    low, high = class_share_bounds(np.array([30, 70]), 50, 0.1)
    assert (low[0], high[0]) == tuple(c / 50 for c in count_bounds(100, 30, 50, 0.1))
    assert low + high[::-1] == pytest.approx([1.0, 1.0])


def test_shares_can_add_up_to_one_and_unseen_classes_count() -> None:
    low, high = class_share_bounds(np.array([90, 10, 0]), 40, 0.1)
    assert low.sum() <= 1 <= high.sum()
    assert low[2] == 0 < high[2] < 0.2
    assert (low >= 1 - (high.sum() - high) - 1e-12).all()
