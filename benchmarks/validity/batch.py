"""Statements about batches, each setting beside the naive method."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.validity.rows import LEVELS, Row, Setting


def batch_settings() -> Iterator[Setting]:
    """At least 90 % of the batch inside its sets, beside split conformal sets."""
    from tests.validity.test_batch_coverage import LAWS

    for law in LAWS:
        for n, m in ((50, 20), (200, 100), (500, 40)):
            yield Setting("batch", f"{law}, n = {n}, m = {m}", partial(_batch, law, n, m), 1000, 10_000)


def _batch(law: str, n: int, m: int, replicates: int) -> list[Row]:
    from tests.validity.test_batch_coverage import draw
    from validstats.batch.rank_laws import simultaneous_rank

    calibration, batch = draw(law, n, m, replicates, seed=7 * n + m)

    def hits(rank: int, k: int) -> int:
        threshold = calibration[:, [rank - 1]] if rank <= n else np.inf
        return int(((batch <= threshold).sum(axis=1) >= k).sum())

    split, rows = math.ceil(0.9 * (n + 1)), []
    for level in LEVELS:
        k, bound = simultaneous_rank(n, m, 0.1, 1 - level)
        rows.append(
            Row(
                "batch", "at least 90 % of the batch", f"{law}, n = {n}, m = {m}", level, hits(bound.rank, k), replicates,
                "split conformal sets", hits(split, k), replicates,
            )
        )  # fmt: skip
    return rows
