"""Bounds of means of bounded scores by exchanges and by bets, against slow versions and by enumeration."""

from __future__ import annotations

import functools
import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import special

from tests.oracles import batch as oracle
from validstats.batch.laws import betting, envelope, swap
from validstats.batch.laws.betting import betting_upper_mean, grid_points
from validstats.batch.laws.envelope import envelope_probability, spread_band
from validstats.batch.laws.swap import subset_counts, swap_bounds
from validstats.kernels.betting import chain_of_rejections_plain
from validstats.kernels.envelope import band_probability
from validstats.kernels.subset_sums import (
    mean_tails,
    mean_tails_plain,
    random_subsets,
    random_subsets_plain,
    rejected_mean,
    subset_sum_counts,
    subset_sum_counts_plain,
)

POPULATIONS = {
    "uniform": [0.02, 0.11, 0.35, 0.42, 0.58, 0.77, 0.93],
    "binary": [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0],
    "three values": [0.0, 0.3, 0.3, 1.0, 0.3, 0.0, 1.0],
    "near low": [u**6 for u in (0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)],
    "near high": [1 - u**6 for u in (0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)],
    "atom at high": [0.1, 0.1, 0.12, 0.1, 1.0, 1.0, 0.11],
}
SPLITS = [(4, 2), (5, 1), (5, 2), (4, 3), (3, 3)]


@pytest.mark.parametrize("sizes", [(3, 2), (4, 2), (2, 3), (3, 3)], ids=str)
def test_both_forms_of_the_exchange_p_value_are_equal(sizes) -> None:
    n, m = sizes
    rng = np.random.default_rng(n + 10 * m)
    for scores in (rng.random(n + m), rng.integers(0, 3, n + m) / 2):
        first = oracle.swap_p_value(scores[:n].tolist(), scores[n:].tolist())
        assert first == oracle.swap_p_value_cancelled(scores[:n].tolist(), scores[n:].tolist())


@pytest.mark.parametrize("sizes", [(12, 2), (8, 3)], ids=str)
def test_the_exchange_bound_is_above_every_accepted_batch_of_the_band(sizes) -> None:
    n, m = sizes
    x = np.sort(np.random.default_rng(m).random(n))
    for alpha in ("0.3", "0.5"):
        found = swap_bounds(x, m, alpha, (0.0, 1.0), sides=(False, True))
        band = spread_band(n, m, Fraction(alpha) / 10)
        low, high = np.append(0.0, x)[band.lower - 1], np.append(x, 1.0)[band.upper - 1]
        side = float(Fraction(alpha)) - (1 - band.probability)
        best = 0.0
        grid = np.linspace(0, 1, 15)
        for batch in itertools.combinations_with_replacement(grid.tolist(), m):
            inside = all(a <= v <= b for a, v, b in zip(low, batch, high))
            if inside and np.mean(batch) > best and oracle.swap_p_value_cancelled(x.tolist(), batch) > side:
                best = float(np.mean(batch))
        assert 0 < best <= found.high <= 1


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS[:3], ids=str)
@pytest.mark.parametrize("name", POPULATIONS)
def test_exchanges_keep_the_level_in_every_small_population(split, name) -> None:
    n, m = split
    scores = np.array(POPULATIONS[name][: n + m])
    for alpha in (0.4,):
        misses, count = 0, 0
        for batch in itertools.combinations(range(n + m), m):
            rest = [i for i in range(n + m) if i not in batch]
            found = swap_bounds(scores[rest], m, alpha, (0.0, 1.0))
            mean = scores[list(batch)].mean()
            misses += not found.low - 1e-12 <= mean <= found.high + 1e-12
            count += 1
        assert misses <= alpha * count


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS, ids=str)
@pytest.mark.parametrize("name", POPULATIONS)
def test_bets_keep_the_level_over_all_ordered_draws(split, name) -> None:
    n, m = split
    scores = np.array(POPULATIONS[name][: n + m])
    draws = list(itertools.permutations(range(n + m), n))
    for alpha in (0.15, 0.3, 0.5):
        cache: dict[tuple[float, ...], float] = {}
        misses = 0
        for draw in draws:
            x = scores[list(draw)]
            key = tuple(x.tolist())
            if key not in cache:
                cache[key] = betting_upper_mean(x, m, alpha, 1.0, low=0.0)
            misses += (scores.sum() - x.sum()) / m > cache[key] + 1e-12
        assert misses <= alpha * len(draws)


