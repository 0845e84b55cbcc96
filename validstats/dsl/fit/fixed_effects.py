"""Linear regression with absorbed effects when covariates, instruments or the outcome are predicted.

Everything is a sum over rows: second moments, and the sums of design-adjusted variables by level of the effects.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np

from validstats._typing import Float1D, Float2D, FloatND
from validstats.dsl.fit.augmentation import (
    Augmentation,
    Component,
    LabelledSample,
    Sample,
    ScoreTerm,
    identity_augmentation,
)
from validstats.dsl.moments import (
    AbsorbedRows,
    Absorber,
    LevelSums,
    RegressionRows,
    invert_bread,
    two_stage_projection,
)

__all__ = [
    "Absorber",
    "EffectScores",
    "FixedEffectsFit",
    "design_columns",
    "empty_term",
    "fit_fixed_effects",
    "mixture",
    "scaled_rows",
    "variables",
    "with_variables",
    "within_term",
]


def scaled_rows(rows: RegressionRows, absorbed: AbsorbedRows) -> RegressionRows:
    """Return rows with the offset taken from the outcome and every variable times the root of the weights."""
    y = rows.y if rows.offset is None else rows.y - rows.offset
    return replace(
        rows,
        y=absorbed.scaled(y),
        X=absorbed.scaled(rows.X),
        Z=None if rows.Z is None else absorbed.scaled(rows.Z),
        weights=None,
        offset=None,
    )


def empty_term(sample: LabelledSample) -> ScoreTerm:
    """Return predictions that are all zero: the design-based estimator without machine labels."""
    n, gold = sample.n_rows, sample.gold
    z = None if gold.Z is None else np.zeros((n, gold.Z.shape[1]))
    return (Component(rows=RegressionRows(y=np.zeros(n), X=np.zeros((n, gold.X.shape[1])), Z=z)),)


def left_of(rows: RegressionRows) -> Float2D:
    """Return the variables that multiply the residual: instruments where there are any."""
    return rows.X if rows.Z is None else rows.Z


def design_columns(rows: RegressionRows) -> Float2D:
    """Return instruments and covariates side by side; covariates alone where there are no instruments."""
    return rows.X if rows.Z is None else np.column_stack([rows.Z, rows.X])


def variables(rows: RegressionRows) -> Float2D:
    """Return instruments, covariates and outcome side by side; covariates once where there are no instruments."""
    return np.column_stack([design_columns(rows), rows.y])


def with_variables(rows: RegressionRows, values: Float2D) -> RegressionRows:
    """Return rows with other instruments, covariates and outcome."""
    p = rows.X.shape[1]
    return replace(
        rows, Z=None if rows.Z is None else values[:, : -p - 1], X=values[:, -p - 1 : -1], y=values[:, -1]
    )


def mixture(term: ScoreTerm) -> Float2D:
    """Return the expectation of the variables of every row."""
    parts = [variables(c.rows) * np.reshape(c.weight, (-1, 1)) for c in term]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


def within_term(
    term: ScoreTerm, absorber: Absorber, effects: tuple[Float2D, ...], absorbed: AbsorbedRows
) -> ScoreTerm:
    """Return completed rows less their expected projection on the effects, whose values are those of the mixture."""
    # Deviations of a completion from the expectation are shrunk by ``sqrt(1 - P_ii)``, so that the mixture
    # has the expected second moments of the within-transformed variables where rows are completed
    # independently.
    mean = mixture(term)
    shrink = np.sqrt(np.clip(1.0 - absorber.leverage(absorbed), 0.0, None))[:, None]
    inside = mean - absorber.fitted(effects, absorbed)
    return tuple(
        replace(c, rows=with_variables(c.rows, inside + shrink * (variables(c.rows) - mean))) for c in term
    )


@dataclass(frozen=True)
class _Moments:
    """Unbiased second moments of scaled variables, and sums of the design-adjusted ones by level; parts add."""

    second: Float2D
    levels: LevelSums

    def __add__(self, other: Self) -> Self:
        return type(self)(self.second + other.second, self.levels + other.levels)


class _Adjusted(NamedTuple):
    """Scaled rows of a part, with design-adjusted variables ``(1 - w) E[v | Z] + w v``."""

    part: LabelledSample
    term: ScoreTerm
    absorbed: AbsorbedRows
    gold: RegressionRows
    values: Float2D

    @classmethod
    def of(cls, part: LabelledSample, augmentation: Augmentation) -> _Adjusted:
        """Scale and adjust the rows of a part."""
        assert part.absorbed is not None
        absorbed = part.absorbed
        term = augmentation.terms[0] if augmentation.terms else empty_term(part)
        term = tuple(replace(c, rows=scaled_rows(c.rows, absorbed)) for c in term)
        gold = scaled_rows(part.gold, absorbed.take(part.positions))
        values = mixture(term) * part.remainder[:, None]
        values[part.positions] += variables(gold) * part.gold_weights[:, None]
        return cls(part, term, absorbed, gold, values)


def _moments(part: LabelledSample, augmentation: Augmentation, absorber: Absorber, correct: bool) -> _Moments:
    """Return the sums of a part: ``sum w (1 - P) v v'`` with own terms that the labels do not bias."""
    rows = _Adjusted.of(part, augmentation)
    own = absorber.leverage(rows.absorbed) if correct else np.zeros(part.n_rows)

    def outer(values: Float2D, weight: FloatND) -> Float2D:
        return (values * np.reshape(weight, (-1, 1))).T @ values

    room = 1.0 - own
    total = outer(variables(rows.gold), part.gold_weights * room[part.positions])
    for c in rows.term:
        total = total + outer(variables(c.rows), part.remainder * c.weight * room)
    # own terms of the adjusted variables come back: A' P A holds them
    return _Moments(total + outer(rows.values, own), rows.absorbed.sums(rows.values))


