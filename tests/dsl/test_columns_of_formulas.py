"""Columns of formulas: numbers in any dress, categories with levels that no row has, and what is refused by name."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from validstats import DesignSupervised
from validstats.dsl.labels import Units
from validstats.dsl.regression.assembly import FilledFrame

N = 400
RNG = np.random.default_rng(0)
X = np.round(RNG.normal(size=N) * 8) / 8
MACHINE = X + RNG.normal(size=N)


def study(**columns):
    rows = pd.DataFrame({"x": X, "m": MACHINE} | columns)
    model = DesignSupervised(random_state=0, n_folds=2).fit(rows, surrogate="m", features=[])
    return model.calibrate(
        {"y": np.where(np.arange(N) % 3 == 0, X + MACHINE**2, np.nan)}, sampling_probability=1 / 3
    )


@pytest.mark.share(2)
@pytest.mark.parametrize("dress", [Decimal, Fraction, float, np.float32])
def test_numbers_as_objects_are_numbers(dress) -> None:
    values = np.empty(N, dtype=object)
    values[:] = [dress(v) for v in X]
    result = study(d=values).infer("y ~ d")
    assert len(result.params) == 2
    np.testing.assert_allclose(result.params, study(d=X).infer("y ~ d").params, atol=1e-9)


def test_levels_that_no_row_has_are_dropped() -> None:
    group = pd.Categorical(np.where(X > 0, "b", "a"), categories=["a", "b", "never"])
    plain = study(g=np.where(X > 0, "b", "a")).infer("y ~ g")
    assert study(g=group).infer("y ~ g").params.tolist() == plain.params.tolist()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([1, "a"] * (N // 2), dtype=object), "mixes number .* and text"),
        (pd.date_range("2020", periods=N), r"holds dates .*\.dt\.days"),
        (pd.to_timedelta(np.arange(N), "h"), "holds dates or durations"),
        ([dt.date(2020, 1, 1 + i % 20) for i in range(N)], "holds dates"),
        (X * 1j, "is complex"),
        (np.array([b"a", b"b"] * (N // 2), dtype=object), "holds bytes"),
        (2**53 + np.arange(N), "beyond 2.53"),
    ],
)
def test_what_is_no_covariate_is_refused_by_name(values, words) -> None:
    with pytest.raises(
        (TypeError, ValueError), match=rf"the variable 'v' .*{words}|the variable 'v' {words}"
    ):
        study(v=values).infer("y ~ v")


def test_days_may_be_absorbed() -> None:
    days = [dt.date(2020, 1, 1 + i % 20) for i in range(N)]
    assert np.isfinite(study(day=days).infer("y ~ x | day").params).all()


@pytest.mark.parametrize("formula", ["y ~ d", "y ~ 1 + d + x", "y ~ d + d + k", "y"])
def test_plain_numbers_are_coded_as_formulaic_codes_them(formula, monkeypatch) -> None:
    columns = {"d": np.arange(N), "k": np.float32(X)}
    straight = study(**columns).infer(formula)
    monkeypatch.setattr("validstats.dsl.regression.assembly._number_columns", lambda parsed, template: None)
    coded = study(**columns).infer(formula)
    assert straight.names == coded.names
    np.testing.assert_allclose(straight.params, coded.params, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(straight.std_error, coded.std_error, rtol=1e-12)


def test_columns_of_filled_rows_are_those_of_the_frame_with_labels_in_it() -> None:
    rows = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "g": ["a", "b", "a", "b"], "y": [9.0, 9.0, 9.0, 9.0]})
    filled = FilledFrame(Units.of(rows, None, "all"), {"y": lambda: np.arange(4.0), "z": lambda: np.ones(4)})
    expected = rows.assign(y=np.arange(4.0), z=np.ones(4))
    pd.testing.assert_frame_equal(filled.frame, expected)
    assert filled.columns == tuple(expected.columns)
    some = filled.take(np.array([3, 1]))
    assert len(some) == 2 and some.take(np.array([1])).values("y").tolist() == [1.0]
    pd.testing.assert_frame_equal(some.frame, expected.iloc[[3, 1]])
    assert some.values("g").tolist() == ["b", "b"] and some.dtype("y") == np.float64


def test_a_column_that_occurs_twice_is_refused_where_it_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(60, 3)), columns=["x", "x", "judge"])
    labels = np.where(np.arange(60) < 30, rng.normal(size=60), np.nan)
    fitted = DesignSupervised(random_state=0).fit(rows, surrogate="judge").calibrate({"y": labels})
    assert np.isfinite(fitted.infer("y", model="mean").params).all()
    with pytest.raises(ValueError, match="several columns of the name 'x'; rename them"):
        fitted.infer("y ~ x")
    with pytest.raises(ValueError, match="several columns of the name 'x'; rename them"):
        DesignSupervised().fit(rows, surrogate="x")
