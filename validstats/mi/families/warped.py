"""Elliptical laws whose sides are bent or twisted by random smooth invertible maps."""

from __future__ import annotations

import numpy as np

from validstats._typing import Float1D, Float2D
from validstats.mi.families.base import Family, JointSample, draw_dims, log_uniform
from validstats.mi.families.gaussian import (
    draw_gaussian,
    gaussian_mutual_information,
    random_covariance,
    student_correction,
    student_rows,
)
from validstats.mi.families.maps import coupling_flow, embed_curve, mix_linearly

__all__ = ["TwistedFamily", "WarpedFamily", "shear", "twist", "warp"]

LARGEST_DIM = 12
LARGEST_TWISTED_DIM = 30


def position_along(
    generator: np.random.Generator, side: Float2D, left_out: list[int], fallback: int
) -> Float1D:
    """Project rows on a random unit direction in which some coordinates have no part."""
    dim = side.shape[1]
    direction = generator.normal(size=dim) * (generator.random(dim) < max(0.5, 1.5 / dim))
    direction[left_out] = 0.0
    if not direction.any():
        direction[fallback] = 1.0
    return np.asarray(side @ (direction / np.linalg.norm(direction)), dtype=np.float64)


def shear(generator: np.random.Generator, side: Float2D) -> Float2D:
    """Add to one coordinate a bounded wave, step or bump of a combination of the others: volumes stay as they are."""
    dim = side.shape[1]
    moved = int(generator.integers(dim))
    position = position_along(generator, side, [moved], (moved + 1) % dim)
    frequency, phase = log_uniform(generator, 0.5, 4.0), generator.uniform(0, 2 * np.pi)
    waves = (
        np.sin(frequency * position + phase),
        np.tanh(frequency * position),
        np.exp(-((frequency * position) ** 2)),
        np.abs(position) / (1 + np.abs(position) / 4),
    )
    out = side.copy()
    out[:, moved] += log_uniform(generator, 0.3, 2.5) * waves[int(generator.integers(len(waves)))]
    return out


def warp(generator: np.random.Generator, side: Float2D) -> Float2D:
    """Compose one to three rounds of shears, coupling layers and linear mixing."""
    if side.shape[1] == 1:
        if generator.random() < 0.5:
            return side
        side = embed_curve(generator, side)
    for _ in range(int(generator.integers(1, 4))):
        if generator.random() < 0.6:
            for _ in range(int(generator.integers(1, side.shape[1] + 2))):
                side = shear(generator, side)
        else:
            side = coupling_flow(generator, side, layers=int(generator.integers(1, 4)))
        if generator.random() < 0.4:
            side = mix_linearly(generator, side)
    return side


def twist(generator: np.random.Generator, side: Float2D) -> Float2D:
    """Rotate a plane of two coordinates by an angle that depends on a combination of the others."""
    # Volumes and norms stay as they are. The angle never depends on the rotated coordinates themselves, so
    # that no plane is wound up as in a spiral.
    dim = side.shape[1]
    first, second, third = (int(i) for i in generator.permutation(dim)[:3])
    position = position_along(generator, side, [first, second], third)
    frequency, amplitude = log_uniform(generator, 0.5, 4.0), log_uniform(generator, 0.3, 3.0)
    angles = (
        frequency * position,
        2 * amplitude * np.tanh(position),
        amplitude * position**2,
        2 * amplitude * np.sin(frequency * position),
        amplitude * np.abs(position),
    )
    angle = angles[int(generator.integers(len(angles)))] + generator.uniform(0, 2 * np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    out = side.copy()
    out[:, first] = cosine * side[:, first] - sine * side[:, second]
    out[:, second] = sine * side[:, first] + cosine * side[:, second]
    return out


def twist_and_warp(generator: np.random.Generator, side: Float2D) -> Float2D:
    """Compose one to three rounds of twists, shears and linear mixing; sides below three coordinates are warped."""
    dim = side.shape[1]
    if dim < 3:
        return warp(generator, side)
    for _ in range(int(generator.integers(1, 4))):
        if generator.random() < 0.7:
            for _ in range(1 if generator.random() < 0.5 else int(generator.integers(1, dim // 2 + 1))):
                side = twist(generator, side)
        else:
            side = shear(generator, side)
        if generator.random() < 0.35:
            side = mix_linearly(generator, side)
    return side


def draw_elliptical(
    generator: np.random.Generator, dims: tuple[int, int], n: int
) -> tuple[Float2D, Float2D, float]:
    """Draw n rows of a Gaussian law, or of a Student-t one with its tails drawn in, and the mutual information."""
    dim_x, dim_y = dims
    covariance = random_covariance(generator, dim_x, dim_y)
    truth = gaussian_mutual_information(covariance, dim_x)
    if generator.random() >= 0.25:
        return *draw_gaussian(generator, covariance, dim_x, n), truth
    df = log_uniform(generator, 1.5, 25.0)
    x, y = student_rows(generator, covariance, dim_x, n, df)
    return np.arcsinh(x), np.arcsinh(y), truth + student_correction(df, dim_x, dim_y)


class WarpedFamily(Family):
    """Gaussian and Student-t laws of up to 12 coordinates, one side or both of them bent by smooth invertible maps."""

    name = "warped"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw an elliptical law and n rows, then bend one side or both."""
        dims = draw_dims(generator, n, low=1, high=LARGEST_DIM, univariate=0.0)
        x, y, truth = draw_elliptical(generator, dims, n)
        x = warp(generator, x)
        if generator.random() < 0.6:
            y = warp(generator, y)
        if generator.random() < 0.5:
            x, y = y, x
        return JointSample(x, y, truth, self.name)


class TwistedFamily(Family):
    """Gaussian and Student-t laws of up to 30 coordinates whose sides are twisted plane by plane."""

    name = "twisted"

    def draw(self, generator: np.random.Generator, n: int) -> JointSample:
        """Draw an elliptical law and n rows, then twist one side or both."""
        dim_x, dim_y = draw_dims(generator, n, low=1, high=LARGEST_TWISTED_DIM, univariate=0.0)
        x, y, truth = draw_elliptical(generator, (max(dim_x, 3), dim_y), n)
        x = twist_and_warp(generator, x)
        if generator.random() < 0.6:
            y = twist_and_warp(generator, y)
        if generator.random() < 0.5:
            x, y = y, x
        return JointSample(x, y, truth, self.name)
