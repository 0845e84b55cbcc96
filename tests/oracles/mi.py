"""Slow, obvious versions of the algorithms of validstats.mi."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import digamma


def normal_scores(column):
    """Mid-rank of each value by counting, then the normal quantile, then standardised."""
    from scipy.stats import norm

    n = len(column)
    scores = []
    for value in column:
        below = sum(other < value for other in column)
        equal = sum(other == value for other in column)
        scores.append(norm.ppf((below + (equal + 1) / 2 - 0.5) / n))
    scores = np.array(scores)
    scores = scores - scores.mean()
    return scores / math.sqrt(np.mean(scores**2))


def side_distance(a, b, euclidean):
    return float(np.sum((a - b) ** 2)) if euclidean else float(np.max(np.abs(a - b)))


def local_counts(x, y, n_queries, orders, euclidean):
    """Neighbour counts by full distance matrices and sorting."""
    n = len(x)
    rows = []
    for i in range(n_queries):
        a = np.array([side_distance(x[i], x[j], euclidean) for j in range(n)])
        b = np.array([side_distance(y[i], y[j], euclidean) for j in range(n)])
        others = [j for j in range(n) if j != i]
        joint = np.sort(np.maximum(a, b)[others])
        radii = [joint[k - 1] for k in orders]
        logs = [(0.5 if euclidean else 1.0) * math.log(r) if r > 0 else -50.0 for r in radii]
        near_x = [np.sum(a < r) if r > 0 else np.sum(a == 0) for r in radii]
        near_y = [np.sum(b < r) if r > 0 else np.sum(b == 0) for r in radii]
        same = [0 if r > 0 else np.sum((a == 0) & (b == 0)) for r in radii]
        nearest_x = sorted(others, key=lambda j: a[j])[:3]
        nearest_y = sorted(others, key=lambda j: b[j])[:3]
        rank_y = np.mean([np.sum(b < b[j]) for j in nearest_x]) / n
        rank_x = np.mean([np.sum(a < a[j]) for j in nearest_y]) / n
        rows.append([*logs, *near_x, *near_y, *same, rank_y, rank_x])
    return np.array(rows, dtype=float)


def pair_information(x, y, k):
    """First KSG estimator of two coordinates; at distance zero the ties are counted (Gao et al. 2017)."""
    n = len(x)
    total = 0.0
    for i in range(n):
        a, b = np.abs(x - x[i]), np.abs(y - y[i])
        r = np.sort(np.delete(np.maximum(a, b), i))[k - 1]
        if r > 0:
            total += digamma(k) - digamma(np.sum(a < r)) - digamma(np.sum(b < r))
        else:
            same = np.sum((a == 0) & (b == 0))
            total += digamma(same) - digamma(np.sum(a == 0)) - digamma(np.sum(b == 0))
    return total / n + digamma(n)


def class_information(side, label, k):
    """Ross's estimator by sorting distances within the class."""
    n = len(label)
    terms = []
    for i in range(n):
        distance = np.sum((side - side[i]) ** 2, axis=1)
        own = [j for j in range(n) if label[j] == label[i] and j != i]
        used = min(k, len(own))
        if used == 0:
            continue
        r = sorted(distance[own])[used - 1]
        within = sum(distance[j] <= r for j in range(n) if j != i)
        terms.append(digamma(used) - digamma(len(own) + 1) - digamma(within))
    return digamma(n) + float(np.mean(terms))


def pinball(quantiles, levels, target):
    """Pinball loss of one set, level by level."""
    total = 0.0
    for q, level in zip(quantiles, levels, strict=True):
        gap = target - q
        total += level * gap if gap >= 0 else (level - 1) * gap
    return total / len(levels)


def interval_contains(quantiles, levels, score, target):
    """Whether the target lies between the two sides of the piecewise linear quantile curve at a score."""
    from scipy.stats import norm

    z = norm.ppf(levels)
    middle = list(levels).index(0.5)

    def end(knots, heights):
        for left in range(len(heights) - 1):
            if heights[left] <= score <= heights[left + 1] or left == len(heights) - 2:
                share = (score - heights[left]) / (heights[left + 1] - heights[left])
                candidate = knots[left] + share * (knots[left + 1] - knots[left])
                if score <= heights[left + 1] or left == len(heights) - 2:
                    return candidate
        raise AssertionError

    high = end(list(quantiles[middle:]), list(z[middle:]))
    low = end(list(quantiles[middle::-1]), [abs(v) for v in z[middle::-1]])
    return low - 1e-12 <= target <= high + 1e-12
