"""Sums of random subsets: counts of those of every size from one run, and mean tails of those of a batch."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from validstats.kernels._jit import jit

__all__ = [
    "mean_tails",
    "mean_tails_plain",
    "random_subsets",
    "random_subsets_plain",
    "subset_sum_counts",
    "subset_sum_counts_plain",
]

# Additive step and multipliers of SplitMix64 (Steele, Lea and Flood, 2014, OOPSLA), read as a counter-based generator.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11), np.uint64(32)
# Sums that tie with a knot do so only up to rounding, so a billionth of a cell is added; below twice that, it is a tie.
_NUDGE, _TIE = 1.0 + 1e-9, 2e-9


def _finalised(z: Any) -> Any:
    """A bijection of 64-bit numbers without visible structure, of numbers and arrays."""
    z = (z ^ (z >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    return z ^ (z >> _S31)


_mixed = jit(_finalised)


def subset_sum_counts_plain(values, seed, largest, origin, step, counts, ties, *room):  # type: ignore[no-untyped-def]
    """:func:`subset_sum_counts` without a compiler: one draw of all runs at a time."""
    first, last, size = largest - len(step), counts.shape[1] - 0.5, values.size * 2.0**-53
    runs = room[-1]
    rows, drawn = np.arange(runs, dtype=np.uint64) << _S32, np.empty((largest, runs), dtype=np.int32)
    total = np.zeros(runs)
    for place in range(largest):
        left, again = np.arange(runs), 0
        while left.size:
            with np.errstate(over="ignore"):
                z = _finalised(np.uint64(seed) + (rows[left] + np.uint64((again << 16) + place)) * _GOLDEN)
            drawn[place, left] = ((z >> _S11).astype(np.float64) * size).astype(np.int32)
            left, again = left[(drawn[:place, left] == drawn[place, left]).any(axis=0)], again + 1
        total += values[drawn[place]]
        if (row := place - first) >= 0:
            where = np.minimum(np.maximum((total - origin[row]) * (1.0 / step[row]) + _NUDGE, 0.0), last)
            cells = where.astype(np.int64)
            counts[row] += np.bincount(cells, minlength=counts.shape[1])
            ties[row] += np.bincount(cells[where - cells < _TIE], minlength=counts.shape[1])


@functools.partial(jit, plain=subset_sum_counts_plain)
def subset_sum_counts(values, seed, largest, origin, step, counts, ties, seen, index, sums, runs):  # type: ignore[no-untyped-def]
    """Count the cells into which sums of random subsets fall, of the last sizes up to the largest, and those that lie at a knot."""
    # A run draws one value after the other, and again what it has seen, so that its first k are a uniform subset of k and
    # do not depend on the largest size. Draws, sums and cells have loops of their own, which the processor does side by side.
    size, last = values.size * 2.0**-53, counts.shape[1] - 0.5
    first, inverse = largest - step.size, 1.0 / step
    for run in range(runs):
        start = np.uint64(run) << _S32
        for place in range(largest):
            z = _mixed(np.uint64(seed) + (start + np.uint64(place)) * _GOLDEN)
            index[place] = int(np.int64(z >> _S11) * size)
        total = 0.0
        for place in range(largest):
            chosen, again = index[place], 0
            while seen[chosen] == run + 1:
                again += 1
                z = _mixed(np.uint64(seed) + (start + np.uint64((again << 16) + place)) * _GOLDEN)
                chosen = int(np.int64(z >> _S11) * size)
            seen[chosen] = run + 1
            total += values[chosen]
            sums[place] = total
        for row in range(step.size):
            where = min(max((sums[first + row] - origin[row]) * inverse[row] + _NUDGE, 0.0), last)
            cell = int(where)
            counts[row, cell] += 1
            if where - cell < _TIE:
                ties[row, cell] += 1


def random_subsets_plain(m, lengths, counts, seed):  # type: ignore[no-untyped-def]
    """:func:`random_subsets` without a compiler: one place of all orders at a time."""
    lengths = np.repeat(lengths, counts)
    longest, rows = int(lengths.max(initial=0)), np.arange(lengths.size)
    order = np.tile(np.arange(m, dtype=np.int32), (lengths.size, 1))
    for place in range(longest):
        with np.errstate(over="ignore"):
            z = _finalised(
                np.uint64(seed) + (rows.astype(np.uint64) * np.uint64(65536) + np.uint64(place)) * _GOLDEN
            )
        other = place + ((z >> _S11) * 2.0**-53 * (m - place)).astype(np.int64)
        order[rows, other], order[:, place] = order[:, place].copy(), order[rows, other]
    return order[:, :longest][np.arange(longest) < lengths[:, None]]


@functools.partial(jit, plain=random_subsets_plain)
def random_subsets(m, lengths, counts, seed):  # type: ignore[no-untyped-def]
    """The first places of a random order of 0..m-1, as many for each of so many rows, one row after the other."""
    out = np.empty((lengths * counts).sum(), dtype=np.int32)
    order = np.arange(m).astype(np.int32)
    others = np.empty(m, dtype=np.int64)
    start, end = 0, 0
    for run in range(lengths.size):
        length, first = lengths[run], end
        end += counts[run]
        if length == 0:
            continue
        for row in range(first, end):
            for place in range(length):
                # place j of row i has its own number, so that it is the same for every length and size
                z = _mixed(np.uint64(seed) + (np.uint64(row) * np.uint64(65536) + np.uint64(place)) * _GOLDEN)
                other = place + int((z >> _S11) * 2.0**-53 * (m - place))
                order[place], order[other] = order[other], order[place]
                others[place] = other
                out[start + place] = order[place]
            for place in range(length - 1, -1, -1):
                other = others[place]
                order[place], order[other] = order[other], order[place]
            start += length
    return out


def mean_tails_plain(batch, index, sizes, counts, lengths, origin, step, values):  # type: ignore[no-untyped-def]
    """:func:`mean_tails` without a compiler."""
    sizes, lengths = np.repeat(sizes, counts), np.repeat(lengths, counts)
    sums = np.add.reduceat(np.append(batch[index], 0.0), np.cumsum(lengths) - lengths)
    sums[lengths == 0] = 0.0
    sums = np.where(sizes > batch.size // 2, batch.sum() - sums, sums)
    row, last = np.maximum(sizes - 1, 0), values.shape[1] - 1
    place = (sums - origin[row]) / step[row]
    cell = np.clip(np.floor(place).astype(np.int64), 0, last - 1)
    left, right = values[row, cell], values[row, cell + 1]
    found = np.where(sizes == 0, 1.0, left + np.minimum(place - cell, last - cell) * (right - left))
    return found.mean(), found.std()


@functools.partial(jit, plain=mean_tails_plain)
def mean_tails(batch, index, sizes, counts, lengths, origin, step, values):  # type: ignore[no-untyped-def]
    """Mean and spread, over subsets of a batch, of the tail function of their size at their sum; so many subsets of each size."""
    last = values.shape[1] - 1
    whole = batch.sum()
    mean, square, start, points = 0.0, 0.0, 0, 0
    for run in range(sizes.size):
        size, length = sizes[run], lengths[run]
        # all rows, or none: one value for all points of this size
        different = counts[run] if length > 0 else 1
        weight = counts[run] // max(different, 1)
        points += counts[run]
        inverse = 1.0 / step[size - 1]
        for _ in range(different):
            value = 1.0
            if size > 0:
                total = 0.0
                for place in range(start, start + length):
                    total += batch[index[place]]
                if size > batch.size // 2:  # the list is that of the rows outside the subset
                    total = whole - total
                place_of = (total - origin[size - 1]) * inverse
                cell = int(min(max(np.floor(place_of), 0.0), last - 1.0))
                left = values[size - 1, cell]
                # left of the first knot the first slope goes on; right of the last one the value stays
                value = left + min(place_of - cell, float(last - cell)) * (values[size - 1, cell + 1] - left)
            start += length
            mean += weight * value
            square += weight * value * value
    mean /= points
    return mean, np.sqrt(max(square / points - mean * mean, 0.0))
