"""What one inference reads of every part: columns of the formula, groups, weights, and labels where they are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D, Int1D
from validstats.dsl.labels import as_positive, typed_labels, without_silence
from validstats.dsl.regression import StudyRows, filled_label
from validstats.dsl.streaming.chunks import read_part
from validstats.dsl.streaming.design import DesignReader, part_numbers

__all__ = ["PartReader"]


@dataclass(frozen=True, kw_only=True)
class PartReader:
    """What turns a part into rows of a study; small enough to be sent to where parts are."""

    design: DesignReader
    columns: list[str]  # to read, each once
    surrogates: Mapping[str, str]  # columns of machine labels by expert label
    given: Mapping[str, tuple[str, ...]]  # columns of first-stage predictions by expert label
    weights: str | None
    offset: str | None
    clusters: (
        tuple[str, ...] | None
    )  # columns of the clusters of standard errors; None for those of the design
    cluster_levels: tuple[AnyArray, ...] = ()  # sorted text
    positive: Any = None  # label that counts as 1, where labels are words
    machine: tuple[str, ...] = ()  # columns of machine labels
    effects: tuple[str, ...] = ()
    effect_levels: tuple[AnyArray, ...] = ()  # sorted text
    categories: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def rows(self, frame: Any, index: int) -> StudyRows:
        """Return the rows of a part."""
        read = without_silence(read_part(frame, self.columns, self.categories), list(self.machine))
        labelled, among = self.design.labelled(index, len(read))
        design, drawn = self.design.design(frame)
        probability = self.design.probability_of(frame, index, labelled, design)
        positions = np.arange(len(read), dtype=np.int64) + self.design.begin(index)
        return self.rows_of(read, index, positions, labelled, among, design, drawn, probability)

    def rows_of(
        self,
        read: Any,
        index: int,
        positions: Int1D,
        labelled: Bool1D,
        among: slice,
        design: Any,
        drawn: tuple[Int1D, ...],
        probability: Float1D,
    ) -> StudyRows:
        """Return rows of which design and labels are known."""
        clusters = drawn
        if self.clusters is not None:
            clusters = tuple(
                _codes(read[name].to_numpy(), levels)
                for name, levels in zip(self.clusters, self.cluster_levels, strict=True)
            )
        filled = self.filled(read, labelled, among)
        return StudyRows(
            frame=filled,
            labelled=labelled,
            probability=probability,
            design=design,
            fold_plan=self.design.fold_plan(positions, drawn),
            clusters=clusters,
            weights=None if self.weights is None else _weights(read, self.weights, index),
            offset=None
            if self.offset is None
            else part_numbers(read[self.offset].to_numpy(), self.offset, index),
            surrogates={
                label: typed_labels(as_positive(read[name].to_numpy(), self.positive))
                for label, name in self.surrogates.items()
            },
            given={
                label: np.array([part_numbers(read[name].to_numpy(), name, index) for name in names])
                for label, names in self.given.items()
            },
            effects=tuple(
                _codes(read[name].to_numpy(), levels)
                for name, levels in zip(self.effects, self.effect_levels, strict=True)
            ),
        )

    def filled(self, read: Any, labelled: Bool1D, among: slice) -> Any:
        """Return columns of a part with the labels, values of other rows where they are unknown."""
        return read.assign(
            **{
                name: filled_label(values, len(labelled), np.flatnonzero(labelled), values[among])
                for name, values in self.design.labels.items()
            }
        )


def _codes(values: AnyArray, levels: AnyArray) -> Int1D:
    return np.searchsorted(levels, values.astype(str)).astype(np.int64)


def _weights(read: Any, name: str, index: int) -> Float1D:
    weights = part_numbers(read[name].to_numpy(), name, index)
    if np.any(weights < 0.0):
        raise ValueError(f"Analysis weights must not be negative; the column {name!r} is in part {index}.")
    return weights
