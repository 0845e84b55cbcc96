"""Programs that talk to the server of a gate only, and loops that try to be certified of what is not true."""

from __future__ import annotations

import socketserver
import threading
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.holdout_gate import made_gate, null_loop, part_kills, part_package, part_parallel, part_server
from benchmarks.holdout_identity import part_false_alarms, part_races, part_variants
from benchmarks.holdout_limits import ADVERSARIES, false_certificate
from benchmarks.search_program import GateClient, climb, probe
from validstats.holdout.boundary import GateServer


def test_a_program_on_a_socket_learns_labels_by_paid_bits_and_certifies_nothing(tmp_path: Path) -> None:
    ledger, labels = made_gate(tmp_path, 60, 1, vault=0.0, margin=0.0)
    server = GateServer(ledger)
    with server.listen(tmp_path / "s") as listening:
        assert isinstance(listening, socketserver.ThreadingUnixStreamServer)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        with GateClient(place=tmp_path / "s") as client:
            found = climb(client, dict.fromkeys(labels, "0"), ["0", "1"], 5, 0)
            spent = client.call("status")["nats"]
            assert [client.ask(found) for _ in range(3)] == [False] * 3
            assert client.call("status")["nats"] == spent
            found = probe(client, found, {"0": "1", "1": "0"})
            assert found == labels
            certified = client.call("certify")
            with pytest.raises(RuntimeError, match=r"^BudgetExhaustedError$"):
                client.ask(dict.fromkeys(labels, "0"))
        listening.shutdown()
    assert certified["gain"] == 0.0 and certified["accuracy_low"] < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("part", "share"), [(part_server, 1.0), (part_kills, 0.02), (part_parallel, 0.2)])
def test_programs_that_climb_probe_replay_are_killed_or_ask_at_once_get_no_free_bit(
    part, share: float
) -> None:
    """Each part raises an error if a bit was given that is not charged, or charged twice."""
    assert list(part(np.random.default_rng(3), share))


@pytest.mark.validity
def test_a_tenth_of_the_attacks_and_null_loops_have_no_false_certificate() -> None:
    rng = np.random.default_rng(11)
    found = [false_certificate(*attack(rng, 300)) for attack in ADVERSARIES.values() for _ in range(40)]
    wrong, plain = np.sum(found, axis=0)
    assert binom.sf(wrong - 1, len(found), 0.05) > 1e-3  # the level of the certificate is .95
    assert binom.sf(plain - 1, len(found), 0.05) < 1e-9  # the naive interval is wrong nearly always
    assert sum(null_loop(rng, 1000, 200) for _ in range(100)) == 0


@pytest.mark.validity
def test_the_gate_of_the_package_gives_the_bits_and_certificates_of_its_twin() -> None:
    assert list(part_package(np.random.default_rng(4), 0.1)) == [
        "0 false certificates in 4 runs that learned every label; bits and certificates equal the twin's."
    ]


@pytest.mark.slow
def test_no_variant_of_known_rows_is_silently_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/nonexistent")  # each case sets its own
    assert list(part_variants(np.random.default_rng(5)))[-1] == "0 of 92 silently accepted."


@pytest.mark.slow
def test_halves_of_one_population_are_no_false_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/nonexistent")
    assert list(part_false_alarms(np.random.default_rng(6), each=16))[-1].strip() == "0 false alarms in 176."


@pytest.mark.slow
def test_of_programs_that_bind_at_once_one_is_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/nonexistent")
    found = list(part_races(np.random.default_rng(7), sizes=((20, 1), (6, 3))))
    assert found == [
        "* 20 programs, 1 round(s): one bound in 1 of 1",
        "* 6 programs, 3 round(s): one bound in 3 of 3",
    ]
