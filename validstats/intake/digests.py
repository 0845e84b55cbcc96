"""Keyed digests of rows: who the rows of a holdout are, in which order they stand, and what was asked of them.

The digest of a row is two words ``c + sum_j a_j low_j + b_j high_j modulo 2^64`` of the halves of its cells' words. The factors
are 64 bits each that come from a secret, so that two rows which differ have the same digest with a chance of 2^-66 at most,
whatever the rows are (Carter and Wegman 1979): neither the factors nor the digests leave the ledger.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from validstats._typing import AnyArray, Int1D
from validstats.intake.frames import columns, is_frame
from validstats.intake.kinds import is_missing

__all__ = [
    "ask_digest",
    "derive_key",
    "digest_blocks",
    "fingerprint_and_ranks",
    "holdout_fingerprint",
    "keyed_ranks",
    "ranks_apart",
    "keyed_row_digests",
    "one_byte_each",
    "totals_of_units",
]

UInt64 = npt.NDArray[np.uint64]

_CELLS = 1 << 15  # cells of a block: 256 KB, which a cache of the second level holds
_ROWS = 1 << 16  # rows whose digests are held at once where only sums or ranks of them are asked for
_LOW, _HALF_WORD = np.uint64(2**32 - 1), np.uint64(32)


def derive_key(secret: bytes, *purpose: object) -> bytes:
    """Derive a key for one purpose from a secret."""
    words = [str(word).encode() for word in purpose]
    message = b"".join(len(word).to_bytes(4, "big") + word for word in words)
    return hmac.digest(secret, message, "sha256")


def keyed_row_digests(secret: bytes, *parts: Any) -> UInt64:
    """Digest each row of aligned arrays under a key: two words a row."""
    return np.concatenate(list(digest_blocks(secret, *parts)))


def digest_blocks(secret: bytes, *parts: Any) -> Iterator[UInt64]:
    """Digests of the rows of aligned arrays in their order, some rows at a time: those of many rows need not be held at once."""
    key = derive_key(secret, "rows")
    given = [_read(part, key) for part in parts if part is not None]
    if len({part.n for part in given}) > 1:
        raise ValueError(f"All parts must have the same number of rows, got {[part.n for part in given]}.")
    widths = [part.width for part in given]
    seed = int.from_bytes(derive_key(key, *widths)[:16], "little")
    drawn = np.random.Philox(key=seed).random_raw(2 * (1 + 2 * sum(widths)))
    # by half of the word, and by word of the digest
    factors = np.split(drawn[2:].reshape(2, 2, -1), np.cumsum(widths)[:-1], axis=2)
    n = given[0].n
    for start in range(0, max(n, 1), _ROWS):
        rows = slice(start, min(start + _ROWS, n))
        digests = np.tile(drawn[:2], (rows.stop - start, 1))
        for part, own in zip(given, factors, strict=True):
            part.add_to(digests, rows, own)
        yield digests


class _Dense:
    """Cells of rows as words: the bits of numbers, with one zero and one missing number, and hashes of everything else."""

    def __init__(self, matrix: AnyArray | None, cells: list[AnyArray], n: int) -> None:
        self.matrix, self.cells, self.n = matrix, cells, n
        self.width = matrix.shape[1] if matrix is not None else len(cells)

    def add_to(self, digests: UInt64, rows: slice, factors: UInt64) -> None:
        """Add what the cells of some rows contribute to their digests, a block at a time."""
        size = max(_CELLS // max(self.width, 1), 1)
        for start in range(0, len(digests) if self.width else 0, size):
            block = slice(start, min(start + size, len(digests)))
            words = self._words(slice(rows.start + block.start, rows.start + block.stop))
            low = words & _LOW
            words >>= _HALF_WORD
            for k in (0, 1):
                found = np.add.reduce(low * factors[0, k, :, None], 0)
                found += np.add.reduce(words * factors[1, k, :, None], 0)
                digests[block, k] += found

    def _words(self, block: slice) -> UInt64:
        if self.matrix is not None:
            return _number_words(self.matrix[block].T)
        return np.stack(
            [
                cells[block] if cells.dtype == np.uint64 else _number_words(cells[block])
                for cells in self.cells
            ]
        )


class _Sparse:
    """Stored cells of a compressed matrix; the word of zero is zero and adds nothing."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix.tocsr().copy()
        self.matrix.sum_duplicates()
        self.n, self.width = self.matrix.shape

    def add_to(self, digests: UInt64, rows: slice, factors: UInt64) -> None:
        """Add what the stored cells of some rows contribute to their digests."""
        ends = self.matrix.indptr[rows.start : rows.stop + 1]
        stored = slice(ends[0], ends[-1])
        words, places = _number_words(self.matrix.data[stored]), self.matrix.indices[stored]
        low, high, ends = words & _LOW, words >> _HALF_WORD, ends - ends[0]
        for k in (0, 1):
            added = low * factors[0, k, places] + high * factors[1, k, places]
            sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(added, dtype=np.uint64)])
            digests[:, k] += sums[ends[1:]] - sums[ends[:-1]]


