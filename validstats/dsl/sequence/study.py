"""A study whose labels come in sequence: requests, labels and intervals by the names of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from validstats._typing import Float1D, Float2D, FloatND
from validstats.dsl.labels import Units, missing_values, read_labels
from validstats.dsl.regression import MODELS, DesignBuilder, parse_formula
from validstats.dsl.sequence.labelling import LabellingState, SequentialLabelling
from validstats.dsl.sequence.results import ConfidenceSequence, LabelRequest
from validstats.guarantee import Guarantee
from validstats.results import Report

__all__ = ["SequentialStudy", "check_sequential", "refuse_options", "refuse_sequential"]

K_FOLD_REFUSED = (
    "sequential=True learns from earlier labels only; folds would let later labels predict earlier ones, whose "
    "probabilities they depend on. Leave out n_folds={n_folds!r} and n_repeats={n_repeats!r}."
)


def check_sequential(sequential: bool, n_folds: int | None, n_repeats: int | None) -> None:
    """Refuse folds where labels come in sequence."""
    if sequential and (n_folds is not None or n_repeats is not None):
        raise ValueError(K_FOLD_REFUSED.format(n_folds=n_folds, n_repeats=n_repeats))


def refuse_sequential(sequential: bool, verb: str) -> None:
    """Refuse what belongs to a design that is drawn at once."""
    if sequential:
        raise ValueError(
            f"{verb} is not available with sequential=True, where probabilities are chosen label by label; "
            "use next_labels, or an estimator with sequential=False."
        )


def refuse_options(options: Mapping[str, Any], why: str) -> None:
    """Refuse options that were given and would be ignored."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ValueError(f"{', '.join(given)} cannot be given with sequential=True: {why}.")


class SequentialStudy:
    """Units with the labelling of them in sequence."""

    def __init__(self, units: Units, labelling: SequentialLabelling) -> None:
        self.units = units
        self.labelling = labelling.fit(units.base_features())
        self.label = "label"  # what the caller calls the expert label

    @property
    def state(self) -> LabellingState:
        """What has been recorded."""
        return self.labelling.state_

    @property
    def guarantee(self) -> Guarantee:
        """What the intervals of all looks promise together."""
        return self.labelling.guarantee

    def next_labels(self, n_units: int) -> LabelRequest:
        """Return whom to label next, in the caller's frames."""
        return replace(self.labelling.next_labels(n_units), backend=self.units.backend)

    def record(self, labels: Any) -> LabellingState:
        """Take all labels so far, those of the pending request included."""
        state = self.state
        pending = self.labelling.next_labels() if self.labelling.awaits_labels else None
        name, values = _single_label(labels, len(state.order))
        known = ~np.isnan(values)
        allowed = np.zeros(len(values), dtype=bool)
        allowed[state.order[: state.n_visited][~np.isnan(state.outcome)]] = True
        if pending is not None:
            allowed[pending.to_label] = True
        if np.any(known & ~allowed):
            raise ValueError(
                f"{int(np.sum(known & ~allowed))} label(s) are on units that were not selected for labelling; "
                "only the units of request.to_label may be labelled, or the recorded probabilities are wrong."
            )
        if pending is not None:
            if np.any(~known[pending.to_label]):
                raise ValueError(
                    f"{int(np.sum(~known[pending.to_label]))} of the {len(pending.to_label)} units of the last "
                    "request carry no label; leaving out units voids the recorded probabilities."
                )
            self.labelling.record(values[pending.to_label])
        self.label = name
        return self.state

    def infer(self, formula: Any, model: str, confidence_level: float | None) -> ConfidenceSequence:
        """Return anytime-valid intervals of a mean or of linear coefficients."""
        known = [name for name, kind in MODELS.items() if kind.in_sequence]
        if not isinstance(formula, str) or model not in known:
            raise ValueError(
                f"Anytime-valid intervals exist for the models {', '.join(map(repr, known))}; got {model!r}. For "
                "other models label by a design that is drawn at once (sequential=False)."
            )
        terms, design = self._design(formula, model)
        result = self.labelling.infer(design, confidence_level=confidence_level)
        asked = (
            f"the {'share' if MODELS[model].of_share else 'mean'} of {self.label}" if design is None else ""
        )
        return replace(result, terms=terms, model=model, subject=asked, backend=self.units.backend)

    def _design(self, formula: str, model: str) -> tuple[tuple[str, ...], Float2D | None]:
        """Return terms and always-observed regressors, none for a mean."""
        parsed = parse_formula(formula)
        if parsed.outcome != self.label:
            raise ValueError(f"The outcome must be the expert label {self.label!r}; got {formula!r}.")
        if not MODELS[model].takes_covariates:
            if parsed.covariates != "1" or parsed.effects or parsed.endogenous:
                raise ValueError(
                    f"model={model!r} takes no covariates; pass {parsed.outcome!r} alone, or use model='linear'."
                )
            return (f"{model}({self.label})",), None
        template = self.units.data.assign(**{self.label: 0.0})
        builder = DesignBuilder(parsed, template, (self.label,))
        if builder.covariate_labels or parsed.effects or parsed.endogenous:
            raise ValueError(
                "Sequential labelling takes always-observed covariates only, without absorbed effects or "
                f"instruments; got {formula!r}."
            )
        return builder.names, builder.design()

    def adjusted(self) -> FloatND:
        """Return adjusted labels of the units visited so far, NaN elsewhere."""
        adjusted = np.full(len(self.state.order), np.nan)
        adjusted[self.state.order[: self.state.n_visited]] = self.state.pseudo_outcome
        return adjusted

    def report(self) -> Report:
        """Describe what has been recorded."""
        state = self.state
        header = (
            ("Rows", len(state.order)),
            ("Rows visited", state.n_visited),
            ("Expert labels", int(np.sum(~np.isnan(state.outcome)))),
            ("Requests", len(state.look_times)),
            ("Probabilities", f"{state.probability.min():.4g} to {state.probability.max():.4g}"),
        )
        return Report(title="Sequential labelling", header=header, guarantees=(self.guarantee,))


def _single_label(labels: Any, n_rows: int) -> tuple[str, Float1D]:
    known = read_labels(labels, n_rows)
    if len(known) != 1:
        raise ValueError(f"Sequential labelling takes one expert label, got {', '.join(map(repr, known))}.")
    name, values = next(iter(known.items()))
    if values.dtype.kind != "f":
        raise ValueError(f"The expert label {name!r} must be numeric; encode two classes as 0 and 1.")
    return name, np.where(missing_values(values), np.nan, values)
