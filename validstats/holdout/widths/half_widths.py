"""Half-widths of the mechanisms, known before anything is spent: functions of n, the declared counts and the level.

All of them state: every answer is within the half-width of the truth, for all answers together, with probability
``1 - exp(log_alpha)``, whatever the analyst asked. A half-width of 1/2 or more says nothing about a value in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import optimize, special

from validstats.holdout.widths.counting import (
    log_argmax_nodes,
    log_full_nodes,
    log_ladder_nodes,
    log_position_weight,
)
from validstats.holdout.widths.counts import hoeffding_half_width
from validstats.holdout.widths.mass import BitCode
from validstats.intake import check_in_range, check_positive_int

__all__ = [
    "CellWidth",
    "argmax_width",
    "description_length_width",
    "fresh_chunk_width",
    "ladder_width",
    "nonadaptive_width",
    "rounds_width",
    "sparse_validate_width",
    "thresholdout_rows",
    "thresholdout_width",
]


@dataclass(frozen=True)
class CellWidth:
    """A half-width and the resolution at which it is reached."""

    half_width: float  # all answers are within it of the truth
    cells: int  # number of cells that released values are rounded to (steps of a ladder)
    node_half_width: float  # the half-width of the interval at one node, without rounding


def best_integer(cost: Callable[[int], float], low: int, high: int) -> int:
    """Return the integer with the smallest cost, for a cost with one valley."""
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
    """Return Hoeffding's half-width with Bonferroni's correction: valid only for queries fixed beforehand."""
    # ``sqrt(ln(2 queries / alpha) / (2 n))``.
    return hoeffding_half_width(n, log_alpha - math.log(check_positive_int(queries, "queries")))


def fresh_chunk_width(n: int, queries: int, log_alpha: float) -> float:
    """Return the half-width when every query is answered from rows of its own."""
    # Hoeffding's on ``n // queries`` rows, each at level ``1 - (1 - alpha)^(1 / queries)`` since chunks are
    # independent; infinite with more queries than rows.
    chunk = n // check_positive_int(queries, "queries")
    return hoeffding_half_width(chunk, log_independent_level(queries, log_alpha)) if chunk else math.inf


def log_independent_level(parts: int, log_alpha: float) -> float:
    """Return the log level of each of several independent statements that fail together with ``exp(log_alpha)``."""
    # ``ln(1 - (1 - alpha)^(1 / parts))``.
    alpha = math.exp(log_alpha)
    if alpha < 1e-12:
        return log_alpha - math.log(parts)
    return math.log(-math.expm1(math.log1p(-alpha) / parts))


def rounds_width(n: int, queries: int, rounds: int, log_alpha: float) -> float:
    """Return the half-width when queries come in declared batches, each batch answered from a chunk of its own."""
    # Hoeffding's on ``n // rounds`` rows at level ``alpha / queries``; infinite with more rounds than rows.
    # Source: Dwork et al. (2015), arXiv 1411.2664, EffectiveRounds with the boundaries declared.
    chunk = n // check_positive_int(rounds, "rounds")
    return nonadaptive_width(chunk, queries, log_alpha) if chunk else math.inf


def description_length_width(n: int, queries: int, log_alpha: float) -> CellWidth:
    """Return the half-width when every answer is rounded to one of m cells, at the best m."""
    # ``1 / (2 m) + sqrt(ln(2 (1 + m + ... + m^(k - 1)) / alpha) / (2 n))``.
    # Source: Dwork et al. (2015), arXiv 1506.02629, Theorem 9.

    def node(m: int) -> float:
        return hoeffding_half_width(n, log_alpha - log_full_nodes(queries, m))

    m = best_integer(lambda m: 0.5 / m + node(m), 2, _most_cells(n))
    return CellWidth(0.5 / m + node(m), m, node(m))


def _most_cells(n: int) -> int:
    return max(4, math.ceil(4.0 * math.sqrt(n)))


def sparse_validate_width(n: int, queries: int, failures: int, log_alpha: float) -> float:
    """Return how far a claim must be from the holdout's value to be decided, when only bits are released."""
    # Hoeffding's half-width at the last of k claims: ``z(k - 1)`` times the code of the bits before, at most f of them
    # refuted. The code is a mixture of three estimators, and so at most ln 3 longer than the first of them, which counts:
    # ``B(a + k - 1 - f, b + f) / B(a, b)``.
    k = check_positive_int(queries, "queries")
    f = min(check_positive_int(failures, "failures", minimum=0), k - 1)
    code = BitCode()
    a, b = code.keeps[0], code.discards[0]
    log_code = float(special.betaln(a + k - 1 - f, b + f) - special.betaln(a, b)) - math.log(len(code.keeps))
    return hoeffding_half_width(n, log_alpha + log_position_weight(k - 1) + log_code)


def ladder_width(n: int, queries: int, log_alpha: float, baseline: float = 1.0) -> CellWidth:
    """Return the ladder's half-width by the exact count of its transcripts, at the best step."""
    # ``eta + sqrt(ln(2 C(k + M, M + 1) / alpha) / (2 n))`` with ``eta = baseline / M``; ``cells`` is M.
    # Source: Blum and Hardt (2015), arXiv 1502.04585, Algorithm 1.
    check_in_range(baseline, "baseline", 0, 1, low_open=True)

    def node(steps: int) -> float:
        return hoeffding_half_width(n, log_alpha - log_ladder_nodes(queries, steps))

    m = best_integer(lambda m: baseline / m + node(m), 1, _most_cells(n))
    return CellWidth(baseline / m + node(m), m, node(m))


def argmax_width(n: int, batches: int, candidates: int, log_alpha: float) -> CellWidth:
    """Return the half-width when of each batch only the winner and its rounded score are released."""
    # ``1 / (2 m) + sqrt(ln(2 c (1 + c m + ... + (c m)^(b - 1)) / alpha) / (2 n))`` at the best m.

    def node(m: int) -> float:
        return hoeffding_half_width(n, log_alpha - log_argmax_nodes(batches, candidates, m))

    m = best_integer(lambda m: 0.5 / m + node(m), 2, _most_cells(n))
    return CellWidth(0.5 / m + node(m), m, node(m))


def thresholdout_width(n: int, queries: int, overfits: int, log_alpha: float) -> float:
    """Return the smallest tolerance that Theorem 25 proves for Thresholdout; above 1/2 at practical n."""
    # The smallest tau with ``n >= min{n0, n1}(B, sigma, tau / 8, alpha / (2 k))`` for ``sigma = tau / (96
    # ln(4 k / alpha))``.
    # Source: Dwork et al. (2015), arXiv 1506.02629, Lemma 24 and Theorem 25.
    b = check_positive_int(overfits, "overfits")
    k = check_positive_int(queries, "queries")
    first = math.sqrt(_pure_rows(k, b, log_alpha) / n)

    def excess(log_tau: float) -> float:
        return _log_approximate_rows(log_tau, k, b, log_alpha) - math.log(n)

    if excess(math.log(first)) > 0:
        return first
    return math.exp(optimize.brentq(excess, math.log(first) - 30.0, math.log(first)))


def thresholdout_rows(tolerance: float, queries: int, overfits: int, log_alpha: float) -> int:
    """Return the smallest number of rows for which Theorem 25 proves a tolerance of Thresholdout."""
    # Source: Dwork et al. (2015), arXiv 1506.02629, Lemma 24 and Theorem 25.
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
