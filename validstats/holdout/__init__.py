"""Reusable holdout: answers to adaptively chosen questions that stay statistically valid."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "ELond": "validstats.holdout.evalues",
    "Ledger": "validstats.holdout.ledger",
    "Plan": "validstats.holdout.planning",
    "betting_e_value": "validstats.holdout.evalues",
    "e_bh": "validstats.holdout.evalues",
    "e_lond": "validstats.holdout.evalues",
    "kraft_e_value": "validstats.holdout.evalues",
    "plan": "validstats.holdout.planning",
}
"""Public name -> the module that defines it, imported at first use."""

__all__ = [
    "ELond",
    "Ledger",
    "Plan",
    "betting_e_value",
    "e_bh",
    "e_lond",
    "kraft_e_value",
    "plan",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.holdout' has no attribute {name!r}")
