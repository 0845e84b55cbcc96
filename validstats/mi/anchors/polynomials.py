"""Cross-fitted regressions on polynomials of columns: smooth summaries of one side for the other."""

from __future__ import annotations

import numpy as np

from validstats._typing import Float2D
from validstats.mi.anchors.neighbours import PRODUCT_COLUMNS, standardise

__all__ = ["polynomial_columns", "polynomial_means"]

FOLDS = 5
RIDGES = np.logspace(-3.0, 2.0, 12)
"""Ridges tried, in multiples of the mean eigenvalue."""


def polynomial_columns(rows: Float2D) -> Float2D:
    """Hermite polynomials of degree one to three of every column of scores, and all products of few columns, standardised."""
    blocks = [rows, rows**2 - 1.0, rows**3 - 3.0 * rows]
    dim = rows.shape[1]
    if 1 < dim <= PRODUCT_COLUMNS:
        first, second = np.triu_indices(dim, 1)
        blocks.append(rows[:, first] * rows[:, second])
    return standardise(np.hstack(blocks))


def polynomial_means(rows: Float2D, targets: Float2D) -> Float2D:
    """Predictions of targets by ridge regression on polynomials of rows, each by the four fifths of the rows without it."""
    # A column counts as much as it correlates with the targets there. One ridge serves all fifths, the one with the least
    # generalised cross-validation: with a ridge for each, the sizes of predictions would tell the fifths apart on both sides.
    columns = polynomial_columns(rows)
    fold = np.arange(len(columns)) % FOLDS
    gram, cross, squares = columns.T @ columns, columns.T @ targets, float(np.sum(targets**2))
    fits, errors = [], np.zeros(len(RIDGES))
    for number in range(FOLDS):
        left_out = fold == number
        out, answers = columns[left_out], targets[left_out]
        m = len(columns) - len(out)
        inner, outer = (gram - out.T @ out) / m, (cross - out.T @ answers) / m
        weight = np.sqrt(np.mean(outer**2, axis=1)) + 1.0 / np.sqrt(m)
        eigenvalues, vectors = np.linalg.eigh(inner * weight[:, None] * weight)
        eigenvalues = np.maximum(eigenvalues, 0.0)
        mean = float(eigenvalues.mean()) + 1e-300
        turned = vectors.T @ (outer * weight[:, None])
        shrunk = 1.0 / (eigenvalues + RIDGES[:, None] * mean)
        energy = np.sum(turned**2, axis=1)
        # Golub, Heath, Wahba (1979), Technometrics 21: residual sum of squares over (1 - degrees of freedom / m)^2.
        residual = (
            (squares - float(np.sum(answers**2))) / m
            - 2 * shrunk @ energy
            + shrunk**2 @ (eigenvalues * energy)
        )
        freedom = shrunk @ eigenvalues
        errors += residual / np.maximum(1.0 - freedom / m, 1e-3) ** 2
        fits.append((left_out, out * weight, vectors, turned, eigenvalues / mean, mean))
    ridge = RIDGES[int(np.argmin(errors))]
    predictions = np.empty(targets.shape)
    for left_out, out, vectors, turned, relative, mean in fits:
        predictions[left_out] = out @ (vectors @ (turned / ((relative + ridge) * mean)[:, None]))
    return predictions
