"""Joint Gaussian mixtures, plain and exotic, and laws with discrete, binned or partly discrete sides."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from scipy.special import entr, logsumexp, ndtr, ndtri

from validstats._typing import Float1D, Float2D
from validstats.mi.families.base import Family, JointSample, draw_dims, log_uniform
from validstats.mi.families.maps import mix_linearly, random_rotation, random_side_map

__all__ = [
    "BinnedFamily",
    "ContingencyFamily",
    "ExoticMixtureFamily",
    "GaussianMixtureFamily",
    "LabelFamily",
    "MixtureFamily",
    "mixture_information",
]

OWN_DRAWS = 3000
"""Draws for the truth from the stream of the set itself."""
TRUTH_DRAWS = 30_000
"""Draws for the truth altogether; four times as many where the standard error is above ``ERROR_LIMIT`` (1 + I)."""
ERROR_LIMIT = 0.01


def cholesky_roots(covariances: Float2D) -> Float2D:
    """Return the lower Cholesky roots of a stack of covariances."""
    return np.asarray(np.linalg.cholesky(covariances), dtype=np.float64)


def mixture_rows(
    generator: np.random.Generator, weights: Float1D, means: Float2D, roots: Float2D, n: int
) -> Float2D:
    """Draw rows of a Gaussian mixture with component means and Cholesky roots."""
    label = generator.choice(len(weights), n, p=weights)
    noise = generator.normal(size=(n, means.shape[1]))
    rows = np.empty_like(noise)
    for k in range(len(weights)):
        chosen = label == k
        rows[chosen] = noise[chosen] @ roots[k].T + means[k]
    return rows


def mixture_log_density(rows: Float2D, weights: Float1D, means: Float2D, covariances: Float2D) -> Float1D:
    """Return the log density of a Gaussian mixture at each row."""
    terms = np.empty((len(weights), rows.shape[0]))
    for k in range(len(weights)):
        root = np.linalg.cholesky(covariances[k])
        white = (rows - means[k]) @ np.linalg.inv(root).T
        terms[k] = np.log(weights[k]) - 0.5 * np.sum(white**2, axis=1) - np.sum(np.log(np.diag(root)))
    return np.asarray(logsumexp(terms, axis=0)) - 0.5 * rows.shape[1] * np.log(2 * np.pi)


def pointwise_information(
    generator: np.random.Generator, weights: Float1D, means: Float2D, covariances: Float2D, dim_x: int, draws: int
) -> Float1D:  # fmt: skip
    """Pointwise mutual information of draws from a joint Gaussian mixture."""
    rows = mixture_rows(generator, weights, means, cholesky_roots(covariances), draws)
    joint = mixture_log_density(rows, weights, means, covariances)
    first = mixture_log_density(rows[:, :dim_x], weights, means[:, :dim_x], covariances[:, :dim_x, :dim_x])
    second = mixture_log_density(rows[:, dim_x:], weights, means[:, dim_x:], covariances[:, dim_x:, dim_x:])
    return np.asarray(joint - first - second)


def mean_of_many(
    generator: np.random.Generator, draw: Callable[[np.random.Generator, int], Float1D], own_draws: int = OWN_DRAWS
) -> tuple[float, float]:  # fmt: skip
    """Mean of many draws and its standard error.

    ``own_draws`` come from the generator, the rest from its jumped copy, so that their number does not move what is drawn next.
    """
    parts = [draw(generator, own_draws)]
    further = np.random.Generator(generator.bit_generator.jumped())  # type: ignore[attr-defined]
    parts.append(draw(further, TRUTH_DRAWS - own_draws))
    values = np.concatenate(parts)
    if values.std() / np.sqrt(len(values)) > ERROR_LIMIT * (1.0 + abs(values.mean())):
        values = np.concatenate([*parts, draw(further, 3 * TRUTH_DRAWS)])
    return float(values.mean()), float(values.std() / np.sqrt(len(values)))


def mixture_information(
    generator: np.random.Generator, weights: Float1D, means: Float2D, covariances: Float2D, dim_x: int,
    own_draws: int = OWN_DRAWS,
) -> tuple[float, float]:  # fmt: skip
    """Mutual information of a joint Gaussian mixture as the mean of its pointwise information, and its standard error."""

    def draw(state: np.random.Generator, draws: int) -> Float1D:
        return pointwise_information(state, weights, means, covariances, dim_x, draws)

    value, error = mean_of_many(generator, draw, own_draws)
    return max(value, 0.0), error


def random_component(generator: np.random.Generator, dim: int) -> Float2D:
    """Draw the covariance of one component."""
    spread = np.exp(generator.normal(0, 0.5, dim))
    if generator.random() < 0.5:
        return np.diag(spread)
    rotation = random_rotation(generator, dim)
    return (rotation * spread) @ rotation.T + 1e-3 * np.eye(dim)


class MixtureFamily(Family):
    """Joint Gaussian mixtures: draw components, rows, the truth and maps of the sides."""

    own_draws = OWN_DRAWS

    def components(
        self, generator: np.random.Generator, dim_x: int, dim_y: int
    ) -> tuple[Float1D, Float2D, Float2D]:
        """Draw weights, means and covariances of the joint mixture."""
        raise NotImplementedError

    def dims(self, generator: np.random.Generator, n: int) -> tuple[int, int]:
        """Draw the dimensions of the sides."""
        return draw_dims(generator, n, high=10, univariate=0.3)

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw a mixture, n rows and the truth."""
        dim_x, dim_y = self.dims(generator, n)
        weights, means, covariances = self.components(generator, dim_x, dim_y)
        truth, error = mixture_information(generator, weights, means, covariances, dim_x, self.own_draws)
        rows = mixture_rows(generator, weights, means, cholesky_roots(covariances), n)
        x, y = rows[:, :dim_x], rows[:, dim_x:]
        if generator.random() < 0.3:
            x, y = random_side_map(generator, x), random_side_map(generator, y)
        return JointSample(x, y, truth, self.name, error)


