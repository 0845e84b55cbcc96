"""Scorer for scikit-learn's searches: it asks the holdout, and the test fold gives the guess."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats.exceptions import BudgetExhaustedError, BudgetExhaustedInterrupt
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
