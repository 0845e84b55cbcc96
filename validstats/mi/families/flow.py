"""A family fitted to the user's own data: draws of known mutual information pushed through invertible flows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from validstats._typing import ArrayLike, Float1D, Float2D
from validstats.intake import check_matrix, check_positive_int
from validstats.mi.families.base import Family, JointSample, draw_sample_size, log_uniform
from validstats.mi.families.maps import random_rotation
from validstats.mi.families.pairs import COPULA_PAIRS, rank_uniform

__all__ = ["FlowFamily", "GaussianisingFlow", "fit_flow"]

KNOTS = 64


@dataclass(frozen=True)
class GaussianisingFlow:
    """An invertible map between data and independent standard normals: rotations and monotone maps in turn."""

    rotations: tuple[Float2D, ...]  # Orthogonal matrix of each layer
    # Values, strictly increasing along the first axis, that the monotone maps of each layer send to
    # ``scores``
    knots: tuple[Float2D, ...]
    scores: Float1D  # Normal quantiles that the knots stand for
    centre: Float1D  # centre, scale: First step: standardisation
    scale: Float1D

    def to_normal(self, rows: Float2D) -> Float2D:
        """Send rows that look like the data to rows that look standard normal."""
        out = (rows - self.centre) / self.scale
        for rotation, knots in zip(self.rotations, self.knots, strict=True):
            out = _monotone(out @ rotation, knots, np.tile(self.scores[:, None], (1, knots.shape[1])))
        return out

    def to_data(self, rows: Float2D) -> Float2D:
        """Send standard normal rows to rows that look like the data."""
        out = rows
        for rotation, knots in zip(self.rotations[::-1], self.knots[::-1], strict=True):
            out = _monotone(out, np.tile(self.scores[:, None], (1, knots.shape[1])), knots) @ rotation.T
        return out * self.scale + self.centre


def _monotone(rows: Float2D, inputs: Float2D, outputs: Float2D) -> Float2D:
    # Piecewise linear and strictly increasing, extended along the outer segments.
    out = np.empty_like(rows)
    for j in range(rows.shape[1]):
        a, b = inputs[:, j], outputs[:, j]
        k = np.clip(np.searchsorted(a, rows[:, j]) - 1, 0, len(a) - 2)
        out[:, j] = b[k] + (rows[:, j] - a[k]) * (b[k + 1] - b[k]) / (a[k + 1] - a[k])
    return out


def fit_flow(data: Float2D, layers: int = 6, seed: int = 0) -> GaussianisingFlow:
    """Fit a flow by iterative Gaussianisation."""
    # Laparra, Camps-Valls, Malo (2011), Iterative Gaussianization: from ICA to random rotations, IEEE
    # Transactions on Neural Networks 22(4).
    generator = np.random.default_rng(seed)
    centre, scale = data.mean(axis=0), np.maximum(data.std(axis=0), 1e-9)
    out = (data - centre) / scale
    scores = np.linspace(-3.0, 3.0, KNOTS)
    share = ndtr(scores)
    rotations, knots = [], []
    for layer in range(layers):
        rotation = np.linalg.eigh(out.T @ out)[1] if layer == 0 else random_rotation(generator, data.shape[1])
        turned = out @ rotation
        values = np.quantile(turned, share, axis=0)
        values += np.arange(KNOTS)[:, None] * 1e-4 * np.maximum(turned.std(axis=0), 1e-6)
        rotations.append(rotation)
        knots.append(values)
        out = _monotone(turned, values, np.tile(scores[:, None], (1, data.shape[1])))
    return GaussianisingFlow(tuple(rotations), tuple(knots), scores, centre, scale)


class FlowFamily(Family):
    """Laws whose two marginals resemble the user's data and whose mutual information is known.

    Standard normal vectors U and V, dependent through Gaussian canonical correlations or through copulas of single
    pairs of coordinates, are pushed through flows fitted to the two marginals. The flows are invertible, so that
    I(X; Y) = I(U; V) exactly.

    Parameters
    ----------
    data_x, data_y : array-like of shape (n, dim)
        Samples of the two marginals. They need not be paired, nor equally long.
    layers : int, default 6
        Layers of each flow.
    seed : int, default 0
        Seed of the flows.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> family = FlowFamily(rng.exponential(size=(300, 2)), rng.uniform(size=(300, 1)))
    >>> sample = family.sample(seed=0, index=5)
    >>> sample.x.shape[1], sample.y.shape[1], sample.mutual_information >= 0
    (2, 1, True)
    """

    name = "flow"

    def __init__(self, data_x: ArrayLike, data_y: ArrayLike, *, layers: int = 6, seed: int = 0) -> None:
        check_positive_int(layers, "layers")
        sides = []
        for name, data in (("data_x", data_x), ("data_y", data_y)):
            rows = check_matrix(data, name)
            if rows.shape[0] < KNOTS:
                raise ValueError(f"{name} needs at least {KNOTS} rows to fit a flow, got {rows.shape[0]}.")
            if (rows == rows[:1]).all(axis=0).any():
                raise ValueError(f"{name} has a constant column; drop it before fitting a flow.")
            sides.append(fit_flow(rows, layers, seed))
        self.flow_x, self.flow_y = sides

    def sample_size(self, generator: np.random.Generator) -> int:
        """Draw n as the default family does, at most 2,000."""
        return min(draw_sample_size(generator), 2000)

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw a dependence between normal vectors and n rows, then push them through the flows."""
        dim_x, dim_y = len(self.flow_x.centre), len(self.flow_y.centre)
        u, v = generator.normal(size=(n, dim_x)), generator.normal(size=(n, dim_y))
        active = int(generator.integers(0, 1 + min(dim_x, dim_y, 6)))
        truth = 0.0
        for j in range(active):
            if generator.random() < 0.6:
                part = log_uniform(generator, 0.01, 1.5)
                rho = np.sqrt(1 - np.exp(-2 * part))
                v[:, j] = rho * u[:, j] + np.sqrt(1 - rho**2) * v[:, j]
            else:
                a, b, part = COPULA_PAIRS[int(generator.integers(len(COPULA_PAIRS)))](generator, n)
                u[:, j], v[:, j] = ndtri(rank_uniform(a)), ndtri(rank_uniform(b))
            truth += part
        u, v = u @ random_rotation(generator, dim_x), v @ random_rotation(generator, dim_y)
        return JointSample(self.flow_x.to_data(u), self.flow_y.to_data(v), truth, self.name)
