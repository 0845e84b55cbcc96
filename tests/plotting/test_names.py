"""Names that users give stand in figures as they are, also where matplotlib would read a formula."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from validstats.plotting import (
    AnswersDisplay,
    BatchIntervalDisplay,
    CoefficientDisplay,
    DiscoveriesDisplay,
    LabelPlanDisplay,
    MutualInformationDisplay,
    MutualInformationMatrixDisplay,
)
from validstats.plotting._style import plain

NAMES = (r"$\frac$", "US$ per $a_b$", r"\$")


def shown(figure) -> list[str]:
    """Texts of a figure after it was drawn, which fails where a formula cannot be read."""
    figure.canvas.draw()
    axes = figure.axes[0]
    legend = axes.get_legend()
    entries = [] if legend is None else legend.get_texts()
    return [text.get_text() for text in [*axes.get_yticklabels(), *entries, axes.xaxis.label]]


def displays():
    numbers = np.arange(3.0)
    yield BatchIntervalDisplay(NAMES, numbers, numbers - 1, numbers + 1, name=NAMES[0])
    yield AnswersDisplay(NAMES, numbers, numbers - 1, numbers + 1, np.ones((3, 2)))
    yield DiscoveriesDisplay(NAMES, [True, False, True], "beats 1")
    yield CoefficientDisplay(NAMES, {"validstats": (numbers, numbers - 1, numbers + 1)})
    yield MutualInformationDisplay(NAMES, numbers, numbers, numbers + 1)
    yield MutualInformationMatrixDisplay(np.eye(3), np.eye(3), NAMES)
    yield LabelPlanDisplay(np.array([10, 20]), np.ones((2, 3)), NAMES, 10)


@pytest.mark.share(3)
@pytest.mark.parametrize("display", list(displays()), ids=lambda d: type(d).__name__)
def test_names_are_no_formulas(display):
    texts = shown(display.plot().figure_)
    assert all(plain(name) in texts for name in NAMES)
    plt.close("all")
