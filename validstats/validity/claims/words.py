"""Judging what the package said: documented refusals, intervals without sense, warnings that were asked for."""

from __future__ import annotations

import math
import os
import traceback
from pathlib import Path

from validstats.validity.hunt import Refused

__all__ = ["documented", "fault_of_interval"]

_PACKAGE = str(Path(__file__).parents[2]) + os.sep


def documented(error: ValueError) -> Exception:
    """A refusal where the package itself raised a whole sentence; any other error comes back as it is, for it is a fault."""
    where = traceback.extract_tb(error.__traceback__)[-1].filename
    said = str(error).rstrip().endswith((".", ")", "'"))
    return Refused(str(error)) if where.startswith(_PACKAGE) and said else error


def fault_of_interval(low: float, high: float, estimate: float) -> str:
    """A fault of an interval, in words: a silent NaN, ends in the wrong order, an estimate outside."""
    if math.isnan(low) or math.isnan(high):
        return "an end is NaN"
    if low > high:
        return "a lower end lies above the upper one"
    return (
        "" if math.isnan(estimate) or low - 1e-9 <= estimate <= high + 1e-9 else "the estimate lies outside"
    )
