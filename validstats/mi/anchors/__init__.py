"""Classical estimates of mutual information as functions of arrays: neighbours, tables, Gaussian models."""

from __future__ import annotations

from validstats.mi.anchors.discrete import (
    ball_counts,
    bin_columns,
    entropy,
    mixed_ksg,
    plug_in,
    ross,
    row_codes,
)
from validstats.mi.anchors.neighbours import (
    GaussianEstimate,
    Scaling,
    canonical_correlations,
    cosines,
    gaussian_copula,
    gaussian_from_correlations,
    gaussian_plug_in,
    ksg,
    neighbour_radii,
    normal_scores,
    orthonormal_basis,
    scale_columns,
    subsample_standard_error,
)

__all__ = [
    "GaussianEstimate",
    "Scaling",
    "ball_counts",
    "bin_columns",
    "canonical_correlations",
    "cosines",
    "entropy",
    "gaussian_copula",
    "gaussian_from_correlations",
    "gaussian_plug_in",
    "ksg",
    "mixed_ksg",
    "neighbour_radii",
    "normal_scores",
    "orthonormal_basis",
    "plug_in",
    "ross",
    "row_codes",
    "scale_columns",
    "subsample_standard_error",
]
