"""Design-based estimating functions: gold labels corrected by machine labels, root, and tuning.

Every estimator of the module solves ``mean_i psi_i(b) = 0`` with

    psi_i(b) = w_i s_i(b) + (1 - w_i) g_i(b),        w_i = labelled_i / probability_i,

where ``s`` is the score on expert labels and ``g`` any function of what is always observed. Since
``E[w_i | everything] = 1``, the mean of ``psi`` is unbiased for the mean of ``s`` whatever ``g`` is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, Int1D
from validstats.dsl.moments import ModelMoment, RegressionRows
from validstats.dsl.newton import NewtonResult, find_root, invert_bread

__all__ = [
    "Augmentation",
    "AugmentedFit",
    "Component",
    "EstimatorName",
    "LabelledSample",
    "ScoreTerm",
    "TuningKind",
    "augmentation_scores",
    "cluster_codes",
    "expected_jacobian",
    "expected_score",
    "fit_augmented",
    "fit_term",
    "identity_augmentation",
    "one_step",
    "psi_jacobian",
    "psi_leverage",
    "psi_scores",
]

EstimatorName: TypeAlias = Literal["tuned", "dsl", "ppi", "ppi++", "gold"]
"""The estimators: ``g`` is tuned, cross-fitted plug-in, raw surrogate score, the same scaled, or zero."""

TuningKind: TypeAlias = Literal["matrix", "diagonal", "scalar", "none"]
"""How freely the augmentation is scaled: all coefficients jointly, each alone, one number, not at all."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """One way of completing the unlabelled variables, with its conditional probability in every row.

    Parameters
    ----------
    rows : RegressionRows
        All ``n`` rows with the predicted variables filled in.
    weight : ndarray of shape (n,) or float
        Conditional probability of this completion given what is always observed.
    """

    rows: RegressionRows
    weight: Float1D | float = 1.0


ScoreTerm: TypeAlias = tuple[Component, ...]
"""A conditional expectation of the score, as a mixture of completed data sets."""


@dataclass(frozen=True, kw_only=True)
class LabelledSample:
    """The expert-labelled part of a data set and how it was drawn.

    Parameters
    ----------
    moment : ModelMoment
        The model.
    gold : RegressionRows
        Labelled rows only, completed with expert labels, in the order of the data.
    labelled : ndarray of shape (n,)
        Which of the ``n`` rows are labelled.
    probability : ndarray of shape (n,)
        Probability in (0, 1] with which each row was to be labelled.
    effect_scores : ndarray of shape (n, p) or None, default None
        Part of the scores that absorbed effects explain; it adds to zero and is taken off for variances.
    effect_leverage : ndarray of shape (n,) or None, default None
        Leverage of every row on absorbed effects.
    """

    moment: ModelMoment
    gold: RegressionRows
    labelled: Bool1D
    probability: Float1D
    effect_scores: Float2D | None = None
    effect_leverage: Float1D | None = None

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
        return 1.0 / self.probability[self.positions]

    @cached_property
    def weights(self) -> Float1D:
        """``labelled / probability`` for all rows, shape ``(n,)``."""
        values = np.zeros(self.n_rows)
        values[self.positions] = self.gold_weights
        return values


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The function ``g`` of always-observed variables: a constant plus linearly mapped expected scores.

    Parameters
    ----------
    terms : tuple of ScoreTerm
        Expected scores.
    matrices : tuple of ndarray of shape (p, p)
        One matrix a term: the row ``a_i`` of expected scores enters as ``a_i @ matrix``.
    constant : ndarray of shape (p,) or (n, p), or None, default None
        Constant part, one for all rows or one a row (for instance one a stratum).
    """

    terms: tuple[ScoreTerm, ...] = ()
    matrices: tuple[Float2D, ...] = ()
    constant: Float2D | None = None


@dataclass(frozen=True, kw_only=True)
class AugmentedFit:
    """A solved design-based estimating equation.

    Attributes
    ----------
    params : ndarray of shape (p,)
        Estimate.
    psi : ndarray of shape (n, p)
        Estimating function of every row at ``params``.
    bread : ndarray of shape (p, p)
        Inverse of the mean Jacobian of ``psi``.
    augmentation : Augmentation
        The function that was used.
    newton : NewtonResult
        Diagnostics of the solver.
    fallback : str or None
        What was done where no root was found.
    """

    params: Float1D
    psi: Float2D
    bread: Float2D
    augmentation: Augmentation
    newton: NewtonResult
    fallback: str | None = None


