"""Freedman's paradox: screen noise regressors by their t tests, refit, and find an impressive F test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from validstats._typing import Float1D, Float2D

__all__ = ["FreedmanOutcome", "freedman", "overall_f_test"]


@dataclass(frozen=True)
class FreedmanOutcome:
    """One run of screening and refitting on noise.

    Attributes
    ----------
    kept : int
        Regressors that passed the screen.
    r_squared : float
        Of the refit on the same rows.
    p_reused : float
        Overall F test of the refit on the same rows: what the naive analyst reports.
    p_holdout : float
        The same test on rows that the screen has not seen.
    """

    kept: int
    r_squared: float
    p_reused: float
    p_holdout: float


def overall_f_test(regressors: Float2D, response: Float1D) -> tuple[float, float]:
    """Return R squared and the p-value of the overall F test of a regression with intercept.

    Parameters
    ----------
    regressors : array of shape (n, p)
        Columns, ``p < n - 1``; with none the p-value is 1.
    response : array of shape (n,)
        Response.

    Returns
    -------
    tuple of (float, float)
        R squared and p-value.

    Examples
    --------
    >>> x = np.arange(10.0)[:, None]
    >>> r_squared, p_value = overall_f_test(x, 2 * x[:, 0] + np.tile([0.1, -0.1], 5))
    >>> r_squared > 0.99, p_value < 1e-6
    (True, True)
    """
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
    """Regress noise on noise, keep what passes a screen at a lenient level, and refit.

    Parameters
    ----------
    generator : numpy.random.Generator
        Randomness of the data.
    n : int, default 100
        Rows of each of the two samples.
    n_regressors : int, default 50
        Noise regressors, below ``n - 1``.
    screen : float, default 0.25
        A regressor is kept if the p-value of its t test is below this.

    Returns
    -------
    FreedmanOutcome
        What the analyst sees on the reused rows, and on a holdout.

    References
    ----------
    Freedman (1983), "A note on screening regression equations".

    Examples
    --------
    >>> outcome = freedman(np.random.default_rng(0))
    >>> 0 < outcome.kept < 50, outcome.p_reused < outcome.p_holdout
    (True, True)
    """
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
