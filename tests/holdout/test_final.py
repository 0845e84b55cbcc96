"""The vault: opened once, at the level that was declared."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.dummy import DummyClassifier

from tests.holdout.study import MODEL, X_HOLD, Y_HOLD, N, make
from validstats.exceptions import (
    BudgetExhaustedError,
)
from validstats.holdout.widths import betting_interval, clopper_pearson


def test_the_vault_opens_once():
    rh = make(vault=0.25)
    assert rh.calibration_.n_vault == 300 and rh.calibration_.n_units == 900
    answer = rh.final(MODEL)
    low, high = answer.bounds
    from scipy.stats import beta

    ones = round(float(answer) * 300)
    assert low == pytest.approx(beta.ppf(0.0125, ones, 301 - ones), abs=1e-9)
    assert high == pytest.approx(beta.ppf(0.9875, ones + 1, 300 - ones), abs=1e-9)
    assert rh.final(MODEL).cached
    with pytest.raises(BudgetExhaustedError, match="the vault was opened by entry"):
        rh.final(DummyClassifier())
    assert "together with the answers" in answer.guarantee.paragraph(details=True)
    with pytest.raises(ValueError, match="needs a vault"):
        make().final(MODEL)


def vault_level(answer):
    return answer.guarantee.confidence_level


def test_the_vault_keeps_the_level_that_was_declared():
    rh = make(vault=0.25, confidence_level=0.5)
    rh.set_params(confidence_level=0.99)
    first = rh.final(MODEL)
    ones = round(float(first) * 300)
    assert first.bounds[0] == pytest.approx(stats.beta.ppf(0.125, ones, 301 - ones), abs=1e-9)
    assert vault_level(first) == 0.5 and "at least 50 of 100" in first.guarantee.holds
    rh.set_params(confidence_level=0.9)
    again = rh.final(MODEL)
    assert again.cached and again.bounds == first.bounds and vault_level(again) == 0.5


def test_a_vault_of_another_metric_has_a_betting_interval():
    answer = make(vault=0.25, metric="brier").final(MODEL)
    truth = ((MODEL.predict_proba(X_HOLD)[:, 1] - Y_HOLD) ** 2).mean()
    assert answer.bounds[0] < truth < answer.bounds[1] < 0.5


@pytest.mark.parametrize("metric", ["accuracy", "error", "neg_brier_score"])
@pytest.mark.parametrize("clustered", [False, True])
def test_the_vault_has_an_exact_interval_of_counts_and_a_betting_interval_of_means(metric, clustered):
    """At a quarter of the level, on the scale of the metric; clusters have means, whatever their rows are."""
    rh = make(vault=0.25, clusters=np.arange(N) // 4 if clustered else None)
    answer, vault = rh.final(MODEL, metric=metric), rh.desk_.parts.vault
    chosen = rh.desk_.chosen(metric)
    units = rh.desk_.values(MODEL, chosen, vault)[0]
    assert len(units) == (75 if clustered else 300)
    if metric == "neg_brier_score":
        squares = (MODEL.predict_proba(X_HOLD)[:, 1] - Y_HOLD) ** 2
        assert units.mean() == pytest.approx(1 - squares[vault.given].mean())
    level = math.log(0.05 * 0.5)
    if metric == "neg_brier_score" or clustered:
        low, high = betting_interval(units, level)
    else:
        low, high = clopper_pearson(round(units.sum()), 300, level)
    shift = 1.0 if metric == "neg_brier_score" else 0.0
    assert (answer.value, *answer.bounds) == pytest.approx((units.mean() - shift, low - shift, high - shift))
    assert answer.source == "vault" and answer.left["queries"] == 20
