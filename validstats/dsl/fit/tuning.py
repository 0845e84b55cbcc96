"""How much of the machine labels to use: the augmentation that minimises the variance of the estimate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np

from validstats._typing import Float1D, Float2D, Int1D
from validstats.dsl.fit.augmentation import (
    Augmentation,
    LabelledSample,
    Sample,
    ScoreTerm,
    expected_score,
)
from validstats.dsl.fit.estimation import (
    AugmentedFit,
    TuningKind,
    fit_augmented,
)
from validstats.dsl.moments import ClusterSums, SamplingDesign, sum_by_cluster

__all__ = [
    "UNTUNED",
    "ChosenAugmentation",
    "TunedFit",
    "choose_augmentation",
    "choose_tuning",
    "fit_tuned",
    "is_near",
    "steady_reach",
]


@dataclass(frozen=True, kw_only=True)
class TunedFit:
    """A fit whose augmentation was chosen to minimise its variance."""

    fit: AugmentedFit  # the solved estimating equation
    kind: TuningKind  # how freely the augmentation was scaled
    n_tuned: int  # number of tuning coefficients behind each coefficient of the model


def choose_tuning(n_units: int, n_params: int) -> TuningKind:
    """Return how freely the augmentation may be scaled with so many labelled units."""
    # ``"matrix"`` from 20 units a parameter on, ``"diagonal"`` from 30 units on, else ``"scalar"``.
    if n_units >= 20 * n_params:
        return "matrix"
    return "diagonal" if n_units >= 30 else "scalar"


@dataclass(frozen=True)
class _TuningData:
    """Scores on the drawn units, centred for the design, times the root of their weight."""

    gold: Float2D
    terms: tuple[Float2D, ...]
    centring: Float1D


def _labelled_codes(drawn: SamplingDesign) -> Int1D | None:
    """Return compact codes of the drawn units or strata of labelled rows."""
    if drawn.units is None:
        return None
    return np.unique(drawn.units, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _tuning_data(sample: Sample, gold: Float2D, terms: tuple[Float2D, ...]) -> _TuningData:
    probability, drawn = sample.gold_probability, sample.drawn
    codes = np.zeros(len(gold), dtype=np.int64)
    units = _labelled_codes(drawn)
    if drawn.scheme == "clusters":
        assert units is not None
        gold = sum_by_cluster(gold, units)
        terms = tuple(sum_by_cluster(t, units) for t in terms)
        probability = np.bincount(units, probability) / np.bincount(units)
        codes = np.zeros(len(gold), dtype=np.int64)
    elif drawn.scheme == "stratified":
        assert units is not None
        codes = units
    weight = (1.0 - probability) / probability**2
    total = np.bincount(codes, weight)
    return _TuningData(
        gold=_centre(gold, weight, codes) * np.sqrt(weight)[:, None],
        terms=tuple(_centre(t, weight, codes) * np.sqrt(weight)[:, None] for t in terms),
        centring=weight / np.where(total > 0.0, total, 1.0)[codes],
    )


def _centre(values: Float2D, weight: Float1D, codes: Int1D) -> Float2D:
    return values - _stratum_means(values, weight, codes)[codes]


def _stratum_means(values: Float2D, weight: Float1D, codes: Int1D) -> Float2D:
    total = np.bincount(codes, weight)
    sums = sum_by_cluster(values * weight[:, None], codes)
    return sums / np.where(total > 0.0, total, 1.0)[:, None]


@dataclass(frozen=True)
class _Smoother:
    """Ridge regression of one coefficient's gold influence on those of the terms, deviating from a prior."""

    slopes: Float1D
    fitted_numbers: float
    errors: Float1D


def _ridge_path(target: Float1D, regressors: Float2D, prior: Float1D, centring: Float1D) -> list[_Smoother]:
    """Return ridge fits at all penalties with their leave-one-out errors; the largest penalty is the prior."""
    norms = np.linalg.norm(regressors, axis=0)
    norms = np.where(norms > 0.0, norms, 1.0)
    left, singular, right = np.linalg.svd(regressors / norms, full_matrices=False)
    kept = singular > 1e-7 * max(singular.max(initial=0.0), 1e-300)
    left, singular, right = left[:, kept], singular[kept], right[kept]
    deviation = target - regressors @ prior
    rotated = left.T @ deviation
    found = []
    for penalty in _PENALTIES:
        shrink = singular**2 / (singular**2 + penalty) if np.isfinite(penalty) else np.zeros_like(singular)
        hat = np.clip(centring + left**2 @ shrink, None, 0.99)
        residual = (deviation - left @ (shrink * rotated)) / (1.0 - hat)
        slopes = prior + right.T @ (shrink / singular * rotated) / norms
        found.append(_Smoother(slopes, float(shrink.sum()), residual**2))
    return found


_PENALTIES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, np.inf)
"""Ridge penalties in units of the squared norm of a regressor; zero is least squares."""


