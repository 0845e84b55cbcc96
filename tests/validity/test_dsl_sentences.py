"""The bundled sentences: 1,000 ratings of 23,703, both regressions, the truth known."""

from __future__ import annotations

import functools
import os
from functools import partial

import numpy as np
import pytest
import statsmodels.api as sm

from tests.validity import dsl_settings as settings
from validstats.dsl.moments import GLMMoment, LinearMoment, RegressionRows, clustered_meat
from validstats.runtime import map_replicates
from validstats.tour.dsl import load_sentences
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity

N_DRAWS = int(os.environ.get("VALIDSTATS_DSL_DRAWS", "40"))
"""Fresh samples of 1,000 ratings; the published figures are from 500."""

NOMINAL = 0.95
CORPORA = ("amazon", "movies", "nyt", "tweets")
COEFFICIENTS = ("constant", "movies", "nyt", "tweets", "log length", "negation")


@functools.cache
def sentences_draw(model):
    """The regression on all sentences, its full-data coefficients as the truth."""
    sentences = load_sentences()
    data = sentences.data
    dummies = [(data["corpus"] == c).to_numpy(float) for c in CORPORA[1:]]
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


def one_sample(model, rng, index):
    """Distance from the full-data coefficients in standard errors: finite population, superpopulation, naive."""
    draw = sentences_draw(model)
    found = settings.replicate(draw, rng, 1000, ("tuned", "naive"), population="finite")
    ours, naive = found["tuned"], found["naive"]
    wider = np.diag(clustered_meat(ours.influence)) / len(ours.influence)
    errors = [np.sqrt(np.diag(ours.covariance)), np.sqrt(wider), naive.std_error]
    away = [np.abs(fit.params - draw.coefficients) for fit in (ours, ours, naive)]
    return np.array(away) / np.array(errors)


@pytest.mark.parametrize("model", ["linear", "logit"])
def test_intervals_cover_the_full_data_coefficients(model, record_property):
    """For the finite population at their level, for a superpopulation at least that often, naive ones do not."""
    distances = np.array(map_replicates(partial(one_sample, model), N_DRAWS, random_state=11))
    finite, superpopulation, naive = hits = (distances <= 1.959964).sum(axis=0)
    record_property("coverage", (hits / N_DRAWS).round(3).tolist())
    for k, successes in enumerate(finite):
        check = binomial_acceptance(int(successes), N_DRAWS, NOMINAL)
        assert check.accepted, f"coefficient {k}: {check}"
    assert np.all(superpopulation >= finite), (superpopulation, finite)
    assert np.all(distances[:, 1] < distances[:, 0])
    assert np.all(naive[-2:] < 0.5 * N_DRAWS) if model == "logit" else naive.min() < 0.5 * N_DRAWS


def test_machine_labels_alone_overstate_the_coefficient_of_length():
    draw = sentences_draw("logit")
    naive = settings.replicate(draw, np.random.default_rng(0), 1000, ("naive",))["naive"]
    assert naive.params[4] > 0.4 and draw.coefficients[4] < 0.13
