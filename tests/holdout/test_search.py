from __future__ import annotations

import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from tests.holdout.study import next_secret
from validstats.exceptions import (
    BudgetExhaustedError,
    BudgetExhaustedInterrupt,
    BudgetExhaustedWarning,
    SearchRefusedInterrupt,
)
from validstats.holdout import HoldoutSearchCV, Ledger, ReusableHoldout, SelectFromHoldout, squared_error
from validstats.holdout.asking.desk import TrainingPart
from validstats.holdout.asking.metrics import NAMED_METRICS
from validstats.holdout.search import _ConstantModel, _univariate_order


def draw(n, seed, p=6):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, p))
    return X, (X[:, 0] + X[:, 1] + generator.normal(size=n) > 0).astype(int)


X_TRAIN, Y_TRAIN = draw(600, 1)
X_HOLD, Y_HOLD = draw(1500, 2)
MODEL = LogisticRegression().fit(X_TRAIN, Y_TRAIN)
DEPTHS = {"max_depth": [1, 2, 3, 4, 5], "min_samples_leaf": [1, 3, 9, 27, 81], "random_state": [0]}


def make(ledger=None, **options):
    ledger = Ledger.in_memory(secret=next_secret()) if ledger is None else ledger
    settings = {"queries": 20, "random_state": 0, "ledger": ledger, **options}
    return ReusableHoldout(**settings).fit(X_TRAIN, Y_TRAIN).calibrate(X_HOLD, Y_HOLD)


def test_scorer_and_split_work_in_a_grid_search():
    rh = make()
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, scoring=rh.scorer(), cv=rh.cv())
    search.fit(X_TRAIN, Y_TRAIN)
    answers = [e for e in rh.ledger_.entries() if e.release == "answer"]
    assert len(answers) == 2
    assert sorted(search.cv_results_["mean_test_score"]) == sorted(e.answer for e in answers)
    assert not rh.exhausted_


def test_scorer_works_in_cross_val_score():
    rh = make()
    scores = cross_val_score(LogisticRegression(), X_TRAIN, Y_TRAIN, scoring=rh.scorer(), cv=5)
    assert scores.shape == (5,) and np.isfinite(scores).all()
    assert scores.min() > 0.6


def test_losses_are_scored_with_a_minus_sign():
    rh = make()
    scores = cross_val_score(LogisticRegression(), X_TRAIN, Y_TRAIN, scoring=rh.scorer("brier"), cv=rh.cv())
    assert scores[0] < 0


def test_an_exhausted_budget_is_not_turned_into_nan():
    rh = make(queries=3)
    search = GridSearchCV(
        LogisticRegression(),
        {"C": [1e-4, 1e-3, 1e-2, 0.1, 1.0]},
        scoring=rh.scorer(),
        cv=rh.cv(),
        error_score=np.nan,
    )
    with pytest.raises(BudgetExhaustedInterrupt, match="this would be look 4 of 3 declared"):
        search.fit(X_TRAIN, Y_TRAIN)
    assert rh.exhausted_


def test_an_ordinary_exception_is_turned_into_nan():
    """The test of the test: scikit-learn swallows what is not raised through it."""
    rh = make(queries=1)

    def scorer(estimator, X, y):
        return float(rh.infer(estimator, guess=0.5))

    search = GridSearchCV(
        LogisticRegression(), {"C": [1e-4, 1e-3, 1e-2]}, scoring=scorer, cv=rh.cv(), refit=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X_TRAIN, Y_TRAIN)
    assert np.isnan(search.cv_results_["mean_test_score"]).sum() == 2


@pytest.mark.slow
def test_twenty_allowed_queries_are_twenty_in_parallel(tmp_path):
    path = tmp_path / "grid.ledger"
    Ledger.create(path)
    rh = make(path, queries=20)
    distinct = {"random_state": list(range(50))}
    tree = DecisionTreeClassifier(max_features=1, max_depth=6)
    search = GridSearchCV(tree, distinct, scoring=rh.scorer(), cv=rh.cv(), n_jobs=2, error_score=np.nan)
    with pytest.raises(BudgetExhaustedInterrupt):
        search.fit(X_TRAIN, Y_TRAIN)
    rh.ledger_.verify()
    entries = rh.ledger_.entries()
    assert sum(e.release == "answer" for e in entries) == 20
    assert sum(e.release == "refused" for e in entries) == 1
    assert rh.exhausted_


