"""Families built from independent pairs (x_j, y_j) whose mutual informations add up, then mapped side by side."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import entr, ndtri

from validstats._typing import Float1D, Float2D
from validstats.mi.families.base import Family, JointSample, draw_dims, log_uniform
from validstats.mi.families.functional import draw_functional_pair, draw_noisy_pairs
from validstats.mi.families.maps import random_side_map

__all__ = [
    "CopulaFamily",
    "FunctionalFamily",
    "IndependentFamily",
    "PairsFamily",
    "SharpNoiseFamily",
    "UniformNoiseFamily",
    "additive_uniform_information",
]

Pair = tuple[Float1D, Float1D, float]


def gaussian_pair(generator: np.random.Generator, n: int) -> Pair:
    """Draw a bivariate Gaussian pair."""
    truth = log_uniform(generator, 0.005, 3.0)
    rho = np.sqrt(1 - np.exp(-2 * truth))
    x = generator.normal(size=n)
    return x, rho * x + np.sqrt(1 - rho**2) * generator.normal(size=n), truth


def clayton_pair(generator: np.random.Generator, n: int) -> Pair:
    """Draw a pair with a Clayton copula."""
    theta = log_uniform(generator, 0.1, 12.0)
    u, w = generator.random(n), generator.random(n)
    v = (u**-theta * (w ** (-theta / (1 + theta)) - 1) + 1) ** (-1 / theta)
    return u, v, table_value("clayton", theta)


def frank_pair(generator: np.random.Generator, n: int) -> Pair:
    """Draw a pair with a Frank copula."""
    theta = log_uniform(generator, 0.3, 30.0)
    u, w = generator.random(n), generator.random(n)
    v = -np.log1p(w * np.expm1(-theta) / (w + (1 - w) * np.exp(-theta * u))) / theta
    return u, v, table_value("frank", theta)


def cross_pair(generator: np.random.Generator, n: int) -> Pair:
    """Draw a pair with an X-shaped copula: Gaussian with correlation of either sign, half and half."""
    rho = np.sqrt(1 - np.exp(-2 * log_uniform(generator, 0.05, 3.0)))
    x, sign = generator.normal(size=n), generator.choice([-1.0, 1.0], n)
    return (
        x,
        sign * rho * x + np.sqrt(1 - rho**2) * generator.normal(size=n),
        table_value("cross", float(rho)),
    )


def checkerboard_pair(generator: np.random.Generator, n: int) -> Pair:
    """Draw a pair with a checkerboard copula of random doubly stochastic weights."""
    cells = int(generator.integers(2, 8))
    weights = np.exp(generator.normal(0, log_uniform(generator, 0.3, 5.0), (cells, cells)))
    for _ in range(300):
        weights /= weights.sum(axis=0, keepdims=True) * cells
        weights /= weights.sum(axis=1, keepdims=True) * cells
    weights /= weights.sum()
    cell = generator.choice(cells * cells, n, p=weights.ravel())
    x = (cell // cells + generator.random(n)) / cells
    y = (cell % cells + generator.random(n)) / cells
    parts = entr(weights.sum(axis=0)).sum() + entr(weights.sum(axis=1)).sum()
    return x, y, float(max(parts - entr(weights).sum(), 0.0))


def band_pair(generator: np.random.Generator, n: int) -> Pair:
    """Draw a pair y = (m x + wrapped Gaussian noise) mod 1: diagonal bands with uniform margins."""
    spread = log_uniform(generator, 0.01, 0.35)
    slope = int(generator.choice([1, 1, 2, 3, 4, 5]))
    x = generator.random(n)
    y = (slope * x + spread * generator.normal(size=n)) % 1.0
    if generator.random() < 0.5:
        x, y = y, x
    return x, y, table_value("band", spread)


COPULA_PAIRS = (gaussian_pair, clayton_pair, frank_pair, cross_pair, checkerboard_pair, band_pair)


@lru_cache(maxsize=8)
def information_table(kind: str) -> tuple[Float1D, Float1D]:
    """Tabulate the mutual information of a copula over its parameter, by quadrature."""
    if kind == "band":
        grid = np.exp(np.linspace(np.log(0.009), np.log(0.36), 80))
        return grid, np.array([_band_information(value) for value in grid])
    if kind == "clayton":
        grid = np.exp(np.linspace(np.log(0.09), np.log(12.5), 60))
    elif kind == "frank":
        grid = np.exp(np.linspace(np.log(0.29), np.log(31.0), 60))
    else:
        grid = np.sqrt(1 - np.exp(-2 * np.exp(np.linspace(np.log(0.045), np.log(3.05), 60))))
    return grid, np.array([_copula_information(kind, value) for value in grid])


def table_value(kind: str, parameter: float) -> float:
    """Interpolate the tabulated mutual information of a copula."""
    grid, values = information_table(kind)
    return float(max(np.interp(parameter, grid, values), 0.0))


def _band_information(spread: float) -> float:
    points = (np.arange(4096) + 0.5) / 4096
    shifts = np.arange(-5, 6)[:, None]
    density = np.exp(-0.5 * ((points + shifts) / spread) ** 2).sum(axis=0) / (spread * np.sqrt(2 * np.pi))
    return float(np.mean(density * np.log(np.maximum(density, 1e-300))))


def _copula_information(kind: str, parameter: float) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(200)
    u, w = (nodes + 1) / 2, weights / 2
    if kind == "cross":
        return _cross_information(parameter)
    first, uniform = u[:, None], u[None, :]
    theta = parameter
    if kind == "clayton":
        v = (first**-theta * (uniform ** (-theta / (1 + theta)) - 1) + 1) ** (-1 / theta)
        log_density = np.log1p(theta) - (1 + theta) * (np.log(first) + np.log(v))
        log_density -= (2 + 1 / theta) * np.log(first**-theta + v**-theta - 1)
    else:
        shrunk = -np.expm1(-theta)
        v = -np.log1p(uniform * np.expm1(-theta) / (uniform + (1 - uniform) * np.exp(-theta * first))) / theta
        bottom = shrunk - np.expm1(-theta * first) * np.expm1(-theta * v)
        log_density = np.log(theta * shrunk) - theta * (first + v) - 2 * np.log(bottom)
    return float(np.einsum("i,j,ij->", w, w, log_density))


def _cross_information(rho: float) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(160)
    w = weights / weights.sum()
    x, noise = nodes[:, None], nodes[None, :]
    y = rho * x + np.sqrt(1 - rho**2) * noise
    spread = 1 - rho**2
    both = np.logaddexp(-0.5 * (y - rho * x) ** 2 / spread, -0.5 * (y + rho * x) ** 2 / spread)
    log_ratio = both - np.log(2) - 0.5 * np.log(spread) + 0.5 * y**2
    return float(np.einsum("i,j,ij->", w, w, log_ratio))


def additive_uniform_information(half_width: float) -> float:
    """Return I(X; X + N) for X uniform on (0, 1) and N uniform on (-half_width, half_width), in nats."""
    if half_width > 0.5:
        return 1.0 / (4.0 * half_width)
    return float(half_width - np.log(2 * half_width))


def join_pairs(
    generator: np.random.Generator, n: int, pairs: list[Pair], dims: tuple[int, int]
) -> tuple[Float2D, Float2D, float]:
    """Stack pairs into two sides, fill up with noise coordinates, shuffle the coordinates and add the truths."""
    x = np.column_stack([pair[0] for pair in pairs])
    y = np.column_stack([pair[1] for pair in pairs])
    if dims[0] > x.shape[1]:
        x = np.column_stack([x, generator.normal(size=(n, dims[0] - x.shape[1]))])
    if dims[1] > y.shape[1]:
        y = np.column_stack([y, generator.normal(size=(n, dims[1] - y.shape[1]))])
    return x, y, float(sum(pair[2] for pair in pairs))


class _PairwiseFamily(Family):
    """Independent pairs, one law each, mapped side by side half of the time."""

    def pair(self, generator: np.random.Generator, n: int) -> Pair:
        """Draw one pair and its mutual information."""
        raise NotImplementedError

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw the pairs and n rows of each."""
        dims = draw_dims(generator, n, high=24, univariate=0.35)
        most = min(dims)
        active = int(np.clip(generator.geometric(0.45), 1, min(most, 8)))
        pairs = [self.pair(generator, n) for _ in range(active)]
        x, y, truth = join_pairs(generator, n, pairs, dims)
        if max(dims) > 1 or generator.random() < 0.2:
            x, y = random_side_map(generator, x), random_side_map(generator, y)
        return JointSample(x, y, truth, self.name)


