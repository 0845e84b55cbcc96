"""Ledger: the durable record of what was asked, and the keyed noise."""

from __future__ import annotations

from validstats.holdout.ledger.core import Ledger, LedgerCheck, Turn
from validstats.holdout.ledger.digests import (
    ask_digest,
    derive_key,
    holdout_fingerprint,
    keyed_ranks,
    keyed_row_digests,
    totals_of_units,
)
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
    "sketches_of",
    "totals_of_units",
]
