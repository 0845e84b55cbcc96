"""``DesignSupervised``: regressions from machine labels, corrected by a sample of expert labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, get_args

import numpy as np

from validstats._typing import AnyArray, FloatND, RandomState
from validstats.base import CalibratedEstimator
from validstats.dsl.fit import EstimatorName, Population, Tuning
from validstats.dsl.labelling import LabellingMixin
from validstats.dsl.labels import (
    Calibration,
    CrossFitter,
    PartialLabels,
    calibration_report,
    encode_features,
    label_kind,
    labelled_rows,
    make_folds,
    predict_labels,
    read_labels,
    resolve_design,
    resolve_probability,
    typed_labels,
    warn_about_labels,
)
from validstats.dsl.moments import Moment, VarianceKind, cluster_codes
from validstats.dsl.regression import (
    InferenceRequest,
    ModelName,
    calibration_guarantee,
    joined_names,
    row_vectors,
    run_inference,
    surrogate_columns,
)
from validstats.intake import (
    backend_of,
    check_confidence_level,
    check_literal,
    check_positive_int,
    check_random_state,
    column,
    is_frame,
    to_pandas,
)
from validstats.results import Report

__all__ = ["DesignSupervised"]


class DesignSupervised(LabellingMixin, CalibratedEstimator):
    """Regressions from machine labels that are allowed to be wrong.

    Every unit has machine labels; a sample with known probabilities also has expert labels. Coefficients are
    those that expert labels of all units would give, for any quality of the machine labels.

    Parameters
    ----------
    learner : estimator, mapping of str to estimator, or None, default None
        Scikit-learn estimator that predicts expert labels from what is always observed: a classifier for
        classes, a regressor for numbers, or one for each label by name. None uses penalised logistic and
        linear regression on standardised features.
    estimator : {"tuned", "dsl", "ppi", "ppi++", "gold"}, default "tuned"
        ``"tuned"``: cross-fitted expectation of the score, raw machine labels and a constant, combined to
        the least variance. ``"dsl"``: plug-in of cross-fitted labels, median of sample splits, as the R
        package. ``"ppi"`` and ``"ppi++"``: raw machine labels, unscaled and scaled. ``"gold"``: expert labels
        alone.
    n_folds : int or None, default None
        Folds of the cross-fitting, at least 2; None is 5.
    n_repeats : int or None, default None
        Repeats of the cross-fitting; None is 10 for ``"dsl"`` and 3 otherwise.
    confidence_level : float, default 0.95
        Level of the intervals.
    random_state : int, numpy.random.Generator or None, default None
        Seed of the folds.
    sequential : bool, default False
        Whether labels come in sequence, by :meth:`next_labels` and ``calibrate`` in turn. Predictions are
        then learned from earlier labels only, folds are refused, and intervals hold at all looks at once.

    Attributes
    ----------
    calibration_ : Calibration
        Labels, probabilities, folds and cross-fitted predictions.
    guarantee_ : Guarantee
        What any inference promises.

    References
    ----------
    Egami, Hinck, Stewart and Wei (2023), NeurIPS, arXiv 2306.04746.
    Angelopoulos, Duchi and Zrnic (2023), PPI++, arXiv 2311.01453.
    Chen and Chen (2000), JRSS-B 62, 449-460.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from validstats import DesignSupervised
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=4000)
    >>> truth = (rng.random(4000) < 1 / (1 + np.exp(-x))).astype(float)
    >>> machine = np.where(rng.random(4000) < 0.85, truth, 1 - truth)
    >>> docs = pd.DataFrame({"x": x, "machine": machine})
    >>> docs["expert"] = np.where(rng.random(4000) < 0.2, truth, np.nan)
    >>> dsl = DesignSupervised(random_state=0).fit(docs, surrogate="machine").calibrate(docs["expert"])
    >>> result = dsl.infer("expert ~ x", model="logit")
    >>> low, high = result.confidence_interval()[1]
    >>> bool(low < 1.0 < high), bool(result.naive.params[1] < low)
    (True, True)
    """

    def __init__(
        self,
        learner: Any = None,
        *,
        estimator: EstimatorName = "tuned",
        n_folds: int | None = None,
        n_repeats: int | None = None,
        confidence_level: float = 0.95,
        random_state: RandomState = None,
        sequential: bool = False,
    ) -> None:
        self.learner = learner
        self.estimator = estimator
        self.n_folds = n_folds
        self.n_repeats = n_repeats
        self.confidence_level = confidence_level
        self.random_state = random_state
        self.sequential = sequential

    def fit(
        self,
        data: Any,
        *,
        surrogate: str | Sequence[str] | Mapping[str, str] | None = None,
        features: Sequence[str] | Literal["all"] = "all",
    ) -> Self:
        """Record the units and what predicts their labels.

        Parameters
        ----------
        data : pandas, polars or pyarrow table
            One row a unit.
        surrogate : str, sequence of str, mapping of str to str, or None, default None
            Machine label columns: the one for the (first) expert label, several of which the first is, or
            one for every expert label by its name. None if there are features only.
        features : sequence of str or "all", default "all"
            Other always-observed columns that predict expert labels. ``"all"`` adds, at every ``infer``,
            those of the formula, an observed outcome included.

        Returns
        -------
        DesignSupervised
            Itself, not calibrated any more.

        Raises
        ------
        TypeError
            If the data are not a data frame.
        KeyError
            If a column does not exist.
        """
        check_literal(self.estimator, "estimator", get_args(EstimatorName))
        if self.n_folds is not None:
            check_positive_int(self.n_folds, "n_folds", minimum=2)
        if self.n_repeats is not None:
            check_positive_int(self.n_repeats, "n_repeats")
        check_confidence_level(self.confidence_level)
        if not is_frame(data):
            raise TypeError(
                f"data must be a pandas, polars or pyarrow table with named columns, got {type(data).__name__}. "
                "Wrap arrays in pandas.DataFrame({...})."
            )
        if isinstance(features, str) and features != "all":
            raise ValueError(f"features must be a list of column names or 'all', got {features!r}.")
        for name in (*surrogate_columns(surrogate), *(() if features == "all" else features)):
            column(data, name)
        self._check_sequential()
        for name in ("calibration_", "labelling_"):
            if hasattr(self, name):
                delattr(self, name)
        self.backend_ = backend_of(data)
        self.data_ = to_pandas(data).reset_index(drop=True)
        if len(self.data_) == 0:
            raise ValueError("data has no rows.")
        self.surrogate_ = surrogate
        self.features_ = features
        return self

    def calibrate(
        self,
        labels: Any,
        *,
        sampling_probability: Any = None,
        strata: Any = None,
        clusters: Any = None,
        partial_labels: PartialLabels = "error",
    ) -> Self:
        """Spend the expert labels: cross-fit the learner and record how labelled rows were drawn.

        Parameters
        ----------
        labels : series, data frame, mapping of str to array-like, or array-like of shape (n,)
            Expert labels, NaN or None where a row is not labelled. Names are those of the formula.
        sampling_probability : array-like of shape (n,), float, "estimated" or None, default None
            Probability in (0, 1] with which each row was to be labelled. None asserts simple random
            sampling (within strata, or of whole clusters). ``"estimated"`` fits a logistic regression on
            surrogates and features, which the guarantee then says.
        strata : array-like of shape (n,), str or None, default None
            Strata within which a fixed number of rows was drawn, or of whole clusters, which must then lie within the
            strata; values or a column name.
        clusters : array-like of shape (n,), str, sequence of str or None, default None
            Dependent rows: values, or one or two column names. Folds keep the first kind together, and
            standard errors are clustered. Where clusters are labelled entirely or not at all, they are the
            sampling units.
        partial_labels : {"error", "unlabelled"}, default "error"
            What to do with rows that carry some of several labels.

        Returns
        -------
        DesignSupervised
            Itself.

        Raises
        ------
        ValueError
            If labels, probabilities, strata or clusters do not fit the data.
        NotFittedError
            If ``fit`` has not been called.

        Warns
        -----
        LabellingWarning
            If labels are few, probabilities very unequal, or at odds with the number of labels.
        """
        if not hasattr(self, "data_"):
            self._check_calibrated("calibrate", "fit(data, surrogate=...)")
        if self.sequential:
            self._refuse_design(sampling_probability, strata, clusters)
            return self._calibrate_sequential(labels)
        check_literal(partial_labels, "partial_labels", get_args(PartialLabels))
        n = len(self.data_)
        known = read_labels(labels, n)
        labelled, n_partial = labelled_rows(known, partial_labels)
        cluster_arrays = tuple(cluster_codes(c.astype(str)) for c in self._vectors(clusters, "clusters"))
        stratum = self._vectors(strata, "strata")
        design = resolve_design(
            labelled, stratum[0] if stratum else None, cluster_arrays, sampling_probability
        )
        base = self._base_features(known)
        probability, text = resolve_probability(sampling_probability, labelled, design, base)
        generator = check_random_state(self.random_state)
        n_repeats = self.n_repeats or (10 if self.estimator == "dsl" else 3)
        fold_clusters = cluster_arrays[0] if cluster_arrays else None
        folds = np.array(
            [make_folds(n, self.n_folds or 5, generator, fold_clusters) for _ in range(n_repeats)]
        )
        fitter = CrossFitter(learner=self.learner, folds=folds, labelled=labelled)
        gold = {name: typed_labels(values[labelled]) for name, values in known.items()}
        predictions, classes = predict_labels(fitter, gold, base)
        calibration = Calibration(
            labels=known,
            kinds={name: label_kind(values) for name, values in gold.items()},
            labelled=labelled,
            probability=probability,
            design=design,
            design_text=text,
            clusters=cluster_arrays,
            folds=folds,
            predictions=predictions,
            classes=classes,
            n_partial=n_partial,
        )
        warn_about_labels(calibration)
        self.calibration_ = calibration
        self.guarantee_ = calibration_guarantee(calibration, check_confidence_level(self.confidence_level))
        return self

    def predict(self, label: str | None = None) -> FloatND:
        """Return design-adjusted labels: the cross-fitted prediction plus the weighted expert correction.

        Their means over any group fixed in advance are unbiased for the mean expert label. They may lie
        outside the range of the label, and are not meant to be read one by one or plugged into a regression
        as covariates.

        Parameters
        ----------
        label : str or None, default None
            Which label; None if there is one.

        Returns
        -------
        ndarray of shape (n,) or (n, n_classes)
            Adjusted labels, for a categorical label one column a class (``calibration_.classes``).

        Raises
        ------
        NotCalibratedError
            If the estimator is not calibrated.
        ValueError
            If the label is unknown or not named among several.
        """
        self._check_calibrated("predict")
        if self.sequential:
            return self._predict_sequential()
        calibration = self.calibration_
        if label is None and len(calibration.labels) == 1:
            label = next(iter(calibration.labels))
        if label not in calibration.labels:
            raise ValueError(
                f"label must be one of {', '.join(map(repr, calibration.labels))}, got {label!r}."
            )
        labelled = calibration.labelled
        gold = typed_labels(calibration.labels[label][labelled])
        if calibration.kinds[label] == "categorical":
            adjusted = calibration.predictions[label].T.copy()
            target: FloatND = (gold.astype(str)[:, None] == calibration.classes[label][None, :]).astype(float)
            weight = (1.0 / calibration.probability[labelled])[:, None]
        else:
            adjusted = calibration.predictions[label].copy()
            target = gold.astype(np.float64)
            weight = 1.0 / calibration.probability[labelled]
        adjusted[labelled] += weight * (target - adjusted[labelled])
        return adjusted

    def infer(
        self,
        formula: str | Moment,
        *,
        model: ModelName = "linear",
        family: Any = None,
        quantile: float | None = None,
        weights: Any = None,
        offset: Any = None,
        clusters: Any = None,
        vcov: VarianceKind | None = None,
        population: Population = "superpopulation",
        estimator: EstimatorName | None = None,
        tuning: Tuning | None = None,
        confidence_level: float | None = None,
    ) -> Any:
        """Estimate a model; any number of them from one calibration.

        Parameters
        ----------
        formula : str or Moment
            ``"y ~ x"``, ``"y ~ x | unit + time"`` with absorbed effects, ``"y ~ x | d ~ z"`` with
            instruments, ``"y"`` for means, shares and quantiles, or a :class:`Moment` of one's own.
        model : str, default "linear"
            ``"mean"``, ``"proportion"``, ``"shares"``, ``"difference"``, ``"quantile"``, ``"linear"``,
            ``"logit"``, ``"probit"``, ``"poisson"``, ``"glm"`` (with ``family``) or ``"multinomial"``. A ``Moment``
            takes neither model nor family.
        family : statsmodels family or None, default None
            Family with its link, for ``model="glm"``.
        quantile : float or None, default None
            Level in (0, 1), for ``model="quantile"``; None is 0.5.
        weights, offset : array-like of shape (n,), str or None, default None
            Analysis weights and offset, as values or a column name.
        clusters : array-like of shape (n,), str, sequence of str or None, default None
            Clusters of the standard errors; None takes those of ``calibrate`` and, with absorbed effects,
            the first of these. Refused for a finite population.
        vcov : {"HC0", "HC1", "HC2", "HC3"} or None, default None
            Small-sample correction; None is ``"HC1"`` for ``"tuned"`` and ``"HC0"`` otherwise.
        population : {"superpopulation", "finite"}, default "superpopulation"
            ``"finite"`` if the rows are the whole population: uncertainty is then that of labelling alone.
        estimator : str or None, default None
            Estimator, where it is not that of the constructor.
        tuning : {"matrix", "diagonal", "scalar"} or None, default None
            How freely ``"tuned"`` scales; None decides by the number of labels. Refused where nothing is tuned.
        confidence_level : float or None, default None
            Level, where it is not that of the constructor.

        Returns
        -------
        CoefficientResult
            Coefficients, covariance, guarantee, and the naive and gold-only fits. With ``sequential=True``, where
            model and level are the only options, a
            :class:`~validstats.dsl.sequence.results.ConfidenceSequence`.

        Raises
        ------
        NotCalibratedError
            If the estimator is not calibrated.
        NoRootError
            If the model cannot be estimated: separation or too few labels.
        ValueError
            If the formula, the model and the data do not fit together, or an option would be ignored.

        Warns
        -----
        LabellingWarning
            If standard errors are clustered, in one way or two, and fewer than 50 clusters carry expert labels.
        """
        self._check_calibrated("infer")
        if self.sequential:
            options = {
                "family": family,
                "quantile": quantile,
                "weights": weights,
                "offset": offset,
                "clusters": clusters,
                "vcov": vcov,
                "population": None if population == "superpopulation" else population,
                "estimator": estimator,
                "tuning": tuning,
            }
            return self._infer_sequential(formula, model, confidence_level, options)
        return run_inference(
            formula,
            self._request(
                model=model,
                family=family,
                quantile=quantile,
                weights=weights,
                offset=offset,
                clusters=clusters,
                vcov=vcov,
                population=population,
                estimator=estimator,
                tuning=tuning,
                confidence_level=confidence_level,
            ),
        )

    def _request(
        self,
        *,
        model: ModelName = "linear",
        family: Any = None,
        quantile: float | None = None,
        weights: Any = None,
        offset: Any = None,
        clusters: Any = None,
        vcov: VarianceKind | None = None,
        population: Population = "superpopulation",
        estimator: EstimatorName | None = None,
        tuning: Tuning | None = None,
        confidence_level: float | None = None,
    ) -> InferenceRequest:
        """Check the options of an inference and put them together with data and calibration."""
        check_literal(model, "model", get_args(ModelName))
        check_literal(population, "population", get_args(Population))
        chosen = self.estimator if estimator is None else estimator
        check_literal(chosen, "estimator", get_args(EstimatorName))
        for value, name, alias in ((vcov, "vcov", VarianceKind), (tuning, "tuning", Tuning)):
            if value is not None:
                check_literal(value, name, get_args(alias))
        if tuning is not None and chosen != "tuned":
            raise ValueError(
                f"tuning={tuning!r} goes with estimator='tuned'; {chosen!r} scales nothing freely."
            )
        _refuse_ignored(model, quantile, population, clusters)
        level = check_confidence_level(
            self.confidence_level if confidence_level is None else confidence_level
        )
        weight = self._vectors(weights, "weights")
        known_offset = self._vectors(offset, "offset")
        return InferenceRequest(
            data=self.data_,
            backend=self.backend_,
            calibration=self.calibration_,
            learner=self.learner,
            surrogates=self._surrogate_by_label(),
            surrogate_columns=tuple(surrogate_columns(self.surrogate_)),
            features=self.features_,
            model=model,
            family=family,
            quantile=0.5 if quantile is None else quantile,
            weights=weight[0] if weight else None,
            offset=known_offset[0] if known_offset else None,
            clusters=self._vectors(clusters, "clusters"),
            cluster_names=joined_names(clusters),
            kind=vcov or ("HC1" if chosen == "tuned" else "HC0"),
            population=population,
            estimator=chosen,
            tuning=tuning,
            confidence_level=level,
        )

    def _vectors(self, values: Any, name: str) -> list[AnyArray]:
        return row_vectors(self.data_, values, name)

    def _base_features(self, labels: Mapping[str, AnyArray]) -> Any:
        """Return the features that do not depend on a formula; a constant where there are none."""
        extra = () if self.features_ == "all" else tuple(self.features_)
        names = dict.fromkeys((*surrogate_columns(self.surrogate_), *extra))
        clash = [name for name in names if name in labels]
        if clash:
            raise ValueError(
                f"{', '.join(map(repr, clash))} cannot be a feature and an expert label at once."
            )
        if not names:
            return np.zeros((len(self.data_), 1))
        return encode_features({name: self.data_[name].to_numpy() for name in names})

    def _surrogate_by_label(self) -> dict[str, AnyArray]:
        labels = list(self.calibration_.labels)
        surrogate = self.surrogate_
        if isinstance(surrogate, Mapping):
            pairs = dict(surrogate)
            unknown = [name for name in pairs if name not in labels]
            if unknown:
                raise ValueError(
                    f"surrogate names the label(s) {', '.join(map(repr, unknown))}; calibrate was given "
                    f"{', '.join(map(repr, labels))}."
                )
        else:
            columns = surrogate_columns(surrogate)
            pairs = {labels[0]: columns[0]} if columns and len(labels) == 1 else {}
        return {label: typed_labels(self.data_[name].to_numpy()) for label, name in pairs.items()}

    def _report(self) -> Report:
        if self.sequential:
            return self._report_sequential()
        return calibration_report(self.calibration_, self.n_folds or 5, self.guarantee_)


def _refuse_ignored(model: ModelName, quantile: float | None, population: Population, clusters: Any) -> None:
    """Refuse options that the model or the population would not use."""
    if quantile is not None and model != "quantile":
        raise ValueError(
            f"quantile={quantile!r} goes with model='quantile' and only with it; got model={model!r}. Leave quantile "
            "out, or pass model='quantile'."
        )
    if clusters is not None and population == "finite":
        raise ValueError(
            "clusters goes with population='superpopulation': the uncertainty of a finite population is that of "
            "labelling alone, which clusters of the standard errors do not change. Leave clusters out, and pass those "
            "that were drawn as a whole to calibrate."
        )
