"""Deterministic mechanisms that answer one query: guess-and-check, description length, SparseValidate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

from validstats._typing import Float1D
from validstats.holdout.mechanisms.base import (
    IntervalKind,
    Mechanism,
    Noise,
    Release,
    State,
    cell_of,
    check_counts,
    check_kind,
    holdout_mean,
    log_level,
    node_interval,
    row_values,
)
from validstats.holdout.mechanisms.declared import Candidate, ReleaseKind, Use
from validstats.holdout.widths import (
    LOG_2,
    description_length_width,
    guess_gap,
    guess_width,
    hoeffding_half_width,
    kl_divergence,
    kl_interval,
    log_capital,
    log_full_nodes,
    log_guess_nodes,
    log_guess_weight,
    log_position_weight,
    predictable_stakes,
    sparse_validate_width,
)
from validstats.intake import check_in_range, check_literal, check_positive_int

__all__ = ["DescriptionLength", "GuessAndCheck", "SparseValidate"]

TestKind: TypeAlias = Literal["kl", "hoeffding", "betting"]
"""How SparseValidate tests a claim."""


@dataclass(frozen=True, kw_only=True)
class GuessState(State):
    """State of guess-and-check."""

    cells: int  # cells that failed answers are rounded to
    gap: float  # allowed difference of guess and holdout, where no tolerance is fixed
    tolerance: float | None = None  # fixed half-width of confirmed guesses
    interval: IntervalKind = "kl"  # interval at a node

    @property
    def log_weight(self) -> float:
        """One over the number of nodes of the declared tree, or the weights of an open horizon."""
        if self.queries is None:
            return log_guess_weight(self.asked, self.failed, self.cells)
        return _declared_guess_weight(self.queries, self.failures, self.cells)


@lru_cache(maxsize=4096)
def _declared_guess_weight(queries: int, failures: int | None, cells: int) -> float:
    return -log_guess_nodes(queries, queries if failures is None else failures, cells)


class GuessAndCheck(Mechanism):
    """Confirm a guess, or release a rounded holdout value: only failed guesses are expensive."""

    name = "guess_and_check"
    citation = "Rogers et al. (2020), arXiv 1906.09231, section 4, guess-and-check, by the exact count of transcripts"
    serves = ("guess", "bit")
    takes = ("queries", "failures")
    needs_guess = True
    hosts = True

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise for a planned use."""
        width = guess_width(use.n, use.asked, use.failures, use.log_alpha)
        note = f"{use.failures} failed guesses, {width.cells} cells"
        yield Candidate(name=cls.name, half_width=width.half_width, note=note)

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        failures: int | None = 10,
        confidence_level: Any = 0.95,
        cells: int | None = None,
        tolerance: float | None = None,
        gap: float | None = None,
        interval: IntervalKind = "kl",
    ) -> GuessState:
        """Declare the counts."""
        n, queries, failures = check_counts(n, queries, failures)
        allowed = guess_gap(n) if gap is None else check_in_range(gap, "gap", 0, 1)
        log_alpha = log_level(confidence_level)
        if cells is None and queries is not None:
            cells = guess_width(
                n, queries, queries if failures is None else failures, log_alpha, allowed
            ).cells
        elif cells is None:
            cells = max(2, math.ceil(0.5 / max(allowed, 1.0 / n)))
        return GuessState(
            n=n,
            log_alpha=log_alpha,
            queries=queries,
            failures=failures,
            cells=check_positive_int(cells, "cells", minimum=1),
            gap=allowed,
            tolerance=None if tolerance is None else check_in_range(tolerance, "tolerance", 0, 1),
            interval=check_kind(interval),  # type: ignore[arg-type]
        )

    @classmethod
    def _answer(
        cls, state: GuessState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[GuessState, Release]:
        assert guess is not None
        mean = holdout_mean(values)
        level = state.log_alpha + state.log_weight + log_carry
        asked = replace(state, asked=state.asked + 1)
        if cls._passes(state, mean, guess, level):
            low, high = cls._confirmed(state, guess, level)
            return asked, Release(value=guess, low=low, high=high, source="guess", passed=True)
        failed = replace(asked, failed=state.failed + 1)
        if state.failures == 0:
            return failed, Release(source="refused", passed=False)
        centre, left, right = cell_of(mean, state.cells)
        low, high = node_interval(left, right, state.n, level, state.interval)
        return failed, Release(value=centre, low=low, high=high, source="holdout", passed=False)

    @staticmethod
    def _passes(state: GuessState, mean: float, guess: float, level: float) -> bool:
        if state.tolerance is None:
            return abs(guess - mean) <= state.gap
        if state.interval == "hoeffding":
            return abs(guess - mean) <= state.tolerance - hoeffding_half_width(state.n, level)
        low, high = kl_interval(mean, state.n, level)
        return guess - state.tolerance <= low and high <= guess + state.tolerance

    @staticmethod
    def _confirmed(state: GuessState, guess: float, level: float) -> tuple[float, float]:
        """Return the interval of a confirmed guess: a function of the guess and the transcript only."""
        if state.tolerance is not None:
            return max(guess - state.tolerance, 0.0), min(guess + state.tolerance, 1.0)
        return node_interval(guess - state.gap, guess + state.gap, state.n, level, state.interval)


@dataclass(frozen=True, kw_only=True)
class CellState(State):
    """State of the description-length mechanism."""

    cells: int  # cells that answers are rounded to
    interval: IntervalKind = "kl"  # interval at a node

    @property
    def log_weight(self) -> float:
        """One over the number of nodes of the declared tree, or ``z(i) m^-i``."""
        if self.queries is None:
            return log_position_weight(self.asked) - self.asked * math.log(self.cells)
        return -log_full_nodes(self.queries, self.cells)


class DescriptionLength(Mechanism):
    """Release the holdout's value rounded to one of m cells."""

    name = "description_length"
    citation = "Dwork et al. (2015), arXiv 1506.02629, Theorem 9, by the exact count of transcripts"
    serves = get_args(ReleaseKind)
    hosts = True

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise for a planned use."""
        width = description_length_width(use.n, use.asked, use.log_alpha)
        yield Candidate(name=cls.name, half_width=width.half_width, note=f"rounding to {width.cells} cells")

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        confidence_level: Any = 0.95,
        cells: int | None = None,
        interval: IntervalKind = "kl",
        failures: int | None = None,
    ) -> CellState:
        """Declare the counts."""
        n, queries, _ = check_counts(n, queries, failures)
        log_alpha = log_level(confidence_level)
        if cells is None:
            cells = description_length_width(n, 10 if queries is None else queries, log_alpha).cells
        return CellState(
            n=n,
            log_alpha=log_alpha,
            queries=queries,
            cells=check_positive_int(cells, "cells", minimum=1),
            interval=check_kind(interval),  # type: ignore[arg-type]
        )

    @classmethod
    def _answer(
        cls, state: CellState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[CellState, Release]:
        centre, left, right = cell_of(holdout_mean(values), state.cells)
        level = state.log_alpha + state.log_weight + log_carry
        low, high = node_interval(left, right, state.n, level, state.interval)
        after = replace(state, asked=state.asked + 1)
        return after, Release(value=centre, low=low, high=high, source="holdout")


@dataclass(frozen=True, kw_only=True)
class BitState(State):
    """State of SparseValidate."""

    interval: TestKind = "kl"  # interval, or test, at a node

    @property
    def log_weight(self) -> float:
        """One over the number of nodes of the declared tree, or the weights of an open horizon."""
        if self.queries is None:
            return log_guess_weight(self.asked, self.failed, 1)
        return _declared_guess_weight(self.queries, self.failures, 1)


class SparseValidate(Mechanism):
    """Say whether a claim "the truth is at least c" is confirmed: one bit, and only refuted claims are expensive."""

    # Source: Dwork et al. (2015), arXiv 1506.02629, Theorem 27; Waudby-Smith and Ramdas (2023), "Estimating
    # means of bounded random variables by betting", for the test by betting.

    name = "sparse_validate"
    citation = "Dwork et al. (2015), arXiv 1506.02629, Theorem 27, by the exact count of transcripts"
    verb = "validate()"
    serves = ("bit",)
    takes = ("queries", "failures")
    needs_guess = True

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise for a planned use."""
        width = sparse_validate_width(use.n, use.asked, use.failures, use.log_alpha)
        yield Candidate(name=cls.name, half_width=width, note="bits only")

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        failures: int | None = 10,
        confidence_level: Any = 0.95,
        interval: TestKind = "kl",
    ) -> BitState:
        """Declare the counts."""
        n, queries, failures = check_counts(n, queries, failures)
        return BitState(
            n=n,
            log_alpha=log_level(confidence_level),
            queries=queries,
            failures=failures,
            interval=check_literal(interval, "interval", get_args(TestKind)),  # type: ignore[arg-type]
        )

    @classmethod
    def _answer(
        cls, state: BitState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[BitState, Release]:
        assert guess is not None
        level = state.log_alpha + state.log_weight + log_carry
        if state.interval == "betting":
            return cls._bet(state, row_values(values, state.n), guess, level)
        mean = holdout_mean(values)
        passed = node_interval(mean, mean, state.n, level, state.interval)[0] >= guess
        after = replace(state, asked=state.asked + 1, failed=state.failed + (not passed))
        if passed:
            return after, Release(low=guess, high=1.0, source="holdout", passed=True)
        ceiling = _largest_refuted_mean(guess, state.n, level, state.interval)
        high = node_interval(ceiling, ceiling, state.n, level, state.interval)[1]
        return after, Release(low=0.0, high=high, source="holdout", passed=False)

    @staticmethod
    def _bet(state: BitState, rows: Float1D, claim: float, level: float) -> tuple[BitState, Release]:
        """Confirm a claim if a gambler against means below it multiplies the capital by one over the level."""
        capital = log_capital(rows, predictable_stakes(rows, -level), claim)
        passed = capital >= -level
        after = replace(state, asked=state.asked + 1, failed=state.failed + (not passed))
        low = claim if passed else 0.0
        return after, Release(low=low, high=1.0, source="holdout", passed=passed)


def _largest_refuted_mean(claim: float, n: int, level: float, kind: str) -> float:
    """Return the largest holdout mean with which the claim is not confirmed: a function of the claim only."""
    if kind == "hoeffding":
        return min(claim + hoeffding_half_width(n, level), 1.0)
    radius = (LOG_2 - level) / n
    low, high = claim, 1.0
    if kl_divergence(1.0, claim) <= radius:
        return 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if kl_divergence(middle, claim) > radius:
            high = middle
        else:
            low = middle
    return high
