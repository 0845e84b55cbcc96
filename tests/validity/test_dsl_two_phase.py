"""Two phases: units drawn from a population, and some of them labelled by what the first phase has shown."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from validstats import DesignSupervised
from validstats.runtime import map_replicates
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity

N_REPLICATES = int(os.environ.get("VALIDSTATS_DSL_REPLICATES", "80"))
N_POPULATION = 20_000
TRUTH = np.array([1.0, 0.5])
"""Projection of the outcome on the covariate in the population."""


def two_phase_draw(rng, index):
    """Fits with and without first-phase weights, and machine labels alone; which of them cover the truth."""
    x = rng.normal(size=N_POPULATION)
    register = rng.normal(size=N_POPULATION)
    y = 1.0 + 0.5 * x + 0.7 * register * (1.0 + 0.5 * x) + rng.normal(size=N_POPULATION)
    machine = 0.7 * y + 0.4 * x + 0.5 * rng.normal(size=N_POPULATION)
    first = 0.05 + 0.25 / (1.0 + np.exp(-1.5 * register))
    drawn = rng.random(N_POPULATION) < first
    second = np.where(machine[drawn] > np.median(machine[drawn]), 0.6, 0.25)
    labels = np.where(rng.random(drawn.sum()) < second, y[drawn], np.nan)
    data = pd.DataFrame({"x": x[drawn], "machine": machine[drawn], "weight": 1.0 / first[drawn]})
    # what is promised holds for any learner; the linear one takes a fifth of the time of the default
    study = DesignSupervised("linear", n_repeats=1, random_state=index)
    study.fit(data, surrogate="machine", features=["x"])
    study.calibrate(pd.Series(labels, name="y"), sampling_probability=second)
    weighted = study.infer("y ~ x", weights="weight")
    unweighted = study.infer("y ~ x")
    naive = np.abs(weighted.naive_fit.params - TRUTH) <= 1.96 * weighted.naive_fit.std_error
    return [covers(weighted), covers(unweighted), naive]


def covers(result):
    interval = result.confidence_interval()
    return (interval[:, 0] <= TRUTH) & (interval[:, 1] >= TRUTH)


def test_weights_of_the_first_phase_and_probabilities_of_the_second_cover_the_population():
    hits = np.array(map_replicates(two_phase_draw, N_REPLICATES, random_state=21)).sum(axis=0)
    for successes in hits[0]:
        check = binomial_acceptance(int(successes), N_REPLICATES, 0.93)
        assert check.accepted, check
    for wrong in hits[1:]:
        assert not binomial_acceptance(int(wrong.min()), N_REPLICATES, 0.93).accepted
    print((hits / N_REPLICATES).round(3).tolist())
