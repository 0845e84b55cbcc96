"""The coefficient plot holds what the result holds."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

from validstats.plotting import CoefficientDisplay

matplotlib.use("Agg")


def test_display_of_a_result(calibrated):
    result = calibrated.infer("y ~ x1 + x2", model="logit")
    display = result.plot(truth=np.array([0.0, 1.0, -0.5]))
    assert display.names == ["x1", "x2"] and list(display.fits) == ["validstats", "gold only", "naive"]
    np.testing.assert_array_equal(display.fits["validstats"][0], result.params[1:])
    np.testing.assert_allclose(display.fits["validstats"][1], result.confidence_interval()[1:, 0])
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == ["x1", "x2"]
    assert display.plot(display.ax_) is display


def test_lengths_are_checked():
    with pytest.raises(ValueError, match="one value for each of the 2 names"):
        CoefficientDisplay(["a", "b"], {"ours": ([1.0], [0.0], [2.0])})
