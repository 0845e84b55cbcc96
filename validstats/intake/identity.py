"""The one rule for rows that two data sets share, beyond what chance gives rows that repeat by themselves."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats

from validstats.exceptions import DataReuseWarning, data_reuse_message, warn

__all__ = [
    "TOLERATED_SHARE",
    "first_look",
    "reuse_sample",
    "shared_rows",
    "shares_rows",
    "training_sample",
    "warn_data_reuse",
]

TOLERATED_SHARE = 0.05
"""Share of reference rows that may equal training rows without a warning: honest duplicates exist."""

_CHANCE = 0.02
"""Chance of a needless warning in coarse data; a share above the tolerated one is asked for as well."""
_FEWEST_KINDS = 20
"""Different rows from which two samples of one population hardly have the same counts of all."""
_REFERENCE_ROWS = 2_000
"""Reference rows that are looked at, of more than four times as many: a share of 5 % is known to within 0.5 points."""
_TRAINING_ROWS = (4_096, 65_536)
"""Fewest and most training rows whose digests are kept, of more: every sixteenth in between."""
_FIRST_LOOK, _MOST_AT_FIRST = 100, 800
"""Reference rows that are looked at first, over the share of training rows that is remembered, and at most: of a share of
5 % none is among them with a chance of exp(-5), and of exp(-2.5) where a sixteenth of the training rows is remembered."""


@lru_cache(maxsize=64)
def reuse_sample(n: int) -> npt.NDArray[np.int64] | None:
    """Positions of the reference rows that are compared with the training rows; None for all of them."""
    return None if n <= 4 * _REFERENCE_ROWS else _positions(n, _REFERENCE_ROWS)


def training_sample(n: int) -> npt.NDArray[np.int64] | None:
    """Positions of the training rows that are remembered; None for all of them."""
    fewest, most = _TRAINING_ROWS
    size = min(max(n // 16, fewest), most)
    return None if n <= size else _positions(n, size)


@lru_cache(maxsize=64)
def first_look(n: int, seen: float) -> npt.NDArray[np.int64] | None:
    """Positions of the reference rows that are looked at first, where ``seen`` is the share of training rows remembered.

    Only if one of them was trained on are those of :func:`reuse_sample` looked at. None stands for all rows.
    """
    size = min(int(np.ceil(_FIRST_LOOK / seen)), _MOST_AT_FIRST)
    return None if n <= size else _positions(n, size)


def shares_rows(training: npt.NDArray[np.uint64], reference: npt.NDArray[np.uint64]) -> bool:
    """Tell whether any digest of the reference is among the sorted ones of training."""
    if not len(training):
        return False
    place = np.minimum(np.searchsorted(training, reference), len(training) - 1)
    return bool((training[place] == reference).any())


def _positions(n: int, size: int) -> npt.NDArray[np.int64]:
    """One random position of each of equally many neighbouring rows, the same at every call."""
    edges = np.arange(size + 1, dtype=np.int64) * n // size
    jitter = np.random.default_rng([n, size]).random(size)
    return np.asarray(edges[:-1] + (jitter * np.diff(edges)).astype(np.int64))


def warn_data_reuse(
    training: npt.NDArray[np.uint64],
    reference: npt.NDArray[np.uint64],
    n_reference: int | None = None,
    n_training: int | None = None,
) -> float:
    """Warn if rows of the reference were used for training, and return their share.

    Parameters
    ----------
    training, reference : ndarray of uint64
        Row digests (see :func:`validstats.intake.frames.row_digests`).
    n_reference : int or None, default None
        Number of reference rows, where ``reference`` is a sample of them.
    n_training : int or None, default None
        Number of training rows, where ``training`` is a sample of them: the share is then scaled up.

    Returns
    -------
    float
        Share of the reference rows that equal a training row, in [0, 1]; 0 for an empty reference.

    Warns
    -----
    DataReuseWarning
        If the share exceeds ``TOLERATED_SHARE`` and what chance gives rows that repeat by themselves.

    Examples
    --------
    >>> import numpy as np
    >>> training = np.arange(100, dtype=np.uint64)
    >>> warn_data_reuse(training, np.arange(99, 199, dtype=np.uint64))
    0.01
    """
    if not len(reference):
        return 0.0
    n_shared = _count_shared(reference, training)
    seen = 1.0 if n_training is None else len(training) / n_training
    share = min(n_shared / len(reference) / seen, 1.0)
    if share > TOLERATED_SHARE and shared_rows(reference, training, chance=_CHANCE, seen=seen):
        rows = f"{n_shared:,} of the {len(reference):,} reference rows ({share:.0%})"
        if seen < 1.0 or (n_reference is not None and n_reference > len(reference)):
            rows = f"About {share:.0%} of the {n_reference or len(reference):,} reference rows (by a sample)"
        warn(data_reuse_message.format(rows=rows), DataReuseWarning)
    return share


def shared_rows(
    own: npt.NDArray[np.uint64],
    others: npt.NDArray[np.uint64],
    *,
    chance: float = 1e-6,
    seen: float = 1.0,
) -> int:
    """Count the rows that occur once and are among others, if they are more than chance and tolerance allow.

    Rows of coarse columns repeat by themselves, so that samples of one population share some. Of the rows that occur exactly
    twice in both samples together, each pair falls on both sides with the chance ``q = 2 m n / ((m + n) (m + n - 1))`` if the
    two samples (of m and n rows) are independent, whatever the population is: the number of pairs on both sides is judged by
    the binomial law given the number of all pairs. Rows that are doubled before the samples are drawn look like chance.

    Parameters
    ----------
    own, others : ndarray of uint64
        Row digests (see :func:`validstats.intake.frames.row_digests`).
    chance : float, default 1e-6
        Chance of a needless alarm, at most.
    seen : float, default 1
        Share of the other rows that ``others`` is a sample of.

    Returns
    -------
    int
        The number; all rows if both sides have the same rows, known by how often each occurs; 0 for no more than chance, or
        than ``TOLERATED_SHARE`` of the rows that could be found.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.arange(100, dtype=np.uint64)
    >>> shared_rows(rows, rows[:40]), shared_rows(rows, rows + np.uint64(100))
    (40, 0)
    """
    values, counts = np.unique(own, return_counts=True)
    if (
        len(own) == len(others)
        and len(values) >= _FEWEST_KINDS
        and np.array_equal(np.sort(own), np.sort(others))
    ):
        return len(own)
    other_values, other_counts = np.unique(others, return_counts=True)
    once, twice = values[counts == 1], values[counts == 2]
    once_there, twice_there = other_values[other_counts == 1], other_values[other_counts == 2]
    across = int(np.isin(once, once_there, assume_unique=True).sum())
    within = int(np.isin(twice, other_values, assume_unique=True, invert=True).sum())
    within += int(np.isin(twice_there, values, assume_unique=True, invert=True).sum())
    n = len(own) + len(others)
    q = 2.0 * len(own) * len(others) / (n * (n - 1.0)) if n > 1 else 0.0
    found = across + int(np.isin(once, other_values, assume_unique=True, invert=True).sum())
    fewer = min(found, across + int(np.isin(once_there, values, assume_unique=True, invert=True).sum()))
    beyond = across - within * q / (1.0 - q) if q < 1.0 else float(across)
    if beyond <= TOLERATED_SHARE * seen * fewer:
        return 0
    return across if stats.binom.sf(across - 1, across + within, q) <= chance else 0


def _count_shared(reference: npt.NDArray[np.uint64], training: npt.NDArray[np.uint64]) -> int:
    """Count the reference digests that are among those of training; first the longer side is thinned by the shorter."""
    if len(training) > 1 and bool((training[1:] >= training[:-1]).all()):
        place = np.minimum(np.searchsorted(training, reference), len(training) - 1)
        return int((training[place] == reference).sum())
    if len(reference) <= len(training):
        return int(np.isin(reference, _possible(training, reference)).sum())
    candidates = _possible(reference, training)
    return int(np.isin(candidates, _possible(training, candidates)).sum())


def _possible(digests: npt.NDArray[np.uint64], among: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the digests whose last bits occur among others."""
    n_bits = min(max(16, (16 * len(among)).bit_length()), 24)
    last = np.uint64(2**n_bits - 1)
    seen = np.zeros(2**n_bits, dtype=np.bool_)
    seen[(among & last).astype(np.intp)] = True
    return digests[seen[(digests & last).astype(np.intp)]]
