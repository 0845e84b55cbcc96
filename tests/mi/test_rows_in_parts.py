"""Matrices of rows in parts: those of the rows in memory, by counts, by moments, or by a sample that is told."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checks import in_turn
from tests.parts import KINDS, divided
from validstats.exceptions import ConstantColumnWarning, SampledRowsWarning, SparseCellsWarning
from validstats.mi import mutual_info_matrix

N = 500
PLACES = [3, 120, 121]


def measured(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"])
    frame["c"] = 1e6 + frame["a"] - 0.3 * rng.normal(size=n)
    frame["d"] = np.where(rng.random(n) < 0.5, frame["b"], 0.0)
    return frame


def counted(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"w": rng.choice(["low", "high", "none"], n), "i": rng.integers(0, 8, n)})
    frame["j"] = (frame["i"] // 3 + rng.integers(0, 2, n)).astype(float)
    frame["t"] = frame["i"] > 3
    frame["same"] = "x"
    return frame


ASKED: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "plug-in": (counted(), {"method": "plug-in"}),
    "plug-in with intervals, in bits": (
        counted(),
        {"method": "plug-in", "intervals": True, "unit": "bits", "confidence_level": 0.9},
    ),
    "plug-in of declared columns": (counted()[["i", "j"]], {"method": "plug-in", "discrete": ["i", "j"]}),
    "cca": (measured(), {"method": "cca", "intervals": True}),
    "cca of few values": (
        pd.concat([measured(), counted()["i"], 2.0 * counted()["i"].rename("twice")], axis=1),
        {"method": "cca", "discrete": False},
    ),
    "learned, all rows": (measured(120), {}),
    "ksg, all rows": (pd.concat([measured(90), counted(90)], axis=1), {"method": "ksg"}),
}


def answered(data: Any, options: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mutual_info_matrix(data, **options)


@pytest.mark.share(3)
@pytest.mark.parametrize(("question", "kind"), in_turn(list(ASKED), list(KINDS)))
def test_matrices_are_those_of_the_rows_in_memory(question, kind, tmp_path) -> None:
    frame, options = ASKED[question]
    found = answered(KINDS[kind](divided(frame, [p for p in PLACES if p < len(frame)]), tmp_path), options)
    expected = answered(frame, options)
    for name in ("values", "conf_low", "conf_high"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-10, atol=1e-13)
    assert found.kinds == expected.kinds and found.names == expected.names
    assert found.n_samples == expected.n_samples == len(frame)
    assert found.guarantee.paragraph() == expected.guarantee.paragraph()


@settings(max_examples=15, deadline=None)
@given(
    places=st.lists(st.integers(1, N - 1), max_size=6, unique=True),
    swaps=st.randoms(use_true_random=False),
    question=st.sampled_from(["plug-in", "cca"]),
)
def test_any_parts_in_any_order_give_one_matrix(places, swaps, question) -> None:
    frame, options = ASKED[question]
    pieces = divided(frame, places)
    swaps.shuffle(pieces)
    found, expected = answered(pieces, options), answered(frame, options)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-10, atol=1e-13)


def test_a_sample_is_told_and_is_the_same_for_every_division(monkeypatch) -> None:
    monkeypatch.setattr("validstats.mi.matrix.SAMPLED_ROWS", 200)
    frame, found = measured(), []
    for places in (PLACES, [250]):
        with pytest.warns(SampledRowsWarning, match=r"sample of 200 of the 500 rows .*'plug-in' and .*'cca'"):
            found.append(mutual_info_matrix(divided(frame, places), method="ksg"))
    np.testing.assert_array_equal(found[0].values, found[1].values)
    assert found[0].n_samples == 200
    assert "A random sample of 200 of the 500 rows was read" in found[0].guarantee.paragraph()
    drawn = np.sort(np.random.default_rng(20_261_130).choice(N, 200, replace=False))
    expected = mutual_info_matrix(frame.iloc[drawn], method="ksg")
    np.testing.assert_array_equal(found[0].values, expected.values)


def test_what_is_odd_about_columns_is_said() -> None:
    with pytest.warns(ConstantColumnWarning, match="same"):
        mutual_info_matrix(divided(counted(), PLACES), method="plug-in")
    many = pd.DataFrame({"i": np.arange(40) % 20, "j": np.arange(40) // 2})
    with pytest.warns(SparseCellsWarning, match="data column 'i'"):
        mutual_info_matrix(divided(many, [7]), method="plug-in", discrete=True)


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        (measured, {"method": "plug-in"}, ValueError, "needs discrete columns, but data column 'a' is"),
        (counted, {"method": "cca"}, ValueError, "needs numeric columns, but data column 'w' is discrete"),
        (counted, {"method": "cca", "discrete": False}, TypeError, "'w' holds categories"),
        (
            counted,
            {"method": "plug-in", "repeats": "collapse"},
            ValueError,
            "repeats='collapse' needs the rows",
        ),
        (lambda: measured().assign(a=np.nan), {"method": "cca"}, ValueError, "'a', part 0, has .* missing"),
        (lambda: measured()[["a"]], {"method": "cca"}, ValueError, "at least two columns"),
        (lambda: measured(8), {"method": "cca"}, ValueError, "at least 10 rows, data has 8"),
        (lambda: 1e-200 * measured(), {"method": "cca"}, ValueError, "squares vanish"),
    ],
)
def test_what_sums_cannot_say_is_refused_by_name(make, options, error, message) -> None:
    with pytest.raises(error, match=message):
        mutual_info_matrix(divided(make(), [3]), **options)


def test_words_beside_numbers_and_tables_that_are_too_large_are_refused(monkeypatch) -> None:
    with pytest.raises(TypeError, match="'i' holds words in some parts and numbers in others"):
        mutual_info_matrix([counted(), counted().assign(i="x")], method="plug-in")
    monkeypatch.setattr("validstats.mi.matrix.MOST_CELLS", 20)
    with pytest.raises(ValueError, match=r"tables of all pairs of data have .* cells"):
        mutual_info_matrix(divided(counted(), PLACES), method="plug-in")
