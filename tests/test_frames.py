from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from validstats import intake as frames

BACKENDS = ("pandas", "polars", "pyarrow")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_round_trip_in_every_library(backend) -> None:
    frame = frames.to_frame({"näme": ["a", "b"], "value": np.array([1.5, np.nan])}, backend)
    assert frames.is_frame(frame)
    assert frames.backend_of(frame) == backend
    assert frames.column_names(frame) == ["näme", "value"]
    assert frames.n_rows(frame) == 2
    assert frames.column(frame, "näme").tolist() == ["a", "b"]
    np.testing.assert_array_equal(frames.column(frame, "value"), [1.5, np.nan])
    assert isinstance(frames.to_pandas(frame), pd.DataFrame)


def test_arrays_are_not_frames_and_answer_in_pandas() -> None:
    assert not frames.is_frame(np.zeros((2, 2)))
    assert frames.backend_of(np.zeros(3)) == "pandas"
    assert frames.backend_of(pl.Series([1])) == "polars"


def test_missing_integers_become_nan() -> None:
    assert np.isnan(frames.column(pl.DataFrame({"a": [1, None]}), "a")[1])
    assert np.isnan(frames.column(pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), "a")[1])
    assert np.isnan(frames.column(pa.table({"a": [1, None]}), "a")[1])


def test_an_unknown_column_lists_those_there_are() -> None:
    with pytest.raises(KeyError, match="no column 'z'; the columns are 'a'"):
        frames.column(pd.DataFrame({"a": [1]}), "z")


def test_an_unknown_library_is_refused() -> None:
    with pytest.raises(ValueError, match="backend must be one of"):
        frames.to_frame({"a": [1]}, "spark")


def test_digests_agree_across_libraries_and_find_equal_rows() -> None:
    columns = {"a": [1.0, 2.0, 1.0, -0.0], "b": [3, 4, 3, 0]}
    matrix = np.column_stack(list(columns.values()))
    expected = frames.row_digests(matrix)
    for backend in BACKENDS:
        np.testing.assert_array_equal(frames.row_digests(frames.to_frame(columns, backend)), expected)
    assert expected[0] == expected[2]
    assert len(set(expected.tolist())) == 3
    assert frames.row_digests([[0.0, 0.0]])[0] == expected[3]


def test_digests_of_columns_that_are_not_named_by_text_or_named_twice() -> None:
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]])
    for names in ([0, 1], ["a", "a"], [("a", 1), ("b", 2)]):
        frame = pd.DataFrame(matrix)
        frame.columns = names
        np.testing.assert_array_equal(frames.row_digests(frame), frames.row_digests(matrix))


def test_digests_depend_on_the_place_of_a_value() -> None:
    a, b = frames.row_digests([[1.0, 2.0], [2.0, 1.0]])
    assert a != b


def test_digests_of_text_and_mixed_rows() -> None:
    frame = pd.DataFrame({"x": [1.0, 1.0, 1.0], "y": ["a", "b", "a"]})
    digests = frames.row_digests(frame)
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.slow
def test_a_million_different_rows_have_different_digests() -> None:
    rows = np.random.default_rng(0).standard_normal((1_000_000, 2))
    assert len(np.unique(frames.row_digests(rows))) == 1_000_000


def test_no_rows_have_no_digests() -> None:
    assert frames.row_digests(np.zeros((0, 2))).shape == (0,)


def test_digests_do_not_depend_on_the_layout_or_the_number_of_blocks() -> None:
    rows = np.random.default_rng(0).integers(-3, 4, (40_000, 3))
    expected = np.concatenate([frames.row_digests(rows[:1]), frames.row_digests(rows[1:])])
    for same in (rows.astype(np.float32), np.asfortranarray(rows), rows.astype(np.int8), -(-1.0 * rows)):
        np.testing.assert_array_equal(frames.row_digests(same), expected)


def test_digests_follow_splitmix64_chained_over_the_columns() -> None:
    words = np.array([[1.5, -2.0]]).view(np.uint64)[0].tolist()
    state, full = 0x9E3779B97F4A7C15, 2**64 - 1
    for word in words:
        state = (state ^ word) * 0xBF58476D1CE4E5B9 & full
        state ^= state >> 31
        state = state * 0x94D049BB133111EB & full
        state ^= state >> 29
    assert frames.row_digests([[1.5, -2.0]])[0] == state


def test_rows_without_columns_are_all_equal() -> None:
    assert len(set(frames.row_digests(np.zeros((3, 0))).tolist())) == 1
    assert len(frames.row_digests(np.zeros((3, 0)))) == 3
