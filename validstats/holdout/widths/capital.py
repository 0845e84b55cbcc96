"""Capital intervals: bounds for means of values in [0, 1] by bets with constant stakes, which follow the variance.

Against "the mean is at most m" a gambler with stake lam holds ``prod_i (1 + lam (x_i - m))`` after all rows. Each factor
is positive and has mean at most 1 where the mean is at most m, so that by Markov's inequality the average capital of
gamblers with several constant stakes exceeds 1/a with probability at most a. Constant stakes do not depend on the order
of the rows, and the capital falls in m, so that the bound is found by bisection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from validstats._typing import Float1D
from validstats.holdout.widths.counts import LOG_2, clopper_pearson, last_reached
from validstats.intake import check_in_range, check_vector

__all__ = [
    "ContrastBound",
    "capital_interval",
    "capital_lower",
    "contrast_lower",
    "planned_radius",
    "ratio_interval",
]

_STAKE_FACTORS = (0.5, 0.71, 1.0, 1.41, 2.0)  # around the stake that is best for the training variance
_CONTRAST_STAKES = np.geomspace(0.02, 1.8, 14)  # no variance is known for a gain that was searched for
_CONTRASTS = (0.0, 0.25, 0.5, 0.75, 1.0)
_CUT = 0.95  # stakes are cut at .95 / m, so that each factor is at least .05


def _log_mean(logs: Float1D) -> float:
    """Logarithm of the mean of exponentials."""
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).mean()))


def _log_capital(values: Float1D, counts: Float1D, mean: float, stakes: Float1D) -> float:
    """Logarithm of the average capital of gamblers on values above ``mean``."""
    lam = np.minimum(stakes, _CUT / mean) if mean > 0.0 else stakes
    return _log_mean(np.log1p(lam[:, None] * (values[None, :] - mean)) @ counts)


def _lower(values: Float1D, counts: Float1D, stakes: Float1D, target: float) -> float:
    """Largest m against which the capital reaches exp(target); 0 if there is none."""
    if _log_capital(values, counts, 0.0, stakes) < target:
        return 0.0
    # against the mean of the values no capital exceeds 1
    mean = float(values @ counts / counts.sum())
    return last_reached(lambda m: _log_capital(values, counts, m, stakes) - target, 0.0, max(mean, 1e-300))


def _stakes(n: int, variance: float, target: float) -> Float1D:
    """``r sqrt(2 T / (n v))`` for several r; v at least n^-1.5."""
    best = math.sqrt(2.0 * target / (n * max(variance, n**-1.5)))
    return best * np.asarray(_STAKE_FACTORS)


def _unit_values(values: Float1D) -> tuple[Float1D, Float1D]:
    x = check_vector(values, "values")
    if x.min() < 0.0 or x.max() > 1.0:
        raise ValueError(f"values must lie in [0, 1], got values from {x.min()} to {x.max()}.")
    distinct, counts = np.unique(x, return_counts=True)
    return distinct, counts.astype(np.float64)


def capital_interval(values: Float1D, variance: float, log_alpha: float) -> tuple[float, float]:
    """Return the two-sided capital interval for the mean of independent values in [0, 1]."""
    # Waudby-Smith and Ramdas (2023), section 4, with stakes that do not change.
    distinct, counts = _unit_values(values)
    target = LOG_2 - log_alpha
    stakes = _stakes(int(counts.sum()), variance, target)
    low = _lower(distinct, counts, stakes, target)
    high = 1.0 - _lower(1.0 - distinct[::-1], counts[::-1], stakes, target)
    return low, max(high, low)


def capital_lower(values: Float1D, log_alpha: float, stakes: Float1D | None = None) -> float:
    """Return a one-sided lower bound for the mean of independent values in [0, 1]."""
    distinct, counts = _unit_values(values)
    return _lower(distinct, counts, _CONTRAST_STAKES if stakes is None else stakes, -log_alpha)


def planned_radius(training: Float1D, n: int, log_alpha: float) -> float:
    """Return the half-width that :func:`capital_interval` is expected to have on n rows like those of the training."""
    x = check_vector(training, "training")
    generator = np.random.default_rng(n)  # public: it decides the width of a cell, not what is in it
    variance = float(x.var())
    halves = []
    for _ in range(5):
        low, high = capital_interval(generator.choice(x, size=n), variance, log_alpha)
        halves.append(0.5 * (high - low))
    return 1.02 * max(halves)


# ------------------------------------------------------------------------------------------ gains


@dataclass(frozen=True)
class ContrastBound:
    """A lower bound for the gain of one prediction function over another that was fixed before."""

    gain: float
    contrast: float


def contrast_lower(kept: Float1D, start: Float1D, start_high: float, log_alpha: float) -> ContrastBound:
    """Bound the gain ``mean(kept) - mean(start)`` from below by the best of five contrasts."""
    # For each b in {0, 1/4, 1/2, 3/4, 1} the mean of ``K - b S`` is bounded at a fifth of the level, and ``(1
    # - b)`` times a bound of the start is subtracted, which was fixed before anything was asked. Small b pay
    # less for the search, since the bound of the start is cheap.
    k, s = check_vector(kept, "kept"), check_vector(start, "start")
    if len(k) != len(s):
        raise ValueError(f"kept and start must have the same number of units, got {len(k)} and {len(s)}.")
    level = log_alpha - math.log(len(_CONTRASTS))
    exact = bool(np.isin(k, (0.0, 1.0)).all())
    best = ContrastBound(-1.0, 1.0)
    for b in _CONTRASTS:
        if b == 0.0 and exact:
            # one-sided Clopper-Pearson: the two-sided one at twice the level
            low = clopper_pearson(round(float(k.sum())), len(k), level + LOG_2)[0]
        else:
            # z = (K - b S + b) / (1 + b) lies in [0, 1]
            low = (1.0 + b) * capital_lower((k - b * s + b) / (1.0 + b), level) - b
        gain = low - (1.0 - b) * start_high
        if gain > best.gain:
            best = ContrastBound(gain, b)
    return best


# ----------------------------------------------------------------------------------------- ratios


def ratio_interval(
    numerator: Float1D,
    denominator: Float1D,
    log_alpha: float,
    *,
    largest: tuple[float, float] | None = None,
    variance: float | None = None,
    guess: float = 0.5,
) -> tuple[float, float]:
    """Return an interval for a ratio of two means, ``E a / E b`` with ``0 <= a`` and ``0 <= b``."""
    # A value c is excluded if a gambler on ``a - c b`` above 0, or below 0, becomes rich: at c = theta that
    # has mean 0. One test a value of c, so that no union over values is paid.
    a, b = check_vector(numerator, "numerator"), check_vector(denominator, "denominator")
    top_a, top_b = largest or (1.0, 1.0)
    for name, values, top in (("numerator", a, top_a), ("denominator", b, top_b)):
        if values.min() < 0.0 or values.max() > top:
            raise ValueError(
                f"{name} must lie in [0, {top}], got values from {values.min()} to {values.max()}."
            )
    check_in_range(guess, "guess", 0.0, math.inf)
    n, target = len(a), LOG_2 - log_alpha
    span = top_a + guess * top_b
    stakes = _stakes(n, (0.25 if variance is None else variance / span**2), target) / span
    pairs, counts = np.unique(np.column_stack([a, b]), axis=0, return_counts=True)
    u, v, weight = pairs[:, 0], pairs[:, 1], counts.astype(np.float64)

    def above(c: float) -> float:
        # bets that theta > c: 1 + mu (a - c b), falling in c also where mu = .95 / (c B)
        mu = np.minimum(stakes, _CUT / (c * top_b)) if c > 0.0 else stakes
        return _log_mean(np.log1p(mu[:, None] * (u - c * v)) @ weight) - target

    def below(c: float) -> float:
        # bets that theta < c: 1 + mu (c b - a), rising in c
        mu = np.minimum(stakes, _CUT / top_a)
        return _log_mean(np.log1p(mu[:, None] * (c * v - u)) @ weight) - target

    ceiling = 1.0
    while below(ceiling) < 0.0 and ceiling < 1e9:
        ceiling *= 2.0
    high = last_reached(below, ceiling, 0.0) if below(ceiling) >= 0.0 else math.inf
    low = last_reached(above, 0.0, min(high, ceiling)) if above(0.0) >= 0.0 else 0.0
    return low, high
