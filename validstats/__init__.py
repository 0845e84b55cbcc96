"""Statistics that stay valid when the model is wrong, the labels are machine-made, or the analyst has looked."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "DesignSupervised": "validstats.dsl",
    "Guarantee": "validstats.guarantee",
    "NotCalibratedError": "validstats.exceptions",
    "report": "validstats.reporting",
}
"""Public name -> the module that defines it, imported at first use (PEP 562)."""

__all__ = ["DesignSupervised", "Guarantee", "NotCalibratedError", "report"]

if TYPE_CHECKING:
    from validstats.dsl import DesignSupervised
    from validstats.exceptions import NotCalibratedError
    from validstats.guarantee import Guarantee
    from validstats.reporting import report


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'validstats' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
