"""Statistics of a data set that the network reads."""

from __future__ import annotations

from validstats.mi.statistics.linear import LIMIT, gaussian_bias
from validstats.mi.statistics.scores import keyed_order, readable_scores, row_hashes, row_labels
from validstats.mi.statistics.summary import (
    ANCHOR_NAMES,
    CLASSICAL_ANCHORS,
    CLASSICAL_STATISTICS,
    LARGEST_N,
    STATISTIC_NAMES,
    DataSummary,
    summarise_data,
)
from validstats.mi.statistics.table import SummaryTable, pack_summaries

__all__ = [
    "ANCHOR_NAMES",
    "CLASSICAL_ANCHORS",
    "CLASSICAL_STATISTICS",
    "LARGEST_N",
    "DataSummary",
    "LIMIT",
    "STATISTIC_NAMES",
    "SummaryTable",
    "gaussian_bias",
    "keyed_order",
    "pack_summaries",
    "readable_scores",
    "row_hashes",
    "row_labels",
    "summarise_data",
]
