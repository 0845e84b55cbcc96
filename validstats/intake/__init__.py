"""The one door for what callers hand over: arguments, columns, frames and the identity of rows."""

from __future__ import annotations

from validstats.intake.alignment import RowLabels, align, row_labels
from validstats.intake.arguments import (
    alpha_fraction,
    as_decimal,
    as_floats,
    check_bounds,
    check_confidence_level,
    check_in_range,
    check_literal,
    check_matrix,
    check_positive_int,
    check_random_state,
    check_same_length,
    check_vector,
)
from validstats.intake.files import TableError, TableFormat, read_table, read_words
from validstats.intake.frames import (
    backend_of,
    column,
    column_names,
    columns,
    is_frame,
    n_rows,
    plain_frame,
    row_digests,
    to_frame,
    to_pandas,
)
from validstats.intake.identity import TrainingRows, shared_rows, warn_data_reuse
from validstats.intake.kinds import check_groups, holds_dates, is_missing, read_array, refuse_lazy
from validstats.intake.learners import (
    CodedClassifier,
    PositiveClass,
    fit_learner,
    fit_parameters,
    requested_parameters,
    take_parameters,
)
from validstats.intake.marks import row_marks
from validstats.intake.outcomes import outcome_levels, read_outcome
from validstats.intake.sketches import (
    ColumnsInTurn,
    RowOverlap,
    RowSketch,
    find_overlap,
    sketch_ids,
    sketch_rows,
)

__all__ = [
    "TableError",
    "TableFormat",
    "read_table",
    "read_words",
    "RowLabels",
    "TrainingRows",
    "CodedClassifier",
    "ColumnsInTurn",
    "PositiveClass",
    "fit_learner",
    "fit_parameters",
    "take_parameters",
    "align",
    "outcome_levels",
    "read_outcome",
    "row_labels",
    "shared_rows",
    "RowOverlap",
    "RowSketch",
    "alpha_fraction",
    "as_decimal",
    "as_floats",
    "backend_of",
    "check_bounds",
    "check_confidence_level",
    "check_groups",
    "check_in_range",
    "check_literal",
    "check_matrix",
    "check_positive_int",
    "check_random_state",
    "check_same_length",
    "check_vector",
    "column",
    "column_names",
    "columns",
    "find_overlap",
    "holds_dates",
    "is_frame",
    "is_missing",
    "n_rows",
    "plain_frame",
    "read_array",
    "refuse_lazy",
    "row_digests",
    "row_marks",
    "sketch_ids",
    "sketch_rows",
    "to_frame",
    "to_pandas",
    "requested_parameters",
    "warn_data_reuse",
]
