"""The envelope of a batch: every monotone question, answered after looking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Float1D
from validstats.batch.laws import false_claim_curve, quantile_index, rounding_of_means
from validstats.batch.results import BatchResult
from validstats.batch.targets import EnvelopeAnswer
from validstats.intake import check_in_range, check_positive_int, check_vector
from validstats.results import Report, Table

__all__ = ["BatchEnvelopes", "DiscoveryCurve"]


@dataclass(frozen=True, eq=False)
class DiscoveryCurve:
    """Bounds on false claims of every selection "prediction above t".

    Attributes
    ----------
    threshold : ndarray of shape (k,)
        Thresholds t, decreasing.
    selected : ndarray of int64, shape (k,)
        Number of rows selected.
    max_false : ndarray of int64, shape (k,)
        Bound of the number of false claims.
    max_proportion : ndarray of shape (k,)
        Bound of the false discovery proportion.
    """

    threshold: Float1D
    selected: AnyArray
    max_false: AnyArray
    max_proportion: Float1D


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class BatchEnvelopes(BatchResult):
    """Bounds of all sorted scores of each batch at once.

    All methods may be called in any order and number, also after looking at their answers.

    Attributes
    ----------
    predictions : ndarray of shape (n_rows,)
        Model outputs, in the order of the rows passed to ``infer``.
    above : float or None
        Limit of the claims whose scores these are; None where they are no claims.
    label_bounds : tuple of float
        Known bounds of the labels.
    """

    answers: tuple[EnvelopeAnswer, ...]
    predictions: AnyArray
    above: float | None = None
    label_bounds: tuple[float, float] = (-np.inf, np.inf)

    def bounds(self, function: Callable[[Float1D], float]) -> AnyArray:
        """Bound a function of the sorted scores that is non-decreasing in each of them.

        Parameters
        ----------
        function : callable
            Takes an array of m increasing scores and returns a number.

        Returns
        -------
        ndarray of shape (n_batches, 2)
            Lower and upper bounds; infinite where the function has no value because a limit is infinite.

        Raises
        ------
        ValueError
            If the function is NaN at finite scores, or larger at the lower limits than at the upper ones.
        """
        return np.array([self._ends(function, a) for a in self.answers])

    def mean(self) -> AnyArray:
        """Bound the mean: of the labels where scores are labels or residuals, else of the scores.

        Returns
        -------
        ndarray of shape (n_batches, 2)
            Lower and upper bounds, within the known bounds of the labels.
        """
        if self.above is not None:
            raise ValueError(
                "The scores of Envelope(above=...) are those of claims, whose mean says nothing; use discoveries()."
            )
        return np.array([self._mean_of(a) for a in self.answers])

    def quantile(self, q: float) -> AnyArray:
        """Bound a quantile of the scores.

        Parameters
        ----------
        q : float
            Probability in (0, 1]; the ceil(q m)-th smallest score.

        Returns
        -------
        ndarray of shape (n_batches, 2)
            Lower and upper bounds.
        """
        share = check_in_range(q, "q", 0, 1, low_open=True)
        return self.bounds(lambda scores: float(scores[quantile_index(scores.size, share) - 1]))

    def count_above(self, threshold: float) -> AnyArray:
        """Bound the number of scores above a threshold.

        Parameters
        ----------
        threshold : float
            Any number, chosen in any way.

        Returns
        -------
        ndarray of int64, shape (n_batches, 2)
            Lower and upper bounds.
        """
        threshold = float(check_vector([threshold], "threshold", allow_infinite=True)[0])
        counts = [[int((a.low > threshold).sum()), int((a.high > threshold).sum())] for a in self.answers]
        return np.array(counts, dtype=np.int64)

    def discoveries(self, batch: int = 0) -> DiscoveryCurve:
        """Bound the false claims of every selection "prediction above t" of one batch.

        Parameters
        ----------
        batch : int, default 0
            Position of the batch.

        Returns
        -------
        DiscoveryCurve
            One entry for each distinct prediction; all hold at once. It needs ``Envelope(above=...)``.

        Raises
        ------
        TypeError, ValueError
            If the scores are not those of claims, or there is no batch at that position.
        """
        if self.above is None:
            raise ValueError("discoveries() needs the scores of claims: calibrate Envelope(above=...).")
        answer, rows = self.answers[self._position(batch)], self.rows[batch]
        predictions = np.sort(self.predictions[rows])
        thresholds = np.nextafter(np.unique(predictions)[::-1], -np.inf)
        selected = predictions.size - np.searchsorted(predictions, thresholds, side="right")
        most = np.minimum(false_claim_curve(answer.high, thresholds), selected)
        return DiscoveryCurve(thresholds, selected, most, most / np.maximum(selected, 1))

    def _mean_of(self, answer: EnvelopeAnswer) -> Float1D:
        offset = np.zeros(0) if answer.offset is None else answer.offset
        known = (-np.inf, np.inf) if answer.offset is None else self.label_bounds
        shift = float(offset.mean()) if offset.size else 0.0
        slack = rounding_of_means(answer.low.size, answer.low, answer.high, offset)
        ends = np.array(self._ends(lambda scores: float(scores.mean()), answer)) + shift
        return np.asarray(np.clip(ends + [-slack, slack], *known))

    def _position(self, batch: int) -> int:
        return check_positive_int(batch, "batch", minimum=0, maximum=len(self.batches) - 1)

    @staticmethod
    def _ends(function: Callable[[Float1D], float], answer: EnvelopeAnswer) -> list[float]:
        ends = []
        for limits, open_end in ((answer.low, -np.inf), (answer.high, np.inf)):
            value = float(function(limits.copy()))
            if np.isnan(value) and np.isfinite(limits).all():
                raise ValueError("function is NaN at the limits of the scores; it must be a number there.")
            ends.append(open_end if np.isnan(value) else value)
        if ends[0] > ends[1]:
            raise ValueError(
                f"function must be non-decreasing in each score, and it is {ends[0]:g} at the lower and {ends[1]:g} at the upper "
                "limits."
            )
        return ends

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "batch": [b for b, m in zip(self.batches, self.sizes) for _ in range(m)],
            "term": [j for m in self.sizes for j in range(1, m + 1)],
            "conf_low": np.concatenate([a.low for a in self.answers]),
            "conf_high": np.concatenate([a.high for a in self.answers]),
            "exact_probability": [a.probability for a, m in zip(self.answers, self.sizes) for _ in range(m)],
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {**self._common_glance(), "local_level": self.answers[0].local_level}

    def _report(self) -> Report:
        columns: dict[str, Any] = {
            "Batch": [str(b) for b in self.batches],
            "m": self.sizes,
            "Probability": [a.probability for a in self.answers],
        }
        if self.above is not None:
            curves = [self.discoveries(i) for i in range(len(self.batches))]
            for share in (0.1, 0.25, 0.5):
                columns[f"Claims with FDP <= {share:g}"] = [
                    int(c.selected[c.max_proportion <= share].max(initial=0)) for c in curves
                ]
        else:
            for name, ends in (("Mean", self.mean()), ("Median", self.quantile(0.5))):
                columns[f"{name}, lower"], columns[f"{name}, upper"] = ends[:, 0], ends[:, 1]
        return Report(
            title="Envelopes of batches",
            header=[*self._header(), ("Local level", self.answers[0].local_level)],
            tables=[Table(columns)],
            guarantees=[self.guarantee],
            notes=[
                *self._notes(),
                "Ask more with bounds(), quantile(), count_above()"
                + (": it costs nothing." if self.above is None else ", discoveries(): it costs nothing."),
            ],
        )

    def plot(self, batch: int = 0, truth: Any = None, ax: Any = None) -> Any:
        """Draw the envelope of one batch.

        Parameters
        ----------
        batch : int, default 0
            Position of the batch.
        truth : array-like of shape (m,) or None, default None
            True scores of the batch, where they are known.
        ax : matplotlib Axes or None, default None
            Axes to draw on.

        Returns
        -------
        EnvelopeDisplay
            The display, with ``ax_`` and ``figure_``.

        Raises
        ------
        TypeError, ValueError
            If there is no batch at that position.
        """
        from validstats.plotting.batch_envelope import EnvelopeDisplay

        return EnvelopeDisplay.from_result(self, batch=self._position(batch), truth=truth).plot(ax)
