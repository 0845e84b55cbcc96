"""One study through all four domains: screen, confirm, select, bound the errors, correct the regression, report."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from validstats import BatchPredictor, DesignSupervised, ErrorCount, report
from validstats.holdout import HoldoutSearchCV, ReusableHoldout, SelectFromHoldout
from validstats.mi import MISelector

N = 3400
TRAIN, HOLDOUT, CALIBRATION, BATCH, REST = np.split(np.arange(N), [300, 1500, 1800, 1900])

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study():
    generator = np.random.default_rng(0)
    X = pd.DataFrame(generator.normal(size=(N, 5)), columns=[f"x{i}" for i in range(5)])
    y = (generator.random(N) < 1 / (1 + np.exp(-3 * X["x0"] - 1.5 * X["x1"]))).astype(int).to_numpy()
    return X, y


@pytest.fixture(scope="module")
def selected(study):
    X, y = study
    selector = MISelector(method="learned", control="fdr_bh", n_permutations=99, alpha=0.1, random_state=0)
    selector.fit(X.iloc[TRAIN], y[TRAIN])
    kept = list(selector.get_feature_names_out())
    holdout = ReusableHoldout(queries=8, random_state=0)
    holdout.fit(X.iloc[TRAIN][kept], y[TRAIN]).calibrate(X.iloc[HOLDOUT][kept], y[HOLDOUT])
    model = make_pipeline(StandardScaler(), LogisticRegression())
    confirmed = SelectFromHoldout(model, holdout, max_features=2).fit(X.iloc[TRAIN][kept], y[TRAIN])
    grid = {"logisticregression__C": [1e-6, 1e-2, 1.0, 100.0]}
    search = HoldoutSearchCV(model, grid, holdout, batches=2).fit(X.iloc[TRAIN][kept], y[TRAIN])
    return kept, holdout, confirmed, search


@pytest.mark.slow
def test_screening_keeps_what_matters(selected) -> None:
    assert "x0" in selected[0]


def test_the_holdout_confirms_the_strong_feature(selected) -> None:
    kept, _, confirmed, _ = selected
    assert kept[confirmed.order_[0]] == "x0"
    assert confirmed.answers_[0].passed


def test_selection_and_search_share_one_budget(selected) -> None:
    _, holdout, confirmed, search = selected
    assert search.answers_[-1].left["queries"] == 8 - len(confirmed.answers_) - len(search.answers_)
    nats, mu_squared = holdout.ledger_.totals()
    assert nats > 0
    assert mu_squared == 0


def test_the_winner_s_answer_is_within_its_interval(selected, study) -> None:
    X, y = study
    kept, _, _, search = selected
    fresh = search.best_estimator_.score(X.iloc[REST][kept], y[REST])
    low, high = search.best_answer_.bounds
    assert low <= fresh <= high


@pytest.fixture(scope="module")
def results(selected, study):
    X, y = study
    kept, _, _, search = selected
    best = search.best_estimator_
    predictor = BatchPredictor(FrozenEstimator(best), ErrorCount(), confidence_level=0.95, random_state=0)
    predictor.fit(X.iloc[CALIBRATION][kept], y[CALIBRATION])
    errors = predictor.infer(X.iloc[BATCH][kept])
    documents = pd.DataFrame({"x2": X["x2"].to_numpy()[REST], "machine": best.predict(X.iloc[REST][kept])})
    expert = y[REST].astype(float)
    expert[np.random.default_rng(1).random(len(REST)) > 0.4] = np.nan
    study_ = DesignSupervised(n_repeats=1, random_state=0).fit(documents, surrogate="machine")
    study_.calibrate({"expert": expert}, sampling_probability=0.4)
    regression = study_.infer("expert ~ x2", model="logit", population="finite")
    return search.best_answer_, errors, regression


def test_errors_of_the_batch_are_bounded(results, selected, study) -> None:
    X, y = study
    kept, _, _, search = selected
    wrong = np.sum(search.best_estimator_.predict(X.iloc[BATCH][kept]) != y[BATCH])
    assert wrong <= results[1].conf_high[0, 0]


def test_report_states_what_holds_together(results) -> None:
    answer, errors, regression = results
    page = report({"model": answer, "errors": errors, "regression": regression}, figures=False)
    [joint] = [s.paragraphs[0] for s in page.sections if s.title == "All statements together"]
    assert "All 3 statements hold together with probability at least 0.85" in joint
    assert "in the limit of large samples" in joint
    assert page.as_html().count("validstats-guarantee") >= 3


def test_every_result_survives_pickling(results) -> None:
    for result in results:
        assert str(pickle.loads(pickle.dumps(result))) == str(result)
