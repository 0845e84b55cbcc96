from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from validstats.exceptions import DataReuseWarning
from validstats.intake import (
    first_look,
    reuse_sample,
    row_digests,
    row_marks,
    shared_rows,
    shares_rows,
    training_sample,
    warn_data_reuse,
)

TRAINING = np.arange(100, dtype=np.uint64)


def test_shared_rows_are_counted_and_named() -> None:
    with pytest.warns(DataReuseWarning, match=r"^6 of the 100 reference rows \(6%\)"):
        assert warn_data_reuse(TRAINING, np.arange(94, 194, dtype=np.uint64)) == 0.06


def test_honest_duplicates_pass() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warn_data_reuse(TRAINING, np.arange(95, 195, dtype=np.uint64)) == 0.05
        assert warn_data_reuse(TRAINING, np.zeros(0, dtype=np.uint64)) == 0.0


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


def test_a_sample_decides_for_many_rows() -> None:
    n = 1_000_000
    assert reuse_sample(8000) is None and training_sample(4096) is None
    assert len(training_sample(4097)) == 4096 and len(training_sample(160_000)) == 10_000
    chosen, kept = reuse_sample(n), training_sample(n)
    for positions, size in ((chosen, 2_000), (kept, 62_500)):
        assert len(np.unique(positions)) == size and positions.min() >= 0 and positions.max() < n
        assert (np.diff(positions) > 0).all()
    training = np.arange(n, dtype=np.uint64)
    reference = np.arange(n // 2, n + n // 2, dtype=np.uint64)[chosen]
    with pytest.warns(
        DataReuseWarning, match=r"^About [45]\d% of the 1,000,000 reference rows \(by a sample\)"
    ):
        share = warn_data_reuse(training, reference, n)
    assert share == pytest.approx(0.5, abs=0.03)
    mixed = np.random.default_rng(0).permutation(n).astype(np.uint64)  # rows do not know where others stand
    with pytest.warns(DataReuseWarning, match="by a sample"):
        share = warn_data_reuse(np.sort(mixed[kept]), reference, n, n)
    # 1,000 of the rows that are looked at were trained on, of which 6.25 % are remembered
    assert share == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(62.5))
    assert warn_data_reuse(np.sort(mixed[kept]), reference + np.uint64(n), n, n) == 0.0


@pytest.mark.parametrize(("n_training", "n_reference"), [(1_400, 600), (20_000, 20_000), (400_000, 400_000)])
def test_few_rows_at_first_notice_a_share_of_one_in_ten(n_training, n_reference) -> None:
    kept = training_sample(n_training)
    seen = 1.0 if kept is None else len(kept) / n_training
    first = first_look(n_reference, seen)
    assert len(first) <= 800
    rng = np.random.default_rng(0)
    training = np.sort(rng.integers(0, 2**62, round(seen * n_training)).astype(np.uint64))
    missed = 0
    for _ in range(300):
        remembered = rng.random(len(first)) < 0.1 * seen
        reference = rng.integers(2**62, 2**63, len(first)).astype(np.uint64)
        reference[remembered] = rng.choice(training, int(remembered.sum()))
        missed += not shares_rows(training, reference)
    # exp(-5) where a sixteenth of the training rows is remembered, exp(-10) otherwise
    assert stats.binomtest(missed, 300, np.exp(-5), alternative="greater").pvalue > 1e-3
    assert not shares_rows(training, rng.integers(2**62, 2**63, 800).astype(np.uint64))
    assert not shares_rows(training[:0], training[:5])


def test_marks_of_rows_are_the_same_in_any_container() -> None:
    import polars as pl

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
    ):
        np.testing.assert_array_equal(row_marks(same, y), expected)
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
    training, reference = (np.sort(row_digests(part, tolerant=True)) for part in (X[:2000], X[2000:]))
    assert warn_data_reuse(training, reference) < 0.001


def coarse(rng: np.random.Generator, n: int, rate: float) -> np.ndarray:
    return row_digests(rng.poisson(rate, (n, 4)).astype(float))


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
