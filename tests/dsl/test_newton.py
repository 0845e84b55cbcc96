"""Newton's method: when it stops, why, and what it refuses."""

from __future__ import annotations

import warnings

import numpy as np

from validstats.dsl.moments import collinear_columns, find_root, invert_bread
from validstats.dsl.moments.models import _relative_length


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

    def test_one_equation_that_is_a_line_is_looked_at_once(self):
        seen = []
        found = find_root(
            lambda b: seen.append(b) or 3.0 - 2.0 * b, lambda b: 2 * np.eye(1), np.ones(1), is_affine=True
        )
        assert found.converged and found.params[0] == 1.5 and found.largest_moment == 0.0 and len(seen) == 1
        lost = find_root(lambda b: 3.0 - 0.0 * b, lambda b: np.zeros((1, 1)), np.ones(1), is_affine=True)
        assert not lost.converged and "singular" in lost.reason

    def test_reasons(self):
        no_root = find_root(lambda b: 1 + b**2, lambda b: np.diag(-2 * b), np.array([0.7]))
        assert "no step" in no_root.reason and no_root.n_iterations < 100
        flat = find_root(lambda b: np.ones(2), lambda b: np.diag([1.0, 0.0]), np.zeros(2))
        assert "singular" in flat.reason and flat.n_iterations == 1
        broken = find_root(lambda b: np.array([1.0, np.nan]), lambda b: np.eye(2), np.zeros(2))
        assert not broken.converged and broken.largest_moment == np.inf and broken.n_iterations == 1
        assert "singular" in broken.reason

    def test_a_start_at_the_end_of_a_range_is_no_warning(self):
        """Moments may make their slopes beside their values, from the first on."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = find_root(lambda b: np.array([1.0]) / (0.0 * b), lambda b: np.eye(1), np.ones(1))
        assert not found.converged and found.largest_moment == np.inf

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
