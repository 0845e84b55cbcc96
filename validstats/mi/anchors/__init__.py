"""Classical estimates of mutual information as functions of arrays: neighbours, tables, Gaussian models."""

from __future__ import annotations

from validstats.mi.anchors.blocks import interaction_strength, split_blocks
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
from validstats.mi.anchors.summaries import (
    forest_means,
    offered_columns,
    rank_scores,
    reduce_predictions,
    side_targets,
    standardise,
)
from validstats.mi.anchors.tables import (
    adjusted_plug_in,
    chosen_columns_plug_in,
    column_codes,
    merge_rare,
    predicted_levels,
)

__all__ = [
    "interaction_strength",
    "split_blocks",
    "forest_means",
    "offered_columns",
    "rank_scores",
    "reduce_predictions",
    "side_targets",
    "standardise",
    "adjusted_plug_in",
    "chosen_columns_plug_in",
    "column_codes",
    "merge_rare",
    "predicted_levels",
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
