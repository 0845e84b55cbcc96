"""Estimates of two prepared sides by each method, in nats, with what their intervals promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal, TypeAlias

import numpy as np
from scipy import stats

from validstats._typing import Float2D, Int1D
from validstats.exceptions import SparseCellsWarning, sparse_cells_message, warn
from validstats.guarantee import Guarantee
from validstats.intake import check_positive_int
from validstats.mi.anchors import (
    DiscreteEstimate,
    GaussianEstimate,
    Scaling,
    bin_columns,
    entropy,
    gaussian_copula,
    gaussian_from_correlations,
    gaussian_plug_in,
    information_interval,
    ksg,
    mixed_ksg,
    plug_in,
    plug_in_of_cells,
    ross,
    row_codes,
    scale_columns,
    sorted_order,
    subsample_standard_error,
)
from validstats.mi.learned import learned_inference, learned_value
from validstats.mi.sides import FUNCTIONAL_VALUES, MIN_ROWS, RowOptions, Rows, Side, is_functional

__all__ = [
    "MOST_FILLED",
    "Estimate",
    "Method",
    "Options",
    "clip_estimate",
    "correlation_estimate",
    "entropy_bound",
    "entropy_estimate",
    "estimate_sides",
    "known_estimate",
    "refuse_unused",
    "table_estimate",
]

Method: TypeAlias = Literal["learned", "plug-in", "ksg", "gaussian", "cca", "histogram"]
"""Estimators that :func:`mutual_info` offers."""


@dataclass(frozen=True)
class Estimate:
    """An estimate in nats before clipping, with an approximate interval where there is one."""

    value: float  # Unclipped value
    spread: (
        float | Callable[[], float]
    )  # Standard error, NaN where there is none; a function where it takes long
    interval: tuple[float, float]  # Ends of the interval before clipping; NaN where there is none
    estimator: str  # What was computed, in words
    guarantee: Guarantee  # What the interval promises
    withheld: str = ""  # Why there is no interval, where data or method do not allow one

    @cached_property
    def standard_error(self) -> float:
        """Standard error, computed when it is asked for."""
        return self.spread() if callable(self.spread) else self.spread


@dataclass(frozen=True)
class Options:
    """Checked options of :func:`mutual_info`, as :func:`estimate_sides` takes them."""

    method: str
    n_neighbors: int = 3
    n_bins: int | None = None
    scaling: Scaling = "standard"
    confidence_level: float = 0.95
    interval: bool = True


def refuse_unused(
    method: str, n_neighbors: int = 3, n_bins: int | None = None, scaling: Scaling = "standard"
) -> None:
    """Refuse settings that the chosen method would not read."""
    for name, value, default, owner in (
        ("n_neighbors", n_neighbors, 3, "ksg"),
        ("n_bins", n_bins, None, "histogram"),
        ("scaling", scaling, "standard", "ksg"),
    ):
        is_default = value is default or (isinstance(value, int | str) and value == default)
        if method != owner and not is_default:
            raise ValueError(
                f"{name}={value!r} is for {owner!r} only; {method!r} does not read it. Leave it out."
            )


def clip_estimate(estimate: Estimate, bound: float) -> tuple[float, float, float]:
    """Send an estimate and its interval into their possible range."""
    value, low = (float(np.clip(v, 0.0, bound)) for v in (estimate.value, estimate.interval[0]))
    return value, low, float(np.maximum(0.0, estimate.interval[1]))


def estimate_sides(x: Side, y: Side, options: Options) -> Estimate:
    """Estimate the mutual information of two prepared sides with the estimator that suits their kinds."""
    if x.is_constant or y.is_constant:
        return known_estimate(0.0, "a constant side carries no information", x.n_rows)
    if is_functional(x, y):
        return known_estimate(float("inf"), "exact functional relation", x.n_rows)
    if options.method == "learned":
        return _learned_estimate(x, y, options)
    if x.kind == y.kind == "discrete":
        return _discrete_estimate(x, y, options)
    if options.method == "plug-in":
        side = x if x.kind != "discrete" else y
        raise ValueError(
            f"method='plug-in' needs two discrete sides, but {side.name} is {side.kind}. Pass {side.option}=True if its values are "
            "levels, or use method='histogram'."
        )
    if options.method == "ksg":
        return _neighbour_estimate(x, y, options)
    if options.method == "histogram":
        return _histogram_estimate(x, y, options)
    return _gaussian_estimate(x, y, options)


# --- the estimators ---------------------------------------------------------------------------------------


def _learned_estimate(x: Side, y: Side, options: Options) -> Estimate:
    nan = float("nan")
    if not options.interval:
        return Estimate(learned_value(x, y), nan, (nan, nan), "learned", _point_guarantee(x.n_rows))
    rows, given = Rows(x, y, x.n_rows), RowOptions(exchangeable=True)
    found = learned_inference(rows, options.confidence_level, given, False, "nats", "pandas")
    ends = float(found.lows[0]), float(found.highs[0])
    return Estimate(float(found.estimates[0]), nan, ends, "learned", found.guarantee, found.withheld[0])


def _point_guarantee(n: int) -> Guarantee:
    return Guarantee(
        holds="the value is a point estimate, whose bias and spread are not stated",
        kind="heuristic",
        check=(),
        n_reference=n,
        citation="the estimators of mutual_info, each with its own source",
    )


@dataclass(frozen=True)
class PointEstimator:
    """An estimator bound to two prepared sides, evaluated on chosen rows of each."""

    name: str  # What it computes, in words
    source: str  # Paper
    # Maps row indices of X and of Y, of one length, to an unclipped estimate in nats
    evaluate: Callable[[Int1D, Int1D], float]


def neighbour_estimator(x: Side, y: Side, options: Options) -> PointEstimator:
    """Choose the nearest-neighbour estimator that suits the kinds of the sides."""
    k, codes_x, codes_y = options.n_neighbors, x.codes, y.codes
    kinds = (x.kind, y.kind)
    if "mixed" in kinds or ("discrete" not in kinds and _repeat_beyond(k, x) and _repeat_beyond(k, y)):
        lattice_x, lattice_y = (_scaled(_from_zero(side), options) for side in (x, y))
        return PointEstimator(
            f"mixture KSG, k = {k}",
            "Gao, Kannan, Oh and Viswanath (2017); Mesner and Shalizi (2021)",
            lambda i, j: mixed_ksg(lattice_x[i], lattice_y[j], k),
        )
    ross_name, ross_source = f"discrete-continuous (Ross), k = {k}", "Ross (2014), PLoS ONE 9(2), e87357"
    if codes_x is not None:
        scaled_y = _scaled(y, options)
        return PointEstimator(ross_name, ross_source, lambda i, j: ross(codes_x[i], scaled_y[j], k))
    if codes_y is not None:
        scaled_x = _scaled(x, options)
        return PointEstimator(ross_name, ross_source, lambda i, j: ross(codes_y[j], scaled_x[i], k))
    rows_x, rows_y = _scaled(x, options), _scaled(y, options)
    return PointEstimator(
        f"KSG 1, k = {k}",
        "Kraskov, Stögbauer and Grassberger (2004), equation (8)",
        lambda i, j: ksg(rows_x[i], rows_y[j], k),
    )


FEW_PARTS = 4


def _neighbour_estimate(x: Side, y: Side, options: Options) -> Estimate:
    estimator = neighbour_estimator(x, y, options)
    everything = np.arange(x.n_rows)
    value = estimator.evaluate(everything, everything)
    single = x.n_columns == 1 == y.n_columns
    error: float | Callable[[], float] = float("nan")
    if options.interval:
        error = partial(_error_of_parts, estimator, x, y, options.n_neighbors)
        error = error() if single else error  # the interval of two single columns reads it
    return _approximate_estimate(estimator, value, error, options.confidence_level, x.n_rows, single)


def _error_of_parts(estimator: PointEstimator, x: Side, y: Side, n_neighbors: int) -> float:
    """Standard error by disjoint parts of the rows; NaN where they are few."""
    needed = n_neighbors + MIN_ROWS
    if x.n_rows < FEW_PARTS * needed:
        return float("nan")
    # Eight parts cost less than the estimate itself; short data are cut into four, five times.
    parts = (8, 1) if x.n_rows >= 8 * needed else (FEW_PARTS, 5)
    try:
        return subsample_standard_error(
            lambda part: estimator.evaluate(part, part), _in_either_order(x.keys, y.keys), *parts
        )
    except ValueError:  # In a part of the rows no level occurs twice: the spread is not known.
        return float("nan")


def _in_either_order(x: Float2D, y: Float2D) -> Float2D:
    """Columns of both sides, the first side the same whichever is passed first."""
    one, other = (np.hstack(sides) + 0.0 for sides in ((x, y), (y, x)))
    # the first rows decide where one row alone is first and they differ
    first = [rows[rows[:, -1] == rows[:, -1].min()] for rows in (one, other)]
    if max(map(len, first)) > 1 or first[0].tobytes() == first[1].tobytes():
        first = [rows[sorted_order(rows)] for rows in (one, other)]
    return other if first[1].tobytes() < first[0].tobytes() else one


def _repeat_beyond(k: int, side: Side) -> bool:
    """Tell whether some row occurs more than k times; it does not where each value of a column occurs less often."""
    if any(np.unique(column, return_counts=True)[1].max() <= k for column in side.rows.T):
        return False
    return int(np.bincount(row_codes(side.rows)).max()) > k


def _from_zero(side: Side) -> Side:
    """Move each column to the least value 0, so that scaling leaves a lattice one."""
    parts = tuple(
        p if p.levels is not None else replace(p, values=p.values - p.values.min()) for p in side.parts
    )
    return replace(side, parts=parts)


def _scaled(side: Side, options: Options) -> Float2D:
    """Scaled numeric columns; the 0/1 columns of categories keep their unit distances."""
    rows = side.rows.copy()
    if len(side.numeric_columns):
        columns = side.numeric_columns
        rows[:, columns] = scale_columns(rows[:, columns], options.scaling)
    return rows


def _approximate_estimate(
    estimator: PointEstimator,
    value: float,
    error: float | Callable[[], float],
    level: float,
    n: int,
    single: bool,
) -> Estimate:
    """Estimate with its spread; an interval for two single columns only, because elsewhere the bias outweighs it."""
    half = float("nan") if callable(error) else float(stats.norm.isf((1 - level) / 2)) * error
    half = half if single else float("nan")
    if single:
        holds = f"the interval shows how much the estimate varies from sample to sample, at nominal level {level:g}"
    else:
        holds = "the standard error shows how much the estimate varies from sample to sample, not how far it is from the truth"
    guarantee = Guarantee(
        holds=holds,
        kind="heuristic",
        check=(),
        n_reference=n,
        citation=f"{estimator.source}; Holmes and Nemenman (2019) for the spread",
        confidence_level=level if single else None,
        details=(
            "The spread is that over disjoint parts of the rows",
            "The bias of the nearest-neighbour estimate is not covered; it grows with the dimension and with "
            "the mutual information",
        ),
    )
    reason = (
        "" if single else "the bias of a nearest-neighbour estimate of several columns outweighs its spread"
    )
    return Estimate(value, error, (value - half, value + half), estimator.name, guarantee, reason)


MOST_FILLED = 0.3
"""Filled cells a row beyond which a plug-in interval is withheld: at 20 x 20 levels and n = 200 it never covers 0."""
ROWS_PER_CELL = 5
"""Fewest rows a filled cell, on average, at which a plug-in estimate goes without a warning."""


def _discrete_estimate(x: Side, y: Side, options: Options) -> Estimate:
    assert x.codes is not None
    assert y.codes is not None
    n_levels = int(y.codes.max()) + 1
    cells, count = np.unique(x.codes.astype(np.int64) * n_levels + y.codes, return_counts=True)
    remedy = " and ".join(f"{option}=False" for option in dict.fromkeys((x.option, y.option)))
    return table_estimate(
        (x.name, y.name), cells // n_levels, cells % n_levels, count, remedy, options.confidence_level
    )


def table_estimate(
    names: tuple[str, str], x: Int1D, y: Int1D, count: Int1D, remedy: str, level: float
) -> Estimate:
    """Estimate from the levels and the count of every filled cell of two discrete sides."""
    n = int(count.sum())
    if len(count) * ROWS_PER_CELL > n:
        message = sparse_cells_message.format(x=names[0], y=names[1], cells=len(count), n=n, remedy=remedy)
        warn(message, SparseCellsWarning)
    found = plug_in_of_cells(x, y, count)
    return _cells_estimate(found, len(count), n, "plug-in, Miller-Madow", level, binned=False)


def _histogram_estimate(x: Side, y: Side, options: Options) -> Estimate:
    codes_x, codes_y, n_bins = binned_codes(x, y, options.n_bins)
    name = f"histogram, {n_bins} bins a column, Miller-Madow"
    found, n = plug_in(codes_x, codes_y), len(codes_x)
    filled = len(np.unique(codes_x.astype(np.int64) * (int(codes_y.max()) + 1) + codes_y))
    return _cells_estimate(found, filled, n, name, options.confidence_level, binned=True)


def binned_codes(x: Side, y: Side, n_bins: int | None) -> tuple[Int1D, Int1D, int]:
    """Cells of both sides: the levels of a discrete side, bins of equal counts of any other."""
    dims = sum(side.width for side in (x, y) if side.codes is None)
    chosen = _choose_bins(x.n_rows, max(1, dims), n_bins, coded=x.codes is not None or y.codes is not None)
    codes_x, codes_y = (bin_columns(s.rows, chosen) if s.codes is None else s.codes for s in (x, y))
    return codes_x, codes_y, chosen


def _choose_bins(n: int, dims: int, n_bins: int | None, *, coded: bool) -> int:
    """Bins for each column such that the joint cells hold about five rows each."""
    if n_bins is not None:
        return check_positive_int(n_bins, "n_bins", minimum=2)
    cells = n / 5.0 if not coded else np.sqrt(n / 5.0)
    chosen = int(np.floor(cells ** (1.0 / dims)))
    if chosen < 2 and dims > 2:
        raise ValueError(
            f"A histogram of {dims} continuous columns needs more rows than n = {n}: fewer than five would "
            "fall into each joint cell. Use method='ksg', fewer columns, or set n_bins."
        )
    return max(2, chosen)


def _cells_estimate(
    cells: DiscreteEstimate, n_filled: int, n: int, name: str, level: float, *, binned: bool
) -> Estimate:
    filled = n_filled / n
    withheld = ""
    if filled > MOST_FILLED:
        withheld = (
            f"{100 * filled:.0f} filled cells in 100 rows are too many for the interval of a plug-in estimate"
        )
    what = (
        "of the binned columns, which is at most that of the data"
        if binned
        else "of the two tables of levels"
    )
    guarantee = Guarantee(
        holds=f"in about {100 * level:g} of 100 samples the interval contains the mutual information {what}",
        kind="asymptotic",
        check=(
            "the rows are independent of each other",
            "every cell of the table that matters is filled often",
        ),
        n_reference=n,
        citation="Wilks (1938), Annals of Mathematical Statistics 9, 60-62; Miller (1955) for the bias",
        confidence_level=level,
        details=(
            "The interval inverts the noncentral chi-square law of the likelihood ratio, scaled to the variance of the delta method; "
            "near independence, where that variance tends to 0, it is the law of the test of independence",
        ),
    )
    interval = float("nan"), float("nan")
    if not withheld:
        interval = information_interval(
            cells.value, cells.plug_in, cells.standard_error, cells.degrees, n, level
        )
    return Estimate(cells.value, cells.standard_error, interval, name, guarantee, withheld)


def _gaussian_estimate(x: Side, y: Side, options: Options) -> Estimate:
    for side in (x, y):
        if side.kind == "discrete":
            raise ValueError(
                f"method={options.method!r} needs numeric measurements, but {side.name} is discrete. Use "
                f"method='ksg' or 'histogram', or pass {side.option}=False if its numbers are a scale."
            )
    copula = options.method == "gaussian"
    fit = gaussian_copula(x.rows, y.rows) if copula else gaussian_plug_in(x.rows, y.rows)
    level = options.confidence_level
    if (bounding := entropy_bound((x, y), fit.value)) is not None:
        return entropy_estimate(bounding.name, np.bincount(row_codes(bounding.rows)), level)
    return _gaussian_fit(fit, x.n_rows, copula, level)


def correlation_estimate(correlation: float, n: int, level: float) -> Estimate:
    """Estimate from the correlation of two columns that are jointly Gaussian."""
    correlations = np.array([abs(correlation)])
    fit = GaussianEstimate(
        value=gaussian_from_correlations(correlations), correlations=correlations, rank_x=1, rank_y=1
    )
    return _gaussian_fit(fit, n, False, level)


def _gaussian_fit(fit: GaussianEstimate, n: int, copula: bool, level: float) -> Estimate:
    error = float(np.sqrt((fit.correlations**2).sum() / n))
    guarantee = Guarantee(
        holds=f"the interval covers the mutual information with probability near {level:g}",
        kind="asymptotic",
        check=(
            "rows are independent",
            "the copula of all columns is Gaussian" if copula else "all columns are jointly Gaussian",
            "n is not small" if fit.rank_x * fit.rank_y == 1 else "rows are many more than columns",
        ),
        n_reference=n,
        citation=(
            "Ince et al. (2017), Human Brain Mapping 38, 1541-1573"
            if copula
            else "Björck and Golub (1973), Mathematics of Computation 27, 579-594"
        ),
        confidence_level=level,
        details=(f"Dependence that is not {'monotone' if copula else 'linear'} is missed",),
    )
    name = "Gaussian copula, bias-corrected" if copula else "canonical correlations"
    return Estimate(fit.value, error, _gaussian_interval(fit, n, error, level), name, guarantee)


def _gaussian_interval(fit: GaussianEstimate, n: int, error: float, level: float) -> tuple[float, float]:
    """Fisher's z for one pair of columns; else by the likelihood ratio, with the variance of the log density ratio."""
    if fit.rank_x == fit.rank_y == 1:
        quantile = float(stats.norm.isf((1 - level) / 2))
        centre, half = float(np.arctanh(fit.correlations[0])), quantile / np.sqrt(n - 3)
        low, high = np.tanh(max(0.0, centre - half)), np.tanh(centre + half)
        ends = -0.5 * np.log1p(-(np.array([low, high]) ** 2))
        return min(float(ends[0]), fit.value), max(float(ends[1]), fit.value)
    likelihood = gaussian_from_correlations(fit.correlations)
    return information_interval(fit.value, likelihood, error, fit.rank_x * fit.rank_y, n, level)


