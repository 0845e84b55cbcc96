"""Doors for scikit-learn: a search that shows the holdout only its winners, and a feature selector."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, MetaEstimatorMixin, TransformerMixin, clone, is_classifier
from sklearn.feature_selection import SelectorMixin, f_classif, f_regression
from sklearn.model_selection import ParameterGrid
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from validstats.exceptions import (
    BudgetExhaustedError,
    BudgetExhaustedWarning,
    budget_exhausted_search_message,
    warn,
)
from validstats.holdout.asking import TrainingPart, as_metric, check_labels, count_rows
from validstats.holdout.estimators import ReusableHoldout
from validstats.intake import (
    align,
    check_groups,
    check_literal,
    check_matrix,
    check_positive_int,
    check_vector,
    fit_learner,
    fit_parameters,
    requested_parameters,
    row_labels,
)

__all__ = ["HoldoutSearchCV", "SelectFromHoldout"]


class HoldoutSearchCV(MetaEstimatorMixin, BaseEstimator):
    """Search parameters by cross-validation on the training rows; the holdout sees the winner of each batch only.

    A grid of 100 candidates in 4 batches costs 4 looks at the holdout, not 100, and the guesses are the winners'
    cross-validated scores.

    Parameters
    ----------
    estimator : estimator
        To be tuned; never changed.
    param_grid : mapping or list of mappings
        As in :class:`sklearn.model_selection.GridSearchCV`.
    holdout : ReusableHoldout
        Calibrated; copies of the search share it.
    batches : int, default 1
        Number of consecutive parts of the grid, each of which sends its winner to the holdout.
    release : {"number", "bit"}, default "number"
        What the holdout says: the score of each batch's winner, or, through :meth:`ReusableHoldout.gate`, one bit for each
        candidate in the order of its cross-validated score, whether it is better than the one kept so far.
    start : estimator, array-like of predictions or None, default None
        What a gate starts from; the most frequent label, or the mean, of the training rows if None.
    n_jobs : int or None, default None
        Parallel jobs of the cross-validation.

    Attributes
    ----------
    best_estimator_ : estimator
        Fitted on all training rows.
    best_params_ : dict
        Its parameters.
    best_score_ : float
        Its answer from the holdout, greater is better; its cross-validated score with ``release="bit"``.
    best_answer_ : Answer
        With the interval; not with ``release="bit"``.
    answers_ : list of Answer
        One a batch; empty with ``release="bit"``.
    gate_ : Gate
        With ``release="bit"``: ``gate_.certify()`` says how much better the kept model is than the start.
    kept_ : ndarray of shape (candidates,), bool
        With ``release="bit"``: whether a candidate was kept when it was proposed. Without any, ``best_estimator_`` is the
        start, and ``best_index_`` is -1.
    cv_results_ : dict
        ``params``, ``mean_test_score`` (cross-validated) and ``batch``.
    exhausted_ : bool
        Whether the budget ended the search early.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from validstats.holdout import HoldoutSearchCV, ReusableHoldout
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 3))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> rh = ReusableHoldout(queries=5, random_state=0).fit(X[:500], y[:500]).calibrate(X[500:], y[500:])
    >>> search = HoldoutSearchCV(LogisticRegression(), {"C": [0.001, 0.1, 10.0]}, rh).fit(X[:500], y[:500])
    >>> len(search.answers_), search.exhausted_
    (1, False)
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]],
        holdout: ReusableHoldout,
        *,
        batches: int = 1,
        release: Literal["number", "bit"] = "number",
        start: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.param_grid = param_grid
        self.holdout = holdout
        self.batches = batches
        self.release = release
        self.start = start
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, **fit_params: Any) -> Self:
        """Search.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Training rows, none of them in the holdout.
        y : array-like of shape (n,)
            Labels.
        **fit_params : object
            The estimator's own, such as ``sample_weight``; what has one value a row is matched to the rows.

        Returns
        -------
        HoldoutSearchCV
            Itself.

        Raises
        ------
        DataReuseError
            If holdout rows are among the training rows, as they are or with other features; nothing is charged.
        BudgetExhaustedError
            If not even the first winner could be asked about.
        """
        check_literal(self.release, "release", ("number", "bit"))
        _refuse_holdout_rows(self.holdout, X)
        candidates = list(ParameterGrid(self.param_grid))
        batches = check_positive_int(self.batches, "batches", maximum=len(candidates))
        metric = as_metric(self.holdout.metric)
        requested_parameters(self.estimator, fit_params, self.fit)
        training = _training_rows(self.holdout, X, y, fit_params, "HoldoutSearchCV.fit")
        sign = 1.0 if metric.greater_is_better else -1.0
        guesses = Parallel(n_jobs=self.n_jobs)(
            delayed(training.guess)(self._candidate(params), metric, "cv") for params in candidates
        )
        if self.release == "bit":
            return self._through_gate(candidates, [sign * guess for guess in guesses], training)
        parts = np.array_split(np.arange(len(candidates)), batches)
        winners = [int(part[np.argmax([sign * guesses[i] for i in part])]) for part in parts]
        self.answers_ = []
        self.exhausted_ = False
        fitted: list[tuple[int, Any]] = []
        for i in winners:
            model = training.fitted(self._candidate(candidates[i]))
            try:
                self.answers_.append(self.holdout.infer(model, metric=metric, guess=guesses[i]))
            except BudgetExhaustedError:
                self.exhausted_ = True
                if not fitted:
                    raise
                break
            fitted.append((i, model))
        self._keep_best(candidates, guesses, parts, fitted, sign)
        if self.exhausted_:
            warn(
                budget_exhausted_search_message.format(done=len(fitted), total=len(winners)),
                BudgetExhaustedWarning,
            )
        return self

    def _candidate(self, params: Mapping[str, Any]) -> Any:
        return clone(self.estimator).set_params(**clone(params, safe=False))

    def _through_gate(self, candidates: list[Any], scores: list[float], training: TrainingPart) -> Self:
        """Propose all candidates, the best by cross-validation first, and keep the last that the gate keeps."""
        start = self.start
        if start is None:
            start = _ConstantModel.of(training.y, is_classifier(self.estimator))
        self.gate_ = self.holdout.gate(start)
        self.answers_, self.exhausted_ = [], False
        self.kept_ = np.zeros(len(candidates), dtype=bool)
        self.best_index_, self.best_estimator_, self.best_params_, self.best_score_ = (
            -1,
            start,
            {},
            float("nan"),
        )
        for i in np.argsort(-np.asarray(scores), kind="stable").tolist():
            model = training.fitted(self._candidate(candidates[i]))
            self.kept_[i] = self.gate_.ask(model)
            if self.kept_[i]:
                self.best_index_, self.best_estimator_ = i, model
                self.best_params_, self.best_score_ = candidates[i], scores[i]
        self.cv_results_ = {
            "params": candidates,
            "mean_test_score": np.asarray(scores),
            "batch": np.zeros(len(candidates), dtype=np.int64),
        }
        return self

    def _keep_best(
        self, candidates: list[Any], guesses: list[float], parts: list[Any], fitted: list[Any], sign: float
    ) -> None:
        winner = int(np.argmax([sign * float(answer) for answer in self.answers_]))
        self.best_index_, self.best_estimator_ = fitted[winner]
        self.best_params_ = candidates[self.best_index_]
        self.best_answer_ = self.answers_[winner]
        self.best_score_ = sign * float(self.best_answer_)
        batch = np.concatenate([np.full(len(part), b) for b, part in enumerate(parts)])
        self.cv_results_ = {
            "params": candidates,
            "mean_test_score": sign * np.asarray(guesses),
            "batch": batch,
        }

    def predict(self, X: Any) -> Any:
        """Predict with the best estimator.

        Parameters
        ----------
        X : array-like
            Rows.

        Returns
        -------
        ndarray
            Predictions.
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.predict(X)

    def predict_proba(self, X: Any) -> Any:
        """Predict probabilities with the best estimator.

        Parameters
        ----------
        X : array-like
            Rows.

        Returns
        -------
        ndarray
            Probabilities.
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.predict_proba(X)

    @property
    def classes_(self) -> Any:
        """Classes of the best estimator."""
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.classes_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "best_estimator_")

    def __sklearn_clone__(self) -> Self:
        return _clone_sharing_holdout(self)


