"""A holdout whose rows are in parts: the ledger, the order and the answers of the same rows in memory."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.checks import in_turn
from tests.parts import KINDS, divided
from validstats.exceptions import DataReuseWarning, HoldoutOverlapError
from validstats.holdout import Ledger, ReusableHoldout, absolute_error, subgroup_accuracy
from validstats.holdout.asking.parted import PartedFeatures, as_learned
from validstats.runtime import RowParts

N = 600
PLACES = [1, 200, 377]


def rows(seed: int = 0, n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"])
    frame["kind"] = rng.choice(["x", "y", "z"], n)
    frame["y"] = (frame["a"] + rng.normal(size=n) > 0).astype(int)
    frame["house"] = np.arange(n) // 3
    frame["who"] = [f"row {seed} {i}" for i in range(n)]
    return frame


HELD, TRAINED = rows(), rows(1)
FEATURES = ["a", "b", "kind"]
NAMED = LogisticRegression().fit(TRAINED[["a", "b"]], TRAINED["y"])
LINE = LinearRegression().fit(TRAINED[["a", "b"]], TRAINED["y"])


class Nameless:
    """A model of arrays that reads its first column."""

    n_features_in_ = 3
    classes_ = np.array([0, 1])

    def predict(self, X: Any) -> np.ndarray:
        return (np.asarray(X[:, 0], dtype=float) > 0).astype(int)


class OfFrames(Nameless):
    """The same, by the name of a column."""

    feature_names_in_ = np.array(FEATURES)

    def predict(self, X: Any) -> np.ndarray:
        return (np.asarray(X["a"]) > 0).astype(int)


def high(X: Any) -> Any:
    return np.asarray(X["a"]) > 0.5


QUESTIONS: dict[str, Any] = {
    "accuracy": (OfFrames(), "accuracy"),
    "auc": (OfFrames(), "balanced_accuracy"),
    "error of a subgroup": (OfFrames(), subgroup_accuracy(high, share=0.3, name="high")),
    "absolute error": (OfFrames(), absolute_error(bound=1.0)),
    "predictions": ((np.arange(N) % 2 == 0).astype(int), "accuracy"),
}
CALIBRATED: dict[str, dict[str, Any]] = {
    "plain": {},
    "vault": {"vault": 0.2},
    "clusters": {"clusters": "house"},
    "identifiers": {"ids": "who"},
}


def holdout(**options: Any) -> ReusableHoldout:
    return ReusableHoldout(queries=20, random_state=0, **options)


def calibrated(how: str, source: Any = None) -> ReusableHoldout:
    """In memory, or from a source with the same columns."""
    asked = dict(CALIBRATED[how])
    fresh = holdout(vault=asked.pop("vault", 0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if source is None:
            return fresh.calibrate(
                HELD[FEATURES], HELD["y"], classes=[0, 1], **{k: HELD[v] for k, v in asked.items()}
            )
        return fresh.calibrate(source, "y", classes=[0, 1], **asked)


def columns_of(how: str) -> list[str]:
    return [*FEATURES, "y", *(v for v in CALIBRATED[how].values() if isinstance(v, str))]


@pytest.mark.share(2)
@pytest.mark.parametrize(("how", "kind"), in_turn(list(CALIBRATED), list(KINDS)))
def test_parts_continue_the_ledger_of_the_same_rows_in_memory(how, kind, tmp_path) -> None:
    known = calibrated(how)
    known.infer(OfFrames(), guess=0.5)
    fresh = calibrated(how, KINDS[kind](divided(HELD[columns_of(how)], PLACES), tmp_path))
    one, other = known.desk_.parts, fresh.desk_.parts
    assert fresh.infer(OfFrames(), guess=0.5).left["queries"] == 19  # known, and free
    assert one.bound.content == other.bound.content and one.bound.ids == other.bound.ids
    assert len(one.bound.sketches()) == len(other.bound.sketches())
    for mine, theirs in zip(one.bound.sketches(), other.bound.sketches(), strict=True):
        assert mine.to_dict() == theirs.to_dict()
    for mine, theirs in ((one.reusable, other.reusable), (one.vault, other.vault)):
        if mine is None or theirs is None:
            assert mine is theirs
            continue
        np.testing.assert_array_equal(mine.given, theirs.given)
        np.testing.assert_array_equal(mine.y, theirs.y)
        np.testing.assert_array_equal(mine.unit, theirs.unit)


@pytest.mark.parametrize(("question", "kind"), in_turn(list(QUESTIONS), list(KINDS)))
def test_values_of_rows_are_those_of_the_rows_in_memory(question, kind, tmp_path) -> None:
    target, metric = QUESTIONS[question]
    known = calibrated("vault")
    fresh = calibrated("vault", KINDS[kind](divided(HELD[columns_of("vault")], PLACES), tmp_path))
    for part in ("reusable", "vault"):
        values, digests = zip(
            *(
                rh.desk_.values(target, rh.desk_.chosen(metric), getattr(rh.desk_.parts, part))
                for rh in (known, fresh)
            ),
            strict=True,
        )
        np.testing.assert_array_equal(values[0], values[1])
        assert digests[0] == digests[1]


def test_models_get_the_columns_that_they_know() -> None:
    fresh = calibrated("plain", divided(HELD[columns_of("plain")], PLACES))
    assert fresh.infer(NAMED, guess=0.5).estimate is not None
    accuracy = float((NAMED.predict(HELD[["a", "b"]]) == HELD["y"]).mean())
    assert abs(fresh.infer(NAMED, guess=0.5).estimate - accuracy) < 0.05
    others = rows(3)
    only = holdout().calibrate(divided(others[["a", "b", "y"]], PLACES), "y", classes=[0, 1])
    desk = only.desk_
    found = desk.predictions(LINE, desk.chosen(absolute_error(bound=1.0)), desk.parts.reusable)
    expected = LINE.predict(others[["a", "b"]])[desk.parts.reusable.given]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_queries_are_asked_part_by_part_and_never_of_the_vault() -> None:
    seen = []

    def share(X: Any, y: Any) -> Any:
        seen.extend(zip(X["a"].tolist(), np.asarray(y).tolist(), strict=True))
        return np.asarray(X["a"]) > 0

    fresh = calibrated("vault", divided(HELD[columns_of("vault")], PLACES))
    answer = fresh.query(share, bounds=(0, 1), guess=0.0)
    sealed = set(HELD["a"].to_numpy()[fresh.desk_.parts.vault.given].tolist())
    assert len(seen) == 480 and not sealed & {a for a, _ in seen}
    assert {(a, int(y)) for a, y in seen} <= set(zip(HELD["a"], HELD["y"], strict=True))
    assert abs(answer.estimate - float((HELD["a"] > 0).mean())) < 0.1
    assert fresh.final(OfFrames()).estimate is not None


def test_rows_of_another_ledger_and_of_training_are_noticed(tmp_path) -> None:
    holdout(ledger=Ledger.create(tmp_path / "one.jsonl")).calibrate(HELD[FEATURES], HELD["y"])
    scaled = HELD[[*FEATURES, "y"]].assign(a=2 * HELD["a"] - 1)
    with pytest.raises(HoldoutOverlapError):
        holdout(ledger=Ledger.create(tmp_path / "two.jsonl")).calibrate(divided(scaled, PLACES), "y")
    seen = rows(7)
    with pytest.warns(DataReuseWarning, match="Rows of the holdout"):
        holdout().fit(seen[FEATURES], seen["y"]).calibrate(divided(seen[[*FEATURES, "y"]], PLACES), "y")


def test_a_copy_asks_the_same_parts(tmp_path) -> None:
    (tmp_path / "rows").mkdir()
    source = KINDS["folder"](divided(HELD[columns_of("plain")], PLACES), tmp_path / "rows")
    first = holdout(ledger=Ledger.create(tmp_path / "ledger.jsonl")).calibrate(source, "y")
    answer = first.infer(OfFrames(), guess=0.5)
    again = pickle.loads(pickle.dumps(first)).infer(OfFrames(), guess=0.5)
    assert again.estimate == answer.estimate and again.left["queries"] == 19


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda rh, f: rh.fit([f[FEATURES]], f["y"]), TypeError, r"X: fit\(\) needs the rows in memory"),
        (lambda rh, f: rh.calibrate([f], None), TypeError, "y must name the column of the labels"),
        (
            lambda rh, f: rh.calibrate([f], f["y"]),
            TypeError,
            "y must name a column where rows arrive in parts",
        ),
        (lambda rh, f: rh.calibrate([f], "label"), KeyError, "no column 'label'"),
        (lambda rh, f: rh.calibrate(iter([f]), "y"), TypeError, "X must be .* used once is not enough"),
        (lambda rh, f: rh.calibrate([f[["y"]]], "y"), ValueError, "X has no column beside 'y'"),
        (
            lambda rh, f: rh.calibrate([f[[*FEATURES, "y"]]], "y").extend(f[FEATURES], f["y"]),
            TypeError,
            r"X: extend\(\) needs the rows in memory",
        ),
    ],
)
def test_what_parts_cannot_say_is_refused_by_name(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call(holdout(), HELD)


def features(how: str = "pandas", places: tuple[int, ...] = (1, 4, 9)) -> tuple[PartedFeatures, pd.DataFrame]:
    """Twelve rows in parts, of which seven stand in an order of their own; and these in memory."""
    frame = rows(2, 12)[["a", "y", "b"]]
    made = {"pandas": lambda f: f, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}[how]
    parts = RowParts.of([made(piece) for piece in divided(frame, places)], name="X")
    order = np.array([10, 0, 5, 11, 4, 2, 7, 1])
    whole = PartedFeatures.of(parts, {"y"})
    assert whole.names == ("a", "b") and whole.shape == (12, 2) and len(whole) == 12
    assert whole.rows.tolist() == list(range(12))
    return whole.take(order).take(np.arange(1, 8)), frame.iloc[order[1:]]


@pytest.mark.parametrize("how", ["pandas", "polars", "pyarrow"])
def test_what_is_asked_of_each_part_returns_in_the_order_of_the_rows(how) -> None:
    some, frame = features(how)
    assert some.shape == (7, 2) and len(some) == 7
    assert some.column("b").tolist() == frame["b"].tolist() == some.in_turn()[1].tolist()
    seen = []

    def asked(X, one, none, two):
        assert type(X) is (pl.DataFrame if how == "polars" else pd.DataFrame) and list(X.columns) == [
            "a",
            "b",
        ]
        assert none is None and two.shape == (len(X), 2)
        if isinstance(X, pd.DataFrame):
            assert X.index.tolist() == list(range(len(X)))
        seen.append(len(X))
        return np.asarray(X["a"]) + one + two.sum(axis=1)

    one, two = np.arange(7.0), np.arange(14).reshape(7, 2)
    found = some.each(asked, one, None, two)
    np.testing.assert_allclose(found, frame["a"] + one + two.sum(axis=1))
    assert seen == [1, 2, 3, 1]
    with pytest.raises(ValueError, match=r"Part 1 has 2 rows, and \(3,\) values were returned for them"):
        some.each(lambda X: np.zeros(len(X) + (len(X) == 2)))
    # a part none of whose rows is among them is not asked
    few = some.take(np.array([3, 1]))  # rows 4 and 5 of the source
    assert few.each(lambda X: np.asarray(X["a"])).tolist() == frame["a"].iloc[[3, 1]].tolist()


def test_an_estimator_gets_its_own_columns_by_name_or_an_array() -> None:
    frame = rows(2, 5)[["a", "kind", "b"]]
    named = as_learned(LogisticRegression().fit(TRAINED[["b", "a"]], TRAINED["y"]), frame)
    assert type(named) is pd.DataFrame and named.columns.tolist() == ["b", "a"]
    array = as_learned(Nameless(), frame)
    assert (
        type(array) is np.ndarray and array.shape == (5, 3) and array[:, 1].tolist() == frame["kind"].tolist()
    )
    assert as_learned(LogisticRegression(), frame) is frame


@pytest.mark.parametrize("metric", ["accuracy", "error of a subgroup", "predictions"])
def test_values_of_parts_are_those_of_memory_whatever_reads_the_features(metric) -> None:
    target, chosen = QUESTIONS[metric]
    known, fresh = (
        calibrated("clusters"),
        calibrated("clusters", divided(HELD[columns_of("clusters")], PLACES)),
    )
    one, other = (rh.desk_.values(target, rh.desk_.chosen(chosen)) for rh in (known, fresh))
    np.testing.assert_array_equal(one[0], other[0])
    assert one[1] == other[1] and one[0].shape == (200,)
    assert (
        fresh.desk_.backend == "pandas"
        and type(fresh.infer(target, metric=chosen, guess=0.5).tidy()) is pd.DataFrame
    )


def test_answers_come_in_the_library_of_the_rows() -> None:
    frame = pl.from_pandas(HELD[[*FEATURES, "y"]])
    memory = holdout().calibrate(frame.drop("y"), frame["y"], classes=[0, 1])
    parts = holdout(ledger=Ledger.in_memory(secret=b"another")).calibrate([frame], "y", classes=[0, 1])
    for rh in (memory, parts):
        assert rh.desk_.backend == "polars"
        assert isinstance(rh.infer(np.zeros(N, dtype=int), guess=0.5).tidy(), pl.DataFrame)
