"""Headings that show the level that was asked for."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tests.dsl.streams import streamed as stream_regression
from validstats.dsl.results import level_text
from validstats.plotting import ConfidenceSequenceDisplay


def clustered_rows(n_clusters=80, size=25, seed=0):
    """Return rows whose covariate, errors and machine errors are shared within clusters."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_clusters), size)
    x, shared = rng.normal(size=(2, n_clusters))[:, group]
    truth = 1 + x + shared + 0.3 * rng.normal(size=len(group))
    return pd.DataFrame(
        {
            "x": x,
            "machine": truth + 0.5 * rng.normal(size=len(group)),
            "y": np.where(rng.random(len(group)) < 0.4, truth, np.nan),
            "group": group,
        }
    )


def streamed(frame, **options):
    settings = {"label": "y", "predictions": "machine", "sampling_probability": 0.4, "estimator": "dsl"}
    settings["features"] = ()
    return stream_regression(
        frame,
        **(
            settings
            | {
                "chunk_size": 130,
            }
            | options
        ),
    )


@pytest.mark.parametrize(
    ("level", "text"), [(0.975, "97.5%"), (0.999, "99.9%"), (0.95, "95%"), (0.29, "29%")]
)
def test_headings_show_the_level_that_was_asked_for(calibrated, level, text) -> None:
    assert level_text(level) == text
    fitted = calibrated.infer("y ~ x1", confidence_level=level)
    assert f"{text} low" in str(fitted) and f"{text} high" in str(fitted)
    stream = streamed(clustered_rows(20), covariates=["x"], confidence_level=level)
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
