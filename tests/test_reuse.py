from __future__ import annotations

import warnings

import numpy as np
import pytest

from validstats.exceptions import DataReuseWarning
from validstats.intake import reuse_sample, warn_data_reuse

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
    assert reuse_sample(8000) is None
    chosen = reuse_sample(n)
    assert 3900 < len(chosen) <= 4000 and chosen.max() < n
    training = np.arange(n, dtype=np.uint64)
    with pytest.warns(
        DataReuseWarning,
        match=r"^About [45]\d% of the 1,000,000 reference rows \([0-9,]+ of 3,9\d\d sampled\)",
    ):
        share = warn_data_reuse(training, np.arange(n // 2, n + n // 2, dtype=np.uint64)[chosen], n)
    assert share == pytest.approx(0.5, abs=0.03)
