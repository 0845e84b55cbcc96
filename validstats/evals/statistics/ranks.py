"""Sets of ranks: step-down comparisons of all pairs of systems, and what they leave open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, FloatND, Int1D

__all__ = [
    "RankSets",
    "covariance_factor",
    "letter_groups",
    "rank_sets",
    "sign_test_vetoes",
    "simultaneous_level",
    "smoothed_variance",
    "studentised_maximum",
]

_CHUNK_FLOATS = 4_000_000
"""Numbers held at once while Wishart matrices are drawn."""


@dataclass(frozen=True)
class RankSets:
    """Which systems are certainly above which, and the ranks that remain possible."""

    above: AnyArray
    """Boolean matrix: row system certainly above column system."""
    critical: float
    """Critical value of the last step."""
    low: Int1D
    """Best rank that each system may have."""
    high: Int1D
    """Worst rank that each system may have."""

    @property
    def may_be_best(self) -> Bool1D:
        """Systems that nothing is certainly above."""
        return self.low == 1


def covariance_factor(covariance: Float2D) -> Float2D:
    """Matrix L with ``L L' = V``, one column for each direction that has variance."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    kept = values > 1e-13 * max(float(values[-1]), 0.0)
    return vectors[:, kept] * np.sqrt(values[kept])


def _wishart_roots(factor: Float2D, df: float, n: int, generator: np.random.Generator) -> FloatND:
    """Draws of Y with ``Y Y' = W``, W ~ Wishart_df(L L')/df, shape (n, rows of L, columns)."""
    rank = factor.shape[1]
    if df > rank:
        # Bartlett: W = L A A' L' / df, A lower triangular with chi (df - i) on the diagonal and normals below.
        lower = np.tril(generator.standard_normal((n, rank, rank)), -1)
        index = np.arange(rank)
        lower[:, index, index] = np.sqrt(generator.chisquare(np.maximum(df - index, 1e-3), (n, rank)))
        return factor @ lower / np.sqrt(df)
    rows = max(round(df), 1)
    return factor @ generator.standard_normal((n, rank, rows)) / np.sqrt(rows)


def _squared_errors_of_pairs(roots: FloatND, first: Int1D, second: Int1D) -> Float2D:
    """``W_ss + W_tt - 2 W_st`` of every draw, shape (n, pairs)."""
    # A common shift of the rows changes no difference, and keeps the products as small as the differences.
    centred = roots - roots.mean(axis=1, keepdims=True)
    product = centred @ centred.transpose(0, 2, 1)
    square = np.diagonal(product, axis1=1, axis2=2)
    found = square[:, first] + square[:, second] - 2.0 * product[:, first, second]
    # Rounding may take a tiny difference below 0.
    return np.maximum(found, 1e-15 * square.max(axis=1, keepdims=True))


