"""Quantiles of a label: the design-based distribution function, rearranged and inverted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from validstats._typing import Float1D, Float2D, Int1D
from validstats.dsl.fit import (
    Component,
    Estimate,
    EstimatorName,
    LabelledSample,
    Population,
    ScoreTerm,
    SimpleFit,
    Tuning,
    estimate,
)
from validstats.dsl.labels import CrossFitter, expected_completions
from validstats.dsl.moments import (
    MeanMoment,
    RegressionRows,
    SamplingDesign,
    VarianceKind,
    clustered_meat,
    critical_value,
    effective_labels,
    kish_size,
)
from validstats.dsl.regression.assembly import assemble
from validstats.dsl.regression.clusters import degrees_of_freedom, resolve_clusters, warn_about_few_clusters
from validstats.dsl.regression.formulas import DesignBuilder, ParsedFormula
from validstats.dsl.regression.preparation import InferenceRequest, checked_weights, feature_matrix
from validstats.dsl.regression.statements import inference_guarantee
from validstats.dsl.results import CoefficientResult
from validstats.intake import check_in_range

__all__ = [
    "LabelDistribution",
    "QuantileEstimate",
    "infer_quantile",
    "invert_distribution",
    "naive_quantile",
    "quantile_influence",
]

_N_GRID = 50
_N_CELL = 24
_N_ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class QuantileEstimate:
    """A quantile with the interval of an inverted test."""

    value: float  # smallest point at which the rearranged distribution function reaches the level
    low: float  # ends of the interval; infinite where the labels do not bound it
    high: float  # ends of the interval; infinite where the labels do not bound it


def invert_distribution(
    distribution: Callable[[Float1D], tuple[Float1D, Float1D]],
    candidates: Float1D,
    level: float,
    critical: float,
) -> QuantileEstimate:
    """Invert a distribution function that need not be monotone, and its pointwise tests."""
    # The interval holds every point at which the hypothesis "the distribution function is ``level``" is not
    # rejected, and what lies between such points, at the resolution of the expert labels. The grid is refined
    # where the ends are.
    # Source: Chernozhukov, Fernandez-Val and Galichon (2010), Econometrica 78, 1093-1125 (rearrangement).
    unique = np.unique(candidates)
    grid = unique[np.unique(np.linspace(0, len(unique) - 1, min(_N_GRID, len(unique))).astype(int))]
    known: dict[float, tuple[float, float]] = {}
    for round_ in range(_N_ROUNDS):
        value, error = _evaluate(distribution, grid, known)
        point = int(np.searchsorted(np.sort(value), level))
        low = _first(value + critical * error >= level)
        high = _last(value - critical * error <= level) + 1
        finer = _refined(unique, grid, (point, low, high))
        if len(finer) == len(grid) or round_ == _N_ROUNDS - 1:
            break
        grid = finer
    return QuantileEstimate(
        value=float(grid[min(point, len(grid) - 1)]),
        low=-np.inf if low == 0 else _lower_end(unique, grid, low),
        high=np.inf if high >= len(grid) else float(grid[high]),
    )


def _lower_end(unique: Float1D, grid: Float1D, low: int) -> float:
    """Return the first point that is not rejected, or the one before it where labels lie in between."""
    if low >= len(grid):
        return float(grid[-1])
    between = np.searchsorted(unique, grid[low]) - np.searchsorted(unique, grid[low - 1])
    return float(grid[low] if between == 1 else grid[low - 1])


def _evaluate(
    distribution: Callable[[Float1D], tuple[Float1D, Float1D]],
    grid: Float1D,
    known: dict[float, tuple[float, float]],
) -> tuple[Float1D, Float1D]:
    """Evaluate the points of a grid that are not known yet, and remember them."""
    new = np.array([point for point in grid.tolist() if point not in known])
    if len(new):
        values, errors = distribution(new)
        known.update(zip(new.tolist(), zip(values.tolist(), errors.tolist(), strict=True), strict=True))
    found = np.array([known[point] for point in grid.tolist()])
    return found[:, 0], found[:, 1]


def _first(holds: Any) -> int:
    return int(np.argmax(holds)) if np.any(holds) else len(holds)


def _last(holds: Any) -> int:
    return len(holds) - 1 - int(np.argmax(holds[::-1])) if np.any(holds) else -1


def _refined(unique: Float1D, grid: Float1D, ends: Sequence[int]) -> Float1D:
    """Add every candidate in the cells around the ends, thinned where a cell holds many."""
    added = [grid]
    for end in ends:
        low = grid[max(end - 2, 0)]
        high = grid[min(end + 1, len(grid) - 1)]
        inside = unique[(unique >= low) & (unique <= high)]
        added.append(
            inside[np.unique(np.linspace(0, len(inside) - 1, min(_N_CELL, len(inside))).astype(int))]
        )
    return np.unique(np.concatenate(added))


@dataclass(frozen=True, kw_only=True)
class LabelDistribution:
    """The design-based distribution function of a label."""

    gold: Float1D  # expert labels
    # labelled rows and their probabilities; its moment and rows are replaced at each point
    sample: LabelledSample
    # draws of the label for all rows with their weights
    expected: tuple[tuple[Float1D | float, Float1D], ...]
    raw: Float1D | None  # machine labels
    weights: Float1D | None = None  # analysis weights
    design: SamplingDesign  # as in :func:`validstats.dsl.fit.inference.estimate`
    estimator: EstimatorName  # as in :func:`validstats.dsl.fit.inference.estimate`
    clusters: tuple[Int1D, ...]  # as in :func:`validstats.dsl.fit.inference.estimate`
    kind: VarianceKind  # as in :func:`validstats.dsl.fit.inference.estimate`
    population: Population  # as in :func:`validstats.dsl.fit.inference.estimate`
    tuning: Tuning | None = None  # as in :func:`validstats.dsl.fit.inference.estimate`

    def __call__(self, points: Float1D) -> tuple[Float1D, Float1D]:
        """Estimate the distribution function at some points."""
        # Means of ``1{label <= point}`` and their standard errors.
        value, error = np.empty(len(points)), np.empty(len(points))
        for k, point in enumerate(points):
            found = self.share_below(float(point))
            value[k], error[k] = found.params[0], np.sqrt(max(found.covariance[0, 0], 0.0))
        return value, error

    def share_below(self, point: float) -> Estimate:
        """Estimate the share of labels at or below one point."""
        # Mean of ``1{label <= point}`` with its influence functions.
        return estimate(
            replace(self.sample, moment=MeanMoment(), gold=self._gold_rows(point)),
            self._terms(point),
            self._raw_term(point),
            self.design,
            estimator=self.estimator,
            clusters=self.clusters,
            kind=self.kind,
            population=self.population,
            tuning=self.tuning,
        )

    def _gold_rows(self, point: float) -> RegressionRows:
        known = None if self.weights is None else self.weights[self.sample.positions]
        return _mean_rows((self.gold <= point).astype(np.float64), known)

    def _terms(self, point: float) -> tuple[ScoreTerm, ...]:
        if not self.expected:
            return ()
        share = np.sum([weight * (values <= point) for weight, values in self.expected], axis=0)
        return (_indicator_term(share, self.weights),)

    def _raw_term(self, point: float) -> ScoreTerm | None:
        if self.raw is None:
            return None
        return _indicator_term((self.raw <= point).astype(np.float64), self.weights)


def quantile_influence(share: Estimate, std_error: float) -> Float2D | None:
    """Return the influence functions of a quantile from those of the distribution function there."""
    # The quantile moves by minus the change of the distribution function over the density. The density is
    # read off the interval: its width over twice the critical value is the standard error of the share over
    # the density.
    # Influence functions, whose mean square over ``n`` is ``std_error`` squared; None where the share has
    # none, or the interval is not bounded.
    # Source: Bahadur (1966), Annals of Mathematical Statistics 37, 577-580; Siddiqui (1960), Journal of
    # Research of the National Bureau of Standards 64B, 145-150, for the density.
    if share.influence is None or not np.isfinite(std_error):
        return None
    spread = float(np.sqrt(share.covariance[0, 0]))
    return -share.influence * (std_error / spread) if spread > 0.0 else np.zeros_like(share.influence)


def naive_quantile(
    raw: Float1D,
    level: float,
    critical: float,
    weights: Float1D | None = None,
    clusters: Sequence[Int1D] = (),
) -> SimpleFit:
    """Return the quantile of the machine labels, as if they were true."""
    # Source: Woodruff (1952), Journal of the American Statistical Association 47, 635-646.
    spread = np.sqrt(level * (1.0 - level) / (len(raw) if weights is None else kish_size(weights)))
    if clusters:
        spread = _clustered_spread(raw, level, weights, clusters)
    reach = critical * spread
    ends = np.clip([level - reach, level + reach], 0.0, 1.0)
    if weights is None:
        low, high = np.quantile(raw, ends)
        middle = np.quantile(raw, level, method="inverted_cdf")
    else:
        order = np.argsort(raw)[weights[np.argsort(raw)] > 0.0]
        share = np.cumsum(weights[order]) / np.sum(weights)
        found = np.minimum(np.searchsorted(share, [*ends, level]), len(order) - 1)
        low, high, middle = raw[order][found]
    return SimpleFit(params=np.array([middle]), std_error=np.array([(high - low) / (2.0 * critical)]))


def _clustered_spread(
    raw: Float1D, level: float, weights: Float1D | None, clusters: Sequence[Int1D]
) -> float:
    """Return the standard error of the share of machine labels below their quantile."""
    weight = np.ones(len(raw)) if weights is None else weights
    order = np.argsort(raw)
    share = np.cumsum(weight[order]) / weight.sum()
    point = raw[order][min(int(np.searchsorted(share, level)), len(raw) - 1)]
    below = (raw <= point).astype(np.float64)
    psi = weight * (below - weight @ below / weight.sum()) / weight.mean()
    return float(np.sqrt(clustered_meat(psi[:, None], clusters)[0, 0] / len(raw)))


def _mean_rows(values: Float1D, weights: Float1D | None) -> RegressionRows:
    return RegressionRows(y=values, X=np.ones((len(values), 1)), weights=weights)


def _indicator_term(values: Float1D, weights: Float1D | None) -> ScoreTerm:
    return (Component(rows=_mean_rows(values, weights)),)


@dataclass(frozen=True, kw_only=True)
class _QuantileProblem:
    """What one inference about a quantile rests on."""

    label: str
    level: float
    distribution: LabelDistribution
    clustered_by: str | None
    degrees: float | None
    critical: float


def infer_quantile(parsed: ParsedFormula, request: InferenceRequest, template: Any) -> CoefficientResult:
    """Estimate a quantile of a label."""
    problem = _quantile_problem(parsed, request, template)
    answer, error = _inverted(problem, problem.distribution)
    by_gold, gold_error = _inverted(problem, replace(problem.distribution, estimator="gold"))
    gold = SimpleFit(params=np.array([by_gold.value]), std_error=np.array([gold_error]))
    return _quantile_result(problem, request, answer, error, gold)


def _quantile_problem(parsed: ParsedFormula, request: InferenceRequest, template: Any) -> _QuantileProblem:
    level = check_in_range(request.quantile, "quantile", 0, 1, low_open=True, high_open=True)
    if request.offset is not None:
        raise ValueError("model='quantile' takes no offset.")
    weights = None if request.weights is None else checked_weights(request.weights)
    calibration = request.calibration
    builder = DesignBuilder(parsed, template, tuple(calibration.labels))
    if not builder.outcome_labels:
        raise ValueError(f"{parsed.outcome!r} is not an expert label; numpy.quantile does what you need.")
    assembled = assemble(builder, template, calibration.labelled, model="mean")
    gold = np.asarray(assembled.gold.y, dtype=np.float64)
    distribution = LabelDistribution(
        gold=gold,
        sample=assembled.sample(calibration.labelled, calibration.probability),
        expected=tuple(_expected_draws(builder, request, gold)),
        raw=_raw_outcome(builder, request),
        weights=weights,
        design=calibration.design,
        estimator=request.estimator,
        clusters=(),
        kind=request.kind,
        population=request.population,
        tuning=request.tuning,
    )
    clusters, clustered_by = resolve_clusters(request, ())
    warn_about_few_clusters(request, clusters, clustered_by)
    degrees = degrees_of_freedom(request, clusters, 1)
    return _QuantileProblem(
        label=parsed.outcome,
        level=level,
        distribution=replace(distribution, clusters=tuple(clusters)),
        clustered_by=clustered_by,
        degrees=degrees,
        critical=critical_value(float(1 - request.confidence_level), degrees),
    )


def _inverted(problem: _QuantileProblem, distribution: LabelDistribution) -> tuple[QuantileEstimate, float]:
    """Return a quantile with its interval, and half the width of that over the critical value."""
    answer = invert_distribution(distribution, np.sort(distribution.gold), problem.level, problem.critical)
    return answer, (answer.high - answer.low) / (2.0 * problem.critical)


def _quantile_result(
    problem: _QuantileProblem,
    request: InferenceRequest,
    answer: QuantileEstimate,
    error: float,
    gold: SimpleFit,
) -> CoefficientResult:
    calibration, distribution = request.calibration, problem.distribution
    raw, clusters = distribution.raw, distribution.clusters
    share = distribution.share_below(answer.value)
    with np.errstate(divide="ignore", invalid="ignore"):
        worth = effective_labels(
            calibration.n_labelled,
            gold.std_error**2,
            np.array([error**2]),
            distribution.sample.n_rows,
            finite=request.population == "finite",
        )
    guarantee = inference_guarantee(
        calibration,
        request.confidence_level,
        estimator=request.estimator,
        tuning="none",
        population=request.population,
        clustered_by=problem.clustered_by,
        pairwise_effects=False,
        with_raw=raw is not None,
    )
    return CoefficientResult(
        guarantee=guarantee,
        backend=request.backend,
        names=(f"quantile({problem.label}, {problem.level:g})",),
        params=np.array([answer.value]),
        covariance=np.array([[error**2]]),
        influence=quantile_influence(share, error),
        confidence_level=request.confidence_level,
        degrees_of_freedom=problem.degrees,
        estimator=request.estimator,
        tuning=share.tuning,
        kind=request.kind,
        population=request.population,
        model="quantile",
        formula=problem.label,
        outcome=problem.label,
        n_rows=distribution.sample.n_rows,
        n_labelled=calibration.n_labelled,
        effective_labels=worth,
        kish_labels=kish_size(distribution.sample.gold_weights),
        labelled=calibration.labelled,
        naive=None
        if raw is None
        else naive_quantile(raw, problem.level, problem.critical, distribution.weights, clusters),
        gold=gold,
        clustered_by=problem.clustered_by,
        clusters=() if request.population == "finite" else clusters,
        interval=np.array([[answer.low, answer.high]]),
        notes=(
            "The interval inverts a test; the standard error is its width over twice the critical value.",
        ),
    )


def _expected_draws(
    builder: DesignBuilder, request: InferenceRequest, gold: Float1D
) -> list[tuple[Float1D | float, Float1D]]:
    """Return draws of the label for all rows with their weights; none where the estimator predicts nothing."""
    if request.estimator not in ("tuned", "dsl"):
        return []
    calibration = request.calibration
    fitter = CrossFitter(learner=request.learner, folds=calibration.folds, labelled=calibration.labelled)
    name = builder.outcome_labels[0]
    found = expected_completions(fitter, {name: gold}, None, feature_matrix(request, builder.variables))
    return [(c.weight, np.asarray(c.replacements[name], dtype=np.float64)) for c in found]


def _raw_outcome(builder: DesignBuilder, request: InferenceRequest) -> Float1D | None:
    if not set(builder.outcome_labels) <= set(request.surrogates):
        return None
    values = builder.outcome({name: request.surrogates[name] for name in builder.outcome_labels})
    return values.astype(np.float64) if values.dtype.kind in "fiub" else None
