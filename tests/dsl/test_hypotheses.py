"""Tests of hypotheses and small helpers of results."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from validstats.dsl import InapplicableTest
from validstats.dsl.moments import critical_value, effective_labels, kish_size
from validstats.dsl.results.hypotheses import restriction_matrix, wald_statistic


class TestHypotheses:
    def test_f_and_chi_squared(self):
        b, v = np.array([1.0, 2.0]), np.diag([0.25, 1.0])
        matrix, values, text = restriction_matrix(["a", "b"], {"a": 0.5, "b": 0.0})
        chi = wald_statistic(b, v, matrix, values)
        assert text == "a = 0.5 and b = 0"
        assert chi == pytest.approx((5.0, stats.chi2.sf(5.0, 2)))
        assert wald_statistic(b, v, matrix, values, 30.0) == pytest.approx((2.5, stats.f.sf(2.5, 2, 30)))

    def test_bad_restrictions(self):
        with pytest.raises(ValueError, match="Unknown coefficient"):
            restriction_matrix(["a"], "c")
        with pytest.raises(ValueError, match="3 columns"):
            restriction_matrix(["a"], np.ones((1, 3)))
        redundant = np.array([[1.0, 0.0], [2.0, 0.0]])
        assert wald_statistic(np.ones(2), np.eye(2), redundant, np.zeros(2)) is None
        assert "not applicable" in str(InapplicableTest(reason="the restrictions are redundant"))


def test_small_helpers():
    assert kish_size(np.array([1.0, 3.0])) == pytest.approx(1.6)
    assert critical_value(0.05, 5.0) == pytest.approx(stats.t.isf(0.025, 5))
    np.testing.assert_allclose(effective_labels(100, np.array([4.0]), np.array([2.0])), [200.0])
