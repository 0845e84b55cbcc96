"""Absorbed effects: weights, instruments, leverage, whole clusters, comparison fits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from tests.checks import in_turn
from tests.oracles import dsl as oracle
from validstats import DesignSupervised
from validstats.dsl.fit import Component, LabelledSample, empty_term, fit_fixed_effects, mixture, within_term
from validstats.dsl.moments import Absorber, InstrumentalMoment, LinearMoment, RegressionRows

CODES = (np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3]), np.array([0, 1, 2, 0, 1, 2, 0, 1, 1, 4]))


def sample_of(moment, rows, labelled, probability):
    return LabelledSample(moment=moment, gold=rows.take(labelled), labelled=labelled, probability=probability)


class TestWeightedProjection:
    @pytest.mark.parametrize("ways", [1, 2])
    @pytest.mark.parametrize("zeros", [(), (0,), (3, 4, 5), (9,)])
    def test_projection_and_leverage_are_the_dense_ones(self, ways, zeros):
        rng, codes = np.random.default_rng(0), CODES[:ways]
        weights = rng.uniform(0.2, 3.0, 10)
        weights[list(zeros)] = 0.0
        absorber = Absorber(codes, weights)
        projection = oracle.weighted_projection_matrix(weights, *codes)
        values = rng.normal(size=(10, 3))
        np.testing.assert_allclose(absorber.project(values), projection @ values, atol=1e-10)
        np.testing.assert_allclose(absorber.leverage(), np.diag(projection), atol=1e-10)
        assert absorber.n_effects == np.linalg.matrix_rank(projection)

    def test_some_of_the_rows(self):
        weights = np.arange(1.0, 11.0)
        rows = np.array([0, 1, 4, 6, 7])
        inside = Absorber(CODES, weights).within(rows)
        projection = oracle.weighted_projection_matrix(weights[rows], *(c[rows] for c in CODES))
        np.testing.assert_allclose(inside.project(rows * 1.0), projection @ rows, atol=1e-10)


def small_case(seed, n=8):
    """Predicted covariate, instrument and outcome with weights and an offset, and the effects of two units."""
    rng = np.random.default_rng(seed)
    gold = {
        "X": rng.normal(size=(n, 2)),
        "Z": rng.normal(size=(n, 3)),
        "y": rng.normal(size=n),
        "weights": rng.uniform(0.5, 2.0, n),
        "offset": rng.normal(size=n),
    }
    predicted = {**gold, **{k: gold[k] + 0.7 * rng.normal(size=gold[k].shape) for k in ("X", "Z", "y")}}
    return rng, np.arange(n) // 4, RegressionRows(**gold), RegressionRows(**predicted)


def scaled(rows, absorber, name):
    values = rows.y - rows.offset if name == "y" else getattr(rows, name)
    return absorber.scaled(values).reshape(len(values), -1)


class TestEstimate:
    @pytest.mark.parametrize("instruments", [False, True])
    def test_it_solves_the_entry_by_entry_moments(self, instruments):
        rng, codes, gold, predicted = small_case(0, n=40)
        if not instruments:
            gold, predicted = (RegressionRows(**{**vars(r), "Z": None}) for r in (gold, predicted))
        labelled, probability = rng.random(40) < 0.7, np.full(40, 0.7)
        absorber = Absorber([codes], gold.weights)
        sample = sample_of(InstrumentalMoment(), gold, labelled, probability)
        fit = fit_fixed_effects(sample, (Component(rows=predicted),), absorber)
        projection = oracle.weighted_projection_matrix(gold.weights, codes)
        w = labelled / probability

        def moment(a, b):
            left, right = ([scaled(r, absorber, v) for r in (gold, predicted)] for v in (a, b))
            return oracle.corrected_cross_moment(left, right, w, projection)

        if instruments:
            first = np.linalg.solve(moment("Z", "Z"), moment("Z", "X"))
            expected = np.linalg.solve(first.T @ moment("Z", "X"), first.T @ moment("Z", "y"))[:, 0]
        else:
            gram = moment("X", "X")
            expected = np.linalg.solve((gram + gram.T) / 2, moment("X", "y"))[:, 0]
        np.testing.assert_allclose(fit.params, expected, rtol=1e-8)
        np.testing.assert_allclose(fit.psi.sum(axis=0), 0.0, atol=1e-8)

    def test_cross_moments_of_instruments_are_unbiased_over_every_sample(self):
        rng, codes, gold, predicted = small_case(1)
        probability = rng.uniform(0.3, 0.8, 8)
        projection = oracle.weighted_projection_matrix(gold.weights, codes)
        absorber = Absorber([codes], gold.weights)
        mean = np.zeros((3, 2))
        for labelled, chance in oracle.poisson_samples(probability):
            pairs = ([scaled(r, absorber, v) for r in (gold, predicted)] for v in ("Z", "X"))
            mean += chance * oracle.corrected_cross_moment(*pairs, labelled / probability, projection)
        z, x = scaled(gold, absorber, "Z"), scaled(gold, absorber, "X")
        np.testing.assert_allclose(mean, z.T @ (np.eye(8) - projection) @ x, atol=1e-10)

    def test_residual_is_what_one_label_adds(self):
        """The estimating function is linear in each weight; the residual is its slope."""
        rng, codes, gold, predicted = small_case(2, n=24)
        gold, predicted = (RegressionRows(**{**vars(r), "Z": None}) for r in (gold, predicted))
        probability, labelled = rng.uniform(0.4, 0.9, 24), rng.random(24) < 0.7
        absorber = Absorber([codes], gold.weights)
        fit = fit_fixed_effects(
            sample_of(LinearMoment(), gold, labelled, probability), (Component(rows=predicted),), absorber
        )
        projection = oracle.weighted_projection_matrix(gold.weights, codes)

        def total(w):
            left = [scaled(r, absorber, "X") for r in (gold, predicted)]
            error = [
                scaled(r, absorber, "y") - (scaled(r, absorber, "X") @ fit.params)[:, None]
                for r in (gold, predicted)
            ]
            return oracle.corrected_cross_moment(left, error, w, projection)[:, 0]

        w = labelled / probability
        np.testing.assert_allclose(total(w), 0.0, atol=1e-8)
        for k, i in enumerate(np.flatnonzero(labelled)):
            moved = w.copy()
            moved[i] += 1.0
            np.testing.assert_allclose(fit.residual[k], total(moved) - total(w), atol=1e-8)

    def test_without_predictions_it_is_design_based(self):
        _, codes, gold, _ = small_case(3)
        gold = RegressionRows(**{**vars(gold), "Z": None, "weights": None, "offset": None})
        probability, gram = np.full(8, 0.6), np.zeros((2, 2))
        for labelled, chance in oracle.poisson_samples(probability):
            if labelled.sum() < 4:
                empty = np.zeros_like(gold.X)
                pair = [gold.X, empty]
                gram += chance * oracle.corrected_cross_moment(
                    pair, pair, labelled / probability, oracle.projection_matrix(codes)
                )
                continue
            sample = sample_of(LinearMoment(), gold, labelled, probability)
            fit = fit_fixed_effects(sample, empty_term(sample), Absorber([codes]))
            gram += chance * 8 * np.linalg.inv(fit.bread)
        within = np.eye(8) - oracle.projection_matrix(codes)
        np.testing.assert_allclose(gram, gold.X.T @ within @ gold.X, atol=1e-8)


def test_within_mixture_has_the_expected_second_moments():
    """Rows completed independently: the mean over all joint completions of ``x' (I - P) x``."""
    rng, codes = np.random.default_rng(4), np.array([0, 0, 0])
    values, chance = rng.normal(size=(2, 3)), rng.uniform(0.2, 0.8, 3)
    term = tuple(
        Component(rows=RegressionRows(y=np.zeros(3), X=values[k][:, None]), weight=p)
        for k, p in enumerate((chance, 1 - chance))
    )
    absorber = Absorber([codes])
    done = within_term(term, absorber, absorber.effects(absorber.rows.sums(mixture(term))), absorber.rows)
    got = sum(float(np.sum(c.weight * c.rows.X[:, 0] ** 2)) for c in done)
    within, expected = np.eye(3) - oracle.projection_matrix(codes), 0.0
    for pattern in np.ndindex(2, 2, 2):
        x = np.array([values[k, i] for i, k in enumerate(pattern)])
        p = np.prod([chance[i] if k == 0 else 1 - chance[i] for i, k in enumerate(pattern)])
        expected += p * float(x @ within @ x)
    assert got == pytest.approx(expected, rel=1e-12)


