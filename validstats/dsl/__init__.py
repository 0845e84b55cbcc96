"""Design-based supervised learning: regressions from machine labels that are allowed to be wrong."""

from validstats.dsl.estimators import DesignSupervised
from validstats.dsl.hypotheses import InapplicableTest, WaldTest
from validstats.dsl.inference import NoRootError
from validstats.dsl.results import CoefficientComparison, CoefficientResult, joint_covariance
from validstats.dsl.user_moments import Moment

__all__ = [
    "CoefficientComparison",
    "CoefficientResult",
    "DesignSupervised",
    "InapplicableTest",
    "Moment",
    "NoRootError",
    "WaldTest",
    "joint_covariance",
]