def test_a_search_over_selected_features_asks_one_question_a_candidate():
    rh = make()
    steps = make_pipeline(SelectFromModel(LogisticRegression(), threshold=-np.inf), LogisticRegression())
    grid = {"selectfrommodel__max_features": [1, 2, 6]}
    search = GridSearchCV(steps, grid, scoring=rh.scorer(), cv=rh.cv()).fit(X_TRAIN, Y_TRAIN)
    assert search.best_params_["selectfrommodel__max_features"] in (2, 6)
    one, two, _ = search.cv_results_["mean_test_score"]
    assert two > one + 0.05
    assert sum(e.release == "answer" for e in rh.ledger_.entries()) == 3


@pytest.mark.slow
def test_workers_of_a_dask_cluster_share_the_budget(tmp_path):
    distributed = pytest.importorskip("dask.distributed")
    path = tmp_path / "dask.ledger"
    Ledger.create(path)
    rh = make(path, queries=12)
    search = GridSearchCV(
        DecisionTreeClassifier(max_features=1, max_depth=6), {"random_state": list(range(30))},
        scoring=rh.scorer(), cv=rh.cv(), n_jobs=2, error_score=np.nan,
    )  # fmt: skip
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as local,
        distributed.Client(local),
        joblib.parallel_config(backend="dask"),
        pytest.raises(BudgetExhaustedInterrupt),
    ):
        search.fit(X_TRAIN, Y_TRAIN)
    rh.ledger_.verify()
    assert sum(e.release == "answer" for e in rh.ledger_.entries()) == 12


def test_in_memory_budgets_refuse_to_go_to_workers():
    rh = make()
    search = GridSearchCV(DecisionTreeClassifier(), DEPTHS, scoring=rh.scorer(), cv=rh.cv(), n_jobs=2)
    with pytest.raises(Exception, match=r"(?i)pickle"):
        search.fit(X_TRAIN, Y_TRAIN)
    assert not any(e.release == "answer" for e in rh.ledger_.entries())


def test_search_shows_the_holdout_the_winners_only():
    rh = make()
    search = HoldoutSearchCV(DecisionTreeClassifier(), DEPTHS, rh, batches=4).fit(X_TRAIN, Y_TRAIN)
    assert len(search.answers_) == 4 and len(search.cv_results_["params"]) == 25
    assert sum(e.release in ("answer", "cached") for e in rh.ledger_.entries()) == 4
    assert search.best_score_ == max(float(a) for a in search.answers_)
    assert search.best_params_ == search.cv_results_["params"][search.best_index_]
    assert search.best_estimator_.get_params()["max_depth"] == search.best_params_["max_depth"]
    for batch in range(4):
        mask = search.cv_results_["batch"] == batch
        assert 6 <= mask.sum() <= 7
    assert np.array_equal(search.predict(X_HOLD), search.best_estimator_.predict(X_HOLD))
    assert search.predict_proba(X_HOLD).shape == (1500, 2)
    assert search.classes_.tolist() == [0, 1]


def test_search_stops_with_a_warning_and_keeps_the_best():
    rh = make(queries=2)
    search = HoldoutSearchCV(LogisticRegression(), {"C": [1e-5, 1e-3, 1e-1, 10.0]}, rh, batches=4)
    with pytest.warns(BudgetExhaustedWarning, match="after 2 of 4 questions"):
        search.fit(X_TRAIN, Y_TRAIN)
    assert search.exhausted_ and rh.exhausted_ and len(search.answers_) == 2
    with pytest.raises(BudgetExhaustedError):
        clone(search).set_params(param_grid={"C": [0.003]}, batches=1).fit(X_TRAIN[:300], Y_TRAIN[:300])


