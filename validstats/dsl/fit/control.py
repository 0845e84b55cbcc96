"""Regressions from few labels: the labels alone, less a bounded share of a control variate.

For coefficient ``c`` the estimate is ``b_c = b_g,c - l_c delta_c`` with ``l_c`` in [0, 1]: ``b_g`` is the root on the
labels alone, and ``delta`` the fit of the first stage ``h`` on the labels less its fit on all rows, whose mean is zero
whatever ``h`` is. The share is chosen from the labels, gated by the number of labels that carry the coefficient, so
that the standard error never exceeds that of the labels alone by more than ``sqrt(1 + 1 / (n - p))``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from validstats._typing import Bool1D, Float1D, Float2D, FloatND, Int1D
from validstats.dsl.fit.augmentation import (
    Augmentation,
    LabelledSample,
    Sample,
    ScoreTerm,
    expected_jacobian,
    expected_score,
    identity_augmentation,
)
from validstats.dsl.fit.estimation import AugmentedFit, Tuning, fit_term, term_sums
from validstats.dsl.fit.influence import Estimate, InfluenceSums, Population, labelling_covariance, parts_of
from validstats.dsl.moments import (
    ScoreParts,
    StratumCentres,
    invert_bread,
    labelled_units,
    sum_by_cluster,
)

__all__ = [
    "BoundedShare",
    "ControlVariate",
    "LabelError",
    "bounded_share",
    "carrier_degrees",
    "control_variate",
    "controlled",
    "event_variance",
    "floored_residuals",
    "kurtosis_degrees",
    "label_error",
]

_LARGEST_LEVERAGE = 0.9
"""Leverages are cut here before dividing by one minus them."""

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
        moment, rows, weight = part.moment, part.gold, part.gold_weights
        leverage = _leverage(part, self.params, self.bread, self.n_rows)
        parts = moment.parts(rows, self.params)
        if parts is None:
            score = moment.score(rows, self.params) / (1.0 - leverage)[:, None]
        else:
            floored = floored_residuals(parts.residual, parts.information, leverage, self.scale)
            score = parts.carriers * floored[:, None]
        assert len(score) == len(weight)
        return score @ self.bread.T


class BoundedShare(NamedTuple):
    """Shares of the control variate with the variance they leave, over that of the labels alone."""

    share: Float1D
    ratio: Float1D


def _leverage(part: LabelledSample, params: Float1D, bread: Float2D, n_rows: int) -> Float1D:
    """Return ``w mu' x'A x / N`` of the labelled rows of a part, from 0 to .9."""
    leverage = part.gold_weights * part.moment.leverage(part.gold, params, bread / n_rows)
    if part.effect_leverage is not None:
        leverage = leverage + part.effect_leverage[part.positions]
    return np.clip(leverage, 0.0, _LARGEST_LEVERAGE)


def error_variance(residual: Float1D, information: Float1D, weight: Float1D, n_params: int) -> float:
    """Return ``s2 = (sum w e^2 / mu' / sum w) n / m``, the model's error variance on the labels."""
    spread = np.where(information > 0, information, 1.0)
    n = len(residual)
    return float(np.sum(weight * residual**2 / spread) / weight.sum() * n / max(n - n_params, 1))


def floored_residuals(residual: Float1D, information: Float1D, leverage: Float1D, scale: float) -> Float1D:
    """Return ``e / (1 - lev)``, at least ``sqrt(s2 mu' / (1 - lev))`` in size where ``lev >= 1/2``."""
    room = 1.0 - leverage
    inflated = residual / room
    floor = np.sqrt(scale * np.maximum(information, 0.0) / room)
    floored = np.where(inflated < 0, -1.0, 1.0) * np.maximum(np.abs(inflated), floor)
    return np.where(leverage >= _FLOORED_LEVERAGE, floored, inflated)


def kurtosis_degrees(units: Float2D, n_params: int) -> Float1D:
    """Return ``2 / (k4 - 1/n)``, ``k4 = sum u^4 / (sum u^2)^2`` over labelled units, from 2 to ``n - p - 1``."""
    n = len(units)
    largest = np.max(np.abs(units), axis=0, initial=0.0)
    scaled = units / np.where(largest > 0, largest, 1.0)  # u^4 neither under- nor overflows
    square = np.sum(scaled**2, axis=0)
    excess = np.sum(scaled**4, axis=0) / np.where(square > 0, square**2, 1.0) - 1.0 / n
    top = float(max(n - n_params - 1, 2))
    degrees = np.divide(2.0, excess, out=np.full(excess.shape, top), where=excess > 2.0 / top)
    return np.where(square > 0, np.clip(degrees, 2.0, top), 2.0)


def carrier_degrees(carried: Float2D) -> Float1D:
    """Return ``1 / k0 - 1``, ``k0 = sum a^4 / (sum a^2)^2``: labelled units that carry a coefficient, less one."""
    largest = np.max(np.abs(carried), axis=0, initial=0.0)
    scaled = carried / np.where(largest > 0, largest, 1.0)
    fourth = np.sum(scaled**4, axis=0)
    return np.sum(scaled**2, axis=0) ** 2 / np.where(fourth > 0, fourth, 1.0) - 1.0


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

    ``degrees`` is ``min(df(phi_g), df0)`` and ``margin`` is ``m = n - p``.
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
    carried = (parts.carriers * parts.slope[:, None]) @ bread.T * weight[:, None]
    for c in np.unique(cell):
        inside = cell == c
        y = outcome[inside]
        if min(np.sum(y == 1), np.sum(y == 0)) >= _FEW_EVENTS:
            continue
        rate = float(np.average(y, weights=weight[inside]))
        rarer = 1.0 if rate < 0.5 else 0.0
        chance = np.clip(parts.mean[inside], 0.0, 1.0)
        chance = chance if rarer == 1.0 else 1.0 - chance
        omega = chance / chance.sum() if chance.sum() > 0 else np.full(len(y), 1.0 / len(y))
        size = carried[inside] ** 2 * (rarer - rate) ** 2
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
    carried = weight[:, None] * moment.carried(rows, gold.params, gold.bread)
    square = carried**2
    high = _leverage(part, gold.params, gold.bread, n_rows) >= _FLOORED_LEVERAGE
    events, scale = np.zeros(len(gold.params)), 0.0
    if parts is not None:
        scale = error_variance(parts.residual, parts.information, weight, len(gold.params))
        if cell is not None:
            still_open = 1.0 - part.gold_probability if finite else 1.0
            outcome = np.asarray(rows.y, dtype=np.float64)
            events = event_variance(parts, gold.bread, outcome, weight, cell, n_rows, still_open)
    return LabelError(
        params=gold.params,
        bread=gold.bread,
        scale=scale,
        n_rows=n_rows,
        carried=carried,
        fragile=square[high].sum(axis=0) > 0.5 * square.sum(axis=0),
        events=events,
    )


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
        return expected_score(part.moment, augmentation.terms[0], self.params) @ self.on_labels.T

    def influence(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return ``A_hL w g [labelled] - A_hN g [all rows]`` of a part."""
        score = expected_score(part.moment, augmentation.terms[0], self.params)
        found = -score @ self.everywhere.T
        found[part.positions] += part.gold_weights[:, None] * (score[part.positions] @ self.on_labels.T)
        return found


def control_variate(sample: Sample, term: ScoreTerm) -> ControlVariate | None:
    """Return the control variate of a first stage, or None without a root: ``delta = A_hL sum_L w g / N``."""
    newton = fit_term(sample, term)
    if not newton.converged:
        return None
    augmentation = identity_augmentation(term, len(newton.params))
    slope = sample.total(partial(term_sums, params=newton.params), augmentation).jacobian
    part, of_labels = sample.labelled_part(augmentation)
    assert slope is not None
    everywhere = invert_bread(slope / sample.n_rows)
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


@dataclass(frozen=True)
class _JointInfluence:
    """Work on a part: influence of the labels alone beside that of the control variate."""

    labels: LabelError
    control: ControlVariate | None
    keep: bool
    centres: StratumCentres | None = None

    def __call__(self, part: LabelledSample, augmentation: Augmentation) -> InfluenceSums:
        p = len(self.labels.params)
        influence = np.zeros((part.n_rows, 2 * p))
        residual = self.labels.residuals(part)
        influence[part.positions, :p] = residual * part.gold_weights[:, None]
        if self.control is not None:
            influence[:, p:] = self.control.influence(part, augmentation)
        own, all_of_it = part.gold_effect_scores, part.effect_scores
        if own is not None and all_of_it is not None:
            # what absorbed effects explain of the labels alone, and of the control variate
            influence[:, :p] -= own @ self.labels.bread.T
            if self.control is not None:
                influence[:, p:] -= (own - all_of_it) @ self.control.everywhere.T
        if self.centres is not None:
            known = self.residuals(*part.labelled_part(augmentation))
            influence = self.centres.taken_off(influence, known, part.probability, part.design, part.labelled)
        return InfluenceSums.of(influence, part.clusters, self.keep)

    def residuals(self, part: LabelledSample, augmentation: Augmentation) -> Float2D:
        """Return what each label adds to both, the part being labelled throughout."""
        own = self.labels.residuals(part)
        of_control = (
            np.zeros_like(own) if self.control is None else self.control.residuals(part, augmentation)
        )
        return np.hstack([own, of_control])


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
    n, p = sample.n_rows, len(labels.params)
    everyone = np.ones(sample.n_labelled, dtype=np.bool_)
    units = labelled_units(sample.drawn, everyone)
    margin = max(units - p, 1)
    augmentation = Augmentation() if control is None else control.augmentation
    work = _JointInfluence(labels, control, sample.keeps_rows)
    part, of_labels = sample.labelled_part(augmentation)
    residual = work.residuals(part, of_labels)
    centres = StratumCentres.of(residual, sample.gold_probability, sample.drawn)
    finite = population == "finite"
    found = None
    if not finite or sample.keeps_rows:
        alone = augmentation.is_empty and centres is None and not sample.keeps_rows
        found = sample.total(replace(work, centres=centres), augmentation, labelled_only=alone)
    joint = labelling_covariance(residual, sample) if finite or found is None else found.covariance(n)
    # F pays for the parameters of the first stage, at most a third of the labels
    q = min(first_stage, units / 3.0)
    factor = units / max(units - q - 1.0, units / 3.0)
    diagonal = np.diag(joint)
    variance, spread = diagonal[:p] + labels.events, factor * diagonal[p:]
    of_units = _by_unit(
        part, np.hstack([residual[:, :p] * part.gold_weights[:, None], _own(control, part, of_labels)])
    )
    few = carrier_degrees(np.sqrt(_by_unit(part, labels.carried**2)))
    if tuning == "matrix" and control is not None:
        slopes, ratio = _free_matrix(joint, variance, factor, margin)
        share = np.diag(slopes)
    else:
        share, ratio = bounded_share(
            variance,
            np.diag(joint[:p, p:]),
            spread,
            np.minimum(kurtosis_degrees(of_units[:, :p], p), few),
            margin=margin,
            tuning="scalar" if tuning == "scalar" else "diagonal",
        )
        slopes = np.diag(share)
    degrees = np.maximum(
        2.0, np.minimum(kurtosis_degrees(of_units[:, :p] - of_units[:, p:] @ slopes.T, p), few)
    )
    degrees = np.where(labels.events > 0, np.maximum(degrees, 3.0), degrees)
    error = np.sqrt(((diagonal[:p] if gold_variance is None else gold_variance) + labels.events) * ratio)
    mapping = np.hstack([np.eye(p), -slopes])
    pattern = mapping @ joint @ mapping.T
    length = np.sqrt(np.maximum(np.diag(pattern), 0.0))
    mapping *= np.divide(error, length, out=np.zeros(p), where=length > 0)[:, None]
    covariance = mapping @ joint @ mapping.T
    covariance = (covariance + covariance.T) / 2.0
    np.fill_diagonal(covariance, error**2)
    residual = residual @ mapping.T
    delta = np.zeros(p) if control is None else control.delta
    return Estimate(
        params=labels.params - slopes @ delta,
        covariance=covariance,
        influence=None if found is None or found.rows is None else found.rows @ mapping.T,
        by_cluster=None if found is None or not found.clusters else found.clusters[0].sums @ mapping.T,
        residual=residual,
        variance_parts=None if finite else parts_of(covariance, residual, sample),
        tuning="none" if control is None else tuning,
        degrees=degrees,
        share=share,
        fragile=labels.fragile,
    )


def _own(control: ControlVariate | None, part: LabelledSample, augmentation: Augmentation) -> Float2D:
    """Return the control variate's influence of labelled rows, zero without one."""
    p = part.moment.n_params(part.gold)
    return np.zeros((part.n_rows, p)) if control is None else control.influence(part, augmentation)


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
    codes = part.design.units if part.design.scheme == "clusters" else None
    if codes is None and part.clusters:
        codes = part.clusters[0]
    if codes is None:
        return values
    return sum_by_cluster(values, np.unique(codes, return_inverse=True)[1].reshape(-1))
