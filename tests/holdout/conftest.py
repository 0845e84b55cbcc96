from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def own_state_directory(tmp_path, monkeypatch):
    """Keep the anchors of each test to itself."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
