"""Training of the learned test statistic on shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from validstats._typing import AnyArray
from validstats.mi.network import SCALING, DependenceHead, NetworkWeights, forward, head_inputs
from validstats.mi.training.loop import fit_scaling
from validstats.mi.training.shards import Shard

__all__ = ["DependenceRecipe", "borderline_sets", "train_dependence_head"]

INDEPENDENT = 1e-6
"""Mutual information, in nats, below which a set counts as independent."""


@dataclass(frozen=True)
class DependenceRecipe:
    """Schedule of the training."""

    epochs: int = 16
    batch_size: int = 256
    width: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    noise: float = 0.03
    dropout: float = 0.1
    evidence: tuple[float, float] = (0.5, 40.0)
    seed: int = 0


def borderline_sets(shard: Shard, evidence: tuple[float, float]) -> Shard:
    """Return the independent sets, and those whose dependence is neither hopeless nor obvious."""
    amount = shard.truth * shard.shape[:, 0]
    independent = shard.truth <= INDEPENDENT
    return shard.select(independent | ((amount > evidence[0]) & (amount < evidence[1])))


def train_dependence_head(
    shard: Shard, weights: NetworkWeights, recipe: DependenceRecipe | None = None
) -> tuple[DependenceHead, list[float]]:
    """Train a network to tell independent sets from dependent ones, both kinds with equal weight."""
    import torch

    recipe = DependenceRecipe() if recipe is None else recipe
    scaling = {name: value for name, value in fit_scaling(shard).items() if name in SCALING}
    chosen = borderline_sets(shard, recipe.evidence)
    dependent = chosen.truth > INDEPENDENT
    share = float(dependent.mean())
    if not 0.0 < share < 1.0:
        raise ValueError("The shards hold only independent or only dependent sets; both kinds are needed.")
    weight = torch.from_numpy(np.where(dependent, 0.5 / share, 0.5 / (1 - share)).astype(np.float32))
    inputs = head_inputs(chosen.statistics, forward(chosen, weights), scaling)
    values = torch.from_numpy(inputs.astype(np.float32))
    target = torch.from_numpy(dependent.astype(np.float32))
    torch.manual_seed(recipe.seed)
    network = _network(torch, values.shape[1], recipe)
    steps = max(len(values) // recipe.batch_size, 1)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.epochs * steps
    )
    losses = []
    for _ in range(recipe.epochs):
        order = torch.randperm(len(values))
        total = 0.0
        for step in range(steps):
            rows = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            noisy = values[rows] + recipe.noise * torch.randn(len(rows), values.shape[1])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network(noisy)[:, 0], target[rows], weight=weight[rows]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        losses.append(total / steps)
    return DependenceHead(scaling, _parameters(network)), losses


def _network(torch: Any, inputs: int, recipe: DependenceRecipe) -> Any:
    layers = torch.nn
    return layers.Sequential(
        layers.Linear(inputs, recipe.width), layers.SiLU(), layers.Dropout(recipe.dropout),
        layers.Linear(recipe.width, recipe.width), layers.SiLU(), layers.Dropout(recipe.dropout),
        layers.Linear(recipe.width, 1),
    )  # fmt: skip


def _parameters(network: Any) -> dict[str, AnyArray]:
    out: dict[str, AnyArray] = {}
    for number, position in enumerate((0, 3, 6)):
        layer = network[position]
        out[f"{number}.weight"] = layer.weight.detach().numpy().astype(np.float64)
        out[f"{number}.bias"] = layer.bias.detach().numpy().astype(np.float64)
    return out
