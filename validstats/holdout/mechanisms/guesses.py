"""Guess-and-check: a confirmed guess, or the cell in which the answer lies instead; failures pay when they happen.

A question without a guess is answered by a cell of a list that was fixed beforehand: each is equally likely at first, later
those near released answers are.

Shares of independent rows are coded as counts, by :class:`~validstats.holdout.widths.GuessCells`; means of other values,
and of clusters, as cells around the training rows' mean that contain a capital interval. One look at one share
releases the count itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Float1D
from validstats.holdout.mechanisms.base import (
    Mechanism,
    Noise,
    Release,
    State,
    check_counts,
    checked_values,
    log_level,
    node_interval,
)
from validstats.holdout.mechanisms.declared import Candidate, Use
from validstats.holdout.widths import (
    RESERVE,
    GuessAllocation,
    GuessCells,
    cell_interval,
    clopper_pearson,
    coded_mean,
    count_candidates,
    difference_half_widths,
    free_count,
    free_half_widths,
    free_mean,
    log_cell_code,
    log_coded_outcome,
    log_coded_share,
)
from validstats.intake import check_in_range

__all__ = ["DIFFERENCE_CELL", "GuessAndCheck", "SingleLook"]

_FEW, _MANY = (
    0.35,
    1.0,
)  # half the width of cells of means, in deviations: for one or two answers, for a day of them


_MOST_FREE = 1000  # questions without guesses up to which a plan says what they give

DIFFERENCE_CELL = 0.35
"""Half the width of published cells of differences, in deviations of an honest guess."""

_GRID = 1 << 16  # cells that a single mean of other values is rounded to


@lru_cache(maxsize=256)
def _allocation(queries: int, failures: int | None, failure_weight: float) -> GuessAllocation:
    return GuessAllocation(queries, failures, failure_weight)


@dataclass(frozen=True, kw_only=True)
class GuessState(State):
    """State of guess-and-check."""

    t: float  # gap, in deviations of an honest guess
    c: float  # width of a cell beside it, in standard errors
    failure_weight: float  # weight of a failure relative to a pass
    n_guess: int | None = None  # rows that a guess given as a number was estimated from; n if None
    spent: float = 0.0  # logarithm of the mass that releases so far have left
    total: float = 0.0  # sum of the released answers
    last: float | None = None  # the last one
    size: int | None = None  # size of the last cell of a mean that was released without a guess

    @property
    def near(self) -> tuple[float, ...]:
        """Values that an answer without a guess is expected near: the last one and the mean of all."""
        return () if self.last is None else (self.last, self.total / self.asked)

    def after(
        self, value: float, spent: float, *, failed: bool = False, size: int | None = None
    ) -> GuessState:
        """Return the state after an answer."""
        return replace(
            self,
            asked=self.asked + 1,
            failed=self.failed + failed,
            spent=self.spent + spent,
            total=self.total + value,
            last=value,
            size=self.size if size is None else size,
        )

    @property
    def allocation(self) -> GuessAllocation:
        """Shares of the questions."""
        assert self.queries is not None
        return _allocation(self.queries, self.failures, self.failure_weight)

    @property
    def left(self) -> tuple[int, int]:
        """Questions and failures left."""
        queries, failures = self.allocation.start
        return queries - self.asked, failures - self.failed

    @property
    def log_mass(self) -> float:
        """Logarithm of the mass that is left."""
        return self.spent

    @property
    def log_weight(self) -> float:
        """Logarithm of the share of the next statement, of the whole."""
        if self.exhausted is not None:
            return self.spent
        return self.spent + self.allocation.log_share(*self.left)


class GuessAndCheck(Mechanism):
    """Confirm a guess, or release the cell in which the answer lies: only failed guesses are expensive."""

    name = "guess_and_check"
    citation = "Rogers et al. (2020), arXiv 1906.09231, section 4, guess-and-check; failures weighted and paid when they happen"
    serves = ("guess", "bit", "difference")
    takes = ("queries",)
    takes_guess = True
    takes_training = True
    needs_rows = True
    counts = True
    hosts = True

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise for a planned use: the mean over honest guesses."""
        if use.release == "difference":
            halves = difference_half_widths(
                use.n, use.asked, log_alpha=use.log_alpha, discordant=use.discordant, t=DIFFERENCE_CELL
            )
            note = f"{halves[0]:.3f} for the first difference, {halves[-1]:.3f} for the last"
            yield Candidate(name=cls.name, half_width=float(halves.mean()), note=note)
            return
        found = count_candidates(use.n, use.asked, log_alpha=use.log_alpha, expected=use.expected)
        best = next(c for c in found if c.mechanism == "guess_coded")
        note = f"mean of honest guesses, {best.worst:.3f} for 1 in 20"
        if use.asked <= _MOST_FREE:
            assert best.c is not None
            allocation = GuessAllocation(use.asked, None, best.failure_weight)
            free = free_half_widths(
                use.n, allocation, log_alpha=use.log_alpha, c=best.c, expected=use.expected
            )
            note += f", {free.mean():.3f} without guesses"
        yield Candidate(name=cls.name, half_width=best.mean, note=note)

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        failures: int | None = None,
        confidence_level: Any = 0.95,
        expected: float = 0.85,
        t: float | None = None,
        c: float | None = None,
        failure_weight: float | None = None,
        n_guess: int | None = None,
    ) -> GuessState:
        """Declare the number of questions; gap, cells and weight of failures are those of the plan unless given."""
        n, queries, failures = check_counts(n, queries, failures, need_queries=cls.name)
        assert queries is not None
        log_alpha = log_level(confidence_level)
        if t is None or c is None or failure_weight is None:
            found = count_candidates(n, queries, log_alpha=log_alpha, n_guess=n_guess, expected=expected)
            best = next(found for found in found if found.mechanism == "guess_coded")
            t = best.t if t is None else t
            c = best.c if c is None else c
            failure_weight = best.failure_weight if failure_weight is None else failure_weight
        assert t is not None
        assert c is not None
        assert failure_weight is not None
        return GuessState(
            n=n,
            log_alpha=log_alpha,
            queries=queries,
            failures=failures,
            t=check_in_range(t, "t", 0.0, math.inf, low_open=True),
            c=check_in_range(c, "c", 0.0, math.inf, low_open=True),
            failure_weight=failure_weight,
            n_guess=n_guess,
        )

    @classmethod
    def _answer(
        cls, state: GuessState, values: Any, guess: Any, noise: Noise | None, log_carry: float
    ) -> tuple[GuessState, Release]:
        rows = checked_values(values, state.n)
        # the question's type says which it is, never the rows: counts come as truth values
        if rows.dtype == np.bool_:
            return cls._count(state, rows, guess, log_carry)
        if guess is None:
            return cls._free_mean(state, rows, log_carry)
        return cls._mean(state, rows, guess, log_carry)

    @classmethod
    def _count(
        cls, state: GuessState, units: AnyArray, guess: Any, log_carry: float
    ) -> tuple[GuessState, Release]:
        left, allocation, n, count = state.left, state.allocation, len(units), int(np.count_nonzero(units))
        # level of the statement: alpha * mass of the ledger * share of the question
        level = state.log_alpha + state.log_weight + log_carry
        if guess is None:
            first, last, code = free_count(count, n, state.c, state.near)
            value = 0.5 * (first + last) / n
            low, high = cell_interval(first, last, n, level)
            kept = math.log1p(-math.exp(allocation.log_share(*left)))
            return state.after(value, kept + code), Release(value=value, low=low, high=high, source="holdout")
        share, training = float(np.mean(guess)), state.n if np.ndim(guess) == 0 else len(guess)
        if np.ndim(guess) == 0 and state.n_guess is not None:
            training = state.n_guess
        cells = GuessCells.of(n, share, n_guess=training, t=state.t, c=state.c)
        found = cells.find(count)
        low, high = cell_interval(found.low, found.high, n, level)
        if found.cell == 0:
            after = state.after(share, allocation.log_pass(*left))
            return after, Release(value=share, low=low, high=high, source="guess", passed=True)
        paid = allocation.log_fail(*left) + log_cell_code(found.cell, cells.n_below, cells.n_above)
        middle = 0.5 * (found.low + found.high) / n
        after = state.after(middle, paid, failed=True)
        return after, Release(value=middle, low=low, high=high, source="holdout", passed=False)

    @staticmethod
    def _mean(state: GuessState, units: Float1D, guess: Any, log_carry: float) -> tuple[GuessState, Release]:
        left = state.left[0]
        training = np.atleast_1d(np.asarray(guess, dtype=np.float64))
        if len(training) < 2:
            training = _coins(float(training[0]), state.n_guess or state.n)
        level = state.log_alpha + state.spent + log_coded_share(left) + log_carry
        t = _FEW if state.allocation.queries <= 2 else _MANY
        cell, expected = coded_mean(units, training, t=t, log_alpha=level)
        value = min(max(expected.centre + cell.distance * expected.width, 0.0), 1.0)
        after = state.after(value, log_coded_outcome(left, cell.distance, cell.enlarged))
        near = cell.distance == 0
        source = "guess" if near else "holdout"
        return after, Release(value=value, low=cell.low, high=cell.high, source=source, passed=near)  # type: ignore[arg-type]

    @staticmethod
    def _free_mean(state: GuessState, units: Float1D, log_carry: float) -> tuple[GuessState, Release]:
        share = log_coded_share(state.left[0])
        cell = free_mean(units, state.log_alpha + state.spent + share + log_carry, state.near, state.size)
        after = state.after(cell.value, math.log1p(-math.exp(share)) + cell.log_code, size=cell.size)
        return after, Release(value=cell.value, low=cell.low, high=cell.high, source="holdout")

    @classmethod
    def facts(cls, state: GuessState) -> list[tuple[str, str]]:
        """Return what it was declared with beside the counts, for reports."""
        return [("Gap of a confirmed guess", f"{state.t:g} deviations")]


