"""Slow, obvious versions of the classical estimators of validstats.mi."""

from __future__ import annotations

import math
from collections import Counter
from statistics import NormalDist

import numpy as np
from numpy.polynomial.hermite_e import hermeval
from scipy.special import digamma
from scipy.stats import t as student


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


def counts_within(rows, radii, metric="chebyshev"):
    d = distances(rows, metric)
    return np.array([sum(d[i, j] < radii[i] for j in range(len(rows)) if j != i) for i in range(len(rows))])


def ross(levels, rows, k):
    """Ross (2014), with the strict convention of scikit-learn."""
    d = distances(rows)
    n_kept = sum(levels.count(level) > 1 for level in levels)
    kept = [i for i in range(len(levels)) if levels.count(levels[i]) > 1]
    terms = []
    for i in kept:
        same = sorted(d[i, j] for j in kept if j != i and levels[j] == levels[i])
        used = min(k, len(same))
        radius = same[used - 1]
        within = 1 + sum(d[i, j] < radius for j in kept if j != i)
        terms.append(digamma(used) - digamma(len(same) + 1) - digamma(within))
    return digamma(n_kept) + np.mean(terms)


def _balls(d, i, radius):
    """Other rows within the radius of row i, with and without those exactly at it."""
    others = [d[i, j] for j in range(len(d)) if j != i]
    return sum(v <= radius for v in others), sum(v < radius for v in others)


def mixed_ksg(x, y, k):
    """Kraskov's term where one row alone lies at the k-th distance, else the closed balls of Mesner and Shalizi."""
    dx, dy = distances(x), distances(y)
    joint = np.maximum(dx, dy)
    terms = []
    for i in range(len(x)):
        radius = sorted(np.delete(joint[i], i))[k - 1]
        (closed_x, open_x), (closed_y, open_y) = _balls(dx, i, radius), _balls(dy, i, radius)
        at_radius = (closed_x - open_x) + (closed_y - open_y)
        used = _balls(joint, i, radius)[0]
        if used == k and at_radius == 1:
            terms.append(digamma(k) - digamma(open_x + 1) - digamma(open_y + 1))
        else:
            terms.append(digamma(used) - digamma(closed_x) - digamma(closed_y))
    return math.log(len(x)) + np.mean(terms)


def entropy(values):
    n = len(values)
    return -sum(c / n * math.log(c / n) for c in Counter(values).values())


def plug_in(x, y):
    """Plug-in and Miller-Madow values from the three entropies."""
    value = entropy(x) + entropy(y) - entropy(list(zip(x, y)))
    occupied = len(set(x)) + len(set(y)) - len(set(zip(x, y))) - 1
    return value, value + occupied / (2 * len(x))


def gaussian_mutual_information(rows_x, rows_y):
    """Plug-in from the three sample covariance determinants."""
    s = np.cov(np.hstack([rows_x, rows_y]), rowvar=False)
    p = rows_x.shape[1]
    return 0.5 * math.log(np.linalg.det(s[:p, :p]) * np.linalg.det(s[p:, p:]) / np.linalg.det(s))


def wishart_log_determinant_bias(n, p):
    """Expected log-determinant of a sample covariance of n standard normal rows, from its chi-square factors."""
    return sum(digamma((n - i) / 2) for i in range(1, p + 1)) + p * math.log(2 / (n - 1))


def conditional_ksg(x, y, z, k):
    """Frenzel and Pompe (2007) where one row alone lies at the k-th distance, else Mesner and Shalizi (2021)."""
    joint = distances(np.hstack([x, y, z]))
    spaces = [distances(rows) for rows in (np.hstack([x, z]), np.hstack([y, z]), z)]
    terms = []
    for i in range(len(x)):
        radius = sorted(np.delete(joint[i], i))[k - 1]
        used = _balls(joint, i, radius)[0]
        balls = [_balls(d, i, radius) for d in spaces]
        at_radius = tuple(c - o for c, o in balls)
        if used == k and at_radius in {(1, 0, 0), (0, 1, 0), (1, 1, 1)}:
            n_xz, n_yz, n_z = (o + 1 for _, o in balls)
        else:
            n_xz, n_yz, n_z = (c for c, _ in balls)
        terms.append(digamma(used) - digamma(n_xz) - digamma(n_yz) + digamma(n_z))
    return np.mean(terms)


