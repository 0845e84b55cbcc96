"""Regressions: from a formula or columns to rows, and from rows to a result."""

from __future__ import annotations

from validstats.dsl.regression.assembly import (
    MODELS,
    DesignBuilder,
    ModelName,
    ParsedFormula,
    RowCoder,
    StudyRows,
    choose_moment,
    parse_formula,
    required_variables,
)
from validstats.dsl.regression.preparation import (
    BOUNDED_MODELS,
    FrameStudy,
    InferenceRequest,
    IntervalName,
    PreparedModel,
    Study,
    filled_label,
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
from validstats.dsl.regression.shares import choose_interval, infer_share
from validstats.dsl.regression.solution import (
    calibration_guarantee,
    resolve_clusters,
    sampling_of_further_units,
    solve,
)

__all__ = [
    "choose_interval",
    "infer_share",
    "prepare_formula",
    "prepare_moment",
    "prepare_quantile",
    "resolve_clusters",
    "MODELS",
    "BOUNDED_MODELS",
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
