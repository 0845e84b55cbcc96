"""Shares, bounded means and differences by cells of equal machine verdict: which interval, its units, the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, Int1D
from validstats.dsl.fit import Estimate, LabelledSample, SimpleFit, as_it_is
from validstats.dsl.fit.cell_intervals import (
    CellInterval,
    CellSums,
    cell_difference,
    cell_interval,
    cell_sums,
    expected_sums,
    label_surprises,
    with_outcome,
)
from validstats.dsl.fit.cells import Cells, form_cells
from validstats.dsl.fit.exact import exact_mean, exact_share
from validstats.dsl.labels import CountedUnits, Units
from validstats.dsl.moments import (
    MeanMoment,
    RegressionRows,
    critical_value,
    is_constant,
    search_labels,
    sum_by_cluster,
    without_single_rows,
)
from validstats.dsl.regression.assembly import (
    DesignBuilder,
    FilledFrame,
    ModelName,
    ParsedFormula,
    categories_of,
    column_values,
    numeric_outcome,
)
from validstats.dsl.regression.preparation import (
    InferenceRequest,
    IntervalName,
    Study,
    fill_labels,
    unknown_classes,
    unknown_classes_text,
)
from validstats.dsl.regression.solution import (
    cells_guarantee,
    coefficient_result,
    companions,
    resolve_clusters,
    warn_about_few_clusters,
)
from validstats.dsl.results import CoefficientResult

__all__ = [
    "IntervalChoice",
    "coefficient_limits",
    "NormalForm",
    "VerdictReader",
    "clusters_beside_drawn",
    "choose_interval",
    "group_column",
    "infer_share",
    "normal_form",
    "obstacle_of_quantile",
    "outcome_bounds",
    "shares_by_cells",
]

_MOST_GROUPS = 100

_MOST_COMPARED = 20
"""Groups of which all pairs are compared."""

SENTENCE = (
    "Labels are compared within cells of equal machine verdict; the interval is what the labels allow if one more "
    "label, of the kind that would hurt most, had been drawn."
)


class IntervalChoice(NamedTuple):
    """Which interval is used, and why."""

    name: IntervalName
    reason: str


def outcome_bounds(
    request: InferenceRequest, parsed: ParsedFormula, labels: tuple[str, ...]
) -> tuple[float, float] | None:
    """Return the declared range of the outcome, None where nothing declares one."""
    if request.outcome_range is not None:
        return request.outcome_range
    if request.model_kind.of_share:
        return 0.0, 1.0
    binary = all(request.calibration.kinds[name] == "binary" for name in labels)
    if binary and parsed.outcome in labels:
        return 0.0, 1.0
    if binary and _is_difference(parsed.outcome, labels):
        return -1.0, 1.0
    return None


def coefficient_limits(
    request: InferenceRequest, parsed: ParsedFormula, builder: DesignBuilder
) -> Callable[[int], Float2D] | None:
    """Return the range of each of p coefficients: means of a bounded outcome, or a mean and differences from it."""
    bounds = outcome_bounds(request, parsed, builder.outcome_labels)
    if bounds is None or parsed.effects or parsed.endogenous is not None:
        return None
    low, high = bounds
    if parsed.covariates == "1" or not request.model_kind.compares:
        return lambda p: np.array([[low, high]] * p)
    return lambda p: np.vstack([[low, high], np.tile([low - high, high - low], (p - 1, 1))])


def _is_difference(outcome: str, labels: tuple[str, ...]) -> bool:
    """Tell whether an outcome is ``I(a - b)`` of two labels."""
    inner = outcome.replace(" ", "")
    return len(labels) == 2 and inner in {f"I({a}-{b})" for a in labels for b in labels if a != b}


def choose_interval(
    request: InferenceRequest, parsed: ParsedFormula, builder: DesignBuilder
) -> IntervalChoice:
    """Return the interval of a share, mean or difference: by kinds and numbers, never by what the labels say."""
    if request.offset is not None:
        raise ValueError(f"model={request.model!r} takes no offset.")
    obstacle = _obstacle(request, parsed, builder)
    if obstacle is None and request.interval == "exact" and _groups_of_rows(request) is not None:
        obstacle = "rows depend on each other within clusters that were not drawn as a whole"
    if request.interval == "normal":
        return IntervalChoice("normal", "it was asked for")
    if request.interval is not None:
        if obstacle is not None:
            raise ValueError(
                f"interval={request.interval!r} is not available here: {obstacle}. Leave interval out, which takes "
                "'normal', or change the option."
            )
        _refuse_unused(request, request.interval)
        return IntervalChoice(request.interval, "it was asked for")
    if obstacle is not None:
        return IntervalChoice("normal", obstacle)
    _refuse_unused(request, "cells")
    labels = builder.outcome_labels
    scores = not request.model_kind.of_share and any(
        request.calibration.kinds[name] != "binary" for name in labels
    )
    n_units = request.calibration.n_units
    if scores and _has_continuous_judge(request, builder):
        # measured: benchmarks/results/dsl_scores.md
        return IntervalChoice(
            "cells",
            "the outcome is bounded; interval='normal', a regression on the judge, is shorter for smooth scores, above all "
            f"below 300 labels, but does not see gross errors rarer than about 5 in {n_units}",
        )
    return IntervalChoice("cells", "the outcome is bounded")


def _refuse_unused(request: InferenceRequest, interval: str) -> None:
    """Refuse options of predictions where labels are compared within cells and nothing is predicted."""
    given = {"tuning": request.tuning is not None, "cross_fitted": bool(request.cross_fitted)}
    unused = [name for name, told in given.items() if told]
    if unused:
        raise ValueError(
            f"{' and '.join(unused)} would change nothing: interval={interval!r} compares labels within cells of equal "
            f"machine verdict and predicts nothing. Pass interval='normal' with {' and '.join(unused)}, or leave "
            f"{'it' if len(unused) == 1 else 'them'} out."
        )


def _has_continuous_judge(request: InferenceRequest, builder: DesignBuilder) -> bool:
    if isinstance(request.units, CountedUnits):
        return request.units.continuous
    return any(_is_continuous(v) for v in _verdicts(request, builder))


def _is_continuous(values: AnyArray) -> bool:
    return values.dtype.kind in "fiu" and len(np.unique(values)) > 20


def _obstacle(request: InferenceRequest, parsed: ParsedFormula, builder: DesignBuilder) -> str | None:
    """Return why cells cannot be used, None where they can."""
    calibration = request.calibration
    if (obstacle := _obstacle_of_estimator(request)) is not None:
        return obstacle
    if outcome_bounds(request, parsed, builder.outcome_labels) is None:
        return "nothing declares the range of the outcome (outcome_range=)"
    if builder.covariate_labels:
        return "groups are given by an expert label"
    if parsed.effects or parsed.endogenous is not None:
        return "the formula has absorbed effects or instruments"
    if (
        request.model_kind.compares
        and parsed.covariates == "1"
        and not _is_difference(parsed.outcome, builder.outcome_labels)
    ):
        return "a difference needs two groups or two labels"
    if parsed.covariates != "1" and _group_column(request, parsed) is None:
        return "the right-hand side is not a single group column"
    obstacle = _obstacle_of_design(request)
    if obstacle is not None or parsed.covariates == "1":
        return obstacle
    drawn, groups = calibration.design.draws_clusters, _groups_of_rows(request)
    if drawn and _divides_clusters(calibration.design.units, request, parsed):
        return "groups divide clusters that were drawn as a whole"
    if request.model_kind.compares and _divides_clusters(groups, request, parsed):
        return "the groups that are compared divide clusters of rows that depend on each other"
    return None


def _obstacle_of_estimator(request: InferenceRequest) -> str | None:
    """Return why an estimator does not go with cells, None where it does."""
    if request.estimator in ("ppi", "ppi++"):
        return f"estimator={request.estimator!r} keeps its own estimate and its normal interval"
    return None


def obstacle_of_quantile(request: InferenceRequest) -> str | None:
    """Return why the quantile of a label has no interval by cells, None where it has one."""
    return _obstacle_of_estimator(request) or _obstacle_of_design(request)


def _obstacle_of_design(request: InferenceRequest) -> str | None:
    """Return why weights, standard errors or the design do not go with cells, None where they do."""
    if request.weights is not None:
        return "analysis weights are given"
    if request.kind is not None:
        return f"vcov={request.kind!r} asks for standard errors"
    if request.calibration.probability_estimated:
        return "labelling probabilities are estimated"
    if len(clusters_beside_drawn(request)) > 1:
        return "rows depend on each other within clusters of two ways"
    return None


def clusters_beside_drawn(request: InferenceRequest) -> Sequence[Any]:
    """Return the clusters within which rows depend on each other, none where these are the units that were drawn."""
    if request.population == "finite" or request.independent:
        return ()
    if request.clusters:
        return request.clusters
    return () if request.calibration.design.draws_clusters else request.calibration.clusters


def _groups_of_rows(request: InferenceRequest) -> Int1D | None:
    """Return codes of rows that depend on each other, None where no two units do."""
    if not clusters_beside_drawn(request):
        return None
    (codes,) = resolve_clusters(request, ())[0]
    return codes if without_single_rows((codes,)) or isinstance(request.units, CountedUnits) else None


def _divides_clusters(cluster: Int1D | None, request: InferenceRequest, parsed: ParsedFormula) -> bool:
    """Tell whether rows of one cluster lie in several groups."""
    if cluster is None:
        return False
    name = _group_column(request, parsed)
    assert name is not None
    levels, group = np.unique(request.units.data[name].astype(str).to_numpy(), return_inverse=True)
    return len(np.unique(cluster * len(levels) + group.reshape(-1))) > len(np.unique(cluster))


class NormalForm(NamedTuple):
    """The regression whose coefficients are the means of groups, or the mean of a paired difference."""

    parsed: ParsedFormula
    model: ModelName
    names: tuple[str, ...]


def normal_form(
    request: InferenceRequest, parsed: ParsedFormula, builder: DesignBuilder
) -> NormalForm | None:
    """Return the regression that gives normal intervals of a model of means, None where the model itself does."""
    kind, label = request.model_kind, f"{request.model}({parsed.outcome})"
    if kind.compares:
        paired = parsed.covariates == "1" and _is_difference(parsed.outcome, builder.outcome_labels)
        return NormalForm(parsed, "mean", (label,)) if paired else None
    if parsed.covariates == "1" or parsed.effects or _group_column(request, parsed) is None:
        return None
    if kind.has_categories:
        why = "" if request.interval == "normal" else f" ({_obstacle(request, parsed, builder)})"
        raise ValueError(
            f"Shares of all classes by group have intervals of cells, and no normal ones{why}. Take one class, "
            f"\"I({parsed.outcome} == 'class') ~ {parsed.covariates}\" with model='linear', or leave out what asks for "
            "normal intervals."
        )
    groups = _groups(request, parsed)
    column = parsed.covariates if parsed.covariates.startswith("C(") else f"C({parsed.covariates})"
    means = replace(parsed, covariates=f"0 + {column}")
    return NormalForm(means, "linear", tuple(f"{label}, {text}" for text, _ in groups))


def group_column(parsed: ParsedFormula) -> str:
    """Return the right-hand side as the name of a column."""
    name = parsed.covariates.strip()
    return name[2:-1].strip() if name.startswith("C(") and name.endswith(")") else name


def _group_column(request: InferenceRequest, parsed: ParsedFormula) -> str | None:
    name = group_column(parsed)
    if name not in request.units.given or name in request.calibration.labels:
        return None
    return name if request.units.data[name].nunique() <= _MOST_GROUPS else None


@dataclass(frozen=True)
class VerdictReader:
    """What the machine says of the outcome, one array a surrogate; none for expert labels alone."""

    builder: DesignBuilder
    columns: tuple[str, ...]  # machine labels of a plain outcome, as they are
    labels: tuple[str, ...]  # labels whose machine labels stand in the outcome, else each for itself
    together: bool

    @classmethod
    def of_request(cls, builder: DesignBuilder, request: InferenceRequest) -> VerdictReader:
        """Return the verdicts of a request."""
        labels, plain = builder.outcome_labels, builder.parsed.outcome
        known = request.surrogate_names
        if request.estimator == "gold":
            return cls(builder, (), (), False)
        if len(labels) == 1 and plain in labels:
            if len(request.calibration.labels) == 1:
                return cls(builder, request.units.surrogate_columns, (), False)
            return cls(builder, (), (plain,) if plain in known else (), False)
        together = set(labels) <= set(known)
        return cls(builder, (), tuple(name for name in labels if name in known), together)

    def of(self, frame: Any, surrogates: Mapping[str, AnyArray]) -> list[AnyArray]:
        """Return the verdicts of some rows."""
        if self.columns:
            return [column_values(frame, name) for name in self.columns]
        if self.together:
            return [self.builder.outcome({name: surrogates[name] for name in self.labels}, frame)]
        return [surrogates[name] for name in self.labels]


def _verdicts(request: InferenceRequest, builder: DesignBuilder) -> list[AnyArray]:
    if isinstance(request.units, CountedUnits):
        return list(request.units.verdicts)
    return VerdictReader.of_request(builder, request).of(builder.template, request.surrogates)


@dataclass(frozen=True)
class _Units:
    """Sampling units: rows, or clusters that were drawn as a whole."""

    labelled: Bool1D
    probability: Float1D
    size: Float1D | None
    strata: Int1D | None  # of the design, else values of the probability where they are few
    row_unit: Int1D | None  # unit of every row, None where units are rows
    equal: bool
    count: Float1D | None = None  # units that a unit stands for, or rows that a row of a cluster stands for
    lowest: Float1D | None = None  # their least probability
    binned: bool = False  # whether verdicts are bins
    group: Int1D | None = None  # codes of units that depend on each other

    def means(self, values: AnyArray) -> Float1D:
        """Return the mean of a number over the rows of each unit."""
        numbers = np.asarray(values, dtype=np.float64)
        if self.row_unit is None:
            return numbers
        assert self.size is not None
        return np.bincount(self.row_unit, numbers if self.count is None else numbers * self.count) / self.size

    def counts(self, inside: Bool1D | slice) -> Float1D | None:
        """Return how many units each unit of a group stands for, None for one."""
        return None if self.count is None or self.row_unit is not None else self.count[inside]

    @property
    def n_units(self) -> float:
        """Number of units."""
        counted = None if self.row_unit is not None else self.count
        return float(len(self.labelled)) if counted is None else float(counted.sum())


def _units(request: InferenceRequest, group: Int1D | None) -> _Units:
    calibration = request.calibration
    design, probability, labelled = calibration.design, calibration.probability, calibration.labelled
    strata, size, row_unit = None, None, None
    counted = request.units if isinstance(request.units, CountedUnits) else None
    if design.draws_clusters:
        assert design.units is not None
        row_unit = design.units
        first = np.unique(row_unit, return_index=True)[1]
        size = np.bincount(row_unit, None if counted is None else counted.count).astype(np.float64)
        probability, labelled = probability[first], labelled[first]
        group = None if group is None else group[first]
        strata = None if design.strata is None else design.strata[first]
    elif design.within_strata:
        strata = design.units
    if strata is not None and len(np.unique(strata)) == 1:
        strata = None
    equal = counted.equal if counted is not None else is_constant(probability)
    equal = equal or (counted is None and bool(np.ptp(probability) <= 1e-12))
    few = row_unit is not None or counted is None or counted.few_probabilities
    if strata is None and not equal and few:
        # few values of the probability are strata: units of a cell are then drawn alike
        values, codes = np.unique(probability, return_inverse=True)
        strata = codes.reshape(-1).astype(np.int64) if len(values) <= 20 else None
    if counted is None:
        return _Units(labelled, probability, size, strata, row_unit, equal, group=group)
    lowest = counted.lowest if row_unit is None else None
    return _Units(
        labelled, probability, size, strata, row_unit, equal, counted.count, lowest, counted.binned, group
    )


class _Part(NamedTuple):
    """One share or mean: name, labels in [0, 1] of the labelled units, and the cells of all units."""

    name: str
    y: Float1D
    inside: Bool1D | slice  # units of the group, a slice of all of them
    cells: Cells
    word_of: Callable[[], Float1D]  # what the judge says of each unit of the group, for the exact interval


def contrast_matrix(n_parts: int, difference: bool) -> Float2D:
    """Return the coefficients as combinations of parts: the parts; the first and the difference; or all differences."""
    if not difference:
        return np.eye(n_parts)
    if n_parts == 2:
        return np.array([[1.0, 0.0], [-1.0, 1.0]])
    pairs = [(i, j) for i in range(n_parts) for j in range(i + 1, n_parts)]
    found = np.zeros((len(pairs), n_parts))
    for row, (i, j) in zip(found, pairs, strict=True):
        row[i], row[j] = -1.0, 1.0
    return found


def shared_level(level: float, contrasts: Float2D) -> float:
    """Return the level of each difference at which all of them hold together (Bonferroni)."""
    return 1.0 - (1.0 - level) / max(int(np.sum(np.any(contrasts < 0, axis=1))), 1)


@dataclass(frozen=True)
class _Intervals:
    """Intervals of all parts at any level, from the sums of their cells."""

    sums: tuple[CellSums, ...]
    binary: bool
    low: float
    high: float
    contrasts: Float2D  # one row a coefficient: a part, or a part less another one

    def at(self, confidence_level: float) -> list[CellInterval]:
        """Return estimate and ends of every coefficient, made once a level."""
        if confidence_level not in self._known:
            self._known[confidence_level] = [
                self._of(k, confidence_level) for k in range(len(self.contrasts))
            ]
        return self._known[confidence_level]

    @cached_property
    def _known(self) -> dict[float, list[CellInterval]]:
        return {}

    def _of(self, k: int, confidence_level: float) -> CellInterval:
        """Return one coefficient; several differences share the error."""
        row = self.contrasts[k].tolist()
        (plus,), minus = [j for j, c in enumerate(row) if c > 0], [j for j, c in enumerate(row) if c < 0]
        width = self.high - self.low
        if not minus:
            found = cell_interval(self.sums[plus], confidence_level, binary=self.binary)
            return CellInterval(*(self.low + width * v for v in found))
        level = shared_level(confidence_level, self.contrasts)
        found = cell_difference(self.sums[plus], self.sums[minus[0]], level, binary=self.binary)
        return CellInterval(*(width * v for v in found))

    @cached_property
    def p_values(self) -> Float1D:
        """Two-sided p-values of zero, which agree with the intervals at every level."""
        of = [partial(self._of, k) for k in range(len(self.contrasts))]
        return np.array([_p_value(interval, 0.0) for interval in of], dtype=np.float64)

    def __call__(self, confidence_level: float) -> Float2D:
        """Return the ends, shape ``(p, 2)``."""
        return np.array([[f.conf_low, f.conf_high] for f in self.at(confidence_level)], dtype=np.float64)

    def with_labels(self, ratio: float) -> _Intervals:
        """Return the intervals to expect from ``ratio`` times as many labels like those there."""
        return replace(self, sums=tuple(expected_sums(s, ratio) for s in self.sums))


@dataclass(frozen=True)
class _CellForecast:
    """Lengths of intervals of cells to expect from other numbers of labels, as standard errors."""

    intervals: _Intervals
    level: float

    def std_errors(self, label_ratio: float) -> Float1D:
        """Return the lengths over ``2 z`` where the present labels are ``label_ratio`` times as many."""
        return _half_lengths(self.intervals.with_labels(1.0 / label_ratio)(self.level), self.level)

    def labels_needed(self, n_labelled: int, n_rows: int, target: Float1D) -> Float1D:
        """Return the number of labels with which lengths reach a target, infinite where none does."""
        return search_labels(self, n_labelled, n_rows, target)


def _half_lengths(ends: Float2D, level: float) -> Float1D:
    """Return lengths of intervals over ``2 z``: what stands in for standard errors."""
    return np.asarray((ends[:, 1] - ends[:, 0]) / (2.0 * critical_value(1.0 - level, None)))


_SMALLEST_P = 1e-8
"""Below this p-values are not told apart."""


def _p_value(interval: Callable[[float], CellInterval], null: float) -> float:
    """Return the largest error at which an interval holds the null, to four digits, by halving its logarithm."""

    def holds(error: float) -> bool:
        found = interval(1.0 - error)
        return bool(found.conf_low <= null <= found.conf_high)

    if not holds(_SMALLEST_P):
        return 0.0
    low, high = np.log(_SMALLEST_P), 0.0
    for _ in range(18):
        middle = (low + high) / 2.0
        low, high = (middle, high) if holds(float(np.exp(middle))) else (low, middle)
    # an estimate at the null is held at every level
    return 1.0 if high == 0.0 else float(np.exp(low))


def infer_share(
    builder: DesignBuilder, request: InferenceRequest, study: Study, choice: IntervalChoice
) -> CoefficientResult:
    """Return shares, means or a difference with their intervals; no learner is fitted."""
    parsed = builder.parsed
    bounds = outcome_bounds(request, parsed, builder.outcome_labels)
    assert bounds is not None
    dependent = _groups_of_rows(request)
    units = _units(request, dependent)
    clustered_by = None if dependent is None else study.clustered_by
    if dependent is not None:
        warn_about_few_clusters(request, (dependent,), clustered_by)
    difference = request.model_kind.compares and parsed.covariates != "1"
    frame = fill_labels(request) if isinstance(request.units, CountedUnits) else study.template
    parts = _parts(parsed, builder, request, units, bounds, frame)
    binary = units.row_unit is None and dependent is None and _declared_binary(request, parsed, builder)
    level = float(request.confidence_level)
    finite = request.population == "finite"

    def sums_of(part: _Part, cells: Cells) -> CellSums:
        labelled = units.labelled[part.inside]
        return cell_sums(
            part.y,
            cells.cell,
            labelled,
            units.probability[part.inside],
            cells.n_cells,
            size=None if units.size is None else units.size[part.inside],
            count=units.counts(part.inside),
            lowest=None if units.lowest is None else units.lowest[part.inside],
            finite=finite,
            stratum=cells.stratum,
            rows=rows_of_all if isinstance(part.inside, slice) else None,
            group=None if units.group is None else units.group[part.inside],
        )

    rows_of_all = request.calibration.positions if units.row_unit is None else None
    contrasts = contrast_matrix(len(parts), difference)
    intervals = _Intervals(tuple(sums_of(p, p.cells) for p in parts), binary, *bounds, contrasts)

    def labels_alone() -> SimpleFit:
        alone = tuple(sums_of(p, _cells(units, p.inside, [])) for p in parts)
        return _simple(_Intervals(alone, binary, *bounds, contrasts), level)

    found = intervals.at(level)
    notes = [f"Interval '{choice.name}': {choice.reason}. {SENTENCE}" if choice.name == "cells" else ""]
    ends = intervals(level)
    params = np.array([f.estimate for f in found], dtype=np.float64)
    exact = partial(_exact_result, parts, units, bounds, contrasts, binary, finite)
    if choice.name == "exact":
        params, ends = exact(level)
        notes = ["Interval 'exact': it holds its level at every number of labels; it was asked for."]
    if len(parts) > 2 and difference:
        notes.append(f"The intervals of the {len(contrasts)} differences hold together (Bonferroni).")
    notes += _unknown_notes(builder, request, study)
    notes += _label_notes(intervals.sums, parts, binary, level, choice)
    error = _half_lengths(ends, level)
    estimate = _estimate(request, units, parts, intervals, params, error, bounds)
    names = _names(parsed, request, parts, builder, difference)
    sample = _sample(request)
    naive = partial(as_it_is, _naive(parsed, builder, request, contrasts, frame))
    if choice.name == "exact":
        estimate = replace(estimate, forecast_of=None)  # not forecast: cells are
    return coefficient_result(
        estimate,
        request,
        sample,
        beside=companions(sample, estimate, request, labels_alone, naive),
        names=names,
        model=request.model,
        answered=request.model_kind.answered,
        formula=parsed.outcome if parsed.covariates == "1" else str(parsed),
        outcome=parsed.outcome,
        clustered_by=clustered_by,
        degrees_of_freedom=None,
        notes=tuple(n for n in notes if n),
        intervals_at=intervals if choice.name == "cells" else _ExactEnds(exact, params),
        interval_name=choice.name,
        guarantee=cells_guarantee(
            request.calibration, request.confidence_level, choice.name, finite, clustered_by
        ),
    )


def _declared_binary(request: InferenceRequest, parsed: ParsedFormula, builder: DesignBuilder) -> bool:
    """Tell whether the outcome is declared 0/1: a share, or one label of kind "binary" within [0, 1]."""
    if request.model_kind.of_share:
        return True
    labels = builder.outcome_labels
    plain = len(labels) == 1 and parsed.outcome == labels[0]
    return plain and request.outcome_range is None and request.calibration.kinds[labels[0]] == "binary"


def _groups(request: InferenceRequest, parsed: ParsedFormula) -> list[tuple[str, Bool1D]]:
    """Return the groups of the right-hand side with their rows, in the order of their levels."""
    if parsed.covariates == "1":
        return [("", np.ones(request.units.n_rows, dtype=np.bool_))]
    name = _group_column(request, parsed)
    assert name is not None
    column = request.units.data[name]
    levels = list(column.cat.categories) if hasattr(column, "cat") else sorted(column.unique())
    found = [(f"{name}={level}", np.asarray(column == level, dtype=np.bool_)) for level in levels]
    found = [(text, rows) for text, rows in found if rows.any()]
    if request.model_kind.compares and not 2 <= len(found) <= _MOST_COMPARED:
        raise ValueError(
            f"model='difference' compares two groups, or all pairs of up to {_MOST_COMPARED}: the formula must be "
            f"'y ~ group' with a covariate of so many levels; {name!r} has {len(found)}."
        )
    return found


def _parts(
    parsed: ParsedFormula,
    builder: DesignBuilder,
    request: InferenceRequest,
    units: _Units,
    bounds: tuple[float, float],
    frame: Any,
) -> list[_Part]:
    calibration = request.calibration
    outcome = labelled_outcome(builder, frame, calibration.labels, calibration.positions)
    verdicts = _verdicts(request, builder)
    categories: list[Any] = [None]
    if request.model_kind.has_categories:
        categories = list(categories_of(outcome))
        if len(categories) < 2:
            raise ValueError(f"The outcome {parsed.outcome!r} has a single category among the expert labels.")
    elif outcome.dtype.kind not in "fiubO":
        raise ValueError(f"The outcome {parsed.outcome!r} is not numeric; use model='shares' for classes.")
    found = []
    for group, rows in _groups(request, parsed):
        of_units = rows if units.row_unit is None else np.bincount(units.row_unit, rows) > 0
        inside: Bool1D | slice = slice(None) if of_units.all() else of_units
        known = rows[calibration.positions]
        for category in categories:
            if category is None:
                values = numeric_outcome(outcome, parsed.outcome)
                _check_range(values[known], parsed.outcome, bounds)
                values = (values - bounds[0]) / (bounds[1] - bounds[0])
            else:
                values = (outcome.astype(str) == str(category)).astype(np.float64)
            cells = _cells(units, inside, [_of_units(v, units, category)[inside] for v in verdicts])
            word = partial(_word, verdicts, units, request.units, inside, bounds, category)
            text = (
                group
                if category is None
                else f"{parsed.outcome}={category}" + (f", {group}" if group else "")
            )
            found.append(_Part(text, _of_labels(values, known, units, inside), inside, cells, word))
    return found


def _check_range(values: Float1D, name: str, bounds: tuple[float, float]) -> None:
    if len(values) and (values.min() < bounds[0] - 1e-12 or values.max() > bounds[1] + 1e-12):
        raise ValueError(
            f"The outcome {name!r} must lie between {bounds[0]:zg} and {bounds[1]:zg}; it ranges from "
            f"{values.min():zg} to {values.max():zg}. Give its range by outcome_range=(low, high)."
        )


def _of_units(verdict: AnyArray, units: _Units, category: Any) -> AnyArray:
    """Return the verdict of every unit; a cluster has the mean of its rows."""
    if units.row_unit is None:
        return verdict
    if verdict.dtype.kind in "fiub":
        return units.means(verdict)
    if category is not None:
        return units.means(verdict.astype(str) == str(category))
    return units.means(np.unique(verdict.astype(str), return_inverse=True)[1].reshape(-1))


def labelled_outcome(
    builder: DesignBuilder, frame: FilledFrame, labels: Mapping[str, AnyArray], rows: AnyArray
) -> AnyArray:
    """Return the outcome of the labelled rows; one that is no label itself may depend on all rows."""
    if builder.parsed.outcome not in labels:
        return builder.outcome(frame=frame)[rows]
    return np.asarray(labels[builder.parsed.outcome][rows])


def _of_labels(values: AnyArray, known: Bool1D, units: _Units, inside: Bool1D | slice) -> Float1D:
    """Return the outcome of the labelled units of a group, from values of the labelled rows."""
    if units.row_unit is None:
        return np.asarray(values[known], dtype=np.float64)
    # clusters are labelled as a whole
    rows = np.zeros(len(units.row_unit))
    rows[units.labelled[units.row_unit]] = values
    of_units: Float1D = units.means(rows)[inside]
    return of_units[units.labelled[inside]]


def _word(
    verdicts: list[AnyArray],
    units: _Units,
    rows: Units,
    inside: Bool1D | slice,
    bounds: tuple[float, float],
    category: Any,
) -> Float1D:
    """Return the share of ones that the judge gives each unit of a group, 1/2 where it is silent."""
    if not verdicts:
        return np.full(len(units.labelled[inside]), 0.5)
    if units.binned:
        assert isinstance(rows, CountedUnits)
        return _share_of_ones((rows.sums[0] / rows.count)[inside], bounds, category)
    return _share_of_ones(_of_units(verdicts[0], units, category)[inside], bounds, category)


def _share_of_ones(verdict: AnyArray, bounds: tuple[float, float], category: Any) -> Float1D:
    """Return the share of ones that the judge gives each unit, 1/2 where it speaks of something else."""
    if category is not None and verdict.dtype.kind not in "f":
        return (verdict.astype(str) == str(category)).astype(np.float64)
    if verdict.dtype.kind not in "fiub":
        return np.full(len(verdict), 0.5)
    return np.clip((verdict.astype(np.float64) - bounds[0]) / (bounds[1] - bounds[0]), 0.0, 1.0)


def _cells(units: _Units, inside: Bool1D | slice, verdicts: list[AnyArray]) -> Cells:
    strata = (
        None if units.strata is None else np.unique(units.strata[inside], return_inverse=True)[1].reshape(-1)
    )
    if strata is not None and int(strata.max()) == 0:
        strata = None
    return form_cells(
        units.probability[inside],
        verdicts,
        None if strata is None else strata.astype(np.int64),
        strata_ordered=not verdicts or not units.equal,
        equal_probability=units.equal,
        count=units.counts(inside),
        binned=units.binned and bool(verdicts),
    )


@dataclass(frozen=True)
class _SharesByCells:
    """Intervals of the shares of a numeric label at or below points."""

    units: _Units
    cells: Cells
    labels: Float1D  # of the labelled rows
    rows: Int1D | None  # positions of the labelled units, where these are rows
    level: float
    finite: bool

    def __call__(self, points: Float1D) -> tuple[Float1D, Float1D, Float1D]:
        """Return estimates and the lower and upper ends of their intervals."""
        binary = self.units.row_unit is None and self.units.group is None
        found = [cell_interval(self._sums(point), self.level, binary=binary) for point in points.tolist()]
        estimate, low, high = np.array(found, dtype=np.float64).reshape(-1, 3).T
        return estimate, low, high

    def _sums(self, point: float) -> CellSums:
        below = (self.labels <= point).astype(np.float64)
        of_labels = _of_labels(below, np.ones(len(below), dtype=np.bool_), self.units, slice(None))
        if self._base is None:
            return self._of_units(of_labels)
        return with_outcome(self._base, of_labels, *self._of_labelled)

    def _of_units(self, y: Float1D) -> CellSums:
        units, cells = self.units, self.cells
        return cell_sums(
            y,
            cells.cell,
            units.labelled,
            units.probability,
            cells.n_cells,
            size=units.size,
            count=units.counts(slice(None)),
            lowest=units.lowest,
            finite=self.finite,
            stratum=cells.stratum,
            rows=self.rows,
            group=units.group,
        )

    @cached_property
    def _of_labelled(self) -> tuple[Int1D, Float1D, Float1D | None]:
        """Cell, probability and size of every labelled unit."""
        units, known = self.units, self.units.labelled
        size = None if units.size is None else units.size[known]
        return self.cells.cell[known], units.probability[known], size

    @cached_property
    def _base(self) -> CellSums | None:
        """The sums of an outcome that is 0, whose units serve for all points; None where labels of groups are one."""
        if self.units.group is not None and not self.finite:
            return None
        return self._of_units(np.zeros(len(self._of_labelled[0])))


def shares_by_cells(
    builder: DesignBuilder, request: InferenceRequest, *, alone: bool = False
) -> Callable[[Float1D], tuple[Float1D, Float1D, Float1D]]:
    """Return intervals of the shares of a label at or below points; with ``alone`` of the labels alone."""
    calibration = request.calibration
    units = _units(request, _groups_of_rows(request))
    verdicts = [] if alone else [_of_units(v, units, None) for v in _verdicts(request, builder)]
    labels = np.asarray(calibration.labels[builder.parsed.outcome][calibration.positions], dtype=np.float64)
    return _SharesByCells(
        units=units,
        cells=_cells(units, slice(None), verdicts),
        labels=labels,
        rows=calibration.positions if units.row_unit is None else None,
        level=float(request.confidence_level),
        finite=request.population == "finite",
    )


class _Exact(NamedTuple):
    estimate: float
    low: float
    high: float
    by_verdict: bool


def _exact(
    part: _Part, units: _Units, bounds: tuple[float, float], level: float, binary: bool, finite: bool
) -> _Exact:
    """Return the finite-sample interval of one share or mean."""
    labelled, probability = units.labelled[part.inside], units.probability[part.inside]
    stratum = np.zeros(len(labelled), dtype=np.int64)
    if units.strata is not None:
        stratum = np.unique(units.strata[part.inside], return_inverse=True)[1].reshape(-1).astype(np.int64)
    low, high = np.full(int(stratum.max()) + 1, np.inf), np.zeros(int(stratum.max()) + 1)
    np.minimum.at(low, stratum, probability)
    np.maximum.at(high, stratum, probability)
    alike = bool(np.all(high <= low * (1.0 + 1e-12)))
    if len(part.y) == 0:
        return _Exact(np.nan, *bounds, False)
    if binary and alike:
        cells = np.unique(np.column_stack([stratum, part.cells.cell]), axis=0, return_inverse=True)[1]
        found = exact_share(
            part.y,
            cells.reshape(-1).astype(np.int64),
            stratum,
            labelled,
            part.word_of(),
            level,
            finite=finite,
            count=units.counts(part.inside),
        )
    else:
        found = exact_mean(
            part.y,
            stratum,
            labelled,
            probability,
            np.random.default_rng(0),
            level,
            finite=finite,
            count=units.counts(part.inside),
        )
    width = bounds[1] - bounds[0]
    estimate, lowest, highest = (bounds[0] + width * v for v in found[:3])
    return _Exact(estimate, lowest, highest, found.by_verdict)


def _exact_result(
    parts: list[_Part],
    units: _Units,
    bounds: tuple[float, float],
    contrasts: Float2D,
    binary: bool,
    finite: bool,
    level: float,
) -> tuple[Float1D, Float2D]:
    """Return estimates and ends at a level; each side of a difference has half of its error."""
    each = 1.0 - (1.0 - shared_level(level, contrasts)) / 2.0
    side = cache(lambda k, at: _exact(parts[k], units, bounds, at, binary, finite))
    params, ends = [], []
    for row in contrasts:
        (plus,), minus = np.flatnonzero(row > 0), np.flatnonzero(row < 0)
        if not len(minus):
            found = side(int(plus), level)
            params.append(found.estimate)
            ends.append([found.low, found.high])
            continue
        second, first = side(int(plus), each), side(int(minus[0]), each)
        params.append(second.estimate - first.estimate)
        ends.append([second.low - first.high, second.high - first.low])
    return np.array(params, dtype=np.float64), np.array(ends, dtype=np.float64)


@dataclass(frozen=True)
class _ExactEnds:
    """The ends of exact intervals at any level."""

    exact: Callable[[float], tuple[Float1D, Float2D]]
    params: Float1D

    def __call__(self, confidence_level: float) -> Float2D:
        return self.exact(confidence_level)[1]

    @cached_property
    def p_values(self) -> Float1D:
        """Two-sided p-values of zero, which agree with the intervals at every level."""
        return _exact_p_values(self.exact, self.params)


def _exact_p_values(exact: Callable[[float], tuple[Float1D, Float2D]], params: Float1D) -> Float1D:
    """Return the p-values of zero; levels that several coefficients ask for are computed once."""
    at = cache(exact)

    def of(k: int) -> Callable[[float], CellInterval]:
        return lambda level: CellInterval(params[k], *at(level)[1][k])

    return np.array([_p_value(of(k), 0.0) for k in range(len(params))], dtype=np.float64)


def _label_notes(
    sums: tuple[CellSums, ...], parts: list[_Part], binary: bool, level: float, choice: IntervalChoice
) -> list[str]:
    """Say what the labels did not show, and what was merged."""
    notes, few = [], {}
    for s, part in zip(sums, parts, strict=True):
        of = f" of {part.name}" if part.name else ""
        empty = int(np.sum((s.n == 0) & (s.share > 0)))
        if s.n.sum() == 0:
            notes.append(f"No label{of}: the interval is open.")
        elif empty:
            notes.append(
                f"{empty} of {len(s.n)} cells{of} have no label; the interval is open by their share."
            )
        elif binary and label_surprises(s) < 5:
            few[part.name] = round(float(label_surprises(s)))
        if part.cells.merged_strata:
            notes.append(
                f"{part.cells.merged_strata} strata{of} that expected fewer than 5 labels were merged."
            )
    if few:
        count, *others = few.values()
        how_many = (
            f"{count or 'No'} label{'' if count == 1 else 's'}" if not others else "Fewer than 5 labels"
        )
        of = f" of {next(iter(few))}" if not others and next(iter(few)) else ""
        of = f" ({', '.join(f'{name}: {m}' for name, m in few.items())})" if others else of
        verb = "disagrees" if count == 1 and not others else "disagree"
        notes.append(
            f"{how_many}{of} {verb} with the commonest of their cell; the width is set by what was not seen."
        )
    if choice.name == "cells" and level > 0.95:
        notes.append(
            "Above level .95 these intervals miss up to twice as often as they say in some settings with few labels; "
            "interval='exact' does not."
        )
    return list(dict.fromkeys(notes))


def _unknown_notes(builder: DesignBuilder, request: InferenceRequest, study: Study) -> list[str]:
    """Say which classes of the machine no expert label has."""
    unknown = unknown_classes(request, builder.outcome_labels, study)
    return [unknown_classes_text(unknown)] if unknown else []


def _simple(intervals: _Intervals, level: float) -> SimpleFit:
    return SimpleFit(
        params=np.array([f.estimate for f in intervals.at(level)], dtype=np.float64),
        std_error=_half_lengths(intervals(level), level),
        variance_parts=_CellForecast(intervals, level),
    )


@dataclass(frozen=True, kw_only=True)
class _CountedSample(LabelledSample):
    """Labelled units of rows of which alike ones are given once."""

    n_all: int

    keeps_rows = False

    @property
    def n_rows(self) -> int:
        """Number of rows, labelled or not."""
        return self.n_all


def _sample(request: InferenceRequest) -> LabelledSample:
    calibration = request.calibration
    n = calibration.n_labelled
    sample = _CountedSample(
        n_all=calibration.n_rows,
        moment=MeanMoment(),
        gold=RegressionRows(y=np.zeros(n), X=np.ones((n, 1))),
        labelled=calibration.labelled,
        probability=calibration.probability,
        design=calibration.design,
    )
    vars(sample)["positions"] = calibration.positions
    return sample


@dataclass(frozen=True)
class _CellInfluence:
    """Influence functions of the post-stratified means, scaled to the intervals' lengths, made when they are asked for."""

    units: _Units
    parts: list[_Part]
    intervals: _Intervals
    error: Float1D
    width: float
    positions: AnyArray  # of the labelled rows
    n_rows: int

    @cached_property
    def _of_units(self) -> tuple[Float2D, Float2D, Float2D]:
        """Influence and residual of every unit, and the covariance."""
        units, error = self.units, self.error
        n_units = units.n_units
        shape = len(units.labelled), len(self.parts)
        influence, residual = np.zeros(shape), np.zeros(shape)
        counted = units.counts(slice(None))
        many = np.ones(shape[0]) if counted is None else counted
        for k, (part, s) in enumerate(zip(self.parts, self.intervals.sums, strict=True)):
            cell, inside = part.cells.cell, np.arange(shape[0])[part.inside]
            labelled = units.labelled[part.inside]
            mass = np.ones(len(cell)) if units.size is None else units.size[part.inside]
            total = np.where(s.total > 0, s.total, 1.0)
            # influence: N W_c / S_c a_i (y_i - ybar_c) of a label, plus ybar_c - theta of every unit
            of_label, rows = cell[labelled], inside[labelled]
            own = n_units * (s.share / total)[of_label] * mass[labelled] * (part.y - s.mean[of_label])
            here = many[part.inside]
            centred = (s.mean - float(np.sum(s.share * s.mean))) * n_units / (mass @ here)
            residual[rows, k] = self.width * own
            influence[inside, k] = self.width * centred[cell] * mass
            influence[rows, k] += self.width * own / units.probability[rows]
        contrasts = self.intervals.contrasts
        influence, residual = influence @ contrasts.T, residual @ contrasts.T
        length = np.sqrt(np.diag(self._products(influence, many))) / n_units
        scale = np.divide(error, length, out=np.zeros(len(error)), where=length > 0)
        influence, residual = influence * scale, residual * scale
        covariance = self._products(influence, many) / n_units**2
        np.fill_diagonal(covariance, error**2)
        return influence, residual, covariance

    def _products(self, influence: Float2D, many: Float1D) -> Float2D:
        """Return sums of products of influences, of those of a group summed first."""
        group = self.units.group
        if group is not None:
            sums = sum_by_cluster(influence * many[:, None], group)
            return sums.T @ sums
        return (influence * many[:, None]).T @ influence

    @property
    def covariance(self) -> Float2D:
        """Covariance of the estimates."""
        if len(self.error) == 1:
            return np.array([self.error**2])
        return self._of_units[2]

    def _of_rows(self, values: Float2D) -> Float2D:
        """Return what rows add; those of a cluster share what it adds."""
        units = self.units
        if units.row_unit is None:
            return values
        share = 1.0 / units.size[units.row_unit, None] if units.size is not None else 1.0
        shared: Float2D = values[units.row_unit] * share * (self.n_rows / units.n_units)
        return shared

    def influence(self) -> Float2D:
        """Return the influence of every row."""
        return self._of_rows(self._of_units[0])

    def residual(self) -> Float2D:
        """Return what each label adds."""
        return self._of_rows(self._of_units[1])[self.positions]


