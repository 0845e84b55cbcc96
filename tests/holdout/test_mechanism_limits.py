"""Mechanisms at the ends of their ranges: guesses that just pass, claims that just hold, budgets that run out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tests.checks import in_turn
from validstats.holdout import widths as intervals
from validstats.holdout.mechanisms import (
    SparseValidate,
    Thresholdout,
)

LEVEL = math.log(0.05)


def quiet(role: str, law: str) -> float:
    """No noise."""
    return 0.0


class TestBits:
    rows = np.array([1.0] * 64 + [0.0] * 36)

    @pytest.mark.parametrize("interval", ["kl", "hoeffding"])
    def test_answers_bought_before_make_a_claim_harder(self, interval):
        state = SparseValidate.initial_state(100, queries=4, failures=2, interval=interval)
        for carry in (0.0, -2.0, -6.0):
            level = state.log_alpha + state.log_weight + carry
            edge = intervals.hoeffding_half_width(100, level)
            if interval == "kl":
                edge = 0.64 - intervals.kl_interval(0.64, 100, level)[0]
            for shift, passed in ((1e-6, True), (-1e-6, False)):
                claim = 0.64 - edge - shift
                after, release = SparseValidate.step(state, self.rows, guess=claim, log_carry=carry)
                assert release.passed is passed and after.failed == (not passed)

    @pytest.mark.parametrize("interval", ["kl", "hoeffding"])
    @pytest.mark.parametrize("share", [0.0, 0.64])
    def test_a_claim_at_the_lower_end_of_the_interval_is_confirmed(self, interval, share):
        state = SparseValidate.initial_state(100, queries=4, failures=2, interval=interval)
        level = state.log_alpha + state.log_weight
        low = intervals.kl_interval(share, 100, level)[0]
        if interval == "hoeffding":
            low = max(share - intervals.hoeffding_half_width(100, level), 0.0)
        assert SparseValidate.step(state, share, guess=low)[1].passed
        assert not SparseValidate.step(state, share, guess=low + 1e-12)[1].passed

    def test_a_gambler_who_just_reaches_the_target_confirms_the_claim(self):
        rows, claim = np.ones(200), 0.9
        capital = intervals.log_capital(rows, np.full(200, math.inf), claim)
        state = SparseValidate.initial_state(200, queries=4, failures=2, interval="betting")
        after, release = SparseValidate._bet(state, rows, claim, -capital)
        assert release.passed and (after.asked, after.failed) == (1, 0)
        after, release = SparseValidate._bet(state, rows, claim, -capital - 1e-9)
        assert not release.passed and (after.asked, after.failed) == (1, 1)

    @pytest.mark.share(3)
    @pytest.mark.parametrize(("claim", "interval"), in_turn([0.3, 0.62, 0.97], ["kl", "hoeffding"]))
    def test_a_refuted_claim_bounds_the_mean_by_the_claim_alone(self, interval, claim):
        state = SparseValidate.initial_state(100, queries=4, failures=2, interval=interval)
        level = state.log_alpha + state.log_weight

        def lower_end(mean):
            if interval == "hoeffding":
                return mean - intervals.hoeffding_half_width(100, level)
            return intervals.kl_interval(mean, 100, level)[0]

        grid = np.linspace(0.0, 1.0, 20_001)
        ceiling = max(mean for mean in grid if lower_end(float(mean)) < claim)
        expected = intervals.kl_interval(ceiling, 100, level)[1]
        if interval == "hoeffding":
            expected = min(ceiling + intervals.hoeffding_half_width(100, level), 1.0)
        zeros = np.zeros(100)
        _, release = SparseValidate.step(state, zeros, guess=claim)
        assert release.passed is False and release.low == 0.0
        assert release.high == pytest.approx(expected, abs=2e-4)


class TestThresholdoutBudget:
    def test_the_whole_epoch_is_charged_with_the_first_answer(self):
        state = Thresholdout.initial_state(10_000, queries=50, overfits=3, tolerance=0.2)
        epsilon = 2 * 3 / (state.sigma * 10_000)
        mu = -2.0 * stats.norm.ppf(1.0 / (1.0 + math.exp(epsilon)))
        rows = np.full(10_000, 0.5)
        charges = []
        for _ in range(4):
            state, release = Thresholdout.step(state, rows, guess=0.5, noise=quiet)
            charges.append(release.mu2)
        assert charges == [pytest.approx(mu**2, rel=1e-9), 0.0, 0.0, 0.0]

    def test_noise_of_the_theorem(self):
        state = Thresholdout.initial_state(10_000, queries=50, overfits=3, tolerance=0.2)
        assert state.sigma == pytest.approx(0.2 / (96 * math.log(4 * 50 / 0.05)))
        assert state.threshold == pytest.approx(0.15)

    def test_answers_from_the_holdout_run_out_with_a_reason(self):
        state = Thresholdout.initial_state(1000, queries=50, overfits=2, tolerance=0.1)
        rows = np.full(1000, 0.5)
        for expected in (None, None):
            assert state.exhausted is expected
            state, _ = Thresholdout.step(state, rows, guess=0.9, noise=quiet)
        assert "2 answers from the holdout" in state.exhausted
