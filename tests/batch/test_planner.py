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
from validstats.batch.laws import rank_upper
from validstats.batch.laws.means import partition_available


@pytest.mark.parametrize("m", [5, 10, 20, 50, 100])
def test_smallest_sizes_of_the_table(m):
    assert plan_batch(Simultaneous(miss=0), m=m, confidence_level=0.9).smallest_n == 9 * m
    assert plan_batch(BatchMean(side="upper"), m=m, confidence_level=0.9).smallest_n == 9 * m
    expected = {5: 45, 10: 21, 20: 22, 50: 23, 100: 23}[m]
    assert plan_batch(Simultaneous(miss=0.1), m=m, confidence_level=0.9).smallest_n == expected
    assert plan_batch(BatchQuantile(side="upper"), m=m, confidence_level=0.9).smallest_n == (
        5 if m == 5 else 4
    )


def test_the_smallest_n_is_the_smallest():
    target = Selection(above=0, max_false=2)
    n = plan_batch(target, m=60, confidence_level=0.9).smallest_n
    assert rank_upper(n, 60, 58, "0.1").informative
    assert not rank_upper(n - 1, 60, 58, "0.1").informative


@pytest.mark.share(3)
@pytest.mark.parametrize("n", [20, 123, 500])
def test_largest_m(n):
    m = plan_batch(BatchTotal(side="upper"), n=n, confidence_level=0.9).largest_m
    assert partition_available(n, m, "0.1")
    assert not partition_available(n, m + 1, "0.1")
    assert plan_batch(BatchQuantile(), n=n, confidence_level=0.9).largest_m == 1_000_000
    assert plan_batch(BatchMean(), n=3, confidence_level=0.9).largest_m == 0


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
        plan = plan_batch(target, m=30, n=100, confidence_level=0.9)
        assert plan.smallest_n >= 1
        assert plan.guarantee.confidence_level == (None if isinstance(target, Selection) else 0.9)
        assert "Plan for a batch" in str(plan.summary())
    assert plan_batch(Selection(above=1, fdr=0.1), m=30, confidence_level=0.9).smallest_n == 9
    assert plan_batch(Simultaneous(), m=100, n=200, confidence_level=0.9).tidy()["rank"].iloc[0] == 188


def test_bad_arguments():
    with pytest.raises(ValueError, match="batch size m"):
        plan_batch(BatchMean(), confidence_level=0.9)
    with pytest.raises(TypeError, match="target must be a target"):
        plan_batch("mean", m=3, confidence_level=0.9)
    with pytest.raises(ValueError, match="m must be"):
        plan_batch(BatchMean(), m=0, confidence_level=0.9)
    with pytest.raises(ValueError, match="confidence_level"):
        plan_batch(BatchMean(), m=3, confidence_level=90)


@pytest.mark.share(5)
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
    model = BatchPredictor(
        FrozenEstimator(DummyRegressor().fit(rows, scores)), target, random_state=0, confidence_level=0.9
    )
    model.set_params(confidence_level=1 - alpha)
    for n in (planned, planned - 1):
        if n:
            result = model.calibrate(rows[:n], scores[:n]).infer(np.zeros((m, 1)))
            assert result.informative == (n == planned)
            assert result.glance()["smallest_informative_n"].tolist() == [planned]


def test_functions_of_unbounded_scores_need_rows_for_a_finite_end():
    step = lambda j, acc, s: acc + s  # noqa: E731
    assert plan_batch(Compositional(step, side="upper"), m=30, confidence_level=0.9).smallest_n == 270
    assert plan_batch(Compositional(step), m=30, confidence_level=0.9).smallest_n == 570
    assert plan_batch(Compositional(step, side="upper"), n=269, confidence_level=0.9).largest_m == 29
    assert (
        plan_batch(Compositional(step, side="upper"), m=2, bounded=True, confidence_level=0.9).smallest_n == 3
    )


def sizes_by_trying(target, n, top=250):
    """Largest m below ``top`` that n rows support, and the last one before the first that they do not."""
    good = [plan_batch(target, m=m, confidence_level=0.9).smallest_n <= n for m in range(1, top)]
    return max([m for m, ok in enumerate(good, 1) if ok], default=0), (good + [False]).index(False)


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("target", "n", "largest", "every"),
    [
        (Simultaneous(0.1), 21, 10, 2),
        (Simultaneous(0.25), 8, 8, 0),
        (Simultaneous(0.3), 6, 0, 0),
        (Simultaneous(0), 90, 10, 10),
        (Simultaneous(0.1), 25, None, 2),
        (BatchQuantile(0.9), 30, None, 1),
        (BatchQuantile(0.5, side="upper"), 4, None, 0),
        (ErrorCount(), 3, None, 0),
        (ErrorCount(), 8, None, 0),
        (BatchMean(side="upper"), 500, 55, 55),
        (Selection(above=0, max_false=3), 50, 65, 65),
        (Envelope(), 4, None, 0),
    ],
    ids=str,
)
def test_which_batch_sizes_are_informative(target, n, largest, every):
    """Smaller batches can need more rows, so the largest size alone is no answer."""
    plan = plan_batch(target, n=n, confidence_level=0.9)
    found = sizes_by_trying(target, n)
    assert plan.every_m == every == found[1]
    assert plan.largest_m == (1_000_000 if largest is None else largest)
    assert largest in (None, found[0])
    text = str(plan.summary())
    assert ("1,000,000 or more" in text) == (largest is None)
    assert ("Every m informative to" in text) == (plan.largest_m != every)


def test_a_size_for_any_batch_is_called_any():
    plan = plan_batch(Simultaneous(0.1), n=100, confidence_level=0.9)
    assert plan.every_m == plan.largest_m == 1_000_000
    assert "any" in str(plan.summary())
    assert not plan_batch(Simultaneous(0.1), m=79, confidence_level=0.9).smallest_n <= 25


def test_sizes_of_several_quantiles_are_certain():
    target = BatchQuantile((0.2, 0.8), side="upper")
    plan = plan_batch(target, n=30, confidence_level=0.9)
    largest, every = sizes_by_trying(target, 30, 60)
    assert plan.every_m <= every and plan.largest_m >= largest
    for m in (20, 100, 1000):
        assert plan_batch(target, m=m, confidence_level=0.9).smallest_n <= 30
