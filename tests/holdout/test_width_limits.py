"""Widths, counts, intervals and e-values at the ends of their ranges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from tests.oracles import holdout as oracle
from validstats.holdout import plan
from validstats.holdout.mechanisms import (
    Gaussian,
    Thresholdout,
)
from validstats.holdout.widths import counts as intervals
from validstats.holdout.widths import evalues, gaussian
from validstats.holdout.widths import half_widths as widths

LEVEL = math.log(0.05)


class TestCounts:
    def test_a_budget_of_no_ones_leaves_one_prefix(self):
        assert oracle.log_sparse_prefixes(6, 0) == pytest.approx(0.0, abs=1e-12)
        assert oracle.log_sparse_prefixes(0, 0) == pytest.approx(0.0, abs=1e-12)


class TestIntervals:
    def test_rows_may_be_few_and_fractional_but_not_none(self):
        low, high = intervals.kl_bounds(0.5, 0.5, 1.0)
        assert 0.0 <= low < 0.5 < high <= 1.0
        with pytest.raises(ValueError, match="n must be"):
            intervals.kl_bounds(0.5, 0, 1.0)

    def test_no_confidence_asks_for_no_width(self):
        for nothing in (0.0, -1.0):
            np.testing.assert_allclose(intervals.kl_bounds(0.3, 50, nothing), 0.3, atol=1e-7)
        low, high = intervals.kl_bounds(0.3, 50, 0.5)
        assert low < 0.299 < 0.301 < high

    def test_betting_interval_of_certain_rows_ends_at_one(self):
        ones = np.ones(200)
        low, high = intervals.betting_interval(ones, LEVEL)
        assert 0.9 < low <= high == 1.0
        low, high = intervals.betting_interval(1.0 - ones, LEVEL)
        assert low == 0.0 <= high < 0.1

    @pytest.mark.parametrize("log_alpha", [-640.0, -700.0, -3000.0])
    def test_exact_intervals_of_a_count_go_over_to_wider_ones_at_tiny_levels(self, log_alpha):
        low, high = intervals.clopper_pearson(400, 1000, log_alpha)
        wide_low, wide_high = intervals.kl_interval(0.4, 1000, log_alpha)
        assert wide_low <= low < 0.4 < high <= wide_high
        if log_alpha - math.log(2.0) < -650.0:
            assert (low, high) == (wide_low, wide_high)


class TestEValues:
    def test_ends_of_the_ranges(self):
        rows = np.tile([1.0, 0.0], 20)
        for null_mean in (-0.1, 1.1):
            with pytest.raises(ValueError, match="null_mean"):
                evalues.betting_e_value(rows, null_mean)
        for alpha in (0.0, 1.0):
            with pytest.raises(ValueError, match="alpha"):
                evalues.e_bh(np.array([2.0]), alpha)
            with pytest.raises(ValueError, match="alpha"):
                evalues.ELond(alpha).step(2.0)

    def test_an_e_value_at_the_threshold_rejects(self):
        stream = evalues.ELond(0.1)
        assert stream.step(stream.threshold)[1]
        assert not stream.step(stream.threshold * (1 - 1e-12))[1]

    def test_claims_at_the_threshold_of_e_bh_are_rejected(self):
        assert evalues.e_bh(np.array([10.0]), 0.1).tolist() == [True]
        assert evalues.e_bh(np.array([9.999]), 0.1).tolist() == [False]
        assert evalues.e_bh(np.array([8.0, 8.0, 1.0, 0.0]), 0.25).tolist() == [True, True, False, False]

    def test_the_largest_e_value_is_a_number_that_can_be_multiplied(self):
        assert evalues.betting_e_value(np.ones(5_000), 0.5) == pytest.approx(1e300, rel=1e-12)

    def test_the_bet_is_the_gamblers_at_level_one_in_twenty(self):
        rows = np.random.default_rng(0).random(300)
        stakes = intervals.predictable_stakes(rows, math.log(20.0))
        expected = np.prod(1.0 + np.minimum(stakes, 0.5 / 0.4) * (rows - 0.4))
        assert evalues.betting_e_value(rows, 0.4) == pytest.approx(expected, rel=1e-9)


class TestGaussian:
    def test_bias_without_a_signal_is_none_and_p_may_be_one_half(self):
        assert gaussian.gaussian_dp_bias(0.0, LEVEL) == 0.0
        half = math.log(0.5)
        assert gaussian.gaussian_dp_bias(0.3, half) == pytest.approx(
            oracle.gaussian_bias_grid(0.3, 0.5), abs=1e-5
        )
        for p in (0.51, 0.6):
            with pytest.raises(ValueError, match="log_p"):
                gaussian.gaussian_dp_bias(0.3, math.log(p))

    @pytest.mark.parametrize(("mu", "p"), [(0.01, 0.05), (0.4, 0.3), (2.0, 0.05), (6.0, 1e-4), (9.0, 0.5)])
    def test_bias_is_the_minimum_over_a_grid(self, mu, p):
        assert gaussian.gaussian_dp_bias(mu, math.log(p)) == pytest.approx(
            oracle.gaussian_bias_grid(mu, p), abs=2e-5
        )

    def test_bias_far_out_is_half_the_quantile_for_a_weak_signal_and_at_most_one(self):
        for log_p in (-690.0, -800.0, -5_000.0):
            quantile = -float(special.ndtri_exp(log_p))
            assert gaussian.gaussian_dp_bias(1e-4, log_p) == pytest.approx(1e-4 * quantile / 2, rel=3e-3)
            for mu in (0.1, 1.0, 40.0, 100.0, 200.0):
                assert 0.9 < gaussian.gaussian_dp_bias(mu, log_p) <= 1.0

    @pytest.mark.parametrize("mu", [80.0, 316.0, 1e4])
    def test_without_noise_to_speak_of_the_bias_is_bounded_by_one(self, mu):
        assert gaussian.gaussian_dp_bias(mu, math.log(0.05)) == 1.0

    def test_plans_of_hopeless_budgets_are_plans(self):
        planned = plan(10, queries=10**5, release="numeric").tidy()
        assert np.isfinite(planned["half_width"].min()) and not planned["informative"].any()

    @pytest.mark.parametrize("log_p", [-0.05, -3.0, -30.0, -700.0, -5_000.0])
    def test_tail_mean_of_one_normal_is_its_hazard_however_far_out(self, log_p):
        t = -float(special.ndtri_exp(log_p - math.log(2.0)))
        hazard = math.exp(float(stats.norm.logpdf(t) - special.log_ndtr(-t)))
        assert gaussian.tail_mean_of_maximum(1, log_p) == pytest.approx(hazard, rel=1e-10)

    @pytest.mark.share(3)
    @pytest.mark.parametrize("k", [1, 2, 1000, 10**9])
    @pytest.mark.parametrize("p", [0.7, 0.05, 1e-12])
    def test_quantile_and_tail_mean_of_the_largest(self, k, p):
        t = gaussian.tail_quantile_of_maximum(k, math.log(p))
        exceed = -np.expm1(k * np.log1p(-2.0 * stats.norm.sf(t)))
        assert exceed == pytest.approx(p, rel=1e-8)
        assert gaussian.tail_mean_of_maximum(k, math.log(p)) == pytest.approx(
            oracle.tail_mean_quad(k, p), rel=1e-6
        )

    def test_two_rows_are_enough_and_one_is_not(self):
        assert gaussian.tight_optimum(2, 1, LEVEL).half_width > 0.0
        with pytest.raises(ValueError, match="n must be"):
            gaussian.tight_optimum(1, 1, LEVEL)

    def test_the_noise_level_is_the_best_of_a_fine_grid(self):
        best = gaussian.tight_optimum(1000, 20, LEVEL)
        grid = best.sigma * np.exp(np.linspace(-2.5, 2.5, 201))
        assert best.half_width <= min(gaussian.tight_half_width(1000, 20, float(s), LEVEL) for s in grid) * (
            1 + 1e-9
        )

    def test_half_of_the_grid_cell_is_added_to_the_half_width(self):
        on, off = (Gaussian.initial_state(1000, queries=10, grid=grid) for grid in (True, False))
        assert off.cell == 0.0 < on.cell <= on.sigma / 64
        assert math.log2(on.cell) == round(math.log2(on.cell))
        assert on.node_half_width - off.node_half_width == pytest.approx(on.cell / 2, rel=1e-9)
        for sigma in (0.0, -1.0):
            with pytest.raises(ValueError, match="sigma"):
                Gaussian.initial_state(1000, queries=10, sigma=sigma)


class TestWidths:
    @pytest.mark.parametrize("low", [2, 3])
    def test_the_best_integer_is_that_of_a_full_scan(self, low):
        for target in (1, low, low + 1, 7, 50, 399, 400, 900):
            for power in (1.0, 2.0):
                found = widths.best_integer(lambda m, t=target, p=power: abs(m - t) ** p, low, 400)
                assert found == min(max(target, low), 400)

    def test_rounds_have_whole_rows_and_more_rounds_than_rows_have_none(self):
        for n, rounds, chunk in ((11, 3, 3), (10, 10, 1), (19, 10, 1)):
            assert widths.rounds_width(n, 20, rounds, LEVEL) == widths.nonadaptive_width(chunk, 20, LEVEL)
        assert widths.rounds_width(9, 20, 10, LEVEL) == math.inf

    @pytest.mark.parametrize(("n", "queries"), [(50, 1), (400, 2), (10_000, 30)])
    def test_the_published_ladder_has_the_best_step_of_a_fine_grid(self, n, queries):
        """Theorem 3.1 as printed, solved for the half-width at each step."""
        step = np.exp(np.linspace(-9.0, 0.0, 20_001))
        exponent = (1 / step + 2) * np.log(4 * queries / step) + 1 - LEVEL
        best = (step + np.sqrt(exponent / (2 * n))).min()
        assert oracle.blum_hardt_width(n, queries, LEVEL) == pytest.approx(best, rel=1e-6)

    def test_a_tolerance_of_nothing_is_refused(self):
        with pytest.raises(ValueError, match="tolerance must be"):
            widths.thresholdout_rows(0.0, 10, 2, LEVEL)
        with pytest.raises(ValueError, match="tolerance must be"):
            Thresholdout.initial_state(1000, queries=10, tolerance=0.0)

    @pytest.mark.parametrize("overfits", [1, 10, 10**4, 10**7])
    @pytest.mark.parametrize(("n", "queries"), [(1000, 10), (10**5, 10**4), (10**8, 2)])
    def test_thresholdout_tolerance_is_the_smallest_with_enough_rows(self, n, queries, overfits):
        tau = widths.thresholdout_width(n, queries, overfits, LEVEL)
        assert oracle.thresholdout_rows(tau * (1 + 1e-9), queries, overfits, 0.05) <= n
        assert oracle.thresholdout_rows(tau * (1 - 1e-6), queries, overfits, 0.05) > n
