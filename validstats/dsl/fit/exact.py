"""Intervals of shares and bounded means with a guarantee at every number of labels.

Every cell has its own one-sided limits and the levels are shared among cells (Bonferroni): binomial or hypergeometric
limits for 0/1 outcomes under simple random sampling within the cell, bets on labels in random order for other outcomes.
Whether verdicts divide the labels or not is decided by the width that the judge's word forecasts, before any label is
read; choosing the shorter interval afterwards would not be exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from validstats._typing import Bool1D, Float1D, Int1D
from validstats.dsl.fit.cell_intervals import ROUNDING
from validstats.exceptions import StreamingError

__all__ = [
    "ExactInterval",
    "betting_interval",
    "binomial_limits",
    "exact_mean",
    "exact_share",
    "hypergeometric_limits",
    "share_error",
]

_SHARE_OF_LEVEL = 0.1
"""Part of the error that is spent on the verdict shares where they come from a sample of N units."""

_WORD = (0.1, 0.9)
"""What the judge's word is shrunk to when widths are forecast."""

_LARGEST_BET = 0.5
"""Most of the capital that is put at risk in one bet."""


class ExactInterval(NamedTuple):
    """Estimate and ends; ``by_verdict`` tells whether verdicts divided the labels."""

    estimate: float
    conf_low: float
    conf_high: float
    by_verdict: bool


def binomial_limits(ones: Int1D, n: Int1D, tail: float) -> tuple[Float1D, Float1D]:
    """Return Clopper-Pearson limits, each missing with probability ``tail``; 0 and 1 without labels."""
    low = np.where(ones > 0, stats.beta.ppf(tail, np.maximum(ones, 1), n - ones + 1), 0.0)
    high = np.where(ones < n, stats.beta.isf(tail, ones + 1, np.maximum(n - ones, 1)), 1.0)
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)


def hypergeometric_limits(ones: Int1D, n: Int1D, size: Int1D, tail: float) -> tuple[Float1D, Float1D]:
    """Return limits of the share of ones among ``size`` units of which ``n`` were drawn without replacement."""
    low, high = np.empty(len(ones)), np.empty(len(ones))
    for c, (x, m, total) in enumerate(zip(ones.tolist(), n.tolist(), size.tolist(), strict=True)):
        # smallest D with P(X >= x | D) > tail, and by symmetry for the zeros
        low[c] = _fewest(x, m, total, tail) / max(total, 1)
        high[c] = 1.0 - _fewest(m - x, m, total, tail) / max(total, 1)
    return low, high


def _fewest(ones: int, n: int, size: int, tail: float) -> int:
    below, enough = ones - 1, size - (n - ones)
    while enough - below > 1:
        middle = (below + enough) // 2
        if stats.hypergeom.sf(ones - 1, size, middle, n) > tail:
            enough = middle
        else:
            below = middle
    return enough


def share_error(n_cells: int, n_units: float, alpha: float) -> float:
    """Return how far any union of cells may be from its share: ``sqrt(ln(10 (2^K - 2) / alpha) / (2 N))``."""
    if n_cells == 1 or not np.isfinite(n_units):
        return 0.0
    # Hoeffding for each of the 2^K - 2 sets of cells, at alpha / 10 together
    return float(
        np.sqrt(
            (np.log(10.0 / alpha) + n_cells * np.log(2.0) + np.log1p(-(2.0 ** (1 - n_cells))))
            / (2.0 * n_units)
        )
    )


def _share_limits(
    ones: Int1D, n: Int1D, size: Int1D, alpha: float, finite: bool, n_units: float
) -> tuple[float, float]:
    cells = len(n)
    spent, error = alpha, 0.0
    if not finite and cells > 1 and np.isfinite(n_units):
        spent, error = (1.0 - _SHARE_OF_LEVEL) * alpha, share_error(cells, n_units, alpha)
    tail = spent / cells / 2.0
    if finite:
        low, high = hypergeometric_limits(ones, n, size, tail)
    else:
        low, high = binomial_limits(ones, n, tail)
    share, error = size / size.sum(), error + ROUNDING
    return max(float(share @ low) - error, 0.0), min(float(share @ high) + error, 1.0)


def exact_share(
    y: Float1D,
    cell: Int1D,
    stratum: Int1D,
    labelled: Bool1D,
    word: Float1D,
    confidence_level: float = 0.95,
    *,
    finite: bool = False,
    count: Float1D | None = None,
) -> ExactInterval:
    """Return the interval of a share under simple random sampling within strata.

    ``y`` holds the labels in {0, 1}; ``cell``, ``stratum`` and ``word``, the judge's share of ones, are of all units;
    cells divide strata.
    """
    alpha = 1.0 - confidence_level
    many = np.ones(len(cell)) if count is None else count
    n_units = float(many.sum())
    limits, widths, estimates = [], [], []
    for code in (stratum, cell):
        code = np.unique(code, return_inverse=True)[1].reshape(-1)
        k = int(code.max()) + 1
        size = np.bincount(code, many, minlength=k).round().astype(np.int64)
        n = np.bincount(code[labelled], minlength=k)
        ones = np.bincount(code[labelled], y, minlength=k).round().astype(np.int64)
        # forecast: the number of labels that each cell expects, ones at the judge's word
        expected = np.minimum(np.round(_expected_labels(code, stratum, labelled, many)), size).astype(
            np.int64
        )
        rate = np.bincount(code, many * np.clip(word, *_WORD)) / size
        low, high = _share_limits(
            np.round(rate * expected).astype(np.int64), expected, size, alpha, finite, n_units
        )
        widths.append(high - low)
        limits.append(_share_limits(ones, n, size, alpha, finite, n_units))
        mean = np.divide(ones, n, out=np.full(k, y.mean()), where=n > 0)
        estimates.append(float(size @ mean / size.sum()))
    chosen = int(widths[1] < widths[0])
    return ExactInterval(estimates[chosen], *limits[chosen], by_verdict=bool(chosen))


