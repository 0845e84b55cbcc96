"""Ensembles of networks: trained on shards, or on sets drawn from a family."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from validstats._typing import AnyArray, Float2D, Int1D
from validstats.mi.families import FAMILY_NAMES, KINDS, Family
from validstats.mi.network import NetworkConfig, NetworkWeights, member_stack, round_weights
from validstats.mi.training.loop import Recipe, choose_anchors, fit_scaling, prepare_sets, train_network
from validstats.mi.training.shards import Shard, join_shards, load_shards, make_shard, write_shards
from validstats.runtime import progress

__all__ = ["HEAD", "left_out_quantiles", "train_ensemble", "train_on_family", "train_second_stage"]

HEAD = NetworkConfig(gate=True)


def train_ensemble(
    train: Shard, validation: Shard, plan: Sequence[tuple[NetworkConfig, Recipe]], verbose: bool = True,
    checkpoints: Path | None = None,
) -> tuple[NetworkWeights, list[dict[str, Any]]]:  # fmt: skip
    """Train the networks of an ensemble one after the other.

    Returns the ensemble, rounded to half precision as it is stored, and sizes, schedule and losses of each network. ``checkpoints`` is
    a folder for states from which an interrupted training resumes.
    """
    scaling, table = fit_scaling(train), choose_anchors(train)
    prepared = prepare_sets(train, scaling, table), prepare_sets(validation, scaling, table)
    members: list[Any] = []
    logs: list[dict[str, Any]] = []
    for number, (config, recipe) in enumerate(plan):
        checkpoint = None if checkpoints is None else checkpoints / f"network-{number}.pt"
        trained, log = train_network(*prepared, config, recipe, reporter(number, verbose), checkpoint)
        members.append((config, trained))
        logs.append({"config": asdict(config), "recipe": asdict(recipe), "log": log})
    return round_weights(NetworkWeights(scaling, table, tuple(members))), logs


def reporter(number: int, verbose: bool) -> Callable[[dict[str, Any]], None]:
    """Print the losses of an epoch to standard error."""

    def report(entry: dict[str, Any]) -> None:
        if verbose:
            values = ", ".join(
                f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in entry.items()
            )
            print(f"network {number}: {values}", file=sys.stderr, flush=True)

    return report


SECOND = NetworkConfig(width=192, depth=3, gate=True, blend=True)
SECOND_RECIPE = Recipe(
    epochs=14, batch_size=256, learning_rate=2e-3, weight_decay=1e-2, noise=0.05, dropout=0.15, patience=14
)
LEAST_SINGLE = 200
"""Training sets of two single columns from which a network may read independent pairs one by one."""
FOLDS = 4
"""Parts of the sets of a second stage: each network learns from the others and is judged on its own, so that every set serves both."""


def seen_sets(chosen: Int1D, family: AnyArray, seed: int) -> Int1D:
    """The sets of an epoch: those of kinds with fewer sets than the mean of the kinds several times, until they weigh as much."""
    kind = np.full(len(FAMILY_NAMES) + 1, len(KINDS))
    for number, names in enumerate(KINDS.values()):
        kind[[FAMILY_NAMES.index(name) for name in names]] = number
    own = kind[family[chosen]]
    counts = np.bincount(own, minlength=len(KINDS) + 1)
    times = np.maximum(counts[counts > 0].mean() / np.maximum(counts, 1), 1.0)[own]
    whole = np.floor(times + np.random.default_rng(seed).random(len(times))).astype(np.int64)
    return np.repeat(chosen, whole)


def train_second_stage(
    pool: Shard, first: NetworkWeights, recipe: Recipe = SECOND_RECIPE, verbose: bool = True
) -> tuple[NetworkWeights, Float2D, list[dict[str, Any]]]:
    """Train second-stage networks on folds of the sets; also the quantiles of each set by the network that did not see it."""
    known = first.scaling
    scaling = {
        name: np.concatenate([known[name], values[len(known[name]) :]])
        for name, values in fit_scaling(pool).items()
    }
    prepared = prepare_sets(pool, scaling, first.anchor_table, first)
    fold = np.arange(len(pool)) % FOLDS
    members: list[Any] = []
    logs: list[dict[str, Any]] = []
    for number in range(FOLDS):
        # A tenth of the other folds decides when to stop.
        others = np.flatnonzero(fold != number)
        stop = others[::10]
        learn = np.setdiff1d(others, stop)
        parameters, log = train_network(
            prepared.select(seen_sets(learn, pool.family, number)),
            prepared.select(stop),
            SECOND,
            replace(recipe, seed=recipe.seed + number),
            reporter(number, verbose),
        )
        members.append((SECOND, parameters))
        logs.append({"config": asdict(SECOND), "recipe": asdict(recipe), "log": log})
    weights = round_weights(NetworkWeights(scaling, first.anchor_table, tuple(members), first=first))
    return weights, left_out_quantiles(pool, weights), logs


def left_out_quantiles(pool: Shard, weights: NetworkWeights) -> Float2D:
    """Quantiles of each set by the network of a second stage that did not see it."""
    fold = np.arange(len(pool)) % FOLDS
    stack = member_stack(pool, weights)
    return np.asarray(stack[fold, np.arange(len(pool))])


def train_on_family(
    family: Family, seed: int, n_sets: int, *, epochs: int = 12, ensemble: int = 2, shards: str | Path | None = None,
    verbose: bool = True,
) -> NetworkWeights:  # fmt: skip
    """Draw sets from a family and train statistics heads on them."""
    size = min(500, n_sets)
    numbers = range(-(-n_sets // size))
    if shards is None:
        bar = progress(numbers, len(numbers), "training shards", verbose)
        parts = [make_shard(family, seed, number * size, size) for number in bar]
        pool = join_shards(parts)
    else:
        written = write_shards(family, seed, numbers, Path(shards), size=size)
        pool = load_shards(list(progress(written, len(numbers), "training shards", verbose)))
    held = max(len(pool) // 20, 50)
    batch = int(np.clip(len(pool) // 40, 32, 512))
    plan = [(HEAD, Recipe(epochs=epochs, batch_size=batch, seed=seed % 2**31 + k)) for k in range(ensemble)]
    train, validation = pool.select(np.arange(held, len(pool))), pool.select(np.arange(held))
    weights, logs = train_ensemble(train, validation, plan, verbose=verbose)
    single = int((train.shape[:, 2] == 1).sum())
    card = {
        "family": f"the family {family.name!r}",
        "reads_pairs": single >= LEAST_SINGLE,
        "training_sets": len(train),
        "seed": seed,
        "networks": logs,
    }
    return replace(weights, card=card)
