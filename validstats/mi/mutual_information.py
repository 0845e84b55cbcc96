"""Mutual information by one call: every estimator behind the same arguments and the same result."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from scipy import stats

from validstats import frames
from validstats._typing import Float2D, Int1D
from validstats.exceptions import SparseCellsWarning, sparse_cells_message
from validstats.guarantee import Guarantee
from validstats.mi.classical import (
    GaussianEstimate,
    Scaling,
    gaussian_copula,
    gaussian_plug_in,
    ksg,
    scale_columns,
    subsample_standard_error,
)
from validstats.mi.classical_sides import MIN_ROWS, Declared, Side, is_functional, prepare_sides
from validstats.mi.discrete import bin_columns, mixed_ksg, plug_in, ross
from validstats.mi.learned_sides import learned_inference, learned_value
from validstats.results import Report, Result, Table
from validstats.validation import check_confidence_level, check_literal, check_positive_int

__all__ = ["Method", "MutualInformationResult", "Unit", "estimate_sides", "mutual_info"]

Method: TypeAlias = Literal["learned", "ksg", "gaussian", "cca", "histogram"]
"""Estimators that :func:`mutual_info` offers."""

Unit: TypeAlias = Literal["nats", "bits"]
"""Unit of every reported value."""

NATS_PER_UNIT = {"nats": 1.0, "bits": float(np.log(2.0))}


@dataclass(frozen=True)
class Estimate:
    """An estimate in nats before clipping, with an approximate interval where there is one.

    Attributes
    ----------
    value : float
        Unclipped value.
    standard_error : float
        NaN where there is none.
    interval : tuple of float
        Ends of the interval before clipping; NaN where there is none.
    estimator : str
        What was computed, in words.
    guarantee : Guarantee
        What the interval promises.
    """

    value: float
    standard_error: float
    interval: tuple[float, float]
    estimator: str
    guarantee: Guarantee


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class MutualInformationResult(Result):
    """Mutual information of two sides.

    Attributes
    ----------
    estimate : float
        Value in ``unit``, at least 0 and at most ``upper_bound``; infinite where the sample shows an exact
        functional relation between continuous sides.
    conf_low, conf_high : float
        Interval in ``unit``; NaN where there is none.
    std_error : float
        Approximate standard error in ``unit``; NaN where there is none.
    unclipped : float
        Value before it was clipped to its possible range.
    upper_bound : float
        Smaller entropy of the discrete sides, in ``unit``; infinite if neither is discrete.
    unbounded : bool
        Whether an exact functional relation was found.
    unit : {"nats", "bits"}
        Unit.
    method : str
        Method asked for.
    estimator : str
        Estimator that was used for these kinds of sides.
    kind_x, kind_y : {"continuous", "discrete", "mixed"}
        Kind of each side.
    n_samples, dim_x, dim_y : int
        Shape of the data.
    """

    estimate: float
    conf_low: float
    conf_high: float
    std_error: float
    unclipped: float
    upper_bound: float
    unbounded: bool
    unit: Unit
    method: str
    estimator: str
    kind_x: str
    kind_y: str
    n_samples: int
    dim_x: int
    dim_y: int

    def __float__(self) -> float:
        return self.estimate

    def _tidy_columns(self) -> Mapping[str, Sequence[Any]]:
        return {
            "term": ["mutual information"],
            "estimate": [self.estimate],
            "std_error": [self.std_error],
            "conf_low": [self.conf_low],
            "conf_high": [self.conf_high],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "unit": self.unit,
            "method": self.method,
            "estimator": self.estimator,
            "n": self.n_samples,
            "dim_x": self.dim_x,
            "dim_y": self.dim_y,
            "kind_x": self.kind_x,
            "kind_y": self.kind_y,
            "upper_bound": self.upper_bound,
            "unbounded": self.unbounded,
        }

    def _report(self) -> Report:
        notes = []
        if self.unbounded:
            notes.append(
                "The sample shows an exact one-to-one relation between continuous columns of the two sides: the "
                "mutual information is unbounded, and no number is reported."
            )
        elif self.unclipped < 0:
            notes.append(f"The raw estimate was {self.unclipped:.4f}; mutual information is never negative.")
        header = [
            ("Estimator", self.estimator),
            ("X", f"{self.dim_x} column(s), {self.kind_x}"),
            ("Y", f"{self.dim_y} column(s), {self.kind_y}"),
            ("Rows", self.n_samples),
            ("Unit", self.unit),
        ]
        if np.isfinite(self.upper_bound):
            header.append(("Upper bound (entropy)", f"{self.upper_bound:.4f}"))
        columns = {
            "Estimate": [self.estimate],
            "Std. error": [self.std_error],
            "Low": [self.conf_low],
            "High": [self.conf_high],
        }
        return Report(
            title="Mutual information",
            header=header,
            tables=[Table(columns, formats=dict.fromkeys(columns, "estimate"))],
            guarantees=[self.guarantee],
            notes=notes,
        )


def mutual_info(
    x: Any,
    y: Any,
    *,
    method: Method = "learned",
    discrete_x: Declared = "auto",
    discrete_y: Declared = "auto",
    n_neighbors: int = 3,
    n_bins: int | None = None,
    scaling: Scaling = "standard",
    confidence_level: float = 0.9,
    unit: Unit = "nats",
) -> MutualInformationResult:
    """Estimate the mutual information of two sides, continuous, discrete or mixed, of any dimensions.

    Parameters
    ----------
    x, y : array-like of shape (n,) or (n, p), series or data frame
        The two sides, row by row: numbers, booleans, text or categories; at least 10 rows, nothing missing.
    method : {"learned", "ksg", "gaussian", "cca", "histogram"}, default "learned"
        * "learned": the network of :class:`LearnedMI` with its shipped weights and calibrated intervals. It reads a
          column of categories as ordered levels.
        * "ksg": nearest neighbours. Continuous sides: Kraskov's first estimator. A discrete and a continuous
          side: Ross. Ties beside other values: the mixture estimator of Gao.
        * "gaussian": Gaussian copula on normal scores with bias correction; sees monotone dependence only.
        * "cca": Gaussian plug-in from canonical correlations of the columns as they are; sees linear dependence.
        * "histogram": bins of equal counts, plug-in with the Miller-Madow correction; few columns only.

        Two discrete sides are estimated by the plug-in with the Miller-Madow correction, whatever the method.
    discrete_x, discrete_y : bool or "auto", default "auto"
        Whether a side is discrete. "auto": text, categories and booleans are, and numeric columns with ten
        or more rows for each distinct value.
    n_neighbors : int, default 3
        Neighbours for "ksg".
    n_bins : int or None, default None
        Bins for each continuous column for "histogram"; None aims at five rows in each joint cell.
    scaling : {"standard", "normal_scores", "none"}, default "standard"
        What "ksg" does to each numeric column first. "standard" matches scikit-learn's
        ``mutual_info_regression``; "normal_scores" makes the estimate invariant to increasing maps.
    confidence_level : float, default 0.9
        Level of the interval.
    unit : {"nats", "bits"}, default "nats"
        Unit of all values.

    Returns
    -------
    MutualInformationResult
        Estimate, interval and how they were obtained.

    Raises
    ------
    ValueError
        If the data are too few, of different lengths, not finite, or do not suit the method.
    TypeError
        If a side holds neither numbers nor categories.

    Warns
    -----
    ConstantColumnWarning
        If a column is constant.
    SupportWarning
        If ``method="learned"`` and the data do not look like those the network was trained on.

    Examples
    --------
    >>> import numpy as np
    >>> from validstats.mi import mutual_info
    >>> generator = np.random.default_rng(0)
    >>> x = generator.standard_normal(400)
    >>> y = np.sin(2 * x) + 0.3 * generator.standard_normal(400)
    >>> result = mutual_info(x, y)
    >>> result.conf_low <= result.estimate <= result.conf_high
    True
    >>> round(mutual_info(x, y, method="ksg").estimate, 2)
    0.85
    >>> mutual_info(x, x).unbounded
    True
    """
    check_literal(method, "method", get_args(Method))
    check_literal(unit, "unit", get_args(Unit))
    check_literal(scaling, "scaling", get_args(Scaling))
    level = float(check_confidence_level(confidence_level))
    side_x, side_y = prepare_sides(x, y, discrete_x, discrete_y)
    check_positive_int(n_neighbors, "n_neighbors", maximum=side_x.n_rows - 1)
    options = Options(method, n_neighbors, n_bins, scaling, level)
    estimate = estimate_sides(side_x, side_y, options)
    return _build_result(side_x, side_y, estimate, options, unit, frames.backend_of(x))


@dataclass(frozen=True)
class Options:
    """Checked options of :func:`mutual_info`, as :func:`estimate_sides` takes them."""

    method: str
    n_neighbors: int = 3
    n_bins: int | None = None
    scaling: Scaling = "standard"
    confidence_level: float = 0.9
    interval: bool = True


def estimate_sides(x: Side, y: Side, options: Options) -> Estimate:
    """Estimate the mutual information of two prepared sides with the estimator that suits their kinds.

    Parameters
    ----------
    x, y : Side
        The sides.
    options : Options
        Method and its settings.

    Returns
    -------
    Estimate
        Value in nats, unclipped.

    Raises
    ------
    ValueError
        If the method does not suit the sides.
    """
    if x.is_constant or y.is_constant:
        return _known_estimate(0.0, "a constant side carries no information", x.n_rows)
    if is_functional(x, y):
        return _known_estimate(float("inf"), "exact functional relation", x.n_rows)
    if x.kind == y.kind == "discrete":
        return _discrete_estimate(x, y, options)
    if options.method == "learned":
        return _learned_estimate(x, y, options)
    if options.method == "ksg":
        return _neighbour_estimate(x, y, options)
    if options.method == "histogram":
        return _histogram_estimate(x, y, options)
    return _gaussian_estimate(x, y, options)


# --- the estimators ---------------------------------------------------------------------------------------


def _learned_estimate(x: Side, y: Side, options: Options) -> Estimate:
    nan = float("nan")
    if not options.interval:
        value = learned_value(x, y)
        return Estimate(value, nan, (nan, nan), "learned", _point_guarantee(x.n_rows))
    found = learned_inference(x, y, options.confidence_level)
    interval = (float(found.lows[0]), float(found.highs[0]))
    return Estimate(float(found.estimates[0]), nan, interval, "learned", found.guarantee)


def _point_guarantee(n: int) -> Guarantee:
    return Guarantee(
        statement="the value is a point estimate, whose bias and spread are not stated",
        kind="heuristic",
        assumptions=(),
        n_reference=n,
        citation="the estimators of mutual_info, each with its own source",
    )


@dataclass(frozen=True)
class PointEstimator:
    """An estimator bound to two prepared sides, evaluated on chosen rows of each.

    Attributes
    ----------
    name : str
        What it computes, in words.
    source : str
        Paper.
    evaluate : callable
        Maps row indices of X and of Y, of one length, to an unclipped estimate in nats.
    """

    name: str
    source: str
    evaluate: Callable[[Int1D, Int1D], float]


def neighbour_estimator(x: Side, y: Side, options: Options) -> PointEstimator:
    """Choose the nearest-neighbour estimator that suits the kinds of the sides.

    Parameters
    ----------
    x, y : Side
        The sides, not both discrete.
    options : Options
        Number of neighbours and scaling.

    Returns
    -------
    PointEstimator
        Kraskov's, Ross's or Gao's estimator.
    """
    k = options.n_neighbors
    rows_x, rows_y, codes_x, codes_y = _scaled(x, options), _scaled(y, options), x.codes, y.codes
    if "mixed" in (x.kind, y.kind):
        return PointEstimator(
            f"mixture KSG, k = {k}",
            "Gao, Kannan, Oh and Viswanath (2017); Mesner and Shalizi (2021)",
            lambda i, j: mixed_ksg(rows_x[i], rows_y[j], k),
        )
    ross_name, ross_source = f"discrete-continuous (Ross), k = {k}", "Ross (2014), PLoS ONE 9(2), e87357"
    if codes_x is not None:
        return PointEstimator(ross_name, ross_source, lambda i, j: ross(codes_x[i], rows_y[j], k))
    if codes_y is not None:
        return PointEstimator(ross_name, ross_source, lambda i, j: ross(codes_y[j], rows_x[i], k))
    return PointEstimator(
        f"KSG 1, k = {k}",
        "Kraskov, Stögbauer and Grassberger (2004), equation (8)",
        lambda i, j: ksg(rows_x[i], rows_y[j], k),
    )


def _neighbour_estimate(x: Side, y: Side, options: Options) -> Estimate:
    estimator = neighbour_estimator(x, y, options)
    everything = np.arange(x.n_rows)
    value, error = estimator.evaluate(everything, everything), float("nan")
    if options.interval and x.n_rows >= 4 * (options.n_neighbors + MIN_ROWS):
        rows = np.hstack([x.rows, y.rows])
        error = subsample_standard_error(lambda part: estimator.evaluate(part, part), rows)
    return _approximate_estimate(estimator, value, error, options.confidence_level, x.n_rows)


def _scaled(side: Side, options: Options) -> Float2D:
    """Scaled numeric columns; the 0/1 columns of categories keep their unit distances."""
    rows = side.rows.copy()
    if len(side.numeric_columns):
        columns = side.numeric_columns
        rows[:, columns] = scale_columns(rows[:, columns], options.scaling)
    return rows


def _approximate_estimate(
    estimator: PointEstimator, value: float, error: float, level: float, n: int
) -> Estimate:
    half = float(stats.norm.isf((1 - level) / 2)) * error
    guarantee = Guarantee(
        statement=f"the interval shows the spread over disjoint parts of the rows at nominal level {level:g}",
        kind="heuristic",
        assumptions=(),
        n_reference=n,
        citation=f"{estimator.source}; Holmes and Nemenman (2019) for the spread",
        confidence_level=level,
        caveats=(
            "The bias of the nearest-neighbour estimate is not covered; it grows with the dimension and with "
            "the mutual information",
        ),
    )
    return Estimate(value, error, (value - half, value + half), estimator.name, guarantee)


ROWS_PER_CELL = 5
"""Fewest rows a filled cell, on average, at which a plug-in estimate goes without a warning."""


def _discrete_estimate(x: Side, y: Side, options: Options) -> Estimate:
    assert x.codes is not None
    assert y.codes is not None
    cells = len(np.unique(x.codes.astype(np.int64) * (int(y.codes.max()) + 1) + y.codes))
    if cells * ROWS_PER_CELL > x.n_rows:
        message = sparse_cells_message.format(x=x.name, y=y.name, cells=cells, n=x.n_rows)
        warnings.warn(message, SparseCellsWarning, stacklevel=5)
    return _cells_estimate(x.codes, y.codes, "plug-in, Miller-Madow", options.confidence_level, binned=False)


def _histogram_estimate(x: Side, y: Side, options: Options) -> Estimate:
    codes_x, codes_y, n_bins = binned_codes(x, y, options.n_bins)
    name = f"histogram, {n_bins} bins a column, Miller-Madow"
    return _cells_estimate(codes_x, codes_y, name, options.confidence_level, binned=True)


def binned_codes(x: Side, y: Side, n_bins: int | None) -> tuple[Int1D, Int1D, int]:
    """Cells of both sides: the levels of a discrete side, bins of equal counts of any other.

    Parameters
    ----------
    x, y : Side
        The sides.
    n_bins : int or None
        Bins for each column; None chooses.

    Returns
    -------
    codes_x, codes_y : ndarray of shape (n,)
        Cells.
    n_bins : int
        Bins used.
    """
    dims = sum(side.rows.shape[1] for side in (x, y) if side.codes is None)
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


def _cells_estimate(codes_x: Any, codes_y: Any, name: str, level: float, *, binned: bool) -> Estimate:
    cells = plug_in(codes_x, codes_y)
    half = float(stats.norm.isf((1 - level) / 2)) * cells.standard_error
    caveats = ["Near independence the law of the estimate is not normal and the interval is rough"]
    if binned:
        caveats.append(
            "It concerns the binned variables, whose mutual information is at most that of the data"
        )
    guarantee = Guarantee(
        statement=f"the interval covers the mutual information of the cells with probability near {level:g}",
        kind="asymptotic",
        assumptions=(
            "rows are independent",
            "the sides are dependent",
            "the number of cells is small against n",
        ),
        n_reference=len(codes_x),
        citation="delta method for the plug-in; Miller (1955) for its bias",
        confidence_level=level,
        caveats=tuple(caveats),
    )
    return Estimate(
        cells.value, cells.standard_error, (cells.value - half, cells.value + half), name, guarantee
    )


def _gaussian_estimate(x: Side, y: Side, options: Options) -> Estimate:
    for side in (x, y):
        if side.kind == "discrete":
            raise ValueError(
                f"method={options.method!r} needs numeric measurements, but {side.name} is discrete. Use "
                f"method='ksg' or 'histogram', or pass discrete_{side.name}=False if its numbers are a scale."
            )
    copula = options.method == "gaussian"
    fit = gaussian_copula(x.rows, y.rows) if copula else gaussian_plug_in(x.rows, y.rows)
    level = options.confidence_level
    error = float(np.sqrt((fit.correlations**2).sum() / x.n_rows))
    guarantee = Guarantee(
        statement=f"the interval covers the mutual information with probability near {level:g}",
        kind="asymptotic",
        assumptions=(
            "rows are independent",
            "the copula of all columns is Gaussian" if copula else "all columns are jointly Gaussian",
            "the sides are dependent" if fit.rank_x * fit.rank_y > 1 else "n is not small",
        ),
        n_reference=x.n_rows,
        citation=(
            "Ince et al. (2017), Human Brain Mapping 38, 1541-1573"
            if copula
            else "Björck and Golub (1973), Mathematics of Computation 27, 579-594"
        ),
        confidence_level=level,
        caveats=(f"Dependence that is not {'monotone' if copula else 'linear'} is missed",),
    )
    name = "Gaussian copula, bias-corrected" if copula else "canonical correlations"
    return Estimate(fit.value, error, _gaussian_interval(fit, x.n_rows, error, level), name, guarantee)


def _gaussian_interval(fit: GaussianEstimate, n: int, error: float, level: float) -> tuple[float, float]:
    """Fisher's z for one pair of columns; else normal, with the variance of the log density ratio."""
    quantile = float(stats.norm.isf((1 - level) / 2))
    if fit.rank_x == fit.rank_y == 1:
        centre, half = float(np.arctanh(fit.correlations[0])), quantile / np.sqrt(n - 3)
        low, high = np.tanh(max(0.0, centre - half)), np.tanh(centre + half)
        ends = -0.5 * np.log1p(-(np.array([low, high]) ** 2))
        return min(float(ends[0]), fit.value), float(ends[1])
    return fit.value - quantile * error, fit.value + quantile * error


