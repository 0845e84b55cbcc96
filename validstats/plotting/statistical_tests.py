"""Figures of tests: permutations, laws under the null, balance of weights, capital of bets, and false claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from validstats.intake import check_same_length, check_vector
from validstats.plotting._style import COLOURS, Display, figure_and_axes, plain, tidy_axes

__all__ = [
    "BalanceDisplay",
    "CapitalDisplay",
    "DiscoveryCurveDisplay",
    "NullLawDisplay",
    "PermutationDisplay",
]


class PermutationDisplay(Display):
    """Histogram of a statistic under permutations, with the observed value as a line.

    Parameters
    ----------
    null : array-like of shape (B,)
        Statistics under permutation.
    statistic : float
        Observed statistic.
    name : str, default "statistic"
        What it is called.

    Examples
    --------
    >>> PermutationDisplay([0.1, 0.2, 0.15], 0.4).statistic
    0.4
    """

    def __init__(self, null: Any, statistic: float, *, name: str = "statistic") -> None:
        self.null = check_vector(null, "null", allow_infinite=True, allow_empty=True)
        self.statistic = float(statistic)
        self.name = name

    def _draw(self, ax: Any) -> None:
        """Draw the histogram."""
        self.figure_, self.ax_ = figure_and_axes(ax)
        finite = self.null[np.isfinite(self.null)]
        if finite.size:
            self.ax_.hist(finite, bins=min(40, max(5, len(finite) // 10)), color=COLOURS["light"])
        if np.isfinite(self.statistic):
            self.ax_.axvline(self.statistic, color=COLOURS["ours"])
        self.ax_.set_xlabel(self.name)
        self.ax_.set_ylabel("permutations")
        tidy_axes(self.ax_)


class NullLawDisplay(Display):
    """Density of a statistic if the null is true, with the observed value as a line.

    Parameters
    ----------
    grid, density : array-like of shape (k,)
        Values of the statistic, increasing, and their density.
    statistic : float
        Observed statistic.
    name : str, default "statistic"
        What it is called.

    Examples
    --------
    >>> NullLawDisplay([0.0, 1.0, 2.0], [0.5, 0.3, 0.2], 1.5).statistic
    1.5
    """

    def __init__(self, grid: Any, density: Any, statistic: float, *, name: str = "statistic") -> None:
        check_same_length(grid=grid, density=density)
        self.grid = check_vector(grid, "grid")
        self.density = check_vector(density, "density")
        self.statistic = float(statistic)
        self.name = name

    def _draw(self, ax: Any) -> None:
        """Draw the density."""
        self.figure_, self.ax_ = figure_and_axes(ax)
        self.ax_.fill_between(self.grid, self.density, color=COLOURS["light"])
        self.ax_.axvline(self.statistic, color=COLOURS["ours"])
        self.ax_.set(xlabel=plain(self.name), ylabel="density if the null is true", ylim=(0, None))
        tidy_axes(self.ax_)


class BalanceDisplay(Display):
    """Standardised differences between weighted calibration rows and a batch, one row a column.

    Parameters
    ----------
    names : sequence of str
        What is compared.
    balance : array-like of shape (k,)
        Differences over their standard errors; about normal where the weights are right.

    Examples
    --------
    >>> BalanceDisplay(["column 1"], [0.4]).names
    ['column 1']
    """

    def __init__(self, names: Sequence[str], balance: Any) -> None:
        check_same_length(names=names, balance=balance)
        self.names = list(names)
        self.balance = check_vector(balance, "balance", allow_infinite=True)

    def _draw(self, ax: Any) -> None:
        """Draw the differences."""
        rows = np.arange(len(self.names))
        self.figure_, self.ax_ = figure_and_axes(ax, (6.4, 1.2 + 0.3 * len(rows)))
        self.ax_.axvspan(-2, 2, color=COLOURS["light"], linewidth=0)
        self.ax_.plot(self.balance, rows, "o", color=COLOURS["ours"])
        self.ax_.set_yticks(rows, [plain(name) for name in self.names])
        self.ax_.invert_yaxis()
        self.ax_.set_xlabel("weighted calibration minus batch, in standard errors")
        tidy_axes(self.ax_, grid="x")


class CapitalDisplay(Display):
    """Capital of a bet against exchangeability, row by row, with the level of an alarm.

    Parameters
    ----------
    log_capital : array-like of shape (n,)
        Logarithm of the capital after each row.
    level : float
        Probability of a false alarm; the alarm is at a capital of 1 / level.

    Examples
    --------
    >>> CapitalDisplay([0.0, 0.3], 0.01).level
    0.01
    """

    def __init__(self, log_capital: Any, level: float) -> None:
        self.log_capital = check_vector(log_capital, "log_capital")
        self.level = float(level)

    def _draw(self, ax: Any) -> None:
        """Draw the capital on a logarithmic scale."""
        self.figure_, self.ax_ = figure_and_axes(ax)
        self.ax_.plot(self.log_capital / np.log(10.0), color=COLOURS["ours"], linewidth=1.4)
        self.ax_.axhline(-np.log10(self.level), color=COLOURS["naive"], linewidth=1.2, label="alarm")
        self.ax_.set(xlabel="row", ylabel="capital (powers of ten)")
        self.ax_.legend(frameon=False)
        tidy_axes(self.ax_)


class DiscoveryCurveDisplay(Display):
    """Bound on the false claims of every selection, by the number of rows selected.

    Parameters
    ----------
    selected, max_false : array-like of shape (k,)
        Rows selected, and the bound on the false claims among them.
    name : str, default ""
        Name of the batch, for the title.

    Examples
    --------
    >>> DiscoveryCurveDisplay([1, 2], [0, 1]).max_false.tolist()
    [0.0, 1.0]
    """

    def __init__(self, selected: Any, max_false: Any, *, name: str = "") -> None:
        check_same_length(selected=selected, max_false=max_false)
        self.selected = check_vector(selected, "selected")
        self.max_false = check_vector(max_false, "max_false")
        self.name = name

    def _draw(self, ax: Any) -> None:
        """Draw the bound beside the line on which every claim is false."""
        self.figure_, self.ax_ = figure_and_axes(ax)
        self.ax_.plot(
            self.selected, self.selected, color=COLOURS["reference"], linewidth=1.0, label="all false"
        )
        self.ax_.step(
            self.selected, self.max_false, where="post", color=COLOURS["ours"], label="at most so many false"
        )
        self.ax_.set(xlabel="rows selected", ylabel="false claims")
        self.ax_.set_title(plain(self.name), loc="left", fontsize=11)
        self.ax_.legend(frameon=False)
        tidy_axes(self.ax_)
