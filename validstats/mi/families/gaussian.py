"""Elliptical families with closed-form mutual information: Gaussian and Student-t, with many covariances."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, psi

from validstats._typing import Float2D
from validstats.mi.families.base import Family, JointSample, draw_dims, log_uniform
from validstats.mi.families.maps import mix_linearly, random_side_map, spiral, swiss_roll

__all__ = [
    "GaussianFamily",
    "MistGaussianFamily",
    "MistStudentFamily",
    "SpiralFamily",
    "StudentFamily",
    "SwissRollFamily",
    "gaussian_mutual_information",
    "student_correction",
]


def gaussian_mutual_information(covariance: Float2D, dim_x: int) -> float:
    """Return the mutual information of a joint Gaussian from its covariance."""
    whole = np.linalg.slogdet(covariance)[1]
    parts = (
        np.linalg.slogdet(covariance[:dim_x, :dim_x])[1] + np.linalg.slogdet(covariance[dim_x:, dim_x:])[1]
    )
    return float(max(0.5 * (parts - whole), 0.0))


def student_correction(df: float, dim_x: int, dim_y: int) -> float:
    """Return what a multivariate Student-t adds to the Gaussian mutual information of its dispersion."""
    # Arellano-Valle, Contreras-Reyes, Genton (2013), Scandinavian Journal of Statistics 40(1), section 4.

    def term(value: float) -> float:
        return float(gammaln(value / 2) - (value / 2) * psi(value / 2))

    return max(term(df) + term(df + dim_x + dim_y) - term(df + dim_x) - term(df + dim_y), 0.0)


def canonical_covariance(generator: np.random.Generator, dim_x: int, dim_y: int) -> Float2D:
    """Covariance with drawn canonical correlations: few strong, many weak, or all alike."""
    pairs = min(dim_x, dim_y)
    active = (
        int(generator.integers(1, pairs + 1))
        if generator.random() < 0.6
        else min(pairs, 1 + generator.poisson(1.0))
    )
    total = log_uniform(generator, 0.01, 1.0 + 0.9 * active)
    shares = np.exp(generator.normal(0, generator.choice([0.1, 1.0, 2.0]), active))
    rho = np.sqrt(1 - np.exp(-2 * total * shares / shares.sum()))
    covariance = np.eye(dim_x + dim_y)
    index = np.arange(active)
    covariance[index, dim_x + index] = covariance[dim_x + index, index] = rho
    return covariance


def equicorrelated_covariance(generator: np.random.Generator, dim_x: int, dim_y: int) -> Float2D:
    """Covariance with one correlation everywhere."""
    dim = dim_x + dim_y
    rho = generator.uniform(0.0, 0.5) if generator.random() < 0.7 else generator.uniform(0.5, 0.95)
    return np.full((dim, dim), rho) + (1 - rho) * np.eye(dim)


def factor_covariance(generator: np.random.Generator, dim_x: int, dim_y: int) -> Float2D:
    """Covariance of a factor model with few factors."""
    dim = dim_x + dim_y
    factors = int(generator.integers(1, 1 + min(5, dim)))
    loadings = generator.normal(0, log_uniform(generator, 0.2, 2.5), (dim, factors))
    if generator.random() < 0.4:
        loadings *= generator.random((dim, factors)) < 0.4
    return loadings @ loadings.T + np.diag(np.exp(generator.normal(0, 0.3, dim)))


def wishart_covariance(generator: np.random.Generator, dim_x: int, dim_y: int) -> Float2D:
    """Covariance drawn from a Wishart law, from diffuse to nearly identity."""
    dim = dim_x + dim_y
    degrees = int(dim + 1 + log_uniform(generator, 1, 20) * dim)
    root = generator.normal(size=(degrees, dim))
    return root.T @ root / degrees


def sparse_covariance(
    generator: np.random.Generator, dim_x: int, dim_y: int, pairs: int | None = None
) -> Float2D:
    """Covariance with some matched pairs correlated through shared factors of one strength."""
    most = min(dim_x, dim_y)
    active = int(generator.integers(1, most + 1)) if pairs is None else min(pairs, most)
    strength = generator.uniform(0.1, 5.0)
    covariance = np.eye(dim_x + dim_y)
    index = np.arange(active)
    rho = strength**2 / (1 + strength**2)
    covariance[index, dim_x + index] = covariance[dim_x + index, index] = rho
    return covariance


def latent_covariance(generator: np.random.Generator, dim_x: int, dim_y: int) -> Float2D:
    """Covariance of a model with one factor for all, one for each side and one for each interacting pair."""
    dim, most = dim_x + dim_y, min(dim_x, dim_y)
    active = int(generator.integers(1, most + 1))
    alpha, pair = generator.uniform(0, 1), generator.uniform(0.1, 3)
    within, alone = generator.uniform(0, 1.5), generator.uniform(0.1, 5)
    covariance = np.eye(dim) + alpha**2
    covariance[:dim_x, :dim_x] += within**2
    covariance[dim_x:, dim_x:] += within**2
    index = np.arange(active)
    for rows, columns in (
        (index, index),
        (dim_x + index, dim_x + index),
        (index, dim_x + index),
        (dim_x + index, index),
    ):
        covariance[rows, columns] += pair**2
    rest = np.setdiff1d(np.arange(dim), np.concatenate([index, dim_x + index]))
    covariance[rest, rest] += alone**2
    return covariance


COVARIANCES = (
    canonical_covariance,
    equicorrelated_covariance,
    factor_covariance,
    wishart_covariance,
    sparse_covariance,
    latent_covariance,
)
COVARIANCE_WEIGHTS = np.array([0.42, 0.12, 0.14, 0.10, 0.12, 0.10])


def draw_gaussian(
    generator: np.random.Generator, covariance: Float2D, dim_x: int, n: int
) -> tuple[Float2D, Float2D]:
    """Draw n centred Gaussian rows and split them into X and Y."""
    scale = np.sqrt(np.diag(covariance))
    root = np.linalg.cholesky(covariance / np.outer(scale, scale) + 1e-12 * np.eye(len(scale)))
    rows = generator.normal(size=(n, len(scale))) @ root.T
    return rows[:, :dim_x], rows[:, dim_x:]


def random_covariance(generator: np.random.Generator, dim_x: int, dim_y: int) -> Float2D:
    """Draw one of the covariance models, then a covariance from it."""
    model = COVARIANCES[int(generator.choice(len(COVARIANCES), p=COVARIANCE_WEIGHTS))]
    return model(generator, dim_x, dim_y)


def _mix_both(generator: np.random.Generator, x: Float2D, y: Float2D) -> tuple[Float2D, Float2D]:
    if generator.random() < 0.45:
        return x, y
    return mix_linearly(generator, x), mix_linearly(generator, y)


class GaussianFamily(Family):
    """Joint Gaussians under six models of the covariance, linearly mixed or pushed through flows."""

    name = "gaussian"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw a covariance and n rows."""
        dim_x, dim_y = draw_dims(generator, n)
        covariance = random_covariance(generator, dim_x, dim_y)
        x, y = _mix_both(generator, *draw_gaussian(generator, covariance, dim_x, n))
        if generator.random() < 0.25:
            x, y = random_side_map(generator, x), random_side_map(generator, y)
        return JointSample(x, y, gaussian_mutual_information(covariance, dim_x), self.name)


