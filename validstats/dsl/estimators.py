"""``DesignSupervised``: regressions from machine labels, corrected by a sample of expert labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Self, get_args

from validstats._typing import FloatND, RandomState
from validstats.base import CalibratedEstimator
from validstats.dsl.fit import EstimatorName, Population, Tuning
from validstats.dsl.labels import (
    PartialLabels,
    Units,
    adjusted_labels,
    calibrated,
    calibration_report,
)
from validstats.dsl.moments import Moment, VarianceKind
from validstats.dsl.plan import DrawName, LabelPlan, MethodName, SamplingPlan
from validstats.dsl.regression import (
    DesignBuilder,
    FrameStudy,
    InferenceRequest,
    IntervalName,
    ModelName,
    ParsedFormula,
    Study,
    calibration_guarantee,
    choose_interval,
    coefficient_limits,
    infer_quantile,
    infer_share,
    normal_form,
    parse_formula,
    prepare_formula,
    prepare_moment,
    prepare_quantile,
    resolve_clusters,
    sampling_of_further_units,
    solve,
)
from validstats.dsl.results import CoefficientResult
from validstats.dsl.sequence import (
    LabelRequest,
    RuleName,
    SequentialLabelling,
    SequentialStudy,
    check_sequential,
    refuse_options,
    refuse_sequential,
)
from validstats.dsl.streaming import StreamedStudy, StreamedUnits, calibrated_stream, condensed
from validstats.exceptions import StreamingError
from validstats.intake import (
    check_confidence_level,
    check_literal,
    check_positive_int,
    check_random_state,
    requested_parameters,
)
from validstats.results import Report
from validstats.runtime import is_parts

__all__ = ["DesignSupervised"]


class DesignSupervised(CalibratedEstimator):
    """Regressions from machine labels that are allowed to be wrong.

    Every unit has machine labels; a sample with known probabilities also has expert labels. Coefficients are
    those that expert labels of all units would give, for any quality of the machine labels.

    Parameters
    ----------
    learner : estimator, mapping of str to estimator, or None, default None
        Scikit-learn estimator that predicts expert labels from what is always observed: a classifier for
        classes, a regressor for numbers, or one for each label by name. None stacks a linear, a partially
        isotonic and a varying-coefficient learner.
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
    >>> bool(low < 1.0 < high), bool(result.naive[1] < low)
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
        ids: Any = None,
        chunk_size: int = 200_000,
        **fit_params: Any,
    ) -> Self:
        """Record the units and what predicts their labels.

        Parameters
        ----------
        data : pandas, polars or pyarrow table, path, list of tables, callable or dask DataFrame
            One row a unit. Rows that need not fit in memory come from the path of a Parquet file or folder, a list of
            frames, a function that returns an iterator of frames, the same in every call, or a dask data frame; labels,
            probabilities and groups are then names of columns, and every sum is a pass over the rows.
        surrogate : str, sequence of str, mapping of str to str, or None, default None
            Machine label columns: the one for the (first) expert label, several of which the first is, or
            one for every expert label by its name. None if there are features only.
        features : sequence of str or "all", default "all"
            Other always-observed columns that predict expert labels. ``"all"`` adds, at every ``infer``,
            those of the formula, an observed outcome included.
        ids : array-like of shape (n,), str or None, default None
            Who the units are, or the column that says it. Labels, probabilities, strata, clusters and weights that have
            labels are matched by it, and by the index of a pandas frame where it is None. Not for rows in parts.
        chunk_size : int, default 200000
            Rows that are read at once from a path.
        **fit_params : object
            What ``fit`` of a learner of yours takes, such as ``sample_weight``, one value a unit where it has rows;
            :meth:`calibrate` trains it. With metadata routing of scikit-learn those that the learner requests.

        Returns
        -------
        DesignSupervised
            Itself, not calibrated any more.

        Raises
        ------
        TypeError
            If the data are not a data frame, or the learner does not take one of ``fit_params``.
        KeyError
            If a column does not exist.
        """
        check_literal(self.estimator, "estimator", get_args(EstimatorName))
        check_positive_int(self._n_folds, "n_folds", minimum=2)
        check_positive_int(self._n_repeats, "n_repeats")
        check_confidence_level(self.confidence_level)
        check_sequential(self.sequential, self.n_folds, self.n_repeats)
        for learner in self.learner.values() if isinstance(self.learner, Mapping) else (self.learner,):
            requested_parameters(learner if hasattr(learner, "fit") else None, fit_params, self.fit)
        if fit_params:
            refuse_sequential(self.sequential, "fit with parameters of the learner")
        if is_parts(data) or isinstance(data, list | tuple):
            refuse_sequential(self.sequential, "fit on rows in parts")
            if ids is not None:
                raise ValueError(
                    "ids matches what arrives beside the rows, and parts carry everything as columns."
                )
            units: Units = StreamedUnits.of_source(data, surrogate, features, chunk_size)
        else:
            units = Units.of(data, surrogate, features, ids)
        for name in ("calibration_", "guarantee_", "study_"):
            if hasattr(self, name):
                delattr(self, name)
        self.units_ = units
        self._fit_params = fit_params
        return self

    def calibrate(
        self,
        labels: Any,
        *,
        sampling_probability: Any = None,
        strata: Any = None,
        clusters: Any = None,
        partial_labels: PartialLabels = "error",
        positive: Any = None,
    ) -> Self:
        """Spend the expert labels: cross-fit the learner and record how labelled rows were drawn.

        Parameters
        ----------
        labels : series, data frame, mapping of str to array-like, array-like of shape (n,), or names of columns
            Expert labels, NaN or None where a row is not labelled. Names are those of the formula. Labels of fewer rows
            (``labels.dropna()``) are matched by their index, or by the key column that ``ids`` named.
        sampling_probability : array-like of shape (n,), float, column name, "estimated" or None, default None
            Probability in (0, 1] with which each row was to be labelled. None asserts simple random
            sampling (within strata, or of whole clusters). ``"estimated"`` fits a logistic regression on
            surrogates and features, which the guarantee then says.
        strata : array-like of shape (n,), str or None, default None
            Strata within which a fixed number of rows was drawn, or of whole clusters, which must then lie within the
            strata; values or a column name.
        clusters : array-like of shape (n,), str, sequence of str or None, default None
            Dependent rows: values, or one or two column names. Folds keep the first kind together, and
            standard errors are clustered. Where clusters are labelled entirely or not at all, they are the
            sampling units; clusters of one row each are rows.
        partial_labels : {"error", "unlabelled"}, default "error"
            What to do with rows that carry some of several labels.
        positive : object or None, default None
            Label that counts as 1, all others being 0, where labels are words: ``positive="pass"``. Machine labels in
            words are read alike; a verdict that is missing is a category of its own, and not positive.

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
        self._check_fitted("calibrate")
        if self.sequential:
            options = {
                "sampling_probability": sampling_probability,
                "strata": strata,
                "clusters": clusters,
                "partial_labels": None if partial_labels == "error" else partial_labels,
                "positive": positive,
            }
            refuse_options(options, "the probabilities are those that next_labels recorded, unit by unit")
            self.calibration_ = self._asked_study().record(self.units_.labels(labels))
            self.guarantee_ = self.study_.guarantee
            return self
        check_literal(partial_labels, "partial_labels", get_args(PartialLabels))
        if positive is not self.units_.positive:
            self.units_ = replace(self.units_, positive=positive)
        options = {
            "sampling_probability": sampling_probability,
            "strata": strata,
            "clusters": clusters,
            "partial_labels": partial_labels,
            "learner": self.learner,
            "n_folds": self._n_folds,
            "n_repeats": self._n_repeats,
            "random_state": self.random_state,
            "parameters": self._fit_params,
        }
        if isinstance(self.units_, StreamedUnits):
            self.calibration_ = calibrated_stream(self.units_, labels, **options)
        else:
            self.calibration_ = calibrated(self.units_, labels, **options)
        level = check_confidence_level(self.confidence_level)
        self.guarantee_ = calibration_guarantee(self.calibration_, level)
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
        if isinstance(self.units_, StreamedUnits):
            raise StreamingError(
                "predict returns one number a row, and the rows are not in memory. Predict part by part: fit on a frame of "
                "the part's rows with the labelled rows, or infer, which needs sums only."
            )
        return self.study_.adjusted() if self.sequential else adjusted_labels(self.calibration_, label)

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
        interval: IntervalName | None = None,
        outcome_range: tuple[float, float] | None = None,
        cross_fitted: Any = None,
        own_term_correction: bool = True,
        confidence_level: float | None = None,
    ) -> Any:
        """Estimate a model; any number of them from one calibration.

        Parameters
        ----------
        formula : str or Moment
            ``"y ~ x"``, ``"y ~ x | unit + time"`` with absorbed effects, ``"y ~ x | d ~ z"`` with
            instruments, ``"y"`` for means, shares and quantiles, or a :class:`Moment` of one's own.
        model : str, default "linear"
            ``"mean"``, ``"proportion"``, ``"shares"``, ``"difference"`` (of two groups or two labels; of three to
            twenty groups all pairs, whose intervals hold together), ``"quantile"``, ``"linear"``,
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
            the first of these; ``"none"`` takes none. Refused for a finite population.
        vcov : {"HC0", "HC1", "HC2", "HC3"} or None, default None
            Small-sample correction; None is ``"HC3"`` with a floor for rows of high leverage for ``"tuned"`` and
            ``"gold"``, ``"HC0"`` otherwise. One given by name replaces the variance of the labels alone.
        population : {"superpopulation", "finite"}, default "superpopulation"
            ``"finite"`` if the rows are the whole population: uncertainty is then that of labelling alone.
        estimator : str or None, default None
            Estimator, where it is not that of the constructor.
        tuning : {"diagonal", "scalar", "matrix", "none"} or None, default None
            Shares of the control variate of ``"tuned"``: one a coefficient (None), one for all, a free matrix (for
            which no bound is claimed), or the doubly robust root. Refused where nothing is tuned.
        interval : {"cells", "exact", "normal"} or None, default None
            For shares, bounded means and differences: cells of equal machine verdict, a guarantee at every number of
            labels, or estimate and standard error. None takes ``"cells"`` wherever the range of the outcome is known;
            the result says which was used, and why.
        outcome_range : (float, float) or None, default None
            Range of the outcome of ``model="mean"`` or ``"difference"``, which is never taken from the data. Labels
            of 0 and 1 have it.
        cross_fitted : array-like of shape (n,) or (n, n_repeats), mapping of str to these, or None, default None
            First-stage predictions of the labels, made without each row's own label, in place of the learner.
        own_term_correction : bool, default True
            Of absorbed effects with a predicted covariate; False is the biased form of the R package.
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
            If standard errors are clustered, in one way or two, and fewer than 50 clusters carry expert labels, or where
            few labels tell a quantile and cells cannot widen its interval.
        """
        self._check_calibrated("infer")
        options = {
            "family": family,
            "quantile": quantile,
            "weights": weights,
            "offset": offset,
            "clusters": clusters,
            "vcov": vcov,
            "population": population,
            "estimator": estimator,
            "tuning": tuning,
            "interval": interval,
            "outcome_range": outcome_range,
            "cross_fitted": cross_fitted,
            "own_term_correction": own_term_correction,
        }
        if self.sequential:
            given = options | {
                "population": None if population == "superpopulation" else population,
                "own_term_correction": None if own_term_correction else own_term_correction,
            }
            refuse_options(
                given,
                "anytime-valid intervals are for unweighted means and linear coefficients of the whole population of "
                "units",
            )
            return self.study_.infer(formula, model, confidence_level)
        return run_inference(formula, self._request(model, confidence_level=confidence_level, **options))

    def plan_labels(
        self,
        formula: str | Moment,
        sizes: Sequence[int] | None = None,
        *,
        effects: Mapping[str, float] | float | None = None,
        target_std_error: float | None = None,
        target_power: float | None = None,
        confidence_level: float | None = None,
        **options: Any,
    ) -> LabelPlan:
        """Forecast standard errors and power for other numbers of expert labels, from the labels there are.

        Parameters
        ----------
        formula : str or Moment
            The question, as in :meth:`infer`.
        sizes : sequence of int or None, default None
            Numbers of labels, between 2 and the number of rows. None takes half to four times the present one.
        effects : mapping of str to float, float or None, default None
            Coefficients for which power is wanted. None takes the present estimates, whose error makes the power
            uncertain.
        target_std_error : float or None, default None
            Standard error to reach; the plan then names the smallest number of labels that does.
        target_power : float or None, default None
            Power to reach, in (0, 1), for ``effects``.
        confidence_level : float or None, default None
            One minus the level of the tests; None is that of the estimator.
        **options
            Options of :meth:`infer`, such as ``model``, ``clusters`` and ``vcov``.

        Returns
        -------
        LabelPlan
            Forecasts for every number, with a figure.

        Raises
        ------
        NotCalibratedError
            If the estimator is not calibrated.
        ValueError
            If labels are drawn in sequence, both targets are given, or a number is out of range.

        References
        ----------
        Egami, Hinck, Stewart and Wei (2023), NeurIPS, arXiv 2306.04746, Section 4.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from validstats import DesignSupervised
        >>> rng = np.random.default_rng(0)
        >>> truth = rng.integers(0, 2, 1000).astype(float)
        >>> machine = np.where(rng.random(1000) < 0.9, truth, 1 - truth)
        >>> labels = np.where(rng.random(1000) < 0.1, truth, np.nan)
        >>> study = DesignSupervised(random_state=0).fit(pd.DataFrame({"machine": machine}), surrogate="machine")
        >>> study = study.calibrate({"label": labels}, sampling_probability=0.1)
        >>> plan = study.plan_labels("label ~ 1", sizes=[100, 400])
        >>> bool(plan.std_errors[1, 0] < plan.std_errors[0, 0])
        True
        """
        refuse_sequential(self.sequential, "plan_labels")
        return self.infer(formula, **options).plan_labels(
            sizes,
            effects=effects,
            target_std_error=target_std_error,
            target_power=target_power,
            confidence_level=confidence_level,
        )

    def design_sampling(
        self,
        formula: str,
        n_labels: int,
        *,
        coefficients: Sequence[str] | None = None,
        method: MethodName = "auto",
        draw: DrawName = "auto",
        floor: float = 0.2,
        minimum_gain: float = 0.15,
        scale_learner: Any = None,
        random_state: Any = None,
        **options: Any,
    ) -> SamplingPlan:
        """Propose which further units to label; the labels there are serve as the pilot.

        Parameters
        ----------
        formula : str
            The question whose standard errors are to shrink, as in :meth:`infer`.
        n_labels : int
            Number of further labels. With Poisson draws it is the expected number.
        coefficients : sequence of str or None, default None
            Coefficients that matter; None is all.
        method : {"auto", "uniform", "stratified", "neyman", "active"}, default "auto"
            Probabilities; "auto" takes unequal ones only where their forecast gain exceeds ``minimum_gain``.
        draw : {"auto", "fixed", "poisson", "systematic"}, default "auto"
            A fixed number, a coin a unit, or a fixed number with unequal probabilities.
        floor : float, default 0.2
            Smallest probability as a share of the uniform one, in (0, 1].
        minimum_gain : float, default 0.15
            Forecast gain, less one, that "auto" asks of unequal probabilities.
        scale_learner : estimator or None, default None
            Learner of the size of residuals; None is the default one.
        random_state : int, numpy.random.Generator or None, default None
            Seed of the draw; None is that of the estimator.
        **options
            Options of :meth:`infer`, such as ``model``.

        Returns
        -------
        SamplingPlan
            Probabilities, the drawn units and the forecast; ``tidy()`` gives them as a table.

        Raises
        ------
        NotCalibratedError
            If the estimator is not calibrated.
        StreamingError
            If the rows are not in memory.
        ValueError
            If labels are drawn in sequence, or an argument is out of range.

        See Also
        --------
        validstats.dsl.design_sampling : The same before there is any label.

        References
        ----------
        Neyman (1934), JRSS 97, 558-625; Zrnic and Candes (2024), arXiv 2403.03208.

        Examples
        --------
        >>> from validstats import DesignSupervised
        >>> from validstats.datasets import make_surrogate_covariate
        >>> rows = make_surrogate_covariate(600, n_labelled=120, random_state=0).frame()
        >>> study = DesignSupervised(random_state=0).fit(rows.drop(columns="d"), surrogate="d_surrogate")
        >>> study = study.calibrate(rows[["d"]], sampling_probability=0.2)
        >>> plan = study.design_sampling("y ~ d + z", 50, coefficients=["d"])
        >>> int(plan.selected[rows["d"].notna()].sum())
        0
        """
        refuse_sequential(self.sequential, "design_sampling")
        if isinstance(self.units_, StreamedUnits):
            raise StreamingError(
                "design_sampling gives every row a probability, and the rows are not in memory. Pass a frame of the rows "
                "that could be labelled next to validstats.dsl.design_sampling."
            )
        result = self.infer(formula, **options)
        seed = self.random_state if random_state is None else random_state
        return sampling_of_further_units(
            result,
            formula,
            self._request(**options),
            n_labels,
            coefficients=coefficients,
            scale_learner=scale_learner,
            generator=check_random_state(seed),
            method=method,
            draw=draw,
            floor=floor,
            minimum_gain=minimum_gain,
        )

    def next_labels(
        self,
        n_units: int = 200,
        *,
        label_share: float = 0.1,
        rule: RuleName = "uniform",
        n_first: int = 100,
        start: int = 500,
        floor: float = 0.2,
        n_best: int | None = None,
    ) -> LabelRequest:
        """Take the next units in random order and draw whom of them to label.

        Pass the experts' answers to :meth:`calibrate`; until then the same request is returned. The options are read at
        the first request.

        Parameters
        ----------
        n_units : int, default 200
            Units whose turn comes, after the first ``n_first``.
        label_share : float, default 0.1
            Share of the units to label, in (0, 1].
        rule : {"uniform", "active"}, default "uniform"
            Equal probabilities, or more probable labels where past labels say that the machine errs more.
        n_first : int, default 100
            Units of the first request, all of which are labelled.
        start : int, default 500
            Units after which intervals are asked for. They begin later where fewer than about 20 units carry the variance,
            as with rare labels.
        floor : float, default 0.2
            Smallest probability of "active", as a share of ``label_share``, in (0, 1].
        n_best : int or None, default None
            Units at which intervals are to be narrowest; None is five times ``start``.

        Returns
        -------
        LabelRequest
            The units, their probabilities, and who of them is to be labelled.

        Raises
        ------
        ValueError
            If the estimator was not constructed with ``sequential=True``, has no units, or all had their turn.

        References
        ----------
        Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics 52, 2613-2640; Zrnic and Candes
        (2024), arXiv 2403.03208, Section 5.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from validstats import DesignSupervised
        >>> machine = np.random.default_rng(0).integers(0, 2, 2000).astype(float)
        >>> units = pd.DataFrame({"machine": machine})
        >>> study = DesignSupervised(sequential=True, random_state=0).fit(units, surrogate="machine")
        >>> request = study.next_labels(label_share=0.2)
        >>> len(request.rows), float(request.sampling_probability[0])
        (100, 1.0)
        """
        if not self.sequential:
            raise ValueError(
                "next_labels draws labels in sequence, for which folds are invalid; construct the estimator "
                "with sequential=True. For a design that is drawn at once use design_sampling."
            )
        if not hasattr(self, "units_"):
            raise ValueError("There are no units yet; call fit(data, surrogate=...) first.")
        if not hasattr(self, "study_"):
            labelling = SequentialLabelling(
                self.learner,
                label_share=label_share,
                rule=rule,
                n_first=n_first,
                floor=floor,
                start=start,
                n_best=n_best,
                confidence_level=self.confidence_level,
                random_state=self.random_state,
            )
            self.study_ = SequentialStudy(self.units_, labelling)
        return self.study_.next_labels(n_units)

    @property
    def _n_folds(self) -> int:
        return 5 if self.n_folds is None else self.n_folds

    @property
    def _n_repeats(self) -> int:
        if self.n_repeats is not None:
            return self.n_repeats
        return 10 if self.estimator == "dsl" else 3

    def _check_fitted(self, verb: str) -> None:
        if not hasattr(self, "units_"):
            self._check_calibrated(verb, "fit(data, surrogate=...)")

    def _asked_study(self) -> SequentialStudy:
        if not hasattr(self, "study_"):
            raise ValueError("No labels have been asked for; call next_labels() first.")
        return self.study_

    def _request(
        self,
        model: ModelName = "linear",
        *,
        estimator: EstimatorName | None = None,
        confidence_level: float | None = None,
        **options: Any,
    ) -> InferenceRequest:
        """Put checked options together with units and calibration."""
        return InferenceRequest.of(
            self.units_,
            self.calibration_,
            self.learner,
            model=model,
            estimator=self.estimator if estimator is None else estimator,
            confidence_level=self.confidence_level if confidence_level is None else confidence_level,
            **options,
        )

    def _report(self) -> Report:
        if self.sequential:
            return self.study_.report()
        return calibration_report(self.calibration_, self._n_folds, self.guarantee_)


def run_inference(formula: str | Moment, request: InferenceRequest) -> CoefficientResult:
    """Carry out one inference, on rows in memory or in parts."""
    parsed = None if isinstance(formula, Moment) else parse_formula(formula)
    if isinstance(request.units, StreamedUnits):
        chosen = formula if isinstance(formula, Moment) else parse_formula(formula)
        return inferred(formula, parsed, request, StreamedStudy.taken(chosen, request, request.units))
    effects = () if parsed is None else parsed.effects
    study = FrameStudy(request, parsed, partial(resolve_clusters, request, effects))
    return inferred(formula, parsed, request, study)


def inferred(
    formula: str | Moment, parsed: ParsedFormula | None, request: InferenceRequest, study: Study
) -> CoefficientResult:
    """Carry out one inference on the rows of a study, in memory or in parts."""
    if parsed is None:
        assert isinstance(formula, Moment)
        return solve(prepare_moment(formula, request, study), request, study)
    builder = DesignBuilder(parsed, study.template, tuple(request.calibration.labels))
    if isinstance(request.units, StreamedUnits):
        term = builder.depends_on_other_rows()
        if term is not None:
            raise StreamingError(
                f"{term!r} takes its values in a row from the other rows, which is no sum over parts. Write the column "
                "into the data beforehand, and use it in the formula."
            )
    if request.model_kind.takes_level:
        problem = prepare_quantile(builder, request, study, partial(_asked, study, builder, request))
        return infer_quantile(problem, request)
    note, limits, form = "", None, None
    if request.model_kind.has_cells:
        asked = _asked(study, builder, request)
        choice = choose_interval(asked, parsed, builder)
        if choice.name != "normal":
            return infer_share(builder, asked, study, choice)
        note = f"Interval 'normal', estimate and standard error: {choice.reason}."
        limits = coefficient_limits(request, parsed, builder)
        form = normal_form(asked, parsed, builder)
        if form is not None:
            builder = DesignBuilder(form.parsed, study.template, tuple(request.calibration.labels))
    asked = request if form is None else replace(request, model=form.model)
    found = solve(prepare_formula(builder, asked, study, (note,) if note else ()), asked, study, limits)
    if limits is not None:
        # the normal law does not see what no label shows, and the range allows
        unseen = f"unless values of the range are rarer than about 5 in {request.calibration.n_units} labels"
        found = replace(found, guarantee=replace(found.guarantee, holds=f"{found.guarantee.holds}, {unseen}"))
    if form is not None:
        found = replace(
            found,
            names=form.names,
            model=request.model,
            answered=request.model_kind.answered,
            formula=parsed.outcome if parsed.covariates == "1" else str(parsed),
        )
    return found


def _asked(study: Study, builder: DesignBuilder, request: InferenceRequest) -> InferenceRequest:
    """Return the request as it is for rows in memory; of rows in parts, alike ones are given once."""
    return condensed(study, builder, request) if isinstance(study, StreamedStudy) else request
