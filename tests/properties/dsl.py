"""Probes of DesignSupervised, streamed regressions and the planning of labels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from tests.dsl.streams import streamed as in_parts
from tests.properties.probes import (
    MATRIX_KINDS,
    MISSING,
    SAME,
    TEXT,
    Probe,
    Refusal,
    is_none,
    is_one,
    is_zero,
    only,
)
from validstats import DesignSupervised
from validstats.dsl import (
    GainForecast,
    LabelPlan,
    design_sampling,
    forecast_gain,
    plan_labels,
)

N = 60
_RNG = np.random.default_rng(0)
X = _RNG.normal(size=N)
TRUTH = X + _RNG.normal(size=N)
MACHINE = TRUTH + _RNG.normal(size=N)
LABELLED = np.arange(N) % 2 == 0
LABELS = np.where(LABELLED, TRUTH, np.nan)
FRAMES = frozenset(
    {
        "frame",
        "duplicated_index",
        "unicode_columns",
        "integer_columns",
        "polars_frame",
        "duplicated_column_names",
    }
)


def study(
    data: Any = None, labels: Any = None, *, surrogate: Any = "machine", **options: Any
) -> DesignSupervised:
    data = pd.DataFrame({"x": X, "machine": MACHINE}) if data is None else data
    design = {k: options.pop(k) for k in ("sampling_probability", "strata", "clusters") if k in options}
    options = {"random_state": 0, "n_repeats": 1, "n_folds": 2, **options}
    estimator = DesignSupervised(**options).fit(data, surrogate=surrogate)
    return estimator.calibrate({"y": LABELS if labels is None else labels}, **design)


def coefficients(estimator: DesignSupervised, formula: str = "y ~ x", **options: Any) -> np.ndarray:
    result = estimator.infer(formula, **options)
    return np.concatenate([np.ravel(result.params), np.ravel(result.std_error)])


def column_of(name: str) -> Any:
    return lambda values: coefficients(
        study(pd.DataFrame({"x": X, "machine": MACHINE}).assign(**{name: values}))
    )


def table(frame: Any) -> np.ndarray:
    return coefficients(study(frame, surrogate=None), "y ~ 1")


def streamed(frame: Any = None, **options: Any) -> np.ndarray:
    frame = pd.DataFrame({"x": X, "machine": MACHINE, "gold": LABELS}) if frame is None else frame
    options = {
        "label": "gold",
        "covariates": ["x"],
        "predictions": "machine",
        "sampling_probability": 0.5,
        "chunk_size": 40,
        **options,
    }
    result = in_parts(frame, **options)
    return np.concatenate([result.params, result.std_error])


def streamed_column(name: str, **options: Any) -> Any:
    """Pass hostile values as a column of the rows."""
    rows = {"x": X, "machine": MACHINE, "gold": LABELS}
    return lambda values: streamed(pd.DataFrame({**rows, name: pd.Series(values)}), **options)


def streamed_source(source: Any) -> np.ndarray:
    names = [str(name) for name in getattr(source, "columns", ["x0", "x1"])]
    return streamed(
        source, label=names[0], covariates=names[1:2], predictions=(), estimator="gold", chunk_size=40
    )


def sampled(units: Any = N, n_labels: Any = 20, **options: Any) -> np.ndarray:
    plan = design_sampling(units, n_labels, **{"random_state": 0, **options})
    return np.concatenate([plan.sampling_probability, plan.selected])


@lru_cache(maxsize=1)
def pilot() -> Any:
    return study(confidence_level=0.95).infer("y ~ x")


def label_plan(**options: Any) -> LabelPlan:
    return plan_labels(pilot(), **{"sizes": [20, 40], **options})


def forecast(n_rows: Any = 1000, sizes: Any = 100, **options: Any) -> GainForecast:
    return forecast_gain(n_rows, sizes, **(options or {"r_squared": 0.5}))


def gain_of(pilot: Any) -> np.ndarray:
    answer = forecast(pilot=pilot)
    return np.concatenate([answer.ratio, answer.ratio_low, answer.ratio_high])


NO_COLUMN = frozenset(
    {
        "empty",
        "empty_list",
        "two_columns",
        "three_dimensional",
        "scalar",
        "none",
        "string",
        "object_with_array",
        "records",
        "sparse",
        "masked",
        "nothing_masked",
        "all_masked",
        "set",
        "dict",
        "ragged",
        "duplicated_index",
        "one_row",
        "unaligned",
    }
)
"""Kinds that are no column of a pandas frame with the given number of rows."""

PROBES: list[Probe | Refusal] = [
    Probe(
        "calibrate(labels)",
        "labels",
        lambda v: coefficients(study(labels=v)),
        (N,),
        decides=MISSING | TEXT | {"masked"},
        left_out=frozenset({"none"}),
        unnamed=TEXT | {"all_masked"},
        rtol=1e-6,
    ),
    Probe(
        "calibrate(sampling_probability)",
        "sampling_probability",
        lambda v: coefficients(study(sampling_probability=v)),
        (N,),
        shares=True,
        left_out=frozenset({"none", "scalar"}),
        rtol=1e-6,
    ),
    Probe(
        "calibrate(strata)",
        "strata",
        lambda v: coefficients(study(strata=v)),
        (N,),
        decides=TEXT | SAME | {"infinite", "negative_infinite"},
        left_out=frozenset({"none"}),
        rtol=1e-6,
    ),
    Probe(
        "calibrate(clusters)",
        "clusters",
        lambda v: coefficients(study(clusters=v)),
        (N,),
        decides=TEXT | SAME | {"infinite", "negative_infinite"},
        left_out=frozenset({"none"}),
        rtol=1e-6,
    ),
    Probe(
        "infer(weights)",
        "weights",
        lambda v: coefficients(study(), weights=v),
        (N,),
        shares=True,
        left_out=frozenset({"none"}),
        rtol=1e-6,
    ),
    Probe(
        "infer(offset)",
        "offset",
        lambda v: coefficients(study(), offset=v),
        (N,),
        shares=True,
        left_out=frozenset({"none"}),
        rtol=1e-6,
    ),
    Probe(
        "infer(clusters)",
        "clusters",
        lambda v: coefficients(study(), clusters=v),
        (N,),
        decides=TEXT | SAME | {"infinite", "negative_infinite"},
        left_out=frozenset({"none"}),
        rtol=1e-6,
    ),
    Probe(
        "fit(data)",
        "data",
        table,
        (N, 2),
        decides=FRAMES | {"frame_with_text", "frame_with_missing"},
        left_out=only(MATRIX_KINDS, "same") - FRAMES | {"none"},
        unnamed=frozenset({"duplicated_column_names"}),
    ),
    Refusal("confidence_level", "confidence_level", lambda v: study(confidence_level=v), "level"),
    Refusal(
        "infer(confidence_level)",
        "confidence_level",
        lambda v: study().infer("y ~ x", confidence_level=v),
        "level",
        is_none,
    ),
    Refusal(
        "infer(quantile)",
        "quantile",
        lambda v: study().infer("y", model="quantile", quantile=v),
        "level",
        is_none,
    ),
    Refusal("n_folds", "n_folds", lambda v: study(n_folds=v), "count", is_none),
    Refusal("n_repeats", "n_repeats", lambda v: study(n_repeats=v), "count", is_none),
    Refusal("random_state", "random_state", lambda v: study(random_state=v), "seed"),
    Probe(
        "fit(data), in parts",
        "data",
        streamed_source,
        (N, 2),
        decides=FRAMES | {"frame_with_text", "frame_with_missing"},
        left_out=only(MATRIX_KINDS, "same") - FRAMES | {"integer_columns", "none"},
        unnamed=frozenset({"duplicated_column_names", "frame_with_text", "frame_with_missing", "ragged"}),
    ),
    Probe(
        "label of rows in parts",
        "gold",
        streamed_column("gold"),
        (N,),
        decides=MISSING,
        left_out=NO_COLUMN,
        rtol=1e-6,
    ),
    Probe(
        "covariate of rows in parts",
        "income",
        streamed_column("income", covariates=["income"]),
        (N,),
        decides=TEXT,
        left_out=NO_COLUMN,
        rtol=1e-6,
        unnamed=TEXT,
    ),
    Probe(
        "prediction of rows in parts",
        "machine",
        streamed_column("machine"),
        (N,),
        left_out=NO_COLUMN,
        rtol=1e-6,
    ),
    Probe(
        "column of probabilities of rows in parts",
        "robabilit",
        streamed_column("probability", sampling_probability="probability"),
        (N,),
        left_out=NO_COLUMN,
        shares=True,
        rtol=1e-6,
    ),
    Probe(
        "clusters of rows in parts",
        "group",
        streamed_column("group", clusters="group"),
        (N,),
        decides=TEXT | SAME | {"infinite", "negative_infinite"},
        left_out=NO_COLUMN,
        rtol=1e-6,
    ),
    Refusal(
        "sampling_probability of rows in parts",
        "sampling_probability",
        lambda v: streamed(sampling_probability=v),
        "level",
        lambda v: isinstance(v, str) or is_one(v),
    ),
    Refusal("n_folds of rows in parts", "n_folds", lambda v: streamed(n_folds=v), "count"),
    Refusal("chunk_size of rows in parts", "chunk_size", lambda v: streamed(chunk_size=v), "count"),
    Refusal(
        "confidence_level of rows in parts",
        "confidence_level",
        lambda v: streamed(confidence_level=v),
        "level",
    ),
    Refusal("random_state of rows in parts", "random_state", lambda v: streamed(random_state=v), "seed"),
    Probe(
        "design_sampling(uncertainty)",
        "uncertainty",
        lambda v: sampled(uncertainty=v),
        (N,),
        left_out=frozenset({"none"}),
        shares=True,
    ),
    Probe(
        "design_sampling(strata)",
        "strata",
        lambda v: sampled(strata=v),
        (N,),
        decides=TEXT | SAME | {"infinite", "negative_infinite"},
        left_out=frozenset({"none"}),
    ),
    Refusal("design_sampling(n_labels)", "n_labels", lambda v: sampled(n_labels=v), "count"),
    Refusal("design_sampling(units)", "units", sampled, "count", lambda v: isinstance(v, list | np.ndarray)),
    Refusal("design_sampling(floor)", "floor", lambda v: sampled(floor=v), "level", is_one),
    Refusal(
        "design_sampling(mixing)",
        "mixing",
        lambda v: sampled(uncertainty=np.abs(X), method="active", mixing=v),
        "level",
        lambda v: is_zero(v) or is_one(v),
    ),
    Refusal("design_sampling(random_state)", "random_state", lambda v: sampled(random_state=v), "seed"),
    Refusal("plan_labels(sizes)", "sizes", lambda v: label_plan(sizes=[v]), "count"),
    Refusal(
        "plan_labels(sizes), one number",
        "sizes",
        lambda v: label_plan(sizes=v),
        "count",
        lambda v: is_none(v) or isinstance(v, list),
    ),
    Refusal(
        "plan_labels(target_power)",
        "target_power",
        lambda v: label_plan(target_power=v, effects=0.5),
        "level",
        is_none,
    ),
    Refusal(
        "plan_labels(confidence_level)",
        "confidence_level",
        lambda v: label_plan(confidence_level=v),
        "level",
        is_none,
    ),
    Refusal("forecast_gain(n_rows)", "n_rows", forecast, "count"),
    Refusal(
        "forecast_gain(sizes)",
        "sizes",
        lambda v: forecast(sizes=v),
        "count",
        lambda v: isinstance(v, list | np.ndarray),
    ),
    Refusal("forecast_gain(sizes), in a list", "sizes", lambda v: forecast(sizes=[v]), "count"),
    Refusal(
        "forecast_gain(r_squared)",
        "r_squared",
        lambda v: forecast(r_squared=v),
        "level",
        lambda v: is_none(v) or is_zero(v) or is_one(v),
    ),
    Refusal(
        "forecast_gain(accuracy)",
        "accuracy",
        lambda v: forecast(accuracy=v, prevalence=0.5),
        "level",
        lambda v: is_zero(v) or is_one(v),
    ),
    Refusal(
        "forecast_gain(prevalence)", "prevalence", lambda v: forecast(accuracy=0.8, prevalence=v), "level"
    ),
    Refusal(
        "forecast_gain(confidence_level)",
        "confidence_level",
        lambda v: forecast(r_squared=0.5, confidence_level=v),
        "level",
    ),
    Probe("forecast_gain(pilot), expert labels", "pilot", lambda v: gain_of((v, MACHINE)), (N,)),
    Probe("forecast_gain(pilot), machine labels", "pilot", lambda v: gain_of((TRUTH, v)), (N,)),
]
