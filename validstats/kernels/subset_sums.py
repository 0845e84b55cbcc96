"""Sums of random subsets: counts of those of every size from one run, mean tails of a batch, and where they fall to a goal."""

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
    "rejected_mean",
    "subset_sum_counts",
    "subset_sum_counts_plain",
]

# Additive step and multipliers of SplitMix64 (Steele, Lea and Flood, 2014, OOPSLA), read as a counter-based generator.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11), np.uint64(32)
# Sums that tie with a knot do so only up to rounding, so a billionth of a cell is added; below twice that, it is a tie.
_NUDGE, _TIE = 1.0 + 1e-9, 2e-9
_EVALUATIONS = 200
"""Means at most whose p-value is looked at; about six are needed."""


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
def subset_sum_counts(values, seed, largest, origin, step, counts, ties, seen, index, sums, cells, runs):  # type: ignore[no-untyped-def]
    """Count the cells into which sums of random subsets fall, of the last sizes up to the largest, and those that lie at a knot."""
    # A run draws one value after the other, and again what it has seen, so that its first k are a uniform subset of k and
    # do not depend on the largest size. Some runs at a time, so that the processor adds and places their sums side by side.
    size, last = values.size * 2.0**-53, counts.shape[1] - 0.5
    first, mask, small = largest - step.size, np.uint32(seen.size - 1), values.size <= seen.size
    for begin in range(0, runs, sums.size):
        lanes = min(sums.size, runs - begin)
        for lane in range(lanes):
            run = begin + lane
            start, mark = np.uint64(run) << _S32, np.uint8(run % 255 + 1)
            if mark == 1:
                seen[:] = 0
            for place in range(largest):
                z = _mixed(np.uint64(seed) + (start + np.uint64(place)) * _GOLDEN)
                index[lane, place] = int(np.int64(z >> _S11) * size)
            for place in range(largest):
                chosen = index[lane, place]
                if seen[chosen & mask] == mark:
                    again = 0
                    # a mark is that of this value, or of one that shares its place in the table
                    while seen[chosen & mask] == mark:
                        held = small
                        if not small:
                            for before in range(place):
                                held |= index[lane, before] == chosen
                        if not held:
                            break
                        again += 1
                        z = _mixed(np.uint64(seed) + (start + np.uint64((again << 16) + place)) * _GOLDEN)
                        chosen = np.uint32(np.int64(z >> _S11) * size)
                    index[lane, place] = chosen
                seen[chosen & mask] = mark
        sums[:] = 0.0
        for place in range(largest):
            for lane in range(lanes):
                sums[lane] += values[index[lane, place]]
            row = place - first
            if row < 0:
                continue
            start_of, inverse, tied = origin[row], 1.0 / step[row], False
            for lane in range(lanes):
                where = min(max((sums[lane] - start_of) * inverse + _NUDGE, 0.0), last)
                cells[lane] = int(where)
                tied |= where - int(where) < _TIE
            for lane in range(lanes):
                counts[row, cells[lane]] += 1
            if tied:
                for lane in range(lanes):
                    where = min(max((sums[lane] - start_of) * inverse + _NUDGE, 0.0), last)
                    if where - int(where) < _TIE:
                        ties[row, cells[lane]] += 1


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
    start, end, size = 0, 0, 0
    for run in range(lengths.size):
        size += lengths[run] * counts[run]
    out, order, others = np.empty(size, np.int32), np.empty(m, np.int32), np.empty(m, np.int32)
    for place in range(m):
        order[place] = place
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


