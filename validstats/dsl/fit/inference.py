"""Estimate and covariance for each estimator, from completed rows: the last step that knows arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from validstats._typing import Bool1D, Float1D, Float2D, Int1D
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
from validstats.dsl.fit.control import (
    control_variate,
    controlled,
    kurtosis_degrees,
    label_error,
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
from validstats.dsl.fit.influence import (
    Estimate,
    InfluenceSums,
    Population,
    SimpleFit,
    labelling_covariance,
    parts_of,
)
from validstats.dsl.fit.power_tuning import fit_power_tuned
from validstats.dsl.moments import (
    RegressionRows,
    StratumCentres,
    VarianceKind,
    VarianceParts,
    collinear_columns,
    influence_functions,
    invert_bread,
    labelled_units,
    median_of_splits,
    small_sample_scores,
)

__all__ = [
    "estimable",
    "FirstStage",
    "NoRootError",
    "estimate",
    "finish",
    "gold_only",
    "median_estimate",
    "naive_fit",
]


class NoRootError(ValueError):
    """The estimating equation has no root: separation, collinearity, or too few labels."""


no_root_message = (
    "No root of the estimating equation was found with {n_labelled} labelled rows for {n_params} "
    "coefficients{reason}. Label more rows, leave out covariates, or merge rare categories."
)


@dataclass(frozen=True)
class _Influence:
    """Work on a part: influence functions, corrected for small samples and for what the design fixes."""

    fit: AugmentedFit
    kind: VarianceKind
    n_units: int
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
            scores = small_sample_scores(scores, leverage, self.kind, self.n_units, 0)
        elif self.kind == "HC1":
            fitted = len(self.fit.params)
            scores = small_sample_scores(scores, np.empty(0), self.kind, self.n_units, fitted)
        return influence_functions(scores, self.fit.bread)


def finish(
    fit: AugmentedFit,
    *,
    kind: VarianceKind = "HC0",
    population: Population = "superpopulation",
    tuning: TuningKind = "none",
) -> Estimate:
    """Turn a solved estimating equation into an estimate with its covariance, in one pass over the rows."""
    sample = fit.sample
    everyone = np.ones(sample.n_labelled, dtype=np.bool_)
    work = _Influence(
        fit=fit.lean(),
        kind=kind,
        n_units=labelled_units(sample.drawn, everyone),
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
        labelling_covariance(residual, sample) if finite or found is None else found.covariance(sample.n_rows)
    )
    return Estimate(
        params=fit.params,
        covariance=covariance,
        influence=None if found is None else found.rows,
        by_cluster=None if found is None or not found.clusters else found.clusters[0].sums,
        residual=residual,
        variance_parts=None if finite else parts_of(covariance, residual, sample),
        tuning=tuning,
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


@dataclass(frozen=True, kw_only=True)
class FirstStage:
    """What an estimator is told about the predictions beside the expected scores."""

    n_effective: float = 0.0  # effective number of fitted parameters
    cell: Int1D | None = None  # verdict cell of every labelled row, where the outcome is 0/1


def estimate(
    sample: Sample,
    terms: Sequence[ScoreTerm],
    raw: ScoreTerm | None,
    *,
    estimator: EstimatorName = "tuned",
    kind: VarianceKind | None = None,
    population: Population = "superpopulation",
    tuning: Tuning | None = None,
    first: FirstStage | None = None,
) -> Estimate:
    """Estimate a model with one of the estimators."""
    # terms: one a sample split for "dsl", a single one for "tuned", none otherwise; raw: machine labels as they are
    if estimator in ("ppi", "ppi++") and raw is None:
        raise ValueError(
            f"estimator={estimator!r} plugs in the machine labels and needs a surrogate, with known classes, "
            "for every expert label of the model. Pass surrogate={label: column} to fit, or use 'tuned'."
        )

    def complete(fit: AugmentedFit, how: TuningKind = "none") -> Estimate:
        return finish(fit, kind=kind or "HC0", population=population, tuning=how)

    seen = estimable(sample)
    if not np.all(seen) and estimator in ("gold", "tuned"):
        return _estimable_alone(sample, terms, seen, estimator, kind, population, tuning, first)
    gold = gold_only(sample)
    if estimator == "dsl":
        return median_estimate([complete(_pilot(sample, term, gold)) for term in terms])
    if estimator in ("tuned", "gold"):
        if gold is None:
            return _without_gold(sample, terms, kind, population, estimator)
        if estimator == "tuned" and tuning == "none":
            return complete(_pilot(sample, terms[0], gold))
        return _bounded(
            gold, terms if estimator == "tuned" else (), kind, population, tuning, first or FirstStage()
        )
    assert raw is not None
    if estimator == "ppi":
        return complete(_pilot(sample, raw, gold))
    pilot = gold if gold is not None else _pilot(sample, raw, gold)
    return complete(fit_power_tuned(raw, pilot), "scalar")


def _bounded(
    gold: AugmentedFit,
    terms: Sequence[ScoreTerm],
    kind: VarianceKind | None,
    population: Population,
    tuning: Tuning | None,
    first: FirstStage,
) -> Estimate:
    """Return the labels alone, less a bounded share of the control variate where there is a first stage."""
    labels = label_error(gold, cell=first.cell, finite=population == "finite")
    control = control_variate(gold.sample, terms[0]) if terms else None
    # a correction asked for by name replaces the variance of the labels alone; the share stays
    asked = None if kind is None else np.diag(finish(gold, kind=kind, population=population).covariance)
    found = controlled(
        gold.sample,
        labels,
        control,
        population=population,
        first_stage=first.n_effective,
        tuning=tuning or "diagonal",
        gold_variance=asked,
    )
    if terms and control is None:
        note = "the machine predictions have no fit of this model; the labels alone are used"
        found = replace(found, fallbacks=(note,))
    return found


def _without_gold(
    sample: Sample,
    terms: Sequence[ScoreTerm],
    kind: VarianceKind | None,
    population: Population,
    estimator: EstimatorName,
) -> Estimate:
    """Return the doubly robust root where the labels alone have none, for instance where covariates separate them."""
    n_params = sample.moment.n_params(sample.gold)
    root = None
    if estimator == "tuned":
        root = fit_augmented(sample, identity_augmentation(terms[0], n_params))
    if root is None:
        raise NoRootError(no_root_message.format(n_labelled=sample.n_labelled, n_params=n_params, reason=""))
    found = finish(root, kind=kind or "HC3", population=population)
    assert found.residual is not None
    units = found.residual * sample.gold_weights[:, None]
    degrees = np.maximum(kurtosis_degrees(units, n_params), 2.0)
    note = "the labels alone have no root; the estimate rests on the predictions, corrected by the labels"
    return replace(found, degrees=degrees, fallbacks=(*found.fallbacks, note))


def estimable(sample: Sample) -> Bool1D:
    """Return which coefficients the labelled rows say something about: all, unless their design is short of rank."""
    moment, rows = sample.moment, sample.gold
    p = moment.n_params(rows)
    if rows.X.shape[1] != p or p == 1:
        return np.ones(p, dtype=np.bool_)
    design = rows.X if rows.weights is None else rows.X * np.sqrt(rows.weights)[:, None]
    length = np.linalg.norm(design, axis=0)
    scaled = design / np.where(length > 0, length, 1.0)
    _, values, right = np.linalg.svd(scaled, full_matrices=True)
    values = np.r_[values, np.zeros(p - len(values))]
    null = right[values <= 1e-10 * max(values[0], 1e-300)]
    return ~np.any(np.abs(null) > 1e-8, axis=0) if len(null) else np.ones(p, dtype=np.bool_)


@dataclass(frozen=True)
class _Columns:
    """A change of every part: some columns of the design only."""

    kept: Bool1D

    def __call__(
        self, part: LabelledSample, terms: tuple[ScoreTerm, ...]
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        def rows(values: RegressionRows) -> RegressionRows:
            return replace(
                values, X=values.X[:, self.kept], Z=None if values.Z is None else values.Z[:, self.kept]
            )

        scores, alone = (
            None if s is None else s[:, self.kept] for s in (part.effect_scores, part.gold_effect_scores)
        )
        found = tuple(tuple(replace(c, rows=rows(c.rows)) for c in term) for term in terms)
        return replace(part, gold=rows(part.gold), effect_scores=scores, gold_effect_scores=alone), found


def _estimable_alone(
    sample: Sample,
    terms: Sequence[ScoreTerm],
    seen: Bool1D,
    estimator: EstimatorName,
    kind: VarianceKind | None,
    population: Population,
    tuning: Tuning | None,
    first: FirstStage | None,
) -> Estimate:
    """Estimate what the labelled rows tell; the other coefficients are NaN, never what the first stage makes up."""
    if terms:
        p = len(seen)
        work = partial(term_sums, params=np.zeros(p))
        slope = sample.total(work, identity_augmentation(terms[0], p)).jacobian
        assert slope is not None
        if invert_bread(slope / sample.n_rows) is None:
            # columns that all rows show to be spanned by others, not a category without labels
            raise NoRootError(no_root_message.format(n_labelled=sample.n_labelled, n_params=p, reason=""))
    # any basis of the labelled columns gives the coefficients that no null vector touches
    kept = np.ones(len(seen), dtype=np.bool_)
    names = [str(k) for k in range(len(seen))]
    for name in collinear_columns(sample.gold.X, names):
        kept[int(name)] = False
    smaller, of_terms = sample.changed(_Columns(kept), tuple(terms))
    found = estimate(
        smaller,
        of_terms,
        None,
        estimator=estimator,
        kind=kind,
        population=population,
        tuning=tuning,
        first=first,
    )
    place = np.flatnonzero(kept)
    p = len(seen)

    def spread(values: Float1D | None) -> Float1D | None:
        if values is None:
            return None
        full = np.full(p, np.nan, dtype=np.float64)
        full[place] = values
        return np.where(seen, full, np.nan)

    covariance = np.full((p, p), np.nan)
    covariance[np.ix_(place, place)] = found.covariance
    covariance[~seen], covariance[:, ~seen] = np.nan, np.nan
    params = spread(found.params)
    assert params is not None

    def wide(values: Float2D | None) -> Float2D | None:
        if values is None:
            return None
        full = np.full((len(values), p), np.nan)
        full[:, place] = values
        full[:, ~seen] = np.nan
        return full

    fragile = None if found.fragile is None else spread(found.fragile.astype(np.float64))
    note = (
        "without labels that tell them apart, coefficients are not estimated: those of groups without a label"
    )
    return replace(
        found,
        params=params,
        covariance=covariance,
        influence=wide(found.influence),
        by_cluster=wide(found.by_cluster),
        residual=wide(found.residual),
        variance_parts=None,
        degrees=spread(found.degrees),
        share=spread(found.share),
        fragile=None if fragile is None else fragile > 0,
        fallbacks=(*found.fallbacks, note),
    )


def median_estimate(fits: Sequence[Estimate]) -> Estimate:
    """Return the median of sample splits, as the R package ``dsl``."""
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
