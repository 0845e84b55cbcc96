"""Sums over rows in parts from which tables and correlations follow exactly: levels, cells of pairs, moments."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D, Int1D

__all__ = ["MOST_LEVELS", "ColumnSums", "pair_tables"]

MOST_LEVELS = 10_000
"""Different values of a column of rows in parts up to which they are counted one by one."""


@dataclass(frozen=True)
class ColumnSums:
    """Counts of the values of columns, and moments of those that are numbers; parts add."""

    n: int
    levels: tuple[
        tuple[AnyArray, Int1D] | None, ...
    ]  # values in order with their counts; None beyond the most
    largest: Float1D  # size of the largest number; NaN for words
    origin: Float1D  # a row near the mean, so that a mean far from 0 costs no digits
    mean: Float1D  # from there; 0 for words
    products: Float2D  # sums of products of deviations from the means

    @classmethod
    def of(cls, columns: list[AnyArray]) -> Self:
        """Sums of one part; words are text, everything else float64."""
        words = [column.dtype.kind not in "f" for column in columns]
        rows = np.column_stack(
            [np.zeros(len(c)) if word else c for c, word in zip(columns, words, strict=True)]
        )
        origin, largest = rows[0].copy(), np.abs(rows).max(axis=0)
        rows -= origin
        mean = rows.mean(axis=0)
        rows -= mean
        return cls(
            n=len(rows),
            levels=tuple(_counted(column) for column in columns),
            largest=np.where(words, np.nan, largest),
            origin=origin,
            mean=mean,
            products=rows.T @ rows,
        )

    def __add__(self, other: Self) -> Self:
        # Chan, Golub and LeVeque (1983), The American Statistician 37: deviations of two samples about their joint mean
        n = self.n + other.n
        gap = (other.origin - self.origin) + (other.mean - self.mean)
        return replace(
            self,
            n=n,
            levels=tuple(_joined(a, b) for a, b in zip(self.levels, other.levels, strict=True)),
            largest=np.maximum(self.largest, other.largest),
            mean=self.mean + gap * (other.n / n),
            products=self.products + other.products + np.outer(gap, gap) * (self.n * other.n / n),
        )

    def correlation(self, i: int, j: int) -> float:
        """Correlation of two columns that vary."""
        scale = float(np.sqrt(self.products[i, i]) * np.sqrt(self.products[j, j]))
        if scale == 0.0:
            raise ValueError("data has a column of numbers so small that their squares vanish; rescale it.")
        return float(np.clip(self.products[i, j] / scale, -1.0, 1.0))


def _counted(values: AnyArray) -> tuple[AnyArray, Int1D] | None:
    few = values[: 2 * MOST_LEVELS]
    if len(values) > len(few) and len(np.unique(few)) > MOST_LEVELS:
        return None
    found, counts = np.unique(values, return_counts=True)
    return (found, counts) if len(found) <= MOST_LEVELS else None


def _joined(
    one: tuple[AnyArray, Int1D] | None, other: tuple[AnyArray, Int1D] | None
) -> tuple[AnyArray, Int1D] | None:
    if one is None or other is None:
        return None
    values, inverse = np.unique(np.concatenate([one[0], other[0]]), return_inverse=True)
    counts = np.bincount(inverse.reshape(-1), np.concatenate([one[1], other[1]]))
    return (values, counts.astype(np.int64)) if len(values) <= MOST_LEVELS else None


def pair_tables(columns: list[AnyArray], levels: list[AnyArray]) -> list[Int1D]:
    """Counts of the cells of every pair of columns, whose values are all among the levels."""
    codes = [np.searchsorted(known, column) for column, known in zip(columns, levels, strict=True)]
    return [
        np.bincount(codes[i] * len(levels[j]) + codes[j], minlength=len(levels[i]) * len(levels[j]))
        for i, j in itertools.combinations(range(len(codes)), 2)
    ]
