"""The target for a user's own function of the sorted scores of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from validstats.batch.compositional import Step, compositional_interval, default_rank_weights, evaluate_steps
from validstats.batch.envelope import rank_envelope
from validstats.batch.means import (
    Side,
)
from validstats.batch.problem import IntervalAnswer, Question
from validstats.batch.targets import IntervalTarget
from validstats.validation import check_in_range

__all__ = ["Compositional"]


class Compositional(IntervalTarget):
    """A user's own function of the sorted scores of a batch: trimmed means, top-k means, products, losses.

    Parameters
    ----------
    step : callable
        ``step(j, accumulated, score)`` for j = 1..m in increasing order of the scores; plain Python or compiled
        by ``numba.njit``. It must be non-decreasing in the accumulated value and in the score.
    rank_weight : callable or None, default None
        ``rank_weight(n, m)`` returns n + 1 non-negative integers; None takes weights proportional to the rank.
    start : float, default 0.0
        Value before the first step.
    side : {"two-sided", "upper", "lower"}, default "two-sided"
        Which bounds are wanted.
    name : str, default "value"
        What the function is called in reports.

    Examples
    --------
    >>> top = Compositional(lambda j, acc, score: max(acc, score), start=float("-inf"), name="maximum")
    >>> top.name
    'maximum'
    """

    def __init__(
        self,
        step: Step | None = None,
        rank_weight: Callable[[int, int], Any] | None = None,
        start: float = 0.0,
        side: Side = "two-sided",
        name: str = "value",
    ) -> None:
        self.step = step
        self.rank_weight = rank_weight
        self.start = start
        self.side = side
        self.name = name

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        shown = {
            k: getattr(v, "__name__", v) for k, v in self.get_params(deep=False).items() if v is not None
        }
        return f"Compositional({', '.join(f'{k}={v}' for k, v in shown.items())})"

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        super().check()
        if self.start not in (-np.inf, np.inf):
            check_in_range(self.start, "start")
        for name in ("step", "rank_weight"):
            value = getattr(self, name)
            if not callable(value) and not (name == "rank_weight" and value is None):
                raise TypeError(f"{name} must be callable, got {value!r}.")

    def default_score(self, classifier: bool) -> str:
        """Labels."""
        return "label"

    def answer(self, question: Question) -> IntervalAnswer:
        """Bound the function of one batch."""
        assert self.step is not None
        n, m = question.n, question.m
        weights = default_rank_weights(n, m) if self.rank_weight is None else self.rank_weight(n, m)
        bound = compositional_interval(
            self.step,
            question.calibration.sorted_scores,
            m,
            question.alpha,
            start=self.start,
            weights=weights,
            side=self.side,
            bounds=question.bounds,
        )
        middle = question.calibration.sorted_scores[_spread(n, m)]
        estimate = evaluate_steps(self.step, middle, self.start)
        return self._answer(estimate, bound.low, bound.high, None, "rank weights, dynamic programme")

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[np.ndarray]) -> IntervalAnswer:
        """Evaluate the function at the pooled envelopes of the strata."""
        assert self.step is not None
        shared = self.shared_level(questions)
        bands = [rank_envelope(q.n, q.m, q.alpha, self.side) for q in shared]
        ends = [b.bounds(q.calibration.sorted_scores, *q.bounds) for b, q in zip(bands, shared)]
        low, high = (
            evaluate_steps(self.step, np.concatenate([e[i] for e in ends]), self.start) for i in (0, 1)
        )
        middle = np.concatenate([q.calibration.sorted_scores[_spread(q.n, q.m)] for q in questions])
        probability = float(np.prod([b.probability for b in bands]))
        estimate = evaluate_steps(self.step, middle, self.start)
        return self._answer(estimate, low, high, probability, "envelopes of the strata")

    def statement(self, level: str) -> str:
        """State the guarantee."""
        return f"with probability at least {level} the {self.name} of a batch {self.between()}"

    def _answer(
        self, estimate: float, low: float, high: float, probability: float | None, method: str
    ) -> IntervalAnswer:
        low = -np.inf if self.side == "upper" or np.isnan(low) else low
        high = np.inf if self.side == "lower" or np.isnan(high) else high
        said = (self.side == "upper" or np.isfinite(low)) and (self.side == "lower" or np.isfinite(high))
        return IntervalAnswer(
            terms=(self.name,),
            estimate=np.array([estimate]),
            low=np.array([low]),
            high=np.array([high]),
            naive=np.array([np.nan]),
            probability=probability,
            ranks=(),
            smallest_n=1,
            informative=bool(said),
            method=method,
        )


def _spread(n: int, m: int) -> np.ndarray:
    """Positions of m evenly spread order statistics of n scores."""
    return np.minimum(((np.arange(m) + 0.5) / m * n).astype(np.int64), n - 1)
