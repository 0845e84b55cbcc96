"""Copies of a holdout: clones, pickles and deep copies."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from tests.holdout.study import MODEL, X_HOLD, X_TRAIN, Y_TRAIN, make, noise_predictions
from validstats.exceptions import (
    BudgetExhaustedError,
)
from validstats.holdout import (
    Ledger,
    ReusableHoldout,
)
from validstats.holdout.asking import desk


def test_clone_and_get_params_work():
    rh = ReusableHoldout(queries=7, ledger=Ledger.in_memory())
    copied = clone(rh)
    assert copied.queries == 7 and copied.ledger is rh.ledger
    assert "ReusableHoldout(" in repr(rh)
    fitted = ReusableHoldout().fit(X_TRAIN, Y_TRAIN)
    assert not hasattr(clone(fitted), "_training")
    assert isinstance(pickle.loads(pickle.dumps(fitted)), ReusableHoldout)


def test_a_calibrated_holdout_in_memory_refuses_copies():
    rh = make()
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(rh)
    with pytest.raises(TypeError, match="cannot be"):
        copy.deepcopy(rh)
    with pytest.raises(TypeError, match="cannot be pickled or deep-copied"):
        rh.desk_.parts.__getstate__()  # before anything is sealed


def test_pickles_share_the_budget_and_hide_the_rows(tmp_path):
    path = tmp_path / "study.ledger"
    Ledger.create(path)
    secret_value = 0.123456789012345
    X = X_HOLD.copy()
    X[7, 2] = secret_value
    rh = make(path, queries=2, X=X)
    raw = pickle.dumps(rh)
    assert np.float64(secret_value).tobytes() not in raw
    assert rh.ledger_.secret not in raw
    other = pickle.loads(raw)
    assert np.array_equal(other.desk_.parts.reusable.y, rh.desk_.parts.reusable.y)
    other.infer(noise_predictions(0), guess=0.5)
    assert rh.infer(noise_predictions(1), guess=0.5).left["queries"] == 0
    with pytest.raises(BudgetExhaustedError):
        other.infer(noise_predictions(2), guess=0.5)


def test_a_shallow_copy_asks_at_the_same_desk():
    rh = make()
    copied = copy.copy(rh)
    copied.infer(noise_predictions(0), guess=0.5)
    assert rh.infer(noise_predictions(1), guess=0.5).left["queries"] == 18


def test_boards_and_scorers_share_the_budget_and_hide_the_rows(tmp_path):
    path = Ledger.create(tmp_path / "study.ledger").path
    rh = make(path, queries=3, mechanism="description_length")
    for door in (rh.leaderboard(baseline=0.5), rh.scorer()):
        raw = pickle.dumps(door)
        assert rh.ledger_.secret not in raw and rh.desk_.parts.reusable.X.tobytes() not in raw
    pickle.loads(pickle.dumps(rh.leaderboard(baseline=0.5))).submit(MODEL)
    assert rh.validate(MODEL, at_least=0.6).left["queries"] == 1
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(make(mechanism="description_length").leaderboard())


@pytest.mark.parametrize("metric", ["log_loss", "brier", "auc"])
def test_a_pickle_needs_no_metric_that_can_be_pickled(tmp_path, metric):
    path = Ledger.create(tmp_path / "study.ledger").path
    other = pickle.loads(pickle.dumps(make(path, metric=metric, mechanism="description_length")))
    assert other.infer(MODEL).question == f"{other.desk_.chosen(None).name}: LogisticRegression"


def test_rows_of_one_copy_at_a_time_are_open(tmp_path):
    """A process that is sent many copies keeps the rows of the last."""
    for name, X in (("one", X_HOLD), ("two", np.cumsum(X_HOLD, axis=0))):
        rh = pickle.loads(pickle.dumps(make(Ledger.create(tmp_path / f"{name}.ledger").path, X=X)))
        assert np.array_equal(np.sort(rh.desk_.parts.reusable.X[:, 0]), np.sort(X[:, 0]))
        assert len(desk._OPENED) == 1
