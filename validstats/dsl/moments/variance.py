"""Variances of design-based estimates: meat, corrections for small samples, clusters, finite populations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Protocol, Self, TypeAlias

import numpy as np
from scipy import special

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, FloatND, Int1D
from validstats.exceptions import LabellingWarning, few_clusters_message, warn

__all__ = [
    "ClusterSums",
    "LabelForecast",
    "SamplingDesign",
    "StratumCentres",
    "VarianceKind",
    "VarianceParts",
    "centred_influence",
    "checked_clusters",
    "cluster_codes",
    "cluster_degrees",
    "cluster_ways",
    "clustered_meat",
    "combined_meat",
    "coverage_lost_by_normal_quantile",
    "coverage_lost_to_skewness",
    "critical_value",
    "design_meat",
    "drawn_deviations",
    "effective_labels",
    "few_levels",
    "forecast_variance",
    "is_constant",
    "is_too_skewed",
    "influence_functions",
    "kish_size",
    "labelled_units",
    "meat_parts",
    "median_of_splits",
    "repeated",
    "sandwich",
    "search_labels",
    "share_that_holds",
    "small_sample_scores",
    "sorted_levels",
    "sum_by_cluster",
    "text_codes",
    "without_single_rows",
    "variance_parts",
    "warn_about_clusters",
]


_FIRST_ROWS, _FEW_VALUES = 1000, 8
"""Rows in which distinct values are looked for first, and how many are told apart by comparing."""


def cluster_codes(labels: AnyArray) -> Int1D:
    """Return integer codes ``0..G-1`` of cluster or stratum labels."""
    values = np.asarray(labels)
    codes = sorted_levels(values)[1]
    # labels that are such codes are copied: the caller goes on working on them
    return codes.copy() if np.may_share_memory(codes, values) else codes


def text_codes(labels: AnyArray) -> Int1D:
    """Return integer codes ``0..G-1`` of labels in the order of their text."""
    values = np.asarray(labels)
    if values.dtype.kind not in "iu":
        return cluster_codes(values.astype(str))
    # whole numbers have one text each: the levels are put in order, not the rows
    levels, codes = sorted_levels(values)
    place = np.empty(len(levels), dtype=np.int64)
    place[np.argsort(levels.astype(str), kind="stable")] = np.arange(len(levels))
    return place[codes]


def without_single_rows(clusters: tuple[Int1D, ...]) -> tuple[Int1D, ...]:
    """Return cluster codes, or none where every cluster is one row: rows are then the units."""
    return clusters if any(len(codes) > codes.max() + 1 for codes in clusters) else ()


def few_levels(values: AnyArray) -> tuple[AnyArray, Int1D] | None:
    """Return the sorted distinct values and the place of every value, where the first rows show all and they are few."""
    if values.dtype.kind not in "fiub" or values.ndim != 1:
        return None
    levels = np.unique(values[:_FIRST_ROWS])
    if not 0 < len(levels) <= _FEW_VALUES:
        return None
    codes, n_known = np.zeros(len(values), dtype=np.int64), np.count_nonzero(values == levels[0])
    for level in levels[1:]:
        codes += values >= level
        n_known += np.count_nonzero(values == level)
    return (levels, codes) if n_known == len(values) else None


def sorted_levels(values: AnyArray) -> tuple[AnyArray, Int1D]:
    """Return the sorted distinct values and the place of every value among them."""
    few = few_levels(values)
    if few is not None:
        return few
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < 4 * len(values) + 1000 and high < 2**62:
            # integers that lie close together are looked up in a table, not sorted
            offset = values.astype(np.int64, copy=False)
            offset = offset - low if low else offset
            present = np.zeros(high - low + 1, dtype=np.bool_)
            present[offset] = True
            levels = (np.flatnonzero(present) + low).astype(values.dtype)
            if len(levels) == len(present):
                return levels, offset
            return levels, (np.cumsum(present) - 1)[offset]
    levels, codes = np.unique(values, return_inverse=True)
    return levels, codes.reshape(-1).astype(np.int64)


one_cluster_message = (
    "clusters puts all rows in one cluster, from which no variance can be estimated; cluster by something finer, or not "
    "at all."
)


def checked_clusters(labels: AnyArray, n_rows: int) -> Int1D:
    """Return cluster codes for a variance, which needs two clusters at least."""
    values = np.asarray(labels)
    if values.shape != (n_rows,):
        raise ValueError(
            f"clusters must have one label for each of the {n_rows} rows; got shape {values.shape}."
        )
    codes = cluster_codes(values)
    if codes.max() == 0:
        raise ValueError(one_cluster_message)
    return codes


def _labelled_clusters(clusters: Sequence[Int1D], labelled: Bool1D) -> int:
    return min(len(np.unique(codes[labelled])) for codes in clusters)


def cluster_degrees(clusters: Sequence[Int1D], labelled: Bool1D) -> float | None:
    """Return degrees of freedom of the t distribution for clustered standard errors, or None for normal
    quantiles."""
    n_clusters = _labelled_clusters(clusters, labelled)
    return float(max(n_clusters - 1, 1)) if n_clusters < 200 else None


def warn_about_clusters(clusters: Sequence[Int1D], labelled: Bool1D, name: str | None) -> None:
    """Warn if fewer than 50 clusters carry expert labels."""
    if not clusters:
        return
    n_clusters = _labelled_clusters(clusters, labelled)
    if n_clusters < 50:
        message = few_clusters_message.format(n_clusters=n_clusters, name=name or "given clusters")
        warn(message, LabellingWarning)


class LabelForecast(Protocol):
    """What an estimate says about other numbers of labels."""

    def std_errors(self, label_ratio: float) -> Float1D:
        """Return the standard errors to expect where the present labels are ``label_ratio`` times as many."""

    def labels_needed(self, n_labelled: int, n_rows: int, target: Float1D) -> Float1D:
        """Return the number of labels with which standard errors reach a target, infinite where none does."""


def search_labels(forecast: LabelForecast, n_labelled: int, n_rows: int, target: Float1D) -> Float1D:
    """Return the fewest labels whose forecast reaches a target, by halving; infinite where all rows do not."""
    low, high = np.ones(len(target)), np.full(len(target), float(n_rows))
    reached = forecast.std_errors(n_labelled / n_rows) <= target
    while np.any(high - low > 1.0):
        middle = np.floor((low + high) / 2.0)
        for size in np.unique(middle):
            errors, here = forecast.std_errors(n_labelled / size), middle == size
            enough = errors <= target
            high = np.where(here & enough, middle, high)
            low = np.where(here & ~enough, np.maximum(middle, low), low)
    return np.where(reached, high, np.inf)


@dataclass(frozen=True, kw_only=True)
class VarianceParts:
    """Covariance of an estimate, split into what more labels shrink and what they do not."""

    covariance: FloatND  # covariance of each sample split, ``S = 1`` unless medians of splits are reported
    # the part that is inversely proportional to the number of labels, ``J^-1 main_1 J^-T / n``
    label_covariance: FloatND

    @classmethod
    def stack(cls, parts: Sequence[VarianceParts]) -> Self:
        """Put the parts of several sample splits together."""
        return cls(
            covariance=np.concatenate([p.covariance for p in parts]),
            label_covariance=np.concatenate([p.label_covariance for p in parts]),
        )

    def variances(self, label_ratio: float) -> Float2D:
        """Return the variances to expect in every split."""
        # ``diag(J^-1 [ratio main_1 + main_23] J^-T) / n``. A forecast below the part that labels cannot
        # shrink to zero may be negative for many labels; it is then the present variance times the ratio, a
        # lower bound of what more labels leave.
        present = np.diagonal(self.covariance, axis1=1, axis2=2)
        labels = np.diagonal(self.label_covariance, axis1=1, axis2=2)
        forecast = present + (label_ratio - 1.0) * labels
        return np.where(forecast > 0.0, forecast, present * label_ratio)

    def std_errors(self, label_ratio: float) -> Float1D:
        """Return the standard errors to expect, medians over splits."""
        return np.median(np.sqrt(self.variances(label_ratio)), axis=0)

    def labels_needed(self, n_labelled: int, n_rows: int, target: Float1D) -> Float1D:
        """Return the number of labels with which standard errors reach a target, infinite where none does."""
        present = np.diagonal(self.covariance, axis1=1, axis2=2)
        labels = np.diagonal(self.label_covariance, axis1=1, axis2=2)
        room = target**2 - (present - labels)
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = np.where(room > 0.0, n_labelled * labels / room, np.inf)
        return np.ceil(np.median(needed, axis=0) - 1e-9)


def variance_parts(
    covariance: Float2D,
    residual: Float2D,
    probability: Float1D,
    n_rows: int,
    design: SamplingDesign,
    labelled: Bool1D,
) -> VarianceParts:
    """Split the covariance of an estimate for planning."""
    # Source: Egami et al. (2024), framework paper of the R package ``dsl``, function ``power_dsl``.
    scaled, _ = drawn_deviations(residual, probability, design, labelled)
    label_covariance = scaled.T @ scaled / n_rows**2
    return VarianceParts(covariance=covariance[None].copy(), label_covariance=label_covariance[None])


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

    # for ``"clusters"``, the number of rows of every row's cluster; None counts ``units``
    sizes: Int1D | None = None

    @property
    def draws_clusters(self) -> bool:
        """Whether whole clusters were drawn."""
        return self.scheme == "clusters"

    @property
    def within_strata(self) -> bool:
        """Whether a fixed number of rows was drawn in every stratum."""
        return self.scheme == "stratified"

    @property
    def one_stratum(self) -> bool:
        """Whether the number of drawn rows was fixed among all rows."""
        return self.scheme == "simple"

    @property
    def fixes_numbers(self) -> bool:
        """Whether a number of drawn units was fixed, among all or within strata."""
        return self.one_stratum or self.within_strata or self.strata is not None

    def take(self, rows: AnyArray | slice) -> SamplingDesign:
        """Return the design of some of the rows."""
        if self.units is None:
            return self
        return replace(
            self,
            units=self.units[rows],
            strata=None if self.strata is None else self.strata[rows],
            sizes=self.cluster_sizes[rows] if self.draws_clusters else None,
        )

    @property
    def sized(self) -> SamplingDesign:
        """The same, which knows the sizes of drawn clusters."""
        return self._counted if self.draws_clusters else self

    @cached_property
    def _counted(self) -> SamplingDesign:
        return replace(self, sizes=self.cluster_sizes)

    @property
    def cluster_sizes(self) -> AnyArray:
        """Number of rows of every row's drawn cluster, shape ``(n,)``."""
        assert self.units is not None
        # as half words: it is one number a row
        return np.bincount(self.units).astype(np.int32)[self.units] if self.sizes is None else self.sizes

    def row_values(self, constant: FloatND) -> FloatND:
        """Return for every row a constant of all rows or of its stratum, shared by the rows of a drawn cluster."""
        if self.draws_clusters:
            return constant / self.cluster_sizes[:, None]
        if constant.ndim == 1:
            return constant
        assert self.units is not None
        known = self.units < len(constant)  # strata without a label have no constant
        return np.where(known[:, None], constant[np.where(known, self.units, 0)], 0.0)

    def fixed_strata(self, n_rows: int) -> Int1D | None:
        """Return the strata within which the number of drawn units was fixed."""
        if self.one_stratum:
            return np.zeros(n_rows, dtype=np.int64)
        return self.units if self.within_strata else self.strata


