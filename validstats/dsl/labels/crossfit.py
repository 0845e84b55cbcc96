"""Cross-fitted predictions of expert labels from what is always observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any, Literal, NamedTuple, Self, TypeAlias, get_args

import numpy as np
from joblib import Parallel, delayed
from scipy.linalg import lapack
from scipy.optimize import isotonic_regression, nnls
from scipy.special import expit
from sklearn.base import BaseEstimator, RegressorMixin, clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, FloatND, Int1D, Int2D, RandomState
from validstats.intake import check_literal, check_random_state, requested_parameters, take_parameters
from validstats.runtime import one_thread

__all__ = [
    "Completion",
    "CompletionModels",
    "CrossFitter",
    "FoldModels",
    "FoldPlan",
    "LabelKind",
    "LearnerName",
    "Outcome",
    "StackedLearner",
    "check_enough_units",
    "check_learners",
    "encode_features",
    "expected_completions",
    "feature_levels",
    "fit_expected",
    "fit_plug_in",
    "fold_of_units",
    "fold_seeds",
    "label_kind",
    "one_hot",
    "plug_in_completions",
]


_WIDTHS = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Widths of the Gaussian kernel on standardised surrogates."""

_PENALTIES = 10.0 ** np.arange(-3.0, 2.5, 0.5)
"""Penalties of the kernel ridge regression."""

_MOST_ROWS = 4000
"""Most training rows of the curved learners and of the weights; the linear learner sees all."""

_MOST_FOR_WIDTH = 600
"""Most training rows from which the width of the kernel is chosen."""

_CENTRES = 60
"""Most Nystroem centres; up to as many distinct training rows the kernel regression is exact."""

_KERNEL_ROWS = 4096
"""Rows whose kernels with all centres are held at once."""

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
        found = np.empty(len(at))
        for begin in range(0, len(at), _KERNEL_ROWS):
            some = slice(begin, begin + _KERNEL_ROWS)
            kernel = _Distances.of(self.centres, at[some], self.free).kernel(self.width)
            np.dot(self.solution, kernel, out=found[some])
        found += self.mean
        return found


class StackedLearner(RegressorMixin, BaseEstimator):
    """Regression by a stack of three learners; binary labels are predicted by their chance."""

    def __init__(self, surrogates: Sequence[int] | None = None) -> None:
        self.surrogates = surrogates

    def __sklearn_clone__(self) -> StackedLearner:
        # one for each training set; scikit-learn would read signatures again and again
        return type(self)(self.surrogates)

    def fit(self, X: Float2D, y: Float1D) -> StackedLearner:
        """Fit all three learners and their weights."""
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
        bounds = (0.0, 1.0) if binary else (-np.inf, np.inf)
        linear = (_logit if binary else _linear)(z, y)
        learners = [linear]
        weights = np.array([1.0])
        # a single surrogate of two values is linear already
        curved = bool(free.any()) and (len(free) > 1 or _several_values(z[:, 0]))
        if curved and n >= 12:
            rows = np.arange(n)
            if n > _MOST_ROWS:
                rows = np.random.default_rng(0).choice(n, _MOST_ROWS, replace=False)
            z, y = z[rows], y[rows]
            learners = [linear._replace(inner=linear.inner[rows])]
            monotone = np.array([f and _several_values(c) for f, c in zip(free, z.T, strict=True)])
            if monotone.any():
                plain = float(np.mean((y - np.clip(learners[0].inner, *bounds)) ** 2))
                stepped = _partially_isotonic(z, y, monotone, plain)
                learners += [] if stepped is None else [stepped]
            learners.append(_varying(z, y, free))
        inner = np.column_stack([np.clip(m.inner, *bounds) for m in learners])
        if len(learners) > 1:
            weights = _stack(inner, y)
        # what predictions of each row without itself miss
        self.residuals_ = y - (1.0 - weights.sum()) * y.mean() - inner @ weights
        pairs = list(zip(weights, learners, strict=True))
        self.n_effective_ = min(float(sum(w * m.n_effective for w, m in pairs)), n / 3.0)
        self._parts = [(w, m.predict) for w, m in pairs if w > 0]
        self.weights_ = weights
        self._mean = float(y.mean())
        self._rest = 1.0 - float(weights.sum())
        self._bounds = bounds
        self.n_features_in_ = X.shape[1]
        self.plane_ = self._as_plane() if len(self._parts) == 1 and self._rest == 0.0 else None
        return self

    def _as_plane(self) -> _Plane | None:
        """Return the linear learner alone in the units of the features, None where others have weight or limits hold."""
        (weight, predict), *_ = self._parts
        if (
            weight != 1.0
            or not isinstance(predict, _Plane)
            or (predict.logistic is False and np.isfinite(self._bounds[0]))
        ):
            return None
        slopes = np.zeros(len(self._varies))
        slopes[self._varies] = predict.slopes / self._scale
        intercept = predict.intercept - float(self._centre @ (predict.slopes / self._scale))
        return replace(predict, intercept=intercept, slopes=slopes)

    def predict(self, X: Float2D) -> Float1D:
        """Return predictions."""
        X = np.asarray(X, dtype=np.float64)
        if self.plane_ is not None:
            return self.plane_(X)
        z = self._standardised(X)
        total = np.full(len(z), self._rest * self._mean)
        for weight, predict in self._parts:
            total += weight * np.clip(predict(z), *self._bounds)
        return total

    def _standardised(self, X: Float2D) -> Float2D:
        """Return the columns that varied in training, less their means, over their standard deviations."""
        return (X[:, self._varies] - self._centre) / self._scale


