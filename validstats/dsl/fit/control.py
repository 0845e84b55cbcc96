"""Regressions from few labels: the labels alone, less a bounded share of a control variate.

For coefficient ``c`` the estimate is ``b_c = b_g,c - l_c delta_c`` with ``l_c`` in [0, 1]: ``b_g`` is the root on the
labels alone, and ``delta`` the fit of the first stage ``h`` on the labels less its fit on all rows, whose mean is zero
whatever ``h`` is. The share is chosen from the labels, gated by the number of labels that carry the coefficient, so
that the standard error never exceeds that of the labels alone by more than ``sqrt(1 + 1 / (n - p))``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from validstats._typing import Bool1D, Float1D, Float2D, FloatND, Int1D
from validstats.dsl.fit.augmentation import (
    LabelledSample,
    ScoreTerm,
    expected_jacobian,
    expected_score,
    labelled_term,
)
from validstats.dsl.fit.estimation import AugmentedFit, fit_term
from validstats.dsl.moments import (
    SamplingDesign,
    ScoreParts,
    centred_influence,
    clustered_meat,
    design_meat,
    invert_bread,
    labelled_units,
    sum_by_cluster,
)

__all__ = [
    "BoundedShare",
    "ControlFit",
    "LabelError",
    "ShareTuning",
    "bounded_share",
    "carrier_degrees",
    "control_variate",
    "controlled",
    "event_variance",
    "floored_residuals",
    "kurtosis_degrees",
    "label_error",
]

ShareTuning: TypeAlias = Literal["diagonal", "scalar", "matrix"]
"""One share a coefficient, one for all, or a free matrix (by name only: no bound is claimed for it)."""

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
    """The uncertainty of the labels alone.

    Attributes
    ----------
    params : ndarray of shape (p,)
        Root on the labels alone.
    bread : ndarray of shape (p, p)
        Inverse mean Jacobian on the labels.
    score : ndarray of shape (n_labelled, p)
        Scores with floored leave-one-out residuals.
    carried : ndarray of shape (n_labelled, p)
        What each labelled row carries of each coefficient, times its weight.
    fragile : ndarray of shape (p,)
        Coefficients that rows of leverage one half or more carry.
    events : ndarray of shape (p,)
        Variance of the events that cells with few of them may still hold.
    """

    params: Float1D
    bread: Float2D
    score: Float2D
    carried: Float2D
    fragile: Bool1D
    events: Float1D


class BoundedShare(NamedTuple):
    """Shares of the control variate with the variance they leave, over that of the labels alone."""

    share: Float1D
    ratio: Float1D


@dataclass(frozen=True, kw_only=True)
class ControlFit:
    """Coefficients with standard errors that do not exceed those of the labels alone by more than a known factor.

    Attributes
    ----------
    params : ndarray of shape (p,)
        Estimate.
    covariance : ndarray of shape (p, p)
        Covariance whose diagonal holds the squared standard errors.
    degrees : ndarray of shape (p,)
        Degrees of freedom of the t interval of each coefficient.
    share : ndarray of shape (p,)
        Share ``l`` of the control variate; zero is the labels alone.
    gold_error : ndarray of shape (p,)
        Standard errors of the labels alone.
    influence : ndarray of shape (n, p)
        Influence functions whose sandwich is the covariance; of the labels' part for a finite population.
    residual : ndarray of shape (n_labelled, p)
        What each label adds, in coefficient units, scaled alike.
    fragile : ndarray of shape (p,)
        Coefficients that rows of leverage one half or more carry.
    """

    params: Float1D
    covariance: Float2D
    degrees: Float1D
    share: Float1D
    gold_error: Float1D
    influence: Float2D
    residual: Float2D
    fragile: Bool1D


def floored_residuals(
    residual: Float1D, information: Float1D, leverage: Float1D, weight: Float1D, n_params: int
) -> Float1D:
    """Return ``e / (1 - lev)``, at least ``sqrt(s2 mu' / (1 - lev))`` in size where ``lev >= 1/2``."""
    n = len(residual)
    spread = np.where(information > 0, information, 1.0)
    # s2 = (sum w e^2 / mu' / sum w) n / m, the model's error variance
    scale = np.sum(weight * residual**2 / spread) / weight.sum() * n / max(n - n_params, 1)
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
) -> tuple[Float1D, bool]:
    """Return ``E``, half a label of the other kind in every cell with fewer than 5, and whether there is one.

    ``E = sum_cells 1/2 sum_i omega_i S_i^2 / N^2``, ``S_i = (A x)_i w_i (y* - rate)``, with ``y*`` the rarer class and
    ``omega`` proportional to the chance that the model gives it.
    """
    total = np.zeros(bread.shape[0])
    applies = False
    carried = (parts.carriers * parts.slope[:, None]) @ bread.T * weight[:, None]
    for c in np.unique(cell):
        inside = cell == c
        y = outcome[inside]
        if min(np.sum(y == 1), np.sum(y == 0)) >= _FEW_EVENTS:
            continue
        applies = True
        rate = float(np.average(y, weights=weight[inside]))
        rarer = 1.0 if rate < 0.5 else 0.0
        chance = np.clip(parts.mean[inside], 0.0, 1.0)
        chance = chance if rarer == 1.0 else 1.0 - chance
        omega = chance / chance.sum() if chance.sum() > 0 else np.full(len(y), 1.0 / len(y))
        size = carried[inside] ** 2 * (rarer - rate) ** 2
        opened = still_open if np.ndim(still_open) == 0 else np.asarray(still_open)[inside]
        total += 0.5 * (omega * opened) @ size / n_rows**2
    return total, applies


