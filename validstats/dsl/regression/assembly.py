"""From a model's name, a formula and labelled data to the arrays that the estimators work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, FloatND
from validstats.dsl.fit import Component, LabelledSample, ScoreTerm, scaled_rows
from validstats.dsl.labels import Calibration, Completion, Outcome, label_kind, one_hot
from validstats.dsl.moments import (
    Absorber,
    ModelMoment,
    RegressionRows,
    cluster_codes,
    two_stage_projection,
)
from validstats.dsl.regression.formulas import DesignBuilder, ParsedFormula
from validstats.dsl.regression.models import MODELS, choose_moment

__all__ = [
    "AssembledModel",
    "ModelName",
    "assemble",
    "categories_of",
    "labelled_design",
    "raw_completion",
    "reduce_instruments",
    "varying_columns",
]

ModelName: TypeAlias = Literal[
    "mean",
    "proportion",
    "shares",
    "difference",
    "quantile",
    "linear",
    "logit",
    "probit",
    "poisson",
    "glm",
    "multinomial",
]
"""Models of :meth:`DesignSupervised.infer`; fixed effects and instruments are parts of a linear formula."""

RowMaker: TypeAlias = Callable[[Mapping[str, AnyArray], FloatND | None], RegressionRows]
"""Completed rows from values of the covariate labels and of the outcome."""


@dataclass(frozen=True, kw_only=True)
class AssembledModel:
    """A model with everything but the completions of the unlabelled variables."""

    moment: ModelMoment  # estimating function
    gold: RegressionRows  # labelled rows
    outcome: Outcome | None  # outcome, where it depends on an expert label
    covariate_labels: tuple[str, ...]  # labels among the covariates or instruments
    names: tuple[str, ...]  # names of the coefficients
    make_rows: RowMaker  # rows from a completion
    absorber: Absorber | None = None  # fixed effects
    is_within: bool = False  # whether the rows are within-transformed; covariate labels forbid it
    make_plain: RowMaker | None = None  # with fixed effects, rows that are not transformed, from a completion
    effects: tuple[str, ...] = ()  # names of the absorbed variables

    def term(self, completions: Sequence[Completion]) -> ScoreTerm:
        """Return the expected score of some completions."""
        return tuple(
            Component(rows=self.make_rows(c.replacements, c.outcome), weight=c.weight) for c in completions
        )

    def sample(self, calibration: Calibration) -> LabelledSample:
        """Return the labelled sample of the model."""
        return LabelledSample(
            moment=self.moment,
            gold=self.gold,
            labelled=calibration.labelled,
            probability=calibration.probability,
            design=calibration.design,
        )


def categories_of(values: AnyArray) -> AnyArray:
    """Return the sorted distinct values of a categorical label."""
    if values.dtype.kind not in "fiub":
        return np.array(sorted({str(v) for v in values.tolist()}), dtype=object)
    return np.unique(values)


def _numeric_outcome(values: AnyArray, name: str) -> Float1D:
    if values.dtype.kind not in "fiubO":
        raise ValueError(
            f"The outcome {name!r} is not numeric; use model='multinomial' or 'shares' for classes."
        )
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"The outcome {name!r} is not numeric; use model='multinomial' or 'shares' for classes, or "
            "encode two classes as 0 and 1."
        ) from None
    if not np.all(np.isfinite(numbers)):
        raise ValueError(f"The outcome {name!r} has missing or infinite values among the rows it is used in.")
    return numbers


def assemble(
    builder: DesignBuilder,
    template: Any,
    labelled: Bool1D,
    *,
    model: ModelName,
    family: Any = None,
    weights: Float1D | None = None,
    offset: Float1D | None = None,
) -> AssembledModel:
    """Build estimating function, labelled rows and row maker of a formula."""
    parsed = builder.parsed
    kind = MODELS[model]
    kind.check(parsed.outcome, builder.names, parsed.covariates != "1", parsed.effects)
    raw_outcome = builder.outcome()
    categorical = kind.has_categories
    categories: AnyArray = np.empty(0)
    if categorical:
        known = raw_outcome[labelled] if builder.outcome_labels else raw_outcome
        categories = categories_of(known)
        if len(categories) < 2:
            raise ValueError(f"The outcome {parsed.outcome!r} has a single category among the expert labels.")

    def encode(values: AnyArray) -> FloatND:
        if not categorical:
            return _numeric_outcome(values, parsed.outcome)
        return one_hot(np.searchsorted(*_alike(categories, values)), len(categories))

    moment = choose_moment(model, family, len(categories), parsed.endogenous is not None)
    outcome_all = encode(raw_outcome)
    moment.check_outcome(outcome_all[labelled], parsed.outcome)
    intercept_only = not kind.takes_covariates
    names = kind.names(parsed.outcome, builder.names, categories.tolist())
    absorber = _absorber(parsed, template, weights)
    is_within = absorber is not None and not builder.covariate_labels
    fixed_design = None if builder.covariate_labels else builder.design()
    all_instruments = builder.instruments()
    wanted = None
    if all_instruments is not None and absorber is not None:
        wanted = varying_columns(all_instruments, absorber)

    def instruments_of(replacements: Mapping[str, AnyArray]) -> Float2D | None:
        found = builder.instruments(replacements)
        return found if found is None or wanted is None else found[:, wanted]

    fixed_instruments = None if builder.covariate_labels else instruments_of({})

    def make_plain(replacements: Mapping[str, AnyArray], outcome: FloatND | None) -> RegressionRows:
        design = fixed_design if fixed_design is not None else builder.design(replacements)
        return RegressionRows(
            y=outcome_all if outcome is None else outcome,
            X=design if not intercept_only else np.ones((len(labelled), 1)),
            Z=fixed_instruments if fixed_design is not None else instruments_of(replacements),
            weights=None if absorber is not None else weights,
            offset=offset,
        )

    gold = make_plain({}, None).take(labelled)
    outcome = None
    if builder.outcome_labels:
        outcome = Outcome(name=builder.outcome_labels[0], values=gold.y)
    make_rows: RowMaker = make_plain
    if is_within:
        assert absorber is not None
        make_rows = _within_maker(make_plain, absorber)
        gold = make_rows({}, None).take(labelled)
    return AssembledModel(
        moment=moment,
        gold=gold,
        outcome=outcome,
        covariate_labels=builder.covariate_labels,
        names=names,
        make_rows=make_rows,
        absorber=absorber,
        is_within=is_within,
        make_plain=None if absorber is None else make_plain,
        effects=parsed.effects,
    )


def _within_maker(make_plain: RowMaker, absorber: Absorber) -> RowMaker:
    """Return the maker of rows whose covariates and instruments are within-transformed once and for all."""
    fixed = scaled_rows(make_plain({}, None), absorber)
    design = absorber.residualise(fixed.X)
    instruments = None if fixed.Z is None else absorber.residualise(fixed.Z)

    def make_rows(replacements: Mapping[str, AnyArray], outcome: FloatND | None) -> RegressionRows:
        rows = scaled_rows(make_plain(replacements, outcome), absorber)
        return replace(rows, X=design, Z=instruments)

    return make_rows


def varying_columns(values: Float2D, absorber: Absorber) -> Bool1D:
    """Return which columns vary within the absorbed effects."""
    scaled = absorber.scaled(values)
    inside = np.linalg.norm(absorber.residualise(scaled), axis=0)
    return np.asarray(inside > 1e-8 * np.maximum(np.linalg.norm(scaled, axis=0), 1e-300))


def _absorber(parsed: ParsedFormula, template: Any, weights: Float1D | None) -> Absorber | None:
    if not parsed.effects:
        return None
    codes = [cluster_codes(template[name].astype(str).to_numpy()) for name in parsed.effects]
    return Absorber(codes, weights)


def reduce_instruments(assembled: AssembledModel, sample: LabelledSample, term: ScoreTerm) -> AssembledModel:
    """Replace the instruments by their first-stage combinations, one a coefficient."""
    # The first stage is estimated from design-adjusted cross moments; its error does not change the limiting
    # distribution of the coefficients.
    gold = sample.gold
    assert gold.Z is not None
    weighted = gold.Z * gold.weighted(sample.gold_weights)[:, None]
    gram, cross = weighted.T @ gold.Z, weighted.T @ gold.X
    remainder = sample.remainder
    for component in term:
        z = component.rows.Z
        assert z is not None
        scaled = z * component.rows.weighted(remainder * component.weight)[:, None]
        gram, cross = gram + scaled.T @ z, cross + scaled.T @ component.rows.X
    projection = two_stage_projection(gram / sample.n_rows, cross / sample.n_rows)
    inner = assembled.make_rows

    def make_rows(replacements: Mapping[str, AnyArray], outcome: FloatND | None) -> RegressionRows:
        rows = inner(replacements, outcome)
        assert rows.Z is not None
        return replace(rows, Z=rows.Z @ projection)

    return replace(assembled, gold=replace(gold, Z=gold.Z @ projection), make_rows=make_rows)


def _alike(categories: AnyArray, values: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return categories and values as text, each at its own width, where the categories are objects."""
    if categories.dtype != object:
        return categories, values
    return categories.astype(str), values.astype(str)


