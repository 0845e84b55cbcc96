"""The release of winners only: of each batch of candidates the best one and its rounded score."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from validstats.holdout.mechanisms._base import (
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
from validstats.holdout.widths import argmax_width, log_argmax_nodes, log_position_weight
from validstats.intake import check_positive_int

__all__ = ["Argmax"]


@dataclass(frozen=True, kw_only=True)
class ArgmaxState(State):
    """State of the release of winners only.

    Attributes
    ----------
    candidates : int
        Size of the largest batch.
    cells : int
        Cells that a winner's score is rounded to.
    interval : {"kl", "hoeffding"}
        Interval at a node.
    """

    candidates: int
    cells: int
    interval: IntervalKind = "kl"

    @property
    def log_weight(self) -> float:
        """Weight of each candidate of the present node: one over the number of intervals, or an open horizon's."""
        if self.queries is None:
            per_batch = math.log(self.candidates) + math.log(self.cells)
            return log_position_weight(self.asked) - self.asked * per_batch - math.log(self.candidates)
        return -log_argmax_nodes(self.queries, self.candidates, self.cells)


class Argmax(Mechanism):
    """Of each batch of candidates release the winner and its rounded score, nothing about the others.

    References
    ----------
    Dwork et al. (2015), arXiv 1506.02629, Theorem 9, with the transcripts counted exactly.

    Examples
    --------
    >>> state = Argmax.initial_state(1000, queries=5, candidates=3)
    >>> state, release = Argmax.step(state, [0.7, 0.8, 0.6])
    >>> release.winner, release.low < 0.8 < release.high
    (1, True)
    """

    name = "argmax"

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
        failures: int | None = None,
    ) -> ArgmaxState:
        """Declare the counts.

        Parameters
        ----------
        n : int
            Rows.
        queries : int or None, default None
            Declared number of batches; None leaves the horizon open.
        candidates : int, default 100
            Size of the largest batch.
        confidence_level : float, default 0.95
            Of all intervals together.
        cells : int or None, default None
            Cells of a score; the best number by default.
        interval : {"kl", "hoeffding"}, default "kl"
            Interval at a node.
        failures : None
            Ignored.

        Returns
        -------
        ArgmaxState
            Before the first batch.

        Examples
        --------
        >>> Argmax.initial_state(10_000, queries=5, candidates=20).candidates
        20
        """
        n, queries, _ = check_counts(n, queries, failures)
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
