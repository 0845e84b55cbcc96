"""Generators of machine labels that are wrong in known ways, with the true coefficients and their bias.

The true coefficients, and the values to which a regression on the machine labels converges, are computed by
quadrature; nothing about them is estimated from the generated rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from scipy.special import expit, ndtr, ndtri

from validstats._typing import Bool1D, Float1D, Float2D, FrameBackend, RandomState
from validstats.intake import check_in_range, check_literal, check_positive_int, check_random_state, to_frame

__all__ = ["SurrogateSample", "make_surrogate_covariate", "make_surrogate_labels"]

SurrogateDesign: TypeAlias = Literal["differential", "random_flip"]

_LABEL_COEFFICIENTS = np.array([-0.375, 0.969, -0.521])
_COVARIATE_COEFFICIENTS = np.array([0.5, 1.0, -0.5])
_CORRELATION = 0.3
_CUT = float(ndtri(0.8))


@dataclass(frozen=True)
class SurrogateSample:
    """Rows with machine labels for all, expert labels for some, and the truth for all.

    Attributes
    ----------
    gold_name : str
        Name of the variable that a machine labelled.
    gold : ndarray of shape (n,)
        Its true values, 0 or 1, for every row.
    surrogate : ndarray of shape (n,)
        The machine's labels, 0 or 1, for every row.
    columns : mapping of str to ndarray of shape (n,)
        The other variables, always observed.
    labelled : ndarray of shape (n,), bool
        Rows drawn for expert labelling.
    sampling_probability : ndarray of shape (n,)
        Probability with which each row was drawn.
    formula : str
        The regression of interest.
    model : {"logit", "ols"}
        Its kind.
    coefficient_names : tuple of str
        Names of the coefficients, in the order of ``truth``.
    truth : ndarray of shape (p,)
        Coefficients of the regression in the population.
    surrogate_limit : ndarray of shape (p,)
        What the same regression converges to if the machine's labels are taken as the truth.
    surrogate_accuracy : float
        Probability that the machine's label is right.
    """

    gold_name: str
    gold: Float1D
    surrogate: Float1D
    columns: Mapping[str, Float1D]
    labelled: Bool1D
    sampling_probability: Float1D
    formula: str
    model: Literal["logit", "ols"]
    coefficient_names: tuple[str, ...]
    truth: Float1D = field(repr=False)
    surrogate_limit: Float1D = field(repr=False)
    surrogate_accuracy: float = field(repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "columns": dict(self.columns)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "columns": MappingProxyType(state["columns"])})

    def frame(self, backend: FrameBackend = "pandas") -> Any:
        """Arrange the rows as an analyst would have them.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, default "pandas"
            Library of the returned frame.

        Returns
        -------
        DataFrame or Table
            The observed columns; the gold variable, NaN where no expert has labelled it; the machine's labels under
            ``<gold name>_surrogate``; and ``sampling_probability``.

        Examples
        --------
        >>> sample = make_surrogate_labels(100, n_labelled=20, random_state=0)
        >>> frame = sample.frame()
        >>> list(frame.columns), int(frame["y"].notna().sum())
        (['x1', 'x2', 'y', 'y_surrogate', 'sampling_probability'], 20)
        """
        return to_frame(
            {
                **self.columns,
                self.gold_name: np.where(self.labelled, self.gold, np.nan),
                f"{self.gold_name}_surrogate": self.surrogate,
                "sampling_probability": self.sampling_probability,
            },
            backend,
        )


def make_surrogate_labels(
    n_samples: int,
    *,
    design: SurrogateDesign = "differential",
    accuracy: float | None = None,
    n_labelled: int | None = None,
    random_state: RandomState = None,
) -> SurrogateSample:
    """Draw a logistic regression whose outcome was labelled by a machine.

    Parameters
    ----------
    n_samples : int
        Number of rows, at least 1.
    design : {"differential", "random_flip"}, default "differential"
        ``"differential"``: ``logit P(y = 1) = -0.375 + 0.969 x1 - 0.521 x2`` with x1 standard normal and x2 a fair
        coin; the machine is right for 85.5 % of rows, and errs on negatives with log-odds
        ``-2.41 - 0.30 x1 + 1.14 x2`` and on positives with ``-1.97 + 0.30 x1 - 1.14 x2``, which reverses the sign of
        the coefficient of x2. ``"random_flip"``: the design of Egami and others, with ten covariates, a
        regression that is not the law of the outcome, and labels flipped at random.
    accuracy : float, optional
        Probability that a label is not flipped, in (0.5, 1]; 0.9 by default. Only for ``"random_flip"``.
    n_labelled : int, optional
        Rows labelled by an expert, a simple random sample; all by default.
    random_state : int, numpy.random.Generator or None, default None
        Seed of the rows.

    Returns
    -------
    SurrogateSample
        The rows, with the true coefficients and the limit of the regression on machine labels.

    Raises
    ------
    ValueError
        If an option is out of its range, or if ``accuracy`` is given for the differential design.

    References
    ----------
    N. Egami, M. Hinck, B. Stewart and H. Wei, "Using imperfect surrogates for downstream inference: design-based
    supervised learning for social science applications of large language models", NeurIPS 2023, arXiv 2306.04746.

    Examples
    --------
    >>> sample = make_surrogate_labels(5000, n_labelled=500, random_state=0)
    >>> sample.formula, sample.truth.tolist()
    ('y ~ x1 + x2', [-0.375, 0.969, -0.521])
    >>> print(sample.surrogate_limit.round(3))
    [-0.355  0.466  0.207]
    """
    check_literal(design, "design", get_args(SurrogateDesign))
    n_samples = check_positive_int(n_samples, "n_samples")
    generator = check_random_state(random_state)
    if design == "random_flip":
        share = check_in_range(0.9 if accuracy is None else accuracy, "accuracy", 0.5, 1.0, low_open=True)
        return _draw_random_flip(n_samples, float(share), n_labelled, generator)
    if accuracy is not None:
        raise ValueError(f"accuracy={accuracy!r} applies to design='random_flip' only; leave it out.")
    return _draw_differential(n_samples, n_labelled, generator)


def make_surrogate_covariate(
    n_samples: int, *, n_labelled: int | None = None, random_state: RandomState = None
) -> SurrogateSample:
    """Draw a linear regression in which a machine labelled a covariate, with errors that depend on the outcome.

    ``y = 0.5 + d - 0.5 z + e`` with standard normal z and e, and ``logit P(d = 1) = 0.5 z``. The machine's label of d is
    wrong with log-odds ``-1.9 + 0.5 z - 0.13 (y - 0.5)`` where d = 1 and ``-1.9 + 0.5 z + 0.13 (y - 0.5)`` where d = 0.

    Parameters
    ----------
    n_samples : int
        Number of rows, at least 1.
    n_labelled : int, optional
        Rows labelled by an expert, a simple random sample; all by default.
    random_state : int, numpy.random.Generator or None, default None
        Seed of the rows.

    Returns
    -------
    SurrogateSample
        The rows, with the true coefficients and the limit of the regression on machine labels.

    Examples
    --------
    >>> sample = make_surrogate_covariate(1000, n_labelled=200, random_state=0)
    >>> sample.formula, sample.truth.tolist()
    ('y ~ d + z', [0.5, 1.0, -0.5])
    >>> print(sample.surrogate_limit.round(3), round(sample.surrogate_accuracy, 3))
    [ 0.621  0.771 -0.441] 0.865
    """
    n_samples = check_positive_int(n_samples, "n_samples")
    generator = check_random_state(random_state)
    z = generator.standard_normal(n_samples)
    d = (generator.random(n_samples) < expit(0.5 * z)).astype(np.float64)
    design = np.column_stack([np.ones(n_samples), d, z])
    y = design @ _COVARIATE_COEFFICIENTS + generator.standard_normal(n_samples)
    wrong = generator.random(n_samples) < _covariate_error(y, d, z)
    limit, accuracy = _covariate_limit()
    labelled, probability = _draw_labelled(n_samples, n_labelled, generator)
    return SurrogateSample(
        gold_name="d",
        gold=d,
        surrogate=np.where(wrong, 1 - d, d),
        columns=MappingProxyType({"y": y, "z": z}),
        labelled=labelled,
        sampling_probability=probability,
        formula="y ~ d + z",
        model="ols",
        coefficient_names=("Intercept", "d", "z"),
        truth=_COVARIATE_COEFFICIENTS.copy(),
        surrogate_limit=limit.copy(),
        surrogate_accuracy=accuracy,
    )


def _draw_labelled(
    n_samples: int, n_labelled: int | None, generator: np.random.Generator
) -> tuple[Bool1D, Float1D]:
    if n_labelled is None:
        n_labelled = n_samples
    n_labelled = check_positive_int(n_labelled, "n_labelled", maximum=n_samples)
    labelled = np.zeros(n_samples, dtype=bool)
    labelled[generator.choice(n_samples, n_labelled, replace=False)] = True
    return labelled, np.full(n_samples, n_labelled / n_samples)


def _draw_differential(n: int, n_labelled: int | None, generator: np.random.Generator) -> SurrogateSample:
    x1 = generator.standard_normal(n)
    x2 = generator.integers(0, 2, size=n).astype(np.float64)
    design = np.column_stack([np.ones(n), x1, x2])
    y = (generator.random(n) < expit(design @ _LABEL_COEFFICIENTS)).astype(np.float64)
    wrong = generator.random(n) < _differential_error(y, x1, x2)
    limit, accuracy = _differential_limit()
    labelled, probability = _draw_labelled(n, n_labelled, generator)
    return SurrogateSample(
        gold_name="y",
        gold=y,
        surrogate=np.where(wrong, 1 - y, y),
        columns=MappingProxyType({"x1": x1, "x2": x2}),
        labelled=labelled,
        sampling_probability=probability,
        formula="y ~ x1 + x2",
        model="logit",
        coefficient_names=("Intercept", "x1", "x2"),
        truth=_LABEL_COEFFICIENTS.copy(),
        surrogate_limit=limit.copy(),
        surrogate_accuracy=accuracy,
    )


def _draw_random_flip(
    n: int, accuracy: float, n_labelled: int | None, generator: np.random.Generator
) -> SurrogateSample:
    common = generator.standard_normal((n, 1))
    own = generator.standard_normal((n, 10))
    x = np.sqrt(_CORRELATION) * common + np.sqrt(1 - _CORRELATION) * own
    x[:, 1] = x[:, 1] > _CUT
    probability_one = expit(_outcome_log_odds(x[:, 0], x[:, 1], x[:, 2], x[:, 3], x[:, 5]))
    y = (generator.random(n) < probability_one).astype(np.float64)
    wrong = generator.random(n) >= accuracy
    labelled, probability = _draw_labelled(n, n_labelled, generator)
    return SurrogateSample(
        gold_name="y",
        gold=y,
        surrogate=np.where(wrong, 1 - y, y),
        columns=MappingProxyType({f"x{j + 1}": x[:, j] for j in range(10)}),
        labelled=labelled,
        sampling_probability=probability,
        formula="y ~ x1 + I(x1**2) + x2 + x4",
        model="logit",
        coefficient_names=("Intercept", "x1", "I(x1**2)", "x2", "x4"),
        truth=_random_flip_limit(1.0).copy(),
        surrogate_limit=_random_flip_limit(accuracy).copy(),
        surrogate_accuracy=accuracy,
    )


def _differential_error(y: Float1D, x1: Float1D, x2: Float1D) -> Float1D:
    """Probability that the machine's label of an outcome is wrong, in the differential design."""
    tilt = 1.14 * x2 - 0.30 * x1
    return np.asarray(expit(np.where(y > 0, -1.97 - tilt, -2.41 + tilt)))


