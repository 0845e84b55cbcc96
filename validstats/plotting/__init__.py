"""Figures: display objects, each of which computes and stores what it shows, then draws it with ``plot(ax=None)``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "AnswersDisplay": "validstats.plotting.answers",
    "AgreementDisplay": "validstats.plotting.evaluations",
    "ComparisonDisplay": "validstats.plotting.evaluations",
    "EvaluationDisplay": "validstats.plotting.evaluations",
    "PassAtKDisplay": "validstats.plotting.evaluations",
    "PlanDisplay": "validstats.plotting.evaluations",
    "RankDisplay": "validstats.plotting.evaluations",
    "BatchIntervalDisplay": "validstats.plotting.batch_intervals",
    "BatchPlanDisplay": "validstats.plotting.plans",
    "CoefficientDisplay": "validstats.plotting.coefficients",
    "ConfidenceSequenceDisplay": "validstats.plotting.confidence_sequence",
    "CoverageDisplay": "validstats.plotting.coverage",
    "DiscoveriesDisplay": "validstats.plotting.answers",
    "Display": "validstats.plotting._style",
    "LedgerDisplay": "validstats.plotting.ledger",
    "EnvelopeDisplay": "validstats.plotting.batch_envelope",
    "GainForecastDisplay": "validstats.plotting.label_plan",
    "HuntDisplay": "validstats.plotting.hunt",
    "HoldoutPlanDisplay": "validstats.plotting.plans",
    "LabelSetDisplay": "validstats.plotting.batch_sets",
    "LabelPlanDisplay": "validstats.plotting.label_plan",
    "MutualInformationDisplay": "validstats.plotting.mutual_information",
    "MutualInformationMatrixDisplay": "validstats.plotting.mutual_information",
    "BalanceDisplay": "validstats.plotting.statistical_tests",
    "CapitalDisplay": "validstats.plotting.statistical_tests",
    "DiscoveryCurveDisplay": "validstats.plotting.statistical_tests",
    "NamedDisplay": "validstats.plotting._style",
    "NullLawDisplay": "validstats.plotting.statistical_tests",
    "PermutationDisplay": "validstats.plotting.statistical_tests",
    "ProbabilityDisplay": "validstats.plotting.probabilities",
    "SelectionDisplay": "validstats.plotting.batch_selection",
}
"""Public name -> the module that defines it, imported at first use."""

__all__ = [
    "AnswersDisplay",
    "AgreementDisplay",
    "ComparisonDisplay",
    "EvaluationDisplay",
    "PassAtKDisplay",
    "PlanDisplay",
    "RankDisplay",
    "BatchIntervalDisplay",
    "BatchPlanDisplay",
    "CoefficientDisplay",
    "ConfidenceSequenceDisplay",
    "CoverageDisplay",
    "DiscoveriesDisplay",
    "Display",
    "LedgerDisplay",
    "EnvelopeDisplay",
    "GainForecastDisplay",
    "HuntDisplay",
    "HoldoutPlanDisplay",
    "LabelSetDisplay",
    "LabelPlanDisplay",
    "MutualInformationDisplay",
    "MutualInformationMatrixDisplay",
    "BalanceDisplay",
    "CapitalDisplay",
    "DiscoveryCurveDisplay",
    "NamedDisplay",
    "NullLawDisplay",
    "PermutationDisplay",
    "ProbabilityDisplay",
    "SelectionDisplay",
]

if TYPE_CHECKING:
    from validstats.plotting._style import Display, NamedDisplay
    from validstats.plotting.answers import AnswersDisplay, DiscoveriesDisplay
    from validstats.plotting.batch_envelope import EnvelopeDisplay
    from validstats.plotting.batch_intervals import BatchIntervalDisplay
    from validstats.plotting.batch_selection import SelectionDisplay
    from validstats.plotting.batch_sets import LabelSetDisplay
    from validstats.plotting.coefficients import CoefficientDisplay
    from validstats.plotting.confidence_sequence import ConfidenceSequenceDisplay
    from validstats.plotting.coverage import CoverageDisplay
    from validstats.plotting.evaluations import (
        AgreementDisplay,
        ComparisonDisplay,
        EvaluationDisplay,
        PassAtKDisplay,
        PlanDisplay,
        RankDisplay,
    )
    from validstats.plotting.hunt import HuntDisplay
    from validstats.plotting.label_plan import GainForecastDisplay, LabelPlanDisplay
    from validstats.plotting.ledger import LedgerDisplay
    from validstats.plotting.mutual_information import (
        MutualInformationDisplay,
        MutualInformationMatrixDisplay,
    )
    from validstats.plotting.plans import BatchPlanDisplay, HoldoutPlanDisplay
    from validstats.plotting.probabilities import ProbabilityDisplay
    from validstats.plotting.statistical_tests import (
        BalanceDisplay,
        CapitalDisplay,
        DiscoveryCurveDisplay,
        NullLawDisplay,
        PermutationDisplay,
    )


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.plotting' has no attribute {name!r}")
