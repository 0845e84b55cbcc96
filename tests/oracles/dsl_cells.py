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
):
    """Lower limit, upper limit: outcomes ``y`` of all units in [0, 1], of which only labelled ones are read."""
    units = range(len(cell))
    mass = [1.0 if size is None else size[i] for i in units]
    weight = [mass[i] / probability[i] for i in units]
    names = sorted({int(cell[i]) for i in units})
    share = {c: sum(mass[i] for i in units if cell[i] == c) / sum(mass) for c in names}
    a_max = {c: max(weight[i] for i in units if cell[i] == c) for c in names}
    pi_min = {c: min(probability[i] for i in units if cell[i] == c) for c in names}
    read = {c: [i for i in units if cell[i] == c and labelled[i]] for c in names}
    k_eff = sum(a_max.values()) ** 2 / sum(a**2 for a in a_max.values())
    g = 1 - 6 / max(k_eff, 6)

    def mean_of(c):
        return sum(weight[i] * y[i] for i in read[c]) / sum(weight[i] for i in read[c])

    def pseudo_weight(end):
        if binary:
            return 1.0
        counted, largest = 0.0, 0.0
        for c in names:
            if not read[c]:
                largest = max(largest, share[c] ** 2)
                continue
            total = sum(weight[i] for i in read[c])
            counted += (
                share[c] ** 2 * sum(weight[i] ** 2 * (y[i] - mean_of(c)) ** 2 for i in read[c]) / total**2
            )
            largest = max(largest, (share[c] * a_max[c] / total) ** 2 * (end - mean_of(c)) ** 2)
        if largest == 0 or counted == 0:
            return 1.0
        surprises = counted / largest
        few = min(max(1.5 - surprises / 10, 0.5), 1.0)
        if not finite and not infinite_units:
            theta = sum(share[c] * mean_of(c) for c in names if read[c])
            squares = sum(share[c] * mean_of(c) ** 2 for c in names if read[c])
            counted += (squares - theta**2) / len(cell)
        base = 0.42 + 0.85 * max(float(stats.norm.isf((1 - level) / 2)) - 1.96, 0)
        many = max(base - 0.3 * math.log10(counted / largest), 0.25) / (1.5 - 0.5 / k_eff)
        return few - told() * max(few - many, 0.0)

    def told():
        """How far the spread rests on many labels, and every cell has twenty of them."""
        parts = [
            share[c] * weight[i] * (y[i] - mean_of(c)) / sum(weight[k] for k in read[c])
            for c in names
            for i in read[c]
        ]
        concentration = sum(u**4 for u in parts) / sum(u**2 for u in parts) ** 2
        rest = max(concentration - 1 / len(parts), 2 / len(parts))
        heaviest = min(sum(weight[i] for i in read[c]) / a_max[c] for c in names)
        return min(max(1 / rest / 30 - 1, 0.0), 1.0) * min(max(heaviest / 10 - 1, 0.0), 1.0)

    def moments(c, k, end):
        if not read[c]:
            return end, 0.0
        fbar = 1 - pi_min[c] if finite else 1.0
        total = sum(weight[i] for i in read[c])
        everything = total + k * a_max[c]
        m = (sum(weight[i] * y[i] for i in read[c]) + k * a_max[c] * end) / everything
        b_after = (sum(weight[i] ** 2 for i in read[c]) + k * a_max[c] ** 2) / everything**2
        b_before = min(sum(weight[i] ** 2 for i in read[c]) / total**2, 0.5)
        squares = sum(
            weight[i] ** 2 * (1 - probability[i] if finite else 1.0) * (y[i] - m) ** 2 for i in read[c]
        )
        squares += k * a_max[c] ** 2 * fbar * (end - m) ** 2
        v = squares / everything**2 / (1 + b_after) * ((1 + b_before) / (1 - b_before)) ** g
        reach = 0.0 if fbar == 0 else max(math.sqrt(fbar), 1 - fbar)
        return mean_of(c) + reach * (m - mean_of(c)), v

    limits = []
    for end, tail in ((0, (1 - level) / 2), (1, 1 - (1 - level) / 2)):
        w = pseudo_weight(end)
        found = []
        for j in names:
            big_m = big_v = squares = 0.0
            for c in names:
                e = w * (0.25 if len(read[c]) < 5 else 0.5 / max(k_eff, 2))
                m, v = moments(c, w if c == j else e, end)
                big_m += share[c] * m
                big_v += share[c] ** 2 * v
                squares += share[c] * m**2
            if not finite and not infinite_units:
                big_v += (squares - big_m**2) / len(cell)
            if big_m <= 0 or big_m >= 1 or big_v <= 0:
                found.append(min(max(big_m, 0.0), 1.0))
                continue
            big_v = min(big_v, 0.999 * big_m * (1 - big_m))
            s = big_m * (1 - big_m) / big_v - 1
            found.append(float(stats.beta.ppf(tail, big_m * s, (1 - big_m) * s)))
        limits.append(min(found) if end == 0 else max(found))
    everything = [i for c in names for i in read[c]]
    pooled = sum(weight[i] * y[i] for i in everything) / sum(weight[i] for i in everything)
    theta = sum(share[c] * (mean_of(c) if read[c] else pooled) for c in names)
    return min(limits[0], theta), max(limits[1], theta)


def pairs_of_labels(n_first, n_second):
    """Every table of 0/1 labels in two cells, with every single label that can be changed from 0 to 1."""
    for a in range(n_first + 1):
        for b in range(n_second + 1):
            if a < n_first:
                yield np.array([a, b]), np.array([a + 1, b])
            if b < n_second:
                yield np.array([a, b]), np.array([a, b + 1])
