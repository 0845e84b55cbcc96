"""Linear regression with one- or two-way fixed effects that are projected out, never written as dummies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from validstats._typing import Float1D, Float2D, FloatND, Int1D, Int2D
from validstats.dsl.estimation import LabelledSample, ScoreTerm
from validstats.dsl.newton import invert_bread

__all__ = ["Absorber", "FixedEffectsFit", "fit_fixed_effects"]


class Absorber:
    """Orthogonal projection on the dummies of one or two categorical variables.

    Parameters
    ----------
    codes : sequence of ndarray of shape (n,)
        One or two vectors of level codes.

    Attributes
    ----------
    n_effects : int
        Rank of the dummies.

    Raises
    ------
    ValueError
        If more than two variables are given.

    Examples
    --------
    >>> import numpy as np
    >>> absorber = Absorber([np.array([0, 0, 1, 1])])
    >>> absorber.residualise(np.array([1.0, 3.0, 5.0, 5.0]))
    array([-1.,  1.,  0.,  0.])
    """

    def __init__(self, codes: Sequence[Int1D]) -> None:
        if not 1 <= len(codes) <= 2:
            raise ValueError(
                f"Fixed effects can be one- or two-way; {len(codes)} variables were given. Combine several "
                "into one by interacting them."
            )
        compact = [np.unique(c, return_inverse=True)[1].reshape(-1).astype(np.int64) for c in codes]
        compact.sort(key=lambda c: -int(c.max()))
        self._large = compact[0]
        self._counts = np.bincount(self._large).astype(float)
        self.n_effects = len(self._counts)
        self._small: Int1D | None = None
        if len(compact) == 2:
            self._factorise(compact[1])

    def _factorise(self, small: Int1D) -> None:
        """Factorise the normal equations of the smaller way after the larger one is projected out."""
        n_large, n_small = len(self._counts), int(small.max()) + 1
        table = sparse.csr_matrix((np.ones(len(small)), (self._large, small)), shape=(n_large, n_small))
        blocks: Any = [[None, table], [table.T, None]]
        graph: Any = sparse.bmat(blocks)
        _, component = connected_components(graph, directed=False)
        component = component[n_large:]
        dropped = np.unique(component, return_index=True)[1]
        self._kept = np.setdiff1d(np.arange(n_small), dropped)
        self._small = small
        self.n_effects = n_large + len(self._kept)
        self._table = table[:, self._kept].tocsr()
        schur = sparse.diags(np.bincount(small)[self._kept].astype(float)) - self._table.T @ (
            sparse.diags(1.0 / self._counts) @ self._table
        )
        self._solver = splu(sparse.csc_matrix(schur)) if len(self._kept) else None
        position = np.full(n_small, -1, dtype=np.int64)
        position[self._kept] = np.arange(len(self._kept))
        self._position = position[small]

    def _means(self, values: Float2D) -> Float2D:
        sums = np.column_stack(
            [
                np.bincount(self._large, values[:, j], minlength=len(self._counts))
                for j in range(values.shape[1])
            ]
        )
        return sums / self._counts[:, None]

    def project(self, values: FloatND) -> FloatND:
        """Return the projection of each column on the dummies.

        Parameters
        ----------
        values : ndarray of shape (n,) or (n, p)
            Columns.

        Returns
        -------
        ndarray of the same shape
            Fitted values of a regression on the dummies.
        """
        matrix = values.reshape(len(values), -1)
        fitted = self._means(matrix)[self._large]
        if self._small is not None and self._solver is not None:
            residual = matrix - fitted
            inside = self._position >= 0
            right = np.column_stack(
                [
                    np.bincount(self._position[inside], residual[inside, j], minlength=len(self._kept))
                    for j in range(matrix.shape[1])
                ]
            )
            effects = self._solver.solve(right)
            spread = np.zeros_like(matrix)
            spread[inside] = effects[self._position[inside]]
            fitted = fitted + spread - self._means(spread)[self._large]
        return fitted.reshape(values.shape)

    def residualise(self, values: FloatND) -> FloatND:
        """Return each column minus its projection on the dummies.

        Parameters
        ----------
        values : ndarray of shape (n,) or (n, p)
            Columns.

        Returns
        -------
        ndarray of the same shape
            Within-transformed columns.
        """
        return values - self.project(values)

    def leverage(self) -> Float1D:
        """Return the diagonal of the projection matrix.

        Returns
        -------
        ndarray of shape (n,)
            Leverage of every row on the dummies; it adds to ``n_effects``.
        """
        values = 1.0 / self._counts[self._large]
        if self._small is None or self._solver is None:
            return values
        shares: Any = sparse.diags(1.0 / self._counts) @ self._table
        rows, inverse_pair = self._unique_pairs()
        quadratic = np.zeros(len(rows))
        for begin in range(0, len(rows), 4096):
            block = rows[begin : begin + 4096]
            direction = -np.asarray(shares[block[:, 0]].todense())
            inside = block[:, 1] >= 0
            direction[np.flatnonzero(inside), block[inside, 1]] += 1.0
            solved = self._solver.solve(np.ascontiguousarray(direction.T))
            quadratic[begin : begin + 4096] = np.einsum("ij,ji->i", direction, solved)
        return values + quadratic[inverse_pair]

    def _unique_pairs(self) -> tuple[Int2D, Int1D]:
        pairs = np.column_stack([self._large, self._position])
        unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
        return unique, inverse.reshape(-1)


@dataclass(frozen=True, kw_only=True)
class FixedEffectsFit:
    """A design-based fixed-effects regression.

    Attributes
    ----------
    params : ndarray of shape (p,)
        Coefficients of the covariates.
    psi : ndarray of shape (n, p)
        Score of every row; its sums within units are the contributions of the units.
    bread : ndarray of shape (p, p)
        Inverse mean Jacobian.
    residual : ndarray of shape (n_labelled, p)
        Gold score minus expected score on the labelled rows.
    """

    params: Float1D
    psi: Float2D
    bread: Float2D
    residual: Float2D


def _outer_sum(left: Float2D, right: FloatND, weight: Float1D) -> FloatND:
    return (left * weight[:, None]).T @ right


def fit_fixed_effects(
    sample: LabelledSample,
    term: ScoreTerm,
    absorber: Absorber,
    *,
    own_term_correction: bool = True,
) -> FixedEffectsFit | None:
    """Fit a linear model with absorbed effects when covariates, and possibly the outcome, are predicted.

    The within estimator is quadratic in the covariates, and ``adjX' P adjX`` of the adjusted covariates
    ``adjX = Xp + w (Xo - Xp)`` is biased by the diagonal of the projection: its expectation exceeds
    ``X' P X`` by ``sum_i P_ii (1 / pi_i - 1) (Xo_i - Xp_i)(Xo_i - Xp_i)'``, which does not vanish in short
    panels. The correction replaces the own terms ``adjX_i adjX_i'`` by the unbiased
    ``(1 - w_i) E[x x' | Z] + w_i Xo_i Xo_i'``.

    Parameters
    ----------
    sample : LabelledSample
        Labelled rows and their design; rows must be labelled independently of each other.
    term : ScoreTerm
        Completed data for all rows.
    absorber : Absorber
        Projection on the fixed effects.
    own_term_correction : bool, default True
        False gives the plain profiled form, for parity with the R package ``dsl`` only.

    Returns
    -------
    FixedEffectsFit or None
        The fit, or None where the adjusted cross-product matrix is singular.
    """
    n, p = sample.n_rows, sample.gold.X.shape[1]
    remainder = 1.0 - sample.weights
    lab, gold_weight = sample.labelled, sample.gold_weights
    gold = sample.gold
    adjusted_x, adjusted_y = np.zeros((n, p)), np.zeros(n)
    for c in term:
        adjusted_x += np.reshape(remainder * c.weight, (-1, 1)) * c.rows.X
        adjusted_y += remainder * c.weight * c.rows.y
    adjusted_x[lab] += gold_weight[:, None] * gold.X
    adjusted_y[lab] += gold_weight * gold.y

    def second_moments(multiplier: Float1D) -> tuple[Float2D, Float1D]:
        xx = _outer_sum(gold.X, gold.X, gold_weight * multiplier[lab])
        xy = _outer_sum(gold.X, gold.y, gold_weight * multiplier[lab])
        for c in term:
            xx = xx + _outer_sum(c.rows.X, c.rows.X, remainder * c.weight * multiplier)
            xy = xy + _outer_sum(c.rows.X, c.rows.y, remainder * c.weight * multiplier)
        return xx, xy

    projected_x = absorber.project(adjusted_x)
    gram, cross = second_moments(np.ones(n))
    gram = gram - adjusted_x.T @ projected_x
    cross = cross - projected_x.T @ adjusted_y
    own = absorber.leverage() if own_term_correction else np.zeros(n)
    if own_term_correction:
        own_xx, own_xy = second_moments(own)
        gram = gram + _outer_sum(adjusted_x, adjusted_x, own) - own_xx
        cross = cross + _outer_sum(adjusted_x, adjusted_y, own) - own_xy
    bread = invert_bread((gram + gram.T) / (2.0 * n))
    if bread is None:
        return None
    params = bread @ cross / n

    effects = absorber.project(adjusted_y - adjusted_x @ params)
    expected = np.zeros((n, p))
    own_score = np.zeros((n, p))
    for c in term:
        fitted = c.rows.y - c.rows.X @ params
        probability = np.reshape(c.weight, (-1, 1))
        expected += probability * (c.rows.X - projected_x) * (fitted - effects)[:, None]
        own_score += probability * c.rows.X * fitted[:, None]
    gold_fitted = gold.y - gold.X @ params
    gold_score = (gold.X - projected_x[lab]) * (gold_fitted - effects[lab])[:, None]
    psi = remainder[:, None] * expected
    psi[lab] += gold_weight[:, None] * gold_score
    if own_term_correction:
        unbiased = remainder[:, None] * own_score
        unbiased[lab] += gold_weight[:, None] * gold.X * gold_fitted[:, None]
        product = adjusted_x * (adjusted_y - adjusted_x @ params)[:, None]
        psi += own[:, None] * (product - unbiased)
    return FixedEffectsFit(params=params, psi=psi, bread=bread, residual=gold_score - expected[lab])
