"""Residuals of columns given others by kernel ridge regression that errs on the side of too little smoothing."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from validstats._typing import Float1D, Float2D
from validstats.mi.anchors import standardise

__all__ = ["conditional_scores", "inflation", "left_out_fits", "left_out_residuals", "multiplier_p_value"]

RIDGES = np.logspace(-3.0, 2.0, 6)
"""Ridges, in units of the mean eigenvalue of the kernel."""
SLACK = 1.05
"""Of all fits within 5 % of the least leave-one-out error the least smooth is taken: what shrinkage leaves over in both residuals
looks like dependence."""
WIDTHS = (0.15, 0.4)
"""Widths of the additive kernels on normal scores."""
PAIR_WIDTHS = (0.5, 1.0)
"""Widths of the products of pairs, which need more rows than one column does."""
MOST_PAIRED = 6
LEAST_SQUARE = 1e-3
"""Added to squared residuals before their logarithm, in units of their mean: a residual near 0 says little about the spread."""


def unpenalised_basis(z: Float2D) -> Float2D:
    """Orthonormal columns of 1, z, z^2 and products of z, these while the basis has at most n / 10 columns."""
    n, dim = z.shape
    blocks = [np.ones((n, 1)), z]
    if 1 + 2 * dim <= max(n // 10, 2):
        blocks.append(z**2)
        first, second = np.triu_indices(dim, 1)
        if 1 + 2 * dim + len(first) <= n // 10:
            blocks.append(z[:, first] * z[:, second])
    left, singular, _ = np.linalg.svd(np.hstack(blocks), full_matrices=False)
    return np.asarray(left[:, singular > 1e-9 * singular[0]])


def smoothing_kernels(z: Float2D) -> list[Float2D]:
    """Additive kernels of one and of two widths, isotropic ones, and additive with products of pairs."""
    dim = z.shape[1]
    gaps = [(column[:, None] - column[None, :]) ** 2 for column in z.T]
    narrow, wide = ([np.exp(-0.5 * gap / width**2) for gap in gaps] for width in WIDTHS)
    additive = sum(wide) / dim
    kernels = [additive, (sum(narrow) + sum(wide)) / (2 * dim)]
    if dim > 1:
        total = sum(gaps)
        kernels += [np.exp(-0.5 * total / (width**2 * dim)) for width in (0.5, 1.0)]
        if dim <= MOST_PAIRED:
            for width in PAIR_WIDTHS:
                smooth = [np.exp(-0.5 * gap / width**2) for gap in gaps]
                pairs = [smooth[i] * smooth[j] for i in range(dim) for j in range(i)]
                kernels.append(additive + sum(pairs) / len(pairs))
    return [np.asarray(kernel) for kernel in kernels]


def left_out_residuals(targets: Float2D, z: Float2D) -> Float2D:
    """Leave-one-out residuals of each target given z, by the least smooth of the fits that predict about best."""
    return left_out_fits(targets, z)[0]


def left_out_fits(targets: Float2D, z: Float2D) -> tuple[Float2D, list[Float2D]]:
    """Leave-one-out residuals of each target given z, and the matrix that makes them of it.

    With the projection on the basis Q and the kernel K between what it leaves over, the smoother is S = QQ' + U L/(L + r) U', and the
    residual of a row that is left out (y - S y) / (1 - S_ii). Of all fits the least smooth is taken that predicts about best.
    """
    n = len(z)
    basis = unpenalised_basis(z)
    projected = targets - basis @ (basis.T @ targets)
    leverage = (basis**2).sum(axis=1)
    residuals, errors, traces, makers = [], [], [], []
    for kernel in smoothing_kernels(z):
        inner = kernel - basis @ (basis.T @ kernel)
        inner = inner - (inner @ basis) @ basis.T
        values, vectors = eigh((inner + inner.T) / 2, check_finite=False)
        values = np.maximum(values, 0.0)
        along = vectors.T @ projected
        # The fits of all ridges at once.
        ridges = RIDGES * (values.sum() / n)
        shrink = values[:, None] / (values[:, None] + ridges + 1e-300)
        own = leverage[:, None] + (vectors**2) @ shrink
        fitted = (vectors @ (shrink[:, :, None] * along[:, None, :]).reshape(n, -1)).reshape(
            n, len(RIDGES), -1
        )
        for i in range(len(RIDGES)):
            scale = 1.0 / np.maximum(1.0 - own[:, i : i + 1], 1e-6)
            residuals.append((projected - fitted[:, i]) * scale)
            errors.append((residuals[-1] ** 2).mean(axis=0))
            traces.append(own[:, i].sum())
            makers.append((vectors, shrink[:, i], scale))
    table, sizes = np.array(errors), np.array(traces)
    chosen = []
    for j in range(targets.shape[1]):
        close = np.flatnonzero(table[:, j] <= SLACK * table[:, j].min())
        chosen.append(int(close[np.argmax(sizes[close])]))
    matrices = {}
    for fit in set(chosen):
        vectors, kept, scale = makers[fit]
        matrices[fit] = scale * (np.eye(n) - basis @ basis.T - (vectors * kept) @ vectors.T)
    out = np.column_stack([residuals[fit][:, j] for j, fit in enumerate(chosen)])
    return out, [matrices[fit] for fit in chosen]


def inflation(first: list[Float2D], second: list[Float2D]) -> Float2D:
    """How much larger the spread of a sum of products of residuals is than independent products of their sizes would have it.

    For noise e, f of equal variance and residuals A e, B f: Var sum_i (A e)_i (B f)_i = |A'B|^2 (Frobenius), and the multipliers have
    sum_i |a_i|^2 |b_i|^2 with the rows a_i, b_i. Without this, the less smooth the fits are the more often a true null is rejected.
    """
    out = np.ones((len(first), len(second)))
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            independent = float(((a**2).sum(axis=1) * (b**2).sum(axis=1)).sum())
            out[i, j] = max(1.0, float(np.sqrt(((a.T @ b) ** 2).sum() / independent)))
    return out


def conditional_scores(columns: Float2D, z: Float2D) -> Float2D:
    """Columns less what z predicts of their place and their spread.

    Where the law of a column given z differs in place and spread alone, these do not depend on z, so that
    I(X; Y | Z) = I(U; (V, Z)) with U and V of X and Y: I(U; (V, Z)) = I(U; Z) + I(U; V | Z).
    """
    residuals = left_out_residuals(columns, z)
    logs = np.log(residuals**2 + LEAST_SQUARE * (residuals**2).mean(axis=0))
    scaled = standardise(logs)
    fitted = (scaled - left_out_residuals(scaled, z)) * logs.std(axis=0)
    return np.asarray(residuals * np.exp(-0.5 * fitted))


def multiplier_p_value(
    first: Float2D, second: Float2D, spread: Float2D, count: int, generator: np.random.Generator
) -> tuple[float, float, Float1D]:
    """Largest standardised mean product of residuals, its p-value by Gaussian multipliers, and the multiplied values.

    Shah and Peters (2020), section 3.2: T = max |sum_i R_i| / sqrt(n) over pairs of columns, here divided by ``spread``; the
    multipliers give its null law.
    """
    n = len(first)
    products = (first[:, :, None] * second[:, None, :]).reshape(n, -1)
    scale = products.std(axis=0)
    kept = scale > 1e-12
    products = products[:, kept] / scale[kept]
    if products.shape[1] == 0:
        return 0.0, 1.0, np.zeros(count)
    observed = float((np.abs(products.sum(axis=0)) / spread.reshape(-1)[kept]).max() / np.sqrt(n))
    centred = standardise(products)
    null = np.abs(generator.standard_normal((count, n)) @ centred).max(axis=1) / np.sqrt(n)
    return observed, float((1 + (null >= observed).sum()) / (count + 1)), np.asarray(null)
