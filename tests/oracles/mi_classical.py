"""Slow, obvious versions of the classical estimators of validstats.mi."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import digamma


def standardize(rows):
    rows = np.asarray(rows, dtype=float)
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


def distances(rows, metric="chebyshev"):
    difference = np.abs(rows[:, None, :] - rows[None, :, :])
    if metric == "chebyshev":
        return difference.max(axis=2)
    return np.sqrt((difference**2).sum(axis=2))


def ksg(x, y, k, metric="chebyshev"):
    """Algorithm 1 of Kraskov et al. with strict inequality, one point after the other."""
    n = len(x)
    dx, dy = distances(x, metric), distances(y, metric)
    terms = []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        joint = sorted(max(dx[i, j], dy[i, j]) for j in others)
        radius = joint[k - 1]
        n_x = sum(dx[i, j] < radius for j in others)
        n_y = sum(dy[i, j] < radius for j in others)
        terms.append(digamma(n_x + 1) + digamma(n_y + 1))
    return digamma(k) + digamma(n) - np.mean(terms)


def additive_uniform_mutual_information(half_width, cells=400_000):
    """Entropy of Y minus entropy of the noise, the density of Y integrated on a grid."""
    edges = np.linspace(-half_width, 1 + half_width, cells + 1)
    y = (edges[1:] + edges[:-1]) / 2
    overlap = np.minimum(1, y + half_width) - np.maximum(0, y - half_width)
    density = overlap / (2 * half_width)
    entropy_y = -(density * np.log(density)).sum() * (edges[1] - edges[0])
    return entropy_y - math.log(2 * half_width)
