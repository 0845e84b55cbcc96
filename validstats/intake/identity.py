"""The one rule for rows that two data sets share, beyond what chance gives rows that repeat by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import stats

from validstats._typing import AnyArray, Int1D
from validstats.exceptions import DataReuseWarning, data_reuse_message, warn
from validstats.intake.marks import GOLDEN, copied_rows, n_columns, number_at, row_marks

__all__ = ["TOLERATED_SHARE", "TrainingRows", "shared_rows", "spread_positions", "warn_data_reuse"]

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
_RUN = 8
_FIRST_LOOK, _MOST_AT_FIRST = 100, 800
"""Reference rows that are looked at first, over the share of training rows that is remembered, and at most."""
_MOST_TRIED = 4
"""Columns that are tried as one that tells rows apart."""
_TRIED = 128
"""Values of a column by which it is first judged."""
_REPEATED = 1e-3
"""Share of repeated values up to which a column tells rows apart: of 800 unrelated rows less than one has a known value."""


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """What is kept of training rows, so that they are noticed among reference rows.

    Parameters
    ----------
    n : int
        Number of training rows.
    size : int
        Number of those that are remembered: all, or a sample of more than 4,096.
    column : int or None
        Position of a column that tells rows apart by itself, -1 standing for the label; None if there is none among the first
        few.
    values : ndarray of float32 or None
        Its values in the rows that are remembered, ascending.
    kept : tuple of rows and labels, or None
        A copy of the rows that are remembered, of which ``marks`` are made when a reference first has a known value; None where
        they are made already. A copy of the object, pickled or not, holds marks alone.

    Notes
    -----
    Rows are looked for in three steps, each a necessary condition of the next: a hundred reference rows (more where a sample
    of the training rows is remembered) by one value, those of them with a known value as whole rows, and if one was trained
    on, a sample of 2,000 that gives the share.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> trained = TrainingRows.of(X[:200], X[:200, 0])
    >>> trained.among(X[150:], X[150:, 0]), trained.among(X[200:], X[200:, 0])
    (True, False)
    """

    n: int
    size: int
    column: int | None
    values: npt.NDArray[np.float32] | None
    kept: tuple[Any, AnyArray] | None

    @classmethod
    def of(cls, X: Any, y: AnyArray) -> Self:
        """Remember rows with their labels.

        Parameters
        ----------
        X : array-like of shape (n, p), sparse matrix or data frame
            The rows.
        y : ndarray of shape (n,)
            Their labels.

        Returns
        -------
        TrainingRows
            What is needed to notice them.
        """
        at = _remembered(len(y))
        size = len(y) if at is None else len(at)
        column, values = _telling_column(X, y, at)
        rows = None if values is None else copied_rows(X, at)
        if rows is not None:
            return cls(len(y), size, column, values, (rows, y.copy() if at is None else y.take(at)))
        found = cls(len(y), size, column, values, None)
        found.__dict__["marks"] = row_marks(X, y, at)
        if values is None:
            found.known  # noqa: B018  (sorted now, since every calibration will ask)
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Without the copy of the rows."""
        return {**self.__dict__, "marks": self.marks, "kept": None}

    @cached_property
    def marks(self) -> npt.NDArray[np.uint64]:
        """Marks of the rows that are remembered."""
        if self.kept is None:
            raise AttributeError("marks")
        return row_marks(*self.kept)

    @cached_property
    def known(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """Marks in ascending order: all, and those that occur once."""
        marks = np.sort(self.marks)
        differs = np.concatenate([[True], marks[1:] != marks[:-1], [True]])
        alone = differs[1:] & differs[:-1]
        return marks, marks if alone.all() else marks[alone]

    def among(self, X: Any, y: AnyArray) -> bool:
        """Tell whether one of a few reference rows was trained on.

        Parameters
        ----------
        X : array-like of shape (m, p), sparse matrix or data frame
            The reference rows.
        y : ndarray of shape (m,)
            Their labels.

        Returns
        -------
        bool
            Whether the others should be looked at. Of a share of 5 % none is noticed with a chance of exp(-5), and of exp(-2.5)
            where a sixteenth of the training rows is remembered.
        """
        at = _first_look(len(y), self.n, self.size)
        if self.values is not None and (value := number_at(X, y, self.column, at)) is not None:
            value = _single(value)
            known = self.values.take(self.values.searchsorted(value), mode="clip") == value
            if not np.count_nonzero(known):
                return False
            at = np.flatnonzero(known) if at is None else at[known]
        marks, once = self.known
        if 2 * len(once) < len(marks) == len(y) == self.n:
            return True  # rows that repeat: the same ones are known by how often each occurs
        return _any_among(once, row_marks(X, y, at))

    @staticmethod
    def looked_at(n: int) -> Int1D:
        """Positions of the reference rows that are needed to tell which share of them was trained on.

        Parameters
        ----------
        n : int
            Number of reference rows.

        Returns
        -------
        ndarray of int
            All positions of up to 8,000 rows, 2,000 of more.
        """
        at = _counted(n)
        return np.arange(n, dtype=np.int64) if at is None else at

    def warn_about(self, X: Any, y: AnyArray, n: int | None = None) -> None:
        """Warn if reference rows were trained on (see :func:`warn_data_reuse`).

        Parameters
        ----------
        X : array-like of shape (m, p), sparse matrix or data frame
            The reference rows.
        y : ndarray of shape (m,)
            Their labels.
        n : int or None, default None
            Number of reference rows, where these are the ones at the positions of :meth:`looked_at`.

        Warns
        -----
        DataReuseWarning
            If more than ``TOLERATED_SHARE`` of them were.
        """
        if self.among(X, y):
            at = _counted(len(y)) if n is None else None
            warn_data_reuse(self.known[0], row_marks(X, y, at), len(y) if n is None else n, self.n)


def _single(numbers: AnyArray) -> npt.NDArray[np.float32]:
    """Numbers as float32, those beyond it infinite."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def _telling_column(
    X: Any, y: AnyArray, at: Int1D | None
) -> tuple[int | None, npt.NDArray[np.float32] | None]:
    """A column of numbers that hardly ever repeat, and its values in order: the label or one of the first columns."""
    size = len(y) if at is None else len(at)
    for j in (-1, *range(min(n_columns(X), _MOST_TRIED))):
        first = number_at(X, y, j, at[:_TRIED] if at is not None else None)
        # most columns that repeat do so in their first values
        if first is not None and _n_repeated(np.sort(first[:_TRIED])) <= _REPEATED * size:
            every = first if at is None else number_at(X, y, j, at)
            assert every is not None
            values = _single(every)
            values.sort()
            # missing values differ from themselves and stand last
            if _n_repeated(values) <= _REPEATED * len(values) and np.isfinite(values[-1:]).all():
                return j, values
    return None, None


def _n_repeated(ordered: AnyArray) -> int:
    return len(ordered) - 1 - int(np.count_nonzero(ordered[1:] != ordered[:-1]))


@lru_cache(maxsize=64)
def _counted(n: int) -> Int1D | None:
    """Positions of the reference rows that give the share of those that were trained on; None for all of them."""
    return None if n <= 4 * _REFERENCE_ROWS else spread_positions(n, _REFERENCE_ROWS)


@lru_cache(maxsize=8)
def _remembered(n: int) -> Int1D | None:
    """Positions of the training rows that are remembered; None for all of them."""
    fewest, most = _TRAINING_ROWS
    size = min(max(n // 16, fewest), most)
    if n <= size:
        return None
    # short runs of rows, whose cells lie together
    starts = _RUN * spread_positions(n // _RUN, size // _RUN)
    return np.asarray((starts[:, None] + np.arange(_RUN)).ravel())


@lru_cache(maxsize=64)
def _first_look(n: int, n_training: int, n_remembered: int) -> Int1D | None:
    """Positions of the reference rows that are looked at first, some of the training rows being remembered."""
    size = min(-(-_FIRST_LOOK * n_training // n_remembered), _MOST_AT_FIRST)
    return None if n <= size else spread_positions(n, size)


def _any_among(known: npt.NDArray[np.uint64], marks: npt.NDArray[np.uint64]) -> bool:
    """Whether any mark is among known ones in ascending order."""
    return bool(len(known) and np.count_nonzero(known.take(known.searchsorted(marks), mode="clip") == marks))


def spread_positions(n: int, size: int) -> Int1D:
    """One position in each of equally many neighbouring rows, at multiples of the golden ratio: the same at every call."""
    places = np.arange(size + 1, dtype=np.int64)
    edges = places * n // size
    # the fraction of a multiple of the golden ratio, in 31 bits, times the width of the interval
    jitter = (places.astype(np.uint64) * GOLDEN >> np.uint64(33)).astype(np.int64)
    return np.asarray(edges[:-1] + (jitter[1:] * (edges[1:] - edges[:-1]) >> 31))


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
    if not _count_shared(own, others):
        return 0
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
        return int((training.take(training.searchsorted(reference), mode="clip") == reference).sum())
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
