"""What the desk of a holdout reads from what it is handed: units, orders, classes, responses, guesses."""

from __future__ import annotations

import dataclasses
import math
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import metrics as sk
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier

from validstats.exceptions import DataReuseWarning
from validstats.holdout import Ledger, ReusableHoldout
from validstats.holdout.asking.desk import (
    HoldoutSample,
    TrainingPart,
    _unit_guess,
    class_indices,
    count_rows,
    is_estimator,
    name_of,
    number_question,
    picked,
    plain_digests,
    seal,
    split_sample,
    stacked,
    unseal,
)
from validstats.holdout.asking.metrics import (
    NAMED_METRICS,
    Metric,
    as_metric,
    in_class_order,
    metric_names,
    own_classes,
    squared_error,
)
from validstats.holdout.asking.whole import r2

KINDS = np.array(["a", "b", "c"])


def sample(unit=None, given=(0, 1, 2), n_given=3):
    return HoldoutSample(
        X=np.zeros((3, 1)),
        y=np.array(["a", "b", "c"]),
        labels=np.arange(3),
        unit=None if unit is None else np.array(unit),
        given=np.array(given),
        n_given=n_given,
    )


def test_values_of_rows_are_averaged_within_units() -> None:
    values = np.array([1.0, 0.0, 0.5])
    alone, pairs = sample(), sample(unit=[0, 1, 1])
    assert (alone.clustered, alone.n_rows, alone.n_units) == (False, 3, 3)
    assert (pairs.clustered, pairs.n_rows, pairs.n_units) == (True, 3, 2)
    assert alone.unit_means(values) is values
    assert pairs.unit_means(values).tolist() == [1.0, 0.25]


def test_predictions_come_in_the_order_of_the_rows_that_were_handed_over() -> None:
    part = sample(given=(4, 0, 2), n_given=5)
    assert part.aligned([0, 1, 2, 3, 4]).tolist() == [4, 0, 2]
    assert part.aligned([[0], [1], [2], [3], [4]]).tolist() == [4, 0, 2]
    assert part.aligned(np.arange(10).reshape(5, 2)).tolist() == [[8, 9], [0, 1], [4, 5]]
    for wrong, shape in (([0, 1, 2, 3], r"\(4,\)"), (1.0, r"\(\)"), (np.zeros((6, 1)), r"\(6, 1\)")):
        with pytest.raises(
            ValueError, match=f"for all 5 holdout rows, .* got shape {shape}; nothing was charged"
        ):
            part.aligned(wrong)


def test_metrics_are_told_labels_or_their_indices() -> None:
    part = sample(unit=[0, 1, 1])
    said = np.array(["a", "b", "a"])
    values, digest = part.values_of(said, NAMED_METRICS["accuracy"], b"key")
    assert values.tolist() == [1.0, 0.5]
    assert part.values_of(said, NAMED_METRICS["accuracy"], b"key")[1] == digest
    assert part.values_of(np.roll(said, 1), NAMED_METRICS["accuracy"], b"key")[1] != digest
    assert part.values_of(said, NAMED_METRICS["error"], b"key")[0].tolist() == [0.0, 0.5]
    sure = np.eye(3)
    assert part.values_of(sure, NAMED_METRICS["neg_brier_score"], b"key")[0].tolist() == [1.0, 1.0]


def test_labels_have_the_index_of_their_class_and_others_none() -> None:
    assert class_indices(np.array(["c", "a", "d", "A"]), KINDS).tolist() == [2, 0, -1, -1]
    assert class_indices(np.array([5, 1, 3]), np.array([1, 3])).tolist() == [-1, 0, 1]
    assert class_indices(np.array([1, 2]), np.empty(0)).tolist() == [-1, -1]
    own = np.array([0, 1, 1])
    assert class_indices(own, np.array([0, 1])) is own
    assert class_indices(own + 1, np.array([1, 2])).tolist() == [0, 1, 1]


def test_folds_are_stratified_where_every_class_has_a_row_in_each() -> None:
    for smallest, kind in ((5, StratifiedKFold), (4, KFold)):
        y = np.repeat(["a", "b"], [20, smallest])
        part = TrainingPart(np.zeros((len(y), 1)), y, np.array(["a", "b"]), 7)
        folds = part.splits(LogisticRegression())
        assert type(folds) is kind and (folds.n_splits, folds.shuffle, folds.random_state) == (5, True, 7)
        assert type(part.splits(LinearRegression())) is KFold
    none = TrainingPart(np.zeros((40, 1)), np.arange(40.0), np.empty(0), 7)
    assert type(none.splits(LogisticRegression())) is KFold

    # classes that are known and present once are stratified; a classifier of numbers with fractions has none
    one = TrainingPart(np.zeros((9, 1)), np.full(9, "a"), np.array(["a"]), 7)
    assert type(one.splits(LogisticRegression())) is StratifiedKFold
    halves = TrainingPart(np.zeros((40, 1)), np.tile([0.5, 1.5], 20), np.empty(0), 7)
    assert type(halves.splits(LogisticRegression())) is KFold


