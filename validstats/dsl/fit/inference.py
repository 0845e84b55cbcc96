"""Estimate and covariance for each estimator, from completed rows: the last step that knows arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from validstats._typing import Float1D, Float2D, Int1D
from validstats.dsl.fit.augmentation import (
    Augmentation,
    LabelledSample,
    ScoreTerm,
    expected_score,
    identity_augmentation,
    labelled_augmentation_scores,
    psi_leverage,
)
from validstats.dsl.fit.estimation import (
    AugmentedFit,
    EstimatorName,
    TuningKind,
    fit_augmented,
    fit_term,
    one_step,
)
from validstats.dsl.fit.power_tuning import fit_power_tuned
from validstats.dsl.fit.tuning import fit_tuned
from validstats.dsl.moments import (
    SamplingDesign,
    VarianceKind,
    VarianceParts,
    centred_influence,
    clustered_meat,
    design_meat,
    influence_functions,
    invert_bread,
    labelled_units,
    median_of_splits,
    sandwich,
    small_sample_scores,
    variance_parts,
)

__all__ = ["Estimate", "NoRootError", "Population", "SimpleFit", "estimate", "gold_only", "naive_fit"]

Population: TypeAlias = Literal["superpopulation", "finite"]
"""What the coefficients describe: the process behind the rows, or the rows themselves."""


class NoRootError(ValueError):
    """The estimating equation has no root: separation, collinearity, or too few labels."""


no_root_message = (
    "No root of the estimating equation was found with {n_labelled} labelled rows for {n_params} "
    "coefficients{reason}. Label more rows, leave out covariates, or merge rare categories."
)


@dataclass(frozen=True, kw_only=True)
class SimpleFit:
    """Coefficients and standard errors of a fit shown for comparison."""

    params: Float1D  # coefficients
    std_error: Float1D  # standard errors
    # which part of the covariance more labels shrink; None where that is not known
    variance_parts: VarianceParts | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An estimate with its covariance and everything to recompute it."""

    params: Float1D  # coefficients
    covariance: Float2D  # covariance matrix
    # influence functions, centred where the design fixes the number of labels; None for the median of splits,
    # which has none
    influence: Float2D | None
    # gold score minus augmentation on the labelled rows, in coefficient units
    residual: Float2D | None = None
    # which part of the covariance more labels shrink; None for a finite population
    variance_parts: VarianceParts | None = None
    tuning: TuningKind = "none"  # how the augmentation was scaled
    n_tuned: int = 0  # tuning coefficients a coefficient
    fallbacks: tuple[str, ...] = field(default=())  # what was done where no root was found


def covariance_matrix(
    influence: Float2D,
    residual: Float2D,
    sample: LabelledSample,
    design: SamplingDesign,
    clusters: Sequence[Int1D],
    population: Population,
) -> Float2D:
    """Return the covariance of an estimate from its influence functions."""
    n = sample.n_rows
    probability = sample.gold_probability
    identity = np.eye(influence.shape[1])
    if population == "finite":
        return sandwich(identity, design_meat(residual, probability, n, design, sample.labelled), n)
    return sandwich(identity, clustered_meat(influence, clusters), n)


def finish(
    fit: AugmentedFit,
    sample: LabelledSample,
    design: SamplingDesign,
    *,
    clusters: Sequence[Int1D] = (),
    kind: VarianceKind = "HC0",
    population: Population = "superpopulation",
    tuning: TuningKind = "none",
    n_tuned: int = 0,
) -> Estimate:
    """Turn a solved estimating equation into an estimate with its covariance."""
    residual = sample.moment.score(sample.gold, fit.params)
    residual = residual - labelled_augmentation_scores(sample, fit.augmentation, fit.params)
    psi, labelled = fit.psi, sample.labelled
    if sample.effect_scores is not None:
        psi = psi - sample.effect_scores
    n_units = labelled_units(design, labelled)
    if kind in ("HC2", "HC3"):
        leverage = psi_leverage(sample, fit.augmentation, fit.params, fit.bread)
        factor = np.sqrt(n_units / max(n_units - n_tuned, 1))
        residual = factor * small_sample_scores(residual, leverage[labelled], kind, n_units, 0)
        psi = factor * small_sample_scores(psi, leverage, kind, n_units, 0)
    elif kind == "HC1":
        fitted = len(fit.params) + n_tuned
        residual = small_sample_scores(residual, np.empty(0), kind, n_units, fitted)
        psi = small_sample_scores(psi, np.empty(0), kind, n_units, fitted)
    residual = influence_functions(residual, fit.bread)
    influence = centred_influence(
        influence_functions(psi, fit.bread), residual, sample.probability, design, labelled
    )
    covariance = covariance_matrix(influence, residual, sample, design, clusters, population)
    return Estimate(
        params=fit.params,
        covariance=covariance,
        influence=influence,
        residual=residual,
        variance_parts=None
        if population == "finite"
        else variance_parts(covariance, residual, sample.gold_probability, sample.n_rows, design, labelled),
        tuning=tuning,
        n_tuned=n_tuned,
        fallbacks=() if fit.fallback is None else (fit.fallback,),
    )


