"""Settings in which evaluations are simulated, and what a replicate of each says."""

from __future__ import annotations

import numpy as np

from validstats import evals
from validstats.evals.statistics import (
    audited_pass_at_k,
    cluster_mean,
    column_means,
    corrected_rows,
    davidson_fit,
    effective_score_interval,
    linear_guess,
    pass_at_k,
    rank_sets,
    sign_test_vetoes,
    simultaneous_band,
    t_quantile,
)

N_DRAWS = 2_000
"""Draws of a step-down in a replicate; the product uses 10,000."""


def item_rates(rng, rate, icc, n):
    """Success rates of items with mean ``rate`` and intraclass correlation ``icc``."""
    if icc == 0:
        return np.full(n, rate)
    size = 1.0 / icc - 1.0
    return rng.beta(rate * size, (1.0 - rate) * size, n)


# Clustered shares: (clusters, rate, icc, equal sizes).
CLUSTERED = [
    (g, r, icc, equal)
    for g in (15, 40, 198)
    for r, icc in ((0.5, 0.4), (0.9, 0.2), (0.98, 0.3))
    for equal in (True, False)
]


def clustered_share(rng, setting):
    """Whether the score interval, and the interval of unclustered rows, hold the rate."""
    clusters, rate, icc, equal = setting
    size = np.full(clusters, 5) if equal else rng.integers(1, 12, clusters)
    codes = np.repeat(np.arange(clusters), size)
    # The estimand with unequal sizes is the rate, because sizes do not depend on rates.
    y = (rng.random(len(codes)) < item_rates(rng, rate, icc, clusters)[codes]).astype(float)
    mean = cluster_mean(y, codes)
    low, high = effective_score_interval(
        mean.estimate, mean.std_error, mean.effective_units, t_quantile(0.95, mean.degrees_of_freedom)
    )
    naive = 1.96 * np.sqrt(mean.estimate * (1 - mean.estimate) / len(y))
    return [low <= rate <= high, abs(mean.estimate - rate) <= naive]


# Ranks: (systems, items, rate, spread of systems, clusters or 0).
RANKS = [
    (5, 100, 0.5, 0.0, 0),
    (10, 500, 0.9, 0.0, 0),
    (30, 500, 0.5, 0.0, 0),
    (10, 200, 0.5, 0.0, 20),
    (30, 400, 0.5, 0.0, 40),
    (5, 200, 0.7, 0.05, 0),
    (10, 300, 0.6, 0.1, 30),
    (2, 60, 0.9, 0.0, 0),
]


