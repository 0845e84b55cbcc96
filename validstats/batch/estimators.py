"""BatchPredictor: finite-sample statements about whole batches of unlabelled rows, for any model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, Self

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, validate_data

from validstats._typing import AnyArray, Bool1D, Float2D, RandomState
from validstats.base import CalibratedEstimator
from validstats.batch._assemble import assemble_result
from validstats.batch._rows import (
    data_reuse_share,
    encode_labels,
    label_array,
    rejection_keep,
    row_digests_with_labels,
    split_rows,
    take_labels,
    take_rows,
)
from validstats.batch.guarantees import batch_guarantee
from validstats.batch.learned_scores import ProbabilityScore
from validstats.batch.problem import Calibration, Question
from validstats.batch.results import BatchResult
from validstats.batch.score_registry import resolve_score
from validstats.batch.scores import CallableScore, ErrorScore, Score
from validstats.batch.set_targets import ClaimScore
from validstats.batch.targets import Target
from validstats.frames import backend_of, column, is_frame
from validstats.results import Report
from validstats.validation import (
    alpha_fraction,
    check_bounds,
    check_positive_int,
    check_random_state,
    check_same_length,
)

__all__ = ["BatchPredictor"]


class _ScoreSlot:
    """``score`` is the constructor's parameter when set and scikit-learn's scoring method when read."""

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__["score"] = value

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else instance._learner_score


def _learner_has(name: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        return hasattr(getattr(self, "estimator_", self.estimator), name)

    return check


def _target_is(kind: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        return getattr(self.target, "kind", None) == kind

    return check


class BatchPredictor(CalibratedEstimator):
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

    score = _ScoreSlot()
    _classifier: bool
    _score_key: tuple[Any, ...]
    _digests: AnyArray | None
    _reference: AnyArray | None
    _reference_bounds: tuple[float, float]

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
        score = self._make_score()
        validate_data(self, X, skip_check_array=True)
        n = check_same_length(X=_Rows(X), y=label_array(y))
        rng = check_random_state(self.random_state)
        frozen = isinstance(self.estimator, FrozenEstimator)
        train, reserve = split_rows(n, self.calibration_size, frozen, rng)
        y_all = label_array(y)
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
            self._reference, self._reference_bounds = None, (-np.inf, np.inf)
        labels = self._strata_of(X, strata)
        given = None if weights is None else np.asarray(weights)[reserve]
        return self._calibrate(
            take_rows(X, reserve),
            y_all[reserve],
            None if labels is None else labels[reserve],
            given,
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
            self.estimator_ = self.estimator
            self._digests, self._reference, self._reference_bounds = None, None, (-np.inf, np.inf)
            self.score_ = self._make_score()
            validate_data(self, X, skip_check_array=True)
        self._refresh_score()
        check_same_length(X=_Rows(X), y=label_array(y), strata=strata, weights=weights)
        if self._digests is not None and self.check_reuse:
            data_reuse_share(self._digests, X, label_array(y))
        rng = check_random_state(self.random_state)
        return self._calibrate(X, label_array(y), self._strata_of(X, strata), weights, w_max, rng)

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
            If the calibration was by rejection, to which rows of another law cannot be added.

        Notes
        -----
        The statement about each later batch is exact; statements about several batches are not joint.
        """
        self._check_calibrated("update")
        old = self.calibration_
        if old.w_max is not None:
            raise ValueError(
                "update() cannot add rows to a calibration by rejection; calibrate again on all rows."
            )
        check_same_length(X=_Rows(X), y=label_array(y), strata=strata)
        scores = self._scores_of(X, label_array(y), old.label_bounds)
        labels = self._strata_of(X, strata)
        if (labels is None) != (old.strata is None):
            raise ValueError("update() needs strata exactly where calibrate() had them.")
        self.calibration_ = replace(
            old,
            scores=np.concatenate([old.scores, scores]),
            n_supplied=old.n_supplied + scores.size,
            strata=None if labels is None else np.concatenate([old.strata, labels]),
        )
        self.guarantee_ = batch_guarantee(
            self.target, self.calibration_, alpha_fraction(self.confidence_level)
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
            Another level than the estimator's, chosen before looking.
        joint : bool, default False
            Whether the level is split so that the statements hold for all batches at once. By default each holds by
            itself.

        Returns
        -------
        BatchIntervals, BatchSets, BatchSelection or BatchEnvelopes
            The result, by target.

        Raises
        ------
        NotCalibratedError
            Before calibration.
        TypeError, ValueError
            If the data are invalid, or a stratum was not calibrated.

        Warns
        -----
        UninformativeWarning
            If there are too few calibration rows to say anything about some batch.
        """
        self._check_calibrated("infer", "fit(X, y), or calibrate(X, y),")
        level = self.confidence_level if confidence_level is None else confidence_level
        alpha = alpha_fraction(level)
        self._check_features(X)
        labels, rows = self._batches_of(X, batches)
        share = alpha / len(rows) if joint else alpha
        outputs = self.score_.outputs(self.estimator_, X)
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
        return assemble_result(self, outputs, labels, rows, answers, guarantee, float(1 - share), backend)

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
        return self._scores_of(X, label_array(y), (-np.inf, np.inf))

    @property
    def classes_(self) -> AnyArray:
        """Classes of a classifier."""
        return np.asarray(self.estimator_.classes_)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; ``score`` is the one given to the constructor, not the scoring method.

        Parameters
        ----------
        deep : bool, default True
            Whether to include those of nested objects.

        Returns
        -------
        dict
            Values by name.
        """
        params: dict[str, Any] = {**super().get_params(deep=False), "score": self.__dict__["score"]}
        if deep:
            for name, value in list(params.items()):
                if hasattr(value, "get_params") and not isinstance(value, type):
                    params.update({f"{name}__{k}": v for k, v in value.get_params().items()})
        return params

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.regressor_tags, tags.classifier_tags = inner.regressor_tags, inner.classifier_tags
        tags.target_tags, tags.input_tags = inner.target_tags, inner.input_tags
        tags.target_tags.multi_output = False
        tags.non_deterministic = inner.non_deterministic
        return tags

    def _learner_score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the learner's own score of its predictions, for model selection in scikit-learn."""
        self._check_calibrated("score", "fit(X, y)")
        if sample_weight is None:
            return float(self.estimator_.score(X, y))
        return float(self.estimator_.score(X, y, sample_weight=sample_weight))

    def _check_features(self, X: Any) -> None:
        if getattr(X, "ndim", 2) == 1:
            raise ValueError(
                f"Expected 2D array, got 1D array instead: X has shape {X.shape}. Reshape your data with "
                "X.reshape(-1, 1) if it has a single feature, or X.reshape(1, -1) if it is a single row."
            )
        known = type(X) is np.ndarray and X.ndim == 2 and X.shape[1] == getattr(self, "n_features_in_", None)
        if not known or hasattr(self, "feature_names_in_"):
            validate_data(self, X, reset=False, skip_check_array=True)

    def _refresh_score(self) -> None:
        """Follow a target or score that was changed after fit, unless the new score would need training."""
        if self._score_key == self._make_score_key():
            return
        score = self._make_score()
        if type(score).fit is not Score.fit:
            raise ValueError(
                f"The score was changed to {type(score).__name__} after fit, and it needs training rows: fit again."
            )
        self.score_, self._reference, self._reference_bounds = score, None, (-np.inf, np.inf)

    def _make_score_key(self) -> tuple[Any, ...]:
        """What the score depends on, to notice changes."""
        target = self.target
        default = target.default_score(self._classifier)
        own = (getattr(target, "above", None), getattr(target, "tolerance", None))
        return self.__dict__["score"], default, *own

    def _check_parameters(self) -> None:
        if not isinstance(self.target, Target):
            raise TypeError(
                f"target must be a target such as BatchMean() or Simultaneous(miss=0.1), got {self.target!r}."
            )
        self.target.check()
        alpha_fraction(self.confidence_level)
        check_bounds(self.bounds)
        check_positive_int(self.n_resamples, "n_resamples")
        inner = self.estimator.estimator if isinstance(self.estimator, FrozenEstimator) else self.estimator
        self._classifier = bool(is_classifier(inner))

    def _make_score(self) -> Score:
        given = self.__dict__["score"]
        self._score_key = self._make_score_key()
        default = self._score_key[1]
        if default == "claim":
            if given is not None:
                raise ValueError(
                    f"{type(self.target).__name__} defines its own score; leave score=None, got {given!r}."
                )
            return ClaimScore(self.target.above)
        score = resolve_score(given, default, self._classifier)
        if hasattr(score, "tolerance") and hasattr(self.target, "tolerance"):
            score.set_params(tolerance=self.target.tolerance)
        return score

    def _label_bounds(self) -> tuple[float, float]:
        low, high = check_bounds(self.bounds)
        if not self._classifier:
            return low, high
        if isinstance(self.score_, ProbabilityScore | ErrorScore | CallableScore):
            return -np.inf, np.inf
        return max(low, 0.0), min(high, 1.0)

    def _keep_training(self, X: Any, y: AnyArray) -> None:
        frozen = isinstance(self.estimator, FrozenEstimator)
        self._digests = row_digests_with_labels(X, y) if self.check_reuse and not frozen else None
        self._reference = None
        self._reference_bounds = (-np.inf, np.inf)
        if self.target.reference_is_used() and not isinstance(self.score_, CallableScore):
            outputs = self.score_.outputs(self.estimator_, X)
            labels = encode_labels(y, self.score_, self.estimator_)
            self._reference = self.score_.scores(outputs, labels)
            self._reference_bounds = self.score_.score_bounds(outputs, self._label_bounds())

    def _scores_of(self, X: Any, y: AnyArray, label_bounds: tuple[float, float]) -> AnyArray:
        if isinstance(self.score_, CallableScore):
            return self.score_.evaluate(self.estimator_, X, y)
        labels = encode_labels(y, self.score_, self.estimator_)
        low, high = label_bounds
        numeric = labels.dtype.kind == "f"
        if (
            numeric
            and (np.isfinite(low) or np.isfinite(high))
            and (labels.min() < low or labels.max() > high)
        ):
            raise ValueError(
                f"y ranges from {labels.min():g} to {labels.max():g}, outside the stated bounds [{low:g}, {high:g}]. "
                "State bounds that hold for every row, or None where there is none."
            )
        scores = self.score_.scores(self.score_.outputs(self.estimator_, X), labels)
        if not np.isfinite(scores.sum()) and np.isnan(scores).any():
            raise ValueError(
                f"{int(np.isnan(scores).sum())} of the calibration scores are NaN: the learner's predictions have "
                "missing or infinite values. Repair the learner, or drop those rows."
            )
        return scores

    def _calibrate(
        self,
        X: Any,
        y: AnyArray,
        strata: AnyArray | None,
        weights: Any,
        w_max: float | None,
        rng: np.random.Generator,
    ) -> Self:
        n_supplied = y.shape[0]
        keep = rejection_keep(weights, w_max, n_supplied, rng)
        if keep is not None:
            X, y = take_rows(X, keep), y[keep]
            strata = None if strata is None else strata[keep]
        label_bounds = self._label_bounds()
        self.calibration_ = Calibration(
            scores=self._scores_of(X, y, label_bounds),
            n_supplied=n_supplied,
            seed=int(rng.integers(2**63)),
            strata=strata,
            reference=self._reference,
            reference_bounds=self._reference_bounds,
            w_max=None if keep is None else w_max,
            label_bounds=label_bounds,
        )
        self.guarantee_ = batch_guarantee(
            self.target, self.calibration_, alpha_fraction(self.confidence_level)
        )
        return self

    def _strata_of(self, X: Any, strata: Any) -> AnyArray | None:
        chosen = self.strata if strata is None else strata
        if chosen is None:
            return None
        return np.asarray(_column_values(X, chosen, "strata"))

    def _batches_of(self, X: Any, batches: Any) -> tuple[tuple[Any, ...], list[AnyArray]]:
        n = _num_samples(X)
        if n == 0:
            raise ValueError("X has no rows: a batch needs at least one.")
        if batches is None:
            return ("all",), [np.arange(n)]
        ids = np.asarray(_column_values(X, batches, "batches"))
        names, codes = np.unique(ids, return_inverse=True)
        order = np.argsort(codes, kind="stable")
        return tuple(names.tolist()), np.split(order, np.cumsum(np.bincount(codes))[:-1])

    def _answer(self, outputs: AnyArray, rows: AnyArray, alpha: Fraction, strata: AnyArray | None) -> Any:
        calibration = self.calibration_
        if (strata is None) != (calibration.strata is None):
            verb = "gives no strata" if strata is None else "gives strata"
            raise ValueError(f"infer() {verb}, unlike the calibration; pass strata to both or to neither.")

        def ask(part: Calibration, positions: AnyArray) -> Question:
            return Question(part, outputs[positions], positions.size, alpha, self.score_, self.n_resamples)

        if strata is None:
            return self.target.answer(ask(calibration, rows))
        parts = calibration.by_stratum
        present = np.unique(strata[rows]).tolist()
        if unknown := [label for label in present if label not in parts]:
            known = ", ".join(map(repr, parts))
            raise ValueError(f"The strata {unknown} were not calibrated; the calibration has {known}.")
        inside = [np.flatnonzero(strata[rows] == label) for label in present]
        questions = [ask(parts[label], rows[index]) for label, index in zip(present, inside)]
        if len(questions) == 1:
            return self.target.answer(questions[0])
        return self.target.answer_strata(questions, inside)

    def _report(self) -> Report:
        calibration = self.calibration_
        header: list[tuple[str, Any]] = [
            ("Learner", type(getattr(self.estimator_, "estimator", self.estimator_)).__name__),
            ("Target", repr(self.target)),
            ("Score", self.score_.quantity),
            ("Calibration rows", calibration.n),
            ("Confidence level", self.confidence_level),
        ]
        if calibration.w_max is not None:
            header.append(("Rows supplied", calibration.n_supplied))
        if calibration.strata is not None:
            sizes = {str(label): part.n for label, part in calibration.by_stratum.items()}
            header.append(("Strata", ", ".join(f"{k}: {v}" for k, v in sizes.items())))
        return Report(title="Batch predictor", header=header, guarantees=[self.guarantee_])


def _column_values(X: Any, chosen: Any, name: str) -> Any:
    """Values of a column of X given by name or position, of a callable, or of an array."""
    if callable(chosen):
        values = chosen(X)
    elif isinstance(chosen, str):
        if not is_frame(X):
            raise TypeError(
                f"{name}={chosen!r} names a column, but X is no data frame; pass an array of labels."
            )
        values = column(X, chosen)
    elif isinstance(chosen, int) and not isinstance(chosen, bool):
        values = np.asarray(X)[:, chosen]
    else:
        values = np.asarray(chosen)
    if np.ndim(values) != 1 or len(values) != _num_samples(X):
        raise ValueError(
            f"{name} must have one label for each of the {_num_samples(X)} rows, got shape {np.shape(values)}."
        )
    return values


class _Rows:
    """Gives anything with rows a shape, so that lengths can be compared."""

    def __init__(self, X: Any) -> None:
        self.shape = (_num_samples(X),)