def _studentised_draws(
    covariance: Float2D, first: Int1D, second: Int1D, df: float, n_draws: int, generator: np.random.Generator
) -> Float2D:
    """Draws of ``(Z_s - Z_t)/sqrt(W_ss + W_tt - 2 W_st)``, each with standard errors of its own."""
    factor = covariance_factor(covariance)
    n_systems = len(covariance)
    z = generator.standard_normal((n_draws, factor.shape[1])) @ factor.T
    numerator = z[:, first] - z[:, second]
    if df > max(1_000, 20 * n_systems):
        return numerator / np.linalg.norm(factor[first] - factor[second], axis=1)
    step = max(1, _CHUNK_FLOATS // (len(first) * max(n_systems, 1)))
    for start in range(0, n_draws, step):
        block = numerator[start : start + step]
        roots = _wishart_roots(factor, df, len(block), generator)
        block /= np.sqrt(_squared_errors_of_pairs(roots, first, second))
    return numerator


def _towards_equal(covariance: Float2D, mean_squared: float, df: float) -> Float2D:
    """Covariance with as many prior units of equally correlated systems as there are systems, less one."""
    # Few units show correlations that they do not have, by which the largest of all pairs looks smaller than it is:
    # 10 equal systems on 12 clusters had sets that held .931 of 1,000 (now .952, `python -m benchmarks.evals_coverage`).
    # What pairs have in common drops out, so that equal correlations are (1 - r) I; their mean pair has E[d^2] as here.
    m = len(covariance)
    share = (m - 1.0) / (df + m - 1.0) if m > 2 else 0.0
    return (1.0 - share) * covariance + share * 0.5 * mean_squared * np.eye(m)


def rank_sets(
    theta: Float1D,
    covariance: Float2D,
    degrees_of_freedom: float,
    confidence_level: float,
    *,
    generator: np.random.Generator,
    vetoes: Float2D | None = None,
    n_draws: int = 10_000,
) -> RankSets:
    """Compare all pairs by Romano and Wolf's step-down (2005); without a wrong direction all ranks are covered.

    ``vetoes`` holds, for each ordered pair, an exact p-value that must not exceed the tail of the critical value.
    """
    m = len(theta)
    variance = np.diag(covariance)
    squared = variance[:, None] + variance[None, :] - 2.0 * covariance
    # Pairs s < t; the draws of (t, s) are those of (s, t) with the other sign.
    scale = variance[:, None] + variance[None, :]
    first, second = (
        v.astype(np.int64) for v in np.nonzero(np.triu(squared > 1e-12 * np.maximum(scale, 1e-300), 1))
    )
    above = np.zeros((m, m), dtype=bool)
    critical = np.inf
    if len(first):
        pairs = squared[first, second]
        prior = _towards_equal(covariance, float(pairs.mean()), degrees_of_freedom)
        draws = _studentised_draws(prior, first, second, degrees_of_freedom, n_draws, generator)
        t = (theta[first] - theta[second]) / np.sqrt(pairs)
        critical = _step_down(t, draws, first, second, above, confidence_level, degrees_of_freedom, vetoes)
    low = 1 + above.sum(axis=0)
    high = m - above.sum(axis=1)
    return RankSets(above, float(critical), low.astype(np.int64), high.astype(np.int64))


def _step_down(
    t: Float1D,
    draws: Float2D,
    first: Int1D,
    second: Int1D,
    above: Float2D,
    level: float,
    df: float,
    vetoes: Float2D | None,
) -> float:
    """Reject pairs until none is new; writes ``above`` and returns the last critical value."""
    n_draws = len(draws)
    # The next higher order statistic: ceil(level (n + 1)) of n.
    position = min(n_draws, int(np.ceil(level * (n_draws + 1) - 1e-9))) - 1
    upper_alive, lower_alive = np.ones(len(t), dtype=bool), np.ones(len(t), dtype=bool)
    while True:
        maxima = np.full(n_draws, -np.inf)
        if upper_alive.any():
            maxima = draws[:, upper_alive].max(axis=1)
        if lower_alive.any():
            maxima = np.maximum(maxima, -draws[:, lower_alive].min(axis=1))
        critical = float(np.partition(maxima, position)[position])
        up, down = upper_alive & (t > critical), lower_alive & (-t > critical)
        if vetoes is not None:
            tail = float(stats.t.sf(critical, df))
            up &= vetoes[first, second] <= tail
            down &= vetoes[second, first] <= tail
        if not (up.any() or down.any()):
            return critical
        above[first[up], second[up]] = True
        above[second[down], first[down]] = True
        upper_alive &= ~up
        lower_alive &= ~down


def sign_test_vetoes(scores: Float2D) -> Float2D:
    """One-sided exact sign test of every ordered pair of columns of 0/1 scores (items x systems)."""
    both = scores.T @ (1.0 - scores)  # b: row system right, column system wrong
    b, c = np.rint(both).astype(np.int64), np.rint(both.T).astype(np.int64)
    # P(Bin(b + c, 1/2) >= b), 1 without a discordant pair.
    return stats.binom.sf(b - 1, b + c, 0.5)


def smoothed_variance(share: Float1D, labels: Float1D, right: Float1D) -> float:
    """Variance that one pseudo-label of each kind adds in the judge classes of a system.

    ``share`` is a class's share of the answers, ``labels`` its (effective) number of labels, ``right`` the weighted
    number of right ones; a class without labels adds W^2/4.
    """
    m = np.where(labels > 0, labels, 1.0)
    p = np.where(labels > 0, right / m, 0.0)
    smoothed = (p * m + 1.0) / (m + 2.0)
    # W^2 max(0, p~(1 - p~) - p(1 - p)) / m; an empty class counts as p = 0 with variance 1/4.
    extra = np.where(labels > 0, smoothed * (1 - smoothed) - p * (1 - p), 0.25)
    return float(np.sum(share**2 * np.maximum(extra, 0.0) / m))


def studentised_maximum(
    covariance: Float2D,
    degrees_of_freedom: float,
    confidence_level: float,
    generator: np.random.Generator,
    n_draws: int = 10_000,
) -> float:
    """Critical value of ``max |Z_k| / sqrt(W_kk)``: simultaneous intervals, not below the pointwise t quantile."""
    keep = np.diag(covariance) > 0
    pointwise = float(stats.t.isf((1.0 - confidence_level) / 2.0, degrees_of_freedom))
    if keep.sum() <= 1:
        return pointwise
    sub = covariance[np.ix_(keep, keep)]
    factor = covariance_factor(sub)
    n, rank = len(sub), factor.shape[1]
    z = generator.standard_normal((n_draws, rank)) @ factor.T
    if degrees_of_freedom > max(1_000, 20 * n):
        ratio = np.abs(z) / np.sqrt(np.diag(sub))
    else:
        ratio = np.empty_like(z)
        step = max(1, _CHUNK_FLOATS // (n * rank))
        for start in range(0, n_draws, step):
            block = z[start : start + step]
            roots = _wishart_roots(factor, degrees_of_freedom, len(block), generator)
            ratio[start : start + step] = np.abs(block) / np.linalg.norm(roots, axis=2)
    maxima = ratio.max(axis=1)
    position = min(n_draws, int(np.ceil(confidence_level * (n_draws + 1) - 1e-9))) - 1
    return max(pointwise, float(np.partition(maxima, position)[position]))


def letter_groups(above: AnyArray, order: Int1D) -> list[str]:
    """Compact letter display: two systems share a letter exactly if neither is certainly above the other."""
    m = len(above)
    decided = above | above.T
    # Insert and absorb (Piepho 2004): split every column of letters that holds a decided pair.
    columns: list[frozenset[int]] = [frozenset(range(m))]
    for i in range(m):
        for j in range(i + 1, m):
            if decided[i, j]:
                split: list[frozenset[int]] = []
                for column in columns:
                    split.extend([column - {i}, column - {j}] if {i, j} <= column else [column])
                columns = _maximal(split)
    place = {int(s): position for position, s in enumerate(order)}
    columns.sort(key=lambda column: sorted(place[s] for s in column))
    return ["".join(_letter(k) for k, column in enumerate(columns) if s in column) for s in range(m)]


def _maximal(columns: list[frozenset[int]]) -> list[frozenset[int]]:
    """Sets that no other one contains."""
    unique = sorted(set(columns), key=len, reverse=True)
    kept: list[frozenset[int]] = []
    for column in unique:
        if not any(column <= other for other in kept):
            kept.append(column)
    return kept


def _letter(position: int) -> str:
    """a, b, ..., z, a2, b2, ..."""
    cycle, letter = divmod(position, 26)
    return chr(ord("a") + letter) + ("" if cycle == 0 else str(cycle + 1))


def simultaneous_level(
    covariance: Float2D,
    degrees_of_freedom: Float1D,
    confidence_level: float,
    generator: np.random.Generator,
    n_draws: int = 10_000,
) -> float:
    """Level of single intervals that hold together (sup-t), each with its own degrees of freedom.

    1 - the quantile of ``min_k 2 P(t_df_k > |Z_k| / sqrt(chi2_k / df_k))``; between the level asked for and Bonferroni's.
    """
    variance = np.diag(covariance)
    scale = np.sqrt(np.where(variance > 0, variance, 1.0))
    correlation = covariance / np.outer(scale, scale)
    # A column without spread is a unit of its own.
    np.fill_diagonal(correlation, 1.0)
    df = np.asarray(degrees_of_freedom, dtype=float)
    factor = covariance_factor(correlation)
    z = generator.standard_normal((n_draws, factor.shape[1])) @ factor.T
    error = np.sqrt(generator.chisquare(df, z.shape) / df)
    least = (2.0 * stats.t.sf(np.abs(z) / error, df)).min(axis=1)
    alpha = 1.0 - confidence_level
    # The next lower order statistic: floor(alpha (n + 1)) of n.
    position = max(int(np.floor(alpha * (n_draws + 1) + 1e-9)) - 1, 0)
    tail = float(np.partition(least, position)[position])
    return 1.0 - min(max(tail, alpha / len(df)), alpha)
