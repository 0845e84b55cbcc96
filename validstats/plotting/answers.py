"""Answers of a holdout: every interval, beside the one that a single look would have; and confirmed claims."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from validstats.intake import check_same_length
from validstats.plotting._style import COLOURS, Display, figure_and_axes, plain, tidy_axes

if TYPE_CHECKING:
    from validstats.holdout.results import Answer

__all__ = ["AnswersDisplay", "DiscoveriesDisplay"]


class AnswersDisplay(Display):
    """Intervals of answers, the first one on top.

    Parameters
    ----------
    questions : sequence of str
        What was asked.
    estimate, low, high : array-like of shape (k,)
        Values and intervals; NaN where only a bit was released.
    naive : array-like of shape (k, 2)
        Intervals of single looks; NaN where there is none.

    Examples
    --------
    >>> AnswersDisplay(["accuracy"], [0.8], [0.7], [0.9], [[0.78, 0.82]]).questions
    ['accuracy']
    """

    def __init__(self, questions: Sequence[str], estimate: Any, low: Any, high: Any, naive: Any) -> None:
        check_same_length(questions=questions, estimate=estimate, low=low, high=high, naive=naive)
        self.questions = list(questions)
        self.estimate = np.asarray(estimate, dtype=np.float64)
        self.low = np.asarray(low, dtype=np.float64)
        self.high = np.asarray(high, dtype=np.float64)
        self.naive = np.asarray(naive, dtype=np.float64).reshape(-1, 2)

    @classmethod
    def from_answers(
        cls,
        answers: Sequence[Answer],
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
    ) -> Self:
        """Make the display of answers.

        Parameters
        ----------
        answers : sequence of Answer
            At least one.
        labels : mapping of str to str or None, default None
            Words instead of questions.
        drop : collection of str, default ()
            Questions to leave out.

        Returns
        -------
        AnswersDisplay
            Their display.
        """
        kept = [answer for answer in answers if answer.question not in drop]
        return cls(
            [(labels or {}).get(answer.question, answer.question) for answer in kept],
            [float(answer.estimate) for answer in kept],
            [float(answer.conf_low) for answer in kept],
            [float(answer.conf_high) for answer in kept],
            [answer.naive if isinstance(answer.naive, np.ndarray) else (np.nan, np.nan) for answer in kept],
        )

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax, (7.0, 1.2 + 0.4 * len(self.questions)))
        places = np.arange(len(self.questions))
        self.ax_.hlines(
            places + 0.18, *self.naive.T, color=COLOURS["naive"], label="if it were the only look"
        )
        self.ax_.hlines(
            places, self.low, self.high, color=COLOURS["ours"], linewidth=2.2, label="valid together"
        )
        self.ax_.plot(self.estimate, places, "o", color=COLOURS["ours"], markersize=5)
        self.ax_.set_yticks(places, [plain(question) for question in self.questions])
        self.ax_.set_ylim(len(places) - 0.4, -0.6)
        self.ax_.set(xlabel="answer of the holdout")
        self.ax_.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        tidy_axes(self.ax_, grid="x")


class DiscoveriesDisplay(Display):
    """Claims that were confirmed, and claims that were not.

    Parameters
    ----------
    models : sequence of str
        What the claims are about.
    confirmed : array-like of shape (m,), bool
        Which were confirmed.
    claim : str
        What was claimed.

    Examples
    --------
    >>> DiscoveriesDisplay(["a", "b"], [True, False], "the score exceeds 0.5").confirmed.tolist()
    [True, False]
    """

    def __init__(self, models: Sequence[str], confirmed: Any, claim: str) -> None:
        check_same_length(models=models, confirmed=confirmed)
        self.models = list(models)
        self.confirmed = np.asarray(confirmed, dtype=bool)
        self.claim = claim

    @classmethod
    def from_discoveries(
        cls,
        found: Any,
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
    ) -> Self:
        """Make the display of a batch of claims.

        Parameters
        ----------
        found : Discoveries or Rejections
            What was confirmed.
        labels : mapping of str to str or None, default None
            Words instead of models.
        drop : collection of str, default ()
            Models to leave out.

        Returns
        -------
        DiscoveriesDisplay
            Its display.
        """
        kept = [i for i, term in enumerate(found.terms) if term not in drop]
        names = [(labels or {}).get(found.terms[i], found.terms[i]) for i in kept]
        return cls(names, found.confirmed[kept], found.claim)

    def _draw(self, ax: Any) -> None:
        """Draw the figure."""
        self.figure_, self.ax_ = figure_and_axes(ax, (7.0, 1.2 + 0.3 * len(self.models)))
        places = np.arange(len(self.models))
        for mask, x, colour, marker in (
            (self.confirmed, 1, COLOURS["ours"], "o"),
            (~self.confirmed, 0, COLOURS["reference"], "x"),
        ):
            self.ax_.plot(np.full(int(mask.sum()), x), places[mask], marker, color=colour)
        self.ax_.set_yticks(places, [plain(model) for model in self.models])
        self.ax_.set_ylim(len(places) - 0.4, -0.6)
        self.ax_.set_xticks([0, 1], ["not confirmed", f"confirmed: {self.claim}"])
        self.ax_.set_xlim(-0.5, 1.5)
        tidy_axes(self.ax_, grid="x")
