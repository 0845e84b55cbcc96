"""Independent blocks of columns: a graph of dependent pairs, and what speaks against its split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components
from scipy.stats import chi2

from validstats._typing import Float2D, Int1D, Int2D

__all__ = ["BlockSplit", "SPLIT_ROWS", "interaction_strength", "is_split", "split_blocks"]

EDGE_LEVEL = 0.01
"""Family-wise level at which two columns are joined."""
BINS = (4, 8, 14)
FEW_BINS = 3
INTERACTION_COLUMNS = 8


@dataclass(frozen=True)
class BlockSplit:
    """Blocks of columns that the pairwise graph keeps apart."""

    blocks: list[tuple[Int1D, Int1D]]  # Columns of X and of Y of each block that holds both
    block_of: Int1D  # Block of each column, those of X before those of Y
    residual: float  # Standardised dependence between blocks: about standard normal where the split is right
    # Significant pairs of a column of X and one of Y, matched by their chi-squares
    matched: list[tuple[int, int]]


def pairwise_chi_squares(ranks: Int2D, bins: int) -> Float2D:
    """Pearson chi-squares of all pairs of columns in equal bins of their ranks 0..n-1, by one matrix product."""
    n, dim = ranks.shape
    # One-hot columns; counts below 2^24 are exact in single precision.
    cells = ranks * bins // n
    one_hot = (cells[:, :, None] == np.arange(bins)).reshape(n, dim * bins).astype(np.float32)
    counts = (one_hot.T @ one_hot).astype(np.float64)
    margins = one_hot.sum(axis=0, dtype=np.float64)
    expected = np.outer(margins, margins) / n
    terms = (counts - expected) ** 2 / np.maximum(expected, 1e-12)
    return np.asarray(terms.reshape(dim, bins, dim, bins).sum(axis=(1, 3)))


def split_blocks(ranks: Int2D, dim_x: int) -> BlockSplit:
    """Join dependent columns and split the rest into blocks."""
    n, dim = ranks.shape
    used = [b for b in BINS if 4 * b * b <= n] or [FEW_BINS]
    p_values = np.ones((dim, dim))
    strongest = np.zeros((dim, dim))
    for bins in used:
        squares = pairwise_chi_squares(ranks, bins)
        freedom = (bins - 1) ** 2
        p_values = np.minimum(p_values, chi2.sf(squares, freedom))
        strongest = np.maximum(strongest, (squares - freedom) / np.sqrt(2.0 * freedom))
    # Bonferroni over the numbers of bins and over the pairs of columns.
    edges = p_values * len(used) < EDGE_LEVEL / max(dim * (dim - 1) / 2, 1)
    np.fill_diagonal(edges, True)
    _, block_of = connected_components(edges, directed=False)
    blocks = []
    for number in range(block_of.max() + 1):
        members = np.flatnonzero(block_of == number)
        first, second = members[members < dim_x], members[members >= dim_x] - dim_x
        if len(first) and len(second):
            blocks.append((first, second))
    apart = np.triu(block_of[:, None] != block_of[None, :], 1)
    residual = 0.0
    if apart.any():
        bins = 4 if n < 400 else 6
        freedom = (bins - 1) ** 2 * int(apart.sum())
        residual = float((pairwise_chi_squares(ranks, bins)[apart].sum() - freedom) / np.sqrt(2.0 * freedom))
    cross = strongest[:dim_x, dim_x:]
    rows, columns = linear_sum_assignment(cross, maximize=True)
    matched = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if edges[i, dim_x + j]]
    matched.sort(key=lambda pair: -cross[pair])
    return BlockSplit(blocks, block_of.astype(np.int64), residual, matched)


def interaction_strength(rows: Float2D, block_of: Int1D) -> float:
    """Largest squared correlation of a column's score, square or sign with a product of columns of other blocks.

    Pairwise independent blocks may still depend on each other: the sign of one may be that of a product of two others.
    """
    rows, block_of = rows[:, :INTERACTION_COLUMNS], block_of[:INTERACTION_COLUMNS]
    dim = rows.shape[1]
    if dim < 3:
        return 0.0
    first, second = np.triu_indices(dim, 1)
    products = _unit(rows[:, first] * rows[:, second])
    strongest = np.zeros((dim, len(first)))
    for values in (rows, rows**2, np.sign(rows)):
        strongest = np.maximum(strongest, (_unit(values).T @ products) ** 2)
    different = (
        (block_of[:, None] != block_of[first])
        & (block_of[:, None] != block_of[second])
        & (block_of[first] != block_of[second])
    )
    return float(strongest[different].max(initial=0.0))


def _unit(values: Float2D) -> Float2D:
    centred = values - values.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    return np.asarray(centred / np.where(norm > 1e-12, norm, 1.0))


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
