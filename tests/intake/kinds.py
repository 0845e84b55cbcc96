"""Kinds of values: dresses of the same numbers and categories, and what is neither."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from scipy import sparse

N = 80
QUARTERS = np.round(4 * np.random.default_rng(3).normal(size=N)) / 4
"""Numbers that every type of number holds exactly."""
WHOLE = np.arange(N) % 7 - 3
SHARES = (1 + np.arange(N) % 4) / 4
"""Numbers in (0, 1] that every type of number holds exactly."""
WORDS = np.array(["low", "high", "none", "low", "high"] * (N // 5))

Make = Callable[[np.ndarray], Any]


def objects(values: Any) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def _without_third(array: np.ndarray, value: Any) -> list[Any]:
    return [value if i == 3 else v for i, v in enumerate(array)]


NUMBERS: dict[str, Make] = {
    "float64": lambda v: v,
    "float32": lambda v: v.astype(np.float32),
    "float16": lambda v: v.astype(np.float16),
    "longdouble": lambda v: v.astype(np.longdouble),
    "big-endian": lambda v: v.astype(">f8"),
    "strided": lambda v: np.repeat(v, 2)[::2],
    "reversed twice": lambda v: v[::-1].copy()[::-1],
    "read-only": lambda v: _frozen(v.copy()),
    "list": lambda v: v.tolist(),
    "tuple": lambda v: tuple(v.tolist()),
    "column": lambda v: v[:, None],
    "objects": objects,
    "numpy scalars": lambda v: objects([np.float32(x) for x in v]),
    "Decimal": lambda v: objects([Decimal(str(x)) for x in v]),
    "Fraction": lambda v: objects([Fraction(x) for x in v]),
    "Decimal beside float": lambda v: objects([Decimal(str(x)) if i % 2 else x for i, x in enumerate(v)]),
    "pandas": lambda v: pd.Series(v, name="q"),
    "pandas Float64": lambda v: pd.Series(v, dtype="Float64"),
    "pandas objects": lambda v: pd.Series(objects(v)),
    "pandas arrow": lambda v: pd.Series(v, dtype="float64[pyarrow]"),
    "polars": lambda v: pl.Series("q", v),
    "polars decimal": lambda v: pl.Series(
        "q", [Decimal(str(x)).quantize(Decimal("0.0001")) for x in v], dtype=pl.Decimal(12, 4)
    ),
    "pyarrow": pa.array,
    "memoryview": lambda v: memoryview(v.copy()),
}
"""Dresses of the same numbers: every entry gives the answer of float64."""

WHOLES: dict[str, Make] = {
    "int64": lambda v: v,
    "int8": lambda v: v.astype(np.int8),
    "int16": lambda v: v.astype(np.int16),
    "pandas Int64": lambda v: pd.Series(v, dtype="Int64"),
    "pandas Int8": lambda v: pd.Series(v, dtype="Int8"),
    "Python integers": lambda v: objects([int(x) for x in v]),
    "integers as Decimal": lambda v: objects([Decimal(int(x)) for x in v]),
    "polars int32": lambda v: pl.Series("q", v.astype(np.int32)),
    "floats without decimals": lambda v: v.astype(float),
}
"""Dresses of the same whole numbers."""

CATEGORIES: dict[str, Make] = {
    "text": lambda v: v,
    "longer text": lambda v: v.astype("<U40"),
    "text as objects": lambda v: v.astype(object),
    "list of text": lambda v: v.tolist(),
    "pandas text": lambda v: pd.Series(v, dtype="string"),
    "pandas arrow text": lambda v: pd.Series(v, dtype="string[pyarrow]"),
    "pandas category": lambda v: pd.Series(v, dtype="category"),
    "category with unused levels": lambda v: pd.Series(
        pd.Categorical(v, categories=["unused", *sorted(set(v)), "empty"])
    ),
    "ordered category": lambda v: pd.Series(pd.Categorical(v, categories=sorted(set(v))[::-1], ordered=True)),
    "polars text": lambda v: pl.Series("q", v),
    "polars Categorical": lambda v: pl.Series("q", v, dtype=pl.Categorical),
    "polars Enum": lambda v: pl.Series("q", v, dtype=pl.Enum(sorted(set(v)))),
    "pyarrow text": pa.array,
    "pyarrow dictionary": lambda v: pa.array(v).dictionary_encode(),
}
"""Dresses of the same categories."""

REFUSED: dict[str, Make] = {
    "complex": lambda v: v * 1j,
    "complex objects": lambda v: objects(v * (1 + 0j)),
    "bytes": lambda v: np.array([b"a", b"b"] * (N // 2)),
    "bytes as objects": lambda v: objects([b"a", b"b"] * (N // 2)),
    "datetime64": lambda v: np.datetime64("2024-01-01") + np.arange(N),
    "date": lambda v: objects([dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(N)]),
    "datetime": lambda v: objects([dt.datetime(2024, 1, 1, i % 24) for i in range(N)]),
    "time zone": lambda v: pd.Series(pd.date_range("2024-01-01", periods=N, tz="Europe/Berlin")),
    "timedelta64": lambda v: np.timedelta64(1, "h") * np.arange(N),
    "timedelta": lambda v: objects([dt.timedelta(hours=i) for i in range(N)]),
    "polars date": lambda v: pl.Series("q", [dt.date(2024, 1, 1)] * N),
    "period": lambda v: pd.Series(pd.period_range("2024-01", periods=N, freq="M")),
    "interval": lambda v: pd.cut(pd.Series(QUARTERS), 4).astype(object),
    "records": lambda v: np.zeros(N, dtype=[("a", float), ("b", int)]),
    "dictionaries": lambda v: objects([{"a": 1}] * N),
    "lists of two lengths": lambda v: [[1.0]] * (N - 1) + [[1.0, 2.0]],
    "sets": lambda v: objects([{1}] * N),
    "functions": lambda v: objects([len] * N),
    "numbers and text": lambda v: objects([1.0, "a"] * (N // 2)),
    "truth values and text": lambda v: objects([True, "a"] * (N // 2)),
    "dates and numbers": lambda v: objects([dt.date(2024, 1, 1), 1.0] * (N // 2)),
    "sparse": lambda v: sparse.csr_matrix(v[:, None]),
    "masked": lambda v: np.ma.masked_where(np.arange(N) % 9 == 3, v),
    "NaN": lambda v: np.where(np.arange(N) == 3, np.nan, v),
    "NA": lambda v: pd.Series(v, dtype="Float64").where(np.arange(N) != 3),
    "None": lambda v: objects(_without_third(v, None)),
    "NaT": lambda v: objects(_without_third(v, pd.NaT)),
    "infinite": lambda v: np.where(np.arange(N) == 3, np.inf, v),
    "too large": lambda v: objects([10**400, *WHOLE[1:].tolist()]),
    "beyond 2^53": lambda v: 2**53 + np.arange(N),
    "near 9e18": lambda v: 2**63 - 1 - np.arange(N),
    "three dimensions": lambda v: np.zeros((N, 2, 2)),
    "no rows": lambda v: np.empty(0),
    "one row fewer": lambda v: v[1:],
    "lazy": lambda v: pl.LazyFrame({"q": v}),
    "a scalar": lambda v: 1.0,
    "nothing": lambda v: None,
    "a word": lambda v: "q",
}
"""What is no column of numbers and no column of categories."""

MISSING = frozenset({"masked", "NaN", "NA", "None", "NaT"})
LENGTHS = frozenset({"no rows", "one row fewer", "a scalar"})
NO_COLUMN = frozenset(
    {"three dimensions", "no rows", "one row fewer", "lists of two lengths", "sparse", "records", "lazy"}
    | {"a scalar", "nothing", "a word", "column", "memoryview", "pyarrow", "pyarrow text"}
    | {"pyarrow dictionary", "masked"}
    | ({"big-endian"} if pd.__version__ < "3" else set())  # pandas 2 does not take rows of such a column
)
"""Kinds that no data frame holds as a column."""
HUGE = frozenset({"beyond 2^53", "near 9e18"})