class CopulaFamily(_PairwiseFamily):
    """Pairs with Gaussian, Clayton, Frank, X-shaped, checkerboard or banded copulas."""

    name = "copula"

    def pair(self, generator: np.random.Generator, n: int) -> Pair:
        """Draw one copula and a pair from it, with either orientation."""
        x, y, truth = COPULA_PAIRS[int(generator.integers(len(COPULA_PAIRS)))](generator, n)
        if generator.random() < 0.5:
            y = -y
        if generator.random() < 0.3:
            x, y = (
                ndtri(np.clip(rank_uniform(x), 1e-9, 1 - 1e-9)),
                ndtri(np.clip(rank_uniform(y), 1e-9, 1 - 1e-9)),
            )
        return x, y, truth


def rank_uniform(values: Float1D) -> Float1D:
    """Return mid-points of the ranks in (0, 1): the same order as the values."""
    ranks = np.argsort(np.argsort(values))
    return (ranks + 0.5) / len(values)


class FunctionalFamily(_PairwiseFamily):
    """Pairs y = f(x) + s(x) e with eleven kinds of f, even noise or noise that depends on x."""

    name = "functional"

    def pair(self, generator: np.random.Generator, n: int) -> Pair:
        """Draw one functional pair, in either direction."""
        x, y, truth = draw_functional_pair(generator, n)
        return (y, x, truth) if generator.random() < 0.5 else (x, y, truth)


