"""What ``infer`` returns: coefficients, their covariance, and what one would have reported otherwise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
from scipy import special

from validstats._typing import Bool1D, Float1D, Float2D, Int1D, RandomState
from validstats.dsl.fit import Estimate, EstimatorName, Population, SimpleFit, TuningKind, as_it_is
from validstats.dsl.moments import (
    LabelForecast,
    VarianceKind,
    checked_clusters,
    cluster_degrees,
    clustered_meat,
    critical_value,
    sandwich,
    sum_by_cluster,
    text_codes,
    warn_about_clusters,
)
from validstats.dsl.plan import LabelPlan, plan_labels
from validstats.dsl.results.answers import is_intercept, level_text, main_term, regression_words, sentence
from validstats.dsl.results.hypotheses import InapplicableTest, WaldTest, restriction_matrix, wald_statistic
from validstats.dsl.results.marginal import MarginalEffects
from validstats.intake import RowLabels, align, check_groups, check_positive_int, check_random_state
from validstats.results import NotApplicable, Report, Result, Summary, Table, interval_words, rounded

__all__ = [
    "CoefficientComparison",
    "CoefficientResult",
    "Companions",
    "Ends",
    "ExponentiatedResult",
    "joint_covariance",
]

ON_THE_SCALE = NotApplicable(
    "the coefficients are on the scale of the outcome, or the model has several equations"
)
"""Why models without a link have no marginal effects beside their coefficients."""

ESTIMATOR_TEXT = {
    "tuned": "tuned design-based",
    "dsl": "design-based supervised learning",
    "ppi": "prediction-powered (PPI)",
    "ppi++": "power-tuned (PPI++)",
    "gold": "expert labels only",
}


class Ends(Protocol):
    """Intervals that are no multiples of standard errors."""

    def __call__(self, confidence_level: float) -> Float2D:
        """Return the ends at a level, shape ``(p, 2)``."""

    @property
    def p_values(self) -> Float1D:
        """Two-sided p-values of zero, which agree with the intervals at every level."""


@dataclass(frozen=True, kw_only=True)
class Companions:
    """What stands beside an estimate, made when it is asked for: other fits, the worth in labels, marginal effects."""

    gold_of: Callable[[], SimpleFit | None]  # the labels alone
    naive_of: Callable[[], SimpleFit | None]  # machine labels taken for the truth
    worth_of: Callable[[SimpleFit | None], Float1D]  # from the fit of the labels alone
    marginal_of: Callable[[], MarginalEffects | NotApplicable] | None = None  # None without a link

    @cached_property
    def gold(self) -> SimpleFit | None:
        """The labels alone; None without a fit."""
        return self.gold_of()

    @cached_property
    def naive(self) -> SimpleFit | None:
        """Machine labels taken for the truth; None without a fit."""
        return self.naive_of()

    @cached_property
    def worth(self) -> Float1D:
        """Number of labels that alone would be as precise, by coefficient."""
        return self.worth_of(self.gold)

    @cached_property
    def marginal(self) -> MarginalEffects | NotApplicable:
        """Average marginal effects."""
        return ON_THE_SCALE if self.marginal_of is None else self.marginal_of()

    def complete(self) -> Companions:
        """Make everything now, and return itself."""
        _ = self.worth, self.naive, self.marginal
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Keep what is made rather than the rows that it is made from."""
        self.complete()
        return {
            "gold_of": partial(as_it_is, self.gold),
            "naive_of": partial(as_it_is, self.naive),
            "worth_of": partial(_known_worth, self.worth),
            "marginal_of": partial(as_it_is, self.marginal),
        }


