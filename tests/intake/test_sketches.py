"""Sketches of rows: what they recognise after features were engineered, what they must not, and what they reveal."""

from __future__ import annotations

import math
import struct
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import datasets

from validstats.intake import RowSketch, find_overlap, row_digests, sketch_ids, sketch_rows

KEY = b"the user's key"
N = 1000


def _data(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 5))
    return X, (X[:, 0] + rng.normal(size=N) > 0).astype(int)


X, Y = _data()
Z = (X - X.mean(0)) / X.std(0)
ORDER = np.random.default_rng(2).permutation(N)
MORE, MORE_Y = (
    np.random.default_rng(3).normal(size=(4000, 5)),
    np.random.default_rng(4).integers(0, 2, 4000),
)

VARIANTS = {
    "permuted": (X[ORDER], Y[ORDER]),
    "plus 1e-12": (X + 1e-12, Y),
    "rounded at 1e-12": (X.round(12), Y),
    "float32": (X.astype(np.float32), Y),
    "columns reordered": (X[:, ::-1], Y),
    "column added": (np.c_[X, MORE[:N, 0]], Y),
    "column dropped": (X[:, 1:], Y),
    "standardised": (Z, Y),
    "999 rows": (X[:999], Y[:999]),
    "half": (X[ORDER[:500]], Y[ORDER[:500]]),
    "a row twice": (np.r_[X, X[:1]], np.r_[Y, Y[:1]]),
    "labels as text": (X, Y.astype(str)),
    "labels as bool": (X, Y.astype(bool)),
    "labels turned": (X, 1 - Y),
    "frame": (pd.DataFrame(X, columns=list("abcde")), pd.Series(Y)),
    "copy": (X.copy(order="F"), Y.copy()),
    "sparse": (sparse.csr_matrix(X), Y),
    "superset of 1.5": (np.r_[X, MORE[:500]], np.r_[Y, MORE_Y[:500]]),
    "superset of 5": (np.r_[X, MORE], np.r_[Y, MORE_Y]),
    "fold of 200": (X[:200], Y[:200]),
    "fold of 100": (X[:100], Y[:100]),
    "min-max": ((X - X.min(0)) / np.ptp(X, axis=0), Y),
    "logarithm": (np.log(X - X.min(0) + 1.0), Y),
    "ranks": (X.argsort(0).argsort(0).astype(float), Y),
    "negative": (-X, Y),
    "standardised float32": (Z.astype(np.float32), Y),
    "standardised, labels turned": (Z, 1 - Y),
    "standardised, 900 rows": (Z[ORDER[:900]], Y[ORDER[:900]]),
    "float16": (X.astype(np.float16), Y),
    "3 of 10 rows old": (np.r_[X[:300], MORE[:700]], np.r_[Y[:300], MORE_Y[:700]]),
    "one column kept, four squared": (np.c_[X[:, 0], X[:, 1:] ** 2], Y),
}

NEEDS_LABELS = {"ranks"}


@pytest.fixture(scope="module")
def old() -> tuple[RowSketch, ...]:
    return sketch_rows(X, Y, key=KEY)


@pytest.mark.share(5)
@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_rows_are_recognised_in_both_directions(name: str, old: tuple[RowSketch, ...]) -> None:
    new = sketch_rows(*VARIANTS[name], key=KEY)
    there, back = find_overlap(old, new), find_overlap(new, old)
    assert there is not None and back is not None
    assert there.reads_labels == back.reads_labels == (name in NEEDS_LABELS)


@pytest.mark.share(5)
@pytest.mark.parametrize("name", sorted(set(VARIANTS) - NEEDS_LABELS))
def test_features_alone_recognise_them(name: str) -> None:
    features = VARIANTS[name][0]
    assert find_overlap(sketch_rows(X, key=KEY), sketch_rows(features, key=KEY)) is not None


