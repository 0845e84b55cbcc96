"""Variances to expect with another number of expert labels, and what machine labels can be worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from validstats._typing import Float1D, FloatND
from validstats.dsl.fit.cell_intervals import cell_counts, cell_interval

__all__ = [
    "Worth",
    "binary_r_squared",
    "label_worth",
    "pilot_r_squared",
    "share_widths",
    "wald_power",
]


def wald_power(effect: FloatND, std_error: FloatND, alpha: float) -> FloatND:
    """Return the power of the two-sided Wald test."""
    critical = stats.norm.isf(alpha / 2.0)
    ratio = np.asarray(effect) / np.asarray(std_error)
    return stats.norm.sf(critical - ratio) + stats.norm.cdf(-critical - ratio)


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What machine labels are worth for one quantity."""

    # variance with expert labels alone, divided by the variance with tuned machine labels; at least 1
    ratio: float
    # the same with the machine labels taken as they are (PPI); may be below 1. None if unknown
    raw_ratio: float | None
    ceiling: float  # the ratio for perfect machine labels


def label_worth(n_rows: int, n_labelled: float, r_squared: float, raw_error: float | None = None) -> Worth:
    """Return how much machine labels reduce the variance of a mean, or of a regression on its residual."""
    # With ``f = n_labelled / n_rows``: ``1 / ((1 - f)(1 - r_squared) + f)``.
    # Source: Angelopoulos, Duchi and Zrnic (2023), PPI++, arXiv 2311.01453, Example 6.1.
    share = n_labelled / n_rows
    ratio = 1.0 / ((1.0 - share) * (1.0 - r_squared) + share)
    raw = None if raw_error is None else 1.0 / ((1.0 - share) * raw_error + share)
    return Worth(ratio=ratio, raw_ratio=raw, ceiling=1.0 / share)


class ShareWidths(NamedTuple):
    """Lengths of 95 % intervals of a share to expect, and the labels that alone would give the first."""

    cells: float
    alone: float
    worth: float


def share_widths(
    n_rows: int, n_labelled: float, sensitivity: float, specificity: float, prevalence: float
) -> ShareWidths:
    """Return lengths of intervals at expected counts: of cells of two verdicts, and of one cell (Clopper-Pearson)."""
    positive = prevalence * sensitivity + (1.0 - prevalence) * (1.0 - specificity)
    share = np.array([1.0 - positive, positive])
    ones = np.array([prevalence * (1.0 - sensitivity), prevalence * sensitivity])

    def length(n: float, share: Float1D, ones: Float1D) -> float:
        probability = np.full(len(share), min(n / n_rows, 1.0))
        sums = cell_counts(n * ones, n * share, share, probability, n_units=float(n_rows))
        found = cell_interval(sums, binary=True)
        return float(found.conf_high - found.conf_low)

    def alone(n: float) -> float:
        return length(n, np.ones(1), np.array([prevalence]))

    cells = length(n_labelled, share, ones)
    low, high = np.log(n_labelled) - 3.0, np.log(n_labelled) + 9.0
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (low, middle) if alone(float(np.exp(middle))) <= cells else (middle, high)
    return ShareWidths(cells, alone(n_labelled), float(np.exp(high)))


def binary_r_squared(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Return what a binary machine label explains of a binary expert label."""
    positive = prevalence * sensitivity + (1.0 - prevalence) * (1.0 - specificity)
    variance = prevalence * (1.0 - prevalence)
    covariance = prevalence * sensitivity - prevalence * positive
    machine = positive * (1.0 - positive)
    r_squared = covariance**2 / (variance * machine) if machine > 0.0 else 0.0
    return r_squared, (variance + machine - 2.0 * covariance) / variance


def pilot_r_squared(outcome: Float1D, prediction: Float1D, alpha: float) -> tuple[float, float, float]:
    """Return the share of variance that a prediction explains in a pilot, with an interval."""
    if np.var(outcome) == 0.0 or np.var(prediction) == 0.0:
        return 0.0, 0.0, 0.0
    correlation = float(np.corrcoef(outcome, prediction)[0, 1])
    inside = float(np.clip(correlation, -1 + 1e-12, 1 - 1e-12))
    half = float(stats.norm.isf(alpha / 2.0)) / np.sqrt(len(outcome) - 3.0)
    ends = np.tanh(np.arctanh(inside) + np.array([-half, half]))
    low = 0.0 if ends[0] <= 0.0 <= ends[1] else float(np.min(ends**2))
    return correlation**2, low, float(np.max(ends**2))
