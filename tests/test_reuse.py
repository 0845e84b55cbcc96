from __future__ import annotations

import copy
import pickle
import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from validstats.exceptions import DataReuseWarning
from validstats.intake import TrainingRows, row_digests, row_marks, shared_rows, warn_data_reuse

TRAINING = np.arange(100, dtype=np.uint64)


def test_shared_rows_are_counted_and_named() -> None:
    with pytest.warns(DataReuseWarning, match=r"^6 of the 100 reference rows \(6%\)"):
        assert warn_data_reuse(TRAINING, np.arange(94, 194, dtype=np.uint64)) == 0.06


def test_honest_duplicates_pass() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warn_data_reuse(TRAINING, np.arange(95, 195, dtype=np.uint64)) == 0.05
        assert warn_data_reuse(TRAINING, np.zeros(0, dtype=np.uint64)) == 0.0


@pytest.mark.share(3)
@pytest.mark.parametrize(("n_training", "n_reference"), [(50, 3_000), (3_000, 50), (2_000, 2_000)])
def test_the_share_is_exact_whichever_side_is_larger(n_training, n_reference) -> None:
    rng = np.random.default_rng(0)
    training, reference = (
        rng.integers(0, 2**14, n).astype(np.uint64) << np.uint64(30) for n in (n_training, n_reference)
    )
    reference[: n_reference // 2] = rng.integers(0, 2**63, n_reference // 2).astype(np.uint64)
    shared = sum(value in set(training.tolist()) for value in reference.tolist())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataReuseWarning)
        assert warn_data_reuse(training, reference) == shared / n_reference