def _known_worth(worth: Float1D, _: SimpleFit | None) -> Float1D:
    """Return a worth that is known."""
    return worth


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class CoefficientResult(Result):
    """Coefficients of a model estimated from machine labels and a sample of expert labels.

    Attributes
    ----------
    names : tuple of str
        Coefficient names.
    fit : Estimate
        The estimate with its covariance, influence functions, tuning and what planning needs.
    confidence_level : float
        Level of the intervals.
    degrees_of_freedom : float or None
        Of the t distribution; None for normal quantiles.
    estimator, kind, population : str
        Estimator, small-sample correction and population.
    model, formula, outcome : str
        What was estimated.
    n_rows, n_labelled, n_passes : int
        Rows, labelled rows, and how often rows outside memory were read.
    kish_labels : float
        Kish's effective size of the labelled rows' inverse probabilities.
    beside : Companions
        What is made when it is asked for: ``gold``, ``naive_fit``, ``effective_labels`` and ``marginal``.
    clustered_by : str or None
        How rows are clustered.
    clusters : tuple of ndarray of shape (n,)
        Codes of these clusters.
    labelled : ndarray of shape (n,) or None
        Which rows carry expert labels; None for rows that were not in memory.
    effects : tuple of str
        Absorbed effects.
    intervals_at : Ends or None
        Ends at any level, ``level -> ndarray of shape (p, 2)``, of cells of equal verdict and of exact intervals, with
        the p-values that agree with them.
    interval_name : {"cells", "exact", "normal", "inverted"}
        How intervals come about.
    interval : ndarray of shape (p, 2) or None
        Intervals that are not symmetric, from an inverted test, at ``confidence_level``.
    limits : ndarray of shape (p, 2) or None
        Range in which each coefficient lies, where it is a share or a difference of shares.
    notes : tuple of str
        What was decided on the way.
    ratio : str
        What ``exp(coefficient)`` is called ("odds ratio", "rate ratio"); empty where it has no name.
    answered : callable
        What says the result in one sentence, ``result -> str``.
    rows : RowLabels or None
        Who the rows of the data are: clusters that arrive later are matched by it.
    """

    names: tuple[str, ...]
    fit: Estimate
    confidence_level: float
    degrees_of_freedom: float | None
    estimator: EstimatorName
    kind: VarianceKind
    population: Population
    model: str
    formula: str
    outcome: str
    n_rows: int
    n_labelled: int
    kish_labels: float
    labelled: Bool1D | None
    beside: Companions
    n_passes: int = 0
    clustered_by: str | None = None
    clusters: tuple[Int1D, ...] = ()
    effects: tuple[str, ...] = ()
    intervals_at: Ends | None = None
    interval_name: str = "normal"
    interval: Float2D | None = None
    limits: Float2D | None = None
    notes: tuple[str, ...] = field(default=())
    ratio: str = ""
    rows: RowLabels | None = None
    answered: Callable[[Any], str] = regression_words

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return self.names

    @property
    def estimate(self) -> Float1D:
        """Coefficients, shape ``(p,)``."""
        return self.fit.params

    @property
    def conf_low(self) -> Float1D:
        """Lower ends of the intervals, shape ``(p,)``."""
        return self.confidence_interval()[:, 0]

    @property
    def conf_high(self) -> Float1D:
        """Upper ends of the intervals, shape ``(p,)``."""
        return self.confidence_interval()[:, 1]

    @property
    def naive(self) -> Float1D | NotApplicable:
        """Coefficients with machine labels taken for the truth, shape ``(p,)``."""
        if self.naive_fit is None:
            return NotApplicable(
                "there is no machine label of every expert label, or it has no fit of its own"
            )
        return self.naive_fit.params

    @property
    def gold(self) -> SimpleFit | None:
        """Fit on expert labels alone; None where there is none."""
        return self.beside.gold

    @property
    def naive_fit(self) -> SimpleFit | None:
        """Fit on machine labels alone; None where there is none."""
        return self.beside.naive

    @property
    def effective_labels(self) -> Float1D:
        """Number of expert labels that alone would give the same variance; NaN where the gold-only fit fails."""
        return self.beside.worth

    @property
    def marginal(self) -> MarginalEffects | NotApplicable:
        """Average marginal effects, where the model has them."""
        return self.beside.marginal

    @property
    def informative(self) -> bool:
        """Whether every interval is bounded."""
        return bool(np.all(np.isfinite(self.confidence_interval())))

    @property
    def nobs(self) -> int:
        """Number of rows."""
        return self.n_rows

    def coef(self) -> Any:
        """Return the coefficients by name.

        Returns
        -------
        pandas.Series
            Indexed by term.

        Examples
        --------
        ``result.coef()["x"]`` is the coefficient of ``x``.
        """
        return _series(self.params, self.names, "estimate")

    def vcov(self) -> Any:
        """Return the covariance matrix by name.

        Returns
        -------
        pandas.DataFrame
            Rows and columns are terms.
        """
        return _named(self.covariance, self.names, list(self.names))

    def confint(self, level: float | None = None) -> Any:
        """Return the confidence intervals by name.

        Parameters
        ----------
        level : float or None, default None
            Level; None keeps that of the result.

        Returns
        -------
        pandas.DataFrame
            Rows are terms, columns are named by their percentiles, as in R.
        """
        chosen = float(self.confidence_level if level is None else level)
        tail = 50.0 * (1.0 - chosen)
        columns = [f"{tail:.10g} %", f"{100.0 - tail:.10g} %"]
        return _named(self.confidence_interval(level), self.names, columns)

    def influence_values(self) -> Float2D:
        """Return influence values, which are sums over rows of a cluster where standard errors are clustered.

        The covariance matrix is the sum of their outer products over the squared number of rows, so that answers about
        several coefficients, models or systems on the same rows can be combined.

        Returns
        -------
        ndarray of shape (n_clusters, p) or (n, p)
            One row a cluster, or a row where rows are independent.

        Raises
        ------
        ValueError
            For a median of splits, a finite population, or independent rows that were not in memory.
        """
        if self.fit.by_cluster is not None and self.population != "finite":
            return self.fit.by_cluster
        return self._influence("influence values")

    def marginal_effects(self) -> MarginalEffects:
        """Return average marginal effects: by how much the expected outcome changes with each covariate.

        They are averages over all rows of the derivative of the expected outcome, for logit, probit and Poisson models,
        with standard errors that know that rows are a sample.

        Returns
        -------
        MarginalEffects
            One effect a coefficient besides the intercept.

        Raises
        ------
        ValueError
            For a model whose coefficients are marginal effects already, and where they are not defined.
        """
        if isinstance(self.marginal, NotApplicable):
            raise ValueError(f"There are no marginal effects: {self.marginal.reason}.")
        return self.marginal

    @property
    def params(self) -> Float1D:
        """Coefficients, shape ``(p,)``."""
        return self.fit.params

    @property
    def covariance(self) -> Float2D:
        """Covariance matrix, shape ``(p, p)``."""
        return self.fit.covariance

    @property
    def influence(self) -> Float2D | None:
        """Influence function of every row, shape ``(n, p)``, inflated for small samples where asked for.

        None for the median of sample splits and for rows that were not in memory.
        """
        return self.fit.influence

    @property
    def residual(self) -> Float2D | None:
        """Gold score minus augmentation on the labelled rows, in coefficient units, shape ``(n_labelled, p)``.

        It is what labelling adds to the variance; for a median of splits that of the first split.
        """
        return self.fit.residual

    @property
    def variance_parts(self) -> LabelForecast | None:
        """What other numbers of labels would make of the standard errors, for planning."""
        return self.fit.variance_parts

    @property
    def tuning(self) -> TuningKind:
        """How freely the machine labels were scaled."""
        return self.fit.tuning

    @property
    def std_error(self) -> Float1D:
        """Standard errors, shape ``(p,)``."""
        return np.sqrt(self.covariance.diagonal())

    @property
    def statistic(self) -> Float1D:
        """Estimates divided by their standard errors, shape ``(p,)``."""
        return self.params / self.std_error

    @property
    def p_value(self) -> Float1D:
        """Two-sided p-values of zero, which agree with the intervals, shape ``(p,)``."""
        if self.intervals_at is not None:
            return self.intervals_at.p_values
        absolute = np.abs(self.statistic)
        degrees = self.degrees
        if degrees is None:
            return np.asarray(2.0 * special.ndtr(-absolute))
        return np.asarray(2.0 * special.stdtr(degrees, -absolute))

    @property
    def degrees(self) -> Float1D | None:
        """Degrees of freedom of every coefficient, shape ``(p,)``; None for normal quantiles."""
        if self.fit.degrees is not None:
            return self.fit.degrees
        if self.degrees_of_freedom is None:
            return None
        return np.full(len(self.params), float(self.degrees_of_freedom))

    def confidence_interval(self, confidence_level: float | None = None) -> Float2D:
        """Return confidence intervals.

        Parameters
        ----------
        confidence_level : float or None, default None
            Level; None keeps that of the result.

        Returns
        -------
        ndarray of shape (p, 2)
            Lower and upper ends.

        Raises
        ------
        ValueError
            If another level is asked of an inverted test.
        """
        if self.intervals_at is not None:
            return self.intervals_at(
                float(self.confidence_level if confidence_level is None else confidence_level)
            )
        if self.interval is not None:
            if confidence_level is not None and float(confidence_level) != float(self.confidence_level):
                raise ValueError(
                    f"This interval inverts a test at level {float(self.confidence_level):g}; call infer with "
                    f"confidence_level={confidence_level!r} for another one."
                )
            return self.interval
        alpha = 1.0 - float(self.confidence_level if confidence_level is None else confidence_level)
        degrees = self.degrees
        critical = critical_value(alpha, None) if degrees is None else -special.stdtrit(degrees, alpha / 2.0)
        half = critical * self.std_error
        # a coefficient that no label tells anything about is open
        ends = np.array([self.params - half, self.params + half]).T
        ends = np.where(np.isnan(ends), [-np.inf, np.inf], ends)
        if self.limits is None:
            return ends
        # what is beyond the range cannot be the truth; an estimate beyond it stays within its interval
        low, high = np.fmin(self.limits[:, 0], self.params), np.fmax(self.limits[:, 1], self.params)
        return np.array([np.maximum(ends[:, 0], low), np.minimum(ends[:, 1], high)]).T

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        interval = self.confidence_interval()
        columns: dict[str, Any] = {
            "term": list(self.names),
            "estimate": self.params,
            "std_error": self.std_error,
            "statistic": self.statistic,
            "p_value": self.p_value,
            "conf_low": interval[:, 0],
            "conf_high": interval[:, 1],
            "effective_labels": self.effective_labels,
        }
        if self.naive_fit is not None:
            columns["naive_estimate"] = self.naive_fit.params
        if self.gold is not None:
            columns["gold_estimate"] = self.gold.params
            columns["gold_std_error"] = self.gold.std_error
        return columns

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "model": self.model,
            "estimator": self.estimator,
            "n": self.n_rows,
            "n_labelled": self.n_labelled,
            "kish_labels": self.kish_labels,
            "median_effective_labels": float(np.median(self.effective_labels)),
            "confidence_level": float(self.confidence_level),
            "degrees_of_freedom": self.degrees_of_freedom
            if self.degrees is None
            else float(np.nanmin(self.degrees)),
            "tuning": self.tuning,
            "vcov": self.kind if self.clustered_by is None else f"clustered by {self.clustered_by}",
            "population": self.population,
        }

    def _report(self) -> Report:
        interval = self.confidence_interval()
        level = level_text(self.confidence_level)
        columns: dict[str, Any] = {
            "Term": list(self.names),
            "Estimate": self.params,
            "Std. error": self.std_error,
            f"{level} low": interval[:, 0],
            f"{level} high": interval[:, 1],
            "p": self.p_value,
        }
        if self.naive_fit is not None:
            columns["Naive"] = self.naive_fit.params
        if self.gold is not None:
            columns["Gold only"] = self.gold.params
        columns["Worth"] = np.round(self.effective_labels)
        formats = {name: "estimate" for name in columns if name not in ("Term", "p", "Worth")}
        header: list[tuple[str, Any]] = [
            ("Model", f"{self.model}: {self.formula}"),
            ("Estimator", self._estimator_text()),
            ("Rows", f"{self.n_rows:,}" + (f" (read {self.n_passes} times)" if self.n_passes else "")),
            ("Expert labels", f"{self.n_labelled:,} (Kish effective size {self.kish_labels:,.0f})"),
            ("Standard errors", self._variance_text()),
            ("Population", self.population),
        ]
        notes = ["Worth: number of expert labels that alone would give the same standard error."]
        if self.naive_fit is not None:
            notes.append(
                "Naive: the same model with machine labels taken for the truth; it has no guarantee."
            )
        return Report(
            title="Regression with machine labels",
            header=header,
            tables=(Table(columns, formats={**formats, "p": "p_value", "Worth": "int"}),),  # type: ignore[dict-item]
            guarantees=(self.guarantee,),
            notes=(*notes, *self.notes),
        )

    def _answer(self) -> str:
        return sentence(self.answered(self))

    def exponentiated(self) -> ExponentiatedResult:
        """Return odds ratios, rate ratios or the like, which are exponentiated coefficients.

        Returns
        -------
        ExponentiatedResult
            Estimates and ends of the intervals on the scale of the ratio.

        Raises
        ------
        ValueError
            If ``exp(coefficient)`` has no meaning in the model.
        """
        if not self.ratio:
            raise ValueError(
                f"exponentiate=True gives ratios of logit, Poisson and other log-link models; the coefficients of "
                f"model={self.model!r} are no logarithms."
            )
        return ExponentiatedResult(guarantee=self.guarantee, backend=self.backend, result=self)

    def tidy(
        self,
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        *,
        exponentiate: bool = False,
    ) -> Any:
        """Return one row a coefficient.

        Parameters
        ----------
        labels : mapping of str to str or None, default None
            Words instead of terms.
        drop : collection of str, default ()
            Terms to leave out.
        exponentiate : bool, default False
            Whether to give odds or rate ratios; ``std_error`` stays that of the coefficient, as in broom.

        Returns
        -------
        DataFrame
            In the caller's data frame library.
        """
        return self.exponentiated().tidy(labels, drop) if exponentiate else super().tidy(labels, drop)

    def summary(
        self,
        *,
        details: bool = False,
        labels: Mapping[str, str] | None = None,
        digits: int | None = None,
        drop: Collection[str] = (),
        exponentiate: bool = False,
    ) -> Summary:
        """Return the R-like report: the answer in one sentence, the table, the guarantee.

        Parameters
        ----------
        details : bool, default False
            Whether to print the details of the guarantee.
        labels : mapping of str to str or None, default None
            Words to print instead of terms and headings.
        digits : int or None, default None
            Decimals of estimates and their intervals.
        drop : collection of str, default ()
            Terms to leave out.
        exponentiate : bool, default False
            Whether to give odds or rate ratios.

        Returns
        -------
        Summary
            Prints as text, shows as HTML in a notebook, exports LaTeX and Markdown.
        """
        options: dict[str, Any] = {"details": details, "labels": labels, "digits": digits, "drop": drop}
        return self.exponentiated().summary(**options) if exponentiate else super().summary(**options)

    def _estimator_text(self) -> str:
        if self.intervals_at is None:
            return f"{ESTIMATOR_TEXT[self.estimator]} (tuning: {self.tuning})"
        if self.interval_name == "exact":
            return "mean of the labels, by verdict where that is forecast to be shorter"
        return f"means of cells of {'the design' if self.estimator == 'gold' else 'equal machine verdict'}"

    def _variance_text(self) -> str:
        if self.intervals_at is not None:
            width = 2.0 * critical_value(1.0 - float(self.confidence_level), None)
            level = level_text(self.confidence_level)
            return f"length of the {level} interval ('{self.interval_name}') divided by {width:.3g}"
        text = self.kind if self.clustered_by is None else f"{self.kind}, clustered by {self.clustered_by}"
        degrees = self.degrees
        if degrees is None:
            return f"{text}, normal quantiles"
        least, most = np.nanmin(degrees), np.nanmax(degrees)
        many = f"{least:.3g}" if most - least < 0.5 else f"{least:.3g} to {most:.3g}"
        return f"{text}, t with {many} degrees of freedom"

    def _influence(self, purpose: str) -> Float2D:
        if self.population == "finite":
            raise ValueError(
                f"This result describes a finite population, whose uncertainty is that of labelling alone; {purpose} "
                "rests on influence functions, which vary with the population as well. Infer with "
                "population='superpopulation'."
            )
        if self.labelled is None:
            raise ValueError(
                f"This result rests on rows that were not in memory together, whose influence functions are not kept; "
                f"{purpose} needs them. Infer on a frame that holds all rows, or pass clusters to calibrate or infer."
            )
        if self.influence is None:
            raise ValueError(
                f"This result has no influence functions, which {purpose} needs: it is a median of sample "
                "splits, or a quantile without a bounded interval. Use estimator='tuned', or n_repeats=1; for a "
                "quantile, label more rows."
            )
        return self.influence

    def wald_test(self, restrictions: Any) -> WaldTest | InapplicableTest:
        """Test restrictions on the coefficients.

        Parameters
        ----------
        restrictions : str, sequence of str, mapping of str to float, or ndarray of shape (q, p)
            Names that are jointly zero, values by name, or a matrix ``R`` of ``R b = 0``.

        Returns
        -------
        WaldTest or InapplicableTest
            Prints as one line.
        """
        matrix, values, null = restriction_matrix(self.names, restrictions)
        denominator = self._least_degrees(matrix)
        found = wald_statistic(self.params, self.covariance, matrix, values, denominator)
        if found is None:
            return InapplicableTest(reason="the restrictions are redundant, or their covariance is singular")
        return WaldTest(
            statistic=found[0],
            p_value=found[1],
            null=null,
            degrees_of_freedom=len(matrix),
            denominator=denominator,
            guarantee=replace(
                self.guarantee,
                holds="if the hypothesis is true, a p-value of at most 0.05 occurs in about 5 of 100 such studies",
                kind="asymptotic",
                confidence_level=None,
                exact_probability=None,
                n_statements=1,
            ),
            backend=self.backend,
        )

    def _least_degrees(self, matrix: Float2D) -> float | None:
        """Return the fewest degrees of freedom of the coefficients that restrictions speak of."""
        degrees = self.degrees
        if degrees is None:
            return None
        return float(np.min(degrees[np.any(matrix != 0.0, axis=0)]))

    def joint_test(self) -> WaldTest | InapplicableTest:
        """Test that all coefficients but the intercept are zero.

        Returns
        -------
        WaldTest or InapplicableTest
            Inapplicable where there is nothing but an intercept.
        """
        tested = [name for name in self.names if not is_intercept(name)]
        if not tested:
            return InapplicableTest(reason="the model has no coefficients besides the intercept")
        return self.wald_test(tested)

    def recluster(self, *clusters: Any, name: str | None = None) -> CoefficientResult:
        """Return the same fit with standard errors clustered in another way.

        Parameters
        ----------
        *clusters : array-like of shape (n,), or str
            None for independent rows, or one or two vectors of cluster labels, matched by index where they have one. Of
            rows that arrived in parts one or two names of columns: the rows are read again.
        name : str or None, default None
            What to call the clusters; None is "given clusters", or the columns.

        Returns
        -------
        CoefficientResult
            With the new covariance; normal quantiles, or t with the number of clusters that carry expert labels minus
            one below 200, as from ``infer(clusters=...)``.

        Raises
        ------
        ValueError
            For a finite population or a median of splits, where there is no such thing, for missing labels or for a
            single cluster.

        Warns
        -----
        LabellingWarning
            If fewer than 50 clusters carry expert labels.

        Notes
        -----
        The interval of a quantile, which inverts a test, becomes the estimate plus or minus a multiple of the
        new standard error.
        """
        codes: Sequence[Int1D]
        if self.fit.sums_by is not None and self.population == "superpopulation":
            sums, codes = self.fit.sums_by(clusters)
            labelled = np.ones(self.n_labelled, dtype=np.bool_)
            covariance = sums.covariance(self.n_rows)
            by_cluster = sums.clusters[0].sums if codes else None
            name = name or " and ".join(clusters)
        else:
            influence = self._influence("another clustering")
            assert self.labelled is not None
            labelled = self.labelled
            codes = [_cluster_codes(c, self) for c in clusters]
            covariance = sandwich(np.eye(len(self.params)), clustered_meat(influence, codes), self.n_rows)
            by_cluster = sum_by_cluster(influence, codes[0]) if codes else None
        warn_about_clusters(codes, labelled, name)
        degrees = cluster_degrees(codes, labelled) if codes else None
        return replace(
            self,
            fit=replace(self.fit, covariance=covariance, by_cluster=by_cluster, degrees=None),
            clustered_by=(name or "given clusters") if codes else None,
            clusters=() if self.labelled is None else tuple(codes),
            degrees_of_freedom=degrees,
            interval=None,
            intervals_at=None,
            interval_name="normal",
        )

    def bootstrap(
        self,
        n_replicates: int = 999,
        *,
        clusters: Any = None,
        random_state: RandomState = None,
    ) -> Float2D:
        """Draw from the multiplier bootstrap of the estimate.

        Parameters
        ----------
        n_replicates : int, default 999
            Number of draws.
        clusters : array-like of shape (n,) or None, default None
            Clusters that share a multiplier; None takes those of the standard errors.
        random_state : int, numpy.random.Generator or None, default None
            Seed.

        Returns
        -------
        ndarray of shape (n_replicates, p)
            Estimate plus the mean of influence functions times Rademacher multipliers.

        Raises
        ------
        ValueError
            For a finite population or a median of splits, for missing cluster labels, or if the standard errors are
            clustered in two ways and none is chosen.
        """
        check_positive_int(n_replicates, "n_replicates")
        influence = self._influence("the bootstrap")
        if clusters is None and len(self.clusters) > 1:
            raise ValueError(
                "Multipliers are shared within clusters of one kind, and the standard errors are clustered in two "
                "ways; pass clusters=<one of them>."
            )
        codes = self.clusters if clusters is None else (_cluster_codes(clusters, self),)
        if codes:
            influence = sum_by_cluster(influence, codes[0])
        generator = check_random_state(random_state)
        draws = np.empty((n_replicates, len(self.params)))
        for b in range(n_replicates):
            signs = generator.integers(0, 2, len(influence)) * 2.0 - 1.0
            draws[b] = self.params + signs @ influence / self.n_rows
        return draws

    def plan_labels(self, sizes: Sequence[int] | None = None, **options: Any) -> LabelPlan:
        """Forecast standard errors and power for other numbers of expert labels.

        Parameters
        ----------
        sizes : sequence of int or None, default None
            Numbers of labels; None takes half to four times the present one.
        **options
            As in :func:`validstats.dsl.plan_labels`.

        Returns
        -------
        LabelPlan
            Forecasts.
        """
        return plan_labels(self, sizes, **options)

    def compare(self) -> CoefficientComparison:
        """Put the estimate beside the naive and the gold-only fit.

        Returns
        -------
        CoefficientComparison
            A table of coefficients and standard errors.
        """
        return CoefficientComparison(
            guarantee=self.guarantee,
            backend=self.backend,
            names=self.names,
            confidence_level=self.confidence_level,
            fits={
                "validstats": SimpleFit(params=self.params, std_error=self.std_error),
                **({} if self.gold is None else {"gold only": self.gold}),
                **({} if self.naive_fit is None else {"naive": self.naive_fit}),
            },
        )

    def plot(
        self,
        ax: Any = None,
        labels: Mapping[str, str] | None = None,
        drop: Collection[str] = (),
        *,
        truth: Float1D | None = None,
    ) -> Any:
        """Draw the coefficients with those of the naive and the gold-only fit.

        Parameters
        ----------
        ax : matplotlib Axes or None, default None
            Axes to draw on.
        labels : mapping of str to str or None, default None
            Words instead of terms.
        drop : collection of str, default ()
            Terms to leave out.
        truth : ndarray of shape (p,) or None, default None
            Known values to mark.

        Returns
        -------
        CoefficientDisplay
            The drawn display.
        """
        from validstats.plotting.coefficients import CoefficientDisplay

        return CoefficientDisplay.from_result(self, truth=truth, labels=labels, drop=drop).plot(ax)

    @property
    def __maketables_coef_table__(self) -> Any:
        import pandas as pd

        interval = self.confidence_interval(None if self.interval is not None else 0.95)
        return pd.DataFrame(
            {
                "b": self.params,
                "se": self.std_error,
                "t": self.statistic,
                "p": self.p_value,
                "ci95l": interval[:, 0],
                "ci95u": interval[:, 1],
            },
            index=pd.Index(self.names, name="Coefficient"),
        )

    def __maketables_stat__(self, key: str) -> Any:
        values = {
            "N": self.n_rows,
            "n_labelled": self.n_labelled,
            "estimator": ESTIMATOR_TEXT[self.estimator],
            "se_type": self.kind if self.clustered_by is None else f"by: {self.clustered_by}",
        }
        return values.get(key)

    @property
    def __maketables_depvar__(self) -> str:
        return self.outcome

    @property
    def __maketables_fixef_string__(self) -> str | None:
        return "+".join(self.effects) if self.effects else None

    @property
    def __maketables_vcov_info__(self) -> dict[str, Any]:
        return {"vcov_type": self.kind, "clustervar": self.clustered_by}

    @property
    def __maketables_stat_labels__(self) -> dict[str, str]:
        return {"n_labelled": "Expert labels", "estimator": "Estimator"}

    @property
    def __maketables_default_stat_keys__(self) -> list[str]:
        return ["N", "n_labelled", "se_type"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class CoefficientComparison(Result):
    """The same model from several sources of labels, side by side.

    Attributes
    ----------
    names : tuple of str
        Coefficient names.
    fits : dict of str to SimpleFit
        Fits by name, the guaranteed one first.
    confidence_level : float
        Level of the intervals of :meth:`tidy`, normal.
    """

    names: tuple[str, ...]
    fits: Mapping[str, SimpleFit]
    confidence_level: float

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return self.names

    @property
    def estimate(self) -> Float1D:
        """Coefficients of the guaranteed fit, shape ``(p,)``."""
        return next(iter(self.fits.values())).params

    @property
    def conf_low(self) -> Float1D:
        """Lower ends of its intervals, shape ``(p,)``."""
        return self.estimate - self._half(next(iter(self.fits.values())))

    @property
    def conf_high(self) -> Float1D:
        """Upper ends of its intervals, shape ``(p,)``."""
        return self.estimate + self._half(next(iter(self.fits.values())))

    @property
    def naive(self) -> Float1D | NotApplicable:
        """Coefficients with machine labels taken for the truth, shape ``(p,)``."""
        if "naive" not in self.fits:
            return NotApplicable("there is no fit of the machine labels alone")
        return self.fits["naive"].params

    def _half(self, fit: SimpleFit) -> Float1D:
        return critical_value(float(1 - self.confidence_level), None) * fit.std_error

    def _answer(self) -> str:
        j = main_term(self.names)
        low, high = self.conf_low[j], self.conf_high[j]
        spread = (high - low) / 2.0
        others = [f"{name} {rounded(fit.params[j], spread)}" for name, fit in list(self.fits.items())[1:]]
        subject = "the intercept" if is_intercept(self.names[j]) else f"the coefficient of {self.names[j]}"
        own = f"{subject} is {interval_words(self.estimate[j], low, high)}"
        return sentence(f"{own}; {', '.join(others)}" if others else own)

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the coefficients of every fit."""
        from validstats.plotting.coefficients import CoefficientDisplay

        kept = [j for j, name in enumerate(self.names) if name not in drop]
        fits = {
            name: (
                f.params[kept],
                (f.params - self._half(f))[kept],
                (f.params + self._half(f))[kept],
            )
            for name, f in self.fits.items()
        }
        words = [(labels or {}).get(self.names[j], self.names[j]) for j in kept]
        return CoefficientDisplay(words, fits)

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        critical = critical_value(float(1 - self.confidence_level), None)
        params = np.concatenate([f.params for f in self.fits.values()])
        errors = np.concatenate([f.std_error for f in self.fits.values()])
        return {
            "fit": [name for name in self.fits for _ in self.names],
            "term": list(self.names) * len(self.fits),
            "estimate": params,
            "std_error": errors,
            "conf_low": params - critical * errors,
            "conf_high": params + critical * errors,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {"n_fits": len(self.fits), "confidence_level": float(self.confidence_level)}

    def _report(self) -> Report:
        columns: dict[str, Any] = {"Term": list(self.names)}
        for name, fit in self.fits.items():
            columns[name] = [f"{b:z.4f} ({s:.4f})" for b, s in zip(fit.params, fit.std_error, strict=True)]
        return Report(
            title="Comparison of fits: estimate (standard error)",
            tables=(Table(columns),),
            guarantees=(self.guarantee,),
            notes=("The guarantee is that of the first column alone.",),
        )


def joint_covariance(results: Sequence[CoefficientResult], clusters: Sequence[Any] | None = None) -> Float2D:
    """Return the covariance of the stacked coefficients of several results on the same rows.

    Parameters
    ----------
    results : sequence of CoefficientResult
        Results of one calibration, with influence functions.
    clusters : sequence of array-like of shape (n,) or None, default None
        One or two vectors of cluster labels, or none of them for independent rows; None takes those of the
        results.

    Returns
    -------
    ndarray of shape (sum of p, sum of p)
        Covariance in the order of the results, for tests across models.

    Raises
    ------
    ValueError
        If the results differ in their number of rows or, with ``clusters=None``, in their clusters, or if one is of a
        finite population or a median of splits.
    """
    sizes = {r.n_rows for r in results}
    if len(sizes) != 1:
        raise ValueError(f"The results must rest on the same rows; they have {sorted(sizes)} rows.")
    stacked = np.hstack([r._influence("a joint covariance") for r in results])
    n = sizes.pop()
    if clusters is not None:
        codes = tuple(_cluster_codes(c, results[0]) for c in clusters)
    else:
        codes = results[0].clusters
        for other in results[1:]:
            same = len(other.clusters) == len(codes) and all(map(np.array_equal, other.clusters, codes))
            if not same:
                raise ValueError(
                    "The results are clustered in different ways; pass clusters=<vectors>, or []."
                )
    return sandwich(np.eye(stacked.shape[1]), clustered_meat(stacked, codes), n)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ExponentiatedResult(Result):
    """Odds ratios, rate ratios or the like: exponentiated coefficients with their intervals.

    Attributes
    ----------
    result : CoefficientResult
        The coefficients.
    """

    result: CoefficientResult

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return self.result.names

    @property
    def confidence_level(self) -> float:
        """Level of the intervals."""
        return self.result.confidence_level

    @property
    def estimate(self) -> Float1D:
        """Ratios, shape ``(p,)``."""
        return np.exp(self.result.estimate)

    @property
    def conf_low(self) -> Float1D:
        """Lower ends, shape ``(p,)``."""
        return np.exp(self.result.conf_low)

    @property
    def conf_high(self) -> Float1D:
        """Upper ends, shape ``(p,)``."""
        return np.exp(self.result.conf_high)

    @property
    def naive(self) -> Float1D | NotApplicable:
        """Ratios with machine labels taken for the truth, shape ``(p,)``."""
        naive = self.result.naive
        return naive if isinstance(naive, NotApplicable) else np.exp(naive)

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the ratios on a logarithmic axis."""
        from validstats.plotting.coefficients import CoefficientDisplay

        kept = [j for j, name in enumerate(self.terms) if name not in drop and not is_intercept(name)]
        words = [(labels or {}).get(self.terms[j], self.terms[j]) for j in kept]
        values = (self.estimate[kept], self.conf_low[kept], self.conf_high[kept])
        return CoefficientDisplay(words, {"validstats": values}, ratio=self.result.ratio)

    def _answer(self) -> str:
        j = main_term(self.terms)
        words = interval_words(self.estimate[j], self.conf_low[j], self.conf_high[j])
        return sentence(f"the {self.result.ratio} of {self.terms[j]} is {words}")

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        columns = dict(self.result._tidy_columns())
        columns |= {"estimate": self.estimate, "conf_low": self.conf_low, "conf_high": self.conf_high}
        for name in ("naive_estimate", "gold_estimate"):
            if name in columns:
                columns[name] = np.exp(columns[name])
        return columns

    def _glance_columns(self) -> Mapping[str, Any]:
        return {**self.result._glance_columns(), "exponentiated": self.result.ratio}

    def _report(self) -> Report:
        level = level_text(self.confidence_level)
        heading = sentence(self.result.ratio)
        columns: dict[str, Any] = {
            "Term": list(self.terms),
            heading: self.estimate,
            f"{level} low": self.conf_low,
            f"{level} high": self.conf_high,
            "p": self.result.p_value,
        }
        formats: dict[str, Any] = {name: "estimate" for name in columns if name not in ("Term", "p")}
        report = self.result._report()
        return replace(report, tables=(Table(columns, formats={**formats, "p": "p_value"}),), notes=())


def _series(values: Float1D, names: Sequence[str], title: str) -> Any:
    import pandas as pd

    return pd.Series(values, index=pd.Index(names, name="term"), name=title)


def _named(values: Float2D, names: Sequence[str], columns: list[str]) -> Any:
    import pandas as pd

    return pd.DataFrame(values, index=pd.Index(names, name="term"), columns=columns)


def _cluster_codes(labels: Any, result: CoefficientResult) -> Int1D:
    """Return cluster codes of labels, one a row of the result's data, none missing and of one type."""
    aligned = labels if result.rows is None else align(labels, result.rows, "clusters")
    codes = text_codes(check_groups(aligned, "clusters", result.n_rows))
    return checked_clusters(codes, result.n_rows)