class StudentFamily(Family):
    """Multivariate Student-t laws with 0.8 to 25 degrees of freedom, 30 % of them with identity dispersion."""

    name = "student"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw a dispersion, the degrees of freedom and n rows."""
        dim_x, dim_y = draw_dims(generator, n)
        covariance = random_covariance(generator, dim_x, dim_y)
        if generator.random() < 0.3:
            covariance = np.eye(dim_x + dim_y)
        df = log_uniform(generator, 0.8, 25.0)
        x, y = student_rows(generator, covariance, dim_x, n, df)
        if generator.random() < 0.5:
            x, y = mix_linearly(generator, x), mix_linearly(generator, y)
        truth = gaussian_mutual_information(covariance, dim_x) + student_correction(df, dim_x, dim_y)
        return JointSample(x, y, truth, self.name)


def student_rows(
    generator: np.random.Generator, covariance: Float2D, dim_x: int, n: int, df: float
) -> tuple[Float2D, Float2D]:
    """Draw n rows of a multivariate Student-t and split them into X and Y."""
    x, y = draw_gaussian(generator, covariance, dim_x, n)
    shared = np.sqrt(np.maximum(generator.chisquare(df, n), 1e-12) / df)[:, None]
    return x / shared, y / shared


class _MistFamily(Family):
    """The published mix of sizes: n uniform on 10..500, equal dimensions uniform on 2..32."""

    def sample_size(self, generator: np.random.Generator) -> int:
        """Draw n uniformly from 10..500."""
        return int(generator.integers(10, 501))

    @staticmethod
    def covariance(generator: np.random.Generator, dim: int, choice: float) -> Float2D:
        """Draw one of the four covariance models: dense, sparse, latent, two pairs."""
        if choice < 0.3:
            rho = generator.uniform(0.0, 0.5)
            return np.full((2 * dim, 2 * dim), rho) + (1 - rho) * np.eye(2 * dim)
        if choice < 0.6:
            return sparse_covariance(generator, dim, dim)
        if choice < 0.8:
            return latent_covariance(generator, dim, dim)
        return sparse_covariance(generator, dim, dim, pairs=2)


class MistGaussianFamily(_MistFamily):
    """Gaussian laws of the published meta-distribution (arXiv 2511.18945), before its marginal maps."""

    name = "mist_gaussian"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw a covariance and n rows."""
        dim = int(generator.integers(2, 33))
        covariance = self.covariance(generator, dim, generator.random())
        x, y = draw_gaussian(generator, covariance, dim, n)
        return JointSample(x, y, gaussian_mutual_information(covariance, dim), self.name)


