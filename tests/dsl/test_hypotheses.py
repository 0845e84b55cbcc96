"""Tests of hypotheses and small helpers of results."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from validstats.dsl.moments.variance import critical_value, effective_labels, kish_size
from validstats.dsl.results.hypotheses import InapplicableTest, restriction_matrix, wald_test


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


def test_small_helpers():
    assert kish_size(np.array([1.0, 3.0])) == pytest.approx(1.6)
    assert critical_value(0.05, 5.0) == pytest.approx(stats.t.isf(0.025, 5))
    np.testing.assert_allclose(effective_labels(100, np.array([4.0]), np.array([2.0])), [200.0])
