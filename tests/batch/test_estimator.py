"""BatchPredictor: every target and score, options, errors, warnings, and what results carry."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction

import numba
import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression

from validstats.batch import (
    APSScore,
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    BatchTotal,
    CallableScore,
    Compositional,
    CQRScore,
    Envelope,
    ErrorCount,
    NormalisedScore,
    Selection,
    Simultaneous,
)
from validstats.batch.laws.envelope import rank_envelope
from validstats.batch.laws.means import mean_interval
from validstats.batch.laws.order_statistics import order_statistic_interval
from validstats.batch.laws.ranks import error_count_upper, simultaneous_rank
from validstats.exceptions import DataReuseWarning, NotCalibratedError, UninformativeWarning


class Identity(RegressorMixin, BaseEstimator):
    """A fitted learner that predicts its first column."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0]

    def __sklearn_is_fitted__(self):
        return True


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(900, 2))
    return x, x[:, 0] + rng.normal(size=900) * (0.5 + np.abs(x[:, 1]))


def frozen(target, **kwargs):
    kwargs.setdefault("random_state", 0)
    return BatchPredictor(FrozenEstimator(Identity()), target, **{"confidence_level": 0.9, **kwargs})


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


@pytest.mark.parametrize(
    "score",
    [
        "absolute",
        "signed",
        "label",
        NormalisedScore(LinearRegression()),
        CQRScore(LinearRegression(), HistGradientBoostingRegressor(max_iter=10)),
    ],
    ids=str,
)
def test_regression_scores_invert_to_their_region(data, score):
    """A row's label lies in its set exactly if its score is at most the threshold."""
    X, y = data
    estimator = BatchPredictor(
        LinearRegression(), Simultaneous(0.2), conformity_score=score, random_state=0, confidence_level=0.9
    ).fit(X[:700], y[:700])
    result = estimator.infer(X[700:])
    inside = estimator.conformity_scores(X[700:], y[700:]) <= result.answers[0].threshold
    np.testing.assert_array_equal(result.contains(y[700:]), inside)
    assert 0.6 < inside.mean() < 1


@pytest.mark.parametrize("score", ["probability", "aps"])
def test_classification_scores_invert_to_their_set(data, score):
    X, y = data
    labels = np.digitize(y, [-0.7, 0.7])
    estimator = BatchPredictor(
        LogisticRegression(), Simultaneous(0.1), conformity_score=score, random_state=0, confidence_level=0.9
    )
    estimator.fit(X[:700], labels[:700])
    result = estimator.infer(X[700:])
    inside = estimator.conformity_scores(X[700:], labels[700:]) <= result.answers[0].threshold
    np.testing.assert_array_equal(result.contains(labels[700:]), inside)
    with pytest.raises(TypeError, match="no intervals"):
        estimator.predict_interval(X[:5])


def test_score_objects_and_callables(data):
    X, y = data
    for score in ("normalised", "cqr"):
        result = BatchPredictor(
            LinearRegression(), Simultaneous(), conformity_score=score, random_state=0, confidence_level=0.9
        )
        result = result.fit(X[:150], y[:150]).infer(X[:50])
        assert result.intervals.shape == (50, 2)
    squared = CallableScore(lambda model, X, y: (y - model.predict(X)) ** 2, bounds=(0, 1e3))
    for score in (squared, lambda model, X, y: (y - model.predict(X)) ** 2):
        result = (
            frozen(BatchMean(side="upper"), conformity_score=score)
            .calibrate(X[:500], y[:500])
            .infer(X[500:550])
        )
        assert 0 < result.conf_high[0, 0] < 100
    with pytest.raises(ValueError, match="outside its stated bounds"):
        frozen(BatchMean(), conformity_score=CallableScore(lambda model, X, y: y, bounds=(0, 1))).calibrate(
            X, y
        )
    with pytest.raises(ValueError, match="does not work with a regressor"):
        frozen(Simultaneous(), conformity_score=APSScore()).calibrate(X, y)
    with pytest.raises(ValueError, match="score must be one of"):
        frozen(Simultaneous(), conformity_score="abs").calibrate(X, y)
    with pytest.raises(ValueError, match="needs training rows"):
        frozen(Simultaneous(), conformity_score="normalised").calibrate(X, y)


def test_unseen_class_is_never_covered(data):
    X, y = data
    labels = (y > 0).astype(int)
    estimator = BatchPredictor(
        LogisticRegression(), Simultaneous(), random_state=0, confidence_level=0.9
    ).fit(X, labels)
    assert estimator.conformity_scores(X[:2], np.array([7, 7])).tolist() == [math.inf, math.inf]


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