class MistStudentFamily(_MistFamily):
    """Student-t laws of the published meta-distribution (arXiv 2511.18945), before its marginal maps."""

    name = "mist_student"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw a dispersion, degrees of freedom in 1..10 and n rows."""
        dim = int(generator.integers(2, 33))
        choice = generator.choice([0.1, 0.4, 0.9])
        covariance = self.covariance(generator, dim, float(choice))
        df = generator.uniform(1.0, 10.0)
        x, y = student_rows(generator, covariance, dim, n, df)
        truth = gaussian_mutual_information(covariance, dim) + student_correction(df, dim, dim)
        return JointSample(x, y, truth, self.name)


class SpiralFamily(Family):
    """Gaussian and Student-t laws whose sides are wound into spirals."""

    name = "spiral"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw an elliptical law and n rows, then wind one side or both."""
        dim_x, dim_y = draw_dims(generator, n, low=1, high=12, univariate=0.0)
        dim_x = max(dim_x, 2)
        covariance = random_covariance(generator, dim_x, dim_y)
        truth = gaussian_mutual_information(covariance, dim_x)
        if generator.random() < 0.3:
            df = log_uniform(generator, 1.5, 25.0)
            x, y = student_rows(generator, covariance, dim_x, n, df)
            truth += student_correction(df, dim_x, dim_y)
            x, y = np.arcsinh(x), np.arcsinh(y)
        else:
            x, y = draw_gaussian(generator, covariance, dim_x, n)
        x = spiral(generator, x)
        if generator.random() < 0.6:
            y = spiral(generator, y)
        if generator.random() < 0.5:
            x, y = y, x
        return JointSample(x, y, truth, self.name)


class SwissRollFamily(Family):
    """Dependent numbers of which one, or both, are rolled up into a plane."""

    name = "swiss_roll"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw a bivariate law and n rows, then roll."""
        from scipy.special import ndtr

        rho = np.sqrt(1 - np.exp(-2 * log_uniform(generator, 0.01, 3.0)))
        x = generator.normal(size=n)
        y = rho * x + np.sqrt(1 - rho**2) * generator.normal(size=n)
        rolled = swiss_roll(generator, ndtr(x))
        other = y[:, None] if generator.random() < 0.6 else swiss_roll(generator, ndtr(y))
        if generator.random() < 0.2:
            rolled = np.column_stack([rolled, generator.normal(size=n)])
        if generator.random() < 0.5:
            rolled, other = other, rolled
        return JointSample(rolled, other, float(-0.5 * np.log1p(-(rho**2))), self.name)
