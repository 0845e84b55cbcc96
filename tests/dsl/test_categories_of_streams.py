"""Categories of rows that arrive in parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.dsl.streams import streamed as stream_regression
from validstats import DesignSupervised


def streamed(frame, **options):
    settings = {"label": "y", "predictions": "machine", "sampling_probability": 0.4, "estimator": "dsl"}
    settings["features"] = ()
    return stream_regression(
        frame,
        **(
            settings
            | {
                "chunk_size": 400,
            }
            | options
        ),
    )


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


@pytest.mark.share(2)
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


@pytest.mark.share(3)
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
    with pytest.raises(ValueError, match="'number' of the formula is missing in 1"):
        streamed(frame, covariates=["number"])
