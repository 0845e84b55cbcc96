"""Epochs: other budgets on the same rows pay for what was asked before."""

from __future__ import annotations

import numpy as np
import pytest

from tests.holdout.study import MODEL, X_HOLD, Y_HOLD, draw, make, noise_predictions
from validstats.exceptions import (
    LedgerMismatchError,
)
from validstats.holdout import (
    Ledger,
)


def test_a_later_epoch_promises_no_more_than_the_answers_before_it(tmp_path):
    path = Ledger.create(tmp_path / "x.ledger").path
    options = {"mechanism": "guess_and_check"}
    first = make(path, confidence_level=0.5, **options).infer(MODEL, guess=0.75)
    for level in (0.99, 0.9):
        later = make(path, confidence_level=level, **options)
        again = later.infer(MODEL, guess=0.75)
        assert again.cached and again.bounds == first.bounds
        assert later.guarantee_.confidence_level == again.guarantee.confidence_level == 0.5
        assert "at least 50 of 100" in later.guarantee_.holds
    assert make(confidence_level=0.9).guarantee_.confidence_level == 0.9


def test_other_budgets_open_an_epoch_that_pays_for_the_earlier_ones(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    first = make(path)
    narrow = first.infer(MODEL, guess=0.75)
    second = make(path, queries=30)
    assert second.calibration_.epoch == 1
    wide = second.infer(noise_predictions(1), guess=0.5)
    assert wide.half_width > 1.3 * narrow.half_width
    assert second.infer(MODEL, guess=0.75).cached
    with pytest.raises(LedgerMismatchError, match="opened an epoch with other budgets"):
        first.infer(noise_predictions(2), guess=0.5)
    with pytest.raises(LedgerMismatchError, match="cannot be sealed now"):
        make(path, queries=40, vault=0.2)


def test_an_epoch_after_many_nats_still_works_and_a_noisy_one_is_refused():
    rh = make(ledger=Ledger.in_memory())
    rh.leaderboard(baseline=0.5).submit(MODEL)
    rh.infer(MODEL)
    assert rh.ledger_.totals()[0] > 30
    with pytest.raises(ValueError, match="cannot be opened after"):
        make(ledger=rh.ledger, mechanism="gaussian")
    late = make(ledger=rh.ledger, queries=21)
    assert late.calibration_.epoch == 1
    answer = late.infer(noise_predictions(0), guess=0.5)
    assert answer.bounds[0] <= 0.5 <= answer.bounds[1]
    assert answer.half_width < 0.5


@pytest.mark.parametrize("mechanism", ["gaussian", "fresh_chunks", "thresholdout_science"])
def test_no_epoch_follows_noisy_answers_or_exact_chunks(tmp_path, mechanism):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    make(path, mechanism=mechanism).infer(MODEL)
    with pytest.raises(LedgerMismatchError, match=f"Answers of '{mechanism}' were released"):
        make(path, queries=30)
    assert make(path, mechanism=mechanism).infer(MODEL).cached


@pytest.mark.parametrize("queries", [1, 2, 3])
def test_a_further_epoch_pays_for_the_last_answer_too(queries):
    rh = make(mechanism="description_length", queries=queries, ledger=Ledger.in_memory())
    for i in range(queries):
        rh.infer(noise_predictions(i))
    cells = rh.desk_.books.look().load_main().cells
    transcripts = sum(cells**i for i in range(queries + 1))
    assert rh.nats_ == pytest.approx(np.log(transcripts))
    later = make(mechanism="description_length", queries=5, ledger=rh.ledger)
    assert later.ledger_.totals()[0] == pytest.approx(np.log(transcripts))
    state = later.desk_.books.look().state
    assert state["log_alpha"] == pytest.approx(np.log(0.01 * 6 / np.pi**2 * 0.05) - np.log(transcripts))


def test_a_further_epoch_pays_for_refused_failures_too():
    rh = make(mechanism="guess_and_check", queries=4, failures=0)
    rh.infer(noise_predictions(0), guess=0.5)
    stops = 4 + 1 + 4
    assert rh.nats_ >= np.log(stops)


def test_calibrating_again_in_memory_does_not_refill():
    rh = make(queries=2)
    rh.infer(noise_predictions(0), guess=0.5)
    rh.calibrate(X_HOLD, Y_HOLD)
    assert rh.infer(noise_predictions(1), guess=0.5).left["queries"] == 0
    X, y = draw(seed=5)
    assert rh.calibrate(X, y).infer(MODEL).left["queries"] == 1
