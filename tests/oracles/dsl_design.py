"""Slow, obvious versions of the labelling designs, confidence sequences and streamed sums of validstats.dsl."""

from __future__ import annotations

import itertools
import math

import numpy as np


def bounded_probabilities(size, n_labels, floor):
    """Find the multiplier by bisection on the sum of the clipped sizes."""
    n = len(size)
    lowest = floor * n_labels / n
    low, high = 0.0, 1e12
    for _ in range(400):
        middle = math.sqrt(low * high) if low > 0 else high / 2 if high > 1e-9 else high
        total = sum(min(1.0, max(lowest, middle * s)) for s in size)
        low, high = (middle, high) if total < n_labels else (low, middle)
        low = max(low, 1e-12)
    return np.array([min(1.0, max(lowest, high * s)) for s in size])


def best_allocation(sizes, n_labels, scale, minimum):
    """Smallest attainable variance of a stratified total over all whole-number allocations."""
    ranges = [range(min(minimum, size), size + 1) for size in sizes]
    best = math.inf
    for counts in itertools.product(*ranges):
        if sum(counts) == n_labels:
            variance = sum(N**2 * s**2 * (1 / c - 1 / N) for N, s, c in zip(sizes, scale, counts))
            best = min(best, variance)
    return best


def allocation_variance(sizes, scale, counts):
    """Variance of a stratified total under one allocation."""
    return sum(N**2 * s**2 * (1 / c - 1 / N) for N, s, c in zip(sizes, scale, counts))


def poisson_estimator_variance(values, probability):
    """Variance of the mean of ``selected * value / probability`` by listing every possible sample."""
    n = len(values)
    first = second = 0.0
    for pattern in itertools.product((0, 1), repeat=n):
        chance = math.prod(p if d else 1 - p for p, d in zip(probability, pattern))
        mean = sum(v / p for v, p, d in zip(values, probability, pattern) if d) / n
        first += chance * mean
        second += chance * mean**2
    return second - first**2


def asymptotic_radius(n, variance, rho, alpha):
    """Half-width of the asymptotic confidence sequence at time n, term by term."""
    inside = n * variance * rho**2 + 1.0
    return math.sqrt(2.0 * inside / (n**2 * rho**2) * math.log(math.sqrt(inside) / alpha))


def running_mean_and_variance(values):
    """Mean and variance of every prefix, from scratch each time."""
    means = [float(np.mean(values[: t + 1])) for t in range(len(values))]
    variances = [float(np.mean((values[: t + 1] - means[t]) ** 2)) for t in range(len(values))]
    return np.array(means), np.array(variances)
