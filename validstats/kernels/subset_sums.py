"""Counts of the sums of random subsets of every size in a range, from one run of draws without replacement."""

from __future__ import annotations

import numpy as np

from validstats.kernels._jit import jit

__all__ = ["subset_sum_counts"]


@jit
def subset_sum_counts(draws, values, first, origin, step, above, below):  # type: ignore[no-untyped-def]
    """Count, for each subset size, the cells into which its sum and its mirrored sum fall."""
    n_draws, largest = draws.shape
    n = values.size
    cells = above.shape[1] - 1
    for b in range(n_draws):
        total = 0.0
        for j in range(largest):
            last = n - 1 - j
            chosen = draws[b, j]
            value = values[chosen]
            values[chosen] = values[last]
            values[last] = value
            total += value
            row = j + 1 - first
            if row >= 0:
                # sums that tie with a knot do so only up to rounding, so a billionth of a cell is added
                up = int(np.floor((total - origin[row]) / step[row] + 1e-9)) + 1
                down = int(np.floor((-total - origin[row]) / step[row] + 1e-9)) + 1
                above[row, min(max(up, 0), cells)] += 1
                below[row, min(max(down, 0), cells)] += 1
