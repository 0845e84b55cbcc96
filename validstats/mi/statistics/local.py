"""Statistics of nearest neighbours: local counts in three geometries, one-dimensional KSG, distances, classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import entr, psi

from validstats._typing import Float1D, Float2D, Int1D
from validstats.kernels.local_geometry import local_counts, pair_information_sums, same_class_counts
from validstats.mi.anchors import line_counts, tree_radii
from validstats.mi.statistics.linear import LinearParts, doubled_ranks, gaussian_terms, normal_scores

__all__ = [
    "ORDERS",
    "LocalGeometry",
    "discrete_statistics",
    "distance_correlation",
    "local_geometry",
    "local_statistics",
    "pair_information",
    "radius_statistics",
]

ORDERS = (1, 3, 8, 20)
WORK = 5_000_000
REFERENCES = 2_500
QUERIES = 400
TREE_ROWS = 5_000
"""Rows from which a tree finds neighbours in the plane in half the time of a walk along one side."""


@lru_cache(maxsize=64)
def digamma_table(n: int) -> Float1D:
    """Return digamma at 0, 1, ..., n + 1, with 0 in place of the pole."""
    table = psi(np.maximum(np.arange(n + 2, dtype=np.float64), 1.0))
    table[0] = 0.0
    table.setflags(write=True)
    return np.asarray(table, dtype=np.float64)


@dataclass(frozen=True)
class LocalGeometry:
    """Neighbour counts of query points in one geometry."""

    terms: Float2D  # Local terms of the KSG estimator at the four orders, nats
    log_radius: Float2D  # Logarithms of the joint distances
    log_counts: Float2D  # Logarithms of the counts in the two sides
    prediction: Float2D  # Mean rank, as a share of n, in one side of the three nearest points of the other


def query_count(n: int, dim: int) -> int:
    """Return the number of query points for n reference rows: all, or as many as the work limit allows."""
    return int(min(n, QUERIES, max(128, WORK // (n * (dim + 16)))))


def local_geometry(x: Float2D, y: Float2D, euclidean: bool) -> LocalGeometry:
    """Count neighbours of the first rows (in canonical order) among at most 2,500 rows."""
    x, y = np.ascontiguousarray(x[:REFERENCES]), np.ascontiguousarray(y[:REFERENCES])
    n = x.shape[0]
    orders = np.minimum(np.array(ORDERS, dtype=np.int64), n - 1)
    raw = local_counts(x, y, query_count(n, x.shape[1] + y.shape[1]), orders, int(euclidean))
    table = digamma_table(n)
    counts_x, counts_y, same = (raw[:, 4 * m : 4 * m + 4].astype(np.int64) for m in (1, 2, 3))
    order = np.where(same > 0, same, orders[None, :])
    terms = table[order] + table[n] - table[counts_x] - table[counts_y]
    return LocalGeometry(
        terms=terms,
        log_radius=raw[:, :4],
        log_counts=np.log(np.stack([counts_x, counts_y], axis=2)),
        prediction=raw[:, 16:18],
    )


def local_statistics(geometry: LocalGeometry, name: str) -> dict[str, float]:
    """Return moments of the local counts, symmetric in the sides."""
    out = {
        f"{name}_ksg{k}": float(value) for k, value in zip(ORDERS, geometry.terms.mean(axis=0), strict=True)
    }
    out[f"{name}_spread3"] = float(geometry.terms[:, 1].std())
    out[f"{name}_spread20"] = float(geometry.terms[:, 3].std())
    finite = np.maximum(geometry.log_radius, -12.0)
    out[f"{name}_radius"] = float(finite[:, 2].mean())
    out[f"{name}_growth"] = float((finite[:, 3] - finite[:, 0]).mean())
    out[f"{name}_radius_spread"] = float(finite[:, 3].std())
    gap = geometry.log_counts[:, 2, 0] - geometry.log_counts[:, 2, 1]
    out[f"{name}_asymmetry"] = float(np.abs(gap.mean()))
    low, high = sorted(geometry.prediction.mean(axis=0))
    out[f"{name}_predict_low"], out[f"{name}_predict_high"] = float(low), float(high)
    tail = np.sort(geometry.prediction.mean(axis=1))
    out[f"{name}_predict_tail"] = float(tail[int(0.9 * (len(tail) - 1))] - tail[int(0.1 * (len(tail) - 1))])
    return out


def pair_information(x: Float1D, y: Float1D, orders: tuple[int, ...] = (3, 8)) -> Float1D:
    """Estimate the mutual information of two coordinates by the first KSG estimator on all points."""
    # Kraskov, Stoegbauer, Grassberger (2004), Physical Review E 69, 066138, equation (8).
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    n, table = len(x), digamma_table(len(x))
    ranks, order_x = np.minimum(np.array(orders, dtype=np.int64), n - 1), np.argsort(x, kind="stable")
    if n >= TREE_ROWS:
        radii = tree_radii(np.column_stack([x, y]), ranks)
        if (radii > 0.0).all():
            near_x = line_counts(x, radii, order_x) + 1
            near_y = line_counts(y, radii, np.argsort(y)) + 1
            terms = table[ranks] - table[near_x] - table[near_y]
            # a running sum in the kernel's order, which gives the same bits
            return np.asarray(np.cumsum(terms[order_x], axis=0)[-1] / n + table[n])
    return np.asarray(pair_information_sums(x, y, order_x, x[order_x], np.sort(y), ranks, table))


def pair_statistics(
    x: Float2D, y: Float2D, parts: LinearParts, tied: bool, most: int = 6, rows: int = 800
) -> dict[str, float]:
    """Sum one-dimensional estimates over the strongest matched pairs; the Gaussian term serves for the rest."""
    n = x.shape[0]
    univariate = x.shape[1] == 1 and y.shape[1] == 1
    used = n if univariate and not tied else min(n, rows)
    pairs = min(most, len(parts.matched_x))
    both = np.array(
        [
            pair_information(x[:used, i], y[:used, j])
            for i, j in zip(parts.matched_x[:pairs], parts.matched_y[:pairs])
        ]
    )
    estimates = both.mean(axis=1)
    rest = gaussian_terms(parts.cross[parts.matched_x[pairs:], parts.matched_y[pairs:]])
    rest_sum = float(np.sum(np.maximum(rest - 0.5 / n, 0.0)))
    values = {
        "pairs_3": float(both[:, 0].sum() + rest_sum),
        "pairs_8": float(both[:, 1].sum() + rest_sum),
        "pairs_max": float(estimates.max()),
        "pairs_positive": float(np.maximum(estimates, 0.0).sum()),
    }
    return values


def distance_correlation(x: Float2D, y: Float2D, rows: int = 160) -> float:
    """Return the bias-corrected squared distance correlation of the first rows.

    References
    ----------
    Szekely, Rizzo (2014), Annals of Statistics 42(6), section 1.1.
    """
    first, second = _centred_distances(x[:rows]), _centred_distances(y[:rows])
    norm = np.sqrt(np.sum(first**2) * np.sum(second**2))
    return float(np.sum(first * second) / norm) if norm > 0 else 0.0


def _centred_distances(side: Float2D) -> Float2D:
    n = side.shape[0]
    squares = np.sum(side**2, axis=1)
    distance = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * side @ side.T, 0.0))
    np.fill_diagonal(distance, 0.0)
    rows = distance.sum(axis=1)
    out = distance - rows[:, None] / (n - 2) - rows[None, :] / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(out, 0.0)
    return np.asarray(out, dtype=np.float64)


def rank_scores(values: Float1D) -> Float1D:
    """Return normal scores of the mid-ranks of a vector, equal where the values agree to eight digits."""
    return np.asarray(normal_scores(doubled_ranks(np.round(values, 8)[:, None]))[:, 0])


def radius_statistics(parts: LinearParts) -> dict[str, float]:
    """Return the dependence of the norms of the two whitened sides, and the tails of the canonical variates."""
    radius_x = np.sum(parts.white_x**2, axis=1)
    radius_y = np.sum(parts.white_y**2, axis=1)
    n = len(radius_x)
    rho = float(np.mean(rank_scores(radius_x) * rank_scores(radius_y)))
    spread = sorted((float(np.std(np.log(radius_x + 1e-9))), float(np.std(np.log(radius_y + 1e-9)))))
    fourth = []
    for variates in (parts.variates_x, parts.variates_y):
        second = np.mean(variates**2, axis=0)
        fourth.append(float(np.max(np.mean(variates**4, axis=0) / np.maximum(second**2, 1e-12))))
    dims = (parts.white_x.shape[1], parts.white_y.shape[1])
    excess = [
        float(np.mean(r**2) / np.mean(r) ** 2 * d / (d + 2)) for r, d in zip((radius_x, radius_y), dims)
    ]
    return {
        "radius_information": float(-0.5 * np.log1p(-min(rho**2, 0.999999)) - 0.5 / n),
        "radius_correlation": rho,
        "radius_low": spread[0],
        "radius_high": spread[1],
        "kurtosis_low": min(fourth),
        "kurtosis_high": max(fourth),
        "radius_fourth_low": min(excess),
        "radius_fourth_high": max(excess),
    }


def discrete_statistics(
    white_x: Float2D, white_y: Float2D, label_x: Int1D, label_y: Int1D, tied_x: bool, tied_y: bool
) -> dict[str, float]:
    """Return entropies, plug-in estimate and log rows per cell of two discrete sides, class-based estimate of one."""
    n = len(label_x)
    out = {"plug_in": 0.0, "class_information": 0.0, "cell_rows": 0.0}
    counts = [np.bincount(label) for label in (label_x, label_y)]
    entropies = [float(entr(c / n).sum()) for c in counts]
    levels = [float(np.log(len(c))) for c in counts]
    out["entropy_low"], out["entropy_high"] = min(entropies), max(entropies)
    out["levels_low"], out["levels_high"] = min(levels), max(levels)
    if tied_x and tied_y:
        _, joint = np.unique(label_x * (label_y.max() + 1) + label_y, return_counts=True)
        corrections = (len(joint) - len(counts[0]) - len(counts[1]) + 1) / (2.0 * n)
        out["plug_in"] = sum(entropies) - float(entr(joint / n).sum()) - corrections
        out["cell_rows"] = float(np.log(n / len(joint)))
    estimates = []
    for side, label, tied in ((white_y, label_x, tied_x), (white_x, label_y, tied_y)):
        if tied and len(np.bincount(label)) <= n // 3:
            estimates.append(class_information(side, label))
    out["class_information"] = max(estimates, default=0.0)
    return out


def class_information(side: Float2D, label: Int1D, order: int = 3) -> float:
    """Estimate I(label; side) by neighbours of the same class."""
    # Ross (2014), PLoS ONE 9(2), e87357.
    side, label = np.ascontiguousarray(side[:REFERENCES]), np.ascontiguousarray(label[:REFERENCES])
    n = len(label)
    raw = same_class_counts(side, label, query_count(n, side.shape[1]), order)
    kept = raw[raw[:, 0] > 0].astype(np.int64)
    if len(kept) == 0:
        return 0.0
    table = digamma_table(n)
    return float(table[n] + np.mean(table[kept[:, 0]] - table[kept[:, 2]] - table[kept[:, 1]]))
