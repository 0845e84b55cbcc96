"""The ledger of a reusable holdout: budget left, guesses against answers, width along the questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from validstats.intake import check_same_length
from validstats.plotting._style import COLOURS, Display, tidy_axes

__all__ = ["LedgerDisplay"]


class LedgerDisplay(Display):
    """Three panels over the questions in the order in which they were asked.

    Parameters
    ----------
    answers : array-like of shape (k,)
        Released values; NaN where only a bit was released.
    half_widths : array-like of shape (k,)
        Half-widths of their intervals; NaN where there is none.
    guesses : array-like of shape (k,)
        What the training rows said; NaN where nothing was guessed.
    passed : sequence of bool or None
        Whether the guess or claim held; None where there was none.
    used : array-like of shape (k,)
        Queries used after each question.
    queries : int
        Declared queries.
    nats : array-like of shape (k,) or None, default None
        Description nats charged after each question.
    truth : array-like of shape (k,) or None, default None
        Population values, where they are known.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes, shape (3,)
        Set by :meth:`plot`.
    figure_ : matplotlib Figure
        Set by :meth:`plot`.

    Examples
    --------
    >>> display = LedgerDisplay([0.8], [0.05], [0.8], [True], [1], queries=10)
    >>> display.left.tolist()
    [9]
    """

    def __init__(
        self,
        answers: Sequence[float],
        half_widths: Sequence[float],
        guesses: Sequence[float],
        passed: Sequence[bool | None],
        used: Sequence[int],
        *,
        queries: int,
        nats: Sequence[float] | None = None,
        truth: Sequence[float] | None = None,
    ) -> None:
        check_same_length(
            answers=answers, half_widths=half_widths, guesses=guesses, passed=passed, used=used, truth=truth
        )
        self.answers = np.asarray(answers, dtype=np.float64)
        self.half_widths = np.asarray(half_widths, dtype=np.float64)
        self.guesses = np.asarray(guesses, dtype=np.float64)
        self.passed = list(passed)
        self.used = np.asarray(used, dtype=np.int64)
        self.queries = queries
        self.nats = None if nats is None else np.asarray(nats, dtype=np.float64)
        self.truth = None if truth is None else np.asarray(truth, dtype=np.float64)

    @classmethod
    def from_ledger(cls, ledger: Any, *, queries: int, truth: Sequence[float] | None = None) -> Self:
        """Read a ledger's questions.

        Parameters
        ----------
        ledger : Ledger
            With at least one question.
        queries : int
            Declared queries.
        truth : array-like or None, default None
            Population values of the questions, where they are known.

        Returns
        -------
        LedgerDisplay
            Of the current epoch.

        Raises
        ------
        ValueError
            If nothing was asked yet.
        """
        entries = ledger.entries()
        epoch = entries[-1].epoch
        asked = [
            e
            for e in entries
            if e.epoch == epoch and e.release not in ("plan", "bound", "created", "refused")
        ]
        if not asked:
            raise ValueError("Nothing was asked in this epoch yet, so there is nothing to draw.")
        return cls(
            [_or_nan(e.answer) for e in asked],
            [_or_nan(e.half_width) for e in asked],
            [_or_nan(e.detail.get("guess")) for e in asked],
            [e.passed for e in asked],
            [e.state["asked"] for e in asked],
            queries=queries,
            nats=np.cumsum([e.nats for e in asked]).tolist(),
            truth=truth,
        )

    @property
    def left(self) -> np.ndarray:
        """Queries left after each question."""
        return self.queries - self.used

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        if ax is None:
            import matplotlib.pyplot as plt

            self.figure_, axes = plt.subplots(1, 3, figsize=(12.6, 3.9), layout="constrained")
        else:
            axes = np.asarray(ax, dtype=object)
            self.figure_ = axes[0].figure
        self.ax_ = axes
        self._plot_budget(axes[0])
        self._plot_answers(axes[1])
        self._plot_widths(axes[2])

    def _plot_budget(self, ax: Any) -> None:
        position = np.arange(len(self.used) + 1)
        ax.step(
            position, np.append(self.queries, self.left), where="post", color=COLOURS["ours"], linewidth=1.8
        )
        ax.fill_between(
            position,
            np.append(self.queries, self.left),
            step="post",
            color=COLOURS["light"],
            alpha=0.7,
            linewidth=0,
        )
        ax.set(xlabel="question", ylabel="queries left", title="Budget", ylim=(0, 1.05 * self.queries))
        ax.set_xlim(0, max(len(self.used), 1))
        tidy_axes(ax)
        if self.nats is not None:
            ax.text(
                0.97, 0.95, f"{self.nats[-1]:.1f} nats charged", transform=ax.transAxes, ha="right", va="top",
                color=COLOURS["reference"], fontsize=9,
            )  # fmt: skip

    def _plot_answers(self, ax: Any) -> None:
        known = np.isfinite(self.answers) & np.isfinite(self.guesses)
        held = np.array([bool(flag) for flag in self.passed])
        for mask, colour, marker, name in (
            (known & held, COLOURS["ours"], "o", "guess held"),
            (known & ~held, COLOURS["naive"], "s", "guess failed"),
        ):
            if mask.any():
                ax.errorbar(
                    self.guesses[mask], self.answers[mask], yerr=self.half_widths[mask], fmt=marker, color=colour,
                    markersize=4.5, elinewidth=0.8, alpha=0.85, label=name,
                )  # fmt: skip
        if self.truth is not None and known.any():
            ax.plot(
                self.guesses[known],
                self.truth[known],
                "_",
                color=COLOURS["truth"],
                markersize=8,
                label="truth",
            )
        ends = _diagonal(self.guesses[known], self.answers[known])
        ax.plot(ends, ends, color=COLOURS["reference"], linewidth=1, linestyle=":")
        ax.set(
            xlabel="guess from the training rows",
            ylabel="answer of the holdout",
            title="Training against holdout",
        )
        if known.any():
            ax.legend(frameon=False, loc="upper left", fontsize=9)
        tidy_axes(ax, grid="both")

    def _plot_widths(self, ax: Any) -> None:
        position = np.arange(1, len(self.half_widths) + 1)
        known = np.isfinite(self.half_widths)
        ax.plot(position[known], self.half_widths[known], color=COLOURS["light"], linewidth=1.4, zorder=1)
        failed = known & np.array([flag is False for flag in self.passed])
        ax.plot(
            position[known & ~failed],
            self.half_widths[known & ~failed],
            "o",
            color=COLOURS["ours"],
            markersize=4,
        )
        ax.plot(position[failed], self.half_widths[failed], "s", color=COLOURS["naive"], markersize=4)
        top = self.half_widths[known].max() if known.any() else 1.0
        ax.set(xlabel="question", ylabel="half-width", title="Width of the answers", ylim=(0, 1.15 * top))
        tidy_axes(ax)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _diagonal(x: np.ndarray, y: np.ndarray) -> list[float]:
    if not len(x):
        return [0.0, 1.0]
    both = np.concatenate([x, y])
    return [float(both.min()) - 0.02, float(both.max()) + 0.02]
