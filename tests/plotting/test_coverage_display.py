from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from validstats.plotting import CoverageDisplay


def test_the_band_is_the_binomial_one() -> None:
    band = CoverageDisplay([0.9], [0.91], n_replicates=200).band(0.99)
    np.testing.assert_allclose(band, [np.array(stats.binom.interval(0.99, 200, 0.9)) / 200])


def test_theory_replaces_the_nominal_level_in_the_band() -> None:
    display = CoverageDisplay([0.9], [0.91], n_replicates=200, theory=[0.95])
    np.testing.assert_allclose(display.band(), [np.array(stats.binom.interval(0.99, 200, 0.95)) / 200])


def test_it_draws_every_line_on_the_axes_given() -> None:
    figure, ax = plt.subplots()
    display = CoverageDisplay([0.8, 0.9], [0.8, 0.9], n_replicates=100, theory=[0.81, 0.9], naive=[0.5, 0.6])
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert display.figure_ is figure
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["99 % binomial band", "nominal", "exact theory", "validstats", "naive"]
    plt.close(figure)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="same number of rows"):
        CoverageDisplay([0.8, 0.9], [0.8], n_replicates=10)