class PairsFamily(_PairwiseFamily):
    """Pairs of different kinds side by side: copulas and functional relations in one law."""

    name = "pairs"

    def __init__(self) -> None:
        self._kinds = (CopulaFamily(), FunctionalFamily())

    def pair(self, generator: np.random.Generator, n: int) -> Pair:
        """Draw one pair of either kind."""
        return self._kinds[int(generator.integers(2))].pair(generator, n)


class UniformNoiseFamily(Family):
    """Uniform coordinates observed with independent uniform noise."""

    name = "uniform_noise"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw the noise levels, one for each coordinate, and n rows."""
        choice = generator.random()
        if choice < 0.5:
            dim = 1 if choice < 0.35 else int(generator.integers(2, 9))
            levels = np.array([log_uniform(generator, 0.02, 2.0) for _ in range(dim)])
        else:
            dim = int(generator.integers(2, 33 if n <= 1000 else 9))
            levels = generator.uniform(0.1, 2.0, dim)
        if generator.random() < 0.3:
            levels[:] = levels[0]
        x = generator.random((n, dim))
        y = x + generator.uniform(-1, 1, (n, dim)) * levels
        truth = float(sum(additive_uniform_information(float(level)) for level in levels))
        return JointSample(x, y, truth, self.name)


class SharpNoiseFamily(Family):
    """Coordinates observed with independent noise that has ends, edges or peaks, none of it uniform."""

    name = "sharp_noise"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw the laws, the noise levels and n rows."""
        dim = 1 if generator.random() < 0.6 else int(generator.integers(2, 25 if n <= 1000 else 9))
        x, y, truth = draw_noisy_pairs(generator, n, dim)
        if generator.random() < 0.25:
            x, y = random_side_map(generator, x), random_side_map(generator, y)
        if generator.random() < 0.5:
            x, y = y, x
        return JointSample(x, y, truth, self.name)


class IndependentFamily(Family):
    """Two sides drawn apart, each from the dependent laws of other families, so that the truth is zero."""

    name = "independent"

    def __init__(self, sources: tuple[Family, ...]) -> None:
        self.sources = sources

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw two laws and keep one side of each."""
        first, second = (self.sources[int(generator.integers(len(self.sources)))] for _ in range(2))
        x = first.draw(generator, n).x
        y = second.draw(generator, n).y
        return JointSample(x, y, 0.0, self.name)