class EffectScores(NamedTuple):
    """Scores of rows, what their labels add, and leverages; of labelled rows where ``residual`` is."""

    psi: Float2D  # score of every row; its sums within units are the contributions of the units
    # what the label of each labelled row adds to the estimating function, all other labels held fixed, per
    # unit of ``w_i - 1``; in the plain profiled form gold score less expected score
    residual: Float2D
    # leverage of every row, effects included; with every row labelled, the hat values of the regression on
    # covariates and dummies
    leverage: Float1D


@dataclass(frozen=True, kw_only=True)
class FixedEffectsFit:
    """A design-based fixed-effects regression."""

    params: Float1D  # coefficients of the covariates
    bread: Float2D  # inverse mean Jacobian
    absorber: Absorber
    effects: tuple[Float2D, ...]  # effects of the design-adjusted variables
    projection: Float2D | None  # from instruments to one a coefficient
    corrected: bool
    n_rows: int
    sample: Any = None
    augmentation: Augmentation = field(default_factory=Augmentation)

    def lean(self) -> FixedEffectsFit:
        """Return the fit without its sample, to be sent to where a part is."""
        return replace(self, sample=None, augmentation=Augmentation())

    @property
    def scores(self) -> EffectScores:
        """Scores of a sample in memory."""
        return self.sample.total(self.scores_of, self.augmentation)

    @property
    def psi(self) -> Float2D:
        """Scores of every row of a sample in memory."""
        return self.scores.psi

    @property
    def residual(self) -> Float2D:
        """What every label adds."""
        return self.scores.residual

    @property
    def leverage(self) -> Float1D:
        """Leverage of every row of a sample in memory."""
        return self.scores.leverage

    def scores_of(self, part: LabelledSample, augmentation: Augmentation) -> EffectScores:
        """Return scores, contributions of the labels and leverages of the rows of a part."""
        rows = _Adjusted.of(part, augmentation)
        p = len(self.params)

        def left(values: RegressionRows) -> Float2D:
            found = left_of(values)
            return found if self.projection is None else found @ self.projection

        gold, lab, weight, remainder = rows.gold, part.positions, part.gold_weights, part.remainder
        absorber_leverage = self.absorber.leverage(rows.absorbed)
        own = absorber_leverage if self.corrected else np.zeros(part.n_rows)
        fitted = self.absorber.fitted(self.effects, rows.absorbed)
        adjusted, means = (with_variables(gold, v) for v in (rows.values, fitted))
        adjusted_left, left_means, x_means = left(adjusted), left(means), means.X
        error, effects = (r.y - r.X @ self.params for r in (adjusted, means))
        n, inverse = part.n_rows, self.bread / self.n_rows
        expected, product, leverage = np.zeros((n, p)), np.zeros((n, p)), np.zeros(n)
        mean_left, mean_error = np.zeros((n, p)), np.zeros(n)
        for c in rows.term:
            residual, chance, here = (
                c.rows.y - c.rows.X @ self.params,
                np.reshape(c.weight, (-1, 1)),
                left(c.rows),
            )
            expected += chance * (here - left_means) * (residual - effects)[:, None]
            product += chance * here * residual[:, None]
            leverage += c.weight * np.einsum("ij,jk,ik->i", c.rows.X - x_means, inverse, here - left_means)
            mean_left += chance * here
            mean_error += c.weight * residual
        gold_left, gold_error = left(gold), gold.y - gold.X @ self.params
        gold_product = gold_left * gold_error[:, None]
        gold_score = (gold_left - left_means[lab]) * (gold_error - effects[lab])[:, None]
        unbiased = remainder[:, None] * product
        unbiased[lab] += weight[:, None] * gold_product
        psi = remainder[:, None] * expected
        psi[lab] += weight[:, None] * gold_score
        psi += own[:, None] * (adjusted_left * error[:, None] - unbiased)
        leverage *= remainder
        leverage[lab] += weight * np.einsum(
            "ij,jk,ik->i", gold.X - x_means[lab], inverse, gold_left - left_means[lab]
        )
        leverage += absorber_leverage
        if not np.any(own):
            return EffectScores(psi, gold_score - expected[lab], leverage)
        diagonal = own[lab][:, None]
        others_left = left_means[lab] - diagonal * adjusted_left[lab]
        others_error = effects[lab] - diagonal[:, 0] * error[lab]
        change = (1.0 - diagonal) * (gold_product - product[lab])
        change -= (gold_left - mean_left[lab]) * others_error[:, None]
        change -= others_left * (gold_error - mean_error[lab])[:, None]
        return EffectScores(psi, change, leverage)


