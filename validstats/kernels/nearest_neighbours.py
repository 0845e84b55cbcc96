"""Neighbour radii in a product space and counts within them, with strict inequality throughout."""

from __future__ import annotations

import functools

import numpy as np

from validstats._typing import Float1D, Float2D, Int1D, Int2D
from validstats.kernels._jit import jit

__all__ = ["counts_within", "counts_within_sorted", "counts_within_sorted_plain", "product_radii"]


@jit
def _distance(rows: Float2D, i: int, j: int, euclidean: bool) -> float:
    """Chebyshev distance of two rows, or their squared Euclidean distance."""
    total = 0.0
    if euclidean:
        for c in range(rows.shape[1]):
            gap = rows[i, c] - rows[j, c]
            total += gap * gap
    else:
        for c in range(rows.shape[1]):
            gap = abs(rows[i, c] - rows[j, c])
            if gap > total:
                total = gap
    return total


@jit
def product_radii(x: Float2D, y: Float2D, n_neighbors: int, euclidean: bool) -> Float1D:
    """Distance of each row to its k-th nearest other row in the maximum of the two sides' distances."""
    n = x.shape[0]
    radii = np.empty(n)
    nearest = np.empty(n_neighbors)
    for i in range(n):
        nearest[:] = np.inf
        for j in range(n):
            if j == i:
                continue
            distance = _distance(x, i, j, euclidean)
            if distance >= nearest[n_neighbors - 1]:
                continue
            other = _distance(y, i, j, euclidean)
            if other > distance:
                distance = other
            if distance >= nearest[n_neighbors - 1]:
                continue
            place = n_neighbors - 1
            while place > 0 and nearest[place - 1] > distance:
                nearest[place] = nearest[place - 1]
                place -= 1
            nearest[place] = distance
        radii[i] = nearest[n_neighbors - 1]
    return radii


@jit
def counts_within(rows: Float2D, radii: Float1D, euclidean: bool) -> Int1D:
    """Count the other rows that lie strictly within each row's radius."""
    n = rows.shape[0]
    counts = np.zeros(n, dtype=np.int64)
    for i in range(n):
        for j in range(n):
            if j != i and _distance(rows, i, j, euclidean) < radii[i]:
                counts[i] += 1
    return counts


_STEPS = 64
"""Places that are looked at one by one around a guess; beyond them the rest is halved."""


def counts_within_sorted_plain(ordered: Float1D, radii: Float2D, counts: Int2D) -> None:
    """:func:`counts_within_sorted` on arrays, all values at once."""
    n = len(ordered)
    place, centre = np.arange(n)[:, None], ordered[:, None]
    counts[:] = 0
    for side, room in ((-1, place), (1, n - 1 - place)):
        near = np.zeros_like(counts)
        for power in range(n.bit_length() - 1, -1, -1):
            further = near + (1 << power)
            found = ordered[np.clip(place + side * further, 0, n - 1)]
            near += ((further <= room) & (np.abs(found - centre) < radii)) * (1 << power)
        counts += near


def _seconds_of_line(ordered: Float1D, radii: Float2D, counts: Int2D) -> float:
    # measured: calls of NumPy, then values, at every halving
    return float(len(ordered).bit_length() * (2e-5 + 1.5e-8 * radii.size))


@functools.partial(jit, plain=counts_within_sorted_plain, work=_seconds_of_line)
def counts_within_sorted(ordered: Float1D, radii: Float2D, counts: Int2D) -> None:
    """Count the other values on a line that lie strictly within each value's radii, from the smallest value on."""
    # The test is abs(difference) < radius on the differences themselves, so a neighbour exactly at the
    # radius is left out whatever the rounding of value + radius would say. How far a radius reaches is first
    # guessed from the one before, because values nearby are about as dense.
    n = ordered.shape[0]
    density = 0.0
    for i in range(n):
        centre = ordered[i]
        for m in range(radii.shape[1]):
            radius = radii[i, m]
            counts[i, m] = 0
            if radius <= 0.0:
                continue
            for side in (-1, 1):
                # the value at ``low`` places from the centre is within the radius, that at ``high`` is not
                room = i if side < 0 else n - 1 - i
                low, high = 0, room + 1
                place = int(density * radius) if density * radius < room else room
                if abs(ordered[i + side * place] - centre) < radius:
                    last = min(place + _STEPS, room)
                    while place < last and abs(ordered[i + side * (place + 1)] - centre) < radius:
                        place += 1
                    low = place
                    if place < last:
                        high = place + 1
                else:
                    last = max(place - _STEPS, 0)
                    while place > last and abs(ordered[i + side * place] - centre) >= radius:
                        place -= 1
                    high = place + 1
                    if place > last:
                        low = place
                while high - low > 1:
                    middle = (low + high) // 2
                    if abs(ordered[i + side * middle] - centre) < radius:
                        low = middle
                    else:
                        high = middle
                counts[i, m] += low
            density = 0.5 * counts[i, m] / radius
