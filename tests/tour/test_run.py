from __future__ import annotations

import io
import sys
import types

import pytest
from click.testing import CliRunner

from tests.tour import LINES
from validstats.cli import main
from validstats.results import Section
from validstats.tour import SECTIONS, batch, run_tour
from validstats.tour._section import QuietProgress, Story, TerminalProgress, TourSection


@pytest.fixture
def fake_section(monkeypatch):
    module = types.ModuleType("validstats.tour.batch")

    def run_section(progress):
        progress.step("working")
        story = Story("How much?", "Much.", "What was found.", "Little.", "Nothing.")
        return TourSection(story, Section("Fake", ["A paragraph."]), {"answer": 42})

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


def test_steps_are_shown_on_a_terminal_only() -> None:
    stream = io.StringIO()
    progress = TerminalProgress("Batch", stream)
    progress.step("fitting")
    progress.close()
    assert stream.getvalue() == ""
    stream.isatty = lambda: True  # type: ignore[method-assign]
    progress.step("fitting")
    assert "[Batch] fitting ..." in stream.getvalue()
    progress.close()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_the_whole_story_has_at_most_sixty_lines() -> None:
    assert list(LINES) == list(SECTIONS)
    assert sum(LINES.values()) + len(LINES) + 2 <= 60


@pytest.mark.slow
def test_the_story_of_the_batch_keeps_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "N_REPLICATES", 2)
    monkeypatch.setattr(batch, "N_YEAR_REPLICATES", 20)
    section = batch.run_section(QuietProgress())
    assert len(section.story.text("Title", 80).splitlines()) <= LINES["batch"]
    assert "textbook" in section.story.naive and "whole years" in section.story.ours


def test_a_story_is_folded_under_its_labels() -> None:
    story = Story("How many? " * 12, "Usual.", "Ours.", "True.", "So much.")
    lines = story.text("Title", 60).split("\n")
    assert lines[0] == "Title" and lines[1].startswith("Question    How many?")
    assert max(map(len, lines)) <= 60
    assert lines[2].startswith(" " * 12) and lines[2].strip()
    assert [line.split()[0] for line in lines[-4:]] == ["Usual", "validstats", "Truth", "Rely"]