def mean_tails_plain(batch, index, sizes, counts, lengths, origin, step, values, stride):  # type: ignore[no-untyped-def]
    """:func:`mean_tails` without a compiler."""
    sizes, lengths = np.repeat(sizes, counts), np.repeat(lengths, counts)
    sums = np.add.reduceat(np.append(batch[index], 0.0), np.cumsum(lengths) - lengths)
    sums[lengths == 0] = 0.0
    sums, sizes = sums[::stride], sizes[::stride]
    sums = np.where(sizes > batch.size // 2, batch.sum() - sums, sums)
    row, last = np.maximum(sizes - 1, 0), values.shape[1] - 1
    place = (sums - origin[row]) / step[row]
    cell = np.clip(np.floor(place).astype(np.int64), 0, last - 1)
    left, right = values[row, cell], values[row, cell + 1]
    found = np.where(sizes == 0, 1.0, left + np.minimum(place - cell, last - cell) * (right - left))
    return found.mean(), found.std()


@functools.partial(jit, plain=mean_tails_plain)
def mean_tails(batch, index, sizes, counts, lengths, origin, step, values, stride):  # type: ignore[no-untyped-def]
    """Mean and spread, over one in ``stride`` of the subsets of a batch, of the tail function of their size at their sum."""
    last, whole = values.shape[1] - 1, 0.0
    for value in batch:
        whole += value
    mean, square, start, points, looked = 0.0, 0.0, 0, 0, 0
    for run in range(sizes.size):
        size, length = sizes[run], lengths[run]
        first = -points % stride
        weight = max((counts[run] - first + stride - 1) // stride, 0)
        points += counts[run]
        looked += weight
        different, weight = (
            (1, weight) if length == 0 else (weight, 1)
        )  # all rows, or none: one value for all points
        inverse = 1.0 / step[size - 1]
        for point in range(different):
            value = 1.0
            if size > 0:
                total, begin = 0.0, start + (first + point * stride) * length
                for place in range(begin, begin + length):
                    total += batch[index[place]]
                if size > batch.size // 2:  # the list is that of the rows outside the subset
                    total = whole - total
                place_of = (total - origin[size - 1]) * inverse
                cell = int(min(max(np.floor(place_of), 0.0), last - 1.0))
                left = values[size - 1, cell]
                # left of the first knot the first slope goes on; right of the last one the value stays
                value = left + min(place_of - cell, float(last - cell)) * (values[size - 1, cell + 1] - left)
            mean += weight * value
            square += weight * value * value
        start += counts[run] * length
    mean /= looked
    return mean, np.sqrt(max(square / looked - mean * mean, 0.0))


@jit
def rejected_mean(low, high, batch, points, tails, outside, goal, margin, guess, slope, near, width, stride):  # type: ignore[no-untyped-def]
    """A mean of batches between limits whose largest p-value is at most the goal, and as near to it as asked."""
    # Acceptance falls in the mean, so that any rejected mean is a bound: the error of the quadrature enters at one point.
    # One subset in ``stride`` shows first where the root of all of them lies, and how fast the excess falls.
    index, sizes, counts, lengths = points
    origin, step, values = tails
    lowest, highest = 0.0, 0.0
    for i in range(low.size):
        lowest += low[i] / low.size
        highest += high[i] / low.size
    rejected = highest
    for every in (stride, 1):
        accepted, rejected, largest_error = lowest, highest, 0.0
        last_guess, last_excess, stale = np.nan, np.nan, 0
        for _ in range(_EVALUATIONS):
            before = rejected - accepted
            if before <= width:
                break
            if not accepted < guess < rejected or stale > 2:
                guess, stale = (accepted + rejected) / 2, 0
            # the batch at its lower limits below one index, at its upper ones above it, with this mean
            rest = guess * low.size
            for i in range(low.size):
                rest -= high[i]
                batch[i] = high[i]
            for i in range(low.size):
                rest += high[i] - low[i]
                batch[i] = low[i]
                # at its lower limits up to here it has at most the mean, so that this row lies between its limits
                if rest >= 0.0 or i == low.size - 1:
                    batch[i] = min(max(low[i] + rest, low[i]), high[i])
                    break
            value, spread = mean_tails(batch, index, sizes, counts, lengths, origin, step, values, every)
            error = margin * spread
            if every == 1:
                error = largest_error = max(largest_error, error)
            p = outside + (1 - outside) * (value + error)
            # this root of a logarithm is nearly linear in the mean; positive if the mean is accepted
            excess = goal - np.sqrt(-2.0 * np.log(min(max(p, 1e-15), 1.0)))
            if excess > 0:
                accepted = guess
            else:
                rejected = guess
                if excess >= -near:
                    break
            stale = stale + 1 if np.isfinite(last_guess) and rejected - accepted > before / 2 else 0
            # secant through the last two points, where they are apart and fall
            if guess != last_guess and (excess - last_excess) / (guess - last_guess) < 0:
                slope = -(excess - last_excess) / (guess - last_guess)
            last_guess, last_excess = guess, excess
            guess += (excess + near / 2) / slope
        guess = rejected
    return rejected
