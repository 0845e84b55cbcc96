"""Errors of evaluation files, with the sentence that says what to do."""

from __future__ import annotations

from typing import Any

__all__ = ["EvalFileError", "check_names"]


class EvalFileError(ValueError):
    """An evaluation file cannot be read, or does not say what is asked of it."""


def check_names(**given: Any) -> None:
    """Refuse values where the name of a column or of a system is asked for."""
    for role, name in given.items():
        if hasattr(name, "__len__") and not isinstance(name, str | bytes | tuple):
            raise TypeError(
                f"{role} is a name, of a column of the data or of a system in them; got a {type(name).__name__} with "
                f"{len(name)} entries. Put values into the data first, where pandas matches them by index: "
                f"data.assign({role}=values), {role}={role!r}."
            )
