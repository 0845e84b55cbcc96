"""Probes of DesignSupervised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tests.properties.probes import MATRIX_KINDS, MISSING, SAME, TEXT, Probe, Refusal, is_none, only
from validstats import DesignSupervised

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
        "infer(quantile)", "quantile", lambda v: study().infer("y", model="quantile", quantile=v), "level"
    ),
    Refusal("n_folds", "n_folds", lambda v: study(n_folds=v), "count", is_none),
    Refusal("n_repeats", "n_repeats", lambda v: study(n_repeats=v), "count", is_none),
    Refusal("random_state", "random_state", lambda v: study(random_state=v), "seed"),
]
