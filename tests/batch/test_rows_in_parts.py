"""Calibration and inference on rows in parts: the answers of the rows in memory, whatever the parts are."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.checks import in_turn
from tests.parts import KINDS, divided
from validstats import BatchPredictor
from validstats.batch import (
    BatchMean,
    BatchQuantile,
    BatchShares,
    BatchTotal,
    Envelope,
    ErrorCount,
    ErrorScore,
    Selection,
    Simultaneous,
)
from validstats.batch.parts import _ORDER_UP_TO, PartColumns
from validstats.exceptions import DataReuseWarning, DependentRowsWarning, DriftWarning
from validstats.intake import to_pandas
from validstats.runtime import RowParts

N, M = 640, 90
PLACES = [150, 151, 400]


def rows(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"])
    frame["y"] = 0.5 + frame["a"] + rng.normal(size=n).round(1)
    frame["share"] = 1.0 / (1.0 + np.exp(-frame["y"]))
    frame["passed"] = frame["y"] > 0
    frame["prediction"] = frame["a"] * 0.9
    frame["week"] = (np.arange(n) // 20).astype(str)
    frame["region"] = np.where(rng.random(n) < 0.4, "north", "south")
    frame["weight"] = rng.uniform(0.2, 1.0, n)
    frame["who"] = [f"row {i}" for i in range(n)]
    return frame


CALIBRATION, BATCH = rows(), rows(M, seed=1)
LINE = FrozenEstimator(LinearRegression().fit(rows(300, 2)[["a", "b"]], rows(300, 2)["y"]))
NAMELESS = FrozenEstimator(LinearRegression().fit(rows(300, 2)[["a", "b"]].to_numpy(), rows(300, 2)["y"]))
LOGIT = FrozenEstimator(LogisticRegression().fit(rows(300, 2)[["a", "b"]], rows(300, 2)["passed"]))

ASKED: dict[str, dict[str, Any]] = {
    "mean": {"target": BatchMean()},
    "bounded mean": {"target": BatchMean(), "y": "share", "bounds": (0, 1)},
    "total": {"target": BatchTotal(side="upper")},
    "total of past weeks": {"target": BatchTotal(), "calibrate": {"batches": "week"}},
    "mean within regions": {"target": BatchMean(), "both": {"strata": "region"}},
    "quantiles": {"target": BatchQuantile((0.25, 0.5, 0.9))},
    "median under covariate shift": {
        "target": BatchQuantile(),
        "calibrate": {"weights": "weight", "w_max": 1.0},
    },
    "sets of a regressor": {"target": Simultaneous(miss=0.1)},
    "sets of a classifier": {"learner": LOGIT, "target": Simultaneous(miss=0.1), "y": "passed"},
    "shares": {"learner": LOGIT, "target": BatchShares(), "y": "passed"},
    "errors": {"learner": LOGIT, "target": ErrorCount(), "y": "passed"},
    "mean of two labels": {"learner": LOGIT, "target": BatchMean(), "y": "passed"},
    "selection": {"target": Selection(above=0.0, max_false=5)},
    "envelope": {"target": Envelope()},
    "each week": {"target": BatchQuantile(), "infer": {"batches": "week"}},
    "no names": {"learner": NAMELESS, "target": Simultaneous(miss=0.2), "columns": ["a", "b"]},
    "given predictions": {"learner": None, "target": BatchTotal(), "columns": ["prediction"]},
}


def predictor(asked: dict[str, Any]) -> BatchPredictor:
    return BatchPredictor(
        asked.get("learner", LINE),
        asked["target"],
        bounds=asked.get("bounds", (None, None)),
        confidence_level=0.8,
        random_state=3,
    )


def beside(asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What calibrate and infer are told beside the rows."""
    both = asked.get("both", {})
    return {**both, **asked.get("calibrate", {})}, {**both, **asked.get("infer", {})}


