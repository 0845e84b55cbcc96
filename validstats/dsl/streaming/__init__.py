"""Regressions on rows that do not fit in memory, chunk by chunk."""

from __future__ import annotations

from validstats.dsl.streaming.regression import stream_regression
from validstats.dsl.streaming.results import StreamedResult

__all__ = [
    "StreamedResult",
    "stream_regression",
]
