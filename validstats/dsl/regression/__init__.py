"""Regressions: from a formula or columns to rows, and from rows to a result."""

from __future__ import annotations

from validstats.dsl.fit.cells import form_bins
from validstats.dsl.regression.assembly import (
    MODELS,
    DesignBuilder,
    ModelName,
    ParsedFormula,
    RowCoder,
    StudyRows,
    choose_moment,
    filled_label,
    parse_formula,
    required_variables,
)
from validstats.dsl.regression.preparation import (
    FrameStudy,
    InferenceRequest,
    IntervalName,
    PreparedModel,
    Study,
    prepare_formula,
    prepare_moment,
    verdict_cells,
)
from validstats.dsl.regression.quantiles import (
    LabelDistribution,
    QuantileProblem,
    infer_quantile,
    prepare_quantile,
)
from validstats.dsl.regression.shares import (
    VerdictReader,
    choose_interval,
    clusters_beside_drawn,
    coefficient_limits,
    group_column,
    infer_share,
    normal_form,
    outcome_bounds,
)
from validstats.dsl.regression.solution import (
    calibration_guarantee,
    resolve_clusters,
    sampling_of_further_units,
    solve,
)

__all__ = [
    "VerdictReader",
    "choose_interval",
    "clusters_beside_drawn",
    "coefficient_limits",
    "form_bins",
    "group_column",
    "outcome_bounds",
    "infer_share",
    "normal_form",
    "prepare_formula",
    "prepare_moment",
    "prepare_quantile",
    "resolve_clusters",
    "MODELS",
    "verdict_cells",
    "sampling_of_further_units",
    "IntervalName",
    "FrameStudy",
    "ParsedFormula",
    "RowCoder",
    "Study",
    "StudyRows",
    "LabelDistribution",
    "PreparedModel",
    "QuantileProblem",
    "infer_quantile",
    "solve",
    "DesignBuilder",
    "InferenceRequest",
    "ModelName",
    "calibration_guarantee",
    "choose_moment",
    "filled_label",
    "parse_formula",
    "required_variables",
]
