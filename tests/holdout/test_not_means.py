"""Intervals for metrics that are no means of rows, against their population values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from validstats.holdout import Ledger, ReusableHoldout
from validstats.holdout.asking import (
    check_finite_bounds,
    check_labels,
    classes_of,
    is_list_of_targets,
    seed_of,
)
from validstats.holdout.asking.metrics import (
    NAMED_METRICS,
    Metric,
    absolute_error,
    coverage,
    log_loss,
    rescaling,
    squared_error,
    subgroup_accuracy,
)
from validstats.holdout.asking.whole import WHOLE_METRICS, WholeMetric, _FScore, r2
from validstats.holdout.widths import (
    auc_interval,
    average_precision_interval,
    balanced_accuracy_interval,
    f_score_interval,
    r2_interval,
)

LEVEL = math.log(0.05)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0, math.inf])
def test_f_scores_contain_scikit_learns(beta: float) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 3000)
    said = np.where(rng.random(3000) < 0.8, y, 1 - y)
    low, high = f_score_interval(y, said, LEVEL, beta=beta)
    value = metrics.recall_score(y, said) if math.isinf(beta) else metrics.fbeta_score(y, said, beta=beta)
    assert low < value < high and high - low < 0.12


def test_r2_contains_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    y = rng.beta(2, 2, 6000)
    predicted = 0.5 + 0.8 * (y - 0.5) + 0.02 * rng.normal(size=6000)
    low, high = r2_interval(y, predicted, LEVEL, bounds=(0.0, 1.0))
    assert low < metrics.r2_score(y, predicted) < high and high - low < 0.2
    with pytest.raises(ValueError, match="within its bounds"):
        r2_interval(y, predicted, LEVEL, bounds=(0.2, 0.8))


def test_r2_says_nothing_of_a_constant_outcome() -> None:
    low, high = r2_interval(np.full(100, 0.5), np.full(100, 0.5), LEVEL, bounds=(0.0, 1.0))
    assert low == -math.inf and high <= 1.0


def test_balanced_accuracy_contains_scikit_learns() -> None:
    rng = np.random.default_rng(2)
    y = rng.choice(3, 2000, p=[0.6, 0.3, 0.1])
    said = np.where(rng.random(2000) < 0.75, y, (y + 1) % 3)
    low, high = balanced_accuracy_interval(y == said, y, LEVEL)
    assert low < metrics.balanced_accuracy_score(y, said) < high


def test_areas_contain_their_population_values() -> None:
    rng = np.random.default_rng(3)
    positive, negative = rng.normal(1, 1, 900), rng.normal(0, 1, 2100)
    low, high = auc_interval(positive, negative, LEVEL)
    assert low < stats.norm.cdf(1 / math.sqrt(2)) < high and high - low < 0.1
    scores, labels = np.r_[positive, negative], np.repeat([1, 0], [900, 2100])
    low, high = average_precision_interval(positive, negative, LEVEL)
    assert low < metrics.average_precision_score(labels, scores) < high


def test_ties_of_scores_count_as_half() -> None:
    low, high = auc_interval(np.zeros(500), np.zeros(500), LEVEL)
    assert low < 0.5 < high and low + high == pytest.approx(1.0, abs=1e-9)


def test_perfect_and_useless_scores() -> None:
    low, high = auc_interval(np.ones(400), np.zeros(400), LEVEL)
    assert high == 1.0 and low > 0.95
    low, high = average_precision_interval(np.ones(4000), np.zeros(4000), LEVEL)
    assert high == 1.0 and low > 0.85


Y = np.array([1, 1, 1, 0, 0, 0, 0, 0])
SAID = np.array([1, 1, 0, 1, 0, 0, 0, 0])
SCORES = np.array([0.9, 0.8, 0.3, 0.7, 0.3, 0.2, 0.1, 0.0])


def test_scores_of_all_rows_together_are_scikit_learns() -> None:
    """Two of three are found, and two of the three that are said are right; of the others four of five."""
    for name, value in (
        ("f1", 2 / 3),
        ("precision", 2 / 3),
        ("recall", 2 / 3),
        ("balanced_accuracy", 11 / 15),
    ):
        assert WHOLE_METRICS[name].score(Y, SAID) == pytest.approx(value)
    said = np.array([1, 0, 0, 1, 1, 1, 0, 0])  # one of three is found, and one of four is right
    for name, value in (
        ("f1", 2 / 7),
        ("precision", 1 / 4),
        ("recall", 1 / 3),
        ("balanced_accuracy", 11 / 30),
    ):
        assert WHOLE_METRICS[name].score(Y, said) == pytest.approx(value)
    for beta in (0.5, 2.0, 3.0):
        assert _FScore(beta)(Y, said) == pytest.approx(metrics.fbeta_score(Y, said, beta=beta))
    # one row of the second class, found or not
    one = np.array([0, 1, 0])
    assert [WHOLE_METRICS["recall"].score(one, found) for found in (one, 1 - one)] == [1.0, 0.0]
    assert WHOLE_METRICS["auc"].score(Y, SCORES) == pytest.approx(metrics.roc_auc_score(Y, SCORES))
    assert WHOLE_METRICS["average_precision"].score(Y, SCORES) == pytest.approx(
        metrics.average_precision_score(Y, SCORES)
    )
    none = np.zeros(8, dtype=int)
    for name in ("f1", "precision", "recall"):
        assert WHOLE_METRICS[name].score(none, none) == 0.0
    assert WHOLE_METRICS["recall"].score(Y, none) == WHOLE_METRICS["precision"].score(none, SAID) == 0.0
    assert WHOLE_METRICS["balanced_accuracy"].score(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0])) == 5 / 6


def test_intervals_of_all_rows_together_are_those_of_their_laws() -> None:
    for name, beta in (("f1", 1.0), ("precision", 0.0), ("recall", math.inf)):
        expected = f_score_interval(Y, SAID, LEVEL, positive=1, beta=beta)
        assert WHOLE_METRICS[name].bound(Y, SAID, LEVEL) == expected
    assert WHOLE_METRICS["balanced_accuracy"].bound(Y, SAID, LEVEL) == balanced_accuracy_interval(
        Y == SAID, Y, LEVEL
    )
    positive, negative = SCORES[:3], SCORES[3:]
    assert WHOLE_METRICS["auc"].bound(Y, SCORES, LEVEL) == auc_interval(positive, negative, LEVEL)
    expected = average_precision_interval(positive, negative, LEVEL)
    assert WHOLE_METRICS["average_precision"].bound(Y, SCORES, LEVEL) == expected
    for name in ("auc", "average_precision"):
        for one_class in (np.zeros(8), np.ones(8)):
            assert WHOLE_METRICS[name].bound(one_class, SCORES, LEVEL) == (0.0, 1.0)
    kinds = {
        name: (metric.classes, metric.row_mean, metric.response) for name, metric in WHOLE_METRICS.items()
    }
    assert kinds == {
        "f1": (2, False, "predict"),
        "precision": (2, False, "predict"),
        "recall": (2, False, "predict"),
        "balanced_accuracy": (-1, False, "predict"),
        "auc": (2, False, "decision"),
        "average_precision": (2, False, "decision"),
    }


def test_explained_variance_is_that_of_the_outcome_cut_to_its_bounds() -> None:
    metric = r2(bounds=(0, 2))
    y, said = np.array([-1.0, 0.5, 1.0, 5.0]), np.array([0.2, 0.4, 3.0, 1.5])
    cut, told = np.array([0.0, 0.5, 1.0, 2.0]), np.array([0.2, 0.4, 2.0, 1.5])
    assert metric.score(y, said) == pytest.approx(metrics.r2_score(cut, told))
    assert metric.bound(y, said, LEVEL) == r2_interval(cut, said, LEVEL, bounds=(0.0, 2.0))
    assert (metric.name, metric.bounds, metric.classes) == ("r2(bounds=(0.0, 2.0))", (-1.0, 1.0), 0)
    for bounds in ((1, 1), (2, 1), (0, math.inf)):
        with pytest.raises(ValueError, match=r"bounds\[1\] must be"):
            r2(bounds=bounds)


def test_labels_are_one_value_a_row() -> None:
    assert check_labels([[1], [2]], 2, "y").tolist() == [1, 2]
    assert check_labels(["a", "b"], 2, "y").tolist() == ["a", "b"]
    for values, n, shape in (([1, 2], 3, "(2,)"), (np.ones((2, 2)), 2, "(2, 2)"), ([], 0, "(0,)")):
        with pytest.raises(ValueError) as refused:
            check_labels(values, n, "y")
        assert str(refused.value).endswith(f"each of the {n} rows of X, at least one, got shape {shape}.")
    for values in ([1.0, math.nan], [1.0, math.inf], ["a", None]):
        with pytest.raises(ValueError, match="y must not contain"):
            check_labels(values, 2, "y")


def test_classes_are_the_values_of_what_has_no_fractions() -> None:
    assert classes_of(np.array([2.0, 1.0, 2.0])).tolist() == [1.0, 2.0]
    assert classes_of(np.array(["b", "a"])).tolist() == ["a", "b"]
    assert classes_of(np.array([1.0, 1.5])).tolist() == []


def test_users_share_the_queries() -> None:
    def shared(users, user="a"):
        holdout = ReusableHoldout(queries=5, users=users, user=user, random_state=0)
        return holdout.calibrate(np.zeros((50, 1)), np.arange(50) % 2).calibration_.declared.users

    assert shared({"a": 2, "b": 3}) == {"a": 2, "b": 3}
    assert shared(None) == {}
    for users, user, message in (
        ({"a": 3, "b": 3}, "a", "users may have 6 queries together, more than queries=5"),
        ({"a": 3}, "c", "user='c' has no share; users are 'a'"),
        ({"a": 0}, "a", "users must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            shared(users, user)


def test_bounds_are_finite_and_seeds_are_drawn() -> None:
    assert check_finite_bounds((0, 2)) == (0.0, 2.0)
    for bounds in ((0, math.inf), (-math.inf, 1)):
        with pytest.raises(ValueError, match="bounds must be two finite numbers"):
            check_finite_bounds(bounds)
    assert seed_of(3) == np.random.default_rng(3).integers(2**31)


def test_lists_of_models_are_told_from_lists_of_predictions() -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression()
    assert is_list_of_targets([model]) and is_list_of_targets((model, model))
    assert not any(map(is_list_of_targets, ([], [model, [0, 1]], [0, 1], model, np.zeros(2))))


def test_values_of_named_metrics_are_those_of_their_formulas() -> None:
    y, said = np.array([0, 1, 2, -1]), np.array([0, 2, 2, 0])
    probabilities = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert NAMED_METRICS["accuracy"].values(y, said).tolist() == [1.0, 0.0, 1.0, 0.0]
    assert NAMED_METRICS["error"].values(y, said).tolist() == [0.0, 1.0, 0.0, 1.0]
    # half the sum of (p_k - [k = y])^2; a class that training rows do not have has probability 0
    assert NAMED_METRICS["brier"].values(y, probabilities).tolist() == [0.1875, 0.0, 1.0, 1.0]
    assert NAMED_METRICS["neg_brier_score"].values(y, probabilities).tolist() == [-0.1875, 0.0, -1.0, -1.0]
    # what adds up to more than one is no worse than what is wrong with certainty
    assert NAMED_METRICS["brier"].values(np.array([-1, 0]), np.ones((2, 3))).tolist() == [1.0, 1.0]
    log = log_loss(clip=0.125).values(y, probabilities)
    assert log == pytest.approx([math.log(2), 0.0, math.log(8), math.log(8)])
    # one column of probabilities is of the second class; the last class and one beyond it
    two = np.array([0.25, 0.25, 0.25])
    assert np.exp(-log_loss().values(np.array([0, 1, 2]), two)) == pytest.approx([0.75, 0.25, 0.01])
    for wrong in ([[1.1, 0.0]], [[-0.1, 1.0]], [[math.nan, 1.0]]):
        with pytest.raises(ValueError, match="failed with ValueError on the predictions"):
            log_loss().values(np.array([0]), np.array(wrong))
    for clip in (0.0, 0.5):
        with pytest.raises(ValueError, match="clip must be"):
            log_loss(clip=clip)


def test_values_of_metrics_with_bounds_are_those_of_their_formulas() -> None:
    y, said = np.array([0.0, 5.0, 1.0]), np.array([1.5, 0.0, 1.0])
    assert absolute_error(bound=2).values(y, said).tolist() == [1.5, 2.0, 0.0]
    assert squared_error(bound=9).values(y, said).tolist() == [2.25, 9.0, 0.0]
    ends = np.array([[0.0, 1.0], [5.0, 6.0], [1.5, 2.0]])
    assert coverage().values(y, ends).tolist() == [1.0, 1.0, 0.0]
    assert coverage().values(np.array([1.0]), np.array([[0.0, 1.0]])).tolist() == [1.0]
    sets = np.array([[True, False, False], [True, True, False]])
    assert coverage().values(np.array([0, 2]), sets).tolist() == [1.0, 0.0]
    for shape in ((2,), (2, 3), (2, 1)):
        with pytest.raises(ValueError, match="failed with ValueError"):
            coverage().values(np.zeros(2), np.zeros(shape))
    group = subgroup_accuracy(lambda X: X > 0, share=0.25, name="high")
    assert group.values(np.array([1, 1, 1]), np.array([1, 0, 1]), np.array([1, 1, -1])).tolist() == [
        4.0,
        0.0,
        0.0,
    ]
    assert (group.name, group.bounds) == ("accuracy[high](share=0.25)", (0.0, 4.0))
    assert subgroup_accuracy(lambda X: X, share=1.0, name="all").bounds == (0.0, 1.0)
    for make in (absolute_error, squared_error):
        with pytest.raises(ValueError, match="bound must be"):
            make(bound=0.0)
    for share in (0.0, 1.01):
        with pytest.raises(ValueError, match="share must be"):
            subgroup_accuracy(lambda X: X, share=share, name="none")


def test_what_is_known_of_every_named_metric() -> None:
    """Response, bounds, whether greater is better, 0 or 1, and reads the features."""
    log = -math.log(0.01)
    known = {
        "accuracy": ("predict", (0.0, 1.0), True, True, False),
        "error": ("predict", (0.0, 1.0), False, True, False),
        "brier": ("predict_proba", (0.0, 1.0), False, False, False),
        "log_loss": ("predict_proba", (0.0, log), False, False, False),
        "coverage": ("predict", (0.0, 1.0), True, True, False),
        "neg_brier_score": ("predict_proba", (-1.0, 0.0), True, False, False),
        "neg_log_loss": ("predict_proba", (-log, 0.0), True, False, False),
        "absolute_error(bound=3.0)": ("predict", (0.0, 3.0), False, False, False),
        "squared_error(bound=4.0)": ("predict", (0.0, 4.0), False, False, False),
    }
    metrics_of = {
        **NAMED_METRICS,
        **{m.name: m for m in (absolute_error(bound=3.0), squared_error(bound=4.0))},
    }
    for name, expected in known.items():
        m = metrics_of[name]
        assert (m.response, m.bounds, m.greater_is_better, m.binary, m.reads_features) == expected
        assert m.row_mean and m.built_in
    mine = Metric(name="mine", rows=lambda y, prediction, X: y)
    assert not mine.built_in
    assert (mine.response, mine.bounds, mine.greater_is_better) == ("predict", (0.0, 1.0), True)
    assert (mine.binary, mine.reads_features) == (False, True)


def test_values_of_a_metric_are_one_finite_number_a_row_within_its_bounds() -> None:
    y = np.zeros(3)

    def values(*found, bounds=(1.0, 5.0)):
        return (
            Metric(name="grade", rows=lambda y, said, X: np.array(found), bounds=bounds).values(y, y).tolist()
        )

    assert values(1.0, 5.0, 3.0) == [1.0, 5.0, 3.0]
    for bad in (np.nan, np.inf, -np.inf, 0.99, 5.01):
        with pytest.raises(
            ValueError, match=r"outside its declared bounds \[1, 5\] or NaN; nothing was charged"
        ):
            values(1.0, bad, 3.0)
    for bad in ((), (1.0, 2.0), (1.0, 2.0, 3.0, 4.0)):
        with pytest.raises(
            ValueError, match=rf"one number for each of the 3 rows, got an array of shape \({len(bad)},\)"
        ):
            values(*bad)
    with pytest.raises(ValueError, match="must return numbers; nothing was charged"):
        values("a", "b", "c")


def test_scores_are_moved_to_the_unit_interval_and_back() -> None:
    metric = Metric(name="grade", rows=lambda y, prediction, X: y, bounds=(1.0, 5.0))
    assert (metric.to_unit(2.0), metric.from_unit(0.25), rescaling((1.0, 5.0))(0.25)) == (0.25, 2.0, 2.0)
    assert metric.score(np.array([1.0, 5.0, 3.0]), np.zeros(3)) == 3.0
    for bounds in ((0.0, 1.5), (1.0, 2.5), (-0.5, 1.0), (-1.0, 2.0), (0.0, 1.0), (2.0, 3.0)):
        scale, middle = Metric(name="scale", rows=metric.rows, bounds=bounds), sum(bounds) / 2
        assert (scale.to_unit(middle), scale.to_unit(bounds[1]), scale.from_unit(0.5)) == (0.5, 1.0, middle)
    slack = 4e-12
    assert metric.values(np.array([1 - slack / 2, 5 + slack / 2]), np.zeros(2)).tolist() == [1.0, 5.0]
    # at one end alone too
    assert metric.values(np.array([1 - slack / 2, 2.0]), np.zeros(2)).tolist() == [1.0, 2.0]
    assert metric.values(np.array([2.0, 5 + slack / 2]), np.zeros(2)).tolist() == [2.0, 5.0]
    for wrong in ([1.0 - 2 * slack], [5.0 + 2 * slack], [math.nan]):
        with pytest.raises(ValueError, match=r"outside its declared bounds \[1, 5\] or NaN"):
            metric.values(np.array(wrong), np.zeros(1))
    with pytest.raises(ValueError, match=r"one number for each of the 2 rows, got an array of shape \(1,\)"):
        Metric(name="one", rows=lambda y, prediction, X: y[:1]).values(np.zeros(2), np.zeros(2))
    with pytest.raises(ValueError, match="must return numbers"):
        Metric(name="words", rows=lambda y, prediction, X: ["a", "b"]).values(np.zeros(2), np.zeros(2))


def test_ends_beyond_the_scale_of_a_score_are_cut_to_it() -> None:
    """An interval of one's own that knows no bounds answers like one that does."""

    def answer(low: float, high: float) -> tuple[float, ...]:
        metric = WholeMetric(
            name="own", measure=lambda y, said: 0.9, bound=lambda y, said, level: (low, high), classes=2
        )
        holdout = ReusableHoldout(
            mechanism="description_length", random_state=0, ledger=Ledger.in_memory(secret=b"the same")
        )
        holdout.calibrate(np.zeros((200, 1)), np.arange(200) % 2)
        found = holdout.infer(np.zeros(200, int), metric=metric)
        return found.value, *found.bounds, found.nats

    assert answer(0.8, 1.2) == answer(0.8, 1.0)
    assert answer(-0.3, 0.2) == answer(0.0, 0.2)