def repeated(value: float, *shape: int) -> FloatND:
    """Return an array of one number, which is kept once."""
    found = np.ndarray(shape, buffer=np.array([value]), strides=(0,) * len(shape))
    found.flags.writeable = False
    return found


def is_constant(values: Float1D) -> bool:
    """Tell whether all values are one number."""
    if not len(values) or values[0] != values[-1]:
        return False
    return values.strides == (0,) or bool(values.min() == values.max())


def entries_at(values: Float1D, rows: AnyArray) -> Float1D:
    """Return the entries of some rows, given by their positions; of one number that is kept once as it is kept."""
    return values[: len(rows)] if values.strides == (0,) else values[rows]


def sum_by_cluster(values: Float2D, codes: Int1D) -> Float2D:
    """Return the sums of rows within clusters."""
    n_clusters = int(codes.max()) + 1
    return np.column_stack(
        [np.bincount(codes, values[:, j], minlength=n_clusters) for j in range(values.shape[1])]
    )


@dataclass(frozen=True)
class ClusterSums:
    """Sums of values within clusters; sums of disjoint rows add by cluster."""

    codes: Int1D  # sorted codes of the clusters, shape ``(G,)``
    sums: Float2D  # shape ``(G, p)``

    @classmethod
    def of(cls, codes: Int1D, values: Float2D) -> Self:
        """Sum values by cluster."""
        found, compact = sorted_levels(codes)
        return cls(codes=found, sums=sum_by_cluster(values, compact))

    def __add__(self, other: Self) -> Self:
        return type(self).of(
            np.concatenate([self.codes, other.codes]), np.concatenate([self.sums, other.sums])
        )


