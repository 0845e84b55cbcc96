"""Sequential labelling: intervals at all looks at once, against ordinary intervals that are looked at often."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from sklearn.tree import DecisionTreeRegressor

from validstats.dsl.sequence import SequentialLabelling
from validstats.dsl.sequence.confidence_sequences import mean_sequence, sequence_radii
from validstats.dsl.sequence.forward import ENOUGH_EXPECTED, ENOUGH_SEEN, effective_units, regression_look
from validstats.runtime import map_replicates
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity

TRUTH = 0.4 * 0.9 + 0.6 * 0.25


def stream(rng, n, share):
    """Pseudo-outcomes of a stream: the prediction of each unit is the mean of earlier labels with its machine label."""
    machine = rng.random(n) < 0.4
    truth = (rng.random(n) < np.where(machine, 0.9, 0.25)).astype(float)
    labelled = rng.random(n) < share
    prediction = np.empty(n)
    for value in (False, True):
        now = machine == value
        hits = np.cumsum(np.where(now & labelled, truth, 0.0))
        counts = np.cumsum(now & labelled)
        before_hits, before = np.concatenate([[0.0], hits[:-1]]), np.concatenate([[0], counts[:-1]])
        prediction[now] = ((before_hits + 0.5) / (before + 1.0))[now]
    return prediction + labelled / share * (truth - prediction)


def looks_after_every_unit(rng, index):
    values = stream(rng, 20_000, 0.1)
    sequence = mean_sequence(values, 0.05, start=500)
    error = np.abs(sequence.estimate - TRUTH)
    ordinary = stats.norm.isf(0.025) * np.sqrt(sequence.variance / sequence.times)
    return bool(np.all(error <= sequence.radius)), bool(np.all(error <= ordinary))


def test_sequences_cover_at_all_times_and_ordinary_intervals_do_not() -> None:
    held = np.array(map_replicates(looks_after_every_unit, 1000, random_state=2024))
    ours = binomial_acceptance(int(held[:, 0].sum()), 1000, 0.95)
    assert ours.accepted, str(ours)
    naive = binomial_acceptance(int(held[:, 1].sum()), 1000, 0.95)
    assert not naive.accepted and naive.frequency < 0.7, str(naive)


def regression_labelling(rng, share=0.2, start=400, block=100):
    """Label 4,000 units in blocks; returns the labelling and the regressors, whose slope is 1."""
    n = 4000
    x = rng.normal(size=n)
    truth = 0.5 + 1.0 * x + rng.normal(size=n) * (1.0 + 0.5 * np.abs(x))
    machine = truth + 0.5 * x + rng.normal(size=n)
    labelling = SequentialLabelling(rule="uniform", label_share=share, start=start, random_state=rng)
    labelling.fit(np.column_stack([machine, x]))
    while labelling.n_remaining > 0:
        labelling.record(truth[labelling.next_labels(block).to_label])
    return labelling, np.column_stack([np.ones(n), x])


def regression_run(rng, index):
    labelling, design = regression_labelling(rng)
    result = labelling.infer(design)
    error = np.abs(result.estimates[:, 1] - 1.0)
    ordinary = stats.norm.isf(0.025) * result.std_errors[:, 1]
    return bool(np.all(error <= result.radii[:, 1])), bool(np.all(error <= ordinary))


def test_regression_slopes_are_covered_at_all_looks() -> None:
    held = np.array(map_replicates(regression_run, 150, random_state=7))
    ours = binomial_acceptance(int(held[:, 0].sum()), 150, 0.95)
    assert ours.accepted, str(ours)
    naive = binomial_acceptance(int(held[:, 1].sum()), 150, 0.95)
    assert not naive.accepted, str(naive)


def active_run(rng, index):
    n = 3000
    x = rng.random((n, 1))
    hard = x[:, 0] > 0.8
    truth = np.where(hard, rng.normal(2.0, 3.0, n), rng.normal(0.0, 0.3, n))
    # whatever learner the probabilities come from: a small tree finds the hard units and takes little time
    learner = DecisionTreeRegressor(max_leaf_nodes=6, min_samples_leaf=10)
    labelling = SequentialLabelling(
        learner, rule="active", label_share=0.15, start=500, random_state=rng
    ).fit(x)
    while labelling.n_remaining > 0:
        labelling.record(truth[labelling.next_labels(600).to_label])
    result = labelling.infer()
    return bool(np.all((result.lows[:, 0] <= 0.4) & (result.highs[:, 0] >= 0.4)))


def test_learned_probabilities_keep_the_level() -> None:
    held = map_replicates(active_run, 60, random_state=11)
    check = binomial_acceptance(int(np.sum(held)), 60, 0.95)
    assert check.accepted, str(check)


def rare_looks(rng, share, unequal, n=3000, first=100, block=100):
    """Units of which 3 % are positive, labelled by ``share``; looks from 500 units on, as (enough, not asked) held."""
    truth = (rng.random(n) < 0.03).astype(float)
    probability = np.where(rng.random(n) < 0.5, 0.2 * share, 1.8 * share) if unequal else np.full(n, share)
    probability[:first] = 1.0
    labelled = rng.random(n) < probability
    times = np.arange(first, n + 1, block)
    prediction = np.zeros(n)
    for begin, end in pairwise(times):
        prediction[begin:end] = np.mean(np.where(labelled, truth / probability, 0.0)[:begin])
    error = np.where(labelled, truth - prediction, np.nan)
    pseudo = prediction + np.nan_to_num(error) / probability
    times = times[times >= 500]
    looks = [regression_look(np.ones((t, 1)), pseudo[:t]) for t in times]
    units = [effective_units(look, error[:t], probability[:t]) for look, t in zip(looks, times)]
    enough = np.array([(seen >= ENOUGH_SEEN) & (expected >= ENOUGH_EXPECTED) for seen, expected in units])
    variances = np.array([look.variance for look in looks])
    miss = np.abs(np.array([look.estimate for look in looks]) - 0.03)
    asked = sequence_radii(times, variances, enough, 2500, 0.1)
    held = [
        bool(np.all(miss <= sequence_radii(times, variances, b, 2500, 0.1))) for b in (enough, variances > 0)
    ]
    return [*held, bool(np.isfinite(asked[-1, 0]))]


@pytest.mark.parametrize(("share", "unequal"), [(0.1, False), (0.3, False), (0.3, True)])
def test_rare_labels_hold_at_all_looks_since_the_sequence_waits_for_them(share, unequal) -> None:
    rng = np.random.default_rng([26, int(10 * share), unequal])
    held = np.array([rare_looks(rng, share, unequal) for _ in range(400)])
    ours = binomial_acceptance(int(held[:, 0].sum()), 400, 0.9)
    assert ours.accepted, str(ours)
    if share == 0.3 and not unequal:  # about 30 positive labels: it waits, and then speaks
        assert held[:, 2].mean() > 0.9
        return
    at_once = binomial_acceptance(int(held[:, 1].sum()), 400, 0.9)
    assert not at_once.accepted, str(at_once)


def after_a_poor_surrogate(rng, index):
    """A machine that guesses, and labels of which 3.6 % are 0; looks as (ours, by its errors in the first units) held."""
    n, rate, share, start = 3600, 0.964, 0.064, 360
    truth, machine = (rng.random((n,)) < rate).astype(float), rng.integers(2, size=n).astype(float)
    labelling = SequentialLabelling(label_share=share, start=start, random_state=rng)
    labelling.fit(machine[:, None], surrogate=machine)
    while labelling.n_remaining > 0:
        labelling.record(truth[labelling.next_labels(180).to_label])
    result, state = labelling.infer(), labelling.state_
    error, pseudo = state.outcome - state.prediction, state.pseudo_outcome
    looks = [regression_look(np.ones((t, 1)), pseudo[:t]) for t in result.times]
    units = [effective_units(look, error[:t], state.probability[:t]) for look, t in zip(looks, result.times)]
    enough = np.array([(seen >= ENOUGH_SEEN) & (expected >= ENOUGH_EXPECTED) for seen, expected in units])
    variances = np.array([look.variance for look in looks])
    at_once = sequence_radii(result.times, variances, enough, 5 * start, 0.05)
    miss = np.abs(result.estimates - rate)
    return bool(np.all(miss <= result.radii)), bool(np.all(miss <= at_once))


@pytest.mark.filterwarnings("ignore::validstats.exceptions.LabellingWarning")
def test_a_poor_surrogate_of_the_first_units_begins_no_sequence() -> None:
    held = np.array(map_replicates(after_a_poor_surrogate, 200, random_state=66))
    ours = binomial_acceptance(int(held[:, 0].sum()), 200, 0.95)
    assert ours.accepted, str(ours)
    at_once = binomial_acceptance(int(held[:, 1].sum()), 200, 0.95)
    assert not at_once.accepted, str(at_once)
