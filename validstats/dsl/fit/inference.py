"""Estimate and covariance for each estimator, from completed rows: the last step that knows arrays only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeAlias, TypeVar

import numpy as np

from validstats._typing import Bool1D, Float1D, Float2D, FloatND, Int1D
from validstats.dsl.fit.augmentation import (
    Augmentation,
    AugmentedFit,
    EstimatorName,
    LabelledSample,
    Sample,
    ScoreTerm,
    Tuning,
    TuningKind,
    augmentation_scores,
    expected_jacobian,
    expected_score,
    fit_augmented,
    fit_term,
    identity_augmentation,
    one_step,
    psi_leverage,
    spread_over,
    term_sums,
)
from validstats.dsl.moments import (
    ClusterSums,
    LabelForecast,
    NewtonResult,
    RegressionRows,
    ScoreParts,
    StratumCentres,
    VarianceKind,
    VarianceParts,
    cluster_codes,
    cluster_ways,
    clustered_meat,
    collinear_columns,
    combined_meat,
    design_meat,
    influence_functions,
    invert_bread,
    is_constant,
    labelled_units,
    median_of_splits,
    sandwich,
    search_labels,
    small_sample_scores,
    sum_by_cluster,
    variance_parts,
)

__all__ = [
    "BoundedShare",
    "ControlVariate",
    "Estimate",
    "FirstStage",
    "InfluenceRows",
    "InfluenceSums",
    "LabelError",
    "NoRootError",
    "Population",
    "SimpleFit",
    "as_it_is",
    "bounded_share",
    "carrier_degrees",
    "control_variate",
    "controlled",
    "covariance_matrix",
    "estimable",
    "estimate",
    "event_variance",
    "finish",
    "fit_power_tuned",
    "floored_residuals",
    "gold_only",
    "known_influence",
    "kurtosis_degrees",
    "label_error",
    "labelling_covariance",
    "median_estimate",
    "naive_fit",
    "parts_of",
    "power_tuning_scale",
]


T = TypeVar("T")

Population: TypeAlias = Literal["superpopulation", "finite"]
"""What the coefficients describe: the process behind the rows, or the rows themselves."""


@dataclass(frozen=True, kw_only=True)
class SimpleFit:
    """Coefficients and standard errors of a fit shown for comparison."""

    params: Float1D  # coefficients
    std_error: Float1D  # standard errors
    # what other numbers of labels would make of the standard errors; None where that is not known
    variance_parts: LabelForecast | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An estimate with its covariance and everything to recompute it."""

    params: Float1D  # coefficients
    covariance: Float2D  # covariance matrix
    # what gives the influence functions, centred where the design fixes the number of labels, when they are asked for;
    # None for the median of splits, which has none
    influence_of: Callable[[], Float2D] | None
    # what gives those of the rows of a part, with the expected scores it needs; None where ``influence_of`` is
    rows_of: InfluenceRows | None = None
    # what sums the influence functions of rows in parts by columns of theirs, with the codes of the labelled rows
    sums_by: Callable[[Sequence[str]], tuple[InfluenceSums, tuple[Int1D, ...]]] | None = None
    # their sums within the (first) clusters of the standard errors, where there are any, shape ``(G, p)``
    by_cluster: Float2D | None = None
    # what gives gold score minus augmentation on the labelled rows, in coefficient units
    residual_of: Callable[[], Float2D | None] | None = None
    # what says what other numbers of labels would make of the standard errors; None where that is not known
    forecast_of: Callable[[], LabelForecast | None] | None = None
    gold_root: Float1D | None = None  # root of the labels alone, where it was found on the way
    tuning: TuningKind = "none"  # how the augmentation was scaled
    # degrees of freedom of the t interval of each coefficient; None where one number serves all
    degrees: Float1D | None = None
    share: Float1D | None = None  # share of the control variate that each coefficient takes
    fragile: Bool1D | None = None  # coefficients that labelled rows of leverage one half or more carry
    fallbacks: tuple[str, ...] = field(default=())  # what was done where no root was found

    @cached_property
    def influence(self) -> Float2D | None:
        """Influence function of every row on every coefficient, shape ``(n, p)``."""
        return None if self.influence_of is None else self.influence_of()

    @cached_property
    def residual(self) -> Float2D | None:
        """Gold score minus augmentation on the labelled rows, in coefficient units; None where it is not known."""
        return None if self.residual_of is None else self.residual_of()

    @cached_property
    def variance_parts(self) -> LabelForecast | None:
        """What other numbers of labels would make of the standard errors; None where that is not known."""
        return None if self.forecast_of is None else self.forecast_of()

    def __getstate__(self) -> dict[str, Any]:
        """Keep the influence functions rather than the rows that they are made from."""
        made = ("influence", "residual", "variance_parts")
        return {k: v for k, v in self.__dict__.items() if k not in made} | {
            "influence_of": known_influence(self.influence),
            "rows_of": None,
            "sums_by": None,
            "residual_of": partial(as_it_is, self.residual),
            "forecast_of": partial(as_it_is, self.variance_parts),
        }


