"""Quantiles of a label: the design-based distribution function, rearranged and inverted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import Float1D, Float2D, Int1D
from validstats.dsl.fit import (
    Augmentation,
    Component,
    Estimate,
    EstimatorName,
    InfluenceSums,
    LabelledSample,
    Population,
    Sample,
    ScoreTerm,
    SimpleFit,
    Tuning,
    as_it_is,
    estimate,
    identity_augmentation,
)
from validstats.dsl.fit.order import order_statistics, statistic, value_range
from validstats.dsl.labels import Calibration
from validstats.dsl.moments import MeanMoment, VarianceKind, critical_value
from validstats.dsl.regression.assembly import MODELS, DesignBuilder, formula_coder
from validstats.dsl.regression.preparation import InferenceRequest, Study, predicting
from validstats.dsl.regression.solution import (
    coefficient_result,
    companions,
    degrees_of_freedom,
    inference_guarantee,
    warn_about_few_clusters,
)
from validstats.dsl.results import CoefficientResult
from validstats.exceptions import LabellingWarning, alike_strata_message, unequal_weights_message, warn
from validstats.intake import check_in_range

__all__ = [
    "LabelDistribution",
    "QuantileEstimate",
    "QuantileProblem",
    "infer_quantile",
    "invert_distribution",
    "naive_quantile",
    "prepare_quantile",
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
    beyond: tuple[bool, bool] = (True, True),
) -> QuantileEstimate:
    """Invert a distribution function that need not be monotone, and its pointwise tests.

    ``beyond`` says for either side whether the quantile may lie beyond all labels.
    """
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
        low=-np.inf if low == 0 and beyond[0] else _lower_end(unique, grid, low),
        # no label lies above the last point: the error is 0 there, and tells nothing
        high=np.inf if high >= len(grid) - int(beyond[1]) else float(grid[high]),
    )


def _lower_end(unique: Float1D, grid: Float1D, low: int) -> float:
    """Return the first point that is not rejected, or the one before it where labels lie in between."""
    if low == 0 or low >= len(grid):
        return float(grid[min(low, len(grid) - 1)])
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


@dataclass(frozen=True)
class _SharesBelow:
    """A change of labels into indicators of lying at or below a point, and of draws into expected shares."""

    point: float

    def __call__(
        self, part: LabelledSample, terms: tuple[ScoreTerm, ...]
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        gold = self._share((Component(rows=part.gold),))[0].rows
        return replace(part, moment=MeanMoment(), gold=gold, filled=None), tuple(
            self._share(term) for term in terms
        )

    def _share(self, term: ScoreTerm) -> ScoreTerm:
        if not term:
            return term
        # P(label <= point) = sum_k weight_k 1{draw_k <= point}
        share = np.zeros(term[0].rows.n_rows)
        for c in term:
            share += c.weight * (c.rows.y <= self.point)
        return (Component(rows=replace(term[0].rows, y=share)),)


@dataclass(frozen=True, kw_only=True)
class LabelDistribution:
    """The design-based distribution function of a label, estimated like any mean at every point."""

    sample: Sample  # its outcome is the label
    expected: ScoreTerm | None  # draws of the label for all rows with their weights
    raw: ScoreTerm | None  # machine labels
    estimator: EstimatorName
    kind: VarianceKind | None
    population: Population
    tuning: Tuning | None = None
    alpha: float | None = None  # error of the interval, for degrees of freedom that differ by point
    critical: float = 1.0  # what standard errors are multiplied by
    level: float | None = None  # of the quantile: errors are at least those of labels there
    weights: Float1D | None = None  # of the labels, with a level

    def __call__(self, points: Float1D) -> tuple[Float1D, Float1D]:
        """Return the means of ``1{label <= point}`` and their standard errors."""
        value, error = np.empty(len(points)), np.empty(len(points))
        for k, point in enumerate(points):
            found = self.share_below(float(point))
            value[k], error[k] = found.params[0], np.sqrt(max(found.covariance[0, 0], 0.0))
            least = 0.0 if self.level is None else self._under_the_hypothesis(point, error[k], self.level)
            if found.degrees is not None and self.alpha is not None:
                # the quantile of each point's own t distribution, in units of the common one
                error[k] *= float(stats.t.isf(self.alpha / 2.0, found.degrees[0])) / self.critical
            error[k] = max(error[k], least)
        return value, error

    def _under_the_hypothesis(self, point: float, error: float, level: float) -> float:
        """Return the error where the share at or below the point is the level, from that where it is what labels say."""
        # that of the labels alone grows from sum a^2 (1{y <= x} - F)^2 / (sum a)^2 to sum a^2 (1{y <= x} - level)^2 / (sum a)^2
        assert self.weights is not None
        a, below = self.weights, self.sample.gold.y <= point
        shares = float(a @ below) / float(a.sum()), level
        told, meant = (float(a**2 @ (below - share) ** 2) / float(a.sum()) ** 2 for share in shares)
        return float(np.sqrt(error**2 + max(meant - told, 0.0)))

    def share_below(self, point: float) -> Estimate:
        """Estimate the share of labels at or below one point."""
        # machine labels are plugged in where nothing is predicted
        used = self.raw if self.expected is None else self.expected
        given = () if used is None else (used,)
        sample, terms = self.sample.changed(_SharesBelow(point), given)
        return estimate(
            sample,
            terms[:1] if self.expected is not None else (),
            terms[0] if self.expected is None and terms else None,
            estimator=self.estimator,
            kind=self.kind,
            population=self.population,
            tuning=self.tuning,
        )


def quantile_influence(share: Estimate, std_error: float) -> Float2D:
    """Return the influence functions of a quantile from those of the distribution function there."""
    # The quantile moves by minus the change of the distribution function over the density. The density is
    # read off the interval: its width over twice the critical value is the standard error of the share over
    # the density.
    # Influence functions, whose mean square over ``n`` is ``std_error`` squared.
    # Source: Bahadur (1966), Annals of Mathematical Statistics 37, 577-580; Siddiqui (1960), Journal of
    # Research of the National Bureau of Standards 64B, 145-150, for the density.
    assert share.influence is not None
    spread = float(np.sqrt(share.covariance[0, 0]))
    return -share.influence * (std_error / spread) if spread > 0.0 else np.zeros_like(share.influence)


def _machine_values(part: LabelledSample, augmentation: Augmentation) -> tuple[Float1D, Float1D]:
    """Return the machine labels of a part with their weights."""
    rows = augmentation.terms[0][0].rows
    return np.asarray(rows.y, dtype=np.float64), rows.weighted(np.ones(part.n_rows))


def naive_quantile(sample: Sample, raw: ScoreTerm, level: float, critical: float) -> SimpleFit:
    """Return the quantile of the machine labels, as if they were true."""
    # Source: Woodruff (1952), Journal of the American Statistical Association 47, 635-646.
    augmentation = identity_augmentation(raw, 1)
    whole = value_range(sample, _machine_values, augmentation)

    def at(levels: list[float]) -> list[float]:
        found = order_statistics(sample, _machine_values, augmentation, levels, whole)
        return [
            statistic(table, below, share * whole.mass)
            for (table, below), share in zip(found, levels, strict=True)
        ]

    spread = float(np.sqrt(level * (1.0 - level) * whole.square)) / whole.mass
    if sample.clusters:
        (point,) = at([level])
        below = sample.total(partial(_share_below, point=point), augmentation) / whole.mass
        work = partial(_below_influence, point=point, share=float(below), mean=whole.mass / sample.n_rows)
        spread = float(np.sqrt(sample.total(work, augmentation).covariance(sample.n_rows)[0, 0]))
    ends = np.clip([level - critical * spread, level + critical * spread], 0.0, 1.0).tolist()
    low, middle, high = at([ends[0], level, ends[1]])
    return SimpleFit(params=np.array([middle]), std_error=np.array([(high - low) / (2.0 * critical)]))


def _share_below(part: LabelledSample, augmentation: Augmentation, point: float) -> float:
    values, mass = _machine_values(part, augmentation)
    return float(mass @ (values <= point))


def _below_influence(
    part: LabelledSample, augmentation: Augmentation, point: float, share: float, mean: float
) -> InfluenceSums:
    """Return sums of the influence functions of the share of machine labels below a point."""
    values, mass = _machine_values(part, augmentation)
    return InfluenceSums.of((mass * ((values <= point) - share) / mean)[:, None], part.clusters)


@dataclass(frozen=True, kw_only=True)
class QuantileProblem:
    """What one inference about a quantile rests on."""

    label: str
    distribution: LabelDistribution
    clusters: Sequence[Int1D]  # codes that the standard errors use
    clustered_by: str | None


def prepare_quantile(builder: DesignBuilder, request: InferenceRequest, study: Study) -> QuantileProblem:
    """Prepare a quantile of a label."""
    parsed = builder.parsed
    MODELS["quantile"].check_offset(request.offset is not None)
    if not builder.outcome_labels:
        raise ValueError(f"{parsed.outcome!r} is not an expert label; numpy.quantile does what you need.")
    plain = formula_coder(builder, study.template_labelled, "quantile", None)
    plain.outcome_of(builder.outcome(frame=plain.read(study.known_frame)))
    with_raw = set(builder.outcome_labels) <= set(request.surrogate_names) and not any(
        request.calibration.kinds[name] == "categorical" for name in builder.outcome_labels
    )
    coder = predicting(plain, request, study, builder.variables, draws=True)
    coder = replace(coder, with_raw=with_raw)
    sample, terms = study.sample(coder)
    distribution = LabelDistribution(
        sample=sample,
        expected=terms[0] if coder.n_terms else None,
        raw=terms[-1] if with_raw else None,
        estimator=request.estimator,
        kind=request.kind,
        population=request.population,
        tuning=request.tuning,
    )
    return QuantileProblem(
        label=parsed.outcome,
        distribution=distribution,
        clusters=study.clusters,
        clustered_by=study.clustered_by,
    )


def infer_quantile(problem: QuantileProblem, request: InferenceRequest) -> CoefficientResult:
    """Estimate a quantile of a label, and beside it those of the labels alone and of the machine labels."""
    level = check_in_range(request.quantile, "quantile", 0, 1, low_open=True, high_open=True)
    warn_about_few_clusters(request, problem.clusters, problem.clustered_by)
    degrees = degrees_of_freedom(request, problem.clusters, 1)
    critical = critical_value(float(1 - request.confidence_level), degrees)
    alpha = float(1 - request.confidence_level)
    calibration = request.calibration
    weights = 1.0 / calibration.probability[calibration.positions]
    distribution = replace(problem.distribution, alpha=alpha, critical=critical, level=level, weights=weights)
    _warn_about_unequal_weights(calibration, level)
    # all labels lie on one side of the quantile with a probability of at most level ** n, or (1 - level) ** n
    n = _fewest_labels(request, problem.clusters)
    beyond = (1.0 - level) ** n > alpha / 2.0, level**n > alpha / 2.0
    answer, error = _inverted(distribution, level, critical, beyond)
    _warn_about_alike_strata(distribution.sample, answer.value)
    alone = replace(distribution, estimator="gold", expected=None, raw=None)
    by_gold, gold_error = _inverted(alone, level, critical, beyond)
    gold = SimpleFit(params=np.array([by_gold.value]), std_error=np.array([gold_error]))
    raw = distribution.raw
    naive = None if raw is None else naive_quantile(distribution.sample, raw, level, critical)
    return _quantile_result(problem, request, answer, error, (gold, naive), degrees)


_FEW_UNLIKE = 10
"""Labels unlike the commonest of their stratum below which intervals of a quantile are too short."""


def _warn_about_alike_strata(sample: Sample, point: float) -> None:
    """Warn where labels within strata hardly differ in whether they lie below the quantile."""
    drawn = sample.drawn
    if not drawn.within_strata or drawn.units is None:
        return
    strata = np.unique(drawn.units, return_inverse=True)[1].reshape(-1)
    ones, n = np.bincount(strata, sample.gold.y <= point), np.bincount(strata)
    events = int(np.minimum(ones, n - ones).sum())
    if len(n) > 1 and events < _FEW_UNLIKE:
        warn(alike_strata_message.format(events=events, n=len(strata)), LabellingWarning)


_FEW_BEYOND = 10.0
"""Labels beyond a quantile, counted by Kish, below which intervals of labels of unequal probabilities are too short."""


def _warn_about_unequal_weights(calibration: Calibration, level: float) -> None:
    """Warn where the labels beyond a quantile are worth few, as rows that were labelled rarely may all be missing."""
    kish, beyond = calibration.kish_labels, calibration.kish_labels * min(level, 1.0 - level)
    if beyond < _FEW_BEYOND and kish < 0.9 * calibration.n_labelled:
        message = unequal_weights_message.format(n=calibration.n_labelled, kish=kish, beyond=beyond)
        warn(message, LabellingWarning)


def _fewest_labels(request: InferenceRequest, clusters: Sequence[Int1D]) -> float:
    """Return how many labels are expected were all rows labelled as rarely as the rarest; at most the labelled clusters."""
    calibration = request.calibration
    expected = calibration.n_rows * calibration.probability_range.low
    of_units = [calibration.n_units] if calibration.design.draws_clusters else []
    if request.population == "superpopulation":
        of_units += [len(np.unique(codes[calibration.labelled])) for codes in clusters]
    return float(min([expected, calibration.n_labelled, *of_units]))


def _inverted(
    distribution: LabelDistribution, level: float, critical: float, beyond: tuple[bool, bool]
) -> tuple[QuantileEstimate, float]:
    """Return a quantile with its interval, and half the width of that over the critical value."""
    candidates = np.sort(distribution.sample.gold.y)
    answer = invert_distribution(distribution, candidates, level, critical, beyond)
    return answer, (answer.high - answer.low) / (2.0 * critical)


def _quantile_result(
    problem: QuantileProblem,
    request: InferenceRequest,
    answer: QuantileEstimate,
    error: float,
    beside: tuple[SimpleFit, SimpleFit | None],
    degrees: float | None,
) -> CoefficientResult:
    distribution = problem.distribution
    share = distribution.share_below(answer.value)
    level = check_in_range(request.quantile, "quantile", 0, 1)
    found = replace(
        share,
        params=np.array([answer.value]),
        covariance=np.array([[error**2]]),
        influence_of=partial(quantile_influence, share, error)
        if share.influence_of is not None and np.isfinite(error)
        else None,
        by_cluster=None,
        residual_of=None,
        forecast_of=None,
    )
    return coefficient_result(
        found,
        request,
        distribution.sample,
        beside=companions(
            distribution.sample, found, request, partial(as_it_is, beside[0]), partial(as_it_is, beside[1])
        ),
        names=(f"quantile({problem.label}, {level:g})",),
        model=request.model,
        answered=request.model_kind.answered,
        formula=problem.label,
        outcome=problem.label,
        clustered_by=problem.clustered_by,
        degrees_of_freedom=degrees,
        guarantee=inference_guarantee(request, found.tuning, problem.clustered_by, pairwise_effects=False),
        interval=np.array([[answer.low, answer.high]]),
        notes=(
            "The interval inverts a test; the standard error is its width over twice the critical value.",
            *_open_ends(answer, level, float(1 - request.confidence_level)),
        ),
    )


def _open_ends(answer: QuantileEstimate, level: float, alpha: float) -> list[str]:
    """Say where the interval is open, and how many labels at random would close it."""
    notes = []
    ends = (answer.low, 1.0 - level, "above", "lower"), (answer.high, level, "below", "upper")
    for end, share, side, name in ends:
        if np.isinf(end):
            # share ** n <= alpha / 2
            needed = int(np.ceil(np.log(alpha / 2.0) / np.log(share)))
            notes.append(
                f"All labels may lie {side} the quantile, so the interval has no {name} end; it takes {needed} labels or more "
                "at random to have one."
            )
    return notes
