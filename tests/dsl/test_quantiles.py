"""Quantiles of a label: the estimate, its influence functions, and the fits beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from validstats import DesignSupervised
from validstats.dsl import joint_covariance


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
    assert result.naive.params[0] == machine[int(np.ceil(0.25 * len(machine))) - 1]
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
