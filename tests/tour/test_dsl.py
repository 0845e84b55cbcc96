"""The section of the tour, with fewer fresh samples."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tour import LINES
from validstats.tour import dsl as tour
from validstats.tour._section import QuietProgress


@pytest.mark.slow
def test_the_section_shows_the_naive_error_and_covers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour, "N_DRAWS", 2)
    section = tour.run_section(QuietProgress())
    facts = section.facts
    assert facts["naive_log_length"] > 0.4 and facts["true_log_length"] < 0.15
    assert facts["interval_log_length"][1] < facts["naive_log_length"]
    assert facts["intervals"] == 12 and facts["covered"] >= 9 and facts["naive_covered"] == 0
    assert len(section.story.text("Title", 80).splitlines()) <= LINES["dsl"]
    assert (
        "ratings" in section.story.truth
        and "People alone" in section.story.naive
        and section.story.rely_on.endswith(".")
    )
    assert len(section.page.figures) == 1 and len(section.page.summaries) == 2


def test_labels_are_drawn_for_both_regressions_at_once() -> None:
    sentences = tour.load_sentences()
    labels = tour.draw_labels(sentences, np.random.default_rng(0))
    known = np.isfinite(labels["rating"])
    assert known.sum() == tour.N_LABELS
    np.testing.assert_array_equal(known, np.isfinite(labels["positive"]))
