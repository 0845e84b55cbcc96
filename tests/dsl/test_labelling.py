from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from validstats import DesignSupervised


def documents(n=3000, share=0.15, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    truth = 0.5 + x + rng.normal(size=n)
    frame = pd.DataFrame({"x": x, "machine": truth + 0.5 * x + rng.normal(size=n)})
    frame["y"] = np.where(rng.random(n) < share, truth, np.nan)
    return frame, truth


@pytest.fixture(scope="module")
def calibrated():
    frame, truth = documents()
    dsl = DesignSupervised(random_state=0).fit(frame.drop(columns="y"), surrogate="machine")
    return dsl.calibrate(frame["y"], sampling_probability=0.15), truth


def test_planning_starts_at_the_present_standard_errors(calibrated) -> None:
    dsl, _ = calibrated
    result = dsl.infer("y ~ x")
    plan = dsl.plan_labels("y ~ x", [result.n_labelled, 2 * result.n_labelled])
    np.testing.assert_allclose(plan.std_errors[0], result.std_error, rtol=1e-12)
    np.testing.assert_allclose(plan.gold_std_errors[0], result.gold.std_error, rtol=1e-12)
    assert np.all(plan.std_errors[1] < plan.std_errors[0])
    assert plan.names == ("Intercept", "x")


def test_planning_medians_of_splits_and_options(calibrated) -> None:
    dsl, _ = calibrated
    plan = dsl.plan_labels("y ~ x", [450], estimator="dsl", target_power=0.9, effects=0.1)
    result = dsl.infer("y ~ x", estimator="dsl")
    assert plan.std_errors[0] == pytest.approx(np.sqrt(result.n_labelled / 450) * result.std_error, rel=0.2)
    assert plan.needed is not None and plan.needed.shape == (2,)
    with pytest.raises(ValueError, match="does not say which part"):
        dsl.plan_labels("y ~ x", population="finite")


@pytest.mark.slow
def test_a_design_keeps_the_pilot_certain(calibrated) -> None:
    dsl, truth = calibrated
    labelled = dsl.calibration_.labelled
    plan = dsl.design_sampling("y ~ x", 300, coefficients=["x"], random_state=1)
    assert np.all(plan.sampling_probability[labelled] == 1.0)
    assert not np.any(plan.selected & labelled)
    assert plan.sampling_probability[~labelled].sum() == pytest.approx(300)
    answers = np.where(plan.selected | labelled, truth, np.nan)
    again = DesignSupervised(random_state=0).fit(dsl.units_.data, surrogate="machine")
    again.calibrate(
        pd.Series(answers, name="y"), sampling_probability=plan.sampling_probability, strata=plan.strata
    )
    result = again.infer("y ~ x")
    assert result.n_labelled == labelled.sum() + plan.selected.sum()
    assert np.all(np.abs(result.params - [0.5, 1.0]) < 5 * result.std_error)


def test_constant_residuals_are_not_forecast_to_gain(calibrated) -> None:
    dsl, _ = calibrated
    plan = dsl.design_sampling("y", 300, model="mean", random_state=1)
    assert plan.method == "uniform" and plan.draw == "fixed" and plan.selected.sum() == 300
    assert set(plan.strata) == {"labelled before", "new"}


@pytest.mark.slow
def test_designs_learn_where_residuals_are_large() -> None:
    rng = np.random.default_rng(2)
    n = 4000
    x = rng.random(n)
    truth = np.where(x > 0.8, 4.0, 0.2) * rng.normal(size=n)
    frame = pd.DataFrame({"x": x, "machine": rng.normal(size=n)})
    answers = np.where(rng.random(n) < 0.15, truth, np.nan)
    dsl = DesignSupervised(random_state=0).fit(pl.from_pandas(frame), surrogate="machine", features=["x"])
    dsl.calibrate(pd.Series(answers, name="y"), sampling_probability=0.15)
    plan = dsl.design_sampling("y", 400, model="mean", random_state=3)
    assert plan.method == "neyman" and plan.gain > 1.5
    free = ~dsl.calibration_.labelled
    hard = (x > 0.8) & free
    assert plan.sampling_probability[hard].mean() > 3 * plan.sampling_probability[free & ~hard].mean()
    assert isinstance(plan.tidy(), pl.DataFrame)


def test_designs_refuse_unknown_coefficients(calibrated) -> None:
    dsl, _ = calibrated
    with pytest.raises(ValueError, match="coefficients must be some of 'Intercept', 'x'"):
        dsl.design_sampling("y ~ x", 100, coefficients=["z"])
    with pytest.raises(ValueError, match="n_labels must be between"):
        dsl.design_sampling("y ~ x", 10_000)


def label_in_sequence(frame, truth, rounds=6, **options):
    dsl = DesignSupervised(sequential=True, random_state=0).fit(frame, surrogate="machine", features=["x"])
    answers = pd.Series(np.full(len(frame), np.nan), name="y")
    for _ in range(rounds):
        to_label = dsl.next_labels(300, **options).to_label
        answers[to_label] = truth[to_label]
        dsl.calibrate(answers)
    return dsl, answers


def test_labelling_in_sequence_covers_mean_and_slope() -> None:
    frame, truth = documents(4000)
    dsl, answers = label_in_sequence(frame[["x", "machine"]], truth)
    mean = dsl.infer("y", model="mean")
    assert mean.terms == ("mean(y)",) and mean.conf_low[0] < 0.5 < mean.conf_high[0]
    slopes = dsl.infer("y ~ x")
    assert slopes.terms == ("Intercept", "x")
    assert np.all(np.abs(slopes.estimates[-1] - [0.5, 1.0]) < slopes.radii[-1])
    assert mean.n_labelled == int(answers.notna().sum())
    adjusted = dsl.predict()
    assert np.nanmean(adjusted) == pytest.approx(mean.estimates[-1, 0])
    assert np.isnan(adjusted).sum() == len(frame) - 1600
    assert "Rows visited" in str(dsl.summary())
    assert "earlier" in dsl.guarantee_.paragraph()


def test_sequential_labelling_refuses_folds_and_designs() -> None:
    frame, truth = documents(1000)
    with pytest.raises(ValueError, match="folds would let later labels predict earlier ones"):
        DesignSupervised(sequential=True, n_folds=5).fit(frame, surrogate="machine")
    dsl = DesignSupervised(sequential=True, random_state=0).fit(frame[["x", "machine"]], surrogate="machine")
    with pytest.raises(ValueError, match=r"call next_labels\(\) first"):
        dsl.calibrate(truth)
    to_label = dsl.next_labels().to_label
    answers = np.full(1000, np.nan)
    answers[to_label] = truth[to_label]
    with pytest.raises(ValueError, match="sampling_probability cannot be given"):
        dsl.calibrate(answers, sampling_probability=0.1)
    with pytest.raises(ValueError, match="were not selected for labelling"):
        dsl.calibrate(truth)
    missing = answers.copy()
    missing[to_label[0]] = np.nan
    with pytest.raises(ValueError, match="1 of the 100 units of the last request carry no label"):
        dsl.calibrate(missing)
    dsl.calibrate(pd.Series(answers, name="y"))
    with pytest.raises(ValueError, match="Intervals are given from start=500"):
        dsl.infer("y", model="mean")
    with pytest.raises(ValueError, match="the models 'mean', 'proportion', 'linear'"):
        dsl.infer("y ~ x", model="logit")
    with pytest.raises(ValueError, match="design_sampling is not available with sequential=True"):
        dsl.design_sampling("y ~ x", 10)
    with pytest.raises(ValueError, match="plan_labels is not available with sequential=True"):
        dsl.plan_labels("y ~ x")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("weights", "machine"),
        ("offset", "machine"),
        ("clusters", "machine"),
        ("vcov", "HC3"),
        ("population", "finite"),
        ("estimator", "gold"),
        ("tuning", "scalar"),
        ("family", object()),
        ("quantile", 0.9),
    ],
)
def test_sequential_inference_refuses_what_it_would_ignore(option, value) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=900)
    documents = pd.DataFrame({"machine": truth + rng.normal(size=900)})
    dsl = DesignSupervised(sequential=True, random_state=0).fit(documents, surrogate="machine")
    answers = np.full(900, np.nan)
    for _ in range(3):
        to_label = dsl.next_labels(300).to_label
        answers[to_label] = truth[to_label]
        dsl.calibrate(answers)
    with pytest.raises(ValueError, match=f"{option} cannot be given with sequential=True"):
        dsl.infer("label", model="mean", **{option: value})
    with pytest.raises(ValueError, match="takes no covariates"):
        dsl.infer("label ~ machine", model="mean")


