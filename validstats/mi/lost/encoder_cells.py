"""The plain cell encoder in NumPy: attention along coordinates and along samples, pooled alike for both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from validstats._typing import FloatND
from validstats.mi.lost.encoder import layer_norm, linear, mask_bias, mix_values
from validstats.mi.lost.shards_cells import CellGroup

if TYPE_CHECKING:
    from validstats.mi.network import NetworkConfig

__all__ = ["CELL_FEATURES", "along_coordinates", "along_samples", "encode_cells", "side_mask"]

FREQUENCIES = (1.0, 2.0, 4.0)
CELL_FEATURES = 2 + 2 * len(FREQUENCIES)
"""Numbers that the first layer reads of a cell: two Hermite polynomials, sines and cosines."""


def cell_features(cells: FloatND) -> FloatND:
    """Return Hermite polynomials, sines and cosines of scores along a new last axis."""
    waves = [wave(f * cells) for f in FREQUENCIES for wave in (np.sin, np.cos)]
    return np.stack([cells, cells**2 - 1.0, *waves], axis=-1)


def side_mask(split: int, columns: int, heads: int) -> npt.NDArray[np.bool_]:
    """Return which coordinates each head reads: the first half of the heads the own side, the others the other side.

    Parameters
    ----------
    split : int
        Coordinates of the first side.
    columns : int
        Coordinates of both sides.
    heads : int
        Number of heads, even.

    Returns
    -------
    ndarray of bool of shape (heads, columns, columns)
        The same when the sides change places with their coordinates.
    """
    side = np.arange(columns) < split
    same = side[:, None] == side[None, :]
    return np.where((np.arange(heads) < heads // 2)[:, None, None], same, ~same)


def along_coordinates(
    tokens: FloatND, bias: FloatND, parameters: dict[str, FloatND], name: str, heads: int
) -> FloatND:
    """Let the cells of a row read one another, then multiply gated features of each.

    Parameters
    ----------
    tokens : ndarray of shape (m, rows, columns, h)
        Cells.
    bias : ndarray of shape (heads, columns, columns)
        Large and negative where a head does not read.
    parameters : dict of str to ndarray
        Weights.
    name : str
        Prefix of the block's weights.
    heads : int
        Number of heads.

    Returns
    -------
    ndarray of shape (m, rows, columns, h)
        Updated cells.
    """
    m, rows, columns, h = tokens.shape
    read = linear(layer_norm(tokens, parameters, f"{name}.norm"), parameters, f"{name}.read")
    query, key, value = np.split(read.reshape(m * rows, columns, 3 * h), 3, axis=-1)
    mixed = mix_values(query, key, value, bias, heads).reshape(tokens.shape)
    out = tokens + linear(mixed, parameters, f"{name}.merge")
    inner = linear(layer_norm(out, parameters, f"{name}.norm_forward"), parameters, f"{name}.forward_in")
    left, gate = np.split(inner, 2, axis=-1)
    return out + linear(left * gate * expit(gate), parameters, f"{name}.forward_out")


def along_samples(
    tokens: FloatND, mask: npt.NDArray[np.bool_], parameters: dict[str, FloatND], name: str, heads: int
) -> FloatND:
    """Let the cells of a coordinate read one another through inducing points.

    Parameters
    ----------
    tokens : ndarray of shape (m, rows, columns, h)
        Cells.
    mask : ndarray of bool of shape (m, rows)
        Which rows exist.
    parameters : dict of str to ndarray
        Weights.
    name : str
        Prefix of the block's weights.
    heads : int
        Number of heads.

    Returns
    -------
    ndarray of shape (m, rows, columns, h)
        Updated cells; the cost is linear in the number of rows.
    """
    m, rows, columns, h = tokens.shape
    read = linear(layer_norm(tokens, parameters, f"{name}.norm"), parameters, f"{name}.read")
    by_column = read.transpose(0, 2, 1, 3).reshape(m * columns, rows, 3 * h)
    query, key, value = np.split(by_column, 3, axis=-1)
    points = parameters[f"{name}.points"]
    bias = np.repeat(mask_bias(mask), columns, axis=0)[:, None, None, :]
    gathered = mix_values(np.broadcast_to(points, (m * columns, *points.shape)), key, value, bias, heads)
    point_key, point_value = np.split(linear(gathered, parameters, f"{name}.read_points"), 2, axis=-1)
    mixed = mix_values(query, point_key, point_value, None, heads)
    spread = linear(mixed, parameters, f"{name}.merge").reshape(m, columns, rows, h)
    return tokens + spread.transpose(0, 2, 1, 3)


def encode_group(group: CellGroup, parameters: dict[str, FloatND], config: NetworkConfig) -> FloatND:
    """Encode sets with the same coordinates.

    Parameters
    ----------
    group : CellGroup
        Cells.
    parameters : dict of str to ndarray
        Weights.
    config : NetworkConfig
        Sizes.

    Returns
    -------
    ndarray of shape (k, encoded)
        Features for the head, the same for any order of rows, of the coordinates of a side and of the sides.
    """
    cells, split = group.cells.astype(np.float64), group.split
    bias = mask_bias(side_mask(split, cells.shape[2], config.heads))
    tokens = linear(cell_features(cells), parameters, "cells.embed")
    for block in range(config.cell_blocks):
        if block > 0:
            tokens = along_samples(tokens, group.mask, parameters, f"cells.samples.{block - 1}", config.heads)
        tokens = along_coordinates(tokens, bias, parameters, f"cells.coordinates.{block}", config.heads)
    weights = group.mask / group.mask.sum(axis=1, keepdims=True)
    means = np.einsum("kr,krch->kch", weights, tokens)
    first, second = means[:, :split].mean(axis=1), means[:, split:].mean(axis=1)
    pooled = np.concatenate([first + second, np.abs(first - second)], axis=1)
    return linear(layer_norm(pooled, parameters, "cells.norm"), parameters, "cells.out")


def encode_cells(groups: list[CellGroup], parameters: dict[str, FloatND], config: NetworkConfig) -> FloatND:
    """Encode all groups of a batch.

    Parameters
    ----------
    groups : list of CellGroup
        Every set of the batch is in one of them.
    parameters : dict of str to ndarray
        Weights.
    config : NetworkConfig
        Sizes.

    Returns
    -------
    ndarray of shape (m, encoded)
        Features by position.
    """
    out = np.zeros((sum(len(group.positions) for group in groups), config.encoded))
    for group in groups:
        out[group.positions] = encode_group(group, parameters, config)
    return out
