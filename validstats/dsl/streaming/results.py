"""What a streamed regression returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import Float1D, Float2D
from validstats.dsl.fit import SimpleFit
from validstats.dsl.moments import VarianceParts, critical_value
from validstats.dsl.plan import LabelPlan, plan_labels
from validstats.dsl.results import level_text
from validstats.guarantee import Guarantee
from validstats.results import Report, Result, Table

__all__ = ["StreamedResult", "streaming_guarantee"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class StreamedResult(Result):
    """Coefficients estimated from sums over rows that were never in memory together.

    Attributes
    ----------
    names : tuple of str
        Coefficient names.
    params : ndarray of shape (p,)
        Coefficients.
    covariance : ndarray of shape (p, p)
        Covariance matrix.
    degrees_of_freedom : float or None
        Of the t distribution; None for normal quantiles.
    confidence_level : float
        Level of the intervals.
    model, estimator, tuning : str
        What was done.
    n_rows, n_labelled, n_passes : int
        Rows, labelled rows, and passes over the data.
    variance_parts : VarianceParts
        Which part of the covariance more labels shrink.
    gold : SimpleFit or None
        Expert labels alone.
    clustered_by : str or None
        Column of the clusters.
    """

    names: tuple[str, ...]
    params: Float1D
    covariance: Float2D
    degrees_of_freedom: float | None
    confidence_level: float
    model: str
    estimator: str
    tuning: str
    n_rows: int
    n_labelled: int
    n_passes: int
    variance_parts: VarianceParts | None
    gold: SimpleFit | None
    clustered_by: str | None = None

    @property
    def std_error(self) -> Float1D:
        """Standard errors, shape ``(p,)``."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def p_value(self) -> Float1D:
        """Two-sided p-values from the survival function, shape ``(p,)``."""
        absolute = np.abs(self.params / self.std_error)
        if self.degrees_of_freedom is None:
            return np.asarray(2.0 * stats.norm.sf(absolute))
        return np.asarray(2.0 * stats.t.sf(absolute, self.degrees_of_freedom))

    def confidence_interval(self) -> Float2D:
        """Return confidence intervals.

        Returns
        -------
        ndarray of shape (p, 2)
            Lower and upper ends.
        """
        half = critical_value(1.0 - self.confidence_level, self.degrees_of_freedom) * self.std_error
        return np.column_stack([self.params - half, self.params + half])

    def plan_labels(self, sizes: Sequence[int] | None = None, **options: Any) -> LabelPlan:
        """Forecast standard errors and power for other numbers of expert labels.

        Parameters
        ----------
        sizes : sequence of int or None, default None
            Numbers of labels.
        **options
            As in :func:`validstats.dsl.plan.planning.plan_labels`.

        Returns
        -------
        LabelPlan
            Forecasts.
        """
        return plan_labels(self, sizes, **options)

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        interval = self.confidence_interval()
        columns: dict[str, Any] = {
            "term": list(self.names),
            "estimate": self.params,
            "std_error": self.std_error,
            "statistic": self.params / self.std_error,
            "p_value": self.p_value,
            "conf_low": interval[:, 0],
            "conf_high": interval[:, 1],
        }
        if self.gold is not None:
            columns |= {"gold_estimate": self.gold.params, "gold_std_error": self.gold.std_error}
        return columns

    def _glance_columns(self) -> Mapping[str, Any]:
        return {
            "model": self.model,
            "estimator": self.estimator,
            "n": self.n_rows,
            "n_labelled": self.n_labelled,
            "n_passes": self.n_passes,
            "tuning": self.tuning,
            "confidence_level": self.confidence_level,
            "clustered_by": self.clustered_by,
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
        if self.gold is not None:
            columns["Gold only"] = self.gold.params
        formats: dict[str, Any] = {name: "estimate" for name in columns if name not in ("Term", "p")}
        formats["p"] = "p_value"
        header = (
            ("Model", self.model),
            ("Estimator", f"{self.estimator} (tuning: {self.tuning})"),
            ("Rows", self.n_rows),
            ("Expert labels", self.n_labelled),
            ("Passes", self.n_passes),
            ("Clusters", self.clustered_by or "none"),
        )
        return Report(
            title="Regression with machine labels, streamed",
            header=header,
            tables=(Table(columns, formats=formats),),
            guarantees=(self.guarantee,),
        )


def streaming_guarantee(
    n_units: int, confidence_level: float, estimator: str, clusters: str | None
) -> Guarantee:
    """Return what a streamed regression promises."""
    independent = "rows" if clusters is None else f"clusters ({clusters})"
    return Guarantee(
        holds=f"each interval covers its coefficient with probability tending to {confidence_level:g}, for "
        "any quality of the machine labels",
        kind="asymptotic",
        check=(
            "the labelling probabilities are those by which rows were drawn, independently of each other",
            "expert labels are what is meant to be measured",
            "prediction columns were made without the row's own expert label",
        ),
        details=(
            f"{independent} are independent of each other",
            "scores have finite fourth moments and the Jacobian is not singular",
        ),
        n_reference=n_units,
        citation="Egami et al. (2023), arXiv 2306.04746, Proposition 1"
        + ("; Chen and Chen (2000), JRSS-B 62, 449-460" if estimator == "tuned" else ""),
        confidence_level=float(confidence_level),
    )
