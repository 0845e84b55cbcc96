"""Envelopes of batches: one region for every monotone question, also those asked after looking."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, get_args

import numpy as np

from validstats._typing import AnyArray, Float1D
from validstats.batch.laws import BoundSide, EnvelopeShape, RankBand, rank_envelope, smallest_informative_n
from validstats.batch.results import BatchEnvelopes, EnvelopeAnswer
from validstats.batch.scores import ClaimScore, Score
from validstats.batch.targets.base import Inquiry, Question, Target, scatter, shared_level
from validstats.batch.targets.selection import checked_claim
from validstats.intake import check_in_range, check_literal

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
    above : float or None, default None
        If given, the scores are those of false claims "the label exceeds above", so that the result bounds the
        false discovery proportion of every selection.
    shape : {"equal", "largest", "simes"}, default "equal"
        How the level is shared by the limits: "equal" gives each limit the same; "largest" favours the largest scores, so
        selections of few rows; "simes" is narrow for selections of many rows. Choose it before looking.

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
        self, side: BoundSide = "two-sided", above: float | None = None, shape: EnvelopeShape = "equal"
    ) -> None:
        self.side = side
        self.above = above
        self.shape = shape

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        check_literal(self.side, "side", get_args(BoundSide))
        check_literal(self.shape, "shape", get_args(EnvelopeShape))
        if self.above is not None:
            check_in_range(self.above, "above")

    def make_score(self, given: Any, classifier: bool) -> Score:
        """Make the score: of labels, or of a false claim where ``above`` is given."""
        if self.above is None:
            return super().make_score(given, classifier)
        return checked_claim(self, ClaimScore(above=self.above), given, classifier)

    def score_parameters(self) -> tuple[Any, ...]:
        """The limit of the claims."""
        return (self.above,)

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
            "above": self.above,
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
        return _smallest_envelope_n(m, alpha, self.side, self.shape)


def _excludes(band: RankBand, n: int) -> bool:
    return bool((band.upper <= n).any() or (band.lower > 1).any())


@lru_cache(maxsize=256)
def _smallest_envelope_n(m: int, alpha: Fraction, side: str, shape: EnvelopeShape) -> int:
    """Double from the size that a single limit needs, then bisect."""
    low = smallest_informative_n(m, 1, alpha, "upper")
    if m > _LARGEST_SEARCHED:
        return low

    def excludes(n: int) -> bool:
        return _excludes(rank_envelope(n, m, alpha, side, shape=shape), n)

    high = low
    while not excludes(high):
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if excludes(middle) else (middle + 1, high)
    return high


def _first_column(outputs: AnyArray) -> Float1D:
    return np.asarray(outputs if outputs.ndim == 1 else outputs[:, 0], dtype=np.float64)
