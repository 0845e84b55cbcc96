"""Ladders of the papers that have no door in the package: the parameter-free one with a cap, and the noisy ShakyLadder."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special

from validstats._typing import Float1D
from validstats.holdout.mechanisms.base import (
    Mechanism,
    Noise,
    Release,
    State,
    check_counts,
    holdout_mean,
    log_level,
    node_interval,
    row_values,
)
from validstats.holdout.mechanisms.ladder import Ladder, LadderState
from validstats.intake import check_positive_int

__all__ = ["ParameterFreeLadder", "ShakyLadder"]


@lru_cache(maxsize=1024)
def _capped_ladder_weight(n: int, queries: int, improvements: int) -> float:
    j = np.arange(min(improvements, queries - 1) + 1.0)
    choose_queries = special.gammaln(queries + 1.0) - special.gammaln(j + 2) - special.gammaln(queries - j)
    choose_values = special.gammaln(n + 2.0) - special.gammaln(j + 1) - special.gammaln(n + 2 - j)
    return -float(special.logsumexp(choose_queries + choose_values))


@dataclass(frozen=True, kw_only=True)
class FreeLadderState(State):
    """State of the parameter-free ladder."""

    best: float = 1.0  # released loss, a multiple of ``1 / n``; 1 before the first improvement
    # Per-row losses of the best submission: these are holdout values, never to be stored or shown
    private_losses: Float1D | None = field(default=None, repr=False, compare=False)

    @property
    def log_weight(self) -> float:
        """One over ``sum_j C(k, j + 1) C(n, j)`` nodes with at most the declared number of improvements."""
        assert self.queries is not None
        assert self.failures is not None
        return _capped_ladder_weight(self.n, self.queries, self.failures)


class ParameterFreeLadder(Mechanism):
    """The ladder whose step is the standard error of the improvement, with a cap on the number of improvements."""

    # Without a cap it can be climbed: with as many submissions as rows, a hill climb takes the released loss
    # from 0.50 to 0.38. With at most J improvements released on the grid of 1/n the transcripts are
    # countable, and the interval is proved in the same way as the fixed ladder's, with ``1 / sqrt(n)`` as the
    # largest step. ``failures`` counts the improvements.
    # Source: Blum and Hardt (2015), arXiv 1502.04585, Algorithm 2 (without the cap).

    name = "parameter_free_ladder"
    verb = "leaderboard()"
    needs_rows = True

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        max_improvements: int | None = None,
        confidence_level: Any = 0.95,
        failures: int | None = None,
    ) -> FreeLadderState:
        """Declare the counts."""
        n, queries, _ = check_counts(n, queries, need_queries=cls.name)
        cap = failures if max_improvements is None else max_improvements
        if cap is None:
            raise ValueError(
                "parameter_free_ladder needs max_improvements: without a cap it can be climbed. "
                "Pass a number, or use the ladder with a fixed step."
            )
        cap = check_positive_int(cap, "max_improvements")
        return FreeLadderState(n=n, log_alpha=log_level(confidence_level), queries=queries, failures=cap)

    @classmethod
    def _answer(
        cls, state: FreeLadderState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[FreeLadderState, Release]:
        losses = row_values(values, state.n)
        mean = float(losses.mean())
        previous = np.ones(state.n) if state.private_losses is None else state.private_losses
        step = min(float(np.std(losses - previous)), 1.0) / math.sqrt(state.n)
        rounded = math.floor(mean * state.n + 0.5) / state.n
        improved = mean < state.best - step and rounded < state.best
        after = replace(state, asked=state.asked + 1)
        if improved:
            after = replace(after, best=rounded, failed=state.failed + 1, private_losses=losses.copy())
        level = state.log_alpha + state.log_weight + log_carry
        low_mean, high_mean = (
            after.best - 1.0 / math.sqrt(state.n) - 0.5 / state.n,
            after.best + 0.5 / state.n,
        )
        low, high = node_interval(low_mean, high_mean, state.n, level, "kl")
        return after, Release(value=after.best, low=low, high=high, source="holdout", passed=improved)


class ShakyLadder(Mechanism):
    """The ladder with Laplace noise in the comparison and in the value; its constants are not proved here."""

    # Source: Hardt (2017), "Climbing a shaky ladder", arXiv 1706.02733.

    name = "shaky_ladder"
    verb = "leaderboard()"
    certified = False
    noisy = True

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        step: float | None = None,
        baseline: float = 1.0,
        confidence_level: Any = 0.95,
        failures: int | None = None,
    ) -> LadderState:
        """Declare the counts."""
        eta = min(n**-0.4, baseline) if step is None else step
        return Ladder.initial_state(
            n, queries=queries, step=eta, baseline=baseline, confidence_level=confidence_level
        )

    @classmethod
    def _answer(
        cls, state: LadderState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[LadderState, Release]:
        assert noise is not None
        loss = holdout_mean(values)
        scale = state.step_size / 4.0
        after = replace(state, asked=state.asked + 1)
        improved = loss + scale * noise("comparison", "laplace") < state.released - state.step_size
        if improved:
            noisy = loss + scale * noise("answer", "laplace")
            rung = math.floor(noisy / state.step_size + 0.5)
            after = replace(after, best=min(max(rung, 0), max(state.best - 1, 0)))
        level = state.log_alpha + state.log_weight + log_carry
        value, eta = after.released, state.step_size
        low, high = node_interval(value - eta, value + eta, state.n, level, "hoeffding")
        return after, Release(
            value=value, low=low, high=high, certified=False, source="noisy", passed=improved
        )
