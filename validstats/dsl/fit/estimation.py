"""Roots of design-based estimating equations, and the names of the estimators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, TypeAlias

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, Int1D
from validstats.dsl.fit.augmentation import (
    Augmentation,
    LabelledSample,
    ScoreTerm,
    expected_jacobian,
    expected_score,
    psi_jacobian,
    psi_mean,
    psi_scores,
)
from validstats.dsl.moments import ModelMoment, NewtonResult, find_root, invert_bread
from validstats.exceptions import LabellingWarning, few_clusters_message, warn

__all__ = [
    "AugmentedFit",
    "EstimatorName",
    "Tuning",
    "TuningKind",
    "checked_clusters",
    "cluster_codes",
    "cluster_degrees",
    "fit_augmented",
    "fit_term",
    "one_step",
    "warn_about_clusters",
]

EstimatorName: TypeAlias = Literal["tuned", "dsl", "ppi", "ppi++", "gold"]
"""The estimators: ``g`` is tuned, cross-fitted plug-in, raw surrogate score, the same scaled, or zero."""

Tuning: TypeAlias = Literal["matrix", "diagonal", "scalar"]
"""How freely ``"tuned"`` may scale, where that is asked for."""

TuningKind: TypeAlias = Literal["matrix", "diagonal", "scalar", "none"]
"""How freely the augmentation is scaled: all coefficients jointly, each alone, one number, not at all."""


@dataclass(frozen=True, kw_only=True)
class AugmentedFit:
    """A solved design-based estimating equation."""

    params: Float1D  # estimate
    evaluate: Callable[[], Float2D]  # returns the estimating function of every row; see ``psi``
    bread: Float2D  # inverse of the mean Jacobian of ``psi``
    augmentation: Augmentation  # the function that was used
    newton: NewtonResult  # diagnostics of the solver
    fallback: str | None = None  # what was done where no root was found

    @cached_property
    def psi(self) -> Float2D:
        """Estimating function of every row at ``params``, shape ``(n, p)``, formed when it is asked for."""
        return self.evaluate()


def fit_term(moment: ModelMoment, term: ScoreTerm, start: Float1D | None = None) -> NewtonResult:
    """Solve the mean expected score alone: the naive fit that takes machine labels for the truth."""
    first = term[0].rows
    n = first.n_rows
    ones = np.ones(n)
    if start is None:
        start = moment.start(first, ones)
    return find_root(
        lambda b: expected_score(moment, term, b).mean(axis=0),
        lambda b: expected_jacobian(moment, term, b, ones) / n,
        start,
    )


def fit_augmented(
    sample: LabelledSample, augmentation: Augmentation, start: Float1D | None = None
) -> AugmentedFit | None:
    """Solve the design-based estimating equation for one augmentation."""
    for attempt in range(2):
        if attempt == 0:
            candidate = sample.moment.start(sample.gold, sample.gold_weights) if start is None else start
        elif augmentation.terms:
            candidate = fit_term(sample.moment, augmentation.terms[0]).params
        else:
            break
        if not np.all(np.isfinite(candidate)):
            continue
        equation = _EstimatingEquation(sample, augmentation)
        newton = find_root(
            equation.mean, equation.jacobian, candidate, is_affine=sample.moment.linear_in_params
        )
        if newton.converged:
            bread = invert_bread(equation.jacobian(newton.params))
            if bread is not None:
                return AugmentedFit(
                    params=newton.params,
                    evaluate=partial(psi_scores, sample, augmentation, newton.params),
                    bread=bread,
                    augmentation=augmentation,
                    newton=newton,
                )
    return None


class _EstimatingEquation:
    """The mean of ``psi`` and its Jacobian, which is kept where it does not depend on the parameters."""

    def __init__(self, sample: LabelledSample, augmentation: Augmentation) -> None:
        self._sample = sample
        self._augmentation = augmentation
        self._slope: Float2D | None = None

    def mean(self, params: Float1D) -> Float1D:
        return psi_mean(self._sample, self._augmentation, params)

    def jacobian(self, params: Float1D) -> Float2D:
        if self._slope is None or not self._sample.moment.linear_in_params:
            self._slope = psi_jacobian(self._sample, self._augmentation, params)
        return self._slope


def one_step(
    sample: LabelledSample, augmentation: Augmentation, pilot: AugmentedFit, reason: str
) -> AugmentedFit:
    """Take one Newton step on a new augmentation from the root of another one."""
    # A single step from a root-n-consistent pilot has the same limiting distribution as the root; the pilot's
    # bread is used, which is invertible.
    # The one-step estimate, with ``psi`` evaluated at the pilot and recentred to mean zero.
    moment = psi_mean(sample, augmentation, pilot.params)
    return AugmentedFit(
        params=pilot.params + pilot.bread @ moment,
        evaluate=partial(_recentred_scores, sample, augmentation, pilot.params, moment),
        bread=pilot.bread,
        augmentation=augmentation,
        newton=pilot.newton,
        fallback=reason,
    )


def _recentred_scores(
    sample: LabelledSample, augmentation: Augmentation, params: Float1D, mean: Float1D
) -> Float2D:
    return psi_scores(sample, augmentation, params) - mean


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
