from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import dsl_design as oracle
from validstats.dsl import Pilot, design_sampling
from validstats.dsl.plan import bounded_probabilities, residual_scale
from validstats.dsl.plan.allocation import (
    active_probabilities,
    allocate_to_strata,
    draw_fixed,
    draw_poisson,
    draw_systematic,
    label_variance,
    neyman_gain_bound,
    pilot_gain,
)
from validstats.validity import binomial_acceptance

sizes = st.lists(st.floats(0.01, 100), min_size=2, max_size=12)


@given(sizes, st.floats(0.02, 0.98), st.floats(0.05, 1))
@settings(max_examples=60, deadline=None)
def test_probabilities_equal_the_bisection(size, share, floor) -> None:
    size = np.array(size)
    n_labels = share * len(size)
    mine = bounded_probabilities(size, n_labels, floor)
    np.testing.assert_allclose(mine, oracle.bounded_probabilities(size, n_labels, floor), rtol=1e-8)
    assert mine.sum() == pytest.approx(n_labels, rel=1e-10)


def test_probabilities_with_zero_sizes_and_full_labelling() -> None:
    p = bounded_probabilities(np.array([0.0, 0.0, 1.0]), 2.0, 0.2)
    np.testing.assert_allclose(p, [0.5, 0.5, 1.0])
    np.testing.assert_allclose(bounded_probabilities(np.zeros(4), 2.0), 0.5)
    np.testing.assert_allclose(bounded_probabilities(np.array([1.0, 5.0]), 2.0), 1.0)


def test_active_probabilities_mix_with_uniform() -> None:
    size = np.array([0.1, 0.2, 0.9, 0.4])
    mixed = active_probabilities(size, 2.0, mixing=0.5, floor=0.1)
    np.testing.assert_allclose(mixed, 0.5 * bounded_probabilities(size, 2.0, 0.1) + 0.25)
    np.testing.assert_allclose(active_probabilities(size, 2.0, mixing=0.0), 0.5)


@pytest.mark.parametrize("scale", [(1, 1, 1), (4, 1, 1), (0.1, 3, 1), (0, 1, 2)])
@pytest.mark.parametrize("n_labels", [6, 9, 14, 20])
def test_allocation_is_near_the_best_of_all(scale, n_labels) -> None:
    sizes_h, scale = np.array([5, 9, 6]), np.array(scale, dtype=float)
    counts = allocate_to_strata(sizes_h, n_labels, scale)
    assert counts.sum() == n_labels
    assert np.all(counts >= 2) and np.all(counts <= sizes_h)
    best = oracle.best_allocation(sizes_h, n_labels, scale, 2)
    reached = oracle.allocation_variance(sizes_h, scale, counts)
    assert reached <= best * 1.15 + 1e-12


def test_proportional_allocation_is_exact_where_it_divides() -> None:
    assert allocate_to_strata(np.array([10, 20, 30]), 12).tolist() == [2, 4, 6]
    with pytest.raises(ValueError, match="cannot be divided among 3 strata"):
        allocate_to_strata(np.array([10, 20, 30]), 5)


@pytest.mark.parametrize("kind", ["poisson", "systematic"])
def test_draws_honour_their_probabilities(kind) -> None:
    probability = bounded_probabilities(np.array([1.0, 2.0, 5.0, 0.1, 9.0, 3.0, 3.0]), 3.0)
    rng = np.random.default_rng(1)
    draw = draw_poisson if kind == "poisson" else draw_systematic
    hits = np.array([draw(probability, rng) for _ in range(4000)])
    if kind == "systematic":
        assert set(hits.sum(axis=1)) == {3}
    for j, p in enumerate(probability):
        assert binomial_acceptance(int(hits[:, j].sum()), 4000, p, "two-sided").accepted
    wrong = binomial_acceptance(int(hits[:, 3].sum()), 4000, 3 / 7, "two-sided")
    assert not wrong.accepted


def test_fixed_draws_count_exactly_and_evenly() -> None:
    strata = np.array([0, 1, 0, 1, 1, 0, 1, 1])
    rng = np.random.default_rng(2)
    hits = np.array([draw_fixed(strata, np.array([1, 2]), rng) for _ in range(3000)])
    assert set(hits[:, strata == 0].sum(axis=1)) == {1}
    assert set(hits[:, strata == 1].sum(axis=1)) == {2}
    for j, h in enumerate(strata):
        expected = 1 / 3 if h == 0 else 2 / 5
        assert binomial_acceptance(int(hits[:, j].sum()), 3000, expected, "two-sided").accepted


