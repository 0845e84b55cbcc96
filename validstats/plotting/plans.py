"""Figures of plans: the threshold of a batch, and the half-widths of a holdout's mechanisms."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from validstats.intake import check_same_length, check_vector
from validstats.plotting._style import (
    COLOURS,
    Display,
    NamedDisplay,
    figure_and_axes,
    kept,
    plain,
    tidy_axes,
    words,
)

if TYPE_CHECKING:
    from validstats.holdout.planner import Plan

__all__ = ["BatchPlanDisplay", "HoldoutPlanDisplay"]


class BatchPlanDisplay(NamedDisplay):
    """Share of the calibration scores below the threshold, at several calibration sizes.

    Parameters
    ----------
    terms : sequence of str
        What each calibration size is called.
    sizes : array-like of shape (k,)
        Calibration sizes.
    shares : array-like of shape (k,)
        Share of the calibration scores that the threshold is not below.
    title : str, default ""
        The question.

    Examples
    --------
    >>> BatchPlanDisplay(["n = 23", "n = 46"], [23, 46], [1.0, 0.98]).shares.tolist()
    [1.0, 0.98]
    """

    def __init__(self, terms: Any, sizes: Any, shares: Any, *, title: str = "") -> None:
        check_same_length(terms=terms, sizes=sizes, shares=shares)
        self.terms = list(terms)
        self.sizes = check_vector(sizes, "sizes")
        self.shares = check_vector(shares, "shares")
        self.title = title

    @classmethod
    def _of(cls, result: Any, labels: Mapping[str, str] | None, drop: Collection[str]) -> Self:
        """Take the sizes of a plan."""
        if not result.ranks:
            raise ValueError(f"{result.target} has no single threshold to draw; print summary() instead.")
        terms = [f"n = {n}" for n in result.sizes]
        shown = kept(terms, drop)
        return cls(
            words([terms[i] for i in shown], labels),
            [result.sizes[i] for i in shown],
            [result.shares[i] for i in shown],
            title=result.target,
        )

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax, (6.4, 3.6))
        self.ax_.plot(self.sizes, self.shares, "o-", color=COLOURS["ours"], linewidth=1.6)
        self.ax_.set_xscale("log")
        self.ax_.set_xticks(self.sizes, [plain(t) for t in self.terms])
        self.ax_.minorticks_off()
        self.ax_.set(xlabel="calibration rows", ylabel="quantile that becomes the threshold")
        self.ax_.set_title(plain(self.title), loc="left", fontsize=11)
        tidy_axes(self.ax_)


class HoldoutPlanDisplay(Display):
    """Half-width by mechanism.

    Parameters
    ----------
    names : sequence of str
        Mechanisms, the chosen one first.
    half_widths : array-like of shape (k,)
        Their half-widths; cut at 1 in the figure.
    nonadaptive : float
        The half-width for queries fixed beforehand.
    title : str, default ""
        Title.

    Examples
    --------
    >>> HoldoutPlanDisplay(["ladder"], [0.1], nonadaptive=0.02).names
    ['ladder']
    """

    def __init__(
        self, names: Sequence[str], half_widths: Sequence[float], *, nonadaptive: float, title: str = ""
    ) -> None:
        check_same_length(names=names, half_widths=half_widths)
        self.names = list(names)
        self.half_widths = check_vector(np.minimum(half_widths, 1.0), "half_widths")
        self.nonadaptive = nonadaptive
        self.title = title

    @classmethod
    def from_plan(
        cls, plan: Plan, labels: Mapping[str, str] | None = None, drop: Collection[str] = ()
    ) -> Self:
        """Make the display of a plan.

        Parameters
        ----------
        plan : Plan
            Result of :func:`validstats.holdout.plan`.
        labels : mapping of str to str or None, default None
            Words instead of the mechanisms' names.
        drop : collection of str, default ()
            Mechanisms to leave out, by name or by name and analysis.

        Returns
        -------
        HoldoutPlanDisplay
            Its display.
        """
        title = f"{plan.release}: n = {plan.n:,}, {plan.queries:,} queries"
        kept = [c for c in plan.candidates if c.name not in drop and c.label not in drop]
        return cls(
            [(labels or {}).get(candidate.label, candidate.label) for candidate in kept],
            [candidate.half_width for candidate in kept],
            nonadaptive=plan.nonadaptive,
            title=title,
        )

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax, (7.0, 0.9 + 0.36 * len(self.names)))
        places = np.arange(len(self.names))
        colours = [COLOURS["ours"] if i == 0 else COLOURS["light"] for i in places]
        self.ax_.barh(places, self.half_widths, color=colours, height=0.64)
        for place, width in zip(places, self.half_widths, strict=True):
            text = f"{width:.3f}" if width < 0.5 else "says nothing"
            self.ax_.text(
                min(width, 0.5) + 0.006, place, text, va="center", fontsize=9, color=COLOURS["truth"]
            )
        self.ax_.axvline(self.nonadaptive, color=COLOURS["naive"], linewidth=1.2, linestyle="--")
        self.ax_.text(
            self.nonadaptive,
            -0.62,
            " if nothing were adaptive",
            color=COLOURS["naive"],
            fontsize=8,
            va="bottom",
        )
        self.ax_.set_yticks(places, self.names)
        self.ax_.invert_yaxis()
        self.ax_.set(xlim=(0, 0.58), xlabel="certified half-width of every answer", title=self.title)
        tidy_axes(self.ax_, grid="x")
