"""Splits: data whose columns fall into pairs that do not depend on each other, so that information is the sum over the pairs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["SPLIT_ROWS", "is_split"]

SPLIT_ROWS = 60
"""Rows from which a split is believed: on training kinds sums were nearer from there on."""
SURE_ROWS = 200
"""Rows below which every column of the smaller side needs its partner: with fewer, pairs that were not found were missed (by .7 nats)."""
MOST_RESIDUAL = 3.5
INTERACTION = 3.0
SLACK, LEAST_SLACK = 0.02, 0.02
GAUSSIAN_SHARE = 0.8
"""Where the Gaussian copula explains this share of a split, all columns are read at once: on training kinds that was nearer then."""
OF_A_SPLIT = ("blocks", "block_summaries", "block_indices", "matched")


def is_split(
    n: int, dims: tuple[int, int], values: Mapping[str, float], candidates: Mapping[str, float]
) -> bool:
    """Whether the columns fall into independent pairs, by every sign there is: then I is the sum over pairs.

    All blocks have one column of each side, nothing is left between blocks, products of columns say nothing about others, no other
    estimate sees more, and a Gaussian model sees clearly less.
    """
    if n < SPLIT_ROWS or max(dims) == 1:
        return False
    total, gaussian = candidates["blocks"], candidates["gaussian"]
    others = [value for name, value in candidates.items() if name not in OF_A_SPLIT and np.isfinite(value)]
    return bool(
        values["blocks_count"] >= (min(dims) if n < SURE_ROWS else min(2, *dims))
        and values["blocks_largest"] == 2
        and abs(values["blocks_residual"]) < MOST_RESIDUAL
        and values["blocks_interaction"] < INTERACTION / np.sqrt(n)
        and max(others) <= (1.0 + SLACK) * total + LEAST_SLACK
        and np.log1p(2 * gaussian) < GAUSSIAN_SHARE * np.log1p(2 * max(total, 0.0))
    )
