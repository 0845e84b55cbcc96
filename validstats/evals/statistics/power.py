"""How many items, labels or comparisons a question needs."""

from __future__ import annotations

import numpy as np
from scipy import stats

from validstats._typing import Float1D

__all__ = [
    "allocation",
    "detectable_difference",
    "items_for_difference",
    "labels_for_width",
    "mcnemar_items",
    "mcnemar_power",
    "share_std_error",
]

_LARGE = 20_000
"""Items from which the exact power is that of the normal law to three digits."""

_FLOOR = 0.2
"""Share of a uniform allocation that every judge class keeps."""


def _factor(confidence_level: float, power: float) -> float:
    """``z_{(1 + level)/2} + z_power``."""
    return float(stats.norm.isf((1.0 - confidence_level) / 2.0) + stats.norm.ppf(power))


def detectable_difference(half_width: float, std_error: float, power: float = 0.8) -> float:
    """Smallest true difference whose interval lies on one side of 0 with the power asked for: ``half_width + z_power se``."""
    return half_width + float(stats.norm.ppf(power)) * std_error


def items_for_difference(
    difference: float, standard_deviation: float, confidence_level: float, power: float = 0.8
) -> int:
    """Items for a difference: ``(z + z_power)^2 sd^2 / difference^2``."""
    if difference == 0.0:
        raise ValueError("A difference of 0 is never found; give the smallest difference that matters.")
    return int(np.ceil((_factor(confidence_level, power) * standard_deviation / difference) ** 2))


def mcnemar_power(n: int, p10: float, p01: float, alpha: float) -> float:
    """Power of the two-sided exact McNemar test with n pairs."""
    psi = p10 + p01
    if psi <= 0.0:
        return 0.0
    spread = 9.0 * np.sqrt(n * psi * (1.0 - psi)) + 2.0
    m = np.arange(max(0, int(n * psi - spread)), min(n, int(n * psi + spread)) + 1)
    # Largest count k with 2 P(Bin(m, 1/2) <= k) <= alpha; -1 if there is none.
    k = stats.binom.ppf(alpha / 2.0, m, 0.5)
    k = np.where(2.0 * stats.binom.cdf(k, m, 0.5) <= alpha * (1 + 1e-12), k, k - 1.0)
    q = p10 / psi
    reject = np.where(k >= 0, stats.binom.cdf(k, m, q) + stats.binom.sf(m - k - 1, m, q), 0.0)
    reject = np.minimum(reject, 1.0)
    return float(np.sum(stats.binom.pmf(m, n, psi) * reject))


def mcnemar_items(difference: float, discordance: float, confidence_level: float, power: float = 0.8) -> int:
    """Smallest number of pairs from which on the exact power stays above ``power`` (it is not monotone)."""
    if not 0.0 < abs(difference) <= discordance <= 1.0:
        raise ValueError(
            f"difference must be between 0 and the share of discordant pairs in size, got {difference!r} with "
            f"discordance {discordance!r}."
        )
    p10, p01 = (discordance + difference) / 2.0, (discordance - difference) / 2.0
    start = items_for_difference(
        difference, float(np.sqrt(discordance - difference**2)), confidence_level, power
    )
    if start > _LARGE:
        # The exact test needs about 1/|difference| pairs more than the normal law says (continuity).
        return int(np.ceil(start + 1.0 / abs(difference)))
    alpha = 1.0 - confidence_level
    n = int(1.5 * start + 2.0 / abs(difference)) + 20
    step = max(1, n // 400)
    while mcnemar_power(n, p10, p01, alpha) < power:
        n = int(1.2 * n) + 1
    # Walk down: first in coarse steps while the power is clearly above, then one by one to the last that fails.
    while n > step and mcnemar_power(n - step, p10, p01, alpha) > power + 0.02:
        n -= step
    last_failure = n
    below = 0
    while last_failure > 1 and below == 0:
        last_failure -= 1
        below = int(mcnemar_power(last_failure, p10, p01, alpha) < power)
    return last_failure + 1


def share_std_error(class_share: Float1D, rate: Float1D, labels: Float1D, n_items: float) -> float:
    """Standard error of a judged share: ``sum W^2 r(1 - r)/m + Var(r over classes)/N``."""
    w, r, m = (np.asarray(v, dtype=float) for v in (class_share, rate, labels))
    within = float(np.sum(np.where(w > 0, w**2 * r * (1.0 - r) / np.maximum(m, 1e-12), 0.0)))
    mean = float(np.sum(w * r))
    return float(np.sqrt(within + float(np.sum(w * (r - mean) ** 2)) / n_items))


def allocation(class_share: Float1D, rate: Float1D, floor: float = _FLOOR) -> Float1D:
    """Share of the labels for each judge class: in proportion to ``W sqrt(r(1 - r))``, with a floor."""
    w = np.asarray(class_share, dtype=float)
    ideal = w * np.sqrt(np.asarray(rate, dtype=float) * (1.0 - np.asarray(rate, dtype=float)))
    ideal = w.copy() if ideal.sum() <= 0 else ideal / ideal.sum()
    mixed = np.maximum(ideal, floor * w)
    return mixed / mixed.sum()


def labels_for_width(
    width: float, class_share: Float1D, rate: Float1D, n_items: float, confidence_level: float, given: Float1D
) -> int | None:
    """Labels for an interval of this whole width when they are divided as ``given``; None if no number is enough."""
    z = float(stats.norm.isf((1.0 - confidence_level) / 2.0))
    target = (0.5 * width / z) ** 2
    w, r = np.asarray(class_share, dtype=float), np.asarray(rate, dtype=float)
    mean = float(np.sum(w * r))
    between = float(np.sum(w * (r - mean) ** 2)) / n_items
    within = float(np.sum(np.where(w > 0, w**2 * r * (1.0 - r) / np.maximum(given, 1e-12), 0.0)))
    if target <= between:
        return None
    return max(1, int(np.ceil(within / (target - between))))