def answered(call: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


def from_memory(asked: dict[str, Any], frame: pd.DataFrame = CALIBRATION) -> Any:
    """The answer for arrays beside a frame of the features alone."""
    calibrate, infer = beside(asked)
    columns, y = asked.get("columns", ["a", "b"]), asked.get("y", "y")

    def features(of: pd.DataFrame) -> Any:
        if asked.get("learner", LINE) is None:
            return of["prediction"].to_numpy()
        return of[columns].to_numpy() if asked.get("learner") is NAMELESS else of[columns]

    def companions(of: pd.DataFrame, named: dict[str, Any]) -> dict[str, Any]:
        return {k: of[v] if isinstance(v, str) else v for k, v in named.items()}

    fresh = predictor(asked)
    fresh.calibrate(features(frame), frame[y].to_numpy(), **companions(frame, calibrate))
    return fresh, fresh.infer(features(BATCH), **companions(BATCH, infer))


def from_parts(asked: dict[str, Any], source: Any, batch: Any) -> Any:
    calibrate, infer = beside(asked)
    fresh = predictor(asked).calibrate(source, asked.get("y", "y"), **calibrate)
    return fresh, fresh.infer(batch, **infer)


def needed(asked: dict[str, Any], frame: pd.DataFrame, verb: str) -> pd.DataFrame:
    """The columns that a source has: features, the labels where they are known, and what is named."""
    names = beside(asked)[verb == "infer"].values()
    y = [asked.get("y", "y")] if verb == "calibrate" else []
    return frame[[*asked.get("columns", ["a", "b"]), *y, *(v for v in names if isinstance(v, str))]]


def assert_same(one: Any, other: Any) -> None:
    """Equal numbers in every column of the table, and equal per-row statements."""
    left, right = (to_pandas(result.tidy()) for result in (one, other))
    assert list(left.columns) == list(right.columns)
    for name in left:
        if left[name].dtype.kind == "f":
            np.testing.assert_allclose(left[name], right[name], rtol=1e-12, atol=1e-12)
        else:
            assert left[name].astype(str).tolist() == right[name].astype(str).tolist()
    assert one.checks == other.checks
    if getattr(one, "intervals", None) is not None:
        np.testing.assert_allclose(one.intervals, other.intervals, rtol=1e-12)
    for attribute in ("sets", "selected"):
        if getattr(one, attribute, None) is not None:
            np.testing.assert_array_equal(getattr(one, attribute), getattr(other, attribute))


@pytest.mark.share(4)
@pytest.mark.parametrize(("question", "kind"), in_turn(list(ASKED), list(KINDS)))
def test_answers_are_those_of_the_rows_in_memory(question, kind, tmp_path) -> None:
    asked = ASKED[question]
    (tmp_path / "new").mkdir()
    (tmp_path / "old").mkdir()
    old = KINDS[kind](divided(needed(asked, CALIBRATION, "calibrate"), PLACES), tmp_path / "old")
    new = KINDS[kind](divided(needed(asked, BATCH, "infer"), [40]), tmp_path / "new")
    fresh, result = answered(lambda: from_parts(asked, old, new))
    known, expected = answered(lambda: from_memory(asked))
    # a learner's own product of matrices may round the last bit by the number of rows
    np.testing.assert_allclose(fresh.calibration_.scores, known.calibration_.scores, rtol=1e-12)
    np.testing.assert_allclose(fresh.calibration_.own_bounds, known.calibration_.own_bounds, rtol=1e-12)
    assert fresh.guarantee_.paragraph() == known.guarantee_.paragraph()
    assert_same(result, expected)


def columns_of(learner, frame: pd.DataFrame = CALIBRATION, known=("a", "b"), **named: Any) -> PartColumns:
    return PartColumns.of(RowParts.of([frame], name="X"), learner, known, **named)


def test_a_learner_gets_columns_of_a_part_in_the_form_that_it_was_fitted_on() -> None:
    """Names where it knows names or was not fitted, arrays where it knows none, one line where there is no learner."""
    piece = CALIBRATION.iloc[150:154]
    for learner, as_array in (
        (LINE.estimator, False),
        (NAMELESS.estimator, True),
        (LinearRegression(), False),
    ):
        columns = columns_of(learner, known=("b", "a"))
        assert (columns.features, columns.as_array, columns.predictions) == (("b", "a"), as_array, False)
        kinds = (piece, pl.from_pandas(piece), pa.Table.from_pandas(piece))
        for kind, expected in zip(kinds, (pd.DataFrame, pl.DataFrame, pd.DataFrame), strict=True):
            rows = columns.rows(kind)
            assert type(rows) is (np.ndarray if as_array else expected)
            np.testing.assert_array_equal(np.asarray(rows), piece[["b", "a"]])
            if isinstance(rows, pd.DataFrame):  # rows are known by their position
                assert rows.index.tolist() == [0, 1, 2, 3] and rows.columns.tolist() == ["b", "a"]
        head = columns.head
        assert head.shape == (0, 2) and type(head) is (np.ndarray if as_array else pd.DataFrame)
        assert as_array or (head.columns.tolist() == ["b", "a"] and set(head.dtypes) == {np.dtype("float64")})
    given = columns_of(None, known=("prediction",))
    assert (given.as_array, given.predictions) == (False, True)
    assert type(given.head) is np.ndarray and given.head.shape == (0, 1)
    assert given.rows(piece).tolist() == piece["prediction"].tolist()


def test_every_column_of_a_part_is_read_once_and_those_that_are_named_are_no_features() -> None:
    frame = CALIBRATION[["a", "week", "b", "y", "region", "who"]]
    columns = columns_of(None, frame[["a", "y", "week", "who"]], None, y="y", batches="week", ids="who")
    assert columns.features == ("a",) and columns.read == ["a", "week", "y"]
    both = columns_of(LINE.estimator, frame, y="y", strata="a", batches=None)
    assert both.features == ("a", "b") and both.read == ["a", "b", "y"]
    made = columns_of(LINE.estimator, frame, y="y", strata=lambda X: X["a"] > 0)
    assert made.read == ["a", "b", "y"]
    X = made.rows(frame[:5])
    assert made.groups(frame[:5], X, "batches") is None
    assert made.groups(frame[:5], X, "strata").tolist() == (frame["a"][:5] > 0).tolist()
    assert both.groups(frame[:5], X, "strata").tolist() == frame["a"][:5].tolist()


def test_strata_may_be_made_of_the_features_of_a_part_and_nothing_else() -> None:
    asked = {"target": BatchMean(), "both": {"strata": lambda X: np.asarray(X["a"]) > 0}}
    fresh, result = answered(lambda: from_parts(asked, divided(CALIBRATION, PLACES), divided(BATCH, [40])))
    known, expected = answered(lambda: from_memory(asked))
    np.testing.assert_array_equal(fresh.calibration_.strata, known.calibration_.strata)
    assert_same(result, expected)
    with pytest.raises(TypeError, match="y must name a column where rows arrive in parts, got function"):
        predictor(asked).calibrate([CALIBRATION], lambda X: X["a"])


def test_two_labels_are_kept_of_one_part_and_of_several() -> None:
    asked = ASKED["mean of two labels"]
    _, expected = answered(lambda: from_memory(asked))
    for places in ([], PLACES):
        fresh, result = answered(
            lambda places=places: from_parts(asked, divided(CALIBRATION, places), [BATCH])
        )
        assert_same(result, expected)
        np.testing.assert_array_equal(fresh.calibration_.pair.labels, CALIBRATION["passed"])


@pytest.mark.parametrize(
    ("unit", "named", "names"),
    [
        ("batch", {}, ["a", "b"]),
        ("row", {"batches": "week"}, ["a", "b"]),
        ("batch", {"batches": "week"}, []),
        ("batch", {"strata": "region"}, []),
    ],
)
def test_covariates_are_kept_where_rows_are_the_units_and_have_no_strata(unit, named, names) -> None:
    def kept(X, y, companions):
        model = predictor(ASKED["mean"]).set_params(unit=unit)
        return answered(lambda: model.calibrate(X, y, **companions)).calibration_.covariates

    parts = kept(divided(CALIBRATION, PLACES), "y", named)
    whole = kept(CALIBRATION[["a", "b"]], CALIBRATION["y"], {k: CALIBRATION[v] for k, v in named.items()})
    assert list(parts) == list(whole) == names
    for name in names:  # the same 200 random rows
        assert len(parts[name]) == 200
        np.testing.assert_array_equal(parts[name], whole[name])


def test_rows_of_a_large_batch_are_compared_by_the_draws_of_rows_in_memory() -> None:
    """Of more than 200 rows 200 are drawn, and the permutations after them."""
    asked, moved = ASKED["mean"], rows(700, seed=4).assign(a=lambda f: f["a"] + 0.15)
    fresh, _ = answered(lambda: from_parts(asked, divided(CALIBRATION, PLACES), [BATCH]))
    known, _ = answered(lambda: from_memory(asked))
    parts = answered(lambda: fresh.infer(divided(moved, [10, 11, 300])))
    whole = answered(lambda: known.infer(moved[["a", "b"]]))
    found = [{name: str(said) for name, said in result.checks} for result in (parts, whole)]
    assert found[0] == found[1] == {"Covariates": "no sign of drift (p = 0.0224)"}


def test_a_batch_that_gives_other_rows_the_second_time_is_refused() -> None:
    fresh = predictor(ASKED["mean"]).calibrate([CALIBRATION], "y")
    turns = iter([[BATCH], [BATCH], [BATCH.iloc[1:]]])
    with pytest.raises(ValueError, match="Part 0 of X has 89 rows now"):
        fresh.infer(lambda: next(turns))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    places=st.lists(st.integers(1, N - 1), max_size=6, unique=True),
    swaps=st.randoms(use_true_random=False),
    question=st.sampled_from(["mean", "bounded mean", "quantiles", "selection", "total of past weeks"]),
)
def test_any_parts_in_any_order_give_one_answer(places, swaps, question) -> None:
    """Laws of ranks and of sorted scores do not read the order of the rows."""
    asked = ASKED[question]
    pieces = divided(CALIBRATION, places)
    swaps.shuffle(pieces)
    _, result = answered(lambda: from_parts(asked, pieces, [BATCH]))
    _, expected = answered(lambda: from_memory(asked))
    for name in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(
            np.asarray(getattr(result, name), dtype=float),
            np.asarray(getattr(expected, name), dtype=float),
            rtol=1e-12,
        )


