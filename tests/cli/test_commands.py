"""What the commands print equals what the library says."""

from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest

from validstats.dsl import DesignSupervised
from validstats.mi import independence_test, mutual_info

DSL = (
    *("dsl", "documents.csv", "--formula", "expert_positive ~ log_length + negation", "--model", "logit"),
    *("--label", "expert_positive", "--surrogate", "machine_positive"),
    *("--probability", "sampling_probability", "--seed", "3"),
)


@pytest.fixture
def study(workplace):
    documents = pd.read_csv(workplace / "documents.csv")
    estimator = DesignSupervised(random_state=3)
    estimator.fit(documents.drop(columns="expert_positive"), surrogate="machine_positive").calibrate(
        documents["expert_positive"], sampling_probability=documents["sampling_probability"]
    )
    return estimator.infer("expert_positive ~ log_length + negation", model="logit")


def test_dsl_prints_the_library_s_result(run, study) -> None:
    values = json.loads(run(*DSL, "--format", "json").stdout)
    np.testing.assert_allclose([t["estimate"] for t in values["terms"]], study.params, rtol=1e-12)
    assert run(*DSL).output.strip() == str(study.summary()).strip()


def test_dsl_formats_and_output(run, study, workplace) -> None:
    assert run(*DSL, "--format", "latex").output.strip() == study.summary().as_latex().strip()
    assert run(*DSL, "--format", "markdown").output.strip() == study.summary().as_markdown().strip()
    result = run(*DSL, "--format", "html", "-o", "result.html")
    assert result.exit_code == 0
    assert result.stdout == ""
    page = (workplace / "result.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "log_length" in page
    assert [f for f in os.listdir(workplace) if f.startswith(".")] == []


def test_mi_equals_the_library(run, workplace) -> None:
    table = pd.read_csv(workplace / "labelled.csv")
    arguments = ("mi", "labelled.csv", "--x", "vader_compound", "--y", "human_mean", "--format", "json")
    [term] = json.loads(run(*arguments, "--unit", "bits").stdout)["terms"]
    expected = mutual_info(table["vader_compound"], table["human_mean"], unit="bits")
    assert term["estimate"] == pytest.approx(expected.estimate, rel=1e-12)


def test_mi_test_equals_the_library(run, workplace) -> None:
    table = pd.read_csv(workplace / "labelled.csv").head(120)
    table.to_csv("small.csv", index=False)
    arguments = ("mi", "small.csv", "--x", "n_words", "--y", "human_mean", "--test", "--strata", "negation")
    values = json.loads(run(*arguments, "--permutations", "39", "--seed", "5", "--format", "json").stdout)
    expected = independence_test(
        table["n_words"],
        table["human_mean"],
        strata=table["negation"].to_numpy(),
        n_permutations=39,
        random_state=5,
    )
    assert values["terms"][0]["p_value"] == expected.p_value


def test_plan_design_records_probabilities_of_the_rows_it_draws(run, workplace) -> None:
    result = run(
        *("plan", "design", "documents.csv", "--labels", "400", "--strata", "corpus"),
        *("--write", "to_label.csv", "--format", "json"),
    )
    assert result.exit_code == 0, result.stderr
    rows = pd.read_csv(workplace / "to_label.csv")
    assert rows["selected"].sum() == 400
    assert rows["sampling_probability"].sum() == pytest.approx(400)
    drawn = rows.groupby("corpus").agg(drawn=("selected", "sum"), expected=("sampling_probability", "sum"))
    np.testing.assert_allclose(drawn["drawn"], drawn["expected"])


def test_json_has_no_bare_nan_or_infinity() -> None:
    from validstats.cli._tables import _json

    text = _json({"a": float("nan"), "b": np.array([np.inf, -np.inf, 1.5]), "c": np.int64(3), "d": None})
    assert json.loads(text) == {"a": None, "b": ["inf", "-inf", 1.5], "c": 3, "d": None}


def test_warnings_go_to_the_standard_error(run, workplace) -> None:
    table = pd.read_csv(workplace / "documents.csv")
    labelled = table.index[table["expert_positive"].notna()]
    table.loc[labelled[12:], "expert_positive"] = np.nan
    table.to_csv("few.csv", index=False)
    result = run(
        *("dsl", "few.csv", "--formula", "expert_positive ~ negation", "--label", "expert_positive"),
        *("--surrogate", "machine_positive", "--format", "json"),
    )
    assert result.exit_code == 0, result.stderr
    assert "Warning: " in result.stderr
    json.loads(result.stdout)


def test_batch_equals_the_library(run, workplace) -> None:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.frozen import FrozenEstimator

    from validstats.batch import BatchMean, BatchPredictor

    class FirstColumn(RegressorMixin, BaseEstimator):
        def fit(self, X, y=None):
            self.fitted_ = True
            return self

        def predict(self, X):
            return np.asarray(X)[:, 0]

    known, new = (pd.read_csv(workplace / name) for name in ("labelled.csv", "new.csv"))
    predictor = BatchPredictor(
        FrozenEstimator(FirstColumn().fit(None)),
        BatchMean(),
        bounds=(-4, 4),
        random_state=7,
    ).fit(known[["vader_compound"]], known["human_mean"])
    expected = predictor.infer(new[["vader_compound"]], batches=new["week"].to_numpy(), joint=True)
    values = json.loads(
        run(
            *(
                "batch",
                "labelled.csv",
                "new.csv",
                "--label",
                "human_mean",
                "--target",
                "mean",
                "--bounds",
                "-4",
            ),
            *("4", "--batches", "week", "--joint", "--prediction", "vader_compound", "--seed", "7"),
            *("--format", "json"),
        ).output
    )
    np.testing.assert_allclose([t["conf_low"] for t in values["terms"]], expected.conf_low[:, 0], rtol=1e-12)


PREDICTED = ("--prediction", "vader_compound", "--bounds", "-4", "4", "--target", "total")


@pytest.mark.slow
def test_batch_at_several_levels_is_each_level_by_itself(run, workplace) -> None:
    arguments = (*BATCH, *PREDICTED, "--batches", "week", "--format", "json", "--confidence-level")
    several = json.loads(run(*arguments, "0.8, 0.95,0.9").stdout)["terms"]
    for level in ("0.8", "0.9", "0.95"):
        alone = json.loads(run(*arguments, level).stdout)["terms"]
        rows = [t for t in several if t["confidence_level"] == float(level)]
        assert [(t["conf_low"], t["conf_high"]) for t in rows] == [
            (t["conf_low"], t["conf_high"]) for t in alone
        ]
    table = run(*BATCH, *PREDICTED, "--confidence-level", "0.8,0.9")
    assert table.exit_code == 0 and "80 %" in table.stdout and "90 %" in table.stdout


@pytest.mark.parametrize(
    ("levels", "message"),
    [("0.8,1.2", "between 0 and 1"), ("0.8;0.9", "no number"), ("0.9,0.9", "twice"), ("80,90", "between")],
)
def test_batch_refuses_levels_that_are_none(levels, message, run, workplace) -> None:
    refused = run(*BATCH, *PREDICTED, "--confidence-level", levels)
    assert refused.exit_code == 2 and message in refused.stderr


def test_batch_with_classes_texts_and_missing_values(run, workplace) -> None:
    known = pd.read_csv(workplace / "labelled.csv")
    generator = np.random.default_rng(0)
    known["positive"] = np.where(known["human_mean"] > 0, "yes", "no")
    known["group"] = generator.choice(["a", "b"], len(known))
    known.loc[::7, "n_words"] = np.nan
    known.to_csv("known.csv", index=False)
    new = pd.read_csv(workplace / "new.csv")
    new["group"] = "never seen"
    new.to_csv("fresh.csv", index=False)
    arguments = ("batch", "known.csv", "fresh.csv", "--label", "positive", "--target", "errors")
    result = run(
        *arguments, "--features", "vader_compound,n_words,group", "--model", "linear", "--format", "json"
    )
    assert result.exit_code == 0, result.stderr
    [term] = json.loads(result.stdout)["terms"]
    assert 0 < term["conf_high"] < 300


def test_batch_says_what_is_wrong(run, workplace) -> None:
    arguments = ("batch", "labelled.csv", "new.csv", "--label", "human_mean")
    assert run(*arguments, "--target", "selection", "--above", "0").exit_code == 2
    assert run(*arguments, "--target", "mean", "--above", "0").exit_code == 2
    assert "--batches" in run(*arguments, "--target", "mean", "--batches", "nope").stderr
    known = pd.read_csv(workplace / "labelled.csv")
    known.loc[0, "human_mean"] = np.nan
    known.to_csv("gaps.csv", index=False)
    gaps = run("batch", "gaps.csv", "new.csv", "--label", "human_mean", "--target", "mean")
    assert gaps.exit_code == 1
    assert "1 empty cells" in gaps.stderr
    known[["human_mean"]].dropna().to_csv("bare.csv", index=False)
    bare = run("batch", "bare.csv", "new.csv", "--label", "human_mean", "--target", "mean")
    assert bare.exit_code == 1
    assert "share no column" in bare.stderr
    outside = run(*arguments, "--target", "mean", "--bounds", "-1", "1")
    assert outside.exit_code == 1


def test_plans_equal_the_library(run, workplace) -> None:
    from validstats.batch import Simultaneous, plan_batch

    values = json.loads(run("plan", "batch", "--target", "sets", "--rows", "100", "--format", "json").stdout)
    assert values["overall"]["smallest_n"] == plan_batch(Simultaneous(miss=0.1), m=100).smallest_n
    assert run("plan", "batch", "--target", "sets").exit_code == 2
    arguments = ("plan", "labels", "documents.csv", *DSL[2:])
    small, large = (
        json.loads(run(*arguments, "--sizes", size, "--format", "json").stdout)["terms"]
        for size in ("800", "3200")
    )
    assert large[0]["std_error"] < small[0]["std_error"]
    assert run(*arguments, "--sizes", "many").exit_code == 2


def test_mi_by_the_network(run, workplace) -> None:
    from validstats.mi import LearnedMI

    table = pd.read_csv(workplace / "labelled.csv").head(200)
    table.to_csv("small.csv", index=False)
    arguments = ("mi", "small.csv", "--x", "vader_compound", "--y", "human_mean", "--method", "learned")
    [term] = json.loads(run(*arguments, "--format", "json").stdout)["terms"]
    expected = LearnedMI().infer(table["vader_compound"], table["human_mean"])
    assert term["estimate"] == pytest.approx(expected.estimate, rel=1e-9)
    tested = run(*arguments, "--test", "--permutations", "19", "--format", "json")
    assert json.loads(tested.stdout)["terms"][0]["p_value"] == 0.05


BATCH = ("batch", "labelled.csv", "new.csv", "--label", "human_mean")
SELECT = ("--target", "selection", "--above", "0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*BATCH, "--target", "mean", "--miss", "0.3"), "--miss is not read with --target mean"),
        ((*BATCH, "--target", "mean", "--quantile", "0.9"), "--quantile is not read with --target mean"),
        ((*BATCH, "--target", "mean", "--fdr", "0.1"), "--fdr is not read with --target mean"),
        ((*BATCH, "--target", "sets", "--side", "upper"), "--side is not read with --target sets"),
        ((*BATCH, *SELECT, "--max-false", "1", "--bounds", "0", "1"), "--bounds is not read with"),
        ((*BATCH, *SELECT, "--fdr", "0.1", "--confidence-level", "0.9"), "--confidence-level is not read"),
        (
            (*BATCH, *SELECT, "--fdr", "0.1", "--batches", "week", "--joint"),
            "--joint is not read with this target",
        ),
        ((*BATCH, "--target", "sets", "--joint"), "--joint needs --batches"),
        (
            (*BATCH, "--target", "sets", "--prediction", "n_words", "--model", "linear"),
            "--model is not read with --prediction",
        ),
        (
            (*BATCH, "--target", "sets", "--prediction", "n_words", "--features", "n_words"),
            "--features is not read with --prediction",
        ),
        (("plan", "batch", "--target", "sets", "--rows", "9", "--bounded"), "--bounded is not read with"),
        (("plan", "batch", "--target", "mean", "--rows", "9", "--miss", "0.1"), "--miss is not read with"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_batch_refuses_what_it_would_not_read(arguments, message, run) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 2 and message in refused.stderr, refused.output


@pytest.fixture
def classes(workplace):
    """Two files whose classes are written as text, whole numbers, fractions, and yes or no, with guesses of each kind."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=240)
    up, guess = x + rng.normal(size=240) > 0, x > 0
    kinds = {
        "text": lambda v: np.where(v, "u", "d"),
        "whole": lambda v: v.astype(int),
        "fractions": lambda v: v.astype(float),
        "halves": lambda v: v * 0.5,
        "flags": lambda v: v,
    }
    table = pd.DataFrame({"x": x})
    for name, form in kinds.items():
        table[name], table[f"{name} guess"] = form(up), form(guess)
    table[:200].to_csv("known.csv", index=False)
    table[200:].to_csv("fresh.csv", index=False)
    return table


def errors(run, label, *more):
    arguments = ("batch", "known.csv", "fresh.csv", "--label", label, "--target", "errors", *more)
    result = run(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["terms"][0]["conf_high"]


def test_classes_are_the_same_however_they_are_written(run, classes) -> None:
    by_guess = {errors(run, kind, "--prediction", f"{kind} guess") for kind in ("text", "whole", "flags")}
    by_guess.add(errors(run, "fractions", "--prediction", "fractions guess"))
    by_guess.add(errors(run, "halves", "--classes", "--prediction", "halves guess"))
    assert len(by_guess) == 1 and by_guess.pop() < 30
    learnt = {errors(run, kind, "--features", "x", "--model", "linear") for kind in ("whole", "fractions")}
    assert len(learnt) == 1 and learnt.pop() < 30


def test_fractions_are_classes_where_that_is_said(run, classes) -> None:
    arguments = ("batch", "known.csv", "fresh.csv", "--label", "fractions", "--target", "sets")
    arguments += ("--features", "x", "--model", "linear")
    assert "1 - probability of y" in run(*arguments, "--classes").output
    assert "|y - prediction|" in run(*arguments).output
    refused = run("batch", "known.csv", "fresh.csv", "--label", "halves", "--target", "errors")
    assert refused.exit_code == 1 and "--classes" in refused.stderr


def test_guesses_that_share_no_class_with_the_labels_are_refused(run, classes) -> None:
    arguments = ("batch", "known.csv", "fresh.csv", "--label", "text", "--target", "errors", "--prediction")
    refused = run(*arguments, "whole guess")
    assert refused.exit_code == 1 and "equals any label: '0', '1' beside 'd', 'u'" in refused.stderr
    classes.assign(guess=None)[:200].to_csv("known.csv", index=False)
    classes.assign(guess="u")[200:].to_csv("fresh.csv", index=False)
    refused = run(*arguments, "guess")
    assert refused.exit_code == 1 and "empty cells" in refused.stderr


@pytest.fixture
def kinds(workplace):
    """Labelled and new rows with a number, a text and a truth value, some of them missing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    table = pd.DataFrame({"x": x, "text": np.where(x > 0, "a", "b"), "flag": x > 0.3})
    table["text"] = table["text"].astype(object).where(rng.random(300) > 0.3, None)
    table["y"] = x + rng.normal(size=300)
    return table[:200], table[200:].drop(columns="y")


def mean(run, known, new, *more):
    arguments = ("batch", known, new, "--label", "y", "--target", "mean", "--bounds", "-9", "9", *more)
    return run(*arguments, "--model", "linear", "--format", "json")


@pytest.mark.share(3)
@pytest.mark.parametrize("dtype", [object, "str", "string", "string[pyarrow]", "category"])
def test_texts_with_gaps_are_alike_in_csv_and_parquet(dtype, run, kinds) -> None:
    pytest.importorskip("pyarrow")
    for table, name in zip(kinds, ("known", "new"), strict=True):
        table.to_csv(f"{name}.csv", index=False)
        gaps = table["text"].isna()
        texts = table["text"].where(gaps, table["text"]).astype(dtype).mask(gaps)
        table.assign(text=texts).to_parquet(f"{name}.parquet")
    estimates = set()
    for files in (("csv", "csv"), ("parquet", "parquet"), ("csv", "parquet")):
        result = mean(
            run, *(f"{name}.{suffix}" for name, suffix in zip(("known", "new"), files, strict=True))
        )
        assert result.exit_code == 0, result.output
        estimates.add(round(json.loads(result.stdout)["terms"][0]["estimate"], 10))
    assert len(estimates) == 1


@pytest.mark.parametrize("textual", ["known", "new"])
@pytest.mark.parametrize("option", ["--features", "--strata"])
def test_a_column_of_two_kinds_is_refused_by_name(textual, option, run, kinds) -> None:
    for table, name in zip(kinds, ("known", "new"), strict=True):
        codes = np.arange(len(table)).astype(str)
        codes[5] = "low" if textual == name else "5"
        table.assign(code=codes).to_csv(f"{name}.csv", index=False)
    refused = mean(run, "known.csv", "new.csv", option, "code")
    numeric = "new" if textual == "known" else "known"
    assert refused.exit_code == 1
    assert f"'code' holds numbers in {numeric}.csv, and in {textual}.csv it holds 'low'" in refused.stderr


@pytest.mark.share(3)
@pytest.mark.parametrize("column", ["x", "text", "flag"])
@pytest.mark.parametrize("emptied", [0, 1, 2])
def test_columns_may_be_empty_in_either_file(column, emptied, run, kinds) -> None:
    for i, (table, name) in enumerate(zip(kinds, ("known", "new"), strict=True)):
        gone = {} if emptied not in (i, 2) else {column: None}
        table.assign(**gone).to_csv(f"{name}.csv", index=False)
    result = mean(run, "known.csv", "new.csv")
    assert result.exit_code == 0, result.output


def test_truth_values_with_gaps_are_numbers(run, kinds) -> None:
    known, new = kinds
    known.to_csv("known.csv", index=False)
    new.assign(flag=new["flag"].astype(object).mask(new["x"] > 1)).to_csv("new.csv", index=False)
    assert mean(run, "known.csv", "new.csv").exit_code == 0
    known.assign(flag=known["flag"].astype(int)).to_csv("known.csv", index=False)
    assert mean(run, "known.csv", "new.csv").exit_code == 0


def test_labels_that_are_na_among_numbers_are_counted_as_empty(run, kinds) -> None:
    known, new = kinds
    known.assign(y=known["y"].mask(known["x"] > 1)).to_csv("known.csv", index=False, na_rep="NA")
    new.to_csv("new.csv", index=False)
    refused = mean(run, "known.csv", "new.csv")
    gaps = (known["x"] > 1).sum()
    assert refused.exit_code == 1
    assert f"{gaps} empty cells (among numbers NA counts as empty)" in refused.stderr


def test_a_feature_may_be_named_twice(run, kinds) -> None:
    for table, name in zip(kinds, ("known", "new"), strict=True):
        table.to_csv(f"{name}.csv", index=False)
    once, twice = (mean(run, "known.csv", "new.csv", "--features", names).stdout for names in ("x", "x,x"))
    assert once == twice != ""


def test_labels_of_another_file_are_matched_by_their_key(run, workplace) -> None:
    documents = pd.read_csv(workplace / "documents.csv").assign(doc=lambda t: [f"d{i:05d}" for i in t.index])
    options = (
        "--formula",
        "expert_positive ~ negation",
        "--label",
        "expert_positive",
        "--surrogate",
        "machine_positive",
    )
    options += ("--probability", "sampling_probability", "--format", "json")
    documents.to_csv("together.csv", index=False)
    expected = run("dsl", "together.csv", *options, "--key", "doc")
    assert expected.exit_code == 0, expected.stderr
    labelled = documents[["doc", "expert_positive"]].dropna().sample(frac=1, random_state=0)
    labelled.to_csv("expert.csv", index=False)
    documents.drop(columns="expert_positive").to_csv("machine.csv", index=False)
    apart = run("dsl", "machine.csv", *options, "--labels-from", "expert.csv", "--key", "doc")
    assert apart.exit_code == 0, apart.stderr
    assert json.loads(apart.stdout)["terms"] == json.loads(expected.stdout)["terms"]
    labelled.assign(doc="x" + labelled["doc"]).to_csv("strange.csv", index=False)
    strange = run("dsl", "machine.csv", *options, "--labels-from", "strange.csv", "--key", "doc")
    assert strange.exit_code == 1 and "0 of them match" in strange.stderr and "'xd" in strange.stderr
    assert run("dsl", "machine.csv", *options, "--labels-from", "expert.csv").exit_code == 2


def verdicts(folder) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=400)}).round(4)
    table["label"] = np.where(table["x"] + rng.normal(size=400) > 0, "pass", "fail")
    table["said"] = np.where(rng.random(400) < 0.85, table["label"], "fail")
    table["number"], table["said_number"] = ((table[c] == "pass").astype(int) for c in ("label", "said"))
    table["seen"] = table["label"].where(np.arange(400) % 2 == 0)
    table["seen_number"] = table["number"].where(np.arange(400) % 2 == 0)
    table[:300].to_csv(folder / "old.csv", index=False)
    table[300:].drop(columns=["label", "number"]).to_csv(folder / "fresh.csv", index=False)
    table.to_csv(folder / "all.csv", index=False)


@pytest.mark.parametrize(
    "command",
    [
        "batch old.csv fresh.csv --label {label} --target mean --bounds 0 1 --features x --model linear",
        "batch old.csv fresh.csv --label {label} --target mean --bounds 0 1 --prediction {said}",
        "dsl all.csv --formula {seen}~x --label {seen} --surrogate {said} --features x --model logit",
    ],
)
def test_words_with_a_positive_one_are_numbers(command, run, workplace) -> None:
    verdicts(workplace)
    words = command.format(label="label", said="said", seen="seen").split()
    codes = command.format(label="number", said="said_number", seen="seen_number").split()
    refused = run(*words)
    assert refused.exit_code == 1 and "--positive" in refused.stderr
    found, expected = (
        json.loads(run(*given, "--format", "json").stdout)["terms"]
        for given in ([*words, "--positive", "pass"], codes)
    )
    for key in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose([row[key] for row in found], [row[key] for row in expected], atol=0.02)
    wrong = run(*words, "--positive", "yes")
    assert wrong.exit_code == 1 and "--positive yes is no level" in wrong.stderr
