from __future__ import annotations

import matplotlib as mpl
import pytest

from tests.tour import LINES
from validstats.tour._section import QuietProgress
from validstats.tour.evals import run_section


@pytest.fixture(scope="module")
def section():
    mpl.use("Agg")
    return run_section(QuietProgress())


def test_the_interval_contains_the_share_and_the_machine_lies_outside(section) -> None:
    low, high = section.facts["interval"]
    assert low <= section.facts["truth"] <= high
    assert not low <= section.facts["machine"] <= high


def test_the_ranks_lie_within_their_ranges(section) -> None:
    assert section.facts["ranks_inside"]
    assert section.facts["best"] != "always positive"


def test_story_and_page_show_both_answers(section) -> None:
    assert section.page.title == "Evaluations of models" and len(section.page.figures) == 2
    assert len(section.story.text("Title", 80).splitlines()) <= LINES["evals"]
    assert "Wilson" in section.story.naive and section.facts["people_alone"][1] < 1
    assert "four machines" in section.story.question and "%" in section.story.ours
    assert any("A machine that counts words" in text for text in section.page.paragraphs)
