"""Training of the network on shards: scaling, anchors, the loop with early stopping, metrics."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from validstats._typing import AnyArray, Float1D, Float2D, FloatND
from validstats.mi.families import FAMILY_NAMES
from validstats.mi.network import (
    DIM_EDGES,
    N_EDGES,
    QUANTILE_LEVELS,
    NetworkConfig,
    NetworkWeights,
    anchor_values,
    blend_inputs,
    forward,
    from_log_scale,
    gate_inputs,
    least_information,
    residual_scale,
    ruling,
    scale_statistics,
    shape_cells,
    to_log_scale,
)
from validstats.mi.statistics import ANCHOR_NAMES, CLASSICAL_ANCHORS
from validstats.mi.training.shards import Shard
from validstats.runtime import whole_file

if TYPE_CHECKING:
    from validstats.mi.training.torch_module import QuantileNetwork

__all__ = [
    "Recipe",
    "choose_anchors",
    "fit_scaling",
    "pinball",
    "score_table",
    "train_network",
    "without_families",
]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained."""

    epochs: int = 12
    batch_size: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    noise: float = 0.03
    dropout: float = 0.1
    patience: int = 4
    seed: int = 0


def without_families(shard: Shard, names: tuple[str, ...]) -> Shard:
    """Return the sets that belong to none of the named families."""
    numbers = [FAMILY_NAMES.index(name) for name in names]
    return shard.select(~np.isin(shard.family, numbers))


def fit_scaling(shard: Shard, limit: int = 20_000) -> dict[str, FloatND]:
    """Return the constants that bring statistics to unit scale."""
    values = shard.statistics[:limit].astype(np.float64)
    unit = np.maximum(np.median(np.abs(values), axis=0), 0.05 * values.std(axis=0)) + 1e-3
    logs = np.sign(values) * np.log1p(np.abs(values) / unit)
    scaling = {
        "statistic_unit": unit,
        "statistic_centre": np.median(logs, axis=0),
        "statistic_spread": logs.std(axis=0) + 1e-3,
    }
    return {name: value.astype(np.float32).astype(np.float64) for name, value in scaling.items()}


def choose_anchors(shard: Shard, least: int = 150) -> npt.NDArray[np.int64]:
    """Choose, by cell of n and dim X + dim Y, the anchor with the least mean absolute error on the training sets."""
    table = np.full((len(N_EDGES) - 1, len(DIM_EDGES) - 1), ANCHOR_NAMES.index("gaussian"), dtype=np.int64)
    rows, columns = shape_cells(shard.shape)
    error = np.abs(
        to_log_scale(shard.anchors[:, : len(CLASSICAL_ANCHORS)]) - to_log_scale(shard.truth)[:, None]
    )
    for i in range(table.shape[0]):
        for j in range(table.shape[1]):
            cell = (rows == i) & (columns == j)
            if cell.sum() >= least:
                table[i, j] = int(np.argmin(error[cell].mean(axis=0)))
    table[:, 0] = ANCHOR_NAMES.index("ksg")
    return table


@dataclass(frozen=True)
class PreparedSets:
    """Scaled inputs and targets as float32 arrays."""

    statistics: npt.NDArray[np.float32]
    anchor: npt.NDArray[np.float32]
    gate: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    target: npt.NDArray[np.float32]
    least: npt.NDArray[np.float32]
    first: npt.NDArray[np.float32] | None = None
    rule: npt.NDArray[np.float32] | None = None

    def select(self, chosen: npt.NDArray[np.int64]) -> PreparedSets:
        """Some of the sets."""
        return PreparedSets(
            *(None if a is None else a[chosen] for a in (getattr(self, f.name) for f in fields(self)))  # type: ignore[arg-type]
        )

    def batch(self, chosen: npt.NDArray[np.int64], gate: bool) -> list[Any]:
        """Inputs of the network for some sets, as tensors; None for what it does not read."""
        import torch

        anchors = self.gate if gate else self.anchor
        least = self.least if gate else None
        arrays = (self.statistics, anchors, self.scale, least, self.first, self.rule)
        return [None if a is None else torch.from_numpy(a[chosen]) for a in arrays]


def prepare_sets(
    shard: Shard,
    scaling: dict[str, FloatND],
    table: npt.NDArray[np.int64],
    first: NetworkWeights | None = None,
) -> PreparedSets:
    """Scale the inputs of a training or validation set once; with a first stage, those of a second one."""
    target = to_log_scale(shard.truth).astype(np.float32)
    anchor = anchor_values(shard, table).astype(np.float32)
    scale = residual_scale(shard.shape).astype(np.float32)
    least = to_log_scale(least_information(shard)).astype(np.float32)
    if first is None:
        scaled = scale_statistics(shard.statistics, scaling).astype(np.float32)
        mixed = gate_inputs(shard, table, len(ANCHOR_NAMES)).astype(np.float32)
        return PreparedSets(scaled, anchor, mixed, scale, target, least)
    quantiles = forward(shard, first)
    features, gate = blend_inputs(shard, scaling, quantiles, len(ANCHOR_NAMES))
    parts = (features, anchor, gate, scale, target, least, quantiles, ruling(shard))
    return PreparedSets(*(np.ascontiguousarray(part, dtype=np.float32) for part in parts))


