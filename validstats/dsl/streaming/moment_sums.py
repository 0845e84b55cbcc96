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
    """Some rows of a data set, as arrays.

    Parameters
    ----------
    X : ndarray of shape (m, p)
        Design matrix.
    y : ndarray of shape (m,)
        Expert labels, NaN where there is none.
    probability : ndarray of shape (m,)
        Labelling probabilities in (0, 1].
    predictions : tuple of ndarray of shape (m,)
        Predicted labels, one array a term of the augmentation.
    clusters : ndarray of shape (m,) or None, default None
        Cluster labels.
    """

    X: Float2D
    y: Float1D
    probability: Float1D
    predictions: tuple[Float1D, ...]
    clusters: AnyArray | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    def part(self, rows: slice | AnyArray) -> RowChunk:
        """Return some of the rows.

        Parameters
        ----------
        rows : slice or ndarray
            Which ones.

        Returns
        -------
        RowChunk
            The rows.
        """
        return RowChunk(
            X=self.X[rows],
            y=self.y[rows],
            probability=self.probability[rows],
            predictions=tuple(p[rows] for p in self.predictions),
            clusters=None if self.clusters is None else self.clusters[rows],
        )

    def sample(self, moment: ModelMoment) -> LabelledSample:
        """Return the rows as a labelled sample of a model.

        Parameters
        ----------
        moment : ModelMoment
            The model.

        Returns
        -------
        LabelledSample
            Labelled rows and their design.
        """
        labelled = ~np.isnan(self.y)
        gold = RegressionRows(y=self.y[labelled], X=self.X[labelled])
        return LabelledSample(moment=moment, gold=gold, labelled=labelled, probability=self.probability)

    def augmentation(self, matrices: Sequence[Float2D], constant: Float1D | None) -> Augmentation:
        """Return the augmentation of these rows.

        Parameters
        ----------
        matrices : sequence of ndarray of shape (p, p)
            One a prediction.
        constant : ndarray of shape (p,) or None
            Constant part.

        Returns
        -------
        Augmentation
            With the predictions in place of the label.
        """
        used = self.predictions[: len(matrices)]
        terms = tuple((Component(rows=RegressionRows(y=h, X=self.X)),) for h in used)
        return Augmentation(terms=terms, matrices=tuple(matrices), constant=constant)


@dataclass(frozen=True, kw_only=True)
class ClusterSums:
    """Sums of scores within clusters.

    Attributes
    ----------
    labels : ndarray of shape (G,)
        Sorted cluster labels.
    sums : ndarray of shape (G, p)
        Sum of scores of each.
    """

    labels: AnyArray
    sums: Float2D

    @classmethod
    def of(cls, labels: AnyArray, scores: Float2D) -> Self:
        """Sum scores by cluster.

        Parameters
        ----------
        labels : ndarray of shape (m,)
            Cluster labels.
        scores : ndarray of shape (m, p)
            Scores.

        Returns
        -------
        ClusterSums
            One row a cluster.
        """
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
    """Sums over rows at one parameter vector; sums of disjoint rows add.

    Attributes
    ----------
    n_rows, n_labelled : int
        Numbers of rows.
    score : ndarray of shape (p,)
        Sum of ``psi``.
    jacobian : ndarray of shape (p, p)
        Sum of its negative derivative.
    meat : ndarray of shape (p, p)
        Sum of ``psi psi'``.
    label_meat : ndarray of shape (p, p)
        Sum of ``w^2 (s - g)(s - g)'``, the part that more labels shrink.
    clusters : ClusterSums or None
        Sums of ``psi`` within clusters.
    """

    n_rows: int
    n_labelled: int
    score: Float1D
    jacobian: Float2D
    meat: Float2D
    label_meat: Float2D
    clusters: ClusterSums | None = None

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
    """Return the sums of one chunk, worked through in blocks.

    Parameters
    ----------
    moment : ModelMoment
        The model.
    params : ndarray of shape (p,)
        Parameter vector.
    chunk : RowChunk
        The rows.
    matrices : sequence of ndarray of shape (p, p)
        How each prediction's score enters the augmentation.
    constant : ndarray of shape (p,) or None, default None
        Constant part of the augmentation.

    Returns
    -------
    MomentSums
        Sums over the rows.
    """
    accumulator = MomentAccumulator(moment, params, matrices, constant)
    for begin in range(0, chunk.n_rows, _BLOCK):
        accumulator._add_block(chunk.part(slice(begin, begin + _BLOCK)))
    return accumulator.sums


class MomentAccumulator:
    """Accumulate moments over chunks that come one after the other, or merge those of several machines.

    Parameters
    ----------
    moment : ModelMoment
        The model.
    params : ndarray of shape (p,)
        Parameter vector at which moments are taken.
    matrices : sequence of ndarray of shape (p, p), default ()
        How each prediction's score enters the augmentation; the identity is plain design-based supervised
        learning, none is expert labels alone.
    constant : ndarray of shape (p,) or None, default None
        Constant part of the augmentation.

    Attributes
    ----------
    sums : MomentSums
        Sums so far.

    Examples
    --------
    >>> import numpy as np
    >>> from validstats.dsl.moments.models import LinearMoment
    >>> rows = RowChunk(X=np.ones((2, 1)), y=np.array([1.0, np.nan]), probability=np.full(2, 0.5),
    ...                 predictions=(np.array([0.5, 0.5]),))
    >>> MomentAccumulator(LinearMoment(), np.zeros(1), [np.eye(1)]).update(rows).sums.score
    array([2.])
    """

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
        """Add the rows of a chunk.

        Parameters
        ----------
        chunk : RowChunk
            Rows that were not added before.

        Returns
        -------
        MomentAccumulator
            Itself.
        """
        self.sums = self.sums + chunk_sums(self.moment, self.params, chunk, self.matrices, self.constant)
        return self

    def merge(self, other: MomentAccumulator) -> Self:
        """Add the sums of another accumulator at the same parameters.

        Parameters
        ----------
        other : MomentAccumulator
            Sums over other rows.

        Returns
        -------
        MomentAccumulator
            Itself.

        Raises
        ------
        ValueError
            If its parameters differ.
        """
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
