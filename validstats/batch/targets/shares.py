"""Shares of all classes in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from scipy import stats

from validstats._typing import AnyArray, Float2D
from validstats.batch.laws import (
    Interval,
    class_share_bounds,
    smallest_informative_n,
    unit_asymptotic_interval,
    unit_interval,
)
from validstats.batch.laws.units import smallest_unit_number
from validstats.batch.targets.base import Calibration, Question, Target, shared_level, weighted_sum

__all__ = ["BatchShares"]


class BatchShares(Target):
    """Shares of all classes in a batch, which hold at once.

    It needs a classifier. Labels may be numbers or text; every label must be one of the learner's classes.

    References
    ----------
    Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990, for the law of one count.

    Examples
    --------
    >>> BatchShares()
    BatchShares()
    """

    title = "Class shares of batches"
    command = "shares"
    reads_bounds = False
    counts_classes = True
    command_options: ClassVar[Mapping[str, str | None]] = {}

    def check(self) -> None:
        """Nothing to check: it has no parameters."""

    def default_score(self, classifier: bool) -> str:
        """The place of the label among the classes."""
        return "class"

    def statement(self) -> str:
        """Say what holds."""
        return "the share of every class in a batch lies in its interval, for all classes at once"

    def assumptions(self, calibration: Calibration) -> tuple[str, ...]:
        """What every target needs, and that the list of classes is complete."""
        return (
            *super().assumptions(calibration),
            "no label exists that is not among the classes of the learner",
        )

    def answer(self, question: Question) -> Interval:
        """Bound the shares of one batch."""
        counts = self._counts(question)
        low, high = class_share_bounds(counts, question.m, question.alpha)
        share = counts / question.n
        # normal theory at the level of one class, as a textbook would have it
        z = float(stats.norm.isf(float(question.alpha) / (2 * max(counts.size - (counts.size == 2), 1))))
        half = z * np.sqrt(share * (1 - share) * (1 / question.n + 1 / question.m))
        return Interval(
            terms=tuple(f"share of {name}" for name in question.names),
            estimate=share,
            low=low,
            high=high,
            naive=self._naive(question),
            textbook_low=np.maximum(share - half, 0.0),
            textbook_high=np.minimum(share + half, 1.0),
            smallest_n=self.smallest_n(question.m, question.alpha),
            informative=bool(((high < 1) | (low > 0)).any()),
            method="count of each class",
        )

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> Interval:
        """Bound the shares of each stratum and weigh by size."""
        sizes = np.array([q.m for q in questions], dtype=np.float64)
        return weighted_sum([self.answer(q) for q in shared_level(questions)], sizes / sizes.sum())

    def answer_whole(self, question: Question) -> Interval:
        """Bound the shares of a whole batch from those of whole past batches, each at its part of the level."""
        k = len(question.names)
        parts = question.calibration.by_batch
        shares = np.array([np.bincount(part.astype(np.int64), minlength=k) / part.size for part in parts])
        level = question.alpha / (1 if k == 2 else k)
        found = [unit_interval(shares[:, i], level, bounds=(0.0, 1.0)) for i in range(k)]
        text = np.clip([unit_asymptotic_interval(shares[:, i], level) for i in range(k)], 0.0, 1.0)
        return Interval(
            terms=tuple(f"share of {name}" for name in question.names),
            estimate=shares.mean(axis=0),
            low=np.array([f.low for f in found]),
            high=np.array([f.high for f in found]),
            naive=self._naive(question),
            textbook_low=text[:, 0],
            textbook_high=text[:, 1],
            smallest_n=smallest_unit_number(level / 2),
            informative=all(f.smallest_n <= len(parts) for f in found),
            method="whole batches",
        )

    def smallest_n(self, m: int, alpha: Fraction, bounds: tuple[float, float] = (-np.inf, np.inf)) -> int:
        """The size at which a class that was not seen is bounded, for two classes."""
        return smallest_informative_n(m, 1, alpha / 2)

    def _counts(self, question: Question) -> AnyArray:
        return np.bincount(question.calibration.scores.astype(np.int64), minlength=len(question.names))

    def _naive(self, question: Question) -> Any:
        """Shares of the predicted classes."""
        predicted: Float2D = question.outputs
        return np.bincount(predicted.argmax(axis=1), minlength=predicted.shape[1]) / question.m
