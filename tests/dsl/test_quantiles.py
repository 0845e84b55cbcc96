"""Quantiles of a label: the estimate, its influence functions, and the fits beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from validstats import DesignSupervised
from validstats.dsl import joint_covariance
from validstats.dsl.fit import Component, LabelledSample
from validstats.dsl.moments import MeanMoment, RegressionRows
from validstats.dsl.regression.quantiles import naive_quantile


def test_the_quantile_of_labelled_rows_alone_is_theirs(documents):
    data, labels, _ = documents
    dsl = (
        DesignSupervised(random_state=0, estimator="gold", n_repeats=1)
        .fit(data, surrogate="qscore")
        .calibrate(labels["score"])
    )
    result = dsl.infer("score", model="quantile", quantile=0.25)
    known = np.sort(labels["score"].dropna().to_numpy())
    assert result.params[0] == known[int(np.ceil(0.25 * len(known))) - 1]
    low, high = result.confidence_interval()[0]
    share = np.searchsorted(known, [low, high], side="right") / len(known)
    spread = 1.96 * np.sqrt(0.25 * 0.75 / len(known))
    np.testing.assert_allclose(share, [0.25 - spread, 0.25 + spread], atol=0.012)
    with pytest.raises(ValueError, match="call infer with"):
        result.confidence_interval(0.9)


@pytest.mark.slow
def test_influence_functions_of_a_quantile_are_those_of_the_share_over_the_density():
    rng = np.random.default_rng(12)
    n, level = 20_000, 0.3
    truth = rng.normal(size=n)
    machine = truth + 0.5 * rng.normal(size=n)
    labels = pd.Series(np.where(rng.random(n) < 0.25, truth, np.nan), name="y")
    data = pd.DataFrame({"q": machine, "group": np.repeat(np.arange(n // 2), 2)})
    dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="q")
    gold = dsl.calibrate(labels, sampling_probability=0.25).infer(
        "y", model="quantile", quantile=level, estimator="gold"
    )
    assert gold.influence is not None
    point = gold.params[0]
    labelled = labels.notna().to_numpy()
    share = np.where(labelled, (truth <= point) / 0.25, 0.0)
    theory = -(share - labelled / 0.25 * level) / stats.norm.pdf(point)
    assert np.corrcoef(gold.influence[:, 0], theory)[0, 1] > 0.9999
    np.testing.assert_allclose(gold.influence[:, 0].std(), theory.std(), rtol=0.2)

    ours = dsl.infer("y", model="quantile", quantile=level)
    spread = float(ours.std_error[0])
    np.testing.assert_allclose(ours.recluster().std_error, spread, rtol=1e-9)
    np.testing.assert_allclose(ours.recluster(data["group"].to_numpy()).std_error, spread, rtol=0.1)
    whole = ours.recluster(np.arange(n) % 50)
    low, high = whole.confidence_interval()[0]
    assert low < whole.params[0] < high and whole.interval is None
    np.testing.assert_allclose(ours.bootstrap(400, random_state=0).std(), spread, rtol=0.15)
    mean = dsl.infer("y", model="mean")
    both = joint_covariance([ours, mean])
    np.testing.assert_allclose(np.diag(both), [spread**2, mean.covariance[0, 0]], rtol=1e-9)
    assert 0.2 < both[0, 1] / np.sqrt(both[0, 0] * both[1, 1]) < 0.95


def test_a_quantile_stands_beside_that_of_the_machine_and_of_the_labelled_rows(documents):
    data, labels, _ = documents
    dsl = (
        DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="qscore").calibrate(labels["score"])
    )
    result = dsl.infer("score", model="quantile", quantile=0.25)
    known = np.sort(labels["score"].dropna().to_numpy())
    assert result.gold.params[0] == known[int(np.ceil(0.25 * len(known))) - 1]
    machine = np.sort(data["qscore"].to_numpy())
    assert result.naive_fit.params[0] == machine[int(np.ceil(0.25 * len(machine))) - 1]
    assert result.effective_labels[0] > 0
    assert set(result.compare().fits) == {"validstats", "gold only", "naive"}


def test_a_quantile_without_a_bounded_interval_has_no_influence_functions(documents):
    data, labels, _ = documents
    dsl = (
        DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="qscore").calibrate(labels["score"])
    )
    result = dsl.infer("score", model="quantile", quantile=0.001)
    assert np.isinf(result.confidence_interval()).any()
    with pytest.raises(ValueError, match="no influence functions"):
        result.recluster(np.arange(len(data)) % 40)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.1, 0.5, 0.8])
def test_a_weighted_quantile_is_that_of_repeated_rows(documents, level):
    data, labels, _ = documents
    weights = np.where(data["x1"] > 0, 3.0, 1.0)
    dsl = (
        DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="qscore").calibrate(labels["score"])
    )
    options = {"model": "quantile", "quantile": level, "weights": weights}
    result = dsl.infer("score", **options)
    score = labels["score"].to_numpy()
    repeated = np.sort(np.repeat(score[~np.isnan(score)], weights[~np.isnan(score)].astype(int)))
    assert result.gold.params[0] == repeated[int(np.ceil(level * len(repeated))) - 1]
    machine = np.sort(np.repeat(data["qscore"].to_numpy(), weights.astype(int)))
    assert result.naive_fit.params[0] == machine[int(np.ceil(level * len(machine))) - 1]
    assert result.params[0] != dsl.infer("score", model="quantile", quantile=level).params[0]
    np.testing.assert_allclose(
        dsl.infer("score", **(options | {"weights": 7.0 * weights})).confidence_interval(),
        result.confidence_interval(),
        rtol=1e-12,
    )


@pytest.mark.share(2)
@pytest.mark.parametrize("estimator", ["gold", "ppi++"])
def test_the_interval_of_a_weighted_quantile_inverts_the_weighted_share(documents, estimator):
    data, labels, _ = documents
    weights = np.exp(data["x2"].to_numpy())
    options = {"estimator": estimator, "weights": weights}
    dsl = (
        DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="qscore").calibrate(labels["score"])
    )
    found = dsl.infer("score", model="quantile", quantile=0.6, **options)
    critical = stats.norm.ppf(0.975)
    low, high = found.confidence_interval()[0]
    for point, inside in ((low - 0.3, False), (found.params[0], True), (high + 0.3, False)):
        below = (labels["score"] <= point).astype(float).where(labels["score"].notna())
        machine = data.assign(qscore=(data["qscore"] <= point).astype(float))
        share = (
            DesignSupervised(random_state=0, n_repeats=1)
            .fit(machine, surrogate="qscore")
            .calibrate(below)
            .infer("score", model="mean", **options)
        )
        assert (abs(share.params[0] - 0.6) <= critical * share.std_error[0]) == inside


def test_a_quantile_takes_no_offset_and_no_negative_weights(calibrated):
    with pytest.raises(ValueError, match="takes no offset"):
        calibrated.infer("score", model="quantile", offset="x1")
    with pytest.raises(ValueError, match="not negative"):
        calibrated.infer("score", model="quantile", weights="x1")


@pytest.mark.slow
def test_a_quantile_says_how_it_is_tuned(documents):
    """One coefficient has one scale for each term, whatever it is called: the answer is the same as for a mean."""
    data, labels, _ = documents
    dsl = (
        DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="qscore").calibrate(labels["score"])
    )
    found = {
        how: dsl.infer("score", model="quantile", quantile=0.25, tuning=how)
        for how in (None, "diagonal", "scalar")
    }
    means = {how: dsl.infer("score", model="mean", tuning=how) for how in found}
    for how, result in found.items():
        assert result.tuning == means[how].tuning == (how or "diagonal")
        np.testing.assert_allclose(result.influence, found[None].influence, atol=1e-10)
    plain = dsl.infer("score", model="quantile", quantile=0.25, estimator="ppi")
    assert plain.tuning == "none"
    assert np.abs(plain.influence - found[None].influence).max() > 1e-3
    with pytest.raises(ValueError, match="goes with estimator='tuned'"):
        dsl.infer("score", model="quantile", estimator="gold", tuning="scalar")


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_the_naive_quantile_knows_of_clusters(documents, weighted):
    data, labels, _ = documents
    repeated = data.loc[data.index.repeat(4)].reset_index(drop=True)
    expert = labels["score"].loc[labels.index.repeat(4)].reset_index(drop=True)
    weights = np.where(repeated["x1"] > 0, 3.0, 1.0) if weighted else None
    dsl = DesignSupervised(random_state=0, n_repeats=1).fit(repeated, surrogate="qscore").calibrate(expert)
    options = {"model": "quantile", "weights": weights}
    plain = dsl.infer("score", **options).naive_fit
    single = dsl.infer("score", clusters=np.arange(6000), **options).naive_fit
    copies = dsl.infer("score", clusters=np.arange(6000) // 4, **options).naive_fit
    assert plain.params[0] == single.params[0] == copies.params[0]
    np.testing.assert_allclose(single.std_error, plain.std_error, rtol=0.15)
    np.testing.assert_allclose(copies.std_error, 2.0 * single.std_error, rtol=0.2)


def naive(values, level, critical, codes):
    """Return the quantile of values with the standard error of their clusters."""
    n = len(values)
    rows = RegressionRows(y=values, X=np.ones((n, 1)))
    everyone = np.ones(n, dtype=bool)
    sample = LabelledSample(
        moment=MeanMoment(), gold=rows, labelled=everyone, probability=np.ones(n), clusters=(codes,)
    )
    return naive_quantile(sample, (Component(rows=rows),), level, critical)


def test_the_clustered_standard_error_of_a_naive_quantile_is_that_of_redrawn_clusters():
    rng = np.random.default_rng(5)
    codes = np.repeat(np.arange(400), 10)
    draws = [rng.normal(size=400)[codes] + rng.normal(size=4000) for _ in range(300)]
    found = [naive(values, 0.3, 1.96, codes) for values in draws]
    spread = np.std([fit.params[0] for fit in found])
    np.testing.assert_allclose(np.mean([fit.std_error[0] for fit in found]), spread, rtol=0.12)
