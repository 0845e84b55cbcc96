"""The two-axis attention encoder in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from validstats._typing import FloatND

if TYPE_CHECKING:
    from validstats.mi.network import NetworkConfig

__all__ = ["attention", "encode", "layer_norm", "linear", "masked_mean", "mask_bias", "mix_values"]


def linear(x: FloatND, parameters: dict[str, FloatND], name: str) -> FloatND:
    """Apply a linear layer."""
    return x @ parameters[f"{name}.weight"].T + parameters[f"{name}.bias"]


def layer_norm(x: FloatND, parameters: dict[str, FloatND], name: str) -> FloatND:
    """Normalise the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
    return centred / spread * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]


def mask_bias(mask: npt.NDArray[np.bool_]) -> FloatND:
    """Return 0 where the mask holds, and a large negative number elsewhere."""
    return np.where(mask, 0.0, -1e9)


def mix_values(query: FloatND, key: FloatND, value: FloatND, bias: FloatND | None, heads: int) -> FloatND:
    """Average values by the softmax of scaled products of queries and keys, head by head.

    Parameters
    ----------
    query : ndarray of shape (m, q, h)
        Queries.
    key, value : ndarray of shape (m, k, h)
        Keys and values.
    bias : ndarray or None
        Added to the scores; its shape fits (m, heads, q, k).
    heads : int
        Number of heads, a divisor of h.

    Returns
    -------
    ndarray of shape (m, q, h)
        Averages, the heads side by side.
    """
    m, q, h = query.shape
    size = h // heads
    left = query.reshape(m, q, heads, size).transpose(0, 2, 1, 3)
    right = key.reshape(m, -1, heads, size).transpose(0, 2, 3, 1)
    read = value.reshape(m, -1, heads, size).transpose(0, 2, 1, 3)
    scores = left @ right / np.sqrt(size)
    if bias is not None:
        scores = scores + bias
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    return (scores @ read).transpose(0, 2, 1, 3).reshape(m, q, h)


def attention(
    queries: FloatND,
    keys: FloatND,
    mask: npt.NDArray[np.bool_] | None,
    parameters: dict[str, FloatND],
    name: str,
    heads: int,
) -> FloatND:
    """Return a block of multi-head attention of queries on keys, followed by a feed-forward layer.

    Parameters
    ----------
    queries : ndarray of shape (m, q, h)
        Tokens that are updated.
    keys : ndarray of shape (m, k, h)
        Tokens that are read.
    mask : ndarray of bool of shape (m, k) or None
        Which keys exist.
    parameters : dict of str to ndarray
        Weights of the network.
    name : str
        Prefix of the block's weights.
    heads : int
        Number of heads.

    Returns
    -------
    ndarray of shape (m, q, h)
        Updated tokens.
    """
    read = layer_norm(keys, parameters, f"{name}.norm_keys")
    query = linear(layer_norm(queries, parameters, f"{name}.norm_queries"), parameters, f"{name}.query")
    key, value = linear(read, parameters, f"{name}.key"), linear(read, parameters, f"{name}.value")
    bias = None if mask is None else mask_bias(mask)[:, None, None, :]
    mixed = mix_values(query, key, value, bias, heads)
    out = queries + linear(mixed, parameters, f"{name}.merge")
    inner = linear(layer_norm(out, parameters, f"{name}.norm_forward"), parameters, f"{name}.forward_in")
    return out + linear(inner * expit(inner), parameters, f"{name}.forward_out")


def masked_mean(tokens: FloatND, mask: npt.NDArray[np.bool_]) -> FloatND:
    """Average tokens that exist."""
    weights = mask[:, :, None] / mask.sum(axis=1)[:, None, None]
    return np.sum(tokens * weights, axis=1)


def encode(
    samples: FloatND, sample_mask: npt.NDArray[np.bool_], coordinates: FloatND, coordinate_mask: npt.NDArray[np.bool_],
    parameters: dict[str, FloatND], config: NetworkConfig,
) -> FloatND:  # fmt: skip
    """Encode sample tokens and coordinate tokens by attention along each axis with exchange in between.

    Parameters
    ----------
    samples : ndarray of shape (m, rows, 24)
        Scaled sample tokens.
    sample_mask : ndarray of bool of shape (m, rows)
        Which of them exist.
    coordinates : ndarray of shape (m, coordinates, 12)
        Scaled coordinate tokens.
    coordinate_mask : ndarray of bool of shape (m, coordinates)
        Which of them exist.
    parameters : dict of str to ndarray
        Weights.
    config : NetworkConfig
        Sizes.

    Returns
    -------
    ndarray of shape (m, encoded)
        Features for the head, the same for any order of the tokens along either axis.
    """
    m = len(samples)
    rows = linear(samples, parameters, "sample_in")
    columns = linear(coordinates, parameters, "coordinate_in")
    for block in range(config.blocks):
        points = np.broadcast_to(parameters[f"blocks.{block}.points"], (m, config.inducing, config.hidden))
        points = attention(points, rows, sample_mask, parameters, f"blocks.{block}.gather", config.heads)
        rows = attention(rows, points, None, parameters, f"blocks.{block}.spread", config.heads)
        columns = attention(
            columns, columns, coordinate_mask, parameters, f"blocks.{block}.columns", config.heads
        )
        from_rows = linear(masked_mean(rows, sample_mask), parameters, f"blocks.{block}.to_columns")
        from_columns = linear(masked_mean(columns, coordinate_mask), parameters, f"blocks.{block}.to_rows")
        rows = rows + from_columns[:, None, :]
        columns = columns + from_rows[:, None, :]
    seeds = np.broadcast_to(parameters["pool_points"], (m, 2, config.hidden))
    pooled = attention(seeds, rows, sample_mask, parameters, "pool", config.heads).reshape(m, -1)
    joined = np.concatenate(
        [pooled, masked_mean(rows, sample_mask), masked_mean(columns, coordinate_mask)], axis=1
    )
    return linear(layer_norm(joined, parameters, "encoded_norm"), parameters, "encoded_out")