class RowWork(Protocol):
    """Work on a part that gives a value of every row."""

    def rows(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return the influence of every row."""


@dataclass(frozen=True)
class InfluenceRows:
    """What gives the influence functions of the rows of a part, in memory or read again."""

    work: RowWork
    augmentation: Augmentation  # whose expected scores the part must have
    mapping: Float2D | None = None  # from what ``work`` gives to coefficients

    def __call__(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return the influence of every row of a part on every coefficient, shape ``(n, p)``."""
        rows = self.work.rows(part, augmentation)
        return rows if self.mapping is None else rows @ self.mapping.T


def as_it_is(value: T) -> T:
    """Return a value that is known."""
    return value


def known_influence(values: Float2D | None) -> Callable[[], Float2D] | None:
    """Return what gives influence functions that are known."""
    return None if values is None else partial(np.asarray, values)


def covariance_matrix(
    influence: Float2D, residual: Float2D, sample: LabelledSample, population: Population
) -> Float2D:
    """Return the covariance of an estimate from the influence functions of rows in memory."""
    if population == "finite":
        return labelling_covariance(residual, sample)
    meat = clustered_meat(influence, sample.clusters)
    return sandwich(np.eye(influence.shape[1]), meat, sample.n_rows)


def labelling_covariance(residual: Float2D, sample: Sample) -> Float2D:
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


@dataclass(frozen=True, kw_only=True)
class ControlForecast(VarianceParts):
    """What other numbers of labels would make of the labels alone and of the share of the control variate."""

    joint: VarianceParts  # of the labels alone beside the control variate, ``2p`` columns
    gold: Float1D  # variance of the labels alone that is reported, without events
    events: Float1D  # variance of events that were not seen
    degrees: Float1D  # labelled rows that carry each coefficient and the control variate
    n_units: int
    n_first: float  # effective number of parameters of the first stage
    tuning: Literal["diagonal", "scalar"]

    def variances(self, label_ratio: float) -> Float2D:
        """Return the variances to expect: shares are chosen anew, with the labels that there would be."""
        p, units = len(self.gold), self.n_units / label_ratio
        here = self.joint.covariance[0] + (label_ratio - 1.0) * self.joint.label_covariance[0]
        diagonal = np.diag(here)
        # gold scores of labelled rows shrink with the labels altogether; events with the square of their weight
        events = self.events * label_ratio**2
        variance = np.where(
            diagonal[:p] > 0.0, diagonal[:p], np.diag(self.joint.covariance[0])[:p] * label_ratio
        )
        own = np.divide(self.gold, np.diag(self.joint.covariance[0])[:p], out=np.ones(p), where=self.gold > 0)
        share = bounded_share(
            variance + events,
            np.diag(here[:p, p:]),
            price_of_first_stage(units, self.n_first) * np.maximum(diagonal[p:], 0.0),
            (self.degrees + 1.0) / label_ratio - 1.0,
            margin=max(round(units) - p, 1),
            tuning=self.tuning,
        )
        return np.asarray([(variance * own + events) * share.ratio], dtype=np.float64)

    def labels_needed(self, n_labelled: int, n_rows: int, target: Float1D) -> Float1D:
        """Return the number of labels with which standard errors reach a target, infinite where none does."""
        return search_labels(self, n_labelled, n_rows, target)


@dataclass(frozen=True)
class InfluenceSums:
    """Sums over influence functions: of squares of rows, or by cluster."""

    square: Float2D
    clusters: tuple[ClusterSums, ...] = ()

    @classmethod
    def of(cls, influence: Float2D, clusters: Sequence[Int1D]) -> Self:
        """Return the sums of some rows."""
        ways = tuple(ClusterSums.of(codes, influence) for codes in cluster_ways(clusters))
        return cls(influence.T @ influence, ways)

    def mapped(self, matrix: Float2D) -> Self:
        """Return the sums of ``rows @ matrix.T``."""
        ways = tuple(replace(c, sums=c.sums @ matrix.T) for c in self.clusters)
        return type(self)(matrix @ self.square @ matrix.T, ways)

    def __add__(self, other: Self) -> Self:
        ways = tuple(a + b for a, b in zip(self.clusters, other.clusters, strict=True))
        return type(self)(self.square + other.square, ways)

    def covariance(self, n_rows: int) -> Float2D:
        """Return the covariance of their mean."""
        meats = [c.sums.T @ c.sums / n_rows for c in self.clusters] or [self.square / n_rows]
        covariance = combined_meat(meats) / n_rows
        return (covariance + covariance.T) / 2.0


_LARGEST_LEVERAGE = 0.9
"""Leverages are cut here before dividing by one minus them."""

_LONE = (1.0 + 1e-9) / 3.0
"""Share of the squares of what clusters carry beyond which one or two of them carry a coefficient; three alike do not, up to rounding."""
_FLOORED_LEVERAGE = 0.5
"""From this leverage on a residual is at least what the model's own error variance makes it."""

_FEWEST_DEGREES = 10
"""Labelled units minus parameters below which the labels alone are used: they cannot choose a share."""

_FEW_EVENTS = 5
"""Labels of the rarer class of a cell below which the variance of its residuals is unknown rather than small."""


@dataclass(frozen=True, kw_only=True)
class LabelError:
    """The uncertainty of the labels alone."""

    params: Float1D  # root on the labels alone
    bread: Float2D  # inverse mean Jacobian on the labels
    scale: float  # the model's error variance on the labels
    n_rows: int
    carried: Float2D  # what each labelled row carries of each coefficient, times its weight
    fragile: Bool1D  # coefficients that rows of leverage one half or more carry
    events: Float1D  # variance of the events that cells with few of them may still hold

    def residuals(self, part: LabelledSample) -> Float2D:
        """Return floored leave-one-out scores of the labelled rows of a part, in coefficient units."""
        # asked for the same rows several times in a row
        rows, known = vars(self).get("_last", (None, None))
        if known is None or rows is not part.gold:
            known = self._residuals(part)
            vars(self)["_last"] = part.gold, known
        return known

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is known of single rows."""
        return {k: v for k, v in vars(self).items() if k != "_last"}

    def _residuals(self, part: LabelledSample) -> Float2D:
        leverage = _leverage(part, self.params, self.bread, self.n_rows)
        return self.residuals_from(part, part.moment.parts(part.gold, self.params), leverage)

    def residuals_from(self, part: LabelledSample, parts: ScoreParts | None, leverage: Float1D) -> Float2D:
        """Return the same from what is known of the scores of the part."""
        moment, rows, weight = part.moment, part.gold, part.gold_weights
        if parts is None:
            score = moment.score(rows, self.params) / (1.0 - leverage)[:, None]
        else:
            floored = floored_residuals(parts.residual, parts.information, leverage, self.scale)
            score = parts.carriers * floored[:, None]
        assert len(score) == len(weight)
        return influence_functions(score, self.bread)


class BoundedShare(NamedTuple):
    """Shares of the control variate with the variance they leave, over that of the labels alone."""

    share: Float1D
    ratio: Float1D


def _leverage(part: LabelledSample, params: Float1D, bread: Float2D, n_rows: int) -> Float1D:
    """Return ``w mu' x'A x / N`` of the labelled rows of a part, from 0 to .9."""
    leverage = part.gold_weights * part.moment.leverage(part.gold, params, bread / n_rows)
    of_effects = part.effect_leverage(part.positions)
    if of_effects is not None:
        leverage = leverage + of_effects
    return np.minimum(np.maximum(leverage, 0.0), _LARGEST_LEVERAGE)


def error_variance(residual: Float1D, information: Float1D, weight: Float1D, n_params: int) -> float:
    """Return ``s2 = (sum w e^2 / mu' / sum w) n / m``, the model's error variance on the labels."""
    spread = np.where(information > 0, information, 1.0)
    n = len(residual)
    return float((weight * residual**2 / spread).sum() / weight.sum() * n / max(n - n_params, 1))


def floored_residuals(residual: Float1D, information: Float1D, leverage: Float1D, scale: float) -> Float1D:
    """Return ``e / (1 - lev)``, at least ``sqrt(s2 mu' / (1 - lev))`` in size where ``lev >= 1/2``."""
    room, high = 1.0 - leverage, leverage >= _FLOORED_LEVERAGE
    inflated = residual / room
    if not high.any():
        return inflated
    floor = np.sqrt(scale * np.maximum(information, 0.0) / room)
    floored = np.where(inflated < 0, -1.0, 1.0) * np.maximum(np.abs(inflated), floor)
    return np.where(high, floored, inflated)


def kurtosis_degrees(units: Float2D, n_params: int) -> Float1D:
    """Return ``2 / (k4 - 1/n)``, ``k4 = sum u^4 / (sum u^2)^2`` over labelled units, from 2 to ``n - p - 1``."""
    return _degrees_of(*_scaled_moments(units), len(units), n_params)


def _degrees_of(square: Float1D, fourth: Float1D, n: int, n_params: int) -> Float1D:
    """Return ``2 / (k4 - 1/n)`` from sums of squares and of fourth powers."""
    excess = fourth / np.where(square > 0, square**2, 1.0) - 1.0 / n
    top = float(max(n - n_params - 1, 2))
    degrees = np.divide(2.0, excess, out=np.full(excess.shape, top), where=excess > 2.0 / top)
    return np.where(square > 0, np.minimum(np.maximum(degrees, 2.0), top), 2.0)


def carrier_degrees(carried: Float2D) -> Float1D:
    """Return ``1 / k0 - 1``, ``k0 = sum a^4 / (sum a^2)^2``: labelled units that carry a coefficient, less one."""
    square, fourth = _scaled_moments(carried)
    return square**2 / np.where(fourth > 0, fourth, 1.0) - 1.0


def _scaled_moments(values: Float2D) -> tuple[Float1D, Float1D]:
    """Return sums of squares and of fourth powers by column, each column over its largest value."""
    columns = np.array(values.T, order="C")  # one column after the other
    largest = np.maximum(columns.max(axis=1, initial=0.0), -columns.min(axis=1, initial=0.0))
    columns /= np.where(largest > 0, largest, 1.0)[:, None]  # fourth powers neither under- nor overflow
    columns *= columns
    return columns.sum(axis=1), np.einsum("ij,ij->i", columns, columns)


def price_of_first_stage(n_units: float, n_first: float) -> float:
    """Return ``F = n / max(n - q - 1, n / 3)``, with ``q`` parameters of the first stage, at most a third of the labels."""
    q = min(n_first, n_units / 3.0)
    return n_units / max(n_units - q - 1.0, n_units / 3.0)


def bounded_share(
    variance: Float1D,
    cross: Float1D,
    control: Float1D,
    degrees: Float1D,
    *,
    margin: int,
    tuning: Literal["diagonal", "scalar"] = "diagonal",
) -> BoundedShare:
    """Return the share of the control variate from variances ``v``, ``D`` and the covariance ``C``.

    ``degrees`` is ``min(df(phi_g), df0, df_E)``, with ``df_E`` that of the control variate over the labels that their
    probabilities let expect, and ``margin`` is ``m = n - p``.
    """
    usable = (variance > 0) & (control > 0) & np.isfinite(cross) & np.isfinite(control)
    if margin < _FEWEST_DEGREES:
        usable = np.zeros_like(usable)
    v, d = np.where(usable, variance, 1.0), np.where(usable, control, 1.0)
    c = np.where(usable, cross, 0.0)

    def ratio_at(share: Float1D) -> Float1D:
        return 1.0 - 2.0 * share * c / v + share**2 * d / v

    # a gain counts in proportion to the labelled rows that carry it
    rows = degrees - 1.0
    if tuning == "scalar" and usable.any():
        common = np.clip(np.sum((c / v)[usable]) / np.sum((d / v)[usable]), 0.0, 1.0)
        share = np.full(len(v), common)
        gain = float(np.mean(1.0 - ratio_at(share)[usable]))
        common = common * np.clip(2.0 * gain * rows[usable].min() - 1.0, 0.0, 1.0)
        common = min(common, float(np.min((2.0 * np.maximum(c, 0.0) / d)[usable])))
        share = np.full(len(v), common)
    else:
        share = np.clip(c / d, 0.0, 1.0)
        share = share * np.clip(2.0 * (1.0 - ratio_at(share)) * rows - 1.0, 0.0, 1.0)
    share = np.where(usable, share, 0.0)
    # r pays 1 + 1/m for having chosen the share, and never exceeds it
    price = 1.0 + 1.0 / max(margin, 1)
    ratio = np.where(share > 0, np.minimum(ratio_at(share) * price, price), 1.0)
    return BoundedShare(share, ratio)


def event_variance(
    parts: ScoreParts,
    bread: Float2D,
    outcome: Float1D,
    weight: Float1D,
    cell: Int1D,
    n_rows: int,
    still_open: Float1D | float = 1.0,
) -> Float1D:
    """Return ``E``, half a label of the other kind in every cell with fewer than 5.

    ``E = sum_cells 1/2 sum_i omega_i S_i^2 / N^2``, ``S_i = (A x)_i w_i (y* - rate)``, with ``y*`` the rarer class and
    ``omega`` proportional to the chance that the model gives it.
    """
    total = np.zeros(bread.shape[0])
    ones, size_of_cell = np.bincount(cell, outcome == 1), np.bincount(cell)
    few = (size_of_cell > 0) & (np.minimum(ones, size_of_cell - ones) < _FEW_EVENTS)
    for c in few.nonzero()[0]:
        inside = cell == c
        y = outcome[inside]
        rate = float(np.average(y, weights=weight[inside]))
        rarer = 1.0 if rate < 0.5 else 0.0
        chance = np.clip(parts.mean[inside], 0.0, 1.0)
        chance = chance if rarer == 1.0 else 1.0 - chance
        omega = chance / chance.sum() if chance.sum() > 0 else np.full(len(y), 1.0 / len(y))
        carried = (parts.carriers[inside] * parts.slope[inside, None]) @ bread.T * weight[inside, None]
        size = carried**2 * (rarer - rate) ** 2
        opened = still_open if np.ndim(still_open) == 0 else np.asarray(still_open)[inside]
        total += 0.5 * (omega * opened) @ size / n_rows**2
    return total


def label_error(gold: AugmentedFit, *, cell: Int1D | None = None, finite: bool = False) -> LabelError:
    """Return the uncertainty of the labels alone at their root.

    ``cell`` holds the verdict cell of every labelled row where the outcome is 0/1, else None.
    """
    part, _ = gold.sample.labelled_part(Augmentation())
    moment, rows, weight, n_rows = part.moment, part.gold, part.gold_weights, gold.sample.n_rows
    parts = moment.parts(rows, gold.params)
    own = moment.carried(rows, gold.params, gold.bread) if parts is None else parts.carried(gold.bread)
    carried = weight[:, None] * own
    leverage = _leverage(part, gold.params, gold.bread, n_rows)
    high = leverage >= _FLOORED_LEVERAGE
    fragile = np.zeros(len(gold.params), dtype=np.bool_)
    if high.any():
        fragile = (carried[high] ** 2).sum(axis=0) > 0.5 * np.einsum("ij,ij->j", carried, carried)
    events, scale = np.zeros(len(gold.params)), 0.0
    if parts is not None:
        scale = error_variance(parts.residual, parts.information, weight, len(gold.params))
        if cell is not None:
            still_open = 1.0 - part.gold_probability if finite else 1.0
            outcome = np.asarray(rows.y, dtype=np.float64)
            events = event_variance(parts, gold.bread, outcome, weight, cell, n_rows, still_open)
    found = LabelError(
        params=gold.params,
        bread=gold.bread,
        scale=scale,
        n_rows=n_rows,
        carried=carried,
        fragile=fragile,
        events=events,
    )
    vars(found)["_last"] = rows, found.residuals_from(part, parts, leverage)  # asked for next
    return found


@dataclass(frozen=True, kw_only=True)
class ControlVariate:
    """A variate of mean zero: the fit of the first stage on the labels less its fit on all rows."""

    delta: Float1D  # its value
    augmentation: Augmentation  # the expected score
    params: Float1D  # root of its mean over all rows
    on_labels: Float2D  # inverse Jacobians there, of the weighted labels and of all rows
    everywhere: Float2D

    def residuals(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return ``A_hL g`` of the rows of a part, all of which are labelled."""
        score = expected_score(part.moment, augmentation.terms[0], self.params)
        return influence_functions(score, self.on_labels)

    def influence(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return ``A_hL w g [labelled] - A_hN g [all rows]`` of a part."""
        score = expected_score(part.moment, augmentation.terms[0], self.params)
        found = -influence_functions(score, self.everywhere)
        rows = part.chosen
        found[rows] += part.gold_weights[:, None] * influence_functions(score[rows], self.on_labels)
        return found


def control_variate(sample: Sample, term: ScoreTerm) -> ControlVariate | None:
    """Return the control variate of a first stage, or None without a root: ``delta = A_hL sum_L w g / N``."""
    newton = fit_term(sample, term)
    if not newton.converged:
        return None
    augmentation = identity_augmentation(term, len(newton.params))
    everywhere = invert_bread(_slope_of(sample, augmentation, newton))
    part, of_labels = sample.labelled_part(augmentation)
    weighted = expected_jacobian(part.moment, of_labels.terms[0], newton.params, part.gold_weights)
    on_labels = invert_bread(weighted / sample.n_rows)
    if everywhere is None or on_labels is None:
        return None
    found = ControlVariate(
        delta=np.zeros(len(newton.params)),
        augmentation=augmentation,
        params=newton.params,
        on_labels=on_labels,
        everywhere=everywhere,
    )
    return replace(found, delta=part.gold_weights @ found.residuals(part, of_labels) / sample.n_rows)


def _expected_powers(added: Float2D, probability: Float1D) -> Float2D:
    """Return ``sum g^2 / pi`` and ``sum g^4 / pi^3``: what squares and fourth powers of ``g / pi`` are expected to add to."""
    square = added * added
    if is_constant(probability):
        chance = float(probability[0])
        return np.stack([square.sum(axis=0) / chance, np.einsum("ij,ij->j", square, square) / chance**3])
    weight = 1.0 / probability
    return np.stack([weight @ square, weight**3 @ (square * square)])


LEAST_SCALE = 1e-280
"""Least unit of what rows add: the inverse of a number below it is not finite, or nearly so."""


@dataclass(frozen=True)
class _Everywhere:
    """Work on a part: what every row, or drawn cluster, adds to the control variate where it is labelled."""

    control: ControlVariate
    scale: Float1D  # fourth powers neither under- nor overflow

    def __call__(self, part: LabelledSample, augmentation: Augmentation) -> Float2D | ClusterSums:
        score = expected_score(part.moment, augmentation.terms[0], self.control.params)
        added = influence_functions(score, self.control.everywhere / self.scale[:, None])
        if not part.design.draws_clusters:
            return _expected_powers(added, part.probability)
        assert part.design.units is not None
        chance = part.probability / part.design.cluster_sizes  # adds to the probability of the cluster
        return ClusterSums.of(part.design.units, np.column_stack([added, chance]))


@dataclass(frozen=True)
class _JointInfluence:
    """Work on a part: influence of the labels alone, beside that of the control variate where there is one."""

    labels: LabelError
    control: ControlVariate | None
    centres: StratumCentres | None = None

    def __call__(self, part: LabelledSample, augmentation: Augmentation) -> InfluenceSums:
        if part.clusters or part.is_centred:
            return InfluenceSums.of(self.rows(part, augmentation), part.clusters)
        known = self.rows(*part.labelled_part(augmentation))
        if self.control is None:
            return InfluenceSums(
                known.T @ known + _unlabelled(part, self.centres, None, None, known.shape[1])
            )
        score = expected_score(part.moment, augmentation.terms[0], self.control.params)
        mapping = np.vstack([np.zeros_like(self.control.everywhere), -self.control.everywhere])
        return InfluenceSums(
            known.T @ known + _unlabelled(part, self.centres, score, mapping, known.shape[1])
        )

    def rows(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return the influence of every row on both, side by side."""
        p = len(self.labels.params)
        residual = self.labels.residuals(part)
        influence = spread_over(part, residual * part.gold_weights[:, None])
        if self.control is not None:
            influence = np.hstack([influence, self.control.influence(part, augmentation)])
        if part.is_centred:
            # what absorbed effects explain of the labels alone, and of the control variate
            own = part.effect_scores(of_labels=True)
            influence[:, :p] -= own @ self.labels.bread.T
            if self.control is not None:
                influence[:, p:] -= (own - part.effect_scores()) @ self.control.everywhere.T
        if self.centres is not None:
            known = self.residuals(*part.labelled_part(augmentation))
            influence = self.centres.taken_off(influence, known, part.probability, part.design, part.labelled)
        return influence

    def residuals(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return what each label adds to both, the part being labelled throughout."""
        own = self.labels.residuals(part)
        if self.control is None:
            return own
        return np.hstack([own, self.control.residuals(part, augmentation)])


def _unlabelled(
    part: LabelledSample,
    centres: StratumCentres | None,
    score: Float2D | None,
    mapping: Float2D | None,
    width: int,
) -> Float2D:
    """Return the sum of squares over rows without a label, whose influence is ``q c + M g``, ``c`` the stratum's centre."""
    # sum (q c + M g)(q c + M g)' = sum_h Q_h c c' + M T_h c' + c T_h' M' + M G M', where Q = sum q^2, T = sum q g and
    # G = sum g g': the p x p sums come first, and no influence of a row is formed
    square = np.zeros((width, width))
    if score is not None and mapping is not None:
        score[part.positions] = 0.0
        square += mapping @ (score.T @ score) @ mapping.T
    if centres is not None:
        of_centres, sums = centres.added_squares(score, part.probability, part.design, part.labelled)
        square += of_centres
        if sums is not None and mapping is not None:
            cross = centres.centre.T @ (sums @ mapping.T)
            square += cross + cross.T
    return square


def controlled(
    sample: Sample,
    labels: LabelError,
    control: ControlVariate | None,
    *,
    population: Population = "superpopulation",
    first_stage: float = 0.0,
    tuning: Tuning = "diagonal",
    gold_variance: Float1D | None = None,
) -> Estimate:
    """Return the labels alone less a bounded share of the control variate; ``control`` None is the labels alone.

    ``first_stage`` is the effective number of parameters of the first stage; ``gold_variance`` replaces the variance
    of the labels alone where another correction was asked for by name.
    """
    both = _joint(sample, labels, control, population)
    if control is None:
        return _alone(sample, labels, both, gold_variance)
    p, augmentation = len(labels.params), control.augmentation
    units = labelled_units(sample.drawn, np.ones(sample.n_labelled, dtype=np.bool_))
    margin = max(units - p, 1)
    part, of_labels = sample.labelled_part(augmentation)
    found, joint, residual = both.found, both.covariance, both.residual
    factor = price_of_first_stage(units, first_stage)
    diagonal = joint.diagonal()
    of_units = _by_unit(
        part, np.hstack([residual[:, :p] * part.gold_weights[:, None], control.influence(part, of_labels)])
    )
    few, unseen = _few_and_unseen(part, labels, of_units[:, :p], found is None)
    variance, spread = diagonal[:p] + unseen, factor * diagonal[p:]
    # what few labels carry is seen where they are there, and expected where chance has left them out
    assert both.expected is not None
    carried = np.minimum(np.minimum(kurtosis_degrees(of_units[:, :p], p), few), both.expected)
    if tuning == "matrix":
        slopes, ratio = _free_matrix(joint, variance, factor, margin)
        share = np.diag(slopes)
    else:
        share, ratio = bounded_share(
            variance,
            np.diag(joint[:p, p:]),
            spread,
            carried,
            margin=margin,
            tuning="scalar" if tuning == "scalar" else "diagonal",
        )
        slopes = np.diag(share)
    degrees = np.maximum(
        2.0, np.minimum(kurtosis_degrees(of_units[:, :p] - of_units[:, p:] @ slopes.T, p), few)
    )
    degrees = np.where(labels.events > 0, np.maximum(degrees, 3.0), degrees)
    alone = diagonal[:p] if gold_variance is None else gold_variance
    error = np.sqrt((alone + unseen) * ratio)
    mapping = np.hstack([np.eye(p), -slopes])
    pattern = mapping @ joint @ mapping.T
    length = np.sqrt(np.maximum(np.diag(pattern), 0.0))
    mapping *= np.divide(error, length, out=np.zeros(p), where=length > 0)[:, None]
    covariance = mapping @ joint @ mapping.T
    covariance = (covariance + covariance.T) / 2.0
    np.fill_diagonal(covariance, error**2)
    own_residual = residual @ mapping.T

    def forecast() -> LabelForecast | None:
        if found is None:
            return None
        parts = parts_of(covariance, own_residual, sample)
        if tuning == "matrix":
            return parts
        return ControlForecast(
            covariance=parts.covariance,
            label_covariance=parts.label_covariance,
            joint=parts_of(joint, residual, sample),
            gold=alone,
            events=unseen,
            degrees=carried,
            n_units=units,
            n_first=first_stage,
            tuning="scalar" if tuning == "scalar" else "diagonal",
        )

    rows_of = InfluenceRows(both.work, augmentation, mapping)
    return Estimate(
        params=labels.params - slopes @ control.delta,
        covariance=covariance,
        influence_of=_influence_of(sample, rows_of),
        rows_of=rows_of,
        by_cluster=None if found is None or not found.clusters else found.clusters[0].sums @ mapping.T,
        residual_of=partial(as_it_is, own_residual),
        forecast_of=forecast,
        gold_root=labels.params,
        tuning=tuning,
        degrees=degrees,
        share=share,
        fragile=labels.fragile,
    )


@dataclass(frozen=True)
class _Joint:
    """Labels alone and a control variate side by side: influence, sums, covariance, what each label adds."""

    work: _JointInfluence
    found: InfluenceSums | None  # None for a finite population
    covariance: Float2D
    residual: Float2D
    expected: Float1D | None  # labelled units that carry the control variate, as probabilities let expect


@dataclass(frozen=True)
class _PassSums:
    """What one pass over all rows gives; parts add."""

    influence: InfluenceSums | None
    added: Float2D | ClusterSums | None

    def __add__(self, other: Self) -> Self:
        both = self.influence is not None and other.influence is not None
        influence = self.influence + other.influence if both else None  # type: ignore[operator]
        known = self.added is not None and other.added is not None
        added = self.added + other.added if known else None  # type: ignore[operator]
        return type(self)(influence, added)


def _pass(
    part: LabelledSample,
    augmentation: Augmentation,
    work: _JointInfluence | None,
    everywhere: _Everywhere | None,
) -> _PassSums:
    return _PassSums(
        None if work is None else work(part, augmentation),
        None if everywhere is None else everywhere(part, augmentation),
    )


def _joint(
    sample: Sample, labels: LabelError, control: ControlVariate | None, population: Population
) -> _Joint:
    """Return what is known of the labels alone and a control variate, in at most one pass over all rows."""
    augmentation = Augmentation() if control is None else control.augmentation
    work, p, finite = _JointInfluence(labels, control), len(labels.params), population == "finite"
    part, of_labels = sample.labelled_part(augmentation)
    residual = work.residuals(part, of_labels)
    centres = StratumCentres.of(residual, sample.gold_probability, sample.drawn)
    work, everywhere = replace(work, centres=centres), None
    if control is not None:
        largest = np.max(np.abs(residual[:, p:]), axis=0, initial=0.0)
        scale = np.where(largest > 0, np.maximum(largest, LEAST_SCALE), 1.0)
        everywhere = _Everywhere(control, scale)
    sums = _PassSums(None, None)
    if control is not None or not finite:
        alone = _labels_alone(part, augmentation, centres)
        sums = sample.total(
            partial(_pass, work=None if finite else work, everywhere=everywhere),
            augmentation,
            labelled_only=alone,
            in_blocks=control is not None,
        )
    found = sums.influence
    covariance = labelling_covariance(residual, sample) if found is None else found.covariance(sample.n_rows)
    expected = None
    if sums.added is not None:
        units = labelled_units(sample.drawn, np.ones(sample.n_labelled, dtype=np.bool_))
        expected = _expected_degrees(sums.added, units, p)
    return _Joint(work, found, covariance, residual, expected)


def _expected_degrees(added: Float2D | ClusterSums, n_units: int, n_params: int) -> Float1D:
    """Return ``2 / (k4 - 1/n)`` of a control variate, with ``k4`` over the labelled units that probabilities let expect."""
    if isinstance(added, ClusterSums):
        added = _expected_powers(added.sums[:, :-1], added.sums[:, -1])
    return _degrees_of(added[0], added[1], n_units, n_params)


def _alone(
    sample: Sample,
    labels: LabelError,
    both: _Joint,
    gold_variance: Float1D | None,
) -> Estimate:
    """Return the labels alone: the covariance of their influence, with the variance of events that were not seen."""
    p, found, covariance, residual = len(labels.params), both.found, both.covariance, both.residual
    part, _ = sample.labelled_part(Augmentation())
    units = _by_unit(part, residual * part.gold_weights[:, None])
    few, unseen = _few_and_unseen(part, labels, units, found is None)
    carried = np.minimum(kurtosis_degrees(units, p), few)
    diagonal = covariance.diagonal()
    alone = diagonal if gold_variance is None else gold_variance
    error, length = np.sqrt(alone + unseen), np.sqrt(np.maximum(diagonal, 0.0))
    scale = np.divide(error, length, out=np.zeros(p), where=length > 0)
    scaled = scale[:, None] * covariance * scale
    np.fill_diagonal(scaled, error**2)

    def forecast() -> LabelForecast | None:
        if found is None:
            return None
        parts, known = parts_of(scaled, residual * scale, sample), parts_of(covariance, residual, sample)
        wide = (0, 0), (0, p), (0, p)  # no control variate
        return ControlForecast(
            covariance=parts.covariance,
            label_covariance=parts.label_covariance,
            joint=VarianceParts(
                covariance=np.pad(known.covariance, wide),
                label_covariance=np.pad(known.label_covariance, wide),
            ),
            gold=alone,
            events=unseen,
            degrees=carried,
            n_units=labelled_units(sample.drawn, np.ones(sample.n_labelled, dtype=np.bool_)),
            n_first=0.0,
            tuning="diagonal",
        )

    rows_of = InfluenceRows(both.work, Augmentation(), np.diag(scale))
    degrees = np.maximum(2.0, carried)
    return Estimate(
        params=labels.params,
        covariance=scaled,
        influence_of=_influence_of(sample, rows_of),
        rows_of=rows_of,
        by_cluster=None if found is None or not found.clusters else found.clusters[0].sums * scale,
        residual_of=partial(as_it_is, residual * scale),
        forecast_of=forecast,
        gold_root=labels.params,
        degrees=np.where(labels.events > 0, np.maximum(degrees, 3.0), degrees),
        share=np.zeros(p),
        fragile=labels.fragile,
    )


def _labels_alone(part: LabelledSample, augmentation: Augmentation, centres: StratumCentres | None) -> bool:
    """Tell whether rows without a label add nothing: nothing is predicted, centred or tied to them by absorbed effects."""
    return augmentation.is_empty and centres is None and not part.is_centred


def _influence_of(sample: Sample, rows_of: InfluenceRows) -> Callable[[], Float2D] | None:
    """Return what gives the influence functions of rows in memory, None for rows that are read again."""
    return partial(rows_of, sample, rows_of.augmentation) if isinstance(sample, LabelledSample) else None


def _free_matrix(joint: Float2D, variance: Float1D, factor: float, margin: int) -> tuple[Float2D, Float1D]:
    """Return the matrix of least variance, ``C D^-1``, and the variance it leaves."""
    p = len(variance)
    solved = np.linalg.lstsq(factor * joint[p:, p:], joint[p:, :p], rcond=1e-10)[0]
    slopes: Float2D = np.asarray(solved.T, dtype=np.float64)
    left: Float1D = variance - np.diag(slopes @ joint[p:, :p])
    ratio: Float1D = np.clip(np.divide(left, variance, out=np.ones(p), where=variance > 0), 0.0, 1.0)
    return slopes, ratio * (1.0 + p / max(margin, 1))


def _by_unit(part: LabelledSample, values: FloatND) -> FloatND:
    """Return sums of labelled rows by labelled cluster: those drawn, else the first of the standard errors."""
    codes = _units_of(part)
    return values if codes is None else sum_by_cluster(values, cluster_codes(codes))


def _units_of(part: LabelledSample) -> Int1D | None:
    if part.design.draws_clusters and part.design.units is not None:
        return part.design.units
    return part.clusters[0] if part.clusters else None


def _carried_by_unit(part: LabelledSample, carried: Float2D) -> Float2D:
    """Return the root of the sum of squares of what the rows of a unit carry."""
    return carried if _units_of(part) is None else np.sqrt(_by_unit(part, carried**2))


def _few_and_unseen(
    part: LabelledSample, labels: LabelError, influence: Float2D, finite: bool
) -> tuple[Float1D, Float1D]:
    """Return the degrees of freedom of what units carry, and the variance that the influence of units does not show."""
    carried = _carried_by_unit(part, labels.carried)
    lone = _lone_clusters(part, influence, carried, finite) / labels.n_rows**2
    return carrier_degrees(carried), labels.events + lone


def _lone_clusters(part: LabelledSample, influence: Float2D, carried: Float2D, finite: bool) -> Float1D:
    """Return the squares that are not seen where one or two clusters carry a coefficient, whose residuals the fit makes small.

    With what clusters carry ``a`` and their influence ``u``: ``sum_1 a^2 sum_2 u^2 / sum_2 a^2 - sum_1 u^2``, as if clusters with
    more than a third of all squares (1) were like the others (2).
    """
    units, squares = _units_of(part), carried**2
    heavy = squares > _LONE * squares.sum(axis=0)
    others = np.where(heavy, 0.0, squares).sum(axis=0)
    singly = finite and not part.design.draws_clusters  # rows that are drawn one by one from those there are
    if units is None or singly or not (heavy & (others > 0)).any():
        return np.zeros(influence.shape[1])
    like = np.where(heavy, 0.0, influence**2).sum(axis=0) / np.where(others > 0, others, 1.0)
    lacking = np.where(heavy, squares * like - influence**2, 0.0)
    if finite:
        # what is labelled of a finite population is known
        counted = _by_unit(part, np.column_stack([part.gold_probability, np.ones(len(units))]))
        lacking *= 1.0 - counted[:, :1] / counted[:, 1:]
    return np.where(others > 0, np.maximum(lacking.sum(axis=0), 0.0), 0.0)


def power_tuning_scale(gold: Float2D, term: Float2D, probability: Float1D, bread: Float2D) -> float:
    """Return the scalar of PPI++ that minimises the trace of the covariance matrix."""
    # Source: Angelopoulos, Duchi and Zrnic (2023), PPI++, arXiv 2311.01453, Proposition 2.
    weight = (1.0 - probability) / probability**2
    total = weight.sum()
    centre = weight / total if total > 0.0 else weight
    left = influence_functions(gold - centre @ gold, bread)
    right = influence_functions(term - centre @ term, bread)
    weighted = weight[:, None] * right
    denominator = float((weighted * right).sum())
    return float((weighted * left).sum()) / denominator if denominator > 0.0 else 0.0


def fit_power_tuned(raw: ScoreTerm, pilot: AugmentedFit) -> AugmentedFit:
    """Fit PPI++: the raw-prediction score with one scale for all coefficients."""
    sample = pilot.sample
    gold = sample.moment.score(sample.gold, pilot.params)
    part, known = sample.labelled_part(Augmentation(terms=(raw,)))
    term = expected_score(part.moment, known.terms[0], pilot.params)
    scale = power_tuning_scale(gold, term, sample.gold_probability, pilot.bread)
    augmentation = identity_augmentation(raw, gold.shape[1], scale)
    fit = fit_augmented(sample, augmentation, start=pilot.params)
    if fit is None:
        fit = one_step(sample, augmentation, pilot, "one Newton step from the gold-only estimate")
    return fit


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
    centres: StratumCentres | None = None

    def __call__(self, part: LabelledSample, augmentation: Augmentation) -> InfluenceSums:
        tied = part.clusters or part.is_centred
        if tied or self.kind in ("HC2", "HC3") or self.fit.is_shifted:
            return InfluenceSums.of(self.rows(part, augmentation), part.clusters)
        known = self.rows(*part.labelled_part(augmentation))
        score = augmentation_scores(part, augmentation, self.fit.at)
        # the correction of small samples is a number here, which the map of a score takes
        mapping = self._mapped(np.eye(score.shape[1]), part, augmentation).T
        return InfluenceSums(
            known.T @ known + _unlabelled(part, self.centres, score, mapping, known.shape[1])
        )

    def rows(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return the influence of every row."""
        psi = self.fit.rows_of(part, augmentation)
        if part.is_centred:
            psi = psi - part.effect_scores()
        influence = self._mapped(psi, part, augmentation)
        if self.centres is not None:
            residual = self.residuals(*part.labelled_part(augmentation))
            influence = self.centres.taken_off(
                influence, residual, part.probability, part.design, part.labelled
            )
        return influence

    def residuals(self, labelled: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return gold score minus augmentation of labelled rows, in coefficient units."""
        # asked for the same rows twice in a row
        rows, known = vars(self).get("_last", (None, None))
        if known is None or rows is not labelled.gold:
            params = self.fit.params
            score = labelled.moment.score(labelled.gold, params)
            score -= augmentation_scores(labelled, augmentation, params)
            known = self._mapped(score, labelled, augmentation)
            vars(self)["_last"] = labelled.gold, known
        return known

    def centred(self, centres: StratumCentres | None) -> _Influence:
        """Return the same less what the design fixes."""
        found = _Influence(self.fit, self.kind, self.n_units, self.n_rows, centres)
        vars(found)["_last"] = vars(self).get("_last", (None, None))
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is known of single rows."""
        return {k: v for k, v in vars(self).items() if k != "_last"}

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
    gold_root: Float1D | None = None,
) -> Estimate:
    """Turn a solved estimating equation into an estimate with its covariance, in one pass over the rows."""
    sample = fit.sample
    everyone = np.ones(sample.n_labelled, dtype=np.bool_)
    work = _Influence(
        fit=fit.lean(),
        kind=kind,
        n_units=labelled_units(sample.drawn, everyone),
        n_rows=sample.n_rows,
    )
    part, of_labels = sample.labelled_part(fit.augmentation)
    residual = work.residuals(part, of_labels)
    centres = StratumCentres.of(residual, sample.gold_probability, sample.drawn)
    finite = population == "finite"
    work, found = work.centred(centres), None
    if not finite:
        alone = _labels_alone(part, fit.augmentation, centres)
        found = sample.total(work, fit.augmentation, labelled_only=alone)
    covariance = (
        labelling_covariance(residual, sample) if finite or found is None else found.covariance(sample.n_rows)
    )
    rows_of = InfluenceRows(work, fit.augmentation)
    return Estimate(
        params=fit.params,
        covariance=covariance,
        influence_of=_influence_of(sample, rows_of),
        rows_of=rows_of,
        by_cluster=None if found is None or not found.clusters else found.clusters[0].sums,
        residual_of=partial(as_it_is, residual),
        forecast_of=None if finite else partial(parts_of, covariance, residual, sample),
        gold_root=gold_root,
        tuning=tuning,
        fallbacks=() if fit.fallback is None else (fit.fallback,),
    )


def naive_fit(sample: Sample, raw: ScoreTerm) -> SimpleFit | None:
    """Fit the model as if the machine labels were true."""
    newton = fit_term(sample, raw)
    if not newton.converged:
        return None
    augmentation = identity_augmentation(raw, len(newton.params))
    bread = invert_bread(_slope_of(sample, augmentation, newton))
    if bread is None:
        return None
    found = sample.total(partial(_score_sums, params=newton.params), augmentation).mapped(bread)
    return SimpleFit(params=newton.params, std_error=np.sqrt(np.diag(found.covariance(sample.n_rows))))


def _slope_of(sample: Sample, augmentation: Augmentation, newton: NewtonResult) -> Float2D:
    """Return the mean Jacobian of an expected score at its root, which a linear model has already."""
    if newton.slope is not None:
        return newton.slope
    slope = sample.total(partial(term_sums, params=newton.params), augmentation).jacobian
    assert slope is not None
    return slope / sample.n_rows


def _score_sums(part: LabelledSample, augmentation: Augmentation, params: Float1D) -> InfluenceSums:
    (term,) = augmentation.terms
    return InfluenceSums.of(expected_score(part.moment, term, params), part.clusters)


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

    seen = estimable(sample)
    if not seen.all() and estimator in ("gold", "tuned"):
        return _estimable_alone(sample, terms, seen, estimator, kind, population, tuning, first)
    gold = gold_only(sample)
    root = None if gold is None else gold.params

    def complete(fit: AugmentedFit, how: TuningKind = "none") -> Estimate:
        return finish(fit, kind=kind or "HC0", population=population, tuning=how, gold_root=root)

    if estimator == "dsl":
        found = median_estimate([complete(_pilot(sample, term, gold)) for term in terms])
        return replace(found, gold_root=root)
    if estimator in ("tuned", "gold"):
        if gold is None:
            return _without_gold(sample, terms, kind, population, estimator)
        if estimator == "tuned" and tuning == "none":
            return complete(_pilot(sample, terms[0], gold))
        stages = terms if estimator == "tuned" else ()
        return _bounded(gold, stages, kind, population, tuning, first or FirstStage())
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
    if rows.X.shape[1] != p:
        return np.ones(p, dtype=np.bool_)
    if rows.are_apart:
        return np.ones(p, dtype=np.bool_)
    design = rows.X if rows.weights is None else rows.X * np.sqrt(rows.weights)[:, None]
    length = np.linalg.norm(design, axis=0)
    scaled = design / np.where(length > 0, length, 1.0)
    # the right singular vectors are those of the triangular factor, which has p columns however many rows there are
    triangle = np.linalg.qr(scaled, mode="r") if len(scaled) > p else scaled
    _, values, right = np.linalg.svd(triangle, full_matrices=True)
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

        found = tuple(tuple(replace(c, rows=rows(c.rows)) for c in term) for term in terms)
        filled = None if part.filled is None else rows(part.filled)
        return replace(part, gold=rows(part.gold), filled=filled), found


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
    if not kept.any():
        raise NoRootError(no_root_message.format(n_labelled=sample.n_labelled, n_params=len(seen), reason=""))
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
        influence_of=known_influence(wide(found.influence)),
        rows_of=None,
        by_cluster=wide(found.by_cluster),
        residual_of=partial(as_it_is, wide(found.residual)),
        forecast_of=None,
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
        influence_of=None if single is None else single.influence_of,
        rows_of=None if single is None else single.rows_of,
        by_cluster=None if single is None else single.by_cluster,
        residual_of=fits[0].residual_of,
        forecast_of=partial(_stacked_parts, fits),
        fallbacks=tuple(sorted({note for f in fits for note in f.fallbacks})),
    )


def _stacked_parts(fits: Sequence[Estimate]) -> VarianceParts | None:
    parts = [f.variance_parts for f in fits if isinstance(f.variance_parts, VarianceParts)]
    return VarianceParts.stack(parts) if len(parts) == len(fits) else None
