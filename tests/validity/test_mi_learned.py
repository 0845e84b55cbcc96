"""Coverage of the learned intervals on fresh distributions, and where it must fail."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
import pytest

from validstats.exceptions import ValidstatsWarning
from validstats.intake import alpha_fraction
from validstats.mi import Family, JointSample, LearnedMI, default_family
from validstats.mi.families import HELD_OUT_KINDS
from validstats.mi.families.gaussian import GaussianFamily
from validstats.mi.network import (
    MEDIAN,
    calibrate_scores,
    from_log_scale,
    interval_at,
    member_stack,
    thresholds,
    to_log_scale,
)
from validstats.mi.training.shards import make_shard
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity

FRESH_SEED = 987_654
"""Seed of sets that neither training nor calibration drew from."""


@lru_cache(maxsize=4)
def fresh(held_out):
    """Sets of the family that the weights name: of all kinds, or of those that were not held out."""
    return make_shard(default_family(held_out), FRESH_SEED, 0, 350)


@lru_cache(maxsize=4)
def fresh_quantiles(weights, held_out):
    """Quantiles of those sets by one kind of weights, which several tests judge."""
    return member_stack(fresh(held_out), LearnedMI(weights=weights).fit().weights_).mean(axis=0)


def evaluated(weights, shard, quantiles, level):
    estimator = LearnedMI(weights=weights).fit()
    score = thresholds(estimator.calibration_.table, shard.shape, alpha_fraction(level))
    low, high = (from_log_scale(end) for end in interval_at(quantiles, score))
    inside = (low <= shard.truth + 1e-6) & (shard.truth <= high + 1e-6)
    return from_log_scale(quantiles[:, MEDIAN]), inside


@pytest.mark.parametrize(("weights", "held_out"), [("shipped", ()), ("evaluation", HELD_OUT_KINDS)])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_intervals_cover_over_the_family(weights, held_out, level):
    shard = fresh(held_out)
    _, inside = evaluated(weights, shard, fresh_quantiles(weights, held_out), level)
    check = binomial_acceptance(int(inside.sum()), len(shard), level, alternative="two-sided")
    assert check.accepted, str(check)


def test_intervals_that_are_too_narrow_are_caught():
    # The test of the test: intervals that are far too narrow must be caught.
    shard = fresh(())
    quantiles = fresh_quantiles("shipped", ())
    low, high = (from_log_scale(end) for end in interval_at(quantiles, np.full(len(shard), 1.0)))
    inside = (low <= shard.truth + 1e-6) & (shard.truth <= high + 1e-6)
    assert not binomial_acceptance(int(inside.sum()), len(shard), 0.9).accepted


def test_estimates_beat_the_nearest_neighbours_in_family():
    shard = fresh(())
    estimate, _ = evaluated("shipped", shard, fresh_quantiles("shipped", ()), 0.9)
    learned = np.abs(to_log_scale(estimate) - to_log_scale(shard.truth))
    classical = np.abs(to_log_scale(shard.anchors) - to_log_scale(shard.truth)[:, None])
    # an anchor that does not apply to a set is NaN there; each one is judged on the sets that it applies to
    for number, errors in enumerate(classical.T):
        told = np.isfinite(errors)
        if told.sum() > 100:
            assert learned[told].mean() < 0.6 * errors[told].mean(), number


class Parity(Family):
    """The sign of Y is the product of the signs of all coordinates of X: log 2 nats that no smaller subset shows."""

    name = "parity"

    def sample_size(self, generator):
        return int(generator.integers(100, 401))

    def draw(self, generator, n):
        x = generator.normal(size=(n, int(generator.integers(4, 7))))
        y = np.prod(np.sign(x), axis=1) * np.abs(generator.normal(size=n))
        return JointSample(x, y[:, None], float(np.log(2)), self.name)


def test_out_of_family_nothing_is_promised_and_coverage_fails():
    shard = make_shard(Parity(), FRESH_SEED, 0, 120)
    quantiles = member_stack(shard, LearnedMI(weights="evaluation").fit().weights_).mean(axis=0)
    _, inside = evaluated("evaluation", shard, quantiles, 0.9)
    assert not binomial_acceptance(int(inside.sum()), len(shard), 0.9).accepted


def test_calibration_on_the_own_family_repairs_the_coverage():
    family = Parity()
    estimator = LearnedMI(weights="evaluation").fit()
    reference, shard = make_shard(family, FRESH_SEED, 1000, 250), make_shard(family, FRESH_SEED, 2000, 150)
    stacks = (member_stack(part, estimator.weights_).mean(axis=0) for part in (reference, shard))
    own, new = stacks
    table = calibrate_scores(own, to_log_scale(reference.truth), reference.shape)
    low, high = (
        from_log_scale(end) for end in interval_at(new, thresholds(table, shard.shape, alpha_fraction(0.9)))
    )
    inside = (low <= shard.truth + 1e-6) & (shard.truth <= high + 1e-6)
    # The calibration draw itself moves the coverage by about sqrt(0.09 / 250).
    assert binomial_acceptance(int(inside.sum()), len(shard), 0.9 - 3 * np.sqrt(0.09 / 250)).accepted


def test_intervals_are_given_for_most_of_the_family():
    family = default_family()
    estimator = LearnedMI()
    without = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidstatsWarning)
        for index in range(50):
            sample = family.sample(FRESH_SEED, index)
            if sample.n <= 1000:
                without.append(bool(estimator.infer(sample.x, sample.y, certify=False).withheld[0]))
    assert np.mean(without) < 0.15


def test_independence_is_recognised():
    generator = np.random.default_rng(0)
    estimates = LearnedMI().predict(
        [(generator.normal(size=(300, 2)), generator.normal(size=300)) for _ in range(30)]
    )
    assert np.median(estimates) < 0.03


def test_training_on_a_small_family_beats_the_nearest_neighbours():
    pytest.importorskip("torch")
    family = GaussianFamily()
    estimator = LearnedMI(random_state=0).fit(family, n_sets=250, epochs=20, ensemble=1, verbose=False)
    shard = make_shard(family, FRESH_SEED, 0, 150)
    estimate = from_log_scale(member_stack(shard, estimator.weights_).mean(axis=0)[:, MEDIAN])
    learned = np.abs(to_log_scale(estimate) - to_log_scale(shard.truth)).mean()
    classical = np.abs(to_log_scale(shard.anchors[:, 0]) - to_log_scale(shard.truth)).mean()
    assert learned < classical
