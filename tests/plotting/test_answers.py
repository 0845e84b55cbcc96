"""Figures of a holdout's answers: every interval where it is, beside the one of a single look."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

from tests.holdout.study import MODEL, make, noise_predictions
from validstats.plotting import AnswersDisplay, DiscoveriesDisplay


def test_intervals_and_single_looks_are_drawn_where_they_are() -> None:
    rh = make(mechanism="description_length")
    answers = rh.score_many([MODEL, noise_predictions(0)])
    display = answers.plot(labels={answers.terms[0]: "ours"}, drop=())
    assert isinstance(display, AnswersDisplay) and display.questions == ["ours", "accuracy: predictions"]
    single, together = (lines.get_segments() for lines in display.ax_.collections)
    np.testing.assert_allclose(
        [s[:, 0] for s in together], np.column_stack([answers.conf_low, answers.conf_high])
    )
    np.testing.assert_allclose([s[:, 0] for s in single], answers.naive)
    assert all(low < a and b < high for (low, high), (a, b) in zip(display_ends(together), answers.naive))
    assert answers.plot(drop=[answers.terms[0]]).questions == ["accuracy: predictions"]
    mpl.pyplot.close("all")


def display_ends(segments: list[np.ndarray]) -> list[tuple[float, float]]:
    return [(s[0, 0], s[1, 0]) for s in segments]


def test_a_bit_has_no_interval_to_draw() -> None:
    display = make().validate(MODEL, at_least=0.6).plot()
    assert np.isnan(display.estimate).all() and np.isnan(display.naive).all()
    mpl.pyplot.close("all")


def test_claims_stand_on_the_side_of_their_verdict() -> None:
    found = make().discover([MODEL, noise_predictions(0)], at_least=0.55)
    display = found.plot(labels={found.terms[0]: "ours"})
    assert isinstance(display, DiscoveriesDisplay) and display.models == ["ours", "1: predictions"]
    confirmed, others = display.ax_.lines
    assert confirmed.get_xydata().tolist() == [[1.0, 0.0]] and others.get_xydata().tolist() == [[0.0, 1.0]]
    assert found.plot(drop=[found.terms[0]]).confirmed.tolist() == [False]
    mpl.pyplot.close("all")


def test_parts_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="same number of rows"):
        AnswersDisplay(["a"], [0.5, 0.6], [0.4], [0.6], [[0.4, 0.6]])
    with pytest.raises(ValueError, match="same number of rows"):
        DiscoveriesDisplay(["a"], [True, False], "beats 1")
