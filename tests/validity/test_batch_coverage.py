"""Coverage of every bound on scores, everything redrawn in each replicate, judged by the exact binomial law.

Where theory gives the probability exactly (continuous scores), frequencies are tested on both sides.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from validstats.batch.laws import (
    batch_coverage_probability,
    compositional_interval,
    error_count_upper,
    mean_interval,
    order_statistic_box,
    order_statistic_interval,
    rank_envelope,
    rank_lower,
    rank_upper,
    selection_rank,
    simultaneous_rank,
)
from validstats.batch.laws.means import partition_interval
from validstats.batch.laws.rank_sum import rank_sum_quantile
from validstats.batch.laws.sampling import monte_carlo_quantile, sample_ranks
from validstats.validity import binomial_acceptance, simulate

pytestmark = pytest.mark.validity

LAWS = {
    "normal": lambda rng, size: rng.normal(size=size),
    "uniform": lambda rng, size: rng.random(size),
    "exponential": lambda rng, size: rng.exponential(size=size),
    "t3": lambda rng, size: rng.standard_t(3, size=size),
    "beta": lambda rng, size: rng.beta(0.5, 0.5, size=size),
    "four values": lambda rng, size: rng.integers(0, 4, size=size).astype(float),
    "half ties": lambda rng, size: np.where(rng.random(size) < 0.5, 0.0, rng.normal(size=size)),
    "exchangeable": lambda rng, size: rng.normal(size=(size[0], 1)) + rng.normal(size=size),
}
TIED = {"four values", "half ties"}


def draw(law, n, m, replicates, seed):
    """Sorted calibration and batch scores of every replicate."""
    scores = LAWS[law](np.random.default_rng(seed), (replicates, n + m))
    return np.sort(scores[:, :n], axis=1), np.sort(scores[:, n:], axis=1)


def accept(successes, trials, probability, *, exact):
    check = binomial_acceptance(int(successes), trials, probability, "two-sided" if exact else "less")
    assert check.accepted, str(check)


ORDER_STATISTICS = [
    (200, 40, 20, 0.1, "two-sided", "normal"),
    (50, 10, 5, 0.1, "two-sided", "exponential"),
    (30, 5, 5, 0.2, "two-sided", "t3"),
    (100, 20, 18, 0.1, "upper", "uniform"),
    (100, 20, 3, 0.05, "lower", "beta"),
    (45, 5, 5, 0.1, "upper", "exchangeable"),
    (500, 100, 50, 0.3, "two-sided", "exchangeable"),
    (19, 1, 1, 0.05, "upper", "normal"),
    (200, 40, 20, 0.1, "upper", "four values"),
    (200, 40, 20, 0.1, "two-sided", "half ties"),
    (60, 30, 27, 0.1, "upper", "half ties"),
]


@pytest.mark.parametrize("setting", ORDER_STATISTICS, ids=str)
def test_order_statistics(setting):
    n, m, zeta, alpha, side, law = setting
    replicates = 4000
    calibration, batch = draw(law, n, m, replicates, seed=n + m)
    target = batch[:, zeta - 1]
    bound = order_statistic_interval(calibration[0], m, zeta, alpha, side=side)
    low, high = np.full(replicates, -np.inf), np.full(replicates, np.inf)
    [(rank_low, rank_high)] = bound.ranks
    if rank_low is not None and rank_low > 1:
        low = calibration[:, rank_low - 2]
    if rank_high is not None and rank_high <= n:
        high = calibration[:, rank_high - 1]
    covered = ((low <= target) & (target <= high)).sum()
    accept(covered, replicates, bound.probability, exact=law not in TIED)
    assert bound.probability >= 1 - alpha


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.01])
def test_k_of_m(alpha):
    n, m, replicates = 200, 100, 4000
    calibration, batch = draw("exponential", n, m, replicates, seed=17)
    k, bound = simultaneous_rank(n, m, 0.1, alpha)
    covered = (batch <= calibration[:, [bound.rank - 1]]).sum(axis=1) >= k
    accept(covered.sum(), replicates, bound.probability, exact=True)


def test_split_conformal_fails_for_batches():
    """The test of the test: its sets are right on average, and for only 59 % of the batches."""
    n, m, replicates = 200, 100, 4000
    calibration, batch = draw("exponential", n, m, replicates, seed=18)
    rank = math.ceil(0.9 * (n + 1))
    covered = (batch <= calibration[:, [rank - 1]]).sum(axis=1)
    assert binomial_acceptance(int(covered.sum()), replicates * m, 0.88).accepted
    successes = int((covered >= 90).sum())
    exact = batch_coverage_probability(n, m, 90, rank)
    assert exact == pytest.approx(0.5876, abs=1e-4)
    accept(successes, replicates, exact, exact=True)
    assert not binomial_acceptance(successes, replicates, 0.9).accepted


@pytest.mark.parametrize(
    ("n", "m", "eta", "alpha"), [(300, 50, 0, 0.2), (300, 50, 5, 0.1), (100, 20, 2, 0.1)]
)
def test_selection(n, m, eta, alpha):
    rng = np.random.default_rng(eta)
    replicates = 4000
    x = rng.normal(size=(replicates, n + m))
    y = x + rng.normal(size=x.shape)
    scores = np.where(y <= 0.5, x, -np.inf)
    bound = selection_rank(n, m, eta, alpha)
    threshold = np.sort(scores[:, :n], axis=1)[:, [bound.rank - 1]]
    false = (scores[:, n:] > threshold).sum(axis=1)
    accept((false <= eta).sum(), replicates, bound.probability, exact=True)


@pytest.mark.parametrize(("n", "m", "rate"), [(100, 20, 0.05), (50, 30, 0.3), (200, 100, 0.5), (30, 5, 0.01)])
def test_error_count(n, m, rate):
    rng = np.random.default_rng(int(100 * rate))
    replicates = 3000
    calibration, batch = rng.binomial(n, rate, replicates), rng.binomial(m, rate, replicates)
    bounds = {k: error_count_upper(n, k, m, 0.1) for k in np.unique(calibration).tolist()}
    covered = sum(b <= bounds[k] for k, b in zip(calibration.tolist(), batch.tolist()))
    accept(covered, replicates, 0.9, exact=False)
    if rate >= 0.05:
        plug_in = sum(b <= m * k / n for k, b in zip(calibration.tolist(), batch.tolist()))
        assert not binomial_acceptance(plug_in, replicates, 0.9).accepted


MEANS = [
    ("rank-sum", "uniform", 100, 5, "upper", (0, 1)),
    ("rank-sum", "beta", 40, 10, "upper", (0, 1)),
    ("rank-sum", "t3", 200, 10, "upper", (-np.inf, np.inf)),
    ("phi-sum", "beta", 60, 30, "two-sided", (0, 1)),
    ("phi-band", "beta", 60, 30, "upper", (0, 1)),
    ("phi-band", "uniform", 100, 50, "two-sided", (0, 1)),
    ("phi-band", "four values", 60, 20, "lower", (0, 3)),
    ("partition", "t3", 200, 10, "two-sided", (-np.inf, np.inf)),
    ("partition", "half ties", 100, 10, "upper", (-np.inf, np.inf)),
]


@pytest.mark.parametrize("setting", MEANS, ids=str)
def test_means(setting):
    method, law, n, m, side, bounds = setting
    reference = LAWS[law](np.random.default_rng(5), (1, 300))[0]

    def replicate(rng, index):
        scores = LAWS[law](rng, (1, n + m))[0]
        found = mean_interval(
            scores[:n],
            m,
            0.1,
            side=side,
            bounds=bounds,
            method=method,
            reference_scores=reference,
            n_resamples=199,
            random_state=rng,
        )
        return found.low <= scores[n:].mean() <= found.high

    check = simulate(replicate, 600, 0.9, random_state=n + m)
    assert check.accepted, str(check)


def test_partition_probability_is_exact():
    def replicate(rng, index):
        scores = rng.exponential(size=120)
        bound = partition_interval(scores[:100], 20, 0.25, "upper", (-np.inf, np.inf), np.mean, rng)
        assert bound.probability == pytest.approx(5 / 6)
        return scores[100:].mean() <= bound.high

    check = simulate(replicate, 3000, 5 / 6, random_state=1, alternative="two-sided")
    assert check.accepted, str(check)


def test_a_plain_confidence_interval_of_the_mean_fails():
    """The test of the test: a normal interval around the calibration mean ignores the batch's own noise."""

    def replicate(rng, index):
        scores = rng.exponential(size=220)
        half = 1.645 * scores[:200].std() / math.sqrt(200)
        return abs(scores[200:].mean() - scores[:200].mean()) <= half

    assert not simulate(replicate, 600, 0.9, random_state=2).accepted