def _expected_labels(code: Int1D, stratum: Int1D, labelled: Bool1D, many: Float1D) -> Float1D:
    """Return the expected number of labels by cell: labels of the stratum, which are fixed, times the cell's share."""
    share = np.bincount(stratum, labelled) / np.bincount(stratum, many)
    return np.asarray(np.bincount(code, many * share[stratum]), dtype=np.float64)


def _lower_bet(z: Float1D, tail: float, size: float) -> float:
    """Return the lower limit of the mean of ``z`` in [0, 1] from bets that it is larger, in the order given.

    Capital ``prod (1 + lambda_t (z_t - m_t))`` reaches ``1 / tail`` with probability at most ``tail`` if ``m`` is the
    mean; ``lambda_t`` depends on the past and is at most ``1/2 / m_t``. With ``size`` finite labels are drawn without
    replacement and ``m_t = (N m - sum of the past) / (N - t + 1)``.
    """
    n = len(z)
    before = np.r_[0.0, np.cumsum(z)[:-1]]
    seen = np.arange(n)
    mean = (0.5 + before) / (1.0 + seen)
    spread = (0.25 + np.r_[0.0, np.cumsum((z - mean) ** 2)[:-1]]) / (1.0 + seen)
    bet = np.sqrt(2.0 * np.log(1.0 / tail) / (n * spread))
    bound = np.log(1.0 / tail)

    def rejected(m: float) -> bool:
        here = np.full(n, m) if not np.isfinite(size) else (size * m - before) / (size - seen)
        if np.any(here < 0.0):
            return True
        with np.errstate(divide="ignore"):
            stake = np.minimum(bet, np.divide(_LARGEST_BET, here, out=np.full(n, np.inf), where=here > 0))
        # a mean of zero is refuted by the first positive label
        if np.any((here == 0.0) & (z > 0.0)):
            return True
        return bool(np.max(np.cumsum(np.log1p(stake * (z - here)))) >= bound)

    below, above = 0.0, 1.0
    if not rejected(below):
        return 0.0
    if rejected(above):
        return 1.0
    for _ in range(50):
        middle = (below + above) / 2.0
        below, above = (middle, above) if rejected(middle) else (below, middle)
    return below


def betting_interval(z: Float1D, alpha: float, size: float = np.inf) -> tuple[float, float]:
    """Return limits of the mean of values in [0, 1], in random order, each missing with probability ``alpha / 2``."""
    # Waudby-Smith and Ramdas (2024), JRSS-B 86, 1-27, arXiv 2010.09686.
    if len(z) == 0:
        return 0.0, 1.0
    low = _lower_bet(z, alpha / 2.0, size)
    return low, max(low, 1.0 - _lower_bet(1.0 - z, alpha / 2.0, size))


def exact_mean(
    y: Float1D,
    cell: Int1D,
    labelled: Bool1D,
    probability: Float1D,
    generator: np.random.Generator,
    confidence_level: float = 0.95,
    *,
    finite: bool = False,
    count: Float1D | None = None,
) -> ExactInterval:
    """Return the interval of the mean of outcomes in [0, 1] by bets on labels in random order, cell by cell.

    With one probability a cell labels are bet on; with several, ``R y / pi`` of all rows, drawn independently.
    """
    many = np.ones(len(cell)) if count is None else count
    alpha, n_units = 1.0 - confidence_level, round(float(many.sum()))
    size = np.bincount(cell, many)
    cells = len(size)
    low_pi, high_pi = np.full(cells, np.inf), np.zeros(cells)
    np.minimum.at(low_pi, cell, probability)
    np.maximum.at(high_pi, cell, probability)
    estimate = float(np.sum(y / probability[labelled]) / np.sum(1.0 / probability[labelled]))
    if np.any(high_pi > low_pi * (1.0 + 1e-12)):
        if finite:
            raise ValueError(
                "interval='exact' needs one labelling probability within each stratum where the target is the finite "
                "population; pass strata, or population='superpopulation'."
            )
        if count is not None:
            raise StreamingError(
                "interval='exact' with unequal labelling probabilities bets on all rows in random order, which parts do not "
                "hold together. Pass strata of equal probability, or interval='cells'."
            )
        values = np.zeros(n_units)
        values[labelled] = y / probability[labelled]
        lowest = float(probability.min())
        low, high = betting_interval(generator.permutation(values * lowest), alpha)
        return ExactInterval(estimate, low / lowest, min(high / lowest, 1.0), by_verdict=False)
    spent, error = alpha, 0.0
    if not finite and cells > 1:
        spent, error = (1.0 - _SHARE_OF_LEVEL) * alpha, share_error(cells, float(n_units), alpha)
    of_label = cell[labelled]
    ends = np.array(
        [
            betting_interval(
                generator.permutation(y[of_label == c]), spent / cells, float(size[c]) if finite else np.inf
            )
            for c in range(cells)
        ]
    )
    counts = np.bincount(of_label, minlength=cells)
    means = np.divide(
        np.bincount(of_label, y, minlength=cells), counts, out=np.full(cells, y.mean()), where=counts > 0
    )
    share, error = size / n_units, error + ROUNDING
    low, high = share @ ends
    return ExactInterval(
        float(share @ means), max(low - error, 0.0), min(high + error, 1.0), by_verdict=cells > 1
    )
