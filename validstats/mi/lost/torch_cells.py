"""The plain cell encoder in torch, the twin of :mod:`validstats.mi.lost.encoder_cells` (extra ``torch``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from validstats.mi.lost.encoder import mask_bias
from validstats.mi.lost.encoder_cells import CELL_FEATURES, FREQUENCIES, side_mask
from validstats.mi.lost.shards_cells import CellGroup
from validstats.mi.network import NetworkConfig

__all__ = ["CellEncoder", "CellTensors", "group_tensors"]


@dataclass(frozen=True)
class CellTensors:
    """A :class:`CellGroup` as tensors.

    Attributes
    ----------
    positions : Tensor of int64 of shape (k,)
        Positions of the sets.
    cells : Tensor of shape (k, rows, coordinates)
        Normal scores.
    mask : Tensor of bool of shape (k, rows)
        Which rows exist.
    split : int
        Coordinates of the first side.
    """

    positions: torch.Tensor
    cells: torch.Tensor
    mask: torch.Tensor
    split: int


def group_tensors(groups: Sequence[CellGroup]) -> list[CellTensors]:
    """Return groups of cells as tensors in single precision."""
    return [
        CellTensors(
            torch.from_numpy(group.positions),
            torch.from_numpy(group.cells.astype(np.float32)),
            torch.from_numpy(group.mask),
            group.split,
        )
        for group in groups
    ]


def mix_values(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor | None, heads: int
) -> torch.Tensor:
    """Average values by the softmax of scaled products of queries and keys, head by head."""
    m, q, h = query.shape
    size = h // heads
    left, right, read = (x.reshape(m, -1, heads, size).transpose(1, 2) for x in (query, key, value))
    scores = left @ right.transpose(-1, -2) / size**0.5
    if bias is not None:
        scores = scores + bias
    return (torch.softmax(scores, dim=-1) @ read).transpose(1, 2).reshape(m, q, h)


class CoordinateAttention(nn.Module):
    """Attention of the cells of a row on one another, and a gated layer.

    Parameters
    ----------
    width : int
        Width of a cell, a multiple of ``heads``.
    heads : int
        Number of heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.read, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.forward_in, self.forward_out = nn.Linear(width, 2 * width), nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Return the updated cells."""
        m, rows, columns, h = tokens.shape
        read = self.read(self.norm(tokens)).reshape(m * rows, columns, 3 * h)
        query, key, value = read.chunk(3, dim=-1)
        mixed = mix_values(query, key, value, bias, self.heads).reshape(tokens.shape)
        out = tokens + self.merge(mixed)
        left, gate = self.forward_in(self.norm_forward(out)).chunk(2, dim=-1)
        return out + self.forward_out(left * nn.functional.silu(gate))


class SampleAttention(nn.Module):
    """Attention of the cells of a coordinate on one another through inducing points.

    Parameters
    ----------
    width : int
        Width of a cell, a multiple of ``heads``.
    heads : int
        Number of heads.
    inducing : int
        Number of inducing points.
    """

    def __init__(self, width: int, heads: int, inducing: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.read = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.points = nn.Parameter(torch.randn(inducing, width))
        self.read_points, self.merge = nn.Linear(width, 2 * width), nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the updated cells."""
        m, rows, columns, h = tokens.shape
        read = self.read(self.norm(tokens)).transpose(1, 2).reshape(m * columns, rows, 3 * h)
        query, key, value = read.chunk(3, dim=-1)
        bias = torch.zeros_like(mask, dtype=tokens.dtype).masked_fill(~mask, -1e9)
        bias = bias.repeat_interleave(columns, dim=0)[:, None, None, :]
        points = self.points.expand(m * columns, -1, -1)
        gathered = self.read_points(mix_values(points, key, value, bias, self.heads))
        point_key, point_value = gathered.chunk(2, dim=-1)
        mixed = mix_values(query, point_key, point_value, None, self.heads)
        return tokens + self.merge(mixed).reshape(m, columns, rows, h).transpose(1, 2)


class CellEncoder(nn.Module):
    """Features of the cells, the same for any order of rows, of the coordinates of a side and of the sides.

    Parameters
    ----------
    config : NetworkConfig
        Sizes.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, heads = config.cell_width, config.heads
        self.heads = heads
        self.embed = nn.Linear(CELL_FEATURES, width)
        self.coordinates = nn.ModuleList(CoordinateAttention(width, heads) for _ in range(config.cell_blocks))
        self.samples = nn.ModuleList(
            SampleAttention(width, heads, config.cell_inducing) for _ in range(config.cell_blocks - 1)
        )
        self.norm, self.out = nn.LayerNorm(2 * width), nn.Linear(2 * width, config.encoded)

    def forward(self, groups: Sequence[CellTensors]) -> torch.Tensor:
        """Return the features of a batch by position."""
        order = torch.cat([group.positions for group in groups]).argsort()
        return torch.cat([self.encode(group) for group in groups])[order]

    def encode(self, group: CellTensors) -> torch.Tensor:
        """Return the features of sets with the same coordinates."""
        cells, split = group.cells, group.split
        bias = torch.as_tensor(mask_bias(side_mask(split, cells.shape[2], self.heads)), dtype=cells.dtype)
        tokens = self.embed(cell_features(cells))
        for block, attention in enumerate(self.coordinates):
            if block > 0:
                tokens = self.samples[block - 1](tokens, group.mask)
            tokens = attention(tokens, bias)
        weights = group.mask / group.mask.sum(dim=1, keepdim=True)
        means = torch.einsum("kr,krch->kch", weights.to(tokens.dtype), tokens)
        first, second = means[:, :split].mean(dim=1), means[:, split:].mean(dim=1)
        return self.out(self.norm(torch.cat([first + second, (first - second).abs()], dim=1)))


def cell_features(cells: torch.Tensor) -> torch.Tensor:
    """Return Hermite polynomials, sines and cosines of scores along a new last axis."""
    waves = [wave(f * cells) for f in FREQUENCIES for wave in (torch.sin, torch.cos)]
    return torch.stack([cells, cells**2 - 1.0, *waves], dim=-1)
