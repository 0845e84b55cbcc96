"""From a model's name, a formula and labelled data to the arrays that the estimators work on."""

from __future__ import annotations

import ast
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal, TypeAlias

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, FloatND, Int1D
from validstats.dsl.fit import Component, LabelledSample, ScoreTerm
from validstats.dsl.labels import Completion, CompletionModels, FoldPlan, Units, encode_features, one_hot
from validstats.dsl.moments import (
    LARGEST_VALUE,
    AbsorbedRows,
    GLMMoment,
    InstrumentalMoment,
    LinearMoment,
    MeanMoment,
    ModelMoment,
    MultinomialMoment,
    RegressionRows,
    SamplingDesign,
    entries_at,
    repeated,
)
from validstats.dsl.results import (
    difference_words,
    mean_words,
    quantile_words,
    regression_words,
    share_words,
    shares_words,
)
from validstats.intake import as_floats, read_array

__all__ = [
    "DesignBuilder",
    "FilledFrame",
    "FilledLabel",
    "FeatureCoder",
    "FormulaCoder",
    "MODELS",
    "ModelName",
    "MomentCoder",
    "ParsedFormula",
    "RegressionModel",
    "RowCoder",
    "StudyRows",
    "categories_of",
    "choose_moment",
    "column_values",
    "filled_label",
    "pandas_frame",
    "formula_coder",
    "labelled_design",
    "numeric_outcome",
    "parse_formula",
    "required_variables",
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


class FilledLabel:
    """An expert label of all rows: known where there is one, the known ones in turn elsewhere."""

    def __init__(self, values: AnyArray, positions: AnyArray) -> None:
        self._values, self._positions = values, positions

    @cached_property
    def known(self) -> AnyArray:
        """The labels of the labelled rows."""
        found: AnyArray = self._values[self._positions]
        return found

    def __call__(self) -> AnyArray:
        """Return the label of all rows."""
        return filled_label(self.known, len(self._values), self._positions)


def filled_label(
    known: AnyArray, n_rows: int, positions: AnyArray, values: AnyArray | None = None
) -> AnyArray:
    """Return a label of some rows, values of other rows in turn where it is unknown; ``values`` are those of the rows."""
    complete = np.resize(known, n_rows)
    complete[positions] = known if values is None else values
    return complete


class FilledFrame:
    """Rows of a data frame with labels filled in: columns are made when they are asked for, the frame where one is needed."""

    def __init__(
        self, units: Units, filled: Mapping[str, Callable[[], AnyArray]], rows: AnyArray | None = None
    ) -> None:
        self._units, self._filled, self._rows = units, filled, rows
        self._values: dict[str, AnyArray] = {}
        self._whole: FilledFrame | None = (
            None  # the frame of which these are rows, None for itself: no circle
        )

    @property
    def whole(self) -> FilledFrame:
        """The frame of which these are rows."""
        return self if self._whole is None else self._whole

    def __len__(self) -> int:
        return self._units.n_rows if self._rows is None else len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._filled or name in self._units.given

    @cached_property
    def columns(self) -> tuple[Any, ...]:
        """Names of the columns, labels that the data do not have last."""
        return tuple(dict.fromkeys((*self._units.names, *self._filled)))

    def place(self, name: str) -> int:
        """Return the place of a column of the data."""
        return self._units.given.columns.get_loc(name)

    def values(self, name: str) -> AnyArray:
        """Return a column as an array."""
        if name not in self._values:
            if name in self._filled:
                found = self._filled[name]()
            else:
                found = self._units.values(name)
                found = found if self._rows is None else found[self._rows]
            self._values[name] = np.asarray(found)
        return self._values[name]

    def dtype(self, name: str) -> Any:
        """Return the type of a column."""
        return self.values(name).dtype if name in self._filled else self._units.dtype(name)

    def take(self, rows: AnyArray, filled: Mapping[str, Callable[[], AnyArray]] | None = None) -> FilledFrame:
        """Return some of the rows, given by their positions, with their labels where these are known."""
        if filled is None:
            filled = {name: partial(self._some, name, rows) for name in self._filled}
        found = FilledFrame(self._units, filled, rows if self._rows is None else self._rows[rows])
        found._whole = self.whole
        return found

    def _some(self, name: str, rows: AnyArray) -> AnyArray:
        return self.values(name)[rows]

    def known(self, name: str | None) -> AnyArray | None:
        """Return a label of the labelled rows as it is; None where these are not told apart from others."""
        label = None if name is None else self._filled.get(name)
        return label.known if isinstance(label, FilledLabel) else None

    def labelled(self, rows: AnyArray) -> FilledFrame:
        """Return the labelled rows, given by their positions, with their labels as they are."""
        return self.take(
            rows, {name: partial(getattr, label, "known") for name, label in self._filled.items()}
        )

    def forget(self, name: str) -> None:
        """Let go of a label that was filled in: it is made again where it is asked for."""
        if name in self._filled:
            self._values.pop(name, None)

    def kept(self, names: Sequence[str]) -> FilledFrame:
        """Return the same rows with copies of some columns: the caller goes on working on theirs."""
        found = FilledFrame(self._units, self._filled, self._rows)
        found._values = {name: np.array(self.values(name)) for name in names}
        found._whole = self.whole
        return found

    @cached_property
    def frame(self) -> Any:
        """The same as a pandas frame."""
        data = self._units.data
        rows = data if self._rows is None else data.iloc[self._rows]
        return rows.assign(**{name: self.values(name) for name in self._filled})


def column_values(frame: Any, name: str) -> AnyArray:
    """Return a column of rows as an array."""
    return frame.values(name) if isinstance(frame, FilledFrame) else frame[name].to_numpy()


def column_type(frame: Any, name: str) -> Any:
    """Return the type of a column of rows."""
    return frame.dtype(name) if isinstance(frame, FilledFrame) else frame[name].dtype


def pandas_frame(frame: Any) -> Any:
    """Return rows as a pandas frame."""
    return frame.frame if isinstance(frame, FilledFrame) else frame


_CACHED = 1024
_BLOCK = 32_768
"""Rows whose covariates are coded at once where a row's own values are enough."""


class DesignBuilder:
    """Design matrices of one formula for any rows and any completion of the label columns.

    The template shows every level of every category; labels in it are filled in.
    """

    def __init__(self, parsed: ParsedFormula, template: Any, labels: Sequence[str]) -> None:
        self.parsed = parsed
        self._given, self._checked = template, False
        self._numbers = _number_columns(parsed, template)
        if parsed.outcome.isidentifier() and parsed.outcome in template:
            self._outcome_variables = {parsed.outcome}
        else:
            self._outcome_variables = required_variables(
                _formula(f"0 + {parsed.outcome}"), self._column_names
            )
        used = self._used()
        _check_columns(template, used | self._outcome_variables | set(parsed.effects))
        self.outcome_labels = tuple(v for v in labels if v in self._outcome_variables)
        self.covariate_labels = tuple(v for v in labels if v in used)
        absorbed = [name for name in parsed.effects if name in labels]
        if absorbed:
            raise ValueError(
                f"{', '.join(map(repr, absorbed))} is an expert label, and effects of levels that most rows do not "
                "show cannot be absorbed; write it as a covariate, C(...)."
            )
        observed = (used | self._outcome_variables) - set(labels)
        place = template.place if isinstance(template, FilledFrame) else template.columns.get_loc
        self.variables = tuple(sorted(observed, key=place))
        self.template = self.checked(template)
        self._checked = True
        if self._numbers is not None:
            self._plain, self._instrument_spec = True, None
            self._columns, self.names = list(range(len(self._numbers))), self._numbers
            return
        self._plain = _plain_factors(self._column_names, self._right, self._instruments)
        self._instrument_spec = None if self._instruments is None else self._fit_spec(self._instruments)
        self._columns = [i for i, c in enumerate(self._spec.column_names) if self._keeps(str(c))]
        self.names = tuple(str(self._spec.column_names[i]) for i in self._columns)

    @cached_property
    def _column_names(self) -> set[str]:
        """Names of the columns as text."""
        return set(map(str, self._given.columns))

    @cached_property
    def _right(self) -> Any:
        """Formula of the covariates."""
        right = self.parsed.covariates
        if self.parsed.endogenous is not None:
            right = f"{right} + {self.parsed.endogenous}"
        return _formula(right if not self.parsed.effects else f"1 + {right}")

    @cached_property
    def _instruments(self) -> Any:
        """Formula of the instruments, None without any."""
        if self.parsed.instruments is None:
            return None
        return _formula(f"{self.parsed.covariates} + {self.parsed.instruments}")

    @cached_property
    def _spec(self) -> Any:
        """How covariates are coded."""
        return self._fit_spec(self._right)

    def _used(self) -> set[str]:
        """Return the variables of covariates and instruments."""
        if self._numbers is not None:
            return set(self._numbers) - {"Intercept"}
        columns = self._column_names
        used = required_variables(self._right, columns)
        return used if self._instruments is None else used | required_variables(self._instruments, columns)

    @property
    def reads_numbers(self) -> bool:
        """Whether outcome and covariates are columns as they are, the covariates all of numbers."""
        return self._numbers is not None and self.parsed.outcome in self.template

    def _keeps(self, name: str) -> bool:
        return not (self.parsed.effects and name == "Intercept")

    def checked(self, frame: Any) -> Any:
        """Return rows whose observed variables are complete, small numbers widened."""
        if self._checked and getattr(frame, "whole", frame) is self._given:
            # rows of a template that was found complete; where nothing was widened in it, nothing is in its rows
            if frame is self._given:
                return self.template
            return frame if self.template is self._given else widen_numbers(frame, self.variables)
        for name in (*self.variables, *self.parsed.effects):
            self._check_variable(frame, name)
        return widen_numbers(frame, self.variables)

    def _check_variable(self, frame: Any, name: str) -> None:
        """Refuse an observed variable with missing values, or with numbers that float64 does not hold."""
        dtype = column_type(frame, name)
        if isinstance(dtype, np.dtype) and dtype.kind == "f":
            values = column_values(frame, name)
            low, high = (float(values.min()), float(values.max())) if len(values) else (np.nan, np.nan)
            if math.isfinite(low) and math.isfinite(high):
                _check_largest(max(-low, high), name)
                return
        column = pandas_frame(frame)[name]
        missing = int(column.isna().sum())
        if missing:
            raise ValueError(
                f"The variable {name!r} of the formula is missing in {missing} row(s). Every variable "
                "that is not an expert label must be observed in all rows: drop or impute them first."
            )
        # groups of absorbed effects may be dates; a covariate must be a number or a category
        array = read_array(column, f"the variable {name!r}", dates=name in self.parsed.effects)
        if array.dtype.kind in "iu":
            as_floats(array, f"the variable {name!r}")
        elif array.dtype.kind == "f":
            _check_size(array, name)

    def _fit_spec(self, formula: Any) -> Any:
        rows = pandas_frame(self.template)
        factors = {str(factor.expr) for term in formula for factor in term.factors} - {"1"}
        if all(name in rows.columns and rows[name].dtype.kind in "iuf" for name in factors):
            rows = rows.iloc[:2]  # numbers as they are: the code does not depend on their values
        return formula.get_model_matrix(rows, na_action="raise", output="pandas").model_spec

    def design(self, replacements: Mapping[str, AnyArray] | None = None, frame: Any = None) -> Float2D:
        """Return the covariates of some rows for one completion of the labels."""
        matrix = self._plain_numbers(replacements, frame)
        if matrix is None:
            matrix = self._matrix(self._spec, replacements, frame)
        if len(self._columns) < matrix.shape[1]:
            matrix = matrix[:, self._columns]
        _check_finite(matrix, self.names)
        return np.ascontiguousarray(matrix)

    def instruments(
        self, replacements: Mapping[str, AnyArray] | None = None, frame: Any = None
    ) -> Float2D | None:
        """Return exogenous covariates and instruments for one completion, or None without instruments."""
        if self._instrument_spec is None:
            return None
        matrix = self._matrix(self._instrument_spec, replacements, frame)
        _check_finite(matrix, [str(c) for c in self._instrument_spec.column_names])
        return matrix

    def outcome(self, replacements: Mapping[str, AnyArray] | None = None, frame: Any = None) -> AnyArray:
        """Return the outcome for one completion; a plain column keeps its type."""
        name, rows = self.parsed.outcome, self.template if frame is None else frame
        if name in rows:
            if replacements is not None and name in replacements:
                return np.asarray(replacements[name])
            return np.asarray(column_values(rows, name))
        from formulaic import model_matrix

        values = model_matrix(f"0 + {name}", self._completed(replacements, rows), na_action="raise")
        if values.shape[1] != 1:
            raise ValueError(
                f"The outcome {name!r} gives {values.shape[1]} columns; it must give one number."
            )
        return np.asarray(values, dtype=np.float64)[:, 0]

    def _completed(self, replacements: Mapping[str, AnyArray] | None, frame: Any) -> Any:
        rows = pandas_frame(frame)
        if not replacements:
            return rows
        return widen_numbers(rows.assign(**dict(replacements)), tuple(replacements))

    def _plain_numbers(self, replacements: Mapping[str, AnyArray] | None, frame: Any) -> Float2D | None:
        """Return the covariates where all are columns of numbers as they are, else None."""
        if self._numbers is None:
            return None
        rows, given = self.template if frame is None else frame, replacements or {}
        numbers = [
            None if name == "Intercept" else given[name] if name in given else column_values(rows, name)
            for name in self._numbers
        ]
        if not all(values is None or values.dtype.kind in "iuf" for values in numbers):
            return None
        matrix = np.empty((len(rows), len(numbers)))
        # few rows at a time stay in the cache while their columns are written
        for start in range(0, len(rows), _CACHED):
            few = slice(start, start + _CACHED)
            for j, values in enumerate(numbers):
                matrix[few, j] = 1.0 if values is None else values[few]
        return matrix

    def _matrix(self, spec: Any, replacements: Mapping[str, AnyArray] | None, frame: Any) -> Float2D:
        rows = self._completed(replacements, self.template if frame is None else frame)
        if not self._plain or len(rows) <= _BLOCK:
            return np.asarray(spec.get_model_matrix(rows), dtype=np.float64)
        matrix = np.empty((len(rows), len(spec.column_names)))
        for begin in range(0, len(rows), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            matrix[block] = spec.get_model_matrix(rows.iloc[block])
        return matrix

    def depends_on_other_rows(self) -> str | None:
        """Return a term whose values in a row change with the other rows, None where there is none."""
        # such terms are no functions of a row: poly(), scale(), x - x.mean(), ranks
        for spec in (self._spec, self._instrument_spec):
            state = {} if spec is None else spec.transform_state
            if state:
                return str(next(iter(state)))
        some = pandas_frame(self.template).iloc[:: max(len(self.template) // 50, 2)]
        every = slice(None, None, max(len(self.template) // 50, 2))
        for whole, part, names in (
            (self.design(), self.design(frame=some), self.names),
            (self.instruments(), self.instruments(frame=some), ("an instrument",) * 10_000),
        ):
            if whole is not None and part is not None and not np.array_equal(whole[every], part):
                return names[int(np.flatnonzero(np.any(whole[every] != part, axis=0))[0])]
        if not np.array_equal(np.asarray(self.outcome())[every], np.asarray(self.outcome(frame=some))):
            return self.parsed.outcome
        return None


def _formula(text: str) -> Any:
    from formulaic import Formula

    return Formula(text)


def _number_columns(parsed: ParsedFormula, template: Any) -> tuple[str, ...] | None:
    """Return the names of the covariates of ``x1 + x2``, all columns of numbers as they are; None for other formulas."""
    if parsed.effects or parsed.endogenous is not None:
        return None
    terms = [term.strip() for term in parsed.covariates.split("+")]
    names = [term for term in dict.fromkeys(terms) if term != "1"]
    if not all(n.isidentifier() and n != "Intercept" and n in template for n in names):
        return None
    kinds = (column_type(template, name) for name in names)
    if not all(isinstance(kind, np.dtype) and kind.kind in "iuf" for kind in kinds):
        return None
    return ("Intercept", *names)


def _plain_factors(columns: set[str], *formulas: Any) -> bool:
    """Tell whether every factor is a column as it is, a category in ``C`` or a constant: values in a row are its own."""
    return all(
        str(factor.expr) in columns | {"1"} or re.fullmatch(r"C\((\w+)\)", str(factor.expr)) is not None
        for formula in formulas
        if formula is not None
        for term in formula
        for factor in term.factors
    )


def required_variables(formula: Any, columns: set[str], factor: Any = None) -> set[str]:
    """Return the variables of a formula, or of one factor, those inside stateful transformations such as poly included."""
    if factor is not None:
        return _names_in(str(factor.expr)) & columns
    names = {str(v) for v in formula.required_variables}
    for term in formula:
        for part in term.factors:
            names |= _names_in(str(part.expr)) & columns
    return names


def _check_columns(template: Any, names: set[str]) -> None:
    if all(name in template for name in names):
        return
    unknown = sorted(names - set(map(str, template.columns)))
    if unknown:
        raise KeyError(
            f"The formula uses {', '.join(map(repr, unknown))}, which the data do not have; the columns "
            f"are {', '.join(map(repr, template.columns))}."
        )


def widen_numbers(frame: Any, names: Sequence[str]) -> Any:
    """Return a frame whose columns of small numbers have 64 bits, in which products and squares fit."""
    wide = {name: _wide_type(column_type(frame, name)) for name in names}
    small = {name: kind for name, kind in wide.items() if kind is not None}
    if not small:
        return frame
    rows = pandas_frame(frame)
    changed = {name: kind for name, kind in small.items() if not rows[name].hasnans}
    return rows.astype(changed) if changed else frame


def _wide_type(dtype: Any) -> type | None:
    if getattr(dtype, "itemsize", 8) >= 8:
        return None
    from pandas.api.types import is_float_dtype, is_integer_dtype

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
    if np.isfinite(matrix.sum()):
        return
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
    has_cells: bool = False  # whether cells of equal verdict give its interval
    of_share: bool = False  # whether its outcome lies between 0 and 1
    takes_range: bool = False  # whether the range of its outcome is declared
    takes_level: bool = False  # whether it is a quantile, of some level
    in_sequence: bool = False  # whether it has intervals for labels that come in sequence
    compares: bool = False  # whether it is a difference of groups or labels
    answered: Callable[[Any], str] = regression_words  # its result in one sentence
    on_command_line: bool = True
    predicts_numbers: bool = (
        False  # whether a regressor, not a classifier, predicts its label on the command line
    )

    def check(
        self, outcome: str, covariates: Sequence[str], has_covariates: bool, effects: Sequence[str]
    ) -> None:
        """Refuse formulas that the model does not allow; covariates are the names of the columns."""
        if has_covariates and not self.takes_covariates:
            groups = " but one column of groups" if self.has_cells else ""
            raise ValueError(
                f"model={self.name!r} takes no covariates{groups}; pass {outcome!r} alone, or use model='linear'."
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

_BY_CELLS = {**_ALONE, "has_cells": True}
"""What describes a mean or shares."""

MODELS: dict[str, RegressionModel] = {
    model.name: model
    for model in (
        _Mean(
            name="mean",
            moment=_mean,
            predicts_numbers=True,
            takes_range=True,
            in_sequence=True,
            answered=mean_words,
            **_BY_CELLS,
        ),
        _Mean(
            name="proportion",
            moment=_share,
            of_share=True,
            in_sequence=True,
            answered=share_words,
            **_BY_CELLS,
        ),
        _Shares(
            name="shares",
            moment=_mean,
            has_categories=True,
            of_share=True,
            answered=shares_words,
            **_BY_CELLS,
        ),
        _Difference(
            name="difference",
            moment=_linear,
            predicts_numbers=True,
            has_cells=True,
            takes_range=True,
            compares=True,
            answered=difference_words,
        ),
        RegressionModel(
            name="quantile",
            moment=_mean,
            on_command_line=False,
            takes_level=True,
            answered=quantile_words,
            **_ALONE,
        ),
        RegressionModel(
            name="linear", moment=_linear, takes_effects=True, predicts_numbers=True, in_sequence=True
        ),
        RegressionModel(name="logit", moment=_logit),
        RegressionModel(name="probit", moment=_probit),
        RegressionModel(name="poisson", moment=_poisson, predicts_numbers=True),
        RegressionModel(name="glm", moment=_any_family, takes_family=True, on_command_line=False),
        _Multinomial(name="multinomial", moment=_multinomial, has_categories=True, takes_offset=False),
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


@dataclass(frozen=True, kw_only=True)
class StudyRows:
    """Rows of a study as models read them: all of them in memory, or a part of a stream."""

    frame: Any  # pandas columns, labels filled in where they are unknown
    labelled: Bool1D
    probability: Float1D
    design: SamplingDesign
    fold_plan: FoldPlan  # of the cross-fitting
    clusters: tuple[Int1D, ...] = ()  # of the standard errors
    weights: Float1D | None = None
    offset: Float1D | None = None
    surrogates: Mapping[str, AnyArray] = field(default_factory=dict)  # machine labels by expert label
    given: Mapping[str, Float2D] = field(default_factory=dict)  # first-stage predictions, repeats first
    effects: tuple[Int1D, ...] = ()  # levels of the absorbed effects

    @cached_property
    def positions(self) -> AnyArray:
        """Positions of the labelled rows."""
        return np.flatnonzero(self.labelled)

    def take(self, rows: AnyArray, frame: Any = None) -> StudyRows:
        """Return some of the rows, given by their positions, with their columns where these are known."""
        if frame is None:
            frame = self.frame.take(rows) if isinstance(self.frame, FilledFrame) else self.frame.iloc[rows]
        return StudyRows(
            frame=frame,
            labelled=self.labelled[rows],
            probability=entries_at(self.probability, rows),
            design=self.design.take(rows),
            fold_plan=self.fold_plan.take(rows),
            clusters=tuple(c[rows] for c in self.clusters),
            weights=None if self.weights is None else self.weights[rows],
            offset=None if self.offset is None else self.offset[rows],
            surrogates={name: values[rows] for name, values in self.surrogates.items()},
            given={name: values[:, rows] for name, values in self.given.items()},
            effects=tuple(c[rows] for c in self.effects),
        )


@dataclass(frozen=True)
class FeatureCoder:
    """What predicts the labels: machine labels first, then other columns, text by its sorted classes."""

    machine: tuple[str, ...]
    others: tuple[str, ...]
    levels: Mapping[str, AnyArray] = field(default_factory=dict)

    @property
    def n_surrogates(self) -> int | None:
        """Number of leading features that are machine labels; None without any."""
        return sum(len(self.levels[name]) if name in self.levels else 1 for name in self.machine) or None

    def columns(self, frame: Any) -> dict[str, AnyArray]:
        """Return the features of some rows as they are."""
        return {name: column_values(frame, name) for name in (*self.machine, *self.others)}

    def encode(self, frame: Any) -> Float2D:
        """Return the features of some rows as numbers."""
        return self.encode_columns(self.columns(frame), len(frame))

    def encode_columns(self, columns: Mapping[str, AnyArray], n: int) -> Float2D:
        """Return features as numbers; a constant where there are none."""
        return encode_features(columns, self.levels) if columns else np.zeros((n, 1))


@dataclass(frozen=True, kw_only=True)
class RowCoder(ABC):
    """What turns rows of a study into rows of a model, with their expected scores."""

    moment: ModelMoment  # estimating function
    names: tuple[str, ...]  # names of the coefficients
    covariate_labels: tuple[str, ...] = ()  # labels among the covariates or instruments
    features: FeatureCoder = field(default_factory=lambda: FeatureCoder((), ()))
    models: CompletionModels | None = None  # of the labels
    given: tuple[str, ...] = ()  # labels whose predictions were given
    outcome_label: str | None = None
    n_given: int = 0  # repeats of the given predictions
    plug_in: bool = False
    with_raw: bool = False  # whether machine labels are plugged in, as the last term

    @abstractmethod
    def completed(
        self, rows: StudyRows, replacements: Mapping[str, AnyArray], outcome: FloatND | None
    ) -> RegressionRows:
        """Return rows of the model for one completion of the labels."""

    @abstractmethod
    def raw(self, rows: StudyRows) -> Completion:
        """Return the completion that takes machine labels for the truth."""

    @abstractmethod
    def read(self, frame: Any) -> Any:
        """Return the columns of some rows, checked, small numbers widened."""

    def part(
        self, rows: StudyRows, needed: Collection[int] | None = None
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        """Return rows as a sample with expected scores, those of the machine labels last; others than needed are empty."""
        root = None if rows.weights is None else np.sqrt(rows.weights)
        known = self._known_outcome(rows)
        filled = self.completed(rows, {}, None if known is None else _unread(len(rows.frame), known))
        gold = filled.take(rows.positions, outcome=known)
        if known is None and self.outcome_label is not None and not self.covariate_labels:
            # every expected score has an outcome of its own: nobody reads what was filled in
            filled = filled.with_outcome(_unread(filled.n_rows, filled.y))
            if isinstance(rows.frame, FilledFrame):
                rows.frame.forget(self.outcome_label)
        sample = LabelledSample(
            moment=self.moment,
            gold=gold,
            labelled=rows.labelled,
            probability=rows.probability,
            design=rows.design,
            clusters=rows.clusters,
            filled=filled,
            absorbed=AbsorbedRows(rows.effects, root) if rows.effects else None,
        )
        vars(sample)["positions"] = rows.positions

        def term(completions: Sequence[Completion]) -> ScoreTerm:
            return tuple(Component(rows=self._rows(rows, filled, c), weight=c.weight) for c in completions)

        n = self.n_terms
        found: list[ScoreTerm] = [()] * n
        if n and (needed is None or any(k < n for k in needed)):
            found = [term(completions) for completions in self._completions(rows)]
        if self.with_raw:
            skipped = needed is not None and n not in needed
            found.append(() if skipped else term((self.raw(rows),)))
        return sample, tuple(found)

    def _known_outcome(self, rows: StudyRows) -> FloatND | None:
        """Return the outcome of the labelled rows where nothing needs to be filled in for it, else None."""
        return None

    def labels_alone(self, rows: StudyRows, known: StudyRows) -> LabelledSample:
        """Return rows as a sample whose unlabelled rows have no design; ``known`` are the labelled ones."""
        sample = LabelledSample(
            moment=self.moment,
            gold=self.completed(known, {}, None),
            labelled=rows.labelled,
            probability=rows.probability,
            design=rows.design,
            clusters=rows.clusters,
        )
        vars(sample)["positions"] = rows.positions
        return sample

    @property
    def n_terms(self) -> int:
        """Number of expected scores that rest on predictions."""
        if self.given:
            return self.n_given if self.plug_in else 1
        return 0 if self.models is None else self.models.n_terms

    def _completions(self, rows: StudyRows) -> tuple[tuple[Completion, ...], ...]:
        if not self.given:
            assert self.models is not None
            columns = self.features.columns(rows.frame)
            return self.models.complete_in_blocks(self.features.encode_columns, columns, rows.fold_plan.folds)
        of = rows.given
        if not self.plug_in:
            of = {name: of[name].mean(axis=0)[None] for name in self.given}
        return tuple(
            (
                Completion(
                    replacements={name: of[name][r] for name in self.covariate_labels},
                    outcome=None if self.outcome_label is None else of[self.outcome_label][r],
                ),
            )
            for r in range(self.n_terms)
        )

    def _rows(self, rows: StudyRows, filled: RegressionRows, completion: Completion) -> RegressionRows:
        label = self.outcome_label
        if label is not None and label in completion.replacements and not self.covariate_labels:
            # draws of the outcome
            return filled.with_outcome(np.asarray(completion.replacements[label], dtype=np.float64))
        if self.covariate_labels or completion.replacements:
            return self.completed(rows, completion.replacements, completion.outcome)
        return filled if completion.outcome is None else filled.with_outcome(completion.outcome)


def _unread(n_rows: int, outcome: FloatND) -> FloatND:
    """Return an outcome like another one, of which nobody reads a value."""
    return repeated(np.nan, n_rows, *outcome.shape[1:])


@dataclass(frozen=True, kw_only=True)
class FormulaCoder(RowCoder):
    """Rows of the model of a formula."""

    builder: DesignBuilder
    kind: RegressionModel
    categories: AnyArray  # of an outcome with classes

    def read(self, frame: Any) -> Any:
        """Return the columns of some rows, checked, small numbers widened."""
        return self.builder.checked(frame)

    def outcome_of(self, values: AnyArray) -> FloatND:
        """Return an outcome as numbers, one indicator column a class where it has classes."""
        if not self.kind.has_categories:
            return numeric_outcome(values, self.builder.parsed.outcome)
        return one_hot(np.searchsorted(*_alike(self.categories, values)), len(self.categories))

    def _known_outcome(self, rows: StudyRows) -> FloatND | None:
        # a label as it is: other outcomes may take their values from all rows
        label, frame = self.outcome_label, rows.frame
        plain = label is not None and label == self.builder.parsed.outcome and not self.covariate_labels
        known = frame.known(label) if plain and isinstance(frame, FilledFrame) else None
        return None if known is None else self.outcome_of(known)

    def completed(
        self, rows: StudyRows, replacements: Mapping[str, AnyArray], outcome: FloatND | None
    ) -> RegressionRows:
        """Return rows of the model for one completion of the labels."""
        frame = rows.frame
        if outcome is None:
            outcome = self.outcome_of(self.builder.outcome(frame=frame))
            if not self.builder.outcome_labels:
                outcome = np.array(outcome)  # the caller goes on working on the column
        return RegressionRows(
            y=outcome,
            X=self.builder.design(replacements, frame)
            if self.kind.takes_covariates
            else repeated(1.0, len(frame), 1),
            Z=self.builder.instruments(replacements, frame),
            weights=rows.weights,
            offset=rows.offset,
        )

    def raw(self, rows: StudyRows) -> Completion:
        """Return the completion that takes machine labels for the truth."""
        values = rows.surrogates
        outcome = None
        if self.builder.outcome_labels:
            needed = {name: values[name] for name in self.builder.outcome_labels}
            outcome = np.array(self.outcome_of(self.builder.outcome(needed, rows.frame)))
        return Completion(
            replacements={name: values[name] for name in self.covariate_labels}, outcome=outcome
        )


@dataclass(frozen=True, kw_only=True)
class MomentCoder(RowCoder):
    """Rows of an estimating function of the user's own."""

    variables: tuple[str, ...]

    def read(self, frame: Any) -> Any:
        """Return the columns of some rows, small numbers widened."""
        return widen_numbers(frame, self.variables)

    def completed(
        self, rows: StudyRows, replacements: Mapping[str, AnyArray], outcome: FloatND | None
    ) -> RegressionRows:
        """Return rows of the model for one completion of the labels."""
        n = len(rows.frame)
        columns = {v: np.array(column_values(rows.frame, v)) for v in self.variables}
        return RegressionRows(
            y=np.zeros(n), X=np.zeros((n, 0)), weights=rows.weights, columns={**columns, **replacements}
        )

    def raw(self, rows: StudyRows) -> Completion:
        """Return the completion that takes machine labels for the truth."""
        return Completion(replacements={v: np.array(rows.surrogates[v]) for v in self.covariate_labels})


def categories_of(values: AnyArray) -> AnyArray:
    """Return the sorted distinct values of a categorical label."""
    if values.dtype.kind not in "fiub":
        return np.array(sorted({str(v) for v in values.tolist()}), dtype=object)
    return np.unique(values)


def _check_size(values: AnyArray, name: str) -> None:
    """Refuse numbers whose squares overflow or vanish: their column would look like a combination of others."""
    _check_largest(float(np.abs(values).max(initial=0.0)), name)


def _check_largest(largest: float, name: str) -> None:
    """Refuse the largest size of a column where its square overflows or vanishes."""
    if LARGEST_VALUE < largest < np.inf or 0.0 < largest < 1.0 / LARGEST_VALUE:
        raise ValueError(
            f"The variable {name!r} has values of size {largest:.3g}, whose squares float64 does not hold; rescale it."
        )


def numeric_outcome(values: AnyArray, name: str) -> Float1D:
    """Return an outcome as finite numbers, or say how words become numbers."""
    if values.dtype.kind not in "fiubO":
        raise ValueError(
            f"The outcome {name!r} is not numeric; use model='multinomial' or 'shares' for classes."
        )
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"The outcome {name!r}, or what the machine says of it, is not numeric: say which word counts as 1 with "
            "calibrate(..., positive=...), or use model='multinomial' or 'shares' for classes."
        ) from None
    if not np.isfinite(numbers).all():
        raise ValueError(f"The outcome {name!r} has missing or infinite values among the rows it is used in.")
    return numbers


def formula_coder(builder: DesignBuilder, labelled: Bool1D, model: ModelName, family: Any) -> FormulaCoder:
    """Return the rows of a formula without predictions; ``labelled`` are rows of the builder's template."""
    parsed = builder.parsed
    kind = MODELS[model]
    kind.check(parsed.outcome, builder.names, parsed.covariates != "1", parsed.effects)
    categories: AnyArray = np.empty(0)
    if kind.has_categories:
        outcome = builder.outcome()
        categories = categories_of(outcome[labelled] if builder.outcome_labels else outcome)
        if len(categories) < 2:
            raise ValueError(f"The outcome {parsed.outcome!r} has a single category among the expert labels.")
    return FormulaCoder(
        moment=choose_moment(model, family, len(categories), parsed.endogenous is not None),
        names=kind.names(parsed.outcome, builder.names, categories.tolist()),
        covariate_labels=builder.covariate_labels,
        outcome_label=builder.outcome_labels[0] if builder.outcome_labels else None,
        builder=builder,
        kind=kind,
        categories=categories,
    )


def _alike(categories: AnyArray, values: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return categories and values as text, each at its own width, where the categories are objects."""
    if categories.dtype != object:
        return categories, values
    return categories.astype(str), values.astype(str)


def labelled_design(gold: RegressionRows) -> Float2D:
    """Return the design of the labelled rows times the root of their analysis weights."""
    return gold.X if gold.weights is None else gold.X * np.sqrt(gold.weights)[:, None]
