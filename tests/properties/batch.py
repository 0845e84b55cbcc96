"""Probes of BatchPredictor, its targets and plan_batch."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from tests.properties.probes import SAME, TEXT, Probe, Refusal, is_none, is_zero
from validstats import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    BatchTotal,
    Compositional,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
    plan_batch,
)
from validstats.intake import check_matrix, check_vector

N, M = 30, 12
_RNG = np.random.default_rng(0)
X, Y = _RNG.normal(size=(N, 2)), _RNG.normal(size=N)
X_NEW = _RNG.normal(size=(M, 2))


class FirstColumn(RegressorMixin, BaseEstimator):
    """A learner that predicts its first column, clipped, whatever it was fitted to."""

    def fit(self, X: Any, y: Any) -> FirstColumn:
        check_vector(y, "y")
        self.n_features_in_ = check_matrix(X, "X").shape[1]
        return self

    def predict(self, X: Any) -> np.ndarray:
        return np.clip(check_matrix(X, "X")[:, 0], -10, 10)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def predictor(target: Any = None, **options: Any) -> BatchPredictor:
    options = {"random_state": 0, "n_resamples": 19, **options}
    target = BatchQuantile(0.5) if target is None else target
    return BatchPredictor(FrozenEstimator(FirstColumn()), target, **{"confidence_level": 0.9, **options})


TARGETS = {
    "mean": lambda: predictor(BatchMean(), bounds=(-1e310, 1e310)),
    "total": lambda: predictor(BatchTotal(side="upper")),
    "several quantiles": lambda: predictor(BatchQuantile((0.25, 0.5, 1.0))),
    "bounded mean": lambda: predictor(BatchMean(), bounds=(-1e9, 1e9)),
    "quantile": predictor,
    "sets": lambda: predictor(Simultaneous(0.2)),
    "errors": lambda: predictor(ErrorCount(tolerance=1.0)),
    "selection": lambda: predictor(Selection(above=0.0, max_false=1)),
    "selection by rate": lambda: predictor(Selection(above=0.0, fdr=0.2)),
    "envelope": lambda: predictor(Envelope()),
    "claims": lambda: predictor(Envelope(above=0.0)),
    "largest": lambda: predictor(Compositional(lambda j, before, score: max(before, score), start=-np.inf)),
}


def numbers(result: Any) -> np.ndarray:
    """The numbers of a result: bounds, flags or counts."""
    found = []
    for name in ("low", "high", "selected", "intervals"):
        value = getattr(result, name, None)
        if isinstance(value, np.ndarray) and value.dtype.kind in "fbiu":
            found.append(np.asarray(value, dtype=float).ravel())
    return np.concatenate(found) if found else np.zeros(0)


def calibrate_labels(make: Any) -> Any:
    return lambda y: numbers(make().calibrate(X, y).infer(X_NEW))


def calibrate_rows(rows: Any) -> np.ndarray:
    return numbers(predictor(BatchQuantile(0.5), conformity_score="absolute").calibrate(rows, Y).infer(X_NEW))


def infer_rows(rows: Any) -> np.ndarray:
    return numbers(predictor(Simultaneous(0.2)).calibrate(X, Y).infer(rows))


def fit_labels(y: Any) -> np.ndarray:
    estimator = BatchPredictor(
        FirstColumn(), BatchQuantile(0.5), random_state=0, check_reuse=False, confidence_level=0.9
    )
    return numbers(estimator.fit(X, y).infer(X_NEW))


def weigh(weights: Any) -> np.ndarray:
    return numbers(predictor().calibrate(X, Y, weights=weights, w_max=10.0).infer(X_NEW))


def by_batch(batches: Any) -> np.ndarray:
    return numbers(predictor(BatchQuantile(0.5)).calibrate(X, Y).infer(X_NEW, batches=batches))


def by_stratum(strata: Any) -> np.ndarray:
    estimator = predictor(BatchQuantile(0.5)).calibrate(X, Y, strata=strata)
    return np.array([estimator.calibration_.n], dtype=float)


def by_stratum_of_a_batch(strata: Any) -> np.ndarray:
    estimator = predictor(BatchQuantile(0.5)).calibrate(X, Y, strata=np.arange(N) % 2)
    return numbers(estimator.infer(X_NEW, strata=strata))


def update_labels(y: Any) -> np.ndarray:
    return numbers(predictor().calibrate(X, Y).update(X, y).infer(X_NEW))


def update_rows(rows: Any) -> np.ndarray:
    return numbers(predictor(conformity_score="absolute").calibrate(X, Y).update(rows, Y).infer(X_NEW))


def score_labels(y: Any) -> np.ndarray:
    return predictor(Simultaneous(0.2)).calibrate(X, Y).conformity_scores(X, y)


def predict_rows(rows: Any) -> np.ndarray:
    return predictor().calibrate(X, Y).predict(rows)


def fit_rows(rows: Any) -> np.ndarray:
    estimator = BatchPredictor(
        FirstColumn(), BatchQuantile(0.5), conformity_score="absolute", random_state=0, confidence_level=0.9
    )
    return numbers(estimator.fit(rows, Y).infer(X_NEW))


def fit_weights(weights: Any) -> np.ndarray:
    estimator = predictor()
    return numbers(estimator.fit(X, Y, weights=weights, w_max=2.0).infer(X_NEW))


def own_score(values: Any) -> np.ndarray:
    return numbers(predictor(conformity_score=lambda model, rows, y: values).calibrate(X, Y).infer(X_NEW))


def held_labels(y: Any) -> np.ndarray:
    return predictor(Simultaneous(0.2)).calibrate(X, Y).infer(X_NEW).contains(y)


def counted_labels(y: Any) -> np.ndarray:
    return predictor(Selection(above=0.0, max_false=1)).calibrate(X, Y).infer(X_NEW).false_claims(y)


def envelope() -> Any:
    return predictor(Envelope()).calibrate(X, Y).infer(X_NEW)


def level(confidence_level: Any) -> np.ndarray:
    return numbers(predictor(confidence_level=confidence_level).calibrate(X, Y).infer(X_NEW))


GROUPS = TEXT | SAME | {"infinite", "negative_infinite"}
WORDED_ELSEWHERE = frozenset({"duplicated_column_names"})


def is_probability(value: Any) -> bool:
    """Whether a value is one of the hostile levels that a quantile allows."""
    return not isinstance(value, bool | np.ndarray) and value in ([0.9], 1.0)


def is_share(value: Any) -> bool:
    """Whether a value is one of the hostile levels that a size of the calibration allows."""
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= N)


def is_distance(value: Any) -> bool:
    """Whether a value is one of the hostile levels that a tolerance allows."""
    if value is None:
        return True
    return isinstance(value, int | float | Fraction) and not isinstance(value, bool) and 0 <= value < np.inf


PROBES: list[Probe | Refusal] = [
    *(Probe(f"calibrate(y), {name}", "y", calibrate_labels(make), (N,)) for name, make in TARGETS.items()),
    Probe("calibrate(X)", "X", calibrate_rows, (N, 2), unnamed=WORDED_ELSEWHERE),
    Probe("infer(X)", "X", infer_rows, (M, 2), unnamed=WORDED_ELSEWHERE),
    Probe("fit(y)", "y", fit_labels, (N,)),
    Probe("calibrate(weights)", "weights", weigh, (N,), shares=True),
    Probe("infer(batches)", "batches", by_batch, (M,), decides=GROUPS, left_out=frozenset({"none"})),
    Probe("calibrate(strata)", "strata", by_stratum, (N,), decides=GROUPS, left_out=frozenset({"none"})),
    Probe(
        "infer(strata)",
        "strata",
        by_stratum_of_a_batch,
        (M,),
        decides=GROUPS,
    ),
    Probe("update(y)", "y", update_labels, (N,)),
    Probe("update(X)", "X", update_rows, (N, 2), unnamed=WORDED_ELSEWHERE),
    Probe("conformity_scores(y)", "y", score_labels, (N,)),
    Probe("predict(X)", "X", predict_rows, (M, 2), unnamed=WORDED_ELSEWHERE),
    Probe("fit(X)", "X", fit_rows, (N, 2), unnamed=WORDED_ELSEWHERE),
    Probe("fit(weights)", "weights", fit_weights, (N,), shares=True, left_out=frozenset({"none"})),
    Probe("what a callable score returns", "callable score", own_score, (N,)),
    Probe("contains(y)", "y", held_labels, (M,)),
    Probe("false_claims(y)", "y", counted_labels, (M,)),
    Refusal("quantile of an envelope", "q", lambda v: envelope().quantile(v), "level", is_probability),
    Refusal("confidence_level", "confidence_level", level, "level"),
    Refusal(
        "infer(confidence_level)",
        "confidence_level",
        lambda v: predictor().calibrate(X, Y).infer(X_NEW, confidence_level=v),
        "level",
        is_none,
    ),
    Refusal(
        "calibration_size",
        "calibration_size",
        lambda v: predictor(calibration_size=v).fit(X, Y),
        "level",
        is_share,
    ),
    Refusal(
        "ErrorCount(tolerance)",
        "tolerance",
        lambda v: predictor(ErrorCount(tolerance=v)).calibrate(X, Y),
        "level",
        is_distance,
    ),
    Refusal(
        "n_resamples", "n_resamples", lambda v: predictor(BatchMean(), n_resamples=v).calibrate(X, Y), "count"
    ),
    Refusal(
        "random_state",
        "random_state",
        lambda v: predictor(random_state=v).calibrate(X, Y).infer(X_NEW),
        "seed",
    ),
    Refusal(
        "BatchQuantile(q)",
        "q",
        lambda v: predictor(BatchQuantile(v)).calibrate(X, Y),
        "level",
        is_probability,
    ),
    Refusal(
        "Simultaneous(miss)", "miss", lambda v: predictor(Simultaneous(v)).calibrate(X, Y), "level", is_zero
    ),
    Refusal(
        "Selection(max_false)",
        "max_false",
        lambda v: predictor(Selection(above=0.0, max_false=v)).calibrate(X, Y),
        "count",
        is_zero,
    ),
    Refusal(
        "Selection(fdr)", "fdr", lambda v: predictor(Selection(above=0.0, fdr=v)).calibrate(X, Y), "level"
    ),
    Refusal(
        "plan_batch(m)",
        "m",
        lambda v: plan_batch(BatchQuantile(0.5), m=v, confidence_level=0.9),
        "count",
        is_none,
    ),
    Refusal(
        "plan_batch(n)",
        "n",
        lambda v: plan_batch(BatchQuantile(0.5), n=v, confidence_level=0.9),
        "count",
        is_none,
    ),
    Refusal(
        "plan_batch(confidence_level)",
        "confidence_level",
        lambda v: plan_batch(BatchTotal(), m=5, confidence_level=v),
        "level",
    ),
]