def test_label_variance_is_that_of_the_enumerated_samples() -> None:
    values, probability = np.array([1.0, -2.0, 0.5, 3.0]), np.array([0.3, 0.5, 0.9, 0.25])
    assert label_variance(values**2, probability) == pytest.approx(
        oracle.poisson_estimator_variance(values, probability), rel=1e-12
    )


def test_gain_bound_is_what_optimal_probabilities_reach() -> None:
    v = np.repeat([0.01 * 0.99, 0.25], [9000, 1000])
    n_labels = 50
    best = label_variance(v, bounded_probabilities(np.sqrt(v), n_labels, 1e-6))
    uniform = label_variance(v, np.full(10_000, n_labels / 10_000))
    assert neyman_gain_bound(v) == pytest.approx(1.74, abs=0.005)
    assert uniform / best == pytest.approx(neyman_gain_bound(v), rel=0.02)


def test_pilot_gain_is_unbiased_for_the_true_gain() -> None:
    rng = np.random.default_rng(3)
    v = rng.gamma(0.5, size=50_000)
    design = bounded_probabilities(np.sqrt(v), 500.0)
    truth = label_variance(v, np.full(50_000, 0.01)) / label_variance(v, design)
    pilot = rng.random(50_000) < 0.3
    gain, error = pilot_gain(v[pilot], np.full(pilot.sum(), 1 / 0.3), design[pilot], 0.01)
    assert abs(gain - truth) < 4 * error
    assert 0 < error < 0.1


def test_residual_scale_learns_where_residuals_are_large() -> None:
    rng = np.random.default_rng(4)
    x = rng.random((3000, 2))
    truth = 0.1 + 2.0 * (x[:, 0] > 0.5)
    labelled = rng.random(3000) < 0.3
    residual = truth * rng.normal(size=3000)
    scale = residual_scale(residual[labelled] ** 2, x, labelled, np.random.default_rng(0))
    assert scale.shape == (3000,)
    assert np.corrcoef(scale, truth)[0, 1] > 0.95
    assert np.median(scale[x[:, 0] > 0.6]) == pytest.approx(2.1, rel=0.15)


@pytest.mark.slow
def test_out_of_fold_scale_forecasts_no_gain_from_noise() -> None:
    """With constant residual variance, learned probabilities must not be forecast to help."""
    rng = np.random.default_rng(5)
    gains = []
    for _ in range(3):
        x, labelled = rng.normal(size=(2000, 3)), rng.random(2000) < 0.1
        squared = rng.normal(size=2000)[labelled] ** 2
        scale = residual_scale(squared, x, labelled, rng)
        design = bounded_probabilities(scale, 400.0)
        gains.append(pilot_gain(squared, np.full(labelled.sum(), 10.0), design[labelled], 0.2)[0])
    assert np.mean(gains) < 1.05


def test_auto_falls_back_unless_the_forecast_is_large() -> None:
    flat = np.full(1000, 0.5)
    plan = design_sampling(1000, 100, uncertainty=flat, random_state=0)
    assert plan.method == "uniform" and "not above 1.15" in plan.decision
    strata = np.repeat(["a", "b"], 500)
    plan = design_sampling(1000, 100, uncertainty=flat, strata=strata, random_state=0)
    assert plan.method == "stratified" and plan.selected[:500].sum() == 50
    steep = np.repeat([0.05, 1.0], [900, 100])
    plan = design_sampling(1000, 100, uncertainty=steep, random_state=0)
    assert plan.method == "neyman" and plan.gain > 1.15
    assert plan.sampling_probability.sum() == pytest.approx(100)
    assert plan.sampling_probability.min() >= 0.2 * 0.1 - 1e-12


def test_a_pilot_overrules_a_wrong_uncertainty() -> None:
    rng = np.random.default_rng(6)
    wrong = np.repeat([1.0, 0.05], [900, 100])
    truth = np.repeat([0.05, 1.0], [900, 100])
    index = rng.choice(1000, 200, replace=False)
    residual = (truth[index] * rng.normal(size=200)) ** 2
    pilot = Pilot(index=index, squared_residual=residual, probability=np.full(200, 0.2))
    believed = design_sampling(1000, 100, uncertainty=wrong, method="neyman", random_state=0)
    tested = design_sampling(1000, 100, uncertainty=wrong, pilot=pilot, random_state=0)
    assert believed.gain > 1.0
    assert tested.method == "uniform"
    assert next(c for c in tested.candidates if c.method == "neyman").gain < 0.5


