from __future__ import annotations

import io
import sys
import types

import pytest
from click.testing import CliRunner

from validstats.cli import main
from validstats.results import Section
from validstats.tour import run_tour
from validstats.tour._section import TerminalProgress, TourSection, join_text


@pytest.fixture
def fake_section(monkeypatch):
    module = types.ModuleType("validstats.tour.batch")

    def run_section(progress):
        progress.step("working")
        return TourSection("What was found.", Section("Fake", ["A paragraph."]), {"answer": 42})

    module.run_section = run_section
    monkeypatch.setitem(sys.modules, "validstats.tour.batch", module)


@pytest.mark.usefixtures("fake_section")
def test_the_tour_prints_and_writes_its_page(tmp_path) -> None:
    stream = io.StringIO()
    path = run_tour(["batch"], tmp_path / "tour.html", stream)
    assert "What was found." in stream.getvalue()
    assert str(path) in stream.getvalue()
    assert "A paragraph." in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("fake_section")
def test_the_command_writes_where_it_is_told(tmp_path) -> None:
    target = tmp_path / "page.html"
    done = CliRunner().invoke(main, ["tour", "--section", "batch", "--output", str(target)])
    assert done.exit_code == 0, done.output
    assert target.exists()


@pytest.mark.usefixtures("fake_section")
def test_a_missing_folder_is_told_before_any_work(tmp_path) -> None:
    target = tmp_path / "missing" / "page.html"
    done = CliRunner().invoke(main, ["tour", "--section", "batch", "--output", str(target)])
    assert done.exit_code == 1
    assert "does not exist" in done.output
    assert "What was found" not in done.output


def test_an_unknown_section_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="sections must be one of"):
        run_tour(["nonsense"], tmp_path / "x.html")
    assert CliRunner().invoke(main, ["tour", "--section", "nonsense"]).exit_code == 2


def test_help_shows_an_example() -> None:
    done = CliRunner().invoke(main, ["tour", "--help"])
    assert "validstats tour --section batch --output tour.html" in done.output


def test_steps_off_a_terminal_are_lines() -> None:
    stream = io.StringIO()
    progress = TerminalProgress("Batch", stream)
    progress.step("fitting")
    progress.close()
    assert stream.getvalue() == "[Batch] fitting ...\n"


def test_join_text() -> None:
    assert join_text(["a", 1]) == "a\n\n1"
