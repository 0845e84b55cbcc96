"""Slow, obvious versions of the algorithms of validstats.batch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

RankVector = tuple[int, ...]


def rank_vectors(n: int, m: int) -> list[RankVector]:
    """All non-decreasing vectors of m ranks in 1..n+1; they are equally likely."""
    return list(itertools.combinations_with_replacement(range(1, n + 2), m))


def probability(n: int, m: int, event: Callable[[RankVector], bool]) -> Fraction:
    vectors = rank_vectors(n, m)
    return Fraction(sum(bool(event(r)) for r in vectors), len(vectors))


def rank_upper(n: int, m: int, zeta: int, alpha: Fraction) -> tuple[int, Fraction]:
    """Smallest z with P(r_zeta <= z) >= 1 - alpha, from the closed form in integers."""
    total, below = math.comb(n + m, m), 0
    for z in range(1, n + 2):
        below += math.comb(z + zeta - 2, zeta - 1) * math.comb(n + m - z - zeta + 1, m - zeta)
        if Fraction(below, total) >= 1 - alpha:
            return z, Fraction(below, total)
    raise AssertionError("the ranks end at n + 1")


def rank_lower(n: int, m: int, zeta: int, alpha: Fraction) -> tuple[int, Fraction]:
    """Largest z with P(r_zeta >= z) >= 1 - alpha, from the closed form in integers."""
    total, above = math.comb(n + m, m), 0
    for z in range(n + 1, 0, -1):
        above += math.comb(z + zeta - 2, zeta - 1) * math.comb(n + m - z - zeta + 1, m - zeta)
        if Fraction(above, total) >= 1 - alpha:
            return z, Fraction(above, total)
    raise AssertionError("the ranks start at 1")


def upper_quantile(
    n: int, m: int, h: Callable[[RankVector], float], alpha: Fraction
) -> tuple[float, Fraction]:
    """Smallest x with P(h <= x) >= 1 - alpha."""
    values = sorted(h(r) for r in rank_vectors(n, m))
    k = math.ceil((1 - alpha) * len(values))
    x = values[k - 1]
    return x, Fraction(sum(v <= x for v in values), len(values))


def lower_quantile(n: int, m: int, h: Callable[[RankVector], float], alpha: Fraction) -> float:
    """Largest x with P(h >= x) >= 1 - alpha."""
    return -upper_quantile(n, m, lambda r: -h(r), alpha)[0]


def upper_bound(
    scores: Sequence[float],
    m: int,
    g: Callable[[Sequence[float]], float],
    h: Callable[[RankVector], float],
    alpha: Fraction,
    high: float,
) -> float:
    """Largest g over the level set of h, by enumeration."""
    padded = [*sorted(scores), high]
    n = len(scores)
    q, _ = upper_quantile(n, m, h, alpha)
    return max(g([padded[r - 1] for r in ranks]) for ranks in rank_vectors(n, m) if h(ranks) <= q)


def lower_bound(
    scores: Sequence[float],
    m: int,
    g: Callable[[Sequence[float]], float],
    h: Callable[[RankVector], float],
    alpha: Fraction,
    low: float,
) -> float:
    """Smallest g over the level set of h, by enumeration."""
    padded = [low, *sorted(scores)]
    n = len(scores)
    q = lower_quantile(n, m, h, alpha)
    return min(g([padded[r - 1] for r in ranks]) for ranks in rank_vectors(n, m) if h(ranks) >= q)


def two_sided_bounds(
    scores: Sequence[float],
    m: int,
    g: Callable[[Sequence[float]], float],
    h: Callable[[RankVector], float],
    alpha: Fraction,
    low: float,
    high: float,
) -> tuple[float, float]:
    """Smallest and largest g over {q_lo <= h <= q_up}, half of alpha on each side."""
    padded = [low, *sorted(scores), high]
    n = len(scores)
    q_up, _ = upper_quantile(n, m, h, alpha / 2)
    q_lo = lower_quantile(n, m, h, alpha / 2)
    inside = [r for r in rank_vectors(n, m) if q_lo <= h(r) <= q_up]
    return (
        min(g([padded[k - 1] for k in ranks]) for ranks in inside),
        max(g([padded[k] for k in ranks]) for ranks in inside),
    )


def largest_sum(scores: Sequence[float], m: int, q: int) -> float:
    """Largest sum of m scores with rank sum at most q, by enumeration."""
    vectors = rank_vectors(len(scores) - 1, m)
    return max(sum(scores[k - 1] for k in ranks) for ranks in vectors if sum(ranks) <= q)


def largest_sum_in_band(
    scores: Sequence[float],
    weights: Sequence[float],
    lower: Sequence[int],
    upper: Sequence[int],
    q: float,
) -> float:
    """Largest sum of scores inside a band with bounded weight, by enumeration."""
    vectors = rank_vectors(len(scores) - 1, len(lower))
    allowed = [
        r
        for r in vectors
        if all(a <= k <= b for a, k, b in zip(lower, r, upper)) and sum(weights[k - 1] for k in r) <= q
    ]
    return max((sum(scores[k - 1] for k in r) for r in allowed), default=-math.inf)


def error_count_upper(n: int, n_errors: int, m: int, alpha: Fraction) -> int:
    """m minus the largest zeta whose upper rank is at most n - n_errors, by trying all of them."""
    fitting = [z for z in range(1, m + 1) if rank_upper(n, m, z, alpha)[0] <= n - n_errors]
    return m - max(fitting, default=0)


def urn_probability(ranks: RankVector, n: int) -> Fraction:
    """Probability of an ordered vector of urn draws, by its definition."""
    value = Fraction(1)
    for j, rank in enumerate(ranks):
        value *= Fraction(1 + ranks[:j].count(rank), n + 1 + j)
    return value


def partition_bound(blocks: np.ndarray, alpha: Fraction) -> float:
    """Upper bound of split conformal prediction on block means."""
    values = sorted(float(np.mean(b)) for b in blocks)
    k = math.ceil((1 - alpha) * (len(values) + 1))
    return values[k - 1] if k <= len(values) else math.inf


def conformal_p_values(calibration: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """(1 + #{calibration scores >= batch score}) / (n + 1), one at a time."""
    return np.array([(1 + sum(c >= t for c in calibration)) / (len(calibration) + 1) for t in batch])


def benjamini_hochberg(p_values: np.ndarray, q: float) -> np.ndarray:
    """Rejections of the step-up procedure, straight from its definition."""
    m = len(p_values)
    k = max((i for i in range(1, m + 1) if sorted(p_values)[i - 1] <= q * i / m), default=0)
    limit = sorted(p_values)[k - 1] if k else -1.0
    return np.asarray(p_values) <= limit


def swap_p_value(calibration: Sequence[float], batch: Sequence[float]) -> Fraction:
    """Share of the m-subsets of all scores whose sum is at least the batch's."""
    pooled, m = [*calibration, *batch], len(batch)
    observed = math.fsum(batch)
    sums = [math.fsum(subset) for subset in itertools.combinations(pooled, m)]
    return Fraction(sum(s >= observed - 1e-12 for s in sums), len(sums))


def most_spread_batches(low, high, mean):
    """Batches of a mean at their lower limits before one index and at their upper ones after it; equal ones once."""
    found = []
    for i in range(len(low)):
        own = mean * len(low) - low[:i].sum() - high[i + 1 :].sum()
        batch = np.concatenate([low[:i], [own], high[i + 1 :]])
        inside = low[i] - 1e-12 <= own <= high[i] + 1e-12
        if inside and not any(np.allclose(batch, other, rtol=0, atol=1e-9) for other in found):
            found.append(batch)
    return found


def swap_p_value_cancelled(calibration: Sequence[float], batch: Sequence[float]) -> Fraction:
    """The same after the scores that a subset shares with the batch are cancelled from both sums."""
    n, m = len(calibration), len(batch)
    total = Fraction(0)
    for k in range(min(n, m) + 1):
        inside = [math.fsum(s) for s in itertools.combinations(calibration, k)]
        outside = [math.fsum(s) for s in itertools.combinations(batch, k)]
        larger = sum(a >= b - 1e-12 for a in inside for b in outside)
        weight = Fraction(math.comb(n, k) * math.comb(m, m - k), math.comb(n + m, m))
        total += weight * Fraction(larger, len(inside) * len(outside))
    return total


def betting_rejects(
    x: Sequence[float], size: int, g: float, alpha: float, low: float, high: float, width: float
) -> bool:
    """Whether the hedged bets against a population mean of at least g reach 1 / alpha, one draw after the other."""
    from scipy import stats

    tau, capital, m = 1.5, 1.0, size - len(x)
    for i, value in enumerate(x, start=1):
        earlier = x[: i - 1]
        mu = (size * g - math.fsum(earlier)) / (size - i + 1)
        if mu > high + 1e-12 * width:
            return True
        mean = math.fsum(earlier) / max(len(earlier), 1)
        deviations = math.fsum((e - mean) ** 2 for e in earlier)
        variance = (4 * (width / 6) ** 2 + deviations) / (4 + max(i - 2, 0))
        remaining = variance * (1 / m - 1 / (size - i + 1)) + variance / (size - i) ** 2
        p = alpha * capital / tau
        bet = 0.0
        if low < mu < high:
            bet = stats.norm.pdf(stats.norm.ppf(p)) / p / math.sqrt(remaining) / (size - i)
            bet = min(bet, (1 / p - 1) / (mu - low), 0.999 / (high - mu))
        capital *= 1 + bet * (mu - value)
        if alpha * capital >= 1:
            return True
    return bool(size * g - math.fsum(x) > m * (high + 1e-12 * width))


def urn_plug_in_p_value(calibration: Sequence[float], batch: Sequence[float], high: float) -> Fraction:
    """P(urn draws from calibration and the upper bound have at least the batch's sum): tempting, and not valid."""
    values = [*calibration, high]
    totals = [math.fsum(values[r - 1] for r in ranks) for ranks in rank_vectors(len(calibration), len(batch))]
    return Fraction(sum(t >= math.fsum(batch) - 1e-9 for t in totals), len(totals))
