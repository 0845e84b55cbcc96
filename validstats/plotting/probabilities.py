"""Sampling probabilities of units, sorted, one curve a design."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from validstats.intake import check_vector
from validstats.plotting._style import COLOURS, Display, figure_and_axes, plain, tidy_axes

__all__ = ["ProbabilityDisplay"]

_LINES = (COLOURS["ours"], COLOURS["naive"], COLOURS["reference"], COLOURS["accent"])


class ProbabilityDisplay(Display):
    """Sorted probabilities with which units are sent to the experts.

    Parameters
    ----------
    curves : mapping of str to array-like of shape (n,)
        Probabilities by name of the design.

    Examples
    --------
    >>> display = ProbabilityDisplay({"uniform": [0.1, 0.1], "neyman": [0.05, 0.15]})
    >>> list(display.curves)
    ['uniform', 'neyman']
    """

    def __init__(self, curves: Mapping[str, Any]) -> None:
        self.curves = {name: check_vector(values, name) for name, values in curves.items()}

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax)
        for k, (name, values) in enumerate(self.curves.items()):
            share = (np.arange(len(values)) + 0.5) / len(values)
            colour = _LINES[k % len(_LINES)]
            self.ax_.step(share, np.sort(values), where="mid", color=colour, linewidth=1.8, label=plain(name))
        self.ax_.set(xlabel="share of units", ylabel="probability of a label")
        self.ax_.set_ylim(bottom=0)
        if self.curves:
            self.ax_.legend(frameon=False, loc="best")
        tidy_axes(self.ax_, grid="both")
