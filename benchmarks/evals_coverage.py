"""Evaluations: coverage of everything that is promised, setting by setting, beside a method that must fail.

``python -m benchmarks.evals_coverage --output benchmarks/results`` runs all questions, ``--only ranks battles`` some; every
finished setting is kept in ``evals_coverage.csv``, from which ``evals_coverage.md`` is written, and is not run again with as
many replicates. ``--share .1`` takes a tenth of them. Replicates are vectorised where the method is, and go through the public
verbs elsewhere.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from validstats import evals
from validstats.evals.statistics import (
    audited_pass_at_k,
    column_means,
    corrected_rows,
    effective_score_interval,
    linear_guess,
    pass_at_k,
    rank_sets,
    sign_test_vetoes,
    simultaneous_band,
)
from validstats.evals.statistics.pairs import bonett_price, buehler_interval


class Row(NamedTuple):
    """One setting: how often the statement held, out of how many, and what a simpler method did."""

    question: str
    setting: str
    held: float
    replicates: int
    asked: float
    naive: float
    naive_name: str


def item_rates(rng: np.random.Generator, rate: float, icc: float, shape: tuple[int, ...]) -> np.ndarray:
    """Rates of items from a Beta law with this mean and intraclass correlation."""
    size = 1.0 / icc - 1.0
    return rng.beta(rate * size, (1.0 - rate) * size, shape)


# ---------------------------------------------------------------- shares

CLUSTERED = [
    (g, rate, icc, equal)
    for g in (15, 40, 198)
    for rate, icc in ((0.5, 0.4), (0.9, 0.2), (0.98, 0.3))
    for equal in (True, False)
]
"""Clusters, rate, intraclass correlation, equal sizes."""


def clustered_shares(rng: np.random.Generator, setting: Any, n: int) -> np.ndarray:
    """Flags (n, 2): the effective score interval holds the rate; so does the interval of unclustered rows."""
    g, rate, icc, equal = setting
    size = np.full((n, g), 5) if equal else rng.integers(1, 12, (n, g))
    right = rng.binomial(size, item_rates(rng, rate, icc, (n, g)))
    rows = size.sum(axis=1)
    mean = right.sum(axis=1) / rows
    # psi_g = theta + (num_g - theta den_g) / mean(den); V = var(psi)/G; n and df are Kish's.
    deviation = (right - mean[:, None] * size) / size.mean(axis=1, keepdims=True)
    error = np.sqrt(deviation.var(axis=1, ddof=1) / g)
    units = rows**2 / (size**2).sum(axis=1)
    low, high = effective_score_interval(mean, error, units, stats.t.isf(0.025, units - 1))
    half = 1.96 * np.sqrt(mean * (1 - mean) / rows)
    return np.column_stack([(low <= rate) & (rate <= high), np.abs(mean - rate) <= half])


JUDGED = [
    (n, labels, rate, sensitivity, specificity, each)
    for n, labels in ((500, 50), (1000, 200))
    for rate, sensitivity, specificity in (
        (0.7, 0.95, 0.6),
        (0.95, 0.98, 0.5),
        (0.5, 0.5, 0.5),
        (0.99, 0.999, 0.5),
    )
    for each in (1, 4)
] + [
    (300, 30, 0.8, 0.9, 0.9, 3),
    (400, 100, 0.98, 0.99, 0.3, 4),
    (1000, 100, 0.9, 0.97, 0.8, 10),
    (300, 100, 0.6, 0.8, 0.9, 2),
]
"""Answers, labels, rate, sensitivity, specificity, samples an item; labels are drawn by answer."""


def judged_rate(rng: np.random.Generator, setting: Any) -> list[bool]:
    """Whether the interval holds the rate; whether the judge's own does."""
    n, labels, rate, sensitivity, specificity, each = setting
    item = np.repeat(np.arange(n // each), each)
    p = item_rates(rng, rate, 0.3, (n // each,))[item] if each > 1 else np.full(len(item), rate)
    truth = rng.random(len(item)) < p
    u = rng.random(len(item))
    judge = np.where(truth, u < sensitivity, u > specificity).astype(float)
    human = np.full(len(item), np.nan)
    rows = rng.choice(len(item), labels, replace=False)
    human[rows] = truth[rows]
    try:
        result = evals.evaluate({"item": item, "judge": judge, "human": human})
    except evals.EvalFileError:
        return [True, False]  # refused: no statement, none is wrong
    assert 0.0 <= result.conf_low <= result.conf_high <= 1.0
    of_items = judge.reshape(-1, each).mean(axis=1)
    units = len(of_items)
    error = of_items.std(ddof=1) / np.sqrt(units)
    low, high = effective_score_interval(of_items.mean(), error, units, stats.t.isf(0.025, units - 1))
    return [result.conf_low <= rate <= result.conf_high, bool(low <= rate <= high)]


JUDGED_PAIRS = [
    (300, 60, 0.8, 0.7, 0.6, 0.6, True), (300, 60, 0.8, 0.8, 0.9, 0.3, True), (500, 100, 0.95, 0.95, 0.8, 0.4, True),
    (300, 60, 0.8, 0.7, 0.6, 0.6, False), (300, 60, 0.8, 0.8, 0.9, 0.3, False), (500, 100, 0.95, 0.95, 0.8, 0.4, False),
    (1000, 200, 0.7, 0.65, 0.7, 0.4, True),
]  # fmt: skip
"""Items, labels a system, rates of the two, specificity of the judge for each, whether the same items are labelled."""


def judged_difference(rng: np.random.Generator, setting: Any) -> list[bool]:
    """Whether the interval of a difference holds it; whether the judge's own does."""
    n, labels, *rates, first, second, same = setting
    shift = rng.normal(0, 0.1, n)
    p = np.clip(np.array(rates) + np.clip(shift, -0.05, 0.05)[:, None], 0, 1)
    truth = rng.random((n, 2)) < p
    u = rng.random((n, 2))
    judge = np.where(truth, u < 0.95, u > np.array([first, second])).astype(float)
    human = np.full((n, 2), np.nan)
    rows = rng.choice(n, labels, replace=False)
    for s in range(2):
        human[rows, s] = truth[rows, s]
        rows = rows if same else rng.choice(n, labels, replace=False)
    delta = rates[0] - rates[1]
    result: Any = evals.compare(
        {
            "item": np.repeat(np.arange(n), 2),
            "system": np.tile(["a", "b"], n),
            "judge": judge.ravel(),
            "human": human.ravel(),
        },
        "a",
        "b",
    )
    assert -1.0 <= result.conf_low <= result.conf_high <= 1.0
    d = judge[:, 0] - judge[:, 1]
    alone = abs(d.mean() - delta) <= stats.t.isf(0.025, n - 1) * d.std(ddof=1) / np.sqrt(n)
    return [result.conf_low <= delta <= result.conf_high, bool(alone)]


# ---------------------------------------------------------------- pairs

PAIRS = [
    (0.0, 0.0),
    (0.02, 0.02),
    (0.05, 0.01),
    (0.05, 0.05),
    (0.1, 0.02),
    (0.1, 0.1),
    (0.2, 0.1),
    (0.3, 0.1),
    (0.3, 0.3),
    (0.45, 0.05),
    (0.5, 0.45),
    (0.03, 0.03),
]
PAIRS += [(p, 0.0) for p in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)]
"""P(a only), P(b only)."""


def exact_pairs(n: int) -> Iterator[Row]:
    """Exact coverage of Buehler's and of Bonett and Price's interval, by adding up all tables."""
    tables = [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]
    ours = {(b, c): buehler_interval(b, c, n, 0.95) for b, c in tables if b >= c}
    ends = np.array([ours[b, c] if b >= c else (-ours[c, b][1], -ours[c, b][0]) for b, c in tables])
    simple = np.array([bonett_price(b, c, n, 0.95) for b, c in tables])
    counts = np.array([(b, c, n - b - c) for b, c in tables])
    for p10, p01 in PAIRS:
        weight = stats.multinomial.pmf(counts, n, [p10, p01, 1 - p10 - p01])
        delta = p10 - p01
        inside = [
            float(weight @ ((e[:, 0] <= delta + 1e-12) & (delta - 1e-12 <= e[:, 1]))) for e in (ends, simple)
        ]
        sides = max(
            float(weight @ (ends[:, 0] > delta + 1e-12)), float(weight @ (ends[:, 1] < delta - 1e-12))
        )
        setting = f"{n} items, P(a only) {p10:g}, P(b only) {p01:g}; worse side errs {sides:.4f}"
        yield Row("paired 0/1, exact", setting, inside[0], 0, 0.95, inside[1], "Bonett and Price")


# ---------------------------------------------------------------- ranks

RANKS = [
    (2, 60, 0.9, 0.0, 0), (3, 100, 0.7, 0.0, 0), (5, 100, 0.5, 0.0, 0), (5, 200, 0.7, 0.05, 0), (10, 500, 0.9, 0.0, 0),
    (10, 500, 0.5, 0.0, 0), (10, 200, 0.8, 0.08, 0), (20, 300, 0.6, 0.0, 0), (30, 500, 0.5, 0.0, 0),
    (5, 100, 0.5, 0.0, 10), (10, 200, 0.5, 0.0, 20), (10, 300, 0.6, 0.1, 30), (10, 240, 0.5, 0.0, 12), (30, 400, 0.5, 0.0, 40),
]  # fmt: skip
"""Systems, items, rate, spread of the systems, clusters (0: independent items)."""


def leaderboard(rng: np.random.Generator, setting: Any) -> list[bool]:
    """Whether no pair is put in a wrong order: by the step-down, and by pairs at 95 % each."""
    m, n, rate, spread, clusters = setting
    base = np.linspace(-spread, spread, m)
    if clusters:
        shift = rng.normal(0, 0.12, (clusters, m)) + rng.normal(0, 0.15, (clusters, 1))
        p = np.clip(rate + base + np.repeat(shift, n // clusters, axis=0), 0, 1)
    else:
        p = np.clip(rate + base + rng.normal(0, 0.15, (n, 1)), 0, 1)
    y = (rng.random((n, m)) < p).astype(float)
    units = y.reshape(clusters, n // clusters, m).mean(axis=1) if clusters else y
    theta, covariance = units.mean(axis=0), np.cov(units.T) / len(units)
    vetoes = None if clusters else sign_test_vetoes(y)
    sets = rank_sets(theta, covariance, len(units) - 1, 0.95, generator=rng, vetoes=vetoes, n_draws=2_000)
    wrong = (base[:, None] <= base[None, :]) & ~np.eye(m, dtype=bool)
    variance = np.diag(covariance)
    squared = variance[:, None] + variance[None, :] - 2 * covariance
    naive = (theta[:, None] - theta[None, :] > 1.96 * np.sqrt(np.maximum(squared, 1e-300))) & (
        squared > 1e-12
    )
    return [not (sets.above & wrong).any(), not (naive & wrong).any()]


JUDGED_RANKS = [
    (2, 200, 0.95, 30, 1),
    (3, 300, 0.7, 60, 1),
    (5, 400, 0.9, 40, 1),
    (8, 300, 0.8, 100, 1),
    (10, 200, 0.9, 30, 1),
    (5, 200, 0.8, 60, 4),
    (6, 240, 0.6, 60, 6),
    (12, 300, 0.7, 60, 1),
]
"""Equal systems, items, rate, labels a system, items a passage (the unit)."""


def judged_leaderboard(rng: np.random.Generator, setting: Any) -> list[bool]:
    """A judge that favours the last of equal systems: no wrong direction with humans, and by the judge alone."""
    m, n, rate, labels, each = setting
    p = np.clip(rate + np.repeat(rng.normal(0, 0.1, (n // each, 1)), each, axis=0), 0.02, 0.98)
    truth = (rng.random((n, m)) < p).astype(float)
    lenient = np.where(np.arange(m) == m - 1, 0.7, 0.2)
    u = rng.random((n, m))
    judge = np.where(truth == 1, u < 0.97, u < lenient).astype(float)
    human = np.full((n, m), np.nan)
    for s in range(m):
        rows = rng.choice(n, labels, replace=False)
        human[rows, s] = truth[rows, s]
    data = {
        "item": np.repeat(np.arange(n), m),
        "passage": np.repeat(np.arange(n) // each, m),
        "system": np.tile([f"s{s:02d}" for s in range(m)], n),
        "judge": judge.ravel(),
        "human": human.ravel(),
    }
    result = evals.rank(data, clusters="passage")
    units = judge.reshape(n // each, each, m).mean(axis=1)
    alone = rank_sets(
        units.mean(axis=0), np.cov(units.T) / len(units), len(units) - 1, 0.95, generator=rng, n_draws=1_000
    )
    return [not result.above.any(), not alone.above.any()]


BATTLES = [
    (6, 200, 2, 0.3, 0.0), (6, 200, 2, 0.3, 0.8), (6, 400, 2, 0.2, 0.0), (4, 150, 3, 0.5, 0.5), (12, 400, 3, 0.2, 0.0),
    (5, 300, 1, 1.0, 0.6), (5, 100, 4, 1.0, 0.6), (10, 300, 3, 1.0, 0.0), (3, 100, 3, 0.4, 0.0), (8, 300, 2, 0.25, 0.4),
    (5, 80, 5, 0.5, 0.0), (3, 200, 2, 1.0, 0.3),
]  # fmt: skip
"""Systems, prompts, battles a prompt, share judged by humans (1: all), spread of strengths."""


def draw_battles(rng: np.random.Generator, setting: Any, prompts: int | None = None) -> dict[str, np.ndarray]:
    """Battles with ties and prompt effects, and a judge that favours system 0."""
    m, n_prompts, each, share, spread = setting
    prompts = n_prompts if prompts is None else prompts
    theta, n = np.linspace(-spread, spread, m), prompts * each
    prompt = np.repeat(np.arange(prompts), each)
    first = rng.integers(0, m, n)
    second = (first + rng.integers(1, m, n)) % m
    shift = rng.normal(0, 0.4, (prompts, m))
    d = theta[first] - theta[second] + shift[prompt, first] - shift[prompt, second]
    up, down = np.exp(d / 2), np.exp(-d / 2)
    u = rng.random(n) * (up + down + 0.6)
    truth = np.where(u < up, 1, np.where(u < up + down, -1, 0))
    judge = np.where(rng.random(n) < 0.7, truth, np.sign(rng.normal(size=n)).astype(int))
    leaning = rng.random(n) < 0.3
    judge = np.where((first == 0) & leaning, 1, np.where((second == 0) & leaning, -1, judge))
    names, words = np.array([f"s{i:02d}" for i in range(m)]), np.array(["model_b", "tie", "model_a"])
    data = {
        "prompt_id": prompt,
        "model_a": names[first],
        "model_b": names[second],
        "winner": words[judge + 1],
    }
    if share < 1.0:
        data["human_winner"] = np.where(rng.random(n) < share, words[truth + 1].astype(object), None)
    else:
        data["winner"] = words[truth + 1]
    return data


def true_strengths(setting: Any) -> np.ndarray:
    """Roots of Davidson's moments under the law, from humans on very many battles (prompt effects bend the model)."""
    data = draw_battles(np.random.default_rng(97), (*setting[:3], 1.0, setting[4]), prompts=60_000)
    result = evals.rank(data, clusters="prompt_id")
    return result.estimate[np.argsort(result.systems)]


def battle_board(rng: np.random.Generator, setting: Any, strengths: np.ndarray) -> list[bool]:
    """No wrong direction; the lowest and the highest strength inside their intervals; no wrong direction by the judge alone."""
    m, spread = setting[0], setting[4]
    theta = np.linspace(-spread, spread, m)
    wrong = (theta[:, None] <= theta[None, :]) & ~np.eye(m, dtype=bool)
    data = draw_battles(rng, setting)

    def right(result: Any) -> bool:
        order = np.array([int(s[1:]) for s in result.systems])
        return not (result.above & wrong[np.ix_(order, order)]).any()

    result = evals.rank(data)
    order = np.argsort(result.systems)
    inside = (result.conf_low[order] <= strengths) & (strengths <= result.conf_high[order])
    alone = evals.rank({k: v for k, v in data.items() if k != "human_winner"})
    return [right(result), *inside.tolist(), right(alone)]


# ---------------------------------------------------------------- repeated samples

LAWS = {"Beta(.7, 1.2)": (0.7, 1.2), "Beta(.3, 3)": (0.3, 3.0), "Beta(4, .6)": (4.0, 0.6), "atoms": None}
PASS = [(law, p, s) for law in LAWS for p, s in ((30, 10), (60, 20), (100, 10), (200, 20), (500, 20))]
AUDITS = [
    (law, p, 20, share)
    for law in ("Beta(.7, 1.2)", "Beta(.3, 3)", "atoms", "Beta(4, .6)")
    for p, share in ((164, 0.25), (300, 0.2), (120, 0.4))
]
DELIVERED = [
    (law, p, 20, share)
    for law in ("Beta(.7, 1.2)", "Beta(.3, 3)", "atoms")
    for p, share in ((164, 0.25), (300, 0.1), (100, 0.4))
] + [("Beta(4, .6)", 164, 20, 0.1)]
KS = np.array([1, 2, 5, 10])
"""Law of the chance to pass, problems, samples; audited share of problems, or of passing samples."""


def problem_rates(rng: np.random.Generator, law: str, shape: tuple[int, ...]) -> np.ndarray:
    """Chances that a sample passes."""
    ab = LAWS[law]
    return rng.choice([0.0, 0.02, 0.3, 1.0], shape) if ab is None else rng.beta(*ab, shape)


def right_of(p: np.ndarray) -> np.ndarray:
    """Rate of right samples: passing ones are wrong the more often the harder the problem."""
    return p * (1 - 0.25 * (1 - p))


def true_curve(law: str, what: str) -> np.ndarray:
    """E[1 - (1 - p)^k] of passing or right samples, or P(the delivered one is right), from a million problems."""
    p = problem_rates(np.random.default_rng(99), law, (1_000_000,))
    if what == "delivered":
        return np.array([np.mean((1 - 0.25 * (1 - p)) * (1 - (1 - p) ** k)) for k in KS])
    right = p if what == "passes" else right_of(p)
    return np.array([np.mean(1 - (1 - right) ** k) for k in KS])


def _holds(band: Any, truth: np.ndarray) -> bool:
    return bool(((band.low <= truth) & (truth <= band.high)).all())


def unaudited_band(rng: np.random.Generator, setting: Any, truth: np.ndarray) -> list[bool]:
    """Whether the band holds the whole curve; whether Wald intervals at each k do."""
    law, problems, tries = setting
    passing = rng.binomial(tries, problem_rates(rng, law, (problems,)))
    mean, covariance = column_means(pass_at_k(np.full(problems, tries), passing, KS))
    band = simultaneous_band(mean, covariance, problems, problems - 1, 0.95, rng)
    return [_holds(band, truth), bool((np.abs(mean - truth) <= 1.96 * np.sqrt(np.diag(covariance))).all())]


def audited_band(rng: np.random.Generator, setting: Any, truth: np.ndarray) -> list[bool]:
    """Whole problems audited: whether the band holds the curve of right samples; whether the tests' band does."""
    law, problems, tries, share = setting
    p = problem_rates(rng, law, (problems,))
    passing = rng.binomial(tries, p)
    right = rng.binomial(passing, 1 - 0.25 * (1 - p))
    known = (rng.random(problems) < share) & (passing > 0)
    a = int(known.sum())
    size = np.full(problems, tries)
    base = pass_at_k(size, passing, KS)
    target = np.zeros_like(base)
    target[known] = audited_pass_at_k(size[known], passing[known], passing[known], right[known], KS)[0]
    guess = linear_guess(target, base, known, rng.permutation(problems) % 5)
    rows = corrected_rows(guess, target, known, np.full(problems, share))
    rows[passing == 0] = 0.0
    mean, covariance = column_means(rows)
    band = simultaneous_band(mean, covariance * a / (a - 2), a, a - 1, 0.95, rng)
    tests = simultaneous_band(*column_means(base), problems, problems - 1, 0.95, rng)
    return [_holds(band, truth), _holds(tests, truth)]


def best_numbers(law: str, tries: int, wrong_costs: float) -> set[int]:
    """Numbers of samples with the largest utility B - wrong_costs (D - B), from a million problems; ties to 1e-4."""
    p = problem_rates(np.random.default_rng(98), law, (1_000_000,))
    utility = []
    for n in range(1, tries + 1):
        delivered = 1 - (1 - p) ** n
        right = (1 - 0.25 * (1 - p)) * delivered
        utility.append(np.mean(right - wrong_costs * (delivered - right)))
    return {n for n, u in enumerate(utility, 1) if u >= max(utility) - 1e-4}


def limit_of_delivered(law: str) -> float:
    """P(a random passing sample is right) with any number of samples: 0 for problems that nothing passes, from a million."""
    p = problem_rates(np.random.default_rng(99), law, (1_000_000,))
    return float(np.mean(np.where(p > 0, 1 - 0.25 * (1 - p), 0.0)))


def delivered_band(
    rng: np.random.Generator, setting: Any, truth: np.ndarray, limit: float, best: set[int]
) -> list[bool]:
    """Single passing samples audited: whether the band of what is delivered, its ceiling and the set of best n hold; the tests' band."""
    law, problems, tries, share = setting
    p = problem_rates(rng, law, (problems,))
    passed = rng.random((problems, tries)) < p[:, None]
    right = rng.random((problems, tries)) < (1 - 0.25 * (1 - p))[:, None]
    data = {
        "problem": np.repeat(np.arange(problems), tries),
        "passed": passed.ravel().astype(int),
        "audit": np.where(passed & (rng.random((problems, tries)) < share), right, np.nan).ravel(),
        "audit_probability": np.full(problems * tries, share),
    }
    result = evals.pass_at_k(data, design="samples", k=KS.tolist(), wrong_costs=4.0)
    low, high = result.ceiling or (np.nan, np.nan)
    curves = [result.of(q) for q in ("best_of_n", "pass_by_tests")]
    held, tests = (bool(((c["conf_low"] <= truth) & (truth <= c["conf_high"])).all()) for c in curves)
    return [held, low <= limit <= high, bool(best & set(result.best_n)), tests]


# ---------------------------------------------------------------- agreement

AGREEMENT = [
    (labels, rate, sensitivity, specificity)
    for labels in (50, 100, 200)
    for rate, sensitivity, specificity in (
        (0.7, 0.9, 0.7),
        (0.5, 0.8, 0.8),
        (0.95, 0.97, 0.5),
        (0.9, 0.99, 0.6),
    )
]
"""Labels, rate, sensitivity, specificity; 2,000 answers."""

MEASURES = ("kappa", "sensitivity", "specificity", "precision", "f1", "ac1")


def agreement(rng: np.random.Generator, setting: Any) -> list[bool]:
    """Which intervals hold: the measures, then the specificity by the labelled rows alone where labels favour passes."""
    labels, rate, sensitivity, specificity = setting
    n = 2_000
    truth = rng.random(n) < rate
    u = rng.random(n)
    judge = np.where(truth, u < sensitivity, u > specificity)
    human = np.full(n, np.nan)
    rows = rng.choice(n, labels, replace=False)
    human[rows] = truth[rows]
    found: Any = evals.evaluate({"judge": judge.astype(float), "human": human}).judge
    both, yes = rate * sensitivity, rate * sensitivity + (1 - rate) * (1 - specificity)
    agree = both + (1 - rate) * specificity
    chance = rate * yes + (1 - rate) * (1 - yes)
    q = (rate + yes) / 2
    known = [
        (agree - chance) / (1 - chance), sensitivity, specificity, both / yes,
        2 * both / (rate + yes), (agree - 2 * q * (1 - q)) / (1 - 2 * q * (1 - q)),
    ]  # fmt: skip
    at = [found.terms.index(name) for name in MEASURES]
    return [bool(found.conf_low[i] <= v <= found.conf_high[i]) for i, v in zip(at, known, strict=True)]


# ---------------------------------------------------------------- the table


Truth = Callable[[Any], tuple[Any, ...]]
Rows = Callable[[Any, int, np.ndarray], Iterator[Row]]


class Question(NamedTuple):
    """What is run of a question: one draw of a setting, how often, what each setting needs, and its rows."""

    settings: list[Any]
    replicate: Callable[..., list[bool]]
    replicates: int
    rows: Rows
    truth: Truth = lambda setting: ()


def _row(question: str, asked: float, naive: str) -> Rows:
    """One row a setting: the first flag beside the last."""

    def rows(setting: Any, n: int, rates: np.ndarray) -> Iterator[Row]:
        yield Row(question, str(setting), rates[0], n, asked, rates[-1], naive)

    return rows


def _battle_rows(setting: Any, n: int, rates: np.ndarray) -> Iterator[Row]:
    yield Row("battles: ranks", str(setting), rates[0], n, 0.94, rates[-1], "judge alone")
    yield Row("battles: strengths, lowest", str(setting), rates[1:-1].min(), n, 0.94, float("nan"), "")


def _delivered_rows(setting: Any, n: int, rates: np.ndarray) -> Iterator[Row]:
    yield Row("best of n", str(setting), rates[0], n, 0.94, rates[-1], "tests")
    yield Row("ceiling of best of n", str(setting), rates[1], n, 0.94, float("nan"), "")
    yield Row("set of best n", str(setting), rates[2], n, 0.95, float("nan"), "")


def _agreement_rows(setting: Any, n: int, rates: np.ndarray) -> Iterator[Row]:
    worst = int(rates.argmin())
    asked = 0.93 if setting[0] >= 100 else 0.90
    yield Row("agreement, lowest", f"{setting}: {MEASURES[worst]}", rates[worst], n, asked, float("nan"), "")


def _curve(what: str) -> Truth:
    return lambda setting: (true_curve(setting[0], what),)


def _delivered_truth(setting: Any) -> tuple[Any, ...]:
    law, _, tries, _ = setting
    return true_curve(law, "delivered"), limit_of_delivered(law), best_numbers(law, tries, 4.0)


QUESTIONS = {
    "judged": Question(JUDGED, judged_rate, 1000, _row("judged rate", 0.94, "judge alone")),
    "judged_pairs": Question(
        JUDGED_PAIRS, judged_difference, 1000, _row("judged difference", 0.94, "judge alone")
    ),
    "ranks": Question(RANKS, leaderboard, 1000, _row("rank sets", 0.95, "pairs at 95 %")),
    "judged_ranks": Question(
        JUDGED_RANKS, judged_leaderboard, 1000, _row("rank sets, judged", 0.95, "judge alone")
    ),
    "battles": Question(BATTLES, battle_board, 500, _battle_rows, lambda s: (true_strengths(s),)),
    "pass": Question(PASS, unaudited_band, 500, _row("pass@k", 0.94, "Wald"), _curve("passes")),
    "audits": Question(AUDITS, audited_band, 500, _row("pass@k, audited", 0.94, "tests"), _curve("right")),
    "delivered": Question(DELIVERED, delivered_band, 200, _delivered_rows, _delivered_truth),
    "agreement": Question(AGREEMENT, agreement, 400, _agreement_rows),
}


def tasks(seed: int, share: float) -> Iterator[tuple[str, int, int, Callable[[], list[Row]]]]:
    """What can be run: part, number of the setting, replicates (0: exact), and a call that gives its rows."""

    def size(n: int) -> int:
        return max(round(share * n), 20)

    def clustered(k: int) -> list[Row]:
        n = size(2000)
        held, naive = clustered_shares(np.random.default_rng([seed, k]), CLUSTERED[k], n).mean(axis=0)
        return [Row("clustered share", str(CLUSTERED[k]), held, n, 0.94, naive, "rows as units")]

    def replicated(part: int, question: Question, k: int, n: int) -> list[Row]:
        rng, setting = np.random.default_rng([seed, part, k]), question.settings[k]
        truth = question.truth(setting)
        flags = np.array([question.replicate(rng, setting, *truth) for _ in range(n)], dtype=float)
        return list(question.rows(setting, n, flags.mean(axis=0)))

    for k in range(len(CLUSTERED)):
        yield "shares", k, size(2000), partial(clustered, k)
    for k, n in enumerate((20, 60)):
        yield "pairs", k, 0, partial(lambda n: list(exact_pairs(n)), n)
    for part, (name, question) in enumerate(QUESTIONS.items()):
        for k in range(len(question.settings)):
            n = size(question.replicates)
            yield name, k, n, partial(replicated, part, question, k, n)


def read_rows(path: Path) -> dict[tuple[str, int], tuple[int, list[Row]]]:
    """Finished settings: (part, number) -> seed and rows."""
    found: dict[tuple[str, int], tuple[int, list[Row]]] = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as stream:
            for part, number, seed, q, s, h, n, a, v, name in list(csv.reader(stream))[1:]:
                row = Row(q, s, float(h), int(n), float(a), float(v), name)
                found.setdefault((part, int(number)), (int(seed), []))[1].append(row)
    return found


def write_rows(folder: Path, found: dict[tuple[str, int], tuple[int, list[Row]]]) -> None:
    """Write the finished settings and the table made of them."""
    order = ["shares", "pairs", *QUESTIONS]
    kept = sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
    with (folder / "evals_coverage.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["part", "number", "seed", *Row._fields])
        writer.writerows([*key, seed, *row] for key, (seed, rows) in kept for row in rows)
    seeds = ", ".join(map(str, sorted({seed for _, (seed, _) in kept})))
    text = report([row for _, (_, rows) in kept for row in rows], seeds)
    (folder / "evals_coverage.md").write_text(text, encoding="utf-8")


def report(rows: list[Row], seed: str) -> str:
    """Return the table: question by question, with the lowest coverage first and how it compares with what is asked."""
    lines = [
        "# Evaluations: coverage",
        "",
        f"Level .95; seeds {seed}. 'Below' counts settings whose number of hits is below what is asked by more than two "
        "Monte-Carlo standard errors. Exact rows add up all tables.",
        "",
        "| question | settings | replicates each | asked | lowest | mean | below | simpler method: lowest |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | :--- |",
    ]
    for question in dict.fromkeys(row.question for row in rows):
        part = [row for row in rows if row.question == question]
        held = np.array([row.held for row in part])
        asked = np.array([row.asked for row in part])
        error = np.array(
            [np.sqrt(r.asked * (1 - r.asked) / r.replicates) if r.replicates else 0.0 for r in part]
        )
        below = int(np.sum(held < asked - 2 * error - 1e-9))
        naive = [row.naive for row in part if np.isfinite(row.naive)]
        simpler = f"{part[0].naive_name} {min(naive):.3f}" if naive else ""
        counts = sorted({row.replicates for row in part})
        each = " to ".join(f"{n:,}" for n in dict.fromkeys((counts[0], counts[-1]))) if counts[0] else "exact"
        lines.append(
            f"| {question} | {len(part)} | {each} | {min(asked):g} | {held.min():.3f} | {held.mean():.3f} | {below} | {simpler} |"
        )
    lines += ["", "| question | setting | held | asked | simpler |", "| :--- | :--- | ---: | ---: | ---: |"]
    for row in rows:
        simpler = f"{row.naive:.3f}" if np.isfinite(row.naive) else ""
        lines.append(f"| {row.question} | {row.setting} | {row.held:.3f} | {row.asked:g} | {simpler} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", help="Questions; all if not given.")
    parser.add_argument(
        "--settings", nargs="*", type=int, help="Numbers of settings of a question; all if not given."
    )
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    given = parser.parse_args()
    path = given.output / "evals_coverage.csv"
    given.output.mkdir(parents=True, exist_ok=True)
    for part, number, n, run in tasks(given.seed, given.share):
        if (given.only and part not in given.only) or (given.settings and number not in given.settings):
            continue
        finished = read_rows(path).get((part, number))
        if finished and finished[1][0].replicates >= n:
            continue
        start = time.process_time()
        rows = run()
        # Read again: another process may have finished other settings meanwhile.
        write_rows(given.output, read_rows(path) | {(part, number): (given.seed, rows)})
        for row in rows:
            print(*row, f"{time.process_time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