def test_search_of_a_loss_takes_the_smallest():
    rh = make(metric="brier")
    search = HoldoutSearchCV(LogisticRegression(), {"C": [1e-6, 1.0]}, rh, batches=2).fit(X_TRAIN, Y_TRAIN)
    assert search.best_params_ == {"C": 1.0}
    assert search.best_score_ == -float(search.best_answer_) < 0


def test_clones_of_a_search_share_the_holdout():
    rh = make()
    search = HoldoutSearchCV(LogisticRegression(), {"C": [1.0]}, rh)
    copied = clone(search)
    assert copied.holdout is rh and copied.estimator is not search.estimator
    selector = SelectFromHoldout(LogisticRegression(), rh)
    assert clone(selector).holdout is rh


def test_selector_keeps_what_helps():
    rh = ReusableHoldout(queries=20, random_state=0).fit(X_TRAIN, Y_TRAIN).calibrate(*draw(5000, 3))
    selector = SelectFromHoldout(LogisticRegression(), rh).fit(X_TRAIN, Y_TRAIN)
    assert set(selector.order_[:2]) == {0, 1}
    assert selector.get_support().tolist() == [True, True, False, False, False, False]
    assert selector.transform(X_HOLD).shape == (1500, 2)
    assert len(selector.answers_) == 6 and all(a.value is None for a in selector.answers_)


def test_selector_keeps_nothing_where_nothing_helps():
    generator = np.random.default_rng(3)
    y_train, y_hold = generator.integers(0, 2, 600), generator.integers(0, 2, 1500)
    rh = ReusableHoldout(queries=20, random_state=0).fit(X_TRAIN, y_train).calibrate(X_HOLD, y_hold)
    selector = SelectFromHoldout(LogisticRegression(), rh, max_features=4).fit(X_TRAIN, y_train)
    assert not selector.get_support().any() and len(selector.order_) == 4


def test_selector_stops_with_a_warning():
    rh = make(queries=1)
    with pytest.warns(BudgetExhaustedWarning, match="after 1 of 6 questions"):
        selector = SelectFromHoldout(LogisticRegression(), rh).fit(X_TRAIN, Y_TRAIN)
    assert selector.exhausted_


def test_selector_works_for_regression():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(3000, 3))
    y = 2 * X[:, 2] + generator.normal(size=3000)
    rh = ReusableHoldout(metric=squared_error(bound=25.0), queries=10, random_state=0)
    rh.fit(X[:1000], y[:1000]).calibrate(X[1000:], y[1000:])
    selector = SelectFromHoldout(LinearRegression(), rh).fit(X[:1000], y[:1000])
    assert selector.get_support().tolist() == [False, False, True]


def test_bad_searches_are_refused():
    rh = make()
    with pytest.raises(ValueError, match="batches"):
        HoldoutSearchCV(LogisticRegression(), {"C": [1.0]}, rh, batches=2).fit(X_TRAIN, Y_TRAIN)
    with pytest.raises(ValueError, match="X has 8 missing"):
        SelectFromHoldout(LogisticRegression(), rh).fit(np.full((4, 2), np.nan), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="max_features"):
        SelectFromHoldout(LogisticRegression(), rh, max_features=9).fit(X_TRAIN, Y_TRAIN)
    # a name that the learner does not know comes before what is wrong with its values
    foreign = {"sampel_weight": pd.Series(np.ones(600), index=np.arange(600) + 0.5)}
    for search in (
        HoldoutSearchCV(LogisticRegression(), {"C": [1.0]}, rh),
        SelectFromHoldout(LogisticRegression(), rh),
    ):
        with pytest.raises(
            TypeError, match=r"fit\(\) got 'sampel_weight', which LogisticRegression\.fit does not"
        ):
            search.fit(pd.DataFrame(X_TRAIN), Y_TRAIN, **foreign)


