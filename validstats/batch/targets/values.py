"""Targets that are numbers about a batch: mean, total, quantiles, error count."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar, get_args

import numpy as np
from sklearn.base import BaseEstimator

from validstats._typing import Float1D
from validstats.batch.laws import (
    MeanMethod,
    Side,
    error_count_upper,
    mean_interval,
    order_statistic_box,
    product_share,
    quantile_index,
    rank_envelope,
    rank_lower,
    rank_upper,
    rounding_of_means,
    score_at_rank,
    smallest_informative_n,
    smallest_partition_n,
)
from validstats.batch.targets.problem import IntervalAnswer, Question
from validstats.intake import check_in_range, check_literal, check_vector

__all__ = ["IntervalTarget", "BatchMean", "BatchQuantile", "BatchTotal", "ErrorCount", "Target"]

_LARGEST_SCORE = 1e300
_SEARCH_WORK = 20_000


class Target(BaseEstimator, ABC):
    """Base class of the questions that can be asked about a batch.

    A target is a small object with parameters, so it can be cloned and searched over like any estimator.

    Attributes
    ----------
    kind : {"interval", "sets", "selection", "envelope"}
        Which kind of result it leads to.
    citation : str
        Source of its guarantee.
    """

    kind: ClassVar[str] = "interval"
    citation: ClassVar[str] = "Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990"

    @property
    def has_level(self) -> bool:
        """Whether the statement holds with a stated probability; a bound of an expected share does not."""
        return True

    @abstractmethod
    def check(self) -> None:
        """Raise if a parameter is out of range."""

    @abstractmethod
    def default_score(self, classifier: bool) -> str:
        """Name the score that is used where the user gives none."""

    @abstractmethod
    def answer(self, question: Question) -> Any:
        """Answer for one batch."""

    @abstractmethod
    def answer_strata(self, questions: Sequence[Question], rows: Sequence[np.ndarray]) -> Any:
        """Answer for one batch that is made of strata, whose rank vectors are independent."""

    @abstractmethod
    def statement(self, level: str) -> str:
        """State the guarantee, with the level as text."""

    def reference_is_used(self) -> bool:
        """Tell whether scores of training rows are of use."""
        return False


class IntervalTarget(Target):
    """Base class of targets that are numbers, with one or two sides.

    Attributes
    ----------
    side : {"two-sided", "upper", "lower"}
        Which bounds are wanted.
    """

    side: Side

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        check_literal(self.side, "side", get_args(Side))

    def _share(self, alpha: Fraction) -> Fraction:
        return alpha / 2 if self.side == "two-sided" else alpha

    def shared_level(self, questions: Sequence[Question]) -> list[Question]:
        """Give every stratum its share of the level, by the product law.

        Parameters
        ----------
        questions : sequence of Question
            One for each stratum.

        Returns
        -------
        list of Question
            The same with smaller levels.
        """
        share = product_share(questions[0].alpha, len(questions))
        return [replace(q, alpha=share) for q in questions]

    def between(self) -> str:
        """Say what holds, for the guarantee.

        Returns
        -------
        str
            A verb phrase.
        """
        return {
            "two-sided": "lies in its interval",
            "upper": "is at most its upper bound",
            "lower": "is at least its lower bound",
        }[self.side]


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

    def reference_is_used(self) -> bool:
        """Rank weights are learned from training scores."""
        return self.method in ("auto", "phi-band", "phi-sum")

    def answer(self, question: Question) -> IntervalAnswer:
        """Bound the mean of one batch."""
        q, alpha_side = question, self._share(question.alpha)
        if np.abs(q.calibration.scores).max() > _LARGEST_SCORE:
            raise ValueError(
                f"y has scores beyond {_LARGEST_SCORE:g} in size, whose sums overflow; rescale the labels."
            )
        bound = mean_interval(
            q.calibration.sorted_scores,
            q.m,
            q.alpha,
            side=self.side,
            bounds=q.bounds,
            method=self.method,
            reference_scores=q.calibration.reference,
            reference_bounds=q.calibration.reference_bounds,
            n_resamples=q.n_resamples,
            random_state=q.calibration.seed,
        )
        offsets = q.score.offset(q.outputs)
        offset = 0.0 if offsets is None else float(offsets.mean())
        known = q.calibration.label_bounds if offsets is not None else q.bounds
        slack = rounding_of_means(q.m, q.calibration.scores, np.asarray([] if offsets is None else offsets))
        low, high = np.clip([bound.low + offset - slack, bound.high + offset + slack], *known)
        one_sided = {"upper": (known[0], high), "lower": (low, known[1]), "two-sided": (low, high)}[self.side]
        return IntervalAnswer(
            terms=(self._label,),
            estimate=np.array([float(q.calibration.scores.mean()) + offset]),
            low=np.array([one_sided[0]]),
            high=np.array([one_sided[1]]),
            naive=np.array([offset if offsets is not None else np.nan]),
            probability=bound.probability,
            ranks=(),
            smallest_n=self._smallest_n(q, alpha_side),
            informative=bound.informative,
            method=bound.method,
        )

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[np.ndarray]) -> IntervalAnswer:
        """Bound the mean of each stratum and weigh by size."""
        sizes = np.array([q.m for q in questions], dtype=np.float64)
        answers = [self.answer(q) for q in self.shared_level(questions)]
        return _weighted_sum(answers, sizes / sizes.sum())

    def statement(self, level: str) -> str:
        """State the guarantee."""
        return f"with probability at least {level} the {self._label} of a batch {self.between()}"

    def _smallest_n(self, question: Question, alpha_side: Fraction) -> int:
        wanted = [end for end, side in zip(question.bounds, ("upper", "lower")) if self.side != side]
        if all(np.isfinite(wanted)) and self.method != "partition":
            return smallest_informative_n(question.m, 1, alpha_side)
        return smallest_partition_n(question.m, alpha_side)


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

    _label = "total"

    def answer(self, question: Question) -> IntervalAnswer:
        """Bound the total of one batch."""
        return _weighted_sum([super().answer(question)], np.array([float(question.m)]))

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[np.ndarray]) -> IntervalAnswer:
        """Bound the total of each stratum and add."""
        answers = [self.answer(q) for q in self.shared_level(questions)]
        return _weighted_sum(answers, np.ones(len(answers)))


class BatchQuantile(IntervalTarget):
    """One quantile of a batch, or several at once.

    By default of the labels, without the model: prediction offsets break the symmetry that the method rests on.
    With score="absolute" it is a quantile of the batch's absolute errors.

    Parameters
    ----------
    q : float or sequence of float, default 0.5
        Probabilities in (0, 1]; the q-quantile is the ceil(q m)-th smallest (the lower median for q = 0.5).
        Several hold jointly.
    side : {"two-sided", "upper", "lower"}, default "two-sided"
        Which bounds are wanted.

    References
    ----------
    Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990.

    Examples
    --------
    >>> BatchQuantile((0.25, 0.75)).probabilities()
    (0.25, 0.75)
    """

    def __init__(self, q: float | Sequence[float] = 0.5, side: Side = "two-sided") -> None:
        self.q = q
        self.side = side

    def check(self) -> None:
        """Raise if a parameter is out of range."""
        super().check()
        if not self.probabilities():
            raise ValueError("q must hold at least one probability.")
        for value in self.probabilities():
            check_in_range(value, "q", 0, 1, low_open=True)

    def probabilities(self) -> tuple[float, ...]:
        """Return q as a tuple.

        Returns
        -------
        tuple of float
            The probabilities in the order given.
        """
        values = np.atleast_1d(np.asarray(self.q))
        if values.dtype.kind == "b":
            raise TypeError(f"q must be a probability or several, got {self.q!r}.")
        return tuple(check_vector(values, "q").tolist())

    def default_score(self, classifier: bool) -> str:
        """Labels."""
        return "label"

    def answer(self, question: Question) -> IntervalAnswer:
        """Bound the quantiles of one batch."""
        indices = [quantile_index(question.m, p) for p in self.probabilities()]
        if len(set(indices)) == 1:
            ranks, probability = self._single(question, indices[0])
            pairs = [ranks] * len(indices)
        else:
            band = order_statistic_box(
                question.n, question.m, sorted(set(indices)), question.alpha, self.side
            )
            pairs = [(int(band.lower[i - 1]), int(band.upper[i - 1])) for i in indices]
            probability = band.probability
        low, high = question.bounds
        scores = question.calibration.scores
        if len(indices) > 1:
            scores = question.calibration.sorted_scores
        lows = [low if r[0] is None or r[0] == 1 else score_at_rank(scores, r[0] - 1) for r in pairs]
        highs = [high if r[1] is None else score_at_rank(scores, r[1], high) for r in pairs]
        return IntervalAnswer(
            terms=tuple(_quantile_name(p) for p in self.probabilities()),
            estimate=np.quantile(scores, self.probabilities(), method="inverted_cdf"),
            low=np.array(lows),
            high=np.array(highs),
            naive=np.full(len(indices), np.nan),
            probability=probability,
            ranks=tuple(
                (r[0] if self.side != "upper" else None, r[1] if self.side != "lower" else None)
                for r in pairs
            ),
            smallest_n=self.smallest_n(question.m, question.alpha),
            informative=self._informative(pairs, question.n),
            method="order statistic" if len(set(indices)) == 1 else "joint law of order statistics",
        )

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[np.ndarray]) -> IntervalAnswer:
        """Pool envelopes of the strata: the quantile of their bounds bounds the quantile."""
        shared = self.shared_level(questions)
        bands = [rank_envelope(q.n, q.m, q.alpha, self.side) for q in shared]
        ends = [b.bounds(q.calibration.sorted_scores, *q.bounds) for b, q in zip(bands, shared)]
        low, high = (np.sort(np.concatenate([e[i] for e in ends])) for i in (0, 1))
        indices = np.array([quantile_index(low.size, p) for p in self.probabilities()]) - 1
        pooled = np.concatenate([q.calibration.scores for q in questions])
        open_low = sum(int((b.lower == 1).sum()) for b in bands)
        open_high = sum(int((b.upper == q.n + 1).sum()) for b, q in zip(bands, shared))
        sides = (self.side == "upper" or indices.min() >= open_low) and (
            self.side == "lower" or indices.max() < low.size - open_high
        )
        return IntervalAnswer(
            terms=tuple(_quantile_name(p) for p in self.probabilities()),
            estimate=np.quantile(pooled, self.probabilities(), method="inverted_cdf"),
            low=low[indices],
            high=high[indices],
            naive=np.full(len(indices), np.nan),
            probability=float(np.prod([b.probability for b in bands])),
            ranks=(),
            smallest_n=max(self._smallest_n(q.m, q.m, self._share(q.alpha)) for q in shared),
            informative=bool(sides),
            method="envelopes of the strata",
        )

    def statement(self, level: str) -> str:
        """State the guarantee."""
        many = len(self.probabilities()) > 1
        what = "each of these quantiles" if many else f"the {_quantile_name(self.probabilities()[0])}"
        return f"with probability at least {level} {what} of a batch {self.between()}" + (
            ", all at once" if many else ""
        )

    def _single(self, question: Question, index: int) -> tuple[tuple[int | None, int | None], float]:
        share = self._share(question.alpha)
        above = None if self.side == "lower" else rank_upper(question.n, question.m, index, share)
        below = None if self.side == "upper" else rank_lower(question.n, question.m, index, share)
        misses = sum(1 - b.probability for b in (above, below) if b is not None)
        return (below.rank if below else None, above.rank if above else None), 1.0 - misses

    def smallest_n(self, m: int, alpha: Fraction) -> int:
        """Return the smallest calibration size at which every quantile has every bound that is wanted.

        Parameters
        ----------
        m : int
            Batch size.
        alpha : Fraction
            Miscoverage level of all together.

        Returns
        -------
        int
            The size; for several quantiles of large batches a size that is large enough.
        """
        indices = tuple(sorted({quantile_index(m, p) for p in self.probabilities()}))
        return _smallest_quantile_n(m, indices, alpha, self.side)

    def _smallest_n(self, m: int, index: int, share: Fraction) -> int:
        sides = [side for side in ("upper", "lower") if self.side in (side, "two-sided")]
        return max(smallest_informative_n(m, index, share, side) for side in sides)

    def _informative(self, pairs: Sequence[tuple[int | None, int | None]], n: int) -> bool:
        above = all(r[1] is not None and r[1] <= n for r in pairs) or self.side == "lower"
        below = all(r[0] is not None and r[0] > 1 for r in pairs) or self.side == "upper"
        return above and below


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

    def __init__(self, side: Side = "upper", tolerance: float | None = None) -> None:
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

    def answer(self, question: Question) -> IntervalAnswer:
        """Bound the errors in one batch."""
        n, m, share = question.n, question.m, self._share(question.alpha)
        scores = question.calibration.scores
        if not ((scores == 0) | (scores == 1)).all():
            raise ValueError(
                "ErrorCount counts scores of one among zeros, and this score has other values; leave score=None, or let "
                "the score return 0 and 1."
            )
        errors = int(scores.sum())
        high = m if self.side == "lower" else error_count_upper(n, errors, m, share)
        low = 0 if self.side == "upper" else m - error_count_upper(n, n - errors, m, share)
        said = high < m or low > 0
        return IntervalAnswer(
            terms=("errors",),
            estimate=np.array([m * errors / n]),
            low=np.array([float(low)]),
            high=np.array([float(high)]),
            naive=np.array([np.nan]),
            probability=None,
            ranks=(),
            smallest_n=smallest_informative_n(m, 1, share),
            informative=bool(said),
            method="inversion of order statistic bounds",
        )

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[np.ndarray]) -> IntervalAnswer:
        """Bound the errors of each stratum and add; a bound of any of them says something about the sum."""
        answers = [self.answer(q) for q in self.shared_level(questions)]
        return replace(
            _weighted_sum(answers, np.ones(len(answers))),
            smallest_n=min(a.smallest_n for a in answers),
            informative=any(a.informative for a in answers),
        )

    def statement(self, level: str) -> str:
        """State the guarantee."""
        return (
            f"with probability at least {level} the number of wrong predictions in a batch {self.between()}"
        )


@lru_cache(maxsize=256)
def _smallest_quantile_n(m: int, indices: tuple[int, ...], alpha: Fraction, side: Side) -> int:
    """Bisect between what the neediest quantile needs alone and what suffices for all by shares of the level."""
    sides = ("upper", "lower") if side == "two-sided" else (side,)

    def alone(level: Fraction) -> int:
        share = level / len(sides)
        return max(smallest_informative_n(m, i, share, one) for i in indices for one in sides)

    def supported(n: int) -> bool:
        band = order_statistic_box(n, m, list(indices), alpha, side)
        at = np.array(indices) - 1
        return bool(
            (side == "lower" or (band.upper[at] <= n).all())
            and (side == "upper" or (band.lower[at] > 1).all())
        )

    high = alone(alpha / len(indices))
    if len(indices) == 1 or high * m > _SEARCH_WORK:
        return high
    low = min(alone(alpha), high)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if supported(middle) else (middle + 1, high)
    return high


def _quantile_name(p: float) -> str:
    return "median" if p == 0.5 else f"{p:g}-quantile"


def _weighted_sum(answers: Sequence[IntervalAnswer], weights: Float1D) -> IntervalAnswer:
    """Add intervals of parts that hold at once."""
    first = answers[0]
    known = [a.probability for a in answers if a.probability is not None]
    columns = {
        name: np.sum([w * getattr(a, name) for w, a in zip(weights, answers)], axis=0)
        for name in ("estimate", "low", "high", "naive")
    }
    return replace(
        first,
        **columns,
        probability=float(np.prod(known)) if len(known) == len(answers) else None,
        smallest_n=max(a.smallest_n for a in answers),
        informative=all(a.informative for a in answers),
    )
