"""Differences of all pairs of groups hold together; intervals that are each at the level by themselves do not."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from validstats.dsl import DesignSupervised
from validstats.validity import binomial_acceptance

pytestmark = [
    pytest.mark.validity,
    pytest.mark.filterwarnings("ignore::validstats.exceptions.LabellingWarning"),
]

REPLICATES, FLOOR = 100, 0.94
# pass rates, and labels in each group
SETTINGS = {
    "four equal groups": ((0.8, 0.8, 0.8, 0.8), 60),
    "four rates, few labels": ((0.5, 0.7, 0.9, 0.98), 20),
}


def study(rng, rates, n_labels, size=300):
    """Return rows of groups with a judge, and their labels, a fixed number in each group."""
    group = np.repeat(np.arange(len(rates)), size)
    y = (rng.random(len(group)) < np.array(rates)[group]).astype(float)
    judge = np.where(rng.random(len(group)) < 0.85, y, 1.0 - y)
    labelled = np.zeros(len(group), dtype=bool)
    for g in range(len(rates)):
        labelled[rng.choice(np.flatnonzero(group == g), n_labels, replace=False)] = True
    frame = pd.DataFrame({"group": np.array(list("abcdefgh"))[group], "judge": judge})
    return frame, np.where(labelled, y, np.nan)


def by_pairs_alone(frame, y):
    """Return Wald intervals of the labels, each at the level by itself."""
    ends = []
    for first, second in combinations(sorted(frame["group"].unique()), 2):
        a, b = (y[(frame["group"] == g).to_numpy() & ~np.isnan(y)] for g in (first, second))
        half = stats.norm.isf(0.025) * np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
        ends.append((b.mean() - a.mean() - half, b.mean() - a.mean() + half))
    return np.array(ends)


def together(rates, n_labels, method, replicates):
    """Count the data sets in which the intervals of all pairs hold."""
    truth = np.array([b - a for a, b in combinations(rates, 2)])
    hits = 0
    for seed in range(replicates):
        frame, y = study(np.random.default_rng([77, seed]), rates, n_labels)
        ends = method(frame, y)
        hits += bool(np.all((ends[:, 0] <= truth) & (truth <= ends[:, 1])))
    return hits


def of_all_pairs(frame, y):
    """Return the intervals of ``model="difference"``."""
    dsl = DesignSupervised(random_state=0).fit(frame, surrogate="judge")
    labels = pd.Series(y, name="y")
    return dsl.calibrate(labels, strata="group").infer("y ~ group", model="difference").confidence_interval()


@pytest.mark.parametrize("name", SETTINGS)
def test_intervals_of_all_pairs_hold_together(name):
    check = binomial_acceptance(together(*SETTINGS[name], of_all_pairs, REPLICATES), REPLICATES, FLOOR)
    assert check.accepted, check


@pytest.mark.parametrize("name", SETTINGS)
def test_intervals_of_each_pair_by_itself_do_not(name):
    hits = together(*SETTINGS[name], by_pairs_alone, 3 * REPLICATES)
    assert not binomial_acceptance(hits, 3 * REPLICATES, FLOOR).accepted
