"""The command that runs all benchmarks: folders of peers, and what fails."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as command
from benchmarks import _peers
from benchmarks._runner import Spec


def test_a_domain_that_fails_leaves_the_others_and_a_peer_that_fails_is_a_row(tmp_path, monkeypatch) -> None:
    def absent():
        raise RuntimeError("not run: no interpreter")

    spec = Spec("mi", "task", 10, {"validstats": lambda: None, "rival": absent}, repeats=1)
    modules = {
        "benchmarks.dsl": SimpleNamespace(specs=lambda quick: 1 / 0),
        "benchmarks.mi": SimpleNamespace(specs=lambda quick: [spec]),
    }
    monkeypatch.setattr(_peers, "_STARTED", {})  # other tests start peers of their own
    monkeypatch.setattr(command, "DOMAINS", ("dsl", "mi"))
    monkeypatch.setattr(command.importlib, "import_module", modules.__getitem__)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--output", str(tmp_path), "--peers", str(tmp_path)])
    with pytest.raises(SystemExit, match="failed: dsl"):
        command.main()
    table = (tmp_path / "mi.md").read_text()
    assert "failed: RuntimeError: not run: no interpreter" in table and "| validstats |" in table
    assert json.loads((tmp_path / "run.json").read_text()) == {"peers": {}}


def test_the_first_folder_with_an_environment_counts(tmp_path, monkeypatch) -> None:
    for name in _peers.PEERS.values():
        monkeypatch.delenv(name, raising=False)
    for place, peer in (("a", "mapie"), ("b", "mapie"), ("b", "crepes")):
        (tmp_path / place / peer / "bin").mkdir(parents=True)
        (tmp_path / place / peer / "bin/python").touch()
    assert _peers.take_from(tmp_path / "a", tmp_path / "b") == ["mapie", "crepes"]
    assert _peers.interpreter("mapie") == str(tmp_path / "a/mapie/bin/python")
    assert _peers.interpreter("crepes") == str(tmp_path / "b/crepes/bin/python")
