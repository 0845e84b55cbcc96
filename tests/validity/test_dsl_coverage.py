"""Intervals cover for any quality of the machine labels; taking machine labels for the truth does not."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pytest
from scipy import stats

from tests.validity import dsl_settings as settings
from validstats.dsl.fit import Component, LabelledSample, fit_fixed_effects
from validstats.dsl.fit.fixed_effects import Absorber
from validstats.dsl.labels import CrossFitter, FoldPlan
from validstats.dsl.moments import LinearMoment, RegressionRows, SamplingDesign, clustered_meat, sandwich
from validstats.runtime import map_replicates
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity

N_REPLICATES = int(os.environ.get("VALIDSTATS_DSL_REPLICATES", "80"))
FLOOR = 0.93
"""With at least 1,000 labels coverage must not be significantly below this."""

LEARNER = "linear"
"""What is promised holds for any learner; the linear one takes a fifth of the time of the default."""

SETTINGS = {
    "logit, 60 % accuracy": partial(settings.predicted_outcome_logit, n=3000, accuracy=0.6),
    "logit, 85 % accuracy": partial(settings.predicted_outcome_logit, n=3000, accuracy=0.85),
    "logit, 95 % accuracy": partial(settings.predicted_outcome_logit, n=3000, accuracy=0.95),
    "linear, predicted covariate": partial(settings.predicted_covariate_linear, n=3000),
    "Poisson": partial(settings.poisson_outcome, n=3000),
    "multinomial": partial(settings.multinomial_outcome, n=3000),
    "instruments": partial(settings.instrumental, n=3000),
    "unequal probabilities": settings.unequal_logit,
    "clusters": settings.clustered_linear,
}


def covers(estimate, truth, critical=1.959964):
    error = getattr(estimate, "std_error", None)
    if error is None:
        error = np.sqrt(np.diag(estimate.covariance))
    return np.abs(estimate.params - truth) <= critical * error


def one_draw(make, rng, index, estimators=("tuned", "naive"), learner=LEARNER):
    draw = make(rng)
    found = settings.replicate(draw, rng, 1000, estimators, learner=learner)
    return [covers(found[name], draw.coefficients) for name in estimators]


@pytest.mark.parametrize("name", SETTINGS)
def test_intervals_cover_and_naive_ones_do_not(name):
    outcomes = np.array(map_replicates(partial(one_draw, SETTINGS[name]), N_REPLICATES, random_state=1))
    hits = outcomes.sum(axis=0)
    for k, successes in enumerate(hits[0]):
        check = binomial_acceptance(int(successes), N_REPLICATES, FLOOR)
        assert check.accepted, f"coefficient {k}: {check}"
    assert any(not binomial_acceptance(int(s), N_REPLICATES, FLOOR).accepted for s in hits[1]), hits[1]


def test_intervals_cover_with_the_default_learner():
    make = SETTINGS["logit, 85 % accuracy"]
    work = partial(one_draw, make, estimators=("tuned",), learner=None)
    for successes in np.array(map_replicates(work, 60, random_state=8)).sum(axis=0)[0]:
        assert binomial_acceptance(int(successes), 60, FLOOR).accepted


@pytest.mark.parametrize("estimator", ["dsl", "ppi", "ppi++", "gold"])
def test_the_other_estimators_cover_too(estimator):
    make = SETTINGS["logit, 85 % accuracy"]
    outcomes = np.array(map_replicates(partial(one_draw, make, estimators=(estimator,)), 60, random_state=2))
    for successes in outcomes.sum(axis=0)[0]:
        assert binomial_acceptance(int(successes), 60, FLOOR).accepted


def whole_cluster_draw(rng, index):
    draw = settings.clustered_linear(rng, n_clusters=800, size=4)
    labelled = (rng.random(800) < 0.35)[draw.clusters]
    found = settings.replicate(
        settings.replace(draw, probability=np.full(3200, 0.35)),
        rng,
        0,
        ("tuned", "naive"),
        design=SamplingDesign(scheme="clusters", units=draw.clusters),
        labelled=labelled,
        learner=LEARNER,
    )
    return [covers(found[name], draw.coefficients) for name in ("tuned", "naive")]


def test_whole_clusters():
    hits = np.array(map_replicates(whole_cluster_draw, N_REPLICATES, random_state=3)).sum(axis=0)
    for successes in hits[0]:
        assert binomial_acceptance(int(successes), N_REPLICATES, FLOOR).accepted
    assert not binomial_acceptance(int(hits[1].min()), N_REPLICATES, FLOOR).accepted


def panel_draw(rng, index, corrected=True):
    """Short panel, half the rows labelled independently of each other, plug-in expectation of the covariate."""
    units, x, y, q = settings.short_panel(rng)
    n, share = len(units), 0.3
    labelled = rng.random(n) < share
    folds = FoldPlan.of_rows(n, 5, 1, rng, units).folds[0][None, :]
    fitter = CrossFitter(learner=LEARNER, folds=folds, labelled=labelled)
    features = np.column_stack([q, y])
    mean = fitter.regress("x", x[labelled], features)[0, 0]
    spread = fitter.residuals("x", x[labelled], features[labelled], 4).predict(features, fitter.folds)[0].T
    term = tuple(
        Component(rows=RegressionRows(y=y, X=(mean + spread[d])[:, None]), weight=0.25) for d in range(4)
    )
    gold = RegressionRows(y=y, X=x[:, None]).take(labelled)
    sample = LabelledSample(
        moment=LinearMoment(), gold=gold, labelled=labelled, probability=np.full(n, share)
    )
    fit = fit_fixed_effects(sample, term, Absorber([units]), own_term_correction=corrected)
    error = np.sqrt(sandwich(fit.bread, clustered_meat(fit.psi, [units]), n)[0, 0])
    return abs(fit.params[0] - 1.0) <= 1.959964 * error, fit.params[0]


def test_short_panel_with_a_predicted_covariate():
    outcomes = map_replicates(panel_draw, N_REPLICATES, random_state=4)
    check = binomial_acceptance(sum(bool(o[0]) for o in outcomes), N_REPLICATES, FLOOR)
    assert check.accepted, check
    values = np.array([o[1] for o in outcomes])
    assert abs(values.mean() - 1.0) < 4 * values.std() / np.sqrt(N_REPLICATES)


def test_short_panel_without_the_correction_is_wrong():
    outcomes = map_replicates(partial(panel_draw, corrected=False), 40, random_state=4)
    assert not binomial_acceptance(sum(bool(o[0]) for o in outcomes), 40, FLOOR).accepted
    assert abs(np.mean([o[1] for o in outcomes]) - 1.0) > 0.05


def finite_draw(rng, index, population=None, labels=800):
    """Labels drawn afresh from one fixed population; the target is its own full-data coefficient."""
    draw, full = population
    found = settings.replicate(draw, rng, labels, ("tuned",), population="finite", learner=LEARNER)["tuned"]
    return covers(found, full)


def test_finite_population_intervals_cover_the_full_data_coefficients():
    draw = settings.predicted_outcome_logit(np.random.default_rng(5), n=2000)
    everything = settings.replicate(
        draw, np.random.default_rng(0), 2000, ("gold",), labelled=np.ones(2000, bool)
    )["gold"].params
    hits = np.array(
        map_replicates(partial(finite_draw, population=(draw, everything)), N_REPLICATES, random_state=6)
    ).sum(axis=0)
    for successes in hits:
        check = binomial_acceptance(int(successes), N_REPLICATES, 0.95, alternative="two-sided")
        assert check.accepted, check


def few_labels_draw(rng, index, n_labels):
    draw = settings.predicted_outcome_logit(rng, n=2000)
    found = settings.replicate(draw, rng, n_labels, ("tuned",), learner=LEARNER)["tuned"]
    if found is None:
        return np.full(3, False)
    return covers(found, draw.coefficients, stats.t.isf(0.025, found.degrees))


@pytest.mark.parametrize("n_labels", [50, 100])
def test_few_labels_with_t_intervals(n_labels):
    hits = np.array(map_replicates(partial(few_labels_draw, n_labels=n_labels), 60, random_state=7)).sum(
        axis=0
    )
    for successes in hits:
        check = binomial_acceptance(int(successes), 60, 0.90)
        assert check.accepted, f"{n_labels} labels: {check}"
