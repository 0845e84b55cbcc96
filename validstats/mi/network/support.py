"""Does a data set look like those that the network was trained on? A check with named reasons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from validstats._typing import Float1D, Float2D, FloatND
from validstats.mi.network.forward_pass import (
    MEDIAN,
    NetworkWeights,
    anchor_values,
    residual_scale,
    scale_statistics,
    to_log_scale,
)
from validstats.mi.statistics import CLASSICAL_ANCHORS, STATISTIC_NAMES, SummaryTable

__all__ = ["SupportLimits", "SupportVerdict", "check_support", "fit_support"]

FLAG_RATE = 0.005
"""Share of training sets that each criterion flags."""
WIDENING = 2.0
"""Factor on the score threshold of data sets outside the support."""


@dataclass(frozen=True)
class SupportLimits:
    """Limits that nearly all training sets keep.

    Attributes
    ----------
    low, high : ndarray of shape (len(STATISTIC_NAMES),)
        Range of each scaled statistic.
    outside : float
        Largest usual number of statistics outside their range.
    disagreement : float
        Largest usual spread of the ensemble's medians, as a share of the predicted interquartile range.
    correction : float
        Largest usual distance of the median from its anchor, as a share of the residual scale.
    largest_dim : int
        Largest dimension of a side that was trained.
    """

    low: Float1D
    high: Float1D
    outside: float
    disagreement: float
    correction: float
    largest_dim: int

    def to_arrays(self) -> dict[str, FloatND]:
        """Return the limits as arrays, for the file of weights."""
        scalars = [self.outside, self.disagreement, self.correction, self.largest_dim]
        return {"low": self.low, "high": self.high, "scalars": np.array(scalars, dtype=np.float64)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, FloatND]) -> SupportLimits:
        """Read the limits back from arrays."""
        outside, disagreement, correction, largest_dim = arrays["scalars"].tolist()
        return cls(arrays["low"], arrays["high"], outside, disagreement, correction, int(largest_dim))


@dataclass(frozen=True)
class SupportVerdict:
    """What the support check says about one data set.

    Attributes
    ----------
    inside : bool
        Whether nothing speaks against the data set.
    reasons : tuple of str
        What does, one clause each.
    anchor_name : str
        Classical estimator that the network corrects here, and that a doubter falls back to.
    """

    inside: bool
    reasons: tuple[str, ...]
    anchor_name: str


def _criteria(
    sets: SummaryTable, weights: NetworkWeights, members: FloatND
) -> tuple[Float2D, Float1D, Float1D]:
    medians = members[:, :, MEDIAN]
    mean = members.mean(axis=0)
    middle = mean[:, MEDIAN + 3] - mean[:, MEDIAN - 3]
    disagreement = (medians.max(axis=0) - medians.min(axis=0)) / (middle + 1e-3)
    anchor = anchor_values(sets, weights.anchor_table)
    correction = np.abs(mean[:, MEDIAN] - anchor) / residual_scale(sets.shape)
    return scale_statistics(sets.statistics, weights.scaling), disagreement, correction


def fit_support(sets: SummaryTable, weights: NetworkWeights, members: FloatND) -> SupportLimits:
    """Find the limits on sets from the training family that the network has not seen.

    Parameters
    ----------
    sets : SummaryTable
        Calibration sets.
    weights : NetworkWeights
        Trained ensemble.
    members : ndarray of shape (networks, m, 19)
        Quantiles of each network for these sets.

    Returns
    -------
    SupportLimits
        Limits, each kept by all but ``FLAG_RATE`` of the sets.
    """
    scaled, disagreement, correction = _criteria(sets, weights, members)
    low, high = np.quantile(scaled, [FLAG_RATE / 10, 1 - FLAG_RATE / 10], axis=0)
    outside = ((scaled < low) | (scaled > high)).sum(axis=1)
    return SupportLimits(
        low=low,
        high=high,
        outside=float(np.quantile(outside, 1 - FLAG_RATE)),
        disagreement=float(np.quantile(disagreement, 1 - FLAG_RATE)),
        correction=float(np.quantile(correction, 1 - FLAG_RATE)),
        largest_dim=int(sets.shape[:, 1:].max()),
    )


def check_support(
    sets: SummaryTable, weights: NetworkWeights, members: FloatND, limits: SupportLimits
) -> list[SupportVerdict]:
    """Compare data sets with the limits.

    Parameters
    ----------
    sets : SummaryTable
        Summaries.
    weights : NetworkWeights
        Ensemble.
    members : ndarray of shape (networks, m, 19)
        Quantiles of each network for these sets.
    limits : SupportLimits
        Limits.

    Returns
    -------
    list of SupportVerdict
        One for each set. A set that passes may still come from an unknown family: the check sees only what the
        statistics and the ensemble show.
    """
    scaled, disagreement, correction = _criteria(sets, weights, members)
    strange = (scaled < limits.low) | (scaled > limits.high)
    names = np.array(STATISTIC_NAMES[: scaled.shape[1]])
    verdicts = []
    for i in range(len(sets)):
        dims = [int(v) for v in sets.shape[i, 1:]]
        reasons = []
        if max(dims) > limits.largest_dim:
            reasons.append(
                f"a side has {max(dims)} coordinates, above the largest trained, {limits.largest_dim}"
            )
        if strange[i].sum() > limits.outside:
            listed = ", ".join(names[strange[i]][:3])
            reasons.append(
                f"{int(strange[i].sum())} statistics are outside their usual range ({listed}, ...)"
            )
        if disagreement[i] > limits.disagreement:
            reasons.append("the networks of the ensemble disagree more than usual")
        if correction[i] > limits.correction:
            reasons.append("the network departs from its classical anchor more than usual")
        verdicts.append(SupportVerdict(not reasons, tuple(reasons), best_anchor(sets, weights, i)))
    return verdicts


def best_anchor(sets: SummaryTable, weights: NetworkWeights, position: int) -> str:
    """Return the name of the anchor that the network corrects for a set."""
    one = sets.select(np.array([position]))
    value = anchor_values(one, weights.anchor_table)[0]
    candidates = to_log_scale(one.anchors[0, : len(CLASSICAL_ANCHORS)].astype(np.float64))
    return CLASSICAL_ANCHORS[int(np.argmin(np.abs(candidates - value)))]
