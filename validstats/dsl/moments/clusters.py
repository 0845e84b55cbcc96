"""Cluster codes: reading them, counting those with labels, and degrees of freedom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from validstats._typing import AnyArray, Bool1D, Int1D
from validstats.exceptions import LabellingWarning, few_clusters_message, warn

__all__ = ["checked_clusters", "cluster_codes", "cluster_degrees", "warn_about_clusters"]


def cluster_codes(labels: AnyArray) -> Int1D:
    """Return integer codes ``0..G-1`` of cluster or stratum labels."""
    return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)


def checked_clusters(labels: AnyArray, n_rows: int) -> Int1D:
    """Return cluster codes for a variance, which needs two clusters at least."""
    values = np.asarray(labels)
    if values.shape != (n_rows,):
        raise ValueError(
            f"clusters must have one label for each of the {n_rows} rows; got shape {values.shape}."
        )
    codes = cluster_codes(values)
    if codes.max() == 0:
        raise ValueError(
            "clusters puts all rows in one cluster, from which no variance can be estimated; cluster by something "
            "finer, or not at all."
        )
    return codes


def _labelled_clusters(clusters: Sequence[Int1D], labelled: Bool1D) -> int:
    return min(len(np.unique(codes[labelled])) for codes in clusters)


def cluster_degrees(clusters: Sequence[Int1D], labelled: Bool1D) -> float | None:
    """Return degrees of freedom of the t distribution for clustered standard errors, or None for normal
    quantiles."""
    n_clusters = _labelled_clusters(clusters, labelled)
    return float(max(n_clusters - 1, 1)) if n_clusters < 200 else None


def warn_about_clusters(clusters: Sequence[Int1D], labelled: Bool1D, name: str | None) -> None:
    """Warn if fewer than 50 clusters carry expert labels."""
    if not clusters:
        return
    n_clusters = _labelled_clusters(clusters, labelled)
    if n_clusters < 50:
        message = few_clusters_message.format(n_clusters=n_clusters, name=name or "given clusters")
        warn(message, LabellingWarning)