WORDS = np.array(["no", "yes"])


def training_part(**options) -> TrainingPart:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60, 2))
    y = WORDS[(X[:, 0] + rng.normal(size=60) > 0).astype(int)]
    return TrainingPart(X, y, WORDS, 3, **options)


def test_training_values_are_those_of_models_that_did_not_see_the_row() -> None:
    """Cross-validated by hand, on labels that are words."""
    part, model = training_part(), LogisticRegression()
    folds = StratifiedKFold(5, shuffle=True, random_state=3)
    said = cross_val_predict(model, part.X, part.y, cv=folds)
    chances = cross_val_predict(model, part.X, part.y, cv=folds, method="predict_proba")
    hits = (said == part.y).astype(float)
    squares = (chances[:, 1] - (part.y == "yes")) ** 2
    assert 0.5 < hits.mean() < 1.0
    assert part.values(model, NAMED_METRICS["accuracy"], "cv").tolist() == hits.tolist()
    assert part.guess(model, NAMED_METRICS["accuracy"], "cv") == hits.mean()
    np.testing.assert_allclose(part.values(model, NAMED_METRICS["brier"], "cv"), squares)
    np.testing.assert_allclose(part.values(model, NAMED_METRICS["neg_brier_score"], "cv"), 1.0 - squares)
    assert part.guess(model, NAMED_METRICS["neg_brier_score"], "cv") == pytest.approx(-squares.mean())
    # what has seen every row is right on every row
    tree = DecisionTreeClassifier(random_state=0)
    assert part.guess(tree, NAMED_METRICS["accuracy"], "train") == 1.0
    assert part.guess(tree, NAMED_METRICS["accuracy"], "cv") < 0.9


def test_guesses_of_scores_of_all_rows_are_those_of_scikit_learn() -> None:
    part, model = training_part(), LogisticRegression()
    folds = StratifiedKFold(5, shuffle=True, random_state=3)
    said = cross_val_predict(model, part.X, part.y, cv=folds)
    scores = cross_val_predict(model, part.X, part.y, cv=folds, method="decision_function")
    for name, expected in (
        ("f1", sk.f1_score(part.y, said, pos_label="yes")),
        ("balanced_accuracy", sk.balanced_accuracy_score(part.y, said)),
        ("auc", sk.roc_auc_score(part.y == "yes", scores)),
    ):
        assert part.guess(model, NAMED_METRICS[name], "cv") == pytest.approx(expected)
    line = TrainingPart(part.X, part.X[:, 0] + 0.25 * part.X[:, 1] ** 2, np.empty(0), 3)
    said = cross_val_predict(LinearRegression(), line.X, line.y, cv=KFold(5, shuffle=True, random_state=3))
    expected = sk.r2_score(np.clip(line.y, -2, 2), np.clip(said, -2, 2))
    assert line.guess(LinearRegression(), r2(bounds=(-2, 2)), "cv") == pytest.approx(expected)
    squares = np.minimum((said - line.y) ** 2, 0.5)
    assert line.guess(LinearRegression(), squared_error(bound=0.5), "cv") == pytest.approx(squares.mean())


