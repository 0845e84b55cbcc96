from __future__ import annotations

import matplotlib as mpl
import pytest

from tests.tour import LINES
from validstats.tour._section import QuietProgress
from validstats.tour.holdout import run_section


@pytest.fixture(scope="module")
def section():
    mpl.use("Agg")
    return run_section(QuietProgress())


@pytest.mark.slow
def test_the_naive_promise_misses_the_truth(section) -> None:
    facts = section.facts
    assert facts["naive_promise"] > facts["naive_interval"][0] > facts["naive_truth"]
    assert facts["looks"] == 750


@pytest.mark.slow
def test_the_answers_of_the_ledger_contain_the_truth(section) -> None:
    facts = section.facts
    assert facts["n_covered"] == facts["n_answers"] == 6
    assert facts["chosen_bounds"][0] <= facts["chosen_truth"] <= facts["chosen_bounds"][1]
    assert facts["vault_bounds"][0] <= facts["chosen_truth"] <= facts["vault_bounds"][1]


@pytest.mark.slow
def test_story_and_page_show_table_guarantee_and_figure(section) -> None:
    assert len(section.story.text("Title", 80).splitlines()) <= LINES["holdout"]
    assert "Bonferroni" in section.story.naive
    low, high = section.facts["bonferroni_interval"]
    assert low < section.facts["naive_interval"][0] and high > section.facts["naive_interval"][1]
    assert "looks" in section.story.question and "vault" in section.story.ours
    shown = "\n".join(str(summary) for summary in section.page.summaries)
    for part in ("Naive: climbed on the holdout", "The vault, opened once", "rely on", "chain verified"):
        assert part in shown
    assert section.page.title == "Reusable holdout" and len(section.page.figures) == 1
    assert len(section.page.figures[0][0].axes) == 3
