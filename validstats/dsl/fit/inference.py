"""Estimate and covariance for each estimator, from completed rows: the last step that knows arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, Self, TypeAlias

import numpy as np

from validstats._typing import Float1D, Float2D, Int1D
from validstats.dsl.fit.augmentation import (
    Augmentation,
    LabelledSample,
    Sample,
    ScoreTerm,
    augmentation_scores,
    expected_score,
    identity_augmentation,
    psi_leverage,
)
from validstats.dsl.fit.estimation import (
    AugmentedFit,
    EstimatorName,
    Tuning,
    TuningKind,
    fit_augmented,
    fit_term,
    one_step,
    term_sums,
)
from validstats.dsl.fit.power_tuning import fit_power_tuned
from validstats.dsl.fit.tuning import fit_tuned
from validstats.dsl.moments import (
    ClusterSums,
    StratumCentres,
    VarianceKind,
    VarianceParts,
    cluster_ways,
    clustered_meat,
    combined_meat,
    design_meat,
    influence_functions,
    invert_bread,
    labelled_units,
    median_of_splits,
    sandwich,
    small_sample_scores,
    variance_parts,
)

__all__ = [
    "Estimate",
    "InfluenceSums",
    "NoRootError",
    "Population",
    "SimpleFit",
    "estimate",
    "finish",
    "gold_only",
    "naive_fit",
]

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
    # their sums within the (first) clusters of the standard errors, where there are any, shape ``(G, p)``
    by_cluster: Float2D | None = None
    # gold score minus augmentation on the labelled rows, in coefficient units
    residual: Float2D | None = None
    # which part of the covariance more labels shrink; None for a finite population
    variance_parts: VarianceParts | None = None
    tuning: TuningKind = "none"  # how the augmentation was scaled
    n_tuned: int = 0  # tuning coefficients a coefficient
    fallbacks: tuple[str, ...] = field(default=())  # what was done where no root was found


def covariance_matrix(
    influence: Float2D, residual: Float2D, sample: LabelledSample, population: Population
) -> Float2D:
    """Return the covariance of an estimate from the influence functions of rows in memory."""
    if population == "finite":
        return _labelling_covariance(residual, sample)
    meat = clustered_meat(influence, sample.clusters)
    return sandwich(np.eye(influence.shape[1]), meat, sample.n_rows)


def _labelling_covariance(residual: Float2D, sample: Sample) -> Float2D:
    """Return the covariance that comes from the choice of rows to label alone."""
    everyone = np.ones(sample.n_labelled, dtype=np.bool_)
    meat = design_meat(residual, sample.gold_probability, sample.n_rows, sample.drawn, everyone)
    return sandwich(np.eye(residual.shape[1]), meat, sample.n_rows)


def parts_of(covariance: Float2D, residual: Float2D, sample: Sample) -> VarianceParts:
    """Split a covariance into what more labels shrink and what they do not."""
    everyone = np.ones(sample.n_labelled, dtype=np.bool_)
    return variance_parts(
        covariance, residual, sample.gold_probability, sample.n_rows, sample.drawn, everyone
    )


@dataclass(frozen=True)
class _Influence:
    """Work on a part: influence functions, corrected for small samples and for what the design fixes."""

    fit: AugmentedFit
    kind: VarianceKind
    n_units: int
    n_tuned: int
    n_rows: int
    keep: bool
    centres: StratumCentres | None = None

    def __call__(self, part: LabelledSample, augmentation: Augmentation) -> InfluenceSums:
        psi = self.fit.rows_of(part, augmentation)
        if part.effect_scores is not None:
            psi = psi - part.effect_scores
        influence = self._mapped(psi, part, augmentation)
        if self.centres is not None:
            residual = self.residuals(*part.labelled_part(augmentation))
            influence = self.centres.taken_off(
                influence, residual, part.probability, part.design, part.labelled
            )
        return InfluenceSums.of(influence, part.clusters, self.keep)

    def residuals(self, labelled: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return gold score minus augmentation of labelled rows, in coefficient units."""
        params = self.fit.params
        score = labelled.moment.score(labelled.gold, params)
        return self._mapped(
            score - augmentation_scores(labelled, augmentation, params), labelled, augmentation
        )

    def _mapped(self, scores: Float2D, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        if self.kind in ("HC2", "HC3"):
            leverage = psi_leverage(part, augmentation, self.fit.params, self.fit.bread, self.n_rows)
            factor = np.sqrt(self.n_units / max(self.n_units - self.n_tuned, 1))
            scores = factor * small_sample_scores(scores, leverage, self.kind, self.n_units, 0)
        elif self.kind == "HC1":
            fitted = len(self.fit.params) + self.n_tuned
            scores = small_sample_scores(scores, np.empty(0), self.kind, self.n_units, fitted)
        return influence_functions(scores, self.fit.bread)


@dataclass(frozen=True)
class InfluenceSums:
    """Sums over influence functions: of squares of rows, or by cluster; the rows themselves in memory."""

    square: Float2D
    clusters: tuple[ClusterSums, ...]
    rows: Float2D | None = None

    @classmethod
    def of(cls, influence: Float2D, clusters: Sequence[Int1D], keep: bool) -> Self:
        """Return the sums of some rows."""
        ways = tuple(ClusterSums.of(codes, influence) for codes in cluster_ways(clusters))
        return cls(influence.T @ influence, ways, influence if keep else None)

    def __add__(self, other: Self) -> Self:
        ways = tuple(a + b for a, b in zip(self.clusters, other.clusters, strict=True))
        return type(self)(self.square + other.square, ways)

    def covariance(self, n_rows: int) -> Float2D:
        """Return the covariance of their mean."""
        meats = [c.sums.T @ c.sums / n_rows for c in self.clusters] or [self.square / n_rows]
        return sandwich(np.eye(len(self.square)), combined_meat(meats), n_rows)


def finish(
    fit: AugmentedFit,
    *,
    kind: VarianceKind = "HC0",
    population: Population = "superpopulation",
    tuning: TuningKind = "none",
    n_tuned: int = 0,
) -> Estimate:
    """Turn a solved estimating equation into an estimate with its covariance, in one pass over the rows."""
    sample = fit.sample
    everyone = np.ones(sample.n_labelled, dtype=np.bool_)
    work = _Influence(
        fit=fit.lean(),
        kind=kind,
        n_units=labelled_units(sample.drawn, everyone),
        n_tuned=n_tuned,
        n_rows=sample.n_rows,
        keep=sample.keeps_rows,
    )
    residual = work.residuals(*sample.labelled_part(fit.augmentation))
    centres = StratumCentres.of(residual, sample.gold_probability, sample.drawn)
    finite = population == "finite"
    found = None
    if not finite or sample.keeps_rows:
        alone = fit.augmentation.is_empty and centres is None and not sample.keeps_rows
        found = sample.total(replace(work, centres=centres), fit.augmentation, labelled_only=alone)
    covariance = (
        _labelling_covariance(residual, sample)
        if finite or found is None
        else found.covariance(sample.n_rows)
    )
    return Estimate(
        params=fit.params,
        covariance=covariance,
        influence=None if found is None else found.rows,
        by_cluster=None if found is None or not found.clusters else found.clusters[0].sums,
        residual=residual,
        variance_parts=None if finite else parts_of(covariance, residual, sample),
        tuning=tuning,
        n_tuned=n_tuned,
        fallbacks=() if fit.fallback is None else (fit.fallback,),
    )


def naive_fit(sample: Sample, raw: ScoreTerm) -> SimpleFit | None:
    """Fit the model as if the machine labels were true."""
    newton = fit_term(sample, raw)
    if not newton.converged:
        return None
    augmentation = identity_augmentation(raw, len(newton.params))
    slope = sample.total(partial(term_sums, params=newton.params), augmentation).jacobian
    assert slope is not None
    bread = invert_bread(slope / sample.n_rows)
    if bread is None:
        return None
    found = sample.total(partial(_naive_influence, params=newton.params, bread=bread), augmentation)
    return SimpleFit(params=newton.params, std_error=np.sqrt(np.diag(found.covariance(sample.n_rows))))


def _naive_influence(
    part: LabelledSample, augmentation: Augmentation, params: Float1D, bread: Float2D
) -> InfluenceSums:
    (term,) = augmentation.terms
    scores = expected_score(part.moment, term, params)
    return InfluenceSums.of(influence_functions(scores, bread), part.clusters, keep=False)


def gold_only(sample: Sample) -> AugmentedFit | None:
    """Fit the labelled rows alone, weighted by inverse probabilities."""
    return fit_augmented(sample, Augmentation())


def _pilot(sample: Sample, term: ScoreTerm, gold: AugmentedFit | None) -> AugmentedFit:
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
    sample: Sample,
    terms: Sequence[ScoreTerm],
    raw: ScoreTerm | None,
    further: Sequence[ScoreTerm] = (),
    *,
    estimator: EstimatorName = "tuned",
    kind: VarianceKind = "HC0",
    population: Population = "superpopulation",
    tuning: Tuning | None = None,
) -> Estimate:
    """Estimate a model with one of the estimators."""
    # terms: one a sample split for "dsl", a single one for "tuned", none otherwise; raw: machine labels as they are;
    # further: other predictions that "tuned" may combine
    if estimator in ("ppi", "ppi++") and raw is None:
        raise ValueError(
            f"estimator={estimator!r} plugs in the machine labels and needs a surrogate, with known classes, "
            "for every expert label of the model. Pass surrogate={label: column} to fit, or use 'tuned'."
        )

    def complete(fit: AugmentedFit, how: TuningKind = "none", n_tuned: int = 0) -> Estimate:
        return finish(fit, kind=kind, population=population, tuning=how, n_tuned=n_tuned)

    gold = gold_only(sample)
    if estimator == "dsl":
        return _median([complete(_pilot(sample, term, gold)) for term in terms])
    if estimator == "tuned":
        span = (terms[0], *(() if raw is None else (raw,)), *further)
        tuned = fit_tuned(span, _pilot(sample, terms[0], gold), tuning)
        return complete(tuned.fit, tuned.kind, tuned.n_tuned)
    if estimator == "ppi":
        assert raw is not None
        return complete(_pilot(sample, raw, gold))
    if estimator == "ppi++":
        assert raw is not None
        pilot = gold if gold is not None else _pilot(sample, raw, gold)
        return complete(fit_power_tuned(raw, pilot).fit, "scalar")
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
        by_cluster=None if single is None else single.by_cluster,
        residual=fits[0].residual,
        variance_parts=_stacked_parts(fits),
        fallbacks=tuple(sorted({note for f in fits for note in f.fallbacks})),
    )


def _stacked_parts(fits: Sequence[Estimate]) -> VarianceParts | None:
    parts = [f.variance_parts for f in fits if f.variance_parts is not None]
    return VarianceParts.stack(parts) if len(parts) == len(fits) else None
