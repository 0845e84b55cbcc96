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
)
from validstats.holdout.ledger.store import (
    Entry,
    ascending,
    ask_digest,
    attachment_name,
    derive_key,
    holdout_fingerprint,
    keyed_ranks,
    keyed_row_digests,
)

__all__ = [
    "BoundRows",
    "Entry",
    "Ledger",
    "LedgerCheck",
    "Turn",
    "ascending",
    "ask_digest",
    "attachment_name",
    "derive_key",
    "holdout_fingerprint",
    "holdout_key",
    "keyed_ranks",
    "keyed_row_digests",
    "is_running",
    "ledger_in_memory",
    "registry_lock",
    "running",
]
