"""Plans: how many labelled rows a question about a batch needs, and what a given number supports."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.special import gammaln

from validstats._typing import Float1D
from validstats.batch.laws import rank_upper
from validstats.batch.targets import Calibration, Target
from validstats.guarantee import Guarantee
from validstats.intake import alpha_fraction, check_positive_int
from validstats.results import NotApplicable, Report, Result, Table

__all__ = ["BatchPlan", "plan_batch"]

_LARGEST_M = 1_000_000
"""Largest batch size that is looked at."""
_LOG_DOUBT = 1e-6
"""Distance from the level, in logarithms, within which rounding may decide and the exact law is asked."""
_MAX_EXACT = 200
"""Batch sizes at most that the exact law is asked about."""
_SHOWN_MULTIPLES = (1, 2, 5, 10, 20)
"""Calibration sizes of the table, as multiples of the first."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class BatchPlan(Result):
    """Sample sizes for a question about a batch.

    Attributes
    ----------
    target : str
        The question.
    m : int or None
        Batch size asked about.
    n : int or None
        Calibration size asked about.
    smallest_n : int or None
        Smallest calibration size that says something about batches of m rows.
    largest_m : int or None
        Largest batch size, up to 1,000,000, about which n rows say something; 0 if there is none. Smaller batches can need
        more rows: with a tenth missed, nine rows allow no miss and ten allow one.
    every_m : int or None
        Largest batch size up to which n rows say something about every size; at most ``largest_m``. Both are those of
        equal shares of the level where several quantiles are asked for, and may be larger still.
    sizes : tuple of int
        Calibration sizes in the table.
    ranks, shares, probabilities : tuple
        For order statistics: rank of the threshold, the share of calibration scores below it, and the
        exact probability, at each size; else empty.
    """

    target: str
    m: int | None
    n: int | None
    smallest_n: int | None
    largest_m: int | None
    every_m: int | None
    sizes: tuple[int, ...]
    ranks: tuple[int, ...]
    shares: tuple[float, ...]
    probabilities: tuple[float, ...]

    @property
    def estimate(self) -> int | None:
        """The smallest calibration size where m was given, else the largest batch size."""
        return self.smallest_n if self.m is not None else self.largest_m

    @property
    def conf_low(self) -> Any:
        """Not applicable: a plan is computed, not estimated."""
        return NotApplicable("a plan is computed exactly")

    conf_high = conf_low

    @property
    def naive(self) -> Any:
        """Not applicable: there is no plan without the method."""
        return NotApplicable("a plan has no naive version")

    @property
    def confidence_level(self) -> Any:
        """Level that is planned for; not applicable where an expected share is bounded."""
        level = self.guarantee.confidence_level
        return NotApplicable("an expected share is bounded, not a probability") if level is None else level

    def _answer(self) -> str:
        said = []
        if self.m is not None:
            said.append(
                f"{self.smallest_n:,} calibration rows are the fewest that say anything about a batch of {self.m:,} rows"
            )
        if self.n is not None:
            said.append(
                f"{self.n:,} calibration rows say something about batches of up to {self.largest_m:,} rows"
                if self.largest_m
                else f"{self.n:,} calibration rows say nothing about any batch"
            )
        return "; ".join(said)

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw which calibration score becomes the threshold at several calibration sizes."""
        from validstats.plotting.plans import BatchPlanDisplay

        return BatchPlanDisplay.from_result(self, labels=labels, drop=drop)

    def _tidy_columns(self) -> Mapping[str, Any]:
        return {
            "term": [f"n = {size}" for size in self.sizes[: len(self.ranks)]],
            "n": self.sizes[: len(self.ranks)],
            "rank": self.ranks,
            "share": self.shares,
            "exact_probability": self.probabilities,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "m": self.m,
            "n": self.n,
            "smallest_n": self.smallest_n,
            "largest_m": self.largest_m,
            "every_m": self.every_m,
        }

    def _report(self) -> Report:
        header: list[tuple[str, Any]] = [("Question", self.target)]
        if self.m is not None:
            header += [("Batch size m", self.m), ("Smallest informative n", self.smallest_n)]
        if self.n is not None:
            header += [("Calibration rows n", self.n), *self._batch_sizes()]
        tables = []
        if self.ranks:
            columns = {
                "n": self.sizes,
                "Rank": self.ranks,
                "Quantile": self.shares,
                "Probability": self.probabilities,
            }
            tables.append(Table(columns, title="Which calibration score becomes the threshold"))
        return Report(title="Plan for a batch", header=header, tables=tables, guarantees=[self.guarantee])

    def _batch_sizes(self) -> list[tuple[str, Any]]:
        """Say which batch sizes are informative; two numbers where smaller batches can need more rows."""
        if self.every_m == _LARGEST_M:
            return [("Largest informative m", "any")]
        largest = f"{_LARGEST_M:,} or more" if self.largest_m == _LARGEST_M else self.largest_m
        gaps = [] if self.every_m == self.largest_m else [("Every m informative to", self.every_m)]
        return [("Largest informative m", largest), *gaps]


def plan_batch(
    target: Target,
    *,
    m: int | None = None,
    n: int | None = None,
    confidence_level: float = 0.95,
    bounded: bool = False,
) -> BatchPlan:
    """Plan the number of labelled rows for a question, or the batch size that a number of them supports.

    Parameters
    ----------
    target : Target
        The question.
    m : int or None, default None
        Batch size; gives the smallest informative n.
    n : int or None, default None
        Number of calibration rows; gives the largest informative m, and the m up to which every batch size is informative.
    confidence_level : float, default 0.95
        Level of the statement; ``Selection(fdr=...)`` has none.
    bounded : bool, default False
        Whether the labels have known bounds, which matters for means, totals and Compositional.

    Returns
    -------
    BatchPlan
        Sizes, and for order statistics which calibration score becomes the threshold at several sizes.

    Raises
    ------
    TypeError, ValueError
        If neither m nor n is given, or an argument is out of range.

    Examples
    --------
    >>> from validstats.batch import BatchMean, Simultaneous
    >>> plan_batch(Simultaneous(miss=0.1), m=100).smallest_n
    30
    >>> plan_batch(BatchMean(side="upper"), n=500).largest_m
    26
    """
    if not isinstance(target, Target):
        raise TypeError(f"target must be a target such as Simultaneous(miss=0.1), got {target!r}.")
    target.check()
    alpha = alpha_fraction(confidence_level)
    if m is None and n is None:
        raise ValueError("Give the batch size m, the number of calibration rows n, or both.")
    for name, value in (("m", m), ("n", n)):
        if value is not None:
            check_positive_int(value, name)
    smallest = None if m is None else target.smallest_n(m, alpha, _ends(bounded))
    largest, every = (None, None) if n is None else _informative_sizes(target, n, alpha, bounded)
    size = m if m is not None else max(largest or 1, 1)
    index = target.threshold_index(size) if size < _LARGEST_M else None
    sizes: tuple[int, ...] = ()
    bounds = []
    if index is not None:
        base = n if n is not None else (smallest or 1)
        sizes = tuple(base * k for k in _SHOWN_MULTIPLES)
        bounds = [rank_upper(s, size, index, alpha) for s in sizes]
    return BatchPlan(
        guarantee=_guarantee(target, alpha, n if n is not None else (smallest or 1)),
        target=repr(target),
        m=m,
        n=n,
        smallest_n=smallest,
        largest_m=largest,
        every_m=every,
        sizes=sizes,
        ranks=tuple(b.rank for b in bounds),
        shares=tuple(min(1.0, b.rank / s) for b, s in zip(bounds, sizes)),
        probabilities=tuple(b.probability for b in bounds),
    )


def _informative_sizes(target: Target, n: int, alpha: Fraction, bounded: bool) -> tuple[int, int]:
    """Largest informative m, and the largest m up to which every one is."""

    def supported(m: int) -> bool:
        return target.smallest_n(m, alpha, _ends(bounded)) <= n

    limits = target.share_limits(alpha)
    if not limits:
        return _search_sizes(supported)
    tails = _worst_tails(n, limits)
    # The logarithms are sums of four large ones, so those next to the level are decided by the exact law.
    surely = tails < -_LOG_DOUBT
    maybe = np.flatnonzero(np.abs(tails) <= _LOG_DOUBT)[:_MAX_EXACT] + 1
    surely[[m - 1 for m in maybe.tolist() if supported(m)]] = True
    largest = np.flatnonzero(surely)
    every = np.flatnonzero(~surely)
    return int(largest[-1]) + 1 if largest.size else 0, int(every[0]) if every.size else _LARGEST_M


def _search_sizes(supported: Callable[[int], bool]) -> tuple[int, int]:
    """Where the need grows or falls with m throughout: one bisection, or the ends alone."""
    if supported(_LARGEST_M):
        return _LARGEST_M, _LARGEST_M if supported(1) else 0
    low, high = 0, _LARGEST_M
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if supported(middle) else (low, middle)
    return low, low


def _worst_tails(n: int, limits: Sequence[tuple[Fraction, str, Fraction]]) -> Float1D:
    """Log of P(r = n + 1) / alpha for m = 1, 2, ..., 1,000,000, largest of the order statistics that are wanted."""
    # Only where order statistics are shares of m, so that the need of rows jumps up and down with m.
    m = np.arange(1.0, _LARGEST_M + 1)
    worst = np.full(m.size, -np.inf)
    for share, side, level in limits:
        index = _ceil_shares(share)
        # a lower bound of the i-th smallest is an upper bound of the (m + 1 - i)-th largest
        worst = np.maximum(worst, _log_tail(n, m, index if side == "upper" else m + 1 - index, level))
    return worst


def _ends(bounded: bool) -> tuple[float, float]:
    """Known ends of the scores, whose values do not matter to a plan."""
    return (0.0, 0.0) if bounded else (-np.inf, np.inf)


def _ceil_shares(share: Fraction) -> Float1D:
    """ceil(share m) for m = 1, 2, ..., 1,000,000, in integers where these are short enough."""
    top, bottom = share.numerator, share.denominator
    whole = np.arange(1, _LARGEST_M + 1, dtype=np.int64 if top * _LARGEST_M < 2**62 else object)
    return np.asarray(-((-top * whole) // bottom), dtype=np.float64)


def _log_tail(n: int, m: Float1D, index: Float1D, level: Fraction) -> Float1D:
    """Log of the probability that the order statistic exceeds all n scores, over a level."""
    above = gammaln(n + index) - gammaln(index) - gammaln(n + m + 1) + gammaln(m + 1)
    return np.asarray(above - math.log(level), dtype=np.float64)


def _guarantee(target: Target, alpha: Fraction, n: int) -> Guarantee:
    nothing = Calibration(scores=np.empty(0), n_supplied=0, seed=0)
    return Guarantee(
        holds=target.promise(alpha),
        kind="finite-sample",
        check=target.assumptions(nothing)[:1],
        n_reference=n,
        citation=target.citation,
        confidence_level=float(1 - alpha) if target.has_level else None,
        details=("An informative bound need not be a narrow one",),
    )