@pytest.mark.slow
def test_bets_reject_as_the_slow_version_does(monkeypatch) -> None:
    """On one grid at the full level, the bound is the first mean from the top that the slow version keeps."""
    monkeypatch.setattr(betting, "_STAGES", ((1, 1.0),))
    rng = np.random.default_rng(4)
    for n, m in [(6, 3), (12, 8), (15, 40)]:
        x = rng.random(n)
        step = 1.0 / grid_points(n, m)
        found = betting_upper_mean(x, m, 0.2, 1.0, low=0.0)
        j = 0
        while oracle.betting_rejects(x.tolist(), n + m, 1.0 - j * step, 0.2, 0.0, 1.0, 1.0):
            j += 1
        slow = min(1.0, ((n + m) * (1.0 - (j - 1) * step) - x.sum()) / m)
        # the table of hedges is a thousandth off, which moves the bound by a few steps of the grid
        assert found == pytest.approx(slow, abs=5 * (n + m) / m * step)


@pytest.mark.parametrize("low", [0.0, -np.inf])
def test_the_compiled_chain_is_the_plain_one(monkeypatch, low) -> None:
    rng = np.random.default_rng(7)
    for n, m in [(1, 1), (3, 2), (40, 10), (60, 80)]:
        x = rng.random(n)
        compiled = betting_upper_mean(x, m, 0.1, 1.0, low=low, width=1.0)
        with monkeypatch.context() as patched:
            patched.setattr(betting, "chain_of_rejections", chain_of_rejections_plain)
            assert betting_upper_mean(x, m, 0.1, 1.0, low=low, width=1.0) == compiled


@pytest.mark.parametrize("block", [1, 7, 16, 100])
def test_bets_that_are_scaled_in_blocks_are_those_of_all_draws_at_once(monkeypatch, block) -> None:
    """Sums over blocks go on where the block before ended, in the same bits."""
    rng = np.random.default_rng(8)
    for x in (rng.random(100), rng.integers(0, 3, 16) / 2, np.full(50, 0.25)):
        whole = betting_upper_mean(x, 30, 0.1, 1.0, low=0.0)
        before = np.concatenate([[0.0], np.cumsum(x - 1.0)[:-1]])
        squares = np.concatenate([[0.0], np.cumsum((x - 1.0) ** 2)[:-1]])
        counts = np.arange(x.size)
        variance = 4 / 36 + np.maximum(squares - before**2 / np.maximum(counts, 1), 0)
        variance /= 4 + np.maximum(counts - 1, 0)
        left = x.size + 30 - counts
        scale = 1 / (np.sqrt(variance * (1 / 30 - 1 / left) + variance / (left - 1) ** 2) * (left - 1))
        with monkeypatch.context() as patched:
            patched.setattr(betting, "_BLOCK", block)
            assert betting_upper_mean(x, 30, 0.1, 1.0, low=0.0) == whole
            found, total = betting._bet_scales(x - 1.0, 30, 1.0)
        np.testing.assert_allclose(found, scale, rtol=1e-13)
        assert total == np.cumsum(x - 1.0)[-1]


def counted(
    run, values: np.ndarray, largest: int, origin: np.ndarray, step: np.ndarray, cells: int, runs: int
) -> list[np.ndarray]:
    """Counts of cells and of knots by one of the two twins."""
    found = [np.zeros((len(step), cells), dtype=np.int32) for _ in range(2)]
    # 64 runs at a time, and a table of 16 places, which many values share
    room = np.zeros(16, dtype=np.uint8), np.empty((64, largest), dtype=np.uint32)
    room += np.empty(64), np.empty(64, dtype=np.uint32)
    run(values, np.uint64(2**63 + 5), largest, origin, step, *found, *room, runs)
    return found


@pytest.mark.parametrize(
    "values", [np.random.default_rng(0).normal(size=30), np.repeat([-1.0, 1.0], 7)], ids=["normal", "signs"]
)
def test_the_compiled_subset_sums_are_the_plain_ones(values) -> None:
    options = values, 12, np.full(9, -6.0), np.full(9, 0.5), 26, 200
    compiled, plain = counted(subset_sum_counts, *options), counted(subset_sum_counts_plain, *options)
    assert np.array_equal(compiled, plain)
    assert (compiled[0].sum(axis=1) == 200).all()
    # sums of signs lie at knots, so that every one of them is a tie, and those of normal numbers nowhere near one but the first
    ties = compiled[1].sum(axis=1)
    assert (ties == 200).all() if values.size == 14 else (compiled[1][:, 1:] == 0).all()


