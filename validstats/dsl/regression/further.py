"""Further units to label: the residuals of the labels there are say where labels are worth most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D
from validstats.dsl.plan import Pilot, SamplingPlan, design_sampling, residual_scale
from validstats.dsl.regression.formulas import DesignBuilder, parse_formula
from validstats.dsl.regression.preparation import InferenceRequest, feature_matrix, fill_labels
from validstats.dsl.results import CoefficientResult

__all__ = ["sampling_of_further_units"]


def sampling_of_further_units(
    result: CoefficientResult,
    formula: str,
    request: InferenceRequest,
    n_labels: int,
    *,
    coefficients: Sequence[str] | None,
    scale_learner: Any,
    generator: np.random.Generator,
    **options: Any,
) -> SamplingPlan:
    """Propose which further units to label; the labels there are serve as the pilot."""
    calibration = request.calibration
    labelled = calibration.labelled
    squared = _squared_residual(result, coefficients)
    if labelled.all():
        raise ValueError("Every unit carries an expert label; there is nobody left to label.")
    template = fill_labels(request)
    builder = DesignBuilder(parse_formula(formula), template, tuple(calibration.labels))
    features, _ = feature_matrix(replace(request, estimator="tuned"), builder.variables)
    scale = residual_scale(squared, features, labelled, generator, scale_learner)
    pilot = Pilot(
        squared_residual=squared,
        probability=calibration.probability[labelled],
        uncertainty=scale[labelled],
    )
    plan = design_sampling(
        int((~labelled).sum()),
        n_labels,
        uncertainty=scale[~labelled],
        pilot=pilot,
        random_state=generator,
        **options,
    )
    return _over_all_units(plan, labelled, request.units.backend)


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
