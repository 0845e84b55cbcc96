"""Budget: what answers cost, what is left, and what a plan allows."""

from __future__ import annotations

from validstats.holdout.budget.books import Ask, Books, Declaration, Outcome, Session, main_options
from validstats.holdout.budget.choice import (
    CountCandidate,
    CountMechanism,
    count_candidates,
    honest_half_widths,
    queries_for,
    rows_for,
)
from validstats.holdout.budget.epochs import MIXING, closing_nats, confidence_of, epoch_log_share, joint_level
from validstats.holdout.budget.informative import warn_if_silent
from validstats.holdout.budget.mass import (
    LOG_ERROR,
    LOG_NO_ERROR,
    RESERVE,
    SIDE_SHARE,
    BitCode,
    GuessAllocation,
    log_best_outcome,
    log_board_outcome,
    log_cell_code,
    log_coded_outcome,
    log_coded_share,
    log_distance_code,
    log_exponent_code,
    log_side_outcome,
    log_side_share,
)
from validstats.holdout.budget.planning import Plan, plan
from validstats.holdout.budget.reports import guarantee_of, holdout_report, outlook, vault_guarantee

__all__ = [
    "CountCandidate",
    "CountMechanism",
    "count_candidates",
    "honest_half_widths",
    "queries_for",
    "rows_for",
    "LOG_ERROR",
    "LOG_NO_ERROR",
    "RESERVE",
    "SIDE_SHARE",
    "BitCode",
    "GuessAllocation",
    "log_best_outcome",
    "log_board_outcome",
    "log_cell_code",
    "log_coded_outcome",
    "log_coded_share",
    "log_distance_code",
    "log_exponent_code",
    "log_side_outcome",
    "log_side_share",
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
