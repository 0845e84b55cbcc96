"""Replicates in parallel through joblib, each with its own random stream, and the progress bar of long work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import joblib
import numpy as np

from validstats._typing import RandomState
from validstats.exceptions import SpeedWarning, long_work_message, warn
from validstats.intake import check_positive_int, check_random_state

__all__ = ["forecast", "map_replicates", "progress", "spawn_generators"]

FORECAST_AFTER = 20
"""Items after which the time that the rest will take is told."""
LONG_WORK = 60.0
"""Seconds of work ahead from which they are told."""

T = TypeVar("T")


def spawn_generators(random_state: RandomState, n: int) -> list[np.random.Generator]:
    """Make independent random streams from one seed.

    Parameters
    ----------
    random_state : int, numpy.random.Generator or None
        Parent of the streams.
    n : int
        Number of streams, at least 0.

    Returns
    -------
    list of numpy.random.Generator
        Streams that do not depend on how the work is later divided.

    Examples
    --------
    >>> [int(g.integers(100)) for g in spawn_generators(0, 2)]
    [80, 66]
    """
    return list(check_random_state(random_state).spawn(n))


def map_replicates(
    function: Callable[[np.random.Generator, int], T],
    n_replicates: int,
    random_state: RandomState,
    *,
    n_jobs: int | None = None,
    verbose: bool = False,
    description: str = "",
) -> list[T]:
    """Run independent replicates, each with a random stream of its own.

    The work goes through joblib, so ``joblib.parallel_config(backend="dask")`` moves it to a cluster. The
    results are the same for every backend and number of workers.

    Parameters
    ----------
    function : callable
        ``function(generator, index)`` computes one replicate.
    n_replicates : int
        Number of replicates, at least 0.
    random_state : int, numpy.random.Generator or None
        Seed of all streams.
    n_jobs : int or None, default None
        Number of joblib workers; None is 1 unless a ``parallel_config`` context says otherwise.
    verbose : bool, default False
        Whether to show a progress bar on a terminal or in a notebook.
    description : str, default ""
        Text of the progress bar.

    Returns
    -------
    list
        Results in order of the index.

    Examples
    --------
    >>> map_replicates(lambda rng, i: i + int(rng.integers(10)), 3, random_state=0)
    [8, 7, 8]
    """
    check_positive_int(n_replicates, "n_replicates", minimum=0)
    generators = spawn_generators(random_state, n_replicates)
    tasks = (joblib.delayed(function)(generator, index) for index, generator in enumerate(generators))
    stream = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    return list(progress(stream, total=n_replicates, description=description, verbose=verbose))


def progress(
    items: Iterable[T], total: int | None = None, description: str = "", verbose: bool = True
) -> Iterable[T]:
    """Wrap an iterable in a progress bar where somebody can see one.

    Parameters
    ----------
    items : iterable
        What is iterated over.
    total : int or None, default None
        Number of items, where known.
    description : str, default ""
        Text before the bar.
    verbose : bool, default True
        Whether a bar is wanted at all.

    Returns
    -------
    iterable
        The same items.

    Examples
    --------
    >>> list(progress([1, 2], verbose=False))
    [1, 2]
    """
    if not verbose or not _is_interactive():
        return items
    from tqdm.auto import tqdm

    bar: Any = tqdm(items, total=total, desc=description, leave=False)
    return bar


def forecast(items: Iterable[T], total: int, what: str, remedy: str) -> Iterable[T]:
    """The same items; after twenty of them a warning where the rest will take more than a minute."""
    start = time.perf_counter()
    for done, item in enumerate(items):
        if done == FORECAST_AFTER:
            each = (time.perf_counter() - start) / done
            if each * (total - done) > LONG_WORK:
                minutes = each * (total - done) / 60.0
                message = long_work_message.format(
                    what=what, minutes=minutes, done=done, rate=1.0 / each, remedy=remedy
                )
                warn(message, SpeedWarning)
        yield item


def _is_interactive() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules
