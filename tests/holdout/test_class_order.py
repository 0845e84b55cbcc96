"""Probabilities are read by the classes of the estimator, not by the position of its columns."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from validstats.holdout import Ledger, Metric, ReusableHoldout, SelectFromHoldout
from validstats.holdout.asking import as_metric
from validstats.holdout.asking.metrics import in_class_order, respond

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(900, 3))
SCORES = np.column_stack([X[:, 0], X[:, 1], X[:, 2]]) + GENERATOR.gumbel(size=(900, 3))
CLASS = SCORES.argmax(axis=1)
TRAIN, HOLD = slice(0, 450), slice(450, None)
NAMES = np.array(["high", "low", "none"])


def holdout(y=CLASS, mechanism="rounds", **options):
    """One round on all rows: its answers are the means over the holdout, to 2^-25."""
    ledger = Ledger.in_memory(secret=b"a simulation: each holdout has a budget of its own")
    settings = {
        "queries": 20,
        "rounds": 1,
        "mechanism": mechanism,
        "guess": None,
        "ledger": ledger,
        **options,
    }
    return ReusableHoldout(**settings).fit(X[TRAIN], y[TRAIN]).calibrate(X[HOLD], y[HOLD])


def fitted_on(labels, y=CLASS, model=None):
    rows = np.isin(y[TRAIN], labels)
    return (LogisticRegression() if model is None else model).fit(X[TRAIN][rows], y[TRAIN][rows])


def placed(model, classes, X_part=X[HOLD]):
    """Probabilities by class, by hand."""
    raw = model.predict_proba(X_part)
    columns = {label: raw[:, i] for i, label in enumerate(model.classes_)}
    return np.column_stack([columns.get(label, np.zeros(len(X_part))) for label in classes])


def brier_by_hand(probabilities, index):
    return (((probabilities - np.eye(probabilities.shape[1])[index]) ** 2).sum(axis=1) / 2).mean()


def loss_by_hand(probabilities, index):
    return -np.log(np.maximum(probabilities[np.arange(len(index)), index], 0.01)).mean()


@pytest.mark.share(3)
@pytest.mark.parametrize("y", [CLASS, NAMES[CLASS], CLASS * 1.0], ids=["int", "text", "float"])
@pytest.mark.parametrize("kept", [[0, 2], [1, 2], [0, 1, 2]])
def test_losses_of_an_estimator_with_some_of_the_classes(y, kept):
    classes = np.unique(y)
    model = fitted_on(classes[kept], y)
    probabilities, index = placed(model, classes), np.searchsorted(classes, y[HOLD])
    brier, loss = (float(holdout(y).infer(model, metric=metric)) for metric in ("brier", "log_loss"))
    assert brier == pytest.approx(brier_by_hand(probabilities, index), abs=1e-6)
    assert loss == pytest.approx(loss_by_hand(probabilities, index), abs=1e-6)


def test_the_loss_agrees_with_scikit_learn_where_nothing_is_clipped():
    y = np.where(CLASS == 1, 2, CLASS)
    y[0] = 1
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    model = fitted_on([0, 2], y, model)
    assert model.predict_proba(X[HOLD]).min() > 0.01
    answer = float(holdout(y).infer(model, metric="log_loss"))
    assert answer == pytest.approx(log_loss(y[HOLD], model.predict_proba(X[HOLD]), labels=[0, 2]), abs=1e-6)


@pytest.mark.parametrize("metric", ["brier", "log_loss", "auc"])
def test_classes_that_training_does_not_know_are_refused_by_name(metric):
    rh = holdout(np.minimum(CLASS, 1))
    before = len(rh.ledger_)
    model = LogisticRegression().fit(X[TRAIN], NAMES[CLASS[TRAIN]])
    with pytest.raises(ValueError, match=r"LogisticRegression has classes .* 'high', 'low', 'none'"):
        rh.infer(model, metric=metric)
    with pytest.raises(ValueError, match=r"among the 2 training labels: 2\."):
        rh.infer(fitted_on([0, 1, 2]), metric=metric)
    assert len(rh.ledger_) == before


class WithoutClasses:
    """Says nothing about its classes."""

    def __init__(self, probabilities):
        self.probabilities = probabilities

    def predict(self, X):
        return np.zeros(len(X), dtype=int)

    def predict_proba(self, X):
        return np.tile(self.probabilities, (len(X), 1))


def test_an_estimator_without_classes_keeps_its_order_and_needs_all_columns():
    rh = holdout()
    shares = np.array([0.5, 0.3, 0.2])
    expected = brier_by_hand(np.tile(shares, (450, 1)), CLASS[HOLD])
    answers = rh.score_many([WithoutClasses(shares), np.tile(shares, (450, 1))], metric="brier")
    assert [float(a) for a in answers] == pytest.approx([expected] * 2, abs=1e-6)
    for few in (WithoutClasses([0.5, 0.5]), np.full((450, 2), 0.5), np.full(450, 0.5)):
        with pytest.raises(ValueError, match="one column of probabilities for each of 3 classes"):
            rh.infer(few, metric="brier")


class Reversed:
    """A classifier whose classes are in descending order."""

    classes_ = np.array([1, 0])

    def __init__(self, model):
        self.model = model

    def predict(self, X):
        return self.model.predict(X)

    def predict_proba(self, X):
        return self.model.predict_proba(X)[:, ::-1]


class ReversedDecision(Reversed):
    def decision_function(self, X):
        return -self.model.decision_function(X)


class OneColumn(Reversed):
    def predict_proba(self, X):
        return self.model.predict_proba(X)[:, 0]


@pytest.mark.parametrize("kind", [Reversed, ReversedDecision])
def test_the_area_under_the_curve_follows_the_classes(kind):
    y = np.minimum(CLASS, 1)
    model = fitted_on([0, 1], y)
    rh = holdout(y, "description_length")
    answer = rh.infer(kind(model), metric="auc")
    truth = roc_auc_score(y[HOLD], model.predict_proba(X[HOLD])[:, 1])
    assert truth > 0.6 and answer.bounds[0] <= truth <= answer.bounds[1] and float(answer) > 0.5
    one_class = fitted_on([1], y, DummyClassifier())
    assert rh.desk_.values(one_class, rh.desk_.chosen("auc"))[0].tolist() == [1.0] * 450


@pytest.mark.parametrize("kind", [Reversed, OneColumn])
def test_columns_in_another_order_are_the_same_question(kind):
    y = np.minimum(CLASS, 1)
    model = fitted_on([0, 1], y)
    first, second = holdout(y).score_many([model, kind(model)], metric="brier")
    assert float(second) == pytest.approx(float(first), abs=1e-7)
    assert not first.cached and second.cached == (kind is Reversed)


@pytest.mark.parametrize("how", ["cv", "train"])
def test_guesses_place_the_columns_too(how):
    """The training part of a search may lack a class of the declared training labels."""
    rh = holdout(mechanism="guess_and_check", guess=how)
    few = np.isin(CLASS[TRAIN], [0, 2])
    part = type(rh.training_)(X[TRAIN][few], CLASS[TRAIN][few], rh.training_.classes, 0)
    guess = part.guess(fitted_on([0, 2]), as_metric("brier"), how)
    truth = brier_by_hand(placed(fitted_on([0, 2]), range(3), X[TRAIN][few]), CLASS[TRAIN][few])
    assert guess == pytest.approx(truth, abs=0.02)


def test_the_scorer_places_the_columns_of_its_guess():
    rh = holdout(mechanism="guess_and_check", guess="cv")
    model = fitted_on([0, 2])
    rh.scorer("brier")(model, X[TRAIN], CLASS[TRAIN])
    guess = rh.ledger_.entries()[-1].detail["guess"]
    assert guess == pytest.approx(brier_by_hand(placed(model, range(3), X[TRAIN]), CLASS[TRAIN]))


def test_the_classes_are_those_of_calibrate():
    """Training rows that are handed over later change guesses, and not what the holdout's labels stand for."""
    rh = holdout(NAMES[CLASS])
    model = fitted_on(NAMES, NAMES[CLASS])
    expected = brier_by_hand(placed(model, NAMES), CLASS[HOLD])
    rh.fit(X[TRAIN], np.array(["a", "b"])[np.minimum(CLASS[TRAIN], 1)])
    assert float(rh.infer(model, metric="brier")) == pytest.approx(expected, abs=1e-6)


