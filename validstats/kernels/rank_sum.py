"""Exact laws of rank sums: the Gaussian binomial recursion and the law of any integer rank weights."""

from __future__ import annotations

import numpy as np

from validstats.kernels._jit import jit

__all__ = ["gaussian_binomial", "weight_sum_law"]


@jit
def gaussian_binomial(n, m, size):  # type: ignore[no-untyped-def]
    """First ``size`` probabilities of the Mann-Whitney null law; accurate in the lower half."""
    law = np.zeros(size, dtype=np.float64)
    law[0] = 1.0
    for j in range(1, m + 1):
        top = n + j
        for u in range(size - 1, top - 1, -1):
            law[u] -= law[u - top]
        for u in range(j, size):
            law[u] += law[u - j]
        scale = j / (n + j)
        for u in range(size):
            law[u] *= scale
    return law


@jit
def weight_sum_law(weights, m, size):  # type: ignore[no-untyped-def]
    """Law of the sum of non-negative integer rank weights over a batch."""
    # Every step is a convex combination, so nothing overflows and nothing cancels.
    law = np.zeros((m + 1, size), dtype=np.float64)
    law[0, 0] = 1.0
    for r in range(1, weights.size + 1):
        shift = weights[r - 1]
        for j in range(1, m + 1):
            keep = (r - 1.0) / (r + j - 1.0)
            add = j / (r + j - 1.0)
            for v in range(size):
                law[j, v] *= keep
            for v in range(shift, size):
                law[j, v] += add * law[j - 1, v - shift]
    return law[m]