class OfNumbers(ClassifierMixin, BaseEstimator):
    """A classifier that takes 0, 1, ... for classes and nothing else; ``broken`` refuses those as well."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken

    def fit(self, X, y):
        if self.broken or np.asarray(y).dtype.kind not in "iu":
            raise ValueError("Invalid classes: expected 0, 1")
        self.model_ = LogisticRegression().fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


def test_classifiers_of_numbers_are_guessed_by_the_numbers_of_their_classes() -> None:
    part = training_part()
    for metric in ("accuracy", "brier", "f1"):
        found = part.guess(OfNumbers(), NAMED_METRICS[metric], "cv")
        assert found == pytest.approx(part.guess(LogisticRegression(), NAMED_METRICS[metric], "cv"))
    with pytest.raises(ValueError, match="Invalid classes: expected 0, 1"):
        part.guess(OfNumbers(broken=True), NAMED_METRICS["accuracy"], "cv")

    class Mute(OfNumbers):
        """It is fitted to words, and says nothing of them: no coding is tried for that."""

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            if self.classes_.dtype.kind not in "iu":
                raise ValueError("nothing to say")
            return np.zeros(len(X), dtype=int)

    with pytest.raises(ValueError, match="nothing to say"):
        part.guess(Mute(), NAMED_METRICS["accuracy"], "cv")

    class Failing(KNeighborsRegressor):
        def fit(self, X, y):
            raise ValueError("no neighbours")

    line = TrainingPart(part.X, part.X[:, 0], np.empty(0), 3)
    with pytest.raises(ValueError, match="no neighbours"):
        line.guess(Failing(), squared_error(bound=1.0), "cv")


def test_what_fits_were_given_goes_into_every_fold_or_is_refused_by_name() -> None:
    weights = np.random.default_rng(1).uniform(0.0, 5.0, 60) ** 3
    part = training_part(parameters={"sample_weight": weights})
    folds = StratifiedKFold(5, shuffle=True, random_state=3)
    said = np.empty(60, dtype=part.y.dtype)
    for train, test in folds.split(part.X, part.y):
        fitted = LogisticRegression().fit(part.X[train], part.y[train], sample_weight=weights[train])
        said[test] = fitted.predict(part.X[test])
    found = part.values(LogisticRegression(), NAMED_METRICS["accuracy"], "cv")
    assert found.tolist() == (said == part.y).astype(float).tolist()
    assert (
        found.tolist()
        != training_part().values(LogisticRegression(), NAMED_METRICS["accuracy"], "cv").tolist()
    )
    line = TrainingPart(part.X, part.X[:, 0], np.empty(0), 3, parameters={"sample_weight": weights})
    with pytest.raises(TypeError, match=r"ReusableHoldout\.fit"):
        line.guess(KNeighborsRegressor(), squared_error(bound=1.0), "cv")


def test_a_vault_has_its_share_of_the_units_and_every_row_is_in_one_part() -> None:
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20)
    clusters = np.repeat(np.arange(10), 2)
    for groups, n_vault in ((None, 5), (clusters, 2)):
        split = split_sample(X, y, y, groups, vault=0.25, secret=b"key")
        assert split.vault.n_units == n_vault  # round(2.5) is 2
        assert split.reusable.n_units == (20 if groups is None else 10) - n_vault
        rows = np.concatenate([split.reusable.given, split.vault.given])
        assert sorted(rows.tolist()) == list(range(20))
        for part in (split.reusable, split.vault):
            assert part.n_given == 20
            np.testing.assert_array_equal(part.X, X[part.given])
            np.testing.assert_array_equal(part.y, y[part.given])
            if groups is not None:
                assert len(set(zip(part.unit.tolist(), clusters[part.given].tolist()))) == part.n_units
                assert part.unit.min() == 0 and part.unit.max() == part.n_units - 1
        # rows in another order have the same parts, and others that join stay on their side
        back = split_sample(
            X[::-1], y[::-1], y[::-1], None if groups is None else groups[::-1], vault=0.25, secret=b"key"
        )
        assert (
            sorted(back.vault.y.tolist()) == sorted(split.vault.y.tolist()) and back.content == split.content
        )
        again = split_sample(X, y, y, groups, vault=0.25, secret=b"key", vault_rank=split.vault_rank)
        assert again.vault.given.tolist() == split.vault.given.tolist()
        assert again.vault_rank == split.vault_rank
        none = split_sample(X, y, y, groups, vault=0.0, secret=b"key")
        assert none.vault is None and none.vault_rank == "" and none.reusable.n_rows == 20
        assert split_sample(X, y, y, groups, vault=0.25, secret=b"key", vault_rank="").vault is None
        last = split.vault_rank
        assert split_sample(X, y, y, groups, vault=0.0, secret=b"key", vault_rank=last).vault is None
        # found by their identifiers, whatever their features are
        ids = np.array([f"r{i}" for i in range(20)])
        own, other = (
            split_sample(features, y, y, groups, vault=0.25, secret=b"key", ids=ids) for features in (X, X**2)
        )
        assert own.vault.n_units == n_vault and own.reusable.n_rows + own.vault.n_rows == 20
        assert own.vault.given.tolist() == other.vault.given.tolist() and own.named == other.named
        assert own.content != other.content and own.vault.ids.tolist() == ids[own.vault.given].tolist()


def test_rows_are_put_below_others_of_their_kind() -> None:
    one, two = np.ones((2, 2)), np.zeros((1, 2))
    assert stacked([one]) is one
    assert stacked([one, two]).tolist() == [[1, 1], [1, 1], [0, 0]]
    assert stacked([sparse.csr_matrix(one), sparse.csr_matrix(two)]).toarray().tolist() == [
        [1, 1],
        [1, 1],
        [0, 0],
    ]
    frames = [pd.DataFrame(rows, columns=["a", "b"]) for rows in (one, two)]
    assert stacked(frames).index.tolist() == [0, 1, 2]
    named = [frame.set_axis([f"r{k}{i}" for i in range(len(frame))]) for k, frame in enumerate(frames)]
    assert stacked(named).index.tolist() == ["r00", "r01", "r10"]
    for mixed, index in (([frames[0], named[1]], [0, 1, "r10"]), ([named[0], frames[1]], ["r00", "r01", 0])):
        assert stacked(mixed).index.tolist() == index
    with pytest.raises(ValueError, match="must have the columns of the holdout, in the same order"):
        stacked([frames[0], frames[1][["b", "a"]]])
    with pytest.raises(ValueError, match=r"got shapes \[\(2, 2\), \(1, 3\)\]"):
        stacked([one, np.zeros((1, 3))])


def test_rows_are_counted_and_what_has_none_is_refused() -> None:
    for X in (
        np.zeros((3, 2)),
        [[1], [2], [3]],
        pd.DataFrame({"a": [1, 2, 3]}),
        sparse.csr_matrix(np.eye(3)),
    ):
        assert count_rows(X) == 3
    assert count_rows(pd.DataFrame()) == 0
    with pytest.raises(TypeError, match="X must have rows, got an object of type float"):
        count_rows(1.0)


ROWS = np.random.default_rng(8).normal(size=(400, 3))


@pytest.mark.parametrize("vault", [0.0, 0.25])
@pytest.mark.parametrize("fitted", [False, True])
def test_rows_of_the_holdout_are_found_in_others_part_by_part(vault, fitted, monkeypatch) -> None:
    holdout = ReusableHoldout(
        queries=5, vault=vault, ledger=Ledger.in_memory(secret=b"one key"), random_state=0
    )
    if fitted:
        holdout.fit(np.random.default_rng(9).normal(size=(50, 3)), np.arange(50) % 2)
    parts = holdout.calibrate(ROWS, np.arange(400) % 2).desk_.parts
    n = parts.reusable.n_rows
    assert n == 400 * (1 - vault)
    for _ in range(2):  # the second time from memory
        own = parts.reusable.given[:60]
        assert parts.shared_with(ROWS[own]) == f"60 of its {n} rows"
        assert parts.shared_with(ROWS) == f"{n} of its {n} rows"
        if vault:  # its rows alone
            sealed = parts.vault.given[:40]
            assert parts.shared_with(ROWS[sealed]) == "40 of its 100 rows"
            engineered = -3.0 * ROWS[parts.vault.given] + 1.0
            assert parts.shared_with(engineered).endswith("sampled gaps between values of one column")
        engineered = 2.0 * ROWS[parts.reusable.given][::-1, :1] + 1.0
        assert parts.shared_with(engineered).endswith("sampled gaps between values of one column")
        engineered = np.column_stack([ROWS[own, 0], np.arange(60.0)])
        assert parts.shared_with(engineered).endswith("sampled values of one column")
        named = pd.DataFrame(ROWS[own], columns=["c", "a", "b"])
        assert parts.shared_with(named) == f"60 of its {n} rows"
        assert " sampled " in parts.shared_with(sparse.csr_matrix(ROWS[own]))
        assert parts.shared_with(ROWS[own, 1]).endswith("sampled values of one column")
        assert parts.shared_with(np.random.default_rng(3).normal(size=(60, 3))) == ""
    # tables with more cells than a limit are compared as they are only
    monkeypatch.setattr("validstats.holdout.asking.desk._MOST_CELLS", 120)
    assert parts.shared_with(np.column_stack([ROWS[own, 0], np.ones(60)]))
    assert parts.shared_with(np.column_stack([ROWS[own, 0], np.ones(60), np.ones(60)])) == ""
    assert parts.shared_with(ROWS[own[:41]]) == f"41 of its {n} rows"


def test_what_has_rows_of_plain_cells_has_digests() -> None:
    array = ROWS[:5]
    digests = plain_digests(array)
    assert digests.shape == (5,) and len(set(digests.tolist())) == 5
    assert plain_digests(array.tolist()).tolist() == digests.tolist()
    assert plain_digests(pd.DataFrame(array)).tolist() == digests.tolist()
    assert plain_digests(sparse.csr_matrix(array)) is None and plain_digests(array[:, 0]) is None


def test_predictions_that_are_missing_are_refused_and_nothing_is_charged() -> None:
    y = np.arange(400) % 2
    words = np.array(["no", "yes"])[y]
    holdout = ReusableHoldout(queries=9, random_state=0).calibrate(np.zeros((400, 1)), y)
    labels = ReusableHoldout(queries=9, random_state=0).calibrate(ROWS, words, classes=["no", "yes"])
    for bad in (np.nan, np.inf):
        said = y.astype(float)
        said[7] = bad
        with pytest.raises(ValueError, match="target: predictions must not contain NaN or infinity; nothing"):
            holdout.infer(said)
    for bad in (None, np.nan):
        said = words.astype(object)
        said[7] = bad
        with pytest.raises(ValueError, match="predictions must not contain missing values; nothing was"):
            labels.infer(said)
    assert labels.infer(words.astype(object)).left["queries"] == 8
    assert holdout.infer(y.astype(float)).left["queries"] == 8

    class Shorter:
        def predict(self, X):
            return np.zeros(len(X) - 1)

    with pytest.raises(ValueError, match="The estimator returned 399 predictions; nothing was charged"):
        holdout.infer(Shorter())


def test_values_that_are_declared_to_be_two_are() -> None:
    y = np.arange(400) % 2
    for values, bounds in ((0.5 * y, (0.0, 1.0)), (y, (0.0, 2.0)), (y - 1.0, (-1.0, 0.0))):
        metric = Metric(name="mine", rows=lambda y, said, X, v=values: v, bounds=bounds, binary=True)
        with pytest.raises(
            ValueError, match=r"'mine' is declared with binary=True, which is for values of 0 or 1"
        ):
            metric.values(y, y)
    whole = Metric(name="mine", rows=lambda y, said, X: y == said, bounds=(0, 1), binary=True)
    assert whole.values(y, y).tolist() == [1.0] * 400


@pytest.mark.parametrize(("metric", "better"), [("accuracy", 1.0), ("error", -1.0)])
def test_a_share_is_a_surprise_from_four_standard_errors_on(metric, better) -> None:
    """Of the difference of two shares: of 400 rows of the holdout and 60 of training, with one more of either kind."""
    part = training_part()
    holdout = ReusableHoldout(queries=9, metric=metric, random_state=0).fit(part.X, part.y)
    desk = holdout.calibrate(ROWS[:, :2], WORDS[np.arange(400) % 2]).desk_

    def warned(answer, passed=False, desk=desk, **question) -> bool:
        asked = {"better": better, "guess": 0.3, "label": "asked", **question}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            desk._look_for_surprise(SimpleNamespace(**asked), SimpleNamespace(passed=passed, answer=answer))
        return [w.category for w in caught] == [DataReuseWarning]

    share = (60 * 0.3 + 1) / 62
    far = 4 * math.sqrt(share * (1 - share) * (1 / 400 + 1 / 60))
    assert warned(0.3 + better * (far + 1e-9)) and not warned(0.3 + better * (far - 1e-9))
    assert not warned(0.3 - better * (far + 0.01))
    surprise = 0.3 + better * (far + 0.01)
    for quiet in ({"passed": True}, {"passed": None}, {"better": None}, {"guess": None}):
        assert not warned(surprise, **quiet)
    assert not warned(None) and not warned(surprise, desk=dataclasses.replace(desk, training=None))


def test_what_a_question_for_a_number_says_of_itself() -> None:
    """Which side is the better one is said of shares alone, where a surprise is known; a guess is on the metric's scale."""
    holdout = ReusableHoldout(queries=9, mechanism="guess_and_check", random_state=0)
    desk = holdout.calibrate(np.zeros((400, 1)), np.arange(400) % 2).desk_
    said = np.arange(400) % 3 % 2
    for metric, better, guess in (
        ("accuracy", 1.0, 0.3),
        ("error", -1.0, 0.3),
        ("brier", None, 0.3),
        ("neg_brier_score", None, -0.3),
        (squared_error(bound=4.0), None, 3.0),
    ):
        found = number_question(desk, said, metric, guess)
        chosen = as_metric(metric)
        assert (found.release, found.better, found.scale) == ("answer", better, chosen.bounds)
        assert found.guess == pytest.approx(guess)
        assert (found.label, found.phrase) == (
            f"{chosen.name}: predictions",
            f"the {chosen.name} of predictions",
        )
        assert found.subject is None and not found.sees_labels
        assert number_question(desk, said, metric, guess, "mine").subject.startswith(
            f"the metric {chosen.name!r}"
        )


