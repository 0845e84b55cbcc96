"""The ledger on the command line: status, verify, history, and exit code 3."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pandas as pd
import pytest

from validstats.holdout import Ledger


@pytest.fixture
def ledger(workplace):
    made = Ledger.create("study.ledger")
    with made.turn("ada") as turn:
        turn.append("bound", query="0" * 64)
    for i in range(3):
        with made.turn("ada") as turn:
            turn.append(
                "answer",
                nats=0.5,
                answer=0.75,
                half_width=0.1,
                passed=True,
                detail={"question": f"look {i} <b>"},
            )
    made.close()
    return "study.ledger"


def test_status(run, ledger) -> None:
    values = json.loads(run("holdout", "status", ledger, "--format", "json").output)
    assert values["entries"] == 5
    assert values["nats"] == 1.5
    assert values["bound_to_a_holdout"] is True
    assert "No budget was declared yet" in run("holdout", "status", ledger).output


def test_status_with_a_declared_budget(run, ledger) -> None:
    opened = Ledger.open(ledger)
    with opened.turn() as turn:
        turn.append("plan", state={"declared": {"queries": 20, "users": {}}, "asked": 3}, new_epoch=True)
    opened.close()
    values = json.loads(run("holdout", "status", ledger, "--format", "json").output)
    assert (values["asked"], values["left"], values["plans"]) == (3, 17, 1)
    assert "Queries:" in run("holdout", "status", ledger).output


def test_history(run, ledger) -> None:
    values = json.loads(run("holdout", "history", ledger, "--last", "2", "--format", "json").output)
    assert [e["question"] for e in values["entries"]] == ["look 1 <b>", "look 2 <b>"]
    assert values["questions"] == 3
    text = run("holdout", "history", ledger, "--last", "2").output
    assert "1 earlier entries are not shown" in text
    assert "<b>" not in run("holdout", "history", ledger, "--format", "html").output
    assert "Time" in run("holdout", "history", ledger, "--times").output


def test_verify_and_receipt(run, ledger, tmp_path, monkeypatch) -> None:
    values = json.loads(run("holdout", "verify", ledger, "--format", "json").output)
    assert values["sound"] is True
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    refused = run("holdout", "verify", ledger)
    assert refused.exit_code == 3
    assert "--receipt" in refused.stderr
    assert run("holdout", "verify", ledger, "--receipt", values["receipt"]).exit_code == 0
    assert run("holdout", "verify", ledger, "--receipt", "nonsense").exit_code != 0


def test_a_changed_ledger_is_code_3(run, ledger) -> None:
    with sqlite3.connect(ledger) as connection:
        connection.execute("DROP TRIGGER entries_no_update")
        connection.execute("UPDATE entries SET body = REPLACE(body, 'nats', 'nuts') WHERE idx = 3")
    connection.close()
    for command in ("status", "verify", "history"):
        result = run("holdout", command, ledger)
        assert result.exit_code == 3
        assert result.stdout == ""


def test_missing_ledger_and_other_files(run, workplace) -> None:
    missing = run("holdout", "status", "none.ledger")
    assert missing.exit_code == 3
    assert "validstats holdout create" in missing.stderr
    (workplace / "text.ledger").write_text("not a ledger " * 100)
    assert run("holdout", "verify", "text.ledger").exit_code == 3


def test_create_once(run, workplace) -> None:
    first = run("holdout", "create", "new.ledger")
    assert first.exit_code == 0
    assert "Receipt" in first.output
    assert run("holdout", "create", "new.ledger").exit_code == 1
    assert run("holdout", "create", "no/folder/new.ledger").exit_code == 1
    (workplace / "new.ledger").unlink()
    assert run("holdout", "create", "new.ledger").exit_code == 3


def test_status_history_and_plan_of_a_used_holdout(run, workplace) -> None:
    from tests.cli.test_help import declare

    run("holdout", "create", "used.ledger")
    declare("used.ledger")
    values = json.loads(run("holdout", "status", "used.ledger", "--format", "json").output)
    assert (values["declared"]["queries"], values["asked"], values["left"]) == (5, 1, 4)
    assert values["nats"] > 0
    history = json.loads(run("holdout", "history", "used.ledger", "--format", "json").output)
    assert history["questions"] == 1
    new = json.loads(run("plan", "holdout", "--rows", "300", "--queries", "5", "--format", "json").output)
    further = run("holdout", "plan", "used.ledger", "--queries", "5", "--format", "json")
    assert further.exit_code == 0, further.stderr
    widths = [min(t["half_width"] for t in v["terms"]) for v in (new, json.loads(further.stdout))]
    assert widths[1] > widths[0]


def test_plan_needs_a_declared_budget(run, ledger) -> None:
    refused = run("holdout", "plan", ledger, "--queries", "5")
    assert refused.exit_code == 1
    assert "No budget was declared" in refused.stderr


def scores(folder, name, order, **columns):
    rng = np.random.default_rng(0)
    right = rng.integers(0, 2, 400)
    table = pd.DataFrame({"id": [f"q{i}" for i in range(400)], "y": right})
    table["p"] = np.clip(right * 0.4 + rng.random(400) * 0.6, 0, 1).round(4)
    table["said"] = (table["p"] > 0.5).astype(int)
    table.sample(frac=1, random_state=order)[list(columns.pop("keep", table.columns))].to_csv(
        folder / name, index=False
    )


@pytest.mark.parametrize(
    ("options", "low", "high"),
    [
        (("--prediction", "said", "--metric", "accuracy"), 0.7, 0.95),
        (("--prediction", "said", "--metric", "f1"), 0.6, 0.95),
        (("--prediction", "said", "--metric", "balanced_accuracy"), 0.6, 0.95),
        (("--prediction", "p", "--metric", "roc_auc"), 0.7, 1.0),
        (("--prediction", "p", "--metric", "neg_log_loss"), -1.0, 0.0),
        (("--prediction", "p", "--metric", "r2", "--bounds", "0", "1"), -1.0, 1.0),
        (("--prediction", "p", "--metric", "absolute_error", "--bounds", "0", "1"), 0.1, 0.6),
    ],
)
def test_predictions_in_a_file_are_asked_about(options, low, high, run, workplace) -> None:
    scores(workplace, "scored.csv", 1)
    run("holdout", "create", "asked.ledger")
    asked = ("holdout", "infer", "asked.ledger", "scored.csv", "--label", "y", "--key", "id", *options)
    found = run(*asked, "--format", "json", "--queries", "7")
    assert found.exit_code == 0, found.stderr
    answer = json.loads(found.stdout)
    assert low <= answer["terms"][0]["estimate"] <= high
    scores(workplace, "again.csv", 2)  # the same rows in another order: the answer is known
    again = run(*(part.replace("scored.csv", "again.csv") for part in asked), "--format", "json")
    assert json.loads(again.stdout)["terms"] == answer["terms"]
    assert json.loads(run("holdout", "status", "asked.ledger", "--format", "json").stdout)["left"] == 6


def test_predictions_of_another_file_are_matched_by_the_key(run, workplace) -> None:
    scores(workplace, "labels.csv", 1, keep=["id", "y"])
    scores(workplace, "model.csv", 2, keep=["id", "said"])
    scores(workplace, "both.csv", 3, keep=["id", "y", "said"])
    found = []
    for name, files in (("a", ["both.csv"]), ("b", ["labels.csv", "--predictions-from", "model.csv"])):
        run("holdout", "create", f"{name}.ledger")
        options = (
            "--label",
            "y",
            "--prediction",
            "said",
            "--key",
            "id",
            "--guess",
            "0.8",
            "--format",
            "json",
        )
        shown = run("holdout", "infer", f"{name}.ledger", *files, *options)
        if name == "b":  # the rows have the ledger of the first question
            assert shown.exit_code == 3 and "a.ledger" in shown.stderr
            shown = run("holdout", "infer", "a.ledger", *files, *options)
        found.append(json.loads(shown.stdout)["terms"])
    assert found[0] == found[1]
    scores(workplace, "few.csv", 2, keep=["said"])
    for arguments, wanted in (
        (("labels.csv", "--predictions-from", "few.csv", "--key", "id"), "--key"),
        (("labels.csv", "--predictions-from", "model.csv"), "needs --key"),
        (("both.csv", "--key", "id", "--metric", "r2"), "needs --bounds"),
        (("both.csv", "--key", "id", "--bounds", "0", "1"), "is not read with --metric accuracy"),
        (("few.csv",), "'y'"),
    ):
        refused = run("holdout", "infer", "a.ledger", *arguments, "--label", "y", "--prediction", "said")
        assert refused.exit_code in (1, 2) and wanted in refused.stderr, refused.stderr
