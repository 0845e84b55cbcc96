"""From a model's name, a formula and labelled data to the arrays that the estimators work on."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, FloatND
from validstats.dsl.fit import Component, LabelledSample, ScoreTerm, scaled_rows
from validstats.dsl.labels import Calibration, Completion, Outcome, label_kind, one_hot
from validstats.dsl.moments import (
    Absorber,
    GLMMoment,
    InstrumentalMoment,
    LinearMoment,
    MeanMoment,
    ModelMoment,
    MultinomialMoment,
    RegressionRows,
    cluster_codes,
    two_stage_projection,
)
from validstats.intake import as_floats, read_array

__all__ = [
    "AssembledModel",
    "DesignBuilder",
    "MODELS",
    "ModelName",
    "ParsedFormula",
    "RegressionModel",
    "assemble",
    "categories_of",
    "choose_moment",
    "labelled_design",
    "numeric_outcome",
    "parse_formula",
    "raw_completion",
    "reduce_instruments",
    "varying_columns",
    "widen_numbers",
]


@dataclass(frozen=True, kw_only=True)
class ParsedFormula:
    """Parts of ``"y ~ x + z | unit + time | endogenous ~ instruments"``."""

    outcome: str  # left-hand side
    covariates: str  # exogenous right-hand side, ``"1"`` where there is none
    effects: tuple[str, ...] = ()  # columns whose levels are absorbed
    endogenous: str | None = None  # sides of the instrumental part
    instruments: str | None = None  # sides of the instrumental part

    def __str__(self) -> str:
        parts = [f"{self.outcome} ~ {self.covariates}"]
        if self.effects:
            parts.append(" + ".join(self.effects))
        if self.endogenous is not None:
            parts.append(f"{self.endogenous} ~ {self.instruments}")
        return " | ".join(parts)


def parse_formula(formula: str) -> ParsedFormula:
    """Split a formula into outcome, covariates, absorbed effects and instruments."""
    if not isinstance(formula, str) or not formula.strip():  # type: ignore[redundant-expr]
        raise ValueError(f"A formula must be a text such as 'y ~ x1 + x2', got {formula!r}.")
    main, *rest = (part.strip() for part in formula.split("|"))
    outcome, tilde, covariates = (piece.strip() for piece in main.partition("~"))
    if not outcome or (tilde and not covariates):
        raise ValueError(f"The formula {formula!r} needs an outcome and covariates, as in 'y ~ x1 + x2'.")
    effects: tuple[str, ...] = ()
    endogenous = instruments = None
    for part in rest:
        if "~" in part and endogenous is None:
            endogenous, _, instruments = (piece.strip() for piece in part.partition("~"))
        elif "~" not in part and not effects and part and endogenous is None:
            effects = tuple(piece.strip() for piece in part.split("+"))
        else:
            raise ValueError(
                f"The part {part!r} of the formula {formula!r} is not understood; write "
                "'y ~ x | unit + time' for fixed effects and 'y ~ x | d ~ z' for instruments."
            )
    return ParsedFormula(
        outcome=outcome,
        covariates=covariates or "1",
        effects=effects,
        endogenous=endogenous,
        instruments=instruments,
    )


class DesignBuilder:
    """Design matrices of one formula for any completion of the label columns."""

    def __init__(self, parsed: ParsedFormula, template: Any, labels: Sequence[str]) -> None:
        from formulaic import Formula

        self.parsed = parsed
        self._template = template
        right = parsed.covariates
        if parsed.endogenous is not None:
            right = f"{right} + {parsed.endogenous}"
        self._right = Formula(right if not parsed.effects else f"1 + {right}")
        self._instruments = None
        if parsed.instruments is not None:
            self._instruments = Formula(f"{parsed.covariates} + {parsed.instruments}")
        self._outcome_variables = self._required(Formula(f"0 + {parsed.outcome}"))
        used = self._required(self._right)
        if self._instruments is not None:
            used |= self._required(self._instruments)
        self._check_columns(used | self._outcome_variables | set(parsed.effects))
        self.outcome_labels = tuple(v for v in labels if v in self._outcome_variables)
        self.covariate_labels = tuple(v for v in labels if v in used)
        absorbed = [name for name in parsed.effects if name in labels]
        if absorbed:
            raise ValueError(
                f"{', '.join(map(repr, absorbed))} is an expert label, and effects of levels that most rows do not "
                "show cannot be absorbed; write it as a covariate, C(...)."
            )
        observed = (used | self._outcome_variables) - set(labels)
        self.variables = tuple(v for v in template.columns if v in observed)
        self._check_observed((*self.variables, *parsed.effects))
        self._template = widen_numbers(template, self.variables)
        self._spec = self._fit_spec(self._right)
        self._instrument_spec = None if self._instruments is None else self._fit_spec(self._instruments)
        self._columns = [i for i, c in enumerate(self._spec.column_names) if self._keeps(str(c))]
        self.names = tuple(str(self._spec.column_names[i]) for i in self._columns)

    def _keeps(self, name: str) -> bool:
        return not (self.parsed.effects and name == "Intercept")

    def _required(self, formula: Any) -> set[str]:
        """Return the variables of a formula, those inside stateful transformations such as poly included."""
        columns = set(map(str, self._template.columns))
        names = {str(v) for v in formula.required_variables}
        for term in formula:
            for factor in term.factors:
                names |= _names_in(str(factor.expr)) & columns
        return names

    def _check_columns(self, names: set[str]) -> None:
        unknown = sorted(names - set(map(str, self._template.columns)))
        if unknown:
            raise KeyError(
                f"The formula uses {', '.join(map(repr, unknown))}, which the data do not have; the columns "
                f"are {', '.join(map(repr, self._template.columns))}."
            )

    def _check_observed(self, names: Sequence[str]) -> None:
        for name in names:
            missing = int(self._template[name].isna().sum())
            if missing:
                raise ValueError(
                    f"The variable {name!r} of the formula is missing in {missing} row(s). Every variable "
                    "that is not an expert label must be observed in all rows: drop or impute them first."
                )
            # groups of absorbed effects may be dates; a covariate must be a number or a category
            array = read_array(
                self._template[name], f"the variable {name!r}", dates=name in self.parsed.effects
            )
            if array.dtype.kind in "iu":
                as_floats(array, f"the variable {name!r}")

    def _fit_spec(self, formula: Any) -> Any:
        return formula.get_model_matrix(self._template, na_action="raise", output="pandas").model_spec

    def design(self, replacements: Mapping[str, AnyArray] | None = None) -> Float2D:
        """Return the covariates for one completion of the labels."""
        matrix = self._matrix(self._spec, replacements)[:, self._columns]
        _check_finite(matrix, self.names)
        return np.ascontiguousarray(matrix)

    def observed_values(self, name: str) -> AnyArray:
        """Return a column of the template."""
        return np.asarray(self._template[name].to_numpy())

    def instruments(self, replacements: Mapping[str, AnyArray] | None = None) -> Float2D | None:
        """Return exogenous covariates and instruments for one completion, or None without instruments."""
        if self._instrument_spec is None:
            return None
        matrix = self._matrix(self._instrument_spec, replacements)
        _check_finite(matrix, [str(c) for c in self._instrument_spec.column_names])
        return matrix

    def outcome(self, replacements: Mapping[str, AnyArray] | None = None) -> AnyArray:
        """Return the outcome for one completion; a plain column keeps its type."""
        name = self.parsed.outcome
        if name in self._template.columns:
            if replacements is not None and name in replacements:
                return np.asarray(replacements[name])
            return np.asarray(self._template[name].to_numpy())
        from formulaic import model_matrix

        values = model_matrix(f"0 + {name}", self._completed(replacements), na_action="raise")
        if values.shape[1] != 1:
            raise ValueError(
                f"The outcome {name!r} gives {values.shape[1]} columns; it must give one number."
            )
        return np.asarray(values, dtype=np.float64)[:, 0]

    def _completed(self, replacements: Mapping[str, AnyArray] | None) -> Any:
        if not replacements:
            return self._template
        return widen_numbers(self._template.assign(**dict(replacements)), tuple(replacements))

    def _matrix(self, spec: Any, replacements: Mapping[str, AnyArray] | None) -> Float2D:
        values = spec.get_model_matrix(self._completed(replacements))
        return np.asarray(values, dtype=np.float64)


def widen_numbers(frame: Any, names: Sequence[str]) -> Any:
    """Return a frame whose columns of small numbers have 64 bits, in which products and squares fit."""
    wide = {name: _wide_type(frame[name].dtype) for name in names}
    changed = {name: kind for name, kind in wide.items() if kind is not None and not frame[name].hasnans}
    return frame.astype(changed) if changed else frame


def _wide_type(dtype: Any) -> type | None:
    from pandas.api.types import is_float_dtype, is_integer_dtype

    if getattr(dtype, "itemsize", 8) >= 8:
        return None
    if is_integer_dtype(dtype):
        return np.int64
    return np.float64 if is_float_dtype(dtype) else None


def _names_in(expression: str) -> set[str]:
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError:
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _check_finite(matrix: Float2D, names: Sequence[str]) -> None:
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=0))
    if len(bad):
        listed = ", ".join(repr(names[int(j)]) for j in bad)
        raise ValueError(
            f"The design has infinite or undefined values in {listed}. Check for zeros under a logarithm or "
            "a division, and for infinite data."
        )


@dataclass(frozen=True, kw_only=True)
class RegressionModel:
    """A model of ``infer``: a subclass and an entry in :data:`MODELS` add one."""

    name: str
    moment: Callable[[Any, int], ModelMoment]  # from a family and a number of categories
    takes_covariates: bool = True
    takes_offset: bool = True
    takes_effects: bool = False  # absorbed effects and instruments
    takes_family: bool = False
    has_categories: bool = False  # whether the outcome is a class
    streams: bool = True  # whether rows need not be in memory together
    on_command_line: bool = True
    predicts_numbers: bool = (
        False  # whether a regressor, not a classifier, predicts its label on the command line
    )

    def check(
        self, outcome: str, covariates: Sequence[str], has_covariates: bool, effects: Sequence[str]
    ) -> None:
        """Refuse formulas that the model does not allow; covariates are the names of the columns."""
        if has_covariates and not self.takes_covariates:
            raise ValueError(
                f"model={self.name!r} takes no covariates; pass {outcome!r} alone, or use model='linear'."
            )
        if effects and not self.takes_effects:
            raise ValueError(f"Fixed effects ('| {effects[0]}') are for model='linear', got {self.name!r}.")

    def check_offset(self, given: bool) -> None:
        """Refuse an offset that would be ignored."""
        if given and not self.takes_offset:
            raise ValueError(f"model={self.name!r} takes no offset.")

    def names(self, outcome: str, covariates: Sequence[str], categories: Sequence[Any]) -> tuple[str, ...]:
        """Return the names of the coefficients."""
        return tuple(covariates)


class _Mean(RegressionModel):
    """A mean or a share of an outcome."""

    def names(self, outcome: str, covariates: Sequence[str], categories: Sequence[Any]) -> tuple[str, ...]:
        return (f"{self.name}({outcome})",)


class _Shares(RegressionModel):
    """Shares of all classes of an outcome."""

    def names(self, outcome: str, covariates: Sequence[str], categories: Sequence[Any]) -> tuple[str, ...]:
        return tuple(f"{outcome}={c}" for c in categories)


class _Multinomial(RegressionModel):
    """A multinomial logit, whose coefficients carry their class."""

    def names(self, outcome: str, covariates: Sequence[str], categories: Sequence[Any]) -> tuple[str, ...]:
        return tuple(f"{c}: {name}" for c in categories[1:] for name in covariates)


class _Difference(RegressionModel):
    """A difference of the means of two groups."""

    def check(
        self, outcome: str, covariates: Sequence[str], has_covariates: bool, effects: Sequence[str]
    ) -> None:
        super().check(outcome, covariates, has_covariates, effects)
        if len(covariates) != 2:
            raise ValueError(
                "model='difference' compares two groups: the formula must be 'y ~ group' with a covariate of two "
                f"levels; it gives the columns {', '.join(covariates)}."
            )


def _families() -> Any:
    from statsmodels.genmod import families

    return families


def _any_family(family: Any, _: int) -> ModelMoment:
    if not isinstance(family, _families().Family):
        raise ValueError(
            f"family must be an instance of a statsmodels family, such as families.Gamma(); got {family!r}."
        )
    return GLMMoment(family)


def _mean(family: Any, n_categories: int) -> ModelMoment:
    return MeanMoment()


def _share(family: Any, n_categories: int) -> ModelMoment:
    return MeanMoment(share=True)


def _linear(family: Any, n_categories: int) -> ModelMoment:
    return LinearMoment()


def _logit(family: Any, n_categories: int) -> ModelMoment:
    return GLMMoment(_families().Binomial())


def _probit(family: Any, n_categories: int) -> ModelMoment:
    return GLMMoment(_families().Binomial(_families().links.Probit()))


def _poisson(family: Any, n_categories: int) -> ModelMoment:
    return GLMMoment(_families().Poisson())


def _multinomial(family: Any, n_categories: int) -> ModelMoment:
    return MultinomialMoment(n_categories)


_ALONE: dict[str, bool] = {"takes_covariates": False, "takes_offset": False}
"""What describes a label without covariates."""

MODELS: dict[str, RegressionModel] = {
    model.name: model
    for model in (
        _Mean(name="mean", moment=_mean, predicts_numbers=True, **_ALONE),
        _Mean(name="proportion", moment=_share, **_ALONE),
        _Shares(name="shares", moment=_mean, has_categories=True, streams=False, **_ALONE),
        _Difference(name="difference", moment=_linear, predicts_numbers=True),
        RegressionModel(name="quantile", moment=_mean, on_command_line=False, **_ALONE),
        RegressionModel(name="linear", moment=_linear, takes_effects=True, predicts_numbers=True),
        RegressionModel(name="logit", moment=_logit),
        RegressionModel(name="probit", moment=_probit),
        RegressionModel(name="poisson", moment=_poisson, predicts_numbers=True),
        RegressionModel(name="glm", moment=_any_family, takes_family=True, on_command_line=False),
        _Multinomial(
            name="multinomial", moment=_multinomial, has_categories=True, takes_offset=False, streams=False
        ),
    )
}
"""Every model by its name."""


def choose_moment(model: str, family: Any, n_categories: int, instrumental: bool) -> ModelMoment:
    """Return the estimating function of a model."""
    chosen = MODELS[model]
    if (family is not None) != chosen.takes_family:
        raise ValueError(
            f"family={family!r} goes with model='glm' and only with it; got model={model!r}. For example "
            "model='glm', family=statsmodels.api.families.Gamma(...)."
        )
    if instrumental:
        if not chosen.takes_effects:
            raise ValueError(f"Instruments are for model='linear', got model={model!r}.")
        return InstrumentalMoment()
    return chosen.moment(family, n_categories)


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


def numeric_outcome(values: AnyArray, name: str) -> Float1D:
    """Return an outcome as finite numbers, or say how words become numbers."""
    if values.dtype.kind not in "fiubO":
        raise ValueError(
            f"The outcome {name!r} is not numeric; use model='multinomial' or 'shares' for classes."
        )
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"The outcome {name!r}, or what the machine says of it, is not numeric: say which word counts as 1 with "
            "calibrate(..., positive=...), or use model='multinomial' or 'shares' for classes."
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
            return numeric_outcome(values, parsed.outcome)
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
            outcome = numeric_outcome(raw, builder.parsed.outcome)
    covariates = {v: values[v] for v in assembled.covariate_labels}
    for name, value in covariates.items():
        known = builder.observed_values(name)
        if label_kind(known) == "categorical" and not set(map(str, value)) <= set(map(str, known)):
            return None
    return (Completion(replacements=covariates, outcome=outcome),)


def labelled_design(gold: RegressionRows) -> Float2D:
    """Return the design of the labelled rows times the root of their analysis weights."""
    return gold.X if gold.weights is None else gold.X * np.sqrt(gold.weights)[:, None]
