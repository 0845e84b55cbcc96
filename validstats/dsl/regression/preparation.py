"""What one inference needs before anything is solved: rows, features and completions of a formula."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, partial
from typing import Any, Literal, Protocol, Self, TypeAlias, get_args

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, FloatND, Int1D
from validstats.dsl.fit import (
    Augmentation,
    EstimatorName,
    LabelledSample,
    Population,
    Sample,
    ScoreTerm,
    Tuning,
    identity_augmentation,
    scaled_rows,
)
from validstats.dsl.labels import (
    Calibration,
    CrossFitter,
    Outcome,
    Units,
    feature_levels,
    fit_expected,
    fit_plug_in,
    joined_names,
    typed_labels,
)
from validstats.dsl.moments import (
    LARGEST_VALUE,
    Absorber,
    Moment,
    UserMoment,
    VarianceKind,
    clearly_apart,
    cluster_codes,
    collinear_columns,
    is_constant,
    sorted_levels,
)
from validstats.dsl.regression.assembly import (
    MODELS,
    DesignBuilder,
    FeatureCoder,
    FilledFrame,
    FilledLabel,
    ModelName,
    MomentCoder,
    ParsedFormula,
    RegressionModel,
    RowCoder,
    StudyRows,
    column_values,
    formula_coder,
    labelled_design,
)
from validstats.dsl.regression.effects import (
    EffectsOfDesign,
    centre_outcome,
    design_effects,
    reduce_instruments,
    transform_whole_clusters,
    varying_instruments,
    within_rows,
)
from validstats.exceptions import LabellingWarning, unlabelled_category_message, warn
from validstats.intake import check_confidence_level, check_literal, check_vector

IntervalName: TypeAlias = Literal["cells", "exact", "normal"]
"""Cells of equal verdict, a finite-sample guarantee, or estimate and standard error."""

__all__ = [
    "checked_range",
    "IntervalName",
    "unknown_classes",
    "unknown_classes_text",
    "verdict_cells",
    "InferenceRequest",
    "PreparedModel",
    "FrameStudy",
    "Study",
    "checked_size",
    "checked_weights",
    "feature_coder",
    "fill_labels",
    "predicting",
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

    @property
    def model_kind(self) -> RegressionModel:
        """The model, which knows what it takes."""
        return MODELS[self.model]

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
        if interval is not None and not MODELS[model].has_cells:
            bounded = ", ".join(repr(name) for name, known in MODELS.items() if known.has_cells)
            raise ValueError(
                f"interval={interval!r} goes with the models {bounded}; got model={model!r}. Leave it out."
            )
        return cls(
            units=units,
            calibration=calibration,
            learner=learner,
            model=model,
            family=family,
            quantile=0.5 if quantile is None else quantile,
            weights=_own(units.vector(weights, "weights")),
            offset=_own(units.vector(offset, "offset")),
            clusters=units.vectors(clusters, "clusters"),
            cluster_names=joined_names(clusters),
            kind=vcov,
            population=population,
            estimator=estimator,
            tuning=tuning,
            confidence_level=check_confidence_level(confidence_level),
            interval=interval,
            outcome_range=None if outcome_range is None else checked_range(outcome_range, model),
            cross_fitted=units.predictions(cross_fitted, list(calibration.labels)),
            own_term_correction=own_term_correction,
            independent=independent,
        )

    @cached_property
    def surrogate_names(self) -> dict[str, str]:
        """Columns of the machine labels by the name of the expert label."""
        return self.units.surrogate_names(list(self.calibration.labels))

    @cached_property
    def surrogates(self) -> dict[str, AnyArray]:
        """Machine labels of rows in memory by the name of the expert label."""
        return self.units.surrogates(list(self.calibration.labels))


def _own(values: AnyArray | None) -> AnyArray | None:
    """Return a copy: fits that are made when they are asked for must not see what becomes of the caller's arrays."""
    return None if values is None else np.array(values)


def checked_range(outcome_range: tuple[float, float], model: str) -> tuple[float, float]:
    """Return a range of outcomes as two numbers."""
    if not MODELS[model].takes_range:
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


