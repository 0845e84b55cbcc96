"""Marks and digests of rows are those that are written down: a ledger of last year still knows its rows."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tests.oracles import rows as oracle
from validstats.intake import (
    ask_digest,
    derive_key,
    fingerprint_and_ranks,
    holdout_fingerprint,
    keyed_ranks,
    keyed_row_digests,
    one_byte_each,
    ranks_apart,
    row_marks,
    totals_of_units,
)
from validstats.intake.marks import copied_rows, n_columns, number_at

SECRET = bytes(range(32))
NUMBERS = [[0.1, -2.0, 3e300], [0.0, -0.0, 1e-9], [7.0, 2.5, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 4.0]]
LABELS = [1, 0, 1, 0, 1]
WORDS = ["ash", "a longer word", "", "birch", "ash"]


def marks(cells, labels):
    return [oracle.mark(row, label) for row, label in zip(cells, labels)]


@pytest.fixture(params=[False, True], ids=["whole", "blocks"])
def blocks(request, monkeypatch) -> bool:
    """Few rows in blocks of one or two, as many are."""
    if request.param:
        sizes = {"marks._CELLS": 8, "digests._CELLS": 6, "digests._ROWS": 3, "marks._LETTERS": 20}
        for name, value in sizes.items():
            monkeypatch.setattr(f"validstats.intake.{name}", value)
    return request.param


@pytest.mark.parametrize("at", [None, [4, 1, 2], [3]])
def test_marks_are_the_sums_of_words_and_factors(blocks, at) -> None:
    X, y = np.array(NUMBERS), np.array(LABELS)
    expected = np.array(marks(NUMBERS, LABELS), dtype=np.uint64)
    mixed = [[row[0], word, row[1]] for row, word in zip(NUMBERS, WORDS)]
    with_words = np.array(marks(mixed, LABELS), dtype=np.uint64)
    frame = pd.DataFrame(mixed, columns=["a", "word", "b"])
    positions = None if at is None else np.array(at)
    kept = slice(None) if at is None else positions
    apart = np.repeat(X, 2, axis=1)[:, ::2]  # neither by rows nor by columns in one piece
    for rows in (X, NUMBERS, np.asfortranarray(X), apart, pd.DataFrame(X), sparse.csr_matrix(X)):
        np.testing.assert_array_equal(row_marks(rows, y, positions), expected[kept])
    for rows in (frame, np.array(mixed, dtype=object)):
        np.testing.assert_array_equal(row_marks(rows, y, positions), with_words[kept])
    labels = np.array(WORDS)
    by_word = np.array(marks(NUMBERS, WORDS), dtype=np.uint64)
    for each in (labels, labels.astype(object)):
        np.testing.assert_array_equal(row_marks(X, each, positions), by_word[kept])
        np.testing.assert_array_equal(row_marks(sparse.csr_matrix(X), each, positions), by_word[kept])


def test_marks_of_other_words_are_those_of_their_text() -> None:
    days = np.array(["2026-01-02", "2026-03-04"], dtype="datetime64[D]")
    expected = marks([[1.0], [2.0]], days.astype(str).tolist())
    assert row_marks(np.array([[1.0], [2.0]]), days).tolist() == expected
    kinds = np.array([("a", 1), "b"], dtype=object)
    assert row_marks(np.array([[1.0], [2.0]]), kinds).tolist() == marks([[1.0], [2.0]], ["('a', 1)", "b"])


@pytest.mark.parametrize("width", [4094, 4095, 4096, 4097])
def test_wide_rows_have_the_factors_of_narrow_ones(width) -> None:
    cells = {0: 1.5, 7: -2.0, width - 1: 3.0}
    X = sparse.csr_matrix((list(cells.values()), ([0] * 3, list(cells))), shape=(2, width))
    found = row_marks(X, np.array([1, 0])).tolist()
    words = [oracle.mark_word(value) * oracle.factor(place) for place, value in cells.items()]
    assert found == [(sum(words) + oracle.mark_word(1) * oracle.factor(width)) % 2**64, 0]


def test_small_rows_are_copied_and_large_ones_are_not() -> None:
    """131,072 cells are copied."""
    for rows in (np.zeros((1 << 16, 2)), pd.DataFrame(np.zeros((1 << 16, 2)))):
        copy = copied_rows(rows, None)
        assert copy.shape == (1 << 16, 2)
        assert not np.shares_memory(np.asarray(copy), np.asarray(rows))
        assert copied_rows(np.zeros(((1 << 16) + 1, 2)), None) is None
        assert np.asarray(copied_rows(rows, np.array([2, 5]))).shape == (2, 2)
    some = copied_rows(np.zeros(((1 << 16) + 1, 2)), np.arange(10))
    assert some.shape == (10, 2)
    assert isinstance(
        copied_rows(pd.DataFrame(np.eye(2)), None), np.ndarray
    )  # quicker than taking rows of a frame
    gaps = pd.DataFrame({"a": pd.array([True, None], dtype="boolean")})
    assert isinstance(copied_rows(gaps, None), pd.DataFrame)
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    assert copied_rows(frame, np.array([2, 0]))["b"].tolist() == ["z", "x"]
    whole = copied_rows(frame, None)
    frame.loc[0, "a"] = 9
    assert whole["a"].tolist() == [1, 2, 3]
    assert copied_rows([[1.0, 2.0]], None) is None
    assert copied_rows(sparse.csr_matrix(np.eye(2)), None) is None
    pl = pytest.importorskip("polars")
    table = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    assert copied_rows(table, None) is table
    assert copied_rows(table, np.array([1]))["b"].to_list() == ["y"]


def test_columns_of_rows_are_counted_where_they_can_be_read() -> None:
    assert n_columns(np.zeros((3, 4))) == 4
    assert n_columns(pd.DataFrame(np.zeros((2, 5)))) == 5
    for rows in (np.zeros(3), np.zeros((2, 3, 4)), [[1, 2]], sparse.csr_matrix(np.eye(2)), None):
        assert n_columns(rows) == 0


def test_numbers_of_a_column_are_read_where_they_are_numbers() -> None:
    pl = pytest.importorskip("polars")
    X, y, at = np.arange(12.0).reshape(4, 3), np.array([5, 6, 7, 8]), np.array([3, 1])
    frame = pd.DataFrame(X, columns=list("abc"))
    for rows in (X, frame, pl.from_pandas(frame)):
        assert number_at(rows, y, 1, None).tolist() == [1.0, 4.0, 7.0, 10.0]
        assert number_at(rows, y, 2, at).tolist() == [11.0, 5.0]
        assert number_at(rows, y, -1, at).tolist() == [8, 6]
        assert number_at(rows, y, 3, None) is None
        assert number_at(rows, y, None, None) is None
        assert number_at(rows, y > 6, -1, None) is None
    odd = pd.DataFrame({"w": ["x", "y"], "n": pd.array([1, 2], dtype="Int64"), "b": [True, False]})
    assert [number_at(odd, y, k, None) for k in range(3)] == [None] * 3
    gaps = pl.DataFrame({"w": ["x", "y"], "n": [1, None], "f": [1.0, 2.0]})
    assert [number_at(gaps, y, k, None) is None for k in range(3)] == [True, True, False]
    assert number_at([[1.0, 2.0]], y, 0, None) is None


def test_keys_are_derived_from_the_lengths_and_words_of_a_purpose() -> None:
    assert derive_key(SECRET, "rows", 3) == oracle.derived_key(SECRET, "rows", 3)
    assert len({derive_key(SECRET, *purpose) for purpose in (("ab", "c"), ("a", "bc"), ("abc",), ())}) == 4


@pytest.mark.parametrize("kind", ["array", "frame", "sparse", "objects", "several"])
def test_digests_are_the_sums_of_halves_of_words_and_secret_factors(blocks, kind) -> None:
    X = np.array(NUMBERS)
    cells: list[list] = [list(row) for row in NUMBERS]
    parts, given = [cells], [X]
    if kind == "frame":
        parts = [[[row[0], word] for row, word in zip(NUMBERS, WORDS)]]
        given = [pd.DataFrame({"a": X[:, 0], "word": WORDS})]
    elif kind == "sparse":
        given = [sparse.csr_matrix(X)]
    elif kind == "objects":
        parts = [[[row[0], None, word] for row, word in zip(NUMBERS, WORDS)]]
        given = [np.array(parts[0], dtype=object)]
    elif kind == "several":
        parts = [cells, [[label] for label in LABELS], [[word] for word in WORDS]]
        given = [X, None, np.array(LABELS), np.array(WORDS)]
    found = keyed_row_digests(SECRET, *given)
    assert found.dtype == np.uint64
    assert found.tolist() == oracle.row_digests(SECRET, *parts)


def test_cells_of_one_value_have_one_word_in_any_type() -> None:
    one = keyed_row_digests(SECRET, np.array([[1.0], [np.nan], [0.0]]))
    days = np.array(["2026-01-02T03:00", "NaT"], dtype="datetime64[s]")
    nanoseconds = days.astype("datetime64[ns]").astype(np.int64)
    for same in (
        np.array([[1], [None], [0]], dtype=object),
        np.array([[True], [float("nan")], [-0.0]], dtype=object),
        np.array([[Decimal(1)], [pd.NA], [Decimal(0)]], dtype=object),
        np.frombuffer(np.array([0x3FF0000000000000, 0x7FF8000000000001, 1 << 63], dtype="<u8")).reshape(3, 1),
    ):
        np.testing.assert_array_equal(keyed_row_digests(SECRET, same), one)
    np.testing.assert_array_equal(
        keyed_row_digests(SECRET, pd.DataFrame({"day": days})),
        keyed_row_digests(SECRET, nanoseconds[:, None]),
    )


def test_rows_without_cells_and_cells_without_rows_have_digests() -> None:
    empty = keyed_row_digests(SECRET, np.zeros((3, 0)))
    assert empty.tolist() == oracle.row_digests(SECRET, [[]] * 3)
    assert keyed_row_digests(SECRET, np.zeros((0, 2))).shape == (0, 2)
    assert keyed_row_digests(SECRET, pd.DataFrame()).shape == (0, 2)
    with pytest.raises(ValueError, match=r"same number of rows, got \[2, 3\]"):
        keyed_row_digests(SECRET, np.zeros((2, 1)), np.zeros((3, 1)))
    for single in (np.float64(3.0), "word"):
        with pytest.raises(ValueError, match="got a single value"):
            keyed_row_digests(SECRET, single)
        if not isinstance(single, str):
            with pytest.raises(ValueError, match="got a single value"):
                ask_digest(SECRET, np.array(single))


def test_images_are_rows_of_all_their_cells() -> None:
    images = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(
        keyed_row_digests(SECRET, images), keyed_row_digests(SECRET, images.reshape(2, 12))
    )


def test_fingerprints_ranks_and_units_are_mixes_of_digests(blocks) -> None:
    digests = keyed_row_digests(SECRET, np.random.default_rng(0).normal(size=(20, 2)))
    plain = digests.tolist()
    assert holdout_fingerprint(SECRET, [digests]) == oracle.fingerprint(SECRET, plain)
    assert holdout_fingerprint(SECRET, [digests[::-1]]) == oracle.fingerprint(SECRET, plain)
    assert holdout_fingerprint(SECRET, [digests[1:]]) != oracle.fingerprint(SECRET, plain)
    key = oracle.derived_key(SECRET, "order", "split")
    assert keyed_ranks(SECRET, digests, "split").tolist() == [oracle.mixed(d, key, 0) for d in plain]
    unit = np.arange(20) % 3
    key = oracle.derived_key(SECRET, "clusters")
    expected = [
        [sum(oracle.mixed(plain[i], key, lane) for i in np.flatnonzero(unit == u)) % 2**64 for lane in (0, 1)]
        for u in range(3)
    ]
    totals = totals_of_units(SECRET, [digests], unit)
    assert totals.tolist() == expected
    pieces = [digests[:7], digests[7:8], digests[8:]]
    found, ranks = fingerprint_and_ranks(SECRET, pieces)
    assert found == oracle.fingerprint(SECRET, plain)
    assert np.array_equal(ranks, keyed_ranks(SECRET, digests, "units"))
    found, ranks = fingerprint_and_ranks(SECRET, pieces, unit)
    assert found == oracle.fingerprint(SECRET, plain)
    assert np.array_equal(ranks, keyed_ranks(SECRET, totals, "units"))


def test_questions_are_known_by_their_values_in_any_type() -> None:
    values = np.array([0.5, -0.0, np.nan])
    raw = np.array([0.5, 0.0, np.nan]).tobytes()
    shape = b"(3,)"
    array = (b"a" + len(shape).to_bytes(2, "big") + shape, raw)
    expected = oracle.asked(SECRET, (b"b", b"\x00\x01"), (b"s", b"'word'"), (b"s", b"None"), array)
    for same in (values, values.astype(object), [0.5, 0, None], np.array([0.5, 0, None], dtype=object)):
        assert ask_digest(SECRET, b"\x00\x01", "word", None, same) == expected
    text = np.array([["a", 1], ["b", 2.0]], dtype=object)
    shape = repr((2,)).encode()
    cells = b"\0".join(repr(row).encode() for row in [("t:a", "1.0"), ("t:b", "2.0")])
    assert ask_digest(SECRET, text) == oracle.asked(
        SECRET, (b"a" + len(shape).to_bytes(2, "big") + shape, cells)
    )
    days = np.array(["2026-01-02"], dtype="datetime64[D]")
    assert ask_digest(SECRET, days) == ask_digest(SECRET, days.astype("datetime64[ns]").astype(np.int64))
    different = [1, 1.5, "1", True, None, b"1", np.array([1]), np.array([[1]]), np.array(["1"])]
    assert len({ask_digest(SECRET, each) for each in different}) == len(different)


def test_equal_rows_are_told_apart_by_how_many_came_before() -> None:
    """By a slow count: the first keeps its rank, and the k-th after it has one of its rank and of k."""
    kinds = np.random.default_rng(0).integers(0, 9, 60)
    ranks = np.random.default_rng(1).integers(0, 2**63, 9, dtype=np.uint64)[kinds]
    expected, before = [], {}
    for rank in ranks.tolist():
        k = before.get(rank, 0)
        before[rank] = k + 1
        word = np.array([[rank, k]], dtype=np.uint64)
        expected.append(rank if k == 0 else int(keyed_ranks(SECRET, word, "equal rows")[0]))
    found, order = ranks_apart(SECRET, ranks)
    assert found.tolist() == expected and len(set(expected)) == 60
    assert order.tolist() == sorted(range(60), key=expected.__getitem__)
    alone = np.unique(ranks)[::-1].copy()
    assert (
        ranks_apart(SECRET, alone)[0] is alone
        and ranks_apart(SECRET, alone)[1].tolist() == list(range(9))[::-1]
    )
    assert ranks_apart(SECRET, alone[:1])[1].tolist() == [0]


def test_ranks_that_share_their_first_bits_are_put_in_the_order_of_all_bits() -> None:
    generator = np.random.default_rng(2)
    for n in (0, 1, 2, 70_000):  # more rows than are looked at at once
        for mask in (2**64 - 1, 0b111, 0b11 << 62, (0b11 << 62) + 1):
            ranks = generator.integers(0, 2**64, n, dtype=np.uint64) & np.uint64(mask)
            found, order = ranks_apart(SECRET, ranks)
            assert np.array_equal(order, np.argsort(found, kind="stable")), (n, mask)
            alone = np.setdiff1d(ranks, ranks[1:][ranks[1:] == ranks[:-1]]).size == n
            assert not alone or found is ranks


WHOLE = [-128, 127, 0, 1, -1, 0]


def dresses(values):
    """The same numbers in every type and form that holds them."""
    wide = np.array(values, dtype=np.float64)
    strided = np.zeros((len(values), 3))
    strided[:, 1] = wide
    forms = [
        wide,
        list(values),
        wide.astype(">f8"),
        wide.astype(np.longdouble),
        wide.astype(object),
        strided[:, 1],
    ]
    if np.array_equal(wide, wide.astype(np.float32), equal_nan=True):
        forms.append(wide.astype(np.float32))
    if np.isfinite(wide).all() and np.array_equal(wide, np.round(wide)):
        forms += [wide.astype(np.int64), wide.astype(">i4"), wide.astype(np.int64)[::-1][::-1]]
    return [*forms, pd.Series(wide, index=range(5, 5 + len(values)))]


@pytest.mark.parametrize(
    "values",
    [
        WHOLE,
        [*WHOLE, 128],
        [*WHOLE, -129],
        [*WHOLE, 0.5],
        [0.0] * 70 + [0.5],
        [0.0] * 70 + [np.nan],
        [0.0] * 70 + [np.inf],
        [0.0] * 70_000 + [128.0],
        [2.0**30],
        [],
    ],
    ids=lambda values: f"{len(values)}, {values[-1:]}",
)
def test_whole_numbers_of_one_byte_are_asked_as_bytes_in_any_type(values) -> None:
    small = all(-128 <= value <= 127 and value == round(value) for value in values if value == value)
    small &= all(value == value for value in values)
    shape = repr((len(values),)).encode()
    raw = np.array(values, dtype=np.int8 if small else np.float64).tobytes()
    tag = (b"i" if small else b"a") + len(shape).to_bytes(2, "big") + shape
    expected = oracle.asked(SECRET, (b"s", b"'accuracy'"), (tag, raw))
    for form in dresses(values):
        assert ask_digest(SECRET, "accuracy", form) == expected
        numbers = np.asarray(form)
        found = one_byte_each(numbers) if numbers.dtype.kind in "iuf" else None
        assert numbers.dtype == object or (found is not None) == small
        assert found is None or (found.dtype == np.int8 and found.tolist() == values)


def test_truth_values_and_unsigned_numbers_are_asked_as_bytes_too() -> None:
    truth = np.array([True, False, True])
    assert one_byte_each(truth).tolist() == [1, 0, 1]
    assert one_byte_each(np.array([2**64 - 1, 1], dtype=np.uint64)) is None
    same = [truth, truth.astype(np.uint64), np.array([1.0, 0.0, 1.0]), np.array([1.0, -0.0, 1.0])]
    assert len({ask_digest(SECRET, each) for each in same}) == 1
    assert len({ask_digest(SECRET, each) for each in (truth, truth[:, None], truth[:2], ~truth)}) == 4
