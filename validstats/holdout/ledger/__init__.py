"""Ledger: the durable record of what was asked, and the keyed noise."""

from __future__ import annotations

from validstats.holdout.ledger.core import Ledger, LedgerCheck, Turn
from validstats.holdout.ledger.registry import (
    BoundRows,
    holdout_key,
    is_running,
    ledger_in_memory,
    registry_lock,
    running,
    sketches_of,
)
from validstats.holdout.ledger.store import Entry, attachment_name

__all__ = [
    "BoundRows",
    "Entry",
    "Ledger",
    "LedgerCheck",
    "Turn",
    "attachment_name",
    "holdout_key",
    "is_running",
    "ledger_in_memory",
    "registry_lock",
    "running",
    "sketches_of",
]
