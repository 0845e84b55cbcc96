"""Simulated validity of coded answers, paired bounds and the gate, under adversaries that break the naive intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.holdout_limits import (
    ADVERSARIES,
    LOG_ALPHA,
    GateRun,
    GuessDay,
    coded_answers,
    coded_differences,
    false_certificate,
    honest_day,
    search_loop,
)
from validstats.holdout.widths import (
    GuessAllocation,
    auc_interval,
    capital_interval,
    certify_gain,
    clopper_pearson,
    count_candidates,
    difference_half_widths,
    f_score_interval,
    log_coded_share,
    paired_difference_interval,
    paired_tail_at_most,
    r2_interval,
    start_upper,
    tied_models,
)
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity


def _critical_guess(n: int, truth: float, log_level: float) -> float:
    """Share of the largest count whose upper end lies below the truth: the guess at which most passes miss."""
    low, high = 0, math.floor(n * truth)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if clopper_pearson(middle, n, log_level)[1] < truth else (low, middle - 1)
    return low / n


@pytest.mark.parametrize(
    ("n", "queries", "failures", "weight"),
    [(400, 30, 1, None), (400, 30, 30, 0.002), (400, 30, 30, None), (1001, 12, 12, None)],
)
def test_answers_hold_together_at_the_guesses_where_most_miss(
    n: int, queries: int, failures: int, weight: float | None
) -> None:
    rng = np.random.default_rng(11)
    trials, held = 1000, 0
    allocation = GuessAllocation(queries, failures, weight)
    share = allocation.log_share(*allocation.start)
    guess = _critical_guess(n, 0.5, LOG_ALPHA + share)
    for _ in range(trials):
        # cells of one row and no gap: each answer is the count's own interval
        day = GuessDay(n, allocation, t=1e-9, c=1e-9, n_guess=n)
        good = True
        while min(day.left) > 0:
            low, high, _ = day.ask(int(rng.binomial(n, 0.5)), guess)
            good &= low <= 0.5 <= high
        held += good
    assert binomial_acceptance(held, trials, 0.95).accepted


def _signs_through_passes(rng: np.random.Generator, n: int, queries: int) -> tuple[bool, bool]:
    """Guess half a row above 1/2 for random labellings; vote by what the cells reveal; ask about the vote last."""
    labels = rng.integers(0, 2, n)
    day = GuessDay(n, GuessAllocation(queries), t=1e-9, c=0.5, n_guess=n)
    votes, good = np.zeros(n), True
    for _ in range(queries - 1):
        trial = rng.integers(0, 2, n)
        low, high, cell = day.ask(int((trial == labels).sum()), 0.5 + 0.25 / n)
        votes += (2 * trial - 1) * np.sign(cell)
        good &= low <= 0.5 <= high
    count = int(((votes > 0) == labels).sum())
    low, high, _ = day.ask(count, 0.5)
    plain = clopper_pearson(count, n, LOG_ALPHA)
    return good and low <= 0.5 <= high, plain[0] <= 0.5 <= plain[1]


def test_sign_aggregation_through_cells_is_covered_and_fools_a_plain_interval() -> None:
    found = [_signs_through_passes(np.random.default_rng(seed), 300, 30) for seed in range(400)]
    held, plain = np.sum(found, axis=0)
    assert binomial_acceptance(int(held), 400, 0.95).accepted
    assert plain < 200


@pytest.mark.parametrize(("n", "queries"), [(100, 2), (500, 5), (2000, 20), (50_000, 2)])
def test_honest_days_hold_and_are_narrower_than_splitting(n: int, queries: int) -> None:
    days = [honest_day(np.random.default_rng(seed), n, queries, 0.85) for seed in range(300)]
    assert binomial_acceptance(sum(day[2] for day in days), 300, 0.95).accepted
    coded, split = np.mean([day[:2] for day in days], axis=0)
    chosen = count_candidates(n, queries, log_alpha=LOG_ALPHA)[0].mechanism
    assert chosen == "splitting" or coded <= 1.01 * split


@pytest.mark.parametrize("name", ADVERSARIES)
def test_attacks_get_false_certificates_at_the_level_at_most(name: str) -> None:
    found = [false_certificate(*ADVERSARIES[name](np.random.default_rng(seed), 300)) for seed in range(40)]
    wrong, plain = np.sum(found, axis=0)
    assert binom.sf(wrong - 1, 40, 0.05) > 1e-3  # certificates hold at level .95
    assert plain > 0.9 * 40


def test_searches_without_a_good_proposal_are_certified_no_gain() -> None:
    for seed in range(100):
        found = search_loop(np.random.default_rng(seed), 500, 0.0, 1.0, 100, good=0.0)
        assert not found["false"] and found["certified"] == 0.0


def test_a_search_keeps_what_the_naive_loop_gains_and_certifies_half_of_it() -> None:
    gains = {
        margin: [search_loop(np.random.default_rng(seed), 10_000, 0.01, margin, 1000) for seed in range(3)]
        for margin in (0.0, 1.0)
    }
    naive, ours = (np.mean([run["true gain"] for run in gains[m]]) for m in (0.0, 1.0))
    assert ours >= 0.93 * naive
    assert np.mean([run["certified"] for run in gains[1.0]]) >= 0.5 * naive
    assert not any(run["false"] for runs in gains.values() for run in runs)


def test_gate_and_vault_together_keep_one_alpha() -> None:
    # at the moment when nothing was asked yet everything is a plain interval; start, vault and certificate share alpha
    rng, wrong = np.random.default_rng(3), 0
    for _ in range(2000):
        start, kept = (rng.random(200) < 0.5).astype(float), (rng.random(200) < 0.5).astype(float)
        gate = GateRun(start, share=0.15)
        gate.present = kept
        low, high, gain = gate.certify()
        level = LOG_ALPHA + math.log(0.75)
        vault = clopper_pearson(int(rng.binomial(200, 0.5)), 200, level)
        wrong += (
            not (low <= 0.5 <= high) or gain > 0.0 or gate.start_high < 0.5 or not vault[0] <= 0.5 <= vault[1]
        )
    assert binomial_acceptance(2000 - wrong, 2000, 0.95).accepted


def test_clusters_of_equal_rows_need_their_own_units() -> None:
    rng, by_rows, by_clusters = np.random.default_rng(4), 0, 0
    for _ in range(600):
        start, kept = rng.random(60) < 0.5, rng.random(60) < 0.5
        rows = np.repeat(np.column_stack([start, kept]).astype(float), 10, axis=0)
        for units, independent in ((rows, True), (rows[::10], False)):
            high = start_upper(units[:, 0], LOG_ALPHA + math.log(0.1))
            found = certify_gain(
                units[:, 1], units[:, 0], high, LOG_ALPHA - math.log(2), independent_rows=independent
            )
            missed = not found.accuracy_low <= 0.5 <= found.accuracy_high or found.gain > 0.0
            by_rows, by_clusters = (
                by_rows + (missed and independent),
                by_clusters + (missed and not independent),
            )
    assert binomial_acceptance(600 - by_clusters, 600, 0.95).accepted
    assert by_rows > 0.3 * 600


@pytest.mark.parametrize("t", [0.35, 1.0])
def test_answers_that_follow_the_variance_hold_together(t: float) -> None:
    trials, held = 400, 0
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        shape = rng.uniform(0.5, 2), rng.uniform(1, 8)
        truth = shape[0] / sum(shape)
        held += _coded_day_holds(rng, shape, truth, t)
    assert binomial_acceptance(held, trials, 0.95).accepted


def _coded_day_holds(rng: np.random.Generator, shape: tuple[float, float], truth: float, t: float) -> bool:
    from validstats.holdout.widths import coded_mean, log_coded_outcome, log_coded_share

    log_mass = 0.0
    for left in range(4, 0, -1):
        level = LOG_ALPHA + log_mass + log_coded_share(left)
        # training rows of another law: widths suffer, coverage must not
        training = np.clip(rng.beta(*shape, 120) * rng.uniform(0.5, 1.5), 0, 1)
        cell, _ = coded_mean(rng.beta(*shape, 150), training, t=t, log_alpha=level)
        log_mass += log_coded_outcome(left, cell.distance, cell.enlarged)
        if not cell.low <= truth <= cell.high:
            return False
    return True


def test_later_coded_answers_cost_more() -> None:
    rng = np.random.default_rng(0)
    halves, plain = coded_answers(rng, 2000, 5, 0.35, lambda: rng.beta(1.2, 8, 2000))
    assert plain < halves[0] <= halves[-1] < 5 * plain


@pytest.mark.parametrize("law", ["rare", "coin", "beta"])
def test_capital_intervals_cover_with_stakes_for_a_wrong_variance(law: str) -> None:
    draw = {
        "rare": (lambda rng: (rng.random(300) < 0.01).astype(float), 0.01),
        "coin": (lambda rng: rng.integers(0, 2, 300).astype(float), 0.5),
        "beta": (lambda rng: rng.beta(0.3, 2, 300), 0.3 / 2.3),
    }
    sample, truth = draw[law]
    held = 0
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        low, high = capital_interval(sample(rng), 10 ** rng.uniform(-4, -0.6), math.log(0.1))
        held += low <= truth <= high
    assert binomial_acceptance(held, 1500, 0.9).accepted


def test_paired_bounds_reach_their_level_without_exceeding_it() -> None:
    missed, trials = 0, 3000
    rng = np.random.default_rng(8)
    for _ in range(trials):
        a, b, _ = rng.multinomial(500, [0.10, 0.06, 0.84])
        missed += paired_tail_at_most(int(a), int(b), 500, 0.04, math.log(0.05))
    assert binomial_acceptance(trials - missed, trials, 0.95).accepted
    assert missed > 0.03 * trials


def test_the_best_model_is_among_the_tied_ones() -> None:
    held = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        shared = rng.random(400)
        right = (
            np.where(rng.random((6, 400)) < 0.7, shared, rng.random((6, 400)))
            < np.array([0.80, 0.80, 0.79, 0.78, 0.75, 0.7])[:, None]
        )
        held += 0 in tied_models(right, math.log(0.05), binary=True)
    assert binomial_acceptance(held, 500, 0.95).accepted


@pytest.mark.parametrize("metric", ["f1", "r2", "auc"])
def test_metrics_that_are_no_means_cover(metric: str) -> None:
    held, trials = 0, 500
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        if metric == "f1":
            y = rng.random(400) < 0.3
            said = rng.random(400) < np.where(y, 0.8, 0.1)
            truth, (low, high) = (
                2 * 0.24 / (2 * 0.24 + 0.06 + 0.07),
                f_score_interval(y, said, math.log(0.1), positive=True),
            )
        elif metric == "r2":
            y = rng.random(600)
            truth, (low, high) = 1 - 0.36, r2_interval(y, 0.5 + 0.4 * (y - 0.5), math.log(0.1), bounds=(0, 1))
        else:
            low, high = auc_interval(rng.normal(1, 1, 100), rng.normal(0, 1, 200), math.log(0.1))
            truth = 0.760249938906523  # Phi(1 / sqrt 2)
        held += low <= truth <= high
    assert binomial_acceptance(held, trials, 0.9).accepted


def mean_differences(n: int, queries: int, days: int) -> np.ndarray:
    """Mean half-widths of days of differences, one row in ten discordant."""
    rng = np.random.default_rng(n)
    return np.array([np.mean(coded_differences(rng, n, 0.1, queries, 0.35)) for _ in range(days)])


@pytest.mark.parametrize(("n", "queries", "days"), [(400, 1, 300), (800, 3, 80)])
def test_a_plan_of_differences_is_kept_by_half_of_the_days(n: int, queries: int, days: int) -> None:
    planned = difference_half_widths(n, queries, log_alpha=LOG_ALPHA, discordant=0.1, t=0.35).mean()
    found = mean_differences(n, queries, days)
    assert binomial_acceptance(int((found <= planned).sum()), days, 0.5).accepted
    assert planned < 1.05 * found.mean()
    if queries == 1:
        # the radius at the expected counts and half a cell: as if no interval were wider than expected
        level = LOG_ALPHA + log_coded_share(1)
        naive = paired_difference_interval(20, 20, n, level)[1] + 0.35 * math.sqrt(0.2 / n)
        assert not binomial_acceptance(int((found <= naive).sum()), days, 0.5).accepted