def label_error(
    sample: LabelledSample,
    gold: AugmentedFit,
    *,
    n_params: int | None = None,
    cell: Int1D | None = None,
    finite: bool = False,
) -> LabelError:
    """Return floored leave-one-out scores of the labels alone, what rows carry, and the variance of unseen events.

    ``cell`` holds the verdict cell of every labelled row where the outcome is 0/1, else None; ``n_params`` counts
    absorbed effects.
    """
    moment, rows, weight = sample.moment, sample.gold, sample.gold_weights
    n_fitted = len(gold.params) if n_params is None else n_params
    parts = moment.parts(rows, gold.params)
    leverage = weight * moment.leverage(rows, gold.params, gold.bread / sample.n_rows)
    if sample.effect_leverage is not None:
        leverage = leverage + sample.effect_leverage[sample.positions]
    leverage = np.clip(leverage, 0.0, _LARGEST_LEVERAGE)
    if parts is None:
        score = moment.score(rows, gold.params) / (1.0 - leverage)[:, None]
    else:
        floored = floored_residuals(parts.residual, parts.information, leverage, weight, n_fitted)
        score = parts.carriers * floored[:, None]
    carried = weight[:, None] * moment.carried(rows, gold.params, gold.bread)
    square = carried**2
    of_high = square[leverage >= _FLOORED_LEVERAGE].sum(axis=0)
    events, applies = np.zeros(len(gold.params)), False
    if cell is not None and parts is not None:
        still_open = 1.0 - sample.gold_probability if finite else 1.0
        events, applies = event_variance(
            parts, gold.bread, np.asarray(rows.y, dtype=np.float64), weight, cell, sample.n_rows, still_open
        )
    return LabelError(
        params=gold.params,
        bread=gold.bread,
        score=score,
        carried=carried,
        fragile=of_high > 0.5 * square.sum(axis=0),
        events=events if applies else np.zeros(len(gold.params)),
    )


class ControlVariate(NamedTuple):
    """A variate of mean zero: its value, its residuals on the labels and its influence on all rows."""

    delta: Float1D
    residual: Float2D
    influence: Float2D


def control_variate(sample: LabelledSample, term: ScoreTerm) -> ControlVariate | None:
    """Return the fit of the first stage on the labels less its fit on all rows, or None without a root.

    ``delta = A_hL sum_L w g / N`` and ``phi = A_hL w g [labelled] - A_hN g [all rows]``, with ``g`` the expected score
    at the root ``b_h`` of its mean over all rows.
    """
    newton = fit_term(sample, term)
    if not newton.converged:
        return None
    n = sample.n_rows
    of_labels = labelled_term(sample, term)
    everywhere = invert_bread(expected_jacobian(sample.moment, term, newton.params, np.ones(n)) / n)
    on_labels = invert_bread(
        expected_jacobian(sample.moment, of_labels, newton.params, sample.gold_weights) / n
    )
    if everywhere is None or on_labels is None:
        return None
    score = expected_score(sample.moment, term, newton.params)
    residual = score[sample.positions] @ on_labels.T
    influence = -score @ everywhere.T
    weighted = residual * sample.gold_weights[:, None]
    influence[sample.positions] += weighted
    return ControlVariate(weighted.sum(axis=0) / n, residual, influence)


