"""The hostile input is as hostile as it says, and the shared checkers withstand it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from tests import strategies as hs
from validstats import intake as v


@pytest.mark.parametrize("kind", hs.VECTOR_KINDS)
def test_check_vector(kind):
    hs.assert_answers_or_refuses(lambda x: v.check_vector(x, "scores"), hs.build_vector(kind), name="scores")


@pytest.mark.parametrize("kind", hs.MATRIX_KINDS)
def test_check_matrix(kind):
    hs.assert_answers_or_refuses(lambda X: v.check_matrix(X, "X"), hs.build_matrix(kind), name="X")


@given(hs.hostile_vectors(expect=("same", "decide")))
@settings(max_examples=60, deadline=None)
def test_vectors_reach_the_kernels_in_one_form(hostile):
    checked = v.check_vector(hostile.value, "scores")
    assert checked.dtype == np.float64 and checked.flags.carray
    np.testing.assert_array_equal(checked, hostile.plain)


@given(hs.hostile_matrices(expect=("same",)))
@settings(max_examples=60, deadline=None)
def test_matrices_reach_the_kernels_in_one_form(hostile):
    checked = v.check_matrix(hostile.value, "X")
    assert checked.dtype == np.float64 and checked.flags.carray
    np.testing.assert_array_equal(checked, hostile.plain)


@given(hs.pairs_of_wrong_length())
@settings(max_examples=20, deadline=None)
def test_check_same_length(pair):
    with pytest.raises(ValueError, match="X"):
        v.check_same_length(X=pair[0], y=pair[1])


@given(hs.hostile_levels())
@settings(max_examples=60, deadline=None)
def test_check_confidence_level(level):
    with pytest.raises((TypeError, ValueError), match="confidence_level"):
        v.check_confidence_level(level)


@given(hs.hostile_counts())
@settings(max_examples=60, deadline=None)
def test_check_positive_int(count):
    with pytest.raises((TypeError, ValueError), match="n_splits"):
        v.check_positive_int(count, "n_splits")


@given(hs.hostile_seeds())
@settings(max_examples=30, deadline=None)
def test_check_random_state(seed):
    with pytest.raises((TypeError, ValueError), match="random_state"):
        v.check_random_state(seed)


def test_vectors_are_what_they_say():
    value = {kind: hs.build_vector(kind).value for kind in hs.VECTOR_KINDS}
    assert np.isnan(value["nan"]).sum() == 1
    assert not value["non_contiguous"].flags.c_contiguous
    assert value["negative_stride"].strides[0] < 0
    assert not value["read_only"].flags.writeable
    assert not value["unaligned"].flags.aligned
    assert not value["big_endian"].dtype.isnative
    assert value["duplicated_index"].index.duplicated().any()
    assert value["object_of_numbers"].dtype == object
    assert 0 < np.abs(value["denormal"]).max() < np.finfo(float).tiny
    assert np.isfinite(value["huge"]).all() and np.abs(value["huge"]).min() >= 1e300
    assert len(value["one_row"]) == 1 and np.ptp(value["constant"]) == 0
    assert value["masked"].mask.sum() == 1 and not value["nothing_masked"].mask.any()


def test_matrices_are_what_they_say():
    value = {kind: hs.build_matrix(kind).value for kind in hs.MATRIX_KINDS}
    assert not value["fortran_order"].flags.c_contiguous
    assert value["duplicated_index"].index.duplicated().any()
    assert value["duplicated_column_names"].columns.duplicated().any()
    assert any(not name.isascii() or not name.isidentifier() for name in value["unicode_columns"].columns)
    rows, columns = value["n_smaller_than_p"].shape
    assert rows < columns
    assert (np.ptp(value["constant_column"], axis=0) == 0).sum() == 1
    assert np.linalg.matrix_rank(value["duplicated_columns"]) == 1


@pytest.mark.parametrize(
    ("function", "kind", "complaint"),
    [
        (lambda x: 1.0, "nan", "accepted nan"),
        (lambda x: v.check_vector(list(x)[:0], "scores"), "list", "refused list"),
        (lambda x: float(np.mean(x)) if isinstance(x, np.ndarray) else 0.0, "tuple", "Arrays are not equal"),
        (lambda x: float(np.sum(x) * np.nan), "constant", "answered NaN"),
        (lambda x: np.negative(x, out=x)[0], "integers", "modified"),
        (lambda x: x.sort(), "tied", "modified"),
    ],
)
def test_the_check_finds_careless_functions(function, kind, complaint):
    with pytest.raises(AssertionError, match=complaint):
        hs.assert_answers_or_refuses(function, hs.build_vector(kind), name="scores")


def test_the_check_lets_no_other_error_pass():
    with pytest.raises(ZeroDivisionError):
        hs.assert_answers_or_refuses(lambda x: 1 / 0, hs.build_vector("zeros"))


def test_a_refusal_must_name_the_argument():
    def refuse(_):
        raise ValueError("bad input")

    with pytest.raises(AssertionError, match="does not name 'scores'"):
        hs.assert_answers_or_refuses(refuse, hs.build_vector("nan"), name="scores")


def test_fingerprints_see_every_change():
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    before = hs.fingerprint(frame)
    assert hs.fingerprint(frame.copy()) == before
    assert hs.fingerprint(frame.set_axis([1, 2])) != before
    assert hs.fingerprint(frame.rename(columns={"a": "b"})) != before
    assert hs.fingerprint(frame + 1) != before
