"""Exact order statistics of rows that are read in passes: brackets are narrowed until what they hold is few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Self, TypeAlias

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.dsl.fit.augmentation import Augmentation, LabelledSample, Sample

__all__ = ["RowValues", "ValueTable", "order_statistics", "statistic", "value_range"]

_MOST_VALUES = 100_000
"""Rows of a bracket that are kept in memory."""

_BINS = 4096
"""Bins into which a pass divides every bracket."""

RowValues: TypeAlias = Callable[[LabelledSample, Augmentation], tuple[Float1D, Float1D]]
"""Values of the rows of a part, with their masses."""


@dataclass(frozen=True)
class ValueTable:
    """Distinct values with the mass and the number of their rows; tables of disjoint rows add."""

    values: Float1D
    mass: Float1D
    n_rows: int

    @classmethod
    def of(cls, values: Float1D, mass: Float1D, n_rows: int | None = None) -> Self:
        """Sum masses by value."""
        found, code = np.unique(values, return_inverse=True)
        total = np.bincount(code.reshape(-1), mass, len(found)).astype(np.float64)
        return cls(found, total, len(values) if n_rows is None else n_rows)

    def __add__(self, other: Self) -> Self:
        return type(self).of(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.mass, other.mass]),
            self.n_rows + other.n_rows,
        )


@dataclass(frozen=True)
class _Range:
    """Range, mass and number of values; parts add."""

    low: float
    high: float
    mass: float
    square: float
    n_rows: int

    def __add__(self, other: Self) -> Self:
        return type(self)(
            min(self.low, other.low),
            max(self.high, other.high),
            self.mass + other.mass,
            self.square + other.square,
            self.n_rows + other.n_rows,
        )


def _range(part: LabelledSample, augmentation: Augmentation, of: RowValues) -> _Range:
    values, mass = of(part, augmentation)
    kept = values[mass > 0]
    low, high = (float(kept.min()), float(kept.max())) if len(kept) else (np.inf, -np.inf)
    return _Range(low, high, float(mass.sum()), float(np.sum(mass**2)), len(kept))


def value_range(sample: Sample, of: RowValues, augmentation: Augmentation) -> _Range:
    """Return range, mass, sum of squared masses and number of values, in one pass."""
    return sample.total(partial(_range, of=of), augmentation)


class _Bracket(NamedTuple):
    """An open-closed interval that holds an order statistic, with the mass below and the number of rows in it."""

    low: float
    high: float
    below: float
    n_rows: int


@dataclass(frozen=True)
class _Histograms:
    """Masses and numbers of rows in the bins of every bracket; parts add."""

    mass: Float2D
    n_rows: Float2D

    def __add__(self, other: Self) -> Self:
        return type(self)(self.mass + other.mass, self.n_rows + other.n_rows)


def _edges(bracket: _Bracket) -> Float1D:
    edges = np.linspace(bracket.low, bracket.high, _BINS + 1)
    edges[-1] = bracket.high
    return edges


def _histograms(
    part: LabelledSample, augmentation: Augmentation, of: RowValues, brackets: Sequence[_Bracket]
) -> _Histograms:
    values, mass = of(part, augmentation)
    masses, counts = np.zeros((len(brackets), _BINS)), np.zeros((len(brackets), _BINS))
    for j, bracket in enumerate(brackets):
        inside = (values > bracket.low) & (values <= bracket.high) & (mass > 0)
        # bins are open below and closed above
        code = np.searchsorted(_edges(bracket), values[inside], side="left") - 1
        masses[j] = np.bincount(code, mass[inside], _BINS)
        counts[j] = np.bincount(code, minlength=_BINS)
    return _Histograms(masses, counts)


def values_between(
    part: LabelledSample, augmentation: Augmentation, of: RowValues, low: float, high: float
) -> ValueTable:
    """Return the values above ``low`` and up to ``high`` of a part."""
    values, mass = of(part, augmentation)
    inside = (values > low) & (values <= high) & (mass > 0)
    return ValueTable.of(values[inside], mass[inside])


def order_statistics(
    sample: Sample,
    of: RowValues,
    augmentation: Augmentation,
    levels: Sequence[float],
    found: _Range | None = None,
) -> list[tuple[ValueTable, float]]:
    """Return, for every level, the values around the level's order statistic and the mass below them.

    The order statistic is the smallest value at which the mass up to it reaches ``level`` times all mass; it is among
    the values of the table.
    """
    whole = value_range(sample, of, augmentation) if found is None else found
    start = _Bracket(float(np.nextafter(whole.low, -np.inf)), whole.high, 0.0, whole.n_rows)
    brackets = [start] * len(levels)
    while True:
        wide = [
            j
            for j, b in enumerate(brackets)
            if b.n_rows > _MOST_VALUES and np.nextafter(b.low, b.high) < b.high
        ]
        if not wide:
            break
        seen = sample.total(partial(_histograms, of=of, brackets=[brackets[j] for j in wide]), augmentation)
        for k, j in enumerate(wide):
            bracket, target = brackets[j], levels[j] * whole.mass
            cumulated = bracket.below + np.cumsum(seen.mass[k])
            b = min(int(np.searchsorted(cumulated, target * (1.0 - 1e-12))), _BINS - 1)
            edges = _edges(bracket)
            below = float(cumulated[b - 1]) if b else bracket.below
            brackets[j] = _Bracket(float(edges[b]), float(edges[b + 1]), below, int(seen.n_rows[k, b]))
    tables: dict[_Bracket, ValueTable] = {}
    for bracket in brackets:
        if bracket not in tables:
            work = partial(values_between, of=of, low=bracket.low, high=bracket.high)
            tables[bracket] = sample.total(work, augmentation)
    return [(tables[b], b.below) for b in brackets]


def statistic(table: ValueTable, below: float, target: float) -> float:
    """Return the smallest value at which the mass up to it reaches the target."""
    cumulated = below + np.cumsum(table.mass)
    k = int(np.searchsorted(cumulated, target * (1.0 - 1e-12)))
    return float(table.values[min(k, len(table.values) - 1)])
