"""Coverage of evaluations: shares, pairs, ranks, battles, pass@k, best of n and agreement.

Settings and replicates are those of :mod:`benchmarks.evals_coverage`, which runs all of them; here are the decisive ones.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import evals_coverage as sim
from validstats import evals
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


def two_judges(rng, n=400, labels=80, rate=0.7, right=0.85):
    """Two judges that err independently: whether the interval holds the rate, whether the first judge's own does; widths."""
    truth = rng.random(n) < rate
    first, second = ((truth ^ (rng.random(n) > right)).astype(float) for _ in range(2))
    human = np.full(n, np.nan)
    rows = rng.choice(n, labels, replace=False)
    human[rows] = truth[rows]
    data = {"item": np.arange(n), "a": first, "b": second, "human": human}
    one, both = (evals.evaluate(data, judge=judge) for judge in ("a", ["a", "b"]))
    half = 1.96 * np.sqrt(first.mean() * (1 - first.mean()) / n)
    widths = [result.conf_high - result.conf_low for result in (one, both)]
    return both.conf_low <= rate <= both.conf_high, abs(first.mean() - rate) <= half, *widths


@pytest.mark.parametrize("labels", [40, 80])
def test_two_judges_together_cover_and_are_narrower_than_one(labels):
    """Forty labels expect fewer than five in some combinations of verdicts, which are bins then."""
    rng, n = np.random.default_rng(7), 100
    held, alone, one, both = np.sum([two_judges(rng, labels=labels) for _ in range(n)], axis=0)
    print(f"{held / n:.3f}; first judge alone {alone / n:.3f}; width {both / one:.3f} of that with one judge")
    assert accepted(held, 0.94, n)
    assert not accepted(alone, 0.94, n)
    assert both < 0.97 * one


def two_judges_of_pairs(rng, setting, rates=(0.7, 0.6), right=0.85):
    """Whether the interval of a difference by two judges holds it; whether the first judge's own does."""
    n, labels = setting
    truth = rng.random((n, 2)) < rates
    first, second = ((truth ^ (rng.random((n, 2)) > right)).astype(float) for _ in range(2))
    # The first judge fails a third of what the second system got right, too.
    first[:, 1] *= rng.random(n) > 1 / 3
    human = np.full((n, 2), np.nan)
    rows = rng.choice(n, labels, replace=False)
    human[rows] = truth[rows]
    data = {"item": np.repeat(np.arange(n), 2), "system": ["p", "q"] * n}
    data |= {"a": first.ravel(), "b": second.ravel(), "human": human.ravel()}
    result = evals.compare(data, judge=["a", "b"])
    d = first[:, 0] - first[:, 1]
    half = 1.96 * d.std(ddof=1) / np.sqrt(n)
    return result.conf_low <= rates[0] - rates[1] <= result.conf_high, abs(d.mean() - 0.1) <= half


def test_differences_by_two_judges_cover():
    held, alone = hits(two_judges_of_pairs, (300, 60), n=80)
    print(f"{held / 80:.3f}; first judge alone {alone / 80:.3f}")
    assert accepted(held, 0.94, 80)
    assert not accepted(alone, 0.94, 80)


def test_exact_coverage_of_pairs():
    """Each side of Buehler's interval errs at most .025, by adding up all tables; Bonett and Price's interval does not cover."""
    rows = list(sim.exact_pairs(20))
    sides = [float(row.setting.split("errs ")[1]) for row in rows]
    assert max(sides) <= 0.025
    assert min(row.held for row in rows) >= 0.95
    assert min(row.naive for row in rows) < 0.93
