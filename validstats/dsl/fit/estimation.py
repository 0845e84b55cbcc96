"""Roots of design-based estimating equations, and the names of the estimators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal, TypeAlias

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.dsl.fit.augmentation import (
    Augmentation,
    LabelledSample,
    PsiSums,
    Sample,
    ScoreTerm,
    expected_jacobian,
    expected_score,
    identity_augmentation,
    psi_mean,
    psi_scores,
    psi_sums,
)
from validstats.dsl.moments import NewtonResult, find_root, invert_bread

__all__ = [
    "AugmentedFit",
    "EstimatorName",
    "Tuning",
    "TuningKind",
    "fit_augmented",
    "fit_term",
    "one_step",
    "term_sums",
]

EstimatorName: TypeAlias = Literal["tuned", "dsl", "ppi", "ppi++", "gold"]
"""The estimators: ``g`` is tuned, cross-fitted plug-in, raw surrogate score, the same scaled, or zero."""

Tuning: TypeAlias = Literal["diagonal", "scalar", "matrix", "none"]
"""How freely ``"tuned"`` may scale, where that is asked for."""

TuningKind: TypeAlias = Literal["matrix", "diagonal", "scalar", "none"]
"""How freely the augmentation is scaled: all coefficients jointly, each alone, one number, not at all."""


@dataclass(frozen=True, kw_only=True)
class AugmentedFit:
    """A solved design-based estimating equation."""

    params: Float1D  # estimate
    sample: Sample
    augmentation: Augmentation  # the function that was used
    bread: Float2D  # inverse of the mean Jacobian of ``psi``
    newton: NewtonResult  # diagnostics of the solver
    at: Float1D  # where ``psi`` is evaluated: the estimate, or the pilot of a one-step estimate
    shift: Float1D | float = 0.0  # mean of ``psi`` there
    fallback: str | None = None  # what was done where no root was found

    @cached_property
    def psi(self) -> Float2D:
        """Estimating function of every row, shape ``(n, p)``, of a sample in memory."""
        return self.sample.total(self.rows_of, self.augmentation)

    def rows_of(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return the estimating function of the rows of a part."""
        return psi_scores(part, augmentation, self.at) - self.shift

    def lean(self) -> AugmentedFit:
        """Return the fit without its sample, to be sent to where a part is."""
        return replace(self, sample=None)  # type: ignore[arg-type]


def fit_term(sample: Sample, term: ScoreTerm, start: Float1D | None = None) -> NewtonResult:
    """Solve the mean expected score alone: the naive fit that takes machine labels for the truth."""
    if start is None:
        start = sample.moment.start(sample.gold, np.ones(sample.n_labelled))
    equation = _Equation(sample, identity_augmentation(term, len(start)), term_sums)
    return find_root(equation.mean, equation.jacobian, start, is_affine=sample.moment.linear_in_params)


def term_sums(
    part: LabelledSample, augmentation: Augmentation, params: Float1D, with_jacobian: bool = True
) -> PsiSums:
    """Return the sums of the expected score itself over the rows of a part."""
    (term,) = augmentation.terms
    score = expected_score(part.moment, term, params).sum(axis=0)
    ones = np.ones(part.n_rows)
    return PsiSums(score, expected_jacobian(part.moment, term, params, ones) if with_jacobian else None)


def fit_augmented(
    sample: Sample, augmentation: Augmentation, start: Float1D | None = None
) -> AugmentedFit | None:
    """Solve the design-based estimating equation for one augmentation."""
    for attempt in range(2):
        if attempt == 0:
            candidate = sample.moment.start(sample.gold, sample.gold_weights) if start is None else start
        elif augmentation.terms:
            candidate = fit_term(sample, augmentation.terms[0]).params
        else:
            break
        if not np.all(np.isfinite(candidate)):
            continue
        equation = _Equation(sample, augmentation, psi_sums)
        newton = find_root(
            equation.mean, equation.jacobian, candidate, is_affine=sample.moment.linear_in_params
        )
        if newton.converged:
            bread = invert_bread(equation.jacobian(newton.params))
            if bread is not None:
                return AugmentedFit(
                    params=newton.params,
                    sample=sample,
                    augmentation=augmentation,
                    bread=bread,
                    newton=newton,
                    at=newton.params,
                )
    return None


class _Equation:
    """A mean and its Jacobian, which is kept where it does not depend on the parameters.

    Rows that are read again for every sum give both sums in one pass; in memory the Jacobian waits until it is asked
    for.
    """

    def __init__(self, sample: Sample, augmentation: Augmentation, work: Callable[..., PsiSums]) -> None:
        self._sample = sample
        self._augmentation = augmentation
        self._work = work
        self._slope: Float2D | None = None
        self._at: Float1D | None = None
        self._mean: Float1D | None = None

    def mean(self, params: Float1D) -> Float1D:
        if self._mean is None or self._at is None or not np.array_equal(params, self._at):
            self._evaluate(
                params, with_jacobian=not self._sample.keeps_rows and not self._slope_is_known(None)
            )
        assert self._mean is not None
        return self._mean

    def jacobian(self, params: Float1D) -> Float2D:
        if not self._slope_is_known(params):
            self._evaluate(params, with_jacobian=True)
        assert self._slope is not None
        return self._slope

    def _slope_is_known(self, params: Float1D | None) -> bool:
        if self._slope is None:
            return False
        return self._sample.moment.linear_in_params or (
            params is not None and np.array_equal(params, self._slope_at)
        )

    def _evaluate(self, params: Float1D, with_jacobian: bool) -> None:
        sums = self._sample.total(
            partial(self._work, params=params, with_jacobian=with_jacobian),
            self._augmentation,
            labelled_only=self._augmentation.is_empty,
        )
        n = self._sample.n_rows
        self._at, self._mean = params.copy(), sums.score / n
        if sums.jacobian is not None:
            self._slope, self._slope_at = sums.jacobian / n, params.copy()


def one_step(sample: Sample, augmentation: Augmentation, pilot: AugmentedFit, reason: str) -> AugmentedFit:
    """Take one Newton step on a new augmentation from the root of another one."""
    # A single step from a root-n-consistent pilot has the same limiting distribution as the root; the pilot's
    # bread is used, which is invertible. ``psi`` is evaluated at the pilot and recentred to mean zero.
    mean = psi_mean(sample, augmentation, pilot.params)
    return AugmentedFit(
        params=pilot.params + pilot.bread @ mean,
        sample=sample,
        augmentation=augmentation,
        bread=pilot.bread,
        newton=pilot.newton,
        at=pilot.params,
        shift=mean,
        fallback=reason,
    )
