"""What tests and examples share: each has a state directory of its own, so that none knows the rows of another."""

from __future__ import annotations

import gc
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_FOLDER = tempfile.TemporaryDirectory(prefix="validstats-state-")
_NUMBER = itertools.count()

gc.disable()  # until the tests run: what collection makes stays, and to look through it costs a third of its time

os.environ["XDG_STATE_HOME"] = str(Path(_FOLDER.name) / "shared")  # of fixtures that outlive a test


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Garbage is collected from here on, but not looked for among the tests themselves."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def own_state_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder is made by whoever writes to it; workers of joblib, which keep the folder they started with, end with the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(Path(_FOLDER.name) / str(next(_NUMBER))))
    yield
    workers = getattr(sys.modules.get("joblib.externals.loky.reusable_executor"), "_executor", None)
    if workers is not None:
        workers.shutdown(wait=True, kill_workers=True)
