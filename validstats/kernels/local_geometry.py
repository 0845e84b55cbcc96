"""Nearest-neighbour counts around query points, in the joint space and in each side: one pass per query."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from validstats.kernels._jit import jit

__all__ = [
    "add_counts",
    "add_counts_plain",
    "add_pair_terms",
    "add_pair_terms_plain",
    "local_counts",
    "pair_information_sums",
    "same_class_counts",
]


@jit
def _insert(best: Any, value: Any) -> Any:
    # Keep the smallest values in increasing order.
    last = best.shape[0] - 1
    if value >= best[last]:
        return
    position = last
    while position > 0 and best[position - 1] > value:
        best[position] = best[position - 1]
        position -= 1
    best[position] = value


def local_counts(x: Any, y: Any, n_queries: Any, orders: Any, euclidean: Any) -> Any:
    """Count neighbours of the first rows among all rows, in X, in Y and jointly."""
    out = np.zeros((n_queries, 4 * len(orders) + 2))
    # room for the kernel: every array that it makes itself would take a tenth of a second to compile
    room = np.empty((2, len(x))), np.empty(orders[-1]), np.empty((6, 2))
    add_counts(x, y, n_queries, orders, euclidean, out, *room)
    # logarithms of distances: of their squares the half; -50 stands for that of zero
    radii, power = out[:, : len(orders)], 0.5 if euclidean == 1 else 1.0
    radii[:] = power * np.log(radii, out=np.full(radii.shape, -50.0 / power), where=radii > 0.0)
    return out


def _gaps(side: Any, i: Any, euclidean: Any) -> Any:
    # Distances of all rows to row i, one coordinate after the other as in the kernel, which gives the same bits.
    total = np.zeros(len(side))
    for c in range(side.shape[1]):
        gap = np.abs(side[i, c] - side[:, c])
        total = total + gap * gap if euclidean == 1 else np.maximum(total, gap)
    return total


def _balls(a: Any, b: Any, i: Any, orders: Any) -> Any:
    # Joint distances of row i to its neighbours, the rows nearer than that in X and in Y (at distance zero where that
    # is zero), and the rows at distance zero in both.
    joint = np.maximum(a, b)
    joint[i] = np.inf
    radius = np.partition(joint, orders - 1)[orders - 1]
    r, zero = radius[:, None], radius[:, None] == 0.0
    in_x, in_y = (a < r) | (zero & (a == 0.0)), (b < r) | (zero & (b == 0.0))
    return radius, in_x.sum(axis=1), in_y.sum(axis=1), (zero & in_x & in_y).sum(axis=1)


def add_counts_plain(
    x: Any, y: Any, n_queries: Any, orders: Any, euclidean: Any, out: Any, *room: Any
) -> None:
    """:func:`add_counts` on arrays, one query at a time."""
    n, k = len(x), len(orders)
    for i in range(n_queries):
        a, b = _gaps(x, i, euclidean), _gaps(y, i, euclidean)
        out[i, : 4 * k] = np.concatenate(_balls(a, b, i, orders))
        for column, near, far in ((4 * k, a, b), (4 * k + 1, b, a)):
            others = near.copy()
            others[i] = np.inf
            # of equally near rows the first
            nearest = np.argsort(others, kind="stable")[:3]
            out[i, column] = np.count_nonzero(far < far[nearest, None]) / (3.0 * n)


def _seconds_of_counts(x: Any, y: Any, n_queries: Any, *others: Any) -> float:
    # measured: calls of NumPy, then rows, then coordinates
    return float(n_queries * (3e-5 + len(x) * (1.2e-7 + 3e-9 * (x.shape[1] + y.shape[1]))))


@functools.partial(jit, plain=add_counts_plain, work=_seconds_of_counts)
def add_counts(
    x: Any, y: Any, n_queries: Any, orders: Any, euclidean: Any,
    out: Any, distances: Any, joint: Any, near: Any,
) -> None:  # fmt: skip
    """Count around one query after the other."""
    n = x.shape[0]
    k = orders.shape[0]
    distance_x, distance_y = distances[0], distances[1]
    near_x, near_y = near[:3], near[3:]
    for i in range(n_queries):
        for m in range(joint.shape[0]):
            joint[m] = np.inf
        for m in range(3):
            near_x[m, 0], near_x[m, 1] = np.inf, np.inf
            near_y[m, 0], near_y[m, 1] = np.inf, np.inf
        # one coordinate and one question after the other: short loops that run several rows at once
        _add_gaps(x, i, euclidean, distance_x)
        _add_gaps(y, i, euclidean, distance_y)
        for j in range(n):
            if j == i:
                continue
            a, b = distance_x[j], distance_y[j]
            _insert(joint, a if a > b else b)
            if a < near_x[2, 0]:
                _insert_pair(near_x, a, b)
            if b < near_y[2, 0]:
                _insert_pair(near_y, b, a)
        for m in range(k):
            r = joint[orders[m] - 1]
            out[i, m] = r
            if r > 0.0:
                out[i, k + m] = _count_below(distance_x, r)
                out[i, 2 * k + m] = _count_below(distance_y, r)
                continue
            for j in range(n):
                a, b = distance_x[j], distance_y[j]
                out[i, k + m] += a == 0.0
                out[i, 2 * k + m] += b == 0.0
                out[i, 3 * k + m] += a == 0.0 and b == 0.0
        below_y = 0
        below_x = 0
        for m in range(3):
            below_y += _count_below(distance_y, near_x[m, 1])
            below_x += _count_below(distance_x, near_y[m, 1])
        out[i, 4 * k] = below_y / (3.0 * n)
        out[i, 4 * k + 1] = below_x / (3.0 * n)


@jit
def _add_gaps(side: Any, i: Any, euclidean: Any, distance: Any) -> Any:
    # Distances of all rows to row i.
    n = side.shape[0]
    for j in range(n):
        distance[j] = 0.0
    for c in range(side.shape[1]):
        centre = side[i, c]
        if euclidean == 1:
            for j in range(n):
                gap = centre - side[j, c]
                distance[j] += gap * gap
        else:
            for j in range(n):
                distance[j] = max(distance[j], abs(centre - side[j, c]))


@jit
def _count_below(distance: Any, limit: Any) -> Any:
    found = 0
    for j in range(distance.shape[0]):
        found += distance[j] < limit
    return found


@jit
def _insert_pair(best: Any, value: Any, partner: Any) -> Any:
    position = best.shape[0] - 1
    while position > 0 and best[position - 1, 0] > value:
        best[position, 0] = best[position - 1, 0]
        best[position, 1] = best[position - 1, 1]
        position -= 1
    best[position, 0] = value
    best[position, 1] = partner


@jit
def _first_at_least(ordered: Any, value: Any) -> Any:
    # Bisection: np.searchsorted takes half a second to compile.
    low = 0
    high = ordered.shape[0]
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def _count_sorted(ordered: Any, value: Any, radius: Any) -> Any:
    # Points of a sorted array nearer than radius to value (at distance zero if radius is zero).
    n = ordered.shape[0]
    low = _first_at_least(ordered, value - radius)
    high = _first_at_least(ordered, value + radius)
    if radius == 0.0:
        while high < n and ordered[high] == value:
            high += 1
        return high - low
    while low > 0 and abs(ordered[low - 1] - value) < radius:
        low -= 1
    while low < n and abs(ordered[low] - value) >= radius and ordered[low] < value:
        low += 1
    while high < n and abs(ordered[high] - value) < radius:
        high += 1
    while high > 0 and abs(ordered[high - 1] - value) >= radius and ordered[high - 1] > value:
        high -= 1
    return high - low


def pair_information_sums(
    x: Any, y: Any, order_x: Any, sorted_x: Any, sorted_y: Any, orders: Any, digamma: Any
) -> Any:
    """Return mean local terms of the KSG estimator for one pair of coordinates, at several orders."""
    total = np.zeros(len(orders))
    add_pair_terms(x, y, order_x, sorted_x, sorted_y, orders, digamma, total, np.empty(orders[-1]))
    return total


def add_pair_terms_plain(
    x: Any, y: Any, order_x: Any, sorted_x: Any, sorted_y: Any, orders: Any, digamma: Any, total: Any, *room: Any
) -> None:  # fmt: skip
    """:func:`add_pair_terms` on arrays, one row at a time."""
    terms = np.empty((len(x), len(orders)))
    for place, i in enumerate(order_x):
        radius, near_x, near_y, same = _balls(np.abs(x - x[i]), np.abs(y - y[i]), i, orders)
        terms[place] = digamma[np.where(radius == 0.0, same, orders)] - digamma[near_x] - digamma[near_y]
    # a running sum, as the kernel adds: np.sum adds in pairs and rounds otherwise
    total += np.cumsum(terms, axis=0)[-1]
    total /= len(x)
    total += digamma[len(x)]


def _seconds_of_terms(x: Any, *others: Any) -> float:
    # measured: calls of NumPy, then rows
    return float(len(x) * (2e-5 + 2e-8 * len(x)))


@functools.partial(jit, plain=add_pair_terms_plain, work=_seconds_of_terms)
def add_pair_terms(
    x: Any,
    y: Any,
    order_x: Any,
    sorted_x: Any,
    sorted_y: Any,
    orders: Any,
    digamma: Any,
    total: Any,
    best: Any,
) -> None:
    """Add the local terms of all rows."""
    n = x.shape[0]
    k = orders.shape[0]
    most = orders[k - 1]
    for place in range(n):
        i = order_x[place]
        for m in range(most):
            best[m] = np.inf
        left = place - 1
        right = place + 1
        while left >= 0 or right < n:
            gap_left = x[i] - sorted_x[left] if left >= 0 else np.inf
            gap_right = sorted_x[right] - x[i] if right < n else np.inf
            if gap_left < gap_right:
                gap = gap_left
                j = order_x[left]
                left -= 1
            else:
                gap = gap_right
                j = order_x[right]
                right += 1
            if gap >= best[most - 1]:
                break
            other = abs(y[i] - y[j])
            _insert(best, gap if gap > other else other)
        for m in range(k):
            r = best[orders[m] - 1]
            near_x = _count_sorted(sorted_x, x[i], r)
            near_y = _count_sorted(sorted_y, y[i], r)
            term = digamma[orders[m]]
            if r == 0.0:
                same = 0
                for j in range(n):
                    if x[j] == x[i] and y[j] == y[i]:
                        same += 1
                term = digamma[same]
            total[m] += term - digamma[near_x] - digamma[near_y]
    for m in range(k):
        total[m] = total[m] / n + digamma[n]


@jit
def same_class_counts(x: Any, label: Any, n_queries: Any, k: Any) -> Any:
    """Count, around query points, the points within the distance of the k-th neighbour of the same class."""
    n, dim = x.shape
    out = np.zeros((n_queries, 3))
    distance = np.empty(n)
    best = np.empty(k)
    for i in range(n_queries):
        best[:] = np.inf
        size = 0
        for j in range(n):
            a = 0.0
            for c in range(dim):
                gap = x[i, c] - x[j, c]
                a += gap * gap
            distance[j] = a
            if label[j] == label[i]:
                size += 1
                if j != i:
                    _insert(best, a)
        used = min(k, size - 1)
        out[i, 0] = used
        out[i, 2] = size
        if used > 0:
            r = best[used - 1]
            within = 0
            for j in range(n):
                if distance[j] <= r and j != i:
                    within += 1
            out[i, 1] = within
    return out