def _several_values(column: Float1D) -> bool:
    """Tell whether a column has more than two values."""
    return bool(np.any((column != column.min()) & (column != column.max())))


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
    zero = np.zeros(design.shape[1])
    found = False
    if len(y) > _MOST_ROWS:
        # few rows bring the first steps near the root
        some = slice(None, None, len(y) // _MOST_FOR_WIDTH)
        near, _ = _penalised_root(design[some], y[some], penalty, zero)
        b, found = _penalised_root(design, y, penalty, near)
    if not found:
        b, _ = _penalised_root(design, y, penalty, zero)
    chance = expit(design @ b)
    weight = np.maximum(chance * (1 - chance), 1e-10)
    inverse = np.linalg.inv(design.T @ (design * weight[:, None]) + penalty)
    hat = np.minimum(weight * np.einsum("ij,ij->i", design @ inverse, design), 0.999)
    inner = expit(design @ b - hat / (1 - hat) * (y - chance) / weight)
    return _Fitted(inner, _Plane(float(b[0]), b[1:], logistic=True), float(hat.sum()))


def _penalised_root(design: Float2D, y: Float1D, penalty: Float2D, start: Float1D) -> tuple[Float1D, bool]:
    """Return the coefficients of penalised logistic regression, and whether Newton's method found them."""
    b = start
    for _ in range(50):
        chance = expit(design @ b)
        weight = np.maximum(chance * (1 - chance), 1e-10)
        hessian = design.T @ (design * weight[:, None]) + penalty
        gradient = design.T @ (y - chance) - penalty @ b
        _, step, failed = lapack.dposv(hessian, gradient)
        if failed:
            step = np.linalg.solve(hessian, gradient)
        b = b + np.clip(step, -5.0, 5.0)
        if np.abs(step).max() < 1e-9:
            return b, True
    return b, False


def _partially_isotonic(z: Float2D, y: Float1D, monotone: Bool1D, plain: float) -> _Fitted | None:
    """Fit ``x'b`` plus a monotone function of every surrogate of more than two values, by back-fitting.

    None where its generalised cross-validation is no better than the mean squared error ``plain`` of the linear learner.
    """
    n = len(y)
    predict, numbers, rest = _back_fitted(z, y, monotone)
    # mean squared error over (1 - df / n)^2, with the blocks of the curves as degrees of freedom: without a promise in the
    # training rows nothing is fitted to the inner folds
    # Source: Meyer and Woodroofe (2000), Annals of Statistics 28, 1083-1104.
    if numbers >= n or float(rest @ rest) / n >= plain * (1.0 - numbers / n) ** 2:
        return None
    fold = np.random.default_rng(0).permutation(np.arange(len(y)) % _INNER_FOLDS)
    inner = np.empty(len(y))
    for k in range(_INNER_FOLDS):
        inside = fold == k
        inner[inside] = _back_fitted(z[~inside], y[~inside], monotone)[0](z[inside])
    return _Fitted(inner, predict, numbers)


def _back_fitted(
    z: Float2D, y: Float1D, monotone: Bool1D
) -> tuple[Callable[[Float2D], Float1D], float, Float1D]:
    """Return the function, its effective numbers, and the residuals."""
    columns, others = np.flatnonzero(monotone), z[:, ~monotone]
    sign = np.where(_Slopes.of(z).of_target(y) >= 0, 1.0, -1.0)[columns]
    levels = [np.unique(z[:, j], return_inverse=True, return_counts=True) for j in columns]
    curves = [np.zeros(len(found[0])) for found in levels]
    ridge = _Slopes.of(others)
    slopes, plane = np.zeros(others.shape[1]), np.full(len(y), y.mean())
    parts = [np.zeros(len(y)) for _ in columns]
    rest = y - plane  # what plane and curves leave
    for _ in range(_ROUNDS):
        if others.shape[1]:
            rest += plane
            slopes = ridge.of_target(rest)
            plane = rest.mean() + ridge.centred @ slopes
            rest -= plane
        for k, (_, code, count) in enumerate(levels):
            rest += parts[k]
            mean = np.bincount(code, rest) / count
            curve = sign[k] * isotonic_regression(sign[k] * mean, weights=count).x
            curves[k] = curve - count @ curve / len(y)
            parts[k] = curves[k][code]
            rest -= parts[k]
    intercept = float(plane.mean() - ridge.centre @ slopes)

    blocks = sum(len(np.unique(c)) - 1 for c in curves)
    found = tuple(level[0] for level in levels)
    predict = _PlaneAndCurves(_Plane(intercept, slopes), ~monotone, columns, found, tuple(curves))
    return predict, float(1 + len(slopes) + blocks), rest


class _Slopes(NamedTuple):
    """The slopes of ridge regression with penalty 1/n of any target on one design."""

    centre: Float1D
    centred: Float2D
    inverse: Float2D

    @classmethod
    def of(cls, design: Float2D) -> Self:
        """Return those of a design."""
        centre = design.mean(axis=0)
        centred = design - centre
        return cls(centre, centred, np.linalg.inv(centred.T @ centred + np.eye(design.shape[1])))

    def of_target(self, target: Float1D) -> Float1D:
        """Return the slopes for a target."""
        return np.asarray(self.inverse @ (target @ self.centred), dtype=np.float64)


@one_thread()
def _varying(z: Float2D, y: Float1D, free: Bool1D) -> _Fitted:
    """Fit kernel ridge regression with ``(1 + x.x') (exp(-|q - q'|^2 / (2 s^2)) + 1)``; rows without themselves."""
    centres = _centres(z)
    of_centres = _Distances.of(centres, centres, free)
    some = np.arange(len(y))
    if len(y) > _MOST_FOR_WIDTH:
        some = np.random.default_rng(0).choice(len(y), _MOST_FOR_WIDTH, replace=False)
    rows, target = z[some], y[some] - y[some].mean()
    best: _KernelRidge | None = None
    worse = 0
    # from wide to narrow, until two widths in a row are no better: wide kernels have few directions and cost little
    for width in reversed(_WIDTHS):
        found = _KernelRidge.of(
            partial(_Distances.of, rows=rows, free=free), of_centres, centres, width, target
        )
        worse = 0 if best is None or found.error < best.error else worse + 1
        if worse == 0:
            best = found
        if worse == 2:
            break
    assert best is not None
    if len(some) < len(y):
        from_rows = partial(_Distances.of, rows=z, free=free)
        best = _KernelRidge.of(from_rows, of_centres, centres, best.width, y - y.mean())
    predict = _KernelMean(float(y.mean()), centres[best.chosen], free, best.width, best.solution)
    return _Fitted(y - best.residual, predict, best.trace)


class _KernelRidge(NamedTuple):
    """Kernel ridge regression of one width with the best penalty: what predictions of rows without themselves miss."""

    width: float
    error: float
    chosen: Int1D  # centres that are used
    solution: Float1D
    residual: Float1D
    trace: float

    @classmethod
    def of(
        cls,
        from_rows: Callable[[Float2D], _Distances],
        of_centres: _Distances,
        centres: Float2D,
        width: float,
        target: Float1D,
    ) -> Self:
        """Fit a centred target; ``from_rows`` are distances of some centres from the rows."""
        chosen, root = _directions(of_centres.kernel(width))
        features = root.T @ from_rows(centres[chosen]).kernel(width)
        squares, rotation, _ = lapack.dsyevd(features @ features.T, lower=1)
        rotated = rotation.T @ features
        # one row a penalty: hat values, and residuals of each row without itself
        shrink = 1.0 / (np.maximum(squares, 0.0) + _PENALTIES[:, None])
        scores = shrink * (rotated @ target)
        residual = target - scores @ rotated
        rotated *= rotated
        hat = np.minimum(shrink @ rotated + 1.0 / len(target), 0.999)
        residual /= 1.0 - hat
        errors = np.einsum("ij,ij->i", residual, residual)
        k = int(np.argmin(errors))
        solution = root @ (rotation @ scores[k])
        return cls(width, float(errors[k]), chosen, solution, residual[k], float(hat[k].sum()))


def _directions(kernel: Float2D) -> tuple[Int1D, Float2D]:
    """Return centres and ``L'^-1`` of a Cholesky factor with pivots, of as many as a kernel matrix has directions."""
    factor, pivots, rank, _ = lapack.dpstrf(kernel, tol=1e-9 * float(kernel.diagonal().max()), lower=1)
    inverse, _ = lapack.dtrtri(factor[:rank, :rank], lower=1)
    inverse *= _lower_triangle(int(rank))
    return pivots[:rank] - 1, inverse.T


@lru_cache(maxsize=_CENTRES)
def _lower_triangle(n: int) -> Float2D:
    return np.tri(n)


def _centres(z: Float2D) -> Float2D:
    """Return the distinct rows, or a random choice where they are many."""
    generator = np.random.default_rng(0)
    # a few rows already show that most differ
    some = z if len(z) <= 4 * _CENTRES else z[generator.choice(len(z), 4 * _CENTRES, replace=False)]
    distinct = _distinct(some)
    if len(distinct) <= _CENTRES:
        distinct = _distinct(z)
    if len(distinct) <= _CENTRES:
        return distinct
    return distinct[generator.choice(len(distinct), _CENTRES, replace=False)]


def _distinct(rows: Float2D) -> Float2D:
    """Return the distinct rows, sorted by their first column, then their second, and so on."""
    found = rows[np.lexsort(rows.T[::-1])]
    return found[np.r_[True, np.any(found[1:] != found[:-1], axis=1)]]


class _Distances(NamedTuple):
    """Squared distances of surrogates, and one plus the products of the other features, of centres from some rows."""

    square: Float2D
    plane: Float2D

    @classmethod
    def of(cls, centres: Float2D, rows: Float2D, free: Bool1D) -> Self:
        """Return those of centres and rows."""
        a, b = centres[:, free], rows[:, free]
        if a.shape[1] == 1:
            square = np.subtract(a, b.T)
            square *= square
        else:
            square = -2.0 * a @ b.T
            square += np.sum(a**2, axis=1)[:, None]
            square += np.sum(b**2, axis=1)
            np.maximum(square, 0.0, out=square)
        plane = centres[:, ~free] @ rows[:, ~free].T
        plane += 1.0
        return cls(square, plane)

    def kernel(self, width: float) -> Float2D:
        """Return ``(1 + x.x') (exp(-|q - q'|^2 / (2 s^2)) + 1)``."""
        found = self.square * (-0.5 / width**2)
        np.exp(found, out=found)
        found += 1.0
        found *= self.plane
        return found


def distinct_rows(features: Float2D, most: int = 1000) -> tuple[Float2D, Int1D] | None:
    """Return the distinct rows of discrete features and the code of every row, or None where there are many."""
    from pandas import factorize

    # the first rows already show that most differ
    if any(len(np.unique(column[: 2 * most])) > most for column in features.T):
        return None
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


LabelKind: TypeAlias = Literal["binary", "categorical", "continuous"]
"""Numbers 0 and 1; text or other named classes; any other numbers."""

LearnerName: TypeAlias = Literal["stack", "linear", "boosting"]
"""Learners by name: the stack (default), penalised linear and logistic regression, histogram boosting."""

_MAX_LEVELS = 50

_MOST_NUMBERS = 400_000
"""Most numbers of features that are encoded at once."""

_FOLDS_AT_ONCE = 65_536
"""Rows whose folds are drawn at once."""

_MANY_ROWS = 5000
"""Rows from which distinct rows of features are looked for, each of which is then predicted once."""


@dataclass(frozen=True)
class FoldPlan:
    """Folds of rows in every repeat of the cross-fitting, drawn when something is first fitted."""

    draw: Callable[[], Int2D]
    n_repeats: int

    @classmethod
    def of_rows(
        cls,
        n_rows: int,
        n_folds: int,
        n_repeats: int,
        random_state: RandomState,
        clusters: Int1D | None = None,
    ) -> Self:
        """Assign rows, or whole clusters, to folds of nearly equal size at random."""
        # Folds are drawn without looking at which rows are labelled, so that they are independent of the sampling.
        n_units = n_rows if clusters is None else int(clusters.max()) + 1
        check_enough_units(n_units, n_folds, "rows" if clusters is None else "clusters")
        units = range(n_rows) if clusters is None else clusters
        return cls(
            partial(_folds_of, units, n_units, n_folds, fold_seeds(random_state, n_repeats)), n_repeats
        )

    @classmethod
    def of_units(cls, units: Int1D | range, n_units: int, n_folds: int, seeds: Sequence[int]) -> Self:
        """Return the folds of some of the units ``0..n_units-1``, one repeat a seed."""
        return cls(partial(_folds_of, units, n_units, n_folds, partial(tuple, seeds)), len(seeds))

    @cached_property
    def folds(self) -> Int2D:
        """Fold of every row in every repeat, shape ``(n_repeats, n)``."""
        return self.draw()

    def take(self, rows: AnyArray | slice) -> Self:
        """Return the folds of some of the rows."""
        return type(self)(partial(_some_folds, self, rows), self.n_repeats)


def _folds_of(units: Int1D | range, n_units: int, n_folds: int, draw: Callable[[], tuple[int, ...]]) -> Int2D:
    rows, seeds = np.asarray(units, dtype=np.int64), draw()
    folds = np.empty((len(seeds), len(rows)), dtype=np.min_scalar_type(-n_folds))
    for repeat, seed in enumerate(seeds):
        for begin in range(0, len(rows), _FOLDS_AT_ONCE):
            some = slice(begin, begin + _FOLDS_AT_ONCE)
            folds[repeat, some] = fold_of_units(rows[some], n_units, n_folds, seed)
    return folds


def _some_folds(plan: FoldPlan, rows: AnyArray | slice) -> Int2D:
    return plan.folds[:, rows]


def check_enough_units(n_units: int, n_folds: int, what: str) -> None:
    """Refuse more folds than rows or clusters."""
    if n_units < n_folds:
        raise ValueError(
            f"n_folds={n_folds} needs at least as many {what}; there are {n_units}. Lower n_folds."
        )


def fold_seeds(random_state: RandomState, n_repeats: int) -> Callable[[], tuple[int, ...]]:
    """Return what gives one seed a repeat: a number says later what it says now, a generator's stream goes on."""
    if type(random_state) is int and random_state >= 0:
        return partial(_drawn_seeds, random_state, n_repeats)
    return partial(tuple, _drawn_seeds(random_state, n_repeats))


def _drawn_seeds(random_state: RandomState, n_repeats: int) -> tuple[int, ...]:
    generator = check_random_state(random_state)
    return tuple(int(generator.integers(2**63)) for _ in range(n_repeats))


def fold_of_units(units: Int1D, n_units: int, n_folds: int, seed: int) -> Int1D:
    """Return the folds of some of the units ``0..n_units-1``, the same in every pass and on every machine."""
    return _permuted(units.astype(np.uint64), n_units, seed).astype(np.int64) % n_folds


def _permuted(units: AnyArray, n_units: int, seed: int) -> AnyArray:
    """Return the positions of units in a random order of all, in constant memory."""
    # A keyed bijection of the integers below the next power of two, walked along its cycles until it falls below
    # n_units (Black and Rogaway 2002, CT-RSA, LNCS 2271, 114-130). Each round multiplies by an odd number, adds and
    # folds the upper half of the bits into the lower one, all of which can be undone.
    bits = max(int(n_units - 1).bit_length(), 2)
    mask, shift = np.uint64(2**bits - 1), np.uint64((bits + 1) // 2)
    keys = np.random.default_rng(seed).integers(2**63, size=(6, 2), dtype=np.uint64)
    found = units.copy()
    waiting: Any = slice(None)
    with np.errstate(over="ignore"):
        while len(state := found[waiting]):
            for odd, added in keys:
                state *= odd | np.uint64(1)
                state += added
                state &= mask
                state ^= state >> shift
            found[waiting] = state
            beyond = np.flatnonzero(state >= n_units)
            waiting = beyond if isinstance(waiting, slice) else waiting[beyond]
    return found


def label_kind(values: AnyArray) -> LabelKind:
    """Tell whether observed labels are binary, categorical or continuous."""
    # ``"binary"`` for the numbers 0 and 1 or booleans, ``"categorical"`` for anything not numeric.
    if values.dtype.kind not in "fiub":
        return "categorical"
    return "binary" if np.all((values == 0) | (values == 1)) else "continuous"


def one_hot(codes: Int1D, n_levels: int) -> Float2D:
    """Return indicator columns of integer codes."""
    indicators = np.zeros((len(codes), n_levels))
    indicators[np.arange(len(codes)), codes] = 1.0
    return indicators


def encode_features(columns: Mapping[str, AnyArray], levels: Mapping[str, AnyArray] | None = None) -> Float2D:
    """Turn always-observed columns into a numeric matrix for the learner, by the sorted levels of those that have some."""
    known = {} if levels is None else levels
    blocks = []
    for name, values in columns.items():
        if name not in known and values.dtype.kind in "fiub":
            numbers = values.astype(np.float64)
            if not np.all(np.isfinite(numbers)):
                raise ValueError(
                    f"The feature {name!r} has {int((~np.isfinite(numbers)).sum())} missing or infinite "
                    "value(s). What predicts the labels must be observed in every row: impute it, add an "
                    "indicator of being missing, or leave it out of features."
                )
            blocks.append(numbers[:, None])
            continue
        text = _as_text(values, name)
        classes = known[name] if name in known else np.unique(text)
        if len(classes) > _MAX_LEVELS:
            raise ValueError(
                f"The feature {name!r} has {len(classes)} classes, more than {_MAX_LEVELS}. Group its classes "
                "or leave it out of features."
            )
        blocks.append((text[:, None] == classes[None, :]).astype(np.float64))
    return blocks[0] if len(blocks) == 1 else np.hstack(blocks)


def feature_levels(values: AnyArray, name: str) -> AnyArray | None:
    """Return the sorted classes of a feature as text, None for numbers."""
    return None if values.dtype.kind in "fiub" else np.unique(_as_text(values, name))


def _as_text(values: AnyArray, name: str) -> AnyArray:
    missing = np.array([v is None or v != v for v in values.tolist()])
    if missing.any():
        raise ValueError(
            f"The feature {name!r} has {int(missing.sum())} missing value(s). What predicts the labels must "
            "be observed in every row: give the missing ones a class of their own."
        )
    return values.astype(str)


@dataclass(frozen=True)
class FoldModels:
    """Fitted functions, one for each repeat and fold, none of which has seen the labels of its fold."""

    functions: tuple[tuple[Callable[[Float2D], FloatND], ...], ...]

    def predict(self, features: Float2D, folds: Int2D) -> FloatND:
        """Return what the function of every row's fold gives, repeats on the first axis, rows on the second."""
        if len(features) > _MANY_ROWS:
            compact = distinct_rows(features)
            if compact is not None:
                return self._by_distinct_row(*compact, folds)
        planes = [_plane_of(function) for functions in self.functions for function in functions]
        if all(plane is not None for plane in planes):
            return _by_planes([p for p in planes if p is not None], features, folds)
        found: FloatND | None = None
        for repeat, (functions, fold) in enumerate(zip(self.functions, folds, strict=True)):
            for k, function in enumerate(functions):
                inside = fold == k
                if not inside.any():
                    continue
                values = function(features[inside])
                if found is None:
                    found = np.empty((len(folds), len(features), *values.shape[1:]))
                found[repeat, inside] = values
        assert found is not None
        return found

    def _by_distinct_row(self, rows: Float2D, code: Int1D, folds: Int2D) -> FloatND:
        """Predict every distinct row of features once by each function."""
        found: FloatND | None = None
        for repeat, (functions, fold) in enumerate(zip(self.functions, folds, strict=True)):
            table = np.stack([np.asarray(function(rows)) for function in functions])
            values = table[fold, code]
            if found is None:
                found = np.empty((len(folds), *values.shape))
            found[repeat] = values
        assert found is not None
        return found


@dataclass(frozen=True, kw_only=True)
class CrossFitter:
    """Fits a learner on the labelled rows outside each fold and predicts every row of the fold."""

    # scikit-learn estimator, name of one, one for each label by name, or None for the stack; classes of more than two
    # values have penalised logistic regression
    learner: Any
    folds: Int2D  # fold of every row in every repeat, shape ``(n_repeats, n)``
    labelled: Bool1D  # which rows may be used for training
    n_surrogates: int | None = None  # leading features on which predictions may depend freely; None is all
    # folds of each repeat, of which some may have no labelled row where whole clusters are labelled; None counts ``folds``
    n_folds: int | None = None
    numbers: list[float] = field(default_factory=list)  # effective numbers of parameters of what was fitted
    parameters: Mapping[str, Any] = field(default_factory=dict)  # of the learner's fit, for the labelled rows

    @property
    def n_effective(self) -> float:
        """Mean effective number of parameters of the learners fitted so far."""
        return float(np.mean(self.numbers)) if self.numbers else 0.0

    def regress(self, name: str, target: Float1D, features: Float2D) -> FloatND:
        """Predict the mean of a numeric label for all rows, repeats first."""
        return self.means(name, target, features[self.labelled]).predict(features, self.folds)[:, None]

    def classify(self, name: str, codes: Int1D, n_classes: int, features: Float2D) -> FloatND:
        """Predict class probabilities, shape ``(n_repeats, n_classes, n)``."""
        models = self.classes(name, codes, n_classes, features[self.labelled])
        return np.moveaxis(models.predict(features, self.folds), 2, 1)

    def means(self, name: str, target: Float1D, features: Float2D) -> FoldModels:
        """Fit the mean of a numeric label; features are those of the labelled rows."""
        binary = label_kind(target) == "binary"
        return self._fitted(
            _fit, self._learner_for(name, "binary" if binary else "continuous"), features, target
        )

    def classes(self, name: str, codes: Int1D, n_classes: int, features: Float2D) -> FoldModels:
        """Fit class probabilities."""
        work = partial(_fit_classes, n_classes=n_classes)
        return self._fitted(work, self._learner_for(name, "categorical"), features, codes)

    def residuals(
        self, name: str, target: Float1D, features: Float2D, n_draws: int, means: FoldModels | None = None
    ) -> FoldModels:
        """Fit quantiles of honest residuals, from the training rows of each fold alone; ``means`` are what was fitted."""
        levels = (np.arange(n_draws) + 0.5) / n_draws
        if means is not None:
            known = [[_known_residuals(f, levels) for f in repeat] for repeat in means.functions]
            if all(rows is not None for repeat in known for rows in repeat):
                return FoldModels(tuple(tuple(r for r in repeat if r is not None) for repeat in known))
        # Each training set is halved; a model of one half is scored on the other.
        work = partial(_fit_residuals, levels=levels)
        return self._fitted(work, self._learner_for(name, "continuous"), features, target)

    def _fitted(self, work: Any, learner: Any, features: Float2D, target: AnyArray) -> FoldModels:
        trainings = self._trainings()
        tasks = [
            delayed(work)(
                learner,
                features[rows],
                target[rows],
                parameters=take_parameters(self.parameters, np.flatnonzero(rows), len(rows)),
            )
            for repeat in trainings
            for rows in repeat
        ]
        # once around all fits of the stack, whose matrices are small; a learner of the user's has the threads that it takes
        with one_thread() if isinstance(learner, StackedLearner) else nullcontext():
            fitted = Parallel()(tasks)
        self.numbers.extend(_effective_numbers(f, len(features)) for f in fitted)
        done = iter(fitted)
        return FoldModels(tuple(tuple(next(done) for _ in repeat) for repeat in trainings))

    def _trainings(self) -> list[list[Bool1D]]:
        """Return for every repeat and fold which labelled rows train its model."""
        found = []
        for folds in self.folds:
            fold_of_labelled = folds[self.labelled]
            n_folds = int(folds.max()) + 1 if self.n_folds is None else self.n_folds
            found.append([fold_of_labelled != k for k in range(n_folds)])
            for k, training in enumerate(found[-1]):
                if training.sum() < 4:
                    raise ValueError(
                        f"Too few expert labels: of {len(fold_of_labelled)} labelled row(s) only "
                        f"{int(training.sum())} are left to train on outside fold {k + 1}. Label more rows, lower "
                        "n_folds, or use estimator='gold', which needs no predictions."
                    )
        return found

    def _learner_for(self, name: str, kind: LabelKind) -> Any:
        return _learner_of(self.learner, name, kind, self.n_surrogates)


def check_learners(learner: Any, kinds: Mapping[str, LabelKind]) -> None:
    """Refuse learners that do not fit the kinds of the labels, before anything is fitted."""
    for name, kind in kinds.items():
        _learner_of(learner, name, kind, None)


def _learner_of(learner: Any, name: str, kind: LabelKind, n_surrogates: int | None) -> Any:
    """Return the learner of a label of a kind."""
    if isinstance(learner, Mapping):
        if name not in learner:
            raise ValueError(
                f"learner has no entry for the label {name!r}; it has {', '.join(map(repr, learner))}."
            )
        learner = learner[name]
    if learner is None or isinstance(learner, str):
        return _named_learner(learner or "stack", kind, n_surrogates)
    if kind == "continuous" and is_classifier(learner):
        raise ValueError(
            f"The label {name!r} is continuous, and {type(learner).__name__} is a classifier. Pass a "
            "regressor, or a dictionary with one learner a label."
        )
    return learner


def _named_learner(name: str, kind: LabelKind, n_surrogates: int | None) -> Any:
    """Return a learner by its name, for one kind of label."""
    check_literal(name, "learner", get_args(LearnerName))
    if name == "boosting":
        if kind == "continuous":
            return HistGradientBoostingRegressor(max_iter=100, max_leaf_nodes=4)
        return HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=4)
    if name == "stack" and kind != "categorical":
        return StackedLearner(None if n_surrogates is None else tuple(range(n_surrogates)))
    if kind == "continuous":
        return make_pipeline(StandardScaler(), Ridge(alpha=1.0))
    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))


