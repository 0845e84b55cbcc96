"""The one check for rows that train the model and serve as its trusted reference as well."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validstats.exceptions import DataReuseWarning, data_reuse_message, warn

__all__ = ["TOLERATED_SHARE", "reuse_sample", "warn_data_reuse"]

TOLERATED_SHARE = 0.05
"""Share of reference rows that may equal training rows without a warning: honest duplicates exist."""


_SAMPLED = 4000
"""Reference rows that are looked at: a share of 5 % is then known to within 0.35 points (one standard error)."""


def reuse_sample(n: int) -> npt.NDArray[np.int64] | None:
    """Positions of the reference rows that are compared with the training rows; None for all of them."""
    if n <= 2 * _SAMPLED:
        return None
    return np.unique(np.random.default_rng(n).integers(n, size=_SAMPLED))


def warn_data_reuse(
    training: npt.NDArray[np.uint64], reference: npt.NDArray[np.uint64], n_reference: int | None = None
) -> float:
    """Warn if rows of the reference were used for training, and return their share.

    Parameters
    ----------
    training, reference : ndarray of uint64
        Row digests (see :func:`validstats.intake.frames.row_digests`).
    n_reference : int or None, default None
        Number of reference rows, where ``reference`` is a sample of them.

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
    share = n_shared / len(reference)
    if share > TOLERATED_SHARE:
        rows = f"{n_shared:,} of the {len(reference):,} reference rows ({share:.0%})"
        if n_reference is not None and n_reference > len(reference):
            rows = f"About {share:.0%} of the {n_reference:,} reference rows ({n_shared:,} of {len(reference):,} sampled)"
        warn(data_reuse_message.format(rows=rows), DataReuseWarning)
    return share


def _count_shared(reference: npt.NDArray[np.uint64], training: npt.NDArray[np.uint64]) -> int:
    """Count the reference digests that are among those of training; first the longer side is thinned by the shorter."""
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
