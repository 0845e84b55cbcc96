"""Labels one after another: confidence sequences and the choice of the next rows."""

from __future__ import annotations

from validstats.dsl.sequence.forward import predict_upcoming
from validstats.dsl.sequence.labelling import RuleName, SequentialLabelling
from validstats.dsl.sequence.results import ConfidenceSequence, LabelRequest
from validstats.dsl.sequence.study import SequentialStudy, check_sequential, refuse_options, refuse_sequential

__all__ = [
    "SequentialStudy",
    "check_sequential",
    "refuse_options",
    "refuse_sequential",
    "ConfidenceSequence",
    "LabelRequest",
    "RuleName",
    "SequentialLabelling",
    "predict_upcoming",
]