def _effective_numbers(fitted: Any, n_rows: int) -> float:
    """Return the effective number of parameters of a fitted function, a third of the rows where it is not known."""
    model = getattr(fitted, "model", None)
    if model is None:
        return 1.0
    last = model[-1] if hasattr(model, "steps") else model
    if hasattr(last, "n_effective_"):
        return float(last.n_effective_)
    if hasattr(last, "coef_"):
        return float(np.size(last.coef_) + np.size(getattr(last, "intercept_", 0.0)))
    return n_rows / 3.0


@dataclass(frozen=True)
class _Mean:
    """Mean function of a fitted learner, or a constant where all labels were equal."""

    model: Any
    constant: float = 0.0

    def __call__(self, at: Float2D) -> Float1D:
        if self.model is None:
            return np.full(len(at), self.constant)
        if is_classifier(self.model):
            return np.asarray(self.model.predict_proba(at)[:, 1], dtype=np.float64)
        return np.asarray(self.model.predict(at), dtype=np.float64).reshape(len(at))


def _plane_of(function: Any) -> _Plane | None:
    """Return the plane that a fitted function is, None where it is none."""
    model: Any = getattr(function, "model", None)
    if type(model) is Pipeline and [type(step) for _, step in model.steps] == [StandardScaler, Ridge]:
        return _plane_of_ridge(*(step for _, step in model.steps))
    return getattr(model, "plane_", None)


