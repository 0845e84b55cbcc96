"""Statistics of a data set that the network reads."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "ANCHOR_NAMES": "validstats.mi.statistics.table",
    "COORDINATE_TOKENS": "validstats.mi.statistics.table",
    "DataSummary": "validstats.mi.statistics.table",
    "LIMIT": "validstats.mi.statistics.linear",
    "SAMPLE_TOKENS": "validstats.mi.statistics.table",
    "STATISTIC_NAMES": "validstats.mi.statistics.table",
    "gaussian_bias": "validstats.mi.statistics.linear",
    "readable_scores": "validstats.mi.statistics.scores",
    "summarise_data": "validstats.mi.statistics.table",
    "summarise_smooth": "validstats.mi.statistics.table",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.mi.statistics' has no attribute {name!r}")
