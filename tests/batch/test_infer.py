"""Answers of ``infer``: every target equals its law, in one or several batches."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest

from tests.batch.learners import frozen
from validstats.batch import (
    BatchMean,
    BatchQuantile,
    BatchTotal,
    Compositional,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
)
from validstats.batch.laws import (
    error_count_upper,
    mean_interval,
    order_statistic_interval,
    rank_envelope,
    simultaneous_rank,
)
from validstats.exceptions import UninformativeWarning


def test_simultaneous_is_the_rank_threshold(data):
    X, y = data
    result = frozen(Simultaneous(0.1)).calibrate(X[:200], y[:200]).infer(X[200:300])
    _, bound = simultaneous_rank(200, 100, 0.1, "0.1")
    threshold = np.sort(np.abs(y[:200] - X[:200, 0]))[bound.rank - 1]
    answer = result.answers[0]
    assert answer.ranks == (188,)
    assert result.guarantee.exact_probability == answer.probability == bound.probability
    np.testing.assert_allclose(result.intervals, X[200:300, [0]] + threshold * np.array([-1, 1]))
    assert answer.naive_probability == pytest.approx(0.5876, abs=1e-4)
    assert result.glance()["smallest_informative_n"].item() == 23
    assert "0.9020" in str(result)
    assert "0.5876" in str(result)


def test_mean_adds_the_mean_prediction(data):
    X, y = data
    estimator = frozen(BatchMean(method="rank-sum"), bounds=(-12, 12)).calibrate(X[:200], y[:200])
    result = estimator.infer(X[200:230])
    residuals = y[:200] - X[:200, 0]
    mu = X[200:230, 0]
    bound = mean_interval(residuals, 30, "0.1", bounds=(-12 - mu.max(), 12 - mu.min()), method="rank-sum")
    assert result.conf_low[0, 0] == pytest.approx(mu.mean() + bound.low)
    assert result.conf_high[0, 0] == pytest.approx(mu.mean() + bound.high)
    total = (
        frozen(BatchTotal(method="rank-sum"), bounds=(-12, 12)).calibrate(X[:200], y[:200]).infer(X[200:230])
    )
    assert total.conf_high[0, 0] == pytest.approx(30 * result.conf_high[0, 0])
    assert result.tidy()["naive"].item() == pytest.approx(mu.mean())


def test_mean_by_partition_needs_no_bounds(data):
    X, y = data
    result = frozen(BatchMean()).calibrate(X[:600], y[:600]).infer(X[600:620])
    assert result.answers[0].method == "partition"
    assert result.answers[0].probability == pytest.approx(1 - 2 / 31)
    assert np.isfinite([result.conf_low[0, 0], result.conf_high[0, 0]]).all()


def test_automatic_method_depends_on_sizes_only(data):
    X, y = data
    methods = {
        frozen(BatchMean(), bounds=(-1e6, 1e6))
        .calibrate(X[:300], scale * y[:300])
        .infer(X[300:400])
        .answers[0]
        .method
        for scale in (1.0, 1e-3, 1e3)
    }
    assert methods == {"bet"}


def test_quantile_ignores_the_model(data):
    X, y = data
    result = frozen(BatchQuantile(0.5)).calibrate(X[:200], y[:200]).infer(X[200:240])
    bound = order_statistic_interval(y[:200], 40, 20, "0.1")
    assert (result.conf_low[0, 0], result.conf_high[0, 0]) == (bound.low, bound.high)
    assert result.tidy()[["rank_low", "rank_high"]].iloc[0].tolist() == list(bound.ranks[0])
    assert result.guarantee.exact_probability == pytest.approx(0.9073, abs=1e-4)
    errors = (
        frozen(BatchQuantile(0.5), conformity_score="absolute").calibrate(X[:200], y[:200]).infer(X[200:240])
    )
    assert errors.conf_low[0, 0] == order_statistic_interval(np.abs(y - X[:, 0])[:200], 40, 20, "0.1").low


def test_several_quantiles_hold_jointly(data):
    X, y = data
    single = frozen(BatchQuantile(0.25)).calibrate(X[:200], y[:200]).infer(X[200:240])
    both = frozen(BatchQuantile((0.25, 0.75))).calibrate(X[:200], y[:200]).infer(X[200:240])
    assert both.conf_low.shape == (1, 2)
    assert both.answers[0].probability >= 0.9
    assert both.conf_high[0, 0] - both.conf_low[0, 0] >= single.conf_high[0, 0] - single.conf_low[0, 0]
    assert list(both.tidy()["term"]) == ["0.25-quantile", "0.75-quantile"]


def test_error_count(data):
    X, y = data
    result = frozen(ErrorCount(tolerance=1.0)).calibrate(X[:200], y[:200]).infer(X[200:250])
    wrong = int((np.abs(y - X[:, 0])[:200] > 1).sum())
    assert result.conf_high[0, 0] == error_count_upper(200, wrong, 50, "0.1")
    both = frozen(ErrorCount("two-sided", 1.0)).calibrate(X[:200], y[:200]).infer(X[200:250])
    assert both.conf_high[0, 0] == error_count_upper(200, wrong, 50, "0.05")
    assert both.conf_low[0, 0] == 50 - error_count_upper(200, 200 - wrong, 50, "0.05")


def test_selection_by_number_and_by_rate(data):
    X, y = data
    by_number = frozen(Selection(above=0.0, max_false=2)).calibrate(X[:300], y[:300])
    result = by_number.infer(X[300:400])
    threshold = result.answers[0].threshold[0]
    np.testing.assert_array_equal(by_number.select(X[300:400]), X[300:400, 0] > threshold)
    assert result.false_claims(y[300:400])[0] == int(((y[300:400] <= 0) & (X[300:400, 0] > threshold)).sum())
    by_rate = frozen(Selection(above=0.0, fdr=0.2)).calibrate(X[:300], y[:300])
    p = by_rate.infer(X[300:400]).answers[0].p_values
    false_scores = np.where(y[:300] <= 0, X[:300, 0], -np.inf)
    expected = (1 + (false_scores[None, :] >= X[300:400, 0][:, None]).sum(axis=1)) / 301
    np.testing.assert_allclose(p, expected)
    assert by_rate.select(X[300:400]).sum() > 0
    again = frozen(Selection(above=0.0, fdr=0.2, randomised=True)).calibrate(X[:300], y[:300])
    assert np.all(again.infer(X[300:400]).answers[0].p_values <= p)


def test_envelope_answers_every_question(data):
    X, y = data
    result = frozen(Envelope(), bounds=(-12, 12)).calibrate(X[:300], y[:300]).infer(X[300:350])
    band = rank_envelope(300, 50, "0.1")
    padded = np.concatenate([[-12], np.sort(y[:300]), [12]])
    low, high = padded[band.lower - 1], padded[band.upper]
    np.testing.assert_array_equal(result.answers[0].high, high)
    np.testing.assert_allclose(result.mean()[0], [low.mean(), high.mean()])
    np.testing.assert_allclose(result.quantile(0.5)[0], [low[24], high[24]])
    np.testing.assert_array_equal(result.count_above(1.0)[0], [(low > 1).sum(), (high > 1).sum()])
    assert result.bounds(np.max)[0, 1] == high[-1]
    assert len(result.tidy()) == 50


def test_envelope_bounds_false_discoveries(data):
    X, y = data
    result = frozen(Envelope("upper", above=0.0)).calibrate(X[:300], y[:300]).infer(X[300:400])
    curve = result.discoveries()
    assert np.all(np.diff(curve.selected) > 0)
    assert np.all(curve.max_false <= curve.selected)
    assert curve.selected[-1] == 100
    assert "Claims with FDP" in str(result)


def test_compositional(data):
    X, y = data

    @numba.njit
    def step(j, accumulated, score):
        return accumulated + score

    scores = np.clip(y, -3, 3)
    weights = lambda n, m: np.arange(n + 1) // 4  # noqa: E731
    results = [
        frozen(Compositional(f, rank_weight=weights, name="total"), bounds=(-3, 3))
        .calibrate(X[:100], scores[:100])
        .infer(X[100:110])
        for f in (step, lambda j, acc, s: acc + s)
    ]
    assert results[0].conf_low[0, 0] == pytest.approx(results[1].conf_low[0, 0])
    assert results[0].conf_high[0, 0] == pytest.approx(results[1].conf_high[0, 0])
    assert results[0].conf_low[0, 0] < 10 * scores[:100].mean() < results[0].conf_high[0, 0]
    with pytest.raises(ValueError, match="non-decreasing"):
        frozen(Compositional(lambda j, acc, s: acc - s)).calibrate(X[:50], y[:50]).infer(X[:5])


def test_batches_and_joint_level(data):
    X, y = data
    batch = np.repeat(["u", "v"], [60, 40])
    estimator = frozen(BatchQuantile(side="upper")).calibrate(X[:400], y[:400])
    each = estimator.infer(X[400:500], batches=batch)
    alone = estimator.infer(X[400:460])
    assert each.batches == ("u", "v")
    assert each.sizes == [60, 40]
    assert each.conf_high[0, 0] == alone.conf_high[0, 0]
    assert "each of the 2 batches by itself" in each.guarantee.paragraph()
    joint = estimator.infer(X[400:500], batches=batch, joint=True)
    assert joint.confidence_level == 0.95
    assert np.all(joint.conf_high >= each.conf_high)
    assert "all 2 batches at once" in str(joint.guarantee)
    assert joint.conf_high[0, 0] == estimator.infer(X[400:460], confidence_level=0.95).conf_high[0, 0]


def test_uninformative_warns_and_returns_infinity(data):
    X, y = data
    estimator = frozen(Simultaneous(miss=0)).calibrate(X[:44], y[:44])
    with pytest.warns(
        UninformativeWarning, match="smallest calibration size that would be informative is 45"
    ):
        result = estimator.infer(X[100:105])
    assert not result.informative
    assert np.isinf(result.intervals).all()
    with pytest.warns(UninformativeWarning, match="900"):
        result = frozen(BatchMean(side="upper")).calibrate(X[:200], y[:200]).infer(X[200:300])
    assert result.conf_high[0, 0] == math.inf
    chosen = frozen(Selection(above=0, max_false=0)).calibrate(X[:30], y[:30])
    with pytest.warns(UninformativeWarning):
        nothing = chosen.select(X[100:150])
    assert not nothing.any()


def test_results_carry_everything(data):
    X, y = data
    result = frozen(Simultaneous()).calibrate(X[:200], y[:200]).infer(X[200:400], batches=np.arange(200) % 2)
    content = result.to_dict()
    assert content["overall"]["n_calibration"] == 200
    assert [t["batch"] for t in content["terms"]] == [0, 1]
    assert content["guarantee"]["kind"] == "finite-sample"
    for text in (
        str(result),
        result.summary().as_html(),
        result.summary().as_latex(),
        result.summary().as_markdown(),
    ):
        assert "Naive" in text
        assert "come from one source" in " ".join(text.split())
    assert "0x" not in repr(frozen(Compositional(lambda j, acc, s: acc + s)).calibrate(X, y).summary())


def test_large_sizes_do_not_overflow():
    rank, bound = simultaneous_rank(10**6, 10**5, 0.1, "0.1")
    assert rank == 90_000
    assert bound.informative
    assert 0.9 <= bound.probability < 0.9002
    assert error_count_upper(10**5, 5_000, 10**4, "0.1") < 600


def test_reflection_and_monotonicity():
    scores = np.random.default_rng(4).normal(size=80)
    for alpha in ("0.05", "0.1", "0.3"):
        upper = order_statistic_interval(scores, 20, 7, alpha, side="upper").high
        lower = order_statistic_interval(-scores, 20, 14, alpha, side="lower").low
        assert upper == -lower
    highs = [order_statistic_interval(scores, 20, 7, a, side="upper").high for a in ("0.05", "0.1", "0.3")]
    assert highs == sorted(highs, reverse=True)
    raised = scores.copy()
    raised[3] += 5
    assert (
        order_statistic_interval(raised, 20, 7, "0.1").high
        >= order_statistic_interval(scores, 20, 7, "0.1").high
    )
    mixed = np.random.default_rng(0).permutation(scores)
    for method in ("rank-sum", "phi-band"):
        options = {"bounds": (-6, 6), "method": method, "reference_scores": scores[:30], "n_resamples": 99}
        one, two = (mean_interval(values, 9, "0.1", **options) for values in (mixed, scores))
        assert vars(one) == vars(two)  # values that do not exist are the same NaN
        reflected = mean_interval(-scores, 9, "0.1", side="lower", **{**options, "method": "rank-sum"})
        plain = mean_interval(scores, 9, "0.1", side="upper", **{**options, "method": "rank-sum"})
        assert plain.high == pytest.approx(-reflected.low)