@pytest.mark.parametrize("how", [None, "cv", "train"])
def test_training_values_are_cross_validated_unless_the_guess_is_the_training_score(how) -> None:
    part, accuracy = training_part(), NAMED_METRICS["accuracy"]
    holdout = ReusableHoldout(queries=9, mechanism="description_length", guess=how, random_state=0)
    desk = holdout.fit(part.X, part.y).calibrate(ROWS[:, :2], WORDS[np.arange(400) % 2]).desk_
    tree = DecisionTreeClassifier(random_state=0)
    found = desk.training_values(tree, accuracy)
    assert found.tolist() == holdout.training_.values(tree, accuracy, how or "cv").tolist()
    assert (found.min() == 1.0) == (how == "train")


def test_verbs_of_means_refuse_other_scores() -> None:
    y = np.arange(400) % 2
    holdout = ReusableHoldout(queries=9, vault=0.25, mechanism="description_length", random_state=0)
    holdout.calibrate(np.zeros((400, 1)), y)
    for verb, ask in (
        ("compare", lambda: holdout.compare(y, y, metric="auc")),
        ("validate", lambda: holdout.validate(y, at_least=0.5, metric="auc")),
        ("validate_gain", lambda: holdout.validate_gain(y, y, at_least=0.5, metric="auc")),
        ("ties", lambda: holdout.ties([y, y], metric="auc")),
        ("final", lambda: holdout.final(y, metric="auc")),
        ("gate", lambda: holdout.gate(y, metric="auc")),
    ):
        with pytest.raises(
            ValueError, match=rf"^{verb}\(\) is for means of row values, not for 'auc'; nothing"
        ):
            ask()
    with pytest.raises(
        ValueError, match=r"^best\(\) is for means of row values, use score_many\(\) for AUC; no"
    ):
        holdout.best([y], metric="auc")
    assert holdout.infer(y).left["queries"] == 8


