"""Ranks of all order statistics of a batch at one local level, by the ratio recurrence of the rank law."""

from __future__ import annotations

import numpy as np

from validstats.kernels._jit import jit

__all__ = ["local_upper_ranks", "upper_rank", "urn_statistics"]

_NEGLIGIBLE = 1e-30


@jit
def upper_rank(n, m, zeta, level):  # type: ignore[no-untyped-def]
    """Smallest rank z of one order statistic with P(r > z) <= level, and the tails at and before it."""
    a = float(zeta)
    c = float(m - zeta)
    mode = 0
    if m > 1:
        mode = int(np.floor((n * (a - 1.0) - c) / (m - 1.0))) + 1
        mode = min(max(mode, 0), n)
    total = 1.0
    value = 1.0
    last = mode
    for k in range(mode, n):
        step = value * ((k + a) * (n - k)) / ((k + 1.0) * (n - k + c))
        if step < _NEGLIGIBLE:
            break
        value = step
        total += value
        last = k + 1
    top = value
    value = 1.0
    for k in range(mode, 0, -1):
        value *= (k * (n - k + 1.0 + c)) / ((k - 1.0 + a) * (n - k + 1.0))
        if value < _NEGLIGIBLE:
            break
        total += value
    tail = 0.0
    value = top
    k = last
    while k >= 1:
        if tail + value > level * total:
            return k + 1, tail / total, (tail + value) / total
        tail += value
        value *= (k * (n - k + 1.0 + c)) / ((k - 1.0 + a) * (n - k + 1.0))
        k -= 1
    return 1, tail / total, 1.0


@jit
def local_upper_ranks(n, m, level):  # type: ignore[no-untyped-def]
    """Smallest rank z of each order statistic j = 1..m with P(r_j > z) <= level."""
    ranks = np.empty(m, dtype=np.int64)
    for zeta in range(1, m + 1):
        ranks[zeta - 1] = upper_rank(n, m, zeta, level)[0]
    return ranks


@jit
def urn_statistics(draws, n, weights, lower, upper):  # type: ignore[no-untyped-def]
    """Sum of rank weights of each urn draw, infinite where a sorted rank leaves its band."""
    n_draws, m = draws.shape
    ranks = np.empty(m, dtype=np.int64)
    out = np.empty(n_draws, dtype=np.float64)
    for b in range(n_draws):
        for j in range(m):
            u = draws[b, j]
            if u <= n:
                ranks[j] = u + 1
            else:
                ranks[j] = ranks[u - n - 1]
        inside = True
        if lower.size > 0:
            ordered = np.sort(ranks)
            for j in range(m):
                if ordered[j] < lower[j] or ordered[j] > upper[j]:
                    inside = False
                    break
        total = 0.0
        if inside:
            for j in range(m):
                total += weights[ranks[j] - 1]
        else:
            total = np.inf
        out[b] = total
    return out
