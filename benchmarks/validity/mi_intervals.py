"""Asymptotic intervals of classical estimators of mutual information, beside the plug-in of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.validity.rows import LEVELS, Row, Setting
from benchmarks.validity.seeds import seed_of

CLASSICAL = "asymptotic interval of a classical estimator"
PLUG_IN = "table or histogram without bias correction"

Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


def normal_pairs(
    rng: np.random.Generator, n: int, rho: float, dim: int = 1, warp: Callable[[Any], Any] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of columns with the same correlation, and transform them one by one."""
    from tests.validity.test_mi_tests import gaussian_pairs

    x, y = gaussian_pairs(rng, n, dim, rho)
    return (x, y) if warp is None else (warp(x), warp(-y))


def joint_table(levels: tuple[int, int], diagonal: float) -> np.ndarray:
    """Return a table of chances in which matching levels are more frequent."""
    weights = 1.0 + diagonal * np.eye(*levels) + 0.3 * np.arange(levels[1])
    return weights / weights.sum()


def table_draw(rng: np.random.Generator, n: int, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw the cells of a table."""
    return np.divmod(rng.choice(table.size, n, p=table.ravel()), table.shape[1])


def table_information(table: np.ndarray) -> float:
    """Return the mutual information of a table of chances."""
    margins = np.outer(table.sum(axis=1), table.sum(axis=0))
    return float((table * np.log(table / margins)).sum())


def _normal_case(method: str, n: int, rho: float, dim: int = 1, warp: Any = None) -> tuple[Draw, float, str]:
    truth = -0.5 * dim * float(np.log1p(-(rho**2)))
    return partial(normal_pairs, n=n, rho=rho, dim=dim, warp=warp), truth, method


def _table_case(n: int, levels: tuple[int, int], diagonal: float) -> tuple[Draw, float, str]:
    table = joint_table(levels, diagonal)
    return partial(table_draw, n=n, table=table), table_information(table), "learned"


CASES: dict[str, tuple[Draw, float, str]] = {
    **{
        f"interval, Gaussian copula, correlation {rho}, n = {n:,}": _normal_case("gaussian", n, rho)
        for rho in (0.3, 0.5, 0.8)
        for n in (200, 1000)
    },
    "interval, Gaussian copula, exponentials, n = 400": _normal_case("gaussian", 400, 0.5, warp=np.exp),
    "interval, Gaussian copula, cubes, n = 400": _normal_case("gaussian", 400, 0.5, warp=lambda x: x**3),
    "interval, Gaussian copula, 3 and 3 columns, n = 400": _normal_case("gaussian", 400, 0.5, 3),
    "interval, Gaussian copula, 3 and 3 columns, n = 2,000": _normal_case("gaussian", 2000, 0.5, 3),
    **{
        f"interval, canonical correlations, correlation {rho}, n = 400": _normal_case("cca", 400, rho)
        for rho in (0.3, 0.5, 0.8)
    },
    "interval, canonical correlations, 2 and 2 columns, n = 1,000": _normal_case("cca", 1000, 0.6, 2),
    **{
        f"interval, table {rows} x {columns}, n = {n:,}": _table_case(n, (rows, columns), diagonal)
        for rows, columns, n, diagonal in (
            (2, 2, 200, 4.0), (2, 2, 1000, 4.0), (3, 3, 500, 3.0), (3, 3, 2000, 3.0), (2, 5, 500, 5.0),
            (5, 5, 1000, 5.0), (5, 5, 4000, 5.0),
        )
    },
}  # fmt: skip
"""Draw, true mutual information, and method."""


def interval_settings() -> Iterator[Setting]:
    """Intervals by law, strength of dependence and number of rows."""
    for name, case in CASES.items():
        yield Setting("mi", name, partial(_interval, name, *case), 100, 700)


def _interval(name: str, draw: Draw, truth: float, method: str, replicates: int) -> list[Row]:
    from validstats.mi import mutual_info
    from validstats.runtime.replicates import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[tuple[bool, bool]]:
        x, y = draw(rng)
        plain = _plug_in(x, y)
        held = []
        for level in LEVELS:
            found = mutual_info(x, y, method=method, confidence_level=level)  # type: ignore[arg-type]
            half = stats.norm.isf((1 - level) / 2) * plain[1]
            held.append(
                (bool(found.conf_low <= truth <= found.conf_high), bool(abs(plain[0] - truth) <= half))
            )
        return held

    hits = np.array(map_replicates(one, replicates, random_state=seed_of(name))).sum(axis=0)
    return [
        Row("mi", CLASSICAL, name, level, int(ours), replicates, PLUG_IN, int(wrong), replicates)
        for level, (ours, wrong) in zip(LEVELS, hits)
    ]


def _plug_in(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Uncorrected plug-in estimate and its standard error; the first columns of numbers in ten bins each."""
    from validstats.mi.anchors.discrete import plug_in

    if x.dtype.kind == "f":
        x, y = (
            np.floor(10 * (stats.rankdata(side[:, 0]) - 1) / len(side)).astype(np.int64) for side in (x, y)
        )
    found = plug_in(x, y, miller_madow=False)
    return found.value, found.standard_error