def test_no_classes_no_probabilities():
    rh = ReusableHoldout(queries=5, mechanism="gaussian", guess=None).calibrate(X[HOLD], CLASS[HOLD])
    before = len(rh.ledger_)
    for target in (fitted_on([0, 1, 2]), np.full((450, 3), 1 / 3)):
        with pytest.raises(ValueError, match=r"'brier' compares with classes, .* call fit"):
            rh.infer(target, metric="brier")
    assert len(rh.ledger_) == before


def test_several_outputs_are_refused():
    model = MultiOutputClassifier(LogisticRegression()).fit(X[TRAIN], np.column_stack([CLASS, CLASS])[TRAIN])
    with pytest.raises(ValueError, match="returned 2 predictions; nothing was charged"):
        holdout().infer(model, metric="brier")
    with pytest.raises(ValueError, match="one column of probabilities for each of 3 classes"):
        respond(model, X[HOLD], as_metric("brier"), np.arange(3))


def test_predictions_of_labels_are_left_alone():
    rh = holdout(np.minimum(CLASS, 1))
    model = fitted_on([0, 1, 2])
    expected = (model.predict(X[HOLD]) == np.minimum(CLASS, 1)[HOLD]).mean()
    assert float(rh.infer(model)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 2)])
def test_scores_of_several_classes_have_no_area(shape):
    with pytest.raises(ValueError, match="AUC is for two classes"):
        in_class_order(np.zeros(shape), as_metric("auc"), np.array([0, 1]))


def test_the_area_is_that_of_the_first_two_classes():
    with pytest.raises(ValueError, match="LogisticRegression knows others"):
        respond(fitted_on([0, 2]), X[HOLD], as_metric("auc"), np.arange(3))
    score = respond(fitted_on([0, 1]), X[HOLD], as_metric("auc"), np.arange(3))
    assert np.array_equal(score, fitted_on([0, 1]).decision_function(X[HOLD]))


def test_a_metric_of_ones_own_reads_columns_by_training_class():
    own = Metric(name="p2", rows=lambda y, p, X: p[:, 2], response="predict_proba")
    model = fitted_on([0, 2])
    answer = holdout().infer(model, metric=own)
    assert float(answer) == pytest.approx(model.predict_proba(X[HOLD])[:, 1].mean(), abs=1e-6)


def test_a_selection_scores_probabilities_by_class():
    rh = holdout(metric="brier", mechanism="description_length", queries=30)
    few = np.isin(CLASS[TRAIN], [0, 2])
    selector = SelectFromHoldout(LogisticRegression(), rh).fit(X[TRAIN][few], CLASS[TRAIN][few])
    assert len(selector.answers_) == 3
