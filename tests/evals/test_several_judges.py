"""Several judges of one answer: combined through the labels of humans, each said by name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validstats import evals
from validstats.dsl import DesignSupervised
from validstats.evals import EvalFileError
from validstats.results import NotApplicable


def answers(seed=0, n=1_000, n_labels=200, rate=0.7, right=0.85):
    """Answers with two judges that are right independently of each other, and humans on a random sample."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < rate
    a, b = ((truth ^ (rng.random(n) > right)).astype(int) for _ in range(2))
    human = np.full(n, np.nan)
    rows = rng.choice(n, n_labels, replace=False)
    human[rows] = truth[rows]
    topic = rng.choice(["x", "y"], n)
    return pd.DataFrame({"item": np.arange(n), "topic": topic, "a": a, "b": b, "human": human}), truth


def width(result):
    return result.conf_high - result.conf_low


def test_two_judges_are_narrower_than_one_and_equal_the_dsl_domain():
    data, truth = answers()
    one, two = evals.evaluate(data, judge="a"), evals.evaluate(data, judge=["a", "b"])
    assert width(two) < 0.95 * width(one)
    assert two.conf_low < truth.mean() < two.conf_high
    study = DesignSupervised(random_state=0).fit(data[["a", "b"]].astype(float), surrogate=["a", "b"])
    found = study.calibrate({"human": data["human"].to_numpy()}).infer("human", model="proportion")
    assert two.estimate == found.params[0]
    assert [[two.conf_low, two.conf_high]] == found.confidence_interval(0.95).tolist()


def test_labels_are_compared_within_combinations_of_verdicts():
    """By hand: cells of both verdicts, weighted by their shares; with few labels bins of how many judges pass it."""
    data, _ = answers(1)
    result = evals.evaluate(data, judge=["a", "b"])
    cells = data.groupby(["a", "b"])["human"].mean() * data.groupby(["a", "b"]).size() / len(data)
    assert result.estimate == pytest.approx(cells.sum(), abs=1e-12)
    few, _ = answers(2, n=300, n_labels=24)
    assert few.groupby(["a", "b"]).size().min() * 24 / 300 < 5
    # 24 labels make two bins; answers with one pass of two fall together, whichever judge it was.
    flipped = few.assign(a=few["b"], b=few["a"])
    plain = evals.evaluate(few, judge=["a", "b"])
    other = evals.evaluate(flipped, judge=["a", "b"])
    assert (plain.conf_low, plain.conf_high) == (other.conf_low, other.conf_high)


def test_one_judge_in_a_list_is_that_judge():
    data, _ = answers(3, n=300, n_labels=60)
    listed, plain = (evals.evaluate(data, judge=judge, by="topic") for judge in (["a"], "a"))
    assert listed.to_dict() == plain.to_dict()
    assert list(listed.tidy().columns) == list(plain.tidy().columns)
    assert "The judge alone says" in plain.answer


def test_each_judge_is_said_by_name():
    data, _ = answers(4)
    result = evals.evaluate(data, judge=["a", "b"], by="topic")
    assert f"The first judge (a) alone says {100 * data['a'].mean():.1f} %" in result.answer
    assert result.naive == data["a"].mean()
    assert result.each_judge["b"][0] == pytest.approx(data["b"].mean())
    assert result.each_judge["b"][1] == pytest.approx(data.loc[data["topic"] == "x", "b"].mean())
    tidy = result.tidy()
    assert tidy["judge_estimate_a"].tolist() == tidy["judge_estimate"].tolist()
    assert tidy["judge_estimate_b"][0] == pytest.approx(data["b"].mean())
    assert result.glance()["n_judges"].tolist() == [2]
    text = result.summary().as_text()
    assert re.search(r"High +a +b +Humans", text)
    assert "good or bad the judges" in " ".join(text.split())
    named = evals.evaluate(data.rename(columns={"b": "N"}), judge=["a", "N"]).summary().as_text()
    assert re.search(r"High +a +Judge N +Humans +Labels +N", named)
    for form in ("as_html", "as_latex", "as_markdown"):
        assert getattr(result.summary(details=True), form)()
    roles = result.to_dict()["inputs"]["roles"]
    assert (roles["judge"], roles["judge 2"]) == ("a", "b")


