"""One inference from beginning to end: estimate, comparison fits, result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import lapack

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, Int1D
from validstats.dsl.fit import (
    Estimate,
    EstimatorName,
    FirstStage,
    LabelledSample,
    NoRootError,
    Sample,
    SimpleFit,
    TuningKind,
    estimable,
    estimate,
    kurtosis_degrees,
    median_estimate,
    naive_fit,
)
from validstats.dsl.labels import Calibration
from validstats.dsl.moments import (
    GLMMoment,
    VarianceKind,
    checked_clusters,
    cluster_degrees,
    column_names,
    coverage_lost_by_normal_quantile,
    coverage_lost_to_skewness,
    effective_labels,
    is_too_skewed,
    least_squares,
    nearly_spanned_columns,
    share_that_holds,
    text_codes,
    warn_about_clusters,
)
from validstats.dsl.plan import Pilot, SamplingPlan, design_sampling, residual_scale
from validstats.dsl.regression.assembly import DesignBuilder, parse_formula
from validstats.dsl.regression.effects import estimate_effects, gold_within, naive_within
from validstats.dsl.regression.margins import marginal_effects
from validstats.dsl.regression.obstacles import no_root
from validstats.dsl.regression.preparation import (
    FrameStudy,
    InferenceRequest,
    PreparedModel,
    Study,
    feature_coder,
    unknown_classes_text,
)
from validstats.dsl.results import CoefficientResult, Companions, MarginalEffects
from validstats.exceptions import (
    LabellingWarning,
    few_degrees_message,
    few_events_message,
    near_collinearity_message,
    normal_interval_message,
    rare_labels_message,
    skewed_labels_message,
    warn,
)
from validstats.guarantee import Guarantee
from validstats.results import NotApplicable

__all__ = [
    "calibration_guarantee",
    "cells_guarantee",
    "coefficient_result",
    "companions",
    "degrees_of_freedom",
    "inference_guarantee",
    "resolve_clusters",
    "sampling_of_further_units",
    "solve",
    "warn_about_few_clusters",
]


CITATIONS = {
    "tuned": "Chen and Chen (2000), JRSS-B 62, 449-460, with bounded shares; Egami et al. (2023), arXiv 2306.04746",
    "dsl": "Egami et al. (2023), arXiv 2306.04746, Proposition 1",
    "ppi": "Angelopoulos et al. (2023), Science 382, 669-674",
    "ppi++": "Angelopoulos, Duchi and Zrnic (2023), arXiv 2311.01453, Theorem 1",
    "gold": "Robins, Rotnitzky and Zhao (1994), JASA 89, 846-866",
}

SCHEMES = {
    "independent": "rows were drawn independently of each other",
    "simple": "the number of labelled rows was fixed beforehand",
    "stratified": "the number of labelled rows was fixed beforehand in every stratum",
    "clusters": "whole clusters were drawn, each with its stated probability",
}


DRAWN = {
    "independent": "expert labels went to rows by chance, each with its stated probability",
    "simple": "rows for the experts were picked at random from all rows",
    "stratified": "rows for the experts were picked at random within each stratum",
    "clusters": "whole clusters were picked at random for the experts",
}
"""What a reader must judge about how labels were drawn, by scheme."""


def _points(calibration: Calibration) -> tuple[str, str]:
    """Return what a reader must judge about the labels."""
    lowest = calibration.probability_range.low
    drawn = DRAWN[calibration.design.scheme]
    if "estimated" in calibration.design_text:
        drawn = "which rows got expert labels depends on the machine labels and features alone"
    return (
        f"{drawn} (smallest probability {lowest:.3g})",
        "the experts' labels are the truth that you mean to measure",
    )


def _design_details(calibration: Calibration) -> tuple[str, ...]:
    """Return the exact conditions about how labels were drawn."""
    text = calibration.design_text
    return (text[:1].upper() + text[1:], SCHEMES[calibration.design.scheme].capitalize())


def _dependence(clustered_by: str) -> str:
    return f"rows of different clusters ({clustered_by}) do not depend on each other"


def _percent(level: Fraction) -> str:
    return f"{100 * float(level):.10g}"


def calibration_guarantee(calibration: Calibration, level: Fraction) -> Guarantee:
    """Return what a calibrated estimator promises of any inference."""
    return Guarantee(
        holds=(
            f"about {_percent(level)} of 100 intervals hold the value that expert labels of all rows would give, however "
            "wrong the machine labels are"
        ),
        kind="asymptotic",
        check=_points(calibration),
        details=(
            *_design_details(calibration),
            f"Intervals of each regression cover its coefficients with probability tending to {float(level):g}",
        ),
        n_reference=calibration.n_units,
        citation=CITATIONS["tuned"],
        confidence_level=float(level),
    )


PUBLISHED = ("dsl", "ppi", "ppi++")
"""Estimators whose intervals are those of their papers."""
_AS_PUBLISHED = (
    "The interval is that of the estimator's paper, which is for many labels: in a simulated setting with 218 labels whose "
    "probabilities differ up to sixfold .86 of the slopes by estimator='dsl' held at .95, and a warning says where labels look like "
    "that; estimator='tuned' is corrected for few labels"
)
"""What estimators as they were published promise less: 300 trials of ``python -m benchmarks.hunt dsl --trials 20000 --seed 41``."""


def inference_guarantee(
    request: InferenceRequest, tuning: TuningKind, clustered_by: str | None, *, pairwise_effects: bool
) -> Guarantee:
    """Return what one inference promises."""
    calibration, level, estimator = request.calibration, request.confidence_level, request.estimator
    finite = request.population == "finite"
    value = "that expert labels of these rows would give" if finite else "of the population behind the rows"
    checks = list(_points(calibration))
    if not finite:
        checks.append(
            "rows do not depend on each other" if clustered_by is None else _dependence(clustered_by)
        )
    target = (
        "the coefficients that expert labels of all rows would give (the rows are the population)"
        if finite
        else "the coefficients of the population that the rows are drawn from"
    )
    details = [
        f"Each interval covers its coefficient among {target} with probability tending to {float(level):g}, for any "
        "quality of the machine labels",
        *_design_details(calibration),
        "Scores have finite fourth moments and the Jacobian is not singular",
    ]
    if calibration.n_units < 200:
        details.append(f"With {calibration.n_units} labelled units the level is approximate")
    if pairwise_effects:
        details.append(
            "Own terms of the absorbed effects are corrected, so that panels may be short; nothing is tuned, "
            "and gold-only estimates may be more precise"
        )
    elif estimator == "tuned" and tuning != "none":
        details.append(_tuning_caveat(tuning, calibration))
    published = estimator in PUBLISHED
    if published:
        details.append(_AS_PUBLISHED)
    return Guarantee(
        holds=(
            f"{'with many labels ' if published else ''}about {_percent(level)} of 100 such intervals hold the value {value}, "
            "however wrong the machine labels are"
        ),
        kind="asymptotic",
        check=tuple(checks),
        details=tuple(details),
        n_reference=calibration.n_units,
        citation=CITATIONS[estimator],
        confidence_level=float(level),
    )


def cells_guarantee(
    calibration: Calibration, level: Fraction, interval: str, finite: bool, clustered_by: str | None
) -> Guarantee:
    """Return what an interval from cells of equal verdict, or an exact one, promises."""
    target = "the rows themselves" if finite else "the population that the rows are drawn from"
    exact = interval == "exact"
    details: tuple[str, ...] = (
        "With one cell, 0/1 labels and equal probabilities the interval is Clopper and Pearson's, which covers at every "
        "number of labels",
        "With several cells it is exact to first order in the number of labels of each; at few labels its level is what "
        "simulations show, none of which fell below .935 at .95",
    )
    if clustered_by is not None:
        details = (
            "Labels of one cluster are one label of their cell, and the label that is added weighs as much as the largest "
            "cluster; at few labels or clusters the level is what simulations show, none of which fell below .94 at .95",
        )
    if exact:
        details = (
            "Every cell has its own one-sided limits, and their levels are shared by Bonferroni; whether verdicts divide "
            "the labels was decided before labels were read",
        )
    return Guarantee(
        holds=(
            f"the interval covers the share or mean that expert labels would give for {target} with probability "
            f"{'at least' if exact else 'about'} {float(level):g}, for any quality of the machine labels"
        ),
        kind="finite-sample" if exact else "asymptotic",
        check=(*_points(calibration), *([] if clustered_by is None else [_dependence(clustered_by)])),
        n_reference=calibration.n_units,
        citation=(
            "Clopper and Pearson (1934), Biometrika 26, 404-413; Waudby-Smith and Ramdas (2024), JRSS-B 86, 1-27"
            if exact
            else "Fay and Feuer (1997), Statistics in Medicine 16, 791-801; Fay, Proschan and Brittain (2015), "
            "Biometrics 71, 146-156"
        ),
        confidence_level=float(level),
        details=(*_design_details(calibration), *details),
    )


def _tuning_caveat(tuning: TuningKind, calibration: Calibration) -> str:
    if tuning == "matrix":
        return (
            "Tuned by a free matrix: with few labels standard errors can exceed those of the labels alone, and no bound "
            "is claimed"
        )
    units = "labelled clusters" if calibration.design.draws_clusters else "labels"
    return (
        f"Each standard error is at most sqrt(1 + 1/(n - p)) times that of the labels alone, in every data set, with n "
        f"{units} and p coefficients; this bounds standard errors one coefficient at a time, not lengths of intervals "
        "and not contrasts. With a skewed covariate, skewed errors and a good surrogate coverage can be .05 below that "
        "of the labels alone (estimator='gold')"
    )


def resolve_clusters(request: InferenceRequest, effects: tuple[str, ...]) -> tuple[list[Int1D], str | None]:
    """Return cluster codes of the standard errors and what they are called."""
    codes, name = _clusters_of(request, effects)
    return codes, None if request.population == "finite" else name


def _clusters_of(request: InferenceRequest, effects: tuple[str, ...]) -> tuple[list[Int1D], str | None]:
    if request.clusters:
        n = request.units.n_rows
        codes = [checked_clusters(text_codes(c), n) for c in request.clusters]
        _check_drawn_clusters(request, codes)
        return codes, request.cluster_names or "given clusters"
    if request.independent:
        return [], None
    if request.calibration.clusters:
        return list(request.calibration.clusters), request.calibration.cluster_names or "calibration clusters"
    if effects:
        column = request.units.data[effects[0]]
        whole = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu"
        texts = column.to_numpy() if whole else column.astype(str).to_numpy()
        return [checked_clusters(text_codes(texts), len(texts))], effects[0]
    return [], None


def _check_drawn_clusters(request: InferenceRequest, codes: list[Int1D]) -> None:
    """Refuse clusters of standard errors that divide clusters of which the labels were drawn as a whole."""
    design = request.calibration.design
    if request.population == "finite" or not design.draws_clusters:
        return
    assert design.units is not None
    pairs = [np.unique(np.column_stack([design.units, c]), axis=0)[:, 0] for c in codes]
    divided = min(int(np.sum(np.bincount(units) > 1)) for units in pairs)
    if divided:
        raise ValueError(
            f"clusters divides {divided} of the {int(design.units.max()) + 1} clusters that were labelled as a whole in "
            "calibrate, and the labels of a drawn cluster depend on each other. Give clusters that are unions of the "
            "drawn ones, or leave clusters out, which takes the drawn ones."
        )


def warn_about_few_clusters(
    request: InferenceRequest, clusters: Sequence[Int1D], clustered_by: str | None
) -> None:
    """Warn about clusters of standard errors that are few, unless ``calibrate`` has said so of the same
    clusters."""
    calibration = request.calibration
    drawn = calibration.design.draws_clusters and not request.clusters and len(clusters) == 1
    if request.population == "superpopulation" and not drawn:
        warn_about_clusters(clusters, calibration.labelled, clustered_by)


def degrees_of_freedom(request: InferenceRequest, clusters: Sequence[Int1D], n_fitted: int) -> float | None:
    """Return degrees of freedom of the t distribution, or None for normal quantiles."""
    calibration = request.calibration
    if clusters and request.population == "superpopulation":
        return cluster_degrees(clusters, calibration.labelled)
    return float(max(calibration.n_units - n_fitted, 1)) if calibration.n_units < 200 else None


def coefficient_result(
    found: Estimate,
    request: InferenceRequest,
    sample: Sample,
    *,
    beside: Companions,
    clustered_by: str | None,
    guarantee: Guarantee,
    **words: Any,
) -> CoefficientResult:
    """Return an estimate with its guarantee and the fits that stand beside it."""
    labelled = sample.labelled if isinstance(sample, LabelledSample) else None
    return CoefficientResult(
        guarantee=guarantee,
        backend=request.units.backend,
        fit=found,
        confidence_level=float(request.confidence_level),
        estimator=request.estimator,
        kind=request.kind or default_kind(request.estimator),
        population=request.population,
        n_rows=sample.n_rows,
        n_labelled=sample.n_labelled,
        kish_labels=request.calibration.kish_labels,
        beside=beside,
        clustered_by=clustered_by,
        clusters=sample.clusters if labelled is not None and clustered_by is not None else (),
        labelled=labelled,
        n_passes=sample.n_passes,
        rows=request.units.rows,
        **words,
    )


def default_kind(estimator: EstimatorName) -> VarianceKind:
    """Return the small-sample correction of an estimator where none is asked for by name."""
    return "HC3" if estimator in ("tuned", "gold") else "HC0"


def companions(
    sample: Sample,
    found: Estimate,
    request: InferenceRequest,
    gold_of: Callable[[], SimpleFit | None],
    naive_of: Callable[[], SimpleFit | None],
    marginal_of: Callable[[], MarginalEffects | NotApplicable] | None = None,
) -> Companions:
    """Return what stands beside an estimate: made when it is asked for, or now where rows are read again for it."""
    beside = Companions(
        gold_of=gold_of,
        naive_of=naive_of,
        worth_of=partial(_worth_in_labels, sample, found, finite=request.population == "finite"),
        marginal_of=marginal_of,
    )
    return beside if isinstance(sample, LabelledSample) else beside.complete()


def _worth_in_labels(sample: Sample, found: Estimate, gold: SimpleFit | None, *, finite: bool) -> Float1D:
    """Return how many labels alone would be as precise, by coefficient."""
    if gold is None:
        return np.full(len(found.params), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return effective_labels(
            sample.n_labelled,
            gold.std_error**2,
            np.diag(found.covariance),
            sample.n_rows,
            finite=finite,
        )


def sampling_of_further_units(
    result: CoefficientResult,
    formula: str,
    request: InferenceRequest,
    n_labels: int,
    *,
    coefficients: Sequence[str] | None,
    scale_learner: Any,
    generator: np.random.Generator,
    **options: Any,
) -> SamplingPlan:
    """Propose which further units to label; the labels there are serve as the pilot."""
    calibration = request.calibration
    labelled = calibration.labelled
    squared = _squared_residual(result, coefficients)
    if labelled.all():
        raise ValueError("Every unit carries an expert label; there is nobody left to label.")
    parsed = parse_formula(formula)
    study = FrameStudy(request, parsed, partial(resolve_clusters, request, parsed.effects))
    builder = DesignBuilder(parsed, study.template, tuple(calibration.labels))
    coder = feature_coder(request.units, calibration.labels, "tuned", study, builder.variables)
    features = coder.encode(request.units.data)
    scale = residual_scale(squared, features, labelled, generator, scale_learner)
    pilot = Pilot(
        squared_residual=squared,
        probability=calibration.probability[labelled],
        uncertainty=scale[labelled],
    )
    plan = design_sampling(
        int((~labelled).sum()),
        n_labels,
        uncertainty=scale[~labelled],
        pilot=pilot,
        random_state=generator,
        **options,
    )
    return _over_all_units(plan, labelled, request.units.backend)


def _squared_residual(result: CoefficientResult, coefficients: Sequence[str] | None) -> Float1D:
    """Return the squared residual influence on some coefficients, in units of their standard errors."""
    if result.residual is None:
        raise ValueError("This model has no residual influence to design a sample for; use a smooth model.")
    names = list(result.names)
    if coefficients is None:
        coefficients = [name for name in names if name != "Intercept"] or names
    unknown = [name for name in coefficients if name not in names]
    if unknown or not len(coefficients):
        raise ValueError(
            f"coefficients must be some of {', '.join(map(repr, names))}; got {list(coefficients)!r}."
        )
    index = [names.index(name) for name in coefficients]
    scaled = result.residual[:, index] / result.std_error[index]
    return np.asarray(np.sum(scaled**2, axis=1), dtype=np.float64)


def _over_all_units(plan: SamplingPlan, labelled: Bool1D, backend: Any) -> SamplingPlan:
    """Extend a plan for the unlabelled units to all units; those that carry labels are certain."""
    probability = np.ones(len(labelled))
    probability[~labelled] = plan.sampling_probability
    selected = np.zeros(len(labelled), dtype=bool)
    selected[~labelled] = plan.selected
    strata: AnyArray | None = None
    if plan.draw == "fixed":
        strata = np.where(labelled, "labelled before", "new")
    return replace(plan, sampling_probability=probability, selected=selected, strata=strata, backend=backend)


unidentified_by_labels_message = (
    "The expert labels alone have no finite estimate of this model: the covariates separate them, or they are few. In "
    "some direction the coefficients rest on predictions that no label contradicts, and standard errors are too small "
    "there. Label more rows, leave out covariates, or merge rare categories."
)


_FEWEST_DEGREES = 5.0
"""Degrees of freedom below which an interval rests on a handful of labels."""
_FEWEST_EVENTS = 5
"""Labels unlike the others below which a normal interval of a 0/1 outcome is said not to know them: .00, .78 and .84 held for .9
with none, one and two of 690 labels of eight clusters (300 studies), .95 with three to six."""


def solve(
    prepared: PreparedModel,
    request: InferenceRequest,
    study: Study,
    limits: Callable[[int], Float2D] | None = None,
) -> CoefficientResult:
    """Solve a prepared model, of rows in memory or in a stream: sums, fit, result."""
    clusters, clustered_by = study.clusters, study.clustered_by
    warn_about_few_clusters(request, clusters, clustered_by)
    sample, names = prepared.sample, prepared.names
    absorbed = prepared.absorber is not None
    if not absorbed:
        if sample.n_labelled < len(names) and not np.any(estimable(sample)):
            raise no_root(sample, names)
        _warn_about_near_collinearity(sample, names)
    try:
        found = _estimated(prepared, request)
    except NoRootError as error:
        if absorbed:
            raise
        raise no_root(sample, names) from error
    if found.rows_of is not None and sample.sums_by is not None:
        found = replace(found, sums_by=partial(sample.sums_by, found.rows_of))
    _check_separation(sample, found, names)
    degrees = degrees_of_freedom(request, clusters, len(found.params))
    guarantee = inference_guarantee(request, found.tuning, clustered_by, pairwise_effects=prepared.pairwise)
    effects = None
    if isinstance(sample.moment, GLMMoment):
        effects = partial(marginal_effects, prepared, request, found, degrees, guarantee)
    beside = companions(
        sample,
        found,
        request,
        partial(_gold, prepared, request, found),
        partial(_naive, prepared),
        effects,
    )
    _warn_about_surprises(prepared, found)
    _warn_about_the_law(prepared, found, request)
    classes = request.estimator != "gold" and sample.moment.has_classes
    unidentified = classes and found.gold_root is None and beside.gold is None
    if unidentified:
        warn(unidentified_by_labels_message, LabellingWarning)
    everyone = prepared.sample.n_labelled == prepared.sample.n_rows
    variance = found.covariance.diagonal()
    if not everyone and not ((variance > 0) | np.isnan(variance)).all():
        raise NoRootError("The covariance matrix is not positive; label more rows or use another estimator.")
    return coefficient_result(
        found,
        request,
        sample,
        beside=beside,
        names=prepared.names,
        model=prepared.model or request.model,
        answered=request.model_kind.answered,
        formula=prepared.formula,
        outcome=prepared.outcome,
        clustered_by=clustered_by,
        degrees_of_freedom=degrees,
        effects=prepared.effects,
        notes=_notes(prepared, request, found, unidentified),
        ratio=sample.moment.ratio,
        limits=None if limits is None else limits(len(names)),
        guarantee=guarantee,
    )


def _warn_about_surprises(prepared: PreparedModel, found: Estimate) -> None:
    """Warn where an interval rests on few labels, or the rarer class has few: surprises count, not labels."""
    sample, names = prepared.sample, prepared.names
    if found.degrees is None or found.residual is None or sample.n_labelled == sample.n_rows:
        return
    degrees = np.where(np.isnan(found.degrees), np.inf, found.degrees)
    k = int(np.argmin(degrees))
    if degrees[k] < _FEWEST_DEGREES:
        # share of the variance that each labelled row carries
        squares = (found.residual[:, k] * sample.gold_weights) ** 2
        heaviest = np.argsort(-squares, kind="stable")[:3]
        total = float(squares.sum())
        places = sample.positions[heaviest]
        message = few_degrees_message.format(
            name=names[k],
            degrees=degrees[k],
            rows=", ".join(map(str, places.tolist())),
            share=float(squares[heaviest].sum()) / total if total > 0 else 1.0,
        )
        warn(message, LabellingWarning)
    outcome = sample.gold.y
    if sample.moment.has_classes and outcome.ndim == 1:
        many = int(np.count_nonzero(outcome > 0.5))
        events = min(many, len(outcome) - many)
        needed = 5 * len(names)
        if events < needed:
            message = few_events_message.format(
                events=events, n_labelled=sample.n_labelled, n_params=len(names), needed=needed
            )
            warn(message, LabellingWarning)
    elif prepared.absorber is None:
        _warn_about_rare_labels(prepared)


def _warn_about_rare_labels(prepared: PreparedModel) -> None:
    """Warn where a 0/1 outcome hardly varies among the labels, or among those of a group: its variance is not seen."""
    rows, names = prepared.sample.gold, prepared.names
    positive = rows.y == 1.0
    if rows.y.ndim > 1 or not (positive | (rows.y == 0.0)).all():
        return
    found, n_positive = [], np.count_nonzero(positive)
    for k, column in enumerate(rows.X.T):
        if column[0] not in (0.0, 1.0):
            continue
        ones = column == 1.0
        n_ones, n_zeros = np.count_nonzero(ones), np.count_nonzero(column == 0.0)
        if n_ones + n_zeros < len(column):
            continue
        of_ones = np.count_nonzero(positive & ones)
        for value, size, many in ((0.0, n_zeros, n_positive - of_ones), (1.0, n_ones, of_ones)):
            if not size:
                continue
            where = "in all" if size == len(positive) else f"with {names[k]} = {value:g}"
            found.append((min(many, size - many), size, where))
    events, n_labelled, where = min(found, default=(_FEWEST_EVENTS, 0, ""))
    if events < _FEWEST_EVENTS:
        warn(rare_labels_message.format(events=events, n_labelled=n_labelled, where=where), LabellingWarning)


def _warn_about_the_law(prepared: PreparedModel, found: Estimate, request: InferenceRequest) -> None:
    """Warn where what labelled rows add is too skewed for a mean, or too far from normal for an interval as published."""
    sample, names = prepared.sample, prepared.names
    published = request.estimator in PUBLISHED
    one_number = len(names) == 1 and not sample.moment.has_classes
    if found.residual is None or sample.n_labelled == sample.n_rows or not (published or one_number):
        return
    level = float(request.confidence_level)
    units = found.residual * sample.gold_weights[:, None]
    lost = [coverage_lost_to_skewness(column, level) for column in units.T]
    loss, skewness = np.array(lost).T
    if published:
        loss = loss + coverage_lost_by_normal_quantile(kurtosis_degrees(units, len(names)), level)
    worst = int(np.argmax(loss))
    if not is_too_skewed(float(loss[worst]), float(skewness[worst]), sample.n_labelled):
        return
    said = {
        "n_labelled": sample.n_labelled,
        "name": names[worst],
        "held": share_that_holds(level, float(loss[worst])),
        "level": level,
    }
    if published and not one_number:
        warn(normal_interval_message.format(estimator=request.estimator, **said), LabellingWarning)
        return
    bounded = request.outcome_range is not None or request.model_kind.of_share
    remedy = (
        "take interval='cells', which uses the range of the outcome"
        if bounded
        else "give the range of the outcome by outcome_range=(low, high)"
    )
    warn(skewed_labels_message.format(skewness=skewness[worst], remedy=remedy, **said), LabellingWarning)


def _estimated(prepared: PreparedModel, request: InferenceRequest) -> Estimate:
    """Estimate the coefficients, by pairs of rows where a labelled covariate meets absorbed effects."""
    options: dict[str, Any] = {
        "estimator": request.estimator,
        "kind": request.kind,
        "population": request.population,
    }
    sample, terms, raw = prepared.sample, prepared.terms, prepared.raw
    if not prepared.pairwise:
        # verdict cells tell the events that labels alone may have missed
        alone = request.estimator in ("tuned", "gold")
        first = FirstStage(n_effective=prepared.n_effective, cell=prepared.cell if alone else None)
        return estimate(sample, terms, raw, tuning=request.tuning, first=first, **options)
    if request.tuning is not None:
        raise ValueError(
            f"tuning={request.tuning!r} has no effect with absorbed effects and a labelled covariate, where nothing is "
            "tuned; leave it out."
        )
    assert prepared.absorber is not None
    absorber, correct = prepared.absorber, request.own_term_correction
    if request.estimator != "dsl":
        return estimate_effects(sample, terms, raw, absorber, own_term_correction=correct, **options)
    # the median of sample splits, as the R package
    return median_estimate(
        [estimate_effects(sample, (t,), raw, absorber, own_term_correction=correct, **options) for t in terms]
    )


def _notes(
    prepared: PreparedModel, request: InferenceRequest, found: Estimate, unidentified: bool
) -> tuple[str, ...]:
    """Say what a reader of the table has to know besides the guarantee."""
    notes = [*prepared.notes, *found.fallbacks]
    if prepared.pairwise and request.population == "finite":
        notes.append(
            "The variance of the labelling is an upper bound: products of the label errors of two rows with a "
            "common effect count twice."
        )
    if unidentified:
        notes.append(unidentified_by_labels_message)
    if prepared.raw is None and prepared.unknown_classes:
        notes.append(unknown_classes_text(prepared.unknown_classes))
    if request.calibration.n_partial:
        notes.append(f"{request.calibration.n_partial} row(s) with some of the labels count as unlabelled.")
    return tuple(notes)


def _naive(prepared: PreparedModel) -> SimpleFit | None:
    """Fit the model to machine labels taken for the truth."""
    if prepared.absorber is None or prepared.plain is None:
        sample, raw = prepared.everything
        return None if raw is None else naive_fit(sample, raw)
    sample, raw = prepared.plain
    return None if raw is None else naive_within(sample, raw, prepared.absorber)


def _gold(prepared: PreparedModel, request: InferenceRequest, found: Estimate) -> SimpleFit | None:
    """Fit the labels alone, as estimator="gold" does, which is the estimate itself there."""
    if request.estimator == "gold":
        return _simple(found)
    if prepared.absorber is not None and prepared.plain is not None:
        return gold_within(prepared.plain[0], request.kind, request.population)
    first = FirstStage(cell=prepared.cell)
    try:
        return _simple(
            estimate(
                prepared.sample,
                (),
                None,
                estimator="gold",
                kind=request.kind,
                population=request.population,
                first=first,
            )
        )
    except NoRootError:
        return None


def _simple(found: Estimate) -> SimpleFit:
    return SimpleFit(
        params=found.params,
        std_error=np.sqrt(np.diag(found.covariance)),
        variance_parts=found.variance_parts,
    )


_FEW_DIGITS = 1e-4
"""Smallest over largest singular value of the labelled design below which columns are hardly told apart."""
_MOST_COLUMNS = 100
"""Columns of length one that are apart have products without an eigenvalue below 1e-6, so that singular values of as many columns
differ by (100 / 1e-6)^(1/2) = 1 / _FEW_DIGITS at most; centred beside an intercept they do not differ more, as none gets longer."""


def _warn_about_near_collinearity(sample: Sample, names: Sequence[str]) -> None:
    """Warn of columns that the labelled rows hardly tell apart."""
    gold = sample.gold
    if gold.weights is None and gold.are_apart and gold.X.shape[1] <= _MOST_COLUMNS:
        return
    columns = column_names(gold, names)
    found = None if columns is None else nearly_spanned_columns(gold.X, columns, _FEW_DIGITS)
    if found is not None:
        involved, condition = found
        message = near_collinearity_message.format(
            columns=", ".join(map(repr, involved)), condition=condition, n_labelled=sample.n_labelled
        )
        warn(message, LabellingWarning)


def _check_separation(sample: Sample, found: Estimate, names: Sequence[str]) -> None:
    """Refuse a binomial or multinomial fit whose curvature has vanished in some direction."""
    if not sample.moment.has_classes:
        return
    rows = sample.gold
    curvature = sample.moment.jacobian(rows, found.params, np.ones(rows.n_rows))
    with np.errstate(all="ignore"):
        flat = sample.moment.jacobian(rows, np.zeros_like(found.params), np.ones(rows.n_rows))
    if not (np.isfinite(flat).all() and np.isfinite(curvature).all()):
        return
    relative = lapack.dgeev(least_squares(flat, curvature), compute_vl=0, compute_vr=0)[0]
    if relative.min() < 1e-6:
        raise no_root(sample, names)
