"""Estimating functions of the supported models: score and exact Jacobian of every row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from scipy.linalg import lapack
from scipy.special import expit, softmax

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, FloatND
from validstats.dsl.moments.variance import is_constant

__all__ = [
    "GLMMoment",
    "InstrumentalMoment",
    "LARGEST_VALUE",
    "LinearMoment",
    "MeanMoment",
    "ModelMoment",
    "MultinomialMoment",
    "NewtonResult",
    "RegressionRows",
    "ScaledJacobian",
    "ScoreParts",
    "clearly_apart",
    "collinear_columns",
    "column_names",
    "least_squares",
    "find_root",
    "invert_bread",
    "nearly_spanned_columns",
    "quadratic_forms",
    "scale_rows_and_columns",
    "singular_reason",
    "two_stage_projection",
    "unit_columns",
]


_SINGULAR = 1e-13
"""Smallest over largest singular value, rows and columns scaled, below which a Jacobian counts as singular."""


@dataclass(frozen=True, kw_only=True)
class NewtonResult:
    """Outcome of Newton's method."""

    params: Float1D  # last iterate
    converged: bool  # whether the last Newton step is below the tolerance
    reason: str  # why it stopped
    n_iterations: int  # number of Newton steps
    value: Float1D  # mean score at ``params``
    scaled: ScaledJacobian | None = None  # the Jacobian where it does not depend on the parameters

    @property
    def slope(self) -> Float2D | None:
        """The Jacobian where it does not depend on the parameters."""
        return None if self.scaled is None else self.scaled.jacobian

    @property
    def largest_moment(self) -> float:
        """Largest absolute mean score at the last iterate."""
        return float(np.abs(self.value).max()) if np.isfinite(self.value).all() else float("inf")


def scale_rows_and_columns(jacobian: Float2D) -> tuple[Float1D, Float1D]:
    """Return factors of the rows (equations) and columns (parameters) that bring the largest entries to about one."""
    # rows, columns: ``rows[:, None] * jacobian * columns`` is the scaled matrix.
    # Ruiz (2001), A scaling algorithm to equilibrate both rows and columns norms in matrices,
    # RAL-TR-2001-034.
    # One pass is all: afterwards the largest entry of every row and column is one, unless all of it is zero.
    factors = []
    scaled = np.abs(jacobian)
    for values in (scaled.T, scaled):
        largest = np.maximum.reduce(values, axis=0)
        largest[largest == 0.0] = 1.0
        factors.append(1.0 / largest)
        values /= largest
    return factors[0], factors[1]


class ScaledJacobian:
    """A Jacobian with rows and columns brought to one size: Newton steps, and its inverse."""

    def __init__(self, jacobian: Float2D) -> None:
        self.jacobian, self._scaled = jacobian, None
        self._factors: tuple[Float2D, AnyArray] | None = None
        self._is_finite = bool(np.isfinite(jacobian).all())
        if len(jacobian) > 1 and self._is_finite:
            rows, columns = scale_rows_and_columns(jacobian)
            self._scaled = rows, columns, rows[:, None] * jacobian * columns

    def step(self, moment: Float1D) -> Float1D | None:
        """Return the step for a mean score, None where there is none; floating-point errors are silenced by the caller."""
        step: Float1D
        if len(moment) == 1:
            step = moment / self.jacobian[0, 0]
            return step if np.isfinite(step[0]) else None
        if self._scaled is None:
            return None
        rows, columns, scaled = self._scaled
        if self._factors is None:
            lower_upper, pivots, info = lapack.dgetrf(scaled)
            if info != 0:
                return None
            self._factors = lower_upper, pivots
        # J^-1 = C (R J C)^-1 R, whatever the order of the equations
        step = lapack.dgetrs(*self._factors, rows * moment)[0] * columns
        return step if np.isfinite(step).all() else None

    def inverse(self) -> Float2D | None:
        """Return the inverse, or None where it is singular to working precision."""
        if len(self.jacobian) == 1:
            regular = self._is_finite and self.jacobian[0, 0] != 0.0
            return 1.0 / self.jacobian if regular else None
        if self._scaled is None:
            return None
        rows, columns, scaled = self._scaled
        left, values, right, info = lapack.dgesdd(scaled)
        if info != 0 or values[-1] < _SINGULAR * values[0]:
            return None
        return (columns[:, None] * right.T) @ (left / values).T * rows


