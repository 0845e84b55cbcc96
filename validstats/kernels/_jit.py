"""The one decorator by which every kernel is compiled: lazily, cached on disk, without fast-math."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from validstats.exceptions import (
    SpeedWarning,
    damaged_cache_message,
    no_cache_message,
    no_numba_message,
    warn_once,
)

__all__ = ["LazyKernel", "jit", "jit_uncached"]


class LazyKernel:
    """A kernel that numba compiles at its first call."""

    # Importing numba takes longer than importing the rest of the package, so it waits until a kernel runs.
    # At that moment all lazy kernels of the same file are handed to numba, which lets them call each other.

    def __init__(
        self, function: Callable[..., Any], cache: bool = True, plain: Callable[..., Any] | None = None
    ) -> None:
        functools.update_wrapper(self, function)
        self._cache = cache
        self._plain = function if plain is None else plain
        self.py_func = function
        self._dispatcher: Callable[..., Any] | None = None

    def __call__(self, *args: Any) -> Any:
        return self.dispatcher(*args)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return _find_kernel, (self.py_func.__module__, self.py_func.__qualname__)

    @property
    def dispatcher(self) -> Callable[..., Any]:
        """Numba's dispatcher for this kernel (the plain function under ``NUMBA_DISABLE_JIT=1``)."""
        if self._dispatcher is None:
            namespace = self.py_func.__globals__
            for name, value in list(namespace.items()):
                if isinstance(value, LazyKernel) and value.py_func.__globals__ is namespace:
                    namespace[name] = value._compile()
        return self._compile()

    def _compile(self) -> Callable[..., Any]:
        if self._dispatcher is None:
            self._dispatcher = _compiled(self.py_func, self._cache, self._plain)
        return self._dispatcher


class _CarefulCache:
    """A cache of compiled code that gives way where numba's own raises: files may be cut, garbled or unwritable."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Return compiled code from the disk, or None where it must be compiled."""
        return self._attempt("load_overload", signature, context)

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep compiled code on the disk, where that is possible."""
        self._attempt("save_overload", signature, compiled)

    def _attempt(self, method: str, *arguments: Any) -> Any:
        if self._inner is None:
            return None
        try:
            return getattr(self._inner, method)(*arguments)
        except Exception as error:
            # whatever a damaged file raises (EOFError, UnpicklingError, ValueError, OSError, ...): go on without it
            warn_once(
                damaged_cache_message.format(path=self._inner.cache_path, error=type(error).__name__),
                SpeedWarning,
            )
            self._inner = None
            return None


def _wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run plain Python as compiled code runs: whole numbers of 64 bits wrap around without a word."""

    @functools.wraps(function)
    def run(*arguments: Any) -> Any:
        with np.errstate(over="ignore"):
            return function(*arguments)

    return run


def _compiled(function: Callable[..., Any], cache: bool, plain: Callable[..., Any]) -> Callable[..., Any]:
    """Compile with the best that the machine allows: cached, uncached, or not at all."""
    try:
        import numba
    except ImportError:
        warn_once(no_numba_message, SpeedWarning)
        return _wrapping(plain)
    try:
        dispatcher: Any = numba.njit(cache=cache)(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        warn_once(no_cache_message, SpeedWarning)
        return numba.njit(function)
    if dispatcher is function:  # NUMBA_DISABLE_JIT=1
        return _wrapping(function)
    if cache and hasattr(dispatcher, "_cache"):
        dispatcher._cache = _CarefulCache(dispatcher._cache)
    return dispatcher


def jit(function: Callable[..., Any], plain: Callable[..., Any] | None = None) -> LazyKernel:
    """Mark a function as a kernel, compiled by numba at its first call and cached on disk."""
    return LazyKernel(function, plain=plain)


def jit_uncached(function: Callable[..., Any]) -> LazyKernel:
    """Mark a kernel that takes a user's compiled function: the disk cache would grow with every such function."""
    return LazyKernel(function, cache=False)


def _find_kernel(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)
