"""PPI++: the raw-prediction score with one scale for all coefficients."""

from __future__ import annotations

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.dsl.fit.augmentation import (
    Augmentation,
    ScoreTerm,
    expected_score,
    identity_augmentation,
)
from validstats.dsl.fit.estimation import AugmentedFit, fit_augmented, one_step

__all__ = ["fit_power_tuned", "power_tuning_scale"]


def power_tuning_scale(gold: Float2D, term: Float2D, probability: Float1D, bread: Float2D) -> float:
    """Return the scalar of PPI++ that minimises the trace of the covariance matrix."""
    # Source: Angelopoulos, Duchi and Zrnic (2023), PPI++, arXiv 2311.01453, Proposition 2.
    weight = (1.0 - probability) / probability**2
    total = weight.sum()
    centre = weight / total if total > 0.0 else weight
    left = (gold - centre @ gold) @ bread.T
    right = (term - centre @ term) @ bread.T
    denominator = float(np.sum(weight[:, None] * right**2))
    return float(np.sum(weight[:, None] * left * right)) / denominator if denominator > 0.0 else 0.0


def fit_power_tuned(raw: ScoreTerm, pilot: AugmentedFit) -> AugmentedFit:
    """Fit PPI++: the raw-prediction score with one scale for all coefficients."""
    sample = pilot.sample
    gold = sample.moment.score(sample.gold, pilot.params)
    part, known = sample.labelled_part(Augmentation(terms=(raw,)))
    term = expected_score(part.moment, known.terms[0], pilot.params)
    scale = power_tuning_scale(gold, term, sample.gold_probability, pilot.bread)
    augmentation = identity_augmentation(raw, gold.shape[1], scale)
    fit = fit_augmented(sample, augmentation, start=pilot.params)
    if fit is None:
        fit = one_step(sample, augmentation, pilot, "one Newton step from the gold-only estimate")
    return fit
