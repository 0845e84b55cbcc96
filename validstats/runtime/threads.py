"""Threads of linear algebra: one where matrices are small."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

__all__ = ["one_thread"]


@lru_cache(maxsize=1)
def _controller(n_modules: int) -> Any:
    """What holds the threads of the libraries loaded; finding them takes 2 ms, so it is done anew only after an import."""
    return ThreadpoolController()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run linear algebra on one thread, for matrices so small that several threads wait for each other longer than they work.

    Yields
    ------
    None
        Nothing; the number of threads is what it was once the block ends.

    Examples
    --------
    >>> import numpy as np
    >>> with one_thread():
    ...     float(np.linalg.norm(np.eye(2)[0]))
    1.0
    """
    with _controller(len(sys.modules)).limit(limits=1):
        yield
