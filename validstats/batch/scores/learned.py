"""Scores that learn more than one model, and those of classifiers: normalised, CQR, probability, APS."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_predict

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D
from validstats.batch.laws import reach_out
from validstats.batch.scores.residual import (
    Bounds,
    Score,
    clip_intervals,
    plain_predictions,
    probabilities,
)

__all__ = ["CQRScore", "ClassScore", "NormalisedScore", "ProbabilityScore"]

_FOLDS = 5
_FLOOR_SHARE = 0.05
"""Quantile of the fitted scale below which no scale is believed."""


class NormalisedScore(Score):
    """Absolute residual over a learned local scale, so that intervals are wide where the model is uncertain.

    Parameters
    ----------
    scale_estimator : estimator or None, default None
        Regressor that is trained on absolute out-of-fold residuals of the training rows; None takes gradient boosting.
        Wrap it in FrozenEstimator if it is already fitted.

    Attributes
    ----------
    scale_estimator_ : estimator
        The fitted regressor.
    floor_ : float
        Smallest scale: the 5 % quantile of the fitted scale, and at least a hundredth of the mean absolute residual; 1
        where no training row has a residual.

    Notes
    -----
    Any fixed scale is valid; a poor one only makes wider intervals.

    Examples
    --------
    >>> NormalisedScore().scores(np.array([[1.0, 0.5]]), np.array([2.0]))
    array([2.])
    """

    name = "normalised"
    kind = "regressor"
    quantity = "|y - prediction| / scale"

    def __init__(self, scale_estimator: Any = None) -> None:
        self.scale_estimator = scale_estimator

    def fit(self, model: Any, X: Any, y: AnyArray) -> Self:
        """Train the scale on absolute out-of-fold residuals."""
        # a learner that overfits has residuals near 0 on its own rows; those of copies fitted without a row are honest
        predicted = (
            cross_val_predict(model, X, y, cv=KFold(_FOLDS, shuffle=True, random_state=0))
            if len(y) >= 2 * _FOLDS
            else plain_predictions(model, X)
        )
        residuals = np.abs(y - np.asarray(predicted).reshape(len(y)))
        base = _boosting() if self.scale_estimator is None else self.scale_estimator
        self.scale_estimator_ = clone(base).fit(X, residuals)
        scales = np.asarray(self.scale_estimator_.predict(X), dtype=np.float64)
        # without any residual every scale is as good: 1 gives absolute residuals
        smallest = float(residuals.mean()) / 100 or 1.0
        self.floor_ = max(float(np.quantile(scales, _FLOOR_SHARE)), smallest)
        return self

    def outputs(self, model: Any, X: Any) -> AnyArray:
        """Return predictions and scales as two columns."""
        if not hasattr(self, "scale_estimator_"):
            raise ValueError(
                "The locally normalised score needs labelled rows for its scale: call fit(X, y), which also with a frozen "
                "learner trains it on the part of the rows that is not calibration, or calibrate(X, y, reference=(X, y)) with other "
                "labelled rows."
            )
        scale = np.maximum(np.asarray(self.scale_estimator_.predict(X), dtype=np.float64), self.floor_)
        return np.column_stack([np.asarray(plain_predictions(model, X), dtype=np.float64), scale])

    def scores(self, outputs: AnyArray, y: AnyArray) -> Float1D:
        """Return absolute residuals over scales."""
        return np.asarray(np.abs(y - outputs[:, 0]) / outputs[:, 1], dtype=np.float64)

    def score_bounds(self, outputs: AnyArray, label_bounds: Bounds) -> Bounds:
        """Return zero and the largest scaled distance from a prediction to a bound."""
        reach = np.maximum(label_bounds[1] - outputs[:, 0], outputs[:, 0] - label_bounds[0])
        return 0.0, float((reach / outputs[:, 1]).max())

    def interval(self, outputs: AnyArray, threshold: float | Float1D, label_bounds: Bounds) -> Float2D | None:
        """Return the prediction plus and minus the threshold times the scale, and labels beyond that fit rounded."""
        centre, half = outputs[:, 0], threshold * outputs[:, 1]

        def fits(labels: Float1D) -> Bool1D:
            return self.scores(outputs, labels) <= threshold

        low = reach_out(centre - half, centre, -1.0, fits)
        high = reach_out(centre + half, centre, 1.0, fits)
        return clip_intervals(low, high, label_bounds)


class CQRScore(Score):
    """Conformalised quantile regression: signed distance outside of an estimated quantile interval.

    Parameters
    ----------
    lower, upper : estimator or None, default None
        Regressors of a lower and an upper conditional quantile; None takes gradient boosting of the 5 % and
        95 % quantiles. Wrap them in FrozenEstimator if they are already fitted.

    Attributes
    ----------
    lower_, upper_ : estimator
        The fitted regressors.

    References
    ----------
    Romano, Patterson and Candes (2019), Conformalized quantile regression, arXiv 1905.03222.

    Examples
    --------
    >>> CQRScore().scores(np.array([[0.0, 2.0]]), np.array([3.0]))
    array([1.])
    """

    name = "cqr"
    kind = "regressor"
    quantity = "distance outside of the quantile interval"

    def __init__(self, lower: Any = None, upper: Any = None) -> None:
        self.lower = lower
        self.upper = upper

    def fit(self, model: Any, X: Any, y: AnyArray) -> Self:
        """Train both quantile regressors."""
        self.lower_ = clone(_boosting(0.05) if self.lower is None else self.lower).fit(X, y)
        self.upper_ = clone(_boosting(0.95) if self.upper is None else self.upper).fit(X, y)
        return self

    def outputs(self, model: Any, X: Any) -> AnyArray:
        """Return both quantiles as two columns."""
        lower, upper = getattr(self, "lower_", self.lower), getattr(self, "upper_", self.upper)
        if lower is None or upper is None:
            raise ValueError(
                "The CQR score needs its quantile regressors: call fit(X, y), or calibrate(X, y, reference=(X, y)) with other "
                "labelled rows, or pass fitted ones as CQRScore(FrozenEstimator(lower), FrozenEstimator(upper))."
            )
        ends = [np.asarray(e.predict(X), dtype=np.float64) for e in (lower, upper)]
        return np.sort(np.column_stack(ends), axis=1)

    def scores(self, outputs: AnyArray, y: AnyArray) -> Float1D:
        """Return the signed distance outside of the interval; negative inside."""
        return np.asarray(np.maximum(outputs[:, 0] - y, y - outputs[:, 1]), dtype=np.float64)

    def score_bounds(self, outputs: AnyArray, label_bounds: Bounds) -> Bounds:
        """Return minus half of the widest interval and the largest distance from an interval to a bound."""
        low = -float((outputs[:, 1] - outputs[:, 0]).max()) / 2 * (1 + 4 * np.finfo(np.float64).eps)
        return low, max(
            float(outputs[:, 0].max()) - label_bounds[0], label_bounds[1] - float(outputs[:, 1].min())
        )

    def interval(self, outputs: AnyArray, threshold: float | Float1D, label_bounds: Bounds) -> Float2D | None:
        """Return the interval widened by the threshold on both sides; empty intervals are NaN."""
        below, above = outputs[:, 0], outputs[:, 1]
        low = reach_out(below - threshold, below, -1.0, lambda labels: below - labels <= threshold)
        high = reach_out(above + threshold, above, 1.0, lambda labels: labels - above <= threshold)
        empty = low > high
        ends = clip_intervals(low, high, label_bounds)
        ends[empty] = np.nan
        return ends


class ProbabilityScore(Score):
    """One minus the predicted probability of the label.

    A label that the classifier has never seen has the score infinity: no set of known classes can hold it.

    Examples
    --------
    >>> ProbabilityScore().scores(np.array([[0.2, 0.8]]), np.array([1]))
    array([0.2])
    """

    name = "probability"
    kind = "classifier"
    quantity = "1 - probability of y"
    numeric = False

    def encode(self, model: Any, y: AnyArray) -> AnyArray:
        """Return class indices, -1 for a class that the classifier has never seen."""
        known = np.asarray(model.classes_)
        order = np.argsort(known, kind="stable")
        index = order[np.clip(np.searchsorted(known[order], y), 0, len(known) - 1)]
        return np.where(known[index] == y, index, -1)

    def outputs(self, model: Any, X: Any) -> AnyArray:
        """Return the predicted probabilities."""
        return probabilities(model, X)

    def class_scores(self, outputs: AnyArray) -> Float2D:
        """Return the score that each class would have.

        Parameters
        ----------
        outputs : ndarray of shape (n, n_classes)
            Predicted probabilities.

        Returns
        -------
        ndarray of shape (n, n_classes)
            The scores.
        """
        return np.asarray(1.0 - outputs, dtype=np.float64)

    def scores(self, outputs: AnyArray, y: AnyArray) -> Float1D:
        """Return the score of the label, given as a class index; -1 stands for an unseen class."""
        index = np.asarray(y, dtype=np.int64)
        own = self.class_scores(outputs)[np.arange(len(index)), np.maximum(index, 0)]
        return np.where(index >= 0, own, np.inf)

    def label_set(self, outputs: AnyArray, threshold: float | Float1D) -> Bool1D | None:
        """Return the classes whose score is at most the threshold."""
        return np.asarray(self.class_scores(outputs) <= np.reshape(threshold, (-1, 1)))

    def label_sets(self, outputs: AnyArray, *thresholds: float | Float1D) -> tuple[Bool1D | None, ...]:
        """Return those of several thresholds; the scores of the classes are computed once."""
        if type(self).label_set is not ProbabilityScore.label_set:
            return super().label_sets(outputs, *thresholds)
        scores = self.class_scores(outputs)
        return tuple(np.asarray(scores <= np.reshape(threshold, (-1, 1))) for threshold in thresholds)


class ClassScore(ProbabilityScore):
    """Place of the label among the classes, from 0: what shares of classes are counted from.

    Examples
    --------
    >>> ClassScore().scores(np.array([[0.2, 0.8]]), np.array([1]))
    array([1.])
    """

    name = "class"
    quantity = "class of y"

    def of_rows(self, model: Any, X: Any, y: AnyArray, label_bounds: Bounds) -> tuple[Float1D, AnyArray]:
        """Score labelled rows; a label that is no class of the learner is refused."""
        found, outputs = super().of_rows(model, X, y, label_bounds)
        if (found < 0).any():
            raise ValueError(
                f"{int((found < 0).sum())} labels are not among the classes {np.asarray(model.classes_).tolist()} of the "
                "learner; shares of classes need a learner that knows them all."
            )
        return found, outputs

    def scores(self, outputs: AnyArray, y: AnyArray) -> Float1D:
        """Return the class index."""
        return np.asarray(y, dtype=np.float64)

    def label_set(self, outputs: AnyArray, threshold: float | Float1D) -> Bool1D | None:
        """Return None: places of classes have no sets."""
        return None


def _boosting(quantile: float | None = None) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    if quantile is None:
        return HistGradientBoostingRegressor(max_iter=60, random_state=0)
    return HistGradientBoostingRegressor(loss="quantile", quantile=quantile, max_iter=60, random_state=0)
