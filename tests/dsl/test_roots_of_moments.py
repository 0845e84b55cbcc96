"""Roots of moments by Newton's method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from validstats.dsl.moments import (
    InstrumentalMoment,
    LinearMoment,
    MeanMoment,
    RegressionRows,
    collinear_columns,
    find_root,
    invert_bread,
    nearly_spanned_columns,
    small_sample_scores,
)


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


def test_scores_are_divided_by_no_less_than_a_hundredth():
    psi, leverage = np.array([[2.0], [3.0], [5.0]]), np.array([0.5, 0.988, 1.0])
    third = small_sample_scores(psi, leverage, "HC3", 100, 2)
    np.testing.assert_allclose(third[:, 0], [4.0, 250.0, 500.0], rtol=1e-12)
    second = small_sample_scores(psi, leverage, "HC2", 100, 2)
    np.testing.assert_allclose(second[:, 0], [2 / np.sqrt(0.5), 3 / np.sqrt(0.012), 50.0], rtol=1e-12)


@pytest.mark.parametrize("origin", [0.0, 2000.0, 1e9])
@pytest.mark.parametrize("distance", [1.0, 1e-2, 1e-4, 1e-6])
def test_products_tell_apart_only_what_the_singular_values_do(monkeypatch, origin, distance):
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    design = np.column_stack([np.ones(400), origin + x, x + distance * rng.normal(size=400)])
    found = nearly_spanned_columns(design, ["one", "a", "b"], 1e-4)
    monkeypatch.setattr("validstats.dsl.moments.models.clearly_apart", lambda products: False)
    assert found == nearly_spanned_columns(design, ["one", "a", "b"], 1e-4)
    assert (found is None) == (distance > 1e-4) or origin > 0.0


@pytest.mark.parametrize("origin", [0.0, 3.0])
@pytest.mark.parametrize("n_columns", [3, 100])
def test_rows_that_are_apart_have_no_column_near_the_others(monkeypatch, n_columns, origin):
    # the warning of columns that are hardly told apart is not looked for where rows are apart by far
    rng = np.random.default_rng(0)
    told = []
    for distance in np.geomspace(1e-4, 1.0, 13):
        others = origin + rng.normal(size=(400, n_columns - 2))
        design = np.column_stack([np.ones(400), others, others[:, 0] + distance * rng.normal(size=400)])
        told.append(RegressionRows(y=np.zeros(400), X=design).are_apart)
        with monkeypatch.context() as patch:
            patch.setattr("validstats.dsl.moments.models.clearly_apart", lambda products: False)
            found = nearly_spanned_columns(design, [str(k) for k in range(n_columns)], 1e-4)
        assert found is None or not told[-1]
    assert any(told) and not all(told)


def test_constants_are_not_near_each_other() -> None:
    assert nearly_spanned_columns(np.ones((5, 2)), ["one", "two"], 1e-4) is None
