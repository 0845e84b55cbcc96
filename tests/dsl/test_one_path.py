"""Rows in memory are the stream of one chunk: the same estimates, standard errors and comparisons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from tests.dsl.streams import streamed as stream_regression
from validstats.dsl import DesignSupervised

pytestmark = pytest.mark.filterwarnings("ignore::validstats.exceptions.LabellingWarning")

GAMMA = sm.families.Gamma(sm.families.links.Log())
MODELS = {
    "mean": {},
    "proportion": {},
    "difference": {},
    "linear": {},
    "logit": {},
    "probit": {},
    "poisson": {},
    "glm": {"family": GAMMA},
    "quantile": {"quantile": 0.3},
}
DESIGNS = ("independent", "simple", "stratified", "clusters", "clusters in strata")


def study(model, design, n_groups=60, size=8, seed=0):
    """Return rows with machine labels and expert labels that were drawn by a design."""
    rng = np.random.default_rng(seed)
    n = n_groups * size
    group = np.repeat(np.arange(n_groups), size)
    x = rng.normal(size=n)
    eta = 0.3 + 0.5 * x + 0.3 * rng.normal(size=n_groups)[group]
    if model in ("proportion", "logit", "probit"):
        truth = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
        machine = np.where(rng.random(n) < 0.85, truth, 1 - truth)
    else:
        truth = rng.gamma(2.0, np.exp(eta) / 2.0)
        truth = np.round(truth) if model == "poisson" else truth
        machine = truth + rng.gamma(1.0, 0.5, size=n)
    probability = rng.uniform(0.3, 0.6, size=n)
    stratum = np.array(["s1", "s2", "s3"])[group % 3]
    labelled = rng.random(n) < probability
    if design == "simple":
        labelled = np.isin(np.arange(n), rng.choice(n, 180, replace=False))
    elif design == "stratified":
        labelled = np.zeros(n, dtype=bool)
        for level, count in zip(("s1", "s2", "s3"), (40, 60, 90), strict=True):
            labelled[rng.choice(np.flatnonzero(stratum == level), count, replace=False)] = True
    elif design.startswith("clusters"):
        labelled = np.isin(group, rng.choice(n_groups, 25, replace=False))
    return pd.DataFrame(
        {
            "machine": machine,
            "x": x,
            "kind": rng.choice(["a", "b"], size=n),
            "w": rng.uniform(0.5, 2.0, size=n),
            "y": np.where(labelled, truth, np.nan),
            "pi": probability,
            "stratum": stratum,
            "group": [f"g{g}" for g in group],
        }
    )


OF_DESIGN = {
    "independent": {"sampling_probability": "pi"},
    "simple": {},
    "stratified": {"strata": "stratum"},
    "clusters": {"clusters": "group"},
    "clusters in strata": {"clusters": "group", "strata": "stratum"},
}


def both(frame, model, design, how=None, weights=None, chunk_size=10_000, **options):
    """Return the result of rows in memory and of a stream."""
    how = {"n_repeats": 2, "random_state": 3} if how is None else how
    covariates = {"mean": [], "proportion": [], "quantile": [], "difference": ["kind"]}.get(
        model, ["x", "kind"]
    )
    drawn = OF_DESIGN[design]
    options = MODELS[model] | options
    # cells of equal verdict need the rows together
    interval = {"interval": "normal"} if model == "proportion" else {}
    memory = (
        DesignSupervised(**how)
        .fit(frame.drop(columns="y"), surrogate="machine")
        .calibrate(
            frame["y"],
            sampling_probability=frame["pi"] if "sampling_probability" in drawn else None,
            strata=drawn.get("strata"),
            clusters=drawn.get("clusters"),
        )
        .infer(f"y ~ {' + '.join(covariates) or '1'}", model=model, weights=weights, **options, **interval)
    )
    stream = stream_regression(
        frame,
        label="y",
        covariates=covariates,
        predictions="machine",
        model=model,
        weights=weights,
        chunk_size=chunk_size,
        **drawn,
        **how,
        **options,
    )
    return memory, stream


def assert_same(memory, stream, rtol=1e-12):
    scale = np.max(np.abs(memory.params))
    np.testing.assert_allclose(stream.params, memory.params, rtol=rtol, atol=rtol * scale)
    np.testing.assert_allclose(
        stream.covariance, memory.covariance, rtol=10 * rtol, atol=rtol * np.max(memory.covariance)
    )
    np.testing.assert_allclose(stream.confidence_interval(), memory.confidence_interval(), rtol=10 * rtol)
    np.testing.assert_allclose(stream.gold.std_error, memory.gold.std_error, rtol=10 * rtol)
    assert stream.names == memory.names
    assert stream.tuning == memory.tuning
    assert stream.degrees_of_freedom == memory.degrees_of_freedom
    assert stream.guarantee.check == memory.guarantee.check


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("model", [m for m in MODELS if m != "quantile"])
def test_a_stream_of_one_chunk_is_the_frame(model, design) -> None:
    memory, stream = both(study(model, design), model, design)
    assert_same(memory, stream)
    np.testing.assert_allclose(stream.naive_fit.params, memory.naive_fit.params, rtol=1e-10)
    np.testing.assert_allclose(stream.naive_fit.std_error, memory.naive_fit.std_error, rtol=1e-9)


def test_a_quantile_of_one_chunk_is_that_of_the_frame() -> None:
    frame = study("quantile", "clusters", n_groups=36, size=4)
    memory, stream = both(frame, "quantile", "clusters", {"n_repeats": 1, "n_folds": 2, "random_state": 3})
    assert_same(memory, stream)


@pytest.mark.parametrize("estimator", ["tuned", "dsl", "ppi", "ppi++", "gold"])
@pytest.mark.parametrize("vcov", ["HC0", "HC1", "HC2", "HC3"])
def test_every_estimator_and_correction(estimator, vcov) -> None:
    assert_same(*both(study("logit", "simple"), "logit", "simple", estimator=estimator, vcov=vcov))


@pytest.mark.parametrize("design", DESIGNS)
def test_finite_populations(design) -> None:
    assert_same(*both(study("linear", design), "linear", design, population="finite"))


def test_weights_and_the_defaults() -> None:
    frame = study("linear", "independent")
    assert_same(*both(frame, "linear", "independent", weights="w"))
    assert_same(*both(frame, "linear", "independent", {"random_state": 1}))


@pytest.mark.parametrize("design", DESIGNS)
def test_chunks_of_any_size_give_the_same(design) -> None:
    how = {"n_repeats": 1, "n_folds": 2, "random_state": 3}
    frame = study("linear", design)
    assert_same(*both(frame, "linear", design, how, chunk_size=101), rtol=1e-9)
