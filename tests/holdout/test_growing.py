"""Holdouts that rows join: what was answered stays valid, the budget goes on, and every question is asked of all rows."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tests.holdout.study import MODEL, X_TRAIN, Y_TRAIN, draw, make, next_secret
from validstats.exceptions import (
    BudgetExhaustedError,
    DataReuseWarning,
    HoldoutOverlapError,
    LedgerMismatchError,
)
from validstats.holdout import Ledger, ReusableHoldout
from validstats.holdout.mechanisms import GuessAndCheck
from validstats.validity import binomial_acceptance

X_ALL, Y_ALL = draw(900, seed=12)
FIRST, SECOND, THIRD = slice(0, 500), slice(500, 700), slice(700, 900)


def grown(ledger: Any = None, **options: Any) -> ReusableHoldout:
    """A holdout of 500 rows that answered two questions, and that 200 rows joined."""
    rh = make(ledger, X=X_ALL[FIRST], y=Y_ALL[FIRST], **options)
    rh.infer(MODEL)
    rh.infer(np.ones(500, int), guess=0.5)
    return rh.extend(X_ALL[SECOND], Y_ALL[SECOND])


def test_the_mass_and_the_plan_go_on_and_intervals_are_of_all_rows() -> None:
    rh = make(X=X_ALL[FIRST], y=Y_ALL[FIRST])
    before = rh.infer(MODEL)
    nats = rh.nats_
    rh.extend(X_ALL[SECOND], Y_ALL[SECOND])
    assert rh.nats_ == nats and rh.calibration_.n_units == 700
    assert rh.calibration_.declared.queries == 20
    after = rh.infer(MODEL)
    assert not after.cached and after.left["queries"] == 18
    assert after.n_reference == 700 and before.n_reference == 500
    # level of the next statement: the mass that is left times its share, as if no rows had joined
    twin = make(X=X_ALL[:700], y=Y_ALL[:700])
    twin.infer(np.ones(700, int), guess=float(np.mean(Y_ALL[:700])))
    assert after.half_width == pytest.approx(twin.infer(MODEL).half_width, abs=0.01)
    assert rh.infer(MODEL).cached


def test_labels_outside_the_declared_classes_do_not_join() -> None:
    rh = ReusableHoldout(queries=3, ledger=Ledger.in_memory(secret=next_secret()))
    rh.calibrate(X_ALL[FIRST], Y_ALL[FIRST])
    nats = rh.nats_
    with pytest.raises(
        ValueError, match=r"not among the classes \[0, 1\] of the holdout; nothing was changed"
    ):
        rh.extend(X_ALL[SECOND], np.full(200, 7))
    assert rh.nats_ == nats and rh.calibration_.n_units == 500


def test_all_rows_at_once_and_the_rows_before_continue_the_same_ledger(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "l")
    rh = grown(ledger)
    answer, nats = rh.infer(MODEL), rh.nats_
    shuffled = np.random.default_rng(1).permutation(700)
    again = make(Ledger.open(tmp_path / "l"), X=X_ALL[:700][shuffled], y=Y_ALL[:700][shuffled])
    assert again.infer(MODEL).cached and again.nats_ == nats
    first = make(Ledger.open(tmp_path / "l"), X=X_ALL[FIRST], y=Y_ALL[FIRST])  # a program from the top
    assert first.infer(MODEL).cached and first.calibration_.n_units == 500
    first.extend(X_ALL[SECOND], Y_ALL[SECOND])
    assert first.infer(MODEL).value == answer.value and first.nats_ == nats
    assert [entry.release for entry in ledger.entries()].count("extended") == 1
    # rows that joined after those that are handed over
    rh.extend(X_ALL[THIRD], Y_ALL[THIRD])
    with pytest.raises(LedgerMismatchError, match="others joined them"):
        make(Ledger.open(tmp_path / "l"), X=X_ALL[FIRST], y=Y_ALL[FIRST]).extend(*draw(50, seed=77))
    ledger.verify()


def test_a_second_ledger_on_rows_before_or_after_is_refused(tmp_path: Path) -> None:
    Ledger.create(tmp_path / "l")
    grown(tmp_path / "l")
    for rows in (FIRST, SECOND, slice(0, 700), slice(100, 650)):
        Ledger.create(tmp_path / f"{rows.start} {rows.stop}")
        with pytest.raises(HoldoutOverlapError):
            make(tmp_path / f"{rows.start} {rows.stop}", X=X_ALL[rows], y=Y_ALL[rows])
    # nor may rows of another ledger join
    Ledger.create(tmp_path / "m")
    other = make(tmp_path / "m", X=X_ALL[THIRD], y=Y_ALL[THIRD])
    with pytest.raises(HoldoutOverlapError):
        other.extend(X_ALL[SECOND], Y_ALL[SECOND])
    assert other.infer(MODEL).n_reference == 200


def test_rows_in_memory_are_found_before_and_after() -> None:
    def fresh(rows: slice) -> ReusableHoldout:
        rh = ReusableHoldout(queries=20, random_state=0).fit(X_TRAIN, Y_TRAIN)
        return rh.calibrate(X_ALL[rows] + 5.0, Y_ALL[rows])

    first = fresh(FIRST)
    first.infer(MODEL)
    first.extend(X_ALL[SECOND] + 5.0, Y_ALL[SECOND])
    for rows in (FIRST, slice(0, 700)):
        assert fresh(rows).ledger_ is first.ledger_


@pytest.mark.share(2)
@pytest.mark.parametrize("ids", [False, True])
def test_rows_of_the_vault_stay_in_it_and_others_never_come_in(ids: bool) -> None:
    names = np.array([f"r{i}" for i in range(900)])

    def given(rows: slice) -> dict[str, Any]:
        return {"ids": names[rows]} if ids else {}

    ledger = Ledger.in_memory(secret=next_secret())
    rh = ReusableHoldout(queries=20, vault=0.2, ledger=ledger).fit(X_TRAIN, Y_TRAIN)
    rh.calibrate(X_ALL[FIRST], Y_ALL[FIRST], **given(FIRST))
    sealed, open_rows = (set(part.given.tolist()) for part in (rh.desk_.parts.vault, rh.desk_.parts.reusable))
    assert len(sealed) == 100
    for rows, n in ((SECOND, 700), (THIRD, 900)):
        rh.extend(X_ALL[rows], Y_ALL[rows], **given(rows))
        now = set(rh.desk_.parts.vault.given.tolist())
        assert sealed <= now and not now & open_rows
        assert abs(len(now) - 0.2 * n) < 4 * math.sqrt(n * 0.16)
        sealed, open_rows = now, set(rh.desk_.parts.reusable.given.tolist())
    again = ReusableHoldout(queries=20, vault=0.2, ledger=ledger).fit(X_TRAIN, Y_TRAIN)
    again.calibrate(X_ALL, Y_ALL, **given(slice(None)))
    assert set(again.desk_.parts.vault.given.tolist()) == sealed
    assert rh.final(MODEL).n_reference == len(sealed)


def test_equal_rows_stay_on_their_side_of_the_vault_when_others_join() -> None:
    X, y = np.ones((100, 1)), np.ones(100, int)
    ledger = Ledger.in_memory(secret=next_secret())
    rh = ReusableHoldout(queries=5, mechanism="description_length", vault=0.2, ledger=ledger)
    sealed = set(rh.calibrate(X, y).desk_.parts.vault.given.tolist())
    assert len(sealed) == 20 and sealed != set(range(20)) and sealed != set(range(80, 100))
    for n in (110, 150):
        rh.extend(np.ones((n - len(y), 1)), np.ones(n - len(y), int))
        y = np.ones(n, int)
        now = set(rh.desk_.parts.vault.given.tolist())
        assert {i for i in now if i < 100} == sealed and abs(len(now) - 0.2 * n) < 4 * math.sqrt(n * 0.16)
    again = ReusableHoldout(queries=5, mechanism="description_length", vault=0.2, ledger=ledger)
    assert set(again.calibrate(np.ones((150, 1)), y).desk_.parts.vault.given.tolist()) == now


@pytest.mark.parametrize("kind", ["array", "pandas", "indexed", "polars", "sparse"])
def test_rows_of_every_kind_join_in_the_order_in_which_they_were_given(kind: str) -> None:
    def rows(part: slice) -> Any:
        X = X_ALL[part]
        if kind == "sparse":
            return sparse.csr_matrix(X)
        if kind == "polars":
            return pytest.importorskip("polars").DataFrame({f"x{i}": X[:, i] for i in range(3)})
        index = [f"r{i}" for i in range(part.start, part.stop)] if kind == "indexed" else None
        return X if kind == "array" else pd.DataFrame(X, columns=list("abc"), index=index)

    rh = ReusableHoldout(
        queries=5, mechanism="description_length", ledger=Ledger.in_memory(secret=next_secret())
    )
    rh.calibrate(rows(FIRST), Y_ALL[FIRST]).extend(rows(SECOND), Y_ALL[SECOND])
    assert rh.infer(Y_ALL[:700]).bounds[1] == 1.0
    wrong = Y_ALL[:700].copy()
    wrong[600:] = 1 - wrong[600:]
    assert rh.infer(wrong).value == pytest.approx(600 / 700, abs=0.02)
    if kind == "indexed":
        named = pd.Series(Y_ALL[:700], index=[f"r{i}" for i in range(700)]).sample(frac=1, random_state=1)
        assert rh.infer(named).cached


def test_whole_new_clusters_join() -> None:
    clusters = np.arange(900) // 5
    rh = make(X=X_ALL[FIRST], y=Y_ALL[FIRST], clusters=clusters[FIRST])
    with pytest.raises(ValueError, match="Only whole new clusters"):
        rh.extend(X_ALL[SECOND], Y_ALL[SECOND], clusters=clusters[SECOND] - 10)
    with pytest.raises(ValueError, match="needs clusters="):
        rh.extend(X_ALL[SECOND], Y_ALL[SECOND])
    assert rh.extend(X_ALL[SECOND], Y_ALL[SECOND], clusters=clusters[SECOND]).calibration_.n_units == 140


def test_rows_join_one_by_one_beside_a_vault() -> None:
    rh = make(X=X_ALL[FIRST], y=Y_ALL[FIRST], vault=0.5)
    sides = []
    for i in range(500, 508):
        rh.extend(X_ALL[i : i + 1], Y_ALL[i : i + 1])
        sides.append(i in rh.desk_.parts.vault.given)
    assert set(sides) == {True, False}


def test_clusters_and_identifiers_are_given_with_all_rows_or_with_none() -> None:
    names = np.array([f"r{i}" for i in range(900)])
    for given in ({}, {"ids": names}, {"clusters": np.arange(900)}):
        first, second = ({k: v[part] for k, v in given.items()} for part in (FIRST, SECOND))
        fresh = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=next_secret()))
        rh = fresh.calibrate(X_ALL[FIRST], Y_ALL[FIRST], **first)
        for name in ("clusters", "ids"):
            wrong = {**second, name: None if name in second else names[SECOND]}
            with pytest.raises(ValueError, match=f"needs {name}= where calibrate.. had them, and none where"):
                rh.extend(X_ALL[SECOND], Y_ALL[SECOND], **wrong)
        rh.extend(X_ALL[SECOND], Y_ALL[SECOND], **second)
        assert rh.calibration_.n_units == 700 and rh.desk_.joined
        for name, values in given.items():
            assert rh.desk_.parts.handed(name).tolist() == values[:700].tolist()


def test_labels_that_join_are_words_beside_words_and_classes_that_are_known() -> None:
    words = np.array(["no", "yes"])

    def fresh(y: Any, **options: Any) -> ReusableHoldout:
        ledger = Ledger.in_memory(secret=next_secret())
        rh = ReusableHoldout(queries=5, mechanism="description_length", guess=None, ledger=ledger)
        return rh.calibrate(X_ALL[FIRST], y, **options)

    with pytest.raises(
        ValueError, match="y holds numbers, and the labels of the holdout are words; nothing was"
    ):
        fresh(words[Y_ALL[FIRST]], classes=words).extend(X_ALL[SECOND], Y_ALL[SECOND])
    with pytest.raises(
        ValueError, match="y holds words, and the labels of the holdout are numbers; nothing was"
    ):
        fresh(Y_ALL[FIRST]).extend(X_ALL[SECOND], words[Y_ALL[SECOND]])
    some = Y_ALL[SECOND].copy()
    some[3] = 7
    with pytest.raises(ValueError, match=r"not among the classes \[0, 1\] of the holdout"):
        fresh(Y_ALL[FIRST]).extend(X_ALL[SECOND], some)
    line = fresh(Y_ALL[FIRST] + 0.5).extend(X_ALL[SECOND], some + 0.25)  # no classes are known
    assert line.calibration_.n_units == 700
    known = make(X=X_ALL[FIRST], y=Y_ALL[FIRST]).extend(X_ALL[SECOND], some)
    assert sorted(set(known.desk_.parts.reusable.labels.tolist())) == [-1, 0, 1]  # training knows two of them


def test_what_cannot_join_is_refused_and_changes_nothing() -> None:
    rh = make(X=X_ALL[FIRST], y=Y_ALL[FIRST])
    entries = len(rh.ledger_)
    with pytest.raises(ValueError, match="would count twice"):
        rh.extend(X_ALL[400:600], Y_ALL[400:600])
    with pytest.raises(ValueError, match="columns of the holdout"):
        rh.extend(X_ALL[SECOND][:, :2], Y_ALL[SECOND])
    with pytest.raises(ValueError, match="one value for each of the 200 rows"):
        rh.extend(X_ALL[SECOND], Y_ALL[THIRD][:100])
    assert len(rh.ledger_) == entries
    with pytest.warns(DataReuseWarning):
        rh.extend(X_TRAIN[:200], Y_TRAIN[:200])
    for mechanism in ("gaussian", "fresh_chunks"):
        noisy = make(X=X_ALL[FIRST], y=Y_ALL[FIRST], mechanism=mechanism)
        with pytest.raises(ValueError, match="no noisy answer"):
            noisy.extend(X_ALL[SECOND], Y_ALL[SECOND])


def test_a_gate_is_closed_and_another_goes_on_with_the_same_start() -> None:
    rh = make(X=X_ALL[FIRST], y=Y_ALL[FIRST], mechanism="single_look", queries=1)
    gate = rh.gate(np.zeros(500, int))
    assert gate.ask(Y_ALL[FIRST])
    nats = rh.nats_
    rh.extend(X_ALL[SECOND], Y_ALL[SECOND])
    with pytest.raises(BudgetExhaustedError, match="this gate was ended"):
        gate.ask(1 - Y_ALL[FIRST])
    after = rh.gate(np.zeros(700, int))
    assert after.status["proposals"] == 0 and rh.nats_ == pytest.approx(nats - math.log1p(-0.1))
    assert after.ask(Y_ALL[:700])
    assert after.certify().gain > 0.3


def test_a_board_of_more_rows_is_another_board() -> None:
    rh = make(X=X_ALL[FIRST], y=Y_ALL[FIRST], mechanism="description_length")
    assert rh.leaderboard(baseline=0.5).submit(Y_ALL[FIRST]).passed
    nats = rh.nats_
    rh.extend(X_ALL[SECOND], Y_ALL[SECOND])
    worse = Y_ALL[:700].copy()
    worse[::5] = 1 - worse[::5]
    assert rh.leaderboard(baseline=0.5).submit(worse).passed  # the best score so far was of the rows before
    assert rh.nats_ > nats


def test_named_questions_are_other_ones_of_more_rows() -> None:
    rh = make(X=X_ALL[FIRST], y=Y_ALL[FIRST])
    assert not rh.infer(np.ones(500, int), guess=0.5, query_id="all ones").cached
    assert rh.infer(np.ones(500, int), guess=0.5, query_id="all ones").cached
    rh.extend(X_ALL[SECOND], Y_ALL[SECOND])
    assert not rh.infer(np.ones(700, int), guess=0.5, query_id="all ones").cached


def test_the_summary_says_that_rows_joined() -> None:
    rh = grown()
    flat = " ".join(str(rh.summary(details=True)).split())
    assert "200 rows joined" in flat and "may depend on answers alone" in flat
    assert "neither before they did" in " ".join(str(rh.infer(MODEL).summary()).split())


# ------------------------------------------------------------------------------------ the guarantee


def miss_risk(n: int, more: int, alpha: float, *, anew: bool) -> float:
    """Exact probability that a statement is false, over all labels by fair coins: rows join only after a failed guess."""
    wrong = 0
    for labels in itertools.product((False, True), repeat=n + more):
        y = np.array(labels)
        options = {"queries": 3, "confidence_level": 1 - alpha, "t": 0.3, "c": 0.5, "failure_weight": 1.0}
        state = GuessAndCheck.initial_state(n, **options)
        asked = np.ones(n, bool)
        state, first = GuessAndCheck.step(state, asked == y[:n], 0.5)
        missed = not first.low <= 0.5 <= first.high
        # the answer shapes the next question: the half of the labels that it says is commoner
        asked[: n // 2] = first.value >= 0.5
        state, second = GuessAndCheck.step(state, asked == y[:n], 0.5)
        missed |= not second.low <= 0.5 <= second.high
        rows = n
        if not first.passed:
            rows = n + more
            state = GuessAndCheck.initial_state(rows, **options) if anew else state
            state = GuessAndCheck.resized(state, rows)
        best = np.full(rows, first.value >= 0.5)
        best[: n // 2] = second.value >= 0.5
        state, third = GuessAndCheck.step(state, best == y[:rows], None)
        missed |= not third.low <= 0.5 <= third.high
        wrong += missed
    return wrong / 2 ** (n + more)


def test_statements_share_one_alpha_over_all_labels_exactly() -> None:
    risks = {alpha: miss_risk(6, 2, alpha, anew=False) for alpha in (0.3, 0.5)}
    assert 0 < risks[0.3] <= 0.3 and risks[0.5] <= 0.5
    assert miss_risk(6, 2, 0.5, anew=True) > 2 * risks[0.5]  # a budget that begins anew


def misses(rng: np.random.Generator, runs: int, anew: bool) -> int:
    """Runs in which the majority of forty labellings, each by its sign, is given a wrong interval after rows joined."""
    n, more, queries, wrong = 300, 30, 41, 0
    for _ in range(runs):
        labels = rng.integers(0, 2, n + more)
        state = GuessAndCheck.initial_state(n, queries=queries, t=0.25, c=1.0, failure_weight=1.0)
        votes = np.zeros(n + more)
        for _ in range(queries - 1):
            trial = rng.integers(0, 2, n + more)
            state, answer = GuessAndCheck.step(state, trial[:n] == labels[:n], 0.5)
            votes += (2 * trial - 1) * np.sign(answer.value - 0.5)
        state = GuessAndCheck.resized(state, n + more)
        if anew:
            state = GuessAndCheck.initial_state(n + more, queries=1)
        _, last = GuessAndCheck.step(state, (votes > 0) == labels, None)
        wrong += not last.low <= 0.5 <= last.high
    return wrong


@pytest.mark.validity
def test_adaptive_questions_around_an_extension_keep_their_level_and_a_new_budget_does_not() -> None:
    rng = np.random.default_rng(8)
    assert binomial_acceptance(300 - misses(rng, 300, anew=False), 300, 0.95).accepted
    assert misses(rng, 40, anew=True) > 30
