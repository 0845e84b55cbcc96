"""Ledger: the durable record of what was asked, and the keyed noise."""

from __future__ import annotations

from validstats.holdout.ledger.anchor import anchors_of, any_anchor
from validstats.holdout.ledger.core import Ledger, LedgerCheck, Turn, holdout_key
from validstats.holdout.ledger.store import (
    Entry,
    ask_digest,
    derive_key,
    holdout_fingerprint,
    keyed_order,
    keyed_row_digests,
)

__all__ = [
    "Entry",
    "Ledger",
    "LedgerCheck",
    "Turn",
    "anchors_of",
    "any_anchor",
    "ask_digest",
    "derive_key",
    "holdout_fingerprint",
    "holdout_key",
    "keyed_order",
    "keyed_row_digests",
]
