"""Ladder: the best loss so far, on a grid of fixed steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from validstats.holdout.mechanisms.base import (
    IntervalKind,
    Mechanism,
    Noise,
    Release,
    State,
    check_counts,
    check_kind,
    holdout_mean,
    log_level,
    node_interval,
)
from validstats.holdout.mechanisms.declared import Candidate, Use
from validstats.holdout.widths import ladder_width, log_binomial, log_ladder_nodes
from validstats.intake import check_in_range

__all__ = ["Ladder"]


@dataclass(frozen=True, kw_only=True)
class LadderState(State):
    """State of a ladder."""

    step_size: float  # step eta: the released loss moves only by more than it, and to multiples of it
    steps: int  # multiples of the step below the baseline
    best: int  # released loss in steps; ``steps`` before the first improvement
    baseline: float  # loss before the first improvement
    interval: IntervalKind = "kl"  # interval at a node

    @property
    def log_weight(self) -> float:
        """One over the number of nodes of the ladder's tree."""
        assert self.queries is not None
        return -log_ladder_nodes(self.queries, self.steps)

    @property
    def log_mass(self) -> float:
        """Share of the transcripts that are left: ``C(k - i + b, b)`` of ``C(k + m, m)``, b steps below the board."""
        assert self.queries is not None
        left, best = self.queries - self.asked, min(self.best, self.steps)
        return log_binomial(left + best, best) - log_binomial(self.queries + self.steps, self.steps)

    @property
    def released(self) -> float:
        """The loss on the board."""
        return self.baseline if self.best >= self.steps else self.best * self.step_size


class Ladder(Mechanism):
    """Release the best loss so far, on a grid, and only when it improves by more than a step."""

    # ``values`` are losses. The interval is for the smallest true loss among the submissions so far (and the
    # baseline).
    # Source: Blum and Hardt (2015), arXiv 1502.04585, Algorithm 1; half-width by the exact count of
    # transcripts.

    name = "ladder"
    citation = "Blum and Hardt (2015), arXiv 1502.04585, Algorithm 1, by the exact count of transcripts"
    verb = "leaderboard()"
    serves = ("leaderboard",)

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise for a planned use."""
        width = ladder_width(use.n, use.asked, use.log_alpha, use.baseline)
        yield Candidate(name=cls.name, half_width=width.half_width, note=f"{width.cells} steps")

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        step: float | None = None,
        baseline: float = 1.0,
        confidence_level: Any = 0.95,
        interval: IntervalKind = "kl",
    ) -> LadderState:
        """Declare the counts."""
        n, queries, _ = check_counts(n, queries, need_queries=cls.name)
        assert queries is not None
        check_in_range(baseline, "baseline", 0, 1, low_open=True)
        log_alpha = log_level(confidence_level)
        if step is None:
            step = baseline / ladder_width(n, queries, log_alpha, baseline).cells
        eta = check_in_range(step, "step", 0, baseline, low_open=True)
        steps = math.ceil(baseline / eta - 1e-9)
        return LadderState(
            n=n,
            log_alpha=log_alpha,
            queries=queries,
            step_size=eta,
            steps=steps,
            best=steps,
            baseline=float(baseline),
            interval=check_kind(interval),  # type: ignore[arg-type]
        )

    @classmethod
    def _answer(
        cls, state: LadderState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[LadderState, Release]:
        loss = holdout_mean(values)
        after = replace(state, asked=state.asked + 1)
        improved = loss < state.released - state.step_size
        if improved:
            rung = min(math.floor(loss / state.step_size + 0.5), state.best - 1)
            after = replace(after, best=rung)
        level = state.log_alpha + state.log_weight + log_carry
        value, eta = after.released, state.step_size
        low, high = node_interval(value - eta, value + 0.5 * eta, state.n, level, state.interval)
        if after.best >= after.steps:
            high = min(high, value)
        return after, Release(value=value, low=low, high=high, source="holdout", passed=improved)
