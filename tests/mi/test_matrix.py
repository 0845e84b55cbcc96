"""Pairwise mutual information of a data frame, and its displays."""

from __future__ import annotations

import joblib
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest

from validstats.exceptions import ConstantColumnWarning
from validstats.mi import mutual_info, mutual_info_matrix
from validstats.plotting import MutualInformationDisplay, MutualInformationMatrixDisplay


@pytest.fixture(scope="module")
def frame():
    generator = np.random.default_rng(0)
    a = generator.standard_normal(120)
    return pd.DataFrame(
        {
            "a": a,
            "b": a + generator.standard_normal(120),
            "sign": np.where(a > 0, "up", "down"),
            "noise": generator.standard_normal(120),
        }
    )


def test_every_cell_is_the_estimate_of_its_pair(frame) -> None:
    matrix = mutual_info_matrix(frame, intervals=True, method="ksg")
    assert matrix.names == ("a", "b", "sign", "noise")
    assert matrix.kinds == ("continuous", "continuous", "discrete", "continuous")
    np.testing.assert_array_equal(matrix.values, matrix.values.T)
    for i, j in ((0, 1), (0, 2), (2, 3)):
        pair = mutual_info(frame.iloc[:, i], frame.iloc[:, j], method="ksg")
        assert matrix.values[i, j] == pair.estimate
        assert (matrix.conf_low[i, j], matrix.conf_high[i, j]) == (pair.conf_low, pair.conf_high)


def test_the_diagonal_holds_entropies(frame) -> None:
    matrix = mutual_info_matrix(frame, unit="bits", method="ksg")
    assert np.isinf(np.diag(matrix.values)[[0, 1, 3]]).all()
    share = (frame["sign"] == "up").mean()
    assert matrix.values[2, 2] == pytest.approx(-share * np.log2(share) - (1 - share) * np.log2(1 - share))
    assert matrix.values[0, 2] <= matrix.values[2, 2]


def test_forms_of_input_and_workers_agree(frame) -> None:
    reference = mutual_info_matrix(frame, method="ksg")
    with joblib.parallel_config(backend="threading", n_jobs=2):
        np.testing.assert_array_equal(
            mutual_info_matrix(pl.from_pandas(frame), method="ksg").values, reference.values
        )
    numbers = frame.assign(sign=(frame["sign"] == "up").astype(float)).to_numpy()
    from_array = mutual_info_matrix(numbers, method="ksg")
    np.testing.assert_allclose(from_array.values, reference.values)
    assert from_array.names == ("x0", "x1", "x2", "x3")
    assert isinstance(mutual_info_matrix(pl.from_pandas(frame), method="ksg").tidy(), pl.DataFrame)


def test_declared_discrete_columns(frame) -> None:
    rounded = frame.assign(b=frame["b"].round())[["a", "b", "noise"]]
    assert mutual_info_matrix(rounded, discrete=["b"], method="ksg").kinds[1] == "discrete"
    assert mutual_info_matrix(rounded, discrete=False, method="ksg").kinds[1] == "mixed"


def test_tables_and_summary(frame) -> None:
    matrix = mutual_info_matrix(frame, method="ksg")
    tidy = matrix.tidy()
    assert list(tidy.columns) == ["term", "x", "y", "estimate", "conf_low", "conf_high"]
    assert len(tidy) == 6 and tidy["term"][0] == "a : b"
    wide = matrix.to_frame()
    assert list(wide.columns) == ["name", "a", "b", "sign", "noise"]
    assert matrix.glance()["n_pairs"][0] == 6
    assert "MISelector" in " ".join(str(matrix.summary(details=True)).split())


