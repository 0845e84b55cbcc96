"""Ends of ranges, stopping rules and small designs: what a small slip in a formula or a comparison would change."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.dsl.moments.models import LinearMoment, ModelMoment, RegressionRows
from validstats.dsl.moments.newton import _relative_length, collinear_columns, find_root, invert_bread
from validstats.dsl.moments.user import Moment, UserMoment
from validstats.dsl.moments.variance import SamplingDesign, clustered_meat, design_meat, small_sample_scores


class TestStoppingOfNewton:
    def test_steps_are_counted(self):
        found = find_root(lambda b: 3.0 - b, lambda b: np.eye(1), np.zeros(1), is_affine=True)
        assert found.converged and found.n_iterations == 1
        found = find_root(lambda b: 2.0 - b**2, lambda b: np.diag(2.0 * b), np.ones(1))
        assert found.converged and 4 <= found.n_iterations <= 7
        bounded = find_root(
            lambda b: 2.0 - b**2, lambda b: np.diag(2.0 * b), np.array([1e6]), max_iterations=3
        )
        assert not bounded.converged and bounded.n_iterations == 3
        assert "number of iterations" in bounded.reason

    def test_reasons(self):
        no_root = find_root(lambda b: 1 + b**2, lambda b: np.diag(-2 * b), np.array([0.7]))
        assert "no step" in no_root.reason and no_root.n_iterations < 100
        flat = find_root(lambda b: np.ones(2), lambda b: np.diag([1.0, 0.0]), np.zeros(2))
        assert "singular" in flat.reason and flat.n_iterations == 1
        broken = find_root(lambda b: np.array([1.0, np.nan]), lambda b: np.eye(2), np.zeros(2))
        assert not broken.converged and broken.largest_moment == np.inf and broken.n_iterations == 1
        assert "singular" in broken.reason

    def test_a_moment_that_is_exact_to_its_rounding_only_has_a_root(self):
        def rounded(b):
            return np.round((1.0 - b) * 2.0**34 + 0.5) / 2.0**34 * (1.0 + 2.0**-35)

        found = find_root(rounded, lambda b: np.eye(1), np.zeros(1))
        assert found.converged and abs(found.params[0] - 1.0) < 2.0**-33

    def test_steps_are_measured_against_the_size_of_the_parameter(self):
        """At a parameter of 1e6 rounding alone moves it by 1e-10, which must not keep the search from ending."""

        def moment(b):
            return np.array([np.sqrt(7e12) - 1.0 - b[0]]) * (1.0 + 1e-3 * np.tanh(b[0] / 1e6))

        slope = np.array([[1.0]])
        found = find_root(moment, lambda b: slope, np.array([2.6e6]))
        assert found.converged
        np.testing.assert_allclose(found.params, np.sqrt(7e12) - 1.0, rtol=1e-12)

    def test_collinearity_does_not_depend_on_units(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(30, 2))
        matrix = np.column_stack([x, 1e9 * (x[:, 0] + x[:, 1]), 1e-9 * rng.normal(size=30)])
        assert collinear_columns(matrix, ["a", "b", "sum", "tiny"]) == ["sum"]

    def test_bread_is_refused_for_ill_conditioned_slopes_only(self):
        angle = 1e-5
        near = np.array([[1.0, 1.0 - angle**2], [1.0 - angle**2, 1.0]])
        assert invert_bread(near) is not None
        assert invert_bread(np.array([[1.0, 1.0 - 1e-15], [1.0 - 1e-15, 1.0]])) is None
        assert invert_bread(np.array([[1.0, np.nan], [0.0, 1.0]])) is None

    def test_a_step_is_compared_with_one_plus_the_parameter(self):
        assert _relative_length(np.array([2.0, -9.0]), np.array([3.0, 8.0])) == 1.0


class TestMomentsOfUsers:
    @staticmethod
    def linear(jacobian):
        return UserMoment(
            Moment(
                score=lambda c, b: (
                    np.column_stack([c["y"] - b[0] - b[1] * c["x"]] * 2)
                    * np.column_stack([np.ones(len(c["x"])), c["x"]])
                ),
                jacobian=jacobian,
                variables=("y", "x"),
                start=(0.0, 0.0),
            )
        )

    @pytest.mark.parametrize("analytic", [True, False])
    def test_leverage_is_that_of_the_built_in_moment(self, analytic):
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=9), rng.normal(size=9)
        X = np.column_stack([np.ones(9), x])
        rows = RegressionRows(y=y, X=X, columns={"y": y, "x": x})
        inverse = np.linalg.inv(X.T @ X)

        def jacobian(c, b):
            design = np.column_stack([np.ones(len(c["x"])), c["x"]])
            return -design[:, :, None] * design[:, None, :]

        moment = self.linear(jacobian if analytic else None)
        np.testing.assert_allclose(
            moment.leverage(rows, np.zeros(2), inverse),
            LinearMoment().leverage(rows, np.zeros(2), inverse),
            rtol=1e-6,
        )
        np.testing.assert_allclose(
            ModelMoment.leverage(LinearMoment(), rows, np.zeros(2), inverse),
            np.einsum("ij,jk,ik->i", X, inverse, X),
            rtol=1e-12,
        )

    @pytest.mark.parametrize("at", [1e-3, 1.0, 1e7])
    def test_differences_suit_the_size_of_the_parameter(self, at):
        moment = UserMoment(
            Moment(score=lambda c, b: np.exp(b[0] / at) * c["y"][:, None], variables=("y",), start=(0.0,))
        )
        rows = RegressionRows(y=np.ones(1), X=np.ones((1, 1)), columns={"y": np.ones(1)})
        slope = moment.jacobian(rows, np.array([at]), np.ones(1))
        np.testing.assert_allclose(slope, [[-np.e / at]], rtol=1e-4 if at < 1 else 1e-8)


class TestVariances:
    def test_two_way_clusters_are_the_sum_over_pairs_that_share_one(self):
        rng = np.random.default_rng(2)
        first, second = rng.integers(0, 6, 40), rng.integers(0, 4, 40)
        psi = rng.normal(size=(40, 2)) + first[:, None] + second[:, None]
        share = (first[:, None] == first) | (second[:, None] == second)
        np.testing.assert_allclose(clustered_meat(psi, [first, second]), psi.T @ share @ psi / 40, rtol=1e-10)

    def test_small_samples_with_no_degrees_of_freedom_left(self):
        psi = np.ones((3, 1))
        for fitted in (2, 3, 5):
            scaled = small_sample_scores(psi, np.empty(0), "HC1", 3, fitted)
            np.testing.assert_allclose(scaled, np.sqrt(3.0 / max(3 - fitted, 1)))

    def test_a_stratum_with_a_single_label_counts_as_it_is(self):
        labelled = np.array([True, True, True, False, True, False])
        strata = np.array([0, 0, 0, 0, 1, 1])
        residual = np.array([[1.0], [2.0], [6.0], [5.0]])
        probability = np.array([0.75, 0.75, 0.75, 0.5])
        meat = design_meat(
            residual, probability, 6, SamplingDesign(scheme="stratified", units=strata), labelled
        )
        within = ((residual[:3] - 3.0) ** 2).sum() * 3 / 2 * (1 - 0.75) / 0.75**2
        np.testing.assert_allclose(meat, (within + 25.0 * (1 - 0.5) / 0.5**2) / 6)
