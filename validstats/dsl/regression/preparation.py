"""What one inference needs before anything is solved: rows, features and completions of a formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self, get_args

import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D
from validstats.dsl.fit import EstimatorName, Population, Sample, ScoreTerm, Tuning
from validstats.dsl.labels import (
    Calibration,
    Completion,
    CrossFitter,
    Outcome,
    Units,
    encode_features,
    expected_completions,
    joined_names,
    missing_values,
    plug_in_completions,
)
from validstats.dsl.moments import (
    LARGEST_VALUE,
    GLMMoment,
    InstrumentalMoment,
    LinearMoment,
    Moment,
    MultinomialMoment,
    RegressionRows,
    UserMoment,
    VarianceKind,
    collinear_columns,
)
from validstats.dsl.regression.assembly import (
    AssembledModel,
    ModelName,
    assemble,
    labelled_design,
    raw_completion,
    reduce_instruments,
    varying_columns,
)
from validstats.dsl.regression.effects import centre_outcome, transform_whole_clusters
from validstats.dsl.regression.formulas import DesignBuilder, ParsedFormula, widen_numbers
from validstats.dsl.regression.models import MODELS
from validstats.exceptions import LabellingWarning, unlabelled_category_message, warn
from validstats.intake import check_confidence_level, check_literal, check_vector

__all__ = [
    "InferenceRequest",
    "PreparedModel",
    "checked_weights",
    "feature_matrix",
    "fill_labels",
    "gold_labels",
    "prepare_formula",
    "prepare_moment",
]

_MAX_FEATURE_CLASSES = 50


@dataclass(frozen=True, kw_only=True)
class InferenceRequest:
    """Everything that one inference depends on beside the formula."""

    units: Units  # all rows; without data for a stream
    calibration: Calibration
    learner: Any
    model: ModelName
    family: Any
    quantile: float
    weights: AnyArray | None
    offset: AnyArray | None
    clusters: list[AnyArray]
    cluster_names: str | None
    kind: VarianceKind
    population: Population
    estimator: EstimatorName
    tuning: Tuning | None
    confidence_level: Fraction

    @classmethod
    def of(
        cls,
        units: Units,
        calibration: Calibration,
        learner: Any,
        *,
        model: ModelName,
        estimator: EstimatorName,
        confidence_level: float,
        family: Any = None,
        quantile: float | None = None,
        weights: Any = None,
        offset: Any = None,
        clusters: Any = None,
        vcov: VarianceKind | None = None,
        population: Population = "superpopulation",
        tuning: Tuning | None = None,
    ) -> Self:
        """Check options as a caller passes them."""
        check_literal(model, "model", get_args(ModelName))
        check_literal(population, "population", get_args(Population))
        check_literal(estimator, "estimator", get_args(EstimatorName))
        for value, name, alias in ((vcov, "vcov", VarianceKind), (tuning, "tuning", Tuning)):
            if value is not None:
                check_literal(value, name, get_args(alias))
        if tuning is not None and estimator != "tuned":
            raise ValueError(
                f"tuning={tuning!r} goes with estimator='tuned'; {estimator!r} scales nothing freely."
            )
        _refuse_ignored(model, quantile, population, clusters)
        return cls(
            units=units,
            calibration=calibration,
            learner=learner,
            model=model,
            family=family,
            quantile=0.5 if quantile is None else quantile,
            weights=units.vector(weights, "weights"),
            offset=units.vector(offset, "offset"),
            clusters=units.vectors(clusters, "clusters"),
            cluster_names=joined_names(clusters),
            kind=vcov or ("HC1" if estimator == "tuned" else "HC0"),
            population=population,
            estimator=estimator,
            tuning=tuning,
            confidence_level=check_confidence_level(confidence_level),
        )

    @property
    def surrogates(self) -> dict[str, AnyArray]:
        """Machine labels by the name of the expert label."""
        return self.units.surrogates(list(self.calibration.labels))


def _refuse_ignored(model: ModelName, quantile: float | None, population: Population, clusters: Any) -> None:
    """Refuse options that the model or the population would not use."""
    if quantile is not None and model != "quantile":
        raise ValueError(
            f"quantile={quantile!r} goes with model='quantile' and only with it; got model={model!r}. Leave quantile "
            "out, or pass model='quantile'."
        )
    if clusters is not None and population == "finite":
        raise ValueError(
            "clusters goes with population='superpopulation': the uncertainty of a finite population is that of "
            "labelling alone, which clusters of the standard errors do not change. Leave clusters out, and pass those "
            "that were drawn as a whole to calibrate."
        )


@dataclass(frozen=True, kw_only=True)
class PreparedModel:
    """A model with its sample and terms."""

    # ``pairwise`` tells that absorbed effects tie rows that are labelled one by one and covariates that are
    # predicted; ``raw_parts`` are the values behind ``raw``; ``unknown_classes`` those of categorical machine
    # labels that no expert label has.

    assembled: AssembledModel
    sample: Sample
    terms: tuple[ScoreTerm, ...]
    raw: ScoreTerm | None
    formula: str
    outcome: str
    further: tuple[ScoreTerm, ...] = ()  # other predictions that may be combined
    naive: ScoreTerm | None = None  # what the naive fit takes for the truth, where it is not ``raw``
    model: str = ""  # what to call the model, where its name is not that of the request
    pairwise: bool = False
    raw_parts: tuple[Completion, ...] | None = None
    unknown_classes: tuple[str, ...] = ()


def fill_labels(request: InferenceRequest) -> Any:
    """Return all rows with labels filled in: expert labels where known, observed values in turn elsewhere."""
    filled = {}
    for name, values in request.calibration.labels.items():
        known = values[request.calibration.labelled]
        missing = missing_values(values) | ~request.calibration.labelled
        complete = values.copy()
        complete[missing] = np.resize(known, int(missing.sum()))
        filled[name] = complete
    return request.units.data.assign(**filled)


def feature_matrix(request: InferenceRequest, variables: tuple[str, ...]) -> Float2D:
    """Return the features of the learner for a formula."""
    # Surrogates, features, and with ``"all"`` the variables of the formula that have few classes; a constant
    # where there is nothing.
    names = list(request.units.surrogate_columns)
    if request.units.features == "all":
        if request.estimator != "dsl":
            names += [v for v in variables if _is_usable(request.units.data[v])]
    else:
        names += list(request.units.features)
    names = [name for name in dict.fromkeys(names) if name not in request.calibration.labels]
    if not names:
        return np.zeros((len(request.units.data), 1))
    return encode_features({name: request.units.data[name].to_numpy() for name in names})


def _is_usable(series: Any) -> bool:
    return series.dtype.kind in "fiub" or series.nunique() <= _MAX_FEATURE_CLASSES


def _completions(
    request: InferenceRequest,
    gold: Mapping[str, AnyArray],
    outcome: Outcome | None,
    variables: tuple[str, ...],
) -> tuple[tuple[Completion, ...], ...]:
    if request.estimator in ("ppi", "ppi++", "gold"):
        return ()
    calibration = request.calibration
    fitter = CrossFitter(learner=request.learner, folds=calibration.folds, labelled=calibration.labelled)
    features = feature_matrix(request, variables)
    if request.estimator == "dsl":
        return plug_in_completions(fitter, gold, outcome, features)
    return (expected_completions(fitter, gold, outcome, features),)


def gold_labels(request: InferenceRequest, names: tuple[str, ...]) -> dict[str, AnyArray]:
    """Return expert labels on the labelled rows."""
    calibration = request.calibration
    return {name: calibration.labels[name][calibration.labelled] for name in names}


def prepare_formula(parsed: ParsedFormula, request: InferenceRequest, template: Any) -> PreparedModel:
    """Prepare the model of a formula."""
    calibration = request.calibration
    builder = DesignBuilder(parsed, template, tuple(calibration.labels))
    if not builder.outcome_labels and not builder.covariate_labels:
        raise ValueError(
            f"The formula {str(parsed)!r} uses none of the expert labels "
            f"{', '.join(map(repr, calibration.labels))}; an ordinary regression does what you need."
        )
    MODELS[request.model].check_offset(request.offset is not None)
    assembled = assemble(
        builder,
        template,
        calibration.labelled,
        model=request.model,
        family=request.family,
        weights=None if request.weights is None else checked_weights(request.weights),
        offset=None if request.offset is None else _checked_size(request.offset, "offset"),
    )
    _check_rank(assembled, builder)
    completions = _completions(
        request, gold_labels(request, assembled.covariate_labels), assembled.outcome, builder.variables
    )
    raw_parts = raw_completion(assembled, request.surrogates, builder)
    sample = assembled.sample(calibration)
    pairwise = assembled.absorber is not None and not assembled.is_within
    if parsed.endogenous is not None and not pairwise:
        used = completions[0] if completions else raw_parts
        term = () if used is None else assembled.term(used)
        assembled = reduce_instruments(assembled, sample, term)
        sample = assembled.sample(calibration)
    terms = tuple(assembled.term(c) for c in completions)
    raw = None if raw_parts is None else assembled.term(raw_parts)
    if assembled.absorber is not None:
        if assembled.is_within:
            rows = assembled.make_rows({}, None)
            sample, terms, raw = centre_outcome(
                sample,
                terms,
                raw,
                assembled.absorber,
                rows.X if rows.Z is None else rows.Z,
                estimator=request.estimator,
                with_leverage=request.kind in ("HC2", "HC3"),
            )
        elif calibration.design.scheme == "clusters":
            sample, terms, raw = transform_whole_clusters(sample, terms, raw, assembled.absorber)
            pairwise = False
    return PreparedModel(
        assembled=assembled,
        sample=sample,
        terms=terms,
        raw=raw,
        formula=str(parsed) if parsed.covariates != "1" or parsed.effects else parsed.outcome,
        outcome=parsed.outcome,
        pairwise=pairwise,
        raw_parts=raw_parts,
        unknown_classes=_unknown_classes(request, (*builder.outcome_labels, *builder.covariate_labels)),
    )


def _unknown_classes(request: InferenceRequest, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes of the machine labels that no expert label has."""
    found: set[str] = set()
    for name in names:
        if name in request.surrogates and request.calibration.kinds[name] == "categorical":
            known = set(map(str, request.calibration.classes[name]))
            found |= set(map(str, request.surrogates[name])) - known
    return tuple(sorted(found))


