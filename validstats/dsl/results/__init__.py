"""Results of regressions: coefficients, tests of hypotheses, comparisons."""

from __future__ import annotations

from validstats.dsl.results.coefficients import (
    CoefficientComparison,
    CoefficientResult,
    joint_covariance,
    level_text,
)
from validstats.dsl.results.hypotheses import InapplicableTest, WaldTest

__all__ = [
    "CoefficientComparison",
    "CoefficientResult",
    "InapplicableTest",
    "WaldTest",
    "joint_covariance",
    "level_text",
]