class GaussianMixtureFamily(MixtureFamily):
    """Joint mixtures of two to six Gaussians with random means and covariances."""

    name = "mixture"

    def components(
        self, generator: np.random.Generator, dim_x: int, dim_y: int
    ) -> tuple[Float1D, Float2D, Float2D]:
        """Draw the components."""
        count, dim = int(generator.integers(2, 7)), dim_x + dim_y
        weights = generator.dirichlet(np.full(count, 3.0))
        means = generator.normal(0, log_uniform(generator, 0.3, 4.0) / np.sqrt(dim / 2), (count, dim))
        shared = generator.random() < 0.3
        covariance = random_component(generator, dim)
        covariances = np.stack(
            [covariance if shared else random_component(generator, dim) for _ in range(count)]
        )
        return weights, means, covariances


class ExoticMixtureFamily(MixtureFamily):
    """Joint mixtures with shapes: waves, arcs, spirals, strokes, grids, concentric shells and outliers."""

    name = "exotic_mixture"

    def dims(self, generator: np.random.Generator, n: int) -> tuple[int, int]:
        """Draw the dimensions of the sides, mostly small."""
        return draw_dims(
            generator, n, high=int(generator.choice([2, 3, 5, 25], p=[0.4, 0.3, 0.2, 0.1])), univariate=0.35
        )

    def components(
        self, generator: np.random.Generator, dim_x: int, dim_y: int
    ) -> tuple[Float1D, Float2D, Float2D]:
        """Draw one of the shapes and its components."""
        dim = dim_x + dim_y
        shape = generator.choice(
            ["curve", "strokes", "grid", "shells", "outliers"], p=[0.34, 0.22, 0.14, 0.17, 0.13]
        )
        if shape == "shells":
            return shell_components(generator, dim_x, dim_y)
        if shape == "outliers":
            return outlier_components(generator, dim_x, dim_y)
        if shape == "grid":
            return grid_components(generator, dim_x, dim_y)
        return curve_components(generator, dim, strokes=shape == "strokes")


