"""What an estimate consists of: coefficients, covariance, influence functions and their sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias

import numpy as np

from validstats._typing import Bool1D, Float1D, Float2D, Int1D
from validstats.dsl.fit.augmentation import LabelledSample, Sample
from validstats.dsl.fit.estimation import TuningKind
from validstats.dsl.moments import (
    ClusterSums,
    VarianceParts,
    cluster_ways,
    clustered_meat,
    combined_meat,
    design_meat,
    sandwich,
    variance_parts,
)

__all__ = [
    "Estimate",
    "InfluenceSums",
    "Population",
    "SimpleFit",
    "covariance_matrix",
    "labelling_covariance",
    "parts_of",
]

Population: TypeAlias = Literal["superpopulation", "finite"]
"""What the coefficients describe: the process behind the rows, or the rows themselves."""


@dataclass(frozen=True, kw_only=True)
class SimpleFit:
    """Coefficients and standard errors of a fit shown for comparison."""

    params: Float1D  # coefficients
    std_error: Float1D  # standard errors
    # which part of the covariance more labels shrink; None where that is not known
    variance_parts: VarianceParts | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An estimate with its covariance and everything to recompute it."""

    params: Float1D  # coefficients
    covariance: Float2D  # covariance matrix
    # influence functions, centred where the design fixes the number of labels; None for the median of splits,
    # which has none
    influence: Float2D | None
    # their sums within the (first) clusters of the standard errors, where there are any, shape ``(G, p)``
    by_cluster: Float2D | None = None
    # gold score minus augmentation on the labelled rows, in coefficient units
    residual: Float2D | None = None
    # which part of the covariance more labels shrink; None for a finite population
    variance_parts: VarianceParts | None = None
    tuning: TuningKind = "none"  # how the augmentation was scaled
    # degrees of freedom of the t interval of each coefficient; None where one number serves all
    degrees: Float1D | None = None
    share: Float1D | None = None  # share of the control variate that each coefficient takes
    fragile: Bool1D | None = None  # coefficients that labelled rows of leverage one half or more carry
    fallbacks: tuple[str, ...] = field(default=())  # what was done where no root was found


def covariance_matrix(
    influence: Float2D, residual: Float2D, sample: LabelledSample, population: Population
) -> Float2D:
    """Return the covariance of an estimate from the influence functions of rows in memory."""
    if population == "finite":
        return labelling_covariance(residual, sample)
    meat = clustered_meat(influence, sample.clusters)
    return sandwich(np.eye(influence.shape[1]), meat, sample.n_rows)


def labelling_covariance(residual: Float2D, sample: Sample) -> Float2D:
    """Return the covariance that comes from the choice of rows to label alone."""
    everyone = np.ones(sample.n_labelled, dtype=np.bool_)
    meat = design_meat(residual, sample.gold_probability, sample.n_rows, sample.drawn, everyone)
    return sandwich(np.eye(residual.shape[1]), meat, sample.n_rows)


def parts_of(covariance: Float2D, residual: Float2D, sample: Sample) -> VarianceParts:
    """Split a covariance into what more labels shrink and what they do not."""
    everyone = np.ones(sample.n_labelled, dtype=np.bool_)
    return variance_parts(
        covariance, residual, sample.gold_probability, sample.n_rows, sample.drawn, everyone
    )


@dataclass(frozen=True)
class InfluenceSums:
    """Sums over influence functions: of squares of rows, or by cluster; the rows themselves in memory."""

    square: Float2D
    clusters: tuple[ClusterSums, ...]
    rows: Float2D | None = None

    @classmethod
    def of(cls, influence: Float2D, clusters: Sequence[Int1D], keep: bool) -> Self:
        """Return the sums of some rows."""
        ways = tuple(ClusterSums.of(codes, influence) for codes in cluster_ways(clusters))
        return cls(influence.T @ influence, ways, influence if keep else None)

    def __add__(self, other: Self) -> Self:
        ways = tuple(a + b for a, b in zip(self.clusters, other.clusters, strict=True))
        return type(self)(self.square + other.square, ways)

    def covariance(self, n_rows: int) -> Float2D:
        """Return the covariance of their mean."""
        meats = [c.sums.T @ c.sums / n_rows for c in self.clusters] or [self.square / n_rows]
        return sandwich(np.eye(len(self.square)), combined_meat(meats), n_rows)
