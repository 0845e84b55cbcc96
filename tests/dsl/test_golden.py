"""Parity with the R package dsl 0.1.0, given the same cross-fitted predictions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.linear_model import LinearRegression

from validstats import DesignSupervised
from validstats.dsl.fit import Component, LabelledSample, fit_fixed_effects, identity_augmentation
from validstats.dsl.fit.augmentation import augmentation_scores, fit_augmented
from validstats.dsl.fit.fixed_effects import Absorber
from validstats.dsl.moments import (
    GLMMoment,
    LinearMoment,
    RegressionRows,
    cluster_codes,
    clustered_meat,
    median_of_splits,
    sandwich,
)
from validstats.dsl.moments.variance import forecast_variance, meat_parts

GOLDEN = Path(__file__).parent / "golden"
R_DATA = os.environ.get("VALIDSTATS_DSL_R_DATA")
"""Folder with the data of the R package, which are GPL-2 and not part of this project."""

CASES = json.loads((GOLDEN / "dsl.json").read_text())


def _as_list(value):
    return value if isinstance(value, list) else [value]


def _load(group, name):
    case = CASES[group][name]
    if group == "lm" and R_DATA is None:
        pytest.skip("VALIDSTATS_DSL_R_DATA does not name the folder of the R package's data")
    folder = GOLDEN if group == "own" else Path(R_DATA)
    config = case["config"]
    data = pd.read_csv(folder / config["data"])
    predictions = {v: pd.read_csv(folder / f).to_numpy() for v, f in case["predictions"].items()}
    return case, config, data, predictions


def _design(config, data, replacements):
    frame = data.assign(**replacements)
    outcome, right = config["formula"].split(" ~ ")
    columns = [frame[c].to_numpy(float) for c in right.split(" + ")]
    if config["model"] != "felm":
        columns = [np.ones(len(frame)), *columns]
    return RegressionRows(y=frame[outcome].to_numpy(float), X=np.column_stack(columns))


def _split(config, data, predictions, split):
    """Return estimate, covariance and meat parts of one sample split."""
    labels = _as_list(config["predicted_var"])
    labelled = data[labels].notna().all(axis=1).to_numpy()
    probability = np.full(len(data), labelled.mean())
    if "sample_prob" in config:
        given = data[config["sample_prob"]].to_numpy(float)
        probability = given * labelled.mean() / given.mean()
    gold = _design(config, data, {v: data[v].fillna(0.0) for v in labels}).take(labelled)
    predicted = _design(config, data, {v: predictions[v][:, split] for v in labels})
    moment = GLMMoment(sm.families.Binomial()) if config["model"] == "logit" else LinearMoment()
    sample = LabelledSample(moment=moment, gold=gold, labelled=labelled, probability=probability)
    term = (Component(rows=predicted),)
    clusters = [cluster_codes(data[config["cluster"]].to_numpy())] if "cluster" in config else []
    if config["model"] == "felm":
        effects = [cluster_codes(data[c].to_numpy()) for c in _as_list(config["index"])]
        fit = fit_fixed_effects(sample, term, Absorber(effects), own_term_correction=False)
        correction = np.zeros_like(fit.psi)
        correction[labelled] = fit.residual / probability[labelled][:, None]
        expected = fit.psi - correction
    else:
        augmentation = identity_augmentation(term, moment.n_params(gold))
        fit = fit_augmented(sample, augmentation)
        expected = augmentation_scores(sample, augmentation, fit.params)
        correction = fit.psi - expected
    covariance = sandwich(fit.bread, clustered_meat(fit.psi, clusters), len(data))
    return fit, covariance, meat_parts(expected, correction, clusters), int(labelled.sum())


@pytest.fixture(params=[(g, n) for g in ("own", "lm") for n in CASES[g]], ids=lambda p: "-".join(p))
def solved(request):
    case, config, data, predictions = _load(*request.param)
    splits = [_split(config, data, predictions, s) for s in range(10)]
    return case, config, data, splits


@pytest.mark.share(3)
def test_every_split_is_the_exact_root(solved):
    case, _, _, splits = solved
    exact = case["exact_root"]
    for (fit, covariance, _, _), coef, se in zip(splits, exact["split_coef"], exact["split_se"], strict=True):
        np.testing.assert_allclose(fit.params, coef, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(np.sqrt(np.diag(covariance)), se, rtol=1e-6)
    np.testing.assert_allclose(splits[0][1], exact["split1_vcov"], rtol=1e-6, atol=1e-12)


@pytest.mark.share(3)
def test_median_of_splits_matches(solved):
    case, _, _, splits = solved
    exact = case["exact_root"]
    estimate, se, covariance = median_of_splits(
        np.array([s[0].params for s in splits]), np.array([s[1] for s in splits])
    )
    np.testing.assert_allclose(estimate, exact["coefficients"], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(se, exact["standard_errors"], rtol=1e-6)
    np.testing.assert_allclose(covariance, exact["vcov"], rtol=1e-6, atol=1e-10)


@pytest.mark.share(3)
def test_as_shipped_within_the_error_of_its_optimiser(solved):
    case, _, _, splits = solved
    shipped = case["as_shipped"]
    estimate, se, _ = median_of_splits(
        np.array([s[0].params for s in splits]), np.array([s[1] for s in splits])
    )
    np.testing.assert_allclose(estimate, shipped["coefficients"], atol=5e-4)
    np.testing.assert_allclose(se, shipped["standard_errors"], atol=5e-4)


def _through_the_public_door(config, data, predictions):
    """Return the result of the calls that the page on coming from R gives."""
    labels = _as_list(config["predicted_var"])
    labelled = data[labels].notna().all(axis=1).to_numpy()
    probability = float(labelled.mean())
    if "sample_prob" in config:
        given = data[config["sample_prob"]].to_numpy(float)
        probability = given * labelled.mean() / given.mean()
    known = data[labels].where(pd.Series(labelled), axis=0)
    formula = config["formula"].replace("\n", "")
    if config["model"] == "felm":
        formula += " | " + " + ".join(_as_list(config["index"]))
    study = DesignSupervised(estimator="dsl", n_folds=2, n_repeats=1, random_state=0)
    study.fit(data.drop(columns=labels)).calibrate(known, sampling_probability=probability)
    return study.infer(
        formula,
        model="logit" if config["model"] == "logit" else "linear",
        clusters=config.get("cluster", "none"),
        cross_fitted=predictions,
        own_term_correction=False,
    )


@pytest.mark.share(3)
@pytest.mark.parametrize(("group", "name"), [(g, n) for g in ("own", "lm") for n in CASES[g]])
def test_the_public_door_gives_the_outputs_of_the_r_package(group, name):
    """Coefficients, standard errors, covariance, intervals, p-values (one-sided in R) and forecasts at 1e-6."""
    case, config, data, predictions = _load(group, name)
    result = _through_the_public_door(config, data, predictions)
    exact = case["exact_root"]
    np.testing.assert_allclose(result.params, exact["coefficients"], rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(result.std_error, exact["standard_errors"], rtol=1e-6)
    np.testing.assert_allclose(result.covariance, exact["vcov"], rtol=1e-6, atol=1e-10)
    z = np.abs(result.params / result.std_error)
    np.testing.assert_allclose(stats.norm.sf(z), exact["p_one_sided_as_printed"], rtol=1e-4, atol=1e-9)
    if result.degrees is None and "ci_low" in exact:  # below 200 labels intervals here have t quantiles
        ends = np.column_stack([exact["ci_low"], exact["ci_high"]])
        np.testing.assert_allclose(result.confidence_interval(), ends, rtol=1e-5, atol=1e-6)
    assert (result.n_labelled, result.n_rows) == (exact["num_expert"], exact["num_data"])
    if "cluster" in config:
        return  # the R package scales terms across rows of a cluster by mistake
    power = exact["power"]
    sizes = [int(size) for size in power["labeled_size"][1:]]
    if all(size == given for size, given in zip(sizes, power["labeled_size"][1:], strict=True)):
        plan = result.plan_labels(sizes)
        np.testing.assert_allclose(plan.std_errors, power["predicted_se"][1:], rtol=1e-6)


@pytest.mark.share(3)
def test_forecast_matches_power_dsl(solved):
    case, config, data, splits = solved
    if "cluster" in config:
        pytest.skip("the R package scales terms across rows of a cluster by mistake")
    power = case["exact_root"]["power"]
    for size, expected in list(zip(power["labeled_size"], power["predicted_se"], strict=False))[1:]:
        predicted = [
            np.sqrt(np.diag(forecast_variance(fit.bread, *parts, len(data), n_labelled / size)))
            for fit, _, parts, n_labelled in splits
        ]
        np.testing.assert_allclose(np.median(predicted, axis=0), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["own_lm", "own_lm_cluster", "own_logit_both_unequal"])
def test_the_public_class_agrees_up_to_its_own_folds(name):
    case, config, data, _ = _load("own", name)
    labels = _as_list(config["predicted_var"])
    surrogates = dict(zip(labels, _as_list(config["prediction"]), strict=True))
    probability = None
    if "sample_prob" in config:
        given = data[config["sample_prob"]].to_numpy(float)
        probability = given * data[labels].notna().all(axis=1).mean() / given.mean()
    study = DesignSupervised(LinearRegression(), estimator="dsl", n_repeats=5, random_state=0)
    study.fit(data.drop(columns=labels), surrogate=surrogates)
    study.calibrate(data[labels], sampling_probability=probability, clusters=config.get("cluster"))
    model = "logit" if config["model"] == "logit" else "linear"
    result = study.infer(config["formula"].replace("\n", ""), model=model)
    exact = case["exact_root"]
    assert np.all(np.abs(result.params - exact["coefficients"]) < 0.15 * np.array(exact["standard_errors"]))
    np.testing.assert_allclose(result.std_error, exact["standard_errors"], rtol=0.06)
