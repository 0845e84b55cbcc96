"""Cross-fitting never lets a row's own label reach its prediction, and completions add up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from validstats import DesignSupervised
from validstats.dsl.labels import (
    CrossFitter,
    FoldPlan,
    Outcome,
    encode_features,
    expected_completions,
    label_kind,
    one_hot,
    plug_in_completions,
)


@given(n=st.integers(4, 60), k=st.integers(2, 4), seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_folds_are_balanced_and_keep_clusters_together(n, k, seed):
    rng = np.random.default_rng(seed)
    sizes = np.bincount(FoldPlan.of_rows(n, k, 1, rng).folds[0], minlength=k)
    assert sizes.sum() == n and sizes.max() - sizes.min() <= 1
    clusters = np.concatenate([np.arange(k), rng.integers(0, k, n)])
    folds = FoldPlan.of_rows(len(clusters), k, 1, rng, clusters).folds[0]
    assert all(len(set(folds[clusters == c])) == 1 for c in range(k))


def test_too_few_units_for_the_folds():
    with pytest.raises(ValueError, match="at least as many rows"):
        FoldPlan.of_rows(3, 5, 1, np.random.default_rng(0)).folds[0]
    with pytest.raises(ValueError, match="at least as many clusters"):
        FoldPlan.of_rows(9, 5, 1, np.random.default_rng(0), np.arange(9) % 3).folds[0]


def fitter_for(learner, n=60, share=0.5, repeats=2, seed=0):
    rng = np.random.default_rng(seed)
    labelled = rng.random(n) < share
    folds = np.array([FoldPlan.of_rows(n, 3, 1, rng).folds[0] for _ in range(repeats)])
    return rng, CrossFitter(learner=learner, folds=folds, labelled=labelled)


def test_predictions_are_those_of_models_fitted_outside_the_fold():
    rng, fitter = fitter_for(LinearRegression())
    x, lab = rng.normal(size=(60, 2)), fitter.labelled
    y = rng.normal(size=lab.sum())
    found = fitter.regress("y", y, x)
    for r in range(2):
        for i in range(60):
            outside = fitter.folds[r][lab] != fitter.folds[r][i]
            model = LinearRegression().fit(x[lab][outside], y[outside])
            np.testing.assert_allclose(found[r, 0, i], model.predict(x[[i]])[0], rtol=1e-9)


@pytest.mark.parametrize("learner", [DecisionTreeRegressor(random_state=0), None])
def test_a_label_does_not_move_the_predictions_of_its_own_fold(learner):
    rng, fitter = fitter_for(learner, repeats=1)
    x, lab = rng.normal(size=(60, 2)), fitter.labelled
    y = rng.normal(size=lab.sum())
    changed = y.copy()
    changed[0] += 100.0
    own = fitter.folds[0] == fitter.folds[0][np.flatnonzero(lab)[0]]
    before, after = fitter.regress("y", y, x)[0, 0], fitter.regress("y", changed, x)[0, 0]
    np.testing.assert_array_equal(before[own], after[own])
    assert np.any(before[~own] != after[~own])
    before = fitter.residuals("y", y, x[lab], 4).predict(x, fitter.folds)[0].T
    after = fitter.residuals("y", changed, x[lab], 4).predict(x, fitter.folds)[0].T
    np.testing.assert_array_equal(before[:, own], after[:, own])


@pytest.mark.parametrize("learner", [DecisionTreeClassifier(max_depth=2), LinearRegression(), None])
def test_class_probabilities_add_to_one(learner):
    rng, fitter = fitter_for(learner)
    codes = rng.integers(0, 3, fitter.labelled.sum())
    found = fitter.classify("c", codes, 4, rng.normal(size=(60, 2)))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
    assert found.min() >= 0 and np.all(found[:, 3] == 0)


def test_one_class_in_training_and_missing_learner():
    rng, fitter = fitter_for(None)
    x = rng.normal(size=(60, 1))
    found = fitter.classify("c", np.ones(fitter.labelled.sum(), int), 2, x)
    assert np.all(found[:, 1] == 1.0)
    assert np.all(fitter.regress("y", np.full(fitter.labelled.sum(), 7.0), x) == 7.0)
    _, named = fitter_for({"a": LinearRegression()})
    with pytest.raises(ValueError, match="no entry for the label 'b'"):
        named.regress("b", rng.normal(size=named.labelled.sum()), x)


def test_encoding():
    text = np.array(["u", "v", None], dtype=object)
    with pytest.raises(ValueError, match="1 missing value"):
        encode_features({"g": text})
    with pytest.raises(ValueError, match="missing or infinite"):
        encode_features({"x": np.array([1.0, np.inf])})
    with pytest.raises(ValueError, match="60 classes"):
        encode_features({"g": np.arange(60).astype(str)})
    assert encode_features({"b": np.array([True, False])}).tolist() == [[1.0], [0.0]]
    assert one_hot(np.array([1, 0]), 2).tolist() == [[0, 1], [1, 0]]
    assert label_kind(np.array([1, 2])) == "continuous"


class TestCompletions:
    def test_discrete_labels_are_weighted_by_their_joint_probabilities(self):
        rng, fitter = fitter_for(None, n=200)
        m = fitter.labelled.sum()
        labels = {"t": rng.integers(0, 2, m).astype(float), "c": rng.choice(["a", "b"], m).astype(object)}
        found = expected_completions(
            fitter, labels, Outcome(name="y", values=rng.normal(size=m)), rng.normal(size=(200, 2))
        )
        assert len(found) == 4
        np.testing.assert_allclose(np.sum([c.weight for c in found], axis=0), 1.0, atol=1e-12)
        assert {(c.replacements["t"][0], c.replacements["c"][0]) for c in found} == {
            (0.0, "a"),
            (0.0, "b"),
            (1.0, "a"),
            (1.0, "b"),
        }
        assert all(c.outcome.shape == (200,) for c in found)

    def test_continuous_labels_are_drawn_around_their_mean(self):
        rng, fitter = fitter_for(LinearRegression(), n=400)
        x = rng.normal(size=(400, 1))
        v = x[fitter.labelled, 0] + rng.normal(size=fitter.labelled.sum())
        found = expected_completions(fitter, {"v": v}, None, x)
        draws = np.array([c.replacements["v"] for c in found])
        mean = fitter.regress("v", v, x)[:, 0].mean(axis=0)
        np.testing.assert_allclose(draws.mean(axis=0), mean, atol=1e-10)
        assert 0.6 < draws.std(axis=0).mean() < 1.3
        np.testing.assert_allclose(sum(c.weight for c in found), 1.0)

    def test_mixed_labels_and_two_continuous_ones_are_not_tied(self):
        rng, fitter = fitter_for(LinearRegression(), n=300)
        m = fitter.labelled.sum()
        labels = {"t": rng.integers(0, 2, m).astype(float), "v": rng.normal(size=m), "w": rng.normal(size=m)}
        found = expected_completions(fitter, labels, None, rng.normal(size=(300, 1)))
        np.testing.assert_allclose(np.sum([c.weight for c in found], axis=0), 1.0, atol=1e-9)
        v = np.array([c.replacements["v"][0] for c in found])
        w = np.array([c.replacements["w"][0] for c in found])
        assert len(found) == 16 and abs(np.corrcoef(v, w)[0, 1]) < 0.25

    def test_plug_in_gives_one_completion_a_repeat(self):
        rng, fitter = fitter_for(None, n=100, repeats=3)
        m = fitter.labelled.sum()
        found = plug_in_completions(
            fitter, {"t": rng.integers(0, 2, m).astype(float)}, None, rng.normal(size=(100, 1))
        )
        assert len(found) == 3 and all(len(f) == 1 and f[0].outcome is None for f in found)
        with pytest.raises(ValueError, match="categorical"):
            plug_in_completions(fitter, {"c": np.array(["a"] * m, dtype=object)}, None, np.zeros((100, 1)))


@pytest.mark.parametrize(
    ("estimator", "drawn"), [("gold", False), ("ppi", False), ("ppi++", False), ("tuned", True)]
)
def test_folds_are_drawn_where_something_is_fitted_only(estimator, drawn):
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    labels = pd.Series(np.where(np.arange(300) < 60, x + rng.normal(size=300), np.nan), name="y")
    study = (
        DesignSupervised(random_state=0).fit(pd.DataFrame({"x": x, "m": x}), surrogate="m").calibrate(labels)
    )
    study.infer("y ~ x", estimator=estimator)
    assert ("folds" in vars(study.calibration_.fold_plan)) is drawn


def test_folds_that_are_drawn_later_are_those_of_the_seed():
    drawn = FoldPlan.of_rows(50, 5, 3, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    one_by_one = np.concatenate([FoldPlan.of_rows(50, 5, 1, rng).folds for _ in range(3)])
    np.testing.assert_array_equal(drawn.folds, one_by_one)
    rows = np.array([3, 40, 7])
    np.testing.assert_array_equal(drawn.take(rows).folds, one_by_one[:, rows])
