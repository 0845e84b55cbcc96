"""The interval of cells of equal verdict, one pseudo-label after the other and one cell after the other."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats


def cells_by_hand(
    y,
    cell,
    labelled,
    probability,
    level=0.95,
    *,
    binary=False,
    finite=False,
    infinite_units=False,
    size=None,
    group=None,
):
    """Lower limit, upper limit: outcomes ``y`` of all units in [0, 1], of which only labelled ones are read.

    Units of a ``group`` depend on each other: their labels in a cell are one label of their weight and mean.
    """
    units = range(len(cell))
    mass = [1.0 if size is None else size[i] for i in units]
    weight = [mass[i] / probability[i] for i in units]
    names = sorted({int(cell[i]) for i in units})
    share = {c: sum(mass[i] for i in units if cell[i] == c) / sum(mass) for c in names}
    a_max = {c: max(weight[i] for i in units if cell[i] == c) for c in names}
    pi_min = {c: min(probability[i] for i in units if cell[i] == c) for c in names}
    read = {
        c: [
            (weight[i], y[i], 1 - probability[i] if finite else 1.0)
            for i in units
            if cell[i] == c and labelled[i]
        ]
        for c in names
    }
    groups = [] if group is None else sorted(set(group))
    if groups:
        read = {}
        largest_group = max(sum(mass[i] for i in units if group[i] == g) for g in groups)
        for c in names:
            a_max[c] = max(a_max[c], largest_group)
            read[c] = []
            for g in groups:
                here = [i for i in units if group[i] == g and cell[i] == c and labelled[i]]
                total = sum(weight[i] for i in here)
                if here:
                    read[c].append((total, sum(weight[i] * y[i] for i in here) / total, 1.0))
    k_eff = sum(a_max.values()) ** 2 / sum(a**2 for a in a_max.values())
    divisor = 1 - 6 / max(k_eff, 6)

    def total_of(c):
        return sum(a for a, _, _ in read[c])

    def mean_of(c):
        return sum(a * v for a, v, _ in read[c]) / total_of(c)

    everything = [label for c in names for label in read[c]]
    pooled = sum(a * v for a, v, _ in everything) / sum(a for a, _, _ in everything)
    theta = sum(share[c] * (mean_of(c) if read[c] else pooled) for c in names)

    def of_units(means):
        """Variance of ``sum W m`` for a sample of units, or of groups, from the law."""
        if finite or infinite_units:
            return 0.0
        centre = sum(share[c] * means[c] for c in names)
        if not groups:
            return (sum(share[c] * means[c] ** 2 for c in names) - centre**2) / len(cell)
        squares = 0.0
        for g in groups:
            squares += sum(mass[i] * (means[int(cell[i])] - centre) for i in units if group[i] == g) ** 2
        return squares / sum(mass) ** 2 * len(groups) / (len(groups) - 1)

    def inflation():
        """Variance of the estimate by sums of groups, over that of independent cells and units."""
        centred = {c: mean_of(c) - theta if read[c] else 0.0 for c in names}
        together = 0.0
        for g in groups:
            added = 0.0
            for i in units:
                c = int(cell[i])
                if group[i] != g:
                    continue
                added += mass[i] / sum(mass) * centred[c]
                if labelled[i]:
                    added += share[c] / total_of(c) * weight[i] * (y[i] - mean_of(c))
            together += added**2
        apart = of_units(centred)
        for c in names:
            apart += sum((share[c] / total_of(c) * a * (v - mean_of(c))) ** 2 for a, v, _ in read[c])
        return max(together * len(groups) / (len(groups) - 1) / apart, 1.0) if apart > 0 else 1.0

    def pseudo_weight(end):
        if binary:
            return 1.0
        counted, largest = 0.0, 0.0
        for c in names:
            if not read[c]:
                largest = max(largest, share[c] ** 2)
                continue
            counted += (
                share[c] ** 2 * sum(a**2 * (v - mean_of(c)) ** 2 for a, v, _ in read[c]) / total_of(c) ** 2
            )
            largest = max(largest, (share[c] * a_max[c] / total_of(c)) ** 2 * (end - mean_of(c)) ** 2)
        if largest == 0 or counted == 0:
            return 1.0
        surprises = counted / largest
        few = min(max(1.5 - surprises / 10, 0.5), 1.0)
        counted += of_units({c: mean_of(c) if read[c] else 0.0 for c in names})
        base = 0.42 + 0.85 * max(float(stats.norm.isf((1 - level) / 2)) - 1.96, 0)
        many = max(base - 0.3 * math.log10(counted / largest), 0.25) / (1.5 - 0.5 / k_eff)
        return few - told() * max(few - many, 0.0)

    def told():
        """How far the spread rests on many labels, and every cell has twenty of them."""
        parts = [share[c] * a * (v - mean_of(c)) / total_of(c) for c in names for a, v, _ in read[c]]
        concentration = sum(u**4 for u in parts) / sum(u**2 for u in parts) ** 2
        rest = max(concentration - 1 / len(parts), 2 / len(parts))
        heaviest = min(total_of(c) / a_max[c] for c in names)
        return min(max(1 / rest / 30 - 1, 0.0), 1.0) * min(max(heaviest / 10 - 1, 0.0), 1.0)

    def moments(c, k, end):
        if not read[c]:
            return end, 0.0
        fbar = 1 - pi_min[c] if finite else 1.0
        total = total_of(c)
        added = total + k * a_max[c]
        m = (sum(a * v for a, v, _ in read[c]) + k * a_max[c] * end) / added
        b_after = (sum(a**2 for a, _, _ in read[c]) + k * a_max[c] ** 2) / added**2
        b_before = min(sum(a**2 for a, _, _ in read[c]) / total**2, 0.5)
        squares = sum(a**2 * still * (v - m) ** 2 for a, v, still in read[c])
        squares += k * a_max[c] ** 2 * fbar * (end - m) ** 2
        v = squares / added**2 / (1 + b_after) * ((1 + b_before) / (1 - b_before)) ** divisor
        reach = 0.0 if fbar == 0 else max(math.sqrt(fbar), 1 - fbar)
        return mean_of(c) + reach * (m - mean_of(c)), v

    limits = []
    for end, tail in ((0, (1 - level) / 2), (1, 1 - (1 - level) / 2)):
        w = pseudo_weight(end)
        found = []
        for j in names:
            means, big_v = {}, 0.0
            for c in names:
                e = w * (0.25 if len(read[c]) < 5 else 0.5 / max(k_eff, 2))
                means[c], v = moments(c, w if c == j else e, end)
                big_v += share[c] ** 2 * v
            big_m = sum(share[c] * means[c] for c in names)
            big_v = (big_v + of_units(means)) * (inflation() if groups else 1.0)
            if big_m <= 0 or big_m >= 1 or big_v <= 0:
                found.append(min(max(big_m, 0.0), 1.0))
                continue
            big_v = min(big_v, 0.999 * big_m * (1 - big_m))
            s = big_m * (1 - big_m) / big_v - 1
            found.append(float(stats.beta.ppf(tail, big_m * s, (1 - big_m) * s)))
        limits.append(min(found) if end == 0 else max(found))
    return min(limits[0], theta), max(limits[1], theta)


def pairs_of_labels(n_first, n_second):
    """Every table of 0/1 labels in two cells, with every single label that can be changed from 0 to 1."""
    for a in range(n_first + 1):
        for b in range(n_second + 1):
            if a < n_first:
                yield np.array([a, b]), np.array([a + 1, b])
            if b < n_second:
                yield np.array([a, b]), np.array([a, b + 1])
