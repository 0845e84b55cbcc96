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
    values = json.loads(run(*DSL, "--format", "json").output)
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
    [term] = json.loads(run(*arguments, "--unit", "bits").output)["terms"]
    expected = mutual_info(table["vader_compound"], table["human_mean"], unit="bits")
    assert term["estimate"] == pytest.approx(expected.estimate, rel=1e-12)


def test_mi_test_equals_the_library(run, workplace) -> None:
    table = pd.read_csv(workplace / "labelled.csv").head(120)
    table.to_csv("small.csv", index=False)
    arguments = ("mi", "small.csv", "--x", "n_words", "--y", "human_mean", "--test", "--strata", "negation")
    values = json.loads(run(*arguments, "--permutations", "39", "--seed", "5", "--format", "json").output)
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
