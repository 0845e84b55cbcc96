"""Streams by one call: the rows of a source through ``DesignSupervised``, columns in place of a formula.

The learner is a line over two folds, which is the fastest, unless a test is about learners.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from validstats.dsl import DesignSupervised
from validstats.intake import is_frame
from validstats.runtime import sliced


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
    learner: Any = "linear",
    n_folds: int | None = 2,
    n_repeats: int | None = 1,
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


def clustered_rows(n_clusters=80, size=25, seed=0):
    """Return rows whose covariate, errors and machine errors are shared within clusters."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_clusters), size)
    x, shared = rng.normal(size=(2, n_clusters))[:, group]
    truth = 1 + x + shared + 0.3 * rng.normal(size=len(group))
    return pd.DataFrame(
        {
            "x": x,
            "machine": truth + 0.5 * rng.normal(size=len(group)),
            "y": np.where(rng.random(len(group)) < 0.4, truth, np.nan),
            "group": group,
        }
    )


def streamed_rows(frame: Any, **options: Any) -> Any:
    """Return the result for such rows in small parts, machine labels taken for the first stage."""
    settings = {
        "label": "y",
        "predictions": "machine",
        "sampling_probability": 0.4,
        "estimator": "dsl",
        "features": (),
        "chunk_size": 330,
    }
    return streamed(frame, **(settings | options))