def test_correlation_scale_inverts_the_gaussian_formula(frame) -> None:
    gaussian = mutual_info_matrix(frame[["a", "b", "noise"]], method="cca")
    expected = np.abs(frame[["a", "b", "noise"]].corr().to_numpy())
    np.testing.assert_allclose(gaussian.correlation_scale(), expected, atol=1e-8)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (np.zeros((20, 1)), {}, "data needs at least two columns, got 1"),
        (np.zeros(20), {}, "data must be a data frame or two-dimensional"),
        (np.eye(20), {"discrete": ["z"]}, r"discrete names unknown columns \['z'\]"),
        (np.eye(20), {"discrete": "yes"}, "discrete must be True, False, 'auto' or a list"),
        (np.eye(9), {}, "needs at least 10 rows"),
        (np.full((20, 2), np.nan), {}, r"column 'x0' has 20 missing value\(s\)"),
        (np.eye(20), {"method": "mine"}, "method must be one of"),
    ],
)
def test_bad_input_is_refused(data, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        mutual_info_matrix(data, **options)


def test_messages_name_the_argument(frame) -> None:
    with pytest.raises(
        TypeError, match=r"column 'sign' holds categories, so it is discrete; discrete cannot say"
    ):
        mutual_info_matrix(frame.assign(b=frame["b"].round(1)), discrete=["b"])
    with pytest.raises(ValueError, match=r"column 'sign' is discrete.* or pass discrete=False if"):
        mutual_info_matrix(frame.assign(sign=frame["sign"] == "up"), method="cca")
    for wrong in (3, [1, 2], None):
        with pytest.raises(
            TypeError, match=r"discrete must be True, False, 'auto' or a list of column names"
        ):
            mutual_info_matrix(frame, discrete=wrong)


def test_constant_columns_warn_and_are_zero(frame) -> None:
    with pytest.warns(ConstantColumnWarning, match="column 'c' has 1 constant"):
        matrix = mutual_info_matrix(frame[["a", "b"]].assign(c=1.0), method="ksg")
    np.testing.assert_array_equal(matrix.values[2], 0.0)


# --- displays ---------------------------------------------------------------------------------------------


def test_heat_map_shows_the_values(frame) -> None:
    display = mutual_info_matrix(frame, method="ksg").plot()
    texts = [text.get_text() for text in display.ax_.texts]
    assert len(texts) == 12
    assert f"{display.values[0, 1]:.2f}" in texts
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["a", "b", "sign", "noise"]
    assert display.ax_.images[0].get_array().mask.diagonal().all()
    plt.close(display.figure_)


def test_heat_map_says_unbounded() -> None:
    display = MutualInformationMatrixDisplay([[0, np.inf], [np.inf, 0]], [[0, 1], [1, 0]], ["a", "b"]).plot()
    assert {text.get_text() for text in display.ax_.texts} == {"unb."}
    plt.close(display.figure_)


def test_intervals_are_drawn_from_the_largest_down(frame) -> None:
    results = {name: mutual_info(frame[name], frame["a"], method="ksg") for name in ("noise", "b", "sign")}
    display = MutualInformationDisplay.from_results(results)
    assert display.names[-1] == "noise"
    _, ax = plt.subplots()
    assert display.plot(ax).ax_ is ax
    segments = ax.collections[0].get_segments()
    assert segments[0][0][0] == display.conf_low[0] and segments[0][1][0] == display.conf_high[0]
    plt.close(ax.figure)
    unsorted = MutualInformationDisplay(
        ["u", "v"], [0.1, 0.2], [0, 0], [1, 1], sort=False, highlighted=[1, 0]
    )
    assert unsorted.names == ["u", "v"] and unsorted.highlighted.tolist() == [True, False]
    with pytest.raises(ValueError, match="All results must have one unit"):
        MutualInformationDisplay.from_results(
            {"a": results["b"], "b": mutual_info(frame["a"], frame["b"], unit="bits", method="ksg")}
        )


def test_unbounded_rows_are_marked_at_the_edge() -> None:
    display = MutualInformationDisplay(["a", "b"], [np.inf, 0.5], [np.inf, 0.4], [np.inf, np.inf]).plot()
    assert [text.get_text() for text in display.ax_.texts] == ["unbounded"]
    drawn = np.concatenate([line.get_xdata() for line in display.ax_.lines])
    assert np.isfinite(drawn).all() and drawn.max() == pytest.approx(0.55)
    arrows = [len(line.get_xdata()) for line in display.ax_.lines if line.get_marker() == ">"]
    assert sum(arrows) == 2
    plt.close(display.figure_)


def test_the_default_is_the_learned_estimator(frame) -> None:
    columns = frame[["a", "b"]]
    matrix = mutual_info_matrix(columns, intervals=True)
    direct = mutual_info(columns["a"], columns["b"])
    assert matrix.method == "learned"
    assert matrix.values[0, 1] == direct.estimate == mutual_info_matrix(columns).values[0, 1]
    assert matrix.conf_high[0, 1] == direct.conf_high
