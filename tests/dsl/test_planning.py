from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from tests.dsl.test_golden import _as_list, _split
from validstats import DesignSupervised
from validstats.dsl import forecast_gain, plan_labels
from validstats.dsl.fit import SimpleFit
from validstats.dsl.fit.cell_intervals import cell_counts, cell_interval, expected_sums
from validstats.dsl.moments import SamplingDesign, VarianceParts, cluster_codes, sandwich, variance_parts
from validstats.dsl.moments.variance import meat_parts
from validstats.dsl.plan.label_forecast import (
    binary_r_squared,
    label_worth,
    pilot_r_squared,
    share_widths,
    wald_power,
)
from validstats.dsl.plan.planning import std_error_for_power

GOLDEN = Path(__file__).parent / "golden"
CASES = json.loads((GOLDEN / "dsl.json").read_text())["own"]
UNCLUSTERED = [name for name, case in CASES.items() if "cluster" not in case["config"]]


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """The parts of a result that planning reads."""

    names: tuple[str, ...]
    params: np.ndarray
    n_rows: int
    n_labelled: int
    variance_parts: VarianceParts | None
    gold: Any = None
    backend: Any = "pandas"
    confidence_level: Any = Fraction(19, 20)


def pilot(n_labelled=400, n_rows=10_000, **changes):
    covariance = np.array([[0.04, 0.001], [0.001, 0.01]])
    label = np.array([[0.03, 0.0], [0.0, 0.008]])
    values = {
        "names": ("Intercept", "x"),
        "params": np.array([1.0, 0.25]),
        "n_rows": n_rows,
        "n_labelled": n_labelled,
        "variance_parts": VarianceParts(covariance=covariance[None], label_covariance=label[None]),
        "gold": SimpleFit(params=np.array([1.1, 0.2]), std_error=np.array([0.25, 0.15])),
    }
    return Pilot(**(values | changes))


@pytest.mark.parametrize("name", UNCLUSTERED)
def test_standard_errors_equal_the_golden_power_rows(name) -> None:
    case = CASES[name]
    config = case["config"]
    data = pd.read_csv(GOLDEN / config["data"])
    predictions = {v: pd.read_csv(GOLDEN / f).to_numpy() for v, f in case["predictions"].items()}
    parts = []
    for split in range(10):
        fit, covariance, (main_1, _), n_labelled = _split(config, data, predictions, split)
        label = sandwich(fit.bread, main_1, len(data))
        parts.append(VarianceParts(covariance=covariance[None], label_covariance=label[None]))
    power = case["exact_root"]["power"]
    names = tuple(_as_list(case["exact_root"]["coef_names"]))
    result = pilot(
        n_labelled=n_labelled,
        n_rows=len(data),
        names=names,
        params=np.array(_as_list(case["exact_root"]["coefficients"])),
        variance_parts=VarianceParts.stack(parts),
        gold=None,
    )
    plan = plan_labels(result, power["labeled_size"][1:])
    np.testing.assert_allclose(plan.std_errors, power["predicted_se"][1:], rtol=1e-6)


def test_variance_parts_are_those_of_the_meat() -> None:
    rng = np.random.default_rng(0)
    labelled = rng.random(500) < 0.3
    probability = rng.uniform(0.2, 0.5, 500)
    expected, gold = rng.normal(size=(500, 2)), rng.normal(size=(500, 2))
    bread = np.array([[2.0, 0.3], [0.1, 1.5]])
    correction = np.zeros((500, 2))
    correction[labelled] = (gold - expected)[labelled] / probability[labelled][:, None]
    main_1, main_23 = meat_parts(expected, correction)
    covariance = sandwich(bread, main_1 + main_23, 500)
    residual = (gold - expected)[labelled] @ bread.T
    parts = variance_parts(covariance, residual, probability[labelled], 500, SamplingDesign(), labelled)
    for ratio in (0.25, 1.0, 3.0):
        whole = sandwich(bread, ratio * main_1 + main_23, 500)
        np.testing.assert_allclose(parts.std_errors(ratio), np.sqrt(np.diag(whole)), rtol=1e-12)


