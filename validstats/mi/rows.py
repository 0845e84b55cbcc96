"""What the rows of two sides are: independent draws, copies of each other, members of clusters, or a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from scipy.stats import norm, rankdata

from validstats._typing import Bool1D, Float1D, Float2D, Int1D
from validstats.exceptions import (
    RepeatedRowsWarning,
    SerialDependenceWarning,
    one_sided_repeats_message,
    repeated_rows_message,
    serial_dependence_message,
    warn,
)
from validstats.intake import check_literal
from validstats.mi.anchors import forest_means, offered_columns, rank_scores, standardise
from validstats.mi.sides import MIN_ROWS, Side, network_columns, prepare_side
from validstats.mi.statistics import keyed_order, row_labels

__all__ = ["Repeats", "RowOptions", "Rows", "read_rows", "serial_correlations"]

Repeats: TypeAlias = Literal["auto", "keep", "collapse"]
"""What is done where joint rows repeat: decided by how they repeat, nothing, or one row of each is kept."""

FEWEST_FOR_REPEATS = 50
"""Below so many rows copies cannot be told from atoms."""
UNTIED = 0.01
"""Share of ties among distinct rows up to which a column counts as measured."""
FEW_ATOMS = 5
"""The most repeated values that atoms are taken to be, such as zero on both sides."""
SERIAL_LEVEL = 0.0047
"""One-sided level of 2.6 standard deviations, for the product of both sides' lag-1 autocorrelations times root n."""
FEWEST_FOR_SERIES = 30


@dataclass(frozen=True)
class RowOptions:
    """What the caller says about the rows.

    Attributes
    ----------
    repeats : {"auto", "keep", "collapse"}
        What to do where joint rows repeat.
    ids, clusters : array-like or None
        Units that rows belong to (one row of each is read), and groups of dependent rows (one keyed row of each).
    exchangeable : bool
        Whether the order of the rows means nothing.
    """

    repeats: Repeats = "auto"
    ids: Any = None
    clusters: Any = None
    exchangeable: bool = False

    def check(self) -> None:
        """Refuse values that are not allowed."""
        check_literal(self.repeats, "repeats", get_args(Repeats))
        if self.ids is not None and self.clusters is not None:
            raise ValueError(
                "Pass ids or clusters, not both: ids are rows of one unit, clusters groups of dependent rows."
            )
        if not isinstance(self.exchangeable, bool | np.bool_):
            raise TypeError(f"exchangeable must be True or False, got {self.exchangeable!r}.")


@dataclass(frozen=True)
class Rows:
    """Two sides with the rows that are read, and what the rows do not allow.

    Attributes
    ----------
    x, y : Side
        The sides.
    n_passed : int
        Rows that were passed.
    withheld : str
        Why there is no interval; empty where there is one.
    uncertified : str
        Why there is no certified bound; empty where there is one.
    """

    x: Side
    y: Side
    n_passed: int
    withheld: str = ""
    uncertified: str = ""


def read_rows(x: Side, y: Side, options: RowOptions) -> Rows:
    """Keep the rows that are units of their own, and see what the others mean."""
    n = x.n_rows
    if options.ids is not None:
        kept = _first_of_each(_group_codes(options.ids, "ids", n), np.arange(n))
        return _series_checked(Rows(x.take(kept), y.take(kept), n), options)
    if options.clusters is not None:
        kept = _first_of_each(
            _group_codes(options.clusters, "clusters", n), keyed_order(*network_columns(x, y))
        )
        return Rows(_enough(x.take(kept)), _enough(y.take(kept)), n)
    return _series_checked(_repeats_read(x, y, options), options)


def _group_codes(values: Any, name: str, n: int) -> Int1D:
    groups = prepare_side(values, name, True, allow_distinct=True)
    if groups.n_rows != n:
        raise ValueError(
            f"x and {name} must have the same number of rows; x has {n}, {name} has {groups.n_rows}."
        )
    assert groups.codes is not None
    return groups.codes


def _first_of_each(codes: Int1D, order: Int1D) -> Bool1D:
    """Mask of the row of each group that comes first in an order."""
    _, first = np.unique(codes[order], return_index=True)
    kept = np.zeros(len(codes), dtype=bool)
    kept[order[first]] = True
    return kept


def _enough(side: Side) -> Side:
    if side.n_rows < MIN_ROWS:
        raise ValueError(
            f"Only {side.n_rows} distinct rows are left; mutual information needs at least {MIN_ROWS}."
        )
    return side


def _untied_column(rows: Float2D, first: Int1D) -> bool:
    """Whether a column has hardly any ties among the distinct rows, as measurements have."""
    distinct = rows[first]
    allowed = max(2.0, UNTIED * len(distinct))
    return any(len(distinct) - len(np.unique(column)) <= allowed for column in distinct.T)


