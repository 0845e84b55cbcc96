"""Absorbed effects and two-way clusters: intervals cover with predicted covariates, and the usual ones do not."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from validstats.dsl.fit import Component, LabelledSample, estimate
from validstats.dsl.labels import CrossFitter, FoldPlan
from validstats.dsl.moments import Absorber, InstrumentalMoment, LinearMoment, RegressionRows, SamplingDesign
from validstats.dsl.regression.effects import estimate_effects, naive_within, transform_whole_clusters
from validstats.runtime import map_replicates
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity

N_REPLICATES = int(os.environ.get("VALIDSTATS_DSL_REPLICATES", "80"))
FLOOR = 0.93
LEARNER = "linear"
"""What is promised holds for any learner; the linear one takes a fifth of the time of the default."""


def panel(rng, n_units=1200, n_times=4):
    """A binary covariate that is endogenous within units, an instrument, and analysis weights; truth 1."""
    units = np.repeat(np.arange(n_units), n_times)
    n = len(units)
    effect, shock, z = rng.normal(size=n_units)[units], rng.normal(size=n), rng.normal(size=n)
    d = ((z + 0.5 * effect + rng.normal(size=n)) > 0).astype(float)
    endogenous = ((z + 0.5 * effect + shock) > 0).astype(float)
    y = effect + 0.7 * shock + rng.normal(size=n)
    return units, z, d, endogenous, y


def machine(rng, d, y, agreeing=True):
    """Errors depend on the outcome: rarer where it agrees with the covariate, or (``agreeing=False``) more frequent.

    The first sort inflates the coefficient while misclassification attenuates it; only the second sort adds to the
    attenuation, so that the naive fit is wrong also without instruments.
    """
    sign = 1 if agreeing else -1
    return np.where(rng.random(len(d)) < 0.82 + sign * 0.12 * np.tanh(y * (2 * d - 1)), d, 1 - d)


def completions(rng, units, labelled, d, features, make_rows):
    folds = FoldPlan.of_rows(len(d), 5, 1, rng, units).folds[0][None, :]
    fitter = CrossFitter(learner=LEARNER, folds=folds, labelled=labelled)
    chance = fitter.classify("d", d[labelled].astype(np.int64), 2, features)[0]
    return tuple(Component(rows=make_rows(np.full(len(d), float(k))), weight=chance[k]) for k in range(2))


def covered(found, truth=1.0, critical=1.959964):
    errors = found.std_error if hasattr(found, "std_error") else np.sqrt(np.diag(found.covariance))
    return bool(abs(found.params[0] - truth) <= critical * errors[0])


def numeric_completions(rng, units, labelled, d, features, make_rows):
    """Four equally likely values for each row: its regression plus quantiles of the residuals."""
    folds = FoldPlan.of_rows(len(d), 5, 1, rng, units).folds[0][None, :]
    fitter = CrossFitter(learner=LEARNER, folds=folds, labelled=labelled)
    mean = fitter.regress("d", d[labelled], features)[0, 0]
    spread = fitter.residuals("d", d[labelled], features[labelled], 4).predict(features, fitter.folds)[0].T
    return tuple(Component(rows=make_rows(mean + spread[k]), weight=0.25) for k in range(4))


def effects_fits(rng, instruments=False, weighted=False, kind="HC1", numeric=False):
    """Our fit and the naive one in a short panel; ``numeric`` measures the covariate with noise."""
    units, z, d, endogenous, y = panel(rng)
    if numeric:
        d = 0.7 * d + 0.5 * rng.normal(size=len(d))
    d = endogenous if instruments else d
    y = y + d
    weights = rng.uniform(0.3, 2.0, len(d)) if weighted else None

    def make_rows(values):
        return RegressionRows(y=y, X=values[:, None], Z=z[:, None] if instruments else None)

    q = d + 0.5 * rng.normal(size=len(d)) if numeric else machine(rng, d, y, agreeing=instruments)
    labelled = rng.random(len(d)) < 0.3
    moment = InstrumentalMoment() if instruments else LinearMoment()
    sample = LabelledSample(
        moment=moment, gold=make_rows(d).take(labelled), labelled=labelled, probability=np.full(len(d), 0.3)
    )
    complete = numeric_completions if numeric else completions
    term = complete(rng, units, labelled, d, np.column_stack([q, z, y]), make_rows)
    absorber = Absorber([units], weights)
    found = estimate_effects(
        replace(sample, clusters=(units,)),
        (term,),
        None,
        absorber,
        estimator="tuned",
        kind=kind,
        population="superpopulation",
    )
    return found, naive_within(replace(sample, clusters=(units,)), (Component(rows=make_rows(q)),), absorber)


def effects_draw(rng, index, **options):
    return tuple(covered(fit) for fit in effects_fits(rng, **options))


@pytest.mark.parametrize(
    "options",
    [{"instruments": True}, {"weighted": True}, {"instruments": True, "weighted": True}, {"kind": "HC3"}],
    ids=["instruments", "weights", "instruments and weights", "HC3"],
)
def test_short_panels_with_a_machine_labelled_covariate(options):
    outcomes = np.array(
        map_replicates(lambda rng, index: effects_draw(rng, index, **options), N_REPLICATES, random_state=21)
    )
    check = binomial_acceptance(int(outcomes[:, 0].sum()), N_REPLICATES, FLOOR)
    assert check.accepted, check
    assert not binomial_acceptance(int(outcomes[:, 1].sum()), N_REPLICATES, FLOOR).accepted


def whole_units_draw(rng, index):
    units, z, d, _, y = panel(rng, n_units=1000)
    y = y + d

    def make_rows(values):
        return RegressionRows(y=y, X=values[:, None])

    q = machine(rng, d, y, agreeing=False)
    labelled = (rng.random(1000) < 0.3)[units]
    sample = LabelledSample(
        moment=LinearMoment(),
        gold=make_rows(d).take(labelled),
        labelled=labelled,
        probability=np.full(len(d), 0.3),
    )
    term = completions(rng, units, labelled, d, np.column_stack([q, z, y]), make_rows)
    raw, absorber = (Component(rows=make_rows(q)),), Absorber([units])
    design = SamplingDesign(scheme="clusters", units=units)
    sample = replace(sample, design=design, clusters=(units,), absorbed=absorber.rows)
    within, (changed, changed_raw) = transform_whole_clusters(sample, (term, raw), absorber)
    found = estimate(within, (changed,), changed_raw, estimator="tuned", kind="HC1")
    return covered(found), covered(naive_within(sample, raw, absorber))


def test_whole_units_labelled():
    outcomes = np.array(map_replicates(whole_units_draw, N_REPLICATES, random_state=22))
    check = binomial_acceptance(int(outcomes[:, 0].sum()), N_REPLICATES, FLOOR)
    assert check.accepted, check
    assert not binomial_acceptance(int(outcomes[:, 1].sum()), N_REPLICATES, FLOOR).accepted


def test_finite_population_with_absorbed_effects():
    """Labels drawn afresh from one panel; the target is the within coefficient of that panel."""
    source = np.random.default_rng(6)
    units, z, d, _, y = panel(source)
    y = y + d
    q = machine(source, d, y)
    absorber = Absorber([units])
    inside = d - absorber.project(d)
    truth = float(inside @ y / (inside @ inside))

    def make_rows(values):
        return RegressionRows(y=y, X=values[:, None])

    def one(rng, index):
        labelled = rng.random(len(d)) < 0.3
        sample = LabelledSample(
            moment=LinearMoment(),
            gold=make_rows(d).take(labelled),
            labelled=labelled,
            probability=np.full(len(d), 0.3),
        )
        term = completions(rng, units, labelled, d, np.column_stack([q, z, y]), make_rows)
        found = estimate_effects(
            replace(sample, clusters=(units,)),
            (term,),
            None,
            absorber,
            estimator="tuned",
            kind="HC0",
            population="finite",
        )
        return covered(found, truth), found.params[0], np.sqrt(found.covariance[0, 0])

    outcomes = np.array(map_replicates(one, N_REPLICATES, random_state=23))
    check = binomial_acceptance(int(outcomes[:, 0].sum()), N_REPLICATES, 0.95)
    assert check.accepted, check
    ratio = outcomes[:, 2].mean() / outcomes[:, 1].std(ddof=1)
    assert 0.8 < ratio < 1.5, f"reported over actual standard deviation: {ratio:.2f}"
    assert abs(outcomes[:, 1].mean() - truth) < 4 * outcomes[:, 1].std() / np.sqrt(N_REPLICATES)


def two_way_draw(rng, index, n_units=45, n_times=45):
    """Covariate, outcome and machine errors share shocks of units and of times."""
    units, times = np.repeat(np.arange(n_units), n_times), np.tile(np.arange(n_times), n_units)
    n = len(units)

    def shocks(a, b, c):
        return (
            a * rng.normal(size=n_units)[units] + b * rng.normal(size=n_times)[times] + c * rng.normal(size=n)
        )

    x = shocks(1.0, 1.0, 0.5)
    y = 0.5 * x + shocks(0.7, 0.7, 1.0)
    q = 0.7 * y + 0.4 * x + shocks(0.4, 0.4, 0.5)
    X = np.column_stack([x, np.ones(n)])
    labelled = rng.random(n) < 0.5

    def rows(values):
        return RegressionRows(y=values, X=X)

    sample = LabelledSample(
        moment=LinearMoment(), gold=rows(y).take(labelled), labelled=labelled, probability=np.full(n, 0.5)
    )
    folds = FoldPlan.of_rows(n, 5, 1, rng, units).folds[0][None, :]
    fitter = CrossFitter(learner=LEARNER, folds=folds, labelled=labelled)
    term = (Component(rows=rows(fitter.regress("y", y[labelled], np.column_stack([q, x]))[0, 0])),)
    raw = (Component(rows=rows(q)),)
    critical = float(stats.t.isf(0.025, min(n_units, n_times) - 1))
    found = [
        estimate(replace(sample, clusters=clusters), (term,), raw, estimator="tuned", kind="HC1")
        for clusters in ((units, times), (units,))
    ]
    return [covered(f, 0.5, critical) for f in found]


def test_two_way_clusters():
    outcomes = np.array(map_replicates(two_way_draw, N_REPLICATES, random_state=24))
    check = binomial_acceptance(int(outcomes[:, 0].sum()), N_REPLICATES, 0.92)
    assert check.accepted, check
    assert not binomial_acceptance(int(outcomes[:, 1].sum()), N_REPLICATES, 0.92).accepted
