"""Label sets of which a stated share is right in every batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from validstats._typing import AnyArray
from validstats.batch.laws import (
    ceil_fraction,
    simultaneous_rank,
    smallest_informative_n,
    unit_interval,
)
from validstats.batch.results import BatchSets, LateIntervals, SetAnswer
from validstats.batch.targets.base import Inquiry, Question, Target, scatter, shared_level
from validstats.intake import as_decimal, check_in_range

__all__ = ["Simultaneous"]


class Simultaneous(Target):
    """Label sets of which at most a share ``miss`` of a batch's rows are wrong.

    Parameters
    ----------
    miss : float, default 0.1
        Share of the rows whose sets may miss, in [0, 1). Zero asks for all of them.

    References
    ----------
    Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990; Marques (2023), arXiv 2303.02770.

    Examples
    --------
    >>> Simultaneous(miss=0.05)
    Simultaneous(miss=0.05)
    """

    title = "Label sets for batches"
    result_type = BatchSets
    command = "sets"
    command_options: ClassVar[Mapping[str, str | None]] = {"miss": "miss", "bounds": None}

    def __init__(self, miss: float = 0.1) -> None:
        self.miss = miss

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        check_in_range(self.miss, "miss", 0, 1, high_open=True)

    def default_score(self, classifier: bool) -> str:
        """Absolute residual, or one minus the probability."""
        return "probability" if classifier else "absolute"

    def answer(self, question: Question) -> SetAnswer:
        """Find the threshold for one batch."""
        n, m = question.n, question.m
        k, bound = simultaneous_rank(n, m, self.miss, question.alpha)
        # split conformal prediction for one row: rank ceil((1 - miss) (n + 1))
        naive_rank = min(ceil_fraction(_share_covered(as_decimal(self.miss)) * (n + 1)), n + 1)
        highest = question.bounds[1] if max(bound.rank, naive_rank) > n else np.inf
        ours, naive = question.calibration.at_ranks((bound.rank, naive_rank), highest)
        return SetAnswer(
            threshold=np.full(m, ours),
            covered=k,
            probability=bound.probability,
            ranks=(bound.rank,),
            smallest_n=self.smallest_n(m, question.alpha),
            informative=bound.informative,
            naive_threshold=np.full(m, naive),
            naive_law=((n, m, k, naive_rank),),
        )

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> SetAnswer:
        """Cover the same share in every stratum, at the level of the product law."""
        answers = [self.answer(q) for q in shared_level(questions)]
        return SetAnswer(
            threshold=scatter([a.threshold for a in answers], rows),
            covered=sum(a.covered for a in answers),
            probability=float(np.prod([a.probability for a in answers])),
            ranks=tuple(a.ranks[0] for a in answers),
            smallest_n=max(a.smallest_n for a in answers),
            informative=all(a.informative for a in answers),
            naive_threshold=scatter([a.naive_threshold for a in answers], rows),
            naive_law=tuple(a.naive_law[0] for a in answers),
        )

    def answer_whole(self, question: Question) -> SetAnswer:
        """Find the threshold that covers enough rows of a whole batch, from the thresholds that past batches needed."""
        m, known = question.m, question.calibration
        needed = np.array([np.sort(part)[self.threshold_index(part.size) - 1] for part in known.by_batch])
        found = unit_interval(needed, question.alpha, side="upper", bounds=(-np.inf, question.bounds[1]))
        n = known.n
        naive_rank = min(ceil_fraction(_share_covered(as_decimal(self.miss)) * (n + 1)), n + 1)
        return SetAnswer(
            threshold=np.full(m, found.high),
            covered=self.threshold_index(m),
            probability=found.probability,
            ranks=(ceil_fraction((1 - question.alpha) * (needed.size + 1)),),
            smallest_n=found.smallest_n,
            informative=found.smallest_n <= needed.size,
            naive_threshold=np.full(m, known.at_ranks((naive_rank,), question.bounds[1])[0]),
            naive_law=(),
        )

    def statement(self) -> str:
        """Say what holds."""
        share = float(_share_covered(as_decimal(self.miss)))
        return f"at least {100 * share:.6g} % of the label sets of a batch hold their label"

    def smallest_n(self, m: int, alpha: Fraction, bounds: tuple[float, float] = (-np.inf, np.inf)) -> int:
        """The size at which the threshold is a calibration score."""
        return smallest_informative_n(m, self.threshold_index(m), alpha)

    def threshold_index(self, m: int) -> int:
        """The score that the k-th smallest of the batch must not exceed, k = ceil((1 - miss) m)."""
        return ceil_fraction(_share_covered(as_decimal(self.miss)) * m)

    def share_limits(self, alpha: Fraction) -> list[tuple[Fraction, str, Fraction]]:
        """The covered share, from above."""
        return [(_share_covered(as_decimal(self.miss)), "upper", alpha)]

    def result_parts(self, inquiry: Inquiry, answers: Sequence[SetAnswer]) -> dict[str, Any]:
        """Sets and intervals of every row, and those of split conformal prediction."""
        outputs, score, known = inquiry.outputs, inquiry.score, inquiry.calibration.label_bounds
        ours, naive = np.empty(len(outputs)), np.empty(len(outputs))
        for rows, answer in zip(inquiry.rows, answers, strict=True):
            ours[rows], naive[rows] = answer.threshold, answer.naive_threshold
        sets, naive_sets = score.label_sets(outputs, ours, naive)
        intervals = score.interval(outputs, ours, known)
        # the outputs may be the caller's, and another calibration may teach the score anew
        late = None if intervals is None else LateIntervals(copy(score), outputs.copy(), naive, known)
        return {
            "intervals": intervals,
            "sets": sets,
            "naive_late": late,
            "naive_sets": naive_sets,
            "classes": inquiry.classes if sets is not None else None,
        }


@lru_cache(maxsize=256)
def _share_covered(miss: Fraction) -> Fraction:
    return 1 - miss
