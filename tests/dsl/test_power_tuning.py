"""Power tuning of raw machine labels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.genmod.families import Poisson

from validstats.dsl.fit import Augmentation, Component, LabelledSample
from validstats.dsl.fit.augmentation import fit_augmented
from validstats.dsl.fit.inference import fit_power_tuned, power_tuning_scale
from validstats.dsl.moments import GLMMoment, RegressionRows


class TestPowerTuning:
    def test_scale_is_the_common_slope_of_a_weighted_regression(self):
        rng = np.random.default_rng(1)
        gold, bread, probability = (
            rng.normal(1.0, 1.0, (40, 2)),
            rng.normal(size=(2, 2)),
            rng.uniform(0.1, 1, 40),
        )
        term = 0.6 * gold + rng.normal(-2.0, 1.0, (40, 2))
        root = np.sqrt(np.tile((1 - probability) / probability**2, 2))
        left, right = (values @ bread.T for values in (gold, term))
        regressors = np.column_stack([right.T.ravel(), np.repeat(np.eye(2), 40, axis=0)])
        expected = np.linalg.lstsq(root[:, None] * regressors, root * left.T.ravel(), rcond=None)[0][0]
        assert power_tuning_scale(gold, term, probability, bread) == pytest.approx(expected, rel=1e-12)
        thousandth = power_tuning_scale(1e-3 * gold, 1e-3 * term, probability, bread)
        assert thousandth == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("probability", [0.99, 0.3])
    def test_the_scale_is_the_slope_on_the_other_score_however_few_rows_are_unlabelled(self, probability):
        """With one probability for all rows the weights cancel, also where their sum is far below one."""
        rng = np.random.default_rng(4)
        term = rng.normal(size=(40, 1)) + 3.0
        gold = 0.6 * term + rng.normal(size=(40, 1))
        expected = np.polyfit(term[:, 0], gold[:, 0], 1)[0]
        found = power_tuning_scale(gold, term, np.full(40, probability), np.eye(1))
        assert found == pytest.approx(expected, rel=1e-10)

    def test_nothing_is_borrowed_where_every_row_is_labelled_or_predicted_alike(self):
        gold = np.random.default_rng(2).normal(size=(10, 1))
        assert power_tuning_scale(gold, gold, np.ones(10), np.eye(1)) == 0.0
        assert power_tuning_scale(gold, np.zeros((10, 1)), np.full(10, 0.5), np.eye(1)) == 0.0

    @staticmethod
    def counts(machine):
        """Return four labelled and four other rows, the machine's counts of them, and the gold-only fit."""
        constant, labelled = np.ones((8, 1)), np.arange(8) < 4
        gold = RegressionRows(y=np.array([0.0, 0.0, 0.0, 1.0]), X=constant[:4])
        sample = LabelledSample(
            moment=GLMMoment(Poisson()), gold=gold, labelled=labelled, probability=np.full(8, 0.5)
        )
        term = (Component(rows=RegressionRows(y=np.array(machine), X=constant)),)
        return sample, term, fit_augmented(sample, Augmentation())

    def test_the_fit_is_the_root_at_its_scale(self):
        tuned = fit_power_tuned(*self.counts([0.0, 0.0, 0.0, 2.0, 1.0, 1.0, 1.0, 0.0])[1:])
        assert tuned.fallback is None
        np.testing.assert_allclose(tuned.augmentation.matrices, [[[0.5]]], rtol=1e-12)
        assert tuned.params[0] == pytest.approx(np.log(0.25 + 0.5 * (5 / 8 - 2 / 4)), rel=1e-12)

    def test_one_newton_step_where_the_tuned_mean_would_be_negative(self):
        _, term, pilot = self.counts([10.0, 10.0, 10.0, 11.0, 0.0, 0.0, 0.0, 0.0])
        tuned = fit_power_tuned(term, pilot)
        assert tuned.fallback == "one Newton step from the gold-only estimate"
        step = (41 / 8 - 41 / 4) / 0.25
        np.testing.assert_allclose(tuned.params, pilot.params + step, rtol=1e-9)
