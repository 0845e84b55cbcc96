"""What is shown: summary, outlook, plot, and what is never shown."""

from __future__ import annotations

import pickle

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from tests.holdout.study import MODEL, Y_HOLD, N, make, noise_predictions
from validstats.exceptions import (
    UninformativeWarning,
)
from validstats.holdout import (
    Ledger,
    ReusableHoldout,
)
from validstats.holdout.budget import next_half_widths

mpl.use("Agg")


def test_nothing_reveals_rows_or_labels(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    mark = "PATIENT-4711"
    X = np.array([[f"{mark}-{i}"] for i in range(N)], dtype=object)
    rh = ReusableHoldout(queries=5, guess=None, ledger=path, mechanism="description_length").calibrate(
        X, Y_HOLD
    )
    rh.infer(np.zeros(N, dtype=int))
    errors = []
    for ask in (lambda: rh.infer(MODEL), lambda: rh.query(lambda X, y: float(X[0, 0]))):
        with pytest.raises(ValueError) as caught:
            ask()
        errors.append(str(caught.value))
        assert caught.value.__cause__ is None and caught.value.__context__ is None
    shown = [repr(rh), str(rh.summary()), repr(rh.desk_.parts.reusable), repr(rh.ledger_), *errors]
    assert not any(mark in text for text in shown)
    assert mark.encode() not in pickle.dumps(rh)
    rh.ledger_.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert mark.encode() not in stored


def test_summary_has_ledger_budget_and_guarantee():
    rh = make()
    rh.infer(MODEL)
    rh.best([MODEL, DummyClassifier()])
    text = str(rh.summary())
    for part in (
        "Ledger",
        "Declared queries",
        "Left: queries",
        "What you can rely on",
        "3rd look",
        "best of 2",
        "verified",
    ):
        assert part in text
    assert "0x" not in text
    assert "<table" in rh.summary().as_html()


def test_messages_are_in_words():
    rh = make()
    assert "This would be your 1st look; with n = 1,200" in rh.outlook()
    assert "best() of 100 candidates would cost one query" in rh.outlook()
    assert len(rh.ledger_) == 3
    answer = rh.infer(MODEL)
    assert answer.message == "Left: 19 queries."
    assert "the guess, confirmed by the holdout" in str(answer)


def test_messages_say_what_has_no_proof():
    text = "which is approximate: this mechanism has no proof"
    assert text in make(mechanism="thresholdout_science").outlook()
    with pytest.warns(UninformativeWarning):
        assert text not in make(mechanism="thresholdout").outlook()


def test_the_outlook_keeps_its_word():
    rh = make(mechanism="description_length")
    promised = next_half_widths(rh.desk_.books.look())[""]
    values = np.tile([0.0, 1.0], N // 2)
    answer = rh.infer(np.where(values == 1, Y_HOLD, 1 - Y_HOLD))
    assert answer.half_width == pytest.approx(promised, rel=0.02)


@pytest.mark.slow
def test_the_plot_draws_what_the_ledger_holds():
    from validstats.plotting import LedgerDisplay

    rh = make()
    with pytest.raises(ValueError, match="Nothing was asked"):
        rh.plot()
    for i in range(4):
        rh.infer(noise_predictions(i), guess=0.5 if i % 2 else 0.9)
    rh.validate(MODEL, at_least=0.6)
    display = rh.plot()
    assert isinstance(display, LedgerDisplay)
    assert display.left.tolist() == [19, 18, 17, 16, 15]
    assert display.passed == [False, True, False, True, True]
    assert np.isnan(display.answers[-1]) and display.guesses[0] == pytest.approx(0.9)
    assert [ax.get_title() for ax in display.ax_] == [
        "Budget",
        "Training against holdout",
        "Width of the answers",
    ]
    mpl.pyplot.close(display.figure_)
