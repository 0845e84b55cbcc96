"""Rows that arrive in parts: the same sample as in memory, whose sums need a pass over the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from operator import add
from typing import Any, TypeVar

import numpy as np

from validstats._typing import AnyArray, Float1D, Int1D
from validstats.dsl.fit import (
    Augmentation,
    Change,
    InfluenceRows,
    InfluenceSums,
    LabelledSample,
    ScoreTerm,
)
from validstats.dsl.moments import ModelMoment, RegressionRows, SamplingDesign, one_cluster_message
from validstats.dsl.regression import RowCoder
from validstats.dsl.streaming.chunks import read_part
from validstats.dsl.streaming.design import StreamedUnits
from validstats.dsl.streaming.reading import PartReader

__all__ = ["Column", "StreamedSample"]

T = TypeVar("T")

_BLOCK = 32_768
"""Rows that are worked on at once, so that temporary arrays stay in the processor's cache."""


@dataclass(frozen=True)
class Column:
    """The expected score number ``index`` of every part, where an augmentation names its terms."""

    index: int


@dataclass(frozen=True, kw_only=True)
class StreamedSample:
    """Rows that are read again for every sum, with the labelled ones, which are few, in memory."""

    units: StreamedUnits
    reader: PartReader
    coder: RowCoder
    labelled: LabelledSample  # the labelled rows
    labelled_terms: tuple[ScoreTerm, ...]
    changes: tuple[Change, ...] = ()
    passes: list[str] = field(default_factory=list)  # what every pass was for

    keeps_rows = False

    @property
    def n_rows(self) -> int:
        """Number of rows, labelled or not."""
        return self.reader.design.n_rows

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
    def positions(self) -> Int1D:
        """Positions of the labelled rows among all."""
        return self.reader.design.positions

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
        in_blocks: bool = True,
    ) -> T:
        """Add what ``work`` returns over the parts, in a pass over the rows."""
        if labelled_only:
            return work(self.labelled, _bound(augmentation, self.labelled_terms))
        on_part = partial(
            _on_part,
            reader=self.reader,
            coder=self.coder,
            changes=self.changes,
            work=work,
            augmentation=augmentation,
        )
        self.passes.append("sums")
        found = self.units.mapped(on_part, self.reader.columns, "moments")
        # a part without rows adds nothing
        return reduce(add, (part for part in found if part is not None))

    def sums_by(
        self, rows_of: InfluenceRows, names: Sequence[str]
    ) -> tuple[InfluenceSums, tuple[Int1D, ...]]:
        """Return sums of influence functions by columns, with the codes of the labelled rows, in two passes."""
        columns = tuple(self.units.check_column(name, "clusters") for name in names)
        levels, known = _levels_of(self.units, self.reader, columns)
        reader = replace(
            self.reader,
            columns=list(dict.fromkeys([*self.reader.columns, *columns])),
            clusters=columns,
            cluster_levels=levels,
        )
        sums = replace(self, reader=reader).total(partial(_summed, rows_of=rows_of), rows_of.augmentation)
        return sums, known

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


def _summed(part: LabelledSample, augmentation: Augmentation, rows_of: InfluenceRows) -> InfluenceSums:
    return InfluenceSums.of(rows_of(part, augmentation), part.clusters)


def _levels_of(
    units: StreamedUnits, reader: PartReader, columns: tuple[str, ...]
) -> tuple[tuple[AnyArray, ...], tuple[Int1D, ...]]:
    """Return the sorted levels of columns as text, and the codes of the labelled rows."""
    if not columns:
        return (), ()
    look = partial(_clusters_of_part, columns=columns, reader=reader)
    parts = [part for part in units.mapped(look, columns, "clusters") if part is not None]
    everything = [np.concatenate([levels[k] for levels, _ in parts]) for k in range(len(columns))]
    levels = tuple(np.unique(values) for values in everything)
    if any(len(found) < 2 for found in levels):
        raise ValueError(one_cluster_message)
    labelled = [np.concatenate([known[k] for _, known in parts]) for k in range(len(columns))]
    codes = (np.searchsorted(found, values) for found, values in zip(levels, labelled, strict=True))
    return levels, tuple(found.astype(np.int64) for found in codes)


def _clusters_of_part(
    frame: Any, index: int, columns: tuple[str, ...], reader: PartReader
) -> tuple[list[AnyArray], list[AnyArray]] | None:
    read = read_part(frame, list(columns), {})
    if not len(read):
        return None
    labelled, _ = reader.design.labelled(index, len(read))
    for name in columns:
        missing = int(read[name].isna().sum())
        if missing:
            raise ValueError(
                f"clusters has {missing} missing value(s) in the column {name!r} of part {index}; name every row's cluster."
            )
    texts = [read[name].to_numpy().astype(str) for name in columns]
    return [np.unique(text) for text in texts], [text[labelled] for text in texts]


def _bound(augmentation: Augmentation, terms: tuple[ScoreTerm, ...]) -> Augmentation:
    """Put the expected scores of a part where an augmentation names them."""
    columns: tuple[Any, ...] = augmentation.terms
    return replace(augmentation, terms=tuple(terms[column.index] for column in columns))


def _on_part(
    frame: Any,
    index: int,
    reader: PartReader,
    coder: RowCoder,
    changes: tuple[Change, ...],
    work: Callable[[LabelledSample, Augmentation], Any],
    augmentation: Augmentation,
) -> Any:
    rows = reader.rows(frame, index)
    columns: tuple[Any, ...] = augmentation.terms
    needed = [column.index for column in columns]
    found = []
    for begin in range(0, len(rows.labelled), _BLOCK):
        block = rows.take(np.arange(begin, min(begin + _BLOCK, len(rows.labelled))))
        sample, terms = coder.part(replace(block, frame=coder.read(block.frame)), needed)
        for change in changes:
            sample, terms = change(sample, terms)
        found.append(work(sample, _bound(augmentation, terms)))
    return reduce(add, found) if found else None
