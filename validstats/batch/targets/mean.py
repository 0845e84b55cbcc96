"""Means and totals of batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import ClassVar, Literal, get_args

import numpy as np

from validstats._typing import AnyArray
from validstats.batch.laws import (
    BoundSide,
    Interval,
    MeanMethod,
    UnitScale,
    count_is_preferred,
    mean_interval,
    quantile_index,
    rank_lower,
    rank_upper,
    rounding_of_means,
    score_at_rank,
    smallest_informative_n,
    smallest_partition_n,
    textbook_interval,
    textbook_is_doubtful,
    unit_asymptotic_interval,
    unit_interval,
    unit_scale,
)
from validstats.batch.scores import LabelScore, SignedScore
from validstats.batch.targets.base import IntervalTarget, Question, refuse_text, weighted_sum
from validstats.intake import check_literal

__all__ = ["BatchMean", "BatchTotal"]

_WIDE_BOUNDS = 12.0
"""Distance of known bounds, in standard deviations, beyond which they cost much of the width (judgement)."""
_LARGEST_SCORE = 1e300
"""Largest size of a score; sums of larger ones leave the range of doubles, which ends at 1.8e308."""


def _between(value: float, low: float, high: float) -> float:
    """The nearest number between known bounds of labels: a learner may predict beyond them."""
    return min(max(value, low), high)


class BatchMean(IntervalTarget):
    """The mean of a batch.

    With the signed residual (the default) it is the mean of the labels: the mean prediction plus an interval for
    the mean residual. With another score it is the mean of that score.

    Parameters
    ----------
    side : {"two-sided", "upper", "lower"}, default "two-sided"
        Which bounds are wanted.
    method : {"auto", "swap", "bet", "count", "partition", "rank", "asymptotic", "phi-band", "phi-sum", "rank-sum"}
        How it is bounded. "auto" decides from sizes, level and known bounds, before any score is seen: "count" for
        two classes that features hardly predict, "rank" for one row, "swap" (batches of at most n / 8 and 200 rows) and
        "bet" where labels are bounded, "partition" elsewhere. None of these needs training rows. "asymptotic" is the
        textbook interval. The others are for few rows, and for comparison: "phi-band" learns rank weights from training rows, and
        is narrower by up to a third with up to about 50 calibration rows, batches of up to 10 and bounds far from the data;
        "phi-sum" is the same without its band, within 3 % of it there and wider elsewhere; "rank-sum" is the paper's own, and
        narrower only with about 20 rows whose labels are spread evenly between their bounds.
    scale : {"size", "sqrt", "one", "fitted"}, default "size"
        With whole batches of different sizes: what their totals are divided by to be comparable. "fitted" takes the
        variances of rows and of what they share from training batches.

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
    command_options: ClassVar[Mapping[str, str | None]] = {
        "side": "side",
        "method": "method",
        "bounds": None,
        "bounded": None,
    }
    needs_numbers = True
    _label = "mean"

    def __init__(
        self, side: BoundSide = "two-sided", method: MeanMethod = "auto", scale: UnitScale = "size"
    ) -> None:
        self.side = side
        self.method = method
        self.scale = scale

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        super().check()
        check_literal(self.scale, "scale", get_args(UnitScale))
        check_literal(self.method, "method", get_args(MeanMethod))

    def default_score(self, classifier: bool) -> str:
        """Signed residuals."""
        return "signed"

    def uses_reference(self, bounds: tuple[float, float], classifier: bool) -> bool:
        """For learned rank weights, for bets with one known bound, and for what predicting two labels is worth."""
        if self.method == "auto":
            return classifier or bool(np.isfinite(bounds[0]) != np.isfinite(bounds[1]))
        return self.method in ("phi-band", "phi-sum")

    def uses_variances(self) -> bool:
        """For the fitted scale of totals."""
        return self.scale == "fitted"

    @property
    def kind(self) -> Literal["finite-sample", "asymptotic"]:
        """Asymptotic for the textbook interval."""
        return "asymptotic" if self.method == "asymptotic" else "finite-sample"

    def statement(self) -> str:
        """Say what holds."""
        return f"the {self._label} of a batch {self.between()}"

    def answer(self, question: Question) -> Interval:
        """Bound the mean of one batch."""
        q, known = question, question.calibration
        if known.largest_size > _LARGEST_SCORE:
            raise ValueError(
                f"y has scores beyond {_LARGEST_SCORE:g} in size, whose sums overflow; rescale the labels."
            )
        # mean of labels = mean of predictions + mean of residuals, up to rounding of the sums
        offsets = q.score.offset(q.outputs)
        offset, largest = 0.0, 0.0
        if offsets is not None and q.m == 1:
            offset = float(offsets[0])
            largest = abs(offset)
        elif offsets is not None:
            offset, largest = float(offsets.sum()) / q.m, float(max(-offsets.min(), offsets.max()))
        bounds = self._bounds(q)
        # numbers, since the hash of a fraction takes as long as the rest of an answer
        level = q.alpha.numerator, q.alpha.denominator
        key = (type(self), q.m, level, self.side, self.method, bounds, q.n_resamples)
        base, counted, textbook = known.once(key, lambda: self._of_size(q, bounds))
        low_end, high_end = q.bounds if offsets is None else known.label_bounds
        shift = 0.0 if counted else offset
        slack = 0.0 if counted else rounding_of_means(q.m, known.largest_size, largest)
        low, high = base.low + shift - slack, base.high + shift + slack
        centre = float(base.estimate) if counted else float(base.estimate) + offset
        ends = np.array(
            [
                _between(centre, low_end, high_end),
                low_end if self.side == "upper" else _between(low, low_end, high_end),
                high_end if self.side == "lower" else _between(high, low_end, high_end),
                offset if offsets is not None else np.nan,
                _between(textbook[0] + offset, low_end, high_end),
                _between(textbook[1] + offset, low_end, high_end),
            ]
        ).reshape(6, 1)
        return base.placed(*ends)

    def _bounds(self, question: Question) -> tuple[float, float]:
        """Bounds of scores that the method may use; ranks and counts use none, so that equal sizes have one answer."""
        pair = question.calibration.pair
        if pair is not None and self.method in ("auto", "count") and self._counts_labels(question):
            return pair.values
        if question.m == 1 and self.method in ("auto", "rank"):
            return -np.inf, np.inf
        by_rank = self.method in ("phi-band", "phi-sum", "rank-sum", "partition")
        return question.bounds if by_rank else question.pool_bounds

    def _of_size(
        self, question: Question, bounds: tuple[float, float]
    ) -> tuple[Interval, bool, tuple[float, float]]:
        """The answer for scores of all batches of one size, whether labels are counted, and the textbook interval."""
        q, known = question, question.calibration
        counted = self._counts_labels(q)
        pair = known.pair if counted else None
        found = mean_interval(
            known.sorted_scores if pair is None else pair.labels,
            q.m,
            q.alpha,
            side=self.side,
            bounds=bounds,
            method=self.method,
            values=None if pair is None else pair.values,
            lattice=isinstance(q.score, LabelScore) and q.class_names is not None,
            # six standard deviations of out-of-fold scores: the prior of a bet then has their variance
            width=None if known.reference is None else 6 * float(known.reference.std()),
            reference_scores=known.reference,
            reference_bounds=known.reference_bounds,
            n_resamples=q.n_resamples,
            random_state=known.seed,
            smallest=q.smallest,
            memo=known.once,
        )
        base = replace(
            found,
            terms=(self._label,),
            estimate=known.mean_score if pair is None else float(pair.labels.mean()),
            smallest_n=self.smallest_n(q.m, q.alpha, q.bounds),
            bounds_apart=_apart(q) if found.method in ("swap", "bet") else np.nan,
            notes=self._notes(q, found.method),
        )
        textbook = textbook_interval(known.sorted_scores, q.m, q.alpha, side=self.side, memo=known.once)
        return base, counted, textbook

    def _notes(self, question: Question, method: str) -> tuple[str, ...]:
        """What the reader should know about the method and about the comparator."""
        notes = []
        if method == "swap":
            notes.append("Both ends hold together; one end alone does not have half of the level")
        if method == "bet":
            notes.append("Bets take the calibration scores in one random order, which random_state fixes")
        if textbook_is_doubtful(question.calibration.skewness, question.n, question.m):
            notes.append("Scores are skewed: normal theory's interval is too narrow on one side")
        return tuple(notes)

    def answer_whole(self, question: Question) -> Interval:
        """Bound the mean of a whole batch from whole past batches."""
        q, known = question, question.calibration
        offsets = q.score.offset(q.outputs)
        offset = 0.0 if offsets is None else float(offsets.sum()) / q.m
        parts = known.by_batch
        sizes = np.array([part.size for part in parts], dtype=np.float64)
        # score of a unit: its total residual over a scale that depends on its size only
        scores = np.array([part.sum() for part in parts]) / unit_scale(sizes, self.scale, known.variances)
        factor = float(unit_scale(np.array([float(q.m)]), self.scale, known.variances)[0]) / q.m
        found = unit_interval(scores, q.alpha, side=self.side)
        text_low, text_high = unit_asymptotic_interval(scores, q.alpha, side=self.side)
        low_end, high_end = q.bounds if offsets is None else known.label_bounds
        silent = not (np.isfinite(found.low) or self.side == "upper") or not (
            np.isfinite(found.high) or self.side == "lower"
        )
        if self.method == "asymptotic":
            low, high, silent = text_low, text_high, False
        else:
            low, high = found.low, found.high
        return Interval(
            terms=(self._label,),
            estimate=np.array([_between(factor * float(scores.mean()) + offset, low_end, high_end)]),
            low=np.array([_between(factor * low + offset, low_end, high_end)]),
            high=np.array([_between(factor * high + offset, low_end, high_end)]),
            naive=np.array([offset if offsets is not None else np.nan]),
            textbook_low=np.array([_between(factor * text_low + offset, low_end, high_end)]),
            textbook_high=np.array([_between(factor * text_high + offset, low_end, high_end)]),
            probability=None if self.method == "asymptotic" else found.probability,
            smallest_n=found.smallest_n,
            informative=not silent,
            method="whole batches, asymptotic" if self.method == "asymptotic" else "whole batches",
        )

    def _counts_labels(self, question: Question) -> bool:
        """Whether two-valued labels are counted instead of predicted; training and sizes decide."""
        pair = question.calibration.pair
        if pair is None or self.method not in ("auto", "count"):
            return False
        if self.method == "count" or isinstance(question.score, LabelScore):
            return True
        n, m, alpha = question.n, question.m, question.alpha
        return isinstance(question.score, SignedScore) and bool(
            question.calibration.once(
                ("count", m, alpha), lambda: count_is_preferred(n, m, alpha, pair.share, pair.residual_sd)
            )
        )

    def check_classes(self, classes: AnyArray) -> None:
        """Refuse text: it has shares, not a mean."""
        refuse_text(self, classes)

    def remedies(self, question: Question) -> tuple[str, ...]:
        """What would make an infinite bound finite, in order, with what each gives."""
        q, known, offsets = question, question.calibration, question.score.offset(question.outputs)
        offset = 0.0 if offsets is None else float(offsets.mean())
        scale = q.m if self._label == "total" else 1
        found = []
        if not np.isfinite(q.bounds).all() and offsets is not None:
            found.append(
                "state bounds that hold for every label, BatchPredictor(..., bounds=(low, high)): at twelve standard deviations from "
                f"one another they give about {_told(scale, offset, self._with_bounds(q))}"
            )
        share = self.share(q.alpha)
        largest = q.n // max(math.ceil(1 / share) - 1, 1)
        if 1 <= largest < q.m:
            part = mean_interval(
                known.sorted_scores,
                largest,
                q.alpha,
                side=self.side,
                method="partition",
                random_state=known.seed,
            )
            size = largest if self._label == "total" else 1
            found.append(
                f"take batches of at most {largest} rows, which are bounded without that: about {_told(size, offset, part)} each"
            )
        low, high = (rank(q.n, q.m, quantile_index(q.m, 0.5), share) for rank in (rank_lower, rank_upper))
        if low.informative and high.informative:
            ends = [score_at_rank(known.sorted_scores, r) for r in (low.rank - 1, high.rank)]
            what = "score" if offsets is not None else "label"
            found.append(f"ask for the median: that of the {what}s lies in [{ends[0]:z.4g}, {ends[1]:z.4g}]")
        text = textbook_interval(known.sorted_scores, q.m, q.alpha, side=self.side)
        found.append(
            f'method="asymptotic" gives {_told(scale, offset, text)}, right for large samples and finite variance only'
        )
        return tuple(found)

    def _with_bounds(self, question: Question) -> Interval:
        """What bounds would give that are six standard deviations, and at least all scores, away from the mean."""
        known = question.calibration
        reach = max(6 * known.spread, known.largest_size + abs(known.mean_score))
        return mean_interval(
            known.sorted_scores,
            question.m,
            question.alpha,
            side=self.side,
            bounds=(known.mean_score - reach, known.mean_score + reach),
            random_state=known.seed,
        )

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> Interval:
        """Bound the mean of each stratum and weigh by size."""
        sizes = np.array([q.m for q in questions], dtype=np.float64)
        return weighted_sum([self.answer(q) for q in _equal_levels(questions)], sizes / sizes.sum())

    def smallest_n(self, m: int, alpha: Fraction, bounds: tuple[float, float] = (-np.inf, np.inf)) -> int:
        """One rank where every wanted end is bounded, one block beyond 1 / alpha elsewhere."""
        if self.method == "asymptotic":
            return 2
        wanted = [end for end, side in zip(bounds, ("lower", "upper"), strict=True) if side in self.sides]
        if np.isfinite(wanted).all() and self.method != "partition":
            return smallest_informative_n(m, 1, self.share(alpha))
        return smallest_partition_n(m, self.share(alpha))


