"""Learned intervals after the user's own calibration on one family, beside those of the calibration that is shipped."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks.validity.rows import LEVELS, Row, Setting
from benchmarks.validity.seeds import seed_of

OWN_CALIBRATION = "learned interval, calibrated on one's own family"
SHIPPED = "the calibration that is shipped"
FAMILIES = ("parity", "spiral", "functional", "label", "copula")
SIZES = (39, 99, 199, 299)
POOL = 400
"""Sets of a family; each replicate calibrates on some of them and asks about another."""


def calibration_settings() -> Iterator[Setting]:
    """One setting a family and number of calibration sets."""
    for family in FAMILIES:
        for n_sets in SIZES:
            name = f"own calibration, {family}, {n_sets} sets"
            yield Setting("mi", name, partial(_own_calibration, name, family, n_sets), 1000, 10_000)


@cache
def _pool(name: str) -> tuple[Any, Any, Any]:
    """Sets of a family, their predicted quantiles, and the thresholds of the calibration that is shipped by level."""
    from tests.validity.test_mi_learned import Parity
    from validstats.intake.arguments import alpha_fraction
    from validstats.mi import LearnedMI
    from validstats.mi.families.default import all_families
    from validstats.mi.network.calibration import thresholds
    from validstats.mi.network.forward_pass import member_stack
    from validstats.mi.training.shards import make_shard

    family = Parity() if name == "parity" else all_families()[name]
    shard, estimator = make_shard(family, seed_of(name), 0, POOL), LearnedMI().fit()
    quantiles = member_stack(shard, estimator.weights_).mean(axis=0)
    shipped = {
        level: thresholds(estimator.calibration_.table, shard.shape, alpha_fraction(level))
        for level in LEVELS
    }
    return shard, quantiles, shipped


def _own_calibration(name: str, family: str, n_sets: int, replicates: int) -> list[Row]:
    """Draw calibration sets and a new one from the pool without replacement, which makes them exchangeable."""
    from validstats.intake.arguments import alpha_fraction
    from validstats.mi.network.calibration import calibrate_scores, thresholds
    from validstats.mi.network.forward_pass import to_log_scale

    shard, quantiles, shipped = _pool(family)
    generator, truth = np.random.default_rng(seed_of(name)), to_log_scale(shard.truth)
    hits, naive = dict.fromkeys(LEVELS, 0), dict.fromkeys(LEVELS, 0)
    for _ in range(replicates):
        drawn = generator.choice(len(shard), n_sets + 1, replace=False)
        known, new = drawn[:-1], drawn[-1:]
        table = calibrate_scores(quantiles[known], truth[known], shard.shape[known])
        for level in LEVELS:
            own = thresholds(table, shard.shape[new], alpha_fraction(level))
            hits[level] += _inside(quantiles[new], own, shard.truth[new])
            naive[level] += _inside(quantiles[new], shipped[level][new], shard.truth[new])
    return [
        Row("mi", OWN_CALIBRATION, name, level, hits[level], replicates, SHIPPED, naive[level], replicates)
        for level in LEVELS
    ]


def _inside(quantiles: Any, score: Any, truth: Any) -> bool:
    from validstats.mi.network.calibration import interval_at
    from validstats.mi.network.forward_pass import from_log_scale

    low, high = (from_log_scale(end) for end in interval_at(quantiles, score))
    return bool(low[0] <= truth[0] + 1e-6 and truth[0] <= high[0] + 1e-6)
