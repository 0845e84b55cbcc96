"""Design-based estimating functions: gold scores corrected by expected scores of the machine labels.

Every estimator of the module solves ``mean_i psi_i(b) = 0`` with

    psi_i(b) = w_i s_i(b) + (1 - w_i) g_i(b),        w_i = labelled_i / probability_i,

where ``s`` is the score on expert labels and ``g`` any function of what is always observed. Since
``E[w_i | everything] = 1``, the mean of ``psi`` is unbiased for the mean of ``s`` whatever ``g`` is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D
from validstats.dsl.moments import ModelMoment, RegressionRows

__all__ = [
    "Augmentation",
    "Component",
    "LabelledSample",
    "ScoreTerm",
    "augmentation_scores",
    "expected_jacobian",
    "expected_score",
    "identity_augmentation",
    "labelled_augmentation_scores",
    "labelled_term",
    "psi_jacobian",
    "psi_leverage",
    "psi_mean",
    "psi_scores",
]


@dataclass(frozen=True, kw_only=True)
class Component:
    """One way of completing the unlabelled variables, with its conditional probability in every row."""

    rows: RegressionRows  # all ``n`` rows with the predicted variables filled in
    weight: Float1D | float = 1.0  # conditional probability of this completion given what is always observed


ScoreTerm: TypeAlias = tuple[Component, ...]
"""A conditional expectation of the score, as a mixture of completed data sets."""


@dataclass(frozen=True, kw_only=True)
class LabelledSample:
    """The expert-labelled part of a data set and how it was drawn."""

    moment: ModelMoment  # the model
    gold: RegressionRows  # labelled rows only, completed with expert labels, in the order of the data
    labelled: Bool1D  # which of the ``n`` rows are labelled
    probability: Float1D  # probability in (0, 1] with which each row was to be labelled
    # part of the scores that absorbed effects explain; it adds to zero and is taken off for variances
    effect_scores: Float2D | None = None
    effect_leverage: Float1D | None = None  # leverage of every row on absorbed effects

    @property
    def n_rows(self) -> int:
        """Number of rows, labelled or not."""
        return len(self.labelled)

    @property
    def n_labelled(self) -> int:
        """Number of labelled rows."""
        return len(self.positions)

    @cached_property
    def positions(self) -> AnyArray:
        """Positions of the labelled rows, shape ``(n_labelled,)``."""
        return np.flatnonzero(self.labelled)

    @cached_property
    def gold_weights(self) -> Float1D:
        """Inverse probabilities of the labelled rows, shape ``(n_labelled,)``."""
        return 1.0 / self.gold_probability

    @cached_property
    def gold_probability(self) -> Float1D:
        """Probabilities of the labelled rows, shape ``(n_labelled,)``."""
        return self.probability[self.positions]

    @cached_property
    def remainder(self) -> Float1D:
        """``1 - labelled / probability`` for all rows, the weight of the augmentation, shape ``(n,)``."""
        values = np.ones(self.n_rows)
        values[self.positions] -= self.gold_weights
        return values


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The function ``g`` of always-observed variables: a constant plus linearly mapped expected scores."""

    terms: tuple[ScoreTerm, ...] = ()  # expected scores
    # one matrix a term: the row ``a_i`` of expected scores enters as ``a_i @ matrix``
    matrices: tuple[Float2D, ...] = ()
    # constant part, one for all rows or one a row (for instance one a stratum)
    constant: Float2D | None = None


def expected_score(moment: ModelMoment, term: ScoreTerm, params: Float1D) -> Float2D:
    """Return the expected score of every row, the mixture of the scores of its completions."""
    # ``sum_k weight_k * score(rows_k, params)``.
    total: Float2D | None = None
    for component in term:
        score = moment.score(component.rows, params)
        if not _is_one(component.weight):
            score *= np.reshape(component.weight, (-1, 1))
        total = score if total is None else total + score
    assert total is not None
    return total


def expected_jacobian(moment: ModelMoment, term: ScoreTerm, params: Float1D, row_weights: Float1D) -> Float2D:
    """Return the weighted sum of the negative derivative of the expected score."""
    parts = [
        moment.jacobian(c.rows, params, row_weights if _is_one(c.weight) else row_weights * c.weight)
        for c in term
    ]
    return np.sum(parts, axis=0)


def _is_one(weight: Float1D | float) -> bool:
    return np.ndim(weight) == 0 and weight == 1.0