def _number_words(numbers: AnyArray) -> UInt64:
    found = np.add(numbers, 0.0, dtype=np.float64, order="C")  # -0 becomes 0
    missing = found != found
    if missing.any():
        found[missing] = np.nan
    return found.view(np.uint64)


def _read(part: Any, key: bytes) -> _Dense | _Sparse:
    """Bring rows to one form: a matrix of numbers, or one column of numbers or words after the other."""
    if is_frame(part):
        cells = [_column(np.asarray(values), key) for values in columns(part)]
        return _Dense(None, cells, len(cells[0]) if cells else 0)
    if hasattr(part, "tocsr"):
        return _Sparse(part)
    array = np.asarray(part)
    if array.ndim == 0:
        raise ValueError("Rows are expected, got a single value.")
    width = int(np.prod(array.shape[1:]))
    array = array.reshape(len(array), width)
    if array.dtype.kind in "fiub":
        return _Dense(array, [], len(array))
    return _Dense(None, [_column(values, key) for values in array.T], len(array))


def _column(values: AnyArray, key: bytes) -> AnyArray:
    """A column of numbers as it is and of dates as numbers, of everything else as words, cell by cell."""
    if values.dtype.kind == "M":
        return values.astype("datetime64[ns]").astype(np.int64)
    if values.dtype.kind in "fiub":
        return values
    kinds: dict[float | str, int] = {}
    where = [kinds.setdefault(_canonical(value), len(kinds)) for value in values.tolist()]
    return np.array([_cell_word(kind, key) for kind in kinds], dtype=np.uint64)[where]


def _canonical(value: Any) -> float | str:
    """A number as float, whatever its type, with one missing value; anything else as text."""
    if is_missing(value):
        return math.nan
    return float(value) + 0.0 if isinstance(value, Real | Decimal | np.bool_) else f"t:{value}"


def _cell_word(kind: float | str, key: bytes) -> int:
    """Word of one cell: the bits of a number, a keyed hash of text."""
    if isinstance(kind, float):
        return int(_number_words(np.array([kind]))[0])
    return int.from_bytes(hashlib.blake2b(kind.encode(), key=key, digest_size=8).digest(), "little")


def fingerprint_and_ranks(
    secret: bytes, blocks: Iterable[UInt64], unit: AnyArray | None = None
) -> tuple[str, UInt64]:
    """Combine row digests to a fingerprint, and rank their rows, or units of several rows, by the secret."""
    fingerprint = _Fingerprint(secret)
    ranked: Iterable[UInt64] = fingerprint.of(blocks)
    if unit is not None:
        ranked = [totals_of_units(secret, ranked, unit)]
    ranks = np.concatenate([keyed_ranks(secret, digests, "units") for digests in ranked])
    return fingerprint.digest(), ranks