def leaderboard(rng, setting):
    """Whether no pair is put in a wrong order: by the step-down, and by pairs at 95 % each."""
    m, n, rate, spread, clusters = setting
    base = np.linspace(-spread, spread, m)
    if clusters:
        shift = rng.normal(0, 0.12, (clusters, m)) + rng.normal(0, 0.15, (clusters, 1))
        codes = np.repeat(np.arange(clusters), n // clusters)
        p = np.clip(rate + base + shift[codes], 0, 1)
    else:
        codes = np.arange(n)
        p = np.clip(rate + base + rng.normal(0, 0.15, (n, 1)), 0, 1)
    y = (rng.random((len(codes), m)) < p).astype(float)
    g = int(codes.max()) + 1
    means = np.array([cluster_mean(y[:, s], codes).contributions for s in range(m)])
    theta = means.mean(axis=1)
    covariance = np.cov(means) / g
    vetoes = None if clusters else sign_test_vetoes(y)
    sets = rank_sets(theta, covariance, g - 1, 0.95, generator=rng, vetoes=vetoes, n_draws=N_DRAWS)
    wrong = (base[:, None] <= base[None, :]) & ~np.eye(m, dtype=bool)
    gap = theta[:, None] - theta[None, :]
    variance = np.diag(covariance)
    squared = variance[:, None] + variance[None, :] - 2 * covariance
    naive = (gap > 1.96 * np.sqrt(np.maximum(squared, 1e-300))) & (squared > 1e-12)
    return [not (sets.above & wrong).any(), not (naive & wrong).any()]


# Judged rankings: (systems, items, rate, labels a system).
JUDGED_RANKS = [(3, 300, 0.7, 60), (5, 400, 0.9, 40), (2, 200, 0.95, 30), (8, 300, 0.8, 100)]


def judged_leaderboard(rng, setting):
    """A judge that favours the last of equal systems: no wrong direction with humans, and by the judge alone."""
    m, n, rate, labels = setting
    p = np.clip(rate + rng.normal(0, 0.1, (n, 1)), 0.02, 0.98)
    truth = (rng.random((n, m)) < p).astype(float)
    lenient = np.where(np.arange(m) == m - 1, 0.7, 0.2)
    judge = np.where(truth == 1, rng.random((n, m)) < 0.97, rng.random((n, m)) < lenient).astype(float)
    human = np.full((n, m), np.nan)
    for s in range(m):
        rows = rng.choice(n, labels, replace=False)
        human[rows, s] = truth[rows, s]
    data = {
        "item": np.repeat(np.arange(n), m),
        "system": np.tile([f"s{s}" for s in range(m)], n),
        "judge": judge.ravel(),
        "human": human.ravel(),
    }
    result = evals.rank(data)
    alone = evals.rank({k: v for k, v in data.items() if k != "human"})
    return [not result.above.any(), not alone.above.any()]


# Battles: (systems, prompts, battles a prompt, share judged by humans, spread).
BATTLES = [(6, 200, 2, 0.3, 0.0), (6, 200, 2, 0.3, 0.8), (12, 400, 3, 0.2, 0.0)]


def battle_board(rng, setting):
    """Battles with prompt effects and a judge that favours system 0: no wrong direction, with humans and without."""
    m, prompts, each, share, spread = setting
    theta = np.linspace(-spread, spread, m)
    n = prompts * each
    prompt = np.repeat(np.arange(prompts), each)
    first = rng.integers(0, m, n)
    second = (first + rng.integers(1, m, n)) % m
    shift = rng.normal(0, 0.4, (prompts, m))
    d = theta[first] - theta[second] + shift[prompt, first] - shift[prompt, second]
    up, down, nu = np.exp(d / 2), np.exp(-d / 2), 0.6
    u = rng.random(n) * (up + down + nu)
    truth = np.where(u < up, 1, np.where(u < up + down, -1, 0))
    judge = np.where(rng.random(n) < 0.7, truth, np.sign(rng.normal(size=n)).astype(int))
    judge = np.where(
        (first == 0) & (rng.random(n) < 0.3), 1, np.where((second == 0) & (rng.random(n) < 0.3), -1, judge)
    )
    words = {1: "model_a", -1: "model_b", 0: "tie"}
    data = {
        "prompt_id": prompt,
        "model_a": [f"s{i:02d}" for i in first],
        "model_b": [f"s{i:02d}" for i in second],
        "winner": [words[v] for v in judge],
        "human_winner": [words[v] if known else None for v, known in zip(truth, rng.random(n) < share)],
    }
    wrong = (theta[:, None] <= theta[None, :]) & ~np.eye(m, dtype=bool)

    def right(result):
        order = np.array([int(s[1:]) for s in result.systems])
        return not (result.above & wrong[np.ix_(order, order)]).any()

    alone = evals.rank({k: v for k, v in data.items() if k != "human_winner"})
    return [right(evals.rank(data)), right(alone)]


def battle_strengths(rng, n=400, m=5):
    """Whether pointwise intervals of strengths hold the truth, one flag a system."""
    theta = np.linspace(-0.6, 0.6, m)
    first = rng.integers(0, m, n)
    second = (first + rng.integers(1, m, n)) % m
    d = theta[first] - theta[second]
    up, down = np.exp(d / 2), np.exp(-d / 2)
    u = rng.random(n) * (up + down + 0.5)
    y = np.where(u < up, 0.5, np.where(u < up + down, -0.5, 0.0))
    fit = davidson_fit(first, second, y, (y == 0).astype(float), np.arange(n), m)
    half = t_quantile(0.95, n - 1) * np.sqrt(np.diag(fit.covariance))
    return (np.abs(fit.strength - theta) <= half).tolist()


# pass@k without audits: (law of p, problems, samples).
PASS = [("beta(.7,1.2)", 60, 20), ("beta(.3,3)", 200, 20), ("beta(4,.6)", 100, 10), ("atoms", 60, 20)]


def problem_rates(rng, law, n):
    """Chances that a sample passes, by problem."""
    if law == "atoms":
        return rng.choice([0.0, 0.02, 0.3, 1.0], n)
    a, b = {"beta(.7,1.2)": (0.7, 1.2), "beta(.3,3)": (0.3, 3.0), "beta(4,.6)": (4.0, 0.6)}[law]
    return rng.beta(a, b, n)


def true_curve(law, ks, audit=None):
    """E[1 - (1 - p)^k] from a million problems; ``audit`` maps the rate of passing to the rate of being right."""
    p = problem_rates(np.random.default_rng(99), law, 1_000_000)
    right = p if audit is None else audit(p)
    return np.array([np.mean(1 - (1 - right) ** k) for k in ks])


def unaudited_band(rng, setting, truth):
    """Whether the band holds the whole curve, and whether Wald intervals do."""
    law, problems, samples = setting
    ks = np.array([1, 2, 5, 10])
    c = rng.binomial(samples, problem_rates(rng, law, problems))
    mean, covariance = column_means(pass_at_k(np.full(problems, samples), c, ks))
    band = simultaneous_band(mean, covariance, problems, problems - 1, 0.95, rng)
    se = np.sqrt(np.diag(covariance))
    return [
        bool(((band.low <= truth) & (truth <= band.high)).all()),
        bool((np.abs(mean - truth) <= 1.96 * se).all()),
    ]


# Audits of whole problems: (law, problems, samples, audited share, audits a problem or 0 for all).
AUDITS = [("beta(.7,1.2)", 164, 20, 0.25, 0), ("beta(.3,3)", 300, 20, 0.25, 0), ("atoms", 200, 20, 0.25, 0)]


def right_of(p):
    """Rate of right samples where passing ones are wrong the more often the harder the problem."""
    return p * (1 - 0.25 * (1 - p))


def audited_band(rng, setting, truth, count_unpassed=False):
    """Whether the band from audits of drawn problems holds the curve of right samples; by tests alone; best of n."""
    law, problems, samples, share, _ = setting
    ks = np.array([1, 2, 5, 10, 20])
    p = problem_rates(rng, law, problems)
    passed = rng.random((problems, samples)) < p[:, None]
    precision = np.divide(right_of(p), p, out=np.ones(problems), where=p > 0)
    right = passed & (rng.random((problems, samples)) < precision[:, None])
    c, b = passed.sum(axis=1), right.sum(axis=1)
    drawn = rng.random(problems) < share
    known = drawn & (c > 0)
    a = int(drawn.sum()) if count_unpassed else int(known.sum())
    base = pass_at_k(np.full(problems, samples), c, ks)
    target = np.zeros_like(base)
    target[known] = audited_pass_at_k(np.full(known.sum(), samples), c[known], c[known], b[known], ks)[0]
    folds = rng.permutation(problems) % 5
    rows = corrected_rows(linear_guess(target, base, known, folds), target, known, np.full(problems, share))
    rows[c == 0] = 0.0
    mean, covariance = column_means(rows)
    band = simultaneous_band(mean, covariance * a / (a - 2), a, a - 1, 0.95, rng)
    tests = simultaneous_band(*column_means(base), problems, problems - 1, 0.95, rng)

    def holds(found):
        return bool(((found.low <= truth) & (truth <= found.high)).all())

    return [holds(band), holds(tests)]


def best_of_n_truth(law):
    """Chance that the delivered sample of n is right, from many problems with as many samples."""
    rng = np.random.default_rng(98)
    p = problem_rates(rng, law, 200_000)
    precision = np.divide(right_of(p), p, out=np.ones(len(p)), where=p > 0)
    ks = np.array([1, 2, 5, 10, 20])
    return np.array([np.mean(precision * (1 - (1 - p) ** k)) for k in ks])


def best_of_n_band(rng, setting, truth):
    """Audits of single passing samples: whether the band of what is delivered holds, by audits and by tests."""
    law, problems, samples, share, _ = setting
    p = problem_rates(rng, law, problems)
    passed = rng.random((problems, samples)) < p[:, None]
    precision = np.divide(right_of(p), p, out=np.ones(problems), where=p > 0)
    right = rng.random((problems, samples)) < precision[:, None]
    audited = passed & (rng.random((problems, samples)) < share)
    data = {
        "problem": np.repeat(np.arange(problems), samples),
        "passed": passed.ravel().astype(int),
        "audit": np.where(audited, right, np.nan).ravel(),
        "audit_probability": np.full(problems * samples, share),
    }
    result = evals.pass_at_k(data, design="samples", k=[1, 2, 5, 10, 20])
    curve, tests = result.of("best_of_n"), result.of("pass_by_tests")
    return [bool(((c["conf_low"] <= truth) & (truth <= c["conf_high"])).all()) for c in (curve, tests)]


# Agreement: (labels, rate of good answers, sensitivity, specificity).
AGREEMENT = [(50, 0.7, 0.9, 0.7), (100, 0.5, 0.8, 0.8), (100, 0.95, 0.97, 0.5), (200, 0.9, 0.99, 0.6)]


def agreement_intervals(rng, setting):
    """Which intervals of agreement hold: kappa, sensitivity, specificity, precision."""
    labels, rate, sensitivity, specificity = setting
    n = 2_000
    truth = rng.random(n) < rate
    judge = np.where(truth, rng.random(n) < sensitivity, rng.random(n) < 1 - specificity)
    human = np.full(n, np.nan)
    rows = rng.choice(n, labels, replace=False)
    human[rows] = truth[rows]
    result = evals.evaluate({"judge": judge.astype(float), "human": human})
    yes = rate * sensitivity + (1 - rate) * (1 - specificity)
    agree = rate * sensitivity + (1 - rate) * specificity
    chance = rate * yes + (1 - rate) * (1 - yes)
    known = {
        "kappa": (agree - chance) / (1 - chance),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "precision": rate * sensitivity / yes,
    }
    at = {term: i for i, term in enumerate(result.judge.terms)}
    return [
        bool(result.judge.conf_low[at[t]] <= v <= result.judge.conf_high[at[t]]) for t, v in known.items()
    ]


# Judged rates: (answers, labels, rate, sensitivity, specificity, samples an item).
JUDGED = [
    (500, 50, 0.7, 0.95, 0.6, 1),
    (500, 100, 0.95, 0.98, 0.5, 1),
    (1000, 100, 0.5, 0.8, 0.8, 1),
    (1000, 200, 0.98, 0.999, 0.2, 1),
    (400, 60, 0.9, 0.95, 0.5, 4),
    (300, 40, 0.6, 0.9, 0.6, 3),
]


def judged_rate(rng, setting):
    """Whether the interval holds the rate: corrected, and by the judge alone."""
    n, labels, rate, sensitivity, specificity, each = setting
    item = np.repeat(np.arange(n // each), each)
    p = item_rates(rng, rate, 0.3 if each > 1 else 0, n // each)[item]
    n = len(item)
    truth = rng.random(n) < p
    judge = np.where(truth, rng.random(n) < sensitivity, rng.random(n) < 1 - specificity).astype(float)
    human = np.full(n, np.nan)
    rows = rng.choice(n, labels, replace=False)
    human[rows] = truth[rows]
    data = {"item": item, "judge": judge, "human": human}
    try:
        result = evals.evaluate(data)
    except evals.EvalFileError:
        return [True, False]  # a judge that says the same everywhere is refused: no statement, none is wrong
    alone = evals.evaluate({"item": item, "score": judge})
    return [result.conf_low <= rate <= result.conf_high, alone.conf_low <= rate <= alone.conf_high]