def naive_fit(sample: LabelledSample, raw: ScoreTerm, clusters: Sequence[Int1D] = ()) -> SimpleFit | None:
    """Fit the model as if the machine labels were true."""
    newton = fit_term(sample.moment, raw)
    if not newton.converged:
        return None
    n = sample.n_rows
    total = sum(sample.moment.jacobian(c.rows, newton.params, np.ones(n) * c.weight) for c in raw)
    bread = invert_bread(np.asarray(total) / n)
    if bread is None:
        return None
    score = expected_score(sample.moment, raw, newton.params)
    covariance = sandwich(bread, clustered_meat(score, clusters), n)
    return SimpleFit(params=newton.params, std_error=np.sqrt(np.diag(covariance)))


def gold_only(sample: LabelledSample) -> AugmentedFit | None:
    """Fit the labelled rows alone, weighted by inverse probabilities."""
    return fit_augmented(sample, Augmentation())


def _pilot(sample: LabelledSample, term: ScoreTerm, gold: AugmentedFit | None) -> AugmentedFit:
    n_params = sample.moment.n_params(sample.gold)
    augmentation = identity_augmentation(term, n_params)
    fit = fit_augmented(sample, augmentation, None if gold is None else gold.params)
    if fit is None:
        fit = fit_augmented(sample, augmentation)
    if fit is not None:
        return fit
    if gold is None:
        raise NoRootError(no_root_message.format(n_labelled=sample.n_labelled, n_params=n_params, reason=""))
    return one_step(sample, augmentation, gold, "one Newton step from the gold-only estimate")


def estimate(
    sample: LabelledSample,
    terms: Sequence[ScoreTerm],
    raw: ScoreTerm | None,
    design: SamplingDesign,
    *,
    estimator: EstimatorName = "tuned",
    clusters: Sequence[Int1D] = (),
    kind: VarianceKind = "HC0",
    population: Population = "superpopulation",
    tuning: Literal["matrix", "diagonal", "scalar"] | None = None,
) -> Estimate:
    """Estimate a model with one of the estimators."""
    if estimator in ("ppi", "ppi++") and raw is None:
        raise ValueError(
            f"estimator={estimator!r} plugs in the machine labels and needs a surrogate, with known classes, "
            "for every expert label of the model. Pass surrogate={label: column} to fit, or use 'tuned'."
        )

    def complete(fit: AugmentedFit, how: TuningKind = "none", n_tuned: int = 0) -> Estimate:
        return finish(
            fit,
            sample,
            design,
            clusters=clusters,
            kind=kind,
            population=population,
            tuning=how,
            n_tuned=n_tuned,
        )

    gold = gold_only(sample)
    if estimator == "dsl":
        return _median([complete(_pilot(sample, term, gold)) for term in terms])
    if estimator == "tuned":
        span = tuple(terms[:1]) if raw is None else (terms[0], raw)
        tuned = fit_tuned(sample, span, _pilot(sample, terms[0], gold), design, tuning)
        return complete(tuned.fit, tuned.kind, tuned.n_tuned)
    if estimator == "ppi":
        assert raw is not None
        return complete(_pilot(sample, raw, gold))
    if estimator == "ppi++":
        assert raw is not None
        pilot = gold if gold is not None else _pilot(sample, raw, gold)
        return complete(fit_power_tuned(sample, raw, pilot).fit, "scalar")
    if gold is None:
        n_params = sample.moment.n_params(sample.gold)
        raise NoRootError(no_root_message.format(n_labelled=sample.n_labelled, n_params=n_params, reason=""))
    return complete(gold)


def _median(fits: Sequence[Estimate]) -> Estimate:
    params, _, covariance = median_of_splits(
        np.array([f.params for f in fits]), np.array([f.covariance for f in fits])
    )
    single = fits[0] if len(fits) == 1 else None
    return Estimate(
        params=params,
        covariance=covariance,
        influence=None if single is None else single.influence,
        residual=fits[0].residual,
        variance_parts=_stacked_parts(fits),
        fallbacks=tuple(sorted({note for f in fits for note in f.fallbacks})),
    )


def _stacked_parts(fits: Sequence[Estimate]) -> VarianceParts | None:
    parts = [f.variance_parts for f in fits if f.variance_parts is not None]
    return VarianceParts.stack(parts) if len(parts) == len(fits) else None
