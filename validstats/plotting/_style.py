"""Colours, axes and the way of drawing that every figure of the package shares."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

__all__ = [
    "COLOURS",
    "Display",
    "NamedDisplay",
    "batch_name",
    "figure_and_axes",
    "kept",
    "plain",
    "tidy_axes",
    "words",
]

COLOURS = {
    "ours": "#1f6f78",
    "naive": "#c8553d",
    "reference": "#7a8791",
    "truth": "#1d2730",
    "accent": "#e0a030",
    "light": "#cfe3e5",
}
"""One meaning a colour, in every figure: ours, the naive method, a reference method, the truth."""


class Display:
    """A figure that computed and stored what it shows, and draws it on demand.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Set by :meth:`plot`.
    """

    ax_: Any
    figure_: Any

    def plot(self, ax: Any = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on; new ones if None.

        Returns
        -------
        Display
            Itself, with ``ax_`` and ``figure_`` set.
        """
        self._draw(ax)
        return self

    def _draw(self, ax: Any) -> None:
        """Draw on axes, or on new ones where None is given, and keep them; every figure implements this."""
        raise NotImplementedError


class NamedDisplay(Display):
    """A figure of the named parts of a result, which takes words for their names and a list of those to leave out."""

    @classmethod
    def from_result(
        cls, result: Any, *, labels: Mapping[str, str] | None = None, drop: Collection[str] = ()
    ) -> Self:
        """Take what a result or a plan shows.

        Parameters
        ----------
        result : Result
            What is to be drawn.
        labels : mapping of str to str or None, default None
            Words instead of the names of terms or batches.
        drop : collection of str, default ()
            Names to leave out.

        Returns
        -------
        Display
            The display, not drawn yet.

        Raises
        ------
        ValueError
            If the result has nothing of the kind, or everything is left out.
        """
        return cls._of(result, labels, drop)

    @classmethod
    def _of(cls, result: Any, labels: Mapping[str, str] | None, drop: Collection[str]) -> Self:
        """What ``from_result`` returns; figures that take no further options implement this."""
        raise NotImplementedError


def figure_and_axes(ax: Any = None, figsize: tuple[float, float] = (7.0, 4.2)) -> tuple[Any, Any]:
    """The figure and axes to draw on, made where none are given."""
    if ax is not None:
        return ax.figure, ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")


def kept(names: Sequence[Any], drop: Collection[str]) -> list[int]:
    """Positions of the names that are not left out; at least one."""
    left_out = {drop} if isinstance(drop, str) else set(drop)
    positions = [i for i, name in enumerate(names) if str(name) not in left_out]
    if names and not positions:
        raise ValueError(f"drop={drop!r} leaves nothing to draw.")
    return positions


def words(names: Sequence[Any], labels: Mapping[str, str] | None) -> list[Any]:
    """Names, with the reader's words in their place where there are some."""
    return [(labels or {}).get(str(name), name) for name in names]


def batch_name(result: Any, batch: int, labels: Mapping[str, str] | None) -> str:
    """Name of one of several batches, for titles; empty where there is only one."""
    if len(result.batches) == 1:
        return ""
    name = str(result.batches[batch])
    return (labels or {}).get(name, name)


def plain(text: Any) -> str:
    """A user's text so that a figure shows it as it is: matplotlib reads dollar signs as formulas."""
    return str(text).replace("$", r"\$")


def tidy_axes(ax: Any, *, grid: str | None = "y") -> None:
    """Remove what carries no information: upper and right spines, ticks, heavy grids."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#b5bec5")
    ax.tick_params(length=0, colors="#3c4852")
    ax.set_axisbelow(True)
    if grid is not None:
        ax.grid(axis=grid, color="#e7ebee", linewidth=0.8)
