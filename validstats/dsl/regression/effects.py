"""Absorbed effects in an inference: outcome centring, whole clusters, and the comparison fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from validstats._typing import Float1D, Float2D, Int1D
from validstats.dsl.fit import (
    Component,
    Estimate,
    EstimatorName,
    FixedEffectsFit,
    LabelledSample,
    NoRootError,
    Population,
    ScoreTerm,
    SimpleFit,
    covariance_matrix,
    empty_term,
    fit_fixed_effects,
    no_root_message,
    parts_of,
    scaled_rows,
    within_term,
)
from validstats.dsl.moments import (
    Absorber,
    RegressionRows,
    SamplingDesign,
    VarianceKind,
    centred_influence,
    clustered_meat,
    influence_functions,
    labelled_units,
    sandwich,
    small_sample_scores,
    sum_by_cluster,
    two_stage_projection,
)

__all__ = [
    "centre_outcome",
    "estimate_effects",
    "gold_within",
    "naive_within",
    "transform_whole_clusters",
]


def _expected_outcome(term: ScoreTerm) -> Float1D:
    return np.asarray(np.sum([c.weight * c.rows.y for c in term], axis=0), dtype=np.float64)


def _shifted(term: ScoreTerm, shift: Float1D) -> ScoreTerm:
    return tuple(replace(c, rows=replace(c.rows, y=c.rows.y - shift)) for c in term)


def centre_outcome(
    sample: LabelledSample,
    terms: tuple[ScoreTerm, ...],
    raw: ScoreTerm | None,
    absorber: Absorber,
    left: Float2D,
    *,
    estimator: EstimatorName,
    with_leverage: bool,
) -> tuple[LabelledSample, tuple[ScoreTerm, ...], ScoreTerm | None]:
    """Take the effects out of a predicted outcome whose covariates are observed and within-transformed."""
    # Effects of the prediction are always observed, so that subtracting them biases nothing; it removes what
    # the effects would add to the weighted scores. Effects of the design-adjusted outcome enter the variance
    # alone: the scores of a fixed-effects regression hold residuals from its effects.
    first = None if estimator == "gold" else (terms[0] if terms else raw)
    n, gold, lab = sample.n_rows, sample.gold, sample.positions
    shift = np.zeros(n) if first is None else absorber.project(_expected_outcome(first))
    terms = tuple(_shifted(t, shift) for t in terms)
    raw = None if raw is None else _shifted(raw, shift)
    gold = replace(gold, y=gold.y - shift[lab])
    alone = np.zeros(n)
    alone[lab] = sample.gold_weights * gold.y
    adjusted = alone
    if first is not None:
        adjusted = alone + sample.remainder * (_expected_outcome(first) - shift)
    return (
        replace(
            sample,
            gold=gold,
            effect_scores=left * absorber.project(adjusted)[:, None],
            gold_effect_scores=left * absorber.project(alone)[:, None],
            effect_leverage=absorber.leverage() if with_leverage else None,
        ),
        terms,
        raw,
    )


def transform_whole_clusters(
    sample: LabelledSample,
    terms: tuple[ScoreTerm, ...],
    raw: ScoreTerm | None,
    absorber: Absorber,
) -> tuple[LabelledSample, tuple[ScoreTerm, ...], ScoreTerm | None]:
    """Within-transform every completion where clusters that contain the effects are labelled as wholes."""
    # The fixed-effects score of such a cluster depends on its own rows only, so that the estimator is the
    # ordinary one with clusters in place of rows, and nothing needs an own-term correction.
    units = sample.design.units
    assert units is not None
    for codes in absorber.codes:
        pairs = len(np.unique(np.column_stack([codes, units]), axis=0))
        if pairs > len(np.unique(codes)):
            raise ValueError(
                "Labels were drawn by whole clusters, and some level of an absorbed effect occurs in several "
                "clusters. Absorb effects that lie within clusters, and write the others as dummies: "
                "'y ~ x + C(time) | unit'."
            )
    lab = sample.positions
    inside = absorber.within(lab)
    gold = scaled_rows(sample.gold, inside)
    gold = replace(
        gold,
        X=inside.residualise(gold.X),
        y=inside.residualise(gold.y),
        Z=None if gold.Z is None else inside.residualise(gold.Z),
    )
    sample = replace(sample, gold=gold, effect_leverage=absorber.leverage())
    terms = tuple(within_term(_scaled(t, absorber), absorber) for t in terms)
    raw = None if raw is None else within_term(_scaled(raw, absorber), absorber)
    if gold.Z is not None:
        projection = _first_stage(sample, terms[0] if terms else raw)
        sample = replace(sample, gold=replace(gold, Z=gold.Z @ projection))
        terms = tuple(_reduced(t, projection) for t in terms)
        raw = None if raw is None else _reduced(raw, projection)
    return sample, terms, raw


def _scaled(term: ScoreTerm, absorber: Absorber) -> ScoreTerm:
    return tuple(replace(c, rows=scaled_rows(c.rows, absorber)) for c in term)


def _reduced(term: ScoreTerm, projection: Float2D) -> ScoreTerm:
    return tuple(
        replace(c, rows=replace(c.rows, Z=None if c.rows.Z is None else c.rows.Z @ projection)) for c in term
    )


def _first_stage(sample: LabelledSample, term: ScoreTerm | None) -> Float2D:
    """Return the first-stage matrix from design-adjusted cross moments."""
    assert sample.gold.Z is not None
    weighted = sample.gold.Z * sample.gold_weights[:, None]
    gram, cross = weighted.T @ sample.gold.Z, weighted.T @ sample.gold.X
    remainder = sample.remainder
    for c in term or ():
        assert c.rows.Z is not None
        scaled = c.rows.Z * np.reshape(remainder * c.weight, (-1, 1))
        gram, cross = gram + scaled.T @ c.rows.Z, cross + scaled.T @ c.rows.X
    return two_stage_projection(gram / sample.n_rows, cross / sample.n_rows)


def _inflated(
    fit: FixedEffectsFit, values: Float2D, rows: Int1D | slice, kind: VarianceKind, n_labelled: int
) -> Float2D:
    return small_sample_scores(values, fit.leverage[rows], kind, n_labelled, len(fit.params))


def estimate_effects(
    sample: LabelledSample,
    terms: tuple[ScoreTerm, ...],
    raw: ScoreTerm | None,
    absorber: Absorber,
    *,
    estimator: EstimatorName,
    kind: VarianceKind | None,
    population: Population,
    own_term_correction: bool = True,
) -> Estimate:
    """Estimate absorbed effects with a predicted covariate, rows labelled independently of each other."""
    if estimator == "gold":
        term: ScoreTerm | None = empty_term(sample)
    elif estimator in ("tuned", "dsl"):
        term = terms[0] if terms else None
    else:
        term = raw if estimator == "ppi" else None
    if term is None:
        raise ValueError(
            f"estimator={estimator!r} is not available with absorbed effects and a labelled covariate; "
            "use 'tuned', 'dsl', 'gold' or, with a surrogate for every label, 'ppi'."
        )
    kind = kind or ("HC3" if estimator in ("tuned", "gold") else "HC0")
    fit = fit_fixed_effects(sample, term, absorber, own_term_correction=own_term_correction)
    if fit is None:
        n_params = sample.gold.X.shape[1]
        raise NoRootError(no_root_message.format(n_labelled=sample.n_labelled, n_params=n_params, reason=""))
    lab, n_labelled = sample.positions, sample.n_labelled
    influence = influence_functions(_inflated(fit, fit.psi, slice(None), kind, n_labelled), fit.bread)
    residual = influence_functions(_inflated(fit, fit.residual, lab, kind, n_labelled), fit.bread)
    influence = centred_influence(influence, residual, sample.probability, sample.design, sample.labelled)
    covariance = covariance_matrix(influence, residual, sample, population)
    parts = None
    if population == "superpopulation":
        parts = parts_of(covariance, residual, sample)
    return Estimate(
        params=fit.params,
        covariance=covariance,
        influence=influence,
        by_cluster=sum_by_cluster(influence, sample.clusters[0]) if sample.clusters else None,
        residual=residual,
        variance_parts=parts,
    )


def _everything_labelled(sample: LabelledSample, rows: RegressionRows) -> LabelledSample:
    n = rows.n_rows
    return replace(
        sample,
        gold=rows,
        labelled=np.ones(n, dtype=bool),
        probability=np.ones(n),
        effect_scores=None,
        effect_leverage=None,
        design=SamplingDesign(),
        clusters=(),
    )


def gold_within(
    sample: LabelledSample,
    plain: RegressionRows,
    absorber: Absorber,
    kind: VarianceKind | None,
    population: Population,
) -> SimpleFit | None:
    """Fit the fixed-effects regression of the labelled rows alone, weighted by inverse probabilities."""
    lab, n, labelled = sample.positions, sample.n_rows, sample.labelled
    mass = sample.gold_weights if absorber.weights is None else sample.gold_weights * absorber.weights[lab]
    inside = Absorber([c[lab] for c in absorber.codes], mass)
    fit = fit_fixed_effects(_everything_labelled(sample, plain), (Component(rows=plain),), inside)
    if fit is None:
        return None
    scores = _inflated(fit, fit.psi, slice(None), kind or "HC3", labelled_units(sample.design, labelled))
    influence = np.zeros((n, len(fit.params)))
    influence[lab] = influence_functions(scores, fit.bread) * (n / sample.n_labelled)
    residual = influence[lab] * sample.gold_probability[:, None]
    influence = centred_influence(influence, residual, sample.probability, sample.design, labelled)
    covariance = covariance_matrix(influence, residual, sample, population)
    parts = None
    if population == "superpopulation":
        parts = parts_of(covariance, residual, sample)
    std_error = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    return SimpleFit(params=fit.params, std_error=std_error, variance_parts=parts)


def naive_within(
    sample: LabelledSample,
    plain: RegressionRows,
    absorber: Absorber,
) -> SimpleFit | None:
    """Fit the fixed-effects regression that takes machine labels for the truth."""
    fit = fit_fixed_effects(_everything_labelled(sample, plain), (Component(rows=plain),), absorber)
    if fit is None:
        return None
    covariance = sandwich(fit.bread, clustered_meat(fit.psi, sample.clusters), plain.n_rows)
    return SimpleFit(params=fit.params, std_error=np.sqrt(np.clip(np.diag(covariance), 0.0, None)))
