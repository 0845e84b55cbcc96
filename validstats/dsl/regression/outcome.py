"""From an estimate to the result that a caller sees, for rows in memory and for streams."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats._typing import Float1D
from validstats.dsl.fit import Estimate, LabelledSample, Sample, SimpleFit
from validstats.dsl.moments import effective_labels, kish_size
from validstats.dsl.regression.preparation import InferenceRequest
from validstats.dsl.regression.statements import inference_guarantee
from validstats.dsl.results import CoefficientResult

__all__ = ["coefficient_result"]


def coefficient_result(
    found: Estimate,
    request: InferenceRequest,
    sample: Sample,
    *,
    gold: SimpleFit | None,
    clustered_by: str | None,
    with_raw: bool,
    pairwise: bool = False,
    **words: Any,
) -> CoefficientResult:
    """Return an estimate with its guarantee and the fits that stand beside it."""
    labelled = sample.labelled if isinstance(sample, LabelledSample) else None
    return CoefficientResult(
        guarantee=inference_guarantee(
            request.calibration,
            request.confidence_level,
            estimator=request.estimator,
            tuning=found.tuning,
            population=request.population,
            clustered_by=clustered_by,
            pairwise_effects=pairwise,
            with_raw=with_raw,
        ),
        backend=request.units.backend,
        fit=found,
        confidence_level=float(request.confidence_level),
        estimator=request.estimator,
        kind=request.kind,
        population=request.population,
        n_rows=sample.n_rows,
        n_labelled=sample.n_labelled,
        effective_labels=_worth_in_labels(sample, found, gold, request.population == "finite"),
        kish_labels=kish_size(sample.gold_weights),
        gold=gold,
        clustered_by=clustered_by,
        clusters=sample.clusters if labelled is not None and clustered_by is not None else (),
        labelled=labelled,
        n_passes=sample.n_passes,
        **words,
    )


def _worth_in_labels(sample: Sample, found: Estimate, gold: SimpleFit | None, finite: bool) -> Float1D:
    """Return how many labels alone would be as precise, by coefficient."""
    if gold is None:
        return np.full(len(found.params), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return effective_labels(
            sample.n_labelled,
            gold.std_error**2,
            np.diag(found.covariance),
            sample.n_rows,
            finite=finite,
        )
