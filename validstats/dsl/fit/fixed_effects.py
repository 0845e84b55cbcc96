"""Linear regression with absorbed effects when covariates, instruments or the outcome are predicted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from validstats._typing import Float1D, Float2D, FloatND
from validstats.dsl.fit.augmentation import Component, LabelledSample, ScoreTerm
from validstats.dsl.moments import Absorber, RegressionRows, invert_bread, two_stage_projection

__all__ = ["Absorber", "FixedEffectsFit", "empty_term", "fit_fixed_effects", "scaled_rows", "within_term"]


@dataclass(frozen=True, kw_only=True)
class FixedEffectsFit:
    """A design-based fixed-effects regression."""

    params: Float1D  # coefficients of the covariates
    psi: Float2D  # score of every row; its sums within units are the contributions of the units
    bread: Float2D  # inverse mean Jacobian
    # what the label of each labelled row adds to the estimating function, all other labels held fixed, per
    # unit of ``w_i - 1``; in the plain profiled form gold score less expected score
    residual: Float2D
    # leverage of every row, effects included; with every row labelled, the hat values of the regression on
    # covariates and dummies
    leverage: Float1D


def scaled_rows(rows: RegressionRows, absorber: Absorber) -> RegressionRows:
    """Return rows with the offset taken from the outcome and every variable times the root of the weights."""
    y = rows.y if rows.offset is None else rows.y - rows.offset
    return replace(
        rows,
        y=absorber.scaled(y),
        X=absorber.scaled(rows.X),
        Z=None if rows.Z is None else absorber.scaled(rows.Z),
        weights=None,
        offset=None,
    )


def empty_term(sample: LabelledSample) -> ScoreTerm:
    """Return predictions that are all zero: the design-based estimator without machine labels."""
    n, gold = sample.n_rows, sample.gold
    z = None if gold.Z is None else np.zeros((n, gold.Z.shape[1]))
    return (Component(rows=RegressionRows(y=np.zeros(n), X=np.zeros((n, gold.X.shape[1])), Z=z)),)


def within_term(term: ScoreTerm, absorber: Absorber) -> ScoreTerm:
    """Return completed rows less their expected projection on the effects."""
    # Deviations of a completion from the expectation are shrunk by ``sqrt(1 - P_ii)``, so that the mixture
    # has the expected second moments of the within-transformed variables where rows are completed
    # independently.
    shrink = np.sqrt(np.clip(1.0 - absorber.leverage(), 0.0, None))

    def transformed(values: list[FloatND]) -> list[FloatND]:
        mean = _mixture(term, values)
        inside = absorber.residualise(mean)
        factor = shrink if mean.ndim == 1 else shrink[:, None]
        return [inside + factor * (v - mean) for v in values]

    designs = transformed([c.rows.X for c in term])
    outcomes = transformed([c.rows.y for c in term])
    instruments: list[FloatND | None] = [None] * len(term)
    if term[0].rows.Z is not None:
        instruments = list(transformed([_left(c.rows) for c in term]))
    return tuple(
        replace(c, rows=replace(c.rows, X=x, y=y, Z=z))
        for c, x, y, z in zip(term, designs, outcomes, instruments, strict=True)
    )


def _mixture(term: ScoreTerm, values: list[FloatND]) -> FloatND:
    parts = [
        v * (c.weight if v.ndim == 1 or np.ndim(c.weight) == 0 else np.reshape(c.weight, (-1, 1)))
        for c, v in zip(term, values, strict=True)
    ]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


def _left(rows: RegressionRows) -> Float2D:
    """Return the variables that multiply the residual: instruments where there are any."""
    return rows.X if rows.Z is None else rows.Z


def _outer_sum(left: Float2D, right: FloatND, weight: Float1D) -> FloatND:
    return (left * weight[:, None]).T @ right


class _Adjusted:
    """Design-adjusted variables ``(1 - w) E[v | Z] + w v`` and unbiased second moments of scaled rows."""

    def __init__(self, sample: LabelledSample, term: ScoreTerm, absorber: Absorber, correct: bool) -> None:
        self.term, self.gold = term, sample.gold
        self.labelled, self.gold_weight = sample.positions, sample.gold_weights
        self.remainder = sample.remainder
        self.absorber = absorber
        self.own = absorber.leverage()
        self.corrected = self.own if correct else np.zeros(sample.n_rows)
        self.x = self._adjust([c.rows.X for c in term], self.gold.X)
        self.y = self._adjust([c.rows.y for c in term], self.gold.y)
        self.left = (
            self.x if self.gold.Z is None else self._adjust([_left(c.rows) for c in term], self.gold.Z)
        )

    def _adjust(self, values: list[FloatND], gold: FloatND) -> FloatND:
        mean = _mixture(self.term, values)
        column = mean.ndim == 1
        adjusted = mean * (self.remainder if column else self.remainder[:, None])
        adjusted[self.labelled] += gold * (self.gold_weight if column else self.gold_weight[:, None])
        return adjusted

    def cross_moment(self, left: str, right: str) -> FloatND:
        """Return the corrected ``left' (I - P) right`` of two of "left", "X" and "y"."""

        def pick(rows: RegressionRows, name: str) -> FloatND:
            return _left(rows) if name == "left" else getattr(rows, name)

        a = self.left if left == "left" else self.x
        b = {"left": self.left, "X": self.x, "y": self.y}[right]
        room = 1.0 - self.corrected
        total = _outer_sum(
            pick(self.gold, left), pick(self.gold, right), self.gold_weight * room[self.labelled]
        )
        for c in self.term:
            total = total + _outer_sum(
                pick(c.rows, left), pick(c.rows, right), self.remainder * c.weight * room
            )
        return total - a.T @ self.absorber.project(b) + _outer_sum(a, b, self.corrected)


