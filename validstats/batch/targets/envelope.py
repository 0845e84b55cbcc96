"""Envelopes of batches: one region for every monotone question, also those asked after looking."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, get_args

import numpy as np

from validstats._typing import AnyArray, Float1D
from validstats.batch.laws import (
    BoundSide,
    EnvelopeShape,
    RankBand,
    ShapeFunction,
    rank_envelope,
    shape_weights,
    smallest_informative_n,
    weighted_envelope,
)
from validstats.batch.results import BatchEnvelopes, EnvelopeAnswer
from validstats.batch.scores import ClaimScore, Limit, Score
from validstats.batch.targets.base import Inquiry, Question, Target, scatter, shared_level
from validstats.batch.targets.selection import checked_claim
from validstats.intake import check_literal

__all__ = ["Envelope"]

_LARGEST_SEARCHED = 10_000
"""Largest batch for which the size that an envelope needs is searched."""


class Envelope(Target):
    """One region for every monotone question about a batch, also those asked after looking.

    Its result bounds all sorted scores at once, and hence means, totals, quantiles, counts above any threshold, and
    the false claims of any selection.

    Parameters
    ----------
    side : {"two-sided", "upper", "lower"}, default "two-sided"
        Which limits it has. One-sided limits are tighter.
    above : float, str, callable, sequence of these or None, default None
        If given, the scores are those of false claims "the label exceeds above", so that the result bounds the
        false discovery proportion of every selection.
    shape : {"equal", "largest", "simes"} or callable, default "equal"
        How the level is shared by the limits: "equal" gives each limit the same; "largest" favours the largest scores, so
        selections of few rows; "simes" is narrow for selections of many rows. A callable ``shape(k, m)`` gives the limit of
        the k-th largest score a level in proportion to its value. Choose it before looking.
    below : float, str, callable, sequence of these or None, default None
        As ``above``, for claims that the label is less than this.
    label : object or sequence of objects, default None
        As ``above``, for claims of a class.

    References
    ----------
    Gazin, Blanchard and Roquain (2024), arXiv 2310.18108; Song, Jin and Candes (2026), arXiv 2605.20726.

    Examples
    --------
    >>> Envelope(side="upper", above=5.0)
    Envelope(above=5.0, side='upper')
    """

    title = "Envelopes of batches"
    result_type = BatchEnvelopes
    citation = "Gazin, Blanchard and Roquain (2024), arXiv 2310.18108"

    def __init__(
        self,
        side: BoundSide = "two-sided",
        above: Limit = None,
        shape: EnvelopeShape | ShapeFunction = "equal",
        below: Limit = None,
        label: Any = None,
    ) -> None:
        self.side = side
        self.above = above
        self.shape = shape
        self.below = below
        self.label = label

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        check_literal(self.side, "side", get_args(BoundSide))
        if not callable(self.shape):
            check_literal(self.shape, "shape", get_args(EnvelopeShape))
        if (claim := self.claim()) is not None:
            claim.check(classifier=True)

    def claim(self) -> ClaimScore | None:
        """Return the score of the claim whose false discoveries are bounded; None for other scores."""
        stated = any(limit is not None for limit in (self.above, self.below, self.label))
        return ClaimScore(self.above, self.below, self.label) if stated else None

    def make_score(self, given: Any, classifier: bool) -> Score:
        """Make the score: of labels, or of a false claim where one is stated."""
        claim = self.claim()
        if claim is None:
            return super().make_score(given, classifier)
        return checked_claim(self, claim, given, classifier)

    def score_parameters(self) -> tuple[Any, ...]:
        """The limits of the claims."""
        return self.above, self.below, self.label

    def fixed_before(self) -> str:
        """The question itself may be chosen after looking."""
        return "score and level were chosen before anyone looked at the calibration labels"

    def statement(self) -> str:
        """Say what holds."""
        return (
            "every sorted score of a batch lies within its limits, and so every bound that you read off is right, "
            "whatever you ask and whenever"
        )

    def result_parts(self, inquiry: Inquiry, answers: Sequence[EnvelopeAnswer]) -> dict[str, Any]:
        """Predictions and limits, from which later questions are answered."""
        return {
            "predictions": _first_column(inquiry.outputs),
            "claim": self.claim(),
            "label_bounds": inquiry.calibration.label_bounds,
        }

    def answer(self, question: Question) -> EnvelopeAnswer:
        """Bound all sorted scores of one batch."""
        return self.answer_strata([question], [np.arange(question.m)])

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> EnvelopeAnswer:
        """Pool the envelopes of the strata, which hold together at the level of the product law."""
        shared = shared_level(questions)
        bands = [rank_envelope(q.n, q.m, q.alpha, self.side, shape=self.shape) for q in shared]
        ends = [
            b.bounds(q.calibration.sorted_scores, *q.bounds) for b, q in zip(bands, questions, strict=True)
        ]
        offsets = [q.score.offset(q.outputs) for q in questions]
        single = len(questions) == 1
        return EnvelopeAnswer(
            low=np.sort(np.concatenate([e[0] for e in ends])),
            high=np.sort(np.concatenate([e[1] for e in ends])),
            offset=None if offsets[0] is None else scatter([o for o in offsets if o is not None], rows),
            predictions=scatter([_first_column(q.outputs) for q in questions], rows),
            probability=float(np.prod([b.probability for b in bands])),
            local_level=min(b.local_level for b in bands),
            smallest_n=max(self.smallest_n(q.m, q.alpha) for q in shared),
            informative=any(_excludes(b, q.n) for b, q in zip(bands, questions, strict=True)),
            rank_low=tuple(bands[0].lower.tolist()) if single else (),
            rank_high=tuple(bands[0].upper.tolist()) if single else (),
        )

    def smallest_n(self, m: int, alpha: Fraction, bounds: tuple[float, float] = (-np.inf, np.inf)) -> int:
        """Where any limit is a calibration score; beyond 10,000 rows that of one limit at the full level."""
        if m > _LARGEST_SEARCHED:
            return smallest_informative_n(m, 1, alpha, "upper")
        return _smallest_envelope_n(m, alpha, self.side, shape_weights(self.shape, m))


def _excludes(band: RankBand, n: int) -> bool:
    return bool((band.upper <= n).any() or (band.lower > 1).any())


@lru_cache(maxsize=256)
def _smallest_envelope_n(m: int, alpha: Fraction, side: str, shape: EnvelopeShape) -> int:
    """Double from the size that a single limit needs, then bisect."""
    low = smallest_informative_n(m, 1, alpha, "upper")

    def excludes(n: int) -> bool:
        return _excludes(weighted_envelope(n, m, alpha, side, shape), n)

    high = low
    while not excludes(high):
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if excludes(middle) else (middle + 1, high)
    return high


def _first_column(outputs: AnyArray) -> Float1D:
    return np.asarray(outputs if outputs.ndim == 1 else outputs[:, 0], dtype=np.float64)
