"""The target for a user's own function of the sorted scores of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from validstats._typing import AnyArray
from validstats.batch.laws import (
    BoundSide,
    Interval,
    RankBand,
    Step,
    compositional_interval,
    default_rank_weights,
    evaluate_steps,
    ignored_extremes,
    rank_envelope,
    smallest_drop_n,
    smallest_informative_n,
)
from validstats.batch.targets.base import Calibration, IntervalTarget, Question, shared_level
from validstats.intake import check_in_range

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
        side: BoundSide = "two-sided",
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

    def statement(self) -> str:
        """Say what holds."""
        return f"the {self.name} of a batch {self.between()}"

    def assumptions(self, calibration: Calibration) -> tuple[str, ...]:
        """Add that the function is monotone."""
        return (
            *super().assumptions(calibration),
            "the step never decreases when the accumulated value or the score grows",
        )

    def answer(self, question: Question) -> Interval:
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
        smallest = self.smallest_n(m, question.alpha, question.bounds)
        return replace(
            bound,
            **self._value(evaluate_steps(self.step, middle, self.start), bound.low, bound.high),
            smallest_n=min(smallest, n) if bound.informative else smallest,
        )

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> Interval:
        """Evaluate the function at the pooled envelopes of the strata."""
        assert self.step is not None
        shared = shared_level(questions)
        bands = [rank_envelope(q.n, q.m, q.alpha, self.side) for q in shared]
        if self._reaches_beyond(shared, bands):
            bands = [_band_inside(q, self.side) for q in shared]
        ends = [b.bounds(q.calibration.sorted_scores, *q.bounds) for b, q in zip(bands, shared)]
        low, high = (
            evaluate_steps(self.step, np.concatenate([e[i] for e in ends]), self.start) for i in (0, 1)
        )
        above = np.isfinite(high) and any((b.upper <= q.n).any() for b, q in zip(bands, shared))
        below = np.isfinite(low) and any((b.lower > 1).any() for b in bands)
        middle = np.concatenate([q.calibration.sorted_scores[_spread(q.n, q.m)] for q in questions])
        return Interval(
            **self._value(evaluate_steps(self.step, middle, self.start), low, high),
            probability=float(np.prod([b.probability for b in bands])),
            smallest_n=max(self.smallest_n(q.m, q.alpha, q.bounds) for q in shared),
            informative=bool((self.side == "lower" or above) and (self.side == "upper" or below)),
            method="envelopes of the strata",
        )

    def smallest_n(self, m: int, alpha: Fraction, bounds: tuple[float, float] = (-np.inf, np.inf)) -> int:
        """Where every wanted bound says something with the default rank weights; large enough for trimmed means."""
        share = self.share(alpha)
        return max(
            smallest_informative_n(m, 1, share) if np.isfinite(end) else smallest_drop_n(m, share)
            for side, end in zip(("lower", "upper"), bounds)
            if self.side in (side, "two-sided")
        )

    def _value(self, estimate: float, low: float, high: float) -> dict[str, Any]:
        """Parts of an answer that are numbers; a side that was not asked for has no bound."""
        low = -np.inf if self.side == "upper" or np.isnan(low) else low
        high = np.inf if self.side == "lower" or np.isnan(high) else high
        return {
            "terms": (self.name,),
            "estimate": np.array([estimate]),
            "low": np.array([low]),
            "high": np.array([high]),
            "naive": np.array([np.nan]),
        }

    def _reaches_beyond(self, questions: Sequence[Question], bands: Sequence[RankBand]) -> bool:
        """Whether more limits of the pooled bands are infinite than the function ignores."""
        assert self.step is not None
        m = sum(q.m for q in questions)
        pairs = list(zip(questions, bands))
        above = sum(int((b.upper > q.n).sum()) for q, b in pairs if not np.isfinite(q.bounds[1]))
        below = sum(int((b.lower == 1).sum()) for q, b in pairs if not np.isfinite(q.bounds[0]))
        return bool(
            (self.side != "lower" and above > ignored_extremes(self.step, self.start, m, 1.0))
            or (self.side != "upper" and below > ignored_extremes(self.step, self.start, m, -1.0))
        )


def _band_inside(question: Question, side: str) -> RankBand:
    """Band without ranks beyond the calibration scores where these have no bound and the level allows it."""
    n, m, (low, high) = question.n, question.m, question.bounds
    share = question.alpha / 2 if side == "two-sided" else question.alpha

    def limits(end: float) -> RankBand:
        inside = not np.isfinite(end) and n >= smallest_drop_n(m, share)
        return rank_envelope(n, m, share, "upper", drop_extreme=inside)

    above, below = limits(high), limits(low)
    mirrored = n + 2 - below.upper[::-1]
    if side == "upper":
        return above
    if side == "lower":
        return RankBand(mirrored, np.full(m, n + 1), below.probability, below.local_level)
    both = above.probability + below.probability - 1.0
    return RankBand(mirrored, above.upper, both, min(above.local_level, below.local_level))


def _spread(n: int, m: int) -> np.ndarray:
    """Positions of m evenly spread order statistics of n scores."""
    return np.minimum(((np.arange(m) + 0.5) / m * n).astype(np.int64), n - 1)
