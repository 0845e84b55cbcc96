"""The one contract of results: what every inference and every public function returns."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
import numpy as np
import pytest

from tests.public import annotated, calls, public_objects
from validstats import Guarantee
from validstats.results import NotApplicable, Result

matplotlib.use("Agg")


def batch_results() -> Iterator[tuple[str, Callable[[], Any]]]:
    """One result of each kind about batches."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    from validstats import batch

    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = X[:, 0] + rng.normal(scale=0.5, size=400)
    weeks = np.repeat(["first", "second"], 20)

    def infer(target: Any, learner: Any = None, labels: Any = y, **options: Any) -> Any:
        model = batch.BatchPredictor(learner or LinearRegression(), target, random_state=0, **options)
        return model.fit(X[:360], labels[:360]).infer(X[360:], batches=weeks)

    yield "mean", lambda: infer(batch.BatchMean(), bounds=(-9, 9))
    yield "quantiles", lambda: infer(batch.BatchQuantile((0.25, 0.5)))
    yield "sets", lambda: infer(batch.Simultaneous(miss=0.2))
    yield "classes", lambda: infer(batch.Simultaneous(miss=0.2), LogisticRegression(), (y > 0).astype(int))
    yield "selection", lambda: infer(batch.Selection(above=0.0, max_false=4))
    yield "selection by rate", lambda: infer(batch.Selection(above=0.0, fdr=0.2))
    yield "envelope", lambda: infer(batch.Envelope(), bounds=(-9, 9))
    yield "envelope of claims", lambda: infer(batch.Envelope(side="upper", above=0.0))
    claims = batch.Envelope(above=0.0)
    yield "false claims of selections", lambda: infer(claims).discoveries()
    yield (
        "levels",
        lambda: (
            batch.BatchPredictor(LinearRegression(), batch.BatchMean(), bounds=(-9, 9), random_state=0)
            .fit(X[:360], y[:360])
            .infer(X[360:], batches=weeks, confidence_level=(0.8, 0.9))
        ),
    )
    yield "plan", lambda: batch.plan_batch(batch.Simultaneous(miss=0.1), m=100, n=50)
    units = np.repeat(np.arange(20), 20)
    yield "rows within batches", lambda: batch.within_batch_test(y, units, n_permutations=99, random_state=0)
    yield "order of batches", lambda: batch.unit_order_test(y[:30], n_permutations=99, random_state=0)
    yield "too few batches", lambda: batch.unit_order_test(y[:3])
    yield "covariates", lambda: batch.covariate_test(X[:99], X[99:200], n_permutations=49, random_state=0)
    yield "weights", lambda: batch.weight_test(X[:200], np.ones(200), X[200:])
    yield "martingale", lambda: batch.conformal_martingale(y, random_state=0)


def holdout_results() -> Iterator[tuple[str, Callable[[], Any]]]:
    """One result of each verb of the reusable holdout."""
    from sklearn.linear_model import LogisticRegression

    from validstats import holdout

    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 2))
    y = (X[:, 0] + rng.normal(size=3000) > 0).astype(int)
    models = [LogisticRegression(C=c).fit(X[:1000], y[:1000]) for c in (0.01, 1.0)]

    def opened(**options: Any) -> Any:
        ledger = holdout.Ledger.in_memory(secret=b"a simulation: each has a budget of its own")
        settings = {"queries": 20, "mechanism": "guess_and_check", "random_state": 0, "ledger": ledger}
        rh = holdout.ReusableHoldout(**settings, **options)
        return rh.fit(X[:1000], y[:1000]).calibrate(X[1000:], y[1000:])

    yield "answer", lambda: opened().infer(models[1])
    yield "loss", lambda: opened().infer(models[1], metric=holdout.log_loss())
    yield "AUC", lambda: opened().infer(models[1], metric="auc")
    yield "bit", lambda: opened().validate(models[1], at_least=0.6)
    yield "winner", lambda: opened().best(models)
    yield "difference", lambda: opened().compare(*models)
    yield "board", lambda: opened().leaderboard(baseline=0.5).submit(models[1])
    yield "vault", lambda: opened(vault=0.2).final(models[1])
    yield "answers", lambda: opened().score_many(models)
    yield "discoveries", lambda: opened().discover(models, at_least=0.6)
    bets = holdout.betting_e_value(y[:500].astype(float), 0.4)
    yield "e-value", lambda: bets
    yield "paid e-value", lambda: holdout.kraft_e_value(bets, 2.0)
    yield "e-BH", lambda: holdout.e_bh([bets, 3.0, 40.0], 0.1)
    yield "e-LOND", lambda: holdout.e_lond([bets, 3.0, 40.0], 0.1)
    yield "vault of a gate", lambda: opened(vault=0.2).gate(1 - y[1000:]).final()
    yield "plan", lambda: holdout.plan(2000, 20)
    yield "certificate", lambda: opened().gate(np.zeros(2000, dtype=int)).certify()
    yield "audit", lambda: holdout.audit_looks(2000, 0.85, decimals=2, looks=9, candidates=50)


