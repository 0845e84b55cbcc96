"""Numbers of wrong predictions in batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from validstats._typing import AnyArray
from validstats.batch.laws import (
    BoundSide,
    Interval,
    error_count_upper,
    smallest_informative_n,
    unit_asymptotic_interval,
    unit_interval,
)
from validstats.batch.scores import ErrorScore, Score
from validstats.batch.targets.base import IntervalTarget, Question, shared_level, weighted_sum
from validstats.intake import check_in_range

__all__ = ["ErrorCount"]


class ErrorCount(IntervalTarget):
    """How many predictions of a batch are wrong.

    Parameters
    ----------
    side : {"upper", "lower", "two-sided"}, default "upper"
        Which bounds are wanted.
    tolerance : float or None, default None
        For regressors, the distance from which a prediction counts as wrong; None counts any difference, which
        suits classifiers, or takes the tolerance of an ErrorScore.

    Examples
    --------
    >>> ErrorCount()
    ErrorCount()
    """

    title = "Wrong predictions in batches"
    reads_bounds = False
    command = "errors"
    command_options: ClassVar[Mapping[str, str | None]] = {"side": "side"}
    counts_classes = True

    def __init__(self, side: BoundSide = "upper", tolerance: float | None = None) -> None:
        self.side = side
        self.tolerance = tolerance

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        super().check()
        if self.tolerance is not None:
            check_in_range(self.tolerance, "tolerance", 0)

    def default_score(self, classifier: bool) -> str:
        """Zeros and ones."""
        return "error"

    def make_score(self, given: Any, classifier: bool) -> Score:
        """Make the score, which takes the tolerance of this target."""
        score = super().make_score(given, classifier)
        if isinstance(score, ErrorScore) and self.tolerance is not None:
            if score.tolerance not in (None, self.tolerance):
                raise ValueError(
                    f"tolerance is {self.tolerance!r} in the target and {score.tolerance!r} in the score; give it once."
                )
            score.set_params(tolerance=self.tolerance).check(classifier)
        return score

    def score_parameters(self) -> tuple[Any, ...]:
        """The tolerance."""
        return (self.tolerance,)

    def statement(self) -> str:
        """Say what holds."""
        return f"the number of wrong predictions in a batch {self.between()}"

    def answer(self, question: Question) -> Interval:
        """Bound the errors in one batch."""
        n, m, share = question.n, question.m, self.share(question.alpha)
        scores = question.calibration.scores
        if not ((scores == 0) | (scores == 1)).all():
            raise ValueError(
                "ErrorCount counts scores of one among zeros, and this score has other values; leave conformity_score=None, or let "
                "the score return 0 and 1."
            )
        errors = int(scores.sum())
        high = m if self.side == "lower" else error_count_upper(n, errors, m, share)
        low = 0 if self.side == "upper" else m - error_count_upper(n, n - errors, m, share)
        said = high < m or low > 0
        return Interval(
            terms=("errors",),
            estimate=np.array([m * errors / n]),
            low=np.array([float(low)]),
            high=np.array([float(high)]),
            naive=np.array([np.nan]),
            probability=None,
            smallest_n=self.smallest_n(m, question.alpha),
            informative=bool(said),
            method="inversion of order statistic bounds",
        )

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> Interval:
        """Bound the errors of each stratum and add; a bound of any of them says something about the sum."""
        answers = [self.answer(q) for q in shared_level(questions)]
        return replace(
            weighted_sum(answers, np.ones(len(answers))),
            smallest_n=min(a.smallest_n for a in answers),
            informative=any(a.informative for a in answers),
        )

    def answer_whole(self, question: Question) -> Interval:
        """Bound the errors in a whole batch by the shares of errors in whole past batches."""
        m, parts = question.m, question.calibration.by_batch
        shares = np.array([float(part.mean()) for part in parts])
        found = unit_interval(shares, question.alpha, side=self.side, bounds=(0.0, 1.0))
        # a share of a whole number of rows: rounded inwards, past what doubles lose
        low, high = math.ceil(m * found.low - 1e-9), math.floor(m * found.high + 1e-9)
        text_low, text_high = unit_asymptotic_interval(shares, question.alpha, side=self.side)
        return Interval(
            terms=("errors",),
            estimate=np.array([m * float(shares.mean())]),
            low=np.array([float(low)]),
            high=np.array([float(high)]),
            naive=np.array([np.nan]),
            textbook_low=np.array([max(m * text_low, 0.0)]),
            textbook_high=np.array([min(m * text_high, float(m))]),
            probability=found.probability,
            smallest_n=found.smallest_n,
            informative=found.smallest_n <= len(parts),
            method="whole batches",
        )

    def smallest_n(self, m: int, alpha: Fraction, bounds: tuple[float, float] = (-np.inf, np.inf)) -> int:
        """The size at which calibration rows without an error bound the errors by less than m."""
        return smallest_informative_n(m, 1, self.share(alpha))
