"""Average marginal effects as sums over rows, which are in memory or arrive in parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.dsl.fit import (
    Augmentation,
    Estimate,
    InfluenceRows,
    InfluenceSums,
    LabelledSample,
    ScoreTerm,
)
from validstats.dsl.moments import RegressionRows
from validstats.dsl.regression.preparation import InferenceRequest, PreparedModel
from validstats.dsl.results import MarginalEffects, is_intercept
from validstats.results import NotApplicable

__all__ = ["marginal_effects"]


def marginal_effects(
    prepared: PreparedModel, request: InferenceRequest, found: Estimate, degrees: float | None, guarantee: Any
) -> MarginalEffects | NotApplicable:
    """Return ``mean_i mu'(x_i b) b`` of a generalised linear model with its covariance, or why there is none."""
    names = prepared.names
    if np.isnan(found.params).any():
        return NotApplicable("labels do not tell some of the coefficients, which are not estimated")
    if found.rows_of is None:
        return NotApplicable("a median of sample splits has no influence functions")
    finite = request.population == "finite"
    labels = bool(prepared.coder.covariate_labels)
    if finite and labels:
        return NotApplicable("covariates are expert labels, which most rows of the finite population lack")
    kept = [j for j, name in enumerate(names) if not is_intercept(name)]
    if not kept:
        return NotApplicable("the model has no covariates")
    sample, _ = prepared.everything
    params, n = found.params, sample.n_rows
    augmentation = Augmentation() if finite else found.rows_of.augmentation
    terms = (prepared.terms or (() if prepared.raw is None else (prepared.raw,))) if labels else ()
    if terms:
        augmentation = replace(
            augmentation,
            terms=(*augmentation.terms, terms[0]),
            matrices=(*augmentation.matrices, np.eye(len(params))),
        )
    work = _SlopeWork(
        params=params,
        near=float(np.mean(_slopes(sample.gold, params, sample.moment).first)),
        rows_of=None if finite else found.rows_of,
        labels=labels,
        completed=bool(terms),
    )
    sums = sample.total(work, augmentation)
    # A = S b with S = mean mu'(x b), so dA/db = S I + b q' with q = mean mu''(x b) x
    beyond = sums.slope / sums.mass
    slope = work.near + beyond
    jacobian = slope * np.eye(len(params)) + np.outer(params, sums.second / sums.mass)
    if sums.influence is None:
        covariance = jacobian @ found.covariance @ jacobian.T
    else:
        # influence of A: dA/db phi + b (w s - w S) / mean w, where w s - w S = w (s - S0) - w (S - S0)
        scaled = params[:, None] * n / sums.mass
        covariance = sums.influence.mapped(np.hstack([jacobian, scaled, -beyond * scaled])).covariance(n)
    return MarginalEffects(
        guarantee=guarantee,
        backend=request.units.backend,
        terms=tuple(names[j] for j in kept),
        estimate=slope * params[kept],
        covariance=covariance[np.ix_(kept, kept)],
        confidence_level=float(request.confidence_level),
        degrees_of_freedom=degrees if found.degrees is None else float(np.nanmin(found.degrees)),
        outcome=prepared.outcome,
    )


@dataclass(frozen=True)
class _Slopes:
    """Derivative of the mean in every row, and its second derivative times the covariates."""

    first: Float1D
    second: Float2D

    def weighted(self, weight: Float1D | float) -> Self:
        """Return the slopes times a weight a row."""
        return type(self)(self.first * weight, self.second * np.reshape(weight, (-1, 1)))


@dataclass(frozen=True)
class _SlopeSums:
    """Sums over rows of weight ``w``; those of disjoint parts add."""

    slope: float  # of w (s - S0)
    mass: float  # of w
    second: Float1D  # of w mu'' x
    influence: InfluenceSums | None  # of phi, w (s - S0) and w, side by side

    def __add__(self, other: Self) -> Self:
        both = None if self.influence is None or other.influence is None else self.influence + other.influence
        return type(self)(self.slope + other.slope, self.mass + other.mass, self.second + other.second, both)


@dataclass(frozen=True, kw_only=True)
class _SlopeWork:
    """Work on a part: the sums of its rows."""

    params: Float1D
    near: float  # S0, near the mean slope, so that sums of squares lose no digits
    rows_of: InfluenceRows | None  # None for the rows themselves, of a finite population
    labels: bool  # whether covariates are labels
    completed: bool  # whether the last expected score of the part completes them

    def __call__(self, part: LabelledSample, augmentation: Augmentation) -> _SlopeSums:
        assert part.filled is not None
        own = augmentation
        term: ScoreTerm = ()
        if self.completed:
            own = replace(augmentation, terms=augmentation.terms[:-1], matrices=augmentation.matrices[:-1])
            term = augmentation.terms[-1]
        mass = np.ones(part.n_rows) if part.filled.weights is None else part.filled.weights
        if self.labels:
            slopes = _adjusted_slopes(part, term, self.params, mass)
        else:
            slopes = _slopes(part.filled, self.params, part.moment).weighted(mass)
        deviation = slopes.first - self.near * mass
        influence = None
        if self.rows_of is not None:
            rows = np.column_stack([self.rows_of(part, own), deviation, mass])
            influence = InfluenceSums.of(rows, part.clusters)
        return _SlopeSums(float(deviation.sum()), float(mass.sum()), slopes.second.sum(axis=0), influence)


def _adjusted_slopes(part: LabelledSample, term: ScoreTerm, params: Float1D, mass: Float1D) -> _Slopes:
    """Return design-adjusted slopes ``w s(gold) + (1 - w) E[s]`` where covariates are labels."""
    first, second = np.zeros(part.n_rows), np.zeros((part.n_rows, len(params)))
    for component in term:
        slopes = _slopes(component.rows, params, part.moment).weighted(mass * component.weight)
        first, second = first + slopes.first, second + slopes.second
    expected = _Slopes(first, second).weighted(part.remainder)
    gold = _slopes(part.gold, params, part.moment).weighted(mass[part.positions] * part.gold_weights)
    expected.first[part.positions] += gold.first
    expected.second[part.positions] += gold.second
    return expected


def _slopes(rows: RegressionRows, params: Float1D, moment: Any) -> _Slopes:
    eta, link = rows.linear_predictor(params), moment.family.link
    second = np.asarray(link.inverse_deriv2(eta))[:, None] * rows.X
    return _Slopes(np.asarray(link.inverse_deriv(eta)), second)