def _coins(mean: float, n: int) -> Float1D:
    """Values of 0 and 1 with a mean: what a number alone tells about the variance is its largest possible one."""
    ones = round(n * mean)
    return np.concatenate([np.ones(ones), np.zeros(n - ones)])


@dataclass(frozen=True, kw_only=True)
class LookState(State):
    """State of a single look."""

    @property
    def log_mass(self) -> float:
        """After the look the reserve is left, divided by the answers that could have been released."""
        return math.log(RESERVE) - math.log(max(self.n, _GRID) + 1.0) if self.asked else 0.0

    @property
    def log_weight(self) -> float:
        """Share of the one statement."""
        return math.log1p(-RESERVE) if not self.asked else self.log_mass


class SingleLook(Mechanism):
    """Release one count of rows with its exact interval: for a holdout that is asked once."""

    name = "single_look"
    citation = "Clopper and Pearson (1934), for one question"
    serves = ("numeric", "guess")
    needs_rows = True
    counts = True
    hosts = True

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise, if one question is declared."""
        if use.asked == 1:
            found = count_candidates(use.n, 1, log_alpha=use.log_alpha, n_guess=0, expected=use.expected)
            best = next(c for c in found if c.mechanism == "one_look")
            yield Candidate(name=cls.name, half_width=best.mean, note="the exact interval of the count")

    @classmethod
    def initial_state(cls, n: int, *, queries: int | None = 1, confidence_level: Any = 0.95) -> LookState:
        """Declare one question."""
        n, queries, _ = check_counts(n, queries)
        if queries != 1:
            raise ValueError(f"mechanism='single_look' answers one question, got queries={queries}.")
        return LookState(n=n, log_alpha=log_level(confidence_level), queries=1)

    @classmethod
    def resized(cls, state: LookState, n: int) -> LookState:
        """Return the state for other rows; after the look the code of its count stays that of the rows it was taken on."""
        return state if state.asked else super().resized(state, n)

    @classmethod
    def _answer(
        cls, state: LookState, values: Any, guess: Any, noise: Noise | None, log_carry: float
    ) -> tuple[LookState, Release]:
        units = checked_values(values, state.n)
        level = state.log_alpha + state.log_weight + log_carry
        after = replace(state, asked=1)
        if units.dtype != np.bool_:
            # other values: the mean on a grid, and the KL interval of its cell
            mean = round(float(units.mean()) * _GRID) / _GRID
            low, high = node_interval(mean - 0.5 / _GRID, mean + 0.5 / _GRID, state.n, level, "kl")
            return after, Release(value=mean, low=low, high=high, source="holdout")
        count = int(np.count_nonzero(units))
        low, high = clopper_pearson(count, state.n, level)
        return after, Release(value=count / state.n, low=low, high=high, source="holdout")