def _covariate_error(y: Float1D, d: Float1D, z: Float1D) -> Float1D:
    """Probability that the machine's label of the covariate is wrong."""
    return np.asarray(expit(-1.9 + 0.5 * z + 0.13 * (y - 0.5) * (1 - 2 * d)))


def _outcome_log_odds(x1: Float1D, x2: Float1D, x3: Float1D, x4: Float1D, x6: Float1D) -> Float1D:
    """Log-odds of the outcome in the design of Egami and others (appendix E)."""
    return np.asarray(
        0.1 * expit(-0.5 * (x3 - x2))
        + 1.3 * x4 * expit(0.1 * x2)
        + 1.5 * x4 * x6
        + 0.5 * x1 * x2
        + 1.3 * x1
        + x2
    )


@functools.cache
def _differential_limit(n_nodes: int = 80) -> tuple[Float1D, float]:
    (x1, x2), weight = _grid((_normal_rule(n_nodes), _coin_rule()))
    design = np.column_stack([np.ones_like(x1), x1, x2])
    one = expit(design @ _LABEL_COEFFICIENTS)
    wrong_one = _differential_error(np.ones_like(x1), x1, x2)
    wrong_zero = _differential_error(np.zeros_like(x1), x1, x2)
    labelled_one = one * (1 - wrong_one) + (1 - one) * wrong_zero
    accuracy = 1 - float(weight @ (one * wrong_one + (1 - one) * wrong_zero))
    return _project_logit(design, labelled_one, weight), accuracy


