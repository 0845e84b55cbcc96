"""Guess-coded answers: a partition of the counts, the widths of the method, and the choice among ways to answer."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from validstats.holdout.widths import (
    GuessAllocation,
    GuessCells,
    cell_interval,
    choice,
    clopper_pearson,
    clopper_pearson_ends,
    count_candidates,
    log_cell_code,
    rounded_counts,
)

LOG_ALPHA = math.log(0.05)


@pytest.mark.parametrize("seed", range(40))
def test_cells_are_a_partition_of_the_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 300))
    guess = float(rng.choice([0.0, 1.0, rng.random(), 1 / 3]))
    parts = GuessCells.of(
        n, guess, n_guess=int(rng.integers(1, 500)), t=rng.choice([0.25, 1, 2]), c=rng.choice([0.5, 1])
    )
    seen = {}
    for x in range(n + 1):
        found = parts.find(x)
        assert found.low <= x <= found.high
        seen[found.cell] = (found.low, found.high)
    assert sorted(x for low, high in seen.values() for x in range(low, high + 1)) == list(range(n + 1))
    assert min([*seen, 0]) == -parts.n_below and max([*seen, 0]) == parts.n_above
    within = [x for x in range(n + 1) if abs(x / n - guess) <= parts.gap]
    if within and 0 in seen:
        # the ends are integers computed from the guess; a count exactly at the gap may fall on either side by rounding
        assert abs(seen[0][0] - within[0]) <= 1 and abs(seen[0][1] - within[-1]) <= 1


def test_the_published_interval_contains_that_of_the_count() -> None:
    parts = GuessCells.of(400, 0.9, n_guess=100, t=1.0, c=0.5)
    for x in range(0, 401, 3):
        found = parts.find(x)
        published, own = cell_interval(found.low, found.high, 400, -9.0), clopper_pearson(x, 400, -9.0)
        assert published[0] <= own[0] and own[1] <= published[1]


@pytest.mark.parametrize(
    ("n", "queries", "failures", "accuracy", "widths"),
    [
        (2000, 20, 3, 0.85, (0.0489, 0.0561, 0.0622)),
        (2000, 20, 3, 0.95, (0.0296, 0.0341, 0.0378)),
        (2000, 20, 1, 0.85, (0.0468,)),
        (20_000, 20, 1, 0.95, (0.0090,)),
        (2000, 100, 10, 0.95, (0.0319, 0.0375, 0.0421, 0.0461)),
        (500, 20, 3, 0.85, (0.096, 0.110, 0.121)),
    ],
)
def test_confirmed_guesses_have_the_widths_of_the_method(
    n: int, queries: int, failures: int, accuracy: float, widths: tuple[float, ...]
) -> None:
    allocation = GuessAllocation(queries, failures)
    parts = GuessCells.of(n, accuracy, n_guess=n, t=2.0, c=1.0)
    level, (left, failures_left) = LOG_ALPHA, allocation.start
    for width in widths:
        low, high = cell_interval(*parts.gap_counts, n, level + allocation.log_share(left, failures_left))
        assert (high - low) / 2 == pytest.approx(width, abs=3e-4 if width < 0.09 else 6e-4)
        level += allocation.log_fail(left, failures_left) + log_cell_code(1, parts.n_below, parts.n_above)
        left, failures_left = left - 1, failures_left - 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "queries", "width"),
    [(500, 2, 0.050), (500, 3, 0.059), (500, 5, 0.071), (500, 10, 0.085), (500, 20, 0.101)]
    + [(2000, 2, 0.0246), (2000, 3, 0.0297), (2000, 5, 0.0355), (2000, 10, 0.0433), (2000, 20, 0.0542)]
    + [(2000, 50, 0.0586), (2000, 100, 0.0632), (20_000, 20, 0.0160), (20_000, 100, 0.0199)],
)
def test_mean_widths_of_honest_days_are_at_most_those_of_the_method(
    n: int, queries: int, width: float
) -> None:
    best = count_candidates(n, queries, log_alpha=LOG_ALPHA)[0]
    assert best.mechanism == "guess_coded"
    assert 0.9 * width <= best.mean <= 1.06 * width


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 1000, 50_000])
@pytest.mark.parametrize("queries", [1, 2, 7, 60])
@pytest.mark.parametrize("expected", [0.5, 0.85, 0.99])
def test_the_choice_is_never_wider_than_splitting(n: int, queries: int, expected: float) -> None:
    found = count_candidates(n, queries, log_alpha=LOG_ALPHA, expected=expected)
    split = next(c for c in found if c.mechanism == "splitting")
    assert found[0].mean <= split.mean
    assert all(a.mean <= b.mean for a, b in itertools.pairwise(found))


def test_one_look_is_clopper_pearson_within_half_a_percent() -> None:
    best = count_candidates(2000, 1, log_alpha=LOG_ALPHA)[0]
    low, high = clopper_pearson(1700, 2000, LOG_ALPHA)
    assert best.mechanism == "one_look" and best.mean <= 1.005 * (high - low) / 2


def test_without_guesses_rows_are_split() -> None:
    assert [c.mechanism for c in count_candidates(500, 4, log_alpha=LOG_ALPHA, n_guess=0)] == ["splitting"]


def test_the_worst_answer_ranks_splitting_first_for_two_questions() -> None:
    assert count_candidates(2000, 2, log_alpha=LOG_ALPHA, rank="worst")[0].mechanism == "splitting"


def test_ends_of_arrays_are_those_of_single_cells() -> None:
    low, high = np.array([0, 3, 90]), np.array([2, 10, 100])
    levels = np.array([-2.0, -30.0, -300.0])
    ends = clopper_pearson_ends(low, high, 100, levels)
    for i in range(3):
        one = cell_interval(int(low[i]), int(high[i]), 100, float(levels[i]))
        assert (ends[0][i], ends[1][i]) == pytest.approx(one, abs=1e-12)


@pytest.mark.parametrize("count", [0, 1, 500, 985, 995, 999, 1000])
@pytest.mark.parametrize("log_alpha", [-3.0, -100.0, -400.0, -640.0, -660.0, -5000.0])
def test_exact_intervals_are_numbers_at_any_level(count: int, log_alpha: float) -> None:
    low, high = clopper_pearson(count, 1000, log_alpha)
    assert 0.0 <= low <= count / 1000 <= high <= 1.0


@pytest.mark.parametrize(("n", "decimals"), [(7, 1), (40, 2), (200, 2), (333, 3), (1000, 2)])
@pytest.mark.parametrize("truncated", [False, True])
def test_a_rounded_score_keeps_its_count(n: int, decimals: int, truncated: bool) -> None:
    for x in range(n + 1):
        shown = math.floor(x / n * 10**decimals) / 10**decimals if truncated else round(x / n, decimals)
        low, high = rounded_counts(shown, decimals, n, truncated=truncated)
        assert low <= x <= high
        assert high - low <= n / 10**decimals + 1


def test_a_score_that_no_count_has_is_refused() -> None:
    with pytest.raises(ValueError, match="truncated=True"):
        rounded_counts(0.51, 2, 10)


@pytest.mark.parametrize(("n", "queries", "expected"), [(60, 9, 0.98), (3000, 1, 0.5), (5000, 400, 0.85)])
@pytest.mark.parametrize(("log_alpha", "failures"), [(LOG_ALPHA, None), (-700.0, 3)])
def test_what_is_not_computed_is_not_the_best(n, queries, expected, log_alpha, failures, monkeypatch) -> None:
    options = {"log_alpha": log_alpha, "failures": failures, "expected": expected, "n_guess": n + 1}
    found = count_candidates(n, queries, **options)
    monkeypatch.setattr(choice._Way, "least_mean", lambda way: 0.0)
    choice._count_candidates.cache_clear()
    assert found == count_candidates(n, queries, **options)