def raw_completion(
    assembled: AssembledModel, surrogates: Mapping[str, AnyArray], builder: DesignBuilder
) -> tuple[Completion, ...] | None:
    """Return the completion that takes machine labels for the truth, or None where one is missing."""
    needed = {*assembled.covariate_labels, *builder.outcome_labels}
    if not needed <= set(surrogates):
        return None
    values = {name: surrogates[name] for name in needed}
    outcome: FloatND | None = None
    if builder.outcome_labels:
        raw = builder.outcome(values)
        if assembled.gold.y.ndim == 2:
            known = builder.outcome()
            categories = categories_of(known)
            classes, machine = _alike(categories, raw)
            if not np.all(np.isin(machine, classes)):
                return None
            outcome = one_hot(np.searchsorted(classes, machine), len(categories))
        else:
            outcome = _numeric_outcome(raw, builder.parsed.outcome)
    covariates = {v: values[v] for v in assembled.covariate_labels}
    for name, value in covariates.items():
        known = builder.observed_values(name)
        if label_kind(known) == "categorical" and not set(map(str, value)) <= set(map(str, known)):
            return None
    return (Completion(replacements=covariates, outcome=outcome),)


def labelled_design(gold: RegressionRows) -> Float2D:
    """Return the design of the labelled rows times the root of their analysis weights."""
    return gold.X if gold.weights is None else gold.X * np.sqrt(gold.weights)[:, None]
