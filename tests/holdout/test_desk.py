"""What the desk of a holdout reads from what it is handed: units, orders, classes, responses, guesses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold

from validstats.holdout import ReusableHoldout
from validstats.holdout.asking.desk import (
    HoldoutSample,
    TrainingPart,
    class_indices,
    count_rows,
    is_estimator,
    name_of,
    seal,
    split_sample,
    stacked,
    unseal,
)
from validstats.holdout.asking.metrics import (
    NAMED_METRICS,
    as_metric,
    in_class_order,
    metric_names,
    own_classes,
)

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


def test_the_best_possible_score_may_be_guessed_on_every_scale() -> None:
    y = np.arange(400) % 2
    holdout = ReusableHoldout(queries=9, random_state=0).calibrate(np.zeros((400, 1)), y)
    for k, guess in enumerate((0.0, 5e-10, -1.0)):
        said = np.where(np.arange(400) < 200 + k, y, 0.5)
        assert holdout.infer(said, metric="neg_brier_score", guess=guess).left["queries"] == 8 - k
    with pytest.raises(ValueError, match="guess must be between -1 and 0, on the scale of 'neg_brier_score'"):
        holdout.infer(said, metric="neg_brier_score", guess=2e-9)
