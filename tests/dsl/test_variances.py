"""Variances of designs: small samples, clusters, strata."""

from __future__ import annotations

import numpy as np

from validstats.dsl.moments import (
    SamplingDesign,
    clustered_meat,
    design_meat,
    small_sample_scores,
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
