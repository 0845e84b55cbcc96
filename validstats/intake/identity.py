"""The one check for rows that train the model and serve as its trusted reference as well."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from validstats.exceptions import DataReuseWarning, data_reuse_message, warn

__all__ = ["TOLERATED_SHARE", "reuse_sample", "training_sample", "warn_data_reuse"]

TOLERATED_SHARE = 0.05
"""Share of reference rows that may equal training rows without a warning: honest duplicates exist."""


_REFERENCE_ROWS = 2_000
"""Reference rows that are looked at, of more than four times as many: a share of 5 % is known to within 0.5 points."""
_TRAINING_ROWS = 32_768
"""Training rows whose digests are kept, of more: with 350,000 of them a share of 5 % is known to within 1.6 points."""


@lru_cache(maxsize=64)
def reuse_sample(n: int) -> npt.NDArray[np.int64] | None:
    """Positions of the reference rows that are compared with the training rows; None for all of them."""
    return None if n <= 4 * _REFERENCE_ROWS else _positions(n, _REFERENCE_ROWS)


def training_sample(n: int) -> npt.NDArray[np.int64] | None:
    """Positions of the training rows that are remembered; None for all of them."""
    return None if n <= _TRAINING_ROWS else _positions(n, _TRAINING_ROWS)


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
        If the share exceeds ``TOLERATED_SHARE``.

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
    if share > TOLERATED_SHARE:
        rows = f"{n_shared:,} of the {len(reference):,} reference rows ({share:.0%})"
        if seen < 1.0 or (n_reference is not None and n_reference > len(reference)):
            rows = f"About {share:.0%} of the {n_reference or len(reference):,} reference rows (by a sample)"
        warn(data_reuse_message.format(rows=rows), DataReuseWarning)
    return share


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
