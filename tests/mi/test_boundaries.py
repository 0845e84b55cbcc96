"""Cells, ranks, limits and exceedances: what a small slip in a formula or a comparison would change."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from validstats.exceptions import SupportWarning
from validstats.mi.anchors.discrete import entropy, mixed_ksg, plug_in, ross
from validstats.mi.estimators import LearnedMI
from validstats.mi.independence import independence_test
from validstats.mi.network.calibration import read_calibration, shipped_weights_path
from validstats.mi.network.conformal import (
    CELL_MINIMUM,
    DIM_CELLS,
    LEVEL_SCORES,
    MEDIAN,
    N_CELLS,
    calibrate_scores,
    cell_numbers,
    conformal_rank,
    interval_at,
    interval_scores,
    thresholds,
)
from validstats.mi.network.forward_pass import (
    anchor_values,
    from_log_scale,
    load_weights,
    member_stack,
    residual_scale,
    scale_statistics,
    to_log_scale,
)
from validstats.mi.network.support import check_support, fit_support
from validstats.mi.permutation import Permuter, exceedance_threshold, permutation_p_value
from validstats.mi.statistics import ANCHOR_NAMES, STATISTIC_NAMES, pack_summaries, summarise_data


class TestConformal:
    def test_every_edge_of_a_cell(self):
        assert CELL_MINIMUM == 1000
        assert (N_CELLS, DIM_CELLS) == ((10, 40, 150, 500), (2, 3, 7, 17))
        for row, n in enumerate(N_CELLS):
            for column, dim in enumerate(DIM_CELLS):
                inside = cell_numbers(np.array([[n, 1, dim - 1]]))
                assert inside.tolist() == [[row, column]]
                below = cell_numbers(np.array([[n - 1, dim - 2, 1]]))
                assert below.tolist() == [[max(row - 1, 0), max(column - 1, 0)]]

    def test_scores_and_intervals_are_inverse_at_and_between_the_knots(self):
        rng = np.random.default_rng(0)
        quantiles = np.sort(rng.normal(size=(4, 19)), axis=1)
        assert LEVEL_SCORES[MEDIAN] == 0.0 and np.isclose(LEVEL_SCORES, 1.6449, atol=1e-4).sum() == 2
        for score in (*np.abs(LEVEL_SCORES), 0.3, 1.0, 2.5, 4.0):
            low, high = interval_at(quantiles, np.full(4, score))
            for end in (low, high):
                np.testing.assert_allclose(interval_scores(quantiles, end), score, atol=1e-9)
        for knot, level in enumerate(LEVEL_SCORES):
            np.testing.assert_allclose(interval_scores(quantiles, quantiles[:, knot]), abs(level), atol=1e-12)
        step = quantiles[:, -1] - quantiles[:, -2]
        slope = (LEVEL_SCORES[-1] - LEVEL_SCORES[-2]) / step
        np.testing.assert_allclose(
            interval_scores(quantiles, quantiles[:, -1] + 0.7), LEVEL_SCORES[-1] + 0.7 * slope
        )
        low, high = interval_at(quantiles, np.full(4, np.inf))
        assert np.all(low == -np.inf) and np.all(high == np.inf)

    def test_a_cell_stands_alone_from_its_least_number_on(self):
        quantiles = np.tile(np.linspace(-1, 1, 19), (11, 1))
        shape = np.array([[50, 1, 1]] * 5 + [[200, 1, 1]] * 6)
        target = np.linspace(0.0, 1.0, 11)
        table = calibrate_scores(quantiles, target, shape, minimum=6)
        assert list(table.cells) == [(2, 0)] and len(table.pooled) == 11
        np.testing.assert_array_equal(table.cells[2, 0], np.sort(interval_scores(quantiles, target)[5:]))

    def test_the_threshold_is_the_score_of_the_exact_rank(self):
        quantiles = np.tile(np.linspace(-1, 1, 19), (19, 1))
        shape = np.tile([200, 1, 1], (19, 1))
        table = calibrate_scores(quantiles, np.linspace(0.0, 1.0, 19), shape, minimum=19)
        scores = table.pooled
        for alpha in (Fraction(1, 20), Fraction(1, 10), Fraction(1, 2), Fraction(19, 20)):
            rank = conformal_rank(19, alpha)
            assert thresholds(table, shape[:1], alpha)[0] == scores[rank - 1]
        assert conformal_rank(19, Fraction(1, 20)) == 19
        assert thresholds(table, shape[:1], Fraction(1, 21))[0] == np.inf


class TestSupport:
    @pytest.fixture
    def parts(self):
        path = shipped_weights_path()
        weights = load_weights(path)
        rng = np.random.default_rng(77)
        summaries = []
        for k, (n, p, q) in enumerate(
            [(400, 1, 1), (60, 1, 2), (50, 3, 1), (80, 2, 2), (45, 1, 4), (70, 5, 1)]
        ):
            x = rng.normal(size=(n, p))
            y = np.abs(x[:, :1]) ** (k % 3) * rng.normal(size=(n, q)) + 0.4 * k * x[:, :1]
            summaries.append(summarise_data(x, y))
        shard = pack_summaries(summaries)
        limits = read_calibration(path, "family").limits
        return shard, weights, member_stack(shard, weights), limits

    def wide(self, limits):
        return replace(
            limits,
            low=np.full_like(limits.low, -np.inf),
            high=np.full_like(limits.high, np.inf),
            disagreement=np.inf,
            correction=np.inf,
            largest_dim=10**6,
        )

    def test_nothing_speaks_against_sets_within_wide_limits(self, parts):
        shard, weights, members, limits = parts
        verdicts = check_support(shard, weights, members, self.wide(limits))
        assert all(v.inside and v.reasons == () for v in verdicts)

    def test_each_reason_by_itself(self, parts):
        shard, weights, members, limits = parts
        wide = self.wide(limits)
        dims = shard.shape[:, 1:].max(axis=1)
        largest = int(np.sort(dims)[len(dims) // 2])
        for verdict, dim in zip(
            check_support(shard, weights, members, replace(wide, largest_dim=largest)), dims, strict=True
        ):
            assert verdict.inside == (dim <= largest)
            if not verdict.inside:
                assert verdict.reasons == (
                    f"a side has {dim} coordinates, above the largest trained, {largest}",
                )

        mean = members.mean(axis=0)
        medians = members[:, :, MEDIAN]
        spread = (medians.max(axis=0) - medians.min(axis=0)) / (
            mean[:, MEDIAN + 3] - mean[:, MEDIAN - 3] + 1e-3
        )
        for edge in spread:
            for limit in (edge * (1 - 1e-9), edge * (1 + 1e-9)):
                verdicts = check_support(shard, weights, members, replace(wide, disagreement=limit))
                assert [v.inside for v in verdicts] == (spread <= limit).tolist()
                assert {r for v in verdicts for r in v.reasons} <= {
                    "the networks of the ensemble disagree more than usual"
                }
        verdicts = check_support(
            shard, weights, members, replace(wide, disagreement=float(np.sort(spread)[3]))
        )
        assert sum(v.inside for v in verdicts) == 4

        anchor = anchor_values(shard, weights.anchor_table)
        far = np.abs(mean[:, MEDIAN] - anchor) / residual_scale(shard.shape)
        assert residual_scale(shard.shape).min() < 0.5
        for edge in far:
            for limit in (edge * (1 - 1e-9), edge * (1 + 1e-9)):
                verdicts = check_support(shard, weights, members, replace(wide, correction=limit))
                assert [v.inside for v in verdicts] == (far <= limit).tolist()
        verdicts = check_support(shard, weights, members, replace(wide, correction=float(np.sort(far)[2])))
        assert sum(v.inside for v in verdicts) == 3
        verdicts = check_support(shard, weights, members, replace(wide, correction=-1.0))
        assert {v.reasons for v in verdicts} == {
            ("the network departs from its classical anchor more than usual",)
        }

    def test_statistics_outside_their_range_are_counted_and_named(self, parts):
        shard, weights, members, limits = parts
        wide = self.wide(limits)
        low, high = wide.low.copy(), wide.high.copy()
        high[[0, 3]], low[[5, 6]] = -np.inf, np.inf
        for allowed, inside in ((4.0, True), (3.0, False)):
            verdicts = check_support(
                shard, weights, members, replace(wide, low=low, high=high, outside=allowed)
            )
            assert {v.inside for v in verdicts} == {inside}
        names = ", ".join(STATISTIC_NAMES[k] for k in (0, 3, 5))
        assert verdicts[0].reasons == (f"4 statistics are outside their usual range ({names}, ...)",)

    def test_limits_are_kept_by_all_but_a_small_share(self, parts):
        shard, weights, members, _ = parts
        limits = fit_support(shard, weights, member_stack(shard, weights))
        assert limits.largest_dim == shard.shape[:, 1:].max() == 5
        scaled = scale_statistics(shard.statistics, weights.scaling)
        low, high = np.quantile(scaled, [0.0005, 0.9995], axis=0)
        np.testing.assert_allclose(limits.low, low)
        np.testing.assert_allclose(limits.high, high)
        beyond = ((scaled < low) | (scaled > high)).sum(axis=1)
        assert beyond.max() > 0 and limits.outside == pytest.approx(np.quantile(beyond, 0.995))
        verdicts = check_support(shard, weights, members, limits)
        assert sum(v.inside for v in verdicts) >= len(shard) - 3
        assert np.all(limits.low <= limits.high)

    def test_the_anchor_of_a_set_is_the_one_that_its_cell_uses(self, parts):
        shard, weights, members, limits = parts
        used = anchor_values(shard, weights.anchor_table)
        for i, verdict in enumerate(check_support(shard, weights, members, limits)):
            value = to_log_scale(shard.anchors[i].astype(float))[ANCHOR_NAMES.index(verdict.anchor_name)]
            assert value == pytest.approx(used[i], abs=1e-6)


class TestDiscrete:
    def test_plug_in_by_hand(self):
        table = np.array([[6, 2, 0], [1, 5, 4]])
        x, y = (
            np.repeat(np.arange(2), table.sum(axis=1)),
            np.concatenate([np.repeat(np.arange(3), r) for r in table]),
        )
        n, p = table.sum(), table / table.sum()
        expected = p.sum(axis=1, keepdims=True) * p.sum(axis=0)
        seen = p > 0
        ratio = np.log(p[seen] / expected[seen])
        value = (p[seen] * ratio).sum()
        found = plug_in(x, y)
        assert found.plug_in == pytest.approx(value)
        assert found.value == pytest.approx(value + (2 + 3 - 5 - 1) / (2 * n))
        assert plug_in(x, y, miller_madow=False).value == pytest.approx(value)
        variance = (p[seen] * ratio**2).sum() - value**2
        assert found.standard_error == pytest.approx(np.sqrt(variance / n))

    def test_levels_of_one_two_and_more_rows(self):
        """Rows of a level that occurs once are left out; a level of two has one neighbour."""
        codes = np.array([0, 0, 1, 1, 1, 1, 2])
        rows = np.array([[0.0], [0.3], [1.0], [1.1], [1.5], [3.0], [0.1]])
        from scipy.special import digamma

        kept, size = codes < 2, np.array([2, 2, 4, 4, 4, 4])
        distance = squareform(pdist(rows[kept]))
        total = 0.0
        for i, code in enumerate(codes[kept]):
            same = np.sort(distance[i][(codes[kept] == code) & (np.arange(6) != i)])
            k = min(3, len(same))
            within = (distance[i] < np.nextafter(same[k - 1], 0) + 0.0).sum() - 1 + 1
            total += digamma(k) - digamma(size[i]) - digamma(within)
        assert ross(codes, rows, 3) == pytest.approx(digamma(6) + total / 6, abs=1e-9)

    def test_mixed_neighbours_by_hand(self):
        """Where one row lies at the k-th distance Kraskov's counts, where several do the closed balls'."""
        from scipy.special import digamma

        rng = np.random.default_rng(4)
        x = np.concatenate([rng.normal(size=30), rng.integers(0, 2, 30)])[:, None]
        y = np.concatenate([rng.normal(size=30), rng.integers(0, 2, 30)])[:, None]
        dx, dy = np.abs(x - x.T), np.abs(y - y.T)
        joint, k, total = np.maximum(dx, dy), 3, 0.0
        for i in range(60):
            others = np.arange(60) != i
            radius = np.sort(joint[i][others])[k - 1]
            at_most = (joint[i][others] <= radius).sum()
            closed = [(d[i][others] <= radius).sum() for d in (dx, dy)]
            opened = [(d[i][others] < radius).sum() for d in (dx, dy)]
            alone = at_most == k and sum(closed) == sum(opened) + 1
            counts = [c + 1 for c in opened] if alone else closed
            total += digamma(at_most) - digamma(counts[0]) - digamma(counts[1])
        assert mixed_ksg(x, y, k) == pytest.approx(np.log(60) + total / 60, abs=1e-9)


class TestPermutations:
    def test_ties_with_the_observed_statistic_count(self):
        assert exceedance_threshold(2.0) < 2.0 and exceedance_threshold(np.inf) == np.inf
        assert exceedance_threshold(1e6) <= 1e6 * (1 - 1e-13)
        constant = independence_test(
            np.arange(12.0), np.arange(12.0), statistic=lambda x, y: 0.25, n_permutations=19, random_state=0
        )
        assert constant.p_value == 1.0
        stopped = independence_test(
            np.arange(12.0), np.arange(12.0), statistic=lambda x, y: 0.25, n_permutations=19, stop_after=4,
            random_state=0,
        )  # fmt: skip
        assert stopped.p_value == 1.0 and stopped.n_permutations == 4

    def test_the_histogram_statistic_reads_ranks_alone(self):
        rng = np.random.default_rng(7)
        x = rng.normal(size=80)
        y = x + rng.normal(size=80)
        found = [
            independence_test(u, y, statistic=name, n_permutations=1, random_state=0).statistic
            for name in ("histogram", "ksg")
            for u in (x, np.exp(2 * x))
        ]
        assert found[0] == pytest.approx(found[1], rel=1e-12) and abs(found[2] - found[3]) > 1e-6

    def test_distance_correlation_takes_a_row_at_the_mean(self):
        x = np.arange(-5.0, 6.0)
        found = independence_test(x, x**2, statistic="distance_correlation", n_permutations=9, random_state=0)
        a, b = (np.abs(v[:, None] - v[None, :]) for v in (x, x**2))
        a, b = (d - d.mean(axis=0) - d.mean(axis=1)[:, None] + d.mean() for d in (a, b))
        expected = np.sqrt((a * b).mean() / np.sqrt((a**2).mean() * (b**2).mean()))
        assert found.statistic == pytest.approx(expected, rel=1e-9)

    def test_draws_show_no_bar_unless_asked(self, monkeypatch):
        asked = []

        def watched(items, total, description, verbose):
            asked.append(verbose)
            return items

        monkeypatch.setattr("validstats.mi.permutation.progress", watched)
        permuter = Permuter(10, seed=0)
        permutation_p_value(lambda order: 0.0, 0.0, permuter, 3)
        permutation_p_value(lambda order: 0.0, 0.0, permuter, 3, verbose=True)
        assert asked == [False, True]

    def test_distance_correlation_is_the_definition(self):
        rng = np.random.default_rng(6)
        x, y = rng.normal(size=(40, 2)) + 1e3, rng.normal(size=(40, 1))
        y[:, 0] += x[:, 0] ** 2 / 1e3
        a, b = squareform(pdist(x)), squareform(pdist(y))
        a, b = (d - d.mean(axis=0) - d.mean(axis=1)[:, None] + d.mean() for d in (a, b))
        expected = np.sqrt((a * b).mean() / np.sqrt((a**2).mean() * (b**2).mean()))
        found = independence_test(x, y, statistic="distance_correlation", n_permutations=9, random_state=0)
        assert found.statistic == pytest.approx(expected, rel=1e-6)
        flat = independence_test(x, np.ones(40), statistic="distance_correlation", n_permutations=9)
        assert flat.statistic == 0.0 and flat.p_value == 1.0


def test_outside_the_support_the_threshold_is_doubled():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(100, 2))
    y = x + 0.7 * rng.normal(size=(100, 2))
    estimator = LearnedMI().fit()
    inside = estimator.infer(x, y, confidence_level=0.8)
    assert inside.support[0].inside
    calibration = estimator.calibration_
    estimator.calibration_ = replace(calibration, limits=replace(calibration.limits, largest_dim=1))
    with pytest.warns(SupportWarning, match="2 coordinates"):
        outside = estimator.infer(x, y, confidence_level=0.8)
    threshold = thresholds(calibration.table, np.array([[100, 2, 2]]), Fraction(1, 5))
    for result, score in ((inside, threshold), (outside, 2.0 * threshold)):
        ends = [from_log_scale(end)[0] for end in interval_at(to_log_scale(inside.quantiles), score)]
        assert [result.lows[0], result.highs[0]] == pytest.approx(ends, rel=1e-5)


def test_levels_that_do_not_occur_add_nothing_to_an_entropy():
    assert entropy(np.array([0, 3, 0, 3])) == pytest.approx(np.log(2))
