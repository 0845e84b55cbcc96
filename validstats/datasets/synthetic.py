"""Generators whose truth is known: regression, adaptive selection, mutual information.

Each returns a frozen dataclass that holds the data beside the truth. The law itself (its coefficients, effects,
correlations) never depends on ``random_state``, so training, reference and new rows come from separate calls.
The generators of machine labels are in :mod:`validstats.datasets.surrogates`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from validstats._typing import Float1D, Float2D, Int1D, RandomState
from validstats.intake import (
    check_in_range,
    check_literal,
    check_positive_int,
    check_random_state,
    check_vector,
)

__all__ = [
    "AdaptiveSample",
    "GaussianPair",
    "RegressionSample",
    "make_adaptive_classification",
    "make_gaussian_pair",
    "make_heteroscedastic_regression",
]

_FEATURE_VARIANCE = 5.0


@dataclass(frozen=True)
class RegressionSample:
    """Rows of a regression whose conditional law is normal with known mean and scale.

    Attributes
    ----------
    X : ndarray of shape (n, p)
        Features.
    y : ndarray of shape (n,)
        Outcomes.
    mean : ndarray of shape (n,)
        True conditional mean of each outcome.
    scale : ndarray of shape (n,)
        True conditional standard deviation of each outcome.
    """

    X: Float2D
    y: Float1D
    mean: Float1D
    scale: Float1D


def make_heteroscedastic_regression(
    n_samples: int, *, n_features: int = 20, coefficient_seed: int = 0, random_state: RandomState = None
) -> RegressionSample:
    """Draw a regression with a curved mean and a scale that changes with the features.

    The features are normal with unit-order means and variance 5, and ``y = X b1 + (X b2)**2 + |X b3| e`` with standard
    normal e: the form of the first simulation of Lee, Tchetgen Tchetgen and Dobriban. The coefficients are ours: normal
    with variance ``1 / n_features``, a function of ``coefficient_seed`` alone.

    Parameters
    ----------
    n_samples : int
        Number of rows, at least 1.
    n_features : int, default 20
        Number of features, at least 1.
    coefficient_seed : int, default 0
        Seed of the coefficients and means. Calls that share it draw from the same law.
    random_state : int, numpy.random.Generator or None, default None
        Seed of the rows.

    Returns
    -------
    RegressionSample
        The rows, with the true mean and scale of each.

    References
    ----------
    Y. Lee, E. Tchetgen Tchetgen and E. Dobriban, "Batch predictive inference", arXiv 2409.13990, section 4.1.

    Examples
    --------
    >>> sample = make_heteroscedastic_regression(200, random_state=0)
    >>> sample.X.shape, bool((sample.scale > 0).all())
    ((200, 20), True)
    """
    n_samples = check_positive_int(n_samples, "n_samples")
    n_features = check_positive_int(n_features, "n_features")
    law = np.random.default_rng(check_positive_int(coefficient_seed, "coefficient_seed", minimum=0))
    centre, slope, curve, spread = law.standard_normal((4, n_features))
    generator = check_random_state(random_state)
    X = centre + math.sqrt(_FEATURE_VARIANCE) * generator.standard_normal((n_samples, n_features))
    root = math.sqrt(n_features)
    mean = X @ slope / root + (X @ curve / root) ** 2
    scale = np.abs(X @ spread) / root
    return RegressionSample(X, mean + scale * generator.standard_normal(n_samples), mean, scale)


@dataclass(frozen=True)
class AdaptiveSample:
    """Rows of a two-class problem in which every linear classifier has a known accuracy.

    Attributes
    ----------
    X : ndarray of shape (n, d)
        Features, independent and normal with variance 1 given the class.
    y : ndarray of shape (n,), int64
        Classes, -1 or 1 with equal probability.
    effects : ndarray of shape (d,)
        Mean of each feature in class 1; its mean in class -1 is the negative.
    """

    X: npt.NDArray[Any]
    y: Int1D
    effects: Float1D

    def true_accuracy(self, weights: npt.ArrayLike) -> float:
        """Compute the accuracy on new rows of the classifier ``sign(X @ weights)``.

        Parameters
        ----------
        weights : array-like of shape (d,)
            Weights of the features, not all zero.

        Returns
        -------
        float
            Probability that a new row is classified correctly.

        Raises
        ------
        ValueError
            If there is not one weight for each feature, or if all are zero.

        Examples
        --------
        >>> sample = make_adaptive_classification(10, 4, signal=0.5, n_informative=1, random_state=0)
        >>> round(sample.true_accuracy([1, 0, 0, 0]), 4), sample.true_accuracy([0, 1, -1, 0])
        (0.6915, 0.5)
        """
        vector = check_vector(weights, "weights")
        if len(vector) != len(self.effects):
            raise ValueError(f"weights has length {len(vector)}; there are {len(self.effects)} features.")
        largest = float(np.abs(vector).max())
        if largest == 0:
            raise ValueError(
                "weights are all zero, so they classify no row; at least one must differ from zero."
            )
        direction = vector / largest
        return float(ndtr(direction @ self.effects / np.linalg.norm(direction)))


def make_adaptive_classification(
    n_samples: int,
    n_features: int,
    signal: float = 0.0,
    *,
    n_informative: int = 20,
    dtype: Literal["float64", "float32"] = "float64",
    random_state: RandomState = None,
) -> AdaptiveSample:
    """Draw the two-class data on which reusing a holdout sample overfits.

    With ``signal=0`` no feature has anything to do with the class, and whatever selection of features seems to
    classify the holdout well is right for half of all new rows. With ``signal=0.06`` and 20 informative
    features these are the two experiments of the paper.

    Parameters
    ----------
    n_samples : int
        Number of rows, at least 1.
    n_features : int
        Number of features, at least 1.
    signal : float, default 0.0
        Mean of an informative feature in class 1; its mean in class -1 is the negative.
    n_informative : int, default 20
        How many features carry the signal, the first ones; at most ``n_features`` count.
    dtype : {"float64", "float32"}, default "float64"
        Type of the features; the paper's 10,000 by 10,000 table takes 800 MB as float64.
    random_state : int, numpy.random.Generator or None, default None
        Seed of the rows.

    Returns
    -------
    AdaptiveSample
        The rows, with the true effect of each feature.

    References
    ----------
    C. Dwork, V. Feldman, M. Hardt, T. Pitassi, O. Reingold and A. Roth, "The reusable holdout: preserving validity in
    adaptive data analysis", Science 349 (6248), 2015.

    Examples
    --------
    >>> sample = make_adaptive_classification(500, 200, random_state=0)
    >>> correlations = sample.X.T @ sample.y / 500
    >>> chosen = np.where(np.abs(correlations) > 0.05, np.sign(correlations), 0.0)
    >>> apparent = np.mean(np.sign(sample.X @ chosen) == sample.y)
    >>> bool(apparent > 0.6), sample.true_accuracy(chosen)
    (True, 0.5)
    """
    n_samples = check_positive_int(n_samples, "n_samples")
    n_features = check_positive_int(n_features, "n_features")
    n_informative = check_positive_int(n_informative, "n_informative", minimum=0)
    signal = check_in_range(signal, "signal")
    check_literal(dtype, "dtype", ("float64", "float32"))
    generator = check_random_state(random_state)
    y = 2 * generator.integers(0, 2, size=n_samples) - 1
    X = generator.standard_normal((n_samples, n_features), dtype=np.dtype(dtype).type)
    effects = np.zeros(n_features)
    effects[:n_informative] = signal
    if signal != 0:
        X[:, :n_informative] += (signal * y[:, None]).astype(dtype)
    return AdaptiveSample(X, y, effects)


@dataclass(frozen=True)
class GaussianPair:
    """Jointly normal vectors X and Y with known mutual information.

    Attributes
    ----------
    X : ndarray of shape (n, p)
        First vector.
    Y : ndarray of shape (n, q)
        Second vector.
    mutual_information : float
        True mutual information of X and Y, in nats.
    """

    X: Float2D
    Y: Float2D
    mutual_information: float


def make_gaussian_pair(
    n_samples: int,
    correlations: float | Sequence[float],
    *,
    n_x: int | None = None,
    n_y: int | None = None,
    rotate: bool = False,
    random_state: RandomState = None,
) -> GaussianPair:
    """Draw a jointly normal pair with given canonical correlations.

    The mutual information is ``-0.5 * sum(log(1 - correlations**2))`` nats, whatever the dimensions.

    Parameters
    ----------
    n_samples : int
        Number of rows, at least 1.
    correlations : float or sequence of float
        Canonical correlations, in (-1, 1). Correlation k links the k-th coordinates of X and Y.
    n_x, n_y : int, optional
        Dimensions of X and Y, at least the number of correlations, which is the default.
    rotate : bool, default False
        Turn X and Y by random rotations, so that every coordinate takes part.
    random_state : int, numpy.random.Generator or None, default None
        Seed of the rows and of the rotations.

    Returns
    -------
    GaussianPair
        The rows, with the true mutual information.

    Raises
    ------
    ValueError
        If a correlation is not inside (-1, 1), or if a dimension is smaller than their number.

    References
    ----------
    T.M. Cover and J.A. Thomas, "Elements of information theory", 2nd edition, section 8.5, Wiley, 2006.

    Examples
    --------
    >>> pair = make_gaussian_pair(1000, [0.8, 0.5], n_y=3, random_state=0)
    >>> pair.X.shape, pair.Y.shape, round(pair.mutual_information, 4)
    ((1000, 2), (1000, 3), 0.6547)
    """
    n_samples = check_positive_int(n_samples, "n_samples")
    rho = check_vector(correlations if np.iterable(correlations) else [correlations], "correlations")
    if (np.abs(rho) >= 1).any():
        raise ValueError(f"correlations must lie strictly between -1 and 1, got {correlations!r}.")
    n_x = check_positive_int(len(rho) if n_x is None else n_x, "n_x", minimum=len(rho))
    n_y = check_positive_int(len(rho) if n_y is None else n_y, "n_y", minimum=len(rho))
    generator = check_random_state(random_state)
    X = generator.standard_normal((n_samples, n_x))
    Y = generator.standard_normal((n_samples, n_y))
    Y[:, : len(rho)] = rho * X[:, : len(rho)] + np.sqrt(1 - rho**2) * Y[:, : len(rho)]
    if rotate:
        X, Y = X @ _random_rotation(n_x, generator), Y @ _random_rotation(n_y, generator)
    return GaussianPair(X, Y, float(-0.5 * np.log1p(-(rho**2)).sum()))


def _random_rotation(dimension: int, generator: np.random.Generator) -> Float2D:
    """Draw an orthogonal matrix from the uniform (Haar) law (F. Mezzadri, Notices of the AMS 54, 2007)."""
    q, r = np.linalg.qr(generator.standard_normal((dimension, dimension)))
    return q * np.sign(np.diag(r))
