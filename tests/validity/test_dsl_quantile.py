"""Intervals of a quantile cover, whatever the machine's scores; the quantile of machine scores does not."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy import stats

from validstats.dsl.augmentation import LabelledSample
from validstats.dsl.completion import expected_completions
from validstats.dsl.crossfit import CrossFitter, make_folds
from validstats.dsl.moments import MeanMoment, RegressionRows
from validstats.dsl.quantiles import distribution_function, invert_distribution
from validstats.dsl.variance import SamplingDesign
from validstats.parallel import map_replicates
from validstats.validity.coverage import binomial_acceptance

pytestmark = pytest.mark.validity

N_REPLICATES = int(os.environ.get("VALIDSTATS_DSL_REPLICATES", "25"))
LEVEL, SHARE = 0.3, 0.3
TRUTH = stats.norm.ppf(LEVEL, scale=np.sqrt(2.0))


def one_interval(rng, index):
    n = 1000
    x = rng.normal(size=n)
    y = x + rng.normal(size=n)
    q = 0.8 * y + 0.3 + 0.4 * rng.normal(size=n)
    labelled = rng.random(n) < SHARE
    gold = y[labelled]
    rows = RegressionRows(y=gold, X=np.ones((len(gold), 1)))
    sample = LabelledSample(moment=MeanMoment(), gold=rows, labelled=labelled, probability=np.full(n, SHARE))
    fitter = CrossFitter(learner=None, folds=make_folds(n, 5, rng)[None, :], labelled=labelled)
    found = expected_completions(fitter, {"y": gold}, None, np.column_stack([q, x]))
    expected = [(c.weight, c.replacements["y"]) for c in found]

    def distribution(points):
        return distribution_function(
            points,
            gold,
            sample,
            expected,
            q,
            SamplingDesign(),
            estimator="tuned",
            clusters=(),
            kind="HC1",
            population="superpopulation",
        )

    answer = invert_distribution(distribution, np.sort(gold), LEVEL, 1.959964)
    error = 1.959964 * np.sqrt(LEVEL * (1 - LEVEL) / n)
    naive = np.quantile(q, [max(LEVEL - error, 0), LEVEL + error])
    return answer.low <= TRUTH <= answer.high, naive[0] <= TRUTH <= naive[1]


def test_quantile_intervals_cover_and_naive_ones_do_not():
    hits = np.array(map_replicates(one_interval, N_REPLICATES, random_state=21)).sum(axis=0)
    check = binomial_acceptance(int(hits[0]), N_REPLICATES, 0.93)
    assert check.accepted, check
    assert not binomial_acceptance(int(hits[1]), N_REPLICATES, 0.93).accepted
