"""Sketches of rows: small keyed samples by which the same rows are recognised after their features were engineered.

A sketch keeps the 128 smallest keyed tokens of one property of a data set. Two sketches of one property share
about as many of their smallest tokens as the data sets share rows (Broder 1997, bottom-k sketches). Six properties
survive different changes: identifiers, values, ratios of neighbouring gaps, label changes along a sorted column,
whole tuples of coarse columns, and whole rows in half precision. A token that occurs twice in its own data says little
about a row and is left out; a property is kept only if at least nine in ten of its tokens occur once, since the chance
that an unrelated row repeats one of them is about the share of those that do not (Good-Turing).
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from validstats._typing import AnyArray, Float1D
from validstats.intake.frames import columns, is_frame
from validstats.intake.identity import spread_positions as _spread
from validstats.intake.kinds import is_missing, read_array

__all__ = [
    "ColumnsInTurn",
    "RowOverlap",
    "RowSketch",
    "SketchFamily",
    "find_overlap",
    "sketch_ids",
    "sketch_rows",
]

SketchFamily = Literal["id", "value", "gap", "order", "joint", "half"]
UInt64 = npt.NDArray[np.uint64]
_Rows: TypeAlias = slice | npt.NDArray[np.intp]

_SIZE = 128  # tokens of a sketch: a share of .2 is then known to about .035
_ONCE = 0.9  # least share of tokens that occur once, so that unrelated rows repeat at most one in ten
_LEAST_SHARE: dict[str, float] = {
    "id": 0.01,
    "value": 0.2,
    "gap": 0.2,
    "order": 0.2,
    "joint": 0.6,
    "half": 0.6,
}
_EXCESS = 2.5  # a share also exceeds 2.5 times the Good-Turing chance of a repetition
_LEAST_COMMON, _LEAST_COMMON_SMALL, _SMALL = 8, 5, 100  # tokens in common; fewer suffice below 100 rows
_MOST_VALUE_COLUMNS = 256
_MOST_SORTED_COLUMNS = 64
_MOST_LEFT_OUT = 64
_CELLS = 50  # cells of one ratio of gaps: four ratios tell 50^4 places apart
_RATIOS = 4
_WINDOW_BITS = 48.0  # mean entropy of one window of label changes
_LEAST_WINDOW_BITS = (
    32.0  # a window with fewer bits of its own (hardly any change in it) occurs in unrelated data
)
_MOST_EQUAL_GAPS = 0.5  # a column with more equal gaps than that is a numbering
_FEWEST = 16  # once-only tokens without which a property is not sketched
_MANY = 1 << 16  # rows beyond which they are read in blocks, and sorted columns in their middle
_BLOCK = 1 << 13
_PROBED = 2048  # rows that tell the share of tokens that occur once: near .9 it is known to .007
_BELOW = 1024.0  # tokens of which the smallest are taken: more than 128 of them occur once, if nine in ten do
_PREFIX = np.uint64(0xFFFFFF0000000000)  # first 24 bits of a mix, which keep the order of the tokens
_GOLDEN = 0x9E3779B97F4A7C15
_WRAP = (1 << 64) - 1


@dataclass(frozen=True)
class RowSketch:
    """A keyed sample of one property of a data set.

    Parameters
    ----------
    family : {"id", "value", "gap", "order", "joint", "half"}
        The property.
    n : int
        Number of rows.
    once : float
        Share of the tokens that occur once; of many rows as a sample tells it.
    tokens : ndarray of uint64
        The smallest of those, ascending; all of them if there are fewer than 128 (always all of "id").
    reads_labels : bool, default False
        Whether class labels or a numeric outcome went into it. The share of such a sketch must not be shown.
    """

    family: SketchFamily
    n: int
    once: float
    tokens: UInt64
    reads_labels: bool = False

    @property
    def full(self) -> bool:
        """Whether larger tokens were left out."""
        return self.family != "id" and len(self.tokens) >= _SIZE

    def to_dict(self) -> dict[str, Any]:
        """Return the sketch as plain values, for a file.

        Returns
        -------
        dict
            Family, rows, share and the tokens as hexadecimal text.
        """
        return {
            "family": self.family,
            "n": self.n,
            "once": self.once,
            "tokens": self.tokens.astype(">u8").tobytes().hex(),
            "reads_labels": self.reads_labels,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> RowSketch:
        """Read a sketch from :meth:`to_dict`.

        Parameters
        ----------
        record : dict
            What :meth:`to_dict` returned.

        Returns
        -------
        RowSketch
            The same sketch.
        """
        tokens = np.frombuffer(bytes.fromhex(record["tokens"]), dtype=">u8").astype(np.uint64)
        return cls(
            record["family"], int(record["n"]), float(record["once"]), tokens, bool(record["reads_labels"])
        )


@dataclass(frozen=True)
class RowOverlap:
    """Two data sets that share rows, by the property that shows it best.

    Parameters
    ----------
    family : {"id", "value", "gap", "order", "joint", "half"}
        The property.
    n_common, n_compared : int
        Tokens in common, and tokens of the smaller sample.
    share : float
        Their ratio: about the share of the smaller data set's rows that the larger one has.
    reads_labels : bool
        Whether only sketches that read labels show it; then no number may be printed.
    """

    family: SketchFamily
    n_common: int
    n_compared: int
    share: float
    reads_labels: bool

    def __str__(self) -> str:
        if self.reads_labels:
            return "the order of its labels" if self.family == "order" else "its outcome"
        what = {
            "id": "identifiers",
            "value": "sampled values of one column",
            "gap": "sampled gaps between values of one column",
            "order": "sampled label changes along one column",
            "joint": "sampled rows of the categorical columns",
            "half": "sampled rows in half precision",
        }[self.family]
        return f"{self.n_common} of {self.n_compared} {what}"


def sketch_ids(ids: Any, *, key: bytes, namespace: str = "") -> RowSketch:
    """Sketch identifiers of rows: all of their keyed digests.

    Parameters
    ----------
    ids : array-like of shape (n,)
        Identifiers, each once.
    key : bytes
        The user's key; without it the tokens reveal nothing.
    namespace : str, default ""
        Whose identifiers they are; equal identifiers of two namespaces are different rows.

    Returns
    -------
    RowSketch
        Of family "id".

    Raises
    ------
    ValueError
        If one is missing, occurs twice, or if they are the row numbers 0..n-1 or 1..n without a namespace, which
        would make unrelated data sets the same.

    Examples
    --------
    >>> a = sketch_ids(["anna", "ben", "carl"], key=b"k")
    >>> b = sketch_ids(["carl", "dora"], key=b"k")
    >>> find_overlap([a], [b]).n_common
    1
    """
    array = read_array(ids, "ids")
    if array.ndim != 1:
        raise ValueError(f"ids must have one identifier a row, got shape {array.shape}.")
    texts = [_canonical_id(value) for value in array.tolist()]
    if None in texts:
        raise ValueError(f"ids has {texts.count(None)} missing value(s); every row needs an identifier.")
    if len(set(texts)) < len(texts):
        raise ValueError(
            f"ids has {len(texts) - len(set(texts))} identifier(s) that occur before; every row needs one of its own. "
            "If several rows belong to one unit, pass the unit as clusters= and number the rows within it in ids."
        )
    if not namespace and _are_row_numbers(array):
        raise ValueError(
            "ids are the row numbers 0..n-1 or 1..n, by which unrelated data sets look the same. Pass identifiers "
            "that belong to the rows, or say whose row numbers they are with id_namespace='...'."
        )
    salt = _salt(key, f"id/{namespace}")
    raw = [hashlib.blake2b(str(text).encode(), key=salt, digest_size=8).digest() for text in texts]
    tokens = np.sort(np.frombuffer(b"".join(raw), dtype="<u8").astype(np.uint64))
    return RowSketch("id", len(texts), 1.0, tokens)


def sketch_rows(X: Any, y: Any = None, *, key: bytes) -> tuple[RowSketch, ...]:
    """Sketch the rows of a data set by every property that tells them apart.

    Parameters
    ----------
    X : array-like of shape (n, p), sparse matrix or data frame
        Features, numbers or categories.
    y : array-like of shape (n,) or None, default None
        Labels. Sketches made with them read labels: pass them only where the holder of the labels calls.
    key : bytes
        The user's key.

    Returns
    -------
    tuple of RowSketch
        One a column and property that is informative; empty if none is.

    Notes
    -----
    Values survive float32, rounding at 1e-12, other orders of rows and columns, and columns added, dropped or changed
    while one stays; gaps survive a shift and a scale of either sign; the order of labels survives increasing
    transformations and recoded labels; tuples of coarse columns survive one column added, dropped or changed; rows in
    half precision survive float16.
    Of more than 65,536 rows, gaps and the order of labels are those of the 65,536 in the middle of a column, and 2,048 rows tell
    the share of tokens that occur once; the smallest tokens are those of all rows.
    Rotations, values rounded to three digits, noise of 1e-4 standard deviations, a tenth of the rows and a handful of
    binary columns are not recognised: identifiers are the remedy.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> old, new = sketch_rows(X, key=b"k"), sketch_rows(2 * X[::-1, :1] - 5, key=b"k")
    >>> find_overlap(old, new).family
    'gap'
    """
    cells: Any = X if isinstance(X, ColumnsInTurn) else list(_columns_of(X))
    n = len(cells[0]) if len(cells) else 0
    if n == 0:
        return ()
    labels = None if y is None else _Labels.of(np.asarray(y), key)
    fine: list[tuple[float, UInt64]] = []
    gaps: list[tuple[float, UInt64]] = []
    orders: list[tuple[float, UInt64]] = []
    kept, coarse = [], []
    half = _Half(n, key)
    # one column at a time: those of rows in parts are read when their turn comes
    for j in range(len(cells)):
        column = _Column(cells[j])
        fine.append(column.smallest(key))
        half.add(j, column)
        if fine[j][0] < _ONCE:
            coarse.append(column)
        elif not column.is_numbering():
            # numbers of rows are told apart by the labels that stand along them only
            kept.append(j)
        if len(gaps) < _MOST_SORTED_COLUMNS and column.numbers is not None:
            gaps.append(_gap_tokens(column, key))
            if labels is not None and labels.repeat:
                orders.append(_order_tokens(column, labels.column, key))
    # both sides keep the columns with the smallest tokens, whatever the columns are called and where they stand
    chosen = sorted(kept, key=lambda j: int(fine[j][1][0]))[:_MOST_VALUE_COLUMNS]
    found = [_sketch("value", n, *fine[j], key) for j in chosen]
    found += [_sketch("gap", n, *tokens, key) for tokens in gaps]
    if len(coarse) > 1:
        tuples = _smallest_of(n, lambda rows: _joint_tokens(coarse, rows, key))
        found += [_sketch("joint", n, *tokens, key) for tokens in tuples]
    if len(cells) > 1:
        found += [_sketch("half", n, *tokens, key) for tokens in _smallest_of(n, half.tokens)]
    if labels is not None:
        found += labels.sketches(n, key)
        found += [_sketch("order", n, *tokens, key, reads_labels=True) for tokens in orders]
    return tuple(sketch for sketch in found if sketch is not None)


@dataclass(frozen=True)
class ColumnsInTurn:
    """Columns of rows in parts, each read when it is asked for.

    Parameters
    ----------
    names : tuple of str
        The columns.
    read : callable
        ``read(name)`` returns the values of one.
    """

    names: tuple[str, ...]
    read: Callable[[str], AnyArray]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, j: Any) -> Any:
        return self.read(self.names[j])


def find_overlap(old: Iterable[RowSketch], new: Iterable[RowSketch]) -> RowOverlap | None:
    """Tell whether two data sets share rows.

    Parameters
    ----------
    old, new : iterable of RowSketch
        Sketches of both, made under the same key.

    Returns
    -------
    RowOverlap or None
        The property with the largest share above its threshold, those without labels first; None if none is.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> A, B = rng.normal(size=(500, 3)), rng.normal(size=(500, 3))
    >>> find_overlap(sketch_rows(A, key=b"k"), sketch_rows(B, key=b"k")) is None
    True
    >>> str(find_overlap(sketch_rows(A, key=b"k"), sketch_rows(A[:250], key=b"k")))[-28:]
    'sampled values of one column'
    """
    best: RowOverlap | None = None
    for a, b in _candidates(list(old), list(new)):
        overlap = _compare(a, b)
        if overlap is not None and (best is None or _rank(overlap) > _rank(best)):
            best = overlap
    return best


def _canonical_id(value: Any) -> str | None:
    """Write an identifier as text, the same for 7, 7.0 and numpy's 7; None if it is missing."""
    if is_missing(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{'number' if isinstance(value, int | float) else 'text'}:{value}"


def _are_row_numbers(array: AnyArray) -> bool:
    """Tell whether identifiers are 0..n-1 or 1..n in any order, as numbers or as text."""
    numbers = _as_numbers(array.astype(object) if array.dtype.kind == "U" else array)
    if numbers is None or array.dtype.kind == "M" or not len(numbers):
        return False
    first = numbers.min()
    return first in (0.0, 1.0) and bool(np.array_equal(np.sort(numbers), first + np.arange(len(numbers))))


def _rank(overlap: RowOverlap) -> tuple[bool, float, int]:
    return not overlap.reads_labels, overlap.share, overlap.n_common


def _candidates(old: list[RowSketch], new: list[RowSketch]) -> Iterator[tuple[RowSketch, RowSketch]]:
    """Pairs of one family that have at least one token in common."""
    where: dict[tuple[str, int], list[int]] = {}
    for i, sketch in enumerate(old):
        for token in sketch.tokens.tolist():
            where.setdefault((sketch.family, token), []).append(i)
    for sketch in new:
        hits = {i for token in sketch.tokens.tolist() for i in where.get((sketch.family, token), ())}
        yield from ((old[i], sketch) for i in sorted(hits))


def _compare(a: RowSketch, b: RowSketch) -> RowOverlap | None:
    """Compare two sketches below the smaller of their largest tokens, where both are complete."""
    limit = min((int(s.tokens[-1]) for s in (a, b) if s.full), default=_WRAP)
    x, y = (s.tokens[s.tokens <= np.uint64(limit)] for s in (a, b))
    smaller = min(len(x), len(y))
    common = len(np.intersect1d(x, y, assume_unique=True))
    least_share = max(_LEAST_SHARE[a.family], _EXCESS * (1.0 - min(a.once, b.once)))
    least_common = (
        1 if a.family == "id" else _LEAST_COMMON if min(a.n, b.n) >= _SMALL else _LEAST_COMMON_SMALL
    )
    if common < least_common or common < least_share * smaller:
        return None
    return RowOverlap(a.family, common, smaller, common / smaller, a.reads_labels or b.reads_labels)


def _sketch(
    family: SketchFamily, n: int, once: float, mixed: UInt64, key: bytes, reads_labels: bool = False
) -> RowSketch | None:
    """Seal the smallest tokens under the key, or return None where too many repeat."""
    if once < _ONCE or len(mixed) < _FEWEST:
        return None
    salt = _salt(key, f"seal/{family}")
    raw = [hashlib.blake2b(m.to_bytes(8, "little"), key=salt, digest_size=8).digest() for m in mixed.tolist()]
    digests = np.frombuffer(b"".join(raw), dtype="<u8").astype(np.uint64)
    # the first bits of the mix stay, so that the smallest tokens of a part are those of the whole
    tokens = np.sort((mixed & _PREFIX) | (digests & ~_PREFIX))
    return RowSketch(family, n, once, tokens, reads_labels)


def _smallest_once(tokens: UInt64) -> tuple[float, UInt64]:
    """Share of tokens that occur once, and the smallest of those."""
    if not len(tokens):
        return 0.0, tokens
    ordered = np.sort(tokens)
    differs = np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])
    once = ordered[differs[1:] & differs[:-1]]
    return len(once) / len(tokens), once[:_SIZE]


