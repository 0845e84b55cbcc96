"""Budget: what answers cost, what is left, and what a plan allows."""

from __future__ import annotations

from validstats.holdout.budget.books import Ask, Books, Declaration, Outcome, Session, main_options
from validstats.holdout.budget.epochs import MIXING, closing_nats, confidence_of, epoch_log_share, joint_level
from validstats.holdout.budget.informative import warn_if_silent
from validstats.holdout.budget.planning import Plan, plan
from validstats.holdout.budget.reports import guarantee_of, holdout_report, outlook, vault_guarantee

__all__ = [
    "Ask",
    "Books",
    "Declaration",
    "MIXING",
    "Outcome",
    "Plan",
    "Session",
    "closing_nats",
    "confidence_of",
    "epoch_log_share",
    "guarantee_of",
    "holdout_report",
    "joint_level",
    "main_options",
    "outlook",
    "plan",
    "vault_guarantee",
    "warn_if_silent",
]
