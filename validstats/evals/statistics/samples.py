"""Repeated samples: pass@k with and without audits, and what is delivered from the best of n."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from validstats._typing import Bool1D, Float1D, Float2D, Int1D
from validstats.evals.statistics.ranks import RankSets, rank_sets, smoothed_variance, studentised_maximum
from validstats.evals.statistics.scores import effective_score_interval

__all__ = [
    "Band",
    "audited_pass_at_k",
    "best_of_n_utility",
    "chance_none_passes",
    "column_means",
    "corrected_rows",
    "delivery_weights",
    "expected_samples",
    "finite_pass_at_k_covariance",
    "linear_guess",
    "pass_at_k",
    "simultaneous_band",
    "unseen_errors",
]

_RIDGE = 1.0
"""Penalty that shrinks the guess of an audit to what the tests say: one problem's worth."""


@dataclass(frozen=True)
class Band:
    """Estimates at several k with intervals that hold at all k together."""

    estimate: Float1D
    std_error: Float1D
    low: Float1D
    high: Float1D
    critical: float


def chance_none_passes(samples: Int1D, passing: Int1D, k: Int1D) -> Float1D:
    """``N(n, c, k) = C(n - c, k)/C(n, k)``: no passing one among k samples drawn without replacement."""
    n, c, k = np.broadcast_arrays(
        np.asarray(samples, float), np.asarray(passing, float), np.asarray(k, float)
    )
    possible = k <= n - c
    rest = np.where(possible, n - c, k)
    # log C(a, k) - log C(n, k) = lgamma(a + 1) - lgamma(a - k + 1) - lgamma(n + 1) + lgamma(n - k + 1).
    g = special.gammaln
    value = g(rest + 1) - g(rest - k + 1) - g(n + 1) + g(np.maximum(n - k, 0) + 1)
    return np.where(possible, np.where(c == 0, 1.0, np.exp(value)), 0.0)


def pass_at_k(samples: Int1D, passing: Int1D, ks: Int1D) -> Float2D:
    """Unbiased ``1 - N(S, c, k)`` of every problem (rows) and k (columns); k is at most S."""
    return 1.0 - chance_none_passes(np.asarray(samples)[:, None], np.asarray(passing)[:, None], ks[None, :])


def _log_choose(n: Int1D, r: Int1D) -> Float1D:
    """log C(n, r), entry by entry."""
    return special.gammaln(n + 1) - special.gammaln(r + 1) - special.gammaln(n - r + 1)


def audited_pass_at_k(
    samples: Int1D,
    passing: Int1D,
    audited: Int1D,
    right: Int1D,
    ks: Int1D,
    audited_failing: Int1D | None = None,
    right_failing: Int1D | None = None,
) -> tuple[Float2D, Float2D]:
    """Lower and upper version of the audited pass@k of every problem; equal where the audits reach far enough.

    ``1 - sum_j P(J = j) N(m, b, j) N(m0, b0, k - j)``, J the passing ones among k of the S samples.
    """
    s, c, m, b = (np.asarray(v)[:, None, None] for v in (samples, passing, audited, right))
    k = np.asarray(ks)[None, :, None]
    j = np.arange(int(np.max(ks)) + 1)[None, None, :]
    # Hypergeometric law of J: C(c, j) C(S - c, k - j) / C(S, k).
    feasible = (j <= c) & (j <= k) & (k - j <= s - c)
    jj, rest = np.where(feasible, j, 0), np.where(feasible, k - j, 0)
    log_p = _log_choose(c, jj) + _log_choose(s - c, rest) - _log_choose(s, np.where(feasible, k, 0))
    law = np.where(feasible, np.exp(log_p), 0.0)
    low, high = _none_right_bounds(m, b, j)
    if audited_failing is not None and right_failing is not None:
        m0, b0 = np.asarray(audited_failing)[:, None, None], np.asarray(right_failing)[:, None, None]
        low_0, high_0 = _none_right_bounds(m0, b0, np.where(feasible, k - j, 0))
        low, high = low * low_0, high * high_0
    return 1.0 - (law * high).sum(axis=2), 1.0 - (law * low).sum(axis=2)


def _none_right_bounds(audited: Int1D, right: Int1D, j: Int1D) -> tuple[Float2D, Float2D]:
    """Smallest and largest N(m, b, j); beyond the audits (j > m) it lies between 0 and N(m, b, m)."""
    inside = chance_none_passes(audited, right, np.minimum(j, audited))
    return np.where(j <= audited, inside, 0.0), inside


def linear_guess(
    target: Float2D, base: Float2D, known: Bool1D, folds: Int1D, weights: Float1D | None = None
) -> Float2D:
    """Cross-fitted guess of the audited columns: ``u + a + b u``, with a and b shrunk to 0 by a unit ridge."""
    guess = base.copy()
    w = np.ones(len(base)) if weights is None else weights
    for fold in np.unique(folds):
        train, test = known & (folds != fold), folds == fold
        if not train.any():
            continue
        for k in range(base.shape[1]):
            design = np.column_stack([np.ones(train.sum()), base[train, k]])
            weighted = design * w[train, None]
            beta = np.linalg.solve(
                design.T @ weighted + _RIDGE * np.eye(2), weighted.T @ (target[train, k] - base[train, k])
            )
            guess[test, k] = base[test, k] + beta[0] + beta[1] * base[test, k]
    return guess


def corrected_rows(guess: Float2D, target: Float2D, known: Bool1D, probability: Float1D) -> Float2D:
    """``h + (R/pi)(y - h)``: unbiased for the audited columns whatever the guess h."""
    rows = guess.copy()
    rows[known] += (target[known] - guess[known]) / probability[known, None]
    return rows


