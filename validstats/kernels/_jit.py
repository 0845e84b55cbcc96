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


_PLAIN_SECONDS = 0.25
"""What the twin of one kernel may take in a process before the kernel is compiled, which takes .7 to 1.5 seconds."""
# Rent or buy (Karlin, Manasse, Rudolph, Sleator 1988, Algorithmica 3): renting up to the price costs at most twice what
# the better of both would have cost. Compiled code also serves later processes, so that renting ends before the price.


class LazyKernel:
    """A kernel that numba compiles at its first call."""

    # Importing numba takes longer than importing the rest of the package, so it waits until a kernel runs.
    # At that moment all lazy kernels of the same file are handed to numba, which lets them call each other.

    # A kernel with ``work``, the seconds that its twin will take, is called by no other kernel; its twin says the same in
    # all bits, so that an answer does not depend on which of the two gave it.

    def __init__(
        self,
        function: Callable[..., Any],
        cache: bool = True,
        plain: Callable[..., Any] | None = None,
        work: Callable[..., float] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._cache = cache
        self._plain = function if plain is None else plain
        self._work = work
        self._seconds = 0.0  # of the twin; infinite where code is at hand
        self.py_func = function
        self._dispatcher: Callable[..., Any] | None = None

    def __call__(self, *args: Any) -> Any:
        return (self._plain if self._is_small(args) else self.dispatcher)(*args)

    def _is_small(self, arguments: tuple[Any, ...]) -> bool:
        """Tell whether no compiled code is at hand and calls so far are not worth compiling; once False it stays so."""
        if self._work is None or self._seconds > _PLAIN_SECONDS:
            return False
        self._seconds += self._work(*arguments)
        if _at_hand(self.dispatcher, arguments):
            self._seconds = np.inf
        return self._seconds <= _PLAIN_SECONDS

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return _find_kernel, (self.py_func.__module__, self.py_func.__qualname__)

    @property
    def dispatcher(self) -> Callable[..., Any]:
        """Numba's dispatcher for this kernel (the plain function under ``NUMBA_DISABLE_JIT=1``)."""
        if self._dispatcher is None:
            namespace = self.py_func.__globals__
            for name, value in list(namespace.items()):
                ours = isinstance(value, LazyKernel) and value.py_func.__globals__ is namespace
                if ours and value._work is None:
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
        return self._attempt(lambda inner: inner.load_overload(signature, context))

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep compiled code on the disk, where that is possible."""
        self._attempt(lambda inner: inner.save_overload(signature, compiled))

    def holds(self, signature: Any, context: Any) -> bool:
        """Tell whether the disk has compiled code of this signature."""
        key = signature, context.codegen()
        return bool(self._attempt(lambda inner: inner._index_key(*key) in inner._cache_file._load_index()))

    def _attempt(self, task: Callable[[Any], Any]) -> Any:
        if self._inner is None:
            return None
        try:
            return task(self._inner)
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


def _at_hand(dispatcher: Any, arguments: tuple[Any, ...]) -> bool:
    """Tell whether a call will compile nothing: its code is in this process or on the disk, or there is no compiler."""
    if not hasattr(dispatcher, "overloads"):
        return True
    signature = tuple(map(dispatcher.typeof_pyval, arguments))
    cache = dispatcher._cache
    return signature in dispatcher.overloads or (
        isinstance(cache, _CarefulCache) and cache.holds(signature, dispatcher.targetctx)
    )


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


def jit(
    function: Callable[..., Any],
    plain: Callable[..., Any] | None = None,
    work: Callable[..., float] | None = None,
) -> LazyKernel:
    """Mark a function as a kernel, compiled by numba at its first call (with ``work``: once it pays) and cached on disk."""
    return LazyKernel(function, plain=plain, work=work)


def jit_uncached(function: Callable[..., Any]) -> LazyKernel:
    """Mark a kernel that takes a user's compiled function: the disk cache would grow with every such function."""
    return LazyKernel(function, cache=False)


def _find_kernel(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)