def evals_results() -> Iterator[tuple[str, Callable[[], Any]]]:
    """One result of each verb of evaluations."""
    from validstats import evals
    from validstats.holdout import Ledger

    rng = np.random.default_rng(0)
    truth = rng.random((300, 3)) < [0.5, 0.6, 0.9]
    labelled = np.repeat(rng.random(300) < 0.4, 3)
    rows = {
        "item": np.repeat(np.arange(300), 3),
        "system": ["Ash", "Birch", "Cedar"] * 300,
        "topic": np.repeat(np.array(["first", "second"])[np.arange(300) % 2], 3),
        "judge": (truth ^ (rng.random((300, 3)) < 0.1)).ravel().astype(float),
        "human": np.where(labelled, truth.ravel(), np.nan),
    }
    passed = rng.random((40, 10)) < 0.5
    audited = np.repeat(np.arange(40) < 20, 10) & passed.ravel()
    samples = {
        "problem": np.repeat(np.arange(40), 10),
        "passed": passed.ravel().astype(int),
        "audit": np.where(audited, rng.random(400) < 0.7, np.nan),
        "audit_probability": 0.5,
    }
    names = np.array(["Ash", "Birch", "Cedar"])
    pairs = np.array([rng.permutation(3)[:2] for _ in range(300)])
    battles = {
        "model_a": names[pairs[:, 0]],
        "model_b": names[pairs[:, 1]],
        "winner": rng.choice(["model_a", "model_b", "tie"], 300),
    }
    samples["audit_probability"] = np.full(400, 0.5)
    yield "evaluation", lambda: evals.evaluate(rows, system="Ash", by="topic")
    yield "agreement", lambda: evals.evaluate(rows, system="Ash").judge
    yield "comparison", lambda: evals.compare(rows, "Cedar", "Ash")
    scores = {name: rows[name] for name in ("item", "system", "judge")}
    yield "word", lambda: evals.compare(scores, "Cedar", "Ash", ledger=Ledger.in_memory())
    yield "ranking", lambda: evals.rank(rows)
    yield "battles", lambda: evals.rank(battles)
    yield "samples", lambda: evals.pass_at_k(samples, wrong_costs=1)
    yield (
        "release",
        lambda: evals.release(rng.random(200), rng.random(200) < 0.9, rng.random(50), max_false=9),
    )
    yield "plan", lambda: evals.plan(difference=0.05, discordance=0.2)