def find_root(
    moment: Callable[[Float1D], Float1D],
    jacobian: Callable[[Float1D], Float2D],
    start: Float1D,
    *,
    tolerance: float = 1e-12,
    max_iterations: int = 100,
    max_halvings: int = 30,
    is_affine: bool = False,
) -> NewtonResult:
    """Solve ``moment(b) = 0`` by Newton's method with step halving."""
    # A step is accepted when it passes the natural monotonicity test: the Newton correction that the old
    # Jacobian assigns to the new point is shorter than the step itself. The test does not change under linear
    # reparametrisation, so badly scaled columns need no standardisation.
    # The root, or the last iterate with ``converged=False`` and the reason.
    # Source: P. Deuflhard (2011), Newton Methods for Nonlinear Problems, Section 2.1.
    params: Float1D = np.array(start, dtype=np.float64)
    reason, converged, n_steps = "the number of iterations is exhausted", False, 0
    newton: ScaledJacobian | None = None
    with np.errstate(all="ignore"):
        value = moment(params)
        for _ in range(max_iterations):
            n_steps += 1
            if newton is None or not is_affine:
                newton = ScaledJacobian(jacobian(params))
            step = newton.step(value)
            if step is None:
                reason = "the Jacobian is singular"
                break
            if is_affine and len(params) == 1:
                # one equation that is a line: nothing is left to look for
                params, value = params + step, np.zeros(1)
                converged, reason = True, "converged"
                break
            length = _relative_length(step, params)
            factor, accepted = 1.0, False
            correction: Float1D | None = None
            for _ in range(max_halvings):
                trial = params + factor * step
                trial_value = moment(trial)
                correction = newton.step(trial_value) if np.isfinite(trial_value).all() else None
                if correction is not None and (
                    length < 1e-8 or _relative_length(correction, params) <= (1.0 - factor / 4.0) * length
                ):
                    accepted = True
                    break
                factor /= 2.0
            if not accepted or correction is None:
                reason = "no step along the Newton direction reduces the moment"
                break
            params, value = trial, trial_value
            remaining = _relative_length(correction, params)
            if factor == 1.0 and (length < tolerance or (is_affine and remaining < tolerance)):
                converged, reason = True, "converged"
                break
            if length < 1e-8 and factor == 1.0 and remaining >= length / 2.0:
                converged, reason = True, "converged to the accuracy of the arithmetic"
                break
    return NewtonResult(
        params=params,
        converged=converged,
        reason=reason,
        n_iterations=n_steps,
        value=value,
        scaled=newton if is_affine else None,
    )


def _relative_length(step: Float1D, params: Float1D) -> float:
    return float((np.abs(step) / (1.0 + np.abs(params))).max())


def collinear_columns(matrix: Float2D, names: Sequence[str], tolerance: float = 1e-10) -> list[str]:
    """Return the names of columns that the columns before them already span."""
    norms = np.linalg.norm(matrix, axis=0)
    scaled = matrix / np.where(norms > 0.0, norms, 1.0)
    if matrix.shape[0] < matrix.shape[1]:
        scaled = np.vstack([scaled, np.zeros((matrix.shape[1] - matrix.shape[0], matrix.shape[1]))])
    triangle = scipy.linalg.qr(scaled, mode="r", check_finite=False)[0][: matrix.shape[1]]
    return [names[j] for j in range(matrix.shape[1]) if abs(triangle[j, j]) <= tolerance]


def quadratic_forms(left: Float2D, matrix: Float2D, right: Float2D) -> Float1D:
    """Return ``left_i' matrix right_i`` for every row."""
    return np.einsum("ij,ij->i", left @ matrix, right)


_CLEARLY_APART = 1e-6
"""Least eigenvalue of the products of unit columns above which no column is near the span of others."""


def clearly_apart(products: Float2D) -> bool:
    """Tell from the products of columns that they are linearly independent by far."""
    if not len(products):
        return True  # constants alone
    length = np.sqrt(products.diagonal())
    if not ((length > 0.0) & np.isfinite(length)).all():
        return False
    if len(length) == 1:
        return True
    values = lapack.dsyev(products / (length[:, None] * length), compute_v=0)[0]
    return bool(values[0] > _CLEARLY_APART * max(values[-1], 1.0))


def unit_columns(design: Float2D) -> Float2D:
    """Return a design with columns of length one."""
    length = np.linalg.norm(design, axis=0)
    return np.asarray(design / np.where(length > 0.0, length, 1.0), dtype=np.float64)


def _apart_beside(constant: Bool1D, design: Float2D) -> bool:
    """Tell from products that columns are far from each other's span, beside an intercept where a column is constant."""
    if not constant.any():
        return clearly_apart(design.T @ design)
    products = (design.T @ design)[~constant][:, ~constant]
    mean = (np.full(len(design), 1.0 / len(design)) @ design)[~constant]
    centred = products - len(design) * (mean[:, None] * mean)
    # digits that the means take are those of a column that hardly varies
    return bool((centred.diagonal() > 1e-6 * products.diagonal()).all()) and clearly_apart(centred)