def test_what_is_sealed_opens_under_its_key_and_unchanged_only() -> None:
    sealed = seal(b"key", {"rows": [1, 2, 3]})
    assert unseal(b"key", sealed) == {"rows": [1, 2, 3]} and b"rows" not in sealed
    assert seal(b"key", {"rows": [1, 2, 3]}) != sealed
    for at in (0, 20, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(ValueError, match="belongs to another ledger, or was changed"):
            unseal(b"key", bytes(changed))
    with pytest.raises(ValueError, match="belongs to another ledger"):
        unseal(b"other", sealed)


def test_probabilities_are_put_where_their_classes_are() -> None:
    brier, two = NAMED_METRICS["brier"], np.array(["a", "b"])
    table = np.array([[0.7, 0.3], [0.2, 0.8]])
    assert in_class_order(table, brier, two) is table
    assert in_class_order(table, brier, two, ["b", "a"]).tolist() == [[0.3, 0.7], [0.8, 0.2]]
    assert in_class_order(table, brier, KINDS, ["a", "c"]).tolist() == [[0.7, 0.0, 0.3], [0.2, 0.0, 0.8]]
    line = np.array([0.25, 1.0])  # of the second class
    assert in_class_order(line, brier, two) is line
    assert in_class_order(line, brier, two, ["b", "a"]).tolist() == [[0.25, 0.75], [1.0, 0.0]]
    assert in_class_order(table, NAMED_METRICS["accuracy"], np.empty(0)) is table
    for wrong in (np.zeros((2, 3)), np.zeros((2, 1)), np.zeros((2, 2, 1))):
        with pytest.raises(ValueError, match="one column of probabilities for each of 2 classes"):
            in_class_order(wrong, brier, two)
    with pytest.raises(ValueError, match="for each of 3 classes, got shape"):
        in_class_order(line, brier, KINDS)
    with pytest.raises(ValueError, match="classes that are not among the 2 training labels: 'z'"):
        in_class_order(table, brier, two, ["a", "z"])
    with pytest.raises(ValueError, match="compares with classes, and none are known"):
        in_class_order(table, brier, np.empty(0))


def test_scores_are_those_of_the_second_class() -> None:
    auc, two = NAMED_METRICS["auc"], np.array(["a", "b"])
    line, table = np.array([0.3, -2.0]), np.array([[0.7, 0.3], [0.2, 0.8]])
    assert in_class_order(line, auc, two) is line
    assert in_class_order(line, auc, two, ["a", "b"]) is line
    assert in_class_order(line, auc, two, ["b", "a"]).tolist() == [-0.3, 2.0]
    assert in_class_order(table, auc, two).tolist() == [0.3, 0.8]
    assert in_class_order(table, auc, two, ["b", "a"]).tolist() == [0.7, 0.2]
    assert in_class_order(table[:, :1], auc, two, ["a"]).tolist() == [0.0, 0.0]
    assert in_class_order(table[:, :1], auc, two, ["b"]).tolist() == [0.7, 0.2]
    for wrong in (np.zeros((2, 3)), np.zeros((2, 1)), np.zeros((2, 2, 1))):
        with pytest.raises(ValueError, match="AUC is for two classes, got predictions of shape"):
            in_class_order(wrong, auc, two, ["a", "b"])
    with pytest.raises(ValueError, match="AUC is for the first two training classes"):
        in_class_order(table, auc, KINDS, ["a", "c"])


def test_metrics_go_by_their_names() -> None:
    assert as_metric("roc_auc") is as_metric("auc") is NAMED_METRICS["auc"]
    assert as_metric(NAMED_METRICS["error"]) is NAMED_METRICS["error"]
    assert "roc_auc" in metric_names() and set(NAMED_METRICS) < set(metric_names())
    with pytest.raises(
        ValueError, match=r"metric='r2' has no bounds, .* pass metric=r2\(bounds=\(low, high\)\)"
    ):
        as_metric("r2")
    with pytest.raises(ValueError, match=r"metric must be one of 'accuracy'.*, got 'acuracy'"):
        as_metric("acuracy")


def test_targets_are_estimators_or_predictions() -> None:
    model = LinearRegression()
    assert is_estimator(model) and not is_estimator(LinearRegression) and not is_estimator([0, 1])
    assert (name_of(model), name_of([0, 1])) == ("LinearRegression", "predictions")
    assert own_classes(model) is None
    model.classes_ = [np.array([0, 1]), np.array([0, 1])]
    assert own_classes(model) is None  # several outputs
    model.classes_ = [0, 1]
    assert own_classes(model) == [0, 1]


def test_guesses_lie_on_the_scale_of_their_metric_but_for_rounding() -> None:
    y = np.arange(400) % 2
    holdout = ReusableHoldout(queries=9, random_state=0).calibrate(np.zeros((400, 1)), y)
    for k, guess in enumerate((0.0, 1.0, 1.0 + 5e-10, -5e-10)):
        assert holdout.infer(np.roll(y, k) * (np.arange(400) > k), guess=guess).left["queries"] == 8 - k
    for guess in (1.0 + 2e-9, -2e-9):
        with pytest.raises(ValueError, match="guess must be between 0 and 1, on the scale of 'accuracy'"):
            holdout.infer(y, guess=guess)
    for guess in (True, "0.5", [0.5]):
        with pytest.raises(TypeError, match="guess must be a finite number"):
            holdout.infer(y, guess=guess)
    with pytest.raises(ValueError, match="guess must be a finite number, got nan"):
        holdout.infer(y, guess=float("nan"))
    assert holdout.infer(1 - y, guess=0.5).left["queries"] == 4


def test_guesses_beyond_the_scale_by_their_rounding_are_cut_to_it() -> None:
    for metric in (NAMED_METRICS["accuracy"], squared_error(bound=4.0), NAMED_METRICS["neg_brier_score"]):
        low, high = metric.bounds
        for guess, unit in ((low - 5e-10, 0.0), (high + 5e-10, 1.0), ((low + high) / 2, 0.5)):
            assert _unit_guess(guess, metric) == unit
            assert _unit_guess(np.array([guess, low]), metric).tolist() == [unit, 0.0]


def test_the_best_possible_score_may_be_guessed_on_every_scale() -> None:
    y = np.arange(400) % 2
    holdout = ReusableHoldout(queries=9, random_state=0).calibrate(np.zeros((400, 1)), y)
    for k, guess in enumerate((0.0, 5e-10, -1.0)):
        said = np.where(np.arange(400) < 200 + k, y, 0.5)
        assert holdout.infer(said, metric="neg_brier_score", guess=guess).left["queries"] == 8 - k
    with pytest.raises(ValueError, match="guess must be between -1 and 0, on the scale of 'neg_brier_score'"):
        holdout.infer(said, metric="neg_brier_score", guess=2e-9)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(60_000) % 3 - 1,
        np.arange(60_000) % 256 - 128,
        np.arange(60_000) % 257 - 128,
        np.arange(60_000) % 257 - 129,
        (np.arange(180_000) % 3).reshape(60_000, 3),
        (np.arange(180_000) % 3).reshape(3, 60_000).T,
        (np.arange(60_000) % 3).astype(np.uint64),
        np.arange(60_000) % 3 == 1,
        np.linspace(0, 1, 60_000),
        np.arange(180_000.0).reshape(60_000, 3),
        np.array(["no", "yes"] * 30_000),
    ],
)
def test_rows_are_picked_as_they_are_indexed(values) -> None:
    at = np.random.default_rng(0).permutation(60_000)[:50_000]
    found = picked(values, at)
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values[at])