def _estimate(
    request: InferenceRequest,
    units: _Units,
    parts: list[_Part],
    intervals: _Intervals,
    params: Float1D,
    error: Float1D,
    bounds: tuple[float, float],
) -> Estimate:
    """Return the estimate with influence functions of the post-stratified means, scaled to the intervals' lengths."""
    calibration = request.calibration
    influence = _CellInfluence(
        units,
        parts,
        intervals,
        error,
        bounds[1] - bounds[0],
        calibration.positions,
        calibration.n_rows,
    )
    return Estimate(
        params=params,
        covariance=influence.covariance,
        influence_of=None if isinstance(request.units, CountedUnits) else influence.influence,
        residual_of=influence.residual,
        forecast_of=partial(_CellForecast, intervals, float(request.confidence_level)),
    )


def _names(
    parsed: ParsedFormula,
    request: InferenceRequest,
    parts: list[_Part],
    builder: DesignBuilder,
    difference: bool,
) -> tuple[str, ...]:
    if difference and len(parts) > 2:
        return tuple(
            f"{second.name} - {first.name}" for i, first in enumerate(parts) for second in parts[i + 1 :]
        )
    if difference:
        return builder.names
    if request.model_kind.has_categories:
        return tuple(p.name for p in parts)
    label = f"{request.model}({parsed.outcome})"
    return tuple(f"{label}, {p.name}" if p.name else label for p in parts)