def nearly_spanned_columns(
    design: Float2D, names: Sequence[str], bound: float
) -> tuple[list[str], float] | None:
    """Return the columns that are nearly spanned by each other with their condition number, or None."""
    if len(names) < 2:
        return None
    constant = np.array(
        [column[0] == column[-1] and bool((column == column[0]).all()) for column in design.T]
    )
    if _apart_beside(constant, design):
        return None
    if constant.any():
        # beside an intercept the origin of a column does not matter: years are no near-constant
        names = [name for name, fixed in zip(names, constant, strict=True) if not fixed]
        design = design[:, ~constant] - design[:, ~constant].mean(axis=0)
    if not 2 <= len(names) <= len(design):
        return None
    _, values, right = np.linalg.svd(np.linalg.qr(unit_columns(design), mode="r"))
    # exact spans have their own messages
    if not 1e-12 * values[0] < values[-1] < bound * values[0]:
        return None
    direction = np.abs(right[-1])
    involved = [names[int(j)] for j in np.flatnonzero(direction > 0.1 * direction.max())]
    return involved, float(values[0] / values[-1])


def invert_bread(jacobian: Float2D) -> Float2D | None:
    """Return the inverse of a mean Jacobian, or None where it is singular to working precision."""
    return ScaledJacobian(jacobian).inverse()


def singular_reason(jacobian: Float2D, names: Sequence[str]) -> str | None:
    """Say why a Jacobian cannot be inverted, or None where it can."""
    if not np.all(np.isfinite(jacobian)):
        return "the derivative of the equations is not finite"
    dead = np.flatnonzero(~np.any(jacobian != 0.0, axis=1))
    if len(dead):
        return f"equation {int(dead[0]) + 1} does not depend on any parameter"
    unused = np.flatnonzero(~np.any(jacobian != 0.0, axis=0))
    if len(unused):
        return f"no equation depends on the parameter {names[int(unused[0])]!r}"
    rows, columns = scale_rows_and_columns(jacobian)
    _, values, right = np.linalg.svd(rows[:, None] * jacobian * columns)
    if values[-1] >= _SINGULAR * values[0]:
        return None
    involved = np.flatnonzero(np.abs(right[-1]) > 0.1 * np.abs(right[-1]).max())
    return (
        f"the equations do not tell the parameters {', '.join(repr(names[int(k)]) for k in involved)} apart"
    )


LARGEST_VALUE = 1e140
"""Largest size of a numeric label; sums of squares of larger ones overflow."""


_NOTHING: Mapping[int, Any] = {}


@dataclass(frozen=True, kw_only=True)
class RegressionRows:
    """Rows of a completed data set: every variable of the model has a value in every row."""

    # outcome; for category shares and the multinomial logit one column a category, rows adding to one
    y: FloatND
    X: Float2D  # design matrix. A mean has a single constant column
    # instruments, already reduced to as many columns as ``X`` (see :func:`two_stage_projection`)
    Z: Float2D | None = None
    weights: Float1D | None = None  # non-negative analysis weights that multiply each row's score
    offset: Float1D | None = None  # known part of the linear predictor
    columns: Mapping[str, AnyArray] | None = None  # the variables of a moment written by the user

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    @cached_property
    def products(self) -> Float2D:
        """``X'X``, rows times their analysis weights."""
        if self.weights is None and len(self.X) and not self.X.strides[0]:
            return self.n_rows * np.outer(self.X[0], self.X[0])  # one row again and again
        return _weighted_gram(self.X, self.X, self.weights)

    @cached_property
    def are_apart(self) -> bool:
        """Whether no column of the design is near the span of the others by far."""
        return clearly_apart(self.products)

    def with_outcome(self, y: FloatND) -> RegressionRows:
        """Return the same rows with another outcome."""
        return RegressionRows(
            y=y, X=self.X, Z=self.Z, weights=self.weights, offset=self.offset, columns=self.columns
        )

    def take(
        self,
        index: AnyArray | slice,
        shared: Mapping[int, Any] = _NOTHING,
        outcome: FloatND | None = None,
    ) -> RegressionRows:
        """Return the rows that an index, a slice or a boolean mask selects.

        ``shared`` has those of arrays by identity, and ``outcome`` is theirs where it is known.
        """

        # rows of a matrix at positions are taken three times as fast as they are indexed; others would be copied first
        places = index if isinstance(index, np.ndarray) and index.dtype.kind == "i" else None

        def picked(values: AnyArray) -> AnyArray:
            if places is None or not values.flags.c_contiguous:
                return values[index]
            return values.take(places, axis=0)

        def some(values: Any) -> Any:
            if values is None:
                return None
            found = shared.get(id(values))
            return picked(values) if found is None else found

        return RegressionRows(
            y=picked(self.y) if outcome is None else outcome,
            X=some(self.X),
            Z=some(self.Z),
            weights=some(self.weights),
            offset=some(self.offset),
            columns=None if self.columns is None else {k: v[index] for k, v in self.columns.items()},
        )

    def linear_predictor(self, params: Float1D) -> Float1D:
        """Return ``X @ params`` plus the offset."""
        eta = self.X @ params
        return eta if self.offset is None else eta + self.offset

    def weighted(self, row_values: Float1D) -> Float1D:
        """Return per-row values multiplied by the analysis weights, where there are any."""
        return row_values if self.weights is None else row_values * self.weights


