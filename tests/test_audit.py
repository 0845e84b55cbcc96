"""Audits: planted sins are found by name, clean studies raise no alarm, receipts are confirmed or contradicted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.audit_sins import SINS, toml
from validstats.holdout import Ledger, ReusableHoldout
from validstats.reporting import audit, verify


def written(maker, folder: Path, sin: bool, seed: int = 5) -> Path:
    path = folder / "study.toml"
    content = maker(np.random.default_rng(seed), folder, sin)
    path.write_text("\n".join(toml(content)), encoding="utf-8")
    return path


@pytest.mark.share(3)
@pytest.mark.parametrize("name", list(SINS))
def test_a_planted_sin_is_found_and_a_clean_study_raises_no_alarm(name, tmp_path) -> None:
    maker, expected = SINS[name]
    found = audit(written(maker, tmp_path, True))
    assert not found.sound and set(expected) & {f.code for f in found.findings}
    assert audit(written(maker, tmp_path, False)).sound


def test_a_receipt_is_confirmed_and_every_change_is_named(tmp_path) -> None:
    maker, _ = SINS["judge bias"]
    study = written(maker, tmp_path, True)
    receipt = audit(study).write(tmp_path / "page.html")
    assert receipt.name == "page.receipt.json" and "judge-bias" in (tmp_path / "page.html").read_text(
        encoding="utf-8"
    )
    assert verify(receipt, study) == []
    rows = pd.read_csv(tmp_path / "answers.csv")
    rows.loc[0, "judge"] = 1 - rows.loc[0, "judge"]
    rows.to_csv(tmp_path / "answers.csv", index=False)
    told = verify(receipt, study)
    assert any(line.startswith("files: answers.csv is") for line in told)
    assert any(line.startswith("rows: answers.csv is") for line in told)
    forged = json.loads(receipt.read_text(encoding="utf-8")) | {"findings": []}
    receipt.write_text(json.dumps(forged), encoding="utf-8")
    assert "The receipt was changed after it was made." in verify(receipt, study)


def test_something_else_is_no_receipt(tmp_path) -> None:
    other = tmp_path / "other.json"
    for text in ("no json", "[]", '{"schema": "validstats.receipt/1"}'):
        other.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match="is no receipt"):
            verify(other, {})


def test_labels_pasted_by_position_are_matched_by_their_identifier(tmp_path) -> None:
    rng = np.random.default_rng(1)
    good = rng.random(400) < 0.6
    answers = pd.DataFrame({"id": np.arange(400), "judge": np.where(good, 1, rng.random(400) < 0.3)})
    answers.to_csv(tmp_path / "answers.csv", index=False)
    chosen = rng.choice(400, 120, replace=False)
    labels = pd.DataFrame({"id": np.arange(400), "human": good.astype(float)})
    labels.loc[~labels["id"].isin(chosen), "human"] = np.nan
    shuffled = labels.sample(frac=1.0, random_state=0)
    claim = {
        "kind": "judge",
        "file": str(tmp_path / "answers.csv"),
        "judge": "judge",
        "human": "human",
        "id": "id",
    }
    claim |= {"labels": str(tmp_path / "labels.csv"), "says": [0.6]}
    intervals = {}
    for name, table, by in (
        ("sorted", labels, "position"),
        ("shuffled", shuffled, "position"),
        ("ids", shuffled, "id"),
    ):
        table.to_csv(tmp_path / "labels.csv", index=False)
        found = audit({"claim": [claim | {"labels_by": by}]})
        codes = [f.code for f in found.findings]
        assert codes == (["misaligned-labels"] if name == "shuffled" else [])
        intervals[name] = found.results["Claim 1"].conf_low
    assert len(set(intervals.values())) == 1


def test_looks_are_counted_by_the_ledger(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 2))
    y = (X[:, 0] > 0).astype(int)
    ledger = Ledger.create(tmp_path / "study.ledger")
    rh = ReusableHoldout(queries=5, ledger=ledger, random_state=0).fit(X[:300], y[:300])
    rh.calibrate(X[300:], y[300:])
    noisy = [np.where(rng.random(600) < 0.8, y[300:], 1 - y[300:]) for _ in range(3)]
    for prediction in noisy:
        rh.infer(prediction)
    ledger.close()
    scores = [round(float((p == y[300:]).mean()), 3) for p in noisy]
    for extra, codes in ((0, []), (4, ["unlogged-looks"])):
        pd.DataFrame({"score": scores + [0.7] * extra}).to_csv(tmp_path / "runs.csv", index=False)
        claim = {"kind": "looks", "rows": 600, "scores": "runs.csv", "ledger": "study.ledger"}
        claim["says"] = [max(scores), 0.0, 1.0]
        (tmp_path / "study.toml").write_text("\n".join(toml({"claim": [claim]})), encoding="utf-8")
        found = audit(tmp_path / "study.toml")
        assert [f.code for f in found.findings] == codes
    assert found.receipt["ledgers"]["study.ledger"].startswith("validstats-ledger:")
    assert verify(found.write(tmp_path / "page.md"), tmp_path / "study.toml") == []


def test_a_number_that_explains_the_outcome_smoothly_is_no_cluster(tmp_path) -> None:
    rng = np.random.default_rng(3)
    age = rng.integers(20, 70, 800)
    passed = (rng.random(800) < 1 / (1 + np.exp(-(age - 45) / 10))).astype(int)
    pd.DataFrame({"age": age, "passed": passed}).to_csv(tmp_path / "rows.csv", index=False)
    p = float(passed.mean())
    claim = {
        "kind": "share",
        "file": str(tmp_path / "rows.csv"),
        "column": "passed",
        "says": [p, p - 0.05, p + 0.05],
    }
    assert audit({"claim": [claim]}).sound


def test_a_batch_is_computed_from_whole_weeks(tmp_path) -> None:
    rng = np.random.default_rng(2)
    week = np.repeat(np.arange(60), 7)
    y = 100 + rng.normal(0, 15, 60)[week] + rng.normal(0, 5, 420)
    pd.DataFrame({"week": week, "y": y}).to_csv(tmp_path / "past.csv", index=False)
    pd.DataFrame({"day": np.arange(7)}).to_csv(tmp_path / "new.csv", index=False)
    claim = {"kind": "batch", "labelled": "past.csv", "new": "new.csv", "label": "y", "target": "total"}
    found = {}
    for name, more in (("weeks", {"batches": "week"}), ("days", {"bounds": [0, 200]})):
        says = {"says": [700.0, 660.0, 740.0]} if name == "days" else {"says": [700.0, 400.0, 1000.0]}
        (tmp_path / "study.toml").write_text(
            "\n".join(toml({"claim": [claim | more | says]})), encoding="utf-8"
        )
        found[name] = [f.code for f in audit(tmp_path / "study.toml").findings]
    assert found["weeks"] == []
    assert "ignored-clusters" in found["days"]


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"claims": []}, "A study has"),
        ({"claim": [{"kind": "guess", "says": [1.0]}]}, "must be one of"),
        ({"claim": [{"kind": "share", "events": 3, "n": 10}]}, "needs 'says'"),
        ({"claim": [{"kind": "share", "events": 3, "n": 10, "says": [0.3, 0.4, 0.5]}]}, "low <= estimate"),
        ({"claim": [{"kind": "share", "events": 11, "n": 10, "says": [0.3]}]}, "between 0 and n"),
        ({"claim": [{"name": "a", "kind": "share", "events": 3, "n": 10, "says": [0.3]}] * 2}, "Two claims"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(study, message) -> None:
    with pytest.raises(ValueError, match=message):
        audit(study)


def test_files_that_are_not_there_are_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        audit({"data": {"rows": "nowhere.csv"}})
    broken = tmp_path / "study.toml"
    broken.write_text("[[claim", encoding="utf-8")
    with pytest.raises(ValueError, match="is no TOML"):
        audit(broken)
