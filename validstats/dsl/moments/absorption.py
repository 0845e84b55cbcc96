"""Projection on the dummies of one or two categorical variables, which are never written out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from validstats._typing import AnyArray, Float1D, Float2D, FloatND, Int1D, Int2D

__all__ = ["Absorber"]


class Absorber:
    """Orthogonal projection on the dummies of one or two categorical variables."""

    def __init__(self, codes: Sequence[Int1D], weights: Float1D | None = None) -> None:
        if not 1 <= len(codes) <= 2:
            raise ValueError(
                f"Fixed effects can be one- or two-way; {len(codes)} variables were given. Combine several "
                "into one by interacting them."
            )
        compact = [np.unique(c, return_inverse=True)[1].reshape(-1).astype(np.int64) for c in codes]
        compact.sort(key=lambda c: -int(c.max()))
        self.codes = tuple(np.asarray(c) for c in codes)
        self.weights = weights
        self._root = None if weights is None else np.sqrt(weights)
        self._large = compact[0]
        counts = np.bincount(self._large, weights).astype(float)
        self.n_effects = int(np.count_nonzero(counts))
        self._counts = np.where(counts > 0.0, counts, 1.0)
        self._small: Int1D | None = None
        if len(compact) == 2:
            self._factorise(compact[1])

    def _factorise(self, small: Int1D) -> None:
        """Factorise the normal equations of the smaller way after the larger one is projected out."""
        n_large, n_small = len(self._counts), int(small.max()) + 1
        masses = np.ones(len(small)) if self.weights is None else self.weights
        table = sparse.csr_matrix((masses, (self._large, small)), shape=(n_large, n_small))
        table.eliminate_zeros()
        blocks: Any = [[None, table], [table.T, None]]
        graph: Any = sparse.bmat(blocks)
        _, component = connected_components(graph, directed=False)
        component = component[n_large:]
        dropped = np.unique(component, return_index=True)[1]
        self._kept = np.setdiff1d(np.arange(n_small), dropped)
        self._small = small
        self.n_effects += len(self._kept)
        self._table = table[:, self._kept].tocsr()
        schur = sparse.diags(np.bincount(small, masses)[self._kept].astype(float)) - self._table.T @ (
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
        """Return the projection of each column on the dummies."""
        matrix = self.scaled(values.reshape(len(values), -1))
        fitted = self._means(matrix)[self._large]
        if self._small is not None and self._solver is not None:
            residual = matrix - (fitted if self.weights is None else fitted * self.weights[:, None])
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
            massed = spread if self.weights is None else spread * self.weights[:, None]
            fitted = fitted + spread - self._means(massed)[self._large]
        return self.scaled(fitted).reshape(values.shape)

    def scaled(self, values: FloatND) -> FloatND:
        """Return values times the root of the analysis weights, where there are any."""
        if self._root is None:
            return values
        return values * (self._root if values.ndim == 1 else self._root[:, None])

    def within(self, rows: AnyArray) -> Absorber:
        """Return the absorber of some of the rows."""
        return Absorber([c[rows] for c in self.codes], None if self.weights is None else self.weights[rows])

    def residualise(self, values: FloatND) -> FloatND:
        """Return each column minus its projection on the dummies."""
        return values - self.project(values)

    def leverage(self) -> Float1D:
        """Return the diagonal of the projection matrix."""
        # Leverage of every row on the dummies; it adds to ``n_effects``.
        values = 1.0 / self._counts[self._large]
        if self._small is None or self._solver is None:
            return values if self.weights is None else values * self.weights
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
        values = values + quadratic[inverse_pair]
        return values if self.weights is None else values * self.weights

    def _unique_pairs(self) -> tuple[Int2D, Int1D]:
        pairs = np.column_stack([self._large, self._position])
        unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
        return unique, inverse.reshape(-1)