def _levels_of_effect(column: Any) -> Int1D:
    """Return integer codes of the levels of an absorbed effect; other values than integers are told apart as text."""
    values = column.to_numpy()
    return cluster_codes(values if values.dtype.kind in "iu" else column.astype(str).to_numpy())


def _refuse_ignored(model: ModelName, quantile: float | None, population: Population, clusters: Any) -> None:
    """Refuse options that the model or the population would not use."""
    if quantile is not None and not MODELS[model].takes_level:
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


class Study(Protocol):
    """Rows with machine labels and a sample of expert labels, in memory or in parts: what a model is prepared from."""

    @property
    def template(self) -> Any:
        """Rows that show every level of every category, labels filled in; labelled rows first or all rows."""

    @property
    def template_labelled(self) -> Bool1D:
        """Which rows of the template are labelled."""

    @property
    def known(self) -> StudyRows:
        """The labelled rows."""

    @property
    def known_frame(self) -> Any:
        """Their columns."""

    @property
    def absorber(self) -> Absorber | None:
        """Projection on the absorbed effects of the formula."""

    @property
    def clusters(self) -> tuple[Int1D, ...]:
        """Clusters of the standard errors, of the rows in memory."""

    @property
    def clustered_by(self) -> str | None:
        """What these clusters are called."""

    def levels(self, name: str) -> AnyArray | None:
        """Return the sorted classes of an observed column, None for numbers."""

    def sample(self, coder: RowCoder) -> tuple[Sample, tuple[ScoreTerm, ...]]:
        """Return the rows as a sample with their expected scores."""

    def labels_alone(self, coder: RowCoder, observed: tuple[str, ...]) -> LabelsAlone | None:
        """Return the labelled rows as a sample without the design of the others; None where rows are read again anyway."""


@dataclass(frozen=True)
class LabelsAlone:
    """A sample whose labelled rows alone are coded, and the others when they are asked for."""

    sample: LabelledSample
    verdict: FloatND | None  # of the labelled rows
    whole: Callable[[], tuple[Sample, tuple[ScoreTerm, ...]]]


@dataclass(frozen=True)
class FrameStudy:
    """Rows in memory, which are one part."""

    request: InferenceRequest
    parsed: ParsedFormula | None  # None for an estimating function of the user's own
    clustered: Callable[[], tuple[list[Int1D], str | None]]  # clusters of the standard errors, and their name

    @cached_property
    def template(self) -> FilledFrame:
        """All rows, labels filled in."""
        return fill_labels(self.request)

    @property
    def template_labelled(self) -> Bool1D:
        """Which rows are labelled."""
        return self.request.calibration.labelled

    @cached_property
    def _clustered(self) -> tuple[list[Int1D], str | None]:
        return self.clustered()

    @property
    def clusters(self) -> tuple[Int1D, ...]:
        """Clusters of the standard errors."""
        return tuple(self._clustered[0])

    @property
    def clustered_by(self) -> str | None:
        """What these clusters are called."""
        return self._clustered[1]

    @cached_property
    def rows(self) -> StudyRows:
        """All rows."""
        request, calibration = self.request, self.request.calibration
        effects = () if self.parsed is None else self.parsed.effects
        found = StudyRows(
            frame=self.template,
            labelled=calibration.labelled,
            probability=calibration.probability,
            design=calibration.design,
            fold_plan=calibration.fold_plan,
            clusters=self.clusters,
            weights=None if request.weights is None else checked_weights(request.weights),
            offset=None if request.offset is None else checked_size(request.offset, "offset"),
            surrogates=request.surrogates,
            given=request.cross_fitted,
            effects=tuple(_levels_of_effect(request.units.data[name]) for name in effects),
        )
        vars(found)["positions"] = calibration.positions
        return found

    @cached_property
    def known(self) -> StudyRows:
        """The labelled rows."""
        return self.rows.take(self.request.calibration.positions, self.known_frame)

    @cached_property
    def known_frame(self) -> Any:
        """Their columns, labels as they are."""
        return self.template.labelled(self.request.calibration.positions)

    @cached_property
    def absorber(self) -> Absorber | None:
        """Projection on the absorbed effects of the formula."""
        return Absorber(self.rows.effects, self.rows.weights) if self.rows.effects else None

    def levels(self, name: str) -> AnyArray | None:
        """Return the sorted classes of an observed column, None for numbers."""
        return feature_levels(self.request.units.values(name), name)

    def sample(self, coder: RowCoder) -> tuple[Sample, tuple[ScoreTerm, ...]]:
        """Return the rows as a sample with their expected scores."""
        rows, frame = self.rows, coder.read(self.rows.frame)
        return coder.part(rows if frame is rows.frame else replace(rows, frame=frame))

    def labels_alone(self, coder: RowCoder, observed: tuple[str, ...]) -> LabelsAlone | None:
        """Return the labelled rows as a sample without the design of the others, None where columns are widened."""
        rows = self.rows
        if coder.read(rows.frame) is not rows.frame:
            return None
        own = {name: np.array(values) for name, values in rows.surrogates.items()}
        kept = replace(rows, frame=rows.frame.kept(observed), surrogates=own)
        verdict = coder.raw(self.known).outcome if coder.with_raw else None
        return LabelsAlone(coder.labels_alone(rows, self.known), verdict, partial(coder.part, kept))


