"""One side of a mutual information: its columns as numbers, and what kind of variable they form."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from scipy.stats import norm, rankdata

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, Int1D
from validstats.exceptions import (
    ConstantColumnWarning,
    RepeatedRowsWarning,
    SerialDependenceWarning,
    constant_column_message,
    one_sided_repeats_message,
    repeated_rows_message,
    serial_dependence_message,
    warn,
)
from validstats.intake import align, as_floats, check_literal, frames, is_missing, read_array, row_labels
from validstats.mi.anchors import (
    canonical_correlations,
    entropy,
    forest_means,
    midranks,
    offered_columns,
    rank_scores,
    row_codes,
    standardise,
)
from validstats.mi.statistics import equal_row_codes, keyed_order, row_hashes

__all__ = [
    "FUNCTIONAL_VALUES",
    "MIN_ROWS",
    "Repeats",
    "RowOptions",
    "Rows",
    "Side",
    "SideKind",
    "check_finite",
    "is_functional",
    "join_sides",
    "kind_of_counts",
    "network_columns",
    "prepare_side",
    "prepare_sides",
    "read_rows",
    "serial_correlations",
    "without_copies",
    "without_repeats",
]


MIN_ROWS = 10
"""Fewest rows from which anything is estimated."""

FUNCTIONAL_VALUES = 50
"""Fewest distinct values at which equal ranks of two columns count as an exact relation."""

SideKind: TypeAlias = Literal["continuous", "discrete", "mixed"]
"""Continuous: hardly any ties. Discrete: few values, each often. Mixed: ties beside other values, or both."""

Declared: TypeAlias = bool | Literal["auto"]
"""Whether a side is discrete: said by the user, or found from its values."""

LARGEST_VALUE = 1e140
"""Largest size of a number; sums of squares of larger ones overflow."""

ROWS_PER_LEVEL = 10
"""A numeric column counts as discrete when it has at least so many rows for each distinct value."""

FEW_TIES = 0.95
"""A column counts as continuous when at least this share of its rows is distinct."""


LARGEST_BLOCK = 2**28
"""Largest number of values of the 0/1 columns of categories: 2 GiB."""


@dataclass(frozen=True, eq=False)
class Part:
    """A numeric column, or the levels of a column of categories."""

    values: Float1D  # The numbers, or the level of each row
    levels: Float1D | None = None  # Levels that have a 0/1 column; None for a numeric column

    @property
    def width(self) -> int:
        """Number of columns."""
        return 1 if self.levels is None else len(self.levels)

    def columns(self) -> Float2D:
        """Return the columns, of shape (n, width)."""
        if self.levels is None:
            return self.values[:, None]
        return (self.values[:, None] == self.levels[None, :]).astype(np.float64)

    def varies(self) -> Bool1D:
        """Tell which of the columns hold more than one value."""
        if self.levels is None:
            return np.array([(self.values != self.values[:1]).any()])
        found, counts = np.unique(self.values, return_counts=True)
        place = np.minimum(np.searchsorted(found, self.levels), len(found) - 1)
        return (found[place] == self.levels) & (counts[place] < len(self.values))

    def choose(self, kept: Bool1D) -> Part:
        """Keep the chosen columns."""
        return self if self.levels is None else replace(self, levels=self.levels[kept])


@dataclass(frozen=True, eq=False)
class Side:
    """One side, ready for estimation."""

    name: str  # Public name of the argument
    parts: tuple[Part, ...]  # Numeric columns and columns of categories, in order; constant columns are gone
    n_rows: int  # Number of rows
    kind: SideKind  # What the columns form together
    codes: Int1D | None  # Level of each row where the side is discrete
    n_columns: int  # Number of columns passed
    continuous_columns: Int1D  # Columns of ``rows`` that are not discrete by themselves
    numeric_columns: Int1D  # Columns of ``rows`` that are numbers, not categories
    option: str  # What the caller's setting of the kind is called
    # Whether the side is one column of levels without an order: categories, or numbers that were declared
    # discrete
    nominal: bool = False

    @property
    def width(self) -> int:
        """Number of columns of ``rows``."""
        return sum(part.width for part in self.parts)

    @cached_property
    def rows(self) -> Float2D:
        """Numeric columns as they are and categories as 0/1 columns, of shape (n, width); made when first read."""
        categories = sum(part.width for part in self.parts if part.levels is not None)
        if categories * self.n_rows > LARGEST_BLOCK:
            raise ValueError(
                f"{self.name} has {categories:,} categories in {self.n_rows:,} rows, and a column of 0 and 1 for each "
                f"would hold more than {LARGEST_BLOCK:,} values. Merge rare categories."
            )
        blocks = [np.zeros((self.n_rows, 0)), *(part.columns() for part in self.parts)]
        return np.ascontiguousarray(np.hstack(blocks))

    @cached_property
    def keys(self) -> Float2D:
        """The level of each row of a discrete side as one column, else ``rows``."""
        return self.rows if self.codes is None else self.codes[:, None].astype(np.float64)

    @property
    def is_constant(self) -> bool:
        """Whether nothing varies on this side."""
        return self.width == 0

    @property
    def entropy(self) -> float:
        """Plug-in entropy in nats of a discrete side, an upper bound of any mutual information; else infinite."""
        return float("inf") if self.codes is None else entropy(self.codes)

    def take(self, rows: Bool1D) -> Side:
        """Keep the chosen rows, with columns that became constant left out."""
        parts = tuple(replace(part, values=part.values[rows]) for part in self.parts)
        codes = None if self.codes is None else self.codes[rows]
        chosen = replace(self, parts=parts, n_rows=int(rows.sum()), codes=codes)
        return _choose_columns(
            chosen, np.concatenate([np.zeros(0, bool), *(part.varies() for part in parts)])
        )

    def reorder(self, order: Int1D) -> Side:
        """The same rows in another order."""
        parts = tuple(replace(part, values=part.values[order]) for part in self.parts)
        return replace(self, parts=parts, codes=None if self.codes is None else self.codes[order])


@dataclass(frozen=True, eq=False)
class _Column:
    values: Float1D
    is_category: bool
    kind: SideKind


def prepare_sides(
    x: Any, y: Any, discrete_x: Declared = "auto", discrete_y: Declared = "auto"
) -> tuple[Side, Side]:
    """Read both sides and check that they belong together."""
    y = align(y, row_labels(x, name="x"), "y")
    sides = prepare_side(x, "x", discrete_x), prepare_side(y, "y", discrete_y)
    if sides[0].n_rows != sides[1].n_rows:
        raise ValueError(
            f"x and y must have the same number of rows; x has {sides[0].n_rows}, y has {sides[1].n_rows}."
        )
    return sides


def prepare_side(
    values: Any,
    name: str,
    discrete: Declared = "auto",
    option: str | None = None,
    allow_distinct: bool = False,
) -> Side:
    """Read one side."""
    option = option or f"discrete_{name}"
    if not (isinstance(discrete, bool | np.bool_) or (isinstance(discrete, str) and discrete == "auto")):  # type: ignore[redundant-expr]
        raise ValueError(f"{option} must be True, False or 'auto', got {discrete!r}.")
    raw = _split_columns(values, name)
    n = len(raw[0]) if raw else 0
    if n < MIN_ROWS:
        raise ValueError(f"Mutual information needs at least {MIN_ROWS} rows, {name} has {n}.")
    columns = [_read_column(column, name, discrete, option) for column in raw]
    kept = [column for column in columns if (column.values != column.values[0]).any()]
    if len(kept) < len(columns):
        message = constant_column_message.format(
            side=name, n_constant=len(columns) - len(kept), n_columns=len(columns)
        )
        warn(message, ConstantColumnWarning)
    side = _join_columns(
        kept, name, n, len(columns), option, bool(discrete is True or (kept and kept[0].is_category))
    )
    if side.codes is not None and not allow_distinct and int(side.codes.max()) + 1 == n:
        words = any(np.asarray(column).dtype.kind not in "fiu" for column in raw)
        remedy = (
            "If its values name rows, leave it out; if they are numbers in words, convert them (pd.to_numeric); merge "
            "rare categories otherwise."
            if words
            else f"If its values are measurements, pass {option}=False; if they number rows, leave it out."
        )
        raise ValueError(f"Every level of {name} occurs only once, so nothing can be estimated. {remedy}")
    return side


def is_functional(x: Side, y: Side) -> bool:
    """Tell whether the sample shows an exact relation that leaves the mutual information unbounded."""
    # Found are a column of one side that is a strictly monotone function of a column of the other, if it has
    # 50 or more distinct values (fewer may be in the same order by chance, or be levels, whose information is
    # bounded), and exact linear dependence between columns without many ties. Other exact relations cannot be
    # told from strong ones.
    n = x.n_rows
    distinct_x, distinct_y = _distinct_values(x), _distinct_values(y)
    varied_x, varied_y = (
        [side.rows[:, j] for j, count in distinct.items() if count >= FUNCTIONAL_VALUES]
        for side, distinct in ((x, distinct_x), (y, distinct_y))
    )
    if _share_an_order(varied_x, varied_y):
        return True
    enough = min(FUNCTIONAL_VALUES, FEW_TIES * n)
    columns_x, columns_y = (
        [j for j, count in d.items() if count >= enough] for d in (distinct_x, distinct_y)
    )
    if not columns_x or not columns_y or n <= len(columns_x) + len(columns_y) + 1:
        return False
    if _clearly_apart(x.rows, columns_x, y.rows, columns_y):
        return False
    correlations, _, _ = canonical_correlations(x.rows[:, columns_x], y.rows[:, columns_y])
    return bool((1.0 - correlations**2 < 1e-12).any())


def _share_an_order(columns_x: list[Float1D], columns_y: list[Float1D]) -> bool:
    """Tell whether some column of one side is a strictly monotone function of one of the other."""
    ends_y = [_ends(column) for column in columns_y]
    for column in columns_x:
        ends = _ends(column)
        alike = [other for other, found in zip(columns_y, ends_y) if found in (ends, ends[::-1])]
        if alike and not {_orders(other)[0] for other in alike}.isdisjoint(_orders(column)):
            return True
    return False


def _ends(column: Float1D) -> tuple[int, int]:
    """First places of the least and the largest value, which columns in the same order share."""
    return int(column.argmin()), int(column.argmax())


_BLOCK = 8_192
"""Rows whose products are added at once."""

_FAR_FROM_SPANNED = 1e-5
"""Least eigenvalue of the correlations of all columns above which sums of products tell that none is near a span."""


def _clearly_apart(x: Float2D, columns_x: list[int], y: Float2D, columns_y: list[int]) -> bool:
    """Tell from the correlations of all columns that no combination of one side is near one of the other."""
    # 1 - c of every canonical correlation c is at least the least eigenvalue of the joint correlation matrix over its width
    means = [
        np.array([rows[:, j].mean() for j in columns]) for rows, columns in ((x, columns_x), (y, columns_y))
    ]
    width = len(columns_x) + len(columns_y)
    products = np.zeros((width, width))
    for start in range(0, len(x), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = np.hstack([x[rows][:, columns_x] - means[0], y[rows][:, columns_y] - means[1]])
        products += block.T @ block
    length = np.sqrt(np.diag(products))
    if not np.all((length > 0.0) & np.isfinite(length)):
        return False
    return bool(np.linalg.eigvalsh(products / np.outer(length, length))[0] > _FAR_FROM_SPANNED)


def without_repeats(side: Side, given: Side) -> Side:
    """Leave out the columns of a side that are strictly monotone functions of columns of another."""
    if side.codes is not None:
        return side
    known = {order for column in given.rows.T for order in _orders(column)}
    return _choose_columns(
        side, np.array([_orders(column)[0] not in known for column in side.rows.T], dtype=bool)
    )


def _orders(column: Float1D) -> tuple[bytes, bytes]:
    """Return digests of the ranks of a column and of its negative, which strictly increasing functions of them share."""
    ranks = midranks(column)
    return _digest(ranks), _digest(len(ranks) + 1.0 - ranks)


def _digest(values: Float1D) -> bytes:
    return hashlib.blake2b(values.tobytes(), digest_size=32).digest()


def join_sides(one: Side, two: Side) -> Side:
    """Put the columns of two sides, not both discrete, beside each other."""
    width = one.width
    return Side(
        name=one.name,
        parts=one.parts + two.parts,
        n_rows=one.n_rows,
        kind="continuous" if one.kind == two.kind == "continuous" else "mixed",
        codes=None,
        n_columns=one.n_columns + two.n_columns,
        continuous_columns=np.concatenate([one.continuous_columns, two.continuous_columns + width]),
        numeric_columns=np.concatenate([one.numeric_columns, two.numeric_columns + width]),
        option=one.option,
    )


def network_columns(x: Side, y: Side) -> tuple[Float2D, Float2D]:
    """Columns of both sides as the network reads them: one discrete column by the numbers of its levels.

    Levels without an order are numbered by how often they occur; ties are broken by a hash of the rows of the other side that they
    meet. Neither reads names, and neither orders levels by what the other side says: a mean of the other side would be dependence
    made from the same rows (50 levels in 200 independent rows: .13 nats by a Gaussian estimate).
    """
    return _level_numbers(x, y), _level_numbers(y, x)


def _level_numbers(side: Side, other: Side) -> Float2D:
    if side.codes is None or side.n_columns > 1:
        return side.rows
    if not side.nominal:
        return side.codes[:, None].astype(np.float64)
    counts = np.bincount(side.codes)
    if other.nominal and other.codes is not None:
        met = np.bincount(other.codes)[other.codes][:, None]
    else:
        met = rankdata(other.rows, axis=0) * 2.0
    keys = np.zeros(len(counts), dtype=np.uint64)
    np.add.at(keys, side.codes, row_hashes(met.astype(np.float64)))
    number = np.empty(len(counts), dtype=np.int64)
    number[np.lexsort((keys, -counts))] = np.arange(len(counts))
    return number[side.codes][:, None].astype(np.float64)


def _choose_columns(side: Side, kept: Bool1D) -> Side:
    position = np.cumsum(kept) - 1
    ends = np.cumsum([part.width for part in side.parts], dtype=np.int64)
    shares = np.split(kept, ends[:-1])
    return replace(
        side,
        parts=tuple(part.choose(share) for part, share in zip(side.parts, shares) if share.any()),
        continuous_columns=position[side.continuous_columns[kept[side.continuous_columns]]],
        numeric_columns=position[side.numeric_columns[kept[side.numeric_columns]]],
    )


def _distinct_values(side: Side) -> dict[int, int]:
    """Number of distinct values of each column that is not discrete."""
    return {int(j): count_distinct(side.rows[:, j]) for j in side.continuous_columns}


# --- reading ----------------------------------------------------------------------------------------------


def _split_columns(values: Any, name: str) -> list[AnyArray]:
    if frames.is_frame(values):
        return frames.columns(values)
    array = read_array(values, name)
    if array.ndim == 1:
        return [array]
    if array.ndim != 2:
        raise ValueError(f"{name} must have one or two dimensions, got shape {array.shape}.")
    if array.shape[1] == 0:
        raise ValueError(f"{name} has no columns.")
    return list(array.T)


def _read_column(values: AnyArray, name: str, discrete: Declared, option: str) -> _Column:
    array = read_array(values, name)
    if array.dtype.kind in "OU":
        return _read_words(array, name, discrete, option)
    numbers = as_floats(array, name)
    check_finite(numbers, name)
    numbers = _without_underflow(numbers)
    if array.dtype.kind == "b":
        return _Column(numbers, is_category=False, kind="discrete" if discrete is not False else "mixed")
    return _Column(numbers, is_category=False, kind=_numeric_kind(numbers, discrete))


def _read_words(array: AnyArray, name: str, discrete: Declared, option: str) -> _Column:
    missing = sum(is_missing(value) for value in array.tolist())
    if missing:
        raise ValueError(f"{name} has {missing} missing value(s); remove or impute them first.")
    if discrete is False:
        raise TypeError(f"{name} holds categories, so it is discrete; {option} cannot say that it is not.")
    codes = np.unique(array.astype(str), return_inverse=True)[1].reshape(-1)
    return _Column(codes.astype(np.float64), is_category=True, kind="discrete")


def check_finite(values: Float1D, name: str) -> None:
    """Refuse numbers that are missing, infinite, or too large for their squares."""
    if n_nan := int(np.isnan(values).sum()):
        raise ValueError(f"{name} has {n_nan} missing value(s) (NaN); remove or impute them first.")
    if n_infinite := int(np.isinf(values).sum()):
        raise ValueError(f"{name} has {n_infinite} infinite value(s); it must be finite.")
    if np.abs(values).max(initial=0.0) > LARGEST_VALUE:
        raise ValueError(
            f"{name} has values beyond {LARGEST_VALUE:g} in size, whose squares overflow; rescale it, which changes no "
            "mutual information."
        )


def _without_underflow(values: Float1D) -> Float1D:
    """Numbers whose squares would vanish times a power of two, which is exact and changes no mutual information."""
    largest = float(np.abs(values).max(initial=0.0))
    if not 0.0 < largest < 1.0 / LARGEST_VALUE:
        return values
    return np.asarray(np.ldexp(values, -int(np.frexp(largest)[1])))


def _numeric_kind(values: Float1D, discrete: Declared) -> SideKind:
    if discrete is True:
        return "discrete"
    n_distinct = count_distinct(values)
    if discrete == "auto" and n_distinct * ROWS_PER_LEVEL <= len(values):
        return "discrete"
    return "continuous" if n_distinct >= FEW_TIES * len(values) else "mixed"


def count_distinct(values: Float1D) -> int:
    """Number of different values."""
    ordered = np.sort(values)
    return min(len(ordered), 1) + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def kind_of_counts(
    name: str, discrete: Declared, counted: tuple[AnyArray, AnyArray] | None, words: bool, n: int
) -> SideKind:
    """Kind of a column of n rows in parts from the counts of its values, which are None beyond a number."""
    if words and discrete is False:
        raise TypeError(
            f"data column {name!r} holds categories, so it is discrete; discrete cannot say that it is not."
        )
    if counted is None:
        if words or discrete is True:
            raise ValueError(
                f"data column {name!r} has more levels than are counted in rows in parts. Merge rare categories, or leave it out."
            )
        return "continuous"
    few = discrete == "auto" and len(counted[0]) * ROWS_PER_LEVEL <= n
    if words or discrete is True or few:
        return "discrete"
    return "continuous" if len(counted[0]) >= FEW_TIES * n else "mixed"


def _join_columns(
    columns: Sequence[_Column], name: str, n: int, n_columns: int, option: str, nominal: bool
) -> Side:
    parts, continuous, numeric = [], [], []
    width = 0
    for column in columns:
        if not column.is_category:
            numeric.append(width)
        if column.kind != "discrete":
            continuous.append(width)
        parts.append(Part(column.values, np.unique(column.values) if column.is_category else None))
        width += parts[-1].width
    kinds = {column.kind for column in columns} or {"discrete"}
    kind: SideKind = kinds.pop() if len(kinds) == 1 else "mixed"
    codes = None
    if kind == "discrete":
        codes = row_codes(np.column_stack([c.values for c in columns])) if columns else np.zeros(n, np.int64)
    return Side(
        name=name,
        parts=tuple(parts),
        n_rows=n,
        kind=kind,
        codes=codes,
        n_columns=n_columns,
        continuous_columns=np.array(continuous, dtype=np.int64),
        numeric_columns=np.array(numeric, dtype=np.int64),
        option=option,
        nominal=nominal and kind == "discrete" and n_columns == 1,
    )


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
    """What the caller says about the rows."""

    repeats: Repeats = "auto"  # What to do where joint rows repeat
    # ids, clusters: Units that rows belong to (one row of each is read), and groups of dependent rows (one
    # keyed row of each)
    ids: Any = None
    clusters: Any = None
    exchangeable: bool = False  # Whether the order of the rows means nothing

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
    """Two sides with the rows that are read, and what the rows do not allow."""

    x: Side  # x, y: The sides
    y: Side
    n_passed: int  # Rows that were passed
    withheld: str = ""  # Why there is no interval; empty where there is one
    uncertified: str = ""  # Why there is no certified bound; empty where there is one


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
    return any(len(distinct) - count_distinct(column) <= allowed for column in distinct.T)


def _repeats_read(x: Side, y: Side, options: RowOptions) -> Rows:
    n = x.n_rows
    kept, withheld = _copies(
        (x, y), options.repeats, "Say which rows are the same unit with ids=", "interval"
    )
    if kept is not None:
        inferred = "" if options.repeats == "collapse" else FOUND_BY_CONTENT
        return Rows(_enough(x.take(kept)), _enough(y.take(kept)), n, "", inferred)
    if withheld:
        return Rows(x, y, n, withheld, "rows repeat" if options.repeats == "auto" else KEPT)
    return _one_sided(Rows(x, y, n))


FOUND_BY_CONTENT = "copies were found by their content; name the units with ids="
KEPT = "rows repeat and were kept"


def without_copies(
    sides: Sequence[Side], repeats: Repeats, promise: str
) -> tuple[list[Side], Bool1D | None, str]:
    """The sides with one row of each where rows look like copies, the rows kept, and why a promise does not hold (empty where it does)."""
    check_literal(repeats, "repeats", get_args(Repeats))
    kept, withheld = _copies(sides, repeats, "Pass one row of each unit", promise)
    if kept is None:
        return list(sides), None, withheld
    return [_enough(side.take(kept)) for side in sides], kept, withheld


def _copies(sides: Sequence[Side], repeats: Repeats, remedy: str, promise: str) -> tuple[Bool1D | None, str]:
    """Mask of the first row of each where joint rows look like copies (else None), and why a promise is withheld."""
    n = sides[0].n_rows
    if any(s.codes is None and any(count_distinct(c) == n for c in s.rows.T) for s in sides):
        return None, ""  # A column without any tie: no row repeats.
    labels = equal_row_codes(np.hstack([side.keys for side in sides]))
    _, first, counts = np.unique(labels, return_index=True, return_counts=True)
    surplus = n - len(first)
    measured = surplus > 0 and any(s.codes is None and _untied_column(s.rows, first) for s in sides)
    if repeats == "collapse" and surplus:
        return _first_of_each(labels, np.arange(n)), ""
    if not measured:
        return None, ""
    if repeats == "keep":
        return None, f"{KEPT}, so they are not independent draws"
    numbers = {"n_repeats": surplus, "n_rows": n, "remedy": remedy}
    if n < FEWEST_FOR_REPEATS:
        text = f"too few rows to tell copies from atoms, so all are kept and there is no {promise}"
        warn(repeated_rows_message.format(**numbers, consequence=text), RepeatedRowsWarning)
        return None, f"{surplus} of {n} rows repeat another one"
    top = np.sort(counts - 1)[::-1][:FEW_ATOMS].sum()
    if 2 * top < surplus:
        text = f"one of each is read, {len(first):,} rows"
        warn(repeated_rows_message.format(**numbers, consequence=text), RepeatedRowsWarning)
        return _first_of_each(labels, np.arange(n)), ""
    spread = surplus - top
    if spread > max(2.0, UNTIED * n):
        text = f"{top:,} repeat one of {FEW_ATOMS} values and {spread:,} others, so all are kept and there is no {promise}"
        warn(repeated_rows_message.format(**numbers, consequence=text), RepeatedRowsWarning)
        return None, f"{surplus} of {n} rows repeat another one, in part as copies"
    return None, ""


def _one_sided(rows: Rows) -> Rows:
    """Warn where the measured rows of one side alone repeat."""
    n = rows.x.n_rows
    for side in (rows.x, rows.y):
        if side.codes is not None or side.n_columns < 2 or n < FEWEST_FOR_REPEATS:
            continue
        if any(count_distinct(column) == n for column in side.rows.T):
            continue  # no row repeats
        columns = _without_monotone_copies(side.rows)
        if columns.shape[1] < 2:
            continue
        _, first, counts = np.unique(equal_row_codes(side.rows), return_index=True, return_counts=True)
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
    kept: list[int] = []
    seen: set[bytes] = set()
    for j, column in enumerate(rows.T):
        upward, downward = _orders(column)
        if not {upward, downward} & seen:
            kept.append(j)
        seen.add(upward)
    return rows if len(kept) == rows.shape[1] else rows[:, kept]


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
    return np.array([_autocorrelation(column) for column in columns.T])


def _autocorrelation(column: Float1D) -> float:
    ranks = midranks(column)
    ranks -= ranks.mean()
    square = float(ranks @ ranks)
    return float(ranks[1:] @ ranks[:-1]) / square if square > 0 else 0.0


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
