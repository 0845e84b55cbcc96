"""Thresholdout over a whole sequence of queries whose means are given."""

from __future__ import annotations

import math

from validstats._typing import Float1D
from validstats.kernels._jit import jit

__all__ = ["thresholdout_path"]


@jit
def thresholdout_path(
    train: Float1D,
    holdout: Float1D,
    threshold: float,
    budget: int,
    gamma: Float1D,
    eta: Float1D,
    xi: Float1D,
    released: Float1D,
) -> int:
    """Answer a sequence of queries by Thresholdout with the noise given."""
    # The noise of the threshold is replaced only after an answer from the holdout. Once the budget is spent
    # every further query is refused.
    # Source: Dwork et al. (2015), arXiv 1506.02629, Figure 1.
    used = 0
    noisy_threshold = threshold + gamma[0]
    for i in range(train.size):
        if used >= budget:
            released[i] = math.nan
        elif abs(holdout[i] - train[i]) > noisy_threshold + eta[i]:
            released[i] = holdout[i] + xi[used % xi.size]
            used += 1
            noisy_threshold = threshold + gamma[used % gamma.size]
        else:
            released[i] = train[i]
    return used