@functools.cache
def _covariate_limit(n_nodes: int = 80) -> tuple[Float1D, float]:
    (z, e, d), weight = _grid((_normal_rule(n_nodes), _normal_rule(n_nodes), _coin_rule()))
    weight = 2 * weight * np.where(d > 0, expit(0.5 * z), expit(-0.5 * z))
    y = np.column_stack([np.ones_like(z), d, z]) @ _COVARIATE_COEFFICIENTS + e
    wrong = _covariate_error(y, d, z)
    seen = np.concatenate([d, 1 - d])
    design = np.column_stack([np.ones(2 * len(z)), seen, np.tile(z, 2)])
    weights = np.concatenate([weight * (1 - wrong), weight * wrong])
    weighted = design * weights[:, None]
    limit = np.linalg.solve(weighted.T @ design, weighted.T @ np.tile(y, 2))
    return limit, 1 - float(weight @ wrong)


@functools.cache
def _random_flip_limit(accuracy: float, n_nodes: int = 28) -> Float1D:
    """Coefficients of the logistic projection when each label is kept with the given probability."""
    # The normal covariates 1, 4, 6 and 3 are integrated on a grid. The second one enters the law only
    # through whether it passes its cut, whose probability given the others is known exactly. With the
    # default grid the result is within 1e-5 of that of finer ones.
    rules = (_normal_rule(n_nodes), _normal_rule(n_nodes), _normal_rule(n_nodes), _normal_rule(4))
    independent, weight = _grid(rules)
    covariance = np.full((5, 5), _CORRELATION) + (1 - _CORRELATION) * np.eye(5)
    factor = np.linalg.cholesky(covariance)
    x1, x4, x6, x3, centre = factor[:, :4] @ np.stack(independent)
    above = ndtr((centre - _CUT) / factor[4, 4])
    designs, outcomes, weights = [], [], []
    for x2, share in ((1.0, above), (0.0, 1 - above)):
        x2s = np.full_like(x1, x2)
        designs.append(np.column_stack([np.ones_like(x1), x1, x1**2, x2s, x4]))
        outcomes.append(expit(_outcome_log_odds(x1, x2s, x3, x4, x6)))
        weights.append(weight * share)
    one = np.concatenate(outcomes)
    kept = accuracy * one + (1 - accuracy) * (1 - one)
    return _project_logit(np.concatenate(designs), kept, np.concatenate(weights))


