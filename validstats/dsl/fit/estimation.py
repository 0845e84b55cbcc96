"""Roots of design-based estimating equations, and the names of the estimators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, TypeAlias

import numpy as np

from validstats._typing import Float1D, Float2D
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

__all__ = [
    "AugmentedFit",
    "EstimatorName",
    "Tuning",
    "TuningKind",
    "fit_augmented",
    "fit_term",
    "one_step",
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