def dsl_results() -> Iterator[tuple[str, Callable[[], Any]]]:
    """One result of each kind about regressions with machine labels."""
    import pandas as pd

    from validstats import dsl

    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 1500))
    truth = (rng.random(1500) < 1 / (1 + np.exp(-x))).astype(float)
    machine = np.where(rng.random(1500) < 0.85, truth, 1 - truth)
    frame = pd.DataFrame({"x": x, "z": z, "machine": machine})
    known = pd.Series(np.where(rng.random(1500) < 0.3, truth, np.nan), name="y")

    def infer(formula: str, **options: Any) -> Any:
        model = dsl.DesignSupervised(random_state=0, n_repeats=1).fit(frame, surrogate="machine")
        return model.calibrate(known).infer(formula, **options)

    def labelled(rule: str) -> Any:
        model = dsl.DesignSupervised(sequential=True, random_state=0).fit(frame, surrogate="machine")
        answers = np.full(1500, np.nan)
        for _ in range(3):
            rows = model.next_labels(400, rule=rule).to_label
            answers[rows] = truth[rows]
            model.calibrate(answers)
        return model

    yield "regression", lambda: infer("y ~ x + z", model="logit")
    yield "odds ratios", lambda: infer("y ~ x + z", model="logit").exponentiated()
    yield "marginal effects", lambda: infer("y ~ x + z", model="logit").marginal_effects()
    yield "linear regression", lambda: infer("y ~ x + z")
    yield "Wald test", lambda: infer("y ~ x + z").joint_test()
    yield "fits side by side", lambda: infer("y ~ x + z").compare()
    yield (
        "stream",
        lambda: (
            dsl.DesignSupervised(random_state=0)
            .fit([frame.assign(y=known)], surrogate="machine")
            .calibrate("y")
            .infer("y ~ x")
        ),
    )
    yield "label plan", lambda: infer("y ~ x + z").plan_labels()
    yield "label plan with a target", lambda: infer("y ~ x + z").plan_labels(target_std_error=0.02)
    yield "gain", lambda: dsl.forecast_gain(5000, [100, 500], pilot=(truth[:90], machine[:90]))
    yield "whom to label", lambda: dsl.design_sampling(frame, 100, random_state=0)
    yield "next labels", lambda: labelled("uniform").next_labels(200)
    yield "looks", lambda: labelled("uniform").infer("label ~ x", model="linear")


def mi_results() -> Iterator[tuple[str, Callable[[], Any]]]:
    """One result of each kind about mutual information."""
    from validstats import mi

    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    y = x[:, 0] + rng.normal(size=200)
    pairs = [(x, y), (x[:, 0], y)]
    yield "learned", lambda: mi.LearnedMI().infer(x, y)
    yield "learned, several", lambda: mi.LearnedMI().infer(pairs)
    yield "one call", lambda: mi.mutual_info(x, y)
    yield "plug-in", lambda: mi.mutual_info(x[:, 0] > 0, y > 0, method="plug-in")
    yield "matrix", lambda: mi.mutual_info_matrix(np.column_stack([x, y]), method="gaussian", intervals=True)
    yield "conditional", lambda: mi.conditional_mutual_info(x[:, 0], y, x[:, 1])
    yield "test", lambda: mi.independence_test(x, y, n_permutations=99, random_state=0)
    yield "conditional test", lambda: mi.conditional_independence_test(x[:, 0], y, x[:, 1], random_state=0)


FACTORIES = [
    pytest.param(functools.cache(make), id=f"{domain}: {name}")
    for domain, results in (
        ("batch", batch_results),
        ("holdout", holdout_results),
        ("evals", evals_results),
        ("mi", mi_results),
        ("dsl", dsl_results),
    )
    for name, make in results()
]


@pytest.fixture(params=FACTORIES, scope="module")
def result(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_it_has_every_part(result: Any) -> None:
    for name in ("estimate", "conf_low", "conf_high", "naive", "confidence_level"):
        value = getattr(result, name)
        assert isinstance(value, NotApplicable | float | int | np.ndarray | np.generic), name
        if isinstance(value, NotApplicable):
            assert value.reason
    assert isinstance(result.guarantee, Guarantee)
    assert result.n_reference == result.guarantee.n_reference > 0
    assert isinstance(result.informative, bool)


def test_its_interval_has_the_shape_of_its_estimate_and_holds_it(result: Any) -> None:
    low, high, estimate = result.conf_low, result.conf_high, result.estimate
    if isinstance(low, NotApplicable):
        assert isinstance(high, NotApplicable)
        return
    assert np.shape(low) == np.shape(high)
    assert (np.asarray(low) <= np.asarray(high)).all()
    if not isinstance(estimate, NotApplicable):
        assert np.shape(low) == np.shape(estimate)
    if np.shape(low):
        assert len(result.terms) == np.shape(low)[-1]


def test_its_answer_is_one_sentence_that_opens_the_summary(result: Any) -> None:
    answer = result.answer
    assert answer and answer[0] == answer[0].upper() and not answer.endswith(".")
    assert "nan" not in answer.lower().split() and "e+" not in answer
    text = " ".join(result.summary().as_text().split())
    assert answer in text
    assert "What you can rely on" in text and "Check that" in text
    assert len(result.guarantee.check) <= 3


def test_details_are_printed_on_request(result: Any) -> None:
    assert "Source:" not in str(result)
    assert "Source:" in str(result.summary(details=True))


def test_tables_follow_labels_and_leave_out_terms(result: Any) -> None:
    tidy = result.tidy()
    name = next(n for n in ("batch", "term", "row") if n in tidy.columns)
    entries = list(dict.fromkeys(map(str, tidy[name])))
    shorter = result.tidy(drop=entries[:1])
    assert len(shorter) < len(tidy) and entries[0] not in list(map(str, shorter[name]))
    renamed = result.tidy(labels={entries[-1]: "In other words"})
    assert "In other words" in list(renamed[name])
    assert len(result.glance()) == 1


def test_it_is_written_to_json_with_its_schema(result: Any) -> None:
    content = json.loads(json.dumps(result.to_dict(), default=str))
    assert content["schema"] == result.schema and content["kind"] == type(result).__name__
    assert content["answer"] == result.answer and len(content["terms"]) == len(result.tidy())
    assert content["guarantee"]["holds"] == result.guarantee.holds


def test_its_figure_takes_axes_words_and_names_first(result: Any) -> None:
    parameters = list(inspect.signature(result.plot).parameters.values())
    assert [p.name for p in parameters[:3]] == ["ax", "labels", "drop"]
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters[3:])


