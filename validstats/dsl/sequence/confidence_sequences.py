"""Asymptotic confidence sequences: intervals that hold at all times at once, so one may look and stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from validstats._typing import AnyArray, Float1D, Float2D, Int1D

__all__ = [
    "MeanSequence",
    "mean_sequence",
    "mixture_scale",
    "running_moments",
    "sequence_radii",
    "sequence_radius",
]


@dataclass(frozen=True, kw_only=True)
class MeanSequence:
    """A confidence sequence for a mean."""

    times: Int1D  # number of values at each look
    estimate: Float1D  # running means
    variance: Float1D  # running variances of a single value
    radius: Float1D  # half-widths


def mixture_scale(alpha: float, n_best: float, variance: float) -> float:
    """Return the scale of the normal mixture for which the sequence is narrowest at a chosen time."""
    # ``rho`` with ``n_best * variance * rho^2 = -W(-alpha^2 / e) - 1``, where ``W`` is the lower branch of
    # Lambert's function.
    # Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics 52, 2613-2640,
    # Appendix B.
    product = -float(special.lambertw(-(alpha**2) / np.e, k=-1).real) - 1.0
    return float(np.sqrt(product / (n_best * variance)))


def sequence_radius(n: Float1D | Int1D, variance: Float1D, rho: float, alpha: float) -> Float1D:
    """Return the half-width of the asymptotic confidence sequence."""
    # ``sqrt(2 (n v rho^2 + 1) / (n^2 rho^2) log(sqrt(n v rho^2 + 1) / alpha))``.
    # Source: Waudby-Smith et al. (2024), Annals of Statistics 52, 2613-2640, Theorem 2.5: the form for
    # martingale differences whose variance may change over time.
    inside = n * variance * rho**2 + 1.0
    return np.sqrt(
        2.0 * inside / (np.square(n, dtype=float) * rho**2) * (0.5 * np.log(inside) - np.log(alpha))
    )


def sequence_radii(
    times: Int1D, variances: Float2D, enough: AnyArray, n_best: float, alpha: float
) -> Float2D:
    """Return half-widths of each coefficient, infinite before the first look that is enough for it."""
    radii = np.full(variances.shape, np.inf)
    for j in np.flatnonzero(enough.any(axis=0)):
        first = int(np.argmax(enough[:, j]))
        rho = mixture_scale(alpha, n_best, float(variances[first, j]))
        radii[first:, j] = sequence_radius(times[first:], variances[first:, j], rho, alpha)
    return radii


def running_moments(values: Float1D) -> tuple[Float1D, Float1D]:
    """Return mean and variance of every prefix of a sequence."""
    # Of the first ``1..n`` values; variances divide by the number of values.
    shift = float(np.mean(values)) if len(values) else 0.0
    n = np.arange(1, len(values) + 1)
    centred = values - shift
    mean = np.cumsum(centred) / n
    variance = np.cumsum(centred**2) / n - mean**2
    return mean + shift, np.maximum(variance, 0.0)


def mean_sequence(values: Float1D, alpha: float, start: int, n_best: float | None = None) -> MeanSequence:
    """Return the confidence sequence for the mean of a stream, at every time from ``start`` on."""
    # One entry for each time ``start, ..., n``. Where the first ``start`` values are all equal there is no
    # variance to scale by, and the radius is infinite.
    # Source: Waudby-Smith et al. (2024), Annals of Statistics 52, 2613-2640, Theorems 2.5 and 2.8.
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