def _smallest_of(n: int, tokens_of: Callable[[_Rows], Iterable[UInt64]]) -> list[tuple[float, UInt64]]:
    """Share of tokens that occur once, and the smallest of those, for several kinds of tokens of the same rows."""
    if n <= _MANY:
        return [_smallest_once(tokens) for tokens in tokens_of(slice(None))]
    probes = [_Probe(n, tokens) for tokens in tokens_of(_spread(n, _PROBED))]
    for start in range(0, n, _BLOCK):
        for probe, tokens in zip(probes, tokens_of(slice(start, start + _BLOCK)), strict=True):
            probe.add(tokens)
    return [probe.found() for probe in probes]


class _Probe:
    """Smallest tokens of many rows, and the share that occurs once as some rows tell it."""

    def __init__(self, n: int, tokens: UInt64) -> None:
        self.rows = tokens
        self.kinds = np.unique(tokens)
        # tokens are random numbers: below the limit there are about a thousand of those that are present
        share = len(tokens) / _PROBED
        self.limit = np.uint64(min(int(_WRAP * _BELOW / max(share * n, 1.0)), _WRAP))
        self.possible = np.zeros(1 << 16, dtype=np.bool_)
        self.possible[self.kinds >> np.uint64(48)] = True
        self.small: list[UInt64] = []
        self.again: list[UInt64] = []

    def add(self, tokens: UInt64) -> None:
        """Take up the tokens of further rows."""
        self.small.append(tokens[tokens <= self.limit])
        self.again.append(tokens[self.possible[tokens >> np.uint64(48)]])

    def found(self) -> tuple[float, UInt64]:
        """The share, and the smallest tokens."""
        if not len(self.kinds):
            return _smallest_once(np.concatenate(self.small))
        seen = np.concatenate(self.again)
        where = self.kinds.searchsorted(seen)
        where = where[self.kinds.take(where, mode="clip") == seen]
        counts = np.bincount(where, minlength=len(self.kinds))
        share = float(np.mean(counts[self.kinds.searchsorted(self.rows)] == 1))
        return share, _smallest_once(np.concatenate(self.small))[1]


