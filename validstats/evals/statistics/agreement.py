"""Agreement of a judge with humans, weighted to all answers, with intervals from Beta and Dirichlet draws."""

from __future__ import annotations

import numpy as np

from validstats._typing import Float1D, Float2D, FloatND

__all__ = ["agreement_draws", "agreement_measures", "effective_counts", "weighted_kappa"]

_JEFFREYS = 0.5
"""Pseudo-count of each class (Jeffreys)."""


def agreement_draws(
    judge_counts: Float1D, label_counts: Float2D, generator: np.random.Generator, n_draws: int = 8_000
) -> FloatND:
    """Draws of the table P(judge = row, human = column), shape (draws, judge classes, human classes).

    ``judge_counts`` counts all answers by verdict, ``label_counts`` the labelled ones by verdict and human label.
    """
    share = _dirichlet(np.asarray(judge_counts, dtype=float)[None, :] + _JEFFREYS, generator, n_draws)[:, 0]
    given = _dirichlet(np.asarray(label_counts, dtype=float) + _JEFFREYS, generator, n_draws)
    return share[:, :, None] * given


def _dirichlet(parameters: Float2D, generator: np.random.Generator, n_draws: int) -> FloatND:
    """Dirichlet draws of every row, from gamma variables."""
    gamma = generator.standard_gamma(np.broadcast_to(parameters, (n_draws, *parameters.shape)))
    gamma = np.maximum(gamma, 1e-300)
    return gamma / gamma.sum(axis=-1, keepdims=True)


def agreement_measures(table: FloatND) -> dict[str, FloatND]:
    """Measures of 2 x 2 tables, last two axes (judge no, yes) x (human no, yes); NaN where 0/0."""
    both, judge_only = table[..., 1, 1], table[..., 1, 0]
    human_only, neither = table[..., 0, 1], table[..., 0, 0]
    judge, human = both + judge_only, both + human_only
    observed = both + neither
    expected = judge * human + (1.0 - judge) * (1.0 - human)
    q = 0.5 * (judge + human)
    chance = 2.0 * q * (1.0 - q)  # Gwet's AC1
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "kappa": _ratio(observed - expected, 1.0 - expected),
            "sensitivity": _ratio(both, human),
            "specificity": _ratio(neither, 1.0 - human),
            "precision": _ratio(both, judge),
            "f1": _ratio(2.0 * both, judge + human),
            "accuracy": np.asarray(observed),
            "ac1": _ratio(observed - chance, 1.0 - chance),
        }


def weighted_kappa(table: FloatND, power: float = 0.0) -> FloatND:
    """Kappa of square tables; disagreement costs |i - j|^power (0: all alike, 1: linear, 2: quadratic)."""
    size = table.shape[-1]
    distance = np.abs(np.arange(size)[:, None] - np.arange(size)[None, :])
    cost = (distance > 0).astype(float) if power == 0 else distance.astype(float) ** power
    expected = table.sum(axis=-1)[..., :, None] * table.sum(axis=-2)[..., None, :]
    return 1.0 - _ratio((cost * table).sum(axis=(-2, -1)), (cost * expected).sum(axis=(-2, -1)))


def _ratio(numerator: FloatND, denominator: FloatND) -> FloatND:
    """Quotient, NaN where the denominator is 0."""
    small = np.abs(denominator) < 1e-12
    return np.where(small, np.nan, numerator / np.where(small, 1.0, denominator))


def effective_counts(shares: Float2D, variances: Float2D, counts: Float1D) -> Float2D:
    """Label counts by verdict that give the shares their standard errors: ``n = share (1 - share) / se^2``.

    A verdict whose labels all agree keeps its (effective) number of labels.
    """
    spread = shares * (1.0 - shares)
    total = np.where(
        variances.sum(axis=1) > 0, spread.sum(axis=1) / np.maximum(variances.sum(axis=1), 1e-300), counts
    )
    return shares * np.minimum(total, counts)[:, None]