@dataclass(frozen=True, kw_only=True)
class PreparedModel:
    """A model with its sample and terms."""

    # ``pairwise`` tells that absorbed effects tie rows that are labelled one by one and covariates that are
    # predicted; ``plain`` are sample and machine labels before effects were taken out; ``unknown_classes`` those of
    # categorical machine labels that no expert label has; ``alone`` where the estimate needs the labelled rows only.

    coder: RowCoder
    sample: Sample
    terms: tuple[ScoreTerm, ...]
    raw: ScoreTerm | None
    formula: str
    outcome: str
    notes: tuple[str, ...] = ()
    model: str = ""  # what to call the model, where its name is not that of the request
    absorber: Absorber | None = None
    effects: tuple[str, ...] = ()  # names of the absorbed effects
    pairwise: bool = False
    plain: tuple[Sample, ScoreTerm | None] | None = None
    unknown_classes: tuple[str, ...] = ()
    alone: LabelsAlone | None = None

    @cached_property
    def everything(self) -> tuple[Sample, ScoreTerm | None]:
        """All rows and the machine labels."""
        if self.alone is None:
            return self.sample, self.raw
        sample, terms = self.alone.whole()
        return sample, terms[-1] if self.coder.with_raw else None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return self.coder.names

    @cached_property
    def cell(self) -> Int1D | None:
        """Verdict cell of every labelled row, where the outcome is 0/1."""
        if self.coder.covariate_labels or not self.coder.with_raw:
            return None
        if self.alone is not None:
            part, _ = self.sample.labelled_part(Augmentation())
            return verdict_cells(part, self.alone.verdict)
        part, known = self.sample.labelled_part(identity_augmentation(self.raw, 1))
        term = known.terms[0]
        return verdict_cells(part, term[0].rows.y if len(term) == 1 else None)

    @property
    def n_effective(self) -> float:
        """Effective number of parameters of the first stage."""
        return 0.0 if self.coder.models is None else self.coder.models.n_effective


def fill_labels(request: InferenceRequest) -> FilledFrame:
    """Return all rows with labels filled in: expert labels where known, observed values in turn elsewhere."""
    labels, rows = request.calibration.labels, request.calibration.positions
    return FilledFrame(request.units, {name: FilledLabel(values, rows) for name, values in labels.items()})


def feature_coder(
    units: Units, labels: Collection[str], estimator: EstimatorName, study: Study, variables: tuple[str, ...]
) -> FeatureCoder:
    """Return what predicts the labels for a formula."""
    # Surrogates, features, and with ``"all"`` the variables of the formula that have few classes; a constant
    # where there is nothing.
    machine = [name for name in units.surrogate_columns if name not in labels]
    names = [] if units.features == "all" else list(units.features)
    levels = {name: study.levels(name) for name in machine}
    if units.features == "all" and estimator != "dsl":
        for name in variables:
            found = study.levels(name)
            if found is None or len(found) <= _MAX_FEATURE_CLASSES:
                names.append(name)
    others = [name for name in dict.fromkeys(names) if name not in labels and name not in machine]
    levels |= {name: study.levels(name) for name in others}
    return FeatureCoder(
        tuple(machine), tuple(others), {name: v for name, v in levels.items() if v is not None}
    )