def column_means(rows: Float2D, clusters: Int1D | None = None) -> tuple[Float1D, Float2D]:
    """Means of the columns and their covariance, from one row a problem or sums over clusters of problems."""
    n = len(rows)
    mean = rows.mean(axis=0)
    centred = rows - mean
    if clusters is None:
        return mean, centred.T @ centred / (n * max(n - 1, 1))
    n_clusters = int(clusters.max()) + 1
    sums = np.zeros((n_clusters, rows.shape[1]))
    np.add.at(sums, clusters, centred)
    # Ratio of cluster sums: G/(G - 1) sum of squares over n^2.
    return mean, sums.T @ sums * (n_clusters / max(n_clusters - 1, 1)) / n**2


def finite_pass_at_k_covariance(samples: Int1D, passing: Int1D, ks: Int1D) -> Float2D:
    """Covariance over sampling alone, for these problems: ``sum [N(k) N(l) - N(k + l)] / P^2``, unbiased for k + l <= S."""
    none = 1.0 - pass_at_k(samples, passing, ks)
    s, c = np.asarray(samples)[:, None, None], np.asarray(passing)[:, None, None]
    both = chance_none_passes(s, c, ks[None, :, None] + ks[None, None, :])
    return (none[:, :, None] * none[:, None, :] - both).sum(axis=0) / len(none) ** 2


def simultaneous_band(
    mean: Float1D,
    covariance: Float2D,
    n_units: float,
    degrees_of_freedom: float,
    confidence_level: float,
    generator: np.random.Generator,
) -> Band:
    """Effective score intervals with the critical value of the largest deviation over all columns."""
    critical = studentised_maximum(covariance, degrees_of_freedom, confidence_level, generator)
    std_error = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    low, high = effective_score_interval(mean, std_error, n_units, critical)
    return Band(np.clip(mean, 0.0, 1.0), std_error, low, high, critical)


def delivery_weights(problem: Int1D, passed: Bool1D, score: Float1D, ns: Int1D) -> Float2D:
    """Chance that each sample is delivered from a random n-subset of its problem's samples (columns: n).

    The best score among passing samples wins, ties at random, failing ones never:
    ``[N(S, above, n) - N(S, above + at, n)] / at``.
    """
    n_problems = int(problem.max()) + 1
    size = np.bincount(problem, minlength=n_problems)
    weights = np.zeros((len(problem), len(ns)))
    rows = np.flatnonzero(passed)
    order = rows[np.lexsort((-score[rows], problem[rows]))]
    p, s = problem[order], score[order]
    new = np.r_[True, (p[1:] != p[:-1]) | (s[1:] != s[:-1])]
    level = np.cumsum(new) - 1
    at = np.bincount(level)[level]
    first_of_level = np.flatnonzero(new)[level]
    first_of_problem = np.flatnonzero(np.r_[True, p[1:] != p[:-1]])[
        np.cumsum(np.r_[True, p[1:] != p[:-1]]) - 1
    ]
    above = first_of_level - first_of_problem
    total = size[p][:, None]
    none_above = chance_none_passes(total, above[:, None], ns[None, :])
    none_at = chance_none_passes(total, (above + at)[:, None], ns[None, :])
    weights[order] = (none_above - none_at) / at[:, None]
    return weights


def expected_samples(samples: Int1D, passing: Int1D, ns: Int1D) -> Float2D:
    """Expected number of samples drawn when one stops at the first that passes, at most n: ``sum_{j<n} N(S, c, j)``."""
    j = np.arange(int(np.max(ns)))
    none = chance_none_passes(np.asarray(samples)[:, None], np.asarray(passing)[:, None], j[None, :])
    return np.cumsum(none, axis=1)[:, np.asarray(ns) - 1]


def best_of_n_utility(
    right: Float2D,
    delivered: Float2D,
    cost: Float2D,
    wrong_costs: float,
    degrees_of_freedom: float,
    confidence_level: float,
    generator: np.random.Generator,
    inflation: float = 1.0,
    unseen: Float2D | float = 0.0,
) -> tuple[Float1D, Float2D, RankSets]:
    """Utility ``B - wrong_costs (D - B) - cost`` of every n, its covariance, and the n that may be best."""
    utility = right - wrong_costs * (delivered - right) - cost
    mean, covariance = column_means(utility)
    covariance = covariance * inflation + (1.0 + wrong_costs) ** 2 * unseen
    return (
        mean,
        covariance,
        rank_sets(mean, covariance, degrees_of_freedom, confidence_level, generator=generator),
    )


def unseen_errors(
    rate: Float1D, audited: Float1D, right: Float1D, delivered: Float2D, fewest: int = 10
) -> Float2D:
    """Covariance that one pseudo-audit of each kind adds to the share of delivered right answers at every n.

    Problems are put into classes of about equal passing rate, each with ``fewest`` audited ones; ``audited`` is 1 where a
    problem has audits and ``right`` their share of right samples. Where a few audits saw no wrong answer their spread is 0.
    """
    known = np.sort(rate[audited > 0])
    n_classes = max(len(known) // fewest, 1)
    edges = known[[j * len(known) // n_classes for j in range(1, n_classes)]]
    group = np.searchsorted(edges, rate, side="right")
    out = np.zeros((delivered.shape[1],) * 2)
    for q in range(n_classes):
        m = float(audited[group == q].sum())
        x = float((audited * right)[group == q].sum())
        # dB_n/dp_q: share of all problems in the class, times the chance that something is delivered.
        share = delivered[group == q].sum(axis=0) / len(rate)
        out += np.outer(share, share) * smoothed_variance(np.ones(1), np.array([m]), np.array([x]))
    return out
