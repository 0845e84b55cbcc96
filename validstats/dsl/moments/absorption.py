"""Projection on the dummies of one or two categorical variables, which are never written out.

With weights ``W`` and dummies ``D`` the projection of a scaled variable ``W^1/2 v`` is ``W^1/2 D (D'WD)^- D'W v``. It
needs the sums ``D'W v`` by level, which add over parts of the rows, and the table of masses ``D'WD``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from validstats._typing import AnyArray, Float1D, Float2D, FloatND, Int1D, Int2D
from validstats.dsl.moments.variance import ClusterSums, sorted_levels

__all__ = ["AbsorbedRows", "Absorber", "EffectTable", "ExplainedScores", "LevelSums"]


@dataclass(frozen=True)
class EffectTable:
    """Combinations of levels that occur, each once, with the mass of their rows; tables of disjoint rows add."""

    codes: Int2D  # shape ``(n_combinations, n_ways)``, sorted
    mass: Float1D

    @classmethod
    def of(cls, codes: Int2D, mass: Float1D) -> Self:
        """Sum masses by combination."""
        if codes.shape[1] == 1:
            found, inverse = sorted_levels(codes[:, 0])
            found = found[:, None]
        else:
            found, inverse = np.unique(codes, axis=0, return_inverse=True)
        return cls(found, np.bincount(inverse.reshape(-1), mass, len(found)).astype(np.float64))

    def __add__(self, other: Self) -> Self:
        return type(self).of(
            np.concatenate([self.codes, other.codes]), np.concatenate([self.mass, other.mass])
        )


@dataclass(frozen=True)
class LevelSums:
    """Sums of scaled variables by level of every way; sums of disjoint rows add."""

    ways: tuple[ClusterSums, ...]

    def __add__(self, other: Self) -> Self:
        return type(self)(tuple(a + b for a, b in zip(self.ways, other.ways, strict=True)))


class AbsorbedRows(NamedTuple):
    """What rows show of the absorbed effects: their levels, and the root of their analysis weights."""

    codes: tuple[Int1D, ...]
    root: Float1D | None = None

    def take(self, rows: AnyArray | slice) -> AbsorbedRows:
        """Return some of the rows."""
        return AbsorbedRows(
            tuple(c[rows] for c in self.codes), None if self.root is None else self.root[rows]
        )

    def scaled(self, values: FloatND) -> FloatND:
        """Return values times the root of the analysis weights, where there are any."""
        if self.root is None:
            return values
        return values * (self.root if values.ndim == 1 else self.root[:, None])

    def sums(self, values: Float2D) -> LevelSums:
        """Return the sums of scaled variables by level."""
        matrix = self.scaled(values)
        return LevelSums(tuple(ClusterSums.of(c, matrix) for c in self.codes))


class Absorber:
    """Orthogonal projection on the dummies of one or two categorical variables."""

    def __init__(self, codes: Sequence[Int1D], weights: Float1D | None = None) -> None:
        _check_ways(len(codes))
        mass = np.ones(len(codes[0])) if weights is None else weights
        self.codes = tuple(np.asarray(c) for c in codes)
        self.weights = weights
        self.rows = AbsorbedRows(self.codes, None if weights is None else np.sqrt(weights))
        self._prepare(EffectTable.of(np.column_stack(self.codes), mass))

    @classmethod
    def of_table(cls, table: EffectTable) -> Absorber:
        """Return the projection of rows that are not in memory, from their table."""
        _check_ways(table.codes.shape[1])
        found = cls.__new__(cls)
        found.codes, found.weights, found.rows = (), None, AbsorbedRows(())
        found._prepare(table)
        return found

    def _prepare(self, table: EffectTable) -> None:
        self._table = table
        levels = [sorted_levels(c) for c in table.codes.T]
        self._own_levels = tuple(found for found, _ in levels)
        if len(levels) == 2:
            self._keys = levels[0][1].reshape(-1) * len(levels[1][0]) + levels[1][1].reshape(-1)
        order = sorted(range(len(levels)), key=lambda j: -len(levels[j][0]))
        # the way with more levels first: the normal equations are solved in the other one
        self._order = tuple(order)
        self._levels = tuple(levels[j][0] for j in order)
        compact = [levels[j][1].reshape(-1).astype(np.int64) for j in order]
        counts = np.bincount(compact[0], table.mass).astype(float)
        self.n_effects = int(np.count_nonzero(counts))
        self._counts = np.where(counts > 0.0, counts, 1.0)
        self._solver: Any = None
        if len(compact) == 2:
            self._factorise(compact[0], compact[1], table.mass)

    def _factorise(self, large: Int1D, small: Int1D, mass: Float1D) -> None:
        """Factorise the normal equations of the smaller way after the larger one is projected out."""
        n_large, n_small = len(self._counts), int(small.max()) + 1
        table = sparse.csr_matrix((mass, (large, small)), shape=(n_large, n_small))
        table.eliminate_zeros()
        blocks: Any = [[None, table], [table.T, None]]
        graph: Any = sparse.bmat(blocks)
        _, component = connected_components(graph, directed=False)
        component = component[n_large:]
        dropped = np.unique(component, return_index=True)[1]
        self._kept = np.setdiff1d(np.arange(n_small), dropped)
        self.n_effects += len(self._kept)
        self._cross = table[:, self._kept].tocsr()
        schur = sparse.diags(np.bincount(small, mass)[self._kept].astype(float)) - self._cross.T @ (
            sparse.diags(1.0 / self._counts) @ self._cross
        )
        self._solver = splu(sparse.csc_matrix(schur)) if len(self._kept) else None
        self._position = np.full(n_small, -1, dtype=np.int64)
        self._position[self._kept] = np.arange(len(self._kept))

    def ordered(self, sums: LevelSums) -> tuple[Float2D, ...]:
        """Return the sums of all levels, the way with more levels first."""
        found = []
        for known, way in zip(self._levels, self._order, strict=True):
            of_way = sums.ways[way]
            full = np.zeros((len(known), of_way.sums.shape[1]))
            full[np.searchsorted(known, of_way.codes)] = of_way.sums
            found.append(full)
        return tuple(found)

    def effects(self, sums: LevelSums) -> tuple[Float2D, ...]:
        """Return the effects of every level of every way that fit the variables best."""
        first, *others = self.ordered(sums)
        # alpha = D1^-1 (s1 - T beta), S beta = s2 - T' D1^-1 s1
        alpha = first / self._counts[:, None]
        if not others:
            return (alpha,)
        beta = np.zeros((len(self._levels[1]), alpha.shape[1]))
        if self._solver is not None:
            beta[self._kept] = self._solver.solve(others[0][self._kept] - self._cross.T @ alpha)
            alpha = alpha - (self._cross @ beta[self._kept]) / self._counts[:, None]
        return alpha, beta

    def fitted(self, effects: tuple[Float2D, ...], rows: AbsorbedRows) -> Float2D:
        """Return the projections of some rows from the effects of their levels."""
        total = effects[0][self._code(0, rows)]
        if len(effects) == 2:
            total = total + effects[1][self._code(1, rows)]
        return rows.scaled(total)

    def _code(self, way: int, rows: AbsorbedRows) -> Int1D:
        return _places(self._levels[way], rows.codes[self._order[way]])

    def project(self, values: FloatND) -> FloatND:
        """Return the projection of each column on the dummies."""
        matrix = values.reshape(len(values), -1)
        return self.fitted(self.effects(self.rows.sums(matrix)), self.rows).reshape(values.shape)

    def scaled(self, values: FloatND) -> FloatND:
        """Return values times the root of the analysis weights, where there are any."""
        return self.rows.scaled(values)

    def within(self, rows: AnyArray) -> Absorber:
        """Return the absorber of some of the rows."""
        return Absorber([c[rows] for c in self.codes], None if self.weights is None else self.weights[rows])

    def leverage(self, rows: AbsorbedRows | None = None) -> Float1D:
        """Return the diagonal of the projection matrix for some rows, or for all."""
        # Leverage of every row on the dummies; over all rows it adds to ``n_effects``.
        chosen = self.rows if rows is None else rows
        values = self._combination_leverage[self._combination(chosen)]
        return values if chosen.root is None else values * chosen.root**2

    def _combination(self, rows: AbsorbedRows) -> Int1D:
        """Return the combination of levels of every row."""
        place = [_places(known, c) for known, c in zip(self._own_levels, rows.codes, strict=True)]
        if len(place) == 1:
            return place[0]
        return np.searchsorted(self._keys, place[0] * len(self._own_levels[1]) + place[1])

    @cached_property
    def _combination_leverage(self) -> Float1D:
        large = np.searchsorted(self._levels[0], self._table.codes[:, self._order[0]])
        values = 1.0 / self._counts[large]
        if self._solver is None:
            return values
        position = self._position[np.searchsorted(self._levels[1], self._table.codes[:, self._order[1]])]
        shares: Any = sparse.diags(1.0 / self._counts) @ self._cross
        for begin in range(0, len(values), 4096):
            block = slice(begin, begin + 4096)
            direction = -np.asarray(shares[large[block]].todense())
            inside = position[block] >= 0
            direction[np.flatnonzero(inside), position[block][inside]] += 1.0
            solved = self._solver.solve(np.ascontiguousarray(direction.T))
            values[block] += np.einsum("ij,ji->i", direction, solved)
        return values


@dataclass(frozen=True)
class ExplainedScores:
    """What absorbed effects explain of the scores, and their leverage: kept by level, given for the rows that are asked for."""

    absorber: Absorber
    # by level, of the design-adjusted outcome with the predictions and of the labels alone; empty where nothing is taken off
    effects: tuple[Float2D, ...] = ()
    with_leverage: bool = True

    def scores(self, carriers: Float2D, absorbed: AbsorbedRows, column: int) -> Float2D:
        """Return the explained part of the scores of rows with these covariates or instruments."""
        of_rows = self.absorber.fitted(tuple(e[:, column : column + 1] for e in self.effects), absorbed)
        return carriers * of_rows

    def leverage(self, absorbed: AbsorbedRows) -> Float1D | None:
        """Return the leverage of rows on the effects, where it is asked for."""
        return self.absorber.leverage(absorbed) if self.with_leverage else None


def _places(levels: Int1D, codes: Int1D) -> Int1D:
    """Return the places of codes among sorted levels, which are the codes themselves where none is left out."""
    if len(levels) and levels[0] == 0 and levels[-1] == len(levels) - 1:
        return codes
    return np.searchsorted(levels, codes)


def _check_ways(n_ways: int) -> None:
    if not 1 <= n_ways <= 2:
        raise ValueError(
            f"Fixed effects can be one- or two-way; {n_ways} variables were given. Combine several "
            "into one by interacting them."
        )