def fit_fixed_effects(
    sample: Sample,
    term: ScoreTerm | None,
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
    if isinstance(sample, LabelledSample) and sample.absorbed is None:
        sample = replace(sample, absorbed=absorber.rows)
    augmentation = identity_augmentation(term, sample.gold.X.shape[1])
    work = partial(_moments, absorber=absorber, correct=own_term_correction)
    found = sample.total(work, augmentation)
    effects = absorber.effects(found.levels)
    # (I - P): A' P A from the sums by level
    explained = np.zeros_like(found.second)
    for of_way, coefficients in zip(absorber.ordered(found.levels), effects, strict=True):
        explained += of_way.T @ coefficients
    total = found.second - explained
    n, p = sample.n_rows, sample.gold.X.shape[1]
    columns = slice(len(total) - p - 1, len(total) - 1)
    left = columns if sample.gold.Z is None else slice(0, len(total) - p - 1)
    jacobian, moment = total[left, columns], total[left, -1]
    projection = None
    if sample.gold.Z is None:
        jacobian = (jacobian + jacobian.T) / 2.0
    else:
        projection = two_stage_projection(total[left, left], jacobian)
        jacobian, moment = projection.T @ jacobian, projection.T @ moment
    bread = invert_bread(jacobian / n)
    if bread is None:
        return None
    return FixedEffectsFit(
        params=bread @ moment / n,
        bread=bread,
        absorber=absorber,
        effects=effects,
        projection=projection,
        corrected=own_term_correction,
        n_rows=n,
        sample=sample,
        augmentation=augmentation,
    )
