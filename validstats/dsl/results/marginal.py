"""Average marginal effects of models whose coefficients are on another scale than the outcome."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.dsl.moments import critical_value
from validstats.dsl.results.answers import level_text, sentence
from validstats.results import NotApplicable, Report, Result, Table, interval_words

__all__ = ["MarginalEffects"]


BESIDE_COEFFICIENTS = NotApplicable("machine labels alone are shown beside coefficients")
"""Why effects have no naive twin."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class MarginalEffects(Result):
    """By how much the expected outcome changes with each covariate, on average over all rows.

    Attributes
    ----------
    terms : tuple of str
        Covariates.
    estimate : ndarray of shape (p,)
        Mean derivatives of the expected outcome.
    covariance : ndarray of shape (p, p)
        Their covariance matrix.
    confidence_level : float
        Level of the intervals.
    degrees_of_freedom : float or None
        Of the t distribution; None for normal quantiles.
    outcome : str
        What is explained.
    naive : NotApplicable
        Machine labels alone are shown beside coefficients.
    """

    terms: tuple[str, ...]
    estimate: Float1D
    covariance: Float2D
    confidence_level: float
    degrees_of_freedom: float | None
    outcome: str
    naive: NotApplicable = BESIDE_COEFFICIENTS

    @property
    def std_error(self) -> Float1D:
        """Standard errors, shape ``(p,)``."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def conf_low(self) -> Float1D:
        """Lower ends, shape ``(p,)``."""
        return self.estimate - self._half

    @property
    def conf_high(self) -> Float1D:
        """Upper ends, shape ``(p,)``."""
        return self.estimate + self._half

    @property
    def _half(self) -> Float1D:
        return critical_value(float(1 - self.confidence_level), self.degrees_of_freedom) * self.std_error

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the effects with their intervals."""
        from validstats.plotting.coefficients import CoefficientDisplay

        kept = [j for j, name in enumerate(self.terms) if name not in drop]
        words = [(labels or {}).get(self.terms[j], self.terms[j]) for j in kept]
        values = (self.estimate[kept], self.conf_low[kept], self.conf_high[kept])
        return CoefficientDisplay(words, {"validstats": values})

    def _answer(self) -> str:
        words = interval_words(self.estimate[0], self.conf_low[0], self.conf_high[0])
        return sentence(
            f"a unit more of {self.terms[0]} changes the expected {self.outcome} by {words} on average"
        )

    def _tidy_columns(self) -> Mapping[str, Sequence[Any] | np.ndarray]:
        return {
            "term": list(self.terms),
            "estimate": self.estimate,
            "std_error": self.std_error,
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
        }

    def _glance_columns(self) -> Mapping[str, Any]:
        return {"outcome": self.outcome, "confidence_level": float(self.confidence_level)}

    def _report(self) -> Report:
        level = level_text(self.confidence_level)
        columns: dict[str, Any] = {
            "Term": list(self.terms),
            "Effect": self.estimate,
            "Std. error": self.std_error,
            f"{level} low": self.conf_low,
            f"{level} high": self.conf_high,
        }
        formats: dict[str, Any] = {name: "estimate" for name in columns if name != "Term"}
        return Report(
            title="Average marginal effects",
            tables=(Table(columns, formats=formats),),
            guarantees=(self.guarantee,),
        )
