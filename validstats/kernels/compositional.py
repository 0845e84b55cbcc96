"""Dynamic programme over (last rank, spent weight) for a compositional function of the sorted scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from validstats.kernels._jit import jit_uncached

__all__ = ["compiled_step", "compositional_extreme"]


def compiled_step(step: Callable[..., Any], *example: Any) -> Callable[..., Any] | None:
    """A user's step compiled by numba, or None where numba cannot; ``example`` are arguments to try it with."""
    if hasattr(step, "py_func"):  # what numba keeps of the function that it compiled
        return step
    try:
        import numba

        compiled: Any = numba.njit(step)
        compiled(*example)
    except Exception:  # whatever numba raises about code that it does not know
        return None
    return compiled if hasattr(compiled, "py_func") else None


@jit_uncached
def compositional_extreme(step, start, scores, weights, m, budget, sign):  # type: ignore[no-untyped-def]
    """Extreme of G_m over rank vectors whose weights sum to at most a budget."""
    n_ranks = scores.size
    worst = -sign * np.inf
    best = np.full((n_ranks, budget + 1), worst)
    reached = np.zeros((n_ranks, budget + 1), dtype=np.int64)
    for r in range(n_ranks):
        if weights[r] <= budget:
            best[r, weights[r]] = step(1, start, scores[r])
            reached[r, weights[r]] = 1
    for j in range(2, m + 1):
        for v in range(budget + 1):
            for r in range(1, n_ranks):
                if reached[r - 1, v] == 1 and (
                    reached[r, v] == 0 or sign * best[r - 1, v] > sign * best[r, v]
                ):
                    best[r, v] = best[r - 1, v]
                    reached[r, v] = 1
        for r in range(n_ranks):
            w = weights[r]
            for v in range(budget, -1, -1):
                if v >= w and reached[r, v - w] == 1:
                    best[r, v] = step(j, best[r, v - w], scores[r])
                    reached[r, v] = 1
                else:
                    best[r, v] = worst
                    reached[r, v] = 0
    answer = worst
    for r in range(n_ranks):
        for v in range(budget + 1):
            if reached[r, v] == 1 and sign * best[r, v] > sign * answer:
                answer = best[r, v]
    return answer
