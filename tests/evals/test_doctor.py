"""The doctor: every fault of the broken files, and no error on good ones."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from validstats import evals

DATA = Path(__file__).parent / "data"
GOOD = [name for name in json.loads((DATA / "expected.json").read_text()) if name != "broken"]


def found(name):
    return {(c.severity, c.code) for c in evals.doctor(DATA / "broken" / name).checks}


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("name", "severity", "code"),
    [
        ("duplicates.csv", "error", "conflicts"),
        ("duplicates.csv", "warning", "duplicates"),
        ("misaligned.csv", "warning", "items-not-shared"),
        ("misaligned.csv", "warning", "near-miss-names"),
        ("constant_judge.csv", "error", "constant-judge"),
        ("human_copies_judge.csv", "note", "copied-labels"),
        ("only_failures_labelled.csv", "error", "class-without-labels"),
        ("only_failures_labelled.csv", "warning", "labels-not-random"),
        ("few_disagreements.csv", "warning", "few-disagreements"),
        ("no_events.csv", "warning", "few-events"),
        ("semicolon_decimal_comma.csv", "note", "decimal-comma"),
        ("words_and_abstention.csv", "note", "abstentions"),
        ("words_and_abstention.csv", "note", "words"),
    ],
)
def test_a_broken_file_is_diagnosed(name, severity, code):
    assert (severity, code) in found(name)


@pytest.mark.share(3)
@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_has_no_error(name):
    report = evals.doctor(DATA / name)
    assert not report.has_errors
    assert report.commands


def test_words_are_read_in_any_case_and_said():
    table = evals.read(
        {"item": list("abcde"), "judge": ["Pass", "FAIL", "pass", None, 0.5], "human": [1, 0, 1, 1, 0]}
    )
    (note,) = (check.sentence for check in table.checks if check.code == "words")
    assert note == "Words in 'judge' are read as scores: 'pass' (2 rows) as 1, 'fail' (1 row) as 0."


def test_words_of_wide_tables_are_said():
    table = evals.read({"item": list("abcd"), "judge_ash": ["pass", "fail"] * 2, "judge_fir": [1, 0, 0, 1]})
    assert [check.sentence for check in table.checks if check.code == "words"] == [
        "Words in 'judge_ash' are read as scores: 'pass' (2 rows) as 1, 'fail' (2 rows) as 0."
    ]


def test_every_error_has_a_reason_in_words():
    report = evals.doctor(DATA / "broken" / "duplicates.csv")
    assert report.has_errors
    assert not report.commands
    assert "q002 / alpha-small / 2" in str(report.summary())


def labelled_by_passage(rng):
    passage = np.repeat(np.arange(60), 8)
    quality = rng.random(60)
    judge = (rng.random(480) < quality[passage]).astype(int)
    drawn = np.isin(passage, rng.choice(60, 20, replace=False))
    human = np.where(drawn, (rng.random(480) < quality[passage]).astype(float), np.nan)
    return {"item": np.arange(480), "passage": passage, "judge": judge, "human": human}


def test_labels_drawn_by_passage_are_tested_by_passage():
    rng = np.random.default_rng(0)
    alarms = [
        any(c.code == "labels-not-random" for c in evals.doctor(labelled_by_passage(rng)).checks)
        for _ in range(40)
    ]
    assert sum(alarms) <= 1


def test_the_first_rows_are_no_random_sample():
    rng = np.random.default_rng(1)
    judge = rng.integers(0, 2, 1000)
    human = np.where(np.arange(1000) < 150, judge, np.nan).astype(float)
    human[:20] = 1 - human[:20]
    checks = {
        c.code: c for c in evals.doctor({"item": np.arange(1000), "judge": judge, "human": human}).checks
    }
    assert checks["labels-not-random"].severity == "warning"
    assert (
        "position" in checks["labels-not-random"].sentence or "runs" in checks["labels-not-random"].sentence
    )


@pytest.mark.slow
def test_random_labels_raise_no_alarm():
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(60):
        judge = rng.integers(0, 2, 400)
        human = np.where(rng.random(400) < 0.2, judge ^ (rng.random(400) < 0.2), np.nan)
        codes = {
            c.code for c in evals.doctor({"item": np.arange(400), "judge": judge, "human": human}).checks
        }
        alarms += "labels-not-random" in codes
        assert "labels-random" in codes or "labels-not-random" in codes
    assert alarms <= 1


@pytest.mark.parametrize("factor", [0.3, 2.5])
def test_wrong_probabilities_are_an_error(factor):
    rng = np.random.default_rng(3)
    judge = rng.integers(0, 2, 1000)
    human = np.where(rng.random(1000) < 0.3, judge ^ (rng.random(1000) < 0.2), np.nan)
    data = {"item": np.arange(1000), "judge": judge, "human": human, "pi": np.full(1000, 0.3 * factor)}
    codes = {(c.severity, c.code) for c in evals.doctor(data).checks}
    assert ("error", "probabilities") in codes
    data["pi"] = np.full(1000, 0.3)
    assert ("error", "probabilities") not in {(c.severity, c.code) for c in evals.doctor(data).checks}


def test_other_content_under_one_name_is_an_error():
    data = {
        "item": ["a", "b"] * 2,
        "system": ["x", "x", "y", "y"],
        "question": ["One?", "Two?", "One?", "Three?"],
        "score": [1, 0, 1, 1],
    }
    codes = {(c.severity, c.code) for c in evals.doctor(data).checks}
    assert ("error", "other-content") in codes


def test_a_column_that_the_labels_copy_is_noticed():
    rng = np.random.default_rng(4)
    other = rng.integers(0, 2, 400).astype(float)
    labelled = rng.random(400) < 0.2
    data = {
        "item": np.arange(400),
        "judge": rng.integers(0, 2, 400),
        "score": other,
        "human": np.where(labelled, other, np.nan),
    }
    codes = {(c.severity, c.code) for c in evals.doctor(data).checks}
    assert ("warning", "copied-labels") in codes


def test_commands_name_the_files_as_they_were_given():
    report = evals.doctor(DATA / "broken" / "few_disagreements.csv")
    assert report.commands
    for _, command in report.commands:
        assert shlex.quote(str(DATA / "broken" / "few_disagreements.csv")) in command


def test_missing_scores_are_said_and_a_complete_one_is_proposed():
    report = evals.doctor(DATA / "ragas.csv")
    assert "missing-scores" in {c.code for c in report.checks}
    ((_, command),) = report.commands
    assert command.endswith("--score answer_relevancy")


@pytest.mark.parametrize("ones, few", [(3, True), (20, False), (37, True)])
def test_few_labels_of_either_kind_are_said(ones, few) -> None:
    human = np.where(np.arange(120) < 40, (np.arange(120) < ones).astype(float), np.nan)
    judge = (np.arange(120) % 2).astype(float)
    found = evals.doctor({"judge": judge, "human": human}).checks
    assert ("few-events" in {c.code for c in found}) is few


def test_scores_that_are_there_are_not_said_to_be_missing() -> None:
    score = np.ones(30)
    assert "missing-scores" not in {c.code for c in evals.doctor({"score": score}).checks}
    score[3] = np.nan
    [said] = [c for c in evals.doctor({"score": score}).checks if c.code == "missing-scores"]
    assert "missing in 1 of 30 rows" in said.sentence
