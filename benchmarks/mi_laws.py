"""Joint laws of two random vectors whose mutual information is known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from validstats._typing import ArrayLike, Float1D, Float2D
from validstats.mi.families.gaussian import gaussian_mutual_information, student_correction

__all__ = [
    "AdditiveUniformLaw",
    "GaussianLaw",
    "StudentLaw",
    "additive_uniform_mutual_information",
    "dense_correlation",
    "latent_variable_correlation",
    "student_mutual_information",
]


def student_mutual_information(dispersion: ArrayLike, dim_x: int, degrees_of_freedom: float) -> float:
    """Mutual information within a multivariate Student vector.

    Parameters
    ----------
    dispersion : array_like of shape (dim_x + dim_y, dim_x + dim_y)
        Positive definite dispersion matrix.
    dim_x : int
        Number of leading coordinates that form X.
    degrees_of_freedom : float
        Positive degrees of freedom.

    Returns
    -------
    float
        Gaussian term of the dispersion plus a constant of dimensions and degrees of freedom, in nats. It is
        positive even for uncorrelated coordinates, which share their scale.

    References
    ----------
    Arellano-Valle, Contreras-Reyes and Genton (2013), Scandinavian Journal of Statistics 40, 42-62.

    Examples
    --------
    >>> round(student_mutual_information([[1.0, 0.0], [0.0, 1.0]], dim_x=1, degrees_of_freedom=1), 6)
    0.224171
    """
    matrix = np.asarray(dispersion, dtype=np.float64)
    shared_scale = student_correction(degrees_of_freedom, dim_x, len(matrix) - dim_x)
    return gaussian_mutual_information(matrix, dim_x) + shared_scale


def additive_uniform_mutual_information(half_width: ArrayLike) -> float:
    """Mutual information of X uniform on [0, 1] with X + N, N uniform on [-half_width, half_width].

    Parameters
    ----------
    half_width : array_like of float
        One positive half-width for each independent pair of coordinates.

    Returns
    -------
    float
        Sum over the pairs, in nats.

    Examples
    --------
    >>> round(additive_uniform_mutual_information(0.75), 6)
    0.333333
    """
    eps = np.atleast_1d(np.asarray(half_width, dtype=np.float64))
    return float(np.where(eps > 0.5, 0.25 / eps, eps - np.log(2.0 * eps)).sum())


def dense_correlation(dim: int, correlation: float) -> Float2D:
    """Correlation matrix in which every two coordinates have the same correlation.

    Parameters
    ----------
    dim : int
        Number of coordinates.
    correlation : float
        Common correlation, in (-1/(dim - 1), 1).

    Returns
    -------
    ndarray of shape (dim, dim)
        The matrix.
    """
    return np.full((dim, dim), float(correlation)) + (1.0 - correlation) * np.eye(dim)


def latent_variable_correlation(
    dim_x: int,
    dim_y: int,
    n_interacting: int,
    *,
    shared: float = 0.0,
    strength: float = 1.0,
    within: float = 0.0,
    private: float = 0.0,
) -> Float2D:
    """Correlation matrix of a Gaussian latent-variable model with pairs of interacting coordinates.

    Coordinate i of either side is a unit noise plus ``shared`` times a factor of all coordinates, ``within``
    times a factor of its side, and, for the first ``n_interacting`` coordinates, ``strength`` times a factor
    that it shares with its partner on the other side; the other coordinates get ``private`` times a factor
    of their own.

    Parameters
    ----------
    dim_x, dim_y : int
        Dimensions.
    n_interacting : int
        Number of interacting pairs, at most ``min(dim_x, dim_y)``.
    shared, strength, within, private : float
        Weights of the factors.

    Returns
    -------
    ndarray of shape (dim_x + dim_y, dim_x + dim_y)
        The correlation matrix.

    References
    ----------
    Czyz, Grabowski, Vogt, Beerenwinkel and Marx (2023), "Beyond Normal", NeurIPS, appendix on covariances.
    """
    if not 0 <= n_interacting <= min(dim_x, dim_y):
        raise ValueError(
            f"n_interacting must lie between 0 and min(dim_x, dim_y) = {min(dim_x, dim_y)}, "
            f"got {n_interacting}."
        )
    dim = dim_x + dim_y
    covariance = np.full((dim, dim), shared**2)
    covariance[:dim_x, :dim_x] += within**2
    covariance[dim_x:, dim_x:] += within**2
    position = np.concatenate([np.arange(dim_x), np.arange(dim_y)])
    own = np.where(position < n_interacting, strength**2, private**2)
    covariance[np.diag_indices(dim)] += 1.0 + own
    pairs = np.arange(n_interacting)
    covariance[pairs, dim_x + pairs] += strength**2
    covariance[dim_x + pairs, pairs] += strength**2
    scale = np.sqrt(np.diag(covariance))
    return covariance / np.outer(scale, scale)


@dataclass(frozen=True, eq=False)
class GaussianLaw:
    """Centred Gaussian law of (X, Y).

    Parameters
    ----------
    covariance : ndarray of shape (dim_x + dim_y, dim_x + dim_y)
        Positive definite covariance matrix.
    dim_x : int
        Dimension of X.
    """

    covariance: Float2D
    dim_x: int

    @property
    def dim_y(self) -> int:
        """Dimension of Y."""
        return len(self.covariance) - self.dim_x

    @property
    def mutual_information(self) -> float:
        """True mutual information in nats."""
        return gaussian_mutual_information(self.covariance, self.dim_x)

    def sample(self, n_samples: int, generator: np.random.Generator) -> tuple[Float2D, Float2D]:
        """Draw ``n_samples`` independent rows of X and of Y."""
        factor = np.linalg.cholesky(self.covariance)
        rows = generator.standard_normal((n_samples, len(factor))) @ factor.T
        return rows[:, : self.dim_x].copy(), rows[:, self.dim_x :].copy()


@dataclass(frozen=True, eq=False)
class StudentLaw:
    """Centred multivariate Student law of (X, Y).

    Parameters
    ----------
    dispersion : ndarray of shape (dim_x + dim_y, dim_x + dim_y)
        Positive definite dispersion matrix (not the covariance).
    dim_x : int
        Dimension of X.
    degrees_of_freedom : float
        Positive degrees of freedom.
    """

    dispersion: Float2D
    dim_x: int
    degrees_of_freedom: float

    @property
    def dim_y(self) -> int:
        """Dimension of Y."""
        return len(self.dispersion) - self.dim_x

    @property
    def mutual_information(self) -> float:
        """True mutual information in nats."""
        return student_mutual_information(self.dispersion, self.dim_x, self.degrees_of_freedom)

    def sample(self, n_samples: int, generator: np.random.Generator) -> tuple[Float2D, Float2D]:
        """Draw ``n_samples`` independent rows of X and of Y."""
        x, y = GaussianLaw(self.dispersion, self.dim_x).sample(n_samples, generator)
        chi_square = generator.chisquare(self.degrees_of_freedom, size=(n_samples, 1))
        scale = np.sqrt(self.degrees_of_freedom / chi_square)
        return x * scale, y * scale


@dataclass(frozen=True, eq=False)
class AdditiveUniformLaw:
    """Independent pairs of X uniform on [0, 1] and Y = X + N, N uniform on [-half_width, half_width].

    Parameters
    ----------
    half_widths : ndarray of shape (dim,)
        Positive half-width of the noise of each coordinate.
    """

    half_widths: Float1D

    @property
    def dim_x(self) -> int:
        """Dimension of X."""
        return len(self.half_widths)

    @property
    def dim_y(self) -> int:
        """Dimension of Y."""
        return len(self.half_widths)

    @property
    def mutual_information(self) -> float:
        """True mutual information in nats."""
        return additive_uniform_mutual_information(self.half_widths)

    def sample(self, n_samples: int, generator: np.random.Generator) -> tuple[Float2D, Float2D]:
        """Draw ``n_samples`` independent rows of X and of Y."""
        x = generator.uniform(size=(n_samples, self.dim_x))
        noise = generator.uniform(-1.0, 1.0, size=x.shape) * self.half_widths
        return x, x + noise