def _is_better(candidate: _Smoother, incumbent: _Smoother) -> bool:
    """Tell whether leave-one-out errors fall by more than a standard error of the fall."""
    gain = incumbent.errors - candidate.errors
    return float(gain.mean()) > float(gain.std()) / math.sqrt(len(gain)) + 1e-12 * float(
        incumbent.errors.mean()
    )


def _least_error(candidates: Sequence[_Smoother]) -> _Smoother:
    return min(candidates, key=lambda c: float(c.errors.sum()))


def _best_slopes(
    gold: Float2D, terms: list[Float2D], centring: Float1D, kind: TuningKind
) -> tuple[list[Float2D], float]:
    """Return for every coefficient the slopes on all terms, chosen by leave-one-out error."""
    # The simplest candidates are plain design-based estimation (slope one on the first term) and gold-only
    # estimation (no slopes). Ridge paths from either, first on the coefficient's own terms and for
    # ``"matrix"`` then on those of all coefficients, replace them where the error falls by more than its
    # standard error.
    p, n_terms = gold.shape[1], len(terms)
    everything = np.column_stack(terms)
    slopes = np.zeros((n_terms * p, p))
    largest = 0.0
    for k in range(p):
        own = np.array([j * p + k for j in range(n_terms)])
        families = [own] if kind == "diagonal" else [own, np.arange(n_terms * p)]
        best: _Smoother | None = None
        chosen = own
        for columns in families:
            plain = (columns == k).astype(np.float64)
            paths = [
                _ridge_path(gold[:, k], everything[:, columns], prior, centring)
                for prior in (plain, np.zeros(len(columns)))
            ]
            if best is None:
                best = _least_error([path[-1] for path in paths])
            candidate = _least_error([found for path in paths for found in path])
            if _is_better(candidate, best):
                best, chosen = candidate, columns
        assert best is not None
        slopes[chosen, k] = best.slopes
        largest = max(largest, best.fitted_numbers)
    return [slopes[j * p : (j + 1) * p] for j in range(n_terms)], largest


def _scalar_slopes(gold: Float2D, terms: list[Float2D]) -> tuple[list[Float2D], float]:
    """Return one slope a term for all coefficients, each scaled to the same gold variance."""
    p, n_terms = gold.shape[1], len(terms)
    unit = np.linalg.norm(gold, axis=0)
    unit = np.where(unit > 0.0, unit, 1.0)
    flat = np.column_stack([(t / unit).ravel() for t in terms])
    target = (gold / unit).ravel()
    priors = (np.eye(n_terms)[0], np.zeros(n_terms))
    paths = [_ridge_path(target, flat, prior, np.zeros(len(target))) for prior in priors]
    best = _least_error([path[-1] for path in paths])
    candidate = _least_error([found for path in paths for found in path])
    if _is_better(candidate, best):
        best = candidate
    return [np.eye(p) * slope for slope in best.slopes], best.fitted_numbers


def _matrices(data: _TuningData, bread: Float2D, kind: TuningKind) -> tuple[tuple[Float2D, ...], float]:
    gold = data.gold @ bread.T
    terms = [t @ bread.T for t in data.terms]
    if kind == "scalar":
        slopes, fitted = _scalar_slopes(gold, terms)
    else:
        slopes, fitted = _best_slopes(gold, terms, data.centring, kind)
    inverse = np.linalg.inv(bread.T)
    return tuple(bread.T @ s @ inverse for s in slopes), fitted


def _constant(sample: Sample, remainder: Float2D) -> Float1D | Float2D:
    """Return the weighted mean of ``s - g``: one for all rows, one a stratum, or one a drawn cluster."""
    probability, drawn = sample.gold_probability, sample.drawn
    units = _labelled_codes(drawn)
    if drawn.scheme == "clusters":
        assert units is not None
        unit_probability = np.bincount(units, probability) / np.bincount(units)
        weight = (1.0 - unit_probability) / unit_probability**2
        sums = sum_by_cluster(remainder, units)
        return np.asarray(_stratum_means(sums, weight, np.zeros(len(sums), dtype=np.int64))[0])
    weight = (1.0 - probability) / probability**2
    if drawn.scheme == "stratified":
        assert units is not None
        assert drawn.units is not None
        table = np.zeros((int(drawn.units.max()) + 1, remainder.shape[1]))
        table[np.unique(drawn.units)] = _stratum_means(remainder, weight, units)
        return table
    return np.asarray(_stratum_means(remainder, weight, np.zeros(len(remainder), dtype=np.int64))[0])


