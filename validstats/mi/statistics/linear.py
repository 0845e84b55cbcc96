"""Statistics of second order: correlations of normal scores and of their Hermite polynomials, by matrix algebra."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dtrtrs
from scipy.optimize import linear_sum_assignment
from scipy.special import ndtri, psi

from validstats._typing import Float1D, Float2D, Int1D, Int2D

__all__ = [
    "CanonicalScores",
    "LinearParts",
    "break_common_ties",
    "canonical_scores",
    "cross_fitted_information",
    "doubled_ranks",
    "gaussian_bias",
    "has_common_ties",
    "keyed_order",
    "linear_parts",
    "linear_statistics",
    "normal_scores",
    "readable_scores",
    "row_hashes",
    "equal_row_codes",
    "second_order_statistics",
    "shuffle_rows",
    "side_labels",
]


LIMIT = 1.0 - 1e-9


@dataclass(frozen=True)
class LinearParts:
    """Matrices that several groups of statistics share."""

    white_x: Float2D  # white_x, white_y: Whitened scores of each side
    white_y: Float2D
    variates_x: Float2D  # variates_x, variates_y: The first canonical variates, at most three
    variates_y: Float2D
    canonical: Float1D  # Canonical correlations under shrinkage, decreasing
    cross: Float2D  # Correlations of the scores
    strength: Float2D  # Sum of squared correlations over the Hermite polynomials
    # squares_cross, mixed_cross, cubes_cross: Correlations of second with second, (largest of) first with
    # second, and third with third polynomials
    squares_cross: Float2D
    mixed_cross: Float2D
    cubes_cross: Float2D
    squares_x: Float2D  # squares_x, squares_y: Second Hermite polynomials of the scores, standardised
    squares_y: Float2D
    matched_x: np.ndarray  # matched_x, matched_y: Pairs of coordinates in decreasing order of strength
    matched_y: np.ndarray
    # explained_x, explained_y: Squared multiple correlation of each coordinate with the other side
    explained_x: Float1D
    explained_y: Float1D
    # within_x, within_y: Squared multiple correlation of each coordinate with the rest of its own side
    within_x: Float1D
    within_y: Float1D
    values: dict[str, float]  # Scalar statistics found on the way


def gaussian_terms(rho: Float1D) -> Float1D:
    """Return -log(1 - rho^2) / 2 for each correlation."""
    return -0.5 * np.log1p(-np.minimum(np.square(rho), LIMIT))


def gaussian_bias(n: int, dim_x: int, dim_y: int) -> float:
    """Return the bias of the plug-in Gaussian mutual information (0 where n is not above dim_x + dim_y + 1)."""
    if n <= dim_x + dim_y + 1:
        return 0.0

    def expected(dim: int) -> float:
        return float(np.sum(psi((n - np.arange(1, dim + 1)) / 2.0)) - dim * np.log((n - 1) / 2.0))

    return 0.5 * (expected(dim_x) + expected(dim_y) - expected(dim_x + dim_y))


def whitening_root(correlation: Float2D, shrinkage: float) -> Float2D:
    """Return the lower Cholesky root of a correlation matrix shrunk towards the identity."""
    dim = correlation.shape[0]
    return np.asarray(
        np.linalg.cholesky((1 - shrinkage) * correlation + (shrinkage + 1e-10) * np.eye(dim)),
        dtype=np.float64,
    )


# LAPACK itself: scipy's checks of a matrix take ten times longer than solving a small one.
def solve_lower(root: Float2D, right: Float2D) -> Float2D:
    """Solve root z = right for a lower triangle, by rows or by columns in memory."""
    if root.flags.f_contiguous:
        return np.asarray(dtrtrs(root, right, lower=1)[0])
    return np.asarray(dtrtrs(root.T, right, lower=0, trans=1)[0])


def solve_transposed(root: Float2D, right: Float2D) -> Float2D:
    """Solve root' z = right for a lower triangle, by rows or by columns in memory."""
    if root.flags.c_contiguous:
        return np.asarray(dtrtrs(root.T, right, lower=0)[0])
    return np.asarray(dtrtrs(root, right, lower=1, trans=1)[0])


def whitened_cross(root_x: Float2D, root_y: Float2D, cross: Float2D) -> Float2D:
    """Return the cross correlation after whitening both sides."""
    half = solve_lower(root_x, cross)
    return solve_lower(root_y, half.T).T


