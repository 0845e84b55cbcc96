"""Plans: other budgets on the same rows divide the mass that is left."""

from __future__ import annotations

import numpy as np
import pytest

from tests.holdout.study import MODEL, X_HOLD, X_TRAIN, Y_HOLD, Y_TRAIN, draw, make, noise_predictions
from validstats.exceptions import (
    LedgerMismatchError,
)
from validstats.holdout import Ledger, ReusableHoldout


def test_calibrating_again_in_memory_does_not_refill():
    rh = ReusableHoldout(queries=2, random_state=0).fit(X_TRAIN, Y_TRAIN).calibrate(X_HOLD, Y_HOLD)
    rh.infer(noise_predictions(0), guess=0.5)
    rh.calibrate(X_HOLD, Y_HOLD)
    assert rh.infer(noise_predictions(1), guess=0.5).left["queries"] == 0
    X, y = draw(seed=5)
    assert rh.calibrate(X, y).infer(MODEL).left["queries"] == 1


def test_one_level_holds_for_a_whole_ledger(tmp_path):
    path = Ledger.create(tmp_path / "x.ledger").path
    make(path, confidence_level=0.9).infer(MODEL)
    for level in (0.95, 0.5):
        with pytest.raises(LedgerMismatchError, match=r"Keep confidence_level=0\.9"):
            make(path, confidence_level=level)
    assert make(path, confidence_level=0.9).infer(MODEL).cached


def test_another_plan_is_free_and_divides_what_is_left(tmp_path):
    path = Ledger.create(tmp_path / "study.ledger").path
    first = make(path, queries=5)
    first.infer(MODEL, guess=0.75)
    spent = first.nats_
    second = make(path, queries=30)
    assert second.calibration_.epoch == 1 and second.nats_ == pytest.approx(spent)
    wide = second.infer(noise_predictions(1), guess=0.5)
    alone = make(queries=30).infer(noise_predictions(1), guess=0.5)
    assert wide.half_width > alone.half_width
    assert second.infer(MODEL, guess=0.75).cached
    with pytest.raises(LedgerMismatchError, match="opened a plan with other budgets"):
        first.infer(noise_predictions(2), guess=0.5)
    with pytest.raises(LedgerMismatchError, match="cannot be sealed now"):
        make(path, queries=40, vault=0.2)


@pytest.mark.slow
def test_replanning_never_refills():
    ledger = Ledger.in_memory()
    mass = 0.0
    for i in range(12):
        rh = make(ledger=ledger, queries=3 + i)
        answer = rh.infer(noise_predictions(i), guess=0.5)
        assert answer.bounds[0] <= 0.5 <= answer.bounds[1]
        assert -rh.nats_ < mass
        mass = -rh.nats_
    fresh = make(queries=3).infer(noise_predictions(0), guess=0.5)
    assert answer.half_width > 1.2 * fresh.half_width


def test_a_noisy_plan_after_many_nats_is_refused():
    rh = make(ledger=Ledger.in_memory())
    for i in range(9):
        rh.infer(noise_predictions(i), guess=0.05)
    assert rh.nats_ > 30
    with pytest.raises(ValueError, match="cannot be opened after"):
        make(ledger=rh.ledger, mechanism="gaussian")


@pytest.mark.parametrize("mechanism", ["gaussian", "fresh_chunks", "thresholdout_science"])
def test_no_plan_follows_noisy_answers_or_exact_chunks(tmp_path, mechanism):
    path = Ledger.create(tmp_path / "study.ledger").path
    make(path, mechanism=mechanism).infer(MODEL)
    with pytest.raises(LedgerMismatchError, match=f"Answers of '{mechanism}' were released"):
        make(path, mechanism=mechanism, queries=30)
    assert make(path, mechanism=mechanism).infer(MODEL).cached


def test_a_plan_that_is_used_up_leaves_its_reserve():
    rh = make(mechanism="description_length", queries=1, ledger=Ledger.in_memory())
    rh.infer(MODEL)
    cells = rh.desk_.books.look().load_main().cells
    # 1 statement and m closed states, which keep one percent: kappa = .01 / m
    assert rh.nats_ == pytest.approx(-np.log(0.01 / cells))
