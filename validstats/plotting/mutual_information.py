"""Mutual information of all pairs as a heat map, and of several pairs as intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np

from validstats.intake import check_matrix, check_same_length, check_vector
from validstats.plotting._style import COLOURS, Display, figure_and_axes, plain, tidy_axes

__all__ = ["MutualInformationDisplay", "MutualInformationMatrixDisplay"]

MAX_WRITTEN = 12
"""Up to so many columns the values are written into the cells."""


class MutualInformationMatrixDisplay(Display):
    """Heat map of a matrix of mutual information.

    The colour follows ``sqrt(1 - exp(-2 I))``, the correlation of a Gaussian pair with the same information,
    so that it runs from 0 (independent) to 1; the numbers are the mutual information itself.

    Parameters
    ----------
    values : array-like of shape (p, p)
        Mutual information, at least 0; the diagonal is not drawn.
    correlation_scale : array-like of shape (p, p)
        The same on the scale of a correlation.
    names : sequence of str
        Columns.
    unit : str, default "nats"
        Unit of the numbers.

    Examples
    --------
    >>> display = MutualInformationMatrixDisplay([[1, 0.3], [0.3, 1]], [[1, 0.7], [0.7, 1]], ["a", "b"])
    >>> display.values.shape
    (2, 2)
    """

    def __init__(
        self, values: Any, correlation_scale: Any, names: Sequence[str], *, unit: str = "nats"
    ) -> None:
        self.values = check_matrix(values, "values", allow_nan=True, allow_infinite=True)
        self.correlation_scale = check_matrix(correlation_scale, "correlation_scale", allow_nan=True)
        check_same_length(values=self.values, correlation_scale=self.correlation_scale, names=names)
        self.names = list(names)
        self.unit = unit

    @classmethod
    def from_matrix(
        cls, matrix: Any, labels: Mapping[str, str] | None = None, drop: Collection[str] = ()
    ) -> Self:
        """Take a result of :func:`validstats.mi.mutual_info_matrix`.

        Parameters
        ----------
        matrix : MutualInformationMatrix
            The result.
        labels : mapping of str to str or None, default None
            Words instead of the names of columns.
        drop : collection of str, default ()
            Columns to leave out.

        Returns
        -------
        MutualInformationMatrixDisplay
            The display, not yet drawn.

        Examples
        --------
        >>> import numpy as np
        >>> from validstats import mutual_info_matrix
        >>> rows = np.random.default_rng(0).normal(size=(50, 3))
        >>> matrix = mutual_info_matrix(rows, method="gaussian")
        >>> MutualInformationMatrixDisplay.from_matrix(matrix, drop=[matrix.names[0]]).values.shape
        (2, 2)
        """
        kept = [i for i, name in enumerate(matrix.names) if name not in drop]
        return cls(
            matrix.values[np.ix_(kept, kept)],
            matrix.correlation_scale()[np.ix_(kept, kept)],
            [(labels or {}).get(matrix.names[i], matrix.names[i]) for i in kept],
            unit=matrix.unit,
        )

    def _draw(self, ax: Any) -> None:
        """Draw the heat map."""
        from matplotlib.colors import LinearSegmentedColormap

        p = len(self.names)
        side = min(12.0, 2.4 + 0.62 * p)
        self.figure_, self.ax_ = figure_and_axes(ax, (side + 0.9, side))
        steps = ["#ffffff", COLOURS["light"], COLOURS["ours"]]
        colours = LinearSegmentedColormap.from_list("house", steps).with_extremes(bad="#eef0f2")
        shown = np.where(np.eye(p, dtype=bool), np.nan, self.correlation_scale)
        image = self.ax_.imshow(np.ma.masked_invalid(shown), cmap=colours, vmin=0.0, vmax=1.0)
        self.ax_.set_xticks(
            range(p), [plain(name) for name in self.names], rotation=40, ha="right", rotation_mode="anchor"
        )
        self.ax_.set_yticks(range(p), [plain(name) for name in self.names])
        if p <= MAX_WRITTEN:
            self._write_values()
        bar = self.figure_.colorbar(image, ax=self.ax_, shrink=0.75, pad=0.02)
        bar.set_label("correlation of a Gaussian pair with this information")
        bar.outline.set_visible(False)
        tidy_axes(self.ax_, grid=None)
        for spine in self.ax_.spines.values():
            spine.set_visible(False)
        self.ax_.set_title(f"Mutual information ({self.unit})", loc="left", fontsize=11)

    def _write_values(self) -> None:
        for (i, j), value in np.ndenumerate(self.values):
            if i != j:
                text = "unb." if np.isinf(value) else f"{value:z.2f}"
                colour = "white" if self.correlation_scale[i, j] > 0.72 else COLOURS["truth"]
                self.ax_.text(j, i, text, ha="center", va="center", fontsize=8.5, color=colour)


class MutualInformationDisplay(Display):
    """Estimates of mutual information with intervals, one row for each pair, the largest on top.

    Parameters
    ----------
    names : sequence of str
        What each row is.
    estimates : array-like of shape (k,)
        Estimates; infinite ones are marked at the right edge.
    conf_low, conf_high : array-like of shape (k,)
        Ends of the intervals; NaN where there is none, infinite where the interval is unbounded.
    unit : str, default "nats"
        Unit.
    highlighted : array-like of shape (k,) of bool or None, default None
        Rows drawn in colour, for example selected features; all if None.
    sort : bool, default True
        Whether to order the rows by estimate.

    Examples
    --------
    >>> display = MutualInformationDisplay(["a", "b"], [0.1, 0.4], [0.0, 0.3], [0.2, 0.5])
    >>> display.names
    ['b', 'a']
    """

    def __init__(
        self,
        names: Sequence[str],
        estimates: Any,
        conf_low: Any,
        conf_high: Any,
        *,
        unit: str = "nats",
        highlighted: Any = None,
        sort: bool = True,
    ) -> None:
        check_same_length(
            names=names, estimates=estimates, conf_low=conf_low, conf_high=conf_high, highlighted=highlighted
        )
        values = check_vector(estimates, "estimates", allow_infinite=True)
        order = np.argsort(-values, kind="stable") if sort else np.arange(len(values))
        self.names = [str(names[i]) for i in order]
        self.estimates = values[order]
        self.conf_low = check_vector(conf_low, "conf_low", allow_nan=True, allow_infinite=True)[order]
        self.conf_high = check_vector(conf_high, "conf_high", allow_nan=True, allow_infinite=True)[order]
        chosen = (
            np.ones(len(order), dtype=bool) if highlighted is None else np.asarray(highlighted, dtype=bool)
        )
        self.highlighted = chosen[order]
        self.unit = unit

    @classmethod
    def from_results(cls, results: dict[str, Any]) -> Self:
        """Take results of :func:`validstats.mi.mutual_info` by name.

        Parameters
        ----------
        results : dict of str to MutualInformationResult
            Results in one unit.

        Returns
        -------
        MutualInformationDisplay
            The display, not yet drawn.

        Raises
        ------
        ValueError
            If the units differ.
        """
        units = {result.unit for result in results.values()}
        if len(units) != 1:
            raise ValueError(f"All results must have one unit, got {sorted(units)}.")
        parts = [(r.estimate, r.conf_low, r.conf_high) for r in results.values()]
        estimates, low, high = (list(part) for part in zip(*parts))
        return cls(list(results), estimates, low, high, unit=units.pop())

    def _draw(self, ax: Any) -> None:
        """Draw the intervals."""
        k = len(self.names)
        self.figure_, self.ax_ = figure_and_axes(ax, (6.6, 1.3 + 0.34 * k))
        height = np.arange(k)[::-1]
        edge = self._right_edge()
        low, high = (np.minimum(end, edge) for end in (self.conf_low, self.conf_high))
        bounded = np.isfinite(self.estimates)
        for chosen, colour in ((True, COLOURS["ours"]), (False, COLOURS["reference"])):
            rows = self.highlighted == chosen
            self.ax_.hlines(height[rows], low[rows], high[rows], color=colour, linewidth=2)
            dots = rows & bounded
            self.ax_.plot(self.estimates[dots], height[dots], "o", color=colour, markersize=6)
            open_ended = rows & np.isinf(self.conf_high)
            self.ax_.plot(
                np.full(open_ended.sum(), edge), height[open_ended], ">", color=colour, markersize=6
            )
        for y in height[~bounded]:
            self.ax_.annotate(
                "unbounded",
                (edge, y),
                (-8, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=9,
            )
        self.ax_.set_yticks(height, [plain(name) for name in self.names])
        self.ax_.set_ylim(-0.6, k - 0.4)
        self.ax_.set_xlim(left=0.0)
        self.ax_.set_xlabel(f"mutual information ({self.unit})")
        tidy_axes(self.ax_, grid="x")
        self.ax_.spines["left"].set_visible(False)

    def _right_edge(self) -> float:
        values = np.concatenate([self.estimates, self.conf_low, self.conf_high])
        finite = values[np.isfinite(values)]
        return 1.1 * float(finite.max()) if finite.size and finite.max() > 0 else 1.0