def _apart(question: Question) -> float:
    """Distance of the bounds of scores in standard deviations, where they cost much of the width; else NaN."""
    low, high = question.pool_bounds
    spread = question.calibration.spread
    return (high - low) / max(spread, 1e-300) if high - low > _WIDE_BOUNDS * spread else np.nan


def _told(scale: int, offset: float, ends: Interval | tuple[float, float]) -> str:
    """An interval of the mean of scores, as one of labels."""
    low, high = ends if isinstance(ends, tuple) else (ends.low, ends.high)
    return f"[{scale * (low + offset):z.4g}, {scale * (high + offset):z.4g}]"


def _equal_levels(questions: Sequence[Question]) -> list[Question]:
    """Questions about the strata at equal parts of the level: orders and simulations of one seed are not independent."""
    return [replace(q, alpha=q.alpha / len(questions)) for q in questions]


class BatchTotal(BatchMean):
    """The total of a batch: its size times :class:`BatchMean`.

    Parameters
    ----------
    side, method, scale
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

    def answer_whole(self, question: Question) -> Interval:
        """Bound the total of a whole batch from whole past batches."""
        return weighted_sum([super().answer_whole(question)], np.array([float(question.m)]))

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> Interval:
        """Bound the total of each stratum and add."""
        answers = [self.answer(q) for q in _equal_levels(questions)]
        return weighted_sum(answers, np.ones(len(answers)))
