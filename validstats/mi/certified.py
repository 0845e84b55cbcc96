"""A lower bound of mutual information that holds for every law, from predictions of levels row by row.

One side is cut into levels R, and its level in each row is predicted from the other side by tables q that only earlier rows have
shaped. The mean of log q(R | X) / p(R) is at most I(X; R) <= I(X; Y), whatever the law; a supermartingale of bounded increments turns
the observed mean into a bound, with the law p of the levels known only through its counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import beta, norm, rankdata

from validstats._typing import Float1D, Float2D, FloatND, Int1D, Int2D
from validstats.mi.anchors import (
    forest_means,
    forest_shares,
    midranks,
    offered_columns,
    reduce_predictions,
    side_targets,
)
from validstats.mi.sides import Side, network_columns
from validstats.mi.statistics import keyed_order
from validstats.results import NotApplicable
from validstats.runtime import one_thread

__all__ = [
    "NOT_ASKED",
    "LowerBound",
    "Predictions",
    "certified_bound",
    "certify_sides",
    "is_quick",
    "lower_bound",
    "predict_rows",
    "serial_reason",
]

FIRST_SHARES = (0.4, 0.3)
"""Share of the rows, up to 2,000 and above, that choose direction, levels and tuning, and that the bound itself does not count."""
FEWEST_ROWS = 60
FLOORS = (0.02, 0.05, 0.1, 0.2)
"""Shares of the reference law in every predicted table, so that log q is bounded: one is chosen on the first rows."""
BETS = np.linspace(0.05, 0.8, 26)
"""Sizes of the bet as shares of the largest that the increments allow: one is chosen on the first rows."""
CORRECTION_SHARE = 0.1
"""Share of the error level that pays for not knowing the law of the levels."""
MOST_LEVELS = 24
LEAVES = (5, 25)
BINS, SMOOTHING = (4, 8), 8.0
"""Bins of a column in tables of single columns, and rows of the average law that are added to each level."""
TREES = 16
REFITS = (0.0, 0.25, 0.6)
"""Shares of the counted rows after which the predictions are fitted again, on all rows before."""
FOLDS = 4
VALIDATED = 1_600
"""Parts of the first rows that are predicted from the others to compare the ways to cut a side: all up to 400 first rows, then fewer."""
MOST_COLUMNS = 12
MOST_CROSSED, MOST_CELLS_CROSSED = 6, 64
"""Columns of a side whose levels are combined, and combinations."""
GRID = 401


@dataclass(frozen=True)
class Predictions:
    """Levels and their predictions for the rows that the bound counts."""

    levels: Int1D  # Level of each row
    log_ratios: Float1D  # log q_t(R_t | X_t) / pi(R_t)
    reference: Float1D  # The reference law pi, positive, from the first rows
    floor: float  # Share of the reference law in every table, from the first rows
    theta: float  # Size of the bet, from the first rows
    direction: str  # "x" where the levels are those of X, else "y"


# --- the bound --------------------------------------------------------------------------------------------


def lower_bound(predictions: Predictions, alpha: float) -> float:
    """Largest mu such that every smaller mutual information is refuted at level alpha; at least 0.

    With z_t = log q_t / p-hat and G(mu) = theta sum(z_t - mu) - psi sum(z_t - mu)^2 + what the law of the levels may differ from
    its counts, P(I >= L) >= 1 - alpha for L = sup{mu: G(0..mu) >= log 1/a1}: exp(l xi + (log(1-l) + l) xi^2) <= 1 + l xi
    for xi >= -1 (Fan, Grama, Liu 2015, arXiv 1311.6273) makes exp(S) a supermartingale, Ville's inequality bounds it, and G <= S where
    the Clopper-Pearson limits of all levels hold.
    """
    bound = _bound_function(predictions, alpha)
    if bound is None:
        return 0.0
    gain, threshold = bound
    if gain(0.0) < threshold:
        return 0.0
    low, high = 0.0, float(np.log(len(predictions.reference)))
    if gain(high) >= threshold:
        return high
    # G is concave and G(0) is above the threshold: one crossing.
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gain(middle) >= threshold else (low, middle)
    return low


def _bound_function(predictions: Predictions, alpha: float) -> tuple[Callable[[float], float], float] | None:
    """The function G and the threshold log 1/a1; None where the bet is too large for the increments."""
    levels, reference, theta = predictions.levels, predictions.reference, predictions.theta
    m, count = len(levels), len(reference)
    split = CORRECTION_SHARE * alpha
    counts = np.bincount(levels, minlength=count)
    shares = counts / m
    side = split / (2 * count)
    # Clopper-Pearson limits of each level's probability.
    upper = np.where(counts < m, beta.isf(side, counts + 1, np.maximum(m - counts, 1)), 1.0)
    lower = np.where(counts > 0, beta.ppf(side, np.maximum(counts, 1), m - counts + 1), 0.0)
    b = np.log(1 / predictions.floor) + max(float(np.log(upper / reference).max()), 0.0) + np.log(count)
    if theta * b >= 0.95:
        return None
    psi = float(_variance_price(np.asarray(theta), b))
    seen = counts > 0
    ratio = np.log(shares[seen] / reference[seen])
    number = np.cumsum(seen) - 1
    z = predictions.log_ratios - ratio[number[levels]]
    means = np.bincount(number[levels], z) / counts[seen]
    reach = np.maximum(np.log(upper[seen] / shares[seen]), np.log(shares[seen] / lower[seen]))
    e = reach[:, None] * np.linspace(-1.0, 1.0, GRID)
    bent, square, twice = theta * (np.exp(-e) - 1 + e), e**2, 2 * e
    # Between two points of the grid the least value is lower by at most the second derivative times h^2 / 8.
    steps = 2 * reach / (GRID - 1)
    slack = (theta * np.exp(reach) + 2 * psi) * steps**2 / 8
    total, squares = float(z.sum()), float((z**2).sum())

    def gain(mu: float) -> float:
        of_levels = bent - psi * (square + twice * (means[:, None] - mu))
        rest = float(counts[seen] @ (of_levels.min(axis=1) - slack))
        return theta * (total - m * mu) - psi * (squares - 2 * mu * total + m * mu**2) + rest

    return gain, float(np.log(1 / (alpha - split)))


def _variance_price(theta: FloatND, b: float) -> FloatND:
    return np.asarray((-np.log1p(-theta * b) - theta * b) / b**2)


def _forecast(
    ratios: Float1D, reference: Float1D, n_first: int, m: int, alpha: float
) -> tuple[float, float, float]:
    """Bound to expect, and the floor and the size of the bet that give it, from likelihood ratios q/pi of first rows.

    The bound solves theta (zbar - mu) - psi (var + (zbar - mu)^2) = log(1/a1) / m, a quadratic equation in zbar - mu.
    """
    # What Clopper-Pearson limits will add to a level, two standard errors of its share allowed for.
    counts = m * reference + 2 * np.sqrt(m * reference * (1 + m / n_first))
    side = CORRECTION_SHARE * alpha / (2 * len(reference))
    upper = np.where(counts < m, beta.isf(side, counts + 1, np.maximum(m - counts, 1e-9)), 1.0)
    price = np.log(1 / ((1 - CORRECTION_SHARE) * alpha)) / m
    best = -np.inf, FLOORS[0], 0.0
    for floor in FLOORS:
        z = np.log((1 - floor) * ratios + floor)
        b = np.log(1 / floor) + max(float(np.log(upper / reference).max()), 0.0) + np.log(len(reference))
        theta = BETS / b
        psi = _variance_price(theta, b)
        room = theta**2 - 4 * psi * (psi * z.var() + price)
        distance = np.where(room >= 0, (theta - np.sqrt(np.maximum(room, 0.0))) / (2 * psi), np.inf)
        # Where no size reaches the threshold, the one that comes nearest.
        distance = np.where(np.isfinite(distance), distance, (psi * z.var() + price) / theta + b)
        k = int(np.argmin(distance))
        value = float(z.mean() - distance[k] - 0.5 * z.std() / np.sqrt(len(z)))
        if value > best[0]:
            best = value, floor, float(theta[k])
    return best


# --- predictions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Levels:
    """How a side is cut: the level of every row, the number of levels, and cuts on a normal scale where they are ordered."""

    codes: Int1D
    count: int
    scores: Float1D | None = None
    cuts: Float1D | None = None
    # Levels of single columns, of which these are all combinations, the last running fastest
    parts: tuple[_Levels, ...] = ()

    def rows(self, order: Int1D) -> _Levels:
        """Some of the rows, in an order."""
        scores = None if self.scores is None else self.scores[order]
        return replace(
            self, codes=self.codes[order], scores=scores, parts=tuple(p.rows(order) for p in self.parts)
        )


def first_row_scores(columns: Float2D, n_first: int) -> Float2D:
    """Normal scores of the columns by their place among the first rows: a fixed map for all later rows."""
    out = np.empty(columns.shape)
    for j in range(columns.shape[1]):
        known = np.sort(columns[:n_first, j])
        below = np.searchsorted(known, columns[:, j], side="left")
        upto = np.searchsorted(known, columns[:, j], side="right")
        out[:, j] = ndtri((0.5 * (below + upto) + 0.5) / (n_first + 1.0))
    return out


def _quantile_levels(values: Float1D, n_first: int, count: int) -> _Levels:
    cuts = np.unique(np.quantile(values[:n_first], np.arange(1, count) / count))
    codes = np.searchsorted(cuts, values, side="left").astype(np.int64)
    scores = first_row_scores(values[:, None], n_first)[:, 0]
    edges = ndtri((np.searchsorted(np.sort(values[:n_first]), cuts, side="right") + 0.5) / (n_first + 1.0))
    return _Levels(codes, len(cuts) + 1, scores, edges)


def _code_levels(codes: Int1D, n_first: int) -> _Levels:
    """The most frequent levels of the first rows, and one for all others."""
    found, counts = np.unique(codes[:n_first], return_counts=True)
    kept = found[np.argsort(-counts, kind="stable")][: MOST_LEVELS - 1]
    place = np.searchsorted(np.sort(kept), codes)
    known = np.isin(codes, kept)
    return _Levels(np.where(known, place, len(kept)).astype(np.int64), len(kept) + 1)


def _summary(columns: Float2D, others: Float2D, n_first: int) -> Float1D:
    """One column that says most of the other side, by trees and a regression on the first rows alone."""
    targets = side_targets(others[:n_first])
    padded = np.vstack([targets, np.zeros((len(columns) - n_first, targets.shape[1]))])
    predictions = forest_means(offered_columns(columns), padded, n_first, n_trees=TREES)
    first = predictions[:n_first]
    direction = np.linalg.lstsq(
        first - first.mean(axis=0), reduce_predictions(first, targets, 1)[:, 0], rcond=None
    )[0]
    return np.asarray((predictions - first.mean(axis=0)) @ direction)


def _screen(columns: Float2D, levels: _Levels, n_first: int) -> Int1D:
    """Columns with the largest chi-squares against the level in the first rows, at most a dozen."""
    if columns.shape[1] <= MOST_COLUMNS:
        return np.arange(columns.shape[1])
    bins = 4 if n_first >= 100 else 3
    strength = np.empty(columns.shape[1])
    codes = np.eye(levels.count)[levels.codes[:n_first]]
    expected_codes = codes.sum(axis=0)
    for j in range(columns.shape[1]):
        ranks = rankdata(columns[:n_first, j], method="min") - 1
        cells = np.eye(bins)[(ranks * bins // n_first).astype(np.int64)]
        expected = np.outer(cells.sum(axis=0), expected_codes) / n_first
        strength[j] = ((cells.T @ codes - expected) ** 2 / np.maximum(expected, 1e-9)).sum()
    return np.sort(np.argsort(-strength, kind="stable")[:MOST_COLUMNS])


def _expert_tables(columns: Float2D, levels: _Levels, known: int, stop: int) -> list[Float2D]:
    """Tables of each expert for the rows ``known`` to ``stop``, fitted on the rows before ``known``."""
    reference = _reference_law(levels, known)
    offered = offered_columns(columns[:stop])
    tables = [np.tile(reference, (stop - known, 1))]
    parts = levels.parts or (levels,)
    laws = [reference] if not levels.parts else [_reference_law(part, known) for part in parts]
    ends = np.cumsum([p.count for p in parts])
    codes = np.column_stack([p.codes[:known] + end - p.count for p, end in zip(parts, ends, strict=True)])
    for leaf in LEAVES:
        if known >= 4 * leaf:
            means = forest_shares(offered, codes, int(ends[-1]), leaf=leaf, n_trees=TREES)
            # Leaves without a row of the level: as if each held half a row of the reference law.
            smooth = (leaf * means + 0.5 * np.concatenate(laws)) / (leaf + 0.5)
            split = np.split(smooth, ends[:-1], axis=1)
            tables.append(_joint_table(split, laws, reference))
    for bins in BINS:
        cells = np.searchsorted(ndtri(np.arange(1, bins) / bins), columns[:stop].T)
        binned = [_binned_table(cells, p, known, law, bins) for p, law in zip(parts, laws, strict=True)]
        tables.append(_joint_table(binned, laws, reference))
    features = np.hstack([columns[:stop], columns[:stop] ** 2])
    if known > 2 * features.shape[1] + 10:
        logistic = [_logistic_table(features, p, known, law) for p, law in zip(parts, laws, strict=True)]
        tables.append(_joint_table(logistic, laws, reference))
        ordered = [
            _ordered_table(features, p.scores[:known], p.cuts, known)
            for p in parts if p.scores is not None and p.cuts is not None
        ]  # fmt: skip
        if len(ordered) == len(parts):
            tables.append(_joint_table(ordered, laws, reference))
    return tables


def _joint_table(tables: list[Float2D], laws: list[Float1D], reference: Float1D) -> Float2D:
    """Table of all combinations from one of each column: their likelihood ratios times the reference law."""
    if len(tables) == 1:
        return tables[0]
    joint = np.ones((len(tables[0]), 1))
    for table, law in zip(tables, laws, strict=True):
        joint = (joint[:, :, None] * np.maximum(table, 1e-12)[:, None, :] / law).reshape(len(joint), -1)
    joint *= reference
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def _binned_table(cells: Int2D, levels: _Levels, known: int, law: Float1D, bins: int) -> Float2D:
    """Product over columns of p(bin | level) / p(bin): right where columns are independent given the level."""
    codes = levels.codes[:known]
    counts = np.bincount(codes, minlength=levels.count)
    logs = np.repeat(np.log(law)[:, None], cells.shape[1] - known, axis=1)
    for column in cells:
        seen = np.bincount(column[:known], minlength=bins)
        both = np.bincount(codes * bins + column[:known], minlength=levels.count * bins)
        shares = (seen + 0.5) / (known + 0.5 * bins)
        # Every level as if it had held a few more rows, spread as all rows are.
        given = (both.reshape(levels.count, bins) + SMOOTHING * shares) / (counts + SMOOTHING)[:, None]
        logs += np.log(given / shares)[:, column[known:]]
    return _softmax(logs)


def _logistic_table(features: Float2D, levels: _Levels, known: int, reference: Float1D) -> Float2D:
    """Softmax regression with a ridge, a few Newton-like steps from the reference law (Boehning 1992: fixed curvature)."""
    x = np.column_stack([np.ones(len(features)), features])
    train = x[:known]
    target = np.zeros((levels.count, known))
    target[levels.codes[:known], np.arange(known)] = 1.0
    # The curvature of the softmax is at most 1/2 (I - 1/M) X'X: a matrix that is factored once.
    gram = 0.5 * train.T @ train + np.eye(x.shape[1])
    root = np.linalg.inv(gram)
    slopes = np.zeros((x.shape[1], levels.count))
    slopes[0] = np.log(reference)
    for _ in range(40):
        shares = _share_columns(np.ascontiguousarray((train @ slopes).T))
        gradient = train.T @ np.ascontiguousarray((target - shares).T)
        gradient[1:] -= slopes[1:]
        slopes += root @ gradient
    return _softmax(np.ascontiguousarray((x[known:] @ slopes).T))


def _softmax(values: Float2D) -> Float2D:
    """Softmax of each column, as rows."""
    return np.ascontiguousarray(_share_columns(values).T)


def _share_columns(values: Float2D) -> Float2D:
    """Softmax of each column, in place: NumPy goes along rows ten times faster than across them where these are short."""
    values -= values.max(axis=0)
    np.exp(values, out=values)
    values /= _column_sums(values)
    return values


def _column_sums(values: Float2D) -> Float1D:
    """Sums of the columns, added as NumPy adds a row: eight sums side by side, then their sum, then what is left over."""
    count = len(values)
    if count < 8:
        total, left = values[0].copy(), values[1:]
    else:
        eight = values[:8].copy()
        for start in range(8, count - 7, 8):
            eight += values[start : start + 8]
        four = eight[::2] + eight[1::2]
        total, left = (four[0] + four[1]) + (four[2] + four[3]), values[count - count % 8 :]
    for row in left:
        total += row
    return total


def _ordered_table(features: Float2D, scores: Float1D, cuts: Float1D, known: int) -> Float2D:
    """Normal law around a ridge index, cut at the levels."""
    x = np.column_stack([np.ones(len(features)), features])
    train = x[:known]
    gram = train.T @ train + np.eye(x.shape[1])
    slopes = np.linalg.solve(gram, train.T @ scores)
    spread = np.sqrt(np.sum((scores - train @ slopes) ** 2) / max(known - x.shape[1], 1)) + 1e-3
    below = ndtr((cuts[None, :] - (x[known:] @ slopes)[:, None]) / spread)
    edges = np.column_stack([np.zeros(len(below)), below, np.ones(len(below))])
    return np.diff(edges, axis=1)


def _mixed_ratios(
    columns: Float2D, levels: _Levels, starts: list[int], stop: int, reference: Float1D
) -> Float1D:
    """q_t / pi for the rows from the first start on: experts mixed by Bayes weights, refitted at each start."""
    out = []
    weights: Float1D | None = None
    for start, end in zip(starts, [*starts[1:], stop], strict=True):
        tables = _expert_tables(columns, levels, start, end)
        likelihood = np.stack([table[np.arange(end - start), levels.codes[start:end]] for table in tables])
        likelihood = np.maximum(likelihood, 1e-12)
        prior = (
            np.log(np.full(len(tables), 1.0 / len(tables)))
            if weights is None or len(weights) != len(tables)
            else weights
        )
        # Weight of each expert before the row: its prior times its likelihood on the rows before.
        logs = prior[:, None] + np.column_stack(
            [np.zeros(len(tables)), np.cumsum(np.log(likelihood), axis=1)[:, :-1]]
        )
        shares = np.exp(logs - logs.max(axis=0))
        shares /= shares.sum(axis=0)
        mixed = (shares * likelihood).sum(axis=0)
        final = logs[:, -1] + np.log(likelihood[:, -1])
        weights = final - np.logaddexp.reduce(final)
        out.append(mixed / reference[levels.codes[start:end]])
    return np.concatenate(out)


def _validated_ratios(columns: Float2D, levels: _Levels, reference: Float1D) -> Float1D:
    """q / pi of first rows, each predicted from the other parts of the first rows."""
    n_first = len(columns)
    part = np.arange(n_first) * FOLDS // n_first
    out = []
    for fold in range(int(np.clip(VALIDATED // n_first, 1, FOLDS))):
        order = np.concatenate([np.flatnonzero(part != fold), np.flatnonzero(part == fold)])
        known = int((part != fold).sum())
        out.append(_mixed_ratios(columns[order], levels.rows(order), [known], n_first, reference))
    return np.concatenate(out)


def _reference_law(levels: _Levels, rows: int) -> Float1D:
    counts = np.bincount(levels.codes[:rows], minlength=levels.count)
    prior = np.ones(1)
    for part in levels.parts:
        prior = np.outer(prior, _reference_law(part, rows)).ravel()
    if not levels.parts:
        prior = np.full(levels.count, 1.0 / levels.count)
    weight = 0.5 * levels.count
    return np.asarray((counts + weight * prior) / (rows + weight))


@dataclass(frozen=True)
class _Side:
    """One side in keyed order: what predicts, and its codes where it is discrete."""

    columns: Float2D
    scores: Float2D
    codes: Int1D | None


def _side_of(columns: Float2D | None, codes: Int1D | None, n_first: int) -> _Side:
    """A side as it predicts; levels without an order get numbers by how often, then how early, they occur in the first rows."""
    if columns is None:
        assert codes is not None
        found, first, counts = np.unique(codes[:n_first], return_index=True, return_counts=True)
        number = np.full(int(codes.max()) + 1, len(found))
        number[found[np.lexsort((first, -counts))]] = np.arange(len(found))
        columns = number[codes][:, None].astype(np.float64)
    return _Side(columns, first_row_scores(columns, n_first), codes)


def _candidates(side: _Side, other: _Side, n: int, n_first: int) -> list[_Levels]:
    """Ways to cut a side into levels, from the first rows."""
    if side.codes is not None:
        return [_code_levels(side.codes, n_first)]
    counts = sorted({int(np.clip(np.sqrt(n) / d, 3, MOST_LEVELS)) for d in (6, 3)})
    if side.columns.shape[1] == 1:
        return [_quantile_levels(side.columns[:, 0], n_first, count) for count in counts]
    summary = _summary(side.scores, other.scores, n_first)
    out = [_quantile_levels(summary, n_first, count) for count in counts]
    order = _most_dependent(side.scores[:n_first], other.scores[:n_first])
    for width in range(1, min(len(order), MOST_CROSSED) + 1):
        per_column = min(int((n / 12) ** (1 / width)), int(MOST_CELLS_CROSSED ** (1 / width) + 1e-9), 8)
        if per_column < 2:
            break
        parts = tuple(
            _quantile_levels(side.columns[:, j], n_first, per_column) for j in sorted(order[:width])
        )
        if width == 1:
            out.append(parts[0])
            continue
        codes = np.zeros(n, dtype=np.int64)
        for part in parts:
            codes = codes * part.count + part.codes
        out.append(_Levels(codes, int(np.prod([part.count for part in parts])), parts=parts))
    return out


def _most_dependent(columns: Float2D, others: Float2D) -> Int1D:
    """Columns in falling order of their largest chi-square against a column of the other side."""
    bins = 4 if len(columns) >= 100 else 3
    cells = [
        np.eye(bins)[((rankdata(column, method="min") - 1) * bins // len(column)).astype(np.int64)]
        for column in (*columns.T, *others.T)
    ]
    strength = np.zeros(columns.shape[1])
    for j, own in enumerate(cells[: columns.shape[1]]):
        for other in cells[columns.shape[1] :]:
            expected = np.outer(own.sum(axis=0), other.sum(axis=0)) / len(columns)
            strength[j] = max(
                strength[j], float(((own.T @ other - expected) ** 2 / np.maximum(expected, 1e-9)).sum())
            )
    return np.argsort(-strength, kind="stable")


def first_rows(n: int) -> int:
    """Rows that choose how the others are read."""
    return int(FIRST_SHARES[n > 2_000] * n)


def predict_rows(
    x: Float2D | None, y: Float2D | None, codes_x: Int1D | None, codes_y: Int1D | None, alpha: float
) -> Predictions:
    """Predict the levels of one side from the other, row by row, for rows in keyed order; None are levels without an order.

    Direction, levels, reference law and the size of the bet are functions of the first rows alone; every table is a function of
    the rows before it and of its own row of the predicting side.
    """
    known = next(values for values in (x, codes_x) if values is not None)
    n = len(known)
    n_first = first_rows(n)
    sides = [_side_of(columns, codes, n_first) for columns, codes in ((x, codes_x), (y, codes_y))]
    m = n - n_first
    best: tuple[tuple[float, float, float], int, _Levels, Int1D] | None = None
    for target in (0, 1):
        side, other = sides[target], sides[1 - target]
        for levels in _candidates(side, other, n, n_first):
            if levels.count < 2:
                continue
            chosen = _screen(other.scores, levels, n_first)
            reference = _reference_law(levels, n_first)
            ratios = _validated_ratios(other.scores[:n_first, chosen], levels, reference)
            found = _forecast(ratios, reference, n_first, m, alpha)
            if best is None or found[0] > best[0][0]:
                best = found, target, levels, chosen
    assert best is not None
    (_, floor, theta), target, levels, chosen = best
    reference = _reference_law(levels, n_first)
    starts = [n_first + int(share * m) for share in REFITS]
    ratios = _mixed_ratios(sides[1 - target].scores[:, chosen], levels, starts, n, reference)
    log_ratios = np.log((1 - floor) * ratios + floor)
    return Predictions(levels.codes[n_first:], log_ratios, reference, floor, theta, "xy"[target])


def certified_bound(
    x: Float2D | None,
    y: Float2D | None,
    codes_x: Int1D | None,
    codes_y: Int1D | None,
    order: Int1D,
    alpha: float,
) -> float:
    """Certified lower bound in nats of the mutual information of two sides whose rows are independent, read in a keyed order."""
    columns = [None if values is None else values[order] for values in (x, y)]
    codes = [None if values is None else values[order] for values in (codes_x, codes_y)]
    return lower_bound(predict_rows(columns[0], columns[1], codes[0], codes[1], alpha), alpha)


@dataclass(frozen=True)
class LowerBound:
    """A lower bound of mutual information that holds for every law of independent rows."""

    # The bound in the unit of the result it belongs to, rounded down to four decimals; 0 where nothing can be
    # certified, and the reason where rows are not independent draws
    value: float | NotApplicable
    confidence_level: float  # Probability with which the mutual information is at least the bound, one-sided

    def scaled(self, scale: float) -> LowerBound:
        """The bound in another unit, rounded down."""
        if isinstance(self.value, NotApplicable) or scale == 1.0:
            return self
        return LowerBound(float(np.floor(1e4 * self.value * scale) / 1e4), self.confidence_level)

    def clause(self, unit: str) -> str:
        """The bound as the end of a sentence; empty where there is none."""
        if not self.value:
            return ""
        # Rounded down: what is printed must hold too.
        return (
            f"at least {np.floor(100 * float(self.value)) / 100:.2f} {unit} is certified"
            if float(self.value) >= 0.01
            else ""
        )

    def sentence(self, unit: str) -> str:
        """The bound as a sentence of its own."""
        if isinstance(self.value, NotApplicable):
            return f"Not certified: {self.value.reason}."
        if self.value < 0.01:
            return (
                f"Certified: nothing above 0 ({100 * self.confidence_level:g} %, any law, independent rows)."
            )
        floor = np.floor(100 * self.value) / 100
        return f"Certified: at least {floor:.2f} {unit} ({100 * self.confidence_level:g} %, any law, independent rows)."


NOT_ASKED = "the bound was not asked for (certify=True)"
MOST_ROWS, MOST_CELLS = 8_000, 60_000
"""Rows, and rows times columns, up to which the bound costs less than a second and is made without being asked for."""


def is_quick(x: Side, y: Side) -> bool:
    """Whether the bound of two sides costs less than about a second."""
    return x.n_rows <= MOST_ROWS and x.n_rows * (x.n_columns + y.n_columns) <= MOST_CELLS


def certify_sides(x: Side, y: Side, level: float, uncertified: str, exchangeable: bool) -> LowerBound:
    """Certified bound of two sides in their order of rows, or the reason why there is none."""
    reason = uncertified
    if not reason and x.n_rows < FEWEST_ROWS:
        reason = f"the bound needs {FEWEST_ROWS} rows"
    if not reason and (x.is_constant or y.is_constant):
        return LowerBound(0.0, level)
    if not reason and not exchangeable:
        reason = serial_reason(*network_columns(x, y))
    if reason:
        return LowerBound(NotApplicable(reason), level)
    with one_thread():
        order = keyed_order(*network_columns(x, y))
        columns = [None if side.nominal else side.rows for side in (x, y)]
        value = certified_bound(columns[0], columns[1], x.codes, y.codes, order, 1.0 - level)
    return LowerBound(float(np.floor(1e4 * value) / 1e4), level)


# --- conditions -------------------------------------------------------------------------------------------

SERIAL_LEVEL = 0.001


def serial_reason(x: Float2D, y: Float2D) -> str:
    """What in the order of the rows speaks against independent rows; empty where nothing does.

    Dependence of one side alone breaks the bound, so every column of either side is looked at.
    """
    n, columns = len(x), np.hstack([x, y])
    limit = float(norm.isf(SERIAL_LEVEL / 2 / columns.shape[1]))
    for column in columns.T:
        steps = np.diff(column)
        if (steps >= 0).all() or (steps <= 0).all():
            return (
                "a column is sorted, so that the order of the rows says nothing about their independence; if it means nothing, "
                "set exchangeable=True"
            )
        ranks = midranks(column)
        ranks -= ranks.mean()
        # Wald and Wolfowitz (1943): sqrt(n) times the lag-1 autocorrelation of the ranks is about standard normal.
        if abs(float(ranks[1:] @ ranks[:-1]) / float(ranks @ ranks)) * np.sqrt(n) > limit:
            return "neighbouring rows of a column resemble each other, so rows are not independent draws"
    return ""