def fit_fixed_effects(
    sample: LabelledSample,
    term: ScoreTerm,
    absorber: Absorber,
    *,
    own_term_correction: bool = True,
) -> FixedEffectsFit | None:
    """Fit a linear model with absorbed effects when covariates, and possibly the outcome, are predicted."""
    # The within estimator is quadratic in the covariates, and ``adjX' P adjX`` of the adjusted covariates
    # ``adjX = Xp + w (Xo - Xp)`` is biased by the diagonal of the projection: its expectation exceeds ``X' P
    # X`` by ``sum_i P_ii (1 / pi_i - 1) (Xo_i - Xp_i)(Xo_i - Xp_i)'``, which does not vanish in short panels.
    # The correction replaces the own terms ``adjX_i adjX_i'`` by the unbiased ``(1 - w_i) E[x x' | Z] + w_i
    # Xo_i Xo_i'``. With instruments in the rows the same holds for ``Z' (I - P) X``, ``Z' (I - P) Z`` and
    # ``Z' (I - P) y``, and two-stage least squares are formed from them.
    n = sample.n_rows
    sample = replace(sample, gold=scaled_rows(sample.gold, absorber.within(sample.positions)))
    term = tuple(replace(c, rows=scaled_rows(c.rows, absorber)) for c in term)
    adjusted = _Adjusted(sample, term, absorber, own_term_correction)
    projection = None
    jacobian, moment = adjusted.cross_moment("left", "X"), adjusted.cross_moment("left", "y")
    if sample.gold.Z is None:
        jacobian = (jacobian + jacobian.T) / 2.0
    else:
        projection = two_stage_projection(adjusted.cross_moment("left", "left"), jacobian)
        jacobian, moment = projection.T @ jacobian, projection.T @ moment
    bread = invert_bread(jacobian / n)
    if bread is None:
        return None
    params = bread @ moment / n
    return _scored(adjusted, params, bread, projection)


def _scored(
    adjusted: _Adjusted, params: Float1D, bread: Float2D, projection: Float2D | None
) -> FixedEffectsFit:
    """Return scores, contributions of the labels and leverages at the solution."""

    def left_of(rows: RegressionRows) -> Float2D:
        return _left(rows) if projection is None else _left(rows) @ projection

    lab, weight, remainder = adjusted.labelled, adjusted.gold_weight, adjusted.remainder
    own, absorber, gold = adjusted.corrected, adjusted.absorber, adjusted.gold
    left = adjusted.left if projection is None else adjusted.left @ projection
    error = adjusted.y - adjusted.x @ params
    left_means, effects = absorber.project(left), absorber.project(error)
    x_means = left_means if adjusted.gold.Z is None else absorber.project(adjusted.x)
    n, p = len(error), len(params)
    inverse = bread / n
    expected, product, leverage = np.zeros((n, p)), np.zeros((n, p)), np.zeros(n)
    mean_left, mean_error = np.zeros((n, p)), np.zeros(n)
    for c in adjusted.term:
        fitted, chance = c.rows.y - c.rows.X @ params, np.reshape(c.weight, (-1, 1))
        here = left_of(c.rows)
        expected += chance * (here - left_means) * (fitted - effects)[:, None]
        product += chance * here * fitted[:, None]
        leverage += c.weight * np.einsum("ij,jk,ik->i", c.rows.X - x_means, inverse, here - left_means)
        mean_left += chance * here
        mean_error += c.weight * fitted
    gold_left, gold_error = left_of(gold), gold.y - gold.X @ params
    gold_product = gold_left * gold_error[:, None]
    gold_score = (gold_left - left_means[lab]) * (gold_error - effects[lab])[:, None]
    unbiased = remainder[:, None] * product
    unbiased[lab] += weight[:, None] * gold_product
    psi = remainder[:, None] * expected
    psi[lab] += weight[:, None] * gold_score
    psi += own[:, None] * (left * error[:, None] - unbiased)
    leverage *= remainder
    leverage[lab] += weight * np.einsum(
        "ij,jk,ik->i", gold.X - x_means[lab], inverse, gold_left - left_means[lab]
    )
    if not np.any(own):
        residual = gold_score - expected[lab]
        return FixedEffectsFit(
            params=params, psi=psi, bread=bread, residual=residual, leverage=leverage + adjusted.own
        )
    diagonal = own[lab][:, None]
    others_left = left_means[lab] - diagonal * left[lab]
    others_error = effects[lab] - diagonal[:, 0] * error[lab]
    residual = (1.0 - diagonal) * (gold_product - product[lab])
    residual -= (gold_left - mean_left[lab]) * others_error[:, None]
    residual -= others_left * (gold_error - mean_error[lab])[:, None]
    return FixedEffectsFit(
        params=params, psi=psi, bread=bread, residual=residual, leverage=leverage + adjusted.own
    )
