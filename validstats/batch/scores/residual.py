"""Scores: how badly a label fits a model's prediction, and the set of labels that a threshold leaves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D
from validstats.batch.laws import reach_out
from validstats.intake import check_bounds, check_in_range, check_vector

__all__ = [
    "AbsoluteScore",
    "Bounds",
    "CallableScore",
    "ErrorScore",
    "LabelScore",
    "Score",
    "SignedScore",
    "checked_outputs",
    "class_values",
    "clip_intervals",
    "numeric_predictions",
    "plain_predictions",
    "probabilities",
    "unwritable",
]

Bounds: TypeAlias = tuple[float, float]

_FOLDS = 5
_MOST_FOLD_ROWS = 5_000
"""Training rows that out-of-fold scores are computed for: enough for quantiles and spreads, and cheap for large data."""


class Score(BaseEstimator):
    """Base class of the scores.

    A score is computed in two steps, so that one pass of the model serves everything: :meth:`outputs` runs the
    model, :meth:`scores` compares its outputs with labels.

    Attributes
    ----------
    name : str
        How ``conformity_score=`` and the command line call it; empty where it has no name.
    kind : {"regressor", "classifier", "any"}
        Learners that it works with.
    quantity : str
        What one score is, for reports.
    numeric : bool
        Whether it compares labels as numbers, classes of a binary classifier as 0 and 1.
    """

    name: ClassVar[str] = ""
    kind: ClassVar[str] = "any"
    quantity: ClassVar[str] = "score"
    numeric: ClassVar[bool] = True

    def check(self, classifier: bool) -> None:
        """Raise if the score does not fit the learner, or a parameter is out of range.

        Parameters
        ----------
        classifier : bool
            Whether the learner is a classifier.
        """
        if self.kind == ("regressor" if classifier else "classifier"):
            learner = "a classifier" if classifier else "a regressor"
            raise ValueError(f"The score {type(self).__name__} does not work with {learner}.")

    def label_bounds(self, bounds: Any, classes: AnyArray | None) -> Bounds:
        """Read the stated bounds of the labels as this score compares labels.

        Parameters
        ----------
        bounds : tuple of (float or None, float or None)
            As the user states them.
        classes : ndarray or None
            Classes of the learner; None for a regressor.

        Returns
        -------
        tuple of float
            Bounds; smallest and largest class where none are stated and classes are compared as numbers, infinite for
            other classes.
        """
        low, high = check_bounds(bounds)
        if classes is None:
            return low, high
        if not self.numeric:
            return -np.inf, np.inf
        values = class_values(classes)
        return (
            float(values.min()) if low == -np.inf else low,
            float(values.max()) if high == np.inf else high,
        )

    def encode(self, model: Any, y: AnyArray) -> AnyArray:
        """Turn labels into what :meth:`scores` compares: numbers, class indices, or the labels as they are.

        Parameters
        ----------
        model : estimator
            Fitted learner.
        y : ndarray of shape (n,)
            Labels.

        Returns
        -------
        ndarray of shape (n,)
            float64 numbers here: numeric classes keep their values, the second of two other classes is 1.
        """
        classes = getattr(model, "classes_", None)
        if classes is None:
            return check_vector(y, "y") if y.dtype != np.float64 else y
        names, values = np.asarray(classes), class_values(classes)
        if unseen := sorted(set(np.unique(y).tolist()) - set(names.tolist())):
            raise ValueError(f"The labels {unseen} are not among the classes {names.tolist()}.")
        return np.asarray(values[np.searchsorted(names, y)], dtype=np.float64)

    def of_rows(self, model: Any, X: Any, y: AnyArray, label_bounds: Bounds) -> tuple[Float1D, AnyArray]:
        """Score labelled rows.

        Parameters
        ----------
        model : estimator
            Fitted learner.
        X, y : array-like
            Rows and labels.
        label_bounds : tuple of float
            Known bounds of the labels, which are checked.

        Returns
        -------
        tuple of ndarray
            The scores, and the model outputs that they came from.
        """
        labels, (low, high) = self.encode(model, y), label_bounds
        bounded = labels.dtype.kind == "f" and (np.isfinite(low) or np.isfinite(high))
        if bounded and (labels.min() < low or labels.max() > high):
            raise ValueError(
                f"y ranges from {labels.min():zg} to {labels.max():zg}, outside the stated bounds [{low:zg}, {high:zg}]. "
                "State bounds that hold for every row, or None where there is none."
            )
        outputs = checked_outputs(self, model, X)
        found = self.scores(outputs, labels)
        if np.isnan(found).any():
            raise ValueError(
                f"{int(np.isnan(found).sum())} of the calibration scores are NaN: the learner's predictions have "
                "missing or infinite values. Repair the learner, or drop those rows."
            )
        return (found.copy() if np.may_share_memory(found, y) else found), outputs

    def out_of_fold(self, model: Any, X: Any, labels: Any) -> tuple[Float1D, AnyArray] | None:
        """Score training rows by copies of the learner that were fitted without them.

        Parameters
        ----------
        model : estimator
            Learner; a frozen one predicts as it is.
        X, labels : array-like
            Training rows and labels; a fixed random choice of at most 5,000 is used.

        Returns
        -------
        tuple of ndarray or None
            Scores and outputs; None where the rows are too few for five folds.
        """
        return out_of_fold_scores(self, model, X, labels)

    def fit(self, model: Any, X: Any, y: AnyArray) -> Self:
        """Learn what the score needs beyond the model, from the training rows.

        Parameters
        ----------
        model : estimator
            Fitted learner.
        X, y : array-like
            Training rows and labels.

        Returns
        -------
        Score
            Itself.
        """
        return self

    def outputs(self, model: Any, X: Any) -> AnyArray:
        """Run the model.

        Parameters
        ----------
        model : estimator
            Fitted learner.
        X : array-like of n rows
            Rows.

        Returns
        -------
        ndarray with n rows
            Whatever :meth:`scores` needs.
        """
        return plain_predictions(model, X)

    def scores(self, outputs: AnyArray, y: AnyArray) -> Float1D:
        """Compare outputs with labels.

        Parameters
        ----------
        outputs : ndarray with n rows
            From :meth:`outputs`.
        y : ndarray of shape (n,)
            Labels.

        Returns
        -------
        ndarray of shape (n,)
            The scores.
        """
        raise NotImplementedError

    def score_bounds(self, outputs: AnyArray, label_bounds: Bounds) -> Bounds:
        """Bound the scores of rows whose labels are bounded.

        Parameters
        ----------
        outputs : ndarray with n rows
            From :meth:`outputs`.
        label_bounds : tuple of float
            Known bounds of the labels.

        Returns
        -------
        tuple of float
            Bounds that hold for the score of every row; infinite where unknown.
        """
        return -np.inf, np.inf

    def offset(self, outputs: AnyArray) -> Float1D | None:
        """Return what must be added to scores to get labels, or None where scores are no shifted labels.

        Parameters
        ----------
        outputs : ndarray with n rows
            From :meth:`outputs`.

        Returns
        -------
        ndarray of shape (n,) or None
            The shift of each row.
        """
        return None

    def interval(self, outputs: AnyArray, threshold: float | Float1D, label_bounds: Bounds) -> Float2D | None:
        """Return the labels whose score is at most a threshold, as an interval for each row.

        Parameters
        ----------
        outputs : ndarray with n rows
            From :meth:`outputs`.
        threshold : float or ndarray of shape (n,)
            Threshold, common or by row.
        label_bounds : tuple of float
            Known bounds of the labels, to which intervals are clipped.

        Returns
        -------
        ndarray of shape (n, 2) or None
            Lower and upper ends; None where the score has no intervals.
        """
        return None

    def label_set(self, outputs: AnyArray, threshold: float | Float1D) -> Bool1D | None:
        """Return the classes whose score is at most a threshold.

        Parameters
        ----------
        outputs : ndarray with n rows
            From :meth:`outputs`.
        threshold : float or ndarray of shape (n,)
            Threshold, common or by row.

        Returns
        -------
        ndarray of bool, shape (n, n_classes), or None
            Membership; None where the score has no label sets.
        """
        return None

    def label_sets(self, outputs: AnyArray, *thresholds: float | Float1D) -> tuple[Bool1D | None, ...]:
        """Return the label sets of several thresholds.

        Parameters
        ----------
        outputs : ndarray with n rows
            From :meth:`outputs`.
        *thresholds : float or ndarray of shape (n,)
            Thresholds, each common or by row.

        Returns
        -------
        tuple of ndarray of bool, shape (n, n_classes), or None
            One a threshold, as :meth:`label_set` gives it.
        """
        return tuple(self.label_set(outputs, threshold) for threshold in thresholds)


class LabelScore(Score):
    """The label itself: no model is used.

    Examples
    --------
    >>> LabelScore().scores(np.zeros(2), np.array([1.0, 2.0]))
    array([1., 2.])
    """

    name = "label"
    quantity = "y"

    def outputs(self, model: Any, X: Any) -> AnyArray:
        """Return zeros: the model is not consulted."""
        return np.zeros(X.shape[0] if hasattr(X, "shape") else len(X))

    def scores(self, outputs: AnyArray, y: AnyArray) -> Float1D:
        """Return the labels."""
        return np.asarray(y, dtype=np.float64)

    def score_bounds(self, outputs: AnyArray, label_bounds: Bounds) -> Bounds:
        """Return the bounds of the labels."""
        return label_bounds

    def offset(self, outputs: AnyArray) -> Float1D | None:
        """Return zeros."""
        return np.zeros(len(outputs))

    def interval(self, outputs: AnyArray, threshold: float | Float1D, label_bounds: Bounds) -> Float2D | None:
        """Return everything up to the threshold."""
        return clip_intervals(
            np.full(len(outputs), -np.inf), np.broadcast_to(threshold, len(outputs)), label_bounds
        )


class SignedScore(Score):
    """Label minus prediction; for a binary classifier the indicator of its second class minus its probability.

    Examples
    --------
    >>> SignedScore().scores(np.array([1.0, 2.0]), np.array([1.5, 1.0]))
    array([ 0.5, -1. ])
    """

    name = "signed"
    quantity = "y - prediction"

    def outputs(self, model: Any, X: Any) -> AnyArray:
        """Return predictions, or the probability of the second class."""
        return numeric_predictions(model, X)

    def scores(self, outputs: AnyArray, y: AnyArray) -> Float1D:
        """Return the residuals."""
        return np.asarray(y - outputs, dtype=np.float64)

    def score_bounds(self, outputs: AnyArray, label_bounds: Bounds) -> Bounds:
        """Subtract the extreme predictions from the bounds of the labels: they hold for every row, whatever its label."""
        return label_bounds[0] - float(outputs.max()), label_bounds[1] - float(outputs.min())

    def offset(self, outputs: AnyArray) -> Float1D | None:
        """Return the predictions."""
        return np.asarray(outputs, dtype=np.float64)

    def interval(self, outputs: AnyArray, threshold: float | Float1D, label_bounds: Bounds) -> Float2D | None:
        """Return everything up to the prediction plus the threshold."""
        high = reach_out(
            outputs + threshold, outputs, 1.0, lambda labels: self.scores(outputs, labels) <= threshold
        )
        return clip_intervals(np.full(len(outputs), -np.inf), high, label_bounds)


class AbsoluteScore(Score):
    """Distance of the label from the prediction.

    Examples
    --------
    >>> AbsoluteScore().scores(np.array([1.0, 2.0]), np.array([1.5, 1.0]))
    array([0.5, 1. ])
    """

    name = "absolute"
    kind = "regressor"
    quantity = "|y - prediction|"

    def scores(self, outputs: AnyArray, y: AnyArray) -> Float1D:
        """Return the absolute residuals."""
        residuals = np.asarray(y - outputs, dtype=np.float64)
        return np.asarray(np.abs(residuals, out=residuals))

    def score_bounds(self, outputs: AnyArray, label_bounds: Bounds) -> Bounds:
        """Return zero and the largest distance from a prediction to a bound."""
        low, high = label_bounds
        return 0.0, max(high - float(outputs.min()), float(outputs.max()) - low)

    def interval(self, outputs: AnyArray, threshold: float | Float1D, label_bounds: Bounds) -> Float2D | None:
        """Return the prediction plus and minus the threshold, and any label beyond whose rounded score fits."""

        def fits(labels: Float1D) -> Bool1D:
            return np.asarray(self.scores(outputs, labels) <= threshold)

        low = reach_out(outputs - threshold, outputs, -1.0, fits)
        high = reach_out(outputs + threshold, outputs, 1.0, fits)
        return clip_intervals(low, high, label_bounds)


class ErrorScore(Score):
    """One where the prediction is wrong, zero where it is right.

    Parameters
    ----------
    tolerance : float or None, default None
        For regressors, the distance from which a prediction counts as wrong.

    Examples
    --------
    >>> ErrorScore(tolerance=0.5).scores(np.array([1.0, 2.0]), np.array([1.2, 3.0]))
    array([0., 1.])
    """

    name = "error"
    quantity = "error"
    numeric = False

    def __init__(self, tolerance: float | None = None) -> None:
        self.tolerance = tolerance

    def check(self, classifier: bool) -> None:
        """Raise if the tolerance is out of range, or the learner is a classifier."""
        super().check(classifier)
        if self.tolerance is None:
            return
        check_in_range(self.tolerance, "tolerance", 0)
        if classifier:
            raise ValueError(
                f"tolerance is a distance between numbers, so it is not read with a classifier; got {self.tolerance!r}."
            )

    def encode(self, model: Any, y: AnyArray) -> AnyArray:
        """Return labels as they are, or numbers where a tolerance is given."""
        return y if self.tolerance is None else super().encode(model, y)

    def scores(self, outputs: AnyArray, y: AnyArray) -> Float1D:
        """Return zeros and ones."""
        wrong = outputs != y if self.tolerance is None else np.abs(y - outputs) > self.tolerance
        return np.asarray(wrong, dtype=np.float64)

    def score_bounds(self, outputs: AnyArray, label_bounds: Bounds) -> Bounds:
        """Return zero and one."""
        return 0.0, 1.0


class CallableScore(Score):
    """A user's own score.

    Parameters
    ----------
    function : callable
        ``function(model, X, y)`` returns one number a row; it must not look at other rows. It gets copies, or an
        array that cannot be written to.
    bounds : tuple of (float or None, float or None), default (None, None)
        Known bounds of the score.

    Examples
    --------
    >>> score = CallableScore(lambda model, X, y: (y - model.predict(X)) ** 2, bounds=(0, None))
    """

    quantity = "score"
    numeric = False

    def __init__(
        self, function: Callable[..., Any], bounds: tuple[float | None, float | None] = (None, None)
    ) -> None:
        self.function = function
        self.bounds = bounds

    def label_bounds(self, bounds: Any, classes: AnyArray | None) -> Bounds:
        """Refuse bounds of the labels, which a callable does not read."""
        if np.isfinite(check_bounds(bounds)).any():
            raise ValueError(
                f"bounds are those of the labels, which a callable score does not read, got {bounds!r}; state the bounds "
                "of the score: conformity_score=CallableScore(function, bounds=...)."
            )
        return -np.inf, np.inf

    def of_rows(self, model: Any, X: Any, y: AnyArray, label_bounds: Bounds) -> tuple[Float1D, AnyArray]:
        """Call the user's function."""
        return self.evaluate(model, X, y), self.outputs(model, X)

    def out_of_fold(self, model: Any, X: Any, labels: Any) -> None:
        """Return None: the function is not called for training rows."""

    def evaluate(self, model: Any, X: Any, y: AnyArray) -> Float1D:
        """Call the user's function and check what it returns.

        Parameters
        ----------
        model : estimator
            Fitted learner.
        X, y : array-like
            Rows and labels.

        Returns
        -------
        ndarray of shape (n,)
            The scores.

        Raises
        ------
        ValueError
            If it does not return one number a row, or a score is NaN or outside the bounds.
        """
        found = self.function(model, unwritable(X), y.copy())
        values = check_vector(found, "the result of the callable score").copy()
        if values.size != len(y):
            raise ValueError(f"The callable score returned {values.size} values for {len(y)} rows.")
        low, high = check_bounds(self.bounds)
        if values.min() < low or values.max() > high:
            raise ValueError(
                f"The callable score ranges from {values.min():zg} to {values.max():zg}, outside its stated bounds "
                f"[{low:zg}, {high:zg}]."
            )
        return values

    def outputs(self, model: Any, X: Any) -> AnyArray:
        """Return zeros: scores of unlabelled rows are not needed."""
        return np.zeros(X.shape[0] if hasattr(X, "shape") else len(X))

    def score_bounds(self, outputs: AnyArray, label_bounds: Bounds) -> Bounds:
        """Return the stated bounds of the score."""
        return check_bounds(self.bounds)


