"""Reusable holdout: answers to adaptively chosen questions that stay statistically valid."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "absolute_error": "validstats.holdout.metrics",
    "Answer": "validstats.holdout.answers",
    "Answers": "validstats.holdout.answers",
    "betting_e_value": "validstats.holdout.evalues",
    "coverage": "validstats.holdout.metrics",
    "e_bh": "validstats.holdout.evalues",
    "e_lond": "validstats.holdout.evalues",
    "ELond": "validstats.holdout.evalues",
    "HoldoutSearchCV": "validstats.holdout.search",
    "kraft_e_value": "validstats.holdout.evalues",
    "Ledger": "validstats.holdout.ledger",
    "log_loss": "validstats.holdout.metrics",
    "Metric": "validstats.holdout.metrics",
    "Plan": "validstats.holdout.planning",
    "plan": "validstats.holdout.planning",
    "ReusableHoldout": "validstats.holdout.estimators",
    "SelectFromHoldout": "validstats.holdout.search",
    "squared_error": "validstats.holdout.metrics",
    "subgroup_accuracy": "validstats.holdout.metrics",
}
"""Public name -> the module that defines it, imported at first use."""

__all__ = [
    "absolute_error",
    "Answer",
    "Answers",
    "betting_e_value",
    "coverage",
    "e_bh",
    "e_lond",
    "ELond",
    "HoldoutSearchCV",
    "kraft_e_value",
    "Ledger",
    "log_loss",
    "Metric",
    "plan",
    "Plan",
    "ReusableHoldout",
    "SelectFromHoldout",
    "squared_error",
    "subgroup_accuracy",
]

if TYPE_CHECKING:
    from validstats.holdout.answers import Answer, Answers
    from validstats.holdout.estimators import ReusableHoldout
    from validstats.holdout.evalues import ELond, betting_e_value, e_bh, e_lond, kraft_e_value
    from validstats.holdout.ledger import Ledger
    from validstats.holdout.metrics import (
        Metric,
        absolute_error,
        coverage,
        log_loss,
        squared_error,
        subgroup_accuracy,
    )
    from validstats.holdout.planning import Plan, plan
    from validstats.holdout.search import HoldoutSearchCV, SelectFromHoldout


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.holdout' has no attribute {name!r}")