@pytest.mark.slow
def test_a_naive_grid_search_overfits_the_holdout_and_this_one_says_so():
    """Pure noise: the naive best score is far above one half, the certified intervals still contain it."""
    generator = np.random.default_rng(11)
    X, y = generator.normal(size=(800, 8)), generator.integers(0, 2, 800)
    forests = [
        RandomForestClassifier(4, max_depth=2, random_state=i).fit(X[:400], y[:400]) for i in range(25)
    ]
    naive = max((forest.predict(X[400:]) == y[400:]).mean() for forest in forests)
    assert naive > 0.53
    rh = ReusableHoldout(queries=25, random_state=0).fit(X[:400], y[:400])
    rh.calibrate(X[400:], y[400:])
    answers = rh.score_many(forests)
    assert all(a.bounds[0] <= 0.5 <= a.bounds[1] for a in answers)


@pytest.mark.parametrize(
    ("cv", "n_jobs"), [(None, None), (2, None), pytest.param(None, 2, marks=pytest.mark.slow)]
)
def test_a_search_with_several_folds_is_refused_before_a_look(tmp_path, cv, n_jobs) -> None:
    """Also in workers, and where errors of a scorer would become missing scores."""
    get_reusable_executor().shutdown(wait=True)  # workers of an earlier test have its state folder
    rh = make(Ledger.create(tmp_path / "study.ledger").path)
    before = len(rh.ledger_)
    search = GridSearchCV(
        LogisticRegression(), {"C": [0.1, 1.0]}, scoring=rh.scorer(), cv=cv, n_jobs=n_jobs, refit=False
    )
    with pytest.raises(SearchRefusedInterrupt, match=r"Pass cv=rh\.cv\(\)"):
        search.fit(X_TRAIN, Y_TRAIN)
    assert len(rh.ledger_) == before
    search.set_params(cv=rh.cv()).fit(X_TRAIN, Y_TRAIN)
    assert rh.infer(LogisticRegression(C=5.0)).left["queries"] == 17


def test_a_search_through_the_gate_keeps_what_is_better_and_certifies_it() -> None:
    rh = make(queries=2)
    grid = {"C": [1e-6, 1e-4, 1.0, 10.0]}
    search = HoldoutSearchCV(LogisticRegression(), grid, rh, release="bit").fit(X_TRAIN, Y_TRAIN)
    assert search.kept_.sum() >= 1 and search.kept_[search.best_index_]
    assert search.gate_.status["proposals"] >= len(grid["C"]) - 1 and rh.calibration_.declared.queries == 2
    assert search.gate_.certify().gain > 0.05
    assert search.predict(X_TRAIN).shape == Y_TRAIN.shape
    other = HoldoutSearchCV(LogisticRegression(), grid, make(), release="bit", start=MODEL).fit(
        X_TRAIN, Y_TRAIN
    )
    assert other.best_index_ == -1 and other.best_estimator_ is MODEL
    with pytest.raises(ValueError, match="release"):
        HoldoutSearchCV(LogisticRegression(), grid, rh, release="bits").fit(X_TRAIN, Y_TRAIN)


@pytest.mark.parametrize("metric", ["accuracy", "brier"])
def test_what_a_search_tells_are_the_scores_of_its_candidates(metric) -> None:
    """Each batch sends its best by cross-validation, with that score as the guess; greater is better in every table."""
    rh, costs = make(metric=metric), [1e-5, 1.0, 1e-3, 1e-4, 0.05]
    sign = 1.0 if metric == "accuracy" else -1.0
    guesses = [
        rh.training_.guess(LogisticRegression(C=c), NAMED_METRICS[metric], "cv") for c in costs
    ]  # of the training rows that the holdout has
    search = HoldoutSearchCV(LogisticRegression(), {"C": costs}, rh, batches=2).fit(X_TRAIN, Y_TRAIN)
    table = search.cv_results_
    assert [params["C"] for params in table["params"]] == costs and table["batch"].tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_allclose(table["mean_test_score"], sign * np.array(guesses))
    winners = [int(np.argmax(sign * np.array(guesses[:3]))), 3 + int(np.argmax(sign * np.array(guesses[3:])))]
    assert [
        entry.detail["guess"] for entry in rh.ledger_.entries() if entry.release == "answer"
    ] == pytest.approx([guesses[i] for i in winners])
    best = int(np.argmax([sign * float(answer) for answer in search.answers_]))
    assert (search.best_index_, search.best_params_) == (winners[best], {"C": costs[winners[best]]})
    assert search.best_answer_ is search.answers_[best] and not search.exhausted_
    assert search.best_score_ == sign * float(search.best_answer_)
    assert costs[winners[best]] == search.best_estimator_.C and search.best_estimator_.coef_.shape == (1, 6)


