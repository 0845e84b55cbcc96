"""Estimators: coefficients and their covariances from machine labels and expert labels."""

from __future__ import annotations

from validstats.dsl.fit.augmentation import (
    Augmentation,
    Change,
    Component,
    LabelledSample,
    Sample,
    ScoreTerm,
    identity_augmentation,
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
    FirstStage,
    NoRootError,
    estimable,
    estimate,
    finish,
    gold_only,
    median_estimate,
    naive_fit,
    no_root_message,
)
from validstats.dsl.fit.influence import Estimate, Population, SimpleFit, covariance_matrix, parts_of

__all__ = [
    "Augmentation",
    "AugmentedFit",
    "Change",
    "Component",
    "Estimate",
    "EstimatorName",
    "FirstStage",
    "FixedEffectsFit",
    "LabelledSample",
    "Sample",
    "parts_of",
    "NoRootError",
    "Population",
    "ScoreTerm",
    "SimpleFit",
    "Tuning",
    "TuningKind",
    "covariance_matrix",
    "empty_term",
    "estimable",
    "estimate",
    "finish",
    "fit_fixed_effects",
    "gold_only",
    "identity_augmentation",
    "median_estimate",
    "naive_fit",
    "no_root_message",
    "scaled_rows",
    "within_term",
]
