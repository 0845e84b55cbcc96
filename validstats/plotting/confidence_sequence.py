"""The path of an anytime-valid interval, beside the ordinary interval that holds for one planned look only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from scipy import stats

from validstats._typing import Float1D, Int1D
from validstats.dsl.results import level_text
from validstats.intake import check_same_length, check_vector
from validstats.plotting._style import COLOURS, Display, figure_and_axes, plain, tidy_axes

__all__ = ["ConfidenceSequenceDisplay"]


class ConfidenceSequenceDisplay(Display):
    """Estimates and intervals of one coefficient at every look.

    Parameters
    ----------
    times : ndarray of shape (T,)
        Number of units visited at each look.
    estimate, std_error, radius : ndarray of shape (T,)
        Estimate, standard error of a single planned look, and half-width of the sequence.
    term : str
        Name of the coefficient.
    confidence_level : float
        Level of both intervals.

    Examples
    --------
    >>> import numpy as np
    >>> times = np.array([100, 400])
    >>> display = ConfidenceSequenceDisplay(times, 0 * times, 1 / np.sqrt(times), 3 / np.sqrt(times), "mean", 0.95)
    >>> display.ordinary_radius().round(3)
    array([0.196, 0.098])
    """

    def __init__(
        self,
        times: Int1D,
        estimate: Float1D,
        std_error: Float1D,
        radius: Float1D,
        term: str,
        confidence_level: float,
    ) -> None:
        check_same_length(times=times, estimate=estimate, std_error=std_error, radius=radius)
        self.times = np.asarray(times)
        self.estimate = check_vector(estimate, "estimate")
        self.std_error = check_vector(std_error, "std_error")
        self.radius = check_vector(radius, "radius", allow_infinite=True)
        self.term = term
        self.confidence_level = confidence_level

    @classmethod
    def from_result(
        cls, result: Any, term: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Self:
        """Take one coefficient of a result of sequential labelling.

        Parameters
        ----------
        result : ConfidenceSequence
            The result.
        term : str or None, default None
            Coefficient; None takes the last one.
        labels : mapping of str to str or None, default None
            Words instead of terms.

        Returns
        -------
        ConfidenceSequenceDisplay
            The display.

        Raises
        ------
        ValueError
            If there is no such coefficient.
        """
        name = result.terms[-1] if term is None else term
        if name not in result.terms:
            raise ValueError(f"term must be one of {', '.join(map(repr, result.terms))}; got {term!r}.")
        j = result.terms.index(name)
        return cls(
            result.times,
            result.estimates[:, j],
            result.std_errors[:, j],
            result.radii[:, j],
            (labels or {}).get(name, name),
            result.confidence_level,
        )

    def ordinary_radius(self) -> Float1D:
        """Return the half-widths of the ordinary intervals, valid for one look planned beforehand.

        Returns
        -------
        ndarray of shape (T,)
            Normal quantile times standard error.
        """
        return float(stats.norm.isf((1.0 - self.confidence_level) / 2.0)) * self.std_error

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax)
        finite = np.isfinite(self.radius)
        x, centre, radius = self.times[finite], self.estimate[finite], self.radius[finite]
        self.ax_.fill_between(
            x,
            centre - radius,
            centre + radius,
            color=COLOURS["light"],
            linewidth=0,
            label="at all looks at once",
        )
        for sign in (-1, 1):
            self.ax_.plot(
                self.times,
                self.estimate + sign * self.ordinary_radius(),
                color=COLOURS["naive"],
                linewidth=1.2,
                linestyle="--",
                label="for one planned look only" if sign == 1 else None,
            )
        self.ax_.plot(self.times, self.estimate, color=COLOURS["ours"], linewidth=1.8, label="estimate")
        self.ax_.set(
            xlabel="units visited",
            ylabel=plain(self.term),
            title=f"Intervals at {level_text(self.confidence_level)}",
        )
        self.ax_.legend(frameon=False, loc="best")
        tidy_axes(self.ax_, grid="both")