_MOST_OFFSET = 1e4
"""Largest mean over scale of a column up to which a plane in its own units keeps 12 digits."""


def _plane_of_ridge(scaler: StandardScaler, ridge: Ridge) -> _Plane | None:
    """Return a ridge regression of standardised columns in the units of the columns."""
    if not (scaler.with_mean and scaler.with_std and np.ndim(ridge.coef_) == 1):
        return None
    if np.any(np.abs(scaler.mean_) > _MOST_OFFSET * scaler.scale_):
        return None
    slopes = ridge.coef_ / scaler.scale_
    return _Plane(float(ridge.intercept_ - scaler.mean_ @ slopes), slopes)


def _by_planes(planes: Sequence[_Plane], features: Float2D, folds: Int2D) -> Float2D:
    """Return what the plane of every row's fold gives, all planes by one product."""
    eta = features @ np.column_stack([plane.slopes for plane in planes])
    n_folds, rows = len(planes) // len(folds), np.arange(len(features))
    found = np.empty((len(folds), len(features)))
    for repeat, fold in enumerate(folds):
        own = planes[repeat * n_folds : (repeat + 1) * n_folds]
        place = fold.astype(np.intp) + repeat * n_folds
        found[repeat] = eta[rows, place] + np.array([p.intercept for p in own])[fold]
        logistic = np.array([p.logistic for p in own])[fold]
        if logistic.any():
            found[repeat, logistic] = expit(found[repeat, logistic])
    return found


