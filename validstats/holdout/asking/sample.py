"""The holdout rows as the mechanisms see them: in a secret order, in independent units, the vault set aside."""

from __future__ import annotations

import hashlib
import hmac
import pickle
import secrets
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import _safe_indexing

from validstats._typing import AnyArray, Float1D, Int1D
from validstats.holdout.ledger import derive_key, holdout_fingerprint, keyed_order, keyed_row_digests
from validstats.intake import columns, is_frame, read_array

__all__ = ["HoldoutSample", "lent", "seal", "split_sample", "unseal"]


@dataclass(frozen=True, repr=False, eq=False)
class HoldoutSample:
    """Rows of one part of the holdout (the reusable one, or the vault), and how they form independent units.

    Attributes
    ----------
    X : array-like or data frame of n rows
        Features.
    y : ndarray of shape (n,)
        Labels.
    labels : ndarray of shape (n,), int64
        Index of each label among the classes of the training labels; empty for a continuous target.
    unit : ndarray of shape (n,), int64
        Unit of each row, from 0; rows are units of their own unless clusters were given.
    given : ndarray of shape (n,), int64
        Position of each row among those that were handed over.
    n_given : int
        Number of rows that were handed over, the other part included.
    """

    X: Any
    y: AnyArray
    labels: Int1D
    unit: Int1D
    given: Int1D
    n_given: int
    clustered: bool = False
    _sizes: Float1D = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sizes", np.bincount(self.unit).astype(np.float64))

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def n_units(self) -> int:
        """Number of independent units: what the guarantee calls n."""
        return len(self._sizes)

    def unit_means(self, values: Float1D) -> Float1D:
        """Average row values within units.

        Parameters
        ----------
        values : ndarray of shape (n_rows,)
            One value a row.

        Returns
        -------
        ndarray of shape (n_units,)
            One value a unit, independent of each other.
        """
        if not self.clustered:
            return values
        return np.bincount(self.unit, weights=values) / self._sizes

    def aligned(self, predictions: Any) -> AnyArray:
        """Bring predictions from the order in which the rows were handed over to the order kept here.

        Parameters
        ----------
        predictions : array-like of n_given rows
            One prediction for every row that was handed over, the vault's included.

        Returns
        -------
        ndarray of n_rows rows
            Those of this part.

        Raises
        ------
        ValueError
            If the number of rows is another; nothing was charged.
        """
        array = read_array(predictions, "target")
        if array.ndim == 0 or len(array) != self.n_given:
            shape = array.shape
            raise ValueError(
                f"target: predictions must be given for all {self.n_given} holdout rows, in the order in which calibrate() "
                f"had them, got shape {shape}; nothing was charged."
            )
        return array[self.given]

    def __repr__(self) -> str:
        return f"HoldoutSample(n_rows={self.n_rows}, n_units={self.n_units})"


