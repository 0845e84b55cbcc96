"""The default first stage: a stack of a linear, a partially isotonic and a varying-coefficient learner.

Each learner predicts every training row without that row; the stack is the non-negative combination of these
predictions that fits best, and the linear learner alone unless the stack is better by more than a standard error. No
validity hangs on any of this: it decides how narrow intervals are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression, nnls
from scipy.special import expit
from sklearn.base import BaseEstimator, RegressorMixin

from validstats._typing import Bool1D, Float1D, Float2D, Int1D

__all__ = ["StackedLearner"]

_WIDTHS = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Widths of the Gaussian kernel on standardised surrogates."""

_PENALTIES = tuple(10.0 ** np.arange(-3.0, 2.5, 0.5))
"""Penalties of the kernel ridge regression."""

_MOST_ROWS = 4000
"""Most training rows of the curved learners and of the weights; the linear learner sees all."""

_CENTRES = 100
"""Most Nystroem centres; up to as many training rows the kernel regression is exact."""

_INNER_FOLDS = 5
"""Inner folds of the partially isotonic learner, which has no closed form."""

_ROUNDS = 4
"""Rounds of back-fitting."""


class _Fitted(NamedTuple):
    """A learner on its training rows: predictions of each row without it, the function, its effective numbers."""

    inner: Float1D
    predict: Callable[[Float2D], Float1D]
    n_effective: float


@dataclass(frozen=True)
class _Plane:
    """An intercept and slopes, through the logistic function for chances."""

    intercept: float
    slopes: Float1D
    logistic: bool = False

    def __call__(self, at: Float2D) -> Float1D:
        eta = self.intercept + at @ self.slopes
        return expit(eta) if self.logistic else eta


@dataclass(frozen=True)
class _PlaneAndCurves:
    """A plane in some columns plus a monotone curve of every other one, given at its levels."""

    plane: _Plane
    others: Bool1D
    columns: Int1D
    levels: tuple[Float1D, ...]
    curves: tuple[Float1D, ...]

    def __call__(self, at: Float2D) -> Float1D:
        total = self.plane(at[:, self.others])
        for j, level, curve in zip(self.columns, self.levels, self.curves, strict=True):
            total = total + np.interp(at[:, j], level, curve)
        return total


@dataclass(frozen=True)
class _KernelMean:
    """A mean plus a combination of kernels at centres."""

    mean: float
    centres: Float2D
    free: Bool1D
    width: float
    solution: Float1D

    def __call__(self, at: Float2D) -> Float1D:
        return self.mean + _kernel(at, self.centres, self.free, self.width) @ self.solution


class StackedLearner(RegressorMixin, BaseEstimator):
    """Regression by a stack of three learners; binary labels are predicted by their chance.

    Parameters
    ----------
    surrogates : sequence of int or None, default None
        Columns of the machine labels, on which predictions may depend freely; on the other columns they depend
        linearly, with coefficients that vary with the machine labels. None is all columns.

    Attributes
    ----------
    weights_ : ndarray of shape (n_learners,)
        Weights of the linear learner and, where surrogates leave room for them, of the partially isotonic and the
        varying-coefficient learner.
    n_effective_ : float
        Effective number of fitted parameters, at most a third of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-2, 2, 200)[:, None]
    >>> model = StackedLearner().fit(x, np.sin(3 * x[:, 0]))
    >>> bool(np.max(np.abs(model.predict(x) - np.sin(3 * x[:, 0]))) < 0.05)
    True
    """

    def __init__(self, surrogates: Sequence[int] | None = None) -> None:
        self.surrogates = surrogates

    def fit(self, X: Float2D, y: Float1D) -> StackedLearner:
        """Fit all three learners and their weights.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Features.
        y : ndarray of shape (n,)
            Labels.

        Returns
        -------
        StackedLearner
            Itself.
        """
        X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        n = len(y)
        binary = bool(np.all((y == 0) | (y == 1)))
        centre, scale = X.mean(axis=0), X.std(axis=0)
        varies = scale > 1e-12 * np.maximum(np.abs(centre), 1e-300)
        free = np.zeros(X.shape[1], dtype=bool)
        free[list(range(X.shape[1]) if self.surrogates is None else self.surrogates)] = True
        free = free[varies]
        self._centre, self._scale, self._varies = centre[varies], scale[varies], varies
        z = self._standardised(X)
        linear = (_logit if binary else _linear)(z, y)
        learners = [linear]
        weights = np.array([1.0])
        # a single surrogate of two values is linear already
        curved = bool(free.any()) and (len(free) > 1 or len(np.unique(z)) > 2)
        if curved and n >= 12:
            rows = np.arange(n)
            if n > _MOST_ROWS:
                rows = np.random.default_rng(0).choice(n, _MOST_ROWS, replace=False)
            z, y = z[rows], y[rows]
            learners = [linear._replace(inner=linear.inner[rows])]
            monotone = free & np.array([len(np.unique(column)) > 2 for column in z.T])
            if monotone.any():
                learners.append(_partially_isotonic(z, y, monotone))
            learners.append(_varying(z, y, free))
            inner = [np.clip(m.inner, 0.0, 1.0) if binary else m.inner for m in learners]
            weights = _stack(np.column_stack(inner), y)
        pairs = list(zip(weights, learners, strict=True))
        self.n_effective_ = min(float(sum(w * m.n_effective for w, m in pairs)), n / 3.0)
        self._parts = [(w, m.predict) for w, m in pairs if w > 0]
        self.weights_ = weights
        self._mean = float(y.mean())
        self._rest = 1.0 - float(weights.sum())
        self._bounds = (0.0, 1.0) if binary else (-np.inf, np.inf)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Float2D) -> Float1D:
        """Return predictions.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n,)
            Predictions; between 0 and 1 for binary labels.
        """
        z = self._standardised(X)
        total = np.full(len(z), self._rest * self._mean)
        for weight, predict in self._parts:
            total += weight * np.clip(predict(z), *self._bounds)
        return total

    def _standardised(self, X: Float2D) -> Float2D:
        """Return the columns that varied in training, less their means, over their standard deviations."""
        return (np.asarray(X, dtype=np.float64)[:, self._varies] - self._centre) / self._scale


