"""Moments that users write: shapes, derivatives, leverages."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.dsl.moments import (
    LinearMoment,
    ModelMoment,
    Moment,
    RegressionRows,
    UserMoment,
)


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
