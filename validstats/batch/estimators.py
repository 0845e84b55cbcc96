"""BatchPredictor: finite-sample statements about whole batches of unlabelled rows, for any model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from validstats._typing import AnyArray, Bool1D, Float2D, RandomState
from validstats.batch.answering import PredictorInternals, RowCount, check_strata_kind
from validstats.batch.assemble import assemble_result
from validstats.batch.results import BatchResult
from validstats.batch.rows import (
    label_array,
    split_rows,
    take_labels,
    take_rows,
)
from validstats.batch.targets import Target, batch_guarantee, confidence_of
from validstats.intake import alpha_fraction, backend_of, check_random_state, check_same_length, check_vector

__all__ = ["BatchPredictor"]


def _learner_has(name: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        return hasattr(getattr(self, "estimator_", self.estimator), name)

    return check


def _target_is(kind: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        return getattr(self.target, "kind", None) == kind

    return check


class BatchPredictor(PredictorInternals):
    """Finite-sample statements about a batch of rows, for any model and any distribution.

    ``fit`` trains the learner on part of the rows and calibrates on the rest; ``infer`` makes the statement about
    one or many batches of unlabelled rows; ``predict`` gives the learner's plain predictions.

    Parameters
    ----------
    estimator : estimator
        Any scikit-learn regressor or classifier. Wrapped in ``FrozenEstimator`` it counts as already fitted, and all
        rows given to ``fit`` calibrate.
    target : Target
        The question: :class:`BatchMean`, :class:`BatchTotal`, :class:`BatchQuantile`, :class:`Simultaneous`,
        :class:`ErrorCount`, :class:`Selection`, :class:`Envelope` or :class:`Compositional`.
    score : str, callable, Score or None, default None
        "absolute", "signed", "normalised", "cqr", "label", "probability", "aps", "error", a callable
        ``score(model, X, y)``, or a score object. None takes the target's default.
    confidence_level : float, default 0.9
        Level of the statement about one batch, in (0, 1).
    calibration_size : float, int or None, default None
        Share or number of the rows given to ``fit`` that calibrate. None is 0.3, and everything for a frozen learner.
    bounds : tuple of (float or None, float or None), default (None, None)
        Known bounds of the labels. Bounds for means of unbounded labels need
        ``n >= m (1 - alpha) / alpha`` calibration rows. A callable score has bounds of its own: see CallableScore.
    strata : str, int, callable or None, default None
        Strata within which rows are exchangeable: a column of X by name or position, or a callable of X. The batch may
        mix them differently. Arrays can be passed to the verbs instead.
    n_resamples : int, default 9999
        Draws of exact Monte Carlo quantiles. The level is kept exactly for every number.
    check_reuse : bool, default True
        Whether rows that are used for training and for calibration raise a DataReuseWarning.
    random_state : int, numpy.random.Generator or None, default None
        Stream of the split, of rejection, and of Monte Carlo. Fix it before looking.

    Attributes
    ----------
    estimator_ : estimator
        The fitted learner.
    score_ : Score
        The fitted score.
    calibration_ : Calibration
        Frozen record of the calibration.
    guarantee_ : Guarantee
        What ``infer`` promises for one batch.
    classes_ : ndarray
        Classes of a classifier.
    n_features_in_, feature_names_in_ : int, ndarray
        As in scikit-learn.

    References
    ----------
    Lee, Tchetgen Tchetgen and Dobriban (2024), Batch predictive inference, arXiv 2409.13990.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from validstats.batch import BatchPredictor, Simultaneous
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2)); y = X[:, 0] + rng.normal(size=500)
    >>> est = BatchPredictor(LinearRegression(), Simultaneous(miss=0.1), random_state=0).fit(X, y)
    >>> result = est.infer(rng.normal(size=(50, 2)))
    >>> result.glance()[["n_calibration", "exact_probability"]].round(4)
       n_calibration  exact_probability
    0            150             0.9267
    """

    def __init__(
        self,
        estimator: Any,
        target: Target,
        *,
        score: Any = None,
        confidence_level: float = 0.9,
        calibration_size: float | int | None = None,
        bounds: tuple[float | None, float | None] = (None, None),
        strata: Any = None,
        n_resamples: int = 9999,
        check_reuse: bool = True,
        random_state: RandomState = None,
    ) -> None:
        self.estimator = estimator
        self.target = target
        self.score = score
        self.confidence_level = confidence_level
        self.calibration_size = calibration_size
        self.bounds = bounds
        self.strata = strata
        self.n_resamples = n_resamples
        self.check_reuse = check_reuse
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, *, strata: Any = None, weights: Any = None, w_max: float | None = None
    ) -> Self:
        """Train the learner on part of the rows and calibrate on the rest.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows.
        y : array-like of shape (n,)
            Labels.
        strata, weights, w_max
            As in :meth:`calibrate`; they concern the calibration part.

        Returns
        -------
        BatchPredictor
            Itself, fitted and calibrated.

        Raises
        ------
        TypeError, ValueError
            If a parameter or the data are invalid.
        """
        self._check_parameters()
        self._check_learner()
        score = self._make_score()
        validate_data(self, X, skip_check_array=True)
        y_all = label_array(y)
        n = check_same_length(X=RowCount(X), y=y_all, weights=weights)
        shares = None if weights is None else check_vector(weights, "weights")
        rng = check_random_state(self.random_state)
        frozen = isinstance(self.estimator, FrozenEstimator)
        train, reserve = split_rows(n, self.calibration_size, frozen, rng)
        self.estimator_ = self.estimator if frozen else clone(self.estimator)
        self._digests = None
        if train.size:
            X_train, y_train = take_rows(X, train), take_labels(y, train)
            if not frozen:
                self.estimator_.fit(X_train, y_train)
            self.score_ = score.fit(self.estimator_, X_train, np.asarray(y_all[train]))
            self._keep_training(X_train, y_all[train])
        else:
            self.score_ = score
            self._reference, self._reference_outputs = None, None
        labels = self._strata_of(X, strata)
        return self._calibrate(
            take_rows(X, reserve),
            y_all[reserve],
            None if labels is None else labels[reserve],
            None if shares is None else shares[reserve],
            w_max,
            rng,
        )

    def calibrate(
        self, X: Any, y: Any, *, strata: Any = None, weights: Any = None, w_max: float | None = None
    ) -> Self:
        """Spend labelled rows that the learner has not seen; an earlier calibration is replaced.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows that are exchangeable with those of future batches, given the learner.
        y : array-like of shape (n,)
            Their labels.
        strata : array-like of shape (n,) or None, default None
            Stratum of each row; needed in ``infer`` as well then.
        weights : array-like of shape (n,) or None, default None
            Known ratio of the batch's density to the density of these rows, for covariate shift. A row is kept with
            probability ``weight / w_max``.
        w_max : float or None, default None
            Declared upper bound of the weights on their whole domain, not their sample maximum. Required with
            weights; a weight above it is an error.

        Returns
        -------
        BatchPredictor
            Itself.

        Raises
        ------
        NotCalibratedError
            If the learner is not fitted.
        TypeError, ValueError
            If the data are invalid, or no row is kept.

        Warns
        -----
        DataReuseWarning
            If more than 5 % of the rows were used for training.
        """
        self._check_parameters()
        if not hasattr(self, "estimator_"):
            if not isinstance(self.estimator, FrozenEstimator):
                self._check_calibrated("calibrate", "fit(X, y), or wrap a fitted learner in FrozenEstimator,")
            self._check_learner()
            self.estimator_ = self.estimator
            self._digests, self._reference, self._reference_outputs = None, None, None
            self.score_ = self._make_score()
            validate_data(self, X, skip_check_array=True)
        self._refresh_score()
        y_all = label_array(y)
        check_same_length(X=RowCount(X), y=y_all, strata=strata, weights=weights)
        self._warn_reuse(X, y_all)
        labels = self._strata_of(X, strata)
        return self._calibrate(X, y_all, labels, weights, w_max, self.random_state)

    def update(self, X: Any, y: Any, *, strata: Any = None) -> Self:
        """Add rows whose labels have become known to the calibration, after a batch has been predicted.

        Parameters
        ----------
        X, y, strata
            As in :meth:`calibrate`.

        Returns
        -------
        BatchPredictor
            Itself, with a longer calibration.

        Raises
        ------
        NotCalibratedError
            Before calibration.
        ValueError
            If the calibration was by rejection, to which rows of another law cannot be added, the target was changed, or the
            strata are of another kind than those of the calibration.

        Warns
        -----
        DataReuseWarning
            If more than 5 % of the rows were used for training.

        Notes
        -----
        The statement about each later batch is exact; statements about several batches are not joint.
        """
        self._check_calibrated("update")
        self._check_unchanged("update")
        old = self.calibration_
        if old.w_max is not None:
            raise ValueError(
                "update() cannot add rows to a calibration by rejection; calibrate again on all rows."
            )
        y_new = label_array(y)
        check_same_length(X=RowCount(X), y=y_new, strata=strata)
        self._check_features(X)
        self._warn_reuse(X, y_new)
        scores = self._scores_of(X, y_new, old.label_bounds)
        labels = self._strata_of(X, strata)
        if (labels is None) != (old.strata is None):
            raise ValueError("update() needs strata exactly where calibrate() had them.")
        if labels is not None:
            check_strata_kind(old.strata, labels)
        self.calibration_ = replace(
            old,
            scores=np.concatenate([old.scores, scores]),
            n_supplied=old.n_supplied + scores.size,
            strata=None if labels is None else np.concatenate([old.strata, labels]),
        )
        return self

    def predict(self, X: Any) -> AnyArray:
        """Return the learner's predictions, one a row.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows.

        Returns
        -------
        ndarray of shape (n,)
            Predictions.

        Raises
        ------
        NotCalibratedError
            Before calibration.
        """
        self._check_calibrated("predict", "fit(X, y)")
        self._check_features(X)
        return np.asarray(self.estimator_.predict(X))

    @available_if(_learner_has("predict_proba"))
    def predict_proba(self, X: Any) -> Float2D:
        """Return the learner's class probabilities.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Probabilities.
        """
        self._check_calibrated("predict_proba", "fit(X, y)")
        self._check_features(X)
        return np.asarray(self.estimator_.predict_proba(X))

    @available_if(_learner_has("decision_function"))
    def decision_function(self, X: Any) -> AnyArray:
        """Return the learner's decision values.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows.

        Returns
        -------
        ndarray
            As the learner returns them.
        """
        self._check_calibrated("decision_function", "fit(X, y)")
        self._check_features(X)
        return np.asarray(self.estimator_.decision_function(X))

    def infer(
        self,
        X: Any,
        *,
        batches: Any = None,
        strata: Any = None,
        confidence_level: float | None = None,
        joint: bool = False,
    ) -> BatchResult:
        """Make the statement about one or many batches of unlabelled rows.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows of all batches.
        batches : array-like of shape (n,), str or None, default None
            Batch of each row, or the column of X that holds it; None takes all rows as one batch. A batch must be
            exchangeable with the calibration rows as a whole: one household or document is not.
        strata : array-like of shape (n,) or None, default None
            Stratum of each row, where the calibration had strata.
        confidence_level : float or None, default None
            Another level than the estimator's, chosen before looking. Not for ``Selection(fdr=...)``, which bounds an
            expected share.
        joint : bool, default False
            Whether the level is split so that the statements hold for all batches at once. By default each holds by
            itself. Not for ``Selection(fdr=...)``.

        Returns
        -------
        BatchIntervals, BatchSets, BatchSelection or BatchEnvelopes
            The result, by target.

        Raises
        ------
        NotCalibratedError
            Before calibration.
        TypeError, ValueError
            If the data are invalid, the learner's predictions are not finite, a stratum was not calibrated, or the target,
            the score or the bounds were changed since the calibration.

        Warns
        -----
        UninformativeWarning
            If there are too few calibration rows to say anything about some batch.
        """
        self._check_calibrated("infer", "fit(X, y), or calibrate(X, y),")
        self._check_unchanged("infer")
        if not isinstance(joint, bool | np.bool_):
            raise TypeError(f"joint must be True or False, got {joint!r}.")
        if not self.target.has_level and (joint or confidence_level is not None):
            option = "joint" if joint else "confidence_level"
            raise ValueError(
                f"{option} is not read with fdr, which bounds an expected share of false claims in each batch: leave it out."
            )
        level = self.confidence_level if confidence_level is None else confidence_level
        alpha = alpha_fraction(level)
        self._check_features(X)
        labels, rows = self._batches_of(X, batches)
        share = alpha / len(rows) if joint else alpha
        outputs = self._outputs_of(X)
        strata_labels = self._strata_of(X, strata)
        answers = [self._answer(outputs, r, share, strata_labels) for r in rows]
        backend = "pandas" if isinstance(X, np.ndarray) else backend_of(X)
        guarantee = batch_guarantee(
            self.target,
            self.calibration_,
            alpha,
            n_batches=len(rows),
            joint=joint,
            probabilities=[a.probability for a in answers],
        )
        one_batch = confidence_of(share) if self.target.has_level else None
        return assemble_result(self, outputs, labels, rows, answers, guarantee, one_batch, backend)

    @available_if(_target_is("sets"))
    def predict_interval(self, X: Any, *, batches: Any = None, strata: Any = None) -> Float2D:
        """Return an interval for each row, of which the stated share is right in each batch.

        Parameters
        ----------
        X, batches, strata
            As in :meth:`infer`.

        Returns
        -------
        ndarray of shape (n, 2)
            Lower and upper ends.

        Raises
        ------
        TypeError
            If the score has no intervals, as for classifiers: use ``infer(X).sets``.
        """
        result: Any = self.infer(X, batches=batches, strata=strata)
        if result.intervals is None:
            raise TypeError(
                f"The score {type(self.score_).__name__} has no intervals; use infer(X).sets, or a score for regressors."
            )
        return np.asarray(result.intervals)

    @available_if(_target_is("selection"))
    def select(self, X: Any, *, batches: Any = None, strata: Any = None) -> Bool1D:
        """Return the rows about which the claim is made.

        Parameters
        ----------
        X, batches, strata
            As in :meth:`infer`.

        Returns
        -------
        ndarray of bool, shape (n,)
            True where the claim is made.
        """
        result: Any = self.infer(X, batches=batches, strata=strata)
        return np.asarray(result.selected)

    def conformity_scores(self, X: Any, y: Any) -> AnyArray:
        """Return the conformity scores of labelled rows.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows.
        y : array-like of shape (n,)
            Labels.

        Returns
        -------
        ndarray of shape (n,)
            Scores, comparable with ``calibration_.scores``.
        """
        self._check_calibrated("conformity_scores")
        labels = label_array(y)
        check_same_length(X=RowCount(X), y=labels)
        self._check_features(X)
        return self._scores_of(X, labels, (-np.inf, np.inf))

    @property
    def classes_(self) -> AnyArray:
        """Classes of a classifier."""
        return np.asarray(self.estimator_.classes_)
