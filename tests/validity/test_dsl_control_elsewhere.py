"""The bounded share of a control variate with clusters, absorbed effects, counts, classes and quantiles, few labels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from tests.validity.dsl_weak_settings import WeakSetting, measure
from tests.validity.test_dsl_quantile import few_labels_hits
from validstats import DesignSupervised
from validstats.runtime import map_replicates
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity

REPLICATES = int(os.environ.get("VALIDSTATS_DSL_REPLICATES", "60"))


@dataclass(frozen=True)
class Study:
    """Rows with machine labels, labels of some, how to calibrate and infer, the truth of the slopes, units and p."""

    rows: pd.DataFrame
    labels: pd.Series
    calibrate: dict
    infer: dict
    truth: dict[str, float]
    n_units: int
    n_params: int


def _machine(y, rng, good):
    return y + rng.normal(size=len(y)) if good else rng.normal(size=len(y))


def _some(n, k, rng):
    labelled = np.zeros(n, dtype=bool)
    labelled[rng.choice(n, k, replace=False)] = True
    return labelled


def clustered_rows(rng, good):
    """150 of 2,000 rows in 100 clusters that share a shock; rows are drawn, standard errors are clustered."""
    group = np.repeat(np.arange(100), 20)
    x = rng.normal(size=100)[group] + rng.normal(size=2000)
    y = 1 + 0.5 * x + 0.7 * rng.normal(size=100)[group] + rng.normal(size=2000)
    rows = pd.DataFrame({"x": x, "g": group, "machine": _machine(y, rng, good)})
    labels = pd.Series(y).where(_some(2000, 150, rng))
    return Study(rows, labels, {"clusters": "g"}, {"formula": "label ~ x"}, {"x": 0.5}, 100, 2)


def whole_clusters(rng, good):
    """40 of 200 clusters of ten are labelled as a whole."""
    group = np.repeat(np.arange(200), 10)
    x = rng.normal(size=200)[group] + rng.normal(size=2000)
    y = 1 + 0.5 * x + 0.7 * rng.normal(size=200)[group] + rng.normal(size=2000)
    rows = pd.DataFrame({"x": x, "g": group, "machine": _machine(y, rng, good)})
    labels = pd.Series(y).where(_some(200, 40, rng)[group])
    return Study(rows, labels, {"clusters": "g"}, {"formula": "label ~ x"}, {"x": 0.5}, 40, 2)


def absorbed_effects(rng, good):
    """400 of 1,500 rows in 60 units with effects that are absorbed."""
    unit = np.repeat(np.arange(60), 25)
    effect = rng.normal(size=60)[unit]
    x = effect + rng.normal(size=1500)
    y = 0.5 * x + effect + rng.normal(size=1500)
    rows = pd.DataFrame({"x": x, "unit": unit, "machine": _machine(y, rng, good)})
    labels = pd.Series(y).where(_some(1500, 400, rng))
    return Study(rows, labels, {}, {"formula": "label ~ x | unit", "clusters": "none"}, {"x": 0.5}, 400, 61)


def classes(rng, good):
    """150 of 2,000 rows of three classes, and a judge who is right in nine of ten or guesses."""
    x = rng.normal(size=2000)
    eta = np.column_stack([np.zeros(2000), 0.3 + 0.6 * x, -0.2 - 0.8 * x])
    chance = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    y = (rng.random(2000)[:, None] > np.cumsum(chance, axis=1)).sum(axis=1)
    guess = rng.integers(0, 3, 2000)
    machine = np.where(rng.random(2000) < (0.9 if good else 0.0), y, guess)
    rows = pd.DataFrame({"x": x, "machine": np.array(["a", "b", "c"])[machine]})
    labels = pd.Series(np.array(["a", "b", "c"], dtype=object)[y]).where(_some(2000, 150, rng))
    truth = {"b: x": 0.6, "c: x": -0.8}
    return Study(rows, labels, {}, {"formula": "label ~ x", "model": "multinomial"}, truth, 150, 4)


LAWS: dict[str, Callable] = {
    f.__name__: f for f in (clustered_rows, whole_clusters, absorbed_effects, classes)
}


def tuned_and_gold(rng, index, law, good):
    """Return errors, standard errors and whether intervals cover, of tuned and gold, shape ``(2, 3, slopes)``."""
    study = LAWS[law](rng, good)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dsl = DesignSupervised("linear", n_repeats=1, random_state=int(rng.integers(2**31)))
        dsl.fit(study.rows, surrogate="machine").calibrate(study.labels.rename("label"), **study.calibrate)
        found = []
        for estimator in ("tuned", "gold"):
            result = dsl.infer(estimator=estimator, **study.infer)
            at = [result.names.index(name) for name in study.truth]
            truth = np.array(list(study.truth.values()))
            inside = (result.conf_low[at] <= truth) & (truth <= result.conf_high[at])
            found.append([result.params[at] - truth, result.std_error[at], inside])
    return np.array(found, dtype=float)


@pytest.mark.parametrize("good", [True, False], ids=["good", "noise"])
@pytest.mark.parametrize("law", LAWS)
def test_the_share_is_as_safe_elsewhere(law, good):
    found = np.array(
        map_replicates(lambda rng, i: tuned_and_gold(rng, i, law, good), REPLICATES, random_state=31)
    )
    tuned, gold = found[:, 0], found[:, 1]
    study = LAWS[law](np.random.default_rng(0), good)
    ratio = tuned[:, 1] / gold[:, 1]
    assert ratio.max() <= np.sqrt(1 + 1 / (study.n_units - study.n_params)) + 1e-9
    rmse = np.sqrt(np.mean(tuned[:, 0] ** 2, axis=0) / np.mean(gold[:, 0] ** 2, axis=0))
    assert np.all(rmse <= (0.95 if good else 1.04)), rmse
    for hits in tuned[:, 2].sum(axis=0):
        check = binomial_acceptance(int(hits), REPLICATES, 0.94)
        assert check.accepted, check


@pytest.mark.parametrize("surrogate", ["good", "noise"])
def test_counts(surrogate):
    found = measure(WeakSetting("poisson", "normal", "normal", surrogate, 100, False), 200, 32)
    ratio = found.std_errors["tuned"] / found.std_errors["gold"]
    assert ratio.max() <= np.sqrt(1 + 1 / (100 - ratio.shape[1]))
    rmse = found.rmse("tuned") / found.rmse("gold")
    assert np.all(rmse <= (0.92 if surrogate == "good" else 1.04)), rmse
    assert found.coverage("tuned").mean() >= found.coverage("gold").mean() - 0.01


@pytest.mark.parametrize(("n_labels", "level"), [(30, 0.9), (100, 0.5)])
def test_quantiles(n_labels, level):
    work = lambda rng, i: few_labels_hits(rng, n_labels, level)  # noqa: E731
    found = np.array(map_replicates(work, REPLICATES, random_state=33), dtype=float)
    check = binomial_acceptance(int(found[:, 0].sum()), REPLICATES, 0.94)
    assert check.accepted, check
    assert np.sqrt(np.mean(found[:, 1]) / np.mean(found[:, 2])) <= 0.92