def standardised_squares(z: Float2D) -> Float2D:
    """Return second Hermite polynomials of scores, centred and scaled by column."""
    return _standardised(z**2 - 1.0)


def standardised_cubes(z: Float2D) -> Float2D:
    """Return third Hermite polynomials of scores, centred and scaled by column."""
    return _standardised(z**3 - 3.0 * z)


def _standardised(values: Float2D) -> Float2D:
    values = values - values.mean(axis=0)
    scale = np.sqrt(np.mean(values**2, axis=0))
    return np.asarray(values / np.where(scale > 1e-9, scale, 1.0))


def cross_fitted_information(x: Float2D, y: Float2D, shrinkage: float, rank: int) -> float:
    """Estimate the Gaussian mutual information by canonical directions of one half, judged on the other half."""
    middle = x.shape[0] // 2
    halves = ((slice(None, middle), slice(middle, None)), (slice(middle, None), slice(None, middle)))
    total = 0.0
    for train, test in halves:
        a, b = x[train], y[train]
        m = a.shape[0]
        root_x = whitening_root(a.T @ a / m, shrinkage)
        root_y = whitening_root(b.T @ b / m, shrinkage)
        left, _, right = np.linalg.svd(whitened_cross(root_x, root_y, a.T @ b / m), full_matrices=False)
        u = x[test] @ solve_transposed(root_x, left[:, :rank])
        v = y[test] @ solve_transposed(root_y, right[:rank].T)
        u, v = u - u.mean(axis=0), v - v.mean(axis=0)
        scale = np.sqrt(np.sum(u**2, axis=0) * np.sum(v**2, axis=0))
        rho = np.sum(u * v, axis=0) / np.where(scale > 0, scale, 1.0)
        total += 0.5 * float(np.sum(gaussian_terms(np.maximum(rho, 0.0))))
    return total


