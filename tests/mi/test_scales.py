"""Family-wise selection among statistics of different scales, warnings of workers, and settings that nothing reads."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from validstats.exceptions import SparseCellsWarning
from validstats.mi import (
    MISelector,
    MutualInformationMatrix,
    independence_test,
    mutual_info,
    mutual_info_matrix,
)
from validstats.mi.selection import max_t_p_values, standardise_columns
from validstats.runtime import collect_warnings, repeat_warnings

# --- max-T on one scale -----------------------------------------------------------------------------------

SCALES = (np.square, lambda r: 10 * np.abs(r) - 5, lambda r: np.exp(8 * np.abs(r))) * 2


def permuted_statistics(effect, generator, scales=SCALES, n=40, n_permutations=49):
    """Functions of the correlations of dependent features with y, of a scale each; the effect is in the first."""
    y = generator.standard_normal(n)
    X = generator.standard_normal((n, len(scales))) + 0.3 * generator.standard_normal((n, 1))
    X[:, 0] += effect * y
    orders = np.vstack([y, *(generator.permutation(y) for _ in range(n_permutations))])
    r = stats.zscore(orders, axis=1) @ stats.zscore(X, axis=0) / n
    return np.column_stack([scale(column) for scale, column in zip(scales, r.T)])


@pytest.mark.slow
def test_the_family_wise_error_rate_holds_on_every_scale_and_power_returns() -> None:
    generator = np.random.default_rng(0)
    n_sets, limit, errors, found, found_before = 400, Fraction(1, 10), 0, 0, 0
    for _ in range(n_sets):
        values = permuted_statistics(0.0, generator)
        errors += min(max_t_p_values(*standardise_columns(values[0], values[1:]))) <= limit
        values = permuted_statistics(0.6, generator)
        found += max_t_p_values(*standardise_columns(values[0], values[1:]))[0] <= limit
        found_before += max_t_p_values(values[0], values[1:])[0] <= limit
    assert stats.binom.sf(errors - 1, n_sets, 0.1) > 1e-3
    assert found > 0.6 * n_sets and found_before < 0.02 * n_sets


def test_on_one_scale_little_changes() -> None:
    generator = np.random.default_rng(1)
    found = np.zeros(2)
    for _ in range(200):
        values = permuted_statistics(0.5, generator, scales=(np.abs,) * 6)
        pair = (values[0], values[1:])
        found += [max_t_p_values(*p)[0] <= Fraction(1, 10) for p in (pair, standardise_columns(*pair))]
    assert abs(found[0] - found[1]) <= 20 and found.min() > 100


def test_standardising_keeps_order_ties_and_infinities() -> None:
    observed = np.array([0.3, np.inf, 1.0, np.inf, 2.0])
    null = np.array(
        [[0.3 + 1e-14, 1.0, 1.0, np.inf, 5.0], [0.1, 2.0, 1.0, np.inf, 1.0], [0.5, np.inf, 1.0, np.inf, 2.0]]
    )
    one, others = standardise_columns(observed, null)
    assert np.isfinite(one).all() and np.isfinite(others).all()
    assert one[0] == others[0, 0] and others[1, 0] < one[0] < others[2, 0]
    assert one[1] == others[2, 1] > others[1, 1] > others[0, 1]
    assert (np.vstack([one, others])[:, [2, 3]] == 0).all()
    np.testing.assert_allclose(np.vstack([one, others])[:, [0, 1, 4]].std(axis=0), 1.0)


@pytest.mark.slow
def test_a_strong_discrete_feature_is_found_among_continuous_ones() -> None:
    generator = np.random.default_rng(2)
    y = generator.integers(0, 2, size=150)
    label = np.where(generator.random(150) < 0.75, y, 1 - y)
    X = np.column_stack([label, generator.standard_normal((150, 2))])
    selector = MISelector("learned", control="fwer", n_permutations=19, random_state=0).fit(X, y)
    assert selector.pvalues_[0] == selector.adjusted_pvalues_[0] == 0.05
    assert selector.get_support(indices=True).tolist() == [0]


# --- settings that nothing reads --------------------------------------------------------------------------


def test_settings_that_nothing_reads_are_refused_by_name() -> None:
    generator = np.random.default_rng(3)
    X, y = generator.standard_normal((60, 2)), generator.standard_normal(60)
    with pytest.raises(ValueError, match=r"^n_neighbors=17 is for 'ksg' only; 'learned'"):
        MISelector("learned", k=1, n_neighbors=17).fit(X, y)
    with pytest.raises(ValueError, match=r"^confidence_level=0.5 is for intervals only"):
        mutual_info_matrix(X, confidence_level=0.5, method="cca")
    assert np.isfinite(
        mutual_info_matrix(X, confidence_level=0.5, method="cca", intervals=True).conf_low[0, 1]
    )

    def ksg(a, b):
        return 0.0

    with pytest.raises(ValueError, match=r"^n_neighbors=9 is for 'ksg' only; 'ksg\(\)' does not read it"):
        independence_test(X[:, 0], y, statistic=ksg, n_neighbors=9)
    assert MISelector("ksg", n_neighbors=5, k=1).fit(X, y).get_support().sum() == 1


def test_two_discrete_sides_are_tested_by_their_plug_in_and_the_result_says_so() -> None:
    a, b = np.random.default_rng(4).integers(0, 3, size=(2, 60))
    for statistic in ("learned", "ksg"):
        result = independence_test(a, b, statistic=statistic, n_permutations=9, random_state=0)
        assert result.statistic_name == "plug-in" and "plug-in" in str(result.summary())
    assert independence_test(a, b, statistic="cca", n_permutations=9).statistic_name == "cca"
    noise = np.random.default_rng(5).standard_normal(60)
    assert independence_test(a, noise, statistic="ksg", n_permutations=9).statistic_name == "ksg"


# --- the matrix as a frame --------------------------------------------------------------------------------


def test_a_column_called_name_keeps_its_values() -> None:
    X = np.random.default_rng(6).standard_normal((60, 3))
    matrix = mutual_info_matrix(pd.DataFrame(X, columns=["name", "b", "name_"]), method="cca")
    frame = matrix.to_frame()
    assert frame.columns.tolist() == ["name__", "name", "b", "name_"]
    assert frame["name__"].tolist() == ["name", "b", "name_"]
    np.testing.assert_array_equal(frame["name"], matrix.values[:, 0])
    assert isinstance(matrix, MutualInformationMatrix)


# --- sparse cells -----------------------------------------------------------------------------------------


def sparse_frame():
    codes = np.random.default_rng(7).integers(0, 30, size=(150, 3))
    return pd.DataFrame(codes, columns=["a", "b", "c"])


@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_the_warning_of_sparse_cells_reaches_the_caller_from_every_worker(n_jobs) -> None:
    with pytest.warns(SparseCellsWarning) as record:
        mutual_info_matrix(sparse_frame(), method="ksg", discrete=True, n_jobs=n_jobs)
    texts = {str(entry.message) for entry in record}
    assert len(texts) == 3 and all("say so: discrete=False in Python" in text for text in texts)


def test_the_warning_of_sparse_cells_names_the_settings_of_the_caller() -> None:
    frame = sparse_frame()
    with pytest.warns(SparseCellsWarning, match="discrete_x=False and discrete_y=False in Python"):
        mutual_info(frame["a"], frame["b"], discrete_x=True, discrete_y=True, method="plug-in")


def test_warnings_are_collected_in_other_processes_only() -> None:
    def warn():
        warnings.warn("careful", SparseCellsWarning, stacklevel=2)
        return 1

    assert collect_warnings(-1, warn) == (1, [("careful", SparseCellsWarning)])
    import os

    with pytest.warns(SparseCellsWarning, match="careful"):
        assert collect_warnings(os.getpid(), warn) == (1, [])
    with pytest.warns(SparseCellsWarning) as record:
        repeat_warnings([("careful", SparseCellsWarning)] * 2)
    assert len(record) == 1 and record[0].filename == __file__