def split_sample(
    X: Any,
    y: AnyArray,
    labels: Int1D,
    clusters: AnyArray | None,
    *,
    vault: float,
    secret: bytes,
) -> tuple[HoldoutSample, HoldoutSample | None, str]:
    """Order the holdout by a secret and set the vault aside.

    The order depends on the rows and the secret only, so that the same rows in any order give the same parts.

    Parameters
    ----------
    X : array-like or data frame of n rows
        Features.
    y : ndarray of shape (n,)
        Labels.
    labels : ndarray of shape (n,) or (0,), int64
        Class indices, empty for a continuous target.
    clusters : ndarray of shape (n,) or None
        Dependent rows share a value.
    vault : float in [0, 1)
        Share of the units that is sealed.
    secret : bytes
        The ledger's secret.

    Returns
    -------
    tuple of (HoldoutSample, HoldoutSample or None, str)
        The reusable part, the vault, and the fingerprint of all rows.
    """
    digests = keyed_row_digests(secret, _rows_of(X), y, clusters)
    fingerprint = holdout_fingerprint(secret, digests)
    unit = np.arange(len(y)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    unit_digests = digests if clusters is None else _cluster_digests(secret, digests, unit)
    order = keyed_order(secret, unit_digests, "units")
    n_vault = round(vault * len(order))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    rows = np.lexsort((np.arange(len(y)), rank[unit]))
    is_vault = rank[unit[rows]] < n_vault
    parts = [
        _take(X, y, labels, rank[unit], rows[~is_vault], n_vault, clusters is not None),
        _take(X, y, labels, rank[unit], rows[is_vault], 0, clusters is not None) if n_vault else None,
    ]
    assert parts[0] is not None
    return parts[0], parts[1], fingerprint


def _take(
    X: Any, y: AnyArray, labels: Int1D, rank: Int1D, rows: Int1D, first: int, clustered: bool
) -> HoldoutSample:
    return HoldoutSample(
        X=_safe_indexing(X, rows),
        y=y[rows],
        labels=labels[rows] if len(labels) else labels,
        unit=rank[rows] - first,
        given=rows,
        n_given=len(y),
        clustered=clustered,
    )


def _cluster_digests(secret: bytes, digests: npt.NDArray[np.void], unit: Int1D) -> npt.NDArray[np.void]:
    members: list[list[bytes]] = [[] for _ in range(int(unit.max()) + 1)]
    for digest, u in zip(digests, unit):
        members[u].append(digest.tobytes())
    key = derive_key(secret, "clusters")
    raw = [hmac.new(key, b"".join(sorted(group)), hashlib.sha256).digest()[:16] for group in members]
    return np.frombuffer(b"".join(raw), dtype="V16")


def _rows_of(X: Any) -> Any:
    return X if is_frame(X) or hasattr(X, "tocsr") else np.asarray(X)


def count_rows(X: Any) -> int:
    """Count the rows of an array, a sparse matrix, a data frame or a list."""
    if is_frame(X):
        return len(columns(X)[0]) if columns(X) else 0
    if isinstance(X, list | tuple):
        return len(read_array(X, "X"))
    if np.ndim(X) == 0 and not hasattr(X, "tocsr"):
        raise TypeError(f"X must have rows, got an object of type {type(X).__name__}.")
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def lent(rows: Any) -> Any:
    """Return a copy of rows or labels for code that might write into what it is given.

    Parameters
    ----------
    rows : array-like, sparse matrix or data frame
        What is kept here.

    Returns
    -------
    same type
        A copy; the same object if its type cannot be written to.

    Examples
    --------
    >>> kept = np.arange(3.0)
    >>> lent(kept)[:] = 0
    >>> kept.tolist()
    [0.0, 1.0, 2.0]
    """
    for method in ("copy", "clone"):
        if hasattr(rows, method):
            return getattr(rows, method)()
    return rows


def seal(secret: bytes, value: Any) -> bytes:
    """Pickle a value and hide it under a key, so that a copy of an estimator carries no readable rows.

    This keeps rows out of sight wherever pickles travel. It is no protection against someone who has the ledger,
    and with it the key.

    Parameters
    ----------
    secret : bytes
        The ledger's secret.
    value : object
        Anything that can be pickled.

    Returns
    -------
    bytes
        Nonce, authentication tag, and the pickle under a SHAKE-256 key stream.
    """
    nonce = secrets.token_bytes(16)
    hidden = _mask(secret, nonce, pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))
    return nonce + _tag(secret, nonce + hidden) + hidden


def unseal(secret: bytes, sealed: bytes) -> Any:
    """Open what :func:`seal` has hidden.

    Parameters
    ----------
    secret : bytes
        The ledger's secret.
    sealed : bytes
        What :func:`seal` returned.

    Returns
    -------
    object
        The value.

    Raises
    ------
    ValueError
        If it was sealed under another secret, or changed.
    """
    nonce, tag, hidden = sealed[:16], sealed[16:48], sealed[48:]
    if not hmac.compare_digest(tag, _tag(secret, nonce + hidden)):
        raise ValueError("The sealed holdout belongs to another ledger, or was changed.")
    return pickle.loads(_mask(secret, nonce, hidden))


def _mask(secret: bytes, nonce: bytes, raw: bytes) -> bytes:
    stream = hashlib.shake_256(derive_key(secret, "seal") + nonce).digest(len(raw))
    return (np.frombuffer(raw, dtype=np.uint8) ^ np.frombuffer(stream, dtype=np.uint8)).tobytes()


def _tag(secret: bytes, raw: bytes) -> bytes:
    return hmac.new(derive_key(secret, "seal tag"), raw, hashlib.sha256).digest()