class SelectFromHoldout(SelectorMixin, MetaEstimatorMixin, TransformerMixin, BaseEstimator):
    """Forward selection in which the holdout answers one bit a feature: does it help by at least so much?

    Features are tried in the order of their univariate score on the training rows. A feature is kept if the
    holdout confirms that the model with it scores higher, on the same rows, by at least ``min_gain`` in the
    population.

    Parameters
    ----------
    estimator : estimator
        The model; never changed.
    holdout : ReusableHoldout
        Calibrated on rows with the same columns; copies share it.
    min_gain : float, default 0.0
        Least gain, on the metric's scale.
    max_features : int or None, default None
        Number of features to try; all if None.

    Attributes
    ----------
    support_ : ndarray of shape (p,), bool
        Which features were kept.
    order_ : ndarray of shape (tried,), int64
        Which were tried, in order.
    answers_ : list of Answer
        One bit each.
    exhausted_ : bool
        Whether the budget ended the selection early.
    """

    def __init__(
        self,
        estimator: Any,
        holdout: ReusableHoldout,
        *,
        min_gain: float = 0.0,
        max_features: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.holdout = holdout
        self.min_gain = min_gain
        self.max_features = max_features

    def fit(self, X: Any, y: Any, **fit_params: Any) -> Self:
        """Select.

        Parameters
        ----------
        X : array-like or data frame of shape (n, p)
            Training rows, none of them in the holdout.
        y : array-like of shape (n,)
            Labels.
        **fit_params : object
            The estimator's own, such as ``sample_weight``; what has one value a row is matched to the rows.

        Returns
        -------
        SelectFromHoldout
            Itself.
        """
        numbers = check_matrix(X, "X")
        _refuse_holdout_rows(self.holdout, X)
        if len(np.shape(X)) != 2:
            raise ValueError(f"X must be a matrix of finite numbers, got shape {np.shape(X)}.")
        rows = row_labels(X)
        requested_parameters(self.estimator, fit_params, self.fit)
        parameters = fit_parameters(fit_params, rows)
        labels = check_labels(align(y, rows, "y"), len(numbers), "y")
        classify = is_classifier(self.estimator)
        labels = check_groups(labels, "y", len(labels)) if classify else check_vector(labels, "y")
        n_features = numbers.shape[1]
        tried = (
            n_features
            if self.max_features is None
            else check_positive_int(self.max_features, "max_features", maximum=n_features)
        )
        self.n_features_in_ = n_features
        self.order_ = _univariate_order(numbers, labels, classify)[:tried]
        self.answers_ = []
        self.exhausted_ = False
        kept: list[int] = []
        current: _ColumnModel | _ConstantModel = _ConstantModel.of(labels, classify)
        for feature in self.order_:
            columns = [*kept, int(feature)]
            fitted = fit_learner(
                self.estimator, _columns_of(X, columns), labels, parameters, "SelectFromHoldout.fit"
            )
            larger = _ColumnModel(fitted, columns)
            try:
                answer = self.holdout.validate_gain(larger, current, at_least=self.min_gain)
            except BudgetExhaustedError:
                self.exhausted_ = True
                break
            self.answers_.append(answer)
            if answer.passed:
                kept, current = columns, larger
        self.support_ = np.isin(np.arange(n_features), kept)
        if self.exhausted_:
            warn(
                budget_exhausted_search_message.format(done=len(self.answers_), total=len(self.order_)),
                BudgetExhaustedWarning,
            )
        return self

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self, "support_")
        return self.support_

    def __sklearn_clone__(self) -> Self:
        return _clone_sharing_holdout(self)


