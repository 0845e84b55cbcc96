"""The RAND health insurance experiment."""

import numpy as np
import pytest

from validstats import intake as frames
from validstats.datasets import RANDHIE_FEATURES, load_randhie


def test_table():
    table = load_randhie()
    assert table.shape == (20190, 10)
    assert list(table.columns) == ["mdvis", *RANDHIE_FEATURES]
    assert not table.isna().any().any()
    assert table["mdvis"].sum() == 57752
    assert (table["mdvis"].min(), table["mdvis"].max()) == (0, 77)
    assert table["hlthp"].sum() == 302
    assert table["disea"].sum() == pytest.approx(227026.3, abs=0.1)


def test_return_X_y():
    X, visits = load_randhie(return_X_y=True)
    assert X.shape == (20190, 9) and visits.shape == (20190,)
    assert visits.dtype == np.float64 and "mdvis" not in X.columns
    visits[:] = -1
    assert load_randhie(return_X_y=True)[1].min() == 0


@pytest.mark.parametrize("backend", ["polars", "pyarrow"])
def test_backends_agree(backend):
    pytest.importorskip(backend)
    table, other = load_randhie(), load_randhie(backend)
    assert frames.backend_of(other) == backend
    for name in table.columns:
        np.testing.assert_array_equal(frames.column(other, name), table[name].to_numpy())