def test_strata_use_the_product_law(data):
    X, y = data
    group = np.where(X[:, 1] > 0, "hi", "lo")
    for target in (
        Simultaneous(),
        BatchMean(method="rank-sum"),
        BatchTotal(method="rank-sum"),
        BatchQuantile(),
        ErrorCount(tolerance=1.0),
        Selection(above=0.0, max_false=4),
        Selection(above=0.0, fdr=0.2),
        Envelope(),
        Compositional(lambda j, acc, s: acc + s),
    ):
        estimator = frozen(target, bounds=(-15, 15)).calibrate(X[:600], y[:600], strata=group[:600])
        result = estimator.infer(X[600:700], strata=group[600:700])
        assert result.answers[0].informative
        assert "within each stratum" in str(result.guarantee)
        with pytest.raises(ValueError, match="gives no strata"):
            estimator.infer(X[600:700])
        with pytest.raises(ValueError, match="were not calibrated"):
            estimator.infer(X[600:602], strata=["hi", "new"])
    sets = frozen(Simultaneous()).calibrate(X[:600], y[:600], strata=group[:600])
    result = sets.infer(X[600:700], strata=group[600:700])
    assert len(set(result.answers[0].threshold)) == 2
    assert result.answers[0].probability >= 0.9
    assert "hi: " in str(sets.summary())


def test_covariate_shift_by_rejection(data):
    X, y = data
    weights = 1 / (1 + np.exp(-X[:, 0]))
    estimator = frozen(Simultaneous()).calibrate(X[:800], y[:800], weights=weights[:800], w_max=1.0)
    assert estimator.calibration_.n_supplied == 800
    assert 300 < estimator.calibration_.n < 500
    assert f"{estimator.calibration_.n} of 800 rows were kept" in str(estimator.guarantee_)
    calibrate = frozen(Simultaneous()).calibrate
    with pytest.raises(ValueError, match="w_max is required"):
        calibrate(X, y, weights=weights)
    with pytest.raises(ValueError, match=r"must lie in \[0, w_max\]"):
        calibrate(X, y, weights=weights, w_max=0.5)
    with pytest.raises(ValueError, match="kept none"):
        calibrate(X, y, weights=np.zeros(900), w_max=1.0)
    with pytest.raises(ValueError, match="without weights"):
        calibrate(X, y, w_max=1.0)
    with pytest.raises(ValueError, match="cannot add rows"):
        estimator.update(X[:3], y[:3])


def test_update_adds_revealed_rows(data):
    X, y = data
    estimator = frozen(Simultaneous()).calibrate(X[:100], y[:100])
    estimator.update(X[100:200], y[100:200])
    together = frozen(Simultaneous()).calibrate(X[:200], y[:200])
    assert estimator.calibration_.n == estimator.guarantee_.n_reference == 200
    np.testing.assert_array_equal(estimator.infer(X[200:250]).intervals, together.infer(X[200:250]).intervals)


def test_reused_rows_warn(data):
    X, y = data
    estimator = BatchPredictor(LinearRegression(), Simultaneous(), random_state=0, confidence_level=0.9).fit(
        X[:300], y[:300]
    )
    with pytest.warns(DataReuseWarning, match="also used to train"):
        estimator.calibrate(X[:300], y[:300])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.calibrate(X[300:600], y[300:600])
        estimator.set_params(check_reuse=False).calibrate(X[:300], y[:300])


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


def test_before_calibration(data):
    X, y = data
    estimator = BatchPredictor(LinearRegression(), BatchMean(), confidence_level=0.9)
    for verb in ("predict", "infer"):
        with pytest.raises(NotCalibratedError, match=verb):
            getattr(estimator, verb)(X)
    with pytest.raises(NotCalibratedError, match="FrozenEstimator"):
        estimator.calibrate(X, y)
    with pytest.raises(NotCalibratedError):
        estimator.summary()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"confidence_level": 90}, ValueError, "Did you mean 0.9"),
        ({"confidence_level": 1.0}, ValueError, "confidence_level"),
        ({"confidence_level": "high"}, TypeError, "confidence_level"),
        ({"bounds": (1, 0)}, ValueError, "bounds"),
        ({"bounds": (0, 1)}, ValueError, "outside the stated bounds"),
        ({"target": "mean"}, TypeError, "target must be a target"),
        ({"target": BatchMean(side="both")}, ValueError, "side must be one of"),
        ({"target": BatchMean(method="best")}, ValueError, "method must be one of"),
        ({"target": BatchQuantile(1.5)}, ValueError, "q must be"),
        ({"target": Simultaneous(miss=1)}, ValueError, "miss must be"),
        ({"target": Selection(above=0)}, ValueError, "either max_false or fdr"),
        ({"target": Selection(above=0, max_false=1, fdr=0.1)}, ValueError, "either max_false or fdr"),
        ({"target": Selection(above=math.nan, max_false=1)}, ValueError, "above"),
        ({"target": Compositional(None)}, TypeError, "step must be callable"),
        ({"n_resamples": 0}, ValueError, "n_resamples"),
        ({"calibration_size": 900}, ValueError, "leaves no row"),
        ({"calibration_size": 1.5}, ValueError, "calibration_size"),
        ({"calibration_size": "half"}, TypeError, "calibration_size"),
        ({"random_state": -1}, ValueError, "random_state"),
    ],
)
def test_bad_parameters(data, change, error, message):
    X, y = data
    estimator = BatchPredictor(
        LinearRegression(), BatchMean(), random_state=0, confidence_level=0.9
    ).set_params(**change)
    with pytest.raises(error, match=message):
        estimator.fit(X, y)


