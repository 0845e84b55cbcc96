"""Guarantees of BatchPredictor with everything redrawn: the paper's designs, real data, shift, strata, streams."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.frozen import FrozenEstimator

from validstats.batch import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
)
from validstats.batch.laws import batch_coverage_probability, simultaneous_rank
from validstats.datasets import load_randhie
from validstats.validity import binomial_acceptance, simulate

pytestmark = pytest.mark.validity


class Identity(RegressorMixin, BaseEstimator):
    """A fitted learner that predicts its first column."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return X[:, 0]

    def __sklearn_is_fitted__(self):
        return True


def frozen(target, **kwargs):
    return BatchPredictor(
        FrozenEstimator(Identity()), target, **{"random_state": 0, "confidence_level": 0.9, **kwargs}
    )


def linear(rng, size, shift=0.0):
    x = rng.normal(shift, 1.0, size=(size, 2))
    return x, x[:, 0] + rng.normal(size=size) * (0.5 + np.abs(x[:, 1]))


def paper_design(rng, size):
    """Section 4.1 of the paper: Y = X b1 + (X b2)^2 + N(0, |X b3|) in 20 dimensions, coefficients fixed."""
    fixed = np.random.default_rng(1234)
    mean, coefficients = fixed.normal(size=20), fixed.normal(size=(3, 20)) / np.sqrt(20)
    x = mean + np.sqrt(5.0) * rng.normal(size=(size, 20))
    a, b, c = (x @ k for k in coefficients)
    return x, a + b**2 + rng.normal(size=size) * np.abs(c)


def test_paper_simulation_41():
    """n = 200, m = 100: batch prediction reaches 0.9 (exactly 0.902), split conformal 0.59."""
    ours, naive, replicates = 0, 0, 150

    for generator in np.random.default_rng(41).spawn(replicates):
        x, y = paper_design(generator, 500)
        forest = RandomForestRegressor(10, min_samples_leaf=5, random_state=0).fit(x[:200], y[:200])
        estimator = BatchPredictor(
            FrozenEstimator(forest), Simultaneous(0.1), confidence_level=0.9
        ).calibrate(x[200:400], y[200:400])
        result = estimator.infer(x[400:])
        ours += result.contains(y[400:]).sum() >= 90
        naive += result.contains(y[400:], naive=True).sum() >= 90
    exact = simultaneous_rank(200, 100, 0.1, 0.1)[1].probability
    assert exact == pytest.approx(0.9020, abs=1e-4)
    check = binomial_acceptance(int(ours), replicates, exact, "two-sided")
    assert check.accepted, str(check)
    split = binomial_acceptance(
        int(naive), replicates, batch_coverage_probability(200, 100, 90, 181), "two-sided"
    )
    assert split.accepted, str(split)
    assert not binomial_acceptance(int(naive), replicates, 0.9).accepted


def test_randhie_matches_theory():
    """The design of 500 calibration rows and batches of 100, calibration redrawn in each replicate."""
    X, y = load_randhie(return_X_y=True)
    X = X.to_numpy()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(y))
    train, rest = order[:2190], order[2190:]
    learner = HistGradientBoostingRegressor(loss="poisson", max_iter=40, random_state=0).fit(
        X[train], y[train]
    )
    errors = np.abs(y[rest] - learner.predict(X[rest]))
    replicates = 1500
    drawn = np.array([errors[rng.choice(errors.size, 600, replace=False)] for _ in range(replicates)])
    calibration, batch = np.sort(drawn[:, :500], axis=1), drawn[:, 500:]
    ranks = {0.05: 472, 0.1: 467, 0.15: 464, 0.2: 461, 0.25: 459, 0.3: 456}
    probabilities = {0.05: 0.9562, 0.1: 0.9045, 0.15: 0.8607, 0.2: 0.8076, 0.25: 0.7677, 0.3: 0.7024}
    for alpha, rank in ranks.items():
        _, bound = simultaneous_rank(500, 100, 0.1, alpha)
        assert bound.rank == rank
        assert bound.probability == pytest.approx(probabilities[alpha], abs=1e-4)
        held = ((batch <= calibration[:, [rank - 1]]).sum(axis=1) >= 90).sum()
        check = binomial_acceptance(int(held), replicates, bound.probability)
        assert check.accepted, f"{alpha}: {check}"
    plain = ((batch <= calibration[:, [450]]).sum(axis=1) >= 90).sum()
    assert not binomial_acceptance(int(plain), replicates, 0.9).accepted


