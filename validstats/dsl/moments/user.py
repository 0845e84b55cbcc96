"""Estimating functions that the user writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from validstats._typing import AnyArray, Float1D, Float2D, FloatND
from validstats.dsl.moments.models import ModelMoment, RegressionRows

__all__ = ["Moment", "UserMoment"]


@dataclass(frozen=True)
class Moment:
    """An estimating function of the user's own.

    Parameters
    ----------
    score : callable
        ``score(columns, params) -> ndarray of shape (n, p)``, where ``columns`` maps each name of
        ``variables`` to an array of length ``n`` without missing values.
    jacobian : callable or None, default None
        ``jacobian(columns, params) -> ndarray of shape (n, p, p)``, the derivative of each row's score with
        respect to the parameters (row, equation, parameter). None takes central differences.
    variables : tuple of str
        Columns that the score reads, labels included.
    start : tuple of float
        Starting value, one number a parameter.
    names : tuple of str or None, default None
        Names of the parameters; None numbers them.

    Examples
    --------
    >>> from validstats.dsl import Moment
    >>> variance = Moment(
    ...     score=lambda c, b: np.column_stack([c["y"] - b[0], (c["y"] - b[0]) ** 2 - b[1]]),
    ...     variables=("y",), start=(0.0, 1.0), names=("mean", "variance"))
    >>> variance.names
    ('mean', 'variance')
    """

    score: Callable[[Mapping[str, AnyArray], Float1D], Float2D]
    jacobian: Callable[[Mapping[str, AnyArray], Float1D], FloatND] | None = None
    variables: tuple[str, ...] = ()
    start: tuple[float, ...] = ()
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class UserMoment(ModelMoment):
    """A :class:`Moment` behind the interface of the built-in models."""

    moment: Moment  # the user's functions

    def n_params(self, rows: RegressionRows) -> int:
        """Return the length of the starting value."""
        return len(self.moment.start)

    def score(self, rows: RegressionRows, params: Float1D) -> Float2D:
        """Return a copy of the user's score, checked for its shape."""
        values = np.array(self.moment.score(_columns(rows), params), dtype=np.float64)
        expected = (rows.n_rows, len(self.moment.start))
        if values.shape != expected:
            raise ValueError(
                f"Moment.score returned an array of shape {values.shape}; it must return {expected}, one row "
                "an observation and one column a parameter."
            )
        return values if rows.weights is None else values * rows.weights[:, None]

    def _row_derivatives(self, rows: RegressionRows, params: Float1D) -> FloatND:
        if self.moment.jacobian is not None:
            values = np.asarray(self.moment.jacobian(_columns(rows), params), dtype=np.float64)
            expected = (rows.n_rows, len(params), len(params))
            if values.shape != expected:
                raise ValueError(
                    f"Moment.jacobian returned an array of shape {values.shape}; it must return {expected} "
                    "(row, equation, parameter)."
                )
            return values
        derivative = np.empty((rows.n_rows, len(params), len(params)))
        for k in range(len(params)):
            step = np.zeros(len(params))
            step[k] = np.cbrt(np.finfo(float).eps) * max(1.0, abs(params[k]))
            upper = np.asarray(self.moment.score(_columns(rows), params + step))
            lower = np.asarray(self.moment.score(_columns(rows), params - step))
            derivative[:, :, k] = (upper - lower) / (2.0 * step[k])
        return derivative

    def jacobian(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float2D:
        """Return the weighted sum of the negative derivative, analytic or by central differences."""
        return -np.einsum("i,ijk->jk", rows.weighted(row_weights), self._row_derivatives(rows, params))

    def leverage(self, rows: RegressionRows, params: Float1D, inverse: Float2D) -> Float1D:
        """Return ``trace(inverse @ J_i)`` for every row."""
        return -rows.weighted(np.einsum("kj,ijk->i", inverse, self._row_derivatives(rows, params)))

    def carried(self, rows: RegressionRows, params: Float1D, bread: Float2D) -> Float2D:
        """Return the diagonal of ``bread @ J_i`` for every row."""
        own = -np.einsum("cj,ijc->ic", bread, self._row_derivatives(rows, params))
        return np.abs(own) * rows.weighted(np.ones(rows.n_rows))[:, None]

    def start(self, rows: RegressionRows, row_weights: Float1D) -> Float1D:
        """Return the user's starting value."""
        return np.asarray(self.moment.start, dtype=np.float64)


def _columns(rows: RegressionRows) -> Mapping[str, AnyArray]:
    if rows.columns is None:
        raise ValueError("A user-written moment needs its columns, and the rows carry none.")
    return rows.columns
