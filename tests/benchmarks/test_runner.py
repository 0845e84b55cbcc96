from __future__ import annotations

import csv
import itertools
import resource
import signal
import sys
import time

import numpy as np
import pytest

from benchmarks import _runner
from benchmarks._runner import Spec, in_environment, markdown_table, measure, run

pytestmark = pytest.mark.slow


def work(seconds: float) -> None:
    """Keep the processor busy."""
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def failing() -> None:
    raise MemoryError("asked for 74 GiB")


def test_failures_are_results_and_ours_has_ratio_one() -> None:
    spec = Spec("demo", "sum", 10, {"validstats": lambda: sum(range(1000)), "peer": failing}, repeats=3)
    ours, peer = measure(spec)
    assert ours.ratio == 1.0
    assert ours.error == ""
    assert ours.cold_seconds > 0
    assert peer.error == "MemoryError: asked for 74 GiB"
    assert "failed: MemoryError" in markdown_table([ours, peer])


def test_a_run_writes_one_csv_and_one_table(tmp_path, capsys) -> None:
    spec = Spec("demo", "allocate", 10, {"validstats": lambda: bytearray(2**20)}, repeats=1)
    run([spec, spec], tmp_path / "demo")
    with (tmp_path / "demo.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 2
    assert float(rows[0]["peak_mebibytes"]) >= 1.0
    assert (tmp_path / "demo.md").read_text().count("| allocate |") == 2
    assert "| allocate |" in capsys.readouterr().out


def test_a_peer_in_its_own_environment() -> None:
    assert in_environment(sys.executable, "import json, sys; print(json.dumps({'a': sys.argv[1]}))", "7") == {
        "a": "7"
    }
    with pytest.raises(RuntimeError, match="ValueError: no"):
        in_environment(sys.executable, "raise ValueError('no')")


def test_what_takes_too_long_is_a_row_and_the_others_are_measured() -> None:
    functions = {"validstats": lambda: None, "slow": lambda: time.sleep(600)}
    start = time.perf_counter()
    ours, slow = measure(Spec("demo", "wait", 1, functions, repeats=1, limit_seconds=0.5))
    assert time.perf_counter() - start < 500
    assert ours.error == "" and slow.error == "TimeoutError: longer than 0.5 s"


def test_what_takes_too_much_memory_is_a_row() -> None:
    functions = {"validstats": lambda: None, "wide": lambda: np.ones(2**27)}
    limit = resource.getrlimit(resource.RLIMIT_AS)
    ours, wide = measure(Spec("demo", "allocate", 1, functions, repeats=1, limit_gibibytes=0.5))
    assert ours.error == "" and "MemoryError" in wide.error
    assert resource.getrlimit(resource.RLIMIT_AS) == limit


def test_limits_leave_an_outer_alarm_as_it_was() -> None:
    def outer(*_):
        raise AssertionError

    before = signal.signal(signal.SIGALRM, outer)
    timer = signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        with _runner.time_limit(1):
            pass
        assert signal.getsignal(signal.SIGALRM) is outer
        assert 90 < signal.getitimer(signal.ITIMER_REAL)[0] <= 100
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def test_a_failure_in_a_later_run_is_a_row() -> None:
    calls = itertools.count()

    def second_fails() -> None:
        if next(calls):
            raise ValueError("only once")

    ours, peer = measure(
        Spec("demo", "sum", 1, {"validstats": lambda: None, "peer": second_fails}, repeats=2)
    )
    assert ours.error == "" and peer.error == "ValueError: only once"


def test_long_runs_are_repeated_once(monkeypatch) -> None:
    monkeypatch.setattr(_runner, "LONG_SECONDS", 0.02)
    calls = {"short": 0, "long": 0}

    def call(name: str, seconds: float) -> None:
        calls[name] += 1
        work(seconds)

    functions = {"short": lambda: call("short", 0), "long": lambda: call("long", 0.03)}
    _, twice = measure(Spec("demo", "wait", 1, functions, repeats=2))
    assert calls == {"short": 1 + 2 + 2, "long": 1 + 1 + 2}
    assert twice.median_seconds > 0.03


def test_times_are_of_one_call() -> None:
    ours, twin = measure(
        Spec("demo", "wait", 1, {"a": lambda: work(0.05), "b": lambda: work(0.05)}, 1, calls=10)
    )
    assert 0.005 <= ours.median_seconds < 0.02
    assert ours.cold_seconds >= 0.05
    assert twin.ratio == pytest.approx(1, abs=0.5)


def test_both_measures_of_memory_see_an_array() -> None:
    (ours,) = measure(Spec("demo", "allocate", 1, {"validstats": lambda: np.ones(2**22)}, repeats=1))
    assert ours.peak_mebibytes == pytest.approx(32, rel=0.1)
    assert ours.resident_mebibytes == pytest.approx(32, rel=0.1)


def test_implementations_and_notes_are_made_in_their_turn() -> None:
    made = []

    def make():
        made.append(1)
        return {"validstats": lambda: 7}

    spec = Spec("demo", "seven", 1, make, repeats=1, note=lambda answers: f"gives {answers['validstats']}")
    assert made == []
    (ours,) = measure(spec)
    assert made == [1] and ours.note == "gives 7"


def test_data_that_cannot_be_made_are_a_row() -> None:
    (row,) = measure(Spec("demo", "sum", 10, failing))
    assert row.implementation == "all" and row.error == "not prepared: MemoryError: asked for 74 GiB"