def test_agreement_of_each_judge_is_that_of_the_judge_alone():
    data, _ = answers(5, n=400, n_labels=80)
    both = evals.evaluate(data, judge=["a", "b"]).judge
    assert both.judges == ("a", "b")
    for name in ("a", "b"):
        alone = evals.evaluate(data, judge=name).judge
        rows = [both.terms.index(f"{name}: {term}") for term in alone.terms]
        assert both.estimate[rows].tolist() == alone.estimate.tolist()
        assert both.conf_low[rows].tolist() == alone.conf_low.tolist()
        assert both.value(f"{name}: kappa") == alone.value("kappa")
        assert f"{name}: {alone.answer}" in both.answer
    assert "Agreement of the judges" in both.summary().as_text()


def test_a_measure_that_one_judge_lacks_says_why():
    data, _ = answers(6, n=200, n_labels=60)
    never = np.where(data["human"] == 1, 0, data["b"])
    found = evals.evaluate(data.assign(b=never, human=data["human"] * 1.0), judge=["a", "b"]).judge
    assert isinstance(found.value("a: kappa"), float)
    absent = data.assign(human=np.where(np.isnan(data["human"]), np.nan, 1.0))
    found = evals.evaluate(absent, judge=["a", "b"]).judge
    assert isinstance(found.value("b: specificity"), NotApplicable)


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        (["a", "a"], "names 'a' twice"),
        (["a", "c"], "names the column 'c'"),
        (["a", "human"], "both name 'human'"),
        ([], "empty list"),
    ],
)
def test_judges_that_cannot_be_are_refused(judge, words):
    data, _ = answers(7, n=60, n_labels=30)
    with pytest.raises(EvalFileError, match=words):
        evals.evaluate(data, judge=judge, human="human")


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"b": 1}, {}, "Judge 'b': The judge says '1' everywhere"),
        ({"human": None}, {}, "combined by labels of humans; there are none"),
        ({}, {"score": "a"}, "two automatic scores"),
    ],
)
def test_data_that_do_not_combine_judges_are_refused(change, options, words):
    data = answers(8, n=60, n_labels=30)[0].assign(**change).dropna(axis=1, how="all")
    with pytest.raises((EvalFileError, ValueError), match=words):
        evals.evaluate(data, judge=["a", "b"], **options)


def test_verdicts_as_values_are_still_no_name():
    data, _ = answers(8, n=60, n_labels=30)
    with pytest.raises(TypeError, match="judge is a name"):
        evals.evaluate(data, judge=data["a"])


def test_plans_and_battles_take_one_judge():
    data, _ = answers(9, n=100, n_labels=40)
    with pytest.raises(EvalFileError, match="plan of a width takes one judge"):
        evals.plan(data, judge=["a", "b"], width=0.2)
    assert (
        evals.plan(data, judge=["a"], width=0.2).estimate == evals.plan(data, judge="a", width=0.2).estimate
    )
    who = ["p", "q"] * 20
    battles = {"model_a": who, "model_b": who[1:] + who[:1], "winner": who, "second": who}
    with pytest.raises(EvalFileError, match="Battles take one judge"):
        evals.rank(battles, judge=["winner", "second"])


def test_a_missing_verdict_of_a_further_judge_is_a_class_of_its_own():
    data, truth = answers(10)
    silent = data.assign(b=np.where(data["item"] % 4 == 0, np.nan, data["b"]))
    result = evals.evaluate(silent, judge=["a", "b"])
    assert result.conf_low < truth.mean() < result.conf_high
    assert result.each_judge["b"][0] == pytest.approx(np.nanmean(silent["b"]))


def test_failed_rows_count_as_nothing_for_every_judge():
    data, _ = answers(11, n=400, n_labels=120)
    failed = data.assign(error=data["item"] % 10 == 0)
    result = evals.evaluate(failed, judge=["a", "b"])
    zero = np.where(failed["error"], 0, data["b"])
    assert result.each_judge["b"][0] == pytest.approx(zero.mean())
    dropped = evals.evaluate(failed, judge=["a", "b"], errors="drop")
    assert dropped.each_judge["b"][0] == pytest.approx(data["b"][~failed["error"]].mean())


@pytest.mark.parametrize("change", ["samples", "weights", "unbounded"])
def test_judges_are_combined_where_a_regression_learns(change):
    data, _ = answers(12)
    options = {}
    if change == "samples":
        data["item"] //= 4
    elif change == "weights":
        data["w"], options = np.linspace(0.5, 1.5, len(data)), {"weights": "w"}
    else:
        data = data.assign(human=3.0 * data["human"], a=3.0 * data["a"], b=3.0 * data["b"])
    one, two = (evals.evaluate(data, judge=judge, **options) for judge in ("a", ["a", "b"]))
    assert width(two) < 0.97 * width(one)