def test_rows_that_trained_are_noticed_in_parts() -> None:
    model = BatchPredictor(LinearRegression(), BatchMean(), random_state=0)
    model.fit(CALIBRATION[["a", "b"]], CALIBRATION["y"], batches=None)
    with pytest.warns(DataReuseWarning, match="reference rows .*% *|of the 640 reference rows"):
        model.calibrate(divided(CALIBRATION, PLACES), "y")


def test_drift_and_shocks_are_noticed_in_parts() -> None:
    asked = {"target": BatchQuantile(), "infer": {"batches": "week"}}
    shocks = np.random.default_rng(5).normal(size=N // 20)
    shaken = CALIBRATION.assign(y=CALIBRATION["y"] + 4 * np.repeat(shocks, 20))
    with pytest.warns(DriftWarning, match="do not look like"):
        from_parts(ASKED["mean"], divided(CALIBRATION, PLACES), [BATCH.assign(a=BATCH["a"] + 3)])
    with pytest.warns(DependentRowsWarning, match="Rows of one week"):
        from_parts(asked, divided(shaken, PLACES), [BATCH])


def test_scores_of_very_many_rows_are_kept_in_order(monkeypatch) -> None:
    monkeypatch.setattr("validstats.batch.parts._ORDER_UP_TO", 100)
    for question in ("mean", "quantiles", "sets of a regressor", "selection", "errors"):
        asked = ASKED[question]
        fresh, result = answered(lambda asked=asked: from_parts(asked, divided(CALIBRATION, PLACES), [BATCH]))
        assert fresh.calibration_.ordered
        np.testing.assert_array_equal(fresh.calibration_.scores, np.sort(fresh.calibration_.scores))
        assert_same(result, answered(lambda asked=asked: from_memory(asked)[1]))


@pytest.mark.parametrize(("up_to", "ordered"), [(N, False), (N - 1, True)])
def test_scores_are_in_the_order_of_the_rows_up_to_a_number_of_them(monkeypatch, up_to, ordered) -> None:
    assert _ORDER_UP_TO == 10_000_000  # as a calibration says of itself
    monkeypatch.setattr("validstats.batch.parts._ORDER_UP_TO", up_to)
    for question, kept in (("mean", ordered), ("mean within regions", False), ("total of past weeks", False)):
        calibrate, _ = beside(ASKED[question])
        fresh = predictor(ASKED[question]).calibrate(divided(CALIBRATION, PLACES), "y", **calibrate)
        assert fresh.calibration_.ordered is kept
        assert fresh.calibration_.batch_name == ("week" if "weeks" in question else "batch")


@pytest.mark.parametrize(
    ("target", "options", "m", "numbers"),
    [
        (BatchQuantile(0.5), {}, 300, 0),
        (Simultaneous(miss=0.1), {}, 300, 0),
        (Selection(above=1.0, max_false=5), {}, 300, 0),
        (ErrorCount(), {"conformity_score": ErrorScore(1.0)}, 300, 0.25),
        (Selection(above=1.0, fdr=0.1), {}, 300, 1),
        (BatchMean(), {}, 300, 1),
        (BatchMean(), {"bounds": (-40.0, 40.0)}, 1, 1),
        (BatchTotal(method="asymptotic"), {}, 300, 1),
        (BatchMean(), {"bounds": (None, 40.0)}, 300, 1),
        (BatchMean(), {"bounds": (-40.0, 40.0)}, 5, 2),
        (BatchMean(), {"bounds": (-40.0, 40.0)}, 300, 3),
    ],
    ids=str,
)
def test_what_an_answer_takes_beside_the_scores(monkeypatch, target, options, m, numbers) -> None:
    """Ranks take nothing, and means one to three numbers a calibration row while they are computed."""
    monkeypatch.setattr("validstats.batch.parts._ORDER_UP_TO", 100)
    monkeypatch.setattr("validstats.batch.laws.betting._BLOCK", 1_000)
    monkeypatch.setattr("validstats.batch.laws.textbook._BLOCK", 1_000)
    n, batch = 500_000, rows(m, seed=4)[["a", "b"]]
    many = pd.DataFrame(np.random.default_rng(3).normal(size=(n, 3)), columns=["a", "b", "y"])
    asked = BatchPredictor(LINE, target, random_state=0, **options)
    asked.calibrate(divided(many, [100_000]), "y").infer(batch)  # kernels are compiled
    asked.calibrate(divided(many, [100_000]), "y")
    assert asked.calibration_.scores.nbytes == 8 * n and asked.calibration_.ordered
    tracemalloc.start()
    try:
        asked.infer(batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / (8 * n) < numbers + 0.4


def test_parts_without_rows_change_nothing() -> None:
    for question in ("mean", "total of past weeks", "given predictions"):
        asked = ASKED[question]
        old, new = needed(asked, CALIBRATION, "calibrate"), needed(asked, BATCH, "infer")
        holes = [old.iloc[:0], *divided(old, PLACES), old.iloc[:0]]
        one, other = (
            answered(lambda asked=asked, parts=parts, more=more: from_parts(asked, parts, more)[1])
            for parts, more in ((holes, [new.iloc[:0], new]), (divided(old, PLACES), [new]))
        )
        assert_same(one, other)


class OwnError(ValueError):
    """An error that a learner knows by its type."""


class Picky(RegressorMixin, BaseEstimator):
    """A learner that refuses rows, by an error of its own or a plain one."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def fit(self, X, y):
        return self

    def predict(self, X):
        raise self.error("no such rows")

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.parametrize(
    ("error", "said"),
    [(ValueError, "Part 0: no such rows"), (OwnError, "^no such rows"), (TypeError, "Part 0: no")],
)
def test_errors_say_their_part_unless_they_have_a_type_of_their_own(error, said) -> None:
    model = BatchPredictor(FrozenEstimator(Picky(error)), BatchMean(), random_state=0)
    with pytest.raises(error, match=said) as raised:
        model.calibrate([CALIBRATION[["a", "b", "y"]]], "y")
    assert type(raised.value) is error


def test_ids_name_the_rows_of_a_result() -> None:
    fresh = predictor(ASKED["mean"]).calibrate(divided(CALIBRATION, PLACES), "y")
    result = answered(lambda: fresh.infer(divided(BATCH, [50]), ids="who"))
    assert result.named.labels.tolist() == BATCH["who"].tolist()


REFUSED = [
    (
        lambda f: (iter([f]), "y"),
        {},
        TypeError,
        "X must be .*an iterator that can be used once is not enough",
    ),
    (lambda f: ([f], f["y"]), {}, TypeError, "y must name a column where rows arrive in parts, got Series"),
    (lambda f: ([f], None), {}, TypeError, "y must name the column of the labels"),
    (lambda f: ([f], "label"), {}, KeyError, "no column 'label'; the columns are 'a', 'b'"),
    (lambda f: ([f.drop(columns="a")], "y"), {}, KeyError, "no column 'a'"),
    (lambda f: ("no/such/folder", "y"), {}, ValueError, "X is a path, and there is no file"),
    (lambda f: (pl.from_pandas(f).lazy(), "y"), {}, TypeError, "not computed yet; pass X.collect"),
    (lambda f: ([f, f.assign(y=np.nan)], "y"), {}, ValueError, "Part 1: Input y contains NaN"),
    (lambda f: ([f, f.assign(a=np.nan)], "y"), {}, ValueError, "Part 1: "),
    (lambda f: ([f], "y"), {"batches": "week", "strata": "region"}, ValueError, "without strata"),
    (lambda f: ([f], "y"), {"batches": "who"}, ValueError, "different value in each of the 640 rows"),
    (lambda f: ([f], "y"), {"weights": "weight"}, ValueError, "w_max is required"),
    (lambda f: ([f], "y"), {"strata": CALIBRATION["region"]}, TypeError, "strata must name a column"),
    (lambda f: ([f.iloc[:0]], "y"), {}, ValueError, "X has no rows"),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_parts_cannot_say_is_refused_by_name(case) -> None:
    hand, options, error, message = REFUSED[case]
    source, y = hand(CALIBRATION)
    with pytest.raises(error, match=message):
        predictor(ASKED["mean"]).calibrate(source, y, **options)


def test_what_needs_rows_in_memory_says_so() -> None:
    fresh = predictor(ASKED["mean"]).calibrate([CALIBRATION], "y")
    with pytest.raises(TypeError, match=r"X: fit\(\) needs the rows in memory"):
        fresh.fit([CALIBRATION], "y")
    with pytest.raises(TypeError, match=r"X: update\(\) needs the rows in memory"):
        fresh.update([CALIBRATION], "y")
    longer = fresh.update(CALIBRATION[["a", "b"]], CALIBRATION["y"])
    assert longer.calibration_.n == 2 * N


def test_a_source_that_gives_other_rows_the_second_time_is_refused() -> None:
    turns = iter([[CALIBRATION], [CALIBRATION], [CALIBRATION.iloc[1:]]])
    with pytest.raises(ValueError, match="Part 0 of X has 639 rows now"):
        predictor(ASKED["mean"]).calibrate(lambda: next(turns), "y")


def test_a_source_that_gives_more_parts_the_second_time_is_refused() -> None:
    turns = iter([[CALIBRATION], [CALIBRATION], [CALIBRATION, CALIBRATION]])
    with pytest.raises(ValueError, match="Part 1 of X has 640 rows now"):
        predictor(ASKED["mean"]).calibrate(lambda: next(turns), "y")


def test_predictions_are_one_column() -> None:
    model = predictor(ASKED["given predictions"])
    with pytest.raises(
        ValueError, match=r"X has 2 beside those that are named: 'prediction', 'a'\. Hand over"
    ):
        model.calibrate([CALIBRATION[["prediction", "a", "y"]]], "y")
    with pytest.raises(ValueError, match="X has no column beside 'y': none is left as a feature"):
        model.calibrate([CALIBRATION[["y"]]], "y")
