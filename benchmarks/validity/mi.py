"""Statements about mutual information, each setting beside the naive method."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.validity.mi_calibration import calibration_settings
from benchmarks.validity.mi_intervals import interval_settings
from benchmarks.validity.mi_selection import selection_settings
from benchmarks.validity.mi_tests import test_settings
from benchmarks.validity.rows import LEVELS, Row, Setting

MI_SIZES = ((10, 150), (151, 400), (401, 1500), (1501, 10**9))
MI_WIDTHS = ((2, 2), (3, 4), (5, 8), (9, 24), (25, 10**9))


def mi_settings() -> Iterator[Setting]:
    """Learned intervals by sample size and dimension and by family, exact tests, selections, and classical intervals."""
    for size in MI_SIZES:
        for width in MI_WIDTHS:
            name = f"n {_span(*size)}, {_span(*width)} columns"
            yield Setting("mi", name, partial(_mi_interval, name, size, width), 600, 6000, shared=True)
    yield from calibration_settings()
    yield from test_settings()
    yield from selection_settings()
    yield from interval_settings()


def _span(low: int, high: int) -> str:
    return f"over {low - 1:,}" if high >= 10**9 else f"{low:,}" if low == high else f"{low:,} to {high:,}"


@cache
def _mi_shard(count: int) -> tuple[Any, Any, Any]:
    from tests.validity.test_mi_learned import fresh
    from validstats.mi import LearnedMI
    from validstats.mi.network.forward_pass import member_stack

    shard, estimator = fresh((), count), LearnedMI().fit()
    return shard, estimator, member_stack(shard, estimator.weights_).mean(axis=0)


def _mi_interval(name: str, size: tuple[int, int], width: tuple[int, int], count: int) -> list[Row]:
    from validstats.intake.arguments import alpha_fraction
    from validstats.mi.network.calibration import interval_at, thresholds
    from validstats.mi.network.forward_pass import from_log_scale

    shard, estimator, quantiles = _mi_shard(count)
    n, columns = shard.shape[:, 0], shard.shape[:, 1:].sum(axis=1)
    chosen = (size[0] <= n) & (n <= size[1]) & (width[0] <= columns) & (columns <= width[1])
    rows = []
    for level in LEVELS if chosen.sum() >= 10 else ():
        limit = thresholds(estimator.calibration_.table, shard.shape, alpha_fraction(level))
        plain = np.full(len(shard), stats.norm.isf((1 - level) / 2))
        hits = []
        for score in (limit, plain):
            low, high = (from_log_scale(end) for end in interval_at(quantiles, score))
            hits.append(int(((low <= shard.truth + 1e-6) & (shard.truth <= high + 1e-6))[chosen].sum()))
        trials = int(chosen.sum())
        rows.append(
            Row("mi", "learned interval, over the family", name, level, hits[0], trials, "quantiles without calibration", hits[1], trials)
        )  # fmt: skip
    return rows
