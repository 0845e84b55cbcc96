"""Learned mutual information: a trained network with calibrated intervals, and what surrounds it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "ConditionalMutualInformationResult": "validstats.mi.conditional",
    "IndependenceTestResult": "validstats.mi.independence",
    "MISelector": "validstats.mi.selection",
    "MutualInformationMatrix": "validstats.mi.matrix",
    "Family": "validstats.mi.families.default",
    "FamilyMixture": "validstats.mi.families.default",
    "FlowFamily": "validstats.mi.families.flow",
    "JointSample": "validstats.mi.families.base",
    "LearnedMI": "validstats.mi.estimators",
    "LearnedMIResult": "validstats.mi.results",
    "MutualInformationResult": "validstats.mi.mutual_information",
    "conditional_independence_test": "validstats.mi.independence",
    "conditional_mutual_info": "validstats.mi.conditional",
    "distance_correlation": "validstats.mi.permutation",
    "independence_test": "validstats.mi.independence",
    "default_family": "validstats.mi.families.default",
    "mutual_info": "validstats.mi.mutual_information",
    "mutual_info_matrix": "validstats.mi.matrix",
}
"""Public name -> the module that defines it, imported at first use."""

__all__ = [
    "ConditionalMutualInformationResult",
    "Family",
    "FamilyMixture",
    "FlowFamily",
    "IndependenceTestResult",
    "JointSample",
    "MISelector",
    "MutualInformationMatrix",
    "LearnedMI",
    "LearnedMIResult",
    "MutualInformationResult",
    "conditional_independence_test",
    "conditional_mutual_info",
    "default_family",
    "distance_correlation",
    "independence_test",
    "mutual_info",
    "mutual_info_matrix",
]

if TYPE_CHECKING:
    from validstats.mi.conditional import ConditionalMutualInformationResult, conditional_mutual_info
    from validstats.mi.estimators import LearnedMI
    from validstats.mi.families import Family, FamilyMixture, FlowFamily, JointSample, default_family
    from validstats.mi.independence import (
        IndependenceTestResult,
        conditional_independence_test,
        independence_test,
    )
    from validstats.mi.matrix import MutualInformationMatrix, mutual_info_matrix
    from validstats.mi.mutual_information import MutualInformationResult, mutual_info
    from validstats.mi.permutation import distance_correlation
    from validstats.mi.results import LearnedMIResult
    from validstats.mi.selection import MISelector


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.mi' has no attribute {name!r}")
