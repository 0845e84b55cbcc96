"""Classical estimators of the mutual information of two continuous vectors, as functions of arrays.

All values are in nats and unclipped: an estimate can be negative, which says that it is small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma, ndtri
from sklearn.neighbors import KDTree

from validstats._typing import Float1D, Float2D, Int1D, Int2D
from validstats.kernels.forest import forest_counts, forest_sums
from validstats.kernels.nearest_neighbours import counts_within, counts_within_sorted, product_radii

__all__ = [
    "Distance",
    "GaussianEstimate",
    "Scaling",
    "canonical_correlations",
    "cosines",
    "forest_means",
    "forest_shares",
    "gaussian_copula",
    "gaussian_from_correlations",
    "ksg",
    "line_counts",
    "midranks",
    "neighbour_counts",
    "neighbour_radii",
    "normal_scores",
    "offered_columns",
    "orthonormal_basis",
    "rank_scores",
    "reduce_predictions",
    "scale_columns",
    "side_targets",
    "sorted_order",
    "standardise",
    "subsample_standard_error",
    "tree_radii",
]


Distance: TypeAlias = Literal["chebyshev", "euclidean"]
"""Distance within each side; the product space always takes the larger of the two."""

Scaling: TypeAlias = Literal["standard", "normal_scores", "none"]
"""What is done to each column before distances are taken."""

TREE_MIN_ROWS = 500
"""From so many rows on a k-d tree finds neighbours faster than comparing all pairs, in up to ``TREE_MAX_DIM`` columns."""
TREE_MAX_DIM = 25
WIDE_TREE_MIN_ROWS = 3_000
"""From so many rows on the tree is used in any dimension."""
LEAF_SIZE, COUNTED_LEAF_SIZE = 16, 32
"""Rows of a leaf where neighbours are searched, and where they are counted."""
FEW_COLUMNS = 3
"""Up to so many columns together scipy's tree is the faster one; in a plane by a tenth."""


@dataclass(frozen=True)
class GaussianEstimate:
    """Mutual information of a Gaussian model."""

    value: float  # Estimate in nats; not clipped at 0. Infinite for exact linear dependence
    correlations: Float1D  # Sample canonical correlations, decreasing
    rank_x: int  # rank_x, rank_y: Number of linearly independent columns of each side
    rank_y: int


# --- columns ----------------------------------------------------------------------------------------------


def normal_scores(rows: Float2D) -> Float2D:
    """Replace each column by the normal quantiles of its mid-ranks."""
    # Returns quantiles at ``rank / (n + 1)``; tied values share one score.
    return np.asarray(ndtri(_midranks_of(rows) / (len(rows) + 1.0)), dtype=np.float64)


def midranks(column: Float1D) -> Float1D:
    """Ranks from 1 of finite numbers; equal ones share the middle of theirs."""
    n = len(column)
    order = np.argsort(column)
    ordered = column[order]
    ranks = np.empty(n)
    starts = np.concatenate([np.ones(min(n, 1), dtype=bool), ordered[1:] != ordered[:-1]])
    if starts.all():
        ranks[order] = np.arange(1.0, n + 1.0)
        return ranks
    first = np.flatnonzero(starts)
    ends = np.append(first[1:], n)
    ranks[order] = np.repeat(0.5 * (first + ends + 1), ends - first)
    return ranks


def _midranks_of(rows: Float2D) -> Float2D:
    ranks = np.empty(rows.shape, order="F")
    for j, column in enumerate(rows.T):
        ranks[:, j] = midranks(column)
    return ranks


def scale_columns(rows: Float2D, scaling: Scaling) -> Float2D:
    """Bring columns to comparable scales."""
    if scaling == "normal_scores":
        return np.ascontiguousarray(normal_scores(rows))
    if scaling == "none":
        return np.array(rows, dtype=np.float64, order="C")
    deviation = rows.std(axis=0)
    return np.ascontiguousarray(rows / np.where(deviation > 0.0, deviation, 1.0))


# --- nearest neighbours -----------------------------------------------------------------------------------