def table(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    X = rng.normal(size=(n, 2))
    return X, X[:, 0] + rng.normal(size=n)


def test_a_sample_decides_for_many_rows() -> None:
    rng = np.random.default_rng(0)
    n = 200_000
    X, y = table(n, rng)
    assert len(TrainingRows.of(X[:4096], y[:4096]).marks) == 4096
    assert len(TrainingRows.of(X[:4097], y[:4097]).marks) == 4096
    trained = TrainingRows.of(X, y)
    assert len(np.unique(trained.marks)) == n // 16 // 8 * 8
    order = rng.permutation(n)  # rows do not know where others stand
    new_X, new_y = table(n // 2, rng)
    reference = np.concatenate([X[order[: n // 2]], new_X]), np.concatenate([y[order[: n // 2]], new_y])
    for part in (rng.permutation(n), rng.permutation(n)):
        with pytest.warns(DataReuseWarning, match="by a sample") as caught:
            trained.warn_about(reference[0][part], reference[1][part])
        said = next(str(w.message) for w in caught if issubclass(w.category, DataReuseWarning))
        share = int(said.partition("About ")[2].partition("%")[0]) / 100
        # 1,000 of the rows that are looked at were trained on, of which 6.25 % are remembered
        assert share == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(62.5))
    assert not trained.among(new_X, new_y)


def as_table(X: np.ndarray, y: np.ndarray, kind: str) -> tuple[object, np.ndarray]:
    import polars as pl
    from scipy import sparse

    if kind == "words":  # nothing but whole rows tells them apart
        return pd.DataFrame({"a": np.round(X[:, 0], 1).astype(str), "b": np.round(X[:, 1], 1)}), y > 0
    made = {
        "array": lambda: X,
        "columns": lambda: np.asfortranarray(X),
        "pandas": lambda: pd.DataFrame(X, columns=["a", "b"]),
        "polars": lambda: pl.DataFrame(X, schema=["a", "b"]),
        "sparse": lambda: sparse.csr_matrix(X),
        "list": X.tolist,
    }[kind]()
    return made, (y > 0) if kind == "polars" else y


@pytest.mark.parametrize("kind", ["array", "columns", "pandas", "polars", "sparse", "list", "words"])
@pytest.mark.parametrize(("n_training", "n_reference"), [(1_400, 600), (20_000, 20_000)])
def test_few_rows_at_first_notice_a_share_of_one_in_ten(kind, n_training, n_reference) -> None:
    if kind in ("list", "words") and n_training > 2_000:
        pytest.skip("slow to make, and looked at alike")
    rng = np.random.default_rng(0)
    X, y = table(n_training, rng)
    trained = TrainingRows.of(*as_table(X, y, kind))
    missed = 0
    for _ in range(12):
        new, label = table(n_reference, rng)
        old = rng.choice(n_training, n_reference // 10, replace=False)
        new[: len(old)], label[: len(old)] = X[old], y[old]
        part = rng.permutation(n_reference)
        missed += not trained.among(*as_table(new[part], label[part], kind))
    # exp(-10) each
    assert missed == 0
    if kind != "words":
        assert not trained.among(*as_table(*table(n_reference, rng), kind))


@pytest.mark.parametrize("first", ["array", "pandas", "sparse", "list"])
@pytest.mark.parametrize("then", ["array", "pandas", "polars", "sparse", "list"])
def test_rows_are_noticed_in_another_container(first, then) -> None:
    rng = np.random.default_rng(0)
    X, y = table(500, rng)
    made = as_table(X, y, "polars")[1] if then == "polars" else y
    trained = TrainingRows.of(as_table(X, y, first)[0], made)
    assert trained.among(as_table(X, y, then)[0], made)
    assert not trained.among(as_table(X[:, ::-1], y, then)[0], made)


@pytest.mark.parametrize("scale", [1e300, 1e-300, np.inf, np.nan])
def test_odd_sizes_hide_no_rows_and_raise_nothing(scale) -> None:
    X, _ = table(500, np.random.default_rng(0))
    X[::7] *= np.sign(scale) * min(abs(scale), 1e150) if np.isfinite(scale) else scale
    X *= scale**0.5 if np.isfinite(scale) else 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained = TrainingRows.of(X, X[:, 0])
        assert trained.among(X[100:], X[100:, 0])
        assert not trained.among(X[:, ::-1], X[:, 0])


def test_every_row_that_trained_is_noticed_by_itself() -> None:
    """Rounding to float32 goes either way: no step of the look may lose a row."""
    X, y = table(300, np.random.default_rng(0))
    trained = TrainingRows.of(X, y)
    assert all(trained.among(X[i : i + 1], y[i : i + 1]) for i in range(300))
    telling = TrainingRows.of(X, y > 0)
    assert telling.column == 0 and trained.column == -1
    assert all(telling.among(X[i : i + 1], y[i : i + 1] > 0) for i in range(300))


@pytest.mark.parametrize("kind", ["array", "columns", "pandas", "polars", "sparse", "list"])
@pytest.mark.parametrize("n", [500, 5_000])
def test_rows_that_change_after_training_are_remembered_as_they_were(kind, n) -> None:
    X, y = table(n, np.random.default_rng(0))
    rows, labels = as_table(X.copy(), y.copy(), kind)
    trained = TrainingRows.of(rows, labels)
    if kind in ("array", "columns"):
        rows[:] = 0.0
    elif kind == "pandas":
        rows.loc[:, "a"] = 0.0
    elif kind == "sparse":
        rows.data[:] = 0.0
    elif kind == "list":
        rows.clear()
    seen = labels.copy()
    labels[:] = 0
    assert "marks" in trained.__dict__ or kind in ("array", "columns", "pandas", "polars")
    assert trained.among(X, seen)


@pytest.mark.parametrize("kind", ["array", "pandas", "polars"])
@pytest.mark.parametrize("copied", [lambda held: pickle.loads(pickle.dumps(held)), copy.deepcopy])
def test_copies_hold_marks_and_no_rows(kind, copied) -> None:
    X, y = table(500, np.random.default_rng(0))
    rows, y = as_table(X, y, kind)
    trained = TrainingRows.of(rows, y)
    assert trained.kept is not None
    again = copied(trained)
    assert again.kept is None and again.among(X, y) and not again.among(X[:, ::-1], y)
    np.testing.assert_array_equal(again.marks, row_marks(X, y))


def test_wide_rows_are_marked_at_once_and_not_copied() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 300)), rng.normal(size=500)
    assert TrainingRows.of(X, y).kept is None
    assert TrainingRows.of(X[:, :200], y).kept is not None


def test_a_column_whose_first_values_repeat_is_judged_by_all() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 1))
    X[2:5] = X[1]  # three repeated values
    assert TrainingRows.of(X, np.zeros(20_000)).column == 0
    X[:64] = X[64:128]  # seven in every thousand, all in front
    assert TrainingRows.of(X, np.zeros(20_000)).column is None


def test_coarse_rows_are_noticed_by_how_often_each_occurs() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 2, (2, 300, 6)).astype(float), rng.integers(0, 2, 300)
    trained, order = TrainingRows.of(X[0], y), rng.permutation(300)
    with pytest.warns(DataReuseWarning):
        trained.warn_about(X[0][order], y[order])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained.warn_about(X[1], y)
        trained.warn_about(X[1][:200], y[:200])


def test_a_wide_sparse_matrix_is_never_made_dense() -> None:
    import tracemalloc

    from scipy import sparse

    rng = np.random.default_rng(0)
    cells = rng.normal(size=40_000), rng.integers(0, 200_000, 40_000), np.arange(0, 40_001, 20)
    X = sparse.csr_matrix(cells, shape=(2_000, 200_000))
    y = rng.normal(size=2_000)
    tracemalloc.start()
    trained = TrainingRows.of(X, y)
    assert tracemalloc.get_traced_memory()[1] < 20e6  # 3.2 GB as a dense matrix
    tracemalloc.stop()
    assert trained.among(X[500:], y[500:]) and not trained.among(X, y[::-1])
    small = X[:100, :5_000]
    np.testing.assert_array_equal(row_marks(small, y[:100]), row_marks(small.toarray(), y[:100]))
    some = np.array([3, 5, 8])
    np.testing.assert_array_equal(row_marks(X, y, some), row_marks(X, y)[some])


def test_marks_of_rows_are_the_same_in_any_container() -> None:
    import polars as pl
    import pyarrow as pa
    from scipy import sparse

    rng = np.random.default_rng(0)
    X, y = np.round(rng.normal(size=(40, 3)), 2), rng.integers(0, 2, 40)
    expected = row_marks(X, y)
    assert len(np.unique(expected)) == 40
    for same in (
        X.tolist(),
        pd.DataFrame(X),
        pl.DataFrame(X),
        np.asfortranarray(X),
        X[::-1][::-1],
        X.astype(np.float32),
        X.astype(object),
        pa.table(pd.DataFrame(X, columns=["a", "b", "c"])),
        sparse.csc_matrix(X),
    ):
        np.testing.assert_array_equal(row_marks(same, y), expected)
        np.testing.assert_array_equal(row_marks(same, y, np.array([7, 31])), expected[[7, 31]])
    verdicts = np.where(y, "yes", "a longer no")
    np.testing.assert_array_equal(row_marks(X, verdicts), row_marks(X, verdicts.astype(object)))
    np.testing.assert_array_equal(row_marks(X, y.astype(bool)), expected)
    assert not np.isin(row_marks(X, 1 - y), expected).any()
    assert not np.isin(row_marks(X[:, ::-1], y), expected).any()
    words = pd.DataFrame({"a": X[:, 0], "word": np.where(y, "yes", "no")})
    assert len(np.unique(row_marks(words, y))) == len(words.drop_duplicates())
    tuples = np.array(np.meshgrid(*[np.arange(12)] * 4)).reshape(4, -1).T
    for scale in (1.0, 0.125, 2.0**20):
        assert len(np.unique(row_marks(tuples * scale, tuples[:, 0]))) == 12**4


@pytest.mark.parametrize(
    "change", ["float32", "rounded", "copy", "reversed", "subset", "superset", "frame", "columns in order F"]
)
def test_rows_that_trained_are_recognised_after_small_changes(change) -> None:
    from sklearn.linear_model import LinearRegression

    from validstats import BatchMean, BatchPredictor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4))
    y = X[:, 0] + rng.normal(size=600)
    model = BatchPredictor(
        LinearRegression(), BatchMean(), bounds=(-9, 9), calibration_size=1, random_state=0
    ).fit(X, y)
    changed = {
        "float32": lambda: (X.astype(np.float32), y),
        "rounded": lambda: (np.round(X, 12) + 1e-13, y),
        "copy": lambda: (X.copy(), y.tolist()),
        "reversed": lambda: (X[::-1], y[::-1]),
        "subset": lambda: (X[:90], y[:90]),
        "superset": lambda: (np.vstack([X, rng.normal(size=(600, 4))]), np.append(y, rng.normal(size=600))),
        "frame": lambda: (np.asarray(X.tolist(), dtype=object).astype(float), y),
        "columns in order F": lambda: (np.asfortranarray(X), y),
    }[change]()
    with pytest.warns(DataReuseWarning, match="reference rows"):
        model.calibrate(*changed)


