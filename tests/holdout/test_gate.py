"""The gate: bits that are kept across processes, replays, ends, and certificates that hold."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from tests.holdout.study import MODEL, X_HOLD, Y_HOLD, make
from validstats.exceptions import BudgetExhaustedError
from validstats.holdout import Ledger

N = len(Y_HOLD)
START = np.zeros(N, dtype=int)


def better(share: float, seed: int = 0) -> np.ndarray:
    """Predictions that are right on a share of the rows."""
    right = np.random.default_rng(seed).random(N) < share
    return np.where(right, Y_HOLD, 1 - Y_HOLD)


def test_better_proposals_are_kept_and_certified() -> None:
    gate = make(queries=5).gate(START)
    assert [gate.ask(better(share)) for share in (0.4, 0.7, 0.5, 0.9)] == [False, True, False, True]
    assert gate.status["proposals"] == 4 and gate.status["kept"] == 2
    certificate = gate.certify()
    truth = float((better(0.9) == Y_HOLD).mean())
    assert certificate.accuracy_low < truth < certificate.accuracy_high
    assert 0.2 < certificate.gain < truth - float((START == Y_HOLD).mean())


def test_copies_are_free_and_replays_get_the_same_answer() -> None:
    rh = make(queries=5)
    gate = rh.gate(START)
    before = rh.nats_
    assert gate.ask(START) is False and rh.nats_ == before
    assert gate.ask(better(0.4)) is False
    spent = rh.nats_
    assert gate.ask(better(0.4)) is False and rh.nats_ == spent
    assert gate.ask(better(0.8)) is True
    kept = rh.nats_
    assert (
        gate.ask(better(0.4)) is False and rh.nats_ > kept
    )  # another question: the present model has changed


def test_proposals_use_no_declared_queries_and_no_number_is_declared() -> None:
    rh = make(queries=2)
    gate = rh.gate(START)
    for seed in range(60):
        gate.ask(better(0.3, seed))
    assert rh.infer(MODEL).left["queries"] == 1
    assert 0.0 < rh.nats_ < 20.0


def test_a_probability_of_ones_own_makes_expected_bits_cheap() -> None:
    plain, known = make(), make()
    plain.gate(START).ask(better(0.2))
    known.gate(START).ask(better(0.2), p_keep=0.001)
    assert known.nats_ < plain.nats_


def test_a_certificate_ends_the_gate_unless_it_goes_on() -> None:
    rh = make()
    gate = rh.gate(START)
    gate.ask(better(0.8))
    before = rh.nats_
    shown = gate.certify(go_on=True)
    assert rh.nats_ == pytest.approx(before + math.log(2) + 3 * math.log(1001))
    assert round(shown.gain * 1000, 6) % 1 == 0
    assert gate.ask(better(0.95)) is True
    gate.certify()
    with pytest.raises(BudgetExhaustedError, match="this gate was ended"):
        gate.ask(better(0.99))


def test_the_vault_certifies_once() -> None:
    gate = make(vault=0.25).gate(START)
    gate.ask(better(0.9))
    answer = gate.final()
    assert 0.1 < float(answer) == answer.conf_low < 0.5 and answer.guarantee.holds
    with pytest.raises(BudgetExhaustedError, match="the vault was opened"):
        gate.final()
    with pytest.raises(ValueError, match="needs a vault"):
        make().gate(START).final()


def test_losses_are_turned_the_right_way() -> None:
    gate = make(metric="error").gate(START)
    assert gate.ask(better(0.9)) is True and gate.ask(better(0.5)) is False
    assert gate.certify().gain > 0.1


def test_other_values_go_through_the_gate() -> None:
    worse = np.clip(MODEL.predict_proba(X_HOLD) * 0.2 + 0.4, 0, 1)
    gate = make(metric="brier").gate(worse)
    assert gate.ask(MODEL) is True and gate.ask(worse) is False
    assert gate.certify().accuracy_low < 0.9


@pytest.mark.slow
def test_a_gate_continues_in_another_process(tmp_path) -> None:
    path = Ledger.create(tmp_path / "gate.ledger").path
    gate = make(path).gate(START)
    gate.ask(better(0.8))
    code = (
        "from tests.holdout.test_gate import START, better\nfrom tests.holdout.study import make\n"
        f"gate = make({str(path)!r}).gate(START)\nprint(gate.status['kept'], gate.ask(better(0.6)), gate.ask(better(0.95)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "False", "True"]
    assert gate.status["kept"] == 2 and gate.ask(better(0.85)) is False


def test_records_are_of_one_length_whatever_the_bit_was(tmp_path) -> None:
    sizes = set()
    for share in (0.1, 0.9):
        rh = make()
        rh.gate(START).ask(better(share))
        entry = rh.ledger_.entries()[-1]
        sizes.add(len(entry.state["gate"]["present"]))
    assert len(sizes) == 1


def test_a_gate_needs_a_mechanism_that_hosts_it() -> None:
    with pytest.raises(ValueError, match="gate\\(\\) needs mechanism"):
        make(mechanism="gaussian").gate(START)
    with pytest.raises(ValueError, match="margin"):
        make().gate(START, margin=-1.0)
