"""Peers answer, fail, or are absent, in processes of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import batch, dsl, holdout, mi
from benchmarks._peers import PEERS, LazyPeer, Peer, interpreter, server, take_from
from benchmarks._runner import Spec, measure

pytestmark = pytest.mark.slow

PROGRAM = server("""
def answer(value):
    return {"value": value.tolist()}
def double():
    return answer(2 * data["x"])
def fail():
    raise ValueError("boom")
def allocate():
    print("noise on the output")
    return answer(np.ones(2**22)[:1])
def exhaust():
    np.ones(2**28)
def wait():
    import time
    time.sleep(600)
tasks = {"double": double, "fail": fail, "allocate": allocate, "exhaust": exhaust, "wait": wait}
""")


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setenv(PEERS["puncc"], sys.executable)


@pytest.mark.usefixtures("here")
def test_a_peer_answers_and_its_errors_are_raised_here():
    peer = Peer("puncc", PROGRAM, {"x": np.array([1.0, 2.5])})
    assert peer.run("double")["value"] == [2.0, 5.0]
    with pytest.raises(RuntimeError, match="ValueError: boom"):
        peer.run("fail")
    assert peer.run("double")["value"] == [2.0, 5.0]


@pytest.mark.usefixtures("here")
def test_what_cannot_be_imported_says_so():
    with pytest.raises(RuntimeError, match="cannot be imported: ModuleNotFoundError"):
        Peer("puncc", server("import no_such_module"), {})


@pytest.mark.usefixtures("here")
def test_a_dead_process_is_an_error():
    with pytest.raises(RuntimeError, match="the process ended"):
        Peer("puncc", "raise SystemExit", {})


@pytest.mark.usefixtures("here")
def test_memory_of_a_peer_is_measured_in_its_own_process():
    task = LazyPeer("puncc", PROGRAM, {"x": np.ones(2)}).task("allocate")
    ours, theirs = measure(Spec("demo", "task", 1, {"ours": lambda: None, "puncc": task}, repeats=1))
    assert theirs.error == ""
    assert theirs.peak_mebibytes == pytest.approx(32, rel=0.1)
    assert theirs.resident_mebibytes == pytest.approx(32, rel=0.1)
    assert ours.peak_mebibytes < 1


@pytest.mark.usefixtures("here")
def test_a_peer_beyond_the_limit_of_memory_is_a_row_and_lives_on():
    peer = LazyPeer("puncc", PROGRAM, {"x": np.ones(2)}, gibibytes=1)
    tasks = {name: peer.task(name) for name in ("double", "exhaust", "allocate")}
    double, exhaust, allocate = measure(Spec("demo", "task", 1, tasks, repeats=1))
    assert double.error == allocate.error == "" and "MemoryError" in exhaust.error


@pytest.mark.usefixtures("here")
def test_a_peer_beyond_the_limit_of_time_is_a_row_and_is_started_anew():
    peer = LazyPeer("puncc", PROGRAM, {"x": np.ones(2)})
    peer.run("double")
    tasks = {"ours": lambda: None, "puncc": peer.task("wait")}
    _, theirs = measure(Spec("demo", "task", 1, tasks, repeats=1, limit_seconds=0.3))
    assert theirs.error == "TimeoutError: longer than 0.3 s"
    assert peer.run("double")["value"] == [2.0, 2.0]


def test_absent_peers_are_recorded_and_ours_is_measured(monkeypatch):
    monkeypatch.delenv(PEERS["puncc"], raising=False)
    task = LazyPeer("puncc", PROGRAM, {"x": np.ones(2)}).task("double")
    ours, theirs = measure(Spec("demo", "task", 1, {"ours": lambda: None, "puncc": task}, repeats=1))
    assert ours.error == "" and "not run: VALIDSTATS_BENCH_PUNCC_PYTHON" in theirs.error


def test_environments_are_found_by_their_folders(monkeypatch, tmp_path):
    monkeypatch.delenv(PEERS["ppi-python"], raising=False)
    python = tmp_path / "ppi-python" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert take_from(tmp_path) == ["ppi-python"]
    assert Path(interpreter("ppi-python")) == python
    monkeypatch.delenv(PEERS["ppi-python"])


def test_every_program_is_python():
    programs = [*batch.THRESHOLD_SERVERS.values(), batch.CREPES_SCORES, *holdout.PEER_NOISE.values()]
    programs += holdout.PEER_MEAN.values()
    for program in (*programs, dsl.PPI_SERVER, dsl.DSLKIT_SERVER, mi.NPEET_SERVER, mi.NEURAL_SERVER):
        compile(program, "peer", "exec")


def test_neural_estimators_stand_beside_the_learned_one(monkeypatch):
    monkeypatch.delenv(PEERS["benchmark-mi"], raising=False)
    ours, *theirs = measure(mi.neural_spec(60, 2))
    assert ours.error == "" and "default" in ours.implementation and "0.693 nats" in ours.note
    assert [m.implementation.split(",")[0] for m in theirs] == ["MINE", "InfoNCE", "NWJ"]
    assert all("not run" in m.error for m in theirs)


@pytest.mark.usefixtures("here")
def test_the_time_of_a_peer_is_what_its_own_process_worked():
    program = server("""
def work():
    begin = time.process_time()
    while time.process_time() - begin < 0.2:
        pass
def rest():
    time.sleep(0.3)
tasks = {"work": work, "rest": rest}
""")
    peer = LazyPeer("puncc", program, {})
    tasks = {"ours": lambda: None, "work": peer.task("work"), "rest": peer.task("rest")}
    _, work, rest = measure(Spec("demo", "task", 1, tasks, repeats=1))
    # processor time, of which a loaded machine takes more for the same work
    assert work.median_seconds >= 0.2 and rest.median_seconds < work.median_seconds / 2


def test_learned_estimates_and_intervals_come_from_one_summary():
    tasks = list(mi.bmi_tasks().values())[:2]
    found, table = mi.measure_learned(tasks, [60], {60: 2})
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    assert [cell[1] for cell in cells] == ["4", "120", "4", "120"]
    # parity is one of the kinds that the shipped weights were trained on, and that the evaluation weights were not
    assert float(cells[1][2]) < 0.5 < float(cells[3][2])
    names = mi.learned_estimators()
    (one,) = [
        row for row in found if (row.task, row.seed, row.estimator) == (tasks[0].name, 1, next(iter(names)))
    ]
    x, y = tasks[0].sample(60, random_state=np.random.default_rng([60, 1, 0]))
    assert one.estimate == names[one.estimator](x, y)
