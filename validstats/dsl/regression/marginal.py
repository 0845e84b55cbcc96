"""Average marginal effects at a solved model, with the sampling of rows in their standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.dsl.fit import Estimate, LabelledSample
from validstats.dsl.moments import GLMMoment, RegressionRows, clustered_meat, sandwich
from validstats.dsl.regression.preparation import InferenceRequest, PreparedModel
from validstats.dsl.results import MarginalEffects, is_intercept
from validstats.results import NotApplicable

__all__ = ["marginal_effects"]


def marginal_effects(
    prepared: PreparedModel, request: InferenceRequest, found: Estimate, degrees: float | None, guarantee: Any
) -> MarginalEffects | NotApplicable:
    """Return ``mean_i mu'(x_i b) b`` with its covariance, or why there is none."""
    sample, names = prepared.sample, prepared.assembled.names
    if not isinstance(sample.moment, GLMMoment):
        return NotApplicable(
            "the coefficients are on the scale of the outcome, or the model has several equations"
        )
    if not isinstance(sample, LabelledSample):
        return NotApplicable("they need rows that are in memory together")
    if found.influence is None:
        return NotApplicable("a median of sample splits has no influence functions")
    if request.population == "finite" and prepared.assembled.covariate_labels:
        return NotApplicable("covariates are expert labels, which most rows of the finite population lack")
    kept = [j for j, name in enumerate(names) if not is_intercept(name)]
    if not kept:
        return NotApplicable("the model has no covariates")
    mass = prepared.assembled.make_rows({}, None).weights
    mass = np.ones(sample.n_rows) if mass is None else mass / mass.mean()
    slopes = _row_slopes(sample, prepared, found.params, mass)
    params, n = found.params, sample.n_rows
    # A = S b with S = mean mu'(x b), so dA/db = S I + b q' with q = mean mu''(x b) x
    jacobian = slopes.first.mean() * np.eye(len(params)) + np.outer(params, slopes.second.mean(axis=0))
    if request.population == "finite":
        covariance = jacobian @ found.covariance @ jacobian.T
    else:
        # influence of A: dA/db phi + b (m_i s_i - m_i S), with m the analysis weight over its mean
        deviation = slopes.first - mass * slopes.first.mean()
        influence = found.influence @ jacobian.T + np.outer(deviation, params)
        covariance = sandwich(np.eye(len(params)), clustered_meat(influence, sample.clusters), n)
    return MarginalEffects(
        guarantee=guarantee,
        backend=request.units.backend,
        terms=tuple(names[j] for j in kept),
        estimate=slopes.first.mean() * params[kept],
        covariance=covariance[np.ix_(kept, kept)],
        confidence_level=float(request.confidence_level),
        degrees_of_freedom=degrees,
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


def _row_slopes(sample: LabelledSample, prepared: PreparedModel, params: Float1D, mass: Float1D) -> _Slopes:
    """Return design-adjusted slopes ``w s(gold) + (1 - w) E[s]``, which are those of the rows for known covariates."""
    terms = prepared.terms or (() if prepared.raw is None else (prepared.raw,))
    term = terms[0] if terms else None
    if not prepared.assembled.covariate_labels:
        return _slopes(prepared.assembled.make_rows({}, None), params, sample).weighted(mass)
    first, second = np.zeros(sample.n_rows), np.zeros((sample.n_rows, len(params)))
    for component in term or ():
        part = _slopes(component.rows, params, sample).weighted(mass * component.weight)
        first, second = first + part.first, second + part.second
    expected = _Slopes(first, second).weighted(sample.remainder)
    gold = _slopes(sample.gold, params, sample).weighted(mass[sample.positions] * sample.gold_weights)
    expected.first[sample.positions] += gold.first
    expected.second[sample.positions] += gold.second
    return expected


def _slopes(rows: RegressionRows, params: Float1D, sample: LabelledSample) -> _Slopes:
    assert isinstance(sample.moment, GLMMoment)
    eta, link = rows.linear_predictor(params), sample.moment.family.link
    second = np.asarray(link.inverse_deriv2(eta))[:, None] * rows.X
    return _Slopes(np.asarray(link.inverse_deriv(eta)), second)
