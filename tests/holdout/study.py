"""The study that tests of the holdout share: its rows, its model, and a calibrated holdout."""

from __future__ import annotations

import hashlib
import os
from collections import Counter

import numpy as np
from sklearn.linear_model import LogisticRegression

from validstats.holdout import (
    Ledger,
    ReusableHoldout,
)

N = 1200


def draw(n=N, seed=0, p=3):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, p))
    return X, (X[:, 0] + generator.normal(size=n) > 0).astype(int)


X_TRAIN, Y_TRAIN = draw(seed=1)

X_HOLD, Y_HOLD = draw(seed=2)

MODEL = LogisticRegression().fit(X_TRAIN, Y_TRAIN)

TRUE_MEAN = float((MODEL.predict(X_HOLD) == Y_HOLD).mean())


_MADE: Counter[str] = Counter()


def next_secret() -> bytes:
    """A key for the next ledger of a test: others within a test, the same in every run."""
    name = os.environ.get("PYTEST_CURRENT_TEST", "")
    _MADE[name] += 1
    return hashlib.sha256(f"{name} {_MADE[name]}".encode()).digest()


def make(ledger=None, fit=True, X=X_HOLD, y=Y_HOLD, clusters=None, **options):
    # one of a simulation: each call has a budget of its own, whatever rows another one has
    ledger = Ledger.in_memory(secret=next_secret()) if ledger is None else ledger
    counted = options.get("mechanism") in ("thresholdout", "sparse", "thresholdout_science")
    overfits = {"overfits": 3} if counted else {}
    settings = {"queries": 20, **overfits, "random_state": 0, "ledger": ledger, **options}
    rh = ReusableHoldout(**settings)
    if fit:
        rh.fit(X_TRAIN, Y_TRAIN)
    return rh.calibrate(X, y, clusters=clusters)


def noise_predictions(seed, n=N):
    return np.random.default_rng(1000 + seed).integers(0, 2, n)


TEN_THOUSAND = draw(10_000, seed=3)