def expected_score(moment: ModelMoment, term: ScoreTerm, params: Float1D) -> Float2D:
    """Return the expected score of every row, the mixture of the scores of its completions.

    Parameters
    ----------
    moment : ModelMoment
        The model.
    term : ScoreTerm
        Completions with their probabilities.
    params : ndarray of shape (p,)
        Parameter vector.

    Returns
    -------
    ndarray of shape (n, p)
        ``sum_k weight_k * score(rows_k, params)``.
    """
    total: Float2D | None = None
    for component in term:
        score = moment.score(component.rows, params)
        if not (np.ndim(component.weight) == 0 and component.weight == 1.0):
            score = score * np.reshape(component.weight, (-1, 1))
        total = score if total is None else total + score
    assert total is not None
    return total


def expected_jacobian(moment: ModelMoment, term: ScoreTerm, params: Float1D, row_weights: Float1D) -> Float2D:
    """Return the weighted sum of the negative derivative of the expected score.

    Parameters
    ----------
    moment : ModelMoment
        The model.
    term : ScoreTerm
        Completions with their probabilities.
    params : ndarray of shape (p,)
        Parameter vector.
    row_weights : ndarray of shape (n,)
        Multiplier of each row.

    Returns
    -------
    ndarray of shape (p, p)
        Summed Jacobian.
    """
    parts = [moment.jacobian(c.rows, params, row_weights * c.weight) for c in term]
    return np.sum(parts, axis=0)


def psi_scores(sample: LabelledSample, augmentation: Augmentation, params: Float1D) -> Float2D:
    """Return the design-based estimating function of every row.

    Parameters
    ----------
    sample : LabelledSample
        Labelled rows and their design.
    augmentation : Augmentation
        The function ``g``.
    params : ndarray of shape (p,)
        Parameter vector.

    Returns
    -------
    ndarray of shape (n, p)
        ``w s + (1 - w) g``.
    """
    psi = augmentation_scores(sample, augmentation, params)
    weight, rows = sample.gold_weights[:, None], sample.positions
    psi[rows] = (1.0 - weight) * psi[rows] + weight * sample.moment.score(sample.gold, params)
    return psi


def augmentation_scores(sample: LabelledSample, augmentation: Augmentation, params: Float1D) -> Float2D:
    """Return the function ``g`` of every row.

    Parameters
    ----------
    sample : LabelledSample
        Labelled rows and their design.
    augmentation : Augmentation
        The function ``g``.
    params : ndarray of shape (p,)
        Parameter vector.

    Returns
    -------
    ndarray of shape (n, p)
        Augmentation, a fresh array.
    """
    g = np.zeros((sample.n_rows, len(params)))
    for term, matrix in zip(augmentation.terms, augmentation.matrices, strict=True):
        score = expected_score(sample.moment, term, params)
        g += score if _is_identity(matrix) else score @ matrix
    if augmentation.constant is not None:
        g += augmentation.constant
    return g


def _is_identity(matrix: Float2D) -> bool:
    return bool(np.array_equal(matrix, np.eye(len(matrix))))


def psi_jacobian(sample: LabelledSample, augmentation: Augmentation, params: Float1D) -> Float2D:
    """Return the mean negative derivative of the estimating function.

    Parameters
    ----------
    sample : LabelledSample
        Labelled rows and their design.
    augmentation : Augmentation
        The function ``g``.
    params : ndarray of shape (p,)
        Parameter vector.

    Returns
    -------
    ndarray of shape (p, p)
        ``mean[w J(s) + (1 - w) matrix' J(g)]``.
    """
    total = sample.moment.jacobian(sample.gold, params, sample.gold_weights)
    remainder = 1.0 - sample.weights
    for term, matrix in zip(augmentation.terms, augmentation.matrices, strict=True):
        total = total + matrix.T @ expected_jacobian(sample.moment, term, params, remainder)
    return total / sample.n_rows


