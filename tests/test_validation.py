from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from validstats import intake as v


@pytest.mark.parametrize("level", [0.9, np.float64(0.9), np.float64("0.9"), Fraction(9, 10)])
def test_a_level_is_read_as_the_decimal_that_was_typed(level) -> None:
    assert v.check_confidence_level(level) == Fraction(9, 10)
    assert v.alpha_fraction(level) == Fraction(1, 10)


def test_a_level_near_the_ends_stays_exact() -> None:
    assert v.alpha_fraction(0.999999) == Fraction(1, 10**6)
    assert v.alpha_fraction(1e-7) == 1 - Fraction(1, 10**7)


@pytest.mark.parametrize("level", [0, 1, 0.0, 1.0, -0.1, 1.5, 95, float("nan"), float("inf")])
def test_a_level_outside_the_unit_interval_is_refused(level) -> None:
    with pytest.raises(ValueError, match="confidence_level must be strictly between 0 and 1"):
        v.check_confidence_level(level)


def test_a_percentage_gets_a_hint() -> None:
    with pytest.raises(ValueError, match=r"Did you mean 0\.95"):
        v.check_confidence_level(95)


@pytest.mark.parametrize("level", ["0.9", None, True, [0.9], 1j])
def test_a_level_that_is_not_a_number_is_refused(level) -> None:
    with pytest.raises(TypeError, match="confidence_level must be a number"):
        v.check_confidence_level(level)


@pytest.mark.parametrize("value", [2.5, "3", True, None, 3.0])
def test_a_count_must_be_an_integer(value) -> None:
    with pytest.raises(TypeError, match="n_folds must be an integer"):
        v.check_positive_int(value, "n_folds")


@pytest.mark.parametrize(
    ("value", "kwargs", "allowed"), [(0, {}, "at least 1"), (9, {"maximum": 5}, "between 1 and 5")]
)
def test_a_count_out_of_range_says_the_range(value, kwargs, allowed) -> None:
    with pytest.raises(ValueError, match=allowed):
        v.check_positive_int(value, "n_folds", **kwargs)


def test_numpy_integers_are_counts() -> None:
    assert type(v.check_positive_int(np.int32(4), "n")) is int


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.0, -0.001])
def test_a_half_open_range(value) -> None:
    with pytest.raises(ValueError, match=r"miss must be finite and in \[0, 1\)"):
        v.check_in_range(value, "miss", 0, 1, high_open=True)


def test_an_open_lower_end_excludes_itself() -> None:
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        v.check_in_range(0, "pi", 0, 1, low_open=True)
    assert v.check_in_range(1, "pi", 0, 1, low_open=True) == 1.0


def test_an_unknown_option_lists_the_options() -> None:
    with pytest.raises(ValueError, match="method must be one of 'a', 'b'; got 'c'"):
        v.check_literal("c", "method", ("a", "b"))
    with pytest.raises(ValueError, match="got None"):
        v.check_literal(None, "method", ("a", "b"))


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3],
        (1.0, 2.0, 3.0),
        np.array([1, 2, 3], dtype=np.int8),
        np.array([1, 2, 3], dtype=object),
        np.arange(1, 7)[::2] * 0 + np.array([1, 2, 3]),
        pd.Series([1, 2, 3], index=[7, 7, 7]),
        pl.Series([1, 2, 3]),
        np.array([[1.0], [2.0], [3.0]]),
        pd.DataFrame({"π": [1, 2, 3]}),
    ],
)
def test_vectors_of_every_origin(values) -> None:
    vector = v.check_vector(values, "scores")
    assert vector.dtype == np.float64
    assert vector.flags.c_contiguous
    assert vector.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([1.0, np.nan], ValueError, r"scores has 1 missing value"),
        ([1.0, np.inf], ValueError, r"scores has 1 infinite value"),
        ([], ValueError, "scores is empty"),
        ([[1, 2], [3, 4]], ValueError, "scores must be one-dimensional"),
        (["a", "b"], TypeError, "scores must be numeric"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), TypeError, "scores holds dates or durations"),
        (np.array([1, "b"], dtype=object), TypeError, "scores mixes number"),
        (np.array([{}], dtype=object), TypeError, "scores holds an object of type dict"),
        (sparse.csr_matrix([[1.0]]), TypeError, r"scores is a sparse matrix; pass scores.toarray\(\)"),
        (np.array([1j]), TypeError, "scores is complex"),
        (np.ma.array([1.0, 2.0], mask=[False, True]), ValueError, "1 missing value"),
    ],
)
def test_bad_vectors_are_named(values, error, message) -> None:
    with pytest.raises(error, match=message):
        v.check_vector(values, "scores")


def test_missing_infinite_and_empty_pass_where_they_are_allowed() -> None:
    assert np.isnan(v.check_vector([np.nan], "s", allow_nan=True)[0])
    assert np.isinf(v.check_vector([-np.inf], "s", allow_infinite=True)[0])
    assert v.check_vector([], "s", allow_empty=True).shape == (0,)


def test_checking_never_changes_the_input() -> None:
    values = np.arange(6.0)[::-2]
    values.flags.writeable = False
    copy = values.copy()
    v.check_vector(values, "s")
    np.testing.assert_array_equal(values, copy)


def test_a_float_vector_is_not_copied() -> None:
    values = np.arange(3.0)
    assert np.shares_memory(v.check_vector(values, "s"), values)


def test_matrices() -> None:
    assert v.check_matrix(pl.DataFrame({"a": [1, 2], "b": [3, 4]}), "X").tolist() == [[1.0, 3.0], [2.0, 4.0]]
    with pytest.raises(ValueError, match="X must be two-dimensional"):
        v.check_matrix(np.zeros((1, 1, 1)), "X")
    with pytest.raises(ValueError, match="X is empty"):
        v.check_matrix(np.zeros((0, 3)), "X")


def test_lengths_that_differ_are_listed() -> None:
    with pytest.raises(ValueError, match="X has 2, y has 3"):
        v.check_same_length(X=np.zeros((2, 5)), y=[1, 2, 3], weights=None)
    assert v.check_same_length(weights=None) == 0
    with pytest.raises(TypeError, match="must have rows"):
        v.check_same_length(X=3)


def test_bounds() -> None:
    assert v.check_bounds((None, None)) == (-np.inf, np.inf)
    assert v.check_bounds([0, 1]) == (0.0, 1.0)
    for bad in ("01", 3, (1, 2, 3), ("a", 1), (True, 2)):
        with pytest.raises(TypeError, match="bounds must be a pair"):
            v.check_bounds(bad)
    for bad in ((1, 1), (2, 1), (float("nan"), 1)):
        with pytest.raises(ValueError, match="lower end below"):
            v.check_bounds(bad)


def test_random_states() -> None:
    generator = np.random.default_rng(3)
    assert v.check_random_state(generator) is generator
    assert v.check_random_state(5).integers(10**9) == np.random.default_rng(5).integers(10**9)
    legacy = np.random.RandomState(1)
    assert isinstance(v.check_random_state(legacy), np.random.Generator)
    assert isinstance(v.check_random_state(None), np.random.Generator)
    for bad in ("seed", 1.5, True):
        with pytest.raises(TypeError, match="random_state must be"):
            v.check_random_state(bad)
    with pytest.raises(ValueError, match="must not be negative"):
        v.check_random_state(-1)


def test_the_global_stream_is_never_touched() -> None:
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    v.check_random_state(None).random(5)
    v.check_random_state(0).random(5)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
