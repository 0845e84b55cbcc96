"""Coverage of evaluations: shares, pairs, ranks, battles, pass@k, best of n and agreement.

Settings and replicates are those of :mod:`benchmarks.evals_coverage`, which runs all of them; here are the decisive ones.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import evals_coverage as sim
from validstats.evals.statistics import (
    audited_pass_at_k,
    column_means,
    corrected_rows,
    linear_guess,
    pass_at_k,
    simultaneous_band,
)
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity

N = 300


def hits(replicate, setting, *extra, n=N, seed=7):
    """How often each flag of a replicate is true."""
    rng = np.random.default_rng(seed)
    return np.array([replicate(rng, setting, *extra) for _ in range(n)], dtype=int).sum(axis=0)


def accepted(successes, probability, n=N):
    check = binomial_acceptance(int(successes), n, probability)
    print(check)
    return check.accepted


@pytest.mark.parametrize("setting", sim.CLUSTERED, ids=str)
def test_clustered_shares_cover(setting):
    held = sim.clustered_shares(np.random.default_rng(7), setting, 2_000)[:, 0].sum()
    assert accepted(held, 0.94, 2_000)


def test_unclustered_shares_do_not():
    naive = sim.clustered_shares(np.random.default_rng(8), (198, 0.5, 0.4, True), 2_000)[:, 1].sum()
    assert not accepted(naive, 0.94, 2_000)


@pytest.mark.parametrize("setting", [sim.RANKS[k] for k in (0, 2, 3, 9, 10)], ids=str)
def test_rank_sets_put_no_pair_in_a_wrong_order(setting):
    assert accepted(hits(sim.leaderboard, setting)[0], 0.95)


def test_rank_sets_of_ten_equal_systems_on_twelve_clusters_hold():
    """Twelve units show correlations that there are not; taken at their word the sets hold .937 of 4,000."""
    assert accepted(hits(sim.leaderboard, (10, 240, 0.5, 0.0, 12), n=1_500)[0], 0.95, 1_500)


def test_pairs_at_the_level_each_do():
    assert not accepted(hits(sim.leaderboard, (20, 300, 0.6, 0.0, 0), n=40)[1], 0.95, 40)


@pytest.mark.parametrize("setting", [sim.JUDGED_RANKS[0], (4, 200, 0.8, 60, 4)], ids=str)
def test_judged_rank_sets_put_no_pair_in_a_wrong_order(setting):
    right, alone = hits(sim.judged_leaderboard, setting)
    assert accepted(right, 0.95)
    assert not accepted(alone, 0.95)


def test_battles_put_no_pair_in_a_wrong_order_and_strengths_cover():
    setting = (6, 200, 2, 0.3, 0.0)
    right, *strengths, alone = hits(sim.battle_board, setting, sim.true_strengths(setting))
    assert accepted(right, 0.94)
    assert all(accepted(successes, 0.94) for successes in strengths)
    assert not accepted(alone, 0.94)


@pytest.mark.parametrize("setting", [(law, 60, 20) for law in sim.LAWS], ids=str)
def test_bands_of_pass_at_k_cover(setting):
    assert accepted(hits(sim.unaudited_band, setting, sim.true_curve(setting[0], "passes"))[0], 0.94)


def test_wald_bands_of_an_easy_benchmark_do_not():
    truth = sim.true_curve("Beta(4, .6)", "passes")
    assert not accepted(hits(sim.unaudited_band, ("Beta(4, .6)", 100, 10), truth)[1], 0.94)


@pytest.mark.parametrize("setting", [sim.AUDITS[k] for k in (0, 4, 10)], ids=str)
def test_audited_bands_cover_and_tests_without_audits_do_not(setting):
    band, tests = hits(sim.audited_band, setting, sim.true_curve(setting[0], "right"))
    assert accepted(band, 0.94)
    assert not accepted(tests, 0.94)


def audits_that_miss_bad_tests(rng, bad=0.09, problems=8_000, drawn=50, rate=0.4, tries=20, k=5):
    """Whole problems audited, most of which nothing passes, and tests that let everything through in a few of the others.

    Whether the band holds the share of problems that are really solved: with the audited problems that something passed
    as units, and with all that were drawn.
    """
    passing = np.where(rng.random(problems) < rate, tries, 0)
    right = np.where(rng.random(problems) < bad, 0, passing)
    known = np.isin(np.arange(problems), rng.choice(problems, drawn, replace=False)) & (passing > 0)
    size, ks = np.full(problems, tries), np.array([k])
    base = pass_at_k(size, passing, ks)
    target = np.zeros_like(base)
    target[known] = audited_pass_at_k(size[known], passing[known], passing[known], right[known], ks)[0]
    guess = linear_guess(target, base, known, rng.integers(0, 5, problems))
    rows = corrected_rows(guess, target, known, np.full(problems, drawn / problems))
    rows[passing == 0] = 0.0
    mean, covariance = column_means(rows)
    flags = []
    for units in (int(known.sum()), drawn):
        band = simultaneous_band(mean, covariance * units / (units - 2), units, units - 1, 0.95, rng)
        flags.append(bool(band.low[0] <= rate * (1 - bad) <= band.high[0]))
    return flags


def test_audited_problems_that_nothing_passed_do_not_count_as_units():
    rng = np.random.default_rng(7)
    held, naive = np.sum([audits_that_miss_bad_tests(rng) for _ in range(500)], axis=0)
    assert accepted(held, 0.94, 500)
    assert not accepted(naive, 0.94, 500)


def test_what_is_delivered_its_ceiling_and_sets_of_best_numbers_hold_and_tests_do_not():
    law, _, tries, _ = setting = sim.DELIVERED[0]
    truth, limit = sim.true_curve(law, "delivered"), sim.limit_of_delivered(law)
    numbers = sim.best_numbers(law, tries, 4.0)
    band, ceiling, best, tests = hits(sim.delivered_band, setting, truth, limit, numbers, n=150)
    assert accepted(band, 0.94, 150)
    assert accepted(ceiling, 0.94, 150)
    assert accepted(best, 0.95, 150)
    assert not accepted(tests, 0.94, 150)


@pytest.mark.parametrize("setting", [sim.AGREEMENT[k] for k in (0, 6)], ids=str)
def test_agreement_covers(setting):
    level = 0.93 if setting[0] >= 100 else 0.90
    for successes in hits(sim.agreement, setting):
        assert accepted(successes, level)


@pytest.mark.parametrize("setting", [(500, 50, 0.7, 0.95, 0.6, 1), sim.JUDGED[-4], sim.JUDGED[-3]], ids=str)
def test_judged_rates_cover(setting):
    assert accepted(hits(sim.judged_rate, setting)[0], 0.94)


def test_a_lenient_judge_alone_does_not():
    assert not accepted(hits(sim.judged_rate, (500, 50, 0.7, 0.95, 0.6, 1), n=60)[1], 0.94, 60)


def test_exact_coverage_of_pairs():
    """Each side of Buehler's interval errs at most .025, by adding up all tables; Bonett and Price's interval does not cover."""
    rows = list(sim.exact_pairs(20))
    sides = [float(row.setting.split("errs ")[1]) for row in rows]
    assert max(sides) <= 0.025
    assert min(row.held for row in rows) >= 0.95
    assert min(row.naive for row in rows) < 0.93
