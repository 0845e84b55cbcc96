"""Reusable holdout: answers to adaptively chosen questions that stay statistically valid."""

from __future__ import annotations

import importlib
from typing import Any

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


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.holdout' has no attribute {name!r}")