@pytest.mark.parametrize("n_draws", [9, 19, 99])
def test_monte_carlo_quantile_keeps_the_level_exactly(n_draws):
    replicates, n, m = 4000, 20, 6
    sums = sample_ranks(n, m, replicates * (n_draws + 1), random_state=n_draws).sum(axis=1) + 0.0
    sums += np.random.default_rng(0).random(sums.size) * 1e-6
    draws = sums.reshape(replicates, n_draws + 1)
    held = sum(row[0] <= monte_carlo_quantile(row[1:], 0.1) for row in draws)
    accept(held, replicates, 0.9, exact=True)


def test_ranks_drawn_with_replacement_break_the_level():
    """The test of the test: the quantile of the rank sum under independent uniform ranks has level 0.82."""
    n, m, replicates = 40, 40, 4000
    rng = np.random.default_rng(3)
    wrong = np.quantile(rng.integers(1, n + 2, (200_000, m)).sum(axis=1), 0.9)
    sums = sample_ranks(n, m, replicates, random_state=4).sum(axis=1)
    assert not binomial_acceptance(int((sums <= wrong).sum()), replicates, 0.9).accepted
    right = rank_sum_quantile(n, m, 0.1)
    accept((sums <= right.q).sum(), replicates, right.probability, exact=True)