# ---------------------------------------------------------------------- columns


def _columns_of(X: Any) -> Iterator[AnyArray]:
    if is_frame(X):
        yield from columns(X)
    elif hasattr(X, "tocsc"):
        by_column = X.tocsc()
        for j in range(by_column.shape[1]):
            yield np.asarray(by_column[:, [j]].toarray()).reshape(-1)
    else:
        array = np.asarray(X)
        if array.ndim and array.size:
            yield from array.reshape(len(array), -1).T


def _as_numbers(column: AnyArray) -> Float1D | None:
    """Return numbers and dates as float64, None for everything else."""
    if column.dtype.kind == "M":
        return np.where(np.isnat(column), np.nan, column.astype("datetime64[ns]").astype(np.int64)).astype(
            float
        )
    if column.dtype.kind in "fiub":
        return column.astype(np.float64, copy=False)
    if column.dtype.kind == "O":
        with np.errstate(all="ignore"):
            try:
                return column.astype(np.float64)
            except (TypeError, ValueError):
                return None
    return None


class _Column:
    """A column of a data set, of which tokens are made for some rows at a time."""

    def __init__(self, values: AnyArray) -> None:
        self.n = len(values)
        self.numbers = _as_numbers(values)
        self._words: UInt64 | None = None
        if self.numbers is None or values.dtype.kind == "M":
            self._words, self._missing = _text_words(values)

    @property
    def is_text(self) -> bool:
        """Whether values count as text."""
        return self._words is not None

    def tokens(self, rows: _Rows, salt: np.uint64) -> UInt64:
        """One token a value: numbers as float32 without their last four bits, the rest as text."""
        return _mix(self.words(rows, 4), salt)

    def words(self, rows: _Rows, n_bits: int) -> UInt64:
        """What the tokens are made from, numbers with their last bits rounded off."""
        if self._words is not None:
            return self._words[rows]
        assert self.numbers is not None
        return _rounded_bits(self.numbers[rows], n_bits)

    def present_tokens(self, rows: _Rows, salt: np.uint64) -> UInt64:
        """Tokens of the values that are not missing."""
        tokens = self.tokens(rows, salt)
        if self._words is not None:
            return tokens[~self._missing[rows]]
        assert self.numbers is not None
        missing = np.isnan(self.numbers[rows])
        return tokens[~missing] if missing.any() else tokens

    def smallest(self, key: bytes) -> tuple[float, UInt64]:
        """Share of the values that occur once, and their smallest tokens."""
        salt = _salt_word(key, "value")
        return _smallest_of(self.n, lambda rows: [self.present_tokens(rows, salt)])[0]

    @cached_property
    def middle(self) -> npt.NDArray[np.intp]:
        """Rows with finite numbers; of many those in the middle, where the neighbours in order are the same for all of them."""
        assert self.numbers is not None
        finite = np.isfinite(self.numbers)
        if (n := np.count_nonzero(finite)) <= _MANY:
            return np.flatnonzero(finite)
        first = (n - _MANY) // 2
        last = first + _MANY - 1
        # NumPy is slow where it has two places at once
        parted = np.partition(self.numbers if n == self.n else self.numbers[finite], last)
        low, high = np.partition(parted[:last], first)[first], parted[last]
        return np.flatnonzero((self.numbers >= low) & (self.numbers <= high))

    @cached_property
    def repeats(self) -> bool:
        """Whether more than a tenth of the numbers occur before."""
        assert self.numbers is not None
        if self.n > _MANY:  # a few rows tell most columns that repeat
            some = self.numbers[_spread(self.n, _PROBED)]
            if len(np.unique(some)) < _ONCE * len(some) - np.isnan(some).sum():
                return True
        return len(self.ascending) < _ONCE * len(self.middle)

    @cached_property
    def ascending(self) -> Float1D:
        """The numbers in the middle, in order and each once."""
        assert self.numbers is not None
        return np.unique(self.numbers[self.middle])

    def is_numbering(self) -> bool:
        """Tell whether the column counts rows or regular dates: unrelated data sets have the same ones."""
        if self.numbers is None or self.n < _FEWEST or not np.isfinite(self.numbers).all() or self.repeats:
            return False
        gaps, counts = np.unique(np.diff(self.ascending), return_counts=True)
        return bool(counts.max() >= _MOST_EQUAL_GAPS * counts.sum()) if len(gaps) else False


