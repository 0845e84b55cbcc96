"""Pairs y = f(x) + s(x) e with their mutual information by convolution on a fine grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import entr, ndtri

from validstats._typing import Float1D, Float2D, FloatND
from validstats.mi.families.base import log_uniform

__all__ = ["SHARP_NOISES", "draw_functional_pair", "draw_noisy_pairs", "functional_information"]

NODES = 16_384
SHARP_NOISES = ("triangular", "parabola", "cosine", "exponential", "arcsine")
"""Noise with ends, edges or peaks; none of it is uniform."""
SHAPES = (
    "linear", "quadratic", "cubic", "sine", "cosine", "absolute", "step", "sawtooth", "bump", "exponential", "double_well",
)  # fmt: skip


def quantile_of(kind: str) -> Callable[[FloatND], FloatND]:
    """Return the quantile function of one of the laws of x, all with mean 0."""
    if kind == "uniform":
        return lambda p: 2 * p - 1
    if kind == "normal":
        return lambda p: np.asarray(ndtri(p), dtype=np.float64)
    if kind == "laplace":
        return lambda p: -np.sign(p - 0.5) * np.log1p(-2 * np.abs(p - 0.5))
    if kind == "exponential":
        return lambda p: -1.0 - np.log1p(-p)
    if kind == "sine":
        return lambda p: np.asarray(np.sin(np.pi * (p - 0.5)))
    return lambda p: (
        np.where(p < 0.5, -1.0, 1.0)
        + 0.35 * ndtri(np.where(p < 0.5, 2 * p, 2 * p - 1).clip(1e-12, 1 - 1e-12))
    )


def draw_shape(generator: np.random.Generator) -> Callable[[Float1D], Float1D]:
    """Draw one of eleven shapes of f with its parameters."""
    shape = SHAPES[int(generator.integers(len(SHAPES)))]
    frequency = log_uniform(generator, 0.5, 6.0)
    phase, bend = generator.uniform(0, 2 * np.pi), generator.uniform(-1.5, 1.5)
    steps = int(generator.integers(2, 9))
    table: dict[str, Callable[[Float1D], Float1D]] = {
        "linear": lambda x: x,
        "quadratic": lambda x: x**2 + 0.5 * bend * x,
        "cubic": lambda x: x**3 - 1.5 * bend * x,
        "sine": lambda x: np.sin(frequency * np.pi * x + phase),
        "cosine": lambda x: np.cos(frequency * np.pi * x) + 0.4 * bend * x,
        "absolute": lambda x: np.abs(x - 0.3 * bend),
        "step": lambda x: np.floor(steps * np.tanh(x)) / steps,
        "sawtooth": lambda x: (frequency * x + phase) % 1.0,
        "bump": lambda x: np.exp(-((3 * (x - 0.3 * bend)) ** 2)),
        "exponential": lambda x: np.exp(np.clip(bend * x, -4, 4)),
        "double_well": lambda x: (x**2 - 1) ** 2 * np.sign(bend) + 0.2 * x,
    }
    return table[shape]


def draw_functional_pair(generator: np.random.Generator, n: int) -> tuple[Float1D, Float1D, float]:
    """Draw a functional law, n rows of (x, y) and the mutual information."""
    quantile = quantile_of(str(generator.choice(["uniform", "normal", "laplace", "bimodal"])))
    function = draw_shape(generator)
    noise = str(generator.choice(["normal", "laplace", "logistic"], p=[0.6, 0.25, 0.15]))
    p = (np.arange(NODES) + 0.5) / NODES
    nodes, values = quantile(p), function(quantile(p))
    amplitude = max(float(np.std(values)), 1e-6)
    base = amplitude * log_uniform(generator, 0.015, 4.0)
    levels = np.ones(1)
    if generator.random() < 0.3:
        levels = np.exp(generator.normal(0, 0.8, int(generator.integers(2, 6))))
    truth = functional_information(values, base * levels, noise)
    u = np.clip(generator.random(n), 1e-12, 1 - 1e-12)
    x = quantile(u)
    scale = base * levels[np.minimum((u * len(levels)).astype(np.int64), len(levels) - 1)]
    del nodes
    return x, function(x) + scale * draw_noise(generator, noise, n), truth


def draw_noisy_pairs(generator: np.random.Generator, n: int, dim: int) -> tuple[Float2D, Float2D, float]:
    """Draw pairs y = x + s e whose noise has ends, edges or peaks, and the mutual information of all."""
    quantile = quantile_of(
        str(generator.choice(["uniform", "normal", "laplace", "bimodal", "exponential", "sine"]))
    )
    noise = str(generator.choice(SHARP_NOISES))
    values = quantile((np.arange(NODES) + 0.5) / NODES)
    least = 0.06 if dim <= 3 else 0.5
    levels = [
        float(np.std(values)) * log_uniform(generator, least, 5.0)
        for _ in range(int(generator.integers(1, 1 + min(dim, 3))))
    ]
    truths = np.array(
        [functional_information(values, np.array([level]), noise, step=0.02) for level in levels]
    )
    chosen = generator.integers(len(levels), size=dim)
    x = quantile(np.clip(generator.random((n, dim)), 1e-12, 1 - 1e-12))
    e = np.column_stack([draw_noise(generator, noise, n) for _ in range(dim)])
    return x, x + e * np.array(levels)[chosen], float(truths[chosen].sum())


def draw_noise(generator: np.random.Generator, kind: str, n: int) -> Float1D:
    """Draw noise of unit scale."""
    if kind == "normal":
        return generator.normal(size=n)
    if kind == "laplace":
        return generator.laplace(size=n)
    if kind == "logistic":
        return generator.logistic(scale=0.55, size=n)
    if kind == "triangular":
        return generator.triangular(-1.0, 0.0, 1.0, size=n)
    if kind == "parabola":
        return 2 * generator.beta(2, 2, size=n) - 1
    if kind == "cosine":
        return 2 / np.pi * np.arcsin(2 * generator.random(n) - 1)
    if kind == "exponential":
        return generator.exponential(size=n)
    return np.sin(np.pi * (generator.random(n) - 0.5))


def noise_cdf(kind: str, t: Float1D) -> Float1D:
    """Distribution function of the unit noise."""
    from scipy.special import expit, ndtr

    if kind == "normal":
        return np.asarray(ndtr(t), dtype=np.float64)
    if kind == "laplace":
        return np.where(t < 0, 0.5 * np.exp(np.minimum(t, 0)), 1 - 0.5 * np.exp(-np.maximum(t, 0)))
    if kind == "logistic":
        return np.asarray(expit(t / 0.55), dtype=np.float64)
    if kind == "exponential":
        return np.asarray(-np.expm1(-np.maximum(t, 0.0)), dtype=np.float64)
    inside = np.clip(t, -1.0, 1.0)
    if kind == "triangular":
        return np.where(inside < 0, 0.5 * (1 + inside) ** 2, 1 - 0.5 * (1 - inside) ** 2)
    if kind == "parabola":
        return np.asarray(0.5 + 0.75 * inside - 0.25 * inside**3, dtype=np.float64)
    if kind == "cosine":
        return np.asarray(0.5 * (1 + np.sin(np.pi * inside / 2)), dtype=np.float64)
    return np.asarray(0.5 + np.arcsin(inside) / np.pi, dtype=np.float64)


NOISE_ENTROPY = {
    "normal": 0.5 * np.log(2 * np.pi * np.e),
    "laplace": 1 + np.log(2.0),
    "logistic": 2 + np.log(0.55),
    "triangular": 0.5,
    "parabola": 5 / 3 - np.log(3.0),
    "cosine": 1 - np.log(np.pi / 2),
    "exponential": 1.0,
    "arcsine": np.log(np.pi / 2),
}


def functional_information(values: Float1D, scales: Float1D, noise: str, step: float = 0.1) -> float:
    """Return I(x; f(x) + s e) from f at equally probable nodes of x and s constant on equal shares of them."""
    reach = 12.0 * float(scales.max())
    low, high = float(values.min()) - reach, float(values.max()) + reach
    bins = 1 << int(np.clip(np.ceil(np.log2((high - low) / (step * float(scales.min())))), 9, 15))
    width = (high - low) / bins
    density = np.zeros(bins)
    parts = np.array_split(values, len(scales))
    for part, scale in zip(parts, scales, strict=True):
        density += _smoothed_histogram(part, low, width, bins, float(scale), noise) * (
            len(part) / len(values)
        )
    density = np.maximum(density, 0.0)
    density /= density.sum()
    entropy = float(entr(density).sum() + np.log(width))
    conditional = NOISE_ENTROPY[noise] + float(np.mean(np.log(scales)))
    return max(entropy - conditional, 0.0)


def _smoothed_histogram(
    values: Float1D, low: float, width: float, bins: int, scale: float, noise: str
) -> Float1D:
    position = (values - low) / width
    left = np.floor(position).astype(np.int64)
    share = position - left
    counts = np.bincount(left, 1 - share, bins + 1) + np.bincount(left + 1, share, bins + 1)
    edges = np.asarray((np.arange(bins + 1) - bins / 2) * width / scale, dtype=np.float64)
    kernel = np.diff(noise_cdf(noise, edges))
    product = np.fft.rfft(counts[:bins] / len(values)) * np.fft.rfft(np.roll(kernel, -(bins // 2)))
    smooth = np.fft.irfft(product, bins)
    return np.asarray(0.5 * (smooth + np.roll(smooth, 1)), dtype=np.float64)
