"""Adaptive prediction sets: cumulated probabilities, regularised or with the last class at random."""

from __future__ import annotations

import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D
from validstats.batch.scores.learned import ProbabilityScore
from validstats.intake import check_in_range, check_positive_int, row_digests

__all__ = ["APSScore", "RAPSScore", "RandomisedAPSScore"]


class APSScore(ProbabilityScore):
    """Adaptive prediction sets: total probability of the classes at least as probable as the label.

    References
    ----------
    Romano, Sesia and Candes (2020), Classification with valid and adaptive coverage, arXiv 2006.02544; here
    without randomisation, which keeps validity and makes sets slightly larger.

    Examples
    --------
    >>> APSScore().scores(np.array([[0.2, 0.5, 0.3]]), np.array([2]))
    array([0.8])
    """

    name = "aps"
    quantity = "probability of classes at least as probable as y"

    def class_scores(self, outputs: AnyArray) -> Float2D:
        """Return cumulated probabilities in decreasing order, for each class."""
        cumulated, _ = _cumulated(outputs)
        return np.asarray(np.minimum(cumulated, 1.0), dtype=np.float64)


class RandomisedAPSScore(ProbabilityScore):
    """Adaptive prediction sets whose last class is in with the right probability: smaller sets, some of them empty.

    The share of a row's own class that counts is a fixed pseudo-random function of the row's probabilities, so that the
    same row always has the same set, and validity needs nothing more than for any other score.

    References
    ----------
    Romano, Sesia and Candes (2020), Classification with valid and adaptive coverage, arXiv 2006.02544.

    Examples
    --------
    >>> scores = RandomisedAPSScore().class_scores(np.array([[0.2, 0.5, 0.3]]))
    >>> bool(0.5 <= scores[0, 2] <= 0.8)
    True
    """

    name = "aps-randomised"
    quantity = "probability of classes more probable than y, and a share of y's own"

    def class_scores(self, outputs: AnyArray) -> Float2D:
        """Return probabilities of all more probable classes plus a share of the class's own."""
        cumulated, _ = _cumulated(outputs)
        return np.asarray(np.minimum(cumulated - (1 - _shares(outputs)) * outputs, 1.0), dtype=np.float64)


class RAPSScore(ProbabilityScore):
    """Regularised adaptive prediction sets: a penalty for every class beyond the first few keeps sets small.

    Parameters
    ----------
    penalty : float, default 0.01
        What each class beyond ``free`` adds to the score.
    free : int, default 5
        Number of classes without a penalty.
    randomised : bool, default False
        Whether a pseudo-random share of the row's own class counts, as in :class:`RandomisedAPSScore`.

    References
    ----------
    Angelopoulos, Bates, Malik and Jordan (2021), Uncertainty sets for image classifiers using conformal prediction, arXiv
    2009.14193.

    Examples
    --------
    >>> RAPSScore(penalty=0.1, free=1).scores(np.array([[0.2, 0.5, 0.3]]), np.array([2]))
    array([0.9])
    """

    name = "raps"
    quantity = "probability of classes at least as probable as y, plus a penalty for many classes"

    def __init__(self, penalty: float = 0.01, free: int = 5, randomised: bool = False) -> None:
        self.penalty = penalty
        self.free = free
        self.randomised = randomised

    def check(self, classifier: bool) -> None:
        """Raise if a parameter is out of range, or the learner is no classifier."""
        super().check(classifier)
        check_in_range(self.penalty, "penalty", 0)
        check_positive_int(self.free, "free", minimum=0)

    def class_scores(self, outputs: AnyArray) -> Float2D:
        """Return cumulated probabilities plus the penalty of the class's place."""
        cumulated, place = _cumulated(outputs)
        if self.randomised:
            cumulated = cumulated - (1 - _shares(outputs)) * outputs
        # s(x, y) = cumulated probability + penalty * (place of y - free)_+
        return np.asarray(cumulated + self.penalty * np.maximum(place - self.free, 0), dtype=np.float64)


def _cumulated(outputs: AnyArray) -> tuple[Float2D, AnyArray]:
    """Total probability up to each class in decreasing order, and the place of each class, from 1."""
    order = np.argsort(-outputs, axis=1, kind="stable")
    total, place = np.empty_like(outputs), np.empty(outputs.shape, dtype=np.int64)
    np.put_along_axis(total, order, np.cumsum(np.take_along_axis(outputs, order, axis=1), axis=1), axis=1)
    np.put_along_axis(
        place, order, np.broadcast_to(np.arange(1, outputs.shape[1] + 1), outputs.shape), axis=1
    )
    return total, place


def _shares(outputs: AnyArray) -> Float1D:
    """One number in (0, 1] for each row, a fixed function of its probabilities, as a column."""
    digests = row_digests(np.ascontiguousarray(outputs))
    return np.asarray((digests.astype(np.float64) + 1.0) / 2.0**64, dtype=np.float64).reshape(-1, 1)
