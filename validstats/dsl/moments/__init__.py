"""Moments: scores and Jacobians of the models, and the variances of designs."""

from __future__ import annotations

from validstats.dsl.moments.absorption import Absorber
from validstats.dsl.moments.clusters import (
    checked_clusters,
    cluster_codes,
    cluster_degrees,
    warn_about_clusters,
)
from validstats.dsl.moments.models import (
    LARGEST_VALUE,
    GLMMoment,
    InstrumentalMoment,
    LinearMoment,
    MeanMoment,
    ModelMoment,
    MultinomialMoment,
    RegressionRows,
    ScoreParts,
    two_stage_projection,
)
from validstats.dsl.moments.newton import (
    NewtonResult,
    collinear_columns,
    find_root,
    invert_bread,
    singular_reason,
)
from validstats.dsl.moments.user import Moment, UserMoment
from validstats.dsl.moments.variance import (
    SamplingDesign,
    VarianceKind,
    centred_influence,
    clustered_meat,
    critical_value,
    design_meat,
    drawn_deviations,
    effective_labels,
    influence_functions,
    kish_size,
    labelled_units,
    median_of_splits,
    sandwich,
    small_sample_scores,
    sum_by_cluster,
)
from validstats.dsl.moments.variance_parts import VarianceParts, variance_parts

__all__ = [
    "LARGEST_VALUE",
    "VarianceParts",
    "checked_clusters",
    "cluster_codes",
    "cluster_degrees",
    "variance_parts",
    "warn_about_clusters",
    "Absorber",
    "GLMMoment",
    "InstrumentalMoment",
    "LinearMoment",
    "MeanMoment",
    "ModelMoment",
    "Moment",
    "MultinomialMoment",
    "NewtonResult",
    "RegressionRows",
    "SamplingDesign",
    "ScoreParts",
    "UserMoment",
    "VarianceKind",
    "centred_influence",
    "clustered_meat",
    "collinear_columns",
    "critical_value",
    "design_meat",
    "drawn_deviations",
    "effective_labels",
    "find_root",
    "influence_functions",
    "invert_bread",
    "kish_size",
    "labelled_units",
    "median_of_splits",
    "sandwich",
    "singular_reason",
    "small_sample_scores",
    "sum_by_cluster",
    "two_stage_projection",
]
