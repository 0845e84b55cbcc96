"""Standard errors against the number of expert labels, and what machine labels make of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np

from validstats._typing import Float1D, Float2D, Int1D
from validstats.intake import check_matrix, check_same_length, check_vector
from validstats.plotting._style import COLOURS, Display, figure_and_axes, plain, tidy_axes

__all__ = ["GainForecastDisplay", "LabelPlanDisplay"]

_LINES = ("#1f6f78", "#e0a030", "#6b4c9a", "#4f7f3f", "#2f5d9b", "#8a5a44")


class LabelPlanDisplay(Display):
    """Forecast standard errors of several coefficients.

    Parameters
    ----------
    sizes : ndarray of shape (k,)
        Numbers of labels.
    std_errors : ndarray of shape (k, p)
        Forecast standard errors.
    names : sequence of str
        Coefficients.
    n_labelled : int
        Present number of labels.
    gold_std_errors : ndarray of shape (k, p) or None, default None
        Standard errors of expert labels alone.

    Examples
    --------
    >>> import numpy as np
    >>> display = LabelPlanDisplay(np.array([100, 200]), np.array([[0.2], [0.15]]), ["x"], 100)
    >>> display.std_errors.shape
    (2, 1)
    """

    def __init__(
        self,
        sizes: Int1D,
        std_errors: Float2D,
        names: Sequence[str],
        n_labelled: int,
        gold_std_errors: Float2D | None = None,
    ) -> None:
        self.sizes = np.asarray(sizes)
        self.std_errors = check_matrix(std_errors, "std_errors")
        check_same_length(sizes=self.sizes, std_errors=self.std_errors, gold_std_errors=gold_std_errors)
        self.names = list(names)
        if len(self.names) != self.std_errors.shape[1]:
            raise ValueError(
                f"names has {len(self.names)} entries, but std_errors {self.std_errors.shape[1]}."
            )
        self.n_labelled = n_labelled
        self.gold_std_errors = gold_std_errors

    @classmethod
    def from_plan(
        cls,
        plan: Any,
        terms: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
    ) -> Self:
        """Take the coefficients of a plan.

        Parameters
        ----------
        plan : LabelPlan
            The plan.
        terms : sequence of str or None, default None
            Coefficients to show; None shows all but the intercept, where there are others.
        labels : mapping of str to str or None, default None
            Words instead of terms.
        drop : collection of str, default ()
            Terms to leave out.

        Returns
        -------
        LabelPlanDisplay
            The display.

        Raises
        ------
        ValueError
            If there is no such coefficient.
        """
        if terms is None:
            shown = [name for name in plan.names if name != "Intercept"] or list(plan.names)
        else:
            shown = list(terms)
        unknown = [name for name in shown if name not in plan.names]
        if unknown:
            raise ValueError(f"There is no coefficient {unknown[0]!r}; there are {', '.join(plan.names)}.")
        shown = [name for name in shown if name not in drop]
        index = [plan.names.index(name) for name in shown]
        words = [(labels or {}).get(name, name) for name in shown]
        gold = None if plan.gold_std_errors is None else plan.gold_std_errors[:, index]
        return cls(plan.sizes, plan.std_errors[:, index], words, plan.n_labelled, gold)

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax)
        single = len(self.names) == 1
        for j, name in enumerate(self.names):
            colour = COLOURS["ours"] if single else _LINES[j % len(_LINES)]
            self.ax_.plot(
                self.sizes, self.std_errors[:, j], "o-", color=colour, markersize=4, label=plain(name)
            )
            if self.gold_std_errors is not None:
                gold_label = "expert labels alone" if j == 0 else None
                line = self.ax_.plot(
                    self.sizes,
                    self.gold_std_errors[:, j],
                    linestyle="--",
                    linewidth=1,
                    color=COLOURS["reference"] if single else colour,
                    label=gold_label,
                )[0]
                line.set_alpha(0.75)
        self.ax_.axvline(self.n_labelled, color=COLOURS["reference"], linewidth=1, linestyle=":")
        self.ax_.annotate(
            "now",
            (self.n_labelled, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(3, -10),
            textcoords="offset points",
            color=COLOURS["reference"],
        )
        self.ax_.set(xlabel="expert labels", ylabel="standard error")
        self.ax_.set_ylim(bottom=0)
        self.ax_.legend(frameon=False, loc="best")
        tidy_axes(self.ax_, grid="both")


class GainForecastDisplay:
    """How many expert labels alone a number of expert labels is worth beside machine labels.

    Parameters
    ----------
    sizes : ndarray of shape (k,)
        Numbers of expert labels.
    ratio : ndarray of shape (k,)
        Variance ratio with tuned machine labels.
    low, high : ndarray of shape (k,) or None, default None
        Interval from a pilot.
    raw_ratio : ndarray of shape (k,) or None, default None
        Variance ratio with machine labels as they are.

    Examples
    --------
    >>> import numpy as np
    >>> GainForecastDisplay(np.array([100.0, 200.0]), np.array([2.0, 1.9])).worth()
    array([200., 380.])
    """

    def __init__(
        self,
        sizes: Int1D | Float1D,
        ratio: Float1D,
        low: Float1D | None = None,
        high: Float1D | None = None,
        raw_ratio: Float1D | None = None,
    ) -> None:
        check_same_length(sizes=sizes, ratio=ratio, low=low, high=high, raw_ratio=raw_ratio)
        self.sizes = check_vector(sizes, "sizes")
        self.ratio = check_vector(ratio, "ratio")
        self.low, self.high, self.raw_ratio = low, high, raw_ratio

    @classmethod
    def from_forecast(cls, forecast: Any, drop: Collection[str] = ()) -> Self:
        """Take the ratios of a forecast.

        Parameters
        ----------
        forecast : GainForecast
            The forecast.
        drop : collection of str, default ()
            Numbers of labels to leave out, as its terms name them.

        Returns
        -------
        GainForecastDisplay
            The display.
        """
        kept = [k for k, term in enumerate(forecast.terms) if term not in drop]
        further = (forecast.ratio_low, forecast.ratio_high, forecast.raw_ratio)
        return cls(
            forecast.sizes[kept],
            forecast.ratio[kept],
            *(None if part is None else part[kept] for part in further),
        )

    def worth(self) -> Float1D:
        """Return the numbers of expert labels alone that would do as well.

        Returns
        -------
        ndarray of shape (k,)
            Sizes times ratios.
        """
        return self.sizes * self.ratio

    def plot(self, ax: Any = None, labels: Mapping[str, str] | None = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on; new ones if None.
        labels : mapping of str to str or None, default None
            Words for the legend, by what it says.

        Returns
        -------
        GainForecastDisplay
            Itself, with ``ax_`` and ``figure_`` set.
        """
        self.figure_, self.ax_ = figure_and_axes(ax)
        order = np.argsort(self.sizes)
        x = self.sizes[order]
        if self.low is not None and self.high is not None:
            self.ax_.fill_between(
                x,
                x * self.low[order],
                x * self.high[order],
                color=COLOURS["light"],
                linewidth=0,
                label="interval from the pilot",
            )
        self.ax_.plot(
            x, x, color=COLOURS["reference"], linewidth=1, linestyle=":", label="expert labels alone"
        )
        if self.raw_ratio is not None:
            self.ax_.plot(
                x,
                x * self.raw_ratio[order],
                "--",
                color=COLOURS["naive"],
                label="machine labels as they are",
            )
        self.ax_.plot(x, self.worth()[order], "o-", color=COLOURS["ours"], markersize=4, label="tuned")
        self.ax_.set(xlabel="expert labels bought", ylabel="worth in expert labels alone")
        self.ax_.set_ylim(bottom=0)
        handles, names = self.ax_.get_legend_handles_labels()
        self.ax_.legend(
            handles, [(labels or {}).get(name, name) for name in names], frameon=False, loc="best"
        )
        tidy_axes(self.ax_, grid="both")
        return self
