"""Mutual information by one call: every estimator behind the same arguments and the same result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, get_args

import numpy as np

from validstats.intake import (
    align,
    check_confidence_level,
    check_literal,
    check_positive_int,
    frames,
    row_labels,
)
from validstats.mi.anchors import Scaling
from validstats.mi.certified import NOT_ASKED, LowerBound, certify_sides, is_quick
from validstats.mi.estimators import NATS_PER_UNIT, Unit
from validstats.mi.learned import learned_inference
from validstats.mi.methods import Estimate, Method, Options, clip_estimate, estimate_sides, refuse_unused
from validstats.mi.results import estimate_words
from validstats.mi.sides import Declared, Repeats, RowOptions, Rows, prepare_sides, read_rows
from validstats.results import NotApplicable, Report, Result, Table

__all__ = ["MutualInformationResult", "mutual_info"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class MutualInformationResult(Result):
    """Mutual information of two sides.

    Attributes
    ----------
    estimate : float
        Value in ``unit``, at least 0 and at most ``upper_bound``; infinite where the sample shows an exact
        functional relation between continuous sides.
    low, high : float
        Interval in ``unit``; NaN where there is none. The upper end may lie above ``upper_bound``, because the entropy of
        the law may. ``conf_low`` and ``conf_high`` give them, or say why there are none.
    std_error : float
        Approximate standard error in ``unit``; NaN where there is none. Of nearest-neighbour estimates of several columns it is
        computed when it is read.
    withheld : str
        Why there is no interval; empty where there is one.
    certified : LowerBound
        Certified lower bound in ``unit``, which does not depend on the method.
    naive : float or NotApplicable
        The nearest-neighbour estimate (KSG) that one would have reported.
    unclipped : float
        Value before it was clipped to its possible range.
    upper_bound : float
        Smaller entropy of the discrete sides in the sample, in ``unit``; infinite if neither is discrete.
    unbounded : bool
        Whether an exact functional relation was found.
    unit : {"nats", "bits"}
        Unit.
    confidence_level : float
        Level of the interval and of the certified bound.
    method : str
        Method asked for.
    estimator : str
        Estimator that was used for these sides; of the learned one also how many independent pairs of columns were read one by one,
        where the data fall into such pairs.
    kind_x, kind_y : {"continuous", "discrete", "mixed"}
        Kind of each side.
    n_samples, dim_x, dim_y : int
        Shape of the data as they were read.
    """

    estimate: float
    low: float
    high: float
    withheld: str
    certified: LowerBound
    naive: Any
    unclipped: float
    upper_bound: float
    unbounded: bool
    unit: Unit
    confidence_level: float
    method: str
    estimator: str
    kind_x: str
    kind_y: str
    n_samples: int
    dim_x: int
    dim_y: int
    _spread: Callable[[], float]

    @cached_property
    def std_error(self) -> float:
        """Approximate standard error in ``unit``; NaN where there is none."""
        return self._spread()

    def __getstate__(self) -> dict[str, Any]:
        # a copy carries the number and not the rows that it comes from
        return {**self.__dict__, "std_error": self.std_error, "_spread": None}

    @property
    def conf_low(self) -> Any:
        """Lower end of the interval, or why there is none."""
        return self._end(self.low)

    @property
    def conf_high(self) -> Any:
        """Upper end of the interval, or why there is none."""
        return self._end(self.high)

    def _end(self, value: float) -> Any:
        if not np.isnan(value):
            return value
        return NotApplicable(self.withheld or f"{self.estimator} has no interval for these data")

    @property
    def informative(self) -> bool:
        """Whether the interval or the certified bound excludes anything."""
        return bool(np.isfinite(self.high) or self.certified.value)

    def __float__(self) -> float:
        return self.estimate

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the estimate with its interval, beside the certified bound."""
        from validstats.plotting.mutual_information import MutualInformationDisplay

        lines = {
            "mutual information": (self.estimate, self.low, self.high),
            "certified": (float(self.certified.value), float("nan"), float("nan")),
        }
        kept = {name: line for name, line in lines.items() if name not in drop and not np.isnan(line[0])}
        return MutualInformationDisplay(
            [(labels or {}).get(name, name) for name in kept],
            *(np.array(column) for column in zip(*kept.values(), strict=True)),
            unit=self.unit,
            sort=False,
        )

    def _answer(self) -> str:
        return estimate_words(self.estimate, self.low, self.high, self.unit, self.certified)

    def _tidy_columns(self) -> Mapping[str, Sequence[Any]]:
        return {
            "term": ["mutual information"],
            "estimate": [self.estimate],
            "std_error": [self.std_error],
            "conf_low": [self.low],
            "conf_high": [self.high],
            "certified": [float(self.certified.value)],
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
            "confidence_level": self.confidence_level,
            "withheld": self.withheld,
        }

    def _report(self) -> Report:
        notes = []
        if self.unbounded:
            notes.append(
                "The sample shows an exact one-to-one relation between continuous columns of the two sides: the "
                "mutual information is unbounded, and no number is reported."
            )
        elif self.unclipped < 0:
            notes.append(f"The raw estimate was {self.unclipped:z.4f}; mutual information is never negative.")
        notes.append(self.certified.sentence(self.unit))
        if self.withheld:
            notes.append(f"No interval: {self.withheld}.")
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
            "Low": [self.low],
            "High": [self.high],
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
    confidence_level: float = 0.95,
    unit: Unit = "nats",
    repeats: Repeats = "auto",
    ids: Any = None,
    clusters: Any = None,
    exchangeable: bool = False,
    certify: bool | None = None,
) -> MutualInformationResult:
    """Estimate the mutual information of two sides, continuous, discrete or mixed, of any dimensions.

    Parameters
    ----------
    x, y : array-like of shape (n,) or (n, p), series or data frame
        The two sides, row by row: numbers, booleans, text or categories; at least 10 rows, nothing missing.
    method : {"learned", "plug-in", "ksg", "gaussian", "cca", "histogram"}, default "learned"
        * "learned": the network of :class:`LearnedMI` with its shipped weights and calibrated intervals.
        * "plug-in": two discrete sides, from the counts of their levels with the Miller-Madow correction; also what "ksg" and
          "histogram" do with two discrete sides.
        * "ksg": nearest neighbours. Continuous sides: Kraskov's first estimator. A discrete and a continuous
          side: Ross. Ties beside other values: the mixture estimator of Gao. An interval for two single columns only: elsewhere the
          bias outweighs the spread.
        * "gaussian": Gaussian copula on normal scores with bias correction; sees monotone dependence only.
        * "cca": Gaussian plug-in from canonical correlations of the columns as they are; sees linear dependence.
        * "histogram": bins of equal counts, plug-in with the Miller-Madow correction; few columns only.
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
    confidence_level : float, default 0.95
        Level of the interval and of the certified lower bound.
    unit : {"nats", "bits"}, default "nats"
        Unit of all values.
    repeats, ids, clusters, exchangeable, certify
        What the rows are, and whether the certified lower bound is computed, as in :meth:`LearnedMI.infer`.

    Returns
    -------
    MutualInformationResult
        Estimate, interval, certified lower bound and how they were obtained.

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
    RepeatedRowsWarning, SerialDependenceWarning, SupportWarning
        If rows are not independent draws, or a side has more columns than any simulated one: there is no interval then.

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
    level = check_confidence_level(confidence_level)
    labels = row_labels(x, name="x")
    given = RowOptions(repeats, align(ids, labels, "ids"), align(clusters, labels, "clusters"), exchangeable)
    given.check()
    side_x, side_y = prepare_sides(x, y, discrete_x, discrete_y)
    check_positive_int(n_neighbors, "n_neighbors", maximum=side_x.n_rows - 1)
    refuse_unused(method, n_neighbors, n_bins, scaling)
    rows = read_rows(side_x, side_y, given)
    options = Options(method, n_neighbors, n_bins, scaling, float(level))
    backend = frames.backend_of(x)
    if method == "learned":
        found = learned_inference(rows, level, given, certify, "nats", backend)
        ends = float(found.lows[0]), float(found.highs[0])
        value, nan = float(found.estimates[0]), float("nan")
        pairs = int(found.n_pairs[0])
        read = f", {pairs} independent {'pair' if pairs == 1 else 'pairs'} of columns" if pairs else ""
        estimate = Estimate(value, nan, ends, f"learned{read}", found.guarantee, found.withheld[0])
        return _build_result(rows, estimate, options, unit, backend, found.certified, float(found.naive))
    estimate = estimate_sides(rows.x, rows.y, options)
    if rows.withheld:
        estimate = replace(estimate, interval=(float("nan"), float("nan")), withheld=rows.withheld)
    wanted = is_quick(rows.x, rows.y) if certify is None else certify
    if wanted:
        certified = certify_sides(rows.x, rows.y, float(level), rows.uncertified, exchangeable)
    else:
        certified = LowerBound(NotApplicable(NOT_ASKED), float(level))
    naive = (
        estimate.value
        if method == "ksg"
        else NotApplicable("only method='learned' computes KSG beside its answer")
    )
    return _build_result(rows, estimate, options, unit, backend, certified, naive)


def _build_result(
    rows: Rows,
    estimate: Estimate,
    options: Options,
    unit: Unit,
    backend: Any,
    certified: LowerBound,
    naive: Any,
) -> MutualInformationResult:
    x, y = rows.x, rows.y
    bound = min(x.entropy, y.entropy)
    scale = 1.0 / NATS_PER_UNIT[unit]
    value, low, high = clip_estimate(estimate, bound)
    return MutualInformationResult(
        guarantee=estimate.guarantee,
        backend=backend,
        estimate=value * scale,
        low=low * scale,
        high=high * scale,
        _spread=lambda: estimate.standard_error * scale,
        withheld=estimate.withheld,
        certified=certified.scaled(scale),
        naive=naive if isinstance(naive, NotApplicable) else naive * scale,
        unclipped=estimate.value * scale,
        upper_bound=bound * scale,
        unbounded=bool(np.isinf(estimate.value)),
        unit=unit,
        confidence_level=options.confidence_level,
        method=options.method,
        estimator=estimate.estimator,
        kind_x=x.kind,
        kind_y=y.kind,
        n_samples=x.n_rows,
        dim_x=x.n_columns,
        dim_y=y.n_columns,
    )
