"""The process boundary of a gate: a searching program that talks to the server only, and what it cannot get."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from validstats.cli import main
from validstats.exceptions import HoldoutOverlapError
from validstats.holdout import Ledger
from validstats.holdout.boundary import GateServer, ProposalError, create_gate, read_pairs, read_proposal

N = 1500
LABELS = {f"row {i}": str(int(v)) for i, v in enumerate(np.random.default_rng(0).integers(0, 2, N))}


def proposal(share: float, seed: int = 0) -> dict[str, str]:
    right = np.random.default_rng(seed).random(N) < share
    return {key: v if ok else str(1 - int(v)) for (key, v), ok in zip(LABELS.items(), right, strict=True)}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    create_gate(tmp_path / "gate.ledger", LABELS)
    return tmp_path / "gate.ledger"


def call(server: GateServer, name: str, **arguments: object) -> dict:
    line = json.dumps(
        {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    )
    answer = server.respond(line)
    assert answer is not None and answer["id"] == 7
    return answer


def test_a_search_through_the_server_is_certified(ledger: Path) -> None:
    server = GateServer(ledger)
    bits = [
        call(server, "ask", rows=proposal(s))["result"]["structuredContent"]["keep"]
        for s in (0.3, 0.7, 0.6, 0.9)
    ]
    assert bits == [False, True, False, True]
    assert set(call(server, "status")["result"]["structuredContent"]) == {
        "proposals",
        "kept",
        "ended",
        "nats",
    }
    found = call(server, "certify")["result"]["structuredContent"]
    assert found["accuracy_low"] < 0.9 < found["accuracy_high"] and found["gain"] > 0.2
    assert call(server, "ask", rows=proposal(0.95))["error"]["message"] == "BudgetExhaustedError"


@pytest.mark.slow
def test_hill_climbing_one_label_at_a_time_certifies_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    labels = {str(f"r{i}"): str(v) for i, v in enumerate(rng.integers(0, 2, 120))}
    guess = dict(zip(labels, rng.integers(0, 2, 120).astype(str), strict=True))
    create_gate(tmp_path / "g", labels, guess, vault=0.0, margin=0.0)
    server = GateServer(tmp_path / "g")
    for key in labels:
        trial = {**guess, key: str(1 - int(guess[key]))}
        guess = trial if server.ask(trial) else guess
    assert guess == labels  # the search has learned every label
    found = server.certify()
    assert found["gain"] == 0.0 and found["accuracy_low"] <= 0.5


def test_the_handshake_and_errors_of_the_protocol(ledger: Path) -> None:
    server = GateServer(ledger)
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2024-11-05"}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 3, "method": "labels/list"},
        {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "labels"}},
    ]
    requests = io.StringIO("\n".join([*map(json.dumps, lines), "nonsense"]) + "\n")
    answers = io.StringIO()
    server.serve(requests, answers)
    read = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert [answer["id"] for answer in read] == [1, 2, 3, 4, None]
    assert read[0]["result"]["protocolVersion"] == "2024-11-05"
    assert {tool["name"] for tool in read[1]["result"]["tools"]} == {"ask", "status", "certify"}
    assert [answer["error"]["code"] for answer in read[2:]] == [-32601, -32602, -32700]


@pytest.mark.share(2)
@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.pop("row 3"),
        lambda rows: rows.update({"row 3": "2"}),
        lambda rows: rows.update({"row x": "1"}),
        lambda rows: rows.clear(),
    ],
)
def test_bad_proposals_cost_nothing_and_depend_on_themselves_alone(ledger: Path, change) -> None:
    server = GateServer(ledger)
    rows = proposal(0.5)
    change(rows)
    before = server.status
    message = call(server, "ask", rows=rows)["error"]["message"]
    assert "Nothing was charged" in message and "row" not in message
    assert server.status == before


def test_the_label_file_and_other_files_of_the_gate_are_no_proposals(ledger: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    labels = tmp_path / "y.csv"
    labels.write_text("id,prediction\n" + "".join(f"{k},{v}\n" for k, v in LABELS.items()))
    (inbox / "link.csv").symlink_to(labels)
    os.link(labels, inbox / "hard.csv")
    server = GateServer(ledger, inbox=inbox, forbidden=[labels])
    for path in (str(labels), "link.csv", "hard.csv", "../y.csv", str(ledger), "missing.csv", "."):
        assert "error" in call(server, "ask", path=path)
    assert server.status["proposals"] == 0
    own = inbox / "own.csv"
    own.write_text("id,prediction\n" + "".join(f"{k},{v}\n" for k, v in proposal(0.9).items()))
    assert call(server, "ask", path="own.csv")["result"]["structuredContent"] == {"keep": True}
    with pytest.raises(ProposalError, match="no files"):
        GateServer(ledger)._call("ask", {"path": "own.csv"})


@pytest.mark.slow
def test_no_answer_holds_anything_but_its_schema(ledger: Path) -> None:
    server = GateServer(ledger)
    for seed in range(60):
        text = json.dumps(call(server, "ask", rows=proposal(0.5, seed)))
        assert json.loads(text)["result"]["structuredContent"].keys() == {"keep"}
        assert "row " not in text
    assert (os.stat(ledger).st_mode & 0o077, os.stat(f"{ledger}.rows").st_mode & 0o077) == (0, 0)
    assert b"row 3" not in Path(f"{ledger}.rows").read_bytes()


def test_a_socket_serves_parallel_askers_one_at_a_time(ledger: Path, tmp_path: Path) -> None:
    server = GateServer(ledger)
    with server.listen(tmp_path / "s") as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        assert os.stat(tmp_path / "s").st_mode & 0o777 == 0o660
        bits: list[bool] = []

        def search(seed: int) -> None:
            with socket.socket(socket.AF_UNIX) as link:
                link.connect(str(tmp_path / "s"))
                request = {"name": "ask", "arguments": {"rows": proposal(0.4, seed)}}
                line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": request})
                link.sendall((line + "\n").encode())
                answer = json.loads(link.makefile().readline())
                bits.append(answer["result"]["structuredContent"]["keep"])

        threads = [threading.Thread(target=search, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        listening.shutdown()
    assert bits == [False] * 8 and server.status["proposals"] == 8


@pytest.mark.slow
def test_a_killed_server_never_gives_a_free_bit(ledger: Path) -> None:
    code = (
        "import os, sys, threading\nfrom tests.holdout.test_boundary import GateServer, proposal\n"
        f"server = GateServer({str(ledger)!r})\n"
        "threading.Timer(float(sys.argv[1]), lambda: os._exit(9)).start()\n"
        "for seed in range(10**6):\n    server.ask(proposal(0.4, seed)); print(seed, flush=True)\n"
    )
    shown = -1
    for delay in (0.01, 0.03, 0.06, 0.1):
        done = subprocess.run(
            [sys.executable, "-c", code, str(delay)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 9
        shown = max([shown, *map(int, done.stdout.split())])
        assert GateServer(ledger).status["proposals"] >= shown + 1


def test_the_commands_do_the_same(tmp_path: Path) -> None:
    runner = CliRunner()
    y, p = tmp_path / "y.csv", tmp_path / "p.csv"
    y.write_text("id,y\n" + "".join(f"{k},{v}\n" for k, v in LABELS.items()))
    ledger = str(tmp_path / "gate.ledger")
    made = runner.invoke(main, ["holdout", "init", ledger, "--labels", str(y), "--label", "y"])
    assert made.exit_code == 0, made.output
    for share, code, word in ((0.9, 0, "keep"), (0.5, 10, "discard")):
        p.write_text("id,prediction\n" + "".join(f"{k},{v}\n" for k, v in proposal(share).items()))
        done = runner.invoke(main, ["holdout", "ask", ledger, str(p)])
        assert (done.exit_code, done.output.split()[-1]) == (code, word)
    p.write_text("id,guess\n1,2\n")
    assert runner.invoke(main, ["holdout", "ask", ledger, str(p)]).exit_code == 2
    refused = runner.invoke(main, ["holdout", "final", ledger, str(p)])
    assert refused.exit_code == 2 and "has no column" in refused.output
    p.write_text("id,prediction\n" + "".join(f"{k},{v}\n" for k, v in proposal(0.95).items()))
    opened = runner.invoke(main, ["holdout", "final", ledger, str(p)])
    assert "the model of p.csv gains at least 0." in opened.output
    again = runner.invoke(main, ["holdout", "final", ledger])
    assert again.exit_code == 3 and "the vault was opened" in again.output
    found = runner.invoke(
        main, ["holdout", "audit", "--rows", "10000", "--score", "0.85", "--decimals", "2", "--looks", "40"]
    )
    assert found.exit_code == 0 and "After 40 looks" in found.output


def test_a_refused_gate_leaves_nothing_behind(tmp_path: Path) -> None:
    numbers = {str(i): value for i, value in enumerate(LABELS.values())}
    with pytest.raises(ValueError, match="row numbers"):
        create_gate(tmp_path / "n.ledger", numbers)
    assert list(tmp_path.iterdir()) == []
    create_gate(tmp_path / "n.ledger", numbers, id_namespace="first study")
    other = {key: str(1 - int(value)) for key, value in numbers.items()}
    create_gate(tmp_path / "m.ledger", other, id_namespace="second study")
    with pytest.raises(HoldoutOverlapError, match=r"n\.ledger"):
        create_gate(tmp_path / "k.ledger", dict(list(numbers.items())[:400]), id_namespace="first study")
    assert not (tmp_path / "k.ledger").exists() and not (tmp_path / "k.ledger.rows").exists()
    create_gate(tmp_path / "k.ledger", {f"new {key}": value for key, value in numbers.items()})


def test_the_start_and_the_classes_do_not_come_from_a_look_at_labels(tmp_path: Path) -> None:
    create_gate(tmp_path / "g", dict.fromkeys(list(LABELS)[:300], "b"), classes=["a", "b", "c"])
    server = GateServer(tmp_path / "g")
    assert set(server._rows.start) == {"a"} and server._rows.classes == ["a", "b", "c"]
    with pytest.raises(ProposalError, match="not among those declared"):
        create_gate(tmp_path / "h", LABELS, classes=["0"])


def test_a_file_must_belong_to_whoever_asks_and_is_never_the_one_of_the_labels(tmp_path: Path) -> None:
    labels = tmp_path / "y.csv"
    labels.write_text("id,prediction\n" + "".join(f"{k},{v}\n" for k, v in LABELS.items()))
    create_gate(tmp_path / "g", LABELS, source=labels)
    server = GateServer(tmp_path / "g", inbox=tmp_path)
    with pytest.raises(ProposalError, match="belongs to the gate itself"):
        server._call("ask", {"path": "y.csv"})
    own = tmp_path / "p.csv"
    own.write_text("id,prediction\n" + "".join(f"{k},{v}\n" for k, v in proposal(0.4).items()))
    with pytest.raises(ProposalError, match="must belong to whoever asks"):
        server._call("ask", {"path": "p.csv"}, os.getuid() + 1)
    assert server._call("ask", {"path": "p.csv", "note": "first try"}, os.getuid()) == {"keep": False}
    entry = Ledger.open(tmp_path / "g").entries()[-1]
    assert "first try" in entry.detail["question"]


@pytest.mark.parametrize("works", [0.01, 0.15, 0.35, 1.9])
def test_the_time_of_an_answer_can_be_made_coarse(works, ledger: Path, monkeypatch) -> None:
    """By a clock of the test's own: however long it takes, whoever asks sees a whole number of delays."""
    server = GateServer(ledger, delay=0.2)
    now, answer = [100.0], server._result

    def result(*request):
        now[0] += works
        return answer(*request)

    monkeypatch.setattr(server, "_result", result)
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds))
    monkeypatch.setattr("validstats.holdout.boundary.time", clock)
    call(server, "ask", rows=proposal(0.4))
    delays = (now[0] - 100.0) / 0.2
    assert delays == pytest.approx(round(delays)) and works <= delays * 0.2 < works + 0.2


def test_pairs_are_read_or_refused_by_line() -> None:
    with pytest.raises(ProposalError, match="no column 'y'"):
        read_pairs(["id,z", "a,1"], "id", "y")
    for line in ("a,", ",1", "a,1\na,2"):
        with pytest.raises(ProposalError, match="Line"):
            read_pairs(["id,y", *line.split("\n")], "id", "y")
    with pytest.raises(ProposalError, match="cannot be opened"):
        read_proposal("nothing.csv", ".", [])