def test_it_draws_itself_and_leaves_out_what_it_is_told(result: Any) -> None:
    from matplotlib import pyplot as plt

    if type(result).__name__ in SEALED:
        with pytest.raises(ValueError, match="nothing to draw"):
            result.plot()
        return
    for options in ({}, {"labels": {"first": "Week 1", "n = 50": "fifty"}}, {"drop": ["first", "n = 50"]}):
        display = result.plot(**options)
        assert display.figure_ is display.ax_.figure
        plt.close(display.figure_)


SEALED = {"LedgerComparisonResult": "one word of three, no number"}

NO_STATEMENTS = {
    "Metric": "what a holdout is asked for",
    "WholeMetric": "the same, of all rows together",
    "PastScores": "scores that were read from a file",
    "Score": "what a target compares",
    "ClaimScore": "what a target compares",
    "Guarantee": "a part of a result",
    "NotApplicable": "a part of a result",
    "InapplicableTest": "says why there is no test",
    "Interval": "an answer within a target, before it becomes a result",
    "EnvelopeAnswer": "an answer within a target, before it becomes a result",
    "SelectionAnswer": "an answer within a target, before it becomes a result",
    "SetAnswer": "an answer within a target, before it becomes a result",
    "Leaderboard": "a door that answers",
    "Gate": "a door that answers",
    "HoldoutScorer": "a door that answers",
    "ELond": "the state of a stream of claims",
    "LedgerCheck": "whether a file is whole",
    "Turn": "an open ledger",
    "Entry": "a line of a ledger",
    "EvalTable": "data as they were read",
    "DoctorReport": "what is wrong with data",
    "FamilyMixture": "a law to draw from",
    "JointSample": "data that were drawn",
    "Page": "a document of results",
    "Summary": "a result in print",
    "Report": "a result in print",
    "HoldoutCalibration": "the record of a reference",
    "BatchCalibration": "the record of a reference",
}
"""Own classes that public calls return and that say nothing about a population, each with what it is."""


def returned_classes() -> dict[type, list[str]]:
    """Own classes that calls of the public doors return, with the calls; displays and estimators left out."""
    found: dict[type, list[str]] = {}
    for name, value in public_objects().items():
        for call, function in calls(name, value):
            for kind in annotated(function):
                if kind.__module__.startswith("validstats") and not kind.__module__.startswith(
                    "validstats.plot"
                ):
                    found.setdefault(kind, []).append(call)
    return found


def test_whatever_a_public_call_returns_is_a_result_or_no_statement() -> None:
    others = {
        kind.__name__: where[:3]
        for kind, where in returned_classes().items()
        if not issubclass(kind, Result) and kind.__name__ not in NO_STATEMENTS
    }
    assert others == {}


def test_every_class_of_results_is_among_those_of_this_contract() -> None:
    seen = {type(parameter.values[0]()) for parameter in FACTORIES}
    missing = {
        kind.__name__: where[:3]
        for kind, where in returned_classes().items()
        if issubclass(kind, Result) and not any(issubclass(one, kind) for one in seen)
    }
    assert missing == {}
