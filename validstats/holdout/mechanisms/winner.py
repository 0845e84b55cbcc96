"""The release of winners only: of each batch of candidates the best one and its rounded score."""

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
    cell_of,
    check_counts,
    check_kind,
    log_level,
    node_interval,
    row_values,
)
from validstats.holdout.mechanisms.declared import Candidate, Use
from validstats.holdout.widths import argmax_width, log_argmax_nodes, log_position_weight
from validstats.intake import check_positive_int

__all__ = ["Argmax"]


@dataclass(frozen=True, kw_only=True)
class ArgmaxState(State):
    """State of the release of winners only."""

    candidates: int  # size of the largest batch
    cells: int  # cells that a winner's score is rounded to
    interval: IntervalKind = "kl"  # interval at a node

    @property
    def log_weight(self) -> float:
        """Weight of each candidate of the present node: one over the number of intervals, or an open horizon's."""
        if self.queries is None:
            per_batch = math.log(self.candidates) + math.log(self.cells)
            return log_position_weight(self.asked) - self.asked * per_batch - math.log(self.candidates)
        return -log_argmax_nodes(self.queries, self.candidates, self.cells)

    @property
    def log_mass(self) -> float:
        """Code of the winners and scores so far: one over the number of outcomes of a batch, for each."""
        return -self.asked * (math.log(self.candidates) + math.log(self.cells))


class Argmax(Mechanism):
    """Of each batch of candidates release the winner and its rounded score, nothing about the others."""

    # Source: Dwork et al. (2015), arXiv 1506.02629, Theorem 9, with the transcripts counted exactly.

    name = "argmax"
    citation = "Dwork et al. (2015), arXiv 1506.02629, Theorem 9, by the exact count of transcripts"
    verb = "best()"
    serves = ("argmax",)

    @classmethod
    def candidates(cls, use: Use) -> Iterator[Candidate]:
        """Yield what it would promise for a planned use."""
        width = argmax_width(use.n, use.queries, use.size, use.log_alpha)
        note = f"{width.cells} cells, winner only"
        yield Candidate(name=cls.name, half_width=width.half_width, note=note)

    @classmethod
    def initial_state(
        cls,
        n: int,
        *,
        queries: int | None = None,
        candidates: int = 100,
        confidence_level: Any = 0.95,
        cells: int | None = None,
        interval: IntervalKind = "kl",
    ) -> ArgmaxState:
        """Declare the counts."""
        n, queries, _ = check_counts(n, queries)
        candidates = check_positive_int(candidates, "candidates")
        log_alpha = log_level(confidence_level)
        if cells is None:
            cells = argmax_width(n, 10 if queries is None else queries, candidates, log_alpha).cells
        return ArgmaxState(
            n=n,
            log_alpha=log_alpha,
            queries=queries,
            candidates=candidates,
            cells=check_positive_int(cells, "cells"),
            interval=check_kind(interval),  # type: ignore[arg-type]
        )

    @classmethod
    def _answer(
        cls, state: ArgmaxState, values: Any, guess: float | None, noise: Noise | None, log_carry: float
    ) -> tuple[ArgmaxState, Release]:
        rows = row_values(values)
        if rows.ndim > 2 or rows.shape[0] > state.candidates:
            raise ValueError(
                f"values must hold at most {state.candidates} candidates, one a row, got shape {rows.shape}."
            )
        means = rows if rows.ndim == 1 else rows.mean(axis=1)
        winner = int(np.argmax(means))
        centre, left, right = cell_of(float(means[winner]), state.cells)
        level = state.log_alpha + state.log_weight + log_carry
        low, high = node_interval(left, right, state.n, level, state.interval)
        after = replace(state, asked=state.asked + 1)
        return after, Release(value=centre, low=low, high=high, source="holdout", winner=winner)