def test_rows_of_one_source_are_not_the_same() -> None:
    rng = np.random.default_rng(1)
    X = np.round(rng.normal(size=(4000, 3)), 3)
    training, reference = (np.sort(row_marks(part, np.zeros(2000))) for part in (X[:2000], X[2000:]))
    assert warn_data_reuse(training, reference) < 0.001


def coarse(rng: np.random.Generator, n: int, rate: float) -> np.ndarray:
    return row_digests(rng.poisson(rate, (n, 4)).astype(float))


@pytest.mark.share(2)
@pytest.mark.parametrize(
    ("m", "n", "rate"), [(150, 150, 2.0), (60, 400, 2.0), (400, 60, 2.0), (200, 200, 0.4)]
)
def test_samples_of_coarse_rows_share_what_chance_gives(m, n, rate) -> None:
    rng = np.random.default_rng(0)
    pairs = [(coarse(rng, m, rate), coarse(rng, n, rate)) for _ in range(300)]
    assert np.mean([np.isin(own, others).mean() > 0.05 for own, others in pairs]) > 0.8  # the naive rule
    alarms = sum(shared_rows(own, others, chance=0.02) > 0 for own, others in pairs)
    assert stats.binomtest(alarms, 300, 0.02, alternative="greater").pvalue > 1e-3


@pytest.mark.parametrize("part", [1.0, 0.5, 0.25])
def test_rows_are_found_among_coarse_ones(part) -> None:
    rng = np.random.default_rng(1)
    training, new = coarse(rng, 1500, 2.0), coarse(rng, 1500, 2.0)
    reference = np.concatenate([training[: int(1500 * part)], new[int(1500 * part) :]])
    assert shared_rows(training, rng.permutation(reference)) > 50
    assert not shared_rows(training, new)
    with pytest.warns(DataReuseWarning):
        warn_data_reuse(np.sort(training), reference)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warn_data_reuse(np.sort(training), new) > 0.2


def test_the_chance_of_pairs_is_that_of_all_assignments() -> None:
    """By hand: of all ways to give six rows to two samples of three, two equal rows fall apart in 12 of 20."""
    chosen = list(combinations(range(6), 3))
    assert sum((0 in part) != (1 in part) for part in chosen) / len(chosen) == 2 * 3 * 3 / (6 * 5) == 0.6
    same = np.arange(3, dtype=np.uint64)
    assert shared_rows(same, same, chance=0.21) == 0  # all three pairs apart: .6^3 = .216
    assert shared_rows(same, same, chance=0.22) == 3
