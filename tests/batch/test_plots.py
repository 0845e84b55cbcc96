"""Displays of the domain: what they compute and that they draw."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from sklearn.linear_model import LinearRegression, LogisticRegression

from validstats.batch import BatchMean, BatchPredictor, BatchShares, Envelope, Selection
from validstats.plotting import BatchIntervalDisplay, EnvelopeDisplay, SelectionDisplay


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2))
    return X, X[:, 0] + rng.normal(size=600)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def predictor(target, data, **kwargs):
    X, y = data
    return BatchPredictor(
        LinearRegression(), target, random_state=0, **{"confidence_level": 0.9, **kwargs}
    ).fit(X[:400], y[:400])


def test_intervals(data):
    X, y = data
    result = predictor(BatchMean(method="rank-sum"), data, bounds=(-9, 9)).infer(
        X[400:], batches=np.repeat(np.arange(10), 20)
    )
    truth = y[400:].reshape(10, 20).mean(axis=1)
    display = result.plot(truth=truth)
    assert isinstance(display, BatchIntervalDisplay)
    np.testing.assert_array_equal(
        display.covered(), (result.conf_low[:, 0] <= truth) & (truth <= result.conf_high[:, 0])
    )
    assert display.ax_.get_xlabel() == "mean of the batch"
    _, ax = plt.subplots()
    assert result.plot(ax=ax).ax_ is ax


def test_several_numbers_of_a_batch_are_all_drawn(data):
    X, y = data
    names = np.where(y > 0, "up", "down")
    model = BatchPredictor(LogisticRegression(), BatchShares(), random_state=0).fit(X[:400], names[:400])
    result = model.infer(X[400:], batches=np.repeat(["a", "b"], 100))
    display = result.plot(truth=[[0.4, 0.6], [0.5, 0.5]])
    assert display.batches == ["a: share of down", "a: share of up", "b: share of down", "b: share of up"]
    assert display.truth.tolist() == [0.4, 0.6, 0.5, 0.5]
    np.testing.assert_array_equal(display.low, result.conf_low.ravel())
    one = result.plot(drop=["b", "share of up"], labels={"share of down": "falling"})
    assert one.batches == ["a"] and one.ax_.get_xlabel() == "falling"
    alone = model.infer(X[400:500]).plot(labels={"share of up": "rising"})
    assert alone.batches == ["share of down", "rising"] and alone.ax_.get_xlabel() == "value"
    with pytest.raises(ValueError, match="a column for each of 2 numbers"):
        result.plot(truth=[0.5, 0.5])


def test_intervals_with_infinite_ends():
    display = BatchIntervalDisplay(
        ["a", "b"], [0.0, 1.0], [-np.inf, 0.5], [np.inf, 2.0], truth=[0.2, 2.5]
    ).plot()
    assert display.covered().tolist() == [True, False]
    assert np.isfinite(display.ax_.get_xlim()).all()
    with pytest.raises(ValueError, match="same number of rows"):
        BatchIntervalDisplay(["a"], [0.0, 1.0], [0.0], [1.0])


@pytest.mark.parametrize("options", [{"max_false": 3}, {"fdr": 0.2}], ids=str)
def test_selection(data, options):
    X, y = data
    result = predictor(Selection(above=0.5, **options), data).infer(X[400:500])
    display = result.plot(y=y[400:500])
    assert isinstance(display, SelectionDisplay)
    assert display.n_false == result.false_claims(y[400:500])[0]
    assert f"{result.selected.sum()} claims" in display.ax_.get_title(loc="left")
    assert result.plot().n_false is None


def test_envelope(data):
    X, y = data
    result = predictor(Envelope(), data).infer(X[400:450])
    display = result.plot(truth=y[400:450])
    assert isinstance(display, EnvelopeDisplay)
    low, high = result.answers[0].low, result.answers[0].high
    assert display.holds() == bool(((low <= np.sort(y[400:450])) & (np.sort(y[400:450]) <= high)).all())
    assert "0.9" in display.ax_.get_title(loc="left")


def test_the_textbook_interval_is_drawn_beside_ours(data):
    result = predictor(BatchMean(), data, bounds=(-9, 9)).infer(data[0][:60], batches=np.repeat([1, 2], 30))
    display = result.plot()
    assert "textbook" in [t.get_text() for t in display.ax_.get_legend().get_texts()]
    assert display.textbook.shape == (2, 2) and (display.textbook[:, 0] < display.textbook[:, 1]).all()
