"""Clusters of the standard errors of one inference, and the degrees of freedom that they leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from validstats._typing import Int1D
from validstats.dsl.moments import checked_clusters, cluster_degrees, warn_about_clusters
from validstats.dsl.regression.preparation import InferenceRequest

__all__ = ["degrees_of_freedom", "resolve_clusters", "warn_about_few_clusters"]


def resolve_clusters(request: InferenceRequest, effects: tuple[str, ...]) -> tuple[list[Int1D], str | None]:
    """Return cluster codes of the standard errors and what they are called."""
    codes, name = _clusters_of(request, effects)
    return codes, None if request.population == "finite" else name


def _clusters_of(request: InferenceRequest, effects: tuple[str, ...]) -> tuple[list[Int1D], str | None]:
    n = len(request.units.data)
    if request.clusters:
        codes = [checked_clusters(c.astype(str), n) for c in request.clusters]
        _check_drawn_clusters(request, codes)
        return codes, request.cluster_names or "given clusters"
    if request.calibration.clusters:
        return list(request.calibration.clusters), request.calibration.cluster_names or "calibration clusters"
    if effects:
        return [checked_clusters(request.units.data[effects[0]].astype(str).to_numpy(), n)], effects[0]
    return [], None


def _check_drawn_clusters(request: InferenceRequest, codes: list[Int1D]) -> None:
    """Refuse clusters of standard errors that divide clusters of which the labels were drawn as a whole."""
    design = request.calibration.design
    if request.population == "finite" or design.scheme != "clusters":
        return
    assert design.units is not None
    pairs = [np.unique(np.column_stack([design.units, c]), axis=0)[:, 0] for c in codes]
    divided = min(int(np.sum(np.bincount(units) > 1)) for units in pairs)
    if divided:
        raise ValueError(
            f"clusters divides {divided} of the {int(design.units.max()) + 1} clusters that were labelled as a whole in "
            "calibrate, and the labels of a drawn cluster depend on each other. Give clusters that are unions of the "
            "drawn ones, or leave clusters out, which takes the drawn ones."
        )


def warn_about_few_clusters(
    request: InferenceRequest, clusters: Sequence[Int1D], clustered_by: str | None
) -> None:
    """Warn about clusters of standard errors that are few, unless ``calibrate`` has said so of the same
    clusters."""
    calibration = request.calibration
    drawn = calibration.design.scheme == "clusters" and not request.clusters and len(clusters) == 1
    if request.population == "superpopulation" and not drawn:
        warn_about_clusters(clusters, calibration.labelled, clustered_by)


def degrees_of_freedom(request: InferenceRequest, clusters: Sequence[Int1D], n_fitted: int) -> float | None:
    """Return degrees of freedom of the t distribution, or None for normal quantiles."""
    calibration = request.calibration
    if clusters and request.population == "superpopulation":
        return cluster_degrees(clusters, calibration.labelled)
    return float(max(calibration.n_units - n_fitted, 1)) if calibration.n_units < 200 else None
