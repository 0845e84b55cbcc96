"""Estimators: coefficients and their covariances from machine labels and expert labels."""

from __future__ import annotations

from validstats.dsl.fit.augmentation import (
    Augmentation,
    Component,
    LabelledSample,
    ScoreTerm,
    augmentation_scores,
    psi_jacobian,
)
from validstats.dsl.fit.estimation import (
    AugmentedFit,
    EstimatorName,
    Tuning,
    TuningKind,
)
from validstats.dsl.fit.fixed_effects import (
    FixedEffectsFit,
    empty_term,
    fit_fixed_effects,
    scaled_rows,
    within_term,
)
from validstats.dsl.fit.inference import (
    Estimate,
    NoRootError,
    Population,
    SimpleFit,
    covariance_matrix,
    estimate,
    finish,
    gold_only,
    naive_fit,
    no_root_message,
)
from validstats.dsl.fit.tuning import ChosenAugmentation, choose_augmentation, is_near

__all__ = [
    "Augmentation",
    "AugmentedFit",
    "ChosenAugmentation",
    "Component",
    "Estimate",
    "EstimatorName",
    "FixedEffectsFit",
    "LabelledSample",
    "NoRootError",
    "Population",
    "ScoreTerm",
    "SimpleFit",
    "Tuning",
    "TuningKind",
    "augmentation_scores",
    "choose_augmentation",
    "covariance_matrix",
    "empty_term",
    "estimate",
    "finish",
    "fit_fixed_effects",
    "gold_only",
    "is_near",
    "naive_fit",
    "no_root_message",
    "psi_jacobian",
    "scaled_rows",
    "within_term",
]