def _naive(
    parsed: ParsedFormula,
    builder: DesignBuilder,
    request: InferenceRequest,
    contrasts: Float2D,
    frame: Any,
) -> SimpleFit | None:
    """Return the shares or means of the machine's verdicts, where they have the values of the outcome."""
    labels = builder.outcome_labels
    if not set(labels) <= set(request.surrogate_names):
        return None
    counted = request.units if isinstance(request.units, CountedUnits) else None
    if counted is None:
        machine = builder.outcome({name: request.surrogates[name] for name in labels})
    elif counted.verdicts and request.estimator != "gold":
        machine = counted.verdicts[0]
    else:
        return None
    means, errors = [], []
    categories: list[Any] = [None]
    if request.model_kind.has_categories:
        categories = list(categories_of(builder.outcome(frame=frame)[request.calibration.positions]))
        if not set(map(str, machine)) <= set(map(str, categories)):
            return None
    elif machine.dtype.kind not in "fiub":
        return None
    for _, rows in _groups(request, parsed):
        many = None if counted is None else counted.count[rows]
        n = float(np.count_nonzero(rows) if many is None else many.sum())
        for category in categories:
            if counted is not None and category is None:
                total, squares = counted.sums[0][rows].sum(), counted.squares[0][rows].sum()
            else:
                values = machine if category is None else machine.astype(str) == str(category)
                chosen = np.asarray(values if rows.all() else values[rows], dtype=np.float64)
                weighted = chosen if many is None else many * chosen
                total, squares = weighted.sum(), weighted @ chosen
            means.append(float(total / n))
            errors.append(float(np.sqrt(max(squares / n - (total / n) ** 2, 0.0) / n)))
    return SimpleFit(
        params=contrasts @ np.array(means), std_error=np.sqrt(contrasts**2 @ np.array(errors) ** 2)
    )