def controlled(
    sample: LabelledSample,
    labels: LabelError,
    control: ControlVariate | None,
    design: SamplingDesign,
    *,
    clusters: Sequence[Int1D] = (),
    finite: bool = False,
    first_stage: float = 0.0,
    n_params: int | None = None,
    tuning: ShareTuning = "diagonal",
    gold_variance: Float1D | None = None,
) -> ControlFit:
    """Return the labels alone less a bounded share of the control variate; ``control`` None is the labels alone.

    ``first_stage`` is the effective number of parameters of the first stage; ``gold_variance`` replaces the variance
    of the labels alone where another correction was asked for by name.
    """
    n, p = sample.n_rows, len(labels.params)
    n_fitted = p if n_params is None else n_params
    units = labelled_units(design, sample.labelled)
    margin = max(units - n_fitted, 1)
    gold_residual = labels.score @ labels.bread.T
    gold_influence = np.zeros((n, p))
    gold_influence[sample.positions] = gold_residual * sample.gold_weights[:, None]
    if control is None:
        control = ControlVariate(np.zeros(p), np.zeros_like(gold_residual), np.zeros((n, p)))
    of_units = _by_unit(sample, design, clusters, gold_influence[sample.positions])
    control_units = _by_unit(sample, design, clusters, control.influence[sample.positions])
    carried = np.sqrt(_by_unit(sample, design, clusters, labels.carried**2))
    residuals = np.hstack([gold_residual, control.residual])
    if finite:
        meat = design_meat(residuals, sample.gold_probability, n, design, sample.labelled)
        influence = np.hstack([gold_influence, control.influence])
    else:
        influence = centred_influence(
            np.hstack([gold_influence, control.influence]),
            residuals,
            sample.probability,
            design,
            sample.labelled,
        )
        meat = clustered_meat(influence, clusters)
    joint = meat / n
    diagonal = np.diag(joint)
    # F pays for the parameters of the first stage, at most a third of the labels
    q = min(first_stage, units / 3.0)
    factor = units / max(units - q - 1.0, units / 3.0)
    events = labels.events
    variance = diagonal[:p] + events
    cross, spread = np.diag(joint[:p, p:]), factor * diagonal[p:]
    few = carrier_degrees(carried)
    if tuning == "matrix":
        slopes, ratio = _free_matrix(joint, variance, factor, margin)
        share = np.diag(slopes)
    else:
        share, ratio = bounded_share(
            variance,
            cross,
            spread,
            np.minimum(kurtosis_degrees(of_units, n_fitted), few),
            margin=margin,
            tuning=tuning,
        )
        slopes = np.diag(share)
    degrees = np.maximum(
        2.0, np.minimum(kurtosis_degrees(of_units - control_units @ slopes.T, n_fitted), few)
    )
    degrees = np.where(events > 0, np.maximum(degrees, 3.0), degrees)
    own = diagonal[:p] if gold_variance is None else gold_variance
    error = np.sqrt((own + events) * ratio)
    mapped = influence[:, :p] - influence[:, p:] @ slopes.T
    pattern = (
        joint[:p, :p] - slopes @ joint[p:, :p] - joint[:p, p:] @ slopes.T + slopes @ joint[p:, p:] @ slopes.T
    )
    spread_of = np.sqrt(np.maximum(np.diag(pattern), 0.0))
    scale = np.divide(error, spread_of, out=np.zeros(p), where=spread_of > 0)
    covariance = pattern * np.outer(scale, scale)
    np.fill_diagonal(covariance, error**2)
    return ControlFit(
        params=labels.params - slopes @ control.delta,
        covariance=covariance,
        degrees=degrees,
        share=share,
        gold_error=np.sqrt(own + events),
        influence=mapped * scale,
        residual=(gold_residual - control.residual @ slopes.T) * scale,
        fragile=labels.fragile,
    )


def _free_matrix(joint: Float2D, variance: Float1D, factor: float, margin: int) -> tuple[Float2D, Float1D]:
    """Return the matrix of least variance, ``C D^-1``, and the variance it leaves."""
    p = len(variance)
    slopes = np.linalg.lstsq(factor * joint[p:, p:], joint[p:, :p], rcond=1e-10)[0].T
    left: Float1D = variance - np.diag(slopes @ joint[p:, :p])
    ratio: Float1D = np.clip(np.divide(left, variance, out=np.ones(p), where=variance > 0), 0.0, 1.0)
    return slopes, ratio * (1.0 + p / max(margin, 1))


def _by_unit(
    sample: LabelledSample, design: SamplingDesign, clusters: Sequence[Int1D], values: FloatND
) -> FloatND:
    """Return sums of labelled rows by labelled cluster: those drawn, else the first of the standard errors."""
    if design.scheme == "clusters":
        codes = design.units
    else:
        codes = clusters[0] if clusters else None
    if codes is None:
        return values
    return sum_by_cluster(values, np.unique(codes[sample.positions], return_inverse=True)[1].reshape(-1))
