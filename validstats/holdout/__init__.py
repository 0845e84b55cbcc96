"""Reusable holdout: answers to adaptively chosen questions that stay statistically valid."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "absolute_error": "validstats.holdout.asking.metrics",
    "Answer": "validstats.holdout.results",
    "Answers": "validstats.holdout.results",
    "audit_looks": "validstats.holdout.audit",
    "AuditRow": "validstats.holdout.audit",
    "betting_e_value": "validstats.holdout.widths.evalues",
    "Candidate": "validstats.holdout.mechanisms.declared",
    "Certificate": "validstats.holdout.results",
    "coverage": "validstats.holdout.asking.metrics",
    "Discoveries": "validstats.holdout.results",
    "e_bh": "validstats.holdout.widths.evalues",
    "e_lond": "validstats.holdout.widths.evalues",
    "ELond": "validstats.holdout.widths.evalues",
    "EValue": "validstats.holdout.widths.evalues",
    "Rejections": "validstats.holdout.widths.evalues",
    "Entry": "validstats.holdout.ledger.store",
    "HoldoutCalibration": "validstats.holdout.asking.opening",
    "HoldoutScorer": "validstats.holdout.asking.scorer",
    "Gate": "validstats.holdout.asking.gate",
    "HoldoutSearchCV": "validstats.holdout.search",
    "kraft_e_value": "validstats.holdout.widths.evalues",
    "Leaderboard": "validstats.holdout.asking.board",
    "Ledger": "validstats.holdout.ledger.core",
    "LedgerCheck": "validstats.holdout.ledger.core",
    "log_description": "validstats.holdout.audit",
    "log_loss": "validstats.holdout.asking.metrics",
    "LookAudit": "validstats.holdout.audit",
    "Metric": "validstats.holdout.asking.metrics",
    "PastScores": "validstats.holdout.past_scores",
    "Plan": "validstats.holdout.planner",
    "plan": "validstats.holdout.planner",
    "r2": "validstats.holdout.asking.whole",
    "read_scores": "validstats.holdout.past_scores",
    "ReusableHoldout": "validstats.holdout.estimators",
    "SelectFromHoldout": "validstats.holdout.search",
    "squared_error": "validstats.holdout.asking.metrics",
    "subgroup_accuracy": "validstats.holdout.asking.metrics",
    "WholeMetric": "validstats.holdout.asking.whole",
    "Turn": "validstats.holdout.ledger.core",
}
"""Public name -> the module that defines it, imported at first use."""

__all__ = [
    "absolute_error",
    "Answer",
    "Answers",
    "audit_looks",
    "AuditRow",
    "betting_e_value",
    "Candidate",
    "Certificate",
    "coverage",
    "Discoveries",
    "e_bh",
    "e_lond",
    "ELond",
    "EValue",
    "Rejections",
    "Entry",
    "HoldoutCalibration",
    "HoldoutScorer",
    "Gate",
    "HoldoutSearchCV",
    "kraft_e_value",
    "Leaderboard",
    "Ledger",
    "LedgerCheck",
    "log_description",
    "log_loss",
    "LookAudit",
    "Metric",
    "PastScores",
    "Plan",
    "plan",
    "r2",
    "read_scores",
    "ReusableHoldout",
    "SelectFromHoldout",
    "squared_error",
    "subgroup_accuracy",
    "Turn",
    "WholeMetric",
]

if TYPE_CHECKING:
    from validstats.holdout.asking import (
        Gate,
        HoldoutCalibration,
        HoldoutScorer,
        Leaderboard,
        Metric,
        WholeMetric,
        absolute_error,
        coverage,
        log_loss,
        r2,
        squared_error,
        subgroup_accuracy,
    )
    from validstats.holdout.audit import AuditRow, LookAudit, audit_looks, log_description
    from validstats.holdout.estimators import ReusableHoldout
    from validstats.holdout.ledger import Entry, Ledger, LedgerCheck, Turn
    from validstats.holdout.mechanisms import Candidate
    from validstats.holdout.past_scores import PastScores, read_scores
    from validstats.holdout.planner import Plan, plan
    from validstats.holdout.results import Answer, Answers, Certificate, Discoveries
    from validstats.holdout.search import HoldoutSearchCV, SelectFromHoldout
    from validstats.holdout.widths import (
        ELond,
        EValue,
        Rejections,
        betting_e_value,
        e_bh,
        e_lond,
        kraft_e_value,
    )


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.holdout' has no attribute {name!r}")