class ScoreParts(NamedTuple):
    """A score that is one vector times one number in every row: ``carriers * residual``."""

    carriers: Float2D  # Covariates, or instruments
    residual: Float1D  # What multiplies them, analysis weights included
    # Variance that the model gives the residual, up to one factor; ``mu'`` for canonical links
    information: Float1D
    slope: Float1D  # Derivative of the residual with respect to the outcome
    mean: Float1D  # Fitted mean of the outcome

    def carried(self, bread: Float2D) -> Float2D:
        """Return how much each row carries of each coefficient, whatever its outcome: ``(bread x)_c sqrt(mu')``."""
        return np.abs(self.carriers @ bread.T) * np.sqrt(np.maximum(self.information, 0.0))[:, None]


def column_names(rows: RegressionRows, names: Sequence[str]) -> list[str] | None:
    """Return the names of the columns of the design; a multinomial model repeats them behind each class."""
    k = rows.X.shape[1]
    if k == 0 or len(names) % k:
        return None
    return [name if len(names) == k else name.rpartition(": ")[2] for name in names[:k]]


class ModelMoment(ABC):
    """A model given by one estimating function a parameter: ``E[score(row, params)] = 0`` at the truth."""

    reads_design: bool = False
    """Whether parameters belong to columns of the design, which may span each other."""

    linear_in_params: bool = False
    """Whether the score is an affine function of the parameters, so that one Newton step finds the root."""

    @property
    def has_classes(self) -> bool:
        """Whether the outcome is a class, so that covariates may separate it."""
        return False

    @property
    def ratio(self) -> str:
        """What an exponentiated coefficient is called; empty where it has no name."""
        return ""

    @property
    def limits(self) -> tuple[float, float]:
        """Between which values an outcome lies."""
        return -np.inf, np.inf

    def check_outcome(self, values: FloatND, name: str) -> None:
        """Refuse outcomes outside the limits of the model."""
        low, high = self.limits
        if (np.isfinite(low) and values.min() < low) or (np.isfinite(high) and values.max() > high):
            wanted = f"between {low:g} and {high:g}" if np.isfinite(high) else f"at {low:g} or above"
            raise ValueError(
                f"The outcome {name!r} of this model must lie {wanted}; it ranges from {values.min():zg} to "
                f"{values.max():zg}."
            )

    @abstractmethod
    def n_params(self, rows: RegressionRows) -> int:
        """Return the number of parameters."""

    @abstractmethod
    def score(self, rows: RegressionRows, params: Float1D) -> Float2D:
        """Return the score of every row."""

    @abstractmethod
    def jacobian(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float2D:
        """Return the weighted sum over rows of the negative derivative of the score."""
        # ``-sum_i row_weights[i] * d score_i / d params``.

    def total(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float1D:
        """Return the weighted sum of the scores of rows."""
        return np.asarray(row_weights @ self.score(rows, params), dtype=np.float64)

    def sums(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> tuple[Float1D, Float2D]:
        """Return the weighted sums of the scores and of their negative derivatives."""
        return self.total(rows, params, row_weights), self.jacobian(rows, params, row_weights)

    def leverage(self, rows: RegressionRows, params: Float1D, inverse: Float2D) -> Float1D:
        """Return ``trace(inverse @ J_i)`` for every row, with ``J_i`` the row's negative derivative."""
        # Leverages; over all rows of an ordinary fit they add to ``p``.
        values = np.empty(rows.n_rows)
        for i in range(rows.n_rows):
            row = rows.take(np.array([i]))
            values[i] = np.trace(inverse @ self.jacobian(row, params, np.ones(1)))
        return values

    def parts(self, rows: RegressionRows, params: Float1D) -> ScoreParts | None:
        """Return carriers and residuals of the score, or None where it is not one vector times one number."""
        return None

    def carried(self, rows: RegressionRows, params: Float1D, bread: Float2D) -> Float2D:
        """Return how much each row carries of each coefficient, whatever its outcome: ``(bread x)_c sqrt(mu')``."""
        found = self.parts(rows, params)
        if found is not None:
            return found.carried(bread)
        values = np.empty((rows.n_rows, len(params)))
        for i in range(rows.n_rows):
            row = rows.take(np.array([i]))
            values[i] = np.abs(np.diag(bread @ self.jacobian(row, params, np.ones(1))))
        return values

    @abstractmethod
    def start(self, rows: RegressionRows, row_weights: Float1D) -> Float1D:
        """Return a starting value for Newton's method."""


def _weighted_gram(left: Float2D, right: Float2D, multiplier: Float1D | None) -> Float2D:
    if left is not right or (multiplier is not None and multiplier.min(initial=0.0) < 0.0):
        return left.T @ (right if multiplier is None else right * multiplier[:, None])
    # a product of a matrix with itself is half the work
    scaled = left
    if multiplier is not None and is_constant(multiplier):
        scaled = left if multiplier[0] == 1.0 else left * np.sqrt(multiplier[0])
    elif multiplier is not None:
        scaled = left * np.sqrt(multiplier)[:, None]
    return scaled.T @ scaled


def least_squares(matrix: Float2D, right: FloatND) -> FloatND:
    """Return the least-squares solution of least length for a square matrix, by singular values above rounding."""
    # without the wrapper, which takes longer than the few columns do
    sides, cut = right.reshape(len(right), -1), np.finfo(np.float64).eps * len(matrix)
    _, found, _, _, _, info = lapack.dgelss(matrix, sides, cond=cut)
    if info != 0:
        raise np.linalg.LinAlgError("singular values were not found")
    return found.reshape(right.shape)


@dataclass(frozen=True)
class LinearMoment(ModelMoment):
    """Linear regression by least squares: ``x (y - x'b)``."""

    reads_design = True
    linear_in_params = True

    def n_params(self, rows: RegressionRows) -> int:
        """Return the number of columns of ``X``."""
        return rows.X.shape[1]

    def score(self, rows: RegressionRows, params: Float1D) -> Float2D:
        """Return ``x (y - x'b)`` for every row."""
        return rows.X * rows.weighted(rows.y - rows.linear_predictor(params))[:, None]

    def total(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float1D:
        """Return the weighted sum of ``x (y - x'b)``."""
        residual = row_weights * rows.weighted(rows.y - rows.linear_predictor(params))
        return np.asarray(rows.X.T @ residual, dtype=np.float64)

    def jacobian(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float2D:
        """Return the weighted sum of ``x x'``."""
        if is_constant(row_weights):
            return row_weights[0] * rows.products
        return _weighted_gram(rows.X, rows.X, rows.weighted(row_weights))

    def leverage(self, rows: RegressionRows, params: Float1D, inverse: Float2D) -> Float1D:
        """Return ``x' inverse x`` for every row."""
        return rows.weighted(quadratic_forms(rows.X, inverse, rows.X))

    def parts(self, rows: RegressionRows, params: Float1D) -> ScoreParts | None:
        """Return covariates and ordinary residuals."""
        fitted, weight = rows.linear_predictor(params), rows.weighted(np.ones(rows.n_rows))
        return ScoreParts(rows.X, rows.weighted(rows.y - fitted), weight, weight, fitted)

    def start(self, rows: RegressionRows, row_weights: Float1D) -> Float1D:
        """Return zeros: one Newton step solves a linear moment."""
        return np.zeros(rows.X.shape[1])


@dataclass(frozen=True)
class MeanMoment(ModelMoment):
    """Means of one or several columns: ``y - b``. Category shares are means of indicators."""

    linear_in_params = True
    share: bool = False  # whether the outcome lies between 0 and 1

    @property
    def limits(self) -> tuple[float, float]:
        """Return 0 and 1 for a share."""
        return (0.0, 1.0) if self.share else (-np.inf, np.inf)

    def n_params(self, rows: RegressionRows) -> int:
        """Return the number of outcome columns."""
        return 1 if rows.y.ndim == 1 else rows.y.shape[1]

    def score(self, rows: RegressionRows, params: Float1D) -> Float2D:
        """Return ``y - b`` for every row."""
        difference = (rows.y[:, None] if rows.y.ndim == 1 else rows.y) - params
        return difference if rows.weights is None else difference * rows.weights[:, None]

    def total(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float1D:
        """Return the weighted sum of ``y - b``."""
        weights = rows.weighted(row_weights)
        if rows.y.ndim > 1:
            return np.asarray(weights @ (rows.y - params), dtype=np.float64)
        return np.array([weights @ (rows.y - params[0])], dtype=np.float64)

    def jacobian(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float2D:
        """Return the summed multipliers on the diagonal."""
        total = rows.weighted(row_weights).sum()
        return np.array([[total]]) if len(params) == 1 else np.diag(np.full(len(params), total))

    def leverage(self, rows: RegressionRows, params: Float1D, inverse: Float2D) -> Float1D:
        """Return the trace of ``inverse`` times the analysis weight."""
        return rows.weighted(np.full(rows.n_rows, np.trace(inverse)))

    def parts(self, rows: RegressionRows, params: Float1D) -> ScoreParts | None:
        """Return ones and deviations of a single outcome."""
        if rows.y.ndim != 1:
            return None
        weight = rows.weighted(np.ones(rows.n_rows))
        return ScoreParts(
            np.ones((rows.n_rows, 1)),
            weight * (rows.y - params[0]),
            weight,
            weight,
            np.full(rows.n_rows, params[0]),
        )

    def carried(self, rows: RegressionRows, params: Float1D, bread: Float2D) -> Float2D:
        """Return the root of the analysis weight, times the diagonal of ``bread``."""
        return np.sqrt(rows.weighted(np.ones(rows.n_rows)))[:, None] * np.abs(np.diag(bread))

    def start(self, rows: RegressionRows, row_weights: Float1D) -> Float1D:
        """Return zeros: one Newton step solves a linear moment."""
        return np.zeros(self.n_params(rows))


@cache
def _families() -> Any:
    from statsmodels.genmod import families

    return families


_LARGEST_PREDICTOR = 30.0
"""Size of linear predictors up to which ``mu (1 - mu)``, then 1e-13, is far from the least variance of a family."""


@dataclass(frozen=True)
class GLMMoment(ModelMoment):
    """Generalised linear model of any statsmodels family and link: ``x (y - mu) mu' / V(mu)``."""

    # The dispersion cancels from the estimating equation. The Jacobian is the exact derivative, including the
    # term in ``y - mu`` that the expected information of Fisher scoring leaves out for non-canonical links.

    reads_design = True

    family: Any  # family with its link, such as ``sm.families.Binomial()``

    @property
    def has_classes(self) -> bool:
        """Return whether the family is binomial, or derived from it."""
        return isinstance(self.family, _families().Binomial)

    @property
    def ratio(self) -> str:
        """Return the name that the link gives to exponentiated coefficients."""
        links = _families().links
        # in statsmodels links of other distributions, such as the probit, are derived from the logit
        others = (links.CDFLink, links.CLogLog)
        if isinstance(self.family.link, links.Logit) and not isinstance(self.family.link, others):
            return "odds ratio"
        if not isinstance(self.family.link, links.Log):
            return ""
        return "rate ratio" if isinstance(self.family, _families().Poisson) else "ratio of means"

    @property
    def limits(self) -> tuple[float, float]:
        """Return the range of outcomes of the family."""
        if self.has_classes:
            return 0.0, 1.0
        return (0.0 if isinstance(self.family, _families().Poisson) else -np.inf), np.inf

    def n_params(self, rows: RegressionRows) -> int:
        """Return the number of columns of ``X``."""
        return rows.X.shape[1]

    def score(self, rows: RegressionRows, params: Float1D) -> Float2D:
        """Return ``x (y - mu) mu' / V(mu)`` for every row."""
        return rows.X * self._row_residual(rows, params)[:, None]

    def total(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float1D:
        """Return the weighted sum of ``x (y - mu) mu' / V(mu)``."""
        return np.asarray(rows.X.T @ (row_weights * self._row_residual(rows, params)), dtype=np.float64)

    def sums(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> tuple[Float1D, Float2D]:
        """Return the weighted sums of the scores and of their negative derivatives, from one mean of every row."""
        mu = self._canonical_mean(rows.linear_predictor(params))
        if mu is None:
            return super().sums(rows, params, row_weights)
        weight = rows.weighted(row_weights)
        total = np.asarray(rows.X.T @ (weight * (rows.y - mu)), dtype=np.float64)
        return total, _weighted_gram(rows.X, rows.X, weight * self._slope_of(mu))

    def _canonical_mean(self, eta: Float1D) -> Float1D | None:
        """Return the means of a canonical link, where ``mu' / V(mu)`` is one; None for others and at the ends of the range."""
        families = _families()
        if isinstance(self.family, families.Binomial) and type(self.family.link) is families.links.Logit:
            mean: Callable[[Float1D], Float1D] = expit
        elif isinstance(self.family, families.Poisson) and type(self.family.link) is families.links.Log:
            mean = np.exp
        else:
            return None
        # the families keep variances off zero, so that rows at the ends of the range have other scores
        inside = np.abs(eta).max(initial=0.0) <= _LARGEST_PREDICTOR
        return mean(eta) if inside else None

    def _slope_of(self, mu: Float1D) -> Float1D:
        """Return ``mu'`` of a canonical link, which is ``V(mu)``."""
        return mu * (1.0 - mu) if self.has_classes else mu

    def _row_residual(self, rows: RegressionRows, params: Float1D) -> Float1D:
        eta = rows.linear_predictor(params)
        canonical = self._canonical_mean(eta)
        if canonical is not None:
            return rows.weighted(rows.y - canonical)
        mu = self.family.link.inverse(eta)
        scale = self.family.link.inverse_deriv(eta) / self.family.variance(mu)
        return rows.weighted((rows.y - mu) * scale)

    def _row_curvature(self, rows: RegressionRows, params: Float1D) -> Float1D:
        family = self.family
        eta = rows.linear_predictor(params)
        canonical = self._canonical_mean(eta)
        if canonical is not None:
            return rows.weighted(self._slope_of(canonical))
        mu = family.link.inverse(eta)
        slope = family.link.inverse_deriv(eta)
        variance = family.variance(mu)
        expected = slope**2 / variance
        bend = family.link.inverse_deriv2(eta) / variance
        bend -= slope**2 * np.asarray(family.variance.deriv(mu)) / variance**2
        return rows.weighted(expected - (rows.y - mu) * bend)

    def jacobian(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float2D:
        """Return the weighted sum of ``x x'`` times the exact curvature of each row."""
        return _weighted_gram(rows.X, rows.X, row_weights * self._row_curvature(rows, params))

    def leverage(self, rows: RegressionRows, params: Float1D, inverse: Float2D) -> Float1D:
        """Return curvature times ``x' inverse x`` for every row."""
        return self._row_curvature(rows, params) * quadratic_forms(rows.X, inverse, rows.X)

    def parts(self, rows: RegressionRows, params: Float1D) -> ScoreParts | None:
        """Return covariates and residuals ``(y - mu) mu' / V(mu)``."""
        eta = rows.linear_predictor(params)
        canonical = self._canonical_mean(eta)
        if canonical is not None:
            weight = rows.weighted(np.ones(rows.n_rows))
            residual, information = (
                rows.weighted(rows.y - canonical),
                rows.weighted(self._slope_of(canonical)),
            )
            return ScoreParts(rows.X, residual, information, weight, canonical)
        mu = self.family.link.inverse(eta)
        slope = self.family.link.inverse_deriv(eta)
        scale = rows.weighted(slope / self.family.variance(mu))
        return ScoreParts(rows.X, scale * (rows.y - mu), scale * slope, scale, mu)

    def start(self, rows: RegressionRows, row_weights: Float1D) -> Float1D:
        """Return one step of iteratively reweighted least squares from the family's own starting means."""
        mu = self.family.starting_mu(rows.y)
        with np.errstate(all="ignore"):  # of counts that are all 0, whose logarithm is no number
            eta = self.family.link(mu)
            slope = self.family.link.inverse_deriv(eta)
            working = eta + (rows.y - mu) / slope
            if rows.offset is not None:
                working = working - rows.offset
            multiplier = rows.weighted(row_weights * slope**2 / self.family.variance(mu))
            gram = _weighted_gram(rows.X, rows.X, multiplier)
            cross = rows.X.T @ (multiplier * working)
        if not np.isfinite(gram.sum() + cross.sum()):
            return np.full(len(cross), np.nan)
        return least_squares(gram, cross)


@dataclass(frozen=True)
class MultinomialMoment(ModelMoment):
    """Multinomial logit: ``x (1{y = k} - P(k | x))`` for every category but the first."""

    # The parameter vector stacks one block of ``p`` coefficients a category, in the order of the columns of
    # ``rows.y`` without the first, which is the reference.

    reads_design = True

    n_categories: int  # number of categories, at least 2

    @property
    def ratio(self) -> str:
        """Return the name of exponentiated coefficients."""
        return "relative risk ratio"

    @property
    def has_classes(self) -> bool:
        """Return True."""
        return True

    def n_params(self, rows: RegressionRows) -> int:
        """Return ``p`` times the number of categories but the reference."""
        return rows.X.shape[1] * (self.n_categories - 1)

    def _probabilities(self, rows: RegressionRows, params: Float1D) -> Float2D:
        eta = np.zeros((rows.n_rows, self.n_categories))
        eta[:, 1:] = rows.X @ params.reshape(self.n_categories - 1, -1).T
        return softmax(eta, axis=1)

    def score(self, rows: RegressionRows, params: Float1D) -> Float2D:
        """Return ``x (1{y = k} - P(k | x))``, one block a category."""
        residual = (rows.y - self._probabilities(rows, params))[:, 1:]
        if rows.weights is not None:
            residual = residual * rows.weights[:, None]
        return (residual[:, :, None] * rows.X[:, None, :]).reshape(rows.n_rows, self.n_params(rows))

    def jacobian(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float2D:
        """Return the weighted sum of ``(diag(P) - P P')`` Kronecker ``x x'``."""
        probability = self._probabilities(rows, params)[:, 1:]
        multiplier = rows.weighted(row_weights)
        p, k = rows.X.shape[1], self.n_categories - 1
        total = np.empty((k, p, k, p))
        for a in range(k):
            for b in range(a, k):
                curvature = probability[:, a] * ((a == b) - probability[:, b])
                block = _weighted_gram(rows.X, rows.X, multiplier * curvature)
                total[a, :, b, :] = block
                total[b, :, a, :] = block
        return total.reshape(k * p, k * p)

    def total(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float1D:
        """Return the weighted sum of the scores of rows."""
        return np.asarray(row_weights @ self.score(rows, params), dtype=np.float64)

    def leverage(self, rows: RegressionRows, params: Float1D, inverse: Float2D) -> Float1D:
        """Return ``trace(inverse @ J_i)`` for every row."""
        probability = self._probabilities(rows, params)[:, 1:]
        p, k = rows.X.shape[1], self.n_categories - 1
        blocks = inverse.reshape(k, p, k, p)
        values = np.zeros(rows.n_rows)
        for a in range(k):
            for b in range(k):
                quadratic = quadratic_forms(rows.X, blocks[b, :, a, :], rows.X)
                values += probability[:, a] * ((a == b) - probability[:, b]) * quadratic
        return rows.weighted(values)

    def carried(self, rows: RegressionRows, params: Float1D, bread: Float2D) -> Float2D:
        """Return the root of the diagonal of ``bread @ J_i @ bread'`` for every row."""
        probability = self._probabilities(rows, params)[:, 1:]
        p, k = rows.X.shape[1], self.n_categories - 1
        # (bread x)_c by category; J_i = (diag(P) - P P') Kronecker x x'
        mapped = np.einsum("ckj,ij->ick", bread.reshape(k * p, k, p), rows.X)
        mean = np.einsum("ick,ik->ic", mapped, probability)
        spread = np.einsum("ick,ik->ic", mapped**2, probability) - mean**2
        return np.sqrt(np.maximum(spread, 0.0) * rows.weighted(np.ones(rows.n_rows))[:, None])

    def start(self, rows: RegressionRows, row_weights: Float1D) -> Float1D:
        """Return zeros, where the log-likelihood is concave."""
        return np.zeros(self.n_params(rows))


@dataclass(frozen=True)
class InstrumentalMoment(ModelMoment):
    """Instrumental variables with as many instruments as coefficients: ``z (y - x'b)``."""

    reads_design = True
    linear_in_params = True

    def n_params(self, rows: RegressionRows) -> int:
        """Return the number of columns of ``X``."""
        return rows.X.shape[1]

    def score(self, rows: RegressionRows, params: Float1D) -> Float2D:
        """Return ``z (y - x'b)`` for every row."""
        return _instruments(rows) * rows.weighted(rows.y - rows.linear_predictor(params))[:, None]

    def jacobian(self, rows: RegressionRows, params: Float1D, row_weights: Float1D) -> Float2D:
        """Return the weighted sum of ``z x'``."""
        return _weighted_gram(_instruments(rows), rows.X, rows.weighted(row_weights))

    def leverage(self, rows: RegressionRows, params: Float1D, inverse: Float2D) -> Float1D:
        """Return ``x' inverse z`` for every row."""
        return rows.weighted(quadratic_forms(rows.X, inverse, _instruments(rows)))

    def parts(self, rows: RegressionRows, params: Float1D) -> ScoreParts | None:
        """Return instruments and ordinary residuals."""
        fitted, weight = rows.linear_predictor(params), rows.weighted(np.ones(rows.n_rows))
        return ScoreParts(_instruments(rows), weight * (rows.y - fitted), weight, weight, fitted)

    def start(self, rows: RegressionRows, row_weights: Float1D) -> Float1D:
        """Return zeros: one Newton step solves a linear moment."""
        return np.zeros(rows.X.shape[1])


def _instruments(rows: RegressionRows) -> Float2D:
    if rows.Z is None:
        raise ValueError("Instrumental variables need the instrument matrix Z, and the rows carry none.")
    return rows.Z


def two_stage_projection(instrument_gram: Float2D, instrument_cross: Float2D) -> Float2D:
    """Return the first-stage matrix that reduces the instruments to one a coefficient."""
    # ``Pi = E[z z']^-1 E[z x']``, so that ``z @ Pi`` are the instruments of two-stage least squares.
    if instrument_gram.shape[0] < instrument_cross.shape[1]:
        raise ValueError(
            f"{instrument_gram.shape[0]} instruments (exogenous covariates included) cannot identify "
            f"{instrument_cross.shape[1]} coefficients; give at least one instrument an endogenous covariate."
        )
    return least_squares(instrument_gram, instrument_cross)
