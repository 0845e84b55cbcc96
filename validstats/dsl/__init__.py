"""Design-based supervised learning: regressions from machine labels that are allowed to be wrong."""

from validstats.dsl.estimators import DesignSupervised
from validstats.dsl.fit import NoRootError
from validstats.dsl.moments import Moment
from validstats.dsl.plan import (
    GainForecast,
    LabelPlan,
    Pilot,
    SamplingPlan,
    design_sampling,
    forecast_gain,
    plan_labels,
)
from validstats.dsl.results import (
    CoefficientComparison,
    CoefficientResult,
    ExponentiatedResult,
    InapplicableTest,
    MarginalEffects,
    WaldTest,
    joint_covariance,
)
from validstats.dsl.sequence import ConfidenceSequence, LabelRequest

__all__ = [
    "CoefficientComparison",
    "CoefficientResult",
    "ConfidenceSequence",
    "DesignSupervised",
    "ExponentiatedResult",
    "MarginalEffects",
    "GainForecast",
    "InapplicableTest",
    "LabelPlan",
    "LabelRequest",
    "Moment",
    "NoRootError",
    "Pilot",
    "SamplingPlan",
    "WaldTest",
    "design_sampling",
    "forecast_gain",
    "joint_covariance",
    "plan_labels",
]