@pytest.mark.parametrize("metric", ["accuracy", "brier"])
def test_a_gate_is_asked_in_the_order_of_cross_validated_scores(metric, monkeypatch) -> None:
    rh, costs = make(metric=metric), [1e-6, 0.05, 1e-3, 10.0]
    sign = 1.0 if metric == "accuracy" else -1.0
    scores = [sign * rh.training_.guess(LogisticRegression(C=c), NAMED_METRICS[metric], "cv") for c in costs]
    asked = []
    search = HoldoutSearchCV(LogisticRegression(), {"C": costs}, rh, release="bit")
    opened = rh.gate

    def gate(start):
        asked.append(start)
        found = opened(start)
        ask = found.ask
        object.__setattr__(found, "ask", lambda model: (asked.append(model.C), ask(model))[1])
        return found

    monkeypatch.setattr(rh, "gate", gate)
    search.fit(X_TRAIN, Y_TRAIN)
    start, *order = asked
    assert order == [costs[i] for i in np.argsort(-np.array(scores), kind="stable")]
    assert isinstance(start, _ConstantModel) and search.answers_ == [] and not search.exhausted_
    assert search.kept_[costs.index(order[0])] and search.kept_.dtype == bool
    last = next(c for c in reversed(order) if search.kept_[costs.index(c)])
    assert search.best_index_ == costs.index(last) and search.best_params_ == {"C": last}
    assert search.best_score_ == scores[search.best_index_] and last == search.best_estimator_.C
    table = search.cv_results_
    assert table["mean_test_score"].tolist() == scores and table["batch"].tolist() == [0, 0, 0, 0]
    assert [params["C"] for params in table["params"]] == costs


def test_the_model_without_features_is_the_most_frequent_label_or_the_mean() -> None:
    words = _ConstantModel.of(np.array(["b", "c", "a", "c"]), True)
    assert words.classes_.tolist() == ["a", "b", "c"] and words.predict(np.zeros((2, 1))).tolist() == [
        "c",
        "c",
    ]
    assert words.predict_proba(np.zeros((3, 1))).tolist() == [[0.25, 0.25, 0.5]] * 3
    numbers = _ConstantModel.of(np.array([1.0, 2.0, 6.0]), False)
    assert numbers.predict(np.zeros((2, 5))).tolist() == [3.0, 3.0] and numbers.classes_ is None
    X = np.random.default_rng(0).normal(size=(3000, 1))
    rh = ReusableHoldout(metric=squared_error(bound=25.0), queries=3, random_state=0)
    rh.fit(X[:1000], X[:1000, 0]).calibrate(X[1000:], X[1000:, 0])
    search = HoldoutSearchCV(LinearRegression(), {}, rh, release="bit").fit(X[:1000], X[:1000, 0])
    assert search.kept_.tolist() == [True] and search.best_score_ == pytest.approx(0.0, abs=1e-12)


def test_features_are_tried_in_the_order_of_their_own_scores() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(400, 2))
    y = np.arange(400) % 2
    X = np.column_stack([noise[:, 0], np.ones(400), noise[:, 1] + 2 * y, np.ones(400), noise[:, 0] + 0.5 * y])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nor is a column without a score a warning
        assert _univariate_order(X, y, True).tolist() == [
            2,
            4,
            0,
            1,
            3,
        ]  # constant columns last, as they stand
    line = 3 * X[:, 4] + X[:, 2]
    correlations = [abs(np.corrcoef(X[:, j], line)[0, 1]) for j in (0, 2, 4)]
    by_correlation = [(0, 2, 4)[k] for k in np.argsort(-np.array(correlations))]
    assert _univariate_order(X, line, False).tolist() == [*by_correlation, 1, 3]