def test_strata_and_clusters_use_their_own_units() -> None:
    rng = np.random.default_rng(1)
    units = cluster_codes(np.repeat(np.arange(40), 5))
    labelled = np.isin(units, np.arange(0, 40, 2))
    residual = rng.normal(size=(100, 1)) + 3.0
    probability = np.full(100, 0.5)
    covariance = np.eye(1)
    clustered = variance_parts(
        covariance, residual, probability, 200, SamplingDesign(scheme="clusters", units=units), labelled
    )
    sums = residual.reshape(20, 5).sum(axis=1) / 0.5
    assert clustered.label_covariance[0, 0, 0] == pytest.approx(np.sum(sums**2) / 200**2)
    strata = cluster_codes(np.repeat([0, 1], 100))
    stratified = variance_parts(
        covariance, residual, probability, 200, SamplingDesign(scheme="stratified", units=strata), labelled
    )
    groups = residual.reshape(2, 50)
    within = groups.var(axis=1, ddof=1) * 50 / 0.25
    assert stratified.label_covariance[0, 0, 0] == pytest.approx(within.sum() / 200**2)


def test_planned_and_needed_labels_agree() -> None:
    plan = plan_labels(pilot(), [400, 1600], target_std_error=0.12)
    np.testing.assert_allclose(plan.std_errors[0], [0.2, 0.1])
    np.testing.assert_allclose(plan.std_errors[1], np.sqrt([0.01 + 0.03 / 4, 0.002 + 0.008 / 4]))
    assert plan.needed[0] == np.ceil(400 * 0.03 / (0.12**2 - 0.01))
    reached = plan_labels(pilot(), [int(plan.needed[0])]).std_errors[0, 0]
    assert reached <= 0.12 < plan_labels(pilot(), [int(plan.needed[0]) - 1]).std_errors[0, 0]
    np.testing.assert_allclose(plan.gold_std_errors[1], [0.125, 0.075])


def test_power_target_and_unreachable_targets() -> None:
    plan = plan_labels(pilot(), effects={"x": 0.25}, target_power=0.8)
    assert plan.target == "power 0.8"
    at = plan_labels(pilot(), [int(plan.needed[1])], effects={"x": 0.25}).power[0, 1]
    assert at == pytest.approx(0.8, abs=0.005)
    unreachable = plan_labels(pilot(), target_std_error=0.05)
    assert np.isinf(unreachable.needed[0]) and "not reachable" in str(unreachable.summary())


def test_wald_power_is_the_rejection_rate() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(1.7, 1.0, 400_000)
    assert np.mean(np.abs(z) > 1.959964) == pytest.approx(float(wald_power(1.7, 1.0, 0.05)), abs=0.003)
    assert float(wald_power(0.0, 1.0, 0.1)) == pytest.approx(0.1)
    se = std_error_for_power(-0.5, 0.9, 0.05)
    assert float(wald_power(-0.5, se, 0.05)) == pytest.approx(0.9, abs=1e-9)
    assert std_error_for_power(0.0, 0.9, 0.05) == 0.0


def test_a_negative_forecast_falls_back_to_scaling() -> None:
    parts = VarianceParts(covariance=np.array([[[1.0]]]), label_covariance=np.array([[[1.5]]]))
    np.testing.assert_allclose(parts.std_errors(0.25), [0.5])
    assert parts.labels_needed(100, 10_000, np.array([0.5]))[0] == np.ceil(150 / 0.75)