def predicting(
    coder: RowCoder,
    request: InferenceRequest,
    study: Study,
    variables: tuple[str, ...],
    *,
    draws: bool = False,
) -> RowCoder:
    """Return a coder that completes the labels: the learner fitted on the labelled rows, or given predictions.

    ``draws`` asks for the law of the outcome rather than its mean.
    """
    if request.estimator in ("ppi", "ppi++", "gold"):
        return coder
    known = study.known
    frame = coder.read(known.frame)
    labels = {name: known_label(column_values(frame, name)) for name in coder.covariate_labels}
    outcome = None
    if coder.outcome_label is not None:
        outcome = Outcome(
            name=coder.outcome_label, values=coder.completed(replace(known, frame=frame), {}, None).y
        )
    plug_in = request.estimator == "dsl"
    if request.cross_fitted:
        return _with_given(coder, request, outcome, plug_in and not draws)
    features = feature_coder(request.units, request.calibration.labels, request.estimator, study, variables)
    fitter = CrossFitter(
        learner=request.learner,
        folds=known.fold_plan.folds,
        labelled=known.labelled,
        n_surrogates=features.n_surrogates,
        n_folds=request.calibration.n_folds,
        parameters=request.calibration.fit_parameters,
    )
    matrix = features.encode(known.frame)
    if draws:
        assert outcome is not None
        models = fit_expected(
            fitter, {outcome.name: np.asarray(outcome.values, dtype=np.float64)}, None, matrix
        )
    else:
        models = (fit_plug_in if plug_in else fit_expected)(fitter, labels, outcome, matrix)
    return replace(coder, features=features, models=models, plug_in=plug_in and not draws)


def known_label(values: AnyArray) -> AnyArray:
    """Return known labels as numbers where they are."""
    return values if values.dtype.kind in "fiub" else typed_labels(values)


def _with_given(
    coder: RowCoder, request: InferenceRequest, outcome: Outcome | None, plug_in: bool
) -> RowCoder:
    """Return a coder that completes the labels by given predictions: one a repeat for "dsl", their mean otherwise."""
    given = request.cross_fitted
    if outcome is not None and outcome.values.ndim != 1:
        raise ValueError("cross_fitted holds numbers, and the outcome has classes; use a binary outcome.")
    needed = [*coder.covariate_labels, *(() if outcome is None else (outcome.name,))]
    missing = [name for name in needed if name not in given]
    if missing:
        raise ValueError(f"cross_fitted lacks predictions of {', '.join(map(repr, missing))}.")
    repeats = {len(given[name]) for name in needed}
    if len(repeats) > 1:
        raise ValueError("cross_fitted must have as many repeats for every label.")
    return replace(coder, given=tuple(needed), n_given=repeats.pop(), plug_in=plug_in)