@pytest.mark.parametrize("form", [np.asarray, np.ndarray.tolist, pd.DataFrame])
def test_a_feature_is_kept_where_it_gains_more_than_was_asked(form) -> None:
    X, y = draw(3000, 3)
    for gain, kept in ((0.0, True), (0.1, True), (0.45, False)):
        rh = ReusableHoldout(queries=4, random_state=0, ledger=Ledger.in_memory(secret=b"one key"))
        rh.fit(X_TRAIN, Y_TRAIN).calibrate(X, y)
        selector = SelectFromHoldout(LogisticRegression(), rh, min_gain=gain, max_features=1)
        selector.fit(form(X_TRAIN), Y_TRAIN)
        first = int(selector.order_[0])
        assert selector.order_.shape == (1,) and selector.n_features_in_ == 6 and not selector.exhausted_
        assert np.flatnonzero(selector.support_).tolist() == ([first] if kept else [])
        assert [bool(answer) for answer in selector.answers_] == [kept]
    with pytest.raises(ValueError, match="X must"):
        selector.fit(X_TRAIN[:, 0], Y_TRAIN)


def test_searches_say_that_they_are_not_fitted() -> None:
    search = HoldoutSearchCV(LogisticRegression(), {"C": [1.0]}, make())
    for ask in (search.predict, search.predict_proba, lambda X: search.classes_):
        with pytest.raises(NotFittedError):
            ask(X_HOLD)
    with pytest.raises(NotFittedError):
        SelectFromHoldout(LogisticRegression(), make()).get_support()


class Counting(LogisticRegression):
    """A model that counts how often it is fitted."""

    fits = 0

    def fit(self, X, y):
        Counting.fits += 1
        return super().fit(X, y)


def test_a_selection_ends_with_its_budget() -> None:
    Counting.fits = 0
    with pytest.warns(BudgetExhaustedWarning, match="after 2 of 6 questions"):
        selector = SelectFromHoldout(Counting(), make(queries=2)).fit(X_TRAIN, Y_TRAIN)
    assert Counting.fits == 3 and len(selector.answers_) == 2 and selector.exhausted_
    assert len(selector.order_) == 6 and selector.support_.sum() <= 2


def test_a_search_beside_a_holdout_without_training_rows_has_its_own_folds() -> None:
    rh = ReusableHoldout(queries=3, mechanism="description_length", ledger=Ledger.in_memory(secret=b"k"))
    rh.calibrate(X_HOLD, Y_HOLD)
    tree = DecisionTreeClassifier(random_state=0)
    search = HoldoutSearchCV(tree, {"max_depth": [1, 9]}, rh).fit(X_TRAIN, Y_TRAIN)
    part = TrainingPart(X_TRAIN, Y_TRAIN, np.array([0, 1]), 0)
    expected = [part.guess(tree.set_params(max_depth=d), NAMED_METRICS["accuracy"], "cv") for d in (1, 9)]
    assert search.cv_results_["mean_test_score"].tolist() == expected


def test_scores_of_all_rows_are_guessed_by_the_training_rows_in_a_search_too() -> None:
    rh, alone = (make(metric="auc", ledger=Ledger.in_memory(secret=b"k")) for _ in range(2))
    search = GridSearchCV(LogisticRegression(), {"C": [0.5]}, scoring=rh.scorer(), cv=rh.cv()).fit(
        X_TRAIN, Y_TRAIN
    )
    train, _ = next(iter(rh.cv().split(X_TRAIN, Y_TRAIN)))
    answer = alone.infer(LogisticRegression(C=0.5).fit(X_TRAIN[train], Y_TRAIN[train]))
    assert search.best_score_ == pytest.approx(answer.value) and rh.nats_ == pytest.approx(alone.nats_)
