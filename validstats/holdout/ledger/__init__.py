"""Ledger: the durable record of what was asked, and the keyed noise."""

from __future__ import annotations

from validstats.holdout.ledger.anchor import anchors_of, any_anchor
from validstats.holdout.ledger.core import Ledger, holdout_key
from validstats.holdout.ledger.fingerprint import (
    ask_digest,
    holdout_fingerprint,
    keyed_order,
    keyed_row_digests,
)
from validstats.holdout.ledger.noise import derive_key
from validstats.holdout.ledger.store import Entry
from validstats.holdout.ledger.turn import Turn

__all__ = [
    "Entry",
    "Ledger",
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
