"""Figure of a plan for a batch: which calibration score becomes the threshold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Self

from validstats.intake import check_same_length, check_vector
from validstats.plotting._style import COLOURS, figure_and_axes, kept, plain, tidy_axes, words

__all__ = ["BatchPlanDisplay"]


class BatchPlanDisplay:
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

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Set by :meth:`plot`.

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
    def from_result(
        cls, result: Any, *, labels: Mapping[str, str] | None = None, drop: Collection[str] = ()
    ) -> Self:
        """Take the sizes of a plan.

        Parameters
        ----------
        result : BatchPlan
            From ``plan_batch``.
        labels : mapping of str to str or None, default None
            Words instead of the terms.
        drop : collection of str, default ()
            Terms to leave out.

        Returns
        -------
        BatchPlanDisplay
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If the target has no single threshold, or every term is left out.
        """
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

    def plot(self, ax: Any = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on; new ones if None.

        Returns
        -------
        BatchPlanDisplay
            Itself, with ``ax_`` and ``figure_`` set.
        """
        self.figure_, self.ax_ = figure_and_axes(ax, (6.4, 3.6))
        self.ax_.plot(self.sizes, self.shares, "o-", color=COLOURS["ours"], linewidth=1.6)
        self.ax_.set_xscale("log")
        self.ax_.set_xticks(self.sizes, [plain(t) for t in self.terms])
        self.ax_.minorticks_off()
        self.ax_.set(xlabel="calibration rows", ylabel="quantile that becomes the threshold")
        self.ax_.set_title(plain(self.title), loc="left", fontsize=11)
        tidy_axes(self.ax_)
        return self
