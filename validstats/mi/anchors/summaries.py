"""Cross-fitted summaries: what trees predict of one side from the other, for rows that did not grow them."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from validstats._typing import Float2D
from validstats.kernels.forest import forest_sums

__all__ = [
    "forest_means",
    "offered_columns",
    "rank_scores",
    "reduce_predictions",
    "side_targets",
    "standardise",
]

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
    n_bag = max(min(int(BAG * n_grow), n_grow - 1), 1)
    draws = int(np.clip(np.ceil(0.7 * columns.shape[1]), 3, 12))
    grid = np.ascontiguousarray(columns.T, dtype=np.float64)
    values = np.ascontiguousarray(targets, dtype=np.float64)
    sums, trees = forest_sums(grid, values, n_grow, n_bag, n_trees, draws, leaf, seed)
    means = sums / np.maximum(trees, 1)[:, None]
    means[trees == 0] = values[:n_grow].mean(axis=0)
    return np.asarray(means)


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
    return np.asarray(ndtri((rankdata(rounded, axis=0) - 0.5) / len(rows)), dtype=np.float64)
