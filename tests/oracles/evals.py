"""Slow, obvious versions of the algorithms of validstats.evals."""

from __future__ import annotations

from itertools import combinations, product
from math import comb, exp, sqrt

import numpy as np
from scipy import stats


def table_probabilities(n, p10, p01):
    """Probability of every table (b, c) of n pairs, as a dictionary."""
    rest = max(0.0, 1.0 - p10 - p01)
    return {
        (b, c): comb(n, b) * comb(n - b, c) * p10**b * p01**c * rest ** (n - b - c)
        for b in range(n + 1)
        for c in range(n + 1 - b)
    }


def buehler_lower(b, c, n, alpha, n_psi=400, share=0.02):
    """Lower bound of p10 - p01 by looking at every table, discordance and difference on fine grids."""
    z = stats.norm.isf(alpha)

    def order(x, y):
        d = x - y
        return d - z * sqrt(max(x + y + 1 - d * d / n, 0.0))

    extreme = {(x, y) for x in range(n + 1) for y in range(n + 1 - x) if order(x, y) >= order(b, c) - 1e-9}
    while True:
        more = {(x + 1, y) for x, y in extreme if x + 1 + y <= n} | {(x, y - 1) for x, y in extreme if y > 0}
        if more <= extreme:
            break
        extreme |= more
    spent = share * alpha
    low = stats.beta.ppf(spent / 2, b + c, n - b - c + 1) if b + c else 0.0
    high = stats.beta.isf(spent / 2, b + c + 1, n - b - c) if b + c < n else 1.0
    for delta in np.arange(-1.0, 1.0, 2e-3):
        for psi in np.linspace(low, high, n_psi):
            if abs(delta) <= psi:
                law = table_probabilities(n, (psi + delta) / 2, (psi - delta) / 2)
                if sum(law[t] for t in extreme) + spent > alpha:
                    return delta
    return 1.0


def sign_flips(sums):
    """Share of all sign patterns whose absolute sum is at least the observed one."""
    totals = [abs(sum(s * x for s, x in zip(signs, sums))) for signs in product((-1, 1), repeat=len(sums))]
    return float(np.mean([t >= abs(sum(sums)) - 1e-9 * sum(map(abs, sums)) for t in totals]))


def pass_at_k(n, c, k):
    """Share of all k-subsets of n samples, the first c of which pass, that hold a passing one."""
    subsets = list(combinations(range(n), k))
    return sum(any(i < c for i in s) for s in subsets) / len(subsets)


def delivered_right(passed, right, scores, n):
    """Share of n-subsets whose delivered sample is right, and share that delivers: best score wins, ties at random."""
    right_total, delivered_total, subsets = 0.0, 0, 0
    for subset in combinations(range(len(passed)), n):
        subsets += 1
        candidates = [j for j in subset if passed[j]]
        if candidates:
            best = max(scores[j] for j in candidates)
            winners = [j for j in candidates if scores[j] == best]
            right_total += sum(right[j] for j in winners) / len(winners)
            delivered_total += 1
    return right_total / subsets, delivered_total / subsets


def audited_pass_at_k(m, b, k, n, c, m0=None, b0=None):
    """Mean over the number J of passing ones among k samples, with J hypergeometric, written out."""
    total = 0.0
    for j in range(max(0, k - (n - c)), min(k, c) + 1):
        weight = comb(c, j) * comb(n - c, k - j) / comb(n, k)
        none_right = comb(m - b, j) / comb(m, j) if j <= m else float("nan")
        if m0 is not None:
            none_right *= comb(m0 - b0, k - j) / comb(m0, k - j)
        total += weight * none_right
    return 1.0 - total


def davidson(theta_a, theta_b, nu):
    """Probabilities that a wins, that b wins, and of a tie."""
    d = theta_a - theta_b
    z = exp(d / 2) + exp(-d / 2) + nu
    return exp(d / 2) / z, exp(-d / 2) / z, nu / z


def davidson_by_likelihood(pairs, outcomes, n_systems):
    """Strengths (mean 0) and log nu that maximise Davidson's likelihood, by a general optimiser."""
    from scipy.optimize import minimize

    def negative(parameters):
        theta = np.append(parameters[: n_systems - 1], -np.sum(parameters[: n_systems - 1]))
        nu = exp(parameters[-1])
        total = 0.0
        for (a, b), y in zip(pairs, outcomes):
            total -= np.log(davidson(theta[a], theta[b], nu)[{1: 0, -1: 1, 0: 2}[y]])
        return total

    found = minimize(negative, np.zeros(n_systems), method="BFGS", options={"gtol": 1e-8, "maxiter": 2000})
    theta = np.append(found.x[: n_systems - 1], -np.sum(found.x[: n_systems - 1]))
    return theta, found.x[-1]


def step_down(t, draws, level):
    """Romano-Wolf step-down, one draw and one pair at a time; ``draws`` has shape (draws, pairs)."""
    alive, rejected = set(range(len(t))), set()
    while alive:
        maxima = sorted(max(row[p] for p in alive) for row in draws)
        critical = maxima[min(len(maxima) - 1, int(np.ceil(level * (len(maxima) + 1))) - 1)]
        new = {p for p in alive if t[p] > critical}
        if not new:
            break
        rejected |= new
        alive -= new
    return rejected


