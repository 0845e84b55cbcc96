"""Regressions on rows that do not fit in memory, chunk by chunk."""

from __future__ import annotations

from validstats.dsl.streaming.regression import stream_regression

__all__ = ["stream_regression"]