ENVELOPES = [
    (100, 30, "two-sided", "normal"),
    (60, 20, "upper", "exchangeable"),
    (60, 20, "two-sided", "four values"),
]


@pytest.mark.parametrize("setting", ENVELOPES, ids=str)
def test_envelope_holds_for_the_worst_question_found_after_looking(setting):
    n, m, side, law = setting
    replicates = 3000
    calibration, batch = draw(law, n, m, replicates, seed=n)
    band = rank_envelope(n, m, 0.1, side)
    padded = np.pad(calibration, ((0, 0), (1, 1)), constant_values=(-np.inf, np.inf))
    low, high = padded[:, band.lower - 1], padded[:, band.upper]
    held = ((low <= batch) & (batch <= high)).all(axis=1)
    accept(held.sum(), replicates, band.probability, exact=law not in TIED)
    single = rank_upper(n, m, m // 2, 0.05), rank_lower(n, m, m // 2, 0.05)
    wanted = [(rank_lower(n, m, j, 0.05).rank, rank_upper(n, m, j, 0.05).rank) for j in range(1, m + 1)]
    assert wanted[m // 2 - 1] == (single[1].rank, single[0].rank)
    chosen_low = padded[:, [w[0] - 1 for w in wanted]]
    chosen_high = padded[:, [w[1] for w in wanted]]
    after_looking = ((chosen_low <= batch) & (batch <= chosen_high)).all(axis=1)
    if law not in TIED:
        assert not binomial_acceptance(int(after_looking.sum()), replicates, 0.9).accepted


def test_several_quantiles_at_once():
    n, m, replicates = 200, 40, 3000
    calibration, batch = draw("normal", n, m, replicates, seed=6)
    box = order_statistic_box(n, m, [10, 20, 36], 0.1)
    padded = np.pad(calibration, ((0, 0), (1, 1)), constant_values=(-np.inf, np.inf))
    held = np.ones(replicates, dtype=bool)
    for j in (9, 19, 35):
        held &= (padded[:, box.lower[j] - 1] <= batch[:, j]) & (batch[:, j] <= padded[:, box.upper[j]])
    accept(held.sum(), replicates, box.probability, exact=True)


def test_compositional_product():
    weights = np.arange(21) // 3

    def replicate(rng, index):
        scores = rng.random(25)
        bound = compositional_interval(
            lambda j, acc, s: acc * s, scores[:20], 5, 0.1, start=1.0, weights=weights, bounds=(0.0, 1.0)
        )
        return bound.low <= scores[20:].prod() <= bound.high

    check = simulate(replicate, 250, 0.9, random_state=8)
    assert check.accepted, str(check)
