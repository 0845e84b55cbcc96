"""One inference from beginning to end: estimate, comparison fits, result."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from validstats._typing import Float1D, Int1D
from validstats.dsl.fit import (
    Estimate,
    LabelledSample,
    NoRootError,
    SimpleFit,
    estimate,
    finish,
    gold_only,
    naive_fit,
    no_root_message,
)
from validstats.dsl.moments import (
    GLMMoment,
    Moment,
    MultinomialMoment,
    UserMoment,
    effective_labels,
    kish_size,
)
from validstats.dsl.regression.assembly import AssembledModel
from validstats.dsl.regression.clusters import degrees_of_freedom, resolve_clusters, warn_about_few_clusters
from validstats.dsl.regression.effects import estimate_effects, gold_within, naive_within
from validstats.dsl.regression.formulas import parse_formula
from validstats.dsl.regression.preparation import (
    InferenceRequest,
    PreparedModel,
    fill_labels,
    prepare_formula,
    prepare_moment,
)
from validstats.dsl.regression.quantiles import infer_quantile
from validstats.dsl.regression.statements import inference_guarantee
from validstats.dsl.results import CoefficientResult
from validstats.exceptions import LabellingWarning, warn

__all__ = ["run_inference"]


unidentified_by_labels_message = (
    "The expert labels alone have no finite estimate of this model: the covariates separate them, or they are few. In "
    "some direction the coefficients rest on predictions that no label contradicts, and standard errors are too small "
    "there. Label more rows, leave out covariates, or merge rare categories."
)


class _Comparisons(NamedTuple):
    """The fits that stand beside an estimate."""

    gold: SimpleFit | None
    naive: SimpleFit | None


def run_inference(formula: str | Moment, request: InferenceRequest) -> CoefficientResult:
    """Carry out one inference."""
    template = fill_labels(request)
    if isinstance(formula, Moment):
        prepared = prepare_moment(formula, request, template)
    elif request.model == "quantile":
        return infer_quantile(parse_formula(formula), request, template)
    else:
        prepared = prepare_formula(parse_formula(formula), request, template)
    return _solve(prepared, request)


def _solve(prepared: PreparedModel, request: InferenceRequest) -> CoefficientResult:
    clusters, clustered_by = resolve_clusters(request, prepared.assembled.effects)
    warn_about_few_clusters(request, clusters, clustered_by)
    found = _estimated(prepared, request, clusters)
    beside = _comparisons(prepared, request, clusters, found)
    _check_separation(prepared.assembled, prepared.sample, found)
    unidentified = beside.gold is None and request.estimator != "gold" and _has_classes(prepared.assembled)
    if unidentified:
        warn(unidentified_by_labels_message, LabellingWarning)
    _check_covariance(found, request)
    notes = _notes(prepared, request, found, unidentified)
    return _result(prepared, request, found, beside, (clusters, clustered_by), notes)


def _estimated(prepared: PreparedModel, request: InferenceRequest, clusters: list[Int1D]) -> Estimate:
    """Estimate the coefficients, by pairs of rows where a labelled covariate meets absorbed effects."""
    options: dict[str, Any] = {
        "estimator": request.estimator,
        "clusters": clusters,
        "kind": request.kind,
        "population": request.population,
    }
    data, design = (prepared.sample, prepared.terms, prepared.raw), request.calibration.design
    if not prepared.pairwise:
        return estimate(*data, design, tuning=request.tuning, **options)
    if request.tuning is not None:
        raise ValueError(
            f"tuning={request.tuning!r} has no effect with absorbed effects and a labelled covariate, where nothing is "
            "tuned; leave it out."
        )
    assert prepared.assembled.absorber is not None
    return estimate_effects(*data, prepared.assembled.absorber, design, **options)


def _check_covariance(found: Estimate, request: InferenceRequest) -> None:
    if not np.all(np.diag(found.covariance) > 0) and not np.all(request.calibration.labelled):
        raise NoRootError("The covariance matrix is not positive; label more rows or use another estimator.")


def _notes(
    prepared: PreparedModel, request: InferenceRequest, found: Estimate, unidentified: bool
) -> tuple[str, ...]:
    """Say what a reader of the table has to know besides the guarantee."""
    notes = list(found.fallbacks)
    if prepared.pairwise and request.population == "finite":
        notes.append(
            "The variance of the labelling is an upper bound: products of the label errors of two rows with a "
            "common effect count twice."
        )
    if unidentified:
        notes.append(unidentified_by_labels_message)
    if prepared.raw is None and prepared.unknown_classes:
        listed = ", ".join(map(repr, prepared.unknown_classes[:5]))
        notes.append(
            f"Machine labels have classes that no expert label has ({listed}); they predict, and are not plugged in, so "
            "that there is no naive fit."
        )
    if request.calibration.n_partial:
        notes.append(f"{request.calibration.n_partial} row(s) with some of the labels count as unlabelled.")
    return tuple(notes)


def _worth_in_labels(request: InferenceRequest, found: Estimate, gold: SimpleFit | None) -> Float1D:
    """Return how many labels alone would be as precise, by coefficient."""
    if gold is None:
        return np.full(len(found.params), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return effective_labels(
            request.calibration.n_labelled,
            gold.std_error**2,
            np.diag(found.covariance),
            len(request.data),
            finite=request.population == "finite",
        )


def _result(
    prepared: PreparedModel,
    request: InferenceRequest,
    found: Estimate,
    beside: _Comparisons,
    clustering: tuple[list[Int1D], str | None],
    notes: tuple[str, ...],
) -> CoefficientResult:
    assembled, sample, calibration = prepared.assembled, prepared.sample, request.calibration
    clusters, clustered_by = clustering
    return CoefficientResult(
        guarantee=inference_guarantee(
            calibration,
            request.confidence_level,
            estimator=request.estimator,
            tuning=found.tuning,
            population=request.population,
            clustered_by=clustered_by,
            pairwise_effects=prepared.pairwise,
            with_raw=prepared.raw is not None,
        ),
        backend=request.backend,
        names=assembled.names,
        params=found.params,
        covariance=found.covariance,
        influence=found.influence,
        confidence_level=request.confidence_level,
        degrees_of_freedom=degrees_of_freedom(request, clusters, len(found.params) + found.n_tuned),
        estimator=request.estimator,
        tuning=found.tuning,
        kind=request.kind,
        population=request.population,
        model="user moment" if isinstance(assembled.moment, UserMoment) else request.model,
        formula=prepared.formula,
        outcome=prepared.outcome,
        n_rows=sample.n_rows,
        n_labelled=calibration.n_labelled,
        effective_labels=_worth_in_labels(request, found, beside.gold),
        kish_labels=kish_size(sample.gold_weights),
        naive=beside.naive,
        gold=beside.gold,
        clustered_by=clustered_by,
        clusters=() if clustered_by is None else tuple(clusters),
        labelled=calibration.labelled,
        effects=assembled.effects,
        residual=found.residual,
        variance_parts=found.variance_parts,
        notes=notes,
    )


def _comparisons(
    prepared: PreparedModel, request: InferenceRequest, clusters: list[Int1D], found: Estimate
) -> _Comparisons:
    """Return the gold-only fit, which is the estimate itself where that is gold-only, and the naive one."""
    assembled, sample = prepared.assembled, prepared.sample
    own = _simple(found) if request.estimator == "gold" else None
    if assembled.absorber is None:
        naive = None if prepared.raw is None else naive_fit(sample, prepared.raw, clusters)
        return _Comparisons(own or _gold_fit(sample, request, clusters), naive)
    assert assembled.make_plain is not None
    plain = assembled.make_plain({}, None).take(sample.positions)
    gold = own or gold_within(
        sample,
        plain,
        assembled.absorber,
        request.calibration.design,
        clusters,
        request.kind,
        request.population,
    )
    naive = None
    if prepared.raw_parts is not None:
        part = prepared.raw_parts[0]
        plain = assembled.make_plain(part.replacements, part.outcome)
        naive = naive_within(sample, plain, assembled.absorber, clusters)
    return _Comparisons(gold, naive)


def _gold_fit(sample: LabelledSample, request: InferenceRequest, clusters: list[Int1D]) -> SimpleFit | None:
    fit = gold_only(sample)
    if fit is None:
        return None
    done = finish(
        fit,
        sample,
        request.calibration.design,
        clusters=clusters,
        kind=request.kind,
        population=request.population,
    )
    return _simple(done)


def _simple(found: Estimate) -> SimpleFit:
    return SimpleFit(
        params=found.params,
        std_error=np.sqrt(np.diag(found.covariance)),
        variance_parts=found.variance_parts,
    )


def _has_classes(assembled: AssembledModel) -> bool:
    moment = assembled.moment
    binomial = isinstance(moment, GLMMoment) and type(moment.family).__name__ == "Binomial"
    return binomial or isinstance(moment, MultinomialMoment)


def _check_separation(assembled: AssembledModel, sample: LabelledSample, found: Estimate) -> None:
    """Refuse a binomial or multinomial fit whose curvature has vanished in some direction."""
    if not _has_classes(assembled):
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
