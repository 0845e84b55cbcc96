"""Threads of linear algebra: one where matrices are small."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

__all__ = ["one_thread"]


@lru_cache(maxsize=1)
def _controller(n_modules: int) -> Any:
    """What holds the threads of the libraries loaded; finding them takes 2 ms, so it is done anew only after an import."""
    return ThreadpoolController()


_lock = threading.Lock()
_inside: list[Any] = []
"""The limit that holds, and an entry for each block inside it: blocks within blocks and beside each other set it once."""


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
    with _lock:
        if not _inside:
            _inside.append(_controller(len(sys.modules)).limit(limits=1))
        _inside.append(None)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if len(_inside) == 1:  # nobody is left inside
                _inside.pop().restore_original_limits()