def _repeats_read(x: Side, y: Side, options: RowOptions) -> Rows:
    n = x.n_rows
    labels = row_labels(np.hstack([x.keys, y.keys]))
    _, first, counts = np.unique(labels, return_index=True, return_counts=True)
    surplus = n - len(first)
    measured = surplus > 0 and any(s.codes is None and _untied_column(s.rows, first) for s in (x, y))
    if options.repeats == "collapse" and surplus:
        return _collapsed(x, y, labels, "")
    if not measured:
        return _one_sided(Rows(x, y, n))
    if options.repeats == "keep":
        return Rows(
            x,
            y,
            n,
            "rows repeat and were kept, so they are not independent draws",
            "rows repeat and were kept",
        )
    numbers = {"n_repeats": surplus, "n_rows": n}
    if n < FEWEST_FOR_REPEATS:
        text = "too few rows to tell copies from atoms, so all are kept and there is no interval"
        warn(repeated_rows_message.format(**numbers, consequence=text), RepeatedRowsWarning)
        return Rows(x, y, n, f"{surplus} of {n} rows repeat another one", "rows repeat")
    top = np.sort(counts - 1)[::-1][:FEW_ATOMS].sum()
    if 2 * top < surplus:
        text = f"one of each is read, {len(first):,} rows"
        warn(repeated_rows_message.format(**numbers, consequence=text), RepeatedRowsWarning)
        return _collapsed(x, y, labels, "copies were found by their content; name the units with ids=")
    spread = surplus - top
    if spread > max(2.0, UNTIED * n):
        text = f"{top:,} repeat one of {FEW_ATOMS} values and {spread:,} others, so all are kept and there is no interval"
        warn(repeated_rows_message.format(**numbers, consequence=text), RepeatedRowsWarning)
        return Rows(x, y, n, f"{surplus} of {n} rows repeat another one, in part as copies", "rows repeat")
    return _one_sided(Rows(x, y, n))


def _collapsed(x: Side, y: Side, labels: Int1D, uncertified: str) -> Rows:
    kept = _first_of_each(labels, np.arange(len(labels)))
    return Rows(_enough(x.take(kept)), _enough(y.take(kept)), len(labels), "", uncertified)


def _one_sided(rows: Rows) -> Rows:
    """Warn where the measured rows of one side alone repeat."""
    n = rows.x.n_rows
    for side in (rows.x, rows.y):
        if side.codes is not None or side.n_columns < 2 or n < FEWEST_FOR_REPEATS:
            continue
        columns = _without_monotone_copies(side.rows)
        if columns.shape[1] < 2:
            continue
        _, first, counts = np.unique(row_labels(side.rows), return_index=True, return_counts=True)
        surplus = n - len(first)
        top = np.sort(counts - 1)[::-1][:FEW_ATOMS].sum()
        every = all(_untied_column(column[:, None], first) for column in columns.T)
        if surplus > max(FEW_ATOMS, UNTIED * n) and 2 * top < surplus and every:
            text = one_sided_repeats_message.format(side=side.name, n_distinct=len(first), n_rows=n)
            warn(text, RepeatedRowsWarning)
            reason = (
                f"the rows of {side.name} repeat, as where they belong to groups; name these with clusters="
            )
            return Rows(rows.x, rows.y, rows.n_passed, reason, reason)
    return rows


def _without_monotone_copies(rows: Float2D) -> Float2D:
    """Columns that are not monotone functions of an earlier one."""
    n, kept = len(rows), []
    seen: set[bytes] = set()
    for j, column in enumerate(rows.T):
        ranks = rankdata(column)
        if not {ranks.tobytes(), (n + 1.0 - ranks).tobytes()} & seen:
            kept.append(j)
        seen.add(ranks.tobytes())
    return rows[:, kept]


# --- series -----------------------------------------------------------------------------------------------


def serial_correlations(x: Float2D, y: Float2D) -> tuple[float, float] | None:
    """Lag-1 rank autocorrelations of the two sides where they cannot both be chance; None elsewhere.

    Only where the product of two columns' is too large are the residuals looked at: those of each side given the other, so that data
    which are sorted by one side do not count.
    """
    n = len(x)
    if n < FEWEST_FOR_SERIES:
        return None
    limit = float(norm.isf(SERIAL_LEVEL / (x.shape[1] * y.shape[1]))) / np.sqrt(n)
    first, second = _autocorrelations(x), _autocorrelations(y)
    if np.abs(np.outer(first, second)).max() <= limit:
        return None
    scores_x, scores_y = rank_scores(x), rank_scores(y)
    given_x, given_y = _excess(scores_y, scores_x), _excess(scores_x, scores_y)
    if min(np.abs(np.outer(first, given_x)).max(), np.abs(np.outer(given_y, second)).max()) <= limit:
        return None
    return float(first[np.abs(first).argmax()]), float(second[np.abs(second).argmax()])


def _excess(side: Float2D, other: Float2D) -> Float1D:
    """Autocorrelation of what the other side leaves over, less what it has when rows are sorted by the prediction.

    Rows that are near in the other side share the error of its prediction, so residuals of data that are sorted by that side are
    correlated without any series.
    """
    targets = standardise(side)
    predicted = forest_means(offered_columns(other), targets)
    residuals = targets - predicted
    along = np.array(
        [_autocorrelations(residuals[np.argsort(p, kind="stable")])[j] for j, p in enumerate(predicted.T)]
    )
    return np.maximum(np.abs(_autocorrelations(residuals)) - np.abs(along), 0.0)


def _autocorrelations(columns: Float2D) -> Float1D:
    ranks = rankdata(columns, axis=0)
    ranks -= ranks.mean(axis=0)
    squares = (ranks**2).sum(axis=0)
    return np.asarray((ranks[1:] * ranks[:-1]).sum(axis=0) / np.where(squares > 0, squares, 1.0))


def _series_checked(rows: Rows, options: RowOptions) -> Rows:
    for side in (rows.x, rows.y):
        _enough(side)
    if options.exchangeable or rows.x.is_constant or rows.y.is_constant:
        return rows
    found = serial_correlations(*network_columns(rows.x, rows.y))
    if found is None:
        return rows
    message = serial_dependence_message.format(
        first=found[0], second=found[1], consequence="there is no interval and no certified bound", remedy=""
    )
    warn(message, SerialDependenceWarning)
    reason = "neighbouring rows resemble each other on both sides, as in a time series"
    return Rows(rows.x, rows.y, rows.n_passed, rows.withheld or reason, rows.uncertified or reason)
