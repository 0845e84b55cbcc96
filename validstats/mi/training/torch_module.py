"""The same network in torch: for training, and as a differentiable module (extra ``torch``)."""

from __future__ import annotations

import numpy as np

try:
    import torch as torch
    from torch import nn
except ImportError as error:  # pragma: no cover
    raise ImportError(
        "Training and differentiation need torch, an optional extra. Install it with: pip install 'validstats[torch]'."
    ) from error

from validstats._typing import FloatND
from validstats.mi.network import FREE, MEDIAN, QUANTILE_LEVELS, RESIDUAL_BOUND, STRUCTURE, NetworkConfig

__all__ = ["QuantileNetwork", "pinball_loss"]


class HeadBlock(nn.Module):
    """One residual block of the head."""

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
    """Statistics head, the torch twin of :mod:`validstats.mi.network.forward_pass`."""

    def __init__(self, config: NetworkConfig, dropout: float = 0.1) -> None:
        super().__init__()
        self.config = config
        self.head_in = nn.Linear(config.n_inputs, config.width)
        self.head = nn.ModuleList(HeadBlock(config.width, dropout) for _ in range(config.depth))
        self.head_norm = nn.LayerNorm(config.width)
        self.head_out = nn.Linear(config.width, config.n_outputs)
        nn.init.zeros_(self.head_out.bias)
        with torch.no_grad():
            self.head_out.weight.mul_(0.1)
            if config.blend:
                # At the start the first stage has three quarters of the answer.
                self.head_out.bias[-1] = 1.0

    def forward(
        self,
        statistics: torch.Tensor,
        anchor: torch.Tensor,
        scale: torch.Tensor,
        least: torch.Tensor | None = None,
        first: torch.Tensor | None = None,
        rule: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return increasing quantiles of log(1 + 2 I)."""
        x = self.head_in(statistics[:, : self.config.n_inputs])
        for block in self.head:
            x = block(x)
        raw = self.head_out(self.head_norm(x))
        share = None
        if self.config.blend:
            assert first is not None
            assert rule is not None
            raw, keep = raw[:, :-1], raw[:, -1:]
            # 1 where the first stage answers alone, 0 where candidates of structure do.
            share = torch.where(rule[:, None] == FREE, torch.sigmoid(keep), rule[:, None].clamp(min=0.0))
        if self.config.gate:
            raw, logits = raw[:, : len(QUANTILE_LEVELS)], raw[:, len(QUANTILE_LEVELS) :]
            count = logits.shape[1]
            weights = torch.softmax(logits + anchor[:, count : 2 * count], dim=1)
            scale = (weights * anchor[:, 2 * count :]).sum(dim=1)
            anchor = (weights * anchor[:, :count]).sum(dim=1)
        own = assemble_quantiles(raw, anchor, scale)
        if rule is not None and not self.training:
            # In use candidates of structure are not shifted; trained so, the network would shift others more.
            own = own - torch.where(rule == STRUCTURE, own[:, MEDIAN] - anchor, 0.0)[:, None]
        if share is not None and first is not None:
            own = share * first + (1.0 - share) * own
        if least is None:
            return own
        return own + torch.relu(least - own[:, MEDIAN])[:, None]

    def parameters_as_arrays(self) -> dict[str, FloatND]:
        """Return the parameters by name."""
        return {k: v.detach().cpu().numpy().astype(np.float64) for k, v in self.state_dict().items()}

    def load_arrays(self, parameters: dict[str, FloatND]) -> QuantileNetwork:
        """Take over parameters by name and return self."""
        self.load_state_dict(
            {k: torch.as_tensor(np.asarray(v, dtype=np.float32)) for k, v in parameters.items()}
        )
        return self


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