def in_every_dress(values):
    """The same predictions as a caller may hand them over."""
    numbers = np.array(values)
    strided = np.zeros((len(values), 2))
    strided[:, 0] = numbers
    return {
        "whole": numbers,
        "list": list(values),
        "float": numbers.astype(float),
        "float32": numbers.astype(np.float32),
        "big-endian": numbers.astype(">f8"),
        "strided": strided[:, 0],
        "column": numbers[:, None],
        "objects": numbers.astype(object),
        "truth values": numbers.astype(bool),
        "pandas": pd.Series(numbers),
        "shuffled": pd.Series(numbers).sample(frac=1, random_state=1),
    }


@pytest.mark.parametrize("labels", ["whole", "float", "big-endian", "strided", "objects", "truth values"])
@pytest.mark.parametrize("metric", ["accuracy", "error"])
def test_labels_that_are_compared_as_bytes_give_what_the_metric_gives(metric, labels) -> None:
    generator = np.random.default_rng(4)
    y, said = generator.integers(0, 2, (2, 300))
    rows = pd.DataFrame({"x": generator.normal(size=300)}, index=range(300))
    rh = ReusableHoldout(queries=50, metric=metric, ledger=Ledger.in_memory(secret=b"bytes"))
    desk = rh.calibrate(rows, in_every_dress(y)[labels]).desk_
    expected = NAMED_METRICS[metric].score(y, said)
    digests = set()
    for name, form in in_every_dress(said).items():
        if name == "shuffled":
            form = form.sort_index()
        units, digest = desk.counted(form, desk.chosen(None))
        plain, plain_digest = desk.values(form, desk.chosen(None))
        assert units.dtype == np.bool_ and plain.dtype == np.float64
        assert np.array_equal(units, plain) and digest == plain_digest
        assert plain.mean() == expected
        digests.add(digest)
        assert rh.infer(form, guess=0.5).left["queries"] == 49
    assert len(digests) == 1