def two_systems(same_items, **sizes):
    first, _ = answers(13, **sizes)
    second, truth = answers(14, rate=0.5, **sizes)
    if same_items:
        second["human"] = np.where(np.isnan(first["human"]), np.nan, truth)
    return pd.concat([first.assign(system="p"), second.assign(system="q")], ignore_index=True)


def test_comparisons_of_pairs_take_the_mean_of_the_judges_differences():
    """Combinations of differences would be nine cells, most of them thin; the mean of the judges has five values."""
    data = two_systems(True, n=3_000, n_labels=600)
    one, two = (evals.compare(data, judge=judge) for judge in ("a", ["a", "b"]))
    assert "differences of pairs" in two.method
    assert width(two) < 0.95 * width(one)
    assert two.conf_low < 0.2 < two.conf_high
    assert two.naive == pytest.approx(one.naive)  # what the first judge alone says
    assert two.judge.judges == ("a", "b")
    mean = data.assign(mean=(data["a"] + data["b"]) / 2)
    same = evals.compare(mean, judge="mean")
    assert (two.conf_low, two.conf_high) == (same.conf_low, same.conf_high)
    scaled = evals.compare(data.assign(b=10 * data["b"]), judge=["a", "b"])
    assert (two.conf_low, two.conf_high) == (scaled.conf_low, scaled.conf_high)


def test_comparisons_of_systems_and_ranks_combine_judges():
    data = two_systems(False)
    one, two = (evals.compare(data, judge=judge) for judge in ("a", ["a", "b"]))
    assert "contrast of two judged systems" in two.method
    assert width(two) < 0.97 * width(one)
    ranks = [evals.rank(data, judge=judge) for judge in ("a", ["a", "b"])]
    wide, narrow = (np.mean(r.conf_high - r.conf_low) for r in ranks)
    assert narrow < 0.97 * wide


def test_columns_named_like_wide_tables_stay_judges_when_they_are_named():
    data, _ = answers(15, n=200, n_labels=60)
    data = data.rename(columns={"a": "judge_a", "b": "judge_b"}).assign(judge_c=data["a"] | data["b"])
    names = ["judge_a", "judge_b", "judge_c"]
    table = evals.read(data, judge=names)
    assert table.judges == tuple(names)
    assert len(table) == 200
    assert evals.evaluate(table).estimate == evals.evaluate(data, judge=names).estimate
    assert evals.read(table, judge="judge_b").judges == ("judge_b",)


def test_words_of_a_further_judge_are_read():
    data, _ = answers(16, n=200, n_labels=60)
    words = data.assign(b=np.where(data["b"] == 1, "pass", "fail"))
    a, b = (evals.evaluate(d, judge=["a", "b"]) for d in (data, words))
    assert (a.conf_low, a.conf_high) == (b.conf_low, b.conf_high)


def test_the_doctor_looks_at_every_judge():
    data, truth = answers(17, n=200, n_labels=60)
    found = evals.doctor(data.assign(b=truth.astype(int)), judge=["a", "b"])
    said = [check.sentence for check in found.checks if check.code == "copied-labels"]
    assert len(said) == 1 and said[0].startswith("Judge 'b': Humans and judge agree on all 60")
    assert found.commands[0][1] == "validstats eval FILE --judge a,b --human human"
    assert evals.doctor(data.assign(b=0), judge=["a", "b"]).has_errors
    codes = [check.code for check in found.checks]
    assert codes.count("labels-random") == 1


@pytest.mark.slow
def test_the_figure_has_a_mark_a_judge():
    from validstats.plotting import EvaluationDisplay

    data, _ = answers(18, n=200, n_labels=60)
    display = EvaluationDisplay.from_result(evals.evaluate(data, judge=["a", "b"]))
    assert display.each_judge["b"].tolist() == [data["b"].mean()]
    display.plot()
    lines = {line.get_label(): line for line in display.ax_.lines}
    assert lines["judge b alone"].get_xdata()[0] == data["b"].mean()
    assert lines["judge a alone"].get_marker() != lines["judge b alone"].get_marker()
    assert EvaluationDisplay.from_result(evals.evaluate(data, judge="a")).each_judge == {}


def test_json_of_several_judges_fits_the_schema():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(evals.__file__).parent / "schema.json").read_text())
    data, _ = answers(19, n=200, n_labels=60)
    values = evals.evaluate(data, judge=["a", "b"]).to_dict()
    jsonschema.validate(json.loads(json.dumps(values, allow_nan=False)), schema)
    assert values["terms"][0]["judge_estimate_b"] == data["b"].mean()