def neighbour_radii(x: Float2D, y: Float2D, n_neighbors: int, metric: Distance = "chebyshev") -> Float1D:
    """Distance of each row to its k-th neighbour in the product space."""
    if metric == "chebyshev" and _tree_pays(len(x), x.shape[1] + y.shape[1]):
        return tree_radii(np.hstack([x, y]), np.array([n_neighbors]))[:, 0]
    return product_radii(np.ascontiguousarray(x), np.ascontiguousarray(y), n_neighbors, metric == "euclidean")


def tree_radii(rows: Float2D, orders: Int1D) -> Float2D:
    """Distance of each row to its k-th other ones by a k-d tree, asked in the order of its leaves, which stay in the cache."""
    if rows.shape[1] <= FEW_COLUMNS:
        near = cKDTree(rows, leafsize=LEAF_SIZE)
        order = near.indices
        distances = near.query(rows[order], k=(orders + 1).tolist(), p=np.inf)[0]
    else:
        tree = KDTree(rows, leaf_size=LEAF_SIZE, metric="chebyshev")
        order = np.asarray(tree.get_arrays()[1])
        distances = tree.query(rows[order], k=orders.max() + 1)[0][:, orders]
    radii = np.empty(distances.shape)
    radii[order] = distances
    return radii


def neighbour_counts(rows: Float2D, radii: Float1D, metric: Distance = "chebyshev") -> Int1D:
    """Count the other rows strictly within each row's radius."""
    if metric == "chebyshev" and rows.shape[1] == 1:
        return line_counts(rows[:, 0], radii[:, None], np.argsort(rows[:, 0]))[:, 0]
    if metric == "euclidean" or not _tree_pays(*rows.shape):
        return counts_within(np.ascontiguousarray(rows), radii, metric == "euclidean")
    # Strictly within the radius: the largest number below it, and nothing within a radius of 0 (Gao et al. 2017).
    tree = KDTree(rows, leaf_size=COUNTED_LEAF_SIZE, metric="chebyshev")
    found = np.asarray(tree.query_radius(rows, np.nextafter(radii, 0.0), count_only=True), dtype=np.int64)
    return np.where(radii > 0.0, found - 1, 0)


def line_counts(values: Float1D, radii: Float2D, order: Int1D) -> Int2D:
    """Count the other values on a line strictly within each value's radii, given an order that sorts them."""
    near = np.empty(radii.shape, dtype=np.int64)
    counts_within_sorted(values[order], radii[order], near)
    counts = np.empty(radii.shape, dtype=np.int64)
    counts[order] = near
    return counts


def _tree_pays(n: int, dim: int) -> bool:
    return (n >= TREE_MIN_ROWS and dim <= TREE_MAX_DIM) or n >= WIDE_TREE_MIN_ROWS


def ksg(x: Float2D, y: Float2D, n_neighbors: int = 3, metric: Distance = "chebyshev") -> float:
    """First estimator of Kraskov, Stögbauer and Grassberger."""
    # Convention: ``n_x`` counts the other rows *strictly* closer in X than the k-th neighbour in the product
    # space, and the estimate is ``psi(k) + psi(n) - mean(psi(n_x + 1) + psi(n_y + 1))``, their equation (8).
    # scikit-learn and benchmark-mi follow the same convention.
    # Kraskov, Stögbauer and Grassberger (2004), Physical Review E 69, 066138, equation (8).
    radii = neighbour_radii(x, y, n_neighbors, metric)
    terms = digamma(neighbour_counts(x, radii, metric) + 1.0)
    terms += digamma(neighbour_counts(y, radii, metric) + 1.0)
    return float(digamma(n_neighbors) + digamma(len(x)) - terms.mean())


def sorted_order(rows: Float2D) -> Int1D:
    """Order of the rows by their last column, then by the one before it, as np.lexsort gives it."""
    order = np.argsort(rows[:, -1])
    last = rows[order, -1]
    return order if (last[1:] > last[:-1]).all() else np.lexsort(rows.T)


