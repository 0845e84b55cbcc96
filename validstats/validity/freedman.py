"""Freedman's paradox: screen noise regressors by their t tests, refit, and find an impressive F test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from validstats._typing import Float1D, Float2D

__all__ = ["FreedmanOutcome", "freedman", "overall_f_test"]


@dataclass(frozen=True)
class FreedmanOutcome:
    """One run of screening and refitting on noise."""

    # Regressors that passed the screen.
    kept: int
    # Of the refit on the same rows.
    r_squared: float
    # Overall F test of the refit on the same rows: what the naive analyst reports.
    p_reused: float
    # The same test on rows that the screen has not seen.
    p_holdout: float


def overall_f_test(regressors: Float2D, response: Float1D) -> tuple[float, float]:
    """Return R squared and the p-value of the overall F test of a regression with intercept."""
    n, p = regressors.shape
    if p == 0:
        return 0.0, 1.0
    centred = response - response.mean()
    design = regressors - regressors.mean(axis=0)
    residuals = centred - design @ np.linalg.lstsq(design, centred, rcond=None)[0]
    r_squared = 1.0 - float(residuals @ residuals) / float(centred @ centred)
    f = (r_squared / p) / ((1.0 - r_squared) / (n - p - 1))
    return r_squared, float(stats.f.sf(f, p, n - p - 1))


def freedman(
    generator: np.random.Generator, n: int = 100, n_regressors: int = 50, screen: float = 0.25
) -> FreedmanOutcome:
    """Regress noise on noise, keep what passes a screen at a lenient level, and refit."""
    # Source: Freedman (1983), "A note on screening regression equations".
    x, fresh_x = generator.standard_normal((2, n, n_regressors))
    y, fresh_y = generator.standard_normal((2, n))
    design = np.column_stack([np.ones(n), x])
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    freedom = n - n_regressors - 1
    variance = float(np.sum((y - design @ beta) ** 2)) / freedom
    t = beta[1:] / np.sqrt(variance * np.diag(inverse)[1:])
    kept = np.flatnonzero(2.0 * stats.t.sf(np.abs(t), freedom) < screen)
    r_squared, p_reused = overall_f_test(x[:, kept], y)
    return FreedmanOutcome(kept.size, r_squared, p_reused, overall_f_test(fresh_x[:, kept], fresh_y)[1])
