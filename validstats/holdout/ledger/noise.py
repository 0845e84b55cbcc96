"""Noise from a counter: a function of the ledger's secret and the ledger's index, so that no restart repeats it."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np

__all__ = ["counter_generator", "derive_key", "round_to_grid"]


def derive_key(secret: bytes, *purpose: object) -> bytes:
    """Derive a key for one purpose from a secret.

    Parameters
    ----------
    secret : bytes
        The ledger's secret.
    *purpose : object
        Words and integers that name the purpose.

    Returns
    -------
    bytes
        32 bytes, HMAC-SHA256 of the purpose.

    Examples
    --------
    >>> derive_key(b"k", "noise", 1) == derive_key(b"k", "noise", 1)
    True
    >>> derive_key(b"k", "noise", 1) == derive_key(b"k", "noise", 2)
    False
    """
    words = [str(word).encode() for word in purpose]
    message = b"".join(len(word).to_bytes(4, "big") + word for word in words)
    return hmac.new(secret, message, hashlib.sha256).digest()


def counter_generator(secret: bytes, index: int, stream: str = "answer") -> np.random.Generator:
    """Return the random stream that belongs to one index of one ledger.

    The same index always gives the same numbers and different indices give independent ones: a restarted
    program cannot replay the noise of an earlier answer for another question, since the index has moved on.

    Parameters
    ----------
    secret : bytes
        The ledger's secret.
    index : int
        Index of the entry that the noise is for.
    stream : str, default "answer"
        Name of the stream, for mechanisms that draw several kinds of noise.

    Returns
    -------
    numpy.random.Generator
        Philox keyed by HMAC-SHA256 of the secret, the index and the stream.

    References
    ----------
    Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3".

    Examples
    --------
    >>> a, b = (counter_generator(b"secret", 7).normal() for _ in range(2))
    >>> a == b, a == counter_generator(b"secret", 8).normal()
    (True, False)
    """
    key = int.from_bytes(derive_key(secret, "noise", stream, index)[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def round_to_grid(value: float, cell: float) -> float:
    """Round a release to the nearest multiple of a cell, which closes the channel of its low-order bits.

    Parameters
    ----------
    value : float
        What would be released.
    cell : float
        Width of a cell, above 0; the error is at most half of it.

    Returns
    -------
    float
        The nearest multiple.

    Raises
    ------
    ValueError
        If the cell is not positive.

    References
    ----------
    Mironov (2012), "On significance of the least significant bits for differential privacy".

    Examples
    --------
    >>> round_to_grid(0.1234, 0.01)
    0.12
    """
    if not cell > 0:
        raise ValueError(f"cell must be positive, got {cell!r}.")
    return float(np.round(value / cell)) * cell
