"""Long simulations: some settings of each grid run among the checks, all of them with ``VALIDSTATS_LONG=1``."""

from __future__ import annotations

import os
from collections import defaultdict

import pytest

GRIDS = ("test_batch_means", "test_dsl_shares", "test_evals")
"""Modules whose tests have more settings than the checks have time for."""

MOST = 4
"""Settings of one test in one run."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep every k-th setting of a long grid, from ``VALIDSTATS_ROTATION`` (0 if not given) on."""
    if os.environ.get("VALIDSTATS_LONG"):
        return
    start = int(os.environ.get("VALIDSTATS_ROTATION", "0"))
    grids: dict[tuple[str, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.path.stem in GRIDS and hasattr(item, "callspec"):
            grids[str(item.path), item.originalname].append(item)  # type: ignore[attr-defined]
    left_out: set[int] = set()
    for settings in grids.values():
        step = -(-len(settings) // MOST)
        left_out |= {id(s) for number, s in enumerate(settings) if (number - start) % step}
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if id(item) in left_out])
        items[:] = [item for item in items if id(item) not in left_out]
