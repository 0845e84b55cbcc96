from __future__ import annotations

import warnings

import numpy as np
import pytest

from validstats.exceptions import DataReuseWarning
from validstats.reuse import warn_data_reuse

TRAINING = np.arange(100, dtype=np.uint64)


def test_shared_rows_are_counted_and_named() -> None:
    with pytest.warns(DataReuseWarning, match=r"^6 of the 100 reference rows \(6%\)"):
        assert warn_data_reuse(TRAINING, np.arange(94, 194, dtype=np.uint64)) == 0.06


def test_honest_duplicates_pass() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warn_data_reuse(TRAINING, np.arange(95, 195, dtype=np.uint64)) == 0.05
        assert warn_data_reuse(TRAINING, np.zeros(0, dtype=np.uint64)) == 0.0
