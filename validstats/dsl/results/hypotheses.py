"""Wald tests of linear restrictions on coefficients."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import Float1D, Float2D
from validstats.results import StatisticalTest

__all__ = ["InapplicableTest", "WaldTest", "restriction_matrix", "wald_statistic"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class WaldTest(StatisticalTest):
    """Result of a Wald test.

    Attributes
    ----------
    null : str
        The hypothesis.
    statistic : float
        Chi-squared statistic, or F where ``denominator`` is given.
    degrees_of_freedom : int
        Number of restrictions.
    denominator : float or None
        Denominator degrees of freedom of F.
    p_value : float
        From the survival function.
    """

    null: str
    degrees_of_freedom: int
    denominator: float | None

    def _display(self, labels: Mapping[str, str] | None, drop: Collection[str]) -> Any:
        """Draw the law of the statistic under the hypothesis, with the observed value."""
        from validstats.plotting.statistical_tests import NullLawDisplay

        grid = np.linspace(0.02, max(1.2 * self.statistic, float(self._law().ppf(0.995))), 300)
        name = (labels or {}).get("statistic", self._law_name())
        return NullLawDisplay(grid, self._law().pdf(grid), self.statistic, name=name)

    def __str__(self) -> str:
        return f"H0: {self.null}; {self._law_name()} = {self.statistic:.4g}, p = {self.p_value:.4g}"

    def _law(self) -> Any:
        if self.denominator is None:
            return stats.chi2(self.degrees_of_freedom)
        return stats.f(self.degrees_of_freedom, self.denominator)

    def _law_name(self) -> str:
        if self.denominator is None:
            return f"chi2({self.degrees_of_freedom})"
        return f"F({self.degrees_of_freedom}, {self.denominator:g})"

    def _answer(self) -> str:
        verdict = "does not fit the data" if self.p_value <= 0.05 else "is compatible with the data"
        return f"The hypothesis {self.null} {verdict} (p = {self.p_value:.3g})"

    def _title(self) -> str:
        return "Wald test"

    def _glance_columns(self) -> Mapping[str, Any]:
        return {"n": self.n_reference, "df": self.degrees_of_freedom, "df_denominator": self.denominator}


@dataclass(frozen=True, kw_only=True)
class InapplicableTest:
    """A test that is not defined here, and why.

    Attributes
    ----------
    reason : str
        Why there is no statistic.
    """

    reason: str

    def __str__(self) -> str:
        return f"The test is not applicable: {self.reason}."


def restriction_matrix(names: Sequence[str], restrictions: Any) -> tuple[Float2D, Float1D, str]:
    """Read restrictions on named coefficients."""
    if isinstance(restrictions, np.ndarray):
        matrix = np.atleast_2d(restrictions).astype(np.float64)
        if matrix.shape[1] != len(names):
            raise ValueError(
                f"The restriction matrix has {matrix.shape[1]} columns; there are {len(names)} coefficients."
            )
        return matrix, np.zeros(len(matrix)), "R b = 0"
    if isinstance(restrictions, str):
        restrictions = [restrictions]
    pairs = (
        list(restrictions.items())
        if isinstance(restrictions, Mapping)
        else [(name, 0.0) for name in restrictions]
    )
    unknown = [name for name, _ in pairs if name not in names]
    if unknown or not pairs:
        raise ValueError(
            f"Unknown coefficient(s) {', '.join(map(repr, unknown))}; the names are {', '.join(map(repr, names))}."
        )
    matrix = np.zeros((len(pairs), len(names)))
    for row, (name, _) in enumerate(pairs):
        matrix[row, list(names).index(name)] = 1.0
    values = np.array([value for _, value in pairs], dtype=np.float64)
    return matrix, values, " and ".join(f"{name} = {value:g}" for name, value in pairs)


def wald_statistic(
    params: Float1D, covariance: Float2D, matrix: Float2D, values: Float1D, denominator: float | None = None
) -> tuple[float, float] | None:
    """Return statistic and p-value of ``R b = r``; None where restrictions are redundant or their covariance singular."""
    spread = matrix @ covariance @ matrix.T
    if np.linalg.matrix_rank(spread) < len(matrix):
        return None
    difference = matrix @ params - values
    # W = (R b - r)' (R V R')^-1 (R b - r), chi2 with q degrees of freedom; W / q is F where there is a denominator
    statistic = float(difference @ np.linalg.solve(spread, difference))
    q = len(matrix)
    if denominator is None:
        return statistic, float(stats.chi2.sf(statistic, q))
    return statistic / q, float(stats.f.sf(statistic / q, q, denominator))
