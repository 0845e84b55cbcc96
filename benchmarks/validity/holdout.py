"""Statements of the reusable holdout under attack, each setting beside the naive method."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks.validity.holdout_claims import claim_settings
from benchmarks.validity.holdout_releases import release_settings
from benchmarks.validity.holdout_vault import vault_settings
from benchmarks.validity.rows import LEVELS, Row, Setting


def holdout_settings() -> Iterator[Setting]:
    """All answers under an adaptive attack, the vault, special releases and claims, beside what ignores adaptivity."""
    from tests.validity.test_holdout_mechanisms import CASES

    extra: list[Any] = [(name, 4 * n, options) for name, n, options in CASES if n in (400, 450)]
    for name, n, options in [*CASES, *extra]:
        told = ", ".join(f"{k} = {v}" for k, v in options.items() if k != "queries")
        setting = f"{name}, n = {n:,}" + (f", {told}" if told else "")
        yield Setting("holdout", setting, partial(_holdout, setting, name, n, options), 200, 2000)
    yield from vault_settings()
    yield from release_settings()
    yield from claim_settings()


def _holdout(setting: str, name: str, n: int, options: dict[str, Any], replicates: int) -> list[Row]:
    from tests.validity.test_holdout_mechanisms import attack

    rows = []
    for level in LEVELS:
        rng = np.random.default_rng([n, round(1000 * level)])
        declared = {**options, "confidence_level": level}
        hits = sum(attack(name, n, declared, rng)[0] for _ in range(replicates))
        naive = _naive_holdout(level)
        rows.append(
            Row(
                "holdout", "all answers within their intervals", setting, level, hits, replicates,
                "intervals for questions fixed beforehand", *naive,
            )
        )  # fmt: skip
    return rows


@cache
def _naive_holdout(level: float, n: int = 400, replicates: int = 200) -> tuple[int, int]:
    from validstats.holdout.widths.half_widths import nonadaptive_width
    from validstats.validity.adaptive import NaiveHoldout, sign_aggregation

    rng, width = np.random.default_rng(1), nonadaptive_width(n, n + 1, math.log1p(-level))
    hits = 0
    for _ in range(replicates):
        labels = rng.integers(0, 2, n)
        released = sign_aggregation(NaiveHoldout(labels), n, n, rng).released
        assert released is not None
        hits += abs(released - 0.5) <= width
    return hits, replicates
