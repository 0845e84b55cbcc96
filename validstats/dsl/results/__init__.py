"""Results of regressions: coefficients, tests of hypotheses, comparisons."""

from __future__ import annotations

from validstats.dsl.results.answers import (
    difference_words,
    is_intercept,
    level_text,
    mean_words,
    quantile_words,
    regression_words,
    sentence,
    share_words,
    shares_words,
)
from validstats.dsl.results.coefficients import (
    CoefficientComparison,
    CoefficientResult,
    Companions,
    Ends,
    ExponentiatedResult,
    joint_covariance,
)
from validstats.dsl.results.hypotheses import InapplicableTest, WaldTest
from validstats.dsl.results.marginal import MarginalEffects

__all__ = [
    "difference_words",
    "is_intercept",
    "ExponentiatedResult",
    "MarginalEffects",
    "CoefficientComparison",
    "CoefficientResult",
    "Companions",
    "Ends",
    "InapplicableTest",
    "WaldTest",
    "joint_covariance",
    "level_text",
    "mean_words",
    "quantile_words",
    "regression_words",
    "sentence",
    "share_words",
    "shares_words",
]
