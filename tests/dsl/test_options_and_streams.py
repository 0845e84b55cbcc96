"""Options that would be ignored, kinds of columns in formulas and streams, and what finite populations allow."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import statsmodels.api as sm

from validstats import DesignSupervised
from validstats.dsl import Moment, joint_covariance
from validstats.dsl.regression.assembly import DesignBuilder, parse_formula, widen_numbers
from validstats.dsl.results.coefficients import level_text
from validstats.dsl.streaming.regression import stream_regression
from validstats.plotting.confidence_sequence import ConfidenceSequenceDisplay


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
    return stream_regression(frame, **(settings | {"chunk_size": 130, "verbose": False} | options))


@pytest.mark.parametrize("estimator", ["tuned", "dsl", "gold"])
@pytest.mark.parametrize("clusters", [None, "group"])
def test_the_gold_only_fit_of_a_stream_is_that_of_memory(estimator, clusters) -> None:
    frame = clustered_rows()
    stream = streamed(frame, covariates=["x"], estimator=estimator, clusters=clusters)
    calibrated = (
        DesignSupervised(random_state=0, n_repeats=1)
        .fit(frame[["x", "machine", "group"]], surrogate="machine")
        .calibrate(frame["y"], sampling_probability=0.4)
    )
    memory = calibrated.infer("y ~ x", estimator=estimator, clusters=clusters)
    np.testing.assert_allclose(stream.gold.params, memory.gold.params, rtol=1e-9)
    np.testing.assert_allclose(stream.gold.std_error, memory.gold.std_error, rtol=1e-9)
    if estimator == "gold":
        np.testing.assert_allclose(stream.gold.std_error, stream.std_error, rtol=1e-9)


SMALL = ["int8", "int16", "uint8", "uint32", "float16", "float32", "Int8", "UInt8", "Int16", "Float32"]


def products(kind):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.integers(10, 100, 400), "b": rng.integers(10, 100, 400)})
    y = 0.05 * frame["a"] * frame["b"] + rng.normal(size=400)
    return frame.astype(kind), y


@pytest.mark.parametrize("kind", SMALL)
def test_products_and_logarithms_of_small_numbers_are_exact(kind) -> None:
    frame, y = products(kind)
    wide = frame.astype("int64").assign(y=y)
    for formula in ("y ~ a:b", "y ~ np.log(a) + I(b**2)", "y ~ I(a - b)", "I(y + a * b) ~ b"):
        designs = [
            DesignBuilder(parse_formula(formula), f, ("y",)) for f in (frame.assign(y=y), wide.astype(float))
        ]
        np.testing.assert_allclose(designs[0].design(), designs[1].design(), rtol=1e-14)
        np.testing.assert_allclose(designs[0].outcome(), designs[1].outcome(), rtol=1e-14)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas])
def test_small_integers_of_every_library_give_the_coefficients_of_large_ones(library) -> None:
    frame, y = products("int8")
    known = y.where(np.arange(400) % 2 == 0)
    machine = y + np.random.default_rng(1).normal(size=400)
    results = [
        DesignSupervised(random_state=0, n_repeats=1)
        .fit(library(f.assign(machine=machine)), surrogate="machine")
        .calibrate({"y": known.to_numpy()})
        .infer("y ~ a:b")
        for f in (frame, frame.astype("int64"))
    ]
    np.testing.assert_allclose(results[0].params, results[1].params, rtol=1e-12)
    np.testing.assert_allclose(results[0].params[1], 0.05, atol=0.01)


def test_a_moment_sees_numbers_that_do_not_overflow() -> None:
    frame, y = products("int8")
    known = y.where(np.arange(400) % 2 == 0)
    moment = Moment(
        score=lambda c, b: ((c["y"] - b[0] * (c["a"] * c["b"])) / 1000.0)[:, None],
        variables=("y", "a", "b"),
        start=(0.0,),
    )
    calibrated = DesignSupervised(estimator="gold").fit(frame).calibrate({"y": known.to_numpy()})
    np.testing.assert_allclose(calibrated.infer(moment).params, 0.05, atol=0.01)


def test_booleans_categories_and_missing_values_are_not_widened() -> None:
    frame = pd.DataFrame(
        {
            "flag": [True, False],
            "kind": pd.Categorical([1, 2]),
            "gap": pd.array([1, None], dtype="Int8"),
            "long": [1, 2],
            "short": pd.array([1, 2], dtype="int8[pyarrow]"),
        }
    )
    kinds = widen_numbers(frame, list(frame.columns)).dtypes.map(str)
    assert list(kinds) == ["bool", "category", "Int8", "int64", "int64"]


@pytest.mark.parametrize("kind", ["int8", "uint8", "float16", "Int8", "UInt8", "Float32"])
def test_a_stream_of_small_numbers_equals_one_of_large_numbers(kind) -> None:
    frame = clustered_rows(40)
    large = frame.assign(x=np.round(20 * frame["x"]).clip(0, 60))
    small, plain = (streamed(f, covariates=["x"]) for f in (large.astype({"x": kind}), large))
    np.testing.assert_allclose(small.params, plain.params, rtol=1e-12)
    np.testing.assert_allclose(small.covariance, plain.covariance, rtol=1e-12)


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("y", {"model": "mean", "quantile": 0.9}, "quantile=0.9 goes with model='quantile'"),
        ("y ~ x1", {"quantile": 0.5}, "quantile=0.5 goes with model='quantile'"),
        ("score", {"model": "quantile", "population": "finite", "clusters": "unit"}, "Leave clusters out"),
        ("y ~ x1", {"population": "finite", "clusters": "unit"}, "clusters goes with population='superpop"),
    ],
)
def test_options_that_would_be_ignored_are_refused(calibrated, formula, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        calibrated.infer(formula, **options)


def test_a_moment_takes_no_quantile(calibrated) -> None:
    moment = Moment(score=lambda c, b: (c["score"] - b[0])[:, None], variables=("score",), start=(0.0,))
    with pytest.raises(ValueError, match=r"quantile=0\.9 goes with model='quantile'"):
        calibrated.infer(moment, quantile=0.9)


def test_the_quantile_is_the_median_where_none_is_given(calibrated) -> None:
    default, median = (calibrated.infer("score", model="quantile", **q) for q in ({}, {"quantile": 0.5}))
    assert default.names == median.names == ("quantile(score, 0.5)",)
    np.testing.assert_array_equal(default.params, median.params)


def test_a_finite_population_has_no_resampling_of_its_rows(calibrated) -> None:
    finite, usual = (calibrated.infer("y ~ x1", population=p) for p in ("finite", "superpopulation"))
    for refused in (finite.recluster, finite.bootstrap, lambda: joint_covariance([usual, finite])):
        with pytest.raises(ValueError, match=r"describes a finite population.*population='superpopulation'"):
            refused()
    assert usual.bootstrap(2, random_state=0).shape == (2, 2)


@pytest.mark.parametrize(
    ("gap", "kind", "error", "message"),
    [
        (np.nan, float, ValueError, r"clusters has 3 missing value\(s\)"),
        (None, object, ValueError, r"clusters has 3 missing value\(s\)"),
        (7, object, TypeError, "clusters mixes text"),
    ],
)
def test_missing_and_mixed_clusters_are_refused_after_the_fit_as_before(
    calibrated, documents, gap, kind, error, message
) -> None:
    unit = documents[0]["unit"].to_numpy()
    clusters = unit.astype(float) if kind is float else np.array([f"c{u}" for u in unit], dtype=object)
    clusters[[3, 50, 700]] = gap
    result = calibrated.infer("y ~ x1")
    uses = (
        lambda c: calibrated.infer("y ~ x1", clusters=c),
        result.recluster,
        lambda c: result.bootstrap(2, clusters=c),
        lambda c: joint_covariance([result], [c]),
    )
    for use in uses:
        with pytest.raises(error, match=message):
            use(clusters)


def test_clusters_after_the_fit_equal_those_of_infer(calibrated, documents) -> None:
    unit = documents[0]["unit"].to_numpy()
    # the default chooses its shares under the clusters of infer
    after = calibrated.infer("y ~ x1", estimator="ppi").recluster(unit)
    asked = calibrated.infer("y ~ x1", estimator="ppi", clusters="unit")
    np.testing.assert_allclose(after.covariance, asked.covariance, rtol=1e-12)


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


def categories(seed=0, n=900):
    rng = np.random.default_rng(seed)
    letter, number = rng.choice(list("abc"), n), rng.choice([2, 3, 10], n)
    truth = (letter == "a") + 0.2 * number + rng.normal(size=n)
    return pd.DataFrame(
        {
            "letter": pd.Categorical(letter, categories=list("cab")),
            "number": pd.Categorical(number),
            "machine": truth + rng.normal(size=n),
            "y": np.where(rng.random(n) < 0.4, truth, np.nan),
        }
    )


def agree(frame, stream, covariates):
    """Check a stream against the gold-only fit of all its rows in memory."""
    calibrated = (
        DesignSupervised(estimator="gold")
        .fit(frame, surrogate="machine")
        .calibrate({"y": pd.Series(frame["y"]).to_numpy()}, sampling_probability=0.4)
    )
    memory = calibrated.infer(f"y ~ {' + '.join(covariates)}")
    assert stream.names == memory.names
    np.testing.assert_allclose(stream.gold.params, memory.params, rtol=1e-8)


@pytest.mark.parametrize(
    "source", [lambda f: f, pa.Table.from_pandas, lambda f: [f[:300], f[300:]], lambda f: lambda: [f]]
)
def test_categories_of_a_stream_are_those_of_memory(source) -> None:
    frame = categories()
    stream = streamed(source(frame), covariates=["letter", "number"])
    assert stream.names == ("Intercept", "letter[T.a]", "letter[T.b]", "number[T.3]", "number[T.10]")
    agree(frame, stream, ["letter", "number"])


def test_categories_of_a_file_keep_their_order(tmp_path) -> None:
    frame = categories()
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "rows.parquet", row_group_size=100)
    agree(frame, streamed(tmp_path / "rows.parquet", covariates=["letter"]), ["letter"])


@pytest.mark.parametrize("kind", [pl.Enum(["c", "a", "b"]), pl.Categorical, pl.String])
def test_categories_of_polars_are_those_of_memory(kind) -> None:
    frame = categories()
    table = pl.from_pandas(frame.astype({"letter": str, "number": int}))
    table = table.with_columns(pl.col("letter").cast(kind))
    agree(table, streamed(table, covariates=["letter"]), ["letter"])


def test_pieces_with_categories_of_their_own_are_sorted() -> None:
    frame = categories()
    pieces = []
    for kept in (["b", "c"], ["a", "c"]):
        piece = frame[frame["letter"].isin(kept)]
        pieces.append(piece.assign(letter=piece["letter"].cat.remove_unused_categories()))
    stream = streamed(pieces, covariates=["letter"])
    assert stream.names == ("Intercept", "letter[T.b]", "letter[T.c]")
    numbers = [
        p.assign(number=p["number"].cat.set_categories(c))
        for p, c in ((frame, [10, 2, 3]), (frame, [2, 3, 10]))
    ]
    assert streamed(numbers, covariates=["number"]).names == ("Intercept", "number[T.3]", "number[T.10]")


def test_unused_categories_are_left_out_and_missing_ones_refused() -> None:
    frame = categories()
    wider = frame.assign(letter=frame["letter"].cat.set_categories(["z", "c", "a", "b"]))
    assert streamed(wider, covariates=["letter"]).names == ("Intercept", "letter[T.a]", "letter[T.b]")
    frame.loc[17, "number"] = np.nan
    with pytest.raises(ValueError, match="'number' has missing values"):
        streamed(frame, covariates=["number"])


def test_the_family_of_a_stream_is_an_instance() -> None:
    with pytest.raises(ValueError, match="family must be an instance of a statsmodels family"):
        streamed(clustered_rows(20), covariates=["x"], model="glm", family="gaussian")
    by_family = streamed(clustered_rows(20), covariates=["x"], model="glm", family=sm.families.Gaussian())
    linear = streamed(clustered_rows(20), covariates=["x"])
    np.testing.assert_allclose(by_family.params, linear.params, rtol=1e-6)


def test_counts_of_a_stream_are_not_negative() -> None:
    with pytest.raises(ValueError, match="outcome 'y' of this model must lie at 0 or above"):
        streamed(clustered_rows(20), covariates=["x"], model="poisson")


@pytest.mark.parametrize("model", ["shares", "multinomial"])
def test_machine_classes_that_begin_like_expert_classes_are_other_classes(model) -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(["negative", "positive"], 600)
    data = pd.DataFrame({"x": rng.normal(size=600), "machine": [v[:3] for v in truth]})
    known = pd.Series(np.where(rng.random(600) < 0.4, truth, None), name="y")
    calibrated = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="machine").calibrate(known)
    formula = "y" if model == "shares" else "y ~ x"
    assert calibrated.infer(formula, model=model).naive_fit is None
    with pytest.raises(ValueError, match="needs a surrogate, with known classes"):
        calibrated.infer(formula, model=model, estimator="ppi")


def test_the_joint_test_leaves_out_intercepts_only() -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"timeIntercept": rng.normal(size=600), "machine": rng.normal(size=600)})
    topic = np.array(["a", "b", "c"])[(rng.random(600) < 0.3) + (data["timeIntercept"] > 0).astype(int)]
    labels = {"y": data["timeIntercept"].to_numpy() + rng.normal(size=600), "topic": topic.astype(object)}
    calibrated = DesignSupervised(estimator="gold").fit(data).calibrate(labels)
    assert calibrated.infer("y ~ timeIntercept").joint_test().null == "timeIntercept = 0"
    joint = calibrated.infer("topic ~ timeIntercept", model="multinomial").joint_test()
    assert joint.null == "b: timeIntercept = 0 and c: timeIntercept = 0"
