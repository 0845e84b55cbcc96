"""Results of regressions: coefficients, tests of hypotheses, comparisons."""

from __future__ import annotations

from validstats.dsl.results.answers import is_intercept, level_text
from validstats.dsl.results.coefficients import (
    CoefficientComparison,
    CoefficientResult,
    ExponentiatedResult,
    joint_covariance,
)
from validstats.dsl.results.hypotheses import InapplicableTest, WaldTest
from validstats.dsl.results.marginal import MarginalEffects

__all__ = [
    "is_intercept",
    "ExponentiatedResult",
    "MarginalEffects",
    "CoefficientComparison",
    "CoefficientResult",
    "InapplicableTest",
    "WaldTest",
    "joint_covariance",
    "level_text",
]
