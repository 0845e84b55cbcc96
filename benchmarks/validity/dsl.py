"""Regressions from machine labels, each setting beside the naive method."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.validity.dsl_quantiles import quantile_settings
from benchmarks.validity.dsl_rows import criticals, dsl_rows
from benchmarks.validity.dsl_sequences import sequence_settings
from benchmarks.validity.dsl_shares import share_settings
from benchmarks.validity.rows import LEVELS, Row, Setting
from benchmarks.validity.seeds import seed_of

COEFFICIENT = "the last coefficient in its interval"
JOINT = "all coefficients together, by the Wald test"
MACHINE_REGRESSION = "regression on machine labels"
FEW = ("logit, accuracy 0.85", "predicted covariate, accuracy 0.8", "Poisson", "clusters of 3")
"""Laws that are simulated with fewer than 1,000 labels too."""


def dsl_settings() -> Iterator[Setting]:
    """Shares, coefficients, quantiles, joint tests and anytime-valid intervals, each beside a naive one."""
    yield from share_settings()
    for name, make in makers().items():
        yield Setting("dsl", name, partial(_dsl, name, make, 1000), 30, 1000)
    for name, n_labels in itertools.product(FEW, (50, 100, 300)):
        few = f"{name}, {n_labels} labels"
        yield Setting("dsl", few, partial(_dsl, few, makers()[name], n_labels), 30, 1000)
    yield from _effects_settings()
    yield from quantile_settings()
    yield from _sentence_settings()
    yield from sequence_settings()
    for name, make in makers().items():
        joint = f"all coefficients, {name}"
        yield Setting("dsl", joint, partial(_wald, joint, make), 20, 1000)


def makers() -> dict[str, Callable[..., Any]]:
    """Return the laws of regressions with a known answer, by name."""
    from tests.validity import dsl_settings as settings

    n = 3000
    return {
        **{f"logit, accuracy {a}": partial(settings.predicted_outcome_logit, n=n, accuracy=a) for a in (0.6, 0.7, 0.8, 0.85, 0.9, 0.95)},
        **{f"predicted covariate, accuracy {a}": partial(settings.predicted_covariate_linear, n=n, accuracy=a) for a in (0.7, 0.8, 0.9)},
        **{f"multinomial, accuracy {a}": partial(settings.multinomial_outcome, n=n, accuracy=a) for a in (0.6, 0.7, 0.8, 0.9)},
        **{f"misspecified logit, accuracy {a}": partial(settings.paper_design, n=n, accuracy=a) for a in (0.7, 0.9)},
        "Poisson": partial(settings.poisson_outcome, n=n),
        "instruments": partial(settings.instrumental, n=n),
        "unequal probabilities": settings.unequal_logit,
        "clusters of 6": settings.clustered_linear,
        "clusters of 3": partial(settings.clustered_linear, n_clusters=1000, size=3),
    }  # fmt: skip


def _dsl(name: str, make: Callable[..., Any], n_labels: int, replicates: int) -> list[Row]:
    """The t interval of the default estimator, as ``infer`` prints it, and the normal one of machine labels."""
    from tests.validity import dsl_settings as settings
    from validstats.runtime.replicates import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[list[bool]] | None:
        draw = make(rng)
        found: Any = settings.replicate(draw, rng, n_labels, ("tuned", "naive"))
        ours, machine, truth = found["tuned"], found["naive"], draw.coefficients[-1]
        if ours is None:
            return None
        return [
            [
                bool(abs(ours.params[-1] - truth) <= half(ours.covariance[-1, -1], level, ours.degrees)),
                bool(abs(machine.params[-1] - truth) <= half(machine.std_error[-1] ** 2, level)),
            ]
            for level in LEVELS
        ]

    answered = [hit for hit in map_replicates(one, replicates, random_state=17) if hit is not None]
    return dsl_rows(COEFFICIENT, name, np.array(answered).sum(axis=0), len(answered), MACHINE_REGRESSION)


def half(variance: float, level: float, degrees: Any = None) -> float:
    """Return half the length of an interval, a t interval with the degrees of freedom of the last coefficient.

    Parameters
    ----------
    variance : float
        Of the coefficient.
    level : float
        Nominal level.
    degrees : array-like or None, default None
        Degrees of freedom of all coefficients; a normal interval where None.
    """
    df = np.inf if degrees is None else degrees[-1]
    return float(stats.t.isf((1 - level) / 2, df) * np.sqrt(variance))


def _wald(name: str, make: Callable[..., Any], replicates: int) -> list[Row]:
    """All coefficients at once by the Wald test, and all Bonferroni intervals of the machine labels."""
    from tests.validity import dsl_settings as settings
    from validstats.dsl.results.hypotheses import wald_statistic
    from validstats.runtime.replicates import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[tuple[bool, bool]]:
        draw = make(rng)
        found: Any = settings.replicate(draw, rng, 1000, ("tuned", "naive"))
        ours, machine, truth = found["tuned"], found["naive"], draw.coefficients
        test = wald_statistic(ours.params, ours.covariance, np.eye(len(truth)), truth)
        assert test is not None
        largest = np.max(np.abs(machine.params - truth) / machine.std_error)
        adjusted = 2 * len(truth) * stats.norm.sf(largest)
        return [(test[1] > 1 - level, adjusted > 1 - level) for level in LEVELS]

    hits = np.array(map_replicates(one, replicates, random_state=seed_of(name))).sum(axis=0)
    return dsl_rows(JOINT, name, hits, replicates, "machine labels, Bonferroni")


def _effects_settings() -> Iterator[Setting]:
    """Unit effects in panels of four times, a covariate from the machine; half of the settings with instruments."""
    kinds: dict[str, dict[str, Any]] = {
        "covariate": {},
        "covariate, weights": {"weighted": True},
        "covariate, instruments": {"instruments": True},
        "numeric covariate": {"numeric": True},
    }
    for kind, options in kinds.items():
        name = f"fixed effects, T = 4, predicted {kind}"
        yield Setting("dsl", name, partial(_effects, name, options), 30, 1000)


def _effects(name: str, options: dict[str, Any], replicates: int) -> list[Row]:
    from tests.validity.test_dsl_effects import covered, effects_fits
    from validstats.runtime.replicates import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[list[bool]]:
        fits = effects_fits(rng, **options)
        return [[covered(fit, critical=c) for fit in fits] for c in criticals()]

    hits = np.array(map_replicates(one, replicates, random_state=17)).sum(axis=0)
    return dsl_rows(COEFFICIENT, name, hits, replicates, MACHINE_REGRESSION)


def _sentence_settings() -> Iterator[Setting]:
    """Every coefficient of the bundled sentences, 1,000 ratings of 23,703; the truth is the regression on all ratings."""
    from tests.validity.test_dsl_sentences import COEFFICIENTS

    for model in ("linear", "logit"):
        for place, population in enumerate(("finite population", "superpopulation")):
            for k, coefficient in enumerate(COEFFICIENTS):
                name = f"sentences, {model}, {coefficient}, {population}"
                run = partial(_sentence, name, model, place, population, k)
                yield Setting("dsl", name, run, 30, 500)


@cache
def _sentence_distances(model: str, replicates: int) -> Any:
    """Distance from the full-data coefficients in standard errors: draw, kind of interval, coefficient."""
    from tests.validity.test_dsl_sentences import one_sample
    from validstats.runtime.replicates import map_replicates

    return np.array(map_replicates(partial(one_sample, model), replicates, random_state=17))


def _sentence(name: str, model: str, place: int, population: str, k: int, replicates: int) -> list[Row]:
    distances = _sentence_distances(model, replicates)[:, (place, -1), k]
    hits = [(distances <= critical).sum(axis=0) for critical in criticals()]
    guarantee = f"full-data coefficients of the sentences, {population} intervals"
    return dsl_rows(guarantee, name, hits, replicates, MACHINE_REGRESSION)