_NONE: Mapping[str, Any] = {}


def _fit(learner: Any, x: Float2D, y: Float1D, *, parameters: Mapping[str, Any] = _NONE) -> _Mean:
    """Fit a clone and return its mean function."""
    if np.ptp(y) == 0.0:
        return _Mean(None, float(y[0]))
    own = requested_parameters(learner, parameters, "DesignSupervised.calibrate")
    return _Mean(clone(learner).fit(x, y.astype(np.int64) if is_classifier(learner) else y, **own))


@dataclass(frozen=True)
class _Rows:
    """The same values for every row."""

    values: Float1D

    def __call__(self, at: Float2D) -> Float2D:
        return np.broadcast_to(self.values, (len(at), len(self.values)))


def _fit_residuals(
    learner: Any, x: Float2D, y: Float1D, *, levels: Float1D, parameters: Mapping[str, Any]
) -> _Rows:
    half = np.arange(len(y)) % 2 == 0
    residual = np.empty(len(y))
    for part in (half, ~half):
        own = take_parameters(parameters, np.flatnonzero(~part), len(part))
        residual[part] = y[part] - _fit(learner, x[~part], y[~part], parameters=own)(x[part])
    return _quantiles(residual, levels)


def _quantiles(residual: Float1D, levels: Float1D) -> _Rows:
    quantiles = np.quantile(residual, levels)
    return _Rows(quantiles - quantiles.mean())