def test_forecasts_hold_for_a_simulated_mean() -> None:
    """A pilot of 300 labels forecasts the standard error that 1,200 labels give."""
    rng = np.random.default_rng(3)
    ratios = []
    for _ in range(60):
        q = rng.normal(size=4000)
        y = q + rng.normal(size=4000)
        errors = {}
        for size in (300, 1200):
            labelled = rng.random(4000) < size / 4000
            pi = np.full(labelled.sum(), size / 4000)
            residual = (y - q)[labelled][:, None]
            psi = q.copy()
            psi[labelled] += residual[:, 0] / pi
            covariance = np.array([[psi.var() / 4000]])
            parts = variance_parts(covariance, residual, pi, 4000, SamplingDesign(), labelled)
            errors[size] = parts
        ratios.append(errors[300].std_errors(0.25)[0] / errors[1200].std_errors(1.0)[0])
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)


def test_results_print_and_come_in_the_callers_frame() -> None:
    plan = plan_labels(pilot(backend="polars"), [200, 400, 800])
    assert isinstance(plan.tidy(), pl.DataFrame) and plan.tidy().shape == (6, 6)
    text = " ".join(str(plan.summary(details=True)).split())
    assert "How many expert labels" in text and "What you can rely on" in text and "pilot estimates" in text
    assert "\\begin{table}" in plan.summary().as_latex()
    display = plan.plot()
    assert display.names == ["x"] and len(display.ax_.lines) == 3
    with pytest.raises(ValueError, match="no coefficient 'z'"):
        plan.plot(terms=["z"])


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"variance_parts": None}, {}, "does not say which part"),
        ({}, {"sizes": [1]}, "sizes must be between 2 and 10000"),
        ({}, {"sizes": [20_000]}, "sizes must be between 2 and 10000"),
        ({}, {"sizes": []}, "sizes is empty"),
        ({}, {"effects": {"z": 1.0}}, "the coefficients are 'Intercept', 'x'"),
        ({}, {"effects": float("nan")}, "effects must be finite"),
        ({}, {"target_std_error": -1.0}, "target_std_error must be finite and in"),
        ({}, {"target_power": 1.0}, "target_power must be finite and in"),
        ({}, {"target_power": 0.9, "target_std_error": 0.1}, "not both"),
        ({}, {"confidence_level": 95}, "Did you mean 0.95"),
    ],
)
def test_bad_plans_are_refused(changes, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        plan_labels(pilot(**changes), **arguments)


def test_binary_r_squared_is_the_squared_correlation() -> None:
    rng = np.random.default_rng(4)
    y = (rng.random(1_000_000) < 0.3).astype(float)
    q = np.where(y == 1, rng.random(len(y)) < 0.8, rng.random(len(y)) > 0.9).astype(float)
    explained, raw = binary_r_squared(0.8, 0.9, 0.3)
    assert np.corrcoef(y, q)[0, 1] ** 2 == pytest.approx(explained, abs=0.004)
    assert np.var(y - q) / np.var(y) == pytest.approx(raw, abs=0.006)
    assert binary_r_squared(1.0, 0.0, 0.5)[0] == 0.0


def test_worth_is_what_a_simulated_tuned_mean_gains() -> None:
    rng = np.random.default_rng(5)
    n, size, reps = 2000, 200, 3000
    estimates = np.empty((reps, 3))
    for r in range(reps):
        y = (rng.random(n) < 0.4).astype(float)
        q = np.where(rng.random(n) < 0.9, y, 1 - y)
        lab = rng.permutation(n) < size
        slope = np.cov(y[lab], q[lab])[0, 1] / q[lab].var(ddof=1)
        gold = y[lab].mean()
        estimates[r] = gold, gold + slope * (q.mean() - q[lab].mean()), gold + q.mean() - q[lab].mean()
    explained, raw = binary_r_squared(0.9, 0.9, 0.4)
    worth = label_worth(n, size, explained, raw)
    variance = estimates.var(axis=0)
    # expert labels alone are a sample of a population here, so their variance is sigma^2 / size
    assert variance[0] / variance[1] == pytest.approx(worth.ratio, rel=0.1)
    assert variance[0] / variance[2] == pytest.approx(worth.raw_ratio, rel=0.1)


def test_a_forecast_says_when_machine_labels_do_not_help() -> None:
    poor = forecast_gain(10_000, [200, 500], accuracy=0.55, prevalence=0.5)
    assert "hardly help" in poor.verdict and np.all(poor.raw_ratio < 1)
    good = forecast_gain(10_000, 500, sensitivity=0.95, specificity=0.9, prevalence=0.3)
    assert good.ratio[0] > 2 and good.ratio[0] < good.ceiling[0]
    assert "gold_std_error" in good.tidy().columns
    biased = forecast_gain(10_000, 500, accuracy=0.7, prevalence=0.5)
    assert "without tuning, they would hurt" in biased.verdict
    perfect = forecast_gain(10_000, 500, r_squared=1.0)
    assert perfect.ratio[0] == pytest.approx(20.0)


def test_a_pilot_gives_an_interval() -> None:
    rng = np.random.default_rng(6)
    y = rng.normal(size=100)
    q = y + rng.normal(size=100)
    forecast = forecast_gain(5000, [100, 400, 1000], pilot=(y, q))
    assert np.all(forecast.ratio_low <= forecast.ratio) and np.all(forecast.ratio <= forecast.ratio_high)
    covered = 0
    for _ in range(400):
        y = rng.normal(size=60)
        _, low, high = pilot_r_squared(y, y + rng.normal(size=60), 0.05)
        covered += low <= 0.5 <= high
    assert 0.91 < covered / 400 < 0.985
    assert pilot_r_squared(y, np.ones(60), 0.05) == (0.0, 0.0, 0.0)
    display = forecast.plot()
    assert len(display.ax_.lines) == 3
    assert "interval is approximate" in forecast.summary(details=True).as_markdown()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "in exactly one way"),
        ({"accuracy": 0.9, "r_squared": 0.5}, "in exactly one way"),
        ({"accuracy": 0.9}, "need prevalence"),
        ({"sensitivity": 0.9, "prevalence": 0.5}, "sensitivity together with specificity"),
        ({"accuracy": 1.2, "prevalence": 0.5}, "accuracy must be finite and in"),
        ({"accuracy": 0.9, "prevalence": 0.0}, "prevalence must be finite and in"),
        ({"r_squared": -0.1}, "r_squared must be finite and in"),
        ({"pilot": ([1.0, 2.0], [1.0, 2.0])}, "at least 5 units"),
        ({"pilot": (np.ones(9), np.arange(9.0))}, "are equal"),
        ({"pilot": (np.full(9, np.nan), np.arange(9.0))}, "missing value"),
    ],
)
def test_bad_descriptions_are_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        forecast_gain(1000, 100, **arguments)


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="sizes must be between 1 and 1000"):
        forecast_gain(1000, 2000, r_squared=0.5)
    with pytest.raises(ValueError, match="sizes is empty"):
        forecast_gain(1000, [], r_squared=0.5)


