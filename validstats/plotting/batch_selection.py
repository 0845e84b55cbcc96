"""Figure of a selection: claimed rows, threshold, and how many of the claims may be false."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from validstats.intake import check_vector
from validstats.plotting._style import COLOURS, Display, batch_name, figure_and_axes, plain, tidy_axes

__all__ = ["SelectionDisplay"]


class SelectionDisplay(Display):
    """Predictions of a batch in decreasing order, the claims among them, and the bound on false ones.

    Parameters
    ----------
    predictions : array-like of shape (m,)
        Predictions.
    selected : array-like of bool, shape (m,)
        The claims.
    threshold : float
        Threshold of the predictions; NaN where there is none.
    bound : str
        The bound in words, for example "at most 3 false".
    above : float
        Limit of the claim.
    y : array-like of shape (m,) or None, default None
        True labels, where the claim is "above the limit".
    false : array-like of bool, shape (m,), or None, default None
        Rows of which any claim would be false, in place of ``y``.
    name : str, default ""
        Name of the batch, for the title.

    Examples
    --------
    >>> display = SelectionDisplay([0.9, 0.2], [True, False], 0.5, "at most 1 false", 0.0, y=[-1.0, 2.0])
    >>> display.n_false
    1
    """

    def __init__(
        self,
        predictions: Any,
        selected: Any,
        threshold: float,
        bound: str,
        above: float,
        *,
        y: Any = None,
        false: Any = None,
        name: str = "",
    ) -> None:
        self.predictions = check_vector(predictions, "predictions")
        self.selected = np.asarray(selected, dtype=bool)
        self.threshold = float(threshold)
        self.bound = bound
        self.above = float(above)
        self.false = None if false is None else np.asarray(false, dtype=bool)
        if y is not None:
            self.false = check_vector(y, "y") <= self.above
        self.name = name

    @classmethod
    def from_result(
        cls, result: Any, *, y: Any = None, batch: int = 0, labels: Mapping[str, str] | None = None
    ) -> Self:
        """Take one batch of a result.

        Parameters
        ----------
        result : BatchSelection
            From ``BatchPredictor.infer``.
        y : array-like of shape (n_rows,) or None, default None
            True labels of all rows.
        batch : int, default 0
            Position of the batch.
        labels : mapping of str to str or None, default None
            Words instead of the names of batches.

        Returns
        -------
        SelectionDisplay
            The display, not drawn yet.
        """
        rows, answer = result.rows[batch], result.answers[batch]
        bound = (
            f"at most {result.bound} false"
            if result.confidence_level
            else f"expected false share at most {result.bound:g}"
        )
        return cls(
            result.predictions[rows],
            answer.selected,
            float(np.max(answer.threshold)),
            bound,
            result.above,
            false=None if y is None else result.false_if_claimed(y)[rows],
            name=batch_name(result, batch, labels),
        )

    @property
    def n_false(self) -> int | None:
        """Number of false claims, or None where no labels are known."""
        return None if self.false is None else int((self.selected & self.false).sum())

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax, (7.0, 3.8))
        order = np.argsort(-self.predictions, kind="stable")
        x, values, chosen = np.arange(1, order.size + 1), self.predictions[order], self.selected[order]
        self.ax_.plot(
            x[~chosen], values[~chosen], "o", color=COLOURS["reference"], markersize=4, label="no claim"
        )
        self.ax_.plot(x[chosen], values[chosen], "o", color=COLOURS["ours"], markersize=6, label="claim")
        if self.false is not None:
            false = chosen & self.false[order]
            self.ax_.plot(
                x[false],
                values[false],
                "x",
                color=COLOURS["naive"],
                markersize=10,
                markeredgewidth=2,
                label="false claim",
            )
        if np.isfinite(self.threshold):
            self.ax_.axhline(
                self.threshold, color=COLOURS["ours"], linewidth=1, linestyle="--", label="threshold"
            )
        self.ax_.axhline(
            self.above, color=COLOURS["reference"], linewidth=1, linestyle=":", label="limit of the claim"
        )
        counted = "" if self.n_false is None else f", {self.n_false} in fact"
        where = f"{plain(self.name)}: " if self.name else ""
        self.ax_.set_title(
            f"{where}{int(chosen.sum())} claims, {self.bound}{counted}", loc="left", fontsize=11
        )
        self.ax_.set(xlabel="rows of the batch, by prediction", ylabel="prediction")
        self.ax_.legend(frameon=False, fontsize=9)
        tidy_axes(self.ax_)
