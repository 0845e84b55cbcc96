"""Intervals for metrics that are no means of rows, against their population values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from validstats.holdout.widths import (
    auc_interval,
    average_precision_interval,
    balanced_accuracy_interval,
    f_score_interval,
    r2_interval,
)

LEVEL = math.log(0.05)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0, math.inf])
def test_f_scores_contain_scikit_learns(beta: float) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 3000)
    said = np.where(rng.random(3000) < 0.8, y, 1 - y)
    low, high = f_score_interval(y, said, LEVEL, beta=beta)
    value = metrics.recall_score(y, said) if math.isinf(beta) else metrics.fbeta_score(y, said, beta=beta)
    assert low < value < high and high - low < 0.12


def test_r2_contains_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    y = rng.beta(2, 2, 6000)
    predicted = 0.5 + 0.8 * (y - 0.5) + 0.02 * rng.normal(size=6000)
    low, high = r2_interval(y, predicted, LEVEL, bounds=(0.0, 1.0))
    assert low < metrics.r2_score(y, predicted) < high and high - low < 0.2
    with pytest.raises(ValueError, match="within its bounds"):
        r2_interval(y, predicted, LEVEL, bounds=(0.2, 0.8))


def test_r2_says_nothing_of_a_constant_outcome() -> None:
    low, high = r2_interval(np.full(100, 0.5), np.full(100, 0.5), LEVEL, bounds=(0.0, 1.0))
    assert low == -math.inf and high <= 1.0


def test_balanced_accuracy_contains_scikit_learns() -> None:
    rng = np.random.default_rng(2)
    y = rng.choice(3, 2000, p=[0.6, 0.3, 0.1])
    said = np.where(rng.random(2000) < 0.75, y, (y + 1) % 3)
    low, high = balanced_accuracy_interval(y == said, y, LEVEL)
    assert low < metrics.balanced_accuracy_score(y, said) < high


def test_areas_contain_their_population_values() -> None:
    rng = np.random.default_rng(3)
    positive, negative = rng.normal(1, 1, 900), rng.normal(0, 1, 2100)
    low, high = auc_interval(positive, negative, LEVEL)
    assert low < stats.norm.cdf(1 / math.sqrt(2)) < high and high - low < 0.1
    scores, labels = np.r_[positive, negative], np.repeat([1, 0], [900, 2100])
    low, high = average_precision_interval(positive, negative, LEVEL)
    assert low < metrics.average_precision_score(labels, scores) < high


def test_ties_of_scores_count_as_half() -> None:
    low, high = auc_interval(np.zeros(500), np.zeros(500), LEVEL)
    assert low < 0.5 < high and low + high == pytest.approx(1.0, abs=1e-9)


def test_perfect_and_useless_scores() -> None:
    low, high = auc_interval(np.ones(400), np.zeros(400), LEVEL)
    assert high == 1.0 and low > 0.95
    low, high = average_precision_interval(np.ones(4000), np.zeros(4000), LEVEL)
    assert high == 1.0 and low > 0.85
