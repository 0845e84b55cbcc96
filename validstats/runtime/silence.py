"""Silence around functions of callers that see secret rows."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator

__all__ = ["quiet"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow warnings and what is printed, so that a function tells nothing but its value.

    Yields
    ------
    None
        What the function writes elsewhere cannot be kept back.

    Examples
    --------
    >>> with quiet():
    ...     print("a secret")
    """
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
