"""The estimators among scikit-learn's: HTML diagrams, cross-validation, pipelines, column transformers, pickles."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import set_config
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from validstats import BatchMean, BatchPredictor, DesignSupervised, ReusableHoldout, Simultaneous
from validstats.mi import LearnedMI, MISelector, mutual_info
from validstats.pipeline import Pipeline

ESTIMATORS = [
    BatchPredictor(LinearRegression(), Simultaneous(), confidence_level=0.9),
    DesignSupervised(LogisticRegression()),
    ReusableHoldout(queries=20),
    LearnedMI(),
    MISelector(k=2),
]


@pytest.fixture(scope="module")
def frame() -> tuple[pd.DataFrame, np.ndarray]:
    generator = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "a": generator.normal(size=240),
            "b": generator.normal(size=240),
            "group": generator.choice(["u", "v", "w"], 240),
        }
    )
    return X, (X["a"] + (X["group"] == "u") + 0.3 * generator.normal(size=240)).to_numpy()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_diagram_clone_and_parameters(estimator) -> None:
    with_html = estimator._repr_html_()
    assert type(estimator).__name__ in with_html
    copy = clone(estimator)
    assert set(copy.get_params(deep=False)) == set(estimator.get_params(deep=False))
    assert type(estimator).__name__ in repr(estimator)


def test_batch_predictor_in_pipelines_and_cross_validation(frame) -> None:
    X, y = frame
    encoder = make_column_transformer((StandardScaler(), ["a", "b"]), (OneHotEncoder(), ["group"]))
    inside = BatchPredictor(
        make_pipeline(encoder, LinearRegression()),
        Simultaneous(miss=0.2),
        random_state=0,
        confidence_level=0.9,
    )
    outside = make_pipeline(
        make_column_transformer((StandardScaler(), ["a", "b"]), (OneHotEncoder(), ["group"])),
        BatchPredictor(LinearRegression(), Simultaneous(miss=0.2), random_state=0, confidence_level=0.9),
    )
    for model in (inside, outside):
        scores = cross_validate(model, X, y, cv=3, scoring="r2")["test_score"]
        assert scores.min() > 0.5
    fitted = inside.fit(X, y)
    again = pickle.loads(pickle.dumps(fitted))
    assert str(again.infer(X.head(30)).summary()) == str(fitted.infer(X.head(30)).summary())


class Last(BaseEstimator):
    """A last step that writes down what it is asked."""

    def fit(self, X, y):
        self.seen_ = [("fit", X, y, {})]
        return self

    def calibrate(self, X, y, **options):
        self.seen_.append(("calibrate", X, y, options))

    def update(self, X, y, **options):
        self.seen_.append(("update", X, y, options))

    def infer(self, X, **options):
        self.seen_.append(("infer", X, None, options))
        return "inferred"

    def select(self, X, **options):
        self.seen_.append(("select", X, None, options))
        return "selected"

    def summary(self, **options):
        return options


def test_a_pipeline_asks_its_last_step_on_transformed_rows_with_what_arrives_beside_them() -> None:
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=["r", "s", "t"])
    y = pd.Series([1.0, 2.0, 3.0], index=["r", "s", "t"])
    turned, half = y[::-1], FunctionTransformer(lambda rows: rows.to_numpy() / 2)
    pipeline = Pipeline([("half", half), ("same", "passthrough"), ("last", Last())])
    assert pipeline.fit(X, turned) is pipeline
    assert pipeline.calibrate(X, turned, strata=turned) is pipeline
    assert pipeline.update(X, turned, batches="week", weights=turned) is pipeline
    assert pipeline.infer(X, ids=["r", "s", "t"], batches=turned) == "inferred"
    assert pipeline.select(X, weights=None) == "selected"
    assert pipeline.summary(details=True) == {"details": True}
    seen = pipeline.named_steps["last"].seen_
    assert [verb for verb, *_ in seen] == ["fit", "calibrate", "update", "infer", "select"]
    for _, rows, labels, options in seen:
        assert np.asarray(rows).ravel().tolist() == [0.5, 1.0, 1.5] and "ids" not in options
        assert labels is None or np.asarray(labels).tolist() == [1.0, 2.0, 3.0]
        for name in ("strata", "batches", "weights"):
            value = options.get(name)
            assert value is None or isinstance(value, str) or np.asarray(value).tolist() == [1.0, 2.0, 3.0]
    assert not hasattr(pipeline, "predict_interval")  # which the last step does not have
    with pytest.raises(ValueError, match="y"):
        pipeline.calibrate(X, pd.Series([1.0, 2.0, 3.0], index=["r", "s", "u"]))


def test_grid_search_reaches_the_learner(frame) -> None:
    X, y = frame
    model = BatchPredictor(
        RandomForestRegressor(n_estimators=5, random_state=0),
        Simultaneous(),
        random_state=0,
        confidence_level=0.9,
    )
    search = GridSearchCV(model, {"estimator__max_depth": [1, 4]}, cv=2, scoring="r2").fit(X[["a", "b"]], y)
    assert search.best_params_["estimator__max_depth"] in (1, 4)


def test_selector_in_a_pipeline_names_its_features(frame) -> None:
    X, y = frame
    encoder = make_column_transformer(
        (StandardScaler(), ["a", "b"]),
        (OneHotEncoder(sparse_output=False), ["group"]),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    model = make_pipeline(encoder, MISelector(k=2), LinearRegression()).fit(X, y)
    assert "a" in model[:-1].get_feature_names_out()


def test_a_calibrated_dsl_survives_pickling() -> None:
    generator = np.random.default_rng(1)
    data = pd.DataFrame({"x": generator.normal(size=600)})
    truth = (data["x"] + generator.normal(size=600) > 0).astype(float)
    data["machine"] = np.where(generator.random(600) < 0.9, truth, 1 - truth)
    expert = truth.where(generator.random(600) < 0.5).to_numpy()
    study = DesignSupervised(n_repeats=1, random_state=0).fit(data, surrogate="machine")
    study.calibrate({"expert": expert}, sampling_probability=0.5)
    again = pickle.loads(pickle.dumps(study))
    np.testing.assert_array_equal(again.infer("expert ~ x").params, study.infer("expert ~ x").params)


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_tidy_comes_in_the_caller_s_frame_type(frame, backend) -> None:
    library = pytest.importorskip(backend)
    from validstats.intake import backend_of, to_frame

    X, y = frame
    native = to_frame({"a": X["a"].to_numpy(), "b": X["b"].to_numpy()}, backend)
    assert library is not None
    assert backend_of(mutual_info(native, y).tidy()) == backend
    if backend != "pyarrow":
        model = BatchPredictor(
            LinearRegression(), Simultaneous(miss=0.2), random_state=0, confidence_level=0.9
        ).fit(native, y)
        assert backend_of(model.infer(native).tidy()) == backend


def test_diagrams_of_pipelines_show_our_estimators() -> None:
    set_config(display="diagram")
    shown = make_pipeline(StandardScaler(), MISelector(k=2), LinearRegression())._repr_html_()
    assert "MISelector" in shown


def saved_with_skops(estimator):
    """Save and load; everything that skops asks to be trusted is ours."""
    skops_io = pytest.importorskip("skops.io")
    stored = skops_io.dumps(estimator)
    types = skops_io.get_untrusted_types(data=stored)
    assert types
    assert all(name.startswith("validstats.") for name in types)
    return skops_io.loads(stored, trusted=types)


@pytest.mark.parametrize("target", [Simultaneous(miss=0.2), BatchMean()], ids=lambda t: type(t).__name__)
def test_a_fitted_batch_predictor_is_saved_with_skops(frame, target) -> None:
    X, y = frame
    model = BatchPredictor(
        LinearRegression(), target, bounds=(-9, 9), random_state=0, confidence_level=0.9
    ).fit(X[["a", "b"]], y)
    again = saved_with_skops(model)
    new = X[["a", "b"]].head(30)
    assert str(again.infer(new).summary()) == str(model.infer(new).summary())


def test_a_pipeline_with_a_selector_is_saved_with_skops(frame) -> None:
    X, y = frame
    model = make_pipeline(StandardScaler(), MISelector(k=1), LinearRegression()).fit(X[["a", "b"]], y)
    again = saved_with_skops(model)
    np.testing.assert_array_equal(again.predict(X[["a", "b"]]), model.predict(X[["a", "b"]]))
    assert str(again[1].summary()) == str(model[1].summary())


def test_learned_mutual_information_is_saved_with_skops(frame) -> None:
    X, _ = frame
    again = saved_with_skops(LearnedMI())
    assert again.infer(X["a"], X["b"]).estimate == LearnedMI().infer(X["a"], X["b"]).estimate


def test_a_holdout_with_its_ledger_in_memory_is_not_saved_with_skops(frame) -> None:
    skops_io = pytest.importorskip("skops.io")
    X, y = frame
    numbers, labels = X[["a", "b"]].to_numpy(), (y > 0).astype(int)
    holdout = ReusableHoldout(queries=3, random_state=0).fit(numbers[:100], labels[:100])
    holdout.calibrate(numbers[100:], labels[100:])
    with pytest.raises(TypeError, match="cannot be pickled"):
        skops_io.dumps(holdout)