def predict_prepared(model: QuantileNetwork, sets: PreparedSets, batch_size: int = 1024) -> Float2D:
    """Return the quantiles of prepared sets from a torch model."""
    import torch

    model.eval()
    out = []
    with torch.no_grad():
        for start in range(0, len(sets.target), batch_size):
            chosen = np.arange(start, min(start + batch_size, len(sets.target)))
            out.append(model(*sets.batch(chosen, model.config.gate)).numpy())
    model.train()
    return np.concatenate(out).astype(np.float64)


def train_network(
    train: PreparedSets, validation: PreparedSets, config: NetworkConfig, recipe: Recipe,
    report: Callable[[dict[str, Any]], None] | None = None, checkpoint: Path | None = None,
) -> tuple[dict[str, FloatND], list[dict[str, Any]]]:  # fmt: skip
    """Train one network and return the weights of its best epoch."""
    import torch

    from validstats.mi.training.torch_module import QuantileNetwork, pinball_loss

    torch.manual_seed(recipe.seed)
    generator = np.random.default_rng([recipe.seed, 1])
    model = QuantileNetwork(config, recipe.dropout)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = max(len(train.target) // recipe.batch_size, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=steps * recipe.epochs + 1, pct_start=0.15
    )
    log: list[dict[str, Any]] = []
    best, best_loss = model.parameters_as_arrays(), np.inf
    if checkpoint is not None and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        best, best_loss = {name: value.numpy() for name, value in state["best"].items()}, state["best_loss"]
        log, generator.bit_generator.state = json.loads(state["log"]), json.loads(state["generator"])
    for epoch in range(len(log), recipe.epochs):
        started, total = time.perf_counter(), 0.0
        order = generator.permutation(len(train.target))
        for step in range(steps):
            chosen = np.sort(order[step * recipe.batch_size : (step + 1) * recipe.batch_size])
            statistics, *others = train.batch(chosen, config.gate)
            statistics = statistics + recipe.noise * torch.randn_like(statistics)
            loss = pinball_loss(model(statistics, *others), torch.from_numpy(train.target[chosen])).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        held_out = pinball(predict_prepared(model, validation), validation.target)
        log.append({
            "epoch": epoch, "train": total / steps, "validation": float(held_out.mean()),
            "seconds": time.perf_counter() - started,
        })  # fmt: skip
        if log[-1]["validation"] < best_loss:
            best, best_loss = model.parameters_as_arrays(), log[-1]["validation"]
        if report is not None:
            report(log[-1])
        if checkpoint is not None:
            state = {
                "model": model.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(),
                "best": {name: torch.from_numpy(value) for name, value in best.items()}, "best_loss": best_loss,
                "log": json.dumps(log), "generator": json.dumps(generator.bit_generator.state),
            }  # fmt: skip
            with whole_file(checkpoint) as draft:
                torch.save(state, draft)
        if epoch - min(log, key=lambda entry: entry["validation"])["epoch"] >= recipe.patience:
            break
    return best, log


def pinball(quantiles: Float2D, target: AnyArray) -> Float1D:
    """Return the pinball loss of each set, averaged over ``QUANTILE_LEVELS``."""
    gap = np.asarray(target, dtype=np.float64)[:, None] - quantiles
    levels = np.array(QUANTILE_LEVELS)
    return np.asarray(np.maximum(levels * gap, (levels - 1) * gap).mean(axis=1))


def score_table(quantiles: Float2D, shard: Shard) -> dict[str, dict[str, float]]:
    """Return errors and raw coverage by family, and for all."""
    estimate = from_log_scale(quantiles[:, QUANTILE_LEVELS.index(0.5)])
    error = np.abs(estimate - shard.truth)
    classical = np.abs(shard.anchors[:, 0] - shard.truth)
    target = to_log_scale(shard.truth)
    low, high = quantiles[:, QUANTILE_LEVELS.index(0.05)], quantiles[:, QUANTILE_LEVELS.index(0.95)]
    inside = (np.maximum(low, 0.0) <= target + 1e-12) & (target <= np.maximum(high, 0.0) + 1e-12)
    loss = pinball(quantiles, target)
    out = {}
    for name in ("all", *FAMILY_NAMES):
        chosen = np.ones(len(shard), bool) if name == "all" else shard.family == FAMILY_NAMES.index(name)
        if chosen.any():
            out[name] = {
                "sets": int(chosen.sum()), "pinball": float(loss[chosen].mean()), "mae": float(error[chosen].mean()),
                "median": float(np.median(error[chosen])), "coverage": float(inside[chosen].mean()),
            }  # fmt: skip
            if np.isfinite(classical).all():
                out[name]["ksg_mae"] = float(classical[chosen].mean())
                out[name]["ksg_median"] = float(np.median(classical[chosen]))
    return out