def prepare_formula(
    builder: DesignBuilder, request: InferenceRequest, study: Study, notes: tuple[str, ...] = ()
) -> PreparedModel:
    """Prepare the model of a formula."""
    calibration, parsed = request.calibration, builder.parsed
    if not builder.outcome_labels and not builder.covariate_labels:
        raise ValueError(
            f"The formula {str(parsed)!r} uses none of the expert labels "
            f"{', '.join(map(repr, calibration.labels))}; an ordinary regression does what you need."
        )
    request.model_kind.check_offset(request.offset is not None)
    plain = formula_coder(builder, study.template_labelled, request.model, request.family)
    outcome = plain.outcome_of(builder.outcome(frame=plain.read(study.known_frame)))
    plain.moment.check_outcome(outcome, parsed.outcome)
    unknown = unknown_classes(request, (*builder.outcome_labels, *builder.covariate_labels), study)
    needed = {*builder.outcome_labels, *builder.covariate_labels}
    with_raw = needed <= set(request.surrogate_names) and not unknown
    coder = replace(predicting(plain, request, study, builder.variables), with_raw=with_raw)
    absorber, alone = study.absorber, _labels_alone(builder, coder, request, study)
    sample, terms = study.sample(coder) if alone is None else (alone.sample, ())
    design = None if absorber is None else design_effects(sample, absorber)
    if alone is None:
        _check_rank(sample, builder.names, absorber, design)
    with_raw = with_raw and alone is None
    before = sample, terms[-1] if with_raw else None
    pairwise = False
    if design is not None and absorber is not None:
        if not builder.covariate_labels:
            sample, terms = within_rows(sample, terms, absorber, design)
        else:
            sample, terms = varying_instruments(sample, terms, design)
            before = sample, terms[-1] if with_raw else None
            pairwise = not calibration.design.draws_clusters
            if not pairwise:
                sample, terms = transform_whole_clusters(sample, terms, absorber)

    def first(found: tuple[ScoreTerm, ...]) -> ScoreTerm | None:
        return found[0] if found else None

    if parsed.endogenous is not None and not pairwise:
        sample, terms = reduce_instruments(sample, terms, first(terms))
    if absorber is not None and not builder.covariate_labels:
        centred = (lambda _: None) if request.estimator == "gold" else first
        with_leverage = request.kind in ("HC2", "HC3", None)
        used = coder.n_terms or len(terms)
        sample, terms = centre_outcome(
            sample, terms, centred, absorber, n_used=used, with_leverage=with_leverage
        )
    raw = terms[-1] if with_raw else None
    return PreparedModel(
        coder=coder,
        sample=sample,
        terms=terms[: coder.n_terms],
        raw=raw,
        formula=str(parsed) if parsed.covariates != "1" or parsed.effects else parsed.outcome,
        outcome=parsed.outcome,
        notes=notes,
        absorber=absorber,
        effects=parsed.effects,
        pairwise=pairwise,
        plain=before if absorber is not None else None,
        unknown_classes=unknown,
        alone=alone,
    )


def _labels_alone(
    builder: DesignBuilder, coder: RowCoder, request: InferenceRequest, study: Study
) -> LabelsAlone | None:
    """Return the labelled rows alone where the estimate needs no other, and they tell all columns apart."""
    if request.estimator != "gold" or builder.covariate_labels or not builder.reads_numbers:
        return None
    found = study.labels_alone(coder, builder.variables)
    return found if found is not None and found.sample.gold.are_apart else None


def unknown_classes_text(unknown: tuple[str, ...]) -> str:
    """Say that classes of the machine that no expert label has are not plugged in."""
    listed = ", ".join(map(repr, unknown[:5]))
    return (
        f"Machine labels have classes that no expert label has ({listed}); they predict, and are not plugged in, so "
        "that there is no naive fit."
    )


def unknown_classes(request: InferenceRequest, names: tuple[str, ...], study: Study) -> tuple[str, ...]:
    """Return the classes of the machine labels that no expert label has."""
    found: set[str] = set()
    for name in names:
        if name in request.surrogate_names and request.calibration.kinds[name] == "categorical":
            levels = study.levels(request.surrogate_names[name])
            if levels is not None:
                found |= set(map(str, levels)) - set(map(str, request.calibration.classes[name]))
    return tuple(sorted(found))


def checked_size(values: AnyArray, name: str) -> Float1D:
    """Return one number a row, none of which overflows when squared."""
    numbers = check_vector(values, name)
    if np.abs(numbers).max() > LARGEST_VALUE:
        raise ValueError(
            f"{name} has values beyond {LARGEST_VALUE:g} in size, whose squares overflow; rescale it."
        )
    return numbers


def checked_weights(weights: AnyArray) -> Float1D:
    """Return analysis weights as numbers."""
    numbers = checked_size(weights, "weights")
    if np.any(~np.isfinite(numbers)) or np.any(numbers < 0) or not np.any(numbers > 0):
        raise ValueError("weights must be finite, not negative, and not all zero.")
    return numbers


@dataclass(frozen=True)
class _Triangle:
    """The triangular factor of a design, whose columns have the lengths and angles of the design's; parts add."""

    factor: Float2D

    def __add__(self, other: Self) -> Self:
        return type(self)(upper_triangle(np.vstack([self.factor, other.factor])))


def _inside_effects(
    part: LabelledSample, absorber: Absorber | None, design: EffectsOfDesign | None
) -> Float2D:
    """Return the design of a part, within the effects and zero where they span a column."""
    assert part.filled is not None
    values = part.filled.X
    if absorber is None or design is None:
        return values
    assert part.absorbed is not None
    p = values.shape[1]
    inside = (
        scaled_rows(part.filled, part.absorbed).X - absorber.fitted(design.effects, part.absorbed)[:, -p:]
    )
    inside[:, ~design.varying[-p:]] = 0.0
    return inside


