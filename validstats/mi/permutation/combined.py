"""The combined test of independence: four statistics on the same permutations, joined by their ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
from scipy.spatial.distance import pdist, squareform
from sklearn.neighbors import KDTree

from validstats._typing import Float1D, Float2D, Int1D, Int2D
from validstats.kernels.permuted_sums import permuted_sums
from validstats.mi.anchors import rank_scores
from validstats.mi.permutation.permuter import Permuter
from validstats.mi.sides import Side
from validstats.mi.statistics import row_hashes
from validstats.runtime import progress

__all__ = ["CombinedStatistic", "bind_combined", "combine_ranks", "combined_values"]

MOST_PAIRWISE = 2_000
"""Rows whose distances are all held; of more rows, so many chosen by X alone."""
NEIGHBOURS = 4
BANDWIDTH = 0.35
"""Width of the narrow Gaussian kernels, in median distances."""
TIE_BREAK = 0.001
"""Weight of the mean logarithm of the ranks, which decides between equal smallest ranks."""
DIGITS = 12
"""Statistics are rounded relative to their size, so that equal ones tie whatever the order of their sums."""
CHUNK = 50


@dataclass(frozen=True)
class CombinedStatistic:
    """What the four statistics need of two sides."""

    # distances, kernels: Centred distances and centred narrow kernels of the two sides, of the rows in
    # ``subset``
    distances: tuple[Float2D, Float2D]
    kernels: tuple[Float2D, Float2D]
    subset: Int1D  # Rows whose distances are held
    scores: tuple[Float2D, Float2D]  # Rows as distances are measured between them
    near: tuple[Int2D, Int2D]  # Nearest rows in each side
    caps: tuple[float, float]  # Median distances, at which a distance between neighbours is cut
    features: tuple[Float2D, Float2D]  # Standardised scores, squares and mean squares

    def strata(self, n: int, given: Int1D | None) -> Int1D | None:
        """Groups within which rows are exchanged: where distances are held for a subset alone, within it and within the rest."""
        if len(self.subset) == n:
            return given
        inside = np.zeros(n, dtype=np.int64)
        inside[self.subset] = 1
        return inside if given is None else 2 * given + inside

    def evaluate(self, orders: Int2D) -> Float2D:
        """The four statistics of X and of the rows of Y in each order: larger speaks for dependence."""
        n = orders.shape[1]
        place = np.full(n, -1)
        place[self.subset] = np.arange(len(self.subset))
        inner = np.ascontiguousarray(place[orders[:, self.subset]])
        out = np.empty((len(orders), 4))
        (a, b), (k, q) = self.distances, self.kernels
        out[:, :2] = permuted_sums(a, k, b, q, inner)
        features_x, features_y = self.features
        for row, order in enumerate(orders):
            out[row, 2] = -self._neighbour_distances(order)
            out[row, 3] = np.abs(features_x.T @ features_y[order]).max() / n
        return out

    def _neighbour_distances(self, order: Int1D) -> float:
        """Distances in one side between rows that are near in the other, cut at the median, both ways round."""
        x, y = self.scores
        near_x, near_y = self.near
        moved = y[order]
        of_y = np.sqrt(((moved[:, None, :] - moved[near_x]) ** 2).sum(axis=2))
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        moved_x = x[back]
        of_x = np.sqrt(((moved_x[:, None, :] - moved_x[near_y]) ** 2).sum(axis=2))
        return float(
            np.minimum(of_y, self.caps[1]).sum() / self.caps[1]
            + np.minimum(of_x, self.caps[0]).sum() / self.caps[0]
        )


def bind_combined(x: Side, y: Side, seed: int) -> CombinedStatistic:
    """Distances, kernels, neighbours and features of two sides, neither constant; ties between neighbours fall by the seed."""
    n = x.n_rows
    scores = _scores(x), _scores(y)
    subset = np.arange(n)
    if n > MOST_PAIRWISE:
        # Chosen by X alone: the joint content changes with the permutation.
        subset = np.sort(np.argsort(row_hashes(scores[0]), kind="stable")[:MOST_PAIRWISE])
    distances, kernels, caps = [], [], []
    for values in scores:
        matrix = squareform(pdist(values[subset]))
        positive = matrix[matrix > 0]
        median = float(np.median(positive)) if len(positive) else 1.0
        distances.append(_centred(matrix))
        kernels.append(_centred(np.exp(-0.5 * (matrix / (BANDWIDTH * median)) ** 2)))
        caps.append(median)
    near = tuple(_nearest(values, seed, side) for side, values in enumerate(scores))
    return CombinedStatistic(
        (distances[0], distances[1]), (kernels[0], kernels[1]), subset, scores, (near[0], near[1]),
        (caps[0], caps[1]), (_features(scores[0]), _features(scores[1])),
    )  # fmt: skip


def _scores(side: Side) -> Float2D:
    """Normal scores of numbers; categories as 0/1 columns whose rows are at distance 0 or 1."""
    if side.codes is not None and side.nominal:
        return np.eye(int(side.codes.max()) + 1)[side.codes] / np.sqrt(2.0)
    rows = side.rows / np.sqrt(2.0)
    if len(side.numeric_columns):
        rows[:, side.numeric_columns] = rank_scores(side.rows[:, side.numeric_columns])
    return np.ascontiguousarray(rows)


def _centred(matrix: Float2D) -> Float2D:
    means = matrix.mean(axis=0)
    return np.ascontiguousarray(matrix - means[None, :] - means[:, None] + means.mean())


def _nearest(values: Float2D, seed: int, side: int) -> Int2D:
    """The nearest other rows; equal distances are told apart by a random order of the side's own.

    By position would not do: the same order on both sides is dependence, which no permutation of the rows has.
    """
    n = len(values)
    k = min(NEIGHBOURS + 1, n)
    order = np.random.default_rng([seed, side]).permutation(n)
    found = order[KDTree(values[order]).query(values, k=k, return_distance=False)]
    # The row itself is among its nearest but where more rows are equal: it goes last and is cut off.
    own = found == np.arange(n)[:, None]
    return np.take_along_axis(found, np.argsort(own, axis=1, kind="stable"), axis=1)[:, : k - 1]


def _features(scores: Float2D) -> Float2D:
    blocks = [scores, scores**2]
    if scores.shape[1] > 1:
        blocks.append(np.mean(scores**2, axis=1, keepdims=True))
    values = np.hstack(blocks)
    centred = values - values.mean(axis=0)
    scale = np.sqrt(np.mean(centred**2, axis=0))
    return np.asarray(centred[:, scale > 1e-9] / scale[scale > 1e-9])


def combined_values(
    bound: CombinedStatistic, permuter: Permuter, n_permutations: int, n_jobs: int | None, verbose: bool
) -> Float2D:
    """The four statistics of the rows as they are and under each permutation: (B + 1, 4)."""
    n = permuter.n_rows
    chunks = np.array_split(np.arange(n_permutations), -(-n_permutations // CHUNK))
    tasks = (joblib.delayed(_chunk_values)(bound, permuter, chunk) for chunk in chunks)
    stream = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    parts = list(progress(stream, total=len(chunks), description="permutations", verbose=verbose))
    return np.vstack([bound.evaluate(np.arange(n)[None, :]), *parts])


def _chunk_values(bound: CombinedStatistic, permuter: Permuter, numbers: Int1D) -> Float2D:
    return bound.evaluate(np.stack([permuter.permutation(int(number)) for number in numbers]))


def combine_ranks(values: Float2D, tables: Float2D | None = None) -> Float1D:
    """T = min_c R_c + .001 mean_c log R_c, with R_c the number of values of statistic c in the table at least as large.

    Without tables the values are their own: a symmetric function of exchangeable rows, so that comparing T is exact. With tables of
    reserved permutations T is a fixed function of each row.
    """
    rounded = _rounded(values, values if tables is None else tables)
    table = rounded if tables is None else _rounded(tables, tables)
    ranks = np.empty(rounded.shape)
    for c in range(rounded.shape[1]):
        ordered = np.sort(table[:, c])
        above = len(ordered) - np.searchsorted(ordered, rounded[:, c], side="left")
        ranks[:, c] = above if tables is None else above + 1
    return np.asarray(ranks.min(axis=1) + TIE_BREAK * np.log(ranks).mean(axis=1))


def _rounded(values: Float2D, like: Float2D) -> Any:
    scale = np.abs(like).max(axis=0)
    return np.round(values / np.where(scale > 0, scale, 1.0), DIGITS)
