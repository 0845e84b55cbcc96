"""Leaderboards: the best score so far, and the models of a list that may be the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from validstats.holdout.asking.desk import Desk, name_of
from validstats.holdout.asking.metrics import Metric, rescaling
from validstats.holdout.budget import Question, Session
from validstats.holdout.mechanisms import Release
from validstats.holdout.results import Answer
from validstats.holdout.widths import log_board_outcome, log_coded_share, tied_models
from validstats.intake import check_in_range

__all__ = ["Leaderboard", "leaderboard", "ties"]


@dataclass(frozen=True, repr=False)
class Leaderboard:
    """A board that shows the best score so far, opened by :meth:`ReusableHoldout.leaderboard`.

    Parameters
    ----------
    desk : Desk
        Of the holdout whose budget it uses.
    metric : Metric
        What it shows.
    baseline_loss : float
        Loss in [0, 1] where it starts.

    Examples
    --------
    >>> import numpy as np
    >>> from validstats.holdout import ReusableHoldout
    >>> y = np.arange(4000) % 2
    >>> rh = ReusableHoldout(queries=10, mechanism="description_length").calibrate(np.zeros((4000, 1)), y)
    >>> board = rh.leaderboard(baseline=0.5)
    >>> board.submit(1 - y).passed, board.submit(y).passed
    (False, True)
    """

    desk: Desk
    metric: Metric
    baseline_loss: float

    def submit(self, target: Any) -> Answer:
        """Submit a model.

        Parameters
        ----------
        target : estimator or predictions
            The model.

        Returns
        -------
        Answer
            The best score so far; ``passed`` says whether this one improved it.
        """
        return _submit(self, target)

    def __repr__(self) -> str:
        return f"Leaderboard(metric={self.metric.name!r})"


def leaderboard(desk: Desk, baseline: float | None, metric: str | Metric | None) -> Leaderboard:
    """Open a board that starts at a score known without the holdout, or at the worst possible one."""
    chosen = desk.chosen(metric)
    if not chosen.row_mean or not desk.hosts:
        raise ValueError(
            "A leaderboard needs a mean of row values and mechanism='guess_and_check' or 'description_length', got "
            f"{chosen.name!r} and {desk.books.declared.mechanism!r}."
        )
    worst = chosen.bounds[0] if chosen.greater_is_better else chosen.bounds[1]
    start = worst if baseline is None else check_in_range(baseline, "baseline", *chosen.bounds)
    unit = float(chosen.to_unit(start))
    loss = 1.0 - unit if chosen.greater_is_better else unit
    if loss <= 0:
        raise ValueError(
            f"baseline={baseline!r} is the best possible score already; nothing can improve on it."
        )
    return Leaderboard(desk, chosen, loss)


def _submit(board: Leaderboard, target: Any) -> Answer:
    desk, metric = board.desk, board.metric
    units, asked = desk.values(target, metric)
    loss = float((1.0 - units if metric.greater_is_better else units).mean())

    def score_of(loss: float) -> float:
        return rescaling(metric.bounds)(1.0 - loss if metric.greater_is_better else loss)

    def respond(session: Session) -> Release:
        release = session.step(
            "ladder",
            loss,
            key=f"ladder/{metric.name}/{board.baseline_loss!r}{session.joined}",  # other rows, another board
            options={"queries": session.queries_left, "baseline": board.baseline_loss},
        )
        return replace(release.rescaled(score_of), source="holdout" if release.passed else "unchanged")

    return desk.ask(
        Question(
            release="board",
            label=f"{metric.name}: {name_of(target)} (board)",
            phrase=f"the best {metric.name} on the board",
            query=desk.digest("submit", asked, board.baseline_loss),
            respond=respond,
            scale=metric.bounds,
        )
    )


def ties(desk: Desk, targets: Sequence[Any], metric: str | Metric | None) -> Answer:
    """Release which of several models may be the best: one set, the best among them at the level of one question."""
    chosen = desk.mean_metric(metric, "ties()")
    if len(targets) < 2 or not desk.hosts:
        raise ValueError(
            "ties() needs at least two models and mechanism='guess_and_check' or 'description_length', got "
            f"{len(targets)} and {desk.books.declared.mechanism!r}; nothing was charged."
        )
    scored = [desk.values(target, chosen, name=f"targets[{i}]") for i, target in enumerate(targets)]
    units = np.array([values if chosen.greater_is_better else 1.0 - values for values, _ in scored])

    def respond(session: Session) -> Release:
        share = log_coded_share(session.queries_left)
        tied = tied_models(units, session.log_level + share, binary=desk.counts(chosen))
        session.branch(-math.log1p(-math.exp(share)) - log_board_outcome(len(units), len(tied)))
        return Release(source="bit", passed=len(tied) == 1, flags=tuple(i in tied for i in range(len(units))))

    return desk.ask(
        Question(
            release="ties",
            label=f"{chosen.name}: which of {len(units)} may be the best",
            phrase=f"one of {len(units)} models is the best by {chosen.name}",
            query=desk.digest("ties", *(digest for _, digest in scored)),
            respond=respond,
        )
    )
