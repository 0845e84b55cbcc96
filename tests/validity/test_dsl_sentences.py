"""The bundled sentences: 1,000 ratings of 23,703, both regressions, the truth known."""

from __future__ import annotations

import functools
import os
from functools import partial

import numpy as np
import pytest
import statsmodels.api as sm

from tests.validity import dsl_settings as settings
from validstats.dsl.moments import GLMMoment, LinearMoment, RegressionRows
from validstats.parallel import map_replicates
from validstats.tour.dsl import load_sentences
from validstats.validity.coverage import binomial_acceptance

pytestmark = pytest.mark.validity

N_DRAWS = int(os.environ.get("VALIDSTATS_DSL_DRAWS", "40"))
"""Fresh samples of 1,000 ratings; the published figures are from 500."""

NOMINAL = 0.95


@functools.cache
def sentences_draw(model):
    """The regression on all sentences, its full-data coefficients as the truth."""
    sentences = load_sentences()
    data = sentences.data
    corpora = ["amazon", "movies", "nyt", "tweets"]
    dummies = [(data["corpus"] == c).to_numpy(float) for c in corpora[1:]]
    X = np.column_stack([np.ones(len(data)), *dummies, data["log_length"], data["negation"].astype(float)])
    if model == "logit":
        moment, y, raw = GLMMoment(sm.families.Binomial()), sentences.positive, data["machine_positive"]
        truth = sm.Logit(y, X).fit(disp=0, tol=1e-12).params
    else:
        moment, y, raw = LinearMoment(), sentences.rating, data["compound"]
        truth = np.linalg.lstsq(X, y, rcond=None)[0]
    features = np.column_stack([data["compound"], data["machine_positive"], X[:, 1:]])
    return settings.Draw(
        moment=moment,
        coefficients=truth,
        make_rows=lambda r, y_: RegressionRows(y=y if y_ is None else y_, X=X),
        outcome=y,
        raw_outcome=raw.to_numpy(float),
        surrogate_features=features[:, :2],
        all_features=features,
    )


def one_sample(model, population, rng, index):
    draw = sentences_draw(model)
    found = settings.replicate(draw, rng, 1000, ("tuned", "naive"), population=population)
    ours = found["tuned"]
    inside = np.abs(ours.params - draw.coefficients) <= 1.959964 * np.sqrt(np.diag(ours.covariance))
    naive = np.abs(found["naive"].params - draw.coefficients) <= 1.959964 * found["naive"].std_error
    return inside, naive


@pytest.mark.parametrize("model", ["linear", "logit"])
def test_finite_population_intervals_cover_the_full_data_coefficients(model, record_property):
    outcomes = np.array(map_replicates(partial(one_sample, model, "finite"), N_DRAWS, random_state=11))
    hits = outcomes.sum(axis=0)
    record_property("coverage", (hits / N_DRAWS).round(3).tolist())
    print(model, "finite", (hits / N_DRAWS).round(3).tolist())
    for k, successes in enumerate(hits[0]):
        check = binomial_acceptance(int(successes), N_DRAWS, NOMINAL)
        assert check.accepted, f"coefficient {k}: {check}"
    assert np.all(hits[1][-2:] < 0.5 * N_DRAWS) if model == "logit" else hits[1].min() < 0.5 * N_DRAWS


def test_superpopulation_intervals_cover_at_least_as_often():
    outcomes = np.array(
        map_replicates(partial(one_sample, "logit", "superpopulation"), N_DRAWS, random_state=12)
    )
    for successes in outcomes.sum(axis=0)[0]:
        assert binomial_acceptance(int(successes), N_DRAWS, NOMINAL).accepted


def test_machine_labels_alone_overstate_the_coefficient_of_length():
    draw = sentences_draw("logit")
    naive = settings.replicate(draw, np.random.default_rng(0), 1000, ("naive",))["naive"]
    assert naive.params[4] > 0.4 and draw.coefficients[4] < 0.13