def _refuse_holdout_rows(holdout: ReusableHoldout, X: Any) -> None:
    """Refuse training rows that the holdout has, where it is calibrated; asking it says so otherwise."""
    if hasattr(holdout, "desk_"):
        holdout.desk_.refuse_holdout_rows(X, "The training set of the search")


def _columns_of(X: Any, columns: list[int]) -> Any:
    return _safe_indexing(X if hasattr(X, "shape") else np.asarray(X), columns, axis=1)


class _ColumnModel:
    """A fitted model that looks at some columns only."""

    def __init__(self, model: Any, columns: list[int]) -> None:
        self.model = model
        self.columns = columns

    def predict(self, X: Any) -> Any:
        return self.model.predict(_columns_of(X, self.columns))

    def predict_proba(self, X: Any) -> Any:
        return self.model.predict_proba(_columns_of(X, self.columns))

    @property
    def classes_(self) -> Any:
        return self.model.classes_


class _ConstantModel:
    """The model without features: the most frequent label, or the mean."""

    def __init__(self, value: Any, shares: np.ndarray, classes: Any = None) -> None:
        self.value = value
        self.shares = shares
        self.classes_ = classes

    @classmethod
    def of(cls, y: np.ndarray, classify: bool) -> _ConstantModel:
        if not classify:
            return cls(float(np.mean(y)), np.array([]))
        classes, counts = np.unique(y, return_counts=True)
        return cls(classes[np.argmax(counts)], counts / counts.sum(), classes)

    def predict(self, X: Any) -> np.ndarray:
        return np.full(np.shape(X)[0], self.value)

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.tile(self.shares, (np.shape(X)[0], 1))


def _training_rows(
    holdout: ReusableHoldout, X: Any, y: Any, fit_params: Mapping[str, Any], given_to: str
) -> TrainingPart:
    declared: TrainingPart | None = getattr(holdout, "training_", None)
    rows = row_labels(X)
    labels = check_labels(align(y, rows, "y"), count_rows(X), "y")
    seed = 0 if declared is None else declared.seed
    classes = np.unique(labels) if declared is None else declared.classes
    return TrainingPart(
        X, labels, classes, seed, parameters=fit_parameters(fit_params, rows), given_to=given_to
    )


def _univariate_order(X: np.ndarray, y: Any, classify: bool) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = (f_classif if classify else f_regression)(X, np.asarray(y))[0]
    return np.argsort(-np.nan_to_num(scores, nan=-1.0), kind="stable")


def _clone_sharing_holdout(search: Any) -> Any:
    params = search.get_params(deep=False)
    copies = {
        name: value if name == "holdout" else clone(value, safe=False) for name, value in params.items()
    }
    return type(search)(**copies)
