"""Variances follow from how labels were drawn: strata, whole clusters, a fixed number, a finite population."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from validstats import DesignSupervised
from validstats.dsl import plan_labels
from validstats.dsl.fit import SimpleFit
from validstats.dsl.labels import resolve_design
from validstats.dsl.moments import (
    SamplingDesign,
    VarianceParts,
    centred_influence,
    clustered_meat,
    design_meat,
    drawn_deviations,
    effective_labels,
    labelled_units,
)

ESTIMATORS = ["gold", "ppi", "ppi++", "dsl", "tuned"]
QUIET = pytest.mark.filterwarnings("ignore::validstats.exceptions.LabellingWarning")


def chosen(rng, rows, size):
    labelled = np.zeros(len(rows), dtype=bool)
    labelled[rng.choice(np.flatnonzero(rows), size, replace=False)] = True
    return labelled


def calibrated(data, outcome, labelled, estimator="tuned", surrogate="machine", **design):
    labels = pd.Series(np.where(labelled, outcome, np.nan), name="y")
    dsl = DesignSupervised(estimator=estimator, random_state=0, n_repeats=1)
    return dsl.fit(data, surrogate=surrogate).calibrate(labels, **design)


def stratified_clusters(seed, n_clusters=400):
    """Clusters of five in two strata whose means are 0 and 2, of which a half and a tenth are labelled."""
    rng = np.random.default_rng(seed)
    stratum = np.repeat([0, 1], n_clusters // 2)
    unit = np.repeat(np.arange(n_clusters), 5)
    y = (2.0 * stratum + 0.5 * rng.normal(size=n_clusters))[unit] + rng.normal(size=len(unit))
    drawn = chosen(rng, stratum == 0, n_clusters // 4) | chosen(rng, stratum == 1, n_clusters // 20)
    data = pd.DataFrame(
        {
            "machine": y + 1.5 + 0.5 * rng.normal(size=len(y)),
            "x": rng.normal(size=len(y)),
            "unit": unit,
            "stratum": stratum[unit],
        }
    )
    return data, y, drawn[unit]


def biased_sample(seed=0, n=2000, size=200, shift=2.0):
    rng = np.random.default_rng(seed)
    x, h = rng.normal(size=n), rng.integers(0, 3, n)
    y = 0.5 * x + rng.normal(size=n) + 0.4 * h
    data = pd.DataFrame({"machine": y + shift + 0.5 * rng.normal(size=n), "x": x, "h": h})
    return data, y, chosen(rng, np.ones(n, dtype=bool), size)


@QUIET
class TestClustersWithinStrata:
    def test_probabilities_are_the_shares_of_clusters_within_strata(self):
        data, y, labelled = stratified_clusters(0)
        dsl = calibrated(data, y, labelled, strata="stratum", clusters="unit")
        np.testing.assert_allclose(dsl.calibration_.probability, np.where(data["stratum"] == 0, 0.5, 0.1))
        assert dsl.calibration_.design_text.endswith("simple random sampling within strata")
        assert "clusters within strata" in str(dsl.summary())
        whole = calibrated(data, y, labelled, clusters="unit").calibration_
        np.testing.assert_allclose(whole.probability, 0.3)
        assert whole.design_text.endswith("simple random sampling")

    @pytest.mark.share(3)
    @pytest.mark.parametrize("estimator", ESTIMATORS)
    def test_estimates_are_near_those_of_all_labels(self, estimator):
        data, y, labelled = stratified_clusters(1)
        dsl = calibrated(data, y, labelled, estimator, strata="stratum", clusters="unit")
        result = dsl.infer("y", model="mean", population="finite")
        assert abs(result.params[0] - y.mean()) < 3.5 * result.std_error[0]
        assert result.std_error[0] < 0.1

    def test_the_finite_variance_is_that_of_a_stratified_mean_of_clusters(self):
        data, y, labelled = stratified_clusters(2)
        dsl = calibrated(data, y, labelled, "gold", strata="stratum", clusters="unit")
        result = dsl.infer("y", model="mean", population="finite", vcov="HC0")
        sums = np.bincount(data["unit"], y - result.params[0])
        stratum, drawn = data["stratum"].to_numpy()[::5], labelled[::5]
        variance = 0.0
        for h in (0, 1):
            found = sums[(stratum == h) & drawn]
            variance += 200**2 * (1 - len(found) / 200) * found.var(ddof=1) / len(found)
        assert result.std_error[0] == pytest.approx(np.sqrt(variance) / len(y), rel=1e-9)

    def test_the_finite_variance_is_unbiased_over_every_sample(self):
        rng = np.random.default_rng(3)
        units, strata = np.repeat(np.arange(6), [1, 2, 3, 2, 1, 2]), np.array([0, 0, 0, 1, 1, 1])
        strata = strata[units]
        values = rng.normal(size=(len(units), 2)) + 3.0
        design = SamplingDesign(scheme="clusters", units=units, strata=strata)
        probability, n = np.full(len(units), 2 / 3), len(units)
        totals, estimated = [], np.zeros((2, 2))
        for first, second in product(combinations(range(3), 2), combinations(range(3, 6), 2)):
            labelled = np.isin(units, first + second)
            totals.append((values / probability[:, None])[labelled].sum(axis=0))
            estimated += n * design_meat(values[labelled], probability[labelled], n, design, labelled) / 9
        np.testing.assert_allclose(estimated, np.cov(np.array(totals).T, ddof=0), rtol=1e-10)

    def test_clusters_in_several_strata_are_refused(self):
        data, y, labelled = stratified_clusters(4)
        crossing = np.arange(len(y)) % 2
        with pytest.raises(ValueError, match=r"strata and clusters do not say.*Pass sampling_probability"):
            calibrated(data, y, labelled, strata=crossing, clusters="unit")
        explicit = calibrated(
            data, y, labelled, strata=crossing, clusters="unit", sampling_probability=0.3
        ).calibration_
        assert explicit.design.strata is None and "strata" not in explicit.design_text

    def test_a_stratum_without_a_labelled_cluster_is_refused(self):
        data, y, labelled = stratified_clusters(5)
        with pytest.raises(ValueError, match="1 of 2 strata have no labelled cluster"):
            calibrated(data, y, labelled & (data["stratum"] == 0), strata="stratum", clusters="unit")

    def test_given_probabilities_leave_the_number_of_clusters_to_chance(self):
        data, y, labelled = stratified_clusters(6)
        given = np.where(data["stratum"] == 0, 0.5, 0.1)
        by_coin = calibrated(
            data, y, labelled, "ppi", strata="stratum", clusters="unit", sampling_probability=given
        )
        fixed = calibrated(data, y, labelled, "ppi", strata="stratum", clusters="unit")
        assert by_coin.calibration_.design.strata is None
        one, other = by_coin.infer("y", model="mean"), fixed.infer("y", model="mean")
        np.testing.assert_allclose(one.params, other.params, rtol=1e-12)
        assert other.std_error[0] < 0.7 * one.std_error[0]

    def test_resolved_designs(self):
        codes, labelled = np.array([0, 0, 1, 1, 2, 2]), np.array([1, 1, 0, 0, 1, 1], dtype=bool)
        plain = resolve_design(labelled, None, (codes,), None)
        assert plain.strata is not None and not plain.strata.any()
        assert resolve_design(labelled, None, (codes,), 0.5).strata is None
        assert labelled_units(plain, labelled) == 2 and labelled_units(SamplingDesign(), labelled) == 4


@QUIET
class TestAFixedNumberOfLabels:
    """Where the number of labels is fixed, a constant error of the machine labels costs nothing."""

    @pytest.mark.share(2)
    @pytest.mark.parametrize("estimator", ["ppi", "ppi++", "dsl", "tuned"])
    def test_a_constant_error_changes_no_standard_error_of_a_mean(self, estimator):
        results = []
        for shift in (0.0, 5.0):
            data, y, labelled = biased_sample(shift=shift)
            results.append(calibrated(data, y, labelled, estimator).infer("y", model="mean"))
        np.testing.assert_allclose(results[1].std_error, results[0].std_error, rtol=1e-8)
        forecasts = [plan_labels(r, [400, 2000]).std_errors for r in results]
        np.testing.assert_allclose(forecasts[1], forecasts[0], rtol=1e-8)

    @pytest.mark.parametrize("options", [{}, {"population": "finite"}])
    def test_one_stratum_is_simple_random_sampling(self, options):
        data, y, labelled = biased_sample()
        one, other = (
            calibrated(data, y, labelled, "ppi", **design).infer("y ~ x", **options)
            for design in ({}, {"strata": np.zeros(len(y))})
        )
        np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-10)

    def test_the_standard_error_is_the_textbook_one(self):
        data, y, labelled = biased_sample(size=400)
        result = calibrated(data, y, labelled, "ppi").infer("y", model="mean")
        error = (y - data["machine"])[labelled]
        n, m = len(y), 400
        variance = y[labelled].var() / n + (1 - m / n) * error.var() / m
        assert result.std_error[0] == pytest.approx(np.sqrt(variance), rel=0.02)
        np.testing.assert_allclose(result.influence.mean(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose(clustered_meat(result.influence) / n, result.covariance, rtol=1e-12)

    def test_a_constant_error_in_each_stratum_costs_nothing(self):
        """Errors of the machine that are constant within strata cost nothing, and the variance is positive."""
        for seed in range(5):
            data, y, _ = biased_sample(seed, n=600, shift=5.0)
            rng = np.random.default_rng(seed)
            h = data["h"].to_numpy()
            labelled = np.any([chosen(rng, h == k, 20 * (k + 1)) for k in range(3)], axis=0)
            spreads = []
            for slope in (0.0, 30.0):
                wrong = data.assign(machine=data["machine"] + slope * h)
                result = calibrated(wrong, y, labelled, "ppi", strata="h").infer("y", model="mean")
                spreads.append(result.std_error[0])
                assert np.linalg.eigvalsh(result.covariance).min() > 0
                np.testing.assert_allclose(result.influence.sum(axis=0), 0.0, atol=1e-8)
            assert spreads[1] == pytest.approx(spreads[0], rel=1e-8)

    def test_clusters_of_standard_errors_keep_the_centring(self):
        data, y, labelled = biased_sample()
        unit = np.arange(len(y)) // 4
        far, near = (
            calibrated(data.assign(machine=data["machine"] + c), y, labelled, "ppi").infer(
                "y", model="mean", clusters=unit
            )
            for c in (0.0, 9.0)
        )
        np.testing.assert_allclose(far.std_error, near.std_error, rtol=1e-8)
        np.testing.assert_allclose(
            far.recluster(unit).covariance,
            calibrated(data, y, labelled, "ppi").infer("y", model="mean").recluster(unit).covariance,
            rtol=1e-8,
        )

    def test_drawn_clusters_of_a_fixed_number(self):
        data, y, labelled = stratified_clusters(0)
        data, y = data[data["stratum"] == 0].reset_index(drop=True), y[data["stratum"] == 0]
        labelled = labelled[: len(y)]
        far, near = (
            calibrated(data.assign(machine=data["machine"] + c), y, labelled, "ppi", clusters="unit").infer(
                "y", model="mean"
            )
            for c in (0.0, 9.0)
        )
        np.testing.assert_allclose(far.std_error, near.std_error, rtol=1e-8)

    @pytest.mark.slow
    @pytest.mark.parametrize("model", ["mean", "linear"])
    def test_standard_errors_are_those_of_repeated_samples(self, model):
        formula = "y" if model == "mean" else "y ~ x"
        found = {estimator: [] for estimator in ("gold", "ppi", "ppi++")}
        for seed in range(100):
            data, y, labelled = biased_sample(seed, n=400, size=100)
            for estimator, values in found.items():
                result = calibrated(data, y, labelled, estimator).infer(formula, model=model)
                values.append([result.params[0], result.std_error[0]])
        for values in found.values():
            estimates, errors = np.array(values).T
            assert np.sqrt(np.mean(errors**2)) / estimates.std() == pytest.approx(1.0, abs=0.2)

    def test_independent_draws_keep_the_error_of_their_number(self):
        data, y, labelled = biased_sample()
        by_coin = calibrated(data, y, labelled, "ppi", sampling_probability=0.1).infer("y", model="mean")
        fixed = calibrated(data, y, labelled, "ppi").infer("y", model="mean")
        assert by_coin.std_error[0] > 3.0 * fixed.std_error[0]

    def test_unequal_probabilities_within_a_stratum(self):
        """The part of the residual that is proportional to the probability is what a fixed number cancels."""
        rng = np.random.default_rng(8)
        probability = rng.uniform(0.1, 0.9, 60)
        labelled = rng.random(60) < probability
        design = SamplingDesign(scheme="stratified", units=np.repeat([0, 1], 30))
        residual = 3.0 * probability[labelled][:, None]
        meat = design_meat(residual, probability[labelled], 60, design, labelled)
        np.testing.assert_allclose(meat, 0.0, atol=1e-12)
        psi = np.zeros((60, 1))
        psi[labelled] = (1 / probability[labelled] - 1)[:, None] * residual
        psi[~labelled] = -3.0 * probability[~labelled][:, None]
        np.testing.assert_allclose(
            centred_influence(psi, residual, probability, design, labelled), 0.0, atol=1e-12
        )

    def test_lone_and_certain_units(self):
        labelled = np.array([True, False, True, True])
        design = SamplingDesign(scheme="stratified", units=np.array([0, 0, 1, 1]))
        probability = np.array([0.5, 0.5, 1.0, 1.0])
        residual = np.array([[2.0], [3.0], [5.0]])
        deviations, of_units = drawn_deviations(residual, probability[labelled], design, labelled)
        np.testing.assert_allclose(deviations[:, 0], [4.0, -np.sqrt(2.0), np.sqrt(2.0)])
        np.testing.assert_allclose(of_units, [0.5, 1.0, 1.0])
        psi = np.arange(4.0)[:, None]
        np.testing.assert_allclose(centred_influence(psi, residual, probability, design, labelled), psi)


class TestWorthInLabels:
    def test_a_finite_population_has_no_more_labels_than_rows(self):
        gold, own = np.array([4.0, 4.0, 1.0]), np.array([4e-9, 2.0, 0.0])
        found = effective_labels(100, gold, own, 1000, finite=True)
        np.testing.assert_allclose(found, [1000.0, 200.0 / (0.9 + 0.1 * 2.0), 1000.0], rtol=1e-6)
        np.testing.assert_allclose(effective_labels(100, gold, own, 1000), [1000.0, 200.0, 1000.0])
        np.testing.assert_allclose(effective_labels(1000, gold, own, 1000, finite=True), 1000.0)

    def test_worth_is_the_number_whose_gold_variance_is_the_same(self):
        n, m = 1000, 100
        ratio = (1 / m - 1 / n) / (1 / 400 - 1 / n)
        found = effective_labels(m, np.array([ratio]), np.array([1.0]), n, finite=True)
        assert found[0] == pytest.approx(400.0)

    @pytest.mark.share(3)
    @QUIET
    @pytest.mark.parametrize(("formula", "model"), [("y", "mean"), ("y ~ x", "linear"), ("y", "quantile")])
    def test_results_of_nearly_perfect_machine_labels(self, formula, model):
        rng = np.random.default_rng(9)
        x = rng.normal(size=1000)
        y = x + rng.normal(size=1000)
        data = pd.DataFrame({"machine": y + 0.01 * rng.normal(size=1000), "x": x})
        dsl = calibrated(data, y, chosen(rng, np.ones(1000, dtype=bool), 150))
        for population in ("finite", "superpopulation"):
            worth = dsl.infer(formula, model=model, population=population).effective_labels
            assert np.all(worth <= 1000.0) and np.all(worth > 400.0)


@QUIET
class TestForecastsOfGold:
    def test_they_agree_where_all_rows_are_labelled(self):
        rng = np.random.default_rng(10)
        unit = np.repeat(np.arange(200), 20)
        x = rng.normal(size=200)[unit]
        y = x + 1.5 * rng.normal(size=200)[unit] + rng.normal(size=4000)
        data = pd.DataFrame({"machine": y + 1.0 + 0.5 * rng.normal(size=4000), "x": x, "unit": unit})
        dsl = calibrated(data, y, chosen(rng, np.ones(4000, dtype=bool), 800), clusters="unit")
        plan = plan_labels(dsl.infer("y ~ x"), [800, 4000])
        np.testing.assert_allclose(plan.std_errors[1], plan.gold_std_errors[1], rtol=0.12)
        np.testing.assert_allclose(plan.gold_std_errors[0], dsl.infer("y ~ x").gold.std_error, rtol=1e-12)

    def test_absorbed_effects_have_parts_too(self):
        data, y, labelled = biased_sample()
        result = calibrated(data, y, labelled).infer("y ~ x | h", clusters=np.arange(len(y)) // 4)
        parts = result.gold.variance_parts
        assert parts is not None
        np.testing.assert_allclose(parts.std_errors(1.0), result.gold.std_error, rtol=1e-12)

    def test_without_parts_all_of_the_variance_shrinks(self):
        fit = SimpleFit(params=np.ones(1), std_error=np.array([0.2]))
        assert fit.variance_parts is None
        known = SimpleFit(
            params=np.ones(1),
            std_error=np.array([0.2]),
            variance_parts=VarianceParts(
                covariance=np.array([[[0.04]]]), label_covariance=np.array([[[0.01]]])
            ),
        )
        assert known.variance_parts.std_errors(0.25)[0] == pytest.approx(np.sqrt(0.04 - 0.0075))


@QUIET
class TestGoldWithinEffects:
    @pytest.mark.parametrize("formula", ["y ~ x | time", "y2 ~ y | time"])
    @pytest.mark.parametrize("population", ["superpopulation", "finite"])
    def test_gold_only_is_the_fit_itself(self, formula, population):
        data, y, labelled = biased_sample()
        data = data.assign(time=np.arange(len(y)) % 10, y2=y + data["x"])
        result = calibrated(data, y, labelled, "gold").infer(formula, population=population)
        np.testing.assert_array_equal(result.gold.params, result.params)
        np.testing.assert_array_equal(result.gold.std_error, result.std_error)

    def test_the_finite_variance_knows_that_clusters_were_drawn(self):
        rng = np.random.default_rng(11)
        unit = np.repeat(np.arange(300), 8)
        time = np.tile(np.arange(8) // 4, 300)
        effect = 1.5 * rng.normal(size=300)[unit]
        x = rng.normal(size=300)[unit] * (time == 1) + 0.3 * rng.normal(size=2400)
        y = x + effect * x + rng.normal(size=2400)
        data = pd.DataFrame({"machine": y + rng.normal(size=2400), "x": x, "unit": unit, "time": time})
        labelled = chosen(rng, np.ones(300, dtype=bool), 100)[unit]
        dsl = calibrated(data, y, labelled, clusters="unit")
        beside = dsl.infer("y ~ x | unit", population="finite").gold.std_error[0]
        alone = dsl.infer("y ~ x | unit", population="finite", estimator="gold").std_error[0]
        assert beside == pytest.approx(alone, rel=0.15)

    @pytest.mark.parametrize("kind", ["HC0", "HC1"])
    def test_with_simple_random_sampling_it_is_the_regression_of_the_labelled_rows(self, kind):
        data, y, labelled = biased_sample()
        fitted = calibrated(data, y, labelled).infer("y ~ x | h", vcov=kind, clusters=np.arange(len(y)))
        h, x = data["h"].to_numpy()[labelled], data["x"].to_numpy()[labelled]
        inside = x - (np.bincount(h, x) / np.bincount(h))[h]
        slope = inside @ y[labelled] / (inside @ inside)
        error = y[labelled] - slope * x
        error -= (np.bincount(h, error) / np.bincount(h))[h]
        spread = np.sqrt(np.sum((inside * error) ** 2)) / (inside @ inside)
        factor = 1.0 if kind == "HC0" else np.sqrt(200 / 199)
        assert fitted.gold.params[0] == pytest.approx(slope, rel=1e-10)
        assert fitted.gold.std_error[0] == pytest.approx(spread * factor, rel=1e-8)


@QUIET
class TestWeightedInstruments:
    @pytest.mark.parametrize("weights", [None, "w"])
    def test_over_identified_two_stage_least_squares_by_hand(self, weights):
        rng = np.random.default_rng(12)
        n = 800
        z, z2, noise = rng.normal(size=n), rng.normal(size=n), rng.normal(size=n)
        w = rng.uniform(0.1, 5.0, n)
        e = z * (1 + (w > 2.5)) + 0.5 * z2 + noise
        x = rng.normal(size=n)
        y = x + 0.7 * e + noise + rng.normal(size=n)
        data = pd.DataFrame({"machine": y, "x": x, "e": e, "z": z, "z2": z2, "w": w})
        result = calibrated(data, y, np.ones(n, dtype=bool), "gold").infer(
            "y ~ x | e ~ z + z2", weights=weights, vcov="HC0"
        )
        weight = np.ones(n) if weights is None else w
        X = np.column_stack([np.ones(n), x, e])
        Z = np.column_stack([np.ones(n), x, z, z2])
        first = np.linalg.solve(Z.T @ (weight[:, None] * Z), Z.T @ (weight[:, None] * X))
        projected = Z @ first
        jacobian = projected.T @ (weight[:, None] * X)
        expected = np.linalg.solve(jacobian, projected.T @ (weight * y))
        np.testing.assert_allclose(result.params, expected, rtol=1e-8)
        scores = projected * (weight * (y - X @ expected))[:, None]
        spread = np.linalg.solve(jacobian, np.linalg.solve(jacobian, scores.T @ scores).T)
        np.testing.assert_allclose(result.std_error, np.sqrt(np.diag(spread)), rtol=1e-8)

    def test_absorbed_effects_are_dummies(self):
        rng = np.random.default_rng(13)
        n = 600
        z, z2, noise, w = *rng.normal(size=(3, n)), rng.uniform(0.1, 5.0, n)
        h = np.arange(n) % 5
        e = z * (1 + (w > 2.5)) + 0.5 * z2 + noise + h
        y = 0.7 * e + noise + rng.normal(size=n)
        data = pd.DataFrame({"machine": y, "e": e, "z": z, "z2": z2, "w": w, "h": h})
        dsl = calibrated(data, y, np.ones(n, dtype=bool), "gold")
        plain = dsl.infer("y ~ C(h) | e ~ z + z2", weights="w")
        absorbed = dsl.infer("y ~ 1 | h | e ~ z + z2", weights="w")
        assert plain.params[plain.names.index("e")] == pytest.approx(absorbed.params[0], rel=1e-8)


@QUIET
class TestClustersOfAnInference:
    @pytest.mark.parametrize("model", ["mean", "quantile"])
    def test_clusters_that_divide_the_drawn_ones_are_refused(self, model):
        data, y, labelled = stratified_clusters(7)
        dsl = calibrated(data, y, labelled, strata="stratum", clusters="unit")
        rows = np.arange(len(y))
        for finer in (rows, [rows // 2, rows % 7]):
            named = {f"c{k}": c for k, c in enumerate(np.atleast_2d(finer))}
            dsl.units_ = replace(dsl.units_, given=dsl.units_.data.assign(**named))
            with pytest.raises(
                ValueError, match="clusters divides 400 of the 400 clusters that were labelled as a whole"
            ):
                dsl.infer("y", model=model, clusters=list(named))

    def test_unions_of_drawn_clusters_are_taken(self):
        data, y, labelled = stratified_clusters(7)
        dsl = calibrated(data, y, labelled, strata="stratum", clusters="unit")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            coarse = dsl.infer("y", model="mean", clusters=data["unit"] // 2)
            same = dsl.infer("y", model="mean", clusters="unit")
        np.testing.assert_allclose(same.covariance, dsl.infer("y", model="mean").covariance, rtol=1e-12)
        assert coarse.std_error[0] > 0
        crossed = np.arange(len(y)) % 60
        dsl.units_ = replace(dsl.units_, given=dsl.units_.data.assign(crossed=crossed))
        assert dsl.infer("y", model="mean", clusters=["unit", "crossed"]).std_error[0] > 0
