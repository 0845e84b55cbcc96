"""Quantiles of batches: one, or several that hold at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

import numpy as np

from validstats._typing import AnyArray
from validstats.batch.laws import (
    BoundSide,
    Interval,
    order_statistic_box,
    quantile_index,
    rank_envelope,
    rank_lower,
    rank_upper,
    smallest_informative_n,
    unit_asymptotic_interval,
    unit_interval,
)
from validstats.batch.targets.base import IntervalTarget, Question, refuse_text, shared_level
from validstats.intake import as_decimal, check_in_range, check_vector

__all__ = ["BatchQuantile"]

_SEARCH_WORK = 20_000
"""Largest n m for which the size that several quantiles need is searched; beyond, equal shares of the level decide."""


class BatchQuantile(IntervalTarget):
    """One quantile of a batch, or several at once.

    By default of the labels, without the model: prediction offsets break the symmetry that the method rests on.
    With conformity_score="absolute" it is a quantile of the batch's absolute errors.

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

    title = "Quantiles of batches"
    command = "quantile"
    command_options: ClassVar[Mapping[str, str | None]] = {"side": "side", "quantile": "q", "bounds": None}
    needs_numbers = True

    def __init__(self, q: float | Sequence[float] = 0.5, side: BoundSide = "two-sided") -> None:
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

    def statement(self) -> str:
        """Say what holds."""
        many = len(self.probabilities()) > 1
        what = "each of these quantiles" if many else f"the {_quantile_name(self.probabilities()[0])}"
        return f"{what} of a batch {self.between()}" + (", all at once" if many else "")

    def answer(self, question: Question) -> Interval:
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
        known = question.calibration
        lows = [low if r[0] is None or r[0] == 1 else known.at_ranks((r[0] - 1,))[0] for r in pairs]
        highs = [high if r[1] is None else known.at_ranks((r[1],), high)[0] for r in pairs]
        return Interval(
            terms=tuple(_quantile_name(p) for p in self.probabilities()),
            estimate=known.quantiles(self.probabilities()),
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

    def answer_strata(self, questions: Sequence[Question], rows: Sequence[AnyArray]) -> Interval:
        """Pool envelopes of the strata: the quantile of their bounds bounds the quantile."""
        shared = shared_level(questions)
        bands = [rank_envelope(q.n, q.m, q.alpha, self.side) for q in shared]
        ends = [b.bounds(q.calibration.sorted_scores, *q.bounds) for b, q in zip(bands, shared, strict=True)]
        low, high = (np.sort(np.concatenate([e[i] for e in ends])) for i in (0, 1))
        # 0-based positions of the quantiles among all rows of the batch
        indices = np.array([quantile_index(low.size, p) for p in self.probabilities()]) - 1
        pooled = np.concatenate([q.calibration.scores for q in questions])
        open_low = sum(int((b.lower == 1).sum()) for b in bands)
        open_high = sum(int((b.upper == q.n + 1).sum()) for b, q in zip(bands, shared, strict=True))
        sides = (self.side == "upper" or indices.min() >= open_low) and (
            self.side == "lower" or indices.max() < low.size - open_high
        )
        return Interval(
            terms=tuple(_quantile_name(p) for p in self.probabilities()),
            estimate=np.quantile(pooled, self.probabilities(), method="inverted_cdf"),
            low=low[indices],
            high=high[indices],
            naive=np.full(len(indices), np.nan),
            probability=float(np.prod([b.probability for b in bands])),
            smallest_n=max(_smallest_rank_n(q.m, (q.m,), self.share(q.alpha), self.sides) for q in shared),
            informative=bool(sides),
            method="envelopes of the strata",
        )

    def check_classes(self, classes: AnyArray) -> None:
        """Refuse text: it has no order."""
        refuse_text(self, classes)

    def answer_whole(self, question: Question) -> Interval:
        """Bound the quantiles of a whole batch by those of whole past batches, each at its part of the level."""
        known, probabilities = question.calibration, self.probabilities()
        past = np.array(
            [
                [float(np.sort(part)[quantile_index(part.size, p) - 1]) for p in probabilities]
                for part in known.by_batch
            ]
        )
        level = question.alpha / len(probabilities)
        found = [
            unit_interval(past[:, i], level, side=self.side, bounds=question.bounds)
            for i in range(len(probabilities))
        ]
        text = [
            unit_asymptotic_interval(past[:, i], level, side=self.side) for i in range(len(probabilities))
        ]
        return Interval(
            terms=tuple(_quantile_name(p) for p in probabilities),
            estimate=np.median(past, axis=0),
            low=np.array([f.low for f in found]),
            high=np.array([f.high for f in found]),
            naive=np.full(len(probabilities), np.nan),
            textbook_low=np.array([low for low, _ in text]),
            textbook_high=np.array([high for _, high in text]),
            probability=found[0].probability if len(found) == 1 else None,
            smallest_n=found[0].smallest_n,
            informative=found[0].smallest_n <= len(past),
            method="whole batches",
        )

    def _single(self, question: Question, index: int) -> tuple[tuple[int | None, int | None], float]:
        share = self.share(question.alpha)
        above = None if self.side == "lower" else rank_upper(question.n, question.m, index, share)
        below = None if self.side == "upper" else rank_lower(question.n, question.m, index, share)
        misses = sum(1 - b.probability for b in (above, below) if b is not None)
        return (below.rank if below else None, above.rank if above else None), 1.0 - misses

    def smallest_n(self, m: int, alpha: Fraction, bounds: tuple[float, float] = (-np.inf, np.inf)) -> int:
        """Where every quantile has every wanted bound; for several of large batches a size that is large enough."""
        indices = tuple(sorted({quantile_index(m, p) for p in self.probabilities()}))
        return _smallest_quantile_n(m, indices, alpha, self.side)

    def share_limits(self, alpha: Fraction) -> list[tuple[Fraction, str, Fraction]]:
        """Every quantile on every wanted side, at equal shares of the level."""
        shares = sorted({as_decimal(p) for p in self.probabilities()})
        level = self.share(alpha) / len(shares)
        return [(share, side, level) for share in shares for side in self.sides]

    def _informative(self, pairs: Sequence[tuple[int | None, int | None]], n: int) -> bool:
        above = all(r[1] is not None and r[1] <= n for r in pairs) or self.side == "lower"
        below = all(r[0] is not None and r[0] > 1 for r in pairs) or self.side == "upper"
        return above and below


def _smallest_rank_n(m: int, indices: Sequence[int], share: Fraction, sides: Sequence[BoundSide]) -> int:
    """Smallest calibration size at which each of several order statistics alone has every bound."""
    return max(smallest_informative_n(m, index, share, side) for index in indices for side in sides)


@lru_cache(maxsize=256)
def _smallest_quantile_n(m: int, indices: tuple[int, ...], alpha: Fraction, side: BoundSide) -> int:
    """Bisect between what the neediest quantile needs alone and what suffices for all by shares of the level."""
    sides: tuple[BoundSide, ...] = ("upper", "lower") if side == "two-sided" else (side,)

    def alone(level: Fraction) -> int:
        return _smallest_rank_n(m, indices, level / len(sides), sides)

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
