"""Reusable holdout: answers to adaptively chosen questions that stay statistically valid."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "absolute_error": "validstats.holdout.asking.metrics",
    "audit_looks": "validstats.holdout.audit",
    "Answer": "validstats.holdout.results",
    "Answers": "validstats.holdout.results",
    "betting_e_value": "validstats.holdout.widths.evalues",
    "coverage": "validstats.holdout.asking.metrics",
    "e_bh": "validstats.holdout.widths.evalues",
    "e_lond": "validstats.holdout.widths.evalues",
    "ELond": "validstats.holdout.widths.evalues",
    "HoldoutSearchCV": "validstats.holdout.search",
    "kraft_e_value": "validstats.holdout.widths.evalues",
    "Ledger": "validstats.holdout.ledger.core",
    "LookAudit": "validstats.holdout.audit",
    "log_loss": "validstats.holdout.asking.metrics",
    "Metric": "validstats.holdout.asking.metrics",
    "Plan": "validstats.holdout.planner",
    "plan": "validstats.holdout.planner",
    "ReusableHoldout": "validstats.holdout.estimators",
    "SelectFromHoldout": "validstats.holdout.search",
    "squared_error": "validstats.holdout.asking.metrics",
    "subgroup_accuracy": "validstats.holdout.asking.metrics",
}
"""Public name -> the module that defines it, imported at first use."""

__all__ = [
    "absolute_error",
    "audit_looks",
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
    "LookAudit",
    "Metric",
    "plan",
    "Plan",
    "ReusableHoldout",
    "SelectFromHoldout",
    "squared_error",
    "subgroup_accuracy",
]

if TYPE_CHECKING:
    from validstats.holdout.asking import (
        Metric,
        absolute_error,
        coverage,
        log_loss,
        squared_error,
        subgroup_accuracy,
    )
    from validstats.holdout.audit import LookAudit, audit_looks
    from validstats.holdout.estimators import ReusableHoldout
    from validstats.holdout.ledger import Ledger
    from validstats.holdout.planner import Plan, plan
    from validstats.holdout.results import Answer, Answers
    from validstats.holdout.search import HoldoutSearchCV, SelectFromHoldout
    from validstats.holdout.widths import ELond, betting_e_value, e_bh, e_lond, kraft_e_value


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.holdout' has no attribute {name!r}")