def _drawn(n_labels, rng, rate=0.95, right=0.95, n_units=2000, replicates=500):
    """Counts of two verdict cells in many data sets."""
    p = np.array([rate * (1 - right), rate * right])
    flagged = rate * right + (1 - rate) * (1 - right)
    law = np.array([1 - flagged - p[0], p[0], flagged - p[1], p[1]])
    counts = rng.multinomial(n_labels, law, size=replicates)
    n = np.column_stack([counts[:, :2].sum(axis=1), counts[:, 2:].sum(axis=1)])
    share = np.broadcast_to([1 - flagged, flagged], n.shape)
    return cell_counts(counts[:, [1, 3]], n, share, np.full(2, n_labels / n_units), n_units=n_units)


def _lengths(sums):
    found = cell_interval(sums, binary=True)
    return found.conf_high - found.conf_low


@pytest.mark.parametrize(("now", "then"), [(50, 200), (100, 400), (100, 50)])
def test_lengths_of_cells_are_forecast_where_the_square_root_rule_is_off(now, then) -> None:
    rng = np.random.default_rng(7)
    pilots, actual = _drawn(now, rng), _lengths(_drawn(then, rng)).mean()
    forecast = _lengths(expected_sums(pilots, then / now)).mean()
    # somewhat short on average: a pilot without a disagreement forecasts none
    assert forecast == pytest.approx(actual, rel=0.06)
    assert abs(_lengths(pilots).mean() * np.sqrt(now / then) / actual - 1) > abs(forecast / actual - 1) + 0.02


