"""Predictor of statements about whole batches of unlabelled rows, valid in finite samples for any model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from validstats._typing import AnyArray, Bool1D, Float2D, RandomState
from validstats.base import CalibratedEstimator
from validstats.batch.checks import check_covariates, check_order, check_within, plural
from validstats.batch.levels import BatchLevels, level_guarantee
from validstats.batch.parts import PartColumns, asked_parts, scored_parts
from validstats.batch.results import BatchResult, BatchSelection, BatchSets
from validstats.batch.rows import AskedRows, LabelledRows, column_values, numeric_columns, split_batches
from validstats.batch.scores import Score
from validstats.batch.scoring import GivenPredictions, Scorer, is_frozen
from validstats.batch.targets import Calibration, Inquiry, Target
from validstats.guarantee import Guarantee
from validstats.intake import (
    alpha_fraction,
    backend_of,
    check_bounds,
    check_literal,
    check_positive_int,
    check_random_state,
    check_vector,
    is_frame,
    requested_parameters,
    row_labels,
)
from validstats.results import Report
from validstats.runtime import RowParts, is_parts

__all__ = ["BatchPredictor"]

CalibrationUnit: TypeAlias = Literal["batch", "row"]
"""What counts as one exchangeable unit where labelled rows come with batches."""


def _as_levels(confidence_level: Any) -> list[Any]:
    """One level or several, in increasing order."""
    if not isinstance(confidence_level, Sequence | np.ndarray) or isinstance(confidence_level, str):
        return [confidence_level]
    levels = sorted(set(np.asarray(confidence_level).ravel().tolist()))
    if not levels:
        raise ValueError("confidence_level must hold at least one level, got none.")
    return levels


def _refuse_parts(X: Any, verb: str) -> None:
    if is_parts(X):
        raise TypeError(
            f"X: {verb}() needs the rows in memory, got {type(X).__name__}; calibrate() and infer() read rows in parts. Train the "
            "learner on a sample of the rows, or elsewhere and pass it in FrozenEstimator."
        )


def _learner_has(name: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        return hasattr(getattr(self, "estimator_", self.estimator), name)

    return check


def _target_gives(result_type: type[BatchResult]) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        return isinstance(self.target, Target) and issubclass(self.target.result_type, result_type)

    return check


class BatchPredictor(CalibratedEstimator):
    """Finite-sample statements about a batch of rows, for any model and any distribution.

    ``fit`` trains the learner on part of the rows and calibrates on the rest; ``infer`` makes the statement about
    one or many batches of unlabelled rows; ``predict`` gives the learner's plain predictions.

    Parameters
    ----------
    estimator : estimator or None
        None takes numeric predictions from anywhere in place of rows: ``calibrate(y_pred, y)``, ``infer(y_pred_new)``.
        Otherwise any scikit-learn regressor or classifier. Wrapped in ``FrozenEstimator`` it counts as already fitted, and all
        rows given to ``fit`` calibrate.
    target : Target
        The question: :class:`BatchMean`, :class:`BatchTotal`, :class:`BatchQuantile`, :class:`Simultaneous`,
        :class:`ErrorCount`, :class:`Selection`, :class:`Envelope` or :class:`Compositional`.
    conformity_score : str, callable, Score or None, default None
        "absolute", "signed", "normalised", "cqr", "label", "probability", "aps", "error", a callable
        ``score(model, X, y)``, or a score object. None takes the target's default.
    confidence_level : float, default 0.95
        Level of the statement about one batch, in (0, 1).
    calibration_size : float, int or None, default None
        Share or number of the rows given to ``fit`` that calibrate. None is 0.3, and everything for a frozen learner.
    bounds : tuple of (float or None, float or None), default (None, None)
        Known bounds of the labels. Bounds for means of unbounded labels need
        ``n >= m (1 - alpha) / alpha`` calibration rows. A callable score has bounds of its own: see CallableScore.
    positive : object or None, default None
        Label that counts as 1, all others being 0, where labels are words: ``positive="pass"``. Predictions in words are
        read in the same way, a missing one as 1/2. None takes numbers as they are.
    strata : str, int, callable or None, default None
        Strata within which rows are exchangeable: a column of X by name or position, or a callable of X. The batch may
        mix them differently. Arrays can be passed to the verbs instead.
    unit : {"batch", "row"}, default "batch"
        What counts as one exchangeable unit where labelled rows come with ``batches``. "row" takes single rows all the
        same, and ``infer`` warns if rows of one batch move together.
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
    0            150             0.9511
    """

    calibration_: Calibration
    _scorer: Scorer
    _labelled: Any = None
    # Names of the features of a learner without names, where it was calibrated on rows in parts.
    _features: tuple[str, ...] | None = None

    def __init__(
        self,
        estimator: Any,
        target: Target,
        *,
        conformity_score: Any = None,
        confidence_level: float = 0.95,
        calibration_size: float | int | None = None,
        bounds: tuple[float | None, float | None] = (None, None),
        positive: Any = None,
        strata: Any = None,
        unit: CalibrationUnit = "batch",
        n_resamples: int = 9999,
        check_reuse: bool = True,
        random_state: RandomState = None,
    ) -> None:
        self.estimator = estimator
        self.target = target
        self.conformity_score = conformity_score
        self.confidence_level = confidence_level
        self.calibration_size = calibration_size
        self.bounds = bounds
        self.positive = positive
        self.strata = strata
        self.unit = unit
        self.n_resamples = n_resamples
        self.check_reuse = check_reuse
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        batches: Any = None,
        strata: Any = None,
        weights: Any = None,
        w_max: float | None = None,
        ids: Any = None,
        **fit_params: Any,
    ) -> Self:
        """Train the learner on part of the rows and calibrate on the rest.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows.
        y : array-like of shape (n,)
            Labels.
        batches : array-like of shape (n,), str or None, default None
            Batch of each row, or the column of X that holds it, where whole past batches are to be the units: half of
            them train the learner, unless ``calibration_size`` says otherwise, and no batch is on both sides.
        strata, weights, w_max, ids
            As in :meth:`calibrate`; the first three concern the calibration part.
        **fit_params : object
            The learner's own, such as ``sample_weight`` or ``eval_set``; what has one value a row is matched to the rows
            and goes with those that train. With metadata routing of scikit-learn those that the learner requests.

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
        _refuse_parts(X, "fit")
        X = self._given(X)
        scorer = Scorer.make(self.estimator, self.target, self.conformity_score, self.bounds, self.positive)
        validate_data(self, X, skip_check_array=True)
        given = LabelledRows.read(
            X,
            y,
            self.strata if strata is None else strata,
            weights,
            batches,
            ids,
            positive=self.positive,
            parameters=self._check_fit_parameters(fit_params),
        )
        rng = check_random_state(self.random_state)
        train, reserve = given.split(self.calibration_size, is_frozen(self.estimator), rng)
        self._scorer = (
            scorer.trained(train, self.target, self.check_reuse, self.bounds) if train.n else scorer
        )
        self.calibration_ = self._scorer.calibrate(reserve, self.target, self.bounds, w_max, rng, self.unit)
        self._labelled = reserve.X if w_max is None and is_frame(reserve.X) else None
        return self

    def calibrate(
        self,
        X: Any,
        y: Any,
        *,
        batches: Any = None,
        strata: Any = None,
        weights: Any = None,
        w_max: float | None = None,
        ids: Any = None,
        reference: Any = None,
    ) -> Self:
        """Spend labelled rows that the learner has not seen; an earlier calibration is replaced.

        Parameters
        ----------
        X : array-like or data frame of n rows, or rows in parts
            Rows that are exchangeable with those of future batches, given the learner. Rows in parts are a dask data frame, a
            data set of pyarrow, the path of Parquet files, a list of frames, or a function that returns an iterator of frames:
            scores are made part by part, and one number a row is kept. Their companions are columns, by name.
        y : array-like of shape (n,) or str
            Their labels; the column that holds them where the rows are in parts.
        batches : array-like of shape (n,), str or None, default None
            Batch of each row, or the column of X that holds it. If given, whole past batches are the units: nothing is
            assumed about rows inside, so that a batch may share a shock, but batches must be exchangeable with the new
            one, and two-sided statements at 0.9 need 19 of them. None takes rows as units.
        strata : array-like of shape (n,) or None, default None
            Stratum of each row; needed in ``infer`` as well then.
        weights : array-like of shape (n,) or None, default None
            Known ratio of the batch's density to the density of these rows, for covariate shift. A row is kept with
            probability ``weight / w_max``.
        w_max : float or None, default None
            Declared upper bound of the weights on their whole domain, not their sample maximum. Required with
            weights; a weight above it is an error.
        ids : array-like of shape (n,), str or None, default None
            Who the rows are, or the column of X that says it. Companions with labels are matched by it, and by the index of
            pandas objects where it is None; what has no labels is taken by position.
        reference : tuple (X, y), array-like of shape (k,) or None, default None
            Other labelled rows, independent of these and of every batch, from which a score learns what it needs beyond a
            frozen learner (the scale of "normalised", the quantiles of "cqr"), and rank weights ("phi-band", "phi-sum") and the
            width of bets with one known bound are learned. Or scores of such rows, for the
            last two only: rows do better, since bounds of their scores are known.

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
            If more than 5 % of the rows were used for training, or are rows of the reference.
        """
        self._check_parameters()
        parts = None
        if is_parts(X):
            parts = self._parts_of(X, y, batches, strata, weights, ids)
            X = parts[1].head
        else:
            X = self._given(X)
        scorer = self._scorer_to_calibrate(X)
        scores = None
        if isinstance(reference, tuple) and any(hasattr(part, "__len__") for part in reference):
            scorer = self._taught(scorer, reference)
        elif reference is not None:
            scores = check_vector(reference, "reference")
        if parts is not None:
            self.calibration_ = self._calibration_of_parts(scorer, *parts, w_max, scores)
            self._labelled, self._scorer = parts[0] if w_max is None else None, scorer
            self._features = parts[1].features
            return self
        given = LabelledRows.read(
            X, y, self.strata if strata is None else strata, weights, batches, ids, positive=self.positive
        )
        if self.check_reuse:
            scorer.warn_reuse(given)
        self.calibration_ = scorer.calibrate(
            given,
            self.target,
            self.bounds,
            w_max,
            self.random_state,
            self.unit,
            scores,
        )
        self._labelled = X if w_max is None and is_frame(X) else None
        self._scorer = scorer
        return self

    def update(self, X: Any, y: Any, *, batches: Any = None, strata: Any = None, ids: Any = None) -> Self:
        """Add rows whose labels have become known to the calibration, after a batch has been predicted.

        Parameters
        ----------
        X, y, batches, strata, ids
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
        self._check_ready("update")
        _refuse_parts(X, "update")
        X = self._given(X)
        given = LabelledRows.read(
            X,
            y,
            self.strata if strata is None else strata,
            batches=batches,
            ids=ids,
            positive=self.positive,
        )
        self._check_features(X)
        if self.check_reuse:
            self._scorer.warn_reuse(given)
        self.calibration_ = self._scorer.extended(self.calibration_, given)
        self._labelled = None
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

    @available_if(_learner_has("predict_proba"))  # type: ignore[untyped-decorator]
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

    @available_if(_learner_has("decision_function"))  # type: ignore[untyped-decorator]
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
        confidence_level: float | Sequence[float] | None = None,
        joint: bool = False,
        ids: Any = None,
    ) -> BatchResult | BatchLevels:
        """Make the statement about one or many batches of unlabelled rows.

        Parameters
        ----------
        X : array-like or data frame of n rows, or rows in parts
            Rows of all batches; in parts as in :meth:`calibrate`.
        batches : array-like of shape (n,), str or None, default None
            Batch of each row, or the column of X that holds it; None takes all rows as one batch. A batch must be
            exchangeable with the calibration rows as a whole: one household or document is not.
        strata : array-like of shape (n,) or None, default None
            Stratum of each row, where the calibration had strata.
        confidence_level : float, sequence of float or None, default None
            Another level than the estimator's, or several, chosen before looking; each of several holds by itself.
            Not for ``Selection(fdr=...)``, which bounds an
            expected share.
        joint : bool, default False
            Whether the level is split so that the statements hold for all batches at once. By default each holds by
            itself. Not for ``Selection(fdr=...)``.
        ids : array-like of shape (n,), str or None, default None
            As in :meth:`calibrate`.

        Returns
        -------
        BatchIntervals, BatchSets, BatchSelection, BatchEnvelopes or BatchLevels
            The result, by target; results at several levels are held by one object.

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
        DependentRowsWarning
            If rows are the units, and labelled rows of one batch move together (permutation test at 0.01). It is checked
            where batches of the labelled rows are known: from ``unit="row"``, or where ``batches`` names a column that
            their data frame had.
        DriftWarning
            If the numeric columns of X do not look like those of the calibration rows, or past batches trend in the order of
            their names (permutation tests at 0.01).
        """
        self._check_ready("infer", "fit(X, y), or calibrate(X, y),")
        levels = _as_levels(self.confidence_level if confidence_level is None else confidence_level)
        alphas = [self._alpha(None if confidence_level is None else level, joint) for level in levels]
        chosen = self.strata if strata is None else strata
        if (chosen is None) != (self.calibration_.strata is None):
            verb = "gives no strata" if chosen is None else "gives strata"
            raise ValueError(f"infer() {verb}, unlike the calibration; pass strata to both or to neither.")
        asked = self._asked(X, batches, chosen, ids)
        inquiry = replace(self._inquiry(asked, alphas[0], joint), findings=self._checks(asked, batches))
        results = tuple(replace(inquiry, alpha=alpha).result() for alpha in alphas)
        if len(results) == 1:
            return results[0]
        guarantee = level_guarantee(results, [1 - alpha for alpha in alphas], self.target.statement())
        return BatchLevels(results=results, guarantee=guarantee, backend=inquiry.backend)

    @available_if(_target_gives(BatchSets))  # type: ignore[untyped-decorator]
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

    @available_if(_target_gives(BatchSelection))  # type: ignore[untyped-decorator]
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
        given = LabelledRows.read(X, y, positive=self.positive)
        self._check_features(X)
        return self._scorer.scores(X, given.y)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the learner's own score of its predictions, for model selection in scikit-learn.

        Parameters
        ----------
        X : array-like or data frame of n rows
            Rows.
        y : array-like of shape (n,)
            Labels.
        sample_weight : array-like of shape (n,) or None, default None
            Weights of the rows.

        Returns
        -------
        float
            R squared of a regressor, accuracy of a classifier, unless the learner has another score.

        Raises
        ------
        NotCalibratedError
            Before calibration.
        """
        self._check_calibrated("score", "fit(X, y)")
        given = LabelledRows.read(
            X, y, weights=sample_weight, weights_name="sample_weight", positive=self.positive
        )
        weights = {} if given.weights is None else {"sample_weight": given.weights}
        labels = given.labels if self._scorer.classifier else check_vector(given.y, "y")
        return float(self.estimator_.score(X, labels, **weights))

    @property
    def estimator_(self) -> Any:
        """The fitted learner."""
        return self._scorer.learner

    @property
    def score_(self) -> Score:
        """The fitted score."""
        return self._scorer.score

    @property
    def classes_(self) -> AnyArray:
        """Classes of a classifier."""
        return np.asarray(self.estimator_.classes_)

    @property
    def guarantee_(self) -> Guarantee:  # type: ignore[override]
        """What ``infer`` promises for one batch."""
        return self.target.guarantee(self.calibration_, alpha_fraction(self.confidence_level))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(GivenPredictions() if self.estimator is None else self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.regressor_tags, tags.classifier_tags = inner.regressor_tags, inner.classifier_tags
        tags.target_tags, tags.input_tags = inner.target_tags, inner.input_tags
        tags.target_tags.multi_output = False
        tags.non_deterministic = inner.non_deterministic
        return tags

    def _check_parameters(self) -> None:
        if not isinstance(self.target, Target):
            raise TypeError(
                f"target must be a target such as BatchMean() or Simultaneous(miss=0.1), got {self.target!r}."
            )
        self.target.check()
        alpha_fraction(self.confidence_level)
        check_bounds(self.bounds)
        check_positive_int(self.n_resamples, "n_resamples")
        check_literal(self.unit, "unit", get_args(CalibrationUnit))

    def _check_features(self, X: Any) -> None:
        if self.estimator is None:
            return
        if getattr(X, "ndim", 2) == 1:
            raise ValueError(
                f"Expected 2D array, got 1D array instead: X has shape {X.shape}. Reshape your data with "
                "X.reshape(-1, 1) if it has a single feature, or X.reshape(1, -1) if it is a single row."
            )
        known = type(X) is np.ndarray and X.ndim == 2 and X.shape[1] == getattr(self, "n_features_in_", None)
        if not known or hasattr(self, "feature_names_in_"):
            validate_data(self, X, reset=False, skip_check_array=True)

    def _check_fit_parameters(self, given: dict[str, Any]) -> dict[str, Any]:
        """The learner's own fit parameters as they were given, once it is known that it takes them."""
        if given and is_frozen(self.estimator):
            raise TypeError(
                f"{', '.join(map(repr, given))}: the learner is fitted already and takes no fit parameters. Weights for "
                "covariate shift are weights= with w_max=; fit() itself takes batches, strata and ids as well."
            )
        requested_parameters(self.estimator, given, self.fit)
        return given

    def get_metadata_routing(self) -> MetadataRouter:
        """Say which metadata go where: to this estimator, and to the learner's ``fit``.

        Returns
        -------
        MetadataRouter
            As scikit-learn's metadata routing asks for.
        """
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        if self.estimator is None:
            return router
        return router.add(
            estimator=self.estimator, method_mapping=MethodMapping().add(caller="fit", callee="fit")
        )

    def _given(self, X: Any) -> Any:
        """Rows as they are; predictions in their place are checked, whether or not the target reads them."""
        if self.estimator is not None:
            return X
        values = GivenPredictions(self.positive).predict(X)
        return values if isinstance(X, memoryview | list | tuple) else X

    def _check_ready(self, verb: str, remedy: str = "fit(...) and then calibrate(...)") -> None:
        """Refuse to answer before calibration, or after something was changed that the calibration rests on."""
        self._check_calibrated(verb, remedy)
        self._check_parameters()
        if self.positive != self._scorer.positive:
            raise ValueError(
                f"positive was changed from {self._scorer.positive!r} to {self.positive!r}, and labels were read by the first: "
                "fit or calibrate again."
            )
        self._scorer.check_unchanged(self.calibration_, self.target, self.conformity_score, self.bounds, verb)

    def _scorer_to_calibrate(self, X: Any) -> Scorer:
        """The trained scorer, or a new one around a frozen learner."""
        if hasattr(self, "_scorer") and (
            self._scorer.positive == self.positive or not is_frozen(self.estimator)
        ):
            if self._scorer.positive != self.positive:
                raise ValueError(
                    f"positive was changed from {self._scorer.positive!r} to {self.positive!r} after the learner was trained: "
                    "call fit(X, y) again."
                )
            return self._scorer.following(self.target, self.conformity_score, self.bounds)
        if not is_frozen(self.estimator):
            self._check_calibrated("calibrate", "fit(X, y), or wrap a fitted learner in FrozenEstimator,")
        scorer = Scorer.make(self.estimator, self.target, self.conformity_score, self.bounds, self.positive)
        validate_data(self, X, skip_check_array=True)
        return scorer

    def _taught(self, scorer: Scorer, reference: tuple[Any, ...]) -> Scorer:
        """The scorer after its score has learned from the reference rows."""
        if not is_frozen(self.estimator):
            raise TypeError(
                "reference=(X, y) teaches the score of a frozen learner; fit(X, y) has training rows of its own for that."
            )
        if len(reference) != 2:
            raise ValueError(
                f"reference must be (X, y) or a vector of scores, got a tuple of {len(reference)}."
            )
        X, y = self._given(reference[0]), reference[1]
        if self.estimator is not None:
            validate_data(self, X, reset=False, skip_check_array=True)
        rows = LabelledRows.read(X, y, positive=self.positive)
        return scorer.taught(rows, self.target, self.check_reuse, self.bounds)

    def _alpha(self, confidence_level: float | None, joint: bool) -> Fraction:
        """The level of a statement; a bound of an expected share reads none."""
        if not isinstance(joint, bool | np.bool_):
            raise TypeError(f"joint must be True or False, got {joint!r}.")
        if not self.target.has_level and (joint or confidence_level is not None):
            option = "joint" if joint else "confidence_level"
            raise ValueError(
                f"{option} is not read with fdr, which bounds an expected share of false claims in each batch: leave it out."
            )
        return alpha_fraction(self.confidence_level if confidence_level is None else confidence_level)

    def _checks(self, asked: AskedRows, batches: Any) -> tuple[tuple[str, Any], ...]:
        """Check what can be checked of the assumptions, and warn."""
        calibration = self.calibration_
        known, key, remedy = calibration.row_batches, "units", 'set unit="batch"'
        if calibration.batches is not None:
            known = calibration.batches
        elif known is None and isinstance(batches, str) and self._labelled is not None:
            known = calibration.once(("column", batches), lambda: self._column_of_labelled(batches))
            key, remedy = batches, f"pass batches={batches!r} to fit(), calibrate() and update() as well"
        found: list[tuple[str, Any]] = []
        if known is not None:
            unit = key if isinstance(batches, str) and key == batches else calibration.batch_name
            found.append((f"Rows of one {unit}", check_within(calibration, known, key, unit, remedy)))
        if calibration.batches is not None:
            found.append((f"Order of {plural(calibration.batch_name)}", check_order(calibration)))
        if (drift := check_covariates(calibration, asked, batches)) is not None:
            found.append(("Covariates", drift))
        return tuple(found)

    def _column_of_labelled(self, name: str) -> AnyArray | None:
        """A column of the labelled rows, where they have it and their scores are in their order."""
        if self.calibration_.ordered:
            return None
        labelled = self._labelled
        try:
            if isinstance(labelled, RowParts):
                return column_values(labelled, labelled.column(name), "batches", labelled.rows)
            return column_values(labelled, name, "batches")
        except (KeyError, TypeError, ValueError):
            return None

    def __getstate__(self) -> dict[str, Any]:
        """State without the reference to the caller's rows."""
        state = dict(super().__getstate__())
        if "_labelled" in state:
            state["_labelled"] = None
        return state

    def _asked(self, X: Any, batches: Any, strata: Any, ids: Any) -> AskedRows:
        """Unlabelled rows with the outputs of the learner, in memory or in parts."""
        if is_parts(X):
            parts, columns = self._parts_of(X, None, batches, strata, None, ids)
            self._check_features(columns.head)
            return asked_parts(
                self._scorer, parts, columns, lambda: np.random.default_rng([self.calibration_.seed, 2])
            )
        X = self._given(X)
        self._check_features(X)
        named = row_labels(X, ids)
        return AskedRows(
            outputs=self._scorer.outputs(X),
            batches=None if batches is None else column_values(X, batches, "batches", named),
            strata=None if strata is None else column_values(X, strata, "strata", named),
            named=named,
            backend="pandas" if isinstance(X, np.ndarray) else backend_of(X),
            compared=partial(numeric_columns, X),
        )

    def _inquiry(self, asked: AskedRows, alpha: Fraction, joint: bool) -> Inquiry:
        labels, rows = split_batches(asked.n, asked.batches)
        return Inquiry(
            target=self.target,
            calibration=self.calibration_,
            score=self.score_,
            outputs=asked.outputs,
            batches=labels,
            rows=rows,
            strata=asked.strata,
            alpha=alpha,
            joint=bool(joint),
            n_resamples=self.n_resamples,
            classes=getattr(self.estimator_, "classes_", None),
            backend=asked.backend,
            named=asked.named,
            positive=self.positive,
        )

    def _parts_of(
        self, X: Any, y: Any, batches: Any, strata: Any, weights: Any, ids: Any
    ) -> tuple[RowParts, PartColumns]:
        """Rows in parts, and what their columns are."""
        parts = RowParts.of(X, name="X")
        learner = self.estimator_ if hasattr(self, "_scorer") else self.estimator
        learner = getattr(learner, "estimator", learner) if is_frozen(learner) else learner
        named = getattr(learner, "feature_names_in_", None)
        names = getattr(self, "feature_names_in_", self._features if named is None else named)
        columns = PartColumns.of(
            parts,
            None if self.estimator is None else learner,
            names,
            y=y,
            weights=weights,
            batches=batches,
            strata=self.strata if strata is None else strata,
            ids=ids,
        )
        return parts, columns

    def _calibration_of_parts(
        self, scorer: Scorer, parts: RowParts, columns: PartColumns, w_max: float | None, reference: Any
    ) -> Calibration:
        if columns.y is None:
            raise TypeError("y must name the column of the labels where rows arrive in parts, got None.")
        scorer.check_classes(self.target)
        rows = scored_parts(
            scorer,
            parts,
            columns,
            bounds=self.bounds,
            w_max=w_max,
            random_state=self.random_state,
            check_reuse=self.check_reuse,
            unit=self.unit,
        )
        return scorer.calibration(rows, self.bounds, w_max, self.unit, reference)

    def _report(self) -> Report:
        calibration = self.calibration_
        header: list[tuple[str, Any]] = [
            ("Learner", type(getattr(self.estimator_, "estimator", self.estimator_)).__name__),
            ("Target", repr(self.target)),
            ("Score", self.score_.quantity),
            ("Calibration rows", calibration.n),
        ]
        known = calibration.row_batches if calibration.batches is None else calibration.batches
        if known is not None:
            unit = calibration.batch_name
            header.append((f"Past {plural(unit)}", np.unique(known).size))
            header.append((f"Rows of one {unit}", check_within(calibration, known, "units", unit)))
        if calibration.batches is not None:
            header.append((f"Order of {plural(unit)}", check_order(calibration, silent=True)))
        if self.target.has_level:
            header.append(("Confidence level", self.confidence_level))
        if calibration.w_max is not None:
            header.append(("Rows supplied", calibration.n_supplied))
        if calibration.strata is not None:
            sizes = {str(label): part.n for label, part in calibration.by_stratum.items()}
            header.append(("Strata", ", ".join(f"{k}: {v}" for k, v in sizes.items())))
        return Report(title="Batch predictor", header=header, guarantees=[self.guarantee_])
