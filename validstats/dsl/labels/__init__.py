"""Expert labels: the calibration record, and machine labels completed by cross-fitting."""

from __future__ import annotations

from validstats.dsl.labels.calibration import (
    KNOWN_TEXT,
    Calibration,
    PartialLabels,
    ProbabilityRange,
    calibration_report,
    drawn_shares,
    labelled_rows,
    missing_values,
    predict_labels,
    read_labels,
    resolve_design,
    resolve_probability,
    simple_text,
    typed_labels,
    warn_about_labels,
)
from validstats.dsl.labels.completion import (
    Completion,
    Outcome,
    expected_completions,
    expected_values,
    plug_in_completions,
)
from validstats.dsl.labels.crossfit import (
    CrossFitter,
    FoldModels,
    check_enough_units,
    encode_features,
    fold_of_units,
    fold_seed,
    label_kind,
    make_folds,
    one_hot,
)
from validstats.dsl.labels.drawn import adjusted_labels, calibrated
from validstats.dsl.labels.units import Units, joined_names, row_vectors, surrogate_columns

__all__ = [
    "Units",
    "adjusted_labels",
    "calibrated",
    "joined_names",
    "row_vectors",
    "surrogate_columns",
    "KNOWN_TEXT",
    "ProbabilityRange",
    "drawn_shares",
    "simple_text",
    "Calibration",
    "Completion",
    "CrossFitter",
    "FoldModels",
    "check_enough_units",
    "fold_of_units",
    "fold_seed",
    "Outcome",
    "PartialLabels",
    "calibration_report",
    "encode_features",
    "expected_completions",
    "expected_values",
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