def test_a_sequential_estimator_clones_and_starts_afresh() -> None:
    frame, truth = documents(2000)
    dsl, _ = label_in_sequence(frame[["x", "machine"]], truth, rounds=3)
    assert clone(dsl).sequential is True
    dsl.fit(frame[["x", "machine"]], surrogate="machine")
    assert not hasattr(dsl, "study_") and not hasattr(dsl, "calibration_")


def test_next_labels_needs_a_sequential_estimator(calibrated) -> None:
    dsl, _ = calibrated
    with pytest.raises(ValueError, match="sequential=True"):
        dsl.next_labels()
    with pytest.raises(ValueError, match=r"call fit\(data"):
        DesignSupervised(sequential=True).next_labels()


def test_active_rule_and_learner_pass_through() -> None:
    frame, truth = documents(2500)
    dsl = DesignSupervised(LinearRegression(), sequential=True, random_state=1)
    dsl.fit(frame[["x", "machine"]], surrogate="machine")
    first = dsl.next_labels(rule="active", n_first=200, label_share=0.3, start=400)
    assert len(first.rows) == 200
    answers = np.full(2500, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            to_label = dsl.next_labels(400).to_label
            answers[to_label] = truth[to_label]
            dsl.calibrate(answers)
    second = dsl.next_labels(400)
    assert second.sampling_probability.sum() == pytest.approx(0.3 * 400)
    assert np.ptp(second.sampling_probability) > 0
