"""Sums of moments over chunks of rows: what one pass over a large data set leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D
from validstats.dsl.fit import Augmentation, Component, LabelledSample, augmentation_scores, psi_jacobian
from validstats.dsl.moments import ModelMoment, RegressionRows

__all__ = ["ClusterSums", "MomentAccumulator", "MomentSums", "RowChunk", "chunk_sums"]

_BLOCK = 32_768
"""Rows that are worked on at once, so that temporary arrays stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class RowChunk:
    """Some rows of a data set, as arrays."""

    X: Float2D  # design matrix
    y: Float1D  # expert labels, NaN where there is none
    probability: Float1D  # labelling probabilities in (0, 1]
    predictions: tuple[Float1D, ...]  # predicted labels, one array a term of the augmentation
    clusters: AnyArray | None = None  # cluster labels

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    def part(self, rows: slice | AnyArray) -> RowChunk:
        """Return some of the rows."""
        return RowChunk(
            X=self.X[rows],
            y=self.y[rows],
            probability=self.probability[rows],
            predictions=tuple(p[rows] for p in self.predictions),
            clusters=None if self.clusters is None else self.clusters[rows],
        )

    def sample(self, moment: ModelMoment) -> LabelledSample:
        """Return the rows as a labelled sample of a model."""
        labelled = ~np.isnan(self.y)
        gold = RegressionRows(y=self.y[labelled], X=self.X[labelled])
        return LabelledSample(moment=moment, gold=gold, labelled=labelled, probability=self.probability)

    def augmentation(self, matrices: Sequence[Float2D], constant: Float1D | None) -> Augmentation:
        """Return the augmentation of these rows."""
        used = self.predictions[: len(matrices)]
        terms = tuple((Component(rows=RegressionRows(y=h, X=self.X)),) for h in used)
        return Augmentation(terms=terms, matrices=tuple(matrices), constant=constant)


@dataclass(frozen=True, kw_only=True)
class ClusterSums:
    """Sums of scores within clusters."""

    labels: AnyArray  # sorted cluster labels
    sums: Float2D  # sum of scores of each

    @classmethod
    def of(cls, labels: AnyArray, scores: Float2D) -> Self:
        """Sum scores by cluster."""
        found, codes = np.unique(labels, return_inverse=True)
        codes = codes.reshape(-1)
        sums = [np.bincount(codes, scores[:, j], minlength=len(found)) for j in range(scores.shape[1])]
        return cls(labels=found, sums=np.column_stack(sums))

    def __add__(self, other: ClusterSums) -> ClusterSums:
        return ClusterSums.of(
            np.concatenate([self.labels, other.labels]), np.concatenate([self.sums, other.sums])
        )


@dataclass(frozen=True, kw_only=True)
class MomentSums:
    """Sums over rows at one parameter vector; sums of disjoint rows add."""

    n_rows: int  # numbers of rows
    n_labelled: int  # numbers of rows
    score: Float1D  # sum of ``psi``
    jacobian: Float2D  # sum of its negative derivative
    meat: Float2D  # sum of ``psi psi'``
    label_meat: Float2D  # sum of ``w^2 (s - g)(s - g)'``, the part that more labels shrink
    clusters: ClusterSums | None = None  # sums of ``psi`` within clusters

    def __add__(self, other: MomentSums) -> MomentSums:
        clusters = self.clusters
        if clusters is not None and other.clusters is not None:
            clusters = clusters + other.clusters
        return MomentSums(
            n_rows=self.n_rows + other.n_rows,
            n_labelled=self.n_labelled + other.n_labelled,
            score=self.score + other.score,
            jacobian=self.jacobian + other.jacobian,
            meat=self.meat + other.meat,
            label_meat=self.label_meat + other.label_meat,
            clusters=clusters if clusters is not None else other.clusters,
        )


def chunk_sums(
    moment: ModelMoment,
    params: Float1D,
    chunk: RowChunk,
    matrices: Sequence[Float2D],
    constant: Float1D | None = None,
) -> MomentSums:
    """Return the sums of one chunk, worked through in blocks."""
    accumulator = MomentAccumulator(moment, params, matrices, constant)
    for begin in range(0, chunk.n_rows, _BLOCK):
        accumulator._add_block(chunk.part(slice(begin, begin + _BLOCK)))
    return accumulator.sums


class MomentAccumulator:
    """Accumulate moments over chunks that come one after the other, or merge those of several machines."""

    def __init__(
        self,
        moment: ModelMoment,
        params: Float1D,
        matrices: Sequence[Float2D] = (),
        constant: Float1D | None = None,
    ) -> None:
        p = len(params)
        self.moment = moment
        self.params = params
        self.matrices = tuple(matrices)
        self.constant = constant
        self.sums = MomentSums(
            n_rows=0,
            n_labelled=0,
            score=np.zeros(p),
            jacobian=np.zeros((p, p)),
            meat=np.zeros((p, p)),
            label_meat=np.zeros((p, p)),
        )

    def update(self, chunk: RowChunk) -> Self:
        """Add the rows of a chunk."""
        self.sums = self.sums + chunk_sums(self.moment, self.params, chunk, self.matrices, self.constant)
        return self

    def merge(self, other: MomentAccumulator) -> Self:
        """Add the sums of another accumulator at the same parameters."""
        if not np.array_equal(self.params, other.params):
            raise ValueError("Only sums at the same parameters can be merged; these differ.")
        self.sums = self.sums + other.sums
        return self

    def _add_block(self, chunk: RowChunk) -> None:
        sample = chunk.sample(self.moment)
        augmentation = chunk.augmentation(self.matrices, self.constant)
        psi = augmentation_scores(sample, augmentation, self.params)
        labelled, weight = sample.labelled, sample.gold_weights[:, None]
        correction = weight * (self.moment.score(sample.gold, self.params) - psi[labelled])
        psi[labelled] += correction
        jacobian = psi_jacobian(sample, augmentation, self.params) * chunk.n_rows
        clusters = None if chunk.clusters is None else ClusterSums.of(chunk.clusters, psi)
        self.sums = self.sums + MomentSums(
            n_rows=chunk.n_rows,
            n_labelled=sample.n_labelled,
            score=psi.sum(axis=0),
            jacobian=jacobian,
            meat=psi.T @ psi,
            label_meat=correction.T @ correction,
            clusters=clusters,
        )
