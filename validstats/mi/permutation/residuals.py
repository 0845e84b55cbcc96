"""Residuals of columns given others by kernel ridge regression that errs on the side of too little smoothing."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from validstats._typing import Float1D, Float2D
from validstats.mi.anchors import standardise

__all__ = ["left_out_residuals", "multiplier_p_value"]

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
    """Leave-one-out residuals of each target given z, by the least smooth of the fits that predict about best.

    With the projection on the basis Q and the kernel K between what it leaves over, the smoother is S = QQ' + U L/(L + r) U', and the
    residual of a row that is left out (y - S y) / (1 - S_ii).
    """
    n = len(z)
    basis = unpenalised_basis(z)
    projected = targets - basis @ (basis.T @ targets)
    leverage = (basis**2).sum(axis=1)
    residuals, errors, traces = [], [], []
    for kernel in smoothing_kernels(z):
        inner = kernel - basis @ (basis.T @ kernel)
        inner = inner - (inner @ basis) @ basis.T
        values, vectors = eigh((inner + inner.T) / 2, check_finite=False)
        values = np.maximum(values, 0.0)
        along = vectors.T @ projected
        mean = values.sum() / n
        for ridge in RIDGES * mean:
            shrink = values / (values + ridge + 1e-300)
            fitted = vectors @ (shrink[:, None] * along)
            own = leverage + (vectors**2) @ shrink
            left_out = (projected - fitted) / np.maximum(1.0 - own, 1e-6)[:, None]
            residuals.append(left_out)
            errors.append((left_out**2).mean(axis=0))
            traces.append(own.sum())
    table, sizes = np.array(errors), np.array(traces)
    out = np.empty(targets.shape)
    for j in range(targets.shape[1]):
        close = np.flatnonzero(table[:, j] <= SLACK * table[:, j].min())
        out[:, j] = residuals[close[np.argmax(sizes[close])]][:, j]
    return out


def multiplier_p_value(
    first: Float2D, second: Float2D, count: int, generator: np.random.Generator
) -> tuple[float, float, Float1D]:
    """Largest standardised mean product of residuals, its p-value by Gaussian multipliers, and the multiplied values.

    Shah and Peters (2020), section 3.2: T = max |sum_i R_i| / sqrt(n) over pairs of columns; the multipliers give its null law.
    """
    n = len(first)
    products = (first[:, :, None] * second[:, None, :]).reshape(n, -1)
    spread = products.std(axis=0)
    products = products[:, spread > 1e-12] / spread[spread > 1e-12]
    if products.shape[1] == 0:
        return 0.0, 1.0, np.zeros(count)
    observed = float(np.abs(products.sum(axis=0)).max() / np.sqrt(n))
    centred = standardise(products)
    null = np.abs(generator.standard_normal((count, n)) @ centred).max(axis=1) / np.sqrt(n)
    return observed, float((1 + (null >= observed).sum()) / (count + 1)), np.asarray(null)
