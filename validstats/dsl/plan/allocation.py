"""Whom to label: inclusion probabilities, allocations to strata, and draws that honour them exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from validstats._typing import Bool1D, Float1D, Float2D, Int1D

__all__ = [
    "active_probabilities",
    "allocate_to_strata",
    "bounded_probabilities",
    "draw_fixed",
    "draw_poisson",
    "draw_systematic",
    "label_variance",
    "neyman_gain_bound",
    "pilot_gain",
    "residual_scale",
]


def bounded_probabilities(size: Float1D, n_labels: float, floor: float = 0.2) -> Float1D:
    """Return inclusion probabilities proportional to size, between a floor and one, with a given sum."""
    # ``clip(k * size, floor * n_labels / n, 1)`` with the multiplier ``k`` for which they add to
    # ``n_labels``. Sizes that are all zero give uniform probabilities.
    # Source: Neyman (1934), JRSS 97, 558-625; Zrnic and Candes (2024), Active Statistical Inference, arXiv
    # 2403.03208.
    n = len(size)
    lowest = floor * n_labels / n
    if n_labels >= n or not np.any(size > 0.0):
        return np.full(n, min(1.0, n_labels / n))
    positive = size > 0.0
    breaks = np.unique(np.concatenate([lowest / size[positive], 1.0 / size[positive]]))
    totals = _clipped_totals(np.sort(size), breaks, lowest)
    right = int(np.searchsorted(totals, n_labels))
    if right >= len(breaks):
        values = np.where(positive, 1.0, (n_labels - positive.sum()) / max(n - positive.sum(), 1))
        return np.maximum(values, lowest)
    if right == 0:
        multiplier = breaks[0]
    else:
        low, high = breaks[right - 1], breaks[right]
        share = (n_labels - totals[right - 1]) / (totals[right] - totals[right - 1])
        multiplier = low + share * (high - low)
    return np.clip(multiplier * size, lowest, 1.0)


def _clipped_totals(ordered: Float1D, multipliers: Float1D, lowest: float) -> Float1D:
    """Sum ``clip(k * size, lowest, 1)`` for every multiplier ``k``, from sorted sizes and their running sums."""
    running = np.concatenate([[0.0], np.cumsum(ordered)])
    with np.errstate(over="ignore"):
        at_floor = np.searchsorted(ordered, lowest / multipliers, side="right")
        at_one = np.searchsorted(ordered, 1.0 / multipliers, side="left")
    at_one = np.maximum(at_one, at_floor)
    middle = running[at_one] - running[at_floor]
    return lowest * at_floor + multipliers * middle + (len(ordered) - at_one)


def active_probabilities(
    uncertainty: Float1D, n_labels: float, mixing: float = 0.8, floor: float = 0.2
) -> Float1D:
    """Return the sampling rule of active inference: uncertainty sampling mixed with uniform sampling."""
    # ``mixing * pi(uncertainty) + (1 - mixing) * n_labels / n``, adding to ``n_labels``.
    # Source: Zrnic and Candes (2024), Active Statistical Inference, arXiv 2403.03208, Section 3.
    uniform = n_labels / len(uncertainty)
    return mixing * bounded_probabilities(uncertainty, n_labels, floor) + (1.0 - mixing) * uniform


def allocate_to_strata(sizes: Int1D, n_labels: int, scale: Float1D | None = None, minimum: int = 2) -> Int1D:
    """Divide labels among strata, in proportion to their size or to size times scale (Neyman)."""
    # Whole numbers that add to ``n_labels``, by largest remainders.
    lowest = np.minimum(minimum, sizes)
    if n_labels < lowest.sum() or n_labels > sizes.sum():
        raise ValueError(
            f"n_labels={n_labels} cannot be divided among {len(sizes)} strata of {int(sizes.sum())} units in "
            f"all with at least {minimum} labels each: pass between {int(lowest.sum())} and {int(sizes.sum())}."
        )
    weight = sizes.astype(float) if scale is None else sizes * np.asarray(scale, dtype=float)
    weight = np.where(weight > 0.0, weight, 0.0)
    shares = np.array(lowest, dtype=float)
    free = np.ones(len(sizes), dtype=bool)
    if not np.any(weight > 0.0):
        weight = sizes.astype(float)
    for _ in range(2 * len(sizes) + 1):
        remaining = n_labels - shares[~free].sum()
        total = weight[free].sum()
        wanted = np.array(shares)
        wanted[free] = remaining * (weight[free] / total if total > 0.0 else sizes[free] / sizes[free].sum())
        below, above = free & (wanted < lowest), free & (wanted > sizes)
        if not below.any() and not above.any():
            shares = wanted
            break
        excess = np.sum(wanted[above] - sizes[above]) - np.sum(lowest[below] - wanted[below])
        fixed = above if excess >= 0.0 else below
        shares[fixed] = np.where(above[fixed], sizes[fixed], lowest[fixed])
        free &= ~fixed
        if not free.any():
            break
    whole = np.floor(shares + 1e-9).astype(np.int64)
    for j in np.argsort(-(shares - whole), kind="stable"):
        if whole.sum() >= n_labels:
            break
        whole[j] += int(whole[j] < sizes[j])
    return whole


def draw_poisson(probability: Float1D, generator: np.random.Generator) -> Bool1D:
    """Draw each unit by a coin of its own."""
    return generator.random(len(probability)) < probability


def draw_systematic(probability: Float1D, generator: np.random.Generator) -> Bool1D:
    """Draw a fixed number of units with unequal probabilities, by one random start in random order."""
    # Source: Madow (1949), Annals of Mathematical Statistics 20, 333-354; in random order, Hartley and Rao
    # (1962), Annals of Mathematical Statistics 33, 350-374.
    order = generator.permutation(len(probability))
    marks = np.concatenate([[0.0], np.cumsum(probability[order])])
    nearest = round(marks[-1])
    if abs(marks[-1] - nearest) < 1e-9 * max(1.0, nearest):
        marks *= nearest / marks[-1] if marks[-1] > 0.0 else 1.0
        marks[-1] = nearest
    hits = np.diff(np.floor(marks - generator.random())) > 0
    drawn = np.zeros(len(probability), dtype=bool)
    drawn[order[hits]] = True
    return drawn


def draw_fixed(strata: Int1D, counts: Int1D, generator: np.random.Generator) -> Bool1D:
    """Draw a fixed number of units in each stratum, all subsets equally likely."""
    key = generator.random(len(strata))
    order = np.lexsort((key, strata))
    sizes = np.bincount(strata, minlength=len(counts))
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.arange(len(strata)) - begins[strata[order]]
    drawn = np.zeros(len(strata), dtype=bool)
    drawn[order] = rank < counts[strata[order]]
    return drawn


def label_variance(squared_residual: Float1D, probability: Float1D) -> float:
    """Return the variance that labelling only a sample adds to a mean of ``n`` influence values."""
    # ``sum (1 / pi - 1) v / n^2``, exact for Poisson sampling.
    return float(np.sum((1.0 / probability - 1.0) * squared_residual) / len(probability) ** 2)


def neyman_gain_bound(squared_residual: Float1D) -> float:
    """Return the largest possible gain of unequal probabilities, when few units are labelled."""
    # ``E[v] / (E[sqrt v])^2``, at least 1: the ratio of the variances due to labelling under uniform and
    # under optimal probabilities.
    root = float(np.mean(np.sqrt(squared_residual)))
    return float(np.mean(squared_residual)) / root**2 if root > 0.0 else 1.0


def residual_scale(
    squared_residual: Float1D,
    features: Float2D,
    labelled: Bool1D,
    generator: np.random.Generator,
    learner: Any = None,
    n_folds: int = 5,
) -> Float1D:
    """Learn ``sqrt(E[|c'J^-1 (s - h)|^2 | Z])`` from a labelled pilot, by cross-fitting."""
    n_pilot = int(labelled.sum())
    if learner is None:
        from sklearn.ensemble import RandomForestRegressor

        learner = RandomForestRegressor(n_estimators=50, min_samples_leaf=max(10, n_pilot // 20))
    n_folds = max(2, min(n_folds, n_pilot))
    fold = generator.permutation(np.arange(n_pilot) % n_folds)
    pilot, rest = features[labelled], features[~labelled]
    predicted = np.zeros(len(labelled))
    inside, outside = np.empty(n_pilot), np.zeros(len(rest))
    for k in range(n_folds):
        model = clone(learner)
        if "random_state" in model.get_params():
            model.set_params(random_state=int(generator.integers(2**31 - 1)))
        model.fit(pilot[fold != k], squared_residual[fold != k])
        inside[fold == k] = model.predict(pilot[fold == k])
        if len(rest):
            outside += model.predict(rest) / n_folds
    predicted[labelled], predicted[~labelled] = inside, outside
    return np.sqrt(np.maximum(predicted, 0.0))


def pilot_gain(
    squared_residual: Float1D, pilot_weight: Float1D, probability: Float1D, uniform: float
) -> tuple[float, float]:
    """Forecast the gain of a design over uniform sampling from the pilot's own residuals."""
    weight = pilot_weight / pilot_weight.sum()
    before = (1.0 / uniform - 1.0) * squared_residual
    after = (1.0 / probability - 1.0) * squared_residual
    numerator, denominator = float(weight @ before), float(weight @ after)
    if denominator <= 0.0:
        return 1.0, 0.0
    gain = numerator / denominator
    influence = weight * (before - gain * after) / denominator
    return gain, float(np.sqrt(np.sum(influence**2)))
