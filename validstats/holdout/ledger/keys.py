"""Keys from a ledger's secret: for the noise, the order of the rows, their digests and the digests of questions.

The noise is a function of the secret and of the ledger's index, so that no restart repeats it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import numpy as np
import numpy.typing as npt

from validstats._typing import AnyArray
from validstats.intake import columns, is_frame

__all__ = [
    "ask_digest",
    "counter_generator",
    "derive_key",
    "holdout_fingerprint",
    "keyed_order",
    "keyed_row_digests",
]

_CHUNK = 100_000


def derive_key(secret: bytes, *purpose: object) -> bytes:
    """Derive a key for one purpose from a secret."""
    words = [str(word).encode() for word in purpose]
    message = b"".join(len(word).to_bytes(4, "big") + word for word in words)
    return hmac.new(secret, message, hashlib.sha256).digest()


def counter_generator(secret: bytes, index: int, stream: str = "answer") -> np.random.Generator:
    """Return the random stream that belongs to one index of one ledger."""
    # The same index always gives the same numbers and different indices give independent ones: a restarted
    # program cannot replay the noise of an earlier answer for another question, since the index has moved on.
    # Source: Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3".
    key = int.from_bytes(derive_key(secret, "noise", stream, index)[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def keyed_row_digests(secret: bytes, *parts: Any) -> npt.NDArray[np.void]:
    """Digest each row of aligned arrays under a key."""
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
    """Combine row digests to a fingerprint that does not depend on the order of the rows."""
    message = len(digests).to_bytes(8, "big") + digests[_ascending(digests)].tobytes()
    return hmac.new(derive_key(secret, "fingerprint"), message, hashlib.sha256).hexdigest()


def keyed_order(secret: bytes, digests: npt.NDArray[np.void], purpose: str) -> npt.NDArray[np.int64]:
    """Order rows by a secret, in the same way whatever order they come in."""
    key = derive_key(secret, "order", purpose)
    ranks = b"".join([hashlib.blake2b(d, key=key, digest_size=16).digest() for d in _row_bytes(digests)])
    return _ascending(np.frombuffer(ranks, dtype="V16"))


def _ascending(digests: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    """Positions that sort digests as strings of bytes; equal ones keep their order."""
    words = np.ascontiguousarray(digests).view(">u8").reshape(-1, 2).astype(np.uint64)
    return np.lexsort((words[:, 1], words[:, 0])).astype(np.int64, copy=False)


def ask_digest(secret: bytes, *asked: Any) -> str:
    """Digest what was asked, never what was answered: the key of the cache."""
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