class _Fingerprint:
    """Sums of the mixes of row digests, which do not depend on the order of the rows."""

    def __init__(self, secret: bytes) -> None:
        self.key = derive_key(secret, "fingerprint")
        self.n, self.sums = 0, [0, 0]

    def of(self, blocks: Iterable[UInt64]) -> Iterator[UInt64]:
        """Take up rows while they pass."""
        for digests in blocks:
            self.n += len(digests)
            for lane in (0, 1):
                self.sums[lane] += int(_mixed(digests, self.key, lane).sum(dtype=np.uint64))
            yield digests

    def digest(self) -> str:
        """The fingerprint of all rows."""
        message = b"".join(number.to_bytes(8, "big") for number in (self.n, *(s % 2**64 for s in self.sums)))
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()


def holdout_fingerprint(secret: bytes, blocks: Iterable[UInt64]) -> str:
    """Combine row digests to a fingerprint that does not depend on the order of the rows: by sums of their mixes."""
    fingerprint = _Fingerprint(secret)
    for _ in fingerprint.of(blocks):
        pass
    return fingerprint.digest()


def keyed_ranks(secret: bytes, digests: UInt64, purpose: str) -> UInt64:
    """Rank rows by a secret, in the same way whatever order they come in and whichever others come with them."""
    return _mixed(digests, derive_key(secret, "order", purpose), 0)


def ranks_apart(secret: bytes, ranks: UInt64) -> tuple[UInt64, Int1D]:
    """Give rows of equal rank ranks of their own, by the number of equal ones before each, and the order of all."""
    # Equal rows would stand side by side otherwise, in the order in which they were handed over, although what is said about
    # each of them may differ and go with that order.
    order, again = _stable_order(ranks)
    if not again.size:
        return ranks, order
    firsts = np.delete(np.arange(len(ranks)), again)
    number = again - firsts[np.searchsorted(firsts, again) - 1]
    apart = ranks.copy()
    apart[order[again]] = keyed_ranks(
        secret, np.column_stack([ranks[order[again]], number.astype(np.uint64)]), "equal rows"
    )
    return apart, _stable_order(apart)[0]


def _stable_order(ranks: UInt64) -> tuple[Int1D, Int1D]:
    """The order of ranks, equal ones in turn, and the places in it of those that repeat the one before."""
    # Words of the first bits of a rank and the number of its row are sorted as they are, in a fifth of the time that the order of
    # ten million ranks takes; the few that share their first bits are then put in the order of all bits.
    n = len(ranks)
    numbers = np.uint64((1 << n.bit_length()) - 1)
    words, alike = np.empty(n, dtype=np.uint64), [np.zeros(0, dtype=np.int64)]
    for start in range(0, n, _ROWS):  # fresh memory is dearer than its use
        block = slice(start, min(start + _ROWS, n))
        np.bitwise_and(ranks[block], ~numbers, out=words[block])
        words[block] |= np.arange(block.start, block.stop, dtype=np.uint64)
    words.sort()
    for start in range(0, n, _ROWS):
        first = words[start : start + _ROWS + 1]
        alike.append(start + np.flatnonzero((first[1:] ^ first[:-1]) <= numbers))
    shared = np.concatenate(alike)
    words &= numbers
    order = words.view(np.int64)
    place = np.union1d(shared, shared + 1)
    rows = order[place]
    rows = rows[np.argsort(ranks[rows], kind="stable")]
    order[place] = rows
    return order, place[1:][ranks[rows[1:]] == ranks[rows[:-1]]]


def totals_of_units(secret: bytes, blocks: Iterable[UInt64], unit: AnyArray) -> UInt64:
    """Digest each unit of several rows, whatever the order of these."""
    key, done = derive_key(secret, "clusters"), 0
    totals = np.zeros((int(unit.max()) + 1, 2), dtype=np.uint64)
    for digests in blocks:
        for lane in (0, 1):
            np.add.at(totals[:, lane], unit[done : done + len(digests)], _mixed(digests, key, lane))
        done += len(digests)
    return totals


