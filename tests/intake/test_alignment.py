"""Companions of rows are matched by label, or refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validstats.intake import align, row_labels

IDS = ["d3", "d1", "d9", "d4", "d7"]
ROWS = pd.DataFrame({"x": np.arange(5.0)}, index=IDS)
VALUES = pd.Series(np.arange(5.0), index=IDS)


@settings(max_examples=30)
@given(st.permutations(range(5)))
def test_equal_labels_in_any_order_are_aligned(order) -> None:
    shuffled = VALUES.iloc[list(order)]
    assert align(shuffled, row_labels(ROWS), "weights").tolist() == VALUES.tolist()
    both = align(shuffled.to_frame("w"), row_labels(ROWS), "weights")
    assert both["w"].tolist() == VALUES.tolist()


@pytest.mark.parametrize("kind", [np.asarray, list, pl.Series, pa.array])
def test_what_has_no_labels_is_taken_by_position(kind) -> None:
    values = kind(VALUES.to_numpy())
    assert align(values, row_labels(ROWS), "weights") is values


def test_the_default_range_is_positions() -> None:
    plain = ROWS.reset_index(drop=True)
    values = pd.Series(np.arange(5.0))
    assert align(values, row_labels(ROWS), "weights") is values
    assert align(VALUES, row_labels(plain), "weights") is VALUES
    assert row_labels(plain).labels is None
    assert row_labels(plain.set_axis([0, 1, 2, 3, 4])).labels is None


def test_shuffled_row_numbers_beside_rows_in_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"y has the row numbers 0 to 4 .*y.sort_index\(\).*y.to_numpy\(\)"):
        align(pd.Series(range(5), index=[4, 2, 3, 1, 0]), row_labels(ROWS.reset_index(drop=True)), "y")


@pytest.mark.parametrize("rows", [ROWS, ROWS.reset_index(drop=True)])
def test_a_part_of_the_labels_is_the_labelled_part(rows) -> None:
    labels = pd.Series([1.0, np.nan, 3.0, np.nan, 5.0], index=rows.index).dropna()
    found = align(labels.iloc[::-1], row_labels(rows), "labels", partial=True)
    np.testing.assert_array_equal(found, [1.0, np.nan, 3.0, np.nan, 5.0])


@pytest.mark.parametrize(
    ("values", "partial", "words"),
    [
        (
            VALUES.rename({"d3": "z"}),
            False,
            ["5 labels", "4 of them match", "'z'", "'d3'", "to_numpy", "reindex"],
        ),
        (VALUES.rename({"d3": "z"}), True, ["4 of them match", "'z'"]),
        (VALUES.iloc[:3], False, ["has 3 labels and the index of X has 5", "'d4', 'd7'"]),
        (pd.concat([VALUES, VALUES]).iloc[1:8], False, ["occur more than once", "to_numpy"]),
        (
            pd.Series(range(9), index=list("abcdefghi")),
            False,
            ["9 labels", "0 of them", "'a', 'b', 'c', ..."],
        ),
    ],
)
def test_other_labels_are_refused_with_counts_examples_and_the_remedy(values, partial, words) -> None:
    with pytest.raises(ValueError, match="weights") as raised:
        align(values, row_labels(ROWS), "weights", partial=partial)
    for word in words:
        assert word in str(raised.value)


def test_repeated_labels_in_equal_order_pass_and_in_another_are_refused() -> None:
    twice = ROWS.set_axis(["a", "a", "b", "c", "d"])
    values = VALUES.set_axis(twice.index)
    assert align(values, row_labels(twice), "weights") is values
    with pytest.raises(ValueError, match=r"1 label.s. of weights occur more than once, such as 'a'"):
        align(values.iloc[::-1], row_labels(twice), "weights")


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table, pd.DataFrame])
def test_a_key_column_matches_frames_of_any_library(make) -> None:
    rows = make({"doc": IDS, "x": list(range(5))})
    found = align(
        make({"doc": IDS[::-1], "expert": [4.0, 3.0, 2.0, 1.0, 0.0]}), row_labels(rows, "doc"), "labels"
    )
    assert np.asarray(found["expert"]).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    part = align(make({"doc": ["d9"], "expert": [2.0]}), row_labels(rows, "doc"), "labels", partial=True)
    np.testing.assert_array_equal(np.asarray(part["expert"]), [np.nan, np.nan, 2.0, np.nan, np.nan])


def test_ids_name_the_rows_of_an_array() -> None:
    rows = row_labels(np.zeros((5, 2)), ids=IDS)
    assert align(VALUES.iloc[::-1], rows, "weights").tolist() == VALUES.tolist()


@pytest.mark.parametrize(
    ("ids", "error", "words"),
    [
        (["a", "a", "b", "c", "d"], ValueError, "name every row once; 1 label"),
        (["a", None, "b", "c", "d"], ValueError, "1 missing value"),
        (["a"], ValueError, "one label for each of the 5 rows"),
        ("nothing", KeyError, "There is no column 'nothing'"),
    ],
)
def test_bad_ids_are_refused(ids, error, words) -> None:
    with pytest.raises(error, match=words):
        row_labels(ROWS, ids)


def test_several_levels_of_an_index_are_labels() -> None:
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])
    rows, values = pd.DataFrame({"x": range(3)}, index=index), pd.Series([0, 1, 2], index=index)
    assert align(values.iloc[[2, 0, 1]], row_labels(rows), "y").tolist() == [0, 1, 2]
