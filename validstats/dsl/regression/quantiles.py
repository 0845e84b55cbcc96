"""Quantiles of a label: the design-based distribution function, rearranged and inverted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

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
from validstats.dsl.regression.shares import obstacle_of_quantile, shares_by_cells
from validstats.dsl.regression.solution import (
    coefficient_result,
    companions,
    degrees_of_freedom,
    inference_guarantee,
    warn_about_few_clusters,
)
from validstats.dsl.results import CoefficientResult
from validstats.exceptions import (
    LabellingWarning,
    StreamingError,
    alike_strata_text,
    short_quantile_message,
    unequal_weights_text,
    warn,
)
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

Limits: TypeAlias = Callable[[Float1D], tuple[Float1D, Float1D, Float1D]]
"""Shares of labels at or below points, with the lower and upper ends of their intervals."""

_N_GRID = 50
_N_CELL = 24
_N_ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class QuantileEstimate:
    """A quantile with the interval of an inverted test."""

    value: float  # smallest point at which the rearranged distribution function reaches the level
    low: float  # ends of the interval; infinite where the labels do not bound it
    high: float  # ends of the interval; infinite where the labels do not bound it

    def std_error(self, critical: float) -> float:
        """Half the width over the critical value."""
        return (self.high - self.low) / (2.0 * critical)


def invert_distribution(
    limits: Limits, candidates: Float1D, level: float, beyond: tuple[bool, bool] = (True, True)
) -> QuantileEstimate:
    """Invert a distribution function that need not be monotone, and its pointwise intervals.

    ``beyond`` says for either side whether the quantile may lie beyond all labels.
    """
    # The interval holds every point at which the hypothesis "the distribution function is ``level``" is not
    # rejected, and what lies between such points, at the resolution of the expert labels. The grid is refined
    # where the ends are.
    # Source: Chernozhukov, Fernandez-Val and Galichon (2010), Econometrica 78, 1093-1125 (rearrangement).
    unique = np.unique(candidates)
    grid = unique[np.unique(np.linspace(0, len(unique) - 1, min(_N_GRID, len(unique))).astype(int))]
    known: dict[float, tuple[float, float, float]] = {}
    for round_ in range(_N_ROUNDS):
        value, lower, upper = _evaluate(limits, grid, known)
        point = int(np.searchsorted(np.sort(value), level))
        low = _first(upper >= level)
        high = _last(lower <= level) + 1
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
    limits: Limits, grid: Float1D, known: dict[float, tuple[float, float, float]]
) -> tuple[Float1D, Float1D, Float1D]:
    """Evaluate the points of a grid that are not known yet, and remember them."""
    new = np.array([point for point in grid.tolist() if point not in known])
    if len(new):
        found = zip(*(values.tolist() for values in limits(new)), strict=True)
        known.update(zip(new.tolist(), found, strict=True))
    value, lower, upper = np.array([known[point] for point in grid.tolist()]).T
    return value, lower, upper


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

    def limits(self, points: Float1D) -> tuple[Float1D, Float1D, Float1D]:
        """Return the shares with the ends of their intervals."""
        value, error = self(points)
        return value, value - self.critical * error, value + self.critical * error

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
    by_cells: Callable[[], tuple[str, Callable[[bool], Limits] | None]]
    # intervals of shares below points by cells, with True of the labels alone; or why there are none


def prepare_quantile(
    builder: DesignBuilder,
    request: InferenceRequest,
    study: Study,
    condensed: Callable[[], InferenceRequest],
) -> QuantileProblem:
    """Prepare a quantile of a label; ``condensed`` makes the request about rows of which alike ones are given once."""
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
        by_cells=partial(_by_cells, builder, condensed),
    )


def _by_cells(
    builder: DesignBuilder, condensed: Callable[[], InferenceRequest]
) -> tuple[str, Callable[[bool], Limits] | None]:
    """Return intervals by cells of shares below points, with True of the labels alone; or why there are none."""
    try:
        request = condensed()
    except StreamingError:
        return "rows come in parts, with several machine labels of many values", None
    return "", lambda alone: shares_by_cells(builder, request, alone=alone)


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
    beyond = _may_lie_beyond(_fewest_labels(request, problem.clusters), level, alpha)
    labels = np.sort(distribution.sample.gold.y)
    answer = invert_distribution(distribution.limits, labels, level, beyond)
    alone = replace(distribution, estimator="gold", expected=None, raw=None)
    by_gold = invert_distribution(alone.limits, labels, level, beyond)
    notes = []
    few = _few_unequal(calibration, level, alpha) or _few_unlike(distribution.sample, answer.value)
    if few:
        obstacle, by_cells = obstacle_of_quantile(request), None
        if obstacle is None:
            obstacle, by_cells = problem.by_cells()
        if by_cells is None:
            message = short_quantile_message.format(why=few, obstacle=obstacle)
            warn(message, LabellingWarning)
        else:
            notes.append(f"{few} {BY_CELLS}")
            answer = _with_cells(answer, by_cells(False), labels, level)
            by_gold = _with_cells(by_gold, by_cells(True), labels, level)
    gold = SimpleFit(params=np.array([by_gold.value]), std_error=np.array([by_gold.std_error(critical)]))
    raw = distribution.raw
    naive = None if raw is None else naive_quantile(distribution.sample, raw, level, critical)
    return _quantile_result(
        problem, request, answer, answer.std_error(critical), (gold, naive), degrees, notes
    )


BY_CELLS = (
    "So the interval holds that of cells too: labels are compared within cells of equal machine verdict, and one more label, of "
    "the kind that would hurt most, is allowed for."
)


def _with_cells(answer: QuantileEstimate, limits: Limits, labels: Float1D, level: float) -> QuantileEstimate:
    """Return the interval that holds that of cells too."""
    # shares of labels that all lie above a point, and all below one
    _, lower, upper = limits(np.array([-np.inf, np.inf]))
    found = invert_distribution(limits, labels, level, (bool(upper[0] >= level), bool(lower[1] <= level)))
    return replace(answer, low=min(answer.low, found.low), high=max(answer.high, found.high))


_FEW_UNLIKE = 10
"""Labels unlike the commonest of their stratum below which normal intervals of a quantile are too short."""


def _few_unlike(sample: Sample, point: float) -> str:
    """Say where labels within strata hardly differ in whether they lie below the quantile, else nothing."""
    drawn = sample.drawn
    if not drawn.within_strata or drawn.units is None:
        return ""
    strata = np.unique(drawn.units, return_inverse=True)[1].reshape(-1)
    ones, n = np.bincount(strata, sample.gold.y <= point), np.bincount(strata)
    events = int(np.minimum(ones, n - ones).sum())
    if len(n) == 1 or events >= _FEW_UNLIKE:
        return ""
    return alike_strata_text.format(events=events, n=len(strata))


_UNEQUAL = 0.9
"""Worth of labels by Kish over their number below which their labelling probabilities are unequal."""


def _few_unequal(calibration: Calibration, level: float, alpha: float) -> str:
    """Say where all labels of rows labelled as rarely as the rarest may lie on one side of the quantile, else nothing."""
    kish, rarest = calibration.kish_labels, calibration.n_rows * calibration.probability_range.low
    if kish >= _UNEQUAL * calibration.n_labelled or not any(_may_lie_beyond(rarest, level, alpha)):
        return ""
    return unequal_weights_text.format(n=calibration.n_labelled, kish=kish, rarest=rarest)


def _may_lie_beyond(n: float, level: float, alpha: float) -> tuple[bool, bool]:
    """Tell for either side whether the quantile may lie beyond all of n labels at random."""
    # all lie on one side with a probability of at most level ** n, or (1 - level) ** n
    return (1.0 - level) ** n > alpha / 2.0, level**n > alpha / 2.0


def _fewest_labels(request: InferenceRequest, clusters: Sequence[Int1D]) -> float:
    """Return how many labels are expected were all rows labelled as rarely as the rarest; at most the labelled clusters."""
    calibration = request.calibration
    expected = calibration.n_rows * calibration.probability_range.low
    of_units = [calibration.n_units] if calibration.design.draws_clusters else []
    if request.population == "superpopulation":
        of_units += [len(np.unique(codes[calibration.labelled])) for codes in clusters]
    return float(min([expected, calibration.n_labelled, *of_units]))


def _quantile_result(
    problem: QuantileProblem,
    request: InferenceRequest,
    answer: QuantileEstimate,
    error: float,
    beside: tuple[SimpleFit, SimpleFit | None],
    degrees: float | None,
    notes: Sequence[str],
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
            *notes,
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
                "at random, with equal probabilities, to have one."
            )
    return notes
