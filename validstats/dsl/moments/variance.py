"""Variances of design-based estimates: meat, corrections for small samples, clusters, finite populations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy import stats

from validstats._typing import Bool1D, Float1D, Float2D, Int1D

__all__ = [
    "SamplingDesign",
    "VarianceKind",
    "centred_influence",
    "clustered_meat",
    "critical_value",
    "design_meat",
    "drawn_deviations",
    "effective_labels",
    "forecast_variance",
    "influence_functions",
    "kish_size",
    "labelled_units",
    "median_of_splits",
    "meat_parts",
    "sandwich",
    "small_sample_scores",
    "sum_by_cluster",
]

VarianceKind: TypeAlias = Literal["HC0", "HC1", "HC2", "HC3"]
"""Small-sample corrections of the sandwich, named as for linear regression."""

SamplingScheme: TypeAlias = Literal["independent", "simple", "stratified", "clusters"]
"""Poisson sampling row by row, a fixed number at random, the same within strata, or whole clusters."""


@dataclass(frozen=True, kw_only=True)
class SamplingDesign:
    """How rows were chosen for expert labelling."""

    # ``"independent"``: each row by its own coin (Poisson sampling). ``"simple"``: a fixed number of rows,
    # all subsets equally likely. ``"stratified"``: the same within strata. ``"clusters"``: whole clusters,
    # each by its own coin or, with ``strata``, a fixed number
    scheme: SamplingScheme = "independent"
    units: Int1D | None = None  # stratum codes for ``"stratified"``, cluster codes for ``"clusters"``
    # for ``"clusters"``, codes of the strata within which a fixed number of clusters was drawn; a cluster
    # lies in one stratum. None if each cluster was drawn by its own coin
    strata: Int1D | None = None

    def fixed_strata(self, n_rows: int) -> Int1D | None:
        """Return the strata within which the number of drawn units was fixed."""
        if self.scheme == "simple":
            return np.zeros(n_rows, dtype=np.int64)
        return self.units if self.scheme == "stratified" else self.strata


def sum_by_cluster(values: Float2D, codes: Int1D) -> Float2D:
    """Return the sums of rows within clusters."""
    n_clusters = int(codes.max()) + 1
    return np.column_stack(
        [np.bincount(codes, values[:, j], minlength=n_clusters) for j in range(values.shape[1])]
    )


def clustered_meat(psi: Float2D, clusters: Sequence[Int1D] = ()) -> Float2D:
    """Return the meat of the sandwich, for independent rows or one- or two-way clusters."""
    # Sum of outer products of cluster sums, divided by ``n``. Two ways are combined as the first plus the
    # second minus their intersection; a negative eigenvalue of the result is set to zero.
    # Source: Cameron, Gelbach and Miller (2011), Journal of Business and Economic Statistics 29, 238-249.
    n = len(psi)
    if len(clusters) == 0:
        return psi.T @ psi / n
    sums = [sum_by_cluster(psi, codes) for codes in clusters]
    meats = [s.T @ s / n for s in sums]
    if len(clusters) == 1:
        return meats[0]
    if len(clusters) > 2:
        raise ValueError(f"Variances can be clustered in one or two ways; {len(clusters)} were given.")
    pairs = clusters[0] * (int(clusters[1].max()) + 1) + clusters[1]
    both = sum_by_cluster(psi, np.unique(pairs, return_inverse=True)[1].reshape(-1))
    total = meats[0] + meats[1] - both.T @ both / n
    values, vectors = np.linalg.eigh((total + total.T) / 2.0)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def meat_parts(
    expected: Float2D, correction: Float2D, clusters: Sequence[Int1D] = ()
) -> tuple[Float2D, Float2D]:
    """Split the meat into the part that more labels shrink and the rest."""
    total = clustered_meat(expected + correction, clusters)
    main_1 = correction.T @ correction / len(correction)
    return main_1, total - main_1


def sandwich(bread: Float2D, meat: Float2D, n_rows: int) -> Float2D:
    """Return ``bread @ meat @ bread.T / n``, symmetrised."""
    covariance = bread @ meat @ bread.T / n_rows
    return (covariance + covariance.T) / 2.0


def forecast_variance(
    bread: Float2D, main_1: Float2D, main_23: Float2D, n_rows: int, label_ratio: float
) -> Float2D:
    """Return the covariance to expect with ``1 / label_ratio`` times as many labels."""
    return sandwich(bread, label_ratio * main_1 + main_23, n_rows)


def small_sample_scores(
    psi: Float2D, leverage: Float1D, kind: VarianceKind, n_labelled: int, n_fitted: int
) -> Float2D:
    """Return scores inflated for the parameters that were fitted to them."""
    if kind == "HC0":
        return psi
    if kind == "HC1":
        return psi * np.sqrt(n_labelled / max(n_labelled - n_fitted, 1))
    room = np.clip(1.0 - leverage, 0.01, None)[:, None]
    return psi / np.sqrt(room) if kind == "HC2" else psi / room


def design_meat(
    residual: Float2D, probability: Float1D, n_rows: int, design: SamplingDesign, labelled: Bool1D
) -> Float2D:
    """Return the meat that comes from the choice of rows to label alone, the population held fixed."""
    # For independent sampling ``sum (1 - pi) / pi^2 r r' / n``; for a fixed number of rows the same with
    # ``r`` centred (within strata) and ``n_h / (n_h - 1)``; for whole clusters with ``r`` summed by cluster.
    # Source: Saerndal, Swensson and Wretman (1992), Model Assisted Survey Sampling, Sections 3.5-3.7 and 6.6.
    # Hajek (1964), Annals of Mathematical Statistics 35, 1491-1523, for a fixed number with unequal
    # probabilities.
    deviations, unit_probability = drawn_deviations(residual, probability, design, labelled)
    scaled = deviations * np.sqrt(1.0 - unit_probability)[:, None]
    return scaled.T @ scaled / n_rows


@dataclass(frozen=True)
class _DrawnUnits:
    """What the labelled units add, divided by their probabilities."""

    expanded: Float2D
    probability: Float1D
    strata: Int1D | None


def _drawn_units(
    residual: Float2D, probability: Float1D, design: SamplingDesign, labelled: Bool1D
) -> _DrawnUnits:
    expanded = residual / probability[:, None]
    strata = design.fixed_strata(len(labelled))
    strata = None if strata is None else strata[labelled]
    if design.scheme != "clusters":
        return _DrawnUnits(expanded, probability, strata)
    assert design.units is not None
    _, first, codes = np.unique(design.units[labelled], return_index=True, return_inverse=True)
    codes = codes.reshape(-1)
    return _DrawnUnits(
        expanded=sum_by_cluster(expanded, codes),
        probability=np.bincount(codes, probability) / np.bincount(codes),
        strata=None if strata is None else strata[first],
    )


def _stratum_centres(units: _DrawnUnits) -> tuple[Float2D, Float1D]:
    """Return the mean of every stratum and ``n_h / (n_h - 1)``; zero and one where a single unit was drawn."""
    assert units.strata is not None
    size = np.bincount(units.strata).astype(float)
    weight = 1.0 - units.probability
    weight = np.where(np.bincount(units.strata, weight)[units.strata] > 0.0, weight, 1.0)
    total = np.bincount(units.strata, weight)
    sums = sum_by_cluster(units.expanded * weight[:, None], units.strata)
    several = size > 1.0
    centre = np.where(several, 1.0 / np.where(several, total, 1.0), 0.0)[:, None] * sums
    return centre, np.where(several, size / np.where(several, size - 1.0, 1.0), 1.0)


def drawn_deviations(
    residual: Float2D, probability: Float1D, design: SamplingDesign, labelled: Bool1D
) -> tuple[Float2D, Float1D]:
    """Return what each labelled unit adds, as it deviates from what the design fixes."""
    # ``r / pi``, summed within clusters that were drawn as a whole; where the number of units in a stratum
    # was fixed, less their mean there with weights ``1 - pi``, times the root of ``n_h / (n_h - 1)``.
    units = _drawn_units(residual, probability, design, labelled)
    if units.strata is None:
        return units.expanded, units.probability
    centre, inflation = _stratum_centres(units)
    deviations = units.expanded - centre[units.strata]
    return deviations * np.sqrt(inflation)[units.strata][:, None], units.probability


def centred_influence(
    influence: Float2D, residual: Float2D, probability: Float1D, design: SamplingDesign, labelled: Bool1D
) -> Float2D:
    """Return influence functions without the part of the residual that a fixed number of labels cancels."""
    # Where the number of units in a stratum was fixed, ``sum (w_i - 1) c`` is zero for any constant ``c``.
    # Taking ``(w_i - 1)`` times the mean residual of the stratum off every row leaves the estimate as it is,
    # and the mean square of what remains is its variance.
    # The same for units that were drawn independently. Deviations within strata are multiplied by the root of
    # ``n_h / (n_h - 1)``, relative to that of a single stratum, for which small-sample corrections account.
    strata = design.fixed_strata(len(labelled))
    if strata is None:
        return influence
    units = _drawn_units(residual, probability[labelled], design, labelled)
    assert units.strata is not None
    centre, inflation = _stratum_centres(units)
    table = np.zeros((int(strata.max()) + 1, residual.shape[1]))
    table[: len(centre)] = centre
    expected = table[strata] * probability[:, None]
    if design.scheme == "clusters":
        assert design.units is not None
        expected /= np.bincount(design.units)[design.units][:, None]
    excess = (labelled / probability - 1.0)[:, None]
    n_units = len(units.expanded)
    relative = np.where(inflation > 1.0, np.sqrt(inflation * (n_units - 1.0) / n_units), 1.0)
    centred = influence - excess * expected
    centred[labelled] += (
        (relative[strata[labelled]] - 1.0)[:, None] * excess[labelled] * (residual - expected[labelled])
    )
    return centred


def labelled_units(design: SamplingDesign, labelled: Bool1D) -> int:
    """Return the number of labelled sampling units."""
    if design.scheme != "clusters":
        return int(np.sum(labelled))
    assert design.units is not None
    return len(np.unique(design.units[labelled]))


def influence_functions(psi: Float2D, bread: Float2D) -> Float2D:
    """Return the influence function of every row on every coefficient."""
    # ``psi @ bread.T``; the estimate minus the truth is close to its mean.
    return psi @ bread.T


def critical_value(alpha: float, degrees_of_freedom: float | None) -> float:
    """Return the two-sided critical value of the t or, without degrees of freedom, the normal distribution."""
    # Upper ``alpha / 2`` quantile.
    if degrees_of_freedom is None:
        return float(stats.norm.isf(alpha / 2.0))
    return float(stats.t.isf(alpha / 2.0, degrees_of_freedom))


def effective_labels(
    n_labelled: int,
    gold_variance: Float1D,
    variance: Float1D,
    n_rows: int | None = None,
    *,
    finite: bool = False,
) -> Float1D:
    """Return how many expert labels alone would have given the same variance, per coefficient."""
    # ``n_labelled * ratio`` with ``ratio = gold_variance / variance``; in a finite population, where the
    # variance with ``m`` labels is proportional to ``1 / m - 1 / n_rows``, divided by ``1 - f + f * ratio``
    # with ``f = n_labelled / n_rows``.
    if n_rows is None:
        return n_labelled * gold_variance / variance
    if n_labelled == n_rows:
        return np.full(len(variance), float(n_rows))
    share = n_labelled / n_rows if finite else 0.0
    exhausted = variance <= 0.0
    ratio = gold_variance / np.where(exhausted, 1.0, variance)
    found = np.minimum(n_labelled * ratio / (1.0 - share + share * ratio), float(n_rows))
    return np.where(exhausted, float(n_rows), found)


def kish_size(weights: Float1D) -> float:
    """Return Kish's effective sample size of unequal weights, ``(sum w)^2 / sum w^2``."""
    return float(weights.sum() ** 2 / np.sum(weights**2))


def median_of_splits(params: Float2D, covariances: Float2D) -> tuple[Float1D, Float1D, Float2D]:
    """Aggregate repeated sample splits by medians, as the R package ``dsl`` does."""
    # Source: Chernozhukov et al. (2018), The Econometrics Journal 21, C1-C68, Definition 3.3.
    estimate = np.median(params, axis=0)
    distance = params - estimate
    spread = covariances + distance[:, :, None] * distance[:, None, :]
    std_error = np.sqrt(np.median(np.diagonal(spread, axis1=1, axis2=2), axis=0))
    return estimate, std_error, np.median(spread, axis=0)
