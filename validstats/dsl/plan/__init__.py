"""Plans: how many labels, and which rows, a wanted precision costs."""

from __future__ import annotations

from validstats.dsl.plan.allocation import bounded_probabilities, residual_scale
from validstats.dsl.plan.gain_forecast import GainForecast, forecast_gain
from validstats.dsl.plan.planning import LabelPlan, plan_labels
from validstats.dsl.plan.sampling_design import DrawName, MethodName, Pilot, SamplingPlan, design_sampling

__all__ = [
    "DrawName",
    "GainForecast",
    "LabelPlan",
    "MethodName",
    "Pilot",
    "SamplingPlan",
    "bounded_probabilities",
    "design_sampling",
    "forecast_gain",
    "plan_labels",
    "residual_scale",
]
