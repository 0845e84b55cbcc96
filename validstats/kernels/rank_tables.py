"""Chi-squares of cross-tables of ranks under random permutations: the null law that all untied features share."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats.kernels._jit import jit

__all__ = ["permuted_chi_squares"]


@jit
def _mix(z: Any) -> Any:
    # Finaliser of SplitMix64 (Steele, Lea, Flood 2014): a stream of 64-bit numbers from a counter.
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@jit
def permuted_chi_squares(
    feature_cells: Any, target_cells: Any, feature_counts: Any, target_counts: Any, count: Any, seed: Any
) -> Any:
    """Pearson chi-squares of several cross-tables under the same permutations of the rows."""
    key = np.uint64(_mix(np.uint64(_mix(np.uint64(seed))) ^ np.uint64(0x5851F42D4C957F2D)))
    tables, n = feature_cells.shape
    k = feature_counts.shape[1]
    q = target_counts.shape[1]
    order = np.arange(n).astype(np.int32)
    rows = (feature_cells * q).astype(np.int32)
    columns = target_cells.astype(np.int32)
    weights = np.zeros((tables, k * q))
    for t in range(tables):
        for a in range(k):
            for c in range(q):
                if feature_counts[t, a] > 0.0 and target_counts[t, c] > 0.0:
                    weights[t, a * q + c] = n / (feature_counts[t, a] * target_counts[t, c])
    out = np.empty((count, tables))
    cells = np.empty(k * q, dtype=np.int32)
    for b in range(count):
        for i in range(n - 1, 0, -1):
            key = key + np.uint64(0x9E3779B97F4A7C15)
            # Fisher-Yates; 53 random bits favour a place by less than n / 2^53.
            j = int(np.int64(np.uint64(_mix(key)) >> np.uint64(11)) * 2.0**-53 * (i + 1))
            order[i], order[j] = order[j], order[i]
        for t in range(tables):
            cells[:] = 0
            for i in range(n):
                cells[rows[t, i] + columns[t, order[i]]] += 1
            # n (sum of counts^2 / (row sum * column sum) - 1), Pearson's chi-square.
            total = 0.0
            for a in range(k * q):
                total += cells[a] * cells[a] * weights[t, a]
            out[b, t] = total - n
    return out