def curve_components(
    generator: np.random.Generator, dim: int, strokes: bool = False
) -> tuple[Float1D, Float2D, Float2D]:
    """Components strung along waves, arcs, spirals (or straight strokes), thin across and long along them."""
    count = int(generator.integers(3, 7)) if strokes else int(generator.integers(6, 13))
    points, tangents = np.zeros((count, 2)), np.zeros((count, 2))
    t = np.linspace(0, 1, count)
    kind = generator.choice(["wave", "arc", "spiral"])
    if strokes:
        points = generator.uniform(-1.5, 1.5, (count, 2))
        angles = generator.uniform(0, np.pi, count)
        tangents = np.column_stack([np.cos(angles), np.sin(angles)]) * generator.uniform(0.2, 1.0, (count, 1))
    elif kind == "wave":
        turns = generator.uniform(0.5, 3.0)
        points = np.column_stack([4 * t - 2, 1.3 * np.sin(2 * np.pi * turns * t)])
        tangents = 0.5 * np.asarray(np.gradient(points, axis=0))
    else:
        turns = generator.uniform(0.4, 1.0) if kind == "arc" else generator.uniform(1.0, 2.0)
        radius = np.full(count, 1.6) if kind == "arc" else 0.4 + 1.6 * t
        angle = 2 * np.pi * turns * t + generator.uniform(0, 2 * np.pi)
        points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
        tangents = 0.5 * np.asarray(np.gradient(points, axis=0))
    width = log_uniform(generator, 0.06, 0.5)
    # The two axes of the curve are one direction of X and one of Y.
    means = np.zeros((count, dim))
    covariances = np.tile(np.eye(dim), (count, 1, 1))
    last = dim - 1
    means[:, 0], means[:, last] = points[:, 0], points[:, 1]
    for k in range(count):
        block = np.outer(tangents[k], tangents[k]) * 0.5 + width**2 * np.eye(2)
        covariances[k][np.ix_([0, last], [0, last])] = block
    if dim > 2 and generator.random() < 0.5:
        middle = int(generator.integers(1, last))
        means[:, middle] = generator.normal(0, 1.0, count) * generator.uniform(0, 1.5)
    return generator.dirichlet(np.full(count, 20.0)), means, covariances