def subsample_standard_error(
    estimate: Callable[[Int1D], float], rows: Float2D, n_parts: int = 8, n_partitions: int = 1
) -> float:
    """Standard error from the spread of an estimate over disjoint parts of the rows."""
    # The partitions are drawn with a fixed seed after sorting the rows, so the order of rows does not matter.
    # Returns approximate standard error; it assumes that the variance shrinks as 1/n and is blind to bias.
    # Against the true one it was 0.75 (n = 100) to 0.95 (n = 1000) in our simulations of Gaussian rows.
    # Holmes and Nemenman (2019), Physical Review E 100, 022404, section III.
    order = sorted_order(rows)
    generator = np.random.default_rng(0)
    variances = []
    for _ in range(n_partitions):
        parts = np.array_split(order[generator.permutation(len(order))], n_parts)
        variances.append(np.var([estimate(part) for part in parts], ddof=1) / n_parts)
    return float(np.sqrt(np.mean(variances)))


# --- Gaussian models --------------------------------------------------------------------------------------


def orthonormal_basis(rows: Float2D) -> Float2D:
    """Orthonormal basis of the centred columns; dependent columns add nothing."""
    centred = rows - rows.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    left, singular, _ = np.linalg.svd(centred / np.where(norms > 0.0, norms, 1.0), full_matrices=False)
    rank = int((singular > singular.max(initial=0.0) * 1e-9).sum())
    return np.asarray(left[:, :rank])


def cosines(basis_x: Float2D, basis_y: Float2D) -> Float1D:
    """Cosines of the principal angles between two subspaces."""
    return np.clip(np.linalg.svd(basis_x.T @ basis_y, compute_uv=False), 0.0, 1.0)


def canonical_correlations(x: Float2D, y: Float2D) -> tuple[Float1D, int, int]:
    """Canonical correlations of two sets of columns, by singular values."""
    # Björck and Golub (1973), Mathematics of Computation 27, 579-594.
    basis_x, basis_y = orthonormal_basis(x), orthonormal_basis(y)
    return cosines(basis_x, basis_y), basis_x.shape[1], basis_y.shape[1]


def gaussian_from_correlations(correlations: Float1D) -> float:
    """Mutual information of a Gaussian law with given canonical correlations."""
    gap = 1.0 - np.asarray(correlations) ** 2
    if (gap < 1e-12).any():
        return float("inf")
    return float(-0.5 * np.log(gap).sum())


def _wishart_bias(n: int, rank_x: int, rank_y: int) -> float:
    """Bias of the log-determinant plug-in for Gaussian rows, in nats."""
    half = 0.5 * (n - 1.0 - np.arange(rank_x + rank_y))
    terms = digamma(half)
    return 0.5 * float(terms[:rank_x].sum() + terms[:rank_y].sum() - terms.sum())


def gaussian_copula(x: Float2D, y: Float2D, *, bias_correction: bool = True) -> GaussianEstimate:
    """Mutual information of a Gaussian copula: normal scores, then canonical correlations."""
    # Ince et al. (2017), Human Brain Mapping 38, 1541-1573 (the copula estimator and its correction).
    return gaussian_plug_in(normal_scores(x), normal_scores(y), bias_correction=bias_correction)


def gaussian_plug_in(x: Float2D, y: Float2D, *, bias_correction: bool = False) -> GaussianEstimate:
    """Gaussian mutual information from the sample canonical correlations of the columns as they are."""
    correlations, rank_x, rank_y = canonical_correlations(x, y)
    if len(x) <= rank_x + rank_y + 1:
        raise ValueError(
            f"A Gaussian estimate needs more rows than dimensions: n > dim_x + dim_y + 1 = "
            f"{rank_x + rank_y + 1}, got n = {len(x)}. Use method='ksg', or fewer columns."
        )
    value = gaussian_from_correlations(correlations)
    if bias_correction and np.isfinite(value):
        value -= _wishart_bias(len(x), rank_x, rank_y)
    return GaussianEstimate(value=value, correlations=correlations, rank_x=rank_x, rank_y=rank_y)


TREES = 24
BAG = 0.7
"""Share of the rows that grow a tree, drawn without replacement."""
LEAF = 5
PRODUCT_COLUMNS = 8
"""Up to so many columns all their products are offered to the trees."""
SEED = 20_261_129


