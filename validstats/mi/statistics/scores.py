"""Normal scores of mid-ranks and one canonical order of rows, coordinates and sides."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from validstats._typing import Float1D, Float2D, Int1D, Int2D

__all__ = [
    "CanonicalScores",
    "break_common_ties",
    "canonical_scores",
    "doubled_ranks",
    "has_common_ties",
    "keyed_order",
    "normal_scores",
    "readable_scores",
    "row_hashes",
    "row_labels",
    "shuffle_rows",
    "side_labels",
]

TOLERATED_TIES = 0.02
"""Share of repeated values, on both sides, above which ties are broken."""

UInt64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class CanonicalScores:
    """Both sides as normal scores in an order that depends on the content alone.

    Attributes
    ----------
    first, second : ndarray of shape (n, dim)
        Standardised normal scores of the two sides; the side of lower dimension comes first.
    ranks_first, ranks_second : ndarray of int64 of shape (n, dim)
        Twice the mid-rank minus (n + 1), the same order.
    swapped : bool
        Whether ``first`` is Y.
    dropped : int
        Number of coordinates left out because they were constant or repeated another one.
    rows : ndarray of int64 of shape (n,)
        Where each row stood in the data as they were passed.
    """

    first: Float2D
    second: Float2D
    ranks_first: Int2D
    ranks_second: Int2D
    swapped: bool
    dropped: int
    rows: Int1D

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.first.shape[0])


def doubled_ranks(side: Float2D) -> Int2D:
    """Return twice the mid-rank minus (n + 1) of each value in its column: integers, odd under reflection.

    Examples
    --------
    >>> import numpy as np
    >>> doubled_ranks(np.array([[3.0], [1.0], [3.0], [9.0]])).ravel()
    array([ 0, -3,  0,  3])
    """
    n, dim = side.shape
    out = np.empty((n, dim), dtype=np.int64)
    plain = 2 * np.arange(1, n + 1) - (n + 1)
    for j in range(dim):
        column = np.ascontiguousarray(side[:, j])
        order = np.argsort(column)
        ordered = column[order]
        new = ordered[1:] != ordered[:-1]
        if new.all():
            out[order, j] = plain
            continue
        starts = np.flatnonzero(np.concatenate([[True], new]))
        stops = np.append(starts[1:], n)
        out[order, j] = np.repeat(starts + 1 + stops - (n + 1), stops - starts)
    return out


def normal_scores(ranks: Int2D) -> Float2D:
    """Return standardised normal scores of doubled, centred mid-ranks; reflections change only the sign.

    Parameters
    ----------
    ranks : ndarray of int64 of shape (n, dim)
        Output of :func:`doubled_ranks`.

    Returns
    -------
    ndarray of shape (n, dim)
        Columns with mean 0 and mean square 1; a constant column gives zeros.
    """
    n = ranks.shape[0]
    table = ndtri(0.5 + np.arange(n) / (2.0 * n))
    scores = np.sign(ranks) * table[np.abs(ranks)]
    scores -= scores.mean(axis=0)
    scale = np.sqrt(np.mean(scores**2, axis=0))
    return scores / np.where(scale > 0, scale, 1.0)


def _mix(values: UInt64) -> UInt64:
    # Finaliser of SplitMix64: a bijection of 64-bit numbers without visible structure.
    z = values + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True)
class ContentKeys:
    """Hashes of rows, columns and sides that do not depend on any order.

    Attributes
    ----------
    rows : ndarray of uint64 of shape (n,)
        One number for each row.
    columns : tuple of ndarray of uint64
        One number for each column, by side.
    sides : tuple of int
        One number for each side.
    """

    rows: UInt64
    columns: tuple[UInt64, ...]
    sides: tuple[int, ...]

    @property
    def distinct(self) -> bool:
        """Whether no two rows, no two columns of a side and not the two sides share a number."""
        parts = (self.rows, *self.columns)
        return all(len(np.unique(part)) == len(part) for part in parts) and self.sides[0] != self.sides[1]


def content_keys(sides: list[UInt64]) -> ContentKeys:
    """Hash rows, then columns by the rows they meet, then rows again by the columns they meet."""
    inner = [_mix(side) for side in sides]
    rows = _mix(np.sum([part.sum(axis=1, dtype=np.uint64) for part in inner], axis=0, dtype=np.uint64))
    columns = [_mix(_mix(part + rows[:, None]).sum(axis=0, dtype=np.uint64)) for part in inner]
    whole = [_mix(keys.sum(keepdims=True, dtype=np.uint64)) for keys in columns]
    columns = [_mix(keys + side) for keys, side in zip(columns, whole, strict=True)]
    parts = [
        _mix(part + keys).sum(axis=1, dtype=np.uint64) for part, keys in zip(inner, columns, strict=True)
    ]
    return ContentKeys(
        np.sum(parts, axis=0, dtype=np.uint64), tuple(columns), tuple(int(key[0]) for key in whole)
    )


def informative_columns(ranks: Int2D) -> npt.NDArray[np.int64]:
    """Return the columns that are neither constant nor copies (or reflections) of an earlier one."""
    digests = (
        _mix(np.abs(ranks).astype(np.uint64)) * _mix(np.arange(ranks.shape[0], dtype=np.uint64))[:, None]
    )
    keys = digests.sum(axis=0, dtype=np.uint64)
    kept: list[int] = []
    seen: dict[int, list[int]] = {}
    for j, key in enumerate(keys.tolist()):
        if not ranks[:, j].any():
            continue
        twins = seen.setdefault(key, [])
        copies = (np.array_equal(ranks[:, i], sign * ranks[:, j]) for i in twins for sign in (1, -1))
        if any(copies):
            continue
        twins.append(j)
        kept.append(j)
    return np.array(kept, dtype=np.int64)


def canonical_scores(x: Float2D, y: Float2D) -> CanonicalScores:
    """Turn (X, Y) into normal scores in canonical order.

    The result is the same, bit by bit, for any order of the rows, any order of the coordinates within a side, after
    swapping the sides, and after any strictly increasing map of a coordinate that keeps its values distinct.
    Reflected coordinates change sign and nothing else. Constant and repeated coordinates are left out.

    Parameters
    ----------
    x, y : ndarray of shape (n, dim_x) and (n, dim_y)
        Finite values, n at least 2.

    Returns
    -------
    CanonicalScores
        Scores and ranks of the two sides.

    Raises
    ------
    ValueError
        If a side has only constant coordinates.
    """
    ranks = [doubled_ranks(x), doubled_ranks(y)]
    dims = sum(side.shape[1] for side in ranks)
    ranks = [side[:, informative_columns(side)] for side in ranks]
    for name, side in zip(("X", "Y"), ranks, strict=True):
        if side.shape[1] == 0:
            raise ValueError(
                f"Every coordinate of {name} is constant, so the mutual information is 0 by definition."
            )
    even = content_keys([np.abs(side).astype(np.uint64) for side in ranks])
    odd = (
        even
        if even.distinct
        else content_keys([(side + np.int64(1 << 40)).astype(np.uint64) for side in ranks])
    )
    order = np.lexsort((odd.rows, even.rows))
    columns = [np.lexsort((b, a)) for a, b in zip(even.columns, odd.columns, strict=True)]
    ranks = [side[order][:, chosen] for side, chosen in zip(ranks, columns, strict=True)]
    keys = [(side.shape[1], even.sides[i], odd.sides[i]) for i, side in enumerate(ranks)]
    swapped = keys[1] < keys[0]
    first, second = (ranks[1], ranks[0]) if swapped else (ranks[0], ranks[1])
    dropped = dims - first.shape[1] - second.shape[1]
    return CanonicalScores(
        normal_scores(first), normal_scores(second), first, second, swapped, dropped, order.astype(np.int64)
    )


def keyed_order(x: Float2D, y: Float2D) -> Int1D:
    """Order of the rows that acts like a random one: by a hash of the ranks in the row and of its number among equal rows.

    The same rows in any order give the same sequence of rows, up to equal ones. A hash of the content alone would put equal rows side by
    side, so that the row before would tell what follows.
    """
    keys = content_keys([(doubled_ranks(side) + np.int64(1 << 40)).astype(np.uint64) for side in (x, y)])
    order = np.argsort(keys.rows, kind="stable")
    ordered = keys.rows[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    occurrence = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
    final = _mix(ordered + _mix(occurrence.astype(np.uint64)))
    return order[np.argsort(final, kind="stable")].astype(np.int64)


def row_labels(rows: Float2D) -> Int1D:
    """A number for each row such that equal rows share it; different ones do so with probability about n^2 / 2^65."""
    return np.unique(row_hashes(rows), return_inverse=True)[1].astype(np.int64)


def row_hashes(rows: Float2D) -> UInt64:
    """A 64-bit hash of the values of each row."""
    bits = np.ascontiguousarray(rows + 0.0).view(np.uint64)
    places = _mix(np.arange(rows.shape[1], dtype=np.uint64)) | np.uint64(1)
    return np.asarray((_mix(bits) * places).sum(axis=1, dtype=np.uint64))


def side_labels(ranks: Int2D) -> npt.NDArray[np.int64]:
    """Return a number for each row such that equal rows, and no others, share it."""
    if ranks.shape[1] == 1:
        return np.unique(ranks[:, 0], return_inverse=True)[1].astype(np.int64)
    places = _mix(np.arange(ranks.shape[1], dtype=np.uint64)) | np.uint64(1)
    keys = (_mix((ranks + np.int64(1 << 40)).astype(np.uint64)) * places).sum(axis=1, dtype=np.uint64)
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def unique_share(ranks: Int2D) -> Float1D:
    """Return the share of distinct values in each column."""
    ordered = np.sort(ranks, axis=0)
    distinct = 1 + (ordered[1:] != ordered[:-1]).sum(axis=0)
    return np.asarray(distinct / ranks.shape[0], dtype=np.float64)


def has_common_ties(scores: CanonicalScores) -> bool:
    """Whether more than 2 % of the values of a coordinate repeat another one, on both sides."""
    shares = (unique_share(scores.ranks_first).min(), unique_share(scores.ranks_second).min())
    return bool(1.0 - max(shares) > TOLERATED_TIES)


def shuffle_rows(scores: CanonicalScores) -> CanonicalScores:
    """Permute the rows at random, the same for all data of one length: equal rows stand together no more."""
    order = np.random.default_rng([20_251_118, scores.n]).permutation(scores.n)
    return replace(
        scores,
        first=scores.first[order],
        second=scores.second[order],
        ranks_first=scores.ranks_first[order],
        ranks_second=scores.ranks_second[order],
        rows=scores.rows[order],
    )


def break_common_ties(scores: CanonicalScores) -> CanonicalScores:
    """Order tied values at random, which changes no mutual information.

    Where ``X' = X + U`` with noise finer than the gaps of X and independent of everything, X is a function of X'
    and U carries nothing about Y; so ``I(X'; Y) = I(X; Y)``, and likewise for Y. Nearest-neighbour statistics read
    a lattice on both sides as dependence otherwise. The draws follow the canonical order, so the result does not
    depend on the order of rows, coordinates or sides; reflections change it.

    Parameters
    ----------
    scores : CanonicalScores
        Both sides with mid-ranks.

    Returns
    -------
    CanonicalScores
        The same rows without ties.
    """
    generator = np.random.default_rng([20_251_119, scores.n])
    broken = []
    for ranks in (scores.ranks_first, scores.ranks_second):
        noise = generator.random(ranks.shape)
        order = [np.argsort(np.lexsort((noise[:, j], ranks[:, j]))) for j in range(ranks.shape[1])]
        broken.append(2 * np.column_stack(order).astype(np.int64) + 1 - scores.n)
    return replace(
        scores,
        first=normal_scores(broken[0]),
        second=normal_scores(broken[1]),
        ranks_first=broken[0],
        ranks_second=broken[1],
    )


def readable_scores(x: Float2D, y: Float2D) -> tuple[CanonicalScores, CanonicalScores, bool]:
    """Return scores in canonical order, without ties where both sides have many.

    Parameters
    ----------
    x, y : ndarray of shape (n, dim_x) and (n, dim_y)
        Finite values, n at least 2.

    Returns
    -------
    scores, tied : CanonicalScores
        Scores to measure distances with, and, row by row the same, those with mid-ranks.
    broken : bool
        Whether the two differ.
    """
    tied = canonical_scores(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    if not has_common_ties(tied):
        return tied, tied, False
    tied = shuffle_rows(tied)
    return break_common_ties(tied), tied, True