def _triangle(
    part: LabelledSample, _: Augmentation, absorber: Absorber | None, design: EffectsOfDesign | None
) -> _Triangle:
    return _Triangle(upper_triangle(_inside_effects(part, absorber, design)))


def _products(
    part: LabelledSample, _: Augmentation, absorber: Absorber | None, design: EffectsOfDesign | None
) -> Float2D:
    values = _inside_effects(part, absorber, design)
    return values.T @ values


def upper_triangle(values: Float2D) -> Float2D:
    """Return the triangular factor of the QR decomposition."""
    return np.asarray(np.linalg.qr(values, mode="r"), dtype=np.float64)


def _check_rank(
    sample: Sample, names: tuple[str, ...], absorber: Absorber | None, design: EffectsOfDesign | None
) -> None:
    """Refuse collinear columns; warn where the labelled rows alone do not identify a column."""
    if not sample.moment.reads_design:
        return
    work = partial(_products, absorber=absorber, design=design)
    products = sample.total(work, Augmentation(), in_blocks=absorber is not None)
    redundant = []
    if not clearly_apart(products):
        triangle = sample.total(partial(_triangle, absorber=absorber, design=design), Augmentation())
        redundant = collinear_columns(triangle.factor, names)
    if redundant:
        raise ValueError(
            f"The column(s) {', '.join(map(repr, redundant))} are spanned by the other columns"
            f"{' and the absorbed effects' if absorber is not None else ''}; leave them out of the formula."
        )
    unseen = []
    if not sample.gold.are_apart:
        unseen = collinear_columns(labelled_design(sample.gold), names)
    if unseen and absorber is None:
        message = unlabelled_category_message.format(columns=", ".join(map(repr, unseen)))
        warn(message, LabellingWarning)


def prepare_moment(moment: Moment, request: InferenceRequest, study: Study) -> PreparedModel:
    """Prepare an estimating function of the user's own."""
    if not request.model_kind.takes_effects or request.family is not None:
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
    unknown = [v for v in moment.variables if v not in study.template.columns]
    if unknown or not moment.variables:
        raise KeyError(f"Moment.variables must name columns of the data or labels; unknown: {unknown}.")
    used = tuple(v for v in moment.variables if v in calibration.labels)
    if not used:
        raise ValueError(f"Moment.variables {moment.variables} hold none of the expert labels.")
    coder: RowCoder = MomentCoder(
        moment=UserMoment(moment), names=names, covariate_labels=used, variables=moment.variables
    )
    observed = tuple(v for v in moment.variables if v not in calibration.labels)
    with_raw = set(used) <= set(request.surrogate_names)
    coder = replace(predicting(coder, request, study, observed), with_raw=with_raw)
    sample, terms = study.sample(coder)
    return PreparedModel(
        coder=coder,
        sample=sample,
        terms=terms[: coder.n_terms],
        raw=terms[-1] if with_raw else None,
        formula=f"E[score({', '.join(moment.variables)})] = 0",
        outcome=", ".join(used),
        model="user moment",
    )


def verdict_cells(part: LabelledSample, verdict: FloatND | None) -> Int1D | None:
    """Return the cell of every labelled row, stratum by verdict, where outcome and verdict have few values."""
    # cells: (design stratum or distinct probability) x verdict; those where labels of one kind are few hold events that
    # were not seen
    outcome = part.gold.y
    if verdict is None or outcome.ndim != 1 or not ((outcome == 0) | (outcome == 1)).all():
        return None
    levels, verdicts = sorted_levels(verdict)
    if len(levels) > 20:
        return None
    if part.design.one_stratum:
        return verdicts
    strata = part.design.fixed_strata(part.n_rows)
    if strata is None:
        values = part.probability[:1] if is_constant(part.probability) else np.unique(part.probability)
        few = values if len(values) <= 20 else np.zeros(1)
        strata = np.searchsorted(few[1:], part.probability, side="right").astype(np.int64)
    return cluster_codes(strata * (int(verdicts.max()) + 1) + verdicts)