def test_expected_sums_of_a_finite_population_are_those_of_counts() -> None:
    share, n, rate = np.array([0.4, 0.6]), np.array([30.0, 50.0]), np.array([0.1, 0.9])
    here = cell_counts(n * rate, n, share, np.array([0.1, 0.2]), finite=True, n_units=700)
    more = cell_counts(3 * n * rate, 3 * n, share, np.array([0.3, 0.6]), finite=True, n_units=700)
    for name in (
        "largest_weight",
        "smallest_probability",
        "n",
        "square",
        "spread",
        "fourth",
        "open_square",
        "open_spread",
    ):
        assert getattr(expected_sums(here, 3.0), name) == pytest.approx(getattr(more, name))
    assert expected_sums(here, 1.0).open_square == pytest.approx(here.open_square)


def test_lengths_of_shares_are_those_of_expected_counts() -> None:
    found = share_widths(10**9, 200, 0.9, 0.8, 0.3)
    exact = stats.binomtest(60, 200).proportion_ci(method="exact")
    assert found.alone == pytest.approx(exact.high - exact.low, rel=1e-6)
    assert found.cells < found.alone and found.worth > 200
    useless = share_widths(10**9, 200, 0.5, 0.5, 0.3)
    assert useless.cells > useless.alone and useless.worth < 200
    forecast = forecast_gain(10_000, [100, 400], accuracy=0.9, prevalence=0.3)
    assert "share_length" in forecast.tidy().columns
    assert "A share: length of its interval" in str(forecast.summary())
    assert forecast_gain(10_000, 100, r_squared=0.5).share_worth is None
    labels = (np.arange(60) % 3 == 0).astype(float)
    assert forecast_gain(10_000, 100, pilot=(labels, np.roll(labels, 1))).share_worth is not None
    assert forecast_gain(10_000, 100, pilot=(labels, np.linspace(0, 1, 60))).share_worth is None


def test_plans_of_shares_find_the_labels_of_a_length() -> None:
    rng = np.random.default_rng(8)
    truth = (rng.random(3000) < 0.9).astype(float)
    frame = pd.DataFrame({"machine": np.where(rng.random(3000) < 0.95, truth, 1 - truth)})
    seen = pd.Series(truth, name="human").where(np.arange(3000) < 80)
    study = DesignSupervised(random_state=0).fit(frame, surrogate="machine").calibrate(seen)
    for population in ("superpopulation", "finite"):
        result = study.infer("human", model="proportion", population=population)
        plan = result.plan_labels([40, 80, 800], target_std_error=0.5 * result.std_error[0])
        assert plan.std_errors[1] == pytest.approx(result.std_error)
        needed = int(plan.needed[0])
        at = result.plan_labels([needed - 1, needed]).std_errors[:, 0]
        assert at[1] <= 0.5 * result.std_error[0] < at[0]
        assert plan.gold_std_errors[1] == pytest.approx(result.gold.std_error)
    assert study.infer("human", model="proportion").plan_labels(target_std_error=1e-6).needed == [np.inf]
    with pytest.raises(ValueError, match="does not say which part"):
        study.infer("human", model="proportion", interval="exact").plan_labels()
