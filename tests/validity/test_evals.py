"""Coverage of evaluations: shares, pairs, ranks, battles, pass@k, best of n and agreement."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.oracles.evals import table_probabilities
from tests.validity import evals_settings as sim
from validstats.evals.statistics.pairs import bonett_price, buehler_interval
from validstats.runtime import map_replicates
from validstats.validity import binomial_acceptance

pytestmark = pytest.mark.validity

N = int(os.environ.get("VALIDSTATS_EVALS_REPLICATES", "150"))


def hits(replicate, setting, *extra, n=N, seed=7):
    """How often each flag of a replicate is true."""
    flags = map_replicates(lambda rng, index: replicate(rng, setting, *extra), n, random_state=seed)
    return np.array(flags, dtype=int).sum(axis=0)


def accepted(successes, probability, n=N):
    check = binomial_acceptance(int(successes), n, probability)
    print(check)
    return check.accepted


@pytest.mark.parametrize("setting", sim.CLUSTERED, ids=str)
def test_clustered_shares_cover(setting):
    assert accepted(hits(sim.clustered_share, setting)[0], 0.94)


def test_unclustered_shares_do_not():
    assert not accepted(hits(sim.clustered_share, (198, 0.5, 0.4, True))[1], 0.94)


@pytest.mark.parametrize("setting", sim.RANKS, ids=str)
def test_rank_sets_put_no_pair_in_a_wrong_order(setting):
    assert accepted(hits(sim.leaderboard, setting)[0], 0.95)


def test_pairs_at_the_level_each_do():
    assert not accepted(hits(sim.leaderboard, (30, 500, 0.5, 0.0, 0))[1], 0.95)


@pytest.mark.parametrize("setting", sim.JUDGED_RANKS, ids=str)
def test_judged_rank_sets_put_no_pair_in_a_wrong_order(setting):
    n = min(N, 150)
    right, alone = hits(sim.judged_leaderboard, setting, n=n)
    assert accepted(right, 0.95, n)
    assert not accepted(alone, 0.95, n)


@pytest.mark.parametrize("setting", sim.BATTLES, ids=str)
def test_battles_put_no_pair_in_a_wrong_order(setting):
    n = min(N, 120)
    assert accepted(hits(sim.battle_board, setting, n=n)[0], 0.94, n)


def test_battles_by_a_leaning_judge_do():
    n = min(N, 120)
    assert not accepted(hits(sim.battle_board, (6, 200, 2, 0.3, 0.0), n=n)[1], 0.94, n)


def test_strengths_cover():
    flags = np.array(map_replicates(lambda rng, index: sim.battle_strengths(rng), N, random_state=3))
    for successes in flags.sum(axis=0):
        assert accepted(successes, 0.94)


@pytest.mark.parametrize("setting", sim.PASS, ids=str)
def test_bands_of_pass_at_k_cover(setting):
    truth = sim.true_curve(setting[0], (1, 2, 5, 10))
    assert accepted(hits(sim.unaudited_band, setting, truth)[0], 0.94)


def test_wald_bands_of_an_easy_benchmark_do_not():
    truth = sim.true_curve("beta(4,.6)", (1, 2, 5, 10))
    assert not accepted(hits(sim.unaudited_band, ("beta(4,.6)", 100, 10), truth)[1], 0.94)


@pytest.mark.parametrize("setting", sim.AUDITS, ids=str)
def test_audited_bands_cover(setting):
    truth = sim.true_curve(setting[0], (1, 2, 5, 10, 20), sim.right_of)
    assert accepted(hits(sim.audited_band, setting, truth)[0], 0.94)


@pytest.mark.parametrize("setting", sim.AUDITS[:2], ids=str)
def test_tests_without_audits_do_not(setting):
    truth = sim.true_curve(setting[0], (1, 2, 5, 10, 20), sim.right_of)
    assert not accepted(hits(sim.audited_band, setting, truth)[1], 0.94)


@pytest.mark.parametrize("setting", sim.AUDITS, ids=str)
def test_bands_of_what_is_delivered_cover_and_tests_do_not(setting):
    n = min(N, 150)
    truth = sim.best_of_n_truth(setting[0])
    band, tests = hits(sim.best_of_n_band, setting, truth, n=n)
    assert accepted(band, 0.94, n)
    assert not accepted(tests, 0.94, n)


@pytest.mark.parametrize("setting", sim.AGREEMENT, ids=str)
def test_agreement_covers(setting):
    level = 0.93 if setting[0] >= 100 else 0.90
    for successes in hits(sim.agreement_intervals, setting):
        assert accepted(successes, level)


@pytest.mark.parametrize("setting", sim.JUDGED, ids=str)
def test_judged_rates_cover(setting):
    assert accepted(hits(sim.judged_rate, setting)[0], 0.94)


@pytest.mark.parametrize("setting", [sim.JUDGED[0], sim.JUDGED[5]], ids=str)
def test_a_lenient_judge_alone_does_not(setting):
    assert not accepted(hits(sim.judged_rate, setting)[1], 0.94)


PAIRS = [
    (0.2, 0.0),
    (0.1, 0.0),
    (0.05, 0.0),
    (0.5, 0.0),
    (0.05, 0.01),
    (0.1, 0.1),
    (0.03, 0.03),
    (0.3, 0.1),
    (0.02, 0.02),
    (0.4, 0.4),
]


@pytest.mark.parametrize("n", [20, 60])
def test_exact_coverage_of_pairs(n):
    """Each side of Buehler's interval errs at most .025, by adding up all tables; Bonett and Price's side does not."""
    intervals = {
        (b, c): buehler_interval(b, c, n, 0.95) for b in range(n + 1) for c in range(min(b, n - b) + 1)
    }
    worst_naive = 0.0
    for p10, p01 in PAIRS:
        below = above = naive = 0.0
        for (b, c), probability in table_probabilities(n, p10, p01).items():
            if probability < 1e-12:
                continue
            low, high = intervals[b, c] if b >= c else tuple(-v for v in intervals[c, b][::-1])
            below += probability * (high < p10 - p01 - 1e-12)
            above += probability * (low > p10 - p01 + 1e-12)
            simple = bonett_price(b, c, n, 0.95)
            naive += probability * (simple[0] > p10 - p01)
        assert below <= 0.025
        assert above <= 0.025
        worst_naive = max(worst_naive, naive)
    assert worst_naive > 0.025
