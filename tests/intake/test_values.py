"""Kinds of values at every public entry: the right number, or an error that names the argument and the remedy."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

N = 80
QUARTERS = np.round(4 * np.random.default_rng(3).normal(size=N)) / 4
"""Numbers that every type of number holds exactly."""
PARTNER = QUARTERS + np.random.default_rng(4).normal(size=N)
WHOLE = np.arange(N) % 7 - 3

Make = Callable[[], Any]


def objects(values: Any) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


NUMBERS: dict[str, Make] = {
    "float64": lambda: QUARTERS,
    "float32": lambda: QUARTERS.astype(np.float32),
    "float16": lambda: QUARTERS.astype(np.float16),
    "longdouble": lambda: QUARTERS.astype(np.longdouble),
    "big-endian": lambda: QUARTERS.astype(">f8"),
    "strided": lambda: np.repeat(QUARTERS, 2)[::2],
    "reversed twice": lambda: QUARTERS[::-1].copy()[::-1],
    "read-only": lambda: _frozen(QUARTERS.copy()),
    "list": lambda: QUARTERS.tolist(),
    "tuple": lambda: tuple(QUARTERS.tolist()),
    "column": lambda: QUARTERS[:, None],
    "objects": lambda: objects(QUARTERS),
    "numpy scalars": lambda: objects([np.float32(v) for v in QUARTERS]),
    "Decimal": lambda: objects([Decimal(str(v)) for v in QUARTERS]),
    "Fraction": lambda: objects([Fraction(v) for v in QUARTERS]),
    "Decimal beside float": lambda: objects(
        [Decimal(str(v)) if i % 2 else v for i, v in enumerate(QUARTERS)]
    ),
    "pandas": lambda: pd.Series(QUARTERS, name="q"),
    "pandas Float64": lambda: pd.Series(QUARTERS, dtype="Float64"),
    "pandas objects": lambda: pd.Series(objects(QUARTERS)),
    "pandas arrow": lambda: pd.Series(QUARTERS, dtype="float64[pyarrow]"),
    "polars": lambda: pl.Series("q", QUARTERS),
    "polars decimal": lambda: pl.Series("q", [Decimal(str(v)) for v in QUARTERS], dtype=pl.Decimal(12, 4)),
    "pyarrow": lambda: pa.array(QUARTERS),
    "memoryview": lambda: memoryview(QUARTERS.copy()),
}
"""Dresses of the same numbers: every entry gives the answer of float64."""

WHOLES: dict[str, Make] = {
    "int64": lambda: WHOLE,
    "int8": lambda: WHOLE.astype(np.int8),
    "int16": lambda: WHOLE.astype(np.int16),
    "pandas Int64": lambda: pd.Series(WHOLE, dtype="Int64"),
    "pandas Int8": lambda: pd.Series(WHOLE, dtype="Int8"),
    "Python integers": lambda: objects([int(v) for v in WHOLE]),
    "integers as Decimal": lambda: objects([Decimal(int(v)) for v in WHOLE]),
    "polars int32": lambda: pl.Series("q", WHOLE.astype(np.int32)),
    "floats without decimals": lambda: WHOLE.astype(float),
}
"""Dresses of the same whole numbers."""

REFUSED: dict[str, Make] = {
    "complex": lambda: QUARTERS * 1j,
    "complex objects": lambda: objects(QUARTERS * (1 + 0j)),
    "bytes": lambda: np.array([b"a", b"b"] * (N // 2)),
    "bytes as objects": lambda: objects([b"a", b"b"] * (N // 2)),
    "datetime64": lambda: np.datetime64("2024-01-01") + np.arange(N),
    "date": lambda: objects([dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(N)]),
    "datetime": lambda: objects([dt.datetime(2024, 1, 1, i % 24) for i in range(N)]),
    "time zone": lambda: pd.Series(pd.date_range("2024-01-01", periods=N, tz="Europe/Berlin")),
    "timedelta64": lambda: np.timedelta64(1, "h") * np.arange(N),
    "timedelta": lambda: objects([dt.timedelta(hours=i) for i in range(N)]),
    "polars date": lambda: pl.Series("q", [dt.date(2024, 1, 1)] * N),
    "period": lambda: pd.Series(pd.period_range("2024-01", periods=N, freq="M")),
    "interval": lambda: pd.cut(pd.Series(QUARTERS), 4).astype(object),
    "records": lambda: np.zeros(N, dtype=[("a", float), ("b", int)]),
    "dictionaries": lambda: objects([{"a": 1}] * N),
    "lists of two lengths": lambda: [[1.0]] * (N - 1) + [[1.0, 2.0]],
    "sets": lambda: objects([{1}] * N),
    "functions": lambda: objects([len] * N),
    "numbers and text": lambda: objects([1.0, "a"] * (N // 2)),
    "truth values and text": lambda: objects([True, "a"] * (N // 2)),
    "dates and numbers": lambda: objects([dt.date(2024, 1, 1), 1.0] * (N // 2)),
    "sparse": lambda: sparse.csr_matrix(QUARTERS[:, None]),
    "masked": lambda: np.ma.masked_less(QUARTERS, -0.5),
    "NaN": lambda: np.where(np.arange(N) == 3, np.nan, QUARTERS),
    "NA": lambda: pd.Series(QUARTERS, dtype="Float64").where(np.arange(N) != 3),
    "None": lambda: objects([None if i == 3 else v for i, v in enumerate(QUARTERS)]),
    "NaT": lambda: objects([pd.NaT if i == 3 else v for i, v in enumerate(QUARTERS)]),
    "infinite": lambda: np.where(np.arange(N) == 3, np.inf, QUARTERS),
    "too large": lambda: objects([10**400, *WHOLE[1:].tolist()]),
    "beyond 2^53": lambda: 2**53 + np.arange(N),
    "three dimensions": lambda: np.zeros((N, 2, 2)),
    "no rows": lambda: np.empty(0),
    "one row fewer": lambda: QUARTERS[1:],
    "a scalar": lambda: 1.0,
    "nothing": lambda: None,
    "a word": lambda: "q",
}
"""What is no column of numbers and no column of categories."""


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def mi_y(values):
    from validstats import mutual_info

    return mutual_info(PARTNER, values, method="ksg").estimate


def mi_x(values):
    from validstats import mutual_info

    return mutual_info(values, PARTNER, method="ksg").estimate


def mi_test(values):
    from validstats import independence_test

    return independence_test(PARTNER, values, n_permutations=19, random_state=0).p_value


def batch_y(values):
    from sklearn.linear_model import LinearRegression

    from validstats import BatchPredictor, BatchQuantile

    model = BatchPredictor(LinearRegression(), BatchQuantile(0.5), random_state=0, confidence_level=0.8)
    return model.fit(PARTNER[:, None], values).infer(PARTNER[:40, None]).conf_high


def dsl_labels(values):
    from validstats import DesignSupervised

    rows = pd.DataFrame({"machine": PARTNER})
    study = DesignSupervised(random_state=0).fit(rows, surrogate="machine")
    study.calibrate({"y": values}, sampling_probability=1.0)
    return study.infer("y", model="mean").params


ENTRIES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "mutual_info y": (mi_y, "y"),
    "mutual_info x": (mi_x, "x"),
    "independence_test y": (mi_test, "y"),
    "BatchPredictor.fit y": (batch_y, "y"),
    "DesignSupervised.calibrate labels": (dsl_labels, "labels|y"),
}
"""Public entry -> a function of one column, and the name that an error has to say."""

MISSING_IS_UNLABELLED = ("masked", "NaN", "NA", "None", "NaT")


def answered(entry: str, values: Any) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(ENTRIES[entry][0](values), dtype=float)


@pytest.mark.parametrize("entry", sorted(ENTRIES))
@pytest.mark.parametrize("kind", sorted(NUMBERS))
def test_numbers_are_numbers_in_any_dress(kind, entry) -> None:
    expected = answered(entry, QUARTERS)
    np.testing.assert_allclose(answered(entry, NUMBERS[kind]()), expected, rtol=1e-9)


@pytest.mark.parametrize("entry", sorted(ENTRIES))
@pytest.mark.parametrize("kind", sorted(WHOLES))
def test_whole_numbers_are_numbers_in_any_dress(kind, entry) -> None:
    np.testing.assert_allclose(answered(entry, WHOLES[kind]()), answered(entry, WHOLE), rtol=1e-9)


@pytest.mark.parametrize("entry", sorted(ENTRIES))
@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_what_is_neither_is_refused_by_name(kind, entry) -> None:
    if entry.endswith("labels") and kind in MISSING_IS_UNLABELLED:
        pytest.skip("a missing label is a row without a label")
    with pytest.raises((ValueError, TypeError), match=rf"\b({ENTRIES[entry][1]})\b") as raised:
        answered(entry, REFUSED[kind]())
    assert len(str(raised.value)) > 20


def test_two_columns_of_one_name_are_refused_by_name() -> None:
    from validstats import mutual_info_matrix

    twice = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["b", "a", "a"])
    with pytest.raises(ValueError, match="data has several columns of the name 'a'; rename them"):
        mutual_info_matrix(twice, method="gaussian")
