"""Design-based supervised learning: regressions from machine labels that are allowed to be wrong."""

from validstats.dsl.estimators import DesignSupervised
from validstats.dsl.gain_forecast import GainForecast, forecast_gain
from validstats.dsl.hypotheses import InapplicableTest, WaldTest
from validstats.dsl.inference import NoRootError
from validstats.dsl.planning import LabelPlan, plan_labels
from validstats.dsl.results import CoefficientComparison, CoefficientResult, joint_covariance
from validstats.dsl.sampling_design import Pilot, SamplingPlan, design_sampling
from validstats.dsl.sequential import SequentialLabelling
from validstats.dsl.sequential_results import ConfidenceSequence, LabelRequest
from validstats.dsl.streaming import stream_regression
from validstats.dsl.streaming_results import StreamedResult
from validstats.dsl.user_moments import Moment

__all__ = [
    "CoefficientComparison",
    "CoefficientResult",
    "ConfidenceSequence",
    "DesignSupervised",
    "GainForecast",
    "InapplicableTest",
    "LabelPlan",
    "LabelRequest",
    "Moment",
    "NoRootError",
    "Pilot",
    "SamplingPlan",
    "SequentialLabelling",
    "StreamedResult",
    "WaldTest",
    "design_sampling",
    "forecast_gain",
    "joint_covariance",
    "plan_labels",
    "stream_regression",
]