def panel(seed=0, n_units=60, n_times=4):
    """A panel with a labelled covariate, a labelled outcome and an instrument; every label is known."""
    rng = np.random.default_rng(seed)
    unit, time = np.repeat(np.arange(n_units), n_times), np.tile(np.arange(n_times), n_units)
    n = len(unit)
    effect, z = rng.normal(size=n_units)[unit], rng.normal(size=n)
    shock = rng.normal(size=n)
    d = ((0.8 * z + 0.5 * effect + 0.5 * shock + rng.normal(size=n)) > 0).astype(float)
    x = rng.normal(size=n)
    y = d + 0.5 * x + effect + 0.3 * time + shock + rng.normal(size=n)
    data = pd.DataFrame(
        {"unit": unit, "time": time, "z": z, "x": x, "observed": y, "w": rng.uniform(0.5, 2, n)}
    )
    data["machine"] = np.where(rng.random(n) < 0.85, d, 1 - d)
    data["guess"] = y + rng.normal(size=n)
    return data, pd.DataFrame({"d": d, "y": y + 0.5 * rng.normal(size=n)})


def dummy_fit(data, truth, outcome, covariates, effects, weights=None):
    frame = pd.concat([data, truth], axis=1)
    dummies = [frame[c].to_numpy(float) for c in covariates]
    matrix = np.column_stack([*dummies, oracle.dummy_matrix(*(frame[e].to_numpy() for e in effects))])
    keep = list(range(np.linalg.matrix_rank(matrix)))
    model = sm.OLS if weights is None else sm.WLS
    options = {} if weights is None else {"weights": frame[weights].to_numpy()}
    return model(frame[outcome].to_numpy(), matrix[:, keep], **options)


