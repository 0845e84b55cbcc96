"""Asking: what an analyst asks, how it is answered, and what is recorded before the answer."""

from __future__ import annotations

from validstats.holdout.asking.board import Leaderboard, leaderboard, ties
from validstats.holdout.asking.desk import (
    Desk,
    GuessKind,
    TrainingPart,
    count_rows,
    is_estimator,
    number_question,
    query_question,
    seal,
    unseal,
)
from validstats.holdout.asking.discoveries import discover
from validstats.holdout.asking.gate import Gate, open_gate
from validstats.holdout.asking.inputs import (
    check_finite_bounds,
    check_labels,
    classes_of,
    is_list_of_targets,
    seed_of,
    warn_about_reuse,
)
from validstats.holdout.asking.metrics import (
    Metric,
    absolute_error,
    as_metric,
    coverage,
    log_loss,
    metric_names,
    squared_error,
    subgroup_accuracy,
)
from validstats.holdout.asking.opening import (
    HoldoutCalibration,
    calibration_of,
    extend_desk,
    open_desk,
    plan_of,
)
from validstats.holdout.asking.parted import refuse_parts
from validstats.holdout.asking.releases import CompareRelease, best, compare, validate, validate_gain
from validstats.holdout.asking.scorer import HoldoutScorer
from validstats.holdout.asking.vault import final
from validstats.holdout.asking.whole import WholeMetric, r2

__all__ = [
    "seal",
    "unseal",
    "Gate",
    "open_gate",
    "CompareRelease",
    "Desk",
    "GuessKind",
    "HoldoutCalibration",
    "HoldoutScorer",
    "Leaderboard",
    "Metric",
    "TrainingPart",
    "WholeMetric",
    "absolute_error",
    "as_metric",
    "best",
    "calibration_of",
    "check_finite_bounds",
    "check_labels",
    "classes_of",
    "compare",
    "count_rows",
    "coverage",
    "discover",
    "extend_desk",
    "final",
    "is_estimator",
    "is_list_of_targets",
    "leaderboard",
    "log_loss",
    "metric_names",
    "number_question",
    "open_desk",
    "plan_of",
    "query_question",
    "refuse_parts",
    "r2",
    "seed_of",
    "squared_error",
    "subgroup_accuracy",
    "ties",
    "validate",
    "validate_gain",
    "warn_about_reuse",
]