def distance_correlation(x, y):
    """Székely, Rizzo and Bakirov (2007), definitions 2 and 3, by loops."""
    n = len(x)

    def centred(rows):
        a = np.array([[math.dist(rows[i], rows[j]) for j in range(n)] for i in range(n)])
        return [[a[i, j] - a[i].mean() - a[:, j].mean() + a.mean() for j in range(n)] for i in range(n)]

    a, b = centred(x), centred(y)

    def covariance(u, v):
        return sum(u[i][j] * v[i][j] for i in range(n) for j in range(n)) / n**2

    return math.sqrt(covariance(a, b) / math.sqrt(covariance(a, a) * covariance(b, b)))


def polynomial_columns(rows):
    """Hermite polynomials of degree one to three of each column, and products of up to eight columns, standardised."""
    columns = [rows[:, j] for j in range(rows.shape[1])]
    columns += [c**2 - 1 for c in columns[: rows.shape[1]]] + [c**3 - 3 * c for c in columns[: rows.shape[1]]]
    if 1 < rows.shape[1] <= 8:
        columns += [
            rows[:, i] * rows[:, j] for i in range(rows.shape[1]) for j in range(i + 1, rows.shape[1])
        ]
    return standardize(np.column_stack(columns))


def polynomial_means(rows, targets, ridges, each_its_own=False):
    """Ridge regressions without a fifth of the rows; one ridge for all fifths, or (naive) each its own."""
    z, folds = polynomial_columns(rows), np.arange(len(rows)) % 5
    fits, errors = [], []
    for fold in range(5):
        inside, outside = folds != fold, folds == fold
        a, b, m = z[inside], targets[inside], int(inside.sum())
        weight = np.array(
            [
                np.sqrt(np.mean([(a[:, j] @ b[:, k] / m) ** 2 for k in range(b.shape[1])]))
                for j in range(z.shape[1])
            ]
        )
        weight = weight + 1 / np.sqrt(m)
        a, out = a * weight, z[outside] * weight
        unit = np.trace(a.T @ a / m) / a.shape[1]
        row, error = [], []
        for ridge in ridges:
            smoother = np.linalg.solve(a.T @ a / m + ridge * unit * np.eye(a.shape[1]), a.T / m)
            residual = b - a @ (smoother @ b)
            error.append(np.sum(residual**2) / m / max(1 - np.trace(a @ smoother) / m, 1e-3) ** 2)
            row.append(out @ (smoother @ b))
        fits.append((outside, row))
        errors.append(error)
    common = int(np.argmin(np.sum(errors, axis=0)))
    predictions = np.empty(targets.shape)
    for (outside, row), error in zip(fits, errors, strict=True):
        predictions[outside] = row[int(np.argmin(error)) if each_its_own else common]
    return predictions


def symmetric_functions(rows):
    """Norms of uniform, normal and Student(2) scores with the ranks of the columns, sum of sizes, largest, smallest (negated)."""
    uniform, heavy = [], []
    for row in rows:
        p = [NormalDist().cdf(value) for value in row]
        uniform.append(math.sqrt(sum((2 * v - 1) ** 2 for v in p)))
        heavy.append(math.sqrt(sum(student.ppf(v, 2) ** 2 for v in p)))
    normal = [math.sqrt(sum(value**2 for value in row)) for row in rows]
    sizes = [sum(abs(value) for value in row) for row in rows]
    return np.column_stack(
        [uniform, normal, heavy, sizes, [max(row) for row in rows], [-min(row) for row in rows]]
    )


def strongest_pairs(first, second, most):
    """Pairs of columns by the sum of squared correlations of Hermite polynomials of degree one to four, the largest first."""
    energy = {}
    for i in range(first.shape[1]):
        for j in range(second.shape[1]):
            energy[i, j] = sum(
                np.corrcoef(hermeval(first[:, i], [0] * a + [1]), hermeval(second[:, j], [0] * b + [1]))[0, 1]
                ** 2
                for a in range(1, 5)
                for b in range(1, 5)
            )
    return sorted(energy, key=energy.get, reverse=True)[:most]
