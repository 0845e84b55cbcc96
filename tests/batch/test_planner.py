from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator

from validstats.batch import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    BatchTotal,
    Compositional,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
    plan_batch,
)
from validstats.batch.means import partition_available
from validstats.batch.rank_laws import rank_upper


@pytest.mark.parametrize("m", [5, 10, 20, 50, 100])
def test_smallest_sizes_of_the_table(m):
    assert plan_batch(Simultaneous(miss=0), m=m).smallest_n == 9 * m
    assert plan_batch(BatchMean(side="upper"), m=m).smallest_n == 9 * m
    expected = {5: 45, 10: 21, 20: 22, 50: 23, 100: 23}[m]
    assert plan_batch(Simultaneous(miss=0.1), m=m).smallest_n == expected
    assert plan_batch(BatchQuantile(side="upper"), m=m).smallest_n == (5 if m == 5 else 4)


def test_the_smallest_n_is_the_smallest():
    target = Selection(above=0, max_false=2)
    n = plan_batch(target, m=60).smallest_n
    assert rank_upper(n, 60, 58, "0.1").informative
    assert not rank_upper(n - 1, 60, 58, "0.1").informative


@pytest.mark.parametrize("n", [20, 123, 500])
def test_largest_m(n):
    m = plan_batch(BatchTotal(side="upper"), n=n).largest_m
    assert partition_available(n, m, "0.1")
    assert not partition_available(n, m + 1, "0.1")
    assert plan_batch(BatchQuantile(), n=n).largest_m == 1_000_000
    assert plan_batch(BatchMean(), n=3).largest_m == 0


def test_every_target_has_a_plan():
    targets = [
        BatchMean(),
        BatchTotal(),
        BatchQuantile((0.1, 0.9)),
        Simultaneous(),
        ErrorCount(),
        Selection(above=1, fdr=0.1),
        Envelope(),
        Compositional(lambda j, acc, s: acc + s),
    ]
    for target in targets:
        plan = plan_batch(target, m=30, n=100, bounded=isinstance(target, Compositional))
        assert plan.smallest_n >= 1
        assert plan.guarantee.confidence_level == (None if isinstance(target, Selection) else 0.9)
        assert "Plan for a batch" in str(plan.summary())
    assert plan_batch(Selection(above=1, fdr=0.1), m=30).smallest_n == 9
    assert plan_batch(Simultaneous(), m=100, n=200).tidy()["rank"].iloc[0] == 188


def test_bad_arguments():
    with pytest.raises(ValueError, match="batch size m"):
        plan_batch(BatchMean())
    with pytest.raises(TypeError, match="target must be a target"):
        plan_batch("mean", m=3)
    with pytest.raises(ValueError, match="m must be"):
        plan_batch(BatchMean(), m=0)
    with pytest.raises(ValueError, match="confidence_level"):
        plan_batch(BatchMean(), m=3, confidence_level=90)


@pytest.mark.parametrize("m", [3, 8])
@pytest.mark.parametrize("alpha", [0.1, 0.2])
@pytest.mark.parametrize(
    "target",
    [
        BatchMean(),
        BatchMean(side="upper"),
        BatchQuantile(0.5),
        BatchQuantile((0.5, 0.5)),
        BatchQuantile((0.25, 0.75)),
        BatchQuantile(0.9, side="lower"),
        Simultaneous(0.2),
        Simultaneous(0),
        Selection(above=0.0, max_false=1),
        Envelope(),
        Envelope(side="upper"),
        Envelope(side="lower"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::validstats.exceptions.UninformativeWarning")
def test_the_planned_size_is_the_first_that_says_something(target, alpha, m):
    """By trying: one row less says nothing, and what is told afterwards is what was planned."""
    planned = plan_batch(target, m=m, confidence_level=1 - alpha).smallest_n
    scores = np.random.default_rng(0).normal(size=planned)
    rows = np.zeros((planned, 1))
    model = BatchPredictor(FrozenEstimator(DummyRegressor().fit(rows, scores)), target, random_state=0)
    model.set_params(confidence_level=1 - alpha)
    for n in (planned, planned - 1):
        if n:
            result = model.calibrate(rows[:n], scores[:n]).infer(np.zeros((m, 1)))
            assert result.informative == (n == planned)
            assert result.glance()["smallest_informative_n"].tolist() == [planned]


def test_functions_of_unbounded_scores_have_no_plan():
    with pytest.raises(ValueError, match="bounded=True"):
        plan_batch(Compositional(lambda j, acc, s: acc + s), m=30)
