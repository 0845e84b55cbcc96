"""From a formula and a data frame to the completed rows that the moments are computed on."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Float2D
from validstats.intake import as_floats, read_array

__all__ = ["DesignBuilder", "ParsedFormula", "parse_formula", "widen_numbers"]


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
    if not isinstance(formula, str) or not formula.strip():
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