@pytest.fixture(scope="module")
def full_panel():
    data, truth = panel()
    dsl = DesignSupervised(random_state=0, n_repeats=1)
    return data, truth, dsl.fit(data, surrogate={"d": "machine", "y": "guess"}).calibrate(truth)


class TestAllRowsLabelled:
    """With every label known each form is the regression with dummies, whatever the predictions."""

    @pytest.mark.parametrize(
        ("effects", "kind"), in_turn([("unit",), ("unit", "time")], ["HC3", "HC2", "HC0"])
    )
    @pytest.mark.parametrize("weights", [None, "w"])
    @pytest.mark.parametrize("outcome", ["observed", "y"])
    def test_dummy_regression(self, full_panel, outcome, effects, weights, kind):
        data, truth, dsl = full_panel
        covariates = ["d", "x"] if outcome == "observed" else ["x"]
        formula = f"{outcome} ~ {' + '.join(covariates)} | {' + '.join(effects)}"
        rows = np.arange(len(data))
        found = dsl.infer(formula, weights=weights, vcov=kind, clusters=rows, estimator="tuned")
        ordinary = dummy_fit(data, truth, outcome, covariates, effects, weights).fit(cov_type=kind)
        p = len(covariates)
        np.testing.assert_allclose(found.params, ordinary.params[:p], rtol=1e-8)
        np.testing.assert_allclose(found.std_error, ordinary.bse[:p], rtol=1e-6)
        np.testing.assert_allclose(found.gold.params, ordinary.params[:p], rtol=1e-8)
        np.testing.assert_allclose(found.gold.std_error, ordinary.bse[:p], rtol=1e-6)

    @pytest.mark.parametrize("clusters", ["unit", ["unit", "time"]])
    def test_clusters(self, full_panel, clusters):
        data, truth, dsl = full_panel
        found = dsl.infer("y ~ x | unit + time", vcov="HC0", clusters=clusters)
        fit = dummy_fit(data, truth, "y", ["x"], ["unit", "time"]).fit()
        projection = oracle.projection_matrix(data["unit"].to_numpy(), data["time"].to_numpy())
        inside = data["x"].to_numpy() - projection @ data["x"].to_numpy()
        psi = (inside * fit.resid)[:, None]
        vectors = [data[c].to_numpy() for c in ([clusters] if isinstance(clusters, str) else clusters)]
        n = len(data)
        meat = oracle.pairwise_meat(psi, *vectors)[0, 0]
        assert found.std_error[0] == pytest.approx(np.sqrt(max(meat, 0) * n) / (inside @ inside), rel=1e-7)

    @pytest.mark.share(3)
    @pytest.mark.parametrize(
        ("formula", "outcome", "exogenous"),
        [
            ("observed ~ x | unit | d ~ z", "observed", ["x"]),
            ("y ~ 1 | unit | d ~ z + x", "y", []),
            ("y ~ x | unit + time | observed ~ z", "y", ["x"]),
        ],
    )
    def test_instruments(self, full_panel, formula, outcome, exogenous):
        data, truth, dsl = full_panel
        frame = pd.concat([data, truth], axis=1)
        endogenous = "observed" if "observed ~ z" in formula else "d"
        instruments = ["z", "x"] if "+ x" in formula else ["z"]
        effects = ["unit", "time"] if "time" in formula else ["unit"]
        found = dsl.infer(formula, weights="w")
        expected = oracle.two_stage_within(
            frame[outcome].to_numpy(),
            frame[[*exogenous, endogenous]].to_numpy(),
            frame[[*exogenous, *instruments]].to_numpy(),
            frame["w"].to_numpy(),
            *(frame[e].to_numpy() for e in effects),
        )
        assert found.names[-1] == endogenous
        np.testing.assert_allclose(found.params, expected, rtol=1e-7)
        np.testing.assert_allclose(found.gold.params, expected, rtol=1e-7)
        assert np.all(np.isfinite(found.naive_fit.params)) and np.all(found.naive_fit.std_error > 0)

    def test_offset_is_taken_from_the_outcome(self, full_panel):
        data, truth, dsl = full_panel
        found = dsl.infer("observed ~ d | unit", offset="x")
        moved = truth.assign(moved=data["observed"] - data["x"])
        expected = oracle.within_regression(
            moved["moved"].to_numpy(), truth[["d"]].to_numpy(), data["unit"].to_numpy()
        )
        np.testing.assert_allclose(found.params, expected, rtol=1e-8)

    def test_row_order_and_zero_weights(self, full_panel):
        data, truth, dsl = full_panel
        weights = np.where(data["unit"] < 5, 0.0, 1.0)
        kept = weights > 0
        expected = oracle.within_regression(
            data["observed"].to_numpy()[kept], truth[["d"]].to_numpy()[kept], data["unit"].to_numpy()[kept]
        )
        np.testing.assert_allclose(
            dsl.infer("observed ~ d | unit", weights=weights).params, expected, rtol=1e-8
        )