def _rounded_bits(numbers: Float1D, n_bits: int) -> UInt64:
    """Numbers as float32 with their last bits rounded off, -0 as 0 and one NaN."""
    with np.errstate(over="ignore"):
        single = numbers.astype(np.float32) + np.float32(0.0)
    single[np.isnan(numbers)] = np.nan
    last = (1 << n_bits) - 1
    bits = (single.view(np.uint32) + np.uint32(1 << (n_bits - 1))) & np.uint32(0xFFFFFFFF - last)
    return bits.astype(np.uint64)


def _text_words(column: AnyArray) -> tuple[UInt64, npt.NDArray[np.bool_]]:
    """One word a value, and those that are missing."""
    if column.dtype.kind == "M":
        column = column.astype("datetime64[ns]").astype(str)
    missing = np.array([is_missing(v) or v == "NaT" for v in column.tolist()], dtype=np.bool_)
    texts, inverse = np.unique(np.where(missing, "", column.astype(str)), return_inverse=True)
    raw = b"".join(hashlib.blake2b(str(text).encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(raw, dtype="<u8").astype(np.uint64)[inverse.reshape(-1)], missing


def _gap_tokens(column: _Column, key: bytes) -> tuple[float, UInt64]:
    """Tokens of four consecutive ratios of neighbouring gaps, read in the direction with the smaller token."""
    nothing = 0.0, np.empty(0, dtype=np.uint64)
    if column.repeats:
        return nothing
    ordered = column.ascending
    if len(ordered) < _RATIOS + 2 + _FEWEST:
        return nothing
    gaps = np.diff(ordered)
    with np.errstate(all="ignore"):
        ratio = gaps[1:] / (gaps[1:] + gaps[:-1])  # unchanged by a shift and a positive scale
    cells = np.clip(np.nan_to_num(ratio * _CELLS), 0, _CELLS - 1).astype(np.uint64)
    mirrored = np.uint64(_CELLS - 1) - cells[::-1]  # what a negative scale gives
    tokens = np.minimum(_windows(cells, key), _windows(mirrored, key)[::-1])
    # repeated values have no gaps of their own: their share counts as tokens that occur twice
    share, smallest = _smallest_once(tokens)
    return share * len(ordered) / len(column.middle), smallest


def _windows(cells: UInt64, key: bytes) -> UInt64:
    """Token of every four consecutive cells."""
    codes = np.zeros(len(cells) - _RATIOS + 1, dtype=np.uint64)
    for j in range(_RATIOS):
        codes = codes * np.uint64(_CELLS) + cells[j : len(cells) - _RATIOS + 1 + j]
    return _mix(codes, _salt_word(key, "gap"))


@dataclass(frozen=True)
class _Labels:
    """Class labels or a numeric outcome, as sketches read them."""

    column: _Column
    share: float  # of the values that occur once
    smallest: UInt64

    @classmethod
    def of(cls, y: AnyArray, key: bytes) -> _Labels:
        """Find the labels that occur once."""
        column = _Column(y.reshape(len(y), -1)[:, 0])
        return cls(column, *column.smallest(key))

    @property
    def repeat(self) -> bool:
        """Whether the labels are classes, whose changes along a column say something."""
        return self.share < _ONCE

    def sketches(self, n: int, key: bytes) -> list[RowSketch | None]:
        """Sketches of the values of an outcome."""
        found = [_sketch("value", n, self.share, self.smallest, key, reads_labels=True)]
        if self.column.numbers is not None:
            found.append(_sketch("gap", n, *_gap_tokens(self.column, key), key, reads_labels=True))
        return found


def _order_tokens(column: _Column, labels: _Column, key: bytes) -> tuple[float, UInt64]:
    """Tokens of windows of label changes along the values that occur once, the same in both directions."""
    nothing = 0.0, np.empty(0, dtype=np.uint64)
    if column.repeats:
        return nothing
    assert column.numbers is not None
    _, first, counts = np.unique(column.numbers[column.middle], return_index=True, return_counts=True)
    alone = counts == 1
    if alone.sum() < _ONCE * max(len(column.middle), 1):
        return nothing
    classes = labels.words(column.middle[first[alone]], 4)
    changes = (classes[1:] != classes[:-1]).astype(np.uint64)
    rate = float(changes.mean()) if len(changes) else 0.0
    if not 0.0 < rate < 1.0:
        return nothing
    entropy = -(rate * math.log2(rate) + (1.0 - rate) * math.log2(1.0 - rate))
    # a power of 1.25 near 48 bits, so that data sets of about the same rate use the same window
    window = round(1.25 ** round(math.log(_WINDOW_BITS / entropy, 1.25)))
    if len(changes) < window + _FEWEST:
        return nothing
    tokens = np.minimum(_rolling(changes, window, key), _rolling(changes[::-1], window, key)[::-1])
    seen = np.concatenate([[0], np.cumsum(changes.astype(np.int64))])
    bits = _log2_binomial(window, seen[window:] - seen[:-window])
    return _smallest_once(tokens[bits >= _LEAST_WINDOW_BITS])


def _rolling(bits: UInt64, window: int, key: bytes) -> UInt64:
    """Token of every window of bits: a polynomial modulo 2^64 by prefix sums, mixed."""
    base = (_GOLDEN | 1) & _WRAP
    inverse = pow(base, -1, 1 << 64)
    powers = _powers(base, len(bits))
    prefix = np.concatenate([[np.uint64(0)], np.cumsum((bits + np.uint64(1)) * powers, dtype=np.uint64)])
    sums = (prefix[window:] - prefix[:-window]) * _powers(inverse, len(bits) - window + 1)
    return _mix(sums, _salt_word(key, f"order/{window}"))


def _log2_binomial(n: int, k: npt.NDArray[np.int64]) -> Float1D:
    """Bits that tell where the k changes of a window of n places are: log2 C(n, k)."""
    nats = special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)
    return np.asarray(nats / math.log(2.0), dtype=np.float64)


def _powers(base: int, n: int) -> UInt64:
    """1, base, base^2, ... modulo 2^64."""
    powers = np.full(n, np.uint64(base), dtype=np.uint64)
    powers[:1] = 1
    return np.multiply.accumulate(powers)


def _joint_tokens(columns: Sequence[_Column], rows: _Rows, key: bytes) -> Iterator[UInt64]:
    """Tokens of rows of coarse columns: the tuple, the tuple without each one column, and a bag without positions."""
    cells = [column.tokens(rows, _salt_word(key, "value")) for column in columns]
    d, salt = len(cells), _salt_word(key, "joint")
    odd = [(_word(key, f"joint/{j}") | 1) & _WRAP for j in range(d)]
    placed = [cell * np.uint64(m) for cell, m in zip(cells, odd, strict=True)]
    prefix = list(itertools.accumulate(placed, initial=np.zeros_like(cells[0])))
    yield _mix(prefix[-1], salt)
    yield _mix(np.sum([_mix(cell, salt) for cell in cells], axis=0, dtype=np.uint64), _salt_word(key, "bag"))
    if d > _MOST_LEFT_OUT:
        return
    # without column j, the columns after it move one place to the left
    suffix = np.zeros_like(cells[0])
    for j in range(d - 1, -1, -1):
        yield _mix(prefix[j] + suffix, salt)
        if j:
            suffix = suffix + cells[j] * np.uint64(odd[j - 1])


class _Half:
    """Tokens of whole rows, numbers with the 11 significant bits of float16: the tuple, and a bag without positions."""

    def __init__(self, n: int, key: bytes) -> None:
        self._key, self._salt = key, _salt_word(key, "half")
        self._placed, self._bag = np.zeros((2, n), dtype=np.uint64)

    def add(self, j: int, column: _Column) -> None:
        """Add the j-th column."""
        odd, salt = np.uint64((_word(self._key, f"joint/{j}") | 1) & _WRAP), _salt_word(self._key, "value")
        for start in range(0, column.n, _BLOCK):
            rows = slice(start, start + _BLOCK)
            word = column.tokens(rows, salt) if column.is_text else column.words(rows, 24 - 11)
            cell = _mix(word, self._salt)
            self._bag[rows] += cell
            self._placed[rows] += cell * odd

    def tokens(self, rows: _Rows) -> Iterator[UInt64]:
        """The tokens of some rows."""
        yield _mix(self._placed[rows], self._salt)
        yield _mix(self._bag[rows], self._salt)


def _mix(words: UInt64, salt: np.uint64) -> UInt64:
    """Keyed finaliser of splitmix64 (Steele, Lea and Flood 2014): equal words, equal tokens, everything else apart."""
    z = words + salt
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = (z ^ (z >> np.uint64(31))) ^ salt
    z = (z ^ (z >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    return z ^ (z >> np.uint64(33))


def _salt(key: bytes, purpose: str) -> bytes:
    return hashlib.blake2b(purpose.encode(), key=hashlib.sha256(key).digest(), digest_size=32).digest()


def _word(key: bytes, purpose: str) -> int:
    return int.from_bytes(_salt(key, purpose)[:8], "little")


def _salt_word(key: bytes, purpose: str) -> np.uint64:
    return np.uint64(_word(key, purpose))
