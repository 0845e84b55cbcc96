"""Scorer for scikit-learn's searches: it asks the holdout, and the test fold gives the guess."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from validstats.exceptions import (
    BudgetExhaustedError,
    BudgetExhaustedInterrupt,
    DataReuseError,
    SearchRefusedInterrupt,
)
from validstats.holdout.asking.desk import Desk, number_question
from validstats.holdout.asking.metrics import Metric, respond

__all__ = ["HoldoutScorer"]


class HoldoutScorer:
    """Scores a fitted estimator on the holdout; the test fold that scikit-learn hands over gives the guess.

    Parameters
    ----------
    desk : Desk
        Of a calibrated holdout; :meth:`ReusableHoldout.scorer` hands it over.
    metric : Metric
        What to measure.
    """

    def __init__(self, desk: Desk, metric: Metric) -> None:
        self.desk = desk
        self.metric = metric

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """Ask the holdout."""
        n_folds, rows = _search()
        if n_folds > 1:
            raise SearchRefusedInterrupt(
                f"This search would ask the holdout once for each of {n_folds} folds, about models that are fitted on parts of the "
                "rows, and spend a look every time. Pass cv=rh.cv() to it: one fold, which gives the guess. Nothing was charged."
            )
        try:
            self.desk.refuse_holdout_rows(X if rows is None else rows, "What the search fits on")
        except DataReuseError as error:
            raise SearchRefusedInterrupt(str(error)) from None
        guess = None
        if y is not None and self.metric.row_mean:
            training = self.desk.training_for("scorer")
            prediction = respond(estimator, X, self.metric, training.classes)
            guess = training.score(prediction, self.metric, X, np.asarray(y))
        try:
            answer = self.desk.ask(number_question(self.desk, estimator, self.metric, guess))
        except BudgetExhaustedError as error:
            raise BudgetExhaustedInterrupt(str(error)) from None
        return float(answer) if self.metric.greater_is_better else -float(answer)

    def __repr__(self) -> str:
        return f"HoldoutScorer(metric={self.metric.name!r})"


def _search() -> tuple[int, Any]:
    """Number of folds and rows of the scikit-learn search that is calling; 1 and None where none is."""
    # A scorer is not told how often it will be called, nor on what models are fitted; scikit-learn's own function
    # that calls it is.
    frame = inspect.currentframe()
    while frame is not None:
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) == _CALLER:
            progress = frame.f_locals.get("split_progress")
            return 1 if progress is None else int(progress[1]), frame.f_locals.get("X")
        frame = frame.f_back
    return 1, None


_CALLER = ("sklearn.model_selection._validation", "_fit_and_score")
