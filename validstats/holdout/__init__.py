"""Reusable holdout: answers to adaptively chosen questions that stay statistically valid."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "Ledger": "validstats.holdout.ledger",
}
"""Public name -> the module that defines it, imported at first use."""

__all__ = ["Ledger"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.holdout' has no attribute {name!r}")
