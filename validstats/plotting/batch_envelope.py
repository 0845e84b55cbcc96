"""Figure of the envelope of a batch's sorted scores, or of the false discoveries of every selection from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from validstats.intake import check_vector
from validstats.plotting._style import COLOURS, Display, batch_name, figure_and_axes, plain, tidy_axes

__all__ = ["EnvelopeDisplay"]


class EnvelopeDisplay(Display):
    """Bounds that hold for all sorted scores of a batch at once.

    Parameters
    ----------
    low, high : array-like of shape (m,)
        Bounds of the sorted scores; infinite ones are drawn to the edge.
    probability : float
        Exact joint probability.
    truth : array-like of shape (m,) or None, default None
        True scores in any order.
    quantity : str, default "score"
        What one score is.
    name : str, default ""
        Name of the batch, for the title.

    Examples
    --------
    >>> display = EnvelopeDisplay([0.0, 1.0], [2.0, 3.0], 0.9, truth=[2.5, 1.0])
    >>> display.holds()
    True
    """

    def __init__(
        self,
        low: Any,
        high: Any,
        probability: float,
        *,
        truth: Any = None,
        quantity: str = "score",
        name: str = "",
    ) -> None:
        self.low = check_vector(low, "low", allow_infinite=True)
        self.high = check_vector(high, "high", allow_infinite=True)
        self.probability = probability
        self.truth = None if truth is None else np.sort(check_vector(truth, "truth", allow_infinite=True))
        self.quantity = quantity
        self.name = name

    @classmethod
    def from_result(
        cls, result: Any, *, batch: int = 0, truth: Any = None, labels: Mapping[str, str] | None = None
    ) -> Self:
        """Take one batch of a result.

        Parameters
        ----------
        result : BatchEnvelopes
            From ``BatchPredictor.infer``.
        batch : int, default 0
            Position of the batch.
        truth : array-like of shape (m,) or None, default None
            True scores of the batch.
        labels : mapping of str to str or None, default None
            Words instead of the names of batches.

        Returns
        -------
        EnvelopeDisplay
            The display, not drawn yet.
        """
        answer = result.answers[batch]
        return cls(
            answer.low,
            answer.high,
            answer.probability,
            truth=truth,
            quantity=result.quantity,
            name=batch_name(result, batch, labels),
        )

    def holds(self) -> bool:
        """Tell whether the truth stays inside throughout.

        Returns
        -------
        bool
            True also where no truth is known.
        """
        return self.truth is None or bool(((self.low <= self.truth) & (self.truth <= self.high)).all())

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax, (6.4, 4.2))
        m = self.low.size
        share = (np.arange(m) + 0.5) / m
        low, high = self._visible_ends()
        self.ax_.fill_between(
            share, low, high, step="mid", color=COLOURS["light"], linewidth=0, label="envelope"
        )
        for ends in (low, high):
            self.ax_.step(share, ends, where="mid", color=COLOURS["ours"], linewidth=1.4)
        if self.truth is not None:
            shown = np.isfinite(self.truth)
            self.ax_.step(
                share[shown],
                self.truth[shown],
                where="mid",
                color=COLOURS["truth"],
                linewidth=1.4,
                label="truth",
            )
        where = f"{plain(self.name)}: " if self.name else ""
        title = f"{where}every sorted score at once, with probability {self.probability:.3f}"
        self.ax_.set_title(title, loc="left", fontsize=11)
        self.ax_.set(xlabel="share of the batch", ylabel=plain(self.quantity), xlim=(0, 1))
        self.ax_.legend(frameon=False)
        tidy_axes(self.ax_, grid="both")

    def _visible_ends(self) -> tuple[np.ndarray, np.ndarray]:
        values = [self.low, self.high] + ([] if self.truth is None else [self.truth])
        finite = np.concatenate([v[np.isfinite(v)] for v in values])
        finite = finite if finite.size else np.array([0.0, 1.0])
        pad = 0.08 * (float(np.ptp(finite)) or 1.0)
        bottom, top = finite.min() - pad, finite.max() + pad
        return np.clip(self.low, bottom, top), np.clip(self.high, bottom, top)