@pytest.fixture(scope="module")
def part_panel():
    """Half of the rows labelled one by one."""
    data, truth = panel(seed=1, n_units=300)
    known = np.random.default_rng(2).random(len(data)) < 0.5
    dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate={"d": "machine", "y": "guess"})
    return data, truth, dsl.calibrate(truth.where(pd.Series(known)), sampling_probability=0.5), known


class TestPartLabelled:
    @pytest.mark.parametrize(
        ("estimator", "kind"), in_turn(["tuned", "dsl", "ppi", "gold"], ["HC0", "HC1", "HC2", "HC3"])
    )
    def test_every_estimator_and_variance(self, part_panel, estimator, kind):
        data, truth, dsl, _ = part_panel
        found = dsl.infer("observed ~ d + x | unit", estimator=estimator, vcov=kind)
        full = oracle.within_regression(
            data["observed"].to_numpy(),
            np.column_stack([truth["d"], data["x"]]),
            data["unit"].to_numpy(),
        )
        assert np.all(np.abs(found.params - full) < 5 * found.std_error)
        plain = dsl.infer("observed ~ d + x | unit", estimator=estimator, vcov="HC0")
        assert np.all(found.std_error >= plain.std_error * (1 - 1e-12))
        assert found.gold is not None and found.naive_fit is not None

    def test_gold_only_is_the_regression_of_the_labelled_rows(self, part_panel):
        data, truth, dsl, known = part_panel
        found = dsl.infer("observed ~ d + x | unit", vcov="HC0", clusters=np.arange(len(data)))
        frame = pd.concat([data, truth], axis=1)[known].reset_index(drop=True)
        fit = dummy_fit(frame, frame[[]], "observed", ["d", "x"], ["unit"]).fit(cov_type="HC0")
        np.testing.assert_allclose(found.gold.params, fit.params[:2], rtol=1e-8)
        np.testing.assert_allclose(found.gold.std_error, fit.bse[:2], rtol=1e-6)

    def test_naive_is_the_regression_on_machine_labels(self, part_panel):
        data, _, dsl, _ = part_panel
        found = dsl.infer("y ~ d | unit").naive_fit
        expected = oracle.within_regression(
            data["guess"].to_numpy(), data[["machine"]].to_numpy(), data["unit"].to_numpy()
        )
        np.testing.assert_allclose(found.params, expected, rtol=1e-8)

    def test_effects_add_nothing_to_standard_errors(self, part_panel):
        """A constant added to every outcome of a unit changes nothing, also where rows are not clustered."""
        data, truth, _, known = part_panel
        jump = 50.0 * np.sin(data["unit"].to_numpy())
        results = []
        for shift in (0.0, jump):
            moved = truth.assign(y=truth["y"] + shift).where(pd.Series(known))
            dsl = DesignSupervised(random_state=0, n_repeats=1, estimator="ppi")
            dsl.fit(data.assign(guess=data["guess"] + shift), surrogate={"d": "machine", "y": "guess"})
            dsl.calibrate(moved, sampling_probability=0.5)
            results.append(dsl.infer("y ~ x | unit", clusters=np.arange(len(data))))
        np.testing.assert_allclose(results[0].params, results[1].params, rtol=1e-8)
        np.testing.assert_allclose(results[0].std_error, results[1].std_error, rtol=1e-8)

    def test_finite_population_is_smaller_and_has_no_forecast(self, part_panel):
        _, _, dsl, _ = part_panel
        wide = dsl.infer("observed ~ d + x | unit")
        narrow = dsl.infer("observed ~ d + x | unit", population="finite")
        assert np.all(narrow.std_error < wide.std_error)
        assert any("upper bound" in note for note in narrow.notes)

    def test_power_tuning_is_refused(self, part_panel):
        with pytest.raises(ValueError, match="not available with absorbed effects"):
            part_panel[2].infer("observed ~ d | unit", estimator="ppi++")