def test_randhie_selection():
    X, y = load_randhie(return_X_y=True)
    X = X.to_numpy()
    rng = np.random.default_rng(1)
    order = rng.permutation(len(y))
    train, rest = order[:2190], order[2190:]
    learner = HistGradientBoostingRegressor(loss="poisson", max_iter=40, random_state=0).fit(
        X[train], y[train]
    )
    held, replicates = 0, 300
    for _ in range(replicates):
        rows = rng.choice(rest, 1100, replace=False)
        estimator = BatchPredictor(
            FrozenEstimator(learner), Selection(above=5, max_false=3), random_state=0, confidence_level=0.9
        )
        estimator.calibrate(X[rows[:1000]], y[rows[:1000]])
        held += estimator.infer(X[rows[1000:]]).false_claims(y[rows[1000:]])[0] <= 3
    check = binomial_acceptance(int(held), replicates, 0.9)
    assert check.accepted, str(check)


ESTIMATORS = {
    "mean with bounds": (BatchMean(), {"bounds": (-15, 15)}, 100, 30),
    "mean by partition": (BatchMean(), {}, 300, 10),
    "median of absolute errors": (BatchQuantile(0.5), {"conformity_score": "absolute"}, 100, 30),
    "quartiles": (BatchQuantile((0.25, 0.75)), {}, 100, 30),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_intervals(name):
    target, options, n, m = ESTIMATORS[name]

    def replicate(rng, index):
        x, y = linear(rng, n + m)
        y = np.clip(y, -15, 15)
        result = (
            frozen(target, n_resamples=199, random_state=rng, **options).calibrate(x[:n], y[:n]).infer(x[n:])
        )
        values = np.abs(y - x[:, 0])[n:] if options.get("conformity_score") else y[n:]
        if isinstance(target, BatchMean):
            truth = np.array([values.mean()])
        else:
            truth = np.quantile(values, target.probabilities(), method="inverted_cdf")
        return bool(((result.conf_low[0] <= truth) & (truth <= result.conf_high[0])).all())

    check = simulate(replicate, 400, 0.9, random_state=11)
    assert check.accepted, str(check)


def test_wrong_predictions():
    def replicate(rng, index):
        x, y = linear(rng, 150)
        result = frozen(ErrorCount(tolerance=1.0)).calibrate(x[:100], y[:100]).infer(x[100:])
        return (np.abs(y - x[:, 0])[100:] > 1.0).sum() <= result.conf_high[0, 0]

    check = simulate(replicate, 600, 0.9, random_state=12)
    assert check.accepted, str(check)


def false_discovery_share(selected, y, above, rng):
    """A coin with the false discovery proportion as its probability: its mean is the false discovery rate."""
    proportion = (selected & (y <= above)).sum() / max(selected.sum(), 1)
    return rng.random() >= proportion


@pytest.mark.parametrize("randomised", [False, True])
def test_false_discovery_rate(randomised):
    target = Selection(above=0.5, fdr=0.2, randomised=randomised)

    def replicate(rng, index):
        x, y = linear(rng, 500)
        chosen = frozen(target, random_state=rng).calibrate(x[:300], y[:300]).select(x[300:])
        return false_discovery_share(chosen, y[300:], 0.5, rng)

    check = simulate(replicate, 1500, 0.8, random_state=13)
    assert check.accepted, str(check)


def test_plain_predictions_have_a_high_false_discovery_rate():
    """The test of the test: claiming every prediction above the limit."""

    def replicate(rng, index):
        x, y = linear(rng, 200)
        return false_discovery_share(x[:, 0] > 0.5, y, 0.5, rng)

    assert not simulate(replicate, 1500, 0.8, random_state=14).accepted


def test_false_discovery_curve_after_looking():
    """The largest selection whose bound is below a half is chosen after looking; the bound still holds."""

    def replicate(rng, index):
        x, y = linear(rng, 400)
        result = frozen(Envelope("upper", above=0.5)).calibrate(x[:300], y[:300]).infer(x[300:])
        curve = result.discoveries()
        false = np.array([((x[300:, 0] > t) & (y[300:] <= 0.5)).sum() for t in curve.threshold])
        return bool((false <= curve.max_false).all())

    check = simulate(replicate, 500, 0.9, random_state=15)
    assert check.accepted, str(check)


def strata_data(rng, size, share):
    group = (rng.random(size) < share).astype(int)
    y = np.where(group == 1, 3.0, 0.0) + rng.normal(size=size)
    return np.zeros((size, 1)), y, group


@pytest.mark.parametrize("target", [BatchQuantile(0.5, "upper"), Simultaneous(0.1)], ids=repr)
def test_strata_under_another_mix(target):
    """Calibration with 20 % of stratum 1, batches with 70 %: the product law holds."""

    def replicate(rng, index):
        x, y, group = strata_data(rng, 300, 0.2)
        x_new, y_new, group_new = strata_data(rng, 40, 0.7)
        result = frozen(target).calibrate(x, y, strata=group).infer(x_new, strata=group_new)
        if isinstance(target, Simultaneous):
            return result.contains(y_new).sum() >= 36
        return np.quantile(y_new, 0.5, method="inverted_cdf") <= result.conf_high[0, 0]

    check = simulate(replicate, 400, 0.9, random_state=16)
    assert check.accepted, str(check)


def test_pooling_strata_fails_under_another_mix():
    """The test of the test: without strata the same bound covers almost never."""

    def replicate(rng, index):
        x, y, _ = strata_data(rng, 300, 0.2)
        x_new, y_new, _ = strata_data(rng, 40, 0.7)
        result = frozen(BatchQuantile(0.5, "upper")).calibrate(x, y).infer(x_new)
        return np.quantile(y_new, 0.5, method="inverted_cdf") <= result.conf_high[0, 0]

    check = simulate(replicate, 300, 0.9, random_state=17)
    assert not check.accepted
    assert check.frequency < 0.2


def shifted(rng, size, tilted):
    """Rows uniform on [0, 1], or tilted to the density 2 x; labels grow with x."""
    x = np.sqrt(rng.random(size)) if tilted else rng.random(size)
    return x[:, None] * 0.0, x, 3 * x + rng.normal(size=size)


@pytest.mark.parametrize("use_weights", [True, False])
def test_covariate_shift(use_weights):
    """Rejection with the known ratio 2 x <= 2 keeps the level; ignoring the shift does not."""

    def replicate(rng, index):
        X, x, y = shifted(rng, 300, tilted=False)
        X_new, _, y_new = shifted(rng, 40, tilted=True)
        options = {"weights": 2 * x, "w_max": 2.0} if use_weights else {}
        estimator = frozen(BatchQuantile(0.5, "upper"), random_state=rng).calibrate(X, y, **options)
        return np.quantile(y_new, 0.5, method="inverted_cdf") <= estimator.infer(X_new).conf_high[0, 0]

    check = simulate(replicate, 800, 0.9, random_state=18)
    assert check.accepted == use_weights, str(check)


@pytest.mark.parametrize("joint", [True, False])
def test_joint_statements_over_batches(joint):
    """With joint=True all six batches hold at once; without, each holds and all six together do not."""

    def replicate(rng, index):
        x, y = linear(rng, 120 + 120)
        batches = np.repeat(np.arange(6), 20)
        result = frozen(BatchQuantile(0.5, "upper")).calibrate(x[:120], y[:120])
        result = result.infer(x[120:], batches=batches, joint=joint)
        truth = [np.quantile(y[120:][batches == b], 0.5, method="inverted_cdf") for b in range(6)]
        return bool((np.array(truth) <= result.conf_high[:, 0]).all())

    check = simulate(replicate, 600, 0.9, random_state=19)
    assert check.accepted == joint, str(check)


def test_stream_of_updates():
    """Predict a batch, then add it: the statement about each batch keeps its exact probability."""
    hits = np.zeros(4)
    replicates = 800
    for generator in np.random.default_rng(20).spawn(replicates):
        x, y = linear(generator, 60 + 4 * 30)
        estimator = frozen(BatchQuantile(0.8, "upper")).calibrate(x[:60], y[:60])
        for b in range(4):
            rows = slice(60 + 30 * b, 90 + 30 * b)
            bound = estimator.infer(x[rows]).conf_high[0, 0]
            hits[b] += np.quantile(y[rows], 0.8, method="inverted_cdf") <= bound
            estimator.update(x[rows], y[rows])
    for count in hits:
        check = binomial_acceptance(int(count), replicates, 0.9)
        assert check.accepted, str(check)


def test_reusing_training_rows_breaks_the_guarantee():
    """The test of the test: calibrating on the rows that trained a flexible learner."""

    def replicate(rng, index):
        x, y = linear(rng, 200)
        forest = RandomForestRegressor(10, random_state=0).fit(x[:100], y[:100])
        estimator = BatchPredictor(
            FrozenEstimator(forest), Simultaneous(0.1), confidence_level=0.9
        ).calibrate(x[:100], y[:100])
        return estimator.infer(x[100:]).contains(y[100:]).sum() >= 90

    assert not simulate(replicate, 100, 0.9, random_state=21).accepted
