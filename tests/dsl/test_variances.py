"""Variances of designs: small samples, clusters, strata."""

from __future__ import annotations

import numpy as np
import pytest

from validstats.dsl.moments import (
    SamplingDesign,
    cluster_codes,
    clustered_meat,
    design_meat,
    entries_at,
    few_levels,
    is_constant,
    small_sample_scores,
    sorted_levels,
    text_codes,
)


class TestVariances:
    def test_two_way_clusters_are_the_sum_over_pairs_that_share_one(self):
        rng = np.random.default_rng(2)
        first, second = rng.integers(0, 6, 40), rng.integers(0, 4, 40)
        psi = rng.normal(size=(40, 2)) + first[:, None] + second[:, None]
        share = (first[:, None] == first) | (second[:, None] == second)
        np.testing.assert_allclose(clustered_meat(psi, [first, second]), psi.T @ share @ psi / 40, rtol=1e-10)

    def test_small_samples_with_no_degrees_of_freedom_left(self):
        psi = np.ones((3, 1))
        for fitted in (2, 3, 5):
            scaled = small_sample_scores(psi, np.empty(0), "HC1", 3, fitted)
            np.testing.assert_allclose(scaled, np.sqrt(3.0 / max(3 - fitted, 1)))

    def test_a_stratum_with_a_single_label_counts_as_it_is(self):
        labelled = np.array([True, True, True, False, True, False])
        strata = np.array([0, 0, 0, 0, 1, 1])
        residual = np.array([[1.0], [2.0], [6.0], [5.0]])
        probability = np.array([0.75, 0.75, 0.75, 0.5])
        meat = design_meat(
            residual, probability, 6, SamplingDesign(scheme="stratified", units=strata), labelled
        )
        within = ((residual[:3] - 3.0) ** 2).sum() * 3 / 2 * (1 - 0.75) / 0.75**2
        np.testing.assert_allclose(meat, (within + 25.0 * (1 - 0.5) / 0.5**2) / 6)


@pytest.mark.parametrize(
    "values",
    [
        np.array([3, -2, 3, 7, 7, -2]),
        np.array([5, 5, 5], dtype=np.uint8),
        np.array([10**15, 3, 10**15]),
        np.array([2**64 - 1, 2**64 - 3], dtype=np.uint64),
        np.array([], dtype=np.int64),
        np.array([True, False, True]),
        np.array([0.5, np.nan, 0.5, np.nan]),
        np.array(["b", "a", "b"], dtype=object),
    ],
)
def test_levels_and_codes_are_those_of_sorting(values):
    levels, codes = sorted_levels(values)
    expected, inverse = np.unique(values, return_inverse=True)
    assert levels.dtype == expected.dtype
    np.testing.assert_array_equal(levels, expected)
    np.testing.assert_array_equal(codes, inverse.reshape(-1))
    assert codes.dtype == np.int64


@pytest.mark.parametrize("values", [[0.0, 1.0], [2.5, -1.0, 7.0], [True, False], [3, 1, 2, 9]])
def test_few_values_are_told_apart_by_comparing(values):
    column = np.random.default_rng(0).choice(np.array(values), 3000)
    levels, codes = few_levels(column)
    expected, places = np.unique(column, return_inverse=True)
    np.testing.assert_array_equal(levels, expected)
    np.testing.assert_array_equal(codes, places)
    column = column.astype(float)
    column[-1] = 0.5  # a value that the first rows do not show
    assert few_levels(column) is None
    assert few_levels(np.where(np.arange(3000) == 7, np.nan, column[0])) is None
    np.testing.assert_array_equal(cluster_codes(column), np.unique(column, return_inverse=True)[1])


@pytest.mark.parametrize(
    "labels", [[10, 9, 100, -1, 2, 9], [2**40, 3, 2**40], [1.5, 10.0, 2.0], ["b", "a", "b"], [True, False]]
)
def test_codes_of_text_are_those_of_sorted_text(labels):
    values = np.array(labels)
    np.testing.assert_array_equal(
        text_codes(values), np.unique(values.astype(str), return_inverse=True)[1].reshape(-1)
    )


def test_equal_numbers_are_constant_however_they_are_stored():
    assert is_constant(np.full(5, 0.3)) and is_constant(np.broadcast_to(0.3, 5))
    assert not is_constant(np.array([0.3, 0.2, 0.3])) and not is_constant(np.empty(0))
    assert not is_constant(np.array([0.3, np.nan, 0.3]))


def test_entries_of_one_number_are_kept_once() -> None:
    rows = np.array([3, 1])
    once = entries_at(np.broadcast_to(0.3, 5), rows)
    assert once.tolist() == [0.3, 0.3] and once.strides == (0,)
    assert entries_at(np.arange(5.0), rows).tolist() == [3.0, 1.0]


def test_codes_are_not_the_array_that_was_passed():
    labels = np.array([2, 0, 1, 2])
    for codes in (cluster_codes(labels), text_codes(labels)):
        np.testing.assert_array_equal(codes, labels)
        assert not np.shares_memory(codes, labels)
