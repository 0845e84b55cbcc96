"""Wald tests of linear restrictions on coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from validstats._typing import Float1D, Float2D

__all__ = ["InapplicableTest", "WaldTest", "restriction_matrix", "wald_test"]


@dataclass(frozen=True, kw_only=True)
class WaldTest:
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
    statistic: float
    degrees_of_freedom: int
    denominator: float | None
    p_value: float

    def __str__(self) -> str:
        if self.denominator is None:
            law = f"chi2({self.degrees_of_freedom})"
        else:
            law = f"F({self.degrees_of_freedom}, {self.denominator:g})"
        return f"H0: {self.null}; {law} = {self.statistic:.4g}, p = {self.p_value:.4g}"


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


def wald_test(
    params: Float1D,
    covariance: Float2D,
    matrix: Float2D,
    values: Float1D,
    *,
    null: str = "R b = r",
    denominator: float | None = None,
) -> WaldTest | InapplicableTest:
    """Test linear restrictions ``R b = r``."""
    spread = matrix @ covariance @ matrix.T
    if np.linalg.matrix_rank(spread) < len(matrix):
        return InapplicableTest(reason="the restrictions are redundant, or their covariance is singular")
    difference = matrix @ params - values
    statistic = float(difference @ np.linalg.solve(spread, difference))
    q = len(matrix)
    if denominator is None:
        return WaldTest(
            null=null,
            statistic=statistic,
            degrees_of_freedom=q,
            denominator=None,
            p_value=float(stats.chi2.sf(statistic, q)),
        )
    return WaldTest(
        null=null,
        statistic=statistic / q,
        degrees_of_freedom=q,
        denominator=denominator,
        p_value=float(stats.f.sf(statistic / q, q, denominator)),
    )
