"""Expert labels: the calibration record, and machine labels completed by cross-fitting."""

from __future__ import annotations

from validstats.dsl.labels.calibration import (
    Calibration,
    PartialLabels,
    calibration_report,
    labelled_rows,
    missing_values,
    predict_labels,
    read_labels,
    resolve_design,
    resolve_probability,
    typed_labels,
    warn_about_labels,
)
from validstats.dsl.labels.completion import Completion, Outcome, expected_completions, plug_in_completions
from validstats.dsl.labels.crossfit import CrossFitter, encode_features, label_kind, make_folds, one_hot

__all__ = [
    "Calibration",
    "Completion",
    "CrossFitter",
    "Outcome",
    "PartialLabels",
    "calibration_report",
    "encode_features",
    "expected_completions",
    "label_kind",
    "labelled_rows",
    "make_folds",
    "missing_values",
    "one_hot",
    "plug_in_completions",
    "predict_labels",
    "read_labels",
    "resolve_design",
    "resolve_probability",
    "typed_labels",
    "warn_about_labels",
]
