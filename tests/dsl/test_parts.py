"""Newton's method, formulas, hypotheses and quantile inversion by themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.genmod.families import Poisson

from validstats.dsl.fit.augmentation import Augmentation, Component, LabelledSample, fit_augmented
from validstats.dsl.fit.inference import fit_power_tuned, power_tuning_scale
from validstats.dsl.moments.models import (
    GLMMoment,
    InstrumentalMoment,
    LinearMoment,
    MeanMoment,
    RegressionRows,
    collinear_columns,
    find_root,
    invert_bread,
)
from validstats.dsl.moments.variance import critical_value, effective_labels, kish_size, small_sample_scores
from validstats.dsl.regression.assembly import DesignBuilder, parse_formula
from validstats.dsl.regression.quantiles import invert_distribution
from validstats.dsl.results.hypotheses import InapplicableTest, restriction_matrix, wald_test


class TestNewton:
    def test_root_does_not_depend_on_the_scale_of_columns(self):
        def solve(scale):
            return find_root(
                lambda b: scale * (np.exp(-b / scale) - 0.2),
                lambda b: np.diag(np.exp(-b / scale)),
                np.zeros(2),
            )

        small, large = solve(np.array([1e-6, 1.0])), solve(np.array([1.0, 1e6]))
        assert small.converged and large.converged
        np.testing.assert_allclose(small.params / [1e-6, 1.0], large.params / [1.0, 1e6], rtol=1e-10)

    def test_step_halving_where_full_steps_diverge(self):
        found = find_root(lambda b: -np.arctan(b), lambda b: np.diag(1 / (1 + b**2)), np.array([10.0]))
        assert found.converged and abs(found.params[0]) < 1e-12

    def test_an_affine_equation_is_solved_with_one_jacobian(self):
        rng = np.random.default_rng(3)
        slope, intercept = rng.normal(size=(4, 4)), rng.normal(size=4)
        seen = []

        def jacobian(b):
            seen.append(b)
            return slope

        found = find_root(lambda b: intercept - slope @ b, jacobian, np.full(4, 1e6), is_affine=True)
        assert found.converged and len(seen) == 1
        np.testing.assert_allclose(found.params, np.linalg.solve(slope, intercept), rtol=1e-11)

    def test_an_accepted_step_costs_one_moment(self):
        seen = []

        def moment(b):
            seen.append(b)
            return 2.0 - b**2

        found = find_root(moment, lambda b: np.diag(2 * b), np.array([1.0]))
        assert found.reason == "converged" and len(seen) == 1 + found.n_iterations
        last, before = np.abs(np.diff(np.ravel(seen)))[[-1, -2]]
        assert last < 1e-12 * (1.0 + np.sqrt(2.0)) < before

    @pytest.mark.parametrize(("slope", "accepted"), [(1.74, 1.0), (1.76, 0.5)])
    def test_a_full_step_has_to_shorten_the_correction_by_a_quarter(self, slope, accepted):
        found = find_root(lambda b: 1.0 - slope * b, lambda b: np.eye(1), np.zeros(1), max_iterations=1)
        assert found.params[0] == accepted and found.n_iterations == 1
        assert not found.converged and found.reason == "the number of iterations is exhausted"

    def test_where_no_step_helps_it_stops_at_once(self):
        found = find_root(lambda b: np.ones(1), lambda b: np.eye(1), np.zeros(1))
        assert not found.converged and found.n_iterations == 1 and found.params[0] == 0.0
        assert found.reason == "no step along the Newton direction reduces the moment"

    def test_a_moment_with_rounding_errors_is_solved_up_to_them(self):
        """The sum with a million leaves multiples of 1e-10, none of which is 3e-11."""
        found = find_root(lambda b: 3e-11 - ((b - 1.0 + 1e6) - 1e6), lambda b: np.eye(1), np.array([3.0]))
        assert found.converged and found.reason == "converged to the accuracy of the arithmetic"
        assert found.n_iterations < 5 and abs(found.params[0] - 1.0) < 2e-10

    def test_the_largest_moment_is_that_of_the_last_iterate(self):
        found = find_root(lambda b: np.array([3.0, -5.0, 1.0]), lambda b: np.zeros((3, 3)), np.zeros(3))
        assert found.largest_moment == 5.0

    @pytest.mark.parametrize("moment", [LinearMoment(), MeanMoment(), InstrumentalMoment()])
    def test_moments_called_linear_are_affine_in_their_parameters(self, moment):
        rng = np.random.default_rng(4)
        rows = RegressionRows(
            y=rng.normal(size=6), X=rng.normal(size=(6, 2)), Z=rng.normal(size=(6, 2)), weights=rng.random(6)
        )
        if isinstance(moment, MeanMoment):
            rows = replace(rows, y=rng.normal(size=(6, 2)))
        assert moment.linear_in_params
        b, step = rng.normal(size=2), rng.normal(size=2)
        near, far = moment.score(rows, b + step), moment.score(rows, b + 2 * step)
        np.testing.assert_allclose(far - near, near - moment.score(rows, b), atol=1e-12)
        np.testing.assert_allclose(
            (moment.score(rows, b) - near).sum(axis=0),
            moment.jacobian(rows, b, np.ones(6)) @ step,
            atol=1e-12,
        )

    def test_no_root(self):
        found = find_root(lambda b: 1 + b**2, lambda b: np.diag(-2 * b), np.array([0.7]))
        assert not found.converged and found.reason
        singular = find_root(lambda b: np.ones(1), lambda b: np.zeros((1, 1)), np.zeros(1))
        assert not singular.converged and "singular" in singular.reason

    def test_collinearity_is_named(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(20, 2))
        matrix = np.column_stack(
            [np.ones(20), x, x[:, 0] - 3 * x[:, 1], 1e9 * rng.normal(size=20), np.zeros(20)]
        )
        names = ["one", "a", "b", "ab", "big", "zero"]
        assert collinear_columns(matrix, names) == ["ab", "zero"]
        assert collinear_columns(matrix[:2, :3], names[:3]) == ["b"]
        assert collinear_columns(matrix[:, [0, 5]], ["one", "zero"], tolerance=0.0) == ["zero"]

    def test_bread(self):
        assert invert_bread(np.diag([1.0, 0.0])) is None
        assert invert_bread(np.array([[1.0, 1.0], [1.0, 1.0]])) is None
        assert invert_bread(np.array([[np.nan]])) is None
        np.testing.assert_allclose(invert_bread(np.diag([1e-12, 1e12])), np.diag([1e12, 1e-12]), rtol=1e-10)


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


class TestFormulas:
    def test_parts(self):
        parsed = parse_formula("log(y) ~ x + C(g) | unit + time | d ~ z1 + z2")
        assert (
            parsed.effects == ("unit", "time")
            and parsed.endogenous == "d"
            and parsed.instruments == "z1 + z2"
        )
        assert str(parsed) == "log(y) ~ x + C(g) | unit + time | d ~ z1 + z2"
        assert parse_formula("y").covariates == "1"

    @pytest.mark.parametrize(
        "bad", ["", "~ x", "y ~", "y ~ x | | z", "y ~ x | a ~ b | c ~ d", None, "y ~ x | d ~ z | u"]
    )
    def test_nonsense_is_refused(self, bad):
        with pytest.raises(ValueError, match="formula"):
            parse_formula(bad)

    def test_levels_and_transformations_are_those_of_the_template(self):
        frame = pd.DataFrame(
            {"y": [0.0, 1.0, 0.0, 1.0], "g": ["a", "b", "c", "a"], "x": [1.0, 2.0, 3.0, 6.0]}
        )
        builder = DesignBuilder(parse_formula("y ~ C(g) + center(x)"), frame, ["g", "y"])
        assert (
            builder.outcome_labels == ("y",)
            and builder.covariate_labels == ("g",)
            and builder.variables == ("x",)
        )
        only_b = builder.design({"g": np.array(["b"] * 4, dtype=object)})
        np.testing.assert_allclose(only_b[:, 1:3], np.tile([1.0, 0.0], (4, 1)))
        np.testing.assert_allclose(only_b[:, 3], frame["x"] - 3.0)
        np.testing.assert_array_equal(builder.outcome({"y": np.ones(4)}), np.ones(4))

    @pytest.mark.parametrize(
        "covariates",
        ["poly(v, 2)", "bs(v, df=4)", "scale(v)", "center(v):x", "np.log(v + 9)", "v**2", "I(v > 0)"],
    )
    def test_labels_are_found_inside_every_transformation(self, covariates):
        rng = np.random.default_rng(0)
        frame = pd.DataFrame({"y": rng.normal(size=30), "v": rng.normal(size=30), "x": rng.normal(size=30)})
        builder = DesignBuilder(parse_formula(f"y ~ {covariates}"), frame, ["v"])
        assert builder.covariate_labels == ("v",)
        assert builder.outcome_labels == ()

    def test_outcomes_of_several_columns_are_refused(self):
        frame = pd.DataFrame({"y": [0.0, 1.0], "g": ["a", "b"], "x": [1.0, 2.0]})
        builder = DesignBuilder(parse_formula("C(g) ~ x"), frame, ["g"])
        with pytest.raises(ValueError, match="one number"):
            builder.outcome()


class TestHypotheses:
    def test_f_and_chi_squared(self):
        b, v = np.array([1.0, 2.0]), np.diag([0.25, 1.0])
        matrix, values, text = restriction_matrix(["a", "b"], {"a": 0.5, "b": 0.0})
        test = wald_test(b, v, matrix, values, null=text)
        assert text == "a = 0.5 and b = 0" and np.isclose(test.statistic, 1.0 + 4.0)
        assert np.isclose(test.p_value, stats.chi2.sf(5.0, 2))
        f = wald_test(b, v, matrix, values, denominator=30.0)
        assert (
            np.isclose(f.statistic, 2.5)
            and np.isclose(f.p_value, stats.f.sf(2.5, 2, 30))
            and "F(2, 30)" in str(f)
        )

    def test_bad_restrictions(self):
        with pytest.raises(ValueError, match="Unknown coefficient"):
            restriction_matrix(["a"], "c")
        with pytest.raises(ValueError, match="3 columns"):
            restriction_matrix(["a"], np.ones((1, 3)))
        redundant = wald_test(np.ones(2), np.eye(2), np.array([[1.0, 0.0], [2.0, 0.0]]), np.zeros(2))
        assert isinstance(redundant, InapplicableTest) and "not applicable" in str(redundant)


class TestQuantileInversion:
    def test_the_empirical_distribution_gives_its_order_statistics(self):
        values = np.sort(np.random.default_rng(0).normal(size=501))
        found = invert_distribution(
            lambda q: (np.searchsorted(values, q, side="right") / 501, np.full(len(q), 0.02)),
            values,
            0.5,
            1.96,
        )
        assert found.value == values[250]
        inside = [v for k, v in enumerate(values) if abs((k + 1) / 501 - 0.5) <= 1.96 * 0.02]
        assert found.low <= inside[0] and found.high >= inside[-1]
        assert found.low >= values[228] and found.high <= values[272]

    def test_non_monotone_functions_are_rearranged(self):
        points = np.arange(5.0)
        bumpy = dict(zip(points, [0.1, 0.6, 0.4, 0.7, 1.0], strict=True))
        found = invert_distribution(
            lambda q: (np.array([bumpy[x] for x in q]), np.full(len(q), 0.01)), points, 0.5, 1.0
        )
        assert found.value == 2.0

    def test_an_unbounded_end_is_infinite(self):
        points = np.arange(3.0)
        found = invert_distribution(
            lambda q: (np.array([0.9, 0.95, 1.0])[q.astype(int)], np.full(len(q), 0.1)), points, 0.9, 2.0
        )
        assert found.low == -np.inf and found.high == np.inf


def test_small_helpers():
    assert kish_size(np.array([1.0, 3.0])) == pytest.approx(1.6)
    assert critical_value(0.05, 5.0) == pytest.approx(stats.t.isf(0.025, 5))
    np.testing.assert_allclose(effective_labels(100, np.array([4.0]), np.array([2.0])), [200.0])


def test_scores_are_divided_by_no_less_than_a_hundredth():
    psi, leverage = np.array([[2.0], [3.0], [5.0]]), np.array([0.5, 0.988, 1.0])
    third = small_sample_scores(psi, leverage, "HC3", 100, 2)
    np.testing.assert_allclose(third[:, 0], [4.0, 250.0, 500.0], rtol=1e-12)
    second = small_sample_scores(psi, leverage, "HC2", 100, 2)
    np.testing.assert_allclose(second[:, 0], [2 / np.sqrt(0.5), 3 / np.sqrt(0.012), 50.0], rtol=1e-12)
