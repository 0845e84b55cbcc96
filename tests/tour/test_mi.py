"""The tour's section on mutual information."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pytest

from tests.tour import LINES
from validstats.tour import mi
from validstats.tour._section import QuietProgress


@pytest.fixture(scope="module")
def section():
    return mi.run_section(QuietProgress())


def test_rows_come_from_different_documents() -> None:
    rows = mi._independent_rows(mi.load_sentiment())
    assert len(np.unique(rows["document"])) == len(rows["document"])


@pytest.mark.slow
def test_every_corpus_has_an_estimate_inside_its_interval(section) -> None:
    estimates, intervals = section.facts["mutual_information"], section.facts["intervals"]
    assert list(estimates) == list(mi.CORPORA.values())
    for corpus, value in estimates.items():
        low, high = intervals[corpus]
        assert 0 <= low <= value <= high
    assert estimates["tweets"] > estimates["film reviews"]


@pytest.mark.slow
def test_the_machine_score_is_among_the_informative_features(section) -> None:
    assert "vader_compound" in section.facts["selected"]
    assert len(section.facts["selected"]) < len(mi.FEATURES)


@pytest.mark.slow
def test_the_section_prints_and_shows_figures(section) -> None:
    assert any("false discovery rate" in text for text in section.page.paragraphs)
    assert "certified" in section.story.ours
    assert len(section.story.text("Title", 80).splitlines()) <= LINES["mi"]
    assert len(section.page.figures) == 1 and len(section.page.summaries) == 3
    assert section.facts["p_values"]["mutual information"] <= 0.05
