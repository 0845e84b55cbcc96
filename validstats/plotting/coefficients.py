"""Coefficients from several sources of labels, with intervals, on one axis a term."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np

from validstats.intake import RowLabels, align, check_vector
from validstats.plotting._style import COLOURS, Display, figure_and_axes, plain, tidy_axes

__all__ = ["CoefficientDisplay"]

_STYLES = {
    "validstats": (COLOURS["ours"], "o"),
    "gold only": (COLOURS["reference"], "D"),
    "naive": (COLOURS["naive"], "s"),
}


def _known(truth: Any, names: Sequence[str]) -> Any:
    """Known values of all coefficients in their order; a series is matched by their names."""
    values = check_vector(align(truth, RowLabels.of(names, "the coefficients"), "truth"), "truth")
    if len(values) != len(names):
        raise ValueError(
            f"truth must have one value for each of the {len(names)} coefficients, got {len(values)}."
        )
    return values


class CoefficientDisplay(Display):
    """Estimates and intervals of the same coefficients from several fits.

    Parameters
    ----------
    names : sequence of str
        Coefficient names, drawn from top to bottom.
    fits : mapping of str to (estimates, lower ends, upper ends)
        Arrays of shape (p,) by name of the fit; "validstats", "gold only" and "naive" have house colours.
    truth : array-like of shape (p,) or None, default None
        Known values, drawn as vertical ticks.
    ratio : str, default ""
        Name of the ratio that exponentiated coefficients are; the axis is then logarithmic.

    Examples
    --------
    >>> display = CoefficientDisplay(["x"], {"validstats": ([1.0], [0.8], [1.2])}, truth=[0.9])
    >>> list(display.fits)
    ['validstats']
    """

    def __init__(
        self,
        names: Sequence[str],
        fits: Mapping[str, tuple[Any, Any, Any]],
        *,
        truth: Any = None,
        ratio: str = "",
    ) -> None:
        self.names = list(names)
        self.fits = {name: tuple(check_vector(v, name) for v in values) for name, values in fits.items()}
        self.truth = None if truth is None else check_vector(truth, "truth")
        self.ratio = ratio
        for name, values in [*self.fits.items(), ("truth", () if self.truth is None else (self.truth,))]:
            if any(len(v) != len(self.names) for v in values):
                raise ValueError(f"{name!r} must have one value for each of the {len(self.names)} names.")

    @classmethod
    def from_result(
        cls,
        result: Any,
        *,
        truth: Any = None,
        terms: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
    ) -> Self:
        """Take estimate, gold-only and naive fit from a result.

        Parameters
        ----------
        result : CoefficientResult
            Result of ``DesignSupervised.infer``.
        truth : array-like of shape (p,) or None, default None
            Known values; a series is matched by the names of the coefficients.
        terms : sequence of str or None, default None
            Coefficients to draw; None draws all but the intercept, and the intercept where it is alone.
        labels : mapping of str to str or None, default None
            Words instead of terms.
        drop : collection of str, default ()
            Terms to leave out.

        Returns
        -------
        CoefficientDisplay
            Not drawn yet. Intervals have the level of the result.
        """
        if terms is None:
            terms = [n for n in result.names if not n.endswith("Intercept")] or list(result.names)
        terms = [name for name in terms if name not in drop]
        index = [list(result.names).index(name) for name in terms]
        interval = result.confidence_interval()
        fits = {"validstats": (result.params[index], interval[index, 0], interval[index, 1])}
        critical = (interval[:, 1] - interval[:, 0])[index] / (2 * result.std_error[index])
        for name, fit in (("gold only", result.gold), ("naive", result.naive_fit)):
            if fit is not None:
                half = critical * fit.std_error[index]
                fits[name] = (fit.params[index], fit.params[index] - half, fit.params[index] + half)
        words = [(labels or {}).get(name, name) for name in terms]
        return cls(words, fits, truth=None if truth is None else _known(truth, result.names)[index])

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        n = len(self.names)
        self.figure_, self.ax_ = figure_and_axes(ax, (7.0, 1.3 + 0.75 * n))
        height = np.arange(n)[::-1].astype(float)
        gap = 0.6 / max(len(self.fits), 1)
        if self.ratio:
            self.ax_.set_xscale("log")
        self.ax_.axvline(1.0 if self.ratio else 0.0, color="#b5bec5", linewidth=0.9, zorder=0)
        for k, (name, (estimate, low, high)) in enumerate(self.fits.items()):
            colour, marker = _STYLES.get(name, (COLOURS["accent"], "^"))
            at = height + gap * ((len(self.fits) - 1) / 2 - k)
            self.ax_.hlines(at, low, high, color=colour, linewidth=2.0)
            self.ax_.plot(estimate, at, marker, color=colour, markersize=6, label=name, linestyle="none")
        if self.truth is not None:
            self.ax_.vlines(
                self.truth, height - 0.4, height + 0.4, color=COLOURS["truth"], linewidth=1.4, label="truth"
            )
        self.ax_.set_yticks(height, [plain(name) for name in self.names])
        self.ax_.set_ylim(-0.6, n - 0.4)
        self.ax_.set_xlabel(self.ratio or "coefficient")
        if ax is None:
            handles = self.ax_.get_legend_handles_labels()
            self.figure_.legend(*handles, loc="outside upper center", ncols=4, frameon=False)
        else:
            self.ax_.legend(frameon=False, fontsize="small")
        tidy_axes(self.ax_, grid="x")
