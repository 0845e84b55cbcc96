"""Cells of equal machine verdict, formed from what is known before any label is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from validstats._typing import AnyArray, Float1D, FloatND, Int1D
from validstats.dsl.fit.order import ValueTable
from validstats.dsl.moments import few_levels

__all__ = ["Cells", "form_bins", "form_cells", "number_of_bins"]

_MOST_VALUES = 20
"""Distinct values of the surrogate, or combinations of several, up to which each value is a cell."""

_FEWEST_EXPECTED = 5.0
"""Expected number of labels below which a cell is merged; 3 for verdicts of three values."""

_FEWEST_EXPECTED_TERNARY = 3.0

_FIRST_ROWS = 2000
"""Rows in which many distinct values are looked for first."""


class Cells(NamedTuple):
    """A partition of the units."""

    cell: Int1D  # Cell ``0..n_cells-1`` of every unit
    n_cells: int  # Number of cells
    stratum: Int1D  # Stratum, after merging, that each cell lies in
    discrete: bool  # Whether cells are values of the surrogate rather than bins
    merged_strata: int  # Number of strata that were merged with others because few labels were expected


def form_cells(
    probability: Float1D,
    surrogates: Sequence[AnyArray] = (),
    strata: Int1D | None = None,
    *,
    strata_ordered: bool = True,
    equal_probability: bool = True,
    count: Float1D | None = None,
    binned: bool = False,
) -> Cells:
    """Return cells: stratum by verdict, merged where fewer than five labels are expected; labels are not seen.

    ``strata`` are codes in an order that means something, or else are ordered by their mean surrogate. Alike units may
    be given once, with their ``count``.
    """
    probability = probability if count is None else probability * count  # expected labels
    verdict, discrete = _verdict_codes(surrogates, probability)
    discrete = discrete and not binned
    n_verdicts = int(verdict.max()) + 1 if surrogates else 1
    if strata is None and n_verdicts == 1:
        return Cells(verdict, 1, np.zeros(1, dtype=np.int64), discrete, 0)
    # key: group of strata by verdict
    group_of, key = np.zeros(1, dtype=np.int64), verdict
    if strata is not None:
        group_of = _groups_of_strata(strata, verdict, probability, count, strata_ordered)
        key = group_of[strata] * n_verdicts + verdict
    n_groups = int(group_of.max()) + 1
    merged_group = np.bincount(group_of) > 1
    fewest = _FEWEST_EXPECTED_TERNARY if discrete and n_verdicts == 3 else _FEWEST_EXPECTED
    never = discrete and n_verdicts == 2 and equal_probability and strata is None
    table: Float1D = np.bincount(key, probability, minlength=n_groups * n_verdicts).astype(np.float64)
    occupied = np.bincount(key, minlength=len(table)) > 0
    code = np.full(len(table), -1, dtype=np.int64)
    stratum_of: list[int] = []
    for g in range(n_groups):
        here = np.flatnonzero(occupied[g * n_verdicts : (g + 1) * n_verdicts]) + g * n_verdicts
        labels = table[here]
        # inside merged strata verdicts are kept from 10 expected labels on, and only where each expects 5
        whole = merged_group[g] and (labels.sum() < 2 * _FEWEST_EXPECTED or labels.min() < _FEWEST_EXPECTED)
        part = np.zeros(len(here), dtype=np.int64) if whole else np.arange(len(here))
        if not whole and not never:
            part = _merge_neighbours(labels, fewest)
        code[here] = part + len(stratum_of)
        stratum_of += [g] * (int(part.max()) + 1)
    return Cells(
        cell=key if np.array_equal(code, np.arange(len(code))) else code[key],
        n_cells=len(stratum_of),
        stratum=np.array(stratum_of, dtype=np.int64),
        discrete=discrete,
        merged_strata=int(np.bincount(group_of)[merged_group].sum()),
    )


def _groups_of_strata(
    strata: Int1D, verdict: Int1D, probability: Float1D, count: Float1D | None, ordered: bool
) -> Int1D:
    """Return the group of every stratum: neighbours that expect few labels are one."""
    n_strata = int(strata.max()) + 1
    expected = np.asarray(np.bincount(strata, probability, minlength=n_strata), dtype=np.float64)
    order = np.arange(n_strata)
    if n_strata > 1 and not ordered:
        size = np.ones(len(strata)) if count is None else count
        order = np.argsort(np.bincount(strata, verdict * size) / np.bincount(strata, size), kind="stable")
    group_of = np.empty(n_strata, dtype=np.int64)
    group_of[order] = _merge_neighbours(expected[order], _FEWEST_EXPECTED)
    return group_of


def _verdict_codes(surrogates: Sequence[AnyArray], probability: Float1D) -> tuple[Int1D, bool]:
    """Return ordered verdict codes of all units, and whether they are values rather than bins."""
    if not surrogates:
        return np.zeros(len(probability), dtype=np.int64), True
    if len(surrogates) == 1:
        numeric = np.asarray(surrogates[0]).dtype.kind in "fiub"
        if numeric and len(np.unique(surrogates[0][:_FIRST_ROWS])) > _MOST_VALUES:
            return _bins(np.asarray(surrogates[0], dtype=np.float64), probability)
        code, n_values = _value_codes(surrogates[0])
        return (code, True) if n_values <= _MOST_VALUES else _bins(code.astype(np.float64), probability)
    coded = [_value_codes(s) for s in surrogates]
    if np.prod([n for _, n in coded], dtype=float) <= 1e6:
        joint = np.zeros(len(probability), dtype=np.int64)
        for code, n_values in coded:
            joint = joint * n_values + code
        joint, n_values = _value_codes(joint)
        if n_values <= _MOST_VALUES and np.bincount(joint, probability).min() >= _FEWEST_EXPECTED:
            return joint, True
    # bins of the mean rank of the surrogates, ties at the middle of theirs
    ranks = []
    for code, _ in coded:
        counts = np.bincount(code)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2.0)[code])
    return _bins(np.mean(ranks, axis=0), probability)


def _value_codes(values: AnyArray) -> tuple[Int1D, int]:
    """Return codes of the sorted distinct values, and their number."""
    from pandas import factorize

    array = np.asarray(values)
    few = few_levels(array)
    if few is not None:
        return few[1], len(few[0])
    code, levels = factorize(
        array if array.dtype.kind in "fiub" else array.astype(str).astype(object), sort=True
    )
    return code.astype(np.int64), len(levels)


def _bins(values: Float1D, probability: Float1D) -> tuple[Int1D, bool]:
    """Return bins with equal expected numbers of labels: one per ten labels, at most ten; equal values stay together."""
    expected = float(probability.sum())
    order = np.argsort(values, kind="stable")
    sorted_values, cumulated = values[order], np.cumsum(probability[order])
    first = np.flatnonzero(np.r_[True, sorted_values[1:] > sorted_values[:-1]])
    upto = np.r_[cumulated[first[1:] - 1], cumulated[-1]]
    bin_of = _bin_of_middle(np.r_[0.0, upto[:-1]], upto, expected)
    bin_of = np.cumsum(np.r_[False, bin_of[1:] > bin_of[:-1]])  # without empty bins
    code = np.empty(len(values), dtype=np.int64)
    code[order] = np.repeat(bin_of, np.diff(np.r_[first, len(values)]))
    return code, False


def number_of_bins(expected: float) -> int:
    """Return one bin per ten expected labels, at most ten."""
    return int(np.clip(np.floor(expected / 10.0 + 1e-9), 1, 10))


def _bin_of_middle(before: Float1D, upto: Float1D, expected: float) -> Int1D:
    """Return the bin of every value: the middle of the expected labels of equal values decides."""
    n_bins = number_of_bins(expected)
    # a bin begins where k / n_bins of the expected labels are reached, up to rounding
    middle = (before + upto) / 2.0 / expected * n_bins
    return np.minimum(np.floor(middle + 1e-9), n_bins - 1).astype(np.int64)


def form_bins(
    statistics: Callable[[Sequence[float]], list[tuple[ValueTable, float]]], total: Callable[[], float]
) -> tuple[Float1D, AnyArray]:
    """Return where the bins of a continuous verdict begin, and whether at the value itself or just above it.

    ``statistics`` gives the values around order statistics by expected labels with the mass below; ``total`` all of it.
    """
    expected = total()
    n_bins = number_of_bins(expected)
    levels = [k / n_bins for k in range(1, n_bins)]
    cuts, inclusive = [], []
    for (table, below), level in zip(statistics(levels) if levels else [], levels, strict=True):
        upto = below + np.cumsum(table.mass)
        before = np.r_[below, upto[:-1]]
        bins = (before + upto) / 2.0 / expected * n_bins + 1e-9
        reached = np.flatnonzero(bins >= round(level * n_bins))
        if len(reached):
            cuts.append(float(table.values[reached[0]]))
            inclusive.append(True)
        else:
            cuts.append(float(table.values[-1]))
            inclusive.append(False)
    return np.array(cuts, dtype=np.float64), np.array(inclusive, dtype=np.bool_)


def _merge_neighbours(expected: FloatND, fewest: float) -> Int1D:
    """Return groups of neighbours: the smallest below ``fewest`` joins the neighbour with fewer, until none is left."""
    groups = [[i] for i in range(len(expected))]
    sums = [float(e) for e in expected]
    # sums of equal probabilities are whole numbers up to rounding
    bound = fewest - 1e-9
    while len(groups) > 1 and min(sums) < bound:
        i = int(np.argmin(sums))
        beside = [j for j in (i - 1, i + 1) if 0 <= j < len(sums)]
        j = min(beside, key=lambda k: sums[k])
        first, second = sorted((i, j))
        groups[first] += groups.pop(second)
        sums[first] += sums.pop(second)
    code = np.empty(len(expected), dtype=np.int64)
    for g, members in enumerate(groups):
        code[members] = g
    return code
