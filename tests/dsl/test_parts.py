"""Newton's method, formulas, hypotheses and quantile inversion by themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from validstats.dsl.formulas import DesignBuilder, parse_formula
from validstats.dsl.hypotheses import InapplicableTest, restriction_matrix, wald_test
from validstats.dsl.moments import InstrumentalMoment, LinearMoment, MeanMoment, RegressionRows
from validstats.dsl.newton import collinear_columns, find_root, invert_bread
from validstats.dsl.quantiles import invert_distribution
from validstats.dsl.variance import critical_value, effective_labels, kish_size


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

    def test_bread(self):
        assert invert_bread(np.diag([1.0, 0.0])) is None
        assert invert_bread(np.array([[1.0, 1.0], [1.0, 1.0]])) is None
        assert invert_bread(np.array([[np.nan]])) is None
        np.testing.assert_allclose(invert_bread(np.diag([1e-12, 1e12])), np.diag([1e12, 1e-12]), rtol=1e-10)


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
