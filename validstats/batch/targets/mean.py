"""Means and totals of batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import ClassVar, get_args

import numpy as np

from validstats._typing import AnyArray
from validstats.batch.laws import (
    Interval,
    MeanMethod,
    Side,
    mean_interval,
    rounding_of_means,
    smallest_informative_n,
    smallest_partition_n,
)
from validstats.batch.targets.base import IntervalTarget, Question, shared_level, weighted_sum
from validstats.intake import check_literal

__all__ = ["BatchMean", "BatchTotal"]

_LARGEST_SCORE = 1e300
"""Largest size of a score; sums of larger ones leave the range of doubles, which ends at 1.8e308."""


class BatchMean(IntervalTarget):
    """The mean of a batch.

    With the signed residual (the default) it is the mean of the labels: the mean prediction plus an interval for
    the mean residual. With another score it is the mean of that score.

    Parameters
    ----------
    side : {"two-sided", "upper", "lower"}, default "two-sided"
        Which bounds are wanted.
    method : {"auto", "partition", "phi-band", "phi-sum", "rank-sum"}, default "auto"
        How it is bounded. "auto" decides from the sizes and the level alone, before any score is seen:
        partition where floor(n / m) + 1 >= 1 / alpha of a side, learned rank weights with a rank band elsewhere,
        which need bounded labels.

    References
    ----------
    Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990.

    Examples
    --------
    >>> BatchMean(side="upper")
    BatchMean(side='upper')
    """

    title = "Mean of batches"
    command = "mean"
    command_options: ClassVar[Mapping[str, str | None]] = {"side": "side", "bounds": None, "bounded": None}
    needs_numbers = True
    _label = "mean"

    def __init__(self, side: Side = "two-sided", method: MeanMethod = "auto") -> None:
        self.side = side
        self.method = method

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        super().check()
        check_literal(self.method, "method", get_args(MeanMethod))

    def default_score(self, classifier: bool) -> str:
        """Signed residuals."""
        return "signed"

    def uses_reference(self) -> bool:
        """Rank weights are learned from training scores."""
        return self.method in ("auto", "phi-band", "phi-sum")

    def statement(self) -> str:
        """Say what holds."""
        return f"the {self._label} of a batch {self.between()}"

    def answer(self, question: Question) -> Interval:
        """Bound the mean of one batch."""
        q, known = question, question.calibration
        if np.abs(known.scores).max() > _LARGEST_SCORE:
            raise ValueError(
                f"y has scores beyond {_LARGEST_SCORE:g} in size, whose sums overflow; rescale the labels."
            )
        bound = mean_interval(
            known.sorted_scores,
            q.m,
            q.alpha,
            side=self.side,
            bounds=q.bounds,
            method=self.method,
            reference_scores=known.reference,
            reference_bounds=known.reference_bounds,
            n_resamples=q.n_resamples,
            random_state=known.seed,
        )
        # mean of labels = mean of predictions + mean of residuals, up to rounding of the sums
        offsets = q.score.offset(q.outputs)
        offset = 0.0 if offsets is None else float(offsets.mean())
        low_end, high_end = q.bounds if offsets is None else known.label_bounds
        slack = rounding_of_means(q.m, known.scores, np.asarray([] if offsets is None else offsets))
        low, high = np.clip([bound.low + offset - slack, bound.high + offset + slack], low_end, high_end)
        return replace(
            bound,
            terms=(self._label,),
            estimate=np.array([float(known.scores.mean()) + offset]),
            low=np.array([low_end if self.side == "upper" else low]),
            high=np.array([high_end if self.side == "lower" else high]),
            naive=np.array([offset if offsets is not None else np.nan]),
            smallest_n=self.smallest_n(q.m, q.alpha, q.bounds),
        )

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> Interval:
        """Bound the mean of each stratum and weigh by size."""
        sizes = np.array([q.m for q in questions], dtype=np.float64)
        return weighted_sum([self.answer(q) for q in shared_level(questions)], sizes / sizes.sum())

    def smallest_n(self, m: int, alpha: Fraction, bounds: tuple[float, float] = (-np.inf, np.inf)) -> int:
        """One rank where every wanted end is bounded, one block beyond 1 / alpha elsewhere."""
        wanted = [end for end, side in zip(bounds, ("lower", "upper"), strict=True) if side in self.sides]
        if np.isfinite(wanted).all() and self.method != "partition":
            return smallest_informative_n(m, 1, self.share(alpha))
        return smallest_partition_n(m, self.share(alpha))


class BatchTotal(BatchMean):
    """The total of a batch: its size times :class:`BatchMean`.

    Parameters
    ----------
    side, method
        As in :class:`BatchMean`.

    Examples
    --------
    >>> BatchTotal()
    BatchTotal()
    """

    title = "Total of batches"
    command = "total"
    _label = "total"

    def answer(self, question: Question) -> Interval:
        """Bound the total of one batch."""
        return weighted_sum([super().answer(question)], np.array([float(question.m)]))

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> Interval:
        """Bound the total of each stratum and add."""
        answers = [self.answer(q) for q in shared_level(questions)]
        return weighted_sum(answers, np.ones(len(answers)))
