"""Records that are of one length whatever the outcome, and ledgers whose disk is full at any byte."""

from __future__ import annotations

import errno
import gc
import math
import os
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks.holdout_gate import part_disk
from tests.holdout.study import X_HOLD, Y_HOLD, make, noise_predictions
from validstats.exceptions import LedgerError, LedgerMissingError, LedgerUnavailableError
from validstats.holdout import Ledger
from validstats.holdout.ledger import anchor as anchors
from validstats.holdout.ledger.store import apply_changes, changes

N = len(Y_HOLD)
START = np.zeros(N, dtype=int)


def right_on(share: float) -> np.ndarray:
    right = np.arange(N) < share * N
    return np.where(right, Y_HOLD, 1 - Y_HOLD)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"a": 1}),
        ({"a": 1, "b": {"c": [1, 2], "d": 0}}, {"b": {"c": [1, 3], "d": 0, "e": None}}),
        ({"a": {"b": 1}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": 2}),
        ({"a": 2}, {"a": {"b": {"c": 1}}}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": True}, {"a": 1}),
    ],
)
def test_changes_of_a_state_can_be_undone(before: dict, after: dict) -> None:
    found = apply_changes(before, changes(before, after))
    assert found == after and repr(found) == repr({name: after[name] for name in found})


def test_states_are_whole_again_beyond_every_snapshot(tmp_path) -> None:
    ledger = Ledger.create(tmp_path / "long.ledger")
    rng = np.random.default_rng(0)
    states = []
    for i in range(70):
        with ledger.turn() as turn:
            state = {**turn.state, f"k{rng.integers(5)}": {"i": i}, "n": i}
            if i % 7 == 0:
                state.pop(f"k{rng.integers(5)}", None)
            turn.append("answer", state=state)
        states.append(state)
    for known in (ledger.entries(), Ledger.open(ledger.path).entries()):
        assert [entry.state for entry in known[1:]] == states
    assert [entry.state for entry in ledger.entries(66)] == states[65:]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Make a ledger of the same rows for another user, who knows of no other."""

    def create(name: str):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"state of {name}"))
        return Ledger.create(tmp_path / name).path

    return create


def lengths(path, outcome: str) -> tuple[tuple[int, ...], bool | None]:
    """Lengths of the last record's columns, for one outcome of a question or a proposal."""
    rh = make(path, queries=20)
    passed = None
    if outcome in ("pass", "fail", "far"):
        guess = {"pass": 0.5, "fail": 0.56, "far": 0.02}[outcome]
        passed = rh.infer(noise_predictions(0), guess=guess).passed
    else:
        passed = rh.gate(START).ask(right_on({"keep": 0.9, "discard": 0.1}[outcome]))
    row = rh.ledger_._store.connection().execute("SELECT * FROM entries ORDER BY idx DESC").fetchone()
    return tuple(len(str(cell)) for cell in row[1:]), passed


def test_a_record_is_as_long_for_one_outcome_as_for_another(elsewhere) -> None:
    found = {outcome: lengths(elsewhere(outcome), outcome) for outcome in ("pass", "fail", "far")}
    assert [passed for _, passed in found.values()] == [True, False, False]
    assert len({length for length, _ in found.values()}) == 1
    found = {outcome: lengths(elsewhere(outcome), outcome) for outcome in ("keep", "discard")}
    assert [passed for _, passed in found.values()] == [True, False]
    assert len({length for length, _ in found.values()}) == 1


def test_an_error_of_a_query_is_recorded_in_as_many_bytes_as_a_value(elsewhere) -> None:
    sizes = []
    for name in ("value", "error"):
        rh = make(elsewhere(name))

        def share(X, y, name=name):
            if name == "error":
                raise KeyError
            return y.astype(float)

        try:
            rh.query(share, guess=0.5)
        except ValueError:
            assert name == "error"
        row = rh.ledger_._store.connection().execute("SELECT * FROM entries ORDER BY idx DESC").fetchone()
        sizes.append([len(str(cell)) for cell in row[1:]])
    assert sizes[0] == sizes[1]


# ---------------------------------------------------------------- full disks


@pytest.mark.slow
def test_a_full_disk_ends_every_outcome_alike() -> None:
    """At every seventieth byte: one error, nothing charged, whatever the outcome would have been; then the bit, charged once."""
    told = next(part_disk(np.random.default_rng(1), 1 / 70))
    assert int(told.split()[0]) > 100


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_an_anchor_whose_disk_is_full_at_any_byte_charges_at_most_once(tmp_path, monkeypatch, step) -> None:
    """Announcing fails: nothing is charged. Confirming fails: charged, and the same question is free."""
    path = Ledger.create(tmp_path / "study.ledger").path
    rh = make(path)
    gate = rh.gate(START)
    write = os.write
    room = [0]

    def short(handle: int, raw: bytes) -> int:
        if not raw.startswith(b"\n["):
            return write(handle, raw)
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(handle, raw[: room[0]])
        room[0] -= done
        return done

    before = len(rh.ledger_)
    bits, told = [], []
    with monkeypatch.context() as patch:
        patch.setattr(anchors.os, "write", short)
        for bytes_left in range(0, 230, step):
            room[0] = bytes_left
            try:
                bits.append(gate.ask(right_on(0.1)))
            except LedgerUnavailableError as error:
                told.append(str(error))
    assert all(("is charged" in text) != ("Nothing was charged" in text) for text in told)
    paid = [e for e in rh.ledger_.entries(before) if e.nats > 0]
    assert len(paid) == 1 and set(bits) == {False}
    assert gate.ask(right_on(0.1)) is False
    assert [e for e in Ledger.open(path).entries(before) if e.nats > 0] == paid


# ---------------------------------------------------------------- folders and links


def test_read_only_state_is_one_clear_error(tmp_path, monkeypatch) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_STATE_HOME", str(blocked))
    with pytest.raises(LedgerUnavailableError, match="XDG_STATE_HOME"):
        Ledger.create(tmp_path / "study.ledger")
    assert make().infer(noise_predictions(0), guess=0.5).passed  # in memory nothing is written


def test_a_ledger_that_cannot_be_written_is_one_clear_error(tmp_path, monkeypatch) -> None:
    rh = make(Ledger.create(tmp_path / "study.ledger").path)
    connection = rh.ledger_._store.connection()
    connection.execute("PRAGMA query_only = 1")
    before = len(rh.ledger_)
    with pytest.raises(LedgerUnavailableError, match="Nothing was charged") as caught:
        rh.infer(noise_predictions(0), guess=0.5)
    assert isinstance(caught.value, OSError) and isinstance(caught.value, LedgerError)
    connection.execute("PRAGMA query_only = 0")
    assert len(rh.ledger_) == before and rh.infer(noise_predictions(0), guess=0.5).passed


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_ledger_that_nobody_has_any_more_closes_its_database(tmp_path, in_memory) -> None:
    ledger = Ledger.in_memory() if in_memory else Ledger.create(tmp_path / "study.ledger")
    connection = ledger._store.connection()
    connection.execute("SELECT 1")
    del ledger
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_hard_link_to_a_ledger_is_refused(tmp_path) -> None:
    path = Ledger.create(tmp_path / "study.ledger").path
    os.link(path, tmp_path / "second.ledger")
    with pytest.raises(LedgerUnavailableError, match="several names"):
        Ledger.open(tmp_path / "second.ledger")
    (tmp_path / "second.ledger").unlink()
    Ledger.open(path)


def test_a_change_of_folder_between_questions_does_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Ledger.create("study.ledger")
    rh = make("study.ledger")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    rh.ledger_.close()
    assert rh.infer(noise_predictions(0), guess=0.5).passed
    rh.calibrate(X_HOLD, Y_HOLD)
    assert rh.infer(noise_predictions(0), guess=0.5).cached
    with pytest.raises(LedgerMissingError):
        Ledger.open("study.ledger")


# ------------------------------------------------------------------------ functions of the caller's under way

_SLOW_METRIC = """
import sys, time
from pathlib import Path
import numpy as np
from tests.holdout.study import make
from validstats.holdout import Metric
flag = Path(sys.argv[2])
def rows(y, prediction, X):
    flag.touch()
    while len(y) == 1200 and not flag.with_suffix(".go").exists():
        time.sleep(0.01)
    return (y == prediction).astype(float)
rh = make(sys.argv[1])
rh.infer(np.ones(1200, int), metric=Metric(name="mine", rows=rows, bounds=(0, 1)), guess=0.5)
print("answered")
"""


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_a_metric_that_runs_in_another_program_is_no_error_until_that_program_ends(tmp_path, killed) -> None:
    path, flag = tmp_path / "l", tmp_path / "flag"
    Ledger.create(path)
    rh = make(path)
    with subprocess.Popen(
        [sys.executable, "-c", _SLOW_METRIC, str(path), str(flag)], stdout=subprocess.PIPE, text=True
    ) as other:
        while not flag.exists() and other.poll() is None:
            time.sleep(0.01)
        assert rh.infer(noise_predictions(1), guess=0.5).left["queries"] == 19
        assert rh.nats_ < 5.0
        if killed:
            other.kill()
            other.wait()
        flag.with_suffix(".go").touch()
        assert other.stdout is not None
        assert other.stdout.read() == ("" if killed else "answered\n")
    before = rh.nats_  # the look settles what never came back
    errors = [entry.nats for entry in rh.ledger_.entries() if entry.release == "error"]
    assert errors == ([pytest.approx(math.log(1000))] if killed else [])
    assert before < 5.0 + sum(errors)
    assert rh.infer(noise_predictions(2), guess=0.5).left["queries"] == 17


def test_an_anchor_of_a_thousand_failed_tries_still_knows_its_head(tmp_path) -> None:
    ledger = Ledger.create(tmp_path / "study.ledger")
    rh = make(ledger)
    rh.infer(noise_predictions(0), guess=0.5)
    anchor = anchors.Anchor.of(ledger.id)
    known = anchor.head()
    line = f'\n["next",{known.count + 1},"{"0" * 64}"]\n'
    with anchor.path.open("a") as stream:
        stream.write(1000 * line)
    assert anchor.head() == known
    assert rh.infer(noise_predictions(1), guess=0.5).left["queries"] == 18