def _mixed(digests: UInt64, key: bytes, lane: int) -> UInt64:
    """Mix the two words of each digest under a key."""
    mixed, done = np.empty(len(digests), dtype=np.uint64), 0
    for block in _mixed_blocks(digests, key, lane):
        mixed[done : done + len(block)] = block
        done += len(block)
    return mixed


def _mixed_blocks(digests: UInt64, key: bytes, lane: int) -> Iterator[UInt64]:
    """Mix twice by the finaliser of splitmix64 (Steele, Lea and Flood 2014), a block at a time."""
    first, second = np.frombuffer(derive_key(key, lane), dtype="<u8", count=2).astype(np.uint64)
    for start in range(0, len(digests), _CELLS):
        block = digests[start : start + _CELLS]
        z = _finalised(block[:, lane] ^ first)
        z += block[:, 1 - lane]
        yield _finalised(z ^ second)


def _finalised(z: UInt64) -> UInt64:
    """Change an array in place."""
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def ask_digest(secret: bytes, *asked: Any) -> str:
    """Digest what was asked, never what was answered: the key of the cache."""
    hasher = hmac.new(derive_key(secret, "ask"), digestmod="sha256")
    head = b""
    for part in asked:
        tag, raw = _encode(part)
        head += tag + len(raw).to_bytes(8, "big")
        if isinstance(raw, bytes):
            head += raw
            continue
        hasher.update(head)
        hasher.update(raw)
        head = b""
    hasher.update(head)
    return hasher.hexdigest()


def _encode(part: Any) -> tuple[bytes, bytes | memoryview]:
    if isinstance(part, bytes):
        return b"b", part
    if isinstance(part, str | int | float) or part is None:
        return b"s", repr(part).encode()
    array = _cells(np.asarray(part))
    shape = repr(array.shape).encode()
    kind = b"i" if array.dtype == np.int8 else b"a"
    head = kind + len(shape).to_bytes(2, "big") + shape
    if array.dtype.kind == "O":
        return head, b"\0".join(repr(v).encode() for v in array.tolist())
    return head, np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _cells(array: AnyArray) -> AnyArray:
    """Bring an array to one canonical form: bytes or float64, or an object array of tuples of text."""
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


_FIRST_ROWS = 64


def one_byte_each(numbers: AnyArray) -> npt.NDArray[np.int8] | None:
    """The same numbers as bytes where all are whole and between -128 and 127, as classes mostly are; else None."""
    if numbers.dtype.kind in "b" or numbers.dtype == np.int8:
        return numbers.astype(np.int8, copy=False)
    first = numbers[:_FIRST_ROWS]
    if numbers.dtype.kind == "f" and not (first == np.rint(first)).all():
        return None
    found = np.empty(numbers.shape, dtype=np.int8)
    for start in range(
        0, len(numbers), _ROWS
    ):  # a block at a time, which the cache holds between the three looks at it
        block = numbers[start : start + _ROWS]
        if not (block.min(initial=0) >= -128 and block.max(initial=0) <= 127):  # or NaN
            return None
        small = block.astype(np.int8)
        if numbers.dtype.kind == "f" and not (small == block).all():
            return None
        found[start : start + _ROWS] = small
    return found


def _canonical_numbers(array: AnyArray) -> AnyArray:
    if array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    small = one_byte_each(array)
    if small is not None:
        return small
    if array.dtype.kind in "iu":
        return np.array(array, dtype=np.float64, order="C")  # neither a negative zero nor NaN
    numbers = np.array(array, dtype=np.float64, order="C")
    numbers += 0.0
    if np.isnan(numbers.min(initial=0.0)):
        numbers[np.isnan(numbers)] = np.nan
    return numbers


def _text_cells(array: AnyArray) -> AnyArray:
    rows = array.reshape(len(array), -1).tolist()
    cells = np.empty(len(rows), dtype=object)
    for i, row in enumerate(rows):
        cells[i] = tuple(repr(v) if isinstance(v, float) else v for v in map(_canonical, row))
    return cells
