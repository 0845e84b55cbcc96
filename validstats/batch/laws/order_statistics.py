"""Bounds of one order statistic of a batch's scores: quantiles, the median, the threshold of k of m."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from validstats.batch.laws.interval import Interval
from validstats.batch.laws.levels import BoundSide, Level, check_scores, exact_level
from validstats.batch.laws.ranks import rank_lower, rank_upper, smallest_informative_n
from validstats.intake import check_literal, check_positive_int

__all__ = ["order_statistic_interval", "score_at_rank", "scores_at_ranks"]


def order_statistic_interval(
    scores: Any,
    m: int,
    zeta: int,
    alpha: Level,
    *,
    side: BoundSide = "two-sided",
    bounds: tuple[float | None, float | None] = (None, None),
    allow_minus_infinity: bool = False,
) -> Interval:
    """Bound the zeta-th smallest of a batch of m scores."""
    # Source: Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990.
    values = check_scores(scores, bounds, allow_minus_infinity=allow_minus_infinity)
    check_positive_int(m, "m")
    check_positive_int(zeta, "zeta", maximum=m)
    check_literal(side, "side", get_args(BoundSide))
    level = exact_level(alpha)
    share = level / 2 if side == "two-sided" else level
    low = -np.inf if bounds[0] is None else float(bounds[0])
    high = np.inf if bounds[1] is None else float(bounds[1])
    n, misses, informative, needed = values.size, 0.0, True, 1
    rank_low = rank_high = None
    if side != "lower":
        above = rank_upper(n, m, zeta, share)
        rank_high, high = above.rank, float(np.append(values, high)[above.rank - 1])
        misses += 1.0 - above.probability
        informative &= above.informative
        needed = max(needed, smallest_informative_n(m, zeta, share, "upper"))
    if side != "upper":
        below = rank_lower(n, m, zeta, share)
        rank_low, low = below.rank, float(np.append(low, values)[below.rank - 1])
        misses += 1.0 - below.probability
        informative &= below.informative
        needed = max(needed, smallest_informative_n(m, zeta, share, "lower"))
    return Interval(
        low=low,
        high=high,
        method="order statistic",
        probability=1.0 - misses,
        informative=informative,
        ranks=((rank_low, rank_high),),
        smallest_n=needed,
    )


def score_at_rank(scores: np.ndarray, rank: int, high: float = np.inf) -> float:
    """The score at one rank without sorting all of them."""
    return high if rank > scores.size else float(np.partition(scores, rank - 1)[rank - 1])


def scores_at_ranks(scores: np.ndarray, ranks: Sequence[int], high: float = np.inf) -> list[float]:
    """The scores at several ranks from partial sorts, the largest rank first: NumPy is slow where it has several at once."""
    inside = sorted({rank for rank in ranks if rank <= scores.size}, reverse=True)
    found, part = dict.fromkeys(ranks, high), scores.copy() if inside else scores
    for rank in inside:
        part.partition(rank - 1)
        found[rank] = float(part[rank - 1])
        part = part[: rank - 1]  # all smaller ranks are among those below
    return [found[rank] for rank in ranks]
