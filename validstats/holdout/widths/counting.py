"""How many interval-issuing nodes a mechanism's tree of possible transcripts has, in log space.

A deterministic mechanism answers from a countable set, so the query asked at a node of the tree of transcripts
is fixed before the holdout is drawn. Giving node v an ordinary interval at level ``alpha * w(v)`` with
``sum w(v) <= 1`` over all nodes that issue one therefore covers all answers together with probability at least
``1 - alpha``. A declared horizon gives every node the weight one over their number; an undeclared one uses
``z(t) = 6 / (pi^2 (t + 1)^2)``, which sums to 1 over t = 0, 1, ...
"""

from __future__ import annotations

import math

from validstats.intake import check_positive_int

__all__ = [
    "log_argmax_nodes",
    "log_binomial",
    "log_full_nodes",
    "log_ladder_nodes",
    "log_position_weight",
]

_LOG_Z = math.log(6.0 / math.pi**2)


def log_binomial(n: float, k: float) -> float:
    """Return the logarithm of a binomial coefficient, minus infinity where it is zero."""
    # ``ln C(n, k)``.
    if k < 0 or k > n:
        return -math.inf
    return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)


def log_position_weight(position: int) -> float:
    """Return ``ln z(position)``, the weight of a position when no horizon was declared."""
    # ``ln(6 / (pi^2 (position + 1)^2))``; the weights sum to 1.
    return _LOG_Z - 2.0 * math.log1p(position)


def log_full_nodes(queries: int, cells: int) -> float:
    """Return the logarithm of the number of nodes when every answer is one of ``cells`` values."""
    # ``ln(1 + cells + ... + cells^(queries - 1))``.
    # Source: Dwork et al. (2015), arXiv 1506.02629, Theorem 9.
    k = check_positive_int(queries, "queries")
    log_m = math.log(check_positive_int(cells, "cells"))
    if log_m == 0.0:
        return math.log(k)
    return (k - 1) * log_m + math.log1p(-math.exp(-k * log_m)) - math.log1p(-math.exp(-log_m))


def log_argmax_nodes(batches: int, candidates: int, cells: int) -> float:
    """Return the logarithm of the number of intervals behind releases of winner and rounded score only."""
    # Batch b is reached by ``(candidates * cells)^b`` transcripts, and each of its candidates may win.
    per_batch = check_positive_int(candidates, "candidates") * check_positive_int(cells, "cells")
    return math.log(candidates) + log_full_nodes(batches, per_batch)


def log_ladder_nodes(queries: int, steps: int) -> float:
    """Return the logarithm of the number of nodes of a ladder, whose released values strictly decrease."""
    # ``ln C(queries + steps, steps + 1)``: before query i there are ``sum_j C(i, j) C(steps, j) = C(i +
    # steps, steps)`` transcripts.
    # Source: Blum and Hardt (2015), arXiv 1502.04585, Algorithm 1; counted exactly here instead of Theorem
    # 3.1.
    k = check_positive_int(queries, "queries")
    return log_binomial(k + check_positive_int(steps, "steps"), steps + 1)
