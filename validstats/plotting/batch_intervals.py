"""Figure of the interval of every batch, with the truth where it is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np

from validstats._typing import Float2D
from validstats.intake import check_same_length, check_vector
from validstats.plotting._style import COLOURS, Display, figure_and_axes, kept, plain, tidy_axes, words

__all__ = ["BatchIntervalDisplay"]


class BatchIntervalDisplay(Display):
    """Intervals for a number about each of several batches, ordered as they come.

    Parameters
    ----------
    batches : sequence
        Labels of the batches.
    estimate, low, high : array-like of shape (k,)
        Point values and bounds; infinite bounds are drawn to the edge.
    truth : array-like of shape (k,) or None, default None
        True values.
    naive : array-like of shape (k,) or None, default None
        What the model alone says.
    textbook : array-like of shape (k, 2) or None, default None
        Intervals of normal theory, drawn as thin lines below ours.
    name : str, default "value"
        What the number is.

    Examples
    --------
    >>> display = BatchIntervalDisplay(["a", "b"], [0.0, 1.0], [-1.0, 0.5], [1.0, 2.0], truth=[0.2, 2.5])
    >>> display.covered().tolist()
    [True, False]
    """

    def __init__(
        self,
        batches: Sequence[Any],
        estimate: Any,
        low: Any,
        high: Any,
        *,
        truth: Any = None,
        naive: Any = None,
        textbook: Any = None,
        name: str = "value",
    ) -> None:
        check_same_length(batches=batches, estimate=estimate, low=low, high=high, truth=truth, naive=naive)
        self.batches = list(batches)
        self.estimate = check_vector(estimate, "estimate")
        self.low = check_vector(low, "low", allow_infinite=True)
        self.high = check_vector(high, "high", allow_infinite=True)
        self.truth = None if truth is None else check_vector(truth, "truth")
        self.naive = None if naive is None else check_vector(naive, "naive", allow_nan=True)
        self.textbook = None if textbook is None else np.asarray(textbook, dtype=np.float64)
        self.name = name

    @classmethod
    def from_result(
        cls,
        result: Any,
        *,
        truth: Any = None,
        term: int | None = None,
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
    ) -> Self:
        """Take the intervals of a result.

        Parameters
        ----------
        result : BatchIntervals
            From ``BatchPredictor.infer``.
        truth : array-like of shape (n_batches,) or (n_batches, n_terms), or None, default None
            True values.
        term : int or None, default None
            Which number, where there are several; None draws all of them.
        labels : mapping of str to str or None, default None
            Words instead of the names of batches and of the numbers.
        drop : collection of str, default ()
            Batches and numbers to leave out.

        Returns
        -------
        BatchIntervalDisplay
            The display, not drawn yet.
        """
        asked = list(range(len(result.terms))) if term is None else [term]
        terms = [asked[i] for i in kept([result.terms[t] for t in asked], drop)]
        shown = kept(result.batches, drop)
        values = (
            None if truth is None else _by_term(result, truth, len(asked))[:, [asked.index(t) for t in terms]]
        )
        names = words([result.batches[i] for i in shown], labels)
        called = words([result.terms[t] for t in terms], labels)
        several = len(terms) > 1
        cells = np.ix_(shown, terms)
        naive, textbook = result.naive[cells], result.textbook[cells]
        if several:
            names = [t if len(result.batches) == 1 else f"{b}: {t}" for b in names for t in called]
        return cls(
            names,
            result.estimate[cells].ravel(),
            result.conf_low[cells].ravel(),
            result.conf_high[cells].ravel(),
            truth=None if values is None else values[shown].ravel(),
            naive=None if np.isnan(naive).all() else naive.ravel(),
            textbook=None if np.isnan(textbook).any() else textbook.reshape(-1, 2),
            name="value"
            if several
            else (labels or {}).get(result.terms[terms[0]], f"{called[0]} of the batch"),
        )

    def covered(self) -> np.ndarray:
        """Tell which intervals hold the truth.

        Returns
        -------
        ndarray of bool, shape (k,)
            All True where no truth is known.
        """
        if self.truth is None:
            return np.ones(len(self.batches), dtype=bool)
        return np.asarray((self.low <= self.truth) & (self.truth <= self.high))

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        k = len(self.batches)
        self.figure_, self.ax_ = figure_and_axes(ax, (7.0, max(2.2, min(9.0, 0.9 + 0.26 * k))))
        positions, inside = np.arange(k), self.covered()
        low, high = self._visible_ends()
        for hit, colour, label in (
            (True, COLOURS["ours"], "interval" if self.truth is None else "interval, holds the truth"),
            (False, COLOURS["accent"], "interval, misses the truth"),
        ):
            if (inside == hit).any():
                chosen = inside == hit
                self.ax_.hlines(
                    positions[chosen], low[chosen], high[chosen], color=colour, linewidth=3.5, label=label
                )
        if self.textbook is not None:
            self.ax_.hlines(
                positions + 0.22,
                *self.textbook.T,
                color=COLOURS["reference"],
                linewidth=1.5,
                label="textbook",
            )
        if self.naive is not None:
            self.ax_.plot(
                self.naive,
                positions,
                "|",
                color=COLOURS["naive"],
                markersize=9,
                markeredgewidth=2,
                label="model alone",
            )
        if self.truth is not None:
            self.ax_.plot(self.truth, positions, "D", color=COLOURS["truth"], markersize=4.5, label="truth")
        self.ax_.set_yticks(positions, [plain(b) for b in self.batches] if k <= 40 else [""] * k)
        self.ax_.set(xlabel=plain(self.name), ylabel="batch", ylim=(k - 0.4, -0.6))
        self.ax_.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=9)
        tidy_axes(self.ax_, grid="x")

    def _visible_ends(self) -> tuple[np.ndarray, np.ndarray]:
        values = [self.estimate, self.low, self.high, *(v for v in (self.truth, self.naive) if v is not None)]
        finite = np.concatenate([v[np.isfinite(v)] for v in values])
        pad = 0.1 * (float(np.ptp(finite)) or 1.0)
        return (
            np.where(np.isfinite(self.low), self.low, finite.min() - pad),
            np.where(np.isfinite(self.high), self.high, finite.max() + pad),
        )


def _by_term(result: Any, truth: Any, n_terms: int) -> Float2D:
    """True values with a row for each batch and a column for each number that is drawn."""
    if n_terms == 1:
        return np.asarray(result.by_batch(truth, "truth"))[:, None]
    values = np.asarray(truth, dtype=np.float64)
    if values.shape != (len(result.batches), n_terms):
        raise ValueError(
            f"truth must have a row for each of {len(result.batches)} batches and a column for each of {n_terms} numbers, got "
            f"shape {values.shape}."
        )
    return values
