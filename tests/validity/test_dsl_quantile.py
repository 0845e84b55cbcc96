"""Intervals of a quantile cover, whatever the machine's scores; the quantile of machine scores does not."""

from __future__ import annotations

import functools
import os

import numpy as np
import pytest
from scipy import stats

from validstats.dsl.augmentation import LabelledSample
from validstats.dsl.completion import expected_completions
from validstats.dsl.crossfit import CrossFitter, make_folds
from validstats.dsl.moments import MeanMoment, RegressionRows
from validstats.dsl.quantiles import distribution_function, invert_distribution, naive_quantile
from validstats.dsl.variance import SamplingDesign
from validstats.parallel import map_replicates
from validstats.validity.coverage import binomial_acceptance

pytestmark = pytest.mark.validity

N_REPLICATES = int(os.environ.get("VALIDSTATS_DSL_REPLICATES", "25"))


def quantile_hits(rng, n, share, level, criticals):
    """Draw machine scores and labels; a pair for each critical value: whether our interval and the naive one cover."""
    truth = stats.norm.ppf(level, scale=np.sqrt(2.0))
    x = rng.normal(size=n)
    y = x + rng.normal(size=n)
    q = 0.8 * y + 0.3 + 0.4 * rng.normal(size=n)
    labelled = rng.random(n) < share
    gold = y[labelled]
    rows = RegressionRows(y=gold, X=np.ones((len(gold), 1)))
    sample = LabelledSample(moment=MeanMoment(), gold=rows, labelled=labelled, probability=np.full(n, share))
    fitter = CrossFitter(learner=None, folds=make_folds(n, 5, rng)[None, :], labelled=labelled)
    found = expected_completions(fitter, {"y": gold}, None, np.column_stack([q, x]))
    expected = [(c.weight, c.replacements["y"]) for c in found]

    @functools.cache
    def at(point):
        values, errors = distribution_function(
            np.array([point]),
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
        return values[0], errors[0]

    def distribution(points):
        found = np.array([at(point) for point in points.tolist()])
        return found[:, 0], found[:, 1]

    hits = []
    for critical in criticals:
        answer = invert_distribution(distribution, np.sort(gold), level, critical)
        naive = naive_quantile(q, level, critical)
        inside = abs(naive.params[0] - truth) <= critical * naive.std_error[0]
        hits.append((bool(answer.low <= truth <= answer.high), bool(inside)))
    return hits


def one_interval(rng, index):
    return quantile_hits(rng, n=1000, share=0.3, level=0.3, criticals=[1.959964])[0]


def test_quantile_intervals_cover_and_naive_ones_do_not():
    hits = np.array(map_replicates(one_interval, N_REPLICATES, random_state=21)).sum(axis=0)
    check = binomial_acceptance(int(hits[0]), N_REPLICATES, 0.93)
    assert check.accepted, check
    assert not binomial_acceptance(int(hits[1]), N_REPLICATES, 0.93).accepted
