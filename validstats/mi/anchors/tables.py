"""Plug-in estimates of tables that are filled thinly: adjusted for chance, of the columns that matter, by predicted levels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

from validstats._typing import Float1D, Float2D, Int1D
from validstats.mi.anchors.discrete import entropy, row_codes
from validstats.mi.anchors.neighbours import forest_means

__all__ = [
    "adjusted_plug_in",
    "column_codes",
    "chosen_columns_plug_in",
    "expected_plug_in",
    "merge_rare",
    "predicted_levels",
]

PRIOR_SHARE = 0.03
"""Share of the marginal law in predicted probabilities, so that their logarithms are bounded."""
MOST_LEVELS = 16
"""Levels that trees predict; rarer ones are merged, which never raises the mutual information."""
MOST_CHOSEN = 3
MOST_COLUMNS = 12


def expected_plug_in(counts_x: Int1D, counts_y: Int1D) -> float:
    """Mean plug-in mutual information over all permutations of one side (Vinh, Epps and Bailey 2010, JMLR 11, equation 24a).

    The cell of margins a and b is hypergeometric under permutation, so the sum runs over distinct pairs of margins.
    """
    n = int(counts_x.sum())
    sizes_x, times_x = np.unique(counts_x[counts_x > 0], return_counts=True)
    sizes_y, times_y = np.unique(counts_y[counts_y > 0], return_counts=True)
    log_factorial = gammaln(np.arange(n + 2) + 1.0)
    total = 0.0
    for a, times_a in zip(sizes_x.tolist(), times_x.tolist(), strict=True):
        for b, times_b in zip(sizes_y.tolist(), times_y.tolist(), strict=True):
            k = np.arange(max(1, a + b - n), min(a, b) + 1)
            log_mass = (
                log_factorial[a] + log_factorial[b] + log_factorial[n - a] + log_factorial[n - b]
                - log_factorial[n] - log_factorial[k] - log_factorial[a - k] - log_factorial[b - k]
                - log_factorial[n - a - b + k]
            )  # fmt: skip
            terms = k / n * np.log(n * k / (a * b))
            total += times_a * times_b * float(np.exp(log_mass) @ terms)
    return total


def _counts(codes: Int1D, size: int) -> Int1D:
    """Counts of the codes that occur."""
    if size <= 8 * len(codes):
        counts = np.bincount(codes)
        return counts[counts > 0]
    return np.unique(codes, return_counts=True)[1]


def _plug_in_parts(codes_x: Int1D, size_x: int, codes_y: Int1D, size_y: int) -> tuple[float, float]:
    """Plug-in value, and with the Miller-Madow correction, for codes below the given sizes, perhaps with gaps."""
    n = len(codes_x)
    parts = (
        _counts(codes_x * size_y + codes_y, size_x * size_y),
        _counts(codes_x, size_x),
        _counts(codes_y, size_y),
    )
    joint, first, second = ((c / n) @ np.log(c / n) for c in parts)
    value = max(float(joint - first - second), 0.0)
    # Bias of the plug-in, to first order: (filled cells - levels of x - levels of y + 1) / 2n.
    return value, value - (len(parts[0]) - len(parts[1]) - len(parts[2]) + 1) / (2.0 * n)


def adjusted_plug_in(codes_x: Int1D, codes_y: Int1D) -> tuple[float, float]:
    """Plug-in adjusted for chance, and the mean plug-in under permutation.

    top (I - m) / (top - m) with top the smaller entropy: 0 on average where the sides are independent, top for a function.
    """
    value, _ = _plug_in_parts(codes_x, int(codes_x.max()) + 1, codes_y, int(codes_y.max()) + 1)
    chance = expected_plug_in(np.bincount(codes_x), np.bincount(codes_y))
    top = min(entropy(codes_x), entropy(codes_y))
    if top - chance <= 1e-9 * max(top, 1e-12):
        return 0.0, chance
    return float(top * (value - chance) / (top - chance)), chance


def chosen_columns_plug_in(columns: Sequence[Int1D], other: Int1D, halves: tuple[Int1D, Int1D]) -> float:
    """Adjusted plug-in of the one to three columns that say most, chosen on one half of the rows and judged on the other.

    Chosen is the largest Miller-Madow value; the answer is the mean over both roles of the halves, at most one column's
    table being filled by chance alone.
    """
    names = range(min(len(columns), MOST_COLUMNS))
    size_y = int(other.max()) + 1
    values = []
    for chosen_on, judged_on in (halves, halves[::-1]):
        target = other[chosen_on]
        best: tuple[int, ...] = (0,)
        best_value = -np.inf
        for size in range(1, min(MOST_CHOSEN, len(names)) + 1):
            for subset in itertools.combinations(names, size):
                value = _plug_in_parts(*_joined(columns, subset, chosen_on), target, size_y)[1]
                if value > best_value + 1e-12:
                    best, best_value = subset, value
        joined = np.unique(_joined(columns, best, judged_on)[0], return_inverse=True)[1]
        values.append(adjusted_plug_in(joined, np.unique(other[judged_on], return_inverse=True)[1])[0])
    return float(np.mean(values))


def _joined(columns: Sequence[Int1D], subset: Sequence[int], rows: Int1D) -> tuple[Int1D, int]:
    """Codes of several columns together, and a bound of them."""
    codes, size = np.zeros(len(rows), dtype=np.int64), 1
    for j in subset:
        levels = int(columns[j].max()) + 1
        codes, size = codes * levels + columns[j][rows], size * levels
    return codes, size


def merge_rare(codes: Int1D, most: int = MOST_LEVELS) -> Int1D:
    """Codes in which all but the ``most - 1`` most frequent levels are one."""
    counts = np.bincount(codes)
    if len(counts) <= most:
        return codes
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(rank[codes], most - 1)


def predicted_levels(columns: Float2D, codes: Int1D) -> tuple[float, Float2D]:
    """Mean log gain of predicted probabilities over the marginal law, for rows that did not grow the trees; and they.

    E log q(R | X) / p(R) <= I(X; R) for every fixed table q (Gibbs), so in the limit this is a lower bound.
    """
    shares: Float1D = np.bincount(codes) / len(codes)
    one_hot = np.eye(len(shares))[codes]
    probabilities = (1.0 - PRIOR_SHARE) * forest_means(columns, one_hot) + PRIOR_SHARE * shares
    gains = np.log(probabilities[np.arange(len(codes)), codes] / shares[codes])
    return float(gains.mean()), probabilities


def column_codes(columns: Float2D) -> list[Int1D]:
    """Codes of each column by itself."""
    return [row_codes(column[:, None]) for column in columns.T]
