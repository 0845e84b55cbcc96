"""Extremely randomised regression trees that keep nothing but the means of the rows left out of them.

Geurts, Ernst and Wehenkel (2006), Machine Learning 63: random thresholds, the best of a few. No tree is stored: the rows that
grow a tree and the rows that ask it are partitioned side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats.kernels._jit import jit

__all__ = ["add_trees", "forest_counts", "forest_sums"]


@jit
def _mix(z: Any) -> Any:
    # Finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64-bit numbers without visible structure.
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@jit
def _below(key: Any, n: Any) -> Any:
    # A number below n from the upper bits of a key.
    return np.int64((key >> np.uint64(11)) % np.uint64(n))


@jit
def _partition(rows: Any, start: Any, stop: Any, column: Any, threshold: Any, kept: Any) -> Any:
    # Rows at or below the threshold first, both parts in their old order; returns where the second part begins.
    left = start
    for i in range(start, stop):
        # written to both places, and one of them is kept: a branch would be guessed wrong every other time
        row = rows[i]
        rows[left] = row
        kept[i - left] = row
        left += column[row] <= threshold
    for i in range(stop - left):
        rows[left + i] = kept[i]
    return left


@jit
def _add_up(total: Any, rows: Any, start: Any, stop: Any, targets: Any, codes: Any) -> Any:
    # There are targets or codes; one after the other, ones at the codes add up to the same sums as with their zeros.
    for m in range(total.shape[0]):
        total[m] = 0.0
    for i in range(start, stop):
        row = rows[i]
        for m in range(targets.shape[1]):
            total[m] += targets[row, m]
        for m in range(codes.shape[1]):
            total[codes[row, m]] += 1.0


def forest_sums(
    columns: Any, targets: Any, n_grow: Any, n_bag: Any, n_trees: Any, n_draws: Any, leaf: Any, seed: Any
) -> Any:
    """Sum, over the trees that did not grow on a row, the mean targets of the leaf that the row falls into."""
    none = np.empty((0, 0), dtype=np.int64)
    return _grown(columns, targets, none, targets.shape[1], 0, n_grow, n_bag, n_trees, n_draws, leaf, seed)


def forest_counts(
    columns: Any, codes: Any, width: Any, n_bag: Any, n_trees: Any, n_draws: Any, leaf: Any, seed: Any
) -> Any:
    """The sums of :func:`forest_sums` for the rows after those with codes, whose targets are ones at their codes and zeros elsewhere."""
    known, none = len(codes), np.empty((0, 0))
    sums, _ = _grown(columns, none, codes, width, known, known, n_bag, n_trees, n_draws, leaf, seed)
    return sums[known:]


def _grown(columns: Any, targets: Any, codes: Any, width: Any, first: Any, n_grow: Any, *options: Any) -> Any:
    n = columns.shape[1]
    sums, trees = np.zeros((n, width)), np.zeros(n, dtype=np.int64)
    # room for the kernel: every array that it makes itself would take a tenth of a second to compile
    rows = np.empty((4, n), dtype=np.int64)
    stack = np.empty((2 * n_grow + 2, 4), dtype=np.int64)
    keys = np.empty(2 * n_grow + 2, dtype=np.uint64)
    room = rows, stack, keys, np.empty((2, width))
    add_trees(columns, targets, codes, first, n_grow, *options, sums, trees, *room)
    return sums, trees


@jit
def add_trees(
    columns: Any, targets: Any, codes: Any, first: Any,
    n_grow: Any, n_bag: Any, n_trees: Any, n_draws: Any, leaf: Any, seed: Any,
    sums: Any, trees: Any, rows: Any, stack: Any, keys: Any, means: Any,
) -> None:  # fmt: skip
    """Grow the trees and add what they say of the rows left out, from the first that asks on."""
    # Every draw is a function of the seed, the tree and the node alone, so that what grows a tree does not
    # depend on who asks it: the sums of a row are the same whatever other rows ask.
    dim, n = columns.shape
    width = sums.shape[1]
    order, grow, ask, kept = rows[0], rows[1], rows[2], rows[3]
    left_sum, total = means[0], means[1]
    for tree in range(n_trees):
        root = np.uint64(_mix(np.uint64(_mix(np.uint64(seed))) + np.uint64(tree)))
        for i in range(n):
            order[i] = i
        for i in range(n_bag):
            # Fisher-Yates for the rows in the bag; the others follow it and ask.
            j = i + _below(np.uint64(_mix(root + np.uint64(i + 1))), n_grow - i)
            order[i], order[j] = order[j], order[i]
        for i in range(n_bag):
            grow[i] = order[i]
        n_ask = 0
        for i in range(n_bag, n):
            if order[i] >= first:
                ask[n_ask] = order[i]
                trees[order[i]] += 1
                n_ask += 1
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, n_bag, 0, n_ask
        keys[0] = _mix(root ^ np.uint64(0x5851F42D4C957F2D))
        depth = 1
        while depth > 0:
            depth -= 1
            a, b, c, d = stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3]
            key = keys[depth]
            if c == d:
                continue
            _add_up(total, grow, a, b, targets, codes)
            best = -1.0
            best_column = -1
            best_threshold = 0.0
            if b - a >= 2 * leaf:
                for draw in range(n_draws):
                    choice = np.uint64(_mix(key + np.uint64(2 * draw + 1)))
                    j = _below(choice, dim)
                    threshold = columns[j, grow[a + _below(np.uint64(_mix(choice)), b - a)]]
                    count = 0
                    for i in range(a, b):
                        kept[count] = grow[i]
                        count += columns[j, grow[i]] <= threshold
                    if count < leaf or b - a - count < leaf:
                        continue
                    _add_up(left_sum, kept, 0, count, targets, codes)
                    # Between-part sum of squares, up to a constant of the node.
                    gain = 0.0
                    for m in range(width):
                        rest = total[m] - left_sum[m]
                        gain += left_sum[m] * left_sum[m] / count + rest * rest / (b - a - count)
                    if gain > best:
                        best = gain
                        best_column = j
                        best_threshold = threshold
            if best_column < 0:
                for i in range(c, d):
                    row = ask[i]
                    for m in range(width):
                        sums[row, m] += total[m] / (b - a)
                continue
            middle = _partition(grow, a, b, columns[best_column], best_threshold, kept)
            between = _partition(ask, c, d, columns[best_column], best_threshold, kept)
            stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = a, middle, c, between
            keys[depth] = _mix(key ^ np.uint64(0xD1B54A32D192ED03))
            depth += 1
            stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = middle, b, between, d
            keys[depth] = _mix(key ^ np.uint64(0xABC98388FB8FAC03))
            depth += 1
