"""Learned mutual information: a trained network with calibrated intervals, and what surrounds it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "MutualInformationResult": "validstats.mi.mutual_information",
    "mutual_info": "validstats.mi.mutual_information",
}
"""Public name -> the module that defines it, imported at first use."""

__all__ = ["MutualInformationResult", "mutual_info"]

if TYPE_CHECKING:
    from validstats.mi.mutual_information import MutualInformationResult, mutual_info


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'validstats.mi' has no attribute {name!r}")
