"""Bundled real data whose every label is known, and generators whose truth is known."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "RANDHIE_FEATURES": "validstats.datasets._randhie",
    "SENTIMENT_CORPORA": "validstats.datasets._sentiment",
    "SENTIMENT_FEATURES": "validstats.datasets._sentiment",
    "load_randhie": "validstats.datasets._randhie",
    "load_sentiment": "validstats.datasets._sentiment",
}
"""Public name -> the module that defines it, imported at first use (PEP 562)."""

__all__ = ["RANDHIE_FEATURES", "SENTIMENT_CORPORA", "SENTIMENT_FEATURES", "load_randhie", "load_sentiment"]

if TYPE_CHECKING:
    from validstats.datasets._randhie import RANDHIE_FEATURES, load_randhie
    from validstats.datasets._sentiment import SENTIMENT_CORPORA, SENTIMENT_FEATURES, load_sentiment


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'validstats.datasets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