def _known_residuals(fitted: Any, levels: Float1D) -> _Rows | None:
    """Return quantiles of what predictions of rows without themselves miss, None where the learner keeps none."""
    if not isinstance(fitted, _Mean):
        return None
    if fitted.model is None:
        return _Rows(np.zeros(len(levels)))
    missed = getattr(fitted.model, "residuals_", None)
    return None if missed is None else _quantiles(missed, levels)


@dataclass(frozen=True)
class _Classes:
    """Class probabilities, adding to one; a class that the training rows lack gets none."""

    n_classes: int
    present: Int1D
    model: Any = None  # classifier
    means: tuple[_Mean, ...] = ()  # or one mean function a class that is present

    def __call__(self, at: Float2D) -> Float2D:
        probability = np.zeros((len(at), self.n_classes))
        if len(self.present) == 1:
            probability[:, self.present[0]] = 1.0
            return probability
        if self.model is not None:
            probability[:, np.asarray(self.model.classes_, dtype=np.int64)] = self.model.predict_proba(at)
            return probability
        for k, mean in zip(self.present, self.means, strict=True):
            probability[:, k] = np.clip(mean(at), 0.0, 1.0)
        total = probability.sum(axis=1, keepdims=True)
        return np.where(total > 0.0, probability / np.where(total > 0.0, total, 1.0), 1.0 / self.n_classes)


