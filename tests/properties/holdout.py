"""Probes of ReusableHoldout, its planning and the selection of features."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier

from tests.properties.probes import (
    SAME,
    TEXT,
    Probe,
    Refusal,
    is_none,
    is_one,
    is_zero,
)
from validstats import ReusableHoldout
from validstats.holdout import Ledger, Plan, SelectFromHoldout, plan

N = 40
_RNG = np.random.default_rng(2**40)  # beyond the seeds of hostile matrices, which would be the holdout's rows
X, Y = _RNG.normal(size=(N, 2)), _RNG.integers(0, 2, N)
NUMBERS = _RNG.random(N)
X_TRAIN = _RNG.normal(size=(N, 2))
"""Rows of a search, none of them in the holdout."""


def holdout(
    X: Any = X, y: Any = Y, *, clusters: Any = None, train: Any = None, **options: Any
) -> ReusableHoldout:
    options = {"queries": 5, "guess": None, "mechanism": "description_length", **options}
    opened = ReusableHoldout(ledger=Ledger.in_memory(secret=b"s" * 32), **options)
    if train is not None:
        opened.fit(*train)
    return opened.calibrate(X, y, clusters=clusters, check_reuse=False)


def numbers(answer: Any) -> np.ndarray:
    return np.array([float(answer), *answer.bounds])


def ask(predictions: Any) -> np.ndarray:
    return numbers(holdout().infer(predictions))


def error(predictions: Any) -> np.ndarray:
    from validstats.holdout import Metric

    squared = Metric(name="brier", rows=lambda y, p, X: (y - np.clip(p, 0, 1)) ** 2, bounds=(0, 1))
    return numbers(holdout().infer(predictions, metric=squared))


def query(values: Any) -> np.ndarray:
    return numbers(holdout().query(lambda X, y: values, bounds=(-1e9, 1e9)))


def labels(y: Any) -> np.ndarray:
    return numbers(holdout(y=y).infer(np.zeros(N, dtype=int)))


def rows(X: Any) -> np.ndarray:
    return numbers(holdout(X).infer(Y))


def clusters(groups: Any) -> np.ndarray:
    return numbers(holdout(clusters=groups).infer(Y))


def training_rows(X: Any) -> np.ndarray:
    return numbers(holdout(train=(X, Y)).infer(Y))


def discovered(targets: Any, **options: Any) -> np.ndarray:
    options = {"at_least": 0.1, **options}
    return holdout().discover(targets, **options).confirmed


def selected(X: Any = X_TRAIN, y: Any = Y, model: Any = None, **options: Any) -> np.ndarray:
    model = DecisionTreeClassifier(max_depth=1, random_state=0) if model is None else model
    selection = SelectFromHoldout(model, holdout(), **{"max_features": 1, **options}).fit(X, y)
    return np.concatenate([selection.support_, selection.order_])


def planned(n: Any = 1000, queries: Any = 10, **options: Any) -> Plan:
    return plan(n, queries, **options)


LABELS = TEXT | {"complex", "records", "object_too_large", "object_with_array"}
"""Legal for labels and predictions of classes."""

UNREAD = TEXT | {
    "nan",
    "infinite",
    "negative_infinite",
    "no_columns",
    "three_dimensional",
    "object_with_none",
    "complex",
    "frame_with_missing",
}
"""Only the learner reads the features."""

WORDED_ELSEWHERE = frozenset({"duplicated_column_names"})

PROBES: list[Probe | Refusal] = [
    Probe("infer(target), classes", "target", ask, (N,), decides=LABELS),
    Probe("infer(target), numbers", "target", error, (N,), decides=frozenset({"strings", "categories"})),
    Probe("query(fn)", "query", query, (N,)),
    Probe("calibrate(y)", "y", labels, (N,), decides=LABELS),
    Probe("calibrate(X)", "X", rows, (N, 2), decides=UNREAD, unnamed=WORDED_ELSEWHERE),
    Probe(
        "calibrate(clusters)",
        "clusters",
        clusters,
        (N,),
        decides=TEXT | SAME | {"infinite", "negative_infinite"},
        left_out=frozenset({"none"}),
    ),
    Probe("fit(X)", "X", training_rows, (N, 2), decides=UNREAD, unnamed=WORDED_ELSEWHERE),
    Refusal("queries", "queries", lambda v: holdout(queries=v), "count"),
    Refusal(
        "overfits",
        "overfits",
        lambda v: holdout(overfits=v, mechanism="thresholdout", tolerance=0.1, guess="cv", train=(X, Y)),
        "count",
        is_zero,
    ),
    Refusal("rounds", "rounds", lambda v: holdout(rounds=v, mechanism="rounds"), "count", is_none),
    Refusal("confidence_level", "confidence_level", lambda v: holdout(confidence_level=v), "level"),
    Refusal(
        "random_state", "random_state", lambda v: holdout(random_state=v, guess="cv", train=(X, Y)), "seed"
    ),
    Refusal(
        "guess",
        "guess",
        lambda v: holdout(mechanism="guess_and_check").infer(Y, guess=v),
        "level",
        lambda v: v in (0, 1) and not isinstance(v, bool) if isinstance(v, int | float) else v is None,
    ),
    Refusal(
        "vault",
        "vault",
        lambda v: holdout(vault=v),
        "level",
        lambda v: isinstance(v, int | float) and not isinstance(v, bool) and v == 0,
    ),
    Probe("discover(targets)", "target", lambda v: discovered([v]), (N,), decides=LABELS),
    Refusal(
        "discover(at_least)",
        "at_least",
        lambda v: discovered([Y], at_least=v),
        "level",
        lambda v: is_zero(v) or is_one(v),
    ),
    Refusal(
        "discover(false_discovery_rate)",
        "false_discovery_rate",
        lambda v: discovered([Y], false_discovery_rate=v),
        "level",
    ),
    Probe(
        "SelectFromHoldout.fit(X)",
        "X",
        selected,
        (N, 2),
        left_out=frozenset({"huge"}),
        unnamed=WORDED_ELSEWHERE,
    ),
    Probe(
        "SelectFromHoldout.fit(y), classes",
        "y",
        lambda y: selected(y=y),
        (N,),
        decides=LABELS,
        left_out=SAME | {"huge", "mixed_magnitudes"},
    ),
    Probe(
        "SelectFromHoldout.fit(y), numbers",
        "y",
        lambda y: selected(y=y, model=LinearRegression()),
        (N,),
        left_out=frozenset({"huge", "mixed_magnitudes"}),
    ),
    Refusal(
        "SelectFromHoldout(max_features)",
        "max_features",
        lambda v: selected(max_features=v),
        "count",
        is_none,
    ),
    Refusal("plan(n)", "n must", planned, "count"),
    Refusal("plan(queries)", "queries", lambda v: planned(queries=v), "count"),
    Refusal("plan(overfits)", "overfits", lambda v: planned(overfits=v), "count", is_zero),
    Refusal("plan(rounds)", "rounds", lambda v: planned(rounds=v), "count", is_none),
    Refusal("plan(candidates)", "candidates", lambda v: planned(candidates=v), "count"),
    Refusal("plan(baseline)", "baseline", lambda v: planned(baseline=v), "level", is_one),
    Refusal("plan(confidence_level)", "confidence_level", lambda v: planned(confidence_level=v), "level"),
    Refusal("ReusableHoldout.plan(n)", "n must", lambda v: holdout().plan(v), "count", is_none),
]
