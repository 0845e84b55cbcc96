"""What tests and examples share: each has a state directory of its own, so that none knows the rows of another."""

from __future__ import annotations

import gc
import itertools
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_FOLDER = tempfile.TemporaryDirectory(prefix="validstats-state-")
_NUMBER = itertools.count()

gc.disable()  # until the tests run: what collection makes stays, and to look through it costs a third of its time

_SHARED = f"{_FOLDER.name}/shared"  # of fixtures that outlive a test
os.environ["XDG_STATE_HOME"] = _SHARED


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file whose one mark keeps all its tests out of this lane is not read: to import and rewrite it takes seconds."""
    terms = config.option.markexpr.split(" and ")
    excluded = {term[4:] for term in terms if re.fullmatch(r"not \w+", term)}
    if not excluded or collection_path.suffix != ".py":
        return None
    mark = re.search(
        r"^pytestmark = (?:\[\s*)?pytest\.mark\.(\w+)", collection_path.read_text("utf-8"), re.MULTILINE
    )
    return True if mark and mark[1] in excluded else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Garbage is collected from here on, but not looked for among the tests themselves."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def own_state_directory() -> Iterator[None]:
    """The folder is made by whoever writes to it; workers of joblib, which keep the folder they started with, end with the test."""
    os.environ["XDG_STATE_HOME"] = f"{_FOLDER.name}/{next(_NUMBER)}"
    yield
    os.environ["XDG_STATE_HOME"] = _SHARED
    workers = getattr(sys.modules.get("joblib.externals.loky.reusable_executor"), "_executor", None)
    if workers is not None:
        workers.shutdown(wait=True, kill_workers=True)