def _project_logit(design: Float2D, probability: Float1D, weight: Float1D) -> Float1D:
    """Solve ``E[x (probability - expit(x'b))] = 0`` by Newton steps, the expectation being a weighted sum."""
    coefficients = np.zeros(design.shape[1])
    for _ in range(100):
        fitted = expit(design @ coefficients)
        gradient = design.T @ (weight * (probability - fitted))
        hessian = (design * (weight * fitted * (1 - fitted))[:, None]).T @ design
        step = np.linalg.solve(hessian, gradient)
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-13:
            return coefficients
    raise ArithmeticError(f"Newton's method did not converge; the last step was {np.abs(step).max():.1e}.")


Rule: TypeAlias = tuple[Float1D, Float1D]


def _normal_rule(n_nodes: int) -> Rule:
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    return nodes, weights / weights.sum()


def _coin_rule() -> Rule:
    return np.array([0.0, 1.0]), np.array([0.5, 0.5])


def _grid(rules: tuple[Rule, ...]) -> tuple[list[Float1D], Float1D]:
    """Product rule: the coordinates of all nodes, one array a dimension, and the weights."""
    coordinates = [c.ravel() for c in np.meshgrid(*(nodes for nodes, _ in rules), indexing="ij")]
    product: Callable[[Float1D, Float1D], Float1D] = np.multiply.outer
    weight = functools.reduce(product, (weights for _, weights in rules))
    return coordinates, weight.ravel()
