"""Half-widths of the mechanisms, known before anything is spent: functions of n, the declared counts and the level.

All of them state: every answer is within the half-width of the truth, for all answers together, with probability
``1 - exp(log_alpha)``, whatever the analyst asked. A half-width of 1/2 or more says nothing about a value in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import optimize

from validstats.holdout.widths.counting import (
    log_argmax_nodes,
    log_full_nodes,
    log_guess_nodes,
    log_guess_weight,
    log_ladder_nodes,
)
from validstats.holdout.widths.intervals import hoeffding_half_width
from validstats.intake import check_in_range, check_positive_int

__all__ = [
    "CellWidth",
    "argmax_width",
    "blum_hardt_width",
    "description_length_width",
    "fresh_chunk_width",
    "guess_gap",
    "guess_width",
    "ladder_width",
    "nonadaptive_width",
    "rounds_width",
    "sparse_validate_width",
    "thresholdout_rows",
    "thresholdout_width",
    "unknown_horizon_guess_width",
]


@dataclass(frozen=True)
class CellWidth:
    """A half-width and the resolution at which it is reached.

    Attributes
    ----------
    half_width : float
        All answers are within it of the truth.
    cells : int
        Number of cells that released values are rounded to (steps of a ladder).
    node_half_width : float
        The half-width of the interval at one node, without rounding.
    """

    half_width: float
    cells: int
    node_half_width: float


def best_integer(cost: Callable[[int], float], low: int, high: int) -> int:
    """Return the integer with the smallest cost, for a cost with one valley.

    Parameters
    ----------
    cost : callable
        Function of an integer.
    low, high : int
        Range, ends included.

    Returns
    -------
    int
        The minimiser, by a geometric scan and a ternary search around its best point.

    Examples
    --------
    >>> best_integer(lambda m: 1 / (2 * m) + 0.001 * m, 2, 4000)
    22
    """
    scan = sorted({*(round(low * (high / low) ** (i / 24)) for i in range(25)), low, high})
    best = min(range(len(scan)), key=lambda i: cost(scan[i]))
    left, right = scan[max(best - 1, 0)], scan[min(best + 1, len(scan) - 1)]
    while right - left > 3:
        a = left + (right - left) // 3
        b = right - (right - left) // 3
        if cost(a) <= cost(b):
            right = b
        else:
            left = a
    return min(range(left, right + 1), key=cost)


def nonadaptive_width(n: int, queries: int, log_alpha: float) -> float:
    """Return Hoeffding's half-width with Bonferroni's correction: valid only for queries fixed beforehand.

    Parameters
    ----------
    n, queries : int
        Rows and number of queries.
    log_alpha : float
        Logarithm of the failure probability of all answers together.

    Returns
    -------
    float
        ``sqrt(ln(2 queries / alpha) / (2 n))``.

    Examples
    --------
    >>> round(nonadaptive_width(1000, 10, math.log(0.05)), 4)
    0.0547
    """
    return hoeffding_half_width(n, log_alpha - math.log(check_positive_int(queries, "queries")))


def fresh_chunk_width(n: int, queries: int, log_alpha: float) -> float:
    """Return the half-width when every query is answered from rows of its own.

    Parameters
    ----------
    n, queries : int
        Rows and declared number of queries.
    log_alpha : float
        Logarithm of the failure probability.

    Returns
    -------
    float
        Hoeffding's on ``n // queries`` rows, each at level ``1 - (1 - alpha)^(1 / queries)`` since chunks are
        independent; infinite with more queries than rows.

    Examples
    --------
    >>> round(fresh_chunk_width(1000, 10, math.log(0.05)), 4)
    0.1727
    """
    chunk = n // check_positive_int(queries, "queries")
    return hoeffding_half_width(chunk, log_independent_level(queries, log_alpha)) if chunk else math.inf


def log_independent_level(parts: int, log_alpha: float) -> float:
    """Return the log level of each of several independent statements that fail together with ``exp(log_alpha)``.

    Parameters
    ----------
    parts : int
        Number of independent statements.
    log_alpha : float
        Logarithm of the probability that any fails, below 0.

    Returns
    -------
    float
        ``ln(1 - (1 - alpha)^(1 / parts))``.

    Examples
    --------
    >>> round(math.exp(log_independent_level(2, math.log(0.19))), 6)
    0.1
    """
    alpha = math.exp(log_alpha)
    if alpha < 1e-12:
        return log_alpha - math.log(parts)
    return math.log(-math.expm1(math.log1p(-alpha) / parts))


def rounds_width(n: int, queries: int, rounds: int, log_alpha: float) -> float:
    """Return the half-width when queries come in declared batches, each batch answered from a chunk of its own.

    Parameters
    ----------
    n, queries, rounds : int
        Rows, declared number of queries in all batches together, declared number of batches.
    log_alpha : float
        Logarithm of the failure probability.

    Returns
    -------
    float
        Hoeffding's on ``n // rounds`` rows at level ``alpha / queries``; infinite with more rounds than rows.

    References
    ----------
    Dwork et al. (2015), arXiv 1411.2664, EffectiveRounds with the boundaries declared.

    Examples
    --------
    >>> round(rounds_width(10_000, 100, 2, math.log(0.05)), 4)
    0.0288
    """
    chunk = n // check_positive_int(rounds, "rounds")
    return nonadaptive_width(chunk, queries, log_alpha) if chunk else math.inf


def description_length_width(n: int, queries: int, log_alpha: float) -> CellWidth:
    """Return the half-width when every answer is rounded to one of m cells, at the best m.

    Parameters
    ----------
    n, queries : int
        Rows and declared number of queries.
    log_alpha : float
        Logarithm of the failure probability.

    Returns
    -------
    CellWidth
        ``1 / (2 m) + sqrt(ln(2 (1 + m + ... + m^(k - 1)) / alpha) / (2 n))``.

    References
    ----------
    Dwork et al. (2015), arXiv 1506.02629, Theorem 9.

    Examples
    --------
    >>> width = description_length_width(1000, 10, math.log(0.05))
    >>> round(width.half_width, 4), width.cells
    (0.1477, 29)
    """

    def node(m: int) -> float:
        return hoeffding_half_width(n, log_alpha - log_full_nodes(queries, m))

    m = best_integer(lambda m: 0.5 / m + node(m), 2, _most_cells(n))
    return CellWidth(0.5 / m + node(m), m, node(m))


def _most_cells(n: int) -> int:
    return max(4, math.ceil(4.0 * math.sqrt(n)))


def guess_gap(n: int) -> float:
    """Return the gap between a guess and the holdout that plans allow for: two standard deviations.

    Parameters
    ----------
    n : int
        Rows of the holdout; the guess is taken to come from as many.

    Returns
    -------
    float
        ``2 sqrt(1 / (2 n))``, for the difference of two means of n fair coins.

    Examples
    --------
    >>> round(guess_gap(1000), 4)
    0.0447
    """
    return math.sqrt(2.0 / n)


def guess_width(n: int, queries: int, failures: int, log_alpha: float, gap: float | None = None) -> CellWidth:
    """Return guess-and-check's half-width for declared queries and failures, at the best number of cells.

    Parameters
    ----------
    n, queries, failures : int
        Rows, declared number of queries and of failed guesses.
    log_alpha : float
        Logarithm of the failure probability.
    gap : float or None, default None
        Allowed difference of guess and holdout on a pass; :func:`guess_gap` by default.

    Returns
    -------
    CellWidth
        The larger of the half-widths of a confirmed guess, ``gap + w``, and of a failed one, ``1 / (2 m) + w``.

    References
    ----------
    Rogers et al. (2020), arXiv 1906.09231, section 4, with the horizon declared.

    Examples
    --------
    >>> round(guess_width(10_000, 10_000, 0, math.log(0.05), gap=0.0).half_width, 4)
    0.0254
    >>> round(guess_width(10_000, 10_000, 10, math.log(0.05)).half_width, 4)
    0.0927
    """
    allowed = guess_gap(n) if gap is None else check_in_range(gap, "gap", 0)

    def node(m: int) -> float:
        return hoeffding_half_width(n, log_alpha - log_guess_nodes(queries, failures, m))

    if failures == 0:
        m = max(2, math.ceil(0.5 / allowed)) if allowed > 0 else _most_cells(n)
        return CellWidth(allowed + node(1), m, node(1))
    most = _most_cells(n) if allowed == 0 else min(_most_cells(n), max(2, math.ceil(0.5 / allowed)))
    m = best_integer(lambda m: max(allowed, 0.5 / m) + node(m), 2, most)
    return CellWidth(max(allowed, 0.5 / m) + node(m), m, node(m))


def unknown_horizon_guess_width(
    n: int, position: int, failed: int, cells: int, log_alpha: float, gap: float = 0.0
) -> float:
    """Return guess-and-check's half-width at a position when no horizon was declared.

    Parameters
    ----------
    n : int
        Rows.
    position, failed : int
        Queries and failures before this query.
    cells : int
        Cells that failed answers are rounded to.
    log_alpha : float
        Logarithm of the failure probability.
    gap : float, default 0.0
        Allowed difference of guess and holdout.

    Returns
    -------
    float
        ``gap + w`` at level ``alpha z(i) z(f) / (C(i, f) m^f)``.

    References
    ----------
    Rogers et al. (2020), arXiv 1906.09231, Algorithm 1 (guess-and-check) and Theorem 4.1.

    Examples
    --------
    >>> round(unknown_horizon_guess_width(1000, 9, 0, 20, math.log(0.05)), 4)
    0.0682
    """
    return gap + hoeffding_half_width(n, log_alpha + log_guess_weight(position, failed, cells))


def sparse_validate_width(n: int, queries: int, failures: int, log_alpha: float) -> float:
    """Return how far a claim must be from the holdout's value to be decided, when only bits are released.

    Parameters
    ----------
    n, queries, failures : int
        Rows, declared number of claims and of failed ones.
    log_alpha : float
        Logarithm of the failure probability.

    Returns
    -------
    float
        Hoeffding's half-width at ``alpha`` over the number of nodes ``sum_i l_i``.

    References
    ----------
    Dwork et al. (2015), arXiv 1506.02629, Theorem 27.

    Examples
    --------
    >>> round(sparse_validate_width(1000, 10, 10, math.log(0.05)), 4)
    0.0729
    """
    return hoeffding_half_width(n, log_alpha - log_guess_nodes(queries, failures, 1))


def ladder_width(n: int, queries: int, log_alpha: float, baseline: float = 1.0) -> CellWidth:
    """Return the ladder's half-width by the exact count of its transcripts, at the best step.

    Parameters
    ----------
    n, queries : int
        Rows and declared number of submissions.
    log_alpha : float
        Logarithm of the failure probability.
    baseline : float, default 1.0
        Starting loss, in (0, 1], known without the holdout.

    Returns
    -------
    CellWidth
        ``eta + sqrt(ln(2 C(k + M, M + 1) / alpha) / (2 n))`` with ``eta = baseline / M``; ``cells`` is M.

    References
    ----------
    Blum and Hardt (2015), arXiv 1502.04585, Algorithm 1.

    Examples
    --------
    >>> round(ladder_width(10_000, 100, math.log(0.05)).half_width, 4)
    0.0897
    """
    check_in_range(baseline, "baseline", 0, 1, low_open=True)

    def node(steps: int) -> float:
        return hoeffding_half_width(n, log_alpha - log_ladder_nodes(queries, steps))

    m = best_integer(lambda m: baseline / m + node(m), 1, _most_cells(n))
    return CellWidth(baseline / m + node(m), m, node(m))


def blum_hardt_width(n: int, queries: int, log_alpha: float) -> float:
    """Return the ladder's half-width as published, for comparison with the exact count.

    Parameters
    ----------
    n, queries : int
        Rows and number of submissions.
    log_alpha : float
        Logarithm of the failure probability.

    Returns
    -------
    float
        ``eps + eta`` with ``exp(-2 eps^2 n + (1 / eta + 2) ln(4 k / eta) + 1) = alpha``, at the best eta.

    References
    ----------
    Blum and Hardt (2015), arXiv 1502.04585, Theorem 3.1.

    Examples
    --------
    >>> round(blum_hardt_width(10_000, 100, math.log(0.05)), 4)
    0.1504
    """

    def cost(log_eta: float) -> float:
        eta = math.exp(log_eta)
        exponent = (1.0 / eta + 2.0) * math.log(4.0 * queries / eta) + 1.0 - log_alpha
        return eta + math.sqrt(exponent / (2.0 * n))

    return float(optimize.minimize_scalar(cost, bounds=(-9.0, 0.0), method="bounded").fun)


def argmax_width(n: int, batches: int, candidates: int, log_alpha: float) -> CellWidth:
    """Return the half-width when of each batch only the winner and its rounded score are released.

    Parameters
    ----------
    n, batches, candidates : int
        Rows, declared number of batches, size of the largest one.
    log_alpha : float
        Logarithm of the failure probability.

    Returns
    -------
    CellWidth
        ``1 / (2 m) + sqrt(ln(2 c (1 + c m + ... + (c m)^(b - 1)) / alpha) / (2 n))`` at the best m.

    Examples
    --------
    >>> round(argmax_width(10_000, 5, 20, math.log(0.05)).half_width, 4)
    0.0471
    """

    def node(m: int) -> float:
        return hoeffding_half_width(n, log_alpha - log_argmax_nodes(batches, candidates, m))

    m = best_integer(lambda m: 0.5 / m + node(m), 2, _most_cells(n))
    return CellWidth(0.5 / m + node(m), m, node(m))


def thresholdout_width(n: int, queries: int, overfits: int, log_alpha: float) -> float:
    """Return the smallest tolerance that Theorem 25 proves for Thresholdout; above 1/2 at practical n.

    Parameters
    ----------
    n, queries, overfits : int
        Rows, declared number of queries, budget of answers taken from the holdout.
    log_alpha : float
        Logarithm of the failure probability.

    Returns
    -------
    float
        The smallest tau with ``n >= min{n0, n1}(B, sigma, tau / 8, alpha / (2 k))`` for
        ``sigma = tau / (96 ln(4 k / alpha))``.

    References
    ----------
    Dwork et al. (2015), arXiv 1506.02629, Lemma 24 and Theorem 25.

    Examples
    --------
    >>> round(thresholdout_width(1000, 10, 10, math.log(0.05)), 2)
    10.13
    """
    b = check_positive_int(overfits, "overfits")
    k = check_positive_int(queries, "queries")
    first = math.sqrt(_pure_rows(k, b, log_alpha) / n)

    def excess(log_tau: float) -> float:
        return _log_approximate_rows(log_tau, k, b, log_alpha) - math.log(n)

    if excess(math.log(first)) > 0:
        return first
    return math.exp(optimize.brentq(excess, math.log(first) - 30.0, math.log(first)))


def thresholdout_rows(tolerance: float, queries: int, overfits: int, log_alpha: float) -> int:
    """Return the smallest number of rows for which Theorem 25 proves a tolerance of Thresholdout.

    Parameters
    ----------
    tolerance : float
        Half-width, above 0.
    queries, overfits : int
        Declared number of queries, budget of answers taken from the holdout.
    log_alpha : float
        Logarithm of the failure probability.

    Returns
    -------
    int
        Rows.

    References
    ----------
    Dwork et al. (2015), arXiv 1506.02629, Lemma 24 and Theorem 25.

    Examples
    --------
    >>> rows = thresholdout_rows(0.1, 100, 10, math.log(0.05))
    >>> rows, round(thresholdout_width(rows, 100, 10, math.log(0.05)), 6)
    (13804335, 0.1)
    """
    tau = check_in_range(tolerance, "tolerance", 0, low_open=True)
    k, b = check_positive_int(queries, "queries"), check_positive_int(overfits, "overfits")
    approximate = _log_approximate_rows(math.log(tau), k, b, log_alpha)
    pure = math.log(_pure_rows(k, b, log_alpha)) - 2.0 * math.log(tau)
    return math.ceil(math.exp(min(pure, approximate)) * (1.0 + 1e-9))


def _pure_rows(queries: int, overfits: int, log_alpha: float) -> float:
    """Rows times the squared tolerance that Theorem 25 needs by pure differential privacy."""
    log_ratio = math.log(4.0 * queries) - log_alpha
    return max(1536.0 * overfits * log_ratio, 64.0 * (math.log(12.0 * queries) - log_alpha))


def _log_approximate_rows(log_tau: float, queries: int, overfits: int, log_alpha: float) -> float:
    """Logarithm of the rows that Theorem 25 needs by approximate differential privacy."""
    log_ratio = math.log(4.0 * queries) - log_alpha
    inner = max(math.log(16.0 * queries) - log_alpha - log_tau, 1e-12)
    needed = 2.0 * math.log(8.0) + math.log(80.0 * 12.0 * log_ratio) + 0.5 * math.log(overfits * inner)
    return needed - 2.0 * log_tau
