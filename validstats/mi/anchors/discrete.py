"""Mutual information with discrete or partly discrete sides, as functions of arrays (values in nats)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtr, chndtrinc, digamma, ndtri

from validstats._typing import Float1D, Float2D, Int1D
from validstats.mi.anchors.neighbours import neighbour_counts, neighbour_radii

__all__ = [
    "DiscreteEstimate",
    "ball_counts",
    "bin_columns",
    "entropy",
    "entropy_of_shares",
    "information_interval",
    "mixed_ksg",
    "plug_in",
    "plug_in_of_cells",
    "row_codes",
    "ross",
]


LATTICE_TOLERANCE = 1e-10
"""Distances that differ relatively by less are taken as equal: on a lattice rounding alone separates them."""


@dataclass(frozen=True)
class DiscreteEstimate:
    """Plug-in mutual information of two discrete variables."""

    value: float  # Estimate in nats, with the Miller-Madow correction where asked for; not clipped
    plug_in: float  # Plug-in value, at least 0 and at most the smaller plug-in entropy
    # Delta-method standard error; it tends to 0 at independence, where the law is not normal
    standard_error: float
    entropy_x: float  # entropy_x, entropy_y: Plug-in entropies
    entropy_y: float
    degrees: int  # Of freedom of a test of independence: (levels of X - 1) (levels of Y - 1)


NORMAL_FROM = 1e4
"""Noncentral chi-square statistic from which the normal law is taken."""
ROUNDING = 1e-6
"""Statistic below which a table is exactly independent: what is left of it and of its variance is rounding."""


def information_interval(
    value: float, plug_in: float, standard_error: float, degrees: int, n: int, level: float
) -> tuple[float, float]:
    """Interval of an information by the noncentral chi-square law of twice its log likelihood ratio, scaled to its variance.

    ``value`` is the corrected estimate, ``plug_in`` the maximum of the likelihood and ``standard_error`` that of the delta method.
    """
    # Near independence 2 n plug-in is noncentral chi-square with noncentrality 2 n I, whose standard deviation is 2 sqrt(2 n I) (Wilks
    # 1938; Drost et al. 1989, JASA 84, 130-141). Divided by k = n error^2 / (2 I) it has the variance of the delta method as I grows,
    # and k tends to 1 as I falls.
    statistic, alpha = 2.0 * n * plug_in, 1.0 - level
    scale = n * standard_error**2 / (2.0 * plug_in) if statistic > ROUNDING else 1.0
    if scale * NORMAL_FROM <= statistic or degrees < 1:
        half = -float(ndtri(alpha / 2)) * standard_error
        return value - half, value + half
    statistic /= scale
    low = 0.0
    if chdtr(degrees, statistic) > 1.0 - alpha / 2:
        low = float(chndtrinc(statistic, degrees, 1.0 - alpha / 2))
    # Below the mean at independence the upper end is that of the mean: it would fall to 0 on half of the data sets without dependence.
    high = float(chndtrinc(max(statistic, float(degrees)), degrees, alpha / 2))
    low, high = (scale * end / (2.0 * n) for end in (low, high))
    return min(low, max(value, 0.0)), max(high, value)


def row_codes(rows: Float2D) -> Int1D:
    """Number the distinct rows."""
    _, codes = np.unique(rows, axis=0, return_inverse=True)
    return codes.reshape(-1).astype(np.int64)


def entropy(codes: Int1D) -> float:
    """Plug-in entropy of a discrete variable."""
    return entropy_of_shares(np.bincount(codes) / len(codes))


def entropy_of_shares(share: Float1D) -> float:
    """Entropy of a discrete law."""
    share = share[share > 0]
    return float(-np.sort(share * np.log(share)).sum())  # in an order that no name of a level decides


def plug_in(codes_x: Int1D, codes_y: Int1D, *, miller_madow: bool = True) -> DiscreteEstimate:
    """Plug-in mutual information of two discrete variables."""
    # Miller (1955), "Note on the bias of information estimates"; Paninski (2003), Neural Computation 15.
    n_levels = int(codes_y.max()) + 1
    cells, count = np.unique(codes_x * n_levels + codes_y, return_counts=True)
    return plug_in_of_cells(cells // n_levels, cells % n_levels, count, miller_madow=miller_madow)


def plug_in_of_cells(x: Int1D, y: Int1D, count: Int1D, *, miller_madow: bool = True) -> DiscreteEstimate:
    """Plug-in mutual information from the levels and the count of every filled cell."""
    n = int(count.sum())
    share = count / n
    share_x, share_y = np.bincount(x, count) / n, np.bincount(y, count) / n
    log_ratio = np.log(share / (share_x[x] * share_y[y]))
    # summed in an order that no name of a level decides
    value = float(np.sort(share * log_ratio).sum())
    spread = float(np.sort(share * log_ratio**2).sum()) - value**2
    correction = (np.count_nonzero(share_x) + np.count_nonzero(share_y) - len(share) - 1) / (2.0 * n)
    return DiscreteEstimate(
        value=value + correction if miller_madow else value,
        plug_in=max(0.0, value),
        standard_error=float(np.sqrt(max(0.0, spread) / n)),
        entropy_x=entropy_of_shares(share_x),
        entropy_y=entropy_of_shares(share_y),
        degrees=int((np.count_nonzero(share_x) - 1) * (np.count_nonzero(share_y) - 1)),
    )


def bin_columns(rows: Float2D, n_bins: int) -> Int1D:
    """Cut each column into bins of equal counts and number the occupied cells."""
    inner = np.quantile(rows, np.arange(1, n_bins) / n_bins, axis=0)
    bins = [np.searchsorted(inner[:, j], rows[:, j], side="left") for j in range(rows.shape[1])]
    return row_codes(np.column_stack(bins).astype(np.float64))


def ross(codes: Int1D, rows: Float2D, n_neighbors: int = 3) -> float:
    """Mutual information of a discrete variable with a continuous vector."""
    # Where the k-th neighbour within the level has the same values, all rows with these values are counted,
    # within the level and altogether, as the mixture estimator does.
    # Ross (2014), PLoS ONE 9(2), e87357; the convention of scikit-learn's ``mutual_info_classif``. Gao,
    # Kannan, Oh and Viswanath (2017), NeurIPS, for rows with the same values.
    count = np.bincount(codes)
    kept = count[codes] > 1
    if not kept.any():
        raise ValueError(
            "Every level of the discrete side occurs only once, so nothing can be estimated. If its values name rows, leave "
            "it out; if they are measurements, declare the side continuous."
        )
    codes, rows = codes[kept], np.ascontiguousarray(rows[kept])
    radii, used = np.empty(len(codes)), np.empty(len(codes))
    nothing = np.zeros((len(codes), 0))
    for level in np.unique(codes):
        members = np.flatnonzero(codes == level)
        k = min(n_neighbors, len(members) - 1)
        radii[members] = neighbour_radii(rows[members], nothing[members], k)
        used[members] = k
    within = neighbour_counts(rows, radii) + 1.0
    tied = radii == 0.0
    if tied.any():
        values = row_codes(rows)
        cells = row_codes(np.column_stack([codes, values]).astype(np.float64))
        used[tied], within[tied] = (np.bincount(c)[c[tied]] - 1.0 for c in (cells, values))
    return float(digamma(len(codes)) + np.mean(digamma(used) - digamma(count[codes]) - digamma(within)))


def mixed_ksg(x: Float2D, y: Float2D, n_neighbors: int = 3) -> float:
    """Mutual information of vectors that may be continuous, discrete, or mixtures of both."""
    # Where one row alone lies at the distance of the k-th neighbour the terms are Kraskov's. Where several do
    # (on a lattice, or at distance 0) all rows in the closed ball are counted, jointly and on each side.
    # Gao, Kannan, Oh and Viswanath (2017), "Estimating Mutual Information for Discrete-Continuous Mixtures",
    # NeurIPS, algorithm 1; Mesner and Shalizi (2021), IEEE Transactions on Information Theory 67, 464-484,
    # for the closed ball at every distance.
    radii = neighbour_radii(x, y, n_neighbors)
    joint, _ = ball_counts(np.hstack([x, y]), radii)
    (closed_x, open_x), (closed_y, open_y) = (ball_counts(rows, radii) for rows in (x, y))
    alone = (joint == n_neighbors) & (closed_x + closed_y == open_x + open_y + 1)
    n_x, n_y = np.where(alone, open_x + 1, closed_x), np.where(alone, open_y + 1, closed_y)
    return float(np.log(len(x)) + np.mean(digamma(joint) - digamma(n_x) - digamma(n_y)))


def ball_counts(rows: Float2D, radii: Float1D) -> tuple[Int1D, Int1D]:
    """Count the other rows in the closed and in the open ball around each row."""
    outside = np.maximum(radii * (1.0 + LATTICE_TOLERANCE), np.nextafter(radii, np.inf))
    return neighbour_counts(rows, outside), neighbour_counts(rows, radii * (1.0 - LATTICE_TOLERANCE))
