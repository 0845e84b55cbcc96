"""Companions of every public call in another order of rows: the same answer, or a refusal; never another answer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

N = 240


def frame(rng: np.random.Generator) -> pd.DataFrame:
    """Rows with identifiers as their index, and everything that may arrive beside them."""
    x = rng.normal(size=N)
    rows = pd.DataFrame({"x": x, "w": rng.normal(size=N)}, index=[f"doc-{i:04d}" for i in rng.permutation(N)])
    rows["y"] = x + 0.5 * rng.normal(size=N)
    rows["class"] = (rows["y"] > 0).astype(int)
    rows["machine"] = rows["y"] + 0.5 * rng.normal(size=N)
    rows["group"] = np.repeat(np.arange(N // 4), 4)
    rows["stratum"] = rng.choice(["a", "b"], N)
    rows["y"] += rows["stratum"] == "b"
    rows["weight"] = rng.uniform(0.5, 2, N)
    return rows


def other_order(values: Any) -> Any:
    return values.iloc[np.random.default_rng(9).permutation(len(values))]


def mutual(rows, y):
    from validstats import mutual_info

    return mutual_info(rows[["x"]], y, method="ksg").estimate


def independence(rows, y, strata):
    from validstats import independence_test

    return independence_test(rows[["x"]], y, strata=strata, n_permutations=39, random_state=0).null


def conditional(rows, y, z):
    from validstats.mi import conditional_mutual_info

    return conditional_mutual_info(rows[["x"]], y, z).estimate


def learned(rows, y):
    from validstats import LearnedMI

    return LearnedMI().infer(rows[["x"]], y).estimate


def selector(rows, y):
    from validstats import MISelector

    return MISelector(k=1).fit(rows[["x", "w"]], y).scores_


def predictor():
    from sklearn.linear_model import LinearRegression

    from validstats import BatchPredictor, BatchQuantile

    return BatchPredictor(LinearRegression(), BatchQuantile(0.5), random_state=0, confidence_level=0.8)


def batch_fit(rows, y):
    return predictor().fit(rows[["x"]], y).infer(rows[["x"]].iloc[:20]).conf_high


def batch_calibrate(rows, y, strata, weights):
    X = rows[["x"]]
    model = predictor().fit(X.iloc[:80], rows["y"].iloc[:80])
    model.check_reuse = False
    stratified = model.calibrate(X, y, strata=strata)
    some = rows["stratum"].iloc[:25]
    by_stratum = stratified.infer(X.iloc[:25], strata=some).conf_high
    shifted = model.calibrate(X, y, weights=weights, w_max=2.0)
    return np.append(by_stratum, shifted.calibration_.scores.sum())


def batch_infer(rows, batches):
    model = predictor().fit(rows[["x"]].iloc[:120], rows["y"].iloc[:120])
    return np.concatenate(model.infer(rows[["x"]], batches=batches).rows)


def study(rows, labels, **design):
    from validstats import DesignSupervised

    model = DesignSupervised(random_state=0).fit(rows[["x", "machine"]], surrogate="machine")
    return model.calibrate({"y": labels}, **design)


def few(rows):
    return rows["y"].where(np.arange(N) % 3 == 0)


def dsl_calibrate(rows, labels, sampling_probability):
    result = study(rows, labels, sampling_probability=sampling_probability).infer("y ~ x")
    return np.append(result.params, result.std_error)


def dsl_strata(rows, strata):
    return study(rows, few(rows), strata=strata).infer("y ~ x").std_error


def dsl_infer(rows, clusters, weights):
    model = study(rows, few(rows), sampling_probability=1 / 3)
    clustered, weighted = model.infer("y ~ x", clusters=clusters), model.infer("y ~ x", weights=weights)
    return np.append(clustered.std_error, weighted.params)


def holdout(rows, y, **options):
    from sklearn.linear_model import LogisticRegression

    from validstats import ReusableHoldout

    X = rows[["x", "w"]]
    model = LogisticRegression().fit(X, rows["class"])
    asked = ReusableHoldout(queries=5, random_state=0).fit(X, rows["class"])
    return asked.calibrate(X, y, check_reuse=False, **options), model


def holdout_calibrate(rows, y, clusters):
    plain, model = holdout(rows, y)
    clustered, _ = holdout(rows, rows["class"], clusters=clusters)
    part = clustered.desk_.parts.reusable
    return np.append(np.sort(part.unit_means(part.y.astype(float))), plain.infer(model).value)


def holdout_fit(rows, y):
    from sklearn.linear_model import LogisticRegression

    from validstats import ReusableHoldout

    asked = ReusableHoldout(queries=5, random_state=0).fit(rows[["x"]], y)
    asked.calibrate(rows[["x"]], rows["class"], check_reuse=False)
    return asked.infer(LogisticRegression()).value


def holdout_infer(rows, target):
    asked, _ = holdout(rows, rows["class"])
    return asked.infer(target, guess=0.5).value


CALLS: dict[str, tuple[Callable[..., Any], dict[str, Callable[[pd.DataFrame], Any]]]] = {
    "mutual_info": (mutual, {"y": lambda r: r["y"]}),
    "independence_test": (independence, {"y": lambda r: r["y"], "strata": lambda r: r["stratum"]}),
    "conditional_mutual_info": (conditional, {"y": lambda r: r["y"], "z": lambda r: r["w"]}),
    "LearnedMI.infer": (learned, {"y": lambda r: r[["y"]]}),
    "BatchPredictor.fit": (batch_fit, {"y": lambda r: r["y"]}),
    "BatchPredictor.calibrate": (
        batch_calibrate,
        {"y": lambda r: r["y"], "strata": lambda r: r["stratum"], "weights": lambda r: r["weight"]},
    ),
    "BatchPredictor.infer": (batch_infer, {"batches": lambda r: r["group"] // 20}),
    "DesignSupervised.calibrate": (
        dsl_calibrate,
        {"labels": few, "sampling_probability": lambda r: 0.1 + 0.8 / (1 + np.exp(-r["w"]))},
    ),
    "DesignSupervised.calibrate strata": (dsl_strata, {"strata": lambda r: r["stratum"]}),
    "DesignSupervised.infer": (
        dsl_infer,
        {"clusters": lambda r: r["group"], "weights": lambda r: r["weight"]},
    ),
    "ReusableHoldout.fit": (holdout_fit, {"y": lambda r: r["class"]}),
    "ReusableHoldout.calibrate": (
        holdout_calibrate,
        {"y": lambda r: r["class"], "clusters": lambda r: pd.qcut(r["x"], 60, labels=False)},
    ),
    "ReusableHoldout.infer": (holdout_infer, {"target": lambda r: (r["x"] > 0).astype(int)}),
    "MISelector.fit": (selector, {"y": lambda r: r["y"]}),
}
"""Public call -> a function of the rows and their companions, and the companions."""

CASES = [(call, name) for call, (_, companions) in CALLS.items() for name in companions]


def answered(call: str, rows: pd.DataFrame, **changed: Any) -> np.ndarray:
    function, companions = CALLS[call]
    given = {name: take(rows) for name, take in companions.items()} | changed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(function(rows, **given), dtype=float)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return frame(np.random.default_rng(0))


@pytest.mark.parametrize(("call", "name"), CASES)
def test_equal_labels_in_another_order_give_the_same_answer(call, name, rows) -> None:
    companion = CALLS[call][1][name](rows)
    expected = answered(call, rows)
    np.testing.assert_array_equal(answered(call, rows, **{name: other_order(companion)}), expected)
    by_position = other_order(companion).to_numpy()
    assert not np.array_equal(answered(call, rows, **{name: by_position}), expected, equal_nan=True)


@pytest.mark.parametrize(("call", "name"), CASES)
def test_other_labels_are_refused_by_name(call, name, rows) -> None:
    companion = CALLS[call][1][name](rows)
    strange = companion.set_axis([f"page-{i}" for i in range(N)])
    with pytest.raises(ValueError, match=rf"{name}.* has {N} labels .*'page-0'.*to_numpy"):
        answered(call, rows, **{name: strange})


@pytest.mark.parametrize(("call", "name"), CASES)
def test_shuffled_row_numbers_are_refused(call, name, rows) -> None:
    plain = rows.reset_index(drop=True)
    companion = CALLS[call][1][name](plain)
    with pytest.raises(ValueError, match=rf"{name}.* has the row numbers 0 to {N - 1} as its labels"):
        answered(call, plain, **{name: other_order(companion)})