def psi_leverage(
    sample: LabelledSample, augmentation: Augmentation, params: Float1D, bread: Float2D
) -> Float1D:
    """Return the leverage of every row in the estimating equation.

    The leverage is ``trace(bread @ J_i) / n`` with ``J_i`` the negative derivative of ``psi_i``; it adds to
    the number of parameters and is the usual hat value where all rows are labelled.

    Parameters
    ----------
    sample : LabelledSample
        Labelled rows and their design.
    augmentation : Augmentation
        The function ``g``.
    params : ndarray of shape (p,)
        Estimate.
    bread : ndarray of shape (p, p)
        Inverse mean Jacobian.

    Returns
    -------
    ndarray of shape (n,)
        Leverages; those of unlabelled rows come from the augmentation alone.
    """
    inverse = bread / sample.n_rows
    values = np.zeros(sample.n_rows)
    for term, matrix in zip(augmentation.terms, augmentation.matrices, strict=True):
        for component in term:
            values += component.weight * sample.moment.leverage(component.rows, params, inverse @ matrix.T)
    values *= 1.0 - sample.weights
    values[sample.labelled] += sample.gold_weights * sample.moment.leverage(sample.gold, params, inverse)
    return values if sample.effect_leverage is None else values + sample.effect_leverage


def identity_augmentation(term: ScoreTerm | None, n_params: int, scale: float = 1.0) -> Augmentation:
    """Return the augmentation that uses one expected score as it is, or none at all.

    Parameters
    ----------
    term : ScoreTerm or None
        Expected score; None gives the gold-only estimator.
    n_params : int
        Number of parameters.
    scale : float, default 1.0
        Multiplier of the expected score.

    Returns
    -------
    Augmentation
        ``g = scale * term``.
    """
    if term is None:
        return Augmentation()
    return Augmentation(terms=(term,), matrices=(scale * np.eye(n_params),))


def fit_term(moment: ModelMoment, term: ScoreTerm, start: Float1D | None = None) -> NewtonResult:
    """Solve the mean expected score alone: the naive fit that takes machine labels for the truth.

    Parameters
    ----------
    moment : ModelMoment
        The model.
    term : ScoreTerm
        Completed data.
    start : ndarray of shape (p,) or None, default None
        Starting value; None asks the model.

    Returns
    -------
    NewtonResult
        Root of the mean expected score.
    """
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
    """Solve the design-based estimating equation for one augmentation.

    Parameters
    ----------
    sample : LabelledSample
        Labelled rows and their design.
    augmentation : Augmentation
        The function ``g``.
    start : ndarray of shape (p,) or None, default None
        Starting value; None starts from the model's own value on the labelled rows and, where that fails,
        from the naive fit.

    Returns
    -------
    AugmentedFit or None
        The solution, or None where no root with an invertible Jacobian was found.
    """
    for attempt in range(2):
        if attempt == 0:
            candidate = sample.moment.start(sample.gold, sample.gold_weights) if start is None else start
        elif augmentation.terms:
            candidate = fit_term(sample.moment, augmentation.terms[0]).params
        else:
            break
        if not np.all(np.isfinite(candidate)):
            continue
        newton = find_root(
            lambda b: psi_scores(sample, augmentation, b).mean(axis=0),
            lambda b: psi_jacobian(sample, augmentation, b),
            candidate,
        )
        if newton.converged:
            bread = invert_bread(psi_jacobian(sample, augmentation, newton.params))
            if bread is not None:
                psi = psi_scores(sample, augmentation, newton.params)
                return AugmentedFit(
                    params=newton.params, psi=psi, bread=bread, augmentation=augmentation, newton=newton
                )
    return None


def one_step(
    sample: LabelledSample, augmentation: Augmentation, pilot: AugmentedFit, reason: str
) -> AugmentedFit:
    """Take one Newton step on a new augmentation from the root of another one.

    A single step from a root-n-consistent pilot has the same limiting distribution as the root; the
    pilot's bread is used, which is invertible.

    Parameters
    ----------
    sample : LabelledSample
        Labelled rows and their design.
    augmentation : Augmentation
        The function ``g``.
    pilot : AugmentedFit
        A solved fit of the same model.
    reason : str
        Why the root is not used, kept in ``fallback``.

    Returns
    -------
    AugmentedFit
        The one-step estimate, with ``psi`` evaluated at the pilot and recentred to mean zero.
    """
    psi = psi_scores(sample, augmentation, pilot.params)
    moment = psi.mean(axis=0)
    return AugmentedFit(
        params=pilot.params + pilot.bread @ moment,
        psi=psi - moment,
        bread=pilot.bread,
        augmentation=augmentation,
        newton=pilot.newton,
        fallback=reason,
    )


def cluster_codes(labels: AnyArray) -> Int1D:
    """Return integer codes ``0..G-1`` of cluster or stratum labels.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Labels of any sortable kind.

    Returns
    -------
    ndarray of shape (n,)
        Codes.

    Examples
    --------
    >>> import numpy as np
    >>> cluster_codes(np.array(["b", "a", "b"]))
    array([1, 0, 1])
    """
    return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