def psi_scores(sample: LabelledSample, augmentation: Augmentation, params: Float1D) -> Float2D:
    """Return the design-based estimating function of every row."""
    # ``w s + (1 - w) g``.
    psi = augmentation_scores(sample, augmentation, params)
    weight, rows = sample.gold_weights[:, None], sample.positions
    psi[rows] = (1.0 - weight) * psi[rows] + weight * sample.moment.score(sample.gold, params)
    return psi


def psi_mean(sample: LabelledSample, augmentation: Augmentation, params: Float1D) -> Float1D:
    """Return the mean of the design-based estimating function, without forming it."""
    total = sample.gold_weights @ sample.moment.score(sample.gold, params)
    for term, matrix in zip(augmentation.terms, augmentation.matrices, strict=True):
        total = total + (sample.remainder @ expected_score(sample.moment, term, params)) @ matrix
    if augmentation.constant is not None:
        constant = np.broadcast_to(augmentation.constant, (sample.n_rows, len(params)))
        total = total + sample.remainder @ constant
    return np.asarray(total / sample.n_rows)


def augmentation_scores(sample: LabelledSample, augmentation: Augmentation, params: Float1D) -> Float2D:
    """Return the function ``g`` of every row."""
    return _add_terms(sample.moment, augmentation, params, sample.n_rows)


def labelled_augmentation_scores(
    sample: LabelledSample, augmentation: Augmentation, params: Float1D
) -> Float2D:
    """Return the function ``g`` of the labelled rows, without passing over the others."""
    constant = augmentation.constant
    restricted = replace(
        augmentation,
        terms=tuple(labelled_term(sample, term) for term in augmentation.terms),
        constant=constant[sample.positions] if constant is not None and constant.ndim == 2 else constant,
    )
    return _add_terms(sample.moment, restricted, params, sample.n_labelled)


def labelled_term(sample: LabelledSample, term: ScoreTerm) -> ScoreTerm:
    """Return the labelled rows of an expected score."""
    # The same completions of the labelled rows, in the order of ``sample.gold``.
    return tuple(
        Component(
            rows=c.rows.take(sample.positions),
            weight=c.weight if np.ndim(c.weight) == 0 else np.asarray(c.weight)[sample.positions],
        )
        for c in term
    )


def _add_terms(moment: ModelMoment, augmentation: Augmentation, params: Float1D, n_rows: int) -> Float2D:
    g: Float2D | None = None
    for term, matrix in zip(augmentation.terms, augmentation.matrices, strict=True):
        mapped = _map_scores(expected_score(moment, term, params), matrix)
        g = mapped if g is None else np.add(g, mapped, out=g)
    if g is None:
        g = np.zeros((n_rows, len(params)))
    if augmentation.constant is not None:
        g += augmentation.constant
    return g


def _map_scores(score: Float2D, matrix: Float2D) -> Float2D:
    scale = matrix[0, 0]
    if not np.array_equal(matrix, scale * np.eye(len(matrix))):
        return score @ matrix
    if scale != 1.0:
        score *= scale
    return score


def psi_jacobian(sample: LabelledSample, augmentation: Augmentation, params: Float1D) -> Float2D:
    """Return the mean negative derivative of the estimating function."""
    # ``mean[w J(s) + (1 - w) matrix' J(g)]``.
    total = sample.moment.jacobian(sample.gold, params, sample.gold_weights)
    for term, matrix in zip(augmentation.terms, augmentation.matrices, strict=True):
        total = total + matrix.T @ expected_jacobian(sample.moment, term, params, sample.remainder)
    return total / sample.n_rows


def psi_leverage(
    sample: LabelledSample, augmentation: Augmentation, params: Float1D, bread: Float2D
) -> Float1D:
    """Return the leverage of every row in the estimating equation."""
    # The leverage is ``trace(bread @ J_i) / n`` with ``J_i`` the negative derivative of ``psi_i``; it adds to
    # the number of parameters and is the usual hat value where all rows are labelled.
    inverse = bread / sample.n_rows
    values = np.zeros(sample.n_rows)
    for term, matrix in zip(augmentation.terms, augmentation.matrices, strict=True):
        for component in term:
            values += component.weight * sample.moment.leverage(component.rows, params, inverse @ matrix.T)
    values *= sample.remainder
    values[sample.labelled] += sample.gold_weights * sample.moment.leverage(sample.gold, params, inverse)
    return values if sample.effect_leverage is None else values + sample.effect_leverage


def identity_augmentation(term: ScoreTerm | None, n_params: int, scale: float = 1.0) -> Augmentation:
    """Return the augmentation that uses one expected score as it is, or none at all."""
    # ``g = scale * term``.
    if term is None:
        return Augmentation()
    return Augmentation(terms=(term,), matrices=(scale * np.eye(n_params),))