def checked_outputs(score: Score, model: Any, X: Any) -> AnyArray:
    """Outputs of the model for rows; those that would spoil the numbers of a result are refused."""
    outputs, n = score.outputs(model, X), _num_samples(X)
    if len(outputs) != n:
        raise ValueError(f"The learner gave {len(outputs)} predictions for the {n} rows of X.")
    if outputs.dtype.kind == "f" and not np.isfinite(outputs).all():
        spoilt = np.isnan(outputs) if outputs.ndim > 1 else ~np.isfinite(outputs)
        if bad := int(spoilt.reshape(n, -1).any(axis=1).sum()):
            raise ValueError(
                f"The learner's predictions for {bad} of the {n} rows of X are NaN or infinite. Repair the learner, or drop "
                "those rows."
            )
    return outputs


def plain_predictions(model: Any, X: Any) -> AnyArray:
    """A learner's predictions as a vector, also where it gives a matrix of one column."""
    values = np.asarray(model.predict(X))
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(
            f"The learner must predict one value a row of X, and its predictions have the shape {values.shape}."
        )
    return values


def unwritable(X: Any) -> Any:
    """Return rows that a user's function may have without a way to change those of the caller."""
    if isinstance(X, np.ndarray):
        view = X.view()
        view.flags.writeable = False
        return view
    return X.copy() if hasattr(X, "copy") else X