def cluster_ways(clusters: Sequence[Int1D]) -> tuple[Int1D, ...]:
    """Return cluster codes with those of the intersection, where clusters have two ways."""
    if len(clusters) > 2:
        raise ValueError(f"Variances can be clustered in one or two ways; {len(clusters)} were given.")
    if len(clusters) < 2:
        return tuple(clusters)
    return clusters[0], clusters[1], clusters[0] * np.int64(2**31) + clusters[1]


def combined_meat(meats: Sequence[Float2D]) -> Float2D:
    """Return the meat of one way, or of two ways as the first plus the second minus their intersection."""
    # A negative eigenvalue of the difference is set to zero.
    # Source: Cameron, Gelbach and Miller (2011), Journal of Business and Economic Statistics 29, 238-249.
    if len(meats) == 1:
        return meats[0]
    total = meats[0] + meats[1] - meats[2]
    values, vectors = np.linalg.eigh((total + total.T) / 2.0)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def clustered_meat(psi: Float2D, clusters: Sequence[Int1D] = ()) -> Float2D:
    """Return the meat of the sandwich, the mean outer product of rows or of sums within one- or two-way clusters."""
    if not len(clusters):
        return psi.T @ psi / len(psi)
    sums = [ClusterSums.of(codes, psi).sums for codes in cluster_ways(clusters)]
    return combined_meat([s.T @ s / len(psi) for s in sums])


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
    if design.one_stratum:
        return _DrawnUnits(expanded, probability, np.zeros(len(expanded), dtype=np.int64))
    strata = design.fixed_strata(len(labelled))
    strata = None if strata is None else strata[labelled]
    if not design.draws_clusters:
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
    weight = 1.0 - units.probability
    if not units.strata.any():
        # one stratum
        n = len(weight)
        weight = weight if weight.sum() > 0.0 else np.ones(n)
        centre = weight @ units.expanded / weight.sum() if n > 1 else np.zeros(units.expanded.shape[1])
        return centre[None], np.array([n / (n - 1.0) if n > 1 else 1.0])
    size = np.bincount(units.strata).astype(float)
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
    if len(centre) == 1:
        return (units.expanded - centre) * np.sqrt(inflation), units.probability
    deviations = units.expanded - centre[units.strata]
    return deviations * np.sqrt(inflation)[units.strata][:, None], units.probability


