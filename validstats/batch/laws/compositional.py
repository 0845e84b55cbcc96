"""Bounds of a user's own compositional function of a batch's sorted scores."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from tqdm import tqdm

from validstats._typing import Float1D, Int1D
from validstats.batch.laws.interval import Interval
from validstats.batch.laws.levels import Level, ceil_fraction, check_scores, exact_level
from validstats.batch.laws.rank_sum import weight_sum_quantile
from validstats.batch.laws.ranks import last_where
from validstats.exceptions import SpeedWarning, slow_step_message, warn
from validstats.intake import check_literal, check_positive_int
from validstats.kernels.compositional import compiled_step, compositional_extreme

__all__ = [
    "CompositionalInterval",
    "Step",
    "check_step_monotone",
    "compositional_interval",
    "default_rank_weights",
    "evaluate_steps",
    "ignored_extremes",
    "smallest_drop_n",
]

Step: TypeAlias = Callable[[int, float, float], float]
"""``step(j, accumulated, score)``: how the j-th smallest score (1-based) enters the statistic."""

_TRIALS = 20
"""Random triples on which another way of running a step must give the same numbers."""
_PATIENCE = 2.0
"""Seconds of forecast beyond which a bar is drawn and a warning given."""
_GRID = 1600
"""Largest m h for the rank weights h: finer weights cost time and gain little."""


@dataclass(frozen=True, kw_only=True)
class CompositionalInterval(Interval):
    """Interval for a compositional function of a batch, with the sums of rank weights that it rests on."""

    # Largest sum of rank weights on the upper side, and smallest one on the lower side; None where not
    # asked for.
    q_upper: int | None = None
    q_lower: int | None = None


def compositional_interval(
    step: Step,
    scores: Float1D,
    m: int,
    alpha: Level,
    *,
    start: float = 0.0,
    weights: Int1D | None = None,
    side: str = "two-sided",
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> CompositionalInterval:
    r"""Bound :math:`G_m` with :math:`G_j = \mathrm{step}(j, G_{j-1}, T_{(j)})` for a batch of m scores."""
    # Source: Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990, on compositional functions.
    values = check_scores(scores, bounds)
    check_positive_int(m, "m")
    check_literal(side, "side", ("two-sided", "upper", "lower"))
    level = exact_level(alpha)
    share = level / 2 if side == "two-sided" else level
    ranks = default_rank_weights(values.size, m) if weights is None else _check_weights(weights, values.size)
    check_step_monotone(step, start, values, m)
    low, high, q_lower, q_upper, said = -np.inf, np.inf, None, None, True
    if side != "lower":
        found, q_upper, told = _one_side(step, start, values, ranks, m, share, bounds[1], 1.0)
        high, said = found, said and told
    if side != "upper":
        spare = ranks.max() - ranks
        found, slack, told = _one_side(step, start, values, spare, m, share, bounds[0], -1.0)
        low, q_lower, said = found, m * int(ranks.max()) - slack, said and told
    return CompositionalInterval(
        low=low,
        high=high,
        method=f"rank weights, dynamic programme, {_way_of(step, start, values, m)[0]}",
        informative=said,
        q_upper=q_upper,
        q_lower=q_lower,
    )


def ignored_extremes(step: Step, start: float, m: int, sign: float) -> int:
    """Count how many of m scores may be infinite while the function stays finite."""
    # The other scores are zeros, so the answer does not depend on any data.

    def finite(count: int) -> bool:
        values = np.append(np.zeros(m - count), np.full(count, sign * np.inf))
        try:
            return bool(np.isfinite(evaluate_steps(step, values, start)))
        except (ArithmeticError, ValueError):
            return False

    return last_where(finite, 0, m)


def smallest_drop_n(m: int, share: Level) -> int:
    """The smallest calibration size at which ranks beyond all calibration scores can be excluded."""
    level = exact_level(share)
    return max(1, ceil_fraction(m * (1 - level) / level))


def default_rank_weights(n: int, m: int) -> Int1D:
    """Return weights proportional to the rank on a grid coarse enough for the dynamic programme."""
    top = max(1, min(n, _GRID // m))
    return np.asarray(np.round(np.arange(n + 1) * (top / n)), dtype=np.int64)


def evaluate_steps(step: Step, values: Float1D, start: float = 0.0) -> float:
    """The compositional function of known scores."""
    accumulated = float(start)
    for j, value in enumerate(np.sort(np.asarray(values, dtype=np.float64)), start=1):
        accumulated = float(step(j, accumulated, float(value)))
    return accumulated


def check_step_monotone(step: Step, start: float, scores: Float1D, m: int, n_pairs: int = 200) -> None:
    """Raise if a step decreases in the accumulated value or in the score on random pairs."""
    rng = np.random.default_rng(0)
    trail = [float(start)]
    for j, value in enumerate(np.sort(rng.choice(scores, size=min(m, 50))), start=1):
        trail.append(float(step(j, trail[-1], float(value))))
    for _ in range(n_pairs):
        j = int(rng.integers(1, m + 1))
        low, high = sorted(float(v) for v in rng.choice(scores, size=2))
        before, after = sorted(float(v) for v in rng.choice(trail, size=2))
        values = step(j, before, low), step(j, before, high), step(j, after, low)
        tolerance = 1e-12 * (1 + abs(values[0]))
        if not (values[0] <= values[1] + tolerance and values[0] <= values[2] + tolerance):
            raise ValueError(
                f"step must be non-decreasing in the accumulated value and in the score, but step({j}, {before:g}, "
                f"{low:g}) = {values[0]:g}, step({j}, {before:g}, {high:g}) = {values[1]:g} and step({j}, {after:g}, "
                f"{low:g}) = {values[2]:g}. Use a monotone step, or method 'partition' of a mean."
            )


def _check_weights(weights: Any, n: int) -> Int1D:
    array = np.asarray(weights)
    if array.shape != (n + 1,) or array.dtype.kind not in "iu" or array.min() < 0:
        raise ValueError(
            f"weights must hold n + 1 = {n + 1} non-negative integers, one for each rank; got shape {array.shape} "
            f"and dtype {array.dtype}."
        )
    return np.ascontiguousarray(array, dtype=np.int64)


def _one_side(
    step: Step,
    start: float,
    values: Float1D,
    weights: Int1D,
    m: int,
    share: Fraction,
    end: float,
    sign: float,
) -> tuple[float, int, bool]:
    """Bound one side; weights are small where the bound is harmless. Return bound, budget and what it says."""
    n = values.size
    outer = -1 if sign > 0 else 0
    budget = int(weight_sum_quantile(weights, m, share).q)
    if not np.isfinite(end) and n >= smallest_drop_n(m, share):
        beyond = ignored_extremes(step, start, m, sign) + 1
        cheapest = beyond * int(weights[outer]) + (m - beyond) * int(weights.min())
        if beyond <= m and cheapest <= budget:
            inner = np.ascontiguousarray(weights[:-1] if sign > 0 else weights[1:])
            budget = _budget_inside(inner, m, 1 - (1 - share) * Fraction(n + m, n))
            found = _extreme(step, start, values, inner, m, budget, sign)
            return found, budget, bool(np.isfinite(found))
    padded = np.append(values, end) if sign > 0 else np.append(end, values)
    found = _extreme(step, start, padded, weights, m, budget, sign)
    return found, budget, bool(np.isfinite(found)) and budget < m * int(weights.max())


def _budget_inside(weights: Int1D, m: int, share: Fraction) -> int:
    """Largest sum of weights of ranks 1..n at a level that may be spent already."""
    if share <= 0 or weights.size == 1:
        return m * int(weights.max())
    return int(weight_sum_quantile(weights, m, share).q)


def _extreme(
    step: Step, start: float, scores: Float1D, weights: Int1D, m: int, budget: int, sign: float
) -> float:
    kind, run = _way_of(step, start, scores, m)
    if kind == "compiled":
        value = float(
            compositional_extreme(run, float(start), np.ascontiguousarray(scores), weights, m, budget, sign)
        )
    else:
        value = _layered_extreme(run, float(start), scores, weights, m, budget, sign)
    return sign * np.inf if np.isnan(value) else value


def _way_of(step: Step, start: float, scores: Float1D, m: int) -> tuple[str, Callable[..., Any]]:
    """How a step is run: compiled by the user, on arrays, compiled here, or for one number after the other."""
    if hasattr(step, "py_func"):
        return "compiled", step
    rng = np.random.default_rng(0)
    finite = scores[np.isfinite(scores)]
    j = rng.integers(1, m + 1, size=_TRIALS).tolist()
    before, after = rng.choice(finite, size=(2, _TRIALS))
    told = [float(step(k, a, s)) for k, a, s in zip(j, before.tolist(), after.tolist(), strict=True)]

    def agrees(found: list[float]) -> bool:
        return np.array_equal(np.array(found), np.array(told), equal_nan=True)

    try:
        # an array must give what its numbers give, also where its numbers differ
        found = [np.asarray(step(k, before, after)) for k in j]
        if all(values.shape == before.shape for values in found) and agrees(
            [float(values[i]) for i, values in enumerate(found)]
        ):
            return "vectorised", step
    except Exception:  # a step that is written for numbers: any error of the user's own code
        pass
    compiled = compiled_step(step, j[0], float(before[0]), float(after[0]))
    if compiled is not None and agrees([float(compiled(k, a, s)) for k, a, s in zip(j, before, after)]):
        return "compiled", compiled
    return "plain", lambda k, a, s: np.array([float(step(k, x, y)) for x, y in zip(a.tolist(), s.tolist())])


def _layered_extreme(
    step: Callable[..., Any],
    start: float,
    scores: Float1D,
    weights: Int1D,
    m: int,
    budget: int,
    sign: float,
) -> float:
    """The dynamic programme of the kernel with one call of the step for all cells of a layer."""
    # cell (r, v): extreme of G_j over ranks that end in r and have spent v
    best = np.full((scores.size, budget + 1), -sign * np.inf)
    reached = np.zeros(best.shape, dtype=bool)
    rows = np.flatnonzero(weights <= budget)
    best[rows, weights[rows]] = step(1, np.full(rows.size, start), scores[rows])
    reached[rows, weights[rows]] = True
    accumulate = np.fmax.accumulate if sign > 0 else np.fmin.accumulate
    spent = np.arange(budget + 1) - weights[:, None]
    bar = tqdm(total=m - 1, disable=True)
    for j in range(2, m + 1):
        began = time.perf_counter()
        best, reached = accumulate(best, axis=0), np.logical_or.accumulate(reached, axis=0)
        rank, place = np.nonzero((spent >= 0) & np.take_along_axis(reached, np.maximum(spent, 0), axis=1))
        values = np.asarray(step(j, best[rank, spent[rank, place]], scores[rank]), dtype=np.float64)
        if np.isnan(values).any():
            return np.nan
        best = np.full(best.shape, -sign * np.inf)
        reached = np.zeros(best.shape, dtype=bool)
        best[rank, place], reached[rank, place] = values, True
        if j == 2 and (forecast := (time.perf_counter() - began) * (m - 1)) > _PATIENCE:
            warn(slow_step_message.format(seconds=forecast), SpeedWarning)
            bar = tqdm(total=m - 1, desc="bounding", file=sys.stderr)
        bar.update()
    bar.close()
    return float(sign * np.max(sign * best[reached], initial=-np.inf))
