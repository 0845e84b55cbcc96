"""e-values for claims chosen after looking, and what controls the false discoveries among them.

If transcripts have code lengths L with ``sum exp(-L) <= 1`` (the nats of the ledger) and E is an e-value for the claim
that was chosen at the present transcript, then ``E exp(-L)`` is an e-value for the chosen claim: its mean under the
null is at most ``sum exp(-L(y)) E[E_y] <= 1``. This is proved for countable transcripts only, so it is refused once a
noisy answer was released. E may depend on the transcript in any way, and so may the stakes of a bet: at each
transcript they are fixed before a row is betted on, and the sum above is over transcripts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from validstats._typing import Bool1D, Float1D
from validstats.exceptions import NoisyReleaseError, noisy_release_message
from validstats.holdout.widths.counts import log_capital, predictable_stakes
from validstats.intake import check_in_range, check_literal, check_vector

__all__ = ["ELond", "betting_e_value", "e_bh", "e_lond", "kraft_e_value", "paid_betting_e_value"]

OneSided: TypeAlias = Literal["greater", "less"]
"""Which departure from the null mean is claimed."""

_LOG_LARGEST = math.log(1e300)

_LOG_TARGET = math.log(20.0)


def betting_e_value(
    values: Float1D,
    null_mean: float,
    alternative: OneSided = "greater",
    *,
    log_target: float = _LOG_TARGET,
) -> float:
    """Return the e-value of a gambler who bets that the mean departs from the null.

    Parameters
    ----------
    values : array of shape (n,)
        Per-row values in [0, 1], in an order that was fixed before the claim was chosen.
    null_mean : float
        The null says that the mean is at most this (at least, for "less"), in [0, 1].
    alternative : {"greater", "less"}, default "greater"
        What is claimed.
    log_target : float, default log(20)
        Logarithm of the e-value that is needed, above 0, to which the stakes are tuned: ``log(1 / alpha)`` for a test
        at level alpha, and ``nats`` more for a claim chosen after looking. It must be fixed without the values; any
        such number is valid.

    Returns
    -------
    float
        At least 0, with mean at most 1 under the null; cut at 1e300.

    Raises
    ------
    ValueError
        If a value is not in [0, 1], or the target is not above 0.

    References
    ----------
    Waudby-Smith and Ramdas (2023), "Estimating means of bounded random variables by betting".

    Examples
    --------
    >>> rows = np.tile([1.0, 1.0, 0.0], 100)
    >>> betting_e_value(rows, 0.5) > 20, betting_e_value(rows, 0.7) < 1
    (True, True)
    """
    return math.exp(min(_log_e_value(values, null_mean, alternative, log_target), _LOG_LARGEST))


def paid_betting_e_value(
    values: Float1D, null_mean: float, alternative: OneSided = "greater", *, nats: float, log_target: float
) -> float:
    """Return the e-value of a claim that was chosen after ``nats`` of answers, with stakes tuned to pay for them."""
    # The bet's capital times ``exp(-nats)``, cut at 1e300 after that, so that no number of nats is out of
    # reach.
    nats = check_in_range(nats, "nats", 0)
    log_target = check_in_range(log_target, "log_target", 0, low_open=True)
    capital = _log_e_value(values, null_mean, alternative, nats + log_target)
    return math.exp(min(capital - nats, _LOG_LARGEST))


def _log_e_value(values: Float1D, null_mean: float, alternative: OneSided, log_target: float) -> float:
    x = check_vector(values, "values")
    if x.min() < 0 or x.max() > 1:
        raise ValueError(f"values must lie in [0, 1], got values from {x.min()} to {x.max()}.")
    check_in_range(null_mean, "null_mean", 0, 1)
    if check_literal(alternative, "alternative", ("greater", "less")) == "less":
        x, null_mean = 1.0 - x, 1.0 - null_mean
    target = check_in_range(log_target, "log_target", 0, low_open=True)
    return log_capital(x, predictable_stakes(x, target), null_mean)


def kraft_e_value(e_value: float, nats: float, mu2: float = 0.0) -> float:
    """Return the e-value of a claim that was chosen after ``nats`` of answers had been seen.

    Parameters
    ----------
    e_value : float
        e-value of the claim as if it had been fixed beforehand, at least 0.
    nats : float
        Description length of everything released so far, at least 0: the attribute ``nats_`` of a
        :class:`~validstats.holdout.ReusableHoldout`.
    mu2 : float, default 0.0
        Squared Gaussian-DP parameter of noisy answers released so far; must be 0.

    Returns
    -------
    float
        ``e_value * exp(-nats)``.

    Raises
    ------
    NoisyReleaseError
        If a noisy answer was released: the proof needs countable transcripts.
    ValueError
        If an argument is negative or not finite.

    Examples
    --------
    >>> round(kraft_e_value(1000.0, 3.0), 2)
    49.79
    """
    if mu2 > 0:
        raise NoisyReleaseError(noisy_release_message.format(mu2=mu2))
    check_in_range(e_value, "e_value", 0)
    return float(e_value) * math.exp(-check_in_range(nats, "nats", 0))


def e_bh(e_values: Float1D, alpha: float) -> Bool1D:
    """Return which claims e-BH rejects; their number must have been fixed beforehand.

    Parameters
    ----------
    e_values : array of shape (m,)
        e-values of all claims that were planned, under any dependence; 0 for one that was not made.
    alpha : float
        False discovery rate, in (0, 1).

    Returns
    -------
    array of shape (m,)
        True where the claim's null is rejected.

    References
    ----------
    Wang and Ramdas (2022), "False discovery rate control with e-values".

    Examples
    --------
    >>> e_bh(np.array([100.0, 1.0, 30.0]), 0.1).tolist()
    [True, False, True]
    """
    e = check_vector(e_values, "e_values")
    check_in_range(alpha, "alpha", 0, 1, low_open=True, high_open=True)
    if e.min() < 0:
        raise ValueError(f"e_values must be at least 0, got {e.min()}.")
    ranked = np.sort(e)[::-1]
    ranks = np.arange(1, e.size + 1)
    enough = np.flatnonzero(ranked * ranks >= e.size / alpha)
    if enough.size == 0:
        return np.zeros(e.size, dtype=bool)
    return e >= ranked[enough[-1]]


@dataclass(frozen=True)
class ELond:
    """e-LOND: control of the false discovery rate over a stream of claims of unknown length.

    Parameters
    ----------
    alpha : float
        False discovery rate, in (0, 1).
    tested, discoveries : int, default 0
        Claims so far and rejections among them.

    References
    ----------
    Xu and Ramdas (2024), "Online multiple testing with e-values", arXiv 2311.06412.

    Examples
    --------
    >>> stream, rejected = ELond(0.1).step(40.0)
    >>> rejected, stream.tested
    (True, 1)
    """

    alpha: float
    tested: int = 0
    discoveries: int = 0

    @property
    def threshold(self) -> float:
        """What the next e-value must reach: ``1 / (alpha gamma_t (discoveries + 1))``, ``gamma_t = 6 / (pi t)^2``."""
        gamma = 6.0 / (math.pi * (self.tested + 1)) ** 2
        return 1.0 / (self.alpha * gamma * (self.discoveries + 1))

    def step(self, e_value: float) -> tuple[ELond, bool]:
        """Test the next claim.

        Parameters
        ----------
        e_value : float
            Its e-value, at least 0.

        Returns
        -------
        tuple of (ELond, bool)
            The next state, and whether the claim's null is rejected.
        """
        check_in_range(self.alpha, "alpha", 0, 1, low_open=True, high_open=True)
        rejected = check_in_range(e_value, "e_value", 0) >= self.threshold
        return replace(self, tested=self.tested + 1, discoveries=self.discoveries + rejected), rejected


def e_lond(e_values: Float1D, alpha: float) -> Bool1D:
    """Return which claims of a stream e-LOND rejects.

    Parameters
    ----------
    e_values : array of shape (m,)
        e-values in the order in which the claims were made, under any dependence.
    alpha : float
        False discovery rate, in (0, 1).

    Returns
    -------
    array of shape (m,)
        True where the claim's null is rejected.

    Examples
    --------
    >>> e_lond(np.array([40.0, 1.0, 80.0]), 0.1).tolist()
    [True, False, True]
    """
    stream = ELond(alpha)
    rejected = []
    for e_value in check_vector(e_values, "e_values"):
        stream, hit = stream.step(float(e_value))
        rejected.append(hit)
    return np.array(rejected, dtype=bool)
