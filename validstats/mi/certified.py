"""A lower bound of mutual information that holds for every law, from predictions of levels row by row.

One side is cut into levels R, and its level in each row is predicted from the other side by tables q that only earlier rows have
shaped. The mean of log q(R | X) / p(R) is at most I(X; R) <= I(X; Y), whatever the law; a supermartingale of bounded increments turns
the observed mean into a bound, with the law p of the levels known only through its counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import beta, norm, rankdata

from validstats._typing import Float1D, Float2D, Int1D
from validstats.mi.anchors import (
    forest_means,
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

FIRST_SHARE = 0.3
"""Share of the rows that choose direction, levels and tuning, and that the bound itself does not count."""
FEWEST_ROWS = 60
EPSILON = 0.03
"""Share of the reference law in every predicted table, so that log q is bounded."""
CORRECTION_SHARE = 0.1
"""Share of the error level that pays for not knowing the law of the levels."""
MOST_LEVELS = 24
LEAVES = (5, 25)
TREES = 16
REFITS = (0.3, 0.45, 0.7)
"""Shares of the rows after which the predictions are fitted again, on all rows before."""
MOST_COLUMNS = 12
GRID = 401


@dataclass(frozen=True)
class Predictions:
    """Levels and their predictions for the rows that the bound counts."""

    levels: Int1D  # Level of each row
    log_ratios: Float1D  # log q_t(R_t | X_t) / pi(R_t)
    reference: Float1D  # The reference law pi, positive, from the first rows
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
    b = np.log(1 / EPSILON) + max(float(np.log(upper / reference).max()), 0.0) + np.log(count)
    if theta * b >= 0.95:
        return None
    psi = (-np.log1p(-theta * b) - theta * b) / b**2
    seen = counts > 0
    ratio = np.log(shares[seen] / reference[seen])
    number = np.cumsum(seen) - 1
    z = predictions.log_ratios - ratio[number[levels]]
    means = np.bincount(number[levels], z) / counts[seen]
    reach = np.maximum(np.log(upper[seen] / shares[seen]), np.log(shares[seen] / lower[seen]))
    e = reach[:, None] * np.linspace(-1.0, 1.0, GRID)
    # Between two points of the grid the least value is lower by at most the second derivative times h^2 / 8.
    steps = 2 * reach / (GRID - 1)
    slack = (theta * np.exp(reach) + 2 * psi) * steps**2 / 8
    total, squares = float(z.sum()), float((z**2).sum())

    def gain(mu: float) -> float:
        of_levels = theta * (np.exp(-e) - 1 + e) - psi * (e**2 + 2 * e * (means[:, None] - mu))
        rest = float(counts[seen] @ (of_levels.min(axis=1) - slack))
        return theta * (total - m * mu) - psi * (squares - 2 * mu * total + m * mu**2) + rest

    return gain, float(np.log(1 / (alpha - split)))


# --- predictions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Levels:
    """How a side is cut: the level of every row, the number of levels, and cuts on a normal scale where they are ordered."""

    codes: Int1D
    count: int
    scores: Float1D | None = None
    cuts: Float1D | None = None


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


def _expert_tables(
    columns: Float2D, levels: _Levels, known: int, stop: int, reference: Float1D
) -> list[Float2D]:
    """Tables of each expert for the rows ``known`` to ``stop``, fitted on the rows before ``known``."""
    offered = offered_columns(columns[:stop])
    one_hot = np.zeros((stop, levels.count))
    one_hot[np.arange(known), levels.codes[:known]] = 1.0
    tables = [np.tile(reference, (stop - known, 1))]
    for leaf in LEAVES:
        if known >= 4 * leaf:
            means = forest_means(offered, one_hot, known, leaf=leaf, n_trees=TREES)[known:]
            # Leaves without a row of the level: as if each held half a row of the reference law.
            tables.append((leaf * means + 0.5 * reference) / (leaf + 0.5))
    features = np.hstack([columns[:stop], columns[:stop] ** 2])
    if known > 2 * features.shape[1] + 10:
        tables.append(_logistic_table(features, levels, known, reference))
        if levels.scores is not None and levels.cuts is not None:
            tables.append(_ordered_table(features, levels.scores[:known], levels.cuts, known))
    return tables


def _logistic_table(features: Float2D, levels: _Levels, known: int, reference: Float1D) -> Float2D:
    """Softmax regression with a ridge, a few Newton-like steps from the reference law (Boehning 1992: fixed curvature)."""
    x = np.column_stack([np.ones(len(features)), features])
    train = x[:known]
    target = np.zeros((known, levels.count))
    target[np.arange(known), levels.codes[:known]] = 1.0
    # The curvature of the softmax is at most 1/2 (I - 1/M) X'X: a matrix that is factored once.
    gram = 0.5 * train.T @ train + np.eye(x.shape[1])
    root = np.linalg.inv(gram)
    slopes = np.zeros((x.shape[1], levels.count))
    slopes[0] = np.log(reference)
    for _ in range(40):
        slopes += root @ (
            train.T @ (target - _softmax(train @ slopes)) - np.vstack([np.zeros(levels.count), slopes[1:]])
        )
    return _softmax(x[known:] @ slopes)


def _softmax(values: Float2D) -> Float2D:
    values = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(values / values.sum(axis=1, keepdims=True))


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


def _mixed_log_ratios(
    columns: Float2D, levels: _Levels, starts: list[int], stop: int, reference: Float1D
) -> Float1D:
    """log q_t / pi for the rows from the first start on: experts mixed by Bayes weights, refitted at each start."""
    out = []
    weights: Float1D | None = None
    for start, end in zip(starts, [*starts[1:], stop], strict=True):
        tables = _expert_tables(columns, levels, start, end, reference)
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
        pi = reference[levels.codes[start:end]]
        out.append(np.log((1 - EPSILON) * mixed + EPSILON * pi) - np.log(pi))
    return np.concatenate(out)


def _reference_law(levels: _Levels, rows: int) -> Float1D:
    counts = np.bincount(levels.codes[:rows], minlength=levels.count)
    return np.asarray((counts + 0.5) / (rows + 0.5 * levels.count))


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
    width = side.columns.shape[1]
    per_column = int((n / 12) ** (1 / width)) if width <= 6 else 1
    if per_column >= 2:
        per_column = min(per_column, int(np.floor(64 ** (1 / width))), 8)
    if per_column >= 2:
        parts = [_quantile_levels(column, n_first, per_column) for column in side.columns.T]
        codes = np.zeros(n, dtype=np.int64)
        for part in parts:
            codes = codes * part.count + part.codes
        out.append(_Levels(codes, int(np.prod([part.count for part in parts]))))
    return out


def predict_rows(
    x: Float2D | None, y: Float2D | None, codes_x: Int1D | None, codes_y: Int1D | None, alpha: float
) -> Predictions:
    """Predict the levels of one side from the other, row by row, for rows in keyed order; None are levels without an order.

    Direction, levels, reference law and the size of the bet are functions of the first 30 % of the rows; every table is a function of
    the rows before it and of its own row of the predicting side.
    """
    known = next(values for values in (x, codes_x) if values is not None)
    n = len(known)
    n_first = int(FIRST_SHARE * n)
    sides = [_side_of(columns, codes, n_first) for columns, codes in ((x, codes_x), (y, codes_y))]
    best: tuple[float, float, int, _Levels, Int1D] | None = None
    inner = int(0.6 * n_first)
    for target in (0, 1):
        side, other = sides[target], sides[1 - target]
        for levels in _candidates(side, other, n, n_first):
            if levels.count < 2:
                continue
            chosen = _screen(other.scores, levels, n_first)
            reference = _reference_law(levels, inner)
            gains = _mixed_log_ratios(other.scores[:n_first, chosen], levels, [inner], n_first, reference)
            value = float(gains.mean() - 0.5 * gains.std() / np.sqrt(len(gains)))
            if best is None or value > best[0]:
                best = value, float(gains.std()), target, levels, chosen
    assert best is not None
    _, spread, target, levels, chosen = best
    reference = _reference_law(levels, n_first)
    starts = [int(share * n) for share in REFITS]
    log_ratios = _mixed_log_ratios(sides[1 - target].scores[:, chosen], levels, starts, n, reference)
    m = n - n_first
    # The bet that is best for a normal law with this spread, within what the increments allow.
    theta = min(
        np.sqrt(2 * np.log(1 / alpha) / m) / max(spread, 1e-3),
        0.45 / (np.log(1 / EPSILON) + np.log(levels.count) + 0.7),
    )
    return Predictions(levels.codes[n_first:], log_ratios, reference, float(theta), "xy"[target])


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
        ranks = rankdata(column)
        ranks -= ranks.mean()
        # Wald and Wolfowitz (1943): sqrt(n) times the lag-1 autocorrelation of the ranks is about standard normal.
        if abs(float(ranks[1:] @ ranks[:-1]) / float(ranks @ ranks)) * np.sqrt(n) > limit:
            return "neighbouring rows of a column resemble each other, so rows are not independent draws"
    return ""