def _checked_size(values: AnyArray, name: str) -> Float1D:
    numbers = check_vector(values, name)
    if np.abs(numbers).max() > LARGEST_VALUE:
        raise ValueError(
            f"{name} has values beyond {LARGEST_VALUE:g} in size, whose squares overflow; rescale it."
        )
    return numbers


def checked_weights(weights: AnyArray) -> Float1D:
    """Return analysis weights as numbers."""
    numbers = _checked_size(weights, "weights")
    if np.any(~np.isfinite(numbers)) or np.any(numbers < 0) or not np.any(numbers > 0):
        raise ValueError("weights must be finite, not negative, and not all zero.")
    return numbers


def _check_rank(assembled: AssembledModel, builder: DesignBuilder) -> None:
    """Refuse collinear columns; warn where the labelled rows alone do not identify a column."""
    if isinstance(assembled.moment, LinearMoment | GLMMoment | MultinomialMoment | InstrumentalMoment):
        names = builder.names
        redundant = collinear_columns(_full_design(assembled), names)
        if redundant:
            raise ValueError(
                f"The column(s) {', '.join(map(repr, redundant))} are spanned by the other columns"
                f"{' and the absorbed effects' if assembled.effects else ''}; leave them out of the formula."
            )
        unseen = collinear_columns(labelled_design(assembled.gold), names)
        if unseen and not assembled.effects:
            message = unlabelled_category_message.format(columns=", ".join(map(repr, unseen)))
            warn(message, LabellingWarning)


