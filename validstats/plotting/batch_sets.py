"""Figure of the sizes of label sets, beside those of split conformal prediction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Self

import numpy as np

from validstats.intake import check_vector
from validstats.plotting._style import COLOURS, NamedDisplay, figure_and_axes, kept, plain, tidy_axes, words

__all__ = ["LabelSetDisplay"]


class LabelSetDisplay(NamedDisplay):
    """Sizes of label sets of the rows of batches: lengths of intervals, or numbers of classes.

    Parameters
    ----------
    sizes : array-like of shape (n_rows,)
        Sizes of the sets; infinite ones are counted in the legend.
    naive : array-like of shape (n_rows,)
        Sizes of the sets of split conformal prediction.
    unit : str, default "size of a label set"
        What a size is.
    title : str, default ""
        Title of the figure.

    Examples
    --------
    >>> LabelSetDisplay([1.0, 2.0], [1.0, 1.0]).mean_sizes()
    (1.5, 1.0)
    """

    def __init__(self, sizes: Any, naive: Any, *, unit: str = "size of a label set", title: str = "") -> None:
        self.sizes = check_vector(sizes, "sizes", allow_infinite=True, allow_nan=True)
        self.naive = check_vector(naive, "naive", allow_infinite=True, allow_nan=True)
        self.unit = unit
        self.title = title

    @classmethod
    def _of(cls, result: Any, labels: Mapping[str, str] | None, drop: Collection[str]) -> Self:
        """Take the sets of a result."""
        shown = kept(result.batches, drop)
        rows = np.concatenate([result.rows[i] for i in shown])
        names = [str(name) for name in words([result.batches[i] for i in shown], labels)]
        return cls(
            result.sizes_of_sets()[rows],
            result.sizes_of_sets(naive=True)[rows],
            unit="classes in a label set" if result.intervals is None else "length of an interval",
            title=", ".join(names) if len(result.batches) > 1 and len(names) <= 4 else "",
        )

    def mean_sizes(self) -> tuple[float, float]:
        """Return the mean size of our sets and of those of split conformal prediction.

        Returns
        -------
        tuple of float
            The two means; infinite where a set is.
        """
        return float(self.sizes.mean()), float(self.naive.mean())

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax, (6.4, 3.6))
        for values, colour, label in (
            (self.naive, COLOURS["naive"], "split conformal"),
            (self.sizes, COLOURS["ours"], "for the batch"),
        ):
            finite = np.sort(values[np.isfinite(values)])
            endless = values.size - finite.size
            name = label + (f" ({endless} without an end)" if endless else "")
            share = np.arange(1, finite.size + 1) / max(values.size, 1)
            self.ax_.step(finite, share, where="post", color=colour, linewidth=1.8, label=name)
        self.ax_.set(xlabel=self.unit, ylabel="share of rows with at most this size", ylim=(0, 1.02))
        self.ax_.set_title(plain(self.title), loc="left", fontsize=11)
        self.ax_.legend(frameon=False)
        tidy_axes(self.ax_, grid="both")
