"""How many interval-issuing nodes a mechanism's tree of possible transcripts has, in log space.

A deterministic mechanism answers from a countable set, so the query asked at a node of the tree of transcripts
is fixed before the holdout is drawn. Giving node v an ordinary interval at level ``alpha * w(v)`` with
``sum w(v) <= 1`` over all nodes that issue one therefore covers all answers together with probability at least
``1 - alpha``. A declared horizon gives every node the weight one over their number; an undeclared one uses
``z(t) = 6 / (pi^2 (t + 1)^2)``, which sums to 1 over t = 0, 1, ...
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from validstats.intake import check_positive_int

__all__ = [
    "log_argmax_nodes",
    "log_binomial",
    "log_full_nodes",
    "log_guess_nodes",
    "log_guess_weight",
    "log_ladder_nodes",
    "log_position_weight",
    "log_sparse_prefixes",
]

_LOG_Z = math.log(6.0 / math.pi**2)


def log_binomial(n: float, k: float) -> float:
    """Return the logarithm of a binomial coefficient, minus infinity where it is zero.

    Parameters
    ----------
    n, k : float
        Upper and lower index, at least 0.

    Returns
    -------
    float
        ``ln C(n, k)``.

    Examples
    --------
    >>> round(math.exp(log_binomial(5, 2)))
    10
    """
    if k < 0 or k > n:
        return -math.inf
    return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)


def log_position_weight(position: int) -> float:
    """Return ``ln z(position)``, the weight of a position when no horizon was declared.

    Parameters
    ----------
    position : int
        Number of queries (or failures) before this one, at least 0.

    Returns
    -------
    float
        ``ln(6 / (pi^2 (position + 1)^2))``; the weights sum to 1.

    Examples
    --------
    >>> round(sum(math.exp(log_position_weight(t)) for t in range(20_000)), 3)
    1.0
    """
    return _LOG_Z - 2.0 * math.log1p(position)


def log_guess_nodes(queries: int, failures: int, cells: int) -> float:
    """Return the logarithm of the number of nodes of guess-and-check with declared queries and failures.

    A node is reached by j failures among the earlier queries, each of which released one of ``cells`` values:
    ``sum_{j <= failures} C(queries, j + 1) cells^j``. With ``cells = 1`` this is SparseValidate.

    Parameters
    ----------
    queries : int
        Declared number of queries, at least 1.
    failures : int
        Declared number of failures, at least 0.
    cells : int
        Values that a failed answer is rounded to, at least 1.

    Returns
    -------
    float
        Logarithm of the count.

    References
    ----------
    Rogers et al. (2020), arXiv 1906.09231, section 4, with the horizon declared; Dwork et al. (2015),
    arXiv 1506.02629, Theorem 27 for ``cells = 1``.

    Examples
    --------
    >>> round(math.exp(log_guess_nodes(3, 1, 5)))  # 3 nodes without, 3 * 5 with one failure before
    18
    """
    k = check_positive_int(queries, "queries")
    j = np.arange(min(check_positive_int(failures, "failures", minimum=0), k - 1) + 1, dtype=np.float64)
    terms = (
        special.gammaln(k + 1.0)
        - special.gammaln(j + 2.0)
        - special.gammaln(k - j)
        + j * math.log(check_positive_int(cells, "cells"))
    )
    return float(special.logsumexp(terms))


def log_guess_weight(position: int, failed: int, cells: int) -> float:
    """Return the log weight of a node of guess-and-check without a declared horizon.

    Parameters
    ----------
    position, failed : int
        Queries and failures before this query.
    cells : int
        Cells that failed answers are rounded to.

    Returns
    -------
    float
        ``ln(z(i) z(f) / (C(i, f) m^f))``.

    Examples
    --------
    >>> round(math.exp(log_guess_weight(0, 0, 20)), 4)  # (6 / pi^2)^2
    0.3696
    """
    weight = log_position_weight(position) + log_position_weight(failed)
    return weight - log_binomial(position, failed) - failed * math.log(cells)


def log_sparse_prefixes(position: int, ones: int) -> float:
    """Return ``ln l_i``: the number of 0-1 transcripts of length ``position`` with at most ``ones`` ones.

    Parameters
    ----------
    position : int
        Queries before this one, ``i - 1`` in the paper, at least 0.
    ones : int
        Budget of ones, at least 0.

    Returns
    -------
    float
        ``ln sum_{j <= min(position, ones)} C(position, j)``.

    References
    ----------
    Dwork et al. (2015), arXiv 1506.02629, Theorem 27.

    Examples
    --------
    >>> round(math.exp(log_sparse_prefixes(4, 1)))
    5
    """
    i = check_positive_int(position, "position", minimum=0)
    b = min(i, check_positive_int(ones, "ones", minimum=0))
    return float(special.logsumexp([log_binomial(i, j) for j in range(b + 1)]))


def log_full_nodes(queries: int, cells: int) -> float:
    """Return the logarithm of the number of nodes when every answer is one of ``cells`` values.

    Parameters
    ----------
    queries, cells : int
        Declared number of queries and of values, at least 1.

    Returns
    -------
    float
        ``ln(1 + cells + ... + cells^(queries - 1))``.

    References
    ----------
    Dwork et al. (2015), arXiv 1506.02629, Theorem 9.

    Examples
    --------
    >>> round(math.exp(log_full_nodes(3, 10)))
    111
    """
    k = check_positive_int(queries, "queries")
    log_m = math.log(check_positive_int(cells, "cells"))
    if log_m == 0.0:
        return math.log(k)
    return (k - 1) * log_m + math.log1p(-math.exp(-k * log_m)) - math.log1p(-math.exp(-log_m))


def log_argmax_nodes(batches: int, candidates: int, cells: int) -> float:
    """Return the logarithm of the number of intervals behind releases of winner and rounded score only.

    Batch b is reached by ``(candidates * cells)^b`` transcripts, and each of its candidates may win.

    Parameters
    ----------
    batches, candidates, cells : int
        Declared number of batches, size of the largest one, values of a score; at least 1.

    Returns
    -------
    float
        Logarithm of the count.

    Examples
    --------
    >>> round(math.exp(log_argmax_nodes(2, 3, 4)))  # 3 + 12 * 3
    39
    """
    per_batch = check_positive_int(candidates, "candidates") * check_positive_int(cells, "cells")
    return math.log(candidates) + log_full_nodes(batches, per_batch)


def log_ladder_nodes(queries: int, steps: int) -> float:
    """Return the logarithm of the number of nodes of a ladder, whose released values strictly decrease.

    Parameters
    ----------
    queries : int
        Declared number of submissions, at least 1.
    steps : int
        Grid values below the starting one that can be released, at least 1.

    Returns
    -------
    float
        ``ln C(queries + steps, steps + 1)``: before query i there are ``sum_j C(i, j) C(steps, j) =
        C(i + steps, steps)`` transcripts.

    References
    ----------
    Blum and Hardt (2015), arXiv 1502.04585, Algorithm 1; counted exactly here instead of Theorem 3.1.

    Examples
    --------
    >>> round(math.exp(log_ladder_nodes(2, 3)))  # 1 before the first query, 1 + 3 before the second
    5
    """
    k = check_positive_int(queries, "queries")
    return log_binomial(k + check_positive_int(steps, "steps"), steps + 1)
