"""What the settings of machine-labelled regressions share."""

from __future__ import annotations

from typing import Any

from scipy import stats

from benchmarks.validity.rows import LEVELS, Row


def criticals() -> list[float]:
    """Return the two-sided normal critical value of each level."""
    return [float(stats.norm.isf((1 - level) / 2)) for level in LEVELS]


def dsl_rows(guarantee: str, name: str, hits: Any, replicates: int, naive: str) -> list[Row]:
    """Return a row a level from pairs of counts, ours and the naive method's."""
    return [
        Row("dsl", guarantee, name, level, int(ours), replicates, naive, int(wrong), replicates)
        for level, (ours, wrong) in zip(LEVELS, hits)
    ]
