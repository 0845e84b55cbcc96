"""Small types of numbers, which must not overflow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tests.dsl.streams import clustered_rows, streamed_rows
from validstats import DesignSupervised
from validstats.dsl import Moment
from validstats.dsl.regression import DesignBuilder, parse_formula
from validstats.dsl.regression.assembly import widen_numbers

SMALL = ["int8", "int16", "uint8", "uint32", "float16", "float32", "Int8", "UInt8", "Int16", "Float32"]


def products(kind):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.integers(10, 100, 400), "b": rng.integers(10, 100, 400)})
    y = 0.05 * frame["a"] * frame["b"] + rng.normal(size=400)
    return frame.astype(kind), y


@pytest.mark.share(3)
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


@pytest.mark.share(3)
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


@pytest.mark.share(2)
@pytest.mark.parametrize(
    "kind",
    [
        "int8",
        "Float32",
        *(pytest.param(k, marks=pytest.mark.slow) for k in ("uint8", "float16", "Int8", "UInt8")),
    ],
)
def test_a_stream_of_small_numbers_equals_one_of_large_numbers(kind) -> None:
    frame = clustered_rows(20)
    large = frame.assign(x=np.round(20 * frame["x"]).clip(0, 60))
    small, plain = (streamed_rows(f, covariates=["x"]) for f in (large.astype({"x": kind}), large))
    np.testing.assert_allclose(small.params, plain.params, rtol=1e-12)
    np.testing.assert_allclose(small.covariance, plain.covariance, rtol=1e-12)
