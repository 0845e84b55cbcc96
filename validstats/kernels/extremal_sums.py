"""Largest sums of scores over rank vectors of bounded weight: hull, group relaxation, knapsack, dual."""

from __future__ import annotations

import numpy as np

from validstats.kernels._jit import jit

__all__ = [
    "dual_value",
    "hull_value",
    "knapsack_max",
    "residue_costs",
    "restricted_knapsack",
    "upper_hull",
]


@jit
def upper_hull(x, y):  # type: ignore[no-untyped-def]
    """Vertices of the upper concave envelope of points with non-decreasing x and y."""
    stack = np.empty(x.size, dtype=np.int64)
    top = 0
    for i in range(x.size):
        if top > 0 and x[stack[top - 1]] == x[i]:
            if y[stack[top - 1]] >= y[i]:
                continue
            top -= 1
        while top > 1:
            a = stack[top - 2]
            b = stack[top - 1]
            if (y[b] - y[a]) * (x[i] - x[a]) > (y[i] - y[a]) * (x[b] - x[a]):
                break
            top -= 1
        stack[top] = i
        top += 1
    return stack[:top].copy()


@jit
def hull_value(x, y, hull, abscissa):  # type: ignore[no-untyped-def]
    """Height of the envelope at one abscissa; its last height beyond the last vertex."""
    if abscissa >= x[hull[-1]]:
        return y[hull[-1]]
    low = 0
    high = hull.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if x[hull[middle]] <= abscissa:
            low = middle
        else:
            high = middle
    a = hull[low]
    b = hull[high]
    return y[a] + (y[b] - y[a]) * ((abscissa - x[a]) / (x[b] - x[a]))


@jit
def knapsack_max(scores, m, q):  # type: ignore[no-untyped-def]
    """Largest sum of m scores whose 1-based ranks sum to at most q, by the full dynamic programme."""
    best = np.full(q + 1, -np.inf)
    best[0] = 0.0
    for _ in range(m):
        new = np.full(q + 1, -np.inf)
        for r in range(1, min(scores.size, q) + 1):
            s = scores[r - 1]
            for t in range(r, q + 1):
                value = best[t - r] + s
                if value > new[t]:
                    new[t] = value
        best = new
    return best.max()


@jit
def residue_costs(offsets, costs, modulus):  # type: ignore[no-untyped-def]
    """Cheapest multisets of items by the residue of their summed offsets (Dijkstra on a cycle)."""
    cost = np.full(modulus, np.inf)
    count = np.zeros(modulus, dtype=np.int64)
    shift = np.zeros(modulus, dtype=np.int64)
    settled = np.zeros(modulus, dtype=np.int64)
    cost[0] = 0.0
    for _ in range(modulus):
        node = -1
        for v in range(modulus):
            if settled[v] == 0 and cost[v] < np.inf and (node < 0 or cost[v] < cost[node]):
                node = v
        if node < 0:
            break
        settled[node] = 1
        for i in range(offsets.size):
            target = (node + offsets[i]) % modulus
            value = cost[node] + costs[i]
            if value < cost[target]:
                cost[target] = value
                count[target] = count[node] + 1
                shift[target] = shift[node] + offsets[i]
    return cost, count, shift


@jit
def restricted_knapsack(ranks, scores, m, q):  # type: ignore[no-untyped-def]
    """Largest sum of m scores whose ranks, taken from a short menu, sum to at most q."""
    best = np.full(q + 1, -np.inf)
    best[0] = 0.0
    for _ in range(m):
        new = np.full(q + 1, -np.inf)
        for i in range(ranks.size):
            r = ranks[i]
            s = scores[i]
            for t in range(r, q + 1):
                value = best[t - r] + s
                if value > new[t]:
                    new[t] = value
        best = new
    return best.max()


@jit
def dual_value(multiplier, scores, weights, lower, upper, q):  # type: ignore[no-untyped-def]
    """Lagrangian bound on the largest sum of scores inside a band of ranks, and its slope."""
    m = lower.size
    queue = np.empty(scores.size, dtype=np.int64)
    head = 0
    tail = 0
    following = lower[0]
    total = multiplier * q
    slope = q
    for j in range(m):
        while following <= upper[j]:
            value = scores[following - 1] - multiplier * weights[following - 1]
            while tail > head:
                back = queue[tail - 1]
                if scores[back - 1] - multiplier * weights[back - 1] > value:
                    break
                tail -= 1
            queue[tail] = following
            tail += 1
            following += 1
        while queue[head] < lower[j]:
            head += 1
        best = queue[head]
        total += scores[best - 1] - multiplier * weights[best - 1]
        slope -= weights[best - 1]
    return total, slope
