"""Intervals that hold at all looks at once, beside ordinary intervals that are looked at often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.validity.dsl_rows import criticals, dsl_rows
from benchmarks.validity.rows import LEVELS, Row, Setting
from benchmarks.validity.seeds import seed_of

ANYTIME = "the truth inside at all looks at once"
ORDINARY = "ordinary interval, looked at often"
N_UNITS = 20_000


@dataclass(frozen=True)
class StreamCase:
    """A stream of units of which some are labelled, and when it is looked at first."""

    law: str = "two classes"
    share: float = 0.1
    start: int = 500
    n_best: int | None = None


LAWS: dict[str, tuple[Callable[..., Any], float]] = {
    "normal": (lambda rng: rng.normal(1.0, 1.0, N_UNITS), 1.0),
    "uniform": (lambda rng: rng.random(N_UNITS), 0.5),
    "t with 5 degrees": (lambda rng: rng.standard_t(5, N_UNITS), 0.0),
    "exponential": (lambda rng: rng.exponential(size=N_UNITS), 1.0),
    "lognormal": (lambda rng: np.exp(0.5 * rng.normal(size=N_UNITS)), float(np.exp(0.125))),
    "5 % positive": (lambda rng: (rng.random(N_UNITS) < 0.05).astype(float), 0.05),
}
"""Outcomes and their means."""

CASES = {
    **{f"anytime, two classes, {s:.0%} labelled": StreamCase(share=s) for s in (0.05, 0.1, 0.2, 0.5, 1.0)},
    **{f"anytime, two classes, from {m:,} units on": StreamCase(start=m) for m in (200, 1000, 2000)},
    "anytime, two classes, narrowest at 10,000": StreamCase(n_best=10_000),
    **{f"anytime, {law}, 20 % labelled": StreamCase(law, 0.2) for law in LAWS},
    "anytime, normal, unequal probabilities": StreamCase("normal", 0.0),
}


def sequence_settings() -> Iterator[Setting]:
    """A look after every unit of a stream, and looks at regressions after every request for labels."""
    from tests.validity.test_dsl_sequential import regression_labelling

    for name, case in CASES.items():
        yield Setting("dsl", name, partial(_streams, name, case), 150, 1500)
    for share, start, block in ((0.2, 400, 100), (0.2, 800, 50), (0.5, 400, 200), (0.1, 1000, 100)):
        name = f"anytime, regression slope, {share:.0%} labelled, from {start:,} units on, {block} a request"
        make = partial(regression_labelling, share=share, start=start, block=block)
        yield Setting("dsl", name, partial(_regressions, name, make), 30, 300)


def _streams(name: str, case: StreamCase, replicates: int) -> list[Row]:
    from validstats.dsl.sequence.confidence_sequences import mean_sequence
    from validstats.runtime.replicates import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[tuple[bool, bool]]:
        values, truth = pseudo_outcomes(rng, case)
        held = []
        for level, critical in zip(LEVELS, criticals()):
            sequence = mean_sequence(values, round(1 - level, 10), case.start, case.n_best)
            error = np.abs(sequence.estimate - truth)
            ordinary = critical * np.sqrt(sequence.variance / sequence.times)
            held.append((bool(np.all(error <= sequence.radius)), bool(np.all(error <= ordinary))))
        return held

    hits = np.array(map_replicates(one, replicates, random_state=seed_of(name))).sum(axis=0)
    return dsl_rows(ANYTIME, name, hits, replicates, ORDINARY)


def pseudo_outcomes(rng: np.random.Generator, case: StreamCase) -> tuple[np.ndarray, float]:
    """Prediction plus weighted error of every unit, and the mean of the outcome."""
    from tests.validity.test_dsl_sequential import TRUTH, stream

    if case.law == "two classes":
        return stream(rng, N_UNITS, case.share), TRUTH
    draw, mean = LAWS[case.law]
    outcome = draw(rng)
    machine = 0.8 * outcome + 0.3 + 0.5 * rng.normal(size=N_UNITS)
    share: Any = case.share or np.clip(0.25 + 0.15 * machine, 0.05, 0.8)
    labelled = rng.random(N_UNITS) < share
    return machine + labelled / share * (outcome - machine), mean


def _regressions(name: str, make: Callable[..., Any], replicates: int) -> list[Row]:
    from validstats.runtime.replicates import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[tuple[bool, bool]]:
        labelling, design = make(rng)
        held = []
        for level in LEVELS:
            result = labelling.infer(design, confidence_level=level)
            error = np.abs(result.estimates[:, 1] - 1.0)
            ordinary = stats.norm.isf((1 - level) / 2) * result.std_errors[:, 1]
            held.append((bool(np.all(error <= result.radii[:, 1])), bool(np.all(error <= ordinary))))
        return held

    hits = np.array(map_replicates(one, replicates, random_state=seed_of(name))).sum(axis=0)
    return dsl_rows(ANYTIME, name, hits, replicates, ORDINARY)
