"""The same network in torch: for training, and as a differentiable module (extra ``torch``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

try:
    import torch
    from torch import nn
except ImportError as error:  # pragma: no cover
    raise ImportError(
        "Training and differentiation need torch, an optional extra. Install it with: pip install 'validstats[torch]'."
    ) from error

from validstats._typing import FloatND
from validstats.mi.lost.torch_cells import CellEncoder, CellTensors
from validstats.mi.network import MEDIAN, QUANTILE_LEVELS, RESIDUAL_BOUND, NetworkConfig, token_shapes

__all__ = ["AttentionBlock", "QuantileNetwork", "pinball_loss"]


class AttentionBlock(nn.Module):
    """Multi-head attention of queries on keys with a feed-forward layer, normalised before each step.

    Parameters
    ----------
    hidden : int
        Width, a multiple of ``heads``.
    heads : int
        Number of heads.
    dropout : float, default 0.0
        Dropout before each residual sum.
    """

    def __init__(self, hidden: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.norm_keys, self.norm_queries = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.query, self.key, self.value = (nn.Linear(hidden, hidden) for _ in range(3))
        self.merge, self.norm_forward = nn.Linear(hidden, hidden), nn.LayerNorm(hidden)
        self.forward_in, self.forward_out = nn.Linear(hidden, 2 * hidden), nn.Linear(2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return the updated queries."""
        m, q, h = queries.shape
        size = h // self.heads
        read = self.norm_keys(keys)
        query = self.query(self.norm_queries(queries)).reshape(m, q, self.heads, size).transpose(1, 2)
        key = self.key(read).reshape(m, -1, self.heads, size).transpose(1, 2)
        value = self.value(read).reshape(m, -1, self.heads, size).transpose(1, 2)
        keep = None if mask is None else mask[:, None, None, :]
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=keep)
        out = queries + self.dropout(self.merge(mixed.transpose(1, 2).reshape(m, q, h)))
        inner = nn.functional.silu(self.forward_in(self.norm_forward(out)))
        return out + self.dropout(self.forward_out(inner))