@dataclass(frozen=True)
class StratumCentres:
    """Mean contributions that a fixed number of labels cancels, by stratum, and how deviations are inflated."""

    centre: Float2D
    relative: Float1D

    @classmethod
    def of(cls, residual: Float2D, probability: Float1D, drawn: SamplingDesign) -> StratumCentres | None:
        """Return the centres of residuals of labelled rows, None where units were drawn independently."""
        if not drawn.fixes_numbers:
            return None
        units = _drawn_units(residual, probability, drawn, np.ones(len(residual), dtype=np.bool_))
        centre, inflation = _stratum_centres(units)
        # n_h / (n_h - 1), relative to that of a single stratum, for which small-sample corrections account
        n_units = len(units.expanded)
        relative = np.where(inflation > 1.0, np.sqrt(inflation * (n_units - 1.0) / n_units), 1.0)
        return cls(centre, relative)

    def added_squares(
        self, scores: Float2D | None, probability: Float1D, design: SamplingDesign, labelled: Bool1D
    ) -> tuple[Float2D, Float2D | None]:
        """Return sums over rows without a label: ``sum q^2 c c'``, and ``sum q g`` of each stratum for scores ``g``.

        ``q`` says how often the centre ``c`` of the stratum is added to the row; scores of labelled rows are zero.
        """
        times = probability / design.cluster_sizes if design.draws_clusters else probability
        if not (design.within_strata or design.draws_clusters):
            centred = self.centre.T @ self.centre
            if is_constant(times):
                once = float(times[0])
                n_apart = len(labelled) - int(np.count_nonzero(labelled))
                square = n_apart * once**2 * centred
                # a product adds few columns faster than a sum along the rows
                return square, None if scores is None else (np.full(len(scores), once) @ scores)[None]
            apart = times[~labelled]
            return (apart @ apart) * centred, None if scores is None else (times @ scores)[None]
        strata = design.fixed_strata(len(labelled))
        assert strata is not None
        times = np.where(labelled | (strata >= len(self.centre)), 0.0, times)
        stratum, size = np.minimum(strata, len(self.centre) - 1), len(self.centre)
        square = (self.centre * np.bincount(stratum, times**2, minlength=size)[:, None]).T @ self.centre
        if scores is None:
            return square, None
        return square, np.column_stack([np.bincount(stratum, times * g, minlength=size) for g in scores.T])

    def taken_off(
        self,
        influence: Float2D,
        residual: Float2D,
        probability: Float1D,
        design: SamplingDesign,
        labelled: Bool1D,
    ) -> Float2D:
        """Return influence functions of some rows, the labelled ones with these residuals, less the centres."""
        # Where the number of units in a stratum was fixed, ``sum (w_i - 1) c`` is zero for any constant ``c``.
        # Taking ``(w_i - 1)`` times the mean residual of the stratum off every row leaves the estimate as it is,
        # and the mean square of what remains is its variance.
        # Without a label ``w_i`` is zero; with one ``(w_i - 1)`` times the residual less the mean is inflated as well.
        strata = None if design.one_stratum else design.fixed_strata(len(labelled))
        times = probability / design.cluster_sizes if design.draws_clusters else probability
        if strata is None or (len(self.centre) == 1 and not strata.any()):
            expected = times[:, None] * self.centre
        else:
            known = np.minimum(strata, len(self.centre) - 1)  # strata beyond carry no label
            inside = strata < len(self.centre)
            expected = np.where(inside[:, None], self.centre[known], 0.0) * times[:, None]
        every = bool(labelled.all())
        rows: Any = slice(None) if every else np.flatnonzero(labelled)
        of_labels = expected[rows]
        excess = (1.0 / probability[rows] - 1.0)[:, None]
        own = influence[rows] - excess * of_labels
        if (self.relative != 1.0).any():
            of_rows = self.relative if strata is None else self.relative[strata[rows]]
            inflated = (of_rows - 1.0)[:, None]
            own += inflated * excess * (residual - of_labels)
        if every:
            return own
        centred = np.add(influence, expected, out=expected)
        centred[rows] = own
        return centred