@pytest.fixture
def in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are read as many are: in blocks, and sorted columns in their middle."""
    for name, value in {"_MANY": 400, "_PROBED": 300, "_BLOCK": 128}.items():
        monkeypatch.setattr(f"validstats.intake.sketches.{name}", value)


def test_blocks_give_the_smallest_tokens_of_all(old: tuple[RowSketch, ...], in_blocks: None) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 40, (N, 4)).astype(float)
    text = pd.DataFrame({"a": rng.integers(0, 10**6, N).astype(str), "b": coarse[:, 0]})
    for rows in (X, coarse, text, np.where(rng.random((N, 3)) < 0.4, np.nan, X[:, :3])):
        blocks = [s for s in sketch_rows(rows, Y, key=KEY) if s.family in ("value", "joint", "half")]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("validstats.intake.sketches._MANY", N)
            whole = [s for s in sketch_rows(rows, Y, key=KEY) if s.family in ("value", "joint", "half")]
        assert len(whole) > 0 and len(blocks) == len(whole)
        for a, b in zip(blocks, whole, strict=True):
            np.testing.assert_array_equal(a.tokens, b.tokens)
            assert a.family == b.family and a.once == pytest.approx(b.once, abs=4 * 0.3 / np.sqrt(300))


@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_rows_are_recognised_in_blocks(name: str, in_blocks: None) -> None:
    new = sketch_rows(*VARIANTS[name], key=KEY)
    assert find_overlap(sketch_rows(X, Y, key=KEY), new) is not None


@pytest.mark.slow
def test_many_rows_are_recognised_as_few_are() -> None:
    rng = np.random.default_rng(0)
    n = 100_000
    rows, more = rng.normal(size=(2, n, 5))
    labels, more_labels = (part[:, 0] + rng.normal(size=n) > 0 for part in (rows, more))
    scaled, order = (rows - rows.mean(0)) / rows.std(0), rng.permutation(n)
    known = sketch_rows(rows, labels, key=KEY)
    for new in (
        (rows[order], labels[order]),
        (rows.astype(np.float32), labels),
        (rows.astype(np.float16), labels),
        (rows[: n // 10], labels[: n // 10]),
        (np.r_[rows[: 3 * n // 10], more[3 * n // 10 :]], labels),
        (-scaled, ~labels),
        (scaled.astype(np.float32)[order], labels[order]),
        (scaled[order[: 9 * n // 10]], labels[order[: 9 * n // 10]]),
        (np.log(rows - rows.min(0) + 1.0), labels),
        (rows.argsort(0).argsort(0).astype(float), labels),
        (np.c_[rows[:, 0], rows[:, 1:] ** 2], labels),
    ):
        assert find_overlap(known, sketch_rows(*new, key=KEY)) is not None
        assert find_overlap(sketch_rows(*new, key=KEY), known) is not None
    assert find_overlap(known, sketch_rows(more, more_labels, key=KEY)) is None


def test_digests_of_whole_rows_miss_what_sketches_see() -> None:
    missed = [
        name
        for name, (features, _) in VARIANTS.items()
        if not np.isin(row_digests(features), row_digests(X)).any()
    ]
    assert {"plus 1e-12", "float32", "column added", "standardised", "min-max", "negative"} <= set(missed)


@pytest.mark.parametrize(
    "rows",
    [
        X @ np.linalg.qr(np.random.default_rng(5).normal(size=(5, 5)))[0],
        X.round(3),
        Z[ORDER[:500]],
        np.r_[X[:100], MORE[:900]],
        X + 1e-4 * MORE[:N],
    ],
    ids=["rotation", "three digits", "standardised half", "a tenth", "noise"],
)
def test_what_the_documentation_names_as_missed_is_missed(rows: np.ndarray) -> None:
    assert find_overlap(sketch_rows(X, key=KEY), sketch_rows(rows, key=KEY)) is None


def test_binary_columns_alone_say_nothing() -> None:
    assert sketch_rows(np.random.default_rng(0).integers(0, 2, (500, 5)), key=KEY) == ()


@pytest.mark.parametrize("n", [300, 1000, 20_000])
def test_half_precision_is_recognised_whatever_the_rows_and_the_key(n: int) -> None:
    for seed in range(4):
        rows = np.random.default_rng([seed, n]).normal(size=(n, 3))
        halved = rows[::-1, ::-1].astype(np.float16)
        key = bytes([seed])
        overlap = find_overlap(sketch_rows(rows, key=key), sketch_rows(halved, key=key))
        assert overlap is not None and overlap.share > 0.9
        assert overlap.family in {"half", "value"}


def _categories(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.column_stack([rng.integers(0, 4, n) for _ in range(10)]).astype(str)


@pytest.mark.parametrize("change", ["none", "added", "dropped", "recoded", "rows"])
def test_categorical_rows_are_recognised_with_one_column_changed(change: str) -> None:
    rows = _categories(np.random.default_rng(0), 1000)
    new = {
        "none": rows[::-1],
        "added": np.insert(rows, 3, "x", axis=1),
        "dropped": np.delete(rows, 4, axis=1),
        "recoded": np.column_stack([rows[:, :2], np.char.add("level ", rows[:, 2]), rows[:, 3:]]),
        "rows": rows[:700],
    }[change]
    if change == "added":
        new[::2, 3] = "y"
    overlap = find_overlap(sketch_rows(rows, key=KEY), sketch_rows(new, key=KEY))
    assert overlap is not None
    assert overlap.family == "joint"


def _populations(rng: np.random.Generator):
    for name in ("iris", "wine", "breast_cancer", "diabetes"):
        yield getattr(datasets, f"load_{name}")(return_X_y=True)
    n = 2000
    yield _categories(rng, n), rng.integers(0, 3, n)
    yield np.exp(rng.normal(7, 1, (n, 3))).round(2), rng.integers(0, 2, n)
    yield rng.integers(0, 20_000, (n, 2)), rng.integers(0, 2, n)
    yield np.datetime64("2020-01-01") + rng.integers(0, 2000, (n, 2)), rng.integers(0, 2, n)
    yield rng.normal(size=(n, 4)), rng.normal(size=n)
    yield rng.normal(size=(n, 4)), (rng.random(n) < 0.03).astype(int)


@pytest.mark.share(3)
@pytest.mark.parametrize("seed", range(5))
def test_two_halves_of_a_population_are_not_the_same_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for features, labels in _populations(rng):
        order = rng.permutation(len(features))
        half = len(order) // 2
        a = sketch_rows(features[order[:half]], labels[order[:half]], key=bytes([seed]))
        b = sketch_rows(features[order[half:]], labels[order[half:]], key=bytes([seed]))
        assert find_overlap(a, b) is None


def _float32_without_four_bits(value: float) -> int:
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return (bits + 8) & ~15


@pytest.mark.parametrize("n_old", [300, 600, 1000])
def test_share_is_that_of_exact_sets_of_values(n_old: int) -> None:
    new = np.r_[X[:n_old, :1], MORE[: N - n_old, :1]]
    exact = [{_float32_without_four_bits(v) for v in rows[:, 0]} for rows in (X, new)]
    share = len(exact[0] & exact[1]) / N
    overlap = find_overlap(sketch_rows(X[:, :1], key=KEY), sketch_rows(new, key=KEY))
    assert overlap is not None
    # the sample of some 128 of N rows, without replacement
    spread = math.sqrt(share * (1 - share) / overlap.n_compared)
    assert abs(overlap.share - share) <= 4 * spread + 1e-12


def test_another_key_recognises_nothing() -> None:
    assert find_overlap(sketch_rows(X, Y, key=b"a"), sketch_rows(X, Y, key=b"b")) is None


def test_only_sketches_with_labels_depend_on_them(old: tuple[RowSketch, ...]) -> None:
    other = sketch_rows(X, np.random.default_rng(9).integers(0, 2, N), key=KEY)
    for a, b in zip(old, other, strict=False):
        if not a.reads_labels:
            assert a.family == b.family and np.array_equal(a.tokens, b.tokens)
    assert any(sketch.reads_labels for sketch in old)


def test_an_overlap_shown_by_labels_prints_no_number(old: tuple[RowSketch, ...]) -> None:
    overlap = find_overlap(old, sketch_rows(*VARIANTS["ranks"], key=KEY))
    assert not any(character.isdigit() for character in str(overlap))


def test_a_numeric_outcome_recognises_rows_but_is_marked() -> None:
    outcome = np.random.default_rng(6).normal(size=N)
    overlap = find_overlap(sketch_rows(X, outcome, key=KEY), sketch_rows(MORE[:N], 2 * outcome + 1, key=KEY))
    assert overlap is not None and overlap.reads_labels and str(overlap) == "its outcome"


def test_sketches_survive_a_file(old: tuple[RowSketch, ...]) -> None:
    for sketch in old:
        read = RowSketch.from_dict(sketch.to_dict())
        assert np.array_equal(read.tokens, sketch.tokens)
        assert (read.family, read.n, read.once, read.reads_labels) == (
            sketch.family, sketch.n, sketch.once, sketch.reads_labels,
        )  # fmt: skip
        assert len(sketch.tokens) <= 128


def test_missing_values_do_not_hide_a_column() -> None:
    rows = X[:, :2].copy()
    rows[np.random.default_rng(0).random(rows.shape) < 0.2] = np.nan
    overlap = find_overlap(sketch_rows(rows, key=KEY), sketch_rows(rows[::-1, :1], key=KEY))
    assert overlap is not None and overlap.share == 1.0


@pytest.mark.parametrize(
    "rows", [np.empty((0, 3)), np.ones((5, 2)), ["a", "b"], np.full((40, 2), np.nan), [[1e300], [-1e300]]]
)
def test_odd_rows_have_no_sketch_and_raise_nothing(rows: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sketch_rows(rows, key=KEY) == ()


def test_text_rows_are_recognised() -> None:
    questions = [f"What is {i} times {i + 1}?" for i in range(300)]
    overlap = find_overlap(sketch_rows(questions, key=KEY), sketch_rows(questions[100:], key=KEY))
    assert overlap is not None and overlap.family == "value"


def test_ids_recognise_a_hundredth_of_the_rows() -> None:
    old = sketch_ids([f"patient {i}" for i in range(1000)], key=KEY)
    few = sketch_ids([f"patient {i}" for i in range(995, 1495)], key=KEY)
    fewer = sketch_ids([f"patient {i}" for i in range(996, 1996)], key=KEY)
    overlap = find_overlap([old], [few])
    assert overlap is not None and str(overlap) == "5 of 500 identifiers"
    assert find_overlap([old], [fewer]) is None


def test_ids_are_the_same_in_any_type() -> None:
    numbers = np.array([17, 3, 99])
    for other in (numbers.astype(float), numbers.astype(object), [99, 17, 3], pd.Series(numbers)):
        assert np.array_equal(sketch_ids(other, key=KEY).tokens, sketch_ids(numbers, key=KEY).tokens)
    assert not np.isin(
        sketch_ids(numbers.astype(str), key=KEY).tokens, sketch_ids(numbers, key=KEY).tokens
    ).any()


@pytest.mark.parametrize("ids", [range(20), range(1, 21), np.arange(20.0)[::-1], np.arange(20, dtype=object)])
def test_row_numbers_are_no_identifiers(ids: object) -> None:
    with pytest.raises(ValueError, match=r"row numbers 0\.\.n-1 or 1\.\.n.*id_namespace"):
        sketch_ids(list(ids), key=KEY)  # type: ignore[call-overload]
    named = sketch_ids(list(ids), key=KEY, namespace="clinic A")  # type: ignore[call-overload]
    assert find_overlap([named], [sketch_ids(list(range(20)), key=KEY, namespace="clinic B")]) is None


def test_bad_ids_are_refused_by_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"1 identifier\(s\) that occur before"):
        sketch_ids(["a", "b", "a"], key=KEY)
    with pytest.raises(ValueError, match=r"1 missing value"):
        sketch_ids(["a", None], key=KEY)
    with pytest.raises(ValueError, match="one identifier a row"):
        sketch_ids([["a"], ["b"]], key=KEY)


@pytest.mark.parametrize(
    "numbering",
    [
        np.arange(800),
        np.arange(1, 801)[::-1],
        pd.date_range("2024-01-01", periods=800, freq="h"),
        pd.bdate_range("2024-01-01", periods=800),
    ],
    ids=["from 0", "backwards", "hours", "business days"],
)
def test_numbers_of_rows_and_regular_dates_do_not_make_unrelated_rows_the_same(numbering) -> None:
    rng = np.random.default_rng(0)
    first, second = (
        pd.DataFrame({"t": numbering, "a": rng.normal(size=800), "b": rng.normal(size=800)}) for _ in range(2)
    )
    assert find_overlap(sketch_rows(first, key=KEY), sketch_rows(second, key=KEY)) is None
    assert find_overlap(sketch_rows(first, key=KEY), sketch_rows(first[["t", "b"]], key=KEY)) is not None


def test_days_have_digests_of_their_own() -> None:
    days = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=200), "x": 1.0})
    digests = row_digests(days)
    assert len(np.unique(digests, axis=0)) == 200
    assert np.array_equal(row_digests(days.iloc[::-1]), digests[::-1])
