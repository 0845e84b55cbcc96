"""Probabilities achieved in the worst settings that a hunt found, beside what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from validstats.plotting._style import COLOURS, Display, figure_and_axes, tidy_axes

__all__ = ["HuntDisplay"]

_MOST_ROWS = 25
"""Settings drawn at most, the worst ones."""


class HuntDisplay(Display):
    """The worst settings of a hunt: achieved probability with its exact interval, less the level promised.

    Parameters
    ----------
    names : sequence of str
        Claim of each setting.
    achieved, low, high : array-like of shape (k,)
        Achieved probability with its exact interval, less the level.
    reference : array-like of shape (k,)
        The same of the reference method; NaN where there is none.

    Examples
    --------
    >>> display = HuntDisplay(["a mean"], [0.01], [-0.01], [0.03], [-0.2])
    >>> display.achieved.tolist()
    [0.01]
    """

    def __init__(
        self,
        names: Sequence[str],
        achieved: Sequence[float],
        low: Sequence[float],
        high: Sequence[float],
        reference: Sequence[float],
    ) -> None:
        self.names = list(names)
        self.achieved, self.low, self.high, self.reference = map(np.asarray, (achieved, low, high, reference))

    @classmethod
    def from_report(cls, report: Any) -> Self:
        """Take the values of a report.

        Parameters
        ----------
        report : HuntReport
            What :func:`validstats.validity.hunt` returned.

        Returns
        -------
        HuntDisplay
            The display.
        """
        rows = report.findings[:_MOST_ROWS]
        return cls(
            [f.claim for f in rows],
            [f.achieved - f.level for f in rows],
            [f.low - f.level for f in rows],
            [f.high - f.level for f in rows],
            [f.reference_held - f.level for f in rows],
        )

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        n = len(self.names)
        self.figure_, self.ax_ = figure_and_axes(ax, (7.0, 1.2 + 0.28 * max(n, 1)))
        y = np.arange(n)[::-1]
        self.ax_.axvline(0.0, color=COLOURS["reference"], linewidth=1, linestyle=":")
        self.ax_.hlines(y, self.low, self.high, color=COLOURS["ours"], linewidth=1.4)
        self.ax_.plot(self.achieved, y, "o", color=COLOURS["ours"], markersize=5, label="validstats")
        if np.isfinite(self.reference).any():
            self.ax_.plot(
                self.reference, y, "s", color=COLOURS["naive"], markersize=4, label="reference method"
            )
        self.ax_.set_yticks(y, self.names)
        self.ax_.set(xlabel="achieved probability less the level promised, worst settings")
        self.ax_.legend(frameon=False, loc="best")
        tidy_axes(self.ax_, grid="x")
