"""Rows that do not fit in memory: sources, their labels, and samples whose sums are passes over the rows."""

from __future__ import annotations

from validstats.dsl.streaming.condensed import condensed
from validstats.dsl.streaming.design import StreamedCalibration, StreamedUnits, calibrated_stream
from validstats.dsl.streaming.study import StreamedStudy

__all__ = [
    "StreamedCalibration",
    "StreamedStudy",
    "StreamedUnits",
    "calibrated_stream",
    "condensed",
]
