"""Figures of evaluations: estimates, differences, ranges of ranks, curves over k, agreement and plans."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

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

__all__ = [
    "AgreementDisplay",
    "ComparisonDisplay",
    "EvaluationDisplay",
    "PassAtKDisplay",
    "PlanDisplay",
    "RankDisplay",
]


def _rows_of(ax: Any, terms: Sequence[str], xlabel: str, legend: bool = True) -> None:
    """Finish axes with one row a term: names, label, legend above, grid."""
    n = len(terms)
    ax.set_yticks(np.arange(n), [plain(term) for term in terms])
    ax.set(xlabel=plain(xlabel), ylim=(n - 0.5, -0.5))
    if legend:
        ax.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=9)
    tidy_axes(ax, grid="x")


_MARKS = "|x+1234"
"""Marks of several judges, which share a colour."""


def _beside(ax: Any, values: Any, colour: str, label: str, mark: str = "|") -> None:
    """Draw what a simpler method says as a bar across each row, or another mark."""
    size = 11 if mark == "|" else 7
    ax.plot(
        values,
        np.arange(len(values)),
        linestyle="",
        marker=mark,
        label=label,
        color=COLOURS[colour],
        markersize=size,
        markeredgewidth=2,
        zorder=3,
    )


class EvaluationDisplay(NamedDisplay):
    """Estimates with intervals, beside what the judge alone and the humans alone say.

    Parameters
    ----------
    terms : sequence of str
        All items, then categories.
    estimate, low, high : array-like of shape (k,)
        Estimates with intervals.
    judge, humans : array-like of shape (k,)
        What the judge alone and the labelled answers alone say; NaN where there is none.
    name : str, default "score"
        What was estimated.
    each_judge : mapping of str to array-like of shape (k,) or None, default None
        What each of several judges alone says, by name.

    Examples
    --------
    >>> EvaluationDisplay(["all"], [0.7], [0.6], [0.8], [0.9], [0.65]).terms
    ['all']
    """

    def __init__(
        self,
        terms: Sequence[str],
        estimate: Any,
        low: Any,
        high: Any,
        judge: Any,
        humans: Any,
        name: str = "score",
        each_judge: Mapping[str, Any] | None = None,
    ) -> None:
        self.terms = list(terms)
        self.estimate, self.low, self.high = (np.asarray(v, dtype=float) for v in (estimate, low, high))
        self.judge, self.humans = np.asarray(judge, dtype=float), np.asarray(humans, dtype=float)
        self.name = name
        self.each_judge = {k: np.asarray(v, dtype=float) for k, v in (each_judge or {}).items()}

    @classmethod
    def _of(cls, result: Any, labels: Mapping[str, str] | None, drop: Collection[str]) -> Self:
        """Take the estimates of a result."""
        shown = kept(result.terms, drop)
        return cls(
            words([result.terms[i] for i in shown], labels),
            result.estimates[shown],
            result.lows[shown],
            result.highs[shown],
            result.judge_estimates[shown],
            result.human_estimates[shown],
            result.measure,
            {name: values[shown] for name, values in result.each_judge.items()},
        )

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        n = len(self.terms)
        self.figure_, self.ax_ = figure_and_axes(ax, (7.0, 1.4 + 0.45 * n))
        rows = np.arange(n)
        self.ax_.hlines(rows, self.low, self.high, color=COLOURS["ours"], linewidth=3.5, label="interval")
        self.ax_.plot(
            self.estimate,
            rows,
            "o",
            color=COLOURS["ours"],
            label="corrected" if np.isfinite(self.judge).any() else "mean",
        )
        judges = {f"judge {plain(name)} alone": values for name, values in self.each_judge.items()}
        for k, (label, values) in enumerate((judges or {"judge alone": self.judge}).items()):
            if np.isfinite(values).any():
                _beside(self.ax_, values, "naive", label, _MARKS[k % len(_MARKS)])
        if np.isfinite(self.humans).any():
            _beside(self.ax_, self.humans, "reference", "labelled answers alone")
        _rows_of(self.ax_, self.terms, self.name)


class ComparisonDisplay(Display):
    """A difference with its interval, zero, and the margin that does not matter.

    Parameters
    ----------
    estimate, low, high, margin : float
        Difference, interval and margin.
    title : str
        What is compared.
    judge : float, default nan
        Difference according to the judge alone; NaN where there is none.

    Examples
    --------
    >>> ComparisonDisplay(0.05, 0.01, 0.09, 0.02, "new - old").title
    'new - old'
    """

    def __init__(
        self, estimate: float, low: float, high: float, margin: float, title: str, judge: float = float("nan")
    ) -> None:
        self.estimate, self.low, self.high, self.margin, self.title = estimate, low, high, margin, title
        self.judge = judge

    @classmethod
    def from_result(cls, result: Any, *, labels: Mapping[str, str] | None = None) -> Self:
        """Take the difference of a result.

        Parameters
        ----------
        result : ComparisonResult
            From :func:`validstats.evals.compare`.
        labels : mapping of str to str or None, default None
            Words instead of the names of systems.

        Returns
        -------
        ComparisonDisplay
            The display, not drawn yet.
        """
        a, b = words([result.a, result.b], labels)
        ends = result.conf_low, result.conf_high
        return cls(result.estimate, *ends, result.margin, f"{a} - {b}", result.naive_difference)

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax, (7.0, 1.8))
        if self.margin > 0:
            self.ax_.axvspan(-self.margin, self.margin, color=COLOURS["light"], label="margin")
        self.ax_.axvline(0.0, color=COLOURS["truth"], linewidth=1.0)
        self.ax_.hlines([0], self.low, self.high, color=COLOURS["ours"], linewidth=4, label="interval")
        self.ax_.plot([self.estimate], [0], "o", color=COLOURS["ours"])
        if np.isfinite(self.judge):
            _beside(self.ax_, [self.judge], "naive", "judge alone")
        self.ax_.set_yticks([0], [plain(self.title)])
        self.ax_.set(xlabel="difference", ylim=(0.6, -0.6))
        self.ax_.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=9)
        tidy_axes(self.ax_, grid="x")


class RankDisplay(NamedDisplay):
    """Range of ranks of each system, with the rank of its estimate and of the judge alone.

    Parameters
    ----------
    systems : sequence of str
        Systems, best estimate first.
    rank, low, high : array-like of shape (k,)
        Rank of the estimate and range.
    judge : array-like of shape (k,)
        Rank according to the judge alone; 0 where there is none.

    Examples
    --------
    >>> RankDisplay(["a", "b"], [1, 2], [1, 1], [2, 2], [0, 0]).systems
    ['a', 'b']
    """

    def __init__(self, systems: Sequence[str], rank: Any, low: Any, high: Any, judge: Any) -> None:
        self.systems = list(systems)
        self.rank, self.low, self.high, self.judge = (np.asarray(v) for v in (rank, low, high, judge))

    @classmethod
    def _of(cls, result: Any, labels: Mapping[str, str] | None, drop: Collection[str]) -> Self:
        """Take the ranks of a result."""
        shown = kept(result.systems, drop)
        return cls(
            words([result.systems[i] for i in shown], labels),
            result.rank[shown],
            result.rank_low[shown],
            result.rank_high[shown],
            result.judge_rank[shown],
        )

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        n = len(self.systems)
        self.figure_, self.ax_ = figure_and_axes(ax, (7.0, max(2.0, min(10.0, 1.2 + 0.28 * n))))
        rows = np.arange(n)
        self.ax_.hlines(rows, self.low, self.high, color=COLOURS["light"], linewidth=9)
        self.ax_.hlines(rows, self.low, self.high, color=COLOURS["ours"], linewidth=2, label="possible ranks")
        self.ax_.plot(self.rank, rows, "o", color=COLOURS["ours"], label="rank of the estimate")
        if np.any(self.judge > 0):
            _beside(self.ax_, self.judge, "naive", "judge alone")
        top = int(max(float(self.high.max()), n))
        self.ax_.set_xticks(np.unique(np.linspace(1, top, min(top, 10)).round()))
        self.ax_.set_xlim(0.5, top + 0.5)
        _rows_of(self.ax_, self.systems, "rank")


class PassAtKDisplay(NamedDisplay):
    """Bands over the number of samples, beside the curve of the tests.

    Parameters
    ----------
    curves : mapping of str to mapping of str to ndarray
        For each quantity ``k``, ``estimate``, ``conf_low`` and ``conf_high``.
    labels : mapping of str to str or None, default None
        Words instead of quantities.

    Examples
    --------
    >>> curve = {"k": [1, 2], "estimate": [0.3, 0.5], "conf_low": [0.2, 0.4], "conf_high": [0.4, 0.6]}
    >>> list(PassAtKDisplay({"pass": curve}).curves)
    ['pass']
    """

    _STYLE: ClassVar = {
        "pass": (COLOURS["ours"], "right (audited)"),
        "best_of_n": (COLOURS["accent"], "delivered and right"),
        "wrong": (COLOURS["reference"], "delivered and wrong"),
        "pass_by_tests": (COLOURS["naive"], "passes the tests"),
    }

    def __init__(
        self, curves: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str] | None = None
    ) -> None:
        self.curves = dict(curves)
        self.labels = dict(labels or {})

    @classmethod
    def _of(cls, result: Any, labels: Mapping[str, str] | None, drop: Collection[str]) -> Self:
        """Take the curves of a result."""
        names = [q for q in dict.fromkeys(result.quantity) if q not in drop and q != "utility"]
        return cls({q: result.of(q) for q in names}, labels)

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax)
        for name, curve in self.curves.items():
            colour, label = self._STYLE.get(name, (COLOURS["truth"], name))
            label = self.labels.get(name, label)
            k = np.asarray(curve["k"], dtype=float)
            self.ax_.fill_between(
                k, curve["conf_low"], curve["conf_high"], color=colour, alpha=0.18, linewidth=0
            )
            self.ax_.plot(k, curve["estimate"], "o-", color=colour, markersize=4, label=plain(label))
        samples = np.unique(np.concatenate([np.asarray(c["k"], dtype=int) for c in self.curves.values()]))
        self.ax_.set(xscale="log", xlabel="samples k", ylabel="share of problems", ylim=(-0.02, 1.02))
        self.ax_.set_xticks(samples, [str(k) for k in samples])
        self.ax_.minorticks_off()
        self.ax_.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=9)
        tidy_axes(self.ax_)


class AgreementDisplay(NamedDisplay):
    """Measures of agreement with their intervals.

    Parameters
    ----------
    terms : sequence of str
        Measures.
    estimate, low, high : array-like of shape (k,)
        Values with intervals.

    Examples
    --------
    >>> AgreementDisplay(["kappa"], [0.6], [0.5], [0.7]).terms
    ['kappa']
    """

    def __init__(self, terms: Sequence[str], estimate: Any, low: Any, high: Any) -> None:
        self.terms = list(terms)
        self.estimate, self.low, self.high = (np.asarray(v, dtype=float) for v in (estimate, low, high))

    @classmethod
    def _of(cls, result: Any, labels: Mapping[str, str] | None, drop: Collection[str]) -> Self:
        """Take the measures of a result."""
        shown = kept(result.terms, drop)
        return cls(
            words([result.terms[i] for i in shown], labels),
            result.estimate[shown],
            result.conf_low[shown],
            result.conf_high[shown],
        )

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        n = len(self.terms)
        self.figure_, self.ax_ = figure_and_axes(ax, (7.0, 1.2 + 0.35 * n))
        rows = np.arange(n)
        self.ax_.hlines(rows, self.low, self.high, color=COLOURS["ours"], linewidth=3.5)
        self.ax_.plot(self.estimate, rows, "o", color=COLOURS["ours"])
        _rows_of(self.ax_, self.terms, "agreement", legend=False)


class PlanDisplay(Display):
    """Forecast width or power over the number of labels or items.

    Parameters
    ----------
    n, values : array-like of shape (k,)
        Numbers, and what is forecast there.
    name : str
        "width" or "power".
    chosen : float or None, default None
        The number that is needed.

    Examples
    --------
    >>> PlanDisplay([10, 20], [0.4, 0.7], "power").name
    'power'
    """

    def __init__(self, n: Any, values: Any, name: str, chosen: float | None = None) -> None:
        self.n, self.values = np.asarray(n, dtype=float), np.asarray(values, dtype=float)
        self.name, self.chosen = name, chosen

    @classmethod
    def from_result(cls, result: Any) -> Self:
        """Take the curve of a plan.

        Parameters
        ----------
        result : EvalPlan
            From :func:`validstats.evals.plan`.

        Returns
        -------
        PlanDisplay
            The display, not drawn yet.
        """
        name = "width" if "width" in result.curve else "power"
        chosen = float(result.estimate) if np.isfinite(result.estimate) else None
        return cls(result.curve["n"], result.curve[name], name, chosen)

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax)
        self.ax_.plot(self.n, self.values, "o-", color=COLOURS["ours"])
        if self.chosen is not None:
            self.ax_.axvline(self.chosen, color=COLOURS["accent"], label="needed")
            self.ax_.legend(frameon=False)
        self.ax_.set(xlabel="labels" if self.name == "width" else "items", ylabel=self.name)
        tidy_axes(self.ax_)
