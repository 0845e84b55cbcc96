"""Mutual information by one call: every estimator behind the same arguments and the same result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from validstats.intake import check_confidence_level, check_literal, check_positive_int, frames
from validstats.mi.anchors import Scaling
from validstats.mi.methods import (
    NATS_PER_UNIT,
    Estimate,
    Method,
    Options,
    Unit,
    clip_estimate,
    estimate_sides,
    refuse_unused,
)
from validstats.mi.sides import Declared, Side, prepare_sides
from validstats.results import Report, Result, Table

__all__ = ["MutualInformationResult", "mutual_info"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class MutualInformationResult(Result):
    """Mutual information of two sides.

    Attributes
    ----------
    estimate : float
        Value in ``unit``, at least 0 and at most ``upper_bound``; infinite where the sample shows an exact
        functional relation between continuous sides.
    conf_low, conf_high : float
        Interval in ``unit``; NaN where there is none. The upper end may lie above ``upper_bound``, because the entropy of
        the law may.
    std_error : float
        Approximate standard error in ``unit``; NaN where there is none.
    unclipped : float
        Value before it was clipped to its possible range.
    upper_bound : float
        Smaller entropy of the discrete sides in the sample, in ``unit``; infinite if neither is discrete.
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
        If the data are too few, of different lengths, not finite, or do not suit the method; or if an option of another
        method is set.
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
    refuse_unused(method, n_neighbors, n_bins, scaling)
    options = Options(method, n_neighbors, n_bins, scaling, level)
    estimate = estimate_sides(side_x, side_y, options)
    return _build_result(side_x, side_y, estimate, options, unit, frames.backend_of(x))


def _build_result(
    x: Side, y: Side, estimate: Estimate, options: Options, unit: Unit, backend: Any
) -> MutualInformationResult:
    bound = min(x.entropy, y.entropy)
    scale = 1.0 / NATS_PER_UNIT[unit]
    value, low, high = clip_estimate(estimate, bound)
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
