from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from validstats.cli import main
from validstats.cli.data import EXAMPLE_STUDY, example_tables


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    for name, table in example_tables().items():
        table.to_csv(folder / name, index=False)
    (folder / "study.toml").write_text(EXAMPLE_STUDY, encoding="utf-8")
    return folder


@pytest.fixture
def workplace(tmp_path: Path, example_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the example files, and a state directory of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "work"
    folder.mkdir()
    for file in example_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(workplace: Path) -> Callable[..., Result]:
    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments), prog_name="validstats")

    return call
