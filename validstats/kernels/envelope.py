"""Probability that all sorted ranks of a batch stay inside a band, by path counts over ranks or over limits."""

from __future__ import annotations

import numpy as np

from validstats.kernels._jit import jit

__all__ = ["band_probability", "band_probability_by_limits"]

_NEGLIGIBLE = 1e-30


@jit
def band_probability(n, lower, upper):  # type: ignore[no-untyped-def]
    """P(lower_j <= r_(j) <= upper_j for all j) under the uniform law on sorted rank vectors."""
    m = lower.size
    share = np.zeros(m + 1, dtype=np.float64)
    share[0] = 1.0
    first = 1
    most = 0
    for r in range(1, n + 2):
        while most < m and lower[most] <= r:
            most += 1
        for j in range(first, most + 1):
            value = (r - 1.0) / (r + j - 1.0) * share[j]
            if lower[j - 1] <= r <= upper[j - 1]:
                value += j / (r + j - 1.0) * share[j - 1]
            share[j] = value
        while first < m and upper[first] <= r:
            first += 1
    return share[m]


@jit
def band_probability_by_limits(n, lower, upper, share, moved, weight):  # type: ignore[no-untyped-def]
    """The same for limits in order, from limit to limit; room for 0..m, up to a few hundred."""
    # Counts of a uniform multiset of m ranks are those of n + 1 independent geometric variables, given their sum m;
    # sums of a of them are negative binomial, so that a step from limit to limit costs the same for every n.
    m = lower.size
    z = m / (n + m)
    share[0] = 1.0
    first, last, before, least, most = 0, 0, 0, 0, 0
    while before <= n:
        # r_j >= L_j: at most j - 1 ranks up to L_j - 1; r_j <= U_j: at least j ranks up to U_j
        following, rank = most, n + 1
        while following < m and lower[following] - 1 <= before:
            following += 1
        if following < m:
            rank = lower[following] - 1
        if least < m:
            rank = min(rank, upper[least])
        while least < m and upper[least] <= rank:
            least += 1
        while most < m and lower[most] <= rank:
            most += 1
        end = rank > n
        steps = float(rank - before)
        low, high = (m, m) if end else (max(least, first), most)
        weight[0] = np.exp(steps * np.log1p(-z))
        size = 1
        while size <= high - first:
            weight[size] = weight[size - 1] * (size - 1.0 + steps) / size * z
            size += 1
            if size > steps * z + 1 and weight[size - 1] < _NEGLIGIBLE:
                break
        for to in range(low, high + 1):
            value = 0.0
            for come in range(max(first, to - size + 1), min(last, to) + 1):
                value += share[come] * weight[to - come]
            moved[to] = value
        for to in range(low, high + 1):
            share[to] = moved[to]
        first, last, before = low, high, rank
    # the negative binomial probability of m in n + 1 steps
    total = np.exp((n + 1.0) * np.log1p(-z))
    for k in range(m):
        total *= (k + n + 1.0) / (k + 1.0) * z
    return share[m] / total
