"""Exact tests of independence, also given strata, each setting beside the naive method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks.validity.rows import LEVELS, Row, Setting
from benchmarks.validity.seeds import seed_of

INDEPENDENCE = "no false rejection of independence"
CONDITIONAL = "no false rejection of independence given strata"
BEST_STATISTIC = "smallest p-value of all statistics of the data"
WITHOUT_STRATA = "permutation without strata"
N_PERMUTATIONS = 19

NUMERIC = ("ksg", "gaussian", "histogram", "distance_correlation")
CODED = ("ksg", "histogram", "distance_correlation")
PAIRED = ("cca", "gaussian", "ksg", "histogram", "distance_correlation")

Draw = Callable[[np.random.Generator], tuple[Any, ...]]


def _heavy_tails(rng: np.random.Generator, n: int = 50) -> tuple[Any, ...]:
    from tests.validity.test_mi_tests import independent

    return independent(rng, n)


def _ties(rng: np.random.Generator) -> tuple[Any, ...]:
    from tests.validity.test_mi_tests import independent_with_ties

    return independent_with_ties(rng, 50)


def _tables(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.choice(4, 60, p=[0.55, 0.3, 0.1, 0.05]), rng.integers(0, 3, 60)


def _point_masses(rng: np.random.Generator) -> tuple[Any, ...]:
    x, y = rng.normal(size=(2, 60))
    return np.maximum(x, 0.0), np.where(rng.random(60) < 0.3, 0.0, np.exp(y))


def _cauchy_columns(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.standard_cauchy((50, 5)), rng.standard_cauchy((50, 3))


def _unequal_columns(rng: np.random.Generator) -> tuple[Any, ...]:
    scale = np.exp(rng.normal(size=(80, 1)))
    return scale * rng.normal(size=(80, 3)), rng.normal(size=(80, 1)) + rng.normal(size=(80, 2))


TEST_LAWS: dict[str, tuple[Draw, tuple[str, ...]]] = {
    "no ties": (_heavy_tails, NUMERIC),
    "ties": (_ties, CODED),
    "n = 20": (partial(_heavy_tails, n=20), ("ksg", "gaussian", "cca", "distance_correlation")),
    "n = 150": (partial(_heavy_tails, n=150), NUMERIC),
    "two categories": (_tables, CODED),
    "point masses": (_point_masses, ("ksg", "gaussian", "cca", "histogram", "distance_correlation")),
    "5 and 3 columns, Cauchy": (_cauchy_columns, ("ksg", "gaussian", "cca", "distance_correlation")),
    "3 and 2 dependent columns": (_unequal_columns, ("ksg", "gaussian", "cca", "distance_correlation")),
}
"""Laws with independent sides, and the statistics that apply to them."""


def _shifted_groups(rng: np.random.Generator, n: int = 60, n_groups: int = 3) -> tuple[Any, ...]:
    group = rng.integers(0, n_groups, n)
    x, y = 2.0 * group / (n_groups - 1) + rng.normal(size=(2, n))
    return x, y, group


def _scaled_groups(rng: np.random.Generator) -> tuple[Any, ...]:
    group = rng.integers(0, 2, 80)
    x, y = np.where(group == 1, 6.0, 1.0) * rng.normal(size=(2, 80))
    return x + 2.0 * group, y + 2.0 * group, group


def _matched_pairs(rng: np.random.Generator) -> tuple[Any, ...]:
    pair = np.repeat(np.arange(30), 2)
    x, y = rng.normal(size=30)[pair] + 0.7 * rng.normal(size=(2, 60))
    return x, y, pair


def _tables_in_groups(rng: np.random.Generator) -> tuple[Any, ...]:
    group = rng.integers(0, 3, 90)
    chance = np.array([0.2, 0.5, 0.8])[group]
    return rng.binomial(2, chance), rng.binomial(3, chance), group


STRATA_LAWS: dict[str, tuple[Draw, tuple[str, ...]]] = {
    "3 shifted groups": (_shifted_groups, PAIRED),
    "10 shifted groups": (partial(_shifted_groups, n=80, n_groups=10), PAIRED),
    "groups of other spread": (_scaled_groups, PAIRED),
    "matched pairs": (_matched_pairs, PAIRED),
    "categories": (_tables_in_groups, CODED),
}
"""Laws with sides that depend on each other through strata only."""


def test_settings() -> Iterator[Setting]:
    """Every statistic on every law to which it applies."""
    for law, (_, statistics) in TEST_LAWS.items():
        for statistic in statistics:
            name = f"test, {statistic}, {law}"
            yield Setting("mi", name, partial(_independence, name, law, statistic), 150, 1000)
    for law, (_, statistics) in STRATA_LAWS.items():
        for statistic in statistics:
            name = f"test given strata, {statistic}, {law}"
            yield Setting("mi", name, partial(_given_strata, name, law, statistic), 100, 700)


@cache
def _p_values(law: str, replicates: int) -> Any:
    """P-values of all statistics of a law, which see the same data: draw, statistic."""
    from validstats.mi import independence_test
    from validstats.runtime.replicates import map_replicates

    draw, statistics = TEST_LAWS[law]

    def one(rng: np.random.Generator, index: int) -> list[float]:
        x, y = draw(rng)
        seeds = rng.integers(2**31, size=len(statistics)).tolist()
        test: Callable[..., Any] = partial(independence_test, x, y, n_permutations=N_PERMUTATIONS)
        return [test(statistic=s, random_state=seed).p_value for s, seed in zip(statistics, seeds)]

    return np.array(map_replicates(one, replicates, random_state=seed_of(f"test, {law}")))


def _independence(name: str, law: str, statistic: str, replicates: int) -> list[Row]:
    found = _p_values(law, replicates)
    ours = found[:, TEST_LAWS[law][1].index(statistic)]
    return p_value_rows(INDEPENDENCE, name, ours, BEST_STATISTIC, found.min(axis=1))


def _given_strata(name: str, law: str, statistic: str, replicates: int) -> list[Row]:
    from validstats.mi import independence_test
    from validstats.runtime.replicates import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[float]:
        x, y, group = STRATA_LAWS[law][0](rng)
        test: Callable[..., Any] = partial(independence_test, x, y, n_permutations=N_PERMUTATIONS)
        return [
            test(statistic=statistic, strata=strata, random_state=rng).p_value for strata in (group, None)
        ]

    found = np.array(map_replicates(one, replicates, random_state=seed_of(name)))
    return p_value_rows(CONDITIONAL, name, found[:, 0], WITHOUT_STRATA, found[:, 1])


def p_value_rows(guarantee: str, name: str, ours: Any, naive: str, wrong: Any) -> list[Row]:
    """Return a row a level: how often p-values of true hypotheses exceed one minus the level."""
    rows = []
    for level in LEVELS:
        kept, naive_kept = (int(np.sum(p > 1 - level + 1e-12)) for p in (ours, wrong))
        rows.append(Row("mi", guarantee, name, level, kept, len(ours), naive, naive_kept, len(wrong)))
    return rows