def test_bad_data(data):
    X, y = data
    estimator = frozen(Simultaneous()).calibrate(X[:100], y[:100])
    broken = y.copy()
    broken[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        frozen(Simultaneous()).calibrate(X, broken)
    with pytest.raises(ValueError, match="same number of rows"):
        frozen(Simultaneous()).calibrate(X, y[:-1])
    with pytest.raises(ValueError, match="one label for each"):
        estimator.infer(X, batches=[1, 2])
    with pytest.raises(ValueError, match="no rows"):
        estimator.infer(X[:0])
    with pytest.raises(TypeError, match="names a column"):
        estimator.infer(X, batches="batch")
    with pytest.raises(ValueError, match="Reshape"):
        estimator.infer(X[:, 0])
    with pytest.raises(ValueError, match="one label for each"):
        estimator.infer(X).contains(y[:3])
    with pytest.raises(ValueError, match="defines its own score"):
        frozen(Selection(above=0, max_false=1), conformity_score="absolute").calibrate(X, y)


def test_predictions_that_are_not_numbers_are_refused(data):
    X, y = data

    class Broken(Identity):
        def predict(self, X):
            return np.full(len(X), np.nan)

    with pytest.raises(ValueError, match="predictions"):
        BatchPredictor(FrozenEstimator(Broken()), Simultaneous(), confidence_level=0.9).calibrate(X, y)


def test_levels_are_read_as_typed(data):
    X, y = data
    results = [
        frozen(Simultaneous(0.1), confidence_level=level).calibrate(X[:45], y[:45]).infer(X[45:50])
        for level in (0.9, Fraction(9, 10))
    ]
    assert results[0].answers[0].ranks == results[1].answers[0].ranks == (45,)
    assert results[0].answers[0].probability == 0.9


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


def test_a_changed_target_is_followed_by_the_next_calibration(data):
    X, y = data
    estimator = BatchPredictor(LinearRegression(), Simultaneous(), random_state=0, confidence_level=0.9).fit(
        X[:300], y[:300]
    )
    estimator.set_params(target=Selection(above=0.0, max_false=3)).calibrate(X[300:500], y[300:500])
    direct = BatchPredictor(
        FrozenEstimator(estimator.estimator_),
        Selection(above=0.0, max_false=3),
        random_state=0,
        confidence_level=0.9,
    )
    direct.calibrate(X[300:500], y[300:500])
    np.testing.assert_array_equal(estimator.select(X[500:600]), direct.select(X[500:600]))
    estimator.set_params(target=Simultaneous(), conformity_score="cqr")
    with pytest.raises(ValueError, match="fit again"):
        estimator.calibrate(X[300:500], y[300:500])


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
        assert mean_interval(mixed, 9, "0.1", **options) == mean_interval(scores, 9, "0.1", **options)
        reflected = mean_interval(-scores, 9, "0.1", side="lower", **{**options, "method": "rank-sum"})
        plain = mean_interval(scores, 9, "0.1", side="upper", **{**options, "method": "rank-sum"})
        assert plain.high == pytest.approx(-reflected.low)


def test_labels_of_other_kinds(data):
    X, y = data
    estimator = frozen(Simultaneous())
    expected = estimator.calibrate(X, y).calibration_.scores
    for labels in (y.tolist(), y.astype(object), y[:, None]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.testing.assert_array_equal(estimator.calibrate(X, labels).calibration_.scores, expected)
    for bad in (np.where(y > 0, np.inf, y), np.array(["a"] * 900)):
        with pytest.raises((TypeError, ValueError), match="y"):
            estimator.calibrate(X, bad)
    with pytest.raises(ValueError, match="y to be passed"):
        estimator.calibrate(X, None)


def test_sparse_rows(data):
    from scipy import sparse

    X, y = data
    estimator = BatchPredictor(LinearRegression(), Simultaneous(), random_state=0, confidence_level=0.9).fit(
        sparse.csr_array(X), y
    )
    dense = BatchPredictor(LinearRegression(), Simultaneous(), random_state=0, confidence_level=0.9).fit(X, y)
    np.testing.assert_allclose(
        estimator.infer(sparse.csr_array(X)).intervals, dense.infer(X).intervals, rtol=1e-6
    )


def test_cached_ranks_do_not_loosen_the_checks_of_arguments() -> None:
    simultaneous_rank(200, 1, 0.1, "0.1")
    for m in (True, 1.0, np.ones(1), [1]):
        with pytest.raises(TypeError, match="m must be an integer"):
            simultaneous_rank(200, m, 0.1, "0.1")


def test_the_seed_of_a_calibration_is_that_of_a_fresh_generator() -> None:
    X, y = np.arange(40.0).reshape(-1, 1), np.arange(40.0)
    by_int, by_generator = (
        BatchPredictor(
            FrozenEstimator(LinearRegression().fit(X, y)),
            Simultaneous(),
            random_state=seed,
            confidence_level=0.9,
        )
        .calibrate(X, y)
        .calibration_.seed
        for seed in (7, np.random.default_rng(7))
    )
    assert by_int == by_generator
