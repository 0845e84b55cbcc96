"""What people send: a page for any results, and the audit of a study with a receipt that a second person can verify."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from validstats.reporting.compose import joint_statement, report
from validstats.reporting.provenance import data_fingerprint, package_versions, receipt_differences

_PUBLIC = {
    "Audit": "validstats.reporting.study",
    "Flaw": "validstats.reporting.claims",
    "audit": "validstats.reporting.study",
    "verify": "validstats.reporting.study",
}
"""Names of the audit, which asks every domain -> the module that defines them, imported at first use (PEP 562)."""

__all__ = [
    "Audit",
    "Flaw",
    "audit",
    "data_fingerprint",
    "joint_statement",
    "package_versions",
    "receipt_differences",
    "report",
    "verify",
]

if TYPE_CHECKING:
    from validstats.reporting.claims import Flaw
    from validstats.reporting.study import Audit, audit, verify


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'validstats.reporting' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