def _stack(inner: Float2D, y: Float1D) -> Float1D:
    """Return non-negative weights of sum at most 1, or the first learner unless the stack is better beyond chance."""
    alone = np.eye(inner.shape[1])[0]
    centred = inner - y.mean()
    weights = nnls(centred, y - y.mean())[0]
    if weights.sum() > 1.0:
        # sum exactly one: non-negative least squares with a heavily weighted extra row
        heavy = 1e4 * max(float(np.abs(centred).max()), 1e-12) * np.sqrt(len(y))
        weights = nnls(np.vstack([centred, np.full(inner.shape[1], heavy)]), np.r_[y - y.mean(), heavy])[0]
        weights = weights / weights.sum()
    gain = (y - inner[:, 0]) ** 2 - (y - y.mean() - centred @ weights) ** 2
    better = gain.mean() > gain.std(ddof=1) / np.sqrt(len(y))
    return weights if better else alone


def _ridge(design: Float2D, y: Float1D, penalty: float) -> tuple[Float1D, Float1D, float]:
    """Return coefficients, predictions of each row without it, and the trace, of ridge regression with intercept."""
    n = len(y)
    mean = design.mean(axis=0)
    centred = design - mean
    gram = centred.T @ centred + penalty * np.eye(design.shape[1])
    solved = np.linalg.solve(gram, centred.T) if design.shape[1] else np.empty((0, n))
    hat = np.sum(centred * solved.T, axis=1) + 1.0 / n
    coefficients = solved @ (y - y.mean())
    residual = y - y.mean() - centred @ coefficients
    inner = y - residual / np.maximum(1.0 - hat, 1e-6)
    return np.r_[y.mean() - mean @ coefficients, coefficients], inner, float(hat.sum())


def _linear(z: Float2D, y: Float1D) -> _Fitted:
    """Fit linear regression with penalty 1/n on standardised features."""
    found, inner, trace = _ridge(z, y, 1.0)
    return _Fitted(inner, _Plane(float(found[0]), found[1:]), trace)


def _logit(z: Float2D, y: Float1D) -> _Fitted:
    """Fit logistic regression with penalty 1/n; predictions without a row are one Newton step away."""
    design = np.column_stack([np.ones(len(y)), z])
    penalty = np.diag(np.r_[1e-6, np.ones(z.shape[1])])
    b = np.zeros(design.shape[1])
    for _ in range(50):
        chance = expit(design @ b)
        weight = np.maximum(chance * (1 - chance), 1e-10)
        hessian = design.T @ (design * weight[:, None]) + penalty
        step = np.linalg.solve(hessian, design.T @ (y - chance) - penalty @ b)
        b = b + np.clip(step, -5.0, 5.0)
        if np.abs(step).max() < 1e-9:
            break
    chance = expit(design @ b)
    weight = np.maximum(chance * (1 - chance), 1e-10)
    inverse = np.linalg.inv(design.T @ (design * weight[:, None]) + penalty)
    hat = np.minimum(weight * np.einsum("ij,jk,ik->i", design, inverse, design), 0.999)
    inner = expit(design @ b - hat / (1 - hat) * (y - chance) / weight)
    return _Fitted(inner, _Plane(float(b[0]), b[1:], logistic=True), float(hat.sum()))


