"""Families with structure: aligned copies, interactions, symmetric functions, few of many columns, counts, dependent mixtures."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from scipy.special import entr, expit, gammaln, ndtri

from validstats._typing import Float1D, Float2D
from validstats.mi.families.base import Family, JointSample, log_uniform
from validstats.mi.families.functional import (
    draw_functional_pair,
    draw_noise,
    draw_shape,
    functional_information,
)
from validstats.mi.families.mixtures import MixtureFamily
from validstats.mi.families.pairs import COPULA_PAIRS, Pair

__all__ = [
    "AlignedFamily",
    "CountsFamily",
    "DependentMixtureFamily",
    "InteractionFamily",
    "RadialFamily",
    "SparseFamily",
]

TRUTH_DRAWS = 30_000
"""Draws of an index whose law has no closed form; the standard error of the truth is below .01 (1 + I)."""
SIZE_EDGES = (10, 50, 150, 500, 1500, 10_000)
SIZE_SHARES = (0.15, 0.22, 0.28, 0.22, 0.13)


class _StructuredFamily(Family):
    """Families whose sample sizes are spread over cells of n."""

    def sample_size(self, generator: np.random.Generator) -> int:
        """Draw n: a cell of n, then log-uniform in it."""
        cell = int(generator.choice(len(SIZE_SHARES), p=SIZE_SHARES))
        return round(log_uniform(generator, SIZE_EDGES[cell], SIZE_EDGES[cell + 1]))


def periodic_pair(generator: np.random.Generator, n: int) -> Pair:
    """Draw y = sin(f x + phase) + s e with up to a dozen periods."""
    frequency, phase = log_uniform(generator, 1.0, 12.0), generator.uniform(0, 2 * np.pi)
    scale = log_uniform(generator, 0.02, 1.5)
    nodes = (np.arange(16_384) + 0.5) / 16_384
    # One uniform column on (-1, 1): its quantiles are known.
    values = np.sin(frequency * np.pi * (2 * nodes - 1) / 2 + phase)
    truth = functional_information(values, np.array([scale]), "normal")
    x = generator.uniform(-1, 1, n)
    return x, np.sin(frequency * np.pi * x / 2 + phase) + scale * generator.normal(size=n), truth


def functional_pair(generator: np.random.Generator, n: int) -> Pair:
    """Draw one functional pair in either direction."""
    x, y, truth = draw_functional_pair(generator, n)
    return (y, x, truth) if generator.random() < 0.2 else (x, y, truth)


PAIR_KINDS: tuple[Callable[[np.random.Generator, int], Pair], ...] = (
    functional_pair,
    functional_pair,
    periodic_pair,
    *COPULA_PAIRS,
)


class AlignedFamily(_StructuredFamily):
    """Two to eight independent pairs side by side, all of one law or of several, with or without columns of noise."""

    name = "aligned"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw the pairs and n rows of each."""
        count = int(generator.integers(2, 9 if n < 3000 else 5))
        if generator.random() < 0.5:
            # One law for all: the same draws of its parameters, other rows.
            kind, state = PAIR_KINDS[int(generator.integers(len(PAIR_KINDS)))], generator.integers(2**62)
            x, y, truth = kind(np.random.default_rng(state), n * count)
            left, right, total = x.reshape(count, n).T, y.reshape(count, n).T, count * truth
        else:
            pairs = [PAIR_KINDS[int(generator.integers(len(PAIR_KINDS)))](generator, n) for _ in range(count)]
            left, right = (np.column_stack([pair[i] for pair in pairs]) for i in (0, 1))
            total = float(sum(pair[2] for pair in pairs))
        left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
        if generator.random() < 0.4:
            noise = generator.normal(size=(n, int(generator.integers(1, 5))))
            left = np.column_stack([left, noise])
        left, right = (side[:, generator.permutation(side.shape[1])] for side in (left, right))
        return _either_order(generator, left, right, float(total), self.name)


