"""The default first stage: its three learners, their predictions without a row, and the choice among them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from validstats.dsl.labels import CrossFitter, FoldPlan, crossfit
from validstats.dsl.labels.crossfit import (
    StackedLearner,
    _directions,
    _Distances,
    _linear,
    _logit,
    _partially_isotonic,
    _varying,
    distinct_rows,
)


def curved(rng, n, law):
    x, u = rng.normal(size=n), rng.random(n)
    f = {
        "sine": 1.5 * (1 + x) * np.sin(3 * np.pi * u),
        "step": 3.0 * (u > 0.6),
        "U": 12 * (u - 0.5) ** 2,
        "saturating": 3 * (1 - np.exp(-8 * u)),
        "linear": 3 * (u - 0.5),
        "none": 0 * u,
    }[law]
    mean = 1 + 0.5 * x + f
    return np.column_stack([u, x]), mean, mean + 0.5 * rng.normal(size=n)


def without_each_row(fit, z, y, rows):
    return np.array([fit(np.delete(z, i, axis=0), np.delete(y, i)).predict(z[[i]])[0] for i in rows])


def test_linear_predictions_without_a_row_are_refits():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    assert _linear(z, y).inner[:10] == pytest.approx(without_each_row(_linear, z, y, range(10)), abs=1e-10)


def test_logistic_predictions_without_a_row_are_close_to_refits():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(80, 2))
    y = (rng.random(80) < 1 / (1 + np.exp(-z[:, 0]))).astype(float)
    assert _logit(z, y).inner[:10] == pytest.approx(without_each_row(_logit, z, y, range(10)), abs=0.01)


def test_kernel_predictions_without_a_row_are_refits_of_the_same_penalty():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(40, 2))
    y = np.sin(3 * z[:, 0]) + 0.1 * rng.normal(size=40)
    free = np.array([True, False])
    refitted = without_each_row(lambda a, b: _varying(a, b, free), z, y, range(10))
    # refits may choose another penalty, and centre at another mean
    assert np.corrcoef(_varying(z, y, free).inner[:10], refitted)[0, 1] > 0.98


@pytest.mark.parametrize("law", ["sine", "step", "U", "saturating"])
def test_curved_laws_are_learned_where_a_line_is_not_enough(law):
    rng = np.random.default_rng(3)
    X, _, y = curved(rng, 400, law)
    X_new, mean, _ = curved(rng, 2000, law)
    model = StackedLearner((0,)).fit(X, y)
    error = np.mean((model.predict(X_new) - mean) ** 2)
    line = StackedLearner(()).fit(X, y)
    assert line.weights_ == pytest.approx([1.0])
    assert error < 0.15 * np.mean((line.predict(X_new) - mean) ** 2)
    assert error < 0.1


@pytest.mark.parametrize("law", ["linear", "none"])
def test_linear_laws_keep_the_linear_learner_or_lose_nothing(law):
    rng = np.random.default_rng(4)
    X, _, y = curved(rng, 400, law)
    X_new, mean, _ = curved(rng, 2000, law)
    error = np.mean((StackedLearner((0,)).fit(X, y).predict(X_new) - mean) ** 2)
    line = np.mean((StackedLearner(()).fit(X, y).predict(X_new) - mean) ** 2)
    assert error < line + 0.01


def test_binary_labels_are_predicted_by_chances():
    rng = np.random.default_rng(5)
    u = rng.random(400)
    y = (rng.random(400) < np.where((u > 0.3) & (u < 0.7), 0.9, 0.1)).astype(float)
    chance = StackedLearner((0,)).fit(u[:, None], y).predict(np.array([[0.1], [0.5], [0.9], [5.0]]))
    assert np.all((chance >= 0) & (chance <= 1))
    assert chance[1] > 0.7
    assert chance[0] < 0.35


def test_a_binary_machine_label_is_left_to_the_linear_learner():
    rng = np.random.default_rng(6)
    q = rng.integers(0, 2, 100).astype(float)
    model = StackedLearner((0,)).fit(q[:, None], q + rng.normal(size=100))
    assert model.weights_ == pytest.approx([1.0])


def test_weights_are_not_negative_and_add_to_one_at_most():
    rng = np.random.default_rng(7)
    for law in ("sine", "step", "linear"):
        X, _, y = curved(rng, 200, law)
        weights = StackedLearner((0,)).fit(X, y).weights_
        assert np.all(weights >= 0)
        assert weights.sum() <= 1 + 1e-6


def test_effective_numbers_grow_with_the_curve_and_stay_below_a_third_of_the_rows():
    rng = np.random.default_rng(8)
    X, _, y = curved(rng, 300, "sine")
    assert 8 < StackedLearner((0,)).fit(X, y).n_effective_ <= 100
    X, _, y = curved(rng, 300, "none")
    assert StackedLearner((0,)).fit(X, y).n_effective_ < 8


def test_constant_features_and_few_rows_do_no_harm():
    rng = np.random.default_rng(9)
    y = rng.normal(size=6)
    assert StackedLearner().fit(np.ones((6, 2)), y).predict(np.zeros((2, 2))) == pytest.approx(y.mean())
    X = np.column_stack([rng.random(6), np.ones(6)])
    assert np.all(np.isfinite(StackedLearner((0,)).fit(X, y).predict(X)))


def test_the_same_rows_give_the_same_predictions():
    rng = np.random.default_rng(10)
    X, _, y = curved(rng, 200, "sine")
    a, b = StackedLearner((0,)), clone(StackedLearner((0,)))
    assert np.array_equal(a.fit(X, y).predict(X), b.fit(X, y).predict(X))


@pytest.mark.parametrize("binary", [False, True])
def test_a_fitted_learner_can_be_sent_to_another_process(binary):
    rng = np.random.default_rng(13)
    X, _, y = curved(rng, 150, "sine")
    y = (y > np.median(y)).astype(float) if binary else y
    model = StackedLearner((0,)).fit(X, y)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_no_row_of_a_fold_is_seen_when_its_model_is_chosen():
    rng = np.random.default_rng(11)
    X, _, y = curved(rng, 200, "sine")
    labelled = np.ones(200, dtype=bool)
    folds = FoldPlan.of_rows(200, 5, 1, np.random.default_rng(0)).folds[0]
    changed = np.where(folds == 2, 1e3 * rng.normal(size=200), y)
    predict = [
        CrossFitter(learner=StackedLearner((0,)), folds=folds[None], labelled=labelled).regress(
            "y", target, X
        )[0, 0]
        for target in (y, changed)
    ]
    assert np.array_equal(predict[0][folds == 2], predict[1][folds == 2])
    assert not np.array_equal(predict[0][folds == 1], predict[1][folds == 1])


def test_distinct_rows_of_discrete_features():
    rng = np.random.default_rng(12)
    X = rng.integers(0, 3, (500, 2)).astype(float)
    rows, code = distinct_rows(X)
    assert len(rows) == 9
    assert np.array_equal(rows[code], X)
    assert distinct_rows(rng.random((5000, 1))) is None


def test_a_monotone_curve_is_fitted_to_inner_folds_only_where_the_training_rows_promise_one():
    rng = np.random.default_rng(14)
    z, monotone = rng.normal(size=(300, 2)), np.array([True, False])
    noise = 0.5 * rng.normal(size=300)
    for target, fitted in ((3.0 * (z[:, 0] > 0.3) + noise, True), (z[:, 0] + z[:, 1] + noise, False)):
        plain = float(np.mean((target - _linear(z, target).inner) ** 2))
        found = _partially_isotonic(z, target, monotone, plain)
        assert (found is not None) == fitted
    assert found is None
    assert _partially_isotonic(z, target, monotone, 10 * plain) is not None


@pytest.mark.parametrize("n", [200, 900])
def test_kernel_regression_of_many_rows_chooses_its_width_from_some_and_uses_all(n):
    rng = np.random.default_rng(15)
    z = rng.normal(size=(n, 2))
    y = np.sin(4 * z[:, 0]) + 0.1 * rng.normal(size=n)
    found = _varying(z, y, np.array([True, False]))
    assert found.predict.width < 1.6
    assert len(found.inner) == n
    at = np.column_stack([np.linspace(-1.5, 1.5, 50), np.zeros(50)])
    assert found.predict(at) == pytest.approx(np.sin(4 * at[:, 0]), abs=0.3)


def test_directions_of_a_kernel_matrix_reproduce_it():
    rng = np.random.default_rng(16)
    z = rng.normal(size=(30, 1))
    for width in (0.1, 1.6):
        kernel = _Distances.of(z, z, np.array([True])).kernel(width)
        chosen, root = _directions(kernel)
        features = kernel[:, chosen] @ root
        assert np.abs(features @ features.T - kernel).max() < 1e-6
        assert len(chosen) == (30 if width == 0.1 else len(chosen)) <= 30


def test_distances_of_one_and_several_surrogates_are_those_of_a_loop():
    rng = np.random.default_rng(17)
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    for free in (np.array([True, False, False]), np.array([True, True, False]), np.ones(3, dtype=bool)):
        kernel = _Distances.of(a, b, free).kernel(0.7)
        for i in range(4):
            for j in range(5):
                square = np.sum((a[i, free] - b[j, free]) ** 2)
                plane = 1 + a[i, ~free] @ b[j, ~free]
                assert kernel[i, j] == pytest.approx(plane * (np.exp(-square / (2 * 0.7**2)) + 1))


def test_residuals_are_those_of_predictions_without_the_row():
    rng = np.random.default_rng(18)
    X, _, y = curved(rng, 60, "sine")
    model = StackedLearner((0,)).fit(X, y)
    inside = y - model.predict(X)
    outside = np.array(
        [
            y[i] - StackedLearner((0,)).fit(np.delete(X, i, axis=0), np.delete(y, i)).predict(X[[i]])[0]
            for i in range(60)
        ]
    )
    assert model.residuals_.std() == pytest.approx(outside.std(), rel=0.15)
    assert model.residuals_.std() > 1.1 * inside.std()


def test_quantiles_of_residuals_need_no_second_fit_where_the_learner_keeps_them(monkeypatch):
    rng = np.random.default_rng(19)
    X, _, y = curved(rng, 200, "U")
    fitter = CrossFitter(
        learner=None, folds=FoldPlan.of_rows(200, 5, 1, rng).folds[0][None], labelled=np.ones(200, dtype=bool)
    )
    means = fitter.means("y", y, X)
    halves = fitter.residuals("y", y, X, 8).predict(X, fitter.folds)[0]
    monkeypatch.setattr(StackedLearner, "fit", lambda *_: pytest.fail("fitted again"))
    kept = fitter.residuals("y", y, X, 8, means).predict(X, fitter.folds)[0]
    assert kept.mean(axis=1) == pytest.approx(0.0, abs=1e-12)
    assert kept.std() == pytest.approx(halves.std(), rel=0.25)


@pytest.mark.parametrize("binary", [False, True])
def test_planes_of_all_folds_predict_by_one_product(binary):
    rng = np.random.default_rng(20)
    X = np.column_stack([rng.integers(0, 2, 6000), rng.normal(size=(6000, 2))]).astype(float)
    y = X @ [1.0, 0.5, -0.3] + rng.normal(size=6000)
    y = (y > 0.5).astype(float) if binary else y
    labelled = np.arange(6000) < 300
    folds = np.array([FoldPlan.of_rows(6000, 3, 1, rng).folds[0] for _ in range(2)])
    fitter = CrossFitter(learner=None, folds=folds, labelled=labelled, n_surrogates=1)
    models = fitter.means("y", y[labelled], X[labelled])
    planes = [f.model.plane_ for repeat in models.functions for f in repeat]
    assert sum(plane is not None for plane in planes) == len(planes)
    found = models.predict(X, folds)
    for repeat, functions in enumerate(models.functions):
        for k, function in enumerate(functions):
            inside = folds[repeat] == k
            assert found[repeat, inside] == pytest.approx(function(X[inside]), abs=1e-12)


def test_ridges_of_standardised_columns_predict_as_planes():
    rng = np.random.default_rng(21)
    X = rng.normal(size=(6000, 3)) * [1.0, 50.0, 1e-3] + [0.0, 2000.0, 1.0]
    X[:, 0] = np.round(X[:, 0])
    y = X @ [1.0, 0.02, 300.0] + rng.normal(size=6000)
    labelled = np.arange(6000) < 300
    folds = np.array([FoldPlan.of_rows(6000, 3, 1, rng).folds[0] for _ in range(2)])

    def predictions(learner, rows):
        models = CrossFitter(learner=learner, folds=folds, labelled=labelled).means(
            "y", y[labelled], rows[labelled]
        )
        planes = [crossfit._plane_of(f) is not None for repeat in models.functions for f in repeat]
        one_by_one = np.empty((2, 6000))
        for repeat, functions in enumerate(models.functions):
            for k, function in enumerate(functions):
                one_by_one[repeat, folds[repeat] == k] = function(rows[folds[repeat] == k])
        np.testing.assert_allclose(models.predict(rows, folds), one_by_one, rtol=1e-12, atol=1e-11)
        return planes

    assert all(predictions("linear", X))
    # far from zero a plane in units of the columns would lose digits; other pipelines are not read
    assert not any(predictions("linear", X + [0.0, 1e9, 0.0]))
    assert not any(predictions(make_pipeline(StandardScaler(with_mean=False), Ridge()), X))
    assert not any(predictions(make_pipeline(PolynomialFeatures(2), Ridge()), X))


def test_chances_of_many_rows_start_from_few_and_end_at_the_same_root(monkeypatch):
    rng = np.random.default_rng(2)
    z = rng.normal(size=(5000, 3))
    y = (rng.random(5000) < 1.0 / (1.0 + np.exp(-z @ [1.0, -2.0, 0.5]))).astype(float)
    found = crossfit._logit(z, y)
    monkeypatch.setattr(crossfit, "_MOST_ROWS", 10**6)
    whole = crossfit._logit(z, y)
    np.testing.assert_allclose(found.predict.slopes, whole.predict.slopes, rtol=1e-12)
    np.testing.assert_allclose(found.inner, whole.inner, rtol=1e-10)


def test_kernels_of_many_rows_are_those_of_few() -> None:
    rng = np.random.default_rng(4)
    z, y = rng.normal(size=(300, 2)), rng.normal(size=300)
    predict = _varying(z, y, np.array([True, False])).predict
    at = rng.normal(size=(2 * crossfit._KERNEL_ROWS + 7, 2))
    few = np.concatenate([predict(at[begin : begin + 50]) for begin in range(0, len(at), 50)])
    np.testing.assert_allclose(predict(at), few, rtol=1e-12, atol=1e-13)