def _full_design(assembled: AssembledModel) -> Float2D:
    """Return the design of all rows for rank checks, within the effects and zero where they span a column."""
    absorber = assembled.absorber
    if absorber is None:
        return assembled.make_rows({}, None).X
    assert assembled.make_plain is not None
    plain = assembled.make_plain({}, None).X
    inside = absorber.residualise(absorber.scaled(plain))
    return np.where(varying_columns(plain, absorber), inside, 0.0)


def prepare_moment(moment: Moment, request: InferenceRequest, template: Any) -> PreparedModel:
    """Prepare an estimating function of the user's own."""
    if request.model != "linear" or request.family is not None:
        what = f"model={request.model!r}" if request.family is None else f"family={request.family!r}"
        raise ValueError(
            f"A Moment is a model of its own, which {what} would not change; leave it out, or pass a formula."
        )
    if request.offset is not None:
        raise ValueError("A Moment takes no offset; name the column in variables and use it in the score.")
    calibration = request.calibration
    names = moment.names or tuple(f"b{k}" for k in range(len(moment.start)))
    if not moment.start or len(names) != len(moment.start):
        raise ValueError("Moment needs one starting value, and one name if any, for each parameter.")
    unknown = [v for v in moment.variables if v not in template.columns]
    if unknown or not moment.variables:
        raise KeyError(f"Moment.variables must name columns of the data or labels; unknown: {unknown}.")
    used = tuple(v for v in moment.variables if v in calibration.labels)
    if not used:
        raise ValueError(f"Moment.variables {moment.variables} hold none of the expert labels.")
    wide = widen_numbers(template, moment.variables)
    base = {v: np.asarray(wide[v].to_numpy()) for v in moment.variables}
    n = len(template)
    weights = None if request.weights is None else checked_weights(request.weights)

    def make_rows(replacements: Mapping[str, AnyArray], _: Any) -> RegressionRows:
        return RegressionRows(
            y=np.zeros(n), X=np.zeros((n, 0)), weights=weights, columns={**base, **replacements}
        )

    assembled = AssembledModel(
        moment=UserMoment(moment),
        gold=make_rows({}, None).take(calibration.labelled),
        outcome=None,
        covariate_labels=used,
        names=names,
        make_rows=make_rows,
    )
    observed = tuple(v for v in moment.variables if v not in calibration.labels)
    completions = _completions(request, gold_labels(request, used), None, observed)
    raw = None
    if set(used) <= set(request.surrogates):
        raw = assembled.term((Completion(replacements={v: request.surrogates[v] for v in used}),))
    return PreparedModel(
        assembled=assembled,
        sample=assembled.sample(calibration),
        terms=tuple(assembled.term(c) for c in completions),
        raw=raw,
        formula=f"E[score({', '.join(moment.variables)})] = 0",
        outcome=", ".join(used),
        model="user moment",
    )
