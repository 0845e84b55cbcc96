"""Probability that all sorted ranks of a batch stay inside a band, by one normalised path count."""

from __future__ import annotations

import numpy as np

from validstats.kernels._jit import jit

__all__ = ["band_probability"]


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
