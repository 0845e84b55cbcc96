"""Copies of a holdout: clones, pickles and deep copies."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from tests.holdout.study import X_HOLD, X_TRAIN, Y_TRAIN, make, noise_predictions
from validstats.exceptions import (
    BudgetExhaustedError,
)
from validstats.holdout import (
    Ledger,
    ReusableHoldout,
)


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
