"""Sums over all pairs of rows of two matrices of one side with two of the other, under many orders of its rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats.kernels._jit import jit

__all__ = ["permuted_sums"]


@jit
def permuted_sums(first: Any, second: Any, first_other: Any, second_other: Any, orders: Any) -> Any:
    """Sum of the products of symmetric matrices, the rows and columns of the other side's taken in each order."""
    count, n = orders.shape
    out = np.empty((count, 2))
    for b in range(count):
        order = orders[b]
        one = 0.0
        two = 0.0
        for i in range(n):
            row = order[i]
            for j in range(i):
                column = order[j]
                one += first[i, j] * first_other[row, column]
                two += second[i, j] * second_other[row, column]
        # Both triangles, then the diagonal.
        out[b, 0] = 2.0 * one
        out[b, 1] = 2.0 * two
        for i in range(n):
            row = order[i]
            out[b, 0] += first[i, i] * first_other[row, row]
            out[b, 1] += second[i, i] * second_other[row, row]
    return out
