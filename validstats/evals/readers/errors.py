"""Errors of evaluation files, with the sentence that says what to do."""

from __future__ import annotations

__all__ = ["EvalFileError"]


class EvalFileError(ValueError):
    """An evaluation file cannot be read, or does not say what is asked of it."""
