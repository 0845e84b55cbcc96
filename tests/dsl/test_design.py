"""Unbiasedness and variances against the enumeration of every possible sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.oracles import dsl as oracle
from validstats.dsl.fit import Augmentation, Component, LabelledSample, estimate, fit_fixed_effects
from validstats.dsl.fit.augmentation import augmentation_scores, psi_mean, psi_scores
from validstats.dsl.fit.fixed_effects import Absorber
from validstats.dsl.moments import (
    LinearMoment,
    MeanMoment,
    RegressionRows,
    SamplingDesign,
    clustered_meat,
    design_meat,
    median_of_splits,
    sandwich,
    sum_by_cluster,
)
from validstats.dsl.moments.variance import meat_parts


def linear_case(seed=0, n=7):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    return rng, X, rng.normal(size=n), rng.normal(size=n)


def sample_of(moment, rows, labelled, probability):
    return LabelledSample(moment=moment, gold=rows.take(labelled), labelled=labelled, probability=probability)


def test_psi_is_the_row_by_row_definition_and_unbiased_over_every_sample():
    rng, X, y, q = linear_case()
    probability, b = rng.uniform(0.2, 0.9, 7), np.array([0.3, -0.4])
    moment, rows = LinearMoment(), RegressionRows(y=y, X=X)
    term = (
        Component(rows=RegressionRows(y=q, X=X + 0.3), weight=0.25),
        Component(rows=RegressionRows(y=-q, X=X), weight=np.full(7, 0.75)),
    )
    augmentation = Augmentation(
        terms=(term,), matrices=(rng.normal(size=(2, 2)),), constant=rng.normal(size=2)
    )
    mean = np.zeros(2)
    for labelled, chance in oracle.poisson_samples(probability):
        sample = sample_of(moment, rows, labelled, probability)
        psi = psi_scores(sample, augmentation, b)
        g = augmentation_scores(sample, augmentation, b)
        expected = oracle.psi_row_by_row(moment.score(rows, b), g, labelled, probability)
        np.testing.assert_allclose(psi, expected, atol=1e-12)
        np.testing.assert_allclose(
            augmentation_scores(*sample.labelled_part(augmentation), b), g[labelled], atol=1e-15
        )
        strata = np.arange(len(y)) % 2
        divided = replace(sample, design=SamplingDesign(scheme="stratified", units=strata))
        by_stratum = replace(augmentation, constant=np.array([[0.7, 0.1], [-0.2, 0.4]]))
        in_strata = augmentation_scores(divided, by_stratum, b)
        plain = augmentation_scores(divided, replace(by_stratum, constant=None), b)
        np.testing.assert_allclose(in_strata - plain, by_stratum.constant[strata], atol=1e-15)
        of_labelled = augmentation_scores(*divided.labelled_part(by_stratum), b)
        np.testing.assert_allclose(of_labelled, in_strata[labelled], atol=1e-15)
        np.testing.assert_allclose(psi_mean(sample, augmentation, b), psi.mean(axis=0), atol=1e-13)
        np.testing.assert_allclose(
            psi_mean(divided, by_stratum, b), psi_scores(divided, by_stratum, b).mean(axis=0), atol=1e-13
        )
        mean += chance * psi.sum(axis=0)
    np.testing.assert_allclose(mean, moment.score(rows, b).sum(axis=0), atol=1e-10)


@pytest.mark.parametrize("scheme", ["independent", "simple", "stratified", "clusters"])
def test_design_variance_is_unbiased_over_every_sample(scheme):
    rng = np.random.default_rng(1)
    n = 8
    values = rng.normal(size=(n, 2))
    strata = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    pairs = np.arange(n) // 2
    if scheme == "independent":
        probability = rng.uniform(0.2, 0.9, n)
        samples, design = list(oracle.poisson_samples(probability)), SamplingDesign()
    elif scheme == "simple":
        probability = np.full(n, 3 / n)
        samples, design = list(oracle.simple_samples(n, 3)), SamplingDesign(scheme="simple")
    elif scheme == "stratified":
        probability = np.where(strata == 0, 2 / 3, 2 / 5)
        samples = list(oracle.stratified_samples(strata, (2, 2)))
        design = SamplingDesign(scheme="stratified", units=strata)
    else:
        by_pair = np.array([0.3, 0.5, 0.6, 0.8])
        probability = by_pair[pairs]
        samples = [(np.repeat(c, 2), chance) for c, chance in oracle.poisson_samples(by_pair)]
        design = SamplingDesign(scheme="clusters", units=pairs)
    totals = [((values / probability[:, None])[s].sum(axis=0), chance) for s, chance in samples]
    mean = sum(c * t for t, c in totals)
    np.testing.assert_allclose(mean, values.sum(axis=0), atol=1e-10)
    truth = sum(c * np.outer(t - mean, t - mean) for t, c in totals)
    estimated = np.zeros((2, 2))
    for s, chance in samples:
        if s.any():
            estimated += chance * n * design_meat(values[s], probability[s], n, design, s)
    np.testing.assert_allclose(estimated, truth, atol=1e-10)


def test_clustered_meat_is_the_sum_over_pairs():
    rng = np.random.default_rng(2)
    psi = rng.normal(size=(24, 2))
    one, two = rng.integers(0, 5, 24), rng.integers(0, 4, 24)
    np.testing.assert_allclose(clustered_meat(psi), oracle.pairwise_meat(psi), atol=1e-12)
    np.testing.assert_allclose(clustered_meat(psi, [one]), oracle.pairwise_meat(psi, one), atol=1e-12)
    both = oracle.pairwise_meat(psi, one, two)
    values, vectors = np.linalg.eigh(both)
    np.testing.assert_allclose(
        clustered_meat(psi, [one, two]), vectors @ np.diag(np.maximum(values, 0)) @ vectors.T, atol=1e-12
    )
    with pytest.raises(ValueError, match="one or two ways"):
        clustered_meat(psi, [one, two, one])


def test_meat_parts_add_to_the_meat():
    rng = np.random.default_rng(3)
    g, correction, codes = rng.normal(size=(20, 2)), rng.normal(size=(20, 2)), rng.integers(0, 4, 20)
    for clusters in ([], [codes]):
        first, rest = meat_parts(g, correction, clusters)
        np.testing.assert_allclose(first + rest, clustered_meat(g + correction, clusters), atol=1e-12)
        np.testing.assert_allclose(first, correction.T @ correction / 20)


def test_sum_by_cluster_is_a_loop():
    values, codes = np.arange(12.0).reshape(6, 2), np.array([2, 0, 2, 1, 0, 2])
    expected = np.array([values[codes == g].sum(axis=0) for g in range(3)])
    np.testing.assert_array_equal(sum_by_cluster(values, codes), expected)


def test_median_of_splits_by_hand():
    params = np.array([[1.0], [2.0], [4.0]])
    covariances = np.array([[[0.1]], [[0.2]], [[0.3]]])
    estimate, error, covariance = median_of_splits(params, covariances)
    assert estimate[0] == 2.0
    np.testing.assert_allclose(covariance[0, 0], np.median([0.1 + 1, 0.2, 0.3 + 4]))
    np.testing.assert_allclose(error[0] ** 2, covariance[0, 0])


def test_sandwich_is_symmetric():
    rng = np.random.default_rng(4)
    bread, meat = rng.normal(size=(3, 3)), np.eye(3)
    np.testing.assert_array_equal(sandwich(bread, meat, 5), sandwich(bread, meat, 5).T)


class TestTuning:
    """The default against labels alone: perfect and useless machine labels, strata and clusters."""

    @staticmethod
    def estimates(sample, term, tuning):
        return [
            estimate(sample, (term,), None, estimator=name, tuning=tuning if name == "tuned" else None)
            for name in ("tuned", "gold")
        ]

    @pytest.mark.parametrize("tuning", ["matrix", "diagonal", "scalar"])
    def test_perfect_machine_labels_take_nearly_the_whole_share(self, tuning):
        rng, n = np.random.default_rng(6), 3000
        X = np.column_stack([np.ones(n), rng.normal(size=n)])
        y = X @ [1.0, 2.0] + rng.normal(size=n)
        rows, labelled = RegressionRows(y=y, X=X), rng.random(n) < 0.1
        sample = sample_of(LinearMoment(), rows, labelled, np.full(n, 0.1))
        tuned, gold = self.estimates(sample, (Component(rows=rows),), tuning)
        assert np.all(tuned.share > 0.7)
        assert np.all(np.diag(tuned.covariance) < 0.35 * np.diag(gold.covariance))

    def test_useless_machine_labels_are_switched_off(self):
        rng, n = np.random.default_rng(7), 20000
        X = np.column_stack([np.ones(n), rng.normal(size=n)])
        y, noise = X @ [1.0, 2.0] + rng.normal(size=n), 5 * rng.normal(size=n)
        labelled = rng.random(n) < 0.3
        sample = sample_of(LinearMoment(), RegressionRows(y=y, X=X), labelled, np.full(n, 0.3))
        tuned, gold = self.estimates(
            sample, (Component(rows=RegressionRows(y=X @ [1.0, 2.0] + noise, X=X)),), None
        )
        assert np.all(tuned.share < 0.02)
        np.testing.assert_allclose(tuned.params, gold.params, atol=0.01)

    @pytest.mark.parametrize("scheme", ["stratified", "clusters"])
    def test_strata_and_clusters_centre_where_labels_were_drawn(self, scheme):
        rng, n = np.random.default_rng(8), 2000
        strata = np.arange(n) % 2
        y = 10.0 * strata + rng.normal(size=n)
        term = (Component(rows=RegressionRows(y=rng.normal(size=n), X=np.ones((n, 1)))),)
        if scheme == "stratified":
            labelled = np.zeros(n, bool)
            for h in range(2):
                labelled[rng.choice(np.flatnonzero(strata == h), 200, replace=False)] = True
            design = SamplingDesign(scheme="stratified", units=strata)
        else:
            labelled = np.repeat(rng.random(n // 4) < 0.2, 4)
            design = SamplingDesign(scheme="clusters", units=np.arange(n) // 4)
        sample = sample_of(MeanMoment(), RegressionRows(y=y, X=np.ones((n, 1))), labelled, np.full(n, 0.2))
        clusters = () if scheme == "stratified" else (design.units,)
        sample = replace(sample, design=design, clusters=clusters)
        tuned, gold = self.estimates(sample, term, None)
        # the spread between strata, and what is alike in all clusters, is not that of a random sample
        assert np.sqrt(gold.covariance[0, 0]) == pytest.approx(
            {"stratified": np.sqrt(1 / 400 + 25 / n), "clusters": np.sqrt(1 / 400)}[scheme],
            rel=0.15,
        )
        assert tuned.covariance[0, 0] <= gold.covariance[0, 0] * (1 + 1 / 90)


class TestFixedEffects:
    codes = (np.array([0, 0, 0, 1, 1, 1, 2, 2, 2]), np.array([0, 1, 2, 0, 1, 2, 0, 1, 1]))

    @pytest.mark.parametrize("ways", [1, 2])
    def test_projection_and_leverage(self, ways):
        codes = self.codes[:ways]
        absorber, projection = Absorber(codes), oracle.projection_matrix(*codes)
        values = np.random.default_rng(0).normal(size=(9, 3))
        np.testing.assert_allclose(absorber.project(values), projection @ values, atol=1e-12)
        np.testing.assert_allclose(absorber.leverage(), np.diag(projection), atol=1e-12)
        assert absorber.n_effects == np.linalg.matrix_rank(projection)
        assert absorber.project(values[:, 0]).shape == (9,)

    def test_disconnected_two_way_effects(self):
        codes = (np.array([0, 0, 1, 1, 2, 2, 3]), np.array([0, 1, 0, 1, 2, 3, 4]))
        projection = oracle.projection_matrix(*codes)
        absorber = Absorber(codes)
        np.testing.assert_allclose(absorber.leverage(), np.diag(projection), atol=1e-12)
        np.testing.assert_allclose(absorber.project(np.arange(7.0)), projection @ np.arange(7.0), atol=1e-12)

    def test_large_two_way_effects_match_sums(self):
        rng = np.random.default_rng(1)
        codes = (rng.integers(0, 300, 3000), rng.integers(0, 40, 3000))
        absorber = Absorber(codes)
        np.testing.assert_allclose(absorber.leverage().sum(), absorber.n_effects, rtol=1e-8)
        twice = absorber.project(absorber.project(rng.normal(size=3000)))
        np.testing.assert_allclose(absorber.project(twice), twice, atol=1e-10)

    def test_three_ways_are_refused(self):
        with pytest.raises(ValueError, match="one- or two-way"):
            Absorber([np.zeros(3, int)] * 3)

    @pytest.mark.parametrize("ways", [1, 2])
    @pytest.mark.parametrize("correct", [True, False])
    def test_estimate_is_the_entry_by_entry_solution(self, ways, correct):
        rng, n = np.random.default_rng(2), 40
        codes = (np.arange(n) // 4, np.arange(n) % 4)[:ways]
        x = np.column_stack([rng.normal(size=n), rng.normal(size=n)])
        predicted = np.column_stack([x[:, 0] + 0.3 * rng.normal(size=n), x[:, 1]])
        y, yp = x @ [1.0, -1.0] + rng.normal(size=n), rng.normal(size=n)
        probability, labelled = np.full(n, 0.6), rng.random(n) < 0.6
        sample = sample_of(LinearMoment(), RegressionRows(y=y, X=x), labelled, probability)
        term = (Component(rows=RegressionRows(y=yp, X=predicted)),)
        fit = fit_fixed_effects(sample, term, Absorber(codes), own_term_correction=correct)
        gram, cross = oracle.adjusted_within(
            y, x, yp, predicted, labelled, probability, oracle.projection_matrix(*codes), correct
        )
        np.testing.assert_allclose(fit.params, np.linalg.solve((gram + gram.T) / 2, cross), rtol=1e-8)
        np.testing.assert_allclose(np.linalg.inv(fit.bread) * n, (gram + gram.T) / 2, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(fit.psi.sum(axis=0), 0.0, atol=1e-8)

    def test_correction_is_unbiased_over_every_sample_and_the_plain_form_is_not(self):
        rng, n = np.random.default_rng(3), 8
        codes = np.arange(n) // 4
        x, y = rng.normal(size=(n, 1)), rng.normal(size=n)
        predicted, yp = x + rng.normal(size=(n, 1)), y + rng.normal(size=n)
        probability, projection = rng.uniform(0.3, 0.8, n), oracle.projection_matrix(codes)
        within = np.eye(n) - projection
        means = {True: np.zeros(2), False: np.zeros(2)}
        for labelled, chance in oracle.poisson_samples(probability):
            for correct in (True, False):
                gram, cross = oracle.adjusted_within(
                    y, x, yp, predicted, labelled, probability, projection, correct
                )
                means[correct] += chance * np.array([gram[0, 0], cross[0]])
        truth = np.array([(x.T @ within @ x)[0, 0], (x.T @ within @ y)[0]])
        np.testing.assert_allclose(means[True], truth, atol=1e-10)
        assert np.abs(means[False] - truth).max() > 0.1

    def test_all_labelled_is_the_dummy_regression(self):
        rng, n = np.random.default_rng(4), 60
        codes = (np.arange(n) // 5, rng.integers(0, 6, n))
        x, y = rng.normal(size=(n, 2)), rng.normal(size=n)
        sample = sample_of(LinearMoment(), RegressionRows(y=y, X=x), np.ones(n, bool), np.ones(n))
        fit = fit_fixed_effects(sample, (Component(rows=RegressionRows(y=-y, X=x + 1)),), Absorber(codes))
        np.testing.assert_allclose(fit.params, oracle.within_regression(y, x, *codes), rtol=1e-8)