def numeric_predictions(model: Any, X: Any) -> Float1D:
    """Return predictions of a regressor, or the probability of the second class of a binary classifier."""
    if not hasattr(model, "classes_"):
        return np.asarray(plain_predictions(model, X), dtype=np.float64)
    values = class_values(model.classes_)
    # E y = sum of class value times probability
    return np.asarray(probabilities(model, X) @ values, dtype=np.float64)


def class_values(classes: Any) -> Float1D:
    """Numbers that classes stand for: numeric ones keep their values, the second of two others is 1."""
    names = np.asarray(classes)
    if names.dtype.kind in "iufb":
        return np.asarray(names, dtype=np.float64)
    if len(names) != 2:
        raise ValueError(
            f"This target needs numeric or binary labels, and the classifier has {len(names)} classes without numbers: "
            f"{names.tolist()[:5]}. Ask BatchShares() for the shares of all classes."
        )
    return np.array([0.0, 1.0])


def out_of_fold_scores(score: Score, model: Any, X: Any, labels: Any) -> tuple[Float1D, AnyArray] | None:
    """Scores and outputs of rows, from copies of the learner that were fitted on the other four fifths."""
    rng, n = np.random.default_rng(0), _num_samples(X)
    index = np.sort(rng.permutation(n)[:_MOST_FOLD_ROWS])
    y = np.asarray(labels)[index] if not hasattr(labels, "iloc") else np.asarray(labels.iloc[index])
    folds: Any = KFold(_FOLDS, shuffle=True, random_state=0)
    if is_classifier(model):
        if np.unique(y, return_counts=True)[1].min() < _FOLDS:
            return None
        folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    if index.size < 2 * _FOLDS:
        return None
    found: list[tuple[AnyArray, Float1D, AnyArray]] = []
    for train, test in folds.split(np.zeros(index.size), y):
        fitted = clone(model).fit(_safe_indexing(X, index[train]), y[train])
        outputs = checked_outputs(score, fitted, _safe_indexing(X, index[test]))
        found.append((test, score.scores(outputs, score.encode(fitted, y[test])), outputs))
    order = np.argsort(np.concatenate([test for test, _, _ in found]))
    return (
        np.concatenate([scores for _, scores, _ in found])[order],
        np.concatenate([outputs for _, _, outputs in found])[order],
    )


def probabilities(model: Any, X: Any) -> Float2D:
    """Return predicted class probabilities."""
    if not hasattr(model, "predict_proba"):
        raise ValueError(
            f"This score needs predict_proba, which {type(model).__name__} lacks; wrap it in "
            "CalibratedClassifierCV or choose conformity_score='error'."
        )
    return np.asarray(model.predict_proba(X), dtype=np.float64)


def clip_intervals(low: AnyArray, high: AnyArray, label_bounds: Bounds) -> Float2D:
    """Stack interval ends and clip them to the known bounds of the labels."""
    ends = np.empty((len(low), 2))
    ends[:, 0], ends[:, 1] = low, high
    bounded = math.isfinite(label_bounds[0]) or math.isfinite(label_bounds[1])
    return np.clip(ends, *label_bounds, out=ends) if bounded else ends