class InteractionFamily(_StructuredFamily):
    """Columns of a few levels, of which one to three decide about a level on the other side."""

    name = "interaction"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw the levels, the table and n rows; the truth is enumerated."""
        columns = int(generator.integers(1, 11))
        active = int(generator.integers(1, min(columns, 3) + 1))
        most = 5 if active == 3 else 8
        levels = generator.integers(2, most + 1, columns)
        if generator.random() < 0.4:
            levels[:] = generator.choice([2, 2, 3, 4])
        laws = [generator.dirichlet(np.full(k, log_uniform(generator, 0.7, 20.0))) for k in levels]
        x = np.column_stack([generator.choice(len(law), n, p=law) for law in laws])
        size_y = int(generator.choice([2, 2, 2, 3, 4, 6]))
        cells = list(itertools.product(*(range(k) for k in levels[:active])))
        table = self._table(generator, cells, size_y)
        mass = np.array([np.prod([laws[j][c] for j, c in enumerate(cell)]) for cell in cells])
        truth = entr(mass @ table).sum() - mass @ entr(table).sum(axis=1)
        place = np.ravel_multi_index(tuple(x[:, j] for j in range(active)), tuple(levels[:active]))
        below = np.cumsum(table, axis=1)[place]
        y = np.minimum((generator.random(n)[:, None] > below).sum(axis=1), size_y - 1)
        shuffled = x[:, generator.permutation(columns)].astype(np.float64)
        return _either_order(
            generator, shuffled, y[:, None].astype(np.float64), float(max(truth, 0.0)), self.name
        )

    def _table(self, generator: np.random.Generator, cells: list[tuple[int, ...]], size_y: int) -> Float2D:
        """Conditional law of the level for each cell: random, or a function of the cell blurred by noise."""
        if generator.random() < 0.35:
            return np.asarray(
                generator.dirichlet(np.full(size_y, log_uniform(generator, 0.1, 3.0)), len(cells))
            )
        kind = int(generator.integers(4))
        if kind == 0:
            value = generator.integers(0, size_y, len(cells))
        elif kind == 1:
            value = np.array([sum(cell) for cell in cells])
        elif kind == 2:
            value = np.array([max(cell) - min(cell) if len(cell) > 1 else cell[0] for cell in cells])
        else:
            value = np.array([int(np.prod(cell)) for cell in cells])
        blur = float(generator.choice([0.0, generator.uniform(0.02, 0.6)], p=[0.15, 0.85]))
        return np.asarray((1 - blur) * np.eye(size_y)[value % size_y] + blur / size_y)


def _index_pair(
    generator: np.random.Generator,
    n: int,
    index: Callable[[np.random.Generator, int], tuple[Float2D, Float1D]],
) -> tuple[Float2D, Float1D, float]:
    """Draw y = f(g(x)) + s e for an index g, and its mutual information from many draws of g."""
    state = np.random.default_rng(generator.integers(2**62))
    _, many = index(state, TRUTH_DRAWS)
    x, few = index(state, n)
    centre, spread = float(many.mean()), max(float(many.std()), 1e-9)
    shape = draw_shape(generator) if generator.random() < 0.5 else _identity
    noise = str(generator.choice(["normal", "laplace", "logistic"], p=[0.7, 0.2, 0.1]))
    values = shape((np.sort(many) - centre) / spread)
    scale = max(float(np.std(values)), 1e-6) * log_uniform(generator, 0.03, 2.5)
    truth = functional_information(values, np.array([scale]), noise)
    y = shape((few - centre) / spread) + scale * draw_noise(generator, noise, n)
    return x, y, truth


def _identity(values: Float1D) -> Float1D:
    return values


class RadialFamily(_StructuredFamily):
    """A smooth function of a norm, a maximum or a mean square of many columns, on one side or hidden in norms of both."""

    name = "radial"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw the symmetric function and n rows."""
        dim = round(log_uniform(generator, 2, 20 if n <= 3000 else 10))
        kind = str(generator.choice(["norm", "square", "maximum", "absolute"], p=[0.4, 0.25, 0.2, 0.15]))
        law = str(generator.choice(["normal", "normal", "uniform", "scaled"]))

        def index(state: np.random.Generator, rows: int) -> tuple[Float2D, Float1D]:
            x = state.uniform(-1, 1, (rows, dim)) if law == "uniform" else state.normal(size=(rows, dim))
            if law == "scaled":
                # A common scale makes the norm vary: an elliptical law with heavy tails.
                x = x * np.exp(0.5 * state.normal(size=(rows, 1)))
            if kind == "norm":
                return x, np.sqrt((x**2).sum(axis=1))
            if kind == "square":
                return x, np.log((x**2).sum(axis=1) + 1e-9)
            if kind == "maximum":
                return x, x.max(axis=1)
            return x, np.abs(x).sum(axis=1)

        x, y, truth = _index_pair(generator, n, index)
        side = y[:, None]
        if generator.random() < 0.3:
            # The value becomes the norm of a side with a random direction, independent of everything.
            direction = generator.normal(size=(n, int(generator.integers(2, 6))))
            direction /= np.linalg.norm(direction, axis=1, keepdims=True)
            side = np.exp((side - side.mean()) / max(float(side.std()), 1e-9) / 2) * direction
        return _either_order(generator, x, side, truth, self.name)