@pytest.fixture(scope="module")
def unit_panel():
    """Whole units drawn."""
    data, truth = panel(seed=3, n_units=250)
    drawn = np.random.default_rng(5).random(250) < 0.4
    labels = truth.where(pd.Series(drawn[data["unit"]]))
    dsl = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate={"d": "machine", "y": "guess"})
    return data, truth, dsl.calibrate(labels, sampling_probability=0.4, clusters="unit")


class TestWholeClusters:
    @pytest.mark.share(3)
    @pytest.mark.parametrize("estimator", ["tuned", "dsl", "ppi", "ppi++", "gold"])
    @pytest.mark.parametrize("population", ["superpopulation", "finite"])
    def test_every_estimator(self, unit_panel, estimator, population):
        data, truth, dsl = unit_panel
        found = dsl.infer("observed ~ d + x | unit", estimator=estimator, population=population)
        assert dsl.calibration_.design.scheme == "clusters"
        full = oracle.within_regression(
            data["observed"].to_numpy(), np.column_stack([truth["d"], data["x"]]), data["unit"].to_numpy()
        )
        assert np.all(np.abs(found.params - full) < 5 * found.std_error)

    def test_gold_is_the_weighted_regression_of_the_drawn_units(self, unit_panel):
        _, _, dsl = unit_panel
        found = dsl.infer("observed ~ d + x | unit", estimator="gold", vcov="HC0")
        np.testing.assert_allclose(found.params, found.gold.params, rtol=1e-9)
        np.testing.assert_allclose(found.std_error, found.gold.std_error, rtol=1e-9)

    def test_instruments_and_weights(self, unit_panel):
        data, truth, dsl = unit_panel
        found = dsl.infer("observed ~ x | unit | d ~ z", weights="w")
        frame = pd.concat([data, truth], axis=1)
        full = oracle.two_stage_within(
            frame["observed"].to_numpy(),
            frame[["x", "d"]].to_numpy(),
            frame[["x", "z"]].to_numpy(),
            frame["w"].to_numpy(),
            frame["unit"].to_numpy(),
        )
        assert np.all(np.abs(found.params - full) < 5 * found.std_error)

    def test_effects_across_clusters_are_refused_with_advice(self, unit_panel):
        _, _, dsl = unit_panel
        with pytest.raises(ValueError, match=r"C\(time\)"):
            dsl.infer("observed ~ d | unit + time")
        assert len(dsl.infer("observed ~ d + C(time) | unit").params) == 4


@pytest.mark.slow
@pytest.mark.parametrize("effects", ["unit", "unit + time"])
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("covariates", ["x", "d", "x | d ~ z"])
def test_columns_that_the_effects_span_are_refused(part_panel, effects, weights, covariates):
    """Their within-transformation is rounding error, which must not be taken for variation."""
    _, _, dsl, _ = part_panel
    first, *instruments = covariates.split(" | ")
    formula = " | ".join([f"{first} + np.sin(unit)", effects, *instruments])
    with pytest.raises(ValueError, match=r"'np.sin\(unit\)' are spanned by the other columns and"):
        dsl.infer(f"y ~ {formula}", weights=weights)
