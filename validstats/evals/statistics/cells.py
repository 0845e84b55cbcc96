"""Means of what humans would say, from labels within cells of equal verdict, with dependent rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from validstats._typing import Bool1D, Float1D, Int1D
from validstats.evals.statistics.ranks import smoothed_variance
from validstats.evals.statistics.scores import kish_size

__all__ = ["CellMean", "cell_mean"]


@dataclass(frozen=True)
class CellMean:
    """Post-stratified mean of labels with one contribution a cluster."""

    estimate: float
    influence: Float1D
    """Contribution of every cluster; the variance is G/(G - 1) times the sum of their squares."""
    opening: float
    """Variance of cells without labels: W^2/4 each."""
    smoothing: float
    """Variance that one pseudo-label of each kind adds in cells with labels, for t intervals and ranks."""
    labelling: float
    """Variance over the drawing of labels alone, with the opening."""
    effective_units: float
    """Kish's number of labelled clusters."""
    n_units: int
    """Labelled clusters."""

    @property
    def variance(self) -> float:
        """Squared standard error over clusters and labels, for a score interval, which smooths by itself."""
        g = len(self.influence)
        return float(np.sum(self.influence**2)) * g / max(g - 1, 1) + self.opening


def cell_mean(
    label: Float1D,
    labelled: Bool1D,
    weight: Float1D,
    probability: Float1D,
    cell: Int1D,
    cluster: Int1D,
    n_clusters: int,
) -> CellMean:
    """Mean ``sum W_c ybar_c`` of labels in [0, 1], ybar weighted by 1/pi; clusters may be labelled in part."""
    n_cells = int(cell.max()) + 1
    a = weight / probability
    known = cell[labelled]
    mass = np.bincount(cell, weight, n_cells)
    drawn = np.bincount(known, a[labelled], n_cells)
    total = float(mass.sum())
    y = label[labelled]
    pooled = float(np.average(y, weights=a[labelled]))
    sums = np.bincount(known, a[labelled] * y, n_cells)
    mean = np.divide(sums, drawn, out=np.full(n_cells, pooled), where=drawn > 0)
    estimate = float(np.sum(mass * mean) / total)
    # Linearised: w (ybar_c - theta) for every row, and a (mass_c / drawn_c)(y - ybar_c) for labelled ones, over the total.
    rows = weight * (mean[cell] - estimate)
    ratio = np.divide(mass, drawn, out=np.zeros(n_cells), where=drawn > 0)
    residual = a[labelled] * ratio[known] * (y - mean[known])
    rows[labelled] += residual
    influence = np.bincount(cluster, rows, n_clusters) / total
    labels, right = np.zeros(n_cells), np.zeros(n_cells)
    for c in np.unique(known):
        units = np.bincount(cluster[labelled][known == c], a[labelled][known == c])
        labels[c] = kish_size(units[units > 0])
        right[c] = labels[c] * mean[c]
    share = mass / total
    empty = (mass > 0) & (labels == 0)
    opening = smoothed_variance(share[empty], labels[empty], right[empty])
    smoothing = smoothed_variance(share[labels > 0], labels[labels > 0], right[labels > 0])
    units = np.bincount(cluster[labelled], a[labelled])
    units = units[units > 0]
    return CellMean(
        estimate=estimate,
        influence=influence,
        opening=opening,
        smoothing=smoothing,
        labelling=float(np.sum((1.0 - probability[labelled]) * residual**2)) / total**2 + opening,
        effective_units=kish_size(units),
        n_units=len(units),
    )
