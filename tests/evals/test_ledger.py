"""Comparisons through a ledger: one word each, many looks, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from validstats import evals
from validstats.cli import main
from validstats.evals import EvalFileError
from validstats.exceptions import (
    BudgetExhaustedError,
    HoldoutOverlapError,
    LedgerMismatchError,
    LedgerMissingError,
)
from validstats.holdout import Ledger
from validstats.results import NotApplicable


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "looks.ledger"
    Ledger.create(path).close()
    return path


def answers(gain, n=500, seed=0):
    """Two columns of 0/1 scores: the baseline, and one that has a share of its failures right."""
    rng = np.random.default_rng(seed)
    old = (rng.random(n) < 0.6).astype(int)
    new = np.where((old == 0) & (rng.random(n) < gain), 1, old)
    return {"item": np.arange(n), "new": new, "old": old}


def test_one_word_and_no_number(ledger):
    result = evals.compare(answers(0.5), "new", "old", ledger=ledger)
    assert result.verdict.code == "better"
    assert result.answer == "new is better than old, provided nobody read the scores otherwise"
    assert result.left == {"queries": 99}
    assert isinstance(result.estimate, NotApplicable)
    assert isinstance(result.conf_low, NotApplicable)
    assert list(result.tidy().columns) == ["term", "code"]
    text = json.dumps(result.to_dict())
    for word in ("estimate", "conf_low", "p_value", "mean_a", "std_error"):
        assert f'"{word}"' not in text
    with pytest.raises(ValueError, match="nothing to draw"):
        result.plot()


def test_scores_with_one_verdict_give_one_report(tmp_path, monkeypatch):
    """Nothing but the word leaves: other scores with the same word print the same."""
    texts = set()
    for seed in (1, 2):
        # The items are the same, so that each of the two worlds has a registry of rows of its own.
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"state {seed}"))
        made = Ledger.in_memory()
        result = evals.compare(answers(0.5, seed=seed), "new", "old", ledger=made)
        values = result.to_dict()
        values.pop("inputs")
        texts.add(json.dumps(values))
    assert len(texts) == 1


def test_the_same_items_have_one_ledger(ledger):
    """A second ledger on items that have one is refused, in a file or in memory, and nothing is charged for that."""
    held, named = Ledger.in_memory(), [f"question {i}" for i in range(500)]
    first = evals.compare({**answers(0.5), "item": named}, "new", "old", ledger=held)
    for other in (Ledger.in_memory(), ledger):
        with pytest.raises(HoldoutOverlapError, match="in the memory of this program: they are the same"):
            evals.compare({**answers(0.5, seed=1), "item": named}, "new", "old", ledger=other)
    assert evals.compare({**answers(0.5), "item": named}, "new", "old", ledger=held).nats == first.nats


def test_numbered_items_of_two_data_sets_are_not_the_same(ledger):
    """Numbers name the items of any data set: each has a ledger of its own, which it continues."""
    held = Ledger.in_memory()
    first = evals.compare(answers(0.5), "new", "old", ledger=held)
    assert evals.compare(answers(0.5, seed=1), "new", "old", ledger=ledger).left == first.left
    assert evals.compare(answers(0.5), "new", "old", ledger=held).nats == first.nats


def test_the_same_question_costs_once_and_the_other_way_round_is_worse(ledger):
    first = evals.compare(answers(0.5), "new", "old", ledger=ledger)
    again = evals.compare(answers(0.5), "new", "old", ledger=ledger)
    assert again.nats == first.nats
    turned = evals.compare(answers(0.5), "old", "new", ledger=ledger)
    assert turned.verdict.code == "worse"
    assert turned.nats > first.nats


@pytest.mark.slow
def test_an_analyst_who_searches_in_the_scores_gets_no_false_word():
    """Coins that agree with the items by chance are collected look by look: plain comparisons call their vote better."""
    rng = np.random.default_rng(3)
    n, looks = 200, 60
    truth = rng.integers(0, 2, n)  # what is right, unknown to the analyst
    base = (rng.integers(0, 2, n) == truth).astype(int)
    votes = np.zeros(n)
    for _ in range(looks):
        guess = rng.integers(0, 2, n)
        score = (guess == truth).astype(int)
        # Plain scores are read: a coin that beats a half votes as it is, the others turned round.
        votes += (1 if score.mean() > 0.5 else -1) * (2 * guess - 1)
    vote = ((votes > 0).astype(int) == truth).astype(int)
    data = {"item": np.arange(n), "vote": vote, "base": base}
    assert evals.compare(data, "vote", "base").verdict.code == "better"
    gained = np.zeros(n)
    opened = Ledger.in_memory()
    for _ in range(looks):
        guess = rng.integers(0, 2, n)
        score = (guess == truth).astype(int)
        word = evals.compare(
            {"item": np.arange(n), "vote": score, "base": base}, "vote", "base", ledger=opened
        )
        gained += {"better": 1, "worse": -1, "undecided": 0}[word.verdict.code] * (2 * guess - 1)
        assert word.verdict.code == "undecided"
    assert not gained.any()


def test_refusals_charge_nothing(ledger, tmp_path):
    data = answers(0.2)
    before = evals.compare(data, "new", "old", ledger=ledger, looks=2).nats
    with pytest.raises(ValueError, match=r"margin=0\.1"):
        evals.compare(data, "new", "old", ledger=ledger, margin=0.1)
    with pytest.raises(EvalFileError, match="leave weights= out"):
        evals.compare(data | {"w": np.ones(500)}, "new", "old", ledger=ledger, weights="w")
    with pytest.raises(EvalFileError, match=r"scores in \[0, 1\]"):
        evals.compare(data | {"new": 3 * data["new"]}, "new", "old", ledger=ledger)
    with pytest.raises(LedgerMismatchError, match="other holdout rows"):
        evals.compare(answers(0.2, n=400), "new", "old", ledger=ledger)
    with pytest.raises(LedgerMissingError):
        evals.compare(data, "new", "old", ledger=tmp_path / "none.ledger")
    again = evals.compare(data, "new", "old", ledger=ledger)
    assert again.nats == before
    assert again.left == {"queries": 1}
    evals.compare(answers(0.21), "new", "old", ledger=ledger)
    with pytest.raises(BudgetExhaustedError):
        evals.compare(answers(0.23), "new", "old", ledger=ledger)


def test_a_judge_with_humans_is_refused(ledger):
    rng = np.random.default_rng(4)
    judge = rng.integers(0, 2, 80)
    human = np.where(rng.random(80) < 0.5, judge, np.nan)
    data = {"item": np.arange(80) // 2, "system": ["a", "b"] * 40, "judge": judge, "human": human}
    with pytest.raises(EvalFileError, match="Leave human= out"):
        evals.compare(data, ledger=ledger)


def test_the_command_gates_through_a_ledger(ledger, tmp_path):
    import pandas as pd

    for name, data in (("good", answers(0.5)), ("bad", {**answers(0.0), "new": np.zeros(500, dtype=int)})):
        pd.DataFrame(data).to_csv(tmp_path / f"{name}.csv", index=False)
    options = ["--a", "new", "--b", "old", "--ledger", str(ledger), "--fail-on", "worse"]
    good = CliRunner().invoke(main, ["compare", str(tmp_path / "good.csv"), *options])
    assert good.exit_code == 0, good.output
    bad = CliRunner().invoke(main, ["compare", str(tmp_path / "bad.csv"), *options, "--format", "json"])
    assert bad.exit_code == 4, bad.output
    assert json.loads(bad.stdout)["exit_code"] == 4
    refused = CliRunner().invoke(
        main,
        ["compare", str(tmp_path / "good.csv"), *options[:5], str(tmp_path / "gone.ledger"), *options[6:]],
    )
    assert refused.exit_code == 3
