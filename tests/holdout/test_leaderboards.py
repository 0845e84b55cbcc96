"""Sets of models that may be the best, and metrics that are no means of rows, as users ask for them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.linear_model import LinearRegression

from tests.holdout.study import MODEL, X_HOLD, X_TRAIN, Y_HOLD, Y_TRAIN, N, make, noise_predictions
from validstats.holdout import Ledger, ReusableHoldout, r2


def test_ties_leave_out_what_is_worse_and_pay_for_m_minus_one_comparisons() -> None:
    rh = make(queries=3)
    good = MODEL.predict(X_HOLD)
    nearly = np.where(np.arange(N) < 5, 1 - good, good)
    answer = rh.ties([noise_predictions(0), good, nearly, noise_predictions(1)])
    assert answer.tied == (1, 2) and answer.passed is False and answer.value is None
    assert answer.answer == "One of 4 models is the best by accuracy: models 1, 2 may be it, and 2 are not"
    s = 0.99 / 3
    assert answer.nats == pytest.approx(-math.log((1 - s) / (5 * math.comb(4, 2))))
    assert rh.ties([noise_predictions(0), good, nearly, noise_predictions(1)]).cached
    alone = rh.ties([good, noise_predictions(2)])
    assert alone.tied == (0,) and "model 0 is it" in alone.answer
    assert len(alone.tidy()) == 1 and "Guess held" not in str(alone.summary())
    with pytest.raises(ValueError, match="at least two models"):
        rh.ties([good])
    with pytest.raises(ValueError, match="mechanism='guess_and_check'"):
        make(mechanism="gaussian").ties([good, nearly])


def test_ties_of_a_loss_keep_the_smallest() -> None:
    right, wrong = Y_HOLD.astype(float), 1.0 - Y_HOLD
    rh = make(queries=2)
    assert rh.ties([wrong, right], metric="error").tied == (1,)
    assert rh.ties([np.clip(wrong, 0.2, 0.8), np.clip(right, 0.2, 0.8)], metric="brier").tied == (1,)


SCORES = {
    "f1": sk.f1_score,
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
}


@pytest.mark.parametrize("name", SCORES)
def test_scores_of_labels_are_those_of_scikit_learn(name: str) -> None:
    rh = make(queries=2)
    truth = SCORES[name](Y_HOLD, MODEL.predict(X_HOLD))
    answer = rh.infer(MODEL, metric=name)
    assert answer.conf_low < truth < answer.conf_high and answer.half_width < 0.09
    assert abs(answer.value - truth) < 0.03
    again = rh.infer(MODEL.predict(X_HOLD), metric=name)
    assert again.conf_low < truth < again.conf_high


@pytest.mark.parametrize("name", ["roc_auc", "auc", "average_precision"])
def test_scores_of_rankings_are_those_of_scikit_learn(name: str) -> None:
    score = {"average_precision": sk.average_precision_score}.get(name, sk.roc_auc_score)
    answer = make(queries=2).infer(MODEL, metric=name)
    truth = score(Y_HOLD, MODEL.decision_function(X_HOLD))
    assert answer.conf_low < truth < answer.conf_high
    assert answer.half_width < (0.25 if name == "average_precision" else 0.07)


@pytest.mark.parametrize(("name", "loss"), [("neg_brier_score", "brier"), ("neg_log_loss", "log_loss")])
def test_negative_losses_are_those_of_scikit_learn(name: str, loss: str) -> None:
    ours, theirs = (make(queries=2).infer(MODEL, metric=metric) for metric in (loss, name))
    assert theirs.value == pytest.approx(-ours.value, abs=ours.half_width)
    assert theirs.conf_low < -ours.value < theirs.conf_high <= 0.0


def test_explained_variance_of_an_outcome_between_bounds() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((9000, 1))
    y = np.clip(0.8 * x[:, 0] + 0.1 + 0.05 * rng.normal(size=9000), 0, 1)
    rh = ReusableHoldout(queries=3).fit(x[:1000], y[:1000]).calibrate(x[1000:], y[1000:])
    answer = rh.infer(LinearRegression(), metric=r2(bounds=(0, 1)))
    truth = sk.r2_score(y[1000:], LinearRegression().fit(x[:1000], y[:1000]).predict(x[1000:]))
    assert answer.conf_low < truth < answer.conf_high and answer.half_width < 0.15
    awful = rh.infer(np.resize([0.0, 1.0], 8000), metric=r2(bounds=(0, 1)))
    assert awful.conf_low == -math.inf and awful.conf_high < 0.0


def test_what_a_metric_of_all_rows_needs() -> None:
    with pytest.raises(ValueError, match="independent rows"):
        make(clusters=np.arange(N) // 2).infer(MODEL, metric="f1")
    three = np.arange(len(Y_TRAIN)) % 3
    with pytest.raises(ValueError, match="is for two classes, and the training labels have 3"):
        ReusableHoldout().fit(X_TRAIN, three).calibrate(X_HOLD, Y_HOLD).infer(Y_HOLD, metric="f1")
    with pytest.raises(ValueError, match=r"absolute_error\(bound=...\)"):
        make().infer(MODEL, metric="neg_mean_absolute_error")


def test_every_score_of_two_classes_refuses_three() -> None:
    y = np.arange(300) % 3
    X = np.random.default_rng(0).normal(size=(600, 2))
    rh = ReusableHoldout(queries=9, mechanism="description_length", random_state=0).fit(X[:300], y)
    rh.calibrate(X[300:], y)
    for name in ("f1", "precision", "recall", "auc", "average_precision"):
        with pytest.raises(
            ValueError, match=f"^{name} is for two classes, and the training labels have 3; noth"
        ):
            rh.infer(y, metric=name)
    assert rh.infer(y, metric="balanced_accuracy").conf_high == 1.0
    one = ReusableHoldout(
        queries=9, mechanism="description_length", ledger=Ledger.in_memory(secret=b"k")
    ).fit(X[:300], np.full(300, "a"))
    one.calibrate(X[300:], np.full(300, "a"))
    with pytest.raises(
        ValueError, match="balanced_accuracy is for classes, and the training labels have 1; noth"
    ):
        one.infer(np.full(300, "a"), metric="balanced_accuracy")
    none = ReusableHoldout(queries=9, mechanism="description_length", ledger=Ledger.in_memory(secret=b"k"))
    none.calibrate(X[:300], y)
    for name, wanted in (("f1", "two classes"), ("balanced_accuracy", "classes")):
        with pytest.raises(
            ValueError, match=f"{name} is for {wanted}, and none are known: pass classes= to calib"
        ):
            none.infer(y, metric=name)