def grid_components(
    generator: np.random.Generator, dim_x: int, dim_y: int
) -> tuple[Float1D, Float2D, Float2D]:
    """Round blobs on a random subset of a grid in the first coordinates of X and Y."""
    side = int(generator.integers(2, 5))
    cells = generator.permutation(side * side)[: int(generator.integers(side, side * side))]
    count, dim = len(cells), dim_x + dim_y
    spacing = log_uniform(generator, 1.0, 5.0)
    means = np.zeros((count, dim))
    means[:, 0], means[:, dim - 1] = spacing * (cells // side), spacing * (cells % side)
    covariances = np.tile(np.eye(dim), (count, 1, 1)) * 0.5
    return generator.dirichlet(np.full(count, 10.0)), means, covariances


def shell_components(
    generator: np.random.Generator, dim_x: int, dim_y: int
) -> tuple[Float1D, Float2D, Float2D]:
    """Centred components of different scale: the sides share nothing but the component."""
    count, dim = int(generator.integers(2, 6)), dim_x + dim_y
    ratio = log_uniform(generator, 1.3, 4.0)
    scales_x = ratio ** np.arange(count)
    scales_y = scales_x if generator.random() < 0.5 else ratio ** generator.permutation(count)
    covariances = np.tile(np.eye(dim), (count, 1, 1))
    means = np.zeros((count, dim))
    for k in range(count):
        covariances[k, :dim_x] *= scales_x[k] ** 2
        covariances[k, dim_x:] *= scales_y[k] ** 2
    if generator.random() < 0.35:
        covariances[:, dim_x:, dim_x:] = np.eye(dim_y)
        means[:, dim - 1] = np.arange(count) * generator.uniform(1, 4)
    return generator.dirichlet(np.full(count, 10.0)), means, covariances


def outlier_components(
    generator: np.random.Generator, dim_x: int, dim_y: int
) -> tuple[Float1D, Float2D, Float2D]:
    """A dependent core and an independent cloud, in any proportion."""
    dim = dim_x + dim_y
    share = generator.uniform(0.1, 0.9)
    core = np.eye(dim)
    pairs = min(dim_x, dim_y)
    rho = np.sqrt(1 - np.exp(-2 * log_uniform(generator, 0.2, 3.0)))
    index = np.arange(1 + int(generator.integers(pairs)))
    core[index, dim_x + index] = core[dim_x + index, index] = rho
    cloud = np.eye(dim) * log_uniform(generator, 0.3, 6.0)
    return np.array([share, 1 - share]), np.zeros((2, dim)), np.stack([core, cloud])


class LabelFamily(Family):
    """A discrete label on one side, a Gaussian component for each label on the other."""

    name = "label"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw the components, n rows and the truth H(label) - H(label | X)."""
        dim, _ = draw_dims(generator, n, high=12, univariate=0.4)
        count = int(generator.choice([2, 2, 2, 3, 4, 5, 8, 12]))
        weights = generator.dirichlet(np.full(count, 5.0))
        means = generator.normal(0, log_uniform(generator, 0.2, 4.0) / np.sqrt(dim), (count, dim))
        covariances = np.stack([random_component(generator, dim) for _ in range(count)])
        if generator.random() < 0.4:
            covariances[:] = covariances[0]
        roots = cholesky_roots(covariances)
        label = generator.choice(count, n, p=weights)
        x = np.einsum("nij,nj->ni", roots[label], generator.normal(size=(n, dim))) + means[label]
        truth, error = label_information(generator, weights, means, covariances)
        x = mix_linearly(generator, x)
        y = label[:, None].astype(np.float64)
        if generator.random() < 0.2:
            y = np.eye(count)[label][:, : max(count - 1, 1)]
        if generator.random() < 0.2:
            x = np.column_stack([x, generator.normal(size=(n, int(generator.integers(1, 5))))])
        first, second = (x, y) if generator.random() < 0.5 else (y, x)
        return JointSample(first, second, truth, self.name, error)


def label_information(
    generator: np.random.Generator, weights: Float1D, means: Float2D, covariances: Float2D
) -> tuple[float, float]:
    """I(component; X) of a Gaussian mixture by the mean entropy of the component given X, and its standard error."""
    one = np.ones(1)

    def draw(state: np.random.Generator, draws: int) -> Float1D:
        rows = mixture_rows(state, weights, means, cholesky_roots(covariances), draws)
        terms = np.stack(
            [
                np.log(weights[k]) + mixture_log_density(rows, one, means[k : k + 1], covariances[k : k + 1])
                for k in range(len(weights))
            ]
        )
        return np.asarray(entr(np.exp(terms - logsumexp(terms, axis=0))).sum(axis=0))

    remaining, error = mean_of_many(generator, draw)
    return float(max(entr(weights).sum() - remaining, 0.0)), error


class ContingencyFamily(Family):
    """Both sides discrete: a random contingency table, or several independent ones side by side."""

    name = "contingency"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw the tables, n rows and the exact truth."""
        blocks = 1 if generator.random() < 0.6 else int(generator.integers(2, 5))
        columns_x, columns_y, truth = [], [], 0.0
        for _ in range(blocks):
            rows, columns = int(generator.integers(2, 9)), int(generator.integers(2, 9))
            table = generator.dirichlet(np.full(rows * columns, log_uniform(generator, 0.15, 5.0)))
            if generator.random() < 0.15:
                table = np.outer(
                    generator.dirichlet(np.ones(rows)), generator.dirichlet(np.ones(columns))
                ).ravel()
            cell = generator.choice(rows * columns, n, p=table)
            columns_x.append(cell // columns)
            columns_y.append(cell % columns)
            joint = table.reshape(rows, columns)
            truth += entr(joint.sum(axis=0)).sum() + entr(joint.sum(axis=1)).sum() - entr(joint).sum()
        x, y = np.column_stack(columns_x).astype(np.float64), np.column_stack(columns_y).astype(np.float64)
        return JointSample(x, y, float(max(truth, 0.0)), self.name)


class BinnedFamily(Family):
    """Gaussian pairs of which one side, or both, is binned: ties, ordinal scales and zero inflation."""

    name = "binned"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw pairs with cuts, n rows and the truth by quadrature."""
        pairs = 1 if generator.random() < 0.5 else int(generator.integers(2, 7))
        both = generator.random() < 0.4
        columns_x, columns_y, truth = [], [], 0.0
        for _ in range(pairs):
            rho = np.sqrt(1 - np.exp(-2 * log_uniform(generator, 0.01, 2.5))) * generator.choice([-1, 1])
            x = generator.normal(size=n)
            y = rho * x + np.sqrt(1 - rho**2) * generator.normal(size=n)
            cuts_y = random_cuts(generator)
            cuts_x = random_cuts(generator) if both else None
            truth += binned_information(float(rho), cuts_y, cuts_x)
            columns_y.append(np.searchsorted(cuts_y, y).astype(np.float64))
            columns_x.append(x if cuts_x is None else np.searchsorted(cuts_x, x).astype(np.float64))
        x, y = np.column_stack(columns_x), np.column_stack(columns_y)
        if generator.random() < 0.25:
            x = np.column_stack([x, generator.normal(size=(n, int(generator.integers(1, 6))))])
        first, second = (x, y) if generator.random() < 0.5 else (y, x)
        return JointSample(first, second, truth, self.name)


def random_cuts(generator: np.random.Generator) -> Float1D:
    """Draw sorted cuts of the normal line: few or many, even or one-sided."""
    count = int(generator.choice([1, 2, 3, 4, 6, 9, 19]))
    if generator.random() < 0.25:
        return np.asarray(ndtri(np.sort(generator.uniform(0.4, 0.97, count))), dtype=np.float64)
    return np.asarray(ndtri(np.sort(generator.uniform(0.03, 0.97, count))), dtype=np.float64)


def binned_information(rho: float, cuts_y: Float1D, cuts_x: Float1D | None = None) -> float:
    """Return the mutual information of a bivariate Gaussian whose Y, and perhaps X, is binned."""
    p = (np.arange(2000) + 0.5) / 2000
    if cuts_x is not None:
        edges = np.concatenate([[0.0], ndtr(cuts_x), [1.0]])
        p = np.concatenate([a + (b - a) * (np.arange(200) + 0.5) / 200 for a, b in itertools.pairwise(edges)])
    x = ndtri(p)
    upper = ndtr((cuts_y[None, :] - rho * x[:, None]) / np.sqrt(1 - rho**2))
    conditional = np.diff(np.column_stack([np.zeros(len(x)), upper, np.ones(len(x))]), axis=1)
    if cuts_x is None:
        marginal = conditional.mean(axis=0)
        return float(max(entr(marginal).sum() - np.mean(entr(conditional).sum(axis=1)), 0.0))
    masses = np.diff(edges)
    joint = conditional.reshape(len(masses), 200, -1).mean(axis=1) * masses[:, None]
    parts = entr(joint.sum(axis=0)).sum() + entr(joint.sum(axis=1)).sum()
    return float(max(parts - entr(joint).sum(), 0.0))