def _partially_isotonic(z: Float2D, y: Float1D, monotone: Bool1D) -> _Fitted:
    """Fit ``x'b`` plus a monotone function of every surrogate of more than two values, by back-fitting."""
    fold = np.random.default_rng(0).permutation(np.arange(len(y)) % _INNER_FOLDS)
    inner = np.empty(len(y))
    for k in range(_INNER_FOLDS):
        inside = fold == k
        inner[inside] = _back_fitted(z[~inside], y[~inside], monotone)[0](z[inside])
    predict, numbers = _back_fitted(z, y, monotone)
    return _Fitted(inner, predict, numbers)


def _back_fitted(z: Float2D, y: Float1D, monotone: Bool1D) -> tuple[Callable[[Float2D], Float1D], float]:
    columns, others = np.flatnonzero(monotone), ~monotone
    sign = np.where(_ridge(z, y, 1.0)[0][1:] >= 0, 1.0, -1.0)
    levels = [np.unique(z[:, j], return_inverse=True, return_counts=True) for j in columns]
    curves = [np.zeros(len(found[0])) for found in levels]
    parts = np.zeros((len(columns), len(y)))
    coefficients = np.r_[y.mean(), np.zeros(int(others.sum()))]
    for _ in range(_ROUNDS):
        if others.any():
            coefficients = _ridge(z[:, others], y - parts.sum(axis=0), 1.0)[0]
        rest = y - coefficients[0] - z[:, others] @ coefficients[1:]
        for k, j in enumerate(columns):
            _, code, count = levels[k]
            target = rest - parts.sum(axis=0) + parts[k]
            mean = np.bincount(code, target) / count
            curves[k] = sign[j] * isotonic_regression(sign[j] * mean, weights=count).x
            curves[k] -= np.average(curves[k], weights=count)
            parts[k] = curves[k][code]

    blocks = sum(len(np.unique(c)) - 1 for c in curves)
    predict = _PlaneAndCurves(
        _Plane(float(coefficients[0]), coefficients[1:]),
        others,
        columns,
        tuple(found[0] for found in levels),
        tuple(curves),
    )
    return predict, float(len(coefficients) + blocks)


def _varying(z: Float2D, y: Float1D, free: Bool1D) -> _Fitted:
    """Fit kernel ridge regression with ``(1 + x.x') (exp(-|q - q'|^2 / (2 s^2)) + 1)``; rows without themselves."""
    centres = _centres(z)
    best: tuple[float, Any] | None = None
    target = y - y.mean()
    for width in _WIDTHS:
        kernel = _kernel(z, centres, free, width)
        small = _kernel(centres, centres, free, width)
        values, vectors = np.linalg.eigh(small)
        kept = values > 1e-10 * values[-1]
        root = vectors[:, kept] / np.sqrt(values[kept])
        features = kernel @ root
        squares, rotation = np.linalg.eigh(features.T @ features)
        squares = np.maximum(squares, 0.0)
        rotated = features @ rotation
        projected = rotated.T @ target
        # one column a penalty: hat values, and residuals of each row without itself
        shrink = 1.0 / (squares[:, None] + np.array(_PENALTIES))
        hat = np.minimum(rotated**2 @ shrink + 1.0 / len(y), 0.999)
        scores = shrink * projected[:, None]
        residual = (target[:, None] - rotated @ scores) / (1.0 - hat)
        error = np.sum(residual**2, axis=0)
        k = int(np.argmin(error))
        if best is None or error[k] < best[0]:
            solution = root @ (rotation @ scores[:, k])
            best = (float(error[k]), (width, solution, y - residual[:, k], float(hat[:, k].sum())))
    assert best is not None
    width, solution, inner, trace = best[1]

    return _Fitted(inner, _KernelMean(float(y.mean()), centres, free, width, solution), trace)


def _centres(z: Float2D) -> Float2D:
    """Return the distinct rows, or a random choice where they are many."""
    distinct = np.unique(z, axis=0)
    if len(distinct) <= _CENTRES:
        return distinct
    return distinct[np.random.default_rng(0).choice(len(distinct), _CENTRES, replace=False)]


def _kernel(left: Float2D, right: Float2D, free: Bool1D, width: float) -> Float2D:
    others = ~free
    a, b = left[:, free], right[:, free]
    distance = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1)[None, :] - 2.0 * a @ b.T
    smooth = np.exp(-np.maximum(distance, 0.0) / (2.0 * width**2)) + 1.0
    return (1.0 + left[:, others] @ right[:, others].T) * smooth


def distinct_rows(features: Float2D, most: int = 1000) -> tuple[Float2D, Int1D] | None:
    """Return the distinct rows of discrete features and the code of every row, or None where there are many."""
    from pandas import factorize

    code = np.zeros(len(features), dtype=np.int64)
    for column in features.T:
        own, values = factorize(column)
        if len(values) > most:
            return None
        code, kept = factorize(code * len(values) + own)
        if len(kept) > most:
            return None
    first = np.full(int(code.max()) + 1, -1, dtype=np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]
    return features[first], code
