"""Mutual information of every pair of columns of a data frame."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, get_args

import joblib
import numpy as np

from validstats._typing import AnyArray, Float2D, FrameBackend
from validstats.exceptions import (
    ConstantColumnWarning,
    SampledRowsWarning,
    constant_column_message,
    sampled_rows_message,
    warn,
)
from validstats.guarantee import Guarantee
from validstats.intake import (
    as_floats,
    check_confidence_level,
    check_literal,
    check_positive_int,
    frames,
    is_missing,
    read_array,
)
from validstats.mi.anchors import MOST_LEVELS, ColumnSums, Scaling, entropy_of_shares, pair_tables
from validstats.mi.estimators import NATS_PER_UNIT, Unit
from validstats.mi.methods import (
    Estimate,
    Method,
    Options,
    clip_estimate,
    correlation_estimate,
    entropy_estimate,
    estimate_sides,
    known_estimate,
    refuse_unused,
    table_estimate,
)
from validstats.mi.sides import (
    FUNCTIONAL_VALUES,
    MIN_ROWS,
    Declared,
    Repeats,
    Side,
    check_finite,
    kind_of_counts,
    prepare_side,
    without_copies,
)
from validstats.results import NotApplicable, Report, Result, Table, rounded
from validstats.runtime import RowParts, collect_warnings, is_parts, progress, repeat_warnings

__all__ = ["MutualInformationMatrix", "mutual_info_matrix"]

PAIRS_PER_TASK = 20
"""Pairs estimated in one joblib task."""

DEFAULT_LEVEL = 0.95
"""Level of intervals by default."""

OF_SUMS: tuple[Method, ...] = ("plug-in", "cca")
"""Methods that need counts and moments alone, which parts add."""
SAMPLED_ROWS = 100_000
"""Rows in parts that other methods read, of more."""
SAMPLE_SEED = 20_261_130
CONSTANT = "a constant side carries no information"
MOST_CELLS = 20_000_000
"""Most cells of the tables of all pairs: 160 MB."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class MutualInformationMatrix(Result):
    """Mutual information of all pairs of columns.

    Attributes
    ----------
    names : tuple of str
        Columns.
    values : ndarray of shape (p, p)
        Estimates in ``unit``, symmetric. The diagonal holds the entropy of a discrete column and infinity for
        any other.
    conf_low, conf_high : ndarray of shape (p, p)
        Intervals; NaN where there are none, and the value itself on the diagonal.
    kinds : tuple of str
        Kind of each column: continuous, discrete or mixed.
    unit : {"nats", "bits"}
        Unit.
    method : str
        Method.
    n_samples : int
        Number of rows.
    """

    names: tuple[str, ...]
    values: Float2D
    conf_low: Float2D
    conf_high: Float2D
    kinds: tuple[str, ...]
    unit: Unit
    method: str
    n_samples: int

    def to_frame(self) -> Any:
        """Return the matrix as a data frame with a column of names.

        Returns
        -------
        DataFrame
            Column ``name`` (``name_`` where a column of the data is called so, and so on), then one column for each
            column of the data, in the caller's library.
        """
        columns = {name: self.values[:, j] for j, name in enumerate(self.names)}
        heading = "name"
        while heading in columns:
            heading += "_"
        return frames.to_frame({heading: list(self.names), **columns}, self.backend)

    def correlation_scale(self) -> Float2D:
        """Return ``sqrt(1 - exp(-2 I))``: the correlation that a Gaussian pair of the same information has.

        Returns
        -------
        ndarray of shape (p, p)
            Values in [0, 1].

        References
        ----------
        Linfoot (1957), Information and Control 1, 85-89.
        """
        return np.sqrt(-np.expm1(-2.0 * self.values * NATS_PER_UNIT[self.unit]))

    @property
    def terms(self) -> list[str]:
        """Columns, which are the rows and columns of the matrix."""
        return list(self.names)

    @property
    def estimate(self) -> Float2D:
        """The matrix of estimates."""
        return self.values

    @property
    def confidence_level(self) -> Any:
        """Level of the intervals, or why there are none."""
        level = self.guarantee.confidence_level
        return NotApplicable("no intervals were asked for (intervals=True)") if level is None else level

    @property
    def naive(self) -> NotApplicable:
        """There is no simpler matrix beside it."""
        return NotApplicable("a matrix of correlations would see linear dependence only")

    def _answer(self) -> str:
        pairs = self._pairs()
        if not pairs:
            return "There is one column, and no pair"
        i, j = max(pairs, key=lambda pair: self.values[pair])
        value = rounded(float(self.values[i, j]))
        return f"Of {len(pairs)} pairs {self.names[i]} and {self.names[j]} share most information, {value} {self.unit}"

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the matrix as a heat map."""
        from validstats.plotting.mutual_information import MutualInformationMatrixDisplay

        return MutualInformationMatrixDisplay.from_matrix(self, labels, drop)

    def _pairs(self) -> list[tuple[int, int]]:
        return list(itertools.combinations(range(len(self.names)), 2))

    def _tidy_columns(self) -> Mapping[str, Sequence[Any]]:
        pairs = self._pairs()
        columns: dict[str, Sequence[Any]] = {
            "term": [f"{self.names[i]} : {self.names[j]}" for i, j in pairs],
            "x": [self.names[i] for i, _ in pairs],
            "y": [self.names[j] for _, j in pairs],
        }
        named = {"estimate": self.values, "conf_low": self.conf_low, "conf_high": self.conf_high}
        return columns | {name: [float(matrix[pair]) for pair in pairs] for name, matrix in named.items()}

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "unit": self.unit,
            "method": self.method,
            "n": self.n_samples,
            "n_columns": len(self.names),
            "n_pairs": len(self._pairs()),
        }

    def _report(self) -> Report:
        pairs = sorted(self._pairs(), key=lambda pair: -self.values[pair])
        columns: dict[str, list[Any]] = {
            "X": [self.names[i] for i, _ in pairs],
            "Y": [self.names[j] for _, j in pairs],
            "Estimate": [float(self.values[pair]) for pair in pairs],
        }
        if np.isfinite([self.conf_low[pair] for pair in pairs]).any():
            columns["Low"] = [float(self.conf_low[pair]) for pair in pairs]
            columns["High"] = [float(self.conf_high[pair]) for pair in pairs]
        return Report(
            title="Mutual information of all pairs of columns",
            header=[
                ("Method", self.method),
                ("Rows", self.n_samples),
                ("Columns", len(self.names)),
                ("Unit", self.unit),
            ],
            tables=[Table(columns, formats=dict.fromkeys(("Estimate", "Low", "High"), "estimate"))],
            guarantees=[self.guarantee],
        )


def mutual_info_matrix(
    data: Any,
    *,
    method: Method = "learned",
    discrete: Declared | Sequence[str] = "auto",
    intervals: bool = False,
    n_neighbors: int = 3,
    scaling: Scaling = "standard",
    confidence_level: float = DEFAULT_LEVEL,
    unit: Unit = "nats",
    repeats: Repeats = "auto",
    n_jobs: int | None = None,
    verbose: bool = False,
) -> MutualInformationMatrix:
    """Estimate the mutual information of every pair of columns.

    Parameters
    ----------
    data : data frame, array-like of shape (n, p), or rows in parts
        At least 10 rows and 2 columns; numbers or categories, nothing missing. Rows in parts are a dask data frame, a data set of
        pyarrow, the path of Parquet files, a list of frames, or a function that returns an iterator of frames: "plug-in" and
        "cca" then read all rows, by counts of up to 10,000 levels a column and by moments ("cca" finds linear relations alone to be
        exact); other methods read a random sample of 100,000 rows, with a warning.
    method, n_neighbors, scaling, confidence_level, unit
        As in :func:`mutual_info`; ``confidence_level`` only with ``intervals``.
    discrete : bool, "auto" or sequence of str, default "auto"
        As in :func:`mutual_info` for every column, or the names of the discrete columns.
    intervals : bool, default False
        Whether to compute intervals; for "ksg" they cost about five times as much, for "learned" they add the
        support check.
    repeats : {"auto", "keep", "collapse"}, default "auto"
        What to do where whole rows repeat. "auto" reads one of each where rows of measurements look like copies, as in a bootstrap
        sample; "keep" reads all, without intervals.
    n_jobs : int or None, default None
        Number of joblib workers.
    verbose : bool, default False
        Whether to show progress.

    Returns
    -------
    MutualInformationMatrix
        Symmetric matrix with the names of the columns.

    Raises
    ------
    ValueError, TypeError
        As :func:`mutual_info`; also if there are fewer than two columns or a name is unknown.

    Warns
    -----
    RepeatedRowsWarning
        If rows look like copies of each other.
    SampledRowsWarning
        If a sample of rows in parts was read.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> a = generator.standard_normal(300)
    >>> data = np.column_stack([a, a**2 + 0.1 * generator.standard_normal(300), a > 0])
    >>> mutual_info_matrix(data, method="ksg").values.round(1).tolist()
    [[inf, 1.8, 0.7], [1.8, inf, 0.0], [0.7, 0.0, 0.7]]
    """
    check_literal(method, "method", get_args(Method))
    check_literal(unit, "unit", get_args(Unit))
    check_literal(scaling, "scaling", get_args(Scaling))
    level = float(check_confidence_level(confidence_level))
    refuse_unused(method, n_neighbors, scaling=scaling)
    if not intervals and level != DEFAULT_LEVEL:
        raise ValueError(
            f"confidence_level={confidence_level!r} is for intervals only, and none are computed. Set intervals=True, "
            "or leave it out."
        )
    backend, note = "pandas" if is_parts(data) else frames.backend_of(data), ""
    if is_parts(data):
        parts = RowParts.of(data, name="data")
        backend = parts.backend
        if method in OF_SUMS:
            if repeats == "collapse":
                raise ValueError(
                    f"repeats='collapse' needs the rows in memory; method={method!r} counts all rows in parts."
                )
            read = _matrix_of_sums(parts, discrete, method, level, verbose)
            return _matrix(*read[:4], level, intervals, unit, method, read[4], backend)
        data, note = _sampled(parts, method)
    names, sides = _read_columns(data, discrete)
    sides, _, copies = without_copies(sides, repeats, "interval")
    check_positive_int(n_neighbors, "n_neighbors", maximum=sides[0].n_rows - 1)
    options = Options(method, n_neighbors, None, scaling, level, intervals and not copies)
    pairs = list(itertools.combinations(range(len(names)), 2))
    estimates = _estimate_pairs(sides, pairs, options, n_jobs, verbose)
    if copies:
        estimates = [(value, np.nan, np.nan) for value, _, _ in estimates]
    kinds, entropies = tuple(side.kind for side in sides), [side.entropy for side in sides]
    found = names, kinds, entropies, estimates
    return _matrix(
        *found, level, options.interval, unit, method, sides[0].n_rows, backend, note, bool(copies)
    )


def _matrix(
    names: tuple[str, ...],
    kinds: tuple[str, ...],
    entropies: Sequence[float],
    estimates: list[tuple[float, float, float]],
    level: float,
    intervals: bool,
    unit: Unit,
    method: Method,
    n: int,
    backend: FrameBackend,
    note: str = "",
    copies: bool = False,
) -> MutualInformationMatrix:
    values, low, high = _fill(entropies, estimates, 1.0 / NATS_PER_UNIT[unit])
    if copies:
        low, high = (np.full_like(end, np.nan) for end in (low, high))
    return MutualInformationMatrix(
        guarantee=_guarantee(n, level, intervals, note),
        backend=backend,
        names=names,
        values=values,
        conf_low=low,
        conf_high=high,
        kinds=kinds,
        unit=unit,
        method=method,
        n_samples=n,
    )


# --- rows in parts ------------------------------------------------------------------------------------------


def _sampled(parts: RowParts, method: Method) -> tuple[Any, str]:
    """Rows in parts as a frame: all of them, or a random sample with a warning and what the result says of it."""
    n = parts.n
    if n <= SAMPLED_ROWS:
        return parts.take(np.arange(n)), ""
    remedy = f"{' and '.join(f'method={name!r}' for name in OF_SUMS)} read all rows."
    warn(
        sampled_rows_message.format(method=method, sampled=SAMPLED_ROWS, n=n, remedy=remedy),
        SampledRowsWarning,
    )
    positions = np.sort(np.random.default_rng(SAMPLE_SEED).choice(n, SAMPLED_ROWS, replace=False))
    return parts.take(positions), f"A random sample of {SAMPLED_ROWS:,} of the {n:,} rows was read"


def _columns_of_part(frame: Any, index: int, names: tuple[str, ...]) -> list[AnyArray]:
    """Columns of a part: numbers as float64, everything else as text."""
    found = []
    for name in names:
        title = f"data column {name!r}, part {index},"
        values = read_array(frames.column(frame, name), title)
        if values.dtype.kind in "OU":
            missing = sum(is_missing(value) for value in values.tolist())
            if missing:
                raise ValueError(f"{title} has {missing} missing value(s); remove or impute them first.")
            found.append(values.astype(str))
        else:
            numbers = as_floats(values, title)
            check_finite(numbers, title)
            found.append(numbers)
    return found


def _sums_of_part(frame: Any, index: int, names: tuple[str, ...]) -> ColumnSums | None:
    columns = _columns_of_part(frame, index, names)
    return ColumnSums.of(columns) if len(columns[0]) else None


def _added(one: ColumnSums, other: ColumnSums, names: tuple[str, ...]) -> ColumnSums:
    for name, differs in zip(names, np.isnan(one.largest) != np.isnan(other.largest), strict=True):
        if differs:
            raise TypeError(
                f"data column {name!r} holds words in some parts and numbers in others; convert it to one type."
            )
    return one + other


def _tables_of_part(
    frame: Any, index: int, names: tuple[str, ...], levels: list[AnyArray]
) -> list[AnyArray] | None:
    columns = _columns_of_part(frame, index, names)
    return list(pair_tables(columns, levels)) if len(columns[0]) else None


def _matrix_of_sums(
    parts: RowParts,
    discrete: Declared | Sequence[str],
    method: Method,
    level: float,
    verbose: bool,
) -> tuple[tuple[str, ...], tuple[str, ...], list[float], list[tuple[float, float, float]], int]:
    """Names, kinds and entropies of columns, the estimate of every pair, and the number of rows, in one or two passes."""
    names = parts.names
    if len(names) < 2:
        raise ValueError(f"data needs at least two columns, got {len(names)}.")
    declared = _declare(discrete, names)
    passed = parts.map(
        partial(_sums_of_part, names=names), names, verbose=verbose, description="values and moments"
    )
    sums = reduce(partial(_added, names=names), (part for part in passed if part is not None))
    if sums.n < MIN_ROWS:
        raise ValueError(f"Mutual information needs at least {MIN_ROWS} rows, data has {sums.n}.")
    for name, counted in zip(names, sums.levels, strict=True):
        if counted is not None and len(counted[0]) == 1:
            side = f"data column {name!r}"
            warn(constant_column_message.format(side=side, n_constant=1, n_columns=1), ConstantColumnWarning)
    kinds = tuple(
        kind_of_counts(name, kind, counted, bool(np.isnan(largest)), sums.n)
        for name, kind, counted, largest in zip(names, declared, sums.levels, sums.largest, strict=True)
    )
    entropies = [
        entropy_of_shares(counted[1] / sums.n) if kind == "discrete" and counted is not None else np.inf
        for kind, counted in zip(kinds, sums.levels, strict=True)
    ]
    wanted = "discrete" if method == "plug-in" else "numeric"
    for name, kind in zip(names, kinds, strict=True):
        if (kind == "discrete") != (wanted == "discrete"):
            remedy = (
                "discrete=True if its values are levels"
                if wanted == "discrete"
                else "discrete=False if its numbers are a scale"
            )
            raise ValueError(
                f"method={method!r} needs {wanted} columns, but data column {name!r} is {kind} (up to {MOST_LEVELS:,} "
                f"levels of rows in parts are counted). Pass {remedy}, or leave the column out."
            )
    pairs = list(itertools.combinations(range(len(names)), 2))
    if method == "plug-in":
        found = _pairs_of_tables(parts, sums, names, pairs, level, verbose)
    else:
        found = [_pair_of_moments(sums, names, i, j, level) for i, j in pairs]
    estimates = [
        clip_estimate(estimate, min(entropies[i], entropies[j]))
        for estimate, (i, j) in zip(found, pairs, strict=True)
    ]
    return names, kinds, entropies, estimates, sums.n


def _added_tables(one: list[AnyArray], other: list[AnyArray]) -> list[AnyArray]:
    return [a + b for a, b in zip(one, other, strict=True)]


def _pairs_of_tables(
    parts: RowParts,
    sums: ColumnSums,
    names: tuple[str, ...],
    pairs: list[tuple[int, int]],
    level: float,
    verbose: bool,
) -> list[Estimate]:
    levels = [counted[0] for counted in sums.levels if counted is not None]
    cells = sum(len(levels[i]) * len(levels[j]) for i, j in pairs)
    if cells > MOST_CELLS:
        raise ValueError(
            f"The tables of all pairs of data have {cells:,} cells, more than {MOST_CELLS:,}. Merge rare categories, or hand over "
            "fewer columns at once."
        )
    passed = parts.map(
        partial(_tables_of_part, names=names, levels=levels), names, verbose=verbose, description="tables"
    )
    tables = reduce(_added_tables, (part for part in passed if part is not None))
    found = []
    for (i, j), table in zip(pairs, tables, strict=True):
        if min(len(levels[i]), len(levels[j])) == 1:
            found.append(known_estimate(0.0, CONSTANT, sums.n))
            continue
        counts = np.asarray(table)
        at = np.flatnonzero(counts)
        sides = f"data column {names[i]!r}", f"data column {names[j]!r}"
        x, y = np.divmod(at, len(levels[j]))
        found.append(table_estimate(sides, x, y, counts[at], "discrete=False", level))
    return found


def _pair_of_moments(sums: ColumnSums, names: tuple[str, ...], i: int, j: int, level: float) -> Estimate:
    counted = [(sums.levels[k], f"data column {names[k]!r}") for k in (i, j)]
    if any(known is not None and len(known[0]) == 1 for known, _ in counted):
        return known_estimate(0.0, CONSTANT, sums.n)
    found = correlation_estimate(sums.correlation(i, j), sums.n, level)
    # a side of few values has no more information than its entropy
    bounds = [
        (entropy_of_shares(known[1] / sums.n), known[1], name)
        for known, name in counted
        if known is not None and (np.isinf(found.value) or len(known[0]) < FUNCTIONAL_VALUES)
    ]
    exceeded = [bound for bound in bounds if found.value > bound[0]]
    if not exceeded:
        return found
    _, counts, name = min(exceeded, key=lambda bound: bound[0])
    return entropy_estimate(name, counts, level)


# --- rows in memory -----------------------------------------------------------------------------------------


def _read_columns(data: Any, discrete: Declared | Sequence[str]) -> tuple[tuple[str, ...], list[Side]]:
    if frames.is_frame(data):
        names, columns = tuple(frames.unique_names(data, "data")), frames.columns(data)
    else:
        array = read_array(data, "data")
        if array.ndim != 2:
            raise ValueError(f"data must be a data frame or two-dimensional, got shape {array.shape}.")
        names, columns = tuple(f"x{j}" for j in range(array.shape[1])), list(array.T)
    if len(names) < 2:
        raise ValueError(f"data needs at least two columns, got {len(names)}.")
    declared = _declare(discrete, names)
    sides = [
        prepare_side(column, f"data column {name!r}", kind, "discrete")
        for column, name, kind in zip(columns, names, declared)
    ]
    return names, sides


def _declare(discrete: Declared | Sequence[str], names: tuple[str, ...]) -> list[Declared]:
    if isinstance(discrete, bool | np.bool_ | str):
        if isinstance(discrete, str) and discrete != "auto":
            raise ValueError(
                f"discrete must be True, False, 'auto' or a list of column names, got {discrete!r}."
            )
        return [discrete] * len(names)  # type: ignore[list-item]
    if not isinstance(discrete, Iterable) or not all(isinstance(name, str) for name in discrete):  # type: ignore[redundant-expr]
        raise TypeError(
            f"discrete must be True, False, 'auto' or a list of column names, got {discrete!r} of type "
            f"{type(discrete).__name__}."
        )
    unknown = sorted(set(discrete) - set(names))
    if unknown:
        raise ValueError(f"discrete names unknown columns {unknown}; the columns are {list(names)}.")
    return [name in set(discrete) for name in names]


def _estimate_pairs(
    sides: list[Side], pairs: list[tuple[int, int]], options: Options, n_jobs: int | None, verbose: bool
) -> list[tuple[float, float, float]]:
    chunks = [pairs[i : i + PAIRS_PER_TASK] for i in range(0, len(pairs), PAIRS_PER_TASK)]
    tasks = (
        joblib.delayed(collect_warnings)(
            os.getpid(), _estimate_chunk, [(sides[i], sides[j]) for i, j in chunk], options
        )
        for chunk in chunks
    )
    stream = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    parts = list(progress(stream, total=len(chunks), description="pairs", verbose=verbose))
    repeat_warnings([entry for _, warned in parts for entry in warned])
    return [estimate for part, _ in parts for estimate in part]


def _estimate_chunk(pairs: list[tuple[Side, Side]], options: Options) -> list[tuple[float, float, float]]:
    found = []
    for x, y in pairs:
        estimate = estimate_sides(x, y, options)
        found.append(clip_estimate(estimate, min(x.entropy, y.entropy)))
    return found


def _fill(
    entropies: Sequence[float], estimates: list[tuple[float, float, float]], scale: float
) -> tuple[Float2D, Float2D, Float2D]:
    p = len(entropies)
    matrices = []
    for part in range(3):
        matrix = np.zeros((p, p))
        for (i, j), estimate in zip(itertools.combinations(range(p), 2), estimates, strict=True):
            matrix[i, j] = matrix[j, i] = estimate[part] * scale
        np.fill_diagonal(matrix, np.asarray(entropies) * scale)
        matrices.append(matrix)
    return matrices[0], matrices[1], matrices[2]


def _guarantee(n: int, level: float, intervals: bool, note: str = "") -> Guarantee:
    statement = "the values are point estimates, whose bias and spread are not stated"
    if intervals:
        statement = f"each interval speaks about its own pair, in about {100 * level:g} of 100 data sets; not about all pairs at once"
    remedy = "To choose features with an error rate under control use MISelector"
    return Guarantee(
        holds=statement,
        kind="heuristic",
        check=("the rows are independent of each other",),
        n_reference=n,
        citation="the estimators of mutual_info, each with its own source",
        confidence_level=level if intervals else None,
        details=(remedy, *((note,) if note else ())),
    )