def _fit_classes(
    learner: Any, x: Float2D, y: Int1D, *, n_classes: int, parameters: Mapping[str, Any]
) -> _Classes:
    present = np.unique(y)
    if len(present) == 1:
        return _Classes(n_classes, present)
    if is_classifier(learner):
        own = requested_parameters(learner, parameters, "DesignSupervised.calibrate")
        return _Classes(n_classes, present, clone(learner).fit(x, y, **own))
    means = tuple(_fit(learner, x, (y == k).astype(np.float64), parameters=parameters) for k in present)
    return _Classes(n_classes, present, means=means)


_N_DRAWS = 8
_MAX_DISCRETE = 6
_DRAW_ORDERS = (
    (0, 1, 2, 3, 4, 5, 6, 7),
    (3, 6, 0, 5, 2, 7, 1, 4),
    (3, 1, 7, 6, 0, 5, 2, 4),
    (4, 2, 5, 0, 6, 7, 1, 3),
)
"""Orders of the draws of up to four labels that are uncorrelated with each other."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """Values for the unlabelled variables of every row, with their probability."""

    weight: Float1D | float = 1.0  # conditional probability of these values
    replacements: Mapping[str, AnyArray] = field(default_factory=dict)  # values of the covariate labels
    outcome: FloatND | None = None  # expected outcome; None where the outcome is always observed


def _joined(parts: Sequence[Completion]) -> Completion:
    """Put the completions of consecutive blocks of rows together."""
    first = parts[0]
    weight, outcome = first.weight, first.outcome
    return Completion(
        weight=weight if np.ndim(weight) == 0 else np.concatenate([np.asarray(c.weight) for c in parts]),
        replacements={v: np.concatenate([c.replacements[v] for c in parts]) for v in first.replacements},
        outcome=None if outcome is None else np.concatenate([np.asarray(c.outcome) for c in parts]),
    )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a model on the labelled rows, where it depends on a label."""

    name: str  # name that picks the learner
    values: FloatND  # numbers, or one indicator column a category


def _discrete(values: AnyArray) -> bool:
    if label_kind(values) != "continuous":
        return True
    return len(np.unique(values)) <= _MAX_DISCRETE


