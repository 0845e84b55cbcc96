"""Results of sequential labelling: whom to label next, and intervals that hold at all looks at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import stats

from validstats._typing import Bool1D, Float1D, Float2D, Int1D
from validstats.dsl.results import level_text, sentence
from validstats.intake import to_frame
from validstats.results import NotApplicable, Report, Result, Table, interval_words

__all__ = ["ConfidenceSequence", "LabelRequest"]


NO_ESTIMATE = NotApplicable("a request asks for labels and estimates nothing")
"""What a request lacks."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LabelRequest(Result):
    """The next units, who of them is to be labelled, and the probabilities that were used.

    Attributes
    ----------
    rows : ndarray of shape (m,)
        Positions of the units in the data given to ``fit``.
    sampling_probability : ndarray of shape (m,)
        Probability with which each was to be labelled, fixed before the draw.
    selected : ndarray of shape (m,)
        Which of them to send to the experts.
    prediction : ndarray of shape (m,)
        Predicted label, from earlier units only.
    """

    rows: Int1D
    sampling_probability: Float1D
    selected: Bool1D
    prediction: Float1D

    estimate: ClassVar[NotApplicable] = NO_ESTIMATE
    conf_low: ClassVar[NotApplicable] = NO_ESTIMATE
    conf_high: ClassVar[NotApplicable] = NO_ESTIMATE
    naive: ClassVar[NotApplicable] = NO_ESTIMATE
    confidence_level: ClassVar[NotApplicable] = NO_ESTIMATE

    @property
    def n_reference(self) -> int:
        """Number of units whose turn it is."""
        return self.guarantee.n_reference

    def _answer(self) -> str:
        return f"Label the {len(self.to_label):,} units of to_label, of {len(self.rows):,} whose turn it is"

    def plot(
        self, ax: Any = None, labels: Mapping[str, str] | None = None, drop: Collection[str] = ()
    ) -> Any:
        """Draw the probabilities of the request.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on.
        labels : mapping of str to str or None, default None
            Words for the legend: "units" and "to be labelled".
        drop : collection of str, default ()
            Entries of the legend to leave out.

        Returns
        -------
        ProbabilityDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        from validstats.plotting.probabilities import ProbabilityDisplay

        p = self.sampling_probability
        curves = {"units": p, "to be labelled": p[self.selected]}
        kept = {(labels or {}).get(k, k): v for k, v in curves.items() if k not in drop and len(v)}
        return ProbabilityDisplay(kept).plot(ax)

    @property
    def to_label(self) -> Int1D:
        """Positions of the units to label, in the order in which ``record`` expects their labels."""
        return self.rows[self.selected]

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "row": self.rows,
            "sampling_probability": self.sampling_probability,
            "selected": self.selected,
            "prediction": self.prediction,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {"n_units": len(self.rows), "n_to_label": int(self.selected.sum())}

    def _report(self) -> Report:
        p = self.sampling_probability
        header = (
            ("Units", len(self.rows)),
            ("To be labelled", int(self.selected.sum())),
            ("Probabilities", f"{p.min():.4f} to {p.max():.4f}"),
        )
        return Report(title="Next labels", header=header, guarantees=(self.guarantee,))


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ConfidenceSequence(Result):
    """Intervals that cover at every look at once, with the path of estimates.

    Attributes
    ----------
    terms : tuple of str
        Names of the coefficients.
    times : ndarray of shape (T,)
        Number of units visited at each look.
    estimates, std_errors, radii : ndarray of shape (T, p)
        Estimate, standard error (for a single look planned beforehand) and half-width at each look.
    n_labelled : int
        Labels spent so far.
    confidence_level : float
        Level that holds at all looks at once, for each coefficient by itself.
    subject : str
        What a model without covariates estimates, in words ("the share of y"); empty where coefficients have names.
    """

    terms: tuple[str, ...]
    times: Int1D
    estimates: Float2D
    std_errors: Float2D
    radii: Float2D
    n_labelled: int
    confidence_level: float
    model: str = "mean"
    subject: str = ""

    @property
    def estimate(self) -> Float1D:
        """Estimates at the last look, shape ``(p,)``."""
        return self.estimates[-1]

    @property
    def conf_low(self) -> Float1D:
        """Lower ends at the last look, shape ``(p,)``."""
        return self.estimates[-1] - self.radii[-1]

    @property
    def conf_high(self) -> Float1D:
        """Upper ends at the last look, shape ``(p,)``."""
        return self.estimates[-1] + self.radii[-1]

    @property
    def lows(self) -> Float2D:
        """Lower ends at every look, shape ``(T, p)``."""
        return self.estimates - self.radii

    @property
    def highs(self) -> Float2D:
        """Upper ends at every look, shape ``(T, p)``."""
        return self.estimates + self.radii

    @property
    def naive(self) -> Float1D:
        """Half-widths of ordinary intervals, which hold for one planned look only, shape ``(p,)``."""
        return float(stats.norm.isf((1.0 - self.confidence_level) / 2.0)) * self.std_errors[-1]

    @property
    def informative(self) -> bool:
        """Whether every interval of the last look is bounded."""
        return bool(np.all(np.isfinite(self.radii[-1])))

    def _answer(self) -> str:
        j = next((k for k, name in enumerate(self.terms) if name != "Intercept"), 0)
        words = interval_words(self.estimate[j], self.conf_low[j], self.conf_high[j])
        plain = "the intercept" if self.terms[j] == "Intercept" else f"the coefficient of {self.terms[j]}"
        subject = sentence(self.subject or plain)
        text = f"{subject} is {words} after {self.times[-1]:,} units and {self.n_labelled:,} labels"
        if not np.isfinite(self.radii[-1, j]):
            return f"{text}; go on labelling, too few units carry it for an interval"
        return f"{text}, and you may stop here"

    def path(self) -> Any:
        """Return the whole sequence, one row a look and coefficient.

        Returns
        -------
        DataFrame
            Columns n_units, term, estimate, std_error, conf_low, conf_high, in the caller's frame library.
        """
        p = len(self.terms)
        columns = {
            "n_units": np.repeat(self.times, p),
            "term": list(self.terms) * len(self.times),
            "estimate": self.estimates.ravel(),
            "std_error": self.std_errors.ravel(),
            "conf_low": self.lows.ravel(),
            "conf_high": self.highs.ravel(),
        }
        return to_frame(columns, self.backend)

    def plot(
        self,
        ax: Any = None,
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        *,
        term: str | None = None,
    ) -> Any:
        """Draw the sequence of one coefficient beside the ordinary intervals.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on.
        labels : mapping of str to str or None, default None
            Words instead of terms.
        drop : collection of str, default ()
            Coefficients not to draw.
        term : str or None, default None
            Coefficient; None takes the last one that is not left out.

        Returns
        -------
        ConfidenceSequenceDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        from validstats.plotting.confidence_sequence import ConfidenceSequenceDisplay

        kept = [name for name in self.terms if name not in drop] or list(self.terms)
        chosen = kept[-1] if term is None else term
        return ConfidenceSequenceDisplay.from_result(self, term=chosen, labels=labels).plot(ax)

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "term": list(self.terms),
            "estimate": self.estimates[-1],
            "std_error": self.std_errors[-1],
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "n_units": int(self.times[-1]),
            "n_labelled": self.n_labelled,
            "n_looks": len(self.times),
            "first_look": int(self.times[0]),
            "confidence_level": self.confidence_level,
        }

    def _report(self) -> Report:
        table = Table(
            {
                "Term": list(self.terms),
                "Estimate": self.estimates[-1].tolist(),
                "Std. Error": self.std_errors[-1].tolist(),
                "Lower": self.conf_low.tolist(),
                "Upper": self.conf_high.tolist(),
            },
            title=f"Anytime-valid intervals at {level_text(self.confidence_level)}",
        )
        header = (
            ("Units visited", int(self.times[-1])),
            ("Expert labels", self.n_labelled),
            ("Looks so far", len(self.times)),
            ("First look at", int(self.times[0])),
        )
        return Report(
            title="Sequential labelling", header=header, tables=(table,), guarantees=(self.guarantee,)
        )
