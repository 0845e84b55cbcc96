"""The one check for rows that train the model and serve as its trusted reference as well."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validstats.exceptions import DataReuseWarning, data_reuse_message, warn

__all__ = ["TOLERATED_SHARE", "warn_data_reuse"]

TOLERATED_SHARE = 0.05
"""Share of reference rows that may equal training rows without a warning: honest duplicates exist."""


def warn_data_reuse(training: npt.NDArray[np.uint64], reference: npt.NDArray[np.uint64]) -> float:
    """Warn if rows of the reference were used for training, and return their share.

    Parameters
    ----------
    training, reference : ndarray of uint64
        Row digests (see :func:`validstats.intake.frames.row_digests`).

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
        warn(
            data_reuse_message.format(n_shared=n_shared, n_reference=len(reference), share=share),
            DataReuseWarning,
        )
    return share


def _count_shared(reference: npt.NDArray[np.uint64], training: npt.NDArray[np.uint64]) -> int:
    """Count the reference digests that are among those of training, comparing only possible pairs exactly."""
    candidates = _possible(reference, training)
    return int(np.isin(candidates, _possible(training, candidates)).sum())


def _possible(digests: npt.NDArray[np.uint64], among: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the digests whose last bits occur among others."""
    n_bits = min(max(16, (16 * len(among)).bit_length()), 24)
    last = np.uint64(2**n_bits - 1)
    seen = np.zeros(2**n_bits, dtype=np.bool_)
    seen[(among & last).astype(np.intp)] = True
    return digests[seen[(digests & last).astype(np.intp)]]