def fit_tuned(terms: tuple[ScoreTerm, ...], pilot: AugmentedFit, kind: TuningKind | None = None) -> TunedFit:
    """Fit with the augmentation of least variance in the span of the given expected scores and a constant."""
    # Each coefficient's gold influence is regressed on those of the expected scores over the labelled units,
    # with weights ``(1 - pi) / pi^2``: the residual of that regression is what the labelling design adds to
    # the variance. The regression is at the level at which labels were drawn: rows, rows centred within
    # strata, or cluster sums. It starts from plain design-based or gold-only estimation, whichever has the
    # smaller leave-one-out error, and moves along a ridge path where that error falls by more than its
    # standard error; least squares is at the end of the path, so that in the limit nothing in the span has
    # less variance, and few or heavy-tailed labels cost little.
    # Source: Chen and Chen (2000), JRSS-B 62, 449-460; Robins, Rotnitzky and Zhao (1994), JASA 89, 846-866.
    sample = pilot.sample
    found = choose_augmentation(sample, terms, pilot.params, pilot.bread, kind)
    if found is None:
        return TunedFit(fit=pilot, kind="none", n_tuned=0)
    root = fit_augmented(sample, found.augmentation, start=pilot.params)
    if root is None or not is_near(root.params, pilot.params, _standard_errors(pilot), found.n_units):
        return TunedFit(fit=replace(pilot, fallback=UNTUNED), kind="none", n_tuned=0)
    return TunedFit(fit=root, kind=found.kind, n_tuned=found.n_tuned)


UNTUNED = "the untuned estimate: the tuned one has no root within reach of it"
"""What a fit says whose tuning was given up."""


@dataclass(frozen=True)
class ChosenAugmentation:
    """The augmentation of least variance, and how it was found."""

    augmentation: Augmentation  # the function ``g``
    kind: TuningKind  # how freely it was scaled
    n_tuned: int  # number of tuning coefficients behind each coefficient of the model
    n_units: int  # labelled rows, or labelled clusters


def choose_augmentation(
    sample: Sample,
    terms: tuple[ScoreTerm, ...],
    params: Float1D,
    bread: Float2D,
    kind: TuningKind | None = None,
) -> ChosenAugmentation | None:
    """Return the augmentation of least variance in the span of expected scores and a constant."""
    gold = sample.moment.score(sample.gold, params)
    part, known = sample.labelled_part(Augmentation(terms=terms))
    scores = tuple(expected_score(part.moment, term, params) for term in known.terms)
    data = _tuning_data(sample, gold, scores)
    if not np.any(data.gold):
        return None
    if kind is None:
        kind = choose_tuning(len(data.gold), gold.shape[1])
    matrices, fitted = _matrices(data, bread, kind)
    mapped = np.sum([s @ m for s, m in zip(scores, matrices, strict=True)], axis=0)
    constant = _constant(sample, gold - mapped)
    return ChosenAugmentation(
        augmentation=Augmentation(terms=terms, matrices=matrices, constant=constant),
        kind=kind,
        n_tuned=1 + math.ceil(fitted),
        n_units=len(data.gold),
    )


def is_near(params: Float1D, pilot: Float1D, std_errors: Float1D, n_units: int) -> bool:
    """Tell whether a tuned estimate is within :func:`steady_reach` standard errors of the untuned one."""
    return bool(np.all(np.abs(params - pilot) <= steady_reach(n_units) * std_errors))


def steady_reach(n_units: int) -> float:
    """Return how many of its standard errors a tuned estimate may be from the untuned one."""
    # Two consistent estimates of which one is efficient differ by less than a standard error of the other, in
    # the limit; a larger gap says that the tuned equation has a second root, or follows chance. The reach
    # grows without bound, so that in the limit the tuned estimate is always kept.
    # ``(n_units / 160) ** (1 / 4)``.
    # Source: Hausman (1978), Econometrica 46, 1251-1271, for the size of the gap; the rate is ours.
    return float((n_units / 160.0) ** 0.25)


def _standard_errors(fit: AugmentedFit) -> Float1D:
    """Return standard errors of a fit, rows or drawn clusters being independent, without corrections."""
    meat = fit.sample.total(partial(_unit_squares, fit=fit.lean()), fit.augmentation).square
    return np.sqrt(np.diag(fit.bread @ meat @ fit.bread.T)) / fit.sample.n_rows


def _unit_squares(part: LabelledSample, augmentation: Augmentation, fit: AugmentedFit) -> UnitSquares:
    psi = fit.rows_of(part, augmentation)
    if part.design.scheme != "clusters":
        return UnitSquares(rows=psi.T @ psi)
    assert part.design.units is not None
    return UnitSquares(units=ClusterSums.of(part.design.units, psi))


@dataclass(frozen=True)
class UnitSquares:
    """Sums of outer products of ``psi`` over rows, or what gives them over drawn clusters; parts add."""

    rows: Float2D | None = None
    units: ClusterSums | None = None

    def __add__(self, other: Self) -> Self:
        if self.units is not None and other.units is not None:
            return type(self)(units=self.units + other.units)
        assert self.rows is not None
        assert other.rows is not None
        return type(self)(rows=self.rows + other.rows)

    @property
    def square(self) -> Float2D:
        """The sum of outer products."""
        if self.units is not None:
            return self.units.sums.T @ self.units.sums
        assert self.rows is not None
        return self.rows
