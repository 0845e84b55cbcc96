"""Companions of every public call in another order of rows: the same answer, or a refusal; never another answer."""

from __future__ import annotations

import importlib
import inspect
import re
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


def kept_answers(rows, mask):
    from validstats import evals

    return evals.read(rows[["y", "machine"]].assign(item=range(N))).rows(mask).frame["item"]


def beside_answers(rows, values):
    from validstats import evals

    table = evals.read(rows[["y", "machine"]].assign(item=range(N)))
    return table.rows(np.arange(N) % 3 == 0).matched(values, "values")


def piped(rows, y):
    from sklearn.preprocessing import StandardScaler

    from validstats.pipeline import make_pipeline

    X = rows[["x"]]
    pipeline = make_pipeline(StandardScaler(), predictor().set_params(check_reuse=False))
    pipeline.fit(X.iloc[:80], rows["y"].iloc[:80])
    pipeline.calibrate(X, y)
    return pipeline[-1].calibration_.scores


def gated(rows, target, start):
    gate = holdout(rows, rows["class"])[0].gate(start)
    kept = [gate.ask(target), gate.ask(1 - target)]
    return [*kept, *gate.status.values()]


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

    model = DesignSupervised("linear", n_folds=2, n_repeats=1, random_state=0)
    model.fit(rows[["x", "machine"]], surrogate="machine")
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

    from validstats.holdout import Ledger, ReusableHoldout

    X = rows[["x", "w"]]
    model = LogisticRegression().fit(X, rows["class"])
    # a ledger of a simulation: each call has a budget of its own on the same rows
    ledger = Ledger.in_memory(secret=b"companions")
    asked = ReusableHoldout(queries=5, ledger=ledger, random_state=0).fit(X, rows["class"])
    return asked.calibrate(X, y, check_reuse=False, **options), model


def strangers(rows):
    """Other rows of the same law, for a holdout that a search must not have seen."""
    rng = np.random.default_rng(9)
    x, w = rng.normal(size=(2, len(rows)))
    label = (x + rng.normal(size=len(rows)) > 0).astype(int)
    return pd.DataFrame({"x": x, "w": w, "class": label}, index=rows.index)


def holdout_calibrate(rows, y, clusters):
    plain, model = holdout(rows, y)
    clustered, _ = holdout(rows, rows["class"], clusters=clusters)
    part = clustered.desk_.parts.reusable
    return np.append(np.sort(part.unit_means(part.y.astype(float))), plain.infer(model).value)


def holdout_fit(rows, y):
    from sklearn.linear_model import LogisticRegression

    from validstats.holdout import Ledger, ReusableHoldout

    ledger = Ledger.in_memory(secret=b"companions")
    asked = ReusableHoldout(queries=5, ledger=ledger, random_state=0).fit(rows[["x"]], y)
    asked.calibrate(rows[["x"]], rows["class"], check_reuse=False)
    return asked.infer(LogisticRegression()).value


def holdout_infer(rows, target):
    asked, _ = holdout(rows, rows["class"])
    return asked.infer(target, guess=0.5).value


