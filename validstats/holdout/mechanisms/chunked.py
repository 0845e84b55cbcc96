"""Mechanisms that never reuse rows across an adaptive boundary: fresh chunks and declared rounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from validstats.holdout.mechanisms.base import (
    IntervalKind,
    Mechanism,
    Noise,
    Release,
    State,
    check_counts,
    check_kind,
    log_level,
    node_interval,
    row_values,
)
from validstats.holdout.mechanisms.declared import NUMBERS, Candidate, Use
from validstats.holdout.mechanisms.guesses import SingleLook
from validstats.holdout.widths import (
    clopper_pearson,
    count_candidates,
    log_independent_level,
    rounds_width,
    split_log_level,
)
from validstats.intake import check_positive_int

__all__ = ["GRID", "FreshChunks", "Rounds", "chunk_bounds"]

GRID = 2**24
"""Cells that chunk means are rounded to: far below any half-width, and it makes the transcripts countable."""


def chunk_bounds(n: int, chunks: int, index: int) -> tuple[int, int]:
    """Return the rows of one chunk: ``n // chunks`` each, the remainder spread over the first ones."""
    size, extra = divmod(n, chunks)
    start = index * size + min(index, extra)
    return start, start + size + (index < extra)


@dataclass(frozen=True, kw_only=True)
class ChunkState(State):
    """State of a mechanism that answers from chunks."""

    chunks: int  # number of chunks
    current: int = 0  # chunk that the next query is answered from
    interval: IntervalKind = "kl"  # interval on a chunk

    @property
    def exhausted(self) -> str | None:
        """The reason why every further query is refused, or None."""
        if self.current >= self.chunks:
            return f"all {self.chunks} chunks have been used."
        return super().exhausted


class FreshChunks(Mechanism):
    """Answer every query from rows of its own."""

    # The rows must be in an order that does not depend on their values, such as a secret shuffle. Within the
    # epoch answers cost nothing beyond their rows. Their transcript is long, ``ln 2^24`` nats an answer, so
    # an epoch of fresh chunks is shared with no other mechanism, and a further epoch on the same rows pays
    # for every answer.

    name = "fresh_chunks"
    citation = "Clopper and Pearson (1934), a fresh chunk for each question"
    serves = NUMBERS
    needs_rows = True
    counts = True
    mixes = False

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise for a planned use."""
        if use.asked > use.n:
            yield Candidate(name=cls.name, half_width=math.inf, note="fewer rows than queries")
            return
        if use.asked == 1 and use.release in SingleLook.serves:
            return  # one chunk is the whole holdout: a single look
        # numbers without a guess are ranked at the worst share, one half
        share = use.expected if use.release == "guess" else 0.5
        found = count_candidates(use.n, use.asked, log_alpha=use.log_alpha, n_guess=0, expected=share)
        split = next(c for c in found if c.mechanism == "splitting")
        yield Candidate(name=cls.name, half_width=split.mean, note=f"{use.n // use.asked:,} rows a query")

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        confidence_level: Any = 0.95,
        interval: IntervalKind = "kl",
    ) -> ChunkState:
        """Declare the counts."""
        n, queries, _ = check_counts(n, queries, need_queries=cls.name)
        assert queries is not None
        if queries > n:
            raise ValueError(f"fresh_chunks needs a row for every query; got {queries} queries for {n} rows.")
        return ChunkState(
            n=n,
            log_alpha=log_level(confidence_level),
            queries=queries,
            chunks=queries,
            interval=check_kind(interval),  # type: ignore[arg-type]
        )

    @classmethod
    def _answer(
        cls, state: ChunkState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[ChunkState, Release]:
        after = replace(state, asked=state.asked + 1, current=state.current + 1)
        if np.asarray(values).dtype == np.bool_:
            start, stop = chunk_bounds(state.n, state.chunks, state.current)
            right, rows = int(values[start:stop].sum()), stop - start
            low, high = clopper_pearson(
                right, rows, split_log_level(state.chunks, state.log_alpha + log_carry)
            )
            return after, Release(value=right / rows, low=low, high=high, source="holdout")
        level = log_independent_level(state.chunks, state.log_alpha + log_carry)
        return after, _chunk_release(state, values, level)


class Rounds(Mechanism):
    """Answer each declared batch of queries from a chunk of its own; within a batch nothing adapts."""

    # An answer counts as ``ln 2^24`` nats for whatever is asked of the same rows in a further epoch. Queries
    # of one batch are asked one after the other, and the batch is closed by :meth:`next_round`. They must be
    # chosen before any of its answers is seen; answers of one batch are best released together.
    # Source: Dwork et al. (2015), arXiv 1411.2664, EffectiveRounds with the boundaries declared.

    name = "rounds"
    citation = "Hoeffding (1963), a fresh chunk for each declared round"
    serves = NUMBERS
    takes = ("queries", "rounds")
    needs_rows = True
    mixes = False

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise for a planned use, if its batches are known."""
        if use.batches is not None:
            width = rounds_width(use.n, use.asked, use.batches, use.log_alpha)
            note = f"{use.batches:,} batches, {use.n // use.batches:,} rows each"
            yield Candidate(name=cls.name, half_width=width, note=note)

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        rounds: int = 2,
        confidence_level: Any = 0.95,
        interval: IntervalKind = "kl",
    ) -> ChunkState:
        """Declare the counts."""
        n, queries, _ = check_counts(n, queries, need_queries=cls.name)
        rounds = check_positive_int(rounds, "rounds")
        if rounds > n:
            raise ValueError(f"rounds needs a row for every round; got {rounds} rounds for {n} rows.")
        return ChunkState(
            n=n,
            log_alpha=log_level(confidence_level),
            queries=queries,
            chunks=rounds,
            interval=check_kind(interval),  # type: ignore[arg-type]
        )

    @classmethod
    def next_round(cls, state: ChunkState) -> ChunkState:
        """Close the current batch: later queries are answered from the next chunk."""
        return replace(state, current=state.current + 1)

    @classmethod
    def _answer(
        cls, state: ChunkState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[ChunkState, Release]:
        assert state.queries is not None
        release = _chunk_release(state, values, state.log_alpha + log_carry - math.log(state.queries))
        return replace(state, asked=state.asked + 1), release


def _chunk_release(state: ChunkState, values: Any, level: float) -> Release:
    start, stop = chunk_bounds(state.n, state.chunks, state.current)
    mean = float(row_values(values, state.n)[start:stop].mean())
    mean = round(mean * GRID) / GRID
    half_cell = 0.5 / GRID
    low, high = node_interval(mean - half_cell, mean + half_cell, stop - start, level, state.interval)
    return Release(value=mean, low=low, high=high, source="holdout")
