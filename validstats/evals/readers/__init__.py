"""Readers of evaluation files: each format recognised by content, all turned into one table."""

from __future__ import annotations

from validstats.evals.readers.errors import EvalFileError
from validstats.evals.readers.limits import InputFile
from validstats.evals.readers.read import read
from validstats.evals.readers.table import Check, EvalTable, Role, Severity, codes_of, verdict_codes
from validstats.evals.readers.values import as_scores, check_names, judge_names

__all__ = [
    "Check",
    "EvalFileError",
    "EvalTable",
    "InputFile",
    "Role",
    "Severity",
    "as_scores",
    "check_names",
    "codes_of",
    "judge_names",
    "read",
    "verdict_codes",
]
