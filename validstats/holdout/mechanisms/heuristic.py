"""Mechanisms without proved constants: Science-supplement Thresholdout, SPARSE, EffectiveRounds with hidden boundaries.

They are shipped because they work in experiments, labelled ``certified=False``, and no plan contains them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from validstats.holdout.mechanisms.base import (
    Mechanism,
    Noise,
    Release,
    State,
    check_counts,
    holdout_mean,
    log_level,
    row_values,
)
from validstats.holdout.mechanisms.chunked import chunk_bounds
from validstats.intake import check_in_range, check_positive_int

__all__ = ["EffectiveRounds", "Sparse", "ThresholdoutScience"]


@dataclass(frozen=True, kw_only=True)
class HeuristicState(State):
    """State of a comparison with a threshold."""

    threshold: float  # threshold and noise scale
    sigma: float
    noisy_threshold: float | None = None  # threshold with its present noise, where it is kept between queries
    chunks: int = 1  # number of chunks and the present one (EffectiveRounds)
    current: int = 0

    @property
    def exhausted(self) -> str | None:
        """The reason why every further query is refused, or None."""
        if self.failures is not None and self.failed >= self.failures:
            return f"the budget of {self.failures} answers from the holdout is spent."
        return super().exhausted

    @property
    def declared_mu2(self) -> float:
        """No privacy accounting is proved for the heuristics: infinite."""
        return math.inf


def _heuristic_state(
    n: int,
    queries: int | None,
    overfits: int | None,
    confidence_level: Any,
    threshold: float | None,
    sigma: float | None,
    chunks: int = 1,
) -> HeuristicState:
    n, queries, _ = check_counts(n, queries)
    t = 4.0 / math.sqrt(n) if threshold is None else check_in_range(threshold, "threshold", 0)
    s = 1.0 / math.sqrt(n) if sigma is None else check_in_range(sigma, "sigma", 0)
    return HeuristicState(
        n=n,
        log_alpha=log_level(confidence_level),
        queries=queries,
        failures=None if overfits is None else check_positive_int(overfits, "overfits", minimum=0),
        threshold=t,
        sigma=s,
        chunks=chunks,
    )


def _heuristic_release(
    value: float, state: HeuristicState, *, source: Any, passed: bool, half: float
) -> Release:
    value = min(max(value, 0.0), 1.0)
    return Release(
        value=value,
        low=max(value - half, 0.0),
        high=min(value + half, 1.0),
        certified=False,
        source=source,
        passed=passed,
        mu2=math.inf,
    )


class ThresholdoutScience(Mechanism):
    """Thresholdout as in the supplement of the Science paper: normal noise, no budget unless one is declared."""

    # The interval it prints is the threshold plus two standard deviations of the noise; it is not proved, and
    # the straddle attack uses the missing budget.
    # Source: Dwork et al. (2015), "The reusable holdout", Science 349, supplementary material.

    name = "thresholdout_science"
    takes = ("queries", "overfits")
    certified = False
    noisy = True
    takes_guess = True
    needs_guess = True
    mixes = False

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        overfits: int | None = None,
        confidence_level: Any = 0.95,
        threshold: float | None = None,
        sigma: float | None = None,
    ) -> HeuristicState:
        """Declare the numbers."""
        return _heuristic_state(n, queries, overfits, confidence_level, threshold, sigma)

    @classmethod
    def _answer(
        cls, state: HeuristicState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[HeuristicState, Release]:
        assert noise is not None
        assert guess is not None
        mean = holdout_mean(values)
        half = state.threshold + 2.0 * state.sigma
        after = replace(state, asked=state.asked + 1)
        if abs(mean - guess) > state.threshold + state.sigma * noise("comparison", "normal"):
            after = replace(after, failed=state.failed + 1)
            value = mean + state.sigma * noise("answer", "normal")
            return after, _heuristic_release(value, state, source="noisy", passed=False, half=half)
        return after, _heuristic_release(guess, state, source="guess", passed=True, half=half)


class Sparse(Mechanism):
    """SPARSE: is the guess close to the holdout, by a noisy comparison; a noisy value when it is not."""

    # Source: Dwork et al. (2015), arXiv 1411.2664, section 5.

    name = "sparse"
    takes = ("queries", "overfits")
    certified = False
    noisy = True
    takes_guess = True
    needs_guess = True
    mixes = False

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        overfits: int | None = 10,
        confidence_level: Any = 0.95,
        threshold: float | None = None,
        sigma: float | None = None,
    ) -> HeuristicState:
        """Declare the numbers."""
        return _heuristic_state(n, queries, overfits, confidence_level, threshold, sigma)

    @classmethod
    def _answer(
        cls, state: HeuristicState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[HeuristicState, Release]:
        assert noise is not None
        assert guess is not None
        mean = holdout_mean(values)
        after, above = sparse_comparison(state, abs(mean - guess), noise)
        half = state.threshold + 4.0 * state.sigma
        if above:
            value = mean + state.sigma * noise("answer", "laplace")
            return after, _heuristic_release(value, state, source="noisy", passed=False, half=half)
        return after, _heuristic_release(guess, state, source="guess", passed=True, half=half)


def sparse_comparison(state: HeuristicState, distance: float, noise: Noise) -> tuple[HeuristicState, bool]:
    """Compare a distance with a noisy threshold whose noise is kept until it is exceeded."""
    current = state.noisy_threshold
    if current is None:
        current = state.threshold + 2.0 * state.sigma * noise("threshold", "laplace")
    above = distance > current + 4.0 * state.sigma * noise("comparison", "laplace")
    kept = None if above else current
    return replace(state, asked=state.asked + 1, failed=state.failed + above, noisy_threshold=kept), above


class EffectiveRounds(Mechanism):
    """Answer from a chunk until a checker chunk finds it stale; then move on to the next chunk."""

    # The boundaries of the rounds are found by the mechanism, without constants proved here; :class:`Rounds`
    # with declared boundaries is the certified version. At most as many chunks may become stale
    # than the chunks.
    # Source: Dwork et al. (2015), arXiv 1411.2664, section 5.1.

    name = "effective_rounds"
    takes = ("queries", "rounds")
    certified = False
    noisy = True
    needs_rows = True
    mixes = False

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        rounds: int = 5,
        queries: int | None = None,
        confidence_level: Any = 0.95,
        threshold: float | None = None,
        sigma: float | None = None,
    ) -> HeuristicState:
        """Declare the numbers."""
        chunks = check_positive_int(rounds, "rounds") + 1
        if n < chunks:
            raise ValueError(
                f"effective_rounds needs a row for every chunk; got {n} rows for {chunks} chunks."
            )
        root = math.sqrt(n // chunks)
        t, s = 4.0 / root if threshold is None else threshold, 1.0 / root if sigma is None else sigma
        return _heuristic_state(n, queries, chunks - 1, confidence_level, t, s, chunks)

    @classmethod
    def _answer(
        cls, state: HeuristicState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[HeuristicState, Release]:
        assert noise is not None
        rows = row_values(values, state.n)
        first, last = chunk_bounds(state.n, state.chunks, state.chunks - 1)
        start, stop = chunk_bounds(state.n, state.chunks, state.current)
        checker, answer = float(rows[first:last].mean()), float(rows[start:stop].mean())
        after, stale = sparse_comparison(state, abs(checker - answer), noise)
        half = state.threshold + 4.0 * state.sigma
        if stale:
            after = replace(after, current=state.current + 1)
            if after.exhausted is not None:
                return after, Release(certified=False, passed=False, mu2=math.inf)
            start, stop = chunk_bounds(state.n, state.chunks, after.current)
            answer = float(rows[start:stop].mean())
        return after, _heuristic_release(answer, state, source="holdout", passed=not stale, half=half)
