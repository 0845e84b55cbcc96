"""Deterministic mechanisms that answer one query: description length and SparseValidate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

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
from validstats.holdout.mechanisms.declared import NUMBERS, Candidate, Use
from validstats.holdout.widths import (
    LOG_2,
    RESERVE,
    BitCode,
    description_length_width,
    hoeffding_half_width,
    kl_divergence,
    log_capital,
    log_full_nodes,
    log_position_weight,
    predictable_stakes,
    sparse_validate_width,
)
from validstats.intake import check_literal, check_positive_int

__all__ = ["DescriptionLength", "SparseValidate"]

TestKind: TypeAlias = Literal["kl", "hoeffding", "betting"]
"""How SparseValidate tests a claim."""


@dataclass(frozen=True, kw_only=True)
class CellState(State):
    """State of the description-length mechanism."""

    cells: int  # cells that answers are rounded to
    interval: IntervalKind = "kl"  # interval at a node

    @property
    def log_weight(self) -> float:
        """One over the volume of the declared tree, or ``z(i) m^-i``."""
        if self.queries is None:
            return log_position_weight(self.asked) - self.asked * math.log(self.cells)
        return -self._log_volume(self.queries)

    @property
    def log_mass(self) -> float:
        """Code of the answers so far: ``V(k - i) / V(k)``, or ``m^-i`` where no number is declared."""
        if self.queries is None:
            return -self.asked * math.log(self.cells)
        return self._log_volume(self.queries - self.asked) - self._log_volume(self.queries)

    def _log_volume(self, left: int) -> float:
        """``ln V(r)``: statements below a node with r questions left, and the reserve of the ``m^r`` closed states."""
        assert self.queries is not None
        statements = log_full_nodes(left, self.cells) if left else -math.inf
        whole = log_full_nodes(self.queries, self.cells)
        reserve = math.log(RESERVE / (1.0 - RESERVE)) + whole - (self.queries - left) * math.log(self.cells)
        return float(np.logaddexp(statements, reserve))


class DescriptionLength(Mechanism):
    """Release the holdout's value rounded to one of m cells."""

    name = "description_length"
    citation = "Dwork et al. (2015), arXiv 1506.02629, Theorem 9, by the exact count of transcripts"
    serves = NUMBERS
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
    ) -> CellState:
        """Declare the counts."""
        n, queries, _ = check_counts(n, queries)
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
    keeps: tuple[float, ...] = BitCode().keeps  # counts and weights of the code of its bits
    discards: tuple[float, ...] = BitCode().discards
    log_weights: tuple[float, ...] = BitCode().log_weights
    coded: float = 0.0  # logarithm of the code of the bits so far

    @property
    def log_weight(self) -> float:
        """Position times code: ``z(i)`` times the probability of the bits, whose number need not be declared."""
        return log_position_weight(self.asked) + self.coded

    @property
    def log_mass(self) -> float:
        """Code of the bits so far."""
        return self.coded

    def after(self, passed: bool) -> BitState:
        """Return the state after a bit."""
        code = BitCode(self.keeps, self.discards, self.log_weights)
        then = code.after(passed)
        return replace(
            self,
            asked=self.asked + 1,
            failed=self.failed + (not passed),
            keeps=then.keeps,
            discards=then.discards,
            log_weights=then.log_weights,
            coded=self.coded + code.log_probability(passed),
        )


class SparseValidate(Mechanism):
    """Say whether a claim "the truth is at least c" is confirmed: one bit, and only refuted claims are expensive."""

    # Source: Dwork et al. (2015), arXiv 1506.02629, Theorem 27; Waudby-Smith and Ramdas (2023), "Estimating
    # means of bounded random variables by betting", for the test by betting.

    name = "sparse_validate"
    citation = "Dwork et al. (2015), arXiv 1506.02629, Theorem 27, by the exact count of transcripts"
    verb = "validate()"
    serves = ("bit",)
    takes = ("queries",)
    takes_guess = True
    needs_guess = True

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise for a planned use."""
        width = sparse_validate_width(use.n, use.asked, use.overfits, use.log_alpha)
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
        after = state.after(bool(passed))
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
        after = state.after(bool(passed))
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
