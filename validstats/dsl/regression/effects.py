"""Absorbed effects in an inference: within-transformed rows, outcome centring, whole clusters, comparison fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from validstats._typing import Bool1D, Float1D, Float2D
from validstats.dsl.fit import (
    Augmentation,
    Component,
    Estimate,
    EstimatorName,
    FixedEffectsFit,
    InfluenceRows,
    InfluenceSums,
    LabelledSample,
    NoRootError,
    Population,
    Sample,
    ScoreTerm,
    SimpleFit,
    as_it_is,
    design_columns,
    fit_fixed_effects,
    identity_augmentation,
    labelling_covariance,
    mixture,
    no_root_message,
    parts_of,
    scaled_rows,
    variables,
    with_variables,
    within_term,
)
from validstats.dsl.moments import (
    AbsorbedRows,
    Absorber,
    EffectTable,
    ExplainedScores,
    LevelSums,
    RegressionRows,
    SamplingDesign,
    StratumCentres,
    VarianceKind,
    influence_functions,
    labelled_units,
    small_sample_scores,
    two_stage_projection,
)

__all__ = [
    "EffectsOfDesign",
    "centre_outcome",
    "design_effects",
    "estimate_effects",
    "first_stage",
    "gold_within",
    "naive_within",
    "reduce_instruments",
    "transform_whole_clusters",
    "varying_instruments",
    "within_rows",
]


@dataclass(frozen=True)
class _Within:
    """A change of every part: variables scaled, covariates and instruments less their effects."""

    absorber: Absorber
    effects: tuple[Float2D, ...]  # of instruments and covariates
    kept: Bool1D | None  # instruments that vary within the effects

    def __call__(
        self, part: LabelledSample, terms: tuple[ScoreTerm, ...]
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        assert part.filled is not None
        assert part.absorbed is not None
        absorbed = part.absorbed
        plain = scaled_rows(part.filled, absorbed)
        n_columns, fitted = plain.X.shape[1], self.absorber.fitted(self.effects, absorbed)
        # in the memory of what is taken off: each of these is as large as the rows
        of_instruments, of_covariates = fitted[:, :-n_columns], fitted[:, -n_columns:]
        inside = replace(
            plain,
            X=np.subtract(plain.X, of_covariates, out=of_covariates),
            Z=None if plain.Z is None else np.subtract(plain.Z, of_instruments, out=of_instruments),
        )
        if self.kept is not None and inside.Z is not None:
            inside = replace(inside, Z=inside.Z[:, self.kept])

        def within(rows: RegressionRows, of: RegressionRows, levels: AbsorbedRows) -> RegressionRows:
            return replace(scaled_rows(rows, levels), X=of.X, Z=of.Z)

        known = inside.take(part.positions)
        return (
            replace(
                part,
                gold=within(part.gold, known, absorbed.take(part.positions)),
                filled=within(part.filled, inside, absorbed),
            ),
            tuple(tuple(replace(c, rows=within(c.rows, inside, absorbed)) for c in term) for term in terms),
        )


@dataclass(frozen=True)
class EffectsOfDesign:
    """Effects of instruments and covariates of the rows as they are filled in."""

    effects: tuple[Float2D, ...]
    varying: Bool1D  # which columns, instruments first, vary within the effects


def design_effects(sample: Sample, absorber: Absorber) -> EffectsOfDesign:
    """Return the effects of the columns of the design, in two passes."""
    levels: LevelSums = sample.total(_design_levels, Augmentation())
    effects = absorber.effects(levels)
    lengths = sample.total(partial(_lengths, absorber=absorber, effects=effects), Augmentation())
    inside, whole = np.sqrt(lengths)
    return EffectsOfDesign(effects, inside > 1e-8 * np.maximum(whole, 1e-300))


def _design_levels(part: LabelledSample, _: Augmentation) -> LevelSums:
    assert part.filled is not None
    assert part.absorbed is not None
    return part.absorbed.sums(design_columns(scaled_rows(part.filled, part.absorbed)))


def _lengths(
    part: LabelledSample, _: Augmentation, absorber: Absorber, effects: tuple[Float2D, ...]
) -> Float2D:
    """Return the sums of squares of every column within the effects, and of the column itself."""
    assert part.filled is not None
    assert part.absorbed is not None
    values = design_columns(scaled_rows(part.filled, part.absorbed))
    inside = values - absorber.fitted(effects, part.absorbed)
    return np.array([np.sum(inside**2, axis=0), np.sum(values**2, axis=0)])


def within_rows(
    sample: Sample, terms: tuple[ScoreTerm, ...], absorber: Absorber, found: EffectsOfDesign
) -> tuple[Sample, tuple[ScoreTerm, ...]]:
    """Take the effects out of observed covariates and instruments; instruments that do not vary within them go."""
    n_columns = sample.gold.X.shape[1]
    kept = None if sample.gold.Z is None else found.varying[: len(found.varying) - n_columns]
    return sample.changed(_Within(absorber, found.effects, kept), terms)


@dataclass(frozen=True)
class _SomeInstruments:
    """A change of every part: some columns of the instruments only."""

    kept: Bool1D

    def __call__(
        self, part: LabelledSample, terms: tuple[ScoreTerm, ...]
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        def chosen(rows: RegressionRows) -> RegressionRows:
            return rows if rows.Z is None else replace(rows, Z=rows.Z[:, self.kept])

        return (
            replace(
                part, gold=chosen(part.gold), filled=None if part.filled is None else chosen(part.filled)
            ),
            tuple(tuple(replace(c, rows=chosen(c.rows)) for c in term) for term in terms),
        )


def varying_instruments(
    sample: Sample, terms: tuple[ScoreTerm, ...], found: EffectsOfDesign
) -> tuple[Sample, tuple[ScoreTerm, ...]]:
    """Leave out instruments that do not vary within the effects."""
    if sample.gold.Z is None:
        return sample, terms
    kept = found.varying[: len(found.varying) - sample.gold.X.shape[1]]
    return sample.changed(_SomeInstruments(kept), terms)


@dataclass(frozen=True)
class _Projected:
    """A change of every part: instruments replaced by their first-stage combinations, one a coefficient."""

    projection: Float2D

    def __call__(
        self, part: LabelledSample, terms: tuple[ScoreTerm, ...]
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        def reduced(rows: RegressionRows) -> RegressionRows:
            return replace(rows, Z=None if rows.Z is None else rows.Z @ self.projection)

        return (
            replace(
                part,
                gold=reduced(part.gold),
                filled=None if part.filled is None else reduced(part.filled),
            ),
            tuple(tuple(replace(c, rows=reduced(c.rows)) for c in term) for term in terms),
        )


def first_stage(part: LabelledSample, augmentation: Augmentation) -> Float2D:
    """Return the design-adjusted cross moments ``z z'`` and ``z x'`` of a part, side by side."""
    # The first stage is estimated from design-adjusted cross moments; its error does not change the limiting
    # distribution of the coefficients.
    gold = part.gold
    assert gold.Z is not None
    weighted = gold.Z * gold.weighted(part.gold_weights)[:, None]
    total = weighted.T @ np.hstack([gold.Z, gold.X])
    for c in augmentation.terms[0] if augmentation.terms else ():
        assert c.rows.Z is not None
        scaled = c.rows.Z * c.rows.weighted(part.remainder * c.weight)[:, None]
        total = total + scaled.T @ np.hstack([c.rows.Z, c.rows.X])
    return total


def reduce_instruments(
    sample: Sample, terms: tuple[ScoreTerm, ...], first: ScoreTerm | None
) -> tuple[Sample, tuple[ScoreTerm, ...]]:
    """Replace the instruments by their first-stage combinations, one a coefficient."""
    assert sample.gold.Z is not None
    n_instruments = sample.gold.Z.shape[1]
    augmentation = identity_augmentation(first, sample.gold.X.shape[1])
    total = sample.total(first_stage, augmentation, labelled_only=first is None) / sample.n_rows
    return sample.changed(
        _Projected(two_stage_projection(total[:, :n_instruments], total[:, n_instruments:])), terms
    )


def _expected_outcome(term: ScoreTerm) -> Float1D:
    return np.asarray(np.sum([c.weight * c.rows.y for c in term], axis=0), dtype=np.float64)


def _outcome_levels(part: LabelledSample, augmentation: Augmentation) -> LevelSums:
    assert part.absorbed is not None
    return part.absorbed.sums(_expected_outcome(augmentation.terms[0])[:, None])


@dataclass(frozen=True)
class _Shifted:
    """A change of every part: outcomes less the effects of the predicted one."""

    absorber: Absorber
    effects: tuple[Float2D, ...]
    n_used: int  # leading expected scores that the estimate uses; the others stay as they are

    def __call__(
        self, part: LabelledSample, terms: tuple[ScoreTerm, ...]
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        assert part.absorbed is not None
        shift = self.absorber.fitted(self.effects, part.absorbed)[:, 0]

        gold = replace(part.gold, y=part.gold.y - shift[part.positions])
        left = sum(map(len, terms[: self.n_used]))

        def moved(c: Component) -> Component:
            nonlocal left
            left -= 1
            # the last one in the memory of what is taken off, which is as long as the rows
            return replace(
                c, rows=replace(c.rows, y=np.subtract(c.rows.y, shift, out=None if left else shift))
            )

        used = tuple(tuple(map(moved, term)) for term in terms[: self.n_used])
        return replace(part, gold=gold), (*used, *terms[self.n_used :])


def _adjusted_levels(part: LabelledSample, augmentation: Augmentation) -> LevelSums:
    """Return the sums by level of the design-adjusted outcome, with the predictions and of the labels alone."""
    assert part.absorbed is not None
    values = np.zeros((part.n_rows, 2), order="F")  # summed column by column
    values[part.positions] = (part.gold_weights * part.gold.y)[:, None]
    if augmentation.terms:
        values[:, 0] += part.remainder * _expected_outcome(augmentation.terms[0])
    return part.absorbed.sums(values)


@dataclass(frozen=True)
class _Explained:
    """A change of every part: what the effects explain of the scores, and their leverage."""

    explained: ExplainedScores

    def __call__(
        self, part: LabelledSample, terms: tuple[ScoreTerm, ...]
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        return replace(part, explained=self.explained), terms


def centre_outcome(
    sample: Sample,
    terms: tuple[ScoreTerm, ...],
    first: Callable[[tuple[ScoreTerm, ...]], ScoreTerm | None],
    absorber: Absorber,
    *,
    n_used: int,
    with_leverage: bool,
) -> tuple[Sample, tuple[ScoreTerm, ...]]:
    """Take the effects out of a predicted outcome whose covariates are observed and within-transformed.

    ``first`` picks the prediction that is centred at, None for the labels alone; ``n_used`` expected scores are used.
    """
    # Effects of the prediction are always observed, so that subtracting them biases nothing; it removes what
    # the effects would add to the weighted scores. Effects of the design-adjusted outcome enter the variance
    # alone: the scores of a fixed-effects regression hold residuals from its effects.
    n_params, chosen = sample.gold.X.shape[1], first(terms)
    if chosen is not None:
        levels = sample.total(_outcome_levels, identity_augmentation(chosen, n_params))
        sample, terms = sample.changed(_Shifted(absorber, absorber.effects(levels), n_used), terms)
    augmentation = identity_augmentation(first(terms), n_params)
    levels = sample.total(_adjusted_levels, augmentation)
    explained = ExplainedScores(absorber, absorber.effects(levels), with_leverage)
    return sample.changed(_Explained(explained), terms)


def _cluster_pairs(part: LabelledSample, _: Augmentation, way: int) -> EffectTable:
    assert part.absorbed is not None
    assert part.design.units is not None
    return EffectTable.of(
        np.column_stack([part.absorbed.codes[way], part.design.units]), np.ones(part.n_rows)
    )


def _mixture_levels(part: LabelledSample, augmentation: Augmentation) -> LevelSums:
    assert part.absorbed is not None
    (term,) = augmentation.terms
    return part.absorbed.sums(mixture(_scaled(term, part.absorbed)))


@dataclass(frozen=True)
class _WholeClusters:
    """A change of every part: every completion less its expected effects, and labelled rows less theirs."""

    absorber: Absorber
    of_labels: Absorber
    gold_effects: tuple[Float2D, ...]
    of_terms: tuple[tuple[Float2D, ...], ...]

    def __call__(
        self, part: LabelledSample, terms: tuple[ScoreTerm, ...]
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        assert part.absorbed is not None
        levels = part.absorbed.take(part.positions)
        gold = scaled_rows(part.gold, levels)
        gold = with_variables(gold, variables(gold) - self.of_labels.fitted(self.gold_effects, levels))
        found = tuple(
            within_term(_scaled(term, part.absorbed), self.absorber, effects, part.absorbed) if term else ()
            for term, effects in zip(terms, self.of_terms, strict=True)
        )
        return replace(part, gold=gold, explained=ExplainedScores(self.absorber)), found


def transform_whole_clusters(
    sample: Sample, terms: tuple[ScoreTerm, ...], absorber: Absorber
) -> tuple[Sample, tuple[ScoreTerm, ...]]:
    """Within-transform every completion where clusters that contain the effects are labelled as wholes."""
    # The fixed-effects score of such a cluster depends on its own rows only, so that the estimator is the
    # ordinary one with clusters in place of rows, and nothing needs an own-term correction.
    part, _ = sample.labelled_part(Augmentation())
    assert part.absorbed is not None
    for way in range(len(part.absorbed.codes)):
        pairs = sample.total(partial(_cluster_pairs, way=way), Augmentation())
        if len(pairs.codes) > len(np.unique(pairs.codes[:, 0])):
            raise ValueError(
                "Labels were drawn by whole clusters, and some level of an absorbed effect occurs in several "
                "clusters. Absorb effects that lie within clusters, and write the others as dummies: "
                "'y ~ x + C(time) | unit'."
            )
    root = part.absorbed.root
    of_labels = Absorber(part.absorbed.codes, None if root is None else root**2)
    gold = variables(scaled_rows(part.gold, part.absorbed))
    n_params = sample.gold.X.shape[1]
    change = _WholeClusters(
        absorber,
        of_labels,
        of_labels.effects(part.absorbed.sums(gold)),
        tuple(
            absorber.effects(sample.total(_mixture_levels, identity_augmentation(term, n_params)))
            for term in terms
        ),
    )
    return sample.changed(change, terms)


def _scaled(term: ScoreTerm, absorbed: AbsorbedRows) -> ScoreTerm:
    return tuple(replace(c, rows=scaled_rows(c.rows, absorbed)) for c in term)


@dataclass(frozen=True)
class _EffectInfluence:
    """Work on a part: influence functions of a fixed-effects fit, and sums of them."""

    fit: FixedEffectsFit
    kind: VarianceKind
    n_units: int
    centres: StratumCentres | None = None

    def residuals(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return what each label adds, in coefficient units, the part being labelled throughout."""
        found = self.fit.scores_of(part, augmentation)
        return self._mapped(found.residual, found.leverage)

    def __call__(self, part: LabelledSample, augmentation: Augmentation) -> InfluenceSums:
        return InfluenceSums.of(self.rows(part, augmentation), part.clusters)

    def rows(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return the influence of every row."""
        found = self.fit.scores_of(part, augmentation)
        influence = self._mapped(found.psi, found.leverage)
        if self.centres is not None:
            residual = self._mapped(found.residual, found.leverage[part.positions])
            influence = self.centres.taken_off(
                influence, residual, part.probability, part.design, part.labelled
            )
        return influence

    def _mapped(self, scores: Float2D, leverage: Float1D) -> Float2D:
        values = small_sample_scores(scores, leverage, self.kind, self.n_units, len(self.fit.params))
        return influence_functions(values, self.fit.bread)


def estimate_effects(
    sample: Sample,
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
    term = None
    if estimator in ("tuned", "dsl"):
        term = terms[0] if terms else None
    elif estimator == "ppi":
        term = raw
    if term is None and estimator != "gold":
        raise ValueError(
            f"estimator={estimator!r} is not available with absorbed effects and a labelled covariate; "
            "use 'tuned', 'dsl', 'gold' or, with a surrogate for every label, 'ppi'."
        )
    kind = kind or ("HC3" if estimator in ("tuned", "gold") else "HC0")
    if isinstance(sample, LabelledSample) and sample.absorbed is None:
        sample = replace(sample, absorbed=absorber.rows)
    fit = fit_fixed_effects(sample, term, absorber, own_term_correction=own_term_correction)
    if fit is None:
        n_params = sample.gold.X.shape[1]
        raise NoRootError(no_root_message.format(n_labelled=sample.n_labelled, n_params=n_params, reason=""))
    work = _EffectInfluence(fit.lean(), kind, sample.n_labelled)
    residual = work.residuals(*sample.labelled_part(fit.augmentation))
    centres = StratumCentres.of(residual, sample.gold_probability, sample.drawn)
    work, found = replace(work, centres=centres), None
    if population == "superpopulation":
        found = sample.total(work, fit.augmentation)
    covariance = (
        labelling_covariance(residual, sample)
        if population == "finite" or found is None
        else found.covariance(sample.n_rows)
    )
    rows_of = InfluenceRows(work, fit.augmentation)
    return Estimate(
        params=fit.params,
        covariance=covariance,
        influence_of=partial(rows_of, sample, fit.augmentation)
        if isinstance(sample, LabelledSample)
        else None,
        rows_of=rows_of,
        by_cluster=None if found is None or not found.clusters else found.clusters[0].sums,
        residual_of=partial(as_it_is, residual),
        forecast_of=None if population == "finite" else partial(parts_of, covariance, residual, sample),
    )


def _taken_for_true(part: LabelledSample, rows: RegressionRows, absorbed: AbsorbedRows) -> LabelledSample:
    """Return rows as if all were labelled with certainty."""
    n = rows.n_rows
    return LabelledSample(
        moment=part.moment,
        gold=rows,
        labelled=np.ones(n, dtype=np.bool_),
        probability=np.ones(n),
        design=SamplingDesign(),
        clusters=part.clusters,
        absorbed=absorbed,
    )


@dataclass(frozen=True)
class _LabelsAlone:
    """Work on a part: influence functions of the fixed-effects fit of the labelled rows alone."""

    fit: FixedEffectsFit
    kind: VarianceKind
    n_units: int
    scale: float  # rows over labelled rows
    centres: StratumCentres | None = None

    def residuals(self, part: LabelledSample) -> Float2D:
        """Return what each labelled row adds, times its probability; the part is labelled throughout."""
        assert part.absorbed is not None
        rows = _taken_for_true(part, part.gold, _weighted_levels(part))
        found = self.fit.scores_of(rows, Augmentation(terms=((Component(rows=part.gold),),)))
        scores = small_sample_scores(found.psi, found.leverage, self.kind, self.n_units, len(self.fit.params))
        return influence_functions(scores, self.fit.bread) * self.scale * part.probability[:, None]

    def __call__(self, part: LabelledSample, augmentation: Augmentation) -> InfluenceSums:
        known, _ = part.labelled_part(Augmentation())
        residual = self.residuals(known)
        influence = np.zeros((part.n_rows, len(self.fit.params)))
        influence[part.positions] = residual * part.gold_weights[:, None]
        if self.centres is not None:
            influence = self.centres.taken_off(
                influence, residual, part.probability, part.design, part.labelled
            )
        return InfluenceSums.of(influence, part.clusters)


def _weighted_levels(part: LabelledSample) -> AbsorbedRows:
    """Return the levels of labelled rows with the root of analysis weights over probabilities."""
    assert part.absorbed is not None
    root = np.sqrt(1.0 / part.probability)
    return part.absorbed._replace(root=root if part.absorbed.root is None else root * part.absorbed.root)


def gold_within(sample: Sample, kind: VarianceKind | None, population: Population) -> SimpleFit | None:
    """Fit the fixed-effects regression of the labelled rows alone, weighted by inverse probabilities."""
    part, _ = sample.labelled_part(Augmentation())
    levels = _weighted_levels(part)
    assert levels.root is not None
    inside = Absorber(levels.codes, levels.root**2)
    fit = fit_fixed_effects(_taken_for_true(part, part.gold, levels), (Component(rows=part.gold),), inside)
    if fit is None:
        return None
    everyone = np.ones(sample.n_labelled, dtype=np.bool_)
    work = _LabelsAlone(
        fit.lean(),
        kind or "HC3",
        labelled_units(sample.drawn, everyone),
        sample.n_rows / sample.n_labelled,
    )
    residual = work.residuals(part)
    centres = StratumCentres.of(residual, sample.gold_probability, sample.drawn)
    if population == "finite":
        covariance, parts = labelling_covariance(residual, sample), None
    else:
        found = sample.total(
            replace(work, centres=centres),
            Augmentation(),
            labelled_only=centres is None,
        )
        covariance = found.covariance(sample.n_rows)
        parts = parts_of(covariance, residual, sample)
    std_error = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    return SimpleFit(params=fit.params, std_error=std_error, variance_parts=parts)


@dataclass(frozen=True)
class _MachineTruth:
    """A change of every part: machine labels taken for the truth in every row."""

    def __call__(
        self, part: LabelledSample, terms: tuple[ScoreTerm, ...]
    ) -> tuple[LabelledSample, tuple[ScoreTerm, ...]]:
        assert part.absorbed is not None
        *_, (raw,) = (t for t in terms if t)
        return _taken_for_true(part, raw.rows, part.absorbed), tuple(t and (raw,) for t in terms)


def naive_within(sample: Sample, raw: ScoreTerm, absorber: Absorber) -> SimpleFit | None:
    """Fit the fixed-effects regression that takes machine labels for the truth."""
    if isinstance(sample, LabelledSample) and sample.absorbed is None:
        sample = replace(sample, absorbed=absorber.rows)
    changed, (term,) = sample.changed(_MachineTruth(), (raw,))
    fit = fit_fixed_effects(changed, term, absorber)
    if fit is None:
        return None
    work = _EffectInfluence(fit.lean(), "HC0", 1)
    covariance = changed.total(work, fit.augmentation).covariance(sample.n_rows)
    return SimpleFit(params=fit.params, std_error=np.sqrt(np.clip(np.diag(covariance), 0.0, None)))