class SparseFamily(_StructuredFamily):
    """A response to one, two or three of many columns: functions of one, products, maxima, sums of squares."""

    name = "sparse"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw the response and n rows."""
        dim = round(log_uniform(generator, 3, 40 if n <= 1500 else 12))
        kind = str(
            generator.choice(
                ["single", "product", "maximum", "radius", "sum", "sign"], p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1]
            )
        )
        active = 1 if kind == "single" else int(generator.integers(2, 4))

        def index(state: np.random.Generator, rows: int) -> tuple[Float2D, Float1D]:
            x = state.normal(size=(rows, max(active, 1)))
            if kind == "single":
                return x, x[:, 0]
            if kind == "product":
                return x, x[:, 0] * x[:, 1]
            if kind == "maximum":
                return x, x.max(axis=1)
            if kind == "radius":
                return x, (x**2).sum(axis=1)
            if kind == "sum":
                return x, np.sin(2 * x[:, 0]) + np.abs(x[:, 1])
            return x, np.abs(x[:, 0]) * np.sign(x[:, 1])

        if kind == "single":
            first, y, truth = functional_pair(generator, n)
            x = first[:, None]
        else:
            x, y, truth = _index_pair(generator, n, index)
        if dim > x.shape[1]:
            x = np.column_stack([x, generator.normal(size=(n, dim - x.shape[1]))])
        sides = y[:, None]
        if generator.random() < 0.25:
            # A second response to another column, independent of the first.
            extra, response, further = functional_pair(generator, n)
            x, sides, truth = np.column_stack([x, extra]), np.column_stack([sides, response]), truth + further
        x = x[:, generator.permutation(x.shape[1])]
        return _either_order(generator, x, sides, truth, self.name)


class CountsFamily(_StructuredFamily):
    """Counts and values with many zeros that follow an index of one to six columns."""

    name = "counts"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw the index, the law of the response and n rows."""
        dim = int(generator.choice([1, 1, 2, 3, 4, 6]))
        slopes = generator.normal(size=dim)
        slopes /= np.linalg.norm(slopes)
        x = generator.normal(size=(n, dim))
        index = x @ slopes
        # 400 quantiles of the standard normal index.
        nodes = ndtri((np.arange(400) + 0.5) / 400)
        slope, level = log_uniform(generator, 0.1, 1.5), generator.uniform(-1.0, 2.0)
        zero = generator.uniform(-3.0, 1.0), generator.uniform(-1.5, 1.5) if generator.random() < 0.7 else 0.0
        bend = generator.random() < 0.3

        def rate(z: Float1D) -> Float1D:
            return np.exp(np.minimum(level + slope * (np.abs(z) if bend else z), 5.0))

        def empty(z: Float1D) -> Float1D:
            return np.asarray(expit(zero[0] + zero[1] * z))

        none = generator.random(n) < empty(index)
        if generator.random() < 0.65:
            y = np.where(none, 0, generator.poisson(rate(index))).astype(np.float64)
            counts = np.arange(int(rate(nodes).max() + 12 * np.sqrt(rate(nodes).max()) + 20))
            log_rate = np.log(rate(nodes))[:, None]
            mass = np.exp(counts * log_rate - rate(nodes)[:, None] - gammaln(counts + 1.0))
            mass *= 1 - empty(nodes)[:, None]
            mass[:, 0] += empty(nodes)
            truth = entr(mass.mean(axis=0)).sum() - entr(mass).sum(axis=1).mean()
        else:
            spread = log_uniform(generator, 0.1, 1.5)
            values = np.log(rate(nodes))
            y = np.where(none, 0.0, np.exp(np.log(rate(index)) + spread * generator.normal(size=n)))
            truth = _hurdle_information(values, empty(nodes), spread)
        side = y[:, None]
        if generator.random() < 0.3:
            x = np.column_stack([x, generator.normal(size=(n, int(generator.integers(1, 5))))])
        return _either_order(generator, x, side, float(max(truth, 0.0)), self.name)


