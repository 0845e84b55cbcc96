"""Labels that were drawn at once: from what a caller passes to a calibration, and adjusted labels from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats._typing import FloatND
from validstats.dsl.labels.calibration import (
    Calibration,
    PartialLabels,
    labelled_rows,
    predict_labels,
    read_labels,
    resolve_design,
    resolve_probability,
    typed_labels,
    warn_about_labels,
)
from validstats.dsl.labels.crossfit import CrossFitter, label_kind, make_folds
from validstats.dsl.labels.units import Units, joined_names
from validstats.dsl.moments import cluster_codes

__all__ = ["adjusted_labels", "calibrated"]


def calibrated(
    units: Units,
    labels: Any,
    *,
    sampling_probability: Any,
    strata: Any,
    clusters: Any,
    partial_labels: PartialLabels,
    learner: Any,
    n_folds: int,
    n_repeats: int,
    generator: np.random.Generator,
) -> Calibration:
    """Read expert labels and how they were drawn, and cross-fit the learner."""
    known = read_labels(units.labels(labels), units.n_rows)
    sampling_probability = units.probability(sampling_probability)
    labelled, n_partial = labelled_rows(known, partial_labels)
    cluster_arrays = tuple(cluster_codes(c.astype(str)) for c in units.vectors(clusters, "clusters"))
    design = resolve_design(labelled, units.vector(strata, "strata"), cluster_arrays, sampling_probability)
    base = units.base_features(known)
    probability, text = resolve_probability(sampling_probability, labelled, design, base)
    fold_clusters = cluster_arrays[0] if cluster_arrays else None
    folds = np.array([make_folds(units.n_rows, n_folds, generator, fold_clusters) for _ in range(n_repeats)])
    fitter = CrossFitter(learner=learner, folds=folds, labelled=labelled)
    gold = {name: typed_labels(values[labelled]) for name, values in known.items()}
    predictions, classes = predict_labels(fitter, gold, base)
    calibration = Calibration(
        labels=known,
        kinds={name: label_kind(values) for name, values in gold.items()},
        labelled=labelled,
        probability=probability,
        design=design,
        design_text=text,
        clusters=cluster_arrays,
        folds=folds,
        predictions=predictions,
        classes=classes,
        n_partial=n_partial,
        cluster_names=joined_names(clusters),
    )
    warn_about_labels(calibration)
    return calibration


def adjusted_labels(calibration: Calibration, label: str | None) -> FloatND:
    """Return the cross-fitted prediction plus the weighted expert correction of one label."""
    if label is None and len(calibration.labels) == 1:
        label = next(iter(calibration.labels))
    if label is None or label not in calibration.labels:
        raise ValueError(f"label must be one of {', '.join(map(repr, calibration.labels))}, got {label!r}.")
    labelled = calibration.labelled
    gold = typed_labels(calibration.labels[label][labelled])
    weight: FloatND = 1.0 / calibration.probability[labelled]
    if calibration.kinds[label] == "categorical":
        adjusted = calibration.predictions[label].T.copy()
        target: FloatND = (gold.astype(str)[:, None] == calibration.classes[label][None, :]).astype(float)
        weight = weight[:, None]
    else:
        adjusted, target = calibration.predictions[label].copy(), gold.astype(np.float64)
    # g + w (s - g)
    adjusted[labelled] += weight * (target - adjusted[labelled])
    return adjusted
