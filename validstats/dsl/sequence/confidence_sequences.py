"""Asymptotic confidence sequences: intervals that hold at all times at once, so one may look and stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from validstats._typing import Float1D, Int1D

__all__ = ["MeanSequence", "mean_sequence", "mixture_scale", "running_moments", "sequence_radius"]


@dataclass(frozen=True, kw_only=True)
class MeanSequence:
    """A confidence sequence for a mean.

    Attributes
    ----------
    times : ndarray of shape (T,)
        Number of values at each look.
    estimate : ndarray of shape (T,)
        Running means.
    variance : ndarray of shape (T,)
        Running variances of a single value.
    radius : ndarray of shape (T,)
        Half-widths.
    """

    times: Int1D
    estimate: Float1D
    variance: Float1D
    radius: Float1D


def mixture_scale(alpha: float, n_best: float, variance: float) -> float:
    """Return the scale of the normal mixture for which the sequence is narrowest at a chosen time.

    Parameters
    ----------
    alpha : float
        Error level, in (0, 1).
    n_best : float
        Number of values at which the interval is to be narrowest.
    variance : float
        Variance of a single value, positive.

    Returns
    -------
    float
        ``rho`` with ``n_best * variance * rho^2 = -W(-alpha^2 / e) - 1``, where ``W`` is the lower branch of
        Lambert's function.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics 52, 2613-2640, Appendix B.

    Examples
    --------
    >>> round(mixture_scale(0.05, 1000, 1.0) ** 2 * 1000, 3)
    8.212
    """
    product = -float(special.lambertw(-(alpha**2) / np.e, k=-1).real) - 1.0
    return float(np.sqrt(product / (n_best * variance)))


def sequence_radius(n: Float1D | Int1D, variance: Float1D, rho: float, alpha: float) -> Float1D:
    """Return the half-width of the asymptotic confidence sequence.

    Parameters
    ----------
    n : ndarray of shape (T,)
        Number of values at each look.
    variance : ndarray of shape (T,)
        Average conditional variance of the values so far, or a consistent estimate of it.
    rho : float
        Scale of the normal mixture, chosen without looking at later values.
    alpha : float
        Error level.

    Returns
    -------
    ndarray of shape (T,)
        ``sqrt(2 (n v rho^2 + 1) / (n^2 rho^2) log(sqrt(n v rho^2 + 1) / alpha))``.

    References
    ----------
    Waudby-Smith et al. (2024), Annals of Statistics 52, 2613-2640, Theorem 2.5: the form for martingale
    differences whose variance may change over time.

    Examples
    --------
    >>> rho = mixture_scale(0.05, 1000, 1.0)
    >>> sequence_radius(np.array([1000]), np.array([1.0]), rho, 0.05).round(4)
    array([0.096])
    """
    inside = n * variance * rho**2 + 1.0
    return np.sqrt(
        2.0 * inside / (np.square(n, dtype=float) * rho**2) * (0.5 * np.log(inside) - np.log(alpha))
    )


def running_moments(values: Float1D) -> tuple[Float1D, Float1D]:
    """Return mean and variance of every prefix of a sequence.

    Parameters
    ----------
    values : ndarray of shape (n,)
        The sequence.

    Returns
    -------
    mean, variance : ndarray of shape (n,)
        Of the first ``1..n`` values; variances divide by the number of values.

    Examples
    --------
    >>> running_moments(np.array([1.0, 3.0]))
    (array([1., 2.]), array([0., 1.]))
    """
    shift = float(np.mean(values)) if len(values) else 0.0
    n = np.arange(1, len(values) + 1)
    centred = values - shift
    mean = np.cumsum(centred) / n
    variance = np.cumsum(centred**2) / n - mean**2
    return mean + shift, np.maximum(variance, 0.0)


def mean_sequence(values: Float1D, alpha: float, start: int, n_best: float | None = None) -> MeanSequence:
    """Return the confidence sequence for the mean of a stream, at every time from ``start`` on.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Values in the order of arrival, with a common conditional mean given their past.
    alpha : float
        Error level.
    start : int
        Number of values at the first look, at least 2 and at most ``n``. The level is reached in the limit
        of a late start.
    n_best : float or None, default None
        Number of values at which the sequence is narrowest; None is ``5 * start``. It must be chosen without
        looking at the values.

    Returns
    -------
    MeanSequence
        One entry for each time ``start, ..., n``. Where the first ``start`` values are all equal there is
        no variance to scale by, and the radius is infinite.

    References
    ----------
    Waudby-Smith et al. (2024), Annals of Statistics 52, 2613-2640, Theorems 2.5 and 2.8.

    Examples
    --------
    >>> sequence = mean_sequence(np.tile([0.0, 1.0], 500), 0.05, start=100)
    >>> bool(np.all(np.abs(sequence.estimate - 0.5) <= sequence.radius))
    True
    """
    if not 2 <= start <= len(values):
        raise ValueError(f"start must be between 2 and the number of values, {len(values)}; got {start}.")
    mean, variance = running_moments(values)
    times = np.arange(start, len(values) + 1)
    mean, variance = mean[start - 1 :], variance[start - 1 :]
    if variance[0] <= 0.0:
        radius = np.full(len(times), np.inf)
    else:
        rho = mixture_scale(alpha, 5.0 * start if n_best is None else n_best, float(variance[0]))
        radius = sequence_radius(times, variance, rho, alpha)
    return MeanSequence(times=times, estimate=mean, variance=variance, radius=radius)
