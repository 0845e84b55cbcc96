from __future__ import annotations

import pytest

from tests.holdout.crash import crash_repeatedly

pytestmark = pytest.mark.validity


def test_killed_while_asking_200_times(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    given, charged = crash_repeatedly(tmp_path / "crash.ledger", 200, seed=2)
    assert 200 <= given <= charged