@pytest.mark.parametrize("other", [0.5, 128, -129, 2**40, "words"])
def test_predictions_that_are_no_bytes_are_compared_as_they_are(other) -> None:
    generator = np.random.default_rng(5)
    y, said = generator.integers(0, 2, (2, 200))
    said = said.astype(object)
    said[::3] = other
    said = said.astype(str) if other == "words" else said.astype(float)
    y = y.astype(str) if other == "words" else y
    rh = ReusableHoldout(queries=50, ledger=Ledger.in_memory(secret=b"bytes"))
    desk = rh.calibrate(generator.normal(size=(200, 1)), y).desk_
    units, digest = desk.counted(said, desk.chosen(None))
    plain, plain_digest = desk.values(said, desk.chosen(None))
    assert np.array_equal(units, plain) and digest == plain_digest
    assert units.mean() == np.mean(y == said)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, None])
def test_missing_predictions_among_bytes_are_refused(wrong) -> None:
    y = np.arange(200) % 2
    rh = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"bytes"))
    rh.calibrate(np.random.default_rng(6).normal(size=(200, 1)), y)
    said = y.astype(object)
    said[150] = wrong
    with pytest.raises(ValueError, match=r"predictions must not contain .*; nothing was charged"):
        rh.infer(said if wrong is None else said.astype(float), guess=0.5)
    assert rh.infer(y, guess=0.5).left["queries"] == 4


def test_many_predictions_are_picked_as_the_numbers_they_are() -> None:
    generator = np.random.default_rng(7)
    at = generator.permutation(60_000)
    for numbers in (generator.integers(-128, 128, 60_000), generator.integers(-200, 200, 60_000)):
        for values in (numbers, numbers.astype(float), numbers.astype(">i8"), numbers % 2 == 0):
            found = picked(values, at)
            assert found.dtype == values.dtype and np.array_equal(found, values[at])
            assert np.array_equal(picked(values, at, compared=True), values[at])
