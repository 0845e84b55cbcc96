from __future__ import annotations

import sys
from typing import ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.oracles import dsl_design as oracle
from validstats.dsl import DesignSupervised
from validstats.dsl.sequence import SequentialLabelling
from validstats.dsl.sequence.confidence_sequences import (
    mean_sequence,
    mixture_scale,
    running_moments,
    sequence_radii,
    sequence_radius,
)
from validstats.dsl.sequence.forward import (
    crossed_predictions,
    effective_units,
    forward_predictions,
    predict_upcoming,
    regression_look,
)
from validstats.exceptions import LabellingWarning


def corpus(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    machine = rng.random(n)
    truth = (rng.random(n) < 0.8 * machine + 0.05).astype(float)
    return machine, truth


def label_all(labelling, truth, step=200):
    while labelling.n_remaining > 0:
        labelling.record(truth[labelling.next_labels(step).to_label])
    return labelling


def test_radius_equals_the_formula_term_by_term() -> None:
    n, variance = np.array([10, 500, 20_000]), np.array([0.5, 2.0, 1.3])
    mine = sequence_radius(n, variance, 0.07, 0.05)
    expected = [oracle.asymptotic_radius(int(t), v, 0.07, 0.05) for t, v in zip(n, variance)]
    np.testing.assert_allclose(mine, expected, rtol=1e-13)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("variance", [0.2, 3.0])
def test_the_scale_minimises_the_radius_at_its_time(alpha, variance) -> None:
    rho = mixture_scale(alpha, 1000, variance)
    at = [oracle.asymptotic_radius(1000, variance, rho * f, alpha) for f in (0.98, 1.0, 1.02)]
    assert at[1] < at[0] and at[1] < at[2]


def test_running_moments_equal_those_from_scratch() -> None:
    values = 1e6 + np.random.default_rng(0).normal(size=300)
    mean, variance = running_moments(values)
    slow_mean, slow_variance = oracle.running_mean_and_variance(values)
    np.testing.assert_allclose(mean, slow_mean, rtol=1e-14)
    np.testing.assert_allclose(variance, slow_variance, rtol=1e-6, atol=1e-9)


def test_mean_sequence_refuses_a_start_beyond_the_data_and_says_nothing_of_constants() -> None:
    with pytest.raises(ValueError, match="start must be between 2 and the number of values, 5"):
        mean_sequence(np.arange(5.0), 0.05, start=6)
    with pytest.raises(ValueError, match="start must be between 2 and the number of values, 5; got 1"):
        mean_sequence(np.arange(5.0), 0.05, start=1)
    assert len(mean_sequence(np.arange(5.0), 0.05, start=2).radius) == 4
    assert np.all(np.isinf(mean_sequence(np.ones(50), 0.05, start=10).radius))
    late = mean_sequence(np.append(np.ones(10), np.arange(40.0)), 0.05, start=10)
    assert late.variance[0] == 0.0 < late.variance[1] and np.all(np.isinf(late.radius))
    assert len(mean_sequence(np.arange(5.0), 0.05, start=5).radius) == 1


def test_mean_sequence_is_narrowest_at_five_times_its_start() -> None:
    values = np.random.default_rng(11).normal(size=300)
    sequence = mean_sequence(values, 0.05, start=20)
    rho = mixture_scale(0.05, 100, values[:20].var())
    expected = [
        oracle.asymptotic_radius(int(t), v, rho, 0.05) for t, v in zip(sequence.times, sequence.variance)
    ]
    np.testing.assert_allclose(sequence.radius, expected, rtol=1e-12)
    chosen = mean_sequence(values, 0.05, start=20, n_best=100)
    np.testing.assert_array_equal(chosen.radius, sequence.radius)


def test_regression_look_is_least_squares_with_sandwich_variance() -> None:
    rng = np.random.default_rng(1)
    x, y = np.column_stack([np.ones(200), rng.normal(size=(200, 2))]), rng.normal(size=200)
    look = regression_look(x, y)
    estimate, variance = look.estimate, look.variance
    expected = np.linalg.lstsq(x, y, rcond=None)[0]
    np.testing.assert_allclose(estimate, expected, atol=1e-12)
    bread = np.linalg.inv(x.T @ x / 200)
    meat = sum(np.outer(r, r) * e**2 for r, e in zip(x, y - x @ expected)) / 200
    np.testing.assert_allclose(variance, np.diag(bread @ meat @ bread), rtol=1e-12)
    with pytest.raises(ValueError, match="collinear"):
        regression_look(np.ones((10, 2)), np.zeros(10))


def test_all_units_labelled_gives_the_plain_mean() -> None:
    machine, truth = corpus(800)
    labelling = SequentialLabelling(label_share=1.0, start=300, random_state=0).fit(machine)
    result = label_all(labelling, truth).infer()
    assert result.n_labelled == 800
    assert result.estimates[-1, 0] == pytest.approx(truth.mean(), abs=1e-12)


def test_pseudo_outcomes_use_the_recorded_past() -> None:
    machine, truth = corpus()
    labelling = SequentialLabelling(label_share=0.2, start=300, random_state=1).fit(machine)
    first = labelling.next_labels()
    assert len(first.rows) == 100 and first.selected.all()
    labelling.record(truth[first.to_label])
    second = labelling.next_labels(250)
    assert labelling.next_labels(17) is second
    model = LinearRegression().fit(machine[first.rows, None], truth[first.rows])
    np.testing.assert_allclose(second.prediction, model.predict(machine[second.rows, None]))
    labelling.record(truth[second.to_label])
    state = labelling.state_
    rows = state.order[: state.n_visited]
    by_hand = [
        g + (0 if np.isnan(y) else (truth[row] - g) / p)
        for row, g, p, y in zip(rows, state.prediction, state.probability, state.outcome)
    ]
    np.testing.assert_allclose(state.pseudo_outcome, by_hand)


class Recorder(RegressorMixin, BaseEstimator):
    """Remembers on how many labels each fit was made."""

    sizes: ClassVar[list[int]] = []

    def fit(self, X, y):
        Recorder.sizes.append(len(y))
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_the_learner_sees_past_labels_only() -> None:
    machine, truth = corpus(900)
    Recorder.sizes = []
    labelling = SequentialLabelling(Recorder(), label_share=0.3, start=300, random_state=2).fit(machine)
    spent = []
    while labelling.n_remaining > 0:
        spent.append(int(np.sum(~np.isnan(labelling.state_.outcome))))
        labelling.record(truth[labelling.next_labels(200).to_label])
    assert Recorder.sizes == spent[1:]


def test_later_labels_change_no_earlier_prediction_or_probability() -> None:
    machine, truth = corpus(1200)
    states = []
    for flip in (False, True):
        labelling = SequentialLabelling(rule="active", start=300, random_state=3).fit(machine)
        answers = truth.copy()
        while labelling.n_remaining > 0:
            request = labelling.next_labels(300)
            if flip and labelling.state_.n_visited >= 700:
                answers = 1 - truth
            labelling.record(answers[request.to_label])
        states.append(labelling.state_)
    a, b = states
    np.testing.assert_array_equal(a.prediction[:1000], b.prediction[:1000])
    np.testing.assert_array_equal(a.probability[:1000], b.probability[:1000])
    assert not np.array_equal(a.prediction[1000:], b.prediction[1000:])


def test_active_probabilities_rise_where_past_errors_were_large() -> None:
    rng = np.random.default_rng(4)
    x = rng.random((3000, 1))
    truth = np.where(x[:, 0] > 0.5, rng.normal(0, 3, 3000), rng.normal(0, 0.1, 3000))
    labelling = SequentialLabelling(
        rule="active", label_share=0.2, n_first=300, start=500, random_state=0
    ).fit(x)
    labelling.record(truth[labelling.next_labels().to_label])
    request = labelling.next_labels(1000)
    hard = x[request.rows, 0] > 0.5
    assert request.sampling_probability[hard].mean() > 2 * request.sampling_probability[~hard].mean()
    assert request.sampling_probability.sum() == pytest.approx(200)
    assert request.sampling_probability.min() >= 0.2 * 0.2 - 1e-12


def test_a_classifier_predicts_probabilities() -> None:
    machine, truth = corpus(700)
    labelling = SequentialLabelling(LogisticRegression(), start=300, random_state=5).fit(machine)
    labelling.record(truth[labelling.next_labels().to_label])
    prediction = labelling.next_labels().prediction
    assert np.all((prediction > 0) & (prediction < 1))
    with pytest.raises(ValueError, match="needs labels 0 and 1"):
        labelling.record(np.full(labelling.next_labels().selected.sum(), 3.0))


def test_regression_coefficients_cover_the_projection() -> None:
    rng = np.random.default_rng(6)
    design = pd.DataFrame({"const": np.ones(4000), "x": rng.normal(size=4000)})
    truth = 1.0 + 2.0 * design["x"].to_numpy() + rng.normal(size=4000)
    machine = truth + rng.normal(size=4000)
    labelling = SequentialLabelling(start=500, random_state=7).fit(pl.DataFrame({"q": machine}))
    result = label_all(labelling, truth, 500).infer(design)
    assert result.terms == ("const", "x")
    assert np.all((result.lows <= [1.0, 2.0]) & (result.highs >= [1.0, 2.0]))
    assert isinstance(result.tidy(), pl.DataFrame)
    assert result.path().shape == (2 * len(result.times), 6)
    assert "What you can rely on" in str(result.summary())
    narrow = labelling.infer(design, confidence_level=0.5)
    begun = np.isfinite(result.radii)
    assert begun[-1].all() and np.array_equal(begun, np.isfinite(narrow.radii))
    assert np.all(narrow.radii[begun] < result.radii[begun])


def test_effective_units_are_those_of_a_slow_loop() -> None:
    rng = np.random.default_rng(2)
    x, probability = np.column_stack([np.ones(60), rng.normal(size=60)]), rng.uniform(0.2, 1.0, 60)
    error = np.where(rng.random(60) < probability, rng.normal(size=60), np.nan)
    look = regression_look(x, np.where(np.isnan(error), 0.3, 0.3 + error / probability))
    seen, expected = effective_units(look, error, probability)
    known = [e for e in error if not np.isnan(e)]
    for j in range(2):
        u, a = look.influence[:, j], (x @ np.linalg.inv(x.T @ x / 60))[:, j]
        square = sum(v**2 for v in u)
        assert seen[j] == pytest.approx(square**2 / sum(v**4 for v in u))
        second = sum(e**2 for e in known) / len(known) * sum(b**2 / p for b, p in zip(a, probability))
        fourth = sum(e**4 for e in known) / len(known) * sum(b**4 / p**3 for b, p in zip(a, probability))
        assert expected[j] == pytest.approx(max(square, second) ** 2 / fourth)
    nothing = effective_units(look, np.full(60, np.nan), probability)
    assert np.all(np.array(nothing) == 0.0)
    constant = effective_units(regression_look(np.ones((60, 1)), np.ones(60)), np.zeros(60), probability)
    assert constant[0] == 0.0 and constant[1] == np.inf


def test_how_many_units_carry_a_coefficient_does_not_depend_on_units_of_measurement() -> None:
    rng = np.random.default_rng(5)
    x, probability = np.column_stack([np.ones(60), rng.normal(size=60)]), rng.uniform(0.2, 1.0, 60)
    error = rng.normal(size=60)
    for scale in (1e-4, 1e3):
        found = [
            effective_units(regression_look(x, k * error / probability), k * error, probability)
            for k in (1, scale)
        ]
        np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_columns_of_very_different_size_are_no_collinear_ones_and_a_column_of_zeros_is() -> None:
    rng = np.random.default_rng(6)
    x, y = np.column_stack([np.ones(50), rng.normal(size=50)]), rng.normal(size=50)
    plain, tiny = regression_look(x, y), regression_look(x * [1.0, 1e-5], y)
    np.testing.assert_allclose(tiny.estimate, plain.estimate * [1.0, 1e5], rtol=1e-6)
    with pytest.raises(ValueError, match="The columns of design are collinear among the visited units"):
        regression_look(np.column_stack([x, np.zeros(50)]), y)


@pytest.mark.parametrize(
    ("seen", "expected", "begins"), [(20.0, 15.0, True), (19.99, 1e3, False), (1e3, 14.99, False)]
)
def test_an_interval_begins_with_twenty_units_seen_and_fifteen_expected(
    monkeypatch, seen, expected, begins
) -> None:
    machine, truth = corpus(400)
    labelling = label_all(SequentialLabelling(start=300, random_state=0).fit(machine), truth, 100)
    module = sys.modules["validstats.dsl.sequence.labelling"]
    monkeypatch.setattr(module, "effective_units", lambda *_: (np.array([seen]), np.array([expected])))
    if begins:
        assert labelling.infer().informative
    else:
        with pytest.warns(LabellingWarning, match=r"No interval yet.*20.*15"):
            assert not labelling.infer().informative


def test_a_learner_begins_with_ten_labels() -> None:
    x, y = np.arange(20.0)[:, None], np.arange(20.0)
    blocks = np.repeat([0, 1], 10)
    for n_labels, predicted in ((10, y[10:]), (9, np.full(10, -1.0))):
        known = np.where(np.arange(20) < n_labels, y, np.nan)
        found = forward_predictions(LinearRegression(), x, known, blocks, np.full(20, -1.0))
        np.testing.assert_allclose(found, np.append(np.full(10, -1.0), predicted), atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_labels_of_one_class_predict_that_class(value) -> None:
    for n in (1, 3):
        found = predict_upcoming(LogisticRegression(), np.ones((n, 1)), np.full(n, value), np.ones((2, 1)))
        assert found.tolist() == [value, value]


def test_a_sequence_begins_at_the_first_look_that_is_enough() -> None:
    times = np.array([100, 200, 300])
    variances = np.array([[0.0, 2.0], [1.0, 3.0], [2.0, 4.0]])
    enough = np.array([[False, False], [True, False], [False, False]])
    radii = sequence_radii(times, variances, enough, 500.0, 0.1)
    assert np.all(np.isinf(radii[:, 1])) and np.isinf(radii[0, 0])
    rho = mixture_scale(0.1, 500.0, 1.0)
    expected = [oracle.asymptotic_radius(t, v, rho, 0.1) for t, v in ((200, 1.0), (300, 2.0))]
    np.testing.assert_allclose(radii[1:, 0], expected)


def test_few_rare_labels_have_no_interval_and_it_is_said() -> None:
    rng = np.random.default_rng(3)
    truth = (rng.random(800) < 0.03).astype(float)
    units = pd.DataFrame({"machine": rng.random(800)})
    study = DesignSupervised(sequential=True, random_state=0).fit(units, surrogate="machine")
    labels = pd.Series(np.full(800, np.nan), name="y")
    for _ in range(5):
        request = study.next_labels(175, label_share=0.2)
        labels[request.to_label] = truth[request.to_label]
        study.calibrate(labels)
    for share in (False, True):
        with pytest.warns(LabellingWarning, match="No interval yet: after .* labels too few units carry"):
            result = study.infer("y", model="proportion" if share else "mean")
        assert not result.informative and np.all(np.isinf(result.radii))
        assert result.answer.startswith(f"The {'share' if share else 'mean'} of y is ")
        assert "go on labelling" in result.answer and "you may stop" not in result.answer


@pytest.mark.parametrize(
    ("n", "rate", "share", "start", "begins"), [(1000, 0.964, 0.064, 360, False), (1500, 0.1, 0.3, 200, True)]
)
@pytest.mark.filterwarnings("ignore::validstats.exceptions.LabellingWarning")
def test_what_a_surrogate_says_of_units_that_are_all_labelled_changes_nothing(
    n, rate, share, start, begins
) -> None:
    # their pseudo-outcomes are their labels, and how many labels are enough is not counted by errors of the surrogate: in
    # the first case labels of 0 are still to come when those errors would be enough
    rng = np.random.default_rng(1)
    truth, coins = (rng.random(n) < rate).astype(float), rng.integers(0, 2, n).astype(float)
    results = []
    for surrogate in (None, coins, 1e3 * coins, np.zeros(n)):
        labelling = SequentialLabelling(label_share=share, start=start, random_state=1)
        results.append(label_all(labelling.fit(coins, surrogate), truth, 180).infer())
    assert np.isfinite(results[0].radii[-1, 0]) == begins
    for other in results[1:]:
        np.testing.assert_allclose(other.estimates, results[0].estimates, rtol=1e-12)
        np.testing.assert_allclose(other.radii, results[0].radii, rtol=1e-12)


def test_a_sequence_of_nine_labels_has_no_interval() -> None:
    _, truth = corpus(400)
    labelling = SequentialLabelling(label_share=0.001, n_first=9, start=20, random_state=0).fit(truth)
    labelling.record(truth[labelling.next_labels().to_label])
    while labelling.n_remaining > 300:
        labelling.record(truth[labelling.next_labels(25).to_label])
    with pytest.warns(LabellingWarning, match="No interval yet"):
        result = labelling.infer()
    assert result.n_labelled == 9 and np.isinf(result.radii).all()


def test_crossed_predictions_come_from_the_other_fifths() -> None:
    rng = np.random.default_rng(12)
    x, y = rng.normal(size=(23, 2)), rng.normal(size=23)
    found = crossed_predictions(LinearRegression(), x, y)
    for i in range(23):
        others = [j for j in range(23) if j % 5 != i % 5]
        model = LinearRegression().fit(x[others], y[others])
        assert found[i] == pytest.approx(model.predict(x[[i]])[0], rel=1e-12)


def test_sequences_are_wider_than_one_look_intervals() -> None:
    machine, truth = corpus(3000)
    labelling = SequentialLabelling(start=500, random_state=8).fit(machine)
    result = label_all(labelling, truth).infer()
    assert np.all(result.radii > 1.96 * result.std_errors)
    display = result.plot()
    assert len(display.ax_.lines) == 3
    np.testing.assert_allclose(display.ordinary_radius(), 1.959964 * result.std_errors[:, 0], rtol=1e-6)
    with pytest.raises(ValueError, match="term must be one of 'mean'"):
        result.plot(term="slope")


def test_results_repeat_under_a_seed_and_estimators_clone() -> None:
    machine, truth = corpus(900)
    runs = [
        label_all(SequentialLabelling(start=300, random_state=9).fit(machine), truth).infer()
        for _ in range(2)
    ]
    np.testing.assert_array_equal(runs[0].estimates, runs[1].estimates)
    assert clone(SequentialLabelling(rule="active")).rule == "active"


def test_forward_predictions_never_look_ahead() -> None:
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=(300, 1)), rng.normal(size=300)
    y[rng.random(300) < 0.5] = np.nan
    blocks = np.repeat([0, 1, 2], 100)
    mine = forward_predictions(LinearRegression(), x, y, blocks, np.full(300, 0.25))
    assert np.all(mine[:100] == 0.25)
    past = (blocks < 2) & ~np.isnan(y)
    np.testing.assert_allclose(
        mine[200:], LinearRegression().fit(x[past], y[past]).predict(x[200:]), rtol=1e-12
    )
    changed = y.copy()
    changed[200:] = 99.0
    np.testing.assert_array_equal(
        mine, forward_predictions(LinearRegression(), x, changed, blocks, np.full(300, 0.25))
    )


def test_states_are_checked() -> None:
    machine, truth = corpus(400)
    labelling = SequentialLabelling(start=300, random_state=0)
    with pytest.raises(ValueError, match="call fit"):
        labelling.next_labels()
    labelling.fit(machine)
    with pytest.raises(ValueError, match="No labels are awaited"):
        labelling.record([1.0])
    request = labelling.next_labels()
    with pytest.raises(ValueError, match="labels has 1 values, but 100 were asked for"):
        labelling.record([1.0])
    with pytest.raises(ValueError, match="missing value"):
        labelling.record(np.full(100, np.nan))
    labelling.record(truth[request.to_label])
    with pytest.raises(ValueError, match="Intervals are given from start=300"):
        labelling.infer()
    label_all(labelling, truth)
    with pytest.raises(ValueError, match="Every unit has had its turn"):
        labelling.next_labels()
    with pytest.raises(ValueError, match="design has 3 rows, but there are 400 units"):
        labelling.infer(np.ones((3, 1)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_share": 0.0}, "label_share must be finite and in"),
        ({"floor": 2.0}, "floor must be finite and in"),
        ({"rule": "greedy"}, "rule must be one of"),
        ({"start": 1}, "start must be at least 2"),
    ],
)
def test_bad_settings_are_refused_at_fit(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        SequentialLabelling(**arguments).fit(np.zeros(10))


def test_bad_features_are_refused() -> None:
    with pytest.raises(ValueError, match="missing value"):
        SequentialLabelling().fit([[1.0], [np.nan]])
    with pytest.raises(ValueError, match="surrogate has 2 values"):
        SequentialLabelling().fit(np.zeros(3), surrogate=[0.0, 1.0])
