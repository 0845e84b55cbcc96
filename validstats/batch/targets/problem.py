"""What a target is asked, and what it answers: plain records without behaviour of their own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from validstats._typing import AnyArray, Bool1D, Float1D
from validstats.batch.laws import batch_coverage_probability
from validstats.batch.scores import Score

__all__ = [
    "Calibration",
    "EnvelopeAnswer",
    "IntervalAnswer",
    "Question",
    "SelectionAnswer",
    "SetAnswer",
]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Frozen record of a calibration.

    Attributes
    ----------
    scores : ndarray of shape (n,)
        Scores of the calibration rows that were kept.
    n_supplied : int
        Rows supplied, before any rejection.
    seed : int
        Seed of everything random that follows; fixed here, before any batch is seen.
    strata : ndarray of shape (n,) or None
        Stratum of each score.
    reference : ndarray of shape (k,) or None
        Scores of the training rows, from which rank weights are learned.
    reference_bounds : tuple of float
        Bounds of scores as known from the training rows.
    w_max : float or None
        Declared bound of the weights, where rows were rejected for covariate shift.
    label_bounds : tuple of float
        Known bounds of the labels.
    """

    scores: Float1D
    n_supplied: int
    seed: int
    strata: AnyArray | None = None
    reference: Float1D | None = None
    reference_bounds: tuple[float, float] = (-np.inf, np.inf)
    w_max: float | None = None
    label_bounds: tuple[float, float] = (-np.inf, np.inf)

    @property
    def n(self) -> int:
        """Number of scores that statements rest on."""
        return int(self.scores.size)

    @cached_property
    def sorted_scores(self) -> Float1D:
        """The scores in increasing order, sorted once."""
        return np.sort(self.scores)

    @cached_property
    def by_stratum(self) -> dict[object, Calibration]:
        """One calibration for each stratum."""
        if self.strata is None:
            return {None: self}
        labels, codes = np.unique(self.strata, return_inverse=True)
        return {
            label: replace(self, scores=self.scores[codes == i], strata=None)
            for i, label in enumerate(labels.tolist())
        }


@dataclass(frozen=True, eq=False)
class Question:
    """One batch (or its part in one stratum) and the level of the statement about it.

    Attributes
    ----------
    calibration : Calibration
        Scores exchangeable with those of the batch.
    outputs : ndarray with m rows
        Model outputs of the batch.
    m : int
        Batch size.
    alpha : Fraction
        Miscoverage level.
    score : Score
        The score.
    n_resamples : int
        Draws of exact Monte Carlo quantiles.
    """

    calibration: Calibration
    outputs: AnyArray
    m: int
    alpha: Fraction
    score: Score
    n_resamples: int

    @property
    def n(self) -> int:
        """Number of calibration scores."""
        return self.calibration.n

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Bounds that hold for the scores of calibration and batch."""
        low, high = self.score.score_bounds(self.outputs, self.calibration.label_bounds)
        if np.isfinite(low):
            low = min(low, float(self.calibration.scores.min()))
        if np.isfinite(high):
            high = max(high, float(self.calibration.scores.max()))
        return low, high


@dataclass(frozen=True, eq=False)
class IntervalAnswer:
    """Intervals for one or several numbers about a batch.

    Attributes
    ----------
    terms : tuple of str
        What each number is.
    estimate, low, high : ndarray of shape (k,)
        Point values and bounds.
    naive : ndarray of shape (k,)
        What the model alone would say; NaN where it says nothing.
    probability : float or None
        Exact joint probability where it is known.
    ranks : tuple of (int or None, int or None)
        Ranks of the lower and the upper bound, one pair a term; empty where no single ranks are used.
    smallest_n : int
        Smallest calibration size that would be informative.
    informative : bool
        Whether every requested side says something.
    method : str
        How the bounds were computed.
    """

    terms: tuple[str, ...]
    estimate: Float1D
    low: Float1D
    high: Float1D
    naive: Float1D
    probability: float | None
    ranks: tuple[tuple[int | None, int | None], ...]
    smallest_n: int
    informative: bool
    method: str


@dataclass(frozen=True, eq=False)
class SetAnswer:
    """Label sets for all rows of a batch.

    Attributes
    ----------
    threshold : ndarray of shape (m,)
        Score threshold of each row (the same for all without strata).
    covered : int
        Number of rows covered at least.
    probability : float
        Exact probability of the statement, without ties.
    ranks : tuple of int
        Rank of each stratum's threshold.
    smallest_n : int
        Smallest calibration size that would be informative.
    informative : bool
        Whether every threshold is a calibration score.
    naive_threshold : ndarray of shape (m,)
        Threshold of split conformal prediction for one row at the share of covered rows.
    naive_law : tuple of (int, int, int, int)
        Calibration size, batch size, rows to cover and rank of the naive threshold, one entry a stratum.
    """

    threshold: Float1D
    covered: int
    probability: float
    ranks: tuple[int, ...]
    smallest_n: int
    informative: bool
    naive_threshold: Float1D
    naive_law: tuple[tuple[int, int, int, int], ...]

    @cached_property
    def naive_probability(self) -> float:
        """Exact probability of the same statement with the naive threshold."""
        return float(np.prod([batch_coverage_probability(*law) for law in self.naive_law]))


@dataclass(frozen=True, eq=False)
class SelectionAnswer:
    """Rows of a batch about which a claim is made.

    Attributes
    ----------
    selected : ndarray of bool, shape (m,)
        The claims.
    threshold : ndarray of shape (m,)
        Prediction that a row must exceed; NaN under false discovery rate control.
    p_values : ndarray of shape (m,)
        Conformal p-values; NaN under a bound of the number.
    probability : float or None
        Exact probability that the false claims stay within their bound.
    ranks : tuple of int
        Rank of each stratum's threshold.
    smallest_n : int
        Smallest calibration size that would be informative.
    informative : bool
        Whether anything can be selected at all.
    naive_selected : ndarray of bool, shape (m,)
        Claims by the plain prediction: above the limit.
    """

    selected: Bool1D
    threshold: Float1D
    p_values: Float1D
    probability: float | None
    ranks: tuple[int, ...]
    smallest_n: int
    informative: bool
    naive_selected: Bool1D


@dataclass(frozen=True, eq=False)
class EnvelopeAnswer:
    """Bounds of all sorted scores of a batch at once.

    Attributes
    ----------
    low, high : ndarray of shape (m,)
        Bounds of the sorted scores.
    offset : ndarray of shape (m,) or None
        What turns scores into labels, where they are shifted labels.
    predictions : ndarray of shape (m,)
        Model outputs, for selections.
    probability : float
        Exact joint probability, without ties.
    local_level : float
        Tail probability of each limit.
    smallest_n : int
        Smallest calibration size that would be informative.
    informative : bool
        Whether any limit is a calibration score.
    """

    low: Float1D
    high: Float1D
    offset: Float1D | None
    predictions: Float1D
    probability: float
    local_level: float
    smallest_n: int
    informative: bool
    rank_low: tuple[int, ...] = field(default=())
    rank_high: tuple[int, ...] = field(default=())
