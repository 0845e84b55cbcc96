"""The law of the rank sum of large batches from its characteristic function, without cancellation."""

from __future__ import annotations

import math

import numpy as np

from validstats._typing import Float1D

__all__ = ["law_from_spectrum", "rank_sum_spectrum", "share_up_to"]

_REACH = 12.0
"""Standard deviations of a normal law at which its characteristic function is far below the precision of doubles."""


def rank_sum_spectrum(n: int, m: int) -> Float1D:
    r"""Return the characteristic function of the centred rank sum at the lowest frequencies.

    Parameters
    ----------
    n, m : int
        Calibration and batch sizes, each above 64. For smaller ones other frequencies count as well.

    Returns
    -------
    ndarray of shape (k,)
        Real values at the frequencies :math:`2 \pi k / (n m + 1)`, k = 1, 2, ...; those beyond are below 1e-19.

    Notes
    -----
    The generating function of U is the Gaussian binomial, so that with :math:`x = \pi k / (n m + 1)` the value is
    :math:`\prod_{j=1}^{m} \frac{\sin((n + j) x)}{n + j} \frac{j}{\sin(j x)}`, the same with n and m exchanged. No
    argument of the denominator comes near :math:`\pi` before the product has vanished.

    References
    ----------
    Di Bucchianico (1999), Journal of Statistical Planning and Inference 79, 349-364, for the generating function.

    Examples
    --------
    >>> spectrum = rank_sum_spectrum(200, 100)
    >>> spectrum.size, bool(abs(spectrum[-1]) < 1e-30)
    (54, True)
    """
    large, small = max(n, m), min(n, m)
    period = n * m + 1
    spread = math.sqrt(n * m * (n + m + 1) / 12)
    j = np.arange(1.0, small + 1)
    scale = j / (large + j)
    angles = np.pi / period * np.arange(1, math.ceil(_REACH * period / (2 * np.pi * spread)) + 1)
    return np.array([np.prod(scale * np.sin((large + j) * x) / np.sin(j * x)) for x in angles])


def share_up_to(t: int, n: int, m: int, spectrum: Float1D) -> float:
    """Return the probability that the rank sum minus its minimum is at most t.

    Parameters
    ----------
    t : int
        Value from -1 to n m.
    n, m : int
        Calibration and batch sizes.
    spectrum : ndarray of shape (k,)
        :func:`rank_sum_spectrum`.

    Returns
    -------
    float
        P(U <= t), with an absolute error far below 1e-11; it may be negative by as much.

    Examples
    --------
    >>> round(share_up_to(9999, 200, 100, rank_sum_spectrum(200, 100)), 6)
    0.499719
    """
    x = np.pi / (n * m + 1) * np.arange(1, spectrum.size + 1)
    waves = spectrum * np.sin((t + 1) * x) / np.sin(x) * np.cos((t - n * m) * x)
    return float((t + 1 + 2.0 * waves.sum()) / (n * m + 1))


def law_from_spectrum(n: int, m: int) -> Float1D:
    """Return all probabilities of the rank sum minus its minimum.

    Parameters
    ----------
    n, m : int
        Calibration and batch sizes, each above 64.

    Returns
    -------
    ndarray of shape (n * m + 1,)
        Probabilities with absolute errors far below 1e-12, none negative.

    Examples
    --------
    >>> round(float(law_from_spectrum(200, 100).sum()), 12)
    1.0
    """
    spectrum, period = rank_sum_spectrum(n, m), n * m + 1
    k = np.arange(1, spectrum.size + 1)
    coefficients = np.zeros(period // 2 + 1, dtype=np.complex128)
    coefficients[0] = 1.0
    coefficients[1 : k.size + 1] = spectrum * np.exp(-1j * np.pi * n * m * k / period)
    return np.maximum(np.fft.irfft(coefficients, period), 0.0)
