"""Budget: what answers cost, what is left, and what a declared budget promises."""

from __future__ import annotations

from validstats.holdout.budget.books import (
    VAULT_SHARE,
    Books,
    Question,
    Session,
    confidence_of,
)
from validstats.holdout.budget.informative import dry_half_widths, warn_if_silent
from validstats.holdout.budget.reports import (
    discovery_guarantee,
    guarantee_of,
    holdout_report,
    next_half_widths,
    outlook,
    vault_guarantee,
)

__all__ = [
    "VAULT_SHARE",
    "Books",
    "Question",
    "Session",
    "confidence_of",
    "discovery_guarantee",
    "dry_half_widths",
    "guarantee_of",
    "holdout_report",
    "next_half_widths",
    "outlook",
    "vault_guarantee",
    "warn_if_silent",
]
