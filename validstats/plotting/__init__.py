"""Display objects: each computes and stores what it shows, then draws it with ``plot(ax=None)``."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "ConfidenceSequenceDisplay": "validstats.plotting.confidence_sequence",
    "CoefficientDisplay": "validstats.plotting.coefficients",
    "MutualInformationDisplay": "validstats.plotting.mutual_information",
    "MutualInformationMatrixDisplay": "validstats.plotting.mutual_information",
    "CoverageDisplay": "validstats.plotting.coverage",
    "GainForecastDisplay": "validstats.plotting.label_plan",
    "HoldoutPlanDisplay": "validstats.plotting.holdout_plan",
    "LabelPlanDisplay": "validstats.plotting.label_plan",
}
"""Public name -> the module that defines it, imported at first use."""

__all__ = [
    "CoefficientDisplay",
    "ConfidenceSequenceDisplay",
    "CoverageDisplay",
    "GainForecastDisplay",
    "HoldoutPlanDisplay",
    "LabelPlanDisplay",
    "MutualInformationDisplay",
    "MutualInformationMatrixDisplay",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.plotting' has no attribute {name!r}")
