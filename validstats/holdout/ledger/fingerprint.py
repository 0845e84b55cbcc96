"""Keyed digests of holdout rows: to recognise the same data in any order, and to order rows by a secret."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import numpy as np
import numpy.typing as npt

from validstats._typing import AnyArray
from validstats.holdout.ledger.noise import derive_key
from validstats.intake import columns, is_frame

__all__ = ["ask_digest", "holdout_fingerprint", "keyed_order", "keyed_row_digests"]

_CHUNK = 100_000


def keyed_row_digests(secret: bytes, *parts: Any) -> npt.NDArray[np.void]:
    """Digest each row of aligned arrays under a key.

    Parameters
    ----------
    secret : bytes
        The key.
    *parts : array-like or data frame with n rows each
        Numbers are compared as float64, everything else as text.

    Returns
    -------
    ndarray of shape (n,), 16-byte void
        One keyed BLAKE2b digest a row; equal rows have equal digests.

    Raises
    ------
    ValueError
        If the parts differ in length.
    """
    key = derive_key(secret, "rows")
    cells = [_cells(part) for part in parts if part is not None]
    if len({len(cell) for cell in cells}) > 1:
        raise ValueError(f"All parts must have the same number of rows, got {[len(cell) for cell in cells]}.")
    digests = bytearray()
    for start in range(0, len(cells[0]), _CHUNK):
        rows = _framed_rows([cell[start : start + _CHUNK] for cell in cells])
        digests += b"".join([hashlib.blake2b(row, key=key, digest_size=16).digest() for row in rows])
    return np.frombuffer(bytes(digests), dtype="V16")


def _framed_rows(cells: list[AnyArray]) -> list[bytes]:
    """Write each row as one string of bytes: every part of it after its length in four bytes."""
    if any(cell.dtype.kind == "O" for cell in cells):
        parts = [[repr(v).encode() for v in c] if c.dtype.kind == "O" else _row_bytes(c) for c in cells]
        return [b"".join(len(p).to_bytes(4, "big") + p for p in row) for row in zip(*parts, strict=True)]
    n, blocks = len(cells[0]), []
    for cell in cells:
        raw = (
            np.ascontiguousarray(cell).view(np.uint8).reshape(n, -1)
            if cell.size
            else np.empty((n, 0), np.uint8)
        )
        length = np.frombuffer(raw.shape[1].to_bytes(4, "big"), dtype=np.uint8)
        blocks += [np.broadcast_to(length, (n, 4)), raw]
    return _row_bytes(np.hstack(blocks))


def _row_bytes(rows: AnyArray) -> list[bytes]:
    raw = rows.tobytes()
    width = len(raw) // max(len(rows), 1)
    return [raw[i * width : (i + 1) * width] for i in range(len(rows))]


def holdout_fingerprint(secret: bytes, digests: npt.NDArray[np.void]) -> str:
    """Combine row digests to a fingerprint that does not depend on the order of the rows.

    Parameters
    ----------
    secret : bytes
        The key; without it the fingerprint reveals nothing about the rows.
    digests : ndarray of shape (n,), 16-byte void
        From :func:`keyed_row_digests`.

    Returns
    -------
    str
        64 hexadecimal digits: HMAC-SHA256 of the sorted digests and their number.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(6.0).reshape(3, 2)
    >>> a = holdout_fingerprint(b"key", keyed_row_digests(b"key", X))
    >>> b = holdout_fingerprint(b"key", keyed_row_digests(b"key", X[::-1]))
    >>> a == b
    True
    """
    message = len(digests).to_bytes(8, "big") + digests[_ascending(digests)].tobytes()
    return hmac.new(derive_key(secret, "fingerprint"), message, hashlib.sha256).hexdigest()


def keyed_order(secret: bytes, digests: npt.NDArray[np.void], purpose: str) -> npt.NDArray[np.int64]:
    """Order rows by a secret, in the same way whatever order they come in.

    Parameters
    ----------
    secret : bytes
        The key.
    digests : ndarray of shape (n,), 16-byte void
        From :func:`keyed_row_digests`, or of clusters.
    purpose : str
        Different purposes give unrelated orders.

    Returns
    -------
    ndarray of shape (n,), int64
        Positions that sort the rows. Equal rows are interchangeable and keep their relative order.
    """
    key = derive_key(secret, "order", purpose)
    ranks = b"".join([hashlib.blake2b(d, key=key, digest_size=16).digest() for d in _row_bytes(digests)])
    return _ascending(np.frombuffer(ranks, dtype="V16"))


def _ascending(digests: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    """Positions that sort digests as strings of bytes; equal ones keep their order."""
    words = np.ascontiguousarray(digests).view(">u8").reshape(-1, 2).astype(np.uint64)
    return np.lexsort((words[:, 1], words[:, 0])).astype(np.int64, copy=False)


def ask_digest(secret: bytes, *asked: Any) -> str:
    """Digest what was asked, never what was answered: the key of the cache.

    Parameters
    ----------
    secret : bytes
        The ledger's secret.
    *asked : str, number, bytes or array
        The question: kind of release, metric, predictions in a fixed order, or an explicit identifier.
        Nothing that depends on labels may enter.

    Returns
    -------
    str
        64 hexadecimal digits, HMAC-SHA256.

    Examples
    --------
    >>> ask_digest(b"key", "accuracy", [0, 1]) == ask_digest(b"key", "accuracy", [0, 1])
    True
    """
    hasher = hmac.new(derive_key(secret, "ask"), digestmod=hashlib.sha256)
    for part in asked:
        tag, raw = _encode(part)
        hasher.update(tag + len(raw).to_bytes(8, "big") + raw)
    return hasher.hexdigest()


def _encode(part: Any) -> tuple[bytes, bytes]:
    if isinstance(part, bytes):
        return b"b", part
    if isinstance(part, str | int | float) or part is None:
        return b"s", repr(part).encode()
    array = _cells(np.asarray(part))
    shape = repr(array.shape).encode()
    raw = array.tobytes() if array.dtype.kind != "O" else b"\0".join(repr(v).encode() for v in array.tolist())
    return b"a" + len(shape).to_bytes(2, "big") + shape, raw


def _cells(part: Any) -> AnyArray:
    """Bring rows to one canonical form: contiguous float64, or an object array of tuples of text."""
    if is_frame(part):
        return _frame_cells(part)
    if hasattr(part, "tocsr"):
        part = part.toarray()
    array = np.asarray(part)
    if array.ndim == 0:
        raise ValueError("Rows are expected, got a single value.")
    if array.dtype.kind == "M":
        array = array.astype("datetime64[ns]").astype(np.int64)
    if array.dtype.kind in "fiub":
        return _canonical_numbers(array)
    try:
        return _canonical_numbers(array.astype(np.float64)) if array.dtype.kind == "O" else _text_cells(array)
    except (TypeError, ValueError):
        return _text_cells(array)


def _frame_cells(frame: Any) -> AnyArray:
    cells = [np.asarray(values) for values in columns(frame)]
    if all(c.dtype.kind in "fiub" for c in cells):
        return _canonical_numbers(np.column_stack(cells))
    return _text_cells(np.column_stack([c.astype(object) for c in cells]))


def _canonical_numbers(array: AnyArray) -> AnyArray:
    numbers = np.array(array, dtype=np.float64, order="C") + 0.0
    numbers[np.isnan(numbers)] = np.nan
    return numbers


def _text_cells(array: AnyArray) -> AnyArray:
    rows = array.reshape(len(array), -1).tolist()
    cells = np.empty(len(rows), dtype=object)
    for i, row in enumerate(rows):
        cells[i] = tuple(_canonical_scalar(value) for value in row)
    return cells


def _canonical_scalar(value: Any) -> str:
    if isinstance(value, bool | int | float | np.number):
        return repr(float(value) + 0.0)
    return f"t:{value}"
