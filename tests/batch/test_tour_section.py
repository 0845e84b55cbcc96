"""The tour's section: statements, theory beside observation, figures."""

from __future__ import annotations

import re

import matplotlib
import pytest

matplotlib.use("Agg")

from validstats.tour import batch
from validstats.tour._section import QuietProgress
from validstats.validity import binomial_acceptance


@pytest.fixture(scope="module")
def section():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "N_REPLICATES", 80)
        return batch.run_section(QuietProgress())


@pytest.mark.slow
def test_statements_hold_as_often_as_promised(section):
    for name in ("sets", "mean", "selection", "errors", "years"):
        successes = round(80 * section.facts[f"{name}: observed"])
        check = binomial_acceptance(successes, 80, 0.9)
        assert check.accepted, f"{name}: {check}"


@pytest.mark.slow
def test_the_naive_methods_fail(section):
    for name in ("sets", "mean", "selection", "errors", "years"):
        assert not binomial_acceptance(round(80 * section.facts[f"{name}: plain"]), 80, 0.9).accepted


@pytest.mark.slow
def test_text_and_page(section):
    page = "\n".join([*section.page.paragraphs, *(s.as_text() for s in section.page.summaries)])
    marks = (
        "(a)",
        "(b)",
        "(c)",
        "(d)",
        "What you can rely on",
        "Naive",
        "Theory beside observation",
        "Next year's total",
    )
    for mark in marks:
        assert mark in page
    assert len(section.page.figures) == 4
    assert "total" in section.story.text("Batches")
    assert not re.search(r"0x[0-9a-f]{6}", page)