def centred_influence(
    influence: Float2D, residual: Float2D, probability: Float1D, design: SamplingDesign, labelled: Bool1D
) -> Float2D:
    """Return influence functions without the part of the residual that a fixed number of labels cancels."""
    centres = StratumCentres.of(residual, probability[labelled], design.take(np.flatnonzero(labelled)))
    if centres is None:
        return influence
    return centres.taken_off(influence, residual, probability, design, labelled)


def labelled_units(design: SamplingDesign, labelled: Bool1D) -> int:
    """Return the number of labelled sampling units."""
    if not design.draws_clusters:
        return int(np.count_nonzero(labelled))
    assert design.units is not None
    return len(np.unique(design.units[labelled]))


def influence_functions(psi: Float2D, bread: Float2D) -> Float2D:
    """Return the influence function of every row on every coefficient."""
    # ``psi @ bread.T``; the estimate minus the truth is close to its mean.
    # a product with a matrix of one number takes ten times as long as with the number
    return psi * bread[0, 0] if len(bread) == 1 else psi @ bread.T


def critical_value(alpha: float, degrees_of_freedom: float | None) -> float:
    """Return the two-sided critical value of the t or, without degrees of freedom, the normal distribution."""
    # Upper ``alpha / 2`` quantile.
    if degrees_of_freedom is None:
        return -float(special.ndtri(alpha / 2.0))
    return -float(special.stdtrit(degrees_of_freedom, alpha / 2.0))


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
    return float(weights.sum() ** 2 / (weights**2).sum())


