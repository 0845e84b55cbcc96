"""One inference from beginning to end: estimate, comparison fits, result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from validstats._typing import Int1D
from validstats.dsl.fit import (
    Estimate,
    FirstStage,
    LabelledSample,
    NoRootError,
    Sample,
    SimpleFit,
    estimate,
    median_estimate,
    naive_fit,
    no_root_message,
)
from validstats.dsl.moments import (
    Moment,
)
from validstats.dsl.regression.assembly import DesignBuilder, parse_formula
from validstats.dsl.regression.effects import estimate_effects, gold_within, naive_within
from validstats.dsl.regression.outcome import (
    coefficient_result,
    degrees_of_freedom,
    marginal_effects,
    resolve_clusters,
    warn_about_few_clusters,
)
from validstats.dsl.regression.preparation import (
    BOUNDED_MODELS,
    InferenceRequest,
    PreparedModel,
    fill_labels,
    prepare_formula,
    prepare_moment,
    unknown_classes_text,
)
from validstats.dsl.regression.quantiles import infer_quantile, prepare_quantile
from validstats.dsl.regression.shares import choose_interval, infer_share
from validstats.dsl.results import CoefficientResult
from validstats.exceptions import LabellingWarning, few_degrees_message, few_events_message, warn

__all__ = ["run_inference", "solve"]


unidentified_by_labels_message = (
    "The expert labels alone have no finite estimate of this model: the covariates separate them, or they are few. In "
    "some direction the coefficients rest on predictions that no label contradicts, and standard errors are too small "
    "there. Label more rows, leave out covariates, or merge rare categories."
)


_FEWEST_DEGREES = 5.0
"""Degrees of freedom below which an interval rests on a handful of labels."""


class _Comparisons(NamedTuple):
    """The fits that stand beside an estimate."""

    gold: SimpleFit | None
    naive: SimpleFit | None


def run_inference(formula: str | Moment, request: InferenceRequest) -> CoefficientResult:
    """Carry out one inference on rows in memory."""
    template = fill_labels(request)
    if isinstance(formula, Moment):
        prepared = prepare_moment(formula, request, template)
    elif request.model == "quantile":
        return infer_quantile(prepare_quantile(parse_formula(formula), request, template), request)
    else:
        parsed, note = parse_formula(formula), ""
        if request.model in BOUNDED_MODELS:
            builder = DesignBuilder(parsed, template, tuple(request.calibration.labels))
            choice = choose_interval(request, parsed, builder)
            if choice.name != "normal":
                return infer_share(parsed, builder, request, choice)
            note = f"Interval 'normal', estimate and standard error: {choice.reason}."
        prepared = prepare_formula(parsed, request, template)
        prepared = replace(prepared, notes=(note,) if note else ())
    clusters, clustered_by = resolve_clusters(request, prepared.assembled.effects)
    assert isinstance(prepared.sample, LabelledSample)
    sample = replace(prepared.sample, clusters=tuple(clusters))
    return solve(replace(prepared, sample=sample), request, clusters, clustered_by)


def solve(
    prepared: PreparedModel,
    request: InferenceRequest,
    clusters: Sequence[Int1D],
    clustered_by: str | None,
) -> CoefficientResult:
    """Solve a prepared model, of rows in memory or in a stream: sums, fit, result."""
    warn_about_few_clusters(request, clusters, clustered_by)
    found = _estimated(prepared, request)
    beside = _comparisons(prepared, request, found)
    _check_separation(prepared.sample, found)
    _warn_about_surprises(prepared, found)
    unidentified = beside.gold is None and request.estimator != "gold" and prepared.sample.moment.has_classes
    if unidentified:
        warn(unidentified_by_labels_message, LabellingWarning)
    everyone = prepared.sample.n_labelled == prepared.sample.n_rows
    variance = np.diag(found.covariance)
    if not np.all((variance > 0) | np.isnan(variance)) and not everyone:
        raise NoRootError("The covariance matrix is not positive; label more rows or use another estimator.")
    degrees = degrees_of_freedom(request, clusters, len(found.params))
    result = coefficient_result(
        found,
        request,
        prepared.sample,
        gold=beside.gold,
        naive_fit=beside.naive,
        names=prepared.assembled.names,
        model=prepared.model or request.model,
        formula=prepared.formula,
        outcome=prepared.outcome,
        clustered_by=clustered_by,
        degrees_of_freedom=degrees,
        with_raw=prepared.raw is not None,
        pairwise=prepared.pairwise,
        effects=prepared.assembled.effects,
        notes=_notes(prepared, request, found, unidentified),
        ratio=prepared.sample.moment.ratio,
    )
    return replace(result, marginal=marginal_effects(prepared, request, found, degrees, result.guarantee))


def _warn_about_surprises(prepared: PreparedModel, found: Estimate) -> None:
    """Warn where an interval rests on few labels, or the rarer class has few: surprises count, not labels."""
    sample, names = prepared.sample, prepared.assembled.names
    if found.degrees is None or found.residual is None or sample.n_labelled == sample.n_rows:
        return
    degrees = np.where(np.isnan(found.degrees), np.inf, found.degrees)
    k = int(np.argmin(degrees))
    if degrees[k] < _FEWEST_DEGREES:
        # share of the variance that each labelled row carries
        squares = (found.residual[:, k] * sample.gold_weights) ** 2
        heaviest = np.argsort(-squares, kind="stable")[:3]
        total = float(squares.sum())
        places = sample.positions[heaviest] if isinstance(sample, LabelledSample) else heaviest
        message = few_degrees_message.format(
            name=names[k],
            degrees=degrees[k],
            rows=", ".join(map(str, places.tolist())),
            share=float(squares[heaviest].sum()) / total if total > 0 else 1.0,
        )
        warn(message, LabellingWarning)
    outcome = sample.gold.y
    if sample.moment.has_classes and outcome.ndim == 1:
        events = int(min(np.sum(outcome > 0.5), np.sum(outcome <= 0.5)))
        needed = 5 * len(names)
        if events < needed:
            message = few_events_message.format(
                events=events, n_labelled=sample.n_labelled, n_params=len(names), needed=needed
            )
            warn(message, LabellingWarning)


def _estimated(prepared: PreparedModel, request: InferenceRequest) -> Estimate:
    """Estimate the coefficients, by pairs of rows where a labelled covariate meets absorbed effects."""
    options: dict[str, Any] = {
        "estimator": request.estimator,
        "kind": request.kind,
        "population": request.population,
    }
    sample, terms, raw = prepared.sample, prepared.terms, prepared.raw
    if not prepared.pairwise:
        first = FirstStage(n_effective=prepared.n_effective, cell=prepared.cell)
        return estimate(sample, terms, raw, tuning=request.tuning, first=first, **options)
    if request.tuning is not None:
        raise ValueError(
            f"tuning={request.tuning!r} has no effect with absorbed effects and a labelled covariate, where nothing is "
            "tuned; leave it out."
        )
    assert prepared.assembled.absorber is not None
    assert isinstance(sample, LabelledSample)
    absorber, correct = prepared.assembled.absorber, request.own_term_correction
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


def _comparisons(prepared: PreparedModel, request: InferenceRequest, found: Estimate) -> _Comparisons:
    """Return the gold-only fit, which is the estimate itself where that is gold-only, and the naive one."""
    assembled, sample = prepared.assembled, prepared.sample
    own = _simple(found) if request.estimator == "gold" else None
    if assembled.absorber is None:
        machine = prepared.raw if prepared.naive is None else prepared.naive
        naive = None if machine is None else naive_fit(sample, machine)
        return _Comparisons(own or _gold_fit(prepared, request), naive)
    assert isinstance(sample, LabelledSample)
    assert assembled.make_plain is not None
    plain = assembled.make_plain({}, None).take(sample.positions)
    gold = own or gold_within(sample, plain, assembled.absorber, request.kind, request.population)
    naive = None
    if prepared.raw_parts is not None:
        part = prepared.raw_parts[0]
        plain = assembled.make_plain(part.replacements, part.outcome)
        naive = naive_within(sample, plain, assembled.absorber)
    return _Comparisons(gold, naive)


def _gold_fit(prepared: PreparedModel, request: InferenceRequest) -> SimpleFit | None:
    """Fit the labels alone, as estimator="gold" does."""
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


def _check_separation(sample: Sample, found: Estimate) -> None:
    """Refuse a binomial or multinomial fit whose curvature has vanished in some direction."""
    if not sample.moment.has_classes:
        return
    rows = sample.gold
    curvature = sample.moment.jacobian(rows, found.params, np.ones(rows.n_rows))
    with np.errstate(all="ignore"):
        flat = sample.moment.jacobian(rows, np.zeros_like(found.params), np.ones(rows.n_rows))
    if not (np.all(np.isfinite(flat)) and np.all(np.isfinite(curvature))):
        return
    relative = np.linalg.eigvals(np.linalg.lstsq(flat, curvature, rcond=None)[0]).real
    if relative.min() < 1e-6:
        raise NoRootError(
            no_root_message.format(
                n_labelled=sample.n_labelled,
                n_params=len(found.params),
                reason=": the covariates separate the outcome perfectly in some direction, so that its "
                "coefficient is infinite",
            )
        )
