"""Statistics that stay valid when the model is wrong, the labels are machine-made, or the analyst has looked."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_PUBLIC = {
    "BatchMean": "validstats.batch",
    "BatchPredictor": "validstats.batch",
    "BatchQuantile": "validstats.batch",
    "BatchShares": "validstats.batch",
    "BatchTotal": "validstats.batch",
    "Compositional": "validstats.batch",
    "DesignSupervised": "validstats.dsl",
    "Envelope": "validstats.batch",
    "ErrorCount": "validstats.batch",
    "Guarantee": "validstats.guarantee",
    "LearnedMI": "validstats.mi",
    "MISelector": "validstats.mi",
    "NotCalibratedError": "validstats.exceptions",
    "ReusableHoldout": "validstats.holdout",
    "Selection": "validstats.batch",
    "Simultaneous": "validstats.batch",
    "independence_test": "validstats.mi",
    "mutual_info": "validstats.mi",
    "mutual_info_matrix": "validstats.mi",
    "plan_batch": "validstats.batch",
    "report": "validstats.reporting",
}
"""Public name -> the module that defines it, imported at first use (PEP 562)."""

__all__ = [
    "BatchMean",
    "BatchPredictor",
    "BatchQuantile",
    "BatchShares",
    "BatchTotal",
    "Compositional",
    "DesignSupervised",
    "Envelope",
    "ErrorCount",
    "Guarantee",
    "LearnedMI",
    "MISelector",
    "NotCalibratedError",
    "ReusableHoldout",
    "Selection",
    "Simultaneous",
    "independence_test",
    "mutual_info",
    "mutual_info_matrix",
    "plan_batch",
    "report",
]

if TYPE_CHECKING:
    from validstats.batch import (
        BatchMean,
        BatchPredictor,
        BatchQuantile,
        BatchShares,
        BatchTotal,
        Compositional,
        Envelope,
        ErrorCount,
        Selection,
        Simultaneous,
        plan_batch,
    )
    from validstats.dsl import DesignSupervised
    from validstats.exceptions import NotCalibratedError
    from validstats.guarantee import Guarantee
    from validstats.holdout import ReusableHoldout
    from validstats.mi import LearnedMI, MISelector, independence_test, mutual_info, mutual_info_matrix
    from validstats.reporting import report


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'validstats' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
