"""Regressions from machine labels, each setting beside the naive method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.validity.rows import LEVELS, Row, Setting

COEFFICIENT = "the last coefficient in its interval"
MACHINE_REGRESSION = "regression on machine labels"


def dsl_settings() -> Iterator[Setting]:
    """Coefficients of regressions and a quantile, beside the same from machine labels."""
    from tests.validity import dsl_settings as settings

    n = 3000
    makers: dict[str, Callable[..., Any]] = {
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
    for name, make in makers.items():
        yield Setting("dsl", name, partial(_dsl, name, make), 30, 1000)
    yield from _effects_settings()
    yield from _quantile_settings()
    yield from _sentence_settings()


def _criticals() -> list[float]:
    return [float(stats.norm.isf((1 - level) / 2)) for level in LEVELS]


def _dsl_rows(guarantee: str, name: str, hits: Any, replicates: int, naive: str) -> list[Row]:
    return [
        Row("dsl", guarantee, name, level, int(ours), replicates, naive, int(wrong), replicates)
        for level, (ours, wrong) in zip(LEVELS, hits)
    ]


def _dsl(name: str, make: Callable[..., Any], replicates: int) -> list[Row]:
    from tests.validity import dsl_settings as settings
    from tests.validity.test_dsl_coverage import covers
    from validstats.parallel import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[tuple[bool, bool]]:
        draw = make(rng)
        found = settings.replicate(draw, rng, 1000, ("tuned", "naive"))
        return [
            tuple(bool(covers(found[kind], draw.coefficients, c)[-1]) for kind in ("tuned", "naive"))
            for c in _criticals()
        ]

    hits = np.array(map_replicates(one, replicates, random_state=17)).sum(axis=0)
    return _dsl_rows(COEFFICIENT, name, hits, replicates, MACHINE_REGRESSION)


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
    from validstats.parallel import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[list[bool]]:
        fits = effects_fits(rng, **options)
        return [[covered(fit, critical=c) for fit in fits] for c in _criticals()]

    hits = np.array(map_replicates(one, replicates, random_state=17)).sum(axis=0)
    return _dsl_rows(COEFFICIENT, name, hits, replicates, MACHINE_REGRESSION)


def _quantile_settings() -> Iterator[Setting]:
    """Quantiles of an outcome, 1,000 labels of 3,000 rows."""
    for quantile in (0.3, 0.7):
        name = f"quantile {quantile}"
        yield Setting("dsl", name, partial(_quantile, name, quantile), 30, 1000)


def _quantile(name: str, quantile: float, replicates: int) -> list[Row]:
    from tests.validity.test_dsl_quantile import quantile_hits
    from validstats.parallel import map_replicates

    def one(rng: np.random.Generator, index: int) -> list[tuple[bool, bool]]:
        return quantile_hits(rng, n=3000, share=1 / 3, level=quantile, criticals=_criticals())

    hits = np.array(map_replicates(one, replicates, random_state=17)).sum(axis=0)
    return _dsl_rows("a quantile in its interval", name, hits, replicates, "quantile of machine labels")


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
    from validstats.parallel import map_replicates

    return np.array(map_replicates(partial(one_sample, model), replicates, random_state=17))


def _sentence(name: str, model: str, place: int, population: str, k: int, replicates: int) -> list[Row]:
    distances = _sentence_distances(model, replicates)[:, (place, -1), k]
    hits = [(distances <= critical).sum(axis=0) for critical in _criticals()]
    guarantee = f"full-data coefficients of the sentences, {population} intervals"
    return _dsl_rows(guarantee, name, hits, replicates, MACHINE_REGRESSION)