def offered_columns(rows: Float2D) -> Float2D:
    """Columns that trees may split: the side's own, its mean square, and all products of few columns."""
    dim = rows.shape[1]
    if dim == 1:
        return rows
    blocks = [rows, np.mean(rows**2, axis=1, keepdims=True)]
    if dim <= PRODUCT_COLUMNS:
        first, second = np.triu_indices(dim, 1)
        blocks.append(rows[:, first] * rows[:, second])
    return np.hstack(blocks)


def standardise(rows: Float2D) -> Float2D:
    """Columns with mean 0 and mean square 1; a constant column gives zeros."""
    centred = rows - rows.mean(axis=0)
    scale = np.sqrt(np.mean(centred**2, axis=0))
    return centred / np.where(scale > 1e-12, scale, 1.0)


def side_targets(rows: Float2D) -> Float2D:
    """What is predicted of a side: Hermite polynomials of its scores and its mean square, of many columns their main directions."""
    dim = rows.shape[1]
    if dim > 5:
        left, singular, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
        main = standardise(left[:, :3] * singular[:3])
        return standardise(np.hstack([main, main**2, np.mean(rows**2, axis=1, keepdims=True)]))
    blocks = [rows, rows**2]
    if dim <= 2:
        blocks.append(rows**3 - 3.0 * rows)  # Third Hermite polynomial.
    if dim > 1:
        blocks.append(np.mean(rows**2, axis=1, keepdims=True))
    return standardise(np.hstack(blocks))


def forest_means(
    columns: Float2D,
    targets: Float2D,
    n_grow: int | None = None,
    leaf: int = LEAF,
    n_trees: int = TREES,
    seed: int = SEED,
) -> Float2D:
    """Mean predictions of trees that did not grow on the row; the first ``n_grow`` rows (None: all) may grow trees.

    A row that grew every tree gets the mean target.
    """
    n_grow = len(columns) if n_grow is None else n_grow
    grid = np.ascontiguousarray(columns.T, dtype=np.float64)
    values = np.ascontiguousarray(targets, dtype=np.float64)
    sums, trees = forest_sums(grid, values, n_grow, _bag(n_grow), n_trees, _draws(columns), leaf, seed)
    means = sums / np.maximum(trees, 1)[:, None]
    means[trees == 0] = values[:n_grow].mean(axis=0)
    return np.asarray(means)


def _bag(n_grow: int) -> int:
    return max(min(int(BAG * n_grow), n_grow - 1), 1)


def _draws(columns: Float2D) -> int:
    return int(np.clip(np.ceil(0.7 * columns.shape[1]), 3, 12))


def forest_shares(
    columns: Float2D, codes: Int2D, width: int, leaf: int = LEAF, n_trees: int = TREES, seed: int = SEED
) -> Float2D:
    """Mean shares of the codes, below ``width``, in the leaves of the rows after the first ones, which have codes and grow the trees."""
    grid = np.ascontiguousarray(columns.T, dtype=np.float64)
    counts = forest_counts(grid, codes, width, _bag(len(codes)), n_trees, _draws(columns), leaf, seed)
    return np.asarray(counts / n_trees)


def reduce_predictions(predictions: Float2D, targets: Float2D, rank: int) -> Float2D:
    """Reduced-rank regression of targets on predictions: the few combinations of predictions that explain most.

    Reinsel and Velu (1998), chapter 2: with the ridge solution B and the fit P B = U D V', the columns of P B V.
    """
    centred = predictions - predictions.mean(axis=0)
    gram = centred.T @ centred
    ridge = 1e-3 * np.trace(gram) / len(gram) + 1e-12
    slopes = np.linalg.solve(gram + ridge * np.eye(len(gram)), centred.T @ (targets - targets.mean(axis=0)))
    fit = centred @ slopes
    # The right singular vectors of the fit, from its small Gram matrix.
    _, vectors = np.linalg.eigh(fit.T @ fit)
    return np.asarray(fit @ vectors[:, ::-1][:, :rank])


def rank_scores(rows: Float2D) -> Float2D:
    """Normal scores of the columns at (rank - 1/2) / n; values that agree to ten digits of the column's spread share a rank."""
    spread = np.abs(rows).max(axis=0)
    rounded = np.round(rows / np.where(spread > 0, spread, 1.0), 10)
    return np.asarray(ndtri((_midranks_of(rounded) - 0.5) / len(rows)), dtype=np.float64)