def test_designs_by_name() -> None:
    steep = np.repeat([0.05, 1.0], [900, 100])
    strata = np.repeat([7, 3], [900, 100])
    plan = design_sampling(1000, 100, method="stratified", strata=strata, uncertainty=steep, random_state=0)
    assert plan.selected[900:].sum() > 60 and plan.selected.sum() == 100
    np.testing.assert_allclose(
        plan.sampling_probability[[0, -1]],
        [plan.selected[:900].sum() / 900, plan.selected[900:].sum() / 100],
    )
    np.testing.assert_array_equal(plan.strata, strata)
    active = design_sampling(1000, 100, method="active", uncertainty=steep, draw="systematic", random_state=0)
    assert active.selected.sum() == 100 and active.strata is None
    assert "systematic" in str(active.summary())
    poisson = design_sampling(1000, 100, draw="poisson", random_state=0)
    np.testing.assert_allclose(poisson.sampling_probability, 0.1)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_probabilities_come_in_the_callers_frame(library) -> None:
    frame = library({"u": np.repeat([0.05, 1.0], [90, 10]), "s": ["a", "b"] * 50})
    plan = design_sampling(frame, 10, uncertainty="u", strata="s", random_state=3)
    tidy = plan.tidy()
    assert type(tidy) is type(frame)
    assert set(np.asarray(tidy["selected"]).tolist()) <= {True, False}
    assert len(np.asarray(tidy["sampling_probability"])) == 100
    assert type(plan.glance()) is type(frame)


def test_the_draw_is_reproducible_and_the_input_untouched() -> None:
    size = np.linspace(0.1, 1.0, 50)
    before = size.copy()
    first = design_sampling(50, 10, method="neyman", uncertainty=size, random_state=1)
    second = design_sampling(50, 10, method="neyman", uncertainty=size, random_state=1)
    np.testing.assert_array_equal(first.selected, second.selected)
    np.testing.assert_array_equal(size, before)


def test_the_report_names_design_forecast_and_guarantee() -> None:
    plan = design_sampling(1000, 100, uncertainty=np.full(1000, 0.5), random_state=0)
    text = str(plan.summary())
    assert "Whom to label" in text and "What you can rely on" in text and "neyman" in text
    assert plan.to_dict()["overall"]["n_selected"] == 100
    assert "<table" in plan._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_labels": 0}, "n_labels must be between 1 and 20"),
        ({"n_labels": 21}, "n_labels must be between 1 and 20"),
        ({"method": "best"}, "method must be one of"),
        ({"method": "stratified"}, "needs strata"),
        ({"method": "neyman"}, "needs uncertainty"),
        ({"method": "neyman", "draw": "fixed", "uncertainty": np.ones(20)}, "cannot honour"),
        ({"uncertainty": np.full(20, -1.0)}, "must not be negative"),
        ({"uncertainty": np.full(20, np.nan)}, "missing value"),
        ({"uncertainty": np.full(20, np.inf)}, "infinite"),
        ({"uncertainty": np.ones(3)}, "there are 20 units"),
        ({"strata": [None] + ["a"] * 19}, "missing value"),
        ({"floor": 0.0}, "floor must be finite and in"),
        ({"mixing": 1.5}, "mixing must be finite and in"),
        (
            {"pilot": Pilot(index=np.array([30]), squared_residual=np.ones(1), probability=np.ones(1))},
            "positions between 0 and 19",
        ),
        (
            {"pilot": Pilot(index=np.array([3]), squared_residual=np.ones(1), probability=np.zeros(1))},
            r"must be in \(0, 1\]",
        ),
    ],
)
def test_bad_input_is_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        design_sampling(20, **({"n_labels": 5} | arguments))


def test_a_column_name_needs_a_frame() -> None:
    with pytest.raises(TypeError, match="units is not a data frame"):
        design_sampling(20, 5, uncertainty="u")
    with pytest.raises(ValueError, match="units is empty"):
        design_sampling(pd.DataFrame({"u": []}), 5)
