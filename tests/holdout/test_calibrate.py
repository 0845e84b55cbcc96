"""What is handed to fit and calibrate: rows, clusters, ledgers, frames, and what may not change."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.holdout.study import (
    MODEL,
    TRUE_MEAN,
    X_HOLD,
    X_TRAIN,
    Y_HOLD,
    Y_TRAIN,
    N,
    draw,
    make,
    noise_predictions,
)
from validstats.exceptions import (
    DataReuseWarning,
    HoldoutOverlapError,
    LedgerMismatchError,
    LedgerMissingError,
    NotCalibratedError,
)
from validstats.holdout import (
    Ledger,
    Metric,
    ReusableHoldout,
)


def test_the_same_rows_in_another_order_continue_the_ledger(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    prediction = noise_predictions(0)
    first = make(path).infer(prediction, guess=0.5)
    order = np.random.default_rng(0).permutation(N)
    again = make(path, X=X_HOLD[order], y=Y_HOLD[order])
    assert again.infer(prediction[order], guess=0.5).cached
    assert again.infer(noise_predictions(1), guess=0.5).left["queries"] == 18
    assert first.left["queries"] == 19


def test_other_rows_are_refused(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    make(path)
    X, y = draw(seed=9)
    with pytest.raises(LedgerMismatchError, match="other holdout rows"):
        make(path, X=X, y=y)
    Ledger.create(tmp_path / "second.ledger")
    with pytest.raises(LedgerMismatchError, match="has a ledger already"):
        make(tmp_path / "second.ledger")


def test_a_budget_in_memory_for_rows_that_have_a_ledger_file_is_refused(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    make(path)
    order = np.random.default_rng(0).permutation(N)
    for ledger in (None, Ledger.in_memory()):
        rh = ReusableHoldout(ledger=ledger).fit(X_TRAIN, Y_TRAIN)
        for check_reuse in (True, False):
            with pytest.raises(HoldoutOverlapError, match=r"has a ledger already, at .*study\.ledger"):
                rh.calibrate(X_HOLD[order], Y_HOLD[order], check_reuse=check_reuse)
    X, y = draw(seed=9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ReusableHoldout().fit(X_TRAIN, Y_TRAIN).calibrate(X, y)
        make(path)


def test_a_path_without_a_ledger_is_refused(tmp_path):
    with pytest.raises(LedgerMissingError, match=r"Ledger\.create"):
        make(tmp_path / "nowhere.ledger")


def test_a_relative_path_is_the_file_that_it_was_at_first(tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("study.ledger", "other.ledger"):
        Ledger.create(name)
    rh = make("study.ledger")
    rh.infer(MODEL)
    monkeypatch.chdir(tmp_path / "below")
    again = rh.calibrate(X_HOLD[::-1], Y_HOLD[::-1])
    assert again.infer(noise_predictions(0), guess=0.5).left["queries"] == 18
    assert again.ledger_.path == tmp_path / "study.ledger"
    with pytest.raises(LedgerMissingError):
        rh.set_params(ledger="other.ledger").calibrate(X_HOLD, Y_HOLD)
    # a ledger in memory that was there before is not in the way of a file
    fresh = ReusableHoldout(ledger=None).calibrate(*draw(seed=9))
    Ledger.create(tmp_path / "third.ledger")
    file = fresh.set_params(ledger=tmp_path / "third.ledger").calibrate(*draw(seed=10)).ledger_
    assert file.path == tmp_path / "third.ledger"


def test_clusters_are_the_units():
    clusters = np.repeat(np.arange(N // 4), 4)
    rh = make(clusters=clusters, vault=0.2)
    assert (rh.calibration_.n_units, rh.calibration_.n_vault) == (240, 60)
    assert set(clusters[rh.desk_.parts.reusable.given]).isdisjoint(clusters[rh.desk_.parts.vault.given])
    answer = rh.infer(MODEL, guess=0.2)
    expected = (
        (MODEL.predict(X_HOLD) == Y_HOLD)
        .reshape(-1, 4)
        .mean(axis=1)[np.unique(clusters[rh.desk_.parts.reusable.given])]
    )
    assert abs(float(answer) - expected.mean()) < 0.06
    assert "mean over clusters" in answer.guarantee.paragraph()
    assert rh.final(MODEL).bounds[0] < TRUE_MEAN


def test_bad_data_are_refused():
    rh = ReusableHoldout().fit(X_TRAIN, Y_TRAIN)
    with pytest.raises(ValueError, match="one value for each of the 1200 rows"):
        rh.calibrate(X_HOLD, Y_HOLD[:-1])
    with pytest.raises(ValueError, match="at least one"):
        rh.calibrate(X_HOLD[:0], Y_HOLD[:0])
    with pytest.raises(ValueError, match="NaN or infinity"):
        rh.calibrate(X_HOLD, np.where(Y_HOLD == 1, np.nan, 0.0))
    with pytest.raises(ValueError, match="missing values"):
        rh.calibrate(X_HOLD, np.where(Y_HOLD == 1, None, "a"))


def test_states_are_checked():
    with pytest.raises(NotCalibratedError, match=r"infer\(\) needs a calibrated"):
        ReusableHoldout().infer(MODEL)
    with pytest.raises(NotCalibratedError):
        ReusableHoldout().summary()
    with pytest.raises(ValueError, match=r"call fit\(\.\.\.\) first"):
        make(fit=False, mechanism="thresholdout", tolerance=0.1).infer(MODEL)
    assert make(fit=False).infer(MODEL).source == "holdout"  # guess-and-check answers without a guess as well
    with pytest.raises(ValueError, match="compares with classes, and none are known: pass classes="):
        ReusableHoldout(metric="brier").calibrate(X_HOLD, np.where(Y_HOLD, "yes", "no"))


@pytest.mark.parametrize(
    "metric", ["roc_auc", "brier", "neg_log_loss", "f1", "balanced_accuracy", "average_precision"]
)
def test_predictions_are_enough_with_classes_by_the_names_of_scikit_learn(metric) -> None:
    score = MODEL.predict_proba(X_HOLD)[:, 1]
    said = (score > 0.5).astype(int) if metric in ("f1", "balanced_accuracy") else score
    words = np.array(["no", "yes"])

    def answer(X, y, target, **given):
        ledger = Ledger.in_memory(secret=b"predictions")
        asked = ReusableHoldout(queries=5, metric=metric, ledger=ledger, random_state=0)
        return asked.calibrate(X, y, **given).infer(target)

    alone = answer(score, Y_HOLD, said)
    truth = {
        "roc_auc": sk.roc_auc_score,
        "brier": sk.brier_score_loss,
        "average_precision": sk.average_precision_score,
    }
    truth |= {"f1": sk.f1_score, "balanced_accuracy": sk.balanced_accuracy_score}
    truth["neg_log_loss"] = lambda y, p: -sk.log_loss(y, np.clip(p, 0.01, 0.99))
    assert alone.conf_low <= truth[metric](Y_HOLD, said) <= alone.conf_high
    named = words[said] if said.dtype.kind == "i" else said
    found = answer(score, words[Y_HOLD], named, classes=["yes", "no"])
    assert found.value == pytest.approx(
        alone.value, abs=0.03
    )  # public matchings follow the order of the rows
    with pytest.raises(ValueError, match=r"y has labels that are not among classes=\['maybe', 'yes'\]"):
        answer(score, words[Y_HOLD], named, classes=["maybe", "yes"])


def test_identifiers_know_the_rows_under_other_predictions() -> None:
    ids = [f"case-{i}" for i in range(len(Y_HOLD))]
    ledger = Ledger.in_memory(secret=b"versions")
    first = ReusableHoldout(queries=5, ledger=ledger).calibrate(Y_HOLD, Y_HOLD, ids=ids)
    first.infer(Y_HOLD)
    again = ReusableHoldout(queries=5, ledger=ledger).calibrate(1 - Y_HOLD, Y_HOLD, ids=ids)
    assert again.infer(1 - Y_HOLD).left["queries"] == 3
    with pytest.raises(ValueError, match="leave it out after fit"):
        ReusableHoldout().fit(X_TRAIN, Y_TRAIN).calibrate(X_HOLD, Y_HOLD, classes=[0, 1])


def test_training_rows_in_the_holdout_are_noticed():
    rh = ReusableHoldout(random_state=0).fit(X_TRAIN, Y_TRAIN)
    with pytest.warns(DataReuseWarning, match="were also used to train"):
        rh.calibrate(X_TRAIN, Y_TRAIN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ReusableHoldout(random_state=0).fit(X_TRAIN, Y_TRAIN).calibrate(X_TRAIN, Y_TRAIN, check_reuse=False)


def test_inputs_are_not_changed():
    X, y = X_HOLD.copy(), Y_HOLD.copy()
    prediction = noise_predictions(0)
    before = prediction.copy()
    rh = make(X=X, y=y, vault=0.2)
    rh.infer(prediction, guess=0.5)
    assert np.array_equal(X, X_HOLD) and np.array_equal(y, Y_HOLD) and np.array_equal(prediction, before)


def test_code_that_writes_into_rows_changes_neither_holdout_nor_training_part():
    """Scalers with copy=False and careless queries write into what they are given."""

    def careless(X, y):
        X[:] = 7.0
        y[:] = 0
        return np.ones(len(X))

    def overwriting(y, prediction, X):
        y[:] = prediction
        return y == prediction

    def emptying(y, prediction, X):
        if hasattr(X, "tocsr"):
            X.data[:] = 0.0
        elif hasattr(X, "loc"):
            X.loc[:, :] = 0.0
        return y == prediction

    frames = [np.asarray]
    for name in ("pandas", "polars", "scipy.sparse"):
        library = pytest.importorskip(name)
        frames.append(library.csr_matrix if name == "scipy.sparse" else library.DataFrame)
    for of in frames:
        train, hold, y_train, y_hold = of(X_TRAIN), of(X_HOLD), Y_TRAIN.copy(), Y_HOLD.copy()
        rh = ReusableHoldout(queries=20, mechanism="guess_and_check", random_state=0)
        rh.fit(train, y_train).calibrate(hold, y_hold, check_reuse=False)
        kept = copy.deepcopy(rh.desk_.parts.reusable.X), rh.desk_.parts.reusable.y.copy()
        scaled = make_pipeline(StandardScaler(copy=False, with_mean=False), LogisticRegression())
        rh.infer(scaled)
        rh.infer(scaled.fit(X_TRAIN.copy(), Y_TRAIN))
        if of is np.asarray:
            rh.query(careless)
            with pytest.raises(ValueError, match="metric 'writes' failed on the holdout"):
                rh.infer(MODEL, metric=Metric(name="writes", rows=overwriting), guess=0.5)
        else:
            rh.infer(MODEL, metric=Metric(name="writes", rows=emptying), guess=0.5)
        for now, before in ((rh.desk_.parts.reusable.X, kept[0]), (train, of(X_TRAIN)), (hold, of(X_HOLD))):
            now, before = (a.toarray() if hasattr(a, "toarray") else np.asarray(a) for a in (now, before))
            np.testing.assert_array_equal(now, before)
        np.testing.assert_array_equal(rh.desk_.parts.reusable.y, kept[1])
        np.testing.assert_array_equal(y_train, Y_TRAIN)
        np.testing.assert_array_equal(y_hold, Y_HOLD)


def test_only_a_metric_of_ones_own_pays_for_seeing_labels():
    """The same question again is free under the package's metric; code of the caller's may fail, which it pays for."""
    own = Metric(name="mine", rows=lambda y, prediction, X: (y == prediction).astype(float), binary=True)
    for metric, price in (("accuracy", 0.0), (own, -np.log(0.999))):
        rh = make()
        rh.infer(noise_predictions(0), metric=metric, guess=0.5)
        before = rh.nats_
        rh.infer(noise_predictions(0), metric=metric, guess=0.5)
        assert rh.nats_ - before == pytest.approx(price, abs=1e-12)


def test_frames_text_and_string_labels_work():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for library in (pd, pl):
        names = ["a", "b", "c"]
        train = library.DataFrame(dict(zip(names, X_TRAIN.T, strict=True)))
        hold = library.DataFrame(dict(zip(names, X_HOLD.T, strict=True)))
        words = np.array(["no", "yes"])
        rh = (
            ReusableHoldout(queries=5, random_state=0)
            .fit(train, words[Y_TRAIN])
            .calibrate(hold, words[Y_HOLD])
        )
        answer = rh.infer(LogisticRegression())
        assert answer.bounds[0] <= TRUE_MEAN <= answer.bounds[1]
        assert type(answer.tidy()).__module__.split(".")[0] == library.__name__
        assert rh.infer(LogisticRegression(), metric="brier").bounds[1] < 0.5
    from sklearn.feature_extraction.text import CountVectorizer

    texts = np.array(["good film", "bad film", "good", "bad"] * 100)
    target = np.array([1, 0, 1, 0] * 100)
    rh = ReusableHoldout(queries=5, random_state=0).fit(texts, target)
    rh.calibrate(np.array([f"{t} {i}" for i, t in enumerate(texts)]), target)
    assert rh.infer(make_pipeline(CountVectorizer(), LogisticRegression())).bounds[1] > 0.99


def test_sparse_features_work():
    sparse = pytest.importorskip("scipy.sparse")
    rh = ReusableHoldout(queries=5, random_state=0).fit(sparse.csr_matrix(X_TRAIN), Y_TRAIN)
    rh.calibrate(sparse.csr_matrix(X_HOLD), Y_HOLD)
    answer = rh.infer(LogisticRegression())
    assert answer.bounds[0] <= TRUE_MEAN <= answer.bounds[1]
