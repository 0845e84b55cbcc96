"""Rows that arrive in parts: the same sample as in memory, whose sums need a pass over the rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from operator import add
from typing import Any, TypeVar

import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D, Int1D, Int2D
from validstats.dsl.fit import Augmentation, Change, Component, LabelledSample, ScoreTerm
from validstats.dsl.labels import FoldModels, fold_of_units
from validstats.dsl.moments import ModelMoment, RegressionRows, SamplingDesign
from validstats.dsl.streaming.chunks import ChunkColumns, RowChunk, read_chunk

__all__ = ["Coding", "Column", "Prediction", "StreamedSample"]

T = TypeVar("T")

_BLOCK = 32_768
"""Rows that are worked on at once, so that temporary arrays stay in the processor's cache."""


@dataclass(frozen=True)
class Column:
    """The expected score number ``index`` of every part, where an augmentation names its terms."""

    index: int


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Cross-fitted predictions of the label and what is made of them."""

    means: FoldModels | None = None
    draws: FoldModels | None = None  # quantiles of residuals, added to the means
    classes: FoldModels | None = None  # probabilities of the values below
    values: Float1D | None = None  # values of a label that has few
    n_effective: float = 0.0  # effective number of parameters of the learner
    by_repeat: bool = False  # whether every repeat gives an expected score of its own

    def terms(self, rows: RegressionRows, features: Float2D, folds: Int2D) -> tuple[ScoreTerm, ...]:
        """Return the expected scores of some rows."""
        if self.classes is not None:
            assert self.values is not None
            chance = self.classes.predict(features, folds).mean(axis=0)
            return (
                tuple(
                    Component(rows=replace(rows, y=np.full(len(features), v)), weight=chance[:, k])
                    for k, v in enumerate(self.values)
                ),
            )
        assert self.means is not None
        found = self.means.predict(features, folds)
        if self.by_repeat:
            return tuple((Component(rows=replace(rows, y=mean)),) for mean in found)
        mean = found.mean(axis=0)
        if self.draws is None:
            return ((Component(rows=replace(rows, y=mean)),),)
        spread = self.draws.predict(features, folds).mean(axis=0)
        n_draws = spread.shape[1]
        return (
            tuple(
                Component(rows=replace(rows, y=mean + spread[:, d]), weight=1.0 / n_draws)
                for d in range(n_draws)
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Coding:
    """What turns a chunk into a part: codes of groups, probabilities, folds and predictions."""

    columns: ChunkColumns
    moment: ModelMoment
    scheme: Any  # of the sampling design
    offsets: Int1D  # number of rows before each chunk, and of all
    cluster_levels: AnyArray | None = None  # sorted
    cluster_sizes: Int1D | None = None
    cluster_strata: Int1D | None = None  # stratum of every cluster, where their number was fixed
    strata_levels: AnyArray | None = None  # sorted
    shares: Float1D | None = None  # share drawn in every stratum, where probabilities were not given
    prediction: Prediction | None = None
    n_folds: int = 0
    seeds: tuple[int, ...] = ()  # one a repeat of the cross-fitting

    @property
    def n_predicted(self) -> int:
        """Number of expected scores that rest on the learner; those of the prediction columns follow."""
        if self.prediction is None:
            return 0
        return len(self.seeds) if self.prediction.by_repeat else 1

    def part(
        self, chunk: RowChunk, positions: Int1D, needed: Collection[int] | None = None
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        """Return rows at some positions of the data set as a sample, with their expected scores."""
        # predictions cost most of a pass; those that no needed term rests on are left out
        labelled = ~np.isnan(chunk.y)
        clusters = self._cluster_codes(chunk)
        rows = RegressionRows(y=chunk.y, X=chunk.X, weights=chunk.weights, offset=chunk.offset)
        design = self._design(chunk, clusters)
        sample = LabelledSample(
            moment=self.moment,
            gold=rows.take(labelled),
            labelled=labelled,
            probability=self._probability(chunk, design),
            design=design,
            clusters=() if clusters is None else (clusters,),
        )
        terms: tuple[ScoreTerm, ...] = ((),) * self.n_predicted
        if self.prediction is not None and (needed is None or any(k < self.n_predicted for k in needed)):
            assert chunk.features is not None
            terms = self.prediction.terms(rows, chunk.features, self.folds(positions, clusters))
        raw = tuple((Component(rows=replace(rows, y=values)),) for values in chunk.predictions)
        return sample, (*terms, *raw)

    def folds(self, positions: Int1D, clusters: Int1D | None) -> Int2D:
        """Return the fold of every row in every repeat."""
        units, n_units = positions, int(self.offsets[-1])
        if clusters is not None:
            assert self.cluster_levels is not None
            units, n_units = clusters, len(self.cluster_levels)
        return np.array([fold_of_units(units, n_units, self.n_folds, seed) for seed in self.seeds])

    def _cluster_codes(self, chunk: RowChunk) -> Int1D | None:
        if chunk.clusters is None:
            return None
        assert self.cluster_levels is not None
        return np.searchsorted(self.cluster_levels, chunk.clusters).astype(np.int64)

    def _design(self, chunk: RowChunk, clusters: Int1D | None) -> SamplingDesign:
        if self.scheme == "clusters":
            assert clusters is not None
            assert self.cluster_sizes is not None
            return SamplingDesign(
                scheme="clusters",
                units=clusters,
                strata=None if self.cluster_strata is None else self.cluster_strata[clusters],
                sizes=self.cluster_sizes[clusters],
            )
        if self.scheme == "stratified":
            assert self.strata_levels is not None
            assert chunk.strata is not None
            codes = np.searchsorted(self.strata_levels, chunk.strata).astype(np.int64)
            return SamplingDesign(scheme="stratified", units=codes)
        return SamplingDesign(scheme=self.scheme)

    def _probability(self, chunk: RowChunk, design: SamplingDesign) -> Float1D:
        if chunk.probability is not None:
            return chunk.probability
        assert self.shares is not None
        strata = design.fixed_strata(chunk.n_rows)
        assert strata is not None
        return self.shares[strata]


@dataclass(frozen=True, kw_only=True)
class StreamedSample:
    """Rows that are read again for every sum, with the labelled ones, which are few, in memory."""

    mapped: Callable[..., Iterator[Any]]  # applies a function to every chunk of the source
    coding: Coding
    labelled: LabelledSample  # the labelled rows
    labelled_terms: tuple[ScoreTerm, ...]
    changes: tuple[Change, ...] = ()
    passes: list[str] = field(default_factory=list)  # what every pass was for

    keeps_rows = False

    @property
    def n_rows(self) -> int:
        """Number of rows, labelled or not."""
        return int(self.coding.offsets[-1])

    @property
    def n_passes(self) -> int:
        """How often rows were read so far."""
        return len(self.passes)

    @property
    def moment(self) -> ModelMoment:
        """The model."""
        return self.labelled.moment

    @property
    def gold(self) -> RegressionRows:
        """Labelled rows."""
        return self.labelled.gold

    @property
    def design(self) -> SamplingDesign:
        """The design of the labelled rows, which are all that is in memory."""
        return self.labelled.design

    @property
    def drawn(self) -> SamplingDesign:
        """The design of the labelled rows."""
        return self.labelled.design

    @property
    def clusters(self) -> tuple[Int1D, ...]:
        """Cluster codes of the labelled rows."""
        return self.labelled.clusters

    @property
    def n_labelled(self) -> int:
        """Number of labelled rows."""
        return self.labelled.n_rows

    @property
    def gold_probability(self) -> Float1D:
        """Probabilities of the labelled rows."""
        return self.labelled.probability

    @property
    def gold_weights(self) -> Float1D:
        """Their inverse."""
        return self.labelled.gold_weights

    def total(
        self,
        work: Callable[[LabelledSample, Augmentation], T],
        augmentation: Augmentation,
        *,
        labelled_only: bool = False,
    ) -> T:
        """Add what ``work`` returns over the parts, in a pass over the rows."""
        if labelled_only:
            return work(self.labelled, _bound(augmentation, self.labelled_terms))
        on_chunk = partial(
            _on_chunk, coding=self.coding, changes=self.changes, work=work, augmentation=augmentation
        )
        self.passes.append("sums")
        return reduce(add, self.mapped(on_chunk, columns=self.coding.columns.needed, description="moments"))

    def labelled_part(self, augmentation: Augmentation) -> tuple[LabelledSample, Augmentation]:
        """Return the labelled rows with their part of an augmentation."""
        return self.labelled, _bound(augmentation, self.labelled_terms)

    def changed(
        self, change: Change, terms: tuple[ScoreTerm, ...]
    ) -> tuple[StreamedSample, tuple[ScoreTerm, ...]]:
        """Return the sample whose parts a function changes when they are read."""
        labelled, known = change(self.labelled, self.labelled_terms)
        changes = (*self.changes, change)
        return replace(self, labelled=labelled, labelled_terms=known, changes=changes), terms


def _bound(augmentation: Augmentation, terms: tuple[ScoreTerm, ...]) -> Augmentation:
    """Put the expected scores of a part where an augmentation names them."""
    columns: tuple[Any, ...] = augmentation.terms
    return replace(augmentation, terms=tuple(terms[column.index] for column in columns))


def _on_chunk(
    frame: Any,
    index: int,
    coding: Coding,
    changes: tuple[Change, ...],
    work: Callable[[LabelledSample, Augmentation], Any],
    augmentation: Augmentation,
) -> Any:
    chunk = read_chunk(frame, coding.columns, index)
    begin_at = int(coding.offsets[index])
    found = []
    columns: tuple[Any, ...] = augmentation.terms
    needed = [column.index for column in columns]
    for begin in range(0, chunk.n_rows, _BLOCK):
        rows = np.arange(begin, min(begin + _BLOCK, chunk.n_rows))
        sample, terms = coding.part(chunk.part(slice(begin, begin + len(rows))), begin_at + rows, needed)
        for change in changes:
            sample, terms = change(sample, terms)
        found.append(work(sample, _bound(augmentation, terms)))
    return reduce(add, found)
