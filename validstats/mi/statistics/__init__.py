"""Statistics of a data set that the network reads."""

from __future__ import annotations

from validstats.mi.statistics.linear import (
    LIMIT,
    equal_row_codes,
    gaussian_bias,
    keyed_order,
    readable_scores,
    row_hashes,
)
from validstats.mi.statistics.summary import (
    ANCHOR_NAMES,
    CLASSICAL_ANCHORS,
    CLASSICAL_STATISTICS,
    LARGEST_N,
    STATISTIC_NAMES,
    DataSummary,
    Readings,
    SummaryTable,
    pack_summaries,
    summarise_data,
)

__all__ = [
    "ANCHOR_NAMES",
    "CLASSICAL_ANCHORS",
    "CLASSICAL_STATISTICS",
    "LARGEST_N",
    "DataSummary",
    "LIMIT",
    "Readings",
    "STATISTIC_NAMES",
    "SummaryTable",
    "gaussian_bias",
    "keyed_order",
    "pack_summaries",
    "readable_scores",
    "row_hashes",
    "equal_row_codes",
    "summarise_data",
]
