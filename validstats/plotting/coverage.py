"""Nominal against achieved coverage, with exact binomial bands."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from validstats.intake import check_same_length, check_vector
from validstats.plotting._style import COLOURS, Display, figure_and_axes, tidy_axes

__all__ = ["CoverageDisplay"]


class CoverageDisplay(Display):
    """Achieved coverage of a method, and of a naive one, at several nominal levels.

    Parameters
    ----------
    nominal : array-like of shape (k,)
        Nominal levels in (0, 1).
    achieved : array-like of shape (k,)
        Achieved frequencies in [0, 1].
    n_replicates : int
        Number of replicates behind each frequency.
    theory : array-like of shape (k,) or None, default None
        Exact probabilities where they are known.
    naive : array-like of shape (k,) or None, default None
        Achieved frequencies of the naive method.
    naive_name : str, default "naive"
        Its name in the legend.

    Examples
    --------
    >>> display = CoverageDisplay([0.8, 0.9], [0.81, 0.9], n_replicates=500)
    >>> display.band().shape
    (2, 2)
    """

    def __init__(
        self,
        nominal: npt.ArrayLike,
        achieved: npt.ArrayLike,
        *,
        n_replicates: int,
        theory: npt.ArrayLike | None = None,
        naive: npt.ArrayLike | None = None,
        naive_name: str = "naive",
    ) -> None:
        check_same_length(nominal=nominal, achieved=achieved, theory=theory, naive=naive)
        self.nominal = check_vector(nominal, "nominal")
        self.achieved = check_vector(achieved, "achieved")
        self.n_replicates = n_replicates
        self.theory = None if theory is None else check_vector(theory, "theory")
        self.naive = None if naive is None else check_vector(naive, "naive")
        self.naive_name = naive_name

    def band(self, confidence: float = 0.99) -> np.ndarray:
        """Return the range in which each frequency lies if its probability is as stated.

        Parameters
        ----------
        confidence : float, default 0.99
            Probability of the band, for each level by itself.

        Returns
        -------
        ndarray of shape (k, 2)
            Lower and upper frequencies, by the binomial law.
        """
        expected = self.nominal if self.theory is None else self.theory
        low, high = stats.binom.interval(confidence, self.n_replicates, expected)
        return np.column_stack([low, high]) / self.n_replicates

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax, (5.4, 4.6))
        order = np.argsort(self.nominal)
        x, band = self.nominal[order], self.band()[order]
        pad = 0.04
        ends = [max(0.0, x.min() - pad), min(1.0, x.max() + pad)]
        self.ax_.fill_between(x, *band.T, color=COLOURS["light"], label="99 % binomial band", linewidth=0)
        self.ax_.plot(ends, ends, color=COLOURS["reference"], linewidth=1, linestyle=":", label="nominal")
        if self.theory is not None:
            self.ax_.plot(x, self.theory[order], color=COLOURS["truth"], linewidth=1.2, label="exact theory")
        self.ax_.plot(x, self.achieved[order], "o-", color=COLOURS["ours"], label="validstats", markersize=5)
        if self.naive is not None:
            self.ax_.plot(
                x, self.naive[order], "s--", color=COLOURS["naive"], label=self.naive_name, markersize=5
            )
        self.ax_.set(xlabel="nominal level", ylabel=f"achieved in {self.n_replicates:,} replicates")
        self.ax_.legend(frameon=False, loc="best")
        tidy_axes(self.ax_, grid="both")
