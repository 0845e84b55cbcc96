"""What all tests share: the keys of ledgers and the examples of hypothesis are the same in every run."""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets

# one thread a worker: the tests run on all cores already
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import pytest
from hypothesis import settings

from validstats.holdout.ledger import core as ledger
from validstats.holdout.ledger.store import Identity

settings.register_profile("repeatable", derandomize=True, database=None)
if int(os.environ.get("VALIDSTATS_EXAMPLES", "100")) <= 1000:
    settings.load_profile("repeatable")


def _repeatable_keys(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Draw the keys of new ledgers from a name: noise and vaults then repeat, and so do simulations of them."""
    counter = itertools.count()

    def identity() -> Identity:
        secret = hashlib.sha256(f"{name} {next(counter)}".encode()).digest()
        return Identity(secrets.token_hex(16), secret)

    monkeypatch.setattr(ledger, "_new_identity", identity)


@pytest.fixture(autouse=True, scope="module")
def repeatable_keys_of_module(request: pytest.FixtureRequest):
    with pytest.MonkeyPatch.context() as monkeypatch:
        _repeatable_keys(monkeypatch, request.node.nodeid)
        yield


@pytest.fixture(autouse=True)
def repeatable_keys(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    _repeatable_keys(monkeypatch, request.node.nodeid)
