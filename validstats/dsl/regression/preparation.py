"""What one inference needs before anything is solved: rows, features and completions of a formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D, Int1D
from validstats.dsl.fit import EstimatorName, Population, Sample, ScoreTerm, Tuning, identity_augmentation
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
    MODELS,
    AssembledModel,
    DesignBuilder,
    ModelName,
    ParsedFormula,
    assemble,
    labelled_design,
    raw_completion,
    reduce_instruments,
    varying_columns,
    widen_numbers,
)
from validstats.dsl.regression.effects import centre_outcome, transform_whole_clusters
from validstats.exceptions import LabellingWarning, unlabelled_category_message, warn
from validstats.intake import check_confidence_level, check_literal, check_matrix, check_vector

IntervalName: TypeAlias = Literal["cells", "exact", "normal"]
"""Cells of equal verdict, a finite-sample guarantee, or estimate and standard error."""

BOUNDED_MODELS = ("mean", "proportion", "shares", "difference")
"""Models whose outcome may have a range."""

__all__ = [
    "BOUNDED_MODELS",
    "checked_range",
    "IntervalName",
    "unknown_classes",
    "unknown_classes_text",
    "verdict_cells",
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
    kind: VarianceKind | None
    population: Population
    estimator: EstimatorName
    tuning: Tuning | None
    confidence_level: Fraction
    interval: IntervalName | None = None  # None decides
    outcome_range: tuple[float, float] | None = None
    cross_fitted: Mapping[str, Float2D] = field(default_factory=dict)  # given predictions, repeats first
    own_term_correction: bool = True  # of absorbed effects with a predicted covariate
    independent: bool = False  # whether rows are independent also with absorbed effects

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
        interval: IntervalName | None = None,
        outcome_range: tuple[float, float] | None = None,
        cross_fitted: Any = None,
        own_term_correction: bool = True,
    ) -> Self:
        """Check options as a caller passes them."""
        check_literal(model, "model", get_args(ModelName))
        check_literal(population, "population", get_args(Population))
        check_literal(estimator, "estimator", get_args(EstimatorName))
        for value, name, alias in (
            (vcov, "vcov", VarianceKind),
            (tuning, "tuning", Tuning),
            (interval, "interval", IntervalName),
        ):
            if value is not None:
                check_literal(value, name, get_args(alias))
        if tuning is not None and estimator != "tuned":
            raise ValueError(
                f"tuning={tuning!r} goes with estimator='tuned'; {estimator!r} scales nothing freely."
            )
        independent = isinstance(clusters, str) and clusters == "none"
        clusters = None if independent else clusters
        _refuse_ignored(model, quantile, population, clusters)
        if interval is not None and model not in BOUNDED_MODELS:
            raise ValueError(
                f"interval={interval!r} goes with the models {', '.join(map(repr, BOUNDED_MODELS))}; got model={model!r}. "
                "Leave it out."
            )
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
            kind=vcov,
            population=population,
            estimator=estimator,
            tuning=tuning,
            confidence_level=check_confidence_level(confidence_level),
            interval=interval,
            outcome_range=None if outcome_range is None else checked_range(outcome_range, model),
            cross_fitted=checked_predictions(cross_fitted, list(calibration.labels), units)
            if cross_fitted is not None
            else {},
            own_term_correction=own_term_correction,
            independent=independent,
        )

    @property
    def surrogates(self) -> dict[str, AnyArray]:
        """Machine labels by the name of the expert label."""
        return self.units.surrogates(list(self.calibration.labels))


def checked_range(outcome_range: tuple[float, float], model: str) -> tuple[float, float]:
    """Return a range of outcomes as two numbers."""
    if model not in ("mean", "difference"):
        raise ValueError(
            f"outcome_range goes with model='mean' and 'difference'; got model={model!r}. Shares lie between 0 and 1."
        )
    try:
        low, high = (float(v) for v in outcome_range)
    except (TypeError, ValueError):
        raise ValueError(f"outcome_range must be two numbers (low, high), got {outcome_range!r}.") from None
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(
            f"outcome_range must be two finite numbers, the first the smaller, got {outcome_range!r}."
        )
    return low, high


def checked_predictions(given: Any, labels: list[str], units: Units) -> dict[str, Float2D]:
    """Return first-stage predictions by label, repeats first, as a caller passes them."""
    if not isinstance(given, Mapping):
        if len(labels) != 1:
            raise ValueError(
                f"cross_fitted must be a mapping from label to predictions where there are several labels: {labels}."
            )
        given = {labels[0]: given}
    unknown = [name for name in given if name not in labels]
    if unknown:
        raise ValueError(f"cross_fitted names {unknown}, and the labels are {labels}.")
    found = {}
    for name, values in given.items():
        argument = f"cross_fitted[{name!r}]"
        array = check_matrix(units.aligned(values, argument), argument).T
        if array.shape[1] != units.n_rows:
            raise ValueError(
                f"cross_fitted[{name!r}] must hold a finite prediction for each of the {units.n_rows} rows, shape (n,) or "
                f"(n, n_repeats); got shape {np.shape(values)}."
            )
        found[name] = array
    return found


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
    n_effective: float = 0.0  # effective number of parameters of the first stage
    cell: Int1D | None = None  # verdict cell of every labelled row, where the outcome is 0/1
    notes: tuple[str, ...] = ()
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


def feature_matrix(request: InferenceRequest, variables: tuple[str, ...]) -> tuple[Float2D, int]:
    """Return the features of the learner for a formula, and how many leading ones are machine labels."""
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
        return np.zeros((len(request.units.data), 1)), 0
    machine = [name for name in names if name in request.units.surrogate_columns]
    others = [name for name in names if name not in machine]
    blocks = [
        encode_features({name: request.units.data[name].to_numpy() for name in part})
        for part in (machine, others)
        if part
    ]
    return np.hstack(blocks), blocks[0].shape[1] if machine else 0


def _is_usable(series: Any) -> bool:
    return series.dtype.kind in "fiub" or series.nunique() <= _MAX_FEATURE_CLASSES


def _completions(
    request: InferenceRequest,
    gold: Mapping[str, AnyArray],
    outcome: Outcome | None,
    variables: tuple[str, ...],
) -> tuple[tuple[tuple[Completion, ...], ...], float]:
    if request.estimator in ("ppi", "ppi++", "gold"):
        return (), 0.0
    calibration = request.calibration
    if request.cross_fitted:
        return _given_completions(request, gold, outcome), 0.0
    features, n_surrogates = feature_matrix(request, variables)
    fitter = CrossFitter(
        learner=request.learner,
        folds=calibration.folds,
        labelled=calibration.labelled,
        n_surrogates=n_surrogates or None,
        parameters=calibration.fit_parameters,
    )
    if request.estimator == "dsl":
        return plug_in_completions(fitter, gold, outcome, features), fitter.n_effective
    return (expected_completions(fitter, gold, outcome, features),), fitter.n_effective


def _given_completions(
    request: InferenceRequest, gold: Mapping[str, AnyArray], outcome: Outcome | None
) -> tuple[tuple[Completion, ...], ...]:
    """Return completions of given predictions: one a repeat for "dsl", their mean otherwise."""
    given = request.cross_fitted
    if outcome is not None and outcome.values.ndim != 1:
        raise ValueError("cross_fitted holds numbers, and the outcome has classes; use a binary outcome.")
    needed = [*gold, *(() if outcome is None else (outcome.name,))]
    missing = [name for name in needed if name not in given]
    if missing:
        raise ValueError(f"cross_fitted lacks predictions of {', '.join(map(repr, missing))}.")
    repeats = {len(given[name]) for name in needed}
    if len(repeats) > 1:
        raise ValueError("cross_fitted must have as many repeats for every label.")
    of = given if request.estimator == "dsl" else {name: given[name].mean(axis=0)[None] for name in needed}
    return tuple(
        (
            Completion(
                replacements={name: of[name][r] for name in gold},
                outcome=None if outcome is None else of[outcome.name][r],
            ),
        )
        for r in range(len(of[needed[0]]))
    )


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
    completions, n_effective = _completions(
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
                with_leverage=request.kind in ("HC2", "HC3", None),
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
        unknown_classes=unknown_classes(request, (*builder.outcome_labels, *builder.covariate_labels)),
        n_effective=n_effective,
        cell=None if builder.covariate_labels else verdict_cells(sample, raw),
    )


def unknown_classes_text(unknown: tuple[str, ...]) -> str:
    """Say that classes of the machine that no expert label has are not plugged in."""
    listed = ", ".join(map(repr, unknown[:5]))
    return (
        f"Machine labels have classes that no expert label has ({listed}); they predict, and are not plugged in, so "
        "that there is no naive fit."
    )


def unknown_classes(request: InferenceRequest, names: tuple[str, ...]) -> tuple[str, ...]:
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
    completions, n_effective = _completions(request, gold_labels(request, used), None, observed)
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
        n_effective=n_effective,
    )


def verdict_cells(sample: Sample, raw: ScoreTerm | None) -> Int1D | None:
    """Return the cell of every labelled row, stratum by verdict, where outcome and verdict have few values."""
    # cells: (design stratum or distinct probability) x verdict; those where labels of one kind are few hold events that
    # were not seen
    if raw is None:
        return None
    part, known = sample.labelled_part(identity_augmentation(raw, 1))
    if len(known.terms[0]) != 1:
        return None
    outcome, verdict = part.gold.y, known.terms[0][0].rows.y
    if outcome.ndim != 1 or not np.all((outcome == 0) | (outcome == 1)) or len(np.unique(verdict)) > 20:
        return None
    strata = part.design.fixed_strata(part.n_rows)
    if strata is None:
        values = np.unique(part.probability)
        few = values if len(values) <= 20 else np.zeros(1)
        strata = np.searchsorted(few[1:], part.probability, side="right").astype(np.int64)
    pairs = np.column_stack([strata, np.unique(verdict, return_inverse=True)[1].reshape(-1)])
    return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