def test_subset_sums_have_their_mean_and_variance() -> None:
    x = np.random.default_rng(1).exponential(size=40)
    x -= x.mean()
    above, _ = counted(subset_sum_counts, x, 10, np.array([-20.0]), np.array([0.1]), 402, 40_000)
    middle = -20 + 0.1 * (np.arange(402) - 0.5)
    mean = (above[0] * middle).sum() / 40_000
    variance = (above[0] * (middle - mean) ** 2).sum() / 40_000
    expected = x.var() * 10 * 30 / 39
    assert abs(mean) < 5 * np.sqrt(expected / 40_000)
    assert variance == pytest.approx(expected, rel=0.03)


def test_subsets_of_a_run_are_uniform() -> None:
    # values are powers of 6, so that a sum of 3 of 5 tells which they are: 10 subsets
    values = 6.0 ** np.arange(5)
    above, _ = counted(subset_sum_counts, values, 3, np.array([0.0]), np.array([1.0]), 1600, 50_000)
    subsets = [round(values[list(chosen)].sum()) + 1 for chosen in itertools.combinations(range(5), 3)]
    assert above[0, subsets].sum() == 50_000
    # chi-square with 9 degrees of freedom, its 99.99 % point is 34
    assert ((above[0, subsets] - 5000.0) ** 2 / 5000).sum() < 34


def test_mirrored_sums_are_the_sums_of_mirrored_scores() -> None:
    for scores in (np.random.default_rng(4).exponential(size=50), np.repeat([0.0, 1.0], 25)):
        x = scores - scores.mean()
        found, mirrored = subset_counts(x, 2, 6, 0.0, 3), subset_counts(-x, 2, 6, 0.0, 3)
        assert np.array_equal(found.above, mirrored.below) and np.array_equal(found.below, mirrored.above)


@pytest.mark.parametrize("risk", [1e-3, 1e-9, 1e-14, 1e-20])
def test_limits_between_nodes_are_upper_limits_and_hardly_larger(risk) -> None:
    runs = swap._RUNS
    counts = np.arange(runs + 1)
    exact = np.append(special.betainccinv(counts[:-1] + 1.0, runs - counts[:-1], risk), 1.0)
    found = swap._upper_limits(counts, risk)
    assert (found >= exact).all()
    assert (found <= exact * (1 + 2e-2)).all() and (found[100:] <= exact[100:] * (1 + 2e-4)).all()
    # straight lines between the nodes alone are not limits: what is added is needed
    assert (found - swap._INTERPOLATION < exact).any()


