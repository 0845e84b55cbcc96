"""How many labelled rows a question about a batch needs, and what a given number supports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from validstats.batch.compositional_target import Compositional
from validstats.batch.guarantees import level_text
from validstats.batch.levels import ceil_fraction
from validstats.batch.means import smallest_partition_n
from validstats.batch.rank_laws import rank_upper, smallest_informative_n
from validstats.batch.set_targets import Envelope, Selection, Simultaneous
from validstats.batch.targets import BatchMean, BatchQuantile, ErrorCount, Target
from validstats.guarantee import Guarantee
from validstats.results import Report, Result, Table
from validstats.validation import alpha_fraction, as_decimal, check_positive_int

__all__ = ["BatchPlan", "plan_batch"]

_LARGEST_M = 1_000_000
_SHOWN_MULTIPLES = (1, 2, 5, 10, 20)


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
        Largest batch size about which n rows say something; 1,000,000 stands for any.
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
    sizes: tuple[int, ...]
    ranks: tuple[int, ...]
    shares: tuple[float, ...]
    probabilities: tuple[float, ...]

    def _tidy_columns(self) -> Mapping[str, Any]:
        return {
            "term": [f"n = {size}" for size in self.sizes[: len(self.ranks)]],
            "n": self.sizes[: len(self.ranks)],
            "rank": self.ranks,
            "share": self.shares,
            "exact_probability": self.probabilities,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {"m": self.m, "n": self.n, "smallest_n": self.smallest_n, "largest_m": self.largest_m}

    def _report(self) -> Report:
        header: list[tuple[str, Any]] = [("Question", self.target)]
        if self.m is not None:
            header += [("Batch size m", self.m), ("Smallest informative n", self.smallest_n)]
        if self.n is not None:
            largest = "any" if self.largest_m == _LARGEST_M else self.largest_m
            header += [("Calibration rows n", self.n), ("Largest informative m", largest)]
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


def plan_batch(
    target: Target,
    *,
    m: int | None = None,
    n: int | None = None,
    confidence_level: float = 0.9,
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
        Number of calibration rows; gives the largest informative m.
    confidence_level : float, default 0.9
        Level of the statement; ``Selection(fdr=...)`` has none.
    bounded : bool, default False
        Whether the labels have known bounds, which matters for means and totals, and without which Compositional has no
        plan.

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
    >>> from validstats.batch import Simultaneous
    >>> plan_batch(Simultaneous(miss=0.1), m=100).smallest_n
    23
    >>> plan_batch(BatchMean(side="upper"), n=500).largest_m
    55
    """
    if not isinstance(target, Target):
        raise TypeError(f"target must be a target such as Simultaneous(miss=0.1), got {target!r}.")
    target.check()
    if isinstance(target, Compositional) and not bounded:
        raise ValueError(
            "plan_batch cannot tell what a function of unbounded scores needs: it may have no finite bound at any size. State "
            "bounded=True if the scores have known bounds."
        )
    alpha = alpha_fraction(confidence_level)
    if m is None and n is None:
        raise ValueError("Give the batch size m, the number of calibration rows n, or both.")
    for name, value in (("m", m), ("n", n)):
        if value is not None:
            check_positive_int(value, name)
    smallest = None if m is None else _smallest_n(target, m, alpha, bounded)
    largest = None if n is None else _largest_m(target, n, alpha, bounded)
    size = m if m is not None else max(largest or 1, 1)
    index = _threshold_index(target, size) if size < _LARGEST_M else None
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
        sizes=sizes,
        ranks=tuple(b.rank for b in bounds),
        shares=tuple(min(1.0, b.rank / s) for b, s in zip(bounds, sizes)),
        probabilities=tuple(b.probability for b in bounds),
    )


def _smallest_n(target: Target, m: int, alpha: Fraction, bounded: bool) -> int:
    if isinstance(target, Simultaneous):
        return smallest_informative_n(m, _threshold_index(target, m) or m, alpha)
    if isinstance(target, Selection):
        if target.fdr is not None:
            return max(1, ceil_fraction(1 / as_decimal(target.fdr)) - 1)
        index = _threshold_index(target, m)
        return 1 if index is None else smallest_informative_n(m, index, alpha)
    if isinstance(target, BatchQuantile):
        return target.smallest_n(m, alpha)
    if isinstance(target, Envelope):
        return target.smallest_n(m, alpha)
    share = alpha / 2 if getattr(target, "side", "") == "two-sided" else alpha
    if isinstance(target, BatchMean) and not (bounded and target.method != "partition"):
        return smallest_partition_n(m, share)
    if isinstance(target, ErrorCount | Compositional | BatchMean):
        return smallest_informative_n(m, 1, share)
    raise TypeError(f"plan_batch does not know {type(target).__name__}.")


def _threshold_index(target: Target, m: int) -> int | None:
    """Order statistic of the batch whose upper bound is the target's threshold."""
    if isinstance(target, Simultaneous):
        return ceil_fraction((1 - as_decimal(target.miss)) * m)
    if isinstance(target, Selection) and target.max_false is not None and target.max_false < m:
        return m - target.max_false
    return None


def _largest_m(target: Target, n: int, alpha: Fraction, bounded: bool) -> int:
    """Largest m with smallest_n(m) <= n: halve from the top until supported, then bisect; 0 if there is none."""

    def supported(m: int) -> bool:
        return _smallest_n(target, m, alpha, bounded) <= n

    high, low = _LARGEST_M + 1, _LARGEST_M
    while low >= 1 and not supported(low):
        high, low = low, low // 2
    while high - low > 1 and low >= 1:
        middle = (low + high) // 2
        if supported(middle):
            low = middle
        else:
            high = middle
    return low


def _guarantee(target: Target, alpha: Fraction, n: int) -> Guarantee:
    return Guarantee(
        statement=target.statement(level_text(alpha)),
        kind="finite-sample",
        assumptions=("calibration rows and the rows of the batch are exchangeable, given the fitted model",),
        n_reference=n,
        citation=target.citation,
        confidence_level=float(1 - alpha) if target.has_level else None,
        caveats=("An informative bound need not be a narrow one",),
    )