def holdout_extend(rows, y, clusters):
    """Rows join a holdout of other rows."""
    from validstats.holdout import Ledger, ReusableHoldout

    others, found = strangers(rows), []
    for given in (None, clusters):
        asked = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"joining"), random_state=0)
        own = None if given is None else np.repeat(np.arange(N // 4), 4) + 1000
        asked.calibrate(others[["x", "w"]], others["class"], clusters=own)
        part = asked.extend(rows[["x", "w"]], y, clusters=given).desk_.parts.reusable
        found += [np.sort(part.unit_means(part.y.astype(float)))]
    return np.concatenate(found)


def batch_update(rows, y, strata):
    X = rows[["x"]]
    model = predictor().fit(X.iloc[:80], rows["y"].iloc[:80])
    model.check_reuse = False
    model.calibrate(X.iloc[:80], rows["y"].iloc[:80], strata=rows["stratum"].iloc[:80])
    updated = model.update(X, y, strata=strata)
    return updated.infer(X.iloc[:25], strata=rows["stratum"].iloc[:25]).conf_high


def batch_fit_parts(rows, strata, weights):
    X, y = rows[["x"]], rows["y"]
    stratified = predictor().fit(X, y, strata=strata).calibration_.by_stratum
    shifted = predictor().fit(X, y, weights=weights, w_max=2.0)
    return np.append([part.scores.sum() for part in stratified.values()], shifted.calibration_.scores.sum())


def whole_batches(rows, batches):
    model = predictor().fit(rows[["x"]], rows["y"], batches=batches)
    return [part.sum() for part in model.calibration_.by_batch]


def whole_batches_added(rows, batches):
    X, y = rows[["x"]], rows["y"]
    model = predictor().fit(X.iloc[:80], y.iloc[:80])
    model.check_reuse = False
    names = 1000 + rows["group"]
    first = model.calibrate(X, y, batches=batches)
    return [part.sum() for part in first.update(X, y, batches=names).calibration_.by_batch]


def scores_of(rows, y):
    model = predictor().fit(rows[["x"]].iloc[:120], rows["y"].iloc[:120])
    return model.conformity_scores(rows[["x"]], y)


def learner_score(rows, y, sample_weight):
    model = predictor().fit(rows[["x"]].iloc[:120], rows["y"].iloc[:120])
    return model.score(rows[["x"]], y, sample_weight=sample_weight)


def sets_and_claims(rows, y):
    from sklearn.linear_model import LinearRegression

    from validstats import BatchPredictor, Selection, Simultaneous
    from validstats.plotting import SelectionDisplay

    found = []
    for target in (Simultaneous(miss=0.1), Selection(below=0, max_false=20)):
        model = BatchPredictor(LinearRegression(), target, random_state=0, confidence_level=0.8)
        result = model.fit(rows[["x"]], rows["y"]).infer(rows[["x"]])
        if hasattr(result, "contains"):
            found.append(result.contains(y))
        else:
            shown = SelectionDisplay.from_result(result, y=y)
            found += [result.false_if_claimed(y), result.false_claims(y), shown.false]
    return np.concatenate(found)


def interval_of_rows(rows, strata, batches):
    from sklearn.linear_model import LinearRegression

    from validstats import BatchPredictor, Simultaneous

    X, y = rows[["x"]], rows["y"]
    model = BatchPredictor(LinearRegression(), Simultaneous(miss=0.1), random_state=0, confidence_level=0.5)
    plain = model.fit(X, y).predict_interval(X, batches=np.ceil(batches / 12))
    return np.append(plain, model.fit(X, y, strata=rows["stratum"]).predict_interval(X, strata=strata))


def claimed_rows(rows, strata, batches):
    from sklearn.linear_model import LinearRegression

    from validstats import BatchPredictor, Selection

    X, y = rows[["x"]], rows["y"]
    model = BatchPredictor(
        LinearRegression(), Selection(above=0, max_false=8), random_state=0, confidence_level=0.5
    )
    plain = model.fit(X, y).select(X, batches=np.minimum(batches // 10, 2))
    return np.append(plain, model.fit(X, y, strata=rows["stratum"]).select(X, strata=strata))


def within_batches(rows, batches):
    from validstats.batch import within_batch_test

    return within_batch_test(rows["y"], batches, n_permutations=9, random_state=0).statistic


def weighted_balance(rows, weights):
    from validstats.batch import weight_test

    return weight_test(rows[["x", "w"]], weights, rows[["x"]].assign(w=0.1)).balance


def learned_value(rows, y):
    from validstats import LearnedMI

    return LearnedMI().predict(rows[["x"]], y)


def units_of_mi(rows, ids, clusters):
    from validstats import mutual_info

    return [
        mutual_info(rows[["x"]], rows["y"], method="ksg", certify=False, **{name: values}).estimate
        for name, values in (("ids", ids), ("clusters", clusters))
    ]


def learned_units(rows, ids, clusters):
    from validstats import LearnedMI

    return [
        LearnedMI().infer(rows[["x"]], rows["y"], certify=False, **{name: values}).estimate
        for name, values in (("ids", ids), ("clusters", clusters))
    ]


def conditional_test(rows, y, z):
    from validstats.mi import conditional_independence_test

    return conditional_independence_test(rows[["x"]], y, z, random_state=0).statistic


def distances(rows, y):
    from validstats.mi import distance_correlation

    return distance_correlation(rows[["x"]], y)


def dsl_clusters(rows, clusters):
    return study(rows, few(rows), sampling_probability=1 / 3, clusters=clusters).infer("y ~ x").std_error


def dsl_offset(rows, offset, cross_fitted):
    counts = np.floor(np.exp(few(rows).clip(upper=2)))
    poisson = study(rows, counts, sampling_probability=1 / 3).infer("y ~ x", model="poisson", offset=offset)
    plain = study(rows, few(rows), sampling_probability=1 / 3).infer("y ~ x", cross_fitted=cross_fitted)
    return np.append(poisson.params, plain.params)


def dsl_later_clusters(rows, clusters):
    from validstats.dsl import joint_covariance

    result = study(rows, few(rows), sampling_probability=1 / 3).infer("y ~ x")
    drawn = result.bootstrap(5, clusters=clusters, random_state=0)
    joint = joint_covariance([result, result], clusters=[clusters])
    return np.concatenate([result.recluster(clusters).std_error, drawn.ravel(), joint.ravel()])


def sampling_design(rows, strata, uncertainty):
    from validstats.dsl import design_sampling

    by_stratum = design_sampling(rows, 100, method="stratified", strata=strata, random_state=0)
    active = design_sampling(rows, 100, method="neyman", uncertainty=uncertainty, random_state=0)
    return np.append(by_stratum.sampling_probability, active.sampling_probability)


def holdout_releases(rows, target):
    """Every release, each of a holdout of its own: the first question decides what the next costs."""
    asks = (
        lambda asked: asked.compare(target, 1 - rows["class"]).value,
        lambda asked: asked.validate(target, at_least=0.8).passed,
        lambda asked: asked.validate_gain(target, 1 - rows["class"], at_least=0.6).passed,
        lambda asked: asked.leaderboard().submit(target).value,
        lambda asked: asked.gate(1 - rows["class"]).ask(target),
        lambda asked: asked.discover([target], at_least=0.7).any(),
    )
    return [float(ask(holdout(rows, rows["class"])[0])) for ask in asks]


def searched(rows, y):
    from sklearn.linear_model import LogisticRegression

    from validstats.holdout import HoldoutSearchCV

    others = strangers(rows)
    asked, _ = holdout(others, others["class"])
    found = HoldoutSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, asked).fit(rows[["x", "w"]], y)
    return found.best_estimator_.coef_


def selected_features(rows, y):
    from sklearn.linear_model import LogisticRegression

    from validstats.holdout import SelectFromHoldout

    others = strangers(rows)
    asked, _ = holdout(others, others["class"])
    found = SelectFromHoldout(LogisticRegression(), asked).fit(rows[["x", "w"]], y)
    return found.ranking_ if hasattr(found, "ranking_") else found.get_support()


def answers_of(rows):
    return pd.DataFrame(
        {
            "item": np.arange(N),
            "judge": rows["machine"].gt(0).astype(int),
            "human": few(rows).gt(0).where(few(rows).notna()),
        },
        index=rows.index,
    )


def evaluated(rows, weights, clusters, sampling_probability, strata):
    from validstats import evals

    plain = answers_of(rows)[["item", "judge"]]
    weighted = evals.evaluate(plain, judge="judge", weights=weights)
    clustered = evals.evaluate(plain, judge="judge", clusters=clusters)
    judged = evals.evaluate(answers_of(rows), sampling_probability=sampling_probability, random_state=0)
    drawn = evals.evaluate(answers_of(rows), strata=strata, random_state=0)
    ends = (weighted.estimate, clustered.conf_high, judged.estimate, drawn.estimate)
    return np.concatenate([np.ravel(end) for end in ends])


def two_systems(rows):
    one = answers_of(rows).assign(system="a")
    one["system"] = np.where(np.arange(N) % 2, "a", "b")
    one["item"] = np.arange(N) // 2
    return one


def compared(rows, weights, clusters, sampling_probability):
    from validstats import evals

    plain = two_systems(rows)[["item", "system", "judge"]]
    weighted = evals.compare(plain, score="judge", a="a", b="b", weights=weights)
    clustered = evals.compare(plain, score="judge", a="a", b="b", clusters=clusters)
    judged = evals.compare(
        two_systems(rows), a="a", b="b", sampling_probability=sampling_probability, random_state=0
    )
    return np.concatenate([np.ravel(r) for r in (weighted.estimate, clustered.conf_high, judged.estimate)])


def ranked(rows, weights, clusters, sampling_probability):
    from validstats import evals

    plain = two_systems(rows)[["item", "system", "judge"]]
    weighted = evals.rank(plain, score="judge", weights=weights, random_state=0)
    clustered = evals.rank(plain, score="judge", clusters=clusters, random_state=0)
    judged = evals.rank(two_systems(rows), sampling_probability=sampling_probability, random_state=0)
    return np.concatenate([np.ravel(r) for r in (weighted.estimate, clustered.conf_high, judged.estimate)])


def battles(rows, clusters, sampling_probability):
    from validstats import evals

    table = pd.DataFrame(
        {
            "model_a": np.where(np.arange(N) % 2, "p", "q"),
            "model_b": np.where(np.arange(N) % 3, "r", "s"),
            "winner": np.where(rows["machine"] > 0, "model_a", "model_b"),
            "human": np.where(few(rows).isna(), None, np.where(few(rows) > 0, "model_a", "model_b")),
        },
        index=rows.index,
    )
    judged = evals.rank(
        table, judge="winner", human="human", sampling_probability=sampling_probability, random_state=0
    )
    clustered = evals.rank(table.drop(columns="human"), judge="winner", clusters=clusters, random_state=0)
    return np.append(np.ravel(judged.estimate), np.ravel(clustered.conf_high))


def samples_passed(rows, sampling_probability):
    from validstats import evals

    table = answers_of(rows).rename(columns={"item": "problem"})
    table["problem"] = np.arange(N) // 8
    return evals.pass_at_k(
        table,
        problem="problem",
        passed="judge",
        human="human",
        sampling_probability=sampling_probability,
        k=2,
        random_state=0,
    ).estimate


def released(rows, right_checked):
    from validstats import evals

    return evals.release(rows["machine"], right_checked, rows["x"], max_false=15).selected


def probabilities(rows):
    return 0.1 + 0.8 / (1 + np.exp(-rows["w"]))


def units_beside(rows):
    return pd.Series(np.arange(N) // 3, index=rows.index)


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
        {"labels": few, "sampling_probability": probabilities},
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
    "ReusableHoldout.extend": (
        holdout_extend,
        {"y": lambda r: r["class"], "clusters": lambda r: pd.qcut(r["x"], 60, labels=False)},
    ),
    "MISelector.fit": (selector, {"y": lambda r: r["y"]}),
    "BatchPredictor.update": (batch_update, {"y": lambda r: r["y"], "strata": lambda r: r["stratum"]}),
    "BatchPredictor.fit parts": (
        batch_fit_parts,
        {"strata": lambda r: r["stratum"], "weights": lambda r: r["weight"]},
    ),
    "BatchPredictor.fit batches": (whole_batches, {"batches": lambda r: r["group"]}),
    "BatchPredictor.calibrate batches": (whole_batches_added, {"batches": lambda r: r["group"]}),
    "BatchPredictor.conformity_scores": (scores_of, {"y": lambda r: r["y"]}),
    "BatchPredictor.score": (
        learner_score,
        {"y": lambda r: r["y"], "sample_weight": lambda r: r["weight"]},
    ),
    "BatchPredictor.predict_interval, BatchPredictor.infer": (
        interval_of_rows,
        {"strata": lambda r: r["stratum"], "batches": lambda r: r["group"]},
    ),
    "BatchPredictor.select": (
        claimed_rows,
        {"strata": lambda r: r["stratum"], "batches": lambda r: r["group"]},
    ),
    "BatchSets.contains, BatchSelection.false_claims, BatchSelection.false_if_claimed, BatchSelection.plot": (
        sets_and_claims,
        {"y": lambda r: r["y"]},
    ),
    "within_batch_test": (within_batches, {"batches": lambda r: r["group"]}),
    "weight_test": (weighted_balance, {"weights": lambda r: r["weight"]}),
    "LearnedMI.predict": (learned_value, {"y": lambda r: r[["y"]]}),
    "mutual_info units": (units_of_mi, {"ids": units_beside, "clusters": units_beside}),
    "LearnedMI.infer units": (learned_units, {"ids": units_beside, "clusters": units_beside}),
    "conditional_independence_test": (
        conditional_test,
        {"y": lambda r: r["y"], "z": lambda r: r["w"]},
    ),
    "distance_correlation": (distances, {"y": lambda r: r["y"]}),
    "DesignSupervised.calibrate clusters": (dsl_clusters, {"clusters": lambda r: r["group"]}),
    "DesignSupervised.infer offset": (
        dsl_offset,
        {"offset": lambda r: r["weight"], "cross_fitted": lambda r: r["machine"]},
    ),
    "CoefficientResult.recluster, CoefficientResult.bootstrap, joint_covariance": (
        dsl_later_clusters,
        {"clusters": lambda r: r["group"]},
    ),
    "design_sampling": (
        sampling_design,
        {"strata": lambda r: r["stratum"], "uncertainty": lambda r: r["weight"]},
    ),
    "ReusableHoldout releases": (holdout_releases, {"target": lambda r: (r["x"] > 0).astype(int)}),
    "HoldoutSearchCV.fit": (searched, {"y": lambda r: r["class"]}),
    "SelectFromHoldout.fit": (selected_features, {"y": lambda r: r["class"]}),
    "evals.evaluate": (
        evaluated,
        {
            "weights": lambda r: r["weight"],
            "clusters": lambda r: r["group"],
            "sampling_probability": probabilities,
            "strata": lambda r: r["stratum"],
        },
    ),
    "evals.compare": (
        compared,
        {
            "weights": lambda r: r["weight"],
            "clusters": lambda r: r["group"] // 2,
            "sampling_probability": probabilities,
        },
    ),
    "evals.rank": (
        ranked,
        {
            "weights": lambda r: r["weight"],
            "clusters": lambda r: r["group"] // 2,
            "sampling_probability": probabilities,
        },
    ),
    "evals.rank battles": (
        battles,
        {"clusters": lambda r: r["group"], "sampling_probability": probabilities},
    ),
    "evals.pass_at_k": (samples_passed, {"sampling_probability": probabilities}),
    "evals.EvalTable.rows": (kept_answers, {"mask": lambda r: r["y"] > 0}),
    "evals.EvalTable.matched": (beside_answers, {"values": lambda r: r["weight"]}),
    "Pipeline.calibrate": (piped, {"y": lambda r: r["y"]}),
    "Gate.ask": (
        lambda r, target: gated(r, target, (r["w"] > 0).astype(int)),
        {"target": lambda r: (r["x"] > 0).astype(int)},
    ),
    # A start without a fault, which nothing improves; in another order it is a bad one.
    "ReusableHoldout.gate": (
        lambda r, start: gated(r, (r["x"] > 0).astype(int), start),
        {"start": lambda r: r["class"]},
    ),
    "evals.release": (released, {"right_checked": lambda r: r["class"]}),
}
"""Public call -> a function of the rows and their companions, and the companions."""

CASES = [(call, name) for call, (_, companions) in CALLS.items() for name in companions]
# in the fast lane one companion of each call, in turn; in the slow lane every one
IN_TURN = [
    pytest.param(call, name, marks=() if j == i % len(companions) else pytest.mark.slow)
    for i, (call, (_, companions)) in enumerate(CALLS.items())
    for j, name in enumerate(companions)
]


def answered(call: str, rows: pd.DataFrame, **changed: Any) -> np.ndarray:
    function, companions = CALLS[call]
    given = {name: take(rows) for name, take in companions.items()} | changed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(function(rows, **given), dtype=float)


AS_SAID = {"ReusableHoldout releases": r"(target|first|second|targets\[0\])"}
"""Names under which predictions are handed to several releases."""


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return frame(np.random.default_rng(0))


@pytest.mark.share(5)
@pytest.mark.parametrize(("call", "name"), IN_TURN)
def test_equal_labels_in_another_order_give_the_same_answer(call, name, rows) -> None:
    companion = CALLS[call][1][name](rows)
    expected = answered(call, rows)
    np.testing.assert_array_equal(answered(call, rows, **{name: other_order(companion)}), expected)
    by_position = other_order(companion).to_numpy()
    try:
        found = answered(call, rows, **{name: by_position})
    except ValueError:  # what belongs to other rows does not fit together
        return
    assert not np.array_equal(found, expected, equal_nan=True)


@pytest.mark.share(3)
@pytest.mark.parametrize(("call", "name"), CASES)
def test_other_labels_are_refused_by_name(call, name, rows) -> None:
    companion = CALLS[call][1][name](rows)
    strange = companion.set_axis([f"page-{i}" for i in range(N)])
    with pytest.raises(ValueError, match=rf"{AS_SAID.get(call, name)}.* has {N} labels .*'page-0'.*to_numpy"):
        answered(call, rows, **{name: strange})


@pytest.mark.share(3)
@pytest.mark.parametrize(("call", "name"), CASES)
def test_shuffled_row_numbers_are_refused(call, name, rows) -> None:
    plain = rows.reset_index(drop=True)
    companion = CALLS[call][1][name](plain)
    with pytest.raises(
        ValueError, match=rf"{AS_SAID.get(call, name)}.* has the row numbers 0 to {N - 1} as its labels"
    ):
        answered(call, plain, **{name: other_order(companion)})


# --- no argument is forgotten -----------------------------------------------------------------------------

_PER_ROW = re.compile(r"of shape \((n|n_rows|n_batches|R|m),")
_OURS = ("Score", "Target", "Metric", "Family", "FamilyMixture", "FlowFamily", "Envelope")
ROWS_THEMSELVES = {"X", "x", "data", "units", "residuals", "calibration", "batch", "scores", "e_values"} | {
    "scores_checked",
    "scores_new",
    "ids",
}
"""Arguments that are the rows or name them: others are matched to them."""
ALONE = {
    ("betting_e_value", "values"): "one array, nothing beside it",
    ("forecast_gain", "pilot"): "a pair of arrays that were drawn together",
    ("BatchEnvelopes.plot", "truth"): "sorted scores have no rows",
}
"""Arguments of one value a row that nothing is matched to, and why."""
BY_BATCH = {
    (f"{name}.{method}", argument)
    for name in ("BatchResult", "BatchIntervals", "BatchSets", "BatchSelection", "BatchEnvelopes")
    for method, argument in (("by_batch", "values"), ("plot", "truth"))
}
"""Arguments of one value a batch: test_truths_of_batches_are_matched_by_the_names_of_batches."""


def per_row_arguments() -> set[tuple[str, str]]:
    """Arguments of public calls that are documented as one value a row."""
    found = set()
    for module in ("batch", "holdout", "dsl", "mi", "evals"):
        door = importlib.import_module(f"validstats.{module}")
        for name in door.__all__:
            value = getattr(door, name)
            if not inspect.isclass(value):
                calls = {name: value} if inspect.isfunction(value) else {}
            elif any(base.__name__ in _OURS for base in value.__mro__):
                calls = {}
            else:
                methods = {k: inspect.getattr_static(value, k) for k in dir(value) if not k.startswith("_")}
                plain = {k: getattr(v, "fn", v) for k, v in methods.items()}
                calls = {f"{name}.{k}": v for k, v in plain.items() if inspect.isfunction(v)}
            for call, function in calls.items():
                prefix = f"evals.{call}" if module == "evals" else call
                for argument, kind in documented(function):
                    if _PER_ROW.search(kind) and argument not in ROWS_THEMSELVES:
                        found.add((prefix, argument))
    return found


def documented(function: Any) -> list[tuple[str, str]]:
    """Arguments with their types, as the docstring has them."""
    text = inspect.cleandoc(function.__doc__ or "").partition("Parameters\n----------\n")[2]
    text = re.split(r"\n\w+\n-{3,}\n", text)[0]
    lines = re.findall(r"^([*\w, ]+) : (.+)$", text, flags=re.MULTILINE)
    return [(name.strip(" *"), kind) for names, kind in lines for name in names.split(",")]


def test_every_argument_of_one_value_a_row_is_tested_here() -> None:
    tested = {(call, argument) for call, (_, companions) in CALLS.items() for argument in companions}
    covered = {(part.strip(), argument) for calls, argument in tested for part in calls.split(",")}
    plain = {(call.split(" ")[0], argument) for call, argument in covered}
    missing = per_row_arguments() - covered - plain - set(ALONE) - BY_BATCH
    assert not missing, f"write a case of CALLS for, or say why none is needed: {sorted(missing)}"


def test_arguments_are_found_by_their_documented_shape() -> None:
    found = per_row_arguments()
    assert ("BatchPredictor.calibrate", "weights") in found
    assert ("DesignSupervised.calibrate", "sampling_probability") in found
    assert len(found) >= 40


def test_truths_of_coefficients_are_matched_by_their_names(rows) -> None:
    from validstats.plotting import CoefficientDisplay

    result = study(rows, few(rows), sampling_probability=1 / 3).infer("y ~ x")
    truth = pd.Series([0.5, 1.0], index=list(result.names))
    for given in (truth, truth.iloc[::-1], truth.to_numpy()):
        np.testing.assert_array_equal(CoefficientDisplay.from_result(result, truth=given).truth, [1.0])
    for wrong in (truth.set_axis(["a", "b"]), [1.0], ["a", "b"], [[1.0], [1.0, 2.0]], np.array([1j, 2])):
        with pytest.raises((ValueError, TypeError), match="truth"):
            CoefficientDisplay.from_result(result, truth=wrong)


def test_truths_of_batches_are_matched_by_the_names_of_batches(rows) -> None:
    from validstats.plotting import BatchIntervalDisplay

    weeks = np.array(["d", "a", "c", "b"])[rows["group"] % 4]
    result = predictor().fit(rows[["x"]], rows["y"]).infer(rows[["x"]], batches=weeks)
    truth = rows["y"].groupby(weeks).median()
    expected = truth.to_numpy()
    for given in (truth, truth.iloc[::-1], truth.to_numpy()):
        np.testing.assert_array_equal(result.by_batch(given, "truth"), expected)
        np.testing.assert_array_equal(BatchIntervalDisplay.from_result(result, truth=given).truth, expected)
    with pytest.raises(ValueError, match=r"truth has 4 labels .*'e'.*to_numpy"):
        result.by_batch(truth.rename({"d": "e"}), "truth")
