"""Maps of one side of (X, Y) that leave the mutual information as it is: mixing, flows, embeddings, spirals."""

from __future__ import annotations

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.mi.families.base import log_uniform

__all__ = ["coupling_flow", "embed_curve", "mix_linearly", "random_side_map", "spiral", "swiss_roll"]


def mix_linearly(generator: np.random.Generator, side: Float2D) -> Float2D:
    """Multiply a side by a random invertible matrix: a rotation, or a rotation with unequal scales."""
    dim = side.shape[1]
    if dim == 1:
        return side
    rotation = random_rotation(generator, dim)
    if generator.random() < 0.6:
        return side @ rotation
    scales = np.exp(generator.normal(0.0, 0.7, dim))
    return (side @ rotation) * scales @ random_rotation(generator, dim)


def random_rotation(generator: np.random.Generator, dim: int) -> Float2D:
    """Return a random orthogonal matrix."""
    factor, upper = np.linalg.qr(generator.normal(size=(dim, dim)))
    return factor * np.sign(np.diag(upper))


def coupling_flow(generator: np.random.Generator, side: Float2D, layers: int = 2) -> Float2D:
    """Push a side through random affine coupling layers, an invertible map fixed before the rows are seen."""
    dim = side.shape[1]
    if dim == 1:
        return side
    out = side / (1.0 + np.abs(side) / 6.0)
    for _ in range(layers):
        order = generator.permutation(dim)
        kept, moved = order[: dim // 2], order[dim // 2 :]
        hidden = np.tanh(
            out[:, kept] @ generator.normal(0, 1.2 / np.sqrt(len(kept)), (len(kept), 8))
            + generator.normal(0, 1, 8)
        )
        scale = hidden @ generator.normal(0, 0.25, (8, len(moved)))
        shift = hidden @ generator.normal(0, 0.6, (8, len(moved)))
        new = out.copy()
        new[:, moved] = out[:, moved] * np.exp(scale) + shift
        out = new
    return out


def embed_curve(generator: np.random.Generator, side: Float2D) -> Float2D:
    """Append a function of the first coordinate: the side then lies on a surface of lower dimension."""
    first = side[:, 0] / (1.0 + np.abs(side[:, 0]))
    frequency = log_uniform(generator, 0.5, 4.0)
    extra = np.sin(frequency * np.pi * first + generator.uniform(0, 2 * np.pi))
    if generator.random() < 0.4:
        extra = np.cos(frequency * first) * first
    return np.column_stack([side, extra])


def spiral(generator: np.random.Generator, side: Float2D) -> Float2D:
    """Rotate each row by an angle that grows with its squared norm, in random planes; needs two coordinates."""
    dim = side.shape[1]
    if dim == 1:
        return side
    radius = np.sum(side**2, axis=1)
    speed = log_uniform(generator, 0.1, 2.5) / np.sqrt(dim / 2)
    out = side.copy()
    order = generator.permutation(dim)
    planes = 1 if generator.random() < 0.6 else max(1, int(generator.integers(1, dim // 2 + 1)))
    for plane in range(planes):
        i, j = order[2 * plane], order[2 * plane + 1]
        angle = speed * radius
        cosine, sine = np.cos(angle), np.sin(angle)
        out[:, i], out[:, j] = (
            cosine * side[:, i] - sine * side[:, j],
            sine * side[:, i] + cosine * side[:, j],
        )
    return out


def swiss_roll(generator: np.random.Generator, uniform: Float1D) -> Float2D:
    """Roll numbers in (0, 1) up to a plane spiral with two coordinates."""
    turns = generator.uniform(0.6, 1.4)
    angle = 1.5 * np.pi * (1 + 2 * turns * uniform)
    return np.column_stack([angle * np.cos(angle), angle * np.sin(angle)])


def random_side_map(generator: np.random.Generator, side: Float2D, limit: int = 50) -> Float2D:
    """Apply no map, or one or more of: curve embedding, independent noise coordinates, mixing, coupling flow."""
    if generator.random() < 0.45:
        return side
    n, dim = side.shape
    if dim < limit and generator.random() < 0.10:
        side = embed_curve(generator, side)
    if dim + 1 < limit and generator.random() < 0.25:
        extra = int(min(limit - side.shape[1], 1 + generator.geometric(0.4)))
        side = np.column_stack([side, generator.normal(size=(n, max(extra, 1)))])
    if generator.random() < 0.4:
        side = mix_linearly(generator, side)
    if side.shape[1] > 1 and generator.random() < 0.3:
        side = coupling_flow(generator, side)
    return side