def median_of_splits(params: Float2D, covariances: Float2D) -> tuple[Float1D, Float1D, Float2D]:
    """Aggregate repeated sample splits by medians, as the R package ``dsl`` does."""
    # Source: Chernozhukov et al. (2018), The Econometrics Journal 21, C1-C68, Definition 3.3.
    estimate = np.median(params, axis=0)
    distance = params - estimate
    spread = covariances + distance[:, :, None] * distance[:, None, :]
    std_error = np.sqrt(np.median(np.diagonal(spread, axis1=1, axis2=2), axis=0))
    return estimate, std_error, np.median(spread, axis=0)


def coverage_lost_by_normal_quantile(degrees: Float1D, confidence_level: float) -> Float1D:
    """Return the coverage that an interval loses by the normal quantile, where Student's with these degrees would hold."""
    z = critical_value(1.0 - confidence_level, None)
    return np.asarray(2.0 * special.stdtr(degrees, -z) - (1.0 - confidence_level))


LOST, LOST_VISIBLY = 0.01, 0.005
"""Coverage that skewness may cost before it is said, and where the sample shows that it is skewed."""
SHOWN = 1.8
"""Standard errors (6 / n)^(1/2) of a normal sample beyond which its skewness is hardly chance: one in twenty of 30 normal numbers."""


def is_too_skewed(loss: float, skewness: float, n: int) -> bool:
    """Tell whether what skewness costs an interval is said: always from .01 on, from .005 on where it is no chance."""
    return loss > LOST or (loss > LOST_VISIBLY and abs(skewness) > SHOWN * math.sqrt(6.0 / n))


def share_that_holds(level: float, loss: float) -> str:
    """Words for what is left of a level: a decimal where less than a hundredth is lost."""
    held = max(level - loss, 0.0)
    return f"{held:.0%}" if loss > LOST else f"{held:.1%}"


def coverage_lost_to_skewness(values: Float1D, confidence_level: float) -> tuple[float, float]:
    """Return the coverage that Student's interval of a mean loses to skewness, about, and the skewness."""
    # Edgeworth expansion of Student's statistic (Hall 1992, The Bootstrap and Edgeworth Expansion, section 2.6): the
    # two-sided interval loses 2 phi(z) (z^5 + 2 z^3 - 3 z) skewness^2 / (18 n), besides what kurtosis adds.
    part = values - values.sum() / len(values)
    spread = math.sqrt((part * part).sum() / len(part))
    if not spread > 0.0:
        return 0.0, 0.0
    part /= spread
    skewness = float(part @ (part * part)) / len(part)  # a power of 3 takes ten times as long
    z = critical_value(1.0 - confidence_level, None)
    density = math.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi)
    loss = 2.0 * density * (z**5 + 2 * z**3 - 3 * z) * skewness**2 / (18 * len(values))
    return loss, skewness
