"""Quantiles of an expert label, each setting beside the quantile of machine labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.validity.dsl_rows import criticals, dsl_rows
from benchmarks.validity.rows import Row, Setting
from benchmarks.validity.seeds import seed_of

QUANTILE = "a quantile in its interval"
MACHINE_QUANTILE = "quantile of machine labels"
N_ROWS = 1500
N_CLUSTERED = 4

LAWS: dict[str, Callable[[Any], Any]] = {
    "normal": lambda z: z,
    "lognormal": np.exp,
    "t with 2 degrees": lambda z: stats.t.ppf(stats.norm.cdf(z), 2),
    "uniform": stats.norm.cdf,
    "two modes": lambda z: z + 3.0 * np.sign(z),
    "counts": lambda z: np.floor(np.exp(1.5 + 0.6 * z)),
}
"""Outcomes as increasing functions of a standard normal variable, so that their quantiles are known."""

MACHINES: dict[str, tuple[float, float, float]] = {
    "good": (0.9, 0.3, 0.4),
    "weak": (0.4, 0.3, 0.9),
    "uninformative": (0.0, 0.4, 1.0),
    "reversed": (-0.9, 0.5, 0.4),
}
"""Slope, shift and noise of the machine label, on the normal scale."""


@dataclass(frozen=True)
class QuantileCase:
    """A level of the quantile, and what is drawn."""

    level: float
    law: str = "normal"
    machine: str = "good"
    sampling: str = "coins"
    share: float = 1 / 3


CASES = {
    **{f"quantile {level}, normal": QuantileCase(level) for level in (0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 0.9)},
    "quantile 0.9, lognormal": QuantileCase(0.9, "lognormal"),
    "quantile 0.1, t with 2 degrees": QuantileCase(0.1, "t with 2 degrees"),
    "quantile 0.25, uniform": QuantileCase(0.25, "uniform"),
    "quantile 0.3, two modes": QuantileCase(0.3, "two modes"),
    "quantile 0.5, counts": QuantileCase(0.5, "counts"),
    "quantile 0.5, weak machine": QuantileCase(0.5, machine="weak"),
    "quantile 0.25, uninformative machine": QuantileCase(0.25, machine="uninformative"),
    "quantile 0.75, reversed machine": QuantileCase(0.75, machine="reversed"),
    "quantile 0.5, 15 % labelled": QuantileCase(0.5, share=0.15),
    "quantile 0.8, 60 % labelled": QuantileCase(0.8, share=0.6),
    "quantile 0.5, unequal probabilities": QuantileCase(0.5, sampling="unequal"),
    "quantile 0.7, strata": QuantileCase(0.7, sampling="strata"),
    "quantile 0.4, whole clusters labelled": QuantileCase(0.4, sampling="clusters"),
}


def quantile_settings() -> Iterator[Setting]:
    """Quantiles of an outcome: level, law, machine, and how rows are chosen for labelling."""
    from tests.validity.test_dsl_quantile import normal_draw

    for level in (0.3, 0.7):
        make = partial(normal_draw, n=3000, share=1 / 3, level=level)
        yield _setting(f"quantile {level}", make, level)
    for name, case in CASES.items():
        yield _setting(name, partial(quantile_draw, case=case), case.level)


def _setting(name: str, make: Callable[..., Any], level: float) -> Setting:
    return Setting("dsl", name, partial(_quantile, name, make, level), 10, 500)


def _quantile(name: str, make: Callable[..., Any], level: float, replicates: int) -> list[Row]:
    from tests.validity.test_dsl_quantile import hits_of_draw
    from validstats.runtime.replicates import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[tuple[bool, bool]]:
        found: list[tuple[bool, bool]] = hits_of_draw(make(rng), rng, level, criticals())
        return found

    hits = np.array(map_replicates(one, replicates, random_state=seed_of(name))).sum(axis=0)
    return dsl_rows(QUANTILE, name, hits, replicates, MACHINE_QUANTILE)


def quantile_draw(rng: np.random.Generator, case: QuantileCase) -> Any:
    """Draw outcome, machine labels and the rows that experts label."""
    from tests.validity.test_dsl_quantile import QuantileDraw

    law = LAWS[case.law]
    slope, shift, noise = MACHINES[case.machine]
    x, rest, error = rng.normal(size=(3, N_ROWS))
    clusters: tuple[np.ndarray, ...] = ()
    if case.sampling == "clusters":
        clusters = (np.repeat(np.arange(N_ROWS // N_CLUSTERED), N_CLUSTERED),)
        x = rng.normal(size=N_ROWS // N_CLUSTERED)[clusters[0]]
    latent = (x + rest) / np.sqrt(2.0)
    machine = law(slope * latent + shift + noise * error)
    labelled, probability, design = _labelling(rng, case, machine, clusters)
    return QuantileDraw(
        truth=float(law(stats.norm.ppf(case.level))),
        outcome=law(latent),
        machine=machine,
        features=np.column_stack([machine, x]),
        labelled=labelled,
        probability=probability,
        design=design,
        clusters=clusters,
    )


def _labelling(
    rng: np.random.Generator, case: QuantileCase, machine: np.ndarray, clusters: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray, Any]:
    """Which rows are labelled, with what probability, by what design."""
    from validstats.dsl.moments.variance import SamplingDesign

    n = len(machine)
    if case.sampling == "strata":
        strata = np.searchsorted(np.quantile(machine, [0.4, 0.8]), machine)
        labelled, probability = np.zeros(n, dtype=bool), np.empty(n)
        for stratum, share in enumerate((0.2, 0.35, 0.6)):
            members = np.flatnonzero(strata == stratum)
            chosen = rng.choice(members, round(share * len(members)), replace=False)
            labelled[chosen], probability[members] = True, len(chosen) / len(members)
        return labelled, probability, SamplingDesign(scheme="stratified", units=strata)
    if case.sampling == "clusters":
        coins = rng.random(n // N_CLUSTERED) < case.share
        design = SamplingDesign(scheme="clusters", units=clusters[0])
        return coins[clusters[0]], np.full(n, case.share), design
    probability = np.full(n, case.share)
    if case.sampling == "unequal":
        probability = np.clip(0.35 + 0.15 * machine, 0.12, 0.7)
    return rng.random(n) < probability, probability, SamplingDesign()