class EncoderBlock(nn.Module):
    """Attention along samples through inducing points, along coordinates, and exchange of their means.

    Parameters
    ----------
    config : NetworkConfig
        Sizes.
    dropout : float, default 0.0
        Dropout rate.
    """

    def __init__(self, config: NetworkConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.points = nn.Parameter(0.3 * torch.randn(config.inducing, config.hidden))
        self.gather = AttentionBlock(config.hidden, config.heads, dropout)
        self.spread = AttentionBlock(config.hidden, config.heads, dropout)
        self.columns = AttentionBlock(config.hidden, config.heads, dropout)
        self.to_columns, self.to_rows = (nn.Linear(config.hidden, config.hidden) for _ in range(2))

    def forward(
        self, rows: torch.Tensor, row_mask: torch.Tensor, columns: torch.Tensor, column_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return updated sample and coordinate tokens."""
        points = self.gather(self.points.expand(len(rows), -1, -1), rows, row_mask)
        rows = self.spread(rows, points, None)
        columns = self.columns(columns, columns, column_mask)
        from_rows = self.to_columns(masked_mean(rows, row_mask))
        from_columns = self.to_rows(masked_mean(columns, column_mask))
        return rows + from_columns[:, None, :], columns + from_rows[:, None, :]


class HeadBlock(nn.Module):
    """One residual block of the head.

    Parameters
    ----------
    width : int
        Width of the head.
    dropout : float, default 0.0
        Dropout rate.
    """

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm, self.inner, self.outer = (
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.Linear(width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the updated features."""
        return x + self.outer(self.dropout(nn.functional.silu(self.inner(self.norm(x)))))


class QuantileNetwork(nn.Module):
    """Statistics head and attention encoders, the torch twin of :mod:`validstats.mi.network.forward_pass`.

    Parameters
    ----------
    config : NetworkConfig
        Sizes.
    dropout : float, default 0.1
        Dropout rate while training.
    """

    def __init__(self, config: NetworkConfig, dropout: float = 0.1) -> None:
        super().__init__()
        self.config = config
        (_, sample_size), (_, coordinate_size) = token_shapes()
        features = config.n_statistics
        if config.tokens:
            self.sample_in = nn.Linear(sample_size, config.hidden)
            self.coordinate_in = nn.Linear(coordinate_size, config.hidden)
            self.blocks = nn.ModuleList(EncoderBlock(config, 0.0) for _ in range(config.blocks))
            self.pool_points = nn.Parameter(0.3 * torch.randn(2, config.hidden))
            self.pool = AttentionBlock(config.hidden, config.heads)
            self.encoded_norm = nn.LayerNorm(4 * config.hidden)
            self.encoded_out = nn.Linear(4 * config.hidden, config.encoded)
            self.encoded_dropout = nn.Dropout(dropout)
            features += config.encoded
        if config.cells:
            self.cells = CellEncoder(config)
            self.cells_dropout = nn.Dropout(dropout)
            features += config.encoded
        self.head_in = nn.Linear(features, config.width)
        self.head = nn.ModuleList(HeadBlock(config.width, dropout) for _ in range(config.depth))
        self.head_norm = nn.LayerNorm(config.width)
        self.head_out = nn.Linear(config.width, config.n_outputs)
        nn.init.zeros_(self.head_out.bias)
        with torch.no_grad():
            self.head_out.weight.mul_(0.1)

    def encode(
        self, rows: torch.Tensor, row_mask: torch.Tensor, columns: torch.Tensor, column_mask: torch.Tensor
    ) -> torch.Tensor:
        """Return the features that the encoder hands to the head."""
        rows, columns = self.sample_in(rows), self.coordinate_in(columns)
        for block in self.blocks:
            rows, columns = block(rows, row_mask, columns, column_mask)
        pooled = self.pool(self.pool_points.expand(len(rows), -1, -1), rows, row_mask).flatten(1)
        joined = torch.cat([pooled, masked_mean(rows, row_mask), masked_mean(columns, column_mask)], dim=1)
        return self.encoded_out(self.encoded_norm(joined))

    def forward(
        self,
        statistics: torch.Tensor,
        anchor: torch.Tensor,
        scale: torch.Tensor,
        tokens: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor] | None = None,
        cells: Sequence[CellTensors] | None = None,
    ) -> torch.Tensor:
        """Return increasing quantiles of log(1 + 2 I).

        Parameters
        ----------
        statistics : Tensor of shape (m, len(STATISTIC_NAMES))
            Scaled statistics.
        anchor : Tensor of shape (m,), or (m, 8) where the network has a gate
            Anchor on the logarithmic scale, or all anchors and the logits that the gate starts from.
        scale : Tensor of shape (m,)
            Scale of the correction.
        tokens : tuple of Tensor or None, default None
            Scaled sample tokens, their mask, scaled coordinate tokens, their mask.
        cells : sequence of CellTensors or None, default None
            Cells of all sets, by group.

        Returns
        -------
        Tensor of shape (m, 19)
            Quantiles.
        """
        features = statistics[:, : self.config.n_statistics]
        if self.config.tokens:
            assert tokens is not None
            features = torch.cat([features, self.encoded_dropout(self.encode(*tokens))], dim=1)
        if self.config.cells:
            assert cells is not None
            features = torch.cat([features, self.cells_dropout(self.cells(cells))], dim=1)
        x = self.head_in(features)
        for block in self.head:
            x = block(x)
        raw = self.head_out(self.head_norm(x))
        if self.config.gate:
            raw, logits = raw[:, : len(QUANTILE_LEVELS)], raw[:, len(QUANTILE_LEVELS) :]
            count = logits.shape[1]
            anchor = (torch.softmax(logits + anchor[:, count:], dim=1) * anchor[:, :count]).sum(dim=1)
        return assemble_quantiles(raw, anchor, scale)

    def parameters_as_arrays(self) -> dict[str, FloatND]:
        """Return the parameters by name."""
        return {k: v.detach().cpu().numpy().astype(np.float64) for k, v in self.state_dict().items()}

    def load_arrays(self, parameters: dict[str, FloatND]) -> QuantileNetwork:
        """Take over parameters by name and return self."""
        self.load_state_dict(
            {k: torch.as_tensor(np.asarray(v, dtype=np.float32)) for k, v in parameters.items()}
        )
        return self


def masked_mean(tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average tokens that exist."""
    weights = mask / mask.sum(dim=1, keepdim=True)
    return (tokens * weights[:, :, None]).sum(dim=1)


def assemble_quantiles(raw: torch.Tensor, anchor: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Turn raw outputs into increasing quantiles around the anchor."""
    median = RESIDUAL_BOUND * torch.tanh(raw[:, :1] / RESIDUAL_BOUND)
    steps = 0.1 * nn.functional.softplus(raw[:, 1:]) + 1e-5
    down = torch.cumsum(steps[:, :MEDIAN], dim=1).flip(1)
    up = torch.cumsum(steps[:, MEDIAN:], dim=1)
    return anchor[:, None] + scale[:, None] * torch.cat([median - down, median, median + up], dim=1)


def pinball_loss(quantiles: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the pinball loss, averaged over the levels, of each set."""
    levels = torch.tensor(QUANTILE_LEVELS, dtype=quantiles.dtype)
    gap = target[:, None] - quantiles
    return torch.maximum(levels * gap, (levels - 1) * gap).mean(dim=1)