def _known_estimate(value: float, name: str, n: int) -> Estimate:
    guarantee = Guarantee(
        statement=f"the value follows from the sample: {name}",
        kind="heuristic",
        assumptions=(),
        n_reference=n,
        citation="Cover and Thomas (2006), Elements of Information Theory, chapter 2",
    )
    return Estimate(value, float("nan"), (float("nan"), float("nan")), name, guarantee)


def _build_result(
    x: Side, y: Side, estimate: Estimate, options: Options, unit: Unit, backend: Any
) -> MutualInformationResult:
    bound = min(x.entropy, y.entropy)
    scale = 1.0 / NATS_PER_UNIT[unit]
    value, low, high = (float(np.clip(v, 0.0, bound)) for v in (estimate.value, *estimate.interval))
    return MutualInformationResult(
        guarantee=estimate.guarantee,
        backend=backend,
        estimate=value * scale,
        conf_low=low * scale,
        conf_high=high * scale,
        std_error=estimate.standard_error * scale,
        unclipped=estimate.value * scale,
        upper_bound=bound * scale,
        unbounded=bool(np.isinf(estimate.value)),
        unit=unit,
        method=options.method,
        estimator=estimate.estimator,
        kind_x=x.kind,
        kind_y=y.kind,
        n_samples=x.n_rows,
        dim_x=x.n_columns,
        dim_y=y.n_columns,
    )
