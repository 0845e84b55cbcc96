"""Headings that show the level that was asked for."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.dsl.streams import clustered_rows, streamed_rows
from validstats.dsl.results import level_text
from validstats.plotting import ConfidenceSequenceDisplay


@pytest.mark.share(2)
@pytest.mark.parametrize(
    ("level", "text"), [(0.975, "97.5%"), (0.999, "99.9%"), (0.95, "95%"), (0.29, "29%")]
)
def test_headings_show_the_level_that_was_asked_for(calibrated, level, text) -> None:
    assert level_text(level) == text
    fitted = calibrated.infer("y ~ x1", confidence_level=level)
    assert f"{text} low" in str(fitted) and f"{text} high" in str(fitted)
    stream = streamed_rows(clustered_rows(20), covariates=["x"], confidence_level=level)
    assert f"{text} low" in str(stream)


def test_headings_of_sequences_show_the_level_that_was_asked_for() -> None:
    from validstats.dsl.sequence import SequentialLabelling

    rng = np.random.default_rng(0)
    machine = rng.random(1200)
    labelling = SequentialLabelling(random_state=0, confidence_level=0.975).fit(machine)
    while labelling.n_remaining:
        labelling.record(machine[labelling.next_labels(600).to_label])
    answer = labelling.infer()
    assert "Anytime-valid intervals at 97.5%" in str(answer)
    assert "about 97.5 of 100 studies" in answer.guarantee.holds
    shown = ConfidenceSequenceDisplay.from_result(answer).plot()
    assert shown.ax_.get_title() == "Intervals at 97.5%"
    plt.close(shown.figure_)