def _hurdle_information(values: Float1D, empty: Float1D, spread: float) -> float:
    """I(index; y) for y = 0 with probability ``empty``, else normal around ``values``: that of the zero and that beyond it."""
    share = float(empty.mean())
    of_zero = _binary_entropy(np.array([share]))[0] - float(_binary_entropy(empty).mean())
    weights = (1 - empty) / (1 - empty).sum()
    grid = np.linspace(values.min() - 8 * spread, values.max() + 8 * spread, 4000)
    density = np.zeros(len(grid))
    for value, weight in zip(values, weights, strict=True):
        density += weight * np.exp(-0.5 * ((grid - value) / spread) ** 2)
    density /= spread * np.sqrt(2 * np.pi)
    entropy = float(entr(density).sum() * (grid[1] - grid[0]))
    conditional = 0.5 * np.log(2 * np.pi * np.e * spread**2)
    return float(of_zero + (1 - share) * max(entropy - conditional, 0.0))


def _binary_entropy(p: Float1D) -> Float1D:
    return np.asarray(entr(p) + entr(1 - p))


class DependentMixtureFamily(MixtureFamily):
    """Mixtures in up to thirty columns whose components differ in their dependence, not only in their place."""

    name = "dependent_mixture"
    own_draws = 10_000

    def sample_size(self, generator: np.random.Generator) -> int:
        """Draw n as the other families with structure do."""
        return _StructuredFamily.sample_size(self, generator)  # type: ignore[arg-type]

    def dims(self, generator: np.random.Generator, n: int) -> tuple[int, int]:
        """Draw the dimensions of the sides, up to 15 each."""
        most = 15 if n <= 3000 else 6
        return tuple(round(log_uniform(generator, 1, most)) for _ in range(2))  # type: ignore[return-value]

    def components(
        self, generator: np.random.Generator, dim_x: int, dim_y: int
    ) -> tuple[Float1D, Float2D, Float2D]:
        """Draw components with dependence of their own between the sides, at the same place or at several."""
        count, dim = int(generator.integers(2, 6)), dim_x + dim_y
        weights = generator.dirichlet(np.full(count, 4.0))
        apart = 0.0 if generator.random() < 0.35 else log_uniform(generator, 0.3, 4.0)
        means = apart * generator.normal(size=(count, dim)) / np.sqrt(dim / 2)
        covariances = np.tile(np.eye(dim), (count, 1, 1))
        active = int(generator.integers(1, min(dim_x, dim_y) + 1))
        for k in range(count):
            columns = generator.permutation(dim_x)[:active], generator.permutation(dim_y)[:active]
            size = np.sqrt(1 - np.exp(-2 * log_uniform(generator, 0.02, 1.5)))
            signs = generator.choice([-1.0, 1.0], active)
            for i, j, sign in zip(*columns, signs, strict=True):
                covariances[k, i, dim_x + j] = covariances[k, dim_x + j, i] = sign * size
            if generator.random() < 0.3:
                scale = np.exp(0.5 * generator.normal(size=dim))
                covariances[k] *= np.outer(scale, scale)
        return weights, means, covariances


def _either_order(
    generator: np.random.Generator, x: Float2D, y: Float2D, truth: float, name: str
) -> JointSample:
    """The sample with its sides in either order."""
    first, second = (x, y) if generator.random() < 0.6 else (y, x)
    return JointSample(np.ascontiguousarray(first), np.ascontiguousarray(second), float(truth), name)