def entropy_bound(sides: tuple[Side, Side], value: float) -> Side | None:
    """Find a side of few values whose plug-in entropy a Gaussian value exceeds."""
    bounds = {side: entropy(row_codes(side.rows)) for side in sides if np.isinf(value) or _few_values(side)}
    exceeded = {side: bound for side, bound in bounds.items() if value > bound}
    return min(exceeded, key=lambda side: exceeded[side]) if exceeded else None


def _few_values(side: Side) -> bool:
    return side.kind != "continuous" and row_codes(side.rows).max() + 1 < FUNCTIONAL_VALUES


def entropy_estimate(side: str, counts: Int1D, level: float) -> Estimate:
    """The entropy of a side in place of a Gaussian value that exceeds it, from the counts of its values."""
    levels = np.flatnonzero(counts)
    found = plug_in_of_cells(levels, levels, counts[levels], miller_madow=False)
    half = float(stats.norm.isf((1 - level) / 2)) * found.standard_error
    guarantee = Guarantee(
        holds=f"the interval covers the entropy of {side} with probability near {level:g}",
        kind="asymptotic",
        check=("rows are independent", "the number of values is small against n"),
        n_reference=int(counts.sum()),
        citation="delta method for the plug-in; Cover and Thomas (2006), chapter 2, for the bound",
        confidence_level=level,
        details=(
            f"The Gaussian value exceeds the entropy of {side} in the sample, which has too few values to tell a "
            "functional relation; the entropy is reported in its place",
        ),
    )
    name = f"entropy of {side}, below the Gaussian value"
    return Estimate(
        found.value, found.standard_error, (found.value - half, found.value + half), name, guarantee
    )


def known_estimate(value: float, name: str, n: int) -> Estimate:
    """A value that follows from the sample without an estimator."""
    guarantee = Guarantee(
        holds=f"the value follows from the sample: {name}",
        kind="heuristic",
        check=(),
        n_reference=n,
        citation="Cover and Thomas (2006), Elements of Information Theory, chapter 2",
    )
    return Estimate(value, float("nan"), (float("nan"), float("nan")), name, guarantee)