@pytest.mark.parametrize("sizes", [(50, 4), (30, 7), (10, 10)], ids=str)
def test_the_spread_band_limits_one_half_on_each_side(sizes) -> None:
    n, m = sizes
    band = spread_band(n, m, 0.05)
    assert band.probability >= 0.95
    assert envelope_probability(n, band.lower, band.upper) == pytest.approx(band.probability, abs=1e-12)
    assert (np.diff(band.lower[m // 2 :]) == 0).all() and (np.diff(band.upper[: m // 2 + 1]) == 0).all()


@pytest.mark.parametrize("sizes", [(5, 3), (60, 20), (90, 90), (3000, 7), (400, 250)], ids=str)
def test_counting_from_limit_to_limit_is_the_path_count(sizes) -> None:
    n, m = sizes
    rng = np.random.default_rng(n)
    for _ in range(5):
        # limits around the quantiles, some of them binding and some free
        middle = (n + 1) * np.arange(1, m + 1) / (m + 1)
        lower = np.clip(middle - rng.uniform(0, n / 3, m), 1, n + 1).astype(np.int64)
        upper = np.clip(middle + rng.uniform(0, n / 3, m), 1, n + 1).astype(np.int64)
        lower, upper = np.maximum.accumulate(lower), np.minimum.accumulate(upper[::-1])[::-1]
        upper = np.maximum(upper, lower)
        expected = band_probability(n, lower, upper)
        assert envelope.limited_probability(n, lower, upper) == pytest.approx(expected, abs=1e-12)


def test_the_compiled_random_subsets_are_the_plain_ones_and_subsets() -> None:
    lengths, counts = np.array([0, 3, 1, 5, 2, 0, 2, 11]), np.array([4, 2, 3, 0, 1, 2, 1, 1])
    found = random_subsets(11, lengths, counts, np.uint64(2**63 + 17))
    assert np.array_equal(found, random_subsets_plain(11, lengths, counts, np.uint64(2**63 + 17)))
    # a row has the same subset however rows before it are grouped, and whether or not they are listed
    alone = random_subsets(11, np.array([0, 11]), np.array([13, 1]), np.uint64(2**63 + 17))
    assert np.array_equal(found[-11:], alone)
    parts = np.split(found, np.cumsum(np.repeat(lengths, counts))[:-1])
    assert all(np.unique(part).size == part.size and (part < 11).all() for part in parts)
    assert sorted(parts[-1].tolist()) == list(range(11))


def test_random_subsets_are_uniform() -> None:
    pairs = random_subsets(5, np.array([2]), np.array([60_000]), np.uint64(3)).reshape(-1, 2)
    counts = np.bincount(5 * pairs[:, 0] + pairs[:, 1], minlength=25).reshape(5, 5)
    assert (np.diag(counts) == 0).all()
    off = counts[~np.eye(5, dtype=bool)]
    # 20 ordered pairs: chi-square with 19 degrees of freedom, its 99.99 % point is 51
    assert ((off - 3000) ** 2 / 3000).sum() < 51


def test_the_compiled_mean_tails_are_the_plain_ones() -> None:
    rng = np.random.default_rng(5)
    m, sizes = 6, np.arange(7)
    counts = np.array([20, 31, 0, 44, 1, 60, 90])
    lengths = np.where(sizes > 3, m - sizes, sizes)
    index = random_subsets(m, lengths, counts, np.uint64(1))
    values = np.sort(rng.random((6, 20)), axis=1)[:, ::-1].copy()
    options = (index, sizes, counts, lengths, np.full(6, -2.0), np.linspace(0.2, 0.5, 6), values)
    for batch, stride in itertools.product(
        (rng.normal(size=m), np.full(m, 9.0), np.full(m, -9.0)), (1, 7, 50)
    ):
        expected = mean_tails_plain(batch, *options, stride)
        assert mean_tails(batch, *options, stride) == pytest.approx(expected, rel=1e-12)


def root_of_p(low: Any, high: Any, points: Any, tails: Any, mean: float, margin: float) -> float:
    """The root of -2 log p that is compared, with p by the plain twin of the tails and the slow search of batches."""
    (batch,) = oracle.most_spread_batches(low, high, float(mean))
    value, spread = mean_tails_plain(batch, *points, *tails, 1)
    return float(np.sqrt(-2 * np.log(0.01 + 0.99 * (value + margin * spread))))


def test_the_rejected_mean_is_rejected_and_hardly_a_smaller_one() -> None:
    rng = np.random.default_rng(11)
    for m in (1, 2, 7, 12):
        low, gaps = np.sort(rng.normal(size=m)), rng.exponential(size=m)
        high = np.maximum.accumulate(low + gaps)
        sizes, counts = np.arange(m + 1), rng.integers(0, 60, m + 1)
        lengths = np.minimum(sizes, m - sizes)
        index = random_subsets(m, lengths, counts, np.uint64(m))
        steps = np.linspace(0.2, 0.5, m)
        # convex and falling from 1, as tails are
        values = np.exp(-np.outer(np.linspace(0.02, 0.05, m), np.arange(400.0)))
        points, tails = (index, sizes, counts, lengths), (np.full(m, -9.0), steps, values)

        of_tails = functools.partial(root_of_p, low, high, points, tails)
        goal = 0.3 * of_tails(low.mean(), 0.0) + 0.7 * of_tails(high.mean(), 0.0)
        rest = float(low.mean()), 1.0, 1e-4, 1e-7, 25
        found = rejected_mean(low, high, np.empty(m), points, tails, 0.01, goal, 0.0, *rest)
        assert low.mean() < found < high.mean()
        assert goal - 1e-12 <= of_tails(found, 0.0)
        assert of_tails(found, 0.0) <= goal + 1e-4 + 1e-12 or of_tails(found - 2e-7, 0.0) < goal
        plain = rejected_mean.py_func(low, high, np.empty(m), points, tails, 0.01, goal, 0.0, *rest)
        assert plain == pytest.approx(found, abs=1e-12)
        # with an error that is the largest of all means that were looked at; where nothing is rejected, the end
        found = rejected_mean(low, high, np.empty(m), points, tails, 0.01, goal, 0.02, *rest)
        assert of_tails(found, 0.02) >= goal or found == pytest.approx(high.mean(), abs=1e-12)


def kept_answers() -> tuple[dict, Any]:
    store: dict = {}

    def memo(key, compute):
        if key not in store:
            store[key] = compute()
        return store[key]

    return store, memo


def test_a_size_has_the_same_answer_whatever_sizes_were_asked_before() -> None:
    x = np.random.default_rng(9).random(300)
    alone = {m: swap_bounds(x, m, 0.1, (0.0, 1.0)) for m in (30, 5, 12)}
    for smallest in (None, 5):
        store, memo = kept_answers()
        together = {m: swap_bounds(x, m, 0.1, (0.0, 1.0), smallest=smallest, memo=memo) for m in alone}
        assert together == alone
        simulations = next(found for key, found in store.items() if key[0] == "subset sums")
        assert (len(simulations) == 1) == (smallest is not None)


def test_exchanges_ignore_the_order_of_rows_and_bets_do_not() -> None:
    rng = np.random.default_rng(3)
    x = rng.random(100)
    other = rng.permutation(x)
    assert swap_bounds(x, 10, 0.1, (0.0, 1.0)) == swap_bounds(other, 10, 0.1, (0.0, 1.0))
    assert betting_upper_mean(x, 10, 0.1, 1.0, low=0.0) != betting_upper_mean(other, 10, 0.1, 1.0, low=0.0)


def test_bounds_follow_shift_scale_and_reflection() -> None:
    x = np.random.default_rng(5).beta(0.5, 2, size=120)
    plain = swap_bounds(x, 12, 0.1, (0.0, 1.0))
    moved = swap_bounds(1e6 + 4 * x, 12, 0.1, (1e6, 1e6 + 4))
    mirror = swap_bounds(-x, 12, 0.1, (-1.0, 0.0))
    assert moved.high == pytest.approx(1e6 + 4 * plain.high, abs=0.02)
    assert mirror.high == pytest.approx(-plain.low, abs=0.005)
    bet = betting_upper_mean(x, 40, 0.1, 1.0, low=0.0)
    assert betting_upper_mean(1e6 + 4 * x, 40, 0.1, 1e6 + 4, low=1e6) == pytest.approx(
        1e6 + 4 * bet, abs=1e-5
    )


@pytest.mark.share(3)
@pytest.mark.parametrize("constant", [0.0, 0.3, 1.0])
def test_constant_scores_keep_what_markov_allows(constant) -> None:
    x = np.full(200, constant)
    found = swap_bounds(x, 20, 0.1, (0.0, 1.0))
    assert 0 <= found.low <= constant <= found.high <= 1
    assert found.low < found.high
    high = betting_upper_mean(x, 20, 0.05, 1.0, low=0.0)
    assert constant <= high <= 1
    assert high > constant or constant == 1.0


def test_one_score_says_little_and_is_allowed() -> None:
    assert betting_upper_mean(np.array([0.2]), 5, 0.1, 1.0, low=0.0) == 1.0


def test_dropped_extremes_make_unbounded_scores_finite_or_say_so() -> None:
    x = np.random.default_rng(8).normal(size=1000)
    ends = (-np.inf, np.inf)
    found = swap_bounds(x, 10, 0.1, ends, drop=(True, True))
    assert np.isfinite([found.low, found.high]).all() and found.low < 0 < found.high
    assert swap_bounds(x[:100], 10, 0.1, ends, drop=(True, True)).high == np.inf


def test_the_predictive_urn_is_not_valid() -> None:
    """The test of the test: 7 of the 56 calibration subsets of this population have p <= 6/56."""
    population = [100 - s for s in (0, 0, 0, 0, 48, 50, 99, 100)]
    small = 0
    for calibration in itertools.combinations(range(8), 3):
        inside = [population[i] for i in calibration]
        outside = [population[i] for i in range(8) if i not in calibration]
        small += oracle.urn_plug_in_p_value(inside, outside, 100) <= Fraction(6, 56)
    assert small == 7
