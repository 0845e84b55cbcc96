"""Streams by one call: the rows of a source through ``DesignSupervised``, columns in place of a formula."""

from __future__ import annotations

from typing import Any

from validstats.dsl import DesignSupervised
from validstats.dsl.streaming import sliced
from validstats.intake import is_frame


def streamed(
    source: Any,
    *,
    label: str,
    covariates: Any = (),
    predictions: Any = (),
    features: Any = "all",
    chunk_size: int = 200_000,
    sampling_probability: Any = None,
    strata: str | None = None,
    clusters: Any = None,
    estimator: str = "tuned",
    learner: Any = None,
    n_folds: int | None = None,
    n_repeats: int | None = None,
    random_state: Any = None,
    confidence_level: float = 0.95,
    **options: Any,
) -> Any:
    """Return the result of a regression; without features the first prediction is taken as it is."""
    predictions = [predictions] if isinstance(predictions, str) else list(predictions)
    given = None
    if features == () and estimator in ("tuned", "dsl"):
        given = predictions[0]
    source = sliced(source, chunk_size) if is_frame(source) else source
    return (
        DesignSupervised(
            learner,
            estimator=estimator,
            n_folds=n_folds,
            n_repeats=n_repeats,
            random_state=random_state,
            confidence_level=confidence_level,
        )
        .fit(source, surrogate=predictions or None, features=features, chunk_size=chunk_size)
        .calibrate(label, sampling_probability=sampling_probability, strata=strata, clusters=clusters)
        .infer(
            f"{label} ~ {' + '.join(covariates) or '1'}",
            cross_fitted=given,
            **options,
        )
    )