def linear_parts(x: Float2D, y: Float2D) -> LinearParts:
    """Compute correlations, whitened sides, canonical variates and the matching of coordinates."""
    n, dim_x = x.shape
    dim_y = y.shape[1]
    corr_x, corr_y, cross = x.T @ x / n, y.T @ y / n, x.T @ y / n
    shrinkage = (dim_x + dim_y) / (n + dim_x + dim_y)
    root_x, root_y = whitening_root(corr_x, shrinkage), whitening_root(corr_y, shrinkage)
    whitened = whitened_cross(root_x, root_y, cross) * (1 - shrinkage)
    left, canonical, right = np.linalg.svd(whitened, full_matrices=False)
    rank = min(3, dim_x, dim_y)
    white_x = solve_lower(root_x, x.T).T
    white_y = solve_lower(root_y, y.T).T
    x2, y2 = standardised_squares(x), standardised_squares(y)
    squares, cubes = x2.T @ y2 / n, standardised_cubes(x).T @ standardised_cubes(y) / n
    mixed = np.maximum(np.abs(x.T @ y2), np.abs(x2.T @ y)) / n
    strength = cross**2 + squares**2 + mixed**2 + 0.5 * cubes**2
    rows, columns = linear_sum_assignment(strength, maximize=True)
    order = np.argsort(-strength[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    values = _determinants(corr_x, corr_y, cross, n)
    values.update(_second_order(x2, y2, corr_x, corr_y, cross, squares, n))
    return LinearParts(
        white_x=np.ascontiguousarray(white_x),
        white_y=np.ascontiguousarray(white_y),
        variates_x=np.ascontiguousarray(white_x @ left[:, :rank]),
        variates_y=np.ascontiguousarray(white_y @ right[:rank].T),
        canonical=np.minimum(canonical, np.sqrt(LIMIT)),
        cross=cross,
        strength=strength,
        squares_cross=squares,
        mixed_cross=mixed,
        cubes_cross=cubes,
        squares_x=x2,
        squares_y=y2,
        matched_x=rows,
        matched_y=columns,
        explained_x=np.sum(solve_lower(root_y, cross.T) ** 2, axis=0),
        explained_y=np.sum(solve_lower(root_x, cross) ** 2, axis=0),
        within_x=_within(root_x),
        within_y=_within(root_y),
        values=values,
    )


def _within(root: Float2D) -> Float1D:
    inverse = solve_lower(root, np.eye(root.shape[0]))
    return np.clip(1.0 - 1.0 / np.maximum(np.sum(inverse**2, axis=0), 1.0), 0.0, 1.0)


def _log_determinant(matrix: Float2D, shrinkage: float) -> float:
    return float(2 * np.sum(np.log(np.diag(whitening_root(matrix, shrinkage)))))


def _determinants(corr_x: Float2D, corr_y: Float2D, cross: Float2D, n: int) -> dict[str, float]:
    dim_x, dim_y = cross.shape
    joint = np.block([[corr_x, cross], [cross.T, corr_y]])
    dim = dim_x + dim_y
    out: dict[str, float] = {}
    for name, shrinkage in (
        ("plain", 1e-7 if n > dim + 1 else 0.5),
        ("ridge", dim / (n + dim)),
        ("strong", 0.3),
    ):
        parts = (_log_determinant(corr_x, shrinkage), _log_determinant(corr_y, shrinkage))
        out[f"gauss_{name}"] = 0.5 * (sum(parts) - _log_determinant(joint, shrinkage))
        if name == "ridge":
            low, high = sorted((parts[0] / dim_x, parts[1] / dim_y))
            out["within_low"], out["within_high"] = low, high
    out["gauss_corrected"] = out["gauss_plain"] - gaussian_bias(n, dim_x, dim_y)
    return out


def _second_order(
    x2: Float2D, y2: Float2D, corr_x: Float2D, corr_y: Float2D, cross: Float2D, squares: Float2D, n: int
) -> dict[str, float]:
    dim_x, dim_y = cross.shape
    excess_x, excess_y = x2.T @ x2 / n - corr_x**2, y2.T @ y2 / n - corr_y**2
    np.fill_diagonal(excess_x, 0.0)
    np.fill_diagonal(excess_y, 0.0)
    inside = (excess_x.sum() / max(dim_x * (dim_x - 1), 1), excess_y.sum() / max(dim_y * (dim_y - 1), 1))
    return {
        "excess_cross": float(np.mean(squares - cross**2)),
        "excess_cross_max": float(np.max(squares - cross**2)),
        "excess_low": float(min(inside)),
        "excess_high": float(max(inside)),
    }


def linear_statistics(x: Float2D, y: Float2D, parts: LinearParts) -> dict[str, float]:
    """Return the scalar statistics of second order, those that halve the rows among them."""
    return {**second_order_statistics(parts), **_cross_fitted(x, y, parts)}


def second_order_statistics(parts: LinearParts) -> dict[str, float]:
    """Return the scalar statistics of second order that are smooth in the scores."""
    n = parts.white_x.shape[0]
    out = dict(parts.values)
    terms = gaussian_terms(parts.canonical)
    for k in range(4):
        out[f"canonical_{k + 1}"] = float(terms[k]) if k < len(terms) else 0.0
    out["canonical_energy"] = float(np.sum(parts.canonical**2))
    out["canonical_energy_4"] = float(np.sum(parts.canonical**4))
    matched = (parts.matched_x, parts.matched_y)
    for name, matrix in (
        ("cross", parts.cross),
        ("squares", parts.squares_cross),
        ("mixed", parts.mixed_cross),
        ("cubes", parts.cubes_cross),
    ):
        out[f"{name}_matched"] = float(np.sum(gaussian_terms(matrix[matched])))
        out[f"{name}_max"] = float(np.max(np.abs(matrix)))
        out[f"{name}_energy"] = float(np.sum(matrix**2) - matrix.size / n)
    return out


def _crop(side: Float2D, importance: Float1D, limit: int) -> Float2D:
    if side.shape[1] <= limit:
        return side
    return side[:, np.sort(np.argsort(-importance, kind="stable")[:limit])]


def _cross_fitted(x: Float2D, y: Float2D, parts: LinearParts) -> dict[str, float]:
    n = x.shape[0]
    shrinkage = 2.0 * (x.shape[1] + y.shape[1]) / (n + 2.0 * (x.shape[1] + y.shape[1]))
    a = _crop(x, parts.strength.max(axis=1), 12)
    b = _crop(y, parts.strength.max(axis=0), 12)
    a2 = parts.squares_x if a is x else standardised_squares(a)
    b2 = parts.squares_y if b is y else standardised_squares(b)
    both_a, both_b = np.hstack([a, a2]), np.hstack([b, b2])
    wide = 2.0 * (both_a.shape[1] + both_b.shape[1])
    return {
        "folds_linear": cross_fitted_information(x, y, shrinkage, 10),
        "folds_first": cross_fitted_information(x, y, shrinkage, 1),
        "folds_hermite": cross_fitted_information(both_a, both_b, wide / (n + wide), 10),
        "folds_squares": cross_fitted_information(a2, b2, wide / (n + wide), 6),
    }


TOLERATED_TIES = 0.02
"""Share of repeated values, on both sides, above which ties are broken."""

UInt64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class CanonicalScores:
    """Both sides as normal scores in an order that depends on the content alone."""

    # first, second: Standardised normal scores of the two sides; the side of lower dimension comes first
    first: Float2D
    second: Float2D
    ranks_first: Int2D  # ranks_first, ranks_second: Twice the mid-rank minus (n + 1), the same order
    ranks_second: Int2D
    swapped: bool  # Whether ``first`` is Y
    dropped: int  # Number of coordinates left out because they were constant or repeated another one
    rows: Int1D  # Where each row stood in the data as they were passed

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.first.shape[0])


def doubled_ranks(side: Float2D) -> Int2D:
    """Return twice the mid-rank minus (n + 1) of each value in its column: integers, odd under reflection."""
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


@lru_cache(maxsize=4)
def _upper_quantiles(n: int) -> Float1D:
    """Normal quantiles at 1/2, 1/2 + 1/(2n), ..., those of the doubled ranks 0, 1, ..., n - 1."""
    return np.asarray(ndtri(0.5 + np.arange(n) / (2.0 * n)))


def normal_scores(ranks: Int2D) -> Float2D:
    """Return standardised normal scores of doubled, centred mid-ranks; reflections change only the sign."""
    scores = np.sign(ranks) * _upper_quantiles(ranks.shape[0])[np.abs(ranks)]
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
    """Hashes of rows, columns and sides that do not depend on any order."""

    rows: UInt64  # One number for each row
    columns: tuple[UInt64, ...]  # One number for each column, by side
    sides: tuple[int, ...]  # One number for each side

    @property
    def order(self) -> Int1D | None:
        """Order of the rows by their numbers; None where two share one."""
        order = np.argsort(self.rows)
        ordered = self.rows[order]
        return order if (ordered[1:] > ordered[:-1]).all() else None

    @property
    def tell_columns(self) -> bool:
        """Whether no two columns of a side and not the two sides share a number."""
        return (
            all(len(set(part.tolist())) == len(part) for part in self.columns)
            and self.sides[0] != self.sides[1]
        )


_HASHED = 8_192
"""Rows that are hashed at once."""


def _row_blocks(n: int) -> list[slice]:
    return [slice(start, start + _HASHED) for start in range(0, n, _HASHED)]


def _mixed(values: UInt64, blocks: list[slice]) -> UInt64:
    found = np.empty_like(values)
    for rows in blocks:
        found[rows] = _mix(values[rows])
    return found


def content_keys(sides: Iterable[UInt64]) -> ContentKeys:
    """Hash rows, then columns by the rows they meet, then rows again by the columns they meet."""
    # sums wrap around, so that blocks of rows give the same numbers as all rows at once
    inner = [
        _mixed(side, _row_blocks(len(side))) for side in sides
    ]  # sides that are made one by one are not all held
    blocks = _row_blocks(len(inner[0]))
    rows = _mix(np.sum([part.sum(axis=1, dtype=np.uint64) for part in inner], axis=0, dtype=np.uint64))
    met = [[_mix(part[b] + rows[b, None]).sum(axis=0, dtype=np.uint64) for b in blocks] for part in inner]
    columns = [_mix(np.sum(sums, axis=0, dtype=np.uint64)) for sums in met]
    whole = [_mix(keys.sum(keepdims=True, dtype=np.uint64)) for keys in columns]
    columns = [_mix(keys + side) for keys, side in zip(columns, whole, strict=True)]
    parts = [
        np.concatenate([_mix(part[b] + keys).sum(axis=1, dtype=np.uint64) for b in blocks])
        for part, keys in zip(inner, columns, strict=True)
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
    """Turn (X, Y) into normal scores in canonical order."""
    # The result is the same, bit by bit, for any order of the rows, any order of the coordinates within a
    # side, after swapping the sides, and after any strictly increasing map of a coordinate that keeps its
    # values distinct. Reflected coordinates change sign and nothing else. Constant and repeated coordinates
    # are left out.
    ranks = [doubled_ranks(x), doubled_ranks(y)]
    dims = sum(side.shape[1] for side in ranks)
    ranks = [side[:, informative_columns(side)] for side in ranks]
    for name, side in zip(("X", "Y"), ranks, strict=True):
        if side.shape[1] == 0:
            raise ValueError(
                f"Every coordinate of {name} is constant, so the mutual information is 0 by definition."
            )
    even = content_keys([np.abs(side).astype(np.uint64) for side in ranks])
    order, odd = even.order, even
    if order is None or not even.tell_columns:
        odd = content_keys([(side + np.int64(1 << 40)).astype(np.uint64) for side in ranks])
    if order is None:
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


def _rank_words(side: Float2D) -> UInt64:
    """Ranks of the columns of a side as words: 2^40 is added, so that none is negative."""
    ranks = doubled_ranks(side)
    ranks += np.int64(1 << 40)
    return ranks.view(np.uint64)


def keyed_order(x: Float2D, y: Float2D) -> Int1D:
    """Order of the rows that acts like a random one: by a hash of the ranks in the row and of its number among equal rows.

    The same rows in any order give the same sequence of rows, up to equal ones. A hash of the content alone would put equal rows side by
    side, so that the row before would tell what follows.
    """
    keys = content_keys(_rank_words(side) for side in (x, y))
    order = np.argsort(keys.rows, kind="stable")
    ordered = keys.rows[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    occurrence = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
    final = _mix(ordered + _mix(occurrence.astype(np.uint64)))
    return order[np.argsort(final, kind="stable")].astype(np.int64)


def equal_row_codes(rows: Float2D) -> Int1D:
    """A number for each row such that equal rows share it; different ones do so with probability about n^2 / 2^65."""
    return np.unique(row_hashes(rows), return_inverse=True)[1].astype(np.int64)


def row_hashes(rows: Float2D) -> UInt64:
    """A 64-bit hash of the values of each row."""
    places = _mix(np.arange(rows.shape[1], dtype=np.uint64)) | np.uint64(1)
    found = np.empty(len(rows), dtype=np.uint64)
    for block in _row_blocks(len(rows)):
        bits = np.ascontiguousarray(rows[block] + 0.0).view(np.uint64)  # -0 becomes 0
        found[block] = (_mix(bits) * places).sum(axis=1, dtype=np.uint64)
    return found


def side_labels(ranks: Int2D) -> npt.NDArray[np.int64]:
    """Return a number for each row such that equal rows, and no others, share it."""
    if ranks.shape[1] == 1:
        return np.unique(ranks[:, 0], return_inverse=True)[1].astype(np.int64)
    places = _mix(np.arange(ranks.shape[1], dtype=np.uint64)) | np.uint64(1)
    keys = (_mix((ranks + np.int64(1 << 40)).astype(np.uint64)) * places).sum(axis=1, dtype=np.uint64)
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def unique_share(ranks: Int2D) -> Float1D:
    """Return the share of distinct values in each column."""
    n = ranks.shape[0]
    distinct = [np.count_nonzero(np.bincount(column + (n - 1))) for column in ranks.T]
    return np.array(distinct, dtype=np.float64) / n


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
    """Order tied values at random, which changes no mutual information."""
    # Where ``X' = X + U`` with noise finer than the gaps of X and independent of everything, X is a function
    # of X' and U carries nothing about Y; so ``I(X'; Y) = I(X; Y)``, and likewise for Y. Nearest-neighbour
    # statistics read a lattice on both sides as dependence otherwise. The draws follow the canonical order,
    # so the result does not depend on the order of rows, coordinates or sides; reflections change it.
    n = scores.n
    generator = np.random.default_rng([20_251_119, n])
    broken = []
    for ranks in (scores.ranks_first, scores.ranks_second):
        noise, ordered = generator.random(ranks.shape), np.array(ranks, order="C")
        for j, column in enumerate(ranks.T):
            if np.bincount(column + (n - 1)).max() > 1:  # without ties ranks are what they were
                ordered[np.lexsort((noise[:, j], column)), j] = 2 * np.arange(n) + 1 - n
        broken.append(ordered)
    return replace(
        scores,
        first=normal_scores(broken[0]),
        second=normal_scores(broken[1]),
        ranks_first=broken[0],
        ranks_second=broken[1],
    )


def readable_scores(x: Float2D, y: Float2D) -> tuple[CanonicalScores, CanonicalScores, bool]:
    """Return scores in canonical order, without ties where both sides have many."""
    tied = canonical_scores(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    if not has_common_ties(tied):
        return tied, tied, False
    tied = shuffle_rows(tied)
    return break_common_ties(tied), tied, True