def cohen_kappa(table):
    """Kappa, AC1, sensitivity, specificity, precision of a 2 x 2 table [[both yes, judge only], [human only, none]]."""
    (a, b), (c, d) = table
    n = a + b + c + d
    p_o = (a + d) / n
    p_e = ((a + b) * (a + c) + (c + d) * (b + d)) / n**2
    q = ((a + c) / n + (a + b) / n) / 2
    p_g = 2 * q * (1 - q)
    return {
        "kappa": (p_o - p_e) / (1 - p_e),
        "ac1": (p_o - p_g) / (1 - p_g),
        "sensitivity": a / (a + c),
        "specificity": d / (b + d),
        "precision": a / (a + b),
    }


def mcnemar_power(n, p10, p01, alpha):
    """Power of the two-sided exact McNemar test by adding up all tables."""
    power = 0.0
    for (b, c), probability in table_probabilities(n, p10, p01).items():
        p = min(1.0, 2 * sum(comb(b + c, i) for i in range(min(b, c) + 1)) / 2 ** (b + c))
        power += probability * (p <= alpha)
    return power


def ridge_guess(target, base, known, folds, weights):
    """Guess of every entry from the known rows of other folds: base + a + b base by least squares with one pseudo-row each."""
    guess = np.array(base, dtype=float)
    for i in range(len(base)):
        train = [j for j in range(len(base)) if known[j] and folds[j] != folds[i]]
        for k in range(guess.shape[1]):
            if train:
                rows = [[sqrt(weights[j]), sqrt(weights[j]) * base[j][k]] for j in train] + [[1, 0], [0, 1]]
                y = [sqrt(weights[j]) * (target[j][k] - base[j][k]) for j in train] + [0, 0]
                a, b = np.linalg.lstsq(np.array(rows), np.array(y), rcond=None)[0]
                guess[i, k] = base[i][k] + a + b * base[i][k]
    return guess


def effective_units(values):
    """Independent 0/1 units with the variance of values to which a 0 and a 1 are added."""
    more = [*values, 0.0, 1.0]
    mean = sum(more) / len(more)
    return len(values) * mean * (1 - mean) / (sum(x * x for x in more) / len(more) - mean**2)


def wilson(mean, n, z):
    """Roots p of ``(mean - p)^2 = z^2 p (1 - p)/n``."""
    roots = np.roots([1 + z * z / n, -(2 * mean + z * z / n), mean**2])
    return sorted(float(root.real) for root in roots)


def davidson_covariance(first, second, outcome, tie, prompts, weights, theta, log_nu, advantage):
    """Sandwich over prompts of the roots of Davidson's moments, their derivatives by differences; last the advantage."""
    m = len(theta)
    spread = np.vstack([np.eye(m - 1), -np.ones(m - 1)])  # strengths of mean 0 from all but the last one

    def moments(parameters):
        strengths = spread @ parameters[: m - 1]
        more = parameters[m - 1] if advantage is not None else 0.0
        nu = exp(parameters[-1]) if log_nu is not None else 0.0
        rows = np.zeros((int(max(prompts)) + 1, len(parameters)))
        for i, (a, b) in enumerate(zip(first, second)):
            win, lose, equal = davidson(strengths[a] + more, strengths[b], nu)
            s = weights[i] * (outcome[i] - (win - lose) / 2)
            contrast = spread[a] - spread[b]
            rows[prompts[i], : m - 1] += s * contrast
            if advantage is not None:
                rows[prompts[i], m - 1] += s
            if log_nu is not None:
                rows[prompts[i], -1] += weights[i] * (tie[i] - equal)
        return rows

    parameters = np.array(
        [*theta[:-1], *([] if advantage is None else [advantage]), *([] if log_nu is None else [log_nu])]
    )
    slope = np.zeros((len(parameters), len(parameters)))
    for k in range(len(parameters)):
        step = np.zeros(len(parameters))
        step[k] = 1e-5
        slope[:, k] = (moments(parameters + step).sum(0) - moments(parameters - step).sum(0)) / 2e-5
    rows = moments(parameters)
    influence = -np.linalg.solve(slope, rows.T).T
    groups = len(rows)
    of_all = influence.T @ influence * groups / (groups - 1)
    lift = np.zeros((m + (advantage is not None), len(parameters)))
    lift[:m, : m - 1] = spread
    if advantage is not None:
        lift[m, m - 1] = 1.0
    return rows.sum(0), lift @ of_all @ lift.T


def win_rates(first, second, outcome, prompts, n_systems):
    """Mean over opponents of the share of points, and the covariance from the influence of every prompt."""
    points = {}
    for i, (a, b) in enumerate(zip(first, second)):
        points.setdefault((a, b), []).append((prompts[i], 0.5 + outcome[i]))
        points.setdefault((b, a), []).append((prompts[i], 0.5 - outcome[i]))
    n_prompts = max(prompts) + 1
    rate, influence = np.zeros(n_systems), np.zeros((n_prompts, n_systems))
    for s in range(n_systems):
        met = [values for (a, _), values in points.items() if a == s]
        for values in met:
            mean = sum(p for _, p in values) / len(values)
            rate[s] += mean / len(met)
            for prompt, p in values:
                influence[prompt, s] += (p - mean) / len(values) / len(met)
    return rate, influence.T @ influence * n_prompts / (n_prompts - 1)


def mcnemar_items(p10, p01, alpha, power, most):
    """One more than the largest number of pairs, up to ``most``, at which the power is below the one asked for."""
    return 1 + max(n for n in range(1, most) if mcnemar_power(n, p10, p01, alpha) < power)
