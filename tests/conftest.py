"""What all tests share: keys of ledgers, unseeded draws and examples of hypothesis are the same in every run."""

from __future__ import annotations

import collections
import functools
import hashlib
import itertools
import os
import secrets
from typing import Any

import pytest

# one thread a worker: the tests run on all cores already
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


@functools.cache
def _load_profile() -> None:
    from hypothesis import settings

    settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
    if int(os.environ.get("VALIDSTATS_EXAMPLES", "100")) <= 1000:
        settings.load_profile("repeatable")


def pytest_collectstart() -> None:
    """Set up hypothesis where tests are collected; the process that only hands them out imports nothing."""
    _load_profile()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the cases of a test that is marked ``share(k)`` the first, the k-th after it and so on are fast, the others slow."""
    seen: collections.Counter[str] = collections.Counter()
    for item in items:
        mark = item.get_closest_marker("share")
        if mark is not None and item.get_closest_marker("slow") is None:
            name = item.nodeid.partition("[")[0]
            if seen[name] % mark.args[0]:
                item.add_marker(pytest.mark.slow)
            seen[name] += 1


def _repeatable_keys(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Draw the keys of new ledgers from a name: noise and vaults then repeat, and so do simulations of them."""
    from validstats.holdout.ledger import core as ledger
    from validstats.holdout.ledger.store import Identity

    counter = itertools.count()

    def identity() -> Identity:
        secret = hashlib.sha256(f"{name} {next(counter)}".encode()).digest()
        return Identity(secrets.token_hex(16), secret)

    monkeypatch.setattr(ledger, "_new_identity", identity)


@pytest.fixture(autouse=True, scope="module")
def repeatable_in_module(request: pytest.FixtureRequest):
    with pytest.MonkeyPatch.context() as monkeypatch:
        _repeatable_keys(monkeypatch, request.node.nodeid)
        yield


@pytest.fixture(autouse=True)
def repeatable(request: pytest.FixtureRequest):
    """Keys of new ledgers, and draws of ``random_state=None``, differ from call to call but not from run to run."""
    import numpy as np

    default_rng, counter = np.random.default_rng, itertools.count()
    name = int.from_bytes(hashlib.sha256(request.node.nodeid.encode()).digest()[:8], "little")

    def seeded(seed: object = None) -> Any:
        return default_rng([name, next(counter)] if seed is None else seed)

    with pytest.MonkeyPatch.context() as monkeypatch:
        _repeatable_keys(monkeypatch, request.node.nodeid)
        monkeypatch.setattr(np.random, "default_rng", seeded)
        yield
