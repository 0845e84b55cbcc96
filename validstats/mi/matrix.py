"""Mutual information of every pair of columns of a data frame."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import joblib
import numpy as np

from validstats._typing import Float2D
from validstats.guarantee import Guarantee
from validstats.intake import check_confidence_level, check_literal, check_positive_int, frames, read_array
from validstats.mi.anchors import Scaling
from validstats.mi.estimators import NATS_PER_UNIT, Unit
from validstats.mi.methods import Method, Options, clip_estimate, estimate_sides, refuse_unused
from validstats.mi.sides import Declared, Repeats, Side, prepare_side, without_copies
from validstats.results import NotApplicable, Report, Result, Table, rounded
from validstats.runtime import collect_warnings, progress, repeat_warnings

__all__ = ["MutualInformationMatrix", "mutual_info_matrix"]

PAIRS_PER_TASK = 20
"""Pairs estimated in one joblib task."""

DEFAULT_LEVEL = 0.95
"""Level of intervals by default."""


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
    data : data frame or array-like of shape (n, p)
        At least 10 rows and 2 columns; numbers or categories, nothing missing.
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
    names, sides = _read_columns(data, discrete)
    sides, _, copies = without_copies(sides, repeats, "interval")
    check_positive_int(n_neighbors, "n_neighbors", maximum=sides[0].n_rows - 1)
    refuse_unused(method, n_neighbors, scaling=scaling)
    if not intervals and level != DEFAULT_LEVEL:
        raise ValueError(
            f"confidence_level={confidence_level!r} is for intervals only, and none are computed. Set intervals=True, "
            "or leave it out."
        )
    intervals = intervals and not copies
    options = Options(method, n_neighbors, None, scaling, level, intervals)
    pairs = list(itertools.combinations(range(len(names)), 2))
    estimates = _estimate_pairs(sides, pairs, options, n_jobs, verbose)
    values, low, high = _fill(sides, pairs, estimates, 1.0 / NATS_PER_UNIT[unit])
    if copies:
        low, high = (np.full_like(end, np.nan) for end in (low, high))
    return MutualInformationMatrix(
        guarantee=_guarantee(sides[0].n_rows, level, intervals),
        backend=frames.backend_of(data),
        names=names,
        values=values,
        conf_low=low,
        conf_high=high,
        kinds=tuple(side.kind for side in sides),
        unit=unit,
        method=method,
        n_samples=sides[0].n_rows,
    )


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
    sides: list[Side],
    pairs: list[tuple[int, int]],
    estimates: list[tuple[float, float, float]],
    scale: float,
) -> tuple[Float2D, Float2D, Float2D]:
    diagonal = np.diag([1.0] * len(sides)) > 0
    matrices = []
    for part in range(3):
        matrix = np.zeros((len(sides), len(sides)))
        for (i, j), estimate in zip(pairs, estimates):
            matrix[i, j] = matrix[j, i] = estimate[part] * scale
        matrix[diagonal] = [side.entropy * scale for side in sides]
        matrices.append(matrix)
    return matrices[0], matrices[1], matrices[2]


def _guarantee(n: int, level: float, intervals: bool) -> Guarantee:
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
        details=(remedy,),
    )
