"""The tuned estimator is never far from the best of its rivals, in paired comparisons."""

from __future__ import annotations

import functools
import os
from functools import partial

import numpy as np
import pytest

from tests.validity import dsl_settings as settings
from validstats.runtime import map_replicates

pytestmark = pytest.mark.validity

RIVALS = ("gold", "ppi", "ppi++", "dsl")
ALLOWED = 1.03
N_REPLICATES = int(os.environ.get("VALIDSTATS_DSL_REPLICATES", "40"))

SETTINGS = {
    "logit, predicted outcome": (partial(settings.predicted_outcome_logit, n=3000), 500),
    "linear, predicted covariate": (partial(settings.predicted_covariate_linear, n=3000), 500),
    "paper, 60 %": (partial(settings.paper_design, n=3000, accuracy=0.6), 500),
    "paper, 90 %": (partial(settings.paper_design, n=3000, accuracy=0.9), 500),
    "few labels": (partial(settings.predicted_outcome_logit, n=2000), 100),
}


def squared_errors(make, n_labels, rng, index):
    draw = make(rng)
    found = settings.replicate(draw, rng, n_labels, (*RIVALS, "tuned"))
    return [
        np.full(len(draw.coefficients), np.nan) if e is None else (e.params - draw.coefficients) ** 2
        for e in (found[name] for name in (*RIVALS, "tuned"))
    ]


@functools.cache
def all_errors(name):
    make, n_labels = SETTINGS[name]
    return np.array(map_replicates(partial(squared_errors, make, n_labels), N_REPLICATES, random_state=8))


@pytest.mark.parametrize("name", SETTINGS)
def test_root_mean_squared_error_is_at_most_three_percent_above_the_best(name):
    errors = all_errors(name)
    errors = errors[np.isfinite(errors).all(axis=(1, 2))]
    assert len(errors) > 0.9 * N_REPLICATES
    scaled = (errors / errors[:, 0].mean(axis=0)).mean(axis=2)
    best = int(np.argmin(scaled[:, :-1].mean(axis=0)))
    excess = scaled[:, -1] - ALLOWED**2 * scaled[:, best]
    z = excess.mean() / (excess.std(ddof=1) / np.sqrt(len(excess)))
    ratio = np.sqrt(scaled[:, -1].mean() / scaled[:, best].mean())
    assert z < 3.09, f"{name}: {ratio:.3f} times {RIVALS[best]}, z = {z:.2f}"


def test_plain_plug_in_of_a_poor_machine_label_does_lose():
    errors = all_errors("paper, 60 %")
    scaled = (errors / errors[:, 0].mean(axis=0)).mean(axis=2)
    excess = scaled[:, 1] - ALLOWED**2 * scaled[:, 0]
    assert excess.mean() / (excess.std(ddof=1) / np.sqrt(len(excess))) > 3.09
