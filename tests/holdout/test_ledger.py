from __future__ import annotations

import copy
import itertools
import multiprocessing
import os
import pickle
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import clone

from tests.holdout.crash import ask_until_killed, crash_repeatedly
from validstats.exceptions import LedgerMismatchError, LedgerMissingError, LedgerTamperedError
from validstats.holdout import Ledger
from validstats.holdout.ledger import BoundRows
from validstats.holdout.ledger.anchor import Anchor, Receipt, state_directory, state_key


def charge(ledger, nats=0.5, **values):
    with ledger.turn() as turn:
        return turn.append("answer", nats=nats, **values)


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger.create(tmp_path / "study.ledger")
    for i in range(5):
        charge(ledger, answer=i / 10, half_width=0.05, query=f"{i}" * 8, state={"asked": i + 1})
    return ledger


def edit(path, *statements):
    """What someone with a database browser can do."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def triggers(path):
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    connection.close()
    return dict(rows)


def stored(path):
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT * FROM entries ORDER BY idx").fetchall()
    connection.close()
    return rows


def edit_around_guards(path, *statements):
    guards = triggers(path)
    edit(path, *(f"DROP TRIGGER {name}" for name in guards), *statements, *guards.values())


# ---------------------------------------------------------------- what is kept


def test_entries_are_kept_in_order_with_their_totals(ledger):
    entries = Ledger.open(ledger.path).entries()
    assert [entry.idx for entry in entries] == list(range(6))
    assert [entry.release for entry in entries] == ["created"] + ["answer"] * 5
    assert entries[-1].answer == 0.4 and entries[-1].half_width == 0.05 and entries[-1].state == {"asked": 5}
    assert all(b.previous == a.digest for a, b in itertools.pairwise(entries))
    assert ledger.totals() == (2.5, 0.0)
    assert len(ledger) == 6


def test_full_synchronisation_and_write_ahead_log_are_on(ledger):
    connection = ledger._store.connection()
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_state_is_carried_by_entries_that_do_not_change_it(ledger):
    charge(ledger)
    with ledger.turn() as turn:
        assert turn.state == {"asked": 5}
        assert turn.index == 7


def test_an_error_inside_a_turn_charges_nothing(ledger):
    with pytest.raises(ZeroDivisionError), ledger.turn() as turn:  # noqa: PT012
        turn.append("answer", nats=1.0)
        raise ZeroDivisionError
    assert ledger.totals() == (2.5, 0.0)
    assert charge(ledger).idx == 6


@pytest.mark.parametrize("bad", [{"nats": -1.0}, {"nats": float("nan")}, {"mu_squared": float("nan")}])
def test_charges_must_be_finite_and_not_negative(ledger, bad):
    with pytest.raises(ValueError, match="must be at least 0"), ledger.turn() as turn:
        turn.append("answer", **bad)
    assert len(ledger) == 6


def test_the_cache_finds_the_first_answer_to_a_question(ledger):
    charge(ledger, query="22222222", answer=0.9)
    with ledger.turn() as turn:
        assert turn.cached("22222222").answer == 0.2
        assert turn.cached("nowhere") is None


def test_integers_survive_the_round_trip_of_the_chain(ledger):
    with ledger.turn() as turn:
        turn.append(
            "answer", nats=1, answer=1, half_width=0, detail={"n": np.int64(3)}, passed=np.bool_(True)
        )
    assert Ledger.open(ledger.path).entries()[-1].passed is True


# ---------------------------------------------------------------- created once


def test_a_missing_ledger_is_not_a_first_use(tmp_path):
    with pytest.raises(LedgerMissingError, match=r"created once, explicitly"):
        Ledger.open(tmp_path / "study.ledger")


def test_a_ledger_is_created_only_once(ledger):
    with pytest.raises(FileExistsError, match="open it with"):
        Ledger.create(ledger.path)


def test_a_deleted_ledger_is_refused_by_open_and_by_create(ledger):
    ledger.close()
    ledger.path.unlink()
    with pytest.raises(LedgerMissingError, match="had 6 entries"):
        Ledger.open(ledger.path)
    with pytest.raises(LedgerMissingError, match="had 6 entries"):
        Ledger.create(ledger.path)


def test_a_ledger_deleted_while_in_use_is_refused(ledger):
    ledger.path.unlink()
    with pytest.raises(LedgerMissingError, match="removed or replaced"):
        charge(ledger)


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    (tmp_path / "other").write_text("not a database at all, only some text that is long enough" * 20)
    with pytest.raises(LedgerTamperedError, match="not a database"):
        Ledger.open(tmp_path / "other")
    sqlite3.connect(tmp_path / "empty.db").close()
    (tmp_path / "empty.db").touch()
    with pytest.raises(LedgerTamperedError):
        Ledger.open(tmp_path / "empty.db")


def test_only_the_owner_can_read_the_file(ledger):
    assert ledger.path.stat().st_mode & 0o077 == 0


# ---------------------------------------------------------------- append-only


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET body = ''",
        "DELETE FROM entries WHERE idx = 5",
        "UPDATE ledger SET secret = x'00'",
        "DELETE FROM ledger",
    ],
)
def test_triggers_refuse_edits(ledger, statement):
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        edit(ledger.path, statement)
    ledger.verify()


@pytest.mark.parametrize(
    "change",
    [
        """body = REPLACE(body, '"nats":0.5', '"nats":0.0')""",
        """body = REPLACE(body, '"answer":0.2', '"answer":0.7')""",
        """body = REPLACE(body, '"user":""', '"user":"eve"')""",
        """body = REPLACE(body, '"asked":3', '"asked":0')""",
        "release = 'cached'",
        "query = NULL",
    ],
)
def test_an_edited_row_is_refused(ledger, change):
    before = stored(ledger.path)
    edit_around_guards(ledger.path, f"UPDATE entries SET {change} WHERE idx = 3")
    assert stored(ledger.path) != before
    with pytest.raises(LedgerTamperedError, match="entry 3 was edited"):
        Ledger.open(ledger.path)
    with pytest.raises(LedgerTamperedError, match="entry 3 was edited"):
        ledger.verify()


def test_removed_guards_are_noticed(ledger):
    edit(ledger.path, "DROP TRIGGER entries_no_delete")
    with pytest.raises(LedgerTamperedError, match="guards against editing"):
        Ledger.open(ledger.path)


def test_a_row_taken_out_of_the_middle_is_refused(ledger):
    edit_around_guards(ledger.path, "DELETE FROM entries WHERE idx = 2")
    with pytest.raises(LedgerTamperedError, match="entry 2 is missing"):
        Ledger.open(ledger.path)


def test_a_dropped_tail_verifies_by_itself_and_is_refused_by_the_anchor(ledger):
    edit_around_guards(ledger.path, "DELETE FROM entries WHERE idx >= 4")
    with pytest.raises(LedgerTamperedError, match="had 6 entries when it was last used"):
        Ledger.open(ledger.path)
    with pytest.raises(LedgerTamperedError, match=r"is not the one that was last seen"):
        charge(ledger)


def test_a_restored_backup_is_refused(ledger, tmp_path):
    ledger.close()
    shutil.copy(ledger.path, tmp_path / "backup")
    charge(ledger)
    ledger.close()
    shutil.copy(tmp_path / "backup", ledger.path)
    with pytest.raises(LedgerTamperedError, match="an older copy was put back"):
        Ledger.open(ledger.path)


def test_a_copy_and_its_original_cannot_both_be_continued(ledger, tmp_path):
    ledger.close()
    shutil.copy(ledger.path, tmp_path / "copy")
    charge(ledger)
    with pytest.raises(LedgerTamperedError, match="had 7 entries"):
        Ledger.open(tmp_path / "copy")


# ---------------------------------------------------------------- anchor and receipt


def test_without_its_anchor_a_ledger_needs_a_receipt(ledger, tmp_path, monkeypatch):
    receipt = ledger.receipt()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(LedgerMissingError, match="Pass the receipt"):
        Ledger.open(ledger.path)
    assert len(Ledger.open(ledger.path, receipt=receipt)) == 6
    assert len(Ledger.open(ledger.path)) == 6


def test_a_removed_anchor_stops_a_ledger_in_use(ledger):
    Anchor.of(Receipt.parse(ledger.receipt()).ledger).path.unlink()
    with pytest.raises(LedgerMissingError, match="anchor of the ledger"):
        charge(ledger)


def test_a_receipt_reveals_a_rollback_where_there_is_no_anchor(ledger, tmp_path, monkeypatch):
    ledger.close()
    shutil.copy(ledger.path, tmp_path / "backup")
    charge(ledger)
    receipt = ledger.receipt()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(LedgerTamperedError, match="had 7 entries"):
        Ledger.open(tmp_path / "backup", receipt=receipt)


def test_a_receipt_of_another_ledger_is_refused(ledger, tmp_path):
    other = Ledger.create(tmp_path / "other.ledger").receipt()
    with pytest.raises(LedgerMismatchError, match="another ledger"):
        Ledger.open(ledger.path, receipt=other)
    with pytest.raises(ValueError, match="Not a receipt"):
        Ledger.open(ledger.path, receipt="abc")


def test_an_anchor_that_lags_by_a_crash_is_accepted(ledger):
    anchor = Anchor.of(Receipt.parse(ledger.receipt()).ledger)
    lines = anchor.path.read_text().splitlines(keepends=True)
    anchor.path.write_text("".join(lines[:-1]) + lines[-1][:9])
    assert len(Ledger.open(ledger.path)) == 6


def test_the_anchor_never_goes_back(tmp_path):
    anchor = Anchor(tmp_path / ("0" * 32 + ".anchor"))
    for count in (1, 5, 3, 4):
        anchor.advance(Receipt("0" * 32, count, f"{count}" * 64))
    assert anchor.head() == Receipt("0" * 32, 5, "5" * 64)


def test_state_directory_honours_the_convention(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory() == tmp_path / "validstats"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert state_directory().is_absolute()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_key() == state_key() and len(state_key()) == 32


@pytest.mark.slow
def test_a_ledger_in_the_making_is_waited_for(tmp_path):
    """Its maker gives it a second name for a moment."""
    made, other = tmp_path / "study.ledger", tmp_path / ".draft"
    receipt = Ledger.create(made).receipt()
    os.link(made, other)
    waiting = threading.Timer(0.1, other.unlink)
    waiting.start()
    assert Ledger.open(made).receipt() == receipt
    waiting.join()


def test_many_make_one_key_and_one_ledger(tmp_path, monkeypatch):
    """Whoever comes second finds a whole key and a whole ledger, never the beginning of one."""

    def enter(folder, barrier):
        barrier.wait()
        key = state_key()
        try:
            return key, Ledger.create(folder / "study.ledger").receipt()
        except FileExistsError:
            return key, Ledger.open(folder / "study.ledger").receipt()

    with ThreadPoolExecutor(6) as pool:
        for round_ in range(25):
            folder = tmp_path / str(round_)
            folder.mkdir()
            monkeypatch.setenv("XDG_STATE_HOME", str(folder))
            barrier = threading.Barrier(6)
            found = [job.result() for job in [pool.submit(enter, folder, barrier) for _ in range(6)]]
            assert len(set(found)) == 1
            assert not [file for file in folder.rglob(".*") if file.is_file()]


# ---------------------------------------------------------------- binding


def rows(content, tag="t"):
    return BoundRows(content=content * 64, ids=None, n=10, tag=tag * 64, sketches=tuple)


def test_a_ledger_belongs_to_one_holdout(ledger):
    ledger.bind(rows("a"))
    ledger.bind(rows("a"))
    with pytest.raises(LedgerMismatchError, match="other holdout rows"):
        ledger.bind(rows("b"))
    assert [entry.release for entry in ledger.entries()].count("bound") == 1


def test_a_holdout_has_one_ledger(ledger, tmp_path):
    ledger.bind(rows("a"))
    other = Ledger.create(tmp_path / "second.ledger")
    with pytest.raises(LedgerMismatchError, match=r"has a ledger already, at .*study\.ledger"):
        other.bind(rows("c"))
    other.bind(rows("c", tag="u"))


def test_a_ledger_that_was_asked_cannot_be_discarded(ledger, tmp_path):
    with pytest.raises(ValueError, match="cannot be discarded"):
        ledger.discard()
    other = Ledger.create(tmp_path / "second.ledger")
    other.bind(rows("c"))
    other.discard()
    assert not (tmp_path / "second.ledger").exists()
    Ledger.create(tmp_path / "second.ledger").bind(rows("c"))


# ---------------------------------------------------------------- copies


def test_a_ledger_in_memory_refuses_copies():
    ledger = Ledger.in_memory()
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(ledger)
    with pytest.raises(TypeError, match="cannot be deep-copied"):
        copy.deepcopy(ledger)
    assert clone(ledger, safe=False) is ledger


def test_a_pickled_file_ledger_is_the_same_ledger(ledger):
    again = pickle.loads(pickle.dumps(ledger))
    charge(again)
    assert len(ledger) == 7
    assert copy.deepcopy(ledger).path.resolve() == ledger.path.resolve()


def test_nothing_secret_is_shown_or_pickled(ledger):
    shown = repr(ledger) + repr(ledger._identity) + str(ledger.verify())
    assert ledger.secret.hex() not in shown
    assert ledger.secret not in pickle.dumps(ledger)


# ---------------------------------------------------------------- concurrency and crashes


def spend(path, budget, barrier, answered):
    ledger = Ledger.open(path)
    barrier.wait()
    while True:
        with ledger.turn() as turn:
            asked = turn.state.get("asked", 0)
            if asked >= budget:
                return
            turn.append("answer", nats=1.0, state={"asked": asked + 1})
        with answered.get_lock():
            answered.value += 1


@pytest.mark.slow
def test_a_hundred_processes_share_exactly_one_budget(tmp_path):
    n_processes = 100
    context = multiprocessing.get_context("fork")
    path = tmp_path / "shared.ledger"
    ledger = Ledger.create(path)
    answered, barrier = context.Value("i", 0), context.Barrier(n_processes)
    workers = [context.Process(target=spend, args=(path, 100, barrier, answered)) for _ in range(n_processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * n_processes
    assert answered.value == 100
    # the parent follows what the others wrote, a new reader follows all of it
    assert ledger.verify().nats == 100.0
    assert str(Ledger.open(path).verify()) == str(ledger.verify())


@pytest.mark.parametrize("where", ["memory", "file"])
def test_threads_share_exactly_one_budget(tmp_path, where):
    ledger = Ledger.in_memory() if where == "memory" else Ledger.create(tmp_path / "threads.ledger")
    answered = []

    def work():
        while True:
            with ledger.turn() as turn:
                asked = turn.state.get("asked", 0)
                if asked >= 60:
                    return
                answered.append(turn.append("answer", nats=1.0, state={"asked": asked + 1}).idx)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answered) == list(range(1, 61))
    assert ledger.verify().nats == 60.0


def test_an_open_ledger_survives_a_fork(ledger):
    charge(ledger)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            charge(ledger)
            status = 0
        finally:
            os._exit(status)
    charge(ledger)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    charge(ledger)
    assert ledger.verify().n_entries == 10


def test_a_ledger_in_memory_refuses_a_forked_process():
    ledger = Ledger.in_memory()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            charge(ledger)
        except RuntimeError as error:
            status = 0 if "belongs to the process that made it" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.slow
def test_killed_while_asking_20_times(tmp_path):
    given, charged = crash_repeatedly(tmp_path / "crash.ledger", 20, seed=1)
    assert 20 <= given <= charged


@pytest.mark.slow
def test_a_charge_may_be_lost_to_the_analyst_but_no_answer_is_free(tmp_path):
    """The test of the test: answering before charging gives more answers than charges."""
    ledger = Ledger.create(tmp_path / "wrong.ledger")

    def answer_first():
        index = len(ledger)
        os.write(writing, b"x")
        charge(ledger)
        return index

    free = 0
    for i in range(30):
        reading, writing = os.pipe()
        before = len(ledger)
        ask_until_killed(answer_first, i % 2, 0.0005 * (i % 7))
        os.close(writing)
        given = len(os.read(reading, 1 << 16))
        os.close(reading)
        free += given > len(ledger) - before
    assert free > 0


def test_verifying_while_another_process_asks_is_no_tampering(tmp_path, monkeypatch) -> None:
    ledger = Ledger.create(tmp_path / "shared.ledger")
    other = Ledger.open(tmp_path / "shared.ledger")
    check_links = ledger._check_links

    def interrupted(connection, start, previous) -> None:
        check_links(connection, start, previous)
        with other.turn() as turn:
            turn.append("answer", nats=0.5)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_check_links", interrupted)
        seen = ledger.verify()
    assert len(ledger) == len(other)
    assert seen.receipt != ledger.receipt()
    ledger.verify()


def test_a_ledger_of_the_first_version_says_what_to_do(tmp_path, monkeypatch):
    path = tmp_path / "old.ledger"
    monkeypatch.setattr("validstats.holdout.ledger.store.FORMAT", 1)
    Ledger.create(path)
    monkeypatch.undo()
    with pytest.raises(LedgerMismatchError, match=r"written by validstats 0\.1\.0.*Nothing in it is damaged"):
        Ledger.open(path)


def test_what_was_answered_is_found_in_the_turn_that_answered_it(ledger) -> None:
    with ledger.turn() as turn:
        assert turn.cached("new") is None and turn.cached("0" * 8).answer == 0.0
        turn.append("refused", query="new")
        assert turn.cached("new") is None
        first = turn.append("answer", query="new", answer=0.7)
        assert turn.cached("new").idx == first.idx
        turn.append("answer", query="new", answer=0.9)
        turn.append("cached", query="0" * 8, answer=0.0)
        assert turn.cached("new").answer == 0.7 and turn.cached("0" * 8).idx == 1
    with ledger.turn() as turn:
        assert turn.cached("new").answer == 0.7


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_state_that_did_not_change_is_not_written_again(tmp_path, in_memory) -> None:
    ledger = Ledger.in_memory() if in_memory else Ledger.create(tmp_path / "kept.ledger")
    states = [{"asked": 1, "of": {"a": (1, 2)}}, None, None, {"asked": 2, "of": {"a": (1, 2)}}, None]
    for i, state in enumerate(states * 30):  # beyond a snapshot
        charge(ledger, nats=0.0, state=state)
        if i == 7:
            with ledger.turn() as turn:
                turn.state = {**turn.state, "pending": {"x": 1}}
                turn.append("asked")
    kept = [entry.state for entry in ledger.entries(1)]
    pending = kept.pop(8)
    assert pending == {"asked": 1, "of": {"a": [1, 2]}, "pending": {"x": 1}}
    assert (
        kept[0] == {"asked": 1, "of": {"a": [1, 2]}} == kept[2] and kept[3]["asked"] == 2 == kept[4]["asked"]
    )
    assert [state["asked"] for state in kept] == [1, 1, 1, 2, 2] * 30
    if not in_memory:
        assert Ledger.open(ledger.path).verify().n_entries == len(ledger)


def _link_and_fail(turn):
    turn.append("linked", detail={"by": ["b"]})
    turn.append("answer", nats=-1.0)


def test_links_are_seen_whoever_wrote_them(tmp_path) -> None:
    one, other = Ledger.create(tmp_path / "one.ledger"), Ledger.in_memory()
    again = Ledger.open(tmp_path / "one.ledger")
    for ledger in (one, other):
        assert ledger._linked() == []
        charge(ledger)
        assert ledger._linked() == []
    for writer, reader in ((again, one), (other, other)):
        with writer.turn() as turn:
            turn.append("linked", detail={"by": ["a"]})
            turn.append("answer")
        charge(writer)
        assert reader._linked() == ["a"] == reader._linked()
        with pytest.raises(ValueError, match="at least 0"), writer.turn() as turn:
            _link_and_fail(turn)
        assert reader._linked() == ["a"]
