"""Shares and bounded means with few labels, each setting beside the interval that one would write by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.dsl_shares import Setting as GridSetting
from benchmarks.dsl_shares import cells, draw, post_stratified_normal
from benchmarks.validity.dsl_rows import dsl_rows
from benchmarks.validity.rows import LEVELS, Row, Setting
from benchmarks.validity.seeds import seed_of

SHARE = "a share with few labels in its interval of cells"
DESIGN = "a share or bounded mean in its interval of cells, unusual designs"
NORMAL = "normal interval of the same cells"
WEIGHTED_T = "t interval of the weighted labels"

CASES: dict[str, GridSetting] = {
    f"{n} labels, truth {share}, judge {judge[0]} / {judge[1]}{', 500 units' if finite else ''}": GridSetting(
        n, share, *judge, 500.0 if finite else np.inf, finite
    )
    for n, share, judge, finite in (
        (100, 0.9, (0.98, 0.02), False),
        (100, 0.95, (0.98, 0.02), False),
        (100, 0.95, (0.98, 0.02), True),
        (300, 0.99, (0.98, 0.02), False),
        (100, 0.999, (0.999, 0.2), False),
        (50, 0.9, (0.85, 0.15), False),
        (50, 0.9, (0.5, 0.5), False),
        (200, 0.7, (0.85, 0.15), True),
        (20, 0.5, (0.7, 0.4), False),
        (300, 0.5, (0.93, 0.45), False),
    )
}
"""Labels, truth, true and false positive rate of the judge, and whether 500 units are the target."""


def share_settings() -> Iterator[Setting]:
    """Settings of the grid, and designs that break simpler intervals."""
    from tests.validity.dsl_share_settings import SETTINGS

    for name, case in CASES.items():
        yield Setting("dsl", name, partial(_share, name, case), 1000, 20_000)
    for name, make in SETTINGS.items():
        yield Setting("dsl", name, partial(_design, name, make), 100, 1000)


def _share(name: str, case: GridSetting, replicates: int) -> list[Row]:
    draws = draw(case, np.random.default_rng(seed_of(name)), replicates)

    def hits(interval: Callable[..., Any], level: float) -> int:
        low, high = interval(draws, level)
        return int(np.sum((low <= draws.target + 1e-12) & (draws.target <= high + 1e-12)))

    counts = [[hits(cells, level), hits(post_stratified_normal, level)] for level in LEVELS]
    return dsl_rows(SHARE, name, counts, replicates, NORMAL)


def _design(name: str, make: Callable[..., Any], replicates: int) -> list[Row]:
    from validstats.runtime.replicates import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[list[bool]]:
        data = make(rng, False)
        seed = rng.integers(2**63)
        naive = weighted_labels(data, np.random.default_rng(seed))
        found = []
        for level in LEVELS:
            _, low, high = data.interval(np.random.default_rng(seed), level)
            ours = low - 1e-12 <= data.target <= high + 1e-12
            found.append([bool(ours), bool(abs(naive[0] - data.target) <= naive[1](level))])
        return found

    hits = np.array(map_replicates(one, replicates, random_state=seed_of(name))).sum(axis=0)
    return dsl_rows(DESIGN, name, hits, replicates, WEIGHTED_T)


def weighted_labels(data: Any, rng: np.random.Generator) -> tuple[float, Callable[[float], float]]:
    """Return the weighted mean of the labels, and half of its t interval by level.

    Parameters
    ----------
    data : ShareDraw
        One data set.
    rng : numpy.random.Generator
        What draws the labels.
    """
    labelled = data.label(rng)
    size = np.ones(len(data.y)) if data.size is None else data.size
    weight = (size / data.probability)[labelled]
    y, n = data.y[labelled], int(labelled.sum())
    mean = float(np.average(y, weights=weight))
    error = float(np.sqrt(np.sum((weight * (y - mean)) ** 2) * n / max(n - 1, 1)) / weight.sum())
    return mean, lambda level: float(error * stats.t.isf((1 - level) / 2, max(n - 1, 1)))