@dataclass(frozen=True, kw_only=True)
class CompletionModels:
    """The law of the unlabelled variables of a model given features, cross-fitted on the labelled rows."""

    # discrete covariate labels: their observed combinations with joint probabilities; numeric ones: draws of residuals
    # around a mean; the outcome: its mean, or class probabilities, given features and completed covariates
    names: tuple[str, ...] = ()
    combinations: tuple[tuple[object, ...], ...] = ()
    joint: FoldModels | None = None
    means: Mapping[str, FoldModels] = field(default_factory=dict)
    draws: Mapping[str, FoldModels] = field(default_factory=dict)
    outcome: FoldModels | None = None
    outcome_sees_covariates: bool = True
    plug_in: bool = False  # every label at its mean, one term a repeat
    n_repeats: int = 1
    n_effective: float = 0.0  # effective number of parameters of the learners

    @property
    def n_terms(self) -> int:
        """Number of expected scores: one a repeat for the plug-in, one in all otherwise."""
        return self.n_repeats if self.plug_in else 1

    def complete(self, features: Float2D, folds: Int2D) -> tuple[tuple[Completion, ...], ...]:
        """Return the completions of some rows, one tuple a term."""
        return self._plugged_in(features, folds) if self.plug_in else (self._mixture(features, folds),)

    def complete_in_blocks(
        self,
        encode: Callable[[Mapping[str, AnyArray], int], Float2D],
        columns: Mapping[str, AnyArray],
        folds: Int2D,
    ) -> tuple[tuple[Completion, ...], ...]:
        """Return the completions of rows, whose features are encoded block by block where they are many."""
        n = folds.shape[1]

        def some(rows: slice) -> tuple[tuple[Completion, ...], ...]:
            inside = folds[:, rows]
            part = {name: values[rows] for name, values in columns.items()}
            return self.complete(encode(part, inside.shape[1]), inside)

        width = encode({name: values[:1] for name, values in columns.items()}, 1).shape[1]
        block = max(_MOST_NUMBERS // max(width, 1), 1)
        if n <= 2 * block:
            return some(slice(0, n))
        pieces = [some(slice(begin, begin + block)) for begin in range(0, n, block)]
        return tuple(tuple(map(_joined, zip(*terms, strict=True))) for terms in zip(*pieces, strict=True))

    def _plugged_in(self, features: Float2D, folds: Int2D) -> tuple[tuple[Completion, ...], ...]:
        covariates = {v: models.predict(features, folds) for v, models in self.means.items()}
        outcomes = None if self.outcome is None else self.outcome.predict(features, folds)
        return tuple(
            (
                Completion(
                    replacements={v: x[s] for v, x in covariates.items()},
                    outcome=None if outcomes is None else outcomes[s],
                ),
            )
            for s in range(self.n_repeats)
        )

    def _mixture(self, features: Float2D, folds: Int2D) -> tuple[Completion, ...]:
        n = len(features)
        parts: list[tuple[Float1D | float, dict[str, AnyArray], Float2D]] = [(1.0, {}, np.empty((n, 0)))]
        if self.joint is not None:
            chance = self.joint.predict(features, folds).mean(axis=0)
            parts = [
                (
                    chance[:, k],
                    {v: _filled(combination[j], n) for j, v in enumerate(self.names)},
                    one_hot(np.full(n, k), len(self.combinations)),
                )
                for k, combination in enumerate(self.combinations)
            ]
        if self.means:
            means = {v: models.predict(features, folds).mean(axis=0) for v, models in self.means.items()}
            draws = {v: models.predict(features, folds).mean(axis=0) for v, models in self.draws.items()}
            order = _draw_order(len(means))
            drawn = [
                {v: means[v] + draws[v][:, order[j][d]] for j, v in enumerate(means)} for d in range(_N_DRAWS)
            ]
            parts = [
                (weight / _N_DRAWS, {**fixed, **values}, np.column_stack([encoded, *values.values()]))
                for weight, fixed, encoded in parts
                for values in drawn
            ]
        found = []
        for weight, replacements, encoded in parts:
            outcome = None
            if self.outcome is not None:
                # classes do not depend on the completed covariates
                extra = encoded if self.outcome_sees_covariates else np.empty((n, 0))
                known = np.hstack([features, extra]) if extra.shape[1] else features
                outcome = self.outcome.predict(known, folds).mean(axis=0)
            found.append(Completion(weight=weight, replacements=replacements, outcome=outcome))
        return tuple(found)


def fit_expected(
    fitter: CrossFitter, labels: Mapping[str, AnyArray], outcome: Outcome | None, features: Float2D
) -> CompletionModels:
    """Fit completions whose weighted scores add to the expected score; features are those of the labelled rows."""
    # Discrete covariate labels are summed over their observed combinations with cross-fitted probabilities
    # (their joint distribution); continuous ones over draws of their cross-fitted residuals. The outcome
    # enters by its expectation given the features and the completed covariates. Repeats are averaged.
    discrete = {v: x for v, x in labels.items() if _discrete(x)}
    continuous = {v: x for v, x in labels.items() if v not in discrete}
    names = tuple(discrete)
    combinations: tuple[tuple[object, ...], ...] = ()
    joint = None
    extra = []
    if discrete:
        rows = list(zip(*(x.tolist() for x in discrete.values()), strict=True))
        combinations = tuple(sorted(set(rows), key=str))
        position = {combination: k for k, combination in enumerate(combinations)}
        codes = np.array([position[row] for row in rows], dtype=np.int64)
        joint = fitter.classes(names[0], codes, len(combinations), features)
        extra.append(one_hot(codes, len(combinations)))
    means = {v: fitter.means(v, x, features) for v, x in continuous.items()}
    draws = {v: fitter.residuals(v, x, features, _N_DRAWS, means[v]) for v, x in continuous.items()}
    if continuous:
        extra.append(np.column_stack(list(continuous.values())))
    model, sees = _fit_outcome(fitter, outcome, features, extra)
    return CompletionModels(
        names=names,
        combinations=combinations,
        joint=joint,
        means=means,
        draws=draws,
        outcome=model,
        outcome_sees_covariates=sees,
        n_repeats=len(fitter.folds),
        n_effective=fitter.n_effective,
    )


def _fit_outcome(
    fitter: CrossFitter, outcome: Outcome | None, features: Float2D, extra: list[Float2D]
) -> tuple[FoldModels | None, bool]:
    """Fit the outcome given features and, where it is a number, the covariate labels."""
    if outcome is None:
        return None, True
    if outcome.values.ndim == 2:
        codes = outcome.values.argmax(axis=1)
        return fitter.classes(outcome.name, codes, outcome.values.shape[1], features), False
    return fitter.means(outcome.name, outcome.values, np.hstack([features, *extra])), True


def fit_plug_in(
    fitter: CrossFitter, labels: Mapping[str, AnyArray], outcome: Outcome | None, features: Float2D
) -> CompletionModels:
    """Fit the means of all labels, as the R package ``dsl``; features are those of the labelled rows."""
    for name, values in labels.items():
        if label_kind(values) == "categorical":
            raise ValueError(
                f"estimator='dsl' plugs in the mean of a label, and {name!r} is categorical. Use "
                "estimator='tuned', which sums over its classes, or encode it as indicators."
            )
    means = {v: fitter.means(v, x.astype(np.float64), features) for v, x in labels.items()}
    model, _ = _fit_outcome(fitter, outcome, features, [])
    return CompletionModels(
        means=means,
        outcome=model,
        plug_in=True,
        n_repeats=len(fitter.folds),
        n_effective=fitter.n_effective,
    )


def expected_completions(
    fitter: CrossFitter, labels: Mapping[str, AnyArray], outcome: Outcome | None, features: Float2D
) -> tuple[Completion, ...]:
    """Return completions of all rows whose weighted scores add to the expected score given the features."""
    models = fit_expected(fitter, labels, outcome, features[fitter.labelled])
    return models.complete(features, fitter.folds)[0]


def plug_in_completions(
    fitter: CrossFitter, labels: Mapping[str, AnyArray], outcome: Outcome | None, features: Float2D
) -> tuple[tuple[Completion, ...], ...]:
    """Return one completion of all rows a repeat with every label at its cross-fitted mean."""
    return fit_plug_in(fitter, labels, outcome, features[fitter.labelled]).complete(features, fitter.folds)


def _filled(value: object, n: int) -> AnyArray:
    return np.full(n, value) if not isinstance(value, str) else np.array([value] * n, dtype=object)


def _draw_order(n_labels: int) -> list[list[int]]:
    """Return for every label a fixed order of its quantiles, so that draws of several labels are not tied."""
    return [list(_DRAW_ORDERS[j % len(_DRAW_ORDERS)]) for j in range(n_labels)]
