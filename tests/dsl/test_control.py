"""The bounded share of a control variate: the oracle, its bound, and its edges."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles.dsl_control import controlled_by_hand
from validstats.dsl.fit import Component, LabelledSample, gold_only
from validstats.dsl.fit.inference import (
    _expected_degrees,
    _expected_powers,
    bounded_share,
    carrier_degrees,
    control_variate,
    controlled,
    error_variance,
    floored_residuals,
    kurtosis_degrees,
    label_error,
)
from validstats.dsl.moments import (
    ClusterSums,
    GLMMoment,
    LinearMoment,
    MeanMoment,
    MultinomialMoment,
    RegressionRows,
    SamplingDesign,
)

INDEPENDENT = SamplingDesign(scheme="independent")


def data_set(seed, n=300, logit=False, n_labels=60, columns=3):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=(n, columns - 1))])
    X[:, -1] = rng.random(n) < (0.3 if logit else 0.06)
    eta = X @ np.linspace(0.5, -0.5, columns)
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float) if logit else eta + rng.normal(size=n)
    h = np.clip(0.2 + 0.6 * y + 0.2 * rng.normal(size=n), 0, 1) if logit else y + rng.normal(size=n)
    pi = np.clip(n_labels / n * np.exp(0.5 * rng.normal(size=n)), 0.01, 1)
    return X, y, h, rng.random(n) < pi, pi


def fits(X, y, h, labelled, pi, moment, design=INDEPENDENT, cell=None, clusters=(), **options):
    rows = RegressionRows(y=y, X=X)
    sample = LabelledSample(
        moment=moment,
        gold=rows.take(labelled),
        labelled=labelled,
        probability=pi,
        design=design,
        clusters=tuple(clusters),
    )
    gold = gold_only(sample)
    labels = label_error(gold, cell=None if cell is None else cell[labelled])
    control = None if h is None else control_variate(sample, (Component(rows=RegressionRows(y=h, X=X)),))
    return controlled(sample, labels, None), controlled(sample, labels, control, **options)


@pytest.mark.share(3)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("logit", [False, True])
def test_estimates_and_errors_are_those_computed_row_by_row(seed, logit):
    X, y, h, labelled, pi = data_set(seed, logit=logit)
    cell = (h > 0.5).astype(int) if logit else None
    moment = GLMMoment(sm.families.Binomial()) if logit else LinearMoment()
    gold, tuned = fits(X, y, h, labelled, pi, moment, cell=cell, first_stage=4.0)
    slow = controlled_by_hand(X, y, h, labelled, pi, logit, q=4.0, cell=cell)
    assert tuned.params == pytest.approx(slow[0], abs=1e-8)
    assert np.sqrt(np.diag(tuned.covariance)) == pytest.approx(slow[1], abs=1e-8)
    assert tuned.degrees == pytest.approx(slow[2], abs=1e-6)
    assert tuned.share == pytest.approx(slow[3], abs=1e-7)
    alone = controlled_by_hand(X, y, h, labelled, pi, logit, cell=cell, control=False)
    assert np.sqrt(np.diag(gold.covariance)) == pytest.approx(alone[1], abs=1e-8)
    assert gold.degrees == pytest.approx(alone[2], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_labels=st.integers(12, 120),
    kind=st.sampled_from(["noise", "good", "constant", "collinear", "huge"]),
    duplicated=st.booleans(),
    scheme=st.sampled_from(["independent", "simple", "clusters"]),
)
def test_the_standard_error_is_bounded_by_that_of_the_labels_in_every_data_set(
    seed, n_labels, kind, duplicated, scheme
):
    X, y, h, labelled, pi = data_set(seed, n_labels=n_labels, columns=4)
    rng = np.random.default_rng(seed)
    h = {
        "noise": rng.normal(size=len(y)),
        "good": h,
        "constant": np.full(len(y), 2.0),
        "collinear": X @ rng.normal(size=4),
        "huge": 1e6 * rng.normal(size=len(y)),
    }[kind]
    units = None
    if duplicated:
        X[1::2], y[1::2] = X[::2], y[::2]
    if scheme == "simple":
        pi = np.full(len(y), labelled.mean())
    if scheme == "clusters":
        units = np.arange(len(y)) // 3
        labelled, pi = labelled[3 * units], pi[3 * units]
    if np.linalg.matrix_rank(X[labelled]) < 4:
        return
    design = SamplingDesign(scheme=scheme, units=units)
    clusters = [] if units is None else [units]
    for tuning in ("diagonal", "scalar"):
        gold, tuned = fits(X, y, h, labelled, pi, LinearMoment(), design, clusters=clusters, tuning=tuning)
        ratio = np.sqrt(np.diag(tuned.covariance) / np.diag(gold.covariance))
        n_units = labelled.sum() if units is None else len(np.unique(units[labelled]))
        assert np.all(ratio <= np.sqrt(1 + 1 / max(n_units - 4, 1)) + 1e-9)
        assert np.all((tuned.share >= 0) & (tuned.share <= 1))
        assert np.all(tuned.share[ratio < 1 - 1e-12] > 0)


def test_a_free_matrix_breaks_the_bound_on_noise():
    worst = []
    for seed in range(30):
        X, y, _, labelled, pi = data_set(seed, n_labels=40, columns=4)
        noise = np.random.default_rng(seed).normal(size=len(y))
        gold, tuned = fits(X, y, noise, labelled, pi, LinearMoment(), tuning="matrix")
        worst.append(np.max(np.sqrt(np.diag(tuned.covariance) / np.diag(gold.covariance))))
    assert max(worst) > 1.02


@pytest.mark.parametrize("logit", [False, True])
def test_all_rows_labelled_is_the_ordinary_fit(logit):
    X, y, h, _, _ = data_set(0, logit=logit)
    moment = GLMMoment(sm.families.Binomial()) if logit else LinearMoment()
    everything = np.ones(len(y), dtype=bool)
    gold, tuned = fits(X, y, h, everything, np.ones(len(y)), moment)
    full = (sm.Logit(y, X).fit(disp=0) if logit else sm.OLS(y, X).fit()).params
    assert gold.params == pytest.approx(full, abs=1e-10)
    assert tuned.params == pytest.approx(full, abs=1e-10)


def test_a_first_stage_that_is_linear_in_the_covariates_changes_nothing_in_least_squares():
    X, y, _, labelled, pi = data_set(1)
    gold, tuned = fits(X, y, X @ np.array([1.0, 2.0, 3.0]), labelled, pi, LinearMoment())
    assert tuned.params == pytest.approx(gold.params, abs=1e-10)


def test_the_covariance_is_that_of_the_influence_functions():
    X, y, h, labelled, pi = data_set(2)
    _, tuned = fits(X, y, h, labelled, pi, LinearMoment())
    n = len(y)
    assert tuned.influence.T @ tuned.influence / n**2 == pytest.approx(tuned.covariance, rel=1e-9)


def test_fewer_than_ten_spare_labels_leave_the_labels_alone():
    X, y, h, labelled, pi = data_set(3)
    keep = np.flatnonzero(labelled)[:12]
    few = np.zeros(len(y), dtype=bool)
    few[keep] = True
    X = X[:, :2]
    X = np.column_stack([X, np.random.default_rng(0).normal(size=len(y))])
    gold, tuned = fits(X, y, h, few, pi, LinearMoment())
    assert np.all(tuned.share == 0)
    assert np.all(tuned.params == gold.params)


def test_labels_that_the_model_fits_exactly_have_no_variance_and_no_share():
    X, _, h, labelled, pi = data_set(4)
    _, tuned = fits(X, X @ np.ones(3), h, labelled, pi, LinearMoment())
    assert np.all(np.isfinite(tuned.params))
    assert np.max(tuned.covariance) < 1e-20


def test_a_control_variate_without_a_root_is_none():
    X, y, _, labelled, pi = data_set(5, logit=True)
    sample = LabelledSample(
        moment=GLMMoment(sm.families.Binomial()),
        gold=RegressionRows(y=y, X=X).take(labelled),
        labelled=labelled,
        probability=pi,
    )
    separated = (X[:, 1] > 0).astype(float)
    assert control_variate(sample, (Component(rows=RegressionRows(y=separated, X=X)),)) is None


def test_several_shares_and_classes_have_shares_of_their_own():
    rng = np.random.default_rng(0)
    n = 600
    y = np.eye(3)[rng.integers(0, 3, n)]
    h = np.clip(0.8 * y + 0.1, 0, 1) / 1.1
    labelled = rng.random(n) < 0.2
    pi = np.full(n, 0.2)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    for moment, design in ((MeanMoment(), np.ones((n, 1))), (MultinomialMoment(3), X)):
        gold, tuned = fits(design, y, h, labelled, pi, moment)
        assert np.all(tuned.share > 0.5)
        assert np.all(np.diag(tuned.covariance) < 0.5 * np.diag(gold.covariance))
        assert np.all(tuned.degrees > 20)


class TestPieces:
    """Leverage floor, degrees of freedom, gate."""

    def test_a_row_that_carries_a_coefficient_alone_has_the_models_error(self):
        residual = np.array([1.0, -1.0, 1.0, -1.0, 0.0])
        scale = error_variance(residual, np.ones(5), np.ones(5), 2)
        floored = floored_residuals(residual, np.ones(5), np.array([0.2, 0.2, 0.2, 0.2, 0.9]), scale)
        assert scale == pytest.approx(4 / 5 * 5 / 3)
        assert floored[-1] == pytest.approx(np.sqrt(scale / 0.1))
        assert floored[:4] == pytest.approx(residual[:4] / 0.8)

    def test_degrees_of_equal_contributions_are_those_of_the_t_interval(self):
        assert kurtosis_degrees(np.ones((20, 1)), 2) == pytest.approx([17])
        alone = np.zeros((20, 1))
        alone[3] = 5
        assert kurtosis_degrees(alone, 2) == pytest.approx([2 / 0.95])
        assert kurtosis_degrees(np.zeros((20, 1)), 2) == pytest.approx([2])

    def test_carriers_count_rows(self):
        carried = np.zeros((30, 1))
        carried[:4] = 7
        assert carrier_degrees(carried) == pytest.approx([3])

    @pytest.mark.parametrize("equal", [False, True])
    def test_carriers_that_are_expected_are_the_mean_over_draws(self, equal):
        rng = np.random.default_rng(0)
        added, probability = (
            rng.standard_t(5, (40, 2)),
            np.full(40, 0.3) if equal else rng.uniform(0.1, 0.9, 40),
        )
        square, fourth = np.zeros(2), np.zeros(2)
        for g, chance in zip(added, probability, strict=True):
            # labelled with this chance, a row adds g over the chance
            square += chance * (g / chance) ** 2
            fourth += chance * (g / chance) ** 4
        powers = _expected_powers(added, probability)
        assert powers == pytest.approx(np.stack([square, fourth]))
        degrees = np.clip(2 / np.maximum(fourth / square**2 - 1 / 12, 1e-9), 2, 9)
        assert _expected_degrees(powers, 12, 2) == pytest.approx(degrees)
        # rows of a cluster that is drawn as a whole add together
        codes, halves = np.repeat(np.arange(40), 2), np.repeat(added / 2, 2, axis=0)
        chance = np.repeat(probability / 2, 2)[:, None]
        sums = [
            ClusterSums.of(codes[part], np.hstack([halves, chance])[part])
            for part in (slice(33), slice(33, None))
        ]
        assert _expected_degrees(sums[0] + sums[1], 12, 2) == pytest.approx(degrees)

    def test_the_gate_needs_rows_that_carry_the_gain(self):
        v, c, d = np.ones(1), np.full(1, 0.8), np.ones(1)
        assert bounded_share(v, c, d, np.array([1.0]), margin=50).share == 0
        assert bounded_share(v, c, d, np.array([30.0]), margin=50).share == pytest.approx(0.8)
        assert bounded_share(v, np.full(1, 0.1), d, np.array([30.0]), margin=50).share == 0

    def test_negative_or_missing_gain_is_the_labels_alone(self):
        v, d = np.ones(2), np.array([1.0, 0.0])
        share, ratio = bounded_share(v, np.array([-0.5, 0.5]), d, np.full(2, 40.0), margin=50)
        assert share == pytest.approx(0)
        assert ratio == pytest.approx(1)

    def test_one_common_share_keeps_every_coefficient_within_the_bound(self):
        share, ratio = bounded_share(
            np.ones(2), np.array([0.9, 0.01]), np.ones(2), np.full(2, 60.0), margin=50, tuning="scalar"
        )
        assert share[0] == share[1] <= 0.02 + 1e-12
        assert np.all(ratio <= 1.02 + 1e-12)
