"""The part of ``DesignSupervised`` that concerns labels not yet bought: how many, which ones, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, FloatND
from validstats.dsl.labels import Calibration, missing_values, read_labels
from validstats.dsl.plan import (
    DrawName,
    LabelPlan,
    MethodName,
    Pilot,
    SamplingPlan,
    design_sampling,
    plan_labels,
    residual_scale,
)
from validstats.dsl.regression import (
    DesignBuilder,
    InferenceRequest,
    feature_matrix,
    fill_labels,
    parse_formula,
)
from validstats.dsl.results import CoefficientResult
from validstats.dsl.sequence import ConfidenceSequence, LabelRequest, RuleName, SequentialLabelling
from validstats.intake import check_random_state
from validstats.results import Report

__all__ = ["LabellingMixin"]

K_FOLD_REFUSED = (
    "sequential=True learns from earlier labels only; folds would let later labels predict earlier ones, whose "
    "probabilities they depend on. Leave out n_folds={n_folds!r} and n_repeats={n_repeats!r}."
)


class LabellingMixin:
    """Planning, sampling designs and sequential labelling for an estimator with labels and a learner."""

    sequential: bool
    n_folds: int | None
    n_repeats: int | None
    learner: Any
    confidence_level: float
    random_state: Any
    data_: Any
    calibration_: Any
    guarantee_: Any
    labelling_: SequentialLabelling

    def _refuse_sequential(self, verb: str) -> None:
        if self.sequential:
            raise ValueError(
                f"{verb} is not available with sequential=True, where probabilities are chosen label by label; "
                "use next_labels, or an estimator with sequential=False."
            )

    def _check_sequential(self) -> None:
        if self.sequential and (self.n_folds is not None or self.n_repeats is not None):
            raise ValueError(K_FOLD_REFUSED.format(n_folds=self.n_folds, n_repeats=self.n_repeats))

    def plan_labels(
        self,
        formula: Any,
        sizes: Sequence[int] | None = None,
        *,
        effects: Mapping[str, float] | float | None = None,
        target_std_error: float | None = None,
        target_power: float | None = None,
        confidence_level: float | None = None,
        **options: Any,
    ) -> LabelPlan:
        """Forecast standard errors and power for other numbers of expert labels, from the labels there are."""
        self._refuse_sequential("plan_labels")
        result = self.infer(formula, **options)  # type: ignore[attr-defined]
        return plan_labels(
            result,
            sizes,
            effects=effects,
            target_std_error=target_std_error,
            target_power=target_power,
            confidence_level=confidence_level,
        )

    def design_sampling(
        self,
        formula: str,
        n_labels: int,
        *,
        coefficients: Sequence[str] | None = None,
        method: MethodName = "auto",
        draw: DrawName = "auto",
        floor: float = 0.2,
        minimum_gain: float = 0.15,
        scale_learner: Any = None,
        random_state: Any = None,
        **options: Any,
    ) -> SamplingPlan:
        """Propose which further units to label; the labels there are serve as the pilot."""
        # The size of the residual influence on the chosen coefficients is learned from the pilot, by
        # cross-fitting, and the gain of Neyman allocation is forecast from the pilot's own residuals.
        # For all units of ``fit``. Units that carry labels have probability 1 and are not selected again:
        # given the pilot they are certain. Pass ``sampling_probability`` and ``strata`` of the plan, with all
        # labels, to ``calibrate``.
        self._refuse_sequential("design_sampling")
        result = self.infer(formula, **options)  # type: ignore[attr-defined]
        calibration: Calibration = self.calibration_
        seed = self.random_state if random_state is None else random_state
        generator = check_random_state(seed)
        squared = _squared_residual(result, coefficients)
        features = self._scale_features(formula, options)
        labelled = calibration.labelled
        if labelled.all():
            raise ValueError("Every unit carries an expert label; there is nobody left to label.")
        scale = residual_scale(squared, features, labelled, generator, scale_learner)
        pilot = Pilot(
            squared_residual=squared,
            probability=calibration.probability[labelled],
            uncertainty=scale[labelled],
        )
        plan = design_sampling(
            int((~labelled).sum()),
            n_labels,
            method=method,
            uncertainty=scale[~labelled],
            pilot=pilot,
            draw=draw,
            floor=floor,
            minimum_gain=minimum_gain,
            random_state=generator,
        )
        return _over_all_units(plan, labelled, self.backend_)  # type: ignore[attr-defined]

    def _scale_features(self, formula: str, options: Mapping[str, Any]) -> Float2D:
        allowed = ("model", "family", "quantile", "estimator")
        chosen = {k: v for k, v in options.items() if k in allowed}
        request: InferenceRequest = self._request(**chosen)  # type: ignore[attr-defined]
        builder = DesignBuilder(
            parse_formula(formula), fill_labels(request), tuple(request.calibration.labels)
        )
        return feature_matrix(replace(request, estimator="tuned"), builder.variables)

    def next_labels(
        self,
        n_units: int = 200,
        *,
        label_share: float = 0.1,
        rule: RuleName = "uniform",
        n_first: int = 100,
        start: int = 500,
    ) -> LabelRequest:
        """Take the next units in random order and draw whom of them to label."""
        # Send ``request.to_label`` to the experts, pass all labels so far to ``calibrate``, look at
        # ``infer``, and go on or stop. The same request is returned until its labels have been passed.
        if not self.sequential:
            raise ValueError(
                "next_labels draws labels in sequence, for which folds are invalid; construct the estimator "
                "with sequential=True. For a design that is drawn at once use design_sampling."
            )
        if not hasattr(self, "data_"):
            raise ValueError("There are no units yet; call fit(data, surrogate=...) first.")
        if not hasattr(self, "labelling_"):
            self.labelling_ = SequentialLabelling(
                self.learner,
                label_share=label_share,
                rule=rule,
                n_first=n_first,
                start=start,
                confidence_level=self.confidence_level,
                random_state=self.random_state,
            ).fit(self._base_features({}))  # type: ignore[attr-defined]
        return replace(self.labelling_.next_labels(n_units), backend=self.backend_)  # type: ignore[attr-defined]

    def _refuse_design(self, probability: Any, strata: Any, clusters: Any) -> None:
        for value, name in (
            (probability, "sampling_probability"),
            (strata, "strata"),
            (clusters, "clusters"),
        ):
            if value is not None:
                raise ValueError(
                    f"{name} cannot be given with sequential=True: the probabilities are those that next_labels "
                    "recorded, unit by unit."
                )

    def _calibrate_sequential(self, labels: Any) -> Self:
        if not hasattr(self, "labelling_"):
            raise ValueError("No labels have been asked for; call next_labels() first.")
        state = self.labelling_.state_
        pending = self.labelling_.next_labels() if self.labelling_.awaits_labels else None
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
            self.labelling_.record(values[pending.to_label])
        self._label_name = name
        self.calibration_ = self.labelling_.state_
        self.guarantee_ = self.labelling_.guarantee
        return self

    def _infer_sequential(
        self, formula: Any, model: str, confidence_level: float | None, options: Mapping[str, Any]
    ) -> ConfidenceSequence:
        given = [name for name, value in options.items() if value is not None]
        if given:
            raise ValueError(
                f"{', '.join(given)} cannot be used with sequential=True; anytime-valid intervals are for unweighted "
                "means and linear coefficients of the whole population of units."
            )
        if not isinstance(formula, str) or model not in ("mean", "proportion", "linear"):
            raise ValueError(
                f"Anytime-valid intervals exist for model='mean', 'proportion' and 'linear'; got {model!r}. For "
                "other models label by a design that is drawn at once (sequential=False)."
            )
        parsed = parse_formula(formula)
        if parsed.outcome != self._label_name:
            raise ValueError(f"The outcome must be the expert label {self._label_name!r}; got {formula!r}.")
        if model != "linear":
            if parsed.covariates != "1" or parsed.effects or parsed.endogenous:
                raise ValueError(
                    f"model={model!r} takes no covariates; pass {parsed.outcome!r} alone, or use model='linear'."
                )
            design = None
        else:
            template = self.data_.assign(**{self._label_name: 0.0})
            builder = DesignBuilder(parsed, template, (self._label_name,))
            if builder.covariate_labels or parsed.effects or parsed.endogenous:
                raise ValueError(
                    "Sequential labelling takes always-observed covariates only, without absorbed effects or "
                    f"instruments; got {formula!r}."
                )
            design = (builder.design(), builder.names)
        result = self.labelling_.infer(
            None if design is None else design[0], confidence_level=confidence_level
        )
        terms = (f"{model}({self._label_name})",) if design is None else design[1]
        return replace(result, terms=terms, backend=self.backend_)  # type: ignore[attr-defined]

    def _predict_sequential(self) -> FloatND:
        """Return adjusted labels of the units visited so far, NaN elsewhere."""
        state = self.labelling_.state_
        adjusted = np.full(len(state.order), np.nan)
        adjusted[state.order[: state.n_visited]] = state.pseudo_outcome
        return adjusted

    def _report_sequential(self) -> Report:
        state = self.labelling_.state_
        labelled = ~np.isnan(state.outcome)
        header = (
            ("Rows", len(state.order)),
            ("Rows visited", state.n_visited),
            ("Expert labels", int(labelled.sum())),
            ("Requests", len(state.look_times)),
            ("Probabilities", f"{state.probability.min():.4g} to {state.probability.max():.4g}"),
        )
        return Report(title="Sequential labelling", header=header, guarantees=(self.guarantee_,))


def _single_label(labels: Any, n_rows: int) -> tuple[str, Float1D]:
    known = read_labels(labels, n_rows)
    if len(known) != 1:
        raise ValueError(f"Sequential labelling takes one expert label, got {', '.join(map(repr, known))}.")
    name, values = next(iter(known.items()))
    if values.dtype.kind != "f":
        raise ValueError(f"The expert label {name!r} must be numeric; encode two classes as 0 and 1.")
    return name, np.where(missing_values(values), np.nan, values)


def _squared_residual(result: CoefficientResult, coefficients: Sequence[str] | None) -> Float1D:
    """Return the squared residual influence on some coefficients, in units of their standard errors."""
    if result.residual is None:
        raise ValueError("This model has no residual influence to design a sample for; use a smooth model.")
    names = list(result.names)
    if coefficients is None:
        coefficients = [name for name in names if name != "Intercept"] or names
    unknown = [name for name in coefficients if name not in names]
    if unknown or not len(coefficients):
        raise ValueError(
            f"coefficients must be some of {', '.join(map(repr, names))}; got {list(coefficients)!r}."
        )
    index = [names.index(name) for name in coefficients]
    scaled = result.residual[:, index] / result.std_error[index]
    return np.asarray(np.sum(scaled**2, axis=1), dtype=np.float64)


def _over_all_units(plan: SamplingPlan, labelled: Bool1D, backend: Any) -> SamplingPlan:
    """Extend a plan for the unlabelled units to all units; those that carry labels are certain."""
    probability = np.ones(len(labelled))
    probability[~labelled] = plan.sampling_probability
    selected = np.zeros(len(labelled), dtype=bool)
    selected[~labelled] = plan.selected
    strata: AnyArray | None = None
    if plan.draw == "fixed":
        strata = np.where(labelled, "labelled before", "new")
    return replace(plan, sampling_probability=probability, selected=selected, strata=strata, backend=backend)
