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
    table.loc[labelled[40:], "expert_positive"] = np.nan
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
        FrozenEstimator(FirstColumn().fit(None)), BatchMean(), bounds=(-4, 4), random_state=7
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
    np.testing.assert_allclose([t["conf_low"] for t in values["terms"]], expected.low[:, 0], rtol=1e-12)


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
